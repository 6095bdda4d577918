//! What rows of a table cannot say: functions that the tables name with `fn:`.

use sutura_terminology::oid;

use super::{
    document,
    index::Parts,
    observed,
    plan::{Leaf, Op},
    run::{Value, Work},
    text,
};
use crate::fhir::NodeId;

/// A function of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    /// The URI of an assigning authority whose three components begin at a number.
    Authority(u8),
    /// A name as one text.
    NameText,
    /// A person's place as a chain of Locations.
    Location,
    /// The whole repetition as text.
    Text,
    /// All repetitions as lines of text.
    Lines,
    /// The media type of an ED.
    MediaType,
    /// The data of an ED.
    Attachment,
    /// A duration in minutes; its unit stands in the next field.
    Minutes,
    /// NM as a quantity, or as text where it is no number.
    Number,
    /// SN as a quantity, range, ratio or text.
    StructuredNumber,
    /// The unit of a number that became text.
    UnitInText,
    /// All lines of a document as one content.
    DocumentText,
    /// The title of that content.
    DocumentTitle,
}

impl Function {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "authority1" => Self::Authority(1),
            "authority2" => Self::Authority(2),
            "authority9" => Self::Authority(9),
            "name-text" => Self::NameText,
            "location" => Self::Location,
            "text" => Self::Text,
            "lines" => Self::Lines,
            "media-type" => Self::MediaType,
            "attachment" => Self::Attachment,
            "minutes" => Self::Minutes,
            "number" => Self::Number,
            "structured-number" => Self::StructuredNumber,
            "unit-in-text" => Self::UnitInText,
            "document-text" => Self::DocumentText,
            "document-title" => Self::DocumentTitle,
            _ => return None,
        })
    }

    /// Whether it takes all repetitions of a field at once.
    pub(super) fn takes_field(self) -> bool {
        matches!(self, Self::Lines | Self::DocumentText)
    }
}

/// Runs a function on a value; gives a bit for each component that went somewhere.
pub(super) fn run<'m>(work: &mut Work<'m>, function: Function, value: Value<'m>, node: NodeId, op: &'static Op) -> u64 {
    let parts = work.index.parts(value.raw, value.level);
    match function {
        Function::Authority(first) => authority(work, &parts, usize::from(first), node),
        Function::NameText => name_text(work, &parts, node),
        Function::Location => location(work, &parts, value.level, node),
        Function::Text => {
            let plain = work.index.plain(value.raw);
            if put(work, op.leaf, &plain, node) { u64::MAX } else { 0 }
        }
        Function::MediaType => media_type(work, &parts, node),
        Function::Attachment => attachment(work, &parts, node),
        Function::Minutes => minutes(work, &parts, node, op),
        Function::Number => observed::number(work, value, node),
        Function::StructuredNumber => observed::structured(work, value, node),
        Function::UnitInText => observed::unit_in_text(work, node),
        Function::DocumentTitle => document::title(work, node),
        Function::Lines | Function::DocumentText => 0,
    }
}

/// The repetitions of a field as lines.
pub(super) fn lines<'m>(work: &Work<'m>, raw: &'m str) -> String {
    let mut plain = String::new();
    for (number, line) in work.index.repetitions(raw).enumerate() {
        if number > 0 {
            plain.push('\n');
        }
        if line != "\"\"" {
            plain.push_str(&work.index.plain(line));
        }
    }
    let mut out = String::new();
    if text::push(Leaf::Markdown, &plain, &mut out) { out } else { String::new() }
}

fn put(work: &mut Work<'_>, leaf: Leaf, plain: &str, node: NodeId) -> bool {
    let (start, out) = work.tree.open_text();
    let ok = text::push(leaf, plain, out);
    if ok {
        work.tree.close_text(node, start);
    } else {
        out.truncate(start as usize);
    }
    ok
}

/// Namespace, universal id and its type as a URI. The universal id says the same everywhere, a namespace only at its sender: the id is
/// taken where there is one, unless the options ask for the guide's order.
fn authority(work: &mut Work<'_>, parts: &Parts<'_>, first: usize, node: NodeId) -> u64 {
    let [namespace, id, kind] = [first, first + 1, first + 2].map(|number| work.index.plain(parts.get(number)));
    let (namespace, id, kind) = (namespace.trim(), id.trim(), kind.trim());
    let mask = 0b111 << (first - 1);
    let uri = universal(id, kind).filter(|_| !work.namespace_first || namespace.is_empty());
    let uri = uri.or_else(|| {
        // The one namespace that everyone means the same by.
        if namespace == "NPI" {
            return Some("http://hl7.org/fhir/sid/us-npi".to_owned());
        }
        let base = work.namespace_base.unwrap_or("");
        (!namespace.is_empty()).then(|| format!("{base}{namespace}"))
    });
    match uri {
        Some(uri) if put(work, Leaf::Uri, &uri, node) => mask,
        // A namespace that is no URI is kept where the user says below which base; else there is no place for it.
        _ => 0,
    }
}

