//! Towns, states, countries and postal codes.

use super::{Case, Gap, Kind, Letters, Scan, TextClass, lexicon};
use crate::text::rules::Trigger;

impl Scan<'_> {
    /// Town, state and postal code after an address.
    pub(crate) fn after_address(&mut self, end: usize) {
        let mut place = end;
        while self.get(place).is_some_and(|token| token.is_one_of(b",.-;(") && token.gap <= Gap::Space) && place < end + 2 {
            place += 1;
        }
        let Some(token) = self.get(place) else { return };
        if token.gap >= Gap::Blank || token.gap == Gap::Wide {
            return;
        }
        // `45010 Valencia`: code, then town.
        let code_first = token.kind == Kind::Number && (4..=6).contains(&token.chars)
            || self.word(place) == "E" && self.get(place + 1).is_some_and(|next| next.is_sign(b'-'));
        if code_first {
            let code_end = self.chunk(place);
            let digits = self.slice(place, code_end).bytes().filter(u8::is_ascii_digit).count();
            if (4..=6).contains(&digits) {
                self.push(place, code_end, TextClass::Zip, "zip.address", 0.88);
                self.town(code_end, "city.address", 0.82);
            }
            return;
        }
        self.town(place, "city.address", 0.82);
    }

    /// A town that starts at a token, and what follows it.
    pub(crate) fn town(&mut self, mut first: usize, rule: &'static str, score: f32) {
        while self.get(first).is_some_and(|token| token.is_one_of(b",.-;(") && token.gap <= Gap::Space) {
            first += 1;
        }
        if self.get(first).is_none_or(|token| token.gap >= Gap::Blank || token.gap == Gap::Wide) {
            return;
        }
        let token = self.tokens[first];
        let headed = self.phrase(first, Trigger::PlaceHead).is_some();
        let other = lexicon::FUNCTION | lexicon::HEADING | lexicon::PERSON_VERB | lexicon::EPONYM | lexicon::UNIT;
        let ordinary = token.flags & (lexicon::COMMON | lexicon::CLINICAL) != 0 && token.flags & lexicon::CITY == 0;
        let plain = !headed && (token.flags & other != 0 || ordinary && (self.starts_sentence(first) || self.letters != Letters::Normal));
        if plain || self.label_with_colon(first) {
            return self.after_town(first);
        }
        let end = self.capital_run(first, 5);
        if end == first
            || self.trigger_of(first, |trigger| matches!(trigger, Trigger::Label(_) | Trigger::Title)).is_some() && end == first + 1
        {
            return;
        }
        if self.phrase(first, Trigger::State).is_some_and(|len| first + len == end)
            && end == first + 1
            && self.tokens[first].case == Case::Upper
        {
            return self.after_town(first);
        }
        if self.phrase(first, Trigger::Country).is_some_and(|len| first + len == end) {
            return;
        }
        self.push(first, end, TextClass::City, rule, score);
        self.after_town(end);
    }

    pub(crate) fn after_town(&mut self, end: usize) {
        let mut place = end;
        while self.get(place).is_some_and(|token| token.is_one_of(b",.(")) && place < end + 2 {
            place += 1;
        }
        if let Some(len) = self.phrase(place, Trigger::State) {
            self.state(place, len);
        } else if self.get(place).is_some_and(|token| token.kind == Kind::Number && token.chars == 5 && token.gap <= Gap::Space) {
            let code_end = self.chunk(place);
            self.push(place, code_end, TextClass::Zip, "zip.address", 0.85);
        }
    }

    /// The end of the capital words from a token: `San Juan de la Cruz`, `St. Ann's`, at most `most` words.
    pub(crate) fn capital_run(&self, first: usize, most: usize) -> usize {
        let mut end = first;
        let mut place = first;
        let mut words = 0;
        while let Some(token) = self.get(place) {
            if place > first && token.gap > Gap::Space || words >= most || place - first > 24 || self.taken[place] {
                break;
            }
            if token.is_word() && (token.is_capital() || self.letters == Letters::AllSmall && token.flags & lexicon::FUNCTION == 0) {
                if place > first && (self.label_with_colon(place) || self.street_starts(place)) {
                    break;
                }
                words += 1;
                place += 1;
                end = place;
                let short = token.chars <= 3;
                if short
                    && self.get(place).is_some_and(|sign| sign.is_sign(b'.') && sign.gap == Gap::None)
                    && self.get(place + 1).is_some_and(|next| next.is_capital() && next.gap <= Gap::Space)
                {
                    place += 1;
                } else if self.get(place).is_some_and(|sign| sign.is_one_of(b"-'") && sign.gap == Gap::None)
                    && self.get(place + 1).is_some_and(|next| next.is_word() && next.gap == Gap::None)
                {
                    place += 1;
                    // `Port-au-Prince`
                    let inner = self.tokens[place].case == Case::Lower
                        && self.tokens[place].chars <= 3
                        && self.get(place + 1).is_some_and(|sign| sign.is_sign(b'-') && sign.gap == Gap::None)
                        && self.get(place + 2).is_some_and(|next| next.is_capital() && next.gap == Gap::None);
                    if inner {
                        place += 2;
                    } else if self.tokens[place].chars == 1 && self.tokens[place].case == Case::Lower {
                        place += 1;
                        end = place;
                    }
                }
            } else if place > first && token.is_word() {
                // A particle only between capitals.
                let Some(len) = self.phrase(place, Trigger::Particle) else { break };
                let next_is_capital =
                    self.get(place + len).is_some_and(|next| next.is_word() && next.is_capital() && next.gap <= Gap::Space);
                let more =
                    self.get(place + len).is_some_and(super::Token::is_word) && self.phrase(place + len, Trigger::Particle).is_some();
                if !next_is_capital && !more {
                    break;
                }
                place += len;
            } else {
                break;
            }
        }
        end
    }

    /// US ZIP after a state, UK and Canadian postcodes.
    pub(crate) fn postal_code(&mut self, at: usize) {
        let token = self.tokens[at];
        if token.kind == Kind::Number && token.chars == 5 && at > 0 {
            let comma = usize::from(self.tokens[at - 1].is_sign(b',') || self.tokens[at - 1].is_sign(b'.'));
            let state = at.checked_sub(1 + comma).is_some_and(|before| {
                self.phrase(before, Trigger::State) == Some(1) && self.tokens[before].is_capital()
                    || before > 0 && self.phrase(before - 1, Trigger::State) == Some(2)
            });
            if state && token.gap <= Gap::Wide {
                self.push(at, self.chunk(at), TextClass::Zip, "zip.state", 0.93);
            } else if self.code_and_town(at) {
            } else if token.gap <= Gap::Space
                && (1..=3)
                    .any(|back| at >= back && self.phrase(at - back, Trigger::Country) == Some(back) && self.tokens[at - back].is_capital())
            {
                self.push(at, at + 1, TextClass::Zip, "zip.country", 0.7);
            }
            return;
        }
        let next_is_near = self.get(at + 1).is_some_and(|next| next.gap <= Gap::Space && next.kind == Kind::Mixed && next.chars == 3);
        if token.kind == Kind::Mixed && next_is_near && (2..=4).contains(&token.chars) {
            let (out, inward) = (self.word(at).as_bytes(), self.word(at + 1).as_bytes());
            let is_large = |text: &[u8], place: usize| text.get(place).is_some_and(u8::is_ascii_uppercase);
            let is_digit = |text: &[u8], place: usize| text.get(place).is_some_and(u8::is_ascii_digit);
            let uk = is_large(out, 0)
                && (is_digit(out, 1) || is_large(out, 1) && is_digit(out, 2))
                && is_digit(inward, 0)
                && is_large(inward, 1)
                && is_large(inward, 2);
            let canada = out.len() == 3
                && is_large(out, 0)
                && is_digit(out, 1)
                && is_large(out, 2)
                && is_digit(inward, 0)
                && is_large(inward, 1)
                && is_digit(inward, 2);
            if uk || canada {
                self.push(at, at + 2, TextClass::Zip, "zip.letters", 0.88);
                self.before_postcode(at);
                self.take(at, at + 2);
            }
        }
    }

    /// `14 Rhodfa'r Mor, Aberystwyth SY23 2AZ`: the town before a postcode, and the numbered line before the town.
    fn before_postcode(&mut self, at: usize) {
        let comma = usize::from(at > 0 && self.tokens[at - 1].is_sign(b','));
        let end = at - comma;
        let mut first = end;
        while first > 0
            && end - first < 4
            && self.tokens[first - 1].is_word()
            && self.tokens[first - 1].is_capital()
            && self.tokens[first - 1].flags & lexicon::HEADING == 0
        {
            first -= 1;
            if self.tokens[first].gap > Gap::Space {
                break;
            }
        }
        if first == end {
            return;
        }
        self.push(first, end, TextClass::City, "city.postcode", 0.8);
        let mut street = first;
        while street > 0 && first - street < 10 && self.tokens[street].gap <= Gap::Line {
            street -= 1;
            if self.tokens[street].kind == Kind::Number
                && self.tokens[street].chars <= 4
                && (street == 0 || !self.tokens[street - 1].is_one_of(b"./-"))
            {
                return self.push(street, first, TextClass::Street, "street.postcode", 0.75);
            }
        }
    }

    /// `28036 Madrid`, `46017 - Valencia`, `23009, Jaén`.
    pub(crate) fn code_and_town(&mut self, at: usize) -> bool {
        let sign = usize::from(self.get(at + 1).is_some_and(|next| next.is_one_of(b"-,.")));
        let town = at + 1 + sign;
        let Some(next) = self.get(town).filter(|next| next.case == Case::Title && next.gap == Gap::Space) else { return false };
        let ambiguous = next.flags & (lexicon::COMMON | lexicon::GIVEN | lexicon::FUNCTION) != 0;
        let run = self.capital_run(town, 4);
        let known = (town + 1..=run).any(|end| {
            self.phrase(town, Trigger::Place) == Some(end - town)
                || self.is_place(town, end) && !ambiguous && (sign == 0 || self.rules.day_first)
        });
        if known {
            self.push(at, at + 1, TextClass::Zip, "zip.town", 0.74);
            self.town(town, "city.zip", 0.74);
        }
        known
    }

    /// `Chicago, IL`: a town before a state; and the state by itself as a quasi-identifier.
    pub(crate) fn state(&mut self, at: usize, len: usize) {
        let token = self.tokens[at];
        let abbreviation = token.chars <= 3 && len == 1;
        if abbreviation && token.case != Case::Upper || !token.is_capital() && self.letters == Letters::Normal {
            return;
        }
        let comma_before = at > 0 && self.tokens[at - 1].is_sign(b',') && self.tokens[at - 1].gap == Gap::None;
        if comma_before && at >= 2 && token.gap <= Gap::Space {
            let first = self.town_before(at - 1);
            // An abbreviation alone says little: `Smith, MD` and `Anna, PA` are degrees.
            let degree = self.phrase(at, Trigger::Credential).is_some()
                && !self.get(at + len).is_some_and(|next| next.kind == Kind::Number && next.chars == 5);
            let known = first < at - 1 && self.is_place(first, at - 1);
            if first < at - 1 && (known || !degree) && self.tokens[first].flags & lexicon::FUNCTION == 0 {
                self.push(first, at - 1, TextClass::City, "city.state", if known { 0.84 } else { 0.7 });
                return self.push(at, at + len, TextClass::State, "state", 0.7);
            }
        }
        let zip = self.get(at + len).is_some_and(|next| next.kind == Kind::Number && next.chars == 5);
        if !abbreviation || zip {
            self.push(at, at + len, TextClass::State, "state", 0.5);
        }
    }

    /// Where the capital words of a town before a comma start.
    pub(crate) fn town_before(&self, comma: usize) -> usize {
        let mut first = comma;
        while first > 0 && comma - first < 4 {
            let token = &self.tokens[first - 1];
            let is_part = token.is_word() && token.is_capital() && !self.taken[first - 1] && token.flags & lexicon::FUNCTION == 0
                || token.is_sign(b'.') && first >= 2 && self.tokens[first - 2].chars <= 2 && first < comma;
            if !is_part || first < comma && self.tokens[first].gap > Gap::Space {
                break;
            }
            first -= 1;
            // The word for a street or an organisation ends the address before the town.
            if first < comma - 1
                && (self.phrase(first, Trigger::StreetTail(true)).is_some() && self.tokens[first].chars != 2
                    || self.phrase(first, Trigger::OrgTail(true)).is_some())
            {
                first += 1;
                break;
            }
        }
        while first < comma && self.tokens[first].kind == Kind::Sign {
            first += 1;
        }
        first
    }

    /// Whether the words are a town of the lists.
    pub(crate) fn is_place(&self, first: usize, end: usize) -> bool {
        let text = self.slice(first, end);
        self.phrase(first, Trigger::Place) == Some(end - first)
            || text.len() < 48 && self.rules.lexicon.flags(crate::text::rules::hash_words(text)) & lexicon::CITY != 0
            || self.phrase(first, Trigger::PlaceHead).is_some_and(|len| first + len < end)
    }

    pub(crate) fn country(&mut self, at: usize, len: usize) {
        if self.tokens[at].is_capital() {
            self.push(at, at + len, TextClass::Country, "country", 0.6);
        }
    }

    /// A place by its whole name, with a capital.
    pub(crate) fn place(&mut self, at: usize, len: usize) {
        // `LIMA to LAD` is an artery.
        let shouted = len == 1 && self.tokens[at].case == Case::Upper && self.tokens[at].flags & lexicon::CLINICAL != 0;
        if self.tokens[at].is_capital() && self.letters != Letters::AllLarge && !shouted || self.letters == Letters::AllSmall {
            self.push(at, at + len, TextClass::City, "city.known", 0.68);
        }
    }

    /// "lives in", "moved from": capital words after it are a place.
    pub(crate) fn place_cue(&mut self, at: usize, len: usize) {
        let mut first = at + len;
        if self.get(first).is_some_and(|token| token.is_word() && token.flags & lexicon::GENERIC != 0 && !token.is_capital()) {
            first += 1;
        }
        let Some(token) = self.get(first).filter(|token| token.is_word() && token.is_capital() && token.gap <= Gap::Line) else { return };
        if token.flags & (lexicon::CLINICAL | lexicon::FUNCTION) != 0 && token.flags & lexicon::CITY == 0 {
            return;
        }
        if self.phrase(first, Trigger::State).is_some()
            || self.phrase(first, Trigger::Country).is_some()
            || self.phrase(first, Trigger::Month(1)).is_some()
        {
            return;
        }
        let end = self.capital_run(first, 4);
        if end > first {
            self.push(first, end, TextClass::City, "city.cue", 0.72);
        }
    }

    /// A place of the lists after "in", "from", "to", "at": `in Chicago`.
    pub(crate) fn listed_place(&mut self, at: usize) -> bool {
        let token = self.tokens[at];
        if token.case != Case::Title || self.letters != Letters::Normal || at == 0 {
            return false;
        }
        let cue = self.phrase(at - 1, Trigger::PlacePreposition) == Some(1) && self.tokens[at - 1].case == Case::Lower;
        if !cue || token.gap > Gap::Line {
            return false;
        }
        for count in (1..=3).rev() {
            let end = at + count;
            let whole = self.get(end - 1).is_some_and(|last| last.is_word() && last.is_capital())
                && (1..count).all(|word| self.tokens[at + word].gap == Gap::Space && self.tokens[at + word].is_word());
            if !whole || !self.is_place(at, end) {
                continue;
            }
            let ambiguous = count == 1 && token.flags & (lexicon::COMMON | lexicon::CLINICAL | lexicon::EPONYM | lexicon::GIVEN) != 0;
            let common_cue = self.phrase(at - 1, Trigger::Of) == Some(1);
            if ambiguous || common_cue && count == 1 && token.flags & lexicon::FAMILY != 0 {
                return false;
            }
            if self.get(end).is_some_and(|next| next.is_word() && next.flags & lexicon::EPONYM_NOUN != 0) {
                return false;
            }
            self.push(at, end, TextClass::City, "city.listed", 0.64);
            return true;
        }
        false
    }
}
