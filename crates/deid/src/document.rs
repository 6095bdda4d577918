//! What de-identified documents of every format have in common: the contract, the plan of a place, who is known, and dates.

use std::{
    io::{Read, Write},
    sync::{Arc, OnceLock},
};

use sutura_core::PhiClass;
use sutura_privacy::{Deidentifier, Method, PrivacyError, Treated, ValueKind, ValuePlace, ValuePlan, text::KnownPatient};

use crate::{
    error::DeidError,
    ledger::{Ledger, Outcome, Place},
    text::Tokens,
};

/// De-identifies documents of one format: a message, a resource or bundle, a C-CDA document, a note.
///
/// What a policy does not know is removed or refused, never passed. An error gives no partial result: what was appended to `out` before is
/// taken off again.
pub trait DocumentDeidentifier: Send + Sync {
    /// Appends the de-identified document to `out` and counts in `ledger` what was done.
    ///
    /// # Errors
    /// When the document cannot be read, something in it cannot be released, or the vault fails.
    fn deidentify(&self, input: &[u8], out: &mut Vec<u8>, ledger: &mut Ledger) -> Result<(), DeidError>;
}

/// Who somebody is to the patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The patient.
    Patient,
    /// Family, guarantor, insured, contact.
    Relative,
    /// Who treats, orders, writes, signs.
    Provider,
}

/// What the structured parts of a document say of the people in it: what to look for in its texts. Never shown. A clone shares the values.
#[derive(Clone, Default)]
pub struct Known {
    shared: Arc<Values>,
    patient: Option<Arc<str>>,
}

#[derive(Clone, Default)]
struct Values {
    list: Vec<(Role, PhiClass, String)>,
    /// The same in the form that free text is searched with, made when the first text comes.
    prepared: OnceLock<KnownPatient>,
}

/// More are not looked for.
const MOST_KNOWN: usize = 512;

impl Known {
    /// Adds a value of a class.
    pub(crate) fn add(&mut self, role: Role, class: &PhiClass, value: &str) {
        let (value, list) = (value.trim(), &self.shared.list);
        let is_known = || list.iter().any(|(_, known_class, known)| known_class == class && known == value);
        if list.len() >= MOST_KNOWN || value.chars().nth(1).is_none() || is_known() {
            return;
        }
        let shared = Arc::make_mut(&mut self.shared);
        shared.list.push((role, class.clone(), value.to_owned()));
        shared.prepared = OnceLock::new();
    }

    /// Adds what another knows.
    pub(crate) fn add_all(&mut self, other: &Known) {
        other.values().for_each(|(role, class, value)| self.add(role, class, value));
    }

    pub(crate) fn set_patient(&mut self, patient: Option<&str>) {
        self.patient = patient.map(Arc::from);
    }

    /// The same people, in a text about one patient.
    pub(crate) fn of_patient(&self, patient: Option<&str>) -> Self {
        Self { shared: Arc::clone(&self.shared), patient: patient.map(Arc::from) }
    }

    /// The value that stands for the patient: dates are moved by it.
    pub fn patient(&self) -> Option<&str> {
        self.patient.as_deref()
    }

    /// All values: whose, what they are, and the value. Dates are ISO 8601 text.
    pub fn values(&self) -> impl Iterator<Item = (Role, &PhiClass, &str)> {
        self.shared.list.iter().map(|(role, class, value)| (*role, class, value.as_str()))
    }

    /// The values as the rules for free text want them, made once.
    pub(crate) fn prepared(&self, make: impl FnOnce(&Self) -> KnownPatient) -> &KnownPatient {
        self.shared.prepared.get_or_init(|| make(self))
    }

    /// The words and identifiers that no kept text may have.
    pub(crate) fn tokens(&self) -> Tokens {
        let mut tokens = Tokens::default();
        for (role, class, value) in &self.shared.list {
            match class {
                PhiClass::Name => tokens.add_name(value),
                PhiClass::Mrn | PhiClass::Ssn | PhiClass::Account | PhiClass::HealthPlan | PhiClass::Phone | PhiClass::Email
                    if *role != Role::Provider =>
                {
                    tokens.add_identifier(value);
                }
                _ => {}
            }
        }
        tokens
    }
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Known({} values)", self.shared.list.len())
    }
}

/// Cleans free text of what identifies somebody.
pub trait TextStage: Send + Sync {
    /// The text without what identifies, or none if nothing of it may stay.
    ///
    /// # Errors
    /// When the vault or the stage itself fails.
    fn clean(&self, text: &str, known: &Known) -> Result<Option<String>, DeidError>;

    /// Cleans a text of any length as it is read, with the same result. A stage that cannot says so before it reads: the text is then handed
    /// over as a whole.
    ///
    /// # Errors
    /// As [`TextStage::clean`], and when the text cannot be read on or the result cannot be written.
    fn clean_stream(&self, _text: &mut dyn Read, _known: &Known, _out: &mut dyn Write) -> Result<Cleaned, DeidError> {
        Ok(Cleaned::NotStreamed)
    }

