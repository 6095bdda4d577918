//! Acknowledgements (HL7 v2.9 §2.9, §2.15): original mode (AA, AE, AR) and enhanced mode (CA, CE, CR),
//! with ERR segments that name the place and the table 0357 code, never the content.
//!
//! The reply is built from the received header, or from bytes that could not be read as far as
//! anything can be known of them. It is deterministic: control id and time are the caller's.

use std::fmt::Write;

use sutura_core::{Finding, Severity};

use crate::{
    charset::{Charset, Declared, EncodeError, encode_within, msh18},
    lex::Delimiters,
    message::Message,
    path::Path,
    write::SegmentWriter,
};

/// Acknowledgement code (MSA-1, table 0008).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AckCode {
    /// Application accept.
    ApplicationAccept,
    /// Application error.
    ApplicationError,
    /// Application reject.
    ApplicationReject,
    /// Commit accept.
    CommitAccept,
    /// Commit error.
    CommitError,
    /// Commit reject.
    CommitReject,
}

impl AckCode {
    /// The code as sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ApplicationAccept => "AA",
            Self::ApplicationError => "AE",
            Self::ApplicationReject => "AR",
            Self::CommitAccept => "CA",
            Self::CommitError => "CE",
            Self::CommitReject => "CR",
        }
    }
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Taken.
    Accepted,
    /// Something in it is wrong; sending it again unchanged will not help.
    Error,
    /// Not processed: a type, event, version or processing id that is not served, or an internal failure.
    Rejected,
}

/// The table 0357 codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // The names and `text` are the table's own words.
pub enum ErrorCode {
    MessageAccepted,
    SegmentSequenceError,
    RequiredFieldMissing,
    DataTypeError,
    TableValueNotFound,
    ValueTooLong,
    NonConformantCardinality,
    OtherHl7Error,
    UnsupportedMessageType,
    UnsupportedEventCode,
    UnsupportedProcessingId,
    UnsupportedVersionId,
    UnknownKeyIdentifier,
    DuplicateKeyIdentifier,
    ApplicationRecordLocked,
    ApplicationInternalError,
}

impl ErrorCode {
    /// The code.
    pub fn as_str(self) -> &'static str {
        self.entry().0
    }

    /// The table's text.
    pub fn text(self) -> &'static str {
        self.entry().1
    }

    fn entry(self) -> (&'static str, &'static str) {
        match self {
            Self::MessageAccepted => ("0", "Message accepted"),
            Self::SegmentSequenceError => ("100", "Segment sequence error"),
            Self::RequiredFieldMissing => ("101", "Required field missing"),
            Self::DataTypeError => ("102", "Data type error"),
            Self::TableValueNotFound => ("103", "Table value not found"),
            Self::ValueTooLong => ("104", "Value too long"),
            Self::NonConformantCardinality => ("198", "Non-Conformant Cardinality"),
            Self::OtherHl7Error => ("199", "Other HL7 Error"),
            Self::UnsupportedMessageType => ("200", "Unsupported message type"),
            Self::UnsupportedEventCode => ("201", "Unsupported event code"),
            Self::UnsupportedProcessingId => ("202", "Unsupported processing id"),
            Self::UnsupportedVersionId => ("203", "Unsupported version id"),
            Self::UnknownKeyIdentifier => ("204", "Unknown key identifier"),
            Self::DuplicateKeyIdentifier => ("205", "Duplicate key identifier"),
            Self::ApplicationRecordLocked => ("206", "Application record locked"),
            Self::ApplicationInternalError => ("207", "Application internal error"),
        }
    }

    /// The code that fits a finding of ours best.
    pub fn of_finding(code: &str) -> Self {
        let any = |words: &[&str]| words.iter().any(|word| code.contains(word));
        if code == "message-type-unknown" {
            Self::UnsupportedMessageType
        } else if code == "version-unknown" {
            Self::UnsupportedVersionId
        } else if code.starts_with("segment-") || any(&["sequence", "structure"]) {
            Self::SegmentSequenceError
        } else if any(&["required", "missing"]) {
            Self::RequiredFieldMissing
        } else if any(&["cardinality", "repeat", "repetition"]) {
            Self::NonConformantCardinality
        } else if any(&["table", "code-unknown"]) {
            Self::TableValueNotFound
        } else if any(&["type", "timestamp", "date", "number"]) {
            Self::DataTypeError
        } else if any(&["too-long", "length"]) {
            Self::ValueTooLong
        } else {
            Self::OtherHl7Error
        }
    }
}

