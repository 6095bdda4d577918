//! DICOM as a format of the engine, with the tables of image quality beside those of the data sets.

use std::{
    ops::ControlFlow,
    sync::{Arc, LazyLock},
};

use bytes::{Bytes, BytesMut};
use sutura_core::{
    BlockDecoder, Decoded, DecodedSink, DecoderSpec, Finding, Format, FormatError, Grouping, Progress, ReadStats, RecordId, Severity,
    Sha256Hash, TableDef, TableRequest,
};
use sutura_dicom::{Dicom, DicomFile, Limits, Options, pixels::PixelError};

use crate::{
    error::ImagingError,
    groups::groupings,
    key::ImageKey,
    measure::{MeasureOptions, Measurer},
    tables::{MetricRows, QualityRows, image_metrics, image_quality},
};

/// `read_dicom(path [, table])` with the tables `image_quality` (a row for each image) and `image_metrics` (a row for each number), and their groups
/// `series_quality` and `quality_statistics`.
///
/// Pixels are decoded only where one of the two is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Images;

fn tables() -> &'static [TableDef] {
    static TABLES: LazyLock<Vec<TableDef>> =
        LazyLock::new(|| Dicom.tables().iter().chain([image_quality(), image_metrics()]).cloned().collect());
    &TABLES
}

impl Format for Images {
    fn name(&self) -> &'static str {
        Dicom.name()
    }

    fn extensions(&self) -> &'static [&'static str] {
        Dicom.extensions()
    }

    fn tables(&self) -> &[TableDef] {
        tables()
    }

    fn splittable(&self) -> bool {
        Dicom.splittable()
    }

    fn check_options(&self, options: &serde_json::Value) -> Result<(), FormatError> {
        Dicom.check_options(options)
    }

    fn groupings(&self) -> &[Grouping] {
        groupings()
    }

    fn table_hint(&self, name: &str) -> Option<String> {
        let grouping = groupings().iter().find(|grouping| grouping.name == name);
        let of_groups =
            |grouping: &Grouping| format!("{name} are groups: select ... from {} group by {}", grouping.of, grouping.key.join(", "));
        grouping.map(of_groups).or_else(|| sutura_core::near_table(tables(), name))
    }

    fn decoder(&self, spec: DecoderSpec) -> Result<Box<dyn BlockDecoder>, FormatError> {
        let limits = Options::from_json(&spec.options)?.limits();
        let (mut inner, mut places, mut wanted) = (Vec::new(), Vec::new(), Vec::new());
        for (place, request) in spec.requests.iter().enumerate() {
            if request.table == image_quality().name || request.table == image_metrics().name {
                wanted.push(Wanted::new(place, request));
            } else {
                places.push(place);
                inner.push(request.clone());
            }
        }
        let owns_nothing = spec.start > 0;
        let (source, batch_rows) = (Arc::clone(&spec.source), spec.batch_rows.max(1));
        let decoder = Dicom.decoder(DecoderSpec { requests: inner, ..spec })?;
        if wanted.is_empty() {
            return Ok(decoder);
        }
        Ok(Box::new(Decoder {
            inner: decoder,
            places,
            wanted,
            source,
            batch_rows,
            limits,
            owns_nothing,
            held: BytesMut::new(),
            is_too_large: false,
        }))
    }
}

/// One table that was asked for.
struct Wanted {
    place: usize,
    columns: Option<Vec<usize>>,
    rows: Rows,
}

enum Rows {
    Quality(Box<QualityRows>),
    Metrics(Box<MetricRows>),
}

impl Wanted {
    fn new(place: usize, request: &TableRequest) -> Self {
        let is_quality = request.table == image_quality().name;
        let rows = if is_quality { Rows::Quality(Box::default()) } else { Rows::Metrics(Box::default()) };
        Self { place, columns: request.columns.clone(), rows }
    }

    fn rows(&self) -> usize {
        match &self.rows {
            Rows::Quality(rows) => rows.len(),
            Rows::Metrics(rows) => rows.len(),
        }
    }

    fn flush(&mut self, out: &mut dyn DecodedSink) -> Result<(), FormatError> {
        if self.rows() == 0 {
            return Ok(());
        }
        let batch = match &mut self.rows {
            Rows::Quality(rows) => rows.finish(),
            Rows::Metrics(rows) => rows.finish(),
        };
        let batch = batch.map_err(|error| match error {
            ImagingError::Table(error) => FormatError::Arrow(error),
            other => FormatError::Arrow(arrow::error::ArrowError::ComputeError(other.to_string())),
        })?;
        let batch = match &self.columns {
            Some(columns) => batch.project(columns)?,
            None => batch,
        };
        out.emit(Decoded::Batch { request: self.place, batch })
    }
}

