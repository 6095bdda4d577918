//! What a code or a measured value of HL7 v2 looks like, so that text which somebody wrote in its place does not pass for one.
//!
//! Codes stay as they are under every policy, because a message type, a sex or a diagnosis code identifies nobody. That holds for
//! codes only: under a profile that makes a legal claim, a value that has not the shape of its table becomes null and counts
//! as suppressed. The shape is checked, not the table: sites have codes of their own. A word that looks like a code passes.

mod check_digit;
mod words;

use sutura_core::PhiClass;

pub use check_digit::has_verhoeff_digit;
use words::{FORMS_OF_ADDRESS, MONTHS, RESULT_WORDS, SEXES, STATES, UNIT_STEMS, UNIT_WORDS, is_one_of, known_words};

/// The shape of the codes of one HL7 field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeShape {
    /// Message code and trigger event (tables 0076 and 0003): a capital letter and two capital letters or digits.
    Event,
    /// Message structure (table 0354): such a code, or two joined by `_`.
    Structure,
    /// Processing id (table 0103), indicators (table 0136): one capital letter.
    Letter,
    /// Version (table 0104): numbers and points.
    Version,
    /// Character sets (table 0211), each repetition.
    CharacterSet,
    /// Value type (table 0125) and the short codes of states and sources: up to three capital letters and digits.
    Short,
    /// Type of an identifier (table 0203): up to six capital letters and digits, not digits alone.
    IdentifierType,
    /// Sub-id of an observation or set id that is a code: parts between points of up to four letters and digits, eight characters in all.
    SubId,
    /// Coding system (table 0396), type and encoding of data: up to twenty letters, digits, `.`, `_`, `-` and `/`, not digits and signs alone.
    System,
    /// Administrative sex (table 0001): a letter, or the word for it.
    Sex,
    /// State or province: a code of three characters, or the name of a state of the USA.
    State,
    /// Country: two or three letters (ISO 3166), or `UNITED STATES`.
    Country,
    /// Race and ethnic group (tables 0005 and 0189): a short code, or one of the CDC's (`2106-3`).
    RaceCode,
    /// Language: a code of ISO 639, perhaps with a region (`en-US`).
    Language,
    /// Categories with long user codes (class, service, disposition, relationship): up to six capital letters and digits.
    Category,
    /// A code of a terminology: LOINC, SNOMED CT, RxNorm, ICD, CPT, CVX or a local one; see [`CodeShape::fits`].
    Code,
    /// A drug's or vaccine's code: those, and National Drug Codes.
    DrugCode,
    /// A unit, as UCUM or a laboratory writes it.
    Unit,
    /// Interpretation (table 0078): up to four capital letters and the signs `<`, `>`, `*`, `+`, `-`.
    Flag,
    /// Reference range: numbers with comparators, `-`, units and words of results.
    Range,
    /// Comparator of a structured number.
    Comparator,
    /// What a query made of codes and texts, and codes of formats without a table of shapes: as the text of a code, and `^`, `|` and lines may join parts.
    Derived,
    /// A word of FHIR or C-CDA (status, intent, use, currency, type of content): small letters or capital ones, no blanks.
    Keyword,
    /// The name of a code system, profile, template or policy: a URL of a known publisher or of small plain words, or an OID. Several between blanks.
    Canonical,
    /// The version of a definition or program: short numbers and letters.
    Release,
    /// A UID that the standard or a manufacturer gave to something technical (SOP class, transfer syntax, program): short parts. Those of
    /// instances have long numbers in them.
    RegisteredUid,
    /// Code strings of DICOM: up to 16 capital letters, digits, spaces and underscores each.
    CodeString,
    /// The text of a code: no long number, no date, no address of any kind, no form of address. A name passes, because many tests and drugs look like one.
    Display,
}

impl CodeShape {
    /// The shape of the column with this HL7 path and class, if its values are codes of a known shape.
    pub fn of_column(path: &str, class: &PhiClass) -> Option<Self> {
        let path = path.split(" | ").next().unwrap_or_default();
        match class {
            PhiClass::Operational => Self::of_operational(path).or_else(|| Self::of_operational_element(path)),
            PhiClass::Clinical | PhiClass::Quasi => Some(Self::of_described(path).unwrap_or_else(|| Self::of_element(path))),
            _ => None,
        }
    }

