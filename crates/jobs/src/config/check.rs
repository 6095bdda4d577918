//! What a job means: names that are used twice, tables that nobody makes, circles, formats and their tables, keys that are
//! missing or too many. Everything here is known without opening a source.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use sutura_quality::{Gate, GateMeasure, check_specs};

use super::{
    files::{TEXT_LIMIT, read_text},
    formats::SourceFormats,
    load::{Problems, at},
    place::{Place, SourcePlace},
    problem::nearest,
    sql::tables_of,
};
use crate::model::{JobFile, QualityStep, SinkFormat, StepSection};

/// Checks the whole job.
pub(super) fn check(spec: &JobFile, formats: &SourceFormats, problems: &mut Problems<'_>) {
    check_name(&spec.job.name, true, &at!["job", "name"], problems);
    check_sources(spec, formats, problems);
    check_steps(spec, problems);
    let tables = Tables::new(spec, formats);
    check_inputs(spec, &tables, problems);
    check_circles(spec, problems);
    check_sinks(spec, &tables, problems);
    check_privacy(spec, problems);
    if let Some(share) = spec.gates.rejects_max_share
        && !(0.0..=1.0).contains(&share)
    {
        problems.add(&at!["gates", "rejects_max_share"], "must be between 0 and 1", None);
    }
}

fn check_name(name: &str, hyphen: bool, path: &[super::document::Part], problems: &mut Problems<'_>) {
    let fits =
        |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || character == '_' || (hyphen && character == '-');
    if name.is_empty() || !name.chars().all(fits) || !name.starts_with(|first: char| first.is_ascii_lowercase()) {
        let allowed = if hyphen { "lower-case letters, digits, `_` and `-`" } else { "lower-case letters, digits and `_`" };
        problems.add(path, format!("a name is made of {allowed}, and starts with a letter"), None);
    }
}

fn check_sources(spec: &JobFile, formats: &SourceFormats, problems: &mut Problems<'_>) {
    if spec.sources.is_empty() {
        problems.add(&[], "the job reads nothing: add a [[source]]", None);
    }
    let mut seen = BTreeSet::new();
    for (index, source) in spec.sources.iter().enumerate() {
        check_name(&source.name, false, &at!["source", index, "name"], problems);
        if !seen.insert(&source.name) {
            problems.add(&at!["source", index, "name"], format!("another source is called {:?} already", source.name), None);
        }
        if source.path.trim().is_empty() {
            problems.add(&at!["source", index, "path"], "the path is empty", None);
        }
        let Some(format) = formats.of(source) else {
            let known: Vec<&str> = formats.all().iter().map(|format| format.name()).collect();
            let message = format!("unknown format {:?}; there is {}", source.format, known.join(", "));
            problems.add(&at!["source", index, "format"], message, nearest(&source.format, known));
            continue;
        };
        let options = serde_json::Value::Object(source.options.clone().into_iter().collect());
        if let Err(error) = format.check_options(&options) {
            let key = source.options.keys().find(|key| error.to_string().contains(&format!(" {key}")));
            match key {
                Some(key) => problems.add(&at!["source", index, "options", key.as_str()], error.to_string(), None),
                None => problems.add(&at!["source", index, "options"], error.to_string(), None),
            }
        }
    }
}

