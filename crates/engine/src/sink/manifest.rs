//! `_manifest.json`: what is in an output folder, and under which terms. Without it an output is not complete.

use arrow::datatypes::Schema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sutura_core::ColumnMeta;

use super::{SinkReport, SinkSpec};

/// The manifest's file name. Other readers of a folder of Parquet files (pyarrow, Spark) pass over names that begin with `_`.
pub const MANIFEST: &str = "_manifest.json";

/// The manifest as bytes.
pub(super) fn render(spec: &SinkSpec, report: &SinkReport) -> Vec<u8> {
    let mut metadata = spec.metadata.clone();
    metadata.extend(spec.known_late());
    let manifest = json!({
        "sutura_manifest": 1,
        "written": chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        "format": spec.format,
        "compression": spec.effective_compression(),
        "rows": report.rows,
        "bytes": report.bytes,
        "partition_by": spec.partition_by,
        "columns": columns(&report.schema),
        "allow_phi": spec.allow_phi.as_ref().map(|purpose| json!({ "purpose": purpose.text, "columns": report.allowed_columns })),
        "metadata": metadata,
        "files": report.files,
    });
    let mut bytes = serde_json::to_vec_pretty(&manifest).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

fn columns(schema: &Schema) -> Vec<serde_json::Value> {
    let describe = |field: &arrow::datatypes::FieldRef| {
        let meta = ColumnMeta::from_field(field);
        json!({
            "name": field.name(), "type": field.data_type().to_string(), "phi": meta.phi, "deid": meta.deid,
            "path": meta.path, "unit": meta.unit, "patient": meta.patient, "doc": meta.doc,
        })
    };
    schema.fields().iter().map(describe).collect()
}

/// The files that a manifest lists, read back to decide whether a folder may be replaced.
pub(super) fn listed_files(manifest: &[u8]) -> Option<Vec<String>> {
    #[derive(Serialize, Deserialize)]
    struct Listed {
        sutura_manifest: u32,
        files: Vec<ListedFile>,
    }
    #[derive(Serialize, Deserialize)]
    struct ListedFile {
        path: String,
    }
    let listed: Listed = serde_json::from_slice(manifest).ok()?;
    (listed.sutura_manifest == 1).then(|| listed.files.into_iter().map(|file| file.path).collect())
}
