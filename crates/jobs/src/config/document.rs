//! A TOML document that knows the line of every key, so that a problem found long after parsing can
//! still name its place. `--set` changes it before anything else looks at it.

use std::{fmt::Write as _, ops::Range};

use toml::de::{DeTable, DeValue};

/// A value and where it is.
#[derive(Debug, Clone)]
pub struct Node {
    /// Line from 1; `None` for a value set on the command line.
    pub line: Option<usize>,
    /// The value.
    pub value: Value,
}

/// A TOML value.
#[derive(Debug, Clone)]
pub enum Value {
    /// Text; also dates and times, which jobs write as text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
    /// A flag.
    Flag(bool),
    /// A list.
    List(Vec<Node>),
    /// A table: key, line of the key, value.
    Table(Vec<Entry>),
}

/// One key of a table.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Line of the key.
    pub line: Option<usize>,
    /// Its value.
    pub node: Node,
}

/// One step of a path into a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Key of a table.
    Key(String),
    /// Position in a list, from 0.
    Index(usize),
}

/// Writes a path as people read it: `step[2].input` (positions from 1).
pub fn path_text(path: &[Part]) -> String {
    let mut text = String::new();
    for part in path {
        match part {
            Part::Key(key) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(key);
            }
            Part::Index(index) => {
                let _ = write!(text, "[{}]", index + 1);
            }
        }
    }
    text
}

/// A syntax error: line and message.
#[derive(Debug, Clone)]
pub struct SyntaxProblem {
    /// Line from 1.
    pub line: Option<usize>,
    /// The parser's message.
    pub message: String,
}

impl Node {
    /// Parses a TOML document and reports every syntax error.
    pub fn parse(text: &str) -> Result<Node, Vec<SyntaxProblem>> {
        let (table, errors) = DeTable::parse_recoverable(text);
        if errors.is_empty() {
            let lines = Lines::new(text);
            return Ok(Node { line: Some(1), value: table_value(table.get_ref(), &lines) });
        }
        let lines = Lines::new(text);
        Err(errors
            .iter()
            .map(|error| SyntaxProblem { line: error.span().map(|span| lines.of(&span)), message: error.message().replace('\n', ", ") })
            .collect())
    }

    /// The entry of a table.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Table(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// The value of a table's key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.node)
    }

    /// The items of a list, or nothing.
    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The text, if it is text.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The name by which `--set` finds an item of a list: its own, else its input's with `.` written as `_`, as sinks are named.
    fn name(&self) -> String {
        let own = self.get("name").and_then(Node::text).map(str::to_owned);
        own.or_else(|| self.get("input").and_then(Node::text).map(|input| input.replace('.', "_"))).unwrap_or_default()
    }

    /// The line of a path: of the key itself, or of the nearest thing above that exists.
    pub fn line_of(&self, path: &[Part]) -> Option<usize> {
        let Some((first, rest)) = path.split_first() else { return self.line };
        let (own_line, next) = match (first, &self.value) {
            (Part::Key(key), Value::Table(_)) => match self.entry(key) {
                // A table's own line is its header; a key's line is the key.
                Some(entry) => (entry.line.or(entry.node.line), &entry.node),
                None => return self.line,
            },
            (Part::Index(index), Value::List(items)) => match items.get(*index) {
                Some(item) => (item.line, item),
                None => return self.line,
            },
            _ => return self.line,
        };
        if rest.is_empty() { own_line } else { next.line_of(rest) }
    }

    /// The same value as JSON, for serde.
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Text(text) => text.clone().into(),
            Value::Integer(number) => (*number).into(),
            Value::Float(number) => (*number).into(),
            Value::Flag(flag) => (*flag).into(),
            Value::List(items) => items.iter().map(Node::to_json).collect(),
            Value::Table(entries) => {
                serde_json::Value::Object(entries.iter().map(|entry| (entry.key.clone(), entry.node.to_json())).collect())
            }
        }
    }

    /// Sets `key=value` as given on the command line. The key is a path (`job.output`, `source.feed.path`, `sink[2].path`); members of
    /// `source`, `step` and `sink` are found by name or position. The value is TOML, or plain text where it is not.
    pub fn set(&mut self, assignment: &str) -> Result<(), String> {
        let Some((key, value)) = assignment.split_once('=') else {
            return Err("write it as key=value, such as job.output=out".into());
        };
        let path = parse_path(key.trim())?;
        let value = parse_value(value.trim());
        self.put(&path, value)
    }

    fn put(&mut self, path: &[Part], value: Value) -> Result<(), String> {
        let Some((first, rest)) = path.split_first() else {
            self.line = None;
            self.value = value;
            return Ok(());
        };
        match (&mut self.value, first) {
            (Value::Table(entries), Part::Key(key)) => {
                let position = entries.iter().position(|entry| &entry.key == key).unwrap_or_else(|| {
                    let node = Node { line: None, value: Value::Table(Vec::new()) };
                    entries.push(Entry { key: key.clone(), line: None, node });
                    entries.len() - 1
                });
                if rest.is_empty() {
                    entries[position].line = None;
                }
                entries[position].node.put(rest, value)
            }
            (Value::List(items), Part::Index(index)) => match items.get_mut(*index) {
                Some(item) => item.put(rest, value),
                None => Err(format!("there is no number {}, only {}", index + 1, items.len())),
            },
            (Value::List(items), Part::Key(name)) => {
                let names: Vec<String> = items.iter().map(Node::name).collect();
                match names.iter().position(|known| known == name) {
                    Some(position) => items[position].put(rest, value),
                    None => Err(format!("nothing is named {name:?} here; there are {}", names.join(", "))),
                }
            }
            _ => Err("the key leads into a plain value".into()),
        }
    }
}

