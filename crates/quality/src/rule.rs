//! A check made ready for the columns of one schema: what is looked up once is looked up here.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use arrow::datatypes::Schema;
use regex::Regex;
use sutura_core::{Precision, record::COL_SHA256};

use crate::{
    columns::{Cell, Columns, Form, Slots},
    duration::parse_duration_micros,
    format::{check_digit_holds, compile_pattern, has_type},
    keys::Unit,
    order::gap,
    reference::{ReferenceSet, ReferenceSets},
    spec::{CheckDigit, CheckKind, CheckSpec, NumberRange, ValueType},
};

/// What a check says about one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    NotApplicable,
    Pass,
    Fail,
}

impl Verdict {
    fn of(holds: bool) -> Self {
        if holds { Verdict::Pass } else { Verdict::Fail }
    }
}

/// Why a check cannot run on this table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Blocked {
    /// The check or the table is wrong.
    Error(String),
    /// There is nothing to compare with.
    NotMeasured(String),
}

impl From<String> for Blocked {
    fn from(reason: String) -> Self {
        Blocked::Error(reason)
    }
}

/// Which rows a check counts.
#[derive(Debug)]
pub(crate) struct RowCondition {
    slot: usize,
    values: HashSet<String>,
}

impl RowCondition {
    pub(crate) fn compile(spec: &CheckSpec, schema: &Schema, slots: &mut Slots) -> Result<Option<Self>, Blocked> {
        let Some(condition) = &spec.only_where else { return Ok(None) };
        let slot = slots.add(schema, &condition.column, Form::Text)?;
        Ok(Some(Self { slot, values: condition.values.iter().cloned().collect() }))
    }

    pub(crate) fn holds(&self, columns: &Columns, row: usize) -> bool {
        columns.text(self.slot, row, true).is_some_and(|value| self.values.is_empty() || self.values.contains(value.trim()))
    }
}

/// A check that judges rows one by one, or the key that it counts.
#[derive(Debug)]
pub(crate) enum Rule {
    Required { slot: usize },
    Type { slot: usize, value_type: ValueType },
    Allowed { slot: usize, values: HashSet<String>, ignore_case: bool },
    Format { slot: usize, pattern: Option<Regex>, check_digit: Option<CheckDigit> },
    Range { number: usize, code: Option<usize>, own: Option<NumberRange>, ranges: HashMap<String, NumberRange> },
    Key { slots: Vec<usize>, unit: Unit },
    Exists { slot: usize, set: Arc<ReferenceSet>, ignore_case: bool },
    Temporal { earlier: usize, later: usize },
    Timeliness { event: usize, received: usize, within_micros: i64 },
    SameText { slot: usize, reference: usize, ignore_case: bool },
    SameNumber { number: usize, reference: usize, tolerance: f64 },
}

impl Rule {
    /// Makes a checked specification ready for a schema.
    pub(crate) fn compile(spec: &CheckSpec, schema: &Schema, references: &ReferenceSets, slots: &mut Slots) -> Result<Self, Blocked> {
        let mut slot = |name: &Option<String>, form: Form| -> Result<usize, Blocked> {
            let name = name.as_deref().ok_or_else(|| "a column of the check is not named".to_owned())?;
            Ok(slots.add(schema, name, form)?)
        };
        Ok(match spec.kind {
            CheckKind::Required => Rule::Required { slot: slot(&spec.column, Form::Presence)? },
            CheckKind::Type => {
                let value_type = spec.value_type.ok_or_else(|| "value_type is missing".to_owned())?;
                Rule::Type { slot: slot(&spec.column, Form::Text)?, value_type }
            }
            CheckKind::Allowed => {
                let value = |value: &String| if spec.ignore_case { value.to_ascii_lowercase() } else { value.clone() };
                Rule::Allowed {
                    slot: slot(&spec.column, Form::Text)?,
                    values: spec.values.iter().map(value).collect(),
                    ignore_case: spec.ignore_case,
                }
            }
            CheckKind::Format => Rule::Format {
                slot: slot(&spec.column, Form::Text)?,
                pattern: spec.pattern.as_deref().map(compile_pattern).transpose()?,
                check_digit: spec.check_digit,
            },
            CheckKind::Range => Rule::Range {
                number: slot(&spec.column, Form::Number)?,
                code: if spec.code_column.is_some() { Some(slot(&spec.code_column, Form::Text)?) } else { None },
                own: (spec.min.is_some() || spec.max.is_some()).then_some(NumberRange { min: spec.min, max: spec.max }),
                ranges: spec.ranges.iter().map(|(code, range)| (code.clone(), *range)).collect(),
            },
            CheckKind::Unique => {
                let names: Vec<&str> = spec.key_columns();
                let slots = names.iter().map(|name| slots.add(schema, name, Form::Text)).collect::<Result<Vec<_>, _>>()?;
                Rule::Key { slots, unit: Unit::Rows }
            }
            CheckKind::Duplicate => Rule::Key { slots: vec![slots.add(schema, COL_SHA256, Form::Text)?], unit: Unit::Records },
            CheckKind::Temporal => Rule::Temporal { earlier: slot(&spec.earlier, Form::Moment)?, later: slot(&spec.later, Form::Moment)? },
            CheckKind::Timeliness => Rule::Timeliness {
                event: slot(&spec.event, Form::Moment)?,
                received: slot(&spec.received, Form::Moment)?,
                within_micros: spec.within.as_deref().and_then(parse_duration_micros).ok_or_else(|| "within is missing".to_owned())?,
            },
            CheckKind::Reference | CheckKind::Accuracy => match (&spec.reference_column, spec.tolerance) {
                (Some(_), Some(tolerance)) => Rule::SameNumber {
                    number: slot(&spec.column, Form::Number)?,
                    reference: slot(&spec.reference_column, Form::Number)?,
                    tolerance,
                },
                (Some(_), None) => Rule::SameText {
                    slot: slot(&spec.column, Form::Text)?,
                    reference: slot(&spec.reference_column, Form::Text)?,
                    ignore_case: spec.ignore_case,
                },
                (None, _) => {
                    let slot = slot(&spec.column, Form::Text)?;
                    Rule::Exists { slot, set: reference_set(spec, references)?, ignore_case: spec.ignore_case }
                }
            },
        })
    }

