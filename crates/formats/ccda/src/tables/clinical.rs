//! Flat tables of what records are asked for most: problems, allergies, medications and so on, one row for each.

use std::borrow::Cow;

use sutura_core::PhiClass::*;

use super::{
    documents::{joined, words},
    parts::{interval, of_statement, place, quantity, statement_code, statement_text, times, value, value_text},
    spec::{Column, Read, Row, Rows, Table, column, table},
};
use crate::{
    document::Document,
    element::Element,
    kinds::EntryKind,
    sections::Entry,
    value::{Code, Identifier, Quantity, QuantityRange, Timing, TimingKind, Value, text_of, trimmed_text},
};

/// What a flat table is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Topic {
    Problems,
    Allergies,
    Medications,
    Immunizations,
    Results,
    VitalSigns,
    Procedures,
    Encounters,
}

impl Topic {
    /// The statements of an entry that are rows of the table.
    pub(super) fn statements<'d>(self, entry: &Entry, document: &'d Document) -> Vec<Element<'d>> {
        use EntryKind as E;
        let statement = entry.element(document);
        match (self, entry.kind) {
            (
                Self::Problems,
                E::ProblemConcern | E::AdmissionDiagnosis | E::DischargeDiagnosis | E::PreoperativeDiagnosis | E::PostprocedureDiagnosis,
            ) => related(statement, E::ProblemObservation, "observation"),
            (Self::Allergies, E::AllergyConcern) => related(statement, E::AllergyObservation, "observation"),
            (Self::Medications, E::DischargeMedication | E::AdmissionMedication) => {
                related(statement, E::MedicationActivity, "substanceAdministration")
            }
            (Self::Results, E::ResultOrganizer) | (Self::VitalSigns, E::VitalSignsOrganizer) => components(statement),
            (Self::Problems, E::ProblemObservation)
            | (Self::Allergies, E::AllergyObservation)
            | (Self::Medications, E::MedicationActivity)
            | (Self::Immunizations, E::ImmunizationActivity)
            | (Self::Results, E::ResultObservation)
            | (Self::VitalSigns, E::VitalSignObservation)
            | (Self::Procedures, E::ProcedureActivityProcedure | E::ProcedureActivityObservation | E::ProcedureActivityAct)
            | (Self::Encounters, E::EncounterActivity) => vec![statement],
            _ => Vec::new(),
        }
    }
}

/// Statements related to one: those with the template of the kind, else all of the element's name.
fn related<'d>(of: Element<'d>, kind: EntryKind, name: &str) -> Vec<Element<'d>> {
    let all: Vec<_> = of.children_named("entryRelationship").filter_map(|relationship| relationship.child(name)).collect();
    let known: Vec<_> = all.iter().copied().filter(|statement| EntryKind::of_statement(*statement) == Some(kind)).collect();
    if known.is_empty() { all } else { known }
}

/// The observations of an organizer, those of organizers within it too.
fn components(organizer: Element<'_>) -> Vec<Element<'_>> {
    let mut found = Vec::new();
    for component in organizer.children_named("component") {
        for child in component.children() {
            match child.name() {
                "observation" => found.push(child),
                // One within another is all that is seen.
                "organizer" => found.extend(child.children_named("component").filter_map(|inner| inner.child("observation"))),
                _ => {}
            }
        }
    }
    found
}

/// The statement that is related to a row's and has a kind.
fn part<'d>(row: &Row<'d>, kind: EntryKind) -> Option<Element<'d>> {
    let mut parts = row.statement?.children_named("entryRelationship").flat_map(|relationship| relationship.children());
    parts.find(|statement| EntryKind::of_statement(*statement) == Some(kind))
}

fn part_value<'d>(row: &Row<'d>, kind: EntryKind) -> Option<Code<'d>> {
    part(row, kind)?.child("value").map(Code::read)
}

fn value_code<'d>(row: &Row<'d>) -> Option<Code<'d>> {
    match value(row)? {
        Value::Code(code) => Some(code),
        _ => None,
    }
}

