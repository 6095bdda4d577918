//! Dates of every shape: numeric, ISO, compact, with the month in words, ranges, months and years.

use super::{Case, Gap, Kind, Letters, Scan, TextClass, lexicon};
use crate::text::rules::{Trigger, Value};

/// Years that a note may speak of; research data sets shift theirs into the next century.
pub(super) fn is_year(number: u32) -> bool {
    (1880..=2210).contains(&number)
}

impl Scan<'_> {
    /// Dates that start with digits at a token.
    pub(crate) fn numeric_date(&mut self, at: usize) {
        let token = self.tokens[at];
        if token.kind == Kind::Mixed {
            return self.joined_date(at);
        }
        let Some(first) = self.number_at(at) else {
            return self.compact_stamp(at);
        };
        let digits = token.chars;
        if digits == 8 {
            return self.compact_date(at, first);
        }
        if let Some((separator, second_at)) = self.separator(at + 1)
            && let Some(second) = self.number_at(second_at)
        {
            if let Some((_, third_at)) = self.separator(second_at + 1).filter(|(same, _)| *same == separator)
                && self.three_parts(at, first, separator, second_at, second, third_at)
            {
                return;
            }
            return self.two_parts(at, first, separator, second_at, second);
        }
        if digits == 4 && is_year(first) {
            self.year(at);
        }
    }

    /// A date separator at a token, and where the next part stands. Blanks are allowed around `/` and after `.`.
    fn separator(&self, at: usize) -> Option<(u8, usize)> {
        let sign = self.get(at).filter(|token| token.is_one_of(b"/-."))?;
        let next = self.get(at + 1)?;
        let separator = sign.hash as u8;
        let tight = sign.gap == Gap::None && next.gap == Gap::None;
        let spaced = sign.gap <= Gap::Space && next.gap <= Gap::Space && (separator == b'/' || separator == b'.' && sign.gap == Gap::None);
        (tight || spaced).then_some((separator, at + 1))
    }

    fn three_parts(&mut self, at: usize, first: u32, separator: u8, second_at: usize, second: u32, third_at: usize) -> bool {
        let digits = [self.tokens[at].chars, self.tokens[second_at].chars, 0];
        // ISO with a clock time glued on: the third part is `05T07`.
        let (third, third_digits, is_stamp) = match self.number_at(third_at) {
            Some(third) => (third, self.tokens[third_at].chars, false),
            None => match self.day_and_hour(third_at) {
                Some(day) => (day, 2, true),
                None => return false,
            },
        };
        let spaced = self.tokens[second_at].gap != Gap::None || self.tokens[third_at].gap != Gap::None;
        let goes_on = |scan: &Self, end: usize| {
            scan.get(end).is_some_and(|token| token.gap == Gap::None && token.is_one_of(b"-/."))
                && scan.get(end + 1).is_some_and(|token| {
                    token.gap == Gap::None && token.kind != Kind::Sign && token.chars > 0 && scan.tokens[end].hash == u64::from(separator)
                })
        };
        let fits = if digits[0] == 4 {
            is_year(first) && is_month(second) && is_day(third)
        } else if digits[0] <= 2 && digits[1] <= 2 && (third_digits == 4 || third_digits == 2) {
            let is_pair = is_month(first) && is_day(second) || is_month(second) && is_day(first);
            let year_fits = third_digits == 2 || is_year(third);
            // `1.2.20` is a version or a paragraph more often than a date.
            let dots = separator == b'.' && third_digits == 2 && (digits[0] < 2 || digits[1] < 2);
            is_pair && year_fits && !dots && !(spaced && separator == b'.' && third_digits == 2)
        } else {
            false
        };
        if !fits || goes_on(self, third_at + 1) {
            return false;
        }
        let mut end = third_at + 1;
        if is_stamp
            || self
                .get(end)
                .is_some_and(|token| token.gap == Gap::None && token.kind == Kind::Word && self.word(end).eq_ignore_ascii_case("t"))
        {
            end = self.clock_end(end);
        }
        self.push(at, end, TextClass::Date, "date.numeric", 0.9);
        self.take(at, end);
        true
    }

    /// The day of `05T07`.
    fn day_and_hour(&self, at: usize) -> Option<u32> {
        let word = self.get(at).map(|_| self.word(at))?.as_bytes();
        let fits = word.len() >= 3 && word[0].is_ascii_digit() && word[1].is_ascii_digit() && word[2] | 0x20 == b't';
        fits.then(|| u32::from(word[0] - b'0') * 10 + u32::from(word[1] - b'0'))
    }

    /// The end of `:15:00.123+02:00` that is glued to a date.
    fn clock_end(&self, mut end: usize) -> usize {
        while let Some(token) = self.get(end) {
            let next_is_digits =
                self.get(end + 1).is_some_and(|next| next.gap == Gap::None && matches!(next.kind, Kind::Number | Kind::Mixed));
            let fits = token.gap == Gap::None
                && (token.is_one_of(b":.+-") && next_is_digits
                    || matches!(token.kind, Kind::Number | Kind::Mixed)
                    || token.is_word() && token.chars == 1);
            if !fits {
                break;
            }
            end += 1;
        }
        end
    }

    /// Month and year (`03/2018`), year and month (`2018-03`), month and day (`03/14`).
    fn two_parts(&mut self, at: usize, first: u32, separator: u8, second_at: usize, second: u32) {
        let (first_digits, second_digits) = (self.tokens[at].chars, self.tokens[second_at].chars);
        let end = second_at + 1;
        let tight = self.tokens[second_at].gap == Gap::None && self.tokens[at + 1].gap == Gap::None;
        let goes_on = self.get(end).is_some_and(|token| token.gap == Gap::None && (token.is_sign(b'/') || token.kind != Kind::Sign))
            || self.get(end).is_some_and(|token| token.gap == Gap::None && token.is_one_of(b"-.:"))
                && self.get(end + 1).is_some_and(|token| token.gap == Gap::None && token.kind != Kind::Sign);
        if goes_on || self.unit_follows(end) {
            return;
        }
        if separator != b'.' && tight && first_digits <= 2 && second_digits == 4 && is_month(first) && is_year(second) {
            self.push(at, end, TextClass::Date, "date.month-year", 0.86);
            return self.take(at, end);
        }
        if separator != b'.' && tight && first_digits == 4 && second_digits == 2 && is_year(first) && is_month(second) {
            self.push(at, end, TextClass::Date, "date.year-month", 0.8);
            return self.take(at, end);
        }
        let is_pair = is_month(first) && is_day(second) || self.rules.day_first && is_month(second) && is_day(first);
        if !is_pair || first_digits > 2 || second_digits > 2 || !tight {
            return;
        }
        if separator == b'/' {
            let padded = (first_digits == 2 && first < 10 || second_digits == 2 && second < 10) && first_digits == second_digits;
            if self.date_is_announced(at) || padded && !self.ratio_is_announced(at) {
                self.push(at, end, TextClass::Date, "date.day-month", if padded { 0.8 } else { 0.7 });
                self.take(at, end);
            }
        } else if separator == b'-' && first_digits == 2 && second_digits == 2 && self.label_before(at) {
            self.push(at, end, TextClass::Date, "date.day-month", 0.6);
        }
    }

    /// Whether a word before the number says that a date follows.
    fn date_is_announced(&self, at: usize) -> bool {
        if self.label_before(at) {
            return true;
        }
        if self.ratio_is_announced(at) {
            return false;
        }
        if self.phrase_before(at, Trigger::DateCue).is_some() || self.phrase_before(at, Trigger::Weekday).is_some() {
            return true;
        }
        // `from 3/1 to 3/5`, `3/1-3/5`: the other end of a range is one.
        at >= 4 && self.tokens[at - 1].is_sign(b'-') && self.taken[at - 2]
    }

    /// Whether a label of a date stands before the number.
    pub(crate) fn label_before(&self, at: usize) -> bool {
        let mut back = at;
        while back > 0 && at - back < 3 && self.tokens[back - 1].is_one_of(b":=#.-(") {
            back -= 1;
        }
        (1..=3).take_while(|len| *len <= back).any(|len| {
            self.trigger_of(
                back - len,
                |trigger| matches!(trigger, Trigger::Label(label) if self.rules.labels[usize::from(label)].value == Value::Date),
            )
            .is_some_and(|(_, found)| found == len)
        })
    }

    /// `Pain improved from 8/10 to 3/10`, `strength 5/5 in arms`: a word of what is told as a ratio, shortly before.
    fn ratio_is_announced(&self, at: usize) -> bool {
        let mut back = at;
        while back > 0
            && at - back < 9
            && self.tokens[back].gap < Gap::Blank
            && !(self.tokens[back - 1].is_sign(b'.') && self.tokens[back].gap != Gap::None)
        {
            back -= 1;
            if self.tokens[back].flags & lexicon::RATIO != 0 {
                return true;
            }
        }
        false
    }

    /// `20240704`, `20240704T1530`.
    fn compact_date(&mut self, at: usize, number: u32) {
        let (year, month, day) = (number / 10_000, number / 100 % 100, number % 100);
        if is_year(year) && is_month(month) && is_day(day) {
            self.push(at, at + 1, TextClass::Date, "date.compact", 0.75);
        }
    }

    /// `202407041530`, `20240704153012`: the stamps of messages.
    fn compact_stamp(&mut self, at: usize) {
        let digits = self.word(at);
        if !matches!(digits.len(), 12 | 14) {
            return;
        }
        let part = |from: usize, to: usize| digits.get(from..to).and_then(|text| text.parse::<u32>().ok()).unwrap_or(u32::MAX);
        let is_date = is_year(part(0, 4)) && is_month(part(4, 6)) && is_day(part(6, 8));
        if is_date && part(8, 10) < 24 && part(10, 12) < 60 {
            let end = if self.get(at + 1).is_some_and(|token| token.gap == Gap::None && token.is_one_of(b"+-")) {
                self.chunk(at)
            } else {
                at + 1
            };
            self.push(at, end, TextClass::Date, "date.stamp", 0.95);
        }
    }

    /// `14Mar2018`, `Mar2018`, `20240704T153000Z`.
    fn joined_date(&mut self, at: usize) {
        let word = self.word(at);
        if !word.is_ascii() {
            return;
        }
        let letters_start = word.bytes().position(|byte| byte.is_ascii_alphabetic()).unwrap_or(0);
        let letters_end = word.bytes().rposition(|byte| byte.is_ascii_alphabetic()).map_or(0, |last| last + 1);
        let (day, letters, year) = (&word[..letters_start], &word[letters_start..letters_end], &word[letters_end..]);
        if letters.eq_ignore_ascii_case("t") && day.len() == 8 {
            let number: u32 = day.parse().unwrap_or(0);
            if is_year(number / 10_000) && is_month(number / 100 % 100) && is_day(number % 100) {
                let end = self.clock_end(at + 1);
                self.push(at, end, TextClass::Date, "date.stamp", 0.85);
                self.take(at, end);
            }
            return;
        }
        let number = |text: &str| text.parse::<u32>().unwrap_or(u32::MAX);
        let day_fits = day.is_empty() || day.len() <= 2 && is_day(number(day));
        let year_fits = year.len() == 4 && is_year(number(year)) || year.len() == 2 && !day.is_empty();
        if day_fits && year_fits && letters.len() >= 3 && self.is_month_word(letters) {
            self.push(at, at + 1, TextClass::Date, "date.joined", 0.88);
            self.take(at, at + 1);
        }
    }

    fn is_month_word(&self, letters: &str) -> bool {
        self.rules.surrogates.months.iter().flatten().any(|name| name.eq_ignore_ascii_case(letters))
    }

    /// A year alone.
    fn year(&mut self, at: usize) {
        let glued = self.get(at + 1).is_some_and(|token| token.gap == Gap::None && token.kind != Kind::Sign);
        if !glued && !self.unit_follows(at + 1) {
            let first = self.phrase_before(at, Trigger::YearWord).unwrap_or(at);
            self.push(first, at + 1, TextClass::Year, "date.year", 0.4);
        }
    }

    /// Dates around the word of a month.
    pub(crate) fn month(&mut self, at: usize, month: u8) {
        let token = self.tokens[at];
        debug_assert!((1..=12).contains(&month));
        if self.get(at + 1).is_some_and(|next| {
            next.is_sign(b'\'') && next.gap == Gap::None && self.get(at + 2).is_some_and(|s| s.is_word() && s.gap == Gap::None)
        }) {
            return;
        }
        let plain_word =
            token.case == Case::Lower && token.flags & (lexicon::COMMON | lexicon::FUNCTION) != 0 && self.letters != Letters::AllSmall;
        let (first, has_day_before) = self.day_before(at);
        let (end, has_day_after, has_year) = self.after_month(at, has_day_before);
        let dated = has_day_before || has_day_after || has_year;
        if !dated {
            if token.is_capital() && token.case != Case::Upper && self.month_is_announced(at) {
                self.push(at, at + 1, TextClass::Date, "date.month", 0.62);
            }
            return;
        }
        let sure = has_year || self.is_ordinal(at + 1) || self.is_ordinal(first) || self.date_is_announced(at);
        if plain_word && !sure {
            return;
        }
        // `May 5 mg`, `Mar 12 %`: a number with a unit is no day.
        if has_day_after && !has_year && !has_day_before && self.unit_follows(end) {
            return;
        }
        // A lone capital name before a small number (`April 3` is a date, `Jan 3` too): taken as dates.
        self.push(first, end, TextClass::Date, "date.words", 0.9);
        self.take(first, end);
    }

    /// Whether "in", "since", "last" or the like stands before a month.
    fn month_is_announced(&self, at: usize) -> bool {
        self.phrase_before(at, Trigger::DateCue).is_some() || self.label_before(at)
    }

    fn is_ordinal(&self, at: usize) -> bool {
        let Some(token) = self.get(at).filter(|token| token.kind == Kind::Mixed && token.chars <= 5) else { return false };
        let word = &self.text[token.start as usize..token.end as usize];
        let digits = word.bytes().take_while(u8::is_ascii_digit).count();
        let number = word[..digits].parse::<u32>().unwrap_or(u32::MAX);
        let ending = word[digits..].to_ascii_lowercase();
        is_day(number) && matches!(ending.as_str(), "st" | "nd" | "rd" | "th" | "er" | "do" | "ro" | "to" | "\u{ba}")
    }

    fn is_day_at(&self, at: usize) -> bool {
        self.number_at(at).is_some_and(is_day) && self.tokens[at].chars <= 2 || self.is_ordinal(at)
    }

    /// Where the date starts when a day, or a range of days, stands before the month.
    fn day_before(&self, at: usize) -> (usize, bool) {
        let mut first = at;
        let mut place = at;
        // Over "of", "de", a hyphen, a point.
        let mut steps = 0;
        while place > 0 && steps < 2 {
            let token = &self.tokens[place - 1];
            let glue = token.is_one_of(b"-/.,") && (self.tokens[place].gap == Gap::None || token.gap == Gap::None)
                || token.is_word() && self.phrase(place - 1, Trigger::Particle).is_some()
                || token.is_word() && self.phrase(place - 1, Trigger::Of).is_some()
                || token.is_sign(u8::try_from(0xbau32).unwrap_or(0));
            if !glue || self.tokens[place].gap >= Gap::Wide {
                break;
            }
            place -= 1;
            steps += 1;
        }
        if place > 0 && self.tokens[place].gap < Gap::Wide && self.is_day_at(place - 1) {
            let glued_number = place >= 2
                && self.tokens[place - 1].gap == Gap::None
                && self.tokens[place - 2].is_one_of(b"./-")
                && place >= 3
                && self.tokens[place - 2].gap == Gap::None;
            if !glued_number {
                first = place - 1;
            } else if self.tokens[place - 2].is_sign(b'-') && self.is_day_at(place - 3) {
                first = place - 3;
            }
            // `3-5 May`, `3 and 5 May`
            if first == place - 1 && first >= 2 && self.is_day_at(first - 2) && self.joins_days(first - 1) {
                first -= 2;
            }
        }
        (first, first < at)
    }

    /// Where the date ends, and whether a day and a year stand after the month.
    fn after_month(&self, at: usize, has_day_before: bool) -> (usize, bool, bool) {
        let mut end = at + 1;
        let near = |scan: &Self, place: usize| scan.get(place).is_some_and(|token| token.gap < Gap::Wide);
        if self.get(end).is_some_and(|token| token.is_sign(b'.') && token.gap == Gap::None) && near(self, end + 1) {
            end += 1;
        }
        let mut has_day = false;
        if !has_day_before {
            let skip = usize::from(self.get(end).is_some_and(|token| token.is_one_of(b"-/") && token.gap == Gap::None));
            if near(self, end + skip) && self.is_day_at(end + skip) {
                has_day = true;
                end += skip + 1;
                // `3-5`, `3 to 5`, `3 and 5`.
                let joins = self.joins_days(end);
                if joins && near(self, end + 1) && self.is_day_at(end + 1) && !self.unit_follows(end + 2) {
                    end += 2;
                }
            }
        }
        let mut place = end;
        for _ in 0..2 {
            let glue = self.get(place).is_some_and(|token| {
                token.gap <= Gap::Space
                    && (token.is_one_of(b",-/'.")
                        || token.is_word()
                            && (self.phrase(place, Trigger::Particle).is_some()
                                || self.phrase(place, Trigger::YearWord).is_some()
                                || self.phrase(place, Trigger::Of).is_some()))
            });
            if !glue {
                break;
            }
            place += 1;
        }
        let apostrophe = place > end && self.tokens[place - 1].is_sign(b'\'');
        let hyphen = place > end && self.tokens[place - 1].is_one_of(b"-/");
        if near(self, place)
            && let Some(number) = self.number_at(place)
        {
            let chars = self.tokens[place].chars;
            let two_digits = chars == 2
                && (apostrophe
                    || hyphen
                    || (has_day_before
                        && place == end
                        && !self.unit_follows(place + 1)
                        && self.tokens[place].gap == Gap::Space
                        && number < 60));
            let glued_on =
                self.get(place + 1).is_some_and(|token| token.gap == Gap::None && (token.is_one_of(b"/:") || token.kind != Kind::Sign));
            let comma_then_time = place > end && self.tokens[place - 1].is_sign(b'.');
            if (chars == 4 && is_year(number) || two_digits) && !glued_on && !comma_then_time {
                return (place + 1, has_day, true);
            }
        }
        (end, has_day, false)
    }

    /// Whether a sign or word that joins two days of one month stands at a token.
    fn joins_days(&self, at: usize) -> bool {
        self.get(at).is_some_and(|token| token.is_one_of(b"-&")) || self.phrase(at, Trigger::Range) == Some(1)
    }

    /// `last Thursday`, `on Monday`.
    pub(crate) fn weekday(&mut self, at: usize) {
        let token = self.tokens[at];
        if token.is_capital() && self.phrase_before(at, Trigger::DateCue).is_some() {
            self.push(at, at + 1, TextClass::Date, "date.weekday", 0.55);
        }
    }
}

fn is_month(number: u32) -> bool {
    (1..=12).contains(&number)
}

fn is_day(number: u32) -> bool {
    (1..=31).contains(&number)
}
