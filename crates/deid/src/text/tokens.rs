//! What is known of the people in a document, and whether a text has it in it.
//!
//! A name is looked for however it is written: in any order, joined, with another ending, with or without diacritics, with `ae` for `ä`; a birth date in the usual
//! shapes; an identifier with or without its separators and leading zeros. Two spellings are compared in a folded form: compatibility decomposition (Unicode NFKD)
//! without combining marks, in capital letters.

use std::{borrow::Cow, collections::HashSet};

use chrono::{Datelike, NaiveDate};
use icu_normalizer::DecomposingNormalizerBorrowed;

use super::{is_a_term, is_known, words_of};

/// Identifiers that are looked for; each is looked for in every text.
const MOST_IDENTIFIERS: usize = 128;
/// Names that are looked for inside of words. Those of the patient come first.
const MOST_LONG: usize = 256;
const MOST_PIECES: usize = 256;
const MOST_WORDS: usize = 4096;
/// Letters of the beginning of a name that say it.
const LEAST_BEGINNING: usize = 6;
const MOST_DATES: usize = 8;
/// Words of one name that are joined with each other.
const MOST_JOINED: usize = 6;

/// What stands in the place of a name and is nobody's.
const NOBODY: [&str; 10] =
    ["ANONYMOUS", "ANONYMIZED", "ANONYMISED", "ANON", "UNKNOWN", "PATIENT", "NONE", "REMOVED", "UNSPECIFIED", "DEFAULT"];

/// Makers of devices and what they call these: where somebody's ward is called so too, it is still the maker's.
const MAKES: [&str; 60] = [
    "ACUSON",
    "ADVANTX",
    "AERA",
    "AGFA",
    "ALOKA",
    "AMIRA",
    "AQUILION",
    "ARTIS",
    "AVANTO",
    "BIOGRAPH",
    "BRILLIANCE",
    "CANON",
    "CARESTREAM",
    "DISCOVERY",
    "ELEKTA",
    "ELSCINT",
    "EPIQ",
    "ESAOTE",
    "FUJI",
    "FUJIFILM",
    "GEMINI",
    "GEMS",
    "HEALTHCARE",
    "HEALTHINEERS",
    "HITACHI",
    "HOLOGIC",
    "INGENIA",
    "INTERA",
    "KODAK",
    "KONICA",
    "LIGHTSPEED",
    "LOGIQ",
    "MAGNETOM",
    "MARCONI",
    "MEDICAL",
    "MINDRAY",
    "MINOLTA",
    "NUCLETRON",
    "OPTIMA",
    "PHILIPS",
    "PICKER",
    "PRISMA",
    "REVOLUTION",
    "SAMSUNG",
    "SENOGRAPHE",
    "SHIMADZU",
    "SIEMENS",
    "SIGNA",
    "SKYRA",
    "SOMATOM",
    "SONATA",
    "SYMPHONY",
    "SYSTEM",
    "SYSTEMS",
    "TOSHIBA",
    "TRIO",
    "UNITED",
    "VARIAN",
    "VERIO",
    "VIVID",
];

/// The months by their first three letters in English, German, French, Spanish and Italian.
const MONTHS: [(&str, u32); 33] = [
    ("JAN", 1),
    ("ENE", 1),
    ("GEN", 1),
    ("FEB", 2),
    ("FEV", 2),
    ("MAR", 3),
    ("MRZ", 3),
    ("MAE", 3),
    ("APR", 4),
    ("AVR", 4),
    ("ABR", 4),
    ("MAY", 5),
    ("MAI", 5),
    ("MAG", 5),
    ("JUN", 6),
    ("JUI", 6),
    ("GIU", 6),
    ("JUL", 7),
    ("LUG", 7),
    ("AUG", 8),
    ("AOU", 8),
    ("AGO", 8),
    ("SEP", 9),
    ("SET", 9),
    ("OCT", 10),
    ("OKT", 10),
    ("OTT", 10),
    ("NOV", 11),
    ("DEC", 12),
    ("DEZ", 12),
    ("DIC", 12),
    ("JLY", 7),
    ("JUIL", 7),
];

