//! What the value of an Observation means by the table of adult limits.

use super::{
    Outcome,
    age::PartialDate,
    limits::{self, Comparator, Measured, Reason, Sex},
    patients::{Facts, PatientIndex, Person, reference_of},
    system_url,
    write::{Coding, LOINC, UCUM, Writer},
};
use crate::{
    fhirpath::Decimal,
    json::{Kind, Value},
};

/// Code and display of every significance, in the order of severity.
pub(super) const CODES: [(&str, &str); 12] = [
    ("critical-low", "Critically low"),
    ("low", "Low"),
    ("normal", "Within the limits"),
    ("elevated", "Elevated"),
    ("high", "High"),
    ("critical-high", "Critically high"),
    ("prediabetes-range", "In the range of prediabetes"),
    ("diabetes-range", "In the range of diabetes"),
    ("hypertension-stage-1", "In the range of stage 1 hypertension"),
    ("hypertension-stage-2", "In the range of stage 2 hypertension"),
    ("severe-hypertension", "In the range of severe hypertension"),
    ("not-assessed", "Not assessed"),
];

/// Components of one Observation that are looked at.
const MOST_COMPONENTS: usize = 32;

/// What all values of an Observation share.
struct Circumstances {
    status: Result<(), Reason>,
    person: Result<Person, Reason>,
    day: Option<PartialDate>,
}

/// The first LOINC code of an Observation or component that the table knows.
fn known_code(holder: Value<'_>) -> Option<&str> {
    let codings = holder.get("code")?.get("coding")?;
    codings.items().find_map(|coding| {
        let loinc = coding.get("system")?.as_str()? == LOINC;
        coding.get("code")?.as_str().filter(|code| loinc && limits::knows(code))
    })
}

/// Writes the significance of the value and of each component that the table knows.
pub(super) fn write(observation: Value<'_>, index: Option<&PatientIndex>, writer: &mut Writer<'_>, outcome: &mut Outcome) {
    let components = observation.get("component");
    let holders = || [observation].into_iter().chain(components.into_iter().flat_map(|list| list.items()).take(MOST_COMPONENTS));
    let known = || holders().filter_map(|holder| Some((holder, known_code(holder)?)));
    if known().next().is_none() {
        return;
    }
    let circumstances = Circumstances { status: status_of(observation), person: person_of(observation, index), day: day_of(observation) };
    for (holder, code) in known() {
        let judged = judge(holder, code, &circumstances);
        match judged {
            Ok(_) => outcome.assessed += 1,
            Err(_) => outcome.not_assessed += 1,
        }
        extension(code, judged, writer);
    }
}

fn extension(code: &str, judged: Result<(Measured, &'static str), Reason>, writer: &mut Writer<'_>) {
    let significance = judged.map_or("not-assessed", |(_, code)| code);
    let display = CODES.iter().find(|(known, _)| *known == significance).map_or("", |(_, display)| display);
    writer.begin("clinical-significance");
    writer.coding_part("code", Coding { system: LOINC, code, display: "" });
    writer.coding_part("significance", Coding { system: system_url!("clinical-significance"), code: significance, display });
    match judged {
        Ok((measured, _)) => {
            if measured.converted {
                writer.quantity_part("converted", rounded(measured.value), measured.row.unit);
            }
            for source in &measured.row.sources {
                writer.code_part("source", source);
            }
        }
        Err(reason) => writer.code_part("reason", reason.code()),
    }
    writer.end();
}

/// A converted value to six digits behind the point: it was judged with all of them.
fn rounded(value: Decimal) -> Decimal {
    if value.scale() > 6 { value.round(6).unwrap_or(value) } else { value }
}

fn status_of(observation: Value<'_>) -> Result<(), Reason> {
    match observation.get("status").and_then(|status| status.as_str()) {
        Some("final" | "amended" | "corrected" | "preliminary") => Ok(()),
        _ => Err(Reason::Status),
    }
}

/// When it was observed, and only if that is not said, when it was issued.
fn day_of(observation: Value<'_>) -> Option<PartialDate> {
    let date = |value: Option<Value<'_>>| value.and_then(|value| value.as_str()).and_then(PartialDate::parse);
    let period = observation.get("effectivePeriod");
    date(observation.get("effectiveDateTime"))
        .or_else(|| date(observation.get("effectiveInstant")))
        .or_else(|| date(period.and_then(|period| period.get("start"))))
        .or_else(|| date(period.and_then(|period| period.get("end"))))
        .or_else(|| date(observation.get("issued")))
}

/// The person it is about: a Patient contained in it, or one of the index.
fn person_of(observation: Value<'_>, index: Option<&PatientIndex>) -> Result<Person, Reason> {
    let reference = reference_of(observation, "subject").ok_or(Reason::SubjectUnknown)?;
    if let Some(id) = reference.strip_prefix('#') {
        let contained = observation.get("contained").into_iter().flat_map(|list| list.items()).find(|inner| {
            let text = |name: &str| inner.get(name).and_then(|text| text.as_str());
            text("id") == Some(id) && text("resourceType") == Some("Patient")
        });
        return contained.map(Person::of).ok_or(Reason::SubjectUnknown);
    }
    index.and_then(|index| index.find(reference)).and_then(Facts::person).ok_or(Reason::AgeUnknown)
}

fn judge(holder: Value<'_>, code: &str, circumstances: &Circumstances) -> Result<(Measured, &'static str), Reason> {
    circumstances.status?;
    let quantity = holder.get("valueQuantity").filter(|quantity| quantity.kind() == Kind::Object).ok_or(Reason::NoQuantity)?;
    let text = |name: &str| quantity.get(name).and_then(|text| text.as_str());
    let value = quantity.get("value").and_then(|value| value.as_number()).and_then(Decimal::parse).ok_or(Reason::NoQuantity)?;
    let unit = text("code").filter(|unit| !unit.is_empty()).ok_or(Reason::UnitAbsent)?;
    match text("system") {
        Some(UCUM) => {}
        Some(_) => return Err(Reason::UnitUnknown),
        None => return Err(Reason::UnitAbsent),
    }
    let sex: Option<Sex> = circumstances.person.ok().and_then(|person| person.gender.sex());
    let measured = match limits::measure(code, value, unit, sex) {
        Err(Reason::SexUnknown) => None,
        other => Some(other?),
    };
    let person = circumstances.person?;
    let day = circumstances.day.ok_or(Reason::TimeUnknown)?;
    let age = person.age_at(day).ok_or(Reason::AgeUnknown)?;
    limits::adult(age.group(), age.years.0)?;
    let measured = measured.ok_or(Reason::SexUnknown)?;
    let comparator = match text("comparator") {
        None => Comparator::Equal,
        Some(sign) => Comparator::parse(sign).ok_or(Reason::Comparator)?,
    };
    Ok((measured, measured.row.band_of(measured.value, comparator)?))
}
