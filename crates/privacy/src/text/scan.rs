//! One block of text: tokens, candidates from every family of rules, and the best of them that do not overlap.

mod ages;
mod bare_names;
mod contacts;
mod dates;
mod ids;
mod labels;
mod names;
mod organisations;
mod phones;
mod places;
mod streets;

use std::collections::BTreeMap;

use super::{
    ClassSet, RuleId, Span, TextClass,
    known::KnownPatient,
    learned::Learned,
    lexicon,
    rules::{Compiled, Trigger, flag_words},
    token::{Case, Gap, Kind, Token, tokenise},
};

/// A candidate. Without a class it is a stretch that is known to identify nobody (a dose, a code, an eponym) and only keeps weaker
/// candidates away.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    pub start: u32,
    pub end: u32,
    pub class: Option<TextClass>,
    pub rule: RuleId,
    pub score: f32,
}

/// How letters are used in a block, because a capital says nothing where all letters are capitals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Letters {
    Normal,
    AllSmall,
    AllLarge,
}

/// Buffers that live from block to block.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    tokens: Vec<Token>,
    found: Vec<Found>,
    taken: Vec<bool>,
    chosen: Vec<Found>,
}

pub(crate) struct Scan<'a> {
    pub text: &'a str,
    pub rules: &'a Compiled,
    pub tokens: &'a [Token],
    pub letters: Letters,
    pub learned: &'a mut Learned,
    found: &'a mut Vec<Found>,
    taken: &'a mut Vec<bool>,
}

/// Finds the spans of one block, in order and without overlaps, with offsets from the start of the block.
pub(crate) fn scan_block<'s>(
    text: &str,
    rules: &Compiled,
    known: Option<&KnownPatient>,
    learned: &mut Learned,
    scratch: &'s mut Scratch,
    classes: ClassSet,
    extra: &[Span],
) -> &'s [Found] {
    scratch.tokens.clear();
    scratch.found.clear();
    scratch.taken.clear();
    tokenise(text, &mut scratch.tokens);
    flag_words(&rules.lexicon, &mut scratch.tokens);
    scratch.taken.resize(scratch.tokens.len(), false);
    let letters = letters_of(&scratch.tokens);
    let mut scan = Scan { text, rules, tokens: &scratch.tokens, letters, learned, found: &mut scratch.found, taken: &mut scratch.taken };
    scan.contacts();
    scan.walk();
    scan.learned_names();
    if let Some(known) = known {
        known.find(text, scan.tokens, scan.found);
    }
    for span in extra {
        let (start, end) = (span.start as u32, span.end as u32);
        scratch.found.push(Found { start, end, class: Some(span.class), rule: span.rule, score: span.score });
    }
    choose(text, &mut scratch.found, &mut scratch.chosen);
    scratch.chosen.retain(|found| found.class.is_some_and(|class| classes.contains(class)));
    &scratch.chosen
}

fn letters_of(tokens: &[Token]) -> Letters {
    let (mut small, mut title, mut large) = (0usize, 0usize, 0usize);
    for token in tokens.iter().filter(|token| token.is_word() && token.chars > 1) {
        match token.case {
            Case::Lower => small += 1,
            Case::Title => title += 1,
            Case::Upper => large += 1,
            Case::Mixed | Case::None => {}
        }
    }
    if large > 4 * (small + title) && large >= 6 {
        Letters::AllLarge
    } else if small > 50 * (title + large) && small >= 8 {
        Letters::AllSmall
    } else {
        Letters::Normal
    }
}

