//! From whatever holds resources to Bundles or an export, in one call.

use std::{
    collections::BTreeMap,
    io::{self, Read},
    ops::ControlFlow,
    path::Path,
    sync::Arc,
};

use arrow::array::{Array, RecordBatch, StringViewArray};
use bytes::Bytes;
use sutura_core::{BlockDecoder, Decoded, DecoderSpec, Format, FormatError, ReadStats, Reject, TableRequest};

use super::{
    BundleError, BundleKind, BundleParts, Entry, ExportOptions, Manifest, NdjsonExport, Options, Parts, ReferenceIndex, SearchMode, Summary,
};
use crate::read::{self, Fhir};

/// Takes one resource; an error ends the reading.
pub type Take<'t> = dyn FnMut(Entry<'_>) -> Result<(), BundleError> + 't;

/// What came of many resources.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Bundles written.
    pub parts: u64,
    /// What they hold.
    pub summary: Summary,
    /// Resources that were not written, by the code of the reason.
    pub refused: BTreeMap<&'static str, u64>,
}

/// Writes the resources that `source` gives as Bundles.
///
/// `source` hands every resource to the function it gets and returns what that returns. It is called once, or twice where
/// [`Options::needs_index`] says so: then it has to give the same resources in the same order again. `refused` hears of each
/// resource that is not written; whatever else goes wrong ends the writing.
///
/// # Errors
/// Those of `source`, wrong options, and failures to write.
pub fn write_bundles<P: Parts>(
    parts: P,
    kind: BundleKind,
    options: Options,
    source: &mut dyn FnMut(&mut Take<'_>) -> Result<(), BundleError>,
    refused: &mut dyn FnMut(&BundleError, Entry<'_>),
) -> Result<Report, BundleError> {
    let index = if options.needs_index(kind) {
        let mut index = ReferenceIndex::new(kind, &options)?;
        // What is refused here is refused again, and counted, when it is written.
        source(&mut |entry| index.add(entry).or_else(|error| if error.is_refusal() { Ok(()) } else { Err(error) }))?;
        Some(Arc::new(index))
    } else {
        None
    };
    let mut writer = BundleParts::new(parts, kind, options, index)?;
    let mut report = Report::default();
    source(&mut |entry| writer.push(entry).or_else(|error| count_refusal(error, entry, &mut report, refused)))?;
    (report.parts, report.summary) = writer.finish()?;
    Ok(report)
}

/// Writes the resources that `source` gives as one NDJSON file a type.
///
/// # Errors
/// Those of `source`, and failures to write, which leave an earlier export as it was; failures to put the files in their places, which leave no
/// manifest ([`NdjsonExport::finish`]).
pub fn export_ndjson(
    folder: &Path,
    options: ExportOptions,
    source: &mut dyn FnMut(&mut Take<'_>) -> Result<(), BundleError>,
    refused: &mut dyn FnMut(&BundleError, Entry<'_>),
) -> Result<(Manifest, Report), BundleError> {
    let mut export = NdjsonExport::create(folder, options)?;
    let mut report = Report::default();
    source(&mut |entry| export.push(entry.resource).or_else(|error| count_refusal(error, entry, &mut report, refused)))?;
    let manifest = export.finish()?;
    report.summary.entries = manifest.resources;
    report.summary.bytes = manifest.output.iter().map(|file| file.bytes).sum();
    Ok((manifest, report))
}

fn count_refusal(
    error: BundleError,
    entry: Entry<'_>,
    report: &mut Report,
    refused: &mut dyn FnMut(&BundleError, Entry<'_>),
) -> Result<(), BundleError> {
    if !error.is_refusal() {
        return Err(error);
    }
    *report.refused.entry(error.code()).or_default() += 1;
    refused(&error, entry);
    Ok(())
}

/// Reads a source of any layout (NDJSON, Bundles, arrays, single resources; unpacked) and gives every resource to `take` as it
/// was sent, with its fullUrl and search mode, and every reject to `reject`.
/// The account is that of the reader: every byte is in a resource, a reject or the envelope.
///
/// # Errors
/// Wrong options, a source that fails, and what `take` returns.
pub fn read_resources(
    mut from: impl Read,
    name: &str,
    options: &read::Options,
    take: &mut Take<'_>,
    reject: &mut dyn FnMut(Reject),
) -> Result<ReadStats, BundleError> {
    let table = Fhir
        .table("resources")
        .and_then(|table| ["json", "full_url", "search_mode"].map(|name| table.index_of(name)).into_iter().collect());
    let columns: Vec<usize> = table.ok_or_else(|| io::Error::other("the table of resources has other columns"))?;
    let spec = DecoderSpec {
        source: name.into(),
        start: 0,
        end: None,
        options: serde_json::to_value(options).map_err(io::Error::other)?,
        requests: vec![TableRequest { table: "resources".to_owned(), columns: Some(columns), filter: Vec::new() }],
        batch_rows: BATCH_ROWS,
    };
    let mut decoder = read::Decoder::new(spec)?;
    let mut failure = None;
    let mut sink = |decoded: Decoded| {
        match decoded {
            Decoded::Reject(bad) => reject(bad),
            Decoded::Batch { batch, .. } => {
                if let Err(error) = each_row(&batch, take) {
                    failure = Some(error);
                    return ControlFlow::Break(());
                }
            }
        }
        ControlFlow::Continue(())
    };
    let stats = run(&mut from, &mut decoder, &mut sink);
    match (stats, failure) {
        (_, Some(error)) => Err(error),
        (stats, None) => stats,
    }
}

/// Few rows: resources may be large, and each is copied.
const BATCH_ROWS: usize = 64;
const BLOCK: usize = 1 << 20;

fn run(from: &mut impl Read, decoder: &mut read::Decoder, sink: &mut dyn sutura_core::DecodedSink) -> Result<ReadStats, BundleError> {
    let mut block = vec![0; BLOCK];
    loop {
        let length = match from.read(&mut block) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        decoder.push(Bytes::copy_from_slice(&block[..length]), sink)?;
    }
    Ok(decoder.finish(sink)?)
}

fn each_row(batch: &RecordBatch, take: &mut Take<'_>) -> Result<(), BundleError> {
    let column = |at: usize| batch.columns().get(at).and_then(|column| column.as_any().downcast_ref::<StringViewArray>());
    let (Some(json), Some(urls), Some(modes)) = (column(0), column(1), column(2)) else {
        return Err(FormatError::Arrow(arrow::error::ArrowError::SchemaError("the JSON of resources is no text".to_owned())).into());
    };
    for row in 0..batch.num_rows() {
        let full_url = urls.is_valid(row).then(|| urls.value(row));
        let search = SearchMode::from_code(modes.value(row)).filter(|_| modes.is_valid(row)).unwrap_or_default();
        take(Entry { full_url, search, ..Entry::from(json.value(row).as_bytes()) })?;
    }
    Ok(())
}
