//! Short texts (descriptions, labels, comments) by an allow-list: a word stays when it is a word of imaging, everything else goes.
//!
//! Looking for what identifies somebody misses what nobody thought of. Here the question is the other way round: what is known to say nothing of a person. The
//! list is that of `data/words.txt` and the words of the names of DICOM's attributes; numbers of up to four digits stay, but for what may be a date, a
//! time or a telephone number. Words that are the patient's or somebody's who is named in the same document ([`Tokens`]) go even if they are on the list.

use std::{borrow::Cow, collections::HashSet, sync::LazyLock};

use sutura_dicom::dictionary;

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

fn words_of(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// Identifiers that are looked for; each is looked for in every text.
const MOST_IDENTIFIERS: usize = 64;

/// What is known of the people in a document: words of names, and identifiers. Never shown.
#[derive(Clone, Default)]
pub struct Tokens {
    words: HashSet<String>,
    identifiers: Vec<String>,
}

impl Tokens {
    /// Adds the words of a name that have at least three letters, or two that are not ASCII.
    pub fn add_name(&mut self, name: &str) {
        for word in words_of(name) {
            let enough = if word.is_ascii() { word.len() > 2 } else { word.chars().count() > 1 };
            if enough && !word.bytes().all(|byte| byte.is_ascii_digit()) {
                self.words.insert(word.to_uppercase());
            }
        }
    }

    /// Adds an identifier of at least four characters.
    pub fn add_identifier(&mut self, identifier: &str) {
        let identifier = identifier.trim().to_uppercase();
        let is_new = self.identifiers.len() < MOST_IDENTIFIERS && !self.identifiers.contains(&identifier);
        if identifier.chars().count() >= 4 && is_new {
            self.identifiers.push(identifier);
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty() && self.identifiers.is_empty()
    }

    /// Whether a text has one of the words or identifiers in it.
    pub fn are_in(&self, text: &str) -> bool {
        if self.is_empty() || text.is_empty() {
            return false;
        }
        let upper = text.to_uppercase();
        self.has_identifier(&upper) || (!self.words.is_empty() && words_of(&upper).any(|word| self.words.contains(word)))
    }

    /// Whether a text has one of the identifiers in it.
    pub fn identifiers_are_in(&self, text: &str) -> bool {
        !self.identifiers.is_empty() && self.has_identifier(&text.to_uppercase())
    }

    /// Where identifiers are in a text, in order and apart; `None` where the places cannot be told, because capital letters take other room.
    fn places(&self, text: &str) -> Option<Vec<(usize, usize)>> {
        if self.identifiers.is_empty() {
            return Some(Vec::new());
        }
        let upper = text.to_uppercase();
        if upper.len() != text.len() || !text.is_ascii() {
            return (!self.has_identifier(&upper)).then(Vec::new);
        }
        let all = self.identifiers.iter().flat_map(|identifier| upper.match_indices(identifier.as_str()));
        let mut places: Vec<_> = all.map(|(at, found)| (at, at + found.len())).collect();
        places.sort_unstable();
        places.dedup_by(|next, last| {
            let overlap = next.0 <= last.1;
            if overlap {
                last.1 = last.1.max(next.1);
            }
            overlap
        });
        Some(places)
    }

    fn has_identifier(&self, upper: &str) -> bool {
        self.identifiers.iter().any(|identifier| upper.contains(identifier.as_str()))
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tokens({} words, {} identifiers)", self.words.len(), self.identifiers.len())
    }
}

/// A text with only what may stay; words that went leave nothing behind. What separates the words that stay is kept.
pub fn cleaned<'t>(text: &'t str, tokens: &Tokens) -> Cow<'t, str> {
    let Some(blocked) = tokens.places(text) else { return Cow::Borrowed("") };
    let mut blocked = blocked.into_iter().peekable();
    let mut row = Row::default();
    let mut out = String::with_capacity(text.len());
    let mut changed = false;
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let is_inside = first.is_alphanumeric();
        let length = text[at..].find(|letter: char| letter.is_alphanumeric() != is_inside).unwrap_or(text.len() - at);
        let (part, end) = (&text[at..at + length], at + length);
        row.go_to(text, at);
        while blocked.next_if(|(_, behind)| *behind <= at).is_some() {}
        let is_blocked = blocked.peek().is_some_and(|(start, _)| *start < end);
        let may_be_a_date = (row.may_be_a_date && is_number(part)) || is_joined_to_number(text, at, end);
        match is_inside {
            true if is_blocked || may_be_a_date || !may_stay(part, tokens) => changed = true,
            false if !is_separator(part) => {
                changed = true;
                out.push(' ');
            }
            _ => out.push_str(part),
        }
        at = end;
    }
    if !changed {
        return Cow::Borrowed(text);
    }
    Cow::Owned(out.split_whitespace().filter(|part| part.chars().any(char::is_alphanumeric) || *part == "+").collect::<Vec<_>>().join(" "))
}

fn is_separator(part: &str) -> bool {
    part.len() <= 4 && part.chars().all(|letter| " \t\r\n.,;:/-+_()[]%<>=&*\\^".contains(letter))
}

/// Whether a word says nothing of a person.
fn may_stay(word: &str, tokens: &Tokens) -> bool {
    let upper = word.to_uppercase();
    if tokens.words.contains(&upper) {
        return false;
    }
    let digits = upper.bytes().filter(u8::is_ascii_digit).count();
    if digits > 4 || !upper.is_ascii() {
        return false;
    }
    if digits == 0 {
        return upper.len() == 1 || KNOWN.contains(&upper);
    }
    // T2W, 3D, 5MM, B1000, H30S: each run of letters is a known word or one letter.
    upper.split(|letter: char| letter.is_ascii_digit()).all(|run| run.len() < 2 || KNOWN.contains(run))
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
    /// Whether it may be a date, a time or a telephone number: more than four digits in several numbers, or several numbers with a stroke, a hyphen, a
    /// colon or more than one point between them.
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
        let digits = row.bytes().filter(u8::is_ascii_digit).count();
        let numbers = row.split(|letter: char| !letter.is_ascii_digit()).filter(|number| !number.is_empty()).count();
        let is_one_decimal = numbers == 2 && row.trim().bytes().filter(|byte| !byte.is_ascii_digit()).eq(std::iter::once(b'.'));
        self.may_be_a_date = numbers >= 2 && !is_one_decimal && (digits > 4 || row.contains(['/', '-', ':', '.', '_']));
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
            ("born 3 May", "3"),
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
            prop_assert!(!words_of(&once.to_uppercase()).any(|word| tokens.words.contains(word)));
            prop_assert!(!once.to_uppercase().contains("A-1742"));
        }
    }
}
