//! `sutura convert`: HL7 v2 messages and C-CDA documents to FHIR.
//!
//! One reader frames the records in the order of the files; many threads convert batches of them; the results are written in that
//! order again, so that the output does not depend on how many threads there were.

mod account;
mod out;
mod records;
mod work;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use futures::{StreamExt, TryStreamExt};
use serde_json::json;
use sutura_convert::{UserCodes, Zone, ccda, v2};
use sutura_core::ReadStats;
use sutura_engine::{
    Engine, EngineError, EngineOptions, SendableRecordBatchStream,
    datafusion::common::TableReference,
    pass::{Consumer, PassOptions, PassProgress, SharedPass, SinkError, SourceSpec},
};
use sutura_fhir::validate::Summary;

use self::{
    account::{Account, Rejected, Rejects},
    out::{Places, Writer},
    records::Records,
    work::Workshop,
};
use super::{
    block_on, engine_with,
    fhir::{
        places::{refuse_own_files, refuse_own_input},
        require_leave,
        resources::note_pipes,
    },
    own_terminology,
};
use crate::{
    args::convert::{ConvertArgs, ConvertTo, Mapping},
    failure::{CLEAN, FAILED, Failure, Outcome, TOO_MANY_REJECTS},
    output::{self, Console},
    progress,
};

/// The schema that the table of the pass is in.
const SOURCE: &str = "input";

/// Runs the command.
pub(crate) fn run(args: &ConvertArgs, console: Console) -> Outcome {
    let ConvertTo::Fhir = args.to;
    require_leave(&args.allow)?;
    let (inputs, out) = inputs_and_output(args)?;
    let places = Places::new(args, &out)?;
    refuse_own_files(&args.mapping.terminology.files, &places.outputs())?;
    let own = own_terminology(&args.mapping.terminology, console)?;
    let codes = own.as_ref().map(|files| UserCodes(Arc::clone(&files.terminology)));
    let (messages, documents) = (message_options(&args.mapping, codes.clone()), document_options(&args.mapping, codes)?);
    let workshop = Arc::new(Workshop::new(messages, documents, args.validate)?);
    let jobs = args.jobs.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from);
    let engine = engine_with(EngineOptions { target_partitions: 1, ..EngineOptions::default() }, None)?;
    let task = Task { inputs, places: places.clone(), records: Records { from: args.from }, workshop: Arc::clone(&workshop), jobs };
    let Done { writer, stats, rejects, refused } = block_on(convert(engine, task, console))?;
    let (report, validated) = workshop.counts();
    let account = Account::new(&stats, &refused, report, validated)?.with_terminology(own.map(|own| own.files));
    if account.rejected as f64 > args.max_rejects * account.records as f64 {
        let message = format!("{}: more than --max-rejects {} allows; nothing was written", account.equation(), args.max_rejects);
        return Err(Failure { code: TOO_MANY_REJECTS, message });
    }
    writer.publish(&account, &rejects)?;
    if args.json {
        let mut value = account.summary_json()?;
        if let Some(members) = value.as_object_mut() {
            members.insert("output".to_owned(), json!({ "out": places.out, "report": places.report }));
        }
        output::print_json(&value)?;
    } else {
        account.note(console);
        console.note(&format!("{}; the account of every place is in {}", places.out.display(), places.report.display()));
    }
    Ok(match (account.validated.as_ref().map_or(0, Summary::invalid), account.rejected) {
        (0, 0) => CLEAN,
        (0, _) => TOO_MANY_REJECTS,
        _ => FAILED,
    })
}

/// The last path is the output, unless an option says it.
fn inputs_and_output(args: &ConvertArgs) -> Outcome<(Vec<String>, PathBuf)> {
    let mut inputs = args.paths.clone();
    let out = match &args.output {
        Some(out) => out.clone(),
        None if inputs.len() < 2 => {
            return Err(Failure::configuration("one path is given; say where the result goes: sutura convert --to fhir IN OUT"));
        }
        None => PathBuf::from(inputs.pop().unwrap_or_default()),
    };
    Ok((inputs, out))
}

