//! Short texts (descriptions, labels, comments) by an allow-list: a word stays when it is a word of imaging, everything else goes.
//!
//! Looking for what identifies somebody misses what nobody thought of. Here the question is the other way round: what is known to say nothing of a person. The
//! list is that of `data/words.txt` and the words of the names of DICOM's attributes; numbers of up to three digits stay, and of four where they are a measure, but for
//! what may be a date, a time, a telephone number or an age over 89, and what stands beside a word that went. Words that are the patient's or somebody's who is named
//! in the same document ([`Tokens`]) go even if they are on the list.

mod tokens;

use std::{borrow::Cow, collections::HashSet, sync::LazyLock};

use sutura_dicom::dictionary;

pub use tokens::Tokens;

const WORDS: &str = include_str!("../data/words.txt");

/// Words in names of attributes that are also names of people, months or places, or say who somebody is.
const NOT_WORDS: [&str; 22] = [
    "MAY",
    "MARCH",
    "APRIL",
    "AUGUST",
    "JUNE",
    "BROWN",
    "WHITE",
    "BLACK",
    "GREEN",
    "GRAY",
    "YOUNG",
    "STANTON",
    "HOUNSFIELD",
    "GRAHAM",
    "NYQUIST",
    "FIELD",
    "WEDGE",
    "BLUE",
    "CHRISTIAN",
    "FATHER",
    "MOTHER",
    "MARK",
];

static KNOWN: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let ours = WORDS.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_ascii_whitespace).map(str::to_owned);
    let names = dictionary::attributes().iter().filter(|attribute| !attribute.retired).flat_map(|attribute| words_of(attribute.name));
    let names = names.filter(|word| word.len() > 2 && word.bytes().all(|byte| byte.is_ascii_alphabetic())).map(str::to_ascii_uppercase);
    ours.chain(names).filter(|word| !NOT_WORDS.contains(&word.as_str())).collect()
});

/// The words of a text.
fn words_of(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// Whether a word (in capital letters) is one of imaging.
fn is_known(word: &str) -> bool {
    KNOWN.contains(word)
}

/// Whether every word of a text is one of imaging, alone or with digits: a term that many share.
pub(crate) fn is_a_term(text: &str) -> bool {
    words_of(text).all(|word| {
        let upper = word.to_uppercase();
        upper.split(|letter: char| letter.is_ascii_digit()).all(|run| run.len() < 2 || is_known(run))
    })
}

/// A text with only what may stay; words that went leave nothing behind, nor do the numbers beside them. What separates the words that stay is kept.
pub fn cleaned<'t>(text: &'t str, tokens: &Tokens) -> Cow<'t, str> {
    let parts = Parts::of(text, tokens);
    if parts.all.iter().all(|part| !part.is_gone) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for part in &parts.all {
        match (part.is_word, part.is_gone) {
            (_, false) => out.push_str(part.text),
            (false, true) => out.push(' '),
            (true, true) => {}
        }
    }
    Cow::Owned(out.split_whitespace().filter(|part| part.chars().any(char::is_alphanumeric) || *part == "+").collect::<Vec<_>>().join(" "))
}

/// A word, or what is between two.
struct Part<'t> {
    text: &'t str,
    /// A word in capital letters.
    upper: Cow<'t, str>,
    is_word: bool,
    is_gone: bool,
}

struct Parts<'t> {
    all: Vec<Part<'t>>,
    /// Which of them are words.
    words: Vec<usize>,
}

