//! Numbers and codes without a label: those with a check digit or a fixed shape, and long ones that are nothing else.

use super::{Case, Gap, Kind, Scan, TextClass, lexicon};
use crate::text::checks;

impl Scan<'_> {
    /// An identifier that starts at a token of digits, or of digits and letters.
    pub(crate) fn loose_id(&mut self, at: usize) {
        // Letters joined by a hyphen belong to the number: `ST-998877`.
        let first = self.id_start(at);
        if self.taken[first] || first < at && self.tokens[first..at].iter().any(|token| matches!(token.kind, Kind::Number | Kind::Mixed)) {
            return;
        }
        let end = self.chunk(first);
        if self.grouped_id(at) {
            return;
        }
        let text = self.slice(first, end);
        if text.len() > 64 {
            return;
        }
        let mut plain = [0u8; 64];
        let mut len = 0;
        let (mut digits, mut letters, mut signs) = (0usize, 0usize, 0usize);
        for byte in text.bytes() {
            if byte.is_ascii_alphanumeric() {
                plain[len] = byte;
                len += 1;
                digits += usize::from(byte.is_ascii_digit());
                letters += usize::from(byte.is_ascii_alphabetic());
            } else if byte.is_ascii() {
                signs += 1;
            } else {
                return;
            }
        }
        let plain = &plain[..len];
        if let Some((class, rule)) = shaped(plain, text, digits, letters, signs) {
            return self.push(first, end, class, rule, 0.93);
        }
        if text.bytes().any(|byte| matches!(byte, b'/' | b'*' | b'+' | b'&')) || self.unit_follows(end) {
            return;
        }
        let points = text.bytes().filter(|byte| *byte == b'.').count();
        if points > 0 {
            // Unique identifiers of studies and devices; the identifiers of code systems stay.
            if points >= 5 && letters == 0 && digits >= 12 && !text.starts_with("2.16.840.1.113883") {
                self.push(first, end, TextClass::OtherId, "id.oid", 0.6);
            }
            return;
        }
        if letters == 0 {
            let long = if signs == 0 { digits >= 7 } else { digits >= 6 && self.is_hyphenated_number(first, end) };
            if long && !self.is_amount(first, end) {
                self.push(first, end, TextClass::OtherId, "id.number", 0.5);
            }
        } else if digits >= 5 && len <= 24 && !self.is_name_of_thing(first, end, text) {
            self.push(first, end, TextClass::OtherId, "id.code", 0.5);
        } else if is_uuid(text) {
            self.push(first, end, TextClass::OtherId, "id.uuid", 0.9);
        }
    }

    fn id_start(&self, at: usize) -> usize {
        let mut first = at;
        while first >= 2
            && at - first < 16
            && self.tokens[first].gap == Gap::None
            && self.tokens[first - 1].is_one_of(b"-_#")
            && self.tokens[first - 1].gap == Gap::None
        {
            let before = &self.tokens[first - 2];
            if before.kind == Kind::Sign {
                break;
            }
            first -= 2;
        }
        if first >= 1 && self.tokens[first].gap == Gap::None && self.tokens[first - 1].is_sign(b'#') {
            first -= 1;
        }
        first
    }

    /// Numbers written in groups with blanks or hyphens: social security numbers, NHS numbers, cards.
    fn grouped_id(&mut self, at: usize) -> bool {
        let mut digits = [0u8; 24];
        let mut len = 0;
        let mut sizes = [0u8; 8];
        let mut ends = [0usize; 8];
        let mut groups = 0;
        let mut place = at;
        let mut separator = 0u8;
        if at > 0 && self.tokens[at].gap == Gap::None && (self.tokens[at - 1].kind != Kind::Sign || self.tokens[at - 1].is_one_of(b"-./")) {
            return false;
        }
        while groups < 8 {
            let Some(token) = self.get(place).filter(|token| token.kind == Kind::Number) else { break };
            let word = self.word(place).as_bytes();
            if len + word.len() > digits.len() || !word.is_ascii() || groups > 0 && token.gap >= Gap::Wide {
                break;
            }
            digits[len..len + word.len()].copy_from_slice(word);
            len += word.len();
            sizes[groups] = word.len() as u8;
            ends[groups] = place + 1;
            groups += 1;
            let Some(next) = self.get(place + 1) else { break };
            let (sign, step) = if next.is_sign(b'-') && next.gap == Gap::None { (b'-', 2) } else { (b' ', 1) };
            if separator != 0 && sign != separator {
                break;
            }
            separator = sign;
            place += step;
        }
        if groups < 2 {
            return false;
        }
        let goes_on = |scan: &Self, end: usize| {
            scan.get(end).is_some_and(|token| token.gap == Gap::None && token.kind != Kind::Sign)
                || scan.get(end).is_some_and(|token| token.gap == Gap::None && token.is_one_of(b"-/"))
                    && scan.get(end + 1).is_some_and(|token| token.gap == Gap::None && token.kind != Kind::Sign)
        };
        if groups >= 4 && sizes[..3] == [4, 4, 4] {
            let total: usize = sizes[..groups].iter().map(|size| usize::from(*size)).sum();
            if checks::payment_card(&digits[..total]) {
                self.push(at, ends[groups - 1], TextClass::Account, "id.card", 0.95);
                return true;
            }
        }
        if sizes[..3] == [3, 2, 4] && !goes_on(self, ends[2]) {
            let score = if separator == b'-' || checks::ssn(&digits[..9]) { 0.87 } else { 0.5 };
            self.push(at, ends[2], TextClass::Ssn, "id.ssn", score);
            return true;
        }
        if sizes[..3] == [3, 3, 4] && separator == b' ' && checks::nhs(&digits[..10]) {
            self.push(at, ends[2], TextClass::HealthPlan, "id.nhs", 0.8);
            return true;
        }
        if sizes[..3] == [3, 3, 3] && !goes_on(self, ends[2]) && checks::luhn(&digits[..9]) {
            self.push(at, ends[2], TextClass::NationalId, "id.sin", 0.82);
            return true;
        }
        false
    }

    /// `123-45-678`, `1234-5678`: not a range, whose second number is the greater and of the same length as the first.
    fn is_hyphenated_number(&self, first: usize, end: usize) -> bool {
        let parts = self.tokens[first..end].iter().filter(|token| token.kind == Kind::Number).count();
        if parts != 2 || self.tokens[first].kind == Kind::Sign {
            return parts >= 2 || parts == 1;
        }
        let (a, b) = (self.number_at(first), self.number_at(end - 1));
        // `1995-2003` and `120000-150000` are ranges.
        !matches!((a, b), (Some(a), Some(b)) if a < b && self.tokens[first].chars == self.tokens[end - 1].chars && (a % 10 == 0 || a < 2100 && a > 1880))
    }

    /// A count or an amount: after a currency sign, before a unit, full of noughts, or with groups of three.
    fn is_amount(&self, first: usize, end: usize) -> bool {
        let before = first.checked_sub(1).and_then(|at| self.get(at));
        let after = self.get(end);
        let money = before.is_some_and(|token| token.is_sign(b'$') || token.hash == 0x20ac || token.hash == 0xa3);
        let decimal = after.is_some_and(|token| token.gap == Gap::None && token.is_sign(b'.'))
            && self.get(end + 1).is_some_and(|token| token.gap == Gap::None && token.kind == Kind::Number);
        money || decimal || self.word(first).ends_with("0000")
    }

    /// Genes, variants, doses and models: letters in one small word with a unit, or well known prefixes.
    fn is_name_of_thing(&self, first: usize, end: usize, text: &str) -> bool {
        if end - first == 1 {
            let letters_end = text.bytes().rev().take_while(u8::is_ascii_alphabetic).count();
            let tail = &text[text.len() - letters_end..];
            let digits_first =
                text.as_bytes()[0].is_ascii_digit() && text[..text.len() - letters_end].bytes().all(|byte| byte.is_ascii_digit());
            if digits_first && self.rules.lexicon.flags(crate::text::token::hash_word(tail)) & lexicon::UNIT != 0 {
                return true;
            }
        }
        let lower = text.to_ascii_lowercase();
        ["rs", "nm", "np", "nc", "chr", "enst", "ensg", "nct", "pmid", "doi", "iso", "cpt"].iter().any(|prefix| {
            lower
                .strip_prefix(prefix)
                .is_some_and(|rest| rest.trim_start_matches(['-', '_', ':']).bytes().all(|byte| byte.is_ascii_digit()))
        }) || lower.contains("del") && self.tokens[first].case == Case::Lower
    }

    /// A code of a terminology: it and the codes after it in a list identify nobody.
    pub(crate) fn code(&mut self, at: usize, len: usize) {
        let mut place = at + len;
        let mut codes = 0;
        let mut words = 0;
        while let Some(token) = self.get(place) {
            if token.gap >= Gap::Line || codes >= 12 || words > 2 {
                break;
            }
            if token.kind == Kind::Sign {
                if !token.is_one_of(b":#=-,;(/&") {
                    break;
                }
                place += 1;
            } else if matches!(token.kind, Kind::Number | Kind::Mixed) {
                let end = self.chunk(place);
                self.block(place, end, "code", 0.83);
                codes += 1;
                words = 0;
                place = end;
            } else {
                words += 1;
                place += 1;
            }
        }
    }
}

