//! What each law permits, class by class, with the paragraph that says so.

use sutura_core::PhiClass;

use super::{Profile, Refusal, RuleOf};
use crate::method::{AgeScheme, Method};

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
        (Method::Scrub { .. }, PhiClass::FreeText) => Ok(()),
        (Method::Scrub { .. }, _) => refuse("", "scrub is for columns of class free-text only; use drop, redact or a code"),
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

pub(super) fn safe_harbor(class: &PhiClass, method: &Method) -> Result<(), Refusal> {
    match (class, method) {
        (_, Method::Pseudonym { .. } | Method::Encrypt) => {
            refuse("45 CFR 164.514(c)(1)", "a code derived from the value is not allowed under Safe Harbor; use vault-code or drop")
        }
        (_, Method::ShiftDate { .. }) => refuse(
            safe_harbor_letter(class),
            "a shifted date is still a full date; use year, or claim expert-determination or limited-data-set",
        ),
        (_, Method::VaultCode { .. } | Method::Year | Method::AgeBand { .. } | Method::Zip3 | Method::Scrub { .. }) => Ok(()),
        (PhiClass::Date, Method::Keep) => refuse(safe_harbor_letter(class), "only the year of a date may stay; use year, age-band or drop"),
        (PhiClass::Age, Method::Keep) => {
            refuse(safe_harbor_letter(class), "ages over 89 must become one category; use age-band with scheme top-code or ten-year")
        }
        (PhiClass::Geography, Method::Keep) => refuse(
            safe_harbor_letter(class),
            "places smaller than a state must go; use zip3 for ZIP codes, drop for the rest (a state is class quasi)",
        ),
        (PhiClass::FreeText, Method::Keep) => {
            refuse(safe_harbor_letter(class), "free text may hold any of the 18 identifiers; use scrub, redact or drop")
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

pub(super) fn limited_data_set(class: &PhiClass, method: &Method, rule: RuleOf) -> Result<(), Refusal> {
    match (class, method) {
        (class, Method::Keep) if is_direct_identifier(class) => refuse(
            "45 CFR 164.514(e)(2)",
            "this is one of the 16 identifiers that a limited data set excludes; use drop, pseudonym or vault-code",
        ),
        (PhiClass::FreeText, Method::Keep) => {
            refuse("45 CFR 164.514(e)(2)", "free text may hold the 16 excluded identifiers; use scrub, redact or drop")
        }
        (PhiClass::Geography, Method::Keep) if rule == RuleOf::Class => refuse(
            "45 CFR 164.514(e)(2)(ii)",
            "only town or city, county, state and ZIP code may stay; keep those columns by name in [columns], drop the class",
        ),
        _ => Ok(()),
    }
}

pub(super) fn expert_determination(class: &PhiClass, method: &Method) -> Result<(), Refusal> {
    match (class, method) {
        (class, Method::Keep) if is_direct_identifier(class) || *class == PhiClass::OtherId => {
            refuse("45 CFR 164.514(b)(1)", "an untouched direct identifier cannot be of very small risk; use drop, pseudonym or vault-code")
        }
        (PhiClass::FreeText, Method::Keep) => {
            refuse("45 CFR 164.514(b)(1)", "unscrubbed free text cannot be of very small risk; use scrub, redact or drop")
        }
        _ => Ok(()),
    }
}

pub(super) fn gdpr_pseudonymised(class: &PhiClass, method: &Method) -> Result<(), Refusal> {
    match (class, method) {
        (class, Method::Keep) if is_direct_identifier(class) || *class == PhiClass::OtherId => {
            refuse("GDPR Art. 4(5)", "the person could be known without additional information; use pseudonym, vault-code, encrypt or drop")
        }
        (PhiClass::FreeText, Method::Keep) => refuse("GDPR Art. 4(5)", "free text may name the person; use scrub, redact or drop"),
        (PhiClass::Date | PhiClass::Geography | PhiClass::Age, Method::Keep) => refuse(
            "GDPR Art. 4(5), EDPB Guidelines 01/2025",
            "a quasi-identifier singles people out when it stays whole; use shift-date, year, age-band or redact",
        ),
        _ => Ok(()),
    }
}

const RECITAL_26: &str = "GDPR Recital 26";

/// Anonymous: nobody can be singled out, linked or inferred by any means reasonably likely to be used.
pub(super) fn gdpr_anonymous(class: &PhiClass, method: &Method, rule: RuleOf) -> Result<(), Refusal> {
    match (class, method) {
        (_, Method::Pseudonym { .. } | Method::Encrypt) => {
            refuse("GDPR Recital 26, Art. 4(5)", "a keyed code is pseudonymisation, and its output is personal data; use drop or redact")
        }
        (_, Method::VaultCode { .. }) => refuse(
            "GDPR Recital 26, WP216 (linkability)",
            "a code that stays the same links the records of one person, even when it is random; use drop or redact",
        ),
        (_, Method::ShiftDate { .. }) => refuse(
            "GDPR Recital 26, WP216 (singling out)",
            "moved dates keep the days between events, which single a person out; use year, age-band or drop",
        ),
        (_, Method::AgeBand { scheme: AgeScheme::TopCode }) => {
            refuse("GDPR Recital 26, WP216 (singling out)", "ages to the year single people out; use scheme ten-year or life-stage")
        }
        (_, Method::Scrub { .. }) => {
            refuse("GDPR Recital 26, WP216 (singling out)", "a story singles a person out even without names; use redact or drop")
        }
        (_, Method::Year | Method::AgeBand { .. } | Method::Zip3) => Ok(()),
        (PhiClass::Quasi | PhiClass::Sensitive(_), Method::Keep) if rule == RuleOf::Class => refuse(
            "GDPR Recital 26, WP216 (singling out, inference)",
            "keep by name in [columns] those that the assessment covers, and redact or drop the class",
        ),
        (PhiClass::Quasi | PhiClass::Sensitive(_) | PhiClass::Clinical | PhiClass::Operational, Method::Keep) => Ok(()),
        _ => refuse(RECITAL_26, "as it is, it can single a person out; generalise it (year, age-band) or drop it"),
    }
}

const PIPEDA: &str = "PIPEDA s. 2(1), Gordon v. Canada (Health), 2008 FC 258";

/// No serious possibility that an individual is identified, by the information alone or with other information.
pub(super) fn pipeda(class: &PhiClass, method: &Method, rule: RuleOf) -> Result<(), Refusal> {
    match (class, method) {
        (_, Method::Encrypt) => {
            refuse(PIPEDA, "what can be decrypted is still about an identifiable individual; use vault-code, pseudonym or drop")
        }
        (class, Method::Keep) if is_direct_identifier(class) || *class == PhiClass::OtherId => {
            refuse(PIPEDA, "this identifies alone or with other records; use vault-code, pseudonym or drop")
        }
        (PhiClass::FreeText, Method::Keep) => refuse(PIPEDA, "free text may name the person; use scrub, redact or drop"),
        (class, Method::Keep) if by_assessment(class) && rule == RuleOf::Class => refuse(
            PIPEDA,
            "with other information it can identify: generalise it (year, age-band), or keep by name in [columns] what the assessment covers",
        ),
        _ => Ok(()),
    }
}

const PRIVACY_ACT: &str = "Privacy Act 1988 (Cth) s. 6(1)";

/// First direct identifiers go, then the rest is altered or the access to it controlled.
pub(super) fn australia(class: &PhiClass, method: &Method, rule: RuleOf) -> Result<(), Refusal> {
    match (class, method) {
        // Tax file numbers; Medicare numbers, individual healthcare identifiers and numbers of Veterans' Affairs.
        (PhiClass::Ssn | PhiClass::HealthPlan, Method::Keep | Method::Pseudonym { .. } | Method::Encrypt) => refuse(
            "Privacy Act 1988 (Cth) Sch. 1, APP 9.1",
            "a government related identifier, or a code worked out from it, may not become an identifier of its own; use drop or vault-code",
        ),
        (_, Method::Encrypt) => refuse(
            PRIVACY_ACT,
            "what can be decrypted is about an individual who is reasonably identifiable; use vault-code, pseudonym or drop",
        ),
        (class, Method::Keep) if is_direct_identifier(class) || *class == PhiClass::OtherId => {
            refuse(PRIVACY_ACT, "direct identifiers go first, whatever the release context; use vault-code, pseudonym or drop")
        }
        (PhiClass::FreeText, Method::Keep) => refuse(PRIVACY_ACT, "free text may name the person; use scrub, redact or drop"),
        (class, Method::Keep) if by_assessment(class) && rule == RuleOf::Class => refuse(
            PRIVACY_ACT,
            "alter it (year, shift-date, age-band), or keep by name in [columns] what the assessment of the release context covers",
        ),
        _ => Ok(()),
    }
}

/// What identifies with other information: laws without a fixed list leave it to an assessment.
fn by_assessment(class: &PhiClass) -> bool {
    matches!(class, PhiClass::Date | PhiClass::Age | PhiClass::Geography)
}

/// The paragraph that a rule for this class rests on, for explanations; empty where the profile makes no claim.
pub(super) fn paragraph(profile: Profile, class: &PhiClass) -> &'static str {
    let limited = is_direct_identifier(class) || *class == PhiClass::FreeText;
    match profile {
        Profile::HipaaSafeHarbor => match class {
            PhiClass::Quasi | PhiClass::Clinical | PhiClass::Operational => "45 CFR 164.514(b)(2)(i): not on the list of 18",
            PhiClass::Sensitive(_) => "45 CFR 164.514(b)(2)(i): not on the list of 18; the category's own law",
            PhiClass::FreeText => "45 CFR 164.514(b)(2)(i)(A)-(R)",
            class => safe_harbor_letter(class),
        },
        Profile::LimitedDataSet if limited => "45 CFR 164.514(e)(2)",
        Profile::LimitedDataSet if *class == PhiClass::Geography => "45 CFR 164.514(e)(2)(ii)",
        Profile::LimitedDataSet => "45 CFR 164.514(e)(2): not on the list of 16",
        Profile::ExpertDetermination => "45 CFR 164.514(b)(1)",
        Profile::GdprPseudonymised if matches!(class, PhiClass::Sensitive(_)) => "GDPR Art. 4(5), Art. 9(1)",
        Profile::GdprPseudonymised => "GDPR Art. 4(5)",
        Profile::GdprAnonymous => RECITAL_26,
        Profile::Pipeda if matches!(class, PhiClass::Sensitive(_)) => "PIPEDA s. 2(1), Sch. 1 cl. 4.3.4",
        Profile::Pipeda => "PIPEDA s. 2(1)",
        Profile::Australia if matches!(class, PhiClass::Ssn | PhiClass::HealthPlan) => "Privacy Act 1988 (Cth) Sch. 1, APP 9.1",
        Profile::Australia => PRIVACY_ACT,
        Profile::None => "",
    }
}
