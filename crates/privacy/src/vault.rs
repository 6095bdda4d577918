//! Random codes for values: the code says nothing about the value, only the vault links the two.
//!
//! Safe Harbor allows no code that is derived from the value (45 CFR 164.514(c)(1)), keyed or not. A
//! vault draws 128 random bits the first time it sees a value and remembers them. The vault file
//! itself holds no value: its keys are HMAC-SHA256 of kind and canonical value under a subkey of the
//! key ring, so that it tells nothing to who has the file but not the key.

mod deferred;

use std::{
    collections::HashMap,
    fmt,
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use hmac::Mac;
use redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition};

use crate::{
    canonical::canonical,
    context::update_framed,
    encode::base32_code,
    error::PrivacyError,
    keys::{HmacSha256, KeyRing, Purpose, Scope, hmac_sha256},
};

/// A store of random codes. Many threads may ask at once.
pub trait Vault: Send + Sync + fmt::Debug {
    /// The code of each value, in order; new values get new codes, which are durable when this
    /// returns. Values are taken in their canonical form for `kind`.
    fn codes(&self, kind: &str, values: &[&str]) -> Result<Vec<String>, PrivacyError>;

    /// Brings codes to the disk that were given and are not there yet: those of a vault that is [`FileVault::deferring`]. Nothing that has
    /// them may leave before.
    fn commit(&self) -> Result<(), PrivacyError> {
        Ok(())
    }

    /// Forgets a value: it gets another code next time. For erasure (GDPR Art. 17). Says whether there was one.
    fn forget(&self, kind: &str, value: &str) -> Result<bool, PrivacyError>;
}

pub use deferred::DeferredVault;

type Mark = [u8; 32];
type Code = [u8; 16];

/// How a code is written: a short word for its kind, then 26 letters and digits.
fn write_code(kind: &str, code: &Code) -> String {
    const LONGEST_PREFIX: usize = 12;
    let letters = kind.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).take(LONGEST_PREFIX);
    let mut text: String = letters.collect();
    if !text.is_empty() {
        text.push('-');
    }
    text.extend(base32_code(code).map(char::from));
    text
}

fn random_codes(count: usize) -> Result<Vec<Code>, PrivacyError> {
    let mut bytes = vec![0u8; count * 16];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.as_chunks::<16>().0.to_vec())
}

/// Turns values into marks: what the vault remembers in their place.
struct Marker {
    mac: HmacSha256,
}

impl Marker {
    fn marks(&self, kind: &str, values: &[&str]) -> Vec<Mark> {
        let mut of_kind = self.mac.clone();
        update_framed(&mut of_kind, kind.as_bytes());
        let mark = |value: &&str| {
            let mut mac = of_kind.clone();
            update_framed(&mut mac, canonical(kind, value).as_bytes());
            mac.finalize().into_bytes().into()
        };
        values.iter().map(mark).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere cannot leave these caches half written in a way that matters: entries are only ever added whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A vault in memory, gone at the end of the process: for tests and for trying a policy out.
pub struct MemoryVault {
    marker: Marker,
    codes: Mutex<HashMap<Mark, Code>>,
}

impl MemoryVault {
    /// An empty vault.
    pub fn new() -> Result<Self, PrivacyError> {
        let mut key = zeroize::Zeroizing::new([0u8; 32]);
        getrandom::fill(&mut *key)?;
        Ok(Self { marker: Marker { mac: hmac_sha256(&*key) }, codes: Mutex::default() })
    }
}

impl fmt::Debug for MemoryVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryVault({} codes)", lock(&self.codes).len())
    }
}

impl Vault for MemoryVault {
    fn codes(&self, kind: &str, values: &[&str]) -> Result<Vec<String>, PrivacyError> {
        let fresh = random_codes(values.len())?;
        let mut codes = lock(&self.codes);
        let marks = self.marker.marks(kind, values);
        Ok(marks.into_iter().zip(fresh).map(|(mark, fresh)| write_code(kind, codes.entry(mark).or_insert(fresh))).collect())
    }

    fn forget(&self, kind: &str, value: &str) -> Result<bool, PrivacyError> {
        let mark = self.marker.marks(kind, &[value])[0];
        Ok(lock(&self.codes).remove(&mark).is_some())
    }
}

