//! What to do about a failed check, in one sentence that a data steward can act on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    dimension::Dimension,
    report::{CheckResult, CheckStatus},
    spec::CheckKind,
};

/// Advice tied to one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Recommendation {
    /// Name of the check.
    pub check: String,
    /// Its dimension.
    pub dimension: Dimension,
    /// What was found and what to do.
    pub text: String,
}

/// The advice for every check that failed or could not run, the farthest below its threshold first.
pub(crate) fn recommend(checks: &[CheckResult]) -> Vec<Recommendation> {
    let mut open: Vec<&CheckResult> =
        checks.iter().filter(|check| matches!(check.status, CheckStatus::Fail | CheckStatus::Error)).collect();
    // Errors first: what could not be checked may hide anything. A stable sort keeps the order of equals.
    let gap = |check: &CheckResult| check.rate.map_or(f64::INFINITY, |rate| check.threshold - rate);
    open.sort_by(|a, b| gap(b).total_cmp(&gap(a)));
    open.into_iter().map(|check| Recommendation { check: check.name.clone(), dimension: check.dimension, text: text(check) }).collect()
}

fn text(check: &CheckResult) -> String {
    let Some(rate) = check.rate else {
        let reason = check.reason.as_deref().unwrap_or("no reason was given");
        return format!("Check {} could not run: {reason}.", check.name);
    };
    let columns = check.columns.join(", ");
    let what = match check.kind {
        CheckKind::Required => format!("values are present in {columns}"),
        CheckKind::Type => format!("values in {columns} have the expected type"),
        CheckKind::Allowed => format!("values in {columns} are in the allowed set"),
        CheckKind::Format => format!("values in {columns} have the expected format"),
        CheckKind::Range => format!("values in {columns} are within range"),
        CheckKind::Unique => format!("rows have a key of their own ({columns})"),
        CheckKind::Reference => format!("values in {columns} exist in the reference"),
        CheckKind::Temporal => format!("rows have their times in order ({columns})"),
        CheckKind::Duplicate => "records come only once".to_owned(),
        CheckKind::Timeliness => format!("rows arrive in time ({columns})"),
        CheckKind::Accuracy => format!("values in {columns} agree with the reference"),
    };
    let about = if check.estimated { "about " } else { "" };
    format!(
        "Check {}: {about}{} of {what}, below the threshold of {}; {about}{} of {} failed. {}",
        check.name,
        percent(rate),
        percent(check.threshold),
        check.failed.total,
        check.denominator,
        action(check.kind)
    )
}

fn action(kind: CheckKind) -> &'static str {
    match kind {
        CheckKind::Required => "Ask the sending system to fill the field, or limit the check with only_where to the rows that need it.",
        CheckKind::Type => "Find the senders of the failed records and correct the mapping of the field; keep free text out of it.",
        CheckKind::Allowed => "Map the local codes to the allowed ones with a code mapping step, or add codes that are right.",
        CheckKind::Format => "Compare the failed records with the pattern; correct the sender, or the pattern if it is too narrow.",
        CheckKind::Range => "Look for wrong units and placeholder numbers in the failed records; correct the unit mapping or the range.",
        CheckKind::Unique => "Decide which record of each repeated key is right, and whether the key lacks a column.",
        CheckKind::Reference => "Load the missing entries of the reference, or correct the codes that point to nothing.",
        CheckKind::Temporal => "Look for swapped fields, wrong time zones and default times in the failed records.",
        CheckKind::Duplicate => "Remove the repeats with a gate, and find out whether the sender or the transport sends twice.",
        CheckKind::Timeliness => "Find where the failed records waited: the sender's queue, the interface or a batch window.",
        CheckKind::Accuracy => "Review the failed records against the reference and correct the source that is wrong.",
    }
}

/// A rate in percent; rounded so that a rate below its threshold never looks equal to 100 %.
fn percent(rate: f64) -> String {
    let hundredths = (rate * 10_000.0 + 1e-9).floor() / 100.0;
    format!("{hundredths} %")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_round_down() {
        assert_eq!(percent(0.99999), "99.99 %");
        assert_eq!(percent(1.0), "100 %");
        assert_eq!(percent(0.95), "95 %");
        assert_eq!(percent(0.29), "29 %");
    }
}
