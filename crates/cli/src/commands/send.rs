//! `sutura send dicom`: files to another receiver.

use std::{path::Path, sync::Arc};

use indicatif::ProgressBar;
use serde_json::json;
use sutura_stream::{
    ClientTls, StopToken, StreamError,
    dicom::sender::{FileResult, OnSent, SendOutcome, SendReport, Sender, SenderConfig},
};

use super::{stream_failure, until_stopped};
use crate::{
    args::dicom::SendDicomArgs,
    failure::{CLEAN, FAILED, Failure, INTERRUPTED, Outcome},
    output::{self, Console},
    progress,
};

/// The port that is registered for DICOM.
const PORT: u16 = 104;
/// Lines about single files; a receiver that is not there would fill the screen.
const MOST_LINES: usize = 1000;

/// Runs the command.
pub(crate) fn run(args: &SendDicomArgs, console: Console) -> Outcome {
    let config = settings(args)?;
    let stop = StopToken::new();
    let asked = stop.clone();
    let sender = Sender::new(config).map_err(|error| explained(&error))?;
    if args.echo {
        return echo(args, console, sender, &stop);
    }
    let bar = progress::counts(console);
    let sender = sender.on_sent(Arc::new(Shown(bar.clone())));
    let report = until_stopped(&stop, move || sender.run(&asked).map_err(|error| stream_failure(&error)));
    bar.finish_and_clear();
    let report = report?;
    say_of_files(&report, console);
    if args.json {
        output::print_json(&as_json(args, &report))?;
    } else {
        output::print_summary(console, &summary(args, &report))?;
    }
    if report.count(SendOutcome::Stopped) > 0 {
        return Ok(INTERRUPTED);
    }
    let nothing = report.results.iter().all(|result| result.outcome == SendOutcome::NotAnInstance);
    Ok(if nothing || !report.is_complete() { FAILED } else { CLEAN })
}

fn echo(args: &SendDicomArgs, console: Console, sender: Sender, stop: &StopToken) -> Outcome {
    let asked = stop.clone();
    let answered = until_stopped(stop, move || Ok(sender.echo(&asked).map_err(|error| error.to_string())))?;
    if args.json {
        output::print_json(
            &json!({ "to": args.to, "called": args.called, "answered": answered.is_ok(), "reason": answered.as_ref().err() }),
        )?;
    }
    match answered {
        Ok(()) if args.json => Ok(CLEAN),
        Ok(()) => output::print_summary(console, &format!("{}@{} answers\n", args.called, args.to)).map(|()| CLEAN),
        Err(reason) => Err(Failure::failed(format!("{}@{}: {reason}", args.called, args.to))),
    }
}

fn settings(args: &SendDicomArgs) -> Outcome<SenderConfig> {
    let (host, port) = host_and_port(&args.to)
        .ok_or_else(|| Failure::configuration("--to: write HOST:PORT, such as pacs.example.org:11112 or [::1]:11112"))?;
    for path in &args.paths {
        let name = path.display();
        if path.to_str().is_some_and(|text| text.contains("://")) {
            return Err(Failure::configuration(format!("{name}: send reads local files; copy the objects first")));
        }
        if let Err(error) = std::fs::metadata(path) {
            return Err(Failure::configuration(format!("{name}: {error}")));
        }
    }
    let tls = args.tls_ca.as_ref().map(|ca| ClientTls {
        ca: ca.clone(),
        certificate: args.tls_cert.clone(),
        key: args.tls_key.clone(),
        server_name: args.tls_name.clone(),
    });
    Ok(SenderConfig {
        host,
        port,
        called_ae_title: args.called.clone(),
        calling_ae_title: args.calling.clone(),
        paths: args.paths.clone(),
        tls,
        state_file: args.state.clone(),
        associations: args.associations,
        retries: args.retries,
        ..SenderConfig::default()
    })
}

/// Host and port; an IPv6 address stands in brackets.
fn host_and_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let port = port.map_or(Some(PORT), |port| port.parse().ok().filter(|port| *port > 0))?;
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

/// What is wrong with a setting, with the flag that sets it.
fn explained(error: &StreamError) -> Failure {
    let flag = match error {
        StreamError::Setting { key: "called_ae_title", .. } => " (--called)",
        StreamError::Setting { key: "calling_ae_title", .. } => " (--calling)",
        StreamError::Setting { key: "associations", .. } => " (--associations)",
        StreamError::Setting { key: "retries", .. } => " (--retries)",
        _ => return stream_failure(error),
    };
    Failure::configuration(format!("{error}{flag}"))
}

