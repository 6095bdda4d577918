//! Whole documents de-identified in a step: one row for each that is released, under a name of its new identifiers.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use arrow::{
    array::{Array, ArrayRef, AsArray, BinaryViewBuilder, Int64Builder, ListArray, StringViewBuilder, StructArray},
    buffer::OffsetBuffer,
    compute::cast,
    datatypes::{DataType, Field, Fields},
};
use sutura_core::{ColumnMeta, PhiClass, record::COL_SOURCE};
use sutura_deid::{
    DeidError, DocumentDeidentifier, Ledger, Outcome, Scrub, Treatment,
    ccda::CcdaDeidentifier,
    dicom::{CleanPixels, Deidentified, DicomDeidentifier, Options, OutputName, PixelBox, TextFinder},
    fhir::FhirDeidentifier,
    hl7v2::Hl7v2Deidentifier,
    plain::PlainDeidentifier,
    reencode::{self, Encoded},
};
use sutura_dicom::{
    DicomFile, Limits,
    pixels::{PixelDescription, decode::Frame, lut::Modality},
};
use sutura_engine::{
    ColumnFunction, Expr,
    sink::{CONTENT_COLUMN, FILE_COLUMN},
};
use sutura_imaging::{Image, Rescale, burned};
use sutura_privacy::{
    Deidentifier,
    text::{Rules, Scrubber},
};

use crate::{
    error::Result,
    model::{DeidentifyDocumentsStep, DocumentFormat, FreeText, JobFile, PixelText},
    private,
    record::DocumentsRecord,
};

/// The column that is unnested.
pub(crate) const DOCUMENT: &str = "__document";
/// Refused documents that are kept by name; the others are counted.
const LISTED: usize = 10_000;
/// The private file that names them.
const REFUSED_FILE: &str = "refused-documents.ndjson";

/// What a step of this kind counts. Each consumer of a run has its own.
#[derive(Debug)]
pub(crate) struct Release {
    step: String,
    input: String,
    policy: String,
    /// The notice of a law that goes with what stays.
    notice: Option<String>,
    kind: Kind,
    account: Mutex<Account>,
}

/// What the documents are, and what treats them.
enum Kind {
    Dicom { pattern: String, coding: reencode::Coding, deidentifier: Box<DicomDeidentifier> },
    Text { format: DocumentFormat, deidentifier: Box<dyn DocumentDeidentifier> },
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

impl Kind {
    fn word(&self) -> &'static str {
        match self {
            Self::Dicom { .. } => "dicom",
            Self::Text { format, .. } => format.word(),
        }
    }
}

