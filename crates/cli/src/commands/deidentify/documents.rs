//! What a file is that is no DICOM; messages, resources, documents and notes, released in their own format.

use std::{
    io::{self, BufRead, BufReader, ErrorKind, Read},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use sutura_core::{BlockDecoder, Decoded, DecodedSink, DecoderSpec, FormatError};
use sutura_deid::{
    DeidError, DocumentDeidentifier, Ledger, Treatment,
    anonymizer::Anonymizer,
    ccda::CcdaDeidentifier,
    fhir::{FhirDeidentifier, PatientIndex},
    hl7v2::Hl7v2Deidentifier,
    plain::PlainDeidentifier,
    stream::{Rewind, StreamDeidentifier},
};
use sutura_hl7v2::{Decoder, MessageTap, RawMessage, Refusal};

use super::{super::whole, account::Rejected, out::PartWriter};
use crate::failure::{Failure, Outcome};

/// Bytes that are read at a time.
const BLOCK: usize = 1 << 20;
/// A larger document is not read as a whole for what it says of patients.
const LARGE: usize = 8 << 20;

/// What a file holds that is no DICOM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Hl7v2,
    /// A resource or Bundle a line.
    FhirLines,
    /// One resource or Bundle.
    Fhir,
    Ccda,
    Note,
    Csv,
    Parquet,
    /// A file of Arrow IPC.
    Arrow,
    /// A stream of Arrow IPC.
    ArrowStream,
}

impl Kind {
    /// By the beginning of a file and, where that says nothing, its name.
    pub(super) fn of(path: &Path, head: &[u8]) -> Option<Self> {
        match head {
            _ if head.starts_with(b"PAR1") => return Some(Self::Parquet),
            _ if head.starts_with(b"ARROW1") => return Some(Self::Arrow),
            // The length of a schema, which no table has so much of.
            [0xff, 0xff, 0xff, 0xff, _, _, _, 0, ..] => return Some(Self::ArrowStream),
            _ => {}
        }
        let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
        let start = head.iter().position(|byte| !byte.is_ascii_whitespace() && *byte != 0x0B)?;
        let (head, name) = (&head[start..], plain_name(path));
        let ends = |known: &[&str]| known.iter().any(|end| name.ends_with(end));
        match head {
            _ if [b"MSH".as_slice(), b"FHS", b"BHS"].iter().any(|begin| head.starts_with(begin)) => Some(Self::Hl7v2),
            [b'{', ..] if memchr::memmem::find(head, b"\"resourceType\"").is_none() => None,
            [b'{', ..] if ends(&[".ndjson", ".jsonl"]) => Some(Self::FhirLines),
            [b'{', ..] => Some(Self::Fhir),
            [b'<', ..] if memchr::memmem::find(head, b"ClinicalDocument").is_some() => Some(Self::Ccda),
            _ if ends(&[".txt", ".text", ".note"]) => Some(Self::Note),
            _ if ends(&[".csv", ".tsv", ".tab"]) => Some(Self::Csv),
            _ => None,
        }
    }

    /// The folder in OUT, and the word of accounts.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Hl7v2 => "hl7v2",
            Self::FhirLines | Self::Fhir => "fhir",
            Self::Ccda => "ccda",
            Self::Note => "notes",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
            Self::Arrow | Self::ArrowStream => "arrow",
        }
    }

    /// Whether it has rows and columns.
    pub(super) fn is_table(self) -> bool {
        matches!(self, Self::Csv | Self::Parquet | Self::Arrow | Self::ArrowStream)
    }

    /// The end of the names of released files.
    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::Hl7v2 => "hl7",
            Self::FhirLines => "ndjson",
            Self::Fhir => "json",
            Self::Ccda => "xml",
            Self::Note => "txt",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
            Self::ArrowStream => "arrows",
        }
    }
}

/// The name in small letters, without the end of a packed file.
fn plain_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let packed = [".gz", ".zst", ".zstd"].iter().find_map(|end| name.strip_suffix(end)).map(str::to_owned);
    packed.unwrap_or(name)
}

