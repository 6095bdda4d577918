//! The class of a column: what identifying information its path may lead to.

use sutura_core::PhiClass;

use crate::{defs::TypeId, fhirpath::types};

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
