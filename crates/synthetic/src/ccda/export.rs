//! Writing documents and the truth about them, in one pass and with bounded memory (the truth grows with the odd entries only).

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    ops::ControlFlow,
    path::Path,
};

use crate::{
    SyntheticError,
    fhir::Frame,
    files::{Output, packed_ending, remove_if_there},
};

use super::{document, options::CcdaOptions, record::Charts, truth::CcdaTruth};

/// Progress is reported every so many patients.
const REPORT_EVERY: u64 = 64;
/// Documents in one folder.
const PER_FOLDER: u64 = 1000;

/// Documents that can be written.
#[derive(Debug, Clone)]
pub struct CcdaExport {
    options: CcdaOptions,
    frame: Frame,
}

impl CcdaExport {
    /// Checks the options.
    ///
    /// # Errors
    /// When an option has a value that cannot be.
    pub fn new(options: CcdaOptions) -> Result<Self, SyntheticError> {
        let frame = options.frame()?;
        Ok(Self { options, frame })
    }

    /// Writes `documents/` (a thousand in a folder: `documents/0000/patient_00000000.xml`) and `truth.json` into a folder, which is made
    /// when it is not there. `progress` is told the documents written so far, and may end the work.
    ///
    /// The truth is written last and appears whole or not at all.
    ///
    /// # Errors
    /// When `documents` is there already and not empty, a file cannot be written, or `progress` breaks.
    pub fn write_to(&self, folder: &Path, progress: &dyn Fn(u64) -> ControlFlow<()>) -> Result<CcdaTruth, SyntheticError> {
        let documents = folder.join("documents");
        fs::create_dir_all(folder).map_err(failed(folder))?;
        if documents.exists() && fs::read_dir(&documents).map_err(failed(&documents))?.next().is_some() {
            return Err(SyntheticError::OtherFeed { path: documents });
        }
        // Until all documents are there, there is no truth about the folder.
        let truth_path = folder.join("truth.json");
        remove_if_there(&truth_path).map_err(failed(&truth_path))?;
        make_folder(&documents)?;
        let mut charts = Charts::new(self.frame);
        let mut truth = CcdaTruth {
            options: self.options.clone(),
            documents: 0,
            bytes: 0,
            by_style: BTreeMap::new(),
            sections: BTreeMap::new(),
            odd: Vec::new(),
        };
        let ending = packed_ending(self.options.compression);
        for number in 0..self.options.patients {
            let thousand = format!("{:04}", number / PER_FOLDER);
            if number.is_multiple_of(PER_FOLDER) {
                make_folder(&documents.join(&thousand))?;
            }
            let name = format!("documents/{thousand}/patient_{number:08}.xml{ending}");
            let style = self.options.style.of(number);
            let bytes = document::write(&mut charts, &self.frame, number, style, self.options.odd_percent, &name, &mut truth);
            let path = folder.join(&name);
            let mut file = File::create(&path).and_then(|file| Output::new(file, self.options.compression)).map_err(failed(&path))?;
            file.write_all(&bytes).and_then(|()| file.finish()).map_err(failed(&path))?;
            let is_due = truth.documents.is_multiple_of(REPORT_EVERY) || truth.documents == self.options.patients;
            if is_due && progress(truth.documents).is_break() {
                return Err(SyntheticError::Stopped);
            }
        }
        let json = serde_json::to_vec_pretty(&truth).map_err(|error| failed(&truth_path)(error.into()))?;
        let part = folder.join(".truth.json.part");
        fs::write(&part, json).map_err(failed(&part))?;
        fs::rename(&part, &truth_path).map_err(failed(&truth_path))?;
        Ok(truth)
    }
}

/// Makes a folder in one that is there. A folder that was taken away meanwhile is not made again.
fn make_folder(path: &Path) -> Result<(), SyntheticError> {
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed(path)(error)),
        _ => Ok(()),
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> SyntheticError + use<> {
    let path = path.to_owned();
    move |source| SyntheticError::Io { path, source }
}
