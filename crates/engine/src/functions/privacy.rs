//! The privacy methods in SQL.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use arrow::{
    array::{Array, ArrayRef, AsArray, Int64Builder},
    compute::cast,
    datatypes::{DataType, Field, FieldRef, Float64Type},
};
use chrono::{Datelike, NaiveDate, Utc};
use datafusion::{
    common::{Result, plan_err},
    error::DataFusionError,
    logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility},
};
use sutura_core::{ColumnMeta, PartialDateTime, PhiClass};
use sutura_privacy::{AgeScheme, DEFAULT_SHIFT_DAYS, MASKED, Method, PrivacyContext, PrivacyError, functions};

use super::args::{TextArg, result, text_derived, text_distinct, text_rows};
use crate::{EngineError, lineage, policy::BoundPolicy};

pub(super) fn all(context: Option<&Arc<PrivacyContext>>, policy: Option<&Arc<BoundPolicy>>) -> impl Iterator<Item = ScalarUDF> {
    Operation::ALL.into_iter().map(move |operation| ScalarUDF::from(PrivacyFunction::new(operation, context.cloned(), policy.cloned())))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Operation {
    Pseudonym,
    VaultCode,
    Encrypt,
    Decrypt,
    ShiftDate,
    Mask,
    Zip3,
    AgeBand,
    AgeYears,
    DateYear,
}

impl Operation {
    const ALL: [Operation; 10] = [
        Operation::Pseudonym,
        Operation::VaultCode,
        Operation::Encrypt,
        Operation::Decrypt,
        Operation::ShiftDate,
        Operation::Mask,
        Operation::Zip3,
        Operation::AgeBand,
        Operation::AgeYears,
        Operation::DateYear,
    ];

    fn name(self) -> &'static str {
        match self {
            Operation::Pseudonym => "pseudonym",
            Operation::VaultCode => "vault_code",
            Operation::Encrypt => "encrypt",
            Operation::Decrypt => "decrypt",
            Operation::ShiftDate => "shift_date",
            Operation::Mask => "mask",
            Operation::Zip3 => "zip3",
            Operation::AgeBand => "age_band",
            Operation::AgeYears => "age_years",
            Operation::DateYear => "date_year",
        }
    }

    /// Fewest and most arguments, and how to call it.
    fn usage(self) -> (usize, usize, &'static str) {
        match self {
            Operation::Pseudonym => (1, 2, "pseudonym(value [, kind])"),
            Operation::VaultCode => (1, 2, "vault_code(value [, kind])"),
            Operation::Encrypt => (2, 2, "encrypt(value, 'column')"),
            Operation::Decrypt => (2, 2, "decrypt(text, 'column')"),
            Operation::ShiftDate => (2, 2, "shift_date(date, patient)"),
            Operation::Mask => (1, 1, "mask(value)"),
            Operation::Zip3 => (1, 1, "zip3(zip)"),
            Operation::AgeBand => (1, 3, "age_band(birth_or_age [, at_date] [, 'life-stage' | 'ten-year' | 'top-code'])"),
            Operation::AgeYears => (2, 2, "age_years(birth, at_date)"),
            Operation::DateYear => (1, 1, "date_year(date)"),
        }
    }

    fn needs_key(self) -> bool {
        matches!(self, Operation::Pseudonym | Operation::VaultCode | Operation::Encrypt | Operation::Decrypt | Operation::ShiftDate)
    }

    /// The method that a policy must permit: what its tables may not have, a query gets no other way.
    fn judged(self) -> Option<Method> {
        match self {
            Operation::Pseudonym => Some(Method::Pseudonym { kind: None }),
            Operation::VaultCode => Some(Method::VaultCode { kind: None }),
            Operation::Encrypt => Some(Method::Encrypt),
            Operation::ShiftDate => Some(Method::ShiftDate { max_days: DEFAULT_SHIFT_DAYS }),
            _ => None,
        }
    }

    /// The mark of a result that is treated.
    fn mark(self) -> &'static str {
        match self {
            Operation::VaultCode => "vault-code",
            Operation::ShiftDate => "shift-date",
            Operation::AgeBand => "age-band",
            Operation::DateYear => "year",
            other => other.name(),
        }
    }
}