/// The number of a month by its name or the beginning of it. `word` is in capital letters.
pub(super) fn month(word: &str) -> Option<u32> {
    const NAMES: [&str; 12] =
        ["JANUARY", "FEBRUARY", "MARCH", "APRIL", "MAY", "JUNE", "JULY", "AUGUST", "SEPTEMBER", "OCTOBER", "NOVEMBER", "DECEMBER"];
    const OTHERS: [&str; 26] = [
        "JANUAR",
        "FEBRUAR",
        "MAERZ",
        "MARZ",
        "MAI",
        "JUNI",
        "JULI",
        "OKTOBER",
        "DEZEMBER",
        "SEPT",
        "JANVIER",
        "FEVRIER",
        "MARS",
        "AVRIL",
        "JUIN",
        "JUILLET",
        "AOUT",
        "SEPTEMBRE",
        "OCTOBRE",
        "NOVEMBRE",
        "DECEMBRE",
        "ENERO",
        "JUNIO",
        "JULIO",
        "GENNAIO",
        "DICIEMBRE",
    ];
    if word.len() < 3 || !word.is_ascii() {
        return None;
    }
    let is_month = word.len() == 3 || NAMES.contains(&word) || OTHERS.contains(&word);
    let longest = MONTHS.iter().filter(|(start, _)| word.starts_with(start)).max_by_key(|(start, _)| start.len());
    longest.filter(|_| is_month).map(|(_, number)| *number)
}

/// A text as it is compared; with `expanded`, `AE` for `Ä`, `OE` for `Ö` and `Ø`, `UE` for `Ü`, `AA` for `Å`.
fn folded(text: &str, expanded: bool) -> Cow<'_, str> {
    if text.is_ascii() {
        return if text.bytes().any(|byte| byte.is_ascii_lowercase()) {
            Cow::Owned(text.to_ascii_uppercase())
        } else {
            Cow::Borrowed(text)
        };
    }
    let upper = text.to_uppercase();
    let decomposed = DecomposingNormalizerBorrowed::new_nfkd().normalize(&upper);
    let mut out = String::with_capacity(decomposed.len());
    for letter in decomposed.chars() {
        match letter {
            '\u{308}' if expanded && out.ends_with(['A', 'O', 'U']) => out.push('E'),
            '\u{30A}' if expanded && out.ends_with('A') => out.push('A'),
            '\u{300}'..='\u{36F}'
            | '\u{1AB0}'..='\u{1AFF}'
            | '\u{1DC0}'..='\u{1DFF}'
            | '\u{20D0}'..='\u{20FF}'
            | '\u{FE20}'..='\u{FE2F}' => {}
            'Ø' => out.push_str(if expanded { "OE" } else { "O" }),
            'Æ' => out.push_str(if expanded { "AE" } else { "A" }),
            'Œ' => out.push_str("OE"),
            'Ł' => out.push('L'),
            'Đ' | 'Ð' => out.push('D'),
            'Þ' => out.push_str("TH"),
            // Letters of no width, which part a word for a program and not for a reader.
            '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{2060}' | '\u{FEFF}' => {}
            letter => out.extend(letter.to_uppercase()),
        }
    }
    Cow::Owned(out)
}

/// What is known of the people in a document: words of names, birth dates and identifiers. Never shown.
#[derive(Clone, Default)]
pub struct Tokens {
    /// Looked for as words.
    words: HashSet<String>,
    /// Looked for at the beginning of words; those of six letters also within.
    long: Vec<String>,
    /// Of scripts that part no words: looked for anywhere.
    pieces: Vec<String>,
    identifiers: Vec<String>,
    /// The letters of each identifier.
    letters: Vec<u128>,
    born: Vec<NaiveDate>,
}

impl Tokens {
    /// Adds a name: its words, and how they are joined.
    pub fn add_name(&mut self, name: &str) {
        for group in name.split(['=', '\\']) {
            for expanded in [false, true] {
                if expanded && group.is_ascii() {
                    continue;
                }
                let folded = folded(group, expanded);
                let words: Vec<&str> = words_of(&folded).filter(|word| !NOBODY.contains(word)).collect();
                self.add_words(&words);
            }
        }
    }

    fn add_words(&mut self, words: &[&str]) {
        for word in words {
            if word.bytes().all(|byte| byte.is_ascii_digit()) {
                self.add_identifier(word);
                continue;
            }
            let letters = word.chars().count();
            if letters >= 3 || (letters == 2 && !(word.is_ascii() && is_known(word))) {
                self.add_word(word);
                // Somebody written with `ae` here may be written with `a` there.
                let contracted = word.replace("AE", "A").replace("OE", "O").replace("UE", "U");
                if word.is_ascii() && contracted.len() >= 5 && contracted != *word {
                    self.add_word(&contracted);
                }
            }
        }
        let is_joined = |word: &&&str| !word.bytes().all(|byte| byte.is_ascii_digit());
        let joined: Vec<&&str> = words.iter().filter(is_joined).take(MOST_JOINED).collect();
        for (place, one) in joined.iter().enumerate() {
            for (_, other) in joined.iter().enumerate().filter(|(at, _)| *at != place) {
                let pair = format!("{one}{other}");
                if if pair.is_ascii() { pair.len() >= 4 } else { pair.chars().count() >= 2 } {
                    self.add_word(&pair);
                }
                let initial: String = other.chars().take(1).collect();
                if one.is_ascii() && one.len() >= 3 && initial.is_ascii() {
                    self.words.insert(format!("{initial}{one}"));
                    self.words.insert(format!("{one}{initial}"));
                }
            }
        }
    }

