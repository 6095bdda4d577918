//! FHIR R4 as a format the engine can read.

use std::sync::Arc;

use sutura_core::{BlockDecoder, Condition, DecoderSpec, Format, FormatError, Pushed, TableDef, ViewText};

use super::{decoder::Decoder, layout, options::Options, views::FhirWithViews};
use crate::tables;

/// The FHIR format: `read_fhir(path [, table, resource type or view])`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fhir;

impl Format for Fhir {
    fn name(&self) -> &'static str {
        "fhir"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["ndjson", "jsonl", "json"]
    }

    fn tables(&self) -> &[TableDef] {
        tables::definitions()
    }

    fn splittable(&self) -> bool {
        true
    }

    /// Lines can be read by range; a document of many lines has to be read from its beginning.
    fn splittable_from(&self, beginning: &[u8]) -> bool {
        layout::is_lines(beginning)
    }

    fn check_options(&self, options: &serde_json::Value) -> Result<(), FormatError> {
        Options::from_json(options).map(|_| ())
    }

    fn decoder(&self, spec: DecoderSpec) -> Result<Box<dyn BlockDecoder>, FormatError> {
        Ok(Box::new(Decoder::new(spec)?))
    }

    fn pushes(&self, table: &str, condition: &Condition) -> Pushed {
        tables::pushes(table, condition)
    }

    /// Views are ViewDefinitions (SQL on FHIR).
    fn with_views(&self, views: &[ViewText]) -> Result<Arc<dyn Format>, FormatError> {
        Ok(Arc::new(FhirWithViews::new(views)?))
    }

    /// By its name, or by the resource type that its rows are: `Patient` for `patients`.
    fn table(&self, name: &str) -> Option<&TableDef> {
        self.tables().iter().find(|table| table.name == name).or_else(|| tables::of_resource(name))
    }
}
