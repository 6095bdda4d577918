//! The class of one element of R4, by where it stands.

use sutura_core::PhiClass;

use crate::{
    defs::{self, ElementDef, TypeId},
    fhirpath::types,
};

/// An element that a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) ty: TypeId,
    /// The type that has the element, and its name; none for a resource itself.
    pub(super) at: Option<(TypeId, &'static str)>,
    pub(super) within: Within,
}

/// What the elements above say of all below them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Within {
    /// Nothing.
    Plain,
    /// It describes the person: language, marital status, kind of cover.
    Quasi,
    /// It may be an age.
    Age,
    /// A concept whose display is written by people.
    Spoken,
    /// Anything may stand there: extensions, answers, parameters.
    Open,
    /// An extension for race, ethnicity or birth sex, or a part of one.
    Demographic,
    /// A part of such an extension that is not chosen by its URL.
    Part,
}

/// A choice of more types than that is one of any type.
const ANY_TYPE: usize = 30;

/// Extensions whose codes are known: the URL fixes what stands in them.
pub(super) fn known_extension(url: &str) -> bool {
    let name = url.strip_prefix("http://hl7.org/fhir/us/core/StructureDefinition/");
    matches!(name, Some("us-core-race" | "us-core-ethnicity" | "us-core-birthsex"))
}

/// The coded parts of race and ethnicity.
pub(super) fn known_part(url: &str) -> bool {
    matches!(url, "ombCategory" | "detailed")
}

impl Place {
    pub(super) fn root(ty: TypeId) -> Self {
        Self { ty, at: None, within: Within::Plain }
    }

    pub(super) fn narrowed(self, ty: TypeId) -> Self {
        if types::is_resource(ty) { Self::root(ty) } else { Self { ty, ..self } }
    }

    /// The members of that name; none if they are not known, or if the type has no such element.
    pub(super) fn member(&self, name: &str) -> Option<Vec<Self>> {
        let known = types::known();
        if self.may_be_anything() {
            return None;
        }
        if matches!(name, "extension" | "modifierExtension") {
            let within = if self.within == Within::Demographic { Within::Part } else { Within::Open };
            return Some(vec![Self { ty: known.extension, at: Some((self.ty, "extension")), within }]);
        }
        if name == "id" && types::is_primitive(self.ty) {
            return Some(vec![Self { ty: known.id, at: Some((self.ty, "id")), within: self.within }]);
        }
        let definition = defs::r4().type_of(self.ty);
        if let Some(element) = definition.element_named(name) {
            let types = element.types.iter().map(|one| one.ty).chain(element.content_reference);
            return Some(types.map(|ty| self.below(element, ty)).collect());
        }
        definition.element(name).map(|(element, ty)| vec![self.below(element, ty)])
    }

    /// Whether its members show only in the data.
    pub(super) fn may_be_anything(&self) -> bool {
        defs::r4().type_of(self.ty).is_abstract
    }

    pub(super) fn below(&self, element: &ElementDef, ty: TypeId) -> Self {
        let within = match self.within {
            _ if types::is_resource(ty) => Within::Plain,
            Within::Plain => entered(types::name(self.ty), element),
            Within::Part => Within::Open,
            within => within,
        };
        Self { ty, at: Some((self.ty, element.name)), within }
    }

    /// An extension of that URL below it.
    pub(super) fn extension(&self, url: &str) -> Self {
        let within = match self.within {
            Within::Demographic if known_part(url) => Within::Demographic,
            Within::Demographic | Within::Part => Within::Part,
            _ if known_extension(url) => Within::Demographic,
            _ => Within::Open,
        };
        Self { ty: types::known().extension, at: Some((self.ty, "extension")), within }
    }

    /// A single value that can be equal to a constant.
    pub(super) fn is_comparable_value(&self) -> bool {
        types::is_primitive(self.ty) || quantity(types::name(self.ty))
    }

    pub(super) fn class(&self) -> PhiClass {
        let own =
            of_element(self.at.map_or("", |(parent, _)| types::name(parent)), self.at.map_or("", |(_, name)| name), types::name(self.ty));
        let least = match self.within {
            Within::Plain => return own,
            Within::Quasi => PhiClass::Quasi,
            Within::Age => PhiClass::Age,
            Within::Spoken if matches!(self.at, Some((_, "display"))) => PhiClass::FreeText,
            Within::Spoken => return own,
            Within::Open | Within::Part => PhiClass::FreeText,
            Within::Demographic => return demographic(types::name(self.ty), self.at),
        };
        super::class::heavier(own, least)
    }
}

