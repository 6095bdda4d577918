//! Who the resources of a document are about, and who is named in them.

use std::collections::HashMap;

use sutura_core::PhiClass;
use sutura_fhir::json::{Kind, Parser, Value};

use super::ids::{Target, digest, target};
use crate::document::{Known, Role};

/// What is known of patients beyond one document: record numbers, and names to look for in texts.
///
/// Files of a FHIR export hold one type each, so that an Observation does not say the patient's record number. With an index, made of the Patient
/// resources first, its dates move as those of the same patient's messages and images do, which go by the record number.
#[derive(Clone, Default)]
pub struct PatientIndex {
    patients: HashMap<String, Patient>,
}

#[derive(Clone, Default)]
struct Patient {
    record: Option<String>,
    known: Known,
}

impl std::fmt::Debug for PatientIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PatientIndex({} patients)", self.patients.len())
    }
}

impl PatientIndex {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Learns the Patient resources of a resource or Bundle; what cannot be read is passed over.
    pub fn learn(&mut self, document: &[u8]) {
        let mut parser = Parser::default();
        if let Ok(document) = parser.parse(document) {
            self.learn_value(document.root());
        }
    }

    fn learn_value(&mut self, resource: Value<'_>) {
        for (url, patient) in patients(resource) {
            let mut known = Known::default();
            person(&mut known, Role::Patient, patient);
            let learned = Patient { record: record_number(patient).map(str::to_owned), known };
            for key in patient.get("id").and_then(|id| id.as_str()).into_iter().chain(url.and_then(|url| url.strip_prefix("urn:uuid:"))) {
                self.patients.insert(key.to_owned(), learned.clone());
            }
        }
    }

    /// How many ids are known.
    pub fn len(&self) -> usize {
        self.patients.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.patients.is_empty()
    }
}

fn text<'d>(value: Value<'d>, name: &str) -> Option<&'d str> {
    value.get(name)?.as_str()
}

/// The Patient resources of a document, with their fullUrls.
fn patients(root: Value<'_>) -> Vec<(Option<&str>, Value<'_>)> {
    resources(root).into_iter().filter(|(_, resource)| text(*resource, "resourceType") == Some("Patient")).collect()
}

/// The resources of a document: itself, the entries of a Bundle, contained ones.
fn resources(root: Value<'_>) -> Vec<(Option<&str>, Value<'_>)> {
    let mut found = vec![(None, root)];
    for entry in entries(root) {
        if let Some(resource) = entry.get("resource") {
            found.push((text(entry, "fullUrl"), resource));
        }
    }
    let contained: Vec<_> = found.iter().flat_map(|(_, one)| contained(*one)).collect();
    found.extend(contained.into_iter().map(|one| (None, one)));
    found
}

fn entries(root: Value<'_>) -> impl Iterator<Item = Value<'_>> {
    root.get("entry").into_iter().flat_map(|list| list.items())
}

fn contained(resource: Value<'_>) -> impl Iterator<Item = Value<'_>> {
    resource.get("contained").into_iter().flat_map(|list| list.items())
}

/// The identifier of type MR.
fn record_number(patient: Value<'_>) -> Option<&str> {
    let is_record = |identifier: &Value<'_>| identifier_type(*identifier) == Some("MR");
    patient.get("identifier")?.items().find(is_record).and_then(|identifier| text(identifier, "value"))
}

/// The code of an identifier's type.
pub(super) fn identifier_type(identifier: Value<'_>) -> Option<&str> {
    identifier.get("type")?.get("coding")?.items().find_map(|coding| text(coding, "code"))
}

/// The patients of one document, and what their texts may name.
pub(super) struct People<'i> {
    index: Option<&'i PatientIndex>,
    /// Record numbers by what stands for id and fullUrl.
    records: HashMap<u128, Option<Box<str>>>,
    /// The only patient that the document is about.
    subject: Option<Box<str>>,
    pub(super) known: Known,
}

/// Learns the people of a document, one resource after another.
pub(super) struct Census<'i> {
    people: People<'i>,
    /// Named by contained resources, and by references.
    contained: Known,
    displayed: Known,
    /// Patients that are referred to: one, or too many to be the one that everything is about.
    subjects: Vec<Box<str>>,
}

