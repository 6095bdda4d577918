//! New messages: a builder for people and tests, and a writer for those who write millions.

use crate::{
    charset::{Charset, Declared, EncodeError, encode_within},
    escape::escape_into,
    lex::Delimiters,
};

/// Builds one message. Values are plain text and escaped on the way; fields may be set in any order.
///
/// ```
/// use sutura_hl7v2::MessageBuilder;
///
/// let text = MessageBuilder::new("ADT", "A01")
///     .sending("REG", "GENHOSP")
///     .receiving("EHR", "GENHOSP")
///     .time("20260314150926-0500")
///     .control_id("M1")
///     .segment("PID")
///     .field(1, "1")
///     .components(3, &["123", "", "", "GENHOSP", "MR"])
///     .components(5, &["O'NEILL & SONS", "JANE"])
///     .to_text();
/// assert!(text.ends_with("PID|1||123^^^GENHOSP^MR||O'NEILL \\T\\ SONS^JANE\r"));
/// ```
#[derive(Debug, Clone)]
pub struct MessageBuilder {
    delimiters: Delimiters,
    charset: Option<Charset>,
    segments: Vec<SegmentDraft>,
}

/// A segment's name and its fields in wire form, field 1 first.
#[derive(Debug, Clone)]
struct SegmentDraft {
    name: String,
    fields: Vec<String>,
}

impl SegmentDraft {
    fn field(&mut self, number: usize) -> &mut String {
        let number = number.clamp(1, super::MAX_PLACE);
        if self.fields.len() < number {
            self.fields.resize(number, String::new());
        }
        &mut self.fields[number - 1]
    }
}

impl MessageBuilder {
    /// A message of a type and trigger event (MSH-9.1, MSH-9.2), version 2.5.1, processing id P.
    pub fn new(message_type: &str, trigger: &str) -> Self {
        let header = SegmentDraft { name: "MSH".into(), fields: Vec::new() };
        Self { delimiters: Delimiters::STANDARD, charset: None, segments: vec![header] }
            .components(9, &[message_type, trigger])
            .field(11, "P")
            .field(12, "2.5.1")
    }

    /// Sending application and facility (MSH-3, MSH-4).
    pub fn sending(self, application: &str, facility: &str) -> Self {
        self.header(3, &[application]).header(4, &[facility])
    }

    /// Receiving application and facility (MSH-5, MSH-6).
    pub fn receiving(self, application: &str, facility: &str) -> Self {
        self.header(5, &[application]).header(6, &[facility])
    }

    /// Date and time of the message (MSH-7), in HL7 form.
    pub fn time(self, timestamp: &str) -> Self {
        self.header(7, &[timestamp])
    }

    /// Message type, trigger event and structure (MSH-9).
    pub fn message_type(self, message_type: &str, trigger: &str, structure: &str) -> Self {
        self.header(9, &[message_type, trigger, structure])
    }

    /// Message control id (MSH-10).
    pub fn control_id(self, id: &str) -> Self {
        self.header(10, &[id])
    }

    /// Processing id (MSH-11): P, T or D.
    pub fn processing_id(self, id: &str) -> Self {
        self.header(11, &[id])
    }

    /// Version (MSH-12).
    pub fn version(self, version: &str) -> Self {
        self.header(12, &[version])
    }

    /// Character set (MSH-18), which [`MessageBuilder::to_bytes`] writes in.
    pub fn charset(mut self, charset: Charset) -> Self {
        self.charset = Some(charset);
        self.header(18, &[charset.name()])
    }

    /// Begins a segment; what follows goes into it. The name is not checked, so that tests can build
    /// what no standard allows; delimiters in it are escaped all the same.
    pub fn segment(mut self, name: &str) -> Self {
        self.segments.push(SegmentDraft { name: crate::escape::escape(name, &self.delimiters).into_owned(), fields: Vec::new() });
        self
    }

    /// Sets a field of the current segment to a single value. MSH-1 and MSH-2 stay as they are.
    pub fn field(self, number: usize, text: &str) -> Self {
        self.components(number, &[text])
    }

    /// Sets a field of the current segment to these components.
    pub fn components(mut self, number: usize, components: &[&str]) -> Self {
        let delimiters = self.delimiters;
        if let Some(field) = self.current_field(number) {
            field.clear();
            push_components(components, &delimiters, field);
        }
        self
    }

    /// Adds a repetition with these components to a field of the current segment.
    pub fn repeat(mut self, number: usize, components: &[&str]) -> Self {
        let delimiters = self.delimiters;
        if let Some(field) = self.current_field(number) {
            if !field.is_empty() {
                field.extend(delimiters.repetition.map(char::from));
            }
            push_components(components, &delimiters, field);
        }
        self
    }

    /// Sets a field to these components, each of them a list of sub-components.
    pub fn subcomponents(mut self, number: usize, components: &[&[&str]]) -> Self {
        let delimiters = self.delimiters;
        if let Some(field) = self.current_field(number) {
            field.clear();
            for (at, component) in components.iter().enumerate() {
                if at > 0 {
                    field.push(char::from(delimiters.component));
                }
                push_joined(component, delimiters.subcomponent, &delimiters, field);
            }
        }
        self
    }

