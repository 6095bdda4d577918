//! Reads a job file: TOML, `--set` values, shape, paths, meaning. Reports every problem at once.

use std::{
    collections::BTreeMap,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use serde_json::Value as Json;
use sutura_core::{Format, Sha256Hash};
use sutura_engine::profiles::ProfileStore;
use sutura_terminology::UserTerminology;

use super::{
    check,
    document::{Node, Part, path_text},
    files::{LIST_LIMIT, TEXT_LIMIT, read_bytes, read_text},
    formats::{self, SourceFormats},
    problem::ConfigProblem,
    shape,
};
use crate::model::{JobFile, SourceSection, StepSection};

/// How a job file is read.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// Values from the command line, each `key=value`.
    pub set: Vec<String>,
    /// Variables for `${NAME}` in paths; `None` for those of the process.
    pub environment: Option<BTreeMap<String, String>>,
    /// The formats a source may have.
    pub formats: Vec<Arc<dyn Format>>,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self { set: Vec::new(), environment: None, formats: sutura_engine::formats() }
    }
}

impl LoadOptions {
    fn variable(&self, name: &str) -> Option<String> {
        match &self.environment {
            Some(variables) => variables.get(name).cloned(),
            None => std::env::var(name).ok(),
        }
    }
}

/// A job that is right as far as can be known without opening its sources. Its paths are resolved.
#[derive(Debug, Clone)]
pub struct Job {
    /// The job file.
    pub file: PathBuf,
    /// What it says, with `--set` values applied and paths made independent of the working folder.
    pub spec: JobFile,
    /// SHA-256 over everything the job says, the queries and code tables it names included.
    pub hash: String,
    pub(crate) formats: SourceFormats,
    /// What `[fhir]` loads.
    pub(crate) profiles: Option<Arc<ProfileStore>>,
    /// What `[terminology]` loads.
    pub(crate) terminology: Option<Arc<UserTerminology>>,
    document: Arc<Node>,
}

impl Job {
    /// Reads and checks a job file.
    ///
    /// # Errors
    /// Every problem found, in the order of the file.
    pub fn load(file: &Path) -> Result<Job, Vec<ConfigProblem>> {
        Self::load_with(file, &LoadOptions::default())
    }

    /// Reads and checks a job file, with values from the command line.
    ///
    /// # Errors
    /// Every problem found, in the order of the file.
    pub fn load_with(file: &Path, options: &LoadOptions) -> Result<Job, Vec<ConfigProblem>> {
        let text = read_text(file, TEXT_LIMIT).map_err(|error| {
            vec![ConfigProblem {
                file: file.to_owned(),
                line: None,
                key: String::new(),
                message: format!("cannot read the job file: {error}"),
                suggestion: None,
            }]
        })?;
        Self::parse(file, &text, options)
    }

    /// Checks the text of a job file; `file` says where its relative paths start.
    ///
    /// # Errors
    /// Every problem found, in the order of the file.
    pub fn parse(file: &Path, text: &str, options: &LoadOptions) -> Result<Job, Vec<ConfigProblem>> {
        let mut problems = Problems { file, list: Vec::new(), document: None };
        let mut document = match Node::parse(text) {
            Ok(document) => document,
            Err(errors) => {
                for error in errors {
                    problems.list.push(ConfigProblem {
                        file: file.to_owned(),
                        line: error.line,
                        key: String::new(),
                        message: format!("not valid TOML: {}", error.message),
                        suggestion: None,
                    });
                }
                return Err(problems.list);
            }
        };
        for assignment in &options.set {
            if let Err(message) = document.set(assignment) {
                let key = assignment.split('=').next().unwrap_or_default().to_owned();
                problems.list.push(ConfigProblem { file: PathBuf::from("--set"), line: None, key, message, suggestion: None });
            }
        }
        let schema = JobFile::json_schema();
        for problem in shape::check(&document, &schema) {
            problems.list.push(ConfigProblem {
                file: file.to_owned(),
                line: problem.line,
                key: path_text(&problem.path),
                message: problem.message,
                suggestion: problem.suggestion,
            });
        }
        if !problems.list.is_empty() {
            return Err(problems.sorted());
        }
        let document = Arc::new(document);
        problems.document = Some(&document);
        let mut spec: JobFile = match serde_json::from_value(document.to_json()) {
            Ok(spec) => spec,
            Err(error) => {
                problems.add(&[], error.to_string(), None);
                return Err(problems.list);
            }
        };
        let mut digest = Vec::new();
        resolve_paths(&mut spec, file, options, &mut problems, &mut digest);
        let formats = SourceFormats::new(&spec, &options.formats, &mut problems, &mut digest);
        let profiles = formats::profiles(&spec, &mut problems, &mut digest);
        let terminology = formats::terminology(&spec, &mut problems, &mut digest);
        check::check(&spec, &formats, &mut problems);
        if !problems.list.is_empty() {
            return Err(problems.sorted());
        }
        digest.extend(serde_json::to_vec(&spec).unwrap_or_default());
        let hash = Sha256Hash::of(&digest).to_string();
        Ok(Job { file: file.to_owned(), spec, hash, formats, profiles, terminology, document })
    }

