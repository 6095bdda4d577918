//! How somebody's measurements lie and drift over the years, and what illness and treatment do to them.
//!
//! Everything is whole numbers: a feed must not depend on how a machine rounds.

use crate::{
    clinical::LABS,
    people::{Person, Sex},
    rng::Rng,
};

use super::chart::{Frame, Problem};

/// Positions in the list of conditions.
pub(crate) mod condition {
    pub(crate) const HYPERTENSION: usize = 0;
    pub(crate) const DIABETES: usize = 1;
    pub(crate) const HEART_FAILURE: usize = 2;
    pub(crate) const COPD: usize = 3;
    pub(crate) const HYPERLIPIDEMIA: usize = 4;
    pub(crate) const REFLUX: usize = 5;
    pub(crate) const ASTHMA: usize = 6;
    pub(crate) const KIDNEY: usize = 7;
    pub(crate) const HYPOTHYROIDISM: usize = 8;
    pub(crate) const ANXIETY: usize = 9;
}

/// Positions in the list of tests.
pub(crate) mod test {
    pub(crate) const POTASSIUM: usize = 1;
    pub(crate) const UREA: usize = 4;
    pub(crate) const CREATININE: usize = 5;
    pub(crate) const GLUCOSE: usize = 6;
    pub(crate) const LEUKOCYTES: usize = 8;
    pub(crate) const ERYTHROCYTES: usize = 9;
    pub(crate) const HEMOGLOBIN: usize = 10;
    pub(crate) const HEMATOCRIT: usize = 11;
    pub(crate) const MCV: usize = 12;
    pub(crate) const MCH: usize = 13;
    pub(crate) const MCHC: usize = 14;
    pub(crate) const CHOLESTEROL: usize = 23;
    pub(crate) const TRIGLYCERIDE: usize = 24;
    pub(crate) const HDL: usize = 25;
    pub(crate) const LDL: usize = 26;
    pub(crate) const PROTHROMBIN: usize = 27;
    pub(crate) const INR: usize = 28;
    pub(crate) const A1C: usize = 29;
    pub(crate) const THYROTROPIN: usize = 30;
    pub(crate) const TROPONIN: usize = 31;
    pub(crate) const CRP: usize = 32;
    pub(crate) const LACTATE: usize = 33;
    pub(crate) const BNP: usize = 34;
}

/// A value that drifts: in hundredths of its unit.
#[derive(Debug, Clone, Copy, Default)]
struct Trend {
    base: i64,
    yearly: i64,
    noise: i64,
}

impl Trend {
    fn draw(rng: &mut Rng, base: (i64, i64), yearly: (i64, i64), noise: i64) -> Self {
        Self { base: rng.between(base.0 * 100, base.1 * 100), yearly: rng.between(yearly.0 * 100, yearly.1 * 100), noise: noise * 100 }
    }

    fn at(self, rng: &mut Rng, days: i32) -> i64 {
        let value = self.base + self.yearly * i64::from(days) / 365 + rng.between(-self.noise, self.noise);
        (value + 50).div_euclid(100)
    }
}

/// What an acute illness adds, in the units of the tests.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Acute {
    /// Position in the list of reasons.
    pub(crate) reason: Option<usize>,
    /// How much of it is there, in percent.
    pub(crate) percent: i64,
}

impl Acute {
    /// How strong the infection is, in units of 0.1·10³ leukocytes per µL.
    fn infection(self) -> i64 {
        let full = match self.reason {
            Some(0) => 80,
            Some(3) => 150,
            Some(4) => 45,
            Some(6) => 85,
            Some(8) => 20,
            Some(10) => 50,
            _ => 0,
        };
        full * self.percent / 100
    }

    fn of(self, reason: usize, full: i64) -> i64 {
        if self.reason == Some(reason) { full * self.percent / 100 } else { 0 }
    }
}

/// Vital signs. Temperature in 0.1 °C, height in mm, weight in 0.1 kg, body mass index in 0.1 kg/m².
#[derive(Debug, Clone, Copy)]
pub(crate) struct Vitals {
    pub(crate) systolic: i64,
    pub(crate) diastolic: i64,
    pub(crate) pulse: i64,
    pub(crate) breaths: i64,
    pub(crate) temperature: i64,
    pub(crate) saturation: i64,
    pub(crate) height: i64,
    pub(crate) weight: i64,
    pub(crate) mass_index: i64,
}

