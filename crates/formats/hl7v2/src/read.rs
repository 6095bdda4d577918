//! The reader: bytes in, batches and rejects out.
//!
//! One decoder serves one byte range of one source. It cuts the bytes into units
//! (`split`), takes framing and batch envelopes off, decodes and indexes each message and
//! lets the plan fill its tables. Every byte ends in a record, a reject or the envelope.

use std::sync::Arc;

use bytes::Bytes;
use sutura_core::{
    BlockDecoder, Decoded, DecodedSink, DecoderSpec, Finding, FormatError, Progress, ReadStats, RecordId, Reject, Severity, Sha256Hash,
    format::BatchEvent,
};

use crate::{
    charset::{self, Utf16Transcoder},
    lex::{self, Delimiters},
    message::{Message, looks_like_segment, segment_ranges},
    options::{Options, Resolved},
    split::{END_BLOCK, START_BLOCK, Span, Splitter, Unit},
    tables::{
        extract::{Context, Work},
        plan::Plan,
        spec::Rows,
    },
};

/// A message as the reader found it, for a [`MessageTap`].
#[derive(Clone, Copy)]
pub struct RawMessage<'m> {
    /// URI of the source.
    pub source: &'m Arc<str>,
    /// Byte offset in the (decompressed) source.
    pub offset: u64,
    /// Its bytes as sent.
    pub raw: &'m [u8],
    /// Its text: `raw` itself where that is UTF-8 already.
    pub text: &'m str,
}

impl std::fmt::Debug for RawMessage<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawMessage").field("offset", &self.offset).field("length", &self.raw.len()).finish_non_exhaustive()
    }
}

/// Why a tap does not take a message, in the words of a reject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// [`Reject::code`].
    pub code: &'static str,
    /// [`Reject::location`].
    pub location: String,
    /// [`Reject::reason`].
    pub reason: String,
}

/// Takes whole messages in place of tables: for those who make something else of them. It is called on the reader's thread, in the order of
/// the bytes.
pub trait MessageTap: Send {
    /// Takes one. A refused message is a reject in the account.
    fn take(&mut self, message: &RawMessage<'_>, out: &mut dyn DecodedSink) -> Result<Option<Refusal>, FormatError>;

    /// Gives out what is left at the end of the range.
    fn finish(&mut self, out: &mut dyn DecodedSink) -> Result<(), FormatError>;
}

/// What a stretch of a unit turned out to be.
#[derive(Clone, Copy)]
struct Piece {
    start: usize,
    end: usize,
}

/// Reads one byte range.
pub struct Decoder {
    source: Arc<str>,
    options: Resolved,
    plan: Plan,
    validates: bool,
    splitter: Splitter,
    work: Work,
    line_ends: Vec<u32>,
    findings: Vec<Finding>,
    stats: ReadStats,
    /// Inside an MLLP frame that has not ended.
    in_frame: bool,
    /// The input ended where it should not: its last message may be a part of one.
    breaks_off: bool,
    /// Messages since the last batch envelope segment.
    messages_in_batch: u64,
    encoding: SourceEncoding,
    tap: Option<Box<dyn MessageTap>>,
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").field("source", &self.source).field("stats", &self.stats).finish_non_exhaustive()
    }
}

/// How the bytes of the source are written.
#[derive(Debug)]
enum SourceEncoding {
    /// Too few bytes to know; they wait here.
    Unknown(Vec<u8>),
    /// One byte or more a character, ASCII among them.
    Bytes,
    /// UTF-16: transcoded as a whole; offsets count the UTF-8 text. One decoder reads all of it.
    Utf16(Utf16Transcoder),
}

