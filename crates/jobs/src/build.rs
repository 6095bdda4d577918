//! From the steps of a job to data frames. Nothing runs here: a data frame is a plan.
//!
//! The same code builds plans over empty tables for `validate` and `plan`, and over the shared pass for `run`.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use arrow::datatypes::{DataType, Field, Schema};
use sutura_core::{ColumnMeta, PartialDateTime, PhiClass};
use sutura_engine::{ColumnFunction, DataFrame, Engine, EngineError, Expr, column, lineage};
use sutura_fhir::enrich::{self, PatientIndex};
use sutura_privacy::{PrivacyError, SchemaPlan};

use crate::{
    Job,
    config::{
        ConfigProblem,
        document::Part,
        files::{LIST_LIMIT, TEXT_LIMIT, read_text},
        load::at,
        nearest, step_inputs,
    },
    conversion::{self, Conversion},
    documents::{self, Release},
    functions::{ages, categories, codes, dates, mapping, text},
    model::{
        AgeStep, CategoriseStep, CodeMappingStep, ConvertStep, DeidentifyDocumentsStep, ExtractCodesStep, FhirEnrichStep,
        NormaliseTextStep, RenameStep, SqlStep, StandardiseDatesStep, StepSection,
    },
    persons,
    privacy::Privacy,
    quality::Checks,
};

/// A table with what building it brought about.
#[derive(Debug)]
pub(crate) struct Built {
    /// The table.
    pub(crate) frame: DataFrame,
    /// Its columns with their classes.
    pub(crate) schema: Arc<Schema>,
    /// The de-identification on the way to it: step and plan, whose statistics count when the frame runs.
    pub(crate) treatments: Vec<(String, Arc<SchemaPlan>)>,
    /// What else counts on the way to it.
    pub(crate) counting: Counting,
}

/// The steps on the way to a table whose reports fill when the frame runs.
#[derive(Debug, Default)]
pub(crate) struct Counting {
    pub(crate) conversions: Vec<Arc<Conversion>>,
    pub(crate) releases: Vec<Arc<Release>>,
}

/// What a step counts while it runs. Each consumer of a pass has its own counts.
#[derive(Clone, Default)]
struct Counted {
    treatment: Option<Arc<SchemaPlan>>,
    conversion: Option<Arc<Conversion>>,
    release: Option<Arc<Release>>,
}

/// What the steps have made so far.
#[derive(Default)]
struct Made {
    /// By step: what it counts while it runs.
    steps: BTreeMap<usize, Counted>,
    /// By name.
    tables: HashMap<String, DataFrame>,
    /// By table, those of sources included: the columns with their classes, which are the same for every consumer.
    schemas: HashMap<String, Arc<Schema>>,
    /// How often a step was made.
    #[cfg(test)]
    makings: usize,
}

/// Builds tables of a job. A step is built once, however many tables need it; except that what goes through a `deidentify`
/// or `convert` step is built anew for every table of a run, so that the statistics of one consumer are its own.
pub(crate) struct Builder<'a> {
    job: &'a Job,
    engine: &'a Engine,
    privacy: Option<&'a Privacy>,
    inputs: BTreeMap<String, Vec<String>>,
    /// The steps in an order in which each finds its inputs.
    order: Vec<usize>,
    /// Whether nothing will run, so that nobody needs statistics of their own.
    dry: bool,
    /// By step: whether a step that counts (`deidentify`, `deidentify_documents`, `convert`) is on the way to it.
    counted: Vec<bool>,
    /// What steps of type `fhir_enrich` know of persons; nothing while tables are only looked at.
    persons: Arc<PatientIndex>,
    made: Mutex<Made>,
}

type StepResult<T> = std::result::Result<T, ConfigProblem>;

