//! UCUM units: codes to dimension and exact factor, for comparison, arithmetic and conversion of quantities.
//!
//! The table holds the units that clinical data uses; prefixes, products, quotients, powers, brackets, annotations and
//! powers of ten are parsed as UCUM defines them. A code that is not in the table is opaque: it is comparable to itself only.
//! Factors are exact fractions. Arbitrary units (`[IU]`) have a dimension of their own. Logarithmic units (`[pH]`) do not
//! convert. Degrees Celsius and Fahrenheit convert as plain units (not inside products).

use super::Decimal;

/// Dimensions: metre, second, gram, kelvin, radian, coulomb, candela, mole; then the arbitrary units.
const DIMENSIONS: usize = 16;

/// A parsed unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unit {
    dimension: [i8; DIMENSIONS],
    factor: Factor,
    /// Added (in base units, scaled by 10^-4) before it is a kelvin: the zero point of a temperature.
    zero: i64,
}

/// An exact factor: `numerator / denominator * 10^exponent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Factor {
    numerator: i128,
    denominator: i128,
    exponent: i32,
}

fn common_divisor(mut left: i128, mut right: i128) -> i128 {
    while right != 0 {
        (left, right) = (right, left % right);
    }
    left.abs().max(1)
}

impl Factor {
    const ONE: Self = Self { numerator: 1, denominator: 1, exponent: 0 };

    /// Reduced, with powers of ten moved to the exponent.
    fn reduced(mut self) -> Self {
        let divisor = common_divisor(self.numerator, self.denominator);
        self.numerator /= divisor;
        self.denominator /= divisor;
        while self.numerator != 0 && self.numerator % 10 == 0 {
            self.numerator /= 10;
            self.exponent += 1;
        }
        while self.denominator % 10 == 0 {
            self.denominator /= 10;
            self.exponent -= 1;
        }
        self
    }

    fn times(self, other: Self) -> Option<Self> {
        let (left, right) = (self.reduced(), other.reduced());
        let product = Self {
            numerator: left.numerator.checked_mul(right.numerator)?,
            denominator: left.denominator.checked_mul(right.denominator)?,
            exponent: left.exponent.checked_add(right.exponent)?,
        };
        (product.exponent.abs() < 200).then(|| product.reduced())
    }

    fn inverse(self) -> Self {
        Self { numerator: self.denominator, denominator: self.numerator, exponent: -self.exponent }
    }
}

