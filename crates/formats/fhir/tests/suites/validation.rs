//! Validation: the 193 cases of the official test collection, and the examples of the specification and of US Core.
//!
//! A case of the collection passes if our verdict (an error or none) is the reference validator's, for the base
//! definitions and, where the case names a profile, for that profile too.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::Value as Json;
use sutura_fhir::{
    json::Parser,
    validate::{Issue, IssueSeverity, Options, ProfileStore, Validator},
    xml,
};

/// The outcome of a case: its name, and what differed (empty for a pass).
pub type Outcome = (String, Vec<String>);

/// Cases of the collection where our verdict is not the reference validator's, with the reason.
/// `docs/src/reference/fhir-validation.md` has the same list.
pub const KNOWN_CASES: &[(&str, &str)] = &[
    ("sdoh-type-slice", "displays of LOINC codes need a terminology server"),
    ("json-comments-2-yes", "comments in JSON are refused, whatever the setting"),
    ("res-inv-example-good", NEWER),
    ("res-inv-example-bad", NEWER),
];

const NEWER: &str = "the extension is of a later package of HL7's than R4's own definitions";

/// Examples of the specification that break the specification.
pub const KNOWN_EXAMPLES: &[(&str, &str)] = &[
    ("Bundle/message-response-link.json", "a fullUrl ends in `Patient/pat12`, the resource's id is `pat2`"),
    ("DeviceMetric/devicemetric-example.json", "`parent` points at a DeviceDefinition; only Device is allowed"),
    ("DeviceUseStatement/deviceusestatement-example.json", "`reasonReference` points at a Procedure, which is not allowed"),
    ("EventDefinition/eventdefinition-example.json", "the narrative is empty (txt-2)"),
    ("Questionnaire/questionnaire-zika-virus-exposure-assessment.json", "the narrative is empty (txt-2)"),
];

fn read(path: &Path) -> Result<Json, io::Error> {
    serde_json::from_slice(&fs::read(path)?).map_err(io::Error::other)
}

/// A file as JSON text; none where its form alone is an error.
fn as_json(path: &Path) -> Result<Option<(Vec<u8>, bool)>, io::Error> {
    let text = fs::read(path)?;
    if path.extension().is_none_or(|extension| extension != "xml") {
        return Ok(Some((text, true)));
    }
    Ok(xml::to_json(&text).ok().map(|read| (read.json.into_bytes(), read.problems.is_empty())))
}

fn add(store: &mut ProfileStore, path: &Path) -> Result<(), io::Error> {
    if let Some((text, _)) = as_json(path)?
        && let Ok(json) = serde_json::from_slice(&text)
    {
        store.add(json);
    }
    Ok(())
}

fn errors(issues: &[Issue]) -> Vec<String> {
    issues
        .iter()
        .filter(|issue| issue.severity >= IssueSeverity::Error)
        .map(|issue| format!("{}: {}", issue.expression, issue.diagnostics))
        .collect()
}

/// The expected verdict: whether the reference validator found an error.
fn expected(folder: &Path, outcome: &Json) -> Result<Option<bool>, io::Error> {
    let Some(file) = outcome.as_str() else { return Ok(None) };
    let outcome = read(&folder.join("outcomes").join(file))?;
    let error =
        outcome["issue"].as_array().into_iter().flatten().any(|issue| matches!(issue["severity"].as_str(), Some("error" | "fatal")));
    Ok(Some(error))
}

fn texts<'j>(json: &'j Json, name: &str) -> impl Iterator<Item = &'j str> {
    json[name].as_array().into_iter().flatten().filter_map(Json::as_str)
}

/// What the specification defines beside the base definitions: extensions, profiles of its own, value sets.
fn specification(data: &Path) -> Result<Arc<ProfileStore>, io::Error> {
    let folder = data.join("fhir/definitions");
    let mut store = ProfileStore::new();
    for name in ["profiles-types", "profiles-others", "extension-definitions", "valuesets", "v3-codesystems", "v2-tables"] {
        store.load(&folder.join(format!("{name}.json.gz")))?;
    }
    Ok(Arc::new(store))
}

/// Our errors of one file: of the base definitions, and of the profile if one is asked for.
fn verdict(validator: &Validator, path: &Path, profile: Option<&str>) -> Result<Vec<String>, io::Error> {
    let Some((text, clean)) = as_json(path)? else { return Ok(vec!["the file is not well-formed XML".to_owned()]) };
    let lines: Vec<&[u8]> = if path.extension().is_some_and(|extension| extension == "ndjson") {
        text.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).collect()
    } else {
        vec![&text]
    };
    let mut found = if clean { Vec::new() } else { vec!["the XML has what FHIR has no place for".to_owned()] };
    let mut parser = Parser::default();
    for line in lines {
        match parser.parse(line) {
            Ok(document) => {
                let profiles: Vec<&str> = profile.into_iter().collect();
                found.extend(errors(&validator.validate_against(document.root(), &profiles)));
            }
            Err(error) => found.push(error.to_string()),
        }
    }
    Ok(found)
}

