//! Putting something else in the place of a span: a tag, a mask, a made-up value, a shifted date.

use chrono::{Datelike, Days, NaiveDate};

use super::{Rules, Span, TextClass, surrogate::Surrogates};

/// What stands in the place of a span.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Replacement {
    /// The text stays.
    Keep,
    /// The class in brackets: `[NAME]`.
    Tag,
    /// As many `*` as the text has characters.
    Mask,
    /// A made-up value of the same kind and shape, the same for the same value of the same patient. What has none (an age, a
    /// relative, a profession) becomes a tag.
    Surrogate(Surrogates),
    /// A date moved by whole days and written as it was. What is no full date becomes a tag.
    ShiftDate {
        /// Days, negative for the past.
        days: i32,
    },
    /// The year of a date; a tag where it has none.
    Year,
}

/// A replacement for every class.
#[derive(Debug, Clone)]
pub struct Replacements {
    default: Replacement,
    by_class: Vec<(TextClass, Replacement)>,
}

impl Replacements {
    /// The same for all classes.
    pub fn all(replacement: Replacement) -> Self {
        Self { default: replacement, by_class: Vec::new() }
    }

    /// Another one for this class.
    #[must_use]
    pub fn with(mut self, class: TextClass, replacement: Replacement) -> Self {
        self.by_class.retain(|(other, _)| *other != class);
        self.by_class.push((class, replacement));
        self
    }

    /// The replacement of a class.
    pub fn of(&self, class: TextClass) -> &Replacement {
        self.by_class.iter().find(|(other, _)| *other == class).map_or(&self.default, |(_, replacement)| replacement)
    }
}

/// Writes `text` with its spans replaced. Spans that overlap an earlier one, stand out of order or cut a character are
/// widened or joined to it, never skipped: what was found never stays.
pub(crate) fn replace(rules: &Rules, text: &str, spans: &[Span], replacements: &Replacements, out: &mut String) {
    let mut ordered: Vec<Span>;
    let in_order = spans.windows(2).all(|pair| pair[0].end <= pair[1].start);
    let spans = if in_order {
        spans
    } else {
        ordered = spans.to_vec();
        ordered.sort_by_key(|span| (span.start, span.end));
        &ordered
    };
    let mut done = 0;
    for span in spans {
        let start = floor_boundary(text, span.start.max(done));
        let end = ceil_boundary(text, span.end);
        if end <= done || start >= end {
            continue;
        }
        let start = start.max(done);
        out.push_str(&text[done..start]);
        write(rules, &text[start..end], span.class, replacements.of(span.class), out);
        done = end;
    }
    out.push_str(&text[done..]);
}

fn floor_boundary(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn ceil_boundary(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at += 1;
    }
    at
}

fn write(rules: &Rules, value: &str, class: TextClass, replacement: &Replacement, out: &mut String) {
    match replacement {
        Replacement::Keep => out.push_str(value),
        Replacement::Tag => tag(class, out),
        Replacement::Mask => out.extend(value.chars().map(|character| if character.is_whitespace() { character } else { '*' })),
        Replacement::Surrogate(surrogates) => {
            let written = if class == TextClass::Date {
                shift(rules, value, surrogates.shift_days(), out)
            } else {
                surrogates.write(rules, value, class, out)
            };
            if !written {
                tag(class, out);
            }
        }
        Replacement::ShiftDate { days } => {
            if class != TextClass::Date || !shift(rules, value, *days, out) {
                tag(class, out);
            }
        }
        Replacement::Year => match WrittenDate::parse(rules, value).map(|date| date.date.year()) {
            Some(year) if matches!(class, TextClass::Date | TextClass::Year) => out.push_str(&year.to_string()),
            _ => tag(class, out),
        },
    }
}

fn tag(class: TextClass, out: &mut String) {
    out.push('[');
    out.extend(class.as_str().chars().map(|character| character.to_ascii_uppercase()));
    out.push(']');
}