/// Reads one file twice: once as a data set, by the reader of DICOM, which also rejects what is broken; and once for its pixels.
struct Decoder {
    inner: Box<dyn BlockDecoder>,
    /// The requests of the reader of DICOM among all.
    places: Vec<usize>,
    wanted: Vec<Wanted>,
    source: Arc<str>,
    batch_rows: usize,
    limits: Limits,
    owns_nothing: bool,
    held: BytesMut,
    is_too_large: bool,
}

/// Gives batches the place of their request among all requests.
struct Renumbered<'o> {
    places: &'o [usize],
    out: &'o mut dyn DecodedSink,
}

impl DecodedSink for Renumbered<'_> {
    fn take(&mut self, decoded: Decoded) -> ControlFlow<()> {
        match decoded {
            Decoded::Batch { request, batch } => {
                self.out.take(Decoded::Batch { request: self.places.get(request).copied().unwrap_or(request), batch })
            }
            reject @ Decoded::Reject(_) => self.out.take(reject),
        }
    }
}

impl Decoder {
    fn measure(&mut self, file: &DicomFile, bytes: &Bytes, out: &mut dyn DecodedSink) -> Result<Option<&'static str>, FormatError> {
        let record = RecordId { source: Arc::clone(&self.source), offset: 0, length: bytes.len() as u64, sha256: Sha256Hash::of(bytes) };
        let (mut failed, wanted) = (None, &mut self.wanted);
        let (mut key, mut measured) = (ImageKey::of(file, record, 0), 0);
        let outcome = Measurer::new(MeasureOptions::default()).measure_file(file, usize::MAX, |frame, report| {
            (key.frame, measured) = (frame, frame + 1);
            for table in wanted.iter_mut() {
                match &mut table.rows {
                    Rows::Quality(rows) => rows.push(&key, report),
                    Rows::Metrics(rows) => rows.push(&key, report),
                }
                if failed.is_none() && table.rows() >= self.batch_rows {
                    failed = table.flush(out).err();
                }
            }
        });
        if let Some(error) = failed {
            return Err(error);
        }
        let code = match outcome {
            // A report or a plan has no pixels, and nothing is missing.
            Ok(_) | Err(ImagingError::Pixels(PixelError::Absent)) => return Ok(None),
            Err(ImagingError::Pixels(error)) => error.code(),
            Err(ImagingError::TooLarge) => "image-too-large",
            Err(_) => PixelError::Damaged.code(),
        };
        // The frame that could not be read stands for those behind it.
        key.frame = measured;
        for table in wanted.iter_mut() {
            match &mut table.rows {
                Rows::Quality(rows) => rows.push_unread(&key, code),
                Rows::Metrics(rows) => rows.push_unread(&key, code),
            }
        }
        Ok(Some(code))
    }
}

impl BlockDecoder for Decoder {
    fn push(&mut self, block: Bytes, out: &mut dyn DecodedSink) -> Result<Progress, FormatError> {
        if !self.owns_nothing && !self.is_too_large {
            self.is_too_large = self.held.len() + block.len() > self.limits.bytes;
            if self.is_too_large {
                self.held = BytesMut::new();
            } else {
                self.held.extend_from_slice(&block);
            }
        }
        self.inner.push(block, &mut Renumbered { places: &self.places, out })
    }

    fn finish(&mut self, out: &mut dyn DecodedSink) -> Result<ReadStats, FormatError> {
        let mut stats = self.inner.finish(&mut Renumbered { places: &self.places, out })?;
        let bytes = std::mem::take(&mut self.held).freeze();
        let problem = if self.owns_nothing || stats.accepted == 0 {
            None
        } else if self.is_too_large {
            Some(PixelError::NotRead.code())
        } else {
            match DicomFile::parse(bytes.clone(), &self.limits) {
                Ok(file) => self.measure(&file, &bytes, out)?,
                Err(_) => None,
            }
        };
        if let Some(code) = problem {
            stats.count_finding(&Finding::new(code, Severity::Warning, "(7FE0,0010)", "an image of the file was not measured"));
        }
        for table in &mut self.wanted {
            table.flush(out)?;
        }
        Ok(stats)
    }
}

#[cfg(test)]
mod tests {
    use arrow::{
        array::{AsArray, RecordBatch},
        datatypes::Float64Type,
    };
    use sutura_dicom::{
        Tag, Vr,
        write::{OwnedDataSet, OwnedFile},
    };

