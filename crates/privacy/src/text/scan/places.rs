//! Addresses, postal codes, towns, and organisations that give care.

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
            if self.tokens[number].chars > 6
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

    fn all_letters_normal(&self) -> bool {
        self.letters == Letters::Normal
    }

    /// Over a direction, a flat, a floor: `NW, Suite 238`.
    fn after_street(&self, mut end: usize) -> usize {
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
    fn unit_at(&self, at: usize) -> Option<usize> {
        let token = self.get(at).filter(|token| token.gap <= Gap::Line)?;
        let mut place = if token.is_sign(b'#') { at + 1 } else { at + self.phrase(at, Trigger::Unit(true))? };
        while self.get(place).is_some_and(|token| token.is_one_of(b".#:")) {
            place += 1;
        }
        let value = self.get(place).filter(|token| token.gap <= Gap::Space && token.kind != Kind::Sign)?;
        let is_value = value.kind != Kind::Word || value.chars <= 2 && value.is_capital();
        is_value.then(|| self.chunk(place))
    }

    /// Town, state and postal code after an address.
    fn after_address(&mut self, end: usize) {
        let mut place = end;
        while self.get(place).is_some_and(|token| token.is_one_of(b",.-;(") && token.gap <= Gap::Space) && place < end + 2 {
            place += 1;
        }
        let Some(token) = self.get(place) else { return };
        if token.gap >= Gap::Blank || token.gap == Gap::Wide {
            return;
        }
        // `45010 Valencia`: code, then town.
        let code_first = token.kind == Kind::Number && (4..=6).contains(&token.chars)
            || self.word(place) == "E" && self.get(place + 1).is_some_and(|next| next.is_sign(b'-'));
        if code_first {
            let code_end = self.chunk(place);
            let digits = self.slice(place, code_end).bytes().filter(u8::is_ascii_digit).count();
            if (4..=6).contains(&digits) {
                self.push(place, code_end, TextClass::Zip, "zip.address", 0.88);
                self.town(code_end, "city.address", 0.82);
            }
            return;
        }
        self.town(place, "city.address", 0.82);
    }

    /// A town that starts at a token, and what follows it.
    fn town(&mut self, mut first: usize, rule: &'static str, score: f32) {
        while self.get(first).is_some_and(|token| token.is_one_of(b",.-;(") && token.gap <= Gap::Space) {
            first += 1;
        }
        if self.get(first).is_none_or(|token| token.gap >= Gap::Blank || token.gap == Gap::Wide) {
            return;
        }
        let token = self.tokens[first];
        let headed = self.phrase(first, Trigger::PlaceHead).is_some();
        let other = lexicon::FUNCTION | lexicon::HEADING | lexicon::PERSON_VERB | lexicon::EPONYM | lexicon::UNIT;
        let ordinary = token.flags & (lexicon::COMMON | lexicon::CLINICAL) != 0 && token.flags & lexicon::CITY == 0;
        let plain = !headed && (token.flags & other != 0 || ordinary && (self.starts_sentence(first) || self.letters != Letters::Normal));
        if plain || self.label_with_colon(first) {
            return self.after_town(first);
        }
        let end = self.capital_run(first, 5);
        if end == first
            || self.trigger_of(first, |trigger| matches!(trigger, Trigger::Label(_) | Trigger::Title)).is_some() && end == first + 1
        {
            return;
        }
        if self.phrase(first, Trigger::State).is_some_and(|len| first + len == end)
            && end == first + 1
            && self.tokens[first].case == Case::Upper
        {
            return self.after_town(first);
        }
        if self.phrase(first, Trigger::Country).is_some_and(|len| first + len == end) {
            return;
        }
        self.push(first, end, TextClass::City, rule, score);
        self.after_town(end);
    }

    fn after_town(&mut self, end: usize) {
        let mut place = end;
        while self.get(place).is_some_and(|token| token.is_one_of(b",.(")) && place < end + 2 {
            place += 1;
        }
        if let Some(len) = self.phrase(place, Trigger::State) {
            self.state(place, len);
        } else if self.get(place).is_some_and(|token| token.kind == Kind::Number && token.chars == 5 && token.gap <= Gap::Space) {
            let code_end = self.chunk(place);
            self.push(place, code_end, TextClass::Zip, "zip.address", 0.85);
        }
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

    /// The end of the capital words from a token: `San Juan de la Cruz`, `St. Ann's`, at most `most` words.
    pub(crate) fn capital_run(&self, first: usize, most: usize) -> usize {
        let mut end = first;
        let mut place = first;
        let mut words = 0;
        while let Some(token) = self.get(place) {
            if place > first && token.gap > Gap::Space || words >= most || self.taken[place] {
                break;
            }
            if token.is_word() && (token.is_capital() || self.letters == Letters::AllSmall && token.flags & lexicon::FUNCTION == 0) {
                if place > first && (self.label_with_colon(place) || self.street_starts(place)) {
                    break;
                }
                words += 1;
                place += 1;
                end = place;
                let short = token.chars <= 3;
                if short
                    && self.get(place).is_some_and(|sign| sign.is_sign(b'.') && sign.gap == Gap::None)
                    && self.get(place + 1).is_some_and(|next| next.is_capital() && next.gap <= Gap::Space)
                {
                    place += 1;
                } else if self.get(place).is_some_and(|sign| sign.is_one_of(b"-'") && sign.gap == Gap::None)
                    && self.get(place + 1).is_some_and(|next| next.is_word() && next.gap == Gap::None)
                {
                    place += 1;
                    if self.tokens[place].chars == 1 && self.tokens[place].case == Case::Lower {
                        place += 1;
                        end = place;
                    }
                }
            } else if place > first && token.is_word() {
                // A particle only between capitals.
                let Some(len) = self.phrase(place, Trigger::Particle) else { break };
                let next_is_capital =
                    self.get(place + len).is_some_and(|next| next.is_word() && next.is_capital() && next.gap <= Gap::Space);
                let more =
                    self.get(place + len).is_some_and(|next| next.is_word()) && self.phrase(place + len, Trigger::Particle).is_some();
                if !next_is_capital && !more {
                    break;
                }
                place += len;
            } else {
                break;
            }
        }
        end
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
            || numbers > 0 && (!short || abbreviated) && self.tokens[at].case != Case::Upper;
        if end <= after_head
            || !named
            || small && capitals == 0
            || short && !abbreviated && numbers == 0 && self.tokens[at].case == Case::Upper
        {
            return;
        }
        self.push(at, end, TextClass::Street, "street.head", 0.87);
        self.after_address(end);
    }

    fn is_flat_word(&self, at: usize) -> bool {
        self.phrase(at, Trigger::Unit(true)).is_some()
    }

    /// US ZIP after a state, UK and Canadian postcodes.
    pub(crate) fn postal_code(&mut self, at: usize) {
        let token = self.tokens[at];
        if token.kind == Kind::Number && token.chars == 5 && at > 0 {
            let comma = usize::from(self.tokens[at - 1].is_sign(b',') || self.tokens[at - 1].is_sign(b'.'));
            let state = at.checked_sub(1 + comma).is_some_and(|before| {
                self.phrase(before, Trigger::State) == Some(1) && self.tokens[before].is_capital()
                    || before > 0 && self.phrase(before - 1, Trigger::State) == Some(2)
            });
            if state && token.gap <= Gap::Wide {
                self.push(at, self.chunk(at), TextClass::Zip, "zip.state", 0.93);
            } else if self.get(at + 1).is_some_and(|next| {
                next.case == Case::Title
                    && next.gap == Gap::Space
                    && next.flags & (lexicon::COMMON | lexicon::GIVEN | lexicon::FUNCTION) == 0
                    || next.is_sign(b'-') && next.gap == Gap::Space
            }) {
                // `28036 Madrid`
                let town = if self.tokens[at + 1].is_sign(b'-') { at + 2 } else { at + 1 };
                let run = self.capital_run(town, 4);
                if (town + 1..=run).any(|end| self.is_place(town, end)) {
                    self.push(at, at + 1, TextClass::Zip, "zip.town", 0.74);
                    self.town(town, "city.zip", 0.74);
                }
            } else if token.gap <= Gap::Space
                && (1..=3)
                    .any(|back| at >= back && self.phrase(at - back, Trigger::Country) == Some(back) && self.tokens[at - back].is_capital())
            {
                self.push(at, at + 1, TextClass::Zip, "zip.country", 0.7);
            }
            return;
        }
        let next_is_near = self.get(at + 1).is_some_and(|next| next.gap <= Gap::Space && next.kind == Kind::Mixed && next.chars == 3);
        if token.kind == Kind::Mixed && next_is_near && (2..=4).contains(&token.chars) {
            let (out, inward) = (self.word(at).as_bytes(), self.word(at + 1).as_bytes());
            let is_large = |text: &[u8], place: usize| text.get(place).is_some_and(u8::is_ascii_uppercase);
            let is_digit = |text: &[u8], place: usize| text.get(place).is_some_and(u8::is_ascii_digit);
            let uk = is_large(out, 0)
                && (is_digit(out, 1) || is_large(out, 1) && is_digit(out, 2))
                && is_digit(inward, 0)
                && is_large(inward, 1)
                && is_large(inward, 2);
            let canada = out.len() == 3
                && is_large(out, 0)
                && is_digit(out, 1)
                && is_large(out, 2)
                && is_digit(inward, 0)
                && is_large(inward, 1)
                && is_digit(inward, 2);
            if uk || canada {
                self.push(at, at + 2, TextClass::Zip, "zip.letters", 0.88);
                self.take(at, at + 2);
            }
        }
    }

    /// `Chicago, IL`: a town before a state; and the state by itself as a quasi-identifier.
    pub(crate) fn state(&mut self, at: usize, len: usize) {
        let token = self.tokens[at];
        let abbreviation = token.chars <= 3 && len == 1;
        if abbreviation && token.case != Case::Upper || !token.is_capital() && self.letters == Letters::Normal {
            return;
        }
        let comma_before = at > 0 && self.tokens[at - 1].is_sign(b',') && self.tokens[at - 1].gap == Gap::None;
        if comma_before && at >= 2 && token.gap <= Gap::Space {
            let first = self.town_before(at - 1);
            // An abbreviation alone says little: `Smith, MD` and `Anna, PA` are degrees.
            let degree = self.phrase(at, Trigger::Credential).is_some()
                && !self.get(at + len).is_some_and(|next| next.kind == Kind::Number && next.chars == 5);
            let known = first < at - 1 && self.is_place(first, at - 1);
            if first < at - 1 && (known || !degree) && self.tokens[first].flags & lexicon::FUNCTION == 0 {
                self.push(first, at - 1, TextClass::City, "city.state", if known { 0.84 } else { 0.7 });
                return self.push(at, at + len, TextClass::State, "state", 0.7);
            }
        }
        let zip = self.get(at + len).is_some_and(|next| next.kind == Kind::Number && next.chars == 5);
        if !abbreviation || zip {
            self.push(at, at + len, TextClass::State, "state", 0.5);
        }
    }

    /// Where the capital words of a town before a comma start.
    fn town_before(&self, comma: usize) -> usize {
        let mut first = comma;
        while first > 0 && comma - first < 4 {
            let token = &self.tokens[first - 1];
            let is_part = token.is_word() && token.is_capital() && !self.taken[first - 1] && token.flags & lexicon::FUNCTION == 0
                || token.is_sign(b'.') && first >= 2 && self.tokens[first - 2].chars <= 2 && first < comma;
            if !is_part || first < comma && self.tokens[first].gap > Gap::Space {
                break;
            }
            first -= 1;
            // The word for a street or an organisation ends the address before the town.
            if first < comma - 1
                && (self.phrase(first, Trigger::StreetTail(true)).is_some() && self.tokens[first].chars != 2
                    || self.phrase(first, Trigger::OrgTail(true)).is_some())
            {
                first += 1;
                break;
            }
        }
        while first < comma && self.tokens[first].kind == Kind::Sign {
            first += 1;
        }
        first
    }

    /// Whether the words are a town of the lists.
    pub(crate) fn is_place(&self, first: usize, end: usize) -> bool {
        let text = self.slice(first, end);
        self.phrase(first, Trigger::Place) == Some(end - first)
            || text.len() < 48 && self.rules.lexicon.flags(crate::text::rules::hash_words(text)) & lexicon::CITY != 0
            || self.phrase(first, Trigger::PlaceHead).is_some_and(|len| first + len < end)
    }

    pub(crate) fn country(&mut self, at: usize, len: usize) {
        if self.tokens[at].is_capital() {
            self.push(at, at + len, TextClass::Country, "country", 0.6);
        }
    }

    /// A place by its whole name, with a capital.
    pub(crate) fn place(&mut self, at: usize, len: usize) {
        if self.tokens[at].is_capital() && self.letters != Letters::AllLarge || self.letters == Letters::AllSmall {
            self.push(at, at + len, TextClass::City, "city.known", 0.68);
        }
    }

    /// "lives in", "moved from": capital words after it are a place.
    pub(crate) fn place_cue(&mut self, at: usize, len: usize) {
        let mut first = at + len;
        if self.get(first).is_some_and(|token| token.is_word() && token.flags & lexicon::GENERIC != 0 && !token.is_capital()) {
            first += 1;
        }
        let Some(token) = self.get(first).filter(|token| token.is_word() && token.is_capital() && token.gap <= Gap::Line) else { return };
        if token.flags & (lexicon::CLINICAL | lexicon::FUNCTION) != 0 && token.flags & lexicon::CITY == 0 {
            return;
        }
        if self.phrase(first, Trigger::State).is_some()
            || self.phrase(first, Trigger::Country).is_some()
            || self.phrase(first, Trigger::Month(1)).is_some()
        {
            return;
        }
        let end = self.capital_run(first, 4);
        if end > first {
            self.push(first, end, TextClass::City, "city.cue", 0.72);
        }
    }

    /// A place of the lists after "in", "from", "to", "at": `in Chicago`.
    pub(crate) fn listed_place(&mut self, at: usize) -> bool {
        let token = self.tokens[at];
        if token.case != Case::Title || self.letters != Letters::Normal || at == 0 {
            return false;
        }
        let before = self.word(at - 1);
        let cue = ["in", "from", "near", "of", "to", "en", "de", "desde"].iter().any(|cue| before == *cue);
        if !cue || token.gap > Gap::Line {
            return false;
        }
        for count in (1..=3).rev() {
            let end = at + count;
            let whole = self.get(end - 1).is_some_and(|last| last.is_word() && last.is_capital())
                && (1..count).all(|word| self.tokens[at + word].gap == Gap::Space && self.tokens[at + word].is_word());
            if !whole || !self.is_place(at, end) {
                continue;
            }
            let ambiguous = count == 1 && token.flags & (lexicon::COMMON | lexicon::CLINICAL | lexicon::EPONYM | lexicon::GIVEN) != 0;
            let common_cue = matches!(before, "of" | "to" | "de");
            if ambiguous || common_cue && count == 1 && token.flags & lexicon::FAMILY != 0 {
                return false;
            }
            if self.get(end).is_some_and(|next| next.is_word() && next.flags & lexicon::EPONYM_NOUN != 0) {
                return false;
            }
            self.push(at, end, TextClass::City, "city.listed", 0.64);
            return true;
        }
        false
    }

    /// `Henry Memorial Hospital`, `Dallas clinic`, `Children's Hospital Los Angeles`.
    pub(crate) fn organisation_tail(&mut self, at: usize, len: usize, small: bool) {
        if !small && !self.tokens[at].is_capital() && self.letters == Letters::Normal {
            return;
        }
        let mut first = at;
        let mut named = 0;
        let mut generic_only = true;
        while first > 0 && at - first < 10 {
            let token = &self.tokens[first - 1];
            if self.tokens[first].gap > Gap::Space {
                break;
            }
            let large = token.is_word() && token.is_capital()
                || token.kind == Kind::Mixed && token.chars <= 5 && self.word(first - 1).as_bytes()[0].is_ascii_digit();
            if large {
                if token.flags & lexicon::FUNCTION != 0 || first < at && self.sentence_break_before(first) {
                    break;
                }
                // The first word of a sentence counts only when it is no plain word.
                if self.starts_sentence(first - 1)
                    && token.flags & lexicon::COMMON != 0
                    && token.flags & (lexicon::GIVEN | lexicon::FAMILY | lexicon::CITY) == 0
                    && first < at
                {
                    break;
                }
                generic_only &= token.flags & (lexicon::GENERIC | lexicon::CLINICAL) != 0;
                named += 1;
            } else if token.is_one_of(b"'.&-")
                || token.is_word() && token.chars == 1 && self.word(first - 1) == "s" && first >= 2 && self.tokens[first - 2].is_sign(b'\'')
            {
                if token.is_sign(b'.')
                    && (first < 2
                        || self.tokens[first - 2].chars > 3
                        || !matches!(self.tokens[first - 2].case, Case::Title | Case::Upper)
                        || self.tokens[first - 2].flags & (lexicon::CLINICAL | lexicon::UNIT) != 0)
                {
                    break;
                }
            } else if token.is_word()
                && matches!(self.word(first - 1), "of" | "and" | "for" | "the")
                && first >= 2
                && self.tokens[first - 2].is_word()
                && self.tokens[first - 2].is_capital()
                && named > 0
                && self.tokens[first - 2].flags & lexicon::FUNCTION == 0
            {
                // `Brigham and Women's Hospital`; not `Dr. Smith of the Mercy Clinic`.
                if matches!(self.word(first - 1), "of" | "the")
                    && self.trigger_of(first - 2, |trigger| matches!(trigger, Trigger::OrgTail(_))).is_none()
                    && !matches!(self.word(first - 2), "Sisters" | "University" | "Lady" | "House" | "Bank")
                {
                    break;
                }
            } else {
                break;
            }
            first -= 1;
        }
        while first < at && (self.tokens[first].kind == Kind::Sign || self.tokens[first].flags & lexicon::FUNCTION != 0) {
            first += 1;
        }
        let tail_is_large = self.tokens[at].is_capital();
        let after = self.organisation_rest(at + len);
        if first == at || named == 0 {
            // `Hospital of the University of Pennsylvania`.
            if after > at + len && tail_is_large && self.letters == Letters::Normal {
                self.push(at, after, TextClass::Hospital, "hospital.of", 0.7);
            }
            return;
        }
        if generic_only && !(tail_is_large && self.is_named_by_generic(first, at)) {
            if after <= at + len {
                self.block(first, at + len, "hospital.generic", 0.58);
            }
            return;
        }
        if self.letters == Letters::AllLarge && named > 5 {
            return;
        }
        let score = if tail_is_large { 0.84 } else { 0.68 };
        self.push(first, after, TextClass::Hospital, "hospital.tail", score);
    }

    fn sentence_break_before(&self, at: usize) -> bool {
        at > 0 && self.tokens[at - 1].is_sign(b'.') && (at < 2 || self.tokens[at - 2].chars > 3)
    }

    /// "General Hospital", "City Hospital" and "Memorial Clinic" name a house where "Pain Clinic" names a service.
    fn is_named_by_generic(&self, first: usize, end: usize) -> bool {
        self.tokens[first..end]
            .iter()
            .any(|token| token.is_word() && token.flags & lexicon::GENERIC != 0 && token.flags & lexicon::CLINICAL == 0)
    }

    /// After the word for the house: ` Los Angeles`, ` of Pennsylvania`, `, Boston` stays out.
    fn organisation_rest(&self, end: usize) -> usize {
        let mut rest = end;
        // `Medical Center Hospital`, `Hospital Clinic`.
        while let Some(len) = self
            .get(rest)
            .filter(|token| token.gap == Gap::Space && token.is_capital())
            .and_then(|_| self.phrase(rest, Trigger::OrgTail(true)))
        {
            rest += len;
        }
        if self.get(rest).is_some_and(|token| token.gap == Gap::Space && token.is_word()) {
            if matches!(self.word(rest), "of" | "at" | "for") {
                let skip = usize::from(self.get(rest + 1).is_some_and(|next| self.word(rest + 1) == "the" && next.gap == Gap::Space));
                let more = self.capital_run(rest + 1 + skip, 4);
                if more > rest + 1 + skip && self.tokens[rest + 1 + skip].gap == Gap::Space {
                    return self.university_of(more);
                }
            } else if self.tokens[rest].is_capital() {
                let more = self.capital_run(rest, 3);
                for stop in (rest + 1..=more).rev() {
                    if self.is_place(rest, stop) {
                        return stop;
                    }
                }
            }
        }
        rest
    }

    fn university_of(&self, end: usize) -> usize {
        if self.get(end).is_some_and(|token| token.gap == Gap::Space && self.word(end) == "of") {
            let more = self.capital_run(end + 1, 3);
            return if more > end + 1 { more } else { end };
        }
        end
    }

    /// `Hospital Universitario Virgen del Rocío`, `Centro de Salud Las Calesas`.
    pub(crate) fn organisation_head(&mut self, at: usize, len: usize) {
        if !self.tokens[at].is_capital() && self.letters == Letters::Normal {
            return;
        }
        let mut first = at + len;
        let mut end = first;
        // Capital words, and particles between them; an opening particle is fine here.
        if let Some(particle) = self.get(first).filter(|token| token.gap == Gap::Space).and_then(|_| self.phrase(first, Trigger::Particle))
        {
            first += particle;
        }
        for _ in 0..3 {
            if self.get(first).is_none_or(|token| token.gap > Gap::Space) {
                break;
            }
            if self.get(first).is_some_and(|sign| sign.is_one_of(b"\"'")) {
                first += 1;
            }
            let run = self.capital_run(first, 7);
            if run == first {
                // `Hospital 12 de Octubre`, `Hospital universitario La Paz`.
                let step = self.get(first).filter(|token| {
                    token.gap == Gap::Space && (token.kind == Kind::Number && token.chars <= 2 || token.flags & lexicon::GENERIC != 0)
                });
                if step.is_none() {
                    break;
                }
                first += 1;
                if let Some(particle) =
                    self.get(first).filter(|token| token.gap == Gap::Space).and_then(|_| self.phrase(first, Trigger::Particle))
                {
                    first += particle;
                }
                continue;
            }
            end = run;
            // `Hospital Clinico Univ. de Santiago`
            if self.get(run).is_some_and(|sign| sign.is_sign(b'.') && sign.gap == Gap::None)
                && self.tokens[run - 1].chars <= 4
                && self.get(run + 1).is_some_and(|next| next.gap == Gap::Space)
                && let Some(particle) = self.phrase(run + 1, Trigger::Particle)
            {
                end = self.capital_run(run + 1 + particle, 4).max(run);
            }
            break;
        }
        if end <= at + len && len >= 2 && self.tokens[at + len - 1].is_capital() && self.tokens[at].is_capital() {
            self.push(at, at + len, TextClass::Hospital, "hospital.head", 0.6);
        }
        if end > at + len {
            self.push(at, end, TextClass::Hospital, "hospital.head", 0.83);
        }
    }

    /// An organisation of the lists.
    pub(crate) fn organisation_known(&mut self, at: usize, len: usize) {
        if self.tokens[at].is_capital() || self.letters == Letters::AllSmall {
            let end = self.organisation_rest(at + len);
            self.push(at, end, TextClass::Hospital, "hospital.known", 0.8);
        }
    }

    /// "seen at", "admitted to": capital words after it are an organisation, unless they are plain words or wards.
    pub(crate) fn visit_cue(&mut self, at: usize, len: usize) {
        let mut first = at + len;
        while self.get(first).is_some_and(|token| token.is_word() && !token.is_capital() && token.flags & lexicon::GENERIC != 0)
            && first < at + len + 2
        {
            first += 1;
        }
        if self.letters != Letters::Normal
            || !self.get(first).is_some_and(|token| token.is_word() && token.is_capital() && token.gap <= Gap::Line)
        {
            return;
        }
        let end = self.capital_run(first, 5);
        let plain = self.tokens[first..end].iter().filter(|token| token.is_word()).all(|token| {
            token.flags & (lexicon::CLINICAL | lexicon::FUNCTION | lexicon::HEADING) != 0
                || token.flags & lexicon::COMMON != 0 && token.flags & (lexicon::CITY | lexicon::FAMILY) == 0
                || token.case == Case::Upper && token.chars < 3
        });
        let dated = self.phrase(first, Trigger::Month(1)).is_some() || self.phrase(first, Trigger::Weekday).is_some();
        let titled = self.phrase(first, Trigger::Title).is_some() && !matches!(self.word(first), "St" | "Saint" | "Mt");
        if end == first || plain || dated || titled {
            return;
        }
        if self.is_place(first, end) && self.tokens[first].flags & lexicon::GIVEN == 0 {
            return self.push(first, end, TextClass::City, "city.cue", 0.66);
        }
        self.push(first, end, TextClass::Hospital, "hospital.cue", 0.71);
    }
}
