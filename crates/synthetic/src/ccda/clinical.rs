//! Problems, allergies, medications, immunizations, results and vital signs.

use std::collections::BTreeMap;

use super::{
    record::{Coded, Fact, Record, time},
    section::Section,
    xml::Xml,
};

const SNOMED: &str = "2.16.840.1.113883.6.96";
const LOINC: &str = "2.16.840.1.113883.6.1";

fn status(xml: &mut Xml, code: &str) {
    xml.empty("statusCode", &[("code", code)]);
}

fn id(xml: &mut Xml, fact: &Fact, part: &str) {
    xml.empty("id", &[("root", fact.id()), ("extension", part)]);
}

/// An observation related to the one that is open, with a coded value.
fn related(section: &mut Section<'_>, inverted: bool, type_code: &str, template: (&str, &str), code: &str, value: (&str, &str)) {
    let inversion = if inverted { "true" } else { "" };
    section.entries.open("entryRelationship", &[("typeCode", type_code), ("inversionInd", inversion)]);
    section.entries.open("observation", &[("classCode", "OBS"), ("moodCode", "EVN")]);
    section.templates(template.0, template.1);
    let xml = &mut section.entries;
    xml.empty("code", &[("code", code), ("codeSystem", "2.16.840.1.113883.5.4")]);
    status(xml, "completed");
    xml.empty("value", &[("xsi:type", "CD"), ("code", value.0), ("displayName", value.1), ("codeSystem", SNOMED)]);
    xml.close_all(2);
}

pub(super) fn problems(section: &mut Section<'_>, record: &Record) {
    for fact in record.all("Condition") {
        let Some(code) = fact.coding("/code/coding/0") else { continue };
        let (onset, abatement) = (fact.text("/onsetDateTime"), fact.text("/abatementDateTime"));
        let is_active = fact.text("/clinicalStatus/coding/0/code") == "active";
        let row = section.row(&[code.display, if is_active { "Active" } else { "Resolved" }, onset, abatement]);
        section.entry("DRIV");
        concern(section, fact, "2.16.840.1.113883.10.20.22.4.3", is_active, (fact.text("/recordedDate"), abatement));
        section.entries.open("entryRelationship", &[("typeCode", "SUBJ")]);
        section.entries.open("observation", &[("classCode", "OBS"), ("moodCode", "EVN")]);
        section.templates("2.16.840.1.113883.10.20.22.4.4", "2015-08-01");
        id(&mut section.entries, fact, "observation");
        let kind = ("55607006", "Problem");
        section.entries.empty("code", &[("code", kind.0), ("displayName", kind.1), ("codeSystem", SNOMED)]);
        section.text_reference(&row);
        status(&mut section.entries, "completed");
        section.interval(onset, abatement);
        section.fact_code("value", "CD", code, &row);
        let state = if is_active { ("55561003", "Active") } else { ("413322009", "Resolved") };
        related(section, false, "REFR", ("2.16.840.1.113883.10.20.22.4.6", "2019-06-20"), "33999-4", state);
        section.entries.close_all(3);
        section.end_entry();
    }
}

/// Opens a concern act.
fn concern(section: &mut Section<'_>, fact: &Fact, template: &str, is_active: bool, (low, high): (&str, &str)) {
    section.entries.open("act", &[("classCode", "ACT"), ("moodCode", "EVN")]);
    section.templates(template, "2015-08-01");
    id(&mut section.entries, fact, "concern");
    section.entries.empty("code", &[("code", "CONC"), ("codeSystem", "2.16.840.1.113883.5.6")]);
    status(&mut section.entries, if is_active { "active" } else { "completed" });
    section.interval(low, if is_active { "" } else { high });
}

