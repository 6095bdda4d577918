//! Rule sets: words, phrases and labels of one or more languages, read from data.
//!
//! The program knows shapes (a label and its value, a title and its name, a street and its number); everything in words comes
//! from a TOML file per language and from front-coded lists. A second language is a second file.

use std::{collections::BTreeMap, sync::Arc};

use serde::Deserialize;

use super::{
    TextClass, TextError, lexicon,
    lexicon::Lexicon,
    token::{Kind, Token, hash_word, tokenise},
};

/// What a phrase announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trigger {
    /// A label whose value follows; the number of the label.
    Label(u16),
    /// Dr, Mrs.
    Title,
    /// MD, RN: after a name.
    Credential,
    /// van, de la: inside a name.
    Particle,
    /// Jr, III: ends a name.
    NameSuffix,
    /// daughter, wife.
    Kin,
    /// "signed by", "spoke with": a name follows.
    NameCue,
    /// A month, 1 to 12.
    Month(u8),
    Weekday,
    /// "on", "since": a date follows.
    DateCue,
    /// Street, Avenue: after the name of the street; whether it needs no house number.
    StreetTail(bool),
    /// Calle, Avenida: before it.
    StreetHead,
    /// Apt, Suite (true), floor, room (false).
    Unit(bool),
    /// Hospital, Medical Center: after the name of the organisation; whether it may be written small.
    OrgTail(bool),
    /// Hospital, Clinica: before it.
    OrgHead,
    /// An organisation by its whole name.
    OrgKnown,
    /// "seen at", "admitted to": an organisation follows.
    VisitCue,
    /// "lives in": a place follows.
    PlaceCue,
    /// A place by its whole name.
    Place,
    /// North, Port, San: begins the name of a place.
    PlaceHead,
    State,
    Country,
    /// "year old".
    AgeUnit,
    /// "aged".
    AgeCue,
    /// "ninety-five": an age over 89 in words.
    OldAge,
    Sex,
    Profession,
    /// ICD-10, LOINC: a code of a terminology follows.
    Code,
    /// "year" before a year.
    YearWord,
    /// "of" inside a date.
    Of,
    /// "to", "and" between two days.
    Range,
    /// "in", "from" before a place.
    PlacePreposition,
    /// "named", "is" between a relative and the name.
    NameLink,
    /// A phrase of medicine that holds words which look like names or places.
    Clinical,
}

/// What the value of a label looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Value {
    /// One number or code.
    Id,
    /// A number whose groups may stand apart.
    IdGroups,
    Name,
    Date,
    Phone,
    /// The rest of the line.
    Line,
    Place,
    Age,
    /// One word.
    Word,
}

/// A label of a form or of running text.
#[derive(Debug, Clone)]
pub(crate) struct Label {
    pub class: TextClass,
    pub value: Value,
    /// It is a label only before a colon or the like.
    pub colon: bool,
}

#[derive(Debug)]
struct Phrase {
    /// The hashes of the tokens after the first.
    rest: Box<[u64]>,
    trigger: Trigger,
}

#[derive(Debug)]
pub(crate) struct Compiled {
    pub lexicon: Lexicon,
    first: Vec<(u64, u32, u32)>,
    phrases: Vec<Phrase>,
    pub labels: Vec<Label>,
    /// `3/4/2020` is the third of April.
    pub day_first: bool,
    pub surrogates: Surrogates,
    /// Endings of words that name a street by themselves: `Ziegelgasse`.
    pub street_endings: Vec<String>,
    languages: Vec<String>,
}

/// Made-up names and places from which replacements are chosen.
#[derive(Debug, Default, Clone)]
pub(crate) struct Surrogates {
    pub given: Vec<String>,
    pub family: Vec<String>,
    pub city: Vec<String>,
    pub street: Vec<String>,
    pub hospital: Vec<String>,
    pub organisation: Vec<String>,
    pub months: Vec<Vec<String>>,
}

/// A compiled rule set of one or more languages. Cheap to clone; shared between threads.
#[derive(Debug, Clone)]
pub struct Rules(pub(crate) Arc<Compiled>);

/// One language as written in its file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    language: String,
    #[serde(default)]
    day_first: bool,
    /// Flags of single words: the flag's name to words between blanks.
    #[serde(default)]
    words: BTreeMap<String, String>,
    /// Phrases of each trigger, between commas or lines.
    #[serde(default)]
    phrases: BTreeMap<String, String>,
    /// Twelve entries, each the names of one month between blanks.
    #[serde(default)]
    months: Vec<String>,
    #[serde(default)]
    label: Vec<LabelSource>,
    #[serde(default)]
    surrogates: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LabelSource {
    class: String,
    value: Value,
    #[serde(default)]
    colon: bool,
    words: String,
}

