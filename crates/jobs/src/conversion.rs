//! Records converted to FHIR in a step: one row for each resource, and the account of what became of every field.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::{
    array::{Array, ArrayRef, AsArray, ListArray, StringViewBuilder, StructArray},
    buffer::OffsetBuffer,
    compute::cast,
    datatypes::{DataType, Field, Fields, Int64Type},
};
use sutura_convert::{fhir::Source, report::Report};
use sutura_core::{
    ColumnMeta, PhiClass, Sha256Hash,
    record::{COL_LENGTH, COL_OFFSET, COL_SHA256, COL_SOURCE},
};
use sutura_engine::{
    ColumnFunction, Expr, column,
    convert::{ConvertOptions, RecordKind, RowConverter, resources_of, source_of},
};
use sutura_fhir::json::Parser;
use sutura_terminology::{Terminology, UserTerminology, oid_of_uri};

use crate::{
    functions::as_text,
    model::{ConvertFormat, ConvertStep, JobFile},
    record::ConversionRecord,
};

/// The columns that say where a record is, in the order in which rows have them.
pub(crate) const IDENTITY: [&str; 4] = [COL_SOURCE, COL_OFFSET, COL_LENGTH, COL_SHA256];
/// The column that is unnested.
pub(crate) const RESOURCE: &str = "__resource";
/// Places named in the record of a run.
const WORST: usize = 20;

/// A conversion with its account. Each consumer of a run has its own.
#[derive(Debug)]
pub(crate) struct Conversion {
    step: String,
    input: String,
    converter: RowConverter,
    report: Mutex<Report>,
}

/// What the records of a step are: as it says, or by the source it names. Else the key that is wrong, and why.
pub(crate) fn kind_of(spec: &JobFile, step: &ConvertStep) -> Result<RecordKind, (&'static str, String)> {
    match step.format {
        Some(ConvertFormat::Hl7v2) => return Ok(RecordKind::Hl7v2),
        Some(ConvertFormat::Ccda) => return Ok(RecordKind::Ccda),
        None => {}
    }
    let source = step.input.split_once('.').and_then(|(name, _)| spec.sources.iter().find(|source| source.name == name));
    match source {
        Some(source) => RecordKind::of_format(&source.format)
            .ok_or_else(|| ("input", format!("a source of format {:?} cannot be converted; hl7v2 and ccda can", source.format))),
        None => Err(("format", "this key is missing: say what the texts are, \"hl7v2\" or \"ccda\"".to_owned())),
    }
}

impl Conversion {
    /// The conversion of a step.
    ///
    /// # Errors
    /// When the zone is none.
    pub(crate) fn new(step: &ConvertStep, kind: RecordKind, terminology: Option<Arc<UserTerminology>>) -> Result<Self, String> {
        let options = ConvertOptions {
            zone: step.zone.clone(),
            base_url: None,
            namespace_base: step.namespace_base.clone(),
            local_systems: step.local_systems.clone(),
            terminology,
            provenance: step.provenance,
        };
        let converter = RowConverter::new(kind, &options)?;
        Ok(Self { step: step.name.clone(), input: step.input.clone(), converter, report: Mutex::default() })
    }

    /// The resources of each row, as a list. `identity` says which columns follow that of the texts.
    fn convert(&self, columns: &[ArrayRef], identity: &[&str]) -> Result<ArrayRef, String> {
        let texts = as_text(&columns[0])?;
        let of = |name: &str| identity.iter().position(|known| *known == name).map(|at| &columns[at + 1]);
        let (sources, hashes) = (of(COL_SOURCE).map(as_text).transpose()?, of(COL_SHA256).map(as_text).transpose()?);
        let numbers = |name| of(name).map(|column| cast(column, &DataType::Int64).map_err(|_| format!("{name} is no number"))).transpose();
        let (offsets, lengths) = (numbers(COL_OFFSET)?, numbers(COL_LENGTH)?);
        let number = |column: &Option<ArrayRef>, row: usize| {
            let column = column.as_ref()?.as_primitive_opt::<Int64Type>()?;
            column.is_valid(row).then(|| column.value(row)).and_then(|value| u64::try_from(value).ok())
        };
        let (mut report, mut bundle, mut parser) = (Report::new(), Vec::new(), Parser::default());
        let (mut kinds, mut ids, mut jsons) = (StringViewBuilder::new(), StringViewBuilder::new(), StringViewBuilder::new());
        let mut counts = Vec::with_capacity(texts.len());
        for (row, text) in texts.iter().enumerate() {
            let mut count = 0;
            if let Some(text) = text {
                let alone = source_of_row(text, hashes.as_ref().filter(|hashes| hashes.is_valid(row)).map(|hashes| hashes.value(row)));
                let source = Source {
                    uri: sources.as_ref().filter(|sources| sources.is_valid(row)).map_or("", |sources| sources.value(row)),
                    offset: number(&offsets, row).unwrap_or(alone.offset),
                    length: number(&lengths, row).unwrap_or(alone.length),
                    sha256: alone.sha256,
                };
                bundle.clear();
                // One that is refused is in the report.
                if self.converter.convert(text, &source, &mut report, &mut bundle).is_ok() {
                    resources_of(&mut parser, &bundle, &mut |kind, id, json| {
                        kinds.append_value(kind);
                        ids.append_option(id);
                        jsons.append_value(json);
                        count += 1;
                    });
                }
            }
            counts.push(count);
        }
        self.report.lock().unwrap_or_else(PoisonError::into_inner).merge(&report);
        let arrays: Vec<ArrayRef> = vec![Arc::new(kinds.finish()), Arc::new(ids.finish()), Arc::new(jsons.finish())];
        let resources = StructArray::try_new(parts(), arrays, None).map_err(|error| error.to_string())?;
        let list = ListArray::try_new(Arc::new(item()), OffsetBuffer::from_lengths(counts), Arc::new(resources), None);
        Ok(Arc::new(list.map_err(|error| error.to_string())?))
    }