#[derive(Debug, Clone, Default)]
struct Account {
    documents: u64,
    released: u64,
    refused: BTreeMap<&'static str, u64>,
    refused_documents: Vec<(String, &'static str, String)>,
    encoded_anew: u64,
    actions: BTreeMap<&'static str, u64>,
    untouched: u64,
    painted: u64,
    warnings: BTreeMap<&'static str, u64>,
    ledger: Ledger,
}

/// Why a document is not released; never any content.
struct Refused {
    code: &'static str,
    reason: String,
}

/// A failure that no other document would be spared, or one of this document.
enum Not {
    Released(Refused),
    Working(String),
}

impl From<DeidError> for Not {
    fn from(error: DeidError) -> Self {
        match error {
            DeidError::Privacy(error) => Self::Working(error.to_string()),
            error => Self::Released(Refused { code: error.code(), reason: error.to_string() }),
        }
    }
}

/// What a step asks for that it cannot have: the key that is wrong, and why.
pub(crate) type Complaint = (&'static str, String);

/// What the documents of a step are: as it says, or by the source it names.
fn format_of(spec: &JobFile, step: &DeidentifyDocumentsStep) -> std::result::Result<DocumentFormat, Complaint> {
    if let Some(format) = step.format {
        return Ok(format);
    }
    let source = step.input.split_once('.').and_then(|(name, _)| spec.sources.iter().find(|source| source.name == name));
    let known = || DocumentFormat::ALL.map(DocumentFormat::word).join(", ");
    match source {
        Some(source) => DocumentFormat::ALL.into_iter().find(|format| format.word() == source.format).ok_or_else(|| {
            (
                "input",
                format!("a source of format {:?} has no documents that this step de-identifies; there are {}", source.format, known()),
            )
        }),
        None => Err(("format", format!("this key is missing: say what the documents are, one of {}", known()))),
    }
}

/// The column with the documents.
pub(crate) fn column_of(spec: &JobFile, step: &DeidentifyDocumentsStep) -> String {
    let of_format = || format_of(spec, step).map_or(CONTENT_COLUMN, DocumentFormat::column).to_owned();
    step.column.clone().unwrap_or_else(of_format)
}

/// Checks what can be checked without a policy.
pub(crate) fn check(spec: &JobFile, step: &DeidentifyDocumentsStep) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    if let Err(why) = OutputName::check_pattern(&step.pattern) {
        complaints.push(("pattern", why.to_owned()));
    }
    if step.options.iter().any(|option| option == "clean-recognizable-features") {
        let why =
            "clean-recognizable-features looks at whole series, which a step does not see: use the command `sutura deidentify` for it";
        complaints.push(("options", why.to_owned()));
    }
    if step.model.is_some() && step.free_text == FreeText::Remove {
        complaints.push(("model", "is for free_text = \"scrub\"; here free text is removed".to_owned()));
    }
    if step.onnx_runtime.is_some() && step.model.is_none() {
        complaints.push(("onnx_runtime", "runs a model, and there is no `model`".to_owned()));
    }
    match format_of(spec, step) {
        Err(complaint) => complaints.push(complaint),
        Ok(DocumentFormat::Dicom) if step.free_text == FreeText::Scrub => {
            complaints.push((
                "free_text",
                "is for messages, resources, documents and notes; of DICOM the options say what texts stay".to_owned(),
            ));
        }
        Ok(DocumentFormat::Dicom) => {}
        Ok(format) => {
            let of_dicom = [("options", !step.options.is_empty()), ("pattern", step.pattern != OutputName::DEFAULT_PATTERN)];
            let of_dicom = of_dicom.into_iter().filter(|(_, is_set)| *is_set);
            complaints.extend(of_dicom.map(|(key, _)| (key, format!("is for DICOM; these documents are {}", format.word()))));
        }
    }
    complaints
}

impl Release {
    /// The de-identification that a step asks for, under a job's policy.
    pub(crate) fn new(spec: &JobFile, step: &DeidentifyDocumentsStep, privacy: &Deidentifier) -> std::result::Result<Self, Complaint> {
        let kind = match format_of(spec, step)? {
            DocumentFormat::Dicom => Self::dicom(step, privacy)?,
            format => {
                let treatment = treatment(step, privacy)?;
                let deidentifier: Box<dyn DocumentDeidentifier> = match format {
                    DocumentFormat::Fhir => Box::new(FhirDeidentifier::new(treatment)),
                    DocumentFormat::Ccda => Box::new(CcdaDeidentifier::new(treatment)),
                    DocumentFormat::Text => Box::new(PlainDeidentifier::new(treatment)),
                    _ => Box::new(Hl7v2Deidentifier::new(treatment)),
                };
                Kind::Text { format, deidentifier }
            }
        };
        let policy = privacy.policy().tag();
        // Images have no codes that are looked at.
        let notice = privacy.policy().notice().filter(|_| matches!(kind, Kind::Text { .. }));
        let notice = notice.map(|notice| format!("{} ({})", notice.text, notice.citation));
        Ok(Self { step: step.name.clone(), input: step.input.clone(), policy, notice, kind, account: Mutex::default() })
    }

    /// The notice of a law that goes with what stays.
    pub(crate) fn notice(&self) -> Option<&str> {
        self.notice.as_deref()
    }

    fn dicom(step: &DeidentifyDocumentsStep, privacy: &Deidentifier) -> std::result::Result<Kind, Complaint> {
        let words: Vec<&str> = step.options.iter().map(String::as_str).collect();
        let mut options = Options::named(&words, privacy.policy()).map_err(|why| ("options", why))?;
        options.clean_pixels = match step.pixels {
            PixelText::Rules => CleanPixels::Regions,
            PixelText::Detect => CleanPixels::Detect,
            PixelText::Off => CleanPixels::No,
        };
        let deidentifier = DicomDeidentifier::new(options, privacy).map_err(|error| ("options", error.to_string()))?;
        let deidentifier = Box::new(deidentifier.with_text_finder(text_finder()));
        Ok(Kind::Dicom { pattern: step.pattern.clone(), coding: step.encode, deidentifier })
    }

