//! **Data quality: checks, dimensions, scores, gates, over Arrow batches.**
//!
//! A [`CheckSpec`] says what should hold, a [`QualityPlan`] makes the checks ready for one schema, an
//! [`Evaluator`] counts batch after batch (one per thread, merged in any order), and a
//! [`QualityReport`] holds every check with numerator, denominator, interval, threshold and the
//! identities of failed records, then dimensions, an overall score and recommendations.
//!
//! ```
//! use sutura_quality::{CheckKind, CheckSpec, CheckStatus, QualityPlan};
//! use arrow::{array::{ArrayRef, Float64Array, RecordBatch}};
//! use std::sync::Arc;
//!
//! let values: ArrayRef = Arc::new(Float64Array::from(vec![Some(4.1), Some(99.0), None]));
//! let batch = RecordBatch::try_from_iter([("potassium", values)])?;
//! let check = CheckSpec { min: Some(1.0), max: Some(12.0), ..CheckSpec::of(CheckKind::Range, "potassium") };
//! let mut evaluator = QualityPlan::new(&[check], &batch.schema())?.evaluator();
//! let outcome = evaluator.update(&batch)?;
//! assert!(outcome.failed[0].value(1));
//! let report = evaluator.finish();
//! assert_eq!((report.checks[0].numerator, report.checks[0].denominator), (1, 2));
//! assert_eq!(report.checks[0].status, CheckStatus::Fail);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What it is not: it reads no files, knows no format, and its reports hold no field content.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr, clippy::float_cmp))]

mod columns;
mod dimension;
mod duration;
mod error;
mod evaluate;
mod format;
mod gate;
mod interval;
mod keys;
mod order;
mod recommend;
mod record_score;
mod reference;
mod report;
mod rule;
mod sample;
mod spec;
#[cfg(test)]
mod tests;

pub use dimension::{Dimension, Level};
pub use error::QualityError;
pub use evaluate::{BatchOutcome, Evaluator, PlanOptions, QualityPlan, check_specs};
pub use gate::{
    COL_QUARANTINE_REASONS, Divider, Gate, GateDecision, GateMeasure, GateSpec, REASON_INVALID_RECORD, Split, quarantine_field,
};
pub use interval::wilson_95;
pub use recommend::Recommendation;
pub use record_score::{COL_IS_VALID, COL_VALIDATION_SCORE, RecordScore, RecordScoreSpec, RecordScoreSummary, record_score_fields};
pub use reference::{ReferenceSet, ReferenceSets};
pub use report::{CheckResult, CheckStatus, DimensionScore, DimensionStatus, QualityReport};
pub use sample::{FailedRecord, FailedRecords};
pub use spec::{CheckDigit, CheckKind, CheckSpec, Condition, NumberRange, SpecProblem, ValueType};
