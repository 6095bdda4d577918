//! The inverse cosine transform in whole numbers: the algorithm of Loeffler, Ligtenberg and Moschytz with constants of 13 bits.

use std::num::Wrapping as W;

type Int = W<i32>;

const BITS: usize = 13;

/// A constant with 13 bits behind the point.
const fn fixed(value: f64) -> Int {
    W((value * (1 << BITS) as f64 + 0.5) as i32)
}

const F_0_298: Int = fixed(0.298_631_336);
const F_0_390: Int = fixed(0.390_180_644);
const F_0_541: Int = fixed(0.541_196_100);
const F_0_765: Int = fixed(0.765_366_865);
const F_0_899: Int = fixed(0.899_976_223);
const F_1_175: Int = fixed(1.175_875_602);
const F_1_501: Int = fixed(1.501_321_110);
const F_1_847: Int = fixed(1.847_759_065);
const F_1_961: Int = fixed(1.961_570_560);
const F_2_053: Int = fixed(2.053_119_869);
const F_2_562: Int = fixed(2.562_915_447);
const F_3_072: Int = fixed(3.072_711_026);

/// Eight numbers transformed, with 13 more bits behind the point.
#[inline(always)]
fn eight(input: [Int; 8]) -> [Int; 8] {
    let [s0, s1, s2, s3, s4, s5, s6, s7] = input;
    // Even part.
    let z1 = (s2 + s6) * F_0_541;
    let (t2, t3) = (z1 - s6 * F_1_847, z1 + s2 * F_0_765);
    let (t0, t1) = ((s0 + s4) << BITS, (s0 - s4) << BITS);
    let (e0, e3, e1, e2) = (t0 + t3, t0 - t3, t1 + t2, t1 - t2);
    // Odd part.
    let (z1, z2, z3, z4) = (s7 + s1, s5 + s3, s7 + s3, s5 + s1);
    let z5 = (z3 + z4) * F_1_175;
    let (z1, z2) = (-(z1 * F_0_899), -(z2 * F_2_562));
    let (z3, z4) = (z5 - z3 * F_1_961, z5 - z4 * F_0_390);
    let o0 = s7 * F_0_298 + z1 + z3;
    let o1 = s5 * F_2_053 + z2 + z4;
    let o2 = s3 * F_3_072 + z2 + z3;
    let o3 = s1 * F_1_501 + z1 + z4;
    [e0 + o3, e1 + o2, e2 + o1, e3 + o0, e3 - o0, e2 - o1, e1 - o2, e0 - o3]
}

/// Samples of a block from its coefficients, level shifted and clamped to `precision` bits. Writes rows of eight, `stride` apart; `put` makes a sample of a
/// number.
#[inline]
pub(super) fn block<S: Copy>(coefficients: &[i32; 64], precision: u32, out: &mut [S], stride: usize, put: impl Fn(i32) -> S) {
    let (half, most) = (1 << (precision - 1), (1 << precision) - 1);
    if coefficients[1..].iter().all(|coefficient| *coefficient == 0) {
        let sample = put((((W(coefficients[0]) + W(4)).0 >> 3) + half).clamp(0, most));
        for row in out.chunks_mut(stride).take(8) {
            row[..8].fill(sample);
        }
        return;
    }
    // Numbers of 12 bits leave less room between the passes.
    let between = if precision > 8 { 1 } else { 2 };
    let mut work = [W(0); 64];
    for column in 0..8 {
        let input = std::array::from_fn(|row| W(coefficients[row * 8 + column]));
        let round = W(1 << (BITS - between - 1));
        for (row, value) in eight(input).into_iter().enumerate() {
            work[row * 8 + column] = (value + round) >> (BITS - between);
        }
    }
    let shift = BITS + between + 3;
    let round = W(1 << (shift - 1));
    for (input, row) in work.as_chunks::<8>().0.iter().zip(out.chunks_mut(stride)) {
        for (place, value) in row.iter_mut().zip(eight(*input)) {
            *place = put((((value + round) >> shift).0 + half).clamp(0, most));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_definition(coefficients: &[i32; 64]) -> [f64; 64] {
        let scale = |k: usize| if k == 0 { std::f64::consts::FRAC_1_SQRT_2 } else { 1.0 };
        let cosine = |place: usize, k: usize| ((2 * place + 1) as f64 * k as f64 * std::f64::consts::PI / 16.0).cos();
        std::array::from_fn(|place| {
            let (y, x) = (place / 8, place % 8);
            let terms = (0..64).map(|k| {
                let (v, u) = (k / 8, k % 8);
                scale(u) * scale(v) * f64::from(coefficients[k]) * cosine(x, u) * cosine(y, v)
            });
            terms.sum::<f64>() / 4.0
        })
    }

    proptest::proptest! {
        #[test]
        fn samples_are_those_of_the_definition(values in proptest::collection::vec((0usize..64, -300i32..300), 0..12), is_wide: bool) {
            let mut coefficients = [0; 64];
            for (place, value) in values {
                coefficients[place] = value;
            }
            let precision = if is_wide { 12 } else { 8 };
            let mut out = [0i32; 64];
            block(&coefficients, precision, &mut out, 8, |value| value);
            for (ours, wanted) in out.iter().zip(by_definition(&coefficients)) {
                let wanted = (wanted + f64::from(1 << (precision - 1))).clamp(0.0, f64::from((1 << precision) - 1));
                assert!((f64::from(*ours) - wanted).abs() < 1.0, "{ours} {wanted}");
            }
        }

        #[test]
        fn any_coefficients_end_well(values in proptest::collection::vec(proptest::num::i32::ANY, 64)) {
            let coefficients = <[i32; 64]>::try_from(values).unwrap();
            block(&coefficients, 8, &mut [0u8; 64], 8, |value| value as u8);
        }
    }
}
