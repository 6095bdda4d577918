//! Street addresses: `7083 Benjamin Lane Apt. 4`, `Calle Carmen Romero, 23`, `Ziegelgasse 19`.

use super::{Case, Gap, Kind, Letters, Scan, TextClass, lexicon};
use crate::text::rules::Trigger;

impl Scan<'_> {
    /// Street names that end with the word for the street: `7083 Benjamin Lane Apt. 4`, `5th Avenue`.
    pub(crate) fn street_tail(&mut self, at: usize, len: usize, plain: bool) {
        let tail = self.tokens[at];
        if at == 0 || tail.gap > Gap::Space {
            return;
        }
        let mut first = at;
        let mut words = 0;
        let mut capitals = 0;
        let mut number = None;
        while first > 0 && words < 6 {
            let token = &self.tokens[first - 1];
            if self.tokens[first].gap > Gap::Space {
                break;
            }
            let is_ordinal = token.kind == Kind::Mixed && token.chars <= 5 && self.word(first - 1).as_bytes()[0].is_ascii_digit();
            if token.kind == Kind::Number || token.kind == Kind::Mixed && !is_ordinal && self.word(first - 1).as_bytes()[0].is_ascii_digit()
            {
                number = Some(first - 1);
                break;
            }
            let fits = is_ordinal
                || token.is_word()
                    && (token.is_capital() || words < 4 && self.letters == Letters::AllSmall && token.flags & lexicon::FUNCTION == 0)
                || token.is_one_of(b".'-");
            if !fits {
                break;
            }
            if token.kind != Kind::Sign {
                words += 1;
                capitals += usize::from(token.is_capital() || is_ordinal);
            }
            first -= 1;
        }
        while first < at && self.tokens[first].kind == Kind::Sign {
            first += 1;
        }
        if words == 0 {
            return;
        }
        if let Some(number) = number {
            let glued = number > 0
                && self.tokens[number].gap == Gap::None
                && self.tokens[number - 1].kind == Kind::Sign
                && !self.tokens[number - 1].is_one_of(b"(:,\"'-");
            let mut start = number;
            if number >= 2
                && self.tokens[number].gap == Gap::None
                && self.tokens[number - 1].is_sign(b'-')
                && self.tokens[number - 2].kind == Kind::Number
            {
                start = number - 2;
            }
            let small = capitals == 0 && self.letters != Letters::AllSmall;
            let measured = self.tokens[first..at].iter().any(|token| {
                token.is_word()
                    && token.flags & (lexicon::CLINICAL | lexicon::UNIT) != 0
                    && token.flags & (lexicon::FAMILY | lexicon::GIVEN | lexicon::COMMON) == 0
            });
            if measured
                || self.tokens[number].chars > 6
                || glued && start == number
                || small
                || self.tokens[first].flags & lexicon::UNIT != 0 && capitals == 0
            {
                return;
            }
            let end = self.after_street(at + len);
            self.push(start, end, TextClass::Street, "street.number", 0.9);
            return self.after_address(end);
        }
        // Without a number only the plain words for a street, and only with a capital of their own.
        if plain
            && tail.is_capital()
            && capitals > 0
            && self.tokens[first..at].iter().any(|token| token.kind != Kind::Sign && token.chars > 1)
            && self.tokens[at].chars >= 4
            && !self.starts_sentence(first)
            && self.all_letters_normal()
        {
            let end = self.after_street(at + len);
            self.push(first, end, TextClass::Street, "street.name", 0.66);
            self.after_address(end);
        }
    }

    pub(crate) fn all_letters_normal(&self) -> bool {
        self.letters == Letters::Normal
    }

    /// Over a direction, a flat, a floor: `NW, Suite 238`.
    pub(crate) fn after_street(&self, mut end: usize) -> usize {
        if self.get(end).is_some_and(|token| token.is_sign(b'.') && token.gap == Gap::None)
            && self.get(end + 1).is_some_and(|next| next.gap <= Gap::Space)
            && self.unit_at(end + 1).is_some()
        {
            end += 1;
        }
        if self.get(end).is_some_and(|token| {
            token.gap == Gap::Space
                && matches!(self.word(end), "N" | "S" | "E" | "W" | "NW" | "NE" | "SW" | "SE" | "North" | "South" | "East" | "West")
        }) {
            end += 1;
        }
        for _ in 0..2 {
            let comma =
                usize::from(self.get(end).is_some_and(|token| token.is_sign(b',') || token.is_sign(b'-') && token.gap != Gap::None));
            match self.unit_at(end + comma) {
                Some(after) => end = after,
                None => break,
            }
        }
        end
    }

    /// The end of "Apt. 12", "# 4", "Suite B", where one starts at a token.
    pub(crate) fn unit_at(&self, at: usize) -> Option<usize> {
        let token = self.get(at).filter(|token| token.gap <= Gap::Line)?;
        let mut place = if token.is_sign(b'#') { at + 1 } else { at + self.phrase(at, Trigger::Unit(true))? };
        while self.get(place).is_some_and(|token| token.is_one_of(b".#:")) {
            place += 1;
        }
        let value = self.get(place).filter(|token| token.gap <= Gap::Space && token.kind != Kind::Sign)?;
        let is_value = value.kind != Kind::Word || value.chars <= 2 && value.is_capital();
        is_value.then(|| self.chunk(place))
    }

    /// Whether the word for a street, abbreviated or in more words, starts at a token: `Avda.`, `C/`, `Gran Via`.
    pub(crate) fn street_starts(&self, at: usize) -> bool {
        self.trigger_of(at, |trigger| matches!(trigger, Trigger::StreetHead)).is_some_and(|(_, len)| {
            let sign = self.get(at + len).is_some_and(|sign| sign.is_one_of(b"./") && sign.gap == Gap::None);
            len > 1
                || sign && !self.tokens[at].is_initial()
                || sign && self.get(at + 1).is_some_and(|sign| sign.is_sign(b'/'))
                || self.tokens[at].flags & (lexicon::FAMILY | lexicon::GIVEN) == 0 && self.tokens[at].chars > 1
        })
    }

    /// A word that names a street by its ending, before a number: `Ziegelgasse 19`.
    pub(crate) fn street_by_ending(&mut self, at: usize) {
        let token = self.tokens[at];
        let number = self
            .get(at + 1)
            .is_some_and(|next| next.gap == Gap::Space && matches!(next.kind, Kind::Number | Kind::Mixed) && next.chars <= 5);
        if !number || token.chars < 6 || token.flags & lexicon::COMMON != 0 || !token.is_capital() && self.letters == Letters::Normal {
            return;
        }
        let word = crate::text::token::folded(self.word(at));
        if self.rules.street_endings.iter().any(|ending| word.len() > ending.len() + 2 && word.ends_with(ending.as_str())) {
            let first = if at > 0 && self.tokens[at - 1].kind == Kind::Number && token.gap == Gap::Space { at - 1 } else { at };
            let end = self.after_street(self.chunk(at + 1));
            self.push(first, end, TextClass::Street, "street.ending", 0.8);
            self.after_address(end);
        }
    }

    /// `Apt. 656` by itself.
    pub(crate) fn flat(&mut self, at: usize, flat: bool) {
        if flat
            && self.tokens[at].is_capital()
            && let Some(end) = self.unit_at(at)
        {
            // `19902 Dobrovskeho 1394 Apt. 066`: numbers and capital words before it belong to the address.
            let mut first = at;
            while first > 0 && at - first < 6 && self.tokens[first].gap <= Gap::Space {
                let before = &self.tokens[first - 1];
                let fits = before.kind == Kind::Number && before.chars <= 5
                    || before.is_word() && before.is_capital() && before.flags & (lexicon::HEADING | lexicon::FUNCTION) == 0;
                if !fits {
                    break;
                }
                first -= 1;
            }
            let numbered = first < at && self.tokens[first..at].iter().any(|token| token.kind == Kind::Number);
            self.push(if numbered { first } else { at }, end, TextClass::Street, "street.flat", 0.6);
            self.after_address(end);
        }
    }

    /// `Calle Carmen Romero, 23, 1D`, `Avda. de la Paz s/n`: the word for the street comes first.
    pub(crate) fn street_head(&mut self, at: usize, len: usize) {
        let small = !self.tokens[at].is_capital() && self.letters == Letters::Normal;
        let short = self.tokens[at].chars <= 3 && len == 1;
        let mut end = at + len;
        while self.get(end).is_some_and(|sign| sign.is_one_of(b"./") && sign.gap == Gap::None) {
            end += 1;
        }
        let after_head = end;
        let abbreviated = end > at + len;
        let mut place = end;
        let mut capitals = 0;
        let mut words = 0;
        let mut numbers = 0;
        while let Some(token) = self.get(place) {
            if token.gap >= Gap::Wide || place - at > 28 || self.taken[place] {
                break;
            }
            match token.kind {
                Kind::Number => {
                    if token.chars > 4 && words > 0 {
                        break;
                    }
                    numbers += 1;
                    end = place + 1;
                }
                Kind::Mixed => {
                    if token.chars > 5 {
                        break;
                    }
                    end = place + 1;
                }
                Kind::Word => {
                    let unit = self.phrase(place, Trigger::Unit(true));
                    let particle = self.phrase(place, Trigger::Particle);
                    if numbers > 0 && unit.is_none() && token.chars > 3 && !self.is_flat_word(place) {
                        break;
                    }
                    if unit.is_none()
                        && particle.is_none()
                        && !token.is_capital()
                        && self.letters == Letters::Normal
                        && token.chars > 3
                        && words > 0
                    {
                        break;
                    }
                    if words > 0 && self.label_with_colon(place) {
                        break;
                    }
                    words += 1;
                    capitals += usize::from(token.is_capital() && particle.is_none());
                    if small && words > 0 && capitals == 0 && particle.is_none() {
                        return;
                    }
                    if particle.is_none() || numbers > 0 {
                        end = place + 1;
                    }
                }
                Kind::Sign => {
                    if token.is_sign(b'.') {
                        let next = self.get(place + 1);
                        let short = place > at && self.tokens[place - 1].chars <= 4 && self.tokens[place - 1].kind == Kind::Word;
                        if next.is_none_or(|next| next.gap >= Gap::Line) || !short && next.is_some_and(|next| next.gap != Gap::None) {
                            break;
                        }
                    } else if !token.is_one_of(b",-/'") && token.hash != 0xba && token.hash != 0xb0 && token.hash != 0xaa {
                        break;
                    } else if token.hash == 0xba || token.hash == 0xb0 {
                        end = place + 1;
                    }
                }
            }
            place += 1;
        }
        // A short head (`AV`, `C`) needs a name, and a name in small letters a number.
        let named = capitals > 0
            || numbers > 0 && words > 0 && !short
            || numbers > 0 && (!short || abbreviated) && (self.tokens[at].case != Case::Upper || len > 1);
        // `AV de 0,7 OD` is an acuity.
        let shouted = short
            && !abbreviated
            && self.tokens[at].case == Case::Upper
            && !self.tokens[after_head..end.max(after_head)].iter().any(|token| token.case == Case::Title && token.chars > 2);
        if end <= after_head
            || !named
            || shouted
            || small && capitals == 0
            || short && !abbreviated && numbers == 0 && self.tokens[at].case == Case::Upper
        {
            return;
        }
        self.push(at, end, TextClass::Street, "street.head", 0.87);
        self.after_address(end);
    }

    pub(crate) fn is_flat_word(&self, at: usize) -> bool {
        self.phrase(at, Trigger::Unit(true)).is_some()
    }
}
