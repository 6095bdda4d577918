//! What an expression works on: nodes of a resource, and the values of FHIRPath's own types.

use std::{borrow::Cow, fmt};

use smallvec::SmallVec;

use super::{Date, DateTime, Decimal, Quantity, Time, types};
use crate::{
    defs::TypeId,
    json::{Kind, Value},
};

/// An ordered collection of items. One item needs no allocation.
pub type Collection<'d> = SmallVec<[Item<'d>; 1]>;

/// One item: a node of a resource, or a value.
#[derive(Clone)]
#[non_exhaustive]
pub enum Item<'d> {
    /// An element of a resource, or the resource.
    Node(Node<'d>),
    /// `System.Boolean`.
    Boolean(bool),
    /// `System.Integer` (64 bits, so that FHIRPath's Long is the same).
    Integer(i64),
    /// `System.Decimal`.
    Decimal(Decimal),
    /// `System.String`.
    String(Cow<'d, str>),
    /// `System.Date`.
    Date(Date),
    /// `System.DateTime`.
    DateTime(DateTime),
    /// `System.Time`.
    Time(Time),
    /// `System.Quantity`.
    Quantity(Box<Quantity>),
    /// What `type()` returns.
    Type {
        /// `System` or `FHIR`.
        namespace: &'static str,
        /// The type's name.
        name: &'static str,
    },
}

/// An element of a resource: its JSON value, the sibling `_name` of a primitive, and its type.
#[derive(Clone, Copy)]
pub struct Node<'d> {
    /// The JSON value; `None` for a primitive that has extensions only.
    pub value: Option<Value<'d>>,
    /// The object beside a primitive that holds its id and extensions.
    pub extension: Option<Value<'d>>,
    /// The FHIR type.
    pub ty: TypeId,
}

impl<'d> Item<'d> {
    /// A resource, typed by its `resourceType` (as `Resource` if R4 does not have it).
    pub fn resource(value: Value<'d>) -> Self {
        Self::Node(Node { value: Some(value), extension: None, ty: types::of_resource(value) })
    }

    /// An element of a known type.
    pub fn element(value: Value<'d>, extension: Option<Value<'d>>, ty: TypeId) -> Self {
        Self::Node(Node { value: Some(value), extension, ty })
    }

    /// The value that operators work on: a primitive or a Quantity of the resource becomes a system value; anything
    /// else stays what it is.
    pub fn atom(&self) -> Cow<'_, Item<'d>> {
        match self {
            Self::Node(node) => node.atom().map_or(Cow::Borrowed(self), Cow::Owned),
            _ => Cow::Borrowed(self),
        }
    }

    /// The name of the type, for messages and `type()`.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Node(node) => types::name(node.ty),
            Self::Boolean(_) => "Boolean",
            Self::Integer(_) => "Integer",
            Self::Decimal(_) => "Decimal",
            Self::String(_) => "String",
            Self::Date(_) => "Date",
            Self::DateTime(_) => "DateTime",
            Self::Time(_) => "Time",
            Self::Quantity(_) => "Quantity",
            Self::Type { .. } => "ClassInfo",
        }
    }

    /// The text that `toString()` gives; `None` for complex types.
    pub fn to_text(&self) -> Option<Cow<'d, str>> {
        Some(match self {
            Self::Node(node) => return node.atom()?.to_text(),
            Self::Boolean(value) => Cow::Borrowed(if *value { "true" } else { "false" }),
            Self::Integer(value) => Cow::Owned(value.to_string()),
            Self::Decimal(value) => Cow::Owned(value.to_string()),
            Self::String(text) => text.clone(),
            Self::Date(value) => Cow::Owned(value.to_string()),
            Self::DateTime(value) => Cow::Owned(value.to_string()),
            Self::Time(value) => Cow::Owned(value.to_string()),
            Self::Quantity(value) => Cow::Owned(value.to_string()),
            Self::Type { .. } => return None,
        })
    }
}

impl<'d> Node<'d> {
    /// The text of a primitive as sent.
    pub fn text(&self) -> Option<&'d str> {
        let value = self.value?;
        match value.kind() {
            Kind::String => value.as_str(),
            Kind::Number => value.as_number(),
            Kind::Bool => value.as_bool().map(|value| if value { "true" } else { "false" }),
            _ => None,
        }
    }

    /// The system value of a primitive or a Quantity.
    pub fn atom(&self) -> Option<Item<'d>> {
        let value = self.value?;
        let known = types::known();
        Some(match value.kind() {
            Kind::Bool => Item::Boolean(value.as_bool()?),
            Kind::Number => {
                let digits = value.as_number()?;
                if self.ty != known.decimal
                    && let Ok(integer) = digits.parse()
                {
                    return Some(Item::Integer(integer));
                }
                Item::Decimal(Decimal::parse(digits)?)
            }
            Kind::String => {
                let text = value.as_str()?;
                // A text that is no date stays text: that it is wrong is validation's to say.
                let parsed = if self.ty == known.date {
                    Date::parse(text).map(Item::Date)
                } else if self.ty == known.date_time || self.ty == known.instant {
                    DateTime::parse(text).map(Item::DateTime)
                } else if self.ty == known.time {
                    Time::parse(text).map(Item::Time)
                } else {
                    None
                };
                parsed.unwrap_or(Item::String(Cow::Borrowed(text)))
            }
            Kind::Object if types::subtype(self.ty, known.quantity) => Item::Quantity(Box::new(fhir_quantity(value)?)),
            _ => return None,
        })
    }
}

/// A FHIR Quantity as a system one. A comparator makes it a range, which has no such value.
fn fhir_quantity(value: Value<'_>) -> Option<Quantity> {
    if value.get("comparator").is_some() {
        return None;
    }
    let text = |name: &str| value.get(name).and_then(|found| found.as_str());
    let number = Decimal::parse(value.get("value")?.as_number()?)?;
    let ucum = text("system") == Some("http://unitsofmeasure.org");
    Some(match (text("code"), text("unit")) {
        (Some(code), _) if ucum => Quantity::new(number, code),
        (Some(unit), _) | (None, Some(unit)) => Quantity::opaque(number, unit),
        (None, None) => Quantity::new(number, "1"),
    })
}

/// The type only: a record's content does not belong in messages.
impl fmt::Debug for Item<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Item({})", self.type_name())
    }
}

impl fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node({})", types::name(self.ty))
    }
}
