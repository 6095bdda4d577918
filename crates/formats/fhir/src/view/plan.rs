//! The compiled form of a view.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use sutura_core::{ColumnMeta, PhiClass};

use super::{columns::Kind, walk::Walk};
use crate::fhirpath::{Expression, Item};

/// A whole view.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) name: Option<String>,
    pub(super) resource: String,
    pub(super) columns: Vec<Column>,
    pub(super) filters: Vec<Path>,
    pub(super) body: Block,
    pub(super) constants: Vec<(Box<str>, Item<'static>)>,
    /// Whether any expression asks for `%rowIndex`.
    pub(super) uses_row_index: bool,
}

/// A column of the result.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) list: bool,
    pub(super) path: String,
    pub(super) doc: Option<String>,
    pub(super) class: PhiClass,
    /// Whether it holds the key of the patient.
    pub(super) patient: bool,
}

/// An expression, with its walk where it has one.
#[derive(Debug)]
pub(super) struct Path {
    pub(super) expression: Expression,
    pub(super) walk: Option<Walk>,
    pub(super) is_row_index: bool,
    pub(super) place: String,
}

/// Columns, and what is multiplied with them.
#[derive(Debug, Default)]
pub(super) struct Block {
    /// Positions in the row, and their paths.
    pub(super) columns: Vec<(usize, Path)>,
    pub(super) children: Vec<Child>,
}

/// A factor of the product of a block.
#[derive(Debug)]
pub(super) enum Child {
    Select(Select),
    /// The rows of one branch after those of another.
    Union(Vec<Select>),
}

/// A block over each item of a source.
#[derive(Debug)]
pub(super) struct Select {
    pub(super) source: Source,
    pub(super) body: Block,
}

/// Where the items of a select come from.
#[derive(Debug)]
pub(super) enum Source {
    /// The item of the surrounding block.
    Same,
    Each(Box<Path>),
    /// As `Each`, with one row of nulls if there is none.
    EachOrNull(Box<Path>),
    /// Everything the paths find, from the items they find too.
    Repeat(Vec<Path>),
}

impl Plan {
    pub(super) fn schema(&self) -> SchemaRef {
        let fields = self.columns.iter().map(|column| {
            let meta = ColumnMeta {
                phi: Some(column.class.clone()),
                path: Some(column.path.clone()),
                unit: None,
                patient: column.patient,
                doc: column.doc.clone(),
                deid: None,
            };
            meta.apply(Field::new(&column.name, column.kind.data_type(column.list), true))
        });
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    pub(super) fn direct_paths(&self) -> (usize, usize) {
        let mut counts = (0, 0);
        self.filters.iter().for_each(|path| path.count(&mut counts));
        self.body.count(&mut counts);
        counts
    }
}

impl Path {
    fn count(&self, counts: &mut (usize, usize)) {
        if self.walk.is_some() || self.is_row_index { counts.0 += 1 } else { counts.1 += 1 }
    }
}

impl Block {
    fn count(&self, counts: &mut (usize, usize)) {
        self.columns.iter().for_each(|(_, path)| path.count(counts));
        for child in &self.children {
            match child {
                Child::Select(select) => select.count(counts),
                Child::Union(branches) => branches.iter().for_each(|branch| branch.count(counts)),
            }
        }
    }
}

impl Select {
    fn count(&self, counts: &mut (usize, usize)) {
        match &self.source {
            Source::Same => {}
            Source::Each(path) | Source::EachOrNull(path) => path.count(counts),
            Source::Repeat(paths) => paths.iter().for_each(|path| path.count(counts)),
        }
        self.body.count(counts);
    }
}