impl<'t> Parts<'t> {
    fn of(text: &'t str, tokens: &Tokens) -> Self {
        let mut parts = Self { all: Vec::new(), words: Vec::new() };
        let mut blocked = tokens.places(text).into_iter().peekable();
        let mut row = Row::default();
        let mut at = 0;
        while let Some(first) = text[at..].chars().next() {
            let is_word = is_of_word(first);
            let length = text[at..].find(|letter: char| is_of_word(letter) != is_word).unwrap_or(text.len() - at);
            let (part, end) = (&text[at..at + length], at + length);
            row.go_to(text, at);
            while blocked.next_if(|(_, behind)| *behind <= at).is_some() {}
            let is_blocked = blocked.peek().is_some_and(|(start, _)| *start < end);
            let may_be_a_date = (row.may_be_a_date && is_number(part)) || is_joined_to_number(text, at, end);
            let upper = if is_word { Cow::Owned(part.to_uppercase()) } else { Cow::Borrowed("") };
            let is_gone = if is_word { is_blocked || may_be_a_date || !may_stay(part, &upper, tokens) } else { !is_separator(part) };
            if is_word {
                parts.words.push(parts.all.len());
            }
            parts.all.push(Part { text: part, upper, is_word, is_gone });
            at = end;
        }
        for place in 0..parts.words.len() {
            if parts.is_a_month(place) || parts.is_an_old_age(place) || parts.is_a_year(place) {
                parts.remove(place);
            }
        }
        if tokens.are_in(text) {
            parts.remove_joined(tokens);
        }
        // Numbers beside what went say something of it: both ways, and on to the next.
        for place in 1..parts.words.len() {
            parts.spread(place - 1, place);
        }
        for place in (1..parts.words.len()).rev() {
            parts.spread(place, place - 1);
        }
        parts
    }

    /// A word by its number.
    fn word(&self, place: usize) -> &str {
        self.words.get(place).map_or("", |at| self.all[*at].upper.as_ref())
    }

    fn before(&self, place: usize, words: usize) -> &str {
        place.checked_sub(words).map_or("", |place| self.word(place))
    }

    fn is_gone(&self, place: usize) -> bool {
        self.words.get(place).is_some_and(|at| self.all[*at].is_gone)
    }

    fn remove(&mut self, place: usize) {
        if let Some(at) = self.words.get(place) {
            self.all[*at].is_gone = true;
        }
    }

    /// A month with a number beside it.
    fn is_a_month(&self, place: usize) -> bool {
        let is_digit = |word: &str| word.bytes().next().is_some_and(|byte| byte.is_ascii_digit());
        tokens::month(self.word(place)).is_some() && (is_digit(self.before(place, 1)) || is_digit(self.word(place + 1)))
    }

    /// A number of 90 and more that is an age.
    fn is_an_old_age(&self, place: usize) -> bool {
        let word = self.word(place);
        let digits = word.len() - word.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
        let (number, rest) = word.split_at(digits);
        if !number.parse::<u32>().is_ok_and(|years| (90..200).contains(&years)) {
            return false;
        }
        let is_age = |word: &str| AGES.contains(&word);
        if !rest.is_empty() {
            return is_age(rest);
        }
        [self.before(place, 1), self.before(place, 2), self.word(place + 1), self.word(place + 2)].into_iter().any(is_age)
    }

    /// A number of four digits that nothing says to be a measure: a year, the last of a number, a room.
    fn is_a_year(&self, place: usize) -> bool {
        let word = self.word(place);
        word.len() == 4 && is_number(word) && !self.is_measured(place)
    }

    /// A number with its unit, or the name of what it measures.
    fn is_measured(&self, place: usize) -> bool {
        UNITS.contains(&self.word(place + 1)) || (MEASURES.contains(&self.before(place, 1)) && !self.is_gone(place.wrapping_sub(1)))
    }

    /// What stands in several words and is a name or number all the same.
    fn remove_joined(&mut self, tokens: &Tokens) {
        let left: String = self.all.iter().filter(|part| !part.is_gone).map(|part| part.text).collect();
        if tokens.are_in(&left) {
            for part in &mut self.all {
                part.is_gone = true;
            }
        }
    }

    /// From a word that went to a number, or a letter, beside it.
    fn spread(&mut self, from: usize, to: usize) {
        let is_without = (self.word(to) == "W" && self.word(to + 1) == "O") || (self.word(to) == "O" && self.before(to, 1) == "W");
        let is_spread = !is_without && self.is_gone(from) && !self.is_gone(to) && !self.is_measured(to) && says_little_alone(self.word(to));
        if is_spread {
            self.remove(to);
        }
    }
}