    use super::*;

    /// A picture with a bright middle; `pixels` are the bytes of its only frame.
    fn file(pixels: Vec<u8>) -> Vec<u8> {
        let mut data_set = OwnedDataSet::new();
        data_set.set_uid(Tag(0x0008_0016), "1.2.840.10008.5.1.4.1.1.2");
        data_set.set_uid(Tag(0x0008_0018), "1.2.3");
        data_set.set_text(Tag(0x0008_0060), Vr::CS, "CT");
        data_set.set_text(Tag(0x0028_0004), Vr::CS, "MONOCHROME2");
        for (tag, number) in [(0x0002, 1), (0x0010, 64), (0x0011, 64), (0x0100, 8), (0x0101, 8), (0x0102, 7), (0x0103, 0)] {
            data_set.set_u16(Tag(0x0028_0000 | tag), &[number]);
        }
        data_set.set_bytes(Tag(0x7FE0_0010), Vr::OB, pixels);
        OwnedFile::new(data_set).to_bytes().unwrap()
    }

    fn read(bytes: &[u8], requests: Vec<TableRequest>) -> (Vec<(usize, RecordBatch)>, ReadStats) {
        let spec =
            DecoderSpec { source: "file:///x.dcm".into(), start: 0, end: None, options: serde_json::json!({}), requests, batch_rows: 100 };
        let mut decoder = Images.decoder(spec).unwrap();
        let mut out = Vec::new();
        for block in bytes.chunks(1000) {
            decoder.push(Bytes::copy_from_slice(block), &mut out).unwrap();
        }
        let stats = decoder.finish(&mut out).unwrap();
        let batch = |decoded| match decoded {
            Decoded::Batch { request, batch } => Some((request, batch)),
            Decoded::Reject(_) => None,
        };
        (out.into_iter().filter_map(batch).collect(), stats)
    }

    #[test]
    fn quality_is_a_table_beside_those_of_the_data_set() {
        let pixels = (0..64 * 64).map(|place| if (16..48).contains(&(place / 64)) && (16..48).contains(&(place % 64)) { 200 } else { 10 });
        let score = image_quality().columns.iter().position(|column| column.name == "foreground_share").unwrap();
        let quality = TableRequest { columns: Some(vec![score]), ..TableRequest::whole("image_quality") };
        let (batches, stats) =
            read(&file(pixels.collect()), vec![quality, TableRequest::whole("instances"), TableRequest::whole("image_metrics")]);
        assert!(stats.balances() && stats.accepted == 1 && stats.findings.is_empty(), "{stats:?}");
        let of = |request: usize| batches.iter().find(|(place, _)| *place == request).map(|(_, batch)| batch).unwrap();
        assert_eq!((of(0).num_rows(), of(0).num_columns(), of(1).num_rows()), (1, 1, 1));
        assert_eq!(of(0).column(0).as_primitive::<Float64Type>().value(0), 0.25);
        assert!(of(2).num_rows() > 40);
    }

    #[test]
    fn what_is_not_measured_is_said() {
        let requests = || vec![TableRequest::whole("image_quality")];
        let (batches, stats) = read(&file(vec![1; 100]), requests());
        assert!(stats.accepted == 1 && stats.findings.keys().any(|key| format!("{key:?}").contains("pixels-short")), "{stats:?}");
        let [(0, batch)] = &batches[..] else { panic!("{batches:?}") };
        let text = |name: &str| batch.column_by_name(name).unwrap().as_string_view().value(0).to_owned();
        assert_eq!((batch.num_rows(), text("not_measured"), text("verdict")), (1, "pixels-short".to_owned(), "quarantine".to_owned()));
        assert!(batch.column_by_name("score").unwrap().is_null(0));
        // A mask has no quality, and nothing is missing.
        let mut mask = OwnedFile::of(&DicomFile::parse(file(vec![1; 64 * 64]), &Limits::default()).unwrap());
        mask.data_set.set_uid(Tag(0x0008_0016), "1.2.840.10008.5.1.4.1.1.66.4");
        let (batches, stats) = read(&mask.to_bytes().unwrap(), requests());
        assert!(batches.is_empty() && stats.accepted == 1 && stats.findings.is_empty(), "{stats:?}");
        let (batches, stats) = read(b"this is no image at all", requests());
        assert!(batches.is_empty() && stats.rejected == 1 && stats.findings.is_empty(), "{stats:?}");
    }
}
