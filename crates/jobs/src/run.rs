//! Running a job: one pass over the sources, every sink staged, gates, then everything published together.

use std::{
    collections::BTreeMap,
    fmt::Write,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use arrow::{
    datatypes::Schema,
    util::display::{ArrayFormatter, FormatOptions},
};
use chrono::{SecondsFormat, Utc};
use futures::StreamExt;
use sutura_core::Sha256Hash;
use sutura_engine::{
    DataFrame, Engine, EngineError, SendableRecordBatchStream, lineage,
    pass::{AccountsHandler, Consumer, PassOptions, PassProgress, PassReport, SharedPass, SinkError, SourceSpec},
    sink::{self, HeldOutputs, LateFacts, RowGroupBudget, SinkReport},
};
use sutura_fhir::enrich::PatientIndex;
use sutura_privacy::{ColumnStatistics, SchemaPlan};
use sutura_quality::QualityReport;

use crate::{
    Job,
    build::{Builder, Counting},
    conversion, documents,
    error::{JobError, Result},
    events::{EventHandler, JobEvent},
    manifest::{Manifest, ManifestFile},
    model::{JobFile, QualityStep, SinkSection, StepSection},
    openlineage, persons,
    privacy::Privacy,
    private,
    publish::{self, MANIFEST, OutputLock, Staging, write_file},
    quality::{Checks, FAILURES_FILE, take_failures},
    record::{
        Account, ColumnOrigin, ColumnRecord, ConversionRecord, DocumentsRecord, FileRecord, Performance, PolicyRecord, QualityRecord,
        RunReport, RunStatus, ShownTable, SinkRecord, SourceRecord, TreatmentRecord, WrittenFileRecord, peak_memory_bytes,
    },
    rejects, report,
    setup::{policy_record, sink_spec},
    sourcefacts::source_facts,
    sourcenames::SourceNames,
    summary::{MESSAGE_COLUMNS, OBSERVATION_COLUMNS, PictureRules, Summary},
};

/// What the unfinished row groups of all sinks of a run may hold together.
const ROW_GROUP_BYTES: usize = 96 << 20;

/// How a job is run.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// Takes the events of the run.
    pub events: EventHandler,
    /// Run although the last run already did the same.
    pub force: bool,
}

/// What the consumers of the pass give back.
enum Output {
    Sink { index: usize, report: SinkReport },
    Rejects { report: SinkReport },
    Quality { index: usize, report: QualityReport },
    Summary(Box<Summary>),
    Shown(ShownTable),
}

/// A sink with what is known of it before it runs.
struct PlannedSink {
    name: String,
    input: String,
    place: String,
    format: String,
    classification: String,
    purpose: Option<String>,
    treatments: Vec<(String, Arc<SchemaPlan>)>,
    counting: Counting,
    lineage: Vec<ColumnOrigin>,
}

impl Job {
    /// Runs the job. Nothing is published unless everything went well.
    ///
    /// # Errors
    /// When the job cannot be run. A run that a gate stopped is not an error: its report says so.
    pub async fn run(&self, options: RunOptions) -> Result<RunReport> {
        let output = self.local_output()?;
        let run_id = uuid::Uuid::now_v7().to_string();
        let _lock = OutputLock::take(&output)?;
        let mut run = Run::new(self, run_id, output, options).await?;
        run.names.save()?;
        if let Some(report) = run.nothing_to_do() {
            run.events.send(&JobEvent::Finished { status: report.status, seconds: report.performance.seconds });
            return Ok(report);
        }
        let lineage_file = self.spec.report.lineage.then(|| run.output.join(openlineage::FILE));
        if let Some(file) = &lineage_file {
            openlineage::append(file, &openlineage::start(self, &run.names, &run.run_id, &run.started))?;
        }
        let result = run.work().await.map_err(|error| run.names.hide_error(error));
        if let Some(file) = &lineage_file {
            let event = match &result {
                Ok(report) => openlineage::end(self, &run.names, report),
                Err(error) => openlineage::fail(self, &run.run_id, &error.to_string()),
            };
            openlineage::append(file, &event)?;
        }
        if let Ok(report) = &result {
            run.events.send(&JobEvent::Finished { status: report.status, seconds: report.performance.seconds });
        }
        result
    }

    /// The output folder as a path.
    pub(crate) fn local_output(&self) -> Result<PathBuf> {
        if self.output().contains("://") {
            return Err(JobError::Config("job.output must be a local folder; sinks may have s3:// paths of their own".into()));
        }
        std::path::absolute(self.output()).map_err(|error| JobError::io(Path::new(self.output()), error))
    }
}