impl<'i> Census<'i> {
    pub(super) fn new(index: Option<&'i PatientIndex>) -> Self {
        Self {
            people: People { index, records: HashMap::new(), subject: None, known: Known::default() },
            contained: Known::default(),
            displayed: Known::default(),
            subjects: Vec::new(),
        }
    }

    /// Takes an entry of a Bundle.
    pub(super) fn entry(&mut self, entry: Value<'_>) {
        if let Some(resource) = entry.get("resource") {
            self.resource(text(entry, "fullUrl"), resource);
        }
        self.around(entry);
    }

    fn resource(&mut self, url: Option<&str>, resource: Value<'_>) {
        self.people.person(None, url, resource);
        for one in contained(resource) {
            self.people.person(Some(&mut self.contained), None, one);
        }
    }

    /// Names that references say, and who is referred to.
    fn around(&mut self, value: Value<'_>) {
        displays(value, &mut self.displayed, 0);
        referred(value, &mut self.subjects, 0);
    }

    /// With the document, of which the entries may have been left out.
    pub(super) fn finish(mut self, root: Value<'_>) -> People<'i> {
        self.resource(None, root);
        let is_taken = |name: &str, member: Value<'_>| name == "entry" && member.kind() == Kind::Array;
        root.entries().filter(|(name, member)| !is_taken(name, *member)).for_each(|(_, member)| self.around(member));
        let Self { mut people, contained, displayed, subjects } = self;
        people.known.add_all(&contained);
        let only = if subjects.len() == 1 { subjects.into_iter().next() } else { None };
        people.subject = named_subject(root).map(Box::from).or(only);
        // Files of one type name the people of other files only by reference.
        if people.records.is_empty()
            && let Some(index) = people.index
            && let Some(patient) = people.subject.as_deref().and_then(|id| index.patients.get(id))
        {
            people.known.add_all(&patient.known);
        }
        people.known.add_all(&displayed);
        people
    }
}

impl<'i> People<'i> {
    pub(super) fn of(root: Value<'_>, index: Option<&'i PatientIndex>) -> Self {
        let mut census = Census::new(index);
        entries(root).for_each(|entry| census.entry(entry));
        census.finish(root)
    }

    /// Learns a person: what is known goes to `known`, or to what is known of all.
    fn person(&mut self, known: Option<&mut Known>, url: Option<&str>, resource: Value<'_>) {
        let role = match text(resource, "resourceType") {
            Some("Patient") => {
                let record = || record_number(resource).map(Box::from);
                if let Some(id) = text(resource, "id") {
                    self.records.insert(digest(id), record());
                }
                if let Some(url) = url {
                    self.records.insert(digest(url.strip_prefix("urn:uuid:").unwrap_or(url)), record());
                }
                Role::Patient
            }
            Some("RelatedPerson") => Role::Relative,
            Some("Practitioner" | "Person" | "Organization" | "PractitionerRole") => Role::Provider,
            _ => return,
        };
        person(known.unwrap_or(&mut self.known), role, resource);
    }

    /// What stands for the patient of a resource: the record number where it is known, as for messages and images, else the id.
    pub(super) fn patient_of<'p>(&'p self, resource: Value<'p>) -> Option<&'p str> {
        if text(resource, "resourceType") == Some("Patient") {
            return record_number(resource).or_else(|| Some(self.of_id(text(resource, "id")?)));
        }
        Some(self.of_id(subject(resource)?))
    }

    /// The same for the whole document, entries and all.
    pub(super) fn patient(&self) -> Option<&str> {
        self.subject.as_deref().map(|id| self.of_id(id))
    }

