//! The table of rejects on its way to disk: its original bytes sealed, or left out.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, BinaryArray, BinaryBuilder, Int64Array},
    datatypes::{DataType, Field},
};
use sutura_core::{ColumnMeta, PhiClass, Sha256Hash, record};
use sutura_engine::{
    ColumnFunction, DataFrame, column, lineage,
    sink::{Purpose, SinkFormat, SinkSpec},
};
use sutura_privacy::KeyRing;

use crate::{error::Result, functions::as_text};

/// Classification of reject tables.
pub(crate) const CLASSIFICATION: &str = "restricted";
/// Why reject tables hold identities of records.
pub(crate) const PURPOSE: &str = "finding and replaying records that could not be read";
/// The column with the original bytes.
pub(crate) const BYTES: &str = "bytes";

/// The rejects with sealed bytes, or without bytes when there is no key.
pub(crate) fn sealed(frame: DataFrame, keys: Option<&Arc<KeyRing>>) -> Result<DataFrame> {
    let schema = lineage::classified_schema(&frame);
    let mut columns = Vec::new();
    for field in schema.fields() {
        if field.name() != BYTES {
            columns.push(column(field.name()));
            continue;
        }
        let Some(keys) = keys.map(Arc::clone) else { continue };
        let meta = ColumnMeta {
            doc: Some("the original bytes, sealed with the job's key (AES-256-GCM-SIV)".into()),
            deid: Some("sealed".into()),
            ..ColumnMeta::of(PhiClass::FreeText)
        };
        let output = meta.apply(Field::new(BYTES, DataType::Binary, true));
        let seal = ColumnFunction::new("seal", output, move |columns| seal(&keys, &columns[0], &columns[1], &columns[2]));
        columns.push(seal.over([BYTES, record::COL_SOURCE, record::COL_OFFSET]));
    }
    Ok(frame.select(columns).map_err(sutura_engine::EngineError::from)?)
}

fn seal(keys: &KeyRing, bytes: &ArrayRef, sources: &ArrayRef, offsets: &ArrayRef) -> std::result::Result<ArrayRef, String> {
    let bytes = bytes.as_any().downcast_ref::<BinaryArray>().ok_or("the original bytes have another type")?;
    let sources = as_text(sources)?;
    let offsets = offsets.as_any().downcast_ref::<Int64Array>().ok_or("the offsets have another type")?;
    let mut builder = BinaryBuilder::new();
    for row in 0..bytes.len() {
        if bytes.is_null(row) {
            builder.append_null();
            continue;
        }
        let sealed = keys.seal(bytes.value(row), &place(sources.value(row)), offset(offsets.value(row)));
        builder.append_value(sealed.map_err(|error| error.to_string())?);
    }
    Ok(Arc::new(builder.finish()))
}

/// What binds sealed bytes to their source: the hash of its URI.
pub(crate) fn place(source: &str) -> [u8; 32] {
    Sha256Hash::of(source.as_bytes()).0
}

/// An offset as it is sealed.
pub(crate) fn offset(offset: i64) -> u64 {
    u64::try_from(offset).unwrap_or_default()
}

/// The sink of a reject table. Record identities lead back to persons, so it needs a purpose and always has the same one.
pub(crate) fn sink_spec(location: String, metadata: BTreeMap<String, String>) -> SinkSpec {
    SinkSpec {
        metadata,
        allow_phi: Some(Purpose { text: PURPOSE.into() }),
        overwrite: true,
        ..SinkSpec::new(SinkFormat::Parquet, location)
    }
}
