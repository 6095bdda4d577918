//! What a sink checks before anything is written: mostly, that nothing identifying leaves by mistake.

use std::{collections::HashSet, fmt};

use arrow::datatypes::Schema;
use serde::Serialize;
use sutura_core::{ColumnMeta, PhiClass};

use super::{Compression, Layout, SinkFormat, SinkSpec, documents};
use crate::{EngineError, Result};

/// A column that a sink refuses unless a purpose is stated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RefusedColumn {
    /// Its name.
    pub name: String,
    /// Its class; `None`: unclassified.
    pub class: Option<PhiClass>,
}

impl fmt::Display for RefusedColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.class {
            Some(class) => write!(f, "{} ({class})", self.name),
            None => write!(f, "{} (unclassified)", self.name),
        }
    }
}

/// Checks columns and settings; answers the identifying columns that are let through for the stated purpose.
pub(super) fn check(schema: &Schema, spec: &SinkSpec) -> Result<Vec<RefusedColumn>> {
    let bad = |reason: String| Err(EngineError::BadOutput { location: spec.location.clone(), reason });
    check_settings(schema, spec)?;
    for column in &spec.partition_by {
        let Ok(field) = schema.field_with_name(column) else {
            let known = schema.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>().join(", ");
            return bad(format!("no column {column:?} to partition by; there are {known}"));
        };
        if ColumnMeta::from_field(field).must_refuse() {
            return bad(format!(
                "column {column:?} cannot be a partition column: identifying values never become folder names, whatever the purpose; \
                 partition by a treated or a non-identifying column"
            ));
        }
        if field.data_type().is_nested() {
            return bad(format!("column {column:?} cannot be a partition column: it is nested"));
        }
    }
    let refused: Vec<RefusedColumn> = schema
        .fields()
        .iter()
        .map(|field| (field, ColumnMeta::from_field(field)))
        .filter(|(_, meta)| meta.must_refuse())
        .map(|(field, meta)| RefusedColumn { name: field.name().clone(), class: meta.phi })
        .collect();
    match &spec.allow_phi {
        Some(purpose) if purpose.text.trim().is_empty() => {
            bad("allow_phi needs a purpose: say in a few words why the output may hold identifying data".to_owned())
        }
        None if !refused.is_empty() => Err(EngineError::IdentifyingColumns { location: spec.location.clone(), columns: refused }),
        _ => Ok(refused),
    }
}

fn check_settings(schema: &Schema, spec: &SinkSpec) -> Result<()> {
    let bad = |reason: String| Err(EngineError::BadOutput { location: spec.location.clone(), reason });
    if spec.location.trim().is_empty() {
        return bad("the location is empty".to_owned());
    }
    let mut names = HashSet::new();
    if let Some(twice) = schema.fields().iter().find(|field| !names.insert(field.name())) {
        return bad(format!("two columns are named {:?}; give one another name with AS", twice.name()));
    }
    let mut partitions = HashSet::new();
    if let Some(twice) = spec.partition_by.iter().find(|name| !partitions.insert(*name)) {
        return bad(format!("partition_by names {twice:?} twice"));
    }
    if schema.fields().len() <= spec.partition_by.len() {
        return bad("no column is left to write into the files".to_owned());
    }
    if spec.layout == Layout::File && !spec.partition_by.is_empty() {
        return bad("a single file cannot be partitioned; give a folder".to_owned());
    }
    if spec.format == SinkFormat::Files {
        if spec.layout == Layout::File || !spec.partition_by.is_empty() {
            return bad("the rows are files of their own: give a folder, and put folders into their names".to_owned());
        }
        documents::check(schema).or_else(bad)?;
    }
    let compression = spec.effective_compression();
    let fits = match spec.format {
        SinkFormat::Parquet => compression != Compression::Gzip,
        SinkFormat::Csv | SinkFormat::Ndjson => compression != Compression::Snappy,
        SinkFormat::Arrow => matches!(compression, Compression::None | Compression::Zstd),
        SinkFormat::Files => compression == Compression::None,
    };
    if !fits {
        return bad(format!("{:?} is no compression for {:?}; use zstd or none", compression, spec.format).to_lowercase());
    }
    let limits = &spec.limits;
    let ranges = [
        ("row_group_rows", limits.row_group_rows, 1 << 30),
        ("row_group_bytes", limits.row_group_bytes, 4 << 30),
        ("open_files", limits.open_files, 4096),
        ("partitions", limits.partitions, 1_000_000),
    ];
    if let Some((name, value, most)) = ranges.into_iter().find(|(_, value, most)| !(1..=*most).contains(value)) {
        return bad(format!("the limit {name} is {value}; it must be between 1 and {most}"));
    }
    let nested = schema.fields().iter().find(|field| field.data_type().is_nested());
    if let (SinkFormat::Csv, Some(field)) = (spec.format, nested) {
        return bad(format!("column {:?} is nested, which CSV cannot hold; select its parts or write Parquet or NDJSON", field.name()));
    }
    Ok(())
}
