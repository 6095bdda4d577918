//! Labels of the rows of a table, and what a policy does to rows by their labels.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, new_null_array},
    compute::{filter_record_batch, kernels::zip::zip},
    datatypes::{Field, Schema, SchemaRef},
};
use sutura_core::{ColumnMeta, PhiClass};

use super::{Label, LabelSet, of_code};
use crate::{
    error::PrivacyError,
    policy::{LabelAction, Policy},
    transform::{as_text, is_text},
};

/// Where a table has codes: the columns of codes, and what says their system.
#[derive(Debug, Clone)]
pub struct CodeColumns(Vec<(usize, CodeSystem)>);

#[derive(Debug, Clone)]
enum CodeSystem {
    /// The column beside it.
    Column(usize),
    /// The column's own name (`loinc_code`).
    Named(&'static str),
}

impl CodeColumns {
    /// Finds them by name, as the tables of every format are named: `diagnosis_code` with `diagnosis_coding_system`, `type_code` with
    /// `type_system`, `value_code` with `value_code_system`; `loinc_code`, `snomed_code`, `rxnorm_code`, `icd10_code` alone.
    pub fn of(schema: &Schema) -> Self {
        let text = |at: usize| is_text(schema.field(at).data_type());
        let at = |name: &str| schema.index_of(name).ok().filter(|at| text(*at));
        let codes = (0..schema.fields().len()).filter(|place| text(*place)).filter_map(|place| {
            let name = schema.field(place).name().as_str();
            let stem = name.strip_suffix("code")?;
            let beside = [format!("{name}_system"), format!("{stem}system"), format!("{stem}coding_system")];
            if let Some(system) = beside.iter().find_map(|name| at(name)) {
                return Some((place, CodeSystem::Column(system)));
            }
            let own = ["loinc", "snomed", "rxnorm", "icd10"].into_iter().find(|word| stem.trim_end_matches('_').ends_with(word))?;
            Some((place, CodeSystem::Named(own)))
        });
        Self(codes.collect())
    }

    /// Whether the table has none, so that its rows have no labels.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The labels of every row.
    ///
    /// # Errors
    /// When a column cannot be read as text; the schema is then another one.
    pub fn labels(&self, batch: &RecordBatch) -> Result<Vec<LabelSet>, PrivacyError> {
        self.labels_among(batch.num_rows(), |at| batch.columns().get(at))
    }

    /// The same for columns that stand apart, by their position.
    pub(crate) fn labels_among<'a>(
        &self,
        rows: usize,
        column: impl Fn(usize) -> Option<&'a ArrayRef>,
    ) -> Result<Vec<LabelSet>, PrivacyError> {
        let text_of = |at: usize| {
            let missing = || PrivacyError::SchemaChanged { column: at.to_string(), expected: "a column".into(), found: "none".into() };
            let values = column(at).filter(|values| values.len() == rows).ok_or_else(missing)?;
            as_text(values)
        };
        let mut labels = vec![LabelSet::NONE; rows];
        for (code, system) in &self.0 {
            let codes = text_of(*code)?;
            let systems = match system {
                CodeSystem::Column(at) => Some(text_of(*at)?),
                CodeSystem::Named(_) => None,
            };
            // Codes of a table repeat.
            let mut known: HashMap<(&str, &str), LabelSet> = HashMap::new();
            for (row, found) in labels.iter_mut().enumerate().filter(|(row, _)| codes.is_valid(*row)) {
                let system = match (system, &systems) {
                    (CodeSystem::Named(name), _) => *name,
                    (_, Some(systems)) if systems.is_valid(row) => systems.value(row),
                    _ => continue,
                };
                let code = codes.value(row);
                *found = found.union(*known.entry((system, code)).or_insert_with(|| of_code(system, code)));
            }
        }
        Ok(labels)
    }