/// Words that say that a number is an age.
const AGES: [&str; 16] =
    ["AGE", "AGED", "YEAR", "YEARS", "YR", "YRS", "YO", "Y", "OLD", "ALTER", "JAHRE", "JAEHRIG", "J", "ANS", "ANOS", "ANNI"];
/// Units behind a number.
const UNITS: [&str; 22] = [
    "MM", "CM", "UM", "S", "MS", "SEC", "US", "HU", "KV", "KVP", "MA", "MAS", "HZ", "KHZ", "MHZ", "ML", "MG", "GY", "CGY", "MGY", "MBQ",
    "DEG",
];
/// What a number behind it measures.
const MEASURES: [&str; 20] =
    ["TR", "TE", "TI", "FA", "B", "BVAL", "BVALUE", "FOV", "KV", "KVP", "MA", "MAS", "WW", "WL", "WC", "W", "L", "NEX", "ETL", "VENC"];

/// Whether a word says something only with the one beside it: a number, a number with a letter, one letter. Not what names a weighting, a spine's level or a
/// dimension.
fn says_little_alone(word: &str) -> bool {
    let bytes = word.as_bytes();
    match bytes {
        [one] => one.is_ascii_alphabetic() || one.is_ascii_digit(),
        [b'2' | b'3' | b'4', b'D'] => false,
        [b'B', .., b'0'] => false,
        [b'T' | b'L' | b'C' | b'S', rest @ ..] if rest.len() < 3 && rest.iter().all(u8::is_ascii_digit) => false,
        [first, rest @ ..] if first.is_ascii_alphabetic() => rest.iter().all(u8::is_ascii_digit),
        [rest @ .., last] => rest.iter().all(u8::is_ascii_digit) && last.is_ascii_alphanumeric(),
        [] => false,
    }
}

/// Letters, digits, and the marks that belong to the letter before them.
fn is_of_word(letter: char) -> bool {
    letter.is_alphanumeric() || ('\u{300}'..='\u{36F}').contains(&letter)
}

fn is_separator(part: &str) -> bool {
    part.len() <= 4 && part.chars().all(|letter| " \t\r\n.,;:/-+_()[]%<>=&*\\^".contains(letter))
}

/// Whether a word says nothing of a person.
fn may_stay(word: &str, upper: &str, tokens: &Tokens) -> bool {
    if tokens.is_name(word) {
        return false;
    }
    let digits = upper.bytes().filter(u8::is_ascii_digit).count();
    if digits > 4 || !upper.is_ascii() {
        return false;
    }
    if digits == 0 {
        return upper.len() == 1 || is_known(upper);
    }
    // T2W, 3D, 5MM, B1000, H30S: each run of letters is a known word or one letter.
    upper
        .split(|letter: char| letter.is_ascii_digit())
        .all(|run| run.len() < 2 || is_known(run) || (is_old_age_word(run) && !upper.starts_with(run)))
}

fn is_old_age_word(run: &str) -> bool {
    AGES.contains(&run)
}

