//! A label and its value: `MRN: 257475`, `Name: Shea, Rhonda`, `insurance number HP-678901`.

use super::{Gap, Kind, Scan, TextClass, lexicon};
use crate::text::rules::{Trigger, Value};

/// Signs between a label and its value.
const JOINTS: &[u8] = b":#=.-(*_\"'>[";

impl Scan<'_> {
    /// The value of the label that stands at a token.
    pub(crate) fn label(&mut self, at: usize, len: usize, number: u16) {
        let rules = self.rules;
        let Some(label) = rules.labels.get(usize::from(number)) else { return };
        // `-MRN` and `xMRN` are parts of other words.
        if at > 0 && self.tokens[at].gap == Gap::None && self.tokens[at - 1].is_one_of(b"-_@") {
            return;
        }
        let mut place = at + len;
        let mut colon = false;
        while let Some(token) = self.get(place).filter(|token| token.is_one_of(JOINTS) && token.gap <= Gap::Wide) {
            colon |= token.is_one_of(b":=#");
            place += 1;
            if place - at - len > 6 {
                return;
            }
        }
        if label.colon && !colon {
            return;
        }
        match label.value {
            Value::Id => self.id_value(at, place, label.class, colon, false),
            Value::IdGroups => self.id_value(at, place, label.class, colon, true),
            Value::Phone => self.phone_value(place, label.class),
            Value::Name => self.name_value(place),
            Value::Date => self.date_value(place, colon),
            Value::Line => self.line_value(place, label.class),
            Value::Place => self.place_value(place, label.class),
            Value::Age => self.age_value(place),
            Value::Word => {
                if let Some(token) = self.get(place).filter(|token| token.kind != Kind::Sign && token.gap <= Gap::Wide) {
                    let _ = token;
                    self.push(place, place + 1, label.class, "label.word", 0.8);
                }
            }
        }
    }

    /// The number after a label, over a few words such as "number is" or "at outside hospital".
    fn id_value(&mut self, label_at: usize, mut place: usize, class: TextClass, colon: bool, groups: bool) {
        let mut words = 0;
        loop {
            let Some(token) = self.get(place) else { return };
            if token.gap >= Gap::Blank || token.gap == Gap::Line && !colon {
                return;
            }
            match token.kind {
                Kind::Number | Kind::Mixed => break,
                Kind::Sign => {
                    if !token.is_one_of(JOINTS) && !token.is_sign(b',')
                        || token.is_sign(b'.')
                            && token.gap == Gap::None
                            && words > 0
                            && self.get(place + 1).is_some_and(|next| next.gap != Gap::None)
                    {
                        return;
                    }
                    place += 1;
                }
                Kind::Word => {
                    if self.letters_lead_digits(place) {
                        break;
                    }
                    // Another label takes the number.
                    if words > 0 && self.takes_number(place) {
                        return;
                    }
                    words += 1;
                    place += 1;
                }
            }
            if words > 4 || place - label_at > 16 {
                return;
            }
        }
        if self.taken[place] && class != TextClass::OtherId {
            return;
        }
        let mut end = self.chunk(place);
        let digits = self.slice(place, end).bytes().filter(u8::is_ascii_digit).count();
        let next_is_unit = self.unit_follows(end) || self.phrase(end, Trigger::AgeUnit).is_some();
        let few = if words == 0 { 2 } else { 4 };
        if digits < few || next_is_unit && words > 0 {
            return;
        }
        if groups {
            while self.get(end).is_some_and(|next| next.kind == Kind::Number && next.gap <= Gap::Wide && next.chars <= 12)
                && end - place < 12
            {
                if self.unit_follows(end + 1) || self.phrase(end + 1, Trigger::AgeUnit).is_some() {
                    break;
                }
                end = self.chunk(end);
            }
        }
        let first =
            if place > 0 && self.tokens[place - 1].is_sign(b'#') && self.tokens[place].gap == Gap::None { place - 1 } else { place };
        let first =
            if self.tokens[first].is_sign(b'#') && first > label_at && self.tokens[first].gap == Gap::None { first + 1 } else { first };
        let dated = self.tokens[place].kind == Kind::Number && self.slice(place, end).contains('/') && words > 0;
        if dated {
            return;
        }
        self.push(first, end, class, "label.id", if words == 0 { 0.96 } else { 0.92 });
    }

    /// Whether a label of a number starts at a token.
    fn takes_number(&self, at: usize) -> bool {
        self.trigger_of(at, |trigger| {
            matches!(trigger, Trigger::Label(label) if {
                let label = &self.rules.labels[usize::from(label)];
                !label.colon && matches!(label.value, Value::Id | Value::IdGroups | Value::Phone | Value::Age)
            })
        })
        .is_some()
    }

    /// `ST-998877`, `nhc-739146`, `UCSF 12345`: letters glued to digits.
    fn letters_lead_digits(&self, at: usize) -> bool {
        let end = self.chunk(at);
        let text = self.slice(at, end);
        end > at + 1 && text.len() <= 40 && text.bytes().filter(u8::is_ascii_digit).count() >= 2 && !text.contains(':')
    }

    fn phone_value(&mut self, mut place: usize, class: TextClass) {
        // The bracket of `(763) 345-4619` is no sign between label and value.
        if place > 0 && self.tokens[place - 1].is_sign(b'(') && self.get(place + 1).is_some_and(|next| next.is_sign(b')')) {
            place -= 1;
        }
        let mut words = 0;
        while let Some(token) = self.get(place) {
            if token.gap >= Gap::Blank || words > 5 {
                return;
            }
            if token.kind == Kind::Number || token.is_one_of(b"+(") && self.get(place + 1).is_some_and(|next| next.kind == Kind::Number) {
                break;
            }
            if token.is_sign(b'.') && token.gap == Gap::None && words > 0 || token.is_one_of(b";") || token.kind == Kind::Mixed {
                return;
            }
            words += u32::from(token.is_word());
            place += 1;
        }
        // Groups of digits and signs up to fifteen digits.
        let mut end = place;
        let mut last = place;
        let mut digits = 0;
        while let Some(token) = self.get(end) {
            if end > place && token.gap >= Gap::Wide || self.taken[end] {
                break;
            }
            let fits = match token.kind {
                Kind::Number => {
                    digits += u32::from(token.chars);
                    last = end + 1;
                    digits <= 17 && !self.unit_follows(end + 1)
                }
                Kind::Sign => token.is_one_of(b"+()-./"),
                _ => false,
            };
            if !fits {
                break;
            }
            end += 1;
        }
        if self.get(last).is_some_and(|token| token.gap == Gap::None && token.kind == Kind::Mixed) && digits < 7 {
            return;
        }
        let enough = if words == 0 { 5 } else { 7 };
        if digits >= enough && digits <= 17 {
            let last = self.phone_extension(last);
            self.push(place, last, class, "label.phone", 0.94);
        }
    }

    fn phone_extension(&self, end: usize) -> usize {
        let word = self.get(end).filter(|token| token.gap <= Gap::Space).map(|_| self.word(end)).unwrap_or_default();
        let glued = word.len() > 1 && word.starts_with(['x', 'X']) && word[1..].bytes().all(|byte| byte.is_ascii_digit());
        if glued { end + 1 } else { end }
    }

    /// A date that only a label makes one: `DOB: 0304`, `born 3-14`.
    fn date_value(&mut self, place: usize, colon: bool) {
        let Some(token) = self.get(place).filter(|token| colon && token.kind == Kind::Number && token.gap <= Gap::Wide) else { return };
        let end = self.chunk(place);
        let text = self.slice(place, end);
        if self.taken[place] || token.chars == 4 && text.len() == 4 {
            return;
        }
        let shape =
            text.len() >= 3 && text.len() <= 10 && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'/' | b'-' | b'.'));
        if shape && (text.len() > 4 || text.contains(['/', '-'])) && !self.unit_follows(end) {
            self.push(place, end, TextClass::Date, "label.date", 0.72);
        }
    }

    /// The rest of the line, up to a column boundary or the next label.
    fn line_value(&mut self, place: usize, class: TextClass) {
        let mut end = place;
        while let Some(token) = self.get(end) {
            if end > place && token.gap >= Gap::Wide || token.gap >= Gap::Blank || end - place > 24 {
                break;
            }
            if end > place && token.is_word() && self.label_with_colon(end) {
                break;
            }
            if token.is_one_of(b";|") {
                break;
            }
            end += 1;
        }
        while end > place && self.tokens[end - 1].is_one_of(b".,:-(") {
            end -= 1;
        }
        if end > place {
            self.push(place, end, class, "label.line", 0.8);
        }
    }

    /// Whether a label followed by a colon starts at a token, or any heading of a form does.
    pub(crate) fn label_with_colon(&self, at: usize) -> bool {
        if self.get(at + 1).is_some_and(|next| next.is_sign(b':')) && self.tokens[at].flags & lexicon::HEADING != 0 {
            return true;
        }
        self.trigger_of(at, |trigger| matches!(trigger, Trigger::Label(_))).is_some_and(|(_, len)| {
            self.get(at + len).is_some_and(|next| next.is_one_of(b":#="))
                || self.tokens[at].is_capital() && self.word(at).len() > 2 && len > 1
        })
    }

    /// Words up to the end of the line, a point, or a column.
    fn place_value(&mut self, place: usize, class: TextClass) {
        let mut place = place;
        while self
            .get(place)
            .is_some_and(|token| token.is_word() && token.flags & lexicon::FUNCTION != 0 && !token.is_capital() && class == TextClass::Zip)
        {
            place += 1;
        }
        if class == TextClass::Zip {
            let end = self.chunk(place);
            let text = self.slice(place, end);
            if (3..=10).contains(&text.len()) && text.bytes().any(|byte| byte.is_ascii_digit()) {
                // `SW1A 1AA`, `394 13`.
                let more = self.get(end).is_some_and(|next| {
                    next.gap == Gap::Space && next.kind != Kind::Sign && next.chars <= 3 && self.word(end).as_bytes()[0].is_ascii_digit()
                });
                self.push(place, end + usize::from(more), class, "label.zip", 0.95);
            }
            return;
        }
        let mut end = place;
        while let Some(token) = self.get(end) {
            if end > place && token.gap >= Gap::Wide
                || token.kind == Kind::Number
                || end - place > 8
                || end > place && self.label_with_colon(end)
            {
                break;
            }
            let joins = token.is_one_of(b"-'/")
                || token.is_sign(b'.')
                    && self.get(end + 1).is_some_and(|next| next.gap <= Gap::Space && next.is_word())
                    && self.tokens[end - usize::from(end > place)].chars <= 3;
            if token.kind == Kind::Sign && !joins {
                break;
            }
            end += 1;
        }
        while end > place && self.tokens[end - 1].kind == Kind::Sign {
            end -= 1;
        }
        if end > place && self.get(place).is_some_and(|token| token.gap <= Gap::Wide) {
            self.push(place, end, class, "label.place", 0.88);
        }
    }
}
