//! Quantities: a number with a UCUM unit, a calendar duration, or a unit that nobody knows.

use std::{cmp::Ordering, fmt};

use super::{Decimal, moment::Calendar, units::Unit};

/// A number with a unit.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantity {
    value: Decimal,
    unit: Box<str>,
    kind: UnitKind,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum UnitKind {
    /// `1 'mg'`.
    Ucum(Option<Unit>),
    /// `4 days`.
    Calendar(Calendar),
    /// A FHIR Quantity of another code system.
    Opaque,
}

impl Calendar {
    /// The unit of `year`, `years` and so on.
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        Some(match word {
            "year" | "years" => Self::Year,
            "month" | "months" => Self::Month,
            "week" | "weeks" => Self::Week,
            "day" | "days" => Self::Day,
            "hour" | "hours" => Self::Hour,
            "minute" | "minutes" => Self::Minute,
            "second" | "seconds" => Self::Second,
            "millisecond" | "milliseconds" => Self::Millisecond,
            _ => return None,
        })
    }

    /// The definite unit of the same length; years and months have none.
    fn definite(self) -> Option<&'static str> {
        Some(match self {
            Self::Year | Self::Month => return None,
            Self::Week => "wk",
            Self::Day => "d",
            Self::Hour => "h",
            Self::Minute => "min",
            Self::Second => "s",
            Self::Millisecond => "ms",
        })
    }

    fn of_code(code: &str) -> Option<Self> {
        Some(match code {
            "wk" => Self::Week,
            "d" => Self::Day,
            "h" => Self::Hour,
            "min" => Self::Minute,
            "s" => Self::Second,
            "ms" => Self::Millisecond,
            _ => return None,
        })
    }
}

impl Quantity {
    /// A quantity with a UCUM code, or a calendar word in quotes.
    pub fn new(value: Decimal, unit: &str) -> Self {
        match Calendar::of_word(unit) {
            Some(calendar) => Self { value, unit: unit.into(), kind: UnitKind::Calendar(calendar) },
            None => Self { value, unit: unit.into(), kind: UnitKind::Ucum(Unit::parse(unit)) },
        }
    }

    /// A calendar duration; `None` if the word is not one.
    pub fn calendar(value: Decimal, word: &str) -> Option<Self> {
        let calendar = Calendar::of_word(word)?;
        Some(Self { value, unit: word.into(), kind: UnitKind::Calendar(calendar) })
    }

    /// A quantity whose unit is no UCUM code: comparable only to the same unit.
    pub fn opaque(value: Decimal, unit: &str) -> Self {
        Self { value, unit: unit.into(), kind: UnitKind::Opaque }
    }

    /// Reads `4 days`, `1.5 'mg'` or a bare number (unit `1`).
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let end = text.bytes().position(|byte| !(byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+'))).unwrap_or(text.len());
        let value = Decimal::parse(&text[..end])?;
        let rest = text[end..].trim_start();
        if rest.is_empty() {
            return (end == text.len()).then(|| Self::new(value, "1"));
        }
        if let Some(quoted) = rest.strip_prefix('\'') {
            let code = quoted.strip_suffix('\'')?;
            return (!code.is_empty() && !code.contains('\'')).then(|| Self::new(value, code));
        }
        Self::calendar(value, rest)
    }

    /// The number.
    pub fn value(&self) -> Decimal {
        self.value
    }

    /// The unit as written.
    pub fn unit(&self) -> &str {
        &self.unit
    }

    /// The same unit with another number.
    #[must_use]
    pub fn with_value(&self, value: Decimal) -> Self {
        Self { value, ..self.clone() }
    }

    /// The unit to add to a date: calendar units and definite ones up to a week; not `a` and `mo`, whose length is an average.
    pub(crate) fn calendar_unit(&self) -> Option<Calendar> {
        match self.kind {
            UnitKind::Calendar(calendar) => Some(calendar),
            UnitKind::Ucum(_) => Calendar::of_code(&self.unit),
            UnitKind::Opaque => None,
        }
    }

    fn ucum(&self) -> Option<Unit> {
        match self.kind {
            UnitKind::Ucum(unit) => unit,
            UnitKind::Calendar(calendar) => Unit::parse(calendar.definite()?),
            UnitKind::Opaque => None,
        }
    }

    /// Months, for years and months.
    fn months(&self) -> Option<Decimal> {
        match self.kind {
            UnitKind::Calendar(Calendar::Year) => self.value.multiply(Decimal::from(12)),
            UnitKind::Calendar(Calendar::Month) => Some(self.value),
            _ => None,
        }
    }

    /// `other` in the unit of `self`.
    fn converted(&self, other: &Self) -> Option<Decimal> {
        if self.unit == other.unit && self.kind == other.kind {
            return Some(other.value);
        }
        if let (Some(_), Some(months)) = (self.months(), other.months()) {
            return match self.kind {
                UnitKind::Calendar(Calendar::Year) => months.divide(Decimal::from(12)),
                _ => Some(months),
            };
        }
        other.ucum()?.convert(other.value, &self.ucum()?)
    }

    /// The same amount in another unit; `None` if the units cannot be converted into each other.
    pub fn to_unit(&self, unit: &str) -> Option<Self> {
        let target = Self::new(Decimal::ZERO, unit);
        Some(target.with_value(target.converted(self)?))
    }

    /// The order; `None` if the units cannot be converted into each other.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        Some(self.value.cmp(&self.converted(other)?))
    }

