//! What identifiers become: the policy and keys of `sutura-privacy`, as they treat columns.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, StringViewArray},
    datatypes::{DataType, Field, Schema},
};
use chrono::{Datelike, NaiveDate};
use sutura_core::{ColumnMeta, PhiClass};
use sutura_privacy::{Deidentifier, Method, PrivacyContext, Profile, SchemaPlan};

use super::options::modified_dates;
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

    /// Whether ages over 89 are one category.
    pub(crate) fn limits_ages(&self) -> bool {
        self.profile == Profile::HipaaSafeHarbor
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

/// The UID of a code: its 128 bits under 2.25 (PS3.5 annex B.2).
fn uid_of_code(code: &str) -> String {
    let letters = code.as_bytes();
    let letters = &letters[letters.len().saturating_sub(26)..];
    let number = letters.iter().enumerate().fold(0u128, |number, (place, letter)| {
        let value = u128::from(match letter {
            b'a'..=b'z' => letter - b'a',
            b'2'..=b'7' => letter - b'2' + 26,
            _ => 0,
        });
        // 25 groups of five bits, then the last three.
        if place == 25 { number << 3 | value >> 2 } else { number << 5 | value }
    });
    format!("2.25.{number}")
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
        assert_eq!(uid_of_code("77777777777777777777777774"), format!("2.25.{}", u128::MAX));
        assert_eq!(uid_of_code("otherid-aaaaaaaaaaaaaaaaaaaaaaaaae"), "2.25.1");
        let context = PrivacyContext::new(&KeyRing::generate().unwrap(), Scope::new("p", "d"), None).unwrap();
        let uid = uid_of_code(&context.pseudonym(UID_KIND, "1.2.3").unwrap());
        assert!(uid.len() <= 44 && uid.starts_with("2.25."));
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
