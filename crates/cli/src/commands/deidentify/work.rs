//! What is done with a file, on one of many threads.

use std::{
    fs::{self, File},
    io::{self, Read},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use sutura_deid::{
    DeidError,
    dicom::{CleanPixels, DicomDeidentifier, OutputName, Proof, deface},
    reencode::{self, Coding, Encoded},
};
use sutura_dicom::{DicomError, DicomErrorKind, DicomFile, Limits, Tag, pixels::PixelDescription};

use sutura_privacy::Vault;

use super::super::whole;
use super::{
    account::Rejected,
    documents::{Documents, Kind, Released},
    out::{Part, PartWriter, Stage},
    tables::Tables,
};
use crate::failure::{Failure, Outcome};

/// So much of a file says whether it is DICOM.
const HEAD: u64 = 16 << 10;
/// So much of a file nearly always holds what stands before the pixels.
const HEADER: u64 = 256 << 10;
/// Bytes of a deflated data set, unpacked, at most.
const MOST_INFLATED: usize = 256 << 20;

/// Bytes that a frame is held in beside its pixels while a file is encoded anew: its code, its place, the copy that is compared.
const FRAME_KEPT: u64 = 512;

/// Files that are worked on together: one, or those of a series whose face is taken off.
pub(super) struct Unit {
    pub(super) files: Vec<PathBuf>,
    pub(super) is_series: bool,
    /// Number of its first file, from 1.
    pub(super) number: usize,
}

/// What became of a file.
pub(super) enum Done {
    Written(Box<Written>),
    /// The first says why the file was not released, the others why records of it were not.
    Rejected(Vec<Rejected>),
    /// Why it was passed over.
    Skipped(&'static str),
}

/// A released file that waits for its name.
pub(super) struct Written {
    /// Where it came from; only for a reject, if its name is taken.
    pub(super) source: PathBuf,
    pub(super) part: Part,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    pub(super) what: What,
}

/// What a released file holds.
pub(super) enum What {
    Image(Box<ImageFacts>),
    /// With the number of the file in the account.
    Records(Box<Released>, usize),
}

/// A released DICOM file.
pub(super) struct ImageFacts {
    pub(super) name: OutputName,
    pub(super) proof: Proof,
    pub(super) transfer_syntax: String,
    /// Whether its pixels are in another coding than they came in.
    pub(super) is_encoded_anew: bool,
}

/// What all threads share.
pub(super) struct Shop {
    /// None: images are not treated.
    pub(super) deidentifier: Option<DicomDeidentifier>,
    /// Those of the other formats, or why the policy has none.
    pub(super) documents: Result<Arc<Documents>, String>,
    /// None: tables are not treated.
    pub(super) tables: Option<Tables>,
    /// Remembers codes; what it gave is on the disk before a file has its name.
    pub(super) vault: Option<Arc<dyn Vault>>,
    pub(super) encode: Coding,
    pub(super) limits: Limits,
    pub(super) stage: Arc<Stage>,
    pub(super) budget: Budget,
    /// Set when nothing more is to be begun.
    pub(super) stopped: Arc<AtomicBool>,
}

/// Bytes of files that may be worked on at the same time.
pub(super) struct Budget {
    all: u64,
    free: Mutex<u64>,
    freed: Condvar,
}

impl Budget {
    pub(super) fn new(all: u64) -> Self {
        Self { all, free: Mutex::new(all), freed: Condvar::new() }
    }

    /// Waits until there is room for so many bytes.
    fn take(&self, bytes: u64) -> Taken<'_> {
        let bytes = bytes.min(self.all);
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self.freed.wait_while(free, |free| *free < bytes).unwrap_or_else(PoisonError::into_inner);
        *free -= bytes;
        Taken { budget: self, bytes }
    }
}

struct Taken<'b> {
    budget: &'b Budget,
    bytes: u64,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        *self.budget.free.lock().unwrap_or_else(PoisonError::into_inner) += self.bytes;
        self.budget.freed.notify_all();
    }
}

/// The limits of a file of at most so many bytes.
pub(super) fn limits(bytes: usize) -> Limits {
    Limits { bytes, inflated: MOST_INFLATED.min(bytes), ..Limits::default() }
}