impl Decoder {
    /// A decoder for the range and tables of `spec`.
    pub fn new(spec: DecoderSpec) -> Result<Self, FormatError> {
        let options = Options::from_json(&spec.options)?.resolve()?;
        let plan = Plan::compile(&spec.requests, spec.batch_rows)?;
        let validates = options.validate || options.strict || plan.tables.iter().any(|table| table.rows == Rows::Findings);
        Ok(Self {
            source: spec.source,
            splitter: Splitter::new(spec.start, spec.end, options.max_record_bytes),
            encoding: if spec.start == 0 { SourceEncoding::Unknown(Vec::new()) } else { SourceEncoding::Bytes },
            options,
            work: Work::new(plan.highest_field()),
            plan,
            validates,
            line_ends: Vec::new(),
            findings: Vec::new(),
            stats: ReadStats::default(),
            in_frame: false,
            breaks_off: false,
            messages_in_batch: 0,
            tap: None,
        })
    }

    /// A decoder that gives whole messages to `tap`; the tables of `spec` are left alone.
    pub fn with_tap(spec: DecoderSpec, tap: Box<dyn MessageTap>) -> Result<Self, FormatError> {
        let decoder = Self::new(DecoderSpec { requests: Vec::new(), ..spec })?;
        Ok(Self { tap: Some(tap), ..decoder })
    }

    /// Passes bytes to the splitter, by way of the transcoder when the source is UTF-16.
    fn feed(&mut self, block: Bytes, at_end: bool) {
        if let SourceEncoding::Unknown(waiting) = &mut self.encoding {
            let start = if waiting.is_empty() && block.len() >= 8 {
                block
            } else {
                waiting.extend_from_slice(&block);
                if waiting.len() < 8 && !at_end {
                    return;
                }
                std::mem::take(waiting).into()
            };
            let Some((endian, mark)) = Utf16Transcoder::detect(&start) else {
                self.encoding = SourceEncoding::Bytes;
                self.splitter.push_owned(start);
                return;
            };
            self.splitter = Splitter::new(0, None, self.options.max_record_bytes);
            self.encoding = SourceEncoding::Utf16(Utf16Transcoder::new(endian));
            self.note(&Finding::new(
                "charset-utf16",
                Severity::Info,
                "",
                "the source is UTF-16; offsets count the UTF-8 text it was transcoded to",
            ));
            return self.feed(start.slice(mark..), at_end);
        }
        match &mut self.encoding {
            SourceEncoding::Utf16(transcoder) => {
                let mut text = Vec::new();
                transcoder.push(&block, &mut text);
                if at_end {
                    transcoder.finish(&mut text);
                    let issues = transcoder.issue_count();
                    if issues > 0 {
                        self.note(&Finding::new(
                            "charset-mismatch",
                            Severity::Error,
                            "",
                            "the source holds surrogates that do not pair; they are kept as private characters",
                        ));
                    }
                }
                self.splitter.push_owned(text.into());
            }
            _ => self.splitter.push_owned(block),
        }
    }

    fn drain(&mut self, at_end: bool, out: &mut dyn DecodedSink) -> Result<(), FormatError> {
        while let Some(unit) = self.splitter.next_unit(at_end) {
            match unit {
                Unit::Span(span) => self.unit(span, out)?,
                Unit::Oversized { offset, length, sha256, beginning } => self.oversized(offset, length, sha256, beginning, out)?,
            }
        }
        Ok(())
    }

    fn unit(&mut self, span: Span, out: &mut dyn DecodedSink) -> Result<(), FormatError> {
        // The splitter lends its buffer for the time of one unit.
        let splitter = std::mem::replace(&mut self.splitter, Splitter::new(0, None, 0));
        let result = self.unit_in(&splitter, span, out);
        self.splitter = splitter;
        result
    }

