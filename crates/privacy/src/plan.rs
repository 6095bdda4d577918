//! A policy applied to a schema: what happens to every column, decided before the first row.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions, StringViewArray, new_null_array},
    compute::{cast, kernels::zip::zip},
    datatypes::{DataType, Field, Float64Type, Schema, SchemaRef},
};
use chrono::NaiveDate;
use serde::Serialize;
use sutura_core::{ColumnMeta, PhiClass};

use crate::{
    context::PrivacyContext,
    dates::OLDEST_SHOWN_AGE,
    error::{ColumnProblem, PrivacyError},
    keys::{KeyRing, Scope},
    labels::{CodeColumns, RowGuard},
    method::Method,
    policy::Policy,
    profile::{Profile, RuleOf},
    scrub::{TextTreatment, is_known_class},
    shape::{AGES, CodeShape},
    text::Model,
    transform::{Surroundings, Treatment, as_text, is_text, output_type, types_of},
    vault::Vault,
};

/// A policy with its keys: plans schemas. `Send + Sync`, cheap to clone.
#[derive(Clone)]
pub struct Deidentifier {
    policy: Arc<Policy>,
    context: Arc<PrivacyContext>,
    pub(crate) reference: NaiveDate,
    model: Option<Arc<dyn Model>>,
}

impl Deidentifier {
    /// Binds a policy to keys, scope and vault. Refuses a policy that its profile does not permit or
    /// whose legal facts are missing or expired.
    pub fn new(policy: Policy, keys: &KeyRing, scope: Scope, vault: Option<Arc<dyn Vault>>) -> Result<Self, PrivacyError> {
        let context = PrivacyContext::new(keys, scope, vault)?;
        Self::with_context(policy, Arc::new(context))
    }

    /// The same with a context that others share (SQL functions of the same run).
    pub fn with_context(policy: Policy, context: Arc<PrivacyContext>) -> Result<Self, PrivacyError> {
        let today = chrono::Utc::now().date_naive();
        let mut problems: Vec<_> = [policy.check(), policy.check_legal(today)].into_iter().filter_map(Result::err).flatten().collect();
        if policy.profile == Profile::GdprPseudonymised && context.scope().domain.trim().is_empty() {
            let message = "name the pseudonymisation domain: who may link these records with one another (EDPB Guidelines 01/2025)";
            problems.push(policy.problem(0, "domain".into(), message.into()));
        }
        if !problems.is_empty() {
            return Err(PrivacyError::Policy(problems));
        }
        let reference = policy.reference_date.unwrap_or(today);
        Ok(Self { policy: Arc::new(policy), context, reference, model: None })
    }

    /// The same with a model of language beside the rules, where free text is scrubbed.
    #[must_use]
    pub fn with_text_model(mut self, model: Arc<dyn Model>) -> Self {
        self.model = Some(model);
        self
    }

    /// The model of language beside the rules, if there is one.
    pub fn text_model(&self) -> Option<&Arc<dyn Model>> {
        self.model.as_ref()
    }

    /// The policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The keyed operations of the same scope.
    pub fn context(&self) -> &Arc<PrivacyContext> {
        &self.context
    }

    /// Plans every column of a schema, or says of every column that cannot be released why not.
    pub fn plan(&self, schema: &Schema) -> Result<SchemaPlan, PrivacyError> {
        self.plan_table(None, schema)
    }

