//! The records of one file, one at a time, as the reader of the engine cuts them: what it takes as a
//! message is a message here, and what it rejects is a reject. Memory holds one block and one record.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, BufReader, Read},
};

use sutura_core::{
    BlockDecoder, Decoded, DecoderSpec, Format, Progress, Reject, TableRequest,
    record::{COL_LENGTH, COL_OFFSET},
};
use sutura_engine::arrow::{
    array::{Array, RecordBatch, cast::AsArray},
    datatypes::Int64Type,
};
use sutura_hl7v2::{Hl7v2, charset::Utf16Transcoder};

use crate::failure::{Failure, Outcome};

/// Bytes read at a time.
const BLOCK: usize = 256 << 10;
/// Bytes of the window that a message can still need: the reader's `max_record_bytes` and a few blocks.
const WINDOW: usize = (64 << 20) + 4 * BLOCK;

/// Bytes after which an input without a message is given up: the largest message that the reader takes, and some junk before it.
/// Else a device or a pipe without end would be read for ever.
const PATIENCE: u64 = (64 << 20) + 16 * BLOCK as u64;

/// One record.
pub(crate) enum Found {
    /// A message and its bytes.
    Message { offset: u64, bytes: Vec<u8>, control_id: Option<String> },
    /// What could not be read as one.
    Reject(Reject),
}

impl Found {
    /// MSH-10, if it has one.
    pub(crate) fn control_id(&self) -> Option<&str> {
        match self {
            Found::Message { control_id, .. } => control_id.as_deref(),
            Found::Reject(_) => None,
        }
    }
}

/// What a file is.
pub(crate) enum Opened {
    /// Messages.
    Feed(Records),
    /// A clinical document: its bytes, no more than the reader takes and one.
    Document(Vec<u8>),
    /// A DICOM file, without compression.
    Image(Box<dyn Read>),
}

/// The records of a file.
pub(crate) struct Records {
    name: String,
    input: Box<dyn Read>,
    decoder: Box<dyn BlockDecoder>,
    /// Bytes that the decoder has seen and no record has taken yet; the first is at `window_start`.
    window: Vec<u8>,
    window_start: u64,
    ready: VecDeque<Found>,
    ended: bool,
    /// Bytes read since the last message.
    fruitless: u64,
}

