//! Checks the fields of one segment: required, repetition, data type, table, escapes.

use std::fmt::Write;

use sutura_core::Severity;

use super::{Check, Place, has_value};
use crate::{
    defs::{self, FieldDef, SegmentDef, Shape, TableCheck, Version},
    escape::{self, EscapeIssueKind},
    message::{Field, Repetition, Segment},
    timestamp::{self, TimeValue, TimestampValue},
};

pub(super) fn check(segment: &Segment<'_>, def: Option<&'static SegmentDef>, place: Place<'_>, check: &mut Check<'_>) {
    let escapes = has_escapes(segment);
    let mut last = 0;
    let mut first_extra = None;
    for (number, field) in segment.fields() {
        last = number;
        if field.raw().is_empty() {
            if let Some(field_def) = def.and_then(|def| def.field(number)) {
                missing(field_def, place.field(number), check);
            }
            continue;
        }
        if escapes && !(segment.is_header() && number <= 2) {
            check_escapes(&field, segment, place.field(number), check);
        }
        match def.and_then(|def| def.field(number)) {
            Some(field_def) => check_field(segment, &field, field_def, place.field(number), check),
            None => {
                if first_extra.is_none() && has_value(field.state()) {
                    first_extra = Some(number);
                }
            }
        }
    }
    let Some(def) = def else { return };
    if let Some(number) = first_extra.filter(|_| !def.fields.is_empty()) {
        let text = format!("the standard gives {} {} fields; the value is kept", def.name, def.fields.len());
        check.add("field-extra", Severity::Info, place.field(number), text);
    }
    for (at, field_def) in def.fields.iter().enumerate().skip(last) {
        missing(field_def, place.field(at + 1), check);
    }
    if def.name == "OBX" && has_value(segment.field(5).state()) && segment.field(2).raw().is_empty() {
        check.add("field-missing", Severity::Error, place.field(2), "OBX-2 (Value Type) is required when OBX-5 has a value");
    }
}

fn has_escapes(segment: &Segment<'_>) -> bool {
    segment.delimiters().escape.is_some_and(|escape| memchr::memchr(escape, segment.raw().as_bytes()).is_some())
}

fn missing(def: &FieldDef, place: Place<'_>, check: &mut Check<'_>) {
    if def.required.contains(check.version) {
        let text = format!("{} is required in version {}", def.name, check.version.as_str());
        check.add("field-missing", Severity::Error, place, text);
    }
}

fn check_escapes(field: &Field<'_>, segment: &Segment<'_>, place: Place<'_>, check: &mut Check<'_>) {
    let (mut text, mut issues) = (String::new(), Vec::new());
    escape::unescape_into(field.raw(), &segment.delimiters(), &mut text, Some(&mut issues));
    // What closed an unknown sequence may look like the opening of another.
    issues
        .dedup_by(|next, issue| next.kind == issue.kind || (issue.kind == EscapeIssueKind::Unknown && next.kind == EscapeIssueKind::Open));
    for issue in issues {
        let severity = if issue.kind == EscapeIssueKind::Local { Severity::Info } else { Severity::Warning };
        check.add(issue.kind.code(), severity, place, issue.kind.message());
    }
}

fn check_field(segment: &Segment<'_>, field: &Field<'_>, def: &FieldDef, place: Place<'_>, check: &mut Check<'_>) {
    if segment.is_header() && place.field <= 2 {
        return;
    }
    let mut count = 0;
    for (at, repetition) in field.repetitions().enumerate() {
        count += 1;
        if !has_value(repetition.state()) {
            continue;
        }
        let place = place.repetition(at + 1);
        let is_observation = place.field == 5 && segment.name() == "OBX";
        if is_observation {
            let shape = observation_shape(segment.field(2).raw());
            check_primitive(repetition.component(1).raw(), shape, [None; 2], place, check);
        } else {
            check_value(&repetition, def, place, check);
        }
    }
    if count > 1 && !def.repeats.contains(check.version) && !def.defined.is_empty() && def.datatype != "varies" {
        let text = format!("{} does not repeat in version {}", def.name, check.version.as_str());
        check.add("field-repeated", Severity::Warning, place, text);
    }
}

/// What an observation's value must look like by its value type.
fn observation_shape(value_type: &str) -> Shape {
    match value_type {
        "NM" => Shape::Number,
        "DT" => Shape::Date,
        "TM" => Shape::Time,
        "TS" | "DTM" => Shape::Timestamp,
        _ => Shape::Text,
    }
}

