//! What each law permits. A profile is a claim about the output; a policy that claims it must keep to it.
//!
//! Citations are to title 45 of the Code of Federal Regulations (HIPAA Privacy Rule) and to Regulation (EU) 2016/679 (GDPR).

use std::fmt;

use sutura_core::PhiClass;

use crate::method::Method;

/// The legal standard that a policy claims to meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Profile {
    /// De-identified by removal of the 18 identifiers: 45 CFR 164.514(b)(2). No longer PHI.
    HipaaSafeHarbor,
    /// Limited data set under a data use agreement: 45 CFR 164.514(e). Still PHI.
    LimitedDataSet,
    /// De-identified as an expert determined: 45 CFR 164.514(b)(1). No longer PHI.
    ExpertDetermination,
    /// Pseudonymised: GDPR Art. 4(5), EDPB Guidelines 01/2025. Still personal data.
    GdprPseudonymised,
    /// No legal claim; only what makes no sense is refused.
    None,
}

/// Why a profile refuses a method for a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// The paragraph.
    pub citation: &'static str,
    /// What it says, and what to use instead.
    pub reason: &'static str,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.citation.is_empty() { f.write_str(self.reason) } else { write!(f, "{} ({})", self.reason, self.citation) }
    }
}

/// Where a rule stands: a column rule may know more than the class does (a state, a town).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RuleOf {
    Class,
    Column,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Profile; 5] =
        [Profile::HipaaSafeHarbor, Profile::LimitedDataSet, Profile::ExpertDetermination, Profile::GdprPseudonymised, Profile::None];

    /// The word in policies, manifests and reports.
    pub fn word(self) -> &'static str {
        match self {
            Profile::HipaaSafeHarbor => "hipaa-safe-harbor",
            Profile::LimitedDataSet => "limited-data-set",
            Profile::ExpertDetermination => "expert-determination",
            Profile::GdprPseudonymised => "gdpr-pseudonymised",
            Profile::None => "none",
        }
    }

    /// The profile of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.word() == word)
    }

    /// What the output is in law, in a few words, for manifests and reports.
    pub fn legal_status(self) -> &'static str {
        match self {
            Profile::HipaaSafeHarbor => "de-identified, not PHI (45 CFR 164.514(b)(2)), provided no actual knowledge",
            Profile::LimitedDataSet => "limited data set, still PHI, data use agreement required (45 CFR 164.514(e))",
            Profile::ExpertDetermination => "de-identified, not PHI, as determined by the named expert (45 CFR 164.514(b)(1))",
            Profile::GdprPseudonymised => "pseudonymised, still personal data (GDPR Art. 4(5), Art. 9)",
            Profile::None => "no legal claim: treat as PHI",
        }
    }

    /// Whether the output is no longer PHI or personal data, so that a kept column counts as treated.
    pub fn output_is_deidentified(self) -> bool {
        matches!(self, Profile::HipaaSafeHarbor | Profile::ExpertDetermination)
    }

    /// Whether the profile permits `method` on columns of `class`, as the rule for that class.
    pub fn permits(self, class: &PhiClass, method: &Method) -> Result<(), Refusal> {
        self.judge(class, method, RuleOf::Class)
    }

    pub(crate) fn judge(self, class: &PhiClass, method: &Method, rule: RuleOf) -> Result<(), Refusal> {
        suits(class, method)?;
        if method.removes() {
            return Ok(());
        }
        match self {
            Profile::HipaaSafeHarbor => safe_harbor(class, method),
            Profile::LimitedDataSet => limited_data_set(class, method, rule),
            Profile::ExpertDetermination => expert_determination(class, method),
            Profile::GdprPseudonymised => gdpr(class, method),
            Profile::None => Ok(()),
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

fn refuse(citation: &'static str, reason: &'static str) -> Result<(), Refusal> {
    Err(Refusal { citation, reason })
}

/// Whether the method means anything for the class, in any law.
pub(crate) fn suits(class: &PhiClass, method: &Method) -> Result<(), Refusal> {
    match (method, class) {
        (Method::ShiftDate { .. } | Method::Year, PhiClass::Date) => Ok(()),
        (Method::ShiftDate { .. } | Method::Year, _) => {
            refuse("", "this method is for columns of class date only; use drop, redact or a code")
        }
        (Method::AgeBand { .. }, PhiClass::Age | PhiClass::Date) => Ok(()),
        (Method::AgeBand { .. }, _) => refuse("", "age-band is for columns of class age or date only; use drop or redact"),
        (Method::Zip3, PhiClass::Geography) => Ok(()),
        (Method::Zip3, _) => refuse("", "zip3 is for columns of class geography only; use drop or redact"),
        (Method::VaultCode { .. }, PhiClass::FreeText) => {
            refuse("", "a code for a whole text means nothing, and the vault would remember every text; use redact or drop")
        }
        (Method::VaultCode { .. }, PhiClass::Photo) => refuse("", "a code for a picture means nothing; use redact or drop"),
        (Method::VaultCode { .. }, PhiClass::Date) => refuse(
            "",
            "a code for a date keeps which rows share a day, so that it can be worked out by counting; use year, age-band, shift-date or drop",
        ),
        _ => Ok(()),
    }
}

/// The paragraph of the identifier in the Safe Harbor list, 164.514(b)(2)(i)(A)-(R).
fn safe_harbor_letter(class: &PhiClass) -> &'static str {
    match class {
        PhiClass::Name => "45 CFR 164.514(b)(2)(i)(A)",
        PhiClass::Geography => "45 CFR 164.514(b)(2)(i)(B)",
        PhiClass::Date | PhiClass::Age => "45 CFR 164.514(b)(2)(i)(C)",
        PhiClass::Phone => "45 CFR 164.514(b)(2)(i)(D)",
        PhiClass::Fax => "45 CFR 164.514(b)(2)(i)(E)",
        PhiClass::Email => "45 CFR 164.514(b)(2)(i)(F)",
        PhiClass::Ssn => "45 CFR 164.514(b)(2)(i)(G)",
        PhiClass::Mrn => "45 CFR 164.514(b)(2)(i)(H)",
        PhiClass::HealthPlan => "45 CFR 164.514(b)(2)(i)(I)",
        PhiClass::Account => "45 CFR 164.514(b)(2)(i)(J)",
        PhiClass::Licence => "45 CFR 164.514(b)(2)(i)(K)",
        PhiClass::Vehicle => "45 CFR 164.514(b)(2)(i)(L)",
        PhiClass::Device => "45 CFR 164.514(b)(2)(i)(M)",
        PhiClass::Url => "45 CFR 164.514(b)(2)(i)(N)",
        PhiClass::Ip => "45 CFR 164.514(b)(2)(i)(O)",
        PhiClass::Biometric => "45 CFR 164.514(b)(2)(i)(P)",
        PhiClass::Photo => "45 CFR 164.514(b)(2)(i)(Q)",
        PhiClass::OtherId => "45 CFR 164.514(b)(2)(i)(R)",
        _ => "45 CFR 164.514(b)(2)(i)",
    }
}

fn safe_harbor(class: &PhiClass, method: &Method) -> Result<(), Refusal> {
    match (class, method) {
        (_, Method::Pseudonym { .. } | Method::Encrypt) => {
            refuse("45 CFR 164.514(c)(1)", "a code derived from the value is not allowed under Safe Harbor; use vault-code or drop")
        }
        (_, Method::ShiftDate { .. }) => refuse(
            safe_harbor_letter(class),
            "a shifted date is still a full date; use year, or claim expert-determination or limited-data-set",
        ),
        (_, Method::VaultCode { .. } | Method::Year | Method::AgeBand { .. } | Method::Zip3) => Ok(()),
        (PhiClass::Date, Method::Keep) => refuse(safe_harbor_letter(class), "only the year of a date may stay; use year, age-band or drop"),
        (PhiClass::Age, Method::Keep) => {
            refuse(safe_harbor_letter(class), "ages over 89 must become one category; use age-band with scheme top-code or ten-year")
        }
        (PhiClass::Geography, Method::Keep) => refuse(
            safe_harbor_letter(class),
            "places smaller than a state must go; use zip3 for ZIP codes, drop for the rest (a state is class quasi)",
        ),
        (PhiClass::FreeText, Method::Keep) => {
            refuse(safe_harbor_letter(class), "free text may hold any of the 18 identifiers; use redact or drop until it is scrubbed")
        }
        (PhiClass::Quasi | PhiClass::Sensitive(_) | PhiClass::Clinical | PhiClass::Operational, Method::Keep) => Ok(()),
        (_, Method::Keep) => refuse(safe_harbor_letter(class), "this identifier must be removed; use drop, redact or vault-code"),
        _ => Ok(()),
    }
}

/// The identifiers that both a limited data set and any de-identified release must not hold as they are.
fn is_direct_identifier(class: &PhiClass) -> bool {
    matches!(
        class,
        PhiClass::Name
            | PhiClass::Phone
            | PhiClass::Fax
            | PhiClass::Email
            | PhiClass::Ssn
            | PhiClass::Mrn
            | PhiClass::HealthPlan
            | PhiClass::Account
            | PhiClass::Licence
            | PhiClass::Vehicle
            | PhiClass::Device
            | PhiClass::Url
            | PhiClass::Ip
            | PhiClass::Biometric
            | PhiClass::Photo
    )
}

fn limited_data_set(class: &PhiClass, method: &Method, rule: RuleOf) -> Result<(), Refusal> {
    match (class, method) {
        (class, Method::Keep) if is_direct_identifier(class) => refuse(
            "45 CFR 164.514(e)(2)",
            "this is one of the 16 identifiers that a limited data set excludes; use drop, pseudonym or vault-code",
        ),
        (PhiClass::FreeText, Method::Keep) => {
            refuse("45 CFR 164.514(e)(2)", "free text may hold the 16 excluded identifiers; use redact or drop until it is scrubbed")
        }
        (PhiClass::Geography, Method::Keep) if rule == RuleOf::Class => refuse(
            "45 CFR 164.514(e)(2)(ii)",
            "only town or city, county, state and ZIP code may stay; keep those columns by name in [columns], drop the class",
        ),
        _ => Ok(()),
    }
}

fn expert_determination(class: &PhiClass, method: &Method) -> Result<(), Refusal> {
    match (class, method) {
        (class, Method::Keep) if is_direct_identifier(class) || *class == PhiClass::OtherId => {
            refuse("45 CFR 164.514(b)(1)", "an untouched direct identifier cannot be of very small risk; use drop, pseudonym or vault-code")
        }
        (PhiClass::FreeText, Method::Keep) => {
            refuse("45 CFR 164.514(b)(1)", "unscrubbed free text cannot be of very small risk; use redact or drop")
        }
        _ => Ok(()),
    }
}

fn gdpr(class: &PhiClass, method: &Method) -> Result<(), Refusal> {
    match (class, method) {
        (class, Method::Keep) if is_direct_identifier(class) || *class == PhiClass::OtherId => {
            refuse("GDPR Art. 4(5)", "the person could be known without additional information; use pseudonym, vault-code, encrypt or drop")
        }
        (PhiClass::FreeText, Method::Keep) => {
            refuse("GDPR Art. 4(5)", "free text may name the person; use redact or drop until it is scrubbed")
        }
        (PhiClass::Date | PhiClass::Geography | PhiClass::Age, Method::Keep) => refuse(
            "GDPR Art. 4(5), EDPB Guidelines 01/2025",
            "a quasi-identifier singles people out when it stays whole; use shift-date, year, age-band or redact",
        ),
        _ => Ok(()),
    }
}
