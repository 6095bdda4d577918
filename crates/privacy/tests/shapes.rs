//! Shapes of codes against the tables they are for.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use arrow::datatypes::DataType;
use sutura_core::{Format, PhiClass};
use sutura_privacy::CodeShape;

/// Policies keep operational columns, and those that describe patient and care: text in the place of their codes must find a shape that it has not.
#[test]
fn every_column_of_codes_has_a_shape() {
    let (mut operational, mut described) = (0, 0);
    for table in sutura_hl7v2::Hl7v2.tables() {
        for column in &table.columns {
            let path = column.path.as_str();
            let sent = path.contains('-') && column.data_type == DataType::Utf8View;
            let kept = matches!(column.phi, PhiClass::Operational | PhiClass::Clinical | PhiClass::Quasi);
            // The name of the character set that the reader used is the reader's own word, the comparator is read as one.
            if !sent || !kept || ["character_set", "value_comparator"].contains(&column.name.as_str()) {
                continue;
            }
            let place = format!("{}.{} ({path})", table.name, column.name);
            let shape = CodeShape::of_column(path, &column.phi).unwrap_or_else(|| panic!("{place} takes any text"));
            assert!(!shape.fits("Mrs Smith, 12 Elm St") && !shape.fits("193107231200") && !shape.fits("1931-07-23"), "{place}");
            if shape != CodeShape::Display {
                assert!(!shape.fits("Smith-Jones Mary") && !shape.fits("12 Elm Street"), "{place}");
            }
            if column.phi == PhiClass::Operational { operational += 1 } else { described += 1 }
        }
    }
    assert!(operational > 60 && described > 80, "{operational} {described}");
}
