//! A run in a screenful: the equation, what was read and written, quality, rates, where the report is.

use std::{fmt::Write, path::Path};

use sutura_jobs::{
    RunReport, RunStatus,
    record::grouped,
    report::{PAGE_FILE, RUN_FILE},
};

/// The summary of a run whose output folder is `output`.
pub(crate) fn text(report: &RunReport, output: &str) -> String {
    let mut out = String::new();
    let performance = &report.performance;
    let verdict = match report.status {
        RunStatus::Clean => "clean",
        RunStatus::NothingToDo => "nothing to do",
        RunStatus::GateStopped => "stopped by a quality gate",
        RunStatus::RejectsAboveThreshold => "stopped: too many rejects",
        RunStatus::TooFewRecords => "stopped: too few records",
    };
    let _ = writeln!(out, "Job {}: {verdict} in {:.1} s", report.job.name, performance.seconds);
    if let Some(reason) = &report.reason {
        let _ = writeln!(out, "  {reason}");
    }
    let _ = writeln!(out, "\n  {}", report.equation);
    for warning in &report.warnings {
        let _ = writeln!(out, "  warning: {warning}");
    }
    for (code, count) in &report.totals.rejects {
        let _ = writeln!(out, "    rejected as {code}: {}", grouped(*count));
    }
    if report.status == RunStatus::NothingToDo {
        return out;
    }
    message_types(&mut out, report);
    outputs(&mut out, report, output);
    quality(&mut out, report);
    if let Some(policy) = &report.policy {
        let _ = writeln!(out, "\nPolicy {}/{}, profile {}, key {}", policy.name, policy.version, policy.profile, policy.key_id);
    }
    let _ = write!(
        out,
        "\n{} records/s, {:.1} MB/s on {} workers",
        grouped(performance.records_per_second as u64),
        performance.bytes_per_second / 1e6,
        performance.workers
    );
    match performance.peak_memory_bytes {
        Some(bytes) => {
            let _ = writeln!(out, ", {} MiB of memory at most", grouped(bytes >> 20));
        }
        None => out.push('\n'),
    }
    for file in [PAGE_FILE, RUN_FILE] {
        let path = Path::new(output).join(file);
        if path.exists() {
            let _ = writeln!(out, "{}: {}", if file == PAGE_FILE { "Report" } else { "Record" }, path.display());
        }
    }
    out
}

fn message_types(out: &mut String, report: &RunReport) {
    if report.picture.by_type.is_empty() {
        return;
    }
    out.push_str("\nMessages by type\n");
    for entry in &report.picture.by_type {
        let count = entry.count.map_or_else(|| "not shown".to_owned(), grouped);
        let _ = writeln!(out, "  {:<20} {count:>12}", entry.label);
    }
}

fn outputs(out: &mut String, report: &RunReport, output: &str) {
    if report.sinks.is_empty() {
        return;
    }
    out.push_str("\nTables written\n");
    let root = std::path::absolute(output).unwrap_or_else(|_| output.into());
    for sink in &report.sinks {
        let place = Path::new(&sink.location).strip_prefix(&root).or_else(|_| Path::new(&sink.location).strip_prefix(output));
        let place = place.map_or_else(|_| sink.location.clone(), |inside| inside.display().to_string());
        let _ = writeln!(out, "  {:<20} {:>12} rows  {:>9}  {place}", sink.name, grouped(sink.rows), size(sink.bytes));
    }
    let _ = writeln!(out, "  in {output}");
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

fn quality(out: &mut String, report: &RunReport) {
    if report.quality.is_empty() {
        return;
    }
    out.push_str("\nQuality\n");
    for step in &report.quality {
        let level = match (step.report.level, step.report.overall) {
            (Some(level), Some(score)) => format!("{level} ({score:.3})"),
            _ => "not measured".to_owned(),
        };
        let gate = step.gate.as_ref().map_or_else(String::new, |gate| {
            let verdict = if gate.passed { "passed" } else { "not passed" };
            format!("; gate on {} {verdict}", gate.measure)
        });
        let aside = step.quarantine_table.as_ref().map_or_else(String::new, |table| format!("; rows that fail a check go to {table}"));
        let _ = writeln!(out, "  {:<20} {level} over {} rows{gate}{aside}", step.step, grouped(step.report.rows));
    }
}
