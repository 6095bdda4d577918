//! `sutura listen dicom`: a receiver that runs until it is asked to stop.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use serde_json::json;
use sutura_stream::{
    ServerTls, StopToken, StreamError,
    dicom::listener::{Listener, ListenerConfig, Metrics, Snapshot},
};

use super::{read_text, stream_failure, until_stopped};
use crate::{
    args::dicom::ListenDicomArgs,
    failure::{CLEAN, Failure, Outcome},
    output::{self, Console},
    progress,
};

/// The AE title that is answered to where none is named.
const OUR_TITLE: &str = "SUTURA";

/// Runs the command.
pub(crate) fn run(args: &ListenDicomArgs, console: Console) -> Outcome {
    let config = settings(args)?;
    let titles = if config.allow_any_called { "any title".to_owned() } else { config.called_ae_titles.join(", ") };
    let folder = config.folder.display().to_string();
    let is_open = config.allow_any_calling && config.tls.as_ref().is_none_or(|tls| tls.client_ca.is_none());
    let has_tls = config.tls.is_some();
    let listener = Listener::bind(config).map_err(|error| explained(&error))?;
    let (address, metrics, stop) = (listener.address(), listener.metrics(), StopToken::new());
    let (begun, asked, as_json) = (Instant::now(), stop.clone(), args.json);
    let counts = until_stopped(&stop, move || {
        let with = if has_tls { " with TLS" } else { "" };
        console.note(&format!("listening on {address}{with} as {titles}; instances go to {folder}"));
        if is_open && !address.ip().is_loopback() {
            console.note(
                "warning: anyone who can connect may send; name the senders with --allow, or ask for certificates with --tls-client-ca",
            );
        }
        let shown = Progress::start(console, metrics, asked.clone());
        let counts = listener.run(&asked).map_err(|error| stream_failure(&error));
        // Also when it ended by itself.
        asked.stop();
        shown.end();
        counts
    })?;
    let seconds = begun.elapsed().as_secs_f64();
    if as_json {
        output::print_json(&json!({ "address": address.to_string(), "seconds": seconds, "counts": counts }))?;
    } else {
        output::print_summary(console, &summary(&counts, seconds))?;
    }
    Ok(CLEAN)
}

/// The settings of the file, with those of the flags above them.
fn settings(args: &ListenDicomArgs) -> Outcome<ListenerConfig> {
    let mut config = match &args.config {
        Some(path) => from_file(path)?,
        None => ListenerConfig::default(),
    };
    if let Some(folder) = &args.folder {
        config.folder.clone_from(folder);
    }
    if let Some(address) = &args.address {
        config.address.clone_from(address);
    }
    if !args.ae_titles.is_empty() || args.any_ae_title {
        (config.called_ae_titles, config.allow_any_called) = (args.ae_titles.clone(), args.any_ae_title);
    }
    if config.called_ae_titles.is_empty() && !config.allow_any_called {
        config.called_ae_titles.push(OUR_TITLE.to_owned());
    }
    if !args.allow.is_empty() || args.allow_any {
        (config.calling_ae_titles, config.allow_any_calling) = (args.allow.clone(), args.allow_any);
    }
    if let (Some(certificate), Some(key)) = (&args.tls_cert, &args.tls_key) {
        config.tls = Some(ServerTls { certificate: certificate.clone(), key: key.clone(), client_ca: args.tls_client_ca.clone() });
    }
    config.max_associations = args.max_associations.unwrap_or(config.max_associations);
    config.max_pdu_bytes = args.max_pdu.unwrap_or(config.max_pdu_bytes);
    config.max_object_bytes = args.max_object.map_or(config.max_object_bytes, |mib| u64::from(mib) << 20);
    config.min_free_bytes = args.min_free.map_or(config.min_free_bytes, |mib| u64::from(mib) << 20);
    config.idle_timeout_s = args.idle_timeout.unwrap_or(config.idle_timeout_s);
    Ok(config)
}

