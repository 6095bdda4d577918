//! Methods on Arrow arrays.
//!
//! A treatment is chosen when the schema is planned; what it meets later has the planned type. Text of
//! every kind (views, offsets, dictionaries) is worked on as string views. Repeated values are treated
//! once a batch.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int32Array, Int64Array, ListArray, PrimitiveArray, StringViewArray,
        StringViewBuilder, StructArray, UInt32Array, new_null_array,
    },
    buffer::Buffer,
    compute::{cast, kernels::zip::zip as zip_with, take},
    datatypes::{
        ArrowPrimitiveType, DataType, Date32Type, Date64Type, Fields, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType,
        TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    },
};
use chrono::{Datelike, NaiveDate};
use sutura_core::PhiClass;

use crate::{
    ages::{OLDEST_AGE, age_band, parse_age, top_coded},
    canonical::canonical,
    context::{NO_VAULT, PrivacyContext},
    dates::{OLDEST_SHOWN_AGE, YearOrOlder, age_on, parse_year, shift_iso, year_shown},
    error::PrivacyError,
    method::{AgeScheme, Method},
    places::{NO_ZIP3, zip3},
    scrub::TextTreatment,
    shape::{CodeShape, has_more_digits},
    uid::uid_of_code,
};

/// What a masked value looks like.
pub const MASKED: &str = "***";

/// A method, ready for one column of a known type.
#[derive(Debug, Clone)]
pub(crate) enum Treatment {
    Keep,
    /// Codes stay; what has not the shape of a code goes.
    Codes(CodeShape),
    /// Numbers stay; what has the digits of a date or an identifier goes.
    Measures {
        most_digits: u32,
    },
    Redact,
    Mask,
    Pseudonym {
        kind: String,
    },
    VaultCode {
        kind: String,
    },
    Encrypt {
        column: String,
    },
    ShiftDate {
        max_days: u16,
    },
    Year,
    AgeBand {
        scheme: AgeScheme,
    },
    Zip3,
    /// Free text.
    Scrub(Arc<TextTreatment>),
    /// The codes of another treatment as UIDs.
    AsUid(Box<Treatment>),
    /// Each item of a list.
    Items(Box<Treatment>),
    /// Each child of a struct, by position; children not named are dropped.
    Children(Vec<(usize, Treatment)>, Fields),
}

/// What happened to the values of one array.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) rows: u64,
    pub(crate) nulls: u64,
    pub(crate) changed: u64,
    pub(crate) suppressed: u64,
}

/// Whether values of this type are text, in any of Arrow's layouts.
pub(crate) fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8View | DataType::Utf8 | DataType::LargeUtf8 => true,
        DataType::Dictionary(_, value) => is_text(value),
        _ => false,
    }
}

/// Whether a method can treat values of this type, and what type comes out. Lists and structs are taken apart before.
pub(crate) fn output_type(method: &Method, input: &DataType) -> Option<DataType> {
    let text = is_text(input);
    let date = matches!(input, DataType::Date32 | DataType::Date64 | DataType::Timestamp(..));
    let code = text || input.is_integer() || date || *input == DataType::Boolean;
    match method {
        Method::Keep | Method::Drop | Method::Redact => Some(input.clone()),
        Method::Mask => text.then_some(DataType::Utf8View),
        Method::Pseudonym { .. } | Method::VaultCode { .. } | Method::Encrypt => code.then_some(DataType::Utf8View),
        Method::ShiftDate { .. } if text => Some(DataType::Utf8View),
        Method::ShiftDate { .. } => date.then(|| input.clone()),
        Method::Year if text => Some(DataType::Utf8View),
        Method::Year => date.then_some(DataType::Int32),
        Method::AgeBand { scheme: AgeScheme::TopCode } if input.is_numeric() && !matches!(input, DataType::Float16) => {
            (input.is_integer() || input.is_floating()).then(|| input.clone())
        }
        Method::AgeBand { .. } => (text || date || input.is_integer() || input.is_floating()).then_some(DataType::Utf8View),
        Method::Zip3 => (text || input.is_integer()).then_some(DataType::Utf8View),
        Method::Scrub { .. } => text.then_some(DataType::Utf8View),
    }
}

