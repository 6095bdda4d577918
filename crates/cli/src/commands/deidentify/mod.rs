//! `sutura deidentify`: files de-identified in their own format, DICOM by PS3.15.
//!
//! Many threads read, treat and write one file each; one collector gives the files their names and writes the account, in the order of the inputs, so that the
//! output does not depend on how many threads there were.

mod account;
mod arrow_files;
mod columns;
mod documents;
mod inputs;
mod out;
mod setup;
mod tables;
mod work;

use std::{
    collections::HashMap,
    fs,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures::{Stream, StreamExt, stream};
use indicatif::ProgressBar;
use serde_json::Value;
use sutura_deid::dicom::{actions_schema, actions_table};
use sutura_engine::{
    Engine, EngineError, EngineOptions,
    arrow::record_batch::RecordBatch,
    datafusion::{error::DataFusionError, physical_plan::stream::RecordBatchStreamAdapter},
    sink::{self, Layout, SinkFormat, SinkSpec},
};
use sutura_fhir::bundle::{Stage as LineStage, Staged};
use tokio::sync::mpsc;

use self::{
    account::{Account, Rejected, file_line},
    documents::Documents,
    out::{Named, Publisher, Stage},
    setup::{Resources, Setup, metadata},
    work::{Budget, Done, Shop, Unit, What},
};
use super::{
    block_on, engine_with,
    fhir::places::{require_file, require_folder},
};
use crate::{
    args::deidentify::DeidentifyArgs,
    failure::{CLEAN, Failure, Outcome, TOO_MANY_REJECTS},
    output::{self, Console},
    progress,
};

const ACCOUNT: &str = "deidentification.json";
const PROOF: &str = "proof.parquet";
const FILES: &str = "files.ndjson";
const LEDGER: &str = "ledger.parquet";
const REJECTS: &str = "rejects.ndjson";

/// Runs the command.
pub(crate) fn run(args: &DeidentifyArgs, console: Console) -> Outcome {
    let (paths, out) = inputs_and_output(args)?;
    out::check_pattern(&args.pattern)?;
    let setup = Setup::new(args)?;
    let files = inputs::files(&paths)?;
    for output in [Some(&out), args.rejects.as_ref()].into_iter().flatten() {
        inputs::refuse_output_in_input(&paths, &files, output)?;
    }
    require_folder(&out)?;
    let places = Places::new(args, &out)?;

    let limits = work::limits((args.max_file as usize) << 20);
    let stopped = Arc::new(AtomicBool::new(false));
    let Setup { images, resources, tables, vault, facts } = setup;
    let shop = Arc::new(Shop {
        deidentifier: images,
        documents: resources.map(|resources| {
            Arc::new(match resources {
                Resources::Policy(treatment) => Documents::new(&treatment, documents::patients(&files, limits.bytes)),
                Resources::Configuration(anonymizer) => Documents::of_configuration(anonymizer),
            })
        }),
        tables,
        vault,
        encode: args.encode.0,
        limits,
        stage: Stage::open(&out)?,
        budget: Budget::new(limits.bytes as u64),
        stopped: Arc::clone(&stopped),
    });
    let jobs = args.jobs.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from);
    let engine = engine_with(EngineOptions { target_partitions: 1, ..EngineOptions::default() }, None)?;
    let task = Task { files, places: places.clone(), shop, jobs, overwrite: args.overwrite, pattern: args.pattern.clone() };
    // An interrupt drops the work; its threads see this and end with the file they are at.
    let stop = StopOnDrop(stopped);
    let account = block_on(async move {
        let _stop = stop;
        deidentify(engine, task, facts.clone(), console).await.map(|account| (account, facts))
    });
    let (account, facts) = account?;
    if args.json {
        output::print_json(&whole(&facts, &account))?;
    } else {
        account.note(console);
        console.note(&format!("{}; what was done is in {}", out.display(), places.proof.display()));
        if account.rejected + account.rejected_records() > 0 {
            console.note(&format!("{} names the refused inputs: it is not for release", places.rejects.display()));
        }
    }
    Ok(if account.rejected + account.rejected_records() == 0 { CLEAN } else { TOO_MANY_REJECTS })
}

