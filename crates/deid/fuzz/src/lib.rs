//! What the targets share: policies, and what must hold of every result.

use std::{
    io::{Cursor, Read, Seek, SeekFrom},
    sync::Arc,
};

use sutura_deid::{DocumentDeidentifier, Ledger, Scrub, Treatment, stream::StreamDeidentifier};
use sutura_privacy::{
    Deidentifier, KeyRing, MemoryVault, Policy, Scope,
    text::{Rules, Scrubber},
};

pub use sutura_privacy_fuzz::document;

/// The patient's record number and family name in the documents of the targets.
pub const NUMBER: &str = "4711936001";
pub const FAMILY: &str = "Zorkovich";

/// One with free text removed, one with it scrubbed.
pub fn subjects<S>(make: impl Fn(Treatment) -> S) -> [S; 2] {
    let policy = Policy::builtin("hipaa-safe-harbor").expect("a policy");
    let vault = Arc::new(MemoryVault::new().expect("a vault"));
    let privacy = Deidentifier::new(policy, &KeyRing::generate().expect("keys"), Scope::new("p", "d"), Some(vault)).expect("an engine");
    let treatment = Treatment::new(&privacy).expect("a treatment");
    let scrub = Scrub::new(Scrubber::new(Rules::builtin(&["en"]).expect("rules")), &privacy);
    [make(treatment.clone()), make(treatment.with_text_stage(Arc::new(scrub)))]
}

/// Which of the subjects.
pub fn choice(data: &[u8]) -> usize {
    usize::from(data.first().is_some_and(|first| first & 1 == 1))
}

/// De-identifies: what is refused leaves nothing behind, and of what is known of the patient nothing is in the result or the ledger.
pub fn released(subject: &impl DocumentDeidentifier, bytes: &[u8], known: &[&str]) -> Option<Vec<u8>> {
    let (mut out, mut ledger) = (Vec::new(), Ledger::new());
    if subject.deidentify(bytes, &mut out, &mut ledger).is_err() {
        assert!(out.is_empty() && ledger.rows().is_empty() && ledger.documents() == 0);
        return None;
    }
    let rows = format!("{:?}", ledger.rows());
    for word in known {
        assert!(!contains(&out, word), "{word} is left");
        assert!(!rows.contains(word));
    }
    Some(out)
}

fn contains(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|part| part == word.as_bytes())
}

/// What is read a few bytes at a time becomes the same.
pub fn streams_alike(subject: &impl StreamDeidentifier, bytes: &[u8], out: Option<&[u8]>) {
    let (mut streamed, mut ledger) = (Vec::new(), Ledger::new());
    let mut input = Slow { bytes: Cursor::new(bytes), step: 1 + bytes.len() % 97 };
    let done = subject.deidentify_stream(&mut input, &mut streamed, &mut ledger, &mut |_| {});
    assert_eq!(done.is_ok(), out.is_some());
    if let Some(out) = out {
        assert_eq!(streamed.trim_ascii_end(), out.trim_ascii_end());
    }
}

/// A file that gives out a few bytes at a time.
pub struct Slow<'b> {
    bytes: Cursor<&'b [u8]>,
    step: usize,
}

impl Read for Slow<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        let most = bytes.len().min(self.step);
        self.bytes.read(&mut bytes[..most])
    }
}

impl Seek for Slow<'_> {
    fn seek(&mut self, place: SeekFrom) -> std::io::Result<u64> {
        self.bytes.seek(place)
    }
}