/// The types a method can treat, for messages.
pub(crate) fn types_of(method: &Method) -> &'static str {
    match method {
        Method::Keep | Method::Drop | Method::Redact => "every type",
        Method::Mask | Method::Scrub { .. } => "text",
        Method::Pseudonym { .. } | Method::VaultCode { .. } | Method::Encrypt => "text, whole numbers, dates and flags",
        Method::ShiftDate { .. } | Method::Year => "dates, timestamps and ISO text",
        Method::AgeBand { .. } => "numbers, dates and text",
        Method::Zip3 => "text and whole numbers",
    }
}

/// What a treatment needs beside the values.
pub(crate) struct Surroundings<'p> {
    /// Keys; the methods without a key need none.
    pub(crate) context: Option<&'p PrivacyContext>,
    /// The day from which ages are counted.
    pub(crate) reference: NaiveDate,
    /// Who each row is about.
    pub(crate) patients: Option<&'p StringViewArray>,
    /// Columns whose values the free text of the same row may repeat.
    pub(crate) known: &'p [(PhiClass, StringViewArray)],
}

impl<'p> Surroundings<'p> {
    fn keyed(&self) -> Result<&'p PrivacyContext, PrivacyError> {
        const NO_KEY: PrivacyError =
            PrivacyError::Operation { operation: "a keyed method", reason: "there is no key; give a key file made by `sutura keys new`" };
        self.context.ok_or(NO_KEY)
    }
}

/// Any array of text, number, date or flag as text; the form that patients and codes are compared in.
pub(crate) fn as_text(array: &dyn Array) -> Result<StringViewArray, PrivacyError> {
    if let Some(text) = array.as_string_view_opt() {
        return Ok(text.clone());
    }
    let text = match array.data_type() {
        DataType::Dictionary(_, value) if **value != DataType::Utf8View => cast(&cast(array, value)?, &DataType::Utf8View)?,
        _ => cast(array, &DataType::Utf8View)?,
    };
    Ok(text.as_string_view().clone())
}

impl Treatment {
    /// The treatment of a method for plain values. `kind` is the space of codes where the method names none.
    pub(crate) fn of(method: &Method, kind: &str, column: &str) -> Self {
        let kind = |named: &Option<String>| named.clone().unwrap_or_else(|| kind.to_owned());
        match method {
            Method::Keep | Method::Drop => Treatment::Keep,
            Method::Redact => Treatment::Redact,
            Method::Mask => Treatment::Mask,
            Method::Pseudonym { kind: named } => Treatment::Pseudonym { kind: kind(named) },
            Method::VaultCode { kind: named } => Treatment::VaultCode { kind: kind(named) },
            Method::Encrypt => Treatment::Encrypt { column: column.to_owned() },
            Method::ShiftDate { max_days } => Treatment::ShiftDate { max_days: *max_days },
            Method::Year => Treatment::Year,
            Method::AgeBand { scheme } => Treatment::AgeBand { scheme: *scheme },
            Method::Zip3 => Treatment::Zip3,
            // The words of a policy are checked when it is read; what has no rules goes.
            Method::Scrub { languages } => {
                TextTreatment::new(languages, None).map_or(Treatment::Redact, |text| Treatment::Scrub(Arc::new(text)))
            }
        }
    }

