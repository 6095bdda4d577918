//! C-CDA as a format the engine can read.

use sutura_core::{BlockDecoder, DecoderSpec, Format, FormatError, TableDef};

use crate::{options::Options, read::Decoder, tables};

/// The C-CDA format: `read_ccda(path [, table])`. One file is one document.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ccda;

impl Format for Ccda {
    fn name(&self) -> &'static str {
        "ccda"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["xml", "ccda", "cda"]
    }

    fn tables(&self) -> &[TableDef] {
        tables::definitions()
    }

    /// A document is read as a whole.
    fn splittable(&self) -> bool {
        false
    }

    fn check_options(&self, options: &serde_json::Value) -> Result<(), FormatError> {
        Options::from_json(options).map(|_| ())
    }

    fn decoder(&self, spec: DecoderSpec) -> Result<Box<dyn BlockDecoder>, FormatError> {
        Ok(Box::new(Decoder::new(spec)?))
    }
}
