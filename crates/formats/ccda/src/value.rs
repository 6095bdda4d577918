//! The data types of HL7 v3 as documents use them: read from elements, borrowed, never refused.
//!
//! What cannot be read is there as sent beside an empty value, so that a caller can say so and go on. Each type keeps its
//! `nullFlavor`.

mod code;
mod quantity;
mod text;
mod time;
mod timing;

use std::fmt;

pub use code::{Code, Identifier};
pub use quantity::{Quantity, QuantityRange, Ratio, decimal};
pub use text::{Address, EncapsulatedData, Name, Part, Telecom, TelecomKind, text_of, trimmed_text};
pub use time::{Interval, TimeFault, TimeStamp, parse_time};
pub use timing::{Timing, TimingKind};

use crate::element::Element;
use std::borrow::Cow;

/// A value of any type: `observation/value` and the like, by its `xsi:type` and, where that is missing, by what it holds.
#[derive(Clone)]
pub enum Value<'d> {
    /// `CD`, `CE`, `CV`, `CO`, `CS`.
    Code(Code<'d>),
    /// `PQ`.
    Quantity(Quantity<'d>),
    /// `IVL_PQ`, `IVL_INT`, `IVL_REAL`.
    Range(QuantityRange<'d>),
    /// `RTO` and its kin.
    Ratio(Ratio<'d>),
    /// `INT`: the number as sent, if it is one.
    Integer(Option<i64>),
    /// `REAL`: the decimal as sent, if it is one.
    Real(Option<&'d str>),
    /// `BL`.
    Boolean(Option<bool>),
    /// `ST`, `SC`, or `ED` that is plain text.
    Text(Cow<'d, str>),
    /// `ED` of another media type, or with a reference to a file.
    Data(EncapsulatedData<'d>),
    /// `TS`.
    Time(TimeStamp<'d>),
    /// `IVL_TS`.
    Interval(Interval<'d>),
    /// `II`.
    Identifier(Identifier<'d>),
    /// No value: `nullFlavor` says why.
    Null(&'d str),
    /// A type that is not among these.
    Other(Element<'d>),
}

/// The type only: values identify a person.
impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.type_name())
    }
}

impl<'d> Value<'d> {
    /// Reads a value.
    pub fn read(element: Element<'d>) -> Self {
        let stated = element.xsi_type().unwrap_or_default();
        let type_name = if stated.is_empty() { guessed(element) } else { stated };
        if let Some(flavor) = element.null_flavor()
            && !matches!(type_name, "CD" | "CE" | "CV" | "CO" | "CS")
            && element.attr("value").is_none()
            && element.children().next().is_none()
            && element.text().trim().is_empty()
        {
            return Self::Null(flavor);
        }
        let own_value = || element.attr("value").map(str::trim);
        match type_name {
            "CD" | "CE" | "CV" | "CO" | "CS" => Self::Code(Code::read(element)),
            "PQ" | "MO" => Self::Quantity(Quantity::read(element)),
            "IVL_PQ" | "IVL_INT" | "IVL_REAL" => Self::Range(QuantityRange::read(element)),
            "RTO" | "RTO_PQ_PQ" | "RTO_QTY_QTY" | "RTO_INT_INT" => Self::Ratio(Ratio::read(element)),
            "INT" => Self::Integer(own_value().and_then(|value| value.parse().ok())),
            "REAL" => Self::Real(own_value().filter(|value| decimal(value))),
            "BL" | "BN" => Self::Boolean(own_value().and_then(|value| match value {
                "true" | "1" => Some(true),
                "false" | "0" => Some(false),
                _ => None,
            })),
            "ST" | "SC" => Self::Text(text_of(element).unwrap_or_default()),
            "ED" => {
                let data = EncapsulatedData::read(element);
                if data.is_text() { Self::Text(text_of(element).unwrap_or_default()) } else { Self::Data(data) }
            }
            "TS" => Self::Time(TimeStamp::read(element)),
            "IVL_TS" => Self::Interval(Interval::read(element)),
            "II" => Self::Identifier(Identifier::read(element)),
            _ => Self::Other(element),
        }
    }

    /// The type as CDA names it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Code(_) => "CD",
            Self::Quantity(_) => "PQ",
            Self::Range(_) => "IVL_PQ",
            Self::Ratio(_) => "RTO",
            Self::Integer(_) => "INT",
            Self::Real(_) => "REAL",
            Self::Boolean(_) => "BL",
            Self::Text(_) => "ST",
            Self::Data(_) => "ED",
            Self::Time(_) => "TS",
            Self::Interval(_) => "IVL_TS",
            Self::Identifier(_) => "II",
            Self::Null(_) => "null",
            Self::Other(_) => "other",
        }
    }
}

/// The type of a value that does not state it.
fn guessed(element: Element<'_>) -> &'static str {
    let has = |name: &str| element.child(name).is_some();
    if element.attr("code").is_some() || has("translation") || has("originalText") {
        "CD"
    } else if element.attr("unit").is_some() {
        "PQ"
    } else if has("numerator") {
        "RTO"
    } else if has("low") || has("high") {
        let bound = element.child("low").or_else(|| element.child("high"));
        if bound.is_some_and(|bound| bound.attr("unit").is_some()) { "IVL_PQ" } else { "IVL_TS" }
    } else if let Some(value) = element.attr("value") {
        if decimal(value.trim()) { "PQ" } else { "TS" }
    } else if element.attr("mediaType").is_some() {
        "ED"
    } else {
        "ST"
    }
}

#[cfg(test)]
mod tests;
