//! What the files of a source are called in records that travel.
//!
//! A file name can identify a person (`SMITH_JOHN_19800101.hl7`), and `run.json`, `manifest.json` and the lineage events go
//! where the outputs go. In a job whose policy de-identifies, they call a file by a number that is given at its first sight
//! and kept from run to run: `feed/000017`. Which file that is stands in [`FILE`] in the private folder of the job alone.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sutura_engine::SourceFile;

use crate::{
    error::{JobError, Result},
    private,
};

/// The table of names in the private folder.
pub(crate) const FILE: &str = "source-files.ndjson";

/// The names of source files, as they are or as numbers.
#[derive(Debug, Default)]
pub(crate) struct SourceNames {
    hidden: bool,
    /// The table, when names are hidden.
    pub(crate) table: Option<PathBuf>,
    tokens: HashMap<String, String>,
    entries: Vec<Entry>,
    /// The operator's own words for the sources (`source.path`), which may name a file too, and the sources' names.
    paths: Vec<(String, String)>,
    changed: bool,
}

/// A line of the table.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    token: String,
    uri: String,
}

impl SourceNames {
    /// Names stay as they are.
    pub(crate) fn shown() -> Self {
        Self::default()
    }

    /// Names become numbers. Known files keep theirs; nothing is written yet.
    pub(crate) fn hidden<'f>(folder: &Path, sources: impl IntoIterator<Item = (&'f str, &'f str, Vec<&'f SourceFile>)>) -> Result<Self> {
        let table = folder.join(FILE);
        let mut names = Self { hidden: true, entries: read(&table)?, table: Some(table), ..Self::default() };
        let mut last: BTreeMap<String, u64> = BTreeMap::new();
        for Entry { token, uri } in &names.entries {
            names.tokens.insert(uri.clone(), token.clone());
            if let Some((source, number)) = token.rsplit_once('/') {
                let highest = last.entry(source.to_owned()).or_default();
                *highest = (*highest).max(number.parse().unwrap_or_default());
            }
        }
        for (source, path, files) in sources {
            names.paths.push((path.to_owned(), source.to_owned()));
            let number = last.entry(source.to_owned()).or_default();
            for file in files {
                if names.tokens.contains_key(&*file.uri) {
                    continue;
                }
                *number += 1;
                let entry = Entry { token: format!("{source}/{number:06}"), uri: file.uri.to_string() };
                names.tokens.insert(entry.uri.clone(), entry.token.clone());
                names.entries.push(entry);
                names.changed = true;
            }
        }
        Ok(names)
    }

    /// Writes the table, if there are new files.
    pub(crate) fn save(&mut self) -> Result<()> {
        let Some(table) = self.table.as_ref().filter(|table| self.changed || !table.exists()) else { return Ok(()) };
        let mut text = Vec::new();
        for entry in &self.entries {
            serde_json::to_writer(&mut text, entry).map_err(|error| JobError::Report(error.to_string()))?;
            text.push(b'\n');
        }
        private::write(table, &text)?;
        self.changed = false;
        Ok(())
    }

    /// Whether names are hidden.
    pub(crate) fn are_hidden(&self) -> bool {
        self.hidden
    }

    /// What a file is called in a record that travels.
    pub(crate) fn of<'a>(&'a self, uri: &'a str) -> &'a str {
        if !self.hidden {
            return uri;
        }
        self.tokens.get(uri).map_or("unknown file", String::as_str)
    }

    /// A message without names of files.
    pub(crate) fn hide(&self, text: &str) -> String {
        let mut text = text.to_owned();
        if !self.hidden {
            return text;
        }
        for Entry { token, uri } in &self.entries {
            let path = uri.strip_prefix("file://").unwrap_or(uri);
            let decoded = percent_decoded(path);
            let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
            for form in [uri.clone(), path.to_owned(), decoded.clone(), name(path), name(&decoded)] {
                text = renamed(text, &form, token);
            }
        }
        for (path, source) in &self.paths {
            text = renamed(text, path, source);
        }
        text
    }

    /// The same error without names of files.
    pub(crate) fn hide_error(&self, error: JobError) -> JobError {
        if !self.hidden {
            return error;
        }
        let message = error.to_string();
        let hidden = self.hide(&message);
        if hidden == message { error } else { JobError::Failed { message: hidden, code: error.exit_code() } }
    }
}