    /// The positions of all columns it looks at, each once.
    pub(crate) fn positions(&self) -> Vec<usize> {
        let systems = |system: &CodeSystem| match system {
            CodeSystem::Column(at) => Some(*at),
            CodeSystem::Named(_) => None,
        };
        let mut positions: Vec<usize> = self.0.iter().flat_map(|(code, system)| std::iter::once(*code).chain(systems(system))).collect();
        positions.sort_unstable();
        positions.dedup();
        positions
    }
}

/// Empties the values of one column in rows that the policy withholds or redacts.
#[derive(Debug, Clone)]
pub(crate) struct RowGuard {
    codes: Arc<CodeColumns>,
    policy: Arc<Policy>,
    /// From this action on the column's value goes.
    from: LabelAction,
}

impl RowGuard {
    /// One for every column of a schema, where the policy limits labels and the table has codes.
    pub(crate) fn of(policy: &Arc<Policy>, schema: &Schema) -> Option<Vec<RowGuard>> {
        let codes = Arc::new(CodeColumns::of(schema));
        if codes.is_empty() || !policy.limits_labels() {
            return None;
        }
        let guard = |field: &Arc<Field>| RowGuard {
            codes: Arc::clone(&codes),
            policy: Arc::clone(policy),
            from: if shows_category(field) { LabelAction::Redact } else { LabelAction::Withhold },
        };
        Some(schema.fields().iter().map(guard).collect())
    }

    /// Positions of the columns it wants to see.
    pub(crate) fn positions(&self) -> Vec<usize> {
        self.codes.positions()
    }

    /// Which values stay; `beside` are the columns at [`Self::positions`].
    pub(crate) fn stays(&self, rows: usize, beside: &[ArrayRef]) -> Result<BooleanArray, PrivacyError> {
        let positions = self.positions();
        let labels =
            self.codes.labels_among(rows, |at| positions.iter().position(|other| *other == at).and_then(|place| beside.get(place)))?;
        Ok(labels.iter().map(|labels| Some(self.policy.action_for(*labels) < self.from)).collect())
    }
}

/// What a policy left of a batch, by its labels.
#[derive(Debug, Clone)]
pub struct LabelledBatch {
    /// The rows that may leave. What identifies is still in it: de-identify it next.
    pub batch: RecordBatch,
    /// Rows that were withheld.
    pub withheld: u64,
    /// Rows whose clinical content was removed.
    pub redacted: u64,
    /// Labels of content that stays: [`LabelSet::notice`] says what must go with it.
    pub labels: LabelSet,
}

impl Policy {
    /// Whether any category is withheld or redacted.
    pub fn limits_labels(&self) -> bool {
        Label::ALL.into_iter().any(|label| self.label_action(label) != LabelAction::Keep)
    }

    /// The schema that [`Self::apply_labels`] gives: what a redacted row loses may be null.
    pub fn labelled_schema(&self, schema: &Schema) -> SchemaRef {
        let fields: Vec<Field> = schema
            .fields()
            .iter()
            .map(|field| if shows_category(field) { field.as_ref().clone().with_nullable(true) } else { field.as_ref().clone() })
            .collect();
        Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
    }

    /// Withholds and redacts rows by the labels that their codes show. A redacted row loses its clinical columns, sensitive columns,
    /// free text and columns without a class; who it is about, when and where stays for the rest of the policy.
    ///
    /// # Errors
    /// When a column cannot be read as text.
    pub fn apply_labels(&self, codes: &CodeColumns, batch: &RecordBatch) -> Result<LabelledBatch, PrivacyError> {
        let labels = codes.labels(batch)?;
        let actions: Vec<LabelAction> = labels.iter().map(|labels| self.action_for(*labels)).collect();
        let stays: BooleanArray = actions.iter().map(|action| Some(*action != LabelAction::Withhold)).collect();
        let keeps: BooleanArray = actions.iter().map(|action| Some(*action != LabelAction::Redact)).collect();
        let redacted = keeps.false_count() as u64;
        let schema = self.labelled_schema(&batch.schema());
        let columns = batch.columns().iter().zip(schema.fields()).map(|(values, field)| -> Result<ArrayRef, PrivacyError> {
            if redacted == 0 || !shows_category(field) {
                return Ok(Arc::clone(values));
            }
            Ok(zip(&keeps, values, &new_null_array(values.data_type(), values.len()))?)
        });
        let columns = columns.collect::<Result<Vec<ArrayRef>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let batch = filter_record_batch(&RecordBatch::try_new_with_options(schema, columns, &options)?, &stays)?;
        let left = labels.iter().zip(&actions).filter(|(_, action)| **action == LabelAction::Keep);
        let left = left.fold(LabelSet::NONE, |all, (labels, _)| all.union(*labels));
        Ok(LabelledBatch { batch, withheld: stays.false_count() as u64, redacted, labels: left })
    }
}

