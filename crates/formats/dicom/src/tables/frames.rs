//! `frames`: one row for each frame, with what the functional groups of enhanced objects say of it (PS3.3 C.7.6.16).

use sutura_core::{FormatError, PhiClass};

use super::spec::{Add, Column, Form, Form::*, Read, Row, Rows, Table, computed, file, table};
use crate::{
    element::{DataSet, Element},
    pixels::FrameMap,
    tag::Tag,
};

const SHARED_GROUPS: Tag = Tag(0x5200_9229);
const FRAME_GROUPS: Tag = Tag(0x5200_9230);
/// Most frames that a file has rows for; no file has more items than bytes, but Number of Frames may say anything.
const MOST_FRAMES: i64 = 1 << 20;

/// An element of a functional group: in the groups of the frame, else in those that all frames share, else in the data set itself.
fn group<'d>(row: &Row<'d>, sequence: u32, tag: u32) -> Option<Element<'d>> {
    let [frame, shared, _] = *row.parents;
    let in_groups = |groups: Option<DataSet<'d>>| groups?.item(Tag(sequence))?.get(Tag(tag));
    in_groups(frame).or_else(|| in_groups(shared)).or_else(|| row.record.data_set.get(Tag(tag)))
}

/// A column of a functional group: sequence, attribute, and how it is read.
macro_rules! grouped {
    ($name:literal, $sequence:literal, $tag:literal, text, $phi:expr, $doc:literal) => {
        computed($name, "", $phi, $doc, Read::Text(|row| group(row, $sequence, $tag)?.text().filter(|text| !text.is_empty())))
            .within(&[$sequence, $tag])
    };
    ($name:literal, $sequence:literal, $tag:literal, datetime, $phi:expr, $doc:literal) => {
        computed(
            $name,
            "",
            $phi,
            $doc,
            Read::Text(|row| match Form::DateTime.cell(group(row, $sequence, $tag).as_ref()) {
                super::columns::Cell::Text(text) => text,
                _ => None,
            }),
        )
        .within(&[$sequence, $tag])
    };
    ($name:literal, $sequence:literal, $tag:literal, integer, $phi:expr, $doc:literal) => {
        computed($name, "", $phi, $doc, Read::Integer(|row| group(row, $sequence, $tag)?.integer())).within(&[$sequence, $tag])
    };
    ($name:literal, $sequence:literal, $tag:literal, $place:literal, $phi:expr, $doc:literal) => {
        computed($name, "", $phi, $doc, Read::Number(|row| group(row, $sequence, $tag)?.number_at($place))).within(&[$sequence, $tag])
    };
}