/// Mark of a value -> its code.
const CODES: TableDefinition<'_, &[u8; 32], &[u8; 16]> = TableDefinition::new("codes");
/// Every code in use: proof that none is given twice.
const TAKEN: TableDefinition<'_, &[u8; 16], ()> = TableDefinition::new("taken");
/// What the file was made with.
const ABOUT: TableDefinition<'_, &str, &str> = TableDefinition::new("about");
const FORMAT_VERSION: &str = "1";

/// Codes kept in memory beside the file: 2 x 64 Ki entries of 48 bytes.
const CACHE_ENTRIES: usize = 64 * 1024;
/// Pages of the file kept in memory.
const PAGE_CACHE_BYTES: usize = 64 * 1024 * 1024;

/// A vault in a file, for one scope. The same value has the same code in every run and every table.
///
/// New codes of one call are committed together and are on disk when the call returns. A second
/// process that opens the file is told that it is in use.
pub struct FileVault {
    path: PathBuf,
    marker: Marker,
    database: Database,
    cache: Mutex<TwoAgeCache>,
    /// How many commits of codes this process has made; only one process has the file.
    commits: AtomicU64,
    writer: Mutex<()>,
}

impl FileVault {
    /// Opens the vault of `scope`, or makes it. The file remembers which key of the ring it was made
    /// with and goes on using that one after a rotation.
    pub fn open(path: &Path, keys: &KeyRing, scope: &Scope) -> Result<Self, PrivacyError> {
        Self::private_file(path)?;
        let mut builder = Database::builder();
        builder.set_cache_size(PAGE_CACHE_BYTES);
        let database = builder.create(path).map_err(|error| match error {
            redb::DatabaseError::DatabaseAlreadyOpen => PrivacyError::VaultInUse(path.to_owned()),
            other => store_error(path, other),
        })?;
        let scope_mark = |key: &crate::keys::MasterKey| {
            let mut mac = hmac_sha256(&*key.subkey::<32>(Purpose::Vault, Some(scope)));
            update_framed(&mut mac, b"scope");
            crate::encode::hex(&mac.finalize().into_bytes()[..16])
        };
        let write = database.begin_write().map_err(|error| store_error(path, error))?;
        let key = {
            let mut about = write.open_table(ABOUT).map_err(|error| store_error(path, error))?;
            write.open_table(CODES).map_err(|error| store_error(path, error))?;
            write.open_table(TAKEN).map_err(|error| store_error(path, error))?;
            let get = |about: &redb::Table<'_, &str, &str>, word: &str| {
                about.get(word).map(|value| value.map(|value| value.value().to_owned())).map_err(|error| store_error(path, error))
            };
            match get(&about, "key")? {
                None => {
                    let key = keys.active();
                    for (word, value) in [("format", FORMAT_VERSION), ("key", &key.id), ("scope", &scope_mark(key))] {
                        about.insert(word, value).map_err(|error| store_error(path, error))?;
                    }
                    key
                }
                Some(id) => {
                    if get(&about, "format")?.as_deref() != Some(FORMAT_VERSION) {
                        return Err(store_error(path, "made by another version of this program; use that version"));
                    }
                    let Some(key) = keys.find(&id) else {
                        return Err(PrivacyError::VaultKey { path: path.to_owned(), vault_key: id, ring: keys.key_ids().join(", ") });
                    };
                    if get(&about, "scope")?.as_deref() != Some(&*scope_mark(key)) {
                        return Err(PrivacyError::VaultScope(path.to_owned()));
                    }
                    key
                }
            }
        };
        let marker = Marker { mac: hmac_sha256(&*key.subkey::<32>(Purpose::Vault, Some(scope))) };
        write.commit().map_err(|error| store_error(path, error))?;
        Ok(Self { path: path.to_owned(), marker, database, cache: Mutex::default(), commits: AtomicU64::new(0), writer: Mutex::default() })
    }

    /// Makes the file with access for its owner only, if there is none. It appears under its name with its first pages written: a file
    /// without a byte was cut, and is not taken for a new vault.
    fn private_file(path: &Path) -> Result<(), PrivacyError> {
        match std::fs::metadata(path) {
            Ok(found) if found.is_file() && found.len() == 0 => return Err(PrivacyError::VaultEmpty(path.to_owned())),
            Ok(_) => return Ok(()),
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(store_error(path, error)),
            Err(_) => {}
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let new = path.with_file_name(format!(".{name}.new-{}", std::process::id()));
        let mut options = std::fs::OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        options.open(&new).map_err(|error| store_error(path, error))?;
        drop(Database::builder().create(&new).map_err(|error| store_error(path, error))?);
        // A hard link never replaces what another process has made meanwhile; some file systems have none.
        match std::fs::hard_link(&new, path) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(_) => return std::fs::rename(&new, path).map_err(|error| store_error(path, error)),
        }
        std::fs::remove_file(&new).map_err(|error| store_error(path, error))
    }

    /// The same vault for whoever makes whole files of many values: new codes stay in memory until [`Vault::commit`], which the owner of the
    /// file calls before the file has its name.
    pub fn deferring(self) -> DeferredVault {
        DeferredVault::new(self)
    }

    /// How many values have a code.
    pub fn len(&self) -> Result<u64, PrivacyError> {
        let read = self.database.begin_read().map_err(|error| self.error(error))?;
        let table = read.open_table(CODES).map_err(|error| self.error(error))?;
        redb::ReadableTableMetadata::len(&table).map_err(|error| self.error(error))
    }

    /// Whether no value has a code yet.
    pub fn is_empty(&self) -> Result<bool, PrivacyError> {
        Ok(self.len()? == 0)
    }

    /// Fills in the codes that are in the file already; gives the places of those that are not.
    fn look_up(&self, marks: &[Mark], codes: &mut [Option<Code>], wanted: &[usize]) -> Result<Vec<usize>, PrivacyError> {
        let read = self.database.begin_read().map_err(|error| self.error(error))?;
        let table = read.open_table(CODES).map_err(|error| self.error(error))?;
        let mut missing = Vec::new();
        for &place in wanted {
            match table.get(&marks[place]).map_err(|error| self.error(error))? {
                Some(code) => codes[place] = Some(*code.value()),
                None => missing.push(place),
            }
        }
        Ok(missing)
    }

    /// Gives new codes to the values at `missing`, unless another thread has just done so; all in one durable commit.
    /// `seen` is how many commits had been made before the values were looked up.
    fn add(&self, marks: &[Mark], codes: &mut [Option<Code>], mut missing: Vec<usize>, seen: u64) -> Result<(), PrivacyError> {
        // In order of the mark, neighbours in the file are written one after the other.
        missing.sort_unstable_by(|a, b| marks[*a].cmp(&marks[*b]));
        // Held until the commit is counted: who gets in after us must see that there was one.
        let _writing = lock(&self.writer);
        let mut write = self.database.begin_write().map_err(|error| self.error(error))?;
        write.set_durability(Durability::Immediate).map_err(|error| self.error(error))?;
        {
            let mut table = write.open_table(CODES).map_err(|error| self.error(error))?;
            let mut taken = write.open_table(TAKEN).map_err(|error| self.error(error))?;
            if self.commits.load(Ordering::Acquire) != seen {
                for &place in &missing {
                    codes[place] = table.get(&marks[place]).map_err(|error| self.error(error))?.map(|code| *code.value());
                }
                missing.retain(|place| codes[*place].is_none());
            }
            let mut fresh = random_codes(missing.len())?;
            // In order too, but which value gets which code stays a matter of chance.
            let mut order: Vec<usize> = (0..fresh.len()).collect();
            order.sort_unstable_by_key(|place| fresh[*place]);
            for place in order {
                while taken.insert(&fresh[place], ()).map_err(|error| self.error(error))?.is_some() {
                    getrandom::fill(&mut fresh[place])?;
                }
            }
            let mut previous: Option<usize> = None;
            for (place, code) in missing.into_iter().zip(fresh) {
                let same = previous.filter(|previous| marks[*previous] == marks[place]);
                codes[place] = Some(match same.and_then(|previous| codes[previous]) {
                    Some(code) => code,
                    None => {
                        table.insert(&marks[place], &code).map_err(|error| self.error(error))?;
                        code
                    }
                });
                previous = Some(place);
            }
        }
        write.commit().map_err(|error| self.error(error))?;
        self.commits.fetch_add(1, Ordering::Release);
        Ok(())
    }

    fn error(&self, error: impl fmt::Display) -> PrivacyError {
        store_error(&self.path, error)
    }
}