/// Keeps the best candidates. What a better one of another kind covers is cut from a candidate and the rest stays, so that nothing
/// that was found is lost; pieces of one kind that touch become one.
fn choose(text: &str, found: &mut [Found], chosen: &mut Vec<Found>) {
    chosen.clear();
    found.sort_by(|a, b| {
        b.score.total_cmp(&a.score).then_with(|| (b.end - b.start).cmp(&(a.end - a.start))).then_with(|| a.start.cmp(&b.start))
    });
    let mut kept: BTreeMap<u32, Found> = BTreeMap::new();
    let mut free: Vec<(u32, u32)> = Vec::new();
    for candidate in found.iter().filter(|candidate| candidate.start < candidate.end) {
        free.clear();
        let mut from = candidate.start;
        let mut beside = false;
        let first = kept.range(..=candidate.start).next_back().map_or(candidate.start, |(start, _)| *start);
        for (start, other) in kept.range(first..candidate.end).filter(|(_, other)| other.end > candidate.start) {
            if *start > from {
                free.push((from, *start));
            }
            from = from.max(other.end);
            beside |= matches!((other.class, candidate.class), (Some(a), Some(b)) if a.phi() == b.phi());
        }
        if from < candidate.end {
            free.push((from, candidate.end));
        }
        for (start, end) in free.drain(..) {
            if start == candidate.start && end == candidate.end {
                kept.insert(start, *candidate);
            } else if let Some((start, end)) = telling_part(text, start, end).filter(|part| beside || is_telling(text, candidate, *part)) {
                kept.insert(start, Found { start, end, ..*candidate });
            }
        }
    }
    for found in kept.into_values().filter(|found| found.class.is_some()) {
        match chosen.last_mut() {
            Some(last) if joined(text, last, &found) => {
                if found.score > last.score {
                    (last.class, last.rule, last.score) = (found.class, found.rule, found.score);
                }
                last.end = found.end;
            }
            _ => chosen.push(found),
        }
    }
}

/// The stretch without the blanks and signs at its ends, if letters or digits are left.
fn telling_part(text: &str, start: u32, end: u32) -> Option<(u32, u32)> {
    let part = text.get(start as usize..end as usize)?;
    let first = part.find(char::is_alphanumeric)?;
    let last = part.rfind(char::is_alphanumeric)?;
    let length = part[last..].chars().next().map_or(1, char::len_utf8);
    Some((start + first as u32, start + (last + length) as u32))
}

