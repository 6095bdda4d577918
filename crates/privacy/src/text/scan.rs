//! One block of text: tokens, candidates from every family of rules, and the best of them that do not overlap.

mod ages;
mod contacts;
mod dates;
mod ids;
mod labels;
mod names;
mod phones;
mod places;

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
    choose(&mut scratch.found, &mut scratch.chosen);
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
    if large > 4 * (small + title) && large >= 4 {
        Letters::AllLarge
    } else if small > 50 * (title + large) && small >= 8 {
        Letters::AllSmall
    } else {
        Letters::Normal
    }
}

/// Keeps the best candidates that do not overlap. Overlapping candidates of one class become one.
fn choose(found: &mut [Found], chosen: &mut Vec<Found>) {
    chosen.clear();
    found.sort_by(|a, b| {
        b.score.total_cmp(&a.score).then_with(|| (b.end - b.start).cmp(&(a.end - a.start))).then_with(|| a.start.cmp(&b.start))
    });
    let mut kept: std::collections::BTreeMap<u32, Found> = std::collections::BTreeMap::new();
    'candidates: for candidate in found.iter().filter(|candidate| candidate.start < candidate.end) {
        let mut grown = *candidate;
        let mut swallowed: Vec<u32> = Vec::new();
        let first = kept.range(..=candidate.start).next_back().filter(|(_, other)| other.end > candidate.start).map(|(start, _)| *start);
        for (start, other) in kept.range(first.unwrap_or(candidate.start)..candidate.end) {
            if other.class.is_none() || candidate.class.is_none() || !same_kind(other.class, candidate.class) {
                continue 'candidates;
            }
            swallowed.push(*start);
            grown.start = grown.start.min(other.start);
            grown.end = grown.end.max(other.end);
            if other.score >= grown.score {
                (grown.class, grown.rule, grown.score) = (other.class, other.rule, other.score);
            }
        }
        for start in swallowed {
            kept.remove(&start);
        }
        kept.insert(grown.start, grown);
    }
    chosen.extend(kept.into_values());
}

/// Whether two overlapping candidates may become one.
fn same_kind(a: Option<TextClass>, b: Option<TextClass>) -> bool {
    a == b || matches!((a, b), (Some(a), Some(b)) if a.phi() == b.phi())
}

impl<'a> Scan<'a> {
    /// Visits every token once; each rule looks at a bounded number of neighbours.
    fn walk(&mut self) {
        let mut at = 0;
        while at < self.tokens.len() {
            if !self.taken[at] {
                self.visit(at);
            }
            at += 1;
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
            Kind::Word => self.name_without_cue(at),
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

    fn phrases(&mut self, at: usize) {
        let rules = self.rules;
        let tokens = self.tokens;
        let mut seen: [Option<std::mem::Discriminant<Trigger>>; 8] = [None; 8];
        let mut count = 0;
        for (trigger, len) in rules.phrases_at(&tokens[at..]) {
            let kind = std::mem::discriminant(&trigger);
            if seen[..count].contains(&Some(kind)) {
                continue;
            }
            if count < seen.len() {
                seen[count] = Some(kind);
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
            Trigger::StreetTail => self.street_tail(at, len),
            Trigger::StreetHead => self.street_head(at, len),
            Trigger::OrgTail => self.organisation_tail(at, len),
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
            Trigger::Clinical => self.block(at, at + len, "clinical", 0.72),
            Trigger::Particle | Trigger::NameSuffix | Trigger::DateCue | Trigger::Unit | Trigger::PlaceHead | Trigger::AgeUnit => {}
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
            token.gap <= Gap::Space && (token.is_sign(b'%') || token.kind != Kind::Sign && token.flags & lexicon::UNIT != 0)
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
    fn the_better_candidate_wins_and_one_class_grows_together() {
        let mut chosen = Vec::new();
        let mut all = vec![
            found(0, 5, Some(TextClass::Name), 0.9),
            found(3, 9, Some(TextClass::Name), 0.6),
            found(8, 12, Some(TextClass::Date), 0.95),
            found(20, 24, None, 0.8),
            found(20, 24, Some(TextClass::Name), 0.6),
        ];
        choose(&mut all, &mut chosen);
        let got: Vec<_> = chosen.iter().map(|f| (f.start, f.end, f.class)).collect();
        assert_eq!(got, vec![(0, 5, Some(TextClass::Name)), (8, 12, Some(TextClass::Date)), (20, 24, None)]);
    }
}
