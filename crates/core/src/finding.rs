//! What was read but is not right. Lenient reading and strict reports come from the same parse.

use std::{fmt, sync::Arc};

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, StringViewArray, new_null_array},
    error::ArrowError,
};
use serde::{Deserialize, Serialize};

use crate::{
    record::{COL_OFFSET, COL_SOURCE},
    table::TableDef,
};

/// Name of the table of findings, in every format that has one. Beside the record's identity it has the text columns `code`,
/// `severity`, `location` and `message`.
pub const FINDINGS_TABLE: &str = "findings";

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nothing is wrong.
    Info,
    /// Deviates from the standard; the value is used.
    Warning,
    /// Violates the standard; a strict reader would refuse the record.
    Error,
}

impl Severity {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One finding. It names the place, never the content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Stable code, documented in `docs/src/reference`.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The standard's own path (`PID-5.1`, `OBX[3]-5`).
    pub location: String,
    /// What is wrong and what to do, without any field content.
    pub message: String,
}

impl Finding {
    /// A finding.
    pub fn new(code: &'static str, severity: Severity, location: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code, severity, location: location.into(), message: message.into() }
    }
}

/// A finding that is about a source and not about one of its records: the count in a batch trailer, a trailer that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFinding {
    /// Byte offset of what it is about.
    pub offset: u64,
    /// What is wrong.
    pub finding: Finding,
}

/// Rows of a format's [`FINDINGS_TABLE`] for findings about a whole source. They have source and offset; what only a record has (length,
/// hash, control id, ...) is null.
pub fn source_findings(table: &TableDef, source: &str, findings: &[SourceFinding]) -> Result<RecordBatch, ArrowError> {
    let text =
        |of: fn(&Finding) -> &str| Arc::new(StringViewArray::from_iter_values(findings.iter().map(|row| of(&row.finding)))) as ArrayRef;
    let column = |field: &arrow::datatypes::FieldRef| match field.name().as_str() {
        COL_SOURCE => Arc::new(StringViewArray::from_iter_values(findings.iter().map(|_| source))),
        COL_OFFSET => {
            Arc::new(Int64Array::from_iter_values(findings.iter().map(|row| i64::try_from(row.offset).unwrap_or(i64::MAX)))) as ArrayRef
        }
        "code" => text(|finding| finding.code),
        "severity" => text(|finding| finding.severity.as_str()),
        "location" => text(|finding| &finding.location),
        "message" => text(|finding| &finding.message),
        _ => new_null_array(field.data_type(), findings.len()),
    };
    let schema = table.schema();
    let columns = schema.fields().iter().map(column).collect();
    RecordBatch::try_new(schema, columns)
}

#[cfg(test)]
mod tests {
    use arrow::{array::Array, datatypes::DataType};

    use super::*;
    use crate::{phi::PhiClass, record::identity_columns, table::ColumnDef};

    #[test]
    fn a_finding_about_a_source_is_a_row_of_the_table_of_findings() {
        let mut columns = identity_columns();
        for name in ["patient_id", "code", "severity", "location", "message"] {
            columns.push(ColumnDef::new(name, DataType::Utf8View, "", PhiClass::Operational, name));
        }
        let table = TableDef::new(FINDINGS_TABLE, "findings", columns);
        let finding = Finding::new("batch-count-mismatch", Severity::Warning, "BTS-1", "declares 2 messages");
        let rows = source_findings(&table, "file:///a", &[SourceFinding { offset: 7, finding }]).unwrap();
        let shown = |name: &str| {
            let column = rows.column_by_name(name).unwrap();
            arrow::util::display::array_value_to_string(column, 0).unwrap()
        };
        assert_eq!((shown("_source").as_str(), shown("_offset").as_str()), ("file:///a", "7"));
        assert_eq!((shown("severity").as_str(), shown("location").as_str()), ("warning", "BTS-1"));
        assert!(rows.column_by_name("patient_id").unwrap().is_null(0) && rows.column_by_name("_sha256").unwrap().is_null(0));
    }
}