/// One ERR segment.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Problem {
    code: ErrorCode,
    severity: Severity,
    location: Option<Path>,
    message: String,
}

/// An acknowledgement in the making.
///
/// ```
/// use sutura_hl7v2::{Message, ack::{Ack, ErrorCode, Outcome}};
///
/// let message = Message::parse("MSH|^~\\&|REG|GEN|EHR|GEN|20260314||ADT^A01|M1|P|2.5.1\rPID|1")?;
/// let reply = Ack::reply_to(&message, Outcome::Error)
///     .control_id("R1")
///     .time("20260314150926-0500")
///     .error(ErrorCode::RequiredFieldMissing, "PID-3".parse().ok(), "patient identifier list is required")
///     .to_text();
/// assert!(reply.contains("\rMSA|AE|M1\rERR||PID^1^3|101^Required field missing^HL70357|E||||patient identifier list is required\r"));
/// # Ok::<(), sutura_hl7v2::MessageError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Ack {
    header: Header,
    code: AckCode,
    control_id: String,
    time: String,
    problems: Vec<Problem>,
}

/// What is known of the received header. Fields are in wire form, with the message's own delimiters.
#[derive(Debug, Clone, Default)]
struct Header {
    delimiters: Delimiters,
    fields: Vec<String>,
}

impl Header {
    fn from_bytes(raw: &[u8]) -> Self {
        let start = memchr::memmem::find(&raw[..raw.len().min(4096)], b"MSH").unwrap_or(0);
        let end = memchr::memchr2(b'\r', b'\n', &raw[start..]).map_or(raw.len(), |at| start + at);
        let line = &raw[start..end];
        let Some(delimiters) = Delimiters::from_header(line) else {
            return Self::default();
        };
        // Only printable ASCII comes back in a reply: the bytes may be in any character set.
        let printable = |byte: &u8| (0x20..0x7F).contains(byte);
        let field = |field: &[u8]| field.iter().filter(|byte| printable(byte)).take(250).map(|&byte| char::from(byte)).collect();
        Self { delimiters, fields: line.split(|&byte| byte == delimiters.field).take(21).map(field).collect() }
    }

    /// A header field by its HL7 number, from 3.
    fn field(&self, number: usize) -> &str {
        self.fields.get(number - 1).map_or("", String::as_str)
    }

    fn component(&self, number: usize, component: usize) -> &str {
        self.field(number).split(char::from(self.delimiters.component)).nth(component - 1).unwrap_or("")
    }

    /// Whether the sender asks for enhanced mode: MSH-15 or MSH-16 is there.
    fn is_enhanced(&self) -> bool {
        !self.field(15).is_empty() || !self.field(16).is_empty()
    }

    /// `2.5.1` as (2, 5).
    fn version(&self) -> Option<(u32, u32)> {
        let mut parts = self.component(12, 1).split('.');
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    }
}

impl Ack {
    /// The reply to a message: in original mode an application acknowledgement; in enhanced mode (the
    /// sender filled MSH-15 or MSH-16) an accept acknowledgement.
    pub fn reply_to(message: &Message<'_>, outcome: Outcome) -> Self {
        Self::from_header(Header::from_bytes(message.text().as_bytes()), outcome)
    }

