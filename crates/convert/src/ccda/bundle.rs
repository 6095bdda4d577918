//! The Bundle, and the Provenance that says where it came from.

use std::collections::BTreeMap;

use chrono::{SecondsFormat, Utc};

use super::{
    BundleForm,
    context::{Author, Context, Resource},
    json::{Json, Obj},
    stamp::Stamp,
    types::{absent, attr, coded},
};
use crate::fhir::{AGENT_TYPE, ASSEMBLER, SOURCE_LENGTH, SOURCE_OFFSET, SOURCE_SHA256, Source, provenance_id, push_string};

/// Appends the Bundle and says how many resources it has.
pub(super) fn write(cx: &Context<'_>, provenances: &[Resource], source: &Source<'_>, out: &mut Vec<u8>) -> usize {
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
    let mut written = 0;
    for resource in cx.resources.iter().chain(provenances) {
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
        let mut body = resource.body.clone();
        body.each_text_mut("reference", &mut |text| {
            if let Some(urn) = urn(text) {
                *text = urn.into();
            }
        });
        write_resource(&resource.with_body(body), out);
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

/// The Provenances of a document: one that says which bytes every resource was assembled from, and one for each group of statements of a
/// section that have the same authors at the same times.
pub(super) fn provenances(cx: &Context<'_>, source: &Source<'_>) -> Vec<Resource> {
    let hash = source.sha256.to_string();
    let mut made = vec![of_source(cx, source, &hash)];
    let mut groups: BTreeMap<(usize, usize), Vec<Json>> = BTreeMap::new();
    for resource in &cx.resources {
        if let Some(group) = resource.authors {
            groups.entry(group).or_default().push(Obj::of("reference", resource.reference()).into());
        }
    }
    for ((section, authors), targets) in groups {
        if let Some(authors) = cx.author_sets.get(authors) {
            let id = provenance_id(&hash, &format!("ccda author {section} {authors:?}"));
            made.push(Resource::new("Provenance", id, of_authors(authors, targets)));
        }
    }
    made
}

/// Who stated what, and when.
fn of_authors(authors: &[Author], targets: Vec<Json>) -> Obj {
    let mut body = Obj::new();
    body.put("target", targets);
    match authors.iter().find_map(|author| author.time.clone()) {
        // An instant has a time of day.
        Some(time) if time.contains('T') => body.put("recorded", time),
        Some(time) => {
            body.put("occurredDateTime", time);
            body.put("_recorded", absent("unknown"));
        }
        None => body.put("_recorded", absent("unknown")),
    }
    for author in authors {
        let mut agent = Obj::new();
        agent.put("type", coded(AGENT_TYPE, "author", "Author"));
        agent.put("who", author.who.clone());
        agent.opt("onBehalfOf", author.organization.clone());
        body.push("agent", agent);
    }
    body
}

/// Every resource was assembled from the bytes of the document.
fn of_source(cx: &Context<'_>, source: &Source<'_>, hash: &str) -> Resource {
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
    identifier.put("value", hash.to_owned());
    what.put("identifier", identifier);
    let mut entity = Obj::of("role", "source");
    entity.put("what", what);
    body.push("entity", entity);
    let id = provenance_id(hash, "ccda");
    Resource::new("Provenance", id, body)
}