    /// Sets a field to `""`: the receiver shall delete its value.
    pub fn null(mut self, number: usize) -> Self {
        if let Some(field) = self.current_field(number) {
            "\"\"".clone_into(field);
        }
        self
    }

    /// The message as text, segments ended by CR, empty fields at the end of segments left out.
    pub fn to_text(&self) -> String {
        let separator = char::from(self.delimiters.field);
        let mut text = String::new();
        for (at, segment) in self.segments.iter().enumerate() {
            text.push_str(&segment.name);
            // The header's first two fields are the delimiters themselves.
            let skip = if at == 0 { 2 } else { 0 };
            if at == 0 {
                text.push(separator);
                text.push_str(&self.delimiters.encoding_characters());
            }
            let last = segment.fields.iter().rposition(|field| !field.is_empty()).map_or(0, |last| last + 1);
            for field in segment.fields.iter().take(last).skip(skip) {
                text.push(separator);
                text.push_str(field);
            }
            text.push('\r');
        }
        text
    }

    /// The message in its character set; ASCII text needs none, other text without one is UTF-8.
    pub fn to_bytes(&self) -> Result<Vec<u8>, EncodeError> {
        let declared = Declared { first: self.charset, ..Declared::default() };
        encode_within(&self.to_text(), &declared, Charset::Utf8)
    }

    fn header(mut self, number: usize, components: &[&str]) -> Self {
        let delimiters = self.delimiters;
        let field = self.segments[0].field(number);
        field.clear();
        push_components(components, &delimiters, field);
        self
    }

    fn current_field(&mut self, number: usize) -> Option<&mut String> {
        let is_header = self.segments.len() == 1;
        (number > 0 && !(is_header && number < 3)).then_some(())?;
        Some(self.segments.last_mut()?.field(number))
    }
}

/// Appends one segment to a string, field by field in ascending order, without keeping anything.
/// Empty values cost nothing; separators appear when a later value needs them.
///
/// ```
/// use sutura_hl7v2::{Delimiters, SegmentWriter};
///
/// let mut text = String::new();
/// let mut obx = SegmentWriter::new(&mut text, Delimiters::STANDARD, "OBX");
/// obx.field(1, "1").field(2, "NM").components(3, &["718-7", "Hemoglobin", "LN"]).field(5, "13.5").field(6, "g/dL");
/// obx.end();
/// assert_eq!(text, "OBX|1|NM|718-7^Hemoglobin^LN||13.5|g/dL\r");
/// ```
#[derive(Debug)]
pub struct SegmentWriter<'a> {
    out: &'a mut String,
    delimiters: Delimiters,
    start: usize,
    /// The last field begun.
    field: usize,
    ended: bool,
}

impl<'a> SegmentWriter<'a> {
    /// Begins a segment. For MSH, FHS and BHS the delimiters are written, field 3 is the next.
    pub fn new(out: &'a mut String, delimiters: Delimiters, name: &str) -> Self {
        let start = out.len();
        out.push_str(name);
        let mut field = 0;
        if matches!(name, "MSH" | "FHS" | "BHS") {
            out.push(char::from(delimiters.field));
            out.push_str(&delimiters.encoding_characters());
            field = 2;
        }
        Self { out, delimiters, start, field, ended: false }
    }

    /// Writes a single value. A number that has been written already adds a repetition; a lower one
    /// is put in its place.
    pub fn field(&mut self, number: usize, text: &str) -> &mut Self {
        self.write(number, |delimiters, out| push_value(text, delimiters, out))
    }

    /// Writes components.
    pub fn components(&mut self, number: usize, components: &[&str]) -> &mut Self {
        self.write(number, |delimiters, out| push_components(components, delimiters, out))
    }

    /// Writes what is in wire form already (digits, codes, an encoded date): nothing is escaped. The
    /// caller answers for it holding no delimiter that it does not mean.
    pub fn raw(&mut self, number: usize, wire: &str) -> &mut Self {
        self.write(number, |_, out| out.push_str(wire))
    }

    /// Writes `""`: the receiver shall delete the value.
    pub fn null(&mut self, number: usize) -> &mut Self {
        self.raw(number, "\"\"")
    }

    /// Ends the segment with CR.
    pub fn end(mut self) {
        self.finish();
    }

    fn finish(&mut self) {
        if !self.ended {
            self.ended = true;
            self.out.push('\r');
        }
    }

    #[inline]
    fn write(&mut self, number: usize, push: impl FnOnce(&Delimiters, &mut String)) -> &mut Self {
        let before = self.out.len();
        if number > self.field {
            let separators = (number - self.field).min(super::MAX_PLACE);
            for _ in 0..separators {
                self.out.push(char::from(self.delimiters.field));
            }
            let value = self.out.len();
            push(&self.delimiters, self.out);
            if self.out.len() == value {
                self.out.truncate(before);
            } else {
                self.field = number;
            }
            return self;
        }
        let mut value = String::new();
        push(&self.delimiters, &mut value);
        if !value.is_empty() && number > 0 {
            self.insert(number, &value);
        }
        self
    }

