//! The table of adult limits, and values brought to its units.
//!
//! A unit that is missing, unknown or of another dimension is a reason not to judge, never a guess. Mass and amount of
//! substance convert by the molar mass that the table states for the analyte, equivalents by its valence.

use std::{collections::HashMap, sync::LazyLock};

use super::age::AgeGroup;
use crate::fhirpath::{Decimal, Unit};

/// The table of adult limits as tab-separated text; its first lines say what stands where.
pub const TABLE: &str = include_str!("../../data/enrich/limits.tsv");
/// Keys and citations of the sources of [`TABLE`], tab-separated.
pub const SOURCES: &str = include_str!("../../data/enrich/limit_sources.tsv");

/// One row: the limits of an analyte in one unit, for one sex or any.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) codes: Vec<&'static str>,
    pub(super) unit: &'static str,
    parsed: Unit,
    conversion: Conversion,
    pub(super) sex: Option<Sex>,
    pub(super) bands: Vec<Band>,
    pub(super) sources: Vec<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Conversion {
    /// Any unit of the same dimension.
    Ucum,
    /// The very unit of the table.
    Exact,
    /// Also between mass and amount of substance.
    Molar { grams_per_mole: Decimal, valence: Option<Decimal> },
}

/// Administrative gender, where a limit can go by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sex {
    Female,
    Male,
}

/// A band of values: up to its limit; the last one of a row has none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Band {
    pub(super) code: &'static str,
    /// The limit, and whether it belongs to the band.
    pub(super) limit: Option<(Decimal, bool)>,
}

/// Why a value was not judged (code system `not-assessed-reason`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    Status,
    NoQuantity,
    UnitAbsent,
    UnitUnknown,
    UnitIncompatible,
    SubjectUnknown,
    AgeUnknown,
    NotAdult,
    TimeUnknown,
    SexUnknown,
    Comparator,
}

impl Reason {
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::NoQuantity => "no-quantity",
            Self::UnitAbsent => "unit-absent",
            Self::UnitUnknown => "unit-unknown",
            Self::UnitIncompatible => "unit-incompatible",
            Self::SubjectUnknown => "subject-unknown",
            Self::AgeUnknown => "age-unknown",
            Self::NotAdult => "not-adult",
            Self::TimeUnknown => "time-unknown",
            Self::SexUnknown => "sex-unknown",
            Self::Comparator => "comparator",
        }
    }
}

/// How a value relates to the number sent (Quantity.comparator).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparator {
    Equal,
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
}

impl Comparator {
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            ">" => Self::More,
            ">=" => Self::MoreOrEqual,
            _ => return None,
        })
    }
}

