//! What a released file is called.

use sutura_dicom::{Tag, write::OwnedDataSet};

/// The codes that name a released file; nothing of the input's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputName {
    /// The patient's code, `unknown` where the policy leaves none.
    pub patient: String,
    /// Study Instance UID.
    pub study: String,
    /// Series Instance UID.
    pub series: String,
    /// SOP Instance UID.
    pub instance: String,
}

impl OutputName {
    /// The pattern that is used where none is given.
    pub const DEFAULT_PATTERN: &'static str = "{patient}/{study}/{series}/{sop}.dcm";

    /// Whether a pattern names files apart and below their folder.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check_pattern(pattern: &str) -> Result<(), &'static str> {
        let mut rest = pattern.to_owned();
        for known in ["{patient}", "{study}", "{series}", "{sop}"] {
            rest = rest.replace(known, "x");
        }
        if rest.contains(['{', '}']) {
            return Err("only {patient}, {study}, {series} and {sop} are replaced");
        }
        if !pattern.contains("{sop}") {
            return Err("{sop} has to be in it: the names of two files would be the same");
        }
        let plain = rest.split('/').all(|part| !part.is_empty() && !part.starts_with('.') && !part.contains(['\\', ':', '\0']));
        if plain { Ok(()) } else { Err("give a path below the output, without empty parts and parts that begin with a point") }
    }

    /// Of a released data set.
    pub(crate) fn of(data_set: &OwnedDataSet) -> Self {
        let part = |tag| safe(&data_set.text(Tag(tag)));
        Self { patient: part(0x0010_0020), study: part(0x0020_000D), series: part(0x0020_000E), instance: part(0x0008_0018) }
    }

    /// The path by a pattern: `{patient}`, `{study}`, `{series}` and `{sop}` are replaced, the rest stays. No part leads out of a folder.
    pub fn path(&self, pattern: &str) -> String {
        pattern
            .replace("{patient}", &self.patient)
            .replace("{study}", &self.study)
            .replace("{series}", &self.series)
            .replace("{sop}", &self.instance)
    }
}

/// Letters, digits, points and hyphens, at most 64; no name that begins with a point.
fn safe(text: &str) -> String {
    let kept = |letter: char| if letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_') { letter } else { '_' };
    let name: String = text.chars().take(64).map(kept).collect();
    let name = name.trim_start_matches('.');
    if name.is_empty() { "unknown".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_stay_below_the_folder() {
        for good in ["{patient}/{study}/{series}/{sop}.dcm", "{sop}", "images/{sop}.dcm"] {
            assert!(OutputName::check_pattern(good).is_ok(), "{good}");
        }
        for bad in ["/{sop}", "../{sop}", "{name}/{sop}", "{patient}.dcm", "a//{sop}", ".hidden/{sop}", "C:\\{sop}", "{sop}/"] {
            assert!(OutputName::check_pattern(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_stay_in_their_folder() {
        let name = OutputName { patient: safe("../../x"), study: safe("1.2"), series: safe(""), instance: safe("a/b") };
        assert_eq!(name.path(OutputName::DEFAULT_PATTERN), "_.._x/1.2/unknown/a_b.dcm");
    }
}
