//! JSON text, written from front to back without a tree.

use crate::calendar::{Moment, push_date, push_date_time};

use super::{
    page::{Id, Kind},
    systems::{Coding, UCUM},
};

/// A reference to a resource of the same record: in NDJSON it reads `Type/id`, in a Bundle `urn:uuid:id`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Link {
    /// Where the type begins.
    pub(crate) at: usize,
    /// The length of the type and the slash.
    pub(crate) prefix: usize,
}

/// A JSON text that grows. Commas are set by what stands before.
#[derive(Debug, Default)]
pub(crate) struct Json {
    pub(crate) text: String,
    pub(crate) links: Vec<Link>,
    /// References of either kind.
    pub(crate) references: u64,
    /// Standard offset from UTC, in hours, of the times that are written.
    pub(crate) zone: i32,
}

impl Json {
    #[inline]
    fn separate(&mut self) {
        if !matches!(self.text.as_bytes().last(), None | Some(b'{' | b'[' | b':' | b'\n')) {
            self.text.push(',');
        }
    }

    #[inline]
    pub(crate) fn key(&mut self, name: &str) -> &mut Self {
        self.separate();
        self.text.push('"');
        self.text.push_str(name);
        self.text.push_str("\":");
        self
    }

    /// Begins an object that is an item of a list.
    pub(crate) fn item(&mut self) -> &mut Self {
        self.separate();
        self.text.push('{');
        self
    }

    /// Begins an object.
    pub(crate) fn open(&mut self, name: &str) -> &mut Self {
        self.key(name);
        self.text.push('{');
        self
    }

    /// Ends an object.
    pub(crate) fn close(&mut self) -> &mut Self {
        self.text.push('}');
        self
    }

    /// Begins a list.
    pub(crate) fn list(&mut self, name: &str) -> &mut Self {
        self.key(name);
        self.text.push('[');
        self
    }

    /// Ends a list.
    pub(crate) fn end(&mut self) -> &mut Self {
        self.text.push(']');
        self
    }

    /// A text that is known to need no escape: codes, URIs, names of our own lists.
    #[inline]
    pub(crate) fn code(&mut self, name: &str, value: &str) -> &mut Self {
        self.key(name);
        self.text.push('"');
        self.text.push_str(value);
        self.text.push('"');
        self
    }

    pub(crate) fn text(&mut self, name: &str, value: &str) -> &mut Self {
        self.key(name);
        self.string(value)
    }

    /// A text as the value of a key, or as an item of a list.
    pub(crate) fn string(&mut self, value: &str) -> &mut Self {
        self.separate();
        self.text.push('"');
        self.escaped(value);
        self.text.push('"');
        self
    }

