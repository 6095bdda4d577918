//! Code systems, value sets, maps and units in SQL: what is compiled in, and the user's terminology where the session has one.

use std::{
    borrow::Cow,
    hash::{Hash, Hasher},
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, BooleanBuilder, Float64Builder, StringViewBuilder},
    datatypes::{DataType, Field, FieldRef},
};
use datafusion::{
    common::{Result, plan_err},
    logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility},
};
use sutura_terminology::{Concept, Subsumption, Terminology, UserTerminology, lab, oid, oid_of_uri, system_key, ucum};

use super::args::{TextArg, result};
use crate::EngineError;

pub(super) fn all(user: Option<&Arc<UserTerminology>>) -> impl Iterator<Item = ScalarUDF> {
    let user = user.cloned();
    KINDS.into_iter().map(move |kind| {
        ScalarUDF::from(TermFunction { kind, user: user.clone(), signature: Signature::variadic_any(Volatility::Immutable) })
    })
}

/// What is asked: the user's terminology over what is compiled in, or that alone.
pub(super) fn asked(user: Option<&Arc<UserTerminology>>) -> &Terminology {
    match user {
        Some(user) => user.all(),
        None => Terminology::builtin(),
    }
}

const KINDS: [Kind; 10] = [
    Kind::OidToUri,
    Kind::UriToOid,
    Kind::UcumCode,
    Kind::UcumConvert,
    Kind::LabNormalise,
    Kind::LabUnit,
    Kind::CodeDisplay,
    Kind::CodeTranslate,
    Kind::CodeIn,
    Kind::CodeSubsumes,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    OidToUri,
    UriToOid,
    UcumCode,
    UcumConvert,
    LabNormalise,
    LabUnit,
    CodeDisplay,
    CodeTranslate,
    CodeIn,
    CodeSubsumes,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::OidToUri => "oid_to_uri",
            Kind::UriToOid => "uri_to_oid",
            Kind::UcumCode => "ucum_code",
            Kind::UcumConvert => "ucum_convert",
            Kind::LabNormalise => "lab_normalise",
            Kind::LabUnit => "lab_unit",
            Kind::CodeDisplay => "code_display",
            Kind::CodeTranslate => "code_translate",
            Kind::CodeIn => "code_in",
            Kind::CodeSubsumes => "code_subsumes",
        }
    }

    /// How many arguments it takes, and how it is called.
    fn usage(self) -> (std::ops::RangeInclusive<usize>, &'static str) {
        match self {
            Kind::OidToUri => (1..=1, "oid_to_uri('2.16.840.1.113883.6.1')"),
            Kind::UriToOid => (1..=1, "uri_to_oid('http://loinc.org')"),
            Kind::UcumCode => (1..=1, "ucum_code('mmHg')"),
            Kind::UcumConvert => (3..=3, "ucum_convert(value, 'from', 'to')"),
            Kind::LabNormalise => (3..=3, "lab_normalise(loinc, value, unit)"),
            Kind::LabUnit => (1..=1, "lab_unit(loinc)"),
            Kind::CodeDisplay => (2..=2, "code_display(system, code)"),
            Kind::CodeTranslate => (2..=3, "code_translate('map', code [, system])"),
            Kind::CodeIn => (2..=3, "code_in(system, code [, 'value set'])"),
            Kind::CodeSubsumes => (3..=3, "code_subsumes(system, wider, code)"),
        }
    }

    fn data_type(self) -> DataType {
        match self {
            Kind::UcumConvert | Kind::LabNormalise => DataType::Float64,
            Kind::CodeIn | Kind::CodeSubsumes => DataType::Boolean,
            _ => DataType::Utf8View,
        }
    }
}

#[derive(Debug)]
struct TermFunction {
    kind: Kind,
    user: Option<Arc<UserTerminology>>,
    signature: Signature,
}

