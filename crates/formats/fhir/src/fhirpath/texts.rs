//! Functions of texts. Positions count characters, not bytes.

use std::borrow::Cow;

use regex::{Regex, RegexBuilder};
use smallvec::smallvec;

use super::{
    Collection, Function, Item, PathError, Tree,
    ast::{Literal, Pattern},
    eval::{Call, Evaluator},
    operators::{integer, text},
};

/// Compiled size of a regular expression, in bytes.
const PATTERN_SIZE: usize = 1 << 20;

fn string<'d>(text: String) -> Collection<'d> {
    smallvec![Item::String(Cow::Owned(text))]
}

fn flag<'d>(value: bool) -> Collection<'d> {
    smallvec![Item::Boolean(value)]
}

impl<'d> Evaluator<'_, 'd> {
    /// The functions of this file.
    pub(crate) fn text_function(&mut self, call: &Call<'_, 'd>, pattern: &'d Pattern) -> Result<Collection<'d>, PathError> {
        let name = call.function.name();
        if call.function == Function::Join {
            return self.join(call);
        }
        let Some(input) = text(&call.input, name)? else { return Ok(Collection::new()) };
        self.tick(input.len() / 64)?;
        match call.function {
            Function::Upper => return Ok(string(input.to_uppercase())),
            Function::Lower => return Ok(string(input.to_lowercase())),
            Function::Trim => return Ok(string(input.trim().to_owned())),
            Function::Length => return Ok(smallvec![Item::Integer(input.chars().count() as i64)]),
            Function::ToChars => {
                self.tick(input.len())?;
                return Ok(input.chars().map(|letter| Item::String(letter.to_string().into())).collect());
            }
            Function::Substring => return self.substring(call, &input),
            Function::Matches | Function::MatchesFull | Function::ReplaceMatches => return self.regular(call, &input, pattern),
            _ => {}
        }
        let Some(argument) = text(&self.argument(call.arguments, 0, call.frame)?, name)? else { return Ok(Collection::new()) };
        let position = |found: Option<usize>| {
            let at = found.map_or(-1, |byte| input[..byte].chars().count() as i64);
            Ok(smallvec![Item::Integer(at)])
        };
        match call.function {
            Function::IndexOf => position(input.find(&*argument)),
            Function::LastIndexOf => position(input.rfind(&*argument)),
            Function::StartsWith => Ok(flag(input.starts_with(&*argument))),
            Function::EndsWith => Ok(flag(input.ends_with(&*argument))),
            Function::Contains => Ok(flag(input.contains(&*argument))),
            Function::Replace => {
                let Some(substitute) = text(&self.argument(call.arguments, 1, call.frame)?, name)? else { return Ok(Collection::new()) };
                let found = input.matches(&*argument).count();
                self.check_text(input.len().saturating_add(found.saturating_mul(substitute.len())))?;
                Ok(string(input.replace(&*argument, &substitute)))
            }
            Function::Split => {
                self.tick(input.len())?;
                if argument.is_empty() {
                    return Ok(input.chars().map(|letter| Item::String(letter.to_string().into())).collect());
                }
                Ok(input.split(&*argument).map(|part| Item::String(part.to_owned().into())).collect())
            }
            Function::Encode => Ok(match &*argument {
                "hex" => string(encode_hex(&input)),
                "base64" => string(encode_base64(input.as_bytes(), STANDARD)),
                "urlbase64" => string(encode_base64(input.as_bytes(), URL)),
                _ => Collection::new(),
            }),
            Function::Decode => {
                let bytes = match &*argument {
                    "hex" => decode_hex(&input),
                    "base64" => decode_base64(&input, STANDARD),
                    "urlbase64" => decode_base64(&input, URL),
                    _ => None,
                };
                Ok(bytes.and_then(|bytes| String::from_utf8(bytes).ok()).map(string).unwrap_or_default())
            }
            Function::Escape => Ok(match &*argument {
                "html" => string(escape_html(&input)),
                "json" => string(escape_json(&input)),
                _ => Collection::new(),
            }),
            Function::Unescape => Ok(match &*argument {
                "html" => string(unescape_html(&input)),
                "json" => unescape_json(&input).map(string).unwrap_or_default(),
                _ => Collection::new(),
            }),
            _ => Ok(Collection::new()),
        }
    }

    fn join(&mut self, call: &Call<'_, 'd>) -> Result<Collection<'d>, PathError> {
        // Nothing joined is the empty text, as the tests of SQL on FHIR have it.
        let separator = text(&self.argument(call.arguments, 0, call.frame)?, "join")?.unwrap_or_default();
        let mut joined = String::new();
        for (at, item) in call.input.iter().enumerate() {
            let Some(part) = text(std::slice::from_ref(item), "join")? else { continue };
            self.tick(1)?;
            self.check_text(joined.len() + separator.len() + part.len())?;
            if at > 0 {
                joined.push_str(&separator);
            }
            joined.push_str(&part);
        }
        Ok(string(joined))
    }

    fn substring(&mut self, call: &Call<'_, 'd>, input: &str) -> Result<Collection<'d>, PathError> {
        let Some(start) = integer(&self.argument(call.arguments, 0, call.frame)?, "substring")? else { return Ok(Collection::new()) };
        let length = integer(&self.argument(call.arguments, 1, call.frame)?, "substring")?;
        let Ok(start) = usize::try_from(start) else { return Ok(Collection::new()) };
        let Some((from, _)) = input.char_indices().nth(start) else { return Ok(Collection::new()) };
        let rest = &input[from..];
        let length = length.map_or(usize::MAX, |length| usize::try_from(length).unwrap_or(0));
        let end = rest.char_indices().nth(length).map_or(rest.len(), |(end, _)| end);
        Ok(string(rest[..end].to_owned()))
    }

    fn regular(&mut self, call: &Call<'_, 'd>, input: &str, cache: &'d Pattern) -> Result<Collection<'d>, PathError> {
        let name = call.function.name();
        let Some(written) = text(&self.argument(call.arguments, 0, call.frame)?, name)? else { return Ok(Collection::new()) };
        let substitute = match call.function {
            Function::ReplaceMatches => match text(&self.argument(call.arguments, 1, call.frame)?, name)? {
                Some(substitute) => Some(substitute),
                None => return Ok(Collection::new()),
            },
            _ => None,
        };
        let flags_at = 1 + usize::from(substitute.is_some());
        let flags = text(&self.argument(call.arguments, flags_at, call.frame)?, name)?.unwrap_or_default();
        let full = call.function == Function::MatchesFull;
        // A literal pattern is compiled once for the life of the expression; others are compiled at a price.
        let literal = matches!(call.arguments.first(), Some(Tree::Literal(Literal::Text(_)))) && call.arguments.get(flags_at).is_none();
        let compiled;
        let regex = if literal {
            match cache.0.get() {
                Some(regex) => regex,
                None => {
                    let regex = compile(&written, &flags, full)?;
                    cache.0.get_or_init(|| regex)
                }
            }
        } else {
            self.tick(1_000 + written.len() * 10)?;
            compiled = compile(&written, &flags, full)?;
            &compiled
        };
        self.tick(input.len())?;
        let Some(substitute) = substitute else { return Ok(flag(regex.is_match(input))) };
        if written.is_empty() {
            return Ok(string(input.to_owned()));
        }
        let substitute = braced_groups(&substitute);
        let mut out = String::new();
        let mut from = 0;
        for captures in regex.captures_iter(input) {
            let Some(whole) = captures.get(0) else { continue };
            out.push_str(&input[from..whole.start()]);
            captures.expand(&substitute, &mut out);
            from = whole.end();
            self.tick(1)?;
            self.check_text(out.len())?;
        }
        out.push_str(&input[from..]);
        self.check_text(out.len())?;
        Ok(string(out))
    }
}