impl Records {
    /// Opens a file, `-` for standard input. Compression is recognised by its first bytes.
    pub(crate) fn open(name: &str) -> Outcome<Opened> {
        if name.contains("://") {
            return Err(Failure::configuration(format!(
                "{name}: inspect reads local files; copy the object or query it with `sutura sql`"
            )));
        }
        let input: Box<dyn Read> = if name == "-" {
            Box::new(io::stdin())
        } else {
            let file = File::open(name).map_err(|error| Failure::configuration(format!("{name}: {error}")))?;
            if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
                return Err(Failure::configuration(format!("{name}: this is a folder; name a file of it")));
            }
            Box::new(file)
        };
        let mut input = unpacked(input).map_err(|error| Failure::io(name, &error))?;
        let start = peek(&mut input, 132).map_err(|error| Failure::io(name, &error))?;
        let is_image = is_dicom(&start);
        let input: Box<dyn Read> = Box::new(io::Cursor::new(start).chain(input));
        if is_image {
            return Ok(Opened::Image(input));
        }
        let mut input = as_utf8(input).map_err(|error| Failure::io(name, &error))?;
        let start = peek(&mut input, BEGINNING).map_err(|error| Failure::io(name, &error))?;
        if is_fhir(&start) {
            return Err(Failure::configuration(format!(
                "{name}: this is FHIR, and inspect shows HL7 v2; `sutura fhir validate` checks it, `sutura fhir view` makes tables of it"
            )));
        }
        let is_document = is_cda(&start);
        let input: Box<dyn Read> = Box::new(io::Cursor::new(start).chain(input));
        if is_document {
            let mut bytes = Vec::new();
            let most = sutura_ccda::Limits::default().bytes as u64 + 1;
            input.take(most).read_to_end(&mut bytes).map_err(|error| Failure::io(name, &error))?;
            return Ok(Opened::Document(bytes));
        }
        let table = &Hl7v2.tables()[0];
        let columns = [COL_OFFSET, COL_LENGTH, "message_control_id"].iter().filter_map(|column| table.index_of(column)).collect();
        let spec = DecoderSpec {
            source: name.into(),
            start: 0,
            end: None,
            options: serde_json::Value::Null,
            requests: vec![TableRequest { table: table.name.clone(), columns: Some(columns), filter: Vec::new() }],
            batch_rows: 1,
        };
        let decoder = Hl7v2.decoder(spec).map_err(Failure::failed)?;
        Ok(Opened::Feed(Self {
            name: name.to_owned(),
            input,
            decoder,
            window: Vec::new(),
            window_start: 0,
            ready: VecDeque::new(),
            ended: false,
            fruitless: 0,
        }))
    }

    /// The next record, or nothing at the end.
    pub(crate) fn next_record(&mut self) -> Outcome<Option<Found>> {
        while self.ready.is_empty() && !self.ended {
            self.advance()?;
        }
        Ok(self.ready.pop_front())
    }

    fn advance(&mut self) -> Outcome<()> {
        if self.fruitless > PATIENCE {
            return Err(Failure::configuration(format!(
                "{}: no HL7 v2 message in {} MiB; this is no feed, or what is in it stands behind too much else",
                self.name,
                self.fruitless >> 20
            )));
        }
        let mut block = vec![0; BLOCK];
        let length = fill(&mut self.input, &mut block).map_err(|error| Failure::io(&self.name, &error))?;
        block.truncate(length);
        self.fruitless += length as u64;
        let mut decoded = Vec::new();
        if length == 0 {
            self.decoder.finish(&mut decoded).map_err(Failure::failed)?;
            self.ended = true;
        } else {
            // What is further back belongs to a record too large to show. In big steps: each one moves the rest.
            if self.window.len() > 2 * WINDOW {
                let dropped = self.window.len() - WINDOW;
                self.window.drain(..dropped);
                self.window_start += dropped as u64;
            }
            self.window.extend_from_slice(&block);
            let progress = self.decoder.push(block.into(), &mut decoded).map_err(Failure::failed)?;
            self.ended = progress == Progress::Done;
        }
        // What stands behind a message in its MLLP frame is told before the message; the window goes forward only.
        decoded.sort_by_key(offset);
        for piece in decoded {
            let (found, end) = match piece {
                Decoded::Batch { batch, .. } => match self.message(&batch) {
                    Some(found) => found,
                    None => continue,
                },
                Decoded::Reject(reject) => {
                    let end = reject.id.offset + reject.id.length;
                    (Found::Reject(reject), end)
                }
            };
            if matches!(found, Found::Message { .. }) {
                self.fruitless = 0;
            }
            self.ready.push_back(found);
            let taken = usize::try_from(end.saturating_sub(self.window_start)).map_or(0, |taken| taken.min(self.window.len()));
            self.window.drain(..taken);
            self.window_start += taken as u64;
        }
        Ok(())
    }

    /// The message that a row stands for, and where it ends.
    fn message(&self, batch: &RecordBatch) -> Option<(Found, u64)> {
        let (offset, length) = (number(batch, COL_OFFSET)?, number(batch, COL_LENGTH)?);
        let from = usize::try_from(offset.checked_sub(self.window_start)?).ok()?;
        let bytes = self.window.get(from..from.checked_add(usize::try_from(length).ok()?)?)?.to_vec();
        let ids = batch.column_by_name("message_control_id").and_then(|column| column.as_string_view_opt());
        let control_id = ids.filter(|ids| ids.is_valid(0)).map(|ids| ids.value(0).to_owned());
        Some((Found::Message { offset, bytes, control_id }, offset + length))
    }
}

/// Where a record begins.
fn offset(piece: &Decoded) -> u64 {
    match piece {
        Decoded::Batch { batch, .. } => number(batch, COL_OFFSET).unwrap_or_default(),
        Decoded::Reject(reject) => reject.id.offset,
    }
}

