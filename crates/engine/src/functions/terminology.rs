//! Code systems, maps and units in SQL, as they are compiled in.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Float64Builder, StringViewBuilder},
    datatypes::{DataType, Field, FieldRef},
};
use datafusion::{
    common::{Result, plan_err},
    logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility},
};
use sutura_terminology::{Concept, Terminology, lab, oid, oid_of_uri, ucum};

use super::args::{TextArg, result};
use crate::EngineError;

pub(super) fn all() -> impl Iterator<Item = ScalarUDF> {
    KINDS.into_iter().map(|kind| ScalarUDF::from(TermFunction { kind, signature: Signature::variadic_any(Volatility::Immutable) }))
}

const KINDS: [Kind; 8] = [
    Kind::OidToUri,
    Kind::UriToOid,
    Kind::UcumCode,
    Kind::UcumConvert,
    Kind::LabNormalise,
    Kind::LabUnit,
    Kind::CodeDisplay,
    Kind::CodeTranslate,
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
        }
    }

    fn data_type(self) -> DataType {
        if matches!(self, Kind::UcumConvert | Kind::LabNormalise) { DataType::Float64 } else { DataType::Utf8View }
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct TermFunction {
    kind: Kind,
    signature: Signature,
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
        if self.kind == Kind::CodeTranslate
            && let Some(Some(Some(map))) = args.scalar_arguments.first().map(|map| map.map(|map| map.try_as_str().flatten()))
        {
            known_map(map)?;
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
                // CDA names systems by OID.
                let system = oid::uri_of_oid(system.trim()).unwrap_or(system.trim());
                let known = Terminology::builtin().code_system(system);
                Ok(known.and_then(|known| known.concept(code)).and_then(Concept::display).map(str::to_owned))
            })?,
            (Kind::CodeTranslate, [maps, codes, systems @ ..]) if systems.len() < 2 => texts(rows, |row| {
                let (Some(map), Some(code)) = (maps.get(row), codes.get(row)) else { return Ok(None) };
                known_map(map)?;
                let system = systems.first().and_then(|systems| systems.get(row)).unwrap_or_default();
                let found = Terminology::builtin().translate(map, system, code).ok();
                Ok(found.and_then(|found| found.targets.first().map(|target| target.code.to_owned())))
            })?,
            _ => return plan_err!("{} was called with the wrong number of arguments", self.name()),
        };
        result(made, scalar)
    }
}

/// A value in another unit; null for a unit that is not known or measures something else.
fn converted(value: &str, from: &str, to: &str) -> Option<f64> {
    let (from, to) = (ucum::from_common(from.trim())?, ucum::from_common(to.trim())?);
    // Decimal arithmetic where it can be done; the exponent of a very large or small number is none.
    let exact = ucum::convert_decimal(value.trim(), &from, &to).ok().and_then(|value| value.parse().ok());
    exact.or_else(|| ucum::convert(value.trim().parse().ok()?, &from, &to).ok())
}

fn known_map(key: &str) -> Result<()> {
    if Terminology::builtin().concept_map(key).is_some() {
        return Ok(());
    }
    let reason = format!("no concept map is called {key:?}; the reference page on terminology lists them");
    Err(EngineError::Function { name: "code_translate".to_owned(), reason }.into())
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
