//! Records become FHIR: many threads, one batch of records at a time each.

use std::sync::{Mutex, PoisonError};

use sutura_ccda::{Document, Limits};
use sutura_convert::{ConvertError, ccda, fhir::Source, report::Report, v2};
use sutura_engine::arrow::array::RecordBatch;
use sutura_fhir::{
    json::Parser,
    validate::{Summary, Validator, json_issue},
};
use sutura_hl7v2::Message;

use super::{
    account::Rejected,
    records::{Kind, Record, records},
};
use crate::failure::{Failure, Outcome};

/// What became of a batch of records.
pub(super) struct Piece {
    /// One Bundle a line.
    pub(super) bundles: Vec<u8>,
    /// The records that gave none.
    pub(super) rejected: Vec<Rejected>,
}

/// What a thread needs; it is lent, and comes back with what was counted.
#[derive(Default)]
struct Bench {
    /// Made with the first message: its tables take a while to compile.
    messages: Option<v2::Converter>,
    parser: Parser,
    report: Report,
    validated: Summary,
}

/// Converts batches on any number of threads.
pub(super) struct Workshop {
    messages: v2::Options,
    documents: ccda::Converter,
    validator: Option<Validator>,
    idle: Mutex<Vec<Bench>>,
    /// Buffers that were written out: filled again, their memory is not asked of the system anew.
    empty: Mutex<Vec<Vec<u8>>>,
}

/// A larger buffer is given back to the system.
const LARGEST_KEPT: usize = 32 << 20;

impl Workshop {
    /// A workshop; with `validate` it checks what it makes.
    pub(super) fn new(messages: v2::Options, documents: ccda::Options, validate: bool) -> Outcome<Self> {
        messages.check().map_err(|error| wrong_options(&error))?;
        let validator = validate.then(Validator::default);
        Ok(Self { messages, documents: ccda::Converter::new(documents), validator, idle: Mutex::default(), empty: Mutex::default() })
    }

    /// Converts a batch.
    pub(super) fn convert(&self, batch: &RecordBatch) -> Outcome<Piece> {
        let Some(records) = records(batch) else {
            return Err(Failure::failed("the table of records has other columns than expected; report this with the command"));
        };
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut bench = idle.unwrap_or_default();
        let bundles = self.empty.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        let mut piece = Piece { bundles, rejected: Vec::new() };
        for record in records {
            let before = piece.bundles.len();
            match self.record(&mut bench, &record, &mut piece.bundles) {
                Ok(()) => {
                    self.check(&mut bench, &piece.bundles[before..]);
                    piece.bundles.push(b'\n');
                }
                Err(rejected) => {
                    piece.bundles.truncate(before);
                    piece.rejected.push(rejected);
                }
            }
        }
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(bench);
        Ok(piece)
    }

    /// Takes back the buffer of a piece that was written.
    pub(super) fn give_back(&self, mut buffer: Vec<u8>) {
        if buffer.capacity() <= LARGEST_KEPT {
            buffer.clear();
            self.empty.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
        }
    }

    fn record(&self, bench: &mut Bench, record: &Record<'_>, out: &mut Vec<u8>) -> Result<(), Rejected> {
        let source = Source { uri: record.source, offset: record.offset, length: record.length, sha256: record.sha256 };
        let refused = |error: ConvertError| Rejected::of(record, error.code(), error.location(), error.to_string());
        match record.kind {
            Kind::Hl7v2 => {
                // The reader has decoded it and found its delimiters.
                let text = std::str::from_utf8(record.content).map_err(|_| Rejected::of(record, "not-hl7", "", NOT_READ.to_owned()))?;
                let message = Message::parse(text).map_err(|error| Rejected::of(record, "not-hl7", "MSH", error.to_string()))?;
                let converter = match &mut bench.messages {
                    Some(converter) => converter,
                    none => none.insert(v2::Converter::new(&self.messages).map_err(|error| {
                        // They were right when the workshop was opened.
                        Rejected::of(record, "convert-options", "", error.to_string())
                    })?),
                };
                converter.convert(&message, &source, &mut bench.report, out).map_err(refused)
            }
            Kind::Ccda => {
                let document = Document::parse(record.content.to_vec(), &Limits::default())
                    .map_err(|error| Rejected::of(record, error.kind.code(), "", format!("byte {}: {}", error.offset, error.kind)))?;
                self.documents.convert(&document, &source, &mut bench.report, out).map(|_| ()).map_err(refused)
            }
        }
    }

    fn check(&self, bench: &mut Bench, bundle: &[u8]) {
        let Some(validator) = &self.validator else { return };
        let issues = match bench.parser.parse(bundle) {
            Ok(document) => validator.validate(document.root()),
            Err(error) => vec![json_issue(&error)],
        };
        bench.validated.record(Some("Bundle"), bundle.len(), &issues);
    }

    /// What was counted on all threads.
    pub(super) fn counts(&self) -> (Report, Option<Summary>) {
        let (mut report, mut validated) = (Report::new(), Summary::new());
        for bench in self.idle.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            report.merge(&bench.report);
            validated.merge(&bench.validated);
        }
        (report, self.validator.is_some().then_some(validated))
    }
}

const NOT_READ: &str = "the message is no text";

fn wrong_options(error: &v2::OptionsError) -> Failure {
    Failure::configuration(format!("--zone or --recorded: {error}"))
}
