//! What a job does about quality: go on and say so, put rows aside, or stop.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, BooleanArray, RecordBatch, StringViewBuilder},
    buffer::BooleanBuffer,
    compute::filter_record_batch,
    datatypes::{DataType, Field, Schema},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sutura_core::{ColumnMeta, PhiClass};

use crate::{
    dimension::Dimension,
    error::QualityError,
    evaluate::{BatchOutcome, QualityPlan},
    report::QualityReport,
    spec::SpecProblem,
};

/// Column of quarantined rows: the names of the failed checks, comma separated.
pub const COL_QUARANTINE_REASONS: &str = "_quarantine_reasons";
/// The reason of rows whose record score is below the minimum.
pub const REASON_INVALID_RECORD: &str = "record-not-valid";

/// What to do when quality is too low.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Gate {
    /// Go on; the report says what was found.
    Warn,
    /// Put the failing rows aside, row by row, and go on with the others.
    Quarantine,
    /// End the run without publishing its output.
    Stop,
}

/// What a gate looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum GateMeasure {
    /// The overall score; quarantine: rows that fail any check.
    Overall,
    /// The score of `dimension`; quarantine: rows that fail any of its checks.
    Dimension,
    /// The rate of `check`; quarantine: rows that fail it.
    Check,
    /// The share of valid records; quarantine: records that are not valid.
    Record,
}

/// A gate as a job states it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GateSpec {
    /// What to do when quality is too low: `warn`, `quarantine` or `stop`.
    pub action: Gate,
    /// What to look at: `overall`, `dimension`, `check` or `record`. Default: `overall`.
    #[serde(default = "default_measure")]
    pub measure: GateMeasure,
    /// `measure = "dimension"`: which one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dimension: Option<Dimension>,
    /// `measure = "check"`: its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<String>,
    /// The least score or rate, from 0 to 1. Default: the check's own threshold for `check`, 0.95 for
    /// `record`, else 0.70. Quarantine puts failing rows aside whatever the score is, because rows
    /// pass before the score is known; the minimum then only decides what the report says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<f64>,
}

fn default_measure() -> GateMeasure {
    GateMeasure::Overall
}

/// What a gate decided at the end of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GateDecision {
    /// What it was to do.
    pub action: Gate,
    /// What it looked at, in words.
    pub measure: String,
    /// Whether the minimum was reached. What was not measured does not pass, except that a gate that
    /// only warns says so.
    pub passed: bool,
    /// The score or rate; absent when not measured.
    pub measured: Option<f64>,
    /// The minimum.
    pub minimum: f64,
    /// What was found, in one sentence.
    pub reason: String,
}

impl GateDecision {
    /// Whether the run must end without publishing.
    pub fn stops(&self) -> bool {
        self.action == Gate::Stop && !self.passed
    }
}

/// A batch divided by a gate.
#[derive(Debug, Clone)]
pub struct Split {
    /// Rows that go on, as they were.
    pub kept: RecordBatch,
    /// Rows put aside, with the column [`COL_QUARANTINE_REASONS`] at the end.
    pub quarantined: RecordBatch,
}

impl GateSpec {
    /// A gate over everything with the default minimum.
    pub fn new(action: Gate, measure: GateMeasure) -> Self {
        Self { action, measure, dimension: None, check: None, minimum: None }
    }