fn check_steps(spec: &JobFile, problems: &mut Problems<'_>) {
    let mut seen: BTreeSet<&str> = spec.sources.iter().map(|source| source.name.as_str()).collect();
    for (index, step) in spec.steps.iter().enumerate() {
        for output in step.outputs() {
            let key = if output == step.name() { "name" } else { "quarantine" };
            check_name(output, false, &at!["step", index, key], problems);
            if !seen.insert(output) {
                problems.add(&at!["step", index, key], format!("another source or step is called {output:?} already"), None);
            }
        }
        match step {
            StepSection::Sql(sql) => match (&sql.query, &sql.query_file) {
                (Some(_), Some(_)) => {
                    problems.add(&at!["step", index, "query_file"], "give either `query` or `query_file`, not both", None);
                }
                (None, None) => problems.add(&at!["step", index, "query"], "this key is missing (or `query_file`)", None),
                _ => {}
            },
            StepSection::Rename(rename) if rename.columns.is_empty() => {
                problems.add(&at!["step", index, "columns"], "names no column", None);
            }
            StepSection::StandardiseDates(dates) if dates.formats.is_empty() => {
                problems.add(&at!["step", index, "formats"], "names no format", None);
            }
            StepSection::Age(age) => match (&age.at, &age.on) {
                (Some(_), Some(_)) => problems.add(&at!["step", index, "on"], "give either `at` or `on`, not both", None),
                (None, None) => problems.add(&at!["step", index, "at"], "this key is missing (or `on`)", None),
                (None, Some(on)) if sutura_core::PartialDateTime::parse_iso(on).and_then(|date| date.date()).is_none() => {
                    problems.add(&at!["step", index, "on"], "is not a whole ISO date such as 2026-01-01", None);
                }
                _ => {}
            },
            StepSection::Categorise(step) => match (step.bins.is_empty(), step.values.is_empty()) {
                (true, true) => problems.add(&at!["step", index, "bins"], "this key is missing (or `values`)", None),
                (false, false) => problems.add(&at!["step", index, "values"], "give either `bins` or `values`, not both", None),
                (false, true) if step.labels.len() != step.bins.len() + 1 => {
                    let message = format!("{} bounds need {} labels, not {}", step.bins.len(), step.bins.len() + 1, step.labels.len());
                    problems.add(&at!["step", index, "labels"], message, None);
                }
                (false, true) if !step.bins.is_sorted() => problems.add(&at!["step", index, "bins"], "the bounds do not rise", None),
                _ => {}
            },
            StepSection::CodeMapping(step) => match (step.map.is_empty(), &step.file) {
                (true, None) => problems.add(&at!["step", index, "map"], "this key is missing (or `file`)", None),
                (false, Some(_)) => problems.add(&at!["step", index, "file"], "give either `map` or `file`, not both", None),
                _ => {}
            },
            StepSection::FhirEnrich(step) => {
                if step.reference_date.parse::<chrono::NaiveDate>().is_err() {
                    problems.add(&at!["step", index, "reference_date"], "is not a whole ISO date such as 2026-01-01", None);
                }
                if !spec.sources.iter().any(|source| source.format == "fhir") {
                    problems.add(&at!["step", index, "type"], "the job has no source of format \"fhir\"", None);
                }
            }
            StepSection::Convert(step) => {
                if let Err((key, message)) = crate::conversion::kind_of(spec, step) {
                    problems.add(&at!["step", index, key], message, None);
                }
            }
            StepSection::DeidentifyDocuments(step) => {
                for (key, message) in crate::documents::check(spec, step) {
                    problems.add(&at!["step", index, key], message, None);
                }
            }
            StepSection::Quality(step) => check_quality(step, index, problems),
            _ => {}
        }
    }
}

