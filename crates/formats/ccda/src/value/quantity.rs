//! Quantities, their ranges and ratios. Numbers stay as sent: `1.50` is not `1.5`.

use std::fmt;

use crate::element::Element;

/// Whether it is a decimal as XML Schema has them, with an exponent or without.
pub fn decimal(text: &str) -> bool {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = text.split_once(['e', 'E']).map_or((text, None), |(mantissa, exponent)| (mantissa, Some(exponent)));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        (1..=3).contains(&exponent.len()) && digits(exponent)
    });
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    exponent_fits && digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty())
}

/// A quantity: `PQ`.
#[derive(Clone, Copy)]
pub struct Quantity<'d> {
    /// The number as sent, if it is a decimal.
    pub value: Option<&'d str>,
    /// What stands where the number should.
    pub raw: Option<&'d str>,
    /// The unit as sent: UCUM, if the sender keeps to the standard.
    pub unit: Option<&'d str>,
    /// For a bound of a range: whether the value itself belongs to it. Not stated is yes.
    pub inclusive: bool,
    /// Why there is none.
    pub null_flavor: Option<&'d str>,
}

impl fmt::Debug for Quantity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quantity").field("has_value", &self.value.is_some()).field("unit", &self.unit).finish_non_exhaustive()
    }
}

impl<'d> Quantity<'d> {
    /// Reads a quantity.
    pub fn read(element: Element<'d>) -> Self {
        let of = |name| element.attr(name).map(str::trim).filter(|value: &&str| !value.is_empty());
        let raw = of("value");
        Self {
            value: raw.filter(|value| decimal(value)),
            raw,
            unit: of("unit"),
            inclusive: of("inclusive") != Some("false"),
            null_flavor: element.null_flavor(),
        }
    }

    /// The number, rounded to what floating point can hold.
    pub fn number(&self) -> Option<f64> {
        self.value?.parse().ok().filter(|number: &f64| number.is_finite())
    }

    /// Whether it has neither value nor unit.
    pub fn is_empty(&self) -> bool {
        self.raw.is_none() && self.unit.is_none()
    }
}

/// A range of quantities: `IVL_PQ`. One that is a single value has it in [`QuantityRange::value`].
#[derive(Debug, Clone, Copy)]
pub struct QuantityRange<'d> {
    /// The lower bound.
    pub low: Option<Quantity<'d>>,
    /// The upper bound.
    pub high: Option<Quantity<'d>>,
    /// The middle.
    pub center: Option<Quantity<'d>>,
    /// How wide it is.
    pub width: Option<Quantity<'d>>,
    /// The value, where it is no range.
    pub value: Option<Quantity<'d>>,
    /// Why there is none.
    pub null_flavor: Option<&'d str>,
}

impl<'d> QuantityRange<'d> {
    /// Reads a range.
    pub fn read(element: Element<'d>) -> Self {
        let of = |name| element.child(name).map(Quantity::read);
        let own = Quantity::read(element);
        Self {
            low: of("low"),
            high: of("high"),
            center: of("center"),
            width: of("width"),
            value: (!own.is_empty()).then_some(own),
            null_flavor: element.null_flavor(),
        }
    }
}

/// A ratio: `RTO`.
#[derive(Debug, Clone, Copy)]
pub struct Ratio<'d> {
    /// Above the line.
    pub numerator: Option<Quantity<'d>>,
    /// Below it.
    pub denominator: Option<Quantity<'d>>,
    /// Why there is none.
    pub null_flavor: Option<&'d str>,
}

impl<'d> Ratio<'d> {
    /// Reads a ratio.
    pub fn read(element: Element<'d>) -> Self {
        let of = |name| element.child(name).map(Quantity::read);
        Self { numerator: of("numerator"), denominator: of("denominator"), null_flavor: element.null_flavor() }
    }
}