    /// The released documents of each row, none or one, as lists.
    fn release(&self, columns: &[ArrayRef]) -> std::result::Result<ArrayRef, String> {
        let contents = cast(&columns[0], &DataType::BinaryView).map_err(|_| "the column holds no documents".to_owned())?;
        let contents = contents.as_binary_view();
        let sources = columns.get(1).map(crate::functions::as_text).transpose()?;
        let (mut rows, mut texts, mut counts) = (Rows::default(), StringViewBuilder::new(), Vec::with_capacity(contents.len()));
        for row in 0..contents.len() {
            let released = if contents.is_null(row) {
                Err(Not::Released(Refused { code: "not-whole", reason: DeidError::NotWhole.to_string() }))
            } else {
                // A defect of a codec costs the document that it has to do with.
                let bytes = contents.value(row);
                let one = || match &self.kind {
                    Kind::Dicom { coding, deidentifier, .. } => one_image(bytes, *coding, deidentifier),
                    Kind::Text { deidentifier, .. } => one_text(bytes, deidentifier.as_ref()),
                };
                catch_unwind(AssertUnwindSafe(one)).unwrap_or_else(|_| {
                    Err(Not::Released(Refused { code: "defect", reason: "a defect of sutura; please report it".to_owned() }))
                })
            };
            let mut account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
            account.documents += 1;
            match released {
                Ok(One::Image(released, is_encoded_anew)) => {
                    account.took(&released, is_encoded_anew);
                    if let Kind::Dicom { pattern, .. } = &self.kind {
                        rows.push(&released, pattern);
                        counts.push(1);
                    }
                }
                Ok(One::Text(text, ledger)) => {
                    account.released += 1;
                    account.ledger.merge(&ledger);
                    texts.append_value(text);
                    counts.push(1);
                }
                Err(Not::Released(Refused { code, reason })) => {
                    *account.refused.entry(code).or_default() += 1;
                    let source = sources.as_ref().filter(|sources| sources.is_valid(row)).map_or("", |sources| sources.value(row));
                    if account.refused_documents.len() < LISTED {
                        account.refused_documents.push((source.to_owned(), code, reason));
                    }
                    counts.push(0);
                }
                Err(Not::Working(why)) => return Err(why),
            }
        }
        let values = match &self.kind {
            Kind::Dicom { .. } => rows.finish()?,
            Kind::Text { .. } => {
                let texts: ArrayRef = Arc::new(texts.finish());
                Arc::new(StructArray::try_new(fields(&self.kind), vec![texts], None).map_err(|error| error.to_string())?)
            }
        };
        let list = ListArray::try_new(Arc::new(item(&self.kind)), OffsetBuffer::from_lengths(counts), values, None);
        Ok(Arc::new(list.map_err(|error| error.to_string())?))
    }

    fn documents(&self) -> u64 {
        self.account.lock().unwrap_or_else(PoisonError::into_inner).documents
    }