/// The lines of a table without its comments.
pub(super) fn lines(table: &'static str) -> impl Iterator<Item = &'static str> {
    table.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

struct Table {
    rows: Vec<Row>,
    by_code: HashMap<&'static str, Vec<usize>>,
}

static LOADED: LazyLock<Table> = LazyLock::new(|| {
    let rows: Vec<Row> = lines(TABLE).filter_map(row).collect();
    let mut by_code: HashMap<&'static str, Vec<usize>> = HashMap::new();
    for (index, row) in rows.iter().enumerate() {
        for code in &row.codes {
            by_code.entry(code).or_default().push(index);
        }
    }
    Table { rows, by_code }
});

static GRAMS_PER_LITRE: LazyLock<Option<Unit>> = LazyLock::new(|| Unit::parse("g/L"));
static MOLES_PER_LITRE: LazyLock<Option<Unit>> = LazyLock::new(|| Unit::parse("mol/L"));

fn row(line: &'static str) -> Option<Row> {
    let mut cells = line.split('\t');
    let mut cell = || cells.next();
    let (codes, _name, unit, conversion) = (cell()?, cell()?, cell()?, cell()?);
    let (sex, bands, sources) = (cell()?, cell()?, cell()?);
    let conversion = match conversion.split(' ').collect::<Vec<_>>().as_slice() {
        ["ucum"] => Conversion::Ucum,
        ["exact"] => Conversion::Exact,
        ["molar", mass] => Conversion::Molar { grams_per_mole: Decimal::parse(mass)?, valence: None },
        ["molar", mass, valence] => Conversion::Molar { grams_per_mole: Decimal::parse(mass)?, valence: Some(Decimal::parse(valence)?) },
        _ => return None,
    };
    let sex = match sex {
        "any" => None,
        "female" => Some(Sex::Female),
        "male" => Some(Sex::Male),
        _ => return None,
    };
    let bands: Option<Vec<Band>> = bands.split(' ').map(band).collect();
    Some(Row {
        codes: codes.split(' ').collect(),
        unit,
        parsed: Unit::parse(unit)?,
        conversion,
        sex,
        bands: bands?,
        sources: sources.split(' ').collect(),
    })
}

fn band(text: &'static str) -> Option<Band> {
    let Some((code, limit)) = text.split_once('<') else { return Some(Band { code: text, limit: None }) };
    let inclusive = limit.starts_with('=');
    Some(Band { code, limit: Some((Decimal::parse(limit.trim_start_matches('='))?, inclusive)) })
}

/// Whether the table has limits for a LOINC code.
pub(super) fn knows(code: &str) -> bool {
    LOADED.by_code.contains_key(code)
}

/// A value in the unit of the row it is judged by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measured {
    pub(super) row: &'static Row,
    pub(super) value: Decimal,
    /// Whether the unit sent is another one than the row's.
    pub(super) converted: bool,
}

/// Brings a value with a UCUM code to a row of the table.
///
/// The rows for one sex need the patient's; a row in the value's own dimension goes before one that needs the molar mass.
pub(super) fn measure(code: &str, value: Decimal, unit: &str, sex: Option<Sex>) -> Result<Measured, Reason> {
    let rows = || LOADED.by_code.get(code).into_iter().flatten().map(|&index| &LOADED.rows[index]);
    // The unit is judged before the sex: what cannot be converted is that, whoever it is.
    let fits = |row: &&Row| row.sex.is_none() || row.sex == sex;
    if let Some(row) = rows().find(|row| row.unit == unit && fits(row)) {
        return Ok(Measured { row, value, converted: false });
    }
    if rows().any(|row| row.unit == unit) {
        return Err(Reason::SexUnknown);
    }
    let parsed = Unit::parse(unit).ok_or(Reason::UnitUnknown)?;
    let mut any = false;
    for molar in [false, true] {
        for row in rows() {
            let Some(value) = row.convert(value, unit, &parsed, molar) else { continue };
            any = true;
            if fits(&row) {
                return Ok(Measured { row, value, converted: true });
            }
        }
    }
    Err(if any { Reason::SexUnknown } else { Reason::UnitIncompatible })
}

impl Row {
    /// A value in the row's unit; `molar` asks for the way over the molar mass.
    fn convert(&self, value: Decimal, unit: &str, parsed: &Unit, molar: bool) -> Option<Decimal> {
        // Osmoles count particles, not the analyte; UCUM itself calls both moles.
        if self.conversion == Conversion::Exact || unit.contains("osm") {
            return None;
        }
        let value = if unit.contains("eq") {
            let Conversion::Molar { valence: Some(valence), .. } = self.conversion else { return None };
            value.divide(valence)?
        } else {
            value
        };
        if !molar {
            return parsed.convert(value, &self.parsed);
        }
        let Conversion::Molar { grams_per_mole, .. } = self.conversion else { return None };
        let (grams, moles) = (GRAMS_PER_LITRE.as_ref()?, MOLES_PER_LITRE.as_ref()?);
        if parsed.same_dimension(moles) && self.parsed.same_dimension(grams) {
            grams.convert(parsed.convert(value, moles)?.multiply(grams_per_mole)?, &self.parsed)
        } else if parsed.same_dimension(grams) && self.parsed.same_dimension(moles) {
            moles.convert(parsed.convert(value, grams)?.divide(grams_per_mole)?, &self.parsed)
        } else {
            None
        }
    }

    fn band_at(&self, value: Decimal) -> usize {
        let within = |band: &Band| match band.limit {
            Some((limit, true)) => value <= limit,
            Some((limit, false)) => value < limit,
            None => true,
        };
        self.bands.iter().position(within).unwrap_or(self.bands.len() - 1)
    }

    /// The band of a value, if all that the comparator allows is in one band.
    pub(super) fn band_of(&self, value: Decimal, comparator: Comparator) -> Result<&'static str, Reason> {
        let (at, last) = (self.band_at(value), self.bands.len() - 1);
        let limit = |band: usize| self.bands[band].limit.map(|(limit, _)| limit);
        let known = match comparator {
            Comparator::Equal => true,
            Comparator::LessOrEqual => at == 0,
            // Below the first limit, whether that belongs to the band or not.
            Comparator::Less => at == 0 || limit(0) == Some(value),
            Comparator::MoreOrEqual => at == last,
            Comparator::More => at == last || (last > 0 && limit(last - 1) == Some(value)),
        };
        if !known {
            return Err(Reason::Comparator);
        }
        let band = match comparator {
            Comparator::Equal => at,
            Comparator::Less | Comparator::LessOrEqual => 0,
            Comparator::More | Comparator::MoreOrEqual => last,
        };
        Ok(self.bands[band].code)
    }
}

/// Whether the limits hold for a person: they are those of adults.
pub(super) fn adult(group: Option<AgeGroup>, least: i32) -> Result<(), Reason> {
    match group {
        Some(AgeGroup::Paediatric) => Err(Reason::NotAdult),
        Some(_) => Ok(()),
        None if least >= 18 => Ok(()),
        None => Err(Reason::AgeUnknown),
    }
}

#[cfg(test)]
#[path = "limits_tests.rs"]
mod tests;
