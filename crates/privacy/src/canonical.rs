//! One form for values that mean the same, so that they get the same pseudonym, code and shift.

use std::borrow::Cow;

use icu_normalizer::ComposingNormalizerBorrowed;

/// The canonical form of a value of `kind` (a PHI class word, or a policy's own kind):
///
/// - every kind: Unicode NFKC, no white space at the ends;
/// - `email`, `url`: lower case (domain names have no case, mail boxes in practice neither);
/// - `ssn`, `phone`, `fax`: digits only, where there are any;
/// - `name`: upper case, inner white space as one space.
///
/// Identifiers keep case, inner space and leading zeros: `00123` and `123` may be two people.
pub fn canonical<'v>(kind: &str, value: &'v str) -> Cow<'v, str> {
    let text = if value.is_ascii() {
        Cow::Borrowed(value.trim_ascii())
    } else {
        match ComposingNormalizerBorrowed::new_nfkc().normalize(value) {
            Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
            Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
        }
    };
    match kind {
        "email" | "url" if text.chars().any(char::is_uppercase) => Cow::Owned(text.to_lowercase()),
        "ssn" | "phone" | "fax" if text.bytes().any(|b| b.is_ascii_digit()) && !text.bytes().all(|b| b.is_ascii_digit()) => {
            Cow::Owned(text.chars().filter(char::is_ascii_digit).collect())
        }
        "name" => Cow::Owned(text.split_whitespace().collect::<Vec<_>>().join(" ").to_uppercase()),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_the_same_is_the_same() {
        for (kind, a, b) in [
            ("mrn", " 00123 ", "00123"),
            ("mrn", "\u{ff21}\u{ff11}", "A1"),
            ("mrn", "\u{3000}A1\u{a0}", "A1"),
            ("name", "jose\u{301}  de la\tCruz", "JOS\u{c9} DE LA CRUZ"),
            ("email", "A@Example.org", "a@example.org"),
            ("ssn", "123-45-6789", "123456789"),
            ("phone", "(555) 010-1234", "555 010 1234"),
        ] {
            assert_eq!(canonical(kind, a), canonical(kind, b), "{kind}");
        }
    }

    #[test]
    fn what_may_differ_stays_different() {
        for (kind, a, b) in [("mrn", "00123", "123"), ("mrn", "a1", "A1"), ("mrn", "A 1", "A1"), ("phone", "none", "n/a")] {
            assert_ne!(canonical(kind, a), canonical(kind, b), "{kind}");
        }
    }
}
