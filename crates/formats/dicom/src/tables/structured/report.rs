//! `content_items` of structured reports (PS3.3 C.17.3) and `segments` of segmentations (PS3.3 C.8.20).

use std::fmt::Write as _;

use sutura_core::{FormatError, PhiClass};

use super::coded;
use crate::{
    element::DataSet,
    tables::spec::{Add, Form::*, Read, Row, Rows, Table, computed, file, item, table},
    tag::Tag,
};

const CONTENT: Tag = Tag(0x0040_A730);
const VALUE_TYPE: Tag = Tag(0x0040_A040);
const MEASURED: u32 = 0x0040_A300;
const REFERENCED: u32 = 0x0008_1199;

pub(super) fn tables() -> [Table; 2] {
    [content_table(), segment_table()]
}

fn content_table() -> Table {
    use PhiClass::{Clinical, Operational, OtherId};
    let mut columns = vec![
        computed(
            "position",
            "(0040,A730)",
            Operational,
            "place in the tree: 1 is the document, 1.2 its second content item",
            Read::Text(|row| Some(row.path.into())),
        ),
        computed("depth", "(0040,A730)", Operational, "levels below the document", Read::Integer(|row| Some(row.depth))),
        item("relationship_type", "RelationshipType", Text),
        item("value_type", "ValueType", Text),
    ];
    columns.extend(coded!("concept_code", "concept_scheme", "concept_meaning", 0x0040_A043, "what the item is about"));
    columns.extend([
        item("text_value", "TextValue", Text),
        item("date_value", "Date", Date),
        item("time_value", "Time", Time),
        item("datetime_value", "DateTime", DateTime),
        item("person_name", "PersonName", Text),
        item("uid", "UID", Text),
        computed(
            "numeric_value",
            "",
            Clinical,
            "Numeric Value, the first of several",
            Read::Number(|row| row.item.item(Tag(MEASURED))?.number(Tag(0x0040_A30A))),
        )
        .within(&[MEASURED, 0x0040_A30A]),
        computed(
            "unit_code",
            "",
            Clinical,
            "code of the unit, most often of UCUM",
            Read::Text(|row| super::code(row.item.item(Tag(MEASURED))?, 0x0040_08EA, super::CodePart::Value)),
        )
        .within(&[MEASURED, 0x0040_08EA, 0x0008_0100]),
    ]);
    columns.extend(coded!("code_value", "code_scheme", "code_meaning", 0x0040_A168, "the item's value, of value type CODE"));
    columns.extend([
        computed(
            "referenced_sop_class_uid",
            "",
            Operational,
            "SOP class of the instance that the item refers to",
            Read::Text(|row| row.item.item(Tag(REFERENCED))?.text(Tag(0x0008_1150))),
        )
        .within(&[REFERENCED, 0x0008_1150]),
        computed(
            "referenced_sop_instance_uid",
            "",
            OtherId,
            "instance that the item refers to",
            Read::Text(|row| row.item.item(Tag(REFERENCED))?.text(Tag(0x0008_1155))),
        )
        .within(&[REFERENCED, 0x0008_1155]),
        computed(
            "referenced_frames",
            "",
            Operational,
            "numbers of the frames that the item refers to; null for all",
            Read::Text(|row| row.item.item(Tag(REFERENCED))?.text(Tag(0x0008_1160))),
        )
        .within(&[REFERENCED, 0x0008_1160]),
        item("graphic_type", "GraphicType", Text),
        item("graphic_data", "GraphicData", Text),
        item("observation_datetime", "ObservationDateTime", DateTime),
        item("observation_uid", "ObservationUID", Text),
        computed(
            "template_id",
            "",
            Operational,
            "template that the item follows",
            Read::Text(|row| row.item.item(Tag(0x0040_A504))?.text(Tag(0x0040_DB00))),
        )
        .within(&[0x0040_A504, 0x0040_DB00]),
    ]);
    table("content_items", "one row for each content item of a structured report, the document itself first", Rows::ContentItems, columns)
}

/// Rows of a file.
pub(in crate::tables) fn content_items(row: &Row<'_>, add: &mut Add<'_>) -> Result<(), FormatError> {
    if row.record.data_set.get(VALUE_TYPE).is_none() {
        return Ok(());
    }
    let mut path = String::from("1");
    walk(row, row.record.data_set, 0, &mut path, add)
}

/// Sequences are nested no deeper than the limit of the reader.
fn walk(row: &Row<'_>, item: DataSet<'_>, depth: i64, path: &mut String, add: &mut Add<'_>) -> Result<(), FormatError> {
    add(&Row { item, depth, path, ..*row })?;
    for (position, inner) in item.items(CONTENT).enumerate() {
        let length = path.len();
        // Writing to a string does not fail.
        let _ = write!(path, ".{}", position + 1);
        walk(row, inner, depth + 1, path, add)?;
        path.truncate(length);
    }
    Ok(())
}

fn segment_table() -> Table {
    let mut columns = vec![
        file("segmentation_type", "SegmentationType", Text),
        file("frame_of_reference_uid", "FrameOfReferenceUID", Text),
        item("segment_number", "SegmentNumber", Integer),
        item("segment_label", "SegmentLabel", Text),
        item("segment_description", "SegmentDescription", Text),
        item("algorithm_type", "SegmentAlgorithmType", Text),
        item("algorithm_name", "SegmentAlgorithmName", Text),
    ];
    columns.extend(coded!("category_code", "category_scheme", "category_meaning", 0x0062_0003, "the segment's category"));
    columns.extend(coded!("type_code", "type_scheme", "type_meaning", 0x0062_000F, "the segment's type"));
    columns.extend(coded!("region_code", "region_scheme", "region_meaning", 0x0008_2218, "the anatomic region"));
    columns.extend([
        item("tracking_id", "TrackingID", Text),
        item("tracking_uid", "TrackingUID", Text),
        item("display_color", "RecommendedDisplayCIELabValue", Text),
    ]);
    table("segments", "one row for each segment of a segmentation", Rows::Segments, columns)
}

/// Rows of a file.
pub(in crate::tables) fn segments(row: &Row<'_>, add: &mut Add<'_>) -> Result<(), FormatError> {
    let all: Vec<DataSet<'_>> = row.record.data_set.items(Tag(0x0062_0002)).collect();
    all.into_iter().enumerate().try_for_each(|(place, item)| add(&Row { item, number: place as i64 + 1, ..*row }))
}
