//! The result: each check with its numbers, the dimensions, the overall score. No field content.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    dimension::{Dimension, Level},
    evaluate::PlannedCheck,
    interval::wilson_95,
    recommend::{Recommendation, recommend},
    record_score::RecordScoreSummary,
    rule::Blocked,
    sample::{FailedRecords, FailedSample},
    spec::CheckKind,
};

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CheckStatus {
    /// The rate reached the threshold.
    Pass,
    /// The rate stayed below the threshold.
    Fail,
    /// There was nothing to count, or nothing to compare with.
    NotApplicable,
    /// The check could not run; `reason` says why.
    Error,
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CheckResult {
    /// Name of the check.
    pub name: String,
    /// What it looked at.
    pub kind: CheckKind,
    /// The dimension it counts for.
    pub dimension: Dimension,
    /// The columns it looked at.
    pub columns: Vec<String>,
    /// Rows that hold (`duplicate`: records).
    pub numerator: u64,
    /// Rows the check applied to (`duplicate`: records).
    pub denominator: u64,
    /// Numerator over denominator; absent when nothing was counted.
    pub rate: Option<f64>,
    /// The 95 % Wilson interval of the rate; absent like the rate.
    pub interval: Option<[f64; 2]>,
    /// The rate it takes to pass.
    pub threshold: f64,
    /// The weight in its dimension.
    pub weight: f64,
    /// How it ended.
    pub status: CheckStatus,
    /// Why it is not applicable or in error.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// Whether numerator and rate are estimates (more distinct keys than the plan keeps); the interval
    /// is then that of the sampled rows.
    pub estimated: bool,
    /// `unique`, `duplicate`: rows or records beyond the first of each key.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub excess: Option<u64>,
    /// Which records failed: total and a bounded sample of identities (PHI class `other-id`). For
    /// `unique` and `duplicate` the total holds every occurrence, the sample the first of each repeated key.
    pub failed: FailedRecords,
}

/// Whether a dimension could be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DimensionStatus {
    /// There is a score.
    Measured,
    /// No check of this dimension applied; nothing is inferred.
    NotMeasured,
}

/// The score of one dimension.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DimensionScore {
    /// Which one.
    pub dimension: Dimension,
    /// Whether it was measured.
    pub status: DimensionStatus,
    /// Sum of weight times numerator over sum of weight times denominator, of the checks that passed or failed.
    pub score: Option<f64>,
    /// The score in a word.
    pub level: Option<Level>,
    /// Sum of the numerators.
    pub numerator: u64,
    /// Sum of the denominators.
    pub denominator: u64,
    /// Checks that counted.
    pub checks: usize,
    /// Checks that failed.
    pub failed_checks: usize,
    /// The weight in the overall score, before the unmeasured dimensions are left out.
    pub weight: f64,
}

/// The report of a table. Its JSON field names are stable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct QualityReport {
    /// Rows seen.
    pub rows: u64,
    /// The checks, in the order of the specification.
    pub checks: Vec<CheckResult>,
    /// All five dimensions, in order.
    pub dimensions: Vec<DimensionScore>,
    /// The mean of the measured dimensions by their weights; absent when none was measured.
    pub overall: Option<f64>,
    /// The overall score in a word.
    pub level: Option<Level>,
    /// What to do about each check that failed or could not run.
    pub recommendations: Vec<Recommendation>,
    /// The scores of the records, where they were computed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub records: Option<RecordScoreSummary>,
}

/// What an evaluator hands over for one check.
pub(crate) struct CheckCounts {
    pub(crate) denominator: u64,
    pub(crate) failed: u64,
    pub(crate) excess: Option<u64>,
    /// Successes and trials really looked at; the same as the counts unless estimated.
    pub(crate) judged: (u64, u64),
    pub(crate) estimated: bool,
    pub(crate) sample: FailedSample,
}