/// Rows of a table that the report shows.
const SHOWN_ROWS: usize = 50;

/// Takes the first rows of a sink's table, and counts the others.
fn shown_consumer(name: &str, frame: DataFrame) -> Consumer<Output> {
    let columns: Vec<String> = frame.schema().fields().iter().map(|field| field.name().clone()).collect();
    let mut shown = ShownTable { sink: name.to_owned(), columns, rows: Vec::new(), all: 0 };
    Consumer::new(format!("rows of {name}"), frame, move |stream| async move {
        each(stream, |batch| {
            shown.all += batch.num_rows() as u64;
            let options = FormatOptions::default().with_null("");
            let columns: Vec<_> = batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).ok()).collect();
            for row in 0..batch.num_rows().min(SHOWN_ROWS - shown.rows.len()) {
                let text =
                    |column: &Option<ArrayFormatter<'_>>| column.as_ref().map_or_else(String::new, |column| column.value(row).to_string());
                shown.rows.push(columns.iter().map(text).collect());
            }
            Ok(())
        })
        .await?;
        Ok(Output::Shown(shown))
    })
}

struct Run<'a> {
    job: &'a Job,
    spec: &'a JobFile,
    run_id: String,
    output: PathBuf,
    events: EventHandler,
    force: bool,
    clock: Instant,
    started: String,
    engine: Engine,
    privacy: Option<Privacy>,
    policy: Option<PolicyRecord>,
    pass: SharedPass,
    names: SourceNames,
    /// What all sinks together may hold of unfinished row groups.
    row_groups: Arc<RowGroupBudget>,
}

impl<'a> Run<'a> {
    async fn new(job: &'a Job, run_id: String, output: PathBuf, options: RunOptions) -> Result<Self> {
        let clock = Instant::now();
        let privacy = Privacy::open(&job.spec)?;
        let engine = job.engine(privacy.as_ref())?;
        let policy = privacy.as_ref().map(|privacy| policy_record(&privacy.policy, privacy.keys.key_id()));
        let pass = open_pass(job, &engine).await?;
        let names = source_names(job, privacy.as_ref(), &pass, &output)?;
        Ok(Self {
            job,
            spec: &job.spec,
            run_id,
            output,
            events: options.events,
            force: options.force,
            clock,
            started: now(),
            engine,
            privacy,
            policy,
            pass,
            names,
            row_groups: Arc::new(RowGroupBudget::new(ROW_GROUP_BYTES)),
        })
    }

    /// The files of every source, as found.
    fn found(&self) -> Vec<(String, Vec<ManifestFile>)> {
        let files = |name: &str| self.pass.files(name).iter().map(|file| ManifestFile::found(file, &self.names)).collect();
        self.spec.sources.iter().map(|source| (source.name.clone(), files(&source.name))).collect()
    }

    /// The report of a run that need not happen: the last one did the same, and its outputs are there.
    fn nothing_to_do(&self) -> Option<RunReport> {
        if self.force {
            return None;
        }
        let manifest = Manifest::read(&self.output)?;
        if !manifest.changes(&self.job.record(), self.policy.as_ref(), &self.found()).is_empty() {
            return None;
        }
        for sink in manifest.sinks.iter().filter(|sink| !sink.location.contains("://")) {
            publish::sweep_beside(Path::new(&sink.location));
        }
        let mut report = self.blank(RunStatus::NothingToDo);
        report.run_id.clone_from(&manifest.run_id);
        report.equation = manifest.totals.equation();
        report.totals = manifest.totals;
        report.reason =
            Some(format!("the run of {} did the same and its outputs are in place; use --force to run again", manifest.export_time));
        Some(report)
    }

    /// Where the job writes.
    fn places(&self) -> Vec<String> {
        let rejects = self
            .spec
            .rejects
            .iter()
            .flat_map(|section| self.spec.sources.iter().map(|source| text(&Path::new(&section.path).join(&source.name))));
        self.spec.sinks.iter().map(SinkSection::path).chain(rejects).collect()
    }