/// Whether the values of a column may show the category of their row.
fn shows_category(field: &Field) -> bool {
    matches!(ColumnMeta::from_field(field).phi, None | Some(PhiClass::Clinical | PhiClass::Sensitive(_) | PhiClass::FreeText))
}

#[cfg(test)]
mod tests {
    use arrow::{
        array::{AsArray, Float64Array, StringViewArray},
        datatypes::DataType,
    };

    use super::*;

    fn diagnoses() -> RecordBatch {
        let field = |name, class| ColumnMeta::of(class).apply(Field::new(name, DataType::Utf8View, false));
        let schema = Schema::new(vec![
            field("mrn", PhiClass::Mrn),
            field("diagnosis_code", PhiClass::Clinical),
            field("diagnosis_coding_system", PhiClass::Operational),
            ColumnMeta::of(PhiClass::Clinical).apply(Field::new("weight", DataType::Float64, true)),
            field("note", PhiClass::FreeText),
        ]);
        let text = |values: [&str; 4]| Arc::new(StringViewArray::from(values.to_vec())) as ArrayRef;
        let columns = vec![
            text(["A", "B", "C", "D"]),
            text(["F11.20", "E11.9", "B20", "F11.20"]),
            text(["I10C", "I10C", "ICD10", "local"]),
            Arc::new(Float64Array::from(vec![1.0, 2.0, 3.0, 4.0])) as ArrayRef,
            text(["n1", "n2", "n3", "n4"]),
        ];
        RecordBatch::try_new(Arc::new(schema), columns).unwrap()
    }

    fn policy(labels: &str) -> Policy {
        Policy::from_toml(&format!("name = \"p\"\nversion = \"1\"\nextends = \"hipaa-safe-harbor\"\n[labels]\n{labels}\n"), "p.toml")
            .unwrap()
    }

    #[test]
    fn rows_are_withheld_and_redacted_by_their_codes() {
        let batch = diagnoses();
        let codes = CodeColumns::of(&batch.schema());
        let policy = policy("HIV = \"withhold\"\nETH = \"redact\"");
        assert!(policy.limits_labels());
        let done = policy.apply_labels(&codes, &batch).unwrap();
        assert_eq!((done.withheld, done.redacted, done.labels), (1, 1, LabelSet::NONE));
        assert_eq!(done.batch.schema(), policy.labelled_schema(&batch.schema()));
        let column = |name: &str| done.batch.column_by_name(name).unwrap().as_string_view().iter().collect::<Vec<_>>();
        assert_eq!(column("mrn"), [Some("A"), Some("B"), Some("D")]);
        assert_eq!(column("diagnosis_code"), [None, Some("E11.9"), Some("F11.20")], "a local code shows nothing");
        assert_eq!(column("note"), [None, Some("n2"), Some("n4")]);
        assert!(done.batch.column(3).is_null(0) && done.batch.column(3).is_valid(1));
    }

    #[test]
    fn what_stays_tells_its_labels() {
        let batch = diagnoses();
        let codes = CodeColumns::of(&batch.schema());
        let policy = policy("HIV = \"withhold\"");
        let done = policy.apply_labels(&codes, &batch).unwrap();
        assert_eq!((done.batch.num_rows(), done.redacted), (3, 0));
        assert!(done.labels.contains(Label::SubstanceUse) && !done.labels.contains(Label::Hiv));
        assert!(done.labels.notice().is_some());
        assert!(!Policy::builtin("hipaa-safe-harbor").unwrap().limits_labels());
    }

