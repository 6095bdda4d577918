//! What FHIR requires and the message did not say: defaults that state that nothing is known, never a value that would look like a fact.

use std::sync::OnceLock;

use smallvec::SmallVec;
use sutura_core::{Finding, Severity};
use sutura_fhir::defs::{TypeId, TypeKind, r4};

use super::run::Work;
use crate::fhir::{NodeId, ResourceId, Step, Tree};

const ABSENT: &str = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";

/// Values that required elements get when nothing was stated. `status` says "unknown" where the list of codes has that; where it has not
/// (Immunization, Coverage, EpisodeOfCare, DocumentReference, Appointment), the element has a data-absent-reason and no value: whoever reads
/// it has to decide, none of the codes would be true.
const DEFAULTS: &[(&str, &str, &str)] = &[
    ("Observation", "status", "unknown"),
    ("DiagnosticReport", "status", "unknown"),
    ("ServiceRequest", "status", "unknown"),
    ("ServiceRequest", "intent", "order"),
    ("Encounter", "status", "unknown"),
    ("Procedure", "status", "unknown"),
    ("MedicationRequest", "status", "unknown"),
    ("MedicationRequest", "intent", "order"),
    ("MedicationDispense", "status", "unknown"),
    ("MedicationAdministration", "status", "unknown"),
    ("Account", "status", "unknown"),
    ("ChargeItem", "status", "unknown"),
];

/// The type a choice takes when nothing was stated.
const CHOICES: &[(&str, &str)] = &[
    ("medication", "medicationCodeableConcept"),
    ("item", "itemCodeableConcept"),
    ("occurrence", "occurrenceString"),
    ("effective", "effectiveDateTime"),
    ("event", "eventCoding"),
];

/// What is looked at in the elements of a type.
struct Rules {
    is_primitive: bool,
    is_mended: bool,
    required: Vec<Step>,
}

/// The types whose rules [`mend`] knows.
const MENDED: &[&str] = &[
    "ContactPoint",
    "Quantity",
    "Duration",
    "Age",
    "Distance",
    "Count",
    "Attachment",
    "Ratio",
    "Range",
    "Period",
    "Patient.contact",
    "Patient.link",
    "Patient.communication",
    "RelatedPerson.communication",
    "MedicationAdministration.dosage",
    "Encounter.diagnosis",
    "Encounter.location",
    "Encounter.participant",
];

/// The rules of each type, by its number.
fn rules() -> &'static [Rules] {
    static RULES: OnceLock<Vec<Rules>> = OnceLock::new();
    RULES.get_or_init(|| {
        let of = |ty: &sutura_fhir::defs::TypeDef| {
            let is_primitive = ty.kind == TypeKind::Primitive;
            let elements = ty.elements.iter().filter(|element| element.min > 0 && !is_primitive);
            let required = elements.filter_map(|element| {
                let name = if element.choice { CHOICES.iter().find(|(stem, _)| *stem == element.name)?.1 } else { element.name };
                Step::new(ty.id, name)
            });
            Rules { is_primitive, is_mended: MENDED.contains(&ty.name), required: required.collect() }
        };
        r4().types().iter().map(of).collect()
    })
}

