//! What is wanted of a view: which columns, in which order, and which rows.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use sutura_core::{Condition, Pushed, Test};

use super::{View, ViewError, columns::Cell, plan::Plan};

/// A view as it is asked for.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(super) plan: Arc<Plan>,
    /// The slots of the wanted columns, in output order.
    pub(super) wanted: Vec<usize>,
    /// By slot: whether it is wanted or tested.
    pub(super) needed: Vec<bool>,
    /// By slot: what its cell has to be; empty when there is no condition at all.
    pub(super) tests: Vec<Vec<Test>>,
    pub(super) schema: SchemaRef,
}

impl Shape {
    /// Every column and row.
    pub(super) fn whole(view: &View) -> Self {
        let width = view.plan.columns.len();
        Self {
            plan: Arc::clone(&view.plan),
            wanted: (0..width).collect(),
            needed: vec![true; width],
            tests: Vec::new(),
            schema: Arc::clone(&view.schema),
        }
    }

    /// Some columns of `schema`, which describes all of the view's, and the rows that fulfil the conditions.
    pub(crate) fn new(view: &View, columns: &[usize], filter: &[Condition], schema: &SchemaRef) -> Result<Self, ViewError> {
        let width = view.plan.columns.len();
        let mut needed = vec![false; width];
        for &slot in columns {
            *needed.get_mut(slot).ok_or(ViewError::NoColumn(slot))? = true;
        }
        let mut tests = if filter.is_empty() { Vec::new() } else { vec![Vec::new(); width] };
        for condition in filter {
            let column = view.plan.columns.get(condition.column).ok_or(ViewError::NoColumn(condition.column))?;
            if condition.test.exactness(&column.kind.data_type(column.list)) == Pushed::No {
                return Err(ViewError::WrongType(column.name.clone()));
            }
            needed[condition.column] = true;
            tests[condition.column].push(condition.test.clone());
        }
        let schema = schema.project(columns).map_err(|error| ViewError::Arrow(error.to_string()))?;
        Ok(Self { plan: Arc::clone(&view.plan), wanted: columns.to_vec(), needed, tests, schema: Arc::new(schema) })
    }

    /// The resource type it reads.
    pub(crate) fn resource(&self) -> &str {
        &self.plan.resource
    }

    /// The conditions on a column.
    pub(super) fn tests_of(&self, slot: usize) -> &[Test] {
        self.tests.get(slot).map_or(&[], Vec::as_slice)
    }
}

/// Whether a cell stays.
pub(super) fn passes(test: &Test, cell: &Cell<'_>) -> bool {
    match cell {
        Cell::Null => test.null(),
        Cell::Text(text) => test.text(text),
        Cell::Owned(text) => test.text(text),
        Cell::Boolean(flag) => test.flag(*flag),
        Cell::Integer(number) => test.integer(*number),
        Cell::Float(number) => test.number(*number),
        // No condition on such a column gets here.
        Cell::Decimal(_) | Cell::List(_) => true,
    }
}