    /// Treats an array of the planned type.
    pub(crate) fn apply(&self, values: &ArrayRef, around: &Surroundings<'_>) -> Result<(ArrayRef, Tally), PrivacyError> {
        let mut tally = Tally { rows: values.len() as u64, nulls: values.logical_null_count() as u64, ..Tally::default() };
        let present = tally.rows - tally.nulls;
        let out: ArrayRef = match self {
            Treatment::Keep => compact(values),
            Treatment::Codes(shape) => codes(*shape, values, &mut tally)?,
            Treatment::Measures { most_digits } => measures(values, *most_digits, &mut tally)?,
            Treatment::Redact => {
                tally.suppressed = present;
                new_null_array(values.data_type(), values.len())
            }
            Treatment::Mask => {
                tally.changed = present;
                let masked = |row| (!values.is_null(row)).then_some(MASKED);
                Arc::new((0..values.len()).map(masked).collect::<StringViewArray>())
            }
            Treatment::Pseudonym { kind } => {
                let maker = around.keyed()?.pseudonyms(kind);
                let distinct_of = as_text(values)?;
                let distinct = Distinct::of(&distinct_of);
                let mut made = Outputs::default();
                for value in &distinct.values {
                    match maker.of(value) {
                        Some(code) => made.push(|out| out.extend(code.map(char::from))),
                        None => made.push_null(),
                    }
                }
                Arc::new(distinct.rebuild(made, &mut tally)?)
            }
            Treatment::VaultCode { kind } => {
                let text = as_text(values)?;
                let distinct = Distinct::of(&text);
                Arc::new(distinct.rebuild(vault_codes(kind, &distinct.values, around.keyed()?)?, &mut tally)?)
            }
            Treatment::Encrypt { column } => {
                let mut encryptor = around.keyed()?.encryptor(column)?;
                let text = as_text(values)?;
                let distinct = Distinct::of(&text);
                let mut made = Outputs::default();
                for value in &distinct.values {
                    made.try_push(|out| encryptor.encrypt_into(value, out))?;
                }
                Arc::new(distinct.rebuild(made, &mut tally)?)
            }
            Treatment::ShiftDate { max_days } => shift(values, *max_days, around, &mut tally)?,
            Treatment::Year => year(values, around.reference.year(), &mut tally)?,
            Treatment::AgeBand { scheme } => age(values, *scheme, around.reference, &mut tally)?,
            Treatment::Zip3 => zip(values, &mut tally)?,
            Treatment::Scrub(text) => Arc::new(text.apply(&as_text(values)?, around, &mut tally)?),
            Treatment::AsUid(inner) => {
                let (codes, inner_tally) = inner.apply(values, around)?;
                tally = inner_tally;
                let codes = as_text(&codes)?;
                Arc::new(codes.iter().map(|code| code.map(uid_of_code)).collect::<StringViewArray>())
            }
            Treatment::Items(inner) => items(inner, values, around, &mut tally)?,
            Treatment::Children(children, fields) => children_of(children, fields, values, around, &mut tally)?,
        };
        Ok((out, tally))
    }
}

/// A kept array of codes, in which what is no code became null.
fn codes(shape: CodeShape, values: &ArrayRef, tally: &mut Tally) -> Result<ArrayRef, PrivacyError> {
    let text = as_text(values)?;
    let mut last = ("", true);
    let mut fits = |value| {
        if last.0 != value {
            last = (value, shape.fits(value));
        }
        last.1
    };
    tally.suppressed = text.iter().flatten().filter(|value| !fits(value)).count() as u64;
    if tally.suppressed == 0 {
        return Ok(compact(values));
    }
    let kept: StringViewArray = text.iter().map(|value| value.filter(|value| shape.fits(value))).collect();
    Ok(cast(&kept, values.data_type())?)
}

/// A kept array of whole numbers or measured values, in which what looks like a date or an identifier became null.
fn measures(values: &ArrayRef, most_digits: u32, tally: &mut Tally) -> Result<ArrayRef, PrivacyError> {
    // As floating point: whole numbers with so few digits are exact in it.
    let numbers = cast(values, &DataType::Float64)?;
    let numbers = numbers.as_primitive::<Float64Type>();
    let fits: BooleanArray = numbers.iter().map(|number| Some(number.is_none_or(|number| !has_more_digits(number, most_digits)))).collect();
    tally.suppressed = fits.false_count() as u64;
    if tally.suppressed == 0 {
        return Ok(compact(values));
    }
    Ok(zip_with(&fits, values, &new_null_array(values.data_type(), values.len()))?)
}

/// A kept array without the bytes it does not show. A string view may point into a buffer that holds
/// the whole message, and some formats (Arrow IPC) write buffers as they are.
fn compact(values: &ArrayRef) -> ArrayRef {
    match values.data_type() {
        DataType::Utf8View => Arc::new(values.as_string_view().gc()),
        DataType::BinaryView => Arc::new(values.as_binary_view().gc()),
        DataType::Dictionary(..) | DataType::List(_) | DataType::LargeList(_) | DataType::Struct(_) | DataType::FixedSizeList(..) => {
            // Copying row by row leaves behind whatever no row shows.
            let rows = UInt32Array::from_iter_values(0..values.len() as u32);
            take(values, &rows, None).map_or_else(|_| Arc::clone(values), |copy| compact_children(&copy))
        }
        _ => Arc::clone(values),
    }
}

