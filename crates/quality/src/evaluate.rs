//! Running the checks: a plan for one schema, evaluators that take batches, and their merge.

use std::{fmt, sync::Arc};

use arrow::{
    array::{BooleanArray, RecordBatch},
    buffer::BooleanBuffer,
    datatypes::{Schema, SchemaRef},
};

use crate::{
    columns::{Columns, Slots},
    error::QualityError,
    keys::{KeyCounts, Unit, hash_parts},
    reference::ReferenceSets,
    report::{CheckCounts, QualityReport},
    rule::{Blocked, RowCondition, Rule, Verdict},
    sample::{FailedSample, Identities, IdentityColumns},
    spec::{CheckSpec, SpecProblem},
};

/// Limits of an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanOptions {
    /// Failed records named per check. Default: 20.
    pub sample: usize,
    /// Distinct keys kept exactly by each `unique` and `duplicate` check (about 40 bytes each, twice that
    /// while the table grows). Beyond it, the check counts a sample of the keys and its result is
    /// marked as estimated. Default: 250,000.
    pub exact_keys: usize,
}

impl Default for PlanOptions {
    fn default() -> Self {
        Self { sample: 20, exact_keys: 250_000 }
    }
}

#[derive(Debug)]
pub(crate) struct PlannedCheck {
    pub(crate) spec: CheckSpec,
    pub(crate) name: String,
    pub(crate) rule: Result<(Rule, Option<RowCondition>), Blocked>,
}

#[derive(Debug)]
pub(crate) struct PlanInner {
    pub(crate) checks: Vec<PlannedCheck>,
    schema: SchemaRef,
    slots: Slots,
    identity: Option<IdentityColumns>,
    options: PlanOptions,
}

/// The checks made ready for one schema. Cheap to clone; shared by all evaluators.
#[derive(Clone)]
pub struct QualityPlan(Arc<PlanInner>);

impl fmt::Debug for QualityPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("QualityPlan").field(&self.check_names().collect::<Vec<_>>()).finish()
    }
}

impl QualityPlan {
    /// A plan without reference sets, with default limits. Wrong specifications are an error; a column
    /// that the schema lacks is not: that check's result says so.
    pub fn new(specs: &[CheckSpec], schema: &Schema) -> Result<Self, QualityError> {
        Self::with(specs, schema, &ReferenceSets::new(), PlanOptions::default())
    }

    /// A plan with reference sets and limits.
    pub fn with(specs: &[CheckSpec], schema: &Schema, references: &ReferenceSets, options: PlanOptions) -> Result<Self, QualityError> {
        let problems = check_specs(specs);
        if !problems.is_empty() {
            return Err(QualityError::BadSpec(problems));
        }
        let mut slots = Slots::default();
        let checks = specs
            .iter()
            .map(|spec| {
                let rule = Rule::compile(spec, schema, references, &mut slots)
                    .and_then(|rule| Ok((rule, RowCondition::compile(spec, schema, &mut slots)?)));
                PlannedCheck { spec: spec.clone(), name: spec.display_name(), rule }
            })
            .collect();
        let inner = PlanInner { checks, schema: Arc::new(schema.clone()), slots, identity: IdentityColumns::find(schema), options };
        Ok(Self(Arc::new(inner)))
    }

    /// A fresh evaluator; one per thread, merged at the end.
    pub fn evaluator(&self) -> Evaluator {
        let state = |check: &PlannedCheck| CheckState {
            applicable: 0,
            failed: 0,
            sample: FailedSample::new(self.0.options.sample),
            keys: match &check.rule {
                Ok((Rule::Key { unit, .. }, _)) => Some(KeyCounts::new(*unit, self.0.options.exact_keys)),
                _ => None,
            },
        };
        Evaluator { rows: 0, states: self.0.checks.iter().map(state).collect(), plan: self.clone() }
    }

    /// The names of the checks, in order.
    pub fn check_names(&self) -> impl Iterator<Item = &str> {
        self.0.checks.iter().map(|check| check.name.as_str())
    }

    /// Position, name and dimension of each check.
    pub fn checks(&self) -> impl Iterator<Item = (usize, &str, crate::Dimension)> {
        self.0.checks.iter().enumerate().map(|(at, check)| (at, check.name.as_str(), check.spec.effective_dimension()))
    }

    /// The schema the plan was made for.
    pub fn schema(&self) -> &SchemaRef {
        &self.0.schema
    }
}

/// What is wrong with a list of checks without any data: each one's own problems, and names used twice.
pub fn check_specs(specs: &[CheckSpec]) -> Vec<SpecProblem> {
    let mut problems: Vec<SpecProblem> = specs.iter().flat_map(CheckSpec::problems).collect();
    let mut names = std::collections::HashSet::new();
    for name in specs.iter().map(CheckSpec::display_name) {
        if !names.insert(name.clone()) {
            problems.push(SpecProblem {
                check: name,
                key: "name",
                message: "is used by another check; give each check a name of its own".into(),
            });
        }
    }
    problems
}

struct CheckState {
    applicable: u64,
    failed: u64,
    sample: FailedSample,
    keys: Option<KeyCounts>,
}

/// Counts batches. Memory is bounded by the plan's limits, whatever the number of rows.
pub struct Evaluator {
    plan: QualityPlan,
    rows: u64,
    states: Vec<CheckState>,
}

impl fmt::Debug for Evaluator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evaluator").field("plan", &self.plan).field("rows", &self.rows).finish_non_exhaustive()
    }
}

/// Which rows of one batch failed which check.
#[derive(Debug, Clone)]
pub struct BatchOutcome {
    /// One mask a check, in the plan's order; set where the row failed. A `unique` or `duplicate` check
    /// marks the second and later occurrences that this evaluator saw (the first is kept), while its
    /// counts hold every occurrence.
    pub failed: Vec<BooleanBuffer>,
}

