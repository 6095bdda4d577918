//! From units to records: parsed, looked into for Bundles, handed to the tables. Every byte is accounted for.

use std::sync::Arc;

use bytes::Bytes;
use sutura_core::{
    BlockDecoder, Decoded, DecodedSink, DecoderSpec, Finding, FormatError, Progress, ReadStats, RecordId, Reject, Severity, Sha256Hash,
};

use super::{
    layout::BYTE_ORDER_MARK,
    options::Options,
    skeleton::{BadTail, Skeleton},
    split::{Fault, Splitter, Unit},
    types::is_resource_type,
    views::{CODE_VIEW_REFUSED, Views},
};
use crate::{
    json::{JsonError, Kind, Parser, Value},
    tables::{Plan, Record},
    xml::{self, FromXml, XmlErrorKind},
};

const BUNDLE: &str = "Bundle";
/// Of a Bundle that was asked for whole and is read by its entries.
const CODE_NOT_WHOLE: &str = "bundle-not-whole";

/// Reads one byte range.
#[derive(Debug)]
pub struct Decoder {
    splitter: Splitter,
    parser: Parser,
    /// The Bundle whose entries are being read.
    skeleton: Skeleton,
    records: Records,
    max_record_bytes: usize,
}

impl Decoder {
    /// A decoder for the range and tables of `spec`.
    ///
    /// # Errors
    /// When a table or column does not exist, or an option is wrong.
    pub fn new(spec: DecoderSpec) -> Result<Self, FormatError> {
        Self::with_views(spec, Views::default())
    }

    /// As [`Decoder::new`], with views that serve some of the requests.
    pub(super) fn with_views(spec: DecoderSpec, views: Views) -> Result<Self, FormatError> {
        let options = Options::from_json(&spec.options)?;
        let held = if views.show(BUNDLE) { Some(options.most_of_bundle()) } else { options.whole_bundle() };
        Ok(Self {
            splitter: Splitter::new(spec.start, spec.end, options.max_record_bytes).with_whole_bundles(held),
            parser: Parser::new(options.limits()),
            skeleton: Skeleton::new(options.limits()),
            records: Records {
                plan: Plan::compile(spec.requests.iter().enumerate().filter(|(position, _)| !views.serve(*position)), spec.batch_rows)?,
                views,
                source: spec.source,
                stats: ReadStats::default(),
                in_records: 0,
                whole_bundles: options.whole_bundle().is_some(),
            },
            max_record_bytes: options.max_record_bytes,
        })
    }