    fn unit_in(&mut self, splitter: &Splitter, span: Span, out: &mut dyn DecodedSink) -> Result<(), FormatError> {
        let bytes = splitter.bytes();
        let (mut start, mut end) = (span.start, span.end);
        self.stats.bytes += (end - start) as u64;
        if splitter.offset_of(start) == 0 && bytes[start..end].starts_with(b"\xEF\xBB\xBF") {
            start += 3;
            self.stats.envelope_bytes += 3;
        }
        if bytes.get(start) == Some(&START_BLOCK) && start < end {
            start += 1;
            self.stats.envelope_bytes += 1;
            self.in_frame = true;
        }
        let framed = self.in_frame;
        // What follows an end block is between frames.
        let mut ended = false;
        if let Some(at) = end_of_frame(&bytes[start..end]) {
            let after = start + at + 1;
            let closing = usize::from(bytes.get(after) == Some(&b'\r'));
            if closing == 0 && framed {
                self.note(&Finding::new(
                    "mllp-end-incomplete",
                    Severity::Warning,
                    "",
                    "the MLLP end block is not followed by a carriage return",
                ));
            }
            let rest_from = (after + closing).min(end);
            self.stats.envelope_bytes += (rest_from - (after - 1)) as u64;
            self.junk(splitter, Piece { start: rest_from, end }, out)?;
            end = after - 1;
            ended = true;
            self.in_frame = false;
        }
        let name = bytes.get(start..start + 3).filter(|_| start + 3 <= end).unwrap_or_default();
        match name {
            b"FHS" | b"BHS" | b"BTS" | b"FTS" => self.envelope_segment(splitter, Piece { start, end }, out),
            b"MSH" if framed && !ended && span.closes_frame => {
                self.in_frame = false;
                // The start block is part of the reject: read again, it must not pass for a whole message.
                let opened_here = start > span.start && bytes[start - 1] == START_BLOCK;
                self.stats.envelope_bytes -= u64::from(opened_here);
                let whole = Piece { start: start - usize::from(opened_here), end };
                self.reject(
                    splitter,
                    &whole,
                    "mllp-frame-unterminated",
                    "",
                    "the MLLP frame has no end block; the sender should send the message again",
                    out,
                )
            }
            b"MSH" => self.message_unit(splitter, span, Piece { start, end }, out),
            _ => self.junk(splitter, Piece { start, end }, out),
        }
    }

    /// FHS, BHS, BTS or FTS: one line; anything but blank lines after it is junk.
    fn envelope_segment(&mut self, splitter: &Splitter, piece: Piece, out: &mut dyn DecodedSink) -> Result<(), FormatError> {
        let bytes = &splitter.bytes()[piece.start..piece.end];
        let line_end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(bytes.len());
        let line = &bytes[..line_end];
        let kind = match &line[..3] {
            b"FHS" => "FHS",
            b"BHS" => "BHS",
            b"BTS" => "BTS",
            _ => "FTS",
        };
        let declared = match kind {
            "BTS" | "FTS" => line.get(3).and_then(|separator| line.split(|byte| byte == separator).nth(1)),
            _ => None,
        };
        let stated = declared.map(<[u8]>::trim_ascii).filter(|digits| !digits.is_empty() && *digits != b"\"\"");
        let declared = stated.and_then(|digits| std::str::from_utf8(digits).ok()).and_then(|digits| digits.parse().ok());
        let unreadable = stated.is_some() && declared.is_none();
        let offset = splitter.offset_of(piece.start);
        let messages = std::mem::take(&mut self.messages_in_batch);
        self.stats.batch_events.push(BatchEvent { offset, kind, declared, unreadable, messages });
        self.stats.envelope_bytes += line_end as u64;
        self.junk(splitter, Piece { start: piece.start + line_end, end: piece.end }, out)
    }