fn store_error(path: &Path, error: impl fmt::Display) -> PrivacyError {
    PrivacyError::Vault { path: path.to_owned(), reason: error.to_string() }
}

impl fmt::Debug for FileVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileVault").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Vault for FileVault {
    fn codes(&self, kind: &str, values: &[&str]) -> Result<Vec<String>, PrivacyError> {
        let marks = self.marker.marks(kind, values);
        let mut codes: Vec<Option<Code>> = {
            let mut cache = lock(&self.cache);
            marks.iter().map(|mark| cache.get(mark)).collect()
        };
        let unknown: Vec<usize> = (0..marks.len()).filter(|place| codes[*place].is_none()).collect();
        if !unknown.is_empty() {
            let seen = self.commits.load(Ordering::Acquire);
            let missing = self.look_up(&marks, &mut codes, &unknown)?;
            if !missing.is_empty() {
                self.add(&marks, &mut codes, missing, seen)?;
            }
            // Only codes that are on disk go into the cache: another thread may hand them out at once.
            let mut cache = lock(&self.cache);
            for &place in &unknown {
                if let Some(code) = codes[place] {
                    cache.put(marks[place], code);
                }
            }
        }
        let text =
            codes.into_iter().map(|code| code.map(|code| write_code(kind, &code)).ok_or_else(|| self.error("a code was not stored")));
        text.collect()
    }

    fn forget(&self, kind: &str, value: &str) -> Result<bool, PrivacyError> {
        let mark = self.marker.marks(kind, &[value])[0];
        let write = self.database.begin_write().map_err(|error| self.error(error))?;
        let found = {
            let mut table = write.open_table(CODES).map_err(|error| self.error(error))?;
            // The code stays taken: it must never come to mean someone else.
            table.remove(&mark).map_err(|error| self.error(error))?.is_some()
        };
        write.commit().map_err(|error| self.error(error))?;
        *lock(&self.cache) = TwoAgeCache::default();
        Ok(found)
    }
}