    /// A problem of this job found later, such as by planning its queries.
    pub fn problem(&self, path: &[Part], message: String, suggestion: Option<String>) -> ConfigProblem {
        ConfigProblem { file: self.file.clone(), line: self.document.line_of(path), key: path_text(path), message, suggestion }
    }

    /// The format of a source, with its views.
    pub fn format_of(&self, source: &SourceSection) -> Option<&Arc<dyn Format>> {
        self.formats.of(source)
    }

    /// The job's output folder (a path or URL).
    pub fn output(&self) -> &str {
        &self.spec.job.output
    }
}

/// Collects problems with their lines.
pub(super) struct Problems<'a> {
    file: &'a Path,
    list: Vec<ConfigProblem>,
    document: Option<&'a Node>,
}

impl Problems<'_> {
    pub(super) fn add(&mut self, path: &[Part], message: impl Into<String>, suggestion: Option<String>) {
        self.list.push(ConfigProblem {
            file: self.file.to_owned(),
            line: self.document.and_then(|document| document.line_of(path)),
            key: path_text(path),
            message: message.into(),
            suggestion,
        });
    }

    fn sorted(mut self) -> Vec<ConfigProblem> {
        self.list.sort_by(|a, b| (a.line, &a.key).cmp(&(b.line, &b.key)));
        self.list
    }
}

/// Path parts from words and positions.
macro_rules! at {
    ($($part:expr),* $(,)?) => { [$(crate::config::load::part($part)),*] };
}
pub(crate) use at;

pub(crate) enum AnyPart<'a> {
    Key(&'a str),
    Index(usize),
}

impl<'a> From<&'a str> for AnyPart<'a> {
    fn from(key: &'a str) -> Self {
        AnyPart::Key(key)
    }
}

impl From<usize> for AnyPart<'_> {
    fn from(index: usize) -> Self {
        AnyPart::Index(index)
    }
}

pub(crate) fn part<'a>(part: impl Into<AnyPart<'a>>) -> Part {
    match part.into() {
        AnyPart::Key(key) => Part::Key(key.to_owned()),
        AnyPart::Index(index) => Part::Index(index),
    }
}

