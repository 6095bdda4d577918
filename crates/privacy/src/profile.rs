//! What each law permits. A profile is a claim about the output; a policy that claims it must keep to it.
//!
//! Citations are to title 45 of the Code of Federal Regulations (HIPAA Privacy Rule), to Regulation (EU) 2016/679 (GDPR), to the
//! Personal Information Protection and Electronic Documents Act of Canada (PIPEDA) and to the Privacy Act 1988 of Australia.

mod laws;

use std::fmt;

use sutura_core::PhiClass;

use crate::method::Method;

pub(crate) use laws::suits;

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
    /// Anonymous: GDPR Recital 26, by the three tests of Opinion 05/2014 (WP216). No longer personal data.
    GdprAnonymous,
    /// No serious possibility of identification, as assessed: PIPEDA s. 2(1), Gordon v. Canada (Health), 2008 FC 258.
    Pipeda,
    /// De-identified for its release context, as assessed: Privacy Act 1988 (Cth) s. 6(1).
    Australia,
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
    pub const ALL: [Profile; 8] = [
        Profile::HipaaSafeHarbor,
        Profile::LimitedDataSet,
        Profile::ExpertDetermination,
        Profile::GdprPseudonymised,
        Profile::GdprAnonymous,
        Profile::Pipeda,
        Profile::Australia,
        Profile::None,
    ];

    /// The word in policies, manifests and reports.
    pub fn word(self) -> &'static str {
        match self {
            Profile::HipaaSafeHarbor => "hipaa-safe-harbor",
            Profile::LimitedDataSet => "limited-data-set",
            Profile::ExpertDetermination => "expert-determination",
            Profile::GdprPseudonymised => "gdpr-pseudonymised",
            Profile::GdprAnonymous => "gdpr-anonymous",
            Profile::Pipeda => "pipeda",
            Profile::Australia => "australia",
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
            Profile::GdprAnonymous => "anonymous, not personal data, as the named assessment of the three tests says (GDPR Recital 26)",
            Profile::Pipeda => "not personal information, as the named assessment says (PIPEDA s. 2(1))",
            Profile::Australia => {
                "de-identified for the named release context, as the named assessment says (Privacy Act 1988 (Cth) s. 6(1))"
            }
            Profile::None => "no legal claim: treat as PHI",
        }
    }

    /// Whether the output is no longer PHI or personal data, so that a kept column counts as treated.
    pub fn output_is_deidentified(self) -> bool {
        matches!(
            self,
            Profile::HipaaSafeHarbor | Profile::ExpertDetermination | Profile::GdprAnonymous | Profile::Pipeda | Profile::Australia
        )
    }

    /// Whether the output is still PHI, so that notices of the law of the United States go with what it protects apart.
    pub fn carries_notices(self) -> bool {
        matches!(self, Profile::LimitedDataSet | Profile::None)
    }

    /// Whether results that are ages over 89 must not be shown as numbers. The law says so for Safe Harbor; where an assessment
    /// decides, the same limit is the careful reading.
    pub fn limits_ages(self) -> bool {
        matches!(self, Profile::HipaaSafeHarbor | Profile::GdprAnonymous | Profile::Pipeda | Profile::Australia)
    }

    /// Whether the profile permits `method` on columns of `class`, as the rule for that class.
    pub fn permits(self, class: &PhiClass, method: &Method) -> Result<(), Refusal> {
        self.judge(class, method, RuleOf::Class)
    }

    /// The paragraph that a rule for this class rests on; empty where the profile makes no claim.
    pub fn paragraph(self, class: &PhiClass) -> &'static str {
        laws::paragraph(self, class)
    }

    pub(crate) fn judge(self, class: &PhiClass, method: &Method, rule: RuleOf) -> Result<(), Refusal> {
        suits(class, method)?;
        if method.removes() {
            return Ok(());
        }
        match self {
            Profile::HipaaSafeHarbor => laws::safe_harbor(class, method),
            Profile::LimitedDataSet => laws::limited_data_set(class, method, rule),
            Profile::ExpertDetermination => laws::expert_determination(class, method),
            Profile::GdprPseudonymised => laws::gdpr_pseudonymised(class, method),
            Profile::GdprAnonymous => laws::gdpr_anonymous(class, method, rule),
            Profile::Pipeda => laws::pipeda(class, method, rule),
            Profile::Australia => laws::australia(class, method, rule),
            Profile::None => Ok(()),
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
