//! From the steps of a job to data frames. Nothing runs here: a data frame is a plan.
//!
//! The same code builds plans over empty tables for `validate` and `plan`, and over the shared pass for `run`.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use arrow::datatypes::{DataType, Field, Schema};
use sutura_core::{ColumnMeta, PartialDateTime, PhiClass};
use sutura_engine::{ColumnFunction, DataFrame, Engine, EngineError, Expr, column, lineage};
use sutura_privacy::{PrivacyError, SchemaPlan};

use crate::{
    Job,
    config::{ConfigProblem, document::Part, load::at, nearest, step_inputs},
    functions::{ages, categories, codes, dates, mapping, text},
    model::{
        AgeStep, CategoriseStep, CodeMappingStep, ExtractCodesStep, NormaliseTextStep, RenameStep, SqlStep, StandardiseDatesStep,
        StepSection,
    },
    privacy::Privacy,
    quality::Checks,
};

/// What building one table brought about beside its data frame.
#[derive(Debug)]
pub(crate) struct Built {
    /// The table.
    pub(crate) frame: DataFrame,
    /// The de-identification on the way to it: step and plan, whose statistics count when the frame runs.
    pub(crate) treatments: Vec<(String, Arc<SchemaPlan>)>,
}

/// Builds tables of a job. Every call starts from the sources, so that the statistics of one consumer's
/// de-identification are its own.
pub(crate) struct Builder<'a> {
    job: &'a Job,
    engine: &'a Engine,
    privacy: Option<&'a Privacy>,
    inputs: std::collections::BTreeMap<String, Vec<String>>,
}

type StepResult<T> = std::result::Result<T, ConfigProblem>;

impl<'a> Builder<'a> {
    /// A builder over an engine in whose session the tables of the sources are registered.
    pub(crate) fn new(job: &'a Job, engine: &'a Engine, privacy: Option<&'a Privacy>) -> Self {
        Self { job, engine, privacy, inputs: step_inputs(&job.spec) }
    }

    /// The table of that name: of a source, or made by a step.
    pub(crate) async fn table(&self, name: &str) -> StepResult<Built> {
        let mut made: HashMap<String, DataFrame> = HashMap::new();
        let mut treatments = Vec::new();
        for index in self.needed(name) {
            let step = &self.job.spec.steps[index];
            self.make(index, step, &mut made, &mut treatments).await?;
            // SQL steps find the tables of other steps in the session.
            for output in step.outputs() {
                if let Some(frame) = made.get(output) {
                    let session = self.engine.session();
                    let registered =
                        session.deregister_table(output).and_then(|_| session.register_table(output, frame.clone().into_view()));
                    registered.map_err(|error| self.job.problem(&at!["step", index, "name"], plain(error), None))?;
                }
            }
        }
        let frame = self.input(name, &made, &[]).await?;
        Ok(Built { frame, treatments })
    }

    /// The table a quality step checks: its input.
    pub(crate) async fn input_of(&self, step: usize) -> StepResult<Built> {
        let name = self.job.spec.steps[step].input().unwrap_or_default().to_owned();
        self.table(&name).await
    }

    /// The steps that a table needs, in an order in which each finds its inputs.
    fn needed(&self, name: &str) -> Vec<usize> {
        let mut wanted = HashSet::from([name.to_owned()]);
        let mut queue = vec![name.to_owned()];
        while let Some(next) = queue.pop() {
            for input in self.inputs.get(&next).into_iter().flatten() {
                if wanted.insert(input.clone()) {
                    queue.push(input.clone());
                }
            }
        }
        let steps = &self.job.spec.steps;
        let mut left: Vec<usize> =
            (0..steps.len()).filter(|index| steps[*index].outputs().iter().any(|output| wanted.contains(*output))).collect();
        let mut order = Vec::new();
        let mut done: BTreeSet<&str> = BTreeSet::new();
        while !left.is_empty() {
            let ready = left.iter().position(|index| {
                let reads = &self.inputs[steps[*index].name()];
                reads.iter().all(|input| done.contains(input.as_str()) || !self.inputs.contains_key(input))
            });
            // Circles were refused when the job was loaded.
            let Some(ready) = ready else { break };
            let index = left.remove(ready);
            done.extend(steps[index].outputs());
            order.push(index);
        }
        order
    }

    async fn input(&self, name: &str, made: &HashMap<String, DataFrame>, path: &[Part]) -> StepResult<DataFrame> {
        match made.get(name) {
            Some(frame) => Ok(frame.clone()),
            None => self.engine.session().table(name).await.map_err(|error| self.job.problem(path, plain(error), None)),
        }
    }

    async fn make(
        &self,
        index: usize,
        step: &StepSection,
        made: &mut HashMap<String, DataFrame>,
        treatments: &mut Vec<(String, Arc<SchemaPlan>)>,
    ) -> StepResult<()> {
        if let StepSection::Sql(sql) = step {
            let frame = self.sql(index, sql).await?;
            made.insert(sql.name.clone(), frame);
            return Ok(());
        }
        let frame = self.input(step.input().unwrap_or_default(), made, &at!["step", index, "input"]).await?;
        let table = Table::new(self.job, index, frame);
        let result = match step {
            StepSection::Sql(_) => return Ok(()),
            StepSection::Rename(step) => table.rename(step)?,
            StepSection::StandardiseDates(step) => table.standardise_dates(step)?,
            StepSection::NormaliseText(step) => table.normalise_text(step)?,
            StepSection::ExtractCodes(step) => table.extract_codes(step)?,
            StepSection::Age(step) => table.age(step)?,
            StepSection::Categorise(step) => table.categorise(step)?,
            StepSection::CodeMapping(step) => table.map_codes(step)?,
            StepSection::Quality(step) => {
                let checks = Checks::new(step, &table.schema).map_err(|message| table.problem("check", message))?;
                let (kept, aside) = table.divide(&checks, step.gate.as_ref())?;
                if let (Some(name), Some(aside)) = (&step.quarantine, aside) {
                    made.insert(name.clone(), aside);
                }
                kept
            }
            StepSection::Deidentify(step) => {
                let (frame, plan) = table.deidentify(self.privacy, &step.input)?;
                treatments.push((step.name.clone(), plan));
                frame
            }
        };
        made.insert(step.name().to_owned(), result);
        Ok(())
    }

    async fn sql(&self, index: usize, step: &SqlStep) -> StepResult<DataFrame> {
        let (key, query) = match (&step.query, &step.query_file) {
            (None, Some(file)) => ("query_file", std::fs::read_to_string(file).unwrap_or_default()),
            (query, _) => ("query", query.clone().unwrap_or_default()),
        };
        self.engine.sql(&query).await.map_err(|error| self.job.problem(&at!["step", index, key], plain(error), None))
    }
}

/// The input of a step, with the classes of its columns.
struct Table<'a> {
    job: &'a Job,
    index: usize,
    frame: DataFrame,
    schema: Schema,
}

impl<'a> Table<'a> {
    fn new(job: &'a Job, index: usize, frame: DataFrame) -> Self {
        let schema = lineage::classified_schema(&frame);
        Self { job, index, frame, schema }
    }

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
                let text = std::fs::read_to_string(file).map_err(|error| self.problem("file", format!("cannot be read: {error}")))?;
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
        let scored = Table::new(self.job, self.index, with_scores);
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
