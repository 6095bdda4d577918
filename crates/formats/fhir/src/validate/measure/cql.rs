//! What a CQL library defines: the names after `define`, and nothing more of the language.

use std::collections::HashSet;

use serde_json::Value as Json;

/// A library with the names it defines.
pub(super) struct Library {
    pub(super) url: String,
    pub(super) name: String,
    names: HashSet<String>,
}

impl Library {
    /// From a Library with CQL in it.
    pub(super) fn of(json: &Json) -> Option<Self> {
        let mut content = json["content"].as_array().into_iter().flatten();
        let data = content.find(|one| one["contentType"].as_str().is_some_and(|kind| kind.starts_with("text/cql")))?["data"].as_str()?;
        let source = String::from_utf8(decode_base64(data)?).ok()?;
        let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
        Some(Self { url: text("url"), name: text("name"), names: defined(&source) })
    }

    pub(super) fn defines(&self, name: &str) -> bool {
        self.names.contains(name)
    }
}

/// The library and the name of an expression that is nothing but a reference: `Library.Name`, `"Name"`.
pub(super) fn reference(expression: &str) -> Option<(Option<String>, String)> {
    let tokens: Vec<Token> = tokens(expression).collect();
    let name = |token: &Token| match token {
        Token::Name(name) => Some(name.clone()),
        _ => None,
    };
    match tokens.as_slice() {
        [only] => Some((None, name(only)?)),
        [library, Token::Other('.'), last] => Some((Some(name(library)?), name(last)?)),
        _ => None,
    }
}

fn defined(source: &str) -> HashSet<String> {
    let mut names = HashSet::new();
    let mut defining = false;
    for token in tokens(source) {
        match token {
            Token::Name(word) if !defining => defining = word == "define",
            // What may stand between `define` and the name.
            Token::Name(word) if matches!(word.as_str(), "private" | "public" | "fluent" | "function") => {}
            Token::Name(name) => {
                names.insert(name);
                defining = false;
            }
            _ => defining = false,
        }
    }
    names
}

enum Token {
    /// An identifier or keyword, quoted or not.
    Name(String),
    /// A text in single quotes.
    Text,
    Other(char),
}

/// The tokens of CQL, as far as names need them.
fn tokens(source: &str) -> impl Iterator<Item = Token> {
    let mut rest = source;
    std::iter::from_fn(move || {
        loop {
            rest = rest.trim_start();
            if let Some(comment) = rest.strip_prefix("//") {
                rest = comment.split_once('\n').map_or("", |(_, after)| after);
            } else if let Some(comment) = rest.strip_prefix("/*") {
                rest = comment.split_once("*/").map_or("", |(_, after)| after);
            } else {
                break;
            }
        }
        let first = rest.chars().next()?;
        if matches!(first, '"' | '`' | '\'') {
            let (inside, after) = quoted(&rest[1..], first);
            rest = after;
            return Some(if first == '\'' { Token::Text } else { Token::Name(inside) });
        }
        let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(rest.len());
        if end == 0 {
            rest = &rest[first.len_utf8()..];
            return Some(Token::Other(first));
        }
        let (word, after) = rest.split_at(end);
        rest = after;
        Some(Token::Name(word.to_owned()))
    })
}

/// Text up to its closing quote, and what follows.
fn quoted(text: &str, quote: char) -> (String, &str) {
    let mut inside = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        if letter == quote {
            return (inside, &text[at + letter.len_utf8()..]);
        }
        if letter == '\\' {
            inside.extend(letters.next().map(|(_, escaped)| escaped));
        } else {
            inside.push(letter);
        }
    }
    (inside, "")
}

fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0_u32, 0);
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => break,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_cql_defines() {
        let source = r#"library A version '1.0' /* define "No" */
            // define Neither
            parameter "Measurement Period" Interval<DateTime>
            define "Initial Population": exists "B"
            define private Denominator: 'define "X": 1'
            define fluent function "f"(a Integer): a"#;
        let names = defined(source);
        let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["Denominator", "Initial Population", "f"]);
    }

    #[test]
    fn references() {
        assert_eq!(reference("A.B"), Some((Some("A".to_owned()), "B".to_owned())));
        assert_eq!(reference("\"Initial Population\""), Some((None, "Initial Population".to_owned())));
        assert_eq!(reference("A.B > 3"), None);
        assert_eq!(reference("'A'"), None);
        assert_eq!(reference(""), None);
    }

    #[test]
    fn base64() {
        assert_eq!(decode_base64("YWJj\nZGU=").as_deref(), Some(&b"abcde"[..]));
        assert_eq!(decode_base64("YQ==").as_deref(), Some(&b"a"[..]));
        assert_eq!(decode_base64("Y*"), None);
    }
}
