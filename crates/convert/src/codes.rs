//! The user's terminology in a conversion: which codes get a translation in front of them and which a display, and how many of them are known.
//!
//! A translation is a further coding of the same concept: it comes first, and the code as sent stays, marked `userSelected`. Of codes only counts
//! are kept.

use std::sync::Arc;

use smallvec::SmallVec;
use sutura_terminology::{Coverage, Found, SystemName, UserTerminology};

/// The user's terminology, for the options of a converter. Equal is what is the same object.
#[derive(Debug, Clone)]
pub struct UserCodes(pub Arc<UserTerminology>);

impl PartialEq for UserCodes {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for UserCodes {}

/// A coding as it stands.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sent<'s> {
    /// The system, where it has one.
    pub(crate) uri: &'s str,
    /// The local name of the system, where it is known.
    pub(crate) local: &'s str,
    pub(crate) code: &'s str,
    pub(crate) has_display: bool,
}

/// What is to be done with a concept.
#[derive(Debug, Default)]
pub(crate) struct Treatment<'t> {
    /// Displays, by the number of the coding.
    pub(crate) displays: SmallVec<[(usize, &'t str); 2]>,
    /// Codings that come in front, in their order.
    pub(crate) front: Vec<Found<'t>>,
}

impl Treatment<'_> {
    pub(crate) fn is_empty(&self) -> bool {
        self.displays.is_empty() && self.front.is_empty()
    }
}

/// What is to be done with the codings of one concept, which are counted.
pub(crate) fn treat<'t>(user: &'t UserTerminology, sent: &[Sent<'_>], coverage: &mut Coverage) -> Treatment<'t> {
    let mut treatment = Treatment::default();
    let mut found = Vec::new();
    for (number, coding) in sent.iter().enumerate() {
        let answer = user.ask(SystemName { uri: coding.uri, local: coding.local }, coding.code, &mut found);
        coverage.record(if coding.uri.is_empty() { coding.local } else { coding.uri }, answer.seen);
        if let Some(display) = answer.display.filter(|_| !coding.has_display) {
            treatment.displays.push((number, display));
        }
        for target in found.drain(..) {
            let is_there = |system: &str, code: &str| system == target.system && code == target.code;
            if !sent.iter().any(|other| is_there(other.uri, other.code))
                && !treatment.front.iter().any(|other| is_there(other.system, &other.code))
            {
                treatment.front.push(target);
            }
        }
    }
    treatment
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Cursor;

    use sutura_terminology::{Limits, Terminology};

    use super::*;

    /// Codes and a map of a made-up laboratory.
    pub(crate) fn user() -> UserCodes {
        let codes = "system,code,display\n99LAB,GLU,Glucose\nhttp://h.example/99XRAY,CH,Chest film\n1.2.3.99,K,Potassium\n";
        let map = "source_system,source_code,target_system,target_code,display\n99LAB,GLU,LN,2345-7,Glucose in Serum\n\
            http://h.example/99XRAY,CH,LN,36643-5,\n1.2.3.99,K,LN,2823-3,Potassium in Serum\n99LAB,NONE,LN,,\n";
        let mut own = Terminology::empty();
        for (name, text) in [("codes", codes), ("map", map)] {
            own.load_file(name, Cursor::new(text.as_bytes()), &Limits::default()).unwrap();
        }
        UserCodes(Arc::new(UserTerminology::new(own)))
    }

    #[test]
    fn what_is_there_already_is_not_added() {
        let UserCodes(user) = user();
        let mut coverage = Coverage::default();
        let local = Sent { local: "99LAB", code: "GLU", ..Sent::default() };
        let treatment = treat(&user, &[local, local], &mut coverage);
        assert_eq!((treatment.front.len(), treatment.displays.len()), (1, 2));
        let loinc = Sent { uri: "http://loinc.org", code: "2345-7", has_display: true, ..Sent::default() };
        let treatment = treat(&user, &[Sent { has_display: true, ..local }, loinc], &mut coverage);
        assert!(treatment.is_empty());
        let counts = coverage.systems["99LAB"];
        assert_eq!((counts.seen, counts.known, counts.translated, counts.unknown), (3, 3, 3, 0));
        assert_eq!(coverage.systems["http://loinc.org"].unknown, 1);
    }
}
