//! OpenLineage run events (schema 2-0-2): what was read, what was written, with schemas. Names and counts only, no content.

use std::{fs::File, io::Write, path::Path};

use serde_json::{Value as Json, json};

use crate::{
    Job,
    error::{JobError, Result},
    record::{ColumnRecord, RunReport},
    run::now,
    sourcenames::SourceNames,
};

/// Name of the file in the output folder; one event a line, runs one after the other.
pub(crate) const FILE: &str = "openlineage.ndjson";
const PRODUCER: &str = concat!("https://github.com/sutura/sutura/tree/v", env!("CARGO_PKG_VERSION"));
const SCHEMA: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";

/// The run begins.
pub(crate) fn start(job: &Job, names: &SourceNames, run_id: &str, time: &str) -> Json {
    let inputs: Vec<Json> = job
        .spec
        .sources
        .iter()
        .flat_map(|source| {
            let tables = job.format_of(source).map(|format| format.tables()).unwrap_or_default();
            tables.iter().filter(|table| is_read(job, &source.name, &table.name)).map(|table| {
                let facets = json!({ "schema": schema_facet(&ColumnRecord::of(&table.schema())) });
                {
                    let (namespace, name) = place(job, names, &source.name);
                    json!({ "namespace": namespace, "name": format!("{name}#{}", table.name), "facets": facets })
                }
            })
        })
        .collect();
    event(job, "START", run_id, time, &json!({}), &inputs, &[])
}

/// The run ended; one that a gate stopped counts as failed.
pub(crate) fn end(job: &Job, names: &SourceNames, report: &RunReport) -> Json {
    let outputs: Vec<Json> = report
        .sinks
        .iter()
        .map(|sink| {
            json!({
                "namespace": namespace(&sink.location),
                "name": sink.location,
                "facets": { "schema": schema_facet(&sink.columns), "columnLineage": column_lineage(job, names, sink) },
                "outputFacets": {
                    "outputStatistics": facet("1-0-2/OutputStatisticsOutputDatasetFacet.json", json!({
                        "rowCount": sink.rows, "size": sink.bytes, "fileCount": sink.files.len(),
                    })),
                },
            })
        })
        .collect();
    let inputs: Vec<Json> = report
        .sources
        .iter()
        .map(|source| {
            let (namespace, name) = place(job, names, &source.name);
            json!({
                "namespace": namespace,
                "name": name,
                "facets": {},
                "inputFacets": { "inputStatistics": facet("1-0-0/InputStatisticsInputDatasetFacet.json", json!({
                    "rowCount": source.account.records, "size": source.account.bytes, "fileCount": source.files.len(),
                })) },
            })
        })
        .collect();
    let kind = if report.status.published() { "COMPLETE" } else { "FAIL" };
    event(job, kind, &report.run_id, &report.finished, &error_facet(report.reason.as_deref()), &inputs, &outputs)
}

/// The run could not go on.
pub(crate) fn fail(job: &Job, run_id: &str, message: &str) -> Json {
    event(job, "FAIL", run_id, &now(), &error_facet(Some(message)), &[], &[])
}

/// Adds an event to the file.
pub(crate) fn append(file: &Path, event: &Json) -> Result<()> {
    let write = || {
        let mut handle = File::options().create(true).append(true).open(file)?;
        handle.write_all(format!("{event}\n").as_bytes())
    };
    write().map_err(|error| JobError::io(file, error))
}

fn event(job: &Job, kind: &str, run_id: &str, time: &str, run_facets: &Json, inputs: &[Json], outputs: &[Json]) -> Json {
    json!({
        "eventType": kind,
        "eventTime": time,
        "producer": PRODUCER,
        "schemaURL": SCHEMA,
        "run": { "runId": run_id, "facets": run_facets },
        "job": {
            "namespace": format!("sutura:{}", job.spec.project()),
            "name": job.spec.job.name,
            "facets": {
                "jobType": facet("2-0-3/JobTypeJobFacet.json", json!({
                    "processingType": "BATCH", "integration": "SUTURA", "jobType": "JOB",
                })),
                "sourceCode": facet("1-0-1/SourceCodeJobFacet.json", json!({ "language": "toml", "sourceCode": format!("sha256:{}", job.hash) })),
            },
        },
        "inputs": inputs,
        "outputs": outputs,
    })
}

fn facet(schema: &str, mut content: Json) -> Json {
    content["_producer"] = PRODUCER.into();
    content["_schemaURL"] = format!("https://openlineage.io/spec/facets/{schema}").into();
    content
}

fn error_facet(message: Option<&str>) -> Json {
    match message {
        Some(message) => json!({ "errorMessage": facet("1-0-1/ErrorMessageRunFacet.json", json!({
            "message": message, "programmingLanguage": "rust",
        })) }),
        None => json!({}),
    }
}

fn schema_facet(columns: &[ColumnRecord]) -> Json {
    let fields: Vec<Json> =
        columns.iter().map(|column| json!({ "name": column.name, "type": column.data_type, "description": column.doc })).collect();
    facet("1-1-1/SchemaDatasetFacet.json", json!({ "fields": fields }))
}

/// Which column of which source table a column came from.
fn column_lineage(job: &Job, names: &SourceNames, sink: &crate::record::SinkRecord) -> Json {
    let mut fields = serde_json::Map::new();
    for column in &sink.lineage {
        let inputs: Vec<Json> = column
            .sources
            .iter()
            .map(|(table, field)| {
                let (source, table) = table.split_once('.').unwrap_or((table.as_str(), ""));
                let (namespace, name) = place(job, names, source);
                json!({ "namespace": namespace, "name": format!("{name}#{table}"), "field": field })
            })
            .collect();
        fields.insert(column.column.clone(), json!({ "inputFields": inputs }));
    }
    facet("1-2-0/ColumnLineageDatasetFacet.json", json!({ "fields": fields }))
}

/// Namespace and name of a source. Its path may name a file, and so a person: where names are hidden, the job's word for it stands instead.
fn place(job: &Job, names: &SourceNames, source: &str) -> (String, String) {
    if names.are_hidden() {
        return (format!("sutura:{}", job.spec.project()), format!("{}.{source}", job.spec.job.name));
    }
    let path = job.spec.sources.iter().find(|known| known.name == source).map_or("", |known| known.path.as_str());
    (namespace(path), path.to_owned())
}

fn namespace(location: &str) -> String {
    match location.split_once("://") {
        Some((scheme, rest)) => format!("{scheme}://{}", rest.split('/').next().unwrap_or_default()),
        None => "file".to_owned(),
    }
}

/// Whether a step or sink names the table.
fn is_read(job: &Job, source: &str, table: &str) -> bool {
    let name = format!("{source}.{table}");
    crate::config::step_inputs(&job.spec).values().flatten().any(|input| *input == name)
        || job.spec.sinks.iter().any(|sink| sink.input == name)
}
