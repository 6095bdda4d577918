//! **FHIRPath: expressions compiled once, evaluated over [`crate::json`].**
//!
//! ```
//! use sutura_fhir::{fhirpath::{Context, Expression, Item}, json::Parser};
//!
//! let mut parser = Parser::default();
//! let document = parser.parse(br#"{"resourceType":"Patient","name":[{"use":"official","family":"Doe"}]}"#)?;
//! let family = Expression::parse("name.where(use = 'official').family")?;
//! let found = family.evaluate(Item::resource(document.root()), &mut Context::new())?;
//! assert_eq!(found[0].to_text().as_deref(), Some("Doe"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The whole of FHIRPath N1 with the functions FHIR adds and those of the next release that have settled. Paths are typed
//! with [`crate::defs`]: `value` finds `valueQuantity`, `is` and `ofType` know the subtypes. Every evaluation has a limit of
//! steps; nesting is limited when the expression is parsed. Nothing here panics on any input, and errors hold no content.

mod ast;
mod calls;
pub(crate) mod check;
mod collections;
mod compare;
mod context;
mod conversions;
mod dates;
mod decimal;
mod error;
mod eval;
pub(crate) mod fhir;
mod function;
mod item;
mod lex;
mod moment;
mod navigate;
mod numbers;
mod operators;
mod parse;
mod quantity;
#[cfg(test)]
mod tests;
mod texts;
pub(crate) mod types;
mod units;

pub use context::{Context, CostLimits, Profiles, Resolve, Terminology};
pub use decimal::Decimal;
pub use error::PathError;
pub use item::{Collection, Item, Node};
pub use moment::{Date, DateTime, Time};
pub use quantity::Quantity;

pub(crate) use ast::{Literal, Node as Tree, Operator, TypeTest};
pub(crate) use function::Function;
pub(crate) use units::Unit;

/// A compiled expression: parse once, evaluate often, from any thread.
#[derive(Debug)]
pub struct Expression {
    tree: Tree,
    text: Box<str>,
}

impl Expression {
    /// Compiles the text of an expression.
    ///
    /// Unknown functions, wrong numbers of arguments, impossible dates and too deep nesting are errors here, not later.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        Ok(Self { tree: parse::parse(text)?, text: text.into() })
    }

    /// The text it was compiled from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Checks the paths against a type without evaluating: an element that no type has, or a function that depends on an
    /// order which its input does not have, is an error.
    pub fn check(&self, root: crate::defs::TypeId) -> Result<(), PathError> {
        check::check(&self.tree, root)
    }

    /// Evaluates with `focus` as the context item.
    pub fn evaluate<'d>(&'d self, focus: Item<'d>, context: &mut Context<'d>) -> Result<Collection<'d>, PathError> {
        eval::evaluate(&self.tree, focus, context)
    }

    /// Evaluates to a truth value by the rules of an invariant: empty is `None`, a single item that is not Boolean is true.
    pub fn evaluate_boolean<'d>(&'d self, focus: Item<'d>, context: &mut Context<'d>) -> Result<Option<bool>, PathError> {
        operators::truth(&self.evaluate(focus, context)?, "an invariant")
    }

    /// Evaluates without a record: an error here is the expression's own, and no record can do better. What needs too many steps for
    /// a look, or a service, is not found out.
    pub fn check_alone(&self) -> Result<(), PathError> {
        let mut context = Context::new().limits(CostLimits { steps: 10_000, ..CostLimits::default() });
        match self.evaluate_on(&[], &mut context) {
            Err(PathError::Cost(_) | PathError::Unavailable(_) | PathError::UnknownProfile(_)) | Ok(_) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Evaluates with any focus, also none.
    pub(crate) fn evaluate_on<'d>(&'d self, focus: &[Item<'d>], context: &mut Context<'d>) -> Result<Collection<'d>, PathError> {
        eval::evaluate_on(&self.tree, focus, context)
    }

    /// The compiled form, for the view compiler.
    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }
}