/// A point matches line breaks, as the specification demands.
fn compile(written: &str, flags: &str, full: bool) -> Result<Regex, PathError> {
    let anchored;
    let text = if full {
        anchored = format!("^(?:{written})$");
        &anchored
    } else {
        written
    };
    RegexBuilder::new(text)
        .dot_matches_new_line(true)
        .case_insensitive(flags.contains('i'))
        .multi_line(flags.contains('m'))
        .size_limit(PATTERN_SIZE)
        .dfa_size_limit(PATTERN_SIZE)
        .build()
        .map_err(|_| PathError::Pattern)
}

/// `$1x` as `${1}x`: a group's number ends where the digits end.
fn braced_groups(substitute: &str) -> String {
    let mut out = String::with_capacity(substitute.len());
    let mut rest = substitute;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        out.push('$');
        if digits > 0 {
            out.push('{');
            out.push_str(&rest[..digits]);
            out.push('}');
            rest = &rest[digits..];
        }
    }
    out.push_str(rest);
    out
}

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn encode_base64(bytes: &[u8], alphabet: &[u8; 64]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            if place <= chunk.len() {
                out.push(alphabet[(group >> (18 - 6 * place) & 63) as usize] as char);
            } else {
                out.push('=');
            }
        }
    }
    out
}

fn decode_base64(text: &str, alphabet: &[u8; 64]) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    let (mut group, mut bits) = (0_u32, 0);
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        let value = alphabet.iter().position(|letter| *letter == byte)?;
        group = group << 6 | value as u32;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((group >> bits) as u8);
            group &= (1 << bits) - 1;
        }
    }
    Some(out)
}

fn encode_hex(text: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    text.bytes().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

fn decode_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

fn escape_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

fn unescape_html(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&apos;", "'")
        .replace("&amp;", "&")
}

fn escape_json(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap_or_default();
    quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().to_owned()
}

/// Quotes that are not escaped are allowed: the text may already be without them.
fn unescape_json(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let escape = &rest[at..];
        let length = match escape.as_bytes().get(1)? {
            b'u' if escape.get(2..4).is_some_and(|first| first.eq_ignore_ascii_case("d8")) && escape.get(6..8) == Some("\\u") => 12,
            b'u' => 6,
            _ => 2,
        };
        out.push_str(&serde_json::from_str::<String>(&format!("\"{}\"", escape.get(..length)?)).ok()?);
        rest = &escape[length..];
    }
    out.push_str(rest);
    Some(out)
}
