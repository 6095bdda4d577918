//! Metrics as Arrow tables: `image_metrics`, one row for each metric of an image, and `image_quality`, one row for each image.

use std::sync::{Arc, LazyLock};

use arrow::{
    array::{ArrayRef, Float64Builder, Int64Builder, ListBuilder, RecordBatch, StringViewBuilder},
    datatypes::{DataType, Field},
};
use sutura_core::{ColumnDef, PhiClass, TableDef, record::identity_columns};
use sutura_dicom::{Tag, dictionary};

use crate::{
    error::ImagingError,
    gate::{ImageGate, Outcome},
    key::ImageKey,
    measure::ImageReport,
    metric::{DEFINITIONS, Metric, Unit},
};

/// The identity of the file and of the instance in it, as the reader's tables have them.
fn common() -> Vec<ColumnDef> {
    let mut columns = identity_columns();
    columns.push(attribute("sop_instance_uid", 0x0008_0018, "unique identifier of the instance"));
    columns.push(attribute("series_instance_uid", 0x0020_000E, "unique identifier of the series"));
    columns.push(attribute("study_instance_uid", 0x0020_000D, "unique identifier of the study"));
    columns.push(attribute("patient_id", 0x0010_0020, "identifier of the patient").identifies_patient());
    columns.push(operational("frame", DataType::Int64, "number of the frame in its instance, from 1"));
    columns.push(attribute("modality", 0x0008_0060, "kind of device"));
    columns
}

fn attribute(name: &str, tag: u32, doc: &str) -> ColumnDef {
    ColumnDef::new(name, DataType::Utf8View, Tag(tag).to_string(), dictionary::phi(Tag(tag)), doc)
}

fn operational(name: &str, data_type: DataType, doc: &str) -> ColumnDef {
    ColumnDef::new(name, data_type, "", PhiClass::Operational, doc)
}

/// `image_metrics`: one row for each metric of each image.
pub fn image_metrics() -> &'static TableDef {
    static TABLE: LazyLock<TableDef> = LazyLock::new(|| {
        let mut columns = common();
        columns.extend([
            operational("metric", DataType::Utf8View, "name of the metric"),
            operational("value", DataType::Float64, "its value; null where it could not be computed"),
            operational("unit", DataType::Utf8View, "UCUM unit of the value"),
            operational("formula", DataType::Utf8View, "how it was computed"),
            operational("mask", DataType::Utf8View, "the pixels that it was computed from"),
            operational("mask_pixels", DataType::Int64, "how many these are"),
            operational("reason", DataType::Utf8View, "why there is no value"),
        ]);
        TableDef::new("image_metrics", "one row for each quality metric of an image, with its formula and its mask", columns)
    });
    &TABLE
}

/// `image_quality`: one row for each image, a column for each metric.
pub fn image_quality() -> &'static TableDef {
    static TABLE: LazyLock<TableDef> = LazyLock::new(|| {
        let mut columns = common();
        columns.push(operational("image_rows", DataType::Int64, "rows of the image"));
        columns.push(operational("image_columns", DataType::Int64, "columns of the image"));
        for definition in &DEFINITIONS {
            let mut column = operational(definition.name, DataType::Float64, definition.formula);
            column.unit = match definition.unit {
                Unit::Image | Unit::ImageSquared => None,
                fixed => Some(fixed.ucum("1").to_owned()),
            };
            columns.push(column);
        }
        columns.push(operational("histogram_low", DataType::Float64, "lower edge of the first bin"));
        columns.push(operational("histogram_high", DataType::Float64, "upper edge of the last bin"));
        let item = Arc::new(Field::new("item", DataType::Int64, true));
        columns.push(operational("histogram", DataType::List(item), "pixels in each of 256 equal bins; one bin if all pixels are alike"));
        columns.push(operational(
            "verdict",
            DataType::Utf8View,
            "what the gate without limits of one's own says: pass, warn or quarantine",
        ));
        columns.push(operational("verdict_level", DataType::Int64, "the verdict as a number: 0 pass, 1 warn, 2 quarantine"));
        columns.push(operational(
            "not_measured",
            DataType::Utf8View,
            "why this frame and those after it could not be read; the metrics are null then, and the verdict is quarantine",
        ));
        TableDef::new("image_quality", "one row for each image, with all quality metrics", columns)
    });
    &TABLE
}

/// The columns that all rows of an image share.
#[derive(Default)]
struct Common {
    text: [StringViewBuilder; 7],
    offset: Int64Builder,
    length: Int64Builder,
    frame: Int64Builder,
}

