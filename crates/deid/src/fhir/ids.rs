//! Ids and references rewritten alike, in one document and across files.

use std::{
    collections::HashMap,
    hash::Hasher,
    sync::{Arc, PoisonError, RwLock},
};

use sutura_fhir::{defs, json::Value, tables};
use sutura_privacy::Deidentifier;

use super::json::uuid_of_code;
use crate::{
    document::{Ids, number_of_code},
    error::DeidError,
};

/// The base of absolute addresses in what comes out (RFC 6761: no such host can exist).
const BASE: &str = "https://deidentified.invalid/fhir";

/// How ids of each type are rewritten.
pub(super) struct IdPlans {
    privacy: Deidentifier,
    by_type: RwLock<HashMap<&'static str, Arc<Ids>>>,
}

impl IdPlans {
    pub(super) fn new(privacy: &Deidentifier) -> Self {
        Self { privacy: privacy.clone(), by_type: RwLock::default() }
    }

    /// As the column `id` of the type's table.
    fn of(&self, resource: &str) -> Arc<Ids> {
        let name = known_kind(resource);
        if let Some(ids) = self.by_type.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Arc::clone(ids);
        }
        let table = tables::of_resource(name).map(|table| table.name.as_str());
        let ids = Arc::new(Ids::of(&self.privacy, table, "id", &format!("{name}.id")));
        let mut by_type = self.by_type.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(by_type.entry(name).or_insert(ids))
    }
}

/// A type of R4, or what all are.
fn known_kind(kind: &str) -> &'static str {
    defs::r4().resource_named(kind).map_or("Resource", |def| def.name)
}

