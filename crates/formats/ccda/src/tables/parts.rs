//! The tables of sections, entries and findings.

use std::borrow::Cow;

use sutura_core::PhiClass::*;

use super::{
    documents::{joined, token, words},
    spec::{Column, Read, Row, Rows, Table, column, table},
};
use crate::{
    element::Element,
    narrative,
    value::{Code, Identifier, Interval, Quantity, TimeStamp, Value, text_of},
};

/// Templates, one a line: root, colon, extension.
pub(super) fn templates(element: Element<'_>) -> Option<Cow<'_, str>> {
    joined(element.templates().map(|(root, extension)| match extension {
        Some(extension) => Cow::Owned(format!("{root}:{extension}")),
        None => Cow::Borrowed(root),
    }))
}

fn section<'d>(row: &Row<'d>) -> Option<Element<'d>> {
    Some(row.section?.element(row.document()))
}

fn section_code<'d>(row: &Row<'d>) -> Option<Code<'d>> {
    row.section?.code(row.document())
}

/// Which section, in the tables of what sections hold.
pub(super) fn place() -> Vec<Column> {
    vec![
        column(
            "section",
            "",
            Operational,
            "number of the section in the document, from 1",
            Read::Integer(|row| Some(row.section?.position as i64 + 1)),
        ),
        column(
            "section_kind",
            "section.templateId",
            Operational,
            "kind of the section",
            Read::Text(|row| Some(row.section?.kind.as_str().into())),
        ),
        column(
            "entry",
            "",
            Operational,
            "number of the entry in the section, from 1",
            Read::Integer(|row| Some(row.entry?.position as i64 + 1)),
        ),
    ]
}

/// One row for each section.
pub(super) fn sections() -> Table {
    let columns = vec![
        column(
            "section",
            "",
            Operational,
            "number of the section in the document, from 1",
            Read::Integer(|row| Some(row.section?.position as i64 + 1)),
        ),
        column(
            "parent_section",
            "",
            Operational,
            "number of the section it stands in",
            Read::Integer(|row| Some(row.section?.parent? as i64 + 1)),
        ),
        column(
            "kind",
            "section.templateId",
            Operational,
            "kind by template, else by LOINC code",
            Read::Text(|row| Some(row.section?.kind.as_str().into())),
        ),
        column(
            "kind_by",
            "",
            Operational,
            "what told the kind: template, loinc or nothing",
            Read::Text(|row| Some(row.section?.matched_by.as_str().into())),
        ),
        column(
            "templates",
            "section.templateId",
            Operational,
            "templates, one a line: root, colon, extension",
            Read::Text(|row| templates(section(row)?)),
        ),
        column("code", "section.code.code", Operational, "code of the section", Read::Text(|row| Some(section_code(row)?.code?.into()))),
        column(
            "code_system",
            "section.code.codeSystem",
            Operational,
            "system of the code",
            Read::Text(|row| Some(section_code(row)?.system?.into())),
        ),
        column("title", "section.title", FreeText, "title", Read::Text(|row| row.section?.title(row.document()))),
        column(
            "null_flavor",
            "section.nullFlavor",
            Operational,
            "why there is nothing to say",
            Read::Text(|row| row.section?.null_flavor(row.document()).map(Cow::Borrowed)),
        ),
        column(
            "text",
            "section.text",
            FreeText,
            "narrative as plain text: a line for each paragraph, item and row, a tab between cells",
            Read::Text(|row| narrative::text(row.section?.text(row.document())?).map(Cow::Owned)),
        ),
        column(
            "entries",
            "section.entry",
            Operational,
            "number of entries",
            Read::Integer(|row| Some(row.section?.entries(row.document()).len() as i64)),
        ),
        column(
            "byte_offset",
            "",
            OtherId,
            "where the section begins in the file",
            Read::Integer(|row| Some(section(row)?.span().start as i64)),
        ),
        column("byte_length", "", OtherId, "its length in bytes", Read::Integer(|row| Some(section(row)?.span().len() as i64))),
    ];
    table("sections", "one row for each section, those within others too", Rows::Sections, columns)
}

