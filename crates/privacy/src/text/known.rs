//! The patient of the record: names, numbers, addresses and relatives that are known before the text is read.

use std::fmt;

use chrono::NaiveDate;
use sutura_core::{PartialDateTime, PhiClass};

use super::{
    RuleId, TextClass, lexicon,
    scan::Found,
    token::{Gap, Kind, Token, folded, hash_word},
};

/// What is known of the patient of a text. Every part is found in any order and case, without regard to marks of letters; names and
/// streets also with one letter wrong, missing, added or swapped; numbers with any signs between their groups.
#[derive(Default, Clone)]
pub struct KnownPatient {
    names: Vec<String>,
    name_hashes: Vec<u64>,
    ids: Vec<(String, TextClass)>,
    addresses: Vec<Vec<AddressWord>>,
    towns: Vec<u64>,
    dates: Vec<NaiveDate>,
    longest_id: usize,
}

/// A word or number of an address, folded.
#[derive(Clone)]
struct AddressWord {
    folded: String,
    hash: u64,
}

impl AddressWord {
    /// Whether a word that reads so may be this one with a letter wrong.
    fn is_near(&self, folded: &str) -> bool {
        self.is_about(folded.len()) && within_one_edit(self.folded.as_bytes(), folded.as_bytes())
    }

    fn is_about(&self, length: usize) -> bool {
        self.folded.len() >= 5 && self.folded.len().abs_diff(length) <= 1
    }
}

impl fmt::Debug for KnownPatient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KnownPatient")
            .field("names", &self.names.len())
            .field("ids", &self.ids.len())
            .field("addresses", &self.addresses.len())
            .field("dates", &self.dates.len())
            .finish_non_exhaustive()
    }
}

/// A name or number of so many letters is looked for inside of longer words.
const JOINED: usize = 6;

