//! **Enrichment: what data tell of quality, age, risk and meaning, added to FHIR resources as extensions.**
//!
//! ```
//! use chrono::NaiveDate;
//! use sutura_fhir::{enrich::{Enricher, Options}, json::Parser};
//!
//! let day = NaiveDate::from_ymd_opt(2024, 7, 1).ok_or("a day")?;
//! let enricher = Enricher::new(Options::new(day));
//! let mut parser = Parser::default();
//! let document = parser.parse(br#"{"resourceType":"Patient","id":"1","birthDate":"1950-03-02","gender":"female"}"#)?;
//! let mut out = Vec::new();
//! let outcome = enricher.enrich(document.root(), &mut out)?;
//! assert_eq!(outcome.enriched, 1);
//! assert!(std::str::from_utf8(&out)?.contains("https://sutura.dev/fhir/StructureDefinition/age"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Enricher::enrich`] writes a resource as it was sent, byte for byte, and merges its own extensions into the root's
//! `extension`; those of an earlier run are replaced, so that a second run changes nothing. A Bundle is enriched entry by
//! entry. The extensions, their code systems and value sets are [`DEFINITIONS`]; formulas, tables and sources are in
//! `docs/src/reference/fhir-enrichment.md`.
//!
//! Resources that are read apart from their Patient need two passes: all of them go through [`PatientIndex::add`] first, then
//! through an enricher [with](Enricher::with_patients) that index.
//!
//! Not a medical device: nothing here diagnoses, and what is not known is not judged.

mod age;
mod chronic;
mod definitions;
mod limits;
mod patients;
mod person;
#[cfg(test)]
mod properties;
mod quality;
mod region;
mod significance;
mod social;
#[cfg(test)]
mod tests;
mod write;

use std::{fmt, ops::AddAssign, sync::Arc};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use definitions::DEFINITIONS;
pub use limits::{SOURCES as LIMIT_SOURCES, TABLE as LIMITS};
pub use patients::PatientIndex;

use age::PartialDate;
use patients::MOST_NESTED;
use write::Writer;

use crate::{
    defs::r4,
    json::{Kind, Value},
    validate::Validator,
};

/// The URL that all extensions of the enrichment begin with.
pub const BASE: &str = "https://sutura.dev/fhir/StructureDefinition/";

/// The URL of one of the code systems beside [`BASE`].
macro_rules! system_url {
    ($name:literal) => {
        concat!("https://sutura.dev/fhir/CodeSystem/", $name)
    };
}
pub(crate) use system_url;

/// The extensions of the enrichment: their URLs are [`BASE`] and one of these.
pub const EXTENSIONS: [&str; 9] = [
    "data-quality",
    "age",
    "risk-factor",
    "population-group",
    "risk-stratum",
    "measure-result",
    "geographic-region",
    "clinical-significance",
    "social-determinant",
];

/// Options of the enrichment. Unknown keys are errors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The day that ages are of. Given, not taken from the clock: the same data give the same result on any day.
    pub reference_date: NaiveDate,
    /// Validate each resource for its data-quality score. Most of the time of the enrichment goes here. Default true.
    #[serde(default = "yes")]
    pub validate: bool,
    /// ISO 3166 code of the country of addresses that name none. Default: none, and no region for them.
    #[serde(default)]
    pub default_country: Option<String>,
    /// Bases of absolute references (`https://example.org/fhir`) to persons that others name relatively, for the Patients of
    /// a Bundle; a [`PatientIndex`] of your own has its own.
    #[serde(default)]
    pub service_bases: Vec<String>,
}

fn yes() -> bool {
    true
}

impl Options {
    /// The defaults, with ages of this day.
    pub fn new(reference_date: NaiveDate) -> Self {
        Self { reference_date, validate: true, default_country: None, service_bases: Vec::new() }
    }
}

/// Why a resource could not be enriched. Nothing was written then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EnrichError {
    /// Not a JSON object with a resourceType.
    #[error("not a FHIR resource: a JSON object with a resourceType is needed")]
    NotAResource,
    /// The resourceType is none of FHIR R4.
    #[error("the resourceType is not a resource type of FHIR R4")]
    UnknownType,
    /// The index holds as many persons as it may.
    #[error("the index of patients is full; raise its limit or split the data by patient")]
    IndexFull,
}

