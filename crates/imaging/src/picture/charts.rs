//! The pictures: scores, boxes by modality, the worst images, an image and its values.

use super::{ALARM, Anchor, FILL, INK, PALE, Picture, thumbnail};
use crate::{catalogue::Summary, distribution::Histogram, image::Image8, metric::Metric};

/// Bins of the histogram of scores.
const SCORE_BINS: usize = 20;
/// Most modalities in a picture of boxes.
const MOST_BOXES: usize = 16;

/// How many images have which score, with a line at the threshold; bars below it are marked.
pub fn score_histogram(scores: &[f64], threshold: Option<f64>) -> Picture {
    let (width, height, left, bottom, top) = (480.0, 220.0, 44.0, 186.0, 28.0);
    let mut picture = Picture::new(480, 220, "histogram of quality scores");
    let mut counts = [0u64; SCORE_BINS];
    for score in scores.iter().filter(|score| score.is_finite()) {
        counts[((score / 100.0 * SCORE_BINS as f64).max(0.0) as usize).min(SCORE_BINS - 1)] += 1;
    }
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let step = (width - left - 16.0) / SCORE_BINS as f64;
    let x = |score: f64| left + score / 100.0 * step * SCORE_BINS as f64;
    picture.text(left, 16.0, Anchor::Start, INK, &format!("score of {} images", scores.len()));
    for share in [0.5, 1.0] {
        let y = bottom - (bottom - top) * share;
        picture.line((left, y), (width - 16.0, y), PALE);
        picture.text(left - 4.0, y + 4.0, Anchor::End, INK, &short(most as f64 * share));
    }
    for (bin, count) in counts.iter().enumerate() {
        let tall = (bottom - top) * *count as f64 / most as f64;
        let end = (bin + 1) as f64 * 100.0 / SCORE_BINS as f64;
        let colour = if threshold.is_some_and(|threshold| end <= threshold) { ALARM } else { FILL };
        picture.rectangle(left + bin as f64 * step + 1.0, bottom - tall, step - 2.0, tall, colour);
    }
    picture.line((left, bottom), (width - 16.0, bottom), INK);
    for score in [0.0, 25.0, 50.0, 75.0, 100.0] {
        picture.text(x(score), height - 18.0, Anchor::Middle, INK, &short(score));
    }
    if let Some(threshold) = threshold.filter(|threshold| threshold.is_finite()) {
        let at = x(threshold.clamp(0.0, 100.0));
        picture.line((at, top), (at, bottom), ALARM);
        picture.text(at, height - 4.0, Anchor::Middle, ALARM, &format!("threshold {}", short(threshold)));
    }
    picture
}

/// A metric's quartiles by modality: the box from the 25th to the 75th percentile with the median, the line from the least to the greatest value.
pub fn box_plot(metric: Metric, modalities: &[(&str, &Summary)]) -> Picture {
    let shown: Vec<_> = modalities.iter().filter(|(_, summary)| summary.count() > 0).take(MOST_BOXES).collect();
    let (left, right, row) = (72.0, 456.0, 26.0);
    let height = 44 + 26 * shown.len().max(1) + 22;
    let mut picture = Picture::new(480, height, &format!("{metric} by modality"));
    picture.text(8.0, 16.0, Anchor::Start, INK, &format!("{metric} by modality"));
    let ends = |end: fn(&Summary) -> Option<f64>| shown.iter().filter_map(move |(_, summary)| end(summary));
    let (low, high) = (ends(Summary::min).fold(f64::INFINITY, f64::min), ends(Summary::max).fold(f64::NEG_INFINITY, f64::max));
    if shown.is_empty() {
        picture.text(left, 44.0, Anchor::Start, INK, "no values");
        return picture;
    }
    let x = |value: f64| if high > low { left + (value - low) / (high - low) * (right - left) } else { f64::midpoint(left, right) };
    for (number, (modality, summary)) in shown.iter().enumerate() {
        let middle = 40.0 + row * number as f64 + row / 2.0;
        let at = |share: f64| x(summary.quantile(share).unwrap_or(low));
        picture.text(left - 8.0, middle + 4.0, Anchor::End, INK, code(modality));
        picture.line((x(summary.min().unwrap_or(low)), middle), (x(summary.max().unwrap_or(high)), middle), INK);
        picture.rectangle(at(0.25), middle - 7.0, (at(0.75) - at(0.25)).max(2.0), 14.0, FILL);
        picture.line((at(0.5), middle - 7.0), (at(0.5), middle + 7.0), INK);
        picture.text(right + 20.0, middle + 4.0, Anchor::End, INK, &summary.count().to_string());
    }
    let foot = height as f64 - 8.0;
    picture.text(left, foot, Anchor::Start, INK, &short(low));
    picture.text(right, foot, Anchor::End, INK, &short(high));
    picture
}

