//! `series` and `studies`: groups of instances.

use sutura_core::{Aggregate::*, Grouping};

/// Tables of groups. What all instances of a group ought to agree in is the least of the values; the counts say where they do not.
pub const GROUPINGS: [Grouping; 2] = [
    Grouping {
        name: "series",
        doc: "one row for each series of a study: what its instances have in common, and between what they lie",
        of: "instances",
        key: &["study_instance_uid", "series_instance_uid"],
        columns: &[
            ("patient_id", Min, "patient_id"),
            ("patient_name", Min, "patient_name"),
            ("modality", Min, "modality"),
            ("series_number", Min, "series_number"),
            ("series_date", Min, "series_date"),
            ("series_time", Min, "series_time"),
            ("series_description", Min, "series_description"),
            ("protocol_name", Min, "protocol_name"),
            ("body_part_examined", Min, "body_part_examined"),
            ("patient_position", Min, "patient_position"),
            ("frame_of_reference_uid", Min, "frame_of_reference_uid"),
            ("sop_class_uid", Min, "sop_class_uid"),
            ("sop_class_name", Min, "sop_class_name"),
            ("manufacturer", Min, "manufacturer"),
            ("manufacturer_model_name", Min, "manufacturer_model_name"),
            ("station_name", Min, "station_name"),
            ("institution_name", Min, "institution_name"),
            ("files", Count, "_offset"),
            ("instances", CountDistinct, "sop_instance_uid"),
            ("frames", Sum, "number_of_frames"),
            ("patients", CountDistinct, "patient_id"),
            ("sop_classes", CountDistinct, "sop_class_uid"),
            ("transfer_syntaxes", CountDistinct, "transfer_syntax_uid"),
            ("frames_of_reference", CountDistinct, "frame_of_reference_uid"),
            ("first_instance_number", Min, "instance_number"),
            ("last_instance_number", Max, "instance_number"),
            ("first_acquisition_date", Min, "acquisition_date"),
            ("last_acquisition_date", Max, "acquisition_date"),
            ("rows_min", Min, "rows"),
            ("rows_max", Max, "rows"),
            ("columns_min", Min, "columns"),
            ("columns_max", Max, "columns"),
            ("slice_thickness_min", Min, "slice_thickness"),
            ("slice_thickness_max", Max, "slice_thickness"),
            ("image_position_x_min", Min, "image_position_x"),
            ("image_position_x_max", Max, "image_position_x"),
            ("image_position_y_min", Min, "image_position_y"),
            ("image_position_y_max", Max, "image_position_y"),
            ("image_position_z_min", Min, "image_position_z"),
            ("image_position_z_max", Max, "image_position_z"),
            ("file_bytes", Sum, "_length"),
            ("pixel_data_bytes", Sum, "pixel_data_bytes"),
        ],
    },
    Grouping {
        name: "studies",
        doc: "one row for each study: whose, when and what, and how many series, files and bytes it has",
        of: "instances",
        key: &["study_instance_uid"],
        columns: &[
            ("patient_id", Min, "patient_id"),
            ("patient_name", Min, "patient_name"),
            ("patient_birth_date", Min, "patient_birth_date"),
            ("patient_sex", Min, "patient_sex"),
            ("study_date", Min, "study_date"),
            ("study_time", Min, "study_time"),
            ("study_id", Min, "study_id"),
            ("accession_number", Min, "accession_number"),
            ("study_description", Min, "study_description"),
            ("referring_physician_name", Min, "referring_physician_name"),
            ("institution_name", Min, "institution_name"),
            ("modality", Min, "modality"),
            ("modalities", CountDistinct, "modality"),
            ("series", CountDistinct, "series_instance_uid"),
            ("files", Count, "_offset"),
            ("instances", CountDistinct, "sop_instance_uid"),
            ("patients", CountDistinct, "patient_id"),
            ("file_bytes", Sum, "_length"),
            ("pixel_data_bytes", Sum, "pixel_data_bytes"),
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::definitions;

    #[test]
    fn groups_are_of_columns_that_are_there() {
        for grouping in &GROUPINGS {
            let table = definitions().iter().find(|table| table.name == grouping.of).unwrap();
            let columns = grouping.key.iter().chain(grouping.columns.iter().map(|(_, _, column)| column));
            columns.for_each(|column| assert!(table.index_of(column).is_some(), "{}.{column}", grouping.name));
            assert!(definitions().iter().all(|table| table.name != grouping.name));
        }
    }
}
