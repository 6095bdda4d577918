//! What feed is wanted.

use serde::{Deserialize, Serialize};

use crate::{
    SyntheticError,
    calendar::{DAY, date_from_days, days_from_date},
};

use super::encounter::Frame;

/// How messages stand in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// A blank line between messages.
    #[default]
    Separated,
    /// MLLP frames: VT, message, FS, CR.
    Mllp,
    /// One batch in a file envelope: FHS, BHS, messages, BTS, FTS.
    Batch,
}

/// What ends a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineEnd {
    /// CR, as the standard says.
    #[default]
    Cr,
    /// LF, as many exports have it.
    Lf,
}

/// How the files are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// As they are: `feed_0001.hl7`.
    #[default]
    None,
    /// In gzip (RFC 1952): `feed_0001.hl7.gz`.
    Gzip,
    /// In Zstandard (RFC 8878): `feed_0001.hl7.zst`.
    Zstd,
}

/// Options of a feed. Everything but the number of messages has a default. Unknown keys are errors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FeedOptions {
    /// How many messages, malformed ones and duplicates included. Default 1000.
    pub messages: u64,
    /// Messages per file. Default 10 000.
    pub per_file: u64,
    /// The same seed and options give the same bytes. Default 1.
    pub seed: u64,
    /// The share of messages that are malformed (0 to 1), about. Default 0.005. The truth says exactly
    /// how many there are of each kind.
    pub malformed_share: f64,
    /// The share of messages that are sent a second time, byte by byte (0 to 1), about. Default 0.002.
    pub duplicate_share: f64,
    /// How many people the patients are drawn from. Default a quarter of the messages and one, at most
    /// 200 000.
    pub population: Option<u64>,
    /// The first day of the feed (`YYYY-MM-DD`). Ages are drawn for it; visits begin in the 365 days
    /// after the first thirty. Default 2025-01-01.
    pub first_day: String,
    /// How messages stand in a file. Default `separated`.
    pub shape: Shape,
    /// What ends a segment. Default `cr`.
    pub line_end: LineEnd,
    /// How the files are stored. Default `none`.
    pub compression: Compression,
}

impl Default for FeedOptions {
    fn default() -> Self {
        Self {
            messages: 1000,
            per_file: 10_000,
            seed: 1,
            malformed_share: 0.005,
            duplicate_share: 0.002,
            population: None,
            first_day: "2025-01-01".to_owned(),
            shape: Shape::default(),
            line_end: LineEnd::default(),
            compression: Compression::default(),
        }
    }
}

/// The truth keeps one bit per person and facility: this many people are 6 MB.
const MAX_POPULATION: u64 = 10_000_000;
/// Messages per visit, about: spreads the visits over the year.
const MESSAGES_PER_VISIT: u64 = 6;

impl FeedOptions {
    /// How many people there are.
    pub fn people(&self) -> u64 {
        self.population.unwrap_or_else(|| (self.messages / 4 + 1).min(200_000))
    }

    pub(crate) fn frame(&self) -> Result<Frame, SyntheticError> {
        let bad = |option, reason| Err(SyntheticError::BadOption { option, reason });
        if self.per_file == 0 {
            return bad("per_file", "must be at least 1");
        }
        if self.messages > 1_000_000_000 {
            return bad("messages", "must be at most 1000000000");
        }
        if !(0.0..=1.0).contains(&self.malformed_share) {
            return bad("malformed_share", "must be between 0 and 1");
        }
        if !(0.0..=0.5).contains(&self.duplicate_share) {
            return bad("duplicate_share", "must be between 0 and 0.5");
        }
        if !(1..=MAX_POPULATION).contains(&self.people()) {
            return bad("population", "must be between 1 and 10000000");
        }
        if self.shape == Shape::Mllp && self.line_end == LineEnd::Lf {
            return bad("line_end", "MLLP frames hold segments that end in CR; use line_end cr");
        }
        let Some(first_day) = parse_day(&self.first_day) else {
            return bad("first_day", "must be a date from 1950-01-01 to 2199-12-31, written YYYY-MM-DD");
        };
        let gap = 365 * DAY / (self.messages / MESSAGES_PER_VISIT).max(1) as i64;
        Ok(Frame { seed: self.seed, population: self.people(), first_day, gap: gap.max(1) })
    }
}

/// Days from 1970-01-01 of a date from 1950 to 2199.
pub(crate) fn parse_day(text: &str) -> Option<i32> {
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    if parts.next().is_some() || !(1950..=2199).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let days = days_from_date(year, month, day);
    (date_from_days(days) == (year, month, day)).then_some(days)
}