fn message_options(mapping: &Mapping, terminology: Option<UserCodes>) -> v2::Options {
    v2::Options {
        default_zone: mapping.zone.clone(),
        namespace_base: mapping.namespace_base.clone(),
        local_systems: mapping.local_systems.clone(),
        base_url: mapping.base.clone(),
        provenance: !mapping.no_provenance,
        recorded: mapping.recorded.clone(),
        terminology,
        ..v2::Options::default()
    }
}

fn document_options(mapping: &Mapping, terminology: Option<UserCodes>) -> Outcome<ccda::Options> {
    let bad_zone = || Failure::configuration("--zone is neither an offset like +01:00 nor a name like Europe/Berlin");
    Ok(ccda::Options {
        base_url: mapping.base.clone(),
        provenance: !mapping.no_provenance,
        default_zone: mapping.zone.as_deref().map(|zone| Zone::parse(zone).ok_or_else(bad_zone)).transpose()?,
        terminology,
        ..ccda::Options::default()
    })
}

/// What is to be done.
struct Task {
    inputs: Vec<String>,
    places: Places,
    records: Records,
    workshop: Arc<Workshop>,
    jobs: usize,
}

/// What is known when all is converted.
struct Done {
    writer: Writer,
    stats: ReadStats,
    rejects: Vec<Rejected>,
    /// Records that the reader took and nothing became of, by reason.
    refused: BTreeMap<&'static str, u64>,
}

async fn convert(engine: Engine, task: Task, console: Console) -> Outcome<Done> {
    let Task { inputs, places, records, workshop, jobs } = task;
    let spec = SourceSpec { locations: inputs, instance: Some(Arc::new(records)), ..SourceSpec::new(SOURCE, "records", String::new()) };
    let pass = SharedPass::new(&engine, vec![spec]).await?;
    refuse_own_input(pass.files(SOURCE), &places.outputs())?;
    note_pipes(pass.files(SOURCE), false, console)?;
    let writer = Writer::open(&places)?;
    let frame = engine.session().table(TableReference::partial(SOURCE, records::TABLE)).await.map_err(EngineError::from)?;
    // An error of the pass is words only; the failure with its exit code waits here.
    let failed: Arc<Mutex<Option<Failure>>> = Arc::default();
    let rejects = Arc::new(Rejects::default());
    let (failure, found) = (Arc::clone(&failed), Arc::clone(&rejects));
    let consumer = Consumer::new("records", frame, move |stream| async move {
        write(stream, workshop, jobs, writer, found).await.map_err(|error| {
            *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            SinkError::from("stopped")
        })
    });
    let progress = Arc::new(PassProgress::default());
    let bar = progress::pass(console, Arc::clone(&progress));
    let seen = Arc::clone(&rejects);
    let options = PassOptions {
        progress: Some(progress),
        skip_hashes: true,
        on_reject: Some(Arc::new(move |_, reject| {
            seen.push(Rejected::from(reject));
            Ok(())
        })),
        ..PassOptions::default()
    };
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
    let (writer, refused) = done.output;
    Ok(Done { writer, stats, rejects: rejects.take(), refused })
}

/// Converts the batches of a stream, so many at the same time, and writes them in their order.
async fn write(
    stream: SendableRecordBatchStream,
    workshop: Arc<Workshop>,
    jobs: usize,
    mut writer: Writer,
    rejects: Arc<Rejects>,
) -> Outcome<(Writer, BTreeMap<&'static str, u64>)> {
    let shared = Arc::clone(&workshop);
    let pieces = stream.map(move |batch| {
        let workshop = Arc::clone(&workshop);
        async move {
            let batch = batch.map_err(EngineError::from)?;
            let work = tokio::task::spawn_blocking(move || workshop.convert(&batch));
            work.await.map_err(|error| Failure::failed(format!("converting stopped: {error}")))?
        }
    });
    let mut pieces = std::pin::pin!(pieces.buffered(jobs));
    let mut refused = BTreeMap::new();
    while let Some(piece) = pieces.try_next().await? {
        tokio::task::block_in_place(|| writer.take(&piece))?;
        for rejected in piece.rejected {
            *refused.entry(rejected.code()).or_default() += 1;
            rejects.push(rejected);
        }
        shared.give_back(piece.bundles);
    }
    Ok((writer, refused))
}
