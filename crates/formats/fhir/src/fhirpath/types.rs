//! The types of FHIR as FHIRPath sees them: a thin layer over [`crate::defs`].

use std::sync::OnceLock;

use super::{Item, PathError, ast::TypeName};
use crate::{
    defs::{self, TypeId, TypeKind},
    json::Value,
};

/// The types that the evaluator looks for by name.
pub(crate) struct Known {
    pub(crate) resource: TypeId,
    pub(crate) extension: TypeId,
    pub(crate) id: TypeId,
    pub(crate) string: TypeId,
    pub(crate) decimal: TypeId,
    pub(crate) date: TypeId,
    pub(crate) date_time: TypeId,
    pub(crate) instant: TypeId,
    pub(crate) time: TypeId,
    pub(crate) quantity: TypeId,
}

/// The known types, looked up once.
pub(crate) fn known() -> &'static Known {
    static KNOWN: OnceLock<Known> = OnceLock::new();
    KNOWN.get_or_init(|| {
        // The definitions are part of the build: a missing name would be a fault of the table, and falls back to its first type.
        let named = |name| defs::r4().type_named(name).unwrap_or(defs::r4().types()[0].id);
        Known {
            resource: named("Resource"),
            extension: named("Extension"),
            id: named("id"),
            string: named("string"),
            decimal: named("decimal"),
            date: named("date"),
            date_time: named("dateTime"),
            instant: named("instant"),
            time: named("time"),
            quantity: named("Quantity"),
        }
    })
}

/// The name of a type.
pub(crate) fn name(ty: TypeId) -> &'static str {
    defs::r4().type_of(ty).name
}

/// Whether it is a primitive.
pub(crate) fn is_primitive(ty: TypeId) -> bool {
    defs::r4().type_of(ty).kind == TypeKind::Primitive
}

/// Whether it is a resource.
pub(crate) fn is_resource(ty: TypeId) -> bool {
    defs::r4().type_of(ty).kind == TypeKind::Resource
}

/// Whether `ty` is `of` or one of its subtypes.
pub(crate) fn subtype(ty: TypeId, of: TypeId) -> bool {
    ty == of || defs::r4().subtype_of(ty, of)
}

/// The type of a resource by its `resourceType`; `Resource` if R4 does not have it.
pub(crate) fn of_resource(value: Value<'_>) -> TypeId {
    let named = value.get("resourceType").and_then(|kind| kind.as_str()).and_then(|name| defs::r4().type_named(name));
    named.filter(|ty| is_resource(*ty)).unwrap_or(known().resource)
}

/// What a type specifier names: a type of FHIR, one of FHIRPath's own, or both (`Quantity`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Specifier {
    fhir: Option<TypeId>,
    system: Option<&'static str>,
}

const SYSTEM: [&str; 9] = ["Boolean", "String", "Integer", "Decimal", "Date", "DateTime", "Time", "Quantity", "Any"];

impl Specifier {
    /// Resolves a name: FHIR first, then System. `System.Unknown` matches nothing; another unknown name is an error.
    pub(crate) fn resolve(ty: &TypeName) -> Result<Self, PathError> {
        let system = SYSTEM.iter().copied().find(|name| **name == *ty.name).or((&*ty.name == "Long").then_some("Integer"));
        let fhir = || defs::r4().type_named(&ty.name);
        match ty.namespace.as_deref() {
            Some("System") => Ok(Self { fhir: None, system }),
            Some(_) => match fhir() {
                Some(found) => Ok(Self { fhir: Some(found), system: None }),
                None => Err(PathError::UnknownType(ty.name.clone())),
            },
            None => match (fhir(), system) {
                (None, None) => Err(PathError::UnknownType(ty.name.clone())),
                (fhir, system) => Ok(Self { fhir, system }),
            },
        }
    }

    /// The FHIR type it names.
    pub(crate) fn fhir(&self) -> Option<TypeId> {
        self.fhir
    }

    /// `is`: the type or a subtype.
    pub(crate) fn is(&self, item: &Item<'_>) -> bool {
        match item {
            Item::Node(node) => self.fhir.is_some_and(|ty| subtype(node.ty, ty)) || (self.fhir.is_none() && self.system == Some("Any")),
            Item::Type { .. } => self.system == Some("Any"),
            _ => self.system.is_some_and(|name| name == item.type_name() || name == "Any"),
        }
    }

    /// `as` and `ofType`: as `is`, but a primitive must be exactly of the type, so that `value.ofType(string)` never
    /// picks up a `valueCode`.
    pub(crate) fn selects(&self, item: &Item<'_>) -> bool {
        match (item, self.fhir) {
            (Item::Node(node), Some(ty)) if is_primitive(node.ty) && is_primitive(ty) => node.ty == ty,
            _ => self.is(item),
        }
    }
}

/// Whether a value set of the definitions has the code; `None` if it is not one of them. A bare code has no system.
pub(crate) fn member_of(value_set: &str, system: &str, code: &str) -> Option<bool> {
    let set = defs::r4().value_set(value_set)?;
    Some(if system.is_empty() { set.contains_code(code) } else { set.contains(system, code) })
}