pub(super) fn allergies(section: &mut Section<'_>, record: &Record) {
    let facts = record.all("AllergyIntolerance");
    if facts.is_empty() && section.style.is_later {
        return no_known_allergies(section);
    }
    for fact in facts {
        let (Some(code), Some(reaction)) = (fact.coding("/code/coding/0"), fact.coding("/reaction/0/manifestation/0/coding/0")) else {
            continue;
        };
        let recorded = fact.text("/recordedDate");
        let row = section.row(&[code.display, reaction.display, "Moderate", recorded]);
        section.entry("DRIV");
        concern(section, fact, "2.16.840.1.113883.10.20.22.4.30", true, (recorded, ""));
        section.entries.open("entryRelationship", &[("typeCode", "SUBJ")]);
        section.entries.open("observation", &[("classCode", "OBS"), ("moodCode", "EVN")]);
        section.templates("2.16.840.1.113883.10.20.22.4.7", "2014-06-09");
        id(&mut section.entries, fact, "observation");
        section.entries.empty("code", &[("code", "ASSERTION"), ("codeSystem", "2.16.840.1.113883.5.4")]);
        section.text_reference(&row);
        status(&mut section.entries, "completed");
        section.interval(recorded, "");
        let kind = match fact.text("/category/0") {
            "medication" => ("416098002", "Allergy to drug"),
            "food" => ("414285001", "Allergy to food"),
            _ => ("426232007", "Environmental allergy"),
        };
        section.entries.empty("value", &[("xsi:type", "CD"), ("code", kind.0), ("displayName", kind.1), ("codeSystem", SNOMED)]);
        section.entries.open("participant", &[("typeCode", "CSM")]).open("participantRole", &[("classCode", "MANU")]);
        section.entries.open("playingEntity", &[("classCode", "MMAT")]);
        section.fact_code("code", "", code, &row);
        section.entries.close_all(3);
        related(section, true, "SUBJ", ("2.16.840.1.113883.10.20.22.4.28", "2019-06-20"), "33999-4", ("55561003", "Active"));
        related(section, true, "MFST", ("2.16.840.1.113883.10.20.22.4.9", "2014-06-09"), "ASSERTION", (reaction.code, reaction.display));
        let severity = ("2.16.840.1.113883.10.20.22.4.8", "2014-06-09");
        related(section, true, "SUBJ", severity, "SEV", ("6736007", "Moderate"));
        section.entries.close_all(3);
        section.end_entry();
    }
}

/// The way of R2.1 to say that there is none.
fn no_known_allergies(section: &mut Section<'_>) {
    section.truth.empty = 1;
    let row = section.row(&["No known allergies", "", "", ""]);
    section.entry("DRIV");
    section.entries.open("act", &[("classCode", "ACT"), ("moodCode", "EVN")]);
    section.templates("2.16.840.1.113883.10.20.22.4.30", "2015-08-01");
    section.entries.empty("code", &[("code", "CONC"), ("codeSystem", "2.16.840.1.113883.5.6")]);
    status(&mut section.entries, "active");
    section.entries.open("entryRelationship", &[("typeCode", "SUBJ")]);
    section.entries.open("observation", &[("classCode", "OBS"), ("moodCode", "EVN"), ("negationInd", "true")]);
    section.templates("2.16.840.1.113883.10.20.22.4.7", "2014-06-09");
    section.entries.empty("code", &[("code", "ASSERTION"), ("codeSystem", "2.16.840.1.113883.5.4")]);
    section.text_reference(&row);
    status(&mut section.entries, "completed");
    section
        .entries
        .empty("value", &[("xsi:type", "CD"), ("code", "419199007"), ("displayName", "Allergy to substance"), ("codeSystem", SNOMED)]);
    section.entries.nest(&["participant", "participantRole", "playingEntity"]).empty("code", &[("nullFlavor", "NA")]);
    section.entries.close_all(6);
    section.end_entry();
}