/// The de-identifiers of all formats but DICOM, under one policy.
pub(super) struct Documents {
    fhir: Resources,
    /// None: other formats are not treated.
    others: Option<Others>,
}

/// What treats resources.
enum Resources {
    Policy(FhirDeidentifier),
    /// A configuration of Microsoft's FHIR anonymizer.
    Configuration(Anonymizer),
}

struct Others {
    hl7v2: Hl7v2Deidentifier,
    ccda: CcdaDeidentifier,
    notes: PlainDeidentifier,
}

/// What came of a file.
pub(super) struct Released {
    pub(super) kind: Kind,
    /// The name of a table, if the user has named it.
    pub(super) table: Option<String>,
    /// Messages, resources, documents, notes or rows.
    pub(super) records: u64,
    /// Those that were not released.
    pub(super) rejected: Vec<Rejected>,
    pub(super) ledger: Ledger,
    /// Whether its metadata has the notice of a law.
    pub(super) has_notice: bool,
    pub(super) bytes_in: u64,
}

impl Documents {
    /// Under a policy, with what is known of the patients of all resources.
    pub(super) fn new(treatment: &Treatment, patients: PatientIndex) -> Self {
        let others = Others {
            hl7v2: Hl7v2Deidentifier::new(treatment.clone()),
            ccda: CcdaDeidentifier::new(treatment.clone()),
            notes: PlainDeidentifier::new(treatment.clone()),
        };
        let fhir = FhirDeidentifier::new(treatment.clone()).with_patients(Arc::new(patients));
        Self { fhir: Resources::Policy(fhir), others: Some(others) }
    }

    /// Resources by a configuration of Microsoft's FHIR anonymizer, and nothing else.
    pub(super) fn of_configuration(anonymizer: Anonymizer) -> Self {
        Self { fhir: Resources::Configuration(anonymizer), others: None }
    }

    /// Whether files of a kind are treated.
    pub(super) fn treats(&self, kind: Kind) -> bool {
        self.others.is_some() || matches!(kind, Kind::Fhir | Kind::FhirLines)
    }

    /// The same for one file: days of shifts may be its own.
    fn of_file(self: &Arc<Self>, path: &Path) -> Arc<Self> {
        let Resources::Configuration(anonymizer) = &self.fhir else { return Arc::clone(self) };
        let name = |path: Option<&Path>| path.and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
        let anonymizer = anonymizer.clone().of_file(&name(Some(path)), &name(path.parent()));
        Arc::new(Self { fhir: Resources::Configuration(anonymizer), others: None })
    }

    /// Releases a file, record by record. What cannot be released is a reject with its place.
    ///
    /// # Errors
    /// When nothing more can be written, or keys or vault fail: no other file would be spared.
    pub(super) fn release(self: &Arc<Self>, path: &Path, kind: Kind, most: usize, out: PartWriter) -> Outcome<(Released, PartWriter)> {
        let mut work = Work {
            documents: self.of_file(path),
            kind,
            released: Released {
                kind,
                table: None,
                records: 0,
                rejected: Vec::new(),
                ledger: Ledger::new(),
                has_notice: false,
                bytes_in: 0,
            },
            path: path.to_owned(),
            out,
            buffer: Vec::new(),
        };
        let mut input = match Capped::open(path, most) {
            Ok(input) => input,
            Err(error) => {
                work.unreadable(&error);
                return Ok((work.released, work.out));
            }
        };
        let documents = Arc::clone(&work.documents);
        let work = match (kind, documents.stream(kind)) {
            // The records of a feed that can be read are released, whatever follows.
            (Kind::Hl7v2, _) => messages(&mut input.input, work),
            (Kind::FhirLines, _) => lines(&mut input.input, most, work),
            (_, Some(stream)) => streamed(stream, &mut input, work),
            (_, None) => one(&mut input.input, most, work),
        }?;
        Ok((work.released, work.out))
    }

