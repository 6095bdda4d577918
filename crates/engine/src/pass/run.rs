//! Driving a pass: decoder threads on one side, consumers on the other.

use std::{
    collections::VecDeque,
    io,
    ops::ControlFlow,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use datafusion::{
    common::Result as DataFusionResult,
    execution::{RecordBatchStream, SendableRecordBatchStream, TaskContext},
    physical_plan::{ExecutionPlan, execute_stream},
};
use futures::Stream;
use object_store::ObjectStore;
use sutura_core::{Condition, Decoded, Finding, ReadStats, Reject, Sha256Hash, TableRequest, finding::FINDINGS_TABLE};
use tokio::{
    runtime::Handle,
    task::{JoinError, JoinSet},
};

use crate::{
    error::{EngineError, Result},
    files::SourceFile,
    pass::{
        AccountsHandler, Consumer, ConsumerReport, FileAccount, PassOptions, PassReport, SharedPass, Sink,
        account::LISTED_FINDINGS,
        queue::Queue,
        tap::{Supply, Taken, tap_plan},
    },
    scan::{
        batches::{FindingRows, RangePart, join},
        groups::{Unit, units},
        range::{RangeAccount, RangeInput, RangeRequest, scan_range},
        read::{Blocks, ReadError},
        source::RejectBatches,
    },
};

/// A consumer with its physical plan.
struct Planned<T> {
    name: String,
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
    supply: Supply,
    sink: Sink<T>,
}

pub(super) async fn run<T: Send + 'static>(pass: &SharedPass, consumers: Vec<Consumer<T>>, options: PassOptions) -> Result<PassReport<T>> {
    let mut planned = Vec::with_capacity(consumers.len());
    for consumer in consumers {
        planned.push(plan(pass.id, consumer).await?);
    }
    let shared = Arc::new(Shared::new(pass, &planned, options)?);
    // Dropped early (the caller gave up), or when done: nobody waits for anybody any more.
    let _guard = StopOnDrop(Arc::clone(&shared));

    let mut tasks: JoinSet<Done<T>> = JoinSet::new();
    let count = planned.len();
    for (position, consumer) in planned.into_iter().enumerate() {
        tasks.spawn(drive(position, consumer));
    }
    for _ in 0..shared.workers {
        let shared = Arc::clone(&shared);
        tasks.spawn_blocking(move || Done::Worker(work(&shared)));
    }

    let mut first_error = None;
    let mut accounts = None;
    let mut working = shared.workers;
    let mut outputs: Vec<Option<ConsumerReport<T>>> = (0..count).map(|_| None).collect();
    while let Some(done) = tasks.join_next().await {
        let error = match done {
            Ok(Done::Consumer(position, Ok(report))) => {
                outputs[position] = Some(report);
                continue;
            }
            Ok(Done::Worker(Ok(()))) => {
                working -= 1;
                if working == 0 && first_error.is_none() {
                    accounts = Some(shared.accounted(pass));
                }
                continue;
            }
            Ok(Done::Consumer(_, Err(error)) | Done::Worker(Err(error))) => error,
            Err(error) => EngineError::Task(died(&error)),
        };
        // Others fail because of the first.
        if first_error.is_none() {
            shared.stop(&error.to_string());
            first_error = Some(error);
        }
    }
    if let Some(error) = first_error {
        return Err(error);
    }
    let files = accounts.ok_or_else(|| EngineError::Task("a worker of the pass did not come back".to_owned()))?;
    Ok(PassReport { files, consumers: outputs.into_iter().flatten().collect() })
}

enum Done<T> {
    Consumer(usize, Result<ConsumerReport<T>>),
    Worker(Result<()>),
}

fn died(error: &JoinError) -> String {
    // The payload of a panic may hold anything; it is not shown.
    if error.is_panic() { "it panicked".to_owned() } else { "it was cancelled".to_owned() }
}

async fn plan<T>(pass: u64, consumer: Consumer<T>) -> Result<Planned<T>> {
    let Consumer { name, frame, sink } = consumer;
    let (state, logical) = frame.into_parts();
    // Views become their plans here, so that their tables count too.
    let (logical, supply) = tap_plan(state.optimize(&logical)?, pass)?;
    let plan = state.query_planner().create_physical_plan(&logical, &state).await?;
    Ok(Planned { name, plan, context: state.task_ctx(), supply, sink })
}