    /// The reply to bytes that could not be read. What their header says is used as far as it goes.
    pub fn reply_to_bytes(raw: &[u8], outcome: Outcome) -> Self {
        Self::from_header(Header::from_bytes(raw), outcome)
    }

    fn from_header(header: Header, outcome: Outcome) -> Self {
        let code = match (header.is_enhanced(), outcome) {
            (false, Outcome::Accepted) => AckCode::ApplicationAccept,
            (false, Outcome::Error) => AckCode::ApplicationError,
            (false, Outcome::Rejected) => AckCode::ApplicationReject,
            (true, Outcome::Accepted) => AckCode::CommitAccept,
            (true, Outcome::Error) => AckCode::CommitError,
            (true, Outcome::Rejected) => AckCode::CommitReject,
        };
        Self { header, code, control_id: String::new(), time: String::new(), problems: Vec::new() }
    }

    /// The acknowledgement code.
    pub fn code(&self) -> AckCode {
        self.code
    }

    /// Another code than the mode suggests: the application acknowledgement that follows later in enhanced mode.
    pub fn with_code(mut self, code: AckCode) -> Self {
        self.code = code;
        self
    }

    /// Whether the sender wants this reply: MSH-15 for accept acknowledgements, MSH-16 for application
    /// acknowledgements (AL always, NE never, ER on error, SU on success). Original mode always wants it.
    pub fn is_wanted(&self) -> bool {
        if !self.header.is_enhanced() {
            return true;
        }
        let (condition, success) = match self.code {
            AckCode::CommitAccept => (self.header.field(15), true),
            AckCode::CommitError | AckCode::CommitReject => (self.header.field(15), false),
            AckCode::ApplicationAccept => (self.header.field(16), true),
            AckCode::ApplicationError | AckCode::ApplicationReject => (self.header.field(16), false),
        };
        match condition {
            "AL" => true,
            "ER" => !success,
            "SU" => success,
            // An absent condition means never (§2.9.3.1); so does NE.
            _ => false,
        }
    }

    /// Control id of the reply (MSH-10).
    pub fn control_id(mut self, id: &str) -> Self {
        id.clone_into(&mut self.control_id);
        self
    }

    /// Time of the reply (MSH-7), in HL7 form.
    pub fn time(mut self, timestamp: &str) -> Self {
        timestamp.clone_into(&mut self.time);
        self
    }

    /// Adds an ERR segment. The message must not hold content of the received message.
    pub fn error(self, code: ErrorCode, location: Option<Path>, message: &str) -> Self {
        self.problem(code, Severity::Error, location, message)
    }

    /// Adds an ERR segment for a finding.
    pub fn finding(self, finding: &Finding) -> Self {
        self.problem(ErrorCode::of_finding(finding.code), finding.severity, finding.location.parse().ok(), &finding.message)
    }

    fn problem(mut self, code: ErrorCode, severity: Severity, location: Option<Path>, message: &str) -> Self {
        self.problems.push(Problem { code, severity, location, message: message.into() });
        self
    }

    /// The acknowledgement as text, in the received message's delimiters; ASCII unless the caller's texts are not.
    pub fn to_text(&self) -> String {
        let (header, delimiters) = (&self.header, self.header.delimiters);
        let component = char::from(delimiters.component);
        let mut text = String::with_capacity(256);
        let mut msh = SegmentWriter::new(&mut text, delimiters, "MSH");
        msh.raw(3, header.field(5)).raw(4, header.field(6)).raw(5, header.field(3)).raw(6, header.field(4));
        msh.field(7, &self.time).raw(9, &self.message_type(component)).field(10, &self.control_id);
        msh.raw(11, or(header.field(11), "P")).raw(12, or(header.field(12), "2.5.1")).raw(18, header.field(18));
        msh.end();
        let mut msa = SegmentWriter::new(&mut text, delimiters, "MSA");
        msa.raw(1, self.code.as_str()).raw(2, header.field(10));
        msa.end();
        for problem in &self.problems {
            self.write_problem(problem, &mut text);
        }
        text
    }