/// Completes a resource.
pub(super) fn complete(work: &mut Work<'_>, resource: ResourceId, recorded: &str) {
    let root = work.tree.root(resource);
    let name = work.tree.type_of(resource);
    let tree = &mut *work.tree;
    let mut marked = false;
    for (ty, element, value) in DEFAULTS {
        if *ty == name && !tree.has(root, element) {
            tree.set(root, element, value);
        }
    }
    match name {
        "Encounter" if !tree.has(root, "class") => {
            tree.set(root, "class.system", "http://terminology.hl7.org/CodeSystem/v3-NullFlavor");
            tree.set(root, "class.code", "UNK");
        }
        "Provenance" if !tree.has(root, "recorded") => {
            tree.set(root, "recorded", recorded);
        }
        "Appointment" => marked = appointment(tree, root),
        // prr-1: details are of something.
        "ServiceRequest" if tree.has(root, "orderDetail") && !tree.has(root, "code") => absent_at(tree, root, "code"),
        "Organization" => {
            if !tree.has(root, "name") && !tree.has(root, "identifier") {
                absent_at(tree, root, "name");
            }
            // org-2, org-3: nothing of an organization is a home.
            let homes: Vec<NodeId> =
                tree.children(root).filter(|(name, _)| matches!(*name, "address" | "telecom")).map(|(_, node)| node).collect();
            for node in homes.into_iter().filter(|node| tree.get(*node, "use") == Some("home")).collect::<Vec<_>>() {
                if let Some(element) = tree.child(node, "use") {
                    tree.erase(element);
                }
            }
        }
        "Observation" => {
            // A quantity without a value says nothing.
            let parts = tree.children(root).filter(|(name, _)| *name == "component").map(|(_, component)| component);
            for node in std::iter::once(root).chain(parts).collect::<SmallVec<[NodeId; 8]>>() {
                let quantity = tree.children(node).find(|(name, _)| *name == "valueQuantity").map(|(_, quantity)| quantity);
                if let Some(quantity) = quantity.filter(|quantity| tree.has_content(*quantity) && !tree.has(*quantity, "value")) {
                    tree.erase(quantity);
                    tree.set(node, "dataAbsentReason.coding[0].system", "http://terminology.hl7.org/CodeSystem/data-absent-reason");
                    tree.set(node, "dataAbsentReason.coding[0].code", "unknown");
                }
            }
            // obs-6: a value is a value.
            let has_value = tree.children(root).any(|(name, node)| name.starts_with("value") && tree.has_content(node));
            if has_value && let Some(reason) = tree.child(root, "dataAbsentReason") {
                tree.erase(reason);
            }
        }
        "AllergyIntolerance" if tree.get(root, "verificationStatus.coding[0].code") == Some("entered-in-error") => {
            if let Some(status) = tree.child(root, "clinicalStatus") {
                tree.erase(status);
            }
        }
        // ait-1: without a status that the list of codes has, it says that none is known.
        "AllergyIntolerance" if !tree.has(root, "clinicalStatus") => absent_at(tree, root, "clinicalStatus"),
        "DocumentReference" if !tree.has(root, "content") => {
            if let Some(content) = tree.element(root, "content") {
                absent_at(tree, content, "attachment");
            }
        }
        _ => {}
    }
    walk(tree, root, 0);
    if marked {
        work.findings.push(Finding::new(
            "convert-appointment-without-times",
            Severity::Info,
            "SCH",
            "start or end of the appointment is not stated and its status asks for both; what is missing is marked as unknown",
        ));
    }
}

/// Elements of resources are not nested deeper than this.
const DEEPEST: u32 = 24;

/// Looks at every element that is written: adds what is required, and mends what the rules of its type refuse.
fn walk(tree: &mut Tree, node: NodeId, depth: u32) {
    let ty = tree.ty(node);
    if depth > DEEPEST {
        return;
    }
    let rules = &rules()[ty.index()];
    if rules.is_primitive {
        return;
    }
    if rules.is_mended {
        mend(tree, node, ty);
    }
    for step in &rules.required {
        if tree.children(node).any(|(_, child)| tree.order(child) == step.order && tree.has_content(child)) {
            continue;
        }
        let Some(missing) = tree.item(node, step, 0) else { continue };
        if step.ty.def().kind == TypeKind::Backbone {
            // What is required inside of it says that nothing is known.
            walk(tree, missing, depth + 1);
        } else {
            absent(tree, missing);
        }
    }
    let mut next = tree.first_child(node);
    while let Some(child) = next {
        if tree.has_content(child) {
            walk(tree, child, depth + 1);
        }
        next = tree.next_sibling(child);
    }
}

