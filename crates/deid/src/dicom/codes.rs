//! Codes of terminologies (PS3.3 section 8): which schemes many use, and how their codes look.
//!
//! A scheme that somebody made for himself says where a file is from, and a text in the place of a code is nobody knows what: both go.

use std::{borrow::Cow, collections::HashMap, sync::LazyLock};

use sutura_dicom::{Element, Tag};
use sutura_privacy::has_verhoeff_digit;

use crate::text::Tokens;

pub(super) const VALUE: u32 = 0x0008_0100;
pub(super) const SCHEME: u32 = 0x0008_0102;
const VERSION: u32 = 0x0008_0103;
const MEANING: u32 = 0x0008_0104;
const LONG_VALUE: u32 = 0x0008_0119;
/// Every attribute of a code that is text.
const PARTS: [u32; 6] = [VALUE, 0x0008_0101, SCHEME, VERSION, MEANING, LONG_VALUE];

/// Where the meaning of a code that stays was not left as it was.
pub(super) const BY_CODE: &str = "meaning";

/// The codes of DICOM's own terminology (PS3.16 annex D) with what they mean.
static MEANINGS: LazyLock<HashMap<&'static str, &'static str>> = LazyLock::new(|| {
    let lines = include_str!("../../data/dcm_codes.tsv").lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once('\t')).collect()
});

/// What a code means, where that is known here.
pub(crate) fn known_meaning(scheme: &str, code: &str) -> Option<&'static str> {
    if scheme == "DCM" { MEANINGS.get(code).copied() } else { None }
}

/// Whether an element is the meaning of a code.
pub(crate) fn is_meaning(tag: Tag) -> bool {
    tag.0 == MEANING
}

/// Whether an element is part of a code.
pub(crate) fn is_part(tag: Tag) -> bool {
    PARTS.contains(&tag.0)
}

/// Whether a part of a code may stay as it is.
pub(crate) fn may_stay(element: &Element<'_>, tokens: &Tokens) -> bool {
    let text = element.text().unwrap_or_default();
    let item = element.data_set();
    let scheme = item.text(Tag(SCHEME)).unwrap_or_default();
    let Some(form) = form_of(&scheme) else { return text.is_empty() };
    if element.tag().0 == SCHEME {
        return true;
    }
    let value = [VALUE, LONG_VALUE].into_iter().find_map(|tag| item.text(Tag(tag))).unwrap_or(Cow::Borrowed(""));
    if !fits(form, &value) || tokens.are_in(&value) {
        return false;
    }
    match element.tag().0 {
        VALUE | LONG_VALUE => fits(form, &text),
        VERSION => {
            text.len() <= 16 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) && !tokens.are_in(&text)
        }
        // Looked at by what its code means.
        MEANING => text.chars().count() <= 128,
        _ => false,
    }
}

/// How the codes of a scheme look.
#[derive(Clone, Copy)]
enum Form {
    /// SNOMED CT: its check digit holds; or the older codes with a letter for the axis.
    Snomed,
    /// Six digits, of DICOM, or a few capital letters (modalities, orientations).
    Dicom,
    /// LOINC.
    Loinc,
    /// A unit.
    Unit,
    /// Letters and then digits: so many letters at most and so many digits.
    Lettered(usize, usize),
    /// ICD.
    Icd,
    /// Digits, so many at most.
    Number(usize),
    /// A language or country: two or three letters, and again.
    Language,
}

/// The form of a scheme's codes (PS3.16 section 8); `None` of a scheme that not everybody has.
fn form_of(scheme: &str) -> Option<Form> {
    Some(match scheme {
        "SCT" | "SRT" | "SNM3" | "99SDM" | "SRO" => Form::Snomed,
        "DCM" => Form::Dicom,
        "LN" => Form::Loinc,
        "UCUM" => Form::Unit,
        "RADLEX" => Form::Lettered(3, 6),
        "RADELEMENT" => Form::Lettered(3, 7),
        "I10" | "I10C" | "I10P" | "I9C" | "I9" | "ICD10" | "ICDO3" => Form::Icd,
        "NCIt" => Form::Lettered(1, 7),
        "UMLS" => Form::Lettered(1, 7),
        "FMA" | "RXNORM" | "MDC" | "NEU" | "CVX" => Form::Number(7),
        "RFC3066" | "RFC5646" | "ISO639_1" | "ISO639_2" | "ISO3166_1" => Form::Language,
        "SCPECG" => Form::Number(5),
        "PLC" | "BI" | "BARI" | "MA" | "C4" | "HPC" | "MSH" | "IBSI" => Form::Lettered(5, 6),
        _ => return None,
    })
}

