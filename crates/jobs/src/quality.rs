//! A quality step: what is counted over all rows, and which rows are put aside.
//!
//! Counting is a consumer of its own, over the columns that the checks look at. Putting rows aside is a
//! function of single rows inside the plan, so that every consumer of the step sees the same rows.

use std::{path::Path, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, RecordBatch, StringViewBuilder},
    datatypes::{Field, Schema, SchemaRef},
};
use sutura_core::record;
use sutura_engine::{ColumnFunction, Expr, column};
use sutura_quality::{
    CheckKind, Evaluator, Gate, GateMeasure, GateSpec, PlanOptions, QualityPlan, QualityReport, REASON_INVALID_RECORD, RecordScoreSpec,
    RecordScoreSummary, ReferenceSet, ReferenceSets, quarantine_field, record_score_fields,
};

use crate::{
    build::first_column,
    config::files::{LIST_LIMIT, read_text},
    model::QualityStep,
    sourcenames::SourceNames,
};

/// Most failed records that the private file names for each check; the total is exact.
const LISTED_FAILURES: usize = 1000;
/// Most of them in `run.json` of a job that does not de-identify.
const SHOWN_FAILURES: usize = 20;

/// The private file that names the failed records of a job that de-identifies.
pub(crate) const FAILURES_FILE: &str = "quality-failures.ndjson";

/// Takes the identities of failed records out of a report that travels, or cuts them to a sample in one that does not. Gives the lines of the
/// private file.
pub(crate) fn take_failures(step: &str, report: &mut QualityReport, names: &SourceNames) -> Vec<serde_json::Value> {
    let mut lines = Vec::new();
    for check in &mut report.checks {
        if !names.are_hidden() {
            check.failed.sample.truncate(SHOWN_FAILURES);
            continue;
        }
        for record in std::mem::take(&mut check.failed.sample) {
            lines.push(serde_json::json!({
                "step": step, "check": check.name, "source": names.of(&record.source), "offset": record.offset,
                "length": record.length, "sha256": record.sha256,
            }));
        }
    }
    lines
}

/// The checks of a step, ready for its input.
#[derive(Debug, Clone)]
pub(crate) struct Checks {
    plan: QualityPlan,
    score: Option<RecordScoreSpec>,
    schema: SchemaRef,
}

impl Checks {
    /// Makes the checks ready; `schema` is the classified schema of the step's input.
    pub(crate) fn new(step: &QualityStep, schema: &Schema) -> Result<Self, String> {
        let mut references = ReferenceSets::new();
        for (name, file) in &step.references {
            let text = read_text(Path::new(file), LIST_LIMIT).map_err(|error| format!("the list {name:?} cannot be read: {error}"))?;
            let mut set = ReferenceSet::default();
            for value in first_column(&text) {
                set.insert(&value);
            }
            references.insert(name.clone(), Arc::new(set));
        }
        let mut wanted: Vec<String> = step.checks.iter().flat_map(sutura_quality::CheckSpec::all_columns).collect();
        if let Some(score) = &step.record_score {
            let columns = [&score.patient_id, &score.timestamp, &score.known_type, &score.missing_segments];
            if let Some(missing) = columns.iter().find(|name| schema.field_with_name(name).is_err()) {
                return Err(format!("record_score looks at the column {missing:?}, which the input does not have"));
            }
            wanted.extend(columns.into_iter().cloned());
        }
        // Identities, so that failed records can be named.
        wanted.extend([record::COL_SOURCE, record::COL_OFFSET, record::COL_LENGTH, record::COL_SHA256].map(str::to_owned));
        let fields: Vec<_> = schema.fields().iter().filter(|field| wanted.contains(field.name())).cloned().collect();
        let schema = Arc::new(Schema::new(fields));
        let plan = QualityPlan::with(&step.checks, &schema, &references, PlanOptions { sample: LISTED_FAILURES, ..PlanOptions::default() })
            .map_err(|error| error.to_string())?;
        Ok(Self { plan, score: step.record_score.clone(), schema })
    }

    /// The columns that counting needs.
    pub(crate) fn columns(&self) -> Vec<Expr> {
        self.names().map(column).collect()
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.schema.fields().iter().map(|field| field.name().as_str())
    }

    /// Starts counting.
    pub(crate) fn counter(&self) -> Counter {
        Counter {
            evaluator: self.plan.evaluator(),
            score: self.score.clone(),
            records: RecordScoreSummary::default(),
            schema: Arc::clone(&self.schema),
        }
    }