    /// The word for the ledger.
    fn method(&self) -> &'static str {
        "scrub"
    }
}

/// What came of a text that was to be cleaned as it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cleaned {
    /// It was read and written.
    Streamed,
    /// Nothing was read: the stage wants the text as a whole.
    NotStreamed,
}

/// What documents of every format are treated with.
#[derive(Clone)]
pub struct Treatment {
    pub(crate) privacy: Deidentifier,
    text: Option<Arc<dyn TextStage>>,
}

impl Treatment {
    /// A policy with its keys. Free text is treated as the policy says: removed, in all built-in ones.
    ///
    /// # Errors
    /// When the policy has no rule for a class: everything in a document has one.
    pub fn new(privacy: &Deidentifier) -> Result<Self, DeidError> {
        for class in PhiClass::ALL.into_iter().chain([PhiClass::Sensitive("*".into())]) {
            privacy.value_plan(&ValuePlace { table: None, column: "", path: "", class, kind: ValueKind::Text, shape: None })?;
        }
        Ok(Self { privacy: privacy.clone(), text: None })
    }

    /// With something that cleans free text in place of removing it.
    #[must_use]
    pub fn with_text_stage(mut self, stage: Arc<dyn TextStage>) -> Self {
        self.text = Some(stage);
        self
    }

    /// The stage that cleans free text.
    pub(crate) fn text_stage(&self) -> Option<&dyn TextStage> {
        self.text.as_deref()
    }

    /// The plan of one place. A method that cannot treat it, or that the profile does not permit there, removes it.
    pub(crate) fn leaf(&self, place: &ValuePlace<'_>, shown: &str, form: Form) -> Leaf {
        let plan = self.privacy.value_plan(place).ok();
        let scrubs = place.class == PhiClass::FreeText && self.text.is_some();
        let method = match &plan {
            _ if scrubs => self.text.as_ref().map_or("scrub", |stage| stage.method()),
            Some(plan) => plan.method().word(),
            None => "refused",
        };
        let place = Arc::new(Place { path: shown.to_owned(), class: place.class.clone(), method });
        Leaf { place, plan, form }
    }

    /// A place without definition: it goes whatever the policy says.
    pub(crate) fn unknown(path: &str) -> Leaf {
        let place = Arc::new(Place { path: path.to_owned(), class: PhiClass::FreeText, method: "none" });
        Leaf { place, plan: None, form: Form::Text }
    }
}

impl std::fmt::Debug for Treatment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Treatment").field("privacy", &self.privacy).field("scrubs", &self.text.is_some()).finish()
    }
}

/// What a value must look like to be one of its type, before and after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Anything.
    Text,
    /// A date or time, to the precision that is there. Handed over and taken back as ISO 8601.
    Date,
    /// A time of day: there is no day to treat it by.
    Time,
    /// A number.
    Number,
}

/// A place with its plan.
#[derive(Debug, Clone)]
pub(crate) struct Leaf {
    pub(crate) place: Arc<Place>,
    /// None: whatever stands there goes.
    pub(crate) plan: Option<ValuePlan>,
    pub(crate) form: Form,
}

/// What a document is treated with: the plans' surroundings.
pub(crate) struct Run<'r> {
    pub(crate) treatment: &'r Treatment,
    pub(crate) known: Known,
    pub(crate) tokens: &'r Tokens,
    pub(crate) ledger: &'r mut Ledger,
}

impl Run<'_> {
    /// Treats one value. Dates come and go as ISO 8601. `None`: nothing may stand there.
    pub(crate) fn value<'v>(
        &mut self,
        leaf: &Leaf,
        value: &'v str,
        patient: Option<&str>,
    ) -> Result<Option<std::borrow::Cow<'v, str>>, DeidError> {
        let (out, outcome) = self.decide(leaf, value, patient)?;
        self.ledger.record(&leaf.place, outcome);
        Ok(out)
    }

    fn decide<'v>(
        &self,
        leaf: &Leaf,
        value: &'v str,
        patient: Option<&str>,
    ) -> Result<(Option<std::borrow::Cow<'v, str>>, Outcome), DeidError> {
        use std::borrow::Cow;
        let Some(plan) = &leaf.plan else {
            return Ok((None, if leaf.place.method == "none" { Outcome::Unknown } else { Outcome::Removed }));
        };
        if *plan.class() == PhiClass::FreeText
            && let Some(stage) = &self.treatment.text
        {
            return Ok(match stage.clean(value, &self.known)? {
                Some(text) => (Some(Cow::Owned(text)), Outcome::Scrubbed),
                None => (None, Outcome::Suppressed),
            });
        }
        if plan.removes_all() {
            return Ok((None, Outcome::Removed));
        }
        let shown = match (leaf.form, plan.apply(value, patient)?) {
            // A class of dates, kept: what is none may be anything.
            (Form::Date, Treated::Keep) if sutura_core::PartialDateTime::parse_iso(value.trim()).is_none() => Treated::Remove,
            (Form::Time, Treated::Keep) if !value.bytes().all(|byte| byte.is_ascii_digit() || b":.+-".contains(&byte)) => Treated::Remove,
            (Form::Number, Treated::Keep) if value.trim().parse::<f64>().is_err() => Treated::Remove,
            // An age that nobody has is a number of something else.
            (Form::Number, Treated::Keep)
                if leaf.place.class == PhiClass::Age && !value.trim().parse::<f64>().is_ok_and(|age| (0.0..=150.0).contains(&age)) =>
            {
                Treated::Remove
            }
            (Form::Date, Treated::Replace(text)) => date_of(text).map_or(Treated::Remove, Treated::Replace),
            (Form::Number, Treated::Replace(text)) if text.parse::<f64>().is_err() => Treated::Remove,
            (Form::Time, Treated::Replace(_)) => Treated::Remove,
            (_, treated) => treated,
        };
        Ok(match shown {
            Treated::Keep if self.names_somebody(plan, value) => (None, Outcome::Suppressed),
            Treated::Keep => (Some(Cow::Borrowed(value)), Outcome::Kept),
            Treated::Replace(text) => (Some(Cow::Owned(text)), Outcome::Replaced),
            Treated::Remove => (None, Outcome::Suppressed),
        })
    }

    /// Whether a kept text has a name or number of somebody in the document in it. Codes pass by their shape, and a name may have it.
    fn names_somebody(&self, plan: &ValuePlan, value: &str) -> bool {
        let may_be_words = matches!(plan.class(), PhiClass::Clinical | PhiClass::Quasi | PhiClass::Operational);
        may_be_words && value.len() > 2 && self.tokens.are_in(value)
    }
}