pub(super) fn medications(section: &mut Section<'_>, record: &Record) {
    for fact in record.all("MedicationRequest") {
        let Some(code) = fact.coding("/medicationCodeableConcept/coding/0") else { continue };
        let is_active = fact.text("/status") == "active";
        let (authored, text) = (fact.text("/authoredOn"), fact.text("/dosageInstruction/0/text"));
        let row =
            section.row(&[code.display, text, authored.get(..10).unwrap_or(authored), if is_active { "Active" } else { "Completed" }]);
        section.entry("DRIV");
        section.entries.open("substanceAdministration", &[("classCode", "SBADM"), ("moodCode", if is_active { "INT" } else { "EVN" })]);
        section.templates("2.16.840.1.113883.10.20.22.4.16", "2014-06-09");
        id(&mut section.entries, fact, "");
        section.text_reference(&row);
        status(&mut section.entries, if is_active { "active" } else { "completed" });
        section.interval(authored, "");
        let period = match fact.text("/dosageInstruction/0/timing/code/coding/0/code") {
            "BID" => ("12", "h"),
            "TID" => ("8", "h"),
            "Q6H" => ("6", "h"),
            _ => ("1", "d"),
        };
        let by_the_clock = if period.0 == "6" { "" } else { "true" };
        let xml = &mut section.entries;
        xml.open("effectiveTime", &[("xsi:type", "PIVL_TS"), ("institutionSpecified", by_the_clock), ("operator", "A")]);
        xml.empty("period", &[("value", period.0), ("unit", period.1)]).close();
        let is_inhaled = fact.text("/dosageInstruction/0/route/coding/0/code") == "447694001";
        let route = if is_inhaled { ("C38216", "RESPIRATORY (INHALATION)") } else { ("C38288", "ORAL") };
        xml.empty("routeCode", &[("code", route.0), ("displayName", route.1), ("codeSystem", "2.16.840.1.113883.3.26.1.1")]);
        let dose = "/dosageInstruction/0/doseAndRate/0/doseQuantity";
        let (value, unit) = (fact.number(&format!("{dose}/value")), fact.text(&format!("{dose}/unit")));
        xml.empty("doseQuantity", &[("value", &value), ("unit", unit)]);
        material(section, "2.16.840.1.113883.10.20.22.4.23", code, &row);
        section.entries.close_all(2).close();
        section.end_entry();
    }
}

/// Opens `consumable` with the material; two elements stay open.
fn material(section: &mut Section<'_>, template: &str, code: Coded<'_>, row: &str) {
    section.entries.open("consumable", &[]).open("manufacturedProduct", &[("classCode", "MANU")]);
    section.templates(template, "2014-06-09");
    section.entries.open("manufacturedMaterial", &[]);
    section.fact_code("code", "", code, row);
    if template.ends_with(".23") {
        section.entries.close();
    }
}

pub(super) fn immunizations(section: &mut Section<'_>, record: &Record) {
    for fact in record.all("Immunization") {
        let Some(code) = fact.coding("/vaccineCode/coding/0") else { continue };
        let (at, lot, maker) = (fact.text("/occurrenceDateTime"), fact.text("/lotNumber"), fact.text("/manufacturer/display"));
        let row = section.row(&[code.display, at.get(..10).unwrap_or(at), lot, maker]);
        section.entry("DRIV");
        section.entries.open("substanceAdministration", &[("classCode", "SBADM"), ("moodCode", "EVN"), ("negationInd", "false")]);
        section.templates("2.16.840.1.113883.10.20.22.4.52", "2015-08-01");
        id(&mut section.entries, fact, "");
        section.text_reference(&row);
        status(&mut section.entries, "completed");
        let at = section.time(at);
        section.entries.empty("effectiveTime", &[("value", &at)]);
        section
            .entries
            .empty("routeCode", &[("code", "C28161"), ("displayName", "INTRAMUSCULAR"), ("codeSystem", "2.16.840.1.113883.3.26.1.1")]);
        let value = fact.number("/doseQuantity/value");
        section.entries.empty("doseQuantity", &[("value", &value), ("unit", fact.text("/doseQuantity/unit"))]);
        material(section, "2.16.840.1.113883.10.20.22.4.54", code, &row);
        section.entries.leaf("lotNumberText", &[], lot).close();
        section.entries.open("manufacturerOrganization", &[]).leaf("name", &[], maker).close_all(3).close();
        section.end_entry();
    }
}

/// An observation with a quantity, within an organizer.
fn measured(section: &mut Section<'_>, fact: &Fact, template: (&str, &str), at: &str, code: Coded<'_>, value: (&str, &str), part: &str) {
    let row = section.row(&[code.display, value.0, value.1, at.get(..10).unwrap_or(at)]);
    section.entries.open("component", &[]).open("observation", &[("classCode", "OBS"), ("moodCode", "EVN")]);
    section.templates(template.0, template.1);
    id(&mut section.entries, fact, part);
    section.fact_code("code", "", code, &row);
    section.text_reference(&row);
    status(&mut section.entries, "completed");
    let at = section.time(at);
    section.entries.empty("effectiveTime", &[("value", &at)]).empty("value", &[("xsi:type", "PQ"), ("value", value.0), ("unit", value.1)]);
}

