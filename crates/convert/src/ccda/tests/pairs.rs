//! The recommended outputs of the guide and the paired resources of another converter: which of their elements ours have.

use serde_json::Value;

use super::{
    corpus::{data, wrap},
    *,
};

/// Names whose values a converter makes up: ids, references, and the narrative and metadata of the tool that wrote the example.
const MADE_UP: [&str; 7] = ["id", "reference", "fullUrl", "meta", "language", "data", "div"];

/// Every value of a resource with its path; places in lists do not count.
fn elements(value: &Value, path: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                if !MADE_UP.contains(&name.as_str()) {
                    elements(value, &format!("{path}.{name}"), found);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| elements(item, path, found)),
        // The examples write the same instant in several ways.
        Value::String(text) => found.push((path.to_owned(), text.trim().to_lowercase())),
        other => found.push((path.to_owned(), other.to_string())),
    }
}

/// Comments of JSON with comments left out; strings are kept.
fn without_comments(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let (mut quoted, mut escaped) = (false, false);
        let mut end = line.len();
        for (at, letter) in line.char_indices() {
            let is_escaped = std::mem::take(&mut escaped);
            match letter {
                '\\' => escaped = !is_escaped,
                '"' if !is_escaped => quoted = !quoted,
                '/' if !quoted && line[at..].starts_with("//") => {
                    end = at;
                    break;
                }
                _ => {}
            }
        }
        out.push_str(&line[..end]);
        out.push('\n');
    }
    out
}

/// The expected elements that the best of our resources has, those that it has not, and what it says otherwise: values of the same
/// elements that are not expected.
#[derive(Default)]
struct Compared {
    had: usize,
    expected: usize,
    missing: Vec<(String, String)>,
    otherwise: Vec<(String, String)>,
}

fn compare(expected: &Value, bundle: &Value) -> Compared {
    let kind = expected["resourceType"].as_str().unwrap_or("");
    let mut wanted = Vec::new();
    elements(expected, kind, &mut wanted);
    let one = |resource: &Value| {
        let mut ours = Vec::new();
        elements(resource, kind, &mut ours);
        let mut missing = Vec::new();
        for element in &wanted {
            match ours.iter().position(|own| own == element) {
                Some(at) => drop(ours.swap_remove(at)),
                None => missing.push(element.clone()),
            }
        }
        ours.retain(|(path, _)| missing.iter().any(|(other, _)| other == path));
        Compared { had: wanted.len() - missing.len(), expected: wanted.len(), missing, otherwise: ours }
    };
    let none = Compared { expected: wanted.len(), missing: wanted.clone(), ..Compared::default() };
    resources(bundle, kind).into_iter().map(one).min_by_key(|found| found.missing.len()).unwrap_or(none)
}

/// Elements that are there, expected, and said otherwise.
type Sums = (usize, usize, usize);

fn show(name: &str, expected: &Value, bundle: &Value, sums: &mut Sums) {
    let found = compare(expected, bundle);
    println!("{name}: {} of {}", found.had, found.expected);
    found.missing.iter().for_each(|(path, value)| println!("    {path} = {value}"));
    found.otherwise.iter().for_each(|(path, value)| println!("        ours {path} = {value}"));
    sums.0 += found.had;
    sums.1 += found.expected;
    sums.2 += found.otherwise.len();
}

#[test]
fn recommended_outputs_of_the_guide() {
    let Some(data) = data() else { return };
    let folder = data.join("ccda-on-fhir/examples");
    let bytes = fs::read(folder.join("Input/Myra Jones v2.xml")).unwrap();
    let (bundle, _, _) = convert_with(Options::default(), &bytes);
    let mut paths: Vec<PathBuf> = fs::read_dir(folder.join("Rec_Output")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut sums = (0, 0, 0);
    for path in &paths {
        let mut text = without_comments(&fs::read_to_string(path).unwrap());
        // One of the files has a brace too many.
        let value: Value = loop {
            match serde_json::from_str(&text) {
                Ok(value) => break value,
                Err(_) => text = text.trim_end().strip_suffix('}').unwrap().to_owned(),
            }
        };
        show(&path.file_name().unwrap().to_string_lossy(), &value["resource"], &bundle, &mut sums);
    }
    println!("guide: {} of {} elements, {} said otherwise", sums.0, sums.1, sums.2);
    assert_eq!(paths.len(), 10);
    // What is said otherwise is explained in the reference.
    assert!(sums.0 >= 141 && sums.1 == 169 && sums.2 <= 10, "{sums:?}");
}

#[test]
fn paired_resources() {
    let Some(data) = data() else { return };
    let folder = data.join("nurra-ccda-to-fhir");
    let mut sums = (0, 0, 0);
    for name in ["allergy", "patient", "procedure", "vital_signs"] {
        let text = fs::read_to_string(folder.join(format!("ccda/{name}.xml"))).unwrap();
        let (bundle, _, _) = convert_with(Options::default(), wrap(&text).unwrap().as_bytes());
        let expected: Value = serde_json::from_str(&fs::read_to_string(folder.join(format!("fhir/{name}.json"))).unwrap()).unwrap();
        if name == "vital_signs" {
            // The members are contained there and resources of their own here.
            // Systolic and diastolic pressure are components of one Observation here, as US Core has it.
            for member in expected["contained"].as_array().unwrap().iter().filter(|member| member["id"] == "heartRate") {
                show(name, member, &bundle, &mut sums);
            }
            let mut panel = expected.clone();
            panel.as_object_mut().unwrap().remove("contained");
            show(name, &panel, &bundle, &mut sums);
        } else {
            show(name, &expected, &bundle, &mut sums);
        }
    }
    println!("pairs: {} of {} elements, {} said otherwise", sums.0, sums.1, sums.2);
    assert!(sums.0 >= 127 && sums.1 == 134 && sums.2 <= 3, "{sums:?}");
}

/// The other converter's bundles are far from ours in shape: what counts is that ours have the types of resources that theirs have.
#[test]
fn types_of_resources_of_another_converter() {
    let Some(data) = data() else { return };
    let folder = data.join("msft-fhir-converter");
    let mut missing = 0;
    let mut paths: Vec<PathBuf> = Vec::new();
    for kind in fs::read_dir(folder.join("expected")).unwrap() {
        paths.extend(fs::read_dir(kind.unwrap().path()).unwrap().map(|entry| entry.unwrap().path()));
    }
    paths.sort();
    for path in &paths {
        let name = path.file_name().unwrap().to_string_lossy().replace("-expected.json", ".ccda");
        let (bundle, _, _) = convert_with(Options::default(), &fs::read(folder.join("documents").join(&name)).unwrap());
        let expected: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        let count = |bundle: &Value| {
            let mut kinds = std::collections::BTreeMap::<String, usize>::new();
            for entry in bundle["entry"].as_array().unwrap() {
                *kinds.entry(entry["resource"]["resourceType"].as_str().unwrap().to_owned()).or_default() += 1;
            }
            kinds
        };
        let (theirs, ours) = (count(&expected), count(&bundle));
        for (kind, count) in &theirs {
            let own = ours.get(kind).copied().unwrap_or(0);
            if own < *count {
                println!("{name}: {kind} {own} of {count}");
            }
            missing += usize::from(own == 0);
        }
    }
    println!("types that only the other converter has: {missing}");
}
