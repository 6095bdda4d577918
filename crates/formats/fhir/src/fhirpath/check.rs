//! Checks an expression against a type without evaluating it: paths that cannot exist, orders that are not defined.

use super::{Function, Literal, Operator, PathError, Tree, TypeTest, types::Specifier};
use crate::defs::{self, TypeId};

/// What is known about the result of a node before it is evaluated.
#[derive(Clone)]
pub(crate) struct Shape {
    /// The FHIR types it may have; `None` if they are not known.
    pub(crate) types: Option<Vec<TypeId>>,
    /// The system type of a computed value, if it is known.
    pub(crate) system: Option<&'static str>,
    /// Whether the order of its items is defined.
    ordered: bool,
}

const UNKNOWN: Shape = Shape { types: None, system: None, ordered: true };

fn system(name: &'static str) -> Shape {
    Shape { system: Some(name), ..UNKNOWN }
}

/// What the result of `tree` will be, as far as that can be said; paths that cannot exist are errors.
pub(crate) fn infer(tree: &Tree, focus: &[TypeId]) -> Result<Shape, PathError> {
    shape(tree, &Shape { types: Some(focus.to_vec()), system: None, ordered: true })
}

/// Checks `tree` with a focus of type `root`.
pub(crate) fn check(tree: &Tree, root: TypeId) -> Result<(), PathError> {
    let root = Shape { types: Some(vec![root]), system: None, ordered: true };
    shape(tree, &root).map(|_| ())
}

fn shape(tree: &Tree, focus: &Shape) -> Result<Shape, PathError> {
    Ok(match tree {
        Tree::This => focus.clone(),
        Tree::Member { base, name } => {
            let input = match base {
                Some(base) => shape(base, focus)?,
                None => {
                    if let (Some(types), Some(ty)) = (&focus.types, defs::r4().type_named(name))
                        && name.starts_with(|first: char| first.is_ascii_uppercase())
                        && types.iter().any(|found| super::types::subtype(*found, ty))
                    {
                        return Ok(focus.clone());
                    }
                    focus.clone()
                }
            };
            member(&input, name)?
        }
        Tree::Item { base, index } => {
            let input = shape(base, focus)?;
            shape(index, focus)?;
            in_order(&input, "[]")?;
            input
        }
        Tree::Sign { operand, .. } => {
            shape(operand, focus)?;
            UNKNOWN
        }
        Tree::Binary { operator, left, right } => {
            shape(left, focus)?;
            shape(right, focus)?;
            match operator {
                Operator::Concatenate => system("String"),
                Operator::Multiply | Operator::Divide | Operator::Div | Operator::Mod => UNKNOWN,
                Operator::Add | Operator::Subtract | Operator::Union => UNKNOWN,
                _ => system("Boolean"),
            }
        }
        Tree::Literal(literal) => match literal {
            Literal::Boolean(_) => system("Boolean"),
            Literal::Integer(_) => system("Integer"),
            Literal::Decimal(_) => system("Decimal"),
            Literal::Text(_) => system("String"),
            _ => UNKNOWN,
        },
        Tree::OfType { base, test, ty } => {
            if let Some(base) = base {
                shape(base, focus)?;
            }
            let specifier = Specifier::resolve(ty)?;
            if *test == TypeTest::Is {
                system("Boolean")
            } else {
                Shape { types: specifier.fhir().map(|ty| vec![ty]), system: None, ordered: true }
            }
        }
        Tree::Call { base, function, arguments, .. } => call(base.as_deref(), *function, arguments, focus)?,
        _ => UNKNOWN,
    })
}

fn call(base: Option<&Tree>, function: Function, arguments: &[Tree], focus: &Shape) -> Result<Shape, PathError> {
    let input = match base {
        Some(base) => shape(base, focus)?,
        None => focus.clone(),
    };
    let on_items = matches!(
        function,
        Function::Where | Function::Select | Function::All | Function::Exists | Function::Iif | Function::Sort | Function::Aggregate
    );
    // The items that `repeat` works on are those it finds.
    let inner = if on_items { &input } else { focus };
    let mut found = Vec::new();
    for argument in arguments {
        if matches!(function, Function::Repeat | Function::RepeatAll | Function::GetReferenceKey) {
            continue;
        }
        found.push(shape(argument, inner)?);
    }
    Ok(match function {
        Function::First | Function::Last | Function::Tail | Function::Skip | Function::Take => {
            in_order(&input, function.name())?;
            input
        }
        Function::Where | Function::Single | Function::Distinct | Function::Trace | Function::DefineVariable | Function::Exclude => input,
        Function::Select => found.pop().unwrap_or(UNKNOWN),
        Function::Sort => Shape { ordered: true, ..input },
        Function::Children | Function::Descendants => Shape { ordered: false, ..UNKNOWN },
        Function::Extension => Shape { types: Some(vec![super::types::known().extension]), ..UNKNOWN },
        Function::Empty
        | Function::Exists
        | Function::All
        | Function::AllTrue
        | Function::AnyTrue
        | Function::AllFalse
        | Function::AnyFalse
        | Function::Not
        | Function::HasValue
        | Function::StartsWith
        | Function::EndsWith
        | Function::Contains
        | Function::Matches
        | Function::MatchesFull
        | Function::IsDistinct
        | Function::SubsetOf
        | Function::SupersetOf
        | Function::ToBoolean
        | Function::MemberOf => system("Boolean"),
        Function::Count
        | Function::Length
        | Function::IndexOf
        | Function::LastIndexOf
        | Function::ToInteger
        | Function::Floor
        | Function::Ceiling
        | Function::Truncate => system("Integer"),
        Function::ToDecimal | Function::Sqrt | Function::Exp | Function::Ln | Function::Log => system("Decimal"),
        Function::Join
        | Function::ToString
        | Function::Upper
        | Function::Lower
        | Function::Substring
        | Function::Replace
        | Function::ReplaceMatches
        | Function::Trim
        | Function::GetResourceKey
        | Function::GetReferenceKey => system("String"),
        _ => UNKNOWN,
    })
}

fn in_order(input: &Shape, name: &'static str) -> Result<(), PathError> {
    if input.ordered { Ok(()) } else { Err(PathError::Unordered(name)) }
}

/// The types of an element; an error if none of the input types has it.
fn member(input: &Shape, name: &str) -> Result<Shape, PathError> {
    let Some(types) = &input.types else { return Ok(UNKNOWN) };
    let mut found = Vec::new();
    for ty in types {
        // A resource of any type may have any element.
        if *ty == super::types::known().resource {
            return Ok(UNKNOWN);
        }
        for element in &defs::r4().type_of(*ty).elements {
            if element.name == name {
                found.extend(element.types.iter().map(|one| one.ty).chain(element.content_reference));
            }
        }
        if super::types::is_primitive(*ty) && matches!(name, "id" | "extension") {
            return Ok(UNKNOWN);
        }
    }
    if found.is_empty() {
        let ty = types.first().map_or("", |ty| super::types::name(*ty));
        return Err(PathError::UnknownElement { ty: ty.into(), element: name.into() });
    }
    Ok(Shape { types: Some(found), ..UNKNOWN })
}