    fn blank(&self, status: RunStatus) -> RunReport {
        let left_over = Manifest::read(&self.output).map(|last| last.left_over(&self.places())).unwrap_or_default();
        RunReport {
            sutura_version: env!("CARGO_PKG_VERSION"),
            run_id: self.run_id.clone(),
            status,
            reason: None,
            job: self.job.record(),
            policy: self.policy.clone(),
            started: self.started.clone(),
            finished: now(),
            performance: Performance {
                seconds: self.clock.elapsed().as_secs_f64(),
                workers: self.engine.options().target_partitions,
                ..Performance::default()
            },
            source_files: self.names.table.as_ref().map(|table| text(table)),
            totals: Account::default(),
            equation: String::new(),
            sources: Vec::new(),
            deidentification: Vec::new(),
            conversion: Vec::new(),
            documents: Vec::new(),
            tables: Vec::new(),
            quality: Vec::new(),
            quality_failures: None,
            sinks: Vec::new(),
            warnings: left_over
                .iter()
                .map(|place| {
                    format!(
                        "folder {place} was written by an earlier run of this job and is no longer a sink; remove it if nobody needs it"
                    )
                })
                .collect(),
            left_over,
            picture: crate::summary::Picture::default(),
        }
    }

    async fn work(&mut self) -> Result<RunReport> {
        let mut staging = Staging::new(&self.run_id);
        let export_time = now();
        let (facts_sender, facts) = LateFacts::channel();
        let held = HeldOutputs::default();
        let (mut planned, consumers) = self.consumers(&mut staging, &held, &export_time, &facts).await?;
        let progress = Arc::new(PassProgress::default());
        let found = self.found();
        let (files, bytes) = found.iter().flat_map(|(_, files)| files).fold((0, 0), |(count, bytes), file| (count + 1, bytes + file.size));
        self.events.send(&JobEvent::Started { job: self.spec.job.name.clone(), run_id: self.run_id.clone(), files, bytes });

        let reading = Instant::now();
        let ticker = self.ticker(&progress);
        let sources: Vec<String> = self.spec.sources.iter().map(|source| source.name.clone()).collect();
        let on_accounted = AccountsHandler::new(move |files| facts_sender.send(source_facts(sources.iter().map(String::as_str), files)));
        let pass_options =
            PassOptions { progress: Some(Arc::clone(&progress)), on_accounted: Some(on_accounted), ..PassOptions::default() };
        let done = self.pass.run(consumers, pass_options).await;
        ticker.abort();
        let done = done?;
        let pass_seconds = reading.elapsed().as_secs_f64();

        let (mut report, failures) = self.report(done, &mut planned, pass_seconds);
        report.quality_failures = self.write_failures(&report, &failures)?;
        let releases = planned.iter().flat_map(|sink| &sink.counting.releases);
        report.documents = documents::records(releases, self.spec, &self.output)?;
        report.warnings.extend(report.documents.iter().filter_map(DocumentsRecord::warning));
        for source in &report.sources {
            if !source.account.balances() {
                let Account { records, accepted, rejected, .. } = source.account;
                return Err(JobError::NotBalanced { source_name: source.name.clone(), records, accepted, rejected });
            }
        }
        self.check_unchanged()?;
        self.judge(&mut report);
        if report.status == RunStatus::Clean {
            complete_sink_manifests(&staging, &report)?;
            held.publish(|manifest| complete_manifest(manifest, &report)).await?;
            let manifest =
                serde_json::to_vec_pretty(&Manifest::of(&report, &export_time)).map_err(|error| JobError::Report(error.to_string()))?;
            staging.publish(&self.output.join(MANIFEST), &manifest)?;
            self.events.send(&JobEvent::Published { sinks: report.sinks.len() });
        } else {
            drop(staging);
            held.abandon().await;
            report.sinks.clear();
            report.tables.clear();
        }
        report.finished = now();
        report.performance = self.performance(&report.totals, pass_seconds);
        report::write(self.spec, &report, &self.output)?;
        Ok(report)
    }

    /// What steps of type `fhir_enrich` have to know before the first row: all FHIR sources are read for it, in a session of its own.
    async fn persons(&self) -> Result<Arc<PatientIndex>> {
        if !self.spec.steps.iter().any(|step| matches!(step, StepSection::FhirEnrich(_))) {
            return Ok(Arc::default());
        }
        let engine = self.job.engine(None)?;
        let pass = open_pass(self.job, &engine).await?;
        let fhir = self.spec.sources.iter().filter(|source| source.format == "fhir");
        let sources: Vec<&str> = fhir.map(|source| source.name.as_str()).filter(|name| !pass.files(name).is_empty()).collect();
        Ok(Arc::new(persons::read(&engine, &pass, &sources).await?))
    }

