//! The class of a column: what identifying information its path may lead to.

use sutura_core::PhiClass;

use crate::{
    defs::{self, TypeId},
    fhirpath::{Function, Tree, check, types},
};

/// The last element of a path that is no walk, and the type that has it, where that is certain: filters and choices among items change
/// neither.
pub(super) fn leaf(tree: &Tree, focus: TypeId) -> Option<(TypeId, &'static str)> {
    match tree {
        Tree::Item { base, .. } => leaf(base, focus),
        Tree::Call { base: Some(base), function, .. } => {
            let keeps = matches!(
                function,
                Function::First
                    | Function::Last
                    | Function::Single
                    | Function::Tail
                    | Function::Skip
                    | Function::Take
                    | Function::Where
                    | Function::Distinct
            );
            if keeps { leaf(base, focus) } else { None }
        }
        Tree::Member { base: Some(base), name } if has_stated_types(base, focus) => {
            let [parent] = check::infer(base, &[focus]).ok()?.types?.try_into().ok()?;
            let element = defs::r4().type_of(parent).element_named(name)?;
            (!element.choice).then_some((parent, element.name))
        }
        _ => None,
    }
}

/// Whether every `ofType` gives exactly the type it names: where a type derived from it may stand (an Age where a Quantity is asked for),
/// its elements may mean more.
fn has_stated_types(tree: &Tree, focus: TypeId) -> bool {
    match tree {
        Tree::This => true,
        Tree::Member { base, .. } | Tree::Call { base, .. } => base.as_deref().is_none_or(|base| has_stated_types(base, focus)),
        Tree::Item { base, .. } => has_stated_types(base, focus),
        Tree::OfType { base: Some(base), ty, .. } => {
            let known = check::infer(base, &[focus]).ok().and_then(|shape| shape.types);
            let (Some(known), Some(wanted)) = (known, defs::r4().type_named(&ty.name)) else { return false };
            has_stated_types(base, focus) && known.iter().all(|found| *found == wanted || !types::subtype(*found, wanted))
        }
        _ => false,
    }
}

/// The class of an element of a type. What is not known to be harmless is free text.
pub(super) fn of_element(parent: TypeId, element: &str, ty: TypeId) -> PhiClass {
    let (parent, ty) = (types::name(parent), types::name(ty));
    match (parent, element) {
        ("HumanName", "use") | ("Address" | "ContactPoint" | "Identifier", "use" | "type" | "rank") => PhiClass::Operational,
        ("HumanName", "family" | "given" | "prefix" | "suffix" | "text") => PhiClass::Name,
        ("Address", "state" | "country") => PhiClass::Quasi,
        ("Address", "line" | "city" | "district" | "postalCode" | "text") => PhiClass::Geography,
        ("ContactPoint" | "Identifier", "system") => PhiClass::Operational,
        ("ContactPoint", _) => PhiClass::Phone,
        ("Identifier", _) if ty == "string" => PhiClass::OtherId,
        ("Reference", "type") => PhiClass::Operational,
        ("Reference", "display") => PhiClass::Name,
        ("Reference", _) | (_, "id") => PhiClass::OtherId,
        ("Patient" | "Practitioner" | "Person" | "RelatedPerson", "gender") => PhiClass::Quasi,
        ("Coding", "system" | "code" | "display" | "version" | "userSelected") => PhiClass::Clinical,
        ("Quantity" | "Age" | "Duration" | "Count" | "Distance" | "Money", "unit" | "code" | "system") => PhiClass::Clinical,
        ("Age", "value") => PhiClass::Age,
        ("Device", _) if ty == "string" => PhiClass::Device,
        ("Meta", "versionId" | "source" | "profile") => PhiClass::Operational,
        _ => match ty {
            "boolean" | "decimal" | "integer" | "positiveInt" | "unsignedInt" | "code" => PhiClass::Clinical,
            "date" | "dateTime" | "instant" | "time" => PhiClass::Date,
            "url" => PhiClass::Url,
            "id" | "oid" | "uuid" => PhiClass::OtherId,
            "uri" | "canonical" if parent != "Extension" => PhiClass::Operational,
            _ => PhiClass::FreeText,
        },
    }
}
