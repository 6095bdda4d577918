//! HL7 v2 messages de-identified as messages: every field by its class, under the policy of columns.
//!
//! The dictionary says what every field, component and sub-component holds; where a table of the reader has a column of it, name, path and class are
//! the column's. Segments and fields without a definition go, Z segments too. Documents in OBX-5 (ED, RP) go and leave the field empty. What must have a
//! value by the version of the message, and has none any more, gets one that says nothing: `""`, or a name of type `S` (table 0200).

mod categories;
mod plan;
mod stream;

use std::{borrow::Cow, fmt::Write};

use sutura_core::{PhiClass, record::Sha256Hash};
use sutura_hl7v2::{
    Delimiters, Message, Segment,
    charset::{self, Charset, Declared},
    defs::Version,
    escape, timestamp,
};
use sutura_privacy::{LabelAction, is_age_code};

use crate::{
    document::{DocumentDeidentifier, Form, Known, Leaf, Role, Run, Treatment},
    error::DeidError,
    ledger::{Ledger, Outcome},
};
use categories::{Groups, shows_category};
use plan::{FieldPlan, Plans, SegmentPlan};

/// De-identifies HL7 v2 messages. One serves all threads.
pub struct Hl7v2Deidentifier {
    plans: Plans,
    default_charset: Charset,
}

impl Hl7v2Deidentifier {
    /// For messages that declare no character set, ISO 8859-1 is taken, as the reader does.
    pub fn new(treatment: Treatment) -> Self {
        let default_charset = Charset::from_name(&sutura_hl7v2::Options::default().default_charset).unwrap_or(Charset::Ascii);
        Self { plans: Plans::new(treatment), default_charset }
    }

    /// With another character set for messages that declare none.
    #[must_use]
    pub fn with_default_charset(mut self, charset: Charset) -> Self {
        self.default_charset = charset;
        self
    }
}

impl std::fmt::Debug for Hl7v2Deidentifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hl7v2Deidentifier").field("treatment", self.plans.treatment()).finish_non_exhaustive()
    }
}

impl DocumentDeidentifier for Hl7v2Deidentifier {
    /// `input` is one message, beginning with `MSH`; framing and white space around it are taken off. Segments end in carriage returns.
    fn deidentify(&self, input: &[u8], out: &mut Vec<u8>, ledger: &mut Ledger) -> Result<(), DeidError> {
        let refuse = |reason| DeidError::NotRead { format: "HL7 v2 message", reason };
        let raw = unframed(input);
        if !raw.starts_with(b"MSH") {
            return Err(refuse("it does not begin with MSH"));
        }
        let declared = {
            let (field, repetition) = charset::msh18(raw);
            Declared::parse(&field, repetition)
        };
        let decoded = charset::decode_declared(raw, &declared, self.default_charset, &mut Vec::new());
        let message = Message::parse(&decoded.text).map_err(|_| refuse("its delimiters are not usable"))?;
        let mut counts = Ledger::new();
        let text = self.message(&message, &mut counts)?;
        let before = out.len();
        match charset::encode_within(&text.joined(), &declared, self.default_charset) {
            Ok(bytes) => out.extend_from_slice(&bytes),
            Err(_) => out.extend_from_slice(text.in_unicode().joined().as_bytes()),
        }
        counts.document(input.len(), out.len() - before);
        ledger.merge(&counts);
        Ok(())
    }
}

/// A message without what some feeds put around it.
fn unframed(input: &[u8]) -> &[u8] {
    let input = input.strip_prefix(b"\xef\xbb\xbf").unwrap_or(input);
    let start = input.iter().position(|byte| !byte.is_ascii_whitespace() && *byte != 0x0B).unwrap_or(input.len());
    let end = input.iter().rposition(|byte| !byte.is_ascii_whitespace() && *byte != 0x1C).map_or(start, |last| last + 1);
    &input[start..end.max(start)]
}

/// The message that comes out: the fields of its header, and the other segments.
struct Written {
    delimiters: Delimiters,
    header: Vec<String>,
    body: String,
}