/// A universal id as a URI.
pub(super) fn universal(id: &str, kind: &str) -> Option<String> {
    if id.is_empty() {
        return None;
    }
    Some(match kind {
        "ISO" | "OID" => oid::uri(id).map_or_else(|| id.to_owned(), std::borrow::Cow::into_owned),
        "UUID" | "GUID" if oid::is_uuid(id) => format!("urn:uuid:{}", id.to_ascii_lowercase()),
        _ => id.to_owned(),
    })
}

/// A URN of an OID or a UUID that is none is the bare text: the sender's type is wrong, the text still tells what is meant.
pub(super) fn checked_urn(uri: &str) -> &str {
    if let Some(number) = uri.strip_prefix("urn:oid:") {
        return if oid::is_oid(number) { uri } else { number };
    }
    match uri.strip_prefix("urn:uuid:") {
        Some(uuid) if !oid::is_uuid(uuid) => uuid,
        _ => uri,
    }
}

fn name_text(work: &mut Work<'_>, parts: &Parts<'_>, node: NodeId) -> u64 {
    let family = work.index.parts(parts.get(1), parts.level + 1);
    let mut text = String::new();
    for raw in [parts.get(5), parts.get(2), parts.get(3), family.get(1), parts.get(4), parts.get(6)] {
        let plain = work.index.plain(raw);
        if !plain.trim().is_empty() {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(plain.trim());
        }
    }
    if put(work, Leaf::String, &text, node) { 0b11_1111 } else { 0 }
}

/// The levels of a place from the narrowest to the widest: component of PL, physical type.
const LEVELS: [(usize, &str, &str); 6] =
    [(3, "bd", "Bed"), (2, "ro", "Room"), (1, "", ""), (8, "lvl", "Level"), (7, "bu", "Building"), (4, "si", "Site")];

/// Each level that is stated is a Location, part of the next wider one. The element at hand is the narrowest.
fn location<'m>(work: &mut Work<'m>, parts: &Parts<'m>, level: u8, node: NodeId) -> u64 {
    let (mut mask, mut at, mut first) = (0u64, node, true);
    for (component, code, display) in LEVELS {
        let raw = parts.get(component);
        if raw.is_empty() {
            continue;
        }
        if !first {
            let ty = work.tree.ty(node);
            let Some(part_of) = work.tree.element(at, "partOf") else { break };
            let (resource, root) = work.begin(ty, None);
            work.tree.set_link(part_of, resource);
            at = root;
        }
        first = false;
        place(work, &work.index.parts(raw, level + 1), at);
        if !code.is_empty() {
            work.tree.set(at, "physicalType.coding[0].system", "http://terminology.hl7.org/CodeSystem/location-physical-type");
            work.tree.set(at, "physicalType.coding[0].code", code);
            work.tree.set(at, "physicalType.coding[0].display", display);
        }
        mask |= 1 << (component - 1);
    }
    if first {
        return 0;
    }
    work.tree.set(node, "mode", "instance");
    let status = parts.get(5);
    if let Some(status) = ["active", "suspended", "inactive"].into_iter().find(|known| status.eq_ignore_ascii_case(known)) {
        work.tree.set(node, "status", status);
        mask |= 1 << 4;
    }
    let description = work.index.plain(parts.get(9));
    if !description.trim().is_empty() {
        work.tree.set(node, "description", description.trim());
        mask |= 1 << 8;
    }
    let entity = work.index.parts(parts.get(10), level + 1);
    let value = work.index.plain(entity.get(1));
    if !value.trim().is_empty()
        && let Some(identifier) = work.tree.push(node, "identifier")
    {
        work.tree.set(identifier, "value", value.trim());
        if let Some(system) = work.tree.element(identifier, "system") {
            authority(work, &entity, 2, system);
        }
        mask |= 1 << 9;
    }
    mask
}

