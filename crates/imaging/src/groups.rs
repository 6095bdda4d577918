//! `series_quality` and `quality_statistics`: groups of images.

use std::sync::LazyLock;

use sutura_core::{
    Aggregate::{self, *},
    Format, Grouping,
};
use sutura_dicom::Dicom;

/// The columns of a series: of each metric that tells the quality of any image the mean, the deviation, the ends and percentiles.
const SERIES: &[(&str, Aggregate, &str)] = &[
    ("patient_id", Min, "patient_id"),
    ("modality", Min, "modality"),
    ("images", Count, "_offset"),
    ("instances", CountDistinct, "sop_instance_uid"),
    ("not_measured", Count, "not_measured"),
    ("verdict_level", Max, "verdict_level"),
    ("verdict_level_mean", Mean, "verdict_level"),
    ("score_mean", Mean, "score"),
    ("score_sd", Sd, "score"),
    ("score_min", Min, "score"),
    ("score_p25", Percentile(25), "score"),
    ("score_p50", Percentile(50), "score"),
    ("score_p75", Percentile(75), "score"),
    ("score_p90", Percentile(90), "score"),
    ("score_max", Max, "score"),
    ("snr_tissue_mean", Mean, "snr_tissue"),
    ("snr_tissue_sd", Sd, "snr_tissue"),
    ("snr_tissue_min", Min, "snr_tissue"),
    ("snr_tissue_p25", Percentile(25), "snr_tissue"),
    ("snr_tissue_p50", Percentile(50), "snr_tissue"),
    ("snr_tissue_p75", Percentile(75), "snr_tissue"),
    ("snr_tissue_p90", Percentile(90), "snr_tissue"),
    ("snr_tissue_max", Max, "snr_tissue"),
    ("cnr_two_peak_mean", Mean, "cnr_two_peak"),
    ("cnr_two_peak_sd", Sd, "cnr_two_peak"),
    ("cnr_two_peak_min", Min, "cnr_two_peak"),
    ("cnr_two_peak_p25", Percentile(25), "cnr_two_peak"),
    ("cnr_two_peak_p50", Percentile(50), "cnr_two_peak"),
    ("cnr_two_peak_p75", Percentile(75), "cnr_two_peak"),
    ("cnr_two_peak_p90", Percentile(90), "cnr_two_peak"),
    ("cnr_two_peak_max", Max, "cnr_two_peak"),
    ("noise_wavelet_mean", Mean, "noise_wavelet"),
    ("noise_wavelet_sd", Sd, "noise_wavelet"),
    ("noise_wavelet_min", Min, "noise_wavelet"),
    ("noise_wavelet_p25", Percentile(25), "noise_wavelet"),
    ("noise_wavelet_p50", Percentile(50), "noise_wavelet"),
    ("noise_wavelet_p75", Percentile(75), "noise_wavelet"),
    ("noise_wavelet_p90", Percentile(90), "noise_wavelet"),
    ("noise_wavelet_max", Max, "noise_wavelet"),
    ("noise_echo_poor_mean", Mean, "noise_echo_poor"),
    ("noise_echo_poor_sd", Sd, "noise_echo_poor"),
    ("noise_echo_poor_min", Min, "noise_echo_poor"),
    ("noise_echo_poor_p25", Percentile(25), "noise_echo_poor"),
    ("noise_echo_poor_p50", Percentile(50), "noise_echo_poor"),
    ("noise_echo_poor_p75", Percentile(75), "noise_echo_poor"),
    ("noise_echo_poor_p90", Percentile(90), "noise_echo_poor"),
    ("noise_echo_poor_max", Max, "noise_echo_poor"),
    ("sharpness_ratio_mean", Mean, "sharpness_ratio"),
    ("sharpness_ratio_sd", Sd, "sharpness_ratio"),
    ("sharpness_ratio_min", Min, "sharpness_ratio"),
    ("sharpness_ratio_p25", Percentile(25), "sharpness_ratio"),
    ("sharpness_ratio_p50", Percentile(50), "sharpness_ratio"),
    ("sharpness_ratio_p75", Percentile(75), "sharpness_ratio"),
    ("sharpness_ratio_p90", Percentile(90), "sharpness_ratio"),
    ("sharpness_ratio_max", Max, "sharpness_ratio"),
    ("efc_mean", Mean, "efc"),
    ("efc_sd", Sd, "efc"),
    ("efc_min", Min, "efc"),
    ("efc_p25", Percentile(25), "efc"),
    ("efc_p50", Percentile(50), "efc"),
    ("efc_p75", Percentile(75), "efc"),
    ("efc_p90", Percentile(90), "efc"),
    ("efc_max", Max, "efc"),
    ("bias_mean", Mean, "bias"),
    ("bias_sd", Sd, "bias"),
    ("bias_min", Min, "bias"),
    ("bias_p25", Percentile(25), "bias"),
    ("bias_p50", Percentile(50), "bias"),
    ("bias_p75", Percentile(75), "bias"),
    ("bias_p90", Percentile(90), "bias"),
    ("bias_max", Max, "bias"),
    ("ghosting_mean", Mean, "ghosting"),
    ("ghosting_sd", Sd, "ghosting"),
    ("ghosting_min", Min, "ghosting"),
    ("ghosting_p25", Percentile(25), "ghosting"),
    ("ghosting_p50", Percentile(50), "ghosting"),
    ("ghosting_p75", Percentile(75), "ghosting"),
    ("ghosting_p90", Percentile(90), "ghosting"),
    ("ghosting_max", Max, "ghosting"),
    ("motion_mean", Mean, "motion"),
    ("motion_sd", Sd, "motion"),
    ("motion_min", Min, "motion"),
    ("motion_p25", Percentile(25), "motion"),
    ("motion_p50", Percentile(50), "motion"),
    ("motion_p75", Percentile(75), "motion"),
    ("motion_p90", Percentile(90), "motion"),
    ("motion_max", Max, "motion"),
    ("ring_mean", Mean, "ring"),
    ("ring_sd", Sd, "ring"),
    ("ring_min", Min, "ring"),
    ("ring_p25", Percentile(25), "ring"),
    ("ring_p50", Percentile(50), "ring"),
    ("ring_p75", Percentile(75), "ring"),
    ("ring_p90", Percentile(90), "ring"),
    ("ring_max", Max, "ring"),
    ("saturation_high_mean", Mean, "saturation_high"),
    ("saturation_high_sd", Sd, "saturation_high"),
    ("saturation_high_min", Min, "saturation_high"),
    ("saturation_high_p25", Percentile(25), "saturation_high"),
    ("saturation_high_p50", Percentile(50), "saturation_high"),
    ("saturation_high_p75", Percentile(75), "saturation_high"),
    ("saturation_high_p90", Percentile(90), "saturation_high"),
    ("saturation_high_max", Max, "saturation_high"),
];