fn text(
    name: &'static str,
    path: &'static str,
    phi: sutura_core::PhiClass,
    doc: &'static str,
    read: for<'d> fn(&Row<'d>) -> Option<Cow<'d, str>>,
) -> Column {
    column(name, path, phi, doc, Read::Text(read))
}

/// Code, system, words and translations, under a column's name.
macro_rules! coded {
    ($name:literal, $path:literal, $what:literal, $read:expr) => {{
        const READ: for<'d> fn(&Row<'d>) -> Option<Code<'d>> = $read;
        [
            text($name, concat!($path, ".code"), Clinical, concat!("code of ", $what), |row| Some(READ(row)?.code?.into())),
            text(
                concat!($name, "_system"),
                concat!($path, ".codeSystem"),
                Operational,
                concat!("system of the code of ", $what, ", an OID"),
                |row| Some(READ(row)?.system?.into()),
            ),
            text(
                concat!($name, "_display"),
                concat!($path, ".displayName | ", $path, ".originalText"),
                FreeText,
                concat!("words for ", $what),
                |row| words(READ(row)),
            ),
            text(
                concat!($name, "_translations"),
                concat!($path, ".translation"),
                Clinical,
                concat!("other codes of ", $what, ", one a line: system, bar, code"),
                |row| translations(&READ(row)?),
            ),
        ]
    }};
}

fn translations<'d>(code: &Code<'d>) -> Option<Cow<'d, str>> {
    joined(code.translations.iter().filter_map(|other| Some(Cow::Owned(format!("{}|{}", other.system.unwrap_or_default(), other.code?)))))
}

fn start(of: Vec<Column>) -> Vec<Column> {
    let mut columns = place();
    columns.extend(of_statement());
    columns.extend(of);
    columns
}

/// All flat tables.
pub(super) fn tables() -> Vec<Table> {
    vec![problems(), allergies(), medications(), immunizations(), results(), vital_signs(), procedures(), encounters()]
}

fn problems() -> Table {
    let mut columns = start(Vec::new());
    columns.extend(coded!("code", "value", "the problem", value_code));
    columns.extend([
        text("concern_status", "act.statusCode.code", Clinical, "status of the concern it is in", |row| {
            let act = row.entry?.element(row.document());
            act.child("statusCode")?.attr("code").map(Cow::Borrowed)
        }),
        text("type_code", "code.code", Clinical, "type of problem: complaint, condition, diagnosis, ...", |row| {
            Some(statement_code(row)?.code?.into())
        }),
        text("clinical_status", "entryRelationship.observation.value.code", Clinical, "code of the clinical status", |row| {
            Some(part_value(row, EntryKind::ProblemStatus)?.code?.into())
        }),
        text("text", "text", FreeText, "text of the entry; narrative that it refers to", statement_text),
    ]);
    columns.extend(times());
    table(
        "problems",
        "one row for each problem observation, in the problem list, histories and diagnoses",
        Rows::Statements(Topic::Problems),
        columns,
    )
}

fn substance<'d>(row: &Row<'d>) -> Option<Code<'d>> {
    row.statement?.path(&["participant", "participantRole", "playingEntity", "code"]).map(Code::read)
}

fn reaction<'d>(row: &Row<'d>) -> Option<Code<'d>> {
    part_value(row, EntryKind::Reaction)
}

