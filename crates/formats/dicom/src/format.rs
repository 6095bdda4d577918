//! DICOM as a format the engine can read.

use sutura_core::{BlockDecoder, DecoderSpec, Format, FormatError, Grouping, TableDef, near_table};

use crate::{options::Options, read::Decoder, tables};

/// The DICOM format: `read_dicom(path [, table])`. One file is one instance.
#[derive(Debug, Clone, Copy, Default)]
pub struct Dicom;

impl Format for Dicom {
    fn name(&self) -> &'static str {
        "dicom"
    }

    fn extensions(&self) -> &'static [&'static str] {
        // Archives name files by UID, and DICOMDIR has no extension at all.
        &["dcm", "dicom", "dic", ""]
    }

    fn tables(&self) -> &[TableDef] {
        tables::definitions()
    }

    /// A file is read as a whole.
    fn splittable(&self) -> bool {
        false
    }

    fn check_options(&self, options: &serde_json::Value) -> Result<(), FormatError> {
        Options::from_json(options).map(|_| ())
    }

    fn groupings(&self) -> &[Grouping] {
        &tables::GROUPINGS
    }

    fn table_hint(&self, name: &str) -> Option<String> {
        let grouping = tables::GROUPINGS.iter().find(|grouping| grouping.name == name);
        let of_groups =
            |grouping: &Grouping| format!("{name} are groups: select ... from {} group by {}", grouping.of, grouping.key.join(", "));
        grouping.map(of_groups).or_else(|| near_table(self.tables(), name))
    }

    fn decoder(&self, spec: DecoderSpec) -> Result<Box<dyn BlockDecoder>, FormatError> {
        Ok(Box::new(Decoder::new(spec)?))
    }
}
