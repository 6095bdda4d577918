//! Laboratory results in one unit per analyte, whatever unit they were reported in.
//!
//! [`normalise`] takes the LOINC code, the value as text and the unit, and gives the value in the analyte's canonical unit, with the factor and where it
//! comes from. What it does not know it refuses with an error; it never guesses. The table is `data/lab.tsv`, printed in the reference.

use std::{collections::HashMap, sync::OnceLock};

use octofhir_ucum::Number;

use crate::{
    error::{Result, TerminologyError},
    ucum::{self, Decimal, Linear, Unit},
};

const TABLE: &str = include_str!("../data/lab.tsv");

/// How the values of one LOINC code are normalised.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The LOINC code.
    pub loinc: &'static str,
    /// What is measured, in our words.
    pub analyte: &'static str,
    /// The unit (UCUM) that results are given in.
    pub unit: &'static str,
    /// The molar mass in g/mol by which mass becomes amount of substance; none where only units of the same kind convert.
    pub molar_mass: Option<&'static str>,
    /// Charges per particle: an equivalent is a mole divided by it. Without it equivalents mean nothing here.
    pub valence: Option<u8>,
    /// Where the molar mass or factor comes from.
    pub source: &'static str,
    hba1c: Option<Hba1c>,
    parsed: OnceLock<Unit>,
}

impl Rule {
    /// The canonical unit, parsed when first wanted.
    fn target(&self) -> Result<&Unit> {
        if let Some(unit) = self.parsed.get() {
            return Ok(unit);
        }
        let unit = Unit::parse(self.unit)?;
        Ok(self.parsed.get_or_init(|| unit))
    }
}

/// What a percentage of HbA1c is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hba1c {
    /// That of NGSP, which the master equation turns into mmol/mol.
    Ngsp,
    /// The code is of the IFCC protocol: its percent is another scale than that of NGSP, and senders mix the two up, so only mmol/mol is taken.
    Ifcc,
}

/// A result in the canonical unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Normalised {
    /// The value. Its last place is at most as coarse as that of the value given.
    pub value: String,
    /// The unit (UCUM).
    pub unit: &'static str,
    /// What the value was multiplied by, to 6 digits; for HbA1c the equation.
    pub factor: String,
    /// Where the factor comes from.
    pub source: &'static str,
}

fn table() -> &'static (Vec<Rule>, HashMap<&'static str, usize>) {
    static RULES: OnceLock<(Vec<Rule>, HashMap<&'static str, usize>)> = OnceLock::new();
    RULES.get_or_init(|| {
        let rules: Vec<Rule> = TABLE.lines().filter(|line| !line.starts_with('#')).filter_map(rule).collect();
        let index = rules.iter().enumerate().map(|(at, rule)| (rule.loinc, at)).collect();
        (rules, index)
    })
}

fn rule(line: &'static str) -> Option<Rule> {
    let mut fields = line.split('\t');
    let (loinc, analyte, unit, mass) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let (valence, source) = (fields.next()?, fields.next()?);
    let hba1c = match mass {
        "hba1c" => Some(Hba1c::Ngsp),
        "hba1c-ifcc" => Some(Hba1c::Ifcc),
        _ => None,
    };
    let molar_mass = Some(mass).filter(|mass| !mass.is_empty() && hba1c.is_none());
    let valence = valence.parse().ok().filter(|charges| *charges > 0);
    Some(Rule { loinc, analyte, unit, molar_mass, valence, source, hba1c, parsed: OnceLock::new() })
}

/// All rules, in the order of the table.
pub fn rules() -> &'static [Rule] {
    &table().0
}

/// The rule for a LOINC code.
pub fn rule_of(loinc: &str) -> Option<&'static Rule> {
    let (rules, index) = table();
    index.get(loinc).and_then(|at| rules.get(*at))
}

