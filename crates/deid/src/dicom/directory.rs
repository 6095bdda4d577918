//! DICOMDIR: the directory of a medium, which repeats what its files say of patients, studies and series (PS3.3 annex F).

use std::collections::HashMap;

use sutura_dicom::{
    DicomFile, Limits, Tag,
    write::{OwnedDataSet, OwnedElement, OwnedFile, OwnedValue},
};

use super::{Deidentified, DicomDeidentifier, OutputName, proof::Proof, rules::Action, strip, walk::Walk};
use crate::error::DeidError;

/// Directory Record Sequence.
pub(super) const RECORDS: Tag = Tag(0x0004_1220);
/// Offsets of the first and last record of the root directory, in the data set.
const ROOT: [Tag; 2] = [Tag(0x0004_1200), Tag(0x0004_1202)];
/// Offsets of the next record and of the first one below, in a record.
const LINKS: [Tag; 2] = [Tag(0x0004_1400), Tag(0x0004_1420)];

/// What becomes of the attributes that only directories have.
pub(super) fn action(tag: Tag) -> Action {
    match tag.0 {
        // File-set ID: what somebody called the medium.
        0x0004_1130 => Action::Empty,
        0x0004_1200 | 0x0004_1202 | 0x0004_1212 | 0x0004_1220 | 0x0004_1400 | 0x0004_1410 | 0x0004_1420 | 0x0004_1430 => Action::Keep,
        0x0004_1432 | 0x0004_1510 | 0x0004_1511 | 0x0004_1512 | 0x0004_151A => Action::Uid,
        // Names of files, of the input: they may be names of people.
        _ => Action::Remove,
    }
}

impl DicomDeidentifier {
    /// De-identifies a DICOMDIR: its records as the files that they are about, with the same codes and UIDs. Referenced File ID and the names of the file-set go:
    /// they are of the input. A program that knows the names of the released files may set them; records and their order stay.
    ///
    /// Dates of records that state no Patient ID are treated as those of nobody: they cannot be moved.
    ///
    /// # Errors
    /// As [`Self::deidentify`]; [`DeidError::NotWhole`] also for a file that is no directory.
    pub fn deidentify_directory(&self, file: &DicomFile) -> Result<Deidentified, DeidError> {
        if file.is_beginning() || !file.is_directory() {
            return Err(DeidError::NotWhole);
        }
        let mut proof = Proof::new(&self.identity, &self.options);
        let data_set = Walk::new(&self.options, &self.identity, file, &mut proof)?.run(file.data_set())?;
        let mut owned = OwnedFile::of(file);
        owned.meta = OwnedDataSet::new();
        owned.data_set = data_set;
        strip::bulk::strip(&mut owned.data_set, &mut proof);
        let old = file.meta().text(Tag(0x0002_0003)).unwrap_or_default();
        let new = if old.is_empty() { None } else { self.identity.uids(&[old.as_ref()])?.remove(old.as_ref()) };
        let instance = new.unwrap_or_default();
        if !instance.is_empty() {
            owned.meta.set_uid(Tag(0x0002_0003), &instance);
            owned.meta.set_uid(Tag(0x0002_0002), "1.2.840.10008.1.3.10");
        }
        let bytes = with_offsets(file, &mut owned)?;
        proof.finish();
        proof.instance.clone_from(&instance);
        let part = |text: &str| text.to_owned();
        let name = OutputName { patient: part("unknown"), study: part("directory"), series: part("directory"), instance };
        Ok(Deidentified { bytes, proof, name })
    }
}

/// Writes the directory with the offsets that its records have in it. They take the same room whatever they are, so writing twice is enough.
fn with_offsets(original: &DicomFile, owned: &mut OwnedFile) -> Result<Vec<u8>, DeidError> {
    let old: HashMap<u32, usize> = offsets(original).into_iter().enumerate().map(|(place, offset)| (offset, place)).collect();
    let first = owned.to_bytes()?;
    let limits = Limits { bytes: first.len().max(1 << 20), ..Limits::default() };
    let Ok(written) = DicomFile::parse(first, &limits) else { return Err(DeidError::Directory) };
    let new = offsets(&written);
    let moved = |data_set: &mut OwnedDataSet, tags: [Tag; 2]| {
        for tag in tags {
            let Some(offset) = data_set.get(tag).and_then(OwnedElement::integer) else { continue };
            let place = u32::try_from(offset).ok().and_then(|offset| old.get(&offset));
            let offset = place.and_then(|place| new.get(*place)).copied().unwrap_or(0);
            data_set.set_u32(tag, &[offset]);
        }
    };
    moved(&mut owned.data_set, ROOT);
    if let Some(OwnedValue::Items(records)) = owned.data_set.value_mut(RECORDS) {
        for record in records {
            moved(record, LINKS);
        }
    }
    Ok(owned.to_bytes()?)
}

/// Where each record begins.
fn offsets(file: &DicomFile) -> Vec<u32> {
    file.data_set().items(RECORDS).map(|record| u32::try_from(record.offset()).unwrap_or(0)).collect()
}
