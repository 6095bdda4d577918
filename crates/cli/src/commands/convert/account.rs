//! The account of a run: records in = converted + rejected, and what became of every populated place.

use std::{
    collections::BTreeMap,
    fmt::Write,
    io,
    sync::{Mutex, PoisonError},
};

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Value, json};
use sutura_convert::report::{Feed, Report};
use sutura_core::{ReadStats, Reject};
use sutura_engine::terminology::TerminologyFile;
use sutura_fhir::validate::Summary;

use super::records::Record;
use crate::{
    failure::{Failure, Outcome},
    output::Console,
};

/// Rejects that are kept with their places; more are counted only.
const KEPT: usize = 1_000_000;
/// Unmapped places that are named on screen.
const NAMED: usize = 10;

/// Where a record is of which nothing became, and why. Nothing of what stands there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rejected {
    source: String,
    offset: u64,
    length: u64,
    code: &'static str,
    location: String,
    reason: String,
}

impl Rejected {
    pub(super) fn of(record: &Record<'_>, code: &'static str, location: &str, reason: String) -> Self {
        Self { source: record.source.to_owned(), offset: record.offset, length: record.length, code, location: location.to_owned(), reason }
    }
}

impl Rejected {
    pub(super) fn code(&self) -> &'static str {
        self.code
    }
}

impl From<&Reject> for Rejected {
    fn from(reject: &Reject) -> Self {
        Self {
            source: reject.id.source.to_string(),
            offset: reject.id.offset,
            length: reject.id.length,
            code: reject.code,
            location: reject.location.clone(),
            reason: reject.reason.clone(),
        }
    }
}

/// The rejects of a run, by whomever they were found.
#[derive(Debug, Default)]
pub(super) struct Rejects(Mutex<Vec<Rejected>>);

impl Rejects {
    /// Keeps one, if there is room.
    pub(super) fn push(&self, rejected: Rejected) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT {
            kept.push(rejected);
        }
    }

    /// Those that were kept, in the order of files and bytes.
    pub(super) fn take(&self) -> Vec<Rejected> {
        let mut kept = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        kept.sort_unstable();
        kept
    }
}

/// The rejects, a line of JSON each.
pub(super) fn write_rejects(rejects: &[Rejected], out: &mut dyn io::Write) -> io::Result<()> {
    for Rejected { source, offset, length, code, location, reason } in rejects {
        let line = json!({ "source": source, "offset": offset, "length": length, "code": code, "location": location, "reason": reason });
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// The members of conversion.json.
struct Said<'a> {
    summary: Value,
    purpose: Option<&'a str>,
    feeds: &'a BTreeMap<String, Feed>,
}

impl Serialize for Said<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.summary.as_object().into_iter().flatten() {
            map.serialize_entry(name, value)?;
        }
        map.serialize_entry("purpose", &self.purpose)?;
        map.serialize_entry("feeds", self.feeds)?;
        map.end()
    }
}

/// The account.
pub(super) struct Account {
    pub(super) records: u64,
    pub(super) converted: u64,
    pub(super) rejected: u64,
    rejects: BTreeMap<String, u64>,
    bytes: u64,
    report: Report,
    pub(super) validated: Option<Summary>,
    /// The user's files of terminology.
    terminology: Option<Vec<TerminologyFile>>,
}

impl Account {
    /// Adds up what the reader and the converters counted. `refused` are the records that the reader took and nothing became of.
    ///
    /// # Errors
    /// When a record is in no count: a defect, and then nothing may be published.
    pub(super) fn new(
        stats: &ReadStats,
        refused: &BTreeMap<&'static str, u64>,
        report: Report,
        validated: Option<Summary>,
    ) -> Outcome<Self> {
        let (_, converted, _) = report.records();
        let mut rejects = stats.rejects_by_code.clone();
        for (code, count) in refused {
            *rejects.entry((*code).to_owned()).or_default() += count;
        }
        let rejected = stats.rejected + refused.values().sum::<u64>();
        if !stats.balances() || !report.balances() || stats.records != converted + rejected {
            let words = format!("{} records in, but {converted} converted and {rejected} rejected", stats.records);
            return Err(Failure::failed(format!("{words}: a defect of sutura, please report it; nothing was written")));
        }
        Ok(Self { records: stats.records, converted, rejected, rejects, bytes: stats.bytes, report, validated, terminology: None })
    }

    /// The same with the files of terminology that were used.
    pub(super) fn with_terminology(self, terminology: Option<Vec<TerminologyFile>>) -> Self {
        Self { terminology, ..self }
    }

