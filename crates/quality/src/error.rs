//! Why a quality plan could not be made or used. A failed check is a result, not an error.

use crate::spec::SpecProblem;

/// What can go wrong around the checks. Messages name checks, keys and columns, never field content.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QualityError {
    /// The specifications are not usable; each problem names the check and the key.
    #[error("the quality checks are not usable: {}", list(.0))]
    BadSpec(Vec<SpecProblem>),
    /// A batch does not have the schema the plan was made for.
    #[error("the batch does not fit the quality plan: {reason}; make the plan from the schema of the batches")]
    SchemaMismatch {
        /// What differs.
        reason: String,
    },
    /// Two evaluators of different plans cannot be merged.
    #[error("the evaluators belong to different quality plans; merge only evaluators made from one plan")]
    DifferentPlan,
    /// Arrow refused an operation: a defect of ours.
    #[error("an array operation failed (what it says is withheld, since it can hold field content)")]
    Arrow(#[from] arrow::error::ArrowError),
}

fn list(problems: &[SpecProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
