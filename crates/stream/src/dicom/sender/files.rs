//! Which files there are, and what they are.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use sutura_dicom::{DicomFile, Encoding, Limits, PixelCoding, Tag, TransferSyntax, dimse};

use super::SendOutcome;
use crate::error::StreamError;

/// Bytes that are read first to find out what a file is; most have more before their pixels only if they have no pixels.
const FIRST: usize = 32 << 10;

/// A file to send.
#[derive(Clone)]
pub(super) struct Instance {
    pub(super) path: PathBuf,
    /// Bytes of the file, and when it was changed, in nanoseconds: whether it is still the one that was sent.
    pub(super) size: u64,
    pub(super) modified: u128,
    pub(super) sop_class: String,
    pub(super) sop_instance: String,
    pub(super) syntax: String,
    /// Where the data set begins.
    pub(super) offset: u64,
}

impl Instance {
    /// Bytes of the data set as it is sent: an even number. Only a deflated one is padded (PS3.5 annex A.5); of the others, none is odd.
    pub(super) fn length(&self) -> u64 {
        (self.size - self.offset).next_multiple_of(2)
    }
}

/// All files of these paths, in order, each once.
pub(super) fn list(paths: &[PathBuf]) -> Result<Vec<PathBuf>, StreamError> {
    let mut files = Vec::new();
    for path in paths {
        let failed = |error| StreamError::Folder(path.clone(), error);
        let metadata = fs::metadata(path).map_err(failed)?;
        if metadata.is_dir() {
            walk(path, &mut files).map_err(failed)?;
        } else if metadata.is_file() {
            files.push(path.clone());
        } else {
            // Of a pipe nobody knows when it ends, or whether it begins.
            return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "neither a file nor a folder")));
        }
    }
    files.sort_unstable();
    files.dedup();
    Ok(files)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() || fs::metadata(entry.path()).is_ok_and(|linked| linked.is_file()) {
                files.push(entry.path());
            }
        }
    }
    Ok(())
}

/// Size and time of change of a file.
pub(super) fn mark(path: &Path) -> io::Result<(u64, u128)> {
    let metadata = fs::metadata(path)?;
    let modified = metadata.modified()?.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    Ok((metadata.len(), modified))
}

/// What a file is; the error says what becomes of it instead of being sent, and why.
pub(super) fn look_at(path: &Path) -> Result<Instance, (SendOutcome, String)> {
    let unreadable = |error: io::Error| (SendOutcome::Failed, format!("the file cannot be read ({})", error.kind()));
    let (size, modified) = mark(path).map_err(unreadable)?;
    let mut file = File::open(path).map_err(unreadable)?;
    let (mut bytes, mut wanted) = (Vec::new(), FIRST);
    let limits = Limits::default();
    (&mut file).take(FIRST as u64).read_to_end(&mut bytes).map_err(unreadable)?;
    // One that says that it is DICOM is not passed over in silence.
    let is_claimed = bytes.get(128..132) == Some(b"DICM") || has_name_of_dicom(path);
    let no_instance = |reason: String| (if is_claimed { SendOutcome::Failed } else { SendOutcome::NotAnInstance }, reason);
    let parsed = loop {
        let missing = (wanted - bytes.len()) as u64;
        (&mut file).take(missing).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() < wanted || bytes.len() as u64 == size {
            break DicomFile::parse(bytes, &limits).map_err(|error| no_instance(error.to_string()))?;
        }
        if let Some(parsed) = DicomFile::parse_beginning(bytes.clone(), &limits).map_err(|error| no_instance(error.to_string()))? {
            break parsed;
        }
        wanted = wanted.saturating_mul(4).min(limits.bytes.saturating_add(1));
        if bytes.len() >= wanted {
            return Err(no_instance("what stands before the pixel data is larger than is read".to_owned()));
        }
    };
    if parsed.is_directory() {
        return Err((SendOutcome::NotAnInstance, "the file is a directory of other files (DICOMDIR)".to_owned()));
    }
    // What the meta information says is not sent: a receiver finds it in the data set or refuses it.
    let uid = |tag| parsed.data_set().text(Tag(tag)).filter(|uid| dimse::is_uid(uid)).map(std::borrow::Cow::into_owned);
    let (Some(sop_class), Some(sop_instance)) = (uid(0x0008_0016), uid(0x0008_0018)) else {
        return Err(no_instance("the data set does not say its SOP class and instance".to_owned()));
    };
    let offset = parsed.data_set_offset() as u64;
    if parsed.pixels_are_cut() || parsed.pixels_end_behind(size) {
        return Err((SendOutcome::Failed, "the pixel data is cut off: it is longer than what is left of the file".to_owned()));
    }
    if size.saturating_sub(offset) % 2 == 1 && !parsed.transfer_syntax().deflated {
        let reason = "the data set has an odd number of bytes, which no message may have (PS3.8): write the file again with even lengths";
        return Err((SendOutcome::Failed, reason.to_owned()));
    }
    let syntax = syntax_of(parsed.transfer_syntax());
    Ok(Instance { path: path.to_owned(), size, modified, sop_class, sop_instance, syntax, offset })
}

fn has_name_of_dicom(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    ["dcm", "dicom", "dic"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// The transfer syntax that the file is really written in: some files have none, or that of another.
fn syntax_of(syntax: &TransferSyntax) -> String {
    let declared = TransferSyntax::of(&syntax.uid);
    let is_right = dimse::is_uid(&syntax.uid) && (!declared.is_known() || declared.encoding == syntax.encoding);
    if is_right || !matches!(syntax.pixels, PixelCoding::Native | PixelCoding::Unknown) {
        return syntax.uid.clone();
    }
    let found = match syntax.encoding {
        Encoding::ImplicitLittle => dimse::IMPLICIT_LITTLE,
        Encoding::ExplicitLittle => dimse::EXPLICIT_LITTLE,
        Encoding::ExplicitBig => "1.2.840.10008.1.2.2",
    };
    found.to_owned()
}