async fn drive<T>(position: usize, consumer: Planned<T>) -> Done<T> {
    let Planned { name, plan, context, supply, sink } = consumer;
    let schema = plan.schema();
    let output = async {
        let queue = supply.tap().and_then(|tap| tap.taken()).map(|taken| taken.queue);
        let stream = LastRow { stream: Some(execute_stream(plan, context)?), schema: Arc::clone(&schema), queue };
        sink(Box::pin(stream)).await.map_err(|source| match source.downcast::<EngineError>() {
            Ok(error) => *error,
            Err(source) => EngineError::Consumer { name: name.clone(), source },
        })
    };
    let output: Result<T> = output.await;
    Done::Consumer(position, output.map(|output| ConsumerReport { name, output, own_scan: supply.tap().is_none() }))
}

/// The stream of a consumer. At its end, or when nobody wants it any more, it lets go of the plan and its queue: the pass goes on
/// while the sink still closes files, and also where the plan never opened its tap.
struct LastRow {
    stream: Option<SendableRecordBatchStream>,
    schema: SchemaRef,
    queue: Option<Arc<Queue>>,
}

impl LastRow {
    fn end(&mut self) {
        self.stream = None;
        if let Some(queue) = self.queue.take() {
            queue.close();
        }
    }
}

impl Stream for LastRow {
    type Item = DataFusionResult<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(None) };
        let polled = stream.as_mut().poll_next(context);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.end();
        }
        polled
    }
}

impl RecordBatchStream for LastRow {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

impl Drop for LastRow {
    fn drop(&mut self) {
        self.end();
    }
}

/// Where the batches of one request go.
struct Route {
    queue: Arc<Queue>,
    /// Positions in the request's columns; `None` when all of them in order.
    columns: Option<Vec<usize>>,
}

impl Route {
    fn send(&self, batch: &RecordBatch) -> Result<()> {
        if !self.queue.is_open() {
            return Ok(());
        }
        let batch = match &self.columns {
            Some(columns) => batch.project(columns)?,
            None => batch.clone(),
        };
        self.queue.push(batch);
        Ok(())
    }
}

/// One source as the workers see it.
struct SourceWork {
    name: String,
    request: RangeRequest,
    /// One list per request.
    routes: Vec<Vec<Route>>,
    rejects: Vec<Route>,
    /// Units not yet read.
    left: AtomicUsize,
}

impl SourceWork {
    /// Sends rows of the table of findings, with all its columns, to the plans that want it.
    fn send_findings(&self, batch: Option<RecordBatch>) -> Result<()> {
        let Some(batch) = batch else { return Ok(()) };
        for (request, routes) in self.request.requests.iter().zip(&self.routes) {
            if request.table == FINDINGS_TABLE {
                match &request.columns {
                    Some(columns) => send(routes, &batch.project(columns)?)?,
                    None => send(routes, &batch)?,
                }
            }
        }
        Ok(())
    }