/// Images beside one another, each with its modality and its score: the worst of a catalogue. There is no other word in it.
pub fn thumbnails(images: &[(&str, Option<f64>, &Image8)]) -> Picture {
    const SIDE: usize = 128;
    const PER_ROW: usize = 6;
    const MOST: usize = 60;
    let shown = &images[..images.len().min(MOST)];
    let rows = shown.len().div_ceil(PER_ROW).max(1);
    let columns = shown.len().clamp(1, PER_ROW);
    let mut picture = Picture::new(columns * (SIDE + 8) + 8, rows * (SIDE + 24) + 8, "images with the lowest scores");
    for (number, (modality, score, image)) in shown.iter().enumerate() {
        let (x, y) = ((8 + number % PER_ROW * (SIDE + 8)) as f64, (8 + number / PER_ROW * (SIDE + 24)) as f64);
        framed(&mut picture, image, x, y, SIDE as f64);
        let score = score.map_or_else(|| "no score".to_owned(), short);
        picture.text(x, y + SIDE as f64 + 13.0, Anchor::Start, INK, &format!("{} {score}", code(modality)));
    }
    picture
}

/// An image beside the histogram of its values.
pub fn image_beside_histogram(image: &Image8, histogram: &Histogram, modality: &str) -> Picture {
    let mut picture = Picture::new(560, 276, "an image and the histogram of its values");
    framed(&mut picture, image, 10.0, 10.0, 256.0);
    let (left, right, bottom, top) = (290.0, 546.0, 246.0, 26.0);
    picture.text(left, 16.0, Anchor::Start, INK, &format!("{} values", code(modality)));
    let most = histogram.counts.iter().copied().max().unwrap_or(0).max(1) as f64;
    let step = (right - left) / histogram.counts.len().max(1) as f64;
    for (bin, count) in histogram.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        // The root keeps the few bright pixels beside the many of air in sight.
        let tall = (bottom - top) * (*count as f64 / most).sqrt();
        picture.rectangle(left + bin as f64 * step, bottom - tall, step, tall, FILL);
    }
    picture.line((left, bottom), (right, bottom), INK);
    picture.text(left, 262.0, Anchor::Start, INK, &short(histogram.low));
    picture.text(right, 262.0, Anchor::End, INK, &short(histogram.high));
    picture.text(f64::midpoint(left, right), 262.0, Anchor::Middle, INK, "root of counts");
    picture
}

/// An image in a square, in its own proportions.
fn framed(picture: &mut Picture, image: &Image8, x: f64, y: f64, side: f64) {
    picture.rectangle(x, y, side, side, INK);
    let small = thumbnail(image, side as usize);
    let longest = small.rows().max(small.columns()) as f64;
    let (width, height) = (small.columns() as f64 / longest * side, small.rows() as f64 / longest * side);
    picture.image(x + (side - width) / 2.0, y + (side - height) / 2.0, width, height, small);
}

/// A modality as a code string has it; whatever else someone gives is not shown.
fn code(modality: &str) -> &str {
    let is_code = (1..=16).contains(&modality.len())
        && modality.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    if is_code { modality } else { "-" }
}

/// A number in few characters.
fn short(number: f64) -> String {
    let size = number.abs();
    if size != 0.0 && !(1e-3..1e6).contains(&size) {
        return format!("{number:.1e}");
    }
    let text = format!(
        "{number:.*}",
        if size >= 100.0 {
            0
        } else if size >= 1.0 {
            1
        } else {
            3
        }
    );
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_drawn_of_much_and_of_nothing() {
        let image = Image8::new(30, 20, vec![100; 600]).unwrap();
        let mut summary = Summary::default();
        for value in [1.0, 5.0, 9.0] {
            summary.push(value);
        }
        let pictures = [
            score_histogram(&[], None),
            score_histogram(&[0.0, 100.0, 55.5, f64::NAN, -4.0, 1e9], Some(50.0)),
            box_plot(Metric::Score, &[]),
            box_plot(Metric::SnrTissue, &[("CT", &summary), ("", &Summary::default())]),
            thumbnails(&[]),
            thumbnails(&vec![("MR", Some(12.5), &image); 100]),
            image_beside_histogram(&image, &Histogram::default(), ""),
            image_beside_histogram(&image, &Histogram { low: 0.0, high: 5.0, counts: vec![1, 0, 9] }, "US"),
        ];
        for picture in pictures {
            assert!(picture.to_svg().unwrap().ends_with("</svg>"));
            assert!(picture.to_png().unwrap().len() > 60);
        }
    }

    #[test]
    fn only_codes_are_shown() {
        let image = Image8::new(1, 1, vec![0]).unwrap();
        let svg = thumbnails(&[("Doe^Jane", Some(1.0), &image), ("US", None, &image)]).to_svg().unwrap();
        assert!(!svg.contains("Doe") && svg.contains("- 1<") && svg.contains("US no score<"));
    }

    #[test]
    fn numbers_are_short() {
        let texts = [0.0, 50.0, 12.34, 0.125, 1234.5, 1e-9, -2.5e8].map(short);
        assert_eq!(texts, ["0", "50", "12.3", "0.125", "1234", "1.0e-9", "-2.5e8"]);
    }
}