fn check_quality(step: &QualityStep, index: usize, problems: &mut Problems<'_>) {
    if step.checks.is_empty() && step.record_score.is_none() {
        problems.add(&at!["step", index], "checks nothing: add a [[step.check]] or a record_score", None);
    }
    let position = |name: &str| step.checks.iter().position(|check| check.display_name() == name);
    for problem in check_specs(&step.checks) {
        match position(&problem.check) {
            Some(check) => problems.add(&at!["step", index, "check", check, problem.key], problem.message, None),
            None => problems.add(&at!["step", index, "check"], problem.message, None),
        }
    }
    let Some(gate) = &step.gate else {
        if step.quarantine.is_some() {
            problems.add(&at!["step", index, "quarantine"], "needs gate = { action = \"quarantine\" }", None);
        }
        return;
    };
    let names: Vec<String> = step.checks.iter().map(sutura_quality::CheckSpec::display_name).collect();
    for problem in gate.problems(names.iter().map(String::as_str)) {
        problems.add(&at!["step", index, "gate", problem.key], problem.message, None);
    }
    if gate.measure == GateMeasure::Record && step.record_score.is_none() {
        problems.add(&at!["step", index, "gate", "measure"], "needs a record_score in this step", None);
    }
    match (gate.action, &step.quarantine) {
        (Gate::Quarantine, None) => {
            problems.add(&at!["step", index, "gate", "action"], "needs the name of the quarantine table: quarantine = \"...\"", None);
        }
        (Gate::Warn | Gate::Stop, Some(_)) => {
            problems.add(&at!["step", index, "quarantine"], "needs gate = { action = \"quarantine\" }", None);
        }
        _ => {}
    }
    for name in step.checks.iter().filter_map(|check| check.reference.as_ref()) {
        if !step.references.contains_key(name) {
            let suggestion = nearest(name, step.references.keys().map(String::as_str));
            problems.add(&at!["step", index, "references"], format!("has no list {name:?}, which a check needs"), suggestion);
        }
    }
}

/// Every table a job can name.
struct Tables<'a> {
    names: BTreeSet<String>,
    /// Sources whose format is unknown: nothing can be said about their tables.
    unknown: BTreeSet<&'a str>,
}

impl<'a> Tables<'a> {
    fn new(spec: &'a JobFile, formats: &SourceFormats) -> Self {
        let mut names = BTreeSet::new();
        let mut unknown = BTreeSet::new();
        for source in &spec.sources {
            match formats.of(source) {
                Some(format) => {
                    let tables = format.tables().iter().map(|table| table.name.as_str()).chain(["rejects"]);
                    names.extend(tables.map(|table| format!("{}.{table}", source.name)));
                }
                None => {
                    unknown.insert(source.name.as_str());
                }
            }
        }
        names.extend(spec.steps.iter().flat_map(|step| step.outputs().into_iter().map(str::to_owned)));
        Self { names, unknown }
    }

    fn problem(&self, name: &str) -> Option<(String, Option<String>)> {
        if self.names.contains(name) || name.split_once('.').is_some_and(|(source, _)| self.unknown.contains(source)) {
            return None;
        }
        if name.starts_with("read_") || name == "rejects" {
            let message = format!("{name}(...) would read past the job's accounts; declare a [[source]] and use its tables");
            return Some((message, None));
        }
        Some((format!("no source or step makes the table {name:?}"), nearest(name, self.names.iter().map(String::as_str))))
    }
}

fn check_inputs(spec: &JobFile, tables: &Tables<'_>, problems: &mut Problems<'_>) {
    for (index, step) in spec.steps.iter().enumerate() {
        if let Some(input) = step.input() {
            if let Some((message, suggestion)) = tables.problem(input) {
                problems.add(&at!["step", index, "input"], message, suggestion);
            }
            continue;
        }
        let StepSection::Sql(sql) = step else { continue };
        let (key, query) = match (&sql.query, &sql.query_file) {
            (Some(query), _) => ("query", query.clone()),
            (None, Some(file)) => ("query_file", read_text(Path::new(file), TEXT_LIMIT).unwrap_or_default()),
            (None, None) => continue,
        };
        let path = at!["step", index, key];
        match tables_of(&query) {
            Err(message) => problems.add(&path, message, None),
            Ok(names) => {
                for name in names {
                    if let Some((message, suggestion)) = tables.problem(&name) {
                        problems.add(&path, message, suggestion);
                    }
                }
            }
        }
    }
}

