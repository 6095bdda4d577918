//! DICOM files by the Basic Application Level Confidentiality Profile and its options (PS3.15 annex E).
//!
//! What happens to an element is decided by the table of the standard, which the dictionary of `sutura-dicom` has compiled in; what an identifier becomes is
//! decided by the policy and keys of `sutura-privacy`. See `docs/src/reference/deidentify-dicom.md`.

mod codes;
mod content;
pub mod deface;
mod directory;
mod identity;
mod keep;
mod names;
mod numbers;
mod options;
mod pixels;
mod private;
mod proof;
mod rules;
mod seen;
mod shapes;
mod strip;
mod values;
mod walk;

use std::sync::Arc;

use sutura_dicom::{
    DicomFile, Tag, Vr,
    write::{OwnedDataSet, OwnedFile},
};
use sutura_privacy::Deidentifier;

use crate::error::DeidError;

pub use names::OutputName;
use pixels::PixelsDone;

pub use options::{CleanPixels, Dates, Options};
pub use pixels::{PixelBox, TextFinder};
pub use proof::{ActionCount, CleanedBox, Proof, actions_schema, actions_table};

/// De-identifies DICOM files. `Send + Sync`; one serves all threads.
#[derive(Clone)]
pub struct DicomDeidentifier {
    options: Options,
    identity: Arc<identity::Identity>,
    text_finder: Option<Arc<TextFinder>>,
}

/// A de-identified file.
#[derive(Clone)]
pub struct Deidentified {
    /// The file.
    pub bytes: Vec<u8>,
    /// What was done, without any value.
    pub proof: Proof,
    /// The codes that name it.
    pub name: OutputName,
}

impl std::fmt::Debug for Deidentified {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deidentified").field("bytes", &self.bytes.len()).field("proof", &self.proof).finish_non_exhaustive()
    }
}

impl DicomDeidentifier {
    /// Options bound to a policy and its keys.
    ///
    /// # Errors
    /// When the law that the policy claims does not permit an option, or the policy has no rule for an identifier.
    pub fn new(options: Options, privacy: &Deidentifier) -> Result<Self, DeidError> {
        options.check(privacy.policy())?;
        Ok(Self { options, identity: Arc::new(identity::Identity::new(privacy)?), text_finder: None })
    }

    /// With something that finds areas that look like text, for [`CleanPixels::Detect`].
    #[must_use]
    pub fn with_text_finder(mut self, finder: Arc<TextFinder>) -> Self {
        self.text_finder = Some(finder);
        self
    }

    /// The options.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// De-identifies a file.
    ///
    /// Elements that are not changed share the file's buffer until they are written: pixel data is copied once.
    ///
    /// # Errors
    /// When the file is a directory (see [`Self::deidentify_directory`]) or was not read to its end, pixels that have to be cleaned cannot be, or the vault fails. There is no partial result.
    pub fn deidentify(&self, file: &DicomFile) -> Result<Deidentified, DeidError> {
        self.deidentify_of_series(file, None)
    }

    /// De-identifies a file of a series whose face was found: for [`Options::clean_recognizable_features`], which needs the whole series
    /// ([`deface::SeriesScan`]) for files that [may show a face](deface::may_show_a_face).
    ///
    /// # Errors
    /// As [`Self::deidentify`], and when the file may show a face and the mask is not of its series.
    pub fn deidentify_of_series(&self, file: &DicomFile, face: Option<&deface::FaceMask>) -> Result<Deidentified, DeidError> {
        if file.is_beginning() {
            return Err(DeidError::NotWhole);
        }
        if file.is_directory() {
            return Err(DeidError::Directory);
        }
        strip::bulk::refuse_audio(file)?;
        let mut proof = Proof::new(&self.identity, &self.options);
        let mut walk = walk::Walk::new(&self.options, &self.identity, file, &mut proof)?;
        let data_set = walk.run(file.data_set())?;
        let mut owned = OwnedFile::of(file);
        // Nothing of the meta information is worth the risk: titles of applications, private information.
        owned.meta = OwnedDataSet::new();
        owned.data_set = data_set;
        strip::bulk::strip(&mut owned.data_set, &mut proof);
        strip::pixel_data(file, &mut owned, self.options.clean_pixels, &mut proof)?;
        let mut done = PixelsDone::default();
        match self.options.clean_pixels {
            CleanPixels::No => pixels::warn(file, &mut proof),
            how => done.cleaned = pixels::clean(file, &mut owned, how, self.text_finder.as_deref(), &mut proof)?,
        }
        if self.options.clean_recognizable_features && deface::may_show_a_face(file) {
            let face = face.ok_or(DeidError::Face("the whole series is needed; make a mask of it first"))?;
            done.defaced = pixels::deface(file, &mut owned, face, &mut proof)?;
        }
        if !done.defaced {
            let must_not = self.options.clean_recognizable_features || self.identity.bars_faces();
            pixels::look_for_faces(file, must_not, &mut proof)?;
        }
        let names = self.options.names_of(done);
        proof.options = names.iter().map(|name| name.word).collect();
        self.say_what_was_done(&mut owned.data_set, &names);
        proof.finish();
        let name = OutputName::of(&owned.data_set);
        proof.instance = owned.data_set.text(Tag(0x0008_0018)).into_owned();
        Ok(Deidentified { bytes: owned.to_bytes()?, proof, name })
    }

    /// Writes the attributes that say that the patient's identity is removed, and how (PS3.3 C.12.1 and C.7.1.1).
    fn say_what_was_done(&self, data_set: &mut OwnedDataSet, names: &[options::OptionName]) {
        data_set.set_text(Tag(0x0012_0062), Vr::CS, "YES");
        // One value of at most 64 characters that are the same in every character set.
        let method = format!("Sutura {}, PS3.15, policy {}", env!("CARGO_PKG_VERSION"), self.identity.policy());
        let method: String =
            method.chars().filter(|letter| letter.is_ascii_graphic() && *letter != '\\' || *letter == ' ').take(64).collect();
        data_set.set_text(Tag(0x0012_0063), Vr::LO, &method);
        let codes = names.iter().map(|name| {
            let mut item = OwnedDataSet::new();
            item.set_text(Tag(0x0008_0100), Vr::SH, name.code);
            item.set_text(Tag(0x0008_0102), Vr::SH, "DCM");
            item.set_text(Tag(0x0008_0104), Vr::LO, name.meaning);
            item
        });
        data_set.set_items(Tag(0x0012_0064), codes.collect());
        let temporal = match self.options.dates {
            Dates::Remove => "REMOVED",
            Dates::Full => "UNMODIFIED",
            Dates::Modified => "MODIFIED",
        };
        data_set.set_text(Tag(0x0028_0303), Vr::CS, temporal);
    }
}

impl std::fmt::Debug for DicomDeidentifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DicomDeidentifier").field("options", &self.options).finish_non_exhaustive()
    }
}
