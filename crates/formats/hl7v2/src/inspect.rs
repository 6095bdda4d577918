//! A message as a tree that people can read: names, types, values, findings at their place.
//!
//! Values that may identify a person are masked, with their PHI class and length, unless the caller
//! asks to reveal them. There is no colour here; a terminal may add it.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    fmt::Write,
};

use sutura_core::{Finding, PhiClass};

use crate::{
    defs::{self, FieldDef},
    message::{Message, Part, Repetition, Segment, State},
    validate::shown_name,
};

/// The tree of one message. `findings` (of [`crate::validate::validate`], or the reader's) stand
/// under the lines they are about; what fits no line stands at the end. `reveal` shows PHI.
pub fn tree(message: &Message<'_>, findings: &[Finding], reveal: bool) -> String {
    let mut tree =
        Tree { out: String::with_capacity(message.text().len() * 4), findings: by_location(findings), shown: HashSet::new(), reveal };
    for segment in message.segments() {
        tree.segment(&segment);
    }
    tree.other_findings(findings);
    tree.out
}

fn by_location(findings: &[Finding]) -> HashMap<&str, Vec<&Finding>> {
    let mut map: HashMap<&str, Vec<&Finding>> = HashMap::new();
    for finding in findings {
        map.entry(finding.location.as_str()).or_default().push(finding);
    }
    map
}

struct Tree<'f> {
    out: String,
    findings: HashMap<&'f str, Vec<&'f Finding>>,
    shown: HashSet<String>,
    reveal: bool,
}

impl Tree<'_> {
    fn segment(&mut self, segment: &Segment<'_>) {
        let name = segment.name();
        let def = defs::segment(name).or_else(|| defs::segment(&name.to_ascii_uppercase()));
        let mut path = shown_name(name).to_owned();
        let is_name = path != "?";
        if segment.ordinal() > 1 {
            let _ = write!(path, "[{}]", segment.ordinal());
        }
        let title = match def {
            Some(def) => def.title,
            None if name.starts_with(['Z', 'z']) => "local segment",
            None => "unknown segment",
        };
        let _ = writeln!(self.out, "{path} {title}");
        self.findings_at(&path, 1);
        if !is_name {
            // A wrapped line or junk: it has no fields worth the name, and may hold anything.
            let text = self.value(segment.raw(), &PhiClass::FreeText);
            let _ = writeln!(self.out, "  {text}");
            return;
        }
        let value_type = if name == "OBX" { segment.field(2).raw() } else { "" };
        for (number, field) in segment.fields() {
            let place = format!("{path}-{number}");
            if field.state() == State::Absent {
                self.findings_at(&place, 2);
                continue;
            }
            let field_def = def.and_then(|def| def.field(number));
            let context = FieldContext { segment: name, number, def: field_def, value_type: if number == 5 { value_type } else { "" } };
            if segment.is_header() && number <= 2 {
                let _ = writeln!(self.out, "  {place} {}: {}", context.name(), plain(field.raw()));
                self.findings_at(&place, 2);
                continue;
            }
            let count = field.repetitions().count();
            for (at, repetition) in field.repetitions().enumerate() {
                let mut place = place.clone();
                if count > 1 {
                    let _ = write!(place, "[{}]", at + 1);
                }
                self.repetition(&repetition, &context, &place);
                if at == 0 && count > 1 {
                    self.findings_at(&format!("{path}-{number}"), 2);
                }
            }
        }
        // Fields that are required and were not sent at all have findings, but no line of their own.
        let last = segment.field_count();
        for number in last + 1..=def.map_or(last, |def| def.fields.len()) {
            self.findings_at(&format!("{path}-{number}"), 2);
        }
    }

    fn repetition(&mut self, repetition: &Repetition<'_>, context: &FieldContext<'_>, place: &str) {
        let _ = write!(self.out, "  {place} {}", context.name());
        let datatype = context.datatype();
        if !datatype.is_empty() {
            let _ = write!(self.out, " [{datatype}]");
        }
        let parts: Vec<_> = repetition.components().collect();
        let single = parts.len() <= 1 && parts.first().is_none_or(|part| part.subcomponents().count() <= 1);
        if single {
            let class = context.class(usize::from(defs::datatype(datatype).is_some()));
            self.put(parts.first().map_or("", Part::raw), parts.first(), &class, matches!(datatype, "NM" | "SI"), context.table(1));
            self.findings_at(place, 2);
            self.findings_at(&format!("{place}.1"), 2);
            return;
        }
        self.out.push('\n');
        self.findings_at(place, 2);
        for (at, part) in parts.iter().enumerate() {
            let number = at + 1;
            let place = format!("{place}.{number}");
            if part.state() == State::Absent {
                self.findings_at(&place, 3);
                continue;
            }
            let known = defs::datatype(datatype).and_then(|known| known.component(number));
            let _ = write!(self.out, "    {place} {}", known.map_or("(no name)", |known| known.name));
            let class = context.class(number);
            let subcomponents: Vec<_> = part.subcomponents().collect();
            if subcomponents.len() <= 1 {
                self.put(
                    part.raw(),
                    Some(part),
                    &class,
                    known.is_some_and(|known| matches!(known.datatype, "NM" | "SI")),
                    context.table(number),
                );
            } else {
                self.out.push('\n');
                for (at, sub) in subcomponents.iter().enumerate().filter(|(_, sub)| sub.state() != State::Absent) {
                    let inner = known.and_then(|known| defs::datatype(known.datatype)).and_then(|inner| inner.component(at + 1));
                    let _ = write!(self.out, "      {place}.{} {}", at + 1, inner.map_or("(no name)", |inner| inner.name));
                    let is_number = inner.is_some_and(|inner| matches!(inner.datatype, "NM" | "SI"));
                    let class = defs::subcomponent_class(known.map_or("", |known| known.datatype), at + 1, &class);
                    self.put(sub.raw(), Some(sub), &class, is_number, inner.and_then(|inner| inner.table));
                }
            }
            self.findings_at(&place, 3);
        }
    }

    /// `: value` or `: name ‹masked, 14 characters›`, with the text of a code, and the line's end.
    fn put(&mut self, raw: &str, part: Option<&Part<'_>>, class: &PhiClass, is_number: bool, table: Option<u16>) {
        let state = part.map_or(State::Absent, Part::state);
        match state {
            State::Absent => self.out.push_str(": (empty)\n"),
            State::Null => self.out.push_str(": \"\" (delete)\n"),
            State::Value => {
                let text = part.map_or(Cow::Borrowed(raw), Part::text);
                // What says it is a number and is none may be anything.
                let class = if is_number && !text.chars().all(|c| c.is_ascii_digit() || ",.+-<>= ".contains(c)) {
                    &PhiClass::FreeText
                } else {
                    class
                };
                let shown = self.value(&text, class);
                let _ = write!(self.out, ": {shown}");
                // The meaning of a masked code would give it away.
                if (self.reveal || !class.is_identifying())
                    && let Some(meaning) = table.and_then(defs::table).and_then(|table| table.text(&text))
                {
                    let _ = write!(self.out, " ({meaning})");
                }
                self.out.push('\n');
            }
        }
    }

    fn value(&self, text: &str, class: &PhiClass) -> String {
        if !class.is_identifying() {
            return plain(text).into_owned();
        }
        if self.reveal {
            return format!("{} ‹{class}›", plain(text));
        }
        let count = text.chars().count();
        format!("{class} ‹masked, {count} character{}›", if count == 1 { "" } else { "s" })
    }

    fn findings_at(&mut self, place: &str, depth: usize) {
        let Some(findings) = self.findings.get(place) else { return };
        if !self.shown.insert(place.to_owned()) {
            return;
        }
        for finding in findings {
            let _ =
                writeln!(self.out, "{:width$}! {} {}: {place}: {}", "", finding.severity, finding.code, finding.message, width = depth * 2);
        }
    }

    fn other_findings(&mut self, findings: &[Finding]) {
        let mut first = true;
        for finding in findings.iter().filter(|finding| !self.shown.contains(&finding.location)) {
            if first {
                self.out.push_str("Findings on the whole message\n");
                first = false;
            }
            let place = if finding.location.is_empty() { String::new() } else { format!("{}: ", finding.location) };
            let _ = writeln!(self.out, "  ! {} {}: {place}{}", finding.severity, finding.code, finding.message);
        }
    }
}