    fn of_operational(path: &str) -> Option<Self> {
        Some(match path {
            "MSH-9.1" | "MSH-9.2" => CodeShape::Event,
            "MSH-9.3" => CodeShape::Structure,
            "MSH-11" | "MSH-11.1" => CodeShape::Letter,
            "MSH-12" | "MSH-12.1" => CodeShape::Version,
            "MSH-18" => CodeShape::CharacterSet,
            "OBX-2" | "OBX-11" | "ORC-1" | "ORC-5" | "OBR-24" | "OBR-25" | "RXA-20" | "RXA-21" | "DG1-21" | "IAM-6.1" | "NTE-2"
            | "NTE-4.1" | "FT1-11.1.2" | "FT1-6.1" | "PV1-41.1" | "TXA-17" | "TXA-18" | "TXA-19" => CodeShape::Short,
            "OBX-4" | "OBX-4.1" | "AL1-1.1" => CodeShape::SubId,
            "PID-3(MR).5" | "PID-3.5" => CodeShape::IdentifierType,
            "OBR-4.3" | "OBX-3.3" | "OBX-5.2" | "OBX-5.3" | "OBX-5.4" | "OBX-6.3" | "RXO-1.3" | "RXA-5.3" | "DG1-3.3" | "PR1-3.3"
            | "AL1-3.3" | "DG1-2" | "SCH-25.1" | "TXA-3" => CodeShape::System,
            "SCH-10.1" => CodeShape::Unit,
            _ => return None,
        })
    }

    /// Operational columns of FHIR and C-CDA, whose paths are names joined by points: the last element says what it is. Of HL7 v2 only the
    /// fields above hold codes.
    fn of_operational_element(path: &str) -> Option<Self> {
        let of_v2 = path.len() > 3 && path.as_bytes()[..3].iter().all(|byte| is_capital(*byte)) && b"-(".contains(&path.as_bytes()[3]);
        if path.is_empty() || of_v2 {
            return None;
        }
        if path.starts_with('(') {
            return Some(Self::of_dicom(path));
        }
        Some(match path.rsplit('.').find(|part| !part.contains(['(', ')'])).unwrap_or_default() {
            // The reader takes no others than those of FHIR.
            "resourceType" => return None,
            "system" | "codeSystem" | "profile" | "questionnaire" | "uri" | "url" | "library" | "measure" | "policy" | "templateId"
            | "root" => CodeShape::Canonical,
            "display" | "displayName" | "name" | "title" | "publisher" | "description" | "softwareName" => CodeShape::Derived,
            "code" => CodeShape::Code,
            "unit" => CodeShape::Unit,
            "value" | "version" | "versionNumber" | "extension" => CodeShape::Release,
            _ => CodeShape::Keyword,
        })
    }

    /// Operational columns of DICOM, whose paths are tags: `(0008,0016)`, or several of them from the outermost sequence on.
    fn of_dicom(path: &str) -> Self {
        match path.rsplit(" > ").next().unwrap_or_default() {
            // SOP class, transfer syntax, class of the program; the SOP class of what is referred to and of the file.
            "(0008,0016)" | "(0002,0010)" | "(0002,0012)" | "(0008,1150)" | "(0002,0002)" | "(0008,001A)" | "(0004,1510)"
            | "(0004,1512)" => CodeShape::RegisteredUid,
            "(0008,0005)" => CodeShape::CharacterSet,
            // Manufacturer, model, software, program.
            "(0008,0070)" | "(0008,1090)" | "(0018,1020)" | "(0002,0013)" => CodeShape::Display,
            _ => CodeShape::CodeString,
        }
    }

    /// Columns that describe the patient or the care, of FHIR or made by a query: the last element of the path says what it is.
    fn of_element(path: &str) -> Self {
        match path.rsplit('.').next().unwrap_or_default() {
            "gender" => CodeShape::Sex,
            "state" => CodeShape::State,
            "country" => CodeShape::Country,
            _ => CodeShape::Derived,
        }
    }

