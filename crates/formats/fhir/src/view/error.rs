//! Why a view is refused, or a resource does not fit it.

use thiserror::Error;

use crate::fhirpath::PathError;

/// What is wrong with a ViewDefinition, or with a resource seen through it. Messages never contain values of the resource.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ViewError {
    /// The definition is not JSON.
    #[error("the view is not valid JSON (line {line}, column {column})")]
    Json {
        /// Line.
        line: usize,
        /// Column.
        column: usize,
    },
    /// A part of the definition is missing or of the wrong kind.
    #[error("{place}: {problem}")]
    Definition {
        /// Where in the definition.
        place: String,
        /// What to change.
        problem: &'static str,
    },
    /// An expression that does not compile.
    #[error("{place}: {error}")]
    Path {
        /// Where in the definition.
        place: String,
        /// What is wrong with it.
        error: PathError,
    },
    /// The branches of a `unionAll` have different columns.
    #[error("{place}: the branches of unionAll must have the same columns in the same order")]
    UnionColumns {
        /// Where in the definition.
        place: String,
    },
    /// Two columns of one name.
    #[error("the column `{0}` stands twice; rename one")]
    DuplicateColumn(String),
    /// An expression failed on a resource.
    #[error("column or filter `{place}`: {error}")]
    Evaluation {
        /// The column's name or the filter.
        place: String,
        /// What failed.
        error: PathError,
    },
    /// Several values where the column holds one.
    #[error("column `{0}` has several values; set collection to true or take first()")]
    SeveralValues(String),
    /// A value that does not fit the column's type.
    #[error("column `{0}` has a value that does not fit its type; correct the type or the path")]
    WrongType(String),
    /// A filter that is not a truth value.
    #[error("`where` must be a truth value: compare or use exists()")]
    FilterNotBoolean,
    /// One resource makes more rows than the limit.
    #[error("one resource makes more than {0} rows; use fewer independent forEach")]
    TooManyRows(usize),
    /// One resource makes more than the limit, in GiB.
    #[error("the rows of one resource take more than {0} GiB; take fewer columns of long texts and lists, or fewer independent forEach")]
    TooManyBytes(u64),
    /// One resource takes more steps than the limit.
    #[error("one resource takes more than {0} steps; use fewer independent forEach, or simpler paths")]
    TooManySteps(u64),
    /// A column that was asked for by its position is not there.
    #[error("the view has no column {0}")]
    NoColumn(usize),
    /// Whoever takes the batches wants no more: not a failure.
    #[error("the reading was stopped by its caller")]
    Stopped,
    /// Arrow refused a batch.
    #[error("building a batch failed: {0}")]
    Arrow(String),
}