    /// The same, for rules that name a column as `table.column`.
    pub fn plan_table(&self, table: Option<&str>, schema: &Schema) -> Result<SchemaPlan, PrivacyError> {
        let metas: Vec<ColumnMeta> = schema.fields().iter().map(|field| ColumnMeta::from_field(field)).collect();
        let patient = metas.iter().position(|meta| meta.patient);
        let mut columns = Vec::with_capacity(metas.len());
        let mut problems = Vec::new();
        for (position, (field, meta)) in schema.fields().iter().zip(&metas).enumerate() {
            match self.plan_column(table, position, field, meta, patient) {
                Ok(column) => columns.push(column),
                Err(problem) => problems.push(problem),
            }
        }
        if !problems.is_empty() {
            return Err(PrivacyError::Plan { policy: self.policy.tag(), problems });
        }
        let kept: Vec<Field> = columns.iter().filter_map(|column| column.output.clone()).collect();
        let mut metadata = schema.metadata().clone();
        metadata.insert("sutura.policy".to_owned(), self.policy.tag());
        metadata.insert("sutura.profile".to_owned(), self.policy.profile.word().to_owned());
        metadata.insert("sutura.key".to_owned(), self.context.key_id().to_owned());
        if let Some(notice) = self.policy.notice().filter(|_| !CodeColumns::of(schema).is_empty()) {
            metadata.insert("sutura.notice".to_owned(), format!("{} ({})", notice.text, notice.citation));
        }
        self.look_for_ages(schema, &metas, &mut columns);
        for column in columns.iter_mut().filter(|column| column.treatment.as_ref().is_some_and(Treatment::scrubs)) {
            let named = |at: &usize| metas[*at].deid.is_none() && metas[*at].phi.as_ref().is_some_and(is_known_class);
            let texts = (0..metas.len()).filter(|at| named(at) && is_text(schema.field(*at).data_type()));
            column.known = texts.filter_map(|at| Some((at, metas[at].phi.clone()?))).collect();
        }
        if let Some(guards) = RowGuard::of(&self.policy, schema) {
            for column in &mut columns {
                column.guard = guards.get(column.input).cloned();
            }
        }
        Ok(SchemaPlan {
            input: Arc::new(schema.clone()),
            output: Arc::new(Schema::new_with_metadata(kept, metadata)),
            policy: self.policy.tag(),
            columns,
        })
    }

    /// Results that are ages, where the profile limits ages: a table has a column of codes that say it, and columns of numbers that stay.
    fn look_for_ages(&self, schema: &Schema, metas: &[ColumnMeta], columns: &mut [ColumnPlan]) {
        const CODES: [&str; 4] = ["OBX-3.1", "Observation.code.coding.code", "Observation.component.code.coding.code", "loinc_code"];
        if !self.policy.profile.limits_ages() {
            return;
        }
        // A view may select any element under a name of its own.
        let last = |path: &str| path.rsplit('.').next() == Some("code") && path.contains("code.coding");
        let is_code = |at: &usize| {
            let (field, path) = (schema.field(*at), metas[*at].path.as_deref().unwrap_or_default());
            is_text(field.data_type()) && (CODES.contains(&path) || CODES.contains(&field.name().as_str()) || last(path))
        };
        let codes: Vec<usize> = (0..metas.len()).filter(is_code).collect();
        for column in columns {
            let clinical = matches!(column.class, PhiClass::Clinical | PhiClass::Quasi);
            if column.input_type.is_numeric() && clinical && column.method == Method::Keep && !column.treated {
                column.age_codes.clone_from(&codes);
            }
        }
    }

