//! The reference page of job files, made from the same doc comments as the JSON Schema.

use std::fmt::Write as _;

use serde_json::{Map, Value as Json};

use crate::model::JobFile;

/// The page `docs/src/reference/job.md`. A test compares the two, so that the page cannot fall behind.
pub fn markdown() -> String {
    let root = JobFile::json_schema();
    let mut page = String::from(PREFACE);
    let order = [
        ("job", "[job]", "JobSection"),
        ("source", "[[source]]", "SourceSection"),
        ("fhir", "[fhir]", "FhirSection"),
        ("privacy", "[privacy]", "PrivacySection"),
        ("key", "privacy.key", "KeySpec"),
        ("legal", "[privacy.legal]", "LegalSection"),
        ("sink", "[[sink]]", "SinkSection"),
        ("gates", "[gates]", "GatesSection"),
        ("rejects", "[rejects]", "RejectsSection"),
        ("report", "[report]", "ReportSection"),
    ];
    for (index, (_, title, name)) in order.iter().enumerate() {
        if let Some(table) = definition(&root, name) {
            section(&mut page, &root, &format!("## `{title}`"), table);
        }
        if index == 5 {
            steps(&mut page, &root);
        }
    }
    page
}

const PREFACE: &str = "# Job files

A job file is TOML. It says what is read (`[[source]]`), what is done with it (`[[step]]`), where it goes (`[[sink]]`), and under which
policy (`[privacy]`). `sutura validate job.toml` checks it without opening a source and names the file, line, key and nearest right
word of every mistake at once. `sutura schema job` prints the JSON Schema, which most editors use for completion.

This page is made from the same comments as the schema.

Names: a source called `feed` gives the tables `feed.messages`, `feed.observations` and so on; a step gives one table under its own
name. Paths are relative to the job file, those of sinks to `job.output`; `${NAME}` in a path is replaced from the environment.
`--set key=value` changes any key for one run, such as `--set job.output=/tmp/out` or `--set source.feed.path=other`.

";

fn steps(page: &mut String, root: &Json) {
    page.push_str("## `[[step]]`\n\n");
    let Some(definition) = definition(root, "StepSection") else { return };
    let _ = writeln!(page, "{}\n", text(definition, "description"));
    for choice in definition.get("oneOf").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_object) {
        let tag =
            choice.get("properties").and_then(|properties| properties.pointer("/type/const")).and_then(Json::as_str).unwrap_or_default();
        let mut merged = choice.clone();
        if let Some(inner) = resolve(root, choice) {
            merged.insert("properties".into(), inner.get("properties").cloned().unwrap_or_default());
            merged.insert("required".into(), inner.get("required").cloned().unwrap_or_default());
        }
        section(page, root, &format!("### `type = \"{tag}\"`"), &merged);
        if tag == "quality"
            && let Some(score) = self::definition(root, "RecordScoreSection")
        {
            section(page, root, "#### `[step.record_score]`", score);
        }
    }
}

fn section(page: &mut String, root: &Json, title: &str, table: &Map<String, Json>) {
    let _ = writeln!(page, "{title}\n\n{}\n\n| key | value | default | meaning |\n|---|---|---|---|", text(table, "description"));
    let required: Vec<&str> = table.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str).collect();
    let empty = Map::new();
    let properties = table.get("properties").and_then(Json::as_object).unwrap_or(&empty);
    // Required keys first, the rest in alphabetical order.
    let mut keys: Vec<&String> = properties.keys().filter(|key| *key != "type").collect();
    keys.sort_by_key(|key| (!required.contains(&key.as_str()), key.as_str()));
    for key in keys {
        let Some(property) = properties[key].as_object() else { continue };
        let default = match property.get("default") {
            _ if required.contains(&key.as_str()) => "required".to_owned(),
            Some(value) if !value.is_null() && !value.is_object() && value != &Json::Array(Vec::new()) => format!("`{value}`"),
            _ => String::new(),
        };
        let meaning = text(property, "description").replace('|', "\\|");
        let _ = writeln!(page, "| `{key}` | {} | {default} | {meaning} |", value_kind(root, property));
    }
    page.push('\n');
}

fn value_kind(root: &Json, property: &Map<String, Json>) -> String {
    if let Some(choice) =
        property.get("anyOf").and_then(Json::as_array).and_then(|choices| choices.iter().find(|choice| choice.get("$ref").is_some()))
    {
        return choice.as_object().map(|choice| value_kind(root, choice)).unwrap_or_default();
    }
    if let Some(target) = resolve(root, property) {
        let words: Vec<String> = target
            .get("oneOf")
            .and_then(Json::as_array)
            .into_iter()
            .flatten()
            .filter_map(|choice| choice.get("const").and_then(Json::as_str))
            .map(|word| format!("`{word}`"))
            .collect();
        return if words.is_empty() { "table".into() } else { words.join(", ") };
    }
    let kind = match property.get("type") {
        Some(Json::String(word)) => word.as_str(),
        Some(Json::Array(words)) => words.iter().filter_map(Json::as_str).find(|word| *word != "null").unwrap_or_default(),
        _ => "",
    };
    match kind {
        "array" => {
            let items = property.get("items").and_then(Json::as_object).map(|items| value_kind(root, items)).unwrap_or_default();
            if items.is_empty() { "list".into() } else { format!("list of {items}") }
        }
        "object" => "table".into(),
        "string" => "text".into(),
        "boolean" => "flag".into(),
        "integer" | "number" => "number".into(),
        other => other.to_owned(),
    }
}

fn definition<'a>(root: &'a Json, name: &str) -> Option<&'a Map<String, Json>> {
    root.get("$defs")?.get(name)?.as_object()
}

fn resolve<'a>(root: &'a Json, schema: &Map<String, Json>) -> Option<&'a Map<String, Json>> {
    root.pointer(schema.get("$ref")?.as_str()?.strip_prefix('#')?)?.as_object()
}

fn text(schema: &Map<String, Json>, key: &str) -> String {
    schema.get(key).and_then(Json::as_str).unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_key_has_a_meaning() {
        let page = markdown();
        let bare: Vec<&str> = page.lines().filter(|line| line.starts_with("| `") && line.ends_with("|  |")).collect();
        assert!(bare.is_empty(), "keys without a doc comment: {bare:?}");
        for word in ["### `type = \"deidentify\"`", "`rejects_max_share`", "`quarantine`", "`month-day-year`"] {
            assert!(page.contains(word), "{word} is not in the page");
        }
    }

    /// `SUTURA_BLESS=1 cargo test -p sutura-jobs reference` writes the page anew.
    #[test]
    fn the_page_in_the_book_is_up_to_date() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src/reference/job.md");
        let page = markdown();
        if std::env::var_os("SUTURA_BLESS").is_some() {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, &page).unwrap();
        }
        let written = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(written == page, "docs/src/reference/job.md is old: run SUTURA_BLESS=1 cargo test -p sutura-jobs reference");
    }
}
