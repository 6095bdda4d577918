//! What is wrong with a job file: the place, the key, the reason, and the nearest right word.

use std::{fmt, path::PathBuf};

use serde::Serialize;

/// One problem of a job file. All problems of a file are reported at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigProblem {
    /// The job file (or the file it names, such as a policy).
    pub file: PathBuf,
    /// Line, from 1; `None` when the problem has no place in the file (a value set on the command line).
    pub line: Option<usize>,
    /// Path of the key: `step[2].input` is the key `input` of the second `[[step]]`.
    pub key: String,
    /// What is wrong and what to do.
    pub message: String,
    /// The nearest known word, when there is one.
    pub suggestion: Option<String>,
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.message)?;
        if let Some(suggestion) = &self.suggestion {
            write!(f, "; did you mean {suggestion:?}?")?;
        }
        Ok(())
    }
}

/// The known word most like `word`, if one is like it at all.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let lower = word.to_lowercase();
    known
        .into_iter()
        .map(|candidate| {
            let other = candidate.to_lowercase();
            // One word inside the other (`type` for `message_type`) is as good as a near miss.
            let contained = lower.len() >= 4 && other.len() >= 4 && (other.contains(&lower) || lower.contains(&other));
            let likeness = strsim::jaro_winkler(&lower, &other).max(strsim::normalized_damerau_levenshtein(&lower, &other));
            (if contained { likeness.max(0.85) } else { likeness }, candidate)
        })
        .filter(|(likeness, _)| *likeness >= 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found_and_far_words_are_not_offered() {
        assert_eq!(nearest("inptu", ["name", "input", "query"]).as_deref(), Some("input"));
        assert_eq!(nearest("mesages", ["patients", "messages"]).as_deref(), Some("messages"));
        assert_eq!(nearest("standardize_dates", ["standardise_dates", "sql"]).as_deref(), Some("standardise_dates"));
        assert_eq!(nearest("zzz", ["name", "input"]), None);
    }
}