impl TermFunction {
    fn known(&self) -> &Terminology {
        asked(self.user.as_ref())
    }
}

impl PartialEq for TermFunction {
    fn eq(&self, other: &Self) -> bool {
        let user = |function: &Self| function.user.as_ref().map(Arc::as_ptr);
        self.kind == other.kind && user(self) == user(other)
    }
}

impl Eq for TermFunction {}

impl Hash for TermFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.kind.hash(state);
    }
}

impl ScalarUDFImpl for TermFunction {
    fn name(&self) -> &str {
        self.kind.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.kind.data_type())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let (arguments, usage) = self.kind.usage();
        if !arguments.contains(&args.arg_fields.len()) {
            return plan_err!("{} is called so: {usage}", self.name());
        }
        let literal = |at: usize| args.scalar_arguments.get(at).copied().flatten().and_then(|text| text.try_as_str().flatten());
        match (self.kind, literal(0), literal(2)) {
            (Kind::CodeTranslate, Some(map), _) => known_map(self.known(), map)?,
            (Kind::CodeIn, _, Some(set)) => known_value_set(self.known(), set)?,
            _ => {}
        }
        Ok(Arc::new(Field::new(self.name(), self.kind.data_type(), true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let values = args.args.iter().map(TextArg::of).collect::<Result<Vec<_>>>()?;
        let scalar = values.iter().all(|value| matches!(value, TextArg::Scalar(_)));
        let rows = if scalar { 1 } else { args.number_rows };
        let made: ArrayRef = match (self.kind, values.as_slice()) {
            (Kind::OidToUri, [oids]) => texts(rows, |row| Ok(oids.get(row).and_then(|text| oid::uri(text.trim())).map(String::from)))?,
            (Kind::UriToOid, [uris]) => texts(rows, |row| Ok(uris.get(row).and_then(|uri| oid_of_uri(uri.trim())).map(str::to_owned)))?,
            (Kind::UcumCode, [units]) => {
                texts(rows, |row| Ok(units.get(row).and_then(|unit| ucum::from_common(unit.trim())).map(String::from)))?
            }
            (Kind::LabUnit, [codes]) => {
                texts(rows, |row| Ok(codes.get(row).and_then(|loinc| lab::rule_of(loinc.trim())).map(|rule| rule.unit.to_owned())))?
            }
            (Kind::UcumConvert, [numbers, from, to]) => numbers_of(rows, |row| converted(numbers.get(row)?, from.get(row)?, to.get(row)?)),
            (Kind::LabNormalise, [codes, numbers, units]) => numbers_of(rows, |row| {
                lab::normalise(codes.get(row)?.trim(), numbers.get(row)?.trim(), units.get(row)?.trim()).ok()?.value.parse().ok()
            }),
            (Kind::CodeDisplay, [systems, codes]) => texts(rows, |row| {
                let (Some(system), Some(code)) = (systems.get(row), codes.get(row)) else { return Ok(None) };
                let found = self.known().code_system(&system_of(self.known(), system)).and_then(|known| known.concept(code));
                Ok(found.and_then(Concept::display).map(str::to_owned))
            })?,
            (Kind::CodeTranslate, [maps, codes, systems @ ..]) if systems.len() < 2 => texts(rows, |row| {
                let (Some(map), Some(code)) = (maps.get(row), codes.get(row)) else { return Ok(None) };
                known_map(self.known(), map)?;
                let system = systems.first().and_then(|systems| systems.get(row)).unwrap_or_default();
                Ok(translated(self.known(), map, system.trim(), code))
            })?,
            (Kind::CodeIn, [systems, codes, sets @ ..]) if sets.len() < 2 => flags(rows, |row| {
                let (Some(system), Some(code)) = (systems.get(row), codes.get(row)) else { return Ok(None) };
                let system = system_of(self.known(), system);
                match sets.first().map(|sets| sets.get(row)) {
                    None => Ok(self.known().code_system(&system).map(|known| known.concept(code).is_some())),
                    Some(None) => Ok(None),
                    Some(Some(set)) => {
                        known_value_set(self.known(), set)?;
                        // A set of which a part is not loaded says nothing.
                        Ok(self.known().contains(set, &system, code).ok())
                    }
                }
            })?,
            (Kind::CodeSubsumes, [systems, wider, codes]) => flags(rows, |row| {
                let (Some(system), Some(wider), Some(code)) = (systems.get(row), wider.get(row), codes.get(row)) else { return Ok(None) };
                let found = self.known().subsumes(&system_of(self.known(), system), wider, code).ok();
                Ok(found.map(|found| matches!(found, Subsumption::Subsumes | Subsumption::Equivalent)))
            })?,
            _ => return plan_err!("{} was called with the wrong number of arguments", self.name()),
        };
        result(made, scalar)
    }
}

/// A value in another unit; null for a unit that is not known or measures something else.
fn converted(value: &str, from: &str, to: &str) -> Option<f64> {
    let (from, to) = (ucum::from_common(from.trim())?, ucum::from_common(to.trim())?);
    // The whole result: a column of numbers does not say to how many digits they were measured.
    ucum::convert(value.trim().parse().ok()?, &from, &to).ok()
}

/// The name under which a system is loaded: as it is, else its URI by its OID or its name in HL7 table 0396, else a local name in capital letters.
fn system_of<'s>(known: &Terminology, system: &'s str) -> Cow<'s, str> {
    let system = system.trim();
    if known.code_system(system).is_some() { Cow::Borrowed(system) } else { system_key(system) }
}

