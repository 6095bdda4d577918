//! What a run would do, without doing it: files found, tables and columns read, what happens to each column, what each
//! sink refuses, and what changed since the last run.

use std::fmt::Write;

use serde::Serialize;

use crate::{
    Job,
    build::Builder,
    config::ConfigProblem,
    error::{JobError, Result},
    manifest::{Change, Manifest, ManifestFile},
    model::StepSection,
    privacy::{Privacy, load_policy},
    record::{ColumnRecord, PolicyRecord, grouped},
    run::open_pass,
    setup::policy_record,
};

/// The plan of a job.
#[derive(Debug, Clone, Serialize)]
pub struct JobPlan {
    /// The job's name.
    pub job: String,
    /// The output folder.
    pub output: String,
    /// The policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyRecord>,
    /// The sources.
    pub sources: Vec<PlannedSource>,
    /// The steps, in the order of the file.
    pub steps: Vec<PlannedStep>,
    /// The sinks.
    pub sinks: Vec<PlannedSinkView>,
    /// The gates, in words.
    pub gates: Vec<String>,
    /// What changed since the last complete run; `None` when there is none.
    pub changes: Option<Vec<Change>>,
    /// What would make the run fail.
    pub problems: Vec<ConfigProblem>,
}

/// A source as a run would find it.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedSource {
    /// Its name.
    pub name: String,
    /// Its format.
    pub format: String,
    /// Where it is.
    pub path: String,
    /// Files found.
    pub files: usize,
    /// Their stored bytes.
    pub bytes: u64,
    /// The tables that are read, with the columns that any plan needs.
    pub tables: Vec<PlannedTable>,
}

/// A table that would be read.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedTable {
    /// Its name.
    pub name: String,
    /// The columns that are decoded.
    pub columns: Vec<String>,
}

/// A step.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedStep {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: &'static str,
    /// What happens to each column, for a deidentify step.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub treatments: Vec<PlannedTreatment>,
}

/// What happens to a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedTreatment {
    /// The column.
    pub column: String,
    /// Its class.
    pub class: String,
    /// The method.
    pub method: String,
    /// Whether the output has it.
    pub kept: bool,
}

/// A sink.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedSinkView {
    /// Its name.
    pub name: String,
    /// The table it writes.
    pub input: String,
    /// Where.
    pub location: String,
    /// Its columns.
    pub columns: Vec<ColumnRecord>,
    /// Whether it can be written; the problems say why not.
    pub accepted: bool,
}

impl Job {
    /// What a run would do now.
    ///
    /// # Errors
    /// When sources or policy cannot be looked at. What would make the run fail is part of the plan.
    pub async fn plan(&self) -> Result<JobPlan> {
        let privacy = Privacy::dry(&self.spec)?;
        let engine = self.engine(privacy.as_ref())?;
        let pass = open_pass(self, &engine).await?;
        let builder = Builder::dry(self, &engine, privacy.as_ref());
        let mut problems = Vec::new();
        let mut reads = std::collections::BTreeMap::<String, std::collections::BTreeSet<String>>::new();

        let mut sinks = Vec::new();
        for (index, section) in self.spec.sinks.iter().enumerate() {
            let (columns, accepted) = match builder.table(&section.input).await {
                Err(problem) => {
                    problems.push(problem);
                    (Vec::new(), false)
                }
                Ok(built) => {
                    let refused = self.check_sink(index, section, &built.schema).err();
                    let accepted = refused.is_none();
                    problems.extend(refused);
                    for (table, column) in sutura_engine::column_sources::columns_read(&optimized(&built.frame)) {
                        reads.entry(table).or_default().insert(column);
                    }
                    (ColumnRecord::of(&built.schema), accepted)
                }
            };
            sinks.push(PlannedSinkView { name: section.name(), input: section.input.clone(), location: section.path(), columns, accepted });
        }
        let mut steps = Vec::new();
        for step in &self.spec.steps {
            let mut treatments = Vec::new();
            if matches!(step, StepSection::Deidentify(_))
                && let Ok(found) = builder.prepare(step.name()).await
                && let Some((_, plan)) = found.iter().find(|(name, _)| name == step.name())
            {
                treatments.extend(plan.columns().iter().map(|column| PlannedTreatment {
                    column: column.name().to_owned(),
                    class: column.class().to_string(),
                    method: column.method().to_string(),
                    kept: column.output_field().is_some(),
                }));
            }
            steps.push(PlannedStep { name: step.name().to_owned(), kind: step.kind(), treatments });
        }
        let names = crate::run::source_names(self, privacy.as_ref(), &pass, &self.local_output()?)?;
        let found: Vec<(String, Vec<ManifestFile>)> = self
            .spec
            .sources
            .iter()
            .map(|source| (source.name.clone(), pass.files(&source.name).iter().map(|file| ManifestFile::found(file, &names)).collect()))
            .collect();
        let sources = self.spec.sources.iter().zip(&found).map(|(source, (_, files))| PlannedSource {
            name: source.name.clone(),
            format: source.format.clone(),
            path: source.path.clone(),
            files: files.len(),
            bytes: files.iter().map(|file| file.size).sum(),
            tables: reads
                .iter()
                .filter_map(|(table, columns)| {
                    let name = table.strip_prefix(&format!("{}.", source.name))?;
                    Some(PlannedTable { name: name.to_owned(), columns: columns.iter().cloned().collect() })
                })
                .collect(),
        });
        let sources = sources.collect();
        // The key itself is not needed to plan; whether it changed is known once it can be opened.
        let policy = match &self.spec.privacy {
            Some(section) => {
                let key_id = Privacy::key_id(&self.spec).unwrap_or_else(|error| {
                    problems.push(self.problem(&crate::config::load::at!["privacy", "key"], error.to_string(), None));
                    String::new()
                });
                Some(policy_record(&load_policy(section)?, &key_id))
            }
            None => None,
        };
        let changes = Manifest::read(&self.local_output()?).map(|manifest| manifest.changes(&self.record(), policy.as_ref(), &found));
        Ok(JobPlan {
            job: self.spec.job.name.clone(),
            output: self.output().to_owned(),
            policy,
            sources,
            steps,
            sinks,
            gates: self.gates(),
            changes,
            problems,
        })
    }