    /// Columns of HL7 v2 that describe the patient or the care.
    fn of_described(path: &str) -> Option<Self> {
        Some(match path {
            "PID-8.1" | "NK1-15.1" => CodeShape::Sex,
            "PID-11.4" | "NK1-4.4" => CodeShape::State,
            "PID-11.6" | "MSH-17" => CodeShape::Country,
            "PID-10.1" | "PID-10.2" | "PID-22.1" => CodeShape::RaceCode,
            "PID-15.1" => CodeShape::Language,
            "PID-24" | "PID-30" | "RXC-1" => CodeShape::Letter,
            "PID-16.1" | "PID-17.1" | "PV1-2.1" | "PV1-4.1" | "PV1-10.1" | "PV1-14.1" | "PV1-16.1" | "PV1-18.1" | "PV1-20.1.1"
            | "PV1-36.1" | "DG1-6.1" | "DG1-15" | "PR1-6.1" | "PR1-16.1" | "FT1-26.1" | "AL1-2.1" | "AL1-4.1" | "IAM-17.1" | "IN1-15.1"
            | "IN1-17.1" | "NK1-3.1" | "NK1-3.2" | "NK1-7.1" | "TXA-2.1" => CodeShape::Category,
            "PV2-3.1" | "OBR-4.1" | "OBR-15.1.1" | "OBX-3.1" | "OBX-3.4" | "OBX-5.1" | "OBX-17.1" | "OBR-31.1" | "RXO-5.1" | "RXR-1.1"
            | "RXR-2.1" | "TQ1-3.1.1" | "RXA-17.1" | "RXA-18.1" | "DG1-3.1" | "PR1-3.1" | "PR1-15.1" | "AL1-3.1" | "SCH-6.1"
            | "SCH-7.1" | "SCH-8.1" | "AIS-3.1" | "FT1-7.1" | "FT1-19.1" | "FT1-25.1" => CodeShape::Code,
            "RXO-1.1" | "RXA-5.1" | "RXA-5.4" => CodeShape::DrugCode,
            "OBX-6.1" | "RXO-4.1" | "RXA-7.1" => CodeShape::Unit,
            "OBX-8.1" => CodeShape::Flag,
            "OBX-7" => CodeShape::Range,
            "OBR-4.2" | "OBX-3.2" | "RXO-1.2" | "RXR-1.2" | "RXA-5.2" | "RXA-17.2" | "DG1-3.2" | "PR1-3.2" | "AL1-3.2" | "AIS-3.2"
            | "TXA-2.2" | "FT1-7.2" => CodeShape::Display,
            _ => return None,
        })
    }

    /// The shape of the comparator that stands in the same place as a code.
    pub(crate) fn named(self, column: &str) -> Self {
        if column == "value_comparator" { CodeShape::Comparator } else { self }
    }

    /// Whether a value has the shape. Blank values have it: they say nothing.
    ///
    /// A terminology's code has at most 20 letters, digits and `.`, `_`, `-`, `/`, `%`, `#`, `+`. Digits alone are a code up to seven of them,
    /// from eight on only with SNOMED CT's check digit and if they are no date; digits with `-` only as LOINC writes them; words in the case of names
    /// (`Smith`) are none.
    pub fn fits(self, value: &str) -> bool {
        let value = value.trim();
        if value.is_empty() {
            return true;
        }
        let event = |text: &str| capitals(text, 3) && text.len() == 3 && text.starts_with(|first: char| first.is_ascii_uppercase());
        let letters = value.bytes().any(|byte| byte.is_ascii_alphabetic());
        match self {
            CodeShape::Event => event(value),
            CodeShape::Structure => match value.split_once('_') {
                Some((message, trigger)) => event(message) && capitals(trigger, 3),
                None => event(value),
            },
            CodeShape::Letter => value.len() == 1 && letters,
            CodeShape::Version => value.len() <= 6 && value.split('.').all(|part| part.len() <= 2 && capitals(part, 2) && digits(part)),
            CodeShape::CharacterSet => value.split(['~', '\\']).all(|name| character_set(name.trim())),
            CodeShape::Short => capitals(value, 3),
            CodeShape::IdentifierType => letters && value.len() <= 8 && value.split('-').all(|part| capitals(part, 6)),
            CodeShape::SubId => {
                let part = |part: &str| (1..=4).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
                value.len() <= 8 && value.split('.').all(part)
            }
            CodeShape::System => {
                letters
                    && value.len() <= 20
                    && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte))
                    && longest_number(value) <= 5
                    && !is_web(value)
                    && !dated(value)
                    && (value.len() <= 3 || !name_case(value) || known_words(value))
            }
            CodeShape::Sex => value.len() == 1 && letters || is_one_of(&SEXES, value),
            CodeShape::State => capitals(value, 3) || is_one_of(&STATES, value),
            CodeShape::Country => (2..=3).contains(&value.len()) && all_letters(value) || is_one_of(&["UNITED STATES"], value),
            CodeShape::RaceCode => capitals(value, 3) || loinc(value) && value.len() == 6 || known_words(value),
            CodeShape::Language => {
                let (language, region) = value.split_once(['-', '_']).unwrap_or((value, "US"));
                known_words(value)
                    || (language.len() <= 3 && !language.is_empty() && all_letters(language) && all_letters(region) && region.len() <= 3)
            }
            CodeShape::Category => {
                let code = value.len() <= 6 && value.bytes().all(|byte| is_capital(byte) || b"_-.".contains(&byte));
                (code && longest_number(value) <= 4 && !dated(value)) || known_words(value) || loinc(value)
            }
            CodeShape::Code => terminology_code(value) || known_words(value),
            CodeShape::DrugCode => terminology_code(value) || drug_code(value),
            CodeShape::Unit => unit(value),
            CodeShape::Flag => {
                value.len() <= 4 && value.bytes().all(|byte| byte.is_ascii_uppercase() || b"<>*+-".contains(&byte)) || known_words(value)
            }
            CodeShape::Range => range(value),
            CodeShape::Comparator => matches!(value, "<" | ">" | "<=" | ">=" | "=" | "<>"),
            CodeShape::Keyword => keyword(value),
            CodeShape::RegisteredUid => registered_uid(value),
            CodeShape::CodeString => value.split('\\').all(|part| code_string(part.trim())),
            CodeShape::Canonical => value.split_whitespace().all(canonical),
            CodeShape::Release => {
                value.len() <= 20
                    && longest_number(value) <= 3
                    && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-+_".contains(&byte))
            }
            CodeShape::Display => display(value),
            CodeShape::Derived => derived(value),
        }
    }
}