/// The rules of data types that messages break most.
fn mend(tree: &mut Tree, node: NodeId, ty: TypeId) {
    match ty.name() {
        // cpt-2: a value needs a system.
        "ContactPoint" if tree.has(node, "value") && tree.get(node, "system").is_none() => {
            tree.set(node, "system", "other");
        }
        "Patient.communication" | "RelatedPerson.communication" => language(tree, node),
        // drt-1, age-1 and sense: a unit without a value says nothing.
        "Duration" | "Age" | "Distance" | "Count" | "Quantity" if !tree.has(node, "value") && tree.has(node, "code") => tree.erase(node),
        // mad-1: a dosage has a dose, known or not.
        "MedicationAdministration.dosage" => {
            if let Some(dose) = tree.child(node, "dose").filter(|dose| !tree.has(*dose, "value")) {
                tree.erase(dose);
            }
            if !["dose", "rateRatio", "rateQuantity"].iter().any(|name| tree.has(node, name)) {
                absent_at(tree, node, "dose");
            }
        }
        // qty-3: a code needs a system.
        "Quantity" | "Duration" | "Age" | "Distance" | "Count" if tree.has(node, "code") && !tree.has(node, "system") => {
            if let Some(code) = tree.get(node, "code").map(str::to_owned)
                && let Some(element) = tree.child(node, "code")
            {
                if !tree.has(node, "unit") {
                    tree.set(node, "unit", &code);
                }
                tree.erase(element);
            }
        }
        // att-1: data needs a type.
        "Attachment" if tree.has(node, "data") && !tree.has(node, "contentType") => {
            tree.set(node, "contentType", "application/octet-stream");
        }
        // rat-1: both or none.
        "Ratio" if tree.has(node, "numerator") != tree.has(node, "denominator") => {
            let missing = if tree.has(node, "numerator") { "denominator" } else { "numerator" };
            absent_at(tree, node, missing);
        }
        // rng-2: the low is not above the high.
        "Range" => {
            let number = |end| tree.get(tree.child(node, end)?, "value").and_then(|text| text.parse::<f64>().ok());
            if number("low").zip(number("high")).is_some_and(|(low, high)| low > high)
                && let Some(high) = tree.child(node, "high")
            {
                tree.erase(high);
            }
        }
        // per-1: the end is not before the start.
        "Period" => {
            let wrong = match (tree.get(node, "start"), tree.get(node, "end")) {
                (Some(start), Some(end)) => {
                    let length = start.len().min(end.len()).min(10);
                    start.as_bytes()[..length] > end.as_bytes()[..length] || (start.len() == end.len() && start > end)
                }
                _ => false,
            };
            if wrong && let Some(end) = tree.child(node, "end") {
                tree.erase(end);
            }
            // FHIR cannot compare a day with its year, or a time with its day: both get the precision of the shorter.
            let shared = match (tree.get(node, "start"), tree.get(node, "end")) {
                (Some(start), Some(end)) if !wrong && start.len() != end.len() && start.len().min(end.len()) <= 10 => {
                    let (shorter, longer) = if start.len() < end.len() { (start, end) } else { (end, start) };
                    longer.starts_with(shorter).then(|| shorter.to_owned())
                }
                _ => None,
            };
            if let Some(shared) = shared {
                tree.set(node, "start", &shared);
                tree.set(node, "end", &shared);
            }
        }
        // pat-1: a contact says more than what it is to the patient.
        "Patient.contact" if !["name", "telecom", "address", "organization"].iter().any(|name| tree.has(node, name)) => {
            tree.erase(node);
        }
        "Patient.link" | "Encounter.diagnosis" | "Encounter.location" | "Encounter.participant" => {
            let needed = match ty.name() {
                "Patient.link" => "other",
                "Encounter.diagnosis" => "condition",
                "Encounter.location" => "location",
                _ => "individual",
            };
            if !tree.has(node, needed) {
                tree.erase(node);
            }
        }
        _ => {}
    }
}

/// Languages are tags (BCP 47): a code that looks like one is written as one, other codes become text.
fn language(tree: &mut Tree, node: NodeId) {
    let Some(language) = tree.element(node, "language") else { return };
    let codings: Vec<NodeId> = tree.children(language).filter(|(name, _)| *name == "coding").map(|(_, coding)| coding).collect();
    let Some(first) = codings.first().copied() else { return };
    let (code, display) = (tree.get(first, "code").map(str::to_owned), tree.get(first, "display").map(str::to_owned));
    let tag = code.as_deref().filter(|code| matches!(code.len(), 2 | 3) && code.bytes().all(|byte| byte.is_ascii_alphabetic()));
    if !tree.has(language, "text")
        && let Some(text) = display.as_deref().or(code.as_deref())
    {
        tree.set(language, "text", text);
    }
    for coding in codings {
        tree.erase(coding);
    }
    if let Some(tag) = tag
        && let Some(coding) = tree.push(language, "coding")
    {
        tree.set(coding, "system", "urn:ietf:bcp:47");
        tree.set(coding, "code", &tag.to_ascii_lowercase());
        if let Some(display) = &display {
            tree.set(coding, "display", display);
        }
    }
}