    /// Judges one row. Keys are counted elsewhere.
    pub(crate) fn judge(&self, columns: &Columns, row: usize, empty_is_missing: bool) -> Verdict {
        let text = |slot: usize| columns.text(slot, row, empty_is_missing);
        let judge_text =
            |slot: usize, holds: &dyn Fn(&str) -> bool| text(slot).map_or(Verdict::NotApplicable, |text| Verdict::of(holds(text)));
        match self {
            Rule::Required { slot } => Verdict::of(columns.is_present(*slot, row, empty_is_missing)),
            Rule::Type { slot, value_type } => judge_text(*slot, &|text| has_type(text, *value_type)),
            Rule::Allowed { slot, values, ignore_case } => judge_text(*slot, &|text| {
                if *ignore_case && text.bytes().any(|byte| byte.is_ascii_uppercase()) {
                    values.contains(&text.to_ascii_lowercase())
                } else {
                    values.contains(text)
                }
            }),
            Rule::Format { slot, pattern, check_digit } => judge_text(*slot, &|text| {
                pattern.as_ref().is_none_or(|pattern| pattern.is_match(text))
                    && check_digit.is_none_or(|scheme| check_digit_holds(text, scheme))
            }),
            Rule::Range { number, code, own, ranges } => {
                let number = columns.number(*number, row);
                if number == Cell::Missing {
                    return Verdict::NotApplicable;
                }
                let of_code = code.and_then(|code| columns.text(code, row, true)).and_then(|code| ranges.get(code.trim()));
                match (of_code.or(own.as_ref()), number) {
                    (None, _) => Verdict::NotApplicable,
                    (Some(range), Cell::Value(number)) => Verdict::of(range.contains(number)),
                    (Some(_), _) => Verdict::Fail,
                }
            }
            Rule::Exists { slot, set, ignore_case } => judge_text(*slot, &|text| set.contains(text, *ignore_case)),
            Rule::Temporal { earlier, later } => match (columns.moment(*earlier, row), columns.moment(*later, row)) {
                (Cell::Value(earlier), Cell::Value(later)) => {
                    let gap = gap(&earlier, &later);
                    decide(gap.least >= 0, gap.greatest < 0)
                }
                // Text that is no time is the business of a `type` check.
                _ => Verdict::NotApplicable,
            },
            Rule::Timeliness { event, received, within_micros } => match (columns.moment(*event, row), columns.moment(*received, row)) {
                (Cell::Value(event), Cell::Value(received)) => {
                    let gap = gap(&event, &received);
                    // A month cannot be late by days.
                    if gap.precision < Precision::Day {
                        return Verdict::NotApplicable;
                    }
                    decide(gap.greatest <= *within_micros, gap.least > *within_micros)
                }
                _ => Verdict::NotApplicable,
            },
            Rule::SameText { slot, reference, ignore_case } => match (text(*slot), text(*reference)) {
                (Some(value), Some(truth)) if *ignore_case => Verdict::of(value.trim().eq_ignore_ascii_case(truth.trim())),
                (Some(value), Some(truth)) => Verdict::of(value.trim() == truth.trim()),
                _ => Verdict::NotApplicable,
            },
            Rule::SameNumber { number, reference, tolerance } => match (columns.number(*number, row), columns.number(*reference, row)) {
                (Cell::Value(value), Cell::Value(truth)) => Verdict::of((value - truth).abs() <= *tolerance),
                (Cell::Unreadable, Cell::Value(_)) => Verdict::Fail,
                _ => Verdict::NotApplicable,
            },
            Rule::Key { .. } => Verdict::NotApplicable,
        }
    }
}

/// A verdict only where it is the same under every possible offset.
fn decide(surely_holds: bool, surely_fails: bool) -> Verdict {
    match (surely_holds, surely_fails) {
        (true, _) => Verdict::Pass,
        (_, true) => Verdict::Fail,
        _ => Verdict::NotApplicable,
    }
}

fn reference_set(spec: &CheckSpec, references: &ReferenceSets) -> Result<Arc<ReferenceSet>, Blocked> {
    if !spec.values.is_empty() {
        return Ok(Arc::new(spec.values.iter().map(String::as_str).collect()));
    }
    match &spec.reference {
        Some(name) => match references.get(name) {
            Some(set) => Ok(Arc::clone(set)),
            None => Err(Blocked::Error(format!("the reference set {name} was not supplied; name a table and column of the job"))),
        },
        None => Err(Blocked::NotMeasured("there is no reference to compare with".to_owned())),
    }
}