/// Whether a whole number has more digits than a measured value or a count has, not counting zeros at the end. Dates and identifiers have.
pub(crate) fn has_more_digits(number: f64, most: u32) -> bool {
    let bound = 10_f64.powi(most.try_into().unwrap_or(i32::MAX));
    if number.fract() != 0.0 || number.abs() < bound || number.abs() >= 9e15 {
        return number.abs() >= 9e15;
    }
    let mut digits = number.abs() as u64;
    while digits.is_multiple_of(10) && digits > 0 {
        digits /= 10;
    }
    digits as f64 >= bound
}

/// LOINC codes whose value is an age: reported, calculated, at death, at onset and the like. Over 89 it is an identifier (45 CFR 164.514(b)(2)(i)(C)).
pub(crate) const AGES: [&str; 7] = ["30525-0", "21612-7", "29553-5", "35659-2", "63900-5", "39016-1", "21611-9"];

fn is_capital(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

/// Capital letters and digits, from one to `longest`.
fn capitals(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len()) && text.bytes().all(is_capital)
}

fn digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn all_letters(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// A name of table 0211 as sites write it, or one of an encoding: a known word and a number.
fn character_set(name: &str) -> bool {
    let plain: String = name.chars().filter(|c| !matches!(c, ' ' | '-' | '_' | '/' | '.')).map(|c| c.to_ascii_uppercase()).collect();
    if plain.is_empty() || ["GB180302000", "CNS116431992", "EUCJP", "EUCKR", "SHIFTJIS", "MACINTOSH", "GBK"].contains(&plain.as_str()) {
        return true;
    }
    let plain = plain.strip_suffix("LE").or_else(|| plain.strip_suffix("BE")).unwrap_or(&plain);
    const WORDS: [&str; 22] = [
        "UNICODEUTF",
        "UNICODE",
        "UTF",
        "USASCII",
        "ASCII",
        "ISO8859",
        "8859",
        "ISOIR",
        "IR",
        "ISO2022IR",
        "ISO2022JP",
        "ISO2022KR",
        "ISO2022",
        "GB",
        "BIG",
        "KSX",
        "KSC",
        "CNS",
        "WINDOWS",
        "CP",
        "LATIN",
        "KOI8",
    ];
    let rest = WORDS.iter().find_map(|word| plain.strip_prefix(word));
    rest.is_some_and(|rest| rest.len() <= 5 && (digits(rest) || matches!(rest, "R" | "U")))
}

/// Three groups of digits between `-`, `/` or `.`: a date, a social security or telephone number.
fn dated(value: &str) -> bool {
    let groups: Vec<&str> = value.split(['-', '/', '.']).collect();
    let month = |group: &str| group.len() == 3 && MONTHS.iter().any(|month| month.eq_ignore_ascii_case(group));
    groups.len() >= 3 && groups.iter().all(|group| !group.is_empty() && (digits(group) || month(group)))
}

/// Eight digits that are a day from 1850 to 2100, as `YYYYMMDD`, `MMDDYYYY` or `DDMMYYYY`.
fn is_day(text: &str) -> bool {
    let number = |from: usize, to: usize| text.get(from..to).and_then(|part| part.parse::<u32>().ok()).unwrap_or_default();
    let day = |year: u32, month: u32, day: u32| (1850..=2100).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    text.len() == 8
        && (day(number(0, 4), number(4, 6), number(6, 8))
            || day(number(4, 8), number(0, 2), number(2, 4))
            || day(number(4, 8), number(2, 4), number(0, 2)))
}

fn terminology_code(value: &str) -> bool {
    if value.len() > 20 || !value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/%#+".contains(&byte)) {
        return false;
    }
    if digits(value) {
        return value.len() <= 7 || (!is_day(value) && snomed(value));
    }
    if value.bytes().all(|byte| byte.is_ascii_digit() || b"-/".contains(&byte)) {
        return loinc(value);
    }
    // A long number with letters around it is an identifier, a word in the case of names a name.
    longest_number(value) <= 5 && !dated(value) && !is_web(value) && (value.len() <= 3 || !name_case(value))
}

