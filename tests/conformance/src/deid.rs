//! Microsoft's FHIR anonymizer: its configurations and the pairs of its functional tests.

use std::{fs, io::Error, path::Path};

use serde_json::Value;
use sutura_deid::{DocumentDeidentifier, Ledger, anonymizer::Anonymizer};

use crate::Suite;

/// The configuration of a pair, as the material's README says.
fn configuration(name: &str) -> &'static str {
    match name {
        _ if name.contains("redact-all") => "config-redact-all-config.json",
        "patient-no-partial" => "config-common-no-partial-config.json",
        "patient-generalize" => "config-generalize-patient-config.json",
        "patient-substitute-complex" => "config-substitute-complex.json",
        "patient-substitute-conflict-rules" => "config-substitute-conflict-rules.json",
        "patient-substitute-multiple" | "bundle-substitute" => "config-substitute-multiple.json",
        "patient-substitute-multiple-2" => "config-substitute-multiple-2.json",
        "patient-substitute-primitive" => "config-substitute-primitive.json",
        "Account-R4" | "Claim-R4" | "MedicinalProduct" | "OrganizationAffiliation" => "r4-functional-tests-configuration.json",
        _ => "config-common-config.json",
    }
}

fn read(path: &Path) -> Result<Value, Error> {
    let bytes = fs::read(path)?;
    serde_json::from_slice(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes)).map_err(Error::other)
}

/// Every pair comes out equal; every configuration loads.
pub(crate) fn msft_fhir(data: &Path) -> Result<Suite, Error> {
    let folder = data.join("deid/msft-fhir-anonymizer");
    let mut suite = Suite::default();
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // One path of these configurations is no path of FHIR, for tests of theirs.
        if path.extension().is_some_and(|end| end == "json") {
            let loaded = Anonymizer::from_json(&fs::read(&path)?);
            suite.case(&name, &loaded.err().map(|error| error.to_string()).into_iter().collect::<Vec<_>>());
        }
    }
    let pairs = folder.join("pairs");
    let mut targets: Vec<_> = crate::files(&pairs)?;
    targets.retain(|path| path.to_string_lossy().contains("-target") || path.to_string_lossy().contains("-empty"));
    for target in targets {
        let stem = target.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let name = stem.trim_end_matches("-target").to_owned();
        let input = match name.as_str() {
            "patient-redact-all" => "patient-basic",
            "bundle-redact-all" => "bundle-basic",
            other => other,
        };
        let anonymizer = Anonymizer::from_json(&fs::read(folder.join(configuration(&name)))?).map_err(Error::other)?;
        let mut out = Vec::new();
        let reasons = match anonymizer.deidentify(&fs::read(pairs.join(format!("{input}.json")))?, &mut out, &mut Ledger::new()) {
            Err(error) => vec![error.to_string()],
            Ok(()) => differences("", &serde_json::from_slice(&out).map_err(Error::other)?, &read(&target)?),
        };
        suite.case(&name, &reasons);
    }
    Ok(suite)
}

/// Where two values differ; labels in any order.
fn differences(path: &str, ours: &Value, theirs: &Value) -> Vec<String> {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            let keys: std::collections::BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
            let null = Value::Null;
            keys.into_iter()
                .flat_map(|key| differences(&format!("{path}.{key}"), ours.get(key).unwrap_or(&null), theirs.get(key).unwrap_or(&null)))
                .collect()
        }
        (Value::Array(ours), Value::Array(theirs)) if ours.len() == theirs.len() => ours
            .iter()
            .zip(theirs)
            .enumerate()
            .flat_map(|(at, (ours, theirs))| differences(&format!("{path}[{at}]"), ours, theirs))
            .collect(),
        _ if ours == theirs => Vec::new(),
        _ => vec![format!("{path}: {ours} instead of {theirs}")],
    }
}
