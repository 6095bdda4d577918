//! What `validate`, `plan` and `run` have in common: an engine with the job's tables, and the checks of sinks.

use std::{collections::BTreeMap, fmt::Write, sync::Arc};

use arrow::datatypes::Schema;
use sutura_core::Sha256Hash;
use sutura_engine::{
    Engine, EngineOptions,
    sink::{self, Purpose, SinkSpec},
};
use sutura_privacy::Policy;

use crate::{
    Job,
    build::{Builder, plain},
    config::{ConfigProblem, load::at},
    error::{JobError, Result},
    model::{self, SinkSection, SourceSection},
    privacy::Privacy,
    quality::Checks,
    record::{JobRecord, PolicyRecord},
};

impl Job {
    /// An engine as the job wants it, with the formats and without tables. Queries have the keys of the job's policy, and make nothing with
    /// them that its profile forbids.
    pub(crate) fn engine(&self, privacy: Option<&Privacy>) -> Result<Engine> {
        let policy = privacy.map(Privacy::bound);
        let (profiles, terminology) = (self.profiles.clone(), self.terminology.clone());
        let mut options = EngineOptions { batch_rows: self.spec.job.batch_rows, policy, profiles, terminology, ..EngineOptions::default() };
        if self.spec.job.workers > 0 {
            options.target_partitions = self.spec.job.workers;
        }
        if self.spec.job.memory_mib > 0 {
            options.memory_limit = Some(self.spec.job.memory_mib << 20);
        }
        let engine = Engine::new(options)?;
        for format in self.formats.all() {
            engine.register_format(Arc::clone(format));
        }
        Ok(engine)
    }

    /// Registers the tables of a source without any row.
    pub(crate) fn register_empty(&self, engine: &Engine, source: &SourceSection) -> Result<()> {
        let Some(format) = self.format_of(source) else { return Ok(()) };
        let rejects = sutura_core::reject::rejects_table();
        engine.register_empty(&source.name, format.tables().iter().chain([rejects]))?;
        Ok(())
    }

    /// Checks everything that can be known without opening a source: queries, columns, checks, policies and sinks, over empty
    /// tables of the right schema.
    ///
    /// # Errors
    /// Every problem found.
    pub async fn validate(&self) -> Result<(), Vec<ConfigProblem>> {
        let internal = |error: JobError| vec![self.problem(&[], error.to_string(), None)];
        let privacy = Privacy::dry(&self.spec).map_err(internal)?;
        let engine = self.engine(privacy.as_ref()).map_err(internal)?;
        for source in &self.spec.sources {
            self.register_empty(&engine, source).map_err(internal)?;
        }
        let builder = Builder::dry(self, &engine, privacy.as_ref());
        let mut problems = Vec::new();
        for (index, step) in self.spec.steps.iter().enumerate() {
            match builder.prepare(step.name()).await {
                Err(problem) => problems.push(problem),
                Ok(_) => {
                    if let model::StepSection::Quality(quality) = step
                        && let Ok(input) = builder.input_of(index).await
                    {
                        problems.extend(self.missing_check_columns(index, quality, &input.schema));
                        if let Err(message) = Checks::new(quality, &input.schema) {
                            problems.push(self.problem(&at!["step", index], message, None));
                        }
                    }
                }
            }
        }
        for (index, section) in self.spec.sinks.iter().enumerate() {
            match builder.table(&section.input).await {
                Err(problem) => problems.push(problem),
                Ok(built) => problems.extend(self.check_sink(index, section, &built.schema).err()),
            }
        }
        // A broken step breaks everything that needs it; one report of it is enough.
        let mut seen = std::collections::HashSet::new();
        problems.retain(|problem| seen.insert((problem.line, problem.key.clone(), problem.message.clone())));
        problems.sort_by(|a, b| (a.line, &a.key).cmp(&(b.line, &b.key)));
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    fn missing_check_columns(&self, index: usize, step: &model::QualityStep, schema: &Schema) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        for (position, check) in step.checks.iter().enumerate() {
            for column in check.all_columns() {
                if schema.field_with_name(&column).is_err() {
                    let suggestion = crate::config::nearest(&column, schema.fields().iter().map(|field| field.name().as_str()));
                    let message = format!("the input has no column {column:?}");
                    problems.push(self.problem(&at!["step", index, "check", position], message, suggestion));
                }
            }
        }
        problems
    }