/// Why a file is not released, before it has its place in the rejects.
struct Refused {
    code: &'static str,
    offset: u64,
    location: String,
    reason: String,
}

impl Refused {
    fn new(code: &'static str, reason: &(impl ToString + ?Sized)) -> Self {
        Self { code, offset: 0, location: String::new(), reason: reason.to_string() }
    }
}

impl From<DicomError> for Refused {
    fn from(error: DicomError) -> Self {
        let location = error.tag.map(|tag| tag.to_string()).unwrap_or_default();
        Self { code: error.kind.code(), offset: error.offset as u64, location, reason: error.kind.to_string() }
    }
}

/// A file that is not released: refused, passed over, or a failure that no other file would be spared.
enum Not {
    Refused(Refused),
    Skipped(&'static str),
    /// It holds something else than DICOM.
    Other(Kind),
    Failed(Failure),
}

impl From<Refused> for Not {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<DeidError> for Not {
    fn from(error: DeidError) -> Self {
        match error {
            DeidError::Privacy(error) => Self::Failed(Failure::failed(error)),
            DeidError::Directory => Self::Skipped("directory"),
            error => Self::Refused(Refused::new(error.code(), &error)),
        }
    }
}

/// A face, or why there is none.
enum Face {
    NotAsked,
    Found(deface::FaceMask),
    None(DeidError),
}

impl Shop {
    /// Works on a unit. A failure is one of all: a full disk, a vault that cannot be written.
    pub(super) fn work(&self, unit: &Unit) -> Outcome<Vec<Done>> {
        let face = if unit.is_series { self.face(&unit.files) } else { Face::NotAsked };
        let done: Vec<Done> =
            unit.files.iter().enumerate().map(|(place, path)| self.file(path, &face, unit.number + place)).collect::<Outcome<_>>()?;
        if let Some(vault) = &self.vault {
            vault.commit().map_err(Failure::failed)?;
        }
        Ok(done)
    }

    fn file(&self, path: &Path, face: &Face, number: usize) -> Outcome<Done> {
        if self.stopped.load(Ordering::Relaxed) {
            return Err(Failure::interrupted());
        }
        // A defect of a codec costs the file that it has to do with.
        let released = catch_unwind(AssertUnwindSafe(|| self.release(path, face)));
        let refused = match released.unwrap_or_else(|_| Err(Refused::new("defect", "a defect of sutura; please report it").into())) {
            Ok(written) => return Ok(Done::Written(Box::new(written))),
            Err(Not::Skipped(why)) => return Ok(Done::Skipped(why)),
            Err(Not::Other(kind)) => return self.records(path, kind, number),
            Err(Not::Failed(failure)) => return Err(failure),
            Err(Not::Refused(refused)) => refused,
        };
        let Refused { code, offset, location, reason } = refused;
        Ok(Done::Rejected(vec![Rejected { path: path.to_owned(), offset, code, location, reason }]))
    }

    /// A file of another format than DICOM.
    fn records(&self, path: &Path, kind: Kind, number: usize) -> Outcome<Done> {
        if let (true, Some(tables)) = (kind.is_table(), &self.tables) {
            return self.table(tables, path, kind, number);
        }
        let documents = match &self.documents {
            Ok(documents) => documents,
            Err(why) => {
                let reason = format!("the policy cannot treat {} files: {why}", kind.word());
                let path = path.to_owned();
                return Ok(Done::Rejected(vec![Rejected { path, offset: 0, code: "policy-incomplete", location: String::new(), reason }]));
            }
        };
        if !documents.treats(kind) {
            let Refused { code, offset, location, reason } = not_treated();
            return Ok(Done::Rejected(vec![Rejected { path: path.to_owned(), offset, code, location, reason }]));
        }
        let (released, out) = documents.release(path, kind, self.limits.bytes, self.stage.begin()?)?;
        Self::released(path, released, out, number)
    }

    fn table(&self, tables: &Tables, path: &Path, kind: Kind, number: usize) -> Outcome<Done> {
        let out = self.stage.begin()?;
        // A defect of a decoder costs the file that it has to do with.
        match catch_unwind(AssertUnwindSafe(|| tables.release(path, kind, self.limits.bytes, out))) {
            Ok(done) => done.and_then(|(released, out)| Self::released(path, released, out, number)),
            Err(_) => {
                let reason = "a defect of sutura; please report it".to_owned();
                Ok(Done::Rejected(vec![Rejected { path: path.to_owned(), offset: 0, code: "defect", location: String::new(), reason }]))
            }
        }
    }

