//! The key tables of docs/src/reference/quality.md are written from the doc comments of the specifications.
//! `SUTURA_WRITE_REFERENCE=1 cargo test -p sutura-quality --test reference` brings the page up to date.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{fmt::Write as _, path::PathBuf};

use schemars::{JsonSchema, schema_for};
use serde_json::Value;
use sutura_quality::{CheckSpec, GateSpec, QualityReport, RecordScoreSpec};

fn one_line(schema: &Value) -> String {
    schema["description"].as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let reference = schema["$ref"].as_str().or_else(|| schema["anyOf"].as_array()?.iter().find_map(|option| option["$ref"].as_str()));
    reference.and_then(|path| root.pointer(path.trim_start_matches('#'))).unwrap_or(schema)
}

/// A word for the type of a key: its JSON type, or the words it may be.
fn type_word(root: &Value, schema: &Value) -> String {
    let schema = resolve(root, schema);
    let words: Vec<&str> = schema["oneOf"]
        .as_array()
        .map(|options| options.iter().filter_map(|option| option["const"].as_str()).collect())
        .or_else(|| schema["enum"].as_array().map(|options| options.iter().filter_map(Value::as_str).collect()))
        .unwrap_or_default();
    if !words.is_empty() {
        return format!("`{}`", words.join("`, `"));
    }
    let json_type = match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).find(|word| *word != "null").unwrap_or("any").to_owned(),
        other => other.as_str().unwrap_or("any").to_owned(),
    };
    match json_type.as_str() {
        "object" => "table".into(),
        "array" => format!("list of {}", type_word(root, &schema["items"])),
        _ => json_type,
    }
}

fn key_table<T: JsonSchema>(pointer: &str) -> String {
    let root = serde_json::to_value(schema_for!(T)).unwrap();
    let schema = root.pointer(pointer).unwrap();
    let mut page = String::from("| key | type | meaning |\n| --- | --- | --- |\n");
    // By name: the order in a JSON object depends on features that other crates choose.
    let mut properties: Vec<_> = schema["properties"].as_object().unwrap().iter().collect();
    properties.sort_unstable_by_key(|(key, _)| key.as_str());
    for (key, value) in properties {
        let described = if value["description"].is_string() { value } else { resolve(&root, value) };
        assert!(!one_line(described).is_empty(), "{key} has no description");
        writeln!(page, "| `{key}` | {} | {} |", type_word(&root, value), one_line(described)).unwrap();
    }
    page
}

/// The words of an enum with their meaning.
fn word_table<T: JsonSchema>(pointer: &str) -> String {
    let root = serde_json::to_value(schema_for!(T)).unwrap();
    let mut page = String::from("| word | meaning |\n| --- | --- |\n");
    for option in root.pointer(pointer).unwrap()["oneOf"].as_array().unwrap() {
        writeln!(page, "| `{}` | {} |", option["const"].as_str().unwrap(), one_line(option)).unwrap();
    }
    page
}

#[test]
fn the_reference_page_is_current() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/src/reference/quality.md");
    let old = std::fs::read_to_string(&path).unwrap();
    let mut page = old.clone();
    for (name, table) in [
        ("kinds", word_table::<CheckSpec>("/$defs/CheckKind")),
        ("check", key_table::<CheckSpec>("")),
        ("condition", key_table::<CheckSpec>("/$defs/Condition")),
        ("number-range", key_table::<CheckSpec>("/$defs/NumberRange")),
        ("value-type", word_table::<CheckSpec>("/$defs/ValueType")),
        ("check-digit", word_table::<CheckSpec>("/$defs/CheckDigit")),
        ("gate", key_table::<GateSpec>("")),
        ("gate-action", word_table::<GateSpec>("/$defs/Gate")),
        ("gate-measure", word_table::<GateSpec>("/$defs/GateMeasure")),
        ("record-score", key_table::<RecordScoreSpec>("")),
        ("status", word_table::<QualityReport>("/$defs/CheckStatus")),
        ("report", key_table::<QualityReport>("")),
        ("check-result", key_table::<QualityReport>("/$defs/CheckResult")),
        ("failed-record", key_table::<QualityReport>("/$defs/FailedRecord")),
        ("dimension-score", key_table::<QualityReport>("/$defs/DimensionScore")),
        ("record-summary", key_table::<QualityReport>("/$defs/RecordScoreSummary")),
    ] {
        let (begin, end) = (format!("<!-- begin {name} -->\n"), format!("<!-- end {name} -->"));
        let from = page.find(&begin).unwrap_or_else(|| panic!("the page has no marker {name}")) + begin.len();
        let to = page.find(&end).unwrap();
        page.replace_range(from..to, &format!("\n{table}\n"));
    }
    if std::env::var_os("SUTURA_WRITE_REFERENCE").is_some() {
        std::fs::write(&path, &page).unwrap();
    } else {
        assert!(page == old, "docs/src/reference/quality.md is not current; run this test with SUTURA_WRITE_REFERENCE=1");
    }
}
