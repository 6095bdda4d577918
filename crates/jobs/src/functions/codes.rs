//! Codes found in text. Check digits decide where the system has them, so that a telephone number is no LOINC code.

use arrow::array::ArrayRef;

use super::map_text;
use crate::model::CodeSystem;

/// The codes of one system in each value, in order, each once, separated by a space.
pub fn extract(column: &ArrayRef, system: CodeSystem) -> Result<ArrayRef, String> {
    map_text(column, |value, out| {
        let mut found: Vec<String> = Vec::new();
        // A code is a run of letters, digits, points and hyphens; points and hyphens at the ends belong to the sentence.
        for word in value.split(|character: char| !(character.is_ascii_alphanumeric() || matches!(character, '.' | '-'))) {
            let word = word.trim_matches(|character| matches!(character, '.' | '-'));
            if let Some(code) = recognise(word, system)
                && !found.contains(&code)
            {
                found.push(code);
            }
        }
        out.push_str(&found.join(" "));
        !found.is_empty()
    })
}

fn recognise(word: &str, system: CodeSystem) -> Option<String> {
    let fits = match system {
        CodeSystem::Loinc => is_loinc(word),
        CodeSystem::Icd10 => is_icd10(word),
        CodeSystem::Snomed => is_snomed(word),
        CodeSystem::Ndc => is_ndc(word),
    };
    fits.then(|| word.to_ascii_uppercase())
}

fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// One to seven digits, a hyphen, and a check digit by the Luhn rule.
fn is_loinc(word: &str) -> bool {
    let Some((number, check)) = word.split_once('-') else { return false };
    if !all_digits(number) || number.len() > 7 || check.len() != 1 || !all_digits(check) {
        return false;
    }
    let sum: u32 = number
        .bytes()
        .rev()
        .enumerate()
        .map(|(position, digit)| {
            let digit = u32::from(digit - b'0');
            let doubled = if position % 2 == 0 { digit * 2 } else { digit };
            doubled / 10 + doubled % 10
        })
        .sum();
    (10 - sum % 10) % 10 == u32::from(check.as_bytes()[0] - b'0')
}

/// A letter, a digit, a digit or letter; then up to four characters after a point.
fn is_icd10(word: &str) -> bool {
    let (category, rest) = word.split_once('.').map_or((word, None), |(category, rest)| (category, Some(rest)));
    let [letter, digit, third] = category.as_bytes() else { return false };
    let shape = letter.is_ascii_uppercase() && digit.is_ascii_digit() && (third.is_ascii_digit() || third.is_ascii_uppercase());
    shape
        && rest
            .is_none_or(|rest| (1..=4).contains(&rest.len()) && rest.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase()))
}

/// 6 to 18 digits with a right Verhoeff check digit.
fn is_snomed(word: &str) -> bool {
    (6..=18).contains(&word.len()) && !word.starts_with('0') && sutura_privacy::has_verhoeff_digit(word)
}

/// Labeller, product and package: 4-4-2, 5-3-2, 5-4-1 or 5-4-2 digits.
fn is_ndc(word: &str) -> bool {
    let parts: Vec<&str> = word.split('-').collect();
    parts.iter().all(|part| all_digits(part))
        && matches!(parts.iter().map(|part| part.len()).collect::<Vec<_>>().as_slice(), [4, 4, 2] | [5, 3, 2] | [5, 4, 1 | 2])
}

#[cfg(test)]
mod tests {
    use super::{super::testing::one, *};

    #[test]
    fn codes_are_found_and_look_alikes_are_not() {
        let cases = [
            (CodeSystem::Loinc, "Glucose 2345-7, again 2345-7; HbA1c (4548-4).", Some("2345-7 4548-4")),
            (CodeSystem::Loinc, "call 555-1234 or 2345-8", None),
            (CodeSystem::Icd10, "E11.9 with I10, not A1 nor e11", Some("E11.9 I10")),
            (CodeSystem::Icd10, "S72.001A.", Some("S72.001A")),
            (CodeSystem::Snomed, "fracture 22298006 or 22298007; 123", Some("22298006")),
            (CodeSystem::Snomed, "73211009 and 38341003", Some("73211009 38341003")),
            (CodeSystem::Ndc, "take 0002-8215-01 and 50242-040-62", Some("0002-8215-01 50242-040-62")),
            (CodeSystem::Ndc, "123-45-6789", None),
        ];
        for (system, given, wanted) in cases {
            assert_eq!(one(given, |column| extract(column, system)).as_deref(), wanted, "{given}");
        }
    }
}
