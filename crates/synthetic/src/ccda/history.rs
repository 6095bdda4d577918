//! Procedures, encounters, social history, goals and plans.

use crate::{
    hl7v2::facilities::{FACILITIES, clinician},
    people::{Person, Sex},
};

use super::{
    header::clinician_parts,
    record::{Charts, Fact, Record},
    section::Section,
};

const LOINC: &str = "2.16.840.1.113883.6.1";

/// Identifier and status of a statement that is open.
fn begin(section: &mut Section<'_>, fact: &Fact, template: (&str, &str)) {
    section.templates(template.0, template.1);
    section.entries.empty("id", &[("root", fact.id())]);
}

fn day(time: &str) -> &str {
    time.get(..10).unwrap_or(time)
}

/// `performer` with a clinician.
fn performer(section: &mut Section<'_>, charts: &Charts, reference: &str) {
    let Some((facility, number)) = charts.clinician(reference) else { return };
    section.entries.open("performer", &[("typeCode", "PRF")]).open("assignedEntity", &[]);
    clinician_parts(&mut section.entries, section.style, facility, &clinician(facility, number), "assignedPerson");
    section.entries.close_all(2);
}

pub(super) fn procedures(section: &mut Section<'_>, record: &Record, charts: &Charts) {
    for fact in record.all("Procedure") {
        let Some(code) = fact.coding("/code/coding/0") else { continue };
        let (start, end) = (fact.text("/performedPeriod/start"), fact.text("/performedPeriod/end"));
        let start = if start.is_empty() { fact.text("/performedDateTime") } else { start };
        let row = section.row(&[code.display, day(start)]);
        section.entry("DRIV");
        section.entries.open("procedure", &[("classCode", "PROC"), ("moodCode", "EVN")]);
        begin(section, fact, ("2.16.840.1.113883.10.20.22.4.14", "2014-06-09"));
        section.fact_code("code", "", code, &row);
        section.text_reference(&row);
        section.entries.empty("statusCode", &[("code", "completed")]);
        section.interval(start, end);
        performer(section, charts, fact.text("/performer/0/actor/reference"));
        section.entries.close();
        section.end_entry();
    }
}

pub(super) fn encounters(section: &mut Section<'_>, record: &Record, charts: &Charts) {
    for fact in record.all("Encounter") {
        let Some(code) = fact.coding("/type/0/coding/0") else { continue };
        let (start, end) = (fact.text("/period/start"), fact.text("/period/end"));
        let facility = charts.facility(fact.text("/serviceProvider/reference")).unwrap_or_default();
        let row = section.row(&[code.display, FACILITIES[facility].name, day(start)]);
        section.entry("DRIV");
        section.entries.open("encounter", &[("classCode", "ENC"), ("moodCode", "EVN")]);
        begin(section, fact, ("2.16.840.1.113883.10.20.22.4.49", "2015-08-01"));
        let identifier = fact.text("/identifier/0/value");
        section.entries.empty("id", &[("root", &format!("{}.2", super::header::mrn_root(facility))), ("extension", identifier)]);
        section.fact_code("code", "", code, &row);
        section.text_reference(&row);
        section.interval(start, end);
        performer(section, charts, fact.text("/participant/0/individual/reference"));
        section.entries.open("participant", &[("typeCode", "LOC")]).open("participantRole", &[("classCode", "SDLOC")]);
        section.templates("2.16.840.1.113883.10.20.22.4.32", "");
        section.entries.empty("code", &[("code", "1061-1"), ("codeSystem", "2.16.840.1.113883.6.259")]);
        section.entries.open("playingEntity", &[("classCode", "PLC")]).leaf("name", &[], FACILITIES[facility].name).close_all(3);
        section.entries.close();
        section.end_entry();
    }
}