/// The last path is the output, unless an option says it.
fn inputs_and_output(args: &DeidentifyArgs) -> Outcome<(Vec<PathBuf>, PathBuf)> {
    let mut inputs = args.paths.clone();
    let out = match &args.output {
        Some(out) => out.clone(),
        None if inputs.len() < 2 => {
            return Err(Failure::configuration("one path is given; say where the result goes: sutura deidentify --policy POLICY IN OUT"));
        }
        None => inputs.pop().unwrap_or_default(),
    };
    Ok((inputs, out))
}

fn whole(facts: &Value, account: &Account) -> Value {
    let mut whole = facts.clone();
    if let (Some(members), Value::Object(counts)) = (whole.as_object_mut(), account.json()) {
        members.extend(counts);
    }
    whole
}

/// The files beside the released ones.
#[derive(Debug, Clone)]
struct Places {
    out: PathBuf,
    proof: PathBuf,
    files: PathBuf,
    rejects: PathBuf,
    account: PathBuf,
}

impl Places {
    /// Says what stands in the way.
    fn new(args: &DeidentifyArgs, out: &Path) -> Outcome<Self> {
        let places = Self {
            out: out.to_owned(),
            proof: out.join(PROOF),
            files: out.join(FILES),
            rejects: args.rejects.clone().unwrap_or_else(|| out.join(REJECTS)),
            account: out.join(ACCOUNT),
        };
        if let Some(rejects) = &args.rejects {
            require_file(rejects)?;
            if !args.overwrite && rejects.exists() {
                return Err(Failure::configuration(format!("{}: is there already; --overwrite replaces it", rejects.display())));
            }
        }
        let mut entries = fs::read_dir(out).into_iter().flatten().flatten();
        if !args.overwrite && entries.any(|entry| !entry.file_name().as_encoded_bytes().starts_with(b".sutura-")) {
            let message =
                format!("{}: is not empty; give another folder, or --overwrite to replace files of the same names", out.display());
            return Err(Failure::configuration(message));
        }
        Ok(places)
    }
}

/// What is to be done.
struct Task {
    files: Vec<PathBuf>,
    places: Places,
    shop: Arc<Shop>,
    jobs: usize,
    overwrite: bool,
    pattern: String,
}

struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

async fn deidentify(engine: Engine, task: Task, facts: Value, console: Console) -> Outcome<Account> {
    let Task { files, places, shop, jobs, overwrite, pattern } = task;
    let count = files.len() as u64;
    let units = if shop.deidentifier.as_ref().is_some_and(|images| images.options().clean_recognizable_features) {
        let shop = Arc::clone(&shop);
        tokio::task::spawn_blocking(move || by_series(files, &shop)).await.map_err(|error| stopped(&error))?
    } else {
        let units = files.into_iter().enumerate();
        units.map(|(place, file)| Unit { files: vec![file], is_series: false, number: place + 1 }).collect()
    };
    let bar = progress::files(console, count, "de-identifying");
    let done = stream::iter(units).map(|unit| {
        let shop = Arc::clone(&shop);
        async move { tokio::task::spawn_blocking(move || shop.work(&unit)).await.map_err(|error| stopped(&error))? }
    });
    let (send, mut receive) = mpsc::channel::<Result<RecordBatch, DataFusionError>>(8);
    let rows = stream::poll_fn(move |context| receive.poll_recv(context));
    let rows = Box::pin(RecordBatchStreamAdapter::new(actions_schema(), rows));
    let spec = SinkSpec {
        layout: Layout::File,
        overwrite,
        metadata: metadata(&facts),
        ..SinkSpec::new(SinkFormat::Parquet, places.proof.display().to_string())
    };
    let schema = actions_schema();
    let sink = async { sink::write_stream(&engine, rows, &schema, spec).await.map_err(Failure::from) };
    let collect = async {
        let collector = Collector::new(&places, overwrite, pattern)?;
        let collected = collector.collect(done.buffered(jobs), &send, count, &bar).await;
        if collected.is_err() {
            // What was not finished is not to be taken for a proof.
            let _ = send.send(Err(DataFusionError::Execution("stopped".into()))).await;
        }
        drop(send);
        collected
    };
    let (collected, proved) = futures::join!(collect, sink);
    bar.finish_and_clear();
    let collector = collected?;
    proved?;
    if collector.account.ledger.documents() > 0 {
        let rows = collector.account.ledger.table().map_err(DataFusionError::from).map_err(EngineError::from)?;
        let frame = engine.session().read_batch(rows).map_err(EngineError::from)?;
        let spec = SinkSpec {
            layout: Layout::File,
            overwrite,
            metadata: metadata(&facts),
            ..SinkSpec::new(SinkFormat::Parquet, places.out.join(LEDGER).display().to_string())
        };
        sink::write(&engine, frame, spec).await.map_err(Failure::from)?;
    }
    tokio::task::block_in_place(|| collector.finish(&facts))
}