    /// A part of a text that is open.
    pub(crate) fn escaped(&mut self, value: &str) -> &mut Self {
        if value.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
            self.text.push_str(value);
            return self;
        }
        for letter in value.chars() {
            match letter {
                '"' => self.text.push_str("\\\""),
                '\\' => self.text.push_str("\\\\"),
                '\n' => self.text.push_str("\\n"),
                control if u32::from(control) < 0x20 => {
                    let hex = b"0123456789abcdef"[control as usize & 15];
                    self.text.push_str(if (control as u32) < 16 { "\\u000" } else { "\\u001" });
                    self.text.push(char::from(hex));
                }
                other => self.text.push(other),
            }
        }
        self
    }

    pub(crate) fn flag(&mut self, name: &str, value: bool) -> &mut Self {
        self.key(name);
        self.text.push_str(if value { "true" } else { "false" });
        self
    }

    pub(crate) fn number(&mut self, name: &str, value: i64) -> &mut Self {
        self.decimal(name, value, 0)
    }

    /// A number in units of 10^-`decimals`; all decimals are written, so the precision shows.
    pub(crate) fn decimal(&mut self, name: &str, value: i64, decimals: u32) -> &mut Self {
        self.key(name);
        self.digits(value, decimals)
    }

    /// The same as an open part of a text, or after a key.
    pub(crate) fn digits(&mut self, value: i64, decimals: u32) -> &mut Self {
        let mut digits = [b'0'; 24];
        let mut at = digits.len();
        let mut rest = value.unsigned_abs();
        let mut written = 0;
        while rest > 0 || written <= decimals {
            if written == decimals && decimals > 0 {
                at -= 1;
                digits[at] = b'.';
            }
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            written += 1;
        }
        if value < 0 {
            at -= 1;
            digits[at] = b'-';
        }
        self.text.push_str(std::str::from_utf8(&digits[at..]).unwrap_or_default());
        self
    }

    /// A number with leading zeros, as an open part of a text.
    pub(crate) fn padded(&mut self, value: u64, width: usize) -> &mut Self {
        let mut digits = [b'0'; 20];
        let mut rest = value;
        let mut at = digits.len();
        while rest > 0 {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        let from = at.min(digits.len() - width.min(digits.len()));
        self.text.push_str(std::str::from_utf8(&digits[from..]).unwrap_or_default());
        self
    }

    /// Begins a text that is written in parts; [`Json::quote`] ends it.
    pub(crate) fn parts(&mut self, name: &str) -> &mut Self {
        self.key(name);
        self.quote()
    }

    pub(crate) fn quote(&mut self) -> &mut Self {
        self.text.push('"');
        self
    }

    /// Begins a text that is an item of a list and is written in parts.
    pub(crate) fn item_parts(&mut self) -> &mut Self {
        self.separate();
        self.quote()
    }

    pub(crate) fn raw(&mut self, value: &str) -> &mut Self {
        self.text.push_str(value);
        self
    }

    /// A date and time with the offset of the zone at that date.
    pub(crate) fn moment(&mut self, name: &str, at: Moment) -> &mut Self {
        self.parts(name);
        push_date_time(&mut self.text, at, self.zone);
        self.quote()
    }

    pub(crate) fn date(&mut self, name: &str, day: i32) -> &mut Self {
        self.parts(name);
        push_date(&mut self.text, day);
        self.quote()
    }

    /// A Coding as an item of a list, or as the value of a key.
    fn coding_value(&mut self, coding: Coding) -> &mut Self {
        self.item().code("system", coding.system).code("code", coding.code).text("display", coding.display).close()
    }

    pub(crate) fn coding(&mut self, name: &str, coding: Coding) -> &mut Self {
        self.key(name).coding_value(coding)
    }

    /// A CodeableConcept without text.
    pub(crate) fn coded(&mut self, name: &str, coding: Coding) -> &mut Self {
        self.open(name).list("coding").coding_value(coding).end().close()
    }

    /// A CodeableConcept without text, as an item of a list.
    pub(crate) fn coded_item(&mut self, coding: Coding) -> &mut Self {
        self.item().list("coding").coding_value(coding).end().close()
    }

    /// A CodeableConcept with the display as its text.
    pub(crate) fn concept(&mut self, name: &str, coding: Coding) -> &mut Self {
        self.open(name).list("coding").coding_value(coding).end().text("text", coding.display).close()
    }

    /// A list of one CodeableConcept without text.
    pub(crate) fn coded_list(&mut self, name: &str, coding: Coding) -> &mut Self {
        self.list(name).coded_item(coding).end()
    }

    /// A CodeableConcept of several codings and a text.
    pub(crate) fn concept_of(&mut self, name: &str, codings: &[Coding], text: &str) -> &mut Self {
        self.open(name);
        if !codings.is_empty() {
            self.list("coding");
            for coding in codings {
                self.coding_value(*coding);
            }
            self.end();
        }
        self.text("text", text).close()
    }

    /// A Quantity with a UCUM unit.
    pub(crate) fn quantity(&mut self, name: &str, value: i64, decimals: u32, unit: &str) -> &mut Self {
        self.open(name).decimal("value", value, decimals).code("unit", unit).code("system", UCUM).code("code", unit).close()
    }

    fn reference_value(&mut self, kind: Kind, id: &Id, own: bool) -> &mut Self {
        self.references += 1;
        self.item().key("reference").quote();
        if own {
            self.links.push(Link { at: self.text.len(), prefix: kind.name().len() + 1 });
        }
        self.raw(kind.name()).raw("/").raw(id.as_str()).quote().close()
    }

    /// A reference to a resource of the same record.
    pub(crate) fn own(&mut self, name: &str, kind: Kind, id: &Id) -> &mut Self {
        self.key(name).reference_value(kind, id, true)
    }

    /// The same as an item of a list.
    pub(crate) fn own_item(&mut self, kind: Kind, id: &Id) -> &mut Self {
        self.reference_value(kind, id, true)
    }

    /// A reference to one of the resources that all records share.
    pub(crate) fn shared(&mut self, name: &str, kind: Kind, id: &Id) -> &mut Self {
        self.key(name).reference_value(kind, id, false)
    }

    /// The same as an item of a list.
    pub(crate) fn shared_item(&mut self, kind: Kind, id: &Id) -> &mut Self {
        self.reference_value(kind, id, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_commas_stand_between() {
        let mut json = Json::default();
        json.item().text("a", "say \"hi\" \\ \u{1}\u{1f}\n\té").flag("b", true).list("c").string("x").string("y").end();
        json.open("d").close().list("e").item().close().item().close().end().close();
        let value: serde_json::Value = serde_json::from_str(&json.text).unwrap();
        assert_eq!(value["a"], "say \"hi\" \\ \u{1}\u{1f}\n\té");
        assert_eq!(value["c"], serde_json::json!(["x", "y"]));
        assert_eq!(value["e"], serde_json::json!([{}, {}]));
    }

    #[test]
    fn decimals_keep_their_precision() {
        let written = |value, decimals| {
            let mut json = Json::default();
            json.digits(value, decimals);
            json.text
        };
        assert_eq!(written(0, 0), "0");
        assert_eq!(written(120, 2), "1.20");
        assert_eq!(written(5, 2), "0.05");
        assert_eq!(written(-5, 1), "-0.5");
        assert_eq!(written(1000, 0), "1000");
        assert_eq!(written(0, 1), "0.0");
    }
}
