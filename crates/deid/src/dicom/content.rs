//! Content items of reports and of acquisition contexts (PS3.3 C.17.3, 10.2): the name of its concept says what an item is about, and so whether its value is an
//! age, a birth date, or says who somebody is.

use sutura_dicom::{DataSet, Element, Tag, Vr};

use super::{
    codes,
    identity::AgeShown,
    rules::{Action, By},
    walk::Walk,
};

const CONCEPT_NAME: Tag = Tag(0x0040_A043);
/// Measured Value Sequence: the number of an item is in it.
pub(super) const MEASURED_VALUE: Tag = Tag(0x0040_A300);
const NUMERIC_VALUE: Tag = Tag(0x0040_A30A);
const UNITS: Tag = Tag(0x0040_08EA);
const BIRTH_DATE: Tag = Tag(0x0010_0030);
const SEX: Tag = Tag(0x0010_0040);
pub(super) const BY_CONCEPT: By = "concept";

/// What an item is about, where that is somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Concept {
    Age,
    BirthDate,
    Sex,
    /// Names and identifiers of people, orders and specimens.
    Identity,
    /// Names and identifiers of devices.
    Device,
}

/// Whether an element is the value of a content item, or a part of it.
fn is_value(tag: Tag) -> bool {
    matches!(tag.0, 0x0040_A120..=0x0040_A123 | 0x0040_A160..=0x0040_A163 | 0x0040_A168 | 0x0040_A300 | 0x0040_A30A)
}

/// What a content item is about. Codes are those of PS3.16; whoever uses others is taken by the words of their meaning.
pub(super) fn concept_of(item: DataSet<'_>) -> Option<Concept> {
    let name = item.item(CONCEPT_NAME)?;
    let text = |tag| name.text(Tag(tag)).unwrap_or_default();
    let (code, scheme, meaning) = (text(0x0008_0100), text(0x0008_0102), text(0x0008_0104));
    let by_code = match (scheme.as_ref(), code.as_ref()) {
        ("DCM", "121033") | ("LN", "30525-0" | "21611-9" | "21612-7" | "29553-5") | ("SCT", "397669002" | "424144002") => {
            Some(Concept::Age)
        }
        ("DCM", "121031") | ("LN", "21112-8") | ("SCT", "184099003") => Some(Concept::BirthDate),
        ("DCM", "121032") | ("LN", "46098-0") => Some(Concept::Sex),
        ("DCM", "121008" | "121009" | "121022" | "121029" | "121030" | "121040" | "121041" | "121043") => Some(Concept::Identity),
        ("DCM", "111700" | "111705" | "113516" | "113870" | "113871" | "113872" | "113873" | "128774" | "128775") => {
            Some(Concept::Identity)
        }
        ("DCM", "113877" | "113880" | "121013" | "121016" | "121017" | "121148" | "121193" | "121196" | "122143") => Some(Concept::Device),
        _ => None,
    };
    let known = codes::known_meaning(&scheme, &code).unwrap_or_default();
    by_code.or_else(|| by_words(known)).or_else(|| by_words(&meaning))
}

fn by_words(meaning: &str) -> Option<Concept> {
    /// Of what is not the patient's own: of the unborn, of bones, of models.
    const OTHER_AGES: [&str; 11] =
        ["GESTATIONAL", "GESTATION", "FETAL", "FOETAL", "ULTRASOUND", "LMP", "EDD", "OVULATION", "BONE", "MODEL", "EFFECTIVE"];
    const PEOPLE: [&str; 15] = [
        "PATIENT",
        "PATIENT'S",
        "SUBJECT",
        "PERSON",
        "OBSERVER",
        "OBSERVER'S",
        "PHYSICIAN",
        "PHYSICIAN'S",
        "OPERATOR",
        "OPERATOR'S",
        "MOTHER",
        "MOTHER'S",
        "PERFORMER",
        "RADIOLOGIST",
        "FETUS",
    ];
    const CALLED: [&str; 8] = ["NAME", "NAMES", "ID", "IDENTIFIER", "NUMBER", "MRN", "ADDRESS", "TELEPHONE"];
    if meaning.is_empty() || meaning.len() > 256 {
        return None;
    }
    let upper = meaning.to_uppercase();
    let words: Vec<&str> = upper.split(|letter: char| !letter.is_alphanumeric() && letter != '\'').collect();
    let has = |some: &[&str]| words.iter().any(|word| some.contains(word));
    match () {
        () if has(&["DOB"]) || (has(&["BIRTH"]) && has(&["DATE"])) => Some(Concept::BirthDate),
        () if has(&["AGE"]) && !has(&OTHER_AGES) => Some(Concept::Age),
        () if has(&["MRN", "SSN"]) || (has(&PEOPLE) && has(&CALLED)) => Some(Concept::Identity),
        () if has(&PEOPLE) && has(&["SEX", "GENDER"]) => Some(Concept::Sex),
        () => None,
    }
}