fn allergies() -> Table {
    let mut columns = start(Vec::new());
    columns.extend(coded!("substance", "participant.participantRole.playingEntity.code", "the substance", substance));
    columns.extend([
        text("type_code", "value.code", Clinical, "kind of allergy or intolerance", |row| Some(value_code(row)?.code?.into())),
        text("concern_status", "act.statusCode.code", Clinical, "status of the concern it is in", |row| {
            row.entry?.element(row.document()).child("statusCode")?.attr("code").map(Cow::Borrowed)
        }),
        text("clinical_status", "entryRelationship.observation.value.code", Clinical, "code of the clinical status", |row| {
            Some(part_value(row, EntryKind::AllergyStatus)?.code?.into())
        }),
        text("criticality", "entryRelationship.observation.value.code", Clinical, "code of the criticality", |row| {
            Some(part_value(row, EntryKind::Criticality)?.code?.into())
        }),
        text(
            "severity",
            "entryRelationship.observation.value.code",
            Clinical,
            "code of the severity, of the allergy or its reaction",
            |row| {
                let of_reaction = || {
                    let reaction = part(row, EntryKind::Reaction)?;
                    let mut parts = reaction.children_named("entryRelationship").flat_map(|relationship| relationship.children());
                    parts.find(|part| EntryKind::of_statement(*part) == Some(EntryKind::Severity))?.child("value").map(Code::read)
                };
                Some(part_value(row, EntryKind::Severity).or_else(of_reaction)?.code?.into())
            },
        ),
    ]);
    columns.extend(coded!("reaction", "entryRelationship.observation.value", "the first reaction", reaction));
    columns.push(text("text", "text", FreeText, "text of the entry; narrative that it refers to", statement_text));
    columns.extend(times());
    table("allergies", "one row for each allergy or intolerance observation", Rows::Statements(Topic::Allergies), columns)
}

fn material<'d>(row: &Row<'d>) -> Option<Element<'d>> {
    row.statement?.path(&["consumable", "manufacturedProduct", "manufacturedMaterial"])
}

fn drug<'d>(row: &Row<'d>) -> Option<Code<'d>> {
    material(row)?.child("code").map(Code::read)
}

fn dose<'d>(row: &Row<'d>) -> Option<Quantity<'d>> {
    let range = QuantityRange::read(row.statement?.child("doseQuantity")?);
    range.value.or(range.low).or(range.center)
}

/// The interval of use: the first `effectiveTime` that is one.
fn use_time<'d>(row: &Row<'d>) -> Option<crate::value::Interval<'d>> {
    Timing::all(row.statement?).find_map(|timing| match timing.kind {
        TimingKind::Interval(interval) => Some(interval),
        _ => None,
    })
}

fn period<'d>(row: &Row<'d>) -> Option<Quantity<'d>> {
    Timing::all(row.statement?).find_map(|timing| match timing.kind {
        TimingKind::Periodic { period, .. } => period.and_then(|period| period.value.or(period.low)),
        _ => None,
    })
}

fn route<'d>(row: &Row<'d>) -> Option<Code<'d>> {
    row.statement?.child("routeCode").map(Code::read)
}

fn medications() -> Table {
    let mut columns = start(vec![text("mood_code", "moodCode", Operational, "EVN, it is or was taken; INT, it is ordered", |row| {
        row.statement?.attr("moodCode").map(Cow::Borrowed)
    })]);
    columns.extend(coded!("drug", "consumable.manufacturedProduct.manufacturedMaterial.code", "the drug", drug));
    columns.extend([
        column("dose", "doseQuantity.value", Clinical, "number of the dose", Read::Number(|row| dose(row)?.number())),
        text("dose_unit", "doseQuantity.unit", Clinical, "unit of the dose", |row| Some(dose(row)?.unit?.into())),
        text("route", "routeCode.code", Clinical, "code of the route", |row| Some(route(row)?.code?.into())),
        text("route_display", "routeCode.displayName", Clinical, "words for the route", |row| words(route(row))),
        column(
            "period",
            "effectiveTime.period.value",
            Clinical,
            "time from one dose to the next",
            Read::Number(|row| period(row)?.number()),
        ),
        text("period_unit", "effectiveTime.period.unit", Clinical, "unit of that time", |row| Some(period(row)?.unit?.into())),
        text("event", "effectiveTime.event.code", Clinical, "event of the day that doses go with", |row| {
            Timing::all(row.statement?).find_map(|timing| match timing.kind {
                TimingKind::Event { event, .. } => event.map(Cow::Borrowed),
                _ => None,
            })
        }),
        column(
            "start",
            "effectiveTime.low",
            Date,
            "when it was begun, with the precision and offset as sent",
            Read::Time(|row| use_time(row)?.start()),
        ),
        column("end", "effectiveTime.high", Date, "when it was or is to be ended", Read::Time(|row| use_time(row)?.end())),
        text("text", "text", FreeText, "text of the entry; narrative that it refers to", statement_text),
        text("instructions", "entryRelationship.act.text", FreeText, "instructions to the patient", |row| {
            text_of(part(row, EntryKind::Instruction)?.child("text")?)
        }),
    ]);
    table(
        "medications",
        "one row for each medication activity, at admission and discharge too",
        Rows::Statements(Topic::Medications),
        columns,
    )
}

