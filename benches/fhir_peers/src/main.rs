//! Other crates on the same NDJSON of FHIR resources. Linux: memory and CPU time are the caller's to measure.
//!
//! `fhir_peers octofhir FILE OUT THREADS VIEW...` puts every resource through every view with `octofhir-sof`, in one pass:
//! each thread streams its byte range of the file, line by line, and writes the rows of each view into `OUT/VIEW.PART.ndjson`.
//! The crate's own command keeps to the same functions: a view compiled once, resource after resource.
//!
//! `fhir_peers parse FILE serde_json|sonic-rs|simd-json [REPETITIONS]` parses every line, one thread, CPU time of the thread,
//! the file in memory beforehand; the best repetition counts.
//!
//! Prints one JSON line.

use std::{
    error::Error,
    fs::{self, File},
    hint::black_box,
    io::{BufRead, BufReader, BufWriter, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::Instant,
};

use octofhir_sof::{
    CompiledView, ViewDefinition,
    output::{RowEncoder, RowFormat},
};

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["octofhir", file, out, threads, ref views @ ..] if !views.is_empty() => octofhir(file, Path::new(out), threads.parse()?, views),
        ["parse", file, which] => parse(file, which, 3),
        ["parse", file, which, repetitions] => parse(file, which, repetitions.parse()?),
        _ => Err("octofhir FILE OUT THREADS VIEW... or parse FILE serde_json|sonic-rs|simd-json [REPETITIONS]".into()),
    }
}

fn octofhir(file: &str, out: &Path, threads: u64, views: &[&str]) -> Result<(), Failure> {
    fs::create_dir_all(out)?;
    let start = Instant::now();
    let bytes = fs::metadata(file)?.len();
    let rows = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|part| {
                let range = bytes * part / threads..bytes * (part + 1) / threads;
                scope.spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                    runtime.block_on(one_range(file, range, out, part, views))
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().map_err(|_| "a thread panicked")?).sum::<Result<u64, Failure>>()
    })?;
    println!("{{\"what\":\"octofhir-sof\",\"rows\":{rows},\"bytes\":{bytes},\"wall_s\":{:.4}}}", start.elapsed().as_secs_f64());
    Ok(())
}

/// One view with the file its rows go into.
struct Output {
    view: CompiledView,
    names: Vec<String>,
    encoder: RowEncoder,
    file: BufWriter<File>,
}

/// The lines that begin within the range.
async fn one_range(file: &str, range: std::ops::Range<u64>, out: &Path, part: u64, views: &[&str]) -> Result<u64, Failure> {
    let mut outputs = Vec::new();
    for view in views {
        let path = PathBuf::from(view);
        let definition = ViewDefinition::parse(&fs::read_to_string(&path)?)?;
        let view = CompiledView::compile(&definition).await?;
        let names: Vec<String> = view.columns().iter().map(|column| column.name.clone()).collect();
        let stem = path.file_stem().ok_or("a view without a name")?.to_string_lossy();
        let file = BufWriter::new(File::create(out.join(format!("{stem}.{part}.ndjson")))?);
        outputs.push(Output { view, encoder: RowEncoder::new(RowFormat::Ndjson, names.clone()), names, file });
    }
    let mut input = BufReader::with_capacity(1 << 20, File::open(file)?);
    let (mut at, mut line, mut rows) = (range.start, Vec::new(), 0);
    if at > 0 {
        // The line that began before belongs to the range before.
        input.seek(SeekFrom::Start(at - 1))?;
        at += input.read_until(b'\n', &mut line)? as u64 - 1;
    }
    while at < range.end {
        line.clear();
        let read = input.read_until(b'\n', &mut line)?;
        if read == 0 {
            break;
        }
        at += read as u64;
        let resource: serde_json::Value = serde_json::from_slice(&line)?;
        for output in &mut outputs {
            for row in output.view.execute_resource(&resource).await? {
                let row = output.names.iter().cloned().zip(row).collect();
                output.file.write_all(output.encoder.row(&row).as_bytes())?;
                rows += 1;
            }
        }
    }
    for output in &mut outputs {
        output.file.flush()?;
    }
    Ok(rows)
}

/// CPU nanoseconds this thread has used.
fn cpu_nanos() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(0)
}

fn parse(file: &str, which: &str, repetitions: u32) -> Result<(), Failure> {
    let feed = fs::read(file)?;
    let lines: Vec<&[u8]> = feed.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    let mut best = u64::MAX;
    for _ in 0..repetitions {
        let start = cpu_nanos();
        match which {
            "serde_json" => {
                for line in &lines {
                    drop(black_box(serde_json::from_slice::<serde_json::Value>(line)?));
                }
            }
            "sonic-rs" => {
                for line in &lines {
                    drop(black_box(sonic_rs::from_slice::<sonic_rs::Value>(line)?));
                }
            }
            // It parses in place: the copy is part of reading a line that is wanted afterwards too.
            "simd-json" => {
                let (mut copy, mut buffers) = (Vec::new(), simd_json::Buffers::default());
                for line in &lines {
                    copy.clear();
                    copy.extend_from_slice(line);
                    black_box(simd_json::to_tape_with_buffers(&mut copy, &mut buffers)?);
                }
            }
            _ => return Err("the parsers are serde_json, sonic-rs and simd-json".into()),
        }
        best = best.min(cpu_nanos() - start);
    }
    let seconds = best as f64 / 1e9;
    println!(
        "{{\"what\":\"{which}\",\"lines\":{},\"bytes\":{},\"cpu_s\":{seconds:.4},\"mb_per_s\":{:.1}}}",
        lines.len(),
        feed.len(),
        feed.len() as f64 / 1e6 / seconds
    );
    Ok(())
}
