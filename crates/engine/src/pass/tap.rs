//! How a plan gets its rows from a pass: the tables of the pass, and the streams that stand in for them.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use async_trait::async_trait;
use datafusion::{
    catalog::{Session, TableProvider, default_table_source::provider_as_source, default_table_source::source_as_provider},
    common::{
        DataFusionError, Result as DataFusionResult,
        tree_node::{Transformed, TreeNodeRecursion},
    },
    execution::{RecordBatchStream, SendableRecordBatchStream, TaskContext},
    logical_expr::{Expr, LogicalPlan, TableProviderFilterPushDown, TableScan, TableType},
    physical_plan::{
        ExecutionPlan,
        streaming::{PartitionStream, StreamingTableExec},
    },
};
use futures::Stream;
use sutura_core::Condition;

use crate::{error::EngineError, pass::queue::Queue, scan::FormatTable};

/// A table of a pass. Read outside of [`crate::pass::SharedPass::run`] it is an ordinary scan.
#[derive(Debug)]
pub(crate) struct PassTable {
    /// Which pass it belongs to.
    pub(crate) pass: u64,
    pub(crate) source: usize,
    /// `None`: the rejects.
    pub(crate) table: Option<String>,
    pub(crate) scan: FormatTable,
    /// Whether a record can be refused by this table alone.
    pub(crate) may_refuse: bool,
}

#[async_trait]
impl TableProvider for PassTable {
    fn schema(&self) -> SchemaRef {
        self.scan.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// A filter is a hint: plans that share the rows may have others, so each filters its own.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> DataFusionResult<Vec<TableProviderFilterPushDown>> {
        let mut answers = self.scan.supports_filters_pushdown(filters)?;
        answers.iter_mut().filter(|answer| **answer == TableProviderFilterPushDown::Exact).for_each(|answer| {
            *answer = TableProviderFilterPushDown::Inexact;
        });
        Ok(answers)
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        self.scan.scan(state, projection, filters, limit).await
    }
}

/// One plan's place at a pass: which columns of which table it takes.
#[derive(Debug)]
pub(crate) struct Tap {
    pub(crate) source: usize,
    pub(crate) table: Option<String>,
    scan: FormatTable,
    /// Set when the plan is made.
    taken: Mutex<Option<Taken>>,
}

/// What a tap takes.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(crate) columns: Vec<usize>,
    /// What every row that the plan uses fulfils.
    pub(crate) filter: Vec<Condition>,
    pub(crate) queue: Arc<Queue>,
}

/// A table of the pass that a plan reads on its own, and that can refuse records: the pass looks at it too, for the account.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) source: usize,
    pub(crate) table: String,
    pub(crate) columns: Vec<usize>,
    pub(crate) filter: Vec<Condition>,
}

/// How a plan gets its rows.
#[derive(Debug)]
pub(crate) enum Supply {
    /// From the pass.
    Tap(Arc<Tap>),
    /// It reads the files on its own.
    OwnScan(Vec<Watched>),
}

impl Supply {
    /// The tap, where there is one.
    pub(crate) fn tap(&self) -> Option<&Arc<Tap>> {
        match self {
            Supply::Tap(tap) => Some(tap),
            Supply::OwnScan(_) => None,
        }
    }
}

