//! How fast messages, resources, documents and notes are de-identified on one core, in CPU time of this thread, and how much memory large ones
//! take (Linux).
//!
//! `cargo run --release -p sutura-deid --example documents_throughput -- [hl7v2|fhir|bundle|ccda|notes|all] [SECONDS] [memory]`
//!
//! Inputs are generated. Nothing is read from or written to disk while time is taken. With `memory` an input of 100 MB is read as a stream instead, and
//! the largest resident memory of the process is shown; name one format then.
#![allow(clippy::print_stdout)]

use std::{
    error::Error,
    fs,
    hint::black_box,
    io::{self, Read},
    path::Path,
    sync::Arc,
};

use sutura_deid::{
    DocumentDeidentifier, Ledger, Scrub, Treatment,
    ccda::CcdaDeidentifier,
    fhir::FhirDeidentifier,
    hl7v2::Hl7v2Deidentifier,
    plain::PlainDeidentifier,
    stream::{Rewind, StreamDeidentifier},
};
use sutura_privacy::{
    Deidentifier, KeyRing, MemoryVault, Policy, Scope,
    text::{Rules, Scrubber},
};
use sutura_synthetic::{CcdaExport, CcdaOptions, Feed, FeedOptions, FhirExport, FhirOptions, Layout};

const LARGE: u64 = 100_000_000;

/// CPU nanoseconds this thread has used.
fn cpu_nanos() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(0)
}

/// Largest resident memory so far, in MB.
fn peak_megabytes() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches("kB").trim().parse::<f64>().unwrap_or(0.0) * 1024.0 / 1e6
}

fn collect(path: &Path, end: &str, found: &mut Vec<Vec<u8>>) -> io::Result<()> {
    let mut entries: Vec<_> = fs::read_dir(path)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(fs::DirEntry::path);
    for entry in entries {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, end, found)?;
        } else if path.to_string_lossy().ends_with(end) {
            found.push(fs::read(&path)?);
        }
    }
    Ok(())
}

/// Documents of a format.
fn documents(format: &str) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("sutura-documents-throughput-{}-{format}", std::process::id()));
    let mut found = Vec::new();
    match format {
        "hl7v2" => {
            let options = FeedOptions { messages: 2000, per_file: 2000, seed: 7, malformed_share: 0.0, ..FeedOptions::default() };
            Feed::new(options)?.write_to(&folder, &|_| {})?;
            let mut files = Vec::new();
            collect(&folder, ".hl7", &mut files)?;
            for file in files {
                let text = String::from_utf8_lossy(&file).replace('\n', "\r");
                found.extend(text.split("MSH|").skip(1).map(|rest| format!("MSH|{rest}").into_bytes()));
            }
        }
        "fhir" | "bundle" => {
            let layout = if format == "fhir" { Layout::Ndjson } else { Layout::Bundles };
            let options = FhirOptions { patients: 40, seed: 7, layout, ..FhirOptions::default() };
            FhirExport::new(options)?.write_to(&folder, &|_| std::ops::ControlFlow::Continue(()))?;
            collect(&folder, if format == "fhir" { ".ndjson" } else { ".json" }, &mut found)?;
            if format == "fhir" {
                let lines = found.iter().flat_map(|file| file.split(|byte| *byte == b'\n')).filter(|line| !line.is_empty());
                found = lines.map(<[u8]>::to_vec).collect();
            } else {
                found.retain(|file| file.windows(10).any(|part| part == b"\"resource\""));
            }
        }
        "ccda" => {
            CcdaExport::new(CcdaOptions { patients: 40, seed: 7, ..CcdaOptions::default() })?
                .write_to(&folder, &|_| std::ops::ControlFlow::Continue(()))?;
            collect(&folder, ".xml", &mut found)?;
        }
        _ => found.extend((0..400).map(|number| note(number).into_bytes())),
    }
    fs::remove_dir_all(&folder).ok();
    Ok(found)
}

