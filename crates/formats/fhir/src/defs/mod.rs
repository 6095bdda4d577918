//! The R4 definitions: types, elements, bindings, invariants, search parameters, compartments.
//!
//! Facts of FHIR R4 4.0.1 (CC0-1.0), derived by `tools/derive-fhir` into `data/*.tsv`, which are part of
//! the program. [`r4`] parses types and elements on first use (4.6 ms at best on a busy machine; nothing is read
//! from disk); a value set or the search parameters are parsed when they are first asked for. What is
//! loaded stays for the life of the process, so everything here is `'static` and free to copy.
//!
//! Every type has a [`TypeId`], backbone elements too: `Patient.contact` is the type of the element
//! `contact` of `Patient`. [`TypeDef::element`] finds an element by its name in JSON
//! (`valueQuantity`), [`TypeDef::element_named`] by its name in FHIRPath (`value`).

mod codes;
mod load;
mod names;
mod search;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, sync::OnceLock};

pub use codes::{CodeSet, Grammar};
use names::NameTable;
pub use search::{SearchComponent, SearchParameter};

/// The R4 definitions, parsed on first use.
pub fn r4() -> &'static Definitions {
    static R4: OnceLock<Definitions> = OnceLock::new();
    R4.get_or_init(load::definitions)
}

/// The number of a type in [`Definitions`]; the same in every run of one build, not across builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TypeId(pub(crate) u16);

impl TypeId {
    /// The number as an index, for tables beside the definitions.
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// Its definition.
    pub fn def(self) -> &'static TypeDef {
        r4().type_of(self)
    }

    /// Its name: `Patient`, `string`, `Patient.contact`.
    pub fn name(self) -> &'static str {
        self.def().name
    }
}

/// What kind of type it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TypeKind {
    /// `string`, `date`, ...: a JSON string, number or boolean.
    Primitive,
    /// A data type with elements.
    Complex,
    /// A resource type.
    Resource,
    /// The type of an element that defines its own elements.
    Backbone,
}

/// A type with all its elements, inherited ones first.
#[derive(Debug)]
pub struct TypeDef {
    /// The name; for a backbone the path of its element.
    pub name: &'static str,
    /// Its own number.
    pub id: TypeId,
    /// What kind of type it is.
    pub kind: TypeKind,
    /// No instance is of this very type (`Resource`, `DomainResource`, `Element`, `BackboneElement`).
    pub is_abstract: bool,
    /// The type it specialises.
    pub base: Option<TypeId>,
    /// The elements in the standard's order.
    pub elements: Vec<ElementDef>,
    /// The invariants of every instance of the type, inherited ones first.
    pub invariants: Vec<&'static Invariant>,
    /// The elements that must be there, a bit for each index.
    pub(crate) required: u128,
    names: NameTable,
}

/// One element of a type.
#[derive(Debug, Clone)]
pub struct ElementDef {
    /// The name in FHIRPath: `value` for the choice `value[x]`.
    pub name: &'static str,
    /// Its place in [`TypeDef::elements`].
    pub index: u16,
    /// The types it may have: one, or several for a choice.
    pub types: &'static [ElementType],
    /// The least number of values.
    pub min: u32,
    /// The greatest number of values; none means any.
    pub max: Option<u32>,
    /// Whether it is a choice (`value[x]`), whose name in JSON carries the type.
    pub choice: bool,
    /// Whether it is part of a summary.
    pub is_summary: bool,
    /// Whether it changes the meaning of what it stands in.
    pub is_modifier: bool,
    /// The value set its codes come from.
    pub binding: Option<Binding>,
    /// The element whose definition it repeats: `#Observation.referenceRange`.
    pub content_reference: Option<TypeId>,
    /// The invariants of this element, beside those of its type.
    pub invariants: &'static [&'static Invariant],
}

impl ElementDef {
    /// Whether JSON has an array of values here.
    pub fn is_list(&self) -> bool {
        self.max != Some(1)
    }
}

/// One type that an element may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ElementType {
    /// The type.
    pub ty: TypeId,
    /// The resource types a Reference or canonical may point at, as named; empty means any.
    pub targets: &'static [&'static str],
}