    fn message_unit(&mut self, splitter: &Splitter, span: Span, unit: Piece, out: &mut dyn DecodedSink) -> Result<(), FormatError> {
        let bytes = splitter.bytes();
        // Blank lines after the message belong to nobody; its last terminator is its own.
        let content = bytes[unit.start..unit.end]
            .iter()
            .rposition(|byte| !matches!(byte, b'\r' | b'\n'))
            .map_or(unit.start, |at| unit.start + at + 1);
        let terminator = match &bytes[content..unit.end] {
            [b'\r', b'\n', ..] => 2,
            [] => 0,
            _ => 1,
        };
        let mut record = Piece { start: unit.start, end: content + terminator };
        self.stats.envelope_bytes += (unit.end - record.end) as u64;
        if self.breaks_off && span.end == bytes.len() {
            self.messages_in_batch += 1;
            let reason = "the input breaks off in this message, or just behind it; the sender should send the file again";
            return self.reject(splitter, &record, "cut-off", "", reason, out);
        }
        let header_end = bytes[record.start..record.end]
            .iter()
            .position(|byte| matches!(byte, b'\r' | b'\n'))
            .map_or(record.end, |at| record.start + at);
        let header = &bytes[record.start..header_end];
        let Some(delimiters) = Delimiters::from_header(header) else {
            self.messages_in_batch += 1;
            return self.reject(
                splitter,
                &record,
                "header-delimiters",
                "MSH-2",
                "MSH-1 and MSH-2 do not state usable delimiters; expected MSH|^~\\&| or the like",
                out,
            );
        };
        let lines = &splitter.line_ends()[span.first_line..span.last_line];
        let lines = &lines[lines.partition_point(|&at| (at as usize) < record.start)..];
        if let Some(junk_from) = trailing_junk(bytes, &record, lines, delimiters.field) {
            self.junk(splitter, Piece { start: junk_from, end: record.end }, out)?;
            record.end = junk_from;
        }
        self.messages_in_batch += 1;
        self.findings.clear();
        if !header.iter().skip(4).any(u8::is_ascii_alphanumeric) {
            return self.reject(
                splitter,
                &record,
                "header-empty",
                "MSH-9",
                "the MSH segment holds no value; nothing says what the message is",
                out,
            );
        }
        if Delimiters::repeats_itself(header) {
            self.note(&Finding::new(
                "delimiters-repeated",
                Severity::Error,
                "MSH-2",
                "MSH-2 states a delimiter twice or too many of them; the first role of each is used",
            ));
        }
        self.message(splitter, &record, lines, delimiters, out)
    }

    fn message(
        &mut self,
        splitter: &Splitter,
        record: &Piece,
        lines: &[u32],
        delimiters: Delimiters,
        out: &mut dyn DecodedSink,
    ) -> Result<(), FormatError> {
        let raw = &splitter.bytes()[record.start..record.end];
        let decoded = charset::decode_message(raw, self.options.default_charset, &mut self.findings);
        let text: &str = &decoded.text;
        self.cheap_findings(raw);
        if self.validates {
            self.validate(text);
        }
        if self.options.strict && self.findings.iter().any(|finding| finding.severity == Severity::Error) {
            let worst = self.findings.iter().find(|finding| finding.severity == Severity::Error).cloned();
            for finding in std::mem::take(&mut self.findings) {
                self.stats.count_finding(&finding);
            }
            if let Some(worst) = worst {
                self.reject(splitter, record, "strict", &worst.location, &format!("{}: {}", worst.code, worst.message), out)?;
            }
            return Ok(());
        }
        if let Some(mut tap) = self.tap.take() {
            let message = RawMessage { source: &self.source, offset: splitter.offset_of(record.start), raw, text };
            let taken = tap.take(&message, out);
            self.tap = Some(tap);
            if let Some(refusal) = taken? {
                return self.reject(splitter, record, refusal.code, &refusal.location, &refusal.reason, out);
            }
        }
        for finding in &self.findings {
            self.stats.count_finding(finding);
        }
        self.stats.records += 1;
        self.stats.accepted += 1;
        self.stats.accepted_bytes += raw.len() as u64;
        if self.tap.is_some() {
            return Ok(());
        }
        self.work.begin();
        let (work, bytes) = (&mut self.work, text.as_bytes());
        let add = |start, end| work.add(bytes, start, end, delimiters);
        if std::ptr::eq(text.as_ptr(), raw.as_ptr()) {
            let to = lines.partition_point(|&at| (at as usize) < record.end);
            segment_ranges(bytes, delimiters.field, &lines[..to], record.start as u32, add);
        } else {
            self.line_ends.clear();
            lex::line_ends(bytes, 0, &mut self.line_ends);
            segment_ranges(bytes, delimiters.field, &self.line_ends, 0, add);
        }
        let context = Context {
            source: &self.source,
            offset: splitter.offset_of(record.start),
            length: raw.len() as u64,
            raw,
            text,
            delimiters,
            character_set: decoded.charset.name(),
            findings: &self.findings,
            zone: &self.options.zone,
        };
        self.work.extract(&context, &mut self.plan, out)
    }

