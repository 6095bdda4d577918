//! SQL table functions: `read_<format>(path [, table [, options]])` and `rejects(path [, format [, options]])`.
//!
//! In place of a table `read_fhir` takes a view: the path of a ViewDefinition (`.json`), or its text. In place of a format `rejects`
//! does: then what the view refuses is among the rejects.
//!
//! `options` is JSON text with the format's own options. SQL has no named arguments here: DataFusion refuses them.

use std::{path::Path, sync::Arc};

use datafusion::{
    catalog::{TableFunctionArgs, TableFunctionImpl, TableProvider, view::ViewTable},
    common::{Result as DataFusionResult, ScalarValue},
    datasource::provider_as_source,
    functions_aggregate::expr_fn::{avg, count, count_distinct, max, min, percentile_cont, stddev, sum},
    logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, ident, lit},
};
use sutura_core::{Aggregate, Format, Grouping};

use crate::{
    engine::Readers,
    error::{EngineError, Result},
    files::holds_files,
    passed_over::{Call, quoted},
    scan::FormatTable,
    views::{format_with, is_inline, is_view},
};

/// `read_<format>`.
#[derive(Debug)]
pub(crate) struct ReadFunction {
    pub(crate) readers: Readers,
    pub(crate) format: Arc<dyn Format>,
}

impl TableFunctionImpl for ReadFunction {
    fn call_with_args(&self, args: TableFunctionArgs<'_, '_>) -> DataFusionResult<Arc<dyn TableProvider>> {
        let name = format!("read_{}", self.format.name());
        let usage = format!("write {name}('path' [, 'table' [, '{{\"option\": value}}']])");
        let (path, table, options) = arguments(&name, &usage, args.exprs())?;
        let call = Call::of(&self.format, &path, table.as_deref(), &options);
        let (format, table) = match table {
            Some(view) if is_view(&view) => format_with(self.format.as_ref(), &view).map(|(format, table)| (format, Some(table)))?,
            table => (Arc::clone(&self.format), table),
        };
        let grouping = format.groupings().iter().find(|grouping| Some(grouping.name) == table.as_deref()).cloned();
        let table = grouping.as_ref().map_or(table, |grouping| Some(grouping.of.to_owned()));
        let rows = Arc::new(FormatTable::at(&self.readers, format, table.as_deref(), &path, options)?.called(call));
        match grouping {
            Some(grouping) => Ok(Arc::new(ViewTable::new(grouped(&grouping, rows)?, None))),
            None => Ok(rows),
        }
    }
}

/// The plan of a table of groups over the rows of another.
fn grouped(grouping: &Grouping, rows: Arc<dyn TableProvider>) -> DataFusionResult<LogicalPlan> {
    let aggregates = grouping.columns.iter().map(|(name, aggregate, column)| {
        let column = ident(*column);
        let made = match aggregate {
            Aggregate::Min => min(column),
            Aggregate::Max => max(column),
            Aggregate::Sum => sum(column),
            Aggregate::Count => count(column),
            Aggregate::CountDistinct => count_distinct(column),
            Aggregate::Mean => avg(column),
            Aggregate::Sd => stddev(column),
            Aggregate::Percentile(percent) => percentile_cont(column.sort(true, false), lit(f64::from(*percent) / 100.0)),
        };
        made.alias(*name)
    });
    LogicalPlanBuilder::scan(grouping.of, provider_as_source(rows), None)?
        .aggregate(grouping.key.iter().map(|column| ident(*column)), aggregates)?
        .build()
}

impl Call {
    /// The call, and the one that shows its rejects: it names the format, or the view that is to refuse the same. The text of a view
    /// is left out.
    fn of(format: &Arc<dyn Format>, path: &str, table: Option<&str>, options: &serde_json::Value) -> Self {
        let shown = |argument: &str| if is_inline(argument) { "'{...}'".to_owned() } else { quoted(argument) };
        let options = if options.is_null() { String::new() } else { format!(", {}", quoted(&options.to_string())) };
        let path = quoted(path);
        let read = match table {
            Some(table) => format!("read_{}({path}, {}{options})", format.name(), shown(table)),
            None if options.is_empty() => format!("read_{}({path})", format.name()),
            None => format!("read_{}({path}, null{options})", format.name()),
        };
        let from = table.filter(|table| is_view(table)).map_or_else(|| quoted(format.name()), shown);
        Self { read, rejects: format!("rejects({path}, {from}{options})") }
    }
}

