//! From what a model says of tokens to spans of the text.
//!
//! Tokens are pieces of words. A word is what its surest piece is: models are often taught only the first piece, and half a name is no use to anybody. Words of
//! one class that follow each other are one span.

use std::ops::Range;

use sutura_privacy::text::{RuleId, Span, TextClass};

use super::labels::Label;

/// The rule of every span that a model finds.
pub const MODEL_RULE: RuleId = RuleId("model");
/// Longer spans are cut: whoever merges them looks at the text in stretches.
const LONGEST: usize = 512;

/// What a model says of a token, which stands at `place` in the text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token {
    pub(crate) place: Range<usize>,
    /// The number of its word, as the tokenizer counts.
    pub(crate) word: Option<u32>,
    /// The class that is likeliest, if any is likely at all.
    pub(crate) class: Option<TextClass>,
    pub(crate) begins: bool,
    /// How likely it is that it identifies somebody.
    pub(crate) score: f32,
}

/// What logits say: how likely it is that a token identifies, as what, and whether it begins a span. None if they are no numbers.
pub(crate) fn verdict(logits: &[f32], labels: &[Label]) -> Option<(f32, Option<TextClass>, bool)> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if logits.len() != labels.len() || logits.iter().any(|logit| !logit.is_finite()) {
        return None;
    }
    let (mut all, mut identifies) = (0f64, 0f64);
    let mut classes = [(0f64, 0f64); 32];
    for (logit, label) in logits.iter().zip(labels) {
        let weight = f64::from(logit - most).exp();
        all += weight;
        if let Some(class) = label.class {
            identifies += weight;
            let (sum, begins) = &mut classes[class as usize & 31];
            *sum += weight;
            *begins += if label.begins { weight } else { 0.0 };
        }
    }
    let mut best: Option<(TextClass, f64, f64)> = None;
    for class in TextClass::ALL {
        let (sum, begins) = classes[*class as usize & 31];
        if sum > best.map_or(0.0, |(_, most, _)| most) {
            best = Some((*class, sum, begins));
        }
    }
    Some(((identifies / all) as f32, best.map(|(class, ..)| class), best.is_some_and(|(_, sum, begins)| begins > sum / 2.0)))
}

/// Puts tokens, in their order, together to spans.
#[derive(Debug)]
pub(crate) struct Spans<'t> {
    text: &'t str,
    threshold: f32,
    word: Option<Word>,
    /// The span that may still grow: with the number of its words and the sum of what they are sure of.
    open: Option<(Span, u32, f32)>,
    found: Vec<Span>,
}

#[derive(Debug)]
struct Word {
    place: Range<usize>,
    number: Option<u32>,
    class: Option<TextClass>,
    begins: bool,
    score: f32,
}

impl<'t> Spans<'t> {
    pub(crate) fn new(text: &'t str, threshold: f32) -> Self {
        Self { text, threshold, word: None, open: None, found: Vec::new() }
    }

    /// The next token. Those without text are passed over.
    pub(crate) fn push(&mut self, token: &Token) {
        let blanks = |part: &str| part.len() - part.trim_start().len();
        let Some(part) = self.text.get(token.place.clone()) else { return };
        let place = token.place.start + blanks(part)..token.place.start + part.trim_end().len().max(blanks(part));
        if place.is_empty() {
            return;
        }
        match &mut self.word {
            Some(word) if word.number == token.word && is_inside_a_word(self.text, &word.place, &place) => {
                word.place.end = word.place.end.max(place.end);
                if token.score > word.score {
                    (word.score, word.class) = (token.score, token.class);
                }
            }
            _ => {
                self.end_word();
                let Token { word: number, class, begins, score, .. } = token;
                self.word = Some(Word { place, number: *number, class: *class, begins: *begins, score: *score });
            }
        }
    }

    /// The spans, in order and without overlaps.
    pub(crate) fn finish(mut self) -> Vec<Span> {
        self.end_word();
        self.end_span();
        self.found
    }