pub(super) fn results(section: &mut Section<'_>, record: &Record) {
    let tests: BTreeMap<&str, &Fact> = record.all("Observation").iter().map(|fact| (fact.id(), fact)).collect();
    for report in record.all("DiagnosticReport") {
        let Some(code) = report.coding("/code/coding/0") else { continue };
        section.entry("DRIV");
        section.entries.open("organizer", &[("classCode", "BATTERY"), ("moodCode", "EVN")]);
        section.templates("2.16.840.1.113883.10.20.22.4.1", "2015-08-01");
        id(&mut section.entries, report, "");
        section.code("code", "", code);
        status(&mut section.entries, "completed");
        for position in 0..report.count("/result") {
            let reference = report.text(&format!("/result/{position}/reference"));
            let Some(test) = tests.get(super::record::id_of(reference)) else { continue };
            let Some(code) = test.coding("/code/coding/0") else { continue };
            let value = test.number("/valueQuantity/value");
            let value = (value.as_str(), test.text("/valueQuantity/code"));
            measured(section, test, ("2.16.840.1.113883.10.20.22.4.2", "2015-08-01"), test.text("/effectiveDateTime"), code, value, "");
            interpretation(section, test);
            section.entries.close_all(2);
        }
        section.entries.close();
        section.end_entry();
    }
}

fn interpretation(section: &mut Section<'_>, test: &Fact) {
    let flag = test.text("/interpretation/0/coding/0/code");
    if !flag.is_empty() {
        section.entries.empty("interpretationCode", &[("code", flag), ("codeSystem", "2.16.840.1.113883.5.83")]);
    }
    let bounds = ["low", "high"].map(|bound| test.number(&format!("/referenceRange/0/{bound}/value")));
    if bounds.iter().all(String::is_empty) {
        return;
    }
    let unit = test.text("/valueQuantity/code");
    let xml = &mut section.entries;
    xml.nest(&["referenceRange", "observationRange"]).open("value", &[("xsi:type", "IVL_PQ")]);
    for (name, bound) in ["low", "high"].into_iter().zip(&bounds) {
        if !bound.is_empty() {
            xml.empty(name, &[("value", bound), ("unit", unit)]);
        }
    }
    xml.close_all(3);
}

pub(super) fn vital_signs(section: &mut Section<'_>, record: &Record) {
    let signs = record.all("Observation").iter().filter(|fact| fact.text("/category/0/coding/0/code") == "vital-signs");
    let mut rounds: BTreeMap<&str, Vec<&Fact>> = BTreeMap::new();
    for sign in signs {
        rounds.entry(sign.text("/effectiveDateTime")).or_default().push(sign);
    }
    for (at, signs) in rounds {
        section.entry("DRIV");
        section.entries.open("organizer", &[("classCode", "CLUSTER"), ("moodCode", "EVN")]);
        section.templates("2.16.840.1.113883.10.20.22.4.26", "2015-08-01");
        id(&mut section.entries, signs[0], "round");
        section.entries.open("code", &[("code", "46680005"), ("codeSystem", SNOMED), ("displayName", "Vital signs")]);
        section.entries.empty("translation", &[("code", "74728-7"), ("codeSystem", LOINC)]).close();
        status(&mut section.entries, "completed");
        let when = time(at, section.style.time_digits);
        section.entries.empty("effectiveTime", &[("value", &when)]);
        for sign in signs {
            let parts = sign.count("/component");
            // Components of oxygen saturation say how it was given; the sign itself has the value.
            if sign.number("/valueQuantity/value").is_empty() {
                for part in 0..parts {
                    vital_sign(section, sign, at, &format!("/component/{part}"), &part.to_string());
                }
            } else {
                vital_sign(section, sign, at, "", "");
            }
        }
        section.entries.close();
        section.end_entry();
    }
}

fn vital_sign(section: &mut Section<'_>, sign: &Fact, at: &str, below: &str, part: &str) {
    let Some(code) = sign.coding(&format!("{below}/code/coding/0")) else { return };
    let value = sign.number(&format!("{below}/valueQuantity/value"));
    let value = (value.as_str(), sign.text(&format!("{below}/valueQuantity/code")));
    measured(section, sign, ("2.16.840.1.113883.10.20.22.4.27", "2014-06-09"), at, code, value, part);
    section.entries.close_all(2);
}