/// What a date became, as a date: a year stays one, and the category of all that are earlier is written as its last year.
fn date_of(text: String) -> Option<String> {
    if let Some(year) = text.strip_suffix("-or-earlier") {
        return Some(year.to_owned());
    }
    sutura_core::PartialDateTime::parse_iso(&text).is_some().then_some(text)
}

/// How structural identifiers (ids of resources and documents, which other parts point at) are rewritten: as the policy treats `other-id` where
/// that gives a code. Where it removes them, the graph would fall apart: random codes of the vault stand in, as for the UIDs of images, where the
/// profile permits codes and there is a vault.
#[derive(Debug, Clone)]
pub(crate) enum Ids {
    /// By a plan that gives a code.
    Plan(Box<ValuePlan>),
    /// A random code of the vault.
    Vault,
    /// Numbers that hold in one document only.
    Numbers,
}

impl Ids {
    pub(crate) fn of(privacy: &Deidentifier, table: Option<&str>, column: &str, path: &str) -> Self {
        let place = ValuePlace { table, column, path, class: PhiClass::OtherId, kind: ValueKind::Text, shape: None };
        if let Ok(plan) = privacy.value_plan(&place) {
            match plan.method() {
                Method::Pseudonym { .. } | Method::VaultCode { .. } | Method::Keep => return Self::Plan(Box::new(plan)),
                _ => {}
            }
        }
        let vault = Method::VaultCode { kind: None };
        let permitted = privacy.policy().profile.permits(&PhiClass::OtherId, &vault).is_ok();
        if permitted && privacy.context().vault().is_some() { Self::Vault } else { Self::Numbers }
    }

    /// The code of an identifier; none where it has no meaning beyond the document.
    pub(crate) fn code(&self, privacy: &Deidentifier, id: &str) -> Result<Option<String>, PrivacyError> {
        match self {
            Self::Plan(plan) => Ok(match plan.apply(id, None)? {
                Treated::Keep => Some(id.to_owned()),
                Treated::Replace(code) => Some(code),
                Treated::Remove => None,
            }),
            Self::Vault => privacy.context().vault_code("other-id", id),
            Self::Numbers => Ok(None),
        }
    }
}

/// The 128 bits of a code.
pub(crate) fn number_of_code(code: &str) -> u128 {
    let letters = code.as_bytes();
    let letters = &letters[letters.len().saturating_sub(26)..];
    letters.iter().enumerate().fold(0u128, |number, (place, letter)| {
        let value = u128::from(match letter {
            b'a'..=b'z' => letter - b'a',
            b'2'..=b'7' => letter - b'2' + 26,
            _ => letter & 31,
        });
        // 25 groups of five bits, then the last three.
        if place == 25 { number << 3 | value >> 2 } else { number << 5 | value }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn years_of_the_oldest_stay_dates() {
        assert_eq!(date_of("1936-or-earlier".into()).as_deref(), Some("1936"));
        assert_eq!(date_of("1980".into()).as_deref(), Some("1980"));
        assert_eq!(date_of("40-49".into()), None);
        assert_eq!(date_of("***".into()), None);
    }

    #[test]
    fn what_is_known_is_not_shown() {
        let mut known = Known::default();
        known.add(Role::Patient, &PhiClass::Name, "Zork");
        known.add(Role::Patient, &PhiClass::Name, "Zork ");
        assert_eq!(format!("{known:?}"), "Known(1 values)");
        assert!(known.tokens().are_in("the zork"));
    }
}