impl QualityReport {
    pub(crate) fn new(rows: u64, checks: &[PlannedCheck], counts: Vec<CheckCounts>) -> Self {
        let checks: Vec<CheckResult> = checks.iter().zip(counts).map(|(check, counts)| result(check, counts)).collect();
        let dimensions: Vec<DimensionScore> = Dimension::ALL.into_iter().map(|dimension| score(dimension, &checks)).collect();
        let overall = overall(&dimensions);
        let recommendations = recommend(&checks);
        Self { rows, checks, dimensions, overall, level: overall.map(Level::of), recommendations, records: None }
    }

    /// Adds the scores of the records.
    pub fn with_records(mut self, records: RecordScoreSummary) -> Self {
        self.records = Some(records);
        self
    }

    /// The report without record identities (`other-id`), for readers who may not hold them. Totals stay.
    pub fn without_samples(mut self) -> Self {
        for check in &mut self.checks {
            check.failed.sample.clear();
        }
        self
    }

    /// The result of a check.
    pub fn check(&self, name: &str) -> Option<&CheckResult> {
        self.checks.iter().find(|check| check.name == name)
    }

    /// The score of a dimension; `None` when it was not measured.
    pub fn dimension_score(&self, dimension: Dimension) -> Option<f64> {
        self.dimensions.iter().find(|score| score.dimension == dimension)?.score
    }
}

fn result(check: &PlannedCheck, counts: CheckCounts) -> CheckResult {
    let (passed, judged) = counts.judged;
    let rate = (judged > 0).then(|| passed as f64 / judged as f64);
    let (status, reason) = match (&check.rule, rate) {
        (Err(Blocked::Error(reason)), _) => (CheckStatus::Error, Some(reason.clone())),
        (Err(Blocked::NotMeasured(reason)), _) => (CheckStatus::NotApplicable, Some(reason.clone())),
        (Ok(_), None) => (CheckStatus::NotApplicable, Some("no row had a value to check".to_owned())),
        (Ok(_), Some(rate)) if rate >= check.spec.threshold => (CheckStatus::Pass, None),
        (Ok(_), Some(_)) => (CheckStatus::Fail, None),
    };
    CheckResult {
        name: check.name.clone(),
        kind: check.spec.kind,
        dimension: check.spec.effective_dimension(),
        columns: check.spec.all_columns(),
        numerator: counts.denominator - counts.failed.min(counts.denominator),
        denominator: counts.denominator,
        rate,
        interval: wilson_95(passed, judged),
        threshold: check.spec.threshold,
        weight: check.spec.weight,
        status,
        reason,
        estimated: counts.estimated,
        excess: counts.excess,
        failed: counts.sample.into_records(counts.failed),
    }
}

fn score(dimension: Dimension, checks: &[CheckResult]) -> DimensionScore {
    let counted: Vec<&CheckResult> = checks
        .iter()
        .filter(|check| check.dimension == dimension && matches!(check.status, CheckStatus::Pass | CheckStatus::Fail))
        .collect();
    let weighted = |part: fn(&CheckResult) -> u64| counted.iter().map(|check| check.weight * part(check) as f64).sum::<f64>();
    let denominator = weighted(|check| check.denominator);
    let score = (denominator > 0.0).then(|| weighted(|check| check.numerator) / denominator);
    DimensionScore {
        dimension,
        status: if score.is_some() { DimensionStatus::Measured } else { DimensionStatus::NotMeasured },
        score,
        level: score.map(Level::of),
        numerator: counted.iter().map(|check| check.numerator).sum(),
        denominator: counted.iter().map(|check| check.denominator).sum(),
        checks: counted.len(),
        failed_checks: counted.iter().filter(|check| check.status == CheckStatus::Fail).count(),
        weight: dimension.weight(),
    }
}

fn overall(dimensions: &[DimensionScore]) -> Option<f64> {
    let measured = || dimensions.iter().filter_map(|dimension| Some((dimension.weight, dimension.score?)));
    let weight: f64 = measured().map(|(weight, _)| weight).sum();
    (weight > 0.0).then(|| measured().map(|(weight, score)| weight * score).sum::<f64>() / weight)
}
