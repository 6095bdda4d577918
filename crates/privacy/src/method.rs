//! The methods a policy can choose, and their words in TOML.

use std::fmt;

/// The greatest shift in days when a policy names none: half a year either way keeps seasons apart by at most one.
pub const DEFAULT_SHIFT_DAYS: u16 = 182;

/// The language of free text when a policy names none.
pub const DEFAULT_LANGUAGE: &str = "en";

/// What happens to a column.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Method {
    /// Stays as it is.
    Keep,
    /// The column is removed.
    Drop,
    /// Every value becomes null; the column stays, so that the schema does.
    Redact,
    /// Every value becomes `***`: that there was a value stays visible, nothing else does.
    Mask,
    /// Keyed one-way pseudonym: HMAC-SHA256 over project, domain, kind and canonical value.
    Pseudonym {
        /// Values of one kind share a pseudonym space; the class word when `None`.
        kind: Option<String>,
    },
    /// Random code from the vault, never derived from the value.
    VaultCode {
        /// Values of one kind share a code space; the class word when `None`.
        kind: Option<String>,
    },
    /// Reversible, deterministic encryption (AES-SIV) bound to project and column.
    Encrypt,
    /// Dates move by a secret number of days that is the same for all dates of one patient.
    ShiftDate {
        /// Greatest shift either way, at least 1 day.
        max_days: u16,
    },
    /// Only the year stays; years that show an age over 89 become one category.
    Year,
    /// The age becomes a group.
    AgeBand {
        /// Which groups.
        scheme: AgeScheme,
    },
    /// The first three digits of a ZIP code where more than 20,000 people live, else `000`.
    Zip3,
    /// In free text, what identifies somebody is replaced by its class in brackets, dates as the policy treats dates.
    Scrub {
        /// Built-in rule sets of [`crate::text::Rules`], by language; never empty.
        languages: Vec<String>,
    },
}

/// Age groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AgeScheme {
    /// `paediatric` (under 18), `adult` (18 to 64), `geriatric` (65 and over).
    LifeStage,
    /// `0-9`, `10-19`, ... `80-89`, `90+`.
    TenYear,
    /// The age itself up to 89, then `90+` (in number columns: 90 stands for 90 and over).
    TopCode,
}

impl AgeScheme {
    /// All schemes.
    pub const ALL: [AgeScheme; 3] = [AgeScheme::LifeStage, AgeScheme::TenYear, AgeScheme::TopCode];

    /// The word in TOML and SQL.
    pub fn word(self) -> &'static str {
        match self {
            AgeScheme::LifeStage => "life-stage",
            AgeScheme::TenYear => "ten-year",
            AgeScheme::TopCode => "top-code",
        }
    }

    /// The scheme of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scheme| scheme.word() == word)
    }
}

impl Method {
    /// The words, in the order of the reference page.
    pub const WORDS: [&str; 12] =
        ["keep", "drop", "redact", "mask", "pseudonym", "vault-code", "encrypt", "shift-date", "year", "age-band", "zip3", "scrub"];

    /// The method of that word, with its default parameters.
    pub fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "keep" => Method::Keep,
            "drop" => Method::Drop,
            "redact" => Method::Redact,
            "mask" => Method::Mask,
            "pseudonym" => Method::Pseudonym { kind: None },
            "vault-code" => Method::VaultCode { kind: None },
            "encrypt" => Method::Encrypt,
            "shift-date" => Method::ShiftDate { max_days: DEFAULT_SHIFT_DAYS },
            "year" => Method::Year,
            "age-band" => Method::AgeBand { scheme: AgeScheme::TenYear },
            "zip3" => Method::Zip3,
            "scrub" => Method::Scrub { languages: vec![DEFAULT_LANGUAGE.to_owned()] },
            _ => return None,
        })
    }

    /// The word in TOML, in field metadata and in reports.
    pub fn word(&self) -> &'static str {
        match self {
            Method::Keep => "keep",
            Method::Drop => "drop",
            Method::Redact => "redact",
            Method::Mask => "mask",
            Method::Pseudonym { .. } => "pseudonym",
            Method::VaultCode { .. } => "vault-code",
            Method::Encrypt => "encrypt",
            Method::ShiftDate { .. } => "shift-date",
            Method::Year => "year",
            Method::AgeBand { .. } => "age-band",
            Method::Zip3 => "zip3",
            Method::Scrub { .. } => "scrub",
        }
    }

    /// Whether no content of the value is left.
    pub(crate) fn removes(&self) -> bool {
        matches!(self, Method::Drop | Method::Redact | Method::Mask)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        match self {
            Method::AgeBand { scheme } => write!(f, " ({})", scheme.word()),
            Method::ShiftDate { max_days } => write!(f, " (up to {max_days} days)"),
            Method::Pseudonym { kind: Some(kind) } | Method::VaultCode { kind: Some(kind) } => write!(f, " ({kind})"),
            Method::Scrub { languages } => write!(f, " ({})", languages.join(", ")),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back() {
        for word in Method::WORDS {
            assert_eq!(Method::from_word(word).unwrap().word(), word);
        }
        for scheme in AgeScheme::ALL {
            assert_eq!(AgeScheme::from_word(scheme.word()), Some(scheme));
        }
    }
}
