//! A table of a format over a set of files, as DataFusion sees it.

use std::{fmt, sync::Arc};

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::{
    catalog::{Session, TableProvider},
    common::Result as DataFusionResult,
    datasource::{
        listing::PartitionedFile,
        physical_plan::{FileGroup, FileScanConfigBuilder},
        source::DataSourceExec,
    },
    execution::object_store::ObjectStoreUrl,
    logical_expr::{Expr, TableProviderFilterPushDown, TableType},
    physical_plan::{ExecutionPlan, empty::EmptyExec, union::UnionExec},
};
use sutura_core::{Condition, Format, Pushed};

use crate::{
    engine::Readers,
    error::Result,
    files::SourceFile,
    passed_over::{Call, ScanTally},
    scan::{
        filter::condition,
        groups::{Unit, groups, units},
        source::{FormatSource, ScanTable},
    },
};

/// Which files a table reads.
#[derive(Clone)]
enum Files {
    /// Looked up when a query is planned, so that a table function needs no waiting and sees new files.
    Location(String),
    /// Known.
    List(Arc<[Arc<SourceFile>]>),
}

/// One table of a format over files, or the rejects of reading them.
#[derive(Clone)]
pub(crate) struct FormatTable {
    readers: Readers,
    format: Arc<dyn Format>,
    table: ScanTable,
    options: serde_json::Value,
    files: Files,
    schema: SchemaRef,
    /// Where a query names it: then what its scans pass over is counted.
    call: Option<Arc<Call>>,
}

impl fmt::Debug for FormatTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FormatTable").field("format", &self.format.name()).field("table", &self.table.name()).finish_non_exhaustive()
    }
}

impl FormatTable {
    /// A table (`None`: the format's first) of the files behind a location. `options` are the format's, `Null` for none.
    pub(crate) fn at(
        readers: &Readers,
        format: Arc<dyn Format>,
        table: Option<&str>,
        location: &str,
        options: serde_json::Value,
    ) -> Result<Self> {
        let table = match table {
            Some(table) => format.table(table).map_or_else(|| table.to_owned(), |known| known.name.clone()),
            None => format.tables().first().map_or_else(String::new, |table| table.name.clone()),
        };
        let table = ScanTable::Rows(table);
        Self::new(readers, format, table, options, Files::Location(location.to_owned()))
    }

    /// The rejects of the files behind a location.
    pub(crate) fn rejects_at(readers: &Readers, format: Arc<dyn Format>, location: &str, options: serde_json::Value) -> Result<Self> {
        Self::new(readers, format, ScanTable::Rejects, options, Files::Location(location.to_owned()))
    }

    /// A table of known files; `rejects` is one too.
    pub(crate) fn of_files(
        readers: &Readers,
        format: Arc<dyn Format>,
        table: ScanTable,
        options: serde_json::Value,
        files: Arc<[Arc<SourceFile>]>,
    ) -> Result<Self> {
        Self::new(readers, format, table, options, Files::List(files))
    }

    fn new(readers: &Readers, format: Arc<dyn Format>, table: ScanTable, options: serde_json::Value, files: Files) -> Result<Self> {
        format.check_options(&options)?;
        let schema = table.schema(format.as_ref())?;
        Ok(Self { readers: readers.clone(), format, table, options, files, schema, call: None })
    }

    /// As what a query names it.
    pub(crate) fn called(self, call: Call) -> Self {
        Self { call: Some(Arc::new(call)), ..self }
    }

    /// The condition that a filter is, and what the format makes of it.
    fn pushed(&self, filter: &Expr) -> Option<(Condition, Pushed)> {
        let ScanTable::Rows(table) = &self.table else { return None };
        let condition = condition(filter, &self.schema)?;
        let pushed = self.format.pushes(table, &condition);
        (pushed > Pushed::No).then_some((condition, pushed))
    }

    /// The filters that the format can apply, as conditions.
    pub(crate) fn conditions(&self, filters: &[Expr]) -> Vec<Condition> {
        filters.iter().filter_map(|filter| self.pushed(filter)).map(|(condition, _)| condition).collect()
    }

    async fn files(&self) -> Result<Arc<[Arc<SourceFile>]>> {
        match &self.files {
            Files::List(files) => Ok(Arc::clone(files)),
            Files::Location(location) => {
                let files = self.readers.files(location, self.format.extensions()).await?;
                Ok(files.into_iter().map(Arc::new).collect())
            }
        }
    }
}

#[async_trait]
impl TableProvider for FormatTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// A filter that the format applies exactly is not looked at again.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> DataFusionResult<Vec<TableProviderFilterPushDown>> {
        let answer = |filter: &&Expr| match self.pushed(filter) {
            Some((_, Pushed::Exact)) => TableProviderFilterPushDown::Exact,
            Some(_) => TableProviderFilterPushDown::Inexact,
            None => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(answer).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let filter = self.conditions(filters);
        let files = self.files().await?;
        let mut stores: Vec<ObjectStoreUrl> = Vec::new();
        for file in files.iter() {
            if !stores.contains(&file.store) {
                stores.push(file.store.clone());
            }
        }
        let options = &self.readers.options;
        let workers = state.config().target_partitions();
        let tally = self.call.as_ref().map(|call| ScanTally::new(&self.readers.passed_over, call));
        let mut plans: Vec<Arc<dyn ExecutionPlan>> = Vec::with_capacity(stores.len());
        for store in stores {
            let here: Vec<Arc<SourceFile>> = files.iter().filter(|file| file.store == store).cloned().collect();
            let units = units(&here, self.format.splittable(), workers, options.min_range_bytes);
            let source = FormatSource::new(Arc::clone(&self.format), self.table.clone(), self.options.clone(), options)?
                .with_filter(filter.clone())
                .with_tally(tally.clone());
            let config = FileScanConfigBuilder::new(store, Arc::new(source))
                .with_file_groups(
                    groups(units, workers).into_iter().map(|units| FileGroup::new(units.iter().map(partitioned).collect())).collect(),
                )
                .with_projection_indices(projection.cloned())?
                .with_batch_size(Some(state.config().batch_size()))
                .with_limit(limit)
                .build();
            plans.push(DataSourceExec::from_data_source(config));
        }
        match plans.len() {
            0 => {
                let schema = projection.map_or_else(|| Ok(self.schema()), |columns| self.schema.project(columns).map(Arc::new))?;
                Ok(Arc::new(EmptyExec::new(schema)))
            }
            1 => Ok(plans.remove(0)),
            _ => UnionExec::try_new(plans),
        }
    }
}

fn partitioned(unit: &Unit) -> PartitionedFile {
    let file = PartitionedFile::new_from_meta(unit.file.object_meta()).with_extension(Arc::clone(&unit.file));
    match unit.range {
        Some((start, end)) => file.with_range(start as i64, end as i64),
        None => file,
    }
}