/// What every step reads, by the name of what it makes.
pub(crate) fn step_inputs(spec: &JobFile) -> BTreeMap<String, Vec<String>> {
    let mut inputs = BTreeMap::new();
    for step in &spec.steps {
        let reads = match step {
            StepSection::Sql(sql) => {
                let query = sql.query.clone().or_else(|| read_text(Path::new(sql.query_file.as_ref()?), TEXT_LIMIT).ok());
                query.and_then(|query| tables_of(&query).ok()).unwrap_or_default()
            }
            other => other.input().map(str::to_owned).into_iter().collect(),
        };
        for output in step.outputs() {
            inputs.insert(output.to_owned(), reads.clone());
        }
    }
    inputs
}

fn check_circles(spec: &JobFile, problems: &mut Problems<'_>) {
    let inputs = step_inputs(spec);
    // Take away what depends on nothing left; what remains goes in a circle.
    let mut left: BTreeSet<&str> = inputs.keys().map(String::as_str).collect();
    while let Some(free) = left.iter().copied().find(|name| !inputs[*name].iter().any(|input| left.contains(input.as_str()))) {
        left.remove(free);
    }
    // Of the rest, name only the steps that can come back to themselves.
    for (index, step) in spec.steps.iter().enumerate() {
        let name = step.name();
        if left.contains(name) && reaches(&inputs, name, name, &mut BTreeSet::new()) {
            let key = if matches!(step, StepSection::Sql(_)) { "query" } else { "input" };
            problems.add(&at!["step", index, key], format!("the step {name:?} needs its own result: the steps go in a circle"), None);
        }
    }
}

fn reaches<'a>(inputs: &'a BTreeMap<String, Vec<String>>, from: &'a str, goal: &str, seen: &mut BTreeSet<&'a str>) -> bool {
    inputs
        .get(from)
        .is_some_and(|list| list.iter().any(|input| input == goal || (seen.insert(input.as_str()) && reaches(inputs, input, goal, seen))))
}

fn check_sinks(spec: &JobFile, tables: &Tables<'_>, problems: &mut Problems<'_>) {
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    let sources: Vec<(&str, SourcePlace)> =
        spec.sources.iter().map(|source| (source.name.as_str(), SourcePlace::of(&source.path))).collect();
    let output = Place::of(&spec.job.output);
    let mut places: Vec<(String, Place)> = Vec::new();
    if let Some(rejects) = &spec.rejects {
        let path = at!["rejects", "path"];
        if rejects.path.contains("://") {
            problems.add(&path, "must be a local folder", None);
        }
        let place = Place::of(&rejects.path);
        check_place(spec, &place, &sources, &output, &path, problems);
        places.push(("[rejects]".into(), place));
    }
    for (index, sink) in spec.sinks.iter().enumerate() {
        if let Some((message, suggestion)) = tables.problem(&sink.input) {
            problems.add(&at!["sink", index, "input"], message, suggestion);
        }
        let name = sink.name();
        check_name(&name, true, &at!["sink", index, "name"], problems);
        if names.insert(name.clone(), index).is_some() {
            problems.add(&at!["sink", index, "name"], format!("another sink is called {name:?} already; give this one a name"), None);
        }
        let path = at!["sink", index, "path"];
        if sink.path().split_once("://").is_some_and(|(scheme, _)| scheme != "s3") {
            problems.add(&path, "is no place to write to; give a folder or s3://bucket/prefix", None);
        }
        let place = Place::of(&sink.path());
        if let Some((other, _)) = places.iter().find(|(_, taken)| taken.overlaps(&place)) {
            problems.add(&path, format!("the folder is inside that of {other}, or holds it"), None);
        }
        check_place(spec, &place, &sources, &output, &path, problems);
        places.push((name, place));
        if sink.allow_phi && sink.purpose.as_deref().is_none_or(|purpose| purpose.trim().is_empty()) {
            problems.add(
                &at!["sink", index, "purpose"],
                "allow_phi = true needs a purpose: say why this sink may hold identifying data",
                None,
            );
        }
        if !sink.allow_phi && sink.purpose.is_some() {
            problems.add(&at!["sink", index, "purpose"], "a purpose is only needed with allow_phi = true", None);
        }
        use crate::model::Compression::{None as Plain, Snappy, Zstd};
        let fits = match (sink.format, sink.compression) {
            (_, None | Some(Plain)) | (SinkFormat::Parquet, _) | (SinkFormat::Arrow, Some(Zstd)) => true,
            (SinkFormat::Arrow, Some(Snappy)) | (SinkFormat::Csv | SinkFormat::Ndjson | SinkFormat::Files, Some(_)) => false,
        };
        if !fits {
            problems.add(
                &at!["sink", index, "compression"],
                "this format cannot be compressed so; Parquet takes zstd or snappy, Arrow takes zstd",
                None,
            );
        }
    }
    for (index, table) in spec.report.tables.iter().enumerate() {
        let path = at!["report", "tables", index];
        match spec.sinks.iter().find(|sink| sink.name() == *table) {
            None => problems.add(&path, format!("no sink is called {table:?}"), nearest(table, names.keys().map(String::as_str))),
            Some(sink) if sink.allow_phi || sink.format == SinkFormat::Files => {
                problems.add(&path, "the report shows rows of sinks that hold no identifying columns, and no files", None);
            }
            Some(_) => {}
        }
    }
    if spec.report.tables.len() > 20 {
        problems.add(&at!["report", "tables"], "the report shows at most 20 tables", None);
    }
    if spec.sinks.is_empty() {
        problems.add(&[], "the job writes nothing: add a [[sink]]", None);
    }
}

