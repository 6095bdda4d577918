//! Names without a cue, and bare repetitions of names that the note stated plainly.
//!
//! A capital word that no list knows is as likely a name as one of the census, so that names of every origin are found alike.

use super::{
    Case, Gap, Letters, Scan, TextClass, Token, lexicon,
    names::{NAMES, PLAIN, is_sure_given},
};
use crate::text::rules::Trigger;

impl Scan<'_> {
    /// A capital word without any cue.
    pub(crate) fn name_without_cue(&mut self, at: usize) {
        let token = self.tokens[at];
        if self.taken[at] {
            return;
        }
        if !token.is_capital() || self.letters == Letters::AllSmall {
            return self.small_name(at);
        }
        if token.is_initial() {
            return self.initial_and_name(at);
        }
        if token.chars < 2 || token.flags & (lexicon::FUNCTION | lexicon::HEADING) != 0 && token.flags & lexicon::GIVEN == 0 {
            return;
        }
        if self.listed_place(at) {
            return;
        }
        if token.case == Case::Upper && self.letters == Letters::Normal {
            return self.shouted_name(at);
        }
        if self.letters == Letters::AllLarge {
            return self.shouted_name(at);
        }
        let sure_given = is_sure_given(&token);
        let sure_family = is_sure_family(&token);
        let unknown = is_unknown(&token);
        let sentence = self.starts_sentence(at);
        let Some(next) = self.get(at + 1) else {
            if sure_given && !sentence {
                self.push(at, at + 1, TextClass::Name, "name.given", 0.5);
            }
            return;
        };
        // `Shea, Rhonda`
        if next.is_sign(b',') && next.gap == Gap::None && (sure_family || unknown && !sentence) {
            let given = self.get(at + 2).filter(|given| given.gap == Gap::Space && given.case == Case::Title && is_sure_given(given));
            if given.is_some()
                && self.get(at + 2).is_some_and(|given| given.flags & lexicon::CITY == 0 || sure_family)
                && !self.get(at + 3).is_some_and(|after| after.is_sign(b','))
            {
                let end = self.full_name(at + 2, 2, false);
                self.push(at, end, TextClass::Name, "name.last-first", 0.62);
                return;
            }
        }
        let is_hyphen = next.is_sign(b'-')
            && next.gap == Gap::None
            && self.get(at + 2).is_some_and(|after| after.gap == Gap::None && after.case == Case::Title);
        if next.is_word() && next.gap <= Gap::Space || is_hyphen {
            self.name_of_words(at);
        } else if sure_given || sure_family || token.flags & NAMES != 0 || unknown {
            self.single_name(at);
        }
    }

    pub(crate) fn name_of_words(&mut self, at: usize) {
        let token = self.tokens[at];
        let (sure_given, sure_family, unknown) = (is_sure_given(&token), is_sure_family(&token), is_unknown(&token));
        let sentence = self.starts_sentence(at);
        let given = token.flags & lexicon::GIVEN != 0;
        let mut second = at + 1;
        if self.tokens[second].is_sign(b'-') {
            second += 2;
            if self.get(second).is_none_or(|next| !next.is_word() || next.gap > Gap::Space) {
                return self.single_name(at);
            }
        }
        // `Anna S.`, `Tara B. Cooper`
        if self.tokens[second].is_initial() {
            let point = self.get(second + 1).is_some_and(|sign| sign.is_sign(b'.') && sign.gap == Gap::None);
            let after = second + 1 + usize::from(point);
            let surname = self.get(after).filter(|next| {
                next.gap <= Gap::Space
                    && next.case == Case::Title
                    && next.flags & (lexicon::FUNCTION | lexicon::HEADING) == 0
                    && (next.flags & PLAIN == 0 || next.flags & lexicon::FAMILY != 0 && next.flags & lexicon::CLINICAL == 0)
            });
            if let (Some(_), true) = (surname, given || sure_family || unknown) {
                let end = self.full_name(after, 2, false);
                if !self.eponym_follows(end) && (!sentence || given || token.flags & lexicon::COMMON == 0) {
                    self.push(at, end, TextClass::Name, "name.middle-initial", if point { 0.68 } else { 0.58 });
                    return;
                }
            }
            if given && (point || sure_given) && !(sentence && token.flags & PLAIN != 0) && token.flags & lexicon::CLINICAL == 0 {
                self.push(at, second + 1 + usize::from(point), TextClass::Name, "name.given-initial", 0.63);
            }
            return;
        }
        let mut place = second;
        while let Some(len) = self.phrase(place, Trigger::Particle).filter(|_| self.tokens[place].gap <= Gap::Space) {
            place += len;
            if place > second + 3 || self.get(place).is_none() {
                break;
            }
        }
        let Some(last) = self.get(place).filter(|last| last.is_word() && last.gap <= Gap::Space) else {
            return self.single_name(at);
        };
        let capital = matches!(last.case, Case::Title | Case::Mixed);
        if !capital || last.flags & (lexicon::FUNCTION | lexicon::HEADING | lexicon::EPONYM_NOUN) != 0 && last.flags & NAMES == 0 {
            return self.single_name(at);
        }
        let last_family = is_sure_family(last);
        let last_name = last.flags & NAMES != 0;
        let last_unknown = is_unknown(last);
        let last_plain = last.flags & (lexicon::COMMON | lexicon::CLINICAL | lexicon::EPONYM_NOUN) != 0;
        let medical = (token.flags | last.flags) & lexicon::CLINICAL != 0;
        let accepted = if sure_given {
            (last_family || last_unknown || last_name && !medical) && !(last_plain && last.flags & lexicon::FAMILY == 0)
        } else if given && !medical {
            last_family
                || last_unknown && !(sentence && token.flags & lexicon::COMMON != 0)
                || last_name && !last_plain
                || !sentence && last.flags & lexicon::FAMILY != 0 && token.flags & lexicon::COMMON == 0
        } else if unknown || sure_family {
            (last_unknown || last_family || is_sure_given(last)) && !medical
        } else {
            false
        };
        if !accepted {
            return self.single_name(at);
        }
        let end = self.full_name(place, 2, false).max(place + 1);
        let located = at > 0 && self.phrase(at - 1, Trigger::PlacePreposition) == Some(1);
        let branded = self.get(end).is_some_and(|sign| sign.kind == super::Kind::Sign && matches!(sign.hash, 0xae | 0x2122));
        if self.eponym_follows(end)
            || branded
            || self.is_place(at, end) && (!sure_given || located)
            || self.trigger_of(place, |trigger| matches!(trigger, Trigger::State | Trigger::Country)).is_some() && !sure_given
        {
            return;
        }
        let score = if sure_given {
            0.66
        } else if given {
            0.61
        } else {
            0.55
        };
        self.push(at, end, TextClass::Name, "name.words", score);
    }

    /// One capital word: a sure given name, or a family name that does what persons do.
    pub(crate) fn single_name(&mut self, at: usize) {
        let token = self.tokens[at];
        let (sure_given, sure_family, unknown) = (is_sure_given(&token), is_sure_family(&token), is_unknown(&token));
        let sentence = self.starts_sentence(at);
        if token.case != Case::Title
            || token.chars < 3
            || self.eponym_follows(at + 1)
            || token.flags & (lexicon::EPONYM | lexicon::CLINICAL) != 0
        {
            return;
        }
        let glued = self.get(at + 1).is_some_and(|next| next.gap == Gap::None && next.is_one_of(b"-/_"))
            || at > 0 && token.gap == Gap::None && self.tokens[at - 1].is_one_of(b"-/_");
        if glued {
            return;
        }
        let acts = self.get(at + 1).is_some_and(|next| next.gap == Gap::Space && next.is_word() && next.flags & lexicon::PERSON_VERB != 0);
        let owns = self.possessive(at + 1);
        let cued = at > 0
            && token.gap <= Gap::Line
            && self.tokens[at - 1].flags & lexicon::PERSON_CUE != 0
            && self.tokens[at - 1].case == Case::Lower;
        let located = at > 0 && token.gap <= Gap::Line && self.phrase(at - 1, Trigger::PlacePreposition) == Some(1);
        let place = token.flags & lexicon::CITY != 0
            && (located
                || self.get(at + 1).is_some_and(|sign| sign.is_sign(b','))
                    && self.trigger_of(at + 2, |trigger| matches!(trigger, Trigger::State | Trigger::Country)).is_some());
        let branded = self.get(at + 1).is_some_and(|sign| sign.kind == super::Kind::Sign && matches!(sign.hash, 0xae | 0x2122));
        if branded {
            return;
        }
        if located && self.trigger_of(at, |trigger| matches!(trigger, Trigger::State | Trigger::Country)).is_some() {
            return;
        }
        let alone = !sentence || token.flags & (lexicon::WORD | lexicon::CITY) == 0;
        if sure_given && (alone && !place || acts || owns || cued) {
            self.push(at, at + 1, TextClass::Name, "name.given", if acts || owns || cued { 0.62 } else { 0.52 });
        } else if (sure_family || unknown) && (acts || owns && !place && sure_family || cued && sure_family && !place) {
            self.push(at, at + 1, TextClass::Name, "name.acts", 0.56);
        } else if token.flags & NAMES != 0 && acts && !sentence && token.flags & (lexicon::FUNCTION | lexicon::HEADING) == 0 {
            self.push(at, at + 1, TextClass::Name, "name.acts", 0.5);
        }
    }

    /// `J. Daniel`, `A. B. Carson`.
    pub(crate) fn initial_and_name(&mut self, at: usize) {
        let mut place = at;
        let mut points = 0;
        while self.get(place).is_some_and(|token| token.is_initial() && (place == at || token.gap <= Gap::Space))
            && self.get(place + 1).is_some_and(|sign| sign.is_sign(b'.') && sign.gap == Gap::None)
        {
            place += 2;
            points += 1;
            if points > 3 {
                return;
            }
        }
        let Some(name) = self.get(place).filter(|name| {
            points > 0 && name.is_word() && name.chars > 2 && name.gap <= Gap::Space && matches!(name.case, Case::Title | Case::Mixed)
        }) else {
            return;
        };
        let fits = is_sure_family(name)
            || is_unknown(name)
            || is_sure_given(name)
            || name.flags & lexicon::FAMILY != 0 && name.flags & (lexicon::COMMON | lexicon::CLINICAL) == 0;
        // A letter that ends a sentence: "vitamin D. Daniel".
        let ends_sentence = at > 0 && self.tokens[at].gap == Gap::Space && self.tokens[at - 1].flags & lexicon::CLINICAL != 0;
        if !fits || ends_sentence || self.eponym_follows(place + 1) {
            return;
        }
        let end = self.full_name(place, 2, false);
        self.push(at, end, TextClass::Name, "name.initial", 0.6);
    }

    /// Names in large letters: two words of the lists, or `SMITH, JOHN`.
    pub(crate) fn shouted_name(&mut self, at: usize) {
        let token = self.tokens[at];
        if token.chars < 3 && token.flags & NAMES == 0 || token.flags & (lexicon::FUNCTION | lexicon::HEADING | lexicon::CLINICAL) != 0 {
            return;
        }
        let Some(next) = self.get(at + 1) else { return };
        if next.is_sign(b',') && next.gap == Gap::None && token.flags & lexicon::FAMILY != 0 && token.flags & lexicon::COMMON == 0 {
            let given =
                self.get(at + 2).filter(|given| given.gap == Gap::Space && given.is_capital() && is_sure_given(given) && given.chars > 2);
            if given.is_some() && token.chars > 3 {
                let end = self.full_name(at + 2, 2, false);
                self.push(at, end, TextClass::Name, "name.last-first", 0.6);
            }
            return;
        }
        if next.gap != Gap::Space || !is_sure_given(&token) || token.chars < 3 {
            return;
        }
        let initial =
            usize::from(next.is_initial()) + usize::from(next.is_initial() && self.get(at + 2).is_some_and(|sign| sign.is_sign(b'.')));
        let Some(last) = self
            .get(at + 1 + initial)
            .filter(|last| last.is_word() && last.gap <= Gap::Space && last.case == Case::Upper && last.chars > 2)
        else {
            return;
        };
        if is_sure_family(last)
            || is_unknown(last) && last.chars > 4 && self.letters == Letters::AllLarge
            || last.flags & lexicon::FAMILY != 0 && last.flags & (PLAIN | lexicon::EPONYM) == 0
        {
            self.push(at, at + 2 + initial, TextClass::Name, "name.words", 0.58);
        }
    }

    /// Names in a note without capitals: a sure given name and a family name.
    pub(crate) fn small_name(&mut self, at: usize) {
        let token = self.tokens[at];
        if token.case != Case::Lower && self.letters != Letters::AllSmall
            || !is_sure_given(&token)
            || token.flags & lexicon::WORD != 0
            || token.chars < 3
        {
            return;
        }
        let Some(next) = self.get(at + 1).filter(|next| next.gap == Gap::Space && next.is_word() && next.chars > 2) else { return };
        let unknown = self.letters == Letters::AllSmall && next.flags & (PLAIN | lexicon::WORD | lexicon::EPONYM) == 0 && next.chars > 3;
        if is_sure_family(next) && next.case == token.case || unknown {
            self.push(at, at + 2, TextClass::Name, "name.words", 0.54);
        }
    }

    /// Bare repetitions of names that the note stated plainly.
    pub(crate) fn learned_names(&mut self) {
        if self.learned.is_empty() {
            return;
        }
        let whole = self.letters;
        for at in 0..self.tokens.len() {
            let token = self.tokens[at];
            if at == 0 || token.gap >= Gap::Line {
                self.letters = self.letters_from(at, whole);
            }
            if !token.is_word() || token.chars < 2 || !self.learned.contains(token.hash) || self.taken[at] {
                continue;
            }
            let owns = self.possessive(at + 1);
            let acts = owns || self.get(at + 1).is_some_and(|next| next.gap == Gap::Space && next.flags & lexicon::PERSON_VERB != 0);
            let plain = token.flags & (PLAIN | lexicon::WORD) != 0;
            let fits = match self.letters {
                Letters::Normal if token.case == Case::Lower => !plain && token.chars > 3 && token.flags & NAMES != 0,
                Letters::Normal => {
                    token.is_capital()
                        && (!plain || !self.starts_sentence(at) || acts)
                        && !(token.case == Case::Upper && plain && token.chars < 5)
                }
                Letters::AllSmall | Letters::AllLarge => !plain || owns,
            };
            // "Wilson disease" stays, also in the note of a Mr Wilson.
            if fits
                && !self.eponym_follows(at + 1)
                && !(token.is_capital() && self.phrase(at, Trigger::Clinical).is_some_and(|len| len > 1))
            {
                self.push(at, at + 1, TextClass::Name, "name.repeated", 0.74);
            }
        }
    }
}

fn is_sure_family(token: &Token) -> bool {
    token.flags & lexicon::FAMILY != 0 && token.flags & (PLAIN | lexicon::EPONYM | lexicon::WORD) == 0
}

/// A word that no list knows: as likely a name as any.
fn is_unknown(token: &Token) -> bool {
    token.flags & !lexicon::PHRASE == 0 && token.chars > 1 && (token.flags & lexicon::PHRASE == 0 || token.chars > 3)
}