    fn gates(&self) -> Vec<String> {
        let mut gates = Vec::new();
        if let Some(share) = self.spec.gates.rejects_max_share {
            gates.push(format!("stop (exit 3) when more than {:.2} % of the records are rejected", share * 100.0));
        }
        if self.spec.gates.min_records > 0 {
            gates.push(format!("stop when fewer than {} records are accepted", grouped(self.spec.gates.min_records)));
        }
        for step in &self.spec.steps {
            if let StepSection::Quality(step) = step
                && let Some(gate) = &step.gate
            {
                let action = format!("{:?}", gate.action).to_lowercase();
                gates.push(format!("quality step {}: {action} on {:?}", step.name, gate.measure).to_lowercase());
            }
        }
        gates
    }
}

impl JobPlan {
    /// The plan for people.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let mut line = |text: String| {
            let _ = writeln!(out, "{text}");
        };
        line(format!("Job {} -> {}", self.job, self.output));
        if let Some(policy) = &self.policy {
            line(format!("Policy {}/{}, profile {}: {}", policy.name, policy.version, policy.profile, policy.legal_status));
        }
        line("\nSources".into());
        for source in &self.sources {
            line(format!(
                "  {} ({}): {} files, {} bytes at {}",
                source.name,
                source.format,
                grouped(source.files as u64),
                grouped(source.bytes),
                source.path
            ));
            for table in &source.tables {
                line(format!("    {}: {} columns: {}", table.name, table.columns.len(), table.columns.join(", ")));
            }
        }
        line("\nSteps".into());
        for step in &self.steps {
            line(format!("  {} ({})", step.name, step.kind));
            for treatment in &step.treatments {
                let kept = if treatment.kept { "" } else { " (gone)" };
                line(format!("    {:<28} {:<14} {}{kept}", treatment.column, treatment.class, treatment.method));
            }
        }
        line("\nSinks".into());
        for sink in &self.sinks {
            let verdict = if sink.accepted { "" } else { "  REFUSED" };
            line(format!("  {} <- {}: {} columns to {}{verdict}", sink.name, sink.input, sink.columns.len(), sink.location));
        }
        if !self.gates.is_empty() {
            line("\nGates".into());
            self.gates.iter().for_each(|gate| line(format!("  {gate}")));
        }
        line("\nSince the last run".into());
        match &self.changes {
            None => line("  there is no complete run in the output folder; everything is made".into()),
            Some(changes) if changes.is_empty() => line("  nothing changed: there is nothing to do".into()),
            Some(changes) => changes.iter().for_each(|change| line(format!("  {change}"))),
        }
        if !self.problems.is_empty() {
            line("\nThe run would fail".into());
            self.problems.iter().for_each(|problem| line(format!("  {problem}")));
        }
        out
    }

    /// Whether the run can start.
    ///
    /// # Errors
    /// The problems that would make it fail.
    pub fn check(&self) -> Result<()> {
        if self.problems.is_empty() { Ok(()) } else { Err(JobError::Problems(self.problems.clone())) }
    }
}

/// The plan as it would run, in which every scan has only the columns it needs.
fn optimized(frame: &sutura_engine::DataFrame) -> sutura_engine::LogicalPlan {
    frame.clone().into_optimized_plan().unwrap_or_else(|_| frame.logical_plan().clone())
}