/// The first target in a map. The system may be named otherwise than in the map; without one all groups are asked.
fn translated(known: &Terminology, map: &str, system: &str, code: &str) -> Option<String> {
    let first = |system: &str| known.translate(map, system, code).ok()?.targets.first().map(|target| target.code.to_owned());
    first(system).or_else(|| {
        let key = system_key(system);
        let sources = known.concept_map(map)?.groups().map(|(source, _)| source);
        let same: Vec<&str> = sources.filter(|source| !source.is_empty() && *source != system && system_key(source) == key).collect();
        same.into_iter().find_map(first)
    })
}

fn known_map(known: &Terminology, key: &str) -> Result<()> {
    if known.concept_map(key).is_some() {
        return Ok(());
    }
    // The name may come from a row: it is not said.
    let reason = "no concept map has that name; the reference page on terminology lists those compiled in, --terminology loads others";
    Err(EngineError::BadCall { function: "code_translate".to_owned(), reason: reason.to_owned() }.into())
}

fn known_value_set(known: &Terminology, url: &str) -> Result<()> {
    if known.value_set(url).is_some() {
        return Ok(());
    }
    let reason = "no value set has that URL; those of HL7 are compiled in, --terminology loads others";
    Err(EngineError::BadCall { function: "code_in".to_owned(), reason: reason.to_owned() }.into())
}

fn flags(rows: usize, make: impl Fn(usize) -> Result<Option<bool>>) -> Result<ArrayRef> {
    let mut builder = BooleanBuilder::with_capacity(rows);
    for row in 0..rows {
        builder.append_option(make(row)?);
    }
    Ok(Arc::new(builder.finish()))
}

fn texts(rows: usize, make: impl Fn(usize) -> Result<Option<String>>) -> Result<ArrayRef> {
    let mut builder = StringViewBuilder::with_capacity(rows);
    for row in 0..rows {
        builder.append_option(make(row)?);
    }
    Ok(Arc::new(builder.finish()))
}

fn numbers_of(rows: usize, make: impl Fn(usize) -> Option<f64>) -> ArrayRef {
    let mut builder = Float64Builder::with_capacity(rows);
    (0..rows).for_each(|row| builder.append_option(make(row)));
    Arc::new(builder.finish())
}
