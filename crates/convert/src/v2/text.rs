//! Text of HL7 v2 as values of FHIR's primitive types.

use std::borrow::Cow;

use super::plan::Leaf;
pub(super) use crate::base64::{push as push_base64, push_sent as push_sent_base64};

/// The URI of a code system as CWE-3 names it; local names get one only below the base that the user states.
pub(super) fn code_system<'t>(name: &'t str, local_systems: Option<&str>) -> Option<Cow<'t, str>> {
    if name.is_empty() {
        return None;
    }
    if let Some(uri) = sutura_terminology::v2::coding_system_uri(name) {
        // A URN of what is no OID or UUID is no name of anything.
        return (super::functions::checked_urn(&uri).len() == uri.len()).then_some(uri);
    }
    let base = local_systems?;
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'+'));
    is_plain.then(|| Cow::Owned(format!("{base}{name}")))
}

/// Appends text as the value of a primitive. False, perhaps with something appended, if it is none.
pub(super) fn push(leaf: Leaf, plain: &str, out: &mut String) -> bool {
    // Control characters are blanks: text of nothing else says nothing.
    let text = plain.trim_matches(|char: char| char.is_whitespace() || char.is_control());
    if text.is_empty() {
        return false;
    }
    match leaf {
        Leaf::None | Leaf::CodeSystem | Leaf::Date | Leaf::DateTime | Leaf::Instant => false,
        Leaf::String => {
            push_text(text, out);
            true
        }
        Leaf::Markdown => {
            push_text(plain, out);
            true
        }
        Leaf::Code => {
            let words = text.split(|char: char| char.is_whitespace() || char.is_control()).filter(|word| !word.is_empty());
            for (number, word) in words.enumerate() {
                if number > 0 {
                    out.push(' ');
                }
                out.push_str(word);
            }
            true
        }
        Leaf::Id => {
            out.push_str(text);
            text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
        }
        Leaf::Language => {
            out.push_str(text);
            is_language(text)
        }
        Leaf::Uri => {
            let text = super::functions::checked_urn(text);
            out.push_str(text);
            !text.contains(|char: char| char.is_whitespace() || char.is_control())
        }
        Leaf::Time => super::time::write_time(text, out),
        Leaf::Boolean => {
            let value = match text {
                "Y" | "y" | "YES" | "true" | "T" => "true",
                "N" | "n" | "NO" | "false" | "F" => "false",
                _ => return false,
            };
            out.push_str(value);
            true
        }
        Leaf::Integer => push_integer(text, i64::from(i32::MIN), out),
        Leaf::Unsigned => push_integer(text, 0, out),
        Leaf::Positive => push_integer(text, 1, out),
        Leaf::Decimal => push_decimal(text, out),
        Leaf::Base64 => {
            push_base64(plain.as_bytes(), out);
            true
        }
    }
}