    /// What reads a document piece by piece.
    fn stream(&self, kind: Kind) -> Option<&dyn StreamDeidentifier> {
        match (kind, &self.others, &self.fhir) {
            (Kind::Fhir, _, Resources::Policy(fhir)) => Some(fhir),
            (Kind::Ccda, Some(others), _) => Some(&others.ccda),
            (Kind::Note, Some(others), _) => Some(&others.notes),
            _ => None,
        }
    }

    fn of(&self, kind: Kind) -> &dyn DocumentDeidentifier {
        match (&self.others, &self.fhir) {
            (Some(others), _) if kind == Kind::Hl7v2 => &others.hl7v2,
            (Some(others), _) if kind == Kind::Ccda => &others.ccda,
            (Some(others), _) if kind == Kind::Note => &others.notes,
            (_, Resources::Policy(fhir)) => fhir,
            (_, Resources::Configuration(anonymizer)) => anonymizer,
        }
    }
}

/// A file that is read up to a number of bytes, and may be read again.
struct Capped {
    path: PathBuf,
    input: Box<dyn Read>,
    most: usize,
    left: usize,
}

impl Capped {
    fn open(path: &Path, most: usize) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), input: whole::open(path)?, most, left: most })
    }
}

impl Read for Capped {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        // One more than there is room for tells that it is too large.
        let length = bytes.len().min(self.left.saturating_add(1));
        let read = self.input.read(&mut bytes[..length])?;
        if read > self.left {
            return Err(ErrorKind::FileTooLarge.into());
        }
        self.left -= read;
        Ok(read)
    }
}

impl Rewind for Capped {
    fn read_again(&mut self) -> io::Result<()> {
        (self.input, self.left) = (whole::open(&self.path)?, self.most);
        Ok(())
    }
}

/// What the Patient resources of the files say: files of an export hold one type each, and an Observation does not say its patient's number.
/// What cannot be read is a reject when its turn comes.
pub(super) fn patients(files: &[PathBuf], most: usize) -> PatientIndex {
    let mut index = PatientIndex::new();
    for path in files {
        let Ok(mut input) = whole::open(path) else { continue };
        let mut bytes = Vec::new();
        if (&mut input).take(BLOCK as u64).read_to_end(&mut bytes).is_err() {
            continue;
        }
        match Kind::of(path, &bytes) {
            // A larger one is a Bundle, which has its patients in itself.
            Some(Kind::Fhir) if whole::read_on(&mut input, &mut bytes, most.min(LARGE)).is_ok_and(|is_whole| is_whole) => {
                learn(&bytes, &mut index);
            }
            Some(Kind::FhirLines) => {
                let mut lines = BufReader::with_capacity(BLOCK, bytes.as_slice().chain(input));
                let mut line = Vec::new();
                loop {
                    line.clear();
                    match (&mut lines).take(most as u64).read_until(b'\n', &mut line) {
                        Ok(read) if read > 0 => learn(&line, &mut index),
                        _ => break,
                    }
                }
            }
            _ => {}
        }
    }
    index
}

fn learn(document: &[u8], index: &mut PatientIndex) {
    if memchr::memmem::find(document, b"\"Patient\"").is_some() {
        index.learn(document);
    }
}

/// A file that is being released.
struct Work {
    documents: Arc<Documents>,
    kind: Kind,
    released: Released,
    path: std::path::PathBuf,
    out: PartWriter,
    buffer: Vec<u8>,
}