    fn drain(&mut self, at_end: bool, out: &mut dyn DecodedSink) -> Result<(), FormatError> {
        while let Some(unit) = self.splitter.next_unit(at_end) {
            let range = match &unit {
                Unit::Envelope(length) => {
                    self.records.stats.bytes += *length as u64;
                    self.records.stats.envelope_bytes += *length as u64;
                    continue;
                }
                Unit::Oversized { offset, length, sha256, beginning } => {
                    self.records.oversized(*offset, *length, *sha256, beginning.clone(), self.max_record_bytes, out)?;
                    continue;
                }
                Unit::Line(range) | Unit::Xml(range) | Unit::Value(range) | Unit::Entry(range) | Unit::Tail(range) => range.clone(),
                Unit::Head(range, _) | Unit::Misplaced(range, _) => range.clone(),
            };
            let piece = Piece { bytes: &self.splitter.bytes()[range.clone()], offset: self.splitter.offset_of(range.start) };
            let (parser, skeleton) = (&mut self.parser, &mut self.skeleton);
            self.records.whole(piece, out, |records, piece, out| match unit {
                // A number, a truth value or null is a value, and no resource.
                Unit::Misplaced(_, Fault::NoValue) if parser.parse(piece.bytes).is_ok() => {
                    let reason = "a resource has to be a JSON object";
                    records.reject(piece, "not-a-resource", "", reason.to_owned(), out)
                }
                Unit::Misplaced(_, fault) => records.reject(piece, "json-syntax", "", fault.reason().to_owned(), out),
                Unit::Head(_, Some(fault)) => {
                    skeleton.unknown_head();
                    records.reject(piece, "json-syntax", "", fault.reason().to_owned(), out)
                }
                Unit::Head(_, None) => match skeleton.head(piece.bytes) {
                    Ok(()) => records.entered(piece, out),
                    Err(error) => records.reject(piece, error.kind.code(), "Bundle", json_reason(error), out),
                },
                Unit::Tail(_) => match skeleton.tail(piece.bytes) {
                    Ok(()) => Ok(()),
                    Err(BadTail::Json(error)) => records.reject(piece, error.kind.code(), "Bundle", json_reason(error), out),
                    Err(BadTail::NoBundle) => {
                        let reason = "the object has the entries of a Bundle, but its resourceType is not Bundle";
                        records.reject(piece, "resource-type-unknown", "resourceType", reason.to_owned(), out)
                    }
                },
                Unit::Xml(_) => records.xml(piece, parser, out),
                _ => match parser.parse(piece.bytes) {
                    Ok(document) if matches!(unit, Unit::Entry(_)) => records.entry(document.root(), Origin::Sent(piece.offset), 0, out),
                    Ok(document) => records.outermost(document.root(), Origin::Sent(piece.offset), out),
                    Err(error) => records.reject(piece, error.kind.code(), "", json_reason(error), out),
                },
            })?;
        }
        Ok(())
    }
}

impl BlockDecoder for Decoder {
    fn push(&mut self, block: Bytes, out: &mut dyn DecodedSink) -> Result<Progress, FormatError> {
        self.splitter.push(&block);
        self.drain(false, out)?;
        Ok(if self.splitter.is_done() { Progress::Done } else { Progress::More })
    }

    fn finish(&mut self, out: &mut dyn DecodedSink) -> Result<ReadStats, FormatError> {
        self.splitter.push(&[]);
        self.drain(true, out)?;
        if self.splitter.ended_inside() {
            self.records.stats.count_finding(&Finding::new(
                "document-unterminated",
                Severity::Error,
                "",
                "the file ends inside a Bundle or array; it may have been cut off",
            ));
        }
        self.records.plan.finish(out)?;
        self.records.views.finish(out)?;
        Ok(std::mem::take(&mut self.records.stats))
    }
}

fn json_reason(error: JsonError) -> String {
    format!("byte {} of the record: {}", error.offset, error.kind)
}

/// Bytes of the source.
#[derive(Clone, Copy)]
struct Piece<'p> {
    bytes: &'p [u8],
    offset: u64,
}

/// Where values come from.
#[derive(Clone, Copy)]
enum Origin<'p> {
    /// They stand in the source so; the document begins at that offset.
    Sent(u64),
    /// They were made from XML.
    Xml(&'p FromXml, Piece<'p>),
}

