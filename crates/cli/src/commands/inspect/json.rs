//! A message as one JSON object: every value with its path, name, class and state. Identifying values
//! are left out (`masked`) unless they may be shown.

use serde_json::{Map, Value, json};
use sutura_core::{Finding, PhiClass, Reject};
use sutura_hl7v2::{Field, Message, Part, Segment, State, defs};

/// One message on one line.
pub(crate) fn message(number: u64, offset: u64, length: usize, message: &Message<'_>, findings: &[Finding], reveal: bool) -> Value {
    let segments: Vec<Value> = message.segments().map(|segment| self::segment(&segment, reveal)).collect();
    json!({ "record": number, "offset": offset, "length": length, "accepted": true, "findings": findings, "segments": segments })
}

/// What could not be read, on one line.
pub(crate) fn reject(number: u64, reject: &Reject) -> Value {
    json!({
        "record": number, "offset": reject.id.offset, "length": reject.id.length, "accepted": false,
        "code": reject.code, "location": reject.location, "reason": reject.reason,
    })
}

fn segment(segment: &Segment<'_>, reveal: bool) -> Value {
    let name = segment.name();
    let is_name = name.len() == 3 && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !is_name {
        // Junk between segments may hold anything, its first bytes too.
        let mut line = Map::new();
        line.insert("segment".to_owned(), Value::Null);
        put(&mut line, segment.raw(), &PhiClass::FreeText, reveal);
        return Value::Object(line);
    }
    let mut values = Vec::new();
    for (number, field) in segment.fields().filter(|(_, field)| field.state() != State::Absent) {
        field_values(segment, number, &field, reveal, &mut values);
    }
    let title = defs::segment(&name.to_ascii_uppercase()).map(|def| def.title);
    json!({ "segment": name, "ordinal": segment.ordinal(), "title": title, "values": values })
}

fn field_values(segment: &Segment<'_>, number: usize, field: &Field<'_>, reveal: bool, out: &mut Vec<Value>) {
    let upper = segment.name().to_ascii_uppercase();
    let ordinal = if segment.ordinal() > 1 { format!("[{}]", segment.ordinal()) } else { String::new() };
    let place = format!("{}{ordinal}-{number}", segment.name());
    let def = defs::segment(&upper).and_then(|def| def.field(number));
    let name = def.map(|def| def.name).filter(|name| !name.is_empty());
    if segment.is_header() && number <= 2 {
        out.push(value(&place, name, field.raw(), State::Value, &PhiClass::Operational, reveal));
        return;
    }
    let repeats = field.repetitions().count() > 1;
    for (at, repetition) in field.repetitions().enumerate() {
        let place = if repeats { format!("{place}[{}]", at + 1) } else { place.clone() };
        for (at, component) in repetition.components().enumerate().filter(|(_, part)| part.state() != State::Absent) {
            let class = if upper == "OBX" && number == 5 {
                defs::observation_value_class(segment.field(2).raw(), at + 1)
            } else {
                defs::phi_class(&upper, number, at + 1)
            };
            let place = format!("{place}.{}", at + 1);
            let parts: Vec<Part<'_>> = component.subcomponents().collect();
            // What says it is a number and is none may be anything.
            let numeric =
                is_numeric(def.map_or("", |def| def.datatype), at + 1) || upper == "OBX" && number == 5 && segment.field(2).raw() == "NM";
            let class = if numeric && !component.text().chars().all(|c| c.is_ascii_digit() || ",.+-<>= ".contains(c)) {
                PhiClass::FreeText
            } else {
                class
            };
            if parts.len() <= 1 {
                out.push(value(&place, name, &component.text(), component.state(), &class, reveal));
                continue;
            }
            for (at, part) in parts.iter().enumerate().filter(|(_, part)| part.state() != State::Absent) {
                out.push(value(&format!("{place}.{}", at + 1), name, &part.text(), part.state(), &class, reveal));
            }
        }
    }
}

/// Whether a field's component is declared as a number.
fn is_numeric(datatype: &str, component: usize) -> bool {
    let declared = defs::datatype(datatype).and_then(|known| known.component(component)).map_or(datatype, |part| part.datatype);
    matches!(declared, "NM" | "SI")
}

fn value(place: &str, name: Option<&str>, text: &str, state: State, class: &PhiClass, reveal: bool) -> Value {
    let mut map = Map::new();
    map.insert("path".to_owned(), place.into());
    map.insert("name".to_owned(), name.into());
    if state == State::Null {
        map.insert("phi".to_owned(), class.as_str().into());
        map.insert("delete".to_owned(), true.into());
    } else {
        put(&mut map, text, class, reveal);
    }
    Value::Object(map)
}

fn put(map: &mut Map<String, Value>, text: &str, class: &PhiClass, reveal: bool) {
    map.insert("phi".to_owned(), class.as_str().into());
    if reveal || !class.is_identifying() {
        map.insert("value".to_owned(), text.into());
    } else {
        map.insert("masked".to_owned(), true.into());
        map.insert("characters".to_owned(), text.chars().count().into());
    }
}