    pub(crate) fn plan_column(
        &self,
        table: Option<&str>,
        position: usize,
        field: &Field,
        meta: &ColumnMeta,
        patient: Option<usize>,
    ) -> Result<ColumnPlan, ColumnProblem> {
        let name = field.name();
        let refuse = |class: &str, method: Option<&Method>, reason: String| ColumnProblem {
            column: name.clone(),
            class: class.to_owned(),
            method: method.cloned(),
            reason,
        };
        let Some(class) = meta.phi.clone() else {
            let reason = "it has no PHI class, so no rule can treat it; give it one, or leave it out of the query";
            return Err(refuse("unclassified", None, reason.into()));
        };
        let word = class.as_str();
        let found = self.policy.rule_for(table, name, meta.path.as_deref(), &class);
        // What a query has treated already stays so, if the profile permits what was done; only a rule
        // for this very column treats it again.
        let by_column = matches!(found, Some((_, RuleOf::Column)));
        let treated = meta.deid.is_some() && !by_column;
        let (method, rule) = match (meta.deid.as_deref().filter(|_| !by_column), found) {
            (Some(deid), _) => {
                let done = self.accept_treated(deid, &class).map_err(|reason| refuse(&word, None, reason))?;
                (done, RuleOf::Column)
            }
            (None, Some((method, rule))) => (method.clone(), rule),
            (None, None) => {
                let reason = format!("policy {} has no rule for its class; add one under [classes] or [columns]", self.policy.tag());
                return Err(refuse(&word, None, reason));
            }
        };
        if !treated && let Err(refusal) = self.policy.profile.judge(&class, &method, rule) {
            return Err(refuse(&word, Some(&method), format!("{} does not permit {}: {refusal}", self.policy.profile, method.word())));
        }
        let compiled = if treated {
            Some((Treatment::Keep, field.data_type().clone()))
        } else {
            let compiled = self
                .compile(table, name, field.data_type(), meta, &class, &method, patient.is_some())
                .map_err(|reason| refuse(&word, Some(&method), reason))?;
            compiled.map(|(treatment, output)| (self.held_to_shape(treatment, field, meta, &class, by_column), output))
        };
        let needs_patient = compiled.as_ref().is_some_and(|(treatment, _)| treatment.needs_patient());
        if needs_patient && patient.is_none() {
            let reason = "shift-date needs the column that identifies the patient (metadata sutura.patient), and the table has none; \
                          select it too, or use year";
            return Err(refuse(&word, Some(&method), reason.into()));
        }
        let output = compiled.as_ref().map(|(_, data_type)| self.output_field(field, data_type, meta, &class, &method, treated));
        Ok(ColumnPlan {
            input: position,
            name: name.clone(),
            input_type: field.data_type().clone(),
            class,
            method,
            treated,
            treatment: compiled.map(|(treatment, _)| treatment),
            output,
            patient: patient.filter(|_| needs_patient),
            age_codes: Vec::new(),
            known: Vec::new(),
            guard: None,
            context: Arc::clone(&self.context),
            reference: self.reference,
            counters: Arc::default(),
        })
    }

    /// Whether the profile accepts what a query did to a column before: `method`, `method@policy/version`,
    /// or several of them joined by `+` when an expression mixed treated columns. Gives the first method.
    fn accept_treated(&self, deid: &str, class: &PhiClass) -> Result<Method, String> {
        let mut first = None;
        for mark in deid.split('+') {
            let (word, by) = mark.split_once('@').unwrap_or((mark, ""));
            let Some(method) = Method::from_word(word.trim()) else {
                return Err(format!("it was treated with an unknown method ({word}); name a rule for it in [columns]"));
            };
            let verdict = match method {
                // Nothing was done to it: this policy must have said so, or permit it now.
                Method::Keep if by == self.policy.tag() => Ok(()),
                Method::Keep => self.policy.profile.judge(class, &method, RuleOf::Column),
                // The class of a mixture says nothing about its parts: the method alone is judged.
                _ => {
                    let mut verdicts = PhiClass::ALL.iter().map(|class| self.policy.profile.judge(class, &method, RuleOf::Column));
                    let refused = self.policy.profile.judge(class, &method, RuleOf::Column);
                    if verdicts.any(|verdict| verdict.is_ok()) { Ok(()) } else { refused }
                }
            };
            if let Err(refusal) = verdict {
                return Err(format!("the query treated it with {word}, which {} does not permit: {refusal}", self.policy.profile));
            }
            first.get_or_insert(method);
        }
        first.ok_or_else(|| "its treatment is not named; name a rule for it in [columns]".into())
    }

