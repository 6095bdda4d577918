//! Units of measure (UCUM 2.2): is a code valid, do two units measure the same thing, and conversion.
//!
//! Parsing and the unit tables come from the crate `octofhir-ucum`, which follows the specification strictly and computes with 28 decimal digits; the
//! tables of UCUM are not copied into this repository. Ours are conversion of decimal text without inventing or losing digits ([`convert_decimal`]),
//! conversion between mass and amount of substance with a molar mass, and the spellings that laboratories send instead of UCUM ([`from_common`]).
//!
//! As in UCUM, the mole is a number (6.02214076e23), arbitrary units such as `[IU]` convert to themselves only, and special units (`Cel`, `[pH]`)
//! convert on their own and are refused inside products.

use std::{borrow::Cow, cell::RefCell, collections::HashMap, fmt, sync::OnceLock};

use octofhir_ucum::{ErrorKind, EvalResult, Number, SpecialKind, UcumError, evaluate, parse_expression};

use crate::error::{Result, TerminologyError};

/// The code system's URI.
pub const SYSTEM: &str = "http://unitsofmeasure.org";

/// The longest code taken. UCUM has no limit; real units are under 40 bytes.
pub const LONGEST: usize = 255;

/// Where grams stand among the base units of a dimension.
const MASS: usize = 2;
const AVOGADRO: &str = "6.02214076e23";

/// A unit, parsed.
#[derive(Clone)]
pub struct Unit {
    code: String,
    meaning: EvalResult,
}

impl fmt::Debug for Unit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Unit({})", self.code)
    }
}

impl PartialEq for Unit {
    /// Units are the same when they mean the same: `N` and `kg.m/s2`.
    fn eq(&self, other: &Self) -> bool {
        self.meaning == other.meaning
    }
}

impl Unit {
    /// Parses a UCUM code. Case counts; annotations mean nothing.
    pub fn parse(code: &str) -> Result<Self> {
        if code.len() > LONGEST {
            return Err(TerminologyError::Unit { offset: LONGEST, reason: "a unit this long is not taken" });
        }
        let parsed = parse_expression(code).map_err(|error| refused(&error))?;
        let meaning = evaluate(&parsed).map_err(|error| refused(&error))?;
        Ok(Self { code: code.to_owned(), meaning })
    }

    /// The code as given.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The dimension, as powers of L (length), T (time), M (mass), A (angle), C (temperature), Q (charge), F (luminous intensity); `1` for a number.
    pub fn dimension(&self) -> String {
        let mut text = self.meaning.dim.to_string();
        if text.is_empty() {
            "1".clone_into(&mut text);
        }
        for (atom, power) in &self.meaning.arbitrary {
            text.push('.');
            text.push_str(atom);
            if *power != 1 {
                text.push_str(&power.to_string());
            }
        }
        text
    }

    /// The same unit in base units with its factor: `km` is `1000` of `m`. None for logarithmic and other special scales.
    pub fn canonical(&self) -> Option<(String, String)> {
        let canonical = octofhir_ucum::get_canonical_units(&self.code).ok()?;
        canonical.offset.is_zero().then(|| (canonical.factor.to_string(), canonical.unit))
    }

    /// Whether values in one convert to values in the other.
    pub fn is_commensurable(&self, other: &Self) -> bool {
        self.meaning.is_commensurable(&other.meaning)
    }

    /// Whether the unit is on a scale of its own: temperatures, pH, levels.
    pub fn is_special(&self) -> bool {
        self.meaning.special.is_some()
    }

    /// Whether it holds an arbitrary unit such as `[IU]`.
    pub fn is_arbitrary(&self) -> bool {
        !self.meaning.arbitrary.is_empty()
    }

    /// A value in another unit.
    pub fn convert(&self, value: f64, to: &Self) -> Result<f64> {
        self.same_dimension(to)?;
        if let Some(linear) = Linear::between(self, to) {
            let exact = Number::from_f64(value).and_then(|value| linear.apply(value)).map(Number::to_f64);
            return exact
                .filter(|value| value.is_finite())
                .ok_or(TerminologyError::Number { reason: "it is not finite, or the result is not" });
        }
        octofhir_ucum::convert(value, &self.code, &to.code).map_err(|error| refused(&error))
    }