const ENGLISH: &str = include_str!("../../data/text/en.toml");
const SPANISH: &str = include_str!("../../data/text/es.toml");
const NAMES: &str = include_str!("../../data/text/names.lst");
const ENGLISH_WORDS: &str = include_str!("../../data/text/words-en.lst");
const SPANISH_WORDS: &str = include_str!("../../data/text/words-es.lst");

impl Rules {
    /// The languages that come with the program.
    pub const BUILTIN: [&'static str; 2] = ["en", "es"];

    /// The built-in rule set of these languages. The first decides how a date such as `3/4/2020` is read.
    ///
    /// # Errors
    /// For a language that is not in [`Rules::BUILTIN`].
    pub fn builtin(languages: &[&str]) -> Result<Self, TextError> {
        let mut sources = Vec::new();
        let mut lists = vec![NAMES];
        for language in languages {
            let (source, words) = match *language {
                "en" => (ENGLISH, ENGLISH_WORDS),
                "es" => (SPANISH, SPANISH_WORDS),
                _ => return Err(TextError::UnknownLanguage),
            };
            sources.push(source);
            lists.push(words);
        }
        Self::from_data(&sources, &lists)
    }

    /// A rule set from the text of TOML files and of front-coded word lists.
    ///
    /// # Errors
    /// When a file does not parse, names an unknown flag, trigger or class, or a list is damaged. The error names line and
    /// key of the file as its parser tells them.
    pub fn from_data(sources: &[&str], lists: &[&str]) -> Result<Self, TextError> {
        let mut compiled = Compiled {
            lexicon: Lexicon::new(),
            first: Vec::new(),
            phrases: Vec::new(),
            labels: Vec::new(),
            day_first: false,
            surrogates: Surrogates { months: vec![Vec::new(); 12], ..Surrogates::default() },
            street_endings: Vec::new(),
            languages: Vec::new(),
        };
        for list in lists {
            compiled.lexicon.add_list(list).ok_or(TextError::DamagedList)?;
        }
        let mut phrases: BTreeMap<u64, Vec<Phrase>> = BTreeMap::new();
        for (at, text) in sources.iter().enumerate() {
            let source: Source = toml::from_str(text).map_err(|error| TextError::RuleSet(error.to_string()))?;
            if at == 0 {
                compiled.day_first = source.day_first;
            }
            compiled.add(source, &mut phrases)?;
        }
        for (hash, mut same_start) in phrases {
            // Longer phrases first, so that the first match of a trigger is its longest.
            same_start.sort_by_key(|phrase| std::cmp::Reverse(phrase.rest.len()));
            let start = compiled.phrases.len() as u32;
            compiled.phrases.append(&mut same_start);
            compiled.first.push((hash, start, compiled.phrases.len() as u32));
            compiled.lexicon.add_hash(hash, lexicon::PHRASE);
        }
        Ok(Self(Arc::new(compiled)))
    }

    /// The languages of the set, in order.
    pub fn languages(&self) -> impl Iterator<Item = &str> {
        self.0.languages.iter().map(String::as_str)
    }
}

impl Compiled {
    fn add(&mut self, source: Source, phrases: &mut BTreeMap<u64, Vec<Phrase>>) -> Result<(), TextError> {
        for (name, words) in &source.words {
            let flag = flag_of(name).ok_or_else(|| TextError::UnknownKey(format!("words.{name}")))?;
            for word in words.split_whitespace() {
                self.lexicon.add(word, flag);
            }
        }
        for (name, list) in &source.phrases {
            if name == "street-ending" {
                self.street_endings.extend(split_phrases(list).map(str::to_owned));
                continue;
            }
            let trigger = trigger_of(name).ok_or_else(|| TextError::UnknownKey(format!("phrases.{name}")))?;
            for phrase in split_phrases(list) {
                add_phrase(phrase, trigger, phrases);
            }
        }
        for (month, names) in (1u8..=12).zip(&source.months) {
            for name in names.split_whitespace() {
                add_phrase(name, Trigger::Month(month), phrases);
                self.surrogates.months[usize::from(month) - 1].push(name.to_owned());
            }
        }
        for label in &source.label {
            let class = label.class.parse().map_err(|_| TextError::UnknownKey(format!("label.class = {}", label.class)))?;
            let number = u16::try_from(self.labels.len()).map_err(|_| TextError::UnknownKey("label (too many)".to_owned()))?;
            self.labels.push(Label { class, value: label.value, colon: label.colon });
            for phrase in split_phrases(&label.words) {
                add_phrase(phrase, Trigger::Label(number), phrases);
            }
        }
        for (name, list) in &source.surrogates {
            let words = split_phrases(list).map(str::to_owned);
            match name.as_str() {
                "given" => self.surrogates.given.extend(words),
                "family" => self.surrogates.family.extend(words),
                "city" => self.surrogates.city.extend(words),
                "street" => self.surrogates.street.extend(words),
                "hospital" => self.surrogates.hospital.extend(words),
                "organisation" => self.surrogates.organisation.extend(words),
                _ => return Err(TextError::UnknownKey(format!("surrogates.{name}"))),
            }
        }
        self.languages.push(source.language);
        Ok(())
    }

