//! The options of the profile (PS3.15 section E.3).

use serde::{Deserialize, Serialize};
use sutura_core::PhiClass;
use sutura_privacy::{DEFAULT_SHIFT_DAYS, Method, Policy, Profile};

use crate::error::DeidError;

/// What becomes of dates and times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dates {
    /// Removed, or a dummy where one has to be.
    #[default]
    Remove,
    /// They stay: Retain Longitudinal Temporal Information With Full Dates Option.
    Full,
    /// As the policy treats dates: moved by the patient's days, or only the year stays. Retain Longitudinal Temporal Information With Modified Dates Option.
    Modified,
}

/// What becomes of text in the pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CleanPixels {
    /// Pixels stay as they are; a warning says where text is likely.
    #[default]
    No,
    /// What the rules of the devices say is painted over.
    Regions,
    /// That, and areas that look like text.
    Detect,
}

/// The options beside the Basic Application Level Confidentiality Profile. All off by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Clean Pixel Data Option: text in the pixels is painted over.
    pub clean_pixels: CleanPixels,
    /// Clean Recognizable Visual Features Option: the face is taken off CT and MR of the head.
    pub clean_recognizable_features: bool,
    /// Clean Graphics Option: graphics stay, the texts in them are cleaned.
    pub clean_graphics: bool,
    /// Clean Structured Content Option: content of reports stays, its texts cleaned.
    pub clean_structured_content: bool,
    /// Clean Descriptors Option: descriptions and comments stay, cleaned: only words of imaging are left.
    pub clean_descriptors: bool,
    /// Retain Longitudinal Temporal Information Options.
    pub dates: Dates,
    /// Retain Patient Characteristics Option: sex, age, size, weight and the like stay.
    pub retain_patient_characteristics: bool,
    /// Retain Device Identity Option.
    pub retain_device: bool,
    /// Retain Institution Identity Option.
    pub retain_institution: bool,
    /// Retain UIDs Option.
    pub retain_uids: bool,
    /// Retain Safe Private Option: private elements that are known to hold no identity stay.
    pub retain_safe_private: bool,
}

/// What an option is called: the letter in the dictionary, the word in files and reports, the code of CID 7050 and its meaning.
pub(crate) struct OptionName {
    pub(crate) word: &'static str,
    pub(crate) code: &'static str,
    pub(crate) meaning: &'static str,
}

const fn name(word: &'static str, code: &'static str, meaning: &'static str) -> OptionName {
    OptionName { word, code, meaning }
}

/// The profile itself.
pub(crate) const BASIC: OptionName = name("basic", "113100", "Basic Application Confidentiality Profile");

impl Options {
    /// Those that say the same as a policy says of columns: dates by its method, patient characteristics where it keeps them, device where it keeps them.
    pub fn of_policy(policy: &Policy) -> Self {
        let keeps = |class| method_of(policy, &class) == Some(&Method::Keep);
        let dates = match method_of(policy, &PhiClass::Date) {
            Some(Method::Keep) => Dates::Full,
            Some(Method::ShiftDate { .. } | Method::Year) => Dates::Modified,
            _ => Dates::Remove,
        };
        Self {
            dates,
            retain_patient_characteristics: keeps(PhiClass::Quasi),
            retain_device: keeps(PhiClass::Device),
            retain_institution: keeps(PhiClass::Geography),
            retain_uids: keeps(PhiClass::OtherId),
            ..Self::default()
        }
    }

    /// The names of those that are on, the profile first, in the order of CID 7050.
    pub(crate) fn names(&self) -> Vec<OptionName> {
        let all = [
            (true, BASIC),
            (self.clean_pixels != CleanPixels::No, name("clean-pixels", "113101", "Clean Pixel Data Option")),
            (self.clean_recognizable_features, name("clean-recognizable-features", "113102", "Clean Recognizable Visual Features Option")),
            (self.clean_graphics, name("clean-graphics", "113103", "Clean Graphics Option")),
            (self.clean_structured_content, name("clean-structured-content", "113104", "Clean Structured Content Option")),
            (self.clean_descriptors, name("clean-descriptors", "113105", "Clean Descriptors Option")),
            (self.dates == Dates::Full, name("full-dates", "113106", "Retain Longitudinal Temporal Information Full Dates Option")),
            (
                self.dates == Dates::Modified,
                name("modified-dates", "113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
            ),
            (
                self.retain_patient_characteristics,
                name("retain-patient-characteristics", "113108", "Retain Patient Characteristics Option"),
            ),
            (self.retain_device, name("retain-device", "113109", "Retain Device Identity Option")),
            (self.retain_uids, name("retain-uids", "113110", "Retain UIDs Option")),
            (self.retain_safe_private, name("retain-safe-private", "113111", "Retain Safe Private Option")),
            (self.retain_institution, name("retain-institution", "113112", "Retain Institution Identity Option")),
        ];
        all.into_iter().filter_map(|(on, name)| on.then_some(name)).collect()
    }

    /// The words of those that are on.
    pub fn words(&self) -> Vec<&'static str> {
        self.names().into_iter().map(|name| name.word).collect()
    }

    /// Whether the law that the policy claims permits them.
    pub(crate) fn check(&self, policy: &Policy) -> Result<(), DeidError> {
        let dates = match self.dates {
            Dates::Remove => None,
            Dates::Full => Some(("full-dates", PhiClass::Date, Method::Keep)),
            Dates::Modified => Some(("modified-dates", PhiClass::Date, modified_dates(policy))),
        };
        let asked = [
            dates,
            self.retain_uids.then_some(("retain-uids", PhiClass::OtherId, Method::Keep)),
            self.retain_device.then_some(("retain-device", PhiClass::Device, Method::Keep)),
            self.retain_institution.then_some(("retain-institution", PhiClass::Geography, Method::Keep)),
            self.retain_patient_characteristics.then_some(("retain-patient-characteristics", PhiClass::Quasi, Method::Keep)),
        ];
        for (option, class, method) in asked.into_iter().flatten() {
            if let Err(refusal) = policy.profile.permits(&class, &method) {
                return Err(DeidError::NotPermitted { option, profile: policy.profile.word(), reason: refusal.to_string() });
            }
        }
        Ok(())
    }
}

/// The policy's method for a class.
pub(crate) fn method_of<'p>(policy: &'p Policy, class: &PhiClass) -> Option<&'p Method> {
    let word = class.as_str();
    policy.classes.iter().rev().find(|rule| rule.key == word).map(|rule| &rule.method)
}

/// How dates are modified: by the policy's method where it modifies them, else moved where the law permits it, else to the year.
pub(crate) fn modified_dates(policy: &Policy) -> Method {
    match method_of(policy, &PhiClass::Date) {
        Some(method @ (Method::ShiftDate { .. } | Method::Year)) => method.clone(),
        _ if policy.profile == Profile::HipaaSafeHarbor => Method::Year,
        _ => Method::ShiftDate { max_days: DEFAULT_SHIFT_DAYS },
    }
}
