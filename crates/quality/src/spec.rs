//! What a check is, as a person writes it: one flat table of keys, defaults stated, unknown keys refused.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{dimension::Dimension, duration::parse_duration_micros};

/// What a check looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CheckKind {
    /// The value is there.
    Required,
    /// The text reads as `value_type`.
    Type,
    /// The value is one of `values`.
    Allowed,
    /// The whole value matches `pattern` (or has a right `check_digit`, or both).
    Format,
    /// The number lies between `min` and `max`, or in the range of its code (`code_column`, `ranges`).
    Range,
    /// No other row has the same values in `columns`.
    Unique,
    /// The value exists in another data set (`reference`) or in `values`.
    Reference,
    /// `earlier` is not after `later`.
    Temporal,
    /// No other record has the same content hash (`_sha256`).
    Duplicate,
    /// `received` follows `event` within `within`.
    Timeliness,
    /// The value equals that of `reference_column`, or exists in the trusted `reference` or `values`.
    /// Without any of these, accuracy is not measured.
    Accuracy,
}

impl CheckKind {
    /// The word used in specifications and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            CheckKind::Required => "required",
            CheckKind::Type => "type",
            CheckKind::Allowed => "allowed",
            CheckKind::Format => "format",
            CheckKind::Range => "range",
            CheckKind::Unique => "unique",
            CheckKind::Reference => "reference",
            CheckKind::Temporal => "temporal",
            CheckKind::Duplicate => "duplicate",
            CheckKind::Timeliness => "timeliness",
            CheckKind::Accuracy => "accuracy",
        }
    }

    /// The dimension a check of this kind counts for, unless it names another.
    pub fn dimension(self) -> Dimension {
        match self {
            CheckKind::Required => Dimension::Completeness,
            CheckKind::Type | CheckKind::Allowed | CheckKind::Format | CheckKind::Range => Dimension::Validity,
            CheckKind::Unique | CheckKind::Reference | CheckKind::Temporal | CheckKind::Duplicate => Dimension::Consistency,
            CheckKind::Timeliness => Dimension::Timeliness,
            CheckKind::Accuracy => Dimension::Accuracy,
        }
    }

    /// The keys a check of this kind takes beyond the common ones.
    fn keys(self) -> &'static [&'static str] {
        match self {
            CheckKind::Required => &["column"],
            CheckKind::Type => &["column", "value_type"],
            CheckKind::Allowed => &["column", "values", "ignore_case"],
            CheckKind::Format => &["column", "pattern", "check_digit"],
            CheckKind::Range => &["column", "min", "max", "code_column", "ranges"],
            CheckKind::Unique => &["column", "columns"],
            CheckKind::Reference => &["column", "values", "ignore_case", "reference"],
            CheckKind::Temporal => &["earlier", "later"],
            CheckKind::Duplicate => &[],
            CheckKind::Timeliness => &["event", "received", "within"],
            CheckKind::Accuracy => &["column", "values", "ignore_case", "reference", "reference_column", "tolerance"],
        }
    }
}

impl fmt::Display for CheckKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a text value should read as (`kind = "type"`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ValueType {
    /// A finite decimal number, with or without exponent.
    Number,
    /// A whole number that fits 64 bits.
    Integer,
    /// `true`/`false`, `t`/`f`, `yes`/`no`, `y`/`n`, `1`/`0`, in any case.
    Boolean,
    /// An ISO 8601 date, whole or partial (`1980`, `1980-06`, `1980-06-30`).
    Date,
    /// An ISO 8601 date or date-time of any precision, with or without offset.
    Timestamp,
}

/// A check digit scheme of a code system (`kind = "format"`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CheckDigit {
    /// LOINC: digits, a hyphen, then the Mod 10 (Luhn) digit.
    Loinc,
    /// US National Provider Identifier: ten digits, Luhn with the prefix 80840.
    Npi,
    /// SNOMED CT identifier: 6 to 18 digits, the last by Verhoeff.
    SnomedCt,
}

/// Limits of a number; both ends belong to the range, an absent end is open.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NumberRange {
    /// The least value allowed. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// The greatest value allowed. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
}

impl NumberRange {
    /// Whether a number lies in the range.
    pub fn contains(&self, number: f64) -> bool {
        self.min.is_none_or(|min| number >= min) && self.max.is_none_or(|max| number <= max)
    }
}

/// Which rows a check applies to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// The column to look at.
    pub column: String,
    /// The row counts when its value is one of these. Empty: when there is any value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