    fn queues(&self) -> impl Iterator<Item = &Arc<Queue>> {
        self.routes.iter().flatten().chain(&self.rejects).map(|route| &route.queue)
    }
}

/// What a worker does next.
enum Task {
    Read {
        source: usize,
        unit: Unit,
    },
    /// A cut file, once more from start to end.
    Hash {
        source: usize,
        index: usize,
        file: Arc<SourceFile>,
    },
}

/// What is known of a file so far.
#[derive(Default)]
struct FileState {
    /// Of the ranges read so far; joined when all are.
    parts: Vec<RangePart>,
    stats: ReadStats,
    findings: Vec<Finding>,
    bytes_read: u64,
    sha256: Option<Sha256Hash>,
    ranges: usize,
}

struct Shared {
    tasks: Mutex<VecDeque<Task>>,
    sources: Vec<SourceWork>,
    files: Vec<Vec<Mutex<FileState>>>,
    stopped: Arc<AtomicBool>,
    options: PassOptions,
    handle: Handle,
    stores: Vec<(datafusion::execution::object_store::ObjectStoreUrl, Arc<dyn ObjectStore>)>,
    block_bytes: usize,
    workers: usize,
}

impl Shared {
    fn new<T>(pass: &SharedPass, planned: &[Planned<T>], options: PassOptions) -> Result<Self> {
        let engine = pass.engine.options();
        let workers = engine.target_partitions.max(1);
        let mut tasks = VecDeque::new();
        let mut hashes = Vec::new();
        let mut sources = Vec::with_capacity(pass.sources.len());
        let mut files = Vec::with_capacity(pass.sources.len());
        let mut stores = Vec::new();
        for (position, source) in pass.sources.iter().enumerate() {
            let units = units(&source.files, source.format.splittable(), workers, engine.min_range_bytes);
            let (requests, routes, rejects) = requests(position, planned);
            sources.push(SourceWork {
                name: source.name.clone(),
                request: RangeRequest {
                    format: Arc::clone(&source.format),
                    options: source.options.clone(),
                    requests,
                    batch_rows: engine.batch_rows,
                },
                routes,
                rejects,
                left: AtomicUsize::new(units.len()),
            });
            let mut states: Vec<FileState> = source.files.iter().map(|_| FileState::default()).collect();
            for unit in &units {
                states[unit.index].ranges += 1;
            }
            for (index, file) in source.files.iter().enumerate() {
                if states[index].ranges > 1 && file.local.is_some() && !options.skip_hashes {
                    hashes.push(Task::Hash { source: position, index, file: Arc::clone(file) });
                }
                if !stores.iter().any(|(url, _)| *url == file.store) {
                    stores.push((file.store.clone(), pass.engine.readers().runtime.object_store(&file.store)?));
                }
            }
            files.push(states.into_iter().map(Mutex::new).collect());
            tasks.extend(units.into_iter().map(|unit| Task::Read { source: position, unit }));
        }
        if let Some(progress) = &options.progress {
            let all = pass.sources.iter().flat_map(|source| source.files.iter());
            progress.bytes_total.store(all.clone().map(|file| file.size).sum(), Ordering::Relaxed);
            progress.files_total.store(all.count() as u64, Ordering::Relaxed);
        }
        tasks.extend(hashes);
        let workers = workers.min(tasks.len().max(1));
        Ok(Self {
            tasks: Mutex::new(tasks),
            sources,
            files,
            stopped: Arc::default(),
            options,
            handle: Handle::current(),
            stores,
            block_bytes: engine.block_bytes,
            workers,
        })
    }

