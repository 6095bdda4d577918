//! Sensitive categories that a law protects apart: substance use (42 CFR Part 2), mental health, HIV, reproductive health, genetics and so on.
//!
//! [`of_code`] says which categories a clinical code shows. The codes are data, a table of code systems and labels with its sources in
//! its head; labels are those of HL7 v3 ActCode. A code that is not in the table shows nothing: text, and codes of other systems, may
//! still tell ([`covers`] says for which systems there is a table).
//!
//! ```
//! use sutura_privacy::labels::{self, Label};
//!
//! let labels = labels::of_code("http://hl7.org/fhir/sid/icd-10-cm", "F11.20");
//! assert!(labels.contains(Label::SubstanceUse));
//! assert_eq!(labels.notice().unwrap().citation, "42 CFR 2.32(a)(2)");
//! assert!(labels::of_code("ICD10CM", "E11.9").is_empty());
//! ```

mod rows;

use std::{collections::HashMap, fmt, sync::LazyLock};

use serde::{Serialize, Serializer};

pub(crate) use rows::RowGuard;
pub use rows::{CodeColumns, LabelledBatch};

const TABLE: &str = include_str!("../data/sensitive-codes.tsv");

/// A sensitive category, by its code in HL7 v3 ActCode (information sensitivity policies and privacy laws).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[non_exhaustive]
pub enum Label {
    /// `ETH`: substance use.
    SubstanceUse,
    /// `42CFRPart2`: a record of a program under 42 CFR Part 2. No clinical code says it; the sender does.
    Part2,
    /// `PSY`: mental health.
    Psychiatry,
    /// `PSYTHPN`: psychotherapy notes. No clinical code says it.
    PsychotherapyNotes,
    /// `HIV`: HIV and AIDS, tests included.
    Hiv,
    /// `STD`: sexually transmitted disease.
    Std,
    /// `SEX`: sexuality and reproductive health.
    Sexuality,
    /// `SDV`: sexual assault, abuse, domestic violence.
    Violence,
    /// `GDIS`: genetic disease and genetic tests.
    GeneticDisease,
    /// `SCA`: sickle cell.
    SickleCell,
}

impl Label {
    /// Every label.
    pub const ALL: [Label; 10] = [
        Label::SubstanceUse,
        Label::Part2,
        Label::Psychiatry,
        Label::PsychotherapyNotes,
        Label::Hiv,
        Label::Std,
        Label::Sexuality,
        Label::Violence,
        Label::GeneticDisease,
        Label::SickleCell,
    ];

    /// The code of HL7 v3 ActCode, as in policies and in the class `sensitive:<code>`.
    pub fn code(self) -> &'static str {
        match self {
            Label::SubstanceUse => "ETH",
            Label::Part2 => "42CFRPart2",
            Label::Psychiatry => "PSY",
            Label::PsychotherapyNotes => "PSYTHPN",
            Label::Hiv => "HIV",
            Label::Std => "STD",
            Label::Sexuality => "SEX",
            Label::Violence => "SDV",
            Label::GeneticDisease => "GDIS",
            Label::SickleCell => "SCA",
        }
    }

    /// What it is, in a few words.
    pub fn name(self) -> &'static str {
        match self {
            Label::SubstanceUse => "substance use",
            Label::Part2 => "record of a substance use program (42 CFR Part 2)",
            Label::Psychiatry => "mental health",
            Label::PsychotherapyNotes => "psychotherapy notes",
            Label::Hiv => "HIV and AIDS",
            Label::Std => "sexually transmitted disease",
            Label::Sexuality => "sexuality and reproductive health",
            Label::Violence => "sexual assault, abuse, domestic violence",
            Label::GeneticDisease => "genetic disease",
            Label::SickleCell => "sickle cell",
        }
    }

    /// The label of a code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|label| label.code() == code)
    }

    /// The law of the United States that protects the category apart, by its paragraph; `None` where only laws of states or a policy do.
    pub fn law(self) -> Option<&'static str> {
        match self {
            Label::SubstanceUse | Label::Part2 => Some("42 CFR 2.12, 2.13"),
            Label::PsychotherapyNotes => Some("45 CFR 164.508(a)(2)"),
            _ => None,
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// Some labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct LabelSet(u16);

impl LabelSet {
    /// No label.
    pub const NONE: LabelSet = LabelSet(0);

    /// The set and this label.
    #[must_use]
    pub fn with(self, label: Label) -> Self {
        Self(self.0 | 1 << label as u8)
    }

    /// The labels of both.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the label is in it.
    pub fn contains(self, label: Label) -> bool {
        self.0 & 1 << label as u8 != 0
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The labels, in order.
    pub fn iter(self) -> impl Iterator<Item = Label> {
        Label::ALL.into_iter().filter(move |label| self.contains(*label))
    }

    /// The notice that must go with a disclosure of what has these labels. A code does not say whether its record comes from a program
    /// under Part 2, so that substance use always carries it: the careful reading.
    pub fn notice(self) -> Option<Notice> {
        (self.contains(Label::SubstanceUse) || self.contains(Label::Part2)).then_some(PART2_NOTICE)
    }
}

impl FromIterator<Label> for LabelSet {
    fn from_iter<I: IntoIterator<Item = Label>>(labels: I) -> Self {
        labels.into_iter().fold(Self::NONE, Self::with)
    }
}

/// As the codes, for reports.
impl Serialize for LabelSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(Label::code))
    }
}