/// Code, factor (mantissa, exponent), dimension, takes metric prefixes. Factors are those of the UCUM definition.
const ATOMS: &[(&str, i128, i32, &str, bool)] = &[
    // Base units.
    ("m", 1, 0, "L", true),
    ("s", 1, 0, "T", true),
    ("g", 1, 0, "M", true),
    ("K", 1, 0, "K", true),
    ("rad", 1, 0, "A", true),
    ("C", 1, 0, "C", true),
    ("cd", 1, 0, "B", true),
    ("mol", 1, 0, "N", true),
    // Numbers.
    ("10*", 10, 0, "", false),
    ("10^", 10, 0, "", false),
    ("%", 1, -2, "", false),
    ("[ppth]", 1, -3, "", false),
    ("[ppm]", 1, -6, "", false),
    ("[ppb]", 1, -9, "", false),
    ("[pptr]", 1, -12, "", false),
    ("[pi]", 31415926535897932384626433832795, -31, "", false),
    // Time.
    ("min", 60, 0, "T", false),
    ("h", 3600, 0, "T", false),
    ("d", 86400, 0, "T", false),
    ("wk", 604800, 0, "T", false),
    ("mo", 2629800, 0, "T", false),
    ("mo_j", 2629800, 0, "T", false),
    ("mo_g", 2629746, 0, "T", false),
    ("a", 31557600, 0, "T", false),
    ("a_j", 31557600, 0, "T", false),
    ("a_g", 31556952, 0, "T", false),
    // Volume, area, length.
    ("L", 1, -3, "LLL", true),
    ("l", 1, -3, "LLL", true),
    ("ar", 100, 0, "LL", true),
    ("[in_i]", 254, -4, "L", false),
    ("[ft_i]", 3048, -4, "L", false),
    ("[yd_i]", 9144, -4, "L", false),
    ("[mi_i]", 1609344, -3, "L", false),
    ("[nmi_i]", 1852, 0, "L", false),
    ("[sin_i]", 64516, -8, "LL", false),
    ("[sft_i]", 9290304, -8, "LL", false),
    ("[cin_i]", 16387064, -12, "LLL", false),
    ("[gal_us]", 3785411784, -12, "LLL", false),
    ("[qt_us]", 946352946, -12, "LLL", false),
    ("[pt_us]", 473176473, -12, "LLL", false),
    ("[foz_us]", 295735295625, -16, "LLL", false),
    ("[cup_us]", 2365882365, -13, "LLL", false),
    ("[tbs_us]", 1478676478125, -17, "LLL", false),
    ("[tsp_us]", 492892159375, -17, "LLL", false),
    ("[foz_m]", 3, -5, "LLL", false),
    ("[cup_m]", 24, -5, "LLL", false),
    ("[tbs_m]", 15, -6, "LLL", false),
    ("[tsp_m]", 5, -6, "LLL", false),
    ("[drp]", 5, -8, "LLL", false),
    ("Ao", 1, -10, "L", false),
    // Mass.
    ("t", 1, 6, "M", true),
    ("u", 16605402, -31, "M", true),
    ("[lb_av]", 45359237, -5, "M", false),
    ("[oz_av]", 28349523125, -9, "M", false),
    ("[dr_av]", 17718451953125, -13, "M", false),
    ("[gr]", 6479891, -8, "M", false),
    ("[stone_av]", 635029318, -5, "M", false),
    ("[oz_tr]", 311034768, -7, "M", false),
    ("[lb_tr]", 3732417216, -7, "M", false),
    ("[car_m]", 2, -1, "M", false),
    // Pressure, force, energy, power (grams, not kilograms, are the base).
    ("N", 1, 3, "MLtt", true),
    ("Pa", 1, 3, "Mltt", true),
    ("bar", 1, 8, "Mltt", true),
    ("atm", 101325, 3, "Mltt", false),
    ("m[Hg]", 13332200, 1, "Mltt", true),
    ("m[H2O]", 980665, 1, "Mltt", true),
    ("[psi]", 689475729316836, -8, "Mltt", false),
    ("J", 1, 3, "MLLtt", true),
    ("cal", 4184, 0, "MLLtt", true),
    ("cal_th", 4184, 0, "MLLtt", true),
    ("cal_IT", 41868, -1, "MLLtt", true),
    ("[Cal]", 4184, 3, "MLLtt", false),
    ("eV", 160217733, -24, "MLLtt", true),
    ("W", 1, 3, "MLLttt", true),
    ("dyn", 1, -2, "MLtt", true),
    ("erg", 1, -4, "MLLtt", true),
    ("[lbf_av]", 44482216152605, -10, "MLtt", false),
    // Electricity, radiation, light.
    ("A", 1, 0, "Ct", true),
    ("V", 1, 3, "MLLttc", true),
    ("F", 1, -3, "CCmllTT", true),
    ("Ohm", 1, 3, "MLLtcc", true),
    ("S", 1, -3, "mllTCC", true),
    ("Wb", 1, 3, "MLLtc", true),
    ("T", 1, 3, "Mtc", true),
    ("H", 1, 3, "MLLcc", true),
    ("Hz", 1, 0, "t", true),
    ("Bq", 1, 0, "t", true),
    ("Ci", 37, 9, "t", true),
    ("Gy", 1, 0, "LLtt", true),
    ("Sv", 1, 0, "LLtt", true),
    ("RAD", 1, -2, "LLtt", true),
    ("REM", 1, -2, "LLtt", true),
    ("R", 258, -9, "Cm", true),
    ("lm", 1, 0, "B", true),
    ("lx", 1, 0, "Bll", true),
    ("sr", 1, 0, "AA", true),
    // Chemistry. UCUM counts the mole as a number of 6.0221367e23; here it is a dimension.
    ("M", 1, 3, "Nlll", true),
    ("eq", 1, 0, "N", true),
    ("osm", 1, 0, "N", true),
    ("kat", 1, 0, "Nt", true),
    ("U", 1, -6, "Nt", true),
    ("g%", 1, 4, "Mlll", true),
    ("P", 100, 0, "Mlt", true),
    ("St", 1, -4, "LLt", true),
    ("deg", 17453292519943295769236907684886, -33, "A", false),
    ("'", 29088820866572159615394846141477, -35, "A", false),
    ("''", 48481368110953599358991410235795, -37, "A", false),
    // Temperatures that need their zero.
    ("Cel", 1, 0, "K", true),
    ("[degF]", 5, 0, "K", false),
    // Arbitrary units: each its own dimension.
    ("[iU]", 1, 0, "0", true),
    ("[IU]", 1, 0, "0", true),
    ("[arb'U]", 1, 0, "1", false),
    ("[USP'U]", 1, 0, "2", false),
    ("[CFU]", 1, 0, "3", false),
    ("[PFU]", 1, 0, "4", false),
    ("[pH]", 1, 0, "5", false),
    ("[HPF]", 1, 0, "6", false),
    ("[LPF]", 100, 0, "6", false),
    // Counts.
    ("[diop]", 1, 0, "l", false),
    ("[ch]", 201168, -4, "L", false),
    ("[carat]", 2, -1, "M", false),
    ("B", 8, 0, "", true),
    ("By", 8, 0, "", true),
    ("bit", 1, 0, "", true),
    ("[GPL'U]", 1, 0, "7", false),
];