/// Whether a text has the form of a language tag (BCP 47).
fn is_language(text: &str) -> bool {
    let mut parts = text.split('-');
    let alphabetic = |part: &str| matches!(part.len(), 2 | 3) && part.bytes().all(|byte| byte.is_ascii_alphabetic());
    parts.next().is_some_and(alphabetic)
        && parts.all(|part| matches!(part.len(), 2..=8) && part.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// Text without control characters that FHIR strings cannot hold.
fn push_text(text: &str, out: &mut String) {
    let bad = |byte: u8| byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r');
    if text.bytes().any(bad) {
        out.extend(text.chars().map(|char| if char.is_ascii() && bad(char as u8) { ' ' } else { char }));
    } else {
        out.push_str(text);
    }
}

fn push_integer(text: &str, least: i64, out: &mut String) -> bool {
    let text = text.strip_prefix('+').unwrap_or(text);
    // "3.0" days are three.
    let whole = text.split_once('.').map_or(text, |(whole, fraction)| if fraction.bytes().all(|byte| byte == b'0') { whole } else { text });
    let Ok(number) = whole.parse::<i32>() else { return false };
    out.push_str(&number.to_string());
    i64::from(number) >= least
}

/// A number as it was sent, in the form that JSON asks for: no plus, no leading zeros, digits on both sides of the point.
pub(super) fn push_decimal(text: &str, out: &mut String) -> bool {
    let (sign, digits) = match text.as_bytes() {
        [b'-', ..] => ("-", &text[1..]),
        [b'+', ..] => ("", &text[1..]),
        _ => ("", text),
    };
    let (digits, exponent) = digits.split_once(['e', 'E']).map_or((digits, None), |(digits, exponent)| (digits, Some(exponent)));
    let power = exponent.map(|exponent| exponent.trim_start_matches(['+', '-']));
    // Beyond that a number is no measurement, and no number to most programs.
    if power.is_some_and(|power| !matches!(power.len(), 1 | 2) || !power.bytes().all(|byte| byte.is_ascii_digit()))
        || exponent.zip(power).is_some_and(|(exponent, power)| exponent.len() - power.len() > 1)
    {
        return false;
    }
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) || digits.len() > 40 {
        return false;
    }
    out.push_str(sign);
    let stripped = whole.trim_start_matches('0');
    out.push_str(if stripped.is_empty() { "0" } else { stripped });
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
    if let Some(exponent) = exponent {
        out.push('E');
        out.push_str(exponent);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pushed(leaf: Leaf, text: &str) -> Option<String> {
        let mut out = String::new();
        push(leaf, text, &mut out).then_some(out)
    }

    #[test]
    fn numbers_keep_what_was_sent() {
        for (text, number) in [
            ("5", "5"),
            ("+5.0", "5.0"),
            (".50", "0.50"),
            ("007", "7"),
            ("-0.1", "-0.1"),
            ("5.", "5"),
            ("0", "0"),
            ("1.5E2", "1.5E2"),
            ("1e-3", "1E-3"),
        ] {
            assert_eq!(pushed(Leaf::Decimal, text).as_deref(), Some(number), "{text}");
        }
        for bad in ["", "-", ".", "1e", "1e+-3", "1e400", "e5", "1,5", "<5", "five"] {
            assert_eq!(pushed(Leaf::Decimal, bad), None, "{bad}");
        }
        assert_eq!(pushed(Leaf::Positive, "-1"), None);
        assert_eq!(pushed(Leaf::Positive, "30.0").as_deref(), Some("30"));
    }

    #[test]
    fn texts_become_values() {
        assert_eq!(pushed(Leaf::Code, " a  b ").as_deref(), Some("a b"));
        assert_eq!(pushed(Leaf::Uri, "a b"), None);
        assert_eq!(pushed(Leaf::Boolean, "Y").as_deref(), Some("true"));
        assert_eq!(pushed(Leaf::String, "a\u{1}b").as_deref(), Some("a b"));
        assert_eq!(pushed(Leaf::String, " \u{1}\u{a0} "), None);
        assert_eq!(pushed(Leaf::Code, "a\u{1} b").as_deref(), Some("a b"));
        assert_eq!((pushed(Leaf::Id, "a_b"), pushed(Leaf::Id, "A-1.b").as_deref()), (None, Some("A-1.b")));
        assert_eq!((pushed(Leaf::Language, "English (US)"), pushed(Leaf::Language, "1")), (None, None));
        assert_eq!(pushed(Leaf::Language, "en-US").as_deref(), Some("en-US"));
        assert_eq!(pushed(Leaf::Base64, "Hello").as_deref(), Some("SGVsbG8="));
        let mut out = String::new();
        assert!(push_sent_base64("SGVs bG8", &mut out));
        assert_eq!(out, "SGVsbG8=");
        assert!(!push_sent_base64("AAAAA", &mut String::new()));
        assert_eq!(code_system("LN", None).as_deref(), Some("http://loinc.org"));
        assert_eq!(code_system("99LAB", None), None);
        assert_eq!(code_system("99LAB", Some("http://a/")).as_deref(), Some("http://a/99LAB"));
    }

    proptest! {
        #[test]
        fn any_decimal_is_json(text in "[-+]?[0-9.]{0,12}") {
            if let Some(number) = pushed(Leaf::Decimal, &text) {
                prop_assert!(serde_json::from_str::<f64>(&number).is_ok(), "{number}");
            }
        }
    }
}
