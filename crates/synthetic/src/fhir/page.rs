//! The resources of one record, and their identity.

use crate::rng::{Rng, splitmix};

use super::json::Json;

/// The types of resources that are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    AllergyIntolerance,
    Condition,
    Coverage,
    DiagnosticReport,
    Encounter,
    Goal,
    Immunization,
    Location,
    MedicationAdministration,
    MedicationDispense,
    MedicationRequest,
    Observation,
    Organization,
    Patient,
    Practitioner,
    PractitionerRole,
    Procedure,
    ServiceRequest,
}

/// How many types there are.
pub(crate) const KINDS: usize = 18;

impl Kind {
    pub(crate) const ALL: [Kind; KINDS] = [
        Kind::AllergyIntolerance,
        Kind::Condition,
        Kind::Coverage,
        Kind::DiagnosticReport,
        Kind::Encounter,
        Kind::Goal,
        Kind::Immunization,
        Kind::Location,
        Kind::MedicationAdministration,
        Kind::MedicationDispense,
        Kind::MedicationRequest,
        Kind::Observation,
        Kind::Organization,
        Kind::Patient,
        Kind::Practitioner,
        Kind::PractitionerRole,
        Kind::Procedure,
        Kind::ServiceRequest,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::AllergyIntolerance => "AllergyIntolerance",
            Kind::Condition => "Condition",
            Kind::Coverage => "Coverage",
            Kind::DiagnosticReport => "DiagnosticReport",
            Kind::Encounter => "Encounter",
            Kind::Goal => "Goal",
            Kind::Immunization => "Immunization",
            Kind::Location => "Location",
            Kind::MedicationAdministration => "MedicationAdministration",
            Kind::MedicationDispense => "MedicationDispense",
            Kind::MedicationRequest => "MedicationRequest",
            Kind::Observation => "Observation",
            Kind::Organization => "Organization",
            Kind::Patient => "Patient",
            Kind::Practitioner => "Practitioner",
            Kind::PractitionerRole => "PractitionerRole",
            Kind::Procedure => "Procedure",
            Kind::ServiceRequest => "ServiceRequest",
        }
    }
}

/// A UUID of version 8 (RFC 9562): made of the seed and numbers, so the same each time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Id([u8; 36]);

impl Id {
    fn new(high: u64, low: u64) -> Self {
        let high = (high & !0xF000) | 0x8000;
        let low = (low & !(0b11 << 62)) | (0b10 << 62);
        let mut text = [b'-'; 36];
        let mut at = 0;
        for (position, place) in text.iter_mut().enumerate() {
            if matches!(position, 8 | 13 | 18 | 23) {
                continue;
            }
            let half = if at < 16 { high } else { low };
            *place = b"0123456789abcdef"[(half >> (60 - 4 * (at % 16))) as usize & 15];
            at += 1;
        }
        Self(text)
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl std::fmt::Debug for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

const STREAM_IDS: u64 = 12;
const STREAM_SHARED_IDS: u64 = 13;

/// The ids of one person's resources, one after the other. The first is the Patient's.
#[derive(Debug)]
pub(crate) struct Ids {
    high: u64,
    low: u64,
}

impl Ids {
    pub(crate) fn of_person(seed: u64, number: u64) -> Self {
        let mut rng = Rng::for_item(seed, STREAM_IDS, number);
        Self { high: rng.bits(), low: rng.bits() }
    }

    pub(crate) fn next(&mut self) -> Id {
        Id::new(self.high, splitmix(&mut self.low))
    }
}

/// The id of a resource that all records share, whatever the seed: the facilities are the same ones.
pub(crate) fn shared_id(kind: Kind, index: usize) -> Id {
    let mut rng = Rng::for_item(kind as u64, STREAM_SHARED_IDS, index as u64);
    Id::new(rng.bits(), rng.bits())
}

/// One resource in the text of a [`Page`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resource {
    pub(crate) kind: Kind,
    pub(crate) id: Id,
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// The number of links up to its end.
    pub(crate) links: usize,
}

/// The resources of one record, as they stand in NDJSON.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) json: Json,
    pub(crate) resources: Vec<Resource>,
}

impl Page {
    pub(crate) fn clear(&mut self) {
        self.json.text.clear();
        self.json.links.clear();
        self.json.references = 0;
        self.resources.clear();
    }

    /// Begins a resource, which claims a profile of US Core if one is named.
    pub(crate) fn begin(&mut self, kind: Kind, id: Id, profile: Option<&str>) -> &mut Json {
        let start = self.json.text.len();
        self.resources.push(Resource { kind, id, start, end: start, links: 0 });
        self.json.text.push_str("{\"resourceType\":\"");
        self.json.text.push_str(kind.name());
        self.json.text.push('"');
        self.json.code("id", id.as_str());
        if let Some(profile) = profile {
            self.json.open("meta").list("profile").quote();
            self.json.raw("http://hl7.org/fhir/us/core/StructureDefinition/us-core-").raw(profile).quote().end().close();
        }
        &mut self.json
    }

    /// Ends the resource.
    pub(crate) fn end(&mut self) {
        self.json.text.push_str("}\n");
        if let Some(resource) = self.resources.last_mut() {
            resource.end = self.json.text.len() - 1;
            resource.links = self.json.links.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_uuids_of_version_8() {
        let id = Ids::of_person(1, 2).next();
        let parts: Vec<&str> = id.as_str().split('-').collect();
        assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert!(parts[2].starts_with('8') && matches!(parts[3].as_bytes()[0], b'8'..=b'b'), "{id:?}");
        assert!(id == Ids::of_person(1, 2).next() && id != Ids::of_person(1, 3).next() && id != Ids::of_person(2, 2).next());
    }

    #[test]
    fn names_are_in_the_order_of_the_kinds() {
        for (position, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, position);
        }
        assert!(Kind::ALL.is_sorted_by_key(|kind| kind.name()));
    }
}
