//! A format's table as a DataFusion file source.
//!
//! A `FileSource` and `FileOpener` inside a `FileScanConfig`, not a leaf plan of our own: that is what byte-range
//! splitting and distributed task building understand. The node holds serialisable state only (table, options,
//! projection); the files' details ride on the `PartitionedFile` and can be had again from its store and key.

use std::{fmt, ops::ControlFlow, sync::Arc};

use arrow::array::RecordBatch;
use datafusion::{
    common::{DataFusionError, Result as DataFusionResult, tree_node::TreeNodeRecursion},
    datasource::{
        listing::PartitionedFile,
        physical_plan::{FileOpenFuture, FileOpener, FileScanConfig, FileSource},
        projection::{ProjectionOpener, SplitProjection},
        table_schema::TableSchema,
    },
    execution::object_store::ObjectStoreUrl,
    physical_expr::{PhysicalExpr, projection::ProjectionExprs},
    physical_plan::{DisplayFormatType, metrics::ExecutionPlanMetricsSet},
};
use futures::{FutureExt, StreamExt, TryStreamExt};
use object_store::ObjectStore;
use sutura_core::{Condition, Decoded, Format, RejectTableBuilder, TableRequest, finding::FINDINGS_TABLE, reject::rejects_table};
use tokio::{runtime::Handle, sync::mpsc};

use crate::{
    engine::EngineOptions,
    error::{EngineError, Result},
    files::SourceFile,
    passed_over::ScanTally,
    scan::{
        batches::{FindingRows, RangePart, join},
        range::{RangeAccount, RangeInput, RangeRequest, scan_range},
    },
};

/// Batches that may wait between a decoder and the plan.
const BATCHES_AHEAD: usize = 2;
/// Most rejects in one batch, and most of their bytes.
pub(crate) const REJECTS_PER_BATCH: usize = 1024;

/// What a scan yields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ScanTable {
    /// A table of the format.
    Rows(String),
    /// What did not become rows.
    Rejects,
}

impl ScanTable {
    pub(crate) fn name(&self) -> &str {
        match self {
            ScanTable::Rows(name) => name,
            ScanTable::Rejects => "rejects",
        }
    }

    pub(crate) fn schema(&self, format: &dyn Format) -> Result<arrow::datatypes::SchemaRef> {
        match self {
            ScanTable::Rejects => Ok(rejects_table().schema()),
            ScanTable::Rows(name) => Ok(format.table(name).ok_or_else(|| unknown_table(format, name))?.schema()),
        }
    }
}

pub(crate) fn unknown_table(format: &dyn Format, table: &str) -> EngineError {
    let mut known = format.tables().iter().map(|table| table.name.as_str()).collect::<Vec<_>>().join(", ");
    if let Some(hint) = format.table_hint(table) {
        known = format!("{known}; {hint}");
    }
    EngineError::Format(sutura_core::FormatError::UnknownTable { format: format.name(), table: table.to_owned(), known })
}

/// One table of one format, with the columns that are wanted of it.
#[derive(Clone)]
pub(crate) struct FormatSource {
    format: Arc<dyn Format>,
    table: ScanTable,
    options: serde_json::Value,
    schema: TableSchema,
    projection: SplitProjection,
    /// What every row fulfils.
    filter: Vec<Condition>,
    /// Counts what is passed over, where somebody may ask.
    tally: Option<Arc<ScanTally>>,
    batch_rows: usize,
    block_bytes: usize,
    metrics: ExecutionPlanMetricsSet,
}