    /// A kept column of codes or measured values, held to what such values look like where the profile makes a legal claim. A rule for
    /// this very column takes its values as they are, unless they are operational: those have no reason to be anything else.
    fn held_to_shape(&self, treatment: Treatment, field: &Field, meta: &ColumnMeta, class: &PhiClass, by_column: bool) -> Treatment {
        let exempt = self.policy.profile == Profile::None || (by_column && *class != PhiClass::Operational);
        let (Treatment::Keep, false) = (&treatment, exempt) else { return treatment };
        // A column that a query made has no path: it may hold whatever its inputs hold.
        let path = meta.path.as_deref().unwrap_or_default();
        let describes = matches!(class, PhiClass::Clinical | PhiClass::Quasi);
        let sent = *class == PhiClass::Operational && path.contains('-');
        match field.data_type() {
            data_type if is_text(data_type) => {
                CodeShape::of_column(path, class).map_or(treatment, |shape| Treatment::Codes(shape.named(field.name())))
            }
            data_type if data_type.is_numeric() && describes => Treatment::Measures { most_digits: 7 },
            data_type if data_type.is_integer() && sent => Treatment::Measures { most_digits: 5 },
            _ => treatment,
        }
    }

    /// The treatment for values of a type and the type that comes out; `None` when the column goes.
    #[allow(clippy::too_many_arguments)]
    fn compile(
        &self,
        table: Option<&str>,
        column: &str,
        data_type: &DataType,
        meta: &ColumnMeta,
        class: &PhiClass,
        method: &Method,
        patient: bool,
    ) -> Result<Option<(Treatment, DataType)>, String> {
        if *method == Method::Drop {
            return Ok(None);
        }
        if *method == Method::Redact {
            return Ok(Some((Treatment::Redact, data_type.clone())));
        }
        match data_type {
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _)
                if !matches!(method, Method::Keep) || holds_classes(item) =>
            {
                let meta = ColumnMeta { path: meta.path.clone(), ..ColumnMeta::from_field(item) };
                let Some((inner, inner_type)) = self.compile(table, column, item.data_type(), &meta, class, method, patient)? else {
                    return Ok(None);
                };
                let field = item.as_ref().clone().with_data_type(inner_type).with_nullable(true);
                return Ok(Some((Treatment::Items(Box::new(inner)), DataType::List(Arc::new(field)))));
            }
            DataType::Struct(children) if !matches!(method, Method::Keep) || children.iter().any(|child| holds_classes(child)) => {
                let (mut treatments, mut fields) = (Vec::new(), Vec::new());
                for (position, child) in children.iter().enumerate() {
                    let child_name = format!("{column}.{}", child.name());
                    let child_meta = ColumnMeta::from_field(child);
                    let (child_class, child_method) = match &child_meta.phi {
                        None => (class.clone(), method.clone()),
                        Some(own) => {
                            let Some((method, rule)) = self.policy.rule_for(table, &child_name, child_meta.path.as_deref(), own) else {
                                return Err(format!("its part {} has class {own}, for which the policy has no rule", child.name()));
                            };
                            if let Err(refusal) = self.policy.profile.judge(own, method, rule) {
                                return Err(format!("its part {} may not have {}: {refusal}", child.name(), method.word()));
                            }
                            (own.clone(), method.clone())
                        }
                    };
                    let compiled =
                        self.compile(table, &child_name, child.data_type(), &child_meta, &child_class, &child_method, patient)?;
                    if let Some((treatment, child_type)) = compiled {
                        treatments.push((position, treatment));
                        let child_meta = ColumnMeta { phi: Some(child_class.clone()), ..child_meta };
                        fields.push(self.output_field(child, &child_type, &child_meta, &child_class, &child_method, false));
                    }
                }
                if treatments.is_empty() {
                    return Ok(None);
                }
                let fields: arrow::datatypes::Fields = fields.into();
                return Ok(Some((Treatment::Children(treatments, fields.clone()), DataType::Struct(fields))));
            }
            _ => {}
        }
        let Some(output) = output_type(method, data_type) else {
            return Err(format!("{} treats {}, not {data_type}; use drop or redact", method.word(), types_of(method)));
        };
        if matches!(method, Method::VaultCode { .. }) && self.context.vault().is_none() {
            return Err("vault-code needs a vault, and none is open; name a vault file".into());
        }
        let treatment = match method {
            Method::Scrub { languages } => {
                let text = TextTreatment::new(languages, Some(&self.policy)).map_err(|error| error.to_string())?;
                let text = text.with_model(self.model.as_ref());
                Treatment::Scrub(Arc::new(if patient { text } else { text.without_patient() }))
            }
            method => Treatment::of(method, &class.as_str(), column),
        };
        let is_code = matches!(treatment, Treatment::Pseudonym { .. } | Treatment::VaultCode { .. });
        let is_uid = is_code
            && *class == PhiClass::OtherId
            && column.ends_with("_uid")
            && meta.path.as_deref().is_some_and(|path| path.starts_with('('));
        Ok(Some((if is_uid { Treatment::AsUid(Box::new(treatment)) } else { treatment }, output)))
    }

    fn output_field(
        &self,
        field: &Field,
        data_type: &DataType,
        meta: &ColumnMeta,
        class: &PhiClass,
        method: &Method,
        treated: bool,
    ) -> Field {
        let mut meta = meta.clone();
        // A kept identifying column counts as treated only where the law calls the output de-identified.
        let kept_as_is = *method == Method::Keep && (!class.is_identifying() || !self.policy.profile.output_is_deidentified());
        if !treated && !kept_as_is {
            meta.deid = Some(format!("{}@{}", method.word(), self.policy.tag()));
        }
        meta.apply(field.clone().with_data_type(data_type.clone()).with_nullable(true))
    }
}

