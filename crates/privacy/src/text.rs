//! Free text: finding what identifies somebody in clinical notes, and replacing it.
//!
//! [`Rules`] hold what is said in words (names, titles, labels, months, streets), as data, a file per language. A [`Scrubber`] finds
//! [`Span`]s with them: one pass cuts the text into tokens, short patterns start at numbers, capitals and the words of
//! the rule set, and the best of the overlapping candidates stay. Cost is linear in the text. With a [`KnownPatient`] the names,
//! numbers and addresses of the patient's own record are found too, in any order and case and with one letter wrong.
//!
//! ```
//! use sutura_privacy::text::{Replacement, Replacements, Rules, Scrubber};
//!
//! let scrubber = Scrubber::new(Rules::builtin(&["en"])?);
//! let note = "Seen 03/14/2018 by Dr. Stevens, MRN: 257475. BP 120/80.";
//! let mut spans = Vec::new();
//! scrubber.spans(note, None, &mut spans)?;
//! let mut out = String::new();
//! scrubber.replace(note, &spans, &Replacements::all(Replacement::Tag), &mut out);
//! assert_eq!(out, "Seen [DATE] by Dr. [NAME], MRN: [MRN]. BP 120/80.");
//! # Ok::<(), sutura_privacy::text::TextError>(())
//! ```
//!
//! What it is not: no model of language. [`Model`] is the place where one joins in. Rules miss things; the reference states
//! how many were missed where the truth is known.

mod checks;
mod class;
mod known;
mod learned;
mod lexicon;
mod replace;
mod rules;
mod scan;
mod stream;
mod surrogate;
mod token;

use std::{fmt, sync::Arc};

pub use class::{ClassSet, RuleId, Span, TextClass, UnknownTextClass};
pub use known::KnownPatient;
pub use replace::{Replacement, Replacements};
pub use rules::Rules;
pub use surrogate::Surrogates;

/// Why text could not be scrubbed. Messages hold no text.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// No rule set of that language comes with the program.
    #[error("no built-in rule set of that language; there are en and es, and Rules::from_data takes files")]
    UnknownLanguage,
    /// A rule set does not parse.
    #[error("rule set: {0}")]
    RuleSet(String),
    /// A rule set names something that is not known.
    #[error("rule set: unknown {0}; the reference lists what there is under \"Free text\"")]
    UnknownKey(String),
    /// A word list is damaged.
    #[error("word list is damaged; make it again with tools/derive-text-lists")]
    DamagedList,
    /// The model failed.
    #[error("model: {0}")]
    Model(String),
    /// Reading or writing failed.
    #[error("text: {0}")]
    Io(#[from] std::io::Error),
}

/// A model of language that finds spans too, merged with the rules: where both speak the surer one wins, but nothing wins over what is known of the
/// patient. What only one of them finds stays found.
///
/// The messages of its errors must not hold text. The program comes without one.
pub trait Model: Send + Sync {
    /// The spans of a text, with byte offsets on character boundaries.
    ///
    /// # Errors
    /// When the model cannot run; the text is then not scrubbed.
    fn spans(&self, text: &str) -> Result<Vec<Span>, TextError>;
}

/// A model is at most so sure: what the patient's own record says is surer.
const SUREST_MODEL: f32 = 0.97;

/// Finds and replaces what identifies somebody. Immutable and shared between threads.
#[derive(Clone)]
pub struct Scrubber {
    rules: Rules,
    classes: ClassSet,
    model: Option<Arc<dyn Model>>,
}

impl fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scrubber").field("classes", &self.classes).field("model", &self.model.is_some()).finish_non_exhaustive()
    }
}

impl Scrubber {
    /// A scrubber with these rules that reports [`ClassSet::identifiers`].
    pub fn new(rules: Rules) -> Self {
        Self { rules, classes: ClassSet::identifiers(), model: None }
    }

    /// The same with other classes.
    #[must_use]
    pub fn with_classes(mut self, classes: ClassSet) -> Self {
        self.classes = classes;
        self
    }

    /// The same with a model beside the rules.
    #[must_use]
    pub fn with_model(mut self, model: Arc<dyn Model>) -> Self {
        self.model = Some(model);
        self
    }

    /// The rules.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The classes that are reported.
    pub fn classes(&self) -> ClassSet {
        self.classes
    }

    /// Appends the spans of `text` to `out`: in order, without overlaps, on character boundaries.
    ///
    /// # Errors
    /// Only when a model is set and fails.
    pub fn spans(&self, text: &str, known: Option<&KnownPatient>, out: &mut Vec<Span>) -> Result<(), TextError> {
        let mut model = Vec::new();
        self.model_spans(text, &mut model)?;
        let mut found = Vec::new();
        self.rule_spans(text, known, &model, &mut found);
        out.append(&mut found);
        Ok(())
    }

    /// The spans of the model that lie in the text and are of a class that is reported: one that is not must keep no rule away.
    fn model_spans(&self, text: &str, out: &mut Vec<Span>) -> Result<(), TextError> {
        let Some(model) = &self.model else { return Ok(()) };
        let mut spans = model.spans(text)?;
        spans.retain(|span| self.classes.contains(span.class) && span.start < span.end && text.get(span.start..span.end).is_some());
        for span in &mut spans {
            span.score = if span.score.is_nan() { SUREST_MODEL } else { span.score.clamp(0.0, SUREST_MODEL) };
        }
        spans.sort_by_key(|span| span.start);
        out.append(&mut spans);
        Ok(())
    }

    /// Appends `text` with its spans replaced to `out`. Spans of another text are clipped to this one, never a panic.
    pub fn replace(&self, text: &str, spans: &[Span], replacements: &Replacements, out: &mut String) {
        replace::replace(&self.rules, text, spans, replacements, out);
    }
}
