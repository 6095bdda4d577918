//! Progress bars with rates, on standard error, and only when that is a terminal.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use sutura_engine::pass::PassProgress;
use sutura_jobs::{EventHandler, JobEvent};
use tokio::task::JoinHandle;

use crate::output::Console;

/// A bar that counts messages.
pub(crate) fn messages(console: Console, total: u64, what: &'static str) -> ProgressBar {
    let template = "{msg} {wide_bar} {human_pos} of {human_len} messages, {per_sec}, {eta} left";
    start(console, total, template, what)
}

/// A bar that counts patients.
pub(crate) fn patients(console: Console, total: u64, what: &'static str) -> ProgressBar {
    let template = "{msg} {wide_bar} {human_pos} of {human_len} patients, {per_sec}, {eta} left";
    start(console, total, template, what)
}

/// A bar that counts studies.
pub(crate) fn studies(console: Console, total: u64, what: &'static str) -> ProgressBar {
    let template = "{msg} {wide_bar} {human_pos} of {human_len} studies, {per_sec}, {eta} left";
    start(console, total, template, what)
}

/// A bar that counts files.
pub(crate) fn files(console: Console, total: u64, what: &'static str) -> ProgressBar {
    let template = "{msg} {wide_bar} {human_pos} of {human_len} files, {per_sec}, {eta} left";
    start(console, total, template, what)
}

/// A line of counts, of work whose end is not known.
pub(crate) fn counts(console: Console) -> ProgressBar {
    start(console, 0, "{spinner} {msg}", "")
}

/// The events of a run as a bar of bytes, with records and their rate. Clear the bar when the run is over.
pub(crate) fn run(console: Console) -> (EventHandler, ProgressBar) {
    let template = "{msg} {wide_bar} {decimal_bytes} of {decimal_total_bytes}, {decimal_bytes_per_sec}, {eta} left";
    let bar = start(console, 0, template, "reading");
    let (shown, clock) = (bar.clone(), Instant::now());
    let handler = EventHandler::new(move |event| match event {
        JobEvent::Started { bytes, files, .. } => {
            shown.set_length(*bytes);
            shown.set_message(format!("{files} files"));
            tracing::info!(target: "sutura", files, bytes, "run started");
        }
        JobEvent::Progress { bytes_read, bytes_total, records, rejected, .. } => {
            shown.set_length(*bytes_total);
            shown.set_position(*bytes_read);
            let rate = *records as f64 / clock.elapsed().as_secs_f64().max(0.001);
            shown.set_message(format!("{records} records ({rejected} rejected), {rate:.0} records/s"));
        }
        JobEvent::SinkWritten { rows, bytes, .. } => tracing::info!(target: "sutura", rows, bytes, "sink written"),
        JobEvent::Finished { seconds, .. } => {
            shown.finish_and_clear();
            tracing::info!(target: "sutura", seconds, "run finished");
        }
        _ => {}
    });
    (handler, bar)
}

/// A pass as a bar of bytes, until it is dropped.
pub(crate) struct PassBar {
    bar: ProgressBar,
    task: JoinHandle<()>,
}

/// Shows how far a pass has come.
pub(crate) fn pass(console: Console, progress: Arc<PassProgress>) -> PassBar {
    let template = "{msg} {wide_bar} {decimal_bytes} of {decimal_total_bytes}, {decimal_bytes_per_sec}, {eta} left";
    let bar = start(console, 0, template, "reading");
    let shown = bar.clone();
    let task = tokio::spawn(async move {
        let mut clock = tokio::time::interval(Duration::from_millis(200));
        while !shown.is_hidden() {
            clock.tick().await;
            shown.set_length(progress.bytes_total.load(Ordering::Relaxed));
            shown.set_position(progress.bytes_read.load(Ordering::Relaxed));
            let (records, rejected) = (progress.records.load(Ordering::Relaxed), progress.rejected.load(Ordering::Relaxed));
            shown.set_message(format!("{records} records ({rejected} rejected)"));
        }
    });
    PassBar { bar, task }
}

impl Drop for PassBar {
    fn drop(&mut self) {
        self.task.abort();
        self.bar.finish_and_clear();
    }
}

fn start(console: Console, total: u64, template: &str, message: &'static str) -> ProgressBar {
    if !console.shows_progress() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(total);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_message(message);
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
