//! FHIR R4 as a format the engine can read.

use std::sync::Arc;

use sutura_core::{BlockDecoder, Condition, DecoderSpec, Format, FormatError, Pushed, TableDef, ViewText, near_table};

use super::{decoder::Decoder, layout, options::Options, types::RESOURCE_TYPES, views::FhirWithViews};
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

    /// A resource type is known whatever its case; one without a table of its own is among `resources`.
    fn table_hint(&self, name: &str) -> Option<String> {
        let one = name.strip_suffix('s').unwrap_or(name);
        let is_meant = |known: &&&str| known.eq_ignore_ascii_case(name) || known.eq_ignore_ascii_case(one);
        let Some(resource_type) = RESOURCE_TYPES.iter().find(is_meant) else { return near_table(self.tables(), name) };
        Some(match tables::of_resource(resource_type) {
            Some(table) => format!("did you mean {:?}?", table.name),
            None => format!(
                "{resource_type} has no table of its own: read \"resources\" where resource_type = '{resource_type}', or write a view"
            ),
        })
    }
}
