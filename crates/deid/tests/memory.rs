//! Large inputs take the memory of a few blocks. One test, so that nothing else of the process grows meanwhile; its build says how large: 100 MB in a
//! release build (`cargo test --release -p sutura-deid --test memory`), a part of it in others.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::{
    io::{self, Read},
    sync::Arc,
};

use support::{builtin, treatment};
use sutura_deid::{
    Ledger, Scrub,
    fhir::{FhirDeidentifier, FhirLines},
    hl7v2::Hl7v2Deidentifier,
    plain::PlainDeidentifier,
    stream::{Rewind, StreamDeidentifier},
};
use sutura_privacy::text::{Rules, Scrubber};

/// Largest resident memory of this process so far; none where the system does not tell.
fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? * 1024)
}

/// A part over and over, each time with another number in the place of `#`.
struct Generated {
    head: &'static str,
    part: &'static str,
    tail: &'static str,
    bytes: u64,
    given: u64,
    number: u64,
    current: Vec<u8>,
    at: usize,
    ended: bool,
}

impl Generated {
    fn new(head: &'static str, part: &'static str, tail: &'static str, bytes: u64) -> Self {
        Self { head, part, tail, bytes, given: 0, number: 0, current: head.into(), at: 0, ended: false }
    }
}

impl Read for Generated {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.at == self.current.len() {
            if self.ended {
                return Ok(0);
            }
            self.ended = self.given >= self.bytes;
            self.number += 1;
            self.current = if self.ended { self.tail.into() } else { self.part.replace('#', &self.number.to_string()).into() };
            self.at = 0;
        }
        let read = bytes.len().min(self.current.len() - self.at);
        bytes[..read].copy_from_slice(&self.current[self.at..self.at + read]);
        self.at += read;
        self.given += read as u64;
        Ok(read)
    }
}

impl Rewind for Generated {
    fn read_again(&mut self) -> io::Result<()> {
        *self = Self::new(self.head, self.part, self.tail, self.bytes);
        Ok(())
    }
}

const NOTE: &str =
    "Patient # Zorka Petrova was seen on 03/14/2018 by Dr. Kim at Zork General Hospital, MRN: 2574#, call (617) 555-0100. BP 120/80.\n";
const MESSAGE: &str = "MSH|^~\\&|LAB|HOSP|||20240301101500||ORU^R01|MSG#|P|2.5.1\rPID|1||A-#^^^HOSP^MR||Zork#^Jane||19800517|F\r\
OBR|1|P1|F1|718-7^Hb^LN|||20240301101500\rOBX|1|NM|718-7^Hb^LN||13.5|g/dL|||||F\rNTE|1||Jane Zork# called from (617) 555-0100 on 03/14/2018.\r";
const LINE: &str = "{\"resourceType\":\"Patient\",\"id\":\"p#\",\"name\":[{\"family\":\"Zork#\"}],\"birthDate\":\"1980-05-17\",\"identifier\":[{\"value\":\"A#\"}]}\n";
const ENTRY: &str = "{\"fullUrl\":\"urn:uuid:#\",\"resource\":{\"resourceType\":\"Patient\",\"id\":\"p#\",\"identifier\":[{\"type\":{\"coding\":[{\"code\":\"MR\"}]},\"value\":\"A#\"}],\
\"name\":[{\"family\":\"Zork#\"}],\"birthDate\":\"1980-05-17\"}},{\"resource\":{\"resourceType\":\"Observation\",\"id\":\"o#\",\"status\":\"final\",\"code\":{\"coding\":[{\
\"system\":\"http://loinc.org\",\"code\":\"718-7\",\"display\":\"Hemoglobin\"}]},\"subject\":{\"reference\":\"urn:uuid:#\"},\"effectiveDateTime\":\"2024-03-01T10:15:00-05:00\",\
\"valueQuantity\":{\"value\":13.5,\"unit\":\"g/dL\",\"system\":\"http://unitsofmeasure.org\",\"code\":\"g/dL\"},\"note\":[{\"text\":\"Zork# was seen on 2024-03-01.\"}]}},";

#[test]
fn large_inputs_take_the_memory_of_a_few_blocks() {
    if peak_bytes().is_none() {
        eprintln!("SKIPPED: this system does not say how much memory a process takes");
        return;
    }
    let privacy = builtin("gdpr-pseudonymised");
    let scrub = || treatment(&privacy).with_text_stage(Arc::new(Scrub::new(Scrubber::new(Rules::builtin(&["en"]).unwrap()), &privacy)));
    let (hl7v2, fhir, notes) = (Hl7v2Deidentifier::new(scrub()), FhirDeidentifier::new(scrub()), PlainDeidentifier::new(scrub()));
    let lines = FhirLines(&fhir);
    let bundle = ["{\"resourceType\":\"Bundle\",\"type\":\"collection\",\"entry\":[", ENTRY, "{}]}"];
    // What a Bundle keeps for each entry is a part of it: some dozens of bytes of some hundreds.
    let all: [(&str, &dyn StreamDeidentifier, [&'static str; 3], u64); 4] = [
        ("notes", &notes, ["", NOTE, ""], 0),
        ("hl7v2", &hl7v2, ["FHS|^~\\&\rBHS|^~\\&\r", MESSAGE, "BTS|1\rFTS|1\r"], 0),
        ("fhir lines", &lines, ["", LINE, ""], 0),
        ("fhir bundle", &fhir, bundle, 5),
    ];
    for (name, deidentifier, [head, part, tail], share) in all {
        let run = |bytes: u64| {
            let mut refused = 0;
            let mut input = Generated::new(head, part, tail, bytes);
            let done = deidentifier.deidentify_stream(&mut input, &mut io::sink(), &mut Ledger::new(), &mut |_| refused += 1).unwrap();
            assert!(done.bytes_in >= bytes && done.bytes_out > done.bytes_in / 4 && refused == 0, "{name} {done:?} {refused}");
        };
        // Plans, rules and buffers are made before it counts.
        run(2_000_000);
        let before = peak_bytes().unwrap();
        let bytes = match (cfg!(debug_assertions), name) {
            (false, _) => 100_000_000,
            (true, "hl7v2") => 16_000_000,
            (true, _) => 8_000_000,
        };
        run(bytes);
        let grown = peak_bytes().unwrap() - before;
        let most = 8_000_000 + bytes * share / 10;
        eprintln!("{name}: {bytes} bytes read, {grown} bytes more memory");
        assert!(grown < most, "{name}: {grown} bytes for {bytes}");
    }
}
