//! The facts of one person's record, read from the chart that the FHIR records are written from: the same resources, as values.

use std::collections::HashMap;

use serde_json::Value;

use crate::{
    fhir::{Frame, Page, Tally, shared},
    hl7v2::facilities::{CLINICIANS, FACILITIES},
};

/// A resource as it stands in the FHIR records.
#[derive(Debug)]
pub(super) struct Fact(Value);

/// A code of a system, with words.
#[derive(Debug, Clone, Copy)]
pub(super) struct Coded<'r> {
    pub(super) system: &'r str,
    pub(super) code: &'r str,
    pub(super) display: &'r str,
}

/// All facts about one person, by kind.
#[derive(Debug, Default)]
pub(super) struct Record {
    by_kind: HashMap<&'static str, Vec<Fact>>,
}

/// Reads records.
#[derive(Debug)]
pub(super) struct Charts {
    frame: Frame,
    page: Page,
    tally: Tally,
    /// Facilities and clinicians by the ids of their resources.
    facilities: HashMap<String, usize>,
    clinicians: HashMap<String, (usize, u64)>,
}

impl Charts {
    pub(super) fn new(frame: Frame) -> Self {
        let facilities = (0..FACILITIES.len()).map(|facility| (shared::organization_id(facility), facility)).collect();
        let all = (0..FACILITIES.len()).flat_map(|facility| (0..CLINICIANS).map(move |number| (facility, number)));
        let clinicians = all.map(|(facility, number)| (shared::practitioner_id(facility, number), (facility, number))).collect();
        Self { frame, page: Page::default(), tally: Tally::new(), facilities, clinicians }
    }

    /// The record of the person of that number.
    pub(super) fn record(&mut self, number: u64) -> Record {
        crate::fhir::write_chart(&self.frame, number, &mut self.page, &mut self.tally);
        let mut record = Record::default();
        for resource in &self.page.resources {
            // The chart is written by this crate: what cannot be read would be a defect that the tests find.
            let Ok(value) = serde_json::from_str(&self.page.json.text[resource.start..resource.end]) else { continue };
            record.by_kind.entry(resource.kind.name()).or_default().push(Fact(value));
        }
        record
    }

    /// The facility that a reference points to.
    pub(super) fn facility(&self, reference: &str) -> Option<usize> {
        self.facilities.get(id_of(reference)).copied()
    }

    /// The facility and number of the clinician that a reference points to.
    pub(super) fn clinician(&self, reference: &str) -> Option<(usize, u64)> {
        self.clinicians.get(id_of(reference)).copied()
    }
}

/// The id in a reference `Type/id`.
pub(super) fn id_of(reference: &str) -> &str {
    reference.rsplit('/').next().unwrap_or(reference)
}

impl Record {
    /// The facts of a kind in the order of the chart.
    pub(super) fn all(&self, kind: &str) -> &[Fact] {
        self.by_kind.get(kind).map_or(&[], Vec::as_slice)
    }
}

impl Fact {
    pub(super) fn id(&self) -> &str {
        self.text("/id")
    }

    /// The text at a JSON pointer; empty where there is none.
    pub(super) fn text(&self, pointer: &str) -> &str {
        self.0.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// The number at a JSON pointer, as text; empty where there is none.
    pub(super) fn number(&self, pointer: &str) -> String {
        self.0.pointer(pointer).filter(|value| value.is_number()).map(Value::to_string).unwrap_or_default()
    }

    /// The coding at a JSON pointer.
    pub(super) fn coding(&self, pointer: &str) -> Option<Coded<'_>> {
        let coding = self.0.pointer(pointer)?;
        let text = |key: &str| coding.get(key).and_then(Value::as_str).unwrap_or_default();
        Some(Coded { system: text("system"), code: text("code"), display: text("display") })
    }

    /// How many items the list at a JSON pointer has.
    pub(super) fn count(&self, pointer: &str) -> usize {
        self.0.pointer(pointer).and_then(Value::as_array).map_or(0, Vec::len)
    }
}

impl Coded<'_> {
    /// The OID of the system in C-CDA, and its name.
    pub(super) fn oid(&self) -> (&'static str, &'static str) {
        match self.system {
            "http://loinc.org" => ("2.16.840.1.113883.6.1", "LOINC"),
            "http://snomed.info/sct" => ("2.16.840.1.113883.6.96", "SNOMED CT"),
            "http://hl7.org/fhir/sid/icd-10-cm" => ("2.16.840.1.113883.6.90", "ICD-10-CM"),
            "http://www.nlm.nih.gov/research/umls/rxnorm" => ("2.16.840.1.113883.6.88", "RxNorm"),
            "http://hl7.org/fhir/sid/cvx" => ("2.16.840.1.113883.12.292", "CVX"),
            "http://terminology.hl7.org/CodeSystem/v3-ActCode" => ("2.16.840.1.113883.5.4", "ActCode"),
            "http://terminology.hl7.org/CodeSystem/v3-RouteOfAdministration" => ("2.16.840.1.113883.5.112", "RouteOfAdministration"),
            _ => ("", ""),
        }
    }
}

/// A FHIR date or time as HL7 v3 writes it, cut to so many digits. An offset stays where hours are written.
pub(super) fn time(fhir: &str, digits: usize) -> String {
    let (date, clock) = fhir.split_once('T').unwrap_or((fhir, ""));
    let at = clock.find(['+', '-', 'Z']).unwrap_or(clock.len());
    let (clock, offset) = clock.split_at(at);
    let mut out: String = date.chars().chain(clock.chars()).filter(char::is_ascii_digit).take(digits).collect();
    if out.len() > 8 {
        match offset {
            "Z" => out.push_str("+0000"),
            offset => out.extend(offset.chars().filter(|letter| *letter != ':')),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::time;

    #[test]
    fn times_are_cut_to_their_digits() {
        let at = "2023-04-06T13:15:30-05:00";
        assert_eq!([14, 12, 8].map(|digits| time(at, digits)), ["20230406131530-0500", "202304061315-0500", "20230406"]);
        assert_eq!((time("2023-04-06", 14).as_str(), time("2023-04-06T13:15:30Z", 14).as_str()), ("20230406", "20230406131530+0000"));
    }
}
