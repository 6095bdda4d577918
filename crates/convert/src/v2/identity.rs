//! Who a resource is: its id is made of what identifies it, so that the same thing has the same id in every message.
//!
//! A resource of a role has recipes: lists of fields, the first of which decides whether the recipe can be used. Identifiers are
//! taken with their assigning authority, or with the sending facility or application where none is stated; where nobody is named, the
//! resource is known by its record. What has no identifier of its own is known by
//! its patient, visit or order and what it says. Resources that a field describes are known by their identifier, else by their content.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use sutura_core::{Severity, Sha256Hash};

use super::{functions::universal, plan::Tag, run::Work, text};
use crate::{
    fhir::{ResourceId, Tree},
    ids::{Id, IdBuilder},
};

/// A part of a recipe.
#[derive(Debug, Clone, Copy)]
enum Part {
    /// An identifier (CX, EI or text): its value and authority. The field must be there for the recipe to be used.
    Key(&'static [u8; 3], u16),
    /// What a field says, if anything.
    Also(&'static [u8; 3], u16, u16),
    /// What a field says; it must be there.
    Says(&'static [u8; 3], u16, u16),
    /// Code and system of a coded field, or its text where there is no code: how it is displayed is no part of what it means.
    Code(&'static [u8; 3], u16),
    /// The number of an order, unless it is one that senders put for "none".
    Number(&'static [u8; 3], u16),
    /// The day of the event or message.
    Day,
    Patient,
    Encounter,
    Order,
}

use Part::{Also, Code, Day, Encounter, Key, Number, Order, Patient, Says};

/// The recipes of a role.
fn recipes(role: &str) -> &'static [&'static [Part]] {
    match role {
        "Patient" => &[&[Key(b"PID", 3)], &[Key(b"PID", 2)], &[Key(b"PID", 4)], &[Key(b"PID", 18)]],
        "MergedPatient" => &[&[Key(b"MRG", 1)]],
        "Encounter" => &[
            &[Key(b"PV1", 19)],
            &[Key(b"PV1", 50)],
            &[Patient, Says(b"PV1", 44, 0)],
            &[Patient, Key(b"PID", 18)],
            // Nothing names the visit: of one class a patient has one a day.
            &[Patient, Says(b"PV1", 2, 1), Day],
        ],
        "Account" => &[&[Key(b"PID", 18)], &[Patient, Says(b"GT1", 3, 0)]],
        "ServiceRequest" => &[
            &[Key(b"ORC", 2), Also(b"OBR", 4, 1)],
            &[Key(b"OBR", 2), Also(b"OBR", 4, 1)],
            &[Key(b"ORC", 3), Also(b"OBR", 4, 1)],
            &[Key(b"OBR", 3), Also(b"OBR", 4, 1)],
        ],
        "DiagnosticReport" => &[
            &[Key(b"OBR", 3), Also(b"OBR", 4, 1)],
            &[Key(b"ORC", 3), Also(b"OBR", 4, 1)],
            &[Key(b"OBR", 2), Also(b"OBR", 4, 1)],
            &[Key(b"ORC", 2), Also(b"OBR", 4, 1)],
        ],
        "Observation" => &[
            &[Key(b"OBX", 21)],
            &[Order, Code(b"OBX", 3), Also(b"OBX", 4, 0)],
            &[Encounter, Code(b"OBX", 3), Also(b"OBX", 4, 0), Also(b"OBX", 14, 0)],
            &[Patient, Code(b"OBX", 3), Also(b"OBX", 4, 0), Also(b"OBX", 14, 0)],
        ],
        "Specimen" => &[&[Key(b"SPM", 2)], &[Key(b"SPM", 30)], &[Order, Also(b"SPM", 1, 0), Also(b"SPM", 4, 0)]],
        "OrderSpecimen" => &[&[Order]],
        "RelatedPerson" => &[&[Patient, Key(b"NK1", 33)], &[Patient, Key(b"NK1", 12)], &[Patient, Says(b"NK1", 2, 0), Also(b"NK1", 3, 1)]],
        "Guarantor" => &[&[Patient, Key(b"GT1", 2)], &[Patient, Says(b"GT1", 3, 0)]],
        "AllergyIntolerance" => &[&[Key(b"IAM", 7)], &[Patient, Code(b"AL1", 3)], &[Patient, Code(b"IAM", 3)]],
        "Condition" => &[
            &[Key(b"DG1", 20)],
            &[Encounter, Code(b"DG1", 3), Also(b"DG1", 6, 1)],
            &[Encounter, Says(b"DG1", 4, 0), Also(b"DG1", 6, 1)],
            &[Patient, Code(b"DG1", 3), Also(b"DG1", 5, 0)],
            &[Patient, Says(b"DG1", 4, 0), Also(b"DG1", 5, 0)],
        ],
        "Procedure" => {
            &[&[Key(b"PR1", 19)], &[Encounter, Code(b"PR1", 3), Also(b"PR1", 5, 0)], &[Patient, Code(b"PR1", 3), Also(b"PR1", 5, 0)]]
        }
        "Coverage" => {
            &[&[Patient, Says(b"IN1", 2, 0), Also(b"IN1", 3, 0), Also(b"IN1", 36, 0)], &[Patient, Says(b"IN1", 3, 0), Also(b"IN1", 36, 0)]]
        }
        "VisitCoverage" => &[&[Encounter, Says(b"PV1", 20, 0)], &[Patient, Says(b"PV1", 20, 0)]],
        "ChargeItem" => {
            &[&[Patient, Says(b"FT1", 2, 0), Also(b"FT1", 4, 0), Also(b"FT1", 7, 0)], &[Patient, Code(b"FT1", 7), Also(b"FT1", 4, 0)]]
        }
        "Immunization" => &[&[Patient, Number(b"ORC", 3)], &[Patient, Number(b"ORC", 2)], &[Patient, Code(b"RXA", 5), Also(b"RXA", 3, 0)]],
        "MedicationRequest" => &[&[Key(b"ORC", 2)], &[Key(b"ORC", 3)], &[Key(b"RXE", 15)]],
        "MedicationDispense" => &[
            &[Key(b"ORC", 3), Also(b"RXD", 2, 1), Also(b"RXD", 3, 0), Also(b"RXD", 7, 0)],
            &[Key(b"ORC", 2), Also(b"RXD", 2, 1), Also(b"RXD", 3, 0), Also(b"RXD", 7, 0)],
        ],
        "MedicationAdministration" => {
            &[&[Key(b"ORC", 3), Also(b"RXA", 5, 1), Also(b"RXA", 3, 0)], &[Key(b"ORC", 2), Also(b"RXA", 5, 1), Also(b"RXA", 3, 0)]]
        }
        "OrderTask" => {
            &[&[Key(b"ORC", 2), Says(b"ORC", 1, 0), Also(b"ORC", 9, 0)], &[Key(b"ORC", 3), Says(b"ORC", 1, 0), Also(b"ORC", 9, 0)]]
        }
        "Appointment" | "Slot" => &[&[Key(b"SCH", 2)], &[Key(b"SCH", 1)]],
        "DocumentReference" => &[&[Key(b"TXA", 12)]],
        "MessageHeader" => &[&[Key(b"MSH", 10), Also(b"MSH", 3, 0), Also(b"MSH", 7, 0)]],
        "LivingWill" => &[&[Patient]],
        "CareTeam" => &[&[Patient, Says(b"ROL", 4, 0)]],
        _ => &[],
    }
}

/// Roles of which there is one with an identity: a second one in the message that says something else is not made. Of the others it is
/// another one, even with the same words where they are events: a repeated result is not the first one again.
fn is_someone(role: &str) -> bool {
    matches!(role, "Patient" | "MergedPatient" | "OtherPatient" | "Encounter" | "Account" | "MessageHeader")
}

/// Roles that are told apart by having happened.
fn is_event(role: &str) -> bool {
    matches!(
        role,
        "Observation"
            | "DiagnosticReport"
            | "ServiceRequest"
            | "MedicationDispense"
            | "MedicationAdministration"
            | "ChargeItem"
            | "Immunization"
            | "DocumentReference"
    )
}

/// Resources by id; an id is a hash, the type in it, so it needs no other.
type Known = HashMap<Id, ResourceId, std::hash::BuildHasherDefault<IdHasher>>;

/// Takes the first bytes of an id.
#[derive(Debug, Clone, Copy, Default)]
struct IdHasher(u64);

impl std::hash::Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().take(16) {
            self.0 = self.0.rotate_left(4) ^ u64::from(*byte);
        }
        self.0 = self.0.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

/// Gives every resource its id. Resources that are the same get one id; the list says which resource stands for each.
pub(super) fn assign(work: &mut Work<'_>, record: &Sha256Hash, sender: &str, keep: &[bool]) -> Vec<Option<ResourceId>> {
    let plan = work.plan;
    let mut stands: Vec<Option<ResourceId>> = work.tree.resources().map(Some).collect();
    let mut known: Known = Known::with_capacity_and_hasher(stands.len(), std::hash::BuildHasherDefault::default());
    let shared = shared_orders(work, record, sender);
    let mut again: HashMap<Id, u32, std::hash::BuildHasherDefault<IdHasher>> = HashMap::default();
    for resource in work.tree.resources() {
        let Some(role) = work.made[resource.index()].role else { continue };
        if !keep[resource.index()] {
            stands[resource.index()] = None;
            continue;
        }
        let name = plan.roles[role].name;
        let ty = work.tree.type_of(resource);
        let mut id = of_role(work, resource, name, record, sender);
        if name == "MedicationRequest" && shared.contains(&id) {
            id = IdBuilder::new(ty).part("drug").part(id.as_str()).part(drug_of(work, resource)).finish();
        }
        if let Some(first) = known.get(&id).copied() {
            let same = !is_event(name) && (is_someone(name) || says_the_same(work.tree, first, resource));
            if same {
                if is_someone(name) && name != "MergedPatient" && !says_the_same(work.tree, first, resource) {
                    work.note(
                        "convert-same-identity",
                        Severity::Warning,
                        "the message describes one patient, visit or account twice and differently; the first description is kept",
                    );
                }
                if name == "MergedPatient" {
                    merge_again(work, first, resource);
                }
                stands[resource.index()] = Some(first);
            } else {
                let number = again.entry(id).or_insert(1u32);
                *number += 1;
                id = IdBuilder::new(ty).part("again").part(id.as_str()).part(&number.to_string()).finish();
            }
        }
        work.tree.set_id(resource, id);
        known.entry(id).or_insert(resource);
    }
    // What a field describes comes after what describes it: from the back, so that what it refers to has its id.
    let mut json = Vec::new();
    for resource in work.tree.resources().rev() {
        if work.made[resource.index()].role.is_some() {
            continue;
        }
        if !keep[resource.index()] {
            stands[resource.index()] = None;
            continue;
        }
        let ty = work.tree.type_of(resource);
        let id = match identifier(work.tree, resource) {
            Some((Some(system), value)) => crate::ids::from_identifier(ty, system, value),
            Some((None, value)) if ty != "PractitionerRole" && !sender.is_empty() => {
                IdBuilder::new(ty).part("facility").part(sender).part(value).finish()
            }
            _ => {
                json.clear();
                work.tree.write_resource(resource, &mut json);
                let mut id = IdBuilder::new(ty).part("content").part(sender);
                id.add(&json);
                id.finish()
            }
        };
        work.tree.set_id(resource, id);
        known.entry(id).or_insert(resource);
    }
    // The first one in the message stands for the others.
    let mut first: Known = Known::with_capacity_and_hasher(stands.len(), std::hash::BuildHasherDefault::default());
    for resource in work.tree.resources() {
        if stands[resource.index()] != Some(resource) {
            continue;
        }
        if let Some(id) = work.tree.id_of(resource) {
            stands[resource.index()] = Some(*first.entry(id).or_insert(resource));
        }
    }
    // One that stands for another may itself have been replaced.
    for at in 0..stands.len() {
        if let Some(other) = stands[at] {
            stands[at] = stands[other.index()];
        }
    }
    stands
}

/// The number of an order is the order's: a change of its drug is the same order. Only where one message has several drugs under one number
/// are they told apart by the drug: those ids.
fn shared_orders(work: &Work<'_>, record: &Sha256Hash, sender: &str) -> HashSet<Id> {
    let is_request = |resource: &ResourceId| {
        let role = work.made[resource.index()].role;
        role.is_some_and(|role| work.plan.roles[role].name == "MedicationRequest")
    };
    let requests: Vec<ResourceId> = work.tree.resources().filter(is_request).collect();
    let (mut first, mut shared) = (HashMap::new(), HashSet::new());
    if requests.len() > 1 {
        for request in requests {
            let (id, drug) = (of_role(work, request, "MedicationRequest", record, sender), drug_of(work, request));
            if !drug.is_empty() && *first.entry(id).or_insert(drug) != drug {
                shared.insert(id);
            }
        }
    }
    shared
}

fn drug_of<'m>(work: &Work<'m>, request: ResourceId) -> &'m str {
    let drugs = [(b"RXE", 2), (b"RXO", 1)].map(|(tag, field)| says(work, request, *tag, field, 1));
    drugs.into_iter().find(|drug| !drug.is_empty()).unwrap_or("")
}

/// A patient that others were merged into and that is merged in turn by the same message.
fn merge_again(work: &mut Work<'_>, merged: ResourceId, again: ResourceId) {
    let Some(survivor) = work.made[again.index()].patient.filter(|survivor| *survivor != merged) else { return };
    let root = work.tree.root(merged);
    work.tree.set(root, "active", "false");
    if let Some(link) = work.tree.push(root, "link") {
        work.tree.link(link, "other", survivor);
        work.tree.set(link, "type", "replaced-by");
    }
}

/// Whether two resources differ in nothing but their ids.
fn says_the_same(tree: &mut Tree, one: ResourceId, other: ResourceId) -> bool {
    tree.settle();
    let [one, other] = [one, other].map(|resource| {
        let mut json = Vec::new();
        tree.write_below(resource, &mut json);
        json
    });
    one == other
}

/// The first identifier with a system, else the first with a value.
fn identifier(tree: &Tree, resource: ResourceId) -> Option<(Option<&str>, &str)> {
    let mut first = None;
    for (name, node) in tree.children(tree.root(resource)) {
        if name != "identifier" {
            continue;
        }
        let Some(value) = tree.get(node, "value") else { continue };
        if let Some(system) = tree.get(node, "system") {
            return Some((Some(system), value));
        }
        first.get_or_insert(value);
    }
    first.map(|value| (None, value))
}

fn of_role(work: &Work<'_>, resource: ResourceId, role: &str, record: &Sha256Hash, sender: &str) -> Id {
    let ty = work.tree.type_of(resource);
    for recipe in recipes(role) {
        if let Some(id) = follow(work, resource, ty, recipe, sender) {
            return id;
        }
    }
    let ordinal = work.tree.resources().take(resource.index()).filter(|other| work.tree.type_of(*other) == ty).count();
    crate::ids::from_record(ty, &record.0, &format!("{role}#{ordinal}"))
}

fn follow(work: &Work<'_>, resource: ResourceId, ty: &str, recipe: &[Part], sender: &str) -> Option<Id> {
    // The identifier alone: the id that anyone can compute.
    if let [Key(tag, field)] = recipe {
        let (system, value) = key(work, resource, **tag, *field, sender)?;
        return Some(crate::ids::from_identifier(ty, &system, &value));
    }
    let mut id = IdBuilder::new(ty).part("recipe");
    for part in recipe {
        match part {
            Key(tag, field) => {
                let (system, value) = key(work, resource, **tag, *field, sender)?;
                id = id.part(&system).part(&value);
            }
            Says(tag, field, component) => {
                let said = says(work, resource, **tag, *field, *component);
                if said.is_empty() {
                    return None;
                }
                id = id.part(said);
            }
            Code(tag, field) => {
                let [system, code] = code(work, resource, **tag, *field)?;
                id = id.part(&system).part(&code);
            }
            Number(tag, field) => {
                let (system, value) = key(work, resource, **tag, *field, sender)?;
                if PLACEHOLDERS.contains(&value.as_str()) {
                    return None;
                }
                id = id.part(&system).part(&value);
            }
            Day => id = id.part(day(work)?),
            Also(tag, field, component) => id = id.part(says(work, resource, **tag, *field, *component)),
            Patient => id = id.part(work.tree.id_of(work.made[resource.index()].patient?)?.as_str()),
            Encounter => id = id.part(work.tree.id_of(work.made[resource.index()].encounter?)?.as_str()),
            Order => id = id.part(work.tree.id_of(work.made[resource.index()].order.filter(|order| *order != resource)?)?.as_str()),
        }
    }
    Some(id.finish())
}

/// The segment of that name that belongs to a resource: one it was made of, else one of its order.
fn segment_of(work: &Work<'_>, resource: ResourceId, tag: Tag) -> Option<usize> {
    let made = &work.made[resource.index()];
    let own = made.segments.iter().map(|at| *at as usize).find(|at| work.index.segments[*at].tag == tag);
    // The patient's segment says more than who it is.
    let patient = || {
        let patient = made.patient.filter(|_| tag == *b"PID")?;
        let mut segments = work.made[patient.index()].segments.iter().map(|at| *at as usize);
        segments.find(|at| work.index.segments[*at].tag == tag)
    };
    own.or_else(patient).or_else(|| {
        let order = made.order.map(|order| &work.made[order.index()].segments)?;
        order.iter().map(|at| *at as usize).find(|at| work.index.segments[*at].tag == tag)
    })
}

fn says<'m>(work: &Work<'m>, resource: ResourceId, tag: Tag, field: u16, component: u16) -> &'m str {
    segment_of(work, resource, tag).map_or("", |at| work.index.first(at, field, component))
}

