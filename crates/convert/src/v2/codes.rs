//! Codes to codes, by the plan's maps.

use super::plan::Codes;

/// A translated code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target {
    pub code: &'static str,
    pub display: &'static str,
    pub system: &'static str,
}

impl Codes {
    /// What a code of HL7 v2 is in FHIR.
    pub(super) fn translate(&self, code: &str) -> Option<Target> {
        let [_, code, display, system] = self.by_code.get(code)?;
        Some(Target { code, display, system })
    }

    /// Whether the map has no rows: then codes are taken as they are.
    pub(super) fn is_empty(&self) -> bool {
        self.by_code.is_empty()
    }
}
