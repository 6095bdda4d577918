//! How fast images are measured on one core, in CPU time of this thread (Linux).
//!
//! `cargo run --release -p sutura-imaging --example imaging_throughput -- FOLDER [baseline|all] [ROUNDS] [IMAGES]`
//!
//! The images are decoded before the clock starts. `baseline`: what a script of scikit-image, OpenCV and NumPy measures (Laplacian variance, SNR of the middle, deviation
//! of a corner, sum of the Fourier magnitudes), and all else that neighbourhoods, values and frequencies say. `all`: artifacts and burned-in text too.
#![allow(clippy::print_stdout)]

use std::{error::Error, fs, hint::black_box, path::PathBuf};

use sutura_dicom::{DicomFile, Limits};
use sutura_imaging::{Image, MeasureOptions, Measurer, Metric, modality};

/// CPU time of one round: the kernel counts it by the tick.
const ROUND_NANOS: u64 = 300_000_000;

/// CPU nanoseconds this thread has used.
fn cpu_nanos() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(0)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("name a folder of DICOM files")?;
    let what = arguments.next().unwrap_or_else(|| "baseline".to_owned());
    let rounds: u32 = arguments.next().map_or(Ok(3), |text| text.parse())?;
    let most: usize = arguments.next().map_or(Ok(20), |text| text.parse())?;
    let mut names: Vec<PathBuf> = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    names.sort();
    let mut images = Vec::new();
    for name in names.into_iter().take(most) {
        let file = DicomFile::parse(fs::read(name)?, &Limits::default())?;
        images.push((Image::read(&file, 0)?, modality(&file)));
    }
    let is_all = what == "all";
    let mut measurer = Measurer::new(MeasureOptions { text: is_all, artifacts: is_all, spectrum: true });
    let (mut best, mut sum) = (f64::MAX, 0.0);
    for _ in 0..rounds {
        let (start, mut passes) = (cpu_nanos(), 0u32);
        while passes == 0 || cpu_nanos() - start < ROUND_NANOS {
            sum = 0.0;
            for (image, modality) in &images {
                sum += black_box(measurer.measure(image, modality)).value(Metric::LaplacianVariance).unwrap_or(0.0);
            }
            passes += 1;
        }
        best = best.min((cpu_nanos() - start) as f64 / f64::from(passes));
    }
    println!(
        "{{\"files\":{},\"count\":{},\"laplacian\":{:.6},\"cpu_s\":{:.6}}}",
        images.len(),
        images.len(),
        sum / images.len() as f64,
        best / 1e9
    );
    Ok(())
}