fn parse_path(text: &str) -> Result<Vec<Part>, String> {
    let mut path = Vec::new();
    for piece in text.split('.') {
        let (key, mut index) = match piece.find('[') {
            Some(position) => piece.split_at(position),
            None => (piece, ""),
        };
        if key.is_empty() {
            return Err("the key has an empty part".into());
        }
        path.push(Part::Key(key.to_owned()));
        while let Some(inner) = index.strip_prefix('[') {
            let Some((number, rest)) = inner.split_once(']') else { return Err("a bracket is not closed".into()) };
            let number: usize = number.parse().map_err(|_| "a position is not a number".to_owned())?;
            path.push(Part::Index(number.checked_sub(1).ok_or("positions count from 1")?));
            index = rest;
        }
    }
    Ok(path)
}

fn parse_value(text: &str) -> Value {
    match DeValue::parse(text) {
        Ok(value) => de_value(value.get_ref(), &Lines::none()).value,
        Err(_) => Value::Text(text.to_owned()),
    }
}

fn table_value(table: &DeTable<'_>, lines: &Lines) -> Value {
    let mut entries: Vec<(usize, Entry)> = table
        .iter()
        .map(|(key, value)| {
            let mut node = de_value(value.get_ref(), lines);
            node.line = lines.line(&value.span());
            (key.span().start, Entry { key: key.get_ref().to_string(), line: lines.line(&key.span()), node })
        })
        .collect();
    entries.sort_by_key(|(start, _)| *start);
    Value::Table(entries.into_iter().map(|(_, entry)| entry).collect())
}

fn de_value(value: &DeValue<'_>, lines: &Lines) -> Node {
    let value = match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::Integer(number),
            Err(_) => Value::Text(number.as_str().to_owned()),
        },
        // No key takes nan or inf; left a number, they would turn into nothing on the way to the key's type.
        DeValue::Float(number) => match number.as_str().parse() {
            Ok(value) if f64::is_finite(value) => Value::Float(value),
            _ => Value::Text(number.as_str().to_owned()),
        },
        DeValue::Boolean(flag) => Value::Flag(*flag),
        DeValue::Datetime(time) => Value::Text(time.to_string()),
        DeValue::Array(items) => Value::List(
            items
                .iter()
                .map(|item| {
                    let mut node = de_value(item.get_ref(), lines);
                    node.line = lines.line(&item.span());
                    node
                })
                .collect(),
        ),
        DeValue::Table(table) => table_value(table, lines),
    };
    Node { line: None, value }
}

/// Byte offsets of line starts.
struct Lines(Option<Vec<usize>>);

impl Lines {
    fn new(text: &str) -> Self {
        let starts = std::iter::once(0).chain(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1));
        Self(Some(starts.collect()))
    }

    fn none() -> Self {
        Self(None)
    }

    fn of(&self, span: &Range<usize>) -> usize {
        self.0.as_ref().map_or(1, |starts| starts.partition_point(|start| *start <= span.start).max(1))
    }

    fn line(&self, span: &Range<usize>) -> Option<usize> {
        self.0.as_ref().map(|_| self.of(span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[job]\nname = \"a\"\n\n[[step]]\nname = \"x\"\n\n[[step]]\nname = \"y\"\nquery = \"\"\"\nselect\n1\"\"\"\n";

    fn key(name: &str) -> Part {
        Part::Key(name.into())
    }

    #[test]
    fn lines_are_known_for_keys_tables_and_missing_keys() {
        let document = Node::parse(TEXT).unwrap();
        assert_eq!(document.line_of(&[key("job"), key("name")]), Some(2));
        assert_eq!(document.line_of(&[key("step"), Part::Index(1), key("query")]), Some(9));
        assert_eq!(document.line_of(&[key("step"), Part::Index(1)]), Some(7));
        assert_eq!(document.line_of(&[key("step"), Part::Index(1), key("missing")]), Some(7));
    }

    #[test]
    fn every_syntax_error_is_reported_with_its_line() {
        let problems = Node::parse("[job]\nname = \n[[step]\nx = 1 1\n").unwrap_err();
        let lines: Vec<_> = problems.iter().filter_map(|problem| problem.line).collect();
        assert!(problems.len() >= 2 && lines.contains(&2) && lines.contains(&3), "{problems:?}");
    }

    #[test]
    fn values_are_set_by_name_and_position() {
        let mut document = Node::parse(TEXT).unwrap();
        document.set("step.y.query=select 2").unwrap();
        document.set("step[1].name = \"z\"").unwrap();
        document.set("gates.rejects_max_share=0.5").unwrap();
        let json = document.to_json();
        assert_eq!(json["step"][1]["query"], "select 2");
        assert_eq!(json["step"][0]["name"], "z");
        assert_eq!(json["gates"]["rejects_max_share"], 0.5);
        assert!(document.set("step.nobody.query=1").is_err());
        let odd = Node::parse("[gates]\nrejects_max_share = nan\n").unwrap().to_json();
        assert_eq!(odd["gates"]["rejects_max_share"], "nan", "not null, which would be no limit");
        assert!(document.set("no-equals").is_err());
        let mut document = Node::parse("[[sink]]\ninput = \"feed.patients\"\n").unwrap();
        document.set("sink.feed_patients.allow_phi=true").unwrap();
        assert_eq!(document.to_json()["sink"][0]["allow_phi"], true);
        assert_eq!(document.set("sink.patients.format=csv").unwrap_err(), "nothing is named \"patients\" here; there are feed_patients");
        assert!(document.set("step[0].name=x").is_err());
    }
}
