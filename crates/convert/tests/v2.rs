//! Every HL7 v2 message of the shared test data becomes a Bundle that the validator passes, the report balances, and the outputs are
//! compared with those of other converters.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr)]

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::{Path, PathBuf},
};

use serde_json::Value;
use sutura_convert::{
    report::Report,
    v2::{Converter, Options, Source},
};
use sutura_core::Sha256Hash;
use sutura_fhir::{
    json::Parser,
    validate::{IssueSeverity, Validator},
};
use sutura_hl7v2::Message;

fn data() -> Option<PathBuf> {
    let given = std::env::var_os("SUTURA_TEST_DATA").map(PathBuf::from);
    let path = given.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data")).join("hl7v2");
    if path.is_dir() {
        return Some(path);
    }
    println!("SKIPPED: test data not found at {}", path.display());
    None
}

fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, out);
        } else {
            out.push(path);
        }
    }
}

/// The messages of a file: each begins at a line that begins with MSH.
fn messages(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let mut out: Vec<String> = Vec::new();
    for line in text.split(['\r', '\n', '\u{b}', '\u{1c}']) {
        let line = line.trim_start_matches('\u{feff}');
        if line.starts_with("MSH") {
            out.push(String::new());
        }
        if matches!(line.get(..3), Some("BHS" | "BTS" | "FHS" | "FTS")) || line.is_empty() {
            continue;
        }
        if let Some(message) = out.last_mut() {
            message.push_str(line);
            message.push('\r');
        }
    }
    out
}

fn source(text: &str) -> Source<'_> {
    Source { uri: "file:///test.hl7", offset: 0, length: text.len() as u64, sha256: Sha256Hash::of(text.as_bytes()) }
}

fn options() -> Options {
    Options { recorded: Some("2026-01-01T00:00:00Z".to_owned()), ..Options::default() }
}

#[test]
fn every_real_message_becomes_a_valid_bundle() {
    let Some(folder) = data() else { return };
    let mut paths = Vec::new();
    files(&folder, &mut paths);
    let mut converter = Converter::new(&options()).unwrap();
    let validator = Validator::default();
    let mut parser = Parser::default();
    let (mut report, mut out) = (Report::new(), Vec::new());
    let (mut count, mut refused, mut bad) = (0, BTreeMap::<&str, u32>::new(), BTreeMap::<String, (u32, String)>::new());
    for path in &paths {
        let name = path.to_string_lossy();
        if [".json", ".fhir", ".csv", ".xml", ".md"].iter().any(|end| name.ends_with(end)) {
            continue;
        }
        for text in messages(&std::fs::read(path).unwrap()) {
            let Ok(message) = Message::parse(&text) else { continue };
            out.clear();
            if let Err(error) = converter.convert(&message, &source(&text), &mut report, &mut out) {
                *refused.entry(error.code()).or_default() += 1;
                assert!(out.is_empty());
                continue;
            }
            count += 1;
            let document = parser.parse(&out).unwrap_or_else(|error| panic!("{name}: {error}"));
            for issue in validator.validate(document.root()) {
                if issue.severity >= IssueSeverity::Error {
                    let place: String = issue.expression.chars().filter(|char| !char.is_ascii_digit()).collect();
                    let kind = bundle_type(&out, &issue.expression);
                    bad.entry(format!("{kind} {place}: {}", issue.diagnostics)).or_insert((0, name.to_string())).0 += 1;
                }
            }
        }
    }
    let totals = report.feeds.values().map(sutura_convert::report::Feed::totals).fold((0, 0, 0), |a, b| (a.0 + b.0, a.1 + b.1, a.2 + b.2));
    println!("{count} messages converted, refused {refused:?}; fields mapped {}, dropped {}, unmapped {}", totals.0, totals.1, totals.2);
    for (what, (count, first)) in &bad {
        println!("{count:5} {what} ({first})");
    }
    assert!(count > 400, "only {count} messages");
    assert!(report.balances());
    assert!(bad.is_empty(), "{} kinds of errors", bad.len());
}

