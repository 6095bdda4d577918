//! Forms of text: types, patterns and check digits.

use regex::{Regex, RegexBuilder};
use sutura_core::{PartialDateTime, Precision};

use crate::spec::{CheckDigit, ValueType};

/// Compiled patterns, and the state they build while matching, stay below this many bytes.
const PATTERN_LIMIT: usize = 1 << 20;

/// Compiles a pattern that must match the whole value. The engine is linear in the value's length.
pub(crate) fn compile_pattern(pattern: &str) -> Result<Regex, String> {
    let compile = |pattern: &str| {
        RegexBuilder::new(pattern).size_limit(PATTERN_LIMIT).dfa_size_limit(PATTERN_LIMIT).build().map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => "the pattern is too large; use shorter repetitions".to_owned(),
            _ => "the pattern is not a valid regular expression; look-around and back-references are not supported".to_owned(),
        })
    };
    // By itself first, so that a stray parenthesis cannot close the group of the anchors.
    compile(pattern)?;
    compile(&format!("^(?:{pattern})$"))
}

/// The finite number a text holds.
pub(crate) fn parse_number(text: &str) -> Option<f64> {
    let text = text.trim();
    // The standard parser also takes "inf" and "nan" in many spellings; a measured number has neither.
    let starts_well = text.bytes().next().is_some_and(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.'));
    if !starts_well {
        return None;
    }
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

/// Whether a text reads as a type.
pub(crate) fn has_type(text: &str, value_type: ValueType) -> bool {
    let text = text.trim();
    match value_type {
        ValueType::Number => parse_number(text).is_some(),
        ValueType::Integer => text.parse::<i64>().is_ok(),
        ValueType::Boolean => {
            ["true", "false", "t", "f", "yes", "no", "y", "n", "1", "0"].iter().any(|word| text.eq_ignore_ascii_case(word))
        }
        ValueType::Date => PartialDateTime::parse_iso(text).is_some_and(|moment| moment.precision() <= Precision::Day),
        ValueType::Timestamp => PartialDateTime::parse_iso(text).is_some(),
    }
}

/// Whether a code's check digit is right. A code of another form fails.
pub(crate) fn check_digit_holds(text: &str, scheme: CheckDigit) -> bool {
    let bytes = text.trim().as_bytes();
    match scheme {
        CheckDigit::Loinc => match bytes {
            [number @ .., b'-', check] if !number.is_empty() && number.len() <= 7 && check.is_ascii_digit() => {
                luhn(0, number) == Some(check - b'0')
            }
            _ => false,
        },
        CheckDigit::Npi => match bytes {
            // 24 is what the prefix 80840 adds to the Luhn sum.
            [number @ .., check] if number.len() == 9 && check.is_ascii_digit() => luhn(24, number) == Some(check - b'0'),
            _ => false,
        },
        CheckDigit::SnomedCt => (6..=18).contains(&bytes.len()) && bytes[0] != b'0' && verhoeff_holds(bytes),
    }
}

/// The Mod 10 (Luhn) check digit of a number without its check digit.
fn luhn(start: u32, digits: &[u8]) -> Option<u8> {
    let mut sum = start;
    for (place, byte) in digits.iter().rev().enumerate() {
        if !byte.is_ascii_digit() {
            return None;
        }
        let digit = u32::from(byte - b'0');
        sum += if place % 2 == 0 { digit * 2 / 10 + digit * 2 % 10 } else { digit };
    }
    u8::try_from((10 - sum % 10) % 10).ok()
}

/// Whether a number with its Verhoeff check digit at the end is right (dihedral group D5).
fn verhoeff_holds(digits: &[u8]) -> bool {
    const PERMUTATION: [u8; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let product = |a: u8, b: u8| -> u8 {
        match (a < 5, b < 5) {
            (true, true) => (a + b) % 5,
            (true, false) => (a + b - 5) % 5 + 5,
            (false, true) => (a - 5 + 5 - b) % 5 + 5,
            (false, false) => (a + 5 - b) % 5,
        }
    };
    let mut check = 0;
    for (place, byte) in digits.iter().rev().enumerate() {
        if !byte.is_ascii_digit() {
            return false;
        }
        let mut digit = byte - b'0';
        for _ in 0..place % 8 {
            digit = PERMUTATION[usize::from(digit)];
        }
        check = product(check, digit);
    }
    check == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types() {
        for (value_type, good, bad) in [
            (
                ValueType::Number,
                vec!["1", "-1.5", ".5", "1e3", " 7 "],
                vec!["", "inf", "nan", "-inf", "+nan", "1,5", "<5", "1e999", "0x10"],
            ),
            (ValueType::Integer, vec!["1", "-7", "+3"], vec!["1.0", "", "9223372036854775808"]),
            (ValueType::Boolean, vec!["true", "N", "0"], vec!["2", "ja", ""]),
            (ValueType::Date, vec!["1980", "1980-06", "1980-06-30"], vec!["1980-06-31", "19800630", "1980-06-30T10"]),
            (ValueType::Timestamp, vec!["1980", "2026-03-14T15:09:26.5+05:30"], vec!["2026-03-14T25", "today"]),
        ] {
            for text in good {
                assert!(has_type(text, value_type), "{text:?} is a {value_type:?}");
            }
            for text in bad {
                assert!(!has_type(text, value_type), "{text:?} is no {value_type:?}");
            }
        }
    }

    #[test]
    fn patterns_match_whole_values_and_are_bounded() {
        let pattern = compile_pattern("[0-9]+|x").unwrap();
        assert!(pattern.is_match("12") && pattern.is_match("x"));
        assert!(!pattern.is_match("12x") && !pattern.is_match("1\n"));
        assert!(compile_pattern("(").is_err());
        assert!(compile_pattern("a)|(b").is_err(), "the anchors cannot be escaped");
        assert!(compile_pattern("((a{100}){100}){100}").is_err());
    }

    #[test]
    fn check_digits() {
        for code in ["2823-3", "718-7", "2345-7", "4548-4"] {
            assert!(check_digit_holds(code, CheckDigit::Loinc), "{code}");
        }
        for code in ["2823-4", "28233", "ABC-1", "-1", "", "-", "2823-"] {
            assert!(!check_digit_holds(code, CheckDigit::Loinc), "{code}");
        }
        assert!(check_digit_holds("1234567893", CheckDigit::Npi), "the example of the CMS standard");
        assert!(!check_digit_holds("1234567890", CheckDigit::Npi));
        for code in ["22298006", "73211009", "138875005", "404684003"] {
            assert!(check_digit_holds(code, CheckDigit::SnomedCt), "{code}");
        }
        assert!(!check_digit_holds("22298007", CheckDigit::SnomedCt));
        assert!(!check_digit_holds("22289006", CheckDigit::SnomedCt), "a transposition");
    }
}