    fn end_word(&mut self) {
        let Some(word) = self.word.take() else { return };
        let Some(class) = word.class.filter(|_| word.score >= self.threshold) else {
            // One sign between two parts of one span is a part of it.
            if !self.is_inner_sign(&word.place) {
                self.end_span();
            }
            return;
        };
        if let Some((span, words, sum)) = &mut self.open {
            let between = self.text.get(span.end..word.place.start).unwrap_or("--");
            let follows = between.len() <= 1 || between.trim().is_empty() && !between.contains("\n\n");
            let begins_another = word.begins && between.contains(char::is_whitespace);
            if span.class == class && follows && !begins_another && word.place.end - span.start <= LONGEST {
                span.end = word.place.end.max(span.end);
                (*words, *sum) = (*words + 1, *sum + word.score);
                return;
            }
        }
        self.end_span();
        let mut start = word.place.start;
        while word.place.end - start > LONGEST {
            let end = super::windows::floor(self.text, start + LONGEST);
            self.found.push(self.span(start..end, class, word.score));
            start = end;
        }
        let span = self.span(start..word.place.end, class, word.score);
        self.open = Some((span, 1, word.score));
    }

    /// Whether a word is one sign, right behind the open span, and no blank behind it.
    fn is_inner_sign(&self, place: &Range<usize>) -> bool {
        let is_behind = self.open.as_ref().is_some_and(|(span, ..)| span.end == place.start);
        let is_sign = matches!(self.text.get(place.clone()), Some("/" | "-" | "." | "'" | ":" | "@" | "_"));
        is_behind && is_sign && self.text[place.end..].starts_with(char::is_alphanumeric)
    }

    fn end_span(&mut self) {
        if let Some((span, words, sum)) = self.open.take() {
            self.found.push(self.span(span.start..span.end, span.class, sum / words as f32));
        }
    }

    fn span(&self, place: Range<usize>, class: TextClass, score: f32) -> Span {
        let class = exact(class, &self.text[place.clone()]);
        Span { start: place.start, end: place.end, class, rule: MODEL_RULE, score: score.clamp(0.0, 1.0) }
    }
}

/// Whether two places are in one word: letters or digits on both sides and nothing between.
fn is_inside_a_word(text: &str, before: &Range<usize>, after: &Range<usize>) -> bool {
    let is_letter = |letter: Option<char>| letter.is_some_and(char::is_alphanumeric);
    // Pieces of one letter (bytes) have the same place.
    after.start < before.end
        || after.start == before.end && is_letter(text[before.clone()].chars().next_back()) && is_letter(text[after.clone()].chars().next())
}

