//! Exact decimal numbers: a 128-bit mantissa and a scale.
//!
//! Our own and small, because FHIRPath needs two things together that the usual crates do not give: the scale
//! as written (`1.0` has one digit behind the point, which `precision()` and the boundaries use) and 38 digits (unit
//! factors). Every operation is checked; overflow is `None`, never a wrapped or rounded result.

use std::{cmp::Ordering, fmt};

/// Digits kept behind the point by a division that does not end.
const DIVISION_SCALE: u32 = 16;
/// A longer number has more digits than fit, or zeros that nobody writes; megabytes of them are not looked at.
const MOST_DIGITS: usize = 256;
/// Largest scale of a value that is read.
pub(crate) const MAX_SCALE: u32 = 36;

/// An exact decimal number that keeps its scale.
#[derive(Debug, Clone, Copy)]
pub struct Decimal {
    mantissa: i128,
    scale: u32,
}

/// `10^exponent`, if it fits.
pub(crate) fn power_of_ten(exponent: u32) -> Option<i128> {
    10_i128.checked_pow(exponent)
}

impl Decimal {
    /// Zero.
    pub const ZERO: Self = Self { mantissa: 0, scale: 0 };

    /// `mantissa / 10^scale`.
    pub const fn new(mantissa: i128, scale: u32) -> Self {
        Self { mantissa, scale }
    }

