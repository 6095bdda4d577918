//! The walk over the segments of a message: which resources are in force, and which maps fill them.

use super::{
    account::Account,
    plan::{Plan, Tag, Use},
    run::{PATIENT, SPECIMEN, Work},
};

/// The families of messages that rows can name.
pub(super) const FAMILIES: [&str; 10] = ["*", "RESULT", "MEDICATION", "DISPENSE", "ADMINISTRATION", "VXU", "ORDER", "ADT", "SIU", "LINK"];

/// What a segment can belong to.
pub(super) const CONTEXTS: [&str; 10] =
    ["*", "header", "patient", "visit", "order", "dispense", "specimen", "observation", "document", "schedule"];

/// Families of messages by their code: what an order is, and what else applies.
fn family_of(code: &str) -> &'static str {
    match code {
        "ORU" | "OUL" | "ORF" | "OPU" | "OSM" => "RESULT",
        "RDE" | "OMP" | "RRE" | "ORP" => "MEDICATION",
        "RDS" | "RRD" => "DISPENSE",
        "RAS" | "RRA" => "ADMINISTRATION",
        "VXU" | "VXR" | "VXX" => "VXU",
        _ => "ORDER",
    }
}

/// Walks the message. False if no segment but the header has a map.
pub(super) fn walk(work: &mut Work<'_>, account: &mut Account) -> bool {
    let index = work.index;
    let plan = work.plan;
    let (code, trigger) = (index.first(0, 9, 1), index.first(0, 9, 2));
    let family = family_of(code);
    let mut extra: Vec<&'static str> = Vec::new();
    if code == "ADT" {
        extra.push("ADT");
    }
    if matches!(code, "SIU" | "SRM" | "SRR" | "SQR") {
        extra.push("SIU");
    }
    // A37 takes the link away: the patients are put without it.
    let specimen_first = code == "OUL" && matches!(trigger, "R22" | "R23");
    let links = trigger == "A24" && code == "ADT";
    let mut state =
        State { context: "header", notes: "header", order: family, open_order: false, dose: false, patients: 0, specimen_first };
    let mut starts = Vec::new();
    let mut recognised = false;
    let other = role(plan, "OtherPatient");
    for at in 0..index.segments.len() {
        let tag = index.segments[at].tag;
        work.open_segment(at, &mut starts);
        // Nobody is merged into nobody.
        if &tag == b"MRG" && work.roles[PATIENT].is_none() {
            account.segment(work, &starts);
            continue;
        }
        enter(work, &mut state, at, family);
        let mut linked = false;
        if &tag == b"PID" && links && state.patients == 2 {
            linked = true;
        }
        if let Some(known) = plan.uses.get(&tag) {
            for (name, uses) in known {
                if *name == "*" || *name == state.order || extra.contains(name) || (linked && *name == "LINK") {
                    recognised |= apply(work, uses, tag, &state, &starts);
                }
            }
        }
        if &tag == b"PID" && links && state.patients == 1 {
            work.roles[other] = work.roles[PATIENT];
        }
        account.segment(work, &starts);
    }
    recognised
}

struct State {
    /// What observations, diagnoses and parts played belong to.
    context: &'static str,
    /// What notes belong to.
    notes: &'static str,
    /// The family of the order in force.
    order: &'static str,
    /// An ORC has begun an order that has no OBR yet.
    open_order: bool,
    /// The order has a dose already.
    dose: bool,
    patients: u32,
    /// The specimen stands in front of its orders (OUL^R22, R23).
    specimen_first: bool,
}

fn role(plan: &Plan, name: &str) -> usize {
    plan.roles.iter().position(|role| role.name == name).unwrap_or(0)
}

/// The resources of an order.
pub(super) const ORDER_ROLES: [&str; 11] = [
    "DiagnosticReport",
    "ServiceRequest",
    "OrderSpecimen",
    "Specimen",
    "Observation",
    "MedicationRequest",
    "MedicationDispense",
    "MedicationAdministration",
    "Immunization",
    "OrderProvenance",
    "OrderTask",
];

/// The resources of one dose.
pub(super) const DOSES: [&str; 2] = ["Immunization", "MedicationAdministration"];

/// What stays when another patient begins.
pub(super) const MESSAGE_ROLES: [&str; 4] = ["MessageHeader", "Bundle", "EventProvenance", "OtherPatient"];

/// The roles that stand for an order, the first that is there.
pub(super) const ORDERS: [&str; 4] = ["DiagnosticReport", "ServiceRequest", "Immunization", "MedicationRequest"];

/// Which resources of roles a segment begins anew.
pub(super) const BEGINS: &[(&Tag, &[&str])] = &[
    (b"PV1", &["Encounter", "VisitCoverage"]),
    (b"NK1", &["RelatedPerson"]),
    (b"AL1", &["AllergyIntolerance"]),
    (b"IAM", &["AllergyIntolerance"]),
    (b"DG1", &["Condition"]),
    (b"PR1", &["Procedure"]),
    (b"IN1", &["Coverage"]),
    (b"GT1", &["Guarantor"]),
    (b"FT1", &["ChargeItem"]),
    (b"SPM", &["Specimen"]),
    (b"OBX", &["Observation"]),
    (b"TXA", &["DocumentReference"]),
    (b"SCH", &["Appointment", "Slot"]),
    (b"MRG", &["MergedPatient"]),
];