    fn records(&self) -> u64 {
        self.report.lock().unwrap_or_else(PoisonError::into_inner).records().0
    }

    /// What goes into the record of the run.
    fn record(&self, hide_feeds: bool) -> ConversionRecord {
        let mut account = self.report.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if hide_feeds {
            let mut one = Report::new();
            for feed in account.feeds.values() {
                one.feed("all feeds").merge(feed);
            }
            // The names of local systems and segments tell who sent, too.
            let all = one.feed("all feeds");
            all.sum_local_segments();
            all.codes = all.codes.summed(|system| {
                system.is_empty()
                    || Terminology::builtin().code_system(system).is_some()
                    || oid_of_uri(system).is_some_and(|_| !system.starts_with("urn:"))
            });
            account = one;
        }
        let (records, converted, _) = account.records();
        let mut sum = Report::new();
        account.feeds.values().for_each(|feed| sum.feed("").merge(feed));
        let all = std::mem::take(sum.feed(""));
        let (mapped, dropped, unmapped) = all.totals();
        let places = all.all_places();
        let mut worst_unmapped: Vec<(String, u64)> =
            places.iter().filter(|(_, counts)| counts.unmapped > 0).map(|(place, counts)| (place.to_string(), counts.unmapped)).collect();
        worst_unmapped.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        worst_unmapped.truncate(WORST);
        ConversionRecord {
            step: self.step.clone(),
            input: self.input.clone(),
            format: self.converter.kind().as_str(),
            records,
            converted,
            refused: all.rejected.clone(),
            mapped,
            dropped,
            unmapped,
            resources: all.resources.clone(),
            worst_unmapped,
            codes: Some(account.codes()).filter(|codes| !codes.is_empty()),
            account,
        }
    }
}

/// The place of a text of which only the hash is known, if that.
fn source_of_row(text: &str, sha256: Option<&str>) -> Source<'static> {
    match sha256.and_then(hash) {
        Some(sha256) => Source { uri: "", offset: 0, length: text.len() as u64, sha256 },
        None => source_of(text),
    }
}

/// A hash out of its 64 hexadecimal digits.
fn hash(text: &str) -> Option<Sha256Hash> {
    let digits: Vec<u8> = text.chars().map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    (digits.len() == 64).then(|| bytes.try_into().ok().map(Sha256Hash))?
}

/// The fields of a resource.
fn parts() -> Fields {
    Fields::from(vec![
        Field::new("resource_type", DataType::Utf8View, true),
        Field::new("id", DataType::Utf8View, true),
        Field::new("json", DataType::Utf8View, true),
    ])
}

fn item() -> Field {
    Field::new_list_field(DataType::Struct(parts()), true)
}

/// What is selected before and after unnesting.
pub(crate) struct Expressions {
    pub(crate) list: Vec<Expr>,
    pub(crate) columns: Vec<Expr>,
}

/// The list of resources beside the record's identity; then a row for each resource.
pub(crate) fn expressions(conversion: &Arc<Conversion>, text: &str, identity: &[&'static str]) -> Expressions {
    let whole = |name: &str, data_type: DataType| ColumnMeta::of(PhiClass::FreeText).apply(Field::new(name, data_type, true));
    let (converting, known) = (Arc::clone(conversion), identity.to_vec());
    let output = whole(RESOURCE, DataType::List(Arc::new(item())));
    let call = ColumnFunction::new("convert", output, move |columns| converting.convert(columns, &known));
    let arguments = std::iter::once(text).chain(identity.iter().copied());
    let list = identity.iter().map(|name| column(name)).chain([call.over(arguments)]).collect();
    let part = |at: usize, name: &str, class: PhiClass, doc: &str| {
        let meta = ColumnMeta { doc: Some(doc.to_owned()), ..ColumnMeta::of(class) };
        let output = meta.apply(Field::new(name, DataType::Utf8View, true));
        let cut = ColumnFunction::new(name, output, move |columns| {
            let resources = columns[0].as_struct_opt().ok_or("a resource is no struct")?;
            Ok(Arc::clone(resources.column(at)))
        });
        cut.over([RESOURCE])
    };
    let made = [
        part(0, "resource_type", PhiClass::Operational, "type of the resource"),
        part(1, "id", PhiClass::OtherId, "id of the resource; the same in every run"),
        part(2, "json", PhiClass::FreeText, "the whole resource as JSON"),
    ];
    Expressions { list, columns: identity.iter().map(|name| column(name)).chain(made).collect() }
}

/// The record of every conversion. A step that feeds several sinks ran for each: the fullest account is the step's.
pub(crate) fn records<'c>(conversions: impl Iterator<Item = &'c Arc<Conversion>>, hide_feeds: bool) -> Vec<ConversionRecord> {
    let mut fullest: Vec<&Arc<Conversion>> = Vec::new();
    for conversion in conversions {
        match fullest.iter_mut().find(|known| known.step == conversion.step) {
            None => fullest.push(conversion),
            Some(known) if conversion.records() > known.records() => *known = conversion,
            Some(_) => {}
        }
    }
    fullest.into_iter().map(|conversion| conversion.record(hide_feeds)).collect()
}