impl Work {
    /// Releases one record.
    fn take(&mut self, record: &[u8], offset: u64) -> Outcome<()> {
        self.released.records += 1;
        self.buffer.clear();
        let documents = Arc::clone(&self.documents);
        // A defect costs the record that it has to do with.
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            documents.of(self.kind).deidentify(record, &mut self.buffer, &mut self.released.ledger)
        }));
        match done {
            Ok(Ok(())) => {
                if !matches!(self.kind, Kind::Note) && !self.buffer.ends_with(b"\n") {
                    self.buffer.push(b'\n');
                }
                self.out.write(&self.buffer)
            }
            Ok(Err(DeidError::Privacy(error))) => Err(Failure::failed(error)),
            Ok(Err(error)) => {
                self.reject(error.code(), offset, error.to_string());
                Ok(())
            }
            Err(_) => {
                self.reject("defect", offset, "a defect of sutura; please report it".to_owned());
                Ok(())
            }
        }
    }

    fn reject(&mut self, code: &'static str, offset: u64, reason: String) {
        self.released.rejected.push(Rejected { path: self.path.clone(), offset, code, location: String::new(), reason });
    }

    /// The record that cannot be read is one; what follows it nobody knows.
    fn unreadable(&mut self, error: &std::io::Error) {
        self.released.records += 1;
        let offset = self.released.bytes_in;
        // The kind of the error only: the words of the system may hold anything.
        self.reject("not-readable", offset, format!("the file cannot be read on: {}", error.kind()));
    }
}

/// Messages of a stream, as the reader frames them. Envelopes of batches are left out: they name sender and time.
fn messages(input: &mut dyn Read, work: Work) -> Outcome<Work> {
    let source: Arc<str> = "file".into();
    let spec = DecoderSpec { source, start: 0, end: None, options: serde_json::json!({}), requests: Vec::new(), batch_rows: 1 };
    let shared = Arc::new(Mutex::new((work, None)));
    let mut decoder = Decoder::with_tap(spec, Box::new(Tap(Arc::clone(&shared)))).map_err(Failure::failed)?;
    let mut rejects = Rejects(Arc::clone(&shared));
    let failed = |error: FormatError| {
        let why = locked(&shared).1.take();
        why.unwrap_or_else(|| Failure::failed(error))
    };
    loop {
        let mut block = Vec::with_capacity(BLOCK);
        match input.take(BLOCK as u64).read_to_end(&mut block) {
            Ok(0) => break,
            Ok(read) => {
                locked(&shared).0.released.bytes_in += read as u64;
                decoder.push(block.into(), &mut rejects).map_err(failed)?;
            }
            Err(error) => {
                locked(&shared).0.unreadable(&error);
                break;
            }
        }
    }
    decoder.finish(&mut rejects).map_err(failed)?;
    drop((decoder, rejects));
    let (work, failure) = Arc::try_unwrap(shared)
        .map_err(|_| Failure::failed("a defect of sutura: a reader is still open"))?
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    failure.map_or(Ok(work), Err)
}

type Shared = Arc<Mutex<(Work, Option<Failure>)>>;

fn locked(shared: &Shared) -> std::sync::MutexGuard<'_, (Work, Option<Failure>)> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Tap(Shared);

impl MessageTap for Tap {
    fn take(&mut self, message: &RawMessage<'_>, _: &mut dyn DecodedSink) -> Result<Option<Refusal>, FormatError> {
        let mut shared = locked(&self.0);
        match shared.0.take(message.raw, message.offset) {
            Ok(()) => Ok(None),
            Err(failure) => {
                shared.1 = Some(failure);
                Err(FormatError::Stopped)
            }
        }
    }

    fn finish(&mut self, _: &mut dyn DecodedSink) -> Result<(), FormatError> {
        Ok(())
    }
}

/// What the reader cannot read.
struct Rejects(Shared);

impl DecodedSink for Rejects {
    fn take(&mut self, decoded: Decoded) -> std::ops::ControlFlow<()> {
        if let Decoded::Reject(reject) = decoded {
            let mut shared = locked(&self.0);
            shared.0.released.records += 1;
            shared.0.reject(reject.code, reject.id.offset, reject.reason);
        }
        std::ops::ControlFlow::Continue(())
    }
}