    #[test]
    fn columns_of_codes_are_found_by_name() {
        let schema = |names: &[&str]| Schema::new(names.iter().map(|name| Field::new(*name, DataType::Utf8View, true)).collect::<Vec<_>>());
        for (names, found) in [
            (vec!["code_code", "code_system"], 1),
            (vec!["code", "code_system", "value_code", "value_code_system"], 2),
            (vec!["drug_code", "drug_coding_system"], 1),
            (vec!["loinc_code"], 1),
            (vec!["postal_code", "zip"], 0),
            (vec!["barcode", "system"], 0),
        ] {
            assert_eq!(CodeColumns::of(&schema(&names)).0.len(), found, "{names:?}");
        }
        let batch = RecordBatch::try_new(
            Arc::new(schema(&["loinc_code"])),
            vec![Arc::new(StringViewArray::from(vec![Some("56888-1"), None])) as ArrayRef],
        )
        .unwrap();
        let labels = CodeColumns::of(&batch.schema()).labels(&batch).unwrap();
        assert_eq!((labels[0].contains(Label::Hiv), labels[1].is_empty()), (true, true));
    }

    /// As the engine does it: a column at a time, with the columns beside it.
    #[test]
    fn a_plan_empties_what_the_labels_take() {
        let batch = diagnoses();
        let labels = "[labels]\nHIV = \"withhold\"\nETH = \"redact\"\n[columns]\nnote = \"mask\"\n";
        let text = format!("name = \"p\"\nversion = \"1\"\nextends = \"hipaa-safe-harbor\"\n{labels}");
        let vault: Arc<dyn crate::Vault> = Arc::new(crate::MemoryVault::new().unwrap());
        let keys = crate::KeyRing::generate().unwrap();
        let policy = Policy::from_toml(&text, "p.toml").unwrap();
        let privacy = crate::Deidentifier::new(policy, &keys, crate::Scope::new("p", "d"), Some(vault)).unwrap();
        let plan = privacy.plan(&batch.schema()).unwrap();
        let out = plan.apply(&batch).unwrap();
        let there = |name: &str| {
            let column = out.column_by_name(name).unwrap();
            (0..4).map(|row| column.is_valid(row)).collect::<Vec<_>>()
        };
        assert_eq!(there("mrn"), [true, true, false, true]);
        assert!(!there("diagnosis_coding_system")[2]);
        for name in ["diagnosis_code", "weight", "note"] {
            assert_eq!(there(name), [false, true, false, true], "{name}");
        }
        let weight = plan.statistics().into_iter().find(|column| column.column == "weight").unwrap();
        assert_eq!((weight.rows, weight.suppressed), (4, 2));
        assert!(!out.schema().metadata().contains_key("sutura.notice"));
        // What stays in a limited data set carries the notice.
        let text = "name = \"p\"\nversion = \"1\"\nextends = \"limited-data-set\"\n[legal]\nagreement = \"a\"\nrecipient = \"r\"\npurpose = \"research\"\n\
                    [labels]\nETH = { action = \"keep\", consent = \"form 7\" }\n";
        let kept = Policy::from_toml(text, "p.toml").unwrap();
        let limited = crate::Deidentifier::with_context(kept, Arc::clone(privacy.context())).unwrap();
        let plan = limited.plan(&batch.schema()).unwrap();
        assert!(plan.output_schema().metadata()["sutura.notice"].contains("42 CFR 2.32(a)(2)"));
        assert!(plan.apply(&batch).unwrap().column_by_name("diagnosis_code").unwrap().is_valid(0));
        // A policy that keeps every category looks at nothing.
        let silent =
            crate::Deidentifier::with_context(Policy::builtin("hipaa-safe-harbor").unwrap(), Arc::clone(privacy.context())).unwrap();
        assert!(silent.plan(&batch.schema()).unwrap().columns().iter().all(|column| column.beside().count() == 0));
    }
}