/// One check. Keys that its kind does not take are refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckSpec {
    /// What the check looks at.
    pub kind: CheckKind,
    /// The name in the report; unique in a plan. Default: kind and columns (`range:value_number`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The column to check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// `unique`: the columns of the key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// The dimension the check counts for. Default: by kind (required: completeness; type, allowed, format,
    /// range: validity; unique, reference, temporal, duplicate: consistency; timeliness; accuracy).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dimension: Option<Dimension>,
    /// The check passes when its rate is at least this, from 0 to 1. Default: 0.95.
    #[serde(default = "default_threshold")]
    pub threshold: f64,
    /// The weight in its dimension. Default: 1.
    #[serde(default = "default_weight")]
    pub weight: f64,
    /// Only rows that meet this condition are counted. Default: all rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only_where: Option<Condition>,
    /// Whether empty or blank text counts as missing, like null. Default: true.
    #[serde(default = "default_true")]
    pub empty_is_missing: bool,
    /// `type`: what the text should read as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_type: Option<ValueType>,
    /// `allowed`: the allowed values. `reference`, `accuracy`: the values that exist.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// `allowed`, `reference`, `accuracy`: compare without regard to ASCII case. Default: false.
    #[serde(default)]
    pub ignore_case: bool,
    /// `format`: a regular expression (RE2 syntax, no look-around) that must match the whole value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// `format`: the check digit scheme.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_digit: Option<CheckDigit>,
    /// `range`: the least value allowed; with `ranges`, for codes without a range of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// `range`: the greatest value allowed; with `ranges`, for codes without a range of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// `range`: the column whose value chooses the range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_column: Option<String>,
    /// `range`: the range of each code, e.g. plausible potassium: `"2823-3" = { min = 1.0, max = 12.0 }`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ranges: BTreeMap<String, NumberRange>,
    /// `reference`, `accuracy`: the name of a set of values that the caller supplies (in a job: `table.column`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// `accuracy`: the column of the same row that holds the true value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference_column: Option<String>,
    /// `accuracy` with `reference_column`: numbers agree when they differ by no more than this. Default: equal text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<f64>,
    /// `temporal`: the column of the earlier time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier: Option<String>,
    /// `temporal`: the column of the later time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub later: Option<String>,
    /// `timeliness`: the column of the time of the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// `timeliness`: the column of the time of receipt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received: Option<String>,
    /// `timeliness`: how long receipt may take: a whole number and `s`, `m`, `h` or `d` (`"36h"`, `"7d"`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<String>,
}

fn default_threshold() -> f64 {
    0.95
}

fn default_weight() -> f64 {
    1.0
}

fn default_true() -> bool {
    true
}

impl CheckSpec {
    /// A check with every other key at its default.
    pub fn new(kind: CheckKind) -> Self {
        Self {
            kind,
            name: None,
            column: None,
            columns: Vec::new(),
            dimension: None,
            threshold: default_threshold(),
            weight: default_weight(),
            only_where: None,
            empty_is_missing: true,
            value_type: None,
            values: Vec::new(),
            ignore_case: false,
            pattern: None,
            check_digit: None,
            min: None,
            max: None,
            code_column: None,
            ranges: BTreeMap::new(),
            reference: None,
            reference_column: None,
            tolerance: None,
            earlier: None,
            later: None,
            event: None,
            received: None,
            within: None,
        }
    }

    /// A check of one column with every other key at its default.
    pub fn of(kind: CheckKind, column: impl Into<String>) -> Self {
        Self { column: Some(column.into()), ..Self::new(kind) }
    }

    /// The name in the report: the given one, else kind and columns.
    pub fn display_name(&self) -> String {
        match &self.name {
            Some(name) => name.clone(),
            None if self.key_columns().is_empty() => self.kind.as_str().to_owned(),
            None => format!("{}:{}", self.kind, self.key_columns().join("+")),
        }
    }

    /// The columns the check is about, in order (without the columns of `only_where`).
    pub fn key_columns(&self) -> Vec<&str> {
        [&self.column, &self.earlier, &self.later, &self.event, &self.received]
            .into_iter()
            .filter_map(|column| column.as_deref())
            .chain(self.columns.iter().map(String::as_str))
            .collect()
    }

    /// Every column the check looks at, for the report.
    pub fn all_columns(&self) -> Vec<String> {
        let further = [&self.code_column, &self.reference_column];
        let mut columns: Vec<String> = self.key_columns().into_iter().map(str::to_owned).collect();
        columns.extend(further.into_iter().flatten().cloned());
        if self.kind == CheckKind::Duplicate {
            columns.push(sutura_core::record::COL_SHA256.to_owned());
        }
        columns
    }

    /// The dimension the check counts for.
    pub fn effective_dimension(&self) -> Dimension {
        self.dimension.unwrap_or(self.kind.dimension())
    }