/// What a whole number or code is by its check digit or shape.
fn shaped(plain: &[u8], text: &str, digits: usize, letters: usize, signs: usize) -> Option<(TextClass, &'static str)> {
    let bare = signs == 0;
    match (plain.len(), letters) {
        (10, 0) if bare && checks::npi(plain) => Some((TextClass::Licence, "id.npi")),
        (13..=19, 0) if bare && checks::payment_card(plain) => Some((TextClass::Account, "id.card")),
        (9, 2) if bare && checks::dea(plain) => Some((TextClass::Licence, "id.dea")),
        (9, _) if (bare || signs == 1) && checks::dni(plain) => Some((TextClass::NationalId, "id.dni")),
        (9, 3) if bare && checks::nino(plain) => Some((TextClass::NationalId, "id.nino")),
        (11, _) if checks::mbi(plain) && (bare || text.len() == 13) => Some((TextClass::HealthPlan, "id.mbi")),
        (16, 9) if bare && checks::fiscal_code(plain) => Some((TextClass::NationalId, "id.fiscal-code")),
        (17, 1..) if bare && checks::vin(plain) => Some((TextClass::Vehicle, "id.vin")),
        (15..=34, 2..) if bare && checks::iban(plain) => Some((TextClass::Account, "id.iban")),
        _ if digits == 0 => None,
        _ => None,
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| if matches!(at, 8 | 13 | 18 | 23) { byte == b'-' } else { byte.is_ascii_hexdigit() })
}