impl<'p> Origin<'p> {
    /// The bytes of the source that a resource, or an entry of a Bundle, was read from.
    fn of(self, value: Value<'p>) -> Piece<'p> {
        match self {
            Self::Sent(base) => Piece { bytes: value.raw(), offset: base + value.offset() as u64 },
            Self::Xml(read, document) => {
                let range = read.range_in_xml(value.offset());
                Piece { offset: document.offset + range.start as u64, bytes: document.bytes.get(range).unwrap_or(document.bytes) }
            }
        }
    }
}

/// What comes of the values.
#[derive(Debug)]
struct Records {
    source: Arc<str>,
    plan: Plan,
    views: Views,
    stats: ReadStats,
    /// Bytes of the current unit that are in records or rejects.
    in_records: u64,
    /// Bundles are records.
    whole_bundles: bool,
}

impl Records {
    /// Accounts for a unit: what no record or reject takes of it is envelope. Blanks around it are.
    fn whole(
        &mut self,
        unit: Piece<'_>,
        out: &mut dyn DecodedSink,
        read: impl FnOnce(&mut Self, Piece<'_>, &mut dyn DecodedSink) -> Result<(), FormatError>,
    ) -> Result<(), FormatError> {
        let mark = if unit.offset == 0 { BYTE_ORDER_MARK } else { b"" };
        let from_start = unit.bytes.strip_prefix(mark).unwrap_or(unit.bytes).trim_ascii_start();
        let piece = Piece { bytes: from_start.trim_ascii_end(), offset: unit.offset + (unit.bytes.len() - from_start.len()) as u64 };
        self.in_records = 0;
        if !piece.bytes.is_empty() {
            read(self, piece, out)?;
        }
        let length = unit.bytes.len() as u64;
        self.stats.bytes += length;
        self.stats.envelope_bytes += length.saturating_sub(self.in_records);
        Ok(())
    }

    /// A Bundle with that head is read by its entries: for a view over Bundles it is lost.
    fn entered(&mut self, head: Piece<'_>, out: &mut dyn DecodedSink) -> Result<(), FormatError> {
        let what = "the Bundle is too large to be read whole, or does not end: it was read by its entries";
        if self.views.show(BUNDLE) {
            return self.reject(head, CODE_NOT_WHOLE, BUNDLE, what.to_owned(), out);
        }
        if self.whole_bundles {
            self.stats.count_finding(&Finding::new(CODE_NOT_WHOLE, Severity::Warning, BUNDLE, what));
        }
        Ok(())
    }

    /// A document of XML, as the JSON that it stands for.
    fn xml(&mut self, document: Piece<'_>, parser: &mut Parser, out: &mut dyn DecodedSink) -> Result<(), FormatError> {
        let read = match xml::to_json(document.bytes) {
            Ok(read) => read,
            Err(error) => {
                let what = if error.kind == XmlErrorKind::NoResource { "; FHIR XML begins with the element of a resource" } else { "" };
                return self.reject(
                    document,
                    error.kind.code(),
                    "",
                    format!("byte {} of the record: {}{what}", error.offset, error.kind),
                    out,
                );
            }
        };
        for (place, what) in &read.problems {
            self.stats.count_finding(&Finding::new("xml-not-kept", Severity::Error, place.clone(), *what));
        }
        match parser.parse(read.json.as_bytes()) {
            Ok(made) => self.outermost(made.root(), Origin::Xml(&read, document), out),
            Err(error) => self.reject(document, error.kind.code(), "", format!("as JSON: {}", error.kind), out),
        }
    }

    /// A line, a document or an element of its outermost array.
    fn outermost(&mut self, value: Value<'_>, from: Origin<'_>, out: &mut dyn DecodedSink) -> Result<(), FormatError> {
        if value.kind() != Kind::Array {
            return self.resource(value, None, from, 0, out);
        }
        if value.is_empty() {
            return self.reject_value(value, from, "not-a-resource", "", "an empty array holds no resource", out);
        }
        value.items().try_for_each(|item| self.resource(item, None, from, 0, out))
    }

    /// One entry of a Bundle that has `above` Bundles around it. An entry without resource (a response, a deletion) is envelope.
    fn entry(&mut self, entry: Value<'_>, from: Origin<'_>, above: u8, out: &mut dyn DecodedSink) -> Result<(), FormatError> {
        if entry.kind() != Kind::Object {
            return self.reject_value(entry, from, "not-a-resource", "Bundle.entry", "an entry of a Bundle has to be an object", out);
        }
        match entry.get("resource") {
            Some(resource) => self.resource(resource, Some(entry), from, above + 1, out),
            None if entry.get("request").is_some() || entry.get("response").is_some() => Ok(()),
            None => {
                let reason = "an entry has to have a resource, a request or a response (bdl-5)";
                self.reject_value(entry, from, "not-a-resource", "Bundle.entry", reason, out)
            }
        }
    }

    /// A resource, or a Bundle of them, that came in an entry.
    fn resource(
        &mut self,
        value: Value<'_>,
        entry: Option<Value<'_>>,
        from: Origin<'_>,
        above: u8,
        out: &mut dyn DecodedSink,
    ) -> Result<(), FormatError> {
        if value.kind() != Kind::Object {
            return self.reject_value(value, from, "not-a-resource", "", "a resource has to be a JSON object", out);
        }
        let Some(stated) = value.get("resourceType") else {
            let reason = "the object has no resourceType; nothing says what it is";
            return self.reject_value(value, from, "resource-type-missing", "resourceType", reason, out);
        };
        let Some(name) = stated.as_str().filter(|name| is_resource_type(name)) else {
            let reason = "resourceType is none of FHIR R4's resource types";
            return self.reject_value(value, from, "resource-type-unknown", "resourceType", reason, out);
        };
        if name == BUNDLE && above < 2 && !self.whole_bundles {
            // What a view over Bundles shows of it; what counts are its entries all the same.
            if let Some(refusal) = self.views.record(value, name, out)? {
                return self.reject_value(value, from, CODE_VIEW_REFUSED, &refusal.location, &refusal.reason, out);
            }
            let Some(entries) = value.get("entry") else { return Ok(()) };
            if entries.kind() != Kind::Array {
                return self.reject_value(value, from, "not-a-resource", "Bundle.entry", "Bundle.entry has to be an array", out);
            }
            return entries.items().try_for_each(|entry| self.entry(entry, from, above, out));
        }
        if let Some(refusal) = self.views.record(value, name, out)? {
            return self.reject_value(value, from, CODE_VIEW_REFUSED, &refusal.location, &refusal.reason, out);
        }
        let Piece { bytes, offset } = from.of(value);
        let length = bytes.len() as u64;
        self.stats.records += 1;
        self.stats.accepted += 1;
        self.stats.accepted_bytes += length;
        self.in_records += length;
        let record = Record { resource: value, resource_type: name, entry, source: &self.source, offset, sent: bytes };
        self.plan.record(&record, out)
    }

    fn reject_value(
        &mut self,
        value: Value<'_>,
        from: Origin<'_>,
        code: &'static str,
        location: &str,
        reason: &str,
        out: &mut dyn DecodedSink,
    ) -> Result<(), FormatError> {
        self.reject(from.of(value), code, location, reason.to_owned(), out)
    }

    fn reject(
        &mut self,
        piece: Piece<'_>,
        code: &'static str,
        location: &str,
        reason: String,
        out: &mut dyn DecodedSink,
    ) -> Result<(), FormatError> {
        let length = piece.bytes.len() as u64;
        self.in_records += length;
        self.stats.rejected_bytes += length;
        let id = RecordId { source: Arc::clone(&self.source), offset: piece.offset, length, sha256: Sha256Hash::of(piece.bytes) };
        let bytes = Bytes::copy_from_slice(piece.bytes);
        self.push_reject(Reject { id, code, location: location.to_owned(), reason, bytes, truncated: false }, out)
    }

    fn oversized(
        &mut self,
        offset: u64,
        length: u64,
        sha256: Sha256Hash,
        beginning: Bytes,
        limit: usize,
        out: &mut dyn DecodedSink,
    ) -> Result<(), FormatError> {
        self.stats.bytes += length;
        self.stats.rejected_bytes += length;
        let reason = format!("the record is larger than max_record_bytes ({limit}); raise the option to read it");
        let id = RecordId { source: Arc::clone(&self.source), offset, length, sha256 };
        let code = "record-too-large";
        self.push_reject(Reject { id, code, location: String::new(), reason, bytes: beginning, truncated: true }, out)
    }

    fn push_reject(&mut self, reject: Reject, out: &mut dyn DecodedSink) -> Result<(), FormatError> {
        self.stats.records += 1;
        self.stats.rejected += 1;
        *self.stats.rejects_by_code.entry(reject.code.to_owned()).or_default() += 1;
        out.emit(Decoded::Reject(reject))
    }
}