/// A number of the first row.
fn number(batch: &RecordBatch, column: &str) -> Option<u64> {
    let column = batch.column_by_name(column)?.as_primitive_opt::<Int64Type>()?;
    (!column.is_empty()).then(|| column.value(0)).and_then(|value| u64::try_from(value).ok())
}

/// Reads until the block is full or the input ends.
fn fill(input: &mut impl Read, block: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < block.len() {
        match input.read(&mut block[filled..]) {
            Ok(0) => break,
            Ok(length) => filled += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The input without compression.
fn unpacked(mut input: Box<dyn Read>) -> io::Result<Box<dyn Read>> {
    let (start, input) = peek(&mut input, 8).map(|start| (start.clone(), io::Cursor::new(start).chain(input)))?;
    Ok(match start.as_slice() {
        [0x1F, 0x8B, ..] => Box::new(flate2::read::MultiGzDecoder::new(BufReader::new(input))),
        [0x28, 0xB5, 0x2F, 0xFD, ..] => Box::new(zstd::stream::read::Decoder::new(input)?),
        _ => Box::new(input),
    })
}

/// The input as UTF-8 where it is UTF-16 (the reader's offsets count that text).
fn as_utf8(mut input: Box<dyn Read>) -> io::Result<Box<dyn Read>> {
    let start = peek(&mut input, 8)?;
    let Some((endian, mark)) = Utf16Transcoder::detect(&start) else {
        return Ok(Box::new(io::Cursor::new(start).chain(input)));
    };
    let rest = io::Cursor::new(start[mark..].to_vec()).chain(input);
    Ok(Box::new(Transcoded { input: rest, transcoder: Some(Utf16Transcoder::new(endian)), text: VecDeque::new() }))
}

/// Bytes that tell FHIR from HL7 v2.
const BEGINNING: usize = 4 << 10;

/// Whether an input that begins so is DICOM: the prefix behind the preamble, the prefix alone, or a data element of group 0002, 0004 or 0008.
/// No text begins with such bytes.
fn is_dicom(start: &[u8]) -> bool {
    let begins = match start {
        [2 | 4 | 8, 0, _, element, ..] => *element < 0x30,
        [0, 2 | 4 | 8, element, _, v0, v1, ..] => *element < 0x30 && v0.is_ascii_uppercase() && v1.is_ascii_uppercase(),
        _ => false,
    };
    begins || start.get(128..132) == Some(b"DICM") || start.starts_with(b"DICM")
}

/// Whether an input that begins so is FHIR: JSON with a resourceType, or XML of FHIR's namespace. No message begins so.
fn is_fhir(start: &[u8]) -> bool {
    let text = String::from_utf8_lossy(start);
    let text = text.trim_start_matches('\u{FEFF}').trim_start();
    match text.bytes().next() {
        Some(b'{' | b'[') => text.contains("\"resourceType\""),
        Some(b'<') => text.contains("http://hl7.org/fhir"),
        _ => false,
    }
}

/// Whether an input that begins so is a clinical document: XML in which CDA's element stands near the beginning. No message begins so.
fn is_cda(start: &[u8]) -> bool {
    let text = String::from_utf8_lossy(start);
    let text = text.trim_start_matches('\u{FEFF}').trim_start();
    text.starts_with('<') && (text.contains("ClinicalDocument") || text.contains("urn:hl7-org:v3"))
}

fn peek(input: &mut impl Read, count: usize) -> io::Result<Vec<u8>> {
    let mut start = vec![0; count];
    let length = fill(input, &mut start)?;
    start.truncate(length);
    Ok(start)
}

/// UTF-16 read as UTF-8.
struct Transcoded<R> {
    input: R,
    /// Gone at the end of the input.
    transcoder: Option<Utf16Transcoder>,
    text: VecDeque<u8>,
}

impl<R: Read> Read for Transcoded<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.text.is_empty() {
            let Some(transcoder) = self.transcoder.as_mut() else { return Ok(0) };
            let mut block = [0; 8192];
            let length = self.input.read(&mut block)?;
            let mut text = Vec::new();
            if length == 0 {
                transcoder.finish(&mut text);
                self.transcoder = None;
            } else {
                transcoder.push(&block[..length], &mut text);
            }
            self.text.extend(text);
        }
        self.text.read(out)
    }
}
