//! Vital signs.

use crate::calendar::{DAY, Moment};

use super::{
    body::{Acute, Vitals},
    chart::Chart,
    page::Kind,
    systems::{Coding, VITAL_SIGNS, loinc},
    visits::{Purpose, Visit},
};

/// A vital sign: profile, code, unit, decimals.
pub(crate) struct Sign {
    profile: &'static str,
    pub(crate) code: Coding,
    pub(crate) unit: &'static str,
    pub(crate) decimals: u32,
}

const fn sign(profile: &'static str, code: &'static str, name: &'static str, unit: &'static str, decimals: u32) -> Sign {
    Sign { profile, code: loinc(code, name), unit, decimals }
}

/// In the order of the truth's sums. The first two are components of the blood pressure.
pub(crate) const SIGNS: [Sign; 9] = [
    sign("blood-pressure", "8480-6", "Systolic blood pressure", "mm[Hg]", 0),
    sign("blood-pressure", "8462-4", "Diastolic blood pressure", "mm[Hg]", 0),
    sign("heart-rate", "8867-4", "Heart rate", "/min", 0),
    sign("respiratory-rate", "9279-1", "Respiratory rate", "/min", 0),
    sign("body-temperature", "8310-5", "Body temperature", "Cel", 1),
    sign("pulse-oximetry", "59408-5", "Oxygen saturation in Arterial blood by Pulse oximetry", "%", 0),
    sign("body-height", "8302-2", "Body height", "cm", 1),
    sign("body-weight", "29463-7", "Body weight", "kg", 1),
    sign("bmi", "39156-5", "Body mass index (BMI) [Ratio]", "kg/m2", 1),
];

const SYSTOLIC: usize = 0;
const DIASTOLIC: usize = 1;
const OXYGEN: usize = 5;
const HEIGHT: usize = 6;
const MASS_INDEX: usize = 8;

const PRESSURE: Coding = loinc("85354-9", "Blood pressure panel with all children optional");
const SATURATION: Coding = loinc("2708-6", "Oxygen saturation in Arterial blood");

/// The vital signs of a visit, in hospital once a day.
pub(crate) fn write(chart: &mut Chart<'_>, visit: &Visit) {
    let days = if visit.purpose == Purpose::Admission { (visit.end.0 - visit.start.0) / DAY } else { 0 };
    for day in 0..=days {
        let at = visit.start.plus(day * DAY + chart.rng.between(180, 600));
        if at < visit.end {
            round(chart, visit, at, day);
        }
    }
}

fn round(chart: &mut Chart<'_>, visit: &Visit, at: Moment, day: i64) {
    let found = chart.body.vitals(&mut chart.rng, at.day(), acute(visit, day));
    pressure(chart, visit, at, &found);
    let values = [
        found.systolic,
        found.diastolic,
        found.pulse,
        found.breaths,
        found.temperature,
        found.saturation,
        found.height,
        found.weight,
        found.mass_index,
    ];
    let age = chart.age(visit);
    for (position, value) in values.into_iter().enumerate().skip(2) {
        // Who is ill is not measured again, and the index says nothing of small children.
        let is_size = position >= HEIGHT;
        let wanted = !is_size || (matches!(visit.purpose, Purpose::Wellness | Purpose::FollowUp) && (age >= 2 || position < MASS_INDEX));
        if wanted {
            single(chart, visit, at, position, value);
        }
    }
}

/// What is left of an acute illness after some days.
pub(crate) fn acute(visit: &Visit, day: i64) -> Acute {
    const LEFT: [i64; 8] = [100, 78, 55, 38, 25, 16, 10, 6];
    Acute { reason: visit.reason, percent: LEFT[(day as usize).min(LEFT.len() - 1)] }
}

fn pressure(chart: &mut Chart<'_>, visit: &Visit, at: Moment, found: &Vitals) {
    let id = chart.ids.next();
    let performer = visit.practitioner();
    chart.tally.observation(PRESSURE.code);
    let json = chart.page.begin(Kind::Observation, id, Some(SIGNS[SYSTOLIC].profile));
    json.code("status", "final").coded_list("category", VITAL_SIGNS).concept("code", PRESSURE);
    chart.subject(visit);
    let json = &mut chart.page.json;
    json.moment("effectiveDateTime", at).list("performer").shared_item(Kind::Practitioner, &performer).end();
    json.list("component");
    for (position, value) in [(SYSTOLIC, found.systolic), (DIASTOLIC, found.diastolic)] {
        let sign = &SIGNS[position];
        chart.tally.sign(position, value);
        chart.page.json.item().concept("code", sign.code).quantity("valueQuantity", value, sign.decimals, sign.unit).close();
    }
    chart.page.json.end();
    chart.page.end();
}

fn single(chart: &mut Chart<'_>, visit: &Visit, at: Moment, position: usize, value: i64) {
    let sign = &SIGNS[position];
    let id = chart.ids.next();
    let performer = visit.practitioner();
    chart.tally.observation(sign.code.code);
    chart.tally.sign(position, value);
    let json = chart.page.begin(Kind::Observation, id, Some(sign.profile));
    json.code("status", "final").coded_list("category", VITAL_SIGNS);
    if position == OXYGEN {
        json.concept_of("code", &[sign.code, SATURATION], sign.code.display);
    } else {
        json.concept("code", sign.code);
    }
    chart.subject(visit);
    let json = &mut chart.page.json;
    json.moment("effectiveDateTime", at).list("performer").shared_item(Kind::Practitioner, &performer).end();
    json.quantity("valueQuantity", value, sign.decimals, sign.unit);
    chart.page.end();
}
