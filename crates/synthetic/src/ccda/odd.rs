//! Entries that are odd on purpose, as they are in real documents.

use crate::rng::Rng;

/// What is odd about an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Oddity {
    /// No template id at all.
    NoTemplate,
    /// A date that no calendar has.
    BadTime,
    /// A reference to an ID that the narrative does not have.
    BadReference,
    /// `nullFlavor="UNK"` in place of the code.
    NoCode,
}

impl Oddity {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::NoTemplate => "template-missing",
            Self::BadTime => "time-malformed",
            Self::BadReference => "reference-unresolved",
            Self::NoCode => "code-missing",
        }
    }

    /// Perhaps one, for so many entries of a hundred. Always the same number of draws.
    pub(super) fn draw(rng: &mut Rng, percent: u32) -> Option<Self> {
        let is_odd = rng.percent(u64::from(percent));
        let which = *rng.pick(&[Self::NoTemplate, Self::BadTime, Self::BadReference, Self::NoCode]);
        is_odd.then_some(which)
    }
}