fn fits(form: Form, code: &str) -> bool {
    let bytes = code.as_bytes();
    let digits = |bytes: &[u8]| !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit);
    match form {
        Form::Snomed if digits(bytes) => (6..=18).contains(&bytes.len()) && has_verhoeff_digit(code),
        // `T-A0100`, `R-00317`, `G-A185`; version 2 has a letter and a digit before the hyphen.
        Form::Snomed => code.split_once('-').is_some_and(|(axis, rest)| {
            let is_axis = (1..=2).contains(&axis.len()) && axis.as_bytes()[0].is_ascii_uppercase();
            is_axis
                && ((5..=6).contains(&rest.len()) || (axis == "G" && rest.len() == 4))
                && rest.bytes().all(|byte| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte))
        }),
        Form::Dicom if digits(bytes) => bytes.len() == 6 && (b"10".as_slice()..=b"13").contains(&&bytes[..2]),
        Form::Dicom => (1..=8).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_uppercase),
        Form::Loinc => code.split_once('-').is_some_and(|(number, check)| {
            (1..=6).contains(&number.len()) && digits(number.as_bytes()) && check.len() == 1 && digits(check.as_bytes())
        }),
        Form::Unit => {
            let letters = bytes.iter().filter(|byte| byte.is_ascii_alphabetic()).count();
            (1..=32).contains(&bytes.len())
                && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-./[]{}*%^_'+#".contains(byte))
                && bytes.iter().filter(|byte| byte.is_ascii_digit()).count() <= 4
                && (letters <= 8 || code.contains(['{', '[']))
        }
        Form::Lettered(letters, numbers) => {
            let start = code.bytes().take_while(u8::is_ascii_alphabetic).count();
            let rest = &bytes[start..];
            start <= letters && rest.len() <= numbers && rest.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.') && !bytes.is_empty()
        }
        Form::Icd => {
            (3..=8).contains(&bytes.len())
                && bytes.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"./".contains(byte))
                && bytes.iter().filter(|byte| byte.is_ascii_digit()).count() >= 2
        }
        Form::Language => {
            let is_part = |part: &str| (2..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphabetic());
            code.split('-').count() <= 2 && code.split('-').all(is_part)
        }
        Form::Number(most) => digits(bytes) && bytes.len() <= most,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_the_form_of_their_scheme() {
        for (scheme, code) in [
            ("SCT", "39607008"),
            ("SCT", "T-28000"),
            ("SRT", "R-00317"),
            ("SRT", "T-A0100"),
            ("SRT", "G-A185"),
            ("DCM", "121071"),
            ("DCM", "CT"),
            ("LN", "18748-4"),
            ("UCUM", "mm"),
            ("UCUM", "[hnsf'U]"),
            ("UCUM", "{ratio}"),
            ("UCUM", "1"),
            ("RADLEX", "RID1301"),
            ("I10", "C34.1"),
            ("NCIt", "C94970"),
            ("FMA", "7088"),
            ("RFC3066", "en-US"),
        ] {
            assert!(fits(form_of(scheme).unwrap(), code), "{scheme} {code}");
        }
        for (scheme, code) in [
            ("SCT", "4711998"),
            ("SCT", "KNEE-DOE"),
            ("SCT", "P-4711"),
            ("DCM", "19611224"),
            ("DCM", "Doe"),
            ("LN", "Doe-1"),
            ("UCUM", "Kowalewska"),
            ("FMA", "19611224"),
        ] {
            assert!(!fits(form_of(scheme).unwrap(), code), "{scheme} {code}");
        }
        assert!(form_of("99LEAKHOSP").is_none() && form_of("L").is_none());
    }
}
