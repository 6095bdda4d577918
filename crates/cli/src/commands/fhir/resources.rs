//! The resources of files, one after another in the order of the files, for commands that go through them once or twice.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use futures::StreamExt;
use sutura_core::{
    ReadStats, Reject, Severity,
    record::{COL_LENGTH, COL_OFFSET, COL_SOURCE},
};
use sutura_engine::{
    Engine, EngineError, EngineOptions,
    arrow::{
        array::{Array, RecordBatch, StringViewArray, cast::AsArray},
        datatypes::Int64Type,
    },
    datafusion::common::TableReference,
    files::SourceFile,
    pass::{Consumer, PassOptions, PassProgress, RejectHandler, SharedPass, SinkError, SourceSpec},
};

use super::places::{pipes, refuse_own_input};
use crate::{
    commands::{block_on, engine_with},
    failure::{Failure, Outcome},
    output::Console,
    progress,
};

/// The schema that the table of the pass is in.
const SOURCE: &str = "input";

/// One resource as it was sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resource<'r> {
    /// Its JSON.
    pub(super) json: &'r str,
    /// The fullUrl it has in its Bundle.
    pub(super) full_url: Option<&'r str>,
    /// How it got into the result of a search, where its Bundle says so: `match`, `include` or `outcome`.
    pub(super) search_mode: Option<&'r str>,
    /// URI of the file.
    pub(super) source: &'r str,
    /// Where it begins in the file, in bytes.
    pub(super) offset: u64,
    /// Whether the JSON is as it stands in the file, so that places in it are places in the file. That of XML is not.
    pub(super) as_sent: bool,
}

/// What a command does with each resource; it gets back what it gave when all are read.
pub(super) trait Take: Send + 'static {
    /// Takes one. An error ends the reading.
    fn take(&mut self, resource: Resource<'_>) -> Outcome<()>;
}

/// How files are read.
#[derive(Debug, Clone, Default)]
pub(super) struct Reading {
    /// A Bundle is one resource; what is in it is not given out besides.
    pub(super) whole_bundles: bool,
    /// So many rejects are kept.
    pub(super) rejects: usize,
    /// The folder that is written to: it may not hold what is read.
    pub(super) output: Option<PathBuf>,
    /// The command reads everything once more.
    pub(super) again: bool,
}

/// Where a stretch of input is that is no resource, and why; nothing of what stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rejected {
    /// URI of the file.
    pub(super) source: String,
    /// Where it begins, in bytes.
    pub(super) offset: u64,
    /// Its bytes.
    pub(super) length: u64,
    /// Code of the reason.
    pub(super) code: &'static str,
    /// Path of the cause, if known.
    pub(super) location: String,
    /// Why, and what to do.
    pub(super) reason: String,
}

/// What is known when all is read.
pub(super) struct Done<W> {
    pub(super) work: W,
    pub(super) stats: ReadStats,
    /// The first rejects, as many as were asked for.
    pub(super) rejects: Vec<Rejected>,
}

/// Gives every resource of the files behind the locations to `work`: one reader, so that the order is that of the files by name
/// and of the bytes in them, whenever it runs. Rejects are in the account, and never end it.
pub(super) fn each<W: Take>(locations: &[String], reading: Reading, work: W, console: Console) -> Outcome<Done<W>> {
    let engine = engine_with(EngineOptions { target_partitions: 1, ..EngineOptions::default() }, None)?;
    block_on(read(engine, locations.to_vec(), reading, work, console))
}

async fn read<W: Take>(engine: Engine, locations: Vec<String>, reading: Reading, work: W, console: Console) -> Outcome<Done<W>> {
    let options = if reading.whole_bundles { serde_json::json!({ "bundles": "whole" }) } else { serde_json::Value::Null };
    let pass = SharedPass::new(&engine, vec![SourceSpec { locations, options, ..SourceSpec::new(SOURCE, "fhir", String::new()) }]).await?;
    refuse_own_input(pass.files(SOURCE), reading.output.as_slice())?;
    note_pipes(pass.files(SOURCE), reading.again, console)?;
    let frame = engine.session().table(TableReference::partial(SOURCE, "resources")).await.map_err(EngineError::from)?;
    let frame =
        frame.select_columns(&["json", "full_url", "search_mode", COL_SOURCE, COL_OFFSET, COL_LENGTH]).map_err(EngineError::from)?;
    // An error of the pass is words only; the failure with its exit code waits here.
    let failed: Arc<Mutex<Option<Failure>>> = Arc::default();
    let failure = Arc::clone(&failed);
    let consumer = Consumer::new("resources", frame, move |mut stream| async move {
        let mut work = work;
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            if let Err(error) = tokio::task::block_in_place(|| rows(&batch, &mut work)) {
                *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                return Err(SinkError::from("stopped"));
            }
        }
        Ok(work)
    });
    let progress = Arc::new(PassProgress::default());
    let bar = progress::pass(console, Arc::clone(&progress));
    let rejects: Arc<Mutex<Vec<Rejected>>> = Arc::default();
    let on_reject = (reading.rejects > 0).then(|| keep_first(Arc::clone(&rejects), reading.rejects));
    let options = PassOptions { progress: Some(progress), skip_hashes: true, on_reject, ..PassOptions::default() };
    let result = pass.run(vec![consumer], options).await;
    drop(bar);
    if let Some(failure) = failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(failure);
    }
    let report = result?;
    let stats = report.stats(SOURCE);
    let Some(done) = report.consumers.into_iter().next() else {
        return Err(Failure::failed("the pass over the files gave nothing back; report this with the command"));
    };
    let rejects = std::mem::take(&mut *rejects.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(Done { work: done.output, stats, rejects })
}