/// The cases of the official collection.
pub fn validator(data: &Path) -> Result<Vec<Outcome>, io::Error> {
    let folder = data.join("fhir/validator");
    let base = specification(data)?;
    let manifest = read(&folder.join("manifest.dev.json"))?;
    let mut out = Vec::new();
    for case in manifest["test-cases"].as_array().into_iter().flatten() {
        let name = case["name"].as_str().unwrap_or("");
        let file = folder.join(case["file"].as_str().unwrap_or(""));
        let mut store = ProfileStore::over(base.clone());
        for other in texts(case, "profiles").chain(texts(case, "supporting")).chain(texts(&case["profile"], "supporting")) {
            add(&mut store, &folder.join(other))?;
        }
        let text = if case["security-checks"].is_null() && case["noHtmlInMarkdown"].is_null() {
            IssueSeverity::Warning
        } else {
            IssueSeverity::Error
        };
        // Chosen here: the US realm's extensions, and those made of elements of R5, need packages that the cases do not bring.
        let mut trusted_extensions =
            vec!["http://hl7.org/fhir/us".to_owned(), "http://hl7.org/fhir/5.0/StructureDefinition/extension-".to_owned()];
        // The reference validator lets extensions of example addresses pass unless a case forbids it.
        if case["examples"] != false {
            trusted_extensions.push("http://example.org/".to_owned());
        }
        // It judges references to what is not at hand only where a case asks for it.
        let checked = case["validateReference"].as_str().unwrap_or("");
        let by_name = !checked.is_empty() || case["profile"]["assumeValidRestReferences"] == true;
        let options = Options {
            unknown_extensions: Some(IssueSeverity::Error),
            trusted_extensions,
            unresolved_types: if by_name { IssueSeverity::Error } else { IssueSeverity::Warning },
            missing_targets: checked.starts_with("CHECK_EXISTS").then_some(IssueSeverity::Error),
            markup: text,
            ..Options::default()
        };
        let store = Arc::new(store);
        let mut reasons = Vec::new();
        let mut compare = |what: &str, expected: Option<bool>, found: Vec<String>| match expected {
            Some(true) if found.is_empty() => reasons.push(format!("{what}: an error is expected, none was found")),
            Some(false) if !found.is_empty() => {
                let shown = found.into_iter().take(2).collect::<Vec<_>>().join(" / ");
                reasons.push(format!("{what}: valid is expected, but {shown}"));
            }
            _ => {}
        };
        let validator = Validator::new(options.clone()).with_profiles(ProfileStore::over(store.clone()));
        compare("base", expected(&folder, &case["java"])?, verdict(&validator, &file, None)?);
        let mut store = ProfileStore::over(store);
        let mut profile = None;
        if let Some(source) = case["profile"]["source"].as_str() {
            let path = folder.join(source);
            if path.is_file() {
                add(&mut store, &path)?;
                profile = as_json(&path)?
                    .and_then(|(text, _)| serde_json::from_slice::<Json>(&text).ok())
                    .and_then(|json| json["url"].as_str().map(str::to_owned));
            } else {
                profile = Some(source.to_owned());
            }
        }
        let validator = Validator::new(options).with_profiles(store);
        if let Some(url) = &profile {
            compare("profile", expected(&folder, &case["profile"]["java"])?, verdict(&validator, &file, Some(url))?);
        }
        out.push((name.to_owned(), reasons));
    }
    Ok(out)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, io::Error> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                open.push(entry.path());
            } else if entry.path().extension().is_some_and(|extension| extension == "json") {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

fn examples(validator: &Validator, folder: &Path) -> Result<Vec<Outcome>, io::Error> {
    files(folder)?
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
            Ok((name, verdict(validator, &path, None)?))
        })
        .collect()
}

/// The specification's examples: none may have an error.
pub fn spec_examples(data: &Path) -> Result<Vec<Outcome>, io::Error> {
    examples(&Validator::default(), &data.join("fhir/spec-examples"))
}

/// US Core's examples, against the profiles they claim: none may have an error.
pub fn us_core(data: &Path) -> Result<Vec<Outcome>, io::Error> {
    us_core_from(data, &data.join("fhir/us-core/resources"))
}

/// The same with the profiles of another folder or package.
pub fn us_core_from(data: &Path, package: &Path) -> Result<Vec<Outcome>, io::Error> {
    let mut store = ProfileStore::over(specification(data)?);
    store.load(package)?;
    if store.profile_count() < 50 {
        return Err(io::Error::other("the package has no profiles"));
    }
    examples(&Validator::new(Options::default()).with_profiles(store), &data.join("fhir/us-core/examples"))
}

/// US Core's own profiles and extensions, each validated as a resource: what in them contradicts what they derive from. (Its search
/// parameters and capability statements have an extension of HL7's where R4's definition of it does not allow it.)
pub fn us_core_definitions(data: &Path) -> Result<Vec<Outcome>, io::Error> {
    let folder = data.join("fhir/us-core/resources");
    let mut store = ProfileStore::over(specification(data)?);
    store.load(&folder)?;
    let mut results = examples(&Validator::new(Options::default()).with_profiles(store), &folder)?;
    results.retain(|(name, _)| name.starts_with("StructureDefinition"));
    Ok(results)
}
