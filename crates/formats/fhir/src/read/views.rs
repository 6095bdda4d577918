//! Views of the user's (ViewDefinitions) as tables beside the default ones, all filled in one pass over the bytes.
//!
//! A resource that one of the requested views cannot show (several values where its column holds one, a path that fails) is a
//! reject as a whole: it has rows in no table then. So what was read is accounted for, and when the view is mended the reject can
//! be read again without anything coming twice.

use std::{path::Path, sync::Arc};

use arrow::error::ArrowError;
use smallvec::SmallVec;
use sutura_core::{
    BlockDecoder, Condition, Decoded, DecodedSink, DecoderSpec, Format, FormatError, Pushed, TableDef, TableRequest, ViewText,
};

use super::{Fhir, decoder::Decoder};
use crate::{
    json::Value,
    tables,
    view::{Batch, Cells, Shape, View, ViewError},
};

/// Code of a resource that a view cannot show.
pub const CODE_VIEW_REFUSED: &str = "view-refused";

/// FHIR with tables of the user's: [`Fhir`] and, behind its tables, one for each view.
#[derive(Debug, Clone)]
pub struct FhirWithViews {
    /// The default tables, then those of the views.
    tables: Arc<[TableDef]>,
    views: Arc<[Arc<View>]>,
}

impl FhirWithViews {
    /// Compiles views. A table is named as [`ViewText::name`] says, else after the view in lower case (as SQL reads a name without
    /// quotes), else after the file.
    ///
    /// # Errors
    /// The first view that is wrong, or whose name is no name or taken.
    pub fn new(texts: &[ViewText]) -> Result<Self, FormatError> {
        let mut tables = tables::definitions().to_vec();
        let mut views = Vec::with_capacity(texts.len());
        for (position, text) in texts.iter().enumerate() {
            let bad = |reason: String| FormatError::BadView { position, view: text.origin.clone(), reason };
            let view = View::from_json(&text.text).map_err(|error| bad(error.to_string()))?;
            let name = match &text.name {
                Some(name) => name.clone(),
                None => view_table_name(&view, &text.origin).map_err(bad)?,
            };
            if name == "rejects" || tables.iter().any(|table| table.name == name) {
                return Err(bad(format!("there is a table {name} already; give the view another name")));
            }
            tables.push(view.table(name));
            views.push(Arc::new(view));
        }
        Ok(Self { tables: tables.into(), views: views.into() })
    }

    /// The view behind a table.
    fn view(&self, table: &str) -> Option<(&TableDef, &View)> {
        let own = &self.tables[self.tables.len() - self.views.len()..];
        own.iter().zip(&*self.views).find(|(known, _)| known.name == table).map(|(table, view)| (table, &**view))
    }
}

/// The name of a view's table: the view's as SQL reads it without quotes, or that of its file (`origin`) where it has none.
///
/// # Errors
/// What is wrong with the name.
pub fn view_table_name(view: &View, origin: &str) -> Result<String, String> {
    let fits = |name: &str| {
        name.starts_with(|first: char| first.is_ascii_lowercase())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    if let Some(name) = view.name() {
        let name = name.to_ascii_lowercase();
        return if fits(&name) {
            Ok(name)
        } else {
            Err("name: must begin with a letter and hold letters, digits and underscores".to_owned())
        };
    }
    let stem = Path::new(origin).file_stem().map(|stem| stem.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let name: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if fits(&name) { Ok(name) } else { Err("the view has no name, and its file's name makes none; give it a name".to_owned()) }
}

impl Format for FhirWithViews {
    fn name(&self) -> &'static str {
        Fhir.name()
    }

    fn extensions(&self) -> &'static [&'static str] {
        Fhir.extensions()
    }

    fn tables(&self) -> &[TableDef] {
        &self.tables
    }

    fn splittable(&self) -> bool {
        Fhir.splittable()
    }

    fn splittable_from(&self, beginning: &[u8]) -> bool {
        Fhir.splittable_from(beginning)
    }

    fn check_options(&self, options: &serde_json::Value) -> Result<(), FormatError> {
        Fhir.check_options(options)
    }

    fn decoder(&self, spec: DecoderSpec) -> Result<Box<dyn BlockDecoder>, FormatError> {
        let mut views = Views::new(spec.batch_rows);
        for (position, request) in spec.requests.iter().enumerate() {
            if let Some((table, view)) = self.view(&request.table) {
                views.add(position, request, table, view)?;
            }
        }
        Ok(Box::new(Decoder::with_views(spec, views)?))
    }

    fn pushes(&self, table: &str, condition: &Condition) -> Pushed {
        match self.view(table) {
            Some((table, _)) => match table.columns.get(condition.column) {
                Some(column) => condition.test.exactness(&column.data_type),
                None => Pushed::No,
            },
            None => Fhir.pushes(table, condition),
        }
    }

    fn may_refuse(&self, table: &str) -> bool {
        self.view(table).is_some()
    }

    fn table(&self, name: &str) -> Option<&TableDef> {
        self.tables.iter().find(|table| table.name == name).or_else(|| tables::of_resource(name))
    }
}