impl Tap {
    pub(crate) fn taken(&self) -> Option<Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The plan with its pass table replaced by a stream, and the tap that feeds it. No tap when the plan reads no table of
/// the pass, more than one, or one twice (joins, unions, recursion): such a plan waits for one stream while the pass waits
/// for it to take from another, so it reads the files on its own.
pub(crate) fn tap_plan(plan: LogicalPlan, pass: u64) -> DataFusionResult<(LogicalPlan, Supply)> {
    let mut scans = 0;
    let mut watched = Vec::new();
    plan.apply_with_subqueries(|node| {
        match node {
            LogicalPlan::TableScan(scan) if is_of_pass(scan, pass) => {
                scans += 1;
                watched.extend(watch(scan));
            }
            LogicalPlan::RecursiveQuery(_) => scans += 2,
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    if scans != 1 {
        return Ok((plan, Supply::OwnScan(watched)));
    }
    let mut tap = None;
    let rewritten = plan.transform_up_with_subqueries(|node| {
        let LogicalPlan::TableScan(mut scan) = node else { return Ok(Transformed::no(node)) };
        let provider = source_as_provider(&scan.source);
        let Some(table) =
            provider.as_ref().ok().and_then(|provider| provider.downcast_ref::<PassTable>()).filter(|table| table.pass == pass)
        else {
            return Ok(Transformed::no(LogicalPlan::TableScan(scan)));
        };
        let new = Arc::new(Tap { source: table.source, table: table.table.clone(), scan: table.scan.clone(), taken: Mutex::default() });
        tap = Some(Arc::clone(&new));
        scan.source = provider_as_source(Arc::new(TapTable(new)));
        Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
    })?;
    Ok((rewritten.data, tap.map_or_else(|| Supply::OwnScan(Vec::new()), Supply::Tap)))
}

/// What a scan reads of a table that can refuse records.
fn watch(scan: &TableScan) -> Option<Watched> {
    let provider = source_as_provider(&scan.source).ok()?;
    let table = provider.downcast_ref::<PassTable>().filter(|table| table.may_refuse)?;
    Some(Watched {
        source: table.source,
        table: table.table.clone()?,
        columns: scan.projection.clone().unwrap_or_else(|| (0..table.schema().fields().len()).collect()),
        filter: table.scan.conditions(&scan.filters),
    })
}

fn is_of_pass(scan: &TableScan, pass: u64) -> bool {
    let provider = source_as_provider(&scan.source);
    provider.is_ok_and(|provider| provider.downcast_ref::<PassTable>().is_some_and(|table| table.pass == pass))
}

#[derive(Debug)]
struct TapTable(Arc<Tap>);

#[async_trait]
impl TableProvider for TapTable {
    fn schema(&self) -> SchemaRef {
        self.0.scan.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let partitions = state.config().target_partitions().max(1);
        let all = self.schema();
        let columns = projection.cloned().unwrap_or_else(|| (0..all.fields().len()).collect());
        let schema = Arc::new(all.project(&columns)?);
        let queue = Queue::new(partitions + 1, partitions);
        let taken = Taken { columns, filter: self.0.scan.conditions(filters), queue: Arc::clone(&queue) };
        *self.0.taken.lock().unwrap_or_else(PoisonError::into_inner) = Some(taken);
        let streams = (0..partitions).map(|_| {
            let partition = TapPartition { schema: Arc::clone(&schema), queue: Arc::clone(&queue), started: AtomicBool::new(false) };
            Arc::new(partition) as Arc<dyn PartitionStream>
        });
        Ok(Arc::new(StreamingTableExec::try_new(Arc::clone(&schema), streams.collect(), None, [], false, limit)?))
    }
}

struct TapPartition {
    schema: SchemaRef,
    queue: Arc<Queue>,
    started: AtomicBool,
}

impl fmt::Debug for TapPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TapPartition")
    }
}

impl PartitionStream for TapPartition {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let again = self.started.swap(true, Ordering::Relaxed);
        Box::pin(TapStream { schema: Arc::clone(&self.schema), queue: Arc::clone(&self.queue), again, ended: false })
    }
}

struct TapStream {
    schema: SchemaRef,
    queue: Arc<Queue>,
    /// Rows of a pass come once; a second run of the same plan must not look like an empty table.
    again: bool,
    ended: bool,
}

impl Stream for TapStream {
    type Item = DataFusionResult<RecordBatch>;

    fn poll_next(mut self: std::pin::Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let polled = if self.again {
            Poll::Ready(Some(Err(EngineError::Stopped { reason: "a plan read its table of the pass a second time".to_owned() })))
        } else {
            self.queue.poll(context)
        };
        self.ended = matches!(polled, Poll::Ready(None | Some(Err(_))));
        polled.map(|item| item.map(|batch| batch.map_err(DataFusionError::from)))
    }
}

impl RecordBatchStream for TapStream {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

impl Drop for TapStream {
    fn drop(&mut self) {
        if !self.again {
            self.queue.receiver_dropped();
        }
    }
}
