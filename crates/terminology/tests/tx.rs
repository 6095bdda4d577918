//! The terminology tests of the FHIR tx ecosystem (CC0-1.0) over the shared test data: what is expanded, and whether codes are valid.
//!
//! Compared are the codes of expansions and the results of validations, not the wording of messages. Whoever asks for another language, for
//! versions to be forced, or for supplements, asks for what this crate does not have: those cases count as not asked.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use sutura_terminology::{Coding, ExpandOptions, Limits, Terminology, ValidateOptions};

fn folder() -> Option<PathBuf> {
    let root = std::env::var_os("SUTURA_TEST_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    Some(root.join("fhir/terminology")).filter(|folder| folder.is_dir())
}

fn json(path: &Path) -> Value {
    let bytes = fs::read(path).unwrap();
    serde_json::from_slice(bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes)).unwrap()
}

struct Parameters(Value);

impl Parameters {
    fn get(&self, name: &str) -> Option<&Value> {
        let found = self.0["parameter"].as_array()?.iter().find(|parameter| parameter["name"] == name)?;
        found.as_object()?.iter().find(|(key, _)| key.starts_with("value") || *key == "resource").map(|(_, value)| value)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }

    fn flag(&self, name: &str) -> bool {
        self.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.0["parameter"].as_array().into_iter().flatten().filter_map(|parameter| parameter["name"].as_str())
    }
}

/// Parameters that ask for what is not there.
const NOT_ASKED: [&str; 9] = [
    "force-system-version",
    "check-system-version",
    "system-version",
    "default-valueset-version",
    "displayLanguage",
    "designation",
    "useSupplement",
    "property",
    "valueSet",
];

fn codes(value: &Value, into: &mut BTreeSet<String>) {
    for member in value.as_array().into_iter().flatten() {
        if member["abstract"] != true || member["code"].is_string() {
            into.insert(format!("{}|{}", member["system"].as_str().unwrap_or_default(), member["code"].as_str().unwrap_or_default()));
        }
        codes(&member["contains"], into);
    }
}

fn expand(all: &Terminology, request: &Parameters, response: &Value) -> Result<(), String> {
    let url = request.text("url").unwrap_or_default();
    let number = |name| request.get(name).and_then(Value::as_u64).map(|number| number as usize);
    let options = ExpandOptions {
        text: request.text("filter").unwrap_or_default(),
        offset: number("offset").unwrap_or(0),
        count: number("count"),
        active_only: request.flag("activeOnly"),
        selectable_only: request.flag("excludeNotForUI"),
        ..ExpandOptions::default()
    };
    let url = request.text("valueSetVersion").map_or_else(|| url.to_owned(), |version| format!("{url}|{version}"));
    match (all.expand(&url, &options), response["resourceType"].as_str()) {
        (Err(_), Some("OperationOutcome")) => Ok(()),
        (Ok(found), Some("ValueSet")) => {
            let mut expected = BTreeSet::new();
            codes(&response["expansion"]["contains"], &mut expected);
            let got: BTreeSet<String> = found.members.iter().map(|member| format!("{}|{}", member.system, member.code)).collect();
            if let Some(total) = response["expansion"]["total"].as_u64().filter(|total| *total != found.total as u64) {
                return Err(format!("total {} and not {total}", found.total));
            }
            if got == expected { Ok(()) } else { Err(format!("{got:?} and not {expected:?}")) }
        }
        (found, _) => Err(format!("{:?}", found.map(|found| found.total))),
    }
}

