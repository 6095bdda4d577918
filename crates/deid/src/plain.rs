//! Notes without structure: one free text, under the policy's method for free text.

use sutura_core::PhiClass;
use sutura_privacy::{ValueKind, ValuePlace};

use crate::{
    document::{DocumentDeidentifier, Form, Known, Leaf, Role, Run, Treatment},
    error::DeidError,
    ledger::Ledger,
    text::Tokens,
};

/// De-identifies notes: cleaned by the text stage, or removed where the policy removes free text.
pub struct PlainDeidentifier {
    treatment: Treatment,
    leaf: Leaf,
    known: Known,
}

impl PlainDeidentifier {
    /// For notes of whom nothing is known.
    pub fn new(treatment: Treatment) -> Self {
        let place = ValuePlace {
            table: Some("notes"),
            column: "text",
            path: "text",
            class: PhiClass::FreeText,
            kind: ValueKind::Text,
            shape: None,
        };
        let leaf = treatment.leaf(&place, "text", Form::Text);
        Self { treatment, leaf, known: Known::default() }
    }

    /// For the notes of one patient: what stands for the patient (dates are moved by it), and what is known of the people in them.
    #[must_use]
    pub fn of_patient<'v>(mut self, patient: &str, known: impl IntoIterator<Item = (Role, PhiClass, &'v str)>) -> Self {
        self.known = Known::default();
        self.known.set_patient(Some(patient));
        for (role, class, value) in known {
            self.known.add(role, &class, value);
        }
        self
    }
}

impl std::fmt::Debug for PlainDeidentifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PlainDeidentifier").field("treatment", &self.treatment).finish_non_exhaustive()
    }
}

impl DocumentDeidentifier for PlainDeidentifier {
    /// `input` is one note in UTF-8.
    fn deidentify(&self, input: &[u8], out: &mut Vec<u8>, ledger: &mut Ledger) -> Result<(), DeidError> {
        let refused = |_| DeidError::NotRead { format: "note", reason: "it is not UTF-8" };
        let text = std::str::from_utf8(input).map_err(refused)?;
        let mut counts = Ledger::new();
        let tokens = Tokens::default();
        let mut run = Run { treatment: &self.treatment, known: &self.known, tokens: &tokens, ledger: &mut counts };
        let written = run.value(&self.leaf, text, self.known.patient())?.unwrap_or_default().into_owned();
        counts.document(input.len(), written.len());
        out.extend_from_slice(written.as_bytes());
        ledger.merge(&counts);
        Ok(())
    }
}