fn note(number: usize) -> String {
    let names = ["Rhonda Shea", "Miguel Ortiz", "Ana van der Berg", "Wei Zhang", "Oluwaseun Adeyemi"];
    let (name, doctor) = (names[number % 5], names[(number + 2) % 5]);
    format!(
        "DISCHARGE SUMMARY\nPatient: {name}   MRN: {mrn}   DOB: 3/{day}/19{year}\nAdmitted 03/{day}/2018, discharged 03/2{digit}/2018.\n\n\
         HISTORY OF PRESENT ILLNESS: {name} is a 7{digit} year old with Parkinson's disease and type 2 diabetes, seen by Dr. {doctor} at St. Mary's \
         Hospital for chest pain of two days. BP 138/82, HR 88, SpO2 97 %, HbA1c 7.2 %. No fever, chills or cough. Given aspirin 81 mg, metoprolol \
         25 mg twice a day and atorvastatin 40 mg. The troponin was 0.04 ng/mL and fell; the electrocardiogram showed no changes of ST.\n\n\
         COURSE: On 03/{day}/2018 a stress test was negative. The patient's daughter was called at (617) 555-01{digit}0 and agreed to the plan. The \
         family lives at 12 Elm Street, Boston, MA 02139. Follow up within two weeks; call 617-555-0199 with questions, or write to \
         clinic{digit}@example.org.\n\nElectronically signed: {doctor}, MD, 03/2{digit}/2018 14:0{digit}\n\n",
        mrn = 257_000 + number,
        day = 10 + number % 18,
        year = 40 + number % 50,
        digit = number % 9,
    )
}

struct Subjects {
    hl7v2: Hl7v2Deidentifier,
    fhir: FhirDeidentifier,
    ccda: CcdaDeidentifier,
    notes: PlainDeidentifier,
}

impl Subjects {
    fn new(treatment: &Treatment) -> Self {
        let limits = sutura_ccda::Limits { bytes: 1 << 28, nodes: 64_000_000, ..Default::default() };
        Self {
            hl7v2: Hl7v2Deidentifier::new(treatment.clone()),
            fhir: FhirDeidentifier::new(treatment.clone()),
            ccda: CcdaDeidentifier::new(treatment.clone()).with_limits(limits),
            notes: PlainDeidentifier::new(treatment.clone()),
        }
    }

    fn of(&self, format: &str) -> &dyn DocumentDeidentifier {
        match format {
            "hl7v2" => &self.hl7v2,
            "fhir" | "bundle" => &self.fhir,
            "ccda" => &self.ccda,
            _ => &self.notes,
        }
    }