    fn record(&self) -> DocumentsRecord {
        let account = self.account.lock().unwrap_or_else(PoisonError::into_inner).clone();
        DocumentsRecord {
            step: self.step.clone(),
            input: self.input.clone(),
            format: self.kind.word(),
            options: match &self.kind {
                Kind::Dicom { deidentifier, .. } => deidentifier.options().words(),
                Kind::Text { .. } => Vec::new(),
            },
            documents: account.documents,
            released: account.released,
            refused: account.refused,
            refused_documents: None,
            encoded_anew: account.encoded_anew,
            actions: account.actions,
            untouched: account.untouched,
            painted: account.painted,
            warnings: account.warnings,
            values: Outcome::ALL
                .iter()
                .map(|outcome| (outcome.word(), account.ledger.count(*outcome)))
                .filter(|(_, count)| *count > 0)
                .collect(),
        }
    }
}

/// A released document.
enum One {
    Image(Box<Deidentified>, bool),
    Text(String, Box<Ledger>),
}

fn one_image(bytes: &[u8], coding: reencode::Coding, deidentifier: &DicomDeidentifier) -> std::result::Result<One, Not> {
    let limits = Limits { bytes: bytes.len().max(Limits::default().bytes), ..Limits::default() };
    let file = DicomFile::parse(bytes.to_vec(), &limits)
        .map_err(|error| Not::Released(Refused { code: error.kind.code(), reason: format!("byte {}: {}", error.offset, error.kind) }))?;
    let mut released = deidentifier.deidentify(&file)?;
    drop(file);
    let mut is_encoded_anew = false;
    match reencode::encode(&released.bytes, coding, &limits) {
        Encoded::Anew(bytes) => (released.bytes, is_encoded_anew) = (bytes, true),
        Encoded::AsTheyWere => {}
        Encoded::NotPossible => released.proof.warnings.push("not-encoded-anew"),
    }
    Ok(One::Image(Box::new(released), is_encoded_anew))
}

fn one_text(bytes: &[u8], deidentifier: &dyn DocumentDeidentifier) -> std::result::Result<One, Not> {
    let (mut out, mut ledger) = (Vec::with_capacity(bytes.len()), Ledger::new());
    deidentifier.deidentify(bytes, &mut out, &mut ledger)?;
    let text =
        String::from_utf8(out).map_err(|_| Not::Released(Refused { code: "not-utf-8", reason: "the result is not UTF-8".to_owned() }))?;
    Ok(One::Text(text, Box::new(ledger)))
}

/// What messages, resources, documents and notes are treated with.
fn treatment(step: &DeidentifyDocumentsStep, privacy: &Deidentifier) -> std::result::Result<Treatment, Complaint> {
    let treatment = Treatment::new(privacy).map_err(|error| ("type", error.to_string()))?;
    if step.free_text == FreeText::Remove {
        return Ok(treatment);
    }
    let languages: Vec<&str> = step.languages.iter().map(String::as_str).collect();
    let rules = Rules::builtin(&languages).map_err(|error| ("languages", error.to_string()))?;
    let mut scrubber = Scrubber::new(rules);
    if let Some(model) = &step.model {
        let model = sutura_inference::text::open(Path::new(model), step.onnx_runtime.as_deref().map(Path::new));
        scrubber = scrubber.with_model(model.map_err(|error| ("model", error.to_string()))?);
    }
    Ok(treatment.with_text_stage(Arc::new(Scrub::new(scrubber, privacy))))
}

impl Account {
    fn took(&mut self, released: &Deidentified, is_encoded_anew: bool) {
        self.released += 1;
        self.encoded_anew += u64::from(is_encoded_anew);
        for action in &released.proof.actions {
            *self.actions.entry(action.action).or_default() += action.count;
        }
        self.untouched += released.proof.untouched;
        self.painted += released.proof.boxes.len() as u64;
        for warning in &released.proof.warnings {
            *self.warnings.entry(warning).or_default() += 1;
        }
    }
}

/// Growing columns of released documents.
#[derive(Default)]
struct Rows {
    texts: [StringViewBuilder; 5],
    content: BinaryViewBuilder,
    counts: [Int64Builder; 3],
    warnings: StringViewBuilder,
}

impl Rows {
    fn push(&mut self, released: &Deidentified, pattern: &str) {
        let Deidentified { bytes, proof, name } = released;
        let path = name.path(pattern);
        let texts = [path.as_str(), &name.patient, &name.study, &name.series, &name.instance];
        self.texts.iter_mut().zip(texts).for_each(|(builder, text)| builder.append_value(text));
        self.content.append_value(bytes);
        let actions: u64 = proof.actions.iter().map(|action| action.count).sum();
        let counts = [actions, proof.untouched, proof.boxes.len() as u64];
        self.counts.iter_mut().zip(counts).for_each(|(builder, count)| builder.append_value(i64::try_from(count).unwrap_or(i64::MAX)));
        self.warnings.append_option((!proof.warnings.is_empty()).then(|| proof.warnings.join(" ")));
    }

    fn finish(mut self) -> std::result::Result<ArrayRef, String> {
        let text = |builder: &mut StringViewBuilder| Arc::new(builder.finish()) as ArrayRef;
        let [path, names @ ..] = &mut self.texts;
        let mut arrays: Vec<ArrayRef> = vec![text(path), Arc::new(self.content.finish())];
        arrays.extend(names.iter_mut().map(text));
        arrays.extend(self.counts.iter_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef));
        arrays.push(text(&mut self.warnings));
        StructArray::try_new(plain(of_images()), arrays, None).map(|rows| Arc::new(rows) as ArrayRef).map_err(|error| error.to_string())
    }
}

/// Name, type, class and meaning of a column.
type Part = (&'static str, DataType, PhiClass, &'static str);

fn parts(kind: &Kind) -> Vec<Part> {
    match kind {
        Kind::Dicom { .. } => of_images(),
        Kind::Text { format, .. } => vec![(format.column(), DataType::Utf8View, PhiClass::FreeText, "the released document")],
    }
}

fn plain(parts: Vec<Part>) -> Fields {
    parts.into_iter().map(|(name, data_type, ..)| Field::new(name, data_type, true)).collect()
}

fn fields(kind: &Kind) -> Fields {
    plain(parts(kind))
}