fn check_value(repetition: &Repetition<'_>, def: &FieldDef, place: Place<'_>, check: &mut Check<'_>) {
    let tables = [def.table, def.older_table];
    match def.shape {
        Shape::Text => {}
        Shape::Coded => check_coded(repetition, tables, place, check),
        Shape::Composite => check_composite(repetition, def.datatype, place, check),
        // The old TS had a second component, its precision.
        Shape::Timestamp => check_primitive(repetition.component(1).raw(), def.shape, tables, place, check),
        _ => {
            check_primitive(repetition.component(1).raw(), def.shape, tables, place, check);
            if has_value(repetition.component(2).state()) {
                let text = format!("{} has the data type {}, which has no components; they are kept", def.name, def.datatype);
                check.add("component-extra", Severity::Info, place.component(2), text);
            }
        }
    }
}

/// A coded element: the code is checked when it claims to be of the bound table.
fn check_coded(repetition: &Repetition<'_>, tables: [Option<u16>; 2], place: Place<'_>, check: &mut Check<'_>) {
    if tables[0].is_none() {
        return;
    }
    let system = repetition.component(3).raw();
    let stated = system.strip_prefix("HL7").and_then(|number| number.parse().ok());
    if system.is_empty() || (stated.is_some() && tables.contains(&stated)) {
        check_table(repetition.component(1).raw(), tables, place.component(1), check);
    }
}

fn check_composite(repetition: &Repetition<'_>, datatype: &str, place: Place<'_>, check: &mut Check<'_>) {
    // The composites of 2.1 and 2.2 had other components.
    if check.version < Version::V2_3 {
        return;
    }
    let Some(def) = defs::datatype(datatype) else { return };
    for (at, component) in repetition.components().enumerate() {
        if !has_value(component.state()) {
            continue;
        }
        let place = place.component(at + 1);
        let Some(part) = def.components.get(at) else {
            let text = format!("the data type {datatype} has {} components; the others are kept", def.components.len());
            check.add("component-extra", Severity::Info, place, text);
            return;
        };
        match part.shape {
            Shape::Text | Shape::Composite => {}
            Shape::Coded => {
                check_table(component.subcomponent(1).raw(), [part.table, None], place, check);
            }
            _ => check_primitive(component.subcomponent(1).raw(), part.shape, [part.table, None], place, check),
        }
    }
}

fn check_primitive(value: &str, shape: Shape, tables: [Option<u16>; 2], place: Place<'_>, check: &mut Check<'_>) {
    if value.is_empty() || value == "\"\"" {
        return;
    }
    let expected = match shape {
        Shape::Number if !is_number(value.trim()) => "a number (digits, at most one point, an optional sign)",
        Shape::Sequence if !value.bytes().all(|byte| byte.is_ascii_digit()) => "a sequence number (digits)",
        // A time behind a date is taken: several fields changed between the two types.
        Shape::Date if timestamp::parse(value) == TimestampValue::Invalid => "a date (YYYY[MM[DD]])",
        Shape::Time if timestamp::parse_time(value) == TimeValue::Invalid => "a time (HH[MM[SS[.S]]][+/-ZZZZ])",
        Shape::Timestamp if timestamp::parse(value) == TimestampValue::Invalid => "a date and time (YYYY[MM[DD[HH[MM[SS[.S]]]]]][+/-ZZZZ])",
        Shape::Code | Shape::UserCode => {
            return check_table(value, tables, place, check);
        }
        _ => return,
    };
    // Some components have types that hardly any feed keeps to (XON-3 was a number until 2.6).
    let severity = if place.component > 0 { Severity::Warning } else { Severity::Error };
    check.add("datatype-invalid", severity, place, format!("the value is not {expected}; it is kept as text"));
}

fn check_table(value: &str, tables: [Option<u16>; 2], place: Place<'_>, check: &mut Check<'_>) {
    if value.is_empty() || value == "\"\"" {
        return;
    }
    let [Some(table), older] = tables.map(|number| number.and_then(defs::table)) else { return };
    let severity = match table.check {
        TableCheck::Fixed => Severity::Warning,
        TableCheck::Suggested => Severity::Info,
        TableCheck::Open => return,
    };
    let value = value.trim();
    if !table.contains(value) && !older.is_some_and(|older| older.contains(value)) {
        let mut text = String::with_capacity(48);
        let _ = write!(text, "the code is not in table {:04} ({})", table.number, table.name);
        check.add("value-not-in-table", severity, place, text);
    }
}

/// NM (v2.9 §2A.3.48): an optional sign, digits, at most one point.
fn is_number(value: &str) -> bool {
    let unsigned = value.strip_prefix(['+', '-']).unwrap_or(value);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    whole.len() + fraction.len() > 0 && whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit())
}