fn validate(all: &Terminology, request: &Parameters, response: &Value, of_system: bool) -> Result<(), String> {
    // Of a code system, the URL is the system.
    let system = request.text("url").filter(|_| of_system);
    let url =
        request.text("url").map(|url| request.text("valueSetVersion").map_or_else(|| url.to_owned(), |version| format!("{url}|{version}")));
    let url = url.filter(|_| !of_system);
    let options = ValidateOptions {
        lenient_display: request.flag("lenient-display-validation"),
        active_only: request.flag("activeOnly"),
        selectable_only: request.get("abstract") == Some(&Value::Bool(false)),
        infer_system: request.flag("inferSystem"),
    };
    let field = |object: &Value, name: &str| object[name].as_str().unwrap_or_default().to_owned();
    let codings: Vec<[String; 4]> = match (request.get("coding"), request.get("codeableConcept")) {
        (Some(coding), _) => vec![["system", "version", "code", "display"].map(|name| field(coding, name))],
        (None, Some(concept)) => concept["coding"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|coding| ["system", "version", "code", "display"].map(|name| field(coding, name)))
            .collect(),
        _ if of_system => {
            vec![[system.unwrap_or_default().to_owned(), String::new(), request.text("code").unwrap_or_default().to_owned(), String::new()]]
        }
        _ => vec![["system", "systemVersion", "code", "display"].map(|name| request.text(name).unwrap_or_default().to_owned())],
    };
    let whole = |text: &str| if text.is_empty() { None } else { Some(text.to_owned()) };
    let mut results = Vec::new();
    for [system, version, code, display] in &codings {
        let (version, display) = (whole(version), whole(display));
        let coding = Coding { system, version: version.as_deref(), code, display: display.as_deref() };
        results.push(all.validate_code(url.as_deref(), &coding, &options));
    }
    let expected = response["parameter"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|parameter| parameter["name"] == "result")
        .and_then(|parameter| parameter["valueBoolean"].as_bool());
    // A concept is valid when one of its codings is, and none is wrong in itself.
    let result = results.iter().all(|found| found.as_ref().is_ok_and(|found| found.result)) && !results.is_empty();
    match expected {
        Some(expected) if expected == result => Ok(()),
        None if results.iter().any(Result::is_err) => Ok(()),
        _ => Err(format!("{result} and not {expected:?}: {results:?}")),
    }
}

#[test]
fn the_tx_ecosystem_tests() {
    let Some(folder) = folder() else {
        eprintln!("SKIPPED: test data not found: set SUTURA_TEST_DATA to the folder with fhir/terminology");
        return;
    };
    let tests = json(&folder.join("test-cases.dev.json"));
    let (mut passed, mut failed, mut not_asked) = (0, 0, 0);
    for suite in tests["suites"].as_array().unwrap() {
        let mut all = Terminology::with_builtin();
        for file in suite["setup"].as_array().unwrap() {
            let path = folder.join(file.as_str().unwrap());
            if let Err(error) = all.load_fhir(&fs::read(&path).unwrap(), &Limits::default()) {
                println!("{}: {error}", path.display());
            }
        }
        for test in suite["tests"].as_array().unwrap() {
            let request = Parameters(json(&folder.join(test["request"].as_str().unwrap())));
            let response = json(&folder.join(test["response"].as_str().unwrap()));
            let mut all = all.clone();
            for own in request.0["parameter"].as_array().into_iter().flatten().filter(|parameter| parameter["name"] == "tx-resource") {
                all.load_fhir(own["resource"].to_string().as_bytes(), &Limits::default()).unwrap();
            }
            let operation = test["operation"].as_str().unwrap();
            if request.names().any(|name| NOT_ASKED.contains(&name))
                || test["header"].is_string()
                || test["Accept-Language"].is_string()
                || test["profile"].is_string()
            {
                not_asked += 1;
                continue;
            }
            let outcome = match operation {
                "expand" => expand(&all, &request, &response),
                "validate-code" | "cs-validate-code" => validate(&all, &request, &response, operation.starts_with("cs")),
                "lookup" => {
                    let found = all.lookup(request.text("system").unwrap_or_default(), request.text("code").unwrap_or_default());
                    let expected = response["resourceType"] == "Parameters";
                    if found.is_ok() == expected { Ok(()) } else { Err(format!("{found:?}")) }
                }
                _ => {
                    not_asked += 1;
                    continue;
                }
            };
            match outcome {
                Ok(()) => passed += 1,
                Err(reason) => {
                    failed += 1;
                    println!("{} {}: {}", suite["name"], test["name"], reason.chars().take(600).collect::<String>());
                }
            }
        }
    }
    println!("tx ecosystem: {passed} as expected, {failed} not, {not_asked} not asked");
    assert!(passed >= 240, "{passed}");
}