impl BatchOutcome {
    /// The rows that failed any of these checks.
    pub fn any_failed(&self, checks: impl IntoIterator<Item = usize>) -> Option<BooleanArray> {
        let masks = checks.into_iter().filter_map(|check| self.failed.get(check));
        masks.cloned().reduce(|a, b| &a | &b).map(|mask| BooleanArray::new(mask, None))
    }
}

impl Evaluator {
    /// Counts a batch of the plan's schema and says which rows failed.
    pub fn update(&mut self, batch: &RecordBatch) -> Result<BatchOutcome, QualityError> {
        let plan = Arc::clone(&self.plan.0);
        fits(&plan, batch)?;
        let columns = plan.slots.read(batch)?;
        let identities = plan.identity.and_then(|identity| identity.read(batch));
        let rows = batch.num_rows();
        self.rows += rows as u64;
        let mut failed = Vec::with_capacity(plan.checks.len());
        for (check, state) in plan.checks.iter().zip(&mut self.states) {
            failed.push(match &check.rule {
                Ok((rule, condition)) => {
                    state.count(rule, condition.as_ref(), check.spec.empty_is_missing, &columns, identities.as_ref(), rows)
                }
                Err(_) => BooleanBuffer::new_unset(rows),
            });
        }
        Ok(BatchOutcome { failed })
    }

    /// Adds the counts of another evaluator of the same plan. The order of merging does not matter.
    pub fn merge(&mut self, other: Evaluator) -> Result<(), QualityError> {
        if !Arc::ptr_eq(&self.plan.0, &other.plan.0) {
            return Err(QualityError::DifferentPlan);
        }
        self.rows += other.rows;
        for (state, other) in self.states.iter_mut().zip(other.states) {
            state.applicable += other.applicable;
            state.failed += other.failed;
            state.sample.merge(other.sample);
            if let (Some(keys), Some(other)) = (&mut state.keys, other.keys) {
                keys.merge(other);
            }
        }
        Ok(())
    }

    /// Rows seen so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The report of everything seen.
    pub fn finish(self) -> QualityReport {
        let counts = self.states.into_iter().zip(&self.plan.0.checks).map(|(state, check)| state.finish(check)).collect();
        QualityReport::new(self.rows, &self.plan.0.checks, counts)
    }
}

fn fits(plan: &PlanInner, batch: &RecordBatch) -> Result<(), QualityError> {
    let found = batch.schema_ref();
    if Arc::ptr_eq(found, &plan.schema) {
        return Ok(());
    }
    if found.fields().len() != plan.schema.fields().len() {
        let reason = format!("it has {} columns instead of {}", found.fields().len(), plan.schema.fields().len());
        return Err(QualityError::SchemaMismatch { reason });
    }
    for slot in plan.slots.iter() {
        let field = found.field(slot.column);
        if field.name() != &slot.name || field.data_type() != &slot.data_type {
            let reason = format!("column {} should be {} of type {}", slot.column + 1, slot.name, slot.data_type);
            return Err(QualityError::SchemaMismatch { reason });
        }
    }
    Ok(())
}

impl CheckState {
    fn count(
        &mut self,
        rule: &Rule,
        condition: Option<&RowCondition>,
        empty_is_missing: bool,
        columns: &Columns,
        identities: Option<&Identities>,
        rows: usize,
    ) -> BooleanBuffer {
        let counts_row = |row: usize| condition.is_none_or(|condition| condition.holds(columns, row));
        if let (Rule::Key { slots, .. }, Some(keys)) = (rule, &mut self.keys) {
            let applicable = &mut self.applicable;
            return BooleanBuffer::collect_bool(rows, |row| {
                let parts = || slots.iter().map(|slot| columns.text(*slot, row, empty_is_missing));
                // A key with a missing part is no key.
                if !counts_row(row) || parts().any(|part| part.is_none()) {
                    return false;
                }
                *applicable += 1;
                keys.add(hash_parts(parts().flatten()), identities.and_then(|identities| identities.place(row)))
            });
        }
        let applicable = &mut self.applicable;
        let failed = BooleanBuffer::collect_bool(rows, |row| {
            let verdict = if counts_row(row) { rule.judge(columns, row, empty_is_missing) } else { Verdict::NotApplicable };
            *applicable += u64::from(verdict != Verdict::NotApplicable);
            verdict == Verdict::Fail
        });
        self.failed += failed.count_set_bits() as u64;
        if let Some(identities) = identities {
            for row in failed.set_indices() {
                self.sample.add_row(identities, row);
            }
        }
        failed
    }

    fn finish(self, check: &PlannedCheck) -> CheckCounts {
        let mut sample = self.sample;
        let Some(keys) = self.keys else {
            return CheckCounts {
                denominator: self.applicable,
                failed: self.failed,
                excess: None,
                judged: (self.applicable - self.failed, self.applicable),
                estimated: false,
                sample,
            };
        };
        let totals = keys.totals();
        keys.sample_repeated(&mut sample);
        let by_row = matches!(check.rule, Ok((Rule::Key { unit: Unit::Rows, .. }, _)));
        // Rows are always counted; records only as far as their keys were kept.
        let denominator = if by_row { self.applicable } else { totals.units.saturating_mul(totals.sampling) };
        let scale = |part: u64| {
            if totals.units == 0 || totals.exact { part } else { (part as f64 / totals.units as f64 * denominator as f64).round() as u64 }
        };
        CheckCounts {
            denominator,
            failed: scale(totals.repeated).min(denominator),
            excess: Some(scale(totals.excess)),
            judged: (totals.units - totals.repeated, totals.units),
            estimated: !totals.exact,
            sample,
        }
    }
}