impl Common {
    fn push(&mut self, key: &ImageKey) {
        let sha256 = key.record.sha256.to_hex();
        let [source, hash, instance, series, study, patient, modality] = &mut self.text;
        source.append_value(&key.record.source);
        hash.append_value(std::str::from_utf8(&sha256).unwrap_or_default());
        instance.append_option(key.sop_instance.as_deref());
        series.append_option(key.series.as_deref());
        study.append_option(key.study.as_deref());
        patient.append_option(key.patient.as_deref());
        modality.append_option(Some(key.modality.as_str()).filter(|modality| !modality.is_empty()));
        self.offset.append_value(key.record.offset as i64);
        self.length.append_value(key.record.length as i64);
        self.frame.append_value(key.frame as i64 + 1);
    }

    fn finish(&mut self) -> Vec<ArrayRef> {
        let [source, hash, instance, series, study, patient, modality] =
            self.text.each_mut().map(|text| Arc::new(text.finish()) as ArrayRef);
        vec![
            source,
            Arc::new(self.offset.finish()),
            Arc::new(self.length.finish()),
            hash,
            instance,
            series,
            study,
            patient,
            Arc::new(self.frame.finish()),
            modality,
        ]
    }
}

/// Makes batches of [`image_metrics`].
#[derive(Default)]
pub struct MetricRows {
    common: Common,
    words: [StringViewBuilder; 5],
    value: Float64Builder,
    pixels: Int64Builder,
    rows: usize,
}

impl MetricRows {
    /// The rows of an image.
    pub fn push(&mut self, key: &ImageKey, report: &ImageReport) {
        for measured in report.metrics() {
            let definition = measured.metric.definition();
            self.common.push(key);
            let [metric, unit, formula, mask, reason] = &mut self.words;
            metric.append_value(definition.name);
            unit.append_value(definition.unit.ucum(report.unit));
            formula.append_value(definition.formula);
            mask.append_value(definition.mask.as_str());
            reason.append_option(measured.value.err().map(crate::metric::Reason::code));
            self.value.append_option(measured.value.ok());
            self.pixels.append_value(measured.pixels as i64);
            self.rows += 1;
        }
    }

    /// The row of an image that could not be read, and why: that of its score.
    pub fn push_unread(&mut self, key: &ImageKey, reason: &'static str) {
        let definition = Metric::Score.definition();
        self.common.push(key);
        let [metric, unit, formula, mask, reasons] = &mut self.words;
        metric.append_value(definition.name);
        unit.append_value(definition.unit.ucum("1"));
        formula.append_value(definition.formula);
        mask.append_value(definition.mask.as_str());
        reasons.append_value(reason);
        self.value.append_null();
        self.pixels.append_value(0);
        self.rows += 1;
    }

    /// Rows since the last batch.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The batch of the rows so far.
    ///
    /// # Errors
    /// Never for rows that [`MetricRows::push`] made; Arrow checks them again.
    pub fn finish(&mut self) -> Result<RecordBatch, ImagingError> {
        self.rows = 0;
        let mut columns = self.common.finish();
        let [metric, unit, formula, mask, reason] = self.words.each_mut().map(|text| Arc::new(text.finish()) as ArrayRef);
        columns.extend([metric, Arc::new(self.value.finish()), unit, formula, mask, Arc::new(self.pixels.finish()), reason]);
        RecordBatch::try_new(image_metrics().schema(), columns).map_err(ImagingError::Table)
    }
}

/// Makes batches of [`image_quality`].
#[derive(Default)]
pub struct QualityRows {
    common: Common,
    sizes: [Int64Builder; 2],
    values: Vec<Float64Builder>,
    edges: [Float64Builder; 2],
    histogram: ListBuilder<Int64Builder>,
    gate: ImageGate,
    verdict: StringViewBuilder,
    level: Int64Builder,
    not_measured: StringViewBuilder,
    rows: usize,
}

impl QualityRows {
    /// The row of an image.
    pub fn push(&mut self, key: &ImageKey, report: &ImageReport) {
        self.values.resize_with(DEFINITIONS.len(), Float64Builder::new);
        self.common.push(key);
        self.sizes[0].append_value(report.rows as i64);
        self.sizes[1].append_value(report.columns as i64);
        for (values, measured) in self.values.iter_mut().zip(report.metrics()) {
            values.append_option(measured.value.ok());
        }
        self.edges[0].append_value(report.histogram.low);
        self.edges[1].append_value(report.histogram.high);
        for count in &report.histogram.counts {
            self.histogram.values().append_value(*count as i64);
        }
        self.histogram.append(true);
        let outcome = self.gate.judge(&key.modality, report).outcome;
        self.verdict.append_value(outcome.as_str());
        self.level.append_value(outcome as i64);
        self.not_measured.append_null();
        self.rows += 1;
    }