/// What is counted for a field: a value for each repetition, or one for each component that holds something.
#[test]
fn every_populated_value_is_counted_once() {
    let Some(folder) = data() else { return };
    let mut paths = Vec::new();
    files(&folder, &mut paths);
    let mut converter = Converter::new(&options()).unwrap();
    let mut fields = 0;
    for path in paths.iter().filter(|path| path.extension().is_some_and(|end| end == "hl7")) {
        for text in messages(&std::fs::read(path).unwrap()) {
            let Ok(message) = Message::parse(&text) else { continue };
            let (mut report, mut out) = (Report::new(), Vec::new());
            if converter.convert(&message, &source(&text), &mut report, &mut out).is_err() {
                continue;
            }
            let mut counted = BTreeMap::<String, (u64, u64)>::new();
            let places: Vec<_> = report.feeds.values().map(sutura_convert::report::Feed::all_places).collect();
            for (place, counts) in places.iter().flat_map(|places| places.iter()) {
                let (field, component) = place.split_once('.').unwrap_or((place, ""));
                let sums = counted.entry(field.to_owned()).or_default();
                *(if component.is_empty() { &mut sums.0 } else { &mut sums.1 }) += counts.populated();
            }
            // The fields of the message by themselves: repetitions, and components that hold something.
            let mut there = BTreeMap::<String, (u64, u64)>::new();
            for segment in message.segments().filter(|segment| segment.name().len() == 3) {
                for (number, field) in segment.fields() {
                    let atomic = segment.name() == "MSH" && number < 3;
                    let sums = there.entry(format!("{}-{number}", segment.name().to_uppercase())).or_default();
                    for repetition in field.repetitions().filter(|repetition| !repetition.raw().is_empty()) {
                        sums.0 += 1;
                        let one = atomic || repetition.raw() == "\"\"";
                        sums.1 +=
                            if one { 1 } else { repetition.components().take(32).filter(|part| !part.raw().is_empty()).count() as u64 };
                    }
                }
            }
            there.retain(|_, sums| sums.0 > 0);
            for (field, (repetitions, components)) in &there {
                let (whole, parts) = counted.remove(field).unwrap_or_default();
                assert!(
                    whole <= *repetitions && whole + parts <= *components.max(repetitions),
                    "{field} of {}: {whole} + {parts}",
                    path.display()
                );
                // Delimiters only: nothing to count.
                if *components == 0 {
                    continue;
                }
                let all_whole = whole == *repetitions && parts == 0;
                assert!(all_whole || whole + parts >= *repetitions, "{field} of {}: {whole} + {parts}", path.display());
                if parts > 0 && whole == 0 {
                    assert_eq!(parts, *components, "{field} of {}", path.display());
                }
                fields += 1;
            }
            counted.retain(|field, _| !field.starts_with("???"));
            assert!(counted.is_empty(), "counted but not there: {counted:?}");
        }
    }
    println!("{fields} fields accounted for");
    assert!(fields > 5000);
}

/// The type of the entry that an expression of an issue is in.
fn bundle_type(json: &[u8], expression: &str) -> String {
    let at = expression.split("entry[").nth(1).and_then(|rest| rest.split(']').next()).and_then(|digits| digits.parse::<usize>().ok());
    let bundle: Value = serde_json::from_slice(json).unwrap();
    at.and_then(|at| bundle["entry"][at]["resource"]["resourceType"].as_str().map(str::to_owned)).unwrap_or_default()
}

/// Paths with their values, references and ids left out.
fn leaves(value: &Value, path: &mut String, out: &mut Vec<(String, String)>) {
    match value {
        Value::Object(map) => {
            for (key, child) in map {
                if matches!(key.as_str(), "id" | "reference" | "fullUrl") || (key == "extension" && is_foreign(child)) {
                    continue;
                }
                let length = path.len();
                path.push('.');
                path.push_str(key);
                leaves(child, path, out);
                path.truncate(length);
            }
        }
        Value::Array(items) => items.iter().filter(|item| !is_foreign_extension(item)).for_each(|item| leaves(item, path, out)),
        // An instant in UTC is written with Z or +00:00.
        Value::String(text) => {
            out.push((path.clone(), text.strip_suffix("+00:00").map_or_else(|| text.clone(), |time| format!("{time}Z"))));
        }
        other => out.push((path.clone(), other.to_string())),
    }
}

