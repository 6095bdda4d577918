//! What identifiers become: the policy and keys of `sutura-privacy`, as they treat columns.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, StringViewArray},
    datatypes::{DataType, Field, Schema},
};
use chrono::{Datelike, NaiveDate};
use sutura_core::{ColumnMeta, PhiClass};
use sutura_dicom::value;
use sutura_privacy::{AgeScheme, Deidentifier, Method, PrivacyContext, Profile, SchemaPlan, uid_of_code};

use super::options::{method_of, modified_dates};
use crate::error::DeidError;

/// The kind of the codes that UIDs are made from: that of the class, so that columns of UIDs have the same 128 bits in them.
const UID_KIND: &str = "other-id";

/// The policy and keys.
pub(crate) struct Identity {
    policy: String,
    profile: Profile,
    context: Arc<PrivacyContext>,
    /// The column of the patient, planned as a reader's.
    patient: SchemaPlan,
    /// The column of accession numbers.
    accession: SchemaPlan,
    dates: Method,
    ages: Option<Method>,
    reference_year: i32,
}

impl Identity {
    pub(crate) fn new(privacy: &Deidentifier) -> Result<Self, DeidError> {
        let policy = privacy.policy();
        let reference = policy.reference_date.unwrap_or_else(|| chrono::Utc::now().date_naive());
        let plan = |name: &str, path: &str, class, patient| {
            let meta = ColumnMeta { path: Some(path.to_owned()), patient, ..ColumnMeta::of(class) };
            privacy.plan_table(Some("instances"), &Schema::new(vec![meta.apply(Field::new(name, DataType::Utf8View, true))]))
        };
        Ok(Self {
            policy: policy.tag(),
            profile: policy.profile,
            context: Arc::clone(privacy.context()),
            patient: plan("patient_id", "(0010,0020)", PhiClass::Mrn, true)?,
            accession: plan("accession_number", "(0008,0050)", PhiClass::OtherId, false)?,
            dates: modified_dates(policy),
            ages: method_of(policy, &PhiClass::Age).cloned(),
            reference_year: reference.year(),
        })
    }

    /// Name and version of the policy.
    pub(crate) fn policy(&self) -> &str {
        &self.policy
    }

    /// Id of the key.
    pub(crate) fn key_id(&self) -> &str {
        self.context.key_id()
    }

    /// An age (`AS`) as the policy treats ages: a group is shown by its lowest age. `None` where it goes, or is none.
    pub(crate) fn age_shown(&self, text: &str) -> Option<String> {
        match self.years_shown(value::age_years(text.as_bytes())?) {
            AgeShown::Gone => None,
            AgeShown::AsItIs => Some(text.to_owned()),
            AgeShown::Group(lowest) => Some(format!("{lowest:03}Y")),
        }
    }

    /// How an age of so many years is shown.
    pub(crate) fn years_shown(&self, years: f64) -> AgeShown {
        let scheme = match self.ages.as_ref() {
            Some(Method::Keep) => return AgeShown::AsItIs,
            Some(Method::AgeBand { scheme }) => *scheme,
            _ => return AgeShown::Gone,
        };
        AgeShown::Group(match scheme {
            AgeScheme::TopCode if years < 90.0 => return AgeShown::AsItIs,
            AgeScheme::TopCode => 90,
            AgeScheme::TenYear => (years.clamp(0.0, 90.0) as u32).min(90) / 10 * 10,
            AgeScheme::LifeStage => [65, 18].into_iter().find(|first| years >= f64::from(*first)).unwrap_or(0),
        })
    }

    /// Whether the policy leaves ages as they are.
    pub(crate) fn keeps_ages(&self) -> bool {
        self.ages == Some(Method::Keep)
    }

    /// Whether full-face photographs are identifiers (45 CFR 164.514(b)(2)(i)(Q)).
    pub(crate) fn bars_faces(&self) -> bool {
        self.profile == Profile::HipaaSafeHarbor
    }

    /// The patient's code, as the column of patients has it; `None` where the policy removes it.
    pub(crate) fn patient_code(&self, patient: &str) -> Result<Option<String>, DeidError> {
        one(&self.patient, patient)
    }

    /// The code of an accession number, as the column has it, at most 16 characters (`SH`): enough to tell billions apart.
    pub(crate) fn accession_code(&self, accession: &str) -> Result<Option<String>, DeidError> {
        Ok(one(&self.accession, accession)?.map(|code| code.chars().take(16).collect()))
    }

    /// How the dates of a patient are modified.
    pub(crate) fn shift(&self, patient: &str) -> Shift {
        match self.dates {
            Method::ShiftDate { max_days } => self.context.shift_days(patient, max_days).map_or(Shift::None, Shift::Days),
            Method::Year => Shift::Year { first: self.reference_year - 89 },
            _ => Shift::None,
        }
    }