/// A capital and small letters.
fn name_case(value: &str) -> bool {
    let mut bytes = value.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_uppercase()) && bytes.all(|byte| byte.is_ascii_lowercase())
}

/// Digits, `-` and a check digit.
fn loinc(value: &str) -> bool {
    let Some((number, check)) = value.split_once('-') else { return false };
    (1..=7).contains(&number.len()) && check.len() == 1 && digits(number) && digits(check)
}

/// An SNOMED CT identifier of a concept: 6 to 18 digits with a right check digit and partition.
fn snomed(value: &str) -> bool {
    // The two digits before it are the partition: a concept's own, or one of an extension, whose namespace takes seven digits more.
    let partition = value.len().checked_sub(3).and_then(|at| value.get(at..at + 2));
    let is_concept = partition == Some("00") || (partition == Some("10") && value.len() >= 11);
    (6..=18).contains(&value.len()) && has_verhoeff_digit(value) && is_concept
}

/// A National Drug Code: ten or eleven digits, in three groups of 4-4-2, 5-3-2, 5-4-1 or 5-4-2 or without signs.
fn drug_code(value: &str) -> bool {
    if digits(value) {
        return value.len() == 11;
    }
    let groups: Vec<&str> = value.split('-').collect();
    let [labeler, product, package] = groups[..] else { return false };
    groups.iter().all(|group| digits(group))
        && matches!((labeler.len(), product.len(), package.len()), (4 | 5, 4, 2) | (5, 3, 2) | (5, 4, 1))
}

fn unit(value: &str) -> bool {
    let signs = "%/^*.[]{}()'+-_\u{b5}\u{b0}\u{b2}\u{b3}# ";
    if value.chars().count() > 24 || !value.chars().all(|c| c.is_ascii_alphanumeric() || signs.contains(c)) {
        return false;
    }
    let words = value.split(|c: char| !c.is_ascii_alphabetic());
    longest_number(value) <= 3
        && !dated(value)
        && (value == "1" || !value.bytes().all(|byte| byte.is_ascii_digit() || b"-. ()+".contains(&byte)))
        && words.filter(|word| word.len() > 4).all(|word| is_one_of(&UNIT_WORDS, word) || UNIT_STEMS.contains(&word))
}

/// Parts between blanks: a number, two numbers in order, a comparator and a number, a short word or a unit, or a word of results.
fn range(value: &str) -> bool {
    value.chars().count() <= 40
        && value.replace('\u{2013}', "-").split([' ', ',', ';', '=']).filter(|part| !part.is_empty()).all(range_part)
}

fn range_part(part: &str) -> bool {
    let bare = part.trim_start_matches(['<', '>', '=']).trim_matches(['(', ')', '[', ']']);
    if bare.is_empty() || bare == "-" {
        return true;
    }
    // A titre, and thousands that a comma has cut off already.
    let bare = bare.strip_prefix("1:").filter(|rest| digits(rest)).unwrap_or(bare);
    let number = |text: &str| text.len() <= 8 && text.bytes().filter(u8::is_ascii_digit).count() <= 7 && text.parse::<f64>().is_ok();
    if number(bare) {
        return true;
    }
    let between = bare.char_indices().skip(1).find(|(_, sign)| *sign == '-').map(|(at, _)| (&bare[..at], &bare[at + 1..]));
    if let Some((low, high)) = between
        && number(low)
        && number(high)
    {
        return low.parse::<f64>().ok() <= high.parse::<f64>().ok();
    }
    let unit_behind = bare.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    is_one_of(&RESULT_WORDS, bare) || known_words(bare) || (bare.len() - unit_behind.len() <= 7 && unit(unit_behind))
}

