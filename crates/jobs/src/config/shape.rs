//! Checks a document against the JSON Schema of [`crate::model::JobFile`]: unknown keys, missing keys, wrong types and wrong
//! words, all of them at once and each with its line. Serde alone would stop at the first.

use serde_json::{Map, Value as Json};

use super::{
    document::{Node, Part, Value},
    problem::nearest,
};

/// A problem and the path it belongs to.
#[derive(Debug)]
pub(super) struct ShapeProblem {
    /// Where.
    pub(super) path: Vec<Part>,
    /// Line of the key.
    pub(super) line: Option<usize>,
    /// What is wrong.
    pub(super) message: String,
    /// The nearest known word.
    pub(super) suggestion: Option<String>,
}

/// Checks `document` against `schema`.
pub(super) fn check(document: &Node, schema: &Json) -> Vec<ShapeProblem> {
    let mut walker = Walker { root: schema, path: Vec::new(), problems: Vec::new() };
    walker.check(document, schema, document.line);
    walker.problems
}

struct Walker<'a> {
    root: &'a Json,
    path: Vec<Part>,
    problems: Vec<ShapeProblem>,
}

impl<'a> Walker<'a> {
    fn check(&mut self, node: &Node, schema: &'a Json, line: Option<usize>) {
        let Some(schema) = self.resolve(schema).as_object() else { return };
        if let Some(choices) = schema.get("oneOf").or_else(|| schema.get("anyOf")).and_then(Json::as_array) {
            self.check_choices(node, schema, choices, line);
            return;
        }
        if let Some(words) = schema.get("enum").and_then(Json::as_array) {
            self.check_word(node, &words.iter().filter_map(Json::as_str).collect::<Vec<_>>(), line);
            return;
        }
        match (&node.value, type_word(schema)) {
            (Value::Table(_), Some("object")) => self.check_table(node, schema, None),
            (Value::List(items), Some("array")) => {
                if let Some(most) = schema.get("maxItems").and_then(Json::as_u64).filter(|most| items.len() as u64 > *most) {
                    self.problem(line, format!("there are {} of these; at most {most} are allowed", items.len()), None);
                    return;
                }
                let Some(item_schema) = schema.get("items") else { return };
                for (index, item) in items.iter().enumerate() {
                    self.path.push(Part::Index(index));
                    self.check(item, item_schema, item.line.or(line));
                    self.path.pop();
                }
            }
            (Value::Text(_), Some("string")) | (Value::Flag(_), Some("boolean")) | (Value::Float(_), Some("number")) => {}
            (Value::Integer(number), Some("integer" | "number")) => {
                let bound = |key| schema.get(key).and_then(Json::as_i64);
                match (bound("minimum"), bound("maximum")) {
                    (Some(least), Some(most)) if !(least..=most).contains(number) => {
                        self.problem(line, format!("{number} is out of range; it must be between {least} and {most}"), None);
                    }
                    (Some(least), None) if *number < least => {
                        self.problem(line, format!("{number} is too small; it must be at least {least}"), None);
                    }
                    _ => {}
                }
            }
            (_, None) => {}
            (_, Some(wanted)) => self.problem(line, format!("must be {}, not {}", type_name(wanted), value_name(&node.value)), None),
        }
    }