    fn next(&self) -> Option<Task> {
        if self.is_stopped() { None } else { self.tasks.lock().unwrap_or_else(PoisonError::into_inner).pop_front() }
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    fn stop(&self, reason: &str) {
        self.stopped.store(true, Ordering::Relaxed);
        let reason: Arc<str> = reason.into();
        self.sources.iter().flat_map(SourceWork::queues).for_each(|queue| queue.stop(&reason));
        // Nobody waits for accounts that will not come.
        drop(self.options.on_accounted.as_ref().and_then(AccountsHandler::take));
    }

    fn file(&self, source: usize, index: usize) -> std::sync::MutexGuard<'_, FileState> {
        self.files[source][index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn store(&self, file: &SourceFile) -> Result<Arc<dyn ObjectStore>> {
        let store = self.stores.iter().find(|(url, _)| *url == file.store).map(|(_, store)| Arc::clone(store));
        store.ok_or_else(|| EngineError::Task(format!("no object store for {}", file.uri)))
    }

    /// The accounts, told to who asked for them.
    fn accounted(&self, pass: &SharedPass) -> Vec<FileAccount> {
        let accounts = self.accounts(pass);
        if let Some(handler) = self.options.on_accounted.as_ref().and_then(AccountsHandler::take) {
            handler(&accounts);
        }
        accounts
    }

    fn accounts(&self, pass: &SharedPass) -> Vec<FileAccount> {
        let mut accounts = Vec::new();
        for (position, source) in pass.sources.iter().enumerate() {
            for (index, file) in source.files.iter().enumerate() {
                let state = std::mem::take(&mut *self.file(position, index));
                accounts.push(FileAccount {
                    source: source.name.clone(),
                    uri: file.uri.to_string(),
                    size: file.size,
                    modified: file.modified,
                    etag: file.etag.clone(),
                    compression: file.compression.as_str(),
                    sha256: state.sha256,
                    bytes_read: state.bytes_read,
                    ranges: state.ranges,
                    stats: state.stats,
                    findings: state.findings,
                });
            }
        }
        accounts
    }
}

/// Stops the workers when the pass is given up.
struct StopOnDrop(Arc<Shared>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop("the pass is over");
    }
}

/// What the consumers together want of a source: each table once, with every column that one of them wants and the conditions that
/// all of them have. Tables that can refuse records are looked at for plans that read them on their own, too.
fn requests<T>(source: usize, planned: &[Planned<T>]) -> (Vec<TableRequest>, Vec<Vec<Route>>, Vec<Route>) {
    let mut wanted = Wanted::default();
    let mut taps: Vec<(usize, Vec<usize>, Arc<Queue>)> = Vec::new();
    let mut rejects = Vec::new();
    for consumer in planned {
        let tap = match &consumer.supply {
            Supply::Tap(tap) => tap,
            Supply::OwnScan(watched) => {
                for watched in watched.iter().filter(|watched| watched.source == source) {
                    wanted.add(&watched.table, &watched.columns, &watched.filter);
                }
                continue;
            }
        };
        let Some(Taken { columns, filter, queue }) = tap.taken().filter(|_| tap.source == source) else { continue };
        match &tap.table {
            None => rejects.push(Route { queue, columns: Some(columns) }),
            Some(table) => taps.push((wanted.add(table, &columns, &filter), columns, queue)),
        }
    }
    let mut requests = wanted.0;
    for request in &mut requests {
        if let Some(columns) = &mut request.columns {
            columns.sort_unstable();
            columns.dedup();
        }
    }
    let mut routes: Vec<Vec<Route>> = requests.iter().map(|_| Vec::new()).collect();
    for (position, columns, queue) in taps {
        let all = requests[position].columns.as_deref().unwrap_or_default();
        let places: Vec<usize> = columns.iter().filter_map(|column| all.binary_search(column).ok()).collect();
        routes[position].push(Route { queue, columns: (columns != all).then_some(places) });
    }
    (requests, routes, rejects)
}

/// Requests that grow together.
#[derive(Default)]
struct Wanted(Vec<TableRequest>);

impl Wanted {
    /// Adds what one plan wants of a table; answers the position of the request.
    fn add(&mut self, table: &str, columns: &[usize], filter: &[Condition]) -> usize {
        if let Some(position) = self.0.iter().position(|known| known.table == table) {
            let known = &mut self.0[position];
            known.columns.get_or_insert_default().extend(columns);
            known.filter.retain(|condition| filter.contains(condition));
            return position;
        }
        self.0.push(TableRequest { table: table.to_owned(), columns: Some(columns.to_vec()), filter: filter.to_vec() });
        self.0.len() - 1
    }
}

/// A worker: takes one piece of work after the other.
fn work(shared: &Shared) -> Result<()> {
    while let Some(task) = shared.next() {
        match task {
            Task::Read { source, unit } => read(shared, source, &unit)?,
            Task::Hash { source, index, file } => {
                let hash = hash(shared, &file)?;
                shared.file(source, index).sha256 = hash;
            }
        }
    }
    Ok(())
}

fn read(shared: &Shared, position: usize, unit: &Unit) -> Result<()> {
    let source = &shared.sources[position];
    let input = RangeInput {
        store: shared.store(&unit.file)?,
        handle: shared.handle.clone(),
        file: Arc::clone(&unit.file),
        range: unit.range,
        block_bytes: shared.block_bytes,
        hash: unit.range.is_none() && !shared.options.skip_hashes,
        progress: shared.options.progress.as_ref().map(|progress| Arc::clone(&progress.bytes_read)),
        stop: Some(Arc::clone(&shared.stopped)),
    };
    let mut rejects = RejectBatches::default();
    let mut failed = None;
    let account = scan_range(&input, &source.request, &mut |decoded| {
        if shared.is_stopped() {
            return ControlFlow::Break(());
        }
        match deliver(shared, source, &mut rejects, decoded) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    let Some(RangeAccount { stats, bytes_read, sha256 }) = account else { return Ok(()) };
    if let Some(batch) = rejects.finish() {
        send(&source.rejects, &batch?)?;
    }
    if let Some(progress) = &shared.options.progress {
        progress.records.fetch_add(stats.records, Ordering::Relaxed);
        progress.rejected.fetch_add(stats.rejected, Ordering::Relaxed);
    }
    let mut file = shared.file(position, unit.index);
    file.bytes_read += bytes_read;
    file.sha256 = file.sha256.or(sha256);
    file.parts.push(RangePart::new(unit.range.map_or(0, |(start, _)| start), stats));
    let parts = if file.parts.len() == file.ranges { std::mem::take(&mut file.parts) } else { Vec::new() };
    drop(file);
    if !parts.is_empty() {
        join_ranges(shared, position, unit, parts)?;
    }
    if source.left.fetch_sub(1, Ordering::AcqRel) == 1 {
        source.queues().for_each(|queue| queue.finish());
    }
    Ok(())
}

/// The file is read to its end: its account, and the findings that only all of its ranges show.
fn join_ranges(shared: &Shared, position: usize, unit: &Unit, parts: Vec<RangePart>) -> Result<()> {
    let source = &shared.sources[position];
    let mut rows = FindingRows::new(source.request.format.as_ref(), &unit.file.uri, source.request.batch_rows);
    let mut listed = Vec::new();
    let stats = join(parts, &mut |found| {
        if listed.len() < LISTED_FINDINGS {
            listed.push(found.finding.clone());
        }
        source.send_findings(rows.push(found)?)
    })?;
    source.send_findings(rows.finish()?)?;
    let mut file = shared.file(position, unit.index);
    (file.stats, file.findings) = (stats, listed);
    drop(file);
    if let Some(progress) = &shared.options.progress {
        progress.files_done.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

fn deliver(shared: &Shared, source: &SourceWork, rejects: &mut RejectBatches, decoded: Decoded) -> Result<()> {
    match decoded {
        Decoded::Batch { request, batch } => source.routes.get(request).map_or(Ok(()), |routes| send(routes, &batch)),
        Decoded::Reject(reject) => {
            if let Some(handler) = &shared.options.on_reject {
                handler(&source.name, &reject).map_err(|error| handler_error(&reject, error))?;
            }
            if source.rejects.is_empty() {
                return Ok(());
            }
            match rejects.push(reject) {
                Some(batch) => send(&source.rejects, &batch?),
                None => Ok(()),
            }
        }
    }
}

fn handler_error(reject: &Reject, source: Box<dyn std::error::Error + Send + Sync>) -> EngineError {
    EngineError::Consumer { name: format!("reject handler (byte {})", reject.id.offset), source }
}

fn send(routes: &[Route], batch: &RecordBatch) -> Result<()> {
    routes.iter().try_for_each(|route| route.send(batch))
}

fn hash(shared: &Shared, file: &Arc<SourceFile>) -> Result<Option<Sha256Hash>> {
    let failed = |source: io::Error| EngineError::Io { uri: file.uri.to_string(), source };
    let input = RangeInput {
        store: shared.store(file)?,
        handle: shared.handle.clone(),
        file: Arc::clone(file),
        range: None,
        block_bytes: shared.block_bytes,
        hash: true,
        progress: None,
        stop: None,
    };
    let mut blocks = Blocks::open(&input, 0, None, true).map_err(failed)?;
    loop {
        if shared.is_stopped() {
            return Ok(None);
        }
        match blocks.next() {
            Ok(Some(block)) => blocks.give_back(block),
            Ok(None) => return Ok(blocks.into_hash()),
            Err(ReadError::Storage(error)) => return Err(failed(error)),
            Err(ReadError::Unpack { .. }) => return Ok(None),
        }
    }
}
