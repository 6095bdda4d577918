//! Cuts text into words, numbers and signs in one pass, and hashes the folded form of every word.
//!
//! Folding takes case and the marks of Latin letters away (`GARCÍA`, `Garcia` and `garcía` are one word), so that a look-up in
//! the lexicon is a look-up of one hash.

/// What a token is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Letters.
    Word,
    /// Digits.
    Number,
    /// Letters and digits without a sign between them.
    Mixed,
    /// One sign.
    Sign,
}

/// How the letters of a token are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    Lower,
    /// First letter large, the rest small; a single large letter is `Upper`.
    Title,
    Upper,
    /// `McDonald`, `eGFR`.
    Mixed,
    /// No letters, or letters without case.
    None,
}

/// What stands before a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Gap {
    None,
    Space,
    /// Two blanks or more, or a tab: a column boundary in many notes.
    Wide,
    Line,
    /// An empty line, or the start of the text.
    Blank,
}

/// One token. Offsets count from the start of the block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token {
    pub start: u32,
    pub end: u32,
    /// Hash of the folded letters and digits; for a sign its character.
    pub hash: u64,
    pub kind: Kind,
    pub case: Case,
    pub gap: Gap,
    /// Number of characters, at most 255.
    pub chars: u8,
    /// What the lexicon says of the word.
    pub flags: u16,
}

impl Token {
    pub(crate) fn is_sign(&self, sign: u8) -> bool {
        self.kind == Kind::Sign && self.hash == u64::from(sign)
    }

    pub(crate) fn is_one_of(&self, signs: &[u8]) -> bool {
        self.kind == Kind::Sign && signs.iter().any(|sign| self.hash == u64::from(*sign))
    }

    pub(crate) fn is_word(&self) -> bool {
        self.kind == Kind::Word
    }

    pub(crate) fn is_capital(&self) -> bool {
        matches!(self.case, Case::Title | Case::Upper | Case::Mixed)
    }

    pub(crate) fn is_initial(&self) -> bool {
        self.kind == Kind::Word && self.chars == 1 && self.case == Case::Upper
    }
}

const SEED: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

#[derive(Clone, Copy)]
struct WordHash(u64);

impl WordHash {
    fn push(&mut self, byte: u8) {
        self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(PRIME);
    }

    fn finish(self) -> u64 {
        let mixed = (self.0 ^ (self.0 >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // Zero marks a free place in the lexicon's table.
        (mixed ^ (mixed >> 29)).max(1)
    }
}

/// The hash under which the lexicon knows a word.
pub(crate) fn hash_word(word: &str) -> u64 {
    let mut hash = WordHash(SEED);
    fold(word, |byte| hash.push(byte));
    hash.finish()
}

/// The folded form of a word: small letters, no marks.
pub(crate) fn folded(word: &str) -> String {
    let mut bytes = Vec::with_capacity(word.len());
    fold(word, |byte| bytes.push(byte));
    String::from_utf8(bytes).unwrap_or_default()
}

fn fold(word: &str, mut push: impl FnMut(u8)) {
    for character in word.chars() {
        if character.is_ascii() {
            push(character.to_ascii_lowercase() as u8);
        } else {
            fold_character(character, &mut push);
        }
    }
}

fn fold_character(character: char, push: &mut impl FnMut(u8)) {
    if ('\u{300}'..='\u{36f}').contains(&character) {
        return;
    }
    let plain = plain_letters(character);
    if plain.is_empty() {
        for small in character.to_lowercase() {
            let mut buffer = [0; 4];
            small.encode_utf8(&mut buffer).bytes().for_each(&mut *push);
        }
    } else {
        plain.bytes().for_each(push);
    }
}

/// The plain letters of a Latin letter with marks, or nothing.
fn plain_letters(character: char) -> &'static str {
    const LATIN1: [&str; 64] = [
        "a", "a", "a", "a", "a", "a", "ae", "c", "e", "e", "e", "e", "i", "i", "i", "i", "d", "n", "o", "o", "o", "o", "o", "", "o", "u",
        "u", "u", "u", "y", "th", "ss", "a", "a", "a", "a", "a", "a", "ae", "c", "e", "e", "e", "e", "i", "i", "i", "i", "d", "n", "o",
        "o", "o", "o", "o", "", "o", "u", "u", "u", "u", "y", "th", "y",
    ];
    // U+0100..U+017F in pairs.
    const EXTENDED: &[u8; 128] =
        b"aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiiiiijjkkkllllllllllnnnnnnnnnoooooooorrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs";
    let code = character as u32;
    match code {
        0xc0..=0xff => LATIN1[(code - 0xc0) as usize],
        0x100..=0x17f => match code {
            0x132 | 0x133 => "ij",
            0x152 | 0x153 => "oe",
            _ => letter(EXTENDED[(code - 0x100) as usize]),
        },
        0x1a0 | 0x1a1 => "o",
        0x1af | 0x1b0 => "u",
        0x1e00..=0x1eff => letter(additional(code)),
        _ => "",
    }
}

/// Latin Extended Additional (Vietnamese and others): the base letter of each range.
fn additional(code: u32) -> u8 {
    match code {
        0x1e00..=0x1e01 | 0x1ea0..=0x1eb7 => b'a',
        0x1e02..=0x1e07 => b'b',
        0x1e08..=0x1e09 => b'c',
        0x1e0a..=0x1e13 => b'd',
        0x1e14..=0x1e1d | 0x1eb8..=0x1ec7 => b'e',
        0x1e1e..=0x1e1f => b'f',
        0x1e20..=0x1e21 => b'g',
        0x1e22..=0x1e2b => b'h',
        0x1e2c..=0x1e2f | 0x1ec8..=0x1ecb => b'i',
        0x1e30..=0x1e35 => b'k',
        0x1e36..=0x1e3d => b'l',
        0x1e3e..=0x1e43 => b'm',
        0x1e44..=0x1e4b => b'n',
        0x1e4c..=0x1e53 | 0x1ecc..=0x1ee3 => b'o',
        0x1e54..=0x1e57 => b'p',
        0x1e58..=0x1e5f => b'r',
        0x1e60..=0x1e69 => b's',
        0x1e6a..=0x1e71 => b't',
        0x1e72..=0x1e7b | 0x1ee4..=0x1ef1 => b'u',
        0x1e7c..=0x1e7f => b'v',
        0x1e80..=0x1e89 => b'w',
        0x1e8a..=0x1e8d => b'x',
        0x1e8e..=0x1e8f | 0x1ef2..=0x1ef9 => b'y',
        0x1e90..=0x1e95 => b'z',
        _ => 0,
    }
}

fn letter(byte: u8) -> &'static str {
    const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz";
    match byte {
        b'a'..=b'z' => {
            let at = usize::from(byte - b'a');
            &LETTERS[at..=at]
        }
        _ => "",
    }
}