/// Prefix and power of ten.
const PREFIXES: &[(&str, i32)] = &[
    ("Y", 24),
    ("Z", 21),
    ("E", 18),
    ("P", 15),
    ("T", 12),
    ("G", 9),
    ("M", 6),
    ("k", 3),
    ("h", 2),
    ("da", 1),
    ("d", -1),
    ("c", -2),
    ("m", -3),
    ("u", -6),
    ("n", -9),
    ("p", -12),
    ("f", -15),
    ("a", -18),
    ("z", -21),
    ("y", -24),
];

/// Dimension letters, multiplied together: an upper case letter raises its exponent, the lower case one lowers it; digits
/// name the arbitrary units.
fn dimension_of(letters: &str) -> [i8; DIMENSIONS] {
    let mut dimension = [0_i8; DIMENSIONS];
    for letter in letters.bytes() {
        let place = match letter.to_ascii_uppercase() {
            b'L' => 0,
            b'T' => 1,
            b'M' => 2,
            b'K' => 3,
            b'A' => 4,
            b'C' => 5,
            b'B' => 6,
            b'N' => 7,
            digit => 8 + usize::from(digit.wrapping_sub(b'0') % 8),
        };
        dimension[place] += if letter.is_ascii_lowercase() { -1 } else { 1 };
    }
    dimension
}

impl Unit {
    const ONE: Self = Self { dimension: [0; DIMENSIONS], factor: Factor::ONE, zero: 0 };

    /// The unit of a UCUM code; `None` for a code outside the table.
    pub(crate) fn parse(code: &str) -> Option<Self> {
        if code.is_empty() || code.len() > 128 {
            return None;
        }
        let mut parser = Parser { code, at: 0, depth: 0 };
        let unit = parser.term()?;
        (parser.at == code.len()).then_some(unit)
    }

    /// Whether values can be converted into each other.
    pub(crate) fn same_dimension(&self, other: &Self) -> bool {
        self.dimension == other.dimension
    }

    fn times(self, other: Self, sign: i8) -> Option<Self> {
        let mut dimension = self.dimension;
        for (mine, theirs) in dimension.iter_mut().zip(other.dimension) {
            *mine = mine.checked_add(theirs.checked_mul(sign)?)?;
        }
        let factor = self.factor.times(if sign < 0 { other.factor.inverse() } else { other.factor })?;
        Some(Self { dimension, factor, zero: 0 })
    }