    /// A decimal in another unit, in as many decimal places as the value's own precision asks for: see [`convert_decimal`].
    pub fn convert_decimal(&self, value: &str, to: &Self) -> Result<String> {
        self.same_dimension(to)?;
        let decimal = Decimal::parse(value)?;
        match Linear::between(self, to) {
            Some(linear) => decimal.through(&linear),
            None => {
                let value = octofhir_ucum::convert(decimal.value.to_f64(), &self.code, &to.code).map_err(|error| refused(&error))?;
                Ok(significant(value, decimal.digits.clamp(3, 15)))
            }
        }
    }

    fn same_dimension(&self, to: &Self) -> Result<()> {
        if self.is_commensurable(to) {
            return Ok(());
        }
        Err(TerminologyError::Dimension { from: self.dimension(), to: to.dimension() })
    }

    /// Whether the code counts moles or equivalents: a mole of what cannot be a mass without knowing of what.
    pub(crate) fn counts_moles(&self) -> bool {
        ["mol", "eq", "osm"].iter().any(|atom| self.has_atom(atom))
    }

    /// Whether the code names that atom, with or without a prefix.
    pub(crate) fn has_atom(&self, atom: &str) -> bool {
        let outside = self.code.split(['{', '}']).step_by(2);
        outside
            .flat_map(|part| part.split(['.', '/', '(', ')']))
            .any(|symbol| symbol.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-' || c == '+').ends_with(atom))
    }
}

/// A conversion `value * factor + offset`.
pub(crate) struct Linear {
    pub(crate) factor: Number,
    offset: Number,
}

impl Linear {
    pub(crate) fn between(from: &Unit, to: &Unit) -> Option<Self> {
        let ((factor, zero), (to_factor, to_zero)) = (to_base(&from.meaning)?, to_base(&to.meaning)?);
        let scale = factor.checked_div(to_factor)?;
        let offset = zero.checked_sub(to_zero)?.checked_div(to_factor)?;
        Some(Self { factor: scale, offset })
    }

    pub(crate) fn by(factor: Number) -> Self {
        Self { factor, offset: Number::ZERO }
    }

    pub(crate) fn with_offset(factor: Number, offset: Number) -> Self {
        Self { factor, offset }
    }

    fn apply(&self, value: Number) -> Option<Number> {
        value.checked_mul(self.factor)?.checked_add(self.offset)
    }
}

/// `value * factor + zero` gives base units; none for scales that are not straight.
fn to_base(meaning: &EvalResult) -> Option<(Number, Number)> {
    let Some(special) = &meaning.special else { return Some((meaning.factor, Number::ZERO)) };
    let zero = match special.unit.special {
        SpecialKind::Celsius => "273.15",
        SpecialKind::Fahrenheit => "459.67",
        SpecialKind::Reaumur => "218.52",
        _ => return None,
    };
    Some((special.scale.checked_mul(meaning.factor)?, Number::parse(zero)?.checked_mul(meaning.factor)?))
}

fn refused(error: &UcumError) -> TerminologyError {
    let offset = match &error.kind {
        ErrorKind::InvalidExpression { position, .. } | ErrorKind::UnitNotFound { position, .. } => position.unwrap_or(0),
        _ => 0,
    };
    let reason = match &error.kind {
        ErrorKind::InvalidExpression { .. } => "this is no unit expression",
        ErrorKind::UnitNotFound { .. } => "a symbol is no UCUM unit; case counts",
        ErrorKind::NestingTooDeep { .. } => "too many brackets",
        ErrorKind::SpecialUnitError { .. } => "a special unit takes part in no product",
        ErrorKind::NonFiniteValue { .. }
        | ErrorKind::OutOfDomain { .. }
        | ErrorKind::PrecisionOverflow { .. }
        | ErrorKind::DivisionByZero { .. } => {
            return TerminologyError::Number { reason: "the result is outside the scale" };
        }
        _ => "this unit cannot be used here",
    };
    TerminologyError::Unit { offset, reason }
}

/// A decimal with the precision it was written with.
pub(crate) struct Decimal {
    value: Number,
    /// The value of one in the last place.
    last_place: Number,
    /// Significant digits.
    digits: usize,
}

impl Decimal {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        const LONGEST_NUMBER: usize = 60;
        const LARGEST_EXPONENT: i32 = 60;
        let wrong = TerminologyError::Number { reason: "a decimal number is wanted, such as 5.4 or -1.2e3" };
        let text = text.trim();
        if text.len() > LONGEST_NUMBER {
            return Err(TerminologyError::Number { reason: "the number has too many digits" });
        }
        let (body, exponent) = match text.split_once(['e', 'E']) {
            Some((body, exponent)) => (body, exponent.parse::<i32>().map_err(|_| wrong.clone())?),
            None => (text, 0),
        };
        let digits = body.bytes().filter(u8::is_ascii_digit);
        let significant = digits.clone().skip_while(|digit| *digit == b'0').count().max(1);
        let places = body.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        if exponent.abs() > LARGEST_EXPONENT || significant > 27 {
            return Err(TerminologyError::Number { reason: "the number has too many digits" });
        }
        let value = Number::parse(text).ok_or(wrong)?;
        Ok(Self { value, last_place: Number::power_of_ten(exponent - places as i32), digits: significant })
    }

