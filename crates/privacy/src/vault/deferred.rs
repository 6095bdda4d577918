//! A vault whose new codes are committed when the file that has them is whole, not one by one: a commit waits for the disk.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError, atomic::Ordering},
};

use redb::{Durability, ReadableTable};

use super::{CODES, Code, FileVault, Mark, TAKEN, TwoAgeCache, Vault, lock, random_codes, write_code};
use crate::error::PrivacyError;

/// New codes after which a commit is made, whether a file is whole or not.
const MOST_PENDING: usize = 32 * 1024;

/// A [`FileVault`] that commits when it is told to. Codes that one thread has been given are given to the others at once, and each must commit
/// before it lets them out.
pub struct DeferredVault {
    file: FileVault,
    pending: Mutex<HashMap<Mark, Code>>,
    committing: Mutex<()>,
}

impl DeferredVault {
    pub(super) fn new(file: FileVault) -> Self {
        Self { file, pending: Mutex::default(), committing: Mutex::default() }
    }

    /// Codes that are not on the disk yet.
    pub fn pending(&self) -> usize {
        lock(&self.pending).len()
    }

    fn store(&self, new: &[(Mark, Code)]) -> Result<(), PrivacyError> {
        let error = |error: &dyn fmt::Display| self.file.error(error);
        let _writing = lock(&self.file.writer);
        let mut write = self.file.database.begin_write().map_err(|cause| error(&cause))?;
        write.set_durability(Durability::Immediate).map_err(|cause| error(&cause))?;
        {
            let mut table = write.open_table(CODES).map_err(|cause| error(&cause))?;
            let mut taken = write.open_table(TAKEN).map_err(|cause| error(&cause))?;
            let mut codes: Vec<&Code> = new.iter().map(|(_, code)| code).collect();
            codes.sort_unstable();
            for code in codes {
                if taken.insert(code, ()).map_err(|cause| error(&cause))?.is_some() {
                    return Err(error(&"a code was given twice"));
                }
            }
            for (mark, code) in new {
                if table.get(mark).map_err(|cause| error(&cause))?.is_none() {
                    table.insert(mark, code).map_err(|cause| error(&cause))?;
                }
            }
        }
        write.commit().map_err(|cause| error(&cause))?;
        self.file.commits.fetch_add(1, Ordering::Release);
        Ok(())
    }
}

impl fmt::Debug for DeferredVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeferredVault").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Vault for DeferredVault {
    fn codes(&self, kind: &str, values: &[&str]) -> Result<Vec<String>, PrivacyError> {
        let marks = self.file.marker.marks(kind, values);
        let mut codes: Vec<Option<Code>> = {
            let mut cache = lock(&self.file.cache);
            marks.iter().map(|mark| cache.get(mark)).collect()
        };
        let is_full = {
            // Held until the new codes are in it, so that no value is given two.
            let mut pending = lock(&self.pending);
            let of_pending = codes.iter_mut().zip(&marks).filter(|(code, _)| code.is_none());
            of_pending.for_each(|(code, mark)| *code = pending.get(mark).copied());
            let unknown: Vec<usize> = (0..marks.len()).filter(|place| codes[*place].is_none()).collect();
            if !unknown.is_empty() {
                let missing = self.file.look_up(&marks, &mut codes, &unknown)?;
                let fresh = random_codes(missing.len())?;
                for (place, fresh) in missing.iter().zip(fresh) {
                    codes[*place] = Some(*pending.entry(marks[*place]).or_insert(fresh));
                }
                let mut cache = lock(&self.file.cache);
                for place in unknown.into_iter().filter(|place| missing.binary_search(place).is_err()) {
                    if let Some(code) = codes[place] {
                        cache.put(marks[place], code);
                    }
                }
            }
            pending.len() >= MOST_PENDING
        };
        if is_full {
            self.commit()?;
        }
        let text = codes.into_iter().map(|code| code.map(|code| write_code(kind, &code)));
        text.map(|code| code.ok_or_else(|| self.file.error("a code was not made"))).collect()
    }

    fn commit(&self) -> Result<(), PrivacyError> {
        // Who comes second waits, and finds its codes on the disk.
        let _committing = self.committing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut new: Vec<(Mark, Code)> = lock(&self.pending).iter().map(|(mark, code)| (*mark, *code)).collect();
        if new.is_empty() {
            return Ok(());
        }
        // In order of the mark, neighbours in the file are written one after the other.
        new.sort_unstable();
        self.store(&new)?;
        let mut pending = lock(&self.pending);
        let mut cache = lock(&self.file.cache);
        for (mark, code) in new {
            pending.remove(&mark);
            cache.put(mark, code);
        }
        Ok(())
    }

    fn forget(&self, kind: &str, value: &str) -> Result<bool, PrivacyError> {
        self.commit()?;
        let found = self.file.forget(kind, value);
        *lock(&self.file.cache) = TwoAgeCache::default();
        found
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::{KeyRing, Scope};

    fn ask(vault: &dyn Vault, range: std::ops::Range<u32>) -> Vec<String> {
        let values: Vec<String> = range.map(|number| number.to_string()).collect();
        vault.codes("mrn", &values.iter().map(String::as_str).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn codes_wait_for_the_commit_and_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("v");
        let (ring, scope) = (KeyRing::generate().unwrap(), Scope::new("p", "d"));
        let vault = FileVault::open(&path, &ring, &scope).unwrap().deferring();
        let first = ask(&vault, 0..10);
        assert_eq!((vault.pending(), vault.file.len().unwrap()), (10, 0));
        assert_eq!(ask(&vault, 5..15)[..5], first[5..], "what waits is known");
        vault.commit().unwrap();
        assert_eq!((vault.pending(), vault.file.len().unwrap(), vault.file.commits.load(Ordering::Relaxed)), (0, 15, 1));
        assert_eq!(ask(&vault, 0..10), first);
        ask(&vault, 15..16);
        drop(vault);
        let vault = FileVault::open(&path, &ring, &scope).unwrap();
        assert_eq!((vault.len().unwrap(), ask(&vault, 0..10)), (15, first), "what was not committed is gone");
    }

    #[test]
    fn threads_agree_while_others_commit() {
        let folder = tempfile::tempdir().unwrap();
        let vault = FileVault::open(&folder.path().join("v"), &KeyRing::generate().unwrap(), &Scope::new("p", "d")).unwrap().deferring();
        let work = || {
            let mut answers = Vec::new();
            for step in 0..60 {
                answers.extend(ask(&vault, step * 5..step * 5 + 10));
                if step % 7 == 0 {
                    vault.commit().unwrap();
                }
            }
            answers
        };
        let answers: Vec<Vec<String>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(answers.iter().all(|answer| *answer == answers[0]));
        vault.commit().unwrap();
        assert_eq!(ask(&vault, 0..305).iter().collect::<HashSet<_>>().len(), 305);
        assert_eq!(vault.file.len().unwrap(), 305);
    }
}
