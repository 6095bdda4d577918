//! How fast DICOM files are de-identified on one core, in CPU time of this thread (Linux).
//!
//! `cargo run --release -p sutura-deid --example deidentify_throughput -- FOLDER [REPETITIONS] [OUT]`
//!
//! Reading from disk is not counted, parsing is. With OUT, the released files are written there, by their new names.
#![allow(clippy::print_stdout)]

use std::{error::Error, fs, hint::black_box, path::Path, sync::Arc};

use bytes::Bytes;
use sutura_deid::dicom::{Dates, DicomDeidentifier, Options, OutputName};
use sutura_dicom::{DicomFile, Limits};
use sutura_privacy::{Deidentifier, KeyRing, MemoryVault, Policy, Scope};

/// CPU nanoseconds this thread has used.
fn cpu_nanos() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(0)
}

fn collect(path: &Path, found: &mut Vec<Bytes>) -> Result<(), Box<dyn Error>> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            collect(&entry?.path(), found)?;
        }
    } else {
        found.push(fs::read(path)?.into());
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("name a folder of DICOM files")?;
    let repetitions: u32 = arguments.next().map_or(Ok(1), |text| text.parse())?;
    let out = arguments.next();
    let mut files = Vec::new();
    collect(Path::new(&folder), &mut files)?;
    let limits = Limits { bytes: 1 << 30, ..Limits::default() };
    for (policy, dates) in
        [("hipaa-safe-harbor", Dates::Modified), ("gdpr-pseudonymised", Dates::Modified), ("gdpr-pseudonymised", Dates::Remove)]
    {
        let privacy = Deidentifier::new(
            Policy::builtin(policy)?,
            &KeyRing::generate()?,
            Scope::new("bench", "bench"),
            Some(Arc::new(MemoryVault::new()?)),
        )?;
        let deidentifier = DicomDeidentifier::new(Options { dates, ..Options::default() }, &privacy)?;
        let (mut done, mut refused, mut bytes, mut best) = (0u64, 0u64, 0usize, f64::MAX);
        for _ in 0..repetitions {
            let start = cpu_nanos();
            (done, refused, bytes) = (0, 0, 0);
            for file in &files {
                let released = DicomFile::parse(file.clone(), &limits).ok().and_then(|file| deidentifier.deidentify(&file).ok());
                let Some(released) = released else {
                    refused += 1;
                    continue;
                };
                done += 1;
                bytes += released.bytes.len();
                if let Some(out) = &out {
                    let path = Path::new(out).join(policy).join(released.name.path(OutputName::DEFAULT_PATTERN));
                    fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
                    fs::write(path, &released.bytes)?;
                }
                black_box(released);
            }
            best = best.min((cpu_nanos() - start) as f64 / 1e9);
        }
        println!(
            "{{\"what\":\"{policy} {dates:?}\",\"files\":{done},\"refused\":{refused},\"mb\":{:.1},\"cpu_s\":{best:.6},\"files_per_s\":{:.0}}}",
            bytes as f64 / 1e6,
            done as f64 / best
        );
    }
    Ok(())
}