/// What an output replaces must be its own: not a source, not everything the job writes, not what the job cannot do without.
fn check_place(
    spec: &JobFile,
    place: &Place,
    sources: &[(&str, SourcePlace)],
    output: &Place,
    path: &[super::document::Part],
    problems: &mut Problems<'_>,
) {
    if place.holds(output) {
        problems.add(path, "the folder must be below job.output or apart from it", None);
    }
    for (name, _) in sources.iter().filter(|(_, source)| source.is_touched_by(place)) {
        problems.add(path, format!("the sink would write into the source {name:?}"), None);
    }
    let Some(privacy) = &spec.privacy else { return };
    let key = privacy.key.as_ref().and_then(|key| key.file.as_ref());
    for (what, file) in [("vault", privacy.vault.as_ref()), ("key", key)] {
        if file.is_some_and(|file| place.holds(&Place::of(file))) {
            problems.add(path, format!("the folder holds the {what} of the job, which would go when the output is replaced"), None);
        }
    }
}

fn check_privacy(spec: &JobFile, problems: &mut Problems<'_>) {
    let needs_policy = |step: &StepSection| matches!(step, StepSection::Deidentify(_) | StepSection::DeidentifyDocuments(_));
    let first_deidentify = spec.steps.iter().position(needs_policy);
    let Some(privacy) = &spec.privacy else {
        if let Some(index) = first_deidentify {
            problems.add(&at!["step", index], "a deidentify step needs a [privacy] table with a policy and a key", None);
        }
        if spec.rejects.as_ref().is_some_and(|rejects| rejects.originals) {
            problems.add(&at!["rejects"], "sealing the originals needs a [privacy] table with a key; or set originals = false", None);
        }
        return;
    };
    match &privacy.key {
        None => problems.add(
            &at!["privacy", "key"],
            "this key is missing: key = { file = \"...\" } or key = { env = \"...\" }; `sutura keys new` makes one",
            None,
        ),
        Some(key) if key.file.is_some() == key.env.is_some() => {
            problems.add(&at!["privacy", "key"], "give exactly one of `file` and `env`; the key itself is never in the job file", None);
        }
        Some(_) => {}
    }
    for (key, message, suggestion) in crate::privacy::check_policy(privacy) {
        problems.add(&at!["privacy", key], message, suggestion);
    }
}
