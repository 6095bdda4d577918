//! Wilson intervals against R.

use std::{io::Error, path::Path};

use sutura_quality::wilson_95;

use crate::{Suite, json};

/// Every proportion of the reference file.
pub(crate) fn wilson(data: &Path) -> Result<Suite, Error> {
    let reference = json(&data.join("analytics/rate_intervals.json"))?;
    let mut suite = Suite::default();
    for case in reference["cases"].as_array().into_iter().flatten() {
        let Some(expected) = case["expected"]["wilson"].as_array() else { continue };
        let number = |key: &str| case["input"][key].as_u64().or_else(|| case[key].as_u64());
        let (Some(events), Some(trials)) = (number("x"), number("n")) else { continue };
        let name = format!("{events}/{trials}");
        let reasons = match wilson_95(events, trials) {
            Some(ours) => ours
                .iter()
                .zip(expected)
                .filter(|(ours, expected)| expected.as_f64().is_none_or(|expected| (*ours - expected).abs() > 1e-9))
                .map(|(ours, expected)| format!("{ours} instead of {expected}"))
                .collect(),
            None => vec!["no interval".to_owned()],
        };
        suite.case(&name, &reasons);
    }
    Ok(suite)
}