/// Tables of groups over those of images.
const OF_IMAGES: [Grouping; 2] = [
    Grouping {
        name: "series_quality",
        doc: "one row for each series: how many images, the score and the main metrics over them, and the worst verdict of the gate",
        of: "image_quality",
        key: &["study_instance_uid", "series_instance_uid"],
        columns: SERIES,
    },
    Grouping {
        name: "quality_statistics",
        doc: "one row for each quality metric of a modality, over all its images",
        of: "image_metrics",
        key: &["modality", "metric"],
        columns: &[
            ("unit", Min, "unit"),
            ("images", Count, "_offset"),
            ("count", Count, "value"),
            ("mean", Mean, "value"),
            ("sd", Sd, "value"),
            ("min", Min, "value"),
            ("p25", Percentile(25), "value"),
            ("p50", Percentile(50), "value"),
            ("p75", Percentile(75), "value"),
            ("p90", Percentile(90), "value"),
            ("max", Max, "value"),
        ],
    },
];

/// All tables of groups: those of data sets and those of images.
pub(crate) fn groupings() -> &'static [Grouping] {
    static ALL: LazyLock<Vec<Grouping>> = LazyLock::new(|| Dicom.groupings().iter().cloned().chain(OF_IMAGES).collect());
    &ALL
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Images;

    #[test]
    fn groups_are_of_columns_that_are_there_and_have_names_of_their_own() {
        for grouping in groupings() {
            let table = Images.table(grouping.of).unwrap();
            let columns = grouping.key.iter().chain(grouping.columns.iter().map(|(_, _, column)| column));
            columns.for_each(|column| assert!(table.index_of(column).is_some(), "{}.{column}", grouping.name));
            assert!(Images.table(grouping.name).is_none(), "{}", grouping.name);
            let mut names: Vec<_> = grouping.key.iter().copied().chain(grouping.columns.iter().map(|(name, ..)| *name)).collect();
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count, "{}", grouping.name);
        }
        assert!(Images.table_hint("series_quality").unwrap().contains("group by study_instance_uid"));
        assert!(Images.table_hint("studies").is_some() && Images.table_hint("imagequality").is_some());
    }
}
