//! Resources and Bundles larger than memory.
//!
//! Whom the entries are about, and what the references in them lead to, may stand anywhere in a Bundle: it is read twice. The first time what
//! the whole document tells its parts is learned, the second time entry after entry is written.

use std::io::Write;

use sutura_fhir::{
    json::{Limits, Parser, Value},
    read::{Piece, Pieces},
};

use super::{
    FhirDeidentifier, NOT_JSON,
    ids::IdMap,
    json::Object,
    marks::Required,
    people::{Census, People},
    walk::{Done, Walk},
};
use crate::{
    document::{DocumentDeidentifier, Run},
    error::DeidError,
    ledger::Ledger,
    stream::{BLOCK, Records, Refused, Rewind, StreamDeidentifier, Streamed, read_some, write},
    text::Tokens,
};

/// An entry stands so deep in its Bundle.
const ENTRY_DEPTH: u16 = 2;

impl StreamDeidentifier for FhirDeidentifier {
    /// One resource or Bundle as JSON. What comes out is one line.
    fn deidentify_stream(
        &self,
        input: &mut dyn Rewind,
        output: &mut dyn Write,
        ledger: &mut Ledger,
        _: &mut dyn FnMut(Refused),
    ) -> Result<Streamed, DeidError> {
        let mut done = Streamed { records: 1, ..Streamed::default() };
        let mut counts = Ledger::new();
        let mut first = First::new(self);
        let mut whole = None;
        done.bytes_in = self.pieces(input, &mut |piece| {
            if let Piece::Whole(bytes) = piece {
                let mut text = Vec::new();
                // What is counted of a resource that does not leave stays counted.
                self.deidentify(bytes, &mut text, ledger)?;
                whole = Some(text);
                return Ok(());
            }
            first.take(piece)
        })?;
        if let Some(text) = whole {
            write(output, &text, &mut done)?;
        } else {
            let bytes_in = done.bytes_in;
            self.bundle(first, input, output, &mut counts, &mut done)?;
            counts.document(usize::try_from(bytes_in).unwrap_or(usize::MAX), usize::try_from(done.bytes_out).unwrap_or(usize::MAX));
        }
        write(output, b"\n", &mut done)?;
        ledger.merge(&counts);
        Ok(done)
    }
}

impl FhirDeidentifier {
    /// The pieces of the input; how many bytes it has.
    fn pieces(&self, input: &mut dyn Rewind, take: &mut dyn FnMut(Piece<'_>) -> Result<(), DeidError>) -> Result<u64, DeidError> {
        let mut pieces = Pieces::new(self.limits);
        let mut block = vec![0; BLOCK];
        let mut bytes = 0;
        loop {
            let read = read_some(input, &mut block)?;
            bytes += read as u64;
            pieces.push(&block[..read]).map_err(|_| NOT_JSON)?;
            while let Some(piece) = pieces.next_piece(read == 0).map_err(|_| NOT_JSON)? {
                take(piece)?;
            }
            if read == 0 {
                return Ok(bytes);
            }
        }
    }

    fn parser_of_entries(&self) -> Parser {
        Parser::new(Limits { depth: self.limits.depth.saturating_sub(ENTRY_DEPTH), ..self.limits })
    }

    /// The second time.
    fn bundle(
        &self,
        first: First<'_>,
        input: &mut dyn Rewind,
        output: &mut dyn Write,
        counts: &mut Ledger,
        done: &mut Streamed,
    ) -> Result<(), DeidError> {
        let First { shell, census, ids, .. } = first;
        // The Bundle without its entries: bracket of `entry` and bracket behind it stand side by side.
        let mut parser = Parser::new(self.limits);
        let document = parser.parse(&shell).map_err(|_| NOT_JSON)?;
        let root = document.root();
        if self.plans.withheld(root).is_some() {
            return Err(DeidError::Withheld);
        }
        let people = census.finish(root);
        let tokens = people.known.tokens();
        let with = With { of: self, people: &people, tokens: &tokens };
        let mut walk = with.walk(ids, counts);
        let (node, _) = walk.enter(root, false)?;
        let mut required = Required::of(&node);
        let mut before = String::new();
        let mut object = Object::begin(&mut before);
        walk.name_and_id(&node, root, false, &mut object)?;
        let mut members = root.entries();
        for (key, value) in members.by_ref() {
            if key == "entry" {
                break;
            }
            walk.member_of_resource(&node, root, key, value, &mut object, &mut required)?;
        }
        write(output, before.as_bytes(), done)?;

        let entry_node = self.plans.child(&node, "entry");
        let (is_redacted, category) = (walk.is_redacted(), walk.category());
        let mut so_far = SoFar { ids: walk.ids, done: walk.done };
        input.read_again().map_err(|error| DeidError::Input(error.kind()))?;
        let mut parser = self.parser_of_entries();
        let mut text = String::new();
        let mut any = false;
        self.pieces(input, &mut |piece| {
            let bytes = match piece {
                Piece::Entry(bytes) => bytes,
                Piece::Whole(_) => return Err(CHANGED),
                Piece::Head(_) | Piece::Tail(_) => return Ok(()),
            };
            if is_redacted {
                return Ok(());
            }
            let entry = parser.parse(bytes).map_err(|_| NOT_JSON)?;
            let Some(node) = &entry_node else { return Ok(()) };
            text.clear();
            let ids = std::mem::replace(&mut so_far.ids, IdMap::new(&self.ids));
            let mut walk = with.walk(ids, counts);
            walk.done = so_far.done;
            walk.patient = people.patient();
            walk.run.known = people.known.of_patient(walk.patient);
            walk.element(node, entry.root(), &mut text)?;
            so_far = SoFar { ids: walk.ids, done: walk.done };
            if !text.is_empty() {
                write(output, if any { b"," } else { b",\"entry\":[" }, done)?;
                write(output, text.as_bytes(), done)?;
                any = true;
            }
            Ok(())
        })?;
        if any {
            write(output, b"]", done)?;
        }

        let mut walk = with.walk(so_far.ids, counts).of_category(category);
        walk.done = so_far.done;
        let mut after = String::new();
        let mut object = Object::begin(&mut after);
        for (key, value) in members {
            walk.member_of_resource(&node, root, key, value, &mut object, &mut required)?;
        }
        walk.fill_and_label(&node, root, false, &required, &mut object)?;
        object.end();
        match after.strip_prefix('{') {
            Some(rest) => {
                write(output, b",", done)?;
                write(output, rest.as_bytes(), done)
            }
            None => write(output, b"}", done),
        }
    }
}

const CHANGED: DeidError = DeidError::NotRead { format: "FHIR resource", reason: "it was changed while it was read" };

/// What one entry hands to the next.
struct SoFar {
    ids: IdMap,
    done: Done,
}

/// What all entries are treated with.
struct With<'b> {
    of: &'b FhirDeidentifier,
    people: &'b People<'b>,
    tokens: &'b Tokens,
}