/// One privacy function, with the session's keys and policy if it has any.
#[derive(Debug)]
pub(super) struct PrivacyFunction {
    operation: Operation,
    context: Option<Arc<PrivacyContext>>,
    policy: Option<Arc<BoundPolicy>>,
    signature: Signature,
}

impl PrivacyFunction {
    fn new(operation: Operation, context: Option<Arc<PrivacyContext>>, policy: Option<Arc<BoundPolicy>>) -> Self {
        // Ages and years depend on the day, codes on the vault.
        let volatility = match operation {
            Operation::AgeBand | Operation::DateYear | Operation::VaultCode => Volatility::Stable,
            _ => Volatility::Immutable,
        };
        Self { operation, context, policy, signature: Signature::variadic_any(volatility) }
    }

    /// The class and treatment of the result.
    pub(super) fn declared_meta(&self, args: &[ColumnMeta]) -> ColumnMeta {
        let input = lineage::mix(args.iter().take(1));
        let treated = |phi: Option<PhiClass>| ColumnMeta { phi, deid: Some(self.operation.mark().to_owned()), ..ColumnMeta::default() };
        match self.operation {
            // One-way, random or ciphertext, whatever goes in.
            Operation::Pseudonym | Operation::VaultCode | Operation::Encrypt | Operation::Mask => treated(input.phi),
            // A few fixed words; a year; a valid date moved by a secret number of days: nothing else comes through.
            Operation::AgeBand => treated(Some(PhiClass::Age)),
            Operation::DateYear | Operation::ShiftDate => treated(Some(PhiClass::Date)),
            // Three digits of something else than a ZIP code say something about it.
            Operation::Zip3 => match &input.phi {
                Some(class) if *class == PhiClass::Geography || !class.is_identifying() || input.deid.is_some() => {
                    treated(Some(PhiClass::Geography))
                }
                _ => input,
            },
            Operation::AgeYears => ColumnMeta::of(PhiClass::Age),
            Operation::Decrypt => {
                let phi = input.phi.map(|class| if class.is_identifying() { class } else { PhiClass::FreeText });
                ColumnMeta { phi, ..ColumnMeta::default() }
            }
        }
    }

    fn context(&self) -> Result<&PrivacyContext> {
        match &self.context {
            Some(context) => Ok(context),
            None => plan_err!(
                "{} needs a key, and this session has none: make one with `sutura keys new` and name its file or environment variable",
                self.name()
            ),
        }
    }

    /// The day from which ages are counted: as the policy says, else today.
    fn today(&self) -> NaiveDate {
        self.policy.as_ref().map_or_else(|| Utc::now().date_naive(), |policy| policy.reference())
    }

    /// The most days by which dates move.
    fn shift_days(&self) -> u16 {
        self.policy.as_ref().map_or(DEFAULT_SHIFT_DAYS, |policy| policy.shift_days())
    }

    /// The kind of a pseudonym or code: stated, else the class of the column, as policies do it.
    fn kind(&self, stated: Option<&str>, value: Option<&FieldRef>) -> Result<String> {
        if let Some(stated) = stated {
            return Ok(stated.to_owned());
        }
        match value.and_then(|field| ColumnMeta::from_field(field).phi) {
            Some(class) => Ok(class.as_str().into_owned()),
            None => plan_err!("{0}: the kind of an expression must be stated, such as {0}(value, 'mrn')", self.name()),
        }
    }
}

// The same operation with the same keys is the same function.
impl PartialEq for PrivacyFunction {
    fn eq(&self, other: &Self) -> bool {
        let key = |function: &Self| {
            (function.context.as_ref().map(|context| Arc::as_ptr(context) as usize), function.policy.as_ref().map(Arc::as_ptr))
        };
        self.operation == other.operation && key(self) == key(other)
    }
}

impl Eq for PrivacyFunction {}

impl Hash for PrivacyFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.operation.hash(state);
    }
}