impl Written {
    fn joined(&self) -> String {
        let mut text = self.header.join(char::from(self.delimiters.field).encode_utf8(&mut [0; 4]));
        text.push('\r');
        text.push_str(&self.body);
        text
    }

    /// Declared as UTF-8: for characters that the message's own character set lacks.
    fn in_unicode(mut self) -> Self {
        // MSH-18 is the 18th part: the separator itself is MSH-1.
        if self.header.len() < 18 {
            self.header.resize(18, String::new());
        }
        "UNICODE UTF-8".clone_into(&mut self.header[17]);
        self
    }
}

/// What the walk knows of the message around a segment.
struct Around<'m> {
    version: Version,
    patient: Option<Cow<'m, str>>,
    /// Whether what is clinical in the segment goes, by its category.
    is_redacted: bool,
}

impl Hl7v2Deidentifier {
    fn message(&self, message: &Message<'_>, ledger: &mut Ledger) -> Result<Written, DeidError> {
        let delimiters = message.delimiters();
        let known = self.known(message);
        let tokens = known.tokens();
        let mut run = Run { treatment: self.plans.treatment(), known, tokens: &tokens, ledger };
        let header = message.segment("MSH");
        let stated = header.map(|header| header.field(12).component(1).text().into_owned()).unwrap_or_default();
        let mut around = Around {
            version: Version::parse(&stated).unwrap_or(Version::V2_5_1),
            // What stands before the first PID is about it.
            patient: message.segment("PID").and_then(|pid| patient_of(&pid)),
            is_redacted: false,
        };
        let mut written = Written { delimiters, header: Vec::new(), body: String::with_capacity(message.text().len()) };
        let groups = Groups::of(message, self.plans.treatment().privacy.policy());
        for (at, segment) in message.segments().enumerate() {
            if at == 0 {
                let Some(plan) = self.plans.segment("MSH") else { continue };
                written.header = Self::header(&segment, &plan, &around, &mut run)?;
                continue;
            }
            // A second header is no part of the message, and those of batches are around it.
            let Some(plan) = self.plans.segment(segment.name()).filter(|_| !segment.is_header()) else {
                run.ledger.record(&self.plans.unknown_segment.place, Outcome::Unknown);
                continue;
            };
            if plan.def.name == "PID" {
                around.patient = patient_of(&segment);
            }
            let category = groups.category(at, run.ledger);
            if category.action == LabelAction::Withhold {
                continue;
            }
            around.is_redacted = category.action == LabelAction::Redact;
            self.segment(&segment, &plan, &around, &mut run, &mut written.body)?;
        }
        groups.mark(&mut written, message)?;
        // The control id must be there and may not be the old one: one made of what is released.
        if written.header.len() > 9 && written.header[9].is_empty() {
            let hash = Sha256Hash::of(written.joined().as_bytes()).to_string();
            written.header[9] = hash.get(..20).unwrap_or(&hash).to_uppercase();
            if let Some(plan) = self.plans.segment("MSH") {
                run.ledger.record(&plan.field(10).leaf(1, 1).place, Outcome::Placeholder);
            }
        }
        Ok(written)
    }

    fn header(segment: &Segment<'_>, plan: &SegmentPlan, around: &Around<'_>, run: &mut Run<'_>) -> Result<Vec<String>, DeidError> {
        let delimiters = segment.delimiters();
        let mut parts = Vec::new();
        for (at, raw) in segment.raw().split(char::from(delimiters.field)).enumerate() {
            let number = at + 1;
            let mut out = String::new();
            match number {
                1 => out.push_str("MSH"),
                2 => out.push_str(&delimiters.encoding_characters()),
                _ => {
                    Self::field(plan.field(number), raw, delimiters, around.patient.as_deref(), run, &mut out)?;
                    if number != 10 {
                        placeholder(plan.field(number), raw, around.version, delimiters, run, &mut out);
                    }
                }
            }
            parts.push(out);
        }
        while parts.len() > 2 && parts.last().is_some_and(String::is_empty) && parts.len() > 12 {
            parts.pop();
        }
        Ok(parts)
    }