fn stopped(error: &tokio::task::JoinError) -> Failure {
    Failure::failed(format!("a thread stopped: {error}"))
}

/// The files of each series together, in the order of the first of them.
fn by_series(files: Vec<PathBuf>, shop: &Shop) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for (place, file) in files.into_iter().enumerate() {
        let number = place + 1;
        match shop.series_of(&file) {
            Some(series) => {
                let place = *places.entry(series).or_insert(units.len());
                if place == units.len() {
                    units.push(Unit { files: Vec::new(), is_series: true, number });
                }
                units[place].files.push(file);
            }
            None => units.push(Unit { files: vec![file], is_series: false, number }),
        }
    }
    units
}

/// Takes what was done, in order.
struct Collector {
    places: Places,
    overwrite: bool,
    pattern: String,
    publisher: Publisher,
    account: Account,
    files: Lines,
    rejects: Option<Lines>,
}

impl Collector {
    fn new(places: &Places, overwrite: bool, pattern: String) -> Outcome<Self> {
        if overwrite {
            // Released files without an account are those of a run that was broken off.
            remove(&places.account)?;
            remove(&places.out.join(LEDGER))?;
        }
        let (publisher, files) = (Publisher::new(&places.out, overwrite), Lines::open(&places.files)?);
        Ok(Self { places: places.clone(), overwrite, pattern, publisher, account: Account::default(), files, rejects: None })
    }

    async fn collect(
        mut self,
        done: impl Stream<Item = Outcome<Vec<Done>>>,
        proofs: &mpsc::Sender<Result<RecordBatch, DataFusionError>>,
        count: u64,
        bar: &ProgressBar,
    ) -> Outcome<Self> {
        let mut done = std::pin::pin!(done);
        while let Some(unit) = done.next().await {
            for one in unit? {
                self.account.files += 1;
                bar.inc(1);
                if let Some(rows) = tokio::task::block_in_place(|| self.take(one))?
                    && proofs.send(Ok(rows)).await.is_err()
                {
                    // The sink says why.
                    return Err(Failure::failed("the proof could not be written"));
                }
            }
        }
        if self.account.files != count || !self.account.balances() {
            return Err(Failure::failed(format!("{}: of {count} files; a defect of sutura, please report it", self.account.equation())));
        }
        if self.account.written + self.account.rejected == 0 {
            let message = format!("{}: nothing among them has a known format; give other files", self.account.equation());
            return Err(Failure::configuration(message));
        }
        Ok(self)
    }