/// Whether a field or any part of it says its own class.
fn holds_classes(field: &Field) -> bool {
    ColumnMeta::from_field(field).phi.is_some()
        || match field.data_type() {
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => holds_classes(item),
            DataType::Struct(children) => children.iter().any(|child| holds_classes(child)),
            _ => false,
        }
}

impl Treatment {
    fn scrubs(&self) -> bool {
        match self {
            Treatment::Scrub(_) => true,
            Treatment::Items(inner) => inner.scrubs(),
            _ => false,
        }
    }

    pub(crate) fn needs_patient(&self) -> bool {
        match self {
            Treatment::ShiftDate { .. } => true,
            Treatment::Scrub(text) => text.needs_patient(),
            Treatment::Items(inner) => inner.needs_patient(),
            Treatment::Children(children, _) => children.iter().any(|(_, child)| child.needs_patient()),
            _ => false,
        }
    }
}

impl fmt::Debug for Deidentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deidentifier").field("policy", &self.policy.tag()).field("context", &self.context).finish_non_exhaustive()
    }
}

/// What a policy does to one schema. Use it for every batch of that schema, from any number of threads.
#[derive(Debug)]
pub struct SchemaPlan {
    input: SchemaRef,
    output: SchemaRef,
    policy: String,
    columns: Vec<ColumnPlan>,
}

impl SchemaPlan {
    /// The schema it was planned for.
    pub fn input_schema(&self) -> SchemaRef {
        Arc::clone(&self.input)
    }

    /// The schema that comes out: dropped columns gone, treated ones marked `sutura.deid = method@policy/version`.
    pub fn output_schema(&self) -> SchemaRef {
        Arc::clone(&self.output)
    }

    /// `name/version` of the policy.
    pub fn policy(&self) -> &str {
        &self.policy
    }

    /// One plan for each input column, in order.
    pub fn columns(&self) -> &[ColumnPlan] {
        &self.columns
    }