    /// The row of an image that could not be read, and why. What nobody can read is put aside.
    pub fn push_unread(&mut self, key: &ImageKey, reason: &'static str) {
        self.values.resize_with(DEFINITIONS.len(), Float64Builder::new);
        self.common.push(key);
        self.sizes.iter_mut().for_each(Int64Builder::append_null);
        self.values.iter_mut().chain(&mut self.edges).for_each(Float64Builder::append_null);
        self.histogram.append(false);
        self.verdict.append_value(Outcome::Quarantine.as_str());
        self.level.append_value(Outcome::Quarantine as i64);
        self.not_measured.append_value(reason);
        self.rows += 1;
    }

    /// Rows since the last batch.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The batch of the rows so far.
    ///
    /// # Errors
    /// Never for rows that [`QualityRows::push`] made; Arrow checks them again.
    pub fn finish(&mut self) -> Result<RecordBatch, ImagingError> {
        self.rows = 0;
        self.values.resize_with(DEFINITIONS.len(), Float64Builder::new);
        let mut columns = self.common.finish();
        columns.extend(self.sizes.each_mut().map(|sizes| Arc::new(sizes.finish()) as ArrayRef));
        columns.extend(self.values.iter_mut().map(|values| Arc::new(values.finish()) as ArrayRef));
        columns.extend(self.edges.each_mut().map(|edges| Arc::new(edges.finish()) as ArrayRef));
        columns.push(Arc::new(self.histogram.finish()));
        columns.push(Arc::new(self.verdict.finish()));
        columns.push(Arc::new(self.level.finish()));
        columns.push(Arc::new(self.not_measured.finish()));
        RecordBatch::try_new(image_quality().schema(), columns).map_err(ImagingError::Table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Image, MeasureOptions, Measurer};
    use arrow::array::{Array, AsArray};
    use sutura_core::{ColumnMeta, RecordId, Sha256Hash};

    fn key(modality: &str, instance: &str) -> ImageKey {
        ImageKey {
            record: RecordId { source: "x".into(), offset: 0, length: 9, sha256: Sha256Hash::of(b"") },
            sop_instance: Some(instance.into()),
            series: Some("1.2".into()),
            study: None,
            patient: Some("P".into()),
            modality: modality.into(),
            frame: 0,
        }
    }

    #[test]
    fn rows_carry_formula_mask_and_reason() {
        let image = Image::new(8, 8, vec![5.0; 64]).unwrap();
        let report = Measurer::new(MeasureOptions::default()).measure(&image, "CT");
        let mut rows = MetricRows::default();
        rows.push(&key("CT", "1"), &report);
        let batch = rows.finish().unwrap();
        assert_eq!(batch.num_rows(), DEFINITIONS.len());
        let column = |name: &str| image_metrics().index_of(name).unwrap();
        let row = Metric::SnrTissue as usize;
        assert!(batch.column(column("value")).is_null(row));
        assert_eq!(batch.column(column("reason")).as_string_view().value(row), "constant-image");
        assert!(batch.column(column("formula")).as_string_view().value(row).contains("sqrt"));
        for row in 0..batch.num_rows() {
            let has_value = batch.column(column("value")).is_valid(row);
            assert_eq!(has_value, batch.column(column("reason")).is_null(row));
        }
        let mut wide = QualityRows::default();
        wide.push(&key("CT", "1"), &report);
        let batch = wide.finish().unwrap();
        let column = |name: &str| batch.column(image_quality().index_of(name).unwrap());
        // It is blank.
        assert_eq!((batch.num_rows(), column("verdict").as_string_view().value(0)), (1, "quarantine"));
        assert_eq!(column("verdict_level").as_primitive::<arrow::datatypes::Int64Type>().value(0), 2);
        assert_eq!(wide.finish().unwrap().num_rows(), 0);
    }

    #[test]
    fn every_column_has_a_class() {
        for table in [image_metrics(), image_quality()] {
            for field in table.schema().fields() {
                assert!(ColumnMeta::from_field(field).phi.is_some(), "{}", field.name());
            }
        }
        let refused = |table: &TableDef, name: &str| ColumnMeta::from_field(table.schema().field_with_name(name).unwrap()).must_refuse();
        assert!(refused(image_metrics(), "sop_instance_uid") && refused(image_metrics(), "patient_id"));
        assert!(!refused(image_metrics(), "value") && !refused(image_metrics(), "modality"));
    }
}