fn compact_children(values: &ArrayRef) -> ArrayRef {
    let data = values.to_data();
    let children: Vec<_> = data.child_data().iter().map(|child| compact(&arrow::array::make_array(child.clone())).to_data()).collect();
    match data.into_builder().child_data(children).build() {
        Ok(data) => arrow::array::make_array(data),
        Err(_) => Arc::clone(values),
    }
}

/// The different values of a column, and which one each row has.
struct Distinct<'v> {
    values: Vec<&'v str>,
    /// Position in `values`, `NO_VALUE` for null.
    of_row: Vec<u32>,
}

const NO_VALUE: u32 = u32::MAX;

impl<'v> Distinct<'v> {
    fn of(text: &'v StringViewArray) -> Self {
        let mut places: HashMap<&'v str, u32> = HashMap::new();
        let mut values = Vec::new();
        let mut previous: Option<(&str, u32)> = None;
        let of_row = text
            .iter()
            .map(|value| {
                let Some(value) = value else { return NO_VALUE };
                if let Some((same, place)) = previous
                    && same == value
                {
                    return place;
                }
                let place = *places.entry(value).or_insert_with(|| {
                    values.push(value);
                    values.len() as u32 - 1
                });
                previous = Some((value, place));
                place
            })
            .collect();
        Self { values, of_row }
    }

    /// The column with each value replaced by what was made of it. Equal values share their bytes.
    fn rebuild(&self, made: Outputs, tally: &mut Tally) -> Result<StringViewArray, PrivacyError> {
        let mut builder = StringViewBuilder::with_capacity(self.of_row.len());
        let blocks: Vec<u32> = made.blocks.into_iter().map(|block| builder.append_block(Buffer::from_vec(block.into_bytes()))).collect();
        for place in &self.of_row {
            match made.places.get(*place as usize).copied().flatten() {
                Some((block, offset, length)) => {
                    tally.changed += 1;
                    builder.try_append_view(blocks[block as usize], offset, length)?;
                }
                None => {
                    tally.suppressed += u64::from(*place != NO_VALUE);
                    builder.append_null();
                }
            }
        }
        Ok(builder.finish())
    }
}

/// Texts in few large blocks, each below the four GiB that a view can address.
#[derive(Default)]
struct Outputs {
    blocks: Vec<String>,
    places: Vec<Option<(u32, u32, u32)>>,
}

impl Outputs {
    const BLOCK: usize = 1 << 30;

    fn push(&mut self, write: impl FnOnce(&mut String)) {
        let block = self.block();
        let offset = block.len();
        write(block);
        let length = block.len() - offset;
        self.places.push(Some((self.blocks.len() as u32 - 1, offset as u32, length as u32)));
    }

    fn try_push(&mut self, write: impl FnOnce(&mut String) -> Result<(), PrivacyError>) -> Result<(), PrivacyError> {
        let mut result = Ok(());
        self.push(|out| result = write(out));
        result
    }

    fn push_null(&mut self) {
        self.places.push(None);
    }

    fn block(&mut self) -> &mut String {
        if self.blocks.last().is_none_or(|block| block.len() >= Self::BLOCK) {
            self.blocks.push(String::new());
        }
        let last = self.blocks.len() - 1;
        &mut self.blocks[last]
    }
}

fn vault_codes(kind: &str, values: &[&str], context: &PrivacyContext) -> Result<Outputs, PrivacyError> {
    let vault = context.vault().ok_or(NO_VAULT)?;
    let asked: Vec<&str> = values.iter().copied().filter(|value| !canonical(kind, value).is_empty()).collect();
    let mut codes = vault.codes(kind, &asked)?.into_iter();
    let mut made = Outputs::default();
    for value in values {
        match (canonical(kind, value).is_empty(), codes.len()) {
            (false, 1..) => {
                let code = codes.next().unwrap_or_default();
                made.push(|out| out.push_str(&code));
            }
            _ => made.push_null(),
        }
    }
    Ok(made)
}

/// Text made from each value; values for which nothing is written are suppressed.
fn map_text(text: &StringViewArray, tally: &mut Tally, mut write: impl FnMut(usize, &str, &mut String) -> bool) -> ArrayRef {
    let mut builder = StringViewBuilder::with_capacity(text.len());
    let mut out = String::new();
    for (row, value) in text.iter().enumerate() {
        let Some(value) = value else {
            builder.append_null();
            continue;
        };
        out.clear();
        if write(row, value, &mut out) {
            tally.changed += u64::from(out != value);
            builder.append_value(&out);
        } else {
            tally.suppressed += 1;
            builder.append_null();
        }
    }
    Arc::new(builder.finish())
}