/// A statement that a law wants beside a disclosure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// The paragraph that gives the text.
    pub citation: &'static str,
    /// The text of the law.
    pub text: &'static str,
    /// What else must go with the disclosure.
    pub also: &'static str,
}

/// The short statement for records of substance use programs, in force since 16 April 2024 (89 FR 12472).
pub const PART2_NOTICE: Notice = Notice {
    citation: "42 CFR 2.32(a)(2)",
    text: "42 CFR part 2 prohibits unauthorized use or disclosure of these records.",
    also: "a copy of the consent, or a clear explanation of its scope, goes with each disclosure (42 CFR 2.32(b))",
};

/// The sensitive categories that a code shows. `system` is the system's URI, OID (with or without `urn:oid:`) or its name in HL7 v2 table
/// 0396, in any case; labels of HL7 v3 ActCode stand for themselves.
pub fn of_code(system: &str, code: &str) -> LabelSet {
    let Some(system) = System::of(system) else { return LabelSet::NONE };
    let code = code.trim();
    match system {
        System::ActCode => return of_act_code(code),
        // A procedure of ICD-9-CM has its point after two digits; its numbers mean something else.
        System::Icd9 if code.find('.') == Some(2) => return LabelSet::NONE,
        _ => {}
    }
    let code: String = code.chars().filter(|character| *character != '.').map(|character| character.to_ascii_uppercase()).collect();
    CODES.get(&system).map_or(LabelSet::NONE, |codes| codes.labels(&code))
}

/// Whether there is a table for the code system.
pub fn covers(system: &str) -> bool {
    System::of(system).is_some()
}