    fn add_word(&mut self, word: &str) {
        if !self.words.insert(word.to_owned()) {
            return;
        }
        if !word.is_ascii() {
            if self.pieces.len() < MOST_PIECES {
                self.pieces.push(word.to_owned());
            }
        } else if word.len() >= 5 && self.long.len() < MOST_LONG {
            self.long.push(word.to_owned());
        }
    }

    /// Adds an identifier of at least three characters.
    pub fn add_identifier(&mut self, identifier: &str) {
        let identifier = identifier.trim().to_uppercase();
        let plain: String = identifier.chars().filter(|letter| letter.is_alphanumeric()).collect();
        let digits: String = plain.chars().filter(char::is_ascii_digit).collect();
        if identifier.chars().count() < 3 || plain.chars().count() < 2 || NOBODY.contains(&identifier.as_str()) {
            return;
        }
        let number = digits.trim_start_matches('0').to_owned();
        for (form, least) in [(identifier, 3), (plain, 5), (digits, 6), (number, 4)] {
            if form.chars().count() >= least {
                self.add_form(form);
            }
        }
    }

    /// Adds what a thing is called: a device, a station, an examination. It is looked for as a whole, from four characters on; not if it is a word of imaging or a
    /// maker's.
    pub(crate) fn add_thing(&mut self, name: &str) {
        let folded = folded(name.trim(), false);
        let plain: String = folded.chars().filter(|letter| letter.is_alphanumeric()).collect();
        let has_digits = plain.bytes().any(|byte| byte.is_ascii_digit());
        let is_nobodys = NOBODY.contains(&plain.as_str()) || (!has_digits && is_a_term(&folded)) || words_of(&folded).all(is_a_make);
        if plain.chars().count() < 4 || is_nobodys {
            return;
        }
        // Short numbers are looked for in texts alone: among numbers they are everywhere.
        if plain.len() < 6 && plain.bytes().all(|byte| byte.is_ascii_digit()) {
            self.words.insert(plain);
            return;
        }
        self.add_form(folded.into_owned());
        self.add_form(plain);
    }

    /// Adds a place, a ward or an occupation: its words of four letters and more, and all of it joined; no words of imaging, and none of makers.
    pub(crate) fn add_place(&mut self, place: &str) {
        for expanded in [false, true] {
            if expanded && place.is_ascii() {
                continue;
            }
            let folded = folded(place.trim(), expanded);
            for word in words_of(&folded).filter(|word| word.chars().count() >= 4 && !NOBODY.contains(word) && !is_a_make(word)) {
                if !is_known(word) && self.words.len() < MOST_WORDS {
                    self.add_word(word);
                }
            }
            let plain: String = folded.chars().filter(|letter| letter.is_alphanumeric()).collect();
            if plain.chars().count() >= 8 && !is_a_term(&folded) && !words_of(&folded).all(is_a_make) {
                self.add_form(plain);
            }
        }
    }

    fn add_form(&mut self, form: String) {
        if self.identifiers.len() < MOST_IDENTIFIERS && !self.identifiers.contains(&form) {
            self.letters.push(letters_of(&form));
            self.identifiers.push(form);
        }
    }