fn is_number(part: &str) -> bool {
    part.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether letters and digits together (`knee12`, `2019T`) have a sign and a number on a side where they have a digit: a date without a space before it.
fn is_joined_to_number(text: &str, start: usize, end: usize) -> bool {
    let bytes = text.as_bytes();
    let part = &bytes[start..end];
    if is_number(&text[start..end]) {
        return false;
    }
    let is_sign = |at: usize| bytes.get(at).is_some_and(|byte| b"/-:.".contains(byte));
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let behind = part.last().is_some_and(u8::is_ascii_digit) && is_sign(end) && is_digit(end + 1);
    let before = part.first().is_some_and(u8::is_ascii_digit) && start >= 2 && is_sign(start - 1) && is_digit(start - 2);
    behind || before
}

/// A row of numbers with nothing but signs between them, up to where it ends.
#[derive(Default)]
struct Row {
    end: usize,
    /// Whether it may be a date, a time or a telephone number: several numbers, but for one with a decimal point.
    may_be_a_date: bool,
}

impl Row {
    /// Looks at the row that begins at a place, if that is behind the one known.
    fn go_to(&mut self, text: &str, at: usize) {
        if at < self.end {
            return;
        }
        let is_of_row = |letter: char| letter.is_ascii_digit() || " ./-:()+_,".contains(letter);
        self.end = at + text[at..].find(|letter: char| !is_of_row(letter)).unwrap_or(text.len() - at);
        let row = &text[at..self.end];
        let numbers = row.split(|letter: char| !letter.is_ascii_digit()).filter(|number| !number.is_empty()).count();
        let is_one_decimal = numbers == 2 && row.trim().bytes().filter(|byte| !byte.is_ascii_digit()).eq(std::iter::once(b'.'));
        self.may_be_a_date = numbers >= 2 && !is_one_decimal;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of_jane() -> Tokens {
        let mut tokens = Tokens::default();
        tokens.add_name("Doe^Jane^Head");
        tokens.add_identifier("A-1742");
        tokens
    }

    #[test]
    fn words_of_imaging_stay() {
        for text in ["AX T2 FLAIR", "CT Chest w/o contrast", "T1W 3D post", "Abdomen 5.0 B31f", "Thin 1.25 mm", "DWI b1000", "LUNG + bone"]
        {
            let kept = cleaned(text, &Tokens::default());
            assert!(kept.len() + 4 >= text.len(), "{text}: {kept}");
        }
        assert_eq!(cleaned("AX T2 FLAIR", &Tokens::default()), "AX T2 FLAIR");
    }

    #[test]
    fn people_dates_and_numbers_go() {
        let tokens = of_jane();
        for (text, left) in [
            ("Chest of Jane Doe", "Chest of"),
            ("head CT", "CT"),
            ("knee 12/03/2019", "knee"),
            ("knee 2019-03-12", "knee"),
            ("knee12/03/2019 lung", "lung"),
            ("lung 12/03/2019T10", "lung"),
            ("call (555) 010-1234", ""),
            ("id A-1742 knee", "knee"),
            ("id a-1742x knee", "knee"),
            ("dr smith: lung", "lung"),
            ("SSN 123-45-6789", ""),
            ("lung 20190312", "lung"),
            ("12.03.19", ""),
            ("mail jane@example.org", ""),
            ("Müller knee", "knee"),
            ("born 3 May", ""),
            ("CT chest 24 DEC 1961 at 13 47 room B12", "CT chest at"),
            ("knee dob 24 Dec 61", "knee"),
            ("knee 12 MAR 19 age 97", "knee age"),
            ("lung 97yo 097Y knee 47Y", "lung knee 47Y"),
            ("lung 93 y o", "lung"),
            ("ZIP 8001; ext 4711; apt 12B", "ext"),
            ("chest 1961 lung", "chest lung"),
            ("lung SSN last 6789", "lung last"),
            ("TR 2500 TE 1000 ms", "TR 2500 TE 1000 ms"),
            ("ward 7 lung 5 mm", "lung 5 mm"),
            ("Smith J. lung", "lung"),
            ("lung JaneDoe", "lung"),
            ("lung D-O-E A 1742", "lung"),
            ("Smith lung w/o contrast", "lung w/o contrast"),
        ] {
            assert_eq!(cleaned(text, &tokens), left, "{text}");
        }
        assert!(tokens.are_in("the JANE of") && tokens.are_in("xa-1742x") && !tokens.are_in("Janet"));
    }

    /// Long texts of nothing but numbers, and of nothing but identifiers, take no longer than others.
    #[test]
    fn long_texts_end() {
        let tokens = of_jane();
        assert!(cleaned(&"1 ".repeat(300_000), &tokens).is_empty());
        assert!(cleaned(&"A-1742 ".repeat(100_000), &tokens).is_empty());
    }

    proptest! {
        #[test]
        fn what_is_left_has_no_long_number_and_is_clean_already(text in "\\PC{0,60}") {
            let tokens = of_jane();
            let once = cleaned(&text, &tokens).into_owned();
            prop_assert!(!once.bytes().collect::<Vec<_>>().windows(5).any(|five| five.iter().all(u8::is_ascii_digit)));
            prop_assert!(!words_of(&once.to_uppercase()).any(|word| tokens.is_name(word)));
            prop_assert!(!once.to_uppercase().contains("A-1742"));
        }
    }
}