/// app-2, app-3: start and end are both there or none, and only what is proposed, waiting or cancelled has none. True if a time is marked as
/// unknown: the status stays as it is.
fn appointment(tree: &mut Tree, root: NodeId) -> bool {
    if tree.has(root, "start")
        && !tree.has(root, "end")
        && let (Some(start), Some(minutes)) =
            (tree.get(root, "start"), tree.get(root, "minutesDuration").and_then(|text| text.parse::<i64>().ok()))
        && let Some(end) = plus_minutes(start, minutes)
    {
        tree.set(root, "end", &end);
    }
    let backwards = tree.get(root, "start").zip(tree.get(root, "end")).is_some_and(|(start, end)| start.len() == end.len() && start > end);
    if backwards && let Some(end) = tree.child(root, "end") {
        tree.erase(end);
    }
    let (start, end) = (tree.has(root, "start"), tree.has(root, "end"));
    let mut marked = false;
    if matches!(tree.get(root, "status"), Some("proposed" | "cancelled" | "waitlist")) {
        // One of them alone is what was asked for.
        let stated = tree.get(root, "start").or_else(|| tree.get(root, "end")).map(str::to_owned).filter(|_| start != end);
        if let Some(stated) = stated {
            let (name, place) = if start { ("start", "requestedPeriod[0].start") } else { ("end", "requestedPeriod[0].end") };
            if let Some(element) = tree.child(root, name) {
                tree.erase(element);
            }
            tree.set(root, place, &stated);
        }
    } else {
        for (name, there) in [("start", start), ("end", end)] {
            if !there {
                absent_at(tree, root, name);
                marked = true;
            }
        }
    }
    if !tree.has(root, "participant")
        && let Some(participant) = tree.element(root, "participant")
    {
        tree.set(participant, "status", "needs-action");
        absent_at(tree, participant, "actor");
    }
    let participants: Vec<NodeId> = tree.children(root).filter(|(name, _)| *name == "participant").map(|(_, node)| node).collect();
    for participant in participants {
        // app-1: someone, or at least a part to play.
        if !tree.has(participant, "actor") && !tree.has(participant, "type") {
            absent_at(tree, participant, "actor");
        }
        if !tree.has(participant, "status") {
            tree.set(participant, "status", "needs-action");
        }
    }
    marked
}

fn plus_minutes(start: &str, minutes: i64) -> Option<String> {
    let start = chrono::DateTime::parse_from_rfc3339(start).ok()?;
    let end = start.checked_add_signed(chrono::TimeDelta::try_minutes(minutes)?)?;
    Some(end.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, false))
}

fn absent_at(tree: &mut Tree, node: NodeId, name: &'static str) {
    if let Some(element) = tree.element(node, name) {
        absent(tree, element);
    }
}

/// Says that nothing is known of an element.
fn absent(tree: &mut Tree, element: NodeId) {
    if let Some(extension) = tree.push(element, "extension") {
        tree.set(extension, "url", ABSENT);
        tree.set(extension, "valueCode", "unknown");
    }
}

/// A patient that is merged with itself, because the message names one number twice, is linked to nobody.
pub(super) fn unlink_itself(tree: &mut Tree, kept: &[bool]) {
    for resource in tree.resources() {
        if !kept[resource.index()] || tree.type_of(resource) != "Patient" {
            continue;
        }
        let links: SmallVec<[NodeId; 2]> =
            tree.children(tree.root(resource)).filter(|(name, _)| *name == "link").map(|(_, link)| link).collect();
        for link in links {
            let other = tree.children(link).find(|(name, _)| *name == "other").and_then(|(_, other)| tree.link_of(other));
            if other == Some(resource) {
                tree.erase(link);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_one_of_the_definitions() {
        for (name, element, value) in DEFAULTS {
            let ty = r4().type_named(name).unwrap_or_else(|| panic!("no type {name}"));
            let (element, _) = ty.def().element(element).unwrap_or_else(|| panic!("{name} has no {element}"));
            let codes = element.binding.and_then(|binding| r4().value_set(binding.value_set));
            assert!(codes.is_none_or(|codes| codes.contains_code(value)), "{name} {value}");
        }
        for name in MENDED {
            assert!(r4().type_named(name).is_some(), "no type {name}");
        }
        for (stem, name) in CHOICES {
            let has = |ty: &sutura_fhir::defs::TypeDef| ty.elements.iter().any(|element| element.choice && element.name == *stem);
            let made = |ty: &&sutura_fhir::defs::TypeDef| has(ty) && Step::new(ty.id, name).is_some();
            assert!(r4().types().iter().find(made).is_some(), "{stem} {name}");
        }
    }
}
