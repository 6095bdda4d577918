//! People who do not exist, derived from a seed and a number.
//!
//! Nobody is stored: asking twice for the same number gives the same person, so a feed of any length
//! needs no memory for its population and two formats can speak of the same people.
//!
//! Social security numbers are in ranges that are never issued (area 666 and 900 to 999), telephone
//! numbers are 555-0100 to 555-0199, which are reserved for fiction.

use std::fmt;

use crate::{
    calendar::{date_from_days, days_from_date, whole_years},
    clinical::{ALLERGIES, CONDITIONS},
    lists::{ORIGIN_WEIGHTS, ORIGINS, PAYERS, PLACES, Place, SPARSE_PLACES, STREETS},
    rng::Rng,
};

/// The numbers of random streams, so that people, encounters and damage do not share draws.
const STREAM_PERSON: u64 = 1;

/// How many facilities there are: the regions of [`Person::region`].
pub const REGIONS: usize = PLACES.len();

/// Administrative sex (HL7 table 0001).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sex {
    /// `F`
    Female,
    /// `M`
    Male,
    /// `O`
    Other,
    /// `U`
    Unknown,
}

impl Sex {
    /// The code of HL7 table 0001.
    pub fn code(self) -> &'static str {
        match self {
            Sex::Female => "F",
            Sex::Male => "M",
            Sex::Other => "O",
            Sex::Unknown => "U",
        }
    }
}

/// A telephone number in the exchange 555.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Phone {
    /// Area code.
    pub area: u16,
    /// The last four digits: 0100 to 0199, reserved for fiction.
    pub line: u16,
}

/// Someone to tell.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct NextOfKin {
    /// Given name.
    pub given: &'static str,
    /// Family name.
    pub family: &'static str,
    /// HL7 table 0063 code and text.
    pub relation: (&'static str, &'static str),
    /// Telephone number.
    pub phone: Phone,
}

/// Who pays.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Insurance {
    /// The payer's identifier.
    pub payer: &'static str,
    /// The payer's name.
    pub payer_name: &'static str,
    /// Member number.
    pub member: u64,
    /// Group number.
    pub group: u32,
}

/// Up to four positions in one of this crate's lists.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Few {
    items: [u8; 4],
    count: u8,
}

impl Few {
    fn add(&mut self, item: usize) {
        if (self.count as usize) < self.items.len() && !self.iter().any(|known| known == item) {
            self.items[self.count as usize] = item as u8;
            self.count += 1;
        }
    }