    /// Every consumer of the pass: sinks, rejects, quality counts, counts for the pictures.
    async fn consumers(
        &self,
        staging: &mut Staging,
        held: &HeldOutputs,
        export_time: &str,
        facts: &LateFacts,
    ) -> Result<(Vec<PlannedSink>, Vec<Consumer<Output>>)> {
        let builder = Builder::new(self.job, &self.engine, self.privacy.as_ref()).with_persons(self.persons().await?);
        let mut planned = Vec::new();
        let mut consumers = Vec::new();
        let mut problems = Vec::new();
        for (index, section) in self.spec.sinks.iter().enumerate() {
            let built = match builder.table(&section.input).await {
                Ok(built) => built,
                Err(problem) => {
                    problems.push(problem);
                    continue;
                }
            };
            let schema = built.schema;
            if let Err(problem) = self.job.check_sink(index, section, &schema) {
                problems.push(problem);
                continue;
            }
            let identifies = schema.fields().iter().any(|field| sutura_core::ColumnMeta::from_field(field).must_refuse());
            let treated = !built.treatments.is_empty() || !built.counting.releases.is_empty();
            let classification = self.classification(section.classification.as_deref(), section.allow_phi && identifies, treated);
            let legal_status = self.legal_status(identifies, treated);
            let mut metadata = self.metadata(&section.name(), &classification, legal_status, section.purpose.as_deref(), export_time);
            // Redisclosure: the notice of a law goes with the data.
            let of_tables = built.treatments.iter().find_map(|(_, plan)| plan.output_schema().metadata().get("sutura.notice").cloned());
            let of_documents = || built.counting.releases.iter().find_map(|release| release.notice().map(str::to_owned));
            if let Some(notice) = of_tables.or_else(of_documents) {
                metadata.insert("sutura.notice".into(), notice);
            }
            let place = section.path();
            let location = if place.contains("://") { place.clone() } else { text(&staging.add(Path::new(&place))?) };
            let spec = sink::SinkSpec { hold: Some(held.clone()), ..self.bounded(facts, sink_spec(section, location, metadata)) };
            let origins = origins(&built.frame);
            consumers.push(self.sink_consumer(&section.name(), index, built.frame, Schema::clone(&schema), spec));
            planned.push(PlannedSink {
                name: section.name(),
                input: section.input.clone(),
                place,
                format: format!("{:?}", section.format).to_lowercase(),
                classification,
                purpose: section.purpose.clone(),
                treatments: built.treatments,
                counting: built.counting,
                lineage: origins,
            });
        }
        if !problems.is_empty() {
            problems.dedup();
            return Err(JobError::Problems(problems));
        }
        for name in &self.spec.report.tables {
            if let Some(section) = self.spec.sinks.iter().find(|section| section.name() == *name) {
                let built = builder.table(&section.input).await.map_err(|problem| JobError::Problems(vec![problem]))?;
                consumers.push(shown_consumer(name, built.frame));
            }
        }
        self.add_rejects(staging, export_time, facts, &mut planned, &mut consumers).await?;
        for (index, step) in self.spec.steps.iter().enumerate() {
            if let StepSection::Quality(step) = step {
                consumers.push(self.quality_consumer(&builder, index, step).await?);
            }
        }
        for source in self.spec.sources.iter().filter(|source| source.format == "hl7v2") {
            consumers.extend(self.summary_consumers(&source.name).await?);
        }
        Ok((planned, consumers))
    }

    /// A sink of this run: it waits for the facts known last, and shares the memory of the others.
    fn bounded(&self, facts: &LateFacts, spec: sink::SinkSpec) -> sink::SinkSpec {
        sink::SinkSpec { late_metadata: Some(facts.clone()), budget: Some(Arc::clone(&self.row_groups)), ..spec }
    }

    fn sink_consumer(&self, name: &str, index: usize, frame: DataFrame, schema: Schema, spec: sink::SinkSpec) -> Consumer<Output> {
        let (engine, events, sink_name) = (self.engine.clone(), self.events.clone(), name.to_owned());
        Consumer::new(name, frame, move |stream| async move {
            let report = sink::write_stream(&engine, stream, &schema, spec).await?;
            events.send(&JobEvent::SinkWritten { sink: sink_name, rows: report.rows, bytes: report.bytes });
            Ok(Output::Sink { index, report })
        })
    }