    pub(crate) fn through(&self, linear: &Linear) -> Result<String> {
        let far = TerminologyError::Number { reason: "the result is outside the scale" };
        let value = linear.apply(self.value).ok_or_else(|| far.clone())?;
        let step = self.last_place.checked_mul(linear.factor.abs()).ok_or_else(|| far.clone())?;
        let mut places = places_for(step);
        // A move of the decimal point adds nothing; anything else gets at least three digits, as tables of conversions print.
        if linear.factor.to_integer_and_exponent().0.unsigned_abs() != 1 {
            const FEWEST: i32 = 3;
            let (digits, exponent) = value.to_integer_and_exponent();
            if let Some(log) = digits.unsigned_abs().checked_ilog10() {
                places = places.max(u32::try_from(FEWEST - 1 - (log as i32 + exponent)).unwrap_or(0));
            }
        }
        fixed(value, places).ok_or(far)
    }
}

/// The decimal places at which one in the last place is no more than `step`.
fn places_for(step: Number) -> u32 {
    let (digits, exponent) = step.to_integer_and_exponent();
    let whole_power = digits.unsigned_abs().checked_ilog10().unwrap_or(0) as i32 + exponent;
    u32::try_from(-whole_power).unwrap_or(0)
}

/// A number with that many decimal places; none when it has too many digits to print.
fn fixed(value: Number, places: u32) -> Option<String> {
    const MOST_PLACES: u32 = 60;
    let (digits, exponent) = value.to_integer_and_exponent();
    let places = places.min(MOST_PLACES);
    let shift = exponent + places as i32;
    let negative = digits < 0;
    let mut whole = digits.unsigned_abs();
    if shift >= 0 {
        whole = whole.checked_mul(10_u128.checked_pow(shift as u32)?)?;
    } else {
        match 10_u128.checked_pow(shift.unsigned_abs()) {
            // Halves go away from zero.
            Some(divisor) => whole = whole / divisor + u128::from(whole % divisor >= divisor.div_ceil(2)),
            None => whole = 0,
        }
    }
    let mut text = whole.to_string();
    let places = places as usize;
    if places > 0 {
        if text.len() <= places {
            text.insert_str(0, &"0".repeat(places + 1 - text.len()));
        }
        text.insert(text.len() - places, '.');
    }
    if negative && whole != 0 {
        text.insert(0, '-');
    }
    Some(text)
}

/// A float with that many significant digits, without an exponent where that is short.
fn significant(value: f64, digits: usize) -> String {
    let rounded: f64 = format!("{value:.*e}", digits.saturating_sub(1)).parse().unwrap_or(value);
    if rounded != 0.0 && !(1e-9..1e15).contains(&rounded.abs()) { format!("{rounded:e}") } else { rounded.to_string() }
}

/// Whether a code is valid UCUM: its syntax, its symbols and what is joined to what.
///
/// ```
/// use sutura_terminology::ucum;
/// assert!(ucum::is_valid("mg/dL") && ucum::is_valid("10*3/uL") && ucum::is_valid("{score}"));
/// assert!(!ucum::is_valid("mmHg") && !ucum::is_valid("mg / dL") && !ucum::is_valid(""));
/// ```
pub fn is_valid(code: &str) -> bool {
    // A feed has a few dozen units, each thousands of times: what was found is kept, up to a bound.
    const KEPT: usize = 512;
    const LONGEST_KEPT: usize = 32;
    thread_local! {
        static FOUND: RefCell<HashMap<Box<str>, bool>> = RefCell::new(HashMap::new());
    }
    if code.len() > LONGEST_KEPT {
        return code.len() <= LONGEST && parses(code);
    }
    if let Some(known) = FOUND.with_borrow(|found| found.get(code).copied()) {
        return known;
    }
    let valid = parses(code);
    FOUND.with_borrow_mut(|found| {
        if found.len() < KEPT {
            found.insert(code.into(), valid);
        }
    });
    valid
}

