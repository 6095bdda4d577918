//! `report.html`: one file without anything from elsewhere, readable on paper, on a phone, in the dark.

use minijinja::{Environment, Value, context};

use super::chart;
use crate::{
    error::{JobError, Result},
    record::{RunReport, RunStatus, grouped},
    summary::Count,
};

const TEMPLATE: &str = include_str!("page.html");

/// A count, or that it is too small to be shown.
fn held(number: u64, smallest: Option<u64>) -> String {
    match smallest {
        Some(smallest) if number > 0 && number < smallest => format!("under {smallest}"),
        _ => grouped(number),
    }
}

/// The page of a run.
pub fn html(title: &str, report: &RunReport) -> Result<String> {
    let broken = |error: minijinja::Error| JobError::Report(error.to_string());
    let mut environment = Environment::new();
    environment.add_filter("grouped", |number: u64| grouped(number));
    environment.add_filter("held", |number: u64, smallest: Option<u64>| held(number, smallest));
    environment.add_filter("size", |bytes: u64| size(bytes));
    environment.add_filter("percent", |share: f64| percent(share));
    environment.add_filter("rate", |rate: f64| grouped(rate.round().max(0.0) as u64));
    environment.add_filter("duration", |seconds: f64| duration(seconds));
    environment.add_filter("last_part", |path: String| path.rsplit('/').next().unwrap_or_default().to_owned());
    environment.add_template("report.html", TEMPLATE).map_err(broken)?;
    let picture = &report.picture;
    let mut rejects: Vec<Count> =
        report.totals.rejects.iter().map(|(code, count)| Count { label: code.clone(), count: Some(*count) }).collect();
    rejects.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.label.cmp(&b.label)));
    let (verdict, tone) = verdict(report.status);
    let page = context! {
        title,
        verdict,
        tone,
        run => Value::from_serialize(report),
        balances => report.totals.balances(),
        rejected_share => report.totals.rejected_share(),
        by_type => chart::bars(&picture.by_type, picture.messages),
        by_facility => chart::bars(&picture.by_facility, picture.messages),
        hours => chart::hours(&picture.by_hour),
        ages => chart::ages(&picture.age_and_sex),
        labs => chart::labs(&picture.lab_tests),
        rejects => chart::bars(&rejects, report.totals.rejected),
        written_bytes => report.sinks.iter().map(|sink| sink.bytes).sum::<u64>(),
    };
    environment.get_template("report.html").and_then(|template| template.render(page)).map_err(broken)
}

fn verdict(status: RunStatus) -> (&'static str, &'static str) {
    match status {
        RunStatus::Clean => ("published", "good"),
        RunStatus::NothingToDo => ("nothing to do", "good"),
        RunStatus::GateStopped => ("stopped by a quality gate", "bad"),
        RunStatus::RejectsAboveThreshold => ("stopped: too many rejects", "bad"),
        RunStatus::TooFewRecords => ("stopped: too few records", "bad"),
    }
}

fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in UNITS {
        if value < 999.5 {
            break;
        }
        value /= 1000.0;
        unit = next;
    }
    if value < 10.0 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

fn percent(share: f64) -> String {
    let percent = share * 100.0;
    // Never 100 % for what is not whole, nor 0 % for what is not nothing.
    match percent {
        p if p > 99.95 && p < 100.0 => "> 99.9 %".to_owned(),
        p if p > 0.0 && p < 0.05 => "< 0.1 %".to_owned(),
        p => format!("{p:.1} %"),
    }
}

fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 1.0 => format!("{:.0} ms", s * 1000.0),
        s if s < 120.0 => format!("{s:.1} s"),
        s => format!("{:.0} min {:.0} s", (s / 60.0).floor(), s % 60.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!((size(999), size(1500), size(177_000_000)), ("999 B".into(), "1.5 kB".into(), "177 MB".into()));
        assert_eq!((percent(0.99999), percent(1.0), percent(0.0001)), ("> 99.9 %".into(), "100.0 %".into(), "< 0.1 %".into()));
        assert_eq!((duration(0.25), duration(12.34), duration(190.0)), ("250 ms".into(), "12.3 s".into(), "3 min 10 s".into()));
    }

    #[test]
    fn the_page_fetches_nothing() {
        for mark in ["http://", "https://", "src=", "@import", "url(", "<script"] {
            assert!(!TEMPLATE.contains(mark), "the template holds {mark}");
        }
    }
}
