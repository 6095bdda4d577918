//! `sutura sql`: one query to the screen, a pipe or a file; without a query, a shell.

mod bound;
mod complete;
mod shell;

use std::{
    collections::BTreeMap,
    io::{IsTerminal, Write, stdin},
    path::PathBuf,
    sync::Arc,
};

use futures::StreamExt;
use sutura_core::ColumnMeta;
use sutura_engine::{
    DataFrame, Engine, EngineError, EngineOptions, SendableRecordBatchStream,
    arrow::datatypes::Schema,
    lineage,
    sink::{self, DisplayFormat, LateFacts, Layout, Printer, Purpose, RefusedColumn, SinkFormat, SinkSpec},
};

use sutura_privacy::{FileVault, KeyRing, PrivacyContext, Scope, Vault};

use super::{block_on, engine_with, fhir::places::refuse_own_files, own_terminology, profiles, read_text};
use crate::{
    args::{RowFormat, SqlArgs, SqlKeys},
    failure::{CLEAN, Failure, Outcome},
    output::{self, Console},
};

/// Where rows go and what they may show.
#[derive(Debug, Clone)]
struct Target {
    format: RowFormat,
    max_rows: usize,
    purpose: Option<String>,
}

/// Runs the command.
pub(crate) fn run(args: &SqlArgs, console: Console) -> Outcome {
    let target = Target { format: args.format, max_rows: args.max_rows as usize, purpose: args.allow.stated_purpose()?.map(str::to_owned) };
    let query = match (&args.query, &args.file) {
        (Some(query), _) => Some(query.clone()),
        (None, Some(file)) => Some(read_text(file)?),
        (None, None) if !stdin().is_terminal() => Some(read_text("-")?),
        (None, None) => None,
    };
    let privacy = privacy(&args.keys)?;
    let options = EngineOptions {
        policy: bound::policy(&args.policy, privacy.as_ref())?,
        privacy,
        profiles: profiles(&args.packages)?,
        terminology: own_terminology(&args.terminology, console)?.map(|files| files.terminology),
        ..EngineOptions::default()
    };
    let engine = engine_with(options, args.memory)?;
    let Some(query) = query else {
        if args.output.is_some() {
            return Err(Failure::configuration("-o needs a query; give one, or use -f"));
        }
        return shell::run(&engine, target, args.history.as_deref(), console);
    };
    if let Some(path) = &args.output {
        refuse_own_files(&args.terminology.files, &[PathBuf::from(path)])?;
    }
    let output = args.output.as_deref().map(|path| output_spec(path, args.overwrite, &target)).transpose()?;
    block_on(async {
        let statements = statements(&query);
        let Some((last, before)) = statements.split_last() else {
            return Err(Failure::configuration("the query is empty"));
        };
        for statement in before {
            // Views and settings for the last one.
            let frame = engine.sql(statement).await?;
            frame.collect().await.map_err(EngineError::from)?;
        }
        let frame = engine.sql(last).await?;
        match output {
            Some(spec) => write_file(&engine, frame, spec, console).await,
            None => print_rows(frame, &target, console).await.map(|_| ()),
        }
    })?;
    note_passed_over(&engine, console);
    Ok(CLEAN)
}

/// Keys, scope and vault of the privacy functions.
pub(super) fn privacy(keys: &SqlKeys) -> Outcome<Option<Arc<PrivacyContext>>> {
    privacy_with(keys, |vault| Arc::new(vault))
}

/// The same with a vault that is asked in another way.
pub(super) fn privacy_with(keys: &SqlKeys, vault_of: fn(FileVault) -> Arc<dyn Vault>) -> Outcome<Option<Arc<PrivacyContext>>> {
    let ring = match (&keys.key_file, &keys.key_env) {
        (Some(file), _) => KeyRing::from_file(file)?,
        (None, Some(variable)) => KeyRing::from_env(variable)?,
        (None, None) if keys.project.is_some() => {
            return Err(Failure::configuration("--project needs the key: give --key-file FILE or --key-env VARIABLE"));
        }
        (None, None) => return Ok(None),
    };
    let Some(project) = &keys.project else {
        return Err(Failure::configuration(
            "a key needs --project NAME: pseudonyms, shifts and codes agree only with those of the same project and domain",
        ));
    };
    let scope = Scope::new(project, keys.domain.as_deref().unwrap_or_default());
    let vault = match &keys.vault {
        Some(file) => Some(vault_of(FileVault::open(file, &ring, &scope)?)),
        None => None,
    };
    Ok(Some(Arc::new(PrivacyContext::new(&ring, scope, vault)?)))
}