/// A UID of something technical: of the standard, or with parts of at most seven digits that are no day.
fn registered_uid(value: &str) -> bool {
    let parts = || value.trim_end_matches('\0').split('.');
    let longest = if value.starts_with("1.2.840.10008.") { 5 } else { 7 };
    value.len() <= 64 && (3..=14).contains(&parts().count()) && parts().all(|part| (1..=longest).contains(&part.len()) && digits(part))
}

fn code_string(part: &str) -> bool {
    let plain = |byte: u8| is_capital(byte) || matches!(byte, b' ' | b'_');
    part.is_empty() || (part.len() <= 16 && part.bytes().all(plain) && longest_number(part) <= 4) || keyword(part)
}

/// A word of a standard. FHIR writes them in small letters, code lists of ISO and HL7 in capital ones, types of content with a `/`.
fn keyword(value: &str) -> bool {
    let (word, parameter) = value.split_once("; ").unwrap_or((value, ""));
    let plain = |text: &str| text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./+=*".contains(&byte));
    let one_case = !word.bytes().any(|byte| byte.is_ascii_lowercase()) || !word.bytes().any(|byte| byte.is_ascii_uppercase());
    plain(word)
        && plain(parameter)
        && (one_case || word.len() <= 3 || word.contains('/'))
        && value.bytes().any(|byte| byte.is_ascii_alphabetic())
        && longest_number(value) <= 4
        && !dated(value)
        && !is_web(value)
}

/// Who publishes code systems and profiles: the paths of these may have names with capital letters.
const PUBLISHERS: [&str; 18] = [
    "hl7.org",
    "loinc.org",
    "snomed.info",
    "unitsofmeasure.org",
    "nlm.nih.gov",
    "ama-assn.org",
    "cms.gov",
    "cdc.gov",
    "fda.gov",
    "iso.org",
    "ihe.net",
    "who.int",
    "nucc.org",
    "nubc.org",
    "nema.org",
    "nhs.uk",
    "ietf.org",
    "sutura.dev",
];

/// A URL (perhaps with `|` and a version), an OID or a URN of such. No query, no user, no long numbers, no dates but those of templates.
fn canonical(value: &str) -> bool {
    let (name, version) = value.split_once('|').unwrap_or((value, ""));
    if value.len() > 200 || !CodeShape::Release.fits(version) {
        return false;
    }
    let name = name.strip_prefix("urn:oid:").or_else(|| name.strip_prefix("urn:hl7ii:")).unwrap_or(name);
    let (root, edition) = name.split_once(':').unwrap_or((name, ""));
    if root.contains('.') && root.split('.').all(|arc| (1..=6).contains(&arc.len()) && digits(arc)) {
        // Editions of templates are named for their day.
        return CodeShape::Release.fits(edition) || edition.len() == 10 && edition.starts_with("20") && dated(edition);
    }
    if let Some(rest) = name.strip_prefix("urn:iso:").or_else(|| name.strip_prefix("urn:ietf:")) {
        return rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":-.".contains(&byte))
            && longest_number(rest) <= 5
            && !dated(rest);
    }
    let Some(rest) = name.strip_prefix("http://").or_else(|| name.strip_prefix("https://")) else { return false };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let known =
        PUBLISHERS.iter().any(|publisher| host.strip_suffix(publisher).is_some_and(|before| before.is_empty() || before.ends_with('.')));
    let sign =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_./".contains(&byte) || (known && byte.is_ascii_uppercase());
    host.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte))
        && (known || host.bytes().any(|byte| byte.is_ascii_lowercase()))
        && path.bytes().all(sign)
        && longest_number(rest) <= 5
        && !path
            .split('/')
            .any(|part| dated(part) || part.split(['_', '-']).collect::<Vec<_>>().windows(3).any(|three| dated(&three.join("-"))))
}

/// The text of a code.
fn display(value: &str) -> bool {
    !value.contains(['^', '|', '\n', '\r']) && derived(value)
}

