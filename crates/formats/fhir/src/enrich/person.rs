//! What is said of a Patient: age, risk by age, population group, risk stratum, measure results.

use super::{
    age::{AgeGroup, PartialDate},
    chronic,
    patients::{Facts, Gender, POPULATIONS, PatientIndex, Person},
    social, system_url,
    write::{Coding, Writer},
};
use crate::json::Value;

/// Code and display of the strata, and the least points of each.
pub(super) const STRATA: [(&str, &str, u32); 4] =
    [("low", "Low", 0), ("rising", "Rising", 2), ("high", "High", 4), ("complex", "Complex", 6)];

/// Social categories count to this many.
const MOST_SOCIAL_POINTS: u32 = 2;

/// Points of the risk stratum: one for each group of chronic conditions, for each social category up to two, and for 65 years.
fn points(chronic: u32, social: u32, group: AgeGroup) -> u32 {
    chronic + social.min(MOST_SOCIAL_POINTS) + u32::from(group == AgeGroup::Elderly)
}

/// Code and display of a population group.
fn population_group(group: AgeGroup, gender: Gender) -> (&'static str, &'static str) {
    match (group, gender) {
        (AgeGroup::Paediatric, Gender::Female) => ("paediatric-female", "Paediatric, female"),
        (AgeGroup::Paediatric, Gender::Male) => ("paediatric-male", "Paediatric, male"),
        (AgeGroup::Paediatric, Gender::Other) => ("paediatric-other", "Paediatric, other"),
        (AgeGroup::Paediatric, Gender::Unknown) => ("paediatric-unknown", "Paediatric, unknown"),
        (AgeGroup::Adult, Gender::Female) => ("adult-female", "Adult, female"),
        (AgeGroup::Adult, Gender::Male) => ("adult-male", "Adult, male"),
        (AgeGroup::Adult, Gender::Other) => ("adult-other", "Adult, other"),
        (AgeGroup::Adult, Gender::Unknown) => ("adult-unknown", "Adult, unknown"),
        (AgeGroup::Elderly, Gender::Female) => ("elderly-female", "Elderly, female"),
        (AgeGroup::Elderly, Gender::Male) => ("elderly-male", "Elderly, male"),
        (AgeGroup::Elderly, Gender::Other) => ("elderly-other", "Elderly, other"),
        (AgeGroup::Elderly, Gender::Unknown) => ("elderly-unknown", "Elderly, unknown"),
    }
}

/// Writes all extensions of a Patient.
pub(super) fn write(
    patient: Value<'_>,
    full_url: Option<&str>,
    reference: PartialDate,
    index: Option<&PatientIndex>,
    writer: &mut Writer<'_>,
) {
    let person = Person::of(patient);
    let as_of = person.as_of(reference);
    if let Some((day, dead)) = as_of
        && let Some(age) = person.age_at(day)
    {
        let (least, most, unit, display) = age.in_unit();
        writer.begin("age");
        writer.whole_part("value", least, most, unit, display);
        writer.date_part("asOf", day);
        if dead {
            writer.true_part("atDeath");
        }
        writer.end();
    }
    let group = person.group(reference);
    // Risk is of the living.
    let alive = as_of.is_some_and(|(_, dead)| !dead);
    if let Some(group) = group {
        if alive {
            let coding = Coding { system: system_url!("age-group"), code: group.code(), display: group.display() };
            writer.coding("risk-factor", coding);
        }
        let (code, display) = population_group(group, person.gender);
        writer.coding("population-group", Coding { system: system_url!("population-group"), code, display });
    }
    let Some(index) = index else { return };
    let facts = index.of_patient(patient, full_url);
    if let Some(group) = group.filter(|_| alive && index.conditions() > 0) {
        risk_stratum(&facts, group, writer);
    }
    measure_results(&facts, index, writer);
}

fn risk_stratum(facts: &Facts, group: AgeGroup, writer: &mut Writer<'_>) {
    let (chronic, social) = (facts.chronic.count_ones(), facts.social.count_ones());
    let points = points(chronic, social, group);
    let (code, display, _) = STRATA.iter().rfind(|(_, _, least)| points >= *least).unwrap_or(&STRATA[0]);
    writer.begin("risk-stratum");
    writer.coding_part("stratum", Coding { system: system_url!("risk-stratum"), code, display });
    writer.count_part("points", points);
    writer.code_part("ageGroup", group.code());
    for (bit, group) in chronic::GROUPS.iter().enumerate().take(32) {
        if facts.chronic >> bit & 1 == 1 {
            let coding = Coding { system: system_url!("chronic-condition-group"), code: group.code, display: group.name };
            writer.coding_part("chronicCondition", coding);
        }
    }
    for bit in 0..32 {
        if facts.social >> bit & 1 == 1
            && let Some((code, display)) = social::category(bit)
        {
            writer.coding_part("socialDeterminant", Coding { system: social::SYSTEM, code, display });
        }
    }
    writer.end();
}

fn measure_results(facts: &Facts, index: &PatientIndex, writer: &mut Writer<'_>) {
    for result in index.results(facts) {
        writer.begin("measure-result");
        writer.canonical_part("measure", index.text(result.measure));
        writer.period_part("period", result.start, result.end);
        if result.group > 0 {
            writer.count_part("group", u32::from(result.group));
        }
        for (bit, code) in POPULATIONS.iter().enumerate() {
            if result.populations >> bit & 1 == 1 {
                let system = "http://terminology.hl7.org/CodeSystem/measure-population";
                writer.coding_part("population", Coding { system, code, display: "" });
            }
        }
        if let Some((score, unit)) = result.score {
            writer.quantity_part("score", score, index.text(unit));
        }
        writer.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_of_the_strata() {
        let stratum = |chronic, social, group| {
            let points = points(chronic, social, group);
            STRATA.iter().rfind(|(_, _, least)| points >= *least).unwrap().0
        };
        for (chronic, social, group, expected) in [
            (0, 0, AgeGroup::Paediatric, "low"),
            (1, 0, AgeGroup::Adult, "low"),
            (0, 0, AgeGroup::Elderly, "low"),
            (1, 0, AgeGroup::Elderly, "rising"),
            (0, 2, AgeGroup::Adult, "rising"),
            (0, 9, AgeGroup::Adult, "rising"),
            (3, 0, AgeGroup::Adult, "rising"),
            (3, 0, AgeGroup::Elderly, "high"),
            (5, 0, AgeGroup::Adult, "high"),
            (4, 2, AgeGroup::Adult, "complex"),
            (6, 0, AgeGroup::Adult, "complex"),
        ] {
            assert_eq!(stratum(chronic, social, group), expected, "{chronic} {social} {group:?}");
        }
    }
}