fn parses(code: &str) -> bool {
    parse_expression(code).is_ok_and(|parsed| evaluate(&parsed).is_ok())
}

/// A value in another unit.
///
/// ```
/// assert_eq!(sutura_terminology::ucum::convert(98.6, "[degF]", "Cel")?, 37.0);
/// # Ok::<(), sutura_terminology::TerminologyError>(())
/// ```
pub fn convert(value: f64, from: &str, to: &str) -> Result<f64> {
    Unit::parse(from)?.convert(value, &Unit::parse(to)?)
}

/// A decimal in another unit. The result has so many decimal places that its last one is at most as coarse as that of the value: nothing that was
/// measured is lost. Beyond that digits are made up only to print three of them.
///
/// ```
/// use sutura_terminology::ucum::convert_decimal;
/// assert_eq!(convert_decimal("1.50", "g", "mg")?, "1500");
/// assert_eq!(convert_decimal("150", "mg", "g")?, "0.150");
/// assert_eq!(convert_decimal("37.0", "Cel", "[degF]")?, "98.6");
/// # Ok::<(), sutura_terminology::TerminologyError>(())
/// ```
pub fn convert_decimal(value: &str, from: &str, to: &str) -> Result<String> {
    Unit::parse(from)?.convert_decimal(value, &Unit::parse(to)?)
}

/// A decimal in another unit, between mass and amount of substance by a molar mass in g/mol: mg/dL to mmol/L, mg/mmol to mg/g.
/// Units of the same dimension convert without it, except that moles never become plain numbers.
pub fn convert_with_molar_mass(value: &str, from: &str, to: &str, grams_per_mole: &str) -> Result<String> {
    let (from, to) = (Unit::parse(from)?, Unit::parse(to)?);
    let linear = molar(&from, &to, Some(grams_per_mole))?;
    Decimal::parse(value)?.through(&linear)
}

/// The conversion between two units of one substance.
pub(crate) fn molar(from: &Unit, to: &Unit, grams_per_mole: Option<&str>) -> Result<Linear> {
    let differ = || TerminologyError::Dimension { from: from.dimension(), to: to.dimension() };
    let far = || TerminologyError::Number { reason: "the result is outside the scale" };
    if from.is_commensurable(to) {
        if from.counts_moles() != to.counts_moles() {
            return Err(differ());
        }
        return Linear::between(from, to).ok_or_else(differ);
    }
    let Some(grams_per_mole) = grams_per_mole else { return Err(differ()) };
    let mass = Number::parse(grams_per_mole).filter(|mass| !mass.is_zero() && !mass.is_negative());
    let mass = mass.ok_or(TerminologyError::Number { reason: "a molar mass in g/mol above zero is wanted" })?;
    let (one, other) = (from.meaning.dim.0, to.meaning.dim.0);
    let rest_same = (0..one.len()).all(|at| at == MASS || one[at] == other[at]);
    let plain = from.meaning.special.is_none() && to.meaning.special.is_none() && from.meaning.arbitrary == to.meaning.arbitrary;
    // Without a mole on one side it is another quantity: mg is not a count.
    if !rest_same || !plain || from.counts_moles() == to.counts_moles() {
        return Err(differ());
    }
    let scale = from.meaning.factor.checked_div(to.meaning.factor).ok_or_else(far)?;
    let of_one = Number::parse(AVOGADRO).and_then(|count| mass.checked_div(count)).ok_or_else(far)?;
    let factor = match i32::from(one[MASS]) - i32::from(other[MASS]) {
        1 => scale.checked_div(of_one),
        -1 => scale.checked_mul(of_one),
        _ => return Err(differ()),
    };
    factor.map(Linear::by).ok_or_else(far)
}

const COMMON: &str = include_str!("../data/common_units.tsv");