impl<'a> Builder<'a> {
    /// A builder for a run, over an engine in whose session the tables of the sources are registered.
    pub(crate) fn new(job: &'a Job, engine: &'a Engine, privacy: Option<&'a Privacy>) -> Self {
        let inputs = step_inputs(&job.spec);
        let order = build_order(job, &inputs);
        let mut counted = vec![false; job.spec.steps.len()];
        let mut counted_tables: BTreeSet<&str> = BTreeSet::new();
        for &index in &order {
            let step = &job.spec.steps[index];
            let reads = &inputs[step.name()];
            counted[index] = matches!(step, StepSection::Deidentify(_) | StepSection::DeidentifyDocuments(_) | StepSection::Convert(_))
                || reads.iter().any(|input| counted_tables.contains(input.as_str()));
            if counted[index] {
                counted_tables.extend(step.outputs());
            }
        }
        Self { job, engine, privacy, inputs, order, dry: false, counted, persons: Arc::default(), made: Mutex::default() }
    }

    /// The same with the persons that the job's FHIR sources tell of.
    pub(crate) fn with_persons(self, persons: Arc<PatientIndex>) -> Self {
        Self { persons, ..self }
    }

    /// A builder for tables that are only looked at.
    pub(crate) fn dry(job: &'a Job, engine: &'a Engine, privacy: Option<&'a Privacy>) -> Self {
        Self { dry: true, ..Self::new(job, engine, privacy) }
    }

    /// The table of that name: of a source, or made by a step.
    pub(crate) async fn table(&self, name: &str) -> StepResult<Built> {
        let (treatments, counting) = self.make_all(name).await?;
        let frame = self.input(name, &[]).await?;
        Ok(Built { schema: self.schema(name, &frame), frame, treatments, counting })
    }

    /// Makes a table and all that it needs; answers the de-identification on the way to it.
    pub(crate) async fn prepare(&self, name: &str) -> StepResult<Vec<(String, Arc<SchemaPlan>)>> {
        self.make_all(name).await.map(|(treatments, _)| treatments)
    }

    async fn make_all(&self, name: &str) -> StepResult<(Vec<(String, Arc<SchemaPlan>)>, Counting)> {
        if !self.dry {
            self.made().steps.retain(|index, _| !self.counted[*index]);
        }
        let (mut treatments, mut counting) = (Vec::new(), Counting::default());
        for index in self.needed(name) {
            let known = self.made().steps.get(&index).cloned();
            let counted = match known {
                Some(counted) => counted,
                None => self.make(index).await?,
            };
            treatments.extend(counted.treatment.map(|plan| (self.job.spec.steps[index].name().to_owned(), plan)));
            counting.conversions.extend(counted.conversion);
            counting.releases.extend(counted.release);
        }
        Ok((treatments, counting))
    }

    /// The table a quality step checks: its input.
    pub(crate) async fn input_of(&self, step: usize) -> StepResult<Built> {
        let name = self.job.spec.steps[step].input().unwrap_or_default().to_owned();
        self.table(&name).await
    }

    fn made(&self) -> MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The steps that a table needs, in order.
    fn needed(&self, name: &str) -> Vec<usize> {
        let mut wanted = HashSet::from([name]);
        let mut queue = vec![name];
        while let Some(next) = queue.pop() {
            for input in self.inputs.get(next).into_iter().flatten() {
                if wanted.insert(input) {
                    queue.push(input);
                }
            }
        }
        let steps = &self.job.spec.steps;
        self.order.iter().copied().filter(|index| steps[*index].outputs().iter().any(|output| wanted.contains(output))).collect()
    }

    async fn input(&self, name: &str, path: &[Part]) -> StepResult<DataFrame> {
        let made = self.made().tables.get(name).cloned();
        match made {
            Some(frame) => Ok(frame),
            None => self.engine.session().table(name).await.map_err(|error| self.job.problem(path, plain(error), None)),
        }
    }

    /// The columns of a table with their classes. To follow them through all steps takes time, so it is done once.
    fn schema(&self, name: &str, frame: &DataFrame) -> Arc<Schema> {
        let known = self.made().schemas.get(name).cloned();
        known.unwrap_or_else(|| {
            let schema = Arc::new(lineage::classified_schema(frame));
            self.made().schemas.insert(name.to_owned(), Arc::clone(&schema));
            schema
        })
    }

