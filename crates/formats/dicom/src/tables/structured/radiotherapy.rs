//! `structures` and `contours` of RT structure sets, `beams` of RT plans, `doses` of RT doses (PS3.3 C.8.8).

use std::collections::HashMap;

use sutura_core::{FormatError, PhiClass};

use crate::{
    element::DataSet,
    pixels::{FrameMap, PixelDescription, decode},
    tables::spec::{Add, Form::*, Read, Row, Rows, Table, computed, file, item, parent, table},
    tag::Tag,
};

const REFERENCED_ROI: Tag = Tag(0x3006_0084);
const ROI_CONTOURS: Tag = Tag(0x3006_0039);
const CONTOURS: Tag = Tag(0x3006_0040);
const DOSE_SCALING: Tag = Tag(0x3004_000E);

pub(super) fn tables() -> [Table; 4] {
    [structure_table(), contour_table(), beam_table(), dose_table()]
}

fn structure_table() -> Table {
    let columns = vec![
        file("structure_set_label", "StructureSetLabel", Text),
        item("roi_number", "ROINumber", Integer),
        item("roi_name", "ROIName", Text),
        item("roi_description", "ROIDescription", Text),
        item("roi_volume", "ROIVolume", Number).in_unit("cm3"),
        item("generation_algorithm", "ROIGenerationAlgorithm", Text),
        item("referenced_frame_of_reference_uid", "ReferencedFrameOfReferenceUID", Text),
        parent(0, "interpreted_type", "RTROIInterpretedType", Text),
        parent(0, "observation_label", "ROIObservationLabel", Text),
        parent(0, "interpreter", "ROIInterpreter", Text),
        parent(1, "display_color", "ROIDisplayColor", Text),
        computed(
            "contours",
            "(3006,0039) > (3006,0040)",
            PhiClass::Operational,
            "number of contours",
            Read::Integer(|row| Some(row.parents[1].map_or(0, |contours| contours.items(CONTOURS).count() as i64))),
        ),
    ];
    table("structures", "one row for each region of interest of an RT structure set", Rows::Structures, columns)
}