    /// Findings that cost next to nothing: they are made for every message.
    fn cheap_findings(&mut self, raw: &[u8]) {
        if !raw.contains(&b'\r') && raw.contains(&b'\n') {
            self.findings.push(Finding::new(
                "terminator-not-cr",
                Severity::Warning,
                "",
                "segments end in line feeds; the standard's terminator is carriage return",
            ));
        }
        if memchr::memchr3(0, 0x07, 0x1A, raw).is_some() {
            self.findings.push(Finding::new(
                "control-character",
                Severity::Warning,
                "",
                "the message holds control characters; they are kept",
            ));
        }
    }

    fn validate(&mut self, text: &str) {
        if let Ok(message) = Message::parse(text) {
            crate::validate::validate(&message, &mut self.findings);
        }
    }

    /// A finding that belongs to no accepted message.
    fn note(&mut self, finding: &Finding) {
        self.stats.count_finding(finding);
    }

    /// Bytes outside any message: blank ones are envelope, the rest is a reject.
    fn junk(&mut self, splitter: &Splitter, piece: Piece, out: &mut dyn DecodedSink) -> Result<(), FormatError> {
        let bytes = &splitter.bytes()[piece.start..piece.end];
        let is_blank = |byte: &u8| byte.is_ascii_whitespace() || matches!(*byte, START_BLOCK | END_BLOCK | 0x1A);
        let Some(first) = bytes.iter().position(|byte| !is_blank(byte)) else {
            self.stats.envelope_bytes += bytes.len() as u64;
            return Ok(());
        };
        let last = bytes.iter().rposition(|byte| !is_blank(byte)).unwrap_or(first);
        self.stats.envelope_bytes += (first + bytes.len() - last - 1) as u64;
        let content = Piece { start: piece.start + first, end: piece.start + last + 1 };
        self.reject(splitter, &content, "not-hl7", "", "the bytes are outside any message: no MSH segment begins here", out)
    }

    fn reject(
        &mut self,
        splitter: &Splitter,
        piece: &Piece,
        code: &'static str,
        location: &str,
        reason: &str,
        out: &mut dyn DecodedSink,
    ) -> Result<(), FormatError> {
        let bytes = &splitter.bytes()[piece.start..piece.end];
        let id = RecordId {
            source: Arc::clone(&self.source),
            offset: splitter.offset_of(piece.start),
            length: bytes.len() as u64,
            sha256: Sha256Hash::of(bytes),
        };
        self.stats.rejected_bytes += bytes.len() as u64;
        self.push_reject(
            Reject {
                id,
                code,
                location: location.to_owned(),
                reason: reason.to_owned(),
                bytes: Bytes::copy_from_slice(bytes),
                truncated: false,
            },
            out,
        )
    }

    fn oversized(
        &mut self,
        offset: u64,
        length: u64,
        sha256: Sha256Hash,
        beginning: Bytes,
        out: &mut dyn DecodedSink,
    ) -> Result<(), FormatError> {
        self.stats.bytes += length;
        self.stats.rejected_bytes += length;
        self.messages_in_batch += u64::from(beginning.starts_with(b"MSH"));
        let reason = format!("the record is larger than max_record_bytes ({}); raise the option to read it", self.options.max_record_bytes);
        let id = RecordId { source: Arc::clone(&self.source), offset, length, sha256 };
        self.push_reject(Reject { id, code: "record-too-large", location: String::new(), reason, bytes: beginning, truncated: true }, out)
    }