/// How binding a value set is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    /// An example only.
    Example,
    /// Recommended.
    Preferred,
    /// To be used where it has a code that fits.
    Extensible,
    /// No other codes.
    Required,
}

/// The value set an element is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    /// How binding it is.
    pub strength: Strength,
    /// The value set's canonical URL, without a version.
    pub value_set: &'static str,
    /// A larger value set that no code may leave, whatever the strength.
    pub max_value_set: Option<&'static str>,
}

/// A rule in FHIRPath.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invariant {
    /// Its key: `obs-6`.
    pub key: &'static str,
    /// Whether breaking it is a warning only.
    pub is_warning: bool,
    /// The expression, true where the rule is kept.
    pub expression: &'static str,
    /// Its number, for tables beside the definitions.
    pub index: u16,
}

/// All definitions of one FHIR version.
#[derive(Debug)]
pub struct Definitions {
    types: Vec<TypeDef>,
    by_name: HashMap<&'static str, TypeId>,
    invariants: &'static [Invariant],
}

impl Definitions {
    /// The type of that name: `Patient`, `string`, `Patient.contact`.
    pub fn type_named(&self, name: &str) -> Option<TypeId> {
        self.by_name.get(name).copied()
    }

    /// The resource type of that name, if instances of it can exist.
    pub fn resource_named(&self, name: &str) -> Option<&TypeDef> {
        let def = self.type_of(self.type_named(name)?);
        (def.kind == TypeKind::Resource && !def.is_abstract).then_some(def)
    }

    /// The definition of a type.
    pub fn type_of(&self, id: TypeId) -> &TypeDef {
        &self.types[id.index()]
    }

    /// All types, backbones included.
    pub fn types(&self) -> &[TypeDef] {
        &self.types
    }

    /// All invariants in the order of [`Invariant::index`].
    pub fn invariants(&self) -> &'static [Invariant] {
        self.invariants
    }

    /// Whether `a` is `b` or specialises it.
    pub fn subtype_of(&self, a: TypeId, b: TypeId) -> bool {
        let mut at = Some(a);
        while let Some(id) = at {
            if id == b {
                return true;
            }
            at = self.type_of(id).base;
        }
        false
    }

    /// The codes of a value set by its URL; a version (`|4.0.1`) is passed over. None where the set is
    /// not among the bound ones or its codes are not in the specification (SNOMED CT, LOINC).
    pub fn value_set(&self, url: &str) -> Option<&'static CodeSet> {
        codes::value_set(url)
    }

    /// The search parameters of a resource type, those of all resources included.
    pub fn search_parameters(&self, resource: &str) -> impl Iterator<Item = &'static SearchParameter> {
        search::parameters_of(resource)
    }

    /// The search parameters that tie a resource of that type to a patient's compartment; none if it is in none.
    pub fn patient_compartment(&self, resource: &str) -> Option<&'static [&'static str]> {
        self.compartment("Patient", resource)
    }

    /// The search parameters that tie a resource of that type to a compartment: `Patient`, `Encounter`, `Practitioner`,
    /// `RelatedPerson` or `Device`. None if it is in none; `{def}` stands for the resource itself.
    pub fn compartment(&self, name: &str, resource: &str) -> Option<&'static [&'static str]> {
        search::compartment(name, resource)
    }
}

impl TypeDef {
    /// The element of that name in JSON and the type its name says: `valueQuantity` is `value` as Quantity.
    /// The type of an element that is no choice is its only one.
    pub fn element(&self, json_name: &str) -> Option<(&ElementDef, TypeId)> {
        let (index, ty) = self.names.find(json_name)?;
        Some((&self.elements[index as usize], ty))
    }

    /// The element of that name in FHIRPath: `value` for `value[x]`.
    pub fn element_named(&self, name: &str) -> Option<&ElementDef> {
        if let Some((element, _)) = self.element(name)
            && !element.choice
        {
            return Some(element);
        }
        self.elements.iter().find(|element| element.name == name)
    }

    /// Whether it is a primitive.
    pub fn is_primitive(&self) -> bool {
        self.kind == TypeKind::Primitive
    }
}