    fn stream_of(&self, format: &str) -> &dyn StreamDeidentifier {
        match format {
            "hl7v2" => &self.hl7v2,
            "fhir" | "bundle" => &self.fhir,
            "ccda" => &self.ccda,
            _ => &self.notes,
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let wanted = arguments.next().unwrap_or_else(|| "all".to_owned());
    let seconds: f64 = arguments.next().map_or(Ok(2.0), |text| text.parse())?;
    let memory = arguments.next().is_some_and(|word| word == "memory");
    let formats = ["hl7v2", "fhir", "bundle", "ccda", "notes"];
    for format in formats.into_iter().filter(|format| wanted == "all" || wanted == *format) {
        let documents = documents(format)?;
        for (policy, scrubs) in [("hipaa-safe-harbor", false), ("gdpr-pseudonymised", false), ("gdpr-pseudonymised", true)] {
            // A note is scrubbed or gone.
            if (format == "notes" || memory) && !scrubs {
                continue;
            }
            let vault = Arc::new(MemoryVault::new()?);
            let privacy = Deidentifier::new(Policy::builtin(policy)?, &KeyRing::generate()?, Scope::new("bench", "bench"), Some(vault))?;
            let mut treatment = Treatment::new(&privacy)?;
            if scrubs {
                treatment = treatment.with_text_stage(Arc::new(Scrub::new(Scrubber::new(Rules::builtin(&["en"])?), &privacy)));
            }
            let subjects = Subjects::new(&treatment);
            let what = format!("{format} {policy}{}", if scrubs { " scrub" } else { "" });
            if memory {
                stream(&what, &subjects, format, documents.clone())?;
            } else {
                time(&what, subjects.of(format), &documents, seconds);
            }
        }
    }
    Ok(())
}

fn time(what: &str, subject: &dyn DocumentDeidentifier, documents: &[Vec<u8>], seconds: f64) {
    let bytes: usize = documents.iter().map(Vec::len).sum();
    let (mut best, mut all, mut refused, mut out) = (f64::MAX, 0.0, 0u64, Vec::new());
    while all < seconds {
        let mut ledger = Ledger::new();
        let start = cpu_nanos();
        refused = 0;
        for document in documents {
            out.clear();
            refused += u64::from(subject.deidentify(document, &mut out, &mut ledger).is_err());
            black_box(&out);
        }
        let took = (cpu_nanos() - start) as f64 / 1e9;
        (best, all) = (best.min(took), all + took);
    }
    println!(
        "{{\"what\":\"{what}\",\"documents\":{},\"refused\":{refused},\"mb\":{:.2},\"cpu_s\":{best:.4},\"mb_per_s\":{:.1}}}",
        documents.len(),
        bytes as f64 / 1e6,
        bytes as f64 / 1e6 / best
    );
}

/// Documents over and over, as one note, batch, Bundle or document of so many bytes.
struct Endless {
    head: Vec<u8>,
    parts: Vec<Vec<u8>>,
    tail: Vec<u8>,
    state: (u64, Vec<u8>, usize, usize, bool),
}

impl Endless {
    fn new(format: &str, documents: Vec<Vec<u8>>) -> Self {
        let (head, parts, tail): (&[u8], _, &[u8]) = match format {
            "hl7v2" => (b"FHS|^~\\&|LAB\rBHS|^~\\&|LAB\r", documents, b"BTS|1\rFTS|1\r"),
            "fhir" | "bundle" => {
                // Resources of NDJSON as entries.
                let entry = |resource: Vec<u8>| [b"{\"resource\":", &resource[..], b"},"].concat();
                (b"{\"resourceType\":\"Bundle\",\"type\":\"collection\",\"entry\":[", documents.into_iter().map(entry).collect(), b"{}]}")
            }
            _ => (b"", documents, b""),
        };
        let mut endless = Self { head: head.to_vec(), parts, tail: tail.to_vec(), state: (0, Vec::new(), 0, 0, false) };
        endless.begin();
        endless
    }

    fn begin(&mut self) {
        self.state = (0, self.head.clone(), 0, 0, false);
    }
}

impl Read for Endless {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let (given, current, at, next, ended) = &mut self.state;
        if *at == current.len() {
            if *ended {
                return Ok(0);
            }
            *ended = *given >= LARGE;
            *current = if *ended { self.tail.clone() } else { self.parts[*next % self.parts.len()].clone() };
            (*at, *next) = (0, *next + 1);
        }
        let read = bytes.len().min(current.len() - *at);
        bytes[..read].copy_from_slice(&current[*at..*at + read]);
        (*at, *given) = (*at + read, *given + read as u64);
        Ok(read)
    }
}

impl Rewind for Endless {
    fn read_again(&mut self) -> io::Result<()> {
        self.begin();
        Ok(())
    }
}

fn stream(what: &str, subjects: &Subjects, format: &str, documents: Vec<Vec<u8>>) -> Result<(), Box<dyn Error>> {
    let mut input = Endless::new(format, documents);
    if format == "ccda" {
        // One document: its component over and over.
        let one = String::from_utf8(input.parts.swap_remove(0))?;
        let (from, to) = (one.find("<component>").ok_or("no component")?, one.rfind("</structuredBody>").ok_or("no body")?);
        (input.head, input.tail) = (one[..from].into(), one[to..].into());
        input.parts = vec![one[from..to].into()];
        input.begin();
    }
    let before = peak_megabytes();
    let start = cpu_nanos();
    let mut refused = Vec::new();
    let done =
        subjects.stream_of(format).deidentify_stream(&mut input, &mut io::sink(), &mut Ledger::new(), &mut |one| refused.push(one.code))?;
    let took = (cpu_nanos() - start) as f64 / 1e9;
    println!(
        "{{\"what\":\"{what}\",\"records\":{},\"refused\":{},\"mb\":{:.1},\"mb_per_s\":{:.1},\"peak_mb_before\":{before:.1},\"peak_mb\":{:.1}}}",
        done.records,
        done.refused,
        done.bytes_in as f64 / 1e6,
        done.bytes_in as f64 / 1e6 / took,
        peak_megabytes()
    );
    Ok(())
}