/// One level of a place: its name and identifiers.
fn place(work: &mut Work<'_>, hd: &Parts<'_>, node: NodeId) {
    let [name, id, kind] = [1, 2, 3].map(|number| work.index.plain(hd.get(number)).trim().to_owned());
    if !name.is_empty() {
        if let Some(identifier) = work.tree.push(node, "identifier") {
            put_at(work, identifier, "value", &name);
        }
        put_at(work, node, "name", &name);
    }
    if id.is_empty() {
        return;
    }
    let Some(identifier) = work.tree.push(node, "identifier") else { return };
    if let (Some(uri), true) = (universal(&id, &kind), matches!(kind.as_str(), "ISO" | "UUID")) {
        work.tree.set(identifier, "system", "urn:ietf:rfc:3986");
        put_at(work, identifier, "value", &uri);
    } else {
        put_at(work, identifier, "value", &id);
    }
    if !kind.is_empty() {
        work.tree.set(identifier, "type.coding[0].system", "http://terminology.hl7.org/CodeSystem/v2-0301");
        put_at(work, identifier, "type.coding[0].code", &kind);
    }
}

fn put_at(work: &mut Work<'_>, from: NodeId, path: &'static str, text: &str) {
    let mut clean = String::new();
    if text::push(Leaf::Code, text, &mut clean) {
        work.tree.set(from, path, &clean);
    }
}

/// Minutes in a unit of time as UCUM, ISO 2955 and the clerks write it. The standard takes seconds where none is stated.
fn seconds_of(unit: &str) -> Option<u32> {
    Some(match unit.to_ascii_lowercase().as_str() {
        "" | "s" | "sec" | "secs" | "second" | "seconds" => 1,
        "m" | "min" | "mins" | "minute" | "minutes" => 60,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3600,
        "d" | "day" | "days" => 86_400,
        "w" | "wk" | "wks" | "week" | "weeks" => 604_800,
        _ => return None,
    })
}

fn minutes(work: &mut Work<'_>, parts: &Parts<'_>, node: NodeId, op: &Op) -> u64 {
    let unit = work.index.plain(work.index.first(work.here, op.at + 1, 1)).trim().to_owned();
    let amount = work.index.plain(parts.get(1)).trim().parse::<u32>().ok();
    let seconds = seconds_of(&unit).zip(amount).and_then(|(seconds, amount)| seconds.checked_mul(amount));
    match seconds {
        Some(seconds) if seconds > 0 && seconds % 60 == 0 => {
            if put(work, Leaf::Positive, &(seconds / 60).to_string(), node) {
                u64::MAX
            } else {
                0
            }
        }
        _ => {
            work.note(
                "convert-duration-not-known",
                sutura_core::Severity::Warning,
                "the unit of the duration is not known, or the duration is no number of whole minutes; it is left out",
            );
            0
        }
    }
}

fn media_type(work: &mut Work<'_>, parts: &Parts<'_>, node: NodeId) -> u64 {
    let [kind, subtype] = [2, 3].map(|number| work.index.plain(parts.get(number)).trim().to_owned());
    let codes = work.plan.codes.iter().find(|codes| codes.name == "MediaType");
    let known = |name: &str| codes.and_then(|codes| codes.translate(name).or_else(|| codes.translate(&name.to_ascii_uppercase())));
    let token = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte));
    let top = kind.to_ascii_lowercase();
    let is_top = matches!(top.as_str(), "application" | "audio" | "image" | "text" | "video" | "model" | "multipart");
    let (media, mask) = if let Some(target) = known(&subtype).or_else(|| known(&kind)) {
        (target.code.to_owned(), 0b110)
    } else if subtype.split_once('/').is_some_and(|(top, sub)| token(top) && token(sub)) {
        (subtype.to_ascii_lowercase(), 0b110)
    } else if is_top && token(&subtype) {
        (format!("{top}/{}", subtype.to_ascii_lowercase()), 0b110)
    } else if parts.get(5).is_empty() {
        return 0;
    } else {
        ("application/octet-stream".to_owned(), 0)
    };
    if put(work, Leaf::Code, &media, node) { mask } else { 0 }
}

fn attachment(work: &mut Work<'_>, parts: &Parts<'_>, node: NodeId) -> u64 {
    let (encoding, raw) = (parts.get(4), parts.get(5));
    if raw.is_empty() {
        return 0;
    }
    let data = work.index.plain(raw);
    let (start, out) = work.tree.open_text();
    let ok = match encoding.to_ascii_lowercase().as_str() {
        "base64" => text::push_sent_base64(&data, out),
        "hex" => match hex(data.trim()) {
            Some(bytes) => {
                text::push_base64(&bytes, out);
                true
            }
            None => false,
        },
        _ => {
            text::push_base64(data.as_bytes(), out);
            true
        }
    };
    if ok {
        work.tree.close_text(node, start);
        0b1_1000
    } else {
        out.truncate(start as usize);
        work.note("convert-invalid-value", sutura_core::Severity::Warning, "the data is not encoded as it says; it is left out");
        0
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.as_bytes().chunks_exact(2).map(|pair| Some((digit(pair[0])? * 16 + digit(pair[1])?) as u8)).collect()
}
