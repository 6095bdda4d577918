//! The options of the profile (PS3.15 section E.3).

use serde::{Deserialize, Serialize};
use sutura_core::PhiClass;
use sutura_privacy::{DEFAULT_SHIFT_DAYS, Method, Policy, Profile};

use super::pixels::PixelsDone;
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

const CLEAN_PIXELS: &str = "clean-pixels";
const CLEAN_FEATURES: &str = "clean-recognizable-features";
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

    /// The words of [`Options::named`], with what they do.
    pub const WORDS: [(&'static str, &'static str); 13] = [
        ("basic", "The basic profile with nothing that is not named: dates go, too"),
        (
            "as-policy",
            "All that the policy implies: characteristics, device, institution and UIDs stay where it keeps these classes in tables",
        ),
        ("clean-recognizable-features", "The face is taken off CT, MR and PET of the head; needs whole series"),
        ("clean-graphics", "Graphics and overlays of regions stay, the texts in them cleaned"),
        ("clean-structured-content", "The content of reports stays, cleaned"),
        ("clean-descriptors", "Descriptions and comments stay, cleaned: only words of imaging are left"),
        ("full-dates", "Dates and times stay"),
        ("modified-dates", "Dates as the policy treats them: moved by the patient's days, or the year alone"),
        ("retain-patient-characteristics", "Sex, age, size, weight and the like stay"),
        ("retain-device", "Station names, serial numbers and the like stay"),
        ("retain-uids", "UIDs stay"),
        ("retain-safe-private", "Private elements that are known to hold no identity stay"),
        ("retain-institution", "Name and address of the institution stay"),
    ];

    /// Dates as the policy treats them, and the options that are named by the words of [`Options::WORDS`].
    ///
    /// # Errors
    /// When a word is none of them, or two exclude each other: what to say to who wrote them.
    pub fn named(words: &[&str], policy: &Policy) -> Result<Self, String> {
        if let Some(unknown) = words.iter().find(|word| !Self::WORDS.iter().any(|(known, _)| known == *word)) {
            let known: Vec<&str> = Self::WORDS.iter().map(|(word, _)| *word).collect();
            return Err(format!("{unknown:?} is no option; there are {}", known.join(", ")));
        }
        let is_named = |word: &str| words.contains(&word);
        for (one, other) in [("basic", "as-policy"), ("full-dates", "modified-dates")] {
            if is_named(one) && is_named(other) {
                return Err(format!("the options {one} and {other} exclude each other"));
            }
        }
        let implied = Self::of_policy(policy);
        let base = if is_named("as-policy") { implied } else { Self { dates: implied.dates, ..Self::default() } };
        let dates = match () {
            () if is_named("full-dates") => Dates::Full,
            () if is_named("modified-dates") => Dates::Modified,
            () if is_named("basic") => Dates::Remove,
            () => base.dates,
        };
        Ok(Self {
            clean_pixels: base.clean_pixels,
            clean_recognizable_features: is_named("clean-recognizable-features"),
            clean_graphics: is_named("clean-graphics"),
            clean_structured_content: is_named("clean-structured-content"),
            clean_descriptors: is_named("clean-descriptors"),
            dates,
            retain_patient_characteristics: base.retain_patient_characteristics || is_named("retain-patient-characteristics"),
            retain_device: base.retain_device || is_named("retain-device"),
            retain_institution: base.retain_institution || is_named("retain-institution"),
            retain_uids: base.retain_uids || is_named("retain-uids"),
            retain_safe_private: is_named("retain-safe-private"),
        })
    }

    /// The names of those that are on, the profile first, in the order of CID 7050.
    pub(crate) fn names(&self) -> Vec<OptionName> {
        let all = [
            (true, BASIC),
            (self.clean_pixels != CleanPixels::No, name(CLEAN_PIXELS, "113101", "Clean Pixel Data Option")),
            (self.clean_recognizable_features, name(CLEAN_FEATURES, "113102", "Clean Recognizable Visual Features Option")),
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

    /// The names of those that were applied to a file: what would be done to pixels is not named where nothing was.
    pub(crate) fn names_of(&self, done: PixelsDone) -> Vec<OptionName> {
        let was_done = |name: &OptionName| match name.word {
            CLEAN_PIXELS => done.cleaned,
            CLEAN_FEATURES => done.defaced,
            _ => true,
        };
        self.names().into_iter().filter(was_done).collect()
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
        if self.dates == Dates::Full && matches!(method_of(policy, &PhiClass::Date), Some(Method::ShiftDate { .. })) {
            let reason =
                "the policy shifts dates; in full beside shifted ones, under the same code, they tell how far each patient's were moved";
            return Err(DeidError::NotPermitted { option: "full-dates", profile: policy.profile.word(), reason: reason.to_owned() });
        }
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
    policy.class_method(class)
}

/// How dates are modified: by the policy's method where it modifies them, else moved where the law permits it, else to the year.
pub(crate) fn modified_dates(policy: &Policy) -> Method {
    match method_of(policy, &PhiClass::Date) {
        Some(method @ (Method::ShiftDate { .. } | Method::Year)) => method.clone(),
        _ if policy.profile == Profile::HipaaSafeHarbor => Method::Year,
        _ => Method::ShiftDate { max_days: DEFAULT_SHIFT_DAYS },
    }
}