const CLASS_OTHER: u8 = 0;
const CLASS_SPACE: u8 = 1;
const CLASS_LINE: u8 = 2;
const CLASS_DIGIT: u8 = 3;
const CLASS_SMALL: u8 = 4;
const CLASS_LARGE: u8 = 5;
const CLASS_WIDE: u8 = 6;

static CLASSES: [u8; 256] = byte_classes();

const fn byte_classes() -> [u8; 256] {
    let mut classes = [CLASS_OTHER; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b' ' | b'\t' | 0x0b | 0x0c => CLASS_SPACE,
            b'\n' | b'\r' => CLASS_LINE,
            b'0'..=b'9' => CLASS_DIGIT,
            b'a'..=b'z' => CLASS_SMALL,
            b'A'..=b'Z' => CLASS_LARGE,
            0x80..=0xff => CLASS_WIDE,
            _ => CLASS_OTHER,
        };
        byte += 1;
    }
    classes
}

/// Cuts `text` (shorter than 4 GiB) into tokens, appended to `out`.
pub(crate) fn tokenise(text: &str, out: &mut Vec<Token>) {
    let bytes = text.as_bytes();
    let mut at = 0;
    let mut gap = Gap::Blank;
    while at < bytes.len() {
        match CLASSES[usize::from(bytes[at])] {
            CLASS_SPACE => {
                gap = gap.max(if gap == Gap::Space || bytes[at] == b'\t' { Gap::Wide } else { Gap::Space });
                at += 1;
            }
            CLASS_LINE => {
                gap = after_line(bytes, at, gap);
                at += 1;
            }
            CLASS_OTHER => {
                out.push(Token {
                    start: at as u32,
                    end: at as u32 + 1,
                    hash: u64::from(bytes[at]),
                    kind: Kind::Sign,
                    case: Case::None,
                    gap,
                    chars: 1,
                    flags: 0,
                });
                gap = Gap::None;
                at += 1;
            }
            CLASS_WIDE => {
                let Some(character) = text[at..].chars().next() else { break };
                if character.is_alphanumeric() || ('\u{300}'..='\u{36f}').contains(&character) {
                    let token = run(text, at, gap);
                    at = token.end as usize;
                    out.push(token);
                    gap = Gap::None;
                } else if character.is_whitespace() {
                    gap = gap.max(Gap::Space);
                    at += character.len_utf8();
                } else if matches!(character, '\u{200b}'..='\u{200f}' | '\u{ad}' | '\u{feff}') {
                    at += character.len_utf8();
                } else {
                    let end = at + character.len_utf8();
                    out.push(Token {
                        start: at as u32,
                        end: end as u32,
                        hash: u64::from(plain_sign(character)),
                        kind: Kind::Sign,
                        case: Case::None,
                        gap,
                        chars: 1,
                        flags: 0,
                    });
                    gap = Gap::None;
                    at = end;
                }
            }
            _ => {
                let token = run(text, at, gap);
                at = token.end as usize;
                out.push(token);
                gap = Gap::None;
            }
        }
    }
}

fn after_line(bytes: &[u8], at: usize, gap: Gap) -> Gap {
    let is_pair = bytes[at] == b'\n' && at > 0 && bytes[at - 1] == b'\r';
    match gap {
        Gap::Line if is_pair => Gap::Line,
        Gap::Line | Gap::Blank => Gap::Blank,
        _ => Gap::Line,
    }
}

