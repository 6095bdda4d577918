//! Whatever an image holds, measuring it ends, and a metric has either a finite value or a reason.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::float_cmp)]

use proptest::prelude::*;
use sutura_imaging::{Catalogue, Image, Image8, ImageGate, MeasureOptions, Measurer, Metric, burned, picture};

fn check(image: &Image) {
    for modality in ["MR", "CT", "US", ""] {
        let report = Measurer::new(MeasureOptions::default()).measure(image, modality);
        assert_eq!(report.metrics().len(), Metric::all().count());
        for measured in report.metrics() {
            if let Ok(value) = measured.value {
                assert!(value.is_finite(), "{}: {value}", measured.metric);
            }
        }
        if let Some(score) = report.value(Metric::Score) {
            assert!((0.0..=100.0).contains(&score), "{score}");
        }
        ImageGate::default().judge(modality, &report);
        Catalogue::default().push(modality, &report);
        picture::image_beside_histogram(&image.to_8_bits(), &report.histogram, modality).to_svg().unwrap();
    }
}

#[test]
fn images_at_the_limits_are_measured() {
    let sizes = [(1, 1), (1, 2), (2, 1), (1, 300), (300, 1), (3, 3), (5, 4), (17, 33), (64, 64)];
    for (rows, columns) in sizes {
        let fill = |value: &dyn Fn(usize) -> f32| Image::new(rows, columns, (0..rows * columns).map(value).collect()).unwrap();
        check(&fill(&|_| 0.0));
        check(&fill(&|_| f32::NAN));
        check(&fill(&|_| f32::MAX));
        check(&fill(&|_| f32::MIN_POSITIVE));
        check(&fill(&|place| if place % 2 == 0 { f32::MAX } else { f32::MIN }));
        check(&fill(&|place| if place % 3 == 0 { f32::INFINITY } else { place as f32 }));
        check(&fill(&|place| place as f32 * 1e-40));
        check(&fill(&|place| if place == 0 { 1.0 } else { 0.0 }));
        check(&fill(&|place| ((place * 2_654_435_761) % 97) as f32 - 40.0));
    }
}

#[test]
fn shapes_that_are_none_are_errors() {
    assert!(Image::new(0, 5, vec![]).is_err());
    assert!(Image::new(2, 2, vec![0.0; 3]).is_err());
    assert!(Image::new(usize::MAX, 2, vec![]).is_err());
    assert!(Image8::new(1 << 20, 1 << 20, vec![]).is_err());
}

/// What scales with the numbers scales, what does not stays.
#[test]
fn metrics_have_their_dimension() {
    let values: Vec<f32> = (0..64 * 64)
        .map(|place: i64| {
            let (y, x) = (place / 64 - 32, place % 64 - 32);
            let noise = (place * 7919 % 13) as f32;
            if x * x + y * y < 400 { 500.0 + noise } else { noise }
        })
        .collect();
    let twice = values.iter().map(|value| 2.0 * value).collect();
    let measure = |values: Vec<f32>| Measurer::new(MeasureOptions::default()).measure(&Image::new(64, 64, values).unwrap(), "MR");
    let (one, two) = (measure(values), measure(twice));
    for metric in Metric::all() {
        let factor = match metric.definition().unit {
            sutura_imaging::Unit::Image => 2.0,
            sutura_imaging::Unit::ImageSquared => 4.0,
            _ => 1.0,
        };
        match (one.value(metric), two.value(metric)) {
            (Some(first), Some(second)) => {
                assert!((first * factor - second).abs() <= 1e-4 * second.abs() + 1e-9, "{metric}: {first} {second}");
            }
            (first, second) => assert_eq!(first.is_some(), second.is_some(), "{metric}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_image_is_measured(
        rows in 1usize..40,
        columns in 1usize..40,
        seed in any::<u64>(),
        kind in 0u8..5,
    ) {
        let mut state = seed | 1;
        let values = (0..rows * columns).map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            match kind {
                0 => f32::from_bits(state as u32),
                1 => (state % 256) as f32,
                2 => (state % 2) as f32 * 1e30,
                3 => if state % 50 == 0 { f32::NAN } else { (state % 4096) as f32 - 1024.0 },
                _ => (state % 3) as f32 * 1e-38,
            }
        });
        check(&Image::new(rows, columns, values.collect()).unwrap());
    }

    #[test]
    fn boxes_lie_in_the_image(rows in 1usize..80, columns in 1usize..120, values in proptest::collection::vec(any::<u8>(), 9600)) {
        let image = Image8::new(rows, columns, values[..rows * columns].to_vec()).unwrap();
        for found in burned::text_boxes(&image) {
            prop_assert!(found.area() > 0 && found.bottom <= rows && found.right <= columns);
        }
    }
}
