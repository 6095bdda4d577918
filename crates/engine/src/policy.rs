//! A policy bound to a session: what `deidentified`, `scrub` and the functions over documents treat with.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use chrono::{NaiveDate, Utc};
use sutura_core::PhiClass;
use sutura_deid::{Scrub, Treatment};
use sutura_privacy::{
    DEFAULT_SHIFT_DAYS, Deidentifier, Method, TextScrubber,
    text::{Rules, Scrubber},
};

/// What becomes of free text in documents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FreeText {
    /// It goes, as the policy says of free text.
    #[default]
    Remove,
    /// It stays without what identifies.
    Scrub,
}

/// A policy with its keys, as the functions of a session use it. What is made of rules of language is made when it is first used.
pub struct BoundPolicy {
    privacy: Deidentifier,
    free_text: FreeText,
    languages: Vec<String>,
    scrubber: OnceLock<Result<TextScrubber, String>>,
    documents: OnceLock<Result<Treatment, String>>,
}

impl BoundPolicy {
    /// A policy for a session. `languages` are those of free text; empty for those that the policy names, else English.
    pub fn new(privacy: Deidentifier, free_text: FreeText, languages: Vec<String>) -> Self {
        Self { privacy, free_text, languages, scrubber: OnceLock::new(), documents: OnceLock::new() }
    }

    /// What treats tables.
    pub fn deidentifier(&self) -> &Deidentifier {
        &self.privacy
    }

    /// What treats free text, or why there is none.
    pub fn scrubber(&self) -> Result<&TextScrubber, String> {
        let make = || TextScrubber::new(Some(&self.privacy), &self.languages).map_err(|error| error.to_string());
        self.scrubber.get_or_init(make).as_ref().map_err(Clone::clone)
    }

    /// What treats documents, or why the policy is not enough for them.
    pub(crate) fn documents(&self) -> Result<&Treatment, String> {
        self.documents.get_or_init(|| self.treatment()).as_ref().map_err(Clone::clone)
    }

    fn treatment(&self) -> Result<Treatment, String> {
        let treatment = Treatment::new(&self.privacy).map_err(|error| error.to_string())?;
        if self.free_text == FreeText::Remove {
            return Ok(treatment);
        }
        let languages: Vec<&str> = self.scrubber()?.languages().iter().map(String::as_str).collect();
        let scrubber = Scrubber::new(Rules::builtin(&languages).map_err(|error| error.to_string())?);
        let scrubber = match self.privacy.text_model() {
            Some(model) => scrubber.with_model(Arc::clone(model)),
            None => scrubber,
        };
        Ok(treatment.with_text_stage(Arc::new(Scrub::new(scrubber, &self.privacy))))
    }

    /// Whether the law that the policy claims permits a method on anything at all. What class goes in is often not known, or a mixture.
    pub(crate) fn permits(&self, method: &Method) -> Result<(), String> {
        let policy = self.privacy.policy();
        let mut why = None;
        for class in &PhiClass::ALL {
            match policy.profile.permits(class, method) {
                Ok(()) => return Ok(()),
                // Without a paragraph it is not the law: the method means nothing for that class.
                Err(refusal) if !refusal.citation.is_empty() => why = why.or(Some(refusal)),
                Err(_) => {}
            }
        }
        let why = why.map(|refusal| format!(": {refusal}")).unwrap_or_default();
        Err(format!("the policy {} claims {}, which does not permit {}{why}", policy.tag(), policy.profile, method.word()))
    }

    /// The day from which ages are counted.
    pub(crate) fn reference(&self) -> NaiveDate {
        self.privacy.policy().reference_date.unwrap_or_else(|| Utc::now().date_naive())
    }

    /// The most days by which dates move, as the policy moves dates.
    pub(crate) fn shift_days(&self) -> u16 {
        match self.privacy.policy().class_method(&PhiClass::Date) {
            Some(Method::ShiftDate { max_days }) => *max_days,
            _ => DEFAULT_SHIFT_DAYS,
        }
    }
}

impl fmt::Debug for BoundPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundPolicy").field("privacy", &self.privacy).field("free_text", &self.free_text).finish_non_exhaustive()
    }
}

/// What to do where a function needs a policy.
pub(crate) const NO_POLICY: &str = "treats by a policy, and this session has none: name one with `sutura sql --policy POLICY --key-file FILE \
                                    --project NAME`, or in [privacy] of the job";