/// Somebody's constitution.
#[derive(Debug)]
pub(crate) struct Body {
    start: i32,
    birth: i32,
    labs: [Trend; LABS.len()],
    /// Height as an adult.
    height: i64,
    /// Height for the age and sex, and weight for it as a child, in thousandths of the usual one.
    tall: i64,
    heavy: i64,
    weight: Trend,
    systolic: Trend,
    diastolic: i64,
    pulse: i64,
    saturation: i64,
    /// The day from which each chronic condition is treated.
    treated: [Option<i32>; 10],
}

/// Usual height in mm and weight in 0.1 kg at an age in months.
const GROWTH: [(i32, i64, i64); 15] = [
    (0, 500, 34),
    (3, 605, 61),
    (6, 665, 77),
    (9, 710, 88),
    (12, 750, 97),
    (24, 865, 122),
    (36, 950, 143),
    (48, 1025, 163),
    (60, 1095, 184),
    (72, 1155, 207),
    (96, 1275, 257),
    (120, 1385, 320),
    (144, 1500, 405),
    (168, 1600, 500),
    (192, 1660, 570),
];
/// From this month on the body is an adult's.
const GROWN: i32 = 216;

impl Body {
    pub(crate) fn draw(person: &Person, frame: &Frame, problems: &[Problem], rng: &mut Rng) -> Self {
        let mut labs = [Trend::default(); LABS.len()];
        for (trend, lab) in labs.iter_mut().zip(&LABS) {
            let (low, high) = (i64::from(lab.low), i64::from(lab.high));
            let range = high - low;
            *trend = Trend { base: low * 100 + range * rng.between(25, 70), yearly: range * rng.between(-4, 5), noise: range * 5 };
        }
        labs[test::A1C] = Trend::draw(rng, (49, 54), (0, 1), 1);
        labs[test::CRP] = Trend::draw(rng, (3, 40), (0, 1), 3);
        let mean = match person.sex {
            Sex::Female => 1622,
            Sex::Male => 1756,
            _ => 1690,
        };
        let mut draw_middle = |low, high| i64::midpoint(rng.between(low, high), rng.between(low, high));
        let height = mean + draw_middle(-150, 150);
        let heavy = draw_middle(820, 1250);
        let mut mass_index = draw_middle(185, 370);
        let diastolic = draw_middle(-6, 6);
        let pulse = draw_middle(-12, 14);
        let mut treated = [None; 10];
        for problem in problems {
            if let Some(day) = treated.get_mut(problem.condition) {
                *day = Some(problem.onset + 30);
            }
            match problem.condition {
                condition::DIABETES => {
                    mass_index += 30;
                    labs[test::A1C] = Trend::draw(rng, (74, 98), (-3, 5), 2);
                }
                condition::HYPERLIPIDEMIA => {
                    labs[test::LDL] = Trend::draw(rng, (150, 195), (0, 6), 6);
                    labs[test::TRIGLYCERIDE] = Trend::draw(rng, (130, 260), (0, 10), 15);
                }
                condition::KIDNEY => {
                    labs[test::CREATININE] = Trend::draw(rng, (150, 205), (4, 24), 5);
                    labs[test::UREA] = Trend::draw(rng, (26, 40), (1, 4), 2);
                }
                condition::HYPOTHYROIDISM => labs[test::THYROTROPIN] = Trend::draw(rng, (620, 1150), (0, 40), 30),
                condition::HEART_FAILURE => labs[test::BNP] = Trend::draw(rng, (220, 700), (10, 90), 40),
                _ => {}
            }
        }
        let has = |condition: usize| treated[condition].is_some();
        let lungs = if has(condition::COPD) { 4 } else { 0 };
        Self {
            start: frame.start,
            birth: person.birth_day(),
            height,
            tall: height * 1000 / mean,
            heavy,
            weight: Trend { base: weight_for(mass_index, height) * 100, yearly: rng.between(-1500, 2000), noise: 500 },
            systolic: Trend::draw(rng, if has(condition::HYPERTENSION) { (24, 38) } else { (-6, 6) }, (0, 1), 6),
            diastolic,
            pulse,
            saturation: 97 - lungs,
            labs,
            treated,
        }
    }

    /// Whether a condition is treated on a day, and the treatment has had time to work.
    fn is_treated(&self, condition: usize, day: i32) -> bool {
        self.treated[condition].is_some_and(|from| day >= from)
    }