    /// Treats a batch of the planned schema.
    pub fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch, PrivacyError> {
        if batch.num_columns() != self.columns.len() {
            return Err(PrivacyError::SchemaChanged {
                column: "*".into(),
                expected: format!("{} columns", self.columns.len()),
                found: format!("{} columns", batch.num_columns()),
            });
        }
        let mut columns = Vec::with_capacity(self.output.fields().len());
        for column in &self.columns {
            if column.output.is_some() {
                let beside: Vec<ArrayRef> = column.beside().map(|position| Arc::clone(batch.column(position))).collect();
                columns.push(column.transform(batch.column(column.input), &beside)?);
            } else {
                column.count_dropped(batch.column(column.input));
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.output), columns, &options)?)
    }

    /// What was done so far, for the report: one entry for each input column.
    pub fn statistics(&self) -> Vec<ColumnStatistics> {
        self.columns.iter().map(ColumnPlan::statistics).collect()
    }
}

/// What a policy does to one column.
#[derive(Debug)]
pub struct ColumnPlan {
    input: usize,
    name: String,
    input_type: DataType,
    class: PhiClass,
    method: Method,
    treated: bool,
    pub(crate) treatment: Option<Treatment>,
    output: Option<Field>,
    patient: Option<usize>,
    /// Where the profile limits ages, of a column of numbers: the columns whose codes say that it is an age.
    age_codes: Vec<usize>,
    /// Of free text that is scrubbed: the columns whose values it may repeat.
    known: Vec<(usize, PhiClass)>,
    /// Where the policy withholds or redacts rows by the sensitive categories of their codes.
    guard: Option<RowGuard>,
    context: Arc<PrivacyContext>,
    reference: NaiveDate,
    counters: Arc<Counters>,
}

impl ColumnPlan {
    /// Position of the column in the input.
    pub fn input(&self) -> usize {
        self.input
    }

    /// Name of the column.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its class.
    pub fn class(&self) -> &PhiClass {
        &self.class
    }

    /// What happens to it; for a column that the query had treated already, what was done.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Whether the query had treated it already, so that it passes as it is.
    pub fn was_treated(&self) -> bool {
        self.treated
    }

    /// The column that comes out; `None` when it is dropped.
    pub fn output_field(&self) -> Option<Field> {
        self.output.clone()
    }