    /// The positions.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.items[..self.count as usize].iter().map(|&item| item as usize)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// One person. Everything is a number or a `'static` text, so that making one costs no allocation.
#[derive(Clone, PartialEq, Eq)]
pub struct Person {
    /// The number it was derived from.
    pub number: u64,
    /// Given name.
    pub given: &'static str,
    /// Middle initial, when there is one.
    pub middle: Option<char>,
    /// Family name.
    pub family: &'static str,
    /// A former family name, when there is one.
    pub maiden: Option<&'static str>,
    /// The mother's maiden name.
    pub mother: &'static str,
    /// Administrative sex.
    pub sex: Sex,
    birth: i32,
    /// City, state and ZIP code.
    pub place: &'static Place,
    /// Number of the house.
    pub house: u32,
    /// Street name.
    pub street: &'static str,
    /// Apartment, when there is one.
    pub unit: Option<u16>,
    /// Telephone at home.
    pub home_phone: Phone,
    /// Mobile telephone, when there is one.
    pub mobile: Option<Phone>,
    /// Whether an e-mail address is known: [`Person::email`].
    pub has_email: bool,
    /// Nine digits of a never-issued social security number, when one is on file.
    pub ssn: Option<u32>,
    /// Code and text of race (HL7 table 0005).
    pub race: (&'static str, &'static str),
    /// Code of ethnic group (HL7 table 0189).
    pub ethnicity: &'static str,
    /// ISO 639-1 code and name of the preferred language.
    pub language: (&'static str, &'static str),
    /// Marital status (HL7 table 0002).
    pub marital: &'static str,
    /// Insurance, when there is any.
    pub insurance: Option<Insurance>,
    /// Next of kin.
    pub kin: NextOfKin,
    /// Allergies: positions in the crate's list of allergies.
    pub allergies: Few,
    /// Chronic conditions: positions in the crate's list of conditions.
    pub conditions: Few,
    /// The region (and home facility) the person lives in, below [`REGIONS`].
    pub region: usize,
    /// Whether any of the names needs more than ASCII.
    pub non_ascii: bool,
}

impl Person {
    /// The person of this number. `reference` (days from 1970-01-01) is the day at which the ages are
    /// drawn: everybody is born before it.
    pub fn derive(seed: u64, number: u64, reference: i32) -> Self {
        let mut rng = Rng::for_item(seed, STREAM_PERSON, number);
        let rng = &mut rng;
        let origin = weighted_origin(rng);
        let names = &ORIGINS[origin];
        let sex = match rng.below(1000) {
            0..=509 => Sex::Female,
            510..=993 => Sex::Male,
            994..=996 => Sex::Other,
            _ => Sex::Unknown,
        };
        let is_woman = if matches!(sex, Sex::Other | Sex::Unknown) { rng.percent(50) } else { sex == Sex::Female };
        let given = *rng.pick(if is_woman { names.women } else { names.men });
        let other_origin = if rng.percent(15) { weighted_origin(rng) } else { origin };
        let family = *rng.pick(ORIGINS[other_origin].families);
        let birth = birth_day(rng, reference);
        let age = whole_years(birth, reference);
        let adult = age >= 18;
        let maiden = (is_woman && adult && rng.percent(30)).then(|| *rng.pick(names.families));
        let mother = *rng.pick(names.families);
        let middle = rng.percent(70).then(|| char::from(b'A' + rng.below(26) as u8));

        let (region, place) = home(rng);
        let phone = |rng: &mut Rng| Phone { area: place.area_code, line: rng.between(100, 199) as u16 };
        let home_phone = phone(rng);
        let mobile = (age >= 12 && rng.percent(70)).then(|| phone(rng));
        let language = if rng.percent(30) { names.language } else { ("en", "English") };
        let marital = match (adult, rng.below(100)) {
            (false, _) | (true, 0..=34) => "S",
            (true, 35..=79) => "M",
            (true, 80..=91) => "D",
            _ => "W",
        };
        let (relation, kin_is_woman) = match (adult, marital, rng.percent(60)) {
            (false, _, true) => (("MTH", "Mother"), true),
            (false, _, false) => (("FTH", "Father"), false),
            (true, "M", _) => (("SPO", "Spouse"), !is_woman),
            (true, _, true) => (("CHD", "Child"), rng.percent(50)),
            (true, _, false) => (("SIB", "Sibling"), rng.percent(50)),
        };
        let kin = NextOfKin {
            given: rng.pick::<&str>(if kin_is_woman { names.women } else { names.men }),
            family: if rng.percent(80) { family } else { rng.pick::<&str>(names.families) },
            relation,
            phone: phone(rng),
        };
        let mut allergies = Few::default();
        let mut conditions = Few::default();
        for _ in 0..rng.below(4).saturating_sub(1) {
            allergies.add(rng.below(ALLERGIES.len() as u64) as usize);
        }
        let likely = if age >= 65 {
            4
        } else if age >= 40 {
            2
        } else {
            1
        };
        for _ in 0..rng.below(likely + 1) {
            conditions.add(rng.below(CONDITIONS.len() as u64) as usize);
        }
        let non_ascii = [given, family, mother, kin.given, kin.family].iter().chain(maiden.iter()).any(|name| !name.is_ascii());
        Self {
            number,
            given,
            middle,
            family,
            maiden,
            mother,
            sex,
            birth,
            place,
            house: rng.between(1, 9899) as u32,
            street: *rng.pick::<&str>(&STREETS),
            unit: rng.percent(35).then(|| rng.between(1, 899) as u16),
            home_phone,
            mobile,
            has_email: adult && rng.percent(55),
            ssn: rng.percent(85).then(|| never_issued_ssn(rng)),
            race: if rng.percent(4) { ("2131-1", "Other Race") } else { names.race },
            ethnicity: if rng.percent(3) { "U" } else { names.ethnicity },
            language,
            marital,
            insurance: insurance(rng, age),
            kin,
            allergies,
            conditions,
            region,
            non_ascii,
        }
    }

    /// Year, month and day of birth.
    pub fn birth_date(&self) -> (i32, u32, u32) {
        date_from_days(self.birth)
    }