/// What resources refer to outside of extensions of the other program.
fn references(value: &Value) -> BTreeSet<String> {
    match value {
        Value::Object(map) => {
            let own = map.get("reference").and_then(Value::as_str).map(str::to_owned);
            let inner = map.iter().filter(|(key, child)| !(key.as_str() == "extension" && is_foreign(child)));
            own.into_iter().chain(inner.flat_map(|(_, child)| references(child))).collect()
        }
        Value::Array(items) => items.iter().filter(|item| !is_foreign_extension(item)).flat_map(references).collect(),
        _ => BTreeSet::new(),
    }
}

fn is_foreign(extension: &Value) -> bool {
    extension.as_array().is_some_and(|items| items.iter().all(is_foreign_extension))
}

fn is_foreign_extension(value: &Value) -> bool {
    let url = value.get("url").and_then(Value::as_str).unwrap_or("");
    value.get("url").is_some() && (url.contains("reportstream") || url.contains("ibm.com"))
}

/// What an expected Bundle says, by type of resource, as a count of each path and value.
fn said(bundle: &Value, ignore: &dyn Fn(&Value) -> bool) -> HashMap<(String, String), u32> {
    let mut all = HashMap::new();
    for entry in bundle["entry"].as_array().into_iter().flatten() {
        let resource = &entry["resource"];
        if ignore(resource) {
            continue;
        }
        let mut path = resource["resourceType"].as_str().unwrap_or("?").to_owned();
        let mut out = Vec::new();
        leaves(resource, &mut path, &mut out);
        for leaf in out {
            *all.entry(leaf).or_default() += 1;
        }
    }
    all
}

/// How much of what we say where both say something the other program says too: values of ours, and those of them that it has not.
fn otherwise(expected: &Value, ours: &Value, ignore: &dyn Fn(&Value) -> bool) -> (u32, u32) {
    let expected = said(expected, ignore);
    let paths: BTreeSet<&str> = expected.keys().map(|(path, _)| path.as_str()).collect();
    let ours = said(ours, &|_| false);
    let shared: Vec<_> = ours.keys().filter(|(path, _)| paths.contains(path.as_str())).collect();
    (shared.len() as u32, shared.iter().filter(|leaf| !expected.contains_key(**leaf)).count() as u32)
}

/// Compares what is expected with ours; counts what is found and notes what is not.
fn compare(
    expected: &Value,
    ours: &Value,
    ignore: &dyn Fn(&Value) -> bool,
    missing: &mut BTreeMap<String, (u32, String)>,
    name: &str,
) -> (u32, u32) {
    let have = said(ours, &|_| false);
    let (mut found, mut total) = (0, 0);
    for ((path, value), _) in said(expected, ignore) {
        total += 1;
        if have.contains_key(&(path.clone(), value.clone())) {
            found += 1;
        } else {
            let entry = missing.entry(path.clone()).or_insert((0, format!("{value:?} in {name}")));
            entry.0 += 1;
        }
    }
    (found, total)
}

fn convert(converter: &mut Converter, text: &str) -> Option<Value> {
    let message = Message::parse(text).ok()?;
    let mut out = Vec::new();
    converter.convert(&message, &source(text), &mut Report::new(), &mut out).ok()?;
    Some(serde_json::from_slice(&out).unwrap())
}