    /// What is wrong with the specification by itself, without any data. Empty: usable.
    pub fn problems(&self) -> Vec<SpecProblem> {
        let mut problems = Vec::new();
        let mut report = |key: &'static str, message: String| problems.push(SpecProblem { check: self.display_name(), key, message });
        for key in self.set_keys() {
            if !self.kind.keys().contains(&key) {
                report(key, format!("a check of kind {} does not take this key; it takes {}", self.kind, self.kind.keys().join(", ")));
            }
        }
        if !(0.0..=1.0).contains(&self.threshold) {
            report("threshold", "must lie between 0 and 1".into());
        }
        if !(self.weight.is_finite() && self.weight > 0.0) {
            report("weight", "must be a positive number".into());
        }
        let needs_column = self.kind.keys().contains(&"column") && self.kind != CheckKind::Unique;
        if needs_column && self.column.is_none() {
            report("column", "is missing; name the column to check".into());
        }
        match self.kind {
            CheckKind::Type if self.value_type.is_none() => {
                report("value_type", "is missing; use number, integer, boolean, date or timestamp".into());
            }
            CheckKind::Allowed if self.values.is_empty() => report("values", "is missing; list the allowed values".into()),
            CheckKind::Format if self.pattern.is_none() && self.check_digit.is_none() => {
                report("pattern", "is missing; give a pattern or a check_digit".into());
            }
            CheckKind::Range => self.range_problems(&mut report),
            CheckKind::Unique if self.column.is_none() == self.columns.is_empty() => {
                report("columns", "name the key either with column or with columns".into());
            }
            CheckKind::Reference if self.values.is_empty() == self.reference.is_none() => {
                report("reference", "name either a reference set or values".into());
            }
            CheckKind::Temporal => {
                for (key, column) in [("earlier", &self.earlier), ("later", &self.later)] {
                    if column.is_none() {
                        report(key, "is missing; name the column of this time".into());
                    }
                }
            }
            CheckKind::Timeliness => {
                for (key, column) in [("event", &self.event), ("received", &self.received)] {
                    if column.is_none() {
                        report(key, "is missing; name the column of this time".into());
                    }
                }
                if self.within.as_deref().and_then(parse_duration_micros).is_none() {
                    report("within", "must be a whole number and s, m, h or d, such as \"36h\"".into());
                }
            }
            CheckKind::Accuracy => {
                let references = [self.reference.is_some(), self.reference_column.is_some(), !self.values.is_empty()]
                    .into_iter()
                    .filter(|set| *set)
                    .count();
                if references > 1 {
                    report("reference", "name only one of reference, reference_column and values".into());
                }
                if self.tolerance.is_some_and(|tolerance| !(tolerance.is_finite() && tolerance >= 0.0)) {
                    report("tolerance", "must be a number of at least 0".into());
                }
                if self.tolerance.is_some() && self.reference_column.is_none() {
                    report("tolerance", "needs a reference_column".into());
                }
            }
            _ => {}
        }
        if let Some(pattern) = &self.pattern
            && let Err(reason) = crate::format::compile_pattern(pattern)
        {
            report("pattern", reason);
        }
        problems
    }

    fn range_problems(&self, report: &mut impl FnMut(&'static str, String)) {
        if self.min.is_none() && self.max.is_none() && self.ranges.is_empty() {
            report("min", "is missing; give min, max or ranges".into());
        }
        if self.code_column.is_some() == self.ranges.is_empty() {
            report("ranges", "code_column and ranges belong together".into());
        }
        let own = NumberRange { min: self.min, max: self.max };
        for range in self.ranges.values().chain([&own]) {
            let finite = [range.min, range.max].into_iter().flatten().all(f64::is_finite);
            let ordered = !matches!((range.min, range.max), (Some(min), Some(max)) if min > max);
            if !finite || !ordered {
                report("ranges", "min and max must be finite and min not above max".into());
            }
        }
    }

    /// The kind-specific keys that were set.
    fn set_keys(&self) -> Vec<&'static str> {
        [
            ("column", self.column.is_some()),
            ("columns", !self.columns.is_empty()),
            ("value_type", self.value_type.is_some()),
            ("values", !self.values.is_empty()),
            ("ignore_case", self.ignore_case),
            ("pattern", self.pattern.is_some()),
            ("check_digit", self.check_digit.is_some()),
            ("min", self.min.is_some()),
            ("max", self.max.is_some()),
            ("code_column", self.code_column.is_some()),
            ("ranges", !self.ranges.is_empty()),
            ("reference", self.reference.is_some()),
            ("reference_column", self.reference_column.is_some()),
            ("tolerance", self.tolerance.is_some()),
            ("earlier", self.earlier.is_some()),
            ("later", self.later.is_some()),
            ("event", self.event.is_some()),
            ("received", self.received.is_some()),
            ("within", self.within.is_some()),
        ]
        .into_iter()
        .filter_map(|(key, set)| set.then_some(key))
        .collect()
    }
}

/// One thing wrong with a specification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecProblem {
    /// Name of the check.
    pub check: String,
    /// The key at fault.
    pub key: &'static str,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl fmt::Display for SpecProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "check {}: {}: {}", self.check, self.key, self.message)
    }
}