/// What was done, for one resource or many added together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Resources seen, those inside Bundles each by itself, Bundles not counted.
    pub resources: u64,
    /// Resources that have extensions of ours now.
    pub enriched: u64,
    /// Resources written unchanged: their type has no extensions (Binary, Parameters), their `extension` is not what
    /// FHIR says, their type is unknown, or they stand in a signed Bundle (counted once).
    pub passed: u64,
    /// Extensions written.
    pub extensions: u64,
    /// Values of Observations that were judged.
    pub assessed: u64,
    /// Values of Observations in the table of limits that were not judged, with the reason in the extension.
    pub not_assessed: u64,
}

impl AddAssign for Outcome {
    fn add_assign(&mut self, other: Self) {
        self.resources += other.resources;
        self.enriched += other.enriched;
        self.passed += other.passed;
        self.extensions += other.extensions;
        self.assessed += other.assessed;
        self.not_assessed += other.not_assessed;
    }
}

/// Adds extensions to resources. Shared by threads.
pub struct Enricher {
    options: Options,
    reference: PartialDate,
    validator: Option<Validator>,
    patients: Option<Arc<PatientIndex>>,
}

impl Enricher {
    /// An enricher that validates against the base definitions, if at all.
    pub fn new(options: Options) -> Self {
        let validator = options.validate.then(Validator::default);
        Self { reference: PartialDate::day(options.reference_date), validator, patients: None, options }
    }

    /// Validates with this validator: profiles of your own count for the score.
    #[must_use]
    pub fn with_validator(mut self, validator: Validator) -> Self {
        self.validator = Some(validator);
        self
    }

    /// Knows these persons. The index is taken for all there is to know: Bundles are not asked then.
    #[must_use]
    pub fn with_patients(mut self, patients: Arc<PatientIndex>) -> Self {
        self.patients = Some(patients);
        self
    }

    /// The options in force.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Appends the resource to `out`, with its extensions. Blanks around it are not written.
    ///
    /// # Errors
    /// When it is no resource of FHIR R4; `out` is as it was before then.
    pub fn enrich(&self, resource: Value<'_>, out: &mut Vec<u8>) -> Result<Outcome, EnrichError> {
        self.enrich_at(resource, None, out)
    }

    /// The same for a resource that was taken out of a Bundle, where others may refer to it by this fullUrl.
    ///
    /// # Errors
    /// As [`Enricher::enrich`].
    pub fn enrich_at(&self, resource: Value<'_>, full_url: Option<&str>, out: &mut Vec<u8>) -> Result<Outcome, EnrichError> {
        if resource.kind() != Kind::Object {
            return Err(EnrichError::NotAResource);
        }
        let kind = kind_of(resource).ok_or(EnrichError::NotAResource)?;
        if r4().resource_named(kind).is_none() {
            return Err(EnrichError::UnknownType);
        }
        out.reserve(resource.raw().len() + resource.raw().len() / 2);
        let mut outcome = Outcome::default();
        if kind != "Bundle" {
            self.resource(resource, full_url, self.patients.as_deref(), out, &mut outcome);
            return Ok(outcome);
        }
        if let Some(patients) = &self.patients {
            self.bundle(resource, patients, 0, out, &mut outcome);
        } else {
            let mut patients = PatientIndex::new().with_service_bases(self.options.service_bases.clone());
            patients.add(resource)?;
            self.bundle(resource, &patients, 0, out, &mut outcome);
        }
        Ok(outcome)
    }

    /// A Bundle as sent, the resources in it enriched.
    fn bundle(&self, bundle: Value<'_>, patients: &PatientIndex, depth: usize, out: &mut Vec<u8>, outcome: &mut Outcome) {
        // A signature is of the bytes: any change would break it.
        if bundle.get("signature").is_some() || depth >= MOST_NESTED {
            outcome.passed += 1;
            out.extend_from_slice(bundle.raw());
            return;
        }
        let text = bundle.document().text().as_bytes();
        let mut at = bundle.offset();
        for entry in bundle.get("entry").into_iter().flat_map(|entries| entries.items()) {
            let Some(resource) = entry.get("resource").filter(|resource| resource.kind() == Kind::Object) else { continue };
            out.extend_from_slice(&text[at..resource.offset()]);
            at = end_of(resource);
            if kind_of(resource) == Some("Bundle") {
                self.bundle(resource, patients, depth + 1, out, outcome);
            } else {
                self.resource(resource, full_url_of(entry), Some(patients), out, outcome);
            }
        }
        out.extend_from_slice(&text[at..end_of(bundle)]);
    }