    /// Gives a file its name and counts it; the rows of its proof.
    fn take(&mut self, done: Done) -> Outcome<Option<RecordBatch>> {
        let written = match done {
            Done::Skipped(why) => {
                self.account.skip(why);
                return Ok(None);
            }
            Done::Rejected(rejected) => return self.reject(&rejected).map(|()| None),
            Done::Written(written) => *written,
        };
        let path = match &written.what {
            What::Image(facts) => facts.name.path(&self.pattern),
            What::Records(released, number) => {
                let table = released.table.as_ref().map(|table| format!("-{table}")).unwrap_or_default();
                format!("{}/{number:06}{table}.{}", released.kind.word(), released.kind.extension())
            }
        };
        let line = file_line(&written, &path);
        let named = self.publisher.publish(&written.part, &path)?;
        match named {
            Named::Duplicate => {
                self.account.skip("duplicate");
                return Ok(None);
            }
            Named::Taken => {
                let reason = "another input has the same SOP Instance UID and other content; release one of them".to_owned();
                let rejected =
                    Rejected { path: written.source, offset: 0, code: "duplicate-instance", location: "(0008,0018)".into(), reason };
                return self.reject(&[rejected]).map(|()| None);
            }
            Named::New | Named::Replaced => {}
        }
        self.account.wrote(&written, named == Named::Replaced);
        self.files.write(&line)?;
        let facts = match &written.what {
            What::Image(facts) => facts,
            What::Records(released, _) => {
                for rejected in &released.rejected {
                    self.reject_line(rejected)?;
                }
                return Ok(None);
            }
        };
        actions_table([&facts.proof]).map(Some).map_err(|error| EngineError::from(DataFusionError::from(error)).into())
    }

    /// A file that was not released, with the records of it.
    fn reject(&mut self, rejected: &[Rejected]) -> Outcome<()> {
        if let Some(first) = rejected.first() {
            self.account.reject(first);
        }
        rejected.iter().try_for_each(|rejected| self.reject_line(rejected))
    }

    fn reject_line(&mut self, rejected: &Rejected) -> Outcome<()> {
        let lines = match &mut self.rejects {
            Some(lines) => lines,
            none => none.insert(Lines::open(&self.places.rejects)?),
        };
        lines.write(&rejected.line())
    }

    /// Gives the account its name, last.
    fn finish(self, facts: &Value) -> Outcome<Account> {
        self.publisher.sync()?;
        self.files.publish(self.overwrite)?;
        match self.rejects {
            Some(lines) => lines.publish(self.overwrite)?,
            // Those of an earlier run are not of this one.
            None if self.overwrite => remove(&self.places.rejects)?,
            None => {}
        }
        let mut account = Lines::open(&self.places.account)?;
        let text = serde_json::to_string_pretty(&whole(facts, &self.account)).map_err(Failure::failed)?;
        account.write(&text)?;
        account.publish(self.overwrite)?;
        Ok(self.account)
    }
}

/// A file of lines on a stage, whole before it has its name.
struct Lines {
    path: PathBuf,
    file: BufWriter<Staged>,
}

impl Lines {
    fn open(path: &Path) -> Outcome<Self> {
        let folder = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
        let stage = LineStage::open(folder).map_err(|error| Failure::io(&folder.display().to_string(), &error))?;
        let staged = Staged::create(&stage, path).map_err(|error| Failure::io(&path.display().to_string(), &error))?;
        Ok(Self { path: path.to_owned(), file: BufWriter::new(staged) })
    }

    fn write(&mut self, line: &impl std::fmt::Display) -> Outcome<()> {
        writeln!(self.file, "{line}").map_err(|error| Failure::io(&self.path.display().to_string(), &error))
    }

    fn publish(self, overwrite: bool) -> Outcome<()> {
        let Self { path, file } = self;
        let failed = |error: std::io::Error| Failure::io(&path.display().to_string(), &error);
        file.into_inner().map_err(std::io::IntoInnerError::into_error).and_then(|staged| staged.publish(overwrite)).map_err(failed)
    }
}

fn remove(file: &Path) -> Outcome<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Failure::io(&file.display().to_string(), &error)),
        _ => Ok(()),
    }
}