/// System and code of the first coding that has a code, else its text with no system.
fn code<'m>(work: &Work<'m>, resource: ResourceId, tag: Tag, field: u16) -> Option<[Cow<'m, str>; 2]> {
    let at = segment_of(work, resource, tag)?;
    let part = |number| match work.index.plain(work.index.first(at, field, number)) {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    };
    for (code, system) in [(1, 3), (4, 6)] {
        let code = part(code);
        if code.is_empty() {
            continue;
        }
        let name = part(system);
        let system = text::code_system(&name, None).map(|uri| Cow::Owned(uri.into_owned()));
        return Some([system.unwrap_or(name), code]);
    }
    let text = [9, 2].into_iter().map(part).find(|text| !text.is_empty())?;
    Some([Cow::Borrowed(""), text])
}

/// The day of EVN-2, else of MSH-7.
fn day<'m>(work: &Work<'m>) -> Option<&'m str> {
    let event = work.index.segments.iter().position(|segment| &segment.tag == b"EVN");
    let event = event.map_or("", |at| work.index.first(at, 2, 1));
    [event, work.index.first(0, 7, 1)].into_iter().find_map(|time| time.get(..8))
}

/// What stands in ORC-3 where there is no number: the immunization guide of the CDC has 9999 for what the sender did not give itself.
const PLACEHOLDERS: [&str; 4] = ["9999", "99999", "0", "NA"];