/// Items of a sequence by a number in them; the first of several.
fn by_number(data_set: DataSet<'_>, sequence: Tag, number: Tag) -> HashMap<i64, DataSet<'_>> {
    let mut found = HashMap::new();
    for item in data_set.items(sequence) {
        if let Some(number) = item.integer(number) {
            found.entry(number).or_insert(item);
        }
    }
    found
}

/// Rows of a file.
pub(in crate::tables) fn structures(row: &Row<'_>, add: &mut Add<'_>) -> Result<(), FormatError> {
    let data_set = row.record.data_set;
    let observations = by_number(data_set, Tag(0x3006_0080), REFERENCED_ROI);
    let contours = by_number(data_set, ROI_CONTOURS, REFERENCED_ROI);
    for (place, item) in data_set.items(Tag(0x3006_0020)).enumerate() {
        let number = item.integer(Tag(0x3006_0022)).unwrap_or(-1);
        let parents = [observations.get(&number).copied(), contours.get(&number).copied(), None];
        add(&Row { item, parents: &parents, number: place as i64 + 1, ..*row })?;
    }
    Ok(())
}

fn contour_table() -> Table {
    use PhiClass::{Clinical, Operational, OtherId};
    let columns = vec![
        parent(0, "roi_number", "ReferencedROINumber", Integer),
        parent(1, "roi_name", "ROIName", Text),
        computed(
            "contour_index",
            "(3006,0040)",
            Operational,
            "number of the contour among those of its region, from 1",
            Read::Integer(|row| Some(row.number)),
        ),
        item("contour_number", "ContourNumber", Integer),
        item("geometric_type", "ContourGeometricType", Text),
        item("points", "NumberOfContourPoints", Integer),
        item("z", "ContourData", At(2))
            .in_unit("mm")
            .meaning("z of the first point: that of the plane, where the contour lies in an axial one"),
        item("contour_data", "ContourData", Text).class(Clinical).meaning("x, y and z of each point, a backslash between the numbers"),
        computed(
            "referenced_sop_instance_uid",
            "",
            OtherId,
            "image that the contour was drawn on",
            Read::Text(|row| row.item.item(Tag(0x3006_0016))?.text(Tag(0x0008_1155))),
        )
        .within(&[0x3006_0016, 0x0008_1155]),
    ];
    table("contours", "one row for each contour of an RT structure set", Rows::Contours, columns)
}

/// Rows of a file.
pub(in crate::tables) fn contours(row: &Row<'_>, add: &mut Add<'_>) -> Result<(), FormatError> {
    let data_set = row.record.data_set;
    let regions = by_number(data_set, Tag(0x3006_0020), Tag(0x3006_0022));
    for around in data_set.items(ROI_CONTOURS) {
        let region = around.integer(REFERENCED_ROI).and_then(|number| regions.get(&number)).copied();
        for (place, item) in around.items(CONTOURS).enumerate() {
            add(&Row { item, parents: &[Some(around), region, None], number: place as i64 + 1, ..*row })?;
        }
    }
    Ok(())
}

fn beam_table() -> Table {
    let columns = vec![
        file("plan_label", "RTPlanLabel", Text),
        file("plan_name", "RTPlanName", Text),
        file("plan_date", "RTPlanDate", Date),
        file("plan_intent", "PlanIntent", Text),
        item("beam_number", "BeamNumber", Integer),
        item("beam_name", "BeamName", Text),
        item("beam_description", "BeamDescription", Text),
        item("beam_type", "BeamType", Text),
        item("radiation_type", "RadiationType", Text),
        item("treatment_delivery_type", "TreatmentDeliveryType", Text),
        item("treatment_machine_name", "TreatmentMachineName", Text),
        item("source_axis_distance", "SourceAxisDistance", Number).in_unit("mm"),
        item("number_of_control_points", "NumberOfControlPoints", Integer),
        item("final_cumulative_meterset_weight", "FinalCumulativeMetersetWeight", Number),
        item("number_of_wedges", "NumberOfWedges", Integer),
        item("number_of_blocks", "NumberOfBlocks", Integer),
        item("number_of_boli", "NumberOfBoli", Integer),
        parent(0, "beam_meterset", "BeamMeterset", Number),
        parent(0, "beam_dose", "BeamDose", Number).in_unit("Gy"),
        parent(2, "fraction_group_number", "FractionGroupNumber", Integer),
        parent(2, "number_of_fractions_planned", "NumberOfFractionsPlanned", Integer),
        parent(1, "nominal_beam_energy", "NominalBeamEnergy", Number).in_unit("MeV"),
        parent(1, "gantry_angle", "GantryAngle", Number).in_unit("deg"),
        parent(1, "collimator_angle", "BeamLimitingDeviceAngle", Number).in_unit("deg"),
        parent(1, "couch_angle", "PatientSupportAngle", Number).in_unit("deg"),
        parent(1, "isocenter_x", "IsocenterPosition", At(0)).in_unit("mm"),
        parent(1, "isocenter_y", "IsocenterPosition", At(1)).in_unit("mm"),
        parent(1, "isocenter_z", "IsocenterPosition", At(2)).in_unit("mm"),
    ];
    table("beams", "one row for each beam of an RT plan, with its first control point", Rows::Beams, columns)
}

/// Rows of a file.
pub(in crate::tables) fn beams(row: &Row<'_>, add: &mut Add<'_>) -> Result<(), FormatError> {
    let data_set = row.record.data_set;
    let mut fractions = HashMap::new();
    for group in data_set.items(Tag(0x300A_0070)) {
        for beam in group.items(Tag(0x300C_0004)) {
            if let Some(number) = beam.integer(Tag(0x300C_0006)) {
                fractions.entry(number).or_insert((beam, group));
            }
        }
    }
    for (place, item) in data_set.items(Tag(0x300A_00B0)).enumerate() {
        let fraction = item.integer(Tag(0x300A_00C0)).and_then(|number| fractions.get(&number));
        let parents = [fraction.map(|(beam, _)| *beam), item.item(Tag(0x300A_0111)), fraction.map(|(_, group)| *group)];
        add(&Row { item, parents: &parents, number: place as i64 + 1, ..*row })?;
    }
    Ok(())
}

fn dose_table() -> Table {
    use PhiClass::Clinical;
    let statistic = |name, doc, read| computed(name, "(7FE0,0010)", Clinical, doc, Read::Number(read));
    let columns = vec![
        file("dose_units", "DoseUnits", Text),
        file("dose_type", "DoseType", Text),
        file("dose_summation_type", "DoseSummationType", Text),
        file("dose_comment", "DoseComment", Text),
        file("dose_grid_scaling", "DoseGridScaling", Number),
        file("rows", "Rows", Integer),
        file("columns", "Columns", Integer),
        file("number_of_frames", "NumberOfFrames", Integer),
        file("frame_of_reference_uid", "FrameOfReferenceUID", Text),
        statistic("dose_min", "lowest dose of the grid, in dose_units", |row| row.values.first().copied()),
        statistic("dose_max", "highest dose of the grid, in dose_units", |row| row.values.get(1).copied()),
        statistic("dose_mean", "mean dose of the grid, in dose_units", |row| row.values.get(2).copied()),
        computed(
            "voxels",
            "(7FE0,0010)",
            Clinical,
            "voxels of the grid; null with the statistics where the pixels are not there or not decoded",
            Read::Integer(|row| row.values.get(3).map(|count| *count as i64)),
        ),
        computed(
            "dvhs",
            "(3004,0050)",
            PhiClass::Operational,
            "number of dose volume histograms",
            Read::Integer(|row| Some(row.record.data_set.items(Tag(0x3004_0050)).count() as i64)),
        ),
    ];
    table("doses", "one row for each RT dose, with statistics over its grid", Rows::Doses, columns)
}

/// Rows of a file.
pub(in crate::tables) fn doses(row: &Row<'_>, add: &mut Add<'_>) -> Result<(), FormatError> {
    let Some(scaling) = row.record.data_set.get(DOSE_SCALING) else { return Ok(()) };
    let statistics = scaling.number().and_then(|scaling| grid_statistics(row, scaling));
    let values = statistics.as_ref().map_or(&[][..], |statistics| &statistics[..]);
    add(&Row { values, ..*row })
}

/// Lowest, highest and mean dose, and number of voxels.
fn grid_statistics(row: &Row<'_>, scaling: f64) -> Option<[f64; 4]> {
    let file = row.record.file;
    let description = PixelDescription::of(file).ok()?;
    let map = FrameMap::with(file, &description).ok()?;
    let (mut least, mut most, mut sum, mut count) = (f64::INFINITY, f64::NEG_INFINITY, 0.0, 0u64);
    for number in 0..map.len() {
        let frame = decode::frame(file, &description, &map, number).ok()?;
        frame.data.for_each(|stored| {
            let dose = stored * scaling;
            (least, most, sum, count) = (least.min(dose), most.max(dose), sum + dose, count + 1);
        });
    }
    (count > 0).then(|| [least, most, sum / count as f64, count as f64])
}