fn of_act_code(code: &str) -> LabelSet {
    match code {
        "ETHUD" | "OPIOIDUD" => LabelSet::NONE.with(Label::SubstanceUse),
        "MH" => LabelSet::NONE.with(Label::Psychiatry),
        "BH" => LabelSet::NONE.with(Label::Psychiatry).with(Label::SubstanceUse),
        code => Label::from_code(code).into_iter().collect(),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum System {
    Icd10,
    Icd9,
    Hcpcs,
    Loinc,
    RxNorm,
    Snomed,
    ActCode,
}

impl System {
    fn of(name: &str) -> Option<Self> {
        const NAMES: [(System, &[&str]); 7] = [
            (
                System::Icd10,
                &[
                    "http://hl7.org/fhir/sid/icd-10-cm",
                    "http://hl7.org/fhir/sid/icd-10",
                    "http://fhir.de/codesystem/bfarm/icd-10-gm",
                    "2.16.840.1.113883.6.90",
                    "2.16.840.1.113883.6.3",
                    "i10",
                    "i10c",
                    "icd10",
                    "icd-10",
                    "icd10cm",
                    "icd-10-cm",
                ],
            ),
            (
                System::Icd9,
                &[
                    "http://hl7.org/fhir/sid/icd-9-cm",
                    "http://hl7.org/fhir/sid/icd-9",
                    "2.16.840.1.113883.6.103",
                    "2.16.840.1.113883.6.2",
                    "2.16.840.1.113883.6.42",
                    "i9",
                    "i9c",
                    "i9cdx",
                    "icd9",
                    "icd9cm",
                    "icd-9-cm",
                ],
            ),
            (
                System::Hcpcs,
                &[
                    "http://www.cms.gov/medicare/coding/hcpcsreleasecodesets",
                    "http://terminology.hl7.org/codesystem/hcpcs-all-codes",
                    "2.16.840.1.113883.6.285",
                    "2.16.840.1.113883.6.14",
                    "hcpcs",
                    "hpc",
                ],
            ),
            (System::Loinc, &["http://loinc.org", "2.16.840.1.113883.6.1", "ln", "loinc"]),
            (System::RxNorm, &["http://www.nlm.nih.gov/research/umls/rxnorm", "2.16.840.1.113883.6.88", "rxn", "rxnorm"]),
            (System::Snomed, &["http://snomed.info/sct", "2.16.840.1.113883.6.96", "sct", "sct2", "snomed", "snomed-ct", "snomedct"]),
            (
                System::ActCode,
                &["http://terminology.hl7.org/codesystem/v3-actcode", "http://hl7.org/fhir/v3/actcode", "2.16.840.1.113883.5.4"],
            ),
        ];
        let name = name.trim();
        let name = name.strip_prefix("urn:oid:").unwrap_or(name);
        NAMES.into_iter().find(|(_, names)| names.iter().any(|known| known.eq_ignore_ascii_case(name))).map(|(system, _)| system)
    }

    /// The word in the table.
    fn of_table(word: &str) -> Option<Self> {
        Some(match word {
            "icd-10-cm" => System::Icd10,
            "icd-9-cm" => System::Icd9,
            "hcpcs" => System::Hcpcs,
            "loinc" => System::Loinc,
            "rxnorm" => System::RxNorm,
            "snomed" => System::Snomed,
            _ => return None,
        })
    }
}

/// The codes of one system.
#[derive(Debug, Default)]
struct Codes {
    exact: HashMap<String, LabelSet>,
    /// By their first letter: first and last prefix (of one length) of a range, and the label.
    prefixes: HashMap<u8, Vec<(String, String, Label)>>,
}

impl Codes {
    fn labels(&self, code: &str) -> LabelSet {
        let exact = self.exact.get(code).copied().unwrap_or_default();
        let ranges = code.bytes().next().and_then(|first| self.prefixes.get(&first)).map(Vec::as_slice).unwrap_or_default();
        let fits = |first: &str, last: &str| code.get(..first.len()).is_some_and(|head| head >= first && head <= last);
        exact.union(ranges.iter().filter(|(first, last, _)| fits(first, last)).map(|(_, _, label)| *label).collect())
    }

    fn add(&mut self, word: &str, label: Label, exact: bool) {
        let (first, last) = word.split_once("..").unwrap_or((word, word));
        let plain = |code: &str| code.replace('.', "");
        if exact {
            let labels = self.exact.entry(plain(first)).or_default();
            *labels = labels.with(label);
            return;
        }
        let (first, last) = (plain(first), plain(last));
        // A range stays within one first letter (or digit), or spans several digits.
        let (Some(from), Some(to)) = (first.bytes().next(), last.bytes().next()) else { return };
        for letter in from..=to {
            self.prefixes.entry(letter).or_default().push((first.clone(), last.clone(), label));
        }
    }
}

static CODES: LazyLock<HashMap<System, Codes>> = LazyLock::new(|| {
    let mut systems: HashMap<System, Codes> = HashMap::new();
    for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
        let mut parts = line.split('\t');
        let (Some(system), Some(label), Some(fit), Some(codes)) =
            (parts.next().and_then(System::of_table), parts.next().and_then(Label::from_code), parts.next(), parts.next())
        else {
            continue;
        };
        let table = systems.entry(system).or_default();
        for word in codes.split(' ') {
            table.add(word, label, fit == "exact");
        }
    }
    systems
});

#[cfg(test)]
mod tests {
    use super::*;

    fn words(system: &str, code: &str) -> String {
        of_code(system, code).iter().map(Label::code).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_table_is_whole() {
        let mut lines = 0;
        for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
            let parts: Vec<&str> = line.split('\t').collect();
            assert_eq!(parts.len(), 4, "{line}");
            assert!(System::of_table(parts[0]).is_some() && Label::from_code(parts[1]).is_some(), "{line}");
            assert!(["prefix", "exact"].contains(&parts[2]), "{line}");
            for word in parts[3].split(' ') {
                let (first, last) = word.split_once("..").unwrap_or((word, word));
                assert!(!first.is_empty() && first.len() == last.len() && first <= last, "{word} in {line}");
                // LOINC codes have a check digit (modulus 10, Luhn); a mistyped one has not.
                if parts[0] == "loinc" {
                    let (number, check) = word.split_once('-').unwrap();
                    let digits = number.bytes().rev().map(|byte| u32::from(byte - b'0'));
                    let sum: u32 =
                        digits.enumerate().map(|(at, digit)| if at % 2 == 0 { digit * 2 / 10 + digit * 2 % 10 } else { digit }).sum();
                    assert_eq!(((10 - sum % 10) % 10).to_string(), check, "{word}");
                }
            }
            lines += 1;
        }
        assert!(lines > 25);
        for label in Label::ALL {
            assert_eq!(Label::from_code(label.code()), Some(label));
        }
    }

    #[test]
    fn codes_show_their_categories() {
        const CM: &str = "http://hl7.org/fhir/sid/icd-10-cm";
        for (system, code, labels) in [
            (CM, "F10.20", "ETH"),
            (CM, "F1020", "ETH"),
            (CM, "f15.10", "ETH"),
            (CM, "F17.210", ""),
            (CM, "F32.9", "PSY"),
            (CM, "F64.0", "PSY SEX"),
            (CM, "B20", "HIV"),
            (CM, "Z21", "HIV"),
            (CM, "A53.9", "STD"),
            (CM, "O03.9", "SEX"),
            (CM, "O9A.311", "SEX SDV"),
            (CM, "O99.323", "ETH SEX"),
            (CM, "T74.21XA", "SDV"),
            (CM, "D57.1", "GDIS SCA"),
            (CM, "Z15.01", "GDIS"),
            (CM, "E11.9", ""),
            (CM, "I10", ""),
            (CM, "K85.9", ""),
            (CM, "", ""),
            ("urn:oid:2.16.840.1.113883.6.90", "F11.10", "ETH"),
            ("I10", "B24", "HIV"),
            ("icd10cm", "F20.0", "PSY"),
            ("http://hl7.org/fhir/sid/icd-9-cm", "305.1", ""),
            ("http://hl7.org/fhir/sid/icd-9-cm", "305.50", "ETH"),
            ("http://hl7.org/fhir/sid/icd-9-cm", "30390", "ETH"),
            ("http://hl7.org/fhir/sid/icd-9-cm", "29.11", ""),
            ("I9C", "650", "SEX"),
            ("I9C", "V08", "HIV"),
            ("LN", "56888-1", "HIV"),
            ("LN", "718-7", ""),
            ("http://loinc.org", "44249-1", "PSY"),
            ("RXNORM", "6813", "ETH"),
            ("RXNORM", "161", ""),
            ("http://snomed.info/sct", "86406008", "HIV"),
            ("HCPCS", "H0020", "ETH"),
            ("http://terminology.hl7.org/CodeSystem/v3-ActCode", "42CFRPart2", "42CFRPart2"),
            ("http://terminology.hl7.org/CodeSystem/v3-ActCode", "BH", "ETH PSY"),
            ("L", "F10.20", ""),
            (CM, "日本語", ""),
        ] {
            assert_eq!(words(system, code), labels, "{system} {code}");
        }
        assert!(covers("LN") && !covers("L") && !covers("http://hl7.org/fhir/sid/ndc"));
    }

    #[test]
    fn substance_use_carries_the_notice_and_nothing_else_does() {
        for label in Label::ALL {
            let expected = matches!(label, Label::SubstanceUse | Label::Part2);
            assert_eq!(LabelSet::NONE.with(label).notice().is_some(), expected, "{label}");
        }
        assert_eq!(LabelSet::NONE.notice(), None);
    }

    proptest::proptest! {
        #[test]
        fn no_code_panics(system in ".{0,40}", code in ".{0,20}") {
            of_code(&system, &code);
            for known in ["I10C", "I9C", "LN", "RXNORM", "SCT", "HCPCS"] {
                of_code(known, &code);
            }
        }
    }
}
