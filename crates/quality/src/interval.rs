//! The Wilson score interval of a proportion.

/// The 0.975 quantile of the standard normal distribution.
const Z_95: f64 = 1.959_963_984_540_054;

/// The 95 % Wilson score interval (Wilson 1927, no continuity correction) of `successes` in `trials`.
/// It stays inside 0 to 1 and is right for small counts and rates near the ends. `None` without trials.
pub fn wilson_95(successes: u64, trials: u64) -> Option<[f64; 2]> {
    if trials == 0 || successes > trials {
        return None;
    }
    let (x, n) = (successes as f64, trials as f64);
    let rate = x / n;
    let z2 = Z_95 * Z_95;
    let scale = 1.0 + z2 / n;
    let centre = (rate + z2 / (2.0 * n)) / scale;
    let half = Z_95 / scale * (rate * (1.0 - rate) / n + z2 / (4.0 * n * n)).sqrt();
    // The ends are exact at 0 and 1; rounding must not say otherwise.
    let low = if successes == 0 { 0.0 } else { (centre - half).max(0.0) };
    let high = if successes == trials { 1.0 } else { (centre + half).min(1.0) };
    Some([low, high])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Newcombe, Statistics in Medicine 17 (1998), method 3 without the correction: 81 of 263, 15 of 148.
    #[test]
    fn the_interval_is_the_published_one() {
        for (successes, trials, published) in [(81, 263, [0.2553, 0.3662]), (15, 148, [0.0624, 0.1605])] {
            let interval = wilson_95(successes, trials).unwrap();
            assert!(interval.iter().zip(published).all(|(bound, published)| (bound - published).abs() < 0.00006), "{interval:?}");
        }
    }

    #[test]
    fn the_interval_holds_the_rate_and_is_exact_at_the_ends() {
        assert_eq!(wilson_95(0, 0), None);
        assert_eq!(wilson_95(2, 1), None);
        for trials in [1u64, 2, 7, 50, 1_000_000] {
            for successes in [0, 1, trials / 2, trials] {
                let [low, high] = wilson_95(successes, trials).unwrap();
                let rate = successes as f64 / trials as f64;
                assert!((0.0..=rate).contains(&low) && (rate..=1.0).contains(&high), "{successes}/{trials}");
            }
            assert_eq!(wilson_95(0, trials).unwrap()[0], 0.0);
            assert_eq!(wilson_95(trials, trials).unwrap()[1], 1.0);
        }
    }
}
