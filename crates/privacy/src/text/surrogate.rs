//! Made-up values: the same for the same value of the same patient, of the same kind and shape, chosen by a keyed hash.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{Rules, TextClass, token::folded};

/// A source of made-up values for one patient. Nothing is stored: a keyed hash of patient, class and value chooses.
#[derive(Clone)]
pub struct Surrogates {
    key: [u8; 32],
    shift_days: i32,
}

impl fmt::Debug for Surrogates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Surrogates(redacted)")
    }
}

impl Surrogates {
    /// The surrogates of one patient under a secret key. `shift_days` moves the patient's dates.
    pub fn new(key: &[u8; 32], patient: &str, shift_days: i32) -> Self {
        Self { key: keyed(key, &[b"sutura text surrogates", patient.as_bytes()]), shift_days }
    }

    pub(crate) fn shift_days(&self) -> i32 {
        self.shift_days
    }

    fn number(&self, class: &str, value: &str) -> u64 {
        let hash = keyed(&self.key, &[class.as_bytes(), value.as_bytes()]);
        u64::from_le_bytes([hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7]])
    }

    /// Writes a value in place of `value`; `false` where the class has none.
    pub(crate) fn write(&self, rules: &Rules, value: &str, class: TextClass, out: &mut String) -> bool {
        let lists = &rules.0.surrogates;
        match class {
            TextClass::Name => self.name(rules, value, out),
            TextClass::Hospital => self.choose(&lists.hospital, class, value, out),
            TextClass::Organisation => self.choose(&lists.organisation, class, value, out),
            TextClass::City => self.choose(&lists.city, class, value, out),
            TextClass::Street => {
                out.push_str(&(1 + self.number("street number", &folded(value)) % 999).to_string());
                out.push(' ');
                self.choose(&lists.street, class, value, out)
            }
            TextClass::Email => {
                out.push_str("person");
                out.push_str(&(self.number("email", &value.to_lowercase()) % 1_000_000).to_string());
                out.push_str("@example.org");
                true
            }
            TextClass::Url => {
                out.push_str("https://example.org/");
                out.push_str(&(self.number("url", value) % 1_000_000).to_string());
                true
            }
            TextClass::Ip => {
                // The addresses that RFC 5737 keeps for examples.
                out.push_str("192.0.2.");
                out.push_str(&(self.number("ip", value) % 256).to_string());
                true
            }
            TextClass::Zip
            | TextClass::Phone
            | TextClass::Fax
            | TextClass::Ssn
            | TextClass::Mrn
            | TextClass::HealthPlan
            | TextClass::Account
            | TextClass::Licence
            | TextClass::Vehicle
            | TextClass::Device
            | TextClass::NationalId
            | TextClass::OtherId => {
                self.same_shape(value, class, out);
                true
            }
            _ => false,
        }
    }

    fn choose(&self, list: &[String], class: TextClass, value: &str, out: &mut String) -> bool {
        let Some(chosen) = pick(list, self.number(class.as_str(), &folded(value))) else { return false };
        out.push_str(chosen);
        true
    }

    /// Each word by itself, so that `Shea, Rhonda` and `Ms. Shea` stay one person. Initials follow the letter, particles and
    /// titles stay.
    fn name(&self, rules: &Rules, value: &str, out: &mut String) -> bool {
        let lists = &rules.0.surrogates;
        if lists.given.is_empty() || lists.family.is_empty() {
            return false;
        }
        let mut word_start = None;
        for (at, character) in value.char_indices().chain([(value.len(), ' ')]) {
            if character.is_alphabetic() && at < value.len() {
                word_start.get_or_insert(at);
                continue;
            }
            if let Some(start) = word_start.take() {
                self.name_word(rules, &value[start..at], out);
            }
            if at < value.len() {
                out.push(character);
            }
        }
        true
    }

    fn name_word(&self, rules: &Rules, word: &str, out: &mut String) {
        let lists = &rules.0.surrogates;
        let plain = folded(word);
        let number = self.number("name", &plain);
        if word.chars().count() == 1 {
            out.push(char::from(b'A' + (number % 26) as u8));
            return;
        }
        let flags = rules.0.lexicon.flags(super::token::hash_word(word));
        let given = flags & super::lexicon::GIVEN != 0 && flags & super::lexicon::FAMILY == 0;
        let chosen = pick(if given { &lists.given } else { &lists.family }, number).unwrap_or_default();
        if word.chars().all(char::is_uppercase) {
            out.push_str(&chosen.to_uppercase());
        } else if word.chars().all(char::is_lowercase) {
            out.push_str(&chosen.to_lowercase());
        } else {
            out.push_str(chosen);
        }
    }

    /// Digits for digits, letters for letters, signs as they are.
    fn same_shape(&self, value: &str, class: TextClass, out: &mut String) {
        let plain: String = value.chars().filter(char::is_ascii_alphanumeric).collect();
        let mut number = self.number(class.as_str(), &plain.to_ascii_lowercase());
        for character in value.chars() {
            // A simple generator; what it starts from is secret.
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let draw = (number >> 33) as u32;
            out.push(match character {
                '0'..='9' => char::from(b'0' + (draw % 10) as u8),
                'a'..='z' => char::from(b'a' + (draw % 26) as u8),
                'A'..='Z' => char::from(b'A' + (draw % 26) as u8),
                other if other.is_alphanumeric() => 'X',
                other => other,
            });
        }
    }
}

fn pick(list: &[String], number: u64) -> Option<&str> {
    let count = u64::try_from(list.len()).ok().filter(|count| *count > 0)?;
    usize::try_from(number % count).ok().and_then(|at| list.get(at)).map(String::as_str)
}

fn keyed(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    // HMAC takes keys of every length; the error cannot happen.
    let Ok(mut mac) = <Hmac<Sha256> as KeyInit>::new_from_slice(key) else { return [0; 32] };
    for part in parts {
        mac.update(&(part.len() as u64).to_le_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}