    fn segment(
        &self,
        segment: &Segment<'_>,
        plan: &SegmentPlan,
        around: &Around<'_>,
        run: &mut Run<'_>,
        out: &mut String,
    ) -> Result<(), DeidError> {
        let delimiters = segment.delimiters();
        let patient = around.patient.as_deref();
        out.push_str(plan.def.name);
        for (at, raw) in segment.raw().split(char::from(delimiters.field)).enumerate().skip(1) {
            out.push(char::from(delimiters.field));
            let start = out.len();
            match (plan.def.name, at) {
                _ if around.is_redacted && shows_category(plan.def.name, plan.field(at), at) => {
                    if !raw.is_empty() {
                        run.ledger.record(&plan.field(at).leaf(1, 1).place, Outcome::Removed);
                    }
                }
                ("OBX", 5) => self.observation(segment, raw, patient, run, out)?,
                ("PID", 3) => self.identifiers(segment, plan.field(3), patient, run, out)?,
                _ => Self::field(plan.field(at), raw, delimiters, patient, run, out)?,
            }
            if out.len() == start {
                placeholder(plan.field(at), raw, around.version, delimiters, run, out);
            }
        }
        let end = out.trim_end_matches(char::from(delimiters.field)).len();
        out.truncate(end);
        out.push('\r');
        Ok(())
    }

    /// A field: its repetitions. Those of which nothing is left go.
    fn field(
        plan: &FieldPlan,
        raw: &str,
        delimiters: Delimiters,
        patient: Option<&str>,
        run: &mut Run<'_>,
        out: &mut String,
    ) -> Result<(), DeidError> {
        let start = out.len();
        for repetition in split(raw, delimiters.repetition) {
            let before = out.len();
            if before > start
                && let Some(separator) = delimiters.repetition
            {
                out.push(char::from(separator));
            }
            let content = out.len();
            Self::repetition(plan, repetition, delimiters, patient, run, out)?;
            if out.len() == content {
                out.truncate(before);
            }
        }
        Ok(())
    }

    fn repetition(
        plan: &FieldPlan,
        raw: &str,
        delimiters: Delimiters,
        patient: Option<&str>,
        run: &mut Run<'_>,
        out: &mut String,
    ) -> Result<(), DeidError> {
        if raw.is_empty() {
            return Ok(());
        }
        // "Delete the stored value": that is all it says.
        if raw == "\"\"" {
            out.push_str(raw);
            return Ok(());
        }
        if let Some(whole) = &plan.whole {
            return leaf(whole, raw, delimiters, patient, run, out);
        }
        let start = out.len();
        let mut end = start;
        for (at, component) in raw.split(char::from(delimiters.component)).enumerate() {
            if at > 0 {
                out.push(char::from(delimiters.component));
            }
            let before = out.len();
            for (sub_at, sub) in split(component, delimiters.subcomponent).enumerate() {
                if sub_at > 0
                    && let Some(separator) = delimiters.subcomponent
                {
                    out.push(char::from(separator));
                }
                if !sub.is_empty() {
                    leaf(plan.leaf(at + 1, sub_at + 1), sub, delimiters, patient, run, out)?;
                }
            }
            let content = delimiters.subcomponent.map_or(out.len(), |separator| out.trim_end_matches(char::from(separator)).len());
            out.truncate(content.max(before));
            if out.len() > before {
                end = out.len();
            }
        }
        out.truncate(end);
        Ok(())
    }

