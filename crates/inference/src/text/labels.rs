//! What the labels of a model stand for: a table of the usual ones, and a file of the user's before it.

use std::{collections::BTreeMap, path::Path, sync::LazyLock};

use serde::Deserialize;
use sutura_privacy::text::TextClass;

use crate::error::InferenceError;

/// The user's own table, beside the model.
pub(crate) const LABELS_FILE: &str = "labels.toml";
/// More labels no model has.
const MOST_LABELS: usize = 4096;
/// Letters that say where in a span a token stands.
const PREFIXES: [char; 7] = ['B', 'I', 'E', 'S', 'L', 'U', 'M'];

static USUAL: LazyLock<BTreeMap<String, Meaning>> =
    LazyLock::new(|| Table::parse(include_str!("../../data/labels.toml")).map(|table| table.labels).unwrap_or_default());

/// A class, or none for what identifies nobody.
type Meaning = Option<TextClass>;

/// One label of a model, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Label {
    pub(crate) class: Meaning,
    /// Whether a token with it begins a span of its own.
    pub(crate) begins: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    threshold: Option<f32>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

/// A table of labels.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// How sure the model must be, if the table says.
    pub(crate) threshold: Option<f32>,
    labels: BTreeMap<String, Meaning>,
}

impl Table {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        if file.threshold.is_some_and(|threshold| !(0.0..=1.0).contains(&threshold)) {
            return Err("threshold is a number from 0 to 1".to_owned());
        }
        let meaning = |(label, word): (String, String)| match (word.as_str(), word.parse::<TextClass>()) {
            ("none", _) => Ok((normal(&label), None)),
            (_, Ok(class)) => Ok((normal(&label), Some(class))),
            (_, Err(error)) => Err(error.to_string()),
        };
        let labels = file.labels.into_iter().map(meaning).collect::<Result<_, _>>()?;
        Ok(Self { threshold: file.threshold, labels })
    }

    fn meaning(&self, word: &str) -> Option<Meaning> {
        let word = normal(word);
        self.labels.get(&word).or_else(|| USUAL.get(&word)).copied()
    }

    /// What a model's label stands for: `O`, a word of the table, or one with a prefix.
    fn label(&self, label: &str) -> Result<Label, InferenceError> {
        if label.eq_ignore_ascii_case("O") || label.eq_ignore_ascii_case("OUTSIDE") {
            return Ok(Label { class: None, begins: false });
        }
        if let Some(class) = self.meaning(label) {
            return Ok(Label { class, begins: false });
        }
        let (prefix, word) = split(label);
        let begins = matches!(prefix, Some('B' | 'S' | 'U'));
        match self.meaning(word) {
            Some(class) => Ok(Label { class, begins }),
            None => Err(InferenceError::UnknownLabel { label: word.chars().take(64).collect() }),
        }
    }

    /// The labels of a model, `id2label` of its configuration, by number.
    pub(crate) fn labels(&self, id2label: &BTreeMap<String, String>, path: &Path) -> Result<Vec<Label>, InferenceError> {
        let bad = |reason: &str| InferenceError::BadFile { path: path.to_owned(), reason: reason.to_owned() };
        if id2label.is_empty() || id2label.len() > MOST_LABELS {
            return Err(bad("id2label has no labels, or more than 4,096"));
        }
        let label = |number: usize| {
            let label = id2label.get(&number.to_string()).ok_or_else(|| bad("id2label does not count from 0 without gaps"))?;
            self.label(label)
        };
        let labels: Vec<Label> = (0..id2label.len()).map(label).collect::<Result<_, _>>()?;
        if labels.iter().all(|label| label.class.is_some()) {
            return Err(bad("id2label has no label for what identifies nobody, such as O"));
        }
        Ok(labels)
    }
}

fn normal(label: &str) -> String {
    label.trim().to_uppercase().replace(['-', ' ', '.'], "_")
}

/// A label without its prefix (`B-PATIENT`, `I_LOC`).
fn split(label: &str) -> (Option<char>, &str) {
    let mut letters = label.chars();
    match (letters.next(), letters.next()) {
        (Some(prefix), Some('-' | '_')) if PREFIXES.contains(&prefix) && letters.clone().next().is_some() => {
            (Some(prefix), letters.as_str())
        }
        _ => (None, label),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(table: &Table, labels: &[&str]) -> Result<Vec<Label>, InferenceError> {
        let id2label = labels.iter().enumerate().map(|(number, label)| (number.to_string(), (*label).to_owned())).collect();
        table.labels(&id2label, Path::new("config.json"))
    }

    #[test]
    fn the_usual_labels_are_known_with_and_without_prefix() {
        let labels = of(
            &Table::default(),
            &["O", "B-PATIENT", "I-PATIENT", "U-LOC", "L_HOSP", "E-MAIL", "PER", "S-MEDICALRECORD", "i-date", "MISC"],
        );
        let labels = labels.map(|labels| labels.into_iter().map(|label| (label.class, label.begins)).collect::<Vec<_>>());
        // A small letter is no prefix.
        assert!(matches!(labels, Err(InferenceError::UnknownLabel { .. })));
        let labels =
            of(&Table::default(), &["O", "B-PATIENT", "I-PATIENT", "U-LOC", "L_HOSP", "E-MAIL", "PER", "S-MEDICALRECORD", "MISC"]).unwrap();
        let got: Vec<_> = labels.into_iter().map(|label| (label.class, label.begins)).collect();
        let expected = [
            (None, false),
            (Some(TextClass::Name), true),
            (Some(TextClass::Name), false),
            (Some(TextClass::City), true),
            (Some(TextClass::Hospital), false),
            (Some(TextClass::Email), false),
            (Some(TextClass::Name), false),
            (Some(TextClass::Mrn), true),
            (None, false),
        ];
        assert_eq!(got, expected);
        assert!(USUAL.len() > 150);
    }

    #[test]
    fn what_is_not_known_is_refused_until_it_is_said() {
        let labels = ["O", "B-DISEASE", "B-WARD"];
        let error = of(&Table::default(), &labels).unwrap_err();
        assert!(error.to_string().contains("\"DISEASE\""), "{error}");
        let table = Table::parse("threshold = 0.3\n[labels]\nDisease = \"none\"\nward = \"hospital\"\n").unwrap();
        assert_eq!(table.threshold, Some(0.3));
        assert_eq!(of(&table, &labels).unwrap()[2].class, Some(TextClass::Hospital));
        for bad in ["threshold = 2.0", "[labels]\nA = \"nobody\"", "labels = 3", "other = 1"] {
            assert!(Table::parse(bad).is_err(), "{bad}");
        }
        assert!(matches!(of(&Table::default(), &["PER", "LOC"]), Err(InferenceError::BadFile { .. })));
        assert!(matches!(of(&Table::default(), &[]), Err(InferenceError::BadFile { .. })));
    }
}