/// Typographic signs as their plain ones, so that rules need to know one of each.
fn plain_sign(character: char) -> u32 {
    match character {
        '\u{2018}' | '\u{2019}' | '\u{2bc}' | '\u{b4}' => u32::from(b'\''),
        '\u{201c}' | '\u{201d}' => u32::from(b'"'),
        '\u{2010}'..='\u{2015}' | '\u{2212}' => u32::from(b'-'),
        '\u{2022}' | '\u{b7}' => u32::from(b'*'),
        other => other as u32,
    }
}

/// The token of letters and digits that starts at `start`.
fn run(text: &str, start: usize, gap: Gap) -> Token {
    let bytes = text.as_bytes();
    let mut hash = WordHash(SEED);
    let (mut digits, mut small, mut large, mut others, mut chars) = (0u32, 0u32, 0u32, 0u32, 0u32);
    let mut first_is_large = false;
    let mut at = start;
    while at < bytes.len() {
        let byte = bytes[at];
        match CLASSES[usize::from(byte)] {
            CLASS_SMALL => {
                hash.push(byte);
                small += 1;
                at += 1;
            }
            CLASS_LARGE => {
                hash.push(byte | 0x20);
                first_is_large |= chars == 0;
                large += 1;
                at += 1;
            }
            CLASS_DIGIT => {
                hash.push(byte);
                digits += 1;
                at += 1;
            }
            CLASS_WIDE => {
                let Some(character) = text[at..].chars().next() else { break };
                let is_mark = ('\u{300}'..='\u{36f}').contains(&character);
                // The signs of ordinals count as signs: `3ª`, `nº`.
                if matches!(character, '\u{aa}' | '\u{ba}') || !(character.is_alphanumeric() || is_mark) {
                    // A sign that stands first must still move on.
                    if at == start {
                        others += 1;
                        chars += 1;
                        at += character.len_utf8();
                        fold_character(character, &mut |byte| hash.push(byte));
                    }
                    break;
                }
                fold_character(character, &mut |byte| hash.push(byte));
                at += character.len_utf8();
                if is_mark {
                    continue;
                }
                if character.is_lowercase() {
                    small += 1;
                } else if character.is_uppercase() {
                    first_is_large |= chars == 0;
                    large += 1;
                } else if character.is_numeric() {
                    digits += 1;
                } else {
                    others += 1;
                }
            }
            _ => break,
        }
        chars += 1;
    }
    let letters = small + large + others;
    let case = match (small, large) {
        (0, 0) => Case::None,
        (_, 0) => Case::Lower,
        (0, _) => Case::Upper,
        (_, 1) if first_is_large => Case::Title,
        _ => Case::Mixed,
    };
    let kind = if digits == 0 {
        Kind::Word
    } else if letters == 0 {
        Kind::Number
    } else {
        Kind::Mixed
    };
    Token { start: start as u32, end: at as u32, hash: hash.finish(), kind, case, gap, chars: chars.min(255) as u8, flags: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<(&str, Kind, Case, Gap)> {
        let mut out = Vec::new();
        tokenise(text, &mut out);
        out.iter().map(|token| (&text[token.start as usize..token.end as usize], token.kind, token.case, token.gap)).collect()
    }

    #[test]
    fn words_numbers_and_signs() {
        assert_eq!(
            tokens("Dr. McX  E11\n\nn\u{ba} 3"),
            vec![
                ("Dr", Kind::Word, Case::Title, Gap::Blank),
                (".", Kind::Sign, Case::None, Gap::None),
                ("McX", Kind::Word, Case::Mixed, Gap::Space),
                ("E11", Kind::Mixed, Case::Upper, Gap::Wide),
                ("n", Kind::Word, Case::Lower, Gap::Blank),
                ("\u{ba}", Kind::Word, Case::None, Gap::None),
                ("3", Kind::Number, Case::None, Gap::Space),
            ]
        );
    }

    #[test]
    fn folding_takes_case_and_marks_away() {
        for (a, b) in [
            ("GARC\u{cd}A", "garcia"),
            ("Ho\u{e0}ng", "hoang"),
            ("D\u{1b0}\u{1a1}ng", "duong"),
            ("Dzia\u{142}a", "dziala"),
            ("e\u{301}", "e"),
            ("Stra\u{df}e", "strasse"),
        ] {
            assert_eq!(folded(a), b);
            assert_eq!(hash_word(a), hash_word(b));
        }
        assert_eq!(folded("\u{160}\u{17e}\u{16f}"), "szu");
        assert_eq!(folded("\u{39b}\u{395}"), "\u{3bb}\u{3b5}");
    }

    #[test]
    fn windows_line_ends_are_one_line() {
        assert_eq!(tokens("a\r\nb\r\n\r\nc").iter().map(|token| token.3).collect::<Vec<_>>(), vec![Gap::Blank, Gap::Line, Gap::Blank]);
    }
}
