//! dicom-rs over a folder of DICOM files in memory, on one core, in CPU time of this thread.
//!
//! `imaging_peers FOLDER headers|decode [ROUNDS]`
//!
//! `headers`: the data set up to the pixel data as an object of elements. `decode`: the whole file, and its pixels as samples.

use std::{error::Error, fs, hint::black_box, path::Path};

use dicom_object::{OpenFileOptions, Tag};
use dicom_pixeldata::PixelDecoder;

const PIXEL_DATA: Tag = Tag(0x7FE0, 0x0010);
/// CPU time of one round: the kernel counts it by the tick.
const ROUND_NANOS: u64 = 300_000_000;

fn cpu_nanos() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(0)
}

fn collect(folder: &Path, found: &mut Vec<Vec<u8>>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, found)?;
        } else {
            found.push(fs::read(path)?);
        }
    }
    Ok(())
}

/// Reads all files once. Gives how many elements, or bytes of pixels, they have.
fn pass(what: &str, files: &[Vec<u8>]) -> Result<usize, Box<dyn Error>> {
    let mut count = 0;
    for file in files {
        if what == "headers" {
            let object = OpenFileOptions::new().read_until(PIXEL_DATA).from_reader(file.as_slice())?;
            count += object.iter().count();
            black_box(&object);
        } else {
            let object = OpenFileOptions::new().from_reader(file.as_slice())?;
            let pixels = object.decode_pixel_data()?;
            count += pixels.data().len();
            black_box(&pixels);
        }
    }
    Ok(count)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("name a folder of DICOM files")?;
    let what = arguments.next().unwrap_or_else(|| "headers".to_owned());
    let rounds: u32 = arguments.next().map_or(Ok(3), |text| text.parse())?;
    let mut files = Vec::new();
    collect(Path::new(&folder), &mut files)?;
    let (mut best, mut count) = (f64::MAX, 0);
    for _ in 0..rounds {
        let (start, mut passes) = (cpu_nanos(), 0u32);
        while passes == 0 || cpu_nanos() - start < ROUND_NANOS {
            count = pass(&what, &files)?;
            passes += 1;
        }
        best = best.min((cpu_nanos() - start) as f64 / f64::from(passes));
    }
    println!("{{\"files\":{},\"count\":{count},\"cpu_s\":{:.6}}}", files.len(), best / 1e9);
    Ok(())
}