fn shift(rules: &Rules, value: &str, days: i32, out: &mut String) -> bool {
    let Some(written) = WrittenDate::parse(rules, value) else { return false };
    let step = Days::new(u64::from(days.unsigned_abs()));
    let moved = if days < 0 { written.date.checked_sub_days(step) } else { written.date.checked_add_days(step) };
    let Some(moved) = moved.filter(|date| (1000..=9999).contains(&date.year())) else { return false };
    written.write(moved, rules, out);
    true
}

/// The day, month and year of a full date, and where each stands in its text.
struct WrittenDate<'t> {
    text: &'t str,
    date: NaiveDate,
    parts: [(Part, usize, usize); 3],
}

#[derive(Clone, Copy, PartialEq)]
enum Part {
    Day,
    Month,
    MonthName,
    Year,
    ShortYear,
}

impl<'t> WrittenDate<'t> {
    /// Reads a date that states day, month and year. Two dates in one span (a range) are refused.
    fn parse(rules: &Rules, text: &'t str) -> Option<Self> {
        let runs = runs(text);
        let months = &rules.0.surrogates.months;
        let month_of = |word: &str| {
            (1u32..).zip(months).find(|(_, names)| names.iter().any(|name| name.eq_ignore_ascii_case(word))).map(|(month, _)| month)
        };
        let mut numbers: Vec<(usize, usize, u32)> = Vec::new();
        let mut name: Option<(usize, usize, u32)> = None;
        let mut clock = false;
        for (at, (start, end, digits)) in runs.iter().enumerate() {
            let word = &text[*start..*end];
            if *digits {
                clock |= text[*end..].starts_with(':') || at > 0 && text[..*start].ends_with(':');
                // The hour of a stamp is no part of the date; it stays as it is.
                if !clock && numbers.len() < 4 {
                    numbers.push((*start, *end, word.parse().ok()?));
                }
            } else if let Some(month) = month_of(word) {
                if name.replace((*start, *end, month)).is_some() {
                    return None;
                }
            } else if word.eq_ignore_ascii_case("t") && !numbers.is_empty() {
                break;
            }
        }
        let compact = numbers.len() == 1 && name.is_none() && numbers[0].1 - numbers[0].0 == 8;
        if compact {
            let (start, _, number) = numbers[0];
            let date = NaiveDate::from_ymd_opt(i32::try_from(number / 10_000).ok()?, number / 100 % 100, number % 100)?;
            return Some(Self {
                text,
                date,
                parts: [(Part::Year, start, start + 4), (Part::Month, start + 4, start + 6), (Part::Day, start + 6, start + 8)],
            });
        }
        if let Some((month_start, month_end, month)) = name {
            let [first, second] = numbers.as_slice() else { return None };
            let (day, year) = if first.1 - first.0 == 4 { (second, first) } else { (first, second) };
            let (year_part, full) = full_year(*year)?;
            let date = NaiveDate::from_ymd_opt(full, month, day.2)?;
            return Some(Self {
                text,
                date,
                parts: [(Part::MonthName, month_start, month_end), (Part::Day, day.0, day.1), (year_part, year.0, year.1)],
            });
        }
        let [a, b, c] = numbers.as_slice() else { return None };
        let (year, month, day) = if a.1 - a.0 == 4 {
            (a, b, c)
        } else if (rules.0.day_first || a.2 > 12 || text[a.1..].starts_with('.')) && b.2 <= 12 {
            (c, b, a)
        } else {
            (c, a, b)
        };
        let (year_part, full) = full_year(*year)?;
        let date = NaiveDate::from_ymd_opt(full, month.2, day.2)?;
        Some(Self { text, date, parts: [(year_part, year.0, year.1), (Part::Month, month.0, month.1), (Part::Day, day.0, day.1)] })
    }

    fn write(&self, date: NaiveDate, rules: &Rules, out: &mut String) {
        let mut parts = self.parts;
        parts.sort_by_key(|part| part.1);
        let mut done = 0;
        for (part, start, end) in parts {
            out.push_str(&self.text[done..start]);
            let was = &self.text[start..end];
            let width = was.len();
            match part {
                Part::Year => out.push_str(&padded(date.year().unsigned_abs(), 4)),
                Part::ShortYear => out.push_str(&padded(date.year().unsigned_abs() % 100, 2)),
                Part::Month => out.push_str(&padded(date.month(), width)),
                Part::Day if self.is_ordinal(end) => out.push_str(&date.day().to_string()),
                Part::Day => out.push_str(&padded(date.day(), width)),
                Part::MonthName => out.push_str(&month_like(rules, self.date.month(), date.month(), was)),
            }
            done = end;
            if part == Part::Day {
                done = self.ordinal(end, date.day(), out);
            }
        }
        out.push_str(&self.text[done..]);
    }

