//! FHIR R4 resources and Bundles de-identified as resources: every element by its path and type, under the policy of columns.
//!
//! The definitions say what stands where; where a default table has a column of it, name, path and class are the column's. Extensions that are not
//! known go, as do attachments; a modifier extension takes what it modifies with it. Narrative goes, or is cleaned as text. Ids, references and
//! addresses are rewritten alike in a document and across files. Required elements that went say so (data-absent-reason), and `meta.security` has the
//! labels of what was done.

mod extensions;
mod ids;
mod json;
mod marks;
mod people;
mod plan;
mod stream;
mod walk;
mod xhtml;

use std::sync::Arc;

use sutura_fhir::json::{Limits, Parser};

use crate::{
    document::{DocumentDeidentifier, Run, Treatment},
    error::DeidError,
    ledger::Ledger,
};
use ids::{IdMap, IdPlans};
pub(crate) use json::{Object, push_string};
pub use people::PatientIndex;
use people::People;
use plan::Plans;
pub use stream::FhirLines;
use walk::Walk;

/// De-identifies FHIR R4 resources and Bundles in JSON. One serves all threads.
pub struct FhirDeidentifier {
    plans: Plans,
    ids: Arc<IdPlans>,
    index: Option<Arc<PatientIndex>>,
    limits: Limits,
}

impl FhirDeidentifier {
    /// For single resources, lines of NDJSON, and Bundles.
    pub fn new(treatment: Treatment) -> Self {
        let ids = Arc::new(IdPlans::new(&treatment.privacy));
        Self { plans: Plans::new(treatment), ids, index: None, limits: Limits::default() }
    }

    /// With what the Patient resources of other files say.
    #[must_use]
    pub fn with_patients(mut self, index: Arc<PatientIndex>) -> Self {
        self.index = Some(index);
        self
    }

    /// With other bounds on one document, or one entry of a Bundle that is read as a stream, than 64 MiB.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}

impl std::fmt::Debug for FhirDeidentifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FhirDeidentifier").field("treatment", &self.plans.treatment).field("index", &self.index).finish_non_exhaustive()
    }
}

const NOT_JSON: DeidError = DeidError::NotRead { format: "FHIR resource", reason: "it is not JSON within the limits" };

impl DocumentDeidentifier for FhirDeidentifier {
    /// `input` is one resource or Bundle as JSON. What comes out is one line.
    fn deidentify(&self, input: &[u8], out: &mut Vec<u8>, ledger: &mut Ledger) -> Result<(), DeidError> {
        let mut parser = Parser::new(self.limits);
        let document = parser.parse(input).map_err(|_| NOT_JSON)?;
        let root = document.root();
        if let Some(category) = self.plans.withheld(root) {
            ledger.category(category);
            return Err(DeidError::Withheld);
        }
        let people = People::of(root, self.index.as_deref());
        let tokens = people.known.tokens();
        let mut counts = Ledger::new();
        let mut ids = IdMap::new(&self.ids);
        root.get("entry").into_iter().flat_map(|list| list.items()).for_each(|entry| ids.learn(entry));
        let run = Run { treatment: &self.plans.treatment, known: people.known.clone(), tokens: &tokens, ledger: &mut counts };
        let mut walk = Walk::new(&self.plans, ids, &people, run);
        let mut text = String::with_capacity(input.len());
        walk.resource(root, false, &mut text)?;
        counts.document(input.len(), text.len());
        out.extend_from_slice(text.as_bytes());
        ledger.merge(&counts);
        Ok(())
    }
}