    /// Makes the tables of a step, also for SQL steps, which find them in the session.
    async fn make(&self, index: usize) -> StepResult<Counted> {
        let step = &self.job.spec.steps[index];
        let (outputs, counted) = self.apply(index, step).await?;
        let session = self.engine.session();
        for (output, frame) in outputs {
            let registered = session.deregister_table(&output).and_then(|_| session.register_table(&output, frame.clone().into_view()));
            registered.map_err(|error| self.job.problem(&at!["step", index, "name"], plain(error), None))?;
            self.made().tables.insert(output, frame);
        }
        let mut made = self.made();
        #[cfg(test)]
        {
            made.makings += 1;
        }
        made.steps.insert(index, counted.clone());
        Ok(counted)
    }

    async fn apply(&self, index: usize, step: &StepSection) -> StepResult<(Vec<(String, DataFrame)>, Counted)> {
        if let StepSection::Sql(sql) = step {
            let frame = self.sql(index, sql).await?;
            return Ok((vec![(sql.name.clone(), frame)], Counted::default()));
        }
        let input = step.input().unwrap_or_default();
        let frame = self.input(input, &at!["step", index, "input"]).await?;
        let schema = self.schema(input, &frame);
        let table = Table { job: self.job, index, frame, schema };
        let (mut outputs, mut counted) = (Vec::new(), Counted::default());
        let result = match step {
            StepSection::Sql(_) => return Ok((outputs, counted)),
            StepSection::Rename(step) => table.rename(step)?,
            StepSection::StandardiseDates(step) => table.standardise_dates(step)?,
            StepSection::NormaliseText(step) => table.normalise_text(step)?,
            StepSection::ExtractCodes(step) => table.extract_codes(step)?,
            StepSection::Age(step) => table.age(step)?,
            StepSection::Categorise(step) => table.categorise(step)?,
            StepSection::CodeMapping(step) => table.map_codes(step)?,
            StepSection::FhirEnrich(step) => table.enrich(step, Arc::clone(&self.persons))?,
            StepSection::Convert(step) => {
                let (frame, conversion) = table.convert(step)?;
                counted.conversion = Some(conversion);
                frame
            }
            StepSection::DeidentifyDocuments(step) => {
                let (frame, release) = table.release(self.privacy, step)?;
                counted.release = Some(release);
                frame
            }
            StepSection::Quality(step) => {
                let checks = Checks::new(step, &table.schema).map_err(|message| table.problem("check", message))?;
                let (kept, aside) = table.divide(&checks, step.gate.as_ref())?;
                if let (Some(name), Some(aside)) = (&step.quarantine, aside) {
                    outputs.push((name.clone(), aside));
                }
                kept
            }
            StepSection::Deidentify(step) => {
                let (frame, plan) = table.deidentify(self.privacy, &step.input)?;
                counted.treatment = Some(plan);
                frame
            }
        };
        outputs.push((step.name().to_owned(), result));
        Ok((outputs, counted))
    }

    async fn sql(&self, index: usize, step: &SqlStep) -> StepResult<DataFrame> {
        let (key, query) = match (&step.query, &step.query_file) {
            (None, Some(file)) => ("query_file", read_text(Path::new(file), TEXT_LIMIT).unwrap_or_default()),
            (query, _) => ("query", query.clone().unwrap_or_default()),
        };
        self.engine.sql(&query).await.map_err(|error| self.job.problem(&at!["step", index, key], plain(error), None))
    }
}

/// All steps, each behind those it reads.
fn build_order(job: &Job, inputs: &BTreeMap<String, Vec<String>>) -> Vec<usize> {
    let steps = &job.spec.steps;
    let maker: HashMap<&str, usize> =
        steps.iter().enumerate().flat_map(|(index, step)| step.outputs().into_iter().map(move |output| (output, index))).collect();
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); steps.len()];
    let mut waits_for = vec![0usize; steps.len()];
    for (index, step) in steps.iter().enumerate() {
        for input in inputs[step.name()].iter().filter_map(|input| maker.get(input.as_str())) {
            readers[*input].push(index);
            waits_for[index] += 1;
        }
    }
    let mut ready: BTreeSet<usize> = (0..steps.len()).filter(|index| waits_for[*index] == 0).collect();
    let mut order = Vec::with_capacity(steps.len());
    // Circles were refused when the job was loaded; what is in one is never ready.
    while let Some(index) = ready.pop_first() {
        order.push(index);
        for &reader in &readers[index] {
            waits_for[reader] -= 1;
            if waits_for[reader] == 0 {
                ready.insert(reader);
            }
        }
    }
    order
}

