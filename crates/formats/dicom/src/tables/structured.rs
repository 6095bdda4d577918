//! Tables of what is not an image: DICOMDIR, structured reports, segmentations, radiotherapy, waveforms.

mod directory;
mod radiotherapy;
mod report;
mod waveform;

use std::borrow::Cow;

pub(super) use directory::each as directory_records;
pub(super) use radiotherapy::{beams, contours, doses, structures};
pub(super) use report::{content_items, segments};
pub(super) use waveform::{channels, samples};

use super::spec::Table;
use crate::{element::DataSet, tag::Tag};

pub(super) fn tables() -> Vec<Table> {
    let mut tables = vec![directory::table()];
    tables.extend(report::tables());
    tables.extend(radiotherapy::tables());
    tables.extend(waveform::tables());
    tables
}

/// What a code sequence's first item says.
#[derive(Clone, Copy)]
enum CodePart {
    Value,
    Scheme,
    Meaning,
}

/// A part of the code in a sequence of an item (PS3.3 section 8).
fn code(item: DataSet<'_>, sequence: u32, part: CodePart) -> Option<Cow<'_, str>> {
    let code = item.item(Tag(sequence))?;
    match part {
        // Code Value, Long Code Value, URN Code Value.
        CodePart::Value => [0x0008_0100, 0x0008_0119, 0x0008_0120].into_iter().find_map(|tag| code.text(Tag(tag))),
        CodePart::Scheme => code.text(Tag(0x0008_0102)),
        CodePart::Meaning => code.text(Tag(0x0008_0104)),
    }
}

/// Three columns of a code sequence of the row's item: its value, scheme and meaning.
macro_rules! coded {
    ($value:literal, $scheme:literal, $meaning:literal, $sequence:literal, $what:literal) => {{
        use sutura_core::PhiClass::Clinical;

        use crate::tables::{
            spec::{Read, computed},
            structured::{CodePart, code},
        };
        [
            computed($value, "", Clinical, concat!("code of ", $what), Read::Text(|row| code(row.item, $sequence, CodePart::Value)))
                .within(&[$sequence, 0x0008_0100]),
            computed(
                $scheme,
                "",
                Clinical,
                concat!("coding scheme of ", $what),
                Read::Text(|row| code(row.item, $sequence, CodePart::Scheme)),
            )
            .within(&[$sequence, 0x0008_0102]),
            computed($meaning, "", Clinical, concat!("meaning of ", $what), Read::Text(|row| code(row.item, $sequence, CodePart::Meaning)))
                .within(&[$sequence, 0x0008_0104]),
        ]
    }};
}
use coded;
