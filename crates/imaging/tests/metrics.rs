//! Metrics beside those of OpenCV, scikit-image and MRIQC, and phantoms in the order of their truth.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use sutura_dicom::{DicomFile, Limits};
use sutura_imaging::{
    Image, ImageReport, MeasureOptions, Measurer, Metric,
    burned::{self, TextBox},
};

fn data() -> Option<PathBuf> {
    let given = std::env::var_os("SUTURA_TEST_DATA");
    let folder = given.map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    if folder.is_dir() {
        return Some(folder.join("dicom"));
    }
    println!("SKIPPED: test data not found at {}; set SUTURA_TEST_DATA", folder.display());
    None
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn open(path: &Path) -> DicomFile {
    let limits = Limits { bytes: 1 << 30, inflated: 1 << 28, ..Limits::default() };
    DicomFile::parse(fs::read(path).unwrap(), &limits).unwrap()
}

fn read(path: &Path) -> Image {
    Image::read(&open(path), 0).unwrap()
}

fn measure(path: &Path) -> ImageReport {
    let image = read(path);
    Measurer::new(MeasureOptions::default()).measure(&image, "MR")
}

/// Which of our metrics each reference is, and how near they have to be, in parts of the value. MRIQC rounds to four decimals.
const REFERENCES: [(&str, Metric, f64, f64); 11] = [
    ("laplacian_var_cv2_ksize1", Metric::LaplacianVariance, 1e-9, 0.0),
    ("laplacian_var_cv2_ksize3", Metric::LaplacianVariance3, 1e-9, 0.0),
    ("tenengrad_sobel3_mean", Metric::Tenengrad, 1e-9, 0.0),
    ("otsu_skimage", Metric::OtsuThreshold, 1e-9, 0.0),
    ("mriqc_efc", Metric::Efc, 0.0, 5.1e-5),
    ("mriqc_fber_otsu_mask", Metric::Fber, 0.0, 5.1e-5),
    ("snr_mean_over_std_fg", Metric::SnrForeground, 1e-9, 0.0),
    ("mriqc_snr_fg", Metric::SnrTissue, 1e-9, 0.0),
    ("mriqc_snr_dietrich_fg_bg", Metric::SnrDietrich, 1e-6, 0.0),
    ("noise_sigma_immerkaer", Metric::NoiseImmerkaer, 1e-9, 0.0),
    ("noise_sigma_skimage_wavelet", Metric::NoiseWavelet, 1e-9, 0.0),
];

#[test]
fn values_are_those_of_the_references() {
    let Some(folder) = data() else { return };
    let (mut problems, mut count) = (Vec::new(), 0);
    for (name, entry) in json(&folder.join("expected-metrics.json")).as_object().unwrap() {
        let Some(file) = entry["file"].as_str().filter(|_| entry["laplacian_var_cv2_ksize1"].is_f64()) else { continue };
        let image = read(&folder.join(file));
        assert_eq!([Some(image.rows() as u64), Some(image.columns() as u64)], [entry["shape"][0].as_u64(), entry["shape"][1].as_u64()]);
        let report = Measurer::new(MeasureOptions::default()).measure(&image, "MR");
        for (key, metric, relative, absolute) in REFERENCES {
            let wanted = entry[key].as_f64().unwrap();
            count += 1;
            match report.get(metric).value {
                Ok(value) if (value - wanted).abs() <= relative * wanted.abs() + absolute => {}
                // MRIQC has no reasons: where there is no air it says -1.
                Err(_) if wanted < 0.0 && metric != Metric::SnrForeground => {}
                other => problems.push(format!("{name} {metric}: {other:?} instead of {wanted}")),
            }
        }
    }
    println!("{count} values");
    assert!(problems.is_empty(), "{problems:#?}");
    assert_eq!(count, 28 * REFERENCES.len());
}

/// Phantoms in the order in which a metric has to grow or fall, strictly.
#[test]
fn phantoms_are_in_their_true_order() {
    let Some(folder) = data() else { return };
    let phantom = |name: &str| measure(&folder.join("made/phantom").join(format!("{name}.dcm")));
    let noise = ["noise_005", "noise_010", "noise_025", "noise_050", "noise_100"].map(phantom);
    let blur = ["noise_010", "blur_0p5", "blur_1", "blur_2", "blur_4"].map(phantom);
    let bias = ["noise_010", "bias_10", "bias_30", "bias_60"].map(phantom);
    let ghost = ["noise_010", "ghost_05", "ghost_15", "ghost_30"].map(phantom);
    let ring = ["noise_010", "ring_20", "ring_60"].map(phantom);
    let motion = ["noise_010", "motion"].map(phantom);
    let wrap = ["noise_010", "wrap_32"].map(phantom);
    let spike = ["noise_010", "spike"].map(phantom);
    let orders: [(&str, &[ImageReport], Metric, f64); 24] = [
        ("noise", &noise, Metric::NoiseImmerkaer, 1.0),
        ("noise", &noise, Metric::NoiseWavelet, 1.0),
        ("noise", &noise, Metric::NoiseAir, 1.0),
        ("noise", &noise, Metric::SdCorner, 1.0),
        ("noise", &noise, Metric::SnrDietrich, -1.0),
        ("noise", &noise, Metric::SnrNema, -1.0),
        ("noise", &noise, Metric::CnrTwoPeak, -1.0),
        ("noise", &noise, Metric::CnrMriqc, -1.0),
        ("noise", &noise, Metric::Cjv, 1.0),
        ("noise", &noise, Metric::Fber, -1.0),
        ("noise", &noise, Metric::Efc, 1.0),
        ("noise", &noise, Metric::Score, -1.0),
        ("blur", &blur, Metric::LaplacianVariance, -1.0),
        ("blur", &blur, Metric::Tenengrad, -1.0),
        ("blur", &blur, Metric::LaplacianVarianceCorrected, -1.0),
        ("blur", &blur, Metric::SharpnessRatio, -1.0),
        ("bias", &bias, Metric::UniformityNema, -1.0),
        ("bias", &bias, Metric::UniformityNaad, -1.0),
        ("bias", &bias, Metric::Bias, 1.0),
        ("ghost", &ghost, Metric::Ghosting, 1.0),
        ("ring", &ring, Metric::Ring, 1.0),
        ("motion", &motion, Metric::Motion, 1.0),
        ("wrap", &wrap, Metric::Wrap, 1.0),
        ("spike", &spike, Metric::Spike, 1.0),
    ];
    let mut problems = Vec::new();
    for (family, reports, metric, sign) in orders {
        let values: Vec<f64> = reports.iter().map(|report| report.value(metric).unwrap_or(f64::NAN)).collect();
        println!("{family:7}{metric:30}{values:.4?}");
        if !values.windows(2).all(|pair| sign * (pair[1] - pair[0]) > 0.0) {
            problems.push(format!("{family} {metric}: {values:?}"));
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
}

/// An artifact's score is the highest for the phantoms that have it.
#[test]
fn each_artifact_is_told_from_the_others() {
    let Some(folder) = data() else { return };
    let mut reports = Vec::new();
    for entry in fs::read_dir(folder.join("made/phantom")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|kind| kind == "dcm") {
            reports.push((path.file_stem().unwrap().to_string_lossy().into_owned(), measure(&path)));
        }
    }
    reports.sort_by(|first, second| first.0.cmp(&second.0));
    assert_eq!(reports.len(), 20);
    let families = [
        ("bias", Metric::Bias),
        ("ghost", Metric::Ghosting),
        ("ring", Metric::Ring),
        ("motion", Metric::Motion),
        ("wrap", Metric::Wrap),
        ("spike", Metric::Spike),
    ];
    for (name, report) in &reports {
        let line = families.map(|(_, metric)| format!("{metric} {:.4}", report.value(metric).unwrap_or(f64::NAN))).join("  ");
        println!("{name:10} {line}  score {:.1}", report.value(Metric::Score).unwrap());
    }
    // What one artifact does to the metric of another: motion smears into ghosts, and shades as a bias does; so do stripes and very soft edges.
    let alike = |metric: Metric, name: &str| match metric {
        Metric::Bias => matches!(name, "motion" | "spike" | "blur_4"),
        Metric::Ring => name == "spike",
        Metric::Ghosting => name == "motion",
        _ => false,
    };
    let mut problems = Vec::new();
    for (family, metric) in families {
        let value = |(name, report): &&(String, ImageReport)| (report.value(metric).unwrap_or(0.0), name.clone());
        let (own, others): (Vec<_>, Vec<_>) =
            reports.iter().filter(|(name, _)| !alike(metric, name)).partition(|(name, _)| name.starts_with(family));
        let least = own.iter().map(&value).min_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
        let most = others.iter().map(value).max_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
        if least.0 <= most.0 {
            problems.push(format!("{metric}: {least:?} is not above {most:?}"));
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
}

/// The reference page names every metric.
#[test]
fn every_metric_is_documented() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src/reference/imaging-metrics.md");
    let page = fs::read_to_string(page).unwrap();
    for metric in Metric::all() {
        let name = metric.name();
        let is_quantile = name.starts_with('p') && name[1..].parse::<u8>().is_ok();
        assert!(is_quantile || page.contains(&format!("`{name}`")), "{name}");
    }
}

#[test]
fn burned_in_text_is_found() {
    let Some(folder) = data() else { return };
    let folder = folder.join("made/burned");
    let (mut found, mut all) = (0, 0);
    for (name, entry) in json(&folder.join("expected.json")).as_object().unwrap() {
        let image = read(&folder.join(name));
        let boxes = burned::text_boxes(&image.to_8_bits());
        let known: Vec<TextBox> = entry["boxes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|known| {
                let side = |place: usize| known["box_xyxy"][place].as_u64().unwrap() as usize;
                TextBox { left: side(0), top: side(1), right: side(2), bottom: side(3) }
            })
            .collect();
        for known in &known {
            let covered: usize = (known.top..known.bottom)
                .map(|row| {
                    (known.left..known.right)
                        .filter(|column| {
                            let pixel = TextBox { top: row, left: *column, bottom: row + 1, right: column + 1 };
                            boxes.iter().any(|found| found.overlaps(&pixel))
                        })
                        .count()
                })
                .sum();
            all += 1;
            if covered * 100 >= 95 * known.area() {
                found += 1;
            } else {
                println!("{name}: {known:?} is covered to {covered} of {}", known.area());
            }
        }
        let wrong: Vec<_> = boxes.iter().filter(|found| known.iter().all(|known| !known.overlaps(found))).collect();
        assert!(wrong.len() <= 1, "{name}: {wrong:?}");
        if !wrong.is_empty() {
            println!("{name}: {wrong:?} is no text");
        }
    }
    println!("{found} of {all}");
    assert_eq!(all, 16);
    assert!(found >= 15, "{found}");
}