/// Cuts a text at its semicolons, but not inside quotes or comments.
fn statements(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\'' | '"' => while chars.next().is_some_and(|(_, inner)| inner != c) {},
            '-' if chars.peek().is_some_and(|(_, next)| *next == '-') => while chars.next().is_some_and(|(_, inner)| inner != '\n') {},
            '/' if chars.peek().is_some_and(|(_, next)| *next == '*') => {
                chars.next();
                let mut previous = ' ';
                for (_, inner) in chars.by_ref() {
                    if previous == '*' && inner == '/' {
                        break;
                    }
                    previous = inner;
                }
            }
            ';' => {
                found.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    found.push(&text[start..]);
    found.into_iter().map(str::trim).filter(|statement| !statement.is_empty()).map(str::to_owned).collect()
}

/// Says which records are in no row: a result is not to be taken for a whole one.
fn note_passed_over(engine: &Engine, console: Console) {
    let listed =
        |counts: &BTreeMap<String, u64>| counts.iter().map(|(code, count)| format!("{code}: {count}")).collect::<Vec<_>>().join(", ");
    for passed in engine.take_passed_over() {
        if !passed.codes.is_empty() {
            let records = output::count(passed.codes.values().sum::<u64>() as usize, "record");
            console.note(&format!("{}: {records} rejected ({}), see {}", passed.read, listed(&passed.codes), passed.rejects));
        }
        if !passed.findings.is_empty() {
            console.note(&format!("{}: found in its files: {}", passed.read, listed(&passed.findings)));
        }
    }
}

fn output_spec(path: &str, overwrite: bool, target: &Target) -> Outcome<SinkSpec> {
    let (format, compression) = SinkFormat::from_file_name(path).ok_or_else(|| {
        Failure::configuration(format!(
            "{path}: the file name does not say a format; end it in .parquet, .csv, .ndjson or .arrow (.csv.gz, .csv.zst, .ndjson.gz, .ndjson.zst)"
        ))
    })?;
    let allow_phi = target.purpose.clone().map(|text| Purpose { text });
    Ok(SinkSpec { layout: Layout::File, compression, allow_phi, overwrite, ..SinkSpec::new(format, path) })
}

async fn write_file(engine: &Engine, frame: DataFrame, spec: SinkSpec, console: Console) -> Outcome<()> {
    // Before anything is read: the columns, and what to do about them in the words of this command.
    refuse_identifying(&lineage::classified_schema(&frame), spec.allow_phi.is_some(), &spec.location)?;
    let report = sink::write(engine, frame, spec).await?;
    console.note(&format!("wrote {} rows, {} bytes to {}", report.rows, report.bytes, report.location));
    Ok(())
}

/// Refuses identifying columns, all of them named, unless they are allowed.
pub(super) fn refuse_identifying(schema: &Schema, allowed: bool, target: &str) -> Outcome<()> {
    let refused = identifying(schema);
    if allowed || refused.is_empty() {
        return Ok(());
    }
    let names = refused.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    Err(Failure::configuration(format!(
        "{target} would hold identifying columns: {names}; leave them out, treat them with a function (pseudonym(), age_band(), zip3(), ...), \
         or state why they are needed with --allow-phi --purpose TEXT"
    )))
}

pub(super) fn identifying(schema: &Schema) -> Vec<RefusedColumn> {
    let fields = schema.fields().iter().map(|field| (field, ColumnMeta::from_field(field)));
    fields
        .filter(|(_, meta)| meta.must_refuse())
        .map(|(field, meta)| RefusedColumn { name: field.name().clone(), class: meta.phi })
        .collect()
}

/// Prints a query's rows; answers how many there were.
async fn print_rows(frame: DataFrame, target: &Target, console: Console) -> Outcome<u64> {
    let schema = lineage::classified_schema(&frame);
    let hidden = if target.purpose.is_some() { Vec::new() } else { identifying(&schema) };
    let format = match target.format {
        RowFormat::Table => DisplayFormat::Table,
        RowFormat::Ndjson => DisplayFormat::Ndjson,
        RowFormat::Csv => DisplayFormat::Csv,
        RowFormat::Json => DisplayFormat::Json,
    };
    if format != DisplayFormat::Table {
        refuse_identifying(&schema, target.purpose.is_some(), "the output")?;
    }
    if schema.fields().is_empty() {
        // A statement without a result, such as CREATE VIEW.
        frame.collect().await.map_err(EngineError::from)?;
        return Ok(0);
    }
    let stream = frame.execute_stream().await.map_err(EngineError::from)?;
    let rows = print_stream(stream, &schema, format, target.max_rows, !hidden.is_empty(), None).await?;
    if !hidden.is_empty() {
        let names = hidden.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        console.note(&format!("identifying columns show as their class: {names}; --allow-phi --purpose TEXT shows their values"));
    }
    Ok(rows)
}

pub(super) async fn print_stream(
    mut stream: SendableRecordBatchStream,
    schema: &Schema,
    format: DisplayFormat,
    max_rows: usize,
    mask: bool,
    until: Option<LateFacts>,
) -> Outcome<u64> {
    let shown_schema = if mask {
        let empty = sutura_engine::arrow::array::RecordBatch::new_empty(stream.schema());
        sink::mask_identifying(schema, &empty)?.schema()
    } else {
        stream.schema()
    };
    let mut out = output::stdout();
    let mut printer = Printer::new(&mut out, format, Arc::clone(&shown_schema), max_rows)?;
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(EngineError::from)?;
        let batch = if mask { sink::mask_identifying(schema, &batch)? } else { batch };
        printer.write(&batch)?;
    }
    if let Some(facts) = until {
        facts.wait().await?;
    }
    let rows = printer.finish()?;
    out.flush().map_err(|error| Failure::io("standard output", &error))?;
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_at_its_own_semicolons() {
        let text = "create view v as select ';' as \"a;b\" -- ; no\n; select /* ; */ 1;\n ; ";
        assert_eq!(statements(text), ["create view v as select ';' as \"a;b\" -- ; no", "select /* ; */ 1"]);
        assert!(statements(" ;; ").is_empty());
        assert_eq!(statements("select 'open ; quote"), ["select 'open ; quote"]);
    }
}