    /// All laboratory values of a day, in the units of the tests and within what is possible.
    pub(crate) fn labs(&self, rng: &mut Rng, day: i32, acute: Acute) -> [i32; LABS.len()] {
        let days = day - self.start;
        let mut values = [0_i64; LABS.len()];
        for (value, trend) in values.iter_mut().zip(&self.labs) {
            *value = trend.at(rng, days);
        }
        if (day - self.birth) < 18 * 365 {
            // Creatinine grows with the muscles.
            values[test::CREATININE] = 20 + i64::from(day - self.birth) * 45 / (18 * 365) + rng.between(-3, 3);
        }
        if self.is_treated(condition::DIABETES, day) {
            values[test::A1C] -= 11;
        }
        if self.is_treated(condition::HYPERLIPIDEMIA, day) {
            values[test::LDL] = values[test::LDL] * 64 / 100;
            values[test::TRIGLYCERIDE] = values[test::TRIGLYCERIDE] * 82 / 100;
        }
        if self.is_treated(condition::HYPOTHYROIDISM, day) {
            values[test::THYROTROPIN] = values[test::THYROTROPIN] * 28 / 100;
        }
        let infection = acute.infection();
        values[test::LEUKOCYTES] += infection;
        values[test::CRP] += infection * 9;
        values[test::CREATININE] += acute.of(1, 190) + acute.of(3, 70);
        values[test::UREA] += acute.of(1, 32) + acute.of(3, 12);
        values[test::POTASSIUM] += acute.of(1, 9);
        values[test::LACTATE] += acute.of(3, 28);
        values[test::TROPONIN] += acute.of(2, rng.between(0, 6));
        values[test::HEMOGLOBIN] -= acute.of(7, 26);
        follow_from_others(rng, &mut values, infection);
        let mut out = [0; LABS.len()];
        for ((out, value), lab) in out.iter_mut().zip(values).zip(&LABS) {
            *out = value.clamp(i64::from(lab.possible.0), i64::from(lab.possible.1)) as i32;
        }
        out
    }

    /// Height (mm) and weight (0.1 kg) on a day.
    fn size(&self, rng: &mut Rng, day: i32) -> (i64, i64) {
        let months = (day - self.birth) * 12 / 365;
        let grown_weight = self.weight.at(rng, day - self.start);
        if months >= GROWN {
            return (self.height, grown_weight);
        }
        let next = GROWTH.iter().position(|(month, ..)| *month > months);
        let last = GROWTH.len() - 1;
        let (from, to) = match next {
            Some(next) => (GROWTH[next.max(1) - 1], GROWTH[next]),
            // The last years lead to the body of the adult.
            None => (GROWTH[last], (GROWN, self.height * 1000 / self.tall, grown_weight * 1000 / self.heavy)),
        };
        let share = |a: i64, b: i64| a + (b - a) * i64::from(months - from.0) / i64::from((to.0 - from.0).max(1));
        let noise = rng.between(-6, 6);
        (share(from.1, to.1) * self.tall / 1000, share(from.2, to.2) * self.heavy / 1000 * (1000 + noise) / 1000)
    }

    /// The vital signs of a day.
    pub(crate) fn vitals(&self, rng: &mut Rng, day: i32, acute: Acute) -> Vitals {
        let years = i64::from(day - self.birth) / 365;
        let (height, weight) = self.size(rng, day);
        let usual = if years < 18 { 86 + 2 * years } else { 112 + (years - 18) / 3 };
        let relief = if self.is_treated(condition::HYPERTENSION, day) { 15 } else { 0 };
        let systolic = usual + self.systolic.at(rng, day - self.start) - relief - acute.of(3, 18) - acute.of(9, 12);
        let infection = acute.infection();
        let (pulse, breaths) = match years {
            0 => (132, 38),
            1..=2 => (112, 28),
            3..=5 => (100, 24),
            6..=12 => (88, 20),
            _ => (72, 16),
        };
        let short_of_breath = acute.of(0, 5) + acute.of(8, 1) + acute.of(3, 3);
        Vitals {
            systolic,
            diastolic: systolic * 63 / 100 + self.diastolic + rng.between(-3, 3),
            pulse: pulse + self.pulse + infection / 6 + rng.between(-4, 4),
            breaths: breaths + short_of_breath + rng.between(-1, 1),
            temperature: 366 + rng.between(-3, 4) + (infection / 6).min(28),
            saturation: (self.saturation - short_of_breath + rng.between(-1, 2)).min(100),
            height,
            weight,
            mass_index: (weight * 1_000_000 + height * height / 2) / (height * height).max(1),
        }
    }
}