    /// PID-3: record numbers, and other numbers that their type names.
    fn identifiers(
        &self,
        segment: &Segment<'_>,
        plan: &FieldPlan,
        patient: Option<&str>,
        run: &mut Run<'_>,
        out: &mut String,
    ) -> Result<(), DeidError> {
        let delimiters = segment.delimiters();
        let start = out.len();
        for repetition in segment.field(3).repetitions() {
            let before = out.len();
            if before > start
                && let Some(separator) = delimiters.repetition
            {
                out.push(char::from(separator));
            }
            let content = out.len();
            let number = repetition.component(1).text();
            let other = self.plans.identifier(repetition.component(5).raw()).filter(|_| Some(number.as_ref()) != patient);
            match other {
                None => Self::repetition(plan, repetition.raw(), delimiters, patient, run, out)?,
                Some(own) => {
                    let mut code = String::new();
                    leaf(own, repetition.component(1).raw(), delimiters, patient, run, &mut code)?;
                    // Without its number the rest says nothing.
                    if !code.is_empty() {
                        let rest = repetition.raw().split_once(char::from(delimiters.component)).map_or("", |(_, rest)| rest);
                        let mut whole = String::from("x");
                        whole.push(char::from(delimiters.component));
                        whole.push_str(rest);
                        let mut treated = String::new();
                        let silent = &mut Ledger::new();
                        let mut quiet = Run { treatment: run.treatment, known: run.known.clone(), tokens: run.tokens, ledger: silent };
                        Self::repetition(plan, &whole, delimiters, patient, &mut quiet, &mut treated)?;
                        out.push_str(&code);
                        out.push_str(treated.find(char::from(delimiters.component)).map_or("", |at| &treated[at..]));
                    }
                }
            }
            if out.len() == content {
                out.truncate(before);
            }
        }
        Ok(())
    }

    /// OBX-5, by the type that OBX-2 says.
    fn observation(
        &self,
        segment: &Segment<'_>,
        raw: &str,
        patient: Option<&str>,
        run: &mut Run<'_>,
        out: &mut String,
    ) -> Result<(), DeidError> {
        let plan = self.plans.observation(segment.field(2).component(1).raw());
        let code = segment.field(3);
        let is_age = [1, 4].iter().any(|component| is_age_code(code.component(*component).raw()));
        if is_age && self.plans.treatment().privacy.limits_ages() {
            // Over 89 it is an identifier; what is no plain number may be any age.
            let high = |number: &str| number.trim().parse::<f64>().map_or(true, |age| age > 89.0);
            if raw.split(|letter: char| !letter.is_ascii_digit() && letter != '.').filter(|part| !part.is_empty()).any(high) {
                run.ledger.record(&plan.leaf(1, 1).place, Outcome::Suppressed);
                return Ok(());
            }
        }
        Self::field(plan, raw, segment.delimiters(), patient, run, out)
    }

    /// The people that the message names, for its texts.
    fn known(&self, message: &Message<'_>) -> Known {
        let mut known = Known::default();
        let delimiters = message.delimiters();
        for segment in message.segments() {
            let Some(plan) = self.plans.segment(segment.name()) else { continue };
            let role = match segment.name() {
                "PID" | "MRG" | "PD1" => Role::Patient,
                "NK1" | "GT1" | "IN1" | "IN2" | "IN3" => Role::Relative,
                "MSH" | "OBX" | "NTE" => continue,
                _ => Role::Provider,
            };
            for (number, field) in segment.fields() {
                let field_plan = plan.field(number);
                for repetition in field.repetitions() {
                    know(&mut known, role, field_plan, repetition.raw(), delimiters);
                }
            }
            if segment.name() == "PID" {
                let mut birth = Vec::new();
                if timestamp::write_iso(segment.field(7).component(1).raw().as_bytes(), &mut birth) {
                    known.add(Role::Patient, &PhiClass::Date, &String::from_utf8_lossy(&birth));
                }
                known.set_patient(patient_of(&segment).as_deref());
            }
        }
        known
    }
}