/// A result in the canonical unit of its analyte. The unit may be spelled as laboratories do ([`ucum::from_common`]).
///
/// ```
/// use sutura_terminology::lab;
/// let glucose = lab::normalise("2345-7", "100", "mg/dL")?;
/// assert_eq!((glucose.value.as_str(), glucose.unit), ("5.55", "mmol/L"));
/// # Ok::<(), sutura_terminology::TerminologyError>(())
/// ```
///
/// Errors: [`NoLabRule`](TerminologyError::NoLabRule) for a code that is not in the table, [`Unit`](TerminologyError::Unit) for a unit that is not
/// known, [`Dimension`](TerminologyError::Dimension) for one that measures something else, [`Number`](TerminologyError::Number) for text that is no
/// decimal.
pub fn normalise(loinc: &str, value: &str, unit: &str) -> Result<Normalised> {
    let rule = rule_of(loinc).ok_or(TerminologyError::NoLabRule)?;
    let code = ucum::from_common(unit).ok_or(TerminologyError::Unit { offset: 0, reason: "neither UCUM nor a known spelling" })?;
    let (from, to) = (Unit::parse(&code)?, rule.target()?);
    let decimal = Decimal::parse(value)?;
    if let Some(scale) = rule.hba1c {
        return hba1c(rule, scale, &from, &decimal);
    }
    // Osmoles count what is dissolved, of whatever kind; equivalents need the charge.
    let charges = if from.has_atom("eq") { rule.valence } else { Some(1) };
    let Some(charges) = charges.filter(|_| !from.has_atom("osm") || to.has_atom("osm")) else {
        return Err(TerminologyError::Dimension { from: from.dimension(), to: to.dimension() });
    };
    let mut linear = ucum::molar(&from, to, rule.molar_mass)?;
    if charges > 1 {
        let charges = Number::from_i64(i64::from(charges));
        linear.factor = linear.factor.checked_div(charges).ok_or(TerminologyError::Number { reason: "the result is outside the scale" })?;
    }
    Ok(Normalised { value: decimal.through(&linear)?, unit: rule.unit, factor: six_digits(linear.factor), source: rule.source })
}

/// HbA1c: percent (NGSP) becomes mmol/mol (IFCC) by the master equation; mmol/mol stays.
fn hba1c(rule: &Rule, scale: Hba1c, from: &Unit, decimal: &Decimal) -> Result<Normalised> {
    let percent = Unit::parse("%")?;
    let ifcc = Unit::parse("mmol/mol")?;
    // As plain ratios the two are commensurable, so the spelling decides: 1 % NGSP is not 10 mmol/mol.
    let (linear, factor) = if from.counts_moles() && *from == ifcc {
        (Linear::by(Number::ONE), "1")
    } else if scale == Hba1c::Ngsp && !from.counts_moles() && *from == percent {
        (Linear::ngsp_to_ifcc().ok_or(TerminologyError::Number { reason: "the result is outside the scale" })?, "(% - 2.152) / 0.09148")
    } else {
        return Err(TerminologyError::Dimension { from: from.dimension(), to: ifcc.dimension() });
    };
    Ok(Normalised { value: decimal.through(&linear)?, unit: rule.unit, factor: factor.to_owned(), source: rule.source })
}

impl Linear {
    /// NGSP = 0.09148 IFCC + 2.152.
    fn ngsp_to_ifcc() -> Option<Self> {
        let slope = Number::parse("0.09148")?;
        let factor = Number::ONE.checked_div(slope)?;
        Some(Self::with_offset(factor, -Number::parse("2.152")?.checked_div(slope)?))
    }
}