/// Whether what is left of a candidate still says something: more than a letter, and a capital or a digit where it had one.
fn is_telling(text: &str, whole: &Found, (start, end): (u32, u32)) -> bool {
    let marked = |from: u32, to: u32| {
        text.get(from as usize..to as usize)
            .is_some_and(|part| part.contains(|letter: char| letter.is_uppercase() || letter.is_ascii_digit()))
    };
    end - start > 2 && (marked(start, end) || !marked(whole.start, whole.end))
        || text.get(start as usize..end as usize).is_some_and(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether two neighbours are one: of one class of identifying information, with nothing or one blank between, names also over the
/// point of an initial.
fn joined(text: &str, a: &Found, b: &Found) -> bool {
    let same = a.class == b.class || matches!((a.class, b.class), (Some(x), Some(y)) if x.phi() == y.phi() && a.end == b.start);
    let between = text.get(a.end as usize..b.start as usize).unwrap_or("-- --");
    same && (between.is_empty()
        || a.class == Some(TextClass::Name) && matches!(between, " " | ". " | "-" | "'")
        || a.class == Some(TextClass::Hospital) && between == " "
        || matches!(a.class, Some(TextClass::Street | TextClass::AgeUnder90)) && matches!(between, " " | ", "))
}

impl<'a> Scan<'a> {
    /// Visits every token once; each rule looks at a bounded number of neighbours.
    fn walk(&mut self) {
        let whole = self.letters;
        let mut at = 0;
        while at < self.tokens.len() {
            if at == 0 || self.tokens[at].gap >= Gap::Line {
                self.letters = self.letters_from(at, whole);
            }
            if !self.taken[at] {
                self.visit(at);
            }
            at += 1;
        }
        self.letters = whole;
    }

    /// How letters are used in the line or paragraph that starts at a token, where it is long enough to tell: a paragraph in small letters,
    /// a line in large ones.
    pub(crate) fn letters_from(&self, at: usize, whole: Letters) -> Letters {
        let until = |gap: Gap| {
            self.tokens[at..]
                .iter()
                .take(200)
                .skip(1)
                .position(|token| token.gap >= gap)
                .map_or(self.tokens.len().min(at + 200), |place| at + 1 + place)
        };
        let line = letters_of(&self.tokens[at..until(Gap::Line)]);
        if line == Letters::AllLarge {
            return line;
        }
        if self.tokens[at].gap < Gap::Blank {
            return if self.letters == Letters::AllLarge { whole } else { self.letters };
        }
        match letters_of(&self.tokens[at..until(Gap::Blank)]) {
            Letters::Normal => {
                if whole == Letters::AllSmall {
                    whole
                } else {
                    Letters::Normal
                }
            }
            other => other,
        }
    }

    fn visit(&mut self, at: usize) {
        let token = self.tokens[at];
        if token.flags & lexicon::PHRASE != 0 {
            self.phrases(at);
        }
        match token.kind {
            Kind::Number | Kind::Mixed => self.number(at),
            Kind::Sign => {
                if token.is_one_of(b"+(") {
                    self.phone(at);
                }
            }
            Kind::Word => {
                self.street_by_ending(at);
                self.name_without_cue(at);
            }
        }
    }

    fn number(&mut self, at: usize) {
        if self.taken[at] {
            return;
        }
        let glued = at > 0 && self.tokens[at].gap == Gap::None && !self.tokens[at - 1].is_one_of(b"([{,;\"'*=|<>~:");
        if !glued {
            self.numeric_date(at);
            self.phone(at);
        }
        self.age(at);
        self.postal_code(at);
        self.loose_id(at);
    }

    /// The longest phrase of each kind; of labels every one of the longest.
    fn phrases(&mut self, at: usize) {
        let rules = self.rules;
        let tokens = self.tokens;
        let mut seen = [(std::mem::discriminant(&Trigger::Title), 0usize); 8];
        let mut count = 0;
        for (trigger, len) in rules.phrases_at(&tokens[at..]) {
            let kind = std::mem::discriminant(&trigger);
            if let Some((_, longest)) = seen[..count].iter().find(|(other, _)| *other == kind) {
                if !matches!(trigger, Trigger::Label(_)) || len < *longest {
                    continue;
                }
            } else if count < seen.len() {
                seen[count] = (kind, len);
                count += 1;
            }
            self.trigger(trigger, at, len);
        }
    }

    fn trigger(&mut self, trigger: Trigger, at: usize, len: usize) {
        match trigger {
            Trigger::Label(label) => self.label(at, len, label),
            Trigger::Title => self.title(at, len),
            Trigger::Credential => self.credential(at),
            Trigger::Kin => self.kin(at, len),
            Trigger::NameCue => self.name_cue(at, len),
            Trigger::Month(month) => self.month(at, month),
            Trigger::Weekday => self.weekday(at),
            Trigger::StreetTail(plain) => self.street_tail(at, len, plain),
            Trigger::StreetHead => self.street_head(at, len),
            Trigger::OrgTail(small) => self.organisation_tail(at, len, small),
            Trigger::OrgHead => self.organisation_head(at, len),
            Trigger::OrgKnown => self.organisation_known(at, len),
            Trigger::VisitCue => self.visit_cue(at, len),
            Trigger::PlaceCue => self.place_cue(at, len),
            Trigger::Place => self.place(at, len),
            Trigger::State => self.state(at, len),
            Trigger::Country => self.country(at, len),
            Trigger::AgeCue => self.age_cue(at, len),
            Trigger::OldAge => self.push(at, at + len, TextClass::Age, "age.words", 0.85),
            Trigger::Sex => self.push(at, at + len, TextClass::Sex, "sex", 0.5),
            Trigger::Profession => self.push(at, at + len, TextClass::Profession, "profession", 0.5),
            Trigger::Code => self.code(at, len),
            Trigger::Unit(flat) => self.flat(at, flat),
            Trigger::Clinical => self.block(at, at + len, "clinical", 0.72),
            Trigger::Particle
            | Trigger::NameSuffix
            | Trigger::Of
            | Trigger::Range
            | Trigger::PlacePreposition
            | Trigger::NameLink
            | Trigger::DateCue
            | Trigger::YearWord
            | Trigger::PlaceHead
            | Trigger::AgeUnit => {}
        }
    }

    /// The text of the tokens from `first` up to `end`.
    pub(crate) fn slice(&self, first: usize, end: usize) -> &'a str {
        if first >= end || end > self.tokens.len() {
            return "";
        }
        &self.text[self.tokens[first].start as usize..self.tokens[end - 1].end as usize]
    }

    pub(crate) fn word(&self, at: usize) -> &'a str {
        self.slice(at, at + 1)
    }

    pub(crate) fn get(&self, at: usize) -> Option<&'a Token> {
        self.tokens.get(at)
    }

    /// The longest phrase of this kind that starts at a token.
    pub(crate) fn phrase(&self, at: usize, kind: Trigger) -> Option<usize> {
        self.trigger_of(at, |trigger| std::mem::discriminant(&trigger) == std::mem::discriminant(&kind)).map(|(_, len)| len)
    }

    pub(crate) fn trigger_of(&self, at: usize, fits: impl Fn(Trigger) -> bool) -> Option<(Trigger, usize)> {
        let tokens = self.tokens.get(at..)?;
        self.rules.phrases_at(tokens).find(|(trigger, _)| fits(*trigger))
    }

    /// Whether a phrase of this kind ends just before a token, looking back at most three tokens.
    pub(crate) fn phrase_before(&self, at: usize, kind: Trigger) -> Option<usize> {
        (1..=3).take_while(|back| *back <= at).find(|back| self.phrase(at - back, kind) == Some(*back)).map(|back| at - back)
    }

    /// Whether the token starts a sentence, a line or a list entry, where a capital is a matter of form.
    pub(crate) fn starts_sentence(&self, at: usize) -> bool {
        let token = &self.tokens[at];
        if token.gap >= Gap::Line || at == 0 {
            return true;
        }
        let before = &self.tokens[at - 1];
        if before.is_one_of(b"!?*>") || before.is_sign(b':') {
            return true;
        }
        if !before.is_sign(b'.') {
            return before.is_sign(b'-') && (at < 2 || self.tokens[at - 1].gap >= Gap::Line);
        }
        // A point after a title or an initial ends no sentence.
        at < 2 || !(self.tokens[at - 2].is_initial() || self.phrase(at - 2, Trigger::Title).is_some()) || token.gap == Gap::None
    }

    pub(crate) fn push(&mut self, first: usize, end: usize, class: TextClass, rule: &'static str, score: f32) {
        if first < end && end <= self.tokens.len() {
            let (start, end) = (self.tokens[first].start, self.tokens[end - 1].end);
            self.found.push(Found { start, end, class: Some(class), rule: RuleId(rule), score });
        }
    }

    pub(crate) fn push_bytes(&mut self, start: u32, end: u32, class: TextClass, rule: &'static str, score: f32) {
        self.found.push(Found { start, end, class: Some(class), rule: RuleId(rule), score });
    }

    pub(crate) fn block(&mut self, first: usize, end: usize, rule: &'static str, score: f32) {
        if first < end && end <= self.tokens.len() {
            let (start, end) = (self.tokens[first].start, self.tokens[end - 1].end);
            self.found.push(Found { start, end, class: None, rule: RuleId(rule), score });
        }
    }

    pub(crate) fn take(&mut self, first: usize, end: usize) {
        let end = end.min(self.taken.len());
        if first < end {
            self.taken[first..end].fill(true);
        }
    }

    /// The end of the run of letters, digits and inner signs without blanks that starts at a token.
    pub(crate) fn chunk(&self, first: usize) -> usize {
        let mut end = first + 1;
        while let Some(token) = self.get(end) {
            if token.gap != Gap::None || end - first >= 32 {
                break;
            }
            if token.kind == Kind::Sign && !token.is_one_of(b"-/.:_#+*&") {
                break;
            }
            end += 1;
        }
        while end > first + 1 && self.tokens[end - 1].kind == Kind::Sign {
            end -= 1;
        }
        end
    }

    /// A number of at most nine digits.
    pub(crate) fn number_at(&self, at: usize) -> Option<u32> {
        let token = self.get(at).filter(|token| token.kind == Kind::Number && token.chars <= 9)?;
        self.text[token.start as usize..token.end as usize].parse().ok()
    }

    /// Whether a unit of measure or a per cent sign follows the token before `at`.
    pub(crate) fn unit_follows(&self, at: usize) -> bool {
        self.get(at).is_some_and(|token| {
            token.gap <= Gap::Space
                && (token.is_sign(b'%')
                    || token.kind != Kind::Sign && token.flags & lexicon::UNIT != 0 && token.flags & lexicon::FUNCTION == 0)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(start: u32, end: u32, class: Option<TextClass>, score: f32) -> Found {
        Found { start, end, class, rule: RuleId("test"), score }
    }

    #[test]
    fn the_better_candidate_wins_and_the_rest_of_the_other_stays() {
        let mut chosen = Vec::new();
        let mut all = vec![
            found(0, 5, Some(TextClass::Name), 0.9),
            found(3, 8, Some(TextClass::Name), 0.6),
            found(10, 14, Some(TextClass::Date), 0.95),
            found(16, 22, None, 0.8),
            found(16, 22, Some(TextClass::Name), 0.6),
        ];
        choose("Smith Jo: 2020; Wilson ab", &mut all, &mut chosen);
        let got: Vec<_> = chosen.iter().map(|f| (f.start, f.end, f.class)).collect();
        assert_eq!(got, vec![(0, 8, Some(TextClass::Name)), (10, 14, Some(TextClass::Date))]);
    }
}