fn derived(value: &str) -> bool {
    if value.chars().count() > 150 || value.contains(['@']) || value.contains("://") || is_web(value) || longest_number(value) > 5 {
        return false;
    }
    value.split(|c: char| c.is_whitespace() || ",;:()[]^|".contains(c)).filter(|word| !word.is_empty()).all(|word| {
        let word = word.trim_matches(['.', '"', '\'']);
        !dated(word) && !FORMS_OF_ADDRESS.contains(&word) && !two_groups(word)
    })
}

/// Two groups of digits as a local telephone number, a month (`1961-07`) or a long ZIP code has them.
fn two_groups(word: &str) -> bool {
    let Some((first, second)) = word.split_once('-') else { return false };
    digits(first) && digits(second) && matches!((first.len(), second.len()), (3 | 5, 4) | (4, 2))
}

/// Digits of the longest number in a text.
fn longest_number(text: &str) -> usize {
    text.split(|c: char| !c.is_ascii_digit()).map(str::len).max().unwrap_or_default()
}

/// The address of a page without its scheme.
fn is_web(text: &str) -> bool {
    text.as_bytes().windows(4).any(|four| four.eq_ignore_ascii_case(b"www."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_pass_and_text_does_not() {
        let passes: [(&str, &[&str]); 11] = [
            ("MSH-9.1", &["ADT", "ORU", "ZP1", "ACK", ""]),
            ("MSH-9.2", &["A01", "R01", "Z99"]),
            ("MSH-9.3", &["ADT_A01", "ORU_R01", "ACK"]),
            ("MSH-11.1", &["P", "T", "D"]),
            ("MSH-12.1", &["2.1", "2.5.1", "2.9.1", "2"]),
            (
                "MSH-18",
                &[
                    "ASCII",
                    "8859/1",
                    "8859/15",
                    "UNICODE UTF-8",
                    "UNICODE",
                    "UTF-8",
                    "ISO IR87~ISO IR159",
                    "GB 18030-2000",
                    "BIG-5",
                    "KS X 1001",
                    "CNS 11643-1992",
                    "windows-1252",
                    "ISO-8859-1",
                    "UTF-16LE",
                    "~ISO IR14",
                ],
            ),
            ("OBX-2", &["NM", "CWE", "ST", "ED"]),
            ("PID-3.5", &["MR", "PI", "SS", "DL"]),
            ("OBX-4.1", &["1", "1.2", "12a", "1.2.3.4"]),
            ("SCH-25.1", &["Booked", "Noshow", "Cancelled"]),
            ("OBX-3.3", &["LN", "L", "99LAB", "I10", "HL70078", "SCT"]),
        ];
        for (path, values) in passes {
            let shape = CodeShape::of_column(path, &PhiClass::Operational).unwrap();
            for value in values {
                assert!(shape.fits(value), "{path} refuses {value}");
            }
            for text in ["John Smith", "555-0100", "1980-01-01", "SMITH, JOHN (MRN 4711)", "123-45-6789", "Jos\u{e9}", "a@b.example"] {
                assert!(!shape.fits(text), "{path} lets {text} pass");
            }
        }
        assert!(!CodeShape::Event.fits("SMITH") && !CodeShape::Short.fits("SMITH") && !CodeShape::CharacterSet.fits("ISO SMITH"));
        assert!(CodeShape::of_column("PID-5.1", &PhiClass::Name).is_none());
        assert_eq!(CodeShape::of_column("", &PhiClass::Quasi), Some(CodeShape::Derived));
    }

    #[test]
    fn what_describes_patient_and_care_is_held_to_its_shape() {
        let passes: [(&str, &[&str]); 20] = [
            ("PID-8.1", &["F", "M", "U", "female", "Male"]),
            ("PID-11.4", &["MA", "NSW", "Massachusetts", "NEW YORK"]),
            ("PID-11.6", &["US", "USA", "DE", "United States"]),
            ("PID-10.1", &["2106-3", "W", "1002-5"]),
            ("PID-15.1", &["en", "eng", "ENG", "en-US"]),
            ("PID-24", &["Y", "N"]),
            ("PV1-2.1", &["I", "O", "E"]),
            ("PV1-10.1", &["MED", "CAR", "SUR"]),
            ("PV1-36.1", &["01", "20"]),
            ("OBX-3.1", &["2345-7", "GLU", "718-7", "WBC", "1554", "85025", "8867-4", "HbA1c", "eGFR", "MPV%", "49765-1", "BASO#"]),
            ("DG1-3.1", &["E11.9", "250.00", "I10", "44054006", "38341003", "73211009", "Z59.0"]),
            ("RXA-5.1", &["08", "115", "207", "0069-2587-41", "00093721410", "313782", "00093-7214-10"]),
            (
                "OBX-6.1",
                &["mg/dL", "10*3/uL", "%", "mm[Hg]", "x10E3/uL", "mEq/L", "mL/min/{1.73_m2}", "K/uL", "seconds", "10^9/L", "umol/L"],
            ),
            ("OBX-8.1", &["H", "LL", "N", "A", "<", ">"]),
            ("OBX-7", &["3.5-5.0", "<5", ">=60", "70-99 mg/dL", "NEGATIVE", "0.5 - 1.2", "-2.0-2.0", "<5.7%", "(0.0-1.5)"]),
            (
                "OBX-3.2",
                &["Glucose [Mass/volume] in Blood", "SARS-CoV-2 RNA", "Vitamin B12", "25-Hydroxyvitamin D3", "Influenza 2023-2024"],
            ),
            ("NK1-3.1", &["SPO", "MTH", "EMC"]),
            ("RXR-1.1", &["PO", "IV", "IM"]),
            ("TQ1-3.1.1", &["BID", "Q6H", "QHS"]),
            ("TXA-2.1", &["DS", "HP", "PN"]),
        ];
        for (path, values) in passes {
            let shape = CodeShape::of_column(path, &PhiClass::Clinical).unwrap();
            for value in values {
                assert!(shape.fits(value), "{path} refuses {value}");
            }
            for text in ["Mr. John Smith", "555-0100", "1980-01-01", "SMITH, JOHN (MRN 4711936)", "123-45-6789", "123456789", "a@b.example"]
            {
                assert!(!shape.fits(text), "{path} lets {text} pass");
            }
            if shape != CodeShape::Display {
                for text in ["John Smith", "Smith", "Jos\u{e9}", "12 Elm Street", "19800101", "01311980", "5550100123", "SMITH JOHN Q"] {
                    assert!(!shape.fits(text), "{path} lets {text} pass");
                }
            }
        }
        let fits = |path: &str, value: &str| CodeShape::of_column(path, &PhiClass::Clinical).unwrap().fits(value);
        for (path, value) in [
            ("OBX-5.1", "Positive"),
            ("OBX-5.1", "not detected"),
            ("PV1-18.1", "Inpatient"),
            ("PV1-36.1", "Admitted as Inpatient"),
            ("PID-10.2", "Black or African American"),
            ("PID-10.2", "American Indian or Alaska Native"),
            ("PID-10.2", "Other Race"),
            ("NK1-3.2", "Mother"),
            ("PID-15.1", "E"),
            ("TXA-2.1", "11488-4"),
            ("OBX-6.1", "{titer}"),
            ("OBX-6.1", "1"),
            ("OBX-6.1", "breaths/min"),
            ("OBX-7", "1:20"),
            ("OBX-7", "<1 = Susceptible, >= 1 = Resistant"),
            ("OBX-8.1", "Abnormal"),
            ("OBR-4.2", "MR Brain"),
            ("Observation.valueQuantity.unit", "mg/dL"),
        ] {
            assert!(fits(path, value), "{path} refuses {value}");
        }
        for (path, value) in [
            ("OBX-3.1", "4-Jul-1961"),
            ("OBX-3.2", "Born 1961-07 in"),
            ("OBX-3.2", "see www.janedoe.org"),
            ("OBX-3.2", "living at 02139-4307"),
            ("OBX-3.1", "6175550109"),
            ("OBX-3.1", "www.janedoe.org"),
            ("PID-10.2", "Jane Doe"),
            ("NK1-3.2", "Jane Doe 742 Evergreen Terrace"),
            ("PV1-2.1", "482136"),
            ("Patient.address.state", "742 Zork Street, Zorkville 02139"),
            ("Observation.code.coding.code", "078-05-1120"),
            ("", "Jane Smith 617-555-0143"),
        ] {
            assert!(!fits(path, value), "{path} lets {value} pass");
        }
        assert!(snomed("22298006") && !snomed("22298007"));
    }

    #[test]
    fn numbers_with_the_digits_of_identifiers_are_no_measurements() {
        for number in [0.0, 98.6, 1e9, 123_456.0, 4_500_000.0, 120_000_000.0, 0.123_456_789, -12_345_678.5] {
            assert!(!has_more_digits(number, 7), "{number}");
        }
        for number in [19_800_101.0, 123_456_789.0, 5_550_100_123.0, -19_800_101.0, 1e16] {
            assert!(has_more_digits(number, 7), "{number}");
        }
    }
}