pub(super) fn social_history(section: &mut Section<'_>, record: &Record, person: &Person) {
    for fact in record.all("Observation").iter().filter(|fact| fact.text("/category/0/coding/0/code") == "social-history") {
        let (Some(code), Some(value)) = (fact.coding("/code/coding/0"), fact.coding("/valueCodeableConcept/coding/0")) else { continue };
        let at = fact.text("/effectiveDateTime");
        let row = section.row(&[code.display, value.display, day(at)]);
        section.entry("DRIV");
        section.entries.open("observation", &[("classCode", "OBS"), ("moodCode", "EVN")]);
        let is_smoking = code.code == "72166-2";
        let template = if is_smoking { "2.16.840.1.113883.10.20.22.4.78" } else { "2.16.840.1.113883.10.20.22.4.38" };
        begin(section, fact, (template, if is_smoking { "2014-06-09" } else { "2015-08-01" }));
        section.fact_code("code", "", code, &row);
        section.text_reference(&row);
        section.entries.empty("statusCode", &[("code", "completed")]);
        let at = section.time(at);
        section.entries.empty("effectiveTime", &[("value", &at)]);
        section.code("value", "CD", value);
        section.entries.close();
        section.end_entry();
    }
    if section.style.is_later && matches!(person.sex, Sex::Female | Sex::Male) {
        birth_sex(section, person.sex);
    }
}

fn birth_sex(section: &mut Section<'_>, sex: Sex) {
    let words = if sex == Sex::Female { "Female" } else { "Male" };
    let row = section.row(&["Sex assigned at birth", words, ""]);
    section.entry("DRIV");
    section.entries.open("observation", &[("classCode", "OBS"), ("moodCode", "EVN")]);
    section.templates("2.16.840.1.113883.10.20.22.4.200", "2016-06-01");
    let code = super::record::Coded { system: "http://loinc.org", code: "76689-9", display: "Sex assigned at birth" };
    section.fact_code("code", "", code, &row);
    section.entries.empty("statusCode", &[("code", "completed")]);
    section
        .entries
        .empty("value", &[("xsi:type", "CD"), ("code", sex.code()), ("displayName", words), ("codeSystem", "2.16.840.1.113883.5.1")]);
    section.entries.close();
    section.end_entry();
}

pub(super) fn goals(section: &mut Section<'_>, record: &Record) {
    for fact in record.all("Goal") {
        let (text, start) = (fact.text("/description/text"), fact.text("/startDate"));
        let row = section.row(&[text, start]);
        section.entry("DRIV");
        section.entries.open("observation", &[("classCode", "OBS"), ("moodCode", "GOL")]);
        begin(section, fact, ("2.16.840.1.113883.10.20.22.4.121", "2022-06-01"));
        section.truth.facts += 1;
        section.entries.empty("code", &[("code", "8689-2"), ("codeSystem", LOINC), ("displayName", "History of social function")]);
        section.text_reference(&row);
        section.entries.empty("statusCode", &[("code", "active")]);
        let at = section.time(start);
        section.entries.empty("effectiveTime", &[("value", &at)]).leaf("value", &[("xsi:type", "ST")], text).close();
        section.end_entry();
    }
}

pub(super) fn plans(section: &mut Section<'_>, record: &Record) {
    for fact in record.all("ServiceRequest") {
        let Some(code) = fact.coding("/code/coding/0") else { continue };
        let at = fact.text("/occurrenceDateTime");
        let row = section.row(&[fact.text("/code/text"), day(at)]);
        section.entry("DRIV");
        section.entries.open("act", &[("classCode", "ACT"), ("moodCode", "RQO")]);
        begin(section, fact, ("2.16.840.1.113883.10.20.22.4.39", "2014-06-09"));
        section.fact_code("code", "", code, &row);
        section.text_reference(&row);
        section.entries.empty("statusCode", &[("code", "active")]);
        let at = section.time(at);
        section.entries.empty("effectiveTime", &[("value", &at)]);
        section.entries.empty("priorityCode", &[("code", "R"), ("codeSystem", "2.16.840.1.113883.5.7")]).close();
        section.end_entry();
    }
}