fn forget(work: &mut Work<'_>, roles: &[usize]) {
    for role in roles {
        work.roles[*role] = None;
    }
}

/// Another order begins; where the specimen stands in front of its orders it stays.
fn forget_order(work: &mut Work<'_>, state: &State) {
    let specimen = work.roles[SPECIMEN];
    forget(work, &work.plan.order_roles);
    if state.specimen_first {
        work.roles[SPECIMEN] = specimen;
    }
}

/// What changes when a segment begins.
fn enter(work: &mut Work<'_>, state: &mut State, at: usize, family: &'static str) {
    let tag = work.index.segments[at].tag;
    let plan = work.plan;
    if let Some(roles) = plan.begins.get(&tag) {
        forget(work, roles);
    }
    match &tag {
        b"PID" => {
            state.patients += 1;
            if state.patients > 1 {
                // What the first one said nothing of is not what the next one says.
                work.resolve_pending();
                forget(work, &plan.patient_roles);
            }
            (state.context, state.notes, state.open_order) = ("patient", "patient", false);
        }
        b"PV1" => {
            if [19, 50, 44].iter().all(|field| work.index.field(at, *field).is_empty()) {
                work.note(
                    "convert-visit-without-number",
                    sutura_core::Severity::Info,
                    "the visit has neither a number nor a time of admission; it is known by the patient's account, else by class and day",
                );
            }
            (state.context, state.notes) = ("visit", "visit");
        }
        b"ORC" => {
            forget_order(work, state);
            state.order = order_family(work, at, family);
            (state.context, state.notes, state.open_order, state.dose) = ("order", "order", true, false);
        }
        b"OBR" => {
            if !state.open_order {
                forget_order(work, state);
                state.order = order_family(work, at, family);
            }
            (state.context, state.notes, state.open_order) = ("order", "order", false);
        }
        b"RXO" | b"RXE" | b"RXD" | b"RXA" => {
            if !matches!(state.context, "order" | "dispense") {
                forget_order(work, state);
                state.order = order_family(work, at, family);
            }
            if &tag == b"RXA" && std::mem::replace(&mut state.dose, true) {
                forget(work, &plan.dose_roles);
            }
            let context = if &tag == b"RXD" { "dispense" } else { "order" };
            (state.context, state.notes) = (context, context);
        }
        b"SPM" => {
            if state.specimen_first {
                // The orders of the specimen before it are done.
                forget(work, &plan.order_roles);
            }
            (state.context, state.notes) = ("specimen", "specimen");
        }
        b"OBX" => state.notes = if state.context == "document" { "document" } else { "observation" },
        b"TXA" => (state.context, state.notes) = ("document", "document"),
        b"SCH" | b"AIS" | b"AIG" | b"AIL" | b"AIP" | b"RGS" => (state.context, state.notes) = ("schedule", "schedule"),
        _ => {}
    }
}

/// Segments of an order that are looked at to know what it orders.
const LOOK_AHEAD: usize = 24;

/// What an order is about: its own segments say so, whatever the message is called.
fn order_family(work: &Work<'_>, at: usize, family: &'static str) -> &'static str {
    let rest = work.index.segments.iter().skip(at + 1).take(LOOK_AHEAD).take_while(|segment| &segment.tag != b"ORC");
    let here = work.index.segments[at].tag;
    let mut medication = false;
    for tag in std::iter::once(here).chain(rest.map(|segment| segment.tag)) {
        match &tag {
            b"RXD" => return "DISPENSE",
            b"RXA" => return if family == "VXU" { "VXU" } else { "ADMINISTRATION" },
            b"RXO" | b"RXE" => medication = true,
            b"OBR" => return if family == "RESULT" { "RESULT" } else { "ORDER" },
            _ => {}
        }
    }
    if medication { "MEDICATION" } else { family }
}

/// Applies the maps that a family has for a segment.
fn apply(work: &mut Work<'_>, uses: &'static [Use], tag: Tag, state: &State, starts: &[u32]) -> bool {
    let plan = work.plan;
    let context = if matches!(&tag, b"NTE" | b"PRT") { state.notes } else { state.context };
    let mut applied = false;
    for one in uses {
        if one.context != "*" && one.context != context {
            continue;
        }
        if !work.meets(one.condition.as_ref()) {
            continue;
        }
        let role = plan.roles[one.role];
        let resource = match work.roles[one.role] {
            Some(resource) => resource,
            // A map that only links needs the resource to be there.
            None if plan.maps[one.map].only_links => continue,
            None => {
                let (resource, _) = work.begin(role.ty, Some(one.role));
                work.roles[one.role] = Some(resource);
                resource
            }
        };
        work.apply(&plan.maps[one.map], resource, starts);
        applied = true;
    }
    applied && &tag != b"MSH"
}