    async fn add_rejects(
        &self,
        staging: &mut Staging,
        export_time: &str,
        facts: &LateFacts,
        planned: &mut Vec<PlannedSink>,
        consumers: &mut Vec<Consumer<Output>>,
    ) -> Result<()> {
        let Some(section) = &self.spec.rejects else { return Ok(()) };
        private::make_folder(Path::new(&section.path))?;
        for source in &self.spec.sources {
            let frame = self.engine.sql(&format!("select * from {}.rejects", source.name)).await?;
            let keys = self.privacy.as_ref().filter(|_| section.originals).map(|privacy| &privacy.keys);
            let frame = rejects::sealed(frame, keys)?;
            let schema = lineage::classified_schema(&frame);
            let place = Path::new(&section.path).join(&source.name);
            let name = format!("rejects_{}", source.name);
            let metadata =
                self.metadata(&name, rejects::CLASSIFICATION, self.legal_status(true, false), Some(rejects::PURPOSE), export_time);
            let spec = self.bounded(facts, rejects::sink_spec(text(&staging.add(&place)?), metadata));
            let engine = self.engine.clone();
            consumers.push(Consumer::new(&name, frame, move |stream| async move {
                Ok(Output::Rejects { report: sink::write_stream(&engine, stream, &schema, spec).await? })
            }));
            planned.push(PlannedSink {
                name,
                input: format!("{}.rejects", source.name),
                place: text(&place),
                format: "parquet".into(),
                classification: rejects::CLASSIFICATION.into(),
                purpose: Some(rejects::PURPOSE.into()),
                treatments: Vec::new(),
                counting: Counting::default(),
                lineage: Vec::new(),
            });
        }
        Ok(())
    }

    async fn quality_consumer(&self, builder: &Builder<'_>, index: usize, step: &QualityStep) -> Result<Consumer<Output>> {
        let built = builder.input_of(index).await.map_err(|problem| JobError::Problems(vec![problem]))?;
        let checks = Checks::new(step, &built.schema).map_err(JobError::Config)?;
        let frame = built.frame.select(checks.columns()).map_err(EngineError::from)?;
        let (events, name, gate) = (self.events.clone(), step.name.clone(), step.gate.clone());
        Ok(Consumer::new(format!("quality of {}", step.name), frame, move |stream| async move {
            let mut counter = checks.counter();
            each(stream, |batch| counter.update(batch)).await?;
            let report = counter.finish();
            let passed = gate.is_none_or(|gate| !gate.decide(&report).stops());
            events.send(&JobEvent::QualityMeasured { step: name, score: report.overall, passed });
            Ok(Output::Quality { index, report })
        }))
    }

    async fn summary_consumers(&self, source: &str) -> Result<[Consumer<Output>; 2]> {
        let messages = self.engine.sql(&format!("select {} from {source}.messages", MESSAGE_COLUMNS.join(", "))).await?;
        let observations = format!("select {} from {source}.observations where value_number is not null", OBSERVATION_COLUMNS.join(", "));
        let observations = self.engine.sql(&observations).await?;
        Ok([
            Consumer::new(format!("counts of {source}.messages"), messages, |stream| async move {
                let mut summary = Summary::default();
                each(stream, |batch| summary.add_messages(batch)).await?;
                Ok(Output::Summary(Box::new(summary)))
            }),
            Consumer::new(format!("counts of {source}.observations"), observations, |stream| async move {
                let mut summary = Summary::default();
                each(stream, |batch| summary.add_observations(batch)).await?;
                Ok(Output::Summary(Box::new(summary)))
            }),
        ])
    }