impl With<'_> {
    fn walk<'w>(&'w self, ids: IdMap, counts: &'w mut Ledger) -> Walk<'w> {
        let treatment = &self.of.plans.treatment;
        let run = Run { treatment, known: self.people.known.clone(), tokens: self.tokens, ledger: counts };
        Walk::new(&self.of.plans, ids, self.people, run)
    }
}

/// What is learned the first time.
struct First<'i> {
    parser: Parser,
    /// The Bundle from its brace to the bracket of `entry`, and from the bracket behind the entries to its brace.
    shell: Vec<u8>,
    census: Census<'i>,
    ids: IdMap,
}

impl<'i> First<'i> {
    fn new(of: &'i FhirDeidentifier) -> Self {
        let census = Census::new(of.index.as_deref());
        Self { parser: of.parser_of_entries(), shell: Vec::new(), census, ids: IdMap::new(&of.ids) }
    }

    fn take(&mut self, piece: Piece<'_>) -> Result<(), DeidError> {
        match piece {
            Piece::Head(bytes) => self.shell.extend_from_slice(bytes),
            Piece::Tail(bytes) => {
                self.shell.push(b']');
                self.shell.extend_from_slice(bytes);
            }
            Piece::Entry(bytes) => {
                let document = self.parser.parse(bytes).map_err(|_| NOT_JSON)?;
                let entry: Value<'_> = document.root();
                self.ids.learn(entry);
                self.census.entry(entry);
            }
            Piece::Whole(_) => {}
        }
        Ok(())
    }
}

/// Resources or Bundles, one a line (NDJSON). Blank lines are none.
#[derive(Debug, Clone, Copy)]
pub struct FhirLines<'d>(pub &'d FhirDeidentifier);

impl StreamDeidentifier for FhirLines<'_> {
    /// A line that is longer than the limits allow ends the reading: it is refused with all that follows it.
    fn deidentify_stream(
        &self,
        input: &mut dyn Rewind,
        output: &mut dyn Write,
        ledger: &mut Ledger,
        refused: &mut dyn FnMut(Refused),
    ) -> Result<Streamed, DeidError> {
        let mut records = Records { deidentifier: self.0, output, ledger, refused, done: Streamed::default(), buffer: Vec::new() };
        let (mut held, mut offset) = (Vec::new(), 0u64);
        // The beginning of `held` has no line end.
        let mut searched = 0;
        loop {
            let filled = held.len();
            held.resize(filled + BLOCK, 0);
            let read = read_some(input, &mut held[filled..])?;
            held.truncate(filled + read);
            records.done.bytes_in += read as u64;
            let mut start = 0;
            while let Some(found) = memchr::memchr(b'\n', &held[searched..]) {
                line(&mut records, &held[start..searched + found], offset + start as u64)?;
                searched += found + 1;
                start = searched;
            }
            if read == 0 {
                line(&mut records, &held[start..], offset + start as u64)?;
                return Ok(records.done);
            }
            held.drain(..start);
            searched = held.len();
            offset += start as u64;
            if held.len() > self.0.limits.bytes {
                records.done.records += 1;
                let reason = "a line is longer than the limit allows; what follows it was not read".to_owned();
                records.refuse("too-large", offset, reason);
                return Ok(records.done);
            }
        }
    }
}

fn line(records: &mut Records<'_>, line: &[u8], offset: u64) -> Result<(), DeidError> {
    let line = line.trim_ascii();
    if line.is_empty() { Ok(()) } else { records.take(line, offset) }
}