    /// Whether a sink may hold these columns; says which it refuses.
    pub(crate) fn check_sink(&self, index: usize, section: &SinkSection, schema: &Schema) -> std::result::Result<SinkSpec, ConfigProblem> {
        let names = || schema.fields().iter().map(|field| field.name().as_str());
        for column in &section.partition_by {
            if schema.field_with_name(column).is_err() {
                let message = format!("the table has no column {column:?}");
                return Err(self.problem(&at!["sink", index, "partition_by"], message, crate::config::nearest(column, names())));
            }
        }
        let spec = sink_spec(section, section.path(), BTreeMap::new());
        match sink::check(schema, &spec) {
            Ok(_) => Ok(spec),
            Err(error) => Err(self.problem(&at!["sink", index], plain(error), None)),
        }
    }

    /// The job in the record of a run.
    pub(crate) fn record(&self) -> JobRecord {
        JobRecord {
            name: self.spec.job.name.clone(),
            description: self.spec.job.description.clone(),
            file: self.file.display().to_string(),
            sha256: self.hash.clone(),
            project: self.spec.project().to_owned(),
            domain: self.spec.domain().to_owned(),
        }
    }
}

/// The engine's words for a sink.
pub(crate) fn sink_spec(section: &SinkSection, location: String, metadata: BTreeMap<String, String>) -> SinkSpec {
    let format = match section.format {
        model::SinkFormat::Parquet => sink::SinkFormat::Parquet,
        model::SinkFormat::Csv => sink::SinkFormat::Csv,
        model::SinkFormat::Ndjson => sink::SinkFormat::Ndjson,
        model::SinkFormat::Arrow => sink::SinkFormat::Arrow,
        model::SinkFormat::Files => sink::SinkFormat::Files,
    };
    SinkSpec {
        partition_by: section.partition_by.clone(),
        compression: section.compression.map(|compression| match compression {
            model::Compression::None => sink::Compression::None,
            model::Compression::Snappy => sink::Compression::Snappy,
            model::Compression::Zstd => sink::Compression::Zstd,
        }),
        metadata,
        allow_phi: section.allow_phi.then(|| Purpose { text: section.purpose.clone().unwrap_or_default() }),
        overwrite: true,
        ..SinkSpec::new(format, location)
    }
}

/// The policy in the record of a run. Its hash covers its rules and legal facts.
pub(crate) fn policy_record(policy: &Policy, key_id: &str) -> PolicyRecord {
    let legal: BTreeMap<String, String> = sutura_privacy::LegalBasis::KEYS
        .iter()
        .filter_map(|key| policy.legal.get(key).map(|value| ((*key).to_owned(), value.to_owned())))
        .collect();
    let mut text = format!("{}\n{}\n{}\n{:?}\n{legal:?}\n", policy.name, policy.version, policy.profile, policy.reference_date);
    for (kind, rules) in [("class", &policy.classes), ("column", &policy.columns)] {
        for rule in rules {
            let table = rule.table.as_deref().map(|table| format!("{table} ")).unwrap_or_default();
            let _ = writeln!(text, "{kind} {table}{} {:?}", rule.key, rule.method);
        }
    }
    for rule in &policy.labels {
        let _ = writeln!(text, "label {} {} {:?}", rule.key, rule.action.word(), rule.consent);
    }
    PolicyRecord {
        name: policy.name.clone(),
        version: policy.version.clone(),
        profile: policy.profile.word().to_owned(),
        legal_status: policy.profile.legal_status().to_owned(),
        sha256: Sha256Hash::of(text.as_bytes()).to_string(),
        key_id: key_id.to_owned(),
        legal,
    }
}

/// What an output is in law. A profile's claim is made only for what the policy has met: not for identifying columns that it did not
/// treat, nor for tables that no `deidentify` step leads to, whose codes and numbers nobody has looked at.
pub(crate) fn legal_status(profile: sutura_privacy::Profile, identifies: bool, treated: bool) -> &'static str {
    use sutura_privacy::Profile;
    if identifies && (profile.output_is_deidentified() || !treated) {
        return "holds identifying columns that the policy did not treat: PHI, personal data";
    }
    if !treated && profile != Profile::None {
        return "not treated by the policy: no legal claim is made; codes and numbers are as they were sent";
    }
    profile.legal_status()
}

/// The classification of an output whose job states none.
pub(crate) fn classification(profile: Option<sutura_privacy::Profile>, identifies: bool, treated: bool) -> &'static str {
    use sutura_privacy::Profile;
    match profile {
        _ if identifies => "identifiable",
        Some(profile) if treated && profile.output_is_deidentified() => "de-identified",
        Some(Profile::LimitedDataSet) if treated => "limited-data-set",
        Some(Profile::GdprPseudonymised) if treated => "pseudonymised",
        _ => "internal",
    }
}