    /// What every output says about itself.
    fn metadata(
        &self,
        sink: &str,
        classification: &str,
        legal_status: &str,
        purpose: Option<&str>,
        export_time: &str,
    ) -> BTreeMap<String, String> {
        let mut metadata: BTreeMap<String, String> = [
            ("sutura.version", env!("CARGO_PKG_VERSION")),
            ("sutura.run_id", &self.run_id),
            ("sutura.export_time", export_time),
            ("sutura.job", &self.spec.job.name),
            ("sutura.job_sha256", &self.job.hash),
            ("sutura.sink", sink),
            ("sutura.classification", classification),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
        if let Some(policy) = &self.policy {
            let facts = [
                ("policy", format!("{}/{}", policy.name, policy.version)),
                ("policy_sha256", policy.sha256.clone()),
                ("profile", policy.profile.clone()),
                ("legal_status", legal_status.to_owned()),
                ("key_id", policy.key_id.clone()),
            ];
            metadata.extend(facts.into_iter().map(|(key, value)| (format!("sutura.{key}"), value)));
            metadata.extend(policy.legal.iter().map(|(key, value)| (format!("sutura.legal.{key}"), value.clone())));
        }
        if let Some(purpose) = purpose {
            metadata.insert("sutura.purpose".into(), purpose.into());
        }
        for (source, files) in self.found() {
            metadata.insert(format!("sutura.source.{source}.fingerprint"), fingerprint(&files));
        }
        metadata
    }

    fn classification(&self, stated: Option<&str>, identifies: bool, treated: bool) -> String {
        let profile = self.privacy.as_ref().map(|privacy| privacy.policy.profile);
        stated.map_or_else(|| crate::setup::classification(profile, identifies, treated).to_owned(), str::to_owned)
    }

    /// What an output is in law: what the policy makes of it, unless it holds identifying columns that did not go through the policy.
    fn legal_status(&self, identifies: bool, treated: bool) -> &'static str {
        let profile = self.privacy.as_ref().map_or(sutura_privacy::Profile::None, |privacy| privacy.policy.profile);
        crate::setup::legal_status(profile, identifies, treated)
    }

    fn ticker(&self, progress: &Arc<PassProgress>) -> tokio::task::JoinHandle<()> {
        let (progress, events) = (Arc::clone(progress), self.events.clone());
        tokio::spawn(async move {
            let mut interval = tokio::time::interval(Duration::from_millis(150));
            loop {
                interval.tick().await;
                events.send(&JobEvent::Progress {
                    bytes_read: progress.bytes_read.load(Ordering::Relaxed),
                    bytes_total: progress.bytes_total.load(Ordering::Relaxed),
                    files_done: progress.files_done.load(Ordering::Relaxed),
                    files_total: progress.files_total.load(Ordering::Relaxed),
                    records: progress.records.load(Ordering::Relaxed),
                    rejected: progress.rejected.load(Ordering::Relaxed),
                });
            }
        })
    }

    fn report(&self, done: PassReport<Output>, planned: &mut [PlannedSink], pass_seconds: f64) -> (RunReport, Vec<serde_json::Value>) {
        let mut report = self.blank(RunStatus::Clean);
        let mut failures = Vec::new();
        for source in &self.spec.sources {
            let files: Vec<FileRecord> =
                done.files.iter().filter(|file| file.source == source.name).map(|file| FileRecord::of(file, &self.names)).collect();
            let account = Account::of(&done.stats(&source.name));
            report.sources.push(SourceRecord { name: source.name.clone(), format: source.format.clone(), account, files });
        }
        let mut totals = sutura_core::ReadStats::default();
        done.files.iter().for_each(|file| totals.merge(&file.stats));
        report.totals = Account::of(&totals);
        report.equation = report.totals.equation();
        let mut summary = Summary::default();
        let mut rejects = planned.iter().skip(self.spec.sinks.len());
        for consumer in done.consumers {
            let (sink, written) = match consumer.output {
                Output::Sink { index, report } => (&planned[index], report),
                Output::Rejects { report } => match rejects.next() {
                    Some(sink) => (sink, report),
                    None => continue,
                },
                Output::Quality { index, report: mut measured } => {
                    failures.extend(take_failures(self.spec.steps[index].name(), &mut measured, &self.names));
                    report.quality.push(self.quality_record(index, measured));
                    continue;
                }
                Output::Shown(table) => {
                    report.tables.push(table);
                    continue;
                }
                Output::Summary(part) => {
                    summary.merge(&part);
                    continue;
                }
            };
            report.sinks.push(SinkRecord {
                name: sink.name.clone(),
                input: sink.input.clone(),
                location: sink.place.clone(),
                format: sink.format.clone(),
                rows: written.rows,
                bytes: written.bytes,
                classification: sink.classification.clone(),
                purpose: sink.purpose.clone(),
                files: WrittenFileRecord::of(&written),
                columns: ColumnRecord::of(&written.schema),
                lineage: sink.lineage.clone(),
                own_scan: consumer.own_scan,
            });
        }
        report.deidentification = treatments(planned);
        let conversions = planned.iter().flat_map(|sink| &sink.counting.conversions);
        report.conversion = conversion::records(conversions, self.names.are_hidden());
        report.warnings.extend(report.conversion.iter().filter_map(ConversionRecord::warning));
        let rules = PictureRules {
            release: self.privacy.as_ref().is_some_and(|privacy| privacy.policy.profile != sutura_privacy::Profile::None),
            smallest_cell: self.spec.report.smallest_cell,
            lab_tests: self.spec.report.lab_tests,
        };
        report.picture = summary.picture(rules);
        report.performance = self.performance(&report.totals, pass_seconds);
        (report, failures)
    }