/// System and value of an identifier. Of several the medical record number, else the first one.
fn key(work: &Work<'_>, resource: ResourceId, tag: Tag, field: u16, sender: &str) -> Option<(String, String)> {
    let at = segment_of(work, resource, tag)?;
    let raw = work.index.field(at, field);
    let mut best: Option<&str> = None;
    for repetition in work.index.repetitions(raw).take(64) {
        let parts = work.index.parts(repetition, 0);
        if parts.get(1).is_empty() {
            continue;
        }
        if parts.get(5) == "MR" {
            best = Some(repetition);
            break;
        }
        best = best.or(Some(repetition));
    }
    let parts = work.index.parts(best?, 0);
    // SPM-2 is a pair of EI; the first part that is there.
    let (value, authority) = if tag == *b"SPM" && field == 2 {
        let pair = [parts.get(2), parts.get(1)].into_iter().find(|part| !part.is_empty())?;
        let entity = work.index.parts(pair, 1);
        (entity.get(1), [entity.get(2), entity.get(3), entity.get(4)])
    } else if matches!(&tag, b"PID" | b"MRG" | b"PV1" | b"NK1" | b"GT1") || (tag == *b"SPM" && field == 30) {
        let authority = work.index.parts(parts.get(4), 1);
        (parts.get(1), [authority.get(1), authority.get(2), authority.get(3)])
    } else {
        (parts.get(1), [parts.get(2), parts.get(3), parts.get(4)])
    };
    let value = work.index.plain(value).trim().to_owned();
    if value.is_empty() {
        return None;
    }
    let [namespace, id, kind] = authority.map(|part| work.index.plain(part).trim().to_owned());
    if let Some(system) = universal(&id, &kind) {
        return Some((system, value));
    }
    // A number of which nobody knows whose it is identifies nothing.
    (!sender.is_empty() || !namespace.is_empty()).then(|| (format!("{sender}\n{namespace}"), value))
}

#[cfg(test)]
mod tests {
    use super::recipes;
    use crate::v2::plan::plan;

    #[test]
    fn every_role_has_an_identity_or_is_known_to_have_none() {
        // They say what happened to this very message; OtherPatient is the first patient of a link.
        let of_the_message = ["Bundle", "EventProvenance", "OrderProvenance", "OtherPatient", "PatientProvenance"];
        let mut without: Vec<_> = plan().roles.iter().map(|role| role.name).filter(|role| recipes(role).is_empty()).collect();
        without.sort_unstable();
        without.dedup();
        assert_eq!(without, of_the_message);
    }
}
