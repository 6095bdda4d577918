//! Shapes of codes against the tables they are for.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use arrow::datatypes::DataType;
use sutura_core::{Format, PhiClass};
use sutura_privacy::CodeShape;

/// Policies keep operational columns: text in the place of their codes must find a shape that it has not.
#[test]
fn every_operational_column_of_a_feed_has_a_shape() {
    let mut checked = 0;
    for table in sutura_hl7v2::Hl7v2.tables() {
        for column in &table.columns {
            let path = column.path.as_str();
            let sent = path.contains('-') && column.data_type == DataType::Utf8View;
            // The name of the character set that the reader used is the reader's own word.
            if !sent || column.phi != PhiClass::Operational || column.name == "character_set" {
                continue;
            }
            let shape = CodeShape::of_path(path).unwrap_or_else(|| panic!("{}.{} ({path}) takes any text", table.name, column.name));
            assert!(!shape.fits("Mrs Smith, 12 Elm St") && !shape.fits("193107231200"), "{}.{} ({path})", table.name, column.name);
            checked += 1;
        }
    }
    assert!(checked > 60, "{checked}");
}