    fn power(self, exponent: i32) -> Option<Self> {
        if exponent.abs() > 30 {
            return None;
        }
        (0..exponent.abs()).try_fold(Self::ONE, |unit, _| unit.times(self, if exponent < 0 { -1 } else { 1 }))
    }

    /// `value` of this unit, in `target`; `None` for other dimensions or beyond 38 digits.
    pub(crate) fn convert(&self, value: Decimal, target: &Self) -> Option<Decimal> {
        if !self.same_dimension(target) {
            return None;
        }
        if self == target {
            return Some(value);
        }
        // A temperature's zero, in units of 10^-4 kelvin.
        let zero = |unit: &Self| Decimal::new(i128::from(unit.zero), 4);
        let apply = |value: Decimal, factor: Factor| -> Option<Decimal> {
            let factor = factor.reduced();
            let scaled = value.multiply(Decimal::new(factor.numerator, 0))?;
            let scaled = if factor.exponent >= 0 {
                scaled.multiply(Decimal::new(super::decimal::power_of_ten(factor.exponent as u32)?, 0))?
            } else {
                scaled.multiply(Decimal::new(1, factor.exponent.unsigned_abs()))?
            };
            if factor.denominator == 1 { Some(scaled) } else { scaled.divide(Decimal::new(factor.denominator, 0)) }
        };
        if self.zero == 0 && target.zero == 0 {
            return apply(value, self.factor.times(target.factor.inverse())?);
        }
        let kelvin = apply(value, self.factor)?.plus(zero(self))?;
        apply(kelvin.subtract(zero(target))?, target.factor.inverse())
    }
}

struct Parser<'a> {
    code: &'a str,
    at: usize,
    depth: u8,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.code.as_bytes().get(self.at).copied()
    }

    /// Components joined with `.` and `/`, from left to right.
    fn term(&mut self) -> Option<Unit> {
        self.depth += 1;
        if self.depth > 16 {
            return None;
        }
        let mut unit = Unit::ONE;
        let mut sign = 1;
        if self.peek() == Some(b'/') {
            self.at += 1;
            sign = -1;
        }
        let mut first = true;
        loop {
            let next = self.component()?;
            // A single unit keeps its zero; in a product it has none.
            unit = if first && sign > 0 { next } else { unit.times(next, sign)? };
            first = false;
            sign = match self.peek() {
                Some(b'.') => 1,
                Some(b'/') => -1,
                _ => break,
            };
            self.at += 1;
        }
        self.depth -= 1;
        Some(unit)
    }

    fn component(&mut self) -> Option<Unit> {
        if self.peek() == Some(b'(') {
            self.at += 1;
            let inner = self.term()?;
            if self.peek() != Some(b')') {
                return None;
            }
            self.at += 1;
            return Some(inner);
        }
        if self.peek() == Some(b'{') {
            self.annotation()?;
            return Some(Unit::ONE);
        }
        let rest = &self.code[self.at..];
        // `10*3` and `10^3` are units with an exponent; other digits are plain numbers.
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let unit = if digits > 0 && !rest.starts_with("10*") && !rest.starts_with("10^") {
            let number: i64 = rest[..digits].parse().ok().filter(|number| *number > 0)?;
            self.at += digits;
            Unit { factor: Factor { numerator: i128::from(number), ..Factor::ONE }.reduced(), ..Unit::ONE }
        } else {
            let length = symbol_length(rest);
            let symbol = rest.get(..length)?;
            self.at += length;
            let unit = atom(symbol)?;
            match self.exponent()? {
                1 => unit,
                exponent => unit.power(exponent)?,
            }
        };
        if self.peek() == Some(b'{') {
            self.annotation()?;
        }
        Some(unit)
    }

    fn exponent(&mut self) -> Option<i32> {
        let rest = &self.code[self.at..];
        let sign = usize::from(rest.starts_with(['+', '-']));
        let digits = rest[sign..].bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return (sign == 0).then_some(1);
        }
        self.at += sign + digits;
        rest[..sign + digits].parse().ok()
    }

    fn annotation(&mut self) -> Option<()> {
        self.at += self.code[self.at..].find('}')? + 1;
        Some(())
    }
}