    /// The identifiers of six digits and more, and the birth dates as such numbers.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u64> + '_ {
        let identifiers = self.identifiers.iter().filter(|identifier| identifier.bytes().all(|byte| byte.is_ascii_digit()));
        let dates = self.born.iter().flat_map(|date| compact(*date));
        identifiers.cloned().chain(dates).filter_map(|digits| digits.parse().ok()).filter(|number| *number >= 100_000)
    }

    /// The birth dates.
    pub(crate) fn birth_dates(&self) -> impl Iterator<Item = NaiveDate> + '_ {
        self.born.iter().copied()
    }

    /// Adds a birth date.
    pub fn add_birth_date(&mut self, date: NaiveDate) {
        if self.born.len() < MOST_DATES && !self.born.contains(&date) {
            self.born.push(date);
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty() && self.identifiers.is_empty() && self.born.is_empty()
    }

    /// Whether a text has one of the names, birth dates or identifiers in it.
    pub fn are_in(&self, text: &str) -> bool {
        if self.is_empty() || text.is_empty() {
            return false;
        }
        let plain = folded(text, false);
        self.are_in_folded(&plain) || self.has_birth_date(&plain) || (!text.is_ascii() && self.are_in_folded(&folded(text, true)))
    }

    fn are_in_folded(&self, upper: &str) -> bool {
        self.has_identifier(upper)
            || words_of(upper).any(|word| self.has_word(word))
            || self.pieces.iter().any(|piece| upper.contains(piece.as_str()))
    }

    /// Whether a word of a text is a name.
    pub fn is_name(&self, word: &str) -> bool {
        if self.words.is_empty() {
            return false;
        }
        let is_it = |upper: &str| self.has_word(upper) || self.pieces.iter().any(|piece| upper.contains(piece.as_str()));
        is_it(&folded(word, false)) || (!word.is_ascii() && is_it(&folded(word, true)))
    }

    fn has_word(&self, word: &str) -> bool {
        if self.words.is_empty() {
            return false;
        }
        let is_inside = |long: &String| word.starts_with(long.as_str()) || (long.len() >= 6 && word.contains(long.as_str()));
        if self.words.contains(word) || (word.len() > 5 && self.long.iter().any(is_inside)) {
            return true;
        }
        // A name that was cut to the length of its field.
        let is_beginning = |long: &String| long.starts_with(word);
        if word.len() >= LEAST_BEGINNING
            && (self.long.iter().any(is_beginning) || self.pieces.iter().any(is_beginning))
            && word.chars().count() >= LEAST_BEGINNING
            && !is_known(word)
        {
            return true;
        }
        // Letters with a number joined to them.
        word.bytes().any(|byte| byte.is_ascii_digit())
            && word.split(|letter: char| letter.is_ascii_digit()).any(|run| run.len() > 2 && self.words.contains(run))
    }

    /// Whether a text has one of the identifiers in it.
    pub fn identifiers_are_in(&self, text: &str) -> bool {
        !self.identifiers.is_empty() && self.has_identifier(&text.to_uppercase())
    }

    /// Whether a number (of `IS` or `DS`, without white space) is an identifier or a birth date: the whole of it, whatever zeros stand around, with so many
    /// digits at least.
    pub fn is_number(&self, number: &str, least: usize) -> bool {
        let number = number.trim_start_matches(['+', '-']);
        let whole = match number.split_once('.') {
            Some((whole, rest)) if rest.bytes().all(|byte| byte == b'0') => whole,
            Some(_) => return false,
            None => number,
        };
        let digits = whole.trim_start_matches('0');
        if digits.len() < least || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return false;
        }
        let is_it = |identifier: &String| {
            let known = identifier.trim_start_matches('0');
            known == digits || (known.len() >= 6 && known.bytes().all(|byte| byte.is_ascii_digit()) && digits.contains(known))
        };
        self.identifiers.iter().any(is_it) || self.is_compact_birth_date(whole) || self.is_compact_birth_date(digits)
    }

    /// Whether a long name or identifier is written in bytes, one byte a letter or two.
    pub fn are_in_bytes(&self, bytes: &[u8]) -> bool {
        if bytes.len() < 5 || self.is_empty() {
            return false;
        }
        let upper = |bytes: &mut dyn Iterator<Item = &u8>| -> String {
            bytes.map(|byte| if byte.is_ascii_graphic() { char::from(byte.to_ascii_uppercase()) } else { ' ' }).collect()
        };
        let is_in = |text: &str| {
            let identifiers = self.identifiers.iter().filter(|identifier| identifier.len() >= 6);
            self.long.iter().chain(identifiers).any(|known| text.contains(known.as_str()))
        };
        is_in(&upper(&mut bytes.iter())) || is_in(&upper(&mut bytes.iter().filter(|byte| **byte != 0)))
    }

    /// Where identifiers are in a text, in order and apart.
    pub(super) fn places(&self, text: &str) -> Vec<(usize, usize)> {
        if self.identifiers.is_empty() {
            return Vec::new();
        }
        // Capital letters of the same length, so that places are the same.
        let same = |letter: char| {
            let mut upper = letter.to_uppercase();
            match (upper.next(), upper.next()) {
                (Some(one), None) if one.len_utf8() == letter.len_utf8() => one,
                _ => letter,
            }
        };
        let upper: String = text.chars().map(same).collect();
        let mut places: Vec<_> = self.possible(&upper).flat_map(|identifier| found(&upper, identifier)).collect();
        places.sort_unstable();
        places.dedup_by(|next, last| {
            let overlap = next.0 <= last.1;
            if overlap {
                last.1 = last.1.max(next.1);
            }
            overlap
        });
        places
    }

    fn has_identifier(&self, upper: &str) -> bool {
        self.possible(upper).any(|identifier| found(upper, identifier).next().is_some())
    }

    /// The identifiers that a text has all letters of: few, and only they are searched for.
    fn possible(&self, upper: &str) -> impl Iterator<Item = &str> {
        let letters = letters_of(upper);
        let pairs = self.identifiers.iter().zip(&self.letters);
        pairs
            .filter(move |(identifier, needed)| identifier.len() <= upper.len() && *needed & !letters == 0)
            .map(|(identifier, _)| identifier.as_str())
    }

    fn is_compact_birth_date(&self, digits: &str) -> bool {
        matches!(digits.len(), 5..=8) && self.born.iter().any(|date| compact(*date).iter().any(|form| form == digits))
    }

    fn has_birth_date(&self, upper: &str) -> bool {
        if self.born.is_empty() || upper.bytes().filter(u8::is_ascii_digit).count() < 3 {
            return false;
        }
        // Numbers and months in their order, whatever is between.
        let mut last: [Option<Part>; 3] = [None; 3];
        for run in runs(upper) {
            let part = if run.starts_with(|letter: char| letter.is_ascii_digit()) {
                if self.is_compact_birth_date(run) {
                    return true;
                }
                run.parse().ok().filter(|_| run.len() <= 4).map(Part::Number)
            } else {
                month(run).map(Part::Month)
            };
            if part.is_none() {
                continue;
            }
            last = [last[1], last[2], part];
            if self.born.iter().any(|date| is_date(last, *date)) {
                return true;
            }
        }
        false
    }
}

