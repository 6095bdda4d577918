//! What a stretch of text identifies, and where it stands.

use std::{fmt, str::FromStr};

use sutura_core::PhiClass;

macro_rules! text_classes {
    ($($variant:ident $word:literal $phi:ident $doc:literal,)*) => {
        /// What a span of text is: the identifiers of 45 CFR 164.514(b)(2)(i), finer where a replacement needs it, and
        /// the quasi-identifiers that only a stricter policy looks for (see [`ClassSet`]).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum TextClass { $(#[doc = $doc] $variant,)* }

        impl TextClass {
            /// Every class, in order.
            pub const ALL: &'static [TextClass] = &[$(TextClass::$variant,)*];

            /// The word used in tags, tables and rule sets.
            pub fn as_str(self) -> &'static str {
                match self { $(TextClass::$variant => $word,)* }
            }

            /// The class of identifying information that policies know.
            pub fn phi(self) -> PhiClass {
                match self { $(TextClass::$variant => PhiClass::$phi,)* }
            }
        }
    };
}

text_classes! {
    Name "name" Name "A name of a person: patient, relative, provider.",
    Hospital "hospital" Geography "A hospital, clinic, practice, laboratory or other care organisation.",
    Organisation "organisation" Name "An employer, school or company.",
    Street "street" Geography "A street address or a part of one.",
    City "city" Geography "A city, town, county or other place smaller than a state.",
    Zip "zip" Geography "A postal code.",
    Date "date" Date "A date with a month or a day.",
    Age "age" Age "An age over 89.",
    Phone "phone" Phone "A telephone number.",
    Fax "fax" Fax "A fax number.",
    Email "email" Email "An e-mail address.",
    Ssn "ssn" Ssn "A social security number of the United States.",
    Mrn "mrn" Mrn "A medical record number.",
    HealthPlan "health-plan" HealthPlan "A member, policy or beneficiary number, national health-insurance numbers included.",
    Account "account" Account "An account, card or bank number.",
    Licence "licence" Licence "A licence, certificate, DEA, NPI or registration number.",
    Vehicle "vehicle" Vehicle "A vehicle identifier or licence plate.",
    Device "device" Device "A device identifier or serial number.",
    Url "url" Url "A web address.",
    Ip "ip" Ip "An IP or MAC address.",
    Biometric "biometric" Biometric "A biometric identifier.",
    NationalId "national-id" OtherId "A national identity, passport or tax number.",
    OtherId "other-id" OtherId "Any other number or code that stands for one person, sample or event.",
    Year "year" Quasi "A year alone; the law of the United States lets it stay.",
    AgeUnder90 "age-under-90" Quasi "An age up to 89.",
    Sex "sex" Quasi "A word for the sex of the patient.",
    Relative "relative" Quasi "A word for a relative (mother, twin brother), without a name.",
    Profession "profession" Quasi "An occupation.",
    State "state" Quasi "A state, province or region of that size.",
    Country "country" Quasi "A country.",
}

impl fmt::Display for TextClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no class of text.
#[derive(Debug, thiserror::Error)]
#[error("unknown class of text; the reference lists the classes under \"Free text\"")]
pub struct UnknownTextClass;

impl FromStr for TextClass {
    type Err = UnknownTextClass;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        TextClass::ALL.iter().copied().find(|class| class.as_str() == word).ok_or(UnknownTextClass)
    }
}

/// Which classes a scrubber reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassSet(u32);

impl ClassSet {
    /// The identifiers of the HIPAA Safe Harbor: everything but years alone, ages up to 89, sexes, relatives without a name,
    /// professions, states and countries.
    pub fn identifiers() -> Self {
        TextClass::ALL.iter().filter(|class| **class < TextClass::Year).fold(Self(0), |set, class| set.with(*class))
    }

    /// Everything, quasi-identifiers included.
    pub fn all() -> Self {
        TextClass::ALL.iter().fold(Self(0), |set, class| set.with(*class))
    }

    /// The set and this class.
    #[must_use]
    pub fn with(self, class: TextClass) -> Self {
        Self(self.0 | 1 << class as u32)
    }

    /// The set without this class.
    #[must_use]
    pub fn without(self, class: TextClass) -> Self {
        Self(self.0 & !(1 << class as u32))
    }

    /// Whether the class is in the set.
    pub fn contains(self, class: TextClass) -> bool {
        self.0 & 1 << class as u32 != 0
    }
}

/// The rule that found a span, as the reference names it (`date.numeric`, `name.title`, `label`, `known.name`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleId(pub &'static str);

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// A stretch of text that identifies somebody. Offsets are bytes, on character boundaries; it holds no text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
    /// What it is.
    pub class: TextClass,
    /// What found it.
    pub rule: RuleId,
    /// How sure the rule is, 0 to 1.
    pub score: f32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back_and_fit_the_set() {
        assert!(TextClass::ALL.len() <= 32);
        for class in TextClass::ALL {
            assert_eq!(class.as_str().parse::<TextClass>().unwrap(), *class);
            assert!(ClassSet::all().contains(*class));
            assert!(!ClassSet::all().without(*class).contains(*class));
        }
        assert!(ClassSet::identifiers().contains(TextClass::OtherId));
        assert!(!ClassSet::identifiers().contains(TextClass::Year));
    }
}