/// A record a line; blank lines are none.
fn lines(input: &mut dyn Read, most: usize, mut work: Work) -> Outcome<Work> {
    let (mut held, mut offset) = (Vec::new(), 0u64);
    loop {
        let before = held.len();
        if let Err(error) = input.take(BLOCK as u64).read_to_end(&mut held) {
            work.unreadable(&error);
            return Ok(work);
        }
        let is_end = held.len() == before;
        work.released.bytes_in += (held.len() - before) as u64;
        let mut start = 0;
        while let Some(length) = memchr::memchr(b'\n', &held[start..]) {
            line(&mut work, &held[start..start + length], offset + start as u64)?;
            start += length + 1;
        }
        if is_end {
            line(&mut work, &held[start..], offset + start as u64)?;
            return Ok(work);
        }
        held.drain(..start);
        offset += start as u64;
        if held.len() > most {
            work.released.records += 1;
            work.reject("too-large", offset, "a line is longer than --max-file allows; what follows it was not read".to_owned());
            return Ok(work);
        }
    }
}

fn line(work: &mut Work, line: &[u8], offset: u64) -> Outcome<()> {
    let line = line.trim_ascii();
    if line.is_empty() { Ok(()) } else { work.take(line, offset) }
}

/// A file that is one document, of any size.
fn streamed(stream: &dyn StreamDeidentifier, input: &mut Capped, mut work: Work) -> Outcome<Work> {
    let Work { released, out, .. } = &mut work;
    // A defect costs the document that it has to do with.
    let done =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| stream.deidentify_stream(input, out, &mut released.ledger, &mut |_| {})));
    if let Some(failure) = work.out.take_failure() {
        return Err(failure);
    }
    let (code, reason) = match done {
        Ok(Ok(done)) => {
            (work.released.records, work.released.bytes_in) = (1, done.bytes_in);
            return Ok(work);
        }
        Ok(Err(DeidError::Privacy(error))) => return Err(Failure::failed(error)),
        Ok(Err(DeidError::Input(ErrorKind::FileTooLarge))) => ("too-large", "the file is larger than --max-file allows".to_owned()),
        Ok(Err(error)) => (error.code(), error.to_string()),
        Err(_) => ("defect", "a defect of sutura; please report it".to_owned()),
    };
    work.released.records = 1;
    work.reject(code, 0, reason);
    Ok(work)
}

/// A file that is one record, in memory.
fn one(input: &mut dyn Read, most: usize, mut work: Work) -> Outcome<Work> {
    let mut bytes = Vec::new();
    match whole::read_on(input, &mut bytes, most) {
        Ok(true) => {
            work.released.bytes_in = bytes.len() as u64;
            work.take(&bytes, 0)?;
        }
        Ok(false) => {
            work.released.records += 1;
            work.reject("too-large", 0, "the file is larger than --max-file allows".to_owned());
        }
        Err(error) => work.unreadable(&error),
    }
    Ok(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_by_content() {
        let of = |name: &str, head: &[u8]| Kind::of(Path::new(name), head);
        assert_eq!(of("x", b"\xef\xbb\xbfMSH|^~\\&|"), Some(Kind::Hl7v2));
        assert_eq!(of("a.txt", b"\x0bMSH|^~\\&|"), Some(Kind::Hl7v2));
        assert_eq!(of("a.json", b" {\"resourceType\""), Some(Kind::Fhir));
        assert_eq!(of("Patient.NDJSON.gz", b"{\"resourceType\""), Some(Kind::FhirLines));
        assert_eq!(of("a.xml", b"<?xml version='1.0'?><ClinicalDocument xmlns='urn:hl7-org:v3'>"), Some(Kind::Ccda));
        assert_eq!(of("note.txt", b"Seen today"), Some(Kind::Note));
        assert_eq!((of("Labs.CSV.gz", b"a,b"), of("labs.tsv", b"a\tb")), (Some(Kind::Csv), Some(Kind::Csv)));
        assert_eq!((of("x", b"PAR1\x15"), of("x", b"ARROW1\0\0")), (Some(Kind::Parquet), Some(Kind::Arrow)));
        assert_eq!((of("table", b"a,b"), of("empty.txt", b"  "), of("empty.csv", b"\n")), (None, None, None));
    }
}