/// A date in the orders that people write, without separators.
fn compact(date: NaiveDate) -> [String; 6] {
    let (year, month, day) = (date.year(), date.month(), date.day());
    let short = year.rem_euclid(100);
    [
        format!("{year:04}{month:02}{day:02}"),
        format!("{day:02}{month:02}{year:04}"),
        format!("{month:02}{day:02}{year:04}"),
        format!("{short:02}{month:02}{day:02}"),
        format!("{day:02}{month:02}{short:02}"),
        format!("{month:02}{day:02}{short:02}"),
    ]
}

/// Whether a word, in capital letters, is a maker's, alone or with the number of a model.
fn is_a_make(word: &str) -> bool {
    let letters = word.trim_end_matches(|letter: char| letter.is_ascii_digit());
    MAKES.contains(&letters)
}

#[derive(Clone, Copy)]
enum Part {
    Number(u32),
    Month(u32),
}

/// Whether three parts are day, month and year in one of the orders that people write.
fn is_date(parts: [Option<Part>; 3], date: NaiveDate) -> bool {
    let [Some(one), Some(two), Some(three)] = parts else { return false };
    let is_day = |part| matches!(part, Part::Number(day) if day == date.day());
    let is_month = |part| matches!(part, Part::Number(month) | Part::Month(month) if month == date.month());
    let is_year = |part| match part {
        Part::Number(year) => u32::try_from(date.year()).is_ok_and(|full| year == full || year == full % 100),
        Part::Month(_) => false,
    };
    [(one, two, three), (two, one, three), (three, two, one)]
        .into_iter()
        .any(|(day, month, year)| is_day(day) && is_month(month) && is_year(year))
}

/// Which bytes a text has, without the highest bit of each.
fn letters_of(text: &str) -> u128 {
    text.bytes().fold(0, |letters, byte| letters | 1 << (byte & 0x7F))
}

/// Runs of digits and runs of letters.
fn runs(text: &str) -> impl Iterator<Item = &str> {
    words_of(text).flat_map(|word| {
        let mut rest = word;
        std::iter::from_fn(move || {
            let first = rest.chars().next()?;
            let end = rest.find(|letter: char| letter.is_ascii_digit() != first.is_ascii_digit()).unwrap_or(rest.len());
            let (run, behind) = rest.split_at(end);
            rest = behind;
            Some(run)
        })
    })
}

