//! One person's document: header, then the sections in order.

use crate::{fhir::Frame, people::Person, rng::Rng};

use super::{
    clinical, header, history,
    record::{Charts, Record},
    section::{Definition, Section},
    style::Style,
    truth::{CcdaTruth, OddEntry, SectionTruth},
    xml::{Xml, latin},
};

const STREAM_DOCUMENT: u64 = 21;

const fn definition(
    kind: &'static str,
    template: &'static str,
    extension: &'static str,
    code: &'static str,
    title: &'static str,
    header: &'static [&'static str],
) -> Definition {
    Definition { kind, template, extension, code, title, header }
}

const SECTIONS: [Definition; 11] = [
    definition(
        "allergies",
        "2.16.840.1.113883.10.20.22.2.6.1",
        "2015-08-01",
        "48765-2",
        "Allergies",
        &["Substance", "Reaction", "Severity", "Date"],
    ),
    definition(
        "medications",
        "2.16.840.1.113883.10.20.22.2.1.1",
        "2014-06-09",
        "10160-0",
        "Medications",
        &["Drug", "Dose", "Since", "Status"],
    ),
    definition(
        "problems",
        "2.16.840.1.113883.10.20.22.2.5.1",
        "2015-08-01",
        "11450-4",
        "Problems",
        &["Problem", "Status", "Onset", "Resolved"],
    ),
    definition("procedures", "2.16.840.1.113883.10.20.22.2.7.1", "2014-06-09", "47519-4", "Procedures", &["Procedure", "Date"]),
    definition("results", "2.16.840.1.113883.10.20.22.2.3.1", "2015-08-01", "30954-2", "Results", &["Test", "Value", "Unit", "Date"]),
    definition(
        "vital-signs",
        "2.16.840.1.113883.10.20.22.2.4.1",
        "2015-08-01",
        "8716-3",
        "Vital Signs",
        &["Sign", "Value", "Unit", "Date"],
    ),
    definition(
        "immunizations",
        "2.16.840.1.113883.10.20.22.2.2.1",
        "2015-08-01",
        "11369-6",
        "Immunizations",
        &["Vaccine", "Date", "Lot", "Manufacturer"],
    ),
    definition("encounters", "2.16.840.1.113883.10.20.22.2.22.1", "2015-08-01", "46240-8", "Encounters", &["Encounter", "Where", "Date"]),
    definition(
        "social-history",
        "2.16.840.1.113883.10.20.22.2.17",
        "2015-08-01",
        "29762-2",
        "Social History",
        &["Observation", "Value", "Date"],
    ),
    definition("plan-of-treatment", "2.16.840.1.113883.10.20.22.2.10", "2014-06-09", "18776-5", "Plan of Treatment", &["Plan", "Date"]),
    definition("goals", "2.16.840.1.113883.10.20.22.2.60", "", "61146-7", "Goals", &["Goal", "Date"]),
];

/// The section that others stand in, in the style that has one.
const OUTER: (&str, &str) = ("Clinical Information", "unknown");

/// Writes the document of the person of that number. `file` is how the truth names it.
pub(super) fn write(
    charts: &mut Charts,
    frame: &Frame,
    number: u64,
    style: &'static Style,
    odd_percent: u32,
    file: &str,
    truth: &mut CcdaTruth,
) -> Vec<u8> {
    let person = Person::derive(frame.seed, number, frame.first_day);
    let record = charts.record(number);
    let mut rng = Rng::for_item(frame.seed, STREAM_DOCUMENT, number);
    let mut xml = Xml::new(style, 0);
    let namespaces = [
        (if style.prefix.is_empty() { "xmlns" } else { "xmlns:cda" }, "urn:hl7-org:v3"),
        ("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance"),
        ("xmlns:sdtc", "urn:hl7-org:sdtc"),
    ];
    xml.open("ClinicalDocument", &namespaces);
    header::write(&mut xml, style, frame, &person);
    xml.nest(&["component", "structuredBody"]);
    if style.nests_sections {
        xml.nest(&["component", "section"]).leaf("title", &[], OUTER.0).leaf("text", &[], "All sections");
        let outer = truth.sections.entry(OUTER.1).or_default();
        outer.sections += 1;
        outer.empty += 1;
    }
    for definition in &SECTIONS {
        let mut section = Section::new(style, definition, odd_percent, &mut rng);
        fill(&mut section, &record, charts, &person);
        // The guide of R1.1 has no goals; who has none of these has no section.
        if section.truth.entries == 0 && matches!(definition.kind, "goals" | "plan-of-treatment") {
            continue;
        }
        section.truth.empty += u64::from(section.truth.entries == 0);
        section.write(&mut xml);
        add(truth, definition.kind, &section.truth);
        truth.odd.extend(section.odd.iter().map(|(entry, oddity)| OddEntry {
            file: file.to_owned(),
            section: definition.kind,
            entry: *entry,
            oddity: oddity.name(),
        }));
    }
    let all = if style.nests_sections { 5 } else { 3 };
    xml.close_all(all);
    truth.documents += 1;
    *truth.by_style.entry(style.name).or_default() += 1;
    let bytes = encoded(style, &xml.text);
    truth.bytes += bytes.len() as u64;
    bytes
}

fn fill(section: &mut Section<'_>, record: &Record, charts: &Charts, person: &Person) {
    match section.definition.kind {
        "allergies" => clinical::allergies(section, record),
        "medications" => clinical::medications(section, record),
        "problems" => clinical::problems(section, record),
        "procedures" => history::procedures(section, record, charts),
        "results" => clinical::results(section, record),
        "vital-signs" => clinical::vital_signs(section, record),
        "immunizations" => clinical::immunizations(section, record),
        "encounters" => history::encounters(section, record, charts),
        "social-history" => history::social_history(section, record, person),
        "plan-of-treatment" => history::plans(section, record),
        _ => history::goals(section, record),
    }
}

fn add(truth: &mut CcdaTruth, kind: &'static str, section: &SectionTruth) {
    let sum = truth.sections.entry(kind).or_default();
    sum.sections += section.sections;
    sum.empty += section.empty;
    sum.entries += section.entries;
    sum.facts += section.facts;
    for (code, count) in &section.codes {
        *sum.codes.entry(code.clone()).or_default() += count;
    }
}

fn encoded(style: &Style, text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 64);
    if style.has_mark {
        out.extend_from_slice(b"\xEF\xBB\xBF");
    }
    out.extend_from_slice(style.declaration.unwrap_or_default().as_bytes());
    if style.is_latin {
        out.extend_from_slice(&latin(text));
    } else {
        out.extend_from_slice(text.as_bytes());
    }
    out.push(b'\n');
    out
}
