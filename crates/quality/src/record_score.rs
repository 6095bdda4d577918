//! A score for each record: does it say who, when, what, and is it whole?

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, BooleanArray, BooleanBuilder, Float64Array, Float64Builder, RecordBatch, StringViewArray},
    datatypes::{DataType, Field},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sutura_core::{ColumnMeta, PartialDateTime, PhiClass};

use crate::{
    columns::{as_text, is_blank},
    error::QualityError,
};

/// Column: the score of the record, 0, 0.25, 0.5, 0.75 or 1.
pub const COL_VALIDATION_SCORE: &str = "validation_score";
/// Column: whether the score reaches the limit.
pub const COL_IS_VALID: &str = "is_valid";

/// Which columns tell the four points of a record's score. The defaults are the columns of the HL7 v2
/// `messages` table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RecordScoreSpec {
    /// A quarter when the patient identifier is present. Default: `patient_id`.
    pub patient_id: String,
    /// A quarter when the time of the record is present and readable. Default: `message_datetime`.
    pub timestamp: String,
    /// A quarter when this flag is true: the type of the message is known. Default: `known_message_type`.
    pub known_type: String,
    /// A quarter when the type is known and this text of missing segments is empty. A record of unknown
    /// type cannot be shown to be complete. Default: `missing_segments`.
    pub missing_segments: String,
    /// A record is valid from this score. Default: 0.75.
    pub minimum: f64,
}

impl Default for RecordScoreSpec {
    fn default() -> Self {
        Self {
            patient_id: "patient_id".into(),
            timestamp: "message_datetime".into(),
            known_type: "known_message_type".into(),
            missing_segments: "missing_segments".into(),
            minimum: 0.75,
        }
    }
}

/// The scores of one batch.
#[derive(Debug, Clone)]
pub struct RecordScore {
    /// The score of each record.
    pub validation_score: Float64Array,
    /// Whether it reaches the minimum.
    pub is_valid: BooleanArray,
    /// The counts of the batch.
    pub summary: RecordScoreSummary,
}

/// Counts over records; merged across batches and threads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecordScoreSummary {
    /// Records scored.
    pub records: u64,
    /// Records that reach the minimum.
    pub valid: u64,
    /// Records with a patient identifier.
    pub with_patient_id: u64,
    /// Records with a readable time.
    pub with_timestamp: u64,
    /// Records of a known type.
    pub with_known_type: u64,
    /// Records with all segments their type requires.
    pub with_complete_segments: u64,
    /// Records by score: 0, 0.25, 0.5, 0.75, 1.
    pub by_score: [u64; 5],
}

impl RecordScoreSummary {
    /// Adds another part of the records.
    pub fn merge(&mut self, other: &Self) {
        self.records += other.records;
        self.valid += other.valid;
        self.with_patient_id += other.with_patient_id;
        self.with_timestamp += other.with_timestamp;
        self.with_known_type += other.with_known_type;
        self.with_complete_segments += other.with_complete_segments;
        for (count, more) in self.by_score.iter_mut().zip(other.by_score) {
            *count += more;
        }
    }

    /// The share of valid records; `None` without records.
    pub fn valid_rate(&self) -> Option<f64> {
        (self.records > 0).then(|| self.valid as f64 / self.records as f64)
    }

    /// The mean score; `None` without records.
    pub fn mean_score(&self) -> Option<f64> {
        let quarters: u64 = self.by_score.iter().zip(0..).map(|(count, quarters)| count * quarters).sum();
        (self.records > 0).then(|| quarters as f64 / (4 * self.records) as f64)
    }
}

/// The two columns with their metadata; both say nothing about the person (`operational`).
pub fn record_score_fields() -> [Field; 2] {
    let field = |name: &str, data_type: DataType, doc: &str| {
        ColumnMeta { doc: Some(doc.to_owned()), ..ColumnMeta::of(PhiClass::Operational) }.apply(Field::new(name, data_type, false))
    };
    [
        field(
            COL_VALIDATION_SCORE,
            DataType::Float64,
            "a quarter each for patient identifier, readable time, known message type and complete segments",
        ),
        field(COL_IS_VALID, DataType::Boolean, "whether validation_score reaches the minimum of the job (0.75 unless it says otherwise)"),
    ]
}

impl RecordScoreSpec {
    /// Scores the records of a batch. A column that the batch lacks is an error: a score without it
    /// would blame the records.
    pub fn score(&self, batch: &RecordBatch) -> Result<RecordScore, QualityError> {
        let patient_id = as_text(column(batch, &self.patient_id)?)?;
        let timestamp = column(batch, &self.timestamp)?;
        let times = if timestamp.data_type().is_temporal() { None } else { Some(as_text(timestamp)?) };
        let known = column(batch, &self.known_type)?;
        let known = known.as_any().downcast_ref::<BooleanArray>().ok_or_else(|| QualityError::SchemaMismatch {
            reason: format!("column {} has type {} instead of Boolean", self.known_type, known.data_type()),
        })?;
        let missing = as_text(column(batch, &self.missing_segments)?)?;
        let mut summary = RecordScoreSummary::default();
        let mut scores = Float64Builder::with_capacity(batch.num_rows());
        let mut valid = BooleanBuilder::with_capacity(batch.num_rows());
        for row in 0..batch.num_rows() {
            let has_patient = present(&patient_id, row).is_some();
            let has_time = match &times {
                None => timestamp.is_valid(row),
                Some(times) => present(times, row).is_some_and(|text| PartialDateTime::parse_iso(text.trim()).is_some()),
            };
            let known_type = known.is_valid(row) && known.value(row);
            let complete = known_type && present(&missing, row).is_none();
            let points = [has_patient, has_time, known_type, complete].into_iter().filter(|point| *point).count();
            let score = points as f64 * 0.25;
            let is_valid = score >= self.minimum;
            scores.append_value(score);
            valid.append_value(is_valid);
            summary.records += 1;
            summary.valid += u64::from(is_valid);
            summary.with_patient_id += u64::from(has_patient);
            summary.with_timestamp += u64::from(has_time);
            summary.with_known_type += u64::from(known_type);
            summary.with_complete_segments += u64::from(complete);
            summary.by_score[points] += 1;
        }
        Ok(RecordScore { validation_score: scores.finish(), is_valid: valid.finish(), summary })
    }
}

impl RecordScore {
    /// The batch with the two columns at its end.
    pub fn append_to(&self, batch: &RecordBatch) -> Result<RecordBatch, QualityError> {
        let [score, valid] = record_score_fields();
        let batch = crate::gate::append_column(batch, score, Arc::new(self.validation_score.clone()))?;
        crate::gate::append_column(&batch, valid, Arc::new(self.is_valid.clone()))
    }
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, QualityError> {
    batch.column_by_name(name).ok_or_else(|| QualityError::SchemaMismatch {
        reason: format!("the record score needs a column {name}; name another column in the score's settings"),
    })
}

fn present(texts: &StringViewArray, row: usize) -> Option<&str> {
    texts.is_valid(row).then(|| texts.value(row)).filter(|text| !is_blank(text))
}