    fn of_id<'p>(&'p self, id: &'p str) -> &'p str {
        let here = self.records.get(&digest(id)).and_then(Option::as_deref);
        let elsewhere = || self.index.and_then(|index| index.patients.get(id)?.record.as_deref());
        here.or_else(elsewhere).unwrap_or(id)
    }
}

/// The id of the patient a resource is about: of its subject, or of the only Patient that it refers to.
fn subject(resource: Value<'_>) -> Option<&str> {
    named_subject(resource).or_else(|| {
        let mut found = Vec::new();
        referred(resource, &mut found, 0);
        match found[..] {
            [only] => Some(only),
            _ => None,
        }
    })
}

fn named_subject(resource: Value<'_>) -> Option<&str> {
    for name in ["subject", "patient", "beneficiary", "individual", "for"] {
        let Some(element) = resource.get(name) else { continue };
        let reference = match element.kind() {
            Kind::Array => element.items().next(),
            _ => Some(element),
        };
        if let Some(reference) = reference.and_then(|reference| text(reference, "reference")) {
            match target(reference) {
                Target::Resource { kind: "Patient", id, .. } | Target::Uuid(id) => return Some(id),
                Target::Contained(id) => {
                    let contained = contained(resource).find(|one| text(*one, "id") == Some(id))?;
                    return record_number(contained).or(Some(id));
                }
                _ => {}
            }
        }
    }
    None
}

/// The patients that are referred to, up to two: then there is none that everything is about.
fn referred<'d, T: From<&'d str> + AsRef<str>>(value: Value<'d>, found: &mut Vec<T>, depth: usize) {
    if depth > 64 {
        return;
    }
    let inside = value.items().chain(value.entries().map(|(_, member)| member));
    for member in inside {
        if found.len() > 1 {
            return;
        }
        referred(member, found, depth + 1);
    }
    if let Some(reference) = value.get("reference").and_then(|reference| reference.as_str())
        && let Target::Resource { kind: "Patient", id, .. } = target(reference)
        && !found.iter().any(|known| known.as_ref() == id)
    {
        found.push(id.into());
    }
}

/// Names that references say.
fn displays(value: Value<'_>, known: &mut Known, depth: usize) {
    if depth > 64 {
        return;
    }
    for item in value.items() {
        displays(item, known, depth + 1);
    }
    if value.kind() == Kind::Object {
        let people = |reference: &str| {
            matches!(
                target(reference),
                Target::Resource { kind: "Patient" | "Practitioner" | "RelatedPerson" | "Person", .. } | Target::Uuid(_)
            )
        };
        if let (Some(display), Some(reference)) = (text(value, "display"), text(value, "reference"))
            && people(reference)
        {
            known.add(Role::Provider, &PhiClass::Name, display);
        }
        for (_, member) in value.entries() {
            displays(member, known, depth + 1);
        }
    }
}

/// The values of an element that may be a list.
fn each<'d>(of: Value<'d>, name: &str) -> Vec<Value<'d>> {
    match of.get(name) {
        Some(list) if list.kind() == Kind::Array => list.items().collect(),
        Some(one) => vec![one],
        None => Vec::new(),
    }
}

/// Adds what a resource of a person says of that person.
fn person(known: &mut Known, role: Role, resource: Value<'_>) {
    names(known, role, resource);
    for identifier in each(resource, "identifier") {
        if let Some(value) = text(identifier, "value") {
            let class = if identifier_type(identifier) == Some("SS") { PhiClass::Ssn } else { PhiClass::Mrn };
            known.add(role, &class, value);
        }
    }
    if role != Role::Provider
        && let Some(birth) = text(resource, "birthDate")
    {
        known.add(role, &PhiClass::Date, birth);
    }
    for contact in each(resource, "contact") {
        names(known, Role::Relative, contact);
    }
}

/// Names, numbers and addresses of a person or contact.
fn names(known: &mut Known, role: Role, of: Value<'_>) {
    for name in each(of, "name") {
        if let Some(whole) = name.as_str() {
            known.add(role, &PhiClass::Name, whole);
        }
        for part in ["family", "text"] {
            if let Some(part) = text(name, part) {
                known.add(role, &PhiClass::Name, part);
            }
        }
        for given in name.get("given").into_iter().flat_map(|list| list.items()) {
            known.add(role, &PhiClass::Name, given.as_str().unwrap_or_default());
        }
    }
    for telecom in each(of, "telecom") {
        let class = if text(telecom, "system") == Some("email") { PhiClass::Email } else { PhiClass::Phone };
        known.add(role, &class, text(telecom, "value").unwrap_or_default());
    }
    for address in each(of, "address") {
        for line in address.get("line").into_iter().flat_map(|list| list.items()) {
            known.add(role, &PhiClass::Geography, line.as_str().unwrap_or_default());
        }
        for part in ["city", "postalCode", "district"] {
            known.add(role, &PhiClass::Geography, text(address, part).unwrap_or_default());
        }
    }
}
