//! HL7 v2 as a format the engine can read.

use sutura_core::{BlockDecoder, DecoderSpec, Format, FormatError, TableDef};

use crate::{options::Options, read::Decoder, tables};

/// The HL7 v2 format: `read_hl7v2(path [, table])`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Hl7v2;

impl Format for Hl7v2 {
    fn name(&self) -> &'static str {
        "hl7v2"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["hl7", "txt", "msg", "dat"]
    }

    fn tables(&self) -> &[TableDef] {
        tables::spec::definitions()
    }

    fn splittable(&self) -> bool {
        true
    }

    fn check_options(&self, options: &serde_json::Value) -> Result<(), FormatError> {
        Options::from_json(options).map(|_| ())
    }

    fn decoder(&self, spec: DecoderSpec) -> Result<Box<dyn BlockDecoder>, FormatError> {
        Ok(Box::new(Decoder::new(spec)?))
    }
}