/// Adds what identifies somebody in a repetition.
fn know(known: &mut Known, role: Role, plan: &FieldPlan, raw: &str, delimiters: Delimiters) {
    for (at, component) in raw.split(char::from(delimiters.component)).enumerate() {
        let Some(component_plan) = plan.components.get(at).filter(|component| !component.is_title) else { continue };
        for (leaf, sub) in component_plan.subs.iter().zip(split(component, delimiters.subcomponent)) {
            let wanted = matches!(
                leaf.place.class,
                PhiClass::Name
                    | PhiClass::Mrn
                    | PhiClass::Ssn
                    | PhiClass::Account
                    | PhiClass::HealthPlan
                    | PhiClass::Licence
                    | PhiClass::Phone
                    | PhiClass::Email
            ) || (leaf.place.class == PhiClass::Geography && role != Role::Provider);
            if wanted && !sub.is_empty() && sub != "\"\"" {
                known.add(role, &leaf.place.class, &escape::unescape(sub, &delimiters));
            }
        }
    }
}

/// Who a PID is about, as the reader's `patient_id` says: the identifier of type MR, else the first.
fn patient_of<'m>(pid: &Segment<'m>) -> Option<Cow<'m, str>> {
    let field = pid.field(3);
    let record = field.repetitions().find(|repetition| repetition.component(5).raw() == "MR");
    let number = record.or_else(|| field.repetition(0))?.component(1);
    Some(number.subcomponent(1).text()).filter(|number| !number.trim().is_empty() && number != "\"\"")
}

fn split(raw: &str, separator: Option<u8>) -> std::str::Split<'_, char> {
    // A character that no text has stands for a separator that the header does not state.
    raw.split(separator.filter(u8::is_ascii).map_or('\u{10ffff}', char::from))
}

/// One value as sent, treated and written as it must be sent.
fn leaf(
    plan: &Leaf,
    raw: &str,
    delimiters: Delimiters,
    patient: Option<&str>,
    run: &mut Run<'_>,
    out: &mut String,
) -> Result<(), DeidError> {
    if raw == "\"\"" {
        out.push_str(raw);
        return Ok(());
    }
    let value = escape::unescape(raw, &delimiters);
    if plan.form != Form::Date {
        match run.value(plan, &value, patient)? {
            Some(Cow::Borrowed(_)) => out.push_str(raw),
            Some(Cow::Owned(text)) => escape::escape_into(&text, &delimiters, out),
            None => {}
        }
        return Ok(());
    }
    let mut iso = Vec::new();
    // What is no date is treated as the text it is, and goes.
    let text = if timestamp::write_iso(value.trim().as_bytes(), &mut iso) {
        String::from_utf8_lossy(&iso).into_owned()
    } else {
        value.into_owned()
    };
    match run.value(plan, &text, patient)? {
        Some(Cow::Borrowed(_)) => out.push_str(raw),
        Some(Cow::Owned(moved)) => push_hl7_date(&moved, out),
        None => {}
    }
    Ok(())
}

/// ISO 8601 as HL7 writes it: without the signs between its parts.
pub(crate) fn push_hl7_date(iso: &str, out: &mut String) {
    let (date, time) = iso.split_once('T').unwrap_or((iso, ""));
    out.extend(date.chars().filter(|letter| *letter != '-'));
    // Of the time only the colons go: a minus is that of the offset.
    let time = time.strip_suffix('Z').map_or_else(|| Cow::Borrowed(time), |time| Cow::Owned(format!("{time}+0000")));
    out.extend(time.chars().filter(|letter| *letter != ':'));
}

/// What stands in a field that must have a value and has none any more.
fn placeholder(plan: &FieldPlan, raw: &str, version: Version, delimiters: Delimiters, run: &mut Run<'_>, out: &mut String) {
    let Some(def) = plan.def else { return };
    if !out.is_empty() && !out.ends_with(char::from(delimiters.field)) || raw.is_empty() || !def.required.contains(version) {
        return;
    }
    if def.datatype == "XPN" {
        // A name of type S: coded so that the person stays unknown (table 0200).
        let _ = write!(out, "{}S", String::from(char::from(delimiters.component)).repeat(6));
    } else {
        out.push_str("\"\"");
    }
    run.ledger.record(&plan.whole.as_ref().unwrap_or(plan.leaf(1, 1)).place, Outcome::Placeholder);
}
