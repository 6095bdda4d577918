//! Laboratory results and their reports.

use crate::{
    calendar::{DAY, Moment},
    clinical::{LABS, PANELS},
};

use super::{
    body::{condition, test},
    chart::Chart,
    page::{Id, Kind},
    systems::{Coding, LABORATORY, coding, loinc},
    visits::{Purpose, Visit},
    vitals::acute,
};

const INTERPRETATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation";

/// Positions in the list of panels.
const METABOLIC: usize = 0;
const BLOOD_COUNT: usize = 1;
const LIVER: usize = 2;
const LIPIDS: usize = 3;
const COAGULATION: usize = 4;

/// What is asked for in one order: a panel, or one test.
#[derive(Clone, Copy)]
enum Order {
    Panel(usize),
    Test(usize),
}

/// The reports of a visit; of a stay in hospital one set a day.
pub(crate) fn write(chart: &mut Chart<'_>, visit: &Visit) {
    let mut orders = Vec::with_capacity(6);
    wanted(chart, visit, &mut orders);
    if orders.is_empty() {
        return;
    }
    let days = if visit.purpose == Purpose::Admission { ((visit.end.0 - visit.start.0) / DAY).min(4) } else { 0 };
    for day in 0..=days {
        let collected = visit.start.plus(day * DAY + chart.rng.between(900, 1200));
        if collected >= visit.end {
            break;
        }
        let values = chart.body.labs(&mut chart.rng, collected.day(), acute(visit, day));
        for order in &orders {
            report(chart, visit, *order, collected, &values);
        }
        // After the first day the course of what was found is followed.
        orders.retain(|order| matches!(order, Order::Panel(METABOLIC | BLOOD_COUNT) | Order::Test(test::CRP)));
    }
}

fn wanted(chart: &mut Chart<'_>, visit: &Visit, orders: &mut Vec<Order>) {
    let age = chart.age(visit);
    let has = |condition: usize| chart.problem(condition).is_some_and(|problem| problem.onset <= visit.start.day());
    match visit.purpose {
        Purpose::Wellness if age < 18 => {}
        Purpose::Wellness => {
            orders.extend([Order::Panel(METABOLIC), Order::Panel(BLOOD_COUNT), Order::Panel(LIPIDS)]);
            if age >= 45 || has(condition::DIABETES) {
                orders.push(Order::Test(test::A1C));
            }
            if has(condition::HYPERLIPIDEMIA) {
                orders.push(Order::Panel(LIVER));
            }
            if has(condition::HYPOTHYROIDISM) {
                orders.push(Order::Test(test::THYROTROPIN));
            }
            if has(condition::HEART_FAILURE) {
                orders.push(Order::Test(test::BNP));
            }
        }
        Purpose::FollowUp => {
            if has(condition::DIABETES) {
                orders.push(Order::Test(test::A1C));
            }
            if has(condition::DIABETES) || has(condition::KIDNEY) || has(condition::HEART_FAILURE) || has(condition::HYPERTENSION) {
                orders.push(Order::Panel(METABOLIC));
            }
            if has(condition::HYPERLIPIDEMIA) {
                orders.push(Order::Panel(LIPIDS));
            }
            if has(condition::HYPOTHYROIDISM) {
                orders.push(Order::Test(test::THYROTROPIN));
            }
        }
        Purpose::Illness => {
            if chart.rng.percent(40) {
                orders.extend([Order::Panel(BLOOD_COUNT), Order::Test(test::CRP)]);
            }
        }
        Purpose::Emergency | Purpose::Admission => {
            orders.extend([Order::Panel(METABOLIC), Order::Panel(BLOOD_COUNT), Order::Test(test::CRP)]);
            match visit.reason {
                Some(2 | 9) => orders.push(Order::Test(test::TROPONIN)),
                Some(3) => orders.extend([Order::Test(test::LACTATE), Order::Panel(COAGULATION)]),
                Some(6 | 7) => orders.push(Order::Panel(COAGULATION)),
                _ => {}
            }
        }
    }
}

fn report(chart: &mut Chart<'_>, visit: &Visit, order: Order, collected: Moment, values: &[i32; LABS.len()]) {
    let issued = collected.plus(chart.rng.between(2400, 9000));
    let (code, tests) = match order {
        Order::Panel(panel) => {
            let panel = &PANELS[panel];
            (loinc(panel.code, panel.name), panel.first..panel.first + panel.count)
        }
        Order::Test(test) => (loinc(LABS[test].code, LABS[test].name), test..test + 1),
    };
    let id = chart.ids.next();
    let mut results: [Option<Id>; 9] = [None; 9];
    for (test, place) in tests.zip(&mut results) {
        let result = chart.ids.next();
        *place = Some(result);
        observation(chart, visit, result, test, values[test], (collected, issued));
    }
    let organization = visit.organization();
    chart.tally.report(code.code);
    let json = chart.page.begin(Kind::DiagnosticReport, id, Some("diagnosticreport-lab"));
    json.code("status", "final").coded_list("category", coding("http://terminology.hl7.org/CodeSystem/v2-0074", "LAB", "Laboratory"));
    json.concept("code", code);
    chart.subject(visit);
    let json = &mut chart.page.json;
    json.moment("effectiveDateTime", collected).moment("issued", issued);
    json.list("performer").shared_item(Kind::Organization, &organization).end().list("result");
    for result in results.iter().flatten() {
        json.own_item(Kind::Observation, result);
    }
    json.end();
    chart.page.end();
}

fn observation(chart: &mut Chart<'_>, visit: &Visit, id: Id, test: usize, value: i32, (collected, issued): (Moment, Moment)) {
    let lab = &LABS[test];
    let organization = visit.organization();
    let flag = lab.flag(value);
    chart.tally.observation(lab.code);
    chart.tally.lab(test, value, flag);
    let json = chart.page.begin(Kind::Observation, id, Some("observation-lab"));
    json.code("status", "final").coded_list("category", LABORATORY).concept("code", loinc(lab.code, lab.name));
    chart.subject(visit);
    let json = &mut chart.page.json;
    json.moment("effectiveDateTime", collected).moment("issued", issued);
    json.list("performer").shared_item(Kind::Organization, &organization).end();
    json.quantity("valueQuantity", i64::from(value), lab.decimals, lab.unit);
    json.coded_list("interpretation", interpretation(flag));
    json.list("referenceRange").item().quantity("low", i64::from(lab.low), lab.decimals, lab.unit);
    json.quantity("high", i64::from(lab.high), lab.decimals, lab.unit).close().end();
    chart.page.end();
}

fn interpretation(flag: &str) -> Coding {
    match flag {
        "L" => coding(INTERPRETATION, "L", "Low"),
        "H" => coding(INTERPRETATION, "H", "High"),
        "LL" => coding(INTERPRETATION, "LL", "Critical low"),
        "HH" => coding(INTERPRETATION, "HH", "Critical high"),
        _ => coding(INTERPRETATION, "N", "Normal"),
    }
}