    /// Reads digits, an optional sign, point and exponent; `None` if it is something else or does not fit.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() > MOST_DIGITS {
            return None;
        }
        let (negative, mut at) = match bytes.first()? {
            b'-' => (true, 1),
            b'+' => (false, 1),
            _ => (false, 0),
        };
        let (mut mantissa, mut scale, mut digits, mut point) = (0_i128, 0_i64, 0, false);
        while let Some(&byte) = bytes.get(at) {
            match byte {
                b'0'..=b'9' => {
                    mantissa = mantissa.checked_mul(10)?.checked_add(i128::from(byte - b'0'))?;
                    digits += 1;
                    scale += i64::from(point);
                }
                b'.' if !point && digits > 0 && bytes.get(at + 1).is_some_and(u8::is_ascii_digit) => point = true,
                b'e' | b'E' if digits > 0 => {
                    let exponent = text.get(at + 1..)?;
                    if exponent.is_empty() || exponent.len() > 6 {
                        return None;
                    }
                    scale -= exponent.parse::<i64>().ok()?;
                    break;
                }
                _ => return None,
            }
            at += 1;
        }
        if digits == 0 {
            return None;
        }
        if negative {
            mantissa = -mantissa;
        }
        if scale < 0 {
            mantissa = mantissa.checked_mul(power_of_ten(u32::try_from(-scale).ok()?)?)?;
            scale = 0;
        }
        let scale = u32::try_from(scale).ok()?;
        (scale <= MAX_SCALE).then_some(Self { mantissa, scale })
    }

    /// The nearest decimal of a float, with trailing zeros dropped; `None` for what is not finite or does not fit.
    pub fn from_f64(value: f64) -> Option<Self> {
        if !value.is_finite() || value.abs() > 1e28 {
            return None;
        }
        // Rust writes the shortest digits that read back as the same float.
        let text = format!("{value}");
        match Self::parse(&text) {
            Some(parsed) => Some(parsed),
            None => Self::parse(&format!("{value:.20}")).map(Self::normalised),
        }
    }

    /// The nearest float.
    pub fn to_f64(self) -> f64 {
        // Exact for what fits both parts of the division; beyond that the text is the safe way.
        if self.mantissa.unsigned_abs() < 1 << 53 && self.scale <= 22 {
            return self.mantissa as f64 / 10_f64.powi(self.scale as i32);
        }
        self.to_string().parse().unwrap_or(f64::NAN)
    }

    /// The mantissa.
    pub fn mantissa(self) -> i128 {
        self.mantissa
    }

    /// The digits behind the point.
    pub fn scale(self) -> u32 {
        self.scale
    }

    /// Whether it is zero.
    pub fn is_zero(self) -> bool {
        self.mantissa == 0
    }

    /// Whether it is below zero.
    pub fn is_negative(self) -> bool {
        self.mantissa < 0
    }

    /// Without trailing zeros behind the point.
    pub fn normalised(mut self) -> Self {
        while self.scale > 0 && self.mantissa % 10 == 0 {
            self.mantissa /= 10;
            self.scale -= 1;
        }
        self
    }

    /// The same value with more digits behind the point.
    pub fn with_scale(self, scale: u32) -> Option<Self> {
        let more = scale.checked_sub(self.scale)?;
        Some(Self { mantissa: self.mantissa.checked_mul(power_of_ten(more)?)?, scale })
    }

    fn aligned(self, other: Self) -> Option<(i128, i128, u32)> {
        let scale = self.scale.max(other.scale);
        Some((self.with_scale(scale)?.mantissa, other.with_scale(scale)?.mantissa, scale))
    }

    /// Sum.
    pub fn plus(self, other: Self) -> Option<Self> {
        let (left, right, scale) = self.aligned(other)?;
        Some(Self { mantissa: left.checked_add(right)?, scale })
    }

    /// Difference.
    pub fn subtract(self, other: Self) -> Option<Self> {
        self.plus(other.negate()?)
    }

    /// Product, with the scales added while they fit.
    pub fn multiply(self, other: Self) -> Option<Self> {
        let product = match self.mantissa.checked_mul(other.mantissa) {
            Some(mantissa) => Self { mantissa, scale: self.scale + other.scale },
            None => {
                let (left, right) = (self.normalised(), other.normalised());
                Self { mantissa: left.mantissa.checked_mul(right.mantissa)?, scale: left.scale + right.scale }
            }
        };
        if product.scale > MAX_SCALE { product.round(MAX_SCALE) } else { Some(product) }
    }

    /// Quotient: exact if it ends within `DIVISION_SCALE` digits, else rounded there. `None` for zero or overflow.
    pub fn divide(self, other: Self) -> Option<Self> {
        if other.mantissa == 0 {
            return None;
        }
        let (left, right, _) = self.aligned(other)?;
        let mut scale = DIVISION_SCALE;
        // Fewer digits rather than none when the numerator is large.
        let scaled = loop {
            match power_of_ten(scale).and_then(|factor| left.checked_mul(factor)) {
                Some(scaled) => break scaled,
                None if scale == 0 => return None,
                None => scale -= 1,
            }
        };
        Some(Self { mantissa: divide_rounded(scaled, right)?, scale }.normalised())
    }

    /// Quotient without its fraction.
    pub fn divide_whole(self, other: Self) -> Option<Self> {
        let (left, right, _) = self.aligned(other)?;
        Some(Self { mantissa: left.checked_div(right)?, scale: 0 })
    }

    /// Remainder of [`Decimal::divide_whole`]; it has the sign of the dividend.
    pub fn remainder(self, other: Self) -> Option<Self> {
        let (left, right, scale) = self.aligned(other)?;
        Some(Self { mantissa: left.checked_rem(right)?, scale })
    }

    /// With the other sign.
    pub fn negate(self) -> Option<Self> {
        Some(Self { mantissa: self.mantissa.checked_neg()?, scale: self.scale })
    }

    /// Without sign.
    pub fn abs(self) -> Option<Self> {
        Some(Self { mantissa: self.mantissa.checked_abs()?, scale: self.scale })
    }

    /// Rounded half away from zero to `scale` digits behind the point; more digits are added as zeros.
    pub fn round(self, scale: u32) -> Option<Self> {
        if scale >= self.scale {
            return self.with_scale(scale);
        }
        let Some(factor) = power_of_ten(self.scale - scale) else { return Some(Self { mantissa: 0, scale }) };
        Some(Self { mantissa: divide_rounded(self.mantissa, factor)?, scale })
    }

    /// Cut (towards zero) to `scale` digits behind the point; more digits are added as zeros.
    pub fn cut(self, scale: u32) -> Option<Self> {
        if scale >= self.scale {
            return self.with_scale(scale);
        }
        let mantissa = power_of_ten(self.scale - scale).map_or(0, |factor| self.mantissa / factor);
        Some(Self { mantissa, scale })
    }

    /// The largest whole number that is not greater.
    pub fn floor(self) -> Option<i128> {
        power_of_ten(self.scale).map(|factor| self.mantissa.div_euclid(factor))
    }

    /// The smallest whole number that is not less.
    pub fn ceiling(self) -> Option<i128> {
        self.negate()?.floor().map(|floor| -floor)
    }

    /// The whole part.
    pub fn whole(self) -> Option<i128> {
        power_of_ten(self.scale).map(|factor| self.mantissa / factor)
    }

    /// As an integer if it has no fraction and fits.
    pub fn to_integer(self) -> Option<i64> {
        let whole = self.normalised();
        if whole.scale == 0 { i64::try_from(whole.mantissa).ok() } else { None }
    }
}