pub(super) fn statement_code<'d>(row: &Row<'d>) -> Option<Code<'d>> {
    row.statement?.child("code").map(Code::read)
}

pub(super) fn status<'d>(row: &Row<'d>) -> Option<Cow<'d, str>> {
    row.statement?.child("statusCode")?.attr("code").map(|code| Cow::Borrowed(code.trim()))
}

pub(super) fn interval<'d>(row: &Row<'d>) -> Option<Interval<'d>> {
    row.statement?.child("effectiveTime").map(Interval::read)
}

pub(super) fn value<'d>(row: &Row<'d>) -> Option<Value<'d>> {
    row.statement?.child("value").map(Value::read)
}

fn code_of_value<'d>(row: &Row<'d>) -> Option<Code<'d>> {
    match value(row)? {
        Value::Code(code) => Some(code),
        _ => None,
    }
}

pub(super) fn quantity<'d>(row: &Row<'d>) -> Option<Quantity<'d>> {
    match value(row)? {
        Value::Quantity(quantity) => Some(quantity),
        _ => None,
    }
}

/// A value of any type as text.
pub(super) fn value_text<'d>(row: &Row<'d>) -> Option<Cow<'d, str>> {
    let bound = |quantity: Option<Quantity<'d>>| quantity.and_then(|quantity| quantity.raw).unwrap_or_default();
    match value(row)? {
        Value::Code(code) => code.words().or(code.code.map(Cow::Borrowed)),
        Value::Quantity(quantity) => quantity.raw.map(Cow::Borrowed),
        Value::Integer(number) => number.map(|number| Cow::Owned(number.to_string())),
        Value::Real(number) => number.map(Cow::Borrowed),
        Value::Boolean(flag) => flag.map(|flag| Cow::Borrowed(if flag { "true" } else { "false" })),
        Value::Text(text) => (!text.is_empty()).then_some(text),
        Value::Range(range) => Some(Cow::Owned(format!("{}..{}", bound(range.low.or(range.value)), bound(range.high.or(range.value))))),
        Value::Ratio(ratio) => Some(Cow::Owned(format!("{}:{}", bound(ratio.numerator), bound(ratio.denominator)))),
        Value::Time(time) => time.value.map(|time| Cow::Owned(time.to_string())),
        Value::Interval(interval) => interval.any().map(|time| Cow::Owned(time.to_string())),
        Value::Identifier(id) => token(&id),
        Value::Data(_) | Value::Null(_) | Value::Other(_) => None,
    }
}

/// Narrative that a statement refers to, or its own text.
pub(super) fn statement_text<'d>(row: &Row<'d>) -> Option<Cow<'d, str>> {
    text_of(row.statement?.child("text")?)
}

pub(super) fn negated(row: &Row<'_>) -> Option<bool> {
    Some(row.statement?.is_negated())
}

/// What any statement has.
pub(super) fn of_statement() -> Vec<Column> {
    vec![
        column(
            "id",
            "id",
            OtherId,
            "identifiers, one a line: root, bar, extension",
            Read::Text(|row| joined(Identifier::all(row.statement?).filter_map(|id| token(&id)))),
        ),
        column("status", "statusCode.code", Clinical, "status of the act", Read::Text(status)),
        column("negated", "negationInd", Clinical, "whether it says that this is or was not so", Read::Flag(negated)),
        column(
            "null_flavor",
            "nullFlavor",
            Operational,
            "why there is nothing to say",
            Read::Text(|row| row.statement?.null_flavor().map(Cow::Borrowed)),
        ),
    ]
}

pub(super) fn times() -> Vec<Column> {
    vec![
        column(
            "start",
            "effectiveTime.low | effectiveTime",
            Date,
            "when it began or was, with the precision and offset as sent",
            Read::Time(|row| interval(row)?.start()),
        ),
        column(
            "start_utc",
            "effectiveTime.low | effectiveTime",
            Date,
            "the same instant in UTC; null without an offset",
            Read::Instant(|row| interval(row)?.start()),
        ),
        column(
            "end",
            "effectiveTime.high",
            Date,
            "when it ended, with the precision and offset as sent",
            Read::Time(|row| interval(row)?.end()),
        ),
    ]
}