    /// Names the failed records of each check in the private folder; says where.
    fn write_failures(&self, report: &RunReport, failures: &[serde_json::Value]) -> Result<Option<String>> {
        if !self.names.are_hidden() || report.quality.is_empty() {
            return Ok(None);
        }
        let path = private::folder_of(self.spec, &self.output).join(FAILURES_FILE);
        let lines: String = failures.iter().flat_map(|line| [line.to_string(), "\n".to_owned()]).collect();
        private::write(&path, lines.as_bytes())?;
        Ok(Some(text(&path)))
    }

    fn quality_record(&self, index: usize, report: QualityReport) -> QualityRecord {
        let step = &self.spec.steps[index];
        let (gate, quarantine) = match step {
            StepSection::Quality(step) => (step.gate.as_ref().map(|gate| gate.decide(&report)), step.quarantine.clone()),
            _ => (None, None),
        };
        QualityRecord {
            step: step.name().to_owned(),
            input: step.input().unwrap_or_default().to_owned(),
            report,
            gate,
            quarantine_table: quarantine,
        }
    }

    fn performance(&self, totals: &Account, pass_seconds: f64) -> Performance {
        let seconds = self.clock.elapsed().as_secs_f64();
        let rate = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        Performance {
            seconds,
            pass_seconds,
            records_per_second: rate(totals.records),
            bytes_per_second: rate(totals.bytes),
            peak_memory_bytes: peak_memory_bytes(),
            workers: self.engine.options().target_partitions,
        }
    }

    /// Decides the gates; the first that stops gives the reason.
    fn judge(&self, report: &mut RunReport) {
        let gates = &self.spec.gates;
        let share = report.totals.rejected_share();
        let stopped = report.quality.iter().find_map(|quality| {
            let gate = quality.gate.as_ref().filter(|gate| gate.stops())?;
            Some(format!("quality step {}: {}", quality.step, gate.reason))
        });
        let (status, reason) = if let Some(limit) = gates.rejects_max_share.filter(|limit| share > *limit) {
            (
                RunStatus::RejectsAboveThreshold,
                format!("{:.2} % of the records were rejected; the job allows {:.2} %", share * 100.0, limit * 100.0),
            )
        } else if report.totals.accepted < gates.min_records {
            (RunStatus::TooFewRecords, format!("{} records were accepted; the job asks for {}", report.totals.accepted, gates.min_records))
        } else if let Some(reason) = stopped {
            (RunStatus::GateStopped, reason)
        } else {
            return;
        };
        report.status = status;
        report.reason = Some(reason);
    }

    /// A file that changed while it was read was read half old, half new.
    fn check_unchanged(&self) -> Result<()> {
        for file in self.spec.sources.iter().flat_map(|source| self.pass.files(&source.name)) {
            let Some(path) = &file.local else { continue };
            let metadata = std::fs::metadata(path).map_err(|error| JobError::io(path, error))?;
            let modified = metadata.modified().map(chrono::DateTime::<Utc>::from).ok();
            if metadata.len() != file.size || modified.is_some_and(|modified| modified != file.modified) {
                return Err(JobError::SourceChanged { uri: self.names.of(&file.uri).to_owned() });
            }
        }
        Ok(())
    }
}

/// What the source files are called in records that travel: by number when the policy de-identifies.
pub(crate) fn source_names(job: &Job, privacy: Option<&Privacy>, pass: &SharedPass, output: &Path) -> Result<SourceNames> {
    if privacy.is_none_or(|privacy| privacy.policy.profile == sutura_privacy::Profile::None) {
        return Ok(SourceNames::shown());
    }
    let sources = job.spec.sources.iter();
    let sources = sources.map(|source| {
        let files = pass.files(&source.name).iter().map(AsRef::as_ref).collect();
        (source.name.as_str(), source.path.as_str(), files)
    });
    SourceNames::hidden(&private::folder_of(&job.spec, output), sources)
}