    /// `ACK^A01^ACK`; the structure since 2.3.1, the trigger event since 2.2.
    fn message_type(&self, component: char) -> String {
        let trigger = self.header.component(9, 2);
        match self.header.version() {
            Some((2, 0..=1)) => "ACK".into(),
            Some((2, 2..=3)) if trigger.is_empty() => "ACK".into(),
            Some((2, 2..=3)) => format!("ACK{component}{trigger}"),
            _ => format!("ACK{component}{trigger}{component}ACK"),
        }
    }

    fn write_problem(&self, problem: &Problem, text: &mut String) {
        let delimiters = self.header.delimiters;
        let place = problem.location.map(|path| place(&path)).unwrap_or_default();
        let code = [problem.code.as_str(), problem.code.text(), "HL70357"];
        let mut err = SegmentWriter::new(text, delimiters, "ERR");
        if self.header.version().is_some_and(|version| version < (2, 5)) {
            // ELD: segment, sequence, field, then the code as sub-components. Later parts of the place do not fit.
            let subcomponent = delimiters.subcomponent.map_or(' ', char::from);
            let mut parts: Vec<String> = place.into_iter().take(3).collect();
            parts.resize(3, String::new());
            let mut raw = String::new();
            for part in &parts {
                let _ = write!(raw, "{part}{}", char::from(delimiters.component));
            }
            let _ = write!(raw, "{}{subcomponent}{}{subcomponent}{}", code[0], code[1], code[2]);
            err.raw(1, &raw);
        } else {
            let place: Vec<&str> = place.iter().map(String::as_str).collect();
            let severity = match problem.severity {
                Severity::Error => "E",
                Severity::Warning => "W",
                Severity::Info => "I",
            };
            err.components(2, &place).components(3, &code).raw(4, severity).field(8, &problem.message);
        }
        err.end();
    }

    /// The acknowledgement as bytes in the received message's character set.
    pub fn to_bytes(&self) -> Result<Vec<u8>, EncodeError> {
        let text = self.to_text();
        let (field, repetition) = msh18(text.as_bytes());
        encode_within(&text, &Declared::parse(&field, repetition), Charset::Utf8)
    }
}

/// A place as ERL (ERR-2): segment, sequence, field, repetition, component, sub-component.
fn place(path: &Path) -> Vec<String> {
    let mut parts = vec![path.segment_name().to_owned(), path.segment_occurrence.unwrap_or(1).to_string(), path.field.to_string()];
    if path.repetition.is_some() || path.component.is_some() {
        parts.push(path.repetition.unwrap_or(1).to_string());
    }
    parts.extend(path.component.into_iter().chain(path.subcomponent).map(|number| number.to_string()));
    parts
}

