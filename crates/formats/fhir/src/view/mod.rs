//! **ViewDefinitions (SQL on FHIR): resources in, rows out.**
//!
//! ```
//! use sutura_fhir::{json::Parser, view::View};
//!
//! let view = View::from_json(br#"{"resource": "Patient", "select": [{"column": [
//!     {"name": "id", "path": "getResourceKey()"}, {"name": "family", "path": "name.family.first()"}]}]}"#)?;
//! let mut rows = view.rows();
//! let mut parser = Parser::default();
//! let patient = parser.parse(br#"{"resourceType":"Patient","id":"p1","name":[{"family":"Doe"}]}"#)?;
//! assert_eq!(rows.append(patient.root())?, 1);
//! assert_eq!(rows.finish()?.num_rows(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A view is compiled once: constants are resolved, columns typed (from `type`, an `ansi/type` tag, or the path itself), and
//! paths that the R4 types decide become direct walks over the JSON tape. [`read_ndjson`] streams a file through any number of
//! views in one pass and bounded memory. Columns carry the class of the identifying information they may hold; a column whose
//! path does not tell is classed as free text, so that nothing leaves unnoticed.

mod class;
mod class_element;
#[cfg(test)]
mod class_tests;
mod columns;
mod definition;
mod error;
mod ndjson;
mod plan;
mod rows;
mod shape;
pub mod suite;
#[cfg(test)]
mod tests;
mod walk;

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use sutura_core::{ColumnDef, Condition, TableDef};

pub use error::ViewError;
pub use ndjson::{Account, NdjsonOptions, Output, read_ndjson};
pub(crate) use rows::{Batch, Cells};
pub use rows::{Give, Rows};
pub(crate) use shape::Shape;

/// An element of R4 by where it stands, for those who treat elements by their class: what the elements above say of it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ElementPlace(class_element::Place);

impl ElementPlace {
    /// A resource.
    pub fn resource(ty: crate::defs::TypeId) -> Self {
        Self(class_element::Place::root(ty))
    }

    /// An element of it, of that type.
    pub fn child(&self, element: &crate::defs::ElementDef, ty: crate::defs::TypeId) -> Self {
        Self(self.0.below(element, ty))
    }

    /// An extension of that URL on it.
    pub fn extension(&self, url: &str) -> Self {
        Self(self.0.extension(url))
    }

    /// Its type.
    pub fn type_id(&self) -> crate::defs::TypeId {
        self.0.ty
    }

    /// The class of its values. What is not known to be harmless is free text.
    pub fn class(&self) -> sutura_core::PhiClass {
        self.0.class()
    }
}

/// A compiled ViewDefinition. Immutable; share it between threads.
#[derive(Debug)]
pub struct View {
    plan: Arc<plan::Plan>,
    schema: SchemaRef,
}

impl View {
    /// Compiles a ViewDefinition resource (SQL on FHIR 2.0 and the 3.0 ballot).
    pub fn from_json(definition: &[u8]) -> Result<Self, ViewError> {
        let plan = definition::compile(definition)?;
        let schema = plan.schema();
        Ok(Self { plan: Arc::new(plan), schema })
    }

    /// The view's name, if it has one.
    pub fn name(&self) -> Option<&str> {
        self.plan.name.as_deref()
    }

    /// The resource type it reads.
    pub fn resource(&self) -> &str {
        &self.plan.resource
    }

    /// The columns, with their classes in the metadata.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// The view as a table of that name.
    pub fn table(&self, name: impl Into<String>) -> TableDef {
        let columns = self.plan.columns.iter().map(|column| {
            let doc = column.doc.clone().unwrap_or_default();
            let defined = ColumnDef::new(&column.name, column.kind.data_type(column.list), &column.path, column.class.clone(), doc);
            if column.patient { defined.identifies_patient() } else { defined }
        });
        let shown = self.name().map_or_else(String::new, |name| format!(" {name}"));
        TableDef::new(name, format!("rows of the view{shown} over {} resources", self.resource()), columns.collect())
    }

    /// How many of the paths are walked directly, and how many need the evaluator.
    pub fn direct_paths(&self) -> (usize, usize) {
        self.plan.direct_paths()
    }

    /// An empty batch to append rows to.
    pub fn rows(&self) -> Rows {
        Rows::new(Shape::whole(self))
    }

    /// As [`View::rows`], with these columns alone, in this order, and without the rows that do not fulfil every condition. What
    /// is not asked for is not evaluated, and what a dropped row would hold is not either; the number of rows stays what it is.
    /// Columns are meant by their positions; ones that are not there, and conditions that do not fit their column, are an error.
    pub fn rows_of(&self, columns: &[usize], filter: &[Condition]) -> Result<Rows, ViewError> {
        Ok(Rows::new(Shape::new(self, columns, filter, &self.schema)?))
    }
}