impl KnownPatient {
    /// Nothing is known yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.ids.is_empty() && self.addresses.is_empty() && self.dates.is_empty()
    }

    /// A value of a column, by its class: names, telephones, addresses, dates as ISO 8601 text, and numbers of every kind. What is in free
    /// text, or says nothing of who somebody is, is not looked for.
    pub fn add(&mut self, class: &PhiClass, value: &str) {
        match class {
            PhiClass::Name => self.add_name(value),
            PhiClass::Phone | PhiClass::Fax => self.add_phone(value),
            PhiClass::Geography => self.add_address(value),
            PhiClass::Date => {
                if let Some(date) = PartialDateTime::parse_iso(value.trim()).and_then(|date| date.date()) {
                    self.add_date(date);
                }
            }
            PhiClass::FreeText | PhiClass::Age | PhiClass::Quasi | PhiClass::Sensitive(_) | PhiClass::Clinical | PhiClass::Operational => {}
            PhiClass::OtherId => self.add_identifier(value, TextClass::OtherId),
            other => {
                let class = TextClass::ALL.iter().find(|class| class.phi() == *other).copied().unwrap_or(TextClass::OtherId);
                self.add_identifier(value, class);
            }
        }
    }

    /// A name or a part of one: `Shea`, `Shea, Rhonda M.`, `Rhonda^Shea`.
    pub fn add_name(&mut self, name: &str) {
        for word in name.split(|character: char| !(character.is_alphabetic() || ('\u{300}'..='\u{36f}').contains(&character))) {
            let word = folded(word);
            if word.chars().count() >= 2 && !self.names.contains(&word) {
                self.name_hashes.push(hash_word(&word));
                self.names.push(word);
            }
        }
        self.name_hashes.sort_unstable();
    }

    /// The name of a relative or contact.
    pub fn add_relative(&mut self, name: &str) {
        self.add_name(name);
    }

    /// A number or code of any kind: medical record, account, insurance, national identity. Shorter than four letters and digits is
    /// not looked for, because it would be found everywhere.
    pub fn add_identifier(&mut self, identifier: &str, class: TextClass) {
        let plain: String =
            identifier.chars().filter(char::is_ascii_alphanumeric).map(|character| character.to_ascii_lowercase()).collect();
        if plain.len() < 4 || plain.len() > 64 || self.ids.iter().any(|(known, _)| *known == plain) {
            return;
        }
        self.longest_id = self.longest_id.max(plain.len());
        self.ids.push((plain, class));
    }

    /// A telephone or fax number, with or without the country's code.
    pub fn add_phone(&mut self, phone: &str) {
        let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
        if digits.len() >= 7 {
            self.add_identifier(&digits, TextClass::Phone);
        }
        // The same number as it is dialled at home.
        if digits.len() > 10 {
            self.add_identifier(&digits[digits.len() - 10..], TextClass::Phone);
        }
        if digits.len() >= 10 {
            self.add_identifier(&digits[digits.len() - 7..], TextClass::Phone);
        }
    }

    /// An address: street, town and code between commas or lines.
    pub fn add_address(&mut self, address: &str) {
        for (at, part) in address.split([',', '\n', '^', ';']).enumerate() {
            let words: Vec<String> =
                part.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty()).map(folded).collect();
            let digits = words.iter().any(|word| word.bytes().any(|byte| byte.is_ascii_digit()));
            if words.len() == 1 && !digits && at > 0 && words[0].len() >= 4 {
                self.towns.push(hash_word(&words[0]));
            } else if words.len() == 1 && digits && words[0].len() >= 5 {
                self.add_identifier(&words[0], TextClass::Zip);
            } else if words.len() > 1 {
                self.addresses.push(words.into_iter().map(|folded| AddressWord { hash: hash_word(&folded), folded }).collect());
            }
        }
    }

    /// A date of the patient, such as the birth date.
    pub fn add_date(&mut self, date: NaiveDate) {
        self.dates.push(date);
    }

    pub(super) fn find(&self, text: &str, tokens: &[Token], found: &mut Vec<Found>) {
        for at in 0..tokens.len() {
            let token = &tokens[at];
            match token.kind {
                Kind::Word => {
                    if self.is_name(text, tokens, at) {
                        push(found, tokens, at, at + 1, TextClass::Name, "known.name");
                    }
                    if self.towns.contains(&token.hash) && token.is_capital() {
                        push(found, tokens, at, at + 1, TextClass::City, "known.town");
                    }
                }
                Kind::Mixed => self.find_in_mixed(text, tokens, at, found),
                Kind::Number => self.find_date(text, tokens, at, found),
                Kind::Sign => {}
            }
            if token.kind != Kind::Sign {
                self.find_id(text, tokens, at, found);
                self.find_address(text, tokens, at, found);
            }
        }
    }

    fn is_name(&self, text: &str, tokens: &[Token], at: usize) -> bool {
        let token = &tokens[at];
        let plain = token.flags & (lexicon::COMMON | lexicon::FUNCTION | lexicon::CLINICAL | lexicon::EPONYM) != 0;
        if self.name_hashes.binary_search(&token.hash).is_ok() {
            // A name that is a word ("May", "Long") needs a capital, or another known name beside it.
            return !plain || token.is_capital() && !names_a_disease(tokens, at) || self.has_known_neighbour(tokens, at);
        }
        if plain || token.flags & lexicon::WORD != 0 || !(4..=40).contains(&token.chars) {
            return false;
        }
        let length = usize::from(token.chars);
        let near = |name: &&String| name.len() >= 4 && name.len().abs_diff(length) <= 1;
        // Joined to other letters by a blank that was forgotten.
        let joined = |name: &&String| name.len() >= JOINED && name.len() < length;
        if !self.names.iter().any(|name| near(&name) || joined(&name)) {
            return false;
        }
        let word = folded(&text[token.start as usize..token.end as usize]);
        self.names.iter().filter(near).any(|name| within_one_edit(name.as_bytes(), word.as_bytes()))
            || self.names.iter().filter(joined).any(|name| word.contains(name.as_str()))
    }

    /// A name to which a number is joined (a date, a footnote), and a number to which letters are (`MRN257475`).
    fn find_in_mixed(&self, text: &str, tokens: &[Token], at: usize, found: &mut Vec<Found>) {
        let token = &tokens[at];
        let word = folded(&text[token.start as usize..token.end as usize]);
        let mut runs = word.split(|letter: char| letter.is_ascii_digit());
        if runs.any(|run| run.len() >= 4 && self.name_hashes.binary_search(&hash_word(run)).is_ok())
            || self.names.iter().any(|name| name.len() >= JOINED && word.contains(name.as_str()))
        {
            push(found, tokens, at, at + 1, TextClass::Name, "known.name");
        }
        let is_inside = |id: &str| id.len() >= JOINED && id.len() < word.len() && word.contains(id);
        if let Some((_, class)) = self.ids.iter().find(|(id, _)| is_inside(id)) {
            push(found, tokens, at, at + 1, *class, "known.id");
        }
    }

    fn has_known_neighbour(&self, tokens: &[Token], at: usize) -> bool {
        let near = |place: Option<usize>| {
            place.and_then(|place| tokens.get(place)).is_some_and(|token| self.name_hashes.binary_search(&token.hash).is_ok())
        };
        near(at.checked_sub(1))
            || near(Some(at + 1))
            || tokens.get(at + 1).is_some_and(|sign| sign.is_one_of(b",-.")) && near(Some(at + 2))
            || at >= 2 && tokens[at - 1].is_one_of(b",-.") && near(at.checked_sub(2))
    }

    /// A number that starts at a token, over signs and single blanks.
    fn find_id(&self, text: &str, tokens: &[Token], at: usize, found: &mut Vec<Found>) {
        if self.ids.is_empty() {
            return;
        }
        let mut plain = String::new();
        for end in at..tokens.len().min(at + 24) {
            let token = &tokens[end];
            if end > at && token.gap > Gap::Space || plain.len() > self.longest_id {
                return;
            }
            if token.kind == Kind::Sign {
                if !token.is_one_of(b"-./()_#:+") {
                    return;
                }
                continue;
            }
            plain.extend(text[token.start as usize..token.end as usize].chars().map(|character| character.to_ascii_lowercase()));
            if !self.ids.iter().any(|(id, _)| id.starts_with(plain.as_str())) {
                return;
            }
            if let Some((_, class)) = self.ids.iter().find(|(id, _)| *id == plain) {
                push(found, tokens, at, end + 1, *class, "known.id");
            }
        }
    }

    /// Two or more words of an address side by side, one of them longer than three letters.
    fn find_address(&self, text: &str, tokens: &[Token], at: usize, found: &mut Vec<Found>) {
        for address in &self.addresses {
            let mut end = at;
            let (mut matched, mut telling) = (0, false);
            let mut place = at;
            while let Some(token) = tokens.get(place).filter(|token| place == at || token.gap <= Gap::Line) {
                if token.kind == Kind::Sign {
                    if place == at || !token.is_one_of(b".,#-'") {
                        break;
                    }
                    place += 1;
                    continue;
                }
                // Nearly all tokens are told apart by hash and length.
                let exact = address.iter().any(|known| known.hash == token.hash);
                let length = usize::from(token.chars);
                let is_ascii = (token.end - token.start) as usize == length;
                let may_be_near = token.kind == Kind::Word && (!is_ascii || address.iter().any(|known| known.is_about(length)));
                let is_near = || {
                    let word = folded(&text[token.start as usize..token.end as usize]);
                    word.len() >= 5 && address.iter().any(|known| known.is_near(&word))
                };
                let fits = exact || may_be_near && is_near();
                if !fits {
                    break;
                }
                matched += 1;
                telling |= token.kind == Kind::Word && token.chars > 3 && token.flags & lexicon::FUNCTION == 0
                    || token.kind != Kind::Word && token.chars > 1;
                place += 1;
                end = place;
            }
            if matched >= 2 && telling {
                push(found, tokens, at, end, TextClass::Street, "known.address");
            }
        }
    }

    /// A known date without its year: `3/14`, `14.3.`
    fn find_date(&self, text: &str, tokens: &[Token], at: usize, found: &mut Vec<Found>) {
        if self.dates.is_empty() || at + 2 >= tokens.len() || !tokens[at + 1].is_one_of(b"/.-") || tokens[at + 1].gap != Gap::None {
            return;
        }
        let number = |place: usize| text[tokens[place].start as usize..tokens[place].end as usize].parse::<u32>().unwrap_or(0);
        let (a, b) = (number(at), number(at + 2));
        use chrono::Datelike;
        if self.dates.iter().any(|date| (date.month(), date.day()) == (a, b) || (date.day(), date.month()) == (a, b)) {
            push(found, tokens, at, at + 3, TextClass::Date, "known.date");
        }
    }
}