/// Settings in TOML. Its paths are relative to the file.
fn from_file(path: &Path) -> Outcome<ListenerConfig> {
    let name = path.display().to_string();
    let text = read_text(&name)?;
    let mut config: ListenerConfig = toml::from_str(&text).map_err(|error| Failure::configuration(format!("{name}: {error}")))?;
    let around = if name == "-" { Path::new("") } else { path.parent().unwrap_or(Path::new("")) };
    let place = |path: &mut PathBuf| {
        if !path.as_os_str().is_empty() {
            *path = around.join(&*path);
        }
    };
    place(&mut config.folder);
    if let Some(tls) = &mut config.tls {
        place(&mut tls.certificate);
        place(&mut tls.key);
        if let Some(authorities) = &mut tls.client_ca {
            place(authorities);
        }
    }
    Ok(config)
}

/// What is wrong with a setting, with the flag that sets it.
fn explained(error: &StreamError) -> Failure {
    let flag = match error {
        StreamError::Setting { key: "calling_ae_titles", .. } => " (--allow TITLE, or --allow-any)",
        StreamError::Setting { key: "called_ae_titles", .. } => " (--ae-title TITLE, or --any-ae-title)",
        StreamError::Setting { key: "folder", .. } => " (--folder DIR)",
        StreamError::Setting { key: "max_pdu_bytes", .. } => " (--max-pdu BYTES)",
        StreamError::Setting { key: "max_associations", .. } => " (--max-associations N)",
        StreamError::Setting { key: "idle_timeout_s", .. } => " (--idle-timeout SECONDS)",
        _ => return stream_failure(error),
    };
    Failure::configuration(format!("{error}{flag}"))
}

fn summary(counts: &Snapshot, seconds: f64) -> String {
    use std::fmt::Write as _;

    let mut text = format!(
        "{} received ({} bytes) in {} and {seconds:.0} s\n",
        output::count(counts.stored as usize, "instance"),
        counts.stored_bytes,
        output::count(counts.associations as usize, "association"),
    );
    let others = [
        (counts.duplicates, "sent again with the same content"),
        (counts.differing, "of those received had a UID that was there with other content"),
        (counts.rejected, "not understood, kept in rejects/"),
        (counts.out_of_resources, "refused: no space, or too large"),
        (counts.failed, "not written"),
        (counts.cut_off, "not received to the end"),
        (counts.refused, "associations refused: a title, the context or the version"),
        (counts.refused_busy, "connections refused: too many at a time"),
        (counts.ended_badly, "associations ended without a release"),
        (counts.unrecognized, "messages of other services"),
        (counts.echoes, "C-ECHO answered"),
        (counts.unfinished, "unfinished files of an earlier run removed"),
        (counts.withdrawn, "files of an earlier run that a crash left damaged moved to rejects/"),
    ];
    for (count, what) in others.into_iter().filter(|(count, _)| *count > 0) {
        let _ = writeln!(text, "  {count} {what}");
    }
    text
}

/// A line of counts while it runs, on a terminal.
struct Progress(Option<thread::JoinHandle<()>>);

impl Progress {
    fn start(console: Console, metrics: Arc<Metrics>, stop: StopToken) -> Self {
        if !console.shows_progress() {
            return Self(None);
        }
        let bar = progress::counts(console);
        Self(Some(thread::spawn(move || {
            let (mut before, mut at) = (0, Instant::now());
            while !stop.wait(Duration::from_millis(500)) {
                let counts = metrics.snapshot();
                let rate = counts.stored.saturating_sub(before) as f64 / at.elapsed().as_secs_f64().max(0.001);
                (before, at) = (counts.stored, Instant::now());
                let missed = counts.rejected + counts.out_of_resources + counts.failed + counts.cut_off;
                bar.set_message(format!(
                    "{} instances received ({rate:.0}/s), {missed} not, {} associations, {} refused",
                    counts.stored,
                    counts.associations,
                    counts.refused + counts.refused_busy
                ));
            }
            bar.finish_and_clear();
        })))
    }

    fn end(self) {
        if let Some(thread) = self.0 {
            let _ = thread.join();
        }
    }
}