#[test]
fn most_of_what_other_converters_say_is_there() {
    let Some(folder) = data() else { return };
    let (mut shares, mut differing) = (Vec::new(), Vec::new());
    for (options, label) in [(options(), "default options"), (Options { namespace_first: true, ..options() }, "namespace_first")] {
        let mut converter = Converter::new(&options).unwrap();
        for (set, ending) in [("reportstream/mappinginventory", "fhir"), ("reportstream/hl7_to_fhir", "fhir")] {
            let mut paths = Vec::new();
            files(&folder.join(set), &mut paths);
            let (mut missing, mut sum, mut shared) = (BTreeMap::new(), (0, 0), (0, 0));
            for path in paths.iter().filter(|path| path.extension().is_some_and(|found| found == ending)) {
                let Ok(bytes) = std::fs::read(path.with_extension("hl7")) else { continue };
                let Ok(expected) = serde_json::from_slice::<Value>(&std::fs::read(path).unwrap()) else { continue };
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                // What the other program says about itself is not in the message.
                // Nor are resources that say nothing, and those that only its own extensions refer to.
                let referred = references(&expected);
                let ignore = |resource: &Value| {
                    let name = format!("{}/{}", resource["resourceType"].as_str().unwrap_or(""), resource["id"].as_str().unwrap_or(""));
                    let is_embedded = ["Practitioner/", "PractitionerRole/", "Organization/", "Location/", "RelatedPerson/", "Device/"]
                        .iter()
                        .any(|kind| name.starts_with(kind) && !(*kind == "RelatedPerson/" && resource.get("patient").is_some()));
                    let mut said = Vec::new();
                    leaves(resource, &mut String::new(), &mut said);
                    resource["resourceType"] == "Provenance"
                        || resource.to_string().contains("CDC PRIME - Atlanta")
                        || said.len() < 2
                        || (is_embedded && !referred.contains(&name))
                };
                for text in messages(&bytes) {
                    let Some(ours) = convert(&mut converter, &text) else { continue };
                    let (found, total) = compare(&expected, &ours, &ignore, &mut missing, &name);
                    sum = (sum.0 + found, sum.1 + total);
                    let (both, other) = otherwise(&expected, &ours, &ignore);
                    shared = (shared.0 + both, shared.1 + other);
                }
            }
            println!("{set} ({label}): {} of {} elements, {:.1} %", sum.0, sum.1, f64::from(sum.0) * 100.0 / f64::from(sum.1));
            println!("  of {} values of elements that both have {} are ours alone", shared.0, shared.1);
            shares.push(f64::from(sum.0) / f64::from(sum.1));
            differing.push(f64::from(shared.1) / f64::from(shared.0));
            if label == "default options" && std::env::var_os("SUTURA_SHOW_MISSING").is_some() {
                let mut list: Vec<_> = missing.into_iter().collect();
                list.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
                list.iter().take(140).for_each(|(path, (count, first))| println!("  {count:4} {path} {first}"));
            }
        }
    }
    assert!(shares[0] > 0.88 && shares[1] > 0.92, "{shares:?}");
    assert!(differing[0] < 0.05 && differing[1] < 0.04, "{differing:?}");
}

#[test]
fn resource_types_of_another_converter_are_there() {
    let Some(folder) = data() else { return };
    let mut converter = Converter::new(&options()).unwrap();
    let mut paths = Vec::new();
    files(&folder.join("msft-fhir-converter/expected"), &mut paths);
    let (mut missing, mut found, mut total) = (BTreeMap::<String, (u32, String)>::new(), 0, 0);
    for path in &paths {
        let name = path.file_name().unwrap().to_string_lossy().replace("-expected.json", ".hl7");
        let Ok(bytes) = std::fs::read(folder.join("msft-fhir-converter/messages").join(&name)) else { continue };
        let expected: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let types = |bundle: &Value| -> BTreeSet<String> {
            bundle["entry"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|entry| Some(entry["resource"]["resourceType"].as_str()?.to_owned()))
                .collect()
        };
        let Some(text) = messages(&bytes).into_iter().next() else { continue };
        let Some(ours) = convert(&mut converter, &text) else { continue };
        let have = types(&ours);
        for kind in types(&expected) {
            total += 1;
            if have.contains(&kind) {
                found += 1;
            } else {
                missing.entry(kind).or_insert((0, name.clone())).0 += 1;
            }
        }
    }
    println!("msft-fhir-converter: {found} of {total} resource types; missing {missing:?}");
    assert!(found * 100 > total * 84);
}