fn of_images() -> Vec<Part> {
    let text = || DataType::Utf8View;
    vec![
        (FILE_COLUMN, text(), PhiClass::OtherId, "name of the released file, by the pattern of the step"),
        (CONTENT_COLUMN, DataType::BinaryView, PhiClass::FreeText, "the released file"),
        ("patient", text(), PhiClass::Mrn, "code of the patient"),
        ("study_instance_uid", text(), PhiClass::OtherId, "new Study Instance UID"),
        ("series_instance_uid", text(), PhiClass::OtherId, "new Series Instance UID"),
        ("sop_instance_uid", text(), PhiClass::OtherId, "new SOP Instance UID"),
        ("actions", DataType::Int64, PhiClass::Operational, "elements that were treated"),
        ("untouched", DataType::Int64, PhiClass::Operational, "elements that stayed as they were"),
        ("painted", DataType::Int64, PhiClass::Operational, "areas of pixels that were painted over"),
        ("warnings", text(), PhiClass::Operational, "what a person should look at: words with blanks between them"),
    ]
}

fn item(kind: &Kind) -> Field {
    Field::new_list_field(DataType::Struct(fields(kind)), true)
}

/// The list of released documents, and what is selected after unnesting.
pub(crate) fn expressions(release: &Arc<Release>, content: &str, has_source: bool) -> (Expr, Vec<Expr>) {
    let releasing = Arc::clone(release);
    let treated = |name: &str, data_type: DataType, phi: PhiClass, doc: &str| {
        // Numbers and words of the program are what they are; what came of a document was treated.
        let deid = (phi != PhiClass::Operational).then(|| format!("document@{}", release.policy));
        ColumnMeta { deid, doc: Some(doc.to_owned()), ..ColumnMeta::of(phi) }.apply(Field::new(name, data_type, true))
    };
    let whole = treated(DOCUMENT, DataType::List(Arc::new(item(&release.kind))), PhiClass::FreeText, "released documents");
    let call = ColumnFunction::new("deidentify_documents", whole, move |columns| releasing.release(columns));
    let list = call.over(std::iter::once(content).chain(has_source.then_some(COL_SOURCE)));
    let columns = parts(&release.kind).into_iter().enumerate().map(|(at, (name, data_type, phi, doc))| {
        let cut = ColumnFunction::new(name, treated(name, data_type, phi, doc), move |columns| {
            let documents = columns[0].as_struct_opt().ok_or("a document is no struct")?;
            Ok(Arc::clone(documents.column(at)))
        });
        cut.over([DOCUMENT])
    });
    (list, columns.collect())
}

/// The record of every step of this kind; what was refused is named in a private file. A step that feeds several sinks ran for each: the
/// fullest account is the step's.
pub(crate) fn records<'r>(releases: impl Iterator<Item = &'r Arc<Release>>, spec: &JobFile, output: &Path) -> Result<Vec<DocumentsRecord>> {
    let mut fullest: Vec<&Arc<Release>> = Vec::new();
    for release in releases {
        match fullest.iter_mut().find(|known| known.step == release.step) {
            None => fullest.push(release),
            Some(known) if release.documents() > known.documents() => *known = release,
            Some(_) => {}
        }
    }
    let mut lines = String::new();
    let mut records: Vec<DocumentsRecord> = fullest.iter().map(|release| release.record()).collect();
    for release in &fullest {
        let account = release.account.lock().unwrap_or_else(PoisonError::into_inner);
        for (source, code, reason) in &account.refused_documents {
            let line = serde_json::json!({ "step": release.step, "source": source, "code": code, "reason": reason });
            let _ = writeln!(lines, "{line}");
        }
    }
    if !lines.is_empty() {
        let path = private::folder_of(spec, output).join(REFUSED_FILE);
        private::write(&path, lines.as_bytes())?;
        let refused = records.iter_mut().filter(|record| !record.refused.is_empty());
        refused.for_each(|record| record.refused_documents = Some(path.display().to_string()));
    }
    Ok(records)
}

/// Text in pixels looked for by `sutura-imaging`. A frame that cannot be looked at is painted over as a whole.
pub fn text_finder() -> Arc<TextFinder> {
    Arc::new(|description: &PixelDescription, frame: &Frame| {
        let as_stored = Rescale { modality: Modality::Identity, is_hounsfield: false };
        let Ok(image) = Image::of_frame(frame, description, &as_stored) else {
            return vec![PixelBox { x: 0, y: 0, width: frame.columns as u32, height: frame.rows as u32 }];
        };
        let found = burned::text_boxes(&image.to_8_bits());
        let pixel_box = |area: burned::TextBox| PixelBox {
            x: area.left as u32,
            y: area.top as u32,
            width: area.width() as u32,
            height: area.height() as u32,
        };
        found.into_iter().map(pixel_box).collect()
    })
}
