//! What can go wrong with an expression: typed, bounded, and without content of the record.

use thiserror::Error;

/// Why an expression was refused or gave up.
///
/// Messages name functions, types and paths of the expression (which the caller wrote), never values of the record.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PathError {
    /// The text is not FHIRPath.
    #[error("syntax error at byte {offset}: {message}")]
    Syntax {
        /// Byte offset in the expression.
        offset: usize,
        /// What was expected.
        message: &'static str,
    },
    /// The expression is longer or deeper than the limits allow.
    #[error("the expression is too large or too deeply nested; split it")]
    TooComplex,
    /// A function that FHIRPath does not have, or this engine does not support.
    #[error("unknown function `{0}`; see the reference page for the supported functions")]
    UnknownFunction(Box<str>),
    /// A function with the wrong number of arguments.
    #[error("wrong number of arguments of `{0}()`")]
    Arguments(&'static str),
    /// A type that FHIR R4 does not have.
    #[error("unknown type `{0}`")]
    UnknownType(Box<str>),
    /// A path that the type does not have.
    #[error("`{element}` is not an element of {ty}")]
    UnknownElement {
        /// The type.
        ty: Box<str>,
        /// The element.
        element: Box<str>,
    },
    /// A `%variable` that nobody defined.
    #[error("undefined variable `%{0}`; pass it in the context")]
    UndefinedVariable(Box<str>),
    /// `defineVariable` of a name that is already taken.
    #[error("the variable `%{0}` is already defined")]
    VariableTaken(Box<str>),
    /// An operand or an input of the wrong type.
    #[error("{operation} is not defined for {found}")]
    Type {
        /// The operator or function.
        operation: &'static str,
        /// The type found.
        found: Box<str>,
    },
    /// More than one item where one is needed.
    #[error("{0} needs one item and found several; use first(), where() or all()")]
    NotSingleton(&'static str),
    /// The order of the items is not defined, and the function depends on it.
    #[error("`{0}()` depends on an order that its input does not have")]
    Unordered(&'static str),
    /// A regular expression that cannot be compiled (look-around is not supported).
    #[error("bad or too large regular expression")]
    Pattern,
    /// The steps of one evaluation are used up.
    #[error("the evaluation took more than {0} steps; simplify the expression or raise the limit")]
    Cost(u64),
    /// A collection grew beyond the limit.
    #[error("a collection of the evaluation holds more than {0} items")]
    TooManyItems(usize),
    /// The evaluation is too deeply nested.
    #[error("the evaluation is too deeply nested")]
    Depth,
    /// A text grew beyond the limit.
    #[error("a text of the evaluation is longer than {0} bytes")]
    TextTooLong(usize),
    /// A number of the record is beyond what the evaluator calculates with.
    #[error("{0} is not defined for a number of more than 38 digits")]
    NumberTooLong(&'static str),
    /// `conformsTo` of a profile that is not loaded: its URL where the expression has it as a literal, none where it comes from the record.
    #[error(
        "the profile{} of `conformsTo()` is not loaded; load the package that has it",
        .0.as_ref().map(|url| format!(" {url}")).unwrap_or_default()
    )]
    UnknownProfile(Option<Box<str>>),
    /// A service that the function needs is not there.
    #[error("`{0}()` needs a service that the context does not have")]
    Unavailable(&'static str),
}

impl PathError {
    /// Whether another record may do better: the expression is fine, but what it met in this one is not what it expects. Limits
    /// that were reached, and what is wrong with the expression itself, are not of this kind.
    pub fn is_of_the_record(&self) -> bool {
        match self {
            Self::Type { .. } | Self::NotSingleton(_) | Self::Unordered(_) | Self::Pattern | Self::NumberTooLong(_) => true,
            Self::UnknownProfile(written) => written.is_none(),
            _ => false,
        }
    }
}