/// Bytes of the symbol at the start: up to an operator, an exponent or an annotation, square brackets whole.
fn symbol_length(rest: &str) -> usize {
    if rest.starts_with("10*") || rest.starts_with("10^") {
        return 3;
    }
    let mut bracket = false;
    for (at, byte) in rest.bytes().enumerate() {
        match byte {
            b'[' => bracket = true,
            b']' => bracket = false,
            _ if bracket => {}
            b'.' | b'/' | b'(' | b')' | b'{' | b'+' | b'-' | b'0'..=b'9' => return at,
            _ => {}
        }
    }
    rest.len()
}

fn atom(symbol: &str) -> Option<Unit> {
    let plain = |symbol: &str| ATOMS.iter().find(|atom| atom.0 == symbol);
    let (row, prefix) = match plain(symbol) {
        Some(row) => (row, 0),
        None => PREFIXES.iter().find_map(|(prefix, exponent)| {
            let row = plain(symbol.strip_prefix(prefix)?).filter(|row| row.4)?;
            Some((row, *exponent))
        })?,
    };
    // The two factors that are no decimal: a micromole a minute, and five ninths of a kelvin.
    let denominator = match row.0 {
        "U" => 60,
        "[degF]" => 9,
        _ => 1,
    };
    let factor = Factor { numerator: row.1, denominator, exponent: row.2 + prefix }.reduced();
    let zero = match symbol {
        "Cel" => 2_731_500,
        "[degF]" => 2_553_722,
        _ => 0,
    };
    Some(Unit { dimension: dimension_of(row.3), factor, zero })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(value: &str, from: &str, to: &str) -> Option<String> {
        let (from, to) = (Unit::parse(from)?, Unit::parse(to)?);
        from.convert(Decimal::parse(value)?, &to).map(|value| value.normalised().to_string())
    }

    #[test]
    fn conversions_are_exact() {
        for (value, from, to, expected) in [
            ("1", "[lb_av]", "g", "453.59237"),
            ("180", "[lb_av]", "kg", "81.6466266"),
            ("4", "g", "mg", "4000"),
            ("1", "[in_i]", "cm", "2.54"),
            ("120", "mm[Hg]", "kPa", "15.99864"),
            ("1", "wk", "d", "7"),
            ("5.5", "mmol/L", "umol/mL", "5.5"),
            ("1", "km/h", "m/s", "0.2777777777777778"),
            ("36", "km/h", "m/s", "10"),
            ("37", "Cel", "K", "310.15"),
            ("100", "mg/dL", "g/L", "1"),
            ("10", "10*3/uL", "10*9/L", "10"),
            ("60", "/min", "Hz", "1"),
            ("80", "{beats}/min", "/min", "80"),
            ("1", "U/L", "nkat/L", "16.6666666666666667"),
            ("1", "N.m", "J", "1"),
            ("1", "J/s", "W", "1"),
            ("1", "V.A", "W", "1"),
            ("1", "V/A", "Ohm", "1"),
            ("1", "m2.kg.s-2", "J", "1"),
            ("1", "Gy.kg", "J", "1"),
            ("1", "meq/L", "mmol/L", "1"),
        ] {
            let found = converted(value, from, to).unwrap_or_default();
            let close = Decimal::parse(&found).is_some_and(|found| (found.to_f64() - expected.parse::<f64>().unwrap()).abs() < 1e-12);
            assert!(close, "{value} {from} in {to}: {found}, not {expected}");
        }
        let fahrenheit = converted("98.6", "[degF]", "Cel").unwrap();
        assert!(fahrenheit.starts_with("37.0000") || fahrenheit.starts_with("36.9999"), "{fahrenheit}");
    }

    #[test]
    fn what_is_not_comparable_or_not_known() {
        for (from, to) in [("g", "m"), ("[IU]", "g"), ("mol", "g"), ("[IU]/L", "U/L")] {
            assert_eq!(converted("1", from, to), None, "{from} {to}");
        }
        for bad in ["lbs", "mg//dL", "mg/", "(mg", "{open", "", "10^^", "m99", "\u{b5}g"] {
            assert!(Unit::parse(bad).is_none(), "{bad}");
        }
    }
}