    /// Birth as days from 1970-01-01.
    pub fn birth_day(&self) -> i32 {
        self.birth
    }

    /// Completed years on a day (days from 1970-01-01).
    pub fn age_on(&self, day: i32) -> i32 {
        whole_years(self.birth, day)
    }

    /// The medical record number at a facility: eight digits, different for every two people whose
    /// numbers are less than 90 million apart, and unrelated between facilities.
    pub fn medical_record_number(&self, facility: usize) -> u32 {
        // Odd and not a multiple of 3 or 5: coprime with 90 000 000, so the map is one to one.
        const STEP: [u64; REGIONS] = [48_271_369, 69_621_277, 16_807_331, 39_373_819, 55_441_273];
        let step = STEP[facility % REGIONS];
        10_000_000 + ((self.number % 90_000_000) * step % 90_000_000) as u32
    }

    /// Appends the e-mail address (at `example.org`, which belongs to nobody).
    pub fn email(&self, out: &mut String) {
        for name in [self.given, ".", self.family] {
            out.extend(name.chars().filter(|c| c.is_ascii_alphabetic() || *c == '.').map(|c| c.to_ascii_lowercase()));
        }
        out.push_str("@example.org");
    }
}

/// Names, dates and numbers stay out of logs even though nobody bears them: the habit is what counts.
impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Person").field("number", &self.number).finish_non_exhaustive()
    }
}

/// Region and place. One person in fifty lives where few do.
fn home(rng: &mut Rng) -> (usize, &'static Place) {
    if rng.percent(2) {
        let (region, place) = rng.pick::<(usize, Place)>(&SPARSE_PLACES);
        return (*region, place);
    }
    let region = rng.below(REGIONS as u64) as usize;
    (region, rng.pick(PLACES[region]))
}

fn weighted_origin(rng: &mut Rng) -> usize {
    let mut drawn = rng.below(ORIGIN_WEIGHTS.iter().sum());
    for (origin, weight) in ORIGIN_WEIGHTS.iter().enumerate() {
        if drawn < *weight {
            return origin;
        }
        drawn -= weight;
    }
    0
}

/// From new-born to over 100, with more old people than live anywhere: this is a hospital.
fn birth_day(rng: &mut Rng, reference: i32) -> i32 {
    let (from, to) = match rng.below(100) {
        0..=4 => (1, 365),
        5..=17 => (365, 6570),
        18..=42 => (6570, 14_600),
        43..=69 => (14_600, 23_700),
        70..=94 => (23_700, 32_800),
        _ => (32_800, 38_000),
    };
    reference - rng.between(from, to) as i32
}

/// Area 900 to 999 or 666: the administration issues neither. Group and serial are never zero.
fn never_issued_ssn(rng: &mut Rng) -> u32 {
    let area = if rng.percent(10) { 666 } else { rng.between(900, 999) as u32 };
    let group = rng.between(1, 99) as u32;
    let serial = rng.between(1, 9999) as u32;
    area * 1_000_000 + group * 10_000 + serial
}

fn insurance(rng: &mut Rng, age: i32) -> Option<Insurance> {
    let position = match (age, rng.below(100)) {
        (_, 0..=6) => return None,
        (65.., 7..=89) => 4,
        (..=17, 7..=44) => 5,
        (_, 7..=19) => 5,
        _ => rng.below(4) as usize,
    };
    let (payer, payer_name) = PAYERS[position];
    Some(Insurance { payer, payer_name, member: rng.between(100_000_000, 999_999_999) as u64, group: rng.between(1000, 99_999) as u32 })
}

