//! What happens to every element of R4, by where it stands: worked out from the definitions and the policy when it is first met.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, PoisonError, RwLock},
};

use arrow::datatypes::DataType;
use sutura_core::{ColumnDef, PhiClass};
use sutura_fhir::{
    defs::{self, ElementDef, Strength, TypeId, TypeKind},
    json::Value,
    tables,
    view::ElementPlace,
};
use sutura_privacy::{CodeShape, LabelAction, ValueKind, ValuePlace, column_name};

use crate::{
    category::{Category, of_resource},
    document::{Form, Leaf, Treatment},
};

/// Elements inside one another; what is deeper goes.
const MOST_DEPTH: u16 = 48;

/// The columns of the reader's tables by the path they read.
static COLUMNS: LazyLock<HashMap<&'static str, (&'static str, &'static ColumnDef)>> = LazyLock::new(|| {
    let mut found = HashMap::new();
    for table in tables::definitions() {
        for column in &table.columns {
            if !matches!(column.data_type, DataType::Utf8View | DataType::Float64 | DataType::Int64) {
                continue;
            }
            // Paths with a condition are of some values only.
            for path in column.path.split(" | ").filter(|path| !path.contains('(') && !path.is_empty()) {
                found.entry(path).or_insert((table.name.as_str(), column));
            }
        }
    }
    found
});

/// How an element is walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A primitive of JSON text.
    Text,
    /// A primitive of JSON numbers.
    Number,
    /// A flag.
    Flag,
    /// A code bound to a value set that has no other codes.
    Bound,
    /// Encoded bytes: pictures, documents, signatures.
    Binary,
    /// The text of a narrative.
    Xhtml,
    /// A narrative.
    Narrative,
    /// Any resource.
    Resource,
    /// An extension.
    Extension,
    /// An identifier: what it is depends on its type.
    Identifier,
    /// A telephone number or address of the net: by its system.
    ContactPoint,
    /// A reference.
    Reference,
    /// Labels are added here.
    Meta,
    /// An element with elements.
    Complex,
}

/// One element where it stands.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) path: String,
    pub(super) place: ElementPlace,
    /// None: a resource itself.
    pub(super) element: Option<&'static ElementDef>,
    pub(super) kind: Kind,
    pub(super) leaf: Leaf,
    /// For what the definitions do not have.
    pub(super) unknown: Leaf,
    resource: &'static str,
    depth: u16,
    children: RwLock<HashMap<Box<str>, Option<Arc<Node>>>>,
    /// Leaves of special meaning below it, by a word.
    special: RwLock<HashMap<&'static str, Arc<Leaf>>>,
}

/// Plans of all elements.
pub(super) struct Plans {
    pub(super) treatment: Treatment,
    resources: RwLock<HashMap<&'static str, Arc<Node>>>,
}

impl Plans {
    pub(super) fn new(treatment: Treatment) -> Self {
        Self { treatment, resources: RwLock::default() }
    }

    /// The category of a resource that does not leave for it.
    pub(super) fn withheld(&self, resource: Value<'_>) -> Option<Category> {
        let policy = self.treatment.privacy.policy();
        let category = policy.limits_labels().then(|| Category::of(of_resource(resource), policy))?;
        (category.action == LabelAction::Withhold).then_some(category)
    }