/// Makes every path independent of the working folder, replaces `${NAME}` in it, and takes in the files that belong to the job's text.
fn resolve_paths(spec: &mut JobFile, file: &Path, options: &LoadOptions, problems: &mut Problems<'_>, digest: &mut Vec<u8>) {
    let base = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let resolve = |text: &mut String, base: &str, path: &[Part], problems: &mut Problems<'_>| match substitute(text, options) {
        Ok(replaced) => *text = join(base, &replaced),
        Err(message) => problems.add(path, message, None),
    };
    let base_text = base.to_string_lossy().into_owned();
    resolve(&mut spec.job.output, &base_text, &at!["job", "output"], problems);
    let output = spec.job.output.clone();
    for (index, source) in spec.sources.iter_mut().enumerate() {
        resolve(&mut source.path, &base_text, &at!["source", index, "path"], problems);
        for (position, view) in source.views.iter_mut().enumerate() {
            resolve(view, &base_text, &at!["source", index, "views", position], problems);
        }
    }
    for (position, package) in spec.fhir.iter_mut().flat_map(|fhir| fhir.packages.iter_mut()).enumerate() {
        resolve(package, &base_text, &at!["fhir", "packages", position], problems);
    }
    for (position, file) in spec.terminology.iter_mut().flat_map(|terminology| terminology.files.iter_mut()).enumerate() {
        resolve(file, &base_text, &at!["terminology", "files", position], problems);
    }
    if let Some(privacy) = &mut spec.privacy {
        if is_policy_file(&privacy.policy) {
            resolve(&mut privacy.policy, &base_text, &at!["privacy", "policy"], problems);
        }
        if let Some(file) = privacy.key.as_mut().and_then(|key| key.file.as_mut()) {
            resolve(file, &base_text, &at!["privacy", "key", "file"], problems);
        }
        if let Some(vault) = &mut privacy.vault {
            resolve(vault, &base_text, &at!["privacy", "vault"], problems);
        }
    }
    for (index, sink) in spec.sinks.iter_mut().enumerate() {
        let mut text = sink.path();
        resolve(&mut text, &output, &at!["sink", index, "path"], problems);
        sink.path = Some(text);
    }
    if let Some(rejects) = &mut spec.rejects {
        resolve(&mut rejects.path, &output, &at!["rejects", "path"], problems);
    }
    for (index, step) in spec.steps.iter_mut().enumerate() {
        let limit = if matches!(step, StepSection::Sql(_)) { TEXT_LIMIT } else { LIST_LIMIT };
        let named: Vec<(Vec<Part>, &mut String)> = match step {
            StepSection::Sql(step) => step.query_file.iter_mut().map(|file| (at!["step", index, "query_file"].to_vec(), file)).collect(),
            StepSection::CodeMapping(step) => step.file.iter_mut().map(|file| (at!["step", index, "file"].to_vec(), file)).collect(),
            StepSection::Quality(step) => {
                step.references.iter_mut().map(|(name, file)| (at!["step", index, "references", name.as_str()].to_vec(), file)).collect()
            }
            StepSection::DeidentifyDocuments(step) => {
                for (key, place) in [("model", &mut step.model), ("onnx_runtime", &mut step.onnx_runtime)] {
                    if let Some(place) = place {
                        resolve(place, &base_text, &at!["step", index, key], problems);
                    }
                }
                // A model is too large to be read here; other files make another job.
                digest.extend(step.model.iter().flat_map(|model| sutura_inference::text::fingerprint(Path::new(model))));
                continue;
            }
            _ => continue,
        };
        for (path, file) in named {
            resolve(file, &base_text, &path, problems);
            match read_bytes(Path::new(file.as_str()), limit) {
                Ok(bytes) => digest.extend(bytes),
                Err(error) => problems.add(&path, format!("cannot read {file}: {error}"), None),
            }
        }
    }
}

/// Whether `privacy.policy` names a file.
pub(crate) fn is_policy_file(policy: &str) -> bool {
    Path::new(policy).extension().is_some_and(|extension| extension == "toml")
}

fn join(base: &str, path: &str) -> String {
    if path.contains("://") || Path::new(path).is_absolute() || base.is_empty() || base == "." {
        return path.to_owned();
    }
    if base.contains("://") {
        return format!("{}/{path}", base.trim_end_matches('/'));
    }
    plain_path(&Path::new(base).join(path)).to_string_lossy().into_owned()
}

/// The path without `.` and, where something is left to go up from, without `..`, so that folders can be compared.
fn plain_path(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if plain.components().next_back().is_some_and(|last| matches!(last, Component::Normal(_))) => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

/// Replaces `${NAME}`.
fn substitute(text: &str, options: &LoadOptions) -> Result<String, String> {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let (before, after) = rest.split_at(start);
        result.push_str(before);
        let Some((name, tail)) = after[2..].split_once('}') else { return Err("`${` is not closed with `}`".into()) };
        let value = options.variable(name).ok_or_else(|| format!("the environment variable {name} is not set"))?;
        result.push_str(&value);
        rest = tail;
    }
    result.push_str(rest);
    Ok(result)
}

impl serde::Serialize for Job {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Json::serialize(&serde_json::to_value(&self.spec).map_err(serde::ser::Error::custom)?, serializer)
    }
}
