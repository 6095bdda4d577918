//! Paths to elements, resolved against the definitions once.

use sutura_fhir::defs::{TypeId, TypeKind, r4};

/// One step from an element to an element inside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The name in JSON: `valueQuantity`.
    pub name: &'static str,
    /// The place of the element in its type; elements are written in this order.
    pub order: u16,
    /// The type that the element has here.
    pub ty: TypeId,
    /// Whether JSON has an array here.
    pub is_list: bool,
    /// Whether the element is of a primitive type.
    pub is_primitive: bool,
    /// Whether its value is a JSON number or boolean.
    pub is_raw: bool,
}

impl Step {
    /// The step from a type to its element of that name in JSON. A choice is named with its type (`valueQuantity`).
    pub fn new(from: TypeId, name: &'static str) -> Option<Self> {
        let (element, ty) = r4().type_of(from).element(name)?;
        let is_primitive = r4().type_of(ty).kind == TypeKind::Primitive;
        Some(Self { name, order: element.index, ty, is_list: element.is_list(), is_primitive, is_raw: super::json::is_raw(ty) })
    }
}

/// Steps with the place in each list: `name[0].given[1]`. A list without a number means its first item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    pub(crate) steps: Vec<(Step, u32)>,
}

/// Why a path is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// A type has no such element.
    #[error("{0} has no element {1}; name it as in JSON, a choice with its type")]
    NoElement(&'static str, String),
    /// What stands in brackets is no number.
    #[error("{0}: expected a number in brackets")]
    BadIndex(String),
}

impl Path {
    /// The path of elements from a type.
    ///
    /// # Errors
    /// An element that the type does not have, or brackets without a number.
    pub fn new(from: TypeId, text: &'static str) -> Result<Self, PathError> {
        let mut steps = Vec::new();
        let mut ty = from;
        for part in text.split('.') {
            let (name, place) = match part.split_once('[') {
                Some((name, rest)) => {
                    let place = rest.strip_suffix(']').and_then(|digits| digits.parse().ok());
                    (name, place.ok_or_else(|| PathError::BadIndex(part.to_owned()))?)
                }
                None => (part, 0),
            };
            let step = Step::new(ty, name).ok_or_else(|| PathError::NoElement(ty.name(), name.to_owned()))?;
            ty = step.ty;
            steps.push((step, place));
        }
        Ok(Self { steps })
    }

    /// The type of what it leads to.
    pub fn ty(&self) -> Option<TypeId> {
        self.steps.last().map(|(step, _)| step.ty)
    }
}
