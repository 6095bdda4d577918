//! Free text by the rules of `sutura_privacy::text`, with the people that the same document names.

use std::io::{Read, Write};

use sutura_core::{PartialDateTime, PhiClass};
use sutura_privacy::{
    Deidentifier, Method,
    text::{KnownPatient, Replacement, Replacements, Scrubber, TextClass, TextError},
};

use crate::{
    document::{Cleaned, Known, Role, TextStage},
    error::DeidError,
    stream::Kept,
};

/// Scrubs free text: what identifies becomes its class in brackets, dates as the policy treats dates.
#[derive(Debug)]
pub struct Scrub {
    scrubber: Scrubber,
    privacy: Deidentifier,
    dates: Option<Method>,
}

impl Scrub {
    /// A scrubber under a policy: dates are moved by the patient's days, or only their year stays, as in every other place.
    pub fn new(scrubber: Scrubber, privacy: &Deidentifier) -> Self {
        let word = PhiClass::Date.as_str();
        let dates = privacy.policy().classes.iter().rev().find(|rule| rule.key == word).map(|rule| rule.method.clone());
        Self { scrubber, privacy: privacy.clone(), dates }
    }

    fn replacements(&self, known: &Known) -> Replacements {
        let tags = Replacements::all(Replacement::Tag);
        match &self.dates {
            Some(Method::Year) => tags.with(TextClass::Date, Replacement::Year),
            Some(Method::ShiftDate { max_days }) => {
                let days = known.patient().and_then(|patient| self.privacy.context().shift_days(patient, *max_days));
                days.map_or(tags.clone(), |days| tags.with(TextClass::Date, Replacement::ShiftDate { days }))
            }
            Some(Method::Keep) => tags.with(TextClass::Date, Replacement::Keep),
            _ => tags,
        }
    }
}

impl TextStage for Scrub {
    fn clean(&self, text: &str, known: &Known) -> Result<Option<String>, DeidError> {
        let mut spans = Vec::new();
        self.scrubber.spans(text, Some(known.prepared(known_patient)), &mut spans).map_err(|_| FAILED)?;
        let mut out = String::with_capacity(text.len());
        self.scrubber.replace(text, &spans, &self.replacements(known), &mut out);
        Ok(Some(out))
    }

    fn clean_stream(&self, text: &mut dyn Read, known: &Known, out: &mut dyn Write) -> Result<Cleaned, DeidError> {
        let mut out = Kept::new(out);
        let mut text = Kept::new(text);
        let cleaned = self.scrubber.scrub(&mut text, Some(known.prepared(known_patient)), &self.replacements(known), &mut out);
        match cleaned {
            Ok(_) => Ok(Cleaned::Streamed),
            Err(TextError::Io(_)) => Err(text.failure().map(DeidError::Input).or(out.failure().map(DeidError::Output)).unwrap_or(FAILED)),
            Err(_) => Err(FAILED),
        }
    }
}

const FAILED: DeidError = DeidError::Text("the model failed; leave it out, or give one that runs");

/// What is known in the form that the text stage looks for.
fn known_patient(known: &Known) -> KnownPatient {
    let mut patient = KnownPatient::new();
    for (role, class, value) in known.values() {
        match class {
            PhiClass::Name if role == Role::Relative => patient.add_relative(value),
            PhiClass::Name => patient.add_name(value),
            PhiClass::Phone | PhiClass::Fax => patient.add_phone(value),
            PhiClass::Geography => patient.add_address(value),
            PhiClass::Date => {
                if let Some(date) = PartialDateTime::parse_iso(value).and_then(|date| date.date()) {
                    patient.add_date(date);
                }
            }
            other => {
                let class = TextClass::ALL.iter().find(|class| class.phi() == *other).copied().unwrap_or(TextClass::OtherId);
                patient.add_identifier(value, class);
            }
        }
    }
    patient
}