    /// Positions of the columns that [`Self::transform`] wants beside the column: that of the patient, if the method needs it, then codes
    /// that may say that its numbers are ages, then columns whose values its text may repeat, then codes that may show a sensitive category.
    pub fn beside(&self) -> impl Iterator<Item = usize> + '_ {
        let labels = self.guard.as_ref().map(RowGuard::positions).unwrap_or_default();
        let known = self.known.iter().map(|(at, _)| *at);
        self.patient.into_iter().chain(self.age_codes.iter().copied()).chain(known).chain(labels)
    }

    /// Treats an array of this column. `beside` are the arrays at [`Self::beside`]. A dropped
    /// column has nothing to transform: that is an error.
    pub fn transform(&self, values: &ArrayRef, beside: &[ArrayRef]) -> Result<ArrayRef, PrivacyError> {
        let Some(treatment) = &self.treatment else {
            return Err(PrivacyError::Operation { operation: "transforming a column", reason: "the policy drops it; leave it out" });
        };
        if !values.data_type().equals_datatype(&self.input_type) {
            return Err(PrivacyError::SchemaChanged {
                column: self.name.clone(),
                expected: self.input_type.to_string(),
                found: values.data_type().to_string(),
            });
        }
        let wanted = self.beside().count();
        if beside.len() != wanted {
            return Err(PrivacyError::SchemaChanged {
                column: self.name.clone(),
                expected: format!("{wanted} columns beside it"),
                found: beside.len().to_string(),
            });
        }
        let (patients, codes) = beside.split_at(usize::from(self.patient.is_some()));
        let patients = patients.first().map(|patient| as_text(patient)).transpose()?;
        let (codes, labels) = codes.split_at(self.age_codes.len());
        let (known, labels) = labels.split_at(self.known.len());
        let known = self.known.iter().zip(known).map(|((_, class), values)| Ok((class.clone(), as_text(values)?)));
        let known: Vec<_> = known.collect::<Result<_, PrivacyError>>()?;
        let around = Surroundings { context: Some(&self.context), reference: self.reference, patients: patients.as_ref(), known: &known };
        let values = self.without_labelled(values, labels)?;
        let (out, tally) = treatment.apply(&self.without_high_ages(&values, codes)?, &around)?;
        self.counters.add(tally.rows, tally.nulls, tally.changed, tally.suppressed);
        Ok(out)
    }

    /// Values become null in rows that the policy withholds or redacts by their labels.
    fn without_labelled(&self, values: &ArrayRef, beside: &[ArrayRef]) -> Result<ArrayRef, PrivacyError> {
        let Some(guard) = &self.guard else { return Ok(Arc::clone(values)) };
        let stays = guard.stays(values.len(), beside)?;
        let gone = (0..values.len()).filter(|row| !stays.value(*row) && values.is_valid(*row)).count();
        if gone == 0 {
            return Ok(Arc::clone(values));
        }
        self.counters.add(0, 0, 0, gone as u64);
        Ok(zip(&stays, values, &new_null_array(values.data_type(), values.len()))?)
    }

    /// Numbers over 89 become null where a code beside them says that they are ages.
    fn without_high_ages(&self, values: &ArrayRef, codes: &[ArrayRef]) -> Result<ArrayRef, PrivacyError> {
        let codes: Vec<StringViewArray> = codes.iter().map(|codes| as_text(codes)).collect::<Result<_, _>>()?;
        let is_age = |row: usize| codes.iter().any(|codes| codes.is_valid(row) && AGES.contains(&codes.value(row)));
        if !(0..values.len()).any(is_age) {
            return Ok(Arc::clone(values));
        }
        let numbers = cast(values, &DataType::Float64)?;
        let numbers = numbers.as_primitive::<Float64Type>();
        let stays: BooleanArray = (0..values.len())
            .map(|row| Some(!(is_age(row) && numbers.is_valid(row) && numbers.value(row) > f64::from(OLDEST_SHOWN_AGE))))
            .collect();
        self.counters.add(0, 0, 0, stays.false_count() as u64);
        Ok(zip(&stays, values, &new_null_array(values.data_type(), values.len()))?)
    }

    fn count_dropped(&self, values: &ArrayRef) {
        let (rows, nulls) = (values.len() as u64, values.logical_null_count() as u64);
        self.counters.add(rows, nulls, 0, rows - nulls);
    }

    /// What was done to it so far.
    pub fn statistics(&self) -> ColumnStatistics {
        let [rows, nulls, changed, suppressed] =
            [&self.counters.rows, &self.counters.nulls, &self.counters.changed, &self.counters.suppressed]
                .map(|counter| counter.load(Ordering::Relaxed));
        ColumnStatistics {
            column: self.name.clone(),
            class: self.class.as_str().into_owned(),
            method: self.method.to_string(),
            rows,
            nulls,
            changed,
            suppressed,
        }
    }
}

#[derive(Debug, Default)]
struct Counters {
    rows: AtomicU64,
    nulls: AtomicU64,
    changed: AtomicU64,
    suppressed: AtomicU64,
}

impl Counters {
    fn add(&self, rows: u64, nulls: u64, changed: u64, suppressed: u64) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
        self.nulls.fetch_add(nulls, Ordering::Relaxed);
        self.changed.fetch_add(changed, Ordering::Relaxed);
        self.suppressed.fetch_add(suppressed, Ordering::Relaxed);
    }
}

/// What de-identification did to one column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ColumnStatistics {
    /// Column name.
    pub column: String,
    /// Its class word.
    pub class: String,
    /// The method with its parameters.
    pub method: String,
    /// Rows seen.
    pub rows: u64,
    /// Rows that had no value.
    pub nulls: u64,
    /// Values that were replaced by another.
    pub changed: u64,
    /// Values that were removed, could not be treated, or became the category that says nothing (`000`).
    pub suppressed: u64,
}