    /// Whether the day that ends there is an ordinal.
    fn is_ordinal(&self, end: usize) -> bool {
        self.text.get(end..end + 2).is_some_and(|after| ["st", "nd", "rd", "th"].iter().any(|ending| after.eq_ignore_ascii_case(ending)))
    }

    /// Rewrites `1st`, `2nd`, `3rd`, `4th` after a day.
    fn ordinal(&self, end: usize, day: u32, out: &mut String) -> usize {
        if !self.is_ordinal(end) {
            return end;
        }
        out.push_str(match (day % 10, day / 10) {
            (_, 1) => "th",
            (1, _) => "st",
            (2, _) => "nd",
            (3, _) => "rd",
            _ => "th",
        });
        end + 2
    }
}

fn full_year((start, end, number): (usize, usize, u32)) -> Option<(Part, i32)> {
    let year = i32::try_from(number).ok()?;
    match end - start {
        4 => Some((Part::Year, year)),
        2 => Some((Part::ShortYear, if year < 50 { 2000 + year } else { 1900 + year })),
        _ => None,
    }
}

fn padded(number: u32, width: usize) -> String {
    match width {
        2 => format!("{number:02}"),
        4 => format!("{number:04}"),
        _ => number.to_string(),
    }
}

/// The name of another month in the form (long, short, capitals) of the one that stood there.
fn month_like(rules: &Rules, from: u32, to: u32, was: &str) -> String {
    let names = |month: u32| rules.0.surrogates.months.get(month as usize - 1);
    let place = names(from).and_then(|names| names.iter().position(|name| name.eq_ignore_ascii_case(was))).unwrap_or(0);
    let name = names(to).and_then(|names| names.get(place).or_else(|| names.first())).cloned().unwrap_or_default();
    if was.chars().all(char::is_uppercase) {
        name.to_uppercase()
    } else if was.chars().next().is_some_and(char::is_uppercase) {
        let mut letters = name.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
    } else {
        name
    }
}

/// Runs of digits and runs of letters: start, end, whether digits.
fn runs(text: &str) -> Vec<(usize, usize, bool)> {
    let mut runs: Vec<(usize, usize, bool)> = Vec::new();
    for (at, character) in text.char_indices() {
        let digit = character.is_ascii_digit();
        if !digit && !character.is_alphabetic() {
            continue;
        }
        match runs.last_mut() {
            Some(last) if last.1 == at && last.2 == digit => last.1 = at + character.len_utf8(),
            _ => runs.push((at, at + character.len_utf8(), digit)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shifted(text: &str, days: i32) -> Option<String> {
        let rules = Rules::builtin(&["en", "es"]).unwrap();
        let mut out = String::new();
        shift(&rules, text, days, &mut out).then_some(out)
    }

    #[test]
    fn dates_move_in_their_own_form() {
        for (text, moved) in [
            ("03/14/2018", "03/24/2018"),
            ("2021-06-08", "2021-06-18"),
            ("2020-04-01T15:15:00", "2020-04-11T15:15:00"),
            ("5-1-20", "5-11-20"),
            ("28-JUL-2020", "07-AUG-2020"),
            ("July 12, 2021", "July 22, 2021"),
            ("June 21st, 2023", "July 1st, 2023"),
            ("14 Aug 2017", "24 Aug 2017"),
            ("20240704", "20240714"),
            ("25.12.2019", "04.01.2020"),
            ("3 de enero de 2007", "13 de enero de 2007"),
        ] {
            assert_eq!(shifted(text, 10).as_deref(), Some(moved), "{text}");
        }
        for text in ["June 2019", "03/14", "May 3-5", "13/13/2020", ""] {
            assert_eq!(shifted(text, 10), None, "{text}");
        }
    }
}
