//! What stands around the entries of a Bundle that is read entry by entry, checked as strictly as a whole document.
//!
//! Head and tail are each parsed with what belongs to them put in: the head with its brackets closed, the tail behind the
//! names of the head. So a name that stands twice, a comma too many or a second `entry` is found wherever it stands, and
//! nothing but the names of the head is kept while the entries go by.

use crate::{
    json::{JsonError, JsonErrorKind, Limits, Parser},
    validate::push_json_text,
};

/// Why a tail is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadTail {
    /// No JSON; the offset is that in the tail.
    Json(JsonError),
    /// The object has entries as a Bundle has, and is none.
    NoBundle,
}

/// The Bundle whose entries are being read.
#[derive(Debug)]
pub(super) struct Skeleton {
    parser: Parser,
    text: Vec<u8>,
    /// An object with the names of the head, open at its `entry`.
    names: String,
    /// Whether it is certain that it is a Bundle, or of no more interest.
    is_bundle: bool,
}

/// A head whose names take more than this is given back after its Bundle.
const KEPT: usize = 64 << 10;

impl Skeleton {
    pub(super) fn new(limits: Limits) -> Self {
        // A tail is parsed together with the names of its head.
        let parser = Parser::new(Limits { bytes: Limits::MOST_BYTES, ..limits });
        Self { parser, text: Vec::new(), names: String::new(), is_bundle: true }
    }

    /// A Bundle begins, with the bytes from its brace to the bracket of `entry`.
    pub(super) fn head(&mut self, head: &[u8]) -> Result<(), JsonError> {
        self.unknown_head();
        self.fill(&[head, b"]}"]);
        let document = self.parser.parse(&self.text).map_err(|error| JsonError { offset: error.offset.min(head.len()), ..error })?;
        let root = document.root();
        self.names.clear();
        for (number, (name, _)) in root.entries().enumerate() {
            self.names.push(if number == 0 { '{' } else { ',' });
            push_json_text(&mut self.names, name);
            self.names.push_str(if name == "entry" { ":[" } else { ":0" });
        }
        self.is_bundle = root.get("resourceType").is_some();
        Ok(())
    }

    /// A Bundle begins with a head that is refused for another reason.
    pub(super) fn unknown_head(&mut self) {
        self.names.clear();
        self.names.shrink_to(KEPT);
        self.names.push_str("{\"entry\":[");
        self.is_bundle = true;
    }

    /// The Bundle ends, with the bytes from behind the bracket of `entry` to its brace.
    pub(super) fn tail(&mut self, tail: &[u8]) -> Result<(), BadTail> {
        let names = std::mem::take(&mut self.names);
        self.fill(&[names.as_bytes(), b"]", tail]);
        let before = names.len() + 1;
        self.names = names;
        let result = match self.parser.parse(&self.text) {
            Ok(document) => {
                let stated = document.root().get("resourceType");
                let is_bundle = self.is_bundle || stated.and_then(|name| name.as_str()) == Some("Bundle");
                if is_bundle { Ok(()) } else { Err(BadTail::NoBundle) }
            }
            Err(JsonError { offset, kind }) => {
                let kind = if offset < before { JsonErrorKind::TooLarge } else { kind };
                Err(BadTail::Json(JsonError { offset: offset.saturating_sub(before), kind }))
            }
        };
        self.text.clear();
        self.text.shrink_to(KEPT);
        result
    }

    fn fill(&mut self, parts: &[&[u8]]) {
        self.text.clear();
        for part in parts {
            self.text.extend_from_slice(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_and_tail_are_one_object() {
        let mut skeleton = Skeleton::new(Limits::default());
        let mut check = |head: &str, tail: &str| (skeleton.head(head.as_bytes()).err(), skeleton.tail(tail.as_bytes()).err());
        let head = "{\"resourceType\":\"Bundle\",\"a\\u0062\":{\"x\":1},\"entry\":[";
        assert_eq!(check(head, ",\"type\":\"batch\"}"), (None, None));
        assert_eq!(check(head, "}"), (None, None));
        let json = |offset, kind| Some(BadTail::Json(JsonError { offset, kind }));
        for (tail, found) in [
            ("", json(0, JsonErrorKind::Unterminated)),
            (",}", json(1, JsonErrorKind::UnexpectedByte)),
            ("]", json(0, JsonErrorKind::UnexpectedByte)),
            (",\"entry\":[]}", json(1, JsonErrorKind::DuplicateKey)),
            (",\"ab\":1}", json(1, JsonErrorKind::DuplicateKey)),
            (",\"resourceType\":\"Bundle\"}", json(1, JsonErrorKind::DuplicateKey)),
            ("}}", json(1, JsonErrorKind::TrailingBytes)),
            (",\"x\":{\"y\":1,\"y\":2}}", json(12, JsonErrorKind::DuplicateKey)),
        ] {
            assert_eq!(check(head, tail), (None, found), "{tail}");
        }
        assert_eq!(check("{\"entry\":[", ",\"resourceType\":\"Bundle\"}"), (None, None));
        assert_eq!(check("{\"entry\":[", ",\"resourceType\":\"List\"}"), (None, Some(BadTail::NoBundle)));
        assert_eq!(check("{\"entry\":[", "}"), (None, Some(BadTail::NoBundle)));
        // Of a head that is refused nothing is held against the tail.
        let (head, tail) = check("{\"a\":tru,\"entry\":[", "}");
        assert_eq!((head.map(|error| error.offset), tail), (Some(8), None));
    }
}