    fn released(path: &Path, mut released: Released, out: PartWriter, number: usize) -> Outcome<Done> {
        if released.rejected.len() as u64 == released.records {
            // Nothing of it is released; a file without any record is none.
            if released.rejected.is_empty() {
                return Ok(Done::Skipped("empty"));
            }
            return Ok(Done::Rejected(std::mem::take(&mut released.rejected)));
        }
        let (part, bytes_out) = out.finish()?;
        let bytes_in = released.bytes_in;
        Ok(Done::Written(Box::new(Written {
            source: path.to_owned(),
            part,
            bytes_in,
            bytes_out,
            what: What::Records(Box::new(released), number),
        })))
    }

    fn release(&self, path: &Path, face: &Face) -> Result<Written, Not> {
        let (file, bytes_in, _taken) = self.read(path)?;
        let Some(deidentifier) = &self.deidentifier else { return Err(not_treated().into()) };
        let released = match face {
            _ if file.is_directory() => deidentifier.deidentify_directory(&file).map(|mut released| {
                if released.name.instance.is_empty() {
                    "directory".clone_into(&mut released.name.instance);
                }
                released
            }),
            _ if !deface::may_show_a_face(&file) => deidentifier.deidentify(&file),
            Face::NotAsked => deidentifier.deidentify(&file),
            Face::Found(mask) => deidentifier.deidentify_of_series(&file, Some(mask)),
            Face::None(error) => return Err(Refused::new(error.code(), error).into()),
        }?;
        drop(file);
        let sutura_deid::dicom::Deidentified { mut bytes, mut proof, name } = released;
        let mut is_encoded_anew = false;
        match reencode::encode(&bytes, self.encode, &self.limits) {
            Encoded::Anew(encoded) => (bytes, is_encoded_anew) = (encoded, true),
            Encoded::AsTheyWere => {}
            Encoded::NotPossible => proof.warnings.push("not-encoded-anew"),
        }
        // The transfer syntax is read from what is released, not from what was meant.
        let head = sutura_dicom::DicomFile::parse_beginning(bytes[..bytes.len().min(HEADER as usize)].to_vec(), &self.limits);
        let transfer_syntax = match head {
            Ok(Some(head)) => head.transfer_syntax().uid.clone(),
            _ => DicomFile::parse(bytes.clone(), &Limits { bytes: bytes.len(), ..self.limits })
                .map(|file| file.transfer_syntax().uid.clone())
                .map_err(|_| Refused::new("not-written", "the de-identified file cannot be read again"))?,
        };
        let part = self.stage.write(&bytes).map_err(Not::Failed)?;
        let bytes_out = bytes.len() as u64;
        let what = What::Image(Box::new(ImageFacts { name, proof, transfer_syntax, is_encoded_anew }));
        Ok(Written { source: path.to_owned(), part, bytes_in, bytes_out, what })
    }

    /// A file as a whole, with its size and the room that it takes.
    fn read(&self, path: &Path) -> Result<(DicomFile, u64, Taken<'_>), Not> {
        let size = fs::metadata(path).map_err(|error| unreadable(&error))?.len();
        let mut opened = whole::open(path).map_err(|error| unreadable(&error))?;
        let mut bytes = Vec::new();
        (&mut opened).take(HEAD).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
        if matches!(DicomFile::parse_beginning(bytes.clone(), &self.limits), Err(error) if error.kind == DicomErrorKind::NotDicom) {
            // What is called DICOM and is none was damaged.
            return Err(match Kind::of(path, &bytes) {
                _ if is_called_dicom(path) => not_dicom().into(),
                Some(kind) => Not::Other(kind),
                None => Not::Skipped("unknown-format"),
            });
        }
        let most = self.limits.bytes as u64;
        let too_large =
            |what: &str| Not::from(Refused::new(DicomErrorKind::TooLarge.code(), &format!("{what}, more than --max-file allows")));
        if size > most {
            return Err(too_large(&format!("the file has {size} bytes")));
        }
        let taken = self.budget.take(size);
        // A file that grows meanwhile, or that is much larger unpacked, is not read for ever.
        if !whole::read_on(&mut opened, &mut bytes, self.limits.bytes).map_err(|error| unreadable(&error))? {
            return Err(too_large(&format!("the file has more than {most} bytes")));
        }
        let read = bytes.len() as u64;
        let file = DicomFile::parse(bytes, &self.limits).map_err(Refused::from)?;
        let decoded = self.decoded_bytes(&file);
        if decoded > most {
            return Err(too_large(&format!("its pixels are {decoded} bytes once they are decoded")));
        }
        // Given back before more is taken, so that no two files wait for each other.
        drop(taken);
        Ok((file, read, self.budget.take(read + decoded)))
    }