    /// New UIDs for old ones. Under Safe Harbor a code may not be derived from the value: there the vault remembers random ones.
    pub(crate) fn uids<'u>(&self, uids: &[&'u str]) -> Result<HashMap<&'u str, String>, DeidError> {
        let mut new = HashMap::with_capacity(uids.len());
        if self.profile == Profile::HipaaSafeHarbor {
            let vault = self.context.vault().ok_or(sutura_privacy::PrivacyError::Operation {
                operation: "making new UIDs",
                reason: "under Safe Harbor they are random and remembered in a vault; name a vault file for this project",
            })?;
            let codes = if uids.is_empty() { Vec::new() } else { vault.codes(UID_KIND, uids)? };
            for (uid, code) in uids.iter().zip(codes) {
                new.insert(*uid, uid_of_code(&code));
            }
            return Ok(new);
        }
        for uid in uids {
            let code = self.context.pseudonym(UID_KIND, uid).unwrap_or_default();
            new.insert(*uid, uid_of_code(&code));
        }
        Ok(new)
    }
}

/// What a plan of one column makes of one value.
fn one(plan: &SchemaPlan, value: &str) -> Result<Option<String>, DeidError> {
    let column: ArrayRef = Arc::new(StringViewArray::from(vec![(!value.is_empty()).then_some(value)]));
    let batch = RecordBatch::try_new(plan.input_schema(), vec![column]).map_err(sutura_privacy::PrivacyError::from)?;
    let out = plan.apply(&batch)?;
    let text = out.columns().first().and_then(|column| column.as_string_view_opt()).filter(|column| column.is_valid(0));
    Ok(text.map(|column| column.value(0).to_owned()))
}

/// What an age becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AgeShown {
    /// Nothing.
    Gone,
    /// Itself.
    AsItIs,
    /// The lowest age of its group, in years.
    Group(u32),
}

/// How dates are modified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shift {
    /// Not at all: there is no patient to move them for.
    None,
    /// By days.
    Days(i32),
    /// Only the year stays; years before the first that may be shown become the one before it.
    Year { first: i32 },
}

impl Shift {
    /// A date, modified; `None` where it cannot be.
    pub(crate) fn date(self, date: NaiveDate) -> Option<NaiveDate> {
        match self {
            Self::None => None,
            Self::Days(days) => {
                let moved = date.checked_add_signed(chrono::TimeDelta::days(i64::from(days)))?;
                (1..=9999).contains(&moved.year()).then_some(moved)
            }
            Self::Year { first } => NaiveDate::from_ymd_opt(date.year().max(first - 1), 1, 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sutura_privacy::{KeyRing, Scope};

    #[test]
    fn uids_have_the_bits_of_the_codes() {
        let context = PrivacyContext::new(&KeyRing::generate().unwrap(), Scope::new("p", "d"), None).unwrap();
        let uid = uid_of_code(&context.pseudonym(UID_KIND, "1.2.3").unwrap());
        assert!(uid.len() <= 44 && uid.starts_with("2.25."));
    }

    #[test]
    fn ages_are_as_the_policy_says() {
        let policy = |name: &str| {
            let policy = sutura_privacy::Policy::builtin(name).unwrap();
            Identity { ages: method_of(&policy, &PhiClass::Age).cloned(), ..identity(&policy) }
        };
        let of = |name: &str, age: &str| policy(name).age_shown(age);
        assert_eq!((of("hipaa-safe-harbor", "091Y").as_deref(), of("hipaa-safe-harbor", "047Y").as_deref()), (Some("090Y"), Some("047Y")));
        assert_eq!(
            (of("gdpr-pseudonymised", "047Y").as_deref(), of("gdpr-pseudonymised", "097Y").as_deref()),
            (Some("040Y"), Some("090Y"))
        );
        assert_eq!((of("gdpr-pseudonymised", "011M").as_deref(), of("hipaa-safe-harbor", "Doe")), (Some("000Y"), None));
        let dropped = Identity { ages: Some(Method::Drop), ..policy("hipaa-safe-harbor") };
        assert_eq!(dropped.age_shown("047Y"), None);
    }

    fn identity(policy: &sutura_privacy::Policy) -> Identity {
        let vault = Arc::new(sutura_privacy::MemoryVault::new().unwrap());
        let privacy = Deidentifier::new(policy.clone(), &KeyRing::generate().unwrap(), Scope::new("p", "d"), Some(vault)).unwrap();
        Identity::new(&privacy).unwrap()
    }

    #[test]
    fn shifts_move_dates_or_leave_the_year() {
        let date = NaiveDate::from_ymd_opt(2024, 2, 28).unwrap();
        assert_eq!(Shift::Days(2).date(date), NaiveDate::from_ymd_opt(2024, 3, 1));
        assert_eq!(Shift::Year { first: 1937 }.date(date), NaiveDate::from_ymd_opt(2024, 1, 1));
        assert_eq!(Shift::Year { first: 2025 }.date(date), NaiveDate::from_ymd_opt(2024, 1, 1));
        assert_eq!(Shift::Year { first: 2030 }.date(date), NaiveDate::from_ymd_opt(2029, 1, 1));
        assert_eq!(Shift::None.date(date), None);
    }
}