/// Says what is waited for; a command that reads twice refuses what can be read once.
pub(in crate::commands) fn note_pipes(files: &[Arc<SourceFile>], again: bool, console: Console) -> Outcome<()> {
    let pipes = pipes(files);
    if let Some(pipe) = pipes.first().filter(|_| again) {
        let message = format!("{}: is a pipe, and this command reads its input twice; write it to a file first", pipe.display());
        return Err(Failure::configuration(message));
    }
    for pipe in pipes {
        console.note(&format!("{}: is a pipe; reading until what writes to it ends", pipe.display()));
    }
    Ok(())
}

/// Keeps the first rejects; later ones are counted only.
fn keep_first(kept: Arc<Mutex<Vec<Rejected>>>, most: usize) -> RejectHandler {
    Arc::new(move |_: &str, reject: &Reject| {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < most {
            kept.push(Rejected {
                source: reject.id.source.to_string(),
                offset: reject.id.offset,
                length: reject.id.length,
                code: reject.code,
                location: reject.location.clone(),
                reason: reject.reason.clone(),
            });
        }
        Ok(())
    })
}

fn rows<W: Take>(batch: &RecordBatch, work: &mut W) -> Outcome<()> {
    let text = |at: usize| batch.columns().get(at).and_then(|column| column.as_any().downcast_ref::<StringViewArray>());
    let number = |at: usize| batch.columns().get(at).and_then(|column| column.as_primitive_opt::<Int64Type>());
    let (Some(json), Some(urls), Some(modes), Some(sources), Some(offsets), Some(lengths)) =
        (text(0), text(1), text(2), text(3), number(4), number(5))
    else {
        return Err(Failure::failed("the table of resources has other columns than expected; report this with the command"));
    };
    for row in 0..batch.num_rows() {
        work.take(Resource {
            json: json.value(row),
            full_url: urls.is_valid(row).then(|| urls.value(row)),
            search_mode: modes.is_valid(row).then(|| modes.value(row)),
            source: sources.value(row),
            offset: offsets.value(row).cast_unsigned(),
            as_sent: lengths.value(row).cast_unsigned() == json.value(row).len() as u64,
        })?;
    }
    Ok(())
}

/// `10 records in = 9 accepted + 1 rejected (json-syntax: 1)`.
pub(super) fn account(stats: &ReadStats) -> String {
    let codes: Vec<String> = stats.rejects_by_code.iter().map(|(code, count)| format!("{code}: {count}")).collect();
    let codes = if codes.is_empty() { String::new() } else { format!(" ({})", codes.join(", ")) };
    format!("{} records in = {} accepted + {} rejected{codes}", stats.records, stats.accepted, stats.rejected)
}

/// The same as JSON members.
pub(super) fn account_json(stats: &ReadStats) -> serde_json::Value {
    serde_json::json!({
        "records": stats.records, "accepted": stats.accepted, "rejected": stats.rejected, "rejects": stats.rejects_by_code, "bytes": stats.bytes,
    })
}

/// What was read and is not right, as JSON.
pub(super) fn findings_json(stats: &ReadStats) -> serde_json::Value {
    let findings = stats.findings.iter();
    findings.map(|((code, severity), count)| serde_json::json!({ "code": code, "severity": severity, "count": count })).collect()
}

/// Says what of the input was lost although no record was rejected: a file that is cut off, parts of XML. Answers whether anything was.
pub(super) fn note_lost(stats: &ReadStats, console: Console) -> bool {
    let lost = || stats.findings.iter().filter(|((_, severity), _)| severity == Severity::Error.as_str());
    for ((code, _), count) in lost() {
        console
            .note(&format!("error {code}: {count} (not all of the input was kept; the reference of the FHIR reader says what it means)"));
    }
    lost().next().is_some()
}