/// A cache of bounded size: when the young half is full it becomes the old half, and the old one goes.
#[derive(Default)]
struct TwoAgeCache {
    young: HashMap<Mark, Code>,
    old: HashMap<Mark, Code>,
}

impl TwoAgeCache {
    fn get(&mut self, mark: &Mark) -> Option<Code> {
        if let Some(code) = self.young.get(mark) {
            return Some(*code);
        }
        let code = *self.old.get(mark)?;
        self.put(*mark, code);
        Some(code)
    }

    fn put(&mut self, mark: Mark, code: Code) {
        if self.young.len() >= CACHE_ENTRIES {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(mark, code);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn numbers(range: std::ops::Range<u32>) -> Vec<String> {
        range.map(|number| number.to_string()).collect()
    }

    fn ask(vault: &dyn Vault, kind: &str, values: &[String]) -> Vec<String> {
        vault.codes(kind, &values.iter().map(String::as_str).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn codes_survive_closing_and_are_unique() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vault.redb");
        let (ring, scope) = (KeyRing::generate().unwrap(), Scope::new("p", "d"));
        let values = numbers(0..500);
        let first = {
            let vault = FileVault::open(&path, &ring, &scope).unwrap();
            let codes = ask(&vault, "mrn", &values);
            assert_eq!(codes, ask(&vault, "mrn", &values), "from the cache");
            assert_ne!(codes, ask(&vault, "ssn", &values));
            assert_eq!(vault.len().unwrap(), 1000);
            codes
        };
        assert_eq!(first.iter().collect::<HashSet<_>>().len(), 500);
        assert!(first.iter().all(|code| code.starts_with("mrn-") && code.len() == 30));
        let rotated = ring.rotated().unwrap();
        let vault = FileVault::open(&path, &rotated, &scope).unwrap();
        assert_eq!(first, ask(&vault, "mrn", &values), "from the file, after a rotation");
        assert_eq!(ask(&vault, "mrn", &["7".into(), "7".into(), " 7 ".into()]), vec![first[7].clone(); 3]);
    }

    #[test]
    fn the_same_value_twice_in_one_first_call_has_one_code() {
        let folder = tempfile::tempdir().unwrap();
        let vault = FileVault::open(&folder.path().join("v"), &KeyRing::generate().unwrap(), &Scope::new("p", "d")).unwrap();
        let codes = vault.codes("mrn", &["1", "2", "1"]).unwrap();
        assert_eq!(codes[0], codes[2]);
        assert_ne!(codes[0], codes[1]);
        assert_eq!(vault.len().unwrap(), 2);
    }

    #[test]
    fn threads_agree() {
        let folder = tempfile::tempdir().unwrap();
        let vault = FileVault::open(&folder.path().join("v"), &KeyRing::generate().unwrap(), &Scope::new("p", "d")).unwrap();
        // Small overlapping calls, so that threads meet between looking up and writing.
        let answers: Vec<Vec<String>> = std::thread::scope(|scope| {
            let work = || (0..60).flat_map(|step| ask(&vault, "mrn", &numbers(step * 5..step * 5 + 10))).collect();
            let threads: Vec<_> = (0..6).map(|_| scope.spawn(work)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(answers.iter().all(|answer| *answer == answers[0]));
        assert_eq!(vault.len().unwrap(), 305);
        let every = numbers(0..305);
        assert_eq!(ask(&vault, "mrn", &every).iter().collect::<HashSet<_>>().len(), 305);
    }

    #[test]
    fn a_wrong_key_scope_or_second_opening_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("v");
        let (ring, scope) = (KeyRing::generate().unwrap(), Scope::new("p", "d"));
        let vault = FileVault::open(&path, &ring, &scope).unwrap();
        assert!(matches!(FileVault::open(&path, &ring, &scope), Err(PrivacyError::VaultInUse(_))));
        drop(vault);
        assert!(matches!(FileVault::open(&path, &KeyRing::generate().unwrap(), &scope), Err(PrivacyError::VaultKey { .. })));
        assert!(matches!(FileVault::open(&path, &ring, &Scope::new("p", "e")), Err(PrivacyError::VaultScope(_))));
        FileVault::open(&path, &ring, &scope).unwrap();
        std::fs::write(folder.path().join("junk"), b"this is not a vault, it is a note").unwrap();
        assert!(FileVault::open(&folder.path().join("junk"), &ring, &scope).is_err());
    }

    #[test]
    fn an_empty_file_is_no_new_vault() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("v");
        let (ring, scope) = (KeyRing::generate().unwrap(), Scope::new("p", "d"));
        FileVault::open(&path, &ring, &scope).unwrap().codes("mrn", &["1"]).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside the vault");
        std::fs::File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
        let error = FileVault::open(&path, &ring, &scope).unwrap_err();
        assert!(matches!(error, PrivacyError::VaultEmpty(_)) && error.to_string().contains("backup"), "{error}");
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 0, "left as it was found");
    }

    #[test]
    fn the_file_holds_no_value_and_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("v");
        let vault = FileVault::open(&path, &KeyRing::generate().unwrap(), &Scope::new("project-name", "domain-name")).unwrap();
        vault.codes("mrn", &["PLANTED-IDENTIFIER-4711"]).unwrap();
        drop(vault);
        let bytes = std::fs::read(&path).unwrap();
        for text in ["PLANTED-IDENTIFIER-4711", "project-name"] {
            assert!(memchr_find(&bytes, text.as_bytes()).is_none(), "{text}");
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    fn memchr_find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
        haystack.windows(needle.len()).position(|window| window == needle)
    }

    #[test]
    fn a_forgotten_value_gets_another_code() {
        let folder = tempfile::tempdir().unwrap();
        let vault = FileVault::open(&folder.path().join("v"), &KeyRing::generate().unwrap(), &Scope::new("p", "d")).unwrap();
        let memory = MemoryVault::new().unwrap();
        for vault in [&vault as &dyn Vault, &memory] {
            let before = ask(vault, "mrn", &["1".into()]);
            assert!(vault.forget("mrn", " 1").unwrap());
            assert!(!vault.forget("mrn", "1").unwrap());
            assert_ne!(ask(vault, "mrn", &["1".into()]), before);
        }
    }

    #[test]
    fn the_cache_is_bounded() {
        let mut cache = TwoAgeCache::default();
        for number in 0..(3 * CACHE_ENTRIES as u64) {
            let mut mark = [0u8; 32];
            mark[..8].copy_from_slice(&number.to_le_bytes());
            cache.put(mark, [0; 16]);
        }
        assert!(cache.young.len() + cache.old.len() <= 2 * CACHE_ENTRIES);
    }
}