/// `rejects`.
#[derive(Debug)]
pub(crate) struct RejectsFunction {
    pub(crate) readers: Readers,
}

impl TableFunctionImpl for RejectsFunction {
    fn call_with_args(&self, args: TableFunctionArgs<'_, '_>) -> DataFusionResult<Arc<dyn TableProvider>> {
        let usage = "write rejects('path' [, 'format' [, '{\"option\": value}']])";
        let (path, format, options) = arguments("rejects", usage, args.exprs())?;
        let format = match format {
            Some(view) if is_view(&view) => format_with(self.readers.formats.get("fhir")?.as_ref(), &view)?.0,
            Some(name) => self.readers.formats.get(&name)?,
            None => format_of_path(&self.readers, &path)?,
        };
        Ok(Arc::new(FormatTable::rejects_at(&self.readers, format, &path, options)?))
    }
}

/// The only format, or the one whose extension the path has. A folder has none: of a local one what is in it tells, and else it is taken
/// for HL7 v2.
fn format_of_path(readers: &Readers, path: &str) -> Result<Arc<dyn Format>> {
    let mut formats = readers.formats.all();
    let is_folder = !path.rsplit('/').next().unwrap_or(path).contains('.') || Path::new(path).is_dir();
    if is_folder {
        formats.retain(|format| holds_files(path, format.extensions()));
        return match <[Arc<dyn Format>; 1]>::try_from(formats) {
            Ok([format]) => Ok(format),
            Err(_) => readers.formats.get("hl7v2"),
        };
    }
    if formats.len() > 1 {
        let path = path.to_ascii_lowercase();
        let bare = [".gz", ".zst", ".zstd"].iter().find_map(|packed| path.strip_suffix(packed)).unwrap_or(&path);
        formats
            .retain(|format| format.extensions().iter().any(|extension| !extension.is_empty() && bare.ends_with(&format!(".{extension}"))));
    }
    match <[Arc<dyn Format>; 1]>::try_from(formats) {
        Ok([format]) => Ok(format),
        Err(_) => Err(EngineError::BadCall {
            function: "rejects".to_owned(),
            reason: "the format cannot be told from the path; name it: rejects('path', 'format')".to_owned(),
        }),
    }
}

/// `(text [, text or null [, JSON text or null]])`.
fn arguments(function: &str, usage: &str, exprs: &[Expr]) -> Result<(String, Option<String>, serde_json::Value)> {
    let bad = |reason: String| EngineError::BadCall { function: function.to_owned(), reason };
    if exprs.is_empty() || exprs.len() > 3 {
        return Err(bad(format!("takes one to three arguments, not {}; {usage}", exprs.len())));
    }
    let mut texts = Vec::with_capacity(3);
    for (position, expr) in exprs.iter().enumerate() {
        texts.push(text(expr).map_err(|NotText| bad(format!("argument {} is not a text literal; {usage}", position + 1)))?);
    }
    let mut texts = texts.into_iter();
    let path = texts.next().flatten().ok_or_else(|| bad(format!("the path is null; {usage}")))?;
    let second = texts.next().flatten();
    let options = match texts.next().flatten() {
        Some(json) => serde_json::from_str(&json).map_err(|error| bad(format!("the options are not JSON ({error}); {usage}")))?,
        None => serde_json::Value::Null,
    };
    Ok((path, second, options))
}

/// An argument that is no text literal.
struct NotText;

/// The text, `None` for null.
fn text(expr: &Expr) -> Result<Option<String>, NotText> {
    match expr {
        Expr::Literal(ScalarValue::Utf8(text) | ScalarValue::Utf8View(text) | ScalarValue::LargeUtf8(text), _) => Ok(text.clone()),
        Expr::Literal(ScalarValue::Null, _) => Ok(None),
        _ => Err(NotText),
    }
}
