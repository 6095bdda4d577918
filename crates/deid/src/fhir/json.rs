//! Writing JSON, and UUIDs made of codes.

use crate::document::number_of_code;

/// Appends a string with its quotes.
pub(crate) fn push_string(out: &mut String, text: &str) {
    use std::fmt::Write;
    out.push('"');
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escaped = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..0x20 => "",
            _ => continue,
        };
        out.push_str(&text[from..at]);
        from = at + 1;
        if escaped.is_empty() {
            let _ = write!(out, "\\u{byte:04x}");
        } else {
            out.push_str(escaped);
        }
    }
    out.push_str(&text[from..]);
    out.push('"');
}

/// Members of an object, written one after the other.
pub(crate) struct Object<'o> {
    out: &'o mut String,
    start: usize,
}

impl<'o> Object<'o> {
    pub(crate) fn begin(out: &'o mut String) -> Self {
        out.push('{');
        let start = out.len();
        Self { out, start }
    }

    /// Writes a member; nothing of it stays where `value` writes nothing.
    pub(crate) fn member<E>(&mut self, name: &str, value: impl FnOnce(&mut String) -> Result<(), E>) -> Result<bool, E> {
        let before = self.out.len();
        if before > self.start {
            self.out.push(',');
        }
        push_string(self.out, name);
        self.out.push(':');
        let content = self.out.len();
        value(self.out)?;
        if self.out.len() == content {
            self.out.truncate(before);
            return Ok(false);
        }
        Ok(true)
    }

    /// Bytes written so far.
    pub(super) fn length(&self) -> usize {
        self.out.len() - self.start
    }

    /// Closes it where it says something, else leaves nothing behind.
    pub(super) fn end_if(self, says_something: bool) {
        if !says_something {
            self.out.truncate(self.start);
        }
        self.end();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.out.len() == self.start
    }

    /// Closes it; an empty object leaves nothing behind.
    pub(crate) fn end(self) {
        if self.is_empty() {
            self.out.truncate(self.start - 1);
        } else {
            self.out.push('}');
        }
    }
}

/// The UUID that has the bits of a code (26 letters and digits of base 32), as version 8 (RFC 9562).
pub(super) fn uuid_of_code(code: &str) -> String {
    let bits = number_of_code(code) & !(0xF << 76) & !(0x3 << 62) | (0x8 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped() {
        let mut out = String::new();
        push_string(&mut out, "a\"b\\c\n\u{1}é");
        assert_eq!(out, "\"a\\\"b\\\\c\\n\\u0001é\"");
    }

    #[test]
    fn empty_members_leave_nothing() {
        let mut out = String::new();
        let mut object = Object::begin(&mut out);
        object.member::<()>("a", |_| Ok(())).unwrap();
        object.end();
        assert_eq!(out, "");
        let mut object = Object::begin(&mut out);
        object
            .member::<()>("a", |out| {
                out.push('1');
                Ok(())
            })
            .unwrap();
        object.member::<()>("b", |_| Ok(())).unwrap();
        object
            .member::<()>("c", |out| {
                out.push('2');
                Ok(())
            })
            .unwrap();
        object.end();
        assert_eq!(out, "{\"a\":1,\"c\":2}");
    }

    #[test]
    fn uuids_are_uuids() {
        let uuid = uuid_of_code("otherid-77777777777777777777777774");
        assert_eq!(uuid, "ffffffff-ffff-8fff-bfff-ffffffffffff");
        assert_ne!(uuid_of_code("aaaaaaaaaaaaaaaaaaaaaaaaaa"), uuid_of_code("aaaaaaaaaaaaaaaaaaaaaaaaae"));
    }
}