/// Days of each row's patient; `None` for rows without one.
fn shift_days(rows: usize, max_days: u16, around: &Surroundings<'_>) -> Result<Vec<Option<i32>>, PrivacyError> {
    const NO_PATIENT: PrivacyError =
        PrivacyError::Operation { operation: "shifting dates", reason: "the patient column was not given for every row" };
    let patients = around.patients.filter(|patients| patients.len() == rows).ok_or(NO_PATIENT)?;
    let context = around.keyed()?;
    let mut known: HashMap<&str, Option<i32>> = HashMap::new();
    let mut days_of = |patient| *known.entry(patient).or_insert_with(|| context.shift_days(patient, max_days));
    Ok(patients.iter().map(|patient| patient.and_then(&mut days_of)).collect())
}

fn shift(values: &ArrayRef, max_days: u16, around: &Surroundings<'_>, tally: &mut Tally) -> Result<ArrayRef, PrivacyError> {
    let days = shift_days(values.len(), max_days, around)?;
    if is_text(values.data_type()) {
        let text = as_text(values)?;
        return Ok(map_text(&text, tally, |row, value, out| days[row].is_some_and(|days| shift_iso(value, days, out))));
    }
    Ok(match values.data_type() {
        DataType::Date32 => {
            let dates = values.as_primitive::<Date32Type>();
            let moved = dates.iter().zip(&days).map(|(date, days)| date?.checked_add((*days)?)).collect::<PrimitiveArray<Date32Type>>();
            count_moved(&moved, tally);
            Arc::new(moved)
        }
        DataType::Date64 => shift_by::<Date64Type>(values, &days, 86_400_000, tally),
        DataType::Timestamp(TimeUnit::Second, _) => shift_by::<TimestampSecondType>(values, &days, 86_400, tally),
        DataType::Timestamp(TimeUnit::Millisecond, _) => shift_by::<TimestampMillisecondType>(values, &days, 86_400_000, tally),
        DataType::Timestamp(TimeUnit::Microsecond, _) => shift_by::<TimestampMicrosecondType>(values, &days, 86_400_000_000, tally),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => shift_by::<TimestampNanosecondType>(values, &days, 86_400_000_000_000, tally),
        other => return Err(unplanned("shift-date", other)),
    })
}

fn shift_by<T: ArrowPrimitiveType<Native = i64>>(values: &ArrayRef, days: &[Option<i32>], day: i64, tally: &mut Tally) -> ArrayRef {
    let times = values.as_primitive::<T>();
    let moved = times.iter().zip(days).map(|(time, days)| time?.checked_add(i64::from((*days)?).checked_mul(day)?));
    let moved = moved.collect::<PrimitiveArray<T>>().with_data_type(values.data_type().clone());
    count_moved(&moved, tally);
    Arc::new(moved)
}

/// A shift changes every value it does not suppress.
fn count_moved(moved: &dyn Array, tally: &mut Tally) {
    tally.changed = (moved.len() - moved.null_count()) as u64;
    tally.suppressed = tally.rows - tally.nulls - tally.changed;
}

/// Day numbers (from 1970-01-01, UTC) of dates and timestamps.
fn epoch_days(values: &ArrayRef) -> Result<Vec<Option<i64>>, PrivacyError> {
    fn days<T: ArrowPrimitiveType<Native = i64>>(values: &ArrayRef, day: i64) -> Vec<Option<i64>> {
        values.as_primitive::<T>().iter().map(|time| Some(time?.div_euclid(day))).collect()
    }
    Ok(match values.data_type() {
        DataType::Date32 => values.as_primitive::<Date32Type>().iter().map(|day| day.map(i64::from)).collect(),
        DataType::Date64 => days::<Date64Type>(values, 86_400_000),
        DataType::Timestamp(TimeUnit::Second, _) => days::<TimestampSecondType>(values, 86_400),
        DataType::Timestamp(TimeUnit::Millisecond, _) => days::<TimestampMillisecondType>(values, 86_400_000),
        DataType::Timestamp(TimeUnit::Microsecond, _) => days::<TimestampMicrosecondType>(values, 86_400_000_000),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => days::<TimestampNanosecondType>(values, 86_400_000_000_000),
        other => return Err(unplanned("reading dates", other)),
    })
}