impl ScalarUDFImpl for PrivacyFunction {
    fn name(&self) -> &str {
        self.operation.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.operation {
            Operation::AgeYears => DataType::Int64,
            _ => DataType::Utf8View,
        })
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let (fewest, most, usage) = self.operation.usage();
        if !(fewest..=most).contains(&args.arg_fields.len()) {
            return plan_err!("call it as {usage}");
        }
        if let Some(nested) = args.arg_fields.iter().find(|field| field.data_type().is_nested()) {
            return plan_err!("{}: {:?} is nested; give one of its parts", self.name(), nested.name());
        }
        if let Some((policy, method)) = self.policy.as_ref().zip(self.operation.judged())
            && let Err(why) = policy.permits(&method)
        {
            return plan_err!("{}: {why}", self.name());
        }
        if self.operation.needs_key() {
            self.context()?;
        }
        let word = |at: usize| args.scalar_arguments.get(at).copied().flatten().and_then(|value| value.try_as_str().flatten());
        match self.operation {
            Operation::Pseudonym | Operation::VaultCode => {
                if args.arg_fields.len() == 2 && word(1).is_none() {
                    return plan_err!("{}: the kind must be a text in quotes", self.name());
                }
                self.kind(word(1), args.arg_fields.first())?;
                if self.operation == Operation::VaultCode && self.context()?.vault().is_none() {
                    return plan_err!("vault_code needs a vault, and this session has none: name a vault file for the project");
                }
            }
            Operation::Encrypt | Operation::Decrypt if word(1).is_none_or(str::is_empty) => {
                return plan_err!("{}: the column must be a text in quotes", self.name());
            }
            Operation::AgeBand if args.arg_fields.len() == 3 && scheme(word(2))?.is_none() => return plan_err!("call it as {usage}"),
            _ => {}
        }
        let metas: Vec<ColumnMeta> = args.arg_fields.iter().map(|field| ColumnMeta::from_field(field)).collect();
        let field = Field::new(self.name(), self.return_type(&[])?, true);
        Ok(Arc::new(self.declared_meta(&metas).apply(field)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(first) = args.args.first() else { return plan_err!("{} needs an argument", self.name()) };
        // Ages as numbers are read as numbers; everything else is worked on as text.
        let values = TextArg::of(first)?;
        let second = args.args.get(1).map(TextArg::of).transpose()?;
        let scalar = args.args.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let rows = if scalar { 1 } else { args.number_rows };
        let stated = second.as_ref().and_then(|word| word.get(0));
        let made: ArrayRef = match self.operation {
            Operation::Pseudonym => {
                let (context, kind) = (self.context()?, self.kind(stated, args.arg_fields.first())?);
                text_derived(&values, rows, |value| Ok(context.pseudonym(&kind, value)))?
            }
            Operation::VaultCode => {
                let (context, kind) = (self.context()?, self.kind(stated, args.arg_fields.first())?);
                text_distinct(&values, rows, |distinct| vault_codes(context, &kind, distinct))?
            }
            Operation::Encrypt => {
                let context = self.context()?;
                let column = stated.unwrap_or_default();
                text_derived(&values, rows, |value| context.encrypt(column, value).map(Some).map_err(failed))?
            }
            Operation::Decrypt => {
                let context = self.context()?;
                let column = stated.unwrap_or_default();
                text_derived(&values, rows, |value| context.decrypt(column, value).map(Some).map_err(failed))?
            }
            Operation::ShiftDate => shift_dates(self.context()?, self.shift_days(), &values, second.as_ref(), rows)?,
            Operation::Mask => text_rows(rows, |row, out| {
                out.push_str(MASKED);
                Ok(values.get(row).is_some())
            })?,
            Operation::Zip3 => text_rows(rows, |row, out| {
                out.push_str(values.get(row).map_or("", functions::zip3));
                Ok(values.get(row).is_some())
            })?,
            Operation::AgeBand => {
                let (at, scheme) = match (&second, args.args.get(2)) {
                    (Some(second), None) => match scheme_of(second)? {
                        Some(scheme) => (None, scheme),
                        None => (Some(second), AgeScheme::LifeStage),
                    },
                    (Some(second), Some(third)) => (Some(second), scheme_of(&TextArg::of(third)?)?.unwrap_or(AgeScheme::LifeStage)),
                    _ => (None, AgeScheme::LifeStage),
                };
                let ages = Ages { values: &values, numbers: numbers(first, rows)?, at, today: self.today() };
                text_rows(rows, |row, out| {
                    let band = ages.get(row).and_then(|age| functions::age_band(age, scheme));
                    out.push_str(band.unwrap_or_default());
                    Ok(band.is_some())
                })?
            }
            Operation::AgeYears => {
                let mut builder = Int64Builder::with_capacity(rows);
                for row in 0..rows {
                    let at = second.as_ref().and_then(|at| at.get(row)).and_then(day);
                    let age = values.get(row).zip(at).and_then(|(birth, at)| functions::age_on(birth, at));
                    builder.append_option(age.map(i64::from));
                }
                Arc::new(builder.finish())
            }
            Operation::DateYear => {
                let reference = self.today().year();
                text_rows(rows, |row, out| {
                    let year = values.get(row).and_then(|date| functions::year(date, reference));
                    out.push_str(year.as_deref().unwrap_or_default());
                    Ok(year.is_some())
                })?
            }
        };
        result(made, scalar)
    }
}

/// Privacy errors never hold field content.
fn failed(error: impl Into<PrivacyError>) -> DataFusionError {
    EngineError::Function { name: "privacy".to_owned(), reason: error.into().to_string() }.into()
}

fn vault_codes(context: &PrivacyContext, kind: &str, distinct: &[&str]) -> Result<Vec<Option<String>>> {
    let Some(vault) = context.vault() else { return plan_err!("vault_code needs a vault, and this session has none") };
    let asked: Vec<&str> = distinct.iter().copied().filter(|value| !sutura_privacy::canonical(kind, value).is_empty()).collect();
    let mut codes = vault.codes(kind, &asked).map_err(failed)?.into_iter();
    Ok(distinct.iter().map(|value| if sutura_privacy::canonical(kind, value).is_empty() { None } else { codes.next() }).collect())
}

/// The days of a patient are looked up once for each run of rows about the same patient.
fn shift_dates(context: &PrivacyContext, most: u16, dates: &TextArg, patients: Option<&TextArg>, rows: usize) -> Result<ArrayRef> {
    let mut last: Option<(&str, Option<i32>)> = None;
    text_rows(rows, |row, out| {
        let (Some(date), Some(patient)) = (dates.get(row), patients.and_then(|patients| patients.get(row))) else { return Ok(false) };
        let days = match last {
            Some((known, days)) if known == patient => days,
            _ => context.shift_days(patient, most),
        };
        last = Some((patient, days));
        Ok(days.is_some_and(|days| functions::shift_iso(date, days, out)))
    })
}

/// Numbers of a numeric argument, which are ages.
fn numbers(value: &ColumnarValue, rows: usize) -> Result<Option<ArrayRef>> {
    if !value.data_type().is_numeric() {
        return Ok(None);
    }
    Ok(Some(cast(&value.to_array(rows)?, &DataType::Float64)?))
}

/// Ages by row, from numbers, ages in text or birth dates.
struct Ages<'a> {
    values: &'a TextArg,
    numbers: Option<ArrayRef>,
    at: Option<&'a TextArg>,
    today: NaiveDate,
}