    /// The columns `validation_score` and `is_valid`, if the step computes them.
    pub(crate) fn score_columns(&self) -> Vec<Expr> {
        let Some(score) = &self.score else { return Vec::new() };
        let [score_field, valid_field] = record_score_fields();
        let of = |field: Field, pick: fn(&sutura_quality::RecordScore) -> ArrayRef| {
            let (score, schema) = (score.clone(), Arc::clone(&self.schema));
            ColumnFunction::new("record_score", field, move |columns| {
                let batch = batch(&schema, columns)?;
                Ok(pick(&score.score(&batch).map_err(|error| error.to_string())?))
            })
            .over(self.names())
        };
        vec![of(score_field, |score| Arc::new(score.validation_score.clone())), of(valid_field, |score| Arc::new(score.is_valid.clone()))]
    }

    /// The column with the reasons for putting a row aside, null for rows that stay. `None` when the gate puts no rows aside.
    pub(crate) fn reasons(&self, gate: &GateSpec) -> Option<Expr> {
        if gate.action != Gate::Quarantine {
            return None;
        }
        let single_row = |name: &str| {
            let kind = self.plan.evaluator().finish().check(name).map(|check| check.kind);
            !matches!(kind, Some(CheckKind::Unique | CheckKind::Duplicate))
        };
        let looks_at: Vec<(usize, String)> = self
            .plan
            .checks()
            .filter(|(_, name, dimension)| match gate.measure {
                GateMeasure::Overall => true,
                GateMeasure::Dimension => gate.dimension == Some(*dimension),
                GateMeasure::Check => gate.check.as_deref() == Some(*name),
                GateMeasure::Record => false,
            })
            .filter(|(_, name, _)| single_row(name))
            .map(|(position, name, _)| (position, name.to_owned()))
            .collect();
        let by_record = gate.measure == GateMeasure::Record;
        let (plan, score, schema) = (self.plan.clone(), self.score.clone(), Arc::clone(&self.schema));
        let output = Field::clone(&quarantine_field()).with_nullable(true);
        let call = ColumnFunction::new("quarantine_reasons", output, move |columns| {
            let batch = batch(&schema, columns)?;
            let outcome = plan.evaluator().update(&batch).map_err(|error| error.to_string())?;
            let valid = match &score {
                Some(score) if by_record => Some(score.score(&batch).map_err(|error| error.to_string())?.is_valid),
                _ => None,
            };
            let mut reasons = StringViewBuilder::with_capacity(batch.num_rows());
            let mut names: Vec<&str> = Vec::new();
            for row in 0..batch.num_rows() {
                names.clear();
                names.extend(looks_at.iter().filter(|(check, _)| outcome.failed[*check].value(row)).map(|(_, name)| name.as_str()));
                if valid.as_ref().is_some_and(|valid| !valid.value(row)) {
                    names.push(REASON_INVALID_RECORD);
                }
                reasons.append_option((!names.is_empty()).then(|| names.join(",")));
            }
            Ok(Arc::new(reasons.finish()) as ArrayRef)
        });
        Some(call.over(self.names()))
    }
}

/// Counts the rows of a step's input.
#[derive(Debug)]
pub(crate) struct Counter {
    evaluator: Evaluator,
    score: Option<RecordScoreSpec>,
    records: RecordScoreSummary,
    schema: SchemaRef,
}

impl Counter {
    /// Counts a batch.
    pub(crate) fn update(&mut self, columns: &RecordBatch) -> Result<(), String> {
        let batch = batch(&self.schema, columns.columns())?;
        self.evaluator.update(&batch).map_err(|error| error.to_string())?;
        if let Some(score) = &self.score {
            self.records.merge(&score.score(&batch).map_err(|error| error.to_string())?.summary);
        }
        Ok(())
    }

    /// The report.
    pub(crate) fn finish(self) -> QualityReport {
        let report = self.evaluator.finish();
        if self.score.is_some() { report.with_records(self.records) } else { report }
    }
}

/// The columns as a batch of the plan's schema; types that only differ in layout are cast.
fn batch(schema: &SchemaRef, columns: &[ArrayRef]) -> Result<RecordBatch, String> {
    let columns = schema.fields().iter().zip(columns).map(|(field, column)| {
        if column.data_type() == field.data_type() {
            return Ok(Arc::clone(column));
        }
        arrow::compute::cast(column, field.data_type()).map_err(|_| format!("column {} has another type than planned", field.name()))
    });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let nullable: Vec<Field> = schema.fields().iter().map(|field| Field::clone(field).with_nullable(true)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(nullable)), columns).map_err(|error| error.to_string())
}