/// Labels are coarser than the law: a year alone and an age up to 89 are not what a date and an age over 89 are.
fn exact(class: TextClass, text: &str) -> TextClass {
    match class {
        TextClass::Date if text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit()) => TextClass::Year,
        TextClass::Age => {
            let mut numbers = text.split(|letter: char| !letter.is_ascii_digit()).filter(|digits| !digits.is_empty()).peekable();
            let is_said = numbers.peek().is_some() && !text.chars().any(|letter| letter.is_numeric() && !letter.is_ascii_digit());
            let is_young = |digits: &str| digits.parse::<u32>().is_ok_and(|years| years < 90);
            if is_said && numbers.all(is_young) { TextClass::AgeUnder90 } else { TextClass::Age }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Tokens of a text, cut at the places that are given, with a class and how sure it is.
    fn spans_of(text: &str, tokens: &[(Range<usize>, u32, Option<TextClass>, f32)]) -> Vec<(String, TextClass)> {
        let mut spans = Spans::new(text, 0.5);
        for (place, word, class, score) in tokens {
            spans.push(&Token { place: place.clone(), word: Some(*word), class: *class, begins: false, score: *score });
        }
        spans.finish().into_iter().map(|span| (text[span.start..span.end].to_owned(), span.class)).collect()
    }

    const NAME: Option<TextClass> = Some(TextClass::Name);

    #[test]
    fn a_word_is_what_its_surest_piece_is() {
        let text = "by Stevenson now";
        let tokens = [(0..2, 0, NAME, 0.1), (3..7, 1, NAME, 0.9), (7..12, 1, NAME, 0.2), (13..16, 2, NAME, 0.0)];
        assert_eq!(spans_of(text, &tokens), [("Stevenson".to_owned(), TextClass::Name)]);
        // Byte-level tokenizers count the blank before a word.
        let tokens = [(2..7, 1, NAME, 0.1), (7..12, 1, NAME, 0.8)];
        assert_eq!(spans_of(text, &tokens), [("Stevenson".to_owned(), TextClass::Name)]);
    }

    #[test]
    fn pieces_of_one_letter_are_one_word() {
        let text = "by \u{4e00}\u{e9}a, \u{4e00}";
        // A byte-level tokenizer may give each byte of a letter as a token of its own, with the place of the letter.
        let tokens = [
            (2..6, 0, NAME, 0.2),
            (3..6, 0, NAME, 0.8),
            (3..6, 0, NAME, 0.1),
            (6..8, 0, NAME, 0.1),
            (8..9, 0, NAME, 0.1),
            (11..14, 1, NAME, 0.3),
        ];
        assert_eq!(spans_of(text, &tokens), [("\u{4e00}\u{e9}a".to_owned(), TextClass::Name)]);
        // Words without blanks between them are told apart by the tokenizer.
        let tokens = [(3..6, 0, NAME, 0.9), (6..8, 1, NAME, 0.1), (8..9, 1, NAME, 0.1)];
        assert_eq!(spans_of(text, &tokens), [("\u{4e00}".to_owned(), TextClass::Name)]);
    }

    #[test]
    fn words_that_follow_are_one_span_and_signs_inside_belong_to_it() {
        let text = "Ann Marie O'Hara, 03/14/2018.";
        let date = Some(TextClass::Date);
        let tokens = [
            (0..3, 0, NAME, 0.9),
            (4..9, 1, NAME, 0.9),
            (10..11, 2, NAME, 0.9),
            (11..12, 3, None, 0.1),
            (12..16, 4, NAME, 0.9),
            (16..17, 5, None, 0.0),
            (18..20, 6, date, 0.9),
            (20..21, 7, None, 0.3),
            (21..23, 8, date, 0.9),
            (23..24, 9, None, 0.3),
            (24..28, 10, date, 0.9),
            (28..29, 11, None, 0.3),
        ];
        assert_eq!(spans_of(text, &tokens), [("Ann Marie O'Hara".to_owned(), TextClass::Name), ("03/14/2018".to_owned(), TextClass::Date)]);
    }

    #[test]
    fn years_alone_and_ages_up_to_89_are_told_apart() {
        for (class, text, expected) in [
            (TextClass::Date, "2018", TextClass::Year),
            (TextClass::Date, "3/2018", TextClass::Date),
            (TextClass::Age, "45", TextClass::AgeUnder90),
            (TextClass::Age, "89yo", TextClass::AgeUnder90),
            (TextClass::Age, "90", TextClass::Age),
            (TextClass::Age, "ninety-one", TextClass::Age),
            (TextClass::Age, "99999999999", TextClass::Age),
            (TextClass::Age, "\u{0669}\u{0661} 45", TextClass::Age),
            (TextClass::Name, "2018", TextClass::Name),
        ] {
            assert_eq!(exact(class, text), expected, "{text}");
        }
    }

    #[test]
    fn logits_that_are_no_numbers_are_no_verdict() {
        let none = Label { class: None, begins: false };
        let labels = [
            none,
            Label { class: NAME, begins: true },
            Label { class: NAME, begins: false },
            Label { class: Some(TextClass::Date), begins: false },
        ];
        let (score, class, begins) = verdict(&[1.0, 1.0, 1.0, 1.0], &labels).unwrap();
        assert!((score - 0.75).abs() < 1e-6 && class == NAME && !begins);
        let (score, class, begins) = verdict(&[0.0, 50.0, 0.0, 0.0], &labels).unwrap();
        assert!(score > 0.99 && class == NAME && begins);
        assert!(verdict(&[30.0, 0.0, 0.0, 0.0], &labels).unwrap().0 < 0.01);
        assert_eq!(verdict(&[0.0, f32::NAN, 0.0, 0.0], &labels), None);
        assert_eq!(verdict(&[0.0, f32::INFINITY, 0.0, 0.0], &labels), None);
        assert_eq!(verdict(&[0.0], &labels), None);
    }

    proptest! {
        #[test]
        fn spans_lie_in_the_text_in_order(text in "[a-zA-Z0-9 .,/'é\u{4e00}\n]{0,200}", cuts in prop::collection::vec((0usize..200, 0u32..4, 0u8..4, any::<bool>()), 0..60)) {
            let mut spans = Spans::new(&text, 0.5);
            let mut cuts = cuts;
            cuts.sort_by_key(|cut| cut.0);
            for (start, word, class, begins) in cuts {
                let place = super::super::windows::floor(&text, start)..super::super::windows::ceil(&text, start + 3);
                let class = [None, NAME, Some(TextClass::Date), Some(TextClass::Age)][class as usize];
                spans.push(&Token { place, word: Some(word), class, begins, score: 0.9 });
            }
            let mut done = 0;
            for span in spans.finish() {
                prop_assert!(span.start < span.end && text.get(span.start..span.end).is_some());
                prop_assert!(span.end - span.start <= LONGEST);
                // Tokens of the test may overlap, those of a tokenizer may not.
                prop_assert!(span.start + 8 >= done);
                done = span.end;
            }
        }
    }
}