/// The requested views of one decoder.
#[derive(Debug, Default)]
pub(super) struct Views {
    /// Shapes and batches apart: the cells of a resource borrow from all shapes before any batch takes them.
    shapes: Vec<(String, Shape)>,
    batches: Vec<Batch>,
    /// Positions in [`DecoderSpec::requests`].
    requests: Vec<usize>,
    batch_rows: usize,
}

/// Why a resource is in no table.
pub(super) struct Refusal {
    pub(super) location: String,
    pub(super) reason: String,
}

impl Views {
    fn new(batch_rows: usize) -> Self {
        Self { batch_rows: batch_rows.max(1), ..Self::default() }
    }

    fn add(&mut self, position: usize, request: &TableRequest, table: &TableDef, view: &View) -> Result<(), FormatError> {
        let all: Vec<usize> = (0..table.columns.len()).collect();
        let columns = request.columns.as_deref().unwrap_or(&all);
        let shape = Shape::new(view, columns, &request.filter, &table.schema()).map_err(|error| FormatError::BadOption {
            format: "fhir",
            option: "columns".to_owned(),
            reason: format!("view {}: {error}", table.name),
        })?;
        self.batches.push(Batch::new(&shape));
        self.shapes.push((table.name.clone(), shape));
        self.requests.push(position);
        Ok(())
    }

    /// Whether a request is for a view.
    pub(super) fn serve(&self, position: usize) -> bool {
        self.requests.contains(&position)
    }

    /// Whether one of them is over resources of that type.
    pub(super) fn show(&self, resource_type: &str) -> bool {
        self.shapes.iter().any(|(_, shape)| shape.resource() == resource_type)
    }

    /// Adds the rows of a resource to every view of its type, or to none: then it says why. Batches that are full go out.
    pub(super) fn record(
        &mut self,
        resource: Value<'_>,
        resource_type: &str,
        out: &mut dyn DecodedSink,
    ) -> Result<Option<Refusal>, FormatError> {
        let mut made: SmallVec<[(usize, Cells<'_>); 4]> = SmallVec::new();
        for (at, (table, shape)) in self.shapes.iter().enumerate() {
            if shape.resource() == resource_type {
                match Cells::of(shape, resource, self.batches[at].usual()) {
                    Ok(cells) => made.push((at, cells)),
                    Err(error) => return Ok(Some(Refusal::new(table, &error))),
                }
            }
        }
        for (at, cells) in made {
            let request = self.requests[at];
            let give = &mut |batch| out.take(Decoded::Batch { request, batch });
            self.batches[at].add(&self.shapes[at].1, resource, &cells, self.batch_rows, give).map_err(not_given)?;
        }
        Ok(None)
    }

    /// Gives out what is left.
    pub(super) fn finish(&mut self, out: &mut dyn DecodedSink) -> Result<(), FormatError> {
        for (batch, &request) in self.batches.iter_mut().zip(&self.requests) {
            batch.give(self.batch_rows, &mut |batch| out.take(Decoded::Batch { request, batch })).map_err(not_given)?;
        }
        Ok(())
    }
}

/// Why rows that fit their view did not go out.
fn not_given(error: ViewError) -> FormatError {
    match error {
        ViewError::Stopped => FormatError::Stopped,
        defect => ArrowError::ComputeError(defect.to_string()).into(),
    }
}

impl Refusal {
    fn new(table: &str, error: &ViewError) -> Self {
        Self { location: table.to_owned(), reason: error.to_string() }
    }
}
