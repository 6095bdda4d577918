//! Extensions as JSON, written straight into the output.

use std::io::Write;

use super::{BASE, age::PartialDate};
use crate::fhirpath::Decimal;

/// The code systems that the extensions name.
pub(super) const UCUM: &str = "http://unitsofmeasure.org";
pub(super) const LOINC: &str = "http://loinc.org";

/// A coding: system, code, display.
#[derive(Clone, Copy)]
pub(super) struct Coding<'c> {
    pub(super) system: &'c str,
    pub(super) code: &'c str,
    pub(super) display: &'c str,
}

/// Writes extensions into an array that is open.
pub(super) struct Writer<'o> {
    out: &'o mut Vec<u8>,
    /// Whether something stands in the array already.
    followed: bool,
    parts: u32,
    /// How many extensions were written.
    pub(super) count: u64,
}

impl<'o> Writer<'o> {
    pub(super) fn new(out: &'o mut Vec<u8>, followed: bool) -> Self {
        Self { out, followed, parts: 0, count: 0 }
    }

    fn url(&mut self, name: &str) {
        if self.followed {
            self.out.push(b',');
        }
        self.followed = true;
        self.count += 1;
        self.push("{\"url\":\"");
        self.push(BASE);
        self.push(name);
        self.push("\",");
    }

    fn push(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    /// An extension with a coding as its value.
    pub(super) fn coding(&mut self, name: &str, coding: Coding<'_>) {
        self.url(name);
        self.push("\"valueCoding\":");
        self.write_coding(coding);
        self.push("}");
    }

    /// Begins an extension with parts; [`Writer::end`] ends it.
    pub(super) fn begin(&mut self, name: &str) {
        self.url(name);
        self.push("\"extension\":[");
        self.parts = 0;
    }

    pub(super) fn end(&mut self) {
        self.push("]}");
    }

    /// Begins a part: `{"url":"name","valueX":`. The value follows, then `}`.
    fn part(&mut self, name: &str, member: &str) {
        if self.parts > 0 {
            self.out.push(b',');
        }
        self.parts += 1;
        self.push("{\"url\":\"");
        self.push(name);
        self.push("\",\"");
        self.push(member);
        self.push("\":");
    }

    /// A decimal in thousandths, with three digits behind the point.
    pub(super) fn thousandths(&mut self, name: &str, value: u32) {
        self.part(name, "valueDecimal");
        let _ = write!(self.out, "{}.{:03}}}", value / 1000, value % 1000);
    }

    pub(super) fn count_part(&mut self, name: &str, value: u32) {
        self.part(name, "valueUnsignedInt");
        let _ = write!(self.out, "{value}}}");
    }

    pub(super) fn code_part(&mut self, name: &str, code: &str) {
        self.text_of(name, "valueCode", code);
    }

    pub(super) fn string_part(&mut self, name: &str, text: &str) {
        self.text_of(name, "valueString", text);
    }

    pub(super) fn canonical_part(&mut self, name: &str, text: &str) {
        self.text_of(name, "valueCanonical", text);
    }

    fn text_of(&mut self, name: &str, member: &str, text: &str) {
        self.part(name, member);
        push_text(self.out, text);
        self.push("}");
    }

    pub(super) fn true_part(&mut self, name: &str) {
        self.part(name, "valueBoolean");
        self.push("true}");
    }

    pub(super) fn date_part(&mut self, name: &str, date: PartialDate) {
        self.part(name, "valueDate");
        self.write_date(date);
        self.push("}");
    }

    pub(super) fn period_part(&mut self, name: &str, start: Option<PartialDate>, end: Option<PartialDate>) {
        if start.is_none() && end.is_none() {
            return;
        }
        self.part(name, "valuePeriod");
        self.push("{");
        if let Some(start) = start {
            self.push("\"start\":");
            self.write_date(start);
        }
        if let Some(end) = end {
            self.push(if start.is_some() { ",\"end\":" } else { "\"end\":" });
            self.write_date(end);
        }
        self.push("}}");
    }

    pub(super) fn coding_part(&mut self, name: &str, coding: Coding<'_>) {
        self.part(name, "valueCoding");
        self.write_coding(coding);
        self.push("}");
    }

    /// A coding with the code in JSON as it was sent, quotes included.
    pub(super) fn sent_coding_part(&mut self, name: &str, system: &str, code: &str) {
        self.part(name, "valueCoding");
        self.push("{\"system\":");
        push_text(self.out, system);
        self.push(",\"code\":");
        self.push(code);
        self.push("}}");
    }

    /// A whole number with a UCUM unit, or a range of two.
    pub(super) fn whole_part(&mut self, name: &str, least: i32, most: i32, unit: &str, display: &str) {
        if least == most {
            self.part(name, "valueQuantity");
            self.whole(least, unit, display);
        } else {
            self.part(name, "valueRange");
            self.push("{\"low\":");
            self.whole(least, unit, display);
            self.push(",\"high\":");
            self.whole(most, unit, display);
            self.push("}");
        }
        self.push("}");
    }

    fn whole(&mut self, value: i32, unit: &str, display: &str) {
        let _ = write!(self.out, "{{\"value\":{value},\"unit\":\"{display}\",\"system\":\"{UCUM}\",\"code\":\"{unit}\"}}");
    }

    /// A decimal with a UCUM unit; without one where the code is empty.
    pub(super) fn quantity_part(&mut self, name: &str, value: Decimal, unit: &str) {
        self.part(name, "valueQuantity");
        self.push("{\"value\":");
        push_decimal(self.out, value);
        if !unit.is_empty() {
            self.push(",\"system\":\"");
            self.push(UCUM);
            self.push("\",\"code\":");
            push_text(self.out, unit);
        }
        self.push("}}");
    }

    fn write_coding(&mut self, coding: Coding<'_>) {
        self.push("{\"system\":");
        push_text(self.out, coding.system);
        self.push(",\"code\":");
        push_text(self.out, coding.code);
        if !coding.display.is_empty() {
            self.push(",\"display\":");
            push_text(self.out, coding.display);
        }
        self.push("}");
    }

    fn write_date(&mut self, date: PartialDate) {
        self.push("\"");
        date.write(self.out);
        self.push("\"");
    }
}

/// A JSON string with its quotes.
fn push_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0..0x20 => {
                let _ = write!(out, "\\u{byte:04x}");
            }
            other => out.push(other),
        }
    }
    out.push(b'"');
}

/// The digits of a decimal, without an allocation.
fn push_decimal(out: &mut Vec<u8>, value: Decimal) {
    let (mantissa, scale) = (value.mantissa(), value.scale());
    if mantissa < 0 {
        out.push(b'-');
    }
    let factor = 10_u128.checked_pow(scale).unwrap_or(u128::MAX);
    let digits = mantissa.unsigned_abs();
    let _ = write!(out, "{}", digits / factor);
    if scale > 0 {
        let _ = write!(out, ".{:0width$}", digits % factor, width = scale as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_and_texts_as_json() {
        for (text, expected) in [("1.50", "1.50"), ("-0.05", "-0.05"), ("120", "120"), ("0.000", "0.000"), ("1e3", "1000")] {
            let mut out = Vec::new();
            push_decimal(&mut out, Decimal::parse(text).unwrap());
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
        let mut out = Vec::new();
        push_text(&mut out, "a\"b\\c\n\u{e9}");
        assert_eq!(String::from_utf8(out).unwrap(), "\"a\\\"b\\\\c\\u000a\u{e9}\"");
    }
}
