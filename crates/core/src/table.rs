//! How a format describes its tables: the schema, and what every column means.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::phi::{ColumnMeta, PhiClass};

/// One column of a table: its Arrow type, the standard's path, its PHI class and its meaning.
#[derive(Debug, Clone)]
pub struct ColumnDef {
    /// Column name, snake_case.
    pub name: String,
    /// Arrow type.
    pub data_type: DataType,
    /// The standard's own path (`PID-5.1`); empty for columns the reader computes.
    pub path: String,
    /// What identifying information it holds.
    pub phi: PhiClass,
    /// What it means, in one sentence.
    pub doc: String,
    /// UCUM unit of the values, if one is fixed.
    pub unit: Option<String>,
    /// Whether it identifies the patient of the row.
    pub patient: bool,
}

impl ColumnDef {
    /// A column without unit that does not identify the patient.
    pub fn new(name: impl Into<String>, data_type: DataType, path: impl Into<String>, phi: PhiClass, doc: impl Into<String>) -> Self {
        Self { name: name.into(), data_type, path: path.into(), phi, doc: doc.into(), unit: None, patient: false }
    }

    /// Marks the column that identifies the patient.
    pub fn identifies_patient(mut self) -> Self {
        self.patient = true;
        self
    }

    /// The column's metadata.
    pub fn meta(&self) -> ColumnMeta {
        ColumnMeta {
            phi: Some(self.phi.clone()),
            path: (!self.path.is_empty()).then(|| self.path.clone()),
            unit: self.unit.clone(),
            patient: self.patient,
            doc: Some(self.doc.clone()),
            deid: None,
        }
    }

    /// The Arrow field with its metadata. Every column is nullable: real feeds leave anything out.
    pub fn field(&self) -> Field {
        self.meta().apply(Field::new(&self.name, self.data_type.clone(), true))
    }
}

/// One table of a format.
#[derive(Debug, Clone)]
pub struct TableDef {
    /// Table name, plural snake_case.
    pub name: String,
    /// What one row stands for, and where it comes from.
    pub doc: String,
    /// The columns, the record identity first.
    pub columns: Vec<ColumnDef>,
    schema: SchemaRef,
}

impl TableDef {
    /// Builds the table and its schema.
    pub fn new(name: impl Into<String>, doc: impl Into<String>, columns: Vec<ColumnDef>) -> Self {
        let schema = Arc::new(Schema::new(columns.iter().map(ColumnDef::field).collect::<Vec<_>>()));
        Self { name: name.into(), doc: doc.into(), columns, schema }
    }

    /// The Arrow schema with all metadata.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// The position of a column.
    pub fn index_of(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.name == column)
    }
}

/// A table of groups: rows of one of a format's tables with the same key, as one row each. A decoder reads one file and cannot say what belongs
/// together across files; whoever has all rows can. It is no table of the decoder's: the engine makes it in SQL.
#[derive(Debug, Clone)]
pub struct Grouping {
    /// Its name in SQL, beside those of the tables.
    pub name: &'static str,
    /// What one row stands for.
    pub doc: &'static str,
    /// The table whose rows are grouped.
    pub of: &'static str,
    /// The columns that rows of a group agree in.
    pub key: &'static [&'static str],
    /// The other columns: name, how it is made, of which column.
    pub columns: &'static [(&'static str, Aggregate, &'static str)],
}

/// How the values of a group become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aggregate {
    /// The least. For what all rows of a group ought to agree in, too: then it does not depend on the order of the rows.
    Min,
    /// The greatest.
    Max,
    /// The sum.
    Sum,
    /// How many values there are; of a column that is never null, how many rows.
    Count,
    /// How many different values there are.
    CountDistinct,
    /// The mean of numbers.
    Mean,
    /// The standard deviation of numbers, that of a sample: of two values or more.
    Sd,
    /// The value below which so many of a hundred lie, between values in proportion.
    Percentile(u8),
}