fn date_of(epoch_day: i64) -> Option<NaiveDate> {
    const FIRST_OF_1970: i64 = 719_163;
    NaiveDate::from_num_days_from_ce_opt(i32::try_from(epoch_day.checked_add(FIRST_OF_1970)?).ok()?)
}

fn year(values: &ArrayRef, reference_year: i32, tally: &mut Tally) -> Result<ArrayRef, PrivacyError> {
    use std::fmt::Write;
    if is_text(values.data_type()) {
        let text = as_text(values)?;
        return Ok(map_text(&text, tally, |_, value, out| match parse_year(value).map(|year| year_shown(year, reference_year)) {
            Some(YearOrOlder::Year(year)) => write!(out, "{year:04}").is_ok(),
            Some(YearOrOlder::OrEarlier(year)) => write!(out, "{year:04}-or-earlier").is_ok(),
            None => false,
        }));
    }
    let years = epoch_days(values)?.into_iter().map(|day| match year_shown(date_of(day?)?.year(), reference_year) {
        YearOrOlder::Year(year) => Some(year),
        // A number column has no room for a category.
        YearOrOlder::OrEarlier(_) => None,
    });
    let years = years.collect::<Int32Array>();
    count_moved(&years, tally);
    Ok(Arc::new(years))
}

fn age(values: &ArrayRef, scheme: AgeScheme, reference: NaiveDate, tally: &mut Tally) -> Result<ArrayRef, PrivacyError> {
    let write_band = |age: Option<u32>, out: &mut String| {
        let band = age.and_then(|age| age_band(age, scheme));
        out.push_str(band.unwrap_or_default());
        band.is_some()
    };
    let data_type = values.data_type();
    if is_text(data_type) {
        let text = as_text(values)?;
        // An age or a birth date: no year of four digits is an age that anybody has.
        let age_of = |value: &str| parse_age(value).filter(|age| *age <= OLDEST_AGE).or_else(|| age_on(value, reference));
        return Ok(map_text(&text, tally, |_, value, out| write_band(age_of(value), out)));
    }
    if matches!(data_type, DataType::Date32 | DataType::Date64 | DataType::Timestamp(..)) {
        let ages = epoch_days(values)?.into_iter().map(|day| reference.years_since(date_of(day?)?));
        let bands = ages.map(|age| age.and_then(|age| age_band(age, scheme))).collect::<StringViewArray>();
        count_moved(&bands, tally);
        return Ok(Arc::new(bands));
    }
    if scheme == AgeScheme::TopCode && data_type.is_floating() {
        let limit = f64::from(OLDEST_SHOWN_AGE + 1);
        let ages = cast(values, &DataType::Float64)?;
        let coded = ages.as_primitive::<Float64Type>().iter().map(|age| Some(age.filter(|age| (0.0..131.0).contains(age))?.min(limit)));
        let coded = coded.collect::<Float64Array>();
        let differ = |(a, b): (Option<f64>, Option<f64>)| b.is_some_and(|b| a.is_some_and(|a| a.total_cmp(&b).is_ne()));
        count_changed(&coded, ages.as_primitive::<Float64Type>().iter().zip(coded.iter()).filter(|pair| differ(*pair)).count(), tally);
        return Ok(cast(&coded, data_type)?);
    }
    let ages = if data_type.is_floating() {
        let floats = cast(values, &DataType::Float64)?;
        floats.as_primitive::<Float64Type>().iter().map(|age| age.filter(|age| (0.0..131.0).contains(age)).map(|age| age as i64)).collect()
    } else {
        cast(values, &DataType::Int64)?.as_primitive::<Int64Type>().clone()
    };
    if scheme == AgeScheme::TopCode {
        let coded = ages.iter().map(|age| top_coded(age?)).collect::<Int64Array>();
        count_changed(&coded, ages.iter().zip(coded.iter()).filter(|(a, b)| b.is_some() && a != b).count(), tally);
        return Ok(cast(&coded, data_type)?);
    }
    let bands = ages.iter().map(|age| age_band(u32::try_from(age?).ok()?, scheme)).collect::<StringViewArray>();
    count_moved(&bands, tally);
    Ok(Arc::new(bands))
}

