//! Organisations that give care: `Henry Memorial Hospital`, `Centro de Salud Las Calesas`, `seen at Methodist`.

use super::{Case, Gap, Kind, Letters, Scan, TextClass, lexicon};
use crate::text::rules::Trigger;

impl Scan<'_> {
    /// `Henry Memorial Hospital`, `Dallas clinic`, `Children's Hospital Los Angeles`.
    pub(crate) fn organisation_tail(&mut self, at: usize, len: usize, small: bool) {
        if !small && !self.tokens[at].is_capital() && self.letters == Letters::Normal {
            return;
        }
        let mut first = at;
        let mut named = 0;
        let mut generic_only = true;
        while first > 0 && at - first < 10 {
            let token = &self.tokens[first - 1];
            if self.tokens[first].gap > Gap::Space {
                break;
            }
            let large = token.is_word() && token.is_capital()
                || token.kind == Kind::Mixed && token.chars <= 5 && self.word(first - 1).as_bytes()[0].is_ascii_digit();
            if large {
                if token.flags & lexicon::FUNCTION != 0
                    || token.flags & (lexicon::HEADING | lexicon::FAMILY | lexicon::CITY) == lexicon::HEADING
                    || first < at && self.sentence_break_before(first)
                {
                    break;
                }
                // The first word of a sentence counts only when it is no plain word.
                if self.starts_sentence(first - 1)
                    && token.flags & lexicon::COMMON != 0
                    && token.flags & (lexicon::GIVEN | lexicon::FAMILY | lexicon::CITY) == 0
                    && first < at
                {
                    break;
                }
                generic_only &= token.flags & (lexicon::GENERIC | lexicon::CLINICAL) != 0;
                named += 1;
            } else if token.is_one_of(b"'.&-")
                || token.is_word() && token.chars == 1 && self.word(first - 1) == "s" && first >= 2 && self.tokens[first - 2].is_sign(b'\'')
            {
                if token.is_sign(b'.')
                    && (first < 2
                        || !self.tokens[first - 2].is_word()
                        || self.tokens[first - 2].chars > 3
                        || !matches!(self.tokens[first - 2].case, Case::Title | Case::Upper)
                        || self.tokens[first - 2].flags & (lexicon::CLINICAL | lexicon::UNIT) != 0)
                {
                    break;
                }
            } else if token.is_word()
                && matches!(self.word(first - 1), "of" | "and" | "for" | "the")
                && first >= 2
                && self.tokens[first - 2].is_word()
                && self.tokens[first - 2].is_capital()
                && named > 0
                && self.tokens[first - 2].flags & lexicon::FUNCTION == 0
            {
                // `Brigham and Women's Hospital`; not `Dr. Smith of the Mercy Clinic`.
                if matches!(self.word(first - 1), "of" | "the")
                    && self.trigger_of(first - 2, |trigger| matches!(trigger, Trigger::OrgTail(_))).is_none()
                    && !matches!(self.word(first - 2), "Sisters" | "University" | "Lady" | "House" | "Bank")
                {
                    break;
                }
            } else {
                break;
            }
            first -= 1;
        }
        while first < at && (self.tokens[first].kind == Kind::Sign || self.tokens[first].flags & lexicon::FUNCTION != 0) {
            first += 1;
        }
        let tail_is_large = self.tokens[at].is_capital();
        // `Past Medical History` is a heading.
        let headed = |token: &super::Token| token.is_capital() && token.flags & lexicon::HEADING != 0 && token.gap <= Gap::Space;
        if !small && self.get(at + len).is_some_and(headed) {
            return;
        }
        let after = self.organisation_rest(at + len);
        if first == at || named == 0 {
            // `Hospital of the University of Pennsylvania`.
            if after > at + len && tail_is_large && self.letters == Letters::Normal {
                self.push(at, after, TextClass::Hospital, "hospital.of", 0.7);
            }
            return;
        }
        if generic_only && !(tail_is_large && self.is_named_by_generic(first, at)) {
            if after <= at + len {
                self.block(first, at + len, "hospital.generic", 0.58);
            }
            return;
        }
        if self.letters == Letters::AllLarge && named > 5 {
            return;
        }
        let score = if tail_is_large { 0.84 } else { 0.68 };
        self.push(first, after, TextClass::Hospital, "hospital.tail", score);
    }

    pub(crate) fn sentence_break_before(&self, at: usize) -> bool {
        at > 0 && self.tokens[at - 1].is_sign(b'.') && (at < 2 || self.tokens[at - 2].chars > 3)
    }

    /// "General Hospital", "City Hospital" and "Memorial Clinic" name a house where "Pain Clinic" names a service.
    pub(crate) fn is_named_by_generic(&self, first: usize, end: usize) -> bool {
        self.tokens[first..end]
            .iter()
            .any(|token| token.is_word() && token.flags & lexicon::GENERIC != 0 && token.flags & lexicon::CLINICAL == 0)
    }

    /// After the word for the house: ` Los Angeles`, ` of Pennsylvania`, `, Boston` stays out.
    pub(crate) fn organisation_rest(&self, end: usize) -> usize {
        let mut rest = end;
        // `Medical Center Hospital`, `Hospital Clinic`.
        while rest < end + 4
            && let Some(len) = self
                .get(rest)
                .filter(|token| token.gap == Gap::Space && token.is_capital())
                .and_then(|_| self.phrase(rest, Trigger::OrgTail(true)))
        {
            rest += len;
        }
        if self.get(rest).is_some_and(|token| token.gap == Gap::Space && token.is_word()) {
            if matches!(self.word(rest), "of" | "at" | "for") {
                let skip = usize::from(self.get(rest + 1).is_some_and(|next| self.word(rest + 1) == "the" && next.gap == Gap::Space));
                let more = self.capital_run(rest + 1 + skip, 4);
                if more > rest + 1 + skip && self.tokens[rest + 1 + skip].gap == Gap::Space {
                    return self.university_of(more);
                }
            } else if self.tokens[rest].is_capital() {
                let more = self.capital_run(rest, 3);
                for stop in (rest + 1..=more).rev() {
                    if self.is_place(rest, stop) {
                        return stop;
                    }
                }
            }
        }
        rest
    }

    pub(crate) fn university_of(&self, end: usize) -> usize {
        if self.get(end).is_some_and(|token| token.gap == Gap::Space && self.word(end) == "of") {
            let more = self.capital_run(end + 1, 3);
            return if more > end + 1 { more } else { end };
        }
        end
    }

    /// `Hospital Universitario Virgen del Rocío`, `Centro de Salud Las Calesas`.
    pub(crate) fn organisation_head(&mut self, at: usize, len: usize) {
        if !self.tokens[at].is_capital() && self.letters == Letters::Normal {
            return;
        }
        let mut first = at + len;
        let mut end = first;
        // Capital words, and particles between them; an opening particle is fine here.
        if let Some(particle) = self.get(first).filter(|token| token.gap == Gap::Space).and_then(|_| self.phrase(first, Trigger::Particle))
        {
            first += particle;
        }
        for _ in 0..3 {
            if self.get(first).is_none_or(|token| token.gap > Gap::Space) {
                break;
            }
            if self.get(first).is_some_and(|sign| sign.is_one_of(b"\"'")) {
                first += 1;
            }
            let run = self.capital_run(first, 7);
            if run == first {
                // `Hospital 12 de Octubre`, `Hospital universitario La Paz`.
                let step = self.get(first).filter(|token| {
                    token.gap == Gap::Space && (token.kind == Kind::Number && token.chars <= 2 || token.flags & lexicon::GENERIC != 0)
                });
                if step.is_none() {
                    break;
                }
                first += 1;
                if let Some(particle) =
                    self.get(first).filter(|token| token.gap == Gap::Space).and_then(|_| self.phrase(first, Trigger::Particle))
                {
                    first += particle;
                }
                continue;
            }
            end = run;
            // `Hospital Clinico Univ. de Santiago`
            if self.get(run).is_some_and(|sign| sign.is_sign(b'.') && sign.gap == Gap::None)
                && self.tokens[run - 1].chars <= 4
                && self.get(run + 1).is_some_and(|next| next.gap == Gap::Space)
                && let Some(particle) = self.phrase(run + 1, Trigger::Particle)
            {
                end = self.capital_run(run + 1 + particle, 4).max(run);
            }
            break;
        }
        if end <= at + len && len >= 2 && self.tokens[at + len - 1].is_capital() && self.tokens[at].is_capital() {
            self.push(at, at + len, TextClass::Hospital, "hospital.head", 0.6);
        }
        if end > at + len {
            self.push(at, end, TextClass::Hospital, "hospital.head", 0.83);
        }
    }

    /// An organisation of the lists.
    pub(crate) fn organisation_known(&mut self, at: usize, len: usize) {
        if self.tokens[at].is_capital() || self.letters == Letters::AllSmall {
            let end = self.organisation_rest(at + len);
            self.push(at, end, TextClass::Hospital, "hospital.known", 0.8);
        }
    }

    /// "seen at", "admitted to": capital words after it are an organisation, unless they are plain words or wards.
    pub(crate) fn visit_cue(&mut self, at: usize, len: usize) {
        let mut first = at + len;
        while self.get(first).is_some_and(|token| token.is_word() && !token.is_capital() && token.flags & lexicon::GENERIC != 0)
            && first < at + len + 2
        {
            first += 1;
        }
        if self.letters != Letters::Normal
            || !self.get(first).is_some_and(|token| token.is_word() && token.is_capital() && token.gap <= Gap::Line)
        {
            return;
        }
        // `from J. Daniel`, `from Texas`.
        let other = self.tokens[first].is_initial()
            || self.trigger_of(first, |trigger| matches!(trigger, Trigger::State | Trigger::Country)).is_some();
        if other {
            return;
        }
        // `at LUSB`: large letters after a bare "at" are more often a part of the body or a ward.
        if len == 1
            && self.tokens[first].case == Case::Upper
            && self.phrase(first, Trigger::OrgKnown).is_none()
            && self.get(first + 1).is_none_or(|next| !next.is_capital())
        {
            return;
        }
        let end = self.capital_run(first, 5);
        let plain = self.tokens[first..end].iter().filter(|token| token.is_word()).all(|token| {
            token.flags & (lexicon::CLINICAL | lexicon::FUNCTION | lexicon::HEADING) != 0
                || token.flags & lexicon::COMMON != 0 && token.flags & (lexicon::CITY | lexicon::FAMILY) == 0
                || token.case == Case::Upper && token.chars < 3
        });
        let dated = self.phrase(first, Trigger::Month(1)).is_some() || self.phrase(first, Trigger::Weekday).is_some();
        let titled = self.phrase(first, Trigger::Title).is_some() && !matches!(self.word(first), "St" | "Saint" | "Mt");
        if end == first || plain || dated || titled {
            return;
        }
        if self.is_place(first, end) && self.tokens[first].flags & lexicon::GIVEN == 0 {
            return self.push(first, end, TextClass::City, "city.cue", 0.66);
        }
        self.push(first, end, TextClass::Hospital, "hospital.cue", 0.71);
    }
}