/// Where an identifier is in a text in capital letters. A short one has to stand alone.
fn found<'t>(upper: &'t str, identifier: &'t str) -> impl Iterator<Item = (usize, usize)> + use<'t> {
    let is_number = identifier.bytes().all(|byte| byte.is_ascii_digit());
    let letters = identifier.chars().count();
    upper.match_indices(identifier).map(|(at, found)| (at, at + found.len())).filter(move |(start, end)| {
        let before = upper[..*start].chars().next_back();
        let behind = upper[*end..].chars().next();
        let is_free = |neighbour: Option<char>| match neighbour {
            Some(letter) if letters <= 3 => !letter.is_alphanumeric(),
            Some(letter) if is_number && letters <= 5 => !letter.is_ascii_digit(),
            _ => true,
        };
        is_free(before) && is_free(behind)
    })
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tokens({} words, {} identifiers, {} dates)", self.words.len(), self.identifiers.len(), self.born.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str) -> Tokens {
        let mut tokens = Tokens::default();
        tokens.add_name(name);
        tokens
    }

    #[test]
    fn names_are_found_however_they_are_written() {
        for (name, text) in [
            ("Kowalewska^Brunhilde", "KOWALEWSKA_B"),
            ("Kowalewska^Brunhilde", "of Kowalewskas"),
            ("Kowalewska^Brunhilde", "KOWALEWSKABRUNHILDE"),
            ("Kowalewska^Brunhilde", "BRUNHILDEKOWALEWSKA"),
            ("Kowalewska^Brunhilde", "xbrunhilde2019"),
            ("Doe^Jane", "DOEJANE"),
            ("Doe^Jane", "jdoe knee"),
            ("Doe^Jane", "DOE7"),
            ("Müller^Jörg", "Muller"),
            ("Müller^Jörg", "MUELLER"),
            ("Müller^Jörg", "Mu\u{308}ller"),
            ("Müller^Jörg", "joerg"),
            ("Mueller^Hans", "Müller"),
            ("Mueller^Hans", "Muller"),
            ("Sørensen^Åse", "SOERENSEN"),
            ("Sørensen^Åse", "Sorensen"),
            ("Nuñez^Ana", "NUNEZ"),
            ("Yamada^Tarou=山田^太郎=やまだ^たろう", "胸部 山田太郎 様"),
            ("Yamada^Tarou=山田^太郎=やまだ^たろう", "ﾔﾏﾀﾞ やまだ"),
            ("李^明", "李明"),
            ("Li^Wei", "LIWEI"),
        ] {
            assert!(of(name).are_in(text), "{name} {text}");
        }
        for (name, text) in [("Doe^Jane", "Janet does"), ("Kowalewska^Brunhilde", "CT chest"), ("ANONYMOUS", "anonymous"), ("CT^One", "CT")]
        {
            assert!(!of(name).are_in(text), "{name} {text}");
        }
    }

    #[test]
    fn birth_dates_are_found_in_their_shapes() {
        let mut tokens = Tokens::default();
        tokens.add_birth_date(NaiveDate::from_ymd_opt(1961, 12, 24).unwrap());
        for text in
            ["24.12.1961", "1961-12-24", "12/24/61", "24 DEC 1961", "24DEC61", "Dec 24, 1961", "v 19611224", "611224", "24. Dezember 1961"]
        {
            assert!(tokens.are_in(text), "{text}");
        }
        for text in ["24.12", "1961", "12 24", "24.11.1961", "2.4.1261"] {
            assert!(!tokens.are_in(text), "{text}");
        }
        assert!(tokens.is_number("19611224", 3) && tokens.is_number("241261.0", 3) && !tokens.is_number("1961.1224", 3));
    }

    #[test]
    fn identifiers_are_found_with_other_zeros_and_separators() {
        let mut tokens = Tokens::default();
        for identifier in ["A-1742", "0047119", "4B7", "120"] {
            tokens.add_identifier(identifier);
        }
        for text in ["xA-1742", "a1742", "47119", "no 0047119", "4b7", "is 4B7.", "120"] {
            assert!(tokens.are_in(text), "{text}");
        }
        for text in ["14B78", "1200", "17420", "14B"] {
            assert!(!tokens.are_in(text), "{text}");
        }
        assert!(tokens.is_number("120", 3) && tokens.is_number("120.0", 3) && tokens.is_number("047119", 3));
        assert!(!tokens.is_number("120", 5) && !tokens.is_number("120.5", 3) && !tokens.is_number("12", 3));
    }
}