    /// A choice: a word, a tagged table, or an optional value.
    fn check_choices(&mut self, node: &Node, parent: &'a Map<String, Json>, choices: &'a [Json], line: Option<usize>) {
        let resolved: Vec<&'a Map<String, Json>> = choices.iter().filter_map(|choice| self.resolve(choice).as_object()).collect();
        let words: Vec<&str> = resolved.iter().flat_map(|choice| choice_words(choice)).collect();
        if !words.is_empty() {
            self.check_word(node, &words, line);
            return;
        }
        let tagged: Vec<(&str, &'a Map<String, Json>)> = resolved
            .iter()
            .filter_map(|choice| choice.get("properties")?.get("type")?.get("const")?.as_str().map(|tag| (tag, *choice)))
            .collect();
        if !tagged.is_empty() {
            self.check_tagged(node, &tagged, line);
            return;
        }
        // Optional values: the choice that is not null.
        if let Some(choice) = choices.iter().find(|choice| choice.get("type").and_then(Json::as_str) != Some("null")) {
            self.check(node, choice, line);
        }
        let _ = parent;
    }

    fn check_tagged(&mut self, node: &Node, tagged: &[(&'a str, &'a Map<String, Json>)], line: Option<usize>) {
        if !matches!(node.value, Value::Table(_)) {
            self.problem(line, format!("must be a table, not {}", value_name(&node.value)), None);
            return;
        }
        let known = tagged.iter().map(|(tag, _)| *tag).collect::<Vec<_>>();
        let Some(tag_entry) = node.entry("type") else {
            self.problem(line, format!("the key `type` is missing; it is one of {}", known.join(", ")), None);
            return;
        };
        self.path.push(Part::Key("type".into()));
        let tag_line = tag_entry.line;
        let Some(tag) = tag_entry.node.text() else {
            self.problem(tag_line, "must be text".into(), None);
            self.path.pop();
            return;
        };
        let choice = tagged.iter().find(|(known, _)| *known == tag).map(|(_, choice)| *choice);
        if choice.is_none() {
            self.problem(tag_line, format!("unknown type {tag:?}; it is one of {}", known.join(", ")), nearest(tag, known.iter().copied()));
        }
        self.path.pop();
        if let Some(choice) = choice {
            self.check_table(node, choice, Some("type"));
        }
    }

    fn check_table(&mut self, node: &Node, schema: &'a Map<String, Json>, tag: Option<&str>) {
        let Value::Table(entries) = &node.value else { return };
        // A tagged newtype variant keeps its own struct behind a `$ref` beside its tag.
        let inner = schema.get("$ref").map(|_| self.resolve_ref(schema)).and_then(Json::as_object);
        let property = |key: &str| {
            let direct = schema.get("properties").and_then(|properties| properties.get(key));
            direct.or_else(|| inner?.get("properties")?.get(key))
        };
        let additional = schema.get("additionalProperties").or_else(|| inner?.get("additionalProperties"));
        let known: Vec<&str> = [Some(schema), inner]
            .into_iter()
            .flatten()
            .filter_map(|schema| schema.get("properties").and_then(Json::as_object))
            .flat_map(|properties| properties.keys().map(String::as_str))
            .filter(|key| Some(*key) != tag)
            .collect();
        for entry in entries {
            self.path.push(Part::Key(entry.key.clone()));
            match (property(&entry.key), additional) {
                (Some(schema), _) => self.check(&entry.node, schema, entry.line),
                (None, Some(Json::Bool(false))) => {
                    let suggestion = nearest(&entry.key, known.iter().copied());
                    self.problem(entry.line, format!("unknown key; known keys here: {}", known.join(", ")), suggestion);
                }
                (None, Some(schema @ Json::Object(_))) => self.check(&entry.node, schema, entry.line),
                (None, _) => {}
            }
            self.path.pop();
        }
        let required =
            [Some(schema), inner].into_iter().flatten().filter_map(|schema| schema.get("required").and_then(Json::as_array)).flatten();
        for key in required.filter_map(Json::as_str) {
            if node.entry(key).is_none() {
                self.path.push(Part::Key(key.to_owned()));
                self.problem(node.line, "this key is missing".into(), None);
                self.path.pop();
            }
        }
    }

    fn check_word(&mut self, node: &Node, words: &[&str], line: Option<usize>) {
        match node.text() {
            Some(text) if words.contains(&text) => {}
            Some(text) => self.problem(
                line,
                format!("unknown word {text:?}; it is one of {}", words.join(", ")),
                nearest(text, words.iter().copied()),
            ),
            None => self.problem(line, format!("must be one of {}, not {}", words.join(", "), value_name(&node.value)), None),
        }
    }

    fn resolve(&self, schema: &'a Json) -> &'a Json {
        // A `$ref` with a tag beside it stays together: `check_table` looks into both.
        match schema.as_object() {
            Some(object) if object.contains_key("$ref") && !object.contains_key("properties") => self.resolve_ref(object),
            _ => schema,
        }
    }

    fn resolve_ref(&self, object: &'a Map<String, Json>) -> &'a Json {
        let pointer = object.get("$ref").and_then(Json::as_str).and_then(|reference| reference.strip_prefix('#'));
        pointer.and_then(|pointer| self.root.pointer(pointer)).unwrap_or(&Json::Null)
    }

    fn problem(&mut self, line: Option<usize>, message: String, suggestion: Option<String>) {
        self.problems.push(ShapeProblem { path: self.path.clone(), line, message, suggestion });
    }
}

fn choice_words(choice: &Map<String, Json>) -> Vec<&str> {
    if let Some(word) = choice.get("const").and_then(Json::as_str) {
        return vec![word];
    }
    choice.get("enum").and_then(Json::as_array).map(|words| words.iter().filter_map(Json::as_str).collect()).unwrap_or_default()
}

/// The one type of a schema; `null` beside it (an optional value) does not count.
fn type_word(schema: &Map<String, Json>) -> Option<&str> {
    match schema.get("type")? {
        Json::String(word) => Some(word),
        Json::Array(words) => words.iter().filter_map(Json::as_str).find(|word| *word != "null"),
        _ => None,
    }
}

fn type_name(word: &str) -> &'static str {
    match word {
        "object" => "a table",
        "array" => "a list",
        "string" => "text",
        "boolean" => "true or false",
        "integer" => "a whole number",
        _ => "a number",
    }
}

fn value_name(value: &Value) -> &'static str {
    match value {
        Value::Text(_) => "text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::Flag(_) => "true or false",
        Value::List(_) => "a list",
        Value::Table(_) => "a table",
    }
}