/// The pass over the job's sources. A source that may be empty and is gets empty tables.
pub(crate) async fn open_pass(job: &Job, engine: &Engine) -> Result<SharedPass> {
    let mut sources = Vec::new();
    for source in &job.spec.sources {
        let extensions = job.format_of(source).map_or(&[][..], |format| format.extensions());
        match engine.files(&source.path, extensions).await {
            Ok(_) => sources.push(SourceSpec {
                options: serde_json::Value::Object(source.options.clone().into_iter().collect()),
                instance: job.format_of(source).cloned(),
                ..SourceSpec::new(&source.name, &source.format, &source.path)
            }),
            Err(EngineError::NotFound { .. } | EngineError::NoFiles { .. }) if source.allow_empty => job.register_empty(engine, source)?,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(SharedPass::new(engine, sources).await?)
}

/// Feeds every batch of a stream to a function.
async fn each(
    mut stream: SendableRecordBatchStream,
    mut take: impl FnMut(&arrow::array::RecordBatch) -> std::result::Result<(), String>,
) -> std::result::Result<(), SinkError> {
    while let Some(batch) = stream.next().await {
        take(&batch?).map_err(|reason| EngineError::Function { name: "counting".to_owned(), reason })?;
    }
    Ok(())
}

/// The statistics of every treatment. A step that feeds several sinks was run for each; the fullest count of each column is the step's.
fn treatments(planned: &[PlannedSink]) -> Vec<TreatmentRecord> {
    let mut records: Vec<TreatmentRecord> = Vec::new();
    for (step, plan) in planned.iter().flat_map(|sink| &sink.treatments) {
        let mut columns = plan.statistics();
        let rows = columns.iter().map(|column| column.rows).max().unwrap_or_default();
        for (column, planned) in columns.iter_mut().zip(plan.columns()) {
            // A dropped column is never computed: all its values are gone.
            if planned.output_field().is_none() && column.rows == 0 {
                column.rows = rows;
                column.suppressed = rows;
            }
        }
        match records.iter_mut().find(|record| &record.step == step) {
            None => records.push(TreatmentRecord { step: step.clone(), columns }),
            Some(record) => record.columns.iter_mut().zip(columns).for_each(|(known, new)| fuller(known, new)),
        }
    }
    records
}

fn fuller(known: &mut ColumnStatistics, new: ColumnStatistics) {
    if new.rows > known.rows {
        *known = new;
    }
}

/// Adds what is known only at the end (counts, hashes of the sources) to the manifest of each staged sink.
fn complete_sink_manifests(staging: &Staging, report: &RunReport) -> Result<()> {
    for staged in staging.staged() {
        let path = staged.join(sutura_engine::sink::MANIFEST);
        let bytes = std::fs::read(&path).map_err(|error| JobError::io(&path, error))?;
        let mut manifest: serde_json::Value = serde_json::from_slice(&bytes).map_err(|error| JobError::Report(error.to_string()))?;
        complete_manifest(&mut manifest, report);
        write_file(&path, &serde_json::to_vec_pretty(&manifest).map_err(|error| JobError::Report(error.to_string()))?)?;
    }
    Ok(())
}

fn complete_manifest(manifest: &mut serde_json::Value, report: &RunReport) {
    manifest["records"] = serde_json::json!({
        "in": report.totals.records, "accepted": report.totals.accepted, "rejected": report.totals.rejected,
    });
    manifest["sources"] = report
        .sources
        .iter()
        .map(|source| {
            let hashes: Vec<&str> = source.files.iter().filter_map(|file| file.sha256.as_deref().or(file.etag.as_deref())).collect();
            serde_json::json!({ "name": source.name, "format": source.format, "sha256": hashes })
        })
        .collect();
}

/// One hash for a set of files as they were found: names, sizes, times.
fn fingerprint(files: &[ManifestFile]) -> String {
    let mut text = String::new();
    for file in files {
        let _ = writeln!(text, "{}\n{}\n{}\n{}", file.uri, file.size, file.modified, file.etag.as_deref().unwrap_or_default());
    }
    Sha256Hash::of(text.as_bytes()).to_string()
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

pub(crate) fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Where each column of a plan comes from.
fn origins(frame: &DataFrame) -> Vec<ColumnOrigin> {
    let names = frame.schema().fields().iter().map(|field| field.name().clone());
    let sources = sutura_engine::column_sources::column_sources(frame.logical_plan());
    names.zip(sources).map(|(column, sources)| ColumnOrigin { column, sources: sources.into_iter().collect() }).collect()
}