/// Whether "disease", "sign" or the like follows a word, also after `'s`.
fn names_a_disease(tokens: &[Token], at: usize) -> bool {
    let skip = if tokens.get(at + 1).is_some_and(|sign| sign.is_sign(b'\'')) { 3 } else { 1 };
    tokens.get(at + skip).is_some_and(|next| next.flags & lexicon::EPONYM_NOUN != 0)
}

fn push(found: &mut Vec<Found>, tokens: &[Token], first: usize, end: usize, class: TextClass, rule: &'static str) {
    found.push(Found { start: tokens[first].start, end: tokens[end - 1].end, class: Some(class), rule: RuleId(rule), score: 0.98 });
}

/// Whether two words differ by at most one letter wrong, missing, added, or two neighbours swapped.
fn within_one_edit(a: &[u8], b: &[u8]) -> bool {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let same_start = short.iter().zip(long).take_while(|(x, y)| x == y).count();
    if long.len() - short.len() > 1 {
        return false;
    }
    if short.len() == long.len() {
        let rest = &short[same_start..];
        let other = &long[same_start..];
        return rest.is_empty()
            || rest[1..] == other[1..]
            || rest.len() >= 2 && rest[0] == other[1] && rest[1] == other[0] && rest[2..] == other[2..];
    }
    short[same_start..] == long[same_start + 1..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_letter_may_differ() {
        for (a, b) in [("meyer", "meyer"), ("meyer", "meier"), ("meyer", "meyr"), ("meyer", "meyers"), ("meyer", "emyer")] {
            assert!(within_one_edit(a.as_bytes(), b.as_bytes()), "{a} {b}");
        }
        for (a, b) in [("meyer", "maier"), ("meyer", "mey"), ("abcd", "badc")] {
            assert!(!within_one_edit(a.as_bytes(), b.as_bytes()), "{a} {b}");
        }
    }

    #[test]
    fn names_joined_to_letters_and_numbers_are_found() {
        let scrubber = crate::text::Scrubber::new(crate::text::Rules::builtin(&["en"]).unwrap());
        let mut known = KnownPatient::new();
        known.add_name("Zorkovich, Jane Summer");
        known.add_identifier("257475", TextClass::Mrn);
        for (text, hidden) in [
            ("Seen Zorkovich5 today", "Seen [NAME] today"),
            ("MsZorkovich came", "[NAME] came"),
            ("for JZZorkovich2018 only", "for [NAME] only"),
            ("ref jane2018 x", "ref [NAME] x"),
            ("a summertime cold", "a summertime cold"),
            ("ref 257475ID-5 x", "ref [MRN]-5 x"),
        ] {
            let (mut spans, mut out) = (Vec::new(), String::new());
            scrubber.spans(text, Some(&known), &mut spans).unwrap();
            scrubber.replace(text, &spans, &crate::text::Replacements::all(crate::text::Replacement::Tag), &mut out);
            assert_eq!(out, hidden);
        }
    }

    #[test]
    fn debug_tells_no_value() {
        let mut known = KnownPatient::new();
        known.add_name("Rhonda Shea");
        known.add_identifier("257475", TextClass::Mrn);
        let told = format!("{known:?}");
        assert!(!told.contains("shea") && !told.contains("257475"), "{told}");
    }
}