/// The UCUM code for a unit as laboratories and monitors write it: a known spelling (`mmHg`, `mEq/L`, `K/uL`, `mcg`), else the text itself
/// when it is valid UCUM. Nothing when it is neither.
///
/// Known spellings come first, since some are valid UCUM for something else: `K/uL` is kelvin per microlitre.
pub fn from_common(unit: &str) -> Option<Cow<'_, str>> {
    static KNOWN: OnceLock<HashMap<&'static str, &'static str>> = OnceLock::new();
    let known =
        KNOWN.get_or_init(|| COMMON.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('\t')).collect());
    let unit = unit.trim();
    if unit.is_empty() || unit.len() > LONGEST {
        return None;
    }
    if let Some(code) = known.get(unit) {
        return Some(Cow::Borrowed(code));
    }
    if is_valid(unit) {
        return Some(Cow::Borrowed(unit));
    }
    let folded: String = unit
        .chars()
        .filter(|c| !c.is_whitespace())
        .flat_map(char::to_lowercase)
        .map(|c| if matches!(c, 'µ' | 'μ') { 'u' } else { c })
        .collect();
    if let Some(code) = known.get(folded.as_str()) {
        return Some(Cow::Borrowed(code));
    }
    // Only a blank or the Greek letter was in the way.
    let mended: String = unit.chars().filter(|c| !c.is_whitespace()).map(|c| if matches!(c, 'µ' | 'μ') { 'u' } else { c }).collect();
    is_valid(&mended).then_some(Cow::Owned(mended))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_keep_their_precision() {
        for (value, from, to, expected) in [
            ("1", "[in_i]", "cm", "2.54"),
            ("1.00", "[in_i]", "cm", "2.54"),
            ("0", "Cel", "K", "273"),
            ("-40", "[degF]", "Cel", "-40.0"),
            ("120", "mm[Hg]", "kPa", "16.0"),
            ("5", "[lb_av]", "g", "2268"),
            ("1e3", "mg", "g", "1"),
            ("0.00", "g", "mg", "0"),
            ("7.40", "[pH]", "nmol/L", "39.8"),
            ("1", "U/L", "nkat/L", "16.7"),
            ("2.5", "10*9/L", "10*3/uL", "2.5"),
            ("1", "[IU]/mL", "k[IU]/L", "1"),
        ] {
            assert_eq!(convert_decimal(value, from, to).as_deref(), Ok(expected), "{value} {from} {to}");
        }
        for (value, from, to) in
            [("1", "[IU]", "[arb'U]"), ("1", "mg", "mL"), ("x", "mg", "g"), ("", "mg", "g"), ("1e99", "mg", "g"), ("1", "Cel/h", "K/h")]
        {
            assert!(convert_decimal(value, from, to).is_err(), "{value} {from} {to}");
        }
    }

    #[test]
    fn mass_becomes_amount_only_with_a_molar_mass() {
        assert_eq!(convert_with_molar_mass("100", "mg/dL", "mmol/L", "180.156").unwrap(), "5.55");
        assert_eq!(convert_with_molar_mass("5.55", "mmol/L", "mg/dL", "180.156").unwrap(), "100.0");
        assert_eq!(convert_with_molar_mass("3.4", "mg/mmol", "mg/g", "113.12").unwrap(), "30.1");
        assert!(convert_decimal("100", "mg/dL", "mmol/L").is_err());
        assert!(convert_with_molar_mass("100", "mg/dL", "mmol", "180").is_err());
        assert!(convert_with_molar_mass("100", "mg/dL", "/L", "180").is_err());
        assert!(convert_with_molar_mass("100", "mmol/L", "/L", "180").is_err());
        assert!(convert_with_molar_mass("100", "mg/dL", "mmol/L", "0").is_err());
    }

    #[test]
    fn every_common_spelling_is_ucum() {
        for line in COMMON.lines().filter(|line| !line.starts_with('#')) {
            let (_, code) = line.split_once('\t').unwrap();
            assert!(is_valid(code), "{line}");
        }
        for (sent, code) in [
            ("mmHg", "mm[Hg]"),
            ("K/uL", "10*3/uL"),
            ("mEq/L", "meq/L"),
            ("µg/L", "ug/L"),
            ("mg/dL", "mg/dL"),
            ("mg / dL", "mg/dL"),
            ("10^3/uL", "10^3/uL"),
        ] {
            assert_eq!(from_common(sent).as_deref(), Some(code), "{sent}");
        }
        assert_eq!(from_common("furlongs"), None);
    }

    #[test]
    fn canonical_and_dimension() {
        assert_eq!(Unit::parse("km").unwrap().canonical(), Some(("1000".to_owned(), "m".to_owned())));
        assert_eq!(Unit::parse("kg.m/s2").unwrap(), Unit::parse("N").unwrap());
        assert_eq!(Unit::parse("km/h").unwrap().dimension(), "L.T-1");
        assert_eq!(Unit::parse("{score}").unwrap().dimension(), "1");
    }
}