impl<'f> Walk<'f, '_> {
    /// What becomes of the value of a content item that is about somebody, whatever would become of it otherwise.
    pub(super) fn of_concept(&self, element: &Element<'f>, vr: Vr) -> Option<(Action, By)> {
        let tag = element.tag();
        if !is_value(tag) {
            return None;
        }
        let concept = concept_of(element.data_set()).or(self.concept)?;
        let action = match concept {
            Concept::Age if self.identity.keeps_ages() => return None,
            Concept::Age => match tag.0 {
                0x0040_A300 => return None,
                0x0040_A30A => Action::Age,
                _ => gone(tag),
            },
            Concept::BirthDate if matches!(tag.0, 0x0040_A120 | 0x0040_A121) => self.rules.decide(BIRTH_DATE, vr).0,
            Concept::Sex if self.rules.decide(SEX, Vr::CS).0 == Action::Keep => return None,
            Concept::Device if self.options.retain_device => return None,
            Concept::BirthDate | Concept::Sex | Concept::Identity | Concept::Device => gone(tag),
        };
        Some((action, BY_CONCEPT))
    }

    /// An age in its own unit as the policy treats ages; `None` where it goes, or nothing says what unit it has.
    pub(super) fn number_of_age(&self, element: &Element<'f>) -> Option<String> {
        let text = element.text().unwrap_or_default();
        let number: f64 = text.trim_matches([' ', '\0']).parse().ok().filter(|number: &f64| number.is_finite())?;
        let units = element.data_set().item(UNITS)?;
        let of_a_year = match units.text(Tag(0x0008_0100))?.as_ref() {
            "a" | "a_g" | "a_j" => 1.0,
            "mo" | "mo_g" | "mo_j" => 12.0,
            "wk" => 52.18,
            "d" => 365.25,
            "h" => 8766.0,
            _ => return None,
        };
        match self.identity.years_shown(number / of_a_year) {
            AgeShown::Gone => None,
            AgeShown::AsItIs => Some(text.into_owned()),
            AgeShown::Group(lowest) => Some(format!("{}", (f64::from(lowest) * of_a_year).round() as u64)),
        }
    }
}

/// No value, or where a text has to be, one that says nothing.
fn gone(tag: Tag) -> Action {
    match tag.0 {
        0x0040_A123 | 0x0040_A160 => Action::Dummy,
        0x0040_A168 | 0x0040_A300 => Action::Empty,
        _ if tag == NUMERIC_VALUE => Action::Empty,
        _ => Action::Remove,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn concepts_are_known_by_their_words() {
        for (meaning, concept) in [
            ("Subject Age", Some(Concept::Age)),
            ("Age at Menopause", Some(Concept::Age)),
            ("Gestational Age by LMP", None),
            ("Composite Ultrasound Age", None),
            ("Patient's date of birth", Some(Concept::BirthDate)),
            ("Person Observer Name", Some(Concept::Identity)),
            ("Patient ID", Some(Concept::Identity)),
            ("Patient Sex", Some(Concept::Sex)),
            ("Pulse Sequence Name", None),
            ("Image", None),
            ("", None),
        ] {
            assert_eq!(by_words(meaning), concept, "{meaning}");
        }
    }
}