    /// `~`: equal when rounded to the less precise of the two. `a` and `mo` are equivalent to calendar years and months.
    pub fn equivalent(&self, other: &Self) -> bool {
        let definite = |quantity: &Self| match quantity.kind {
            UnitKind::Calendar(Calendar::Year) => Self::new(quantity.value, "a"),
            UnitKind::Calendar(Calendar::Month) => Self::new(quantity.value, "mo"),
            _ => quantity.clone(),
        };
        let (left, right) = (definite(self), definite(other));
        left.converted(&right).is_some_and(|converted| equivalent(left.value, converted))
    }

    /// Sum (or difference) in the finer of the two units.
    pub(crate) fn add(&self, other: &Self, subtract: bool) -> Option<Self> {
        let one = self.converted(&other.with_value(Decimal::from(1)))?;
        let signed = |value: Decimal| if subtract { value.negate() } else { Some(value) };
        if one < Decimal::from(1) {
            let mine = other.converted(self)?;
            return Some(other.with_value(mine.plus(signed(other.value)?)?));
        }
        Some(self.with_value(self.value.plus(signed(self.converted(other)?)?)?))
    }

    /// Product: the units are multiplied as written.
    pub(crate) fn multiply(&self, other: &Self) -> Option<Self> {
        let value = self.value.multiply(other.value)?;
        let unit = match (&*self.unit, &*other.unit) {
            ("1", unit) | (unit, "1") => unit.into(),
            (left, right) => format!("{left}.{}", bracketed(right)),
        };
        Some(Self::new(value, &unit))
    }

    /// Quotient: the units are divided as written; equal units cancel.
    pub(crate) fn divide(&self, other: &Self) -> Option<Self> {
        let value = self.value.divide(other.value)?;
        let unit = match (&*self.unit, &*other.unit) {
            (left, right) if left == right => "1".to_owned(),
            (unit, "1") => unit.to_owned(),
            ("1", right) => format!("/{}", bracketed(right)),
            (left, right) => format!("{left}/{}", bracketed(right)),
        };
        Some(Self::new(value, &unit))
    }
}

fn bracketed(unit: &str) -> String {
    if unit.contains(['.', '/']) { format!("({unit})") } else { unit.to_owned() }
}

/// `~` of decimals: equal when rounded to the digits of the less precise one (trailing zeros not counted).
pub(crate) fn equivalent(left: Decimal, right: Decimal) -> bool {
    let scale = left.normalised().scale().min(right.normalised().scale());
    match (left.round(scale), right.round(scale)) {
        (Some(left), Some(right)) => left == right,
        _ => left == right,
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            UnitKind::Calendar(_) => write!(f, "{} {}", self.value, self.unit),
            _ => write!(f, "{} '{}'", self.value, self.unit),
        }
    }
}