impl FormatSource {
    pub(crate) fn new(format: Arc<dyn Format>, table: ScanTable, options: serde_json::Value, engine: &EngineOptions) -> Result<Self> {
        let schema = TableSchema::from(table.schema(format.as_ref())?);
        Ok(Self {
            projection: SplitProjection::unprojected(&schema),
            format,
            table,
            options,
            schema,
            filter: Vec::new(),
            tally: None,
            batch_rows: engine.batch_rows,
            block_bytes: engine.block_bytes,
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }

    /// With conditions, all of which the format said it can apply.
    pub(crate) fn with_filter(self, filter: Vec<Condition>) -> Self {
        Self { filter, ..self }
    }

    /// With somebody who counts what is passed over.
    pub(crate) fn with_tally(self, tally: Option<Arc<ScanTally>>) -> Self {
        Self { tally, ..self }
    }
}

/// Every table that may refuse a record, whole: what the rejects of the format's files are shows only when they are asked.
fn refusing_tables(format: &dyn Format) -> Vec<TableRequest> {
    let tables = format.tables().iter().filter(|table| format.may_refuse(&table.name));
    tables.map(|table| TableRequest::whole(&table.name)).collect()
}

impl FileSource for FormatSource {
    fn create_file_opener(
        &self,
        object_store: Arc<dyn ObjectStore>,
        base_config: &FileScanConfig,
        _partition: usize,
    ) -> DataFusionResult<Arc<dyn FileOpener>> {
        let columns = self.projection.file_indices.clone();
        let requests = match &self.table {
            ScanTable::Rows(table) => {
                vec![TableRequest { table: table.clone(), columns: Some(columns.clone()), filter: self.filter.clone() }]
            }
            ScanTable::Rejects => refusing_tables(self.format.as_ref()),
        };
        let opener = Arc::new(FormatOpener {
            object_store,
            store_url: base_config.object_store_url.clone(),
            request: Arc::new(RangeRequest {
                format: Arc::clone(&self.format),
                options: self.options.clone(),
                requests,
                batch_rows: self.batch_rows,
            }),
            reject_columns: (self.table == ScanTable::Rejects).then(|| columns.clone()),
            finding_columns: (self.table.name() == FINDINGS_TABLE && self.table != ScanTable::Rejects).then_some(columns),
            tally: self.tally.clone(),
            block_bytes: self.block_bytes,
        });
        ProjectionOpener::try_new(self.projection.clone(), opener, self.schema.file_schema())
    }

    fn table_schema(&self) -> &TableSchema {
        &self.schema
    }

    fn with_batch_size(&self, batch_size: usize) -> Arc<dyn FileSource> {
        Arc::new(Self { batch_rows: batch_size, ..self.clone() })
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        Some(&self.projection.source)
    }

    fn try_pushdown_projection(&self, projection: &ProjectionExprs) -> DataFusionResult<Option<Arc<dyn FileSource>>> {
        let merged = self.projection.source.try_merge(projection)?;
        let projection = SplitProjection::new(self.schema.file_schema(), &merged);
        Ok(Some(Arc::new(Self { projection, ..self.clone() })))
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        &self.metrics
    }

    fn file_type(&self) -> &str {
        self.format.name()
    }

    fn fmt_extra(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ", table={}", self.table.name())?;
        if self.filter.is_empty() {
            return Ok(());
        }
        let schema = self.schema.file_schema();
        let conditions = self.filter.iter().map(|condition| condition.test.as_sql(schema.field(condition.column).name()));
        write!(f, ", filter=[{}]", conditions.collect::<Vec<_>>().join(" and "))
    }

    /// The table cuts files where it makes the plan; it knows which are packed.
    fn supports_repartitioning(&self) -> bool {
        false
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DataFusionResult<TreeNodeRecursion>,
    ) -> DataFusionResult<TreeNodeRecursion> {
        for projection in &self.projection.source {
            if f(&projection.expr)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }
}

struct FormatOpener {
    object_store: Arc<dyn ObjectStore>,
    store_url: ObjectStoreUrl,
    request: Arc<RangeRequest>,
    /// For the table of rejects, the columns wanted of it.
    reject_columns: Option<Vec<usize>>,
    /// For the format's table of findings, likewise.
    finding_columns: Option<Vec<usize>>,
    tally: Option<Arc<ScanTally>>,
    block_bytes: usize,
}

impl FileOpener for FormatOpener {
    fn open(&self, partitioned: PartitionedFile) -> DataFusionResult<FileOpenFuture> {
        let file = match partitioned.extension::<Arc<SourceFile>>() {
            Some(file) => Arc::clone(file),
            None => Arc::new(SourceFile::of_plan(&self.store_url, partitioned.object_meta.clone())),
        };
        let range = partitioned.range.as_ref().map(|range| (range.start.max(0) as u64, range.end.max(0) as u64));
        let (store, block_bytes) = (Arc::clone(&self.object_store), self.block_bytes);
        let (request, reject_columns) = (Arc::clone(&self.request), self.reject_columns.clone());
        let (finding_columns, tally) = (self.finding_columns.clone(), self.tally.clone());
        let open = async move {
            let input = RangeInput { store, handle: Handle::current(), file, range, block_bytes, hash: false, progress: None, stop: None };
            let (sender, receiver) = mpsc::channel(BATCHES_AHEAD);
            // Ends when the plan drops the receiver (LIMIT): the next send fails.
            tokio::task::spawn_blocking(move || {
                let scanned = match finding_columns {
                    Some(columns) => scan_findings(&input, &request, &columns, tally.as_ref(), &sender),
                    None => scan_one_table(&input, &request, reject_columns.as_deref(), tally.as_ref(), &sender).map(drop),
                };
                if let Err(error) = scanned {
                    let _ = sender.blocking_send(Err(error));
                }
            });
            let batches =
                futures::stream::unfold(receiver, |mut receiver| async move { receiver.recv().await.map(|item| (item, receiver)) });
            batches.map_err(DataFusionError::from)
        };
        // The decoder starts when the first batch is asked for, not when DataFusion opens the file ahead of time.
        Ok(async move { Ok(open.flatten_stream().boxed()) }.boxed())
    }
}

type BatchSender = mpsc::Sender<Result<RecordBatch>>;

/// The findings of records, and after the first range of a file those of the file: what batch trailers declare is known only
/// when the whole file has been seen. A file that was cut is walked once more for it, without making rows, so that no range
/// needs to hear from another.
fn scan_findings(
    input: &RangeInput,
    request: &RangeRequest,
    columns: &[usize],
    tally: Option<&Arc<ScanTally>>,
    sender: &BatchSender,
) -> Result<()> {
    let Some(account) = scan_one_table(input, request, None, tally, sender)? else { return Ok(()) };
    let cut = input.range.filter(|&(start, end)| start > 0 || end < input.file.size);
    let stats = match cut {
        None => account.stats,
        Some((0, _)) => {
            let whole = RangeInput { range: None, ..input.clone() };
            let no_rows = RangeRequest { requests: Vec::new(), ..request.clone() };
            let mut wanted = |_| if sender.is_closed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
            let Some(account) = scan_range(&whole, &no_rows, &mut wanted)? else { return Ok(()) };
            account.stats
        }
        Some(_) => return Ok(()),
    };
    let mut rows = FindingRows::new(request.format.as_ref(), &input.file.uri, request.batch_rows);
    let send = |batch: Option<RecordBatch>| {
        let Some(batch) = batch else { return Ok(()) };
        // A receiver that is gone wants nothing more.
        let _ = sender.blocking_send(batch.project(columns).map_err(Into::into));
        Ok(())
    };
    join(vec![RangePart::new(0, stats)], &mut |found| send(rows.push(found)?))?;
    send(rows.finish()?)
}

fn scan_one_table(
    input: &RangeInput,
    request: &RangeRequest,
    reject_columns: Option<&[usize]>,
    tally: Option<&Arc<ScanTally>>,
    sender: &BatchSender,
) -> Result<Option<RangeAccount>> {
    let send = |batch: Result<RecordBatch>| match sender.blocking_send(batch) {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    };
    let Some(columns) = reject_columns else {
        let mut emit = |decoded| match decoded {
            Decoded::Batch { batch, .. } => send(Ok(batch)),
            // Seen by `rejects(...)`; here they are counted.
            Decoded::Reject(reject) => {
                if let Some(tally) = tally {
                    tally.reject(reject.code);
                }
                if sender.is_closed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            }
        };
        let account = scan_range(input, request, &mut emit)?;
        if let (Some(tally), Some(account)) = (tally, &account) {
            tally.ended(request.format.as_ref(), &account.stats);
        }
        return Ok(account);
    };
    let mut rejects = RejectBatches::default();
    let account = scan_range(input, request, &mut |decoded| match decoded {
        Decoded::Batch { .. } => ControlFlow::Continue(()),
        Decoded::Reject(reject) => match rejects.push(reject) {
            Some(batch) => send(batch.and_then(|batch| Ok(batch.project(columns)?))),
            None if sender.is_closed() => ControlFlow::Break(()),
            None => ControlFlow::Continue(()),
        },
    })?;
    if account.is_some()
        && let Some(batch) = rejects.finish()
    {
        let _ = send(batch.and_then(|batch| Ok(batch.project(columns)?)));
    }
    Ok(account)
}

/// Rejects gathered into batches of bounded size.
#[derive(Debug, Default)]
pub(crate) struct RejectBatches {
    builder: RejectTableBuilder,
    bytes: usize,
}

impl RejectBatches {
    /// Bytes of rejects that may wait for a batch to fill.
    const MOST_BYTES: usize = 4 << 20;

    /// Adds one; gives a batch when enough have gathered.
    pub(crate) fn push(&mut self, reject: sutura_core::Reject) -> Option<Result<RecordBatch>> {
        self.bytes += reject.bytes.len();
        self.builder.push(reject);
        (self.builder.len() >= REJECTS_PER_BATCH || self.bytes >= Self::MOST_BYTES).then(|| self.take())
    }

    /// What is left.
    pub(crate) fn finish(&mut self) -> Option<Result<RecordBatch>> {
        (!self.builder.is_empty()).then(|| self.take())
    }

    fn take(&mut self) -> Result<RecordBatch> {
        self.bytes = 0;
        Ok(self.builder.finish()?)
    }
}