    fn push_reject(&mut self, reject: Reject, out: &mut dyn DecodedSink) -> Result<(), FormatError> {
        self.stats.records += 1;
        self.stats.rejected += 1;
        *self.stats.rejects_by_code.entry(reject.code.to_owned()).or_default() += 1;
        out.emit(Decoded::Reject(reject))
    }

    /// Counts records and field separators only: what the index costs by itself.
    #[doc(hidden)]
    pub fn index_only(bytes: &[u8]) -> (u64, u64) {
        let mut splitter = Splitter::new(0, None, usize::MAX);
        splitter.push(bytes);
        let mut work = Work::new(u16::MAX);
        let (mut messages, mut separators) = (0, 0);
        while let Some(unit) = splitter.next_unit(true) {
            let Unit::Span(span) = unit else { continue };
            let raw = &splitter.bytes()[span.start..span.end];
            let Some(delimiters) = Delimiters::from_header(raw) else { continue };
            let Ok(text) = std::str::from_utf8(raw) else { continue };
            work.begin();
            let lines = &splitter.line_ends()[span.first_line..span.last_line];
            segment_ranges(raw, delimiters.field, lines, span.start as u32, |start, end| work.add(raw, start, end, delimiters));
            separators += work.index_all(text, delimiters) as u64;
            messages += 1;
        }
        (messages, separators)
    }
}

impl BlockDecoder for Decoder {
    fn push(&mut self, block: Bytes, out: &mut dyn DecodedSink) -> Result<Progress, FormatError> {
        self.feed(block, false);
        self.drain(false, out)?;
        Ok(if self.splitter.is_done() { Progress::Done } else { Progress::More })
    }

    fn finish(&mut self, out: &mut dyn DecodedSink) -> Result<ReadStats, FormatError> {
        self.feed(Bytes::new(), true);
        self.drain(true, out)?;
        if let Some(tap) = &mut self.tap {
            tap.finish(out)?;
        }
        for table in &mut self.plan.tables {
            if table.columns.rows() > 0 {
                out.emit(Decoded::Batch { request: table.request, batch: table.columns.finish()? })?;
            }
        }
        let tail = BatchEvent { offset: u64::MAX, kind: "END", declared: None, unreadable: false, messages: self.messages_in_batch };
        self.stats.batch_events.push(tail);
        Ok(std::mem::take(&mut self.stats))
    }

    fn break_off(&mut self, out: &mut dyn DecodedSink) -> Result<ReadStats, FormatError> {
        self.breaks_off = true;
        self.finish(out)
    }
}

/// The end block of a frame: followed by CR, LF or nothing. Elsewhere the byte is data.
fn end_of_frame(unit: &[u8]) -> Option<usize> {
    memchr::memchr_iter(END_BLOCK, unit).find(|&at| unit.get(at + 1).is_none_or(|next| matches!(next, b'\r' | b'\n')))
}

/// Where junk begins that stands after a blank line and in which no line looks like a segment.
fn trailing_junk(bytes: &[u8], record: &Piece, lines: &[u32], field_separator: u8) -> Option<usize> {
    let mut junk_from = None;
    let mut start = record.start;
    let mut blank_before = false;
    for &at in lines.iter().chain(std::iter::once(&(record.end as u32))) {
        let at = (at as usize).min(record.end);
        let line = &bytes[start.min(at)..at];
        if line.is_empty() {
            blank_before = blank_before || (start > record.start + 1 && !follows_cr(bytes, start));
        } else {
            if looks_like_segment(line, field_separator) {
                junk_from = None;
            } else if blank_before && junk_from.is_none() && start > record.start {
                junk_from = Some(start);
            }
            blank_before = false;
        }
        start = at + 1;
    }
    junk_from
}

/// Whether the LF at this position only completes a CRLF.
fn follows_cr(bytes: &[u8], at: usize) -> bool {
    bytes.get(at) == Some(&b'\n') && at > 0 && bytes[at - 1] == b'\r'
}