/// The text with `other` in the place of `name`. A name that is a plain word is only meant where it stands by itself: a folder `in` is not the
/// `in` of another word.
fn renamed(text: String, name: &str, other: &str) -> String {
    if name.len() < 2 || !text.contains(name) {
        return text;
    }
    if name.len() > 8 || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return text.replace(name, other);
    }
    let is_part = |letter: Option<char>| letter.is_some_and(char::is_alphanumeric);
    let (mut out, mut from) = (String::with_capacity(text.len()), 0);
    for (at, _) in text.match_indices(name) {
        if is_part(text[..at].chars().next_back()) || is_part(text[at + name.len()..].chars().next()) {
            continue;
        }
        out.push_str(&text[from..at]);
        out.push_str(other);
        from = at + name.len();
    }
    out.push_str(&text[from..]);
    out
}

/// The path that a URI's escapes stand for.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.filter(|_| first == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn read(table: &Path) -> Result<Vec<Entry>> {
    let text = match std::fs::read_to_string(table) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(JobError::io(table, error)),
    };
    let broken =
        |_| JobError::Config(format!("{}: is no table of source files; restore it, or remove it and run with --force", table.display()));
    text.lines().map(|line| serde_json::from_str(line).map_err(broken)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> SourceFile {
        SourceFile {
            uri: format!("file:///in/{name}").into(),
            store: sutura_engine::datafusion::execution::object_store::ObjectStoreUrl::local_filesystem(),
            local: None,
            key: name.into(),
            size: 1,
            modified: chrono::Utc::now(),
            etag: None,
            compression: sutura_engine::Compression::None,
        }
    }

    #[test]
    fn a_file_keeps_its_number_and_no_number_is_given_twice() {
        let folder = tempfile::tempdir().unwrap();
        let names = |files: &[SourceFile]| {
            let mut names = SourceNames::hidden(folder.path(), [("feed", "/in/*.hl7", files.iter().collect())]).unwrap();
            names.save().unwrap();
            names
        };
        let first = names(&[file("b.hl7"), file("c.hl7")]);
        assert_eq!((first.of("file:///in/b.hl7"), first.of("file:///in/c.hl7")), ("feed/000001", "feed/000002"));
        let second = names(&[file("a.hl7"), file("c.hl7")]);
        assert_eq!((second.of("file:///in/a.hl7"), second.of("file:///in/c.hl7")), ("feed/000003", "feed/000002"));
        assert!(std::fs::read_to_string(folder.path().join(FILE)).unwrap().contains("/in/b.hl7"), "an old record still leads to its file");
    }

    #[test]
    fn messages_lose_the_names_in_every_form() {
        let folder = tempfile::tempdir().unwrap();
        let files = [file("Anna%20Smith.hl7")];
        let names = SourceNames::hidden(folder.path(), [("feed", "/in", files.iter().collect())]).unwrap();
        for text in ["reading file:///in/Anna%20Smith.hl7: gone", "/in/Anna Smith.hl7: gone", "`Anna Smith.hl7` is gone"] {
            let hidden = names.hide(text);
            assert!(hidden.contains("feed/000001") && !hidden.contains("Smith") && hidden.contains("gone"), "{hidden}");
        }
        assert_eq!(SourceNames::shown().hide("/in/Anna Smith.hl7"), "/in/Anna Smith.hl7");
        let names = SourceNames::hidden(folder.path(), [("scans", "in", Vec::new())]).unwrap();
        assert_eq!(names.hide("in: steps[1] names identifying columns"), "scans: steps[1] names identifying columns");
    }
}
