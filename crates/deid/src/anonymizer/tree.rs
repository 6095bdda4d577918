//! The elements of one resource in document order, with their types: what the rules find and change.

use std::collections::HashMap;

use sutura_fhir::{
    defs::{self, TypeId, TypeKind},
    fhirpath::{Item, Node},
    json::{Kind, Value},
};

/// Elements inside one another; what is deeper is not walked and so not released.
const MOST_DEPTH: usize = 64;

/// One element.
#[derive(Clone, Copy)]
pub(super) struct Element<'d> {
    pub(super) value: Option<Value<'d>>,
    /// What stands beside a primitive.
    pub(super) beside: Option<Value<'d>>,
    pub(super) ty: TypeId,
    /// The name in FHIRPath; of the resource its type.
    pub(super) name: &'d str,
    /// The elements below are `at + 1..end`.
    pub(super) end: usize,
    /// The type of the element around.
    pub(super) parent: Option<TypeId>,
}

impl<'d> Element<'d> {
    pub(super) fn is_primitive(&self) -> bool {
        self.ty.def().kind == TypeKind::Primitive
    }

    pub(super) fn item(&self) -> Item<'d> {
        Item::Node(Node { value: self.value, extension: self.beside, ty: self.ty })
    }
}

/// The elements of one resource; resources in it are trees of their own.
pub(super) struct Tree<'d> {
    pub(super) elements: Vec<Element<'d>>,
    /// By the place on the JSON tape: of the value, else of what stands beside.
    by_index: HashMap<u32, usize>,
}

impl<'d> Tree<'d> {
    pub(super) fn of(resource: Value<'d>, ty: TypeId) -> Self {
        let mut tree = Self { elements: Vec::new(), by_index: HashMap::new() };
        tree.add(Element { value: Some(resource), beside: None, ty, name: ty.name(), end: 0, parent: None }, 0);
        tree
    }

    fn add(&mut self, element: Element<'d>, depth: usize) {
        let at = self.elements.len();
        self.elements.push(element);
        if let Some(value) = element.value.or(element.beside) {
            self.by_index.insert(value.index(), at);
        }
        if depth < MOST_DEPTH {
            let holder = if element.is_primitive() { element.beside } else { element.value };
            if let Some(holder) = holder.filter(|holder| holder.kind() == Kind::Object) {
                self.members(holder, element.ty, depth);
            }
        }
        self.elements[at].end = self.elements.len();
    }

    fn members(&mut self, holder: Value<'d>, ty: TypeId, depth: usize) {
        let def = ty.def();
        for (key, value) in holder.entries() {
            let (name, is_beside) = match key.strip_prefix('_') {
                Some(name) => (name, true),
                None => (key, false),
            };
            // Taken together with the value.
            if is_beside && holder.get(name).is_some() {
                continue;
            }
            let Some((definition, ty_named)) = def.element(name) else { continue };
            let ty = definition.content_reference.unwrap_or(ty_named);
            if ty.def().kind == TypeKind::Resource {
                continue;
            }
            let beside = if is_beside { Some(value) } else { holder.get(&format!("_{name}")) };
            let list = |value: Option<Value<'d>>| match value {
                Some(list) if list.kind() == Kind::Array => list.items().map(Some).collect::<Vec<_>>(),
                other => vec![other],
            };
            let (values, besides) = (if is_beside { Vec::new() } else { list(Some(value)) }, list(beside));
            for place in 0..values.len().max(if beside.is_some() { besides.len() } else { 0 }) {
                let some = |list: &[Option<Value<'d>>]| list.get(place).copied().flatten().filter(|value| !value.is_null());
                let (value, beside) = (some(&values), some(&besides));
                if value.is_some() || beside.is_some() {
                    let element = Element { value, beside, ty, name: definition.name, end: 0, parent: Some(def.id) };
                    self.add(element, depth + 1);
                }
            }
        }
    }

    /// The element of a node that an expression found; none if it is of another resource.
    pub(super) fn find(&self, node: &Node<'_>) -> Option<usize> {
        self.by_index.get(&node.value.or(node.extension)?.index()).copied()
    }

    /// The element of a JSON value.
    pub(super) fn at(&self, value: Value<'_>) -> Option<usize> {
        self.by_index.get(&value.index()).copied()
    }
}

/// The type of a resource.
pub(super) fn type_of(resource: Value<'_>) -> Option<TypeId> {
    let name = resource.get("resourceType")?.as_str()?;
    defs::r4().resource_named(name).map(|def| def.id)
}