    fn resources(&self) -> BTreeMap<&'static str, u64> {
        let mut all = BTreeMap::new();
        for (kind, count) in self.report.feeds.values().flat_map(|feed| &feed.resources) {
            *all.entry(*kind).or_default() += count;
        }
        all
    }

    fn totals(&self) -> (u64, u64, u64) {
        let totals = self.report.feeds.values().map(Feed::totals);
        totals.fold((0, 0, 0), |sum, (mapped, dropped, unmapped)| (sum.0 + mapped, sum.1 + dropped, sum.2 + unmapped))
    }

    fn validated_json(&self) -> Outcome<Option<Value>> {
        self.validated.as_ref().map(|summary| serde_json::from_str(&summary.to_json())).transpose().map_err(Failure::failed)
    }

    /// All but the feeds.
    pub(super) fn summary_json(&self) -> Outcome<Value> {
        let (mapped, dropped, unmapped) = self.totals();
        let mut value = json!({
            "records": { "in": self.records, "converted": self.converted, "rejected": self.rejected, "rejects": self.rejects, "bytes": self.bytes },
            "places": { "mapped": mapped, "dropped": dropped, "unmapped": unmapped },
            "resources": self.resources(),
        });
        let Some(members) = value.as_object_mut() else { return Ok(value) };
        if let Some(validated) = self.validated_json()? {
            members.insert("validated".to_owned(), validated);
        }
        if let Some(files) = &self.terminology {
            members.insert("terminology".to_owned(), serde_json::to_value(files).map_err(Failure::failed)?);
            members.insert("codes".to_owned(), serde_json::to_value(self.report.codes()).map_err(Failure::failed)?);
        }
        Ok(value)
    }

    /// Writes everything: what conversion.json holds. `listed` are the rejects that stand in their file.
    pub(super) fn write(&self, purpose: Option<&str>, listed: u64, out: &mut dyn io::Write) -> Outcome<()> {
        let mut summary = self.summary_json()?;
        if listed < self.rejected
            && let Some(records) = summary["records"].as_object_mut()
        {
            records.insert("rejects_listed".to_owned(), listed.into());
        }
        // The feeds of many documents have a hundred thousand members: they are written as they stand.
        let said = Said { summary, purpose, feeds: &self.report.feeds };
        serde_json::to_writer_pretty(&mut *out, &said).map_err(Failure::failed)?;
        writeln!(out).map_err(Failure::failed)
    }

    /// `10 records in = 9 converted + 1 rejected (not-hl7: 1)`.
    pub(super) fn equation(&self) -> String {
        let codes: Vec<String> = self.rejects.iter().map(|(code, count)| format!("{code}: {count}")).collect();
        let codes = if codes.is_empty() { String::new() } else { format!(" ({})", codes.join(", ")) };
        format!("{} records in = {} converted + {} rejected{codes}", self.records, self.converted, self.rejected)
    }

    /// Says the account in a few lines.
    pub(super) fn note(&self, console: Console) {
        console.note(&self.equation());
        let resources = self.resources();
        let mut types: Vec<_> = resources.iter().collect();
        types.sort_by_key(|(kind, count)| (std::cmp::Reverse(**count), **kind));
        let types: Vec<String> = types.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        console.note(&format!("{} resources: {}", resources.values().sum::<u64>(), types.join(", ")));
        let (mapped, dropped, unmapped) = self.totals();
        console.note(&format!(
            "{} values = {mapped} mapped + {dropped} dropped on purpose + {unmapped} unmapped",
            mapped + dropped + unmapped
        ));
        let worst = self.worst();
        if !worst.is_empty() {
            let mut line = "most unmapped:".to_owned();
            for (at, (place, count)) in worst.iter().enumerate() {
                let _ = write!(line, "{} {place} {count}", if at == 0 { "" } else { "," });
            }
            console.note(&line);
        }
        if self.terminology.is_some() {
            self.note_codes(console);
        }
        if let Some(summary) = &self.validated {
            console.note(summary.to_string().replace(" resources,", " Bundles validated,").trim_end());
        }
    }

    /// Says how many codes the user's terminology knows, and of which systems it does not.
    fn note_codes(&self, console: Console) {
        let codes = self.report.codes();
        let all = codes.total();
        console.note(&format!(
            "{} codes, {} known, {} translated, {} neither ({:.1} %)",
            all.seen,
            all.known,
            all.translated,
            all.unknown,
            all.share_unknown() * 100.0
        ));
        let mut worst: Vec<_> = codes.systems.iter().filter(|(_, counts)| counts.unknown > 0).collect();
        worst.sort_by_key(|(name, counts)| (std::cmp::Reverse(counts.unknown), name.as_str()));
        let shown = worst.iter().take(NAMED).map(|(name, counts)| {
            let name = if name.is_empty() { "without system" } else { name };
            format!("{name} {}{}", counts.unknown, if counts.loaded { "" } else { " (not loaded)" })
        });
        let shown: Vec<String> = shown.collect();
        if !shown.is_empty() {
            console.note(&format!("most unknown codes: {}", shown.join(", ")));
        }
    }

    /// The places with the most unmapped values, over all feeds.
    fn worst(&self) -> Vec<(String, u64)> {
        let mut unmapped: BTreeMap<String, u64> = BTreeMap::new();
        for feed in self.report.feeds.values() {
            for (place, counts) in feed.all_places().iter().filter(|(_, counts)| counts.unmapped > 0) {
                *unmapped.entry(place.to_string()).or_default() += counts.unmapped;
            }
        }
        let mut list: Vec<_> = unmapped.into_iter().collect();
        list.sort_by(|a, b| (b.1, &a.0).cmp(&(a.1, &b.0)));
        list.truncate(NAMED);
        list
    }
}