/// Days from 1970-01-01, for callers of [`Person::derive`].
pub fn day_number(year: i32, month: u32, day: u32) -> i32 {
    days_from_date(year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn people(count: u64) -> impl Iterator<Item = Person> {
        let reference = day_number(2025, 1, 1);
        (0..count).map(move |number| Person::derive(7, number, reference))
    }

    /// ZIP code areas (first three digits) of each state, from the postal service's table.
    fn state_of(zip3: u16) -> &'static str {
        match zip3 {
            10..=27 => "MA",
            28..=29 => "RI",
            30..=38 => "NH",
            39..=49 => "ME",
            50..=54 | 56..=59 => "VT",
            60..=69 => "CT",
            70..=89 => "NJ",
            100..=149 => "NY",
            150..=196 => "PA",
            200 | 202..=205 => "DC",
            206..=219 => "MD",
            300..=319 => "GA",
            320..=349 => "FL",
            350..=369 => "AL",
            370..=385 => "TN",
            400..=427 => "KY",
            430..=459 => "OH",
            460..=479 => "IN",
            480..=499 => "MI",
            500..=528 => "IA",
            530..=549 => "WI",
            550..=567 => "MN",
            590..=599 => "MT",
            600..=629 => "IL",
            630..=658 => "MO",
            680..=693 => "NE",
            700..=714 => "LA",
            716..=729 => "AR",
            730..=749 => "OK",
            750..=799 => "TX",
            800..=816 => "CO",
            820..=831 => "WY",
            832..=838 => "ID",
            840..=847 => "UT",
            850..=865 => "AZ",
            870..=884 => "NM",
            889..=898 => "NV",
            900..=961 => "CA",
            967..=968 => "HI",
            970..=979 => "OR",
            980..=994 => "WA",
            995..=999 => "AK",
            _ => "none",
        }
    }

    #[test]
    fn a_person_is_a_function_of_seed_and_number() {
        let reference = day_number(2025, 1, 1);
        assert!(Person::derive(7, 5, reference) == Person::derive(7, 5, reference));
        assert!(Person::derive(7, 5, reference) != Person::derive(8, 5, reference));
        let different: BTreeSet<_> = people(1000).map(|person| (person.given, person.family, person.birth)).collect();
        assert!(different.len() > 990);
    }

    #[test]
    fn zip_codes_are_in_their_states() {
        let sparse_places = SPARSE_PLACES.iter().map(|(_, place)| place);
        for place in PLACES.iter().copied().flatten().chain(sparse_places) {
            assert_eq!(state_of(place.zip[..3].parse().unwrap()), place.state, "{place:?}");
            assert_eq!(place.zip.len(), 5);
        }
    }

    #[test]
    fn few_people_live_in_each_sparse_area() {
        const SPARSE: [&str; 12] = ["036", "059", "102", "203", "556", "692", "821", "823", "878", "879", "884", "893"];
        let mut found = std::collections::BTreeMap::new();
        for person in people(20_000) {
            if let Some(zip3) = SPARSE.iter().find(|zip3| person.place.zip.starts_with(**zip3)) {
                *found.entry(*zip3).or_insert(0) += 1;
            }
        }
        assert_eq!(found.len(), SPARSE.len(), "{found:?}");
        assert!((300..500).contains(&found.values().sum::<i32>()), "{found:?}");
        assert!(SPARSE_PLACES.iter().all(|(_, place)| SPARSE.contains(&&place.zip[..3])));
    }

    #[test]
    fn telephone_numbers_are_reserved_for_fiction() {
        for person in people(5000) {
            let phones = [Some(person.home_phone), person.mobile, Some(person.kin.phone)];
            assert!(phones.into_iter().flatten().all(|phone| (100..=199).contains(&phone.line)));
        }
    }

    #[test]
    fn social_security_numbers_were_never_issued() {
        let areas: BTreeSet<_> = people(5000).filter_map(|person| person.ssn).map(|ssn| ssn / 1_000_000).collect();
        assert!(areas.iter().all(|area| *area == 666 || (900..=999).contains(area)), "{areas:?}");
        assert!(areas.contains(&666) && areas.len() > 90);
    }

    #[test]
    fn ages_run_from_infants_to_over_89() {
        let reference = day_number(2025, 1, 1);
        let ages: Vec<i32> = people(5000).map(|person| person.age_on(reference)).collect();
        assert!(ages.iter().all(|age| (0..=105).contains(age)));
        assert!(ages.iter().filter(|age| **age == 0).count() > 100);
        assert!(ages.iter().filter(|age| **age > 89).count() > 100);
    }

    #[test]
    fn record_numbers_differ_between_people() {
        for facility in 0..REGIONS {
            let numbers: BTreeSet<_> = people(20_000).map(|person| person.medical_record_number(facility)).collect();
            assert_eq!(numbers.len(), 20_000);
        }
    }

    #[test]
    fn debug_shows_no_name() {
        let person = Person::derive(7, 5, day_number(2025, 1, 1));
        let shown = format!("{person:?}");
        assert!(!shown.contains(person.family) && !shown.contains(person.given), "{shown}");
    }
}