/// One row for each entry.
pub(super) fn entries() -> Table {
    let mut columns = place();
    columns.extend([
        column(
            "kind",
            "templateId",
            Operational,
            "kind by template, else by section and structure",
            Read::Text(|row| Some(row.entry?.kind.as_str().into())),
        ),
        column(
            "kind_by",
            "",
            Operational,
            "what told the kind: template, structure or nothing",
            Read::Text(|row| Some(row.entry?.matched_by.as_str().into())),
        ),
        column(
            "element",
            "",
            Operational,
            "element of the statement: act, observation, organizer, ...",
            Read::Text(|row| Some(row.statement?.name().into())),
        ),
        column(
            "class_code",
            "classCode",
            Operational,
            "class of the act",
            Read::Text(|row| row.statement?.attr("classCode").map(Cow::Borrowed)),
        ),
        column(
            "mood_code",
            "moodCode",
            Operational,
            "mood of the act: EVN, it was; INT, it is intended; ...",
            Read::Text(|row| row.statement?.attr("moodCode").map(Cow::Borrowed)),
        ),
        column(
            "templates",
            "templateId",
            Operational,
            "templates, one a line: root, colon, extension",
            Read::Text(|row| templates(row.statement?)),
        ),
    ]);
    columns.extend(of_statement());
    columns.extend([
        column("code", "code.code", Clinical, "code of the act", Read::Text(|row| Some(statement_code(row)?.code?.into()))),
        column(
            "code_system",
            "code.codeSystem",
            Operational,
            "system of the code, an OID",
            Read::Text(|row| Some(statement_code(row)?.system?.into())),
        ),
        column(
            "code_display",
            "code.displayName | code.originalText",
            FreeText,
            "words for the code",
            Read::Text(|row| words(statement_code(row))),
        ),
        column("value_type", "value.xsi:type", Operational, "type of the value", Read::Text(|row| Some(value(row)?.type_name().into()))),
        column("value_code", "value.code", Clinical, "coded value", Read::Text(|row| Some(code_of_value(row)?.code?.into()))),
        column(
            "value_code_system",
            "value.codeSystem",
            Operational,
            "system of the coded value, an OID",
            Read::Text(|row| Some(code_of_value(row)?.system?.into())),
        ),
        column("value_text", "value", FreeText, "the value as text, whatever its type", Read::Text(value_text)),
        column("value_number", "value.value", Clinical, "the number of a quantity", Read::Number(|row| quantity(row)?.number())),
        column("unit", "value.unit", Clinical, "unit of the quantity", Read::Text(|row| Some(quantity(row)?.unit?.into()))),
    ]);
    columns.extend(times());
    columns.extend([
        column(
            "author_time",
            "author.time",
            Date,
            "when it was written down",
            Read::Time(|row| row.statement?.path(&["author", "time"]).map(TimeStamp::read)?.value),
        ),
        column("text", "text", FreeText, "text of the entry; narrative that it refers to", Read::Text(statement_text)),
        column(
            "byte_offset",
            "",
            OtherId,
            "where the statement begins in the file",
            Read::Integer(|row| Some(row.statement?.span().start as i64)),
        ),
        column("byte_length", "", OtherId, "its length in bytes", Read::Integer(|row| Some(row.statement?.span().len() as i64))),
    ]);
    table("entries", "one row for each entry of each section: one clinical statement", Rows::Entries, columns)
}

/// One row for each finding.
pub(super) fn findings() -> Table {
    let columns = vec![
        column("code", "", Operational, "stable code", Read::Text(|row| Some(row.finding?.code.into()))),
        column("severity", "", Operational, "info, warning or error", Read::Text(|row| Some(row.finding?.severity.as_str().into()))),
        column("location", "", Operational, "section and entry, by number", Read::Text(|row| Some(row.finding?.location.as_str().into()))),
        column(
            "message",
            "",
            Operational,
            "what is wrong, without any content",
            Read::Text(|row| Some(row.finding?.message.as_str().into())),
        ),
    ];
    table(
        sutura_core::finding::FINDINGS_TABLE,
        "one row for each finding: what was odd about a document that was read",
        Rows::Findings,
        columns,
    )
}