    /// What is wrong with the gate, given the names of the checks it may look at.
    pub fn problems<'a>(&self, check_names: impl IntoIterator<Item = &'a str>) -> Vec<SpecProblem> {
        let mut problems = Vec::new();
        let mut report =
            |key: &'static str, message: &str| problems.push(SpecProblem { check: "gate".into(), key, message: message.into() });
        if self.minimum.is_some_and(|minimum| !(0.0..=1.0).contains(&minimum)) {
            report("minimum", "must lie between 0 and 1");
        }
        if (self.measure == GateMeasure::Dimension) != self.dimension.is_some() {
            report("dimension", "belongs to measure = \"dimension\", which needs it");
        }
        if (self.measure == GateMeasure::Check) != self.check.is_some() {
            report("check", "belongs to measure = \"check\", which needs it");
        }
        if let Some(wanted) = &self.check
            && !check_names.into_iter().any(|name| name == wanted)
        {
            report("check", "names no check of the plan");
        }
        problems
    }

    /// Whether the whole run is good enough.
    pub fn decide(&self, report: &QualityReport) -> GateDecision {
        let check = self.check.as_deref().and_then(|name| report.check(name));
        let (measure, measured, default_minimum) = match self.measure {
            GateMeasure::Overall => ("the overall score".to_owned(), report.overall, 0.70),
            GateMeasure::Dimension => match self.dimension {
                Some(dimension) => (format!("the {dimension} score"), report.dimension_score(dimension), 0.70),
                None => ("the score of an unnamed dimension".to_owned(), None, 0.70),
            },
            GateMeasure::Check => (
                format!("the rate of check {}", self.check.as_deref().unwrap_or("without a name")),
                check.and_then(|check| check.rate),
                check.map_or(0.95, |check| check.threshold),
            ),
            GateMeasure::Record => ("the share of valid records".to_owned(), report.records.and_then(|records| records.valid_rate()), 0.95),
        };
        let minimum = self.minimum.unwrap_or(default_minimum);
        let passed = measured.is_some_and(|measured| measured >= minimum);
        let reason = match measured {
            None => format!("{measure} was not measured"),
            Some(measured) if passed => format!("{measure} is {measured:.4}, at least {minimum}"),
            Some(measured) => format!("{measure} is {measured:.4}, below {minimum}"),
        };
        GateDecision { action: self.action, measure, passed, measured, minimum, reason }
    }

    /// Makes a quarantine gate ready to divide the batches of a plan. `None` for gates that do not divide.
    pub fn divider(&self, plan: &QualityPlan) -> Option<Divider> {
        if self.action != Gate::Quarantine {
            return None;
        }
        let looks_at = |name: &str, dimension: Dimension| match self.measure {
            GateMeasure::Overall => true,
            GateMeasure::Dimension => self.dimension == Some(dimension),
            GateMeasure::Check => self.check.as_deref() == Some(name),
            GateMeasure::Record => false,
        };
        let checks =
            plan.checks().filter(|(_, name, dimension)| looks_at(name, *dimension)).map(|(at, name, _)| (at, name.to_owned())).collect();
        Some(Divider { checks, records: self.measure == GateMeasure::Record })
    }
}

/// Divides batches into kept and quarantined rows.
#[derive(Debug, Clone)]
pub struct Divider {
    checks: Vec<(usize, String)>,
    records: bool,
}

impl Divider {
    /// Divides one batch. `is_valid` is needed by a gate over records only.
    pub fn split(&self, batch: &RecordBatch, outcome: &BatchOutcome, is_valid: Option<&BooleanArray>) -> Result<Split, QualityError> {
        let rows = batch.num_rows();
        let invalid = match is_valid {
            Some(valid) if self.records => Some(!valid.values()),
            None if self.records => {
                return Err(QualityError::SchemaMismatch { reason: "a gate over records needs the record scores of the batch".into() });
            }
            _ => None,
        };
        let mut reasons: Vec<(&str, &BooleanBuffer)> =
            self.checks.iter().filter_map(|(at, name)| Some((name.as_str(), outcome.failed.get(*at)?))).collect();
        reasons.extend(invalid.as_ref().map(|mask| (REASON_INVALID_RECORD, mask)));
        if reasons.iter().any(|(_, mask)| mask.len() != rows) {
            return Err(QualityError::SchemaMismatch { reason: "the outcome belongs to another batch".into() });
        }
        let aside = reasons.iter().fold(BooleanBuffer::new_unset(rows), |aside, (_, mask)| &aside | *mask);
        let mut texts = StringViewBuilder::new();
        let mut text = String::new();
        for row in aside.set_indices() {
            text.clear();
            for (name, _) in reasons.iter().filter(|(_, mask)| mask.value(row)) {
                if !text.is_empty() {
                    text.push(',');
                }
                text.push_str(name);
            }
            texts.append_value(&text);
        }
        let kept = if aside.count_set_bits() == 0 { batch.clone() } else { filter_record_batch(batch, &BooleanArray::new(!&aside, None))? };
        let quarantined = filter_record_batch(batch, &BooleanArray::new(aside, None))?;
        Ok(Split { kept, quarantined: append_column(&quarantined, quarantine_field(), Arc::new(texts.finish()))? })
    }
}

/// The reasons column: names of checks, no content (`operational`).
pub fn quarantine_field() -> Field {
    let doc = "names of the failed checks, comma separated";
    ColumnMeta { doc: Some(doc.to_owned()), ..ColumnMeta::of(PhiClass::Operational) }.apply(Field::new(
        COL_QUARANTINE_REASONS,
        DataType::Utf8View,
        false,
    ))
}

/// The batch with one more column; schema metadata stays.
pub(crate) fn append_column(batch: &RecordBatch, field: Field, column: ArrayRef) -> Result<RecordBatch, QualityError> {
    let schema = batch.schema();
    let fields: Vec<_> = schema.fields().iter().cloned().chain([Arc::new(field)]).collect();
    let schema = Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()));
    let columns = batch.columns().iter().cloned().chain([column]).collect();
    Ok(RecordBatch::try_new(schema, columns)?)
}
