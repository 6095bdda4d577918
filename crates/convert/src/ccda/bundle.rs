//! The Bundle, and the Provenance that says where it came from.

use chrono::{SecondsFormat, Utc};

use super::{
    BundleForm,
    context::{Context, Resource},
    json::{Json, Obj},
    stamp::Stamp,
    types::{absent, attr, coded},
};
use crate::fhir::{AGENT_TYPE, ASSEMBLER, SOURCE_LENGTH, SOURCE_OFFSET, SOURCE_SHA256, Source, provenance_id, push_string};

/// Appends the Bundle and says how many resources it has.
pub(super) fn write(cx: &Context<'_>, source: &Source<'_>, out: &mut Vec<u8>) -> usize {
    let form = cx.options.bundle;
    out.extend_from_slice(b"{\"resourceType\":\"Bundle\",");
    if form == BundleForm::Document {
        let mut head = Obj::new();
        let id = cx.doc.root().child("id").and_then(super::types::identity);
        let value = match id.and_then(|(root, extension)| super::oid::uri_of_root(root).map(|root| (root, extension))) {
            Some((root, "")) => root.into_owned(),
            Some((root, extension)) => format!("{root}#{extension}"),
            None => format!("urn:sha256:{}", source.sha256),
        };
        head.put("system", "urn:ietf:rfc:3986");
        head.put("value", value);
        out.extend_from_slice(b"\"identifier\":");
        Json::from(head).write(out);
        out.push(b',');
    }
    let kind = match form {
        BundleForm::Transaction => "transaction",
        BundleForm::Document => "document",
        BundleForm::Collection => "collection",
    };
    out.extend_from_slice(b"\"type\":");
    push_string(kind, out);
    if form == BundleForm::Document {
        // A document has to have one (bdl-10): when the Bundle was put together, if it is not known when the document was.
        let timestamp = recorded(cx).unwrap_or_else(|| Utc::now().to_rfc3339_opts(SecondsFormat::Secs, false));
        out.extend_from_slice(b",\"timestamp\":");
        push_string(&timestamp, out);
    }
    out.extend_from_slice(b",\"entry\":[");
    let provenance = cx.options.provenance.then(|| provenance(cx, source));
    let mut written = 0;
    for resource in cx.resources.iter().chain(&provenance) {
        if written > 0 {
            out.push(b',');
        }
        written += 1;
        entry(cx, resource, out);
    }
    out.extend_from_slice(b"]}");
    written
}

fn entry(cx: &Context<'_>, resource: &Resource, out: &mut Vec<u8>) {
    let form = cx.options.bundle;
    out.push(b'{');
    let full_url = match &cx.options.base_url {
        Some(base) => Some(format!("{}/{}", base.trim_end_matches('/'), resource.reference())),
        None if form != BundleForm::Transaction => urn(&resource.reference()),
        None => None,
    };
    if let Some(url) = &full_url {
        out.extend_from_slice(b"\"fullUrl\":");
        push_string(url, out);
        out.push(b',');
    }
    out.extend_from_slice(b"\"resource\":");
    if form != BundleForm::Transaction && cx.options.base_url.is_none() {
        let mut copy = Resource { kind: resource.kind, id: resource.id, body: resource.body.clone(), origin: resource.origin.clone() };
        copy.body.each_text_mut("reference", &mut |text| {
            if let Some(urn) = urn(text) {
                *text = urn.into();
            }
        });
        write_resource(&copy, out);
    } else {
        write_resource(resource, out);
    }
    if form == BundleForm::Transaction {
        out.extend_from_slice(b",\"request\":{\"method\":\"PUT\",\"url\":");
        push_string(&resource.reference(), out);
        out.push(b'}');
    }
    out.push(b'}');
}

/// Appends one resource.
pub(super) fn write_resource(resource: &Resource, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"resourceType\":");
    push_string(resource.kind, out);
    out.extend_from_slice(b",\"id\":");
    push_string(resource.id.as_str(), out);
    if !resource.body.is_empty() {
        out.push(b',');
        resource.body.write_members(out);
    }
    out.push(b'}');
}

/// `urn:uuid:` with the digits of the id, for a reference of ours.
fn urn(reference: &str) -> Option<String> {
    let (_, id) = reference.split_once('/')?;
    if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    Some(format!("urn:uuid:{}-{}-{}-{}-{}", &id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]))
}

/// When it was recorded, as an instant: what the options say, else the time of the document if that is one. A date alone is no instant, and
/// none is made of it.
fn recorded(cx: &Context<'_>) -> Option<String> {
    if let Some(recorded) = &cx.options.recorded {
        return Some(recorded.clone());
    }
    made(cx)?.instant(cx.zone)
}

/// When the document was made.
fn made<'d>(cx: &Context<'d>) -> Option<Stamp<'d>> {
    attr(cx.doc.root().child("effectiveTime")?, "value").and_then(Stamp::parse)
}

/// Every resource was assembled from the bytes of the document.
fn provenance(cx: &Context<'_>, source: &Source<'_>) -> Resource {
    let mut body = Obj::new();
    let targets: Vec<Json> = cx.resources.iter().map(|resource| Obj::of("reference", resource.reference()).into()).collect();
    body.put("target", targets);
    body.opt("occurredDateTime", made(cx).map(|made| made.date_time(cx.zone)));
    match recorded(cx) {
        Some(recorded) => body.put("recorded", recorded),
        None => body.put("_recorded", absent("unknown")),
    }
    body.put(
        "activity",
        coded("http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle", "transform", "Transform/Translate Record Lifecycle Event"),
    );
    let mut agent = Obj::new();
    agent.put("type", coded(AGENT_TYPE, ASSEMBLER.0, "Assembler"));
    agent.put("who", Obj::of("display", ASSEMBLER.1));
    body.push("agent", agent);
    if let Some(author) = &cx.author {
        let mut agent = Obj::new();
        agent.put("type", coded(AGENT_TYPE, "author", "Author"));
        agent.put("who", author.clone());
        body.push("agent", agent);
    }
    let hash = source.sha256.to_string();
    let mut what = Obj::new();
    for (url, number) in [(SOURCE_OFFSET, source.offset), (SOURCE_LENGTH, source.length)] {
        let mut extension = Obj::of("url", url);
        // Text: R4 has no integer that holds every offset.
        extension.put("valueString", number.to_string());
        what.push("extension", extension);
    }
    if !source.uri.is_empty() {
        what.put("reference", source.uri.to_owned());
    }
    let mut identifier = Obj::of("system", SOURCE_SHA256);
    identifier.put("value", hash.clone());
    what.put("identifier", identifier);
    let mut entity = Obj::of("role", "source");
    entity.put("what", what);
    body.push("entity", entity);
    let id = provenance_id(&hash, "ccda");
    Resource { kind: "Provenance", id, body, origin: 0..source.length as usize }
}