/// A line for every file that is not there as it should be: its path as given, the status, what that means.
fn say_of_files(report: &SendReport, console: Console) {
    let mut lines = 0;
    for result in &report.results {
        let file = shown(&result.path);
        let reason = result.reason.as_deref().unwrap_or("no reason is known");
        let status = result.status.map(|status| format!(" [{status:04X}]")).unwrap_or_default();
        match result.outcome {
            SendOutcome::Failed | SendOutcome::NotAccepted if lines < MOST_LINES => {
                lines += 1;
                output::error(&format!("{file}: not sent{status}: {reason}"));
            }
            SendOutcome::SentWithWarning if lines < MOST_LINES => {
                lines += 1;
                console.note(&format!("{file}: sent, with a warning of the receiver{status}: it may have changed or left out elements"));
            }
            SendOutcome::NotAnInstance if lines < MOST_LINES => {
                lines += 1;
                console.note(&format!("{file}: passed over: {reason}"));
            }
            SendOutcome::Failed | SendOutcome::NotAccepted | SendOutcome::SentWithWarning | SendOutcome::NotAnInstance => lines += 1,
            _ => {}
        }
    }
    if lines > MOST_LINES {
        console.note(&format!("and {} more; --json has them all", lines - MOST_LINES));
    }
}

/// A path without what a terminal would act on.
fn shown(path: &Path) -> String {
    path.display().to_string().chars().map(|character| if character.is_control() { '?' } else { character }).collect()
}

const OUTCOMES: [(SendOutcome, &str, &str); 7] = [
    (SendOutcome::Sent, "sent", "sent"),
    (SendOutcome::SentWithWarning, "sent_with_warning", "sent, with a warning"),
    (SendOutcome::SentBefore, "sent_before", "sent by an earlier run"),
    (SendOutcome::Failed, "failed", "failed"),
    (SendOutcome::NotAccepted, "not_accepted", "not accepted: SOP class or transfer syntax"),
    (SendOutcome::NotAnInstance, "not_an_instance", "no DICOM instances, passed over"),
    (SendOutcome::Stopped, "stopped", "not sent: interrupted"),
];

fn summary(args: &SendDicomArgs, report: &SendReport) -> String {
    let counts = OUTCOMES.iter().map(|(outcome, _, words)| (report.count(*outcome), *words)).filter(|(count, _)| *count > 0);
    let counts: Vec<String> = counts.map(|(count, words)| format!("{count} {words}")).collect();
    let counts = if counts.is_empty() { "no files".to_owned() } else { counts.join("; ") };
    format!("{}@{}: {counts} ({} bytes in {:.1} s)\n", args.called, args.to, report.bytes, report.seconds)
}

fn as_json(args: &SendDicomArgs, report: &SendReport) -> serde_json::Value {
    let counts: serde_json::Map<String, serde_json::Value> =
        OUTCOMES.iter().map(|(outcome, key, _)| ((*key).to_owned(), report.count(*outcome).into())).collect();
    json!({
        "to": args.to, "called": args.called, "calling": args.calling, "complete": report.is_complete(), "counts": counts,
        "bytes": report.bytes, "associations": report.associations, "seconds": report.seconds, "files": report.results,
    })
}

/// Counts files as they are done.
struct Shown(ProgressBar);

impl OnSent for Shown {
    fn on_sent(&self, result: &FileResult) {
        self.0.inc(1);
        let what = if result.outcome.is_sent() { "files done" } else { "files done, the last one not sent" };
        self.0.set_message(format!("{} {what}", self.0.position()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports_are_told_apart() {
        let known = |text: &str| host_and_port(text);
        assert_eq!(known("pacs:11112"), Some(("pacs".to_owned(), 11112)));
        assert_eq!(known("pacs"), Some(("pacs".to_owned(), 104)));
        assert_eq!(known("[::1]:4242"), Some(("::1".to_owned(), 4242)));
        assert_eq!(known("[::1]"), Some(("::1".to_owned(), 104)));
        for bad in ["", ":104", "pacs:", "pacs:0", "pacs:70000", "::1", "[::1]104", "[::1"] {
            assert_eq!(known(bad), None, "{bad}");
        }
    }
}
