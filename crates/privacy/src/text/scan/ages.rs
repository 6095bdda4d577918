//! Ages: those over 89 identify, the others are quasi-identifiers.

use super::{Gap, Kind, Scan, TextClass};
use crate::text::rules::Trigger;

/// The oldest age that the law lets stay.
const OLDEST_SHOWN: u32 = 89;
/// Above this a number is no age.
const OLDEST: u32 = 125;

impl Scan<'_> {
    /// A number before "year old", "yo", or glued to a letter for the sex (`95F`, `95yo`).
    pub(crate) fn age(&mut self, at: usize) {
        let token = self.tokens[at];
        if token.kind == Kind::Mixed {
            return self.joined_age(at);
        }
        let Some(age) = self.number_at(at).filter(|age| *age <= OLDEST && token.chars <= 3) else { return };
        if at > 0 && token.gap == Gap::None && self.tokens[at - 1].is_one_of(b"./:,") {
            return;
        }
        let mut unit = at + 1;
        while self.get(unit).is_some_and(|next| next.is_sign(b'-') && next.gap <= Gap::Space) && unit < at + 2 {
            unit += 1;
        }
        let Some(len) = self.phrase(unit, Trigger::AgeUnit).filter(|_| self.tokens[unit].gap <= Gap::Line) else { return };
        if age > OLDEST_SHOWN {
            self.push(at, at + 1, TextClass::Age, "age.unit", 0.9);
        } else {
            self.push(at, unit + len, TextClass::AgeUnder90, "age.unit", 0.6);
        }
    }

    /// `95yo`, `95F`, `95y`.
    fn joined_age(&mut self, at: usize) {
        let word = self.word(at);
        let digits = word.bytes().take_while(u8::is_ascii_digit).count();
        if !(1..=3).contains(&digits) || word.len() > digits + 4 {
            return;
        }
        let age: u32 = word[..digits].parse().unwrap_or(u32::MAX);
        let rest = &word[digits..];
        let is_unit = ["yo", "y", "yr", "yrs", "m", "f", "yof", "yom", "a"].iter().any(|unit| rest.eq_ignore_ascii_case(unit));
        let short = rest.len() == 1;
        // `95F` stands before a verb or a blank, `90M` may be anything: only large letters, and not after a number.
        let before_is_number = at > 0 && self.tokens[at - 1].kind == Kind::Number;
        if !is_unit || short && (!matches!(rest, "M" | "F" | "y" | "Y") || before_is_number) {
            return;
        }
        if age > OLDEST_SHOWN && age <= OLDEST {
            let start = self.tokens[at].start;
            self.push_bytes(start, start + digits as u32, TextClass::Age, "age.joined", 0.85);
        } else if age <= OLDEST_SHOWN {
            self.push(at, at + 1, TextClass::AgeUnder90, "age.joined", 0.55);
        }
    }

    /// "aged 95", "in her 90s".
    pub(crate) fn age_cue(&mut self, at: usize, len: usize) {
        let mut place = at + len;
        while self.get(place).is_some_and(|token| token.is_one_of(b":=(") || token.is_sign(b'~')) && place < at + len + 3 {
            place += 1;
        }
        let near = self.get(place).is_some_and(|token| token.gap <= Gap::Wide);
        if !near {
            return;
        }
        let token = self.tokens[place];
        let glued = self.get(place + 1).is_some_and(|next| {
            next.gap == Gap::None && (next.is_one_of(b"/:.%") && self.get(place + 2).is_some_and(|after| after.gap == Gap::None))
        });
        if token.kind == Kind::Number && !glued && !self.unit_follows(place + 1) {
            self.push_age(place, "age.cue");
        } else if token.kind == Kind::Mixed {
            let word = self.word(place);
            if let Some(decade) = word.strip_suffix('s').and_then(|digits| digits.parse::<u32>().ok()) {
                let class = if (90..=OLDEST).contains(&decade) { TextClass::Age } else { TextClass::AgeUnder90 };
                if decade % 10 == 0 && decade <= OLDEST {
                    self.push(place, place + 1, class, "age.decade", 0.8);
                }
            }
        }
    }

    /// The value of the label "Age".
    pub(crate) fn age_value(&mut self, place: usize) {
        if self.get(place).is_some_and(|token| token.kind == Kind::Number && token.gap <= Gap::Wide) {
            self.push_age(place, "label.age");
        }
    }

    fn push_age(&mut self, at: usize, rule: &'static str) {
        let Some(age) = self.number_at(at).filter(|age| *age <= OLDEST) else { return };
        let class = if age > OLDEST_SHOWN { TextClass::Age } else { TextClass::AgeUnder90 };
        self.push(at, at + 1, class, rule, 0.82);
    }
}