fn immunizations() -> Table {
    let mut columns = start(Vec::new());
    columns.extend(coded!("vaccine", "consumable.manufacturedProduct.manufacturedMaterial.code", "the vaccine", drug));
    columns.extend([
        text("lot_number", "consumable.manufacturedProduct.manufacturedMaterial.lotNumberText", Device, "lot number", |row| {
            material(row)?.child("lotNumberText").and_then(trimmed_text)
        }),
        text("manufacturer", "consumable.manufacturedProduct.manufacturerOrganization.name", Clinical, "manufacturer", |row| {
            row.statement?.path(&["consumable", "manufacturedProduct", "manufacturerOrganization", "name"]).and_then(trimmed_text)
        }),
        column("dose", "doseQuantity.value", Clinical, "number of the dose", Read::Number(|row| dose(row)?.number())),
        text("dose_unit", "doseQuantity.unit", Clinical, "unit of the dose", |row| Some(dose(row)?.unit?.into())),
        text("route", "routeCode.code", Clinical, "code of the route", |row| Some(route(row)?.code?.into())),
        column(
            "time",
            "effectiveTime",
            Date,
            "when it was given, with the precision and offset as sent",
            Read::Time(|row| use_time(row)?.any()),
        ),
        text("text", "text", FreeText, "text of the entry; narrative that it refers to", statement_text),
    ]);
    table(
        "immunizations",
        "one row for each immunization activity; a refused one is negated",
        Rows::Statements(Topic::Immunizations),
        columns,
    )
}

/// Test or sign, with value and range: results and vital signs alike.
fn observations() -> Vec<Column> {
    let mut columns = start(Vec::new());
    columns.extend(coded!("code", "code", "what was observed", statement_code));
    columns.extend([
        text("value_type", "value.xsi:type", Operational, "type of the value", |row| Some(value(row)?.type_name().into())),
        column("value_number", "value.value", Clinical, "the number of a quantity", Read::Number(|row| quantity(row)?.number())),
        text("unit", "value.unit", Clinical, "unit of the quantity", |row| Some(quantity(row)?.unit?.into())),
        text("value_text", "value", FreeText, "the value as text, whatever its type", value_text),
        text("value_code", "value.code", Clinical, "coded value", |row| Some(value_code(row)?.code?.into())),
        text("interpretation", "interpretationCode.code", Clinical, "how it is to be judged: N, H, L, A, ...", |row| {
            row.statement?.child("interpretationCode")?.attr("code").map(Cow::Borrowed)
        }),
        column(
            "time",
            "effectiveTime",
            Date,
            "when it was observed, with the precision and offset as sent",
            Read::Time(|row| interval(row)?.any()),
        ),
        column(
            "time_utc",
            "effectiveTime",
            Date,
            "the same instant in UTC; null without an offset",
            Read::Instant(|row| interval(row)?.any()),
        ),
    ]);
    columns
}

fn range<'d>(row: &Row<'d>) -> Option<QuantityRange<'d>> {
    let mut ranges = row.statement?.children_named("referenceRange").filter_map(|range| range.path(&["observationRange", "value"]));
    ranges.find_map(|value| match Value::read(value) {
        Value::Range(range) => Some(range),
        _ => None,
    })
}

