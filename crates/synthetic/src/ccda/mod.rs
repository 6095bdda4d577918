//! C-CDA: the same people as in the feeds, with their records as Continuity of Care Documents.
//!
//! The facts are those of the FHIR records ([`record`] reads them from the same chart), so that three formats say the same of the
//! same person. [`style`] is how a vendor writes them.

mod clinical;
mod document;
mod export;
mod header;
mod history;
mod odd;
mod options;
mod record;
mod section;
mod style;
mod truth;
mod xml;

pub use export::CcdaExport;
pub use options::CcdaOptions;
pub use style::CcdaStyle;
pub use truth::{CcdaTruth, OddEntry, SectionTruth};
