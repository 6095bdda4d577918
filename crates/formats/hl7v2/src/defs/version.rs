//! Versions of the standard, and sets of them.

/// A version of HL7 v2, in order of publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(u8);

/// In the order of the bits in the data files. 2.7.1 counts as 2.7: the dictionary does not tell them apart.
const NAMES: [&str; 13] = ["2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.8", "2.8.1", "2.8.2", "2.9"];

impl Version {
    /// 2.3, the first version with the structures that are common today.
    pub const V2_3: Self = Self(2);
    /// 2.5.1, taken where a message states no version.
    pub const V2_5_1: Self = Self(6);
    /// The latest version the dictionary knows.
    pub const LATEST: Self = Self(12);

    /// Reads a version as MSH-12.1 states it.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        match text {
            "2.7.1" => Self::parse("2.7"),
            "2.3.2" => Self::parse("2.3.1"),
            "2.0" | "2.0D" => Some(Self(0)),
            _ => NAMES.iter().position(|name| *name == text).map(|at| Self(at as u8)),
        }
    }

    /// As MSH-12.1 writes it.
    pub fn as_str(self) -> &'static str {
        NAMES[usize::from(self.0)]
    }
}

/// A set of versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VersionSet(u16);

impl VersionSet {
    /// From a bit mask, 2.1 in the lowest bit. What holds in 2.8.2 is taken to hold in 2.9, which
    /// the sources do not describe.
    pub(super) fn from_bits(bits: u16) -> Self {
        Self(bits | (bits & 1 << 11) << 1)
    }

    /// Whether it has the version.
    pub fn contains(self, version: Version) -> bool {
        self.0 >> version.0 & 1 == 1
    }

    /// Whether it is empty.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The first version in it.
    pub fn first(self) -> Option<Version> {
        (!self.is_empty()).then(|| Version(self.0.trailing_zeros() as u8))
    }

    /// The last version in it.
    pub fn last(self) -> Option<Version> {
        (!self.is_empty()).then(|| Version(15 - self.0.leading_zeros() as u8))
    }
}