    /// The plan of a resource type; none if R4 has no such type.
    pub(super) fn resource(&self, name: &str) -> Option<Arc<Node>> {
        if let Some(node) = self.resources.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Some(Arc::clone(node));
        }
        let def = defs::r4().resource_named(name)?;
        let node = self.node(def.name, ElementPlace::resource(def.id), None, def.name.to_owned(), 0);
        let mut resources = self.resources.write().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(resources.entry(def.name).or_insert_with(|| Arc::new(node))))
    }

    /// The element of that name in JSON.
    pub(super) fn child(&self, node: &Node, name: &str) -> Option<Arc<Node>> {
        if let Some(child) = node.children.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return child.clone();
        }
        let (element, ty) = node.place.type_id().def().element(name)?;
        let child = (node.depth < MOST_DEPTH).then(|| {
            let ty = element.content_reference.unwrap_or(ty);
            let path = format!("{}.{}", node.path, element.name);
            Arc::new(self.node(node.resource, node.place.child(element, ty), Some(element), path, node.depth + 1))
        });
        let mut children = node.children.write().unwrap_or_else(PoisonError::into_inner);
        children.entry(name.into()).or_insert(child).clone()
    }

    /// An extension whose meaning is known.
    pub(super) fn extension(&self, node: &Node, url: &'static str) -> Option<Arc<Node>> {
        let key = format!("extension:{url}");
        if let Some(child) = node.children.read().unwrap_or_else(PoisonError::into_inner).get(key.as_str()) {
            return child.clone();
        }
        let element = defs::r4().type_of(defs::r4().type_named("Element")?).element_named("extension")?;
        let child = (node.depth < MOST_DEPTH).then(|| {
            let path = format!("{}.extension({})", node.path, url.rsplit('/').next().unwrap_or(url));
            Arc::new(self.node(node.resource, node.place.extension(url), Some(element), path, node.depth + 1))
        });
        let mut children = node.children.write().unwrap_or_else(PoisonError::into_inner);
        children.entry(key.into()).or_insert(child).clone()
    }

    /// A value of `node` that has another class than its path says.
    pub(super) fn special(&self, node: &Node, word: &'static str, name: &str, class: PhiClass) -> Arc<Leaf> {
        if let Some(leaf) = node.special.read().unwrap_or_else(PoisonError::into_inner).get(word) {
            return Arc::clone(leaf);
        }
        let table = tables::of_resource(node.resource).map(|table| table.name.as_str());
        let path = format!("{}.{name}", node.path);
        let place = ValuePlace { table, column: word, path: &path, class, kind: ValueKind::Text, shape: None };
        let leaf = Arc::new(self.treatment.leaf(&place, &format!("{path} ({word})"), Form::Text));
        let mut special = node.special.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(special.entry(word).or_insert(leaf))
    }

    fn node(&self, resource: &'static str, place: ElementPlace, element: Option<&'static ElementDef>, path: String, depth: u16) -> Node {
        let ty = place.type_id();
        let kind = kind_of(ty, element);
        let leaf = self.leaf(resource, place, element, &path, kind);
        let unknown = Treatment::unknown(&format!("{path}.(element without definition)"));
        Node { path, place, element, kind, leaf, unknown, resource, depth, children: RwLock::default(), special: RwLock::default() }
    }

    fn leaf(&self, resource: &'static str, place: ElementPlace, element: Option<&'static ElementDef>, path: &str, kind: Kind) -> Leaf {
        let ty = place.type_id();
        let form = match ty.name() {
            "date" | "dateTime" | "instant" => Form::Date,
            "time" => Form::Time,
            _ if kind == Kind::Number => Form::Number,
            _ => Form::Text,
        };
        let value = if kind == Kind::Number { ValueKind::Number } else { ValueKind::Text };
        if kind == Kind::Binary {
            return Treatment::unknown(path);
        }
        let name = element.map_or("", |element| element.name);
        if let Some((table, column)) = COLUMNS.get(path) {
            let is_number = column.data_type != DataType::Utf8View;
            let place = ValuePlace {
                table: Some(table),
                column: &column.name,
                path: &column.path,
                class: column.phi.clone(),
                kind: if is_number { value } else { ValueKind::Text },
                shape: shape_of(ty, name, &column.phi),
            };
            return self.treatment.leaf(&place, path, form);
        }
        let table = tables::of_resource(resource).map(|table| table.name.as_str());
        let class = match (place.class(), kind, ty.name()) {
            // The name of a code system is what the tables call operational.
            (PhiClass::Clinical, _, "uri") => PhiClass::Operational,
            // Of an age only the number is one.
            (PhiClass::Age, Kind::Flag, _) | (PhiClass::Age, _, "string" | "code") => PhiClass::Clinical,
            (PhiClass::Age, _, "uri") => PhiClass::Operational,
            (class, ..) => class,
        };
        let shape = shape_of(ty, name, &class);
        let place = ValuePlace { table, column: &column_name(name), path, class, kind: value, shape };
        self.treatment.leaf(&place, path, form)
    }
}

fn kind_of(ty: TypeId, element: Option<&'static ElementDef>) -> Kind {
    let def = ty.def();
    match (def.kind, def.name) {
        (TypeKind::Resource, _) if element.is_some() => Kind::Resource,
        (TypeKind::Primitive, "boolean") => Kind::Flag,
        (TypeKind::Primitive, "decimal" | "integer" | "positiveInt" | "unsignedInt") => Kind::Number,
        (TypeKind::Primitive, "base64Binary") => Kind::Binary,
        (TypeKind::Primitive, "xhtml") => Kind::Xhtml,
        (TypeKind::Primitive, "code") => match element.and_then(|element| element.binding) {
            Some(binding) if binding.strength == Strength::Required && defs::r4().value_set(binding.value_set).is_some() => Kind::Bound,
            _ => Kind::Text,
        },
        (TypeKind::Primitive, _) => Kind::Text,
        (_, "Extension") => Kind::Extension,
        (_, "Identifier") => Kind::Identifier,
        (_, "ContactPoint") => Kind::ContactPoint,
        (_, "Reference") => Kind::Reference,
        (_, "Meta") => Kind::Meta,
        (_, "Narrative") => Kind::Narrative,
        _ => Kind::Complex,
    }
}

/// What a kept value looks like beyond what its path says.
fn shape_of(ty: TypeId, name: &str, class: &PhiClass) -> Option<CodeShape> {
    if class.is_identifying() {
        return None;
    }
    Some(match (ty.name(), name) {
        ("uri" | "canonical" | "url" | "oid", _) => CodeShape::Canonical,
        ("code", "language") => CodeShape::Language,
        // Codes of terminologies: of units, of concepts.
        ("code", "code") => return None,
        ("code", _) => CodeShape::Keyword,
        (_, "version") => CodeShape::Release,
        ("date" | "dateTime" | "instant" | "time" | "base64Binary", _) => CodeShape::Release,
        _ => return None,
    })
}