/// `left / right`, rounded half away from zero.
fn divide_rounded(left: i128, right: i128) -> Option<i128> {
    let (quotient, remainder) = (left.checked_div(right)?, left.checked_rem(right)?);
    if remainder.unsigned_abs() >= right.unsigned_abs().div_ceil(2) {
        let away = if (left < 0) == (right < 0) { 1 } else { -1 };
        return quotient.checked_add(away);
    }
    Some(quotient)
}

impl From<i64> for Decimal {
    fn from(value: i64) -> Self {
        Self { mantissa: i128::from(value), scale: 0 }
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Decimal {}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        if let Some((left, right, _)) = self.aligned(*other) {
            return left.cmp(&right);
        }
        // One of them is too large to align: compare whole parts, then fractions.
        let parts = |value: &Self| {
            let factor = power_of_ten(value.scale).unwrap_or(i128::MAX);
            let fraction = Self { mantissa: value.mantissa % factor, scale: value.scale }.round(18).map_or(0, |cut| cut.mantissa);
            (value.mantissa / factor, fraction)
        };
        parts(self).cmp(&parts(other))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.mantissa < 0 { "-" } else { "" };
        let digits = self.mantissa.unsigned_abs().to_string();
        let scale = self.scale as usize;
        if scale == 0 {
            return write!(f, "{sign}{digits}");
        }
        let digits = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        write!(f, "{sign}{whole}.{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn the_scale_is_kept_and_values_compare_without_it() {
        assert_eq!(decimal("1.10"), decimal("1.1"));
        assert_eq!(decimal("1.10").to_string(), "1.10");
        assert_eq!(decimal("-0.05").to_string(), "-0.05");
        assert_eq!(decimal("1.5e-3").to_string(), "0.0015");
        assert_eq!(decimal("1.5E3").to_string(), "1500");
        assert!(decimal("99999999999999999999999999999999999999") > decimal("0.000000000001"));
        for bad in ["", "-", ".5", "1.", "1e", "1e9999999", "a", "1..2", "123456789012345678901234567890123456789012"] {
            assert!(Decimal::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn arithmetic_is_exact_and_checked() {
        assert_eq!(decimal("0.1").plus(decimal("0.2")), Some(decimal("0.3")));
        assert_eq!(decimal("1.2").multiply(decimal("1.8")), Some(decimal("2.16")));
        assert_eq!(decimal("1").divide(decimal("3")).unwrap().to_string(), "0.3333333333333333");
        assert_eq!(decimal("1").divide(decimal("8")).unwrap().to_string(), "0.125");
        assert_eq!(decimal("1").divide(decimal("0.00")), None);
        assert_eq!(decimal("-5.5").divide_whole(decimal("0.7")), Some(decimal("-7")));
        assert_eq!(decimal("2.2").remainder(decimal("1.8")), Some(decimal("0.4")));
        assert_eq!(decimal("-2.1").floor(), Some(-3));
        assert_eq!(decimal("-2.1").ceiling(), Some(-2));
        assert_eq!(decimal("2.5").round(0), Some(decimal("3")));
        assert_eq!(decimal("-2.5").round(0), Some(decimal("-3")));
        assert_eq!(decimal("2.4").round(0), Some(decimal("2")));
        assert_eq!(Decimal::new(i128::MAX, 0).plus(decimal("1")), None);
        assert_eq!(Decimal::new(i128::MIN, 0).negate(), None);
    }
}
