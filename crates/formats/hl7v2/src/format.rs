//! HL7 v2 as a format the engine can read.

use sutura_core::{BlockDecoder, DecoderSpec, Format, FormatError, TableDef};

use crate::{charset::Utf16Transcoder, options::Options, read::Decoder, tables};

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

    /// UTF-16 is transcoded from its beginning on. A range in its middle does not know that it is text at all, and might take
    /// two bytes of one character for the beginning of a message.
    fn splittable_from(&self, beginning: &[u8]) -> bool {
        Utf16Transcoder::detect(beginning).is_none()
    }

    fn check_options(&self, options: &serde_json::Value) -> Result<(), FormatError> {
        Options::from_json(options).map(|_| ())
    }

    fn decoder(&self, spec: DecoderSpec) -> Result<Box<dyn BlockDecoder>, FormatError> {
        Ok(Box::new(Decoder::new(spec)?))
    }
}
