//! `sutura fhir view`: files through views into tables, in one pass.

use std::{
    collections::{BTreeMap, HashSet},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use serde_json::json;
use sutura_core::{Format, Sha256Hash, ViewText};
use sutura_engine::{
    Engine,
    arrow::datatypes::Schema,
    datafusion::common::TableReference,
    pass::{AccountsHandler, Consumer, PassOptions, PassProgress, SharedPass, SinkError, SourceSpec, Totals},
    sink::{self, DisplayFormat, LateFacts, Layout, Purpose, SinkFormat, SinkReport, SinkSpec},
    views::read_view,
};
use sutura_fhir::{
    read::{Fhir, view_table_name},
    view::View,
};

use super::{
    places::{refuse_own_input, require_file},
    resources::{findings_json, note_lost, note_pipes},
};
use crate::{
    args::fhir::{FhirViewArgs, ViewFormat},
    commands::{
        block_on, engine,
        sql::{identifying, print_stream, refuse_identifying},
    },
    failure::{CLEAN, Failure, Outcome, TOO_MANY_REJECTS},
    output::{self, Console},
    progress,
};

/// The schema that the tables of the pass are in.
const SOURCE: &str = "input";

/// One view, and where its rows go.
struct ViewOutput {
    /// What people call it.
    name: String,
    /// Its table in the pass.
    table: String,
    sha256: Sha256Hash,
    schema: Schema,
    target: Target,
}

/// Where rows go.
#[derive(Clone)]
enum Target {
    Screen(DisplayFormat),
    File(SinkSpec),
}

/// Runs the command.
pub(crate) fn run(args: &FhirViewArgs, console: Console) -> Outcome {
    let purpose = args.allow.stated_purpose()?.map(|text| Purpose { text: text.to_owned() });
    let (format, views) = views(args, purpose.as_ref())?;
    for view in &views {
        match &view.target {
            Target::Screen(DisplayFormat::Table) => {}
            Target::Screen(_) => refuse_identifying(&view.schema, purpose.is_some(), "the output")?,
            Target::File(spec) => refuse_identifying(&view.schema, purpose.is_some(), &spec.location)?,
        }
    }
    for file in local_outputs(&views) {
        require_file(&file)?;
    }
    let engine = engine(None, None)?;
    block_on(write(&engine, args, format, views, purpose.is_some(), console))
}

/// Reads and compiles the views, and says where each one goes.
fn views(args: &FhirViewArgs, purpose: Option<&Purpose>) -> Outcome<(Arc<dyn Format>, Vec<ViewOutput>)> {
    let mut texts = Vec::with_capacity(args.views.len());
    let mut named = Vec::with_capacity(args.views.len());
    let mut names = HashSet::new();
    for file in &args.views {
        let text = read_view(file)?;
        let bad = |reason: String| Failure::configuration(format!("view {}: {reason}", file.display()));
        let view = View::from_json(&text.text).map_err(|error| bad(error.to_string()))?;
        let name = view_table_name(&view, &text.origin).map_err(bad)?;
        if !names.insert(name.clone()) {
            return Err(bad(format!("another view is called {name} already; give one of them another name")));
        }
        // Not the name of any table of the format.
        let table = format!("view {name}");
        let schema = view.table(&table).schema();
        named.push((name, table.clone(), Sha256Hash::of(&text.text), schema));
        texts.push(ViewText { name: Some(table), ..text });
    }
    let format = Fhir.with_views(&texts).map_err(Failure::configuration)?;
    let mut outputs = Vec::with_capacity(named.len());
    for (name, table, sha256, schema) in named {
        let target = target(args, &name, names.len(), purpose)?;
        outputs.push(ViewOutput { name, table, sha256, schema: Schema::clone(&schema), target });
    }
    Ok((format, outputs))
}

fn target(args: &FhirViewArgs, view: &str, views: usize, purpose: Option<&Purpose>) -> Outcome<Target> {
    let Some(output) = &args.output else {
        return match args.format {
            _ if views > 1 => Err(Failure::configuration("several views need a folder to be written into: give -o DIR")),
            None => Ok(Target::Screen(DisplayFormat::Table)),
            Some(ViewFormat::Csv) => Ok(Target::Screen(DisplayFormat::Csv)),
            Some(ViewFormat::Ndjson) => Ok(Target::Screen(DisplayFormat::Ndjson)),
            Some(ViewFormat::Parquet | ViewFormat::Arrow) => Err(Failure::configuration("this format needs a file: give -o FILE")),
        };
    };
    let asked = args.format.map(|format| match format {
        ViewFormat::Parquet => SinkFormat::Parquet,
        ViewFormat::Csv => SinkFormat::Csv,
        ViewFormat::Ndjson => SinkFormat::Ndjson,
        ViewFormat::Arrow => SinkFormat::Arrow,
    });
    let (format, compression, location) = match SinkFormat::from_file_name(output).filter(|_| !output.ends_with('/')) {
        Some(_) if views > 1 => {
            return Err(Failure::configuration(format!("{output}: several views cannot go into one file; give a folder")));
        }
        Some((format, _)) if asked.is_some_and(|asked| asked != format) => {
            return Err(Failure::configuration(format!("{output}: the file's name says another format than --format; leave --format out")));
        }
        Some((format, compression)) => (format, compression, output.clone()),
        None => {
            let format = asked.unwrap_or(SinkFormat::Parquet);
            (format, None, format!("{}/{view}.{}", output.trim_end_matches('/'), format.extension()))
        }
    };
    let spec = SinkSpec {
        layout: Layout::File,
        compression,
        allow_phi: purpose.cloned(),
        overwrite: args.overwrite,
        ..SinkSpec::new(format, location)
    };
    Ok(Target::File(spec))
}

/// The files of the local file system that are going to be written.
fn local_outputs(views: &[ViewOutput]) -> Vec<PathBuf> {
    let location = |view: &ViewOutput| match &view.target {
        Target::File(spec) => Some(spec.location.strip_prefix("file://").unwrap_or(&spec.location).to_owned()),
        Target::Screen(_) => None,
    };
    views.iter().filter_map(location).filter(|location| !location.contains("://")).map(PathBuf::from).collect()
}

/// What became of a view's rows.
enum Written {
    Printed(u64),
    File(SinkReport),
}

async fn write(
    engine: &Engine,
    args: &FhirViewArgs,
    format: Arc<dyn Format>,
    views: Vec<ViewOutput>,
    allowed: bool,
    console: Console,
) -> Outcome {
    let clock = Instant::now();
    let source =
        SourceSpec { locations: args.paths.clone(), instance: Some(format), ..SourceSpec::new(SOURCE, Fhir.name(), String::new()) };
    let pass = SharedPass::new(engine, vec![source]).await?;
    refuse_own_input(pass.files(SOURCE), &local_outputs(&views))?;
    note_pipes(pass.files(SOURCE), false, console)?;
    let (facts_sender, facts) = LateFacts::channel();
    let mut consumers = Vec::with_capacity(views.len());
    for view in &views {
        consumers.push(consumer(engine, view, allowed, args.max_rows as usize, &facts).await?);
    }
    // The files wait for the account: with too many rejects none of them is published.
    let too_many = Arc::new(AtomicBool::new(false));
    let (flag, most) = (Arc::clone(&too_many), args.max_rejects);
    let on_accounted = AccountsHandler::new(move |files| {
        let mut totals = Totals::default();
        for file in files {
            totals.add(file);
        }
        if totals.rejected as f64 > most * totals.records as f64 {
            flag.store(true, Ordering::Relaxed);
            return;
        }
        let counts = [("in", totals.records), ("accepted", totals.accepted), ("rejected", totals.rejected)];
        facts_sender.send(counts.map(|(name, count)| (format!("sutura.records.{name}"), count.to_string())).into());
    });
    let progress = Arc::new(PassProgress::default());
    let bar = progress::pass(console, Arc::clone(&progress));
    let options = PassOptions { progress: Some(progress), on_accounted: Some(on_accounted), skip_hashes: true, ..PassOptions::default() };
    let result = pass.run(consumers, options).await;
    drop(bar);
    if too_many.load(Ordering::Relaxed) {
        // A table waits for the account as files do; rows of other forms are on their way by then.
        let is_stream = |view: &ViewOutput| matches!(view.target, Target::Screen(DisplayFormat::Csv | DisplayFormat::Ndjson));
        let end = if views.iter().any(is_stream) { "do not use the rows that were printed" } else { "nothing was written" };
        let message = format!("more than {} of the records were rejected; {end}", args.max_rejects);
        return Err(Failure { code: TOO_MANY_REJECTS, message });
    }
    let report = result?;
    let stats = report.stats(SOURCE);
    let equation = format!("{} records in = {} accepted + {} rejected", stats.records, stats.accepted, stats.rejected);
    if args.json {
        let outputs: Vec<_> = views.iter().zip(&report.consumers).map(|(view, made)| summary(view, &made.output)).collect();
        output::print_json(&json!({
            "records": stats.records, "accepted": stats.accepted, "rejected": stats.rejected, "rejects": stats.rejects_by_code,
            "findings": findings_json(&stats),
            "files": report.files.len(), "bytes": stats.bytes, "seconds": clock.elapsed().as_secs_f64(), "views": outputs,
        }))?;
        return Ok(CLEAN);
    }
    for (view, made) in views.iter().zip(&report.consumers) {
        match &made.output {
            Written::File(file) => {
                console.note(&format!("{}: {} rows, {} bytes in {}", view.name, file.rows, file.bytes, file.location));
            }
            Written::Printed(_) => hidden_note(view, allowed, console),
        }
    }
    let codes: Vec<String> = stats.rejects_by_code.iter().map(|(code, count)| format!("{code}: {count}")).collect();
    let codes = if codes.is_empty() { String::new() } else { format!(" ({})", codes.join(", ")) };
    console.note(&format!("{equation}{codes}"));
    note_lost(&stats, console);
    Ok(CLEAN)
}

async fn consumer(engine: &Engine, view: &ViewOutput, allowed: bool, max_rows: usize, facts: &LateFacts) -> Outcome<Consumer<Written>> {
    let table = TableReference::partial(SOURCE, view.table.clone());
    let frame = engine.session().table(table).await.map_err(sutura_engine::EngineError::from)?;
    let schema = view.schema.clone();
    Ok(match view.target.clone() {
        Target::Screen(format) => {
            let mask = !allowed && !identifying(&schema).is_empty();
            let until = (format == DisplayFormat::Table).then(|| facts.clone());
            Consumer::new(&view.name, frame, move |stream| async move {
                let printed = print_stream(stream, &schema, format, max_rows, mask, until).await;
                printed.map(Written::Printed).map_err(|failure| SinkError::from(failure.message))
            })
        }
        Target::File(spec) => {
            let metadata: BTreeMap<String, String> = [("name", view.name.clone()), ("sha256", view.sha256.to_string())]
                .map(|(key, value)| (format!("sutura.view.{key}"), value))
                .into();
            let spec = SinkSpec { metadata, late_metadata: Some(facts.clone()), ..spec };
            let engine = engine.clone();
            Consumer::new(&view.name, frame, move |stream| async move {
                Ok(Written::File(sink::write_stream(&engine, stream, &schema, spec).await?))
            })
        }
    })
}

fn hidden_note(view: &ViewOutput, allowed: bool, console: Console) {
    let hidden = identifying(&view.schema);
    if !allowed && !hidden.is_empty() {
        let names = hidden.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        console.note(&format!("identifying columns show as their class: {names}; --allow-phi --purpose TEXT shows their values"));
    }
}

fn summary(view: &ViewOutput, written: &Written) -> serde_json::Value {
    match written {
        Written::Printed(rows) => json!({ "view": view.name, "rows": rows }),
        Written::File(report) => json!({
            "view": view.name, "rows": report.rows, "bytes": report.bytes, "location": report.location,
            "sha256": report.files.first().map(|file| &file.sha256), "identifying": report.allowed_columns,
        }),
    }
}