pub(super) fn frames() -> Table {
    use PhiClass::{Clinical, Date, Operational, OtherId};
    let mut columns: Vec<Column> = vec![
        computed("frame_number", "", Operational, "number of the frame, from 1", Read::Integer(|row| Some(row.number))),
        file("modality", "Modality", Text),
        file("rows", "Rows", Integer),
        file("columns", "Columns", Integer),
        computed(
            "byte_offset",
            "(7FE0,0010)",
            Operational,
            "where the frame's bytes begin in the file, of the first fragment; null where the pixel data was not read or the data set is deflated",
            Read::Integer(|row| row.values.first().filter(|offset| **offset >= 0.0).map(|offset| *offset as i64)),
        ),
        computed(
            "byte_length",
            "(7FE0,0010)",
            Operational,
            "bytes of the frame as stored, all fragments together",
            Read::Integer(|row| row.values.get(1).filter(|length| **length >= 0.0).map(|length| *length as i64)),
        ),
        computed(
            "fragments",
            "(7FE0,0010)",
            Operational,
            "fragments that the frame is in; 0 where the pixel data is native",
            Read::Integer(|row| row.values.get(2).map(|count| *count as i64)),
        ),
    ];
    columns.extend([
        grouped!("image_position_x", 0x0020_9113, 0x0020_0032, 0, Clinical, "Image Position (Patient), x").in_unit("mm"),
        grouped!("image_position_y", 0x0020_9113, 0x0020_0032, 1, Clinical, "Image Position (Patient), y").in_unit("mm"),
        grouped!("image_position_z", 0x0020_9113, 0x0020_0032, 2, Clinical, "Image Position (Patient), z").in_unit("mm"),
        grouped!("row_direction_x", 0x0020_9116, 0x0020_0037, 0, Clinical, "Image Orientation (Patient), row x"),
        grouped!("row_direction_y", 0x0020_9116, 0x0020_0037, 1, Clinical, "Image Orientation (Patient), row y"),
        grouped!("row_direction_z", 0x0020_9116, 0x0020_0037, 2, Clinical, "Image Orientation (Patient), row z"),
        grouped!("column_direction_x", 0x0020_9116, 0x0020_0037, 3, Clinical, "Image Orientation (Patient), column x"),
        grouped!("column_direction_y", 0x0020_9116, 0x0020_0037, 4, Clinical, "Image Orientation (Patient), column y"),
        grouped!("column_direction_z", 0x0020_9116, 0x0020_0037, 5, Clinical, "Image Orientation (Patient), column z"),
        grouped!("pixel_spacing_row", 0x0028_9110, 0x0028_0030, 0, Clinical, "Pixel Spacing: distance between rows").in_unit("mm"),
        grouped!("pixel_spacing_column", 0x0028_9110, 0x0028_0030, 1, Clinical, "Pixel Spacing: distance between columns").in_unit("mm"),
        grouped!("slice_thickness", 0x0028_9110, 0x0018_0050, 0, Clinical, "Slice Thickness").in_unit("mm"),
        grouped!("rescale_intercept", 0x0028_9145, 0x0028_1052, 0, Clinical, "Rescale Intercept"),
        grouped!("rescale_slope", 0x0028_9145, 0x0028_1053, 0, Clinical, "Rescale Slope"),
        grouped!("window_center", 0x0028_9132, 0x0028_1050, 0, Clinical, "Window Center, the first of several"),
        grouped!("window_width", 0x0028_9132, 0x0028_1051, 0, Clinical, "Window Width, the first of several"),
        grouped!("stack_id", 0x0020_9111, 0x0020_9056, text, Clinical, "Stack ID"),
        grouped!("in_stack_position_number", 0x0020_9111, 0x0020_9057, integer, Clinical, "In-Stack Position Number"),
        grouped!("temporal_position_index", 0x0020_9111, 0x0020_9128, integer, Clinical, "Temporal Position Index"),
        grouped!("dimension_index_values", 0x0020_9111, 0x0020_9157, text, Clinical, "Dimension Index Values"),
        grouped!("frame_acquisition_number", 0x0020_9111, 0x0020_9156, integer, Clinical, "Frame Acquisition Number"),
        grouped!("frame_acquisition_datetime", 0x0020_9111, 0x0018_9074, datetime, Date, "Frame Acquisition DateTime"),
        grouped!("frame_reference_datetime", 0x0020_9111, 0x0018_9151, datetime, Date, "Frame Reference DateTime"),
        grouped!("segment_number", 0x0062_000A, 0x0062_000B, integer, Clinical, "Referenced Segment Number of a segmentation"),
        grouped!("echo_time", 0x0018_9114, 0x0018_9082, 0, Clinical, "Effective Echo Time").in_unit("ms"),
        grouped!("diffusion_b_value", 0x0018_9117, 0x0018_9087, 0, Clinical, "Diffusion b-value").in_unit("s/mm2"),
        grouped!("column_position", 0x0048_021A, 0x0048_021E, integer, Clinical, "Column Position In Total Image Pixel Matrix"),
        grouped!("row_position", 0x0048_021A, 0x0048_021F, integer, Clinical, "Row Position In Total Image Pixel Matrix"),
        grouped!("x_offset_in_slide", 0x0048_021A, 0x0040_072A, 0, Clinical, "X Offset in Slide Coordinate System").in_unit("mm"),
        grouped!("y_offset_in_slide", 0x0048_021A, 0x0040_073A, 0, Clinical, "Y Offset in Slide Coordinate System").in_unit("mm"),
        computed(
            "source_sop_instance_uid",
            "(0008,9124) > (0008,2112) > (0008,1155)",
            OtherId,
            "first instance that the frame was derived from",
            Read::Text(|row| {
                let [frame, shared, _] = *row.parents;
                let source = |groups: Option<DataSet<'_>>| -> Option<()> { groups?.item(Tag(0x0008_9124)).map(|_| ()) };
                let groups = if source(frame).is_some() { frame } else { shared };
                groups?.item(Tag(0x0008_9124))?.item(Tag(0x0008_2112))?.text(Tag(0x0008_1155))
            }),
        ),
    ]);
    table("frames", "one row for each frame of an image, with its own place and values where the image is enhanced", Rows::Frames, columns)
}

/// Rows of a file.
pub(super) fn each(row: &Row<'_>, add: &mut Add<'_>) -> Result<(), FormatError> {
    let data_set = row.record.data_set;
    let groups = data_set.get(FRAME_GROUPS);
    if data_set.get(Tag(0x0028_0010)).is_none() && groups.is_none() {
        return Ok(());
    }
    let described = groups.map_or(0, |groups| groups.items().count() as i64);
    let map = FrameMap::of(row.record.file).ok();
    // Number of Frames may say anything: what is neither described nor stored has no row.
    let stated = data_set.integer(Tag(0x0028_0008)).filter(|count| *count > 0).unwrap_or(described.max(1)).min(MOST_FRAMES);
    let is_known = !row.record.file.is_beginning();
    let stored = map.as_ref().map_or(0, |map| map.len() as i64);
    let count = if is_known { stated.min(described.max(stored).max(1)) } else { stated };
    let shared = data_set.item(SHARED_GROUPS);
    let mut items = groups.map(|groups| groups.items());
    for number in 1..=count {
        let frame = items.as_mut().and_then(Iterator::next);
        let place = map.as_ref().and_then(|map| map.place(number as usize - 1));
        let values = match place {
            Some(place) => [place.offset.map_or(-1.0, |offset| offset as f64), place.length as f64, place.fragments as f64],
            None => [-1.0, -1.0, 0.0],
        };
        let values = if place.is_some() { &values[..] } else { &values[..0] };
        add(&Row { number, parents: &[frame, shared, None], values, ..*row })?;
    }
    Ok(())
}
