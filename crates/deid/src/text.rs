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
        if identifier.chars().count() >= 4 && !self.identifiers.contains(&identifier) {
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
    let upper = text.to_uppercase();
    // A text with an identifier in it is torn apart first: its parts may each look harmless.
    let mut blocked: Vec<(usize, usize)> = Vec::new();
    if upper.len() == text.len() {
        for identifier in &tokens.identifiers {
            blocked.extend(upper.match_indices(identifier.as_str()).map(|(at, found)| (at, at + found.len())));
        }
    } else if tokens.has_identifier(&upper) {
        return Cow::Borrowed("");
    }
    let mut out = String::with_capacity(text.len());
    let mut changed = false;
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let is_inside = first.is_alphanumeric();
        let length = text[at..].find(|letter: char| letter.is_alphanumeric() != is_inside).unwrap_or(text.len() - at);
        let part = &text[at..at + length];
        let is_blocked = blocked.iter().any(|(start, end)| *start < at + length && at < *end);
        if !is_inside {
            if is_separator(part) {
                out.push_str(part);
            } else {
                changed = true;
                out.push(' ');
            }
        } else if !is_blocked && may_stay(part, tokens) && !is_of_a_row_of_numbers(text, at, at + length) {
            out.push_str(part);
        } else {
            changed = true;
        }
        at += length;
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

/// Whether a part is in a row of numbers that may be a date, a time or a telephone number: more than four digits with nothing but signs between them,
/// or two and more numbers with a stroke, a hyphen or a colon between them.
fn is_of_a_row_of_numbers(text: &str, start: usize, end: usize) -> bool {
    let part = &text[start..end];
    if !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let is_of_row = |letter: char| letter.is_ascii_digit() || " ./-:()+_,".contains(letter);
    let before =
        text[..start].rfind(|letter: char| !is_of_row(letter)).map_or(0, |at| at + text[at..].chars().next().map_or(1, char::len_utf8));
    let after = text[end..].find(|letter: char| !is_of_row(letter)).map_or(text.len(), |at| end + at);
    let row = &text[before..after];
    let digits = row.bytes().filter(u8::is_ascii_digit).count();
    let numbers = row.split(|letter: char| !letter.is_ascii_digit()).filter(|number| !number.is_empty()).count();
    if numbers < 2 {
        return false;
    }
    let is_one_decimal = numbers == 2 && row.trim().bytes().filter(|byte| !byte.is_ascii_digit()).eq(std::iter::once(b'.'));
    !is_one_decimal && (digits > 4 || row.contains(['/', '-', ':', '.', '_']))
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
