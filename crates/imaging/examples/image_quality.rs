//! Measures DICOM files: `image_quality FILE...` prints each image's score, artifacts and areas of text; `--all` prints every metric, `--pictures FOLDER` draws.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::{error::Error, fs, path::PathBuf, time::Instant};

use sutura_dicom::{DicomFile, Limits};
use sutura_imaging::{Catalogue, Image, MeasureOptions, Measurer, Metric, modality, picture};

fn main() -> Result<(), Box<dyn Error>> {
    let (mut all, mut pictures, mut files) = (false, None, Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--all" => all = true,
            "--pictures" => pictures = arguments.next().map(PathBuf::from),
            _ => files.push(argument),
        }
    }
    let limits = Limits { bytes: 1 << 30, inflated: 1 << 28, ..Limits::default() };
    let mut measurer = Measurer::new(MeasureOptions::default());
    let mut catalogue = Catalogue::default();
    let mut worst = Vec::new();
    let (mut spent, mut count) = (0.0, 0u32);
    for name in &files {
        let file = match DicomFile::parse(fs::read(name)?, &limits) {
            Ok(file) => file,
            Err(error) => {
                println!("{name}: {error}");
                continue;
            }
        };
        let image = match Image::read(&file, 0) {
            Ok(image) => image,
            Err(error) => {
                println!("{name}: {error}");
                continue;
            }
        };
        let modality = modality(&file);
        let start = Instant::now();
        let report = measurer.measure(&image, &modality);
        spent += start.elapsed().as_secs_f64();
        count += 1;
        catalogue.push(&modality, &report);
        let shown =
            [Metric::Score, Metric::Ghosting, Metric::Motion, Metric::Ring, Metric::Spike, Metric::Bias, Metric::Wrap, Metric::TextBoxes];
        let values = shown.map(|metric| report.value(metric).map_or_else(|| format!("{metric} -"), |value| format!("{metric} {value:.3}")));
        println!("{name} {modality} {}x{}: {}", image.rows(), image.columns(), values.join("  "));
        if all {
            for measured in report.metrics() {
                let definition = measured.metric.definition();
                match measured.value {
                    Ok(value) => println!(
                        "  {:30}{value:16.6} {:10} {} ({})",
                        definition.name,
                        definition.unit.ucum(report.unit),
                        definition.mask.as_str(),
                        measured.pixels
                    ),
                    Err(reason) => println!("  {:30}{:>16} {}", definition.name, "-", reason.code()),
                }
            }
        }
        worst.push((modality, report.value(Metric::Score), image.to_8_bits(), report.histogram.clone()));
    }
    println!("{count} images in {spent:.3} s");
    if let Some(folder) = pictures {
        fs::create_dir_all(&folder)?;
        worst.sort_by(|first, second| first.1.unwrap_or(0.0).total_cmp(&second.1.unwrap_or(0.0)));
        let scores: Vec<f64> = worst.iter().filter_map(|one| one.1).collect();
        let summaries: Vec<_> = catalogue.modalities().map(|(modality, metrics)| (modality, &metrics[Metric::Score as usize])).collect();
        let thumbnails: Vec<_> = worst.iter().map(|(modality, score, image, _)| (modality.as_str(), *score, image)).collect();
        let mut drawn = vec![
            ("scores", picture::score_histogram(&scores, Some(50.0))),
            ("boxes", picture::box_plot(Metric::Score, &summaries)),
            ("worst", picture::thumbnails(&thumbnails)),
        ];
        if let Some((modality, _, image, histogram)) = worst.first() {
            drawn.push(("values", picture::image_beside_histogram(image, histogram, modality)));
        }
        for (name, picture) in drawn {
            fs::write(folder.join(format!("{name}.svg")), picture.to_svg()?)?;
            fs::write(folder.join(format!("{name}.png")), picture.to_png()?)?;
        }
    }
    Ok(())
}