    /// Every phrase that starts at the first of `tokens`, longest first: its trigger and its number of tokens.
    pub(crate) fn phrases_at<'a>(&'a self, tokens: &'a [Token]) -> impl Iterator<Item = (Trigger, usize)> + 'a {
        let range = tokens
            .first()
            .filter(|token| token.flags & lexicon::PHRASE != 0)
            .and_then(|token| self.first.binary_search_by_key(&token.hash, |entry| entry.0).ok())
            .map_or(0..0, |at| self.first[at].1 as usize..self.first[at].2 as usize);
        self.phrases[range].iter().filter_map(move |phrase| {
            let rest = tokens.get(1..=phrase.rest.len())?;
            let fits = rest.iter().zip(phrase.rest.iter()).all(|(token, hash)| token.hash == *hash && token.gap < super::token::Gap::Blank);
            fits.then_some((phrase.trigger, phrase.rest.len() + 1))
        })
    }
}

fn split_phrases(list: &str) -> impl Iterator<Item = &str> {
    list.split([',', '\n']).map(str::trim).filter(|phrase| !phrase.is_empty())
}

fn add_phrase(phrase: &str, trigger: Trigger, phrases: &mut BTreeMap<u64, Vec<Phrase>>) {
    let mut tokens = Vec::new();
    tokenise(phrase, &mut tokens);
    if let Some((first, rest)) = tokens.split_first() {
        let rest = rest.iter().map(|token| token.hash).collect();
        phrases.entry(first.hash).or_default().push(Phrase { rest, trigger });
    }
}

fn flag_of(name: &str) -> Option<u16> {
    Some(match name {
        "given" => lexicon::GIVEN,
        "family" => lexicon::FAMILY,
        "city" => lexicon::CITY,
        "common" => lexicon::COMMON,
        "word" => lexicon::WORD,
        "clinical" => lexicon::CLINICAL,
        "eponym" => lexicon::EPONYM,
        "eponym-noun" => lexicon::EPONYM_NOUN,
        "function" => lexicon::FUNCTION,
        "person-verb" => lexicon::PERSON_VERB,
        "person-cue" => lexicon::PERSON_CUE,
        "unit" => lexicon::UNIT,
        "generic" => lexicon::GENERIC,
        "heading" => lexicon::HEADING,
        "ratio" => lexicon::RATIO,
        _ => return None,
    })
}

fn trigger_of(name: &str) -> Option<Trigger> {
    Some(match name {
        "title" => Trigger::Title,
        "credential" => Trigger::Credential,
        "particle" => Trigger::Particle,
        "name-suffix" => Trigger::NameSuffix,
        "kin" => Trigger::Kin,
        "name-cue" => Trigger::NameCue,
        "weekday" => Trigger::Weekday,
        "date-cue" => Trigger::DateCue,
        "street-tail" => Trigger::StreetTail(true),
        "street-tail-numbered" => Trigger::StreetTail(false),
        "street-head" => Trigger::StreetHead,
        "flat" => Trigger::Unit(true),
        "unit" => Trigger::Unit(false),
        "year-word" => Trigger::YearWord,
        "of" => Trigger::Of,
        "range" => Trigger::Range,
        "place-preposition" => Trigger::PlacePreposition,
        "name-link" => Trigger::NameLink,
        "org-tail" => Trigger::OrgTail(true),
        "org-tail-capital" => Trigger::OrgTail(false),
        "org-head" => Trigger::OrgHead,
        "org-known" => Trigger::OrgKnown,
        "visit-cue" => Trigger::VisitCue,
        "place-cue" => Trigger::PlaceCue,
        "place" => Trigger::Place,
        "place-head" => Trigger::PlaceHead,
        "state" => Trigger::State,
        "country" => Trigger::Country,
        "age-unit" => Trigger::AgeUnit,
        "age-cue" => Trigger::AgeCue,
        "old-age" => Trigger::OldAge,
        "sex" => Trigger::Sex,
        "profession" => Trigger::Profession,
        "code" => Trigger::Code,
        "clinical" => Trigger::Clinical,
        _ => return None,
    })
}

/// Looks every word up.
pub(crate) fn flag_words(lexicon: &Lexicon, tokens: &mut [Token]) {
    for token in tokens {
        if token.kind != Kind::Sign {
            token.flags = lexicon.flags(token.hash);
            // `ADA` is an association, `Ada` a daughter.
            if token.case == super::token::Case::Title && token.chars <= 4 && token.flags & lexicon::GIVEN != 0 {
                token.flags &= !lexicon::CLINICAL;
            }
        }
    }
}

/// The hash of a phrase of several words as the lists hold it: one blank between words.
pub(crate) fn hash_words(text: &str) -> u64 {
    hash_word(text)
}