fn six_digits(factor: Number) -> String {
    let rounded: f64 = format!("{:.5e}", factor.to_f64()).parse().unwrap_or(0.0);
    rounded.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Standard atomic weights (IUPAC 2021, abridged).
    fn atomic_weight(symbol: &str) -> f64 {
        match symbol {
            "H" => 1.008,
            "Li" => 6.94,
            "C" => 12.011,
            "N" => 14.007,
            "O" => 15.999,
            "Na" => 22.990,
            "Mg" => 24.305,
            "P" => 30.974,
            "Cl" => 35.45,
            "K" => 39.098,
            "Ca" => 40.078,
            "Fe" => 55.845,
            "Co" => 58.933,
            "I" => 126.904,
            "Pb" => 207.2,
            other => panic!("no weight for {other}"),
        }
    }

    fn formula_mass(formula: &str) -> f64 {
        let mut total = 0.0;
        let mut rest = formula;
        while !rest.is_empty() {
            let symbol = rest.len() - rest[1..].trim_start_matches(|c: char| c.is_ascii_lowercase()).len();
            let digits = rest[symbol..].len() - rest[symbol..].trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let count: f64 = rest[symbol..symbol + digits].parse().unwrap_or(1.0);
            total += atomic_weight(&rest[..symbol]) * count;
            rest = &rest[symbol + digits..];
        }
        total
    }

    /// What is counted, by analyte: written from what the substance is, not from the table.
    fn formula_of(analyte: &str) -> &'static str {
        match analyte.split(',').next().unwrap() {
            "glucose" => "C6H12O6",
            // The ratio counts moles of creatinine.
            "creatinine" | "albumin to creatinine" => "C4H7N3O",
            "cholesterol" => "C27H46O",
            // Triolein.
            "triglycerides" => "C57H104O6",
            "urea nitrogen" => "N2",
            "urea" => "CH4N2O",
            "bilirubin" => "C33H36N4O6",
            "calcium" => "Ca",
            "sodium" => "Na",
            "potassium" => "K",
            "chloride" => "Cl",
            "uric acid" => "C5H4N4O3",
            "phosphate" => "P",
            "magnesium" => "Mg",
            "iron" | "iron binding capacity" => "Fe",
            "25-hydroxyvitamin D" => "C27H44O2",
            // Cyanocobalamin.
            "vitamin B12" => "C63H88CoN14O14P",
            // Folic acid.
            "folate" => "C19H19N7O6",
            "thyroxine" => "C15H11I4NO4",
            "triiodothyronine" => "C15H12I3NO4",
            "cortisol" => "C21H30O5",
            "testosterone" => "C19H28O2",
            "estradiol" => "C18H24O2",
            "progesterone" => "C21H30O2",
            // Lactic acid.
            "lactate" => "C3H6O3",
            "ammonia" => "NH3",
            "lead" => "Pb",
            "lithium" => "Li",
            "digoxin" => "C41H64O14",
            "phenytoin" => "C15H12N2O2",
            "carbamazepine" => "C15H12N2O",
            "valproate" => "C8H16O2",
            "paracetamol" => "C8H9NO2",
            "salicylate" => "C7H6O3",
            "theophylline" => "C7H8N4O2",
            other => panic!("no formula for {other}"),
        }
    }

    /// Charges of what is measured as an ion.
    fn charges_of(analyte: &str) -> Option<u8> {
        match analyte.split(',').next().unwrap() {
            "calcium" | "magnesium" => Some(2),
            "sodium" | "potassium" | "chloride" | "bicarbonate" | "lactate" | "lithium" => Some(1),
            _ => None,
        }
    }

    #[test]
    fn haemoglobin_is_counted_as_its_monomer() {
        // ICSH: the tetramer is 64458.
        let rule = rule_of("59260-0").unwrap();
        assert!((rule.molar_mass.unwrap().parse::<f64>().unwrap() * 4.0 - 64_458.0).abs() < 0.001);
        for code in ["718-7", "20509-6", "59260-0"] {
            assert_eq!(normalise(code, "8.69", "mmol/L").unwrap().value, "140.0", "{code}");
        }
    }

    #[test]
    fn every_rule_is_sound() {
        let mut seen = std::collections::HashSet::new();
        for rule in rules() {
            assert!(seen.insert(rule.loinc), "twice: {}", rule.loinc);
            assert!(check_digit(rule.loinc), "LOINC check digit: {}", rule.loinc);
            assert!(ucum::is_valid(rule.unit), "{}", rule.unit);
            if let Some(mass) = rule.molar_mass.filter(|_| rule.analyte != "haemoglobin") {
                let formula = formula_of(rule.analyte);
                let (mass, computed): (f64, f64) = (mass.parse().unwrap(), formula_mass(formula));
                assert!((mass - computed).abs() < 0.0001 * computed, "{}: {mass} but {formula} is {computed}", rule.analyte);
                assert_eq!(rule.source, format!("formula {formula}"), "{}", rule.analyte);
            }
            assert_eq!(rule.valence, charges_of(rule.analyte), "{}", rule.analyte);
            let same = normalise(rule.loinc, "12.34", rule.unit).unwrap();
            assert_eq!((same.value.as_str(), same.factor.as_str()), ("12.34", "1"), "{}", rule.loinc);
        }
        assert!(rules().len() >= 100, "{}", rules().len());
    }

    /// LOINC's check digit: mod 10 with doubled digits from the right.
    fn check_digit(code: &str) -> bool {
        let (body, check) = code.split_once('-').unwrap();
        let sum: u32 = body
            .bytes()
            .rev()
            .enumerate()
            .map(|(at, digit)| {
                let digit = u32::from(digit - b'0');
                if at % 2 == 0 { digit * 2 / 10 + digit * 2 % 10 } else { digit }
            })
            .sum();
        (10 - sum % 10) % 10 == check.parse::<u32>().unwrap()
    }

    #[test]
    fn published_conversions() {
        // Value pairs as tables of conventional and SI units print them.
        for (loinc, value, unit, expected, close) in [
            ("2345-7", "100", "mg/dL", 5.55, 0.006),
            ("2160-0", "1.0", "mg/dL", 88.4, 0.06),
            ("2093-3", "200", "mg/dL", 5.17, 0.01),
            ("2085-9", "40", "mg/dL", 1.03, 0.01),
            ("2571-8", "150", "mg/dL", 1.69, 0.01),
            ("3094-0", "10", "mg/dL", 3.57, 0.01),
            ("1975-2", "1.0", "mg/dL", 17.1, 0.06),
            ("17861-6", "10.0", "mg/dL", 2.50, 0.01),
            ("17861-6", "5.0", "mEq/L", 2.5, 0.01),
            ("2951-2", "140", "mEq/L", 140.0, 0.001),
            ("718-7", "14.0", "g/dL", 140.0, 0.001),
            ("4548-4", "7.0", "%", 53.0, 0.05),
            ("4548-4", "5.0", "%", 31.1, 0.05),
            ("3084-1", "7.0", "mg/dL", 416.0, 0.6),
            ("2777-1", "3.5", "mg/dL", 1.13, 0.01),
            ("19123-9", "2.0", "mg/dL", 0.823, 0.0006),
            ("19123-9", "1.64", "mEq/L", 0.82, 0.0001),
            ("2601-3", "1.64", "mEq/L", 0.82, 0.0001),
            ("1963-8", "24", "mEq/L", 24.0, 0.001),
            ("59261-8", "53", "mmol/mol", 53.0, 0.001),
            ("2498-4", "100", "ug/dL", 17.9, 0.06),
            ("1989-3", "30", "ng/mL", 74.9, 0.1),
            ("2132-9", "300", "pg/mL", 221.0, 1.0),
            ("2284-8", "10.0", "ng/mL", 22.7, 0.06),
            ("3024-7", "1.00", "ng/dL", 12.9, 0.05),
            ("2143-6", "10.0", "ug/dL", 276.0, 0.5),
            ("2986-8", "500", "ng/dL", 17.3, 0.06),
            ("3016-3", "2.5", "uIU/mL", 2.5, 0.001),
            ("1988-5", "1.0", "mg/dL", 10.0, 0.001),
            ("6598-7", "0.014", "ng/mL", 14.0, 0.001),
            ("1742-6", "40", "U/L", 40.0, 0.001),
            ("777-3", "250", "K/uL", 250.0, 0.001),
            ("2019-8", "40", "mmHg", 5.33, 0.01),
        ] {
            let found = normalise(loinc, value, unit).unwrap();
            let number: f64 = found.value.parse().unwrap();
            assert!((number - expected).abs() <= close, "{loinc} {value} {unit}: {} {}", found.value, found.unit);
        }
    }

    #[test]
    fn what_is_not_known_is_refused() {
        assert_eq!(normalise("99999-9", "1", "mg/dL"), Err(TerminologyError::NoLabRule));
        assert!(matches!(normalise("2345-7", "high", "mg/dL"), Err(TerminologyError::Number { .. })));
        assert!(matches!(normalise("2345-7", "1", "furlongs"), Err(TerminologyError::Unit { .. })));
        assert!(matches!(normalise("2345-7", "1", ""), Err(TerminologyError::Unit { .. })));
        assert!(matches!(normalise("2345-7", "1", "mmHg"), Err(TerminologyError::Dimension { .. })));
        // Ferritin has no molar mass; platelets are not moles; percent is no mole fraction.
        assert!(matches!(normalise("2276-4", "1", "pmol/L"), Err(TerminologyError::Dimension { .. })));
        assert!(matches!(normalise("777-3", "1", "mmol/L"), Err(TerminologyError::Dimension { .. })));
        assert!(matches!(normalise("4548-4", "1", "mg/dL"), Err(TerminologyError::Dimension { .. })));
        // Percent of the IFCC protocol is not that of NGSP; an equivalent needs a charge; osmoles are of no one substance.
        assert!(matches!(normalise("59261-8", "7.0", "%"), Err(TerminologyError::Dimension { .. })));
        assert!(matches!(normalise("2345-7", "5", "mEq/L"), Err(TerminologyError::Dimension { .. })));
        assert!(matches!(normalise("2777-1", "2", "mEq/L"), Err(TerminologyError::Dimension { .. })));
        assert!(matches!(normalise("2951-2", "290", "mOsm/L"), Err(TerminologyError::Dimension { .. })));
        assert!(matches!(normalise("2345-7", "5", "mosm/L"), Err(TerminologyError::Dimension { .. })));
    }
}