    fn resource(
        &self,
        resource: Value<'_>,
        full_url: Option<&str>,
        patients: Option<&PatientIndex>,
        out: &mut Vec<u8>,
        outcome: &mut Outcome,
    ) {
        outcome.resources += 1;
        let existing = resource.get("extension");
        let kind = kind_of(resource).filter(|kind| r4().resource_named(kind).is_some_and(|def| def.element("extension").is_some()));
        let Some(kind) = kind.filter(|_| existing.is_none_or(well_formed)) else {
            outcome.passed += 1;
            out.extend_from_slice(resource.raw());
            return;
        };
        let text = resource.document().text();
        let (start, end) = (resource.offset(), end_of(resource));
        // Where the array stands: its own place, or behind the last member.
        let (before, after) = match existing {
            Some(array) => (array.offset(), end_of(array)),
            None => {
                let last = start + text[start..end - 1].trim_end_matches(BLANKS).len();
                (last, last)
            }
        };
        let begin = out.len();
        out.extend_from_slice(&text.as_bytes()[start..before]);
        out.extend_from_slice(if existing.is_some() { b"[" } else { b",\"extension\":[" });
        let mut kept = false;
        for item in existing.into_iter().flat_map(|array| array.items()).filter(|item| !ours(*item)) {
            if kept {
                out.push(b',');
            }
            kept = true;
            out.extend_from_slice(item.raw());
        }
        let written = self.extensions(kind, resource, full_url, patients, Writer::new(out, kept), outcome);
        if written == 0 && !kept {
            // An array of nothing is not FHIR.
            out.truncate(begin);
            without_extension(resource, out);
            return;
        }
        out.push(b']');
        out.extend_from_slice(&text.as_bytes()[after..end]);
        outcome.extensions += written;
        outcome.enriched += u64::from(written > 0);
    }

    /// Writes what there is to say of a resource; how many extensions that made.
    fn extensions(
        &self,
        kind: &str,
        resource: Value<'_>,
        full_url: Option<&str>,
        patients: Option<&PatientIndex>,
        mut writer: Writer<'_>,
        outcome: &mut Outcome,
    ) -> u64 {
        let writer = &mut writer;
        quality::write(kind, resource, self.validator.as_ref(), writer);
        match kind {
            "Patient" => person::write(resource, full_url, self.reference, patients, writer),
            "Observation" => significance::write(resource, patients, writer, outcome),
            _ => {}
        }
        match kind {
            "Condition" | "Observation" => social::write(kind, resource, writer),
            "Patient" | "Organization" | "Location" => {
                region::write(kind, resource, self.options.default_country.as_deref(), writer);
            }
            _ => {}
        }
        writer.count
    }
}

impl fmt::Debug for Enricher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enricher").field("options", &self.options).field("patients", &self.patients).finish_non_exhaustive()
    }
}

const BLANKS: [char; 4] = [' ', '\t', '\n', '\r'];

fn kind_of(resource: Value<'_>) -> Option<&str> {
    resource.get("resourceType")?.as_str()
}

/// Where an entry of a Bundle says that its resource is.
fn full_url_of(entry: Value<'_>) -> Option<&str> {
    entry.get("fullUrl")?.as_str()
}

fn end_of(value: Value<'_>) -> usize {
    value.offset() + value.raw().len()
}

/// Whether `extension` is what FHIR says: an array of objects, and not empty.
fn well_formed(extension: Value<'_>) -> bool {
    extension.kind() == Kind::Array && !extension.is_empty() && extension.items().all(|item| item.kind() == Kind::Object)
}

/// Whether an extension is one that an earlier run wrote.
fn ours(extension: Value<'_>) -> bool {
    let url = extension.get("url").and_then(|url| url.as_str()).and_then(|url| url.strip_prefix(BASE));
    url.is_some_and(|name| EXTENSIONS.contains(&name))
}

/// The resource without the member `extension`.
fn without_extension(resource: Value<'_>, out: &mut Vec<u8>) {
    let text = resource.document().text();
    let mut at = resource.offset() + 1;
    let mut first = true;
    out.push(b'{');
    for (name, member) in resource.entries() {
        let end = end_of(member);
        if name != "extension" {
            // From the end of the member before: the comma is written anew, blanks stay.
            let piece = &text[at..end];
            let comma = piece.find(',').filter(|comma| piece[..*comma].trim_matches(BLANKS).is_empty());
            if !first {
                out.push(b',');
            }
            first = false;
            out.extend_from_slice(&piece.as_bytes()[comma.map_or(0, |comma| comma + 1)..]);
        }
        at = end;
    }
    out.extend_from_slice(&text.as_bytes()[at..end_of(resource)]);
}