fn or<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.is_empty() { otherwise } else { text }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reply(header: &str, outcome: Outcome) -> String {
        Ack::reply_to_bytes(header.as_bytes(), outcome).control_id("R1").time("20260314").to_text()
    }

    #[test]
    fn sender_and_receiver_change_places() {
        let header = "MSH|^~\\&|REG|GEN^1.2^ISO|EHR|HQ|20260101||ADT^A01^ADT_A01|M\\F\\1|T|2.5.1\rPID|1";
        assert_eq!(reply(header, Outcome::Accepted), "MSH|^~\\&|EHR|HQ|REG|GEN^1.2^ISO|20260314||ACK^A01^ACK|R1|T|2.5.1\rMSA|AA|M\\F\\1\r");
        let message = Message::parse(header).unwrap();
        assert_eq!(Ack::reply_to(&message, Outcome::Rejected).code().as_str(), "AR");
    }

    #[test]
    fn enhanced_mode_and_its_conditions() {
        let header = |conditions: &str| format!("MSH|^~\\&|A|B|C|D|2026||ADT^A01|M1|P|2.5|||{conditions}");
        for (conditions, outcome, code, wanted) in [
            ("AL|NE", Outcome::Accepted, "CA", true),
            ("ER|AL", Outcome::Accepted, "CA", false),
            ("ER|AL", Outcome::Error, "CE", true),
            ("SU", Outcome::Rejected, "CR", false),
            ("NE", Outcome::Accepted, "CA", false),
            ("|AL", Outcome::Accepted, "CA", false),
            ("", Outcome::Error, "AE", true),
        ] {
            let ack = Ack::reply_to_bytes(header(conditions).as_bytes(), outcome);
            assert_eq!((ack.code().as_str(), ack.is_wanted()), (code, wanted), "{conditions} {outcome:?}");
        }
        let later = Ack::reply_to_bytes(header("AL|ER").as_bytes(), Outcome::Error).with_code(AckCode::ApplicationError);
        assert!(later.is_wanted());
    }

    #[test]
    fn errors_name_the_place_in_the_version_of_the_sender() {
        let old = "MSH|^~\\&|A|B|C|D|2026||ADT^A01|M1|P|2.3";
        let ack = Ack::reply_to_bytes(old.as_bytes(), Outcome::Error).error(ErrorCode::DataTypeError, "PID-7".parse().ok(), "not a date");
        assert!(ack.to_text().ends_with("||ACK^A01||P|2.3\rMSA|AE|M1\rERR|PID^1^7^102&Data type error&HL70357\r"));
        let new = "MSH|^~\\&|A|B|C|D|2026||ADT^A01|M1|P|2.8";
        let finding = Finding::new("table-value", Severity::Warning, "PID-5[2].1", "not in table 0200 | see manual");
        let ack = Ack::reply_to_bytes(new.as_bytes(), Outcome::Error).finding(&finding);
        assert!(ack.to_text().ends_with("\rERR||PID^1^5^2^1|103^Table value not found^HL70357|W||||not in table 0200 \\F\\ see manual\r"));
    }

    #[test]
    fn unreadable_bytes_get_an_answer() {
        assert_eq!(reply("junk", Outcome::Rejected), "MSH|^~\\&|||||20260314||ACK^^ACK|R1|P|2.5.1\rMSA|AR\r");
        assert_eq!(reply("", Outcome::Rejected), reply("\0\0", Outcome::Rejected));
        let late = reply("\u{feff} MSH$%~\\&$APP$FAC$$$$$ORU%R01$M7$P$2.1\rP", Outcome::Error);
        assert_eq!(late, "MSH$%~\\&$$$APP$FAC$20260314$$ACK$R1$P$2.1\rMSA$AE$M7\r");
    }

    #[test]
    fn bytes_are_in_the_set_of_the_sender() {
        let header = "MSH|^~\\&|A|B|C|D|2026||ADT^A01|M1|P|2.5||||||8859/1";
        let ack = Ack::reply_to_bytes(header.as_bytes(), Outcome::Error).error(ErrorCode::OtherHl7Error, None, "Größe");
        assert!(ack.to_bytes().unwrap().ends_with(b"Gr\xF6\xDFe\r"));
    }

    proptest! {
        #[test]
        fn any_bytes_get_a_readable_answer(raw in prop::collection::vec(any::<u8>(), 0..80), head in "(MSH[|^~&\\\\$%]{0,6})?") {
            let raw = [head.as_bytes(), &raw].concat();
            let text = Ack::reply_to_bytes(&raw, Outcome::Rejected).control_id("R1").error(ErrorCode::OtherHl7Error, None, "unreadable").to_text();
            let message = Message::parse(&text).unwrap();
            prop_assert_eq!(message.segments().map(|segment| segment.name().to_owned()).collect::<Vec<_>>(), ["MSH", "MSA", "ERR"]);
        }
    }
}
