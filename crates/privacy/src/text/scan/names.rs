//! Names of persons in a context that says so: after titles, labels, relatives and cues, before degrees.

use super::{Case, Gap, Letters, Scan, TextClass, Token, lexicon};
use crate::text::rules::Trigger;

/// Words that are something else than a name.
pub(super) const PLAIN: u16 =
    lexicon::COMMON | lexicon::FUNCTION | lexicon::CLINICAL | lexicon::HEADING | lexicon::UNIT | lexicon::EPONYM_NOUN;
pub(super) const NAMES: u16 = lexicon::GIVEN | lexicon::FAMILY;

impl Scan<'_> {
    /// The name after a title: `Dr. Daniel Pollard`, `Mrs. Week`.
    pub(crate) fn title(&mut self, at: usize, len: usize) {
        let mut place = at + len;
        let point = self.get(place).is_some_and(|token| token.is_one_of(b".:") && token.gap == Gap::None);
        if !self.tokens[at].is_capital() && !point && self.letters == Letters::Normal {
            // `dr patel` in hurried writing: only before a family name that is no other word.
            let family =
                |token: &Token| token.gap == Gap::Space && token.flags & lexicon::FAMILY != 0 && token.flags & (PLAIN | lexicon::WORD) == 0;
            if !self.get(at + len).is_some_and(family) {
                return;
            }
        }
        place += usize::from(point);
        // `Dr(a). Maria`, `Dr./Dra.`: signs and more titles.
        for _ in 0..3 {
            let Some(token) = self.get(place) else { return };
            if token.is_one_of(b"./(:)") && token.gap == Gap::None {
                place += 1;
            } else if let Some(more) = self.phrase(place, Trigger::Title).filter(|_| token.gap <= Gap::Space) {
                place += more;
            } else {
                break;
            }
        }
        let Some(token) = self.get(place).filter(|token| token.gap <= Gap::Line && token.is_word()) else { return };
        let small = !token.is_capital();
        if token.chars == 1 && self.get(place + 1).is_some_and(|sign| sign.is_sign(b'.') && sign.gap == Gap::None) || token.is_initial() {
            // `Dr. A. Rush`, `dr. p. pennington`
            return self.title_and_initial(place);
        }
        if small
            && (token.flags & (lexicon::FUNCTION | lexicon::HEADING) != 0
                || token.chars < 2
                || self.letters == Letters::Normal
                    && token.flags & PLAIN != 0
                    && (token.flags & NAMES == 0 || token.flags & (lexicon::PERSON_VERB | lexicon::UNIT) != 0))
        {
            let particle = self.phrase(place, Trigger::Particle).is_some() && token.flags & lexicon::FUNCTION == 0;
            if !particle {
                return;
            }
        }
        if token.flags & (lexicon::FUNCTION | lexicon::HEADING) != 0 && token.flags & NAMES == 0 {
            return;
        }
        let end = self.full_name(place, 5, true);
        if end > place {
            self.push(place, end, TextClass::Name, "name.title", 0.9);
            self.learn(place, end);
        }
    }

    pub(crate) fn title_and_initial(&mut self, place: usize) {
        let mut name = place;
        while self.get(name).is_some_and(|token| token.is_word() && token.chars == 1 && token.gap <= Gap::Line)
            && self.get(name + 1).is_some_and(|sign| sign.is_sign(b'.') && sign.gap == Gap::None)
        {
            name += 2;
        }
        if name == place {
            name += 1;
        }
        // `M.ª Pilar`
        while self.get(name).is_some_and(|mark| mark.gap == Gap::None && mark.is_word() && mark.chars == 1 && !mark.is_capital()) {
            name += 1;
        }
        let small = self.tokens[place].case == Case::Lower;
        let mut end = name;
        if self.get(name).is_some_and(|token| {
            token.is_word()
                && token.chars > 1
                && token.gap <= Gap::Space
                && (token.is_capital() || small && token.flags & (lexicon::FUNCTION | lexicon::PERSON_VERB) == 0)
                && token.flags & (lexicon::FUNCTION | lexicon::HEADING) == 0
        }) {
            end = self.full_name(name, 3, true).max(name + 1);
        } else if small {
            return;
        }
        self.push(place, end, TextClass::Name, "name.title", 0.9);
        self.learn(place, end);
    }

    /// The value of a label such as "Name" or "Patient".
    pub(crate) fn name_value(&mut self, place: usize) {
        if self.phrase(place, Trigger::Title).is_some_and(|_| self.get(place).is_some_and(Token::is_capital)) {
            return;
        }
        let Some(token) = self.get(place).filter(|token| token.is_word() && token.gap <= Gap::Wide) else { return };
        if self.label_with_colon(place) {
            return;
        }
        let mut end = self.labelled_run(place);
        if end == place {
            return;
        }
        // `Shea, Rhonda M.`
        if self.get(end).is_some_and(|sign| sign.is_sign(b',') && sign.gap <= Gap::Space)
            && self.get(end + 1).is_some_and(|next| {
                next.gap <= Gap::Space
                    && next.is_word()
                    && self.phrase(end + 1, Trigger::Credential).is_none_or(|_| next.case == Case::Title)
            })
        {
            let more = self.labelled_run(end + 1);
            if more > end + 1 {
                end = more;
            }
        }
        let words = self.tokens[place..end].iter().filter(|token| token.is_word());
        let plain = words.clone().all(|token| token.flags & PLAIN != 0 && token.flags & NAMES == 0 || token.flags & lexicon::FUNCTION != 0);
        if plain && !token.is_initial() {
            return;
        }
        self.push(place, end, TextClass::Name, "label.name", 0.93);
        self.learn(place, end);
    }

    /// Words of a form field up to a sign, a column, or the next label; in any case of letters.
    pub(crate) fn labelled_run(&self, first: usize) -> usize {
        let mut place = first;
        let mut end = first;
        let mut words = 0;
        let small_start = self.get(first).is_some_and(|token| token.case == Case::Lower);
        while let Some(token) = self.get(place) {
            let column = token.gap > Gap::Space
                && !(token.gap == Gap::Wide
                    && token.case == Case::Title
                    && (token.flags & NAMES != 0 || token.flags & PLAIN == 0)
                    && token.flags & lexicon::HEADING == 0
                    && !self.text[..token.start as usize].ends_with("   "));
            if place > first && column || words >= 6 {
                break;
            }
            if token.is_word() {
                if words > 0 && (self.label_with_colon(place) || self.is_credential(place) || self.street_starts(place)) {
                    break;
                }
                let particle = self.phrase(place, Trigger::Particle);
                if token.case == Case::Lower && !small_start && particle.is_none() {
                    break;
                }
                let family = token.case == Case::Title && words > 0 && token.flags & lexicon::FAMILY != 0;
                if token.flags & lexicon::FUNCTION != 0 && particle.is_none() && !token.is_initial() && !family
                    || words > 0 && token.flags & lexicon::HEADING != 0 && token.flags & NAMES == 0
                {
                    break;
                }
                if small_start && words > 0 && particle.is_none() && token.chars > 1 && token.flags & PLAIN != 0 && token.flags & NAMES == 0
                {
                    break;
                }
                words += 1;
                place += 1;
                end = place;
                if token.chars == 1 && self.get(place).is_some_and(|sign| sign.is_sign(b'.') && sign.gap == Gap::None) {
                    place += 1;
                    end = place;
                }
                // `M.a Teresa`
                if token.is_initial() && self.get(place).is_some_and(|mark| mark.gap == Gap::None && mark.is_word() && mark.chars == 1) {
                    place += 1;
                    end = place;
                }
            } else if token.is_one_of(b"-'")
                && token.gap == Gap::None
                && place > first
                && self.get(place + 1).is_some_and(|next| next.gap == Gap::None && next.is_word())
            {
                place += 1;
            } else {
                break;
            }
        }
        end
    }

    /// The end of a name whose first word stands in a strong context.
    pub(crate) fn full_name(&self, first: usize, most: usize, titled: bool) -> usize {
        let mut place = first;
        let mut end = first;
        let mut words = 0;
        let mut last_case = Case::None;
        while let Some(token) = self.get(place) {
            let line_ok = place == first;
            if !line_ok && token.gap > Gap::Space || words >= most || place - first > 24 || self.taken[place] {
                break;
            }
            if token.is_initial() {
                if place > first && words > 0 && (self.starts_new_sentence(place) || self.street_starts(place)) {
                    break;
                }
                place += 1;
                if self.get(place).is_some_and(|sign| sign.is_sign(b'.') && sign.gap == Gap::None) {
                    place += 1;
                } else if self.get(place).is_some_and(|sign| sign.is_sign(b'\'') && sign.gap == Gap::None)
                    && self.get(place + 1).is_some_and(|next| next.is_word() && next.gap == Gap::None && next.chars > 1)
                {
                    // O'Brien
                    place += 2;
                    last_case = Case::Title;
                }
                if self.get(place).is_some_and(|mark| mark.gap == Gap::None && mark.is_word() && mark.chars == 1 && !mark.is_capital()) {
                    // `M.ª Teresa`
                    place += 1;
                }
                end = place;
                words += 1;
                continue;
            }
            if !token.is_word() {
                let glued = token.is_one_of(b"-'")
                    && token.gap == Gap::None
                    && self.get(place + 1).is_some_and(|next| next.gap == Gap::None && next.is_word() && next.chars > 1);
                if place > first && glued {
                    place += 1;
                    words = words.saturating_sub(1);
                    continue;
                }
                break;
            }
            if words > 0 && (self.is_credential(place) || self.label_with_colon(place) || self.street_starts(place)) {
                break;
            }
            if let Some(len) = self.phrase(place, Trigger::Particle) {
                let next = self.get(place + len).filter(|next| next.gap <= Gap::Space && next.is_word());
                let goes_on = next.is_some_and(|next| {
                    next.is_capital() || self.letters == Letters::AllSmall && next.flags & (lexicon::FUNCTION | lexicon::COMMON) == 0
                }) || next.is_some() && self.phrase(place + len, Trigger::Particle).is_some();
                if goes_on && (words > 0 || titled) {
                    place += len;
                    continue;
                }
                if token.case == Case::Lower {
                    break;
                }
            }
            let after_first = words > 0;
            let fits = if token.is_capital() {
                let shouted = token.case == Case::Upper
                    && last_case == Case::Title
                    && token.chars > 1
                    && self.phrase(place, Trigger::NameSuffix).is_none();
                let plain = after_first
                    && token.flags & (PLAIN | lexicon::GENERIC) != 0
                    && (token.flags & NAMES == 0 || token.flags & (lexicon::FUNCTION | lexicon::HEADING | lexicon::CLINICAL) != 0);
                let dated = after_first
                    && self.phrase(place, Trigger::Month(1)).is_some()
                    && self.get(place + 1).is_some_and(|next| next.kind != super::Kind::Word && next.kind != super::Kind::Sign);
                !shouted && !plain && !dated
            } else if after_first && words == 1 && last_case == Case::Lower && self.letters == Letters::Normal {
                token.flags & lexicon::FAMILY != 0
                    && token.chars > 2
                    && token.flags & (lexicon::FUNCTION | lexicon::CLINICAL | lexicon::HEADING | lexicon::PERSON_VERB | lexicon::UNIT) == 0
            } else if after_first {
                self.letters == Letters::AllSmall && token.chars > 1 && token.flags & (PLAIN | lexicon::WORD) == 0
                    || self.letters == Letters::AllSmall
                        && token.flags & lexicon::FAMILY != 0
                        && token.flags & (lexicon::FUNCTION | lexicon::CLINICAL | lexicon::HEADING | lexicon::PERSON_VERB) == 0
                        && words == 1
                        && self.get(place + 1).is_none_or(|next| {
                            next.kind == super::Kind::Sign || next.gap > Gap::Space || next.flags & lexicon::FUNCTION != 0
                        })
            } else {
                token.case == Case::None || token.flags & lexicon::FUNCTION == 0
            };
            if !fits {
                break;
            }
            words += 1;
            last_case = token.case;
            place += 1;
            end = place;
        }
        end
    }

    pub(crate) fn starts_new_sentence(&self, at: usize) -> bool {
        at > 0 && self.tokens[at - 1].is_sign(b'.') && at >= 2 && !self.tokens[at - 2].is_initial()
    }

    pub(crate) fn is_credential(&self, at: usize) -> bool {
        let token = &self.tokens[at];
        (token.case != Case::Title || token.chars > 3) && token.is_capital() && self.phrase(at, Trigger::Credential).is_some()
    }

    /// The name before a degree: `Michael Stevens, MD`.
    pub(crate) fn credential(&mut self, at: usize) {
        let token = self.tokens[at];
        let is_degree = matches!(token.case, Case::Upper | Case::Mixed) || self.letters == Letters::AllSmall;
        if !is_degree || at == 0 {
            return;
        }
        let comma = self.tokens[at - 1].is_sign(b',') && token.gap <= Gap::Space;
        let mut first = if comma { at - 1 } else { at };
        let stop = first;
        if !comma && token.gap != Gap::Space {
            return;
        }
        let mut words = 0;
        while first > 0 && words < 4 {
            let before = &self.tokens[first - 1];
            if self.tokens[first].gap > Gap::Space && first < stop {
                break;
            }
            let is_part = before.is_word()
                && (before.is_capital()
                    || self.phrase(first - 1, Trigger::Particle).is_some() && words > 0
                    || self.letters == Letters::AllSmall && before.flags & (PLAIN | lexicon::PERSON_CUE) == 0)
                && before.flags & (lexicon::FUNCTION | lexicon::HEADING) == 0;
            let is_sign = before.is_one_of(b".-'")
                && first < stop + 1
                && (first >= 2 && (self.tokens[first - 2].is_initial() || before.gap == Gap::None && !before.is_sign(b'.')));
            if !is_part && !is_sign {
                break;
            }
            if is_part && before.flags & lexicon::CLINICAL != 0 && before.flags & NAMES == 0 {
                break;
            }
            if is_part && self.phrase(first - 1, Trigger::Title).is_some() && words > 0 {
                break;
            }
            words += u32::from(is_part);
            first -= 1;
        }
        while first < stop && !self.tokens[first].is_word() {
            first += 1;
        }
        // A sentence's first word before the name: "Discussed".
        while first + 1 < stop
            && self.tokens[first].is_word()
            && self.tokens[first].flags & PLAIN != 0
            && self.tokens[first].flags & lexicon::GIVEN == 0
            && words > 1
        {
            first += 1;
            words -= 1;
        }
        if first >= stop || words == 0 {
            return;
        }
        let alone = words == 1;
        let only = self.tokens[first];
        if alone
            && (!comma
                || only.flags & PLAIN != 0 && only.flags & NAMES == 0
                || only.chars < 2
                || only.case == Case::Upper && self.letters == Letters::Normal
                || self.is_place(first, stop))
        {
            return;
        }
        let plain = self.tokens[first..stop]
            .iter()
            .filter(|token| token.is_word())
            .all(|token| token.flags & PLAIN != 0 && token.flags & NAMES == 0);
        if plain || comma && self.is_place(first, stop) && self.phrase(at, Trigger::State).is_some() {
            return;
        }
        self.push(first, stop, TextClass::Name, "name.degree", 0.88);
        self.learn(first, stop);
    }

    /// The name of a relative: `Wife Tyler`, `daughter, Mary Jones`, `Mary Jones (daughter)`.
    pub(crate) fn kin(&mut self, at: usize, len: usize) {
        self.push(at, at + len, TextClass::Relative, "relative", 0.5);
        if at > 1 && self.tokens[at - 1].is_one_of(b"(,") {
            self.name_before_kin(at - 1);
        }
        let mut place = at + len;
        let mut steps = 0;
        while let Some(token) = self.get(place) {
            let skip = token.is_one_of(b",(:-") || token.is_word() && self.phrase(place, Trigger::NameLink) == Some(1);
            if !skip || steps >= 2 || token.gap > Gap::Space {
                break;
            }
            place += 1;
            steps += 1;
        }
        self.cued_name(place, "name.relative", 0.8);
    }

    pub(crate) fn name_before_kin(&mut self, sign: usize) {
        let mut first = sign;
        let mut words = 0;
        while first > 0 && words < 4 {
            let token = &self.tokens[first - 1];
            let small = words > 0 && small_name(token) && token.flags & lexicon::GIVEN != 0
                || words == 0 && token.case == Case::Lower && token.flags & (PLAIN | lexicon::WORD) == 0;
            let is_part = token.is_word() && (token.is_capital() || small) && token.flags & (lexicon::FUNCTION | lexicon::HEADING) == 0;
            if !is_part
                && !(token.is_one_of(b".-'")
                    && first >= 2
                    && self.tokens[first - 2].is_word()
                    && token.gap == Gap::None
                    && (token.is_one_of(b"-'") || self.tokens[first - 2].is_initial()))
                || first < sign && self.tokens[first].gap > Gap::Space
            {
                break;
            }
            words += usize::from(is_part);
            first -= 1;
        }
        let has_name = self.tokens[first..sign]
            .iter()
            .any(|token| token.is_word() && (token.flags & NAMES != 0 || token.flags & (PLAIN | lexicon::WORD) == 0));
        if words >= 1 && has_name && (words >= 2 || self.tokens[first].flags & (PLAIN | lexicon::EPONYM) == 0) {
            self.push(first, sign, TextClass::Name, "name.relative", 0.78);
            self.learn(first, sign);
        }
    }

    /// "signed by", "spoke with": a name follows.
    pub(crate) fn name_cue(&mut self, at: usize, len: usize) {
        let mut place = at + len;
        while self.get(place).is_some_and(|token| token.is_one_of(b":-\"'") && token.gap <= Gap::Space) && place < at + len + 2 {
            place += 1;
        }
        self.cued_name(place, "name.cue", 0.76);
    }

    /// A capital name at a token after a cue, if its words are no plain words.
    pub(crate) fn cued_name(&mut self, place: usize, rule: &'static str, score: f32) {
        let Some(token) = self.get(place).filter(|token| token.is_word() && token.gap <= Gap::Line && !self.taken[place]) else { return };
        let small = token.case == Case::Lower;
        if small && !(small_name(token) && (self.letters == Letters::AllSmall || rule == "name.relative")) {
            return;
        }
        if self.letters == Letters::AllLarge && (token.flags & NAMES == 0 || token.flags & PLAIN != 0) {
            return;
        }
        if token.flags & (lexicon::FUNCTION | lexicon::HEADING | lexicon::CLINICAL | lexicon::PERSON_VERB) != 0
            || token.flags & lexicon::COMMON != 0 && token.flags & lexicon::GIVEN == 0
            || token.case == Case::Upper && token.chars > 1 && self.letters == Letters::Normal && token.flags & NAMES == 0
            || self.phrase(place, Trigger::Month(1)).is_some_and(|_| {
                token.flags & lexicon::GIVEN == 0 || self.get(place + 1).is_some_and(|next| next.kind == super::Kind::Number)
            })
            || self.phrase(place, Trigger::Weekday).is_some()
            || self.phrase(place, Trigger::Title).is_some()
        {
            return;
        }
        let mut end = self.full_name(place, 4, false);
        if end == place + 1 && token.is_initial() || end == place {
            return;
        }
        if end == place + 2 && token.is_initial() && self.tokens[place + 1].is_sign(b'.') {
            return;
        }
        if self.get(end).is_some_and(|sign| sign.is_sign(b','))
            && self.get(end + 1).is_some_and(|next| {
                next.is_capital() && next.flags & lexicon::GIVEN != 0 && next.flags & PLAIN == 0 && next.gap <= Gap::Space
            })
            && !self.is_credential(end + 1)
        {
            end = self.full_name(end + 1, 3, false);
        }
        if self.eponym_follows(end) {
            return;
        }
        self.push(place, end, TextClass::Name, rule, score);
        self.learn(place, end);
    }

    /// Whether the word after a name (and a possible `'s`) says that the name stands for a disease, a sign or an instrument.
    pub(crate) fn eponym_follows(&self, mut at: usize) -> bool {
        if self.possessive(at) {
            at += 2;
        }
        self.get(at).is_some_and(|next| next.gap <= Gap::Line && next.is_word() && next.flags & lexicon::EPONYM_NOUN != 0)
    }

    pub(crate) fn possessive(&self, at: usize) -> bool {
        self.get(at).is_some_and(|sign| sign.is_sign(b'\'') && sign.gap == Gap::None)
            && self.get(at + 1).is_some_and(|s| s.gap == Gap::None && matches!(self.word(at + 1), "s" | "S"))
    }

    /// Remembers the words of a name that a strong context stated.
    pub(crate) fn learn(&mut self, first: usize, end: usize) {
        for at in first..end {
            let token = self.tokens[at];
            if token.is_word()
                && token.chars >= 2
                && token.flags & lexicon::FUNCTION == 0
                && self.phrase(at, Trigger::Particle).is_none()
                && (token.chars > 2 || !self.word(at).is_ascii() || token.flags & lexicon::FAMILY != 0)
            {
                self.learned.add(token.hash);
            }
        }
    }
}

pub(super) fn is_sure_given(token: &Token) -> bool {
    token.flags & lexicon::GIVEN != 0 && token.flags & (PLAIN | lexicon::EPONYM) == 0
}

/// A given name in small letters that is no other word.
fn small_name(token: &Token) -> bool {
    token.case == Case::Lower && is_sure_given(token) && token.flags & lexicon::WORD == 0 && token.chars > 2
}