/// What entering an element says of everything below it.
fn entered(parent: &str, element: &ElementDef) -> Within {
    if element.choice && element.types.len() > ANY_TYPE {
        return Within::Open;
    }
    match (parent, element.name) {
        ("QuestionnaireResponse.item.answer", "value") => Within::Open,
        ("Patient" | "RelatedPerson" | "Practitioner", "communication") | ("Patient", "maritalStatus" | "multipleBirth") => Within::Quasi,
        ("Coverage", "type" | "relationship") | ("FamilyMemberHistory", "sex" | "relationship") => Within::Quasi,
        ("Condition", "onset" | "abatement") | ("AllergyIntolerance", "onset") | ("Procedure", "performed") => Within::Age,
        ("FamilyMemberHistory", "age" | "deceased" | "born") | ("FamilyMemberHistory.condition", "onset") => Within::Age,
        ("Goal", "description") => Within::Spoken,
        _ => Within::Plain,
    }
}

/// The codes of race, ethnicity and birth sex; text beside them is free.
fn demographic(ty: &str, at: Option<(TypeId, &'static str)>) -> PhiClass {
    let parent = at.map_or("", |(parent, _)| types::name(parent));
    match (parent, ty) {
        ("Coding", "code" | "string" | "boolean") | (_, "code" | "Coding") => PhiClass::Quasi,
        ("Coding", "uri") => PhiClass::Quasi,
        _ => PhiClass::FreeText,
    }
}

fn quantity(ty: &str) -> bool {
    matches!(ty, "Quantity" | "SimpleQuantity" | "Age" | "Duration" | "Count" | "Distance" | "Money" | "MoneyQuantity")
}

/// Whether it is a resource of definitions, whose `url` is its canonical address and not about a person.
fn is_definition(parent: &str) -> bool {
    let ty = defs::r4().type_named(parent).filter(|ty| types::is_resource(*ty));
    ty.is_some_and(|ty| defs::r4().type_of(ty).element_named("experimental").is_some())
}

/// The class of an element of a type. What is not known to be harmless is free text.
fn of_element(parent: &str, element: &str, ty: &str) -> PhiClass {
    match (parent, element) {
        ("HumanName", "use") | ("ContactPoint", "use" | "rank" | "system") => PhiClass::Operational,
        ("Address", "use" | "type") | ("Identifier", "use") => PhiClass::Operational,
        ("HumanName", "family" | "given" | "prefix" | "suffix" | "text") => PhiClass::Name,
        ("Address", "state" | "country") => PhiClass::Quasi,
        ("Address", "line" | "city" | "district" | "postalCode" | "text") => PhiClass::Geography,
        ("Location.position", "longitude" | "latitude" | "altitude") => PhiClass::Geography,
        ("ContactPoint", "value") => PhiClass::Phone,
        // A system that a sender made up may name a clinic or a person.
        ("Identifier", "system" | "value") => PhiClass::OtherId,
        ("Reference", "type") => PhiClass::Operational,
        ("Reference", "display") => PhiClass::Name,
        ("Reference", "reference") | (_, "id") => PhiClass::OtherId,
        (_, "gender") => PhiClass::Quasi,
        ("Coding", "system" | "code" | "display" | "version" | "userSelected") => PhiClass::Clinical,
        ("Quantity" | "Age" | "Duration" | "Count" | "Distance" | "Money", "unit" | "code" | "system") => PhiClass::Clinical,
        ("Age", "value") => PhiClass::Age,
        ("Device", _) if ty == "string" => PhiClass::Device,
        ("Coverage.class", "name") => PhiClass::OtherId,
        ("Meta", "versionId") => PhiClass::OtherId,
        ("Meta", "source") => PhiClass::Url,
        ("Meta", "profile") | (_, "implicitRules") => PhiClass::Operational,
        (_, "url") if is_definition(parent) => PhiClass::Operational,
        _ => match ty {
            "boolean" | "decimal" | "integer" | "positiveInt" | "unsignedInt" | "code" => PhiClass::Clinical,
            "date" | "dateTime" | "instant" | "time" | "Period" => PhiClass::Date,
            "uri" if parent == "Extension" => PhiClass::FreeText,
            "uri" | "url" => PhiClass::Url,
            "id" | "oid" | "uuid" => PhiClass::OtherId,
            "canonical" => PhiClass::Operational,
            "Age" => PhiClass::Age,
            "Coding" => PhiClass::Clinical,
            ty if quantity(ty) => PhiClass::Clinical,
            _ => PhiClass::FreeText,
        },
    }
}