/// The input of a step, with the classes of its columns.
struct Table<'a> {
    job: &'a Job,
    index: usize,
    frame: DataFrame,
    schema: Arc<Schema>,
}

impl Table<'_> {
    fn problem(&self, key: &str, message: String) -> ConfigProblem {
        self.job.problem(&at!["step", self.index, key], message, None)
    }

    /// The field of a column, or the problem that there is none.
    fn field(&self, key: &str, column: &str) -> StepResult<&Field> {
        self.schema.field_with_name(column).map_err(|_| {
            let known = self.schema.fields().iter().map(|field| field.name().as_str());
            let message = format!("the input has no column {column:?}");
            self.job.problem(&at!["step", self.index, key], message, nearest(column, known))
        })
    }

    /// All columns, some of them replaced, some added.
    fn select(&self, mut replaced: HashMap<String, Expr>, added: Vec<Expr>) -> StepResult<DataFrame> {
        let columns = self.schema.fields().iter().map(|field| replaced.remove(field.name()).unwrap_or_else(|| column(field.name())));
        let columns: Vec<Expr> = columns.chain(added).collect();
        self.finish(self.frame.clone().select(columns))
    }

    fn finish<E: Into<EngineError>>(&self, frame: std::result::Result<DataFrame, E>) -> StepResult<DataFrame> {
        frame.map_err(|error| self.job.problem(&at!["step", self.index], plain(error), None))
    }

    /// A name for a new column, which must be free.
    fn new_name(&self, key: &str, name: &str) -> StepResult<()> {
        match self.schema.field_with_name(name) {
            Ok(_) => Err(self.problem(key, format!("the input has a column {name:?} already"))),
            Err(_) => Ok(()),
        }
    }

    fn rename(&self, step: &RenameStep) -> StepResult<DataFrame> {
        let mut replaced = HashMap::new();
        for (old, new) in &step.columns {
            self.field("columns", old)?;
            if !step.columns.contains_key(new) {
                self.new_name("columns", new)?;
            }
            replaced.insert(old.clone(), column(old).alias(new));
        }
        self.select(replaced, Vec::new())
    }

    /// Replaces text columns by a function of themselves; they keep their metadata.
    fn rewrite(
        &self,
        name: &'static str,
        columns: &[String],
        function: impl Fn(&arrow::array::ArrayRef) -> Result<arrow::array::ArrayRef, String> + Clone + Send + Sync + 'static,
    ) -> StepResult<DataFrame> {
        let mut replaced = HashMap::new();
        for column in columns {
            let meta = ColumnMeta::from_field(self.field("columns", column)?);
            let output = meta.apply(Field::new(column, DataType::Utf8View, true));
            let function = function.clone();
            let call = ColumnFunction::new(name, output, move |columns| function(&columns[0]));
            replaced.insert(column.clone(), call.over([column.as_str()]));
        }
        self.select(replaced, Vec::new())
    }

    fn standardise_dates(&self, step: &StandardiseDatesStep) -> StepResult<DataFrame> {
        let formats = step.formats.clone();
        self.rewrite("standardise_dates", &step.columns, move |column| dates::standardise(column, &formats))
    }

    fn normalise_text(&self, step: &NormaliseTextStep) -> StepResult<DataFrame> {
        let rules = text::TextRules { case: step.case, collapse_spaces: step.collapse_spaces, empty_is_null: step.empty_is_null };
        self.rewrite("normalise_text", &step.columns, move |column| text::normalise(column, rules))
    }

    fn extract_codes(&self, step: &ExtractCodesStep) -> StepResult<DataFrame> {
        self.new_name("output", &step.output)?;
        let field = self.field("column", &step.column)?;
        // Digits that look like a code may be something else: the result stays as identifying as the text.
        let output = made_from(field, &step.output, "codes found in text, separated by spaces");
        let system = step.system;
        let call = ColumnFunction::new("extract_codes", output, move |columns| codes::extract(&columns[0], system));
        self.select(HashMap::new(), vec![call.over([step.column.as_str()])])
    }

    fn enrich(&self, step: &FhirEnrichStep, persons: Arc<PatientIndex>) -> StepResult<DataFrame> {
        let field = self.field("column", &step.column)?;
        let output = ColumnMeta::from_field(field).apply(Field::new(&step.column, DataType::Utf8View, true));
        let day = step.reference_date.parse().map_err(|_| self.problem("reference_date", "is not a whole ISO date".into()))?;
        let options = enrich::Options {
            validate: step.validate,
            default_country: step.default_country.clone(),
            service_bases: step.service_bases.clone(),
            ..enrich::Options::new(day)
        };
        let enricher = persons::enricher(options, persons, self.job.profiles.as_ref());
        let call = ColumnFunction::new("fhir_enrich", output, move |columns| persons::enrich(&enricher, &columns[0], columns.get(1)));
        // A resource out of a Bundle is known by its fullUrl too.
        let has_url = self.schema.field_with_name(persons::FULL_URL).is_ok();
        let arguments = std::iter::once(step.column.as_str()).chain(has_url.then_some(persons::FULL_URL));
        self.select(HashMap::from([(step.column.clone(), call.over(arguments))]), Vec::new())
    }

    fn convert(&self, step: &ConvertStep) -> StepResult<(DataFrame, Arc<Conversion>)> {
        self.field("column", &step.column)?;
        let kind = conversion::kind_of(&self.job.spec, step).map_err(|(key, message)| self.problem(key, message))?;
        let conversion =
            Arc::new(Conversion::new(step, kind, self.job.terminology.clone()).map_err(|message| self.problem("zone", message))?);
        let identity = conversion::IDENTITY.into_iter().filter(|name| self.schema.field_with_name(name).is_ok());
        let identity: Vec<&'static str> = identity.collect();
        let made = conversion::expressions(&conversion, &step.column, &identity);
        let frame = self.frame.clone().select(made.list).and_then(|frame| frame.unnest_columns(&[conversion::RESOURCE]));
        Ok((self.finish(frame.and_then(|frame| frame.select(made.columns)))?, conversion))
    }

    fn release(&self, privacy: Option<&Privacy>, step: &DeidentifyDocumentsStep) -> StepResult<(DataFrame, Arc<Release>)> {
        let column = documents::column_of(&self.job.spec, step);
        self.field("column", &column)?;
        let Some(privacy) = privacy else { return Err(self.problem("type", "the job has no [privacy] table".into())) };
        let release = Release::new(&self.job.spec, step, &privacy.deidentifier).map_err(|(key, message)| self.problem(key, message))?;
        let release = Arc::new(release);
        let has_source = self.schema.field_with_name(sutura_core::record::COL_SOURCE).is_ok();
        let (list, columns) = documents::expressions(&release, &column, has_source);
        let frame = self.frame.clone().select(vec![list]).and_then(|frame| frame.unnest_columns(&[documents::DOCUMENT]));
        Ok((self.finish(frame.and_then(|frame| frame.select(columns)))?, release))
    }

    fn age(&self, step: &AgeStep) -> StepResult<DataFrame> {
        self.new_name("output", &step.output)?;
        self.field("birth_date", &step.birth_date)?;
        let mut arguments = vec![step.birth_date.as_str()];
        if let Some(at) = &step.at {
            self.field("at", at)?;
            arguments.push(at);
        }
        let on = step.on.as_deref().and_then(PartialDateTime::parse_iso);
        let compute = move |columns: &[arrow::array::ArrayRef]| ages::ages(&columns[0], columns.get(1), on);
        let output = documented(PhiClass::Age, &step.output, DataType::Int64, "age in completed years");
        let mut added = vec![ColumnFunction::new("age", output, compute).over(arguments.iter().copied())];
        if let Some(group) = &step.group {
            self.new_name("group", group)?;
            let bands = step.bands;
            // Both schemes end in one group for the oldest, so that a group alone is a quasi-identifier.
            let output = documented(PhiClass::Quasi, group, DataType::Utf8View, "age group");
            let call = ColumnFunction::new("age_group", output, move |columns| ages::groups(&compute(columns)?, bands));
            added.push(call.over(arguments));
        }
        self.select(HashMap::new(), added)
    }

    fn categorise(&self, step: &CategoriseStep) -> StepResult<DataFrame> {
        self.new_name("output", &step.output)?;
        let field = self.field("column", &step.column)?;
        let output = made_from(field, &step.output, "category");
        let other = step.other.clone();
        let call = if step.values.is_empty() {
            let (bins, labels) = (step.bins.clone(), step.labels.clone());
            ColumnFunction::new("categorise", output, move |columns| categories::by_bounds(&columns[0], &bins, &labels, other.as_deref()))
        } else {
            let lists: HashMap<String, String> = step
                .values
                .iter()
                .flat_map(|(category, values)| values.iter().map(move |value| (value.clone(), category.clone())))
                .collect();
            ColumnFunction::new("categorise", output, move |columns| categories::by_lists(&columns[0], &lists, other.as_deref()))
        };
        self.select(HashMap::new(), vec![call.over([step.column.as_str()])])
    }

    fn map_codes(&self, step: &CodeMappingStep) -> StepResult<DataFrame> {
        let field = self.field("column", &step.column)?;
        let pairs = match &step.file {
            Some(file) => {
                let text =
                    read_text(Path::new(file), LIST_LIMIT).map_err(|error| self.problem("file", format!("cannot be read: {error}")))?;
                mapping::pairs_from_csv(&text).map_err(|message| self.problem("file", message))?
            }
            None => step.map.clone().into_iter().collect(),
        };
        let unmatched = step.unmatched;
        let name = step.output.as_ref().unwrap_or(&step.column);
        let output = match &step.output {
            Some(output) => {
                self.new_name("output", output)?;
                made_from(field, output, "mapped code")
            }
            None => ColumnMeta::from_field(field).apply(Field::new(name, DataType::Utf8View, true)),
        };
        let call = ColumnFunction::new("code_mapping", output, move |columns| mapping::map_codes(&columns[0], &pairs, unmatched));
        let call = call.over([step.column.as_str()]);
        match step.output {
            Some(_) => self.select(HashMap::new(), vec![call]),
            None => self.select(HashMap::from([(step.column.clone(), call)]), Vec::new()),
        }
    }

    /// The rows that pass, with their scores, and those put aside, with their reasons.
    fn divide(&self, checks: &Checks, gate: Option<&sutura_quality::GateSpec>) -> StepResult<(DataFrame, Option<DataFrame>)> {
        let scores = checks.score_columns();
        let with_scores = if scores.is_empty() { self.frame.clone() } else { self.select(HashMap::new(), scores)? };
        let Some(reasons) = gate.and_then(|gate| checks.reasons(gate)) else { return Ok((with_scores, None)) };
        let schema = Arc::new(lineage::classified_schema(&with_scores));
        let scored = Table { job: self.job, index: self.index, frame: with_scores, schema };
        let marked = scored.select(HashMap::new(), vec![reasons])?;
        let reason = column(sutura_quality::COL_QUARANTINE_REASONS);
        let names: Vec<Expr> = scored.schema.fields().iter().map(|field| column(field.name())).collect();
        let kept = marked.clone().filter(reason.clone().is_null()).and_then(|frame| frame.select(names));
        let aside = marked.filter(reason.is_not_null());
        Ok((self.finish(kept)?, Some(self.finish(aside)?)))
    }

    fn deidentify(&self, privacy: Option<&Privacy>, input: &str) -> StepResult<(DataFrame, Arc<SchemaPlan>)> {
        let Some(privacy) = privacy else { return Err(self.problem("type", "the job has no [privacy] table".into())) };
        let table = input.rsplit('.').next();
        let plan = privacy.deidentifier.plan_table(table, &self.schema).map_err(|error| self.problem("input", refusal(&error)))?;
        let plan = Arc::new(plan);
        let frame = sutura_engine::deid::deidentify(self.frame.clone(), &plan);
        Ok((self.finish(frame)?, plan))
    }
}

