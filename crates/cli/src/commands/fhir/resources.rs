//! The resources of files, one after another in the order of the files, for commands that go through them once or twice.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use futures::StreamExt;
use sutura_core::{
    ReadStats,
    record::{COL_OFFSET, COL_SOURCE},
};
use sutura_engine::{
    Engine, EngineError, EngineOptions,
    arrow::{
        array::{Array, RecordBatch, StringViewArray, cast::AsArray},
        datatypes::Int64Type,
    },
    datafusion::common::TableReference,
    pass::{Consumer, PassOptions, PassProgress, SharedPass, SinkError, SourceSpec},
};

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
    /// URI of the file.
    pub(super) source: &'r str,
    /// Where it begins in the file, in bytes.
    pub(super) offset: u64,
}

/// What a command does with each resource; it gets back what it gave when all are read.
pub(super) trait Take: Send + 'static {
    /// Takes one. An error ends the reading.
    fn take(&mut self, resource: Resource<'_>) -> Outcome<()>;
}

/// Gives every resource of the files behind the locations to `work`: one reader, so that the order is that of the files by name
/// and of the bytes in them, whenever it runs. Rejects are in the account, and never end it. A folder that is written to may not hold what is read.
pub(super) fn each<W: Take>(locations: &[String], output: Option<&Path>, work: W, console: Console) -> Outcome<(W, ReadStats)> {
    let engine = engine_with(EngineOptions { target_partitions: 1, ..EngineOptions::default() }, None)?;
    block_on(read(engine, locations.to_vec(), output.map(Path::to_path_buf), work, console))
}

async fn read<W: Take>(
    engine: Engine,
    locations: Vec<String>,
    output: Option<PathBuf>,
    work: W,
    console: Console,
) -> Outcome<(W, ReadStats)> {
    let pass = SharedPass::new(&engine, vec![SourceSpec { locations, ..SourceSpec::new(SOURCE, "fhir", String::new()) }]).await?;
    if let Some(output) = output.and_then(|output| output.canonicalize().ok()) {
        let inputs = pass.files(SOURCE).iter().filter_map(|file| file.local.as_deref()?.canonicalize().ok());
        if let Some(input) = inputs.into_iter().find(|input| input.parent() == Some(&output)) {
            let message = format!("{}: is read, so its folder cannot be written to as well; give another folder", input.display());
            return Err(Failure::configuration(message));
        }
    }
    let frame = engine.session().table(TableReference::partial(SOURCE, "resources")).await.map_err(EngineError::from)?;
    let frame = frame.select_columns(&["json", "full_url", COL_SOURCE, COL_OFFSET]).map_err(EngineError::from)?;
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
    let options = PassOptions { progress: Some(progress), skip_hashes: true, ..PassOptions::default() };
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
    Ok((done.output, stats))
}

fn rows<W: Take>(batch: &RecordBatch, work: &mut W) -> Outcome<()> {
    let text = |at: usize| batch.columns().get(at).and_then(|column| column.as_any().downcast_ref::<StringViewArray>());
    let offsets = batch.columns().get(3).and_then(|column| column.as_primitive_opt::<Int64Type>());
    let (Some(json), Some(urls), Some(sources), Some(offsets)) = (text(0), text(1), text(2), offsets) else {
        return Err(Failure::failed("the table of resources has other columns than expected; report this with the command"));
    };
    for row in 0..batch.num_rows() {
        work.take(Resource {
            json: json.value(row),
            full_url: urls.is_valid(row).then(|| urls.value(row)),
            source: sources.value(row),
            offset: offsets.value(row).cast_unsigned(),
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