/// What a reference points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target<'v> {
    /// `Patient/1`, or an absolute address that ends so.
    Resource { kind: &'v str, id: &'v str, absolute: bool },
    /// `urn:uuid:..`
    Uuid(&'v str),
    /// `urn:oid:..`
    Oid(&'v str),
    /// `#p1`: a contained resource; empty for the one around.
    Contained(&'v str),
    /// Anything else: another server's address, a search.
    Other,
}

/// Reads a reference.
pub(super) fn target(reference: &str) -> Target<'_> {
    let reference = reference.trim();
    if let Some(id) = reference.strip_prefix('#') {
        return Target::Contained(id);
    }
    if let Some(uuid) = reference.strip_prefix("urn:uuid:") {
        return Target::Uuid(uuid);
    }
    if let Some(oid) = reference.strip_prefix("urn:oid:") {
        return Target::Oid(oid);
    }
    if reference.contains(['?', '#', '|']) {
        return Target::Other;
    }
    let path = reference.split("/_history/").next().unwrap_or(reference);
    let mut parts = path.rsplit('/');
    let (Some(id), Some(kind)) = (parts.next(), parts.next()) else { return Target::Other };
    let is_id = (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
    match defs::r4().resource_named(kind) {
        Some(_) if is_id => Target::Resource { kind, id, absolute: parts.next().is_some() },
        _ => Target::Other,
    }
}

/// The new ids of one document.
pub(super) struct IdMap {
    plans: Arc<IdPlans>,
    /// Resource types by fullUrl.
    kinds: HashMap<u128, &'static str>,
    /// Codes that are known already. They can be had again: no more of them are kept than fit.
    codes: HashMap<&'static str, HashMap<Box<str>, Box<str>>>,
    coded: usize,
    /// Numbers of the document, where there are no codes.
    numbers: HashMap<&'static str, HashMap<Box<str>, u32>>,
    numbered: u32,
    /// New ids of contained resources.
    contained: Vec<HashMap<String, String>>,
}

/// Codes that are kept.
const MOST_CODES: usize = 1 << 16;

/// What stands for a text of which only the equality matters, in less room.
pub(super) fn digest(text: &str) -> u128 {
    let half = |first: u8| {
        let mut hasher = std::hash::DefaultHasher::new();
        hasher.write_u8(first);
        hasher.write(text.as_bytes());
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}

impl IdMap {
    pub(super) fn new(plans: &Arc<IdPlans>) -> Self {
        Self {
            plans: Arc::clone(plans),
            kinds: HashMap::new(),
            codes: HashMap::new(),
            coded: 0,
            numbers: HashMap::new(),
            numbered: 0,
            contained: Vec::new(),
        }
    }

    /// Learns what type the resource of an entry is, for references that do not say it.
    pub(super) fn learn(&mut self, entry: Value<'_>) {
        let kind = entry.get("resource").and_then(|resource| resource.get("resourceType")).and_then(|kind| kind.as_str());
        if let (Some(url), Some(kind)) = (entry.get("fullUrl").and_then(|url| url.as_str()), kind)
            && url.starts_with("urn:uuid:")
        {
            self.kinds.insert(digest(url), known_kind(kind));
        }
    }

    /// The new id of a resource.
    pub(super) fn id(&mut self, kind: &str, id: &str) -> Result<Box<str>, DeidError> {
        let kind = known_kind(kind);
        if let Some(known) = self.codes.get(kind).and_then(|codes| codes.get(id)) {
            return Ok(known.clone());
        }
        if let Some(known) = self.numbers.get(kind).and_then(|numbers| numbers.get(id)) {
            return Ok(known.to_string().into());
        }
        let Some(code) = self.plans.of(kind).code(&self.plans.privacy, id)? else {
            self.numbered += 1;
            self.numbers.entry(kind).or_default().insert(id.into(), self.numbered);
            return Ok(self.numbered.to_string().into());
        };
        if self.coded >= MOST_CODES {
            self.codes.clear();
            self.coded = 0;
        }
        self.coded += 1;
        let code: Box<str> = code.into();
        self.codes.entry(kind).or_default().insert(id.into(), code.clone());
        Ok(code)
    }

    /// A reference or fullUrl, rewritten; none where it cannot be.
    pub(super) fn reference(&mut self, reference: &str) -> Result<Option<String>, DeidError> {
        Ok(match target(reference) {
            Target::Resource { kind, id, absolute } => {
                let code = self.id(kind, id)?;
                Some(if absolute { format!("{BASE}/{kind}/{code}") } else { format!("{kind}/{code}") })
            }
            Target::Uuid(uuid) => Some(format!("urn:uuid:{}", self.uuid(reference, uuid)?)),
            Target::Oid(oid) => {
                let code = self.id("Resource", oid)?;
                Some(format!("urn:oid:2.25.{}", number_of_code(&code)))
            }
            Target::Contained("") => Some("#".to_owned()),
            Target::Contained(id) => self.contained.iter().rev().find_map(|ids| ids.get(id)).map(|new| format!("#{new}")),
            Target::Other => None,
        })
    }

    fn uuid(&mut self, url: &str, uuid: &str) -> Result<Box<str>, DeidError> {
        let kind = self.kinds.get(&digest(url)).copied().unwrap_or("Resource");
        let code = self.id(kind, uuid)?;
        if *code == *uuid {
            return Ok(code);
        }
        // A number of the document: as good as any other bits.
        Ok(match code.parse::<u64>() {
            Ok(number) => format!("00000000-0000-8000-8000-{number:012x}").into(),
            Err(_) => uuid_of_code(&code).into(),
        })
    }

    /// The contained resources of the one that is entered.
    pub(super) fn enter(&mut self, resource: Value<'_>) {
        let ids = resource.get("contained").into_iter().flat_map(|list| list.items());
        let ids = ids.filter_map(|one| one.get("id")?.as_str());
        self.contained.push(ids.enumerate().map(|(at, id)| (id.to_owned(), format!("c{}", at + 1))).collect());
    }

    pub(super) fn leave(&mut self) {
        self.contained.pop();
    }

    /// The new id of a contained resource.
    pub(super) fn contained_id(&self, id: &str) -> Option<&str> {
        self.contained.iter().rev().find_map(|ids| ids.get(id)).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read() {
        assert_eq!(target("Patient/1"), Target::Resource { kind: "Patient", id: "1", absolute: false });
        assert_eq!(target("http://x/fhir/Patient/1/_history/2"), Target::Resource { kind: "Patient", id: "1", absolute: true });
        assert_eq!(target("#p"), Target::Contained("p"));
        assert_eq!(target("urn:uuid:0"), Target::Uuid("0"));
        for other in ["Patient?identifier=4711", "http://x/photo.jpg", "Jane Doe", "", "Patient/a b", "Zork/1"] {
            assert_eq!(target(other), Target::Other, "{other}");
        }
    }
}