fn refusal(error: &PrivacyError) -> String {
    error.to_string().lines().map(str::trim).collect::<Vec<_>>().join("; ")
}

/// A text column made from another: as identifying as that one.
fn made_from(field: &Field, name: &str, doc: &str) -> Field {
    let source = ColumnMeta::from_field(field);
    let meta = ColumnMeta { phi: source.phi, deid: source.deid, doc: Some(doc.to_owned()), ..ColumnMeta::default() };
    meta.apply(Field::new(name, DataType::Utf8View, true))
}

fn documented(class: PhiClass, name: &str, data_type: DataType, doc: &str) -> Field {
    ColumnMeta { doc: Some(doc.to_owned()), ..ColumnMeta::of(class) }.apply(Field::new(name, data_type, true))
}

/// The first line of an error of the engine.
pub(crate) fn plain(error: impl Into<EngineError>) -> String {
    error.into().to_string().lines().next().unwrap_or_default().trim().to_owned()
}

/// The first column of a CSV file, for reference lists.
pub(crate) fn first_column(text: &str) -> Vec<String> {
    let first = |line: &str| line.split(',').next().unwrap_or_default().trim().trim_matches('"').to_owned();
    text.trim_start_matches('\u{feff}').lines().skip(1).map(first).filter(|value| !value.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;
    use crate::LoadOptions;

    const HEAD: &str = r#"[job]
name = "chain"
output = "out"
[privacy]
policy = "hipaa-safe-harbor"
key = { file = "test.key" }
vault = "test.vault"
[[source]]
name = "feed"
format = "hl7v2"
path = "data"
"#;

    fn job(steps: &str) -> Job {
        Job::parse(Path::new("chain.toml"), &format!("{HEAD}{steps}"), &LoadOptions::default()).unwrap_or_else(|found| panic!("{found:#?}"))
    }

    fn sql(name: &str, query: &str) -> String {
        format!("[[step]]\ntype = \"sql\"\nname = \"{name}\"\nquery = \"{query}\"\n[[sink]]\ninput = \"{name}\"\n")
    }

    /// A chain in which every step has a sink, the last step first in the file.
    fn chain(length: usize) -> String {
        let mut steps = String::new();
        for step in (1..length).rev() {
            steps += &sql(&format!("step_{step}"), &format!("select message_type, n + 1 as n from step_{}", step - 1));
        }
        steps + &sql("step_0", "select message_type, segment_count as n from feed.messages")
    }

    async fn makings(job: &Job, dry: bool) -> usize {
        let privacy = Privacy::dry(&job.spec).unwrap();
        let engine = job.engine(privacy.as_ref()).unwrap();
        job.register_empty(&engine, &job.spec.sources[0]).unwrap();
        let mut builder = Builder::new(job, &engine, privacy.as_ref());
        builder.dry = dry;
        for sink in &job.spec.sinks {
            let built = builder.table(&sink.input).await.unwrap();
            assert_eq!(built.schema.fields().len(), 2, "{}", sink.input);
        }
        builder.made().makings
    }

    #[tokio::test]
    async fn a_step_is_made_once_for_all_that_read_it() {
        let job = job(&chain(60));
        assert_eq!((makings(&job, true).await, makings(&job, false).await), (60, 60));
        job.validate().await.unwrap();
    }

    #[tokio::test]
    async fn what_was_de_identified_is_made_anew_for_each_table_of_a_run() {
        let mut steps = "[[step]]\ntype = \"deidentify\"\nname = \"released\"\ninput = \"two\"\n".to_owned();
        let _ = write!(steps, "{}", sql("two", "select message_type, segment_count as n from feed.messages"));
        let _ = write!(steps, "{}", sql("three", "select message_type, n from released"));
        let _ = write!(steps, "{}", sql("four", "select message_type, n from three"));
        let job = job(&steps);
        // two; released, three; released, three, four.
        assert_eq!((makings(&job, true).await, makings(&job, false).await), (4, 6));
    }

    #[tokio::test]
    async fn steps_that_double_each_other_are_refused_before_they_fill_the_memory() {
        let mut steps = sql("step_0", "select message_type from feed.messages");
        for step in 1..40 {
            let before = format!("step_{}", step - 1);
            steps += &sql(
                &format!("step_{step}"),
                &format!("select a.message_type from {before} a join {before} b on a.message_type = b.message_type"),
            );
        }
        let problems = job(&steps).validate().await.unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:#?}");
        assert!(problems[0].message.contains("20,000"), "{problems:#?}");
    }
}