/// What is known of the field at hand.
struct FieldContext<'a> {
    segment: &'a str,
    number: usize,
    def: Option<&'static FieldDef>,
    /// OBX-2, for OBX-5.
    value_type: &'a str,
}

impl FieldContext<'_> {
    fn name(&self) -> &'static str {
        self.def.map(|def| def.name).filter(|name| !name.is_empty()).unwrap_or("(no name)")
    }

    /// The data type; that of OBX-5 is what OBX-2 says, if it is one.
    fn datatype(&self) -> &str {
        match self.def {
            Some(def) if def.datatype != "varies" => def.datatype,
            Some(_) if defs::table(125).is_some_and(|table| table.contains(self.value_type)) => self.value_type,
            _ => "",
        }
    }

    fn class(&self, component: usize) -> PhiClass {
        if self.segment == "OBX" && self.number == 5 {
            return defs::observation_value_class(self.value_type, component);
        }
        defs::phi_class(&self.segment.to_ascii_uppercase(), self.number, component)
    }

    fn table(&self, component: usize) -> Option<u16> {
        let own = self.def.and_then(|def| def.table).filter(|_| component == 1);
        let part = defs::datatype(self.datatype()).and_then(|known| known.component(component)).and_then(|part| part.table);
        let is_coded = matches!(self.datatype(), "CWE" | "CE" | "CNE" | "CF" | "ID" | "IS");
        if is_coded { own.or(part) } else { part.or(own.filter(|_| defs::datatype(self.datatype()).is_none())) }
    }
}

/// Text on one line: line breaks and controls are shown, not done.
fn plain(text: &str) -> Cow<'_, str> {
    if !text.chars().any(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\n' | '\r' => out.push('⏎'),
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests;