/// Values that are not independent of others.
fn follow_from_others(rng: &mut Rng, values: &mut [i64; LABS.len()], infection: i64) {
    // Fasting, some 12 mg/dL below the mean that the haemoglobin has seen: 28.7 · A1c - 46.7.
    values[test::GLUCOSE] = values[test::A1C] * 287 / 100 - 59 + rng.between(-6, 6) + infection / 4;
    values[test::CHOLESTEROL] = values[test::LDL] + values[test::HDL] + values[test::TRIGLYCERIDE] / 5;
    values[test::HEMATOCRIT] = values[test::HEMOGLOBIN] * 3 + rng.between(-6, 6);
    values[test::ERYTHROCYTES] = values[test::HEMATOCRIT] * 1000 / values[test::MCV].max(1);
    values[test::MCH] = values[test::HEMOGLOBIN] * 1000 / values[test::ERYTHROCYTES].max(1);
    values[test::MCHC] = values[test::HEMOGLOBIN] * 1000 / values[test::HEMATOCRIT].max(1);
    values[test::PROTHROMBIN] = values[test::INR] * 12 + rng.between(0, 6);
}

/// The weight (0.1 kg) that a body mass index (0.1 kg/m²) means at a height (mm).
fn weight_for(mass_index: i64, height: i64) -> i64 {
    mass_index * height * height / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clinical::CONDITIONS,
        fhir::{page::Ids, problems},
    };

    #[test]
    fn positions_are_those_of_the_lists() {
        for (position, code) in [
            (test::POTASSIUM, "2823-3"),
            (test::UREA, "3094-0"),
            (test::CREATININE, "2160-0"),
            (test::GLUCOSE, "2345-7"),
            (test::LEUKOCYTES, "6690-2"),
            (test::ERYTHROCYTES, "789-8"),
            (test::HEMOGLOBIN, "718-7"),
            (test::HEMATOCRIT, "4544-3"),
            (test::MCV, "787-2"),
            (test::MCH, "785-6"),
            (test::MCHC, "786-4"),
            (test::CHOLESTEROL, "2093-3"),
            (test::TRIGLYCERIDE, "2571-8"),
            (test::HDL, "2085-9"),
            (test::LDL, "13457-7"),
            (test::PROTHROMBIN, "5902-2"),
            (test::INR, "6301-6"),
            (test::A1C, "4548-4"),
            (test::THYROTROPIN, "3016-3"),
            (test::TROPONIN, "10839-9"),
            (test::CRP, "1988-5"),
            (test::LACTATE, "2524-7"),
            (test::BNP, "30934-4"),
        ] {
            assert_eq!(LABS[position].code, code);
        }
        for (position, code) in [
            (condition::HYPERTENSION, "I10"),
            (condition::DIABETES, "E11.9"),
            (condition::HEART_FAILURE, "I50.9"),
            (condition::COPD, "J44.9"),
            (condition::HYPERLIPIDEMIA, "E78.5"),
            (condition::REFLUX, "K21.9"),
            (condition::ASTHMA, "J45.909"),
            (condition::KIDNEY, "N18.30"),
            (condition::HYPOTHYROIDISM, "E03.9"),
            (condition::ANXIETY, "F41.9"),
        ] {
            assert_eq!(CONDITIONS[position].0, code);
        }
    }

    #[test]
    fn bodies_are_plausible_at_every_age() {
        let first_day = 20_089;
        let frame = Frame { seed: 5, first_day, start: first_day - 700, end: first_day + 395 };
        let mut a1c = (Vec::new(), Vec::new());
        for number in 0..3000 {
            let person = Person::derive(5, number, first_day);
            let rng = &mut Rng::for_item(5, 99, number);
            let problems = problems::draw(&person, &frame, rng, &mut Ids::of_person(5, number));
            let body = Body::draw(&person, &frame, &problems, rng);
            let age = person.age_on(first_day);
            for day in [first_day, first_day + 300] {
                let vitals = body.vitals(rng, day, Acute::default());
                assert!((60..=215).contains(&vitals.systolic), "{age} {vitals:?}");
                assert!((30..vitals.systolic - 5).contains(&vitals.diastolic), "{age} {vitals:?}");
                assert!((470..2100).contains(&vitals.height), "{age} {vitals:?}");
                assert!((20..2100).contains(&vitals.weight), "{age} {vitals:?}");
                assert!(age < 2 || (100..=520).contains(&vitals.mass_index), "{age} {vitals:?}");
                assert!((85..=100).contains(&vitals.saturation), "{age} {vitals:?}");
                let labs = body.labs(rng, day, Acute::default());
                let list = if body.treated[condition::DIABETES].is_some() { &mut a1c.1 } else { &mut a1c.0 };
                list.push(labs[test::A1C]);
                assert!(labs[test::CHOLESTEROL] > labs[test::LDL], "{labs:?}");
            }
        }
        let mean = |values: &[i32]| values.iter().sum::<i32>() / values.len() as i32;
        assert!(mean(&a1c.0) < 56 && mean(&a1c.1) > 65, "{} {}", mean(&a1c.0), mean(&a1c.1));
    }
}