fn panel<'d>(row: &Row<'d>) -> Option<Code<'d>> {
    let entry = row.entry?.element(row.document());
    if entry.name() == "organizer" { entry.child("code").map(Code::read) } else { None }
}

fn results() -> Table {
    let mut columns = observations();
    columns.extend(coded!("panel", "organizer.code", "the panel it is part of", panel));
    columns.extend([
        column(
            "range_low",
            "referenceRange.observationRange.value.low",
            Clinical,
            "lower bound of the reference range",
            Read::Number(|row| range(row)?.low?.number()),
        ),
        column(
            "range_high",
            "referenceRange.observationRange.value.high",
            Clinical,
            "upper bound of the reference range",
            Read::Number(|row| range(row)?.high?.number()),
        ),
        text("range_text", "referenceRange.observationRange.text", FreeText, "reference range in words", |row| {
            text_of(row.statement?.path(&["referenceRange", "observationRange", "text"])?)
        }),
    ]);
    table("results", "one row for each result observation, of a panel or alone", Rows::Statements(Topic::Results), columns)
}

fn vital_signs() -> Table {
    table("vital_signs", "one row for each vital sign observation", Rows::Statements(Topic::VitalSigns), observations())
}

fn target_site<'d>(row: &Row<'d>) -> Option<Code<'d>> {
    row.statement?.child("targetSiteCode").map(Code::read)
}

fn procedures() -> Table {
    let mut columns =
        start(vec![text("element", "", Operational, "procedure, observation or act", |row| Some(row.statement?.name().into()))]);
    columns.extend(coded!("code", "code", "the procedure", statement_code));
    columns.extend([
        text("target_site", "targetSiteCode.code", Clinical, "where on the body", |row| Some(target_site(row)?.code?.into())),
        text("text", "text", FreeText, "text of the entry; narrative that it refers to", statement_text),
    ]);
    columns.extend(times());
    table("procedures", "one row for each procedure activity: procedure, observation or act", Rows::Statements(Topic::Procedures), columns)
}

fn encounters() -> Table {
    let mut columns = start(Vec::new());
    columns.extend(coded!("code", "code", "the encounter", statement_code));
    columns.extend([
        text("performer", "performer.assignedEntity.assignedPerson.name", Name, "who was in charge", |row| {
            let performer = row.statement?.children_named("performer").find_map(crate::header::Participation::read)?;
            performer.names().next()?.line().map(Cow::Owned)
        }),
        text("performer_id", "performer.assignedEntity.id", Licence, "identifier of who was in charge", |row| {
            let id = row.statement?.path(&["performer", "assignedEntity", "id"]).map(Identifier::read)?;
            super::documents::token(&id)
        }),
        text("facility", "participant.participantRole.playingEntity.name", OtherId, "where it was", |row| {
            let places = row.statement?.children_named("participant").filter(|participant| participant.attr("typeCode") == Some("LOC"));
            places.filter_map(|place| place.path(&["participantRole", "playingEntity", "name"])).find_map(trimmed_text)
        }),
        text(
            "diagnosis",
            "entryRelationship.act.entryRelationship.observation.value.code",
            Clinical,
            "codes of the diagnoses, one a line",
            |row| {
                let acts = row.statement?.children_named("entryRelationship").filter_map(|relationship| relationship.child("act"));
                let problems = acts.flat_map(|act| related(act, EntryKind::ProblemObservation, "observation"));
                joined(problems.filter_map(|problem| Code::read(problem.child("value")?).code.map(Cow::Borrowed)))
            },
        ),
        text("text", "text", FreeText, "text of the entry; narrative that it refers to", statement_text),
    ]);
    columns.extend(times());
    table("encounters", "one row for each encounter activity", Rows::Statements(Topic::Encounters), columns)
}