    /// What is held beside the file while its pixels are worked on: all frames where they are encoded anew, else one.
    fn decoded_bytes(&self, file: &DicomFile) -> u64 {
        let looks_at_pixels = self.deidentifier.as_ref().is_some_and(|images| images.options().clean_pixels != CleanPixels::No);
        let Ok(image) = PixelDescription::of(file) else { return 0 };
        let frame = [image.rows, image.columns, image.samples, image.bits_allocated.div_ceil(8)];
        let frame = frame.iter().fold(1u64, |product, factor| product.saturating_mul(*factor as u64));
        // Frames that are not there are not decoded. A frame has its place among a few dozen bytes.
        let held = file.pixel_data().map_or(0, |pixels| pixels.bytes().len()) as u64;
        let frames = if image.frames as u64 > held { held } else { image.frames as u64 };
        match self.encode {
            Coding::Keep if looks_at_pixels => frame,
            Coding::Keep => 0,
            _ => frames.saturating_mul(frame.saturating_mul(2).saturating_add(FRAME_KEPT)),
        }
    }

    /// The face of a series.
    fn face(&self, files: &[PathBuf]) -> Face {
        let mut scan = deface::SeriesScan::new();
        let mut is_there = false;
        for path in files {
            // What cannot be read or has no place in the volume is refused when its turn comes.
            if let Ok((file, ..)) = self.read(path)
                && deface::may_show_a_face(&file)
            {
                is_there = true;
                let _ = catch_unwind(AssertUnwindSafe(|| scan.add(&file).is_ok()));
            }
        }
        if !is_there {
            return Face::NotAsked;
        }
        match catch_unwind(AssertUnwindSafe(|| scan.finish())) {
            Ok(Ok(mask)) => Face::Found(mask),
            Ok(Err(error)) => Face::None(error),
            Err(_) => Face::None(DeidError::Face("a defect of sutura; please report it")),
        }
    }

    /// Series Instance UID, to put the files of a series together. It is kept in memory only.
    pub(super) fn series_of(&self, path: &Path) -> Option<String> {
        let mut bytes = Vec::new();
        File::open(path).ok()?.take(HEADER).read_to_end(&mut bytes).ok()?;
        let uid = |file: &DicomFile| file.data_set().text(Tag(0x0020_000E)).map(std::borrow::Cow::into_owned);
        match DicomFile::parse_beginning(bytes, &self.limits) {
            Ok(Some(file)) => uid(&file),
            Ok(None) => self.read(path).ok().and_then(|(file, ..)| uid(&file)),
            Err(_) => None,
        }
    }
}

/// A file that no part of a configuration is for.
fn not_treated() -> Refused {
    let reason = "the configuration of Microsoft's FHIR anonymizer treats FHIR resources only; give a policy for files of other formats";
    Refused::new("format-not-treated", reason)
}

fn not_dicom() -> Refused {
    Refused::new(DicomErrorKind::NotDicom.code(), &DicomErrorKind::NotDicom)
}

/// The kind of the error only: the words of the system may hold anything.
fn unreadable(error: &io::Error) -> Not {
    Refused::new("not-readable", &format!("the file cannot be read: {}", error.kind())).into()
}

fn is_called_dicom(path: &Path) -> bool {
    let packed = path.extension().is_some_and(|end| ["gz", "zst", "zstd"].iter().any(|known| end.eq_ignore_ascii_case(known)));
    let path = if packed { path.with_extension("") } else { path.to_owned() };
    path.extension().is_some_and(|end| ["dcm", "dicom", "dic"].iter().any(|known| end.eq_ignore_ascii_case(known)))
}