    /// A value for a field that has been passed: a repetition when it has one, else into its place.
    fn insert(&mut self, number: usize, value: &str) {
        let separator = char::from(self.delimiters.field);
        // The header's separator is itself field 1.
        let skipped = usize::from(matches!(self.out[self.start..].get(..3), Some("MSH" | "FHS" | "BHS")));
        let Some(place) = number.checked_sub(1 + skipped) else { return };
        let segment = &self.out[self.start..];
        let Some((at, _)) = segment.match_indices(separator).nth(place) else { return };
        let rest = &segment[at + 1..];
        let end = self.start + at + 1 + rest.find(separator).unwrap_or(rest.len());
        if end > self.start + at + 1 {
            self.out.insert_str(end, value);
            self.out.insert(end, self.delimiters.repetition.map_or(' ', char::from));
        } else {
            self.out.insert_str(end, value);
        }
    }
}

impl Drop for SegmentWriter<'_> {
    fn drop(&mut self) {
        self.finish();
    }
}

fn push_components(components: &[&str], delimiters: &Delimiters, out: &mut String) {
    push_joined(components, Some(delimiters.component), delimiters, out);
}

/// Joins values; empty ones at the end are left out.
fn push_joined(values: &[&str], separator: Option<u8>, delimiters: &Delimiters, out: &mut String) {
    let mut pending = 0;
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            pending += 1;
        }
        if value.is_empty() {
            continue;
        }
        for _ in 0..pending {
            // Without that separator the values cannot be told apart; a space keeps them readable.
            out.push(separator.map_or(' ', char::from));
        }
        pending = 0;
        push_value(value, delimiters, out);
    }
}

/// Plain text in wire form. Two double quotes are text here, not the order to delete.
pub(super) fn push_value(text: &str, delimiters: &Delimiters, out: &mut String) {
    match (text, delimiters.escape) {
        ("\"\"", Some(escape)) => {
            let escape = char::from(escape);
            out.push(escape);
            out.push_str("X2222");
            out.push(escape);
        }
        _ => escape_into(text, delimiters, out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Message, escape::unescape};

    #[test]
    fn the_builder_writes_what_it_is_told_in_any_order() {
        let text = MessageBuilder::new("ORU", "R01")
            .message_type("ORU", "R01", "ORU_R01")
            .sending("LAB", "GEN|HOSP")
            .time("20260314")
            .control_id("M1")
            .version("2.7")
            .charset(Charset::Utf8)
            .segment("PID")
            .field(7, "19800101")
            .field(1, "1")
            .repeat(3, &["1"])
            .repeat(3, &["2", "", "", "H"])
            .subcomponents(5, &[&["VAN", "DE"], &["JANE"]])
            .null(8)
            .field(20, "")
            .to_text();
        assert_eq!(
            text,
            "MSH|^~\\&|LAB|GEN\\F\\HOSP|||20260314||ORU^R01^ORU_R01|M1|P|2.7||||||UNICODE UTF-8\rPID|1||1~2^^^H||VAN&DE^JANE||19800101|\"\"\r"
        );
        assert!(Message::parse(&text).is_ok());
    }

    #[test]
    fn header_delimiters_cannot_be_overwritten() {
        let text = MessageBuilder::new("ACK", "").field(1, "x").field(2, "y").field(0, "z").to_text();
        assert_eq!(text, "MSH|^~\\&|||||||ACK||P|2.5.1\r");
    }

    #[test]
    fn bytes_are_in_the_stated_set() {
        let message = MessageBuilder::new("ADT", "A01").charset(Charset::Iso8859_1).segment("PID").field(5, "MÜLLER");
        assert!(message.to_bytes().unwrap().ends_with(b"PID|||||M\xDCLLER\r"));
        assert!(message.field(5, "山").to_bytes().is_err());
    }

    #[test]
    fn the_writer_skips_empty_values_and_repeats() {
        let mut text = String::new();
        SegmentWriter::new(&mut text, Delimiters::STANDARD, "PID").field(1, "1").field(2, "").field(3, "a").field(3, "b").field(9, "");
        let mut header = SegmentWriter::new(&mut text, Delimiters::STANDARD, "MSH");
        header.field(3, "A").field(10, "M|1").field(4, "F").field(3, "B");
        header.end();
        assert_eq!(text, "PID|1||a~b\rMSH|^~\\&|A~B|F||||||M\\F\\1\r");
    }

    #[test]
    fn two_quotes_are_text() {
        let mut text = String::new();
        SegmentWriter::new(&mut text, Delimiters::STANDARD, "NTE").field(3, "\"\"");
        assert_eq!(text, "NTE|||\\X2222\\\r");
        assert_eq!(unescape(&text[6..text.len() - 1], &Delimiters::STANDARD), "\"\"");
    }
}
