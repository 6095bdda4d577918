//! The images of each series summed up.

use std::{collections::BTreeMap, fmt};

use crate::{catalogue::Summary, key::ImageKey, measure::ImageReport, metric::DEFINITIONS};

/// Summaries of series as their images come, in any order.
#[derive(Debug, Default)]
pub struct SeriesRollup {
    series: BTreeMap<Option<String>, Series>,
}

/// One series.
pub struct Series {
    /// Series Instance UID.
    pub uid: Option<String>,
    /// Study Instance UID.
    pub study: Option<String>,
    /// Patient ID.
    pub patient: Option<String>,
    /// Modality.
    pub modality: String,
    /// How many images.
    pub images: u64,
    metrics: Vec<SeriesMetric>,
}

impl fmt::Debug for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // UIDs and identifiers lead to a person.
        f.debug_struct("Series").field("modality", &self.modality).field("images", &self.images).finish_non_exhaustive()
    }
}

/// A metric of a series.
#[derive(Clone, Default)]
pub struct SeriesMetric {
    /// Over the images.
    pub summary: Summary,
    /// SOP Instance UID of the image with the least value.
    pub lowest: Option<String>,
    /// SOP Instance UID of the image with the greatest value.
    pub highest: Option<String>,
}

impl Series {
    /// The metrics, in their order.
    pub fn metrics(&self) -> &[SeriesMetric] {
        &self.metrics
    }
}

impl SeriesRollup {
    /// Takes in an image.
    pub fn push(&mut self, key: &ImageKey, report: &ImageReport) {
        let series = self.series.entry(key.series.clone()).or_insert_with(|| Series {
            uid: key.series.clone(),
            study: key.study.clone(),
            patient: key.patient.clone(),
            modality: key.modality.clone(),
            images: 0,
            metrics: vec![SeriesMetric::default(); DEFINITIONS.len()],
        });
        series.images += 1;
        for (metric, measured) in series.metrics.iter_mut().zip(report.metrics()) {
            let Ok(value) = measured.value else { continue };
            if metric.summary.min().is_none_or(|least| value < least) {
                metric.lowest.clone_from(&key.sop_instance);
            }
            if metric.summary.max().is_none_or(|most| value > most) {
                metric.highest.clone_from(&key.sop_instance);
            }
            metric.summary.push(value);
        }
    }

    /// The series, by their UID.
    pub fn series(&self) -> impl Iterator<Item = &Series> {
        self.series.values()
    }
}