fn count_changed(out: &dyn Array, changed: usize, tally: &mut Tally) {
    tally.changed = changed as u64;
    tally.suppressed = tally.rows - tally.nulls - (out.len() - out.null_count()) as u64;
}

fn zip(values: &ArrayRef, tally: &mut Tally) -> Result<ArrayRef, PrivacyError> {
    if values.data_type().is_integer() {
        // A number column has lost its leading zeros.
        let codes = cast(values, &DataType::Int64)?;
        let text = codes.as_primitive::<Int64Type>().iter().map(|code| code.map(|code| format!("{code:05}"))).collect::<StringViewArray>();
        return zip(&(Arc::new(text) as ArrayRef), tally);
    }
    let text = as_text(values)?;
    let shown: StringViewArray = text.iter().map(|value| value.map(zip3)).collect();
    let hidden = shown.iter().flatten().filter(|shown| *shown == NO_ZIP3).count() as u64;
    tally.suppressed = hidden;
    tally.changed = tally.rows - tally.nulls - hidden;
    // `zip3` gives slices of the input; the collected array has its own copies.
    Ok(Arc::new(shown))
}

fn items(inner: &Treatment, values: &ArrayRef, around: &Surroundings<'_>, tally: &mut Tally) -> Result<ArrayRef, PrivacyError> {
    let values = match values.data_type() {
        DataType::LargeList(field) | DataType::FixedSizeList(field, _) | DataType::ListView(field) => {
            cast(values, &DataType::List(Arc::clone(field)))?
        }
        _ => Arc::clone(values),
    };
    let Some(list) = values.as_list_opt::<i32>() else { return Err(unplanned("a list", values.data_type())) };
    // Null rows may still cover items; only items that a row shows are looked at.
    let mut owners = Vec::with_capacity(list.values().len());
    let mut shown = Vec::with_capacity(list.values().len());
    let mut lengths = Vec::with_capacity(list.len());
    for row in 0..list.len() {
        let (from, to) = (list.value_offsets()[row] as u32, list.value_offsets()[row + 1] as u32);
        let length = if list.is_null(row) { 0 } else { to - from };
        owners.extend(std::iter::repeat_n(row as u32, length as usize));
        shown.extend(from..from + length);
        lengths.push(length as usize);
    }
    let contents = take(list.values(), &UInt32Array::from(shown), None)?;
    let owners = UInt32Array::from(owners);
    let of_owners = |values: &StringViewArray| take(values, &owners, None);
    let patients = around.patients.map(of_owners).transpose()?;
    let known = around.known.iter().map(|(class, values)| Ok((class.clone(), of_owners(values)?.as_string_view().clone())));
    let known: Vec<_> = known.collect::<Result<_, PrivacyError>>()?;
    let patients = patients.as_ref().map(AsArray::as_string_view);
    let inside = Surroundings { context: around.context, reference: around.reference, patients, known: &known };
    let (treated, inner_tally) = inner.apply(&contents, &inside)?;
    tally.changed = inner_tally.changed;
    tally.suppressed = inner_tally.suppressed;
    let DataType::List(field) = values.data_type() else { return Err(unplanned("a list", values.data_type())) };
    let field = Arc::new(field.as_ref().clone().with_data_type(treated.data_type().clone()).with_nullable(true));
    let offsets = arrow::buffer::OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(ListArray::try_new(field, offsets, treated, list.nulls().cloned())?))
}

fn children_of(
    children: &[(usize, Treatment)],
    fields: &Fields,
    values: &ArrayRef,
    around: &Surroundings<'_>,
    tally: &mut Tally,
) -> Result<ArrayRef, PrivacyError> {
    let Some(parent) = values.as_struct_opt() else { return Err(unplanned("a struct", values.data_type())) };
    let mut columns = Vec::with_capacity(children.len());
    for (position, treatment) in children {
        let (column, inner) = treatment.apply(parent.column(*position), around)?;
        tally.changed += inner.changed;
        tally.suppressed += inner.suppressed;
        columns.push(column);
    }
    Ok(Arc::new(StructArray::try_new(fields.clone(), columns, parent.nulls().cloned())?))
}

fn unplanned(operation: &'static str, found: &DataType) -> PrivacyError {
    PrivacyError::SchemaChanged { column: operation.to_owned(), expected: "the planned type".to_owned(), found: found.to_string() }
}