impl Ages<'_> {
    fn get(&self, row: usize) -> Option<u32> {
        if let Some(numbers) = &self.numbers {
            let years = numbers.is_valid(row).then(|| numbers.as_primitive::<Float64Type>().value(row))?;
            return (0.0..200.0).contains(&years).then_some(years as u32);
        }
        let text = self.values.get(row)?.trim();
        // Four digits are a year of birth: nobody is a thousand years old.
        if PartialDateTime::parse_iso(text).is_none() {
            return functions::parse_age(text);
        }
        let at = match self.at {
            Some(at) => day(at.get(row)?)?,
            None => self.today,
        };
        functions::age_on(text, at)
    }
}

/// The day on which an age is counted; at least a year must be stated, missing parts are at their lowest.
fn day(text: &str) -> Option<NaiveDate> {
    PartialDateTime::parse_iso(text.trim()).map(|date| date.local().date())
}

fn scheme_of(value: &TextArg) -> Result<Option<AgeScheme>> {
    match value {
        TextArg::Scalar(word) => scheme(word.as_deref()),
        TextArg::Array(_) => Ok(None),
    }
}

/// A scheme by its word; `None` where it is a date; anything else is a mistake.
fn scheme(word: Option<&str>) -> Result<Option<AgeScheme>> {
    match word {
        None => Ok(None),
        Some(word) if PartialDateTime::parse_iso(word.trim()).is_some() => Ok(None),
        Some(word) => match AgeScheme::from_word(word) {
            Some(scheme) => Ok(Some(scheme)),
            None => plan_err!("age_band knows the schemes 'life-stage', 'ten-year' and 'top-code', and dates as YYYY-MM-DD"),
        },
    }
}
