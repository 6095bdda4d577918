//! What small neighbourhoods say: Laplacian, Sobel, Immerkaer, wavelet details. One walk over the rows each.

use crate::image::Image;

/// What the neighbourhoods of 3 x 3 give.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Neighbourhoods {
    pub(crate) laplacian_variance: f64,
    pub(crate) laplacian_variance_3: f64,
    pub(crate) tenengrad: f64,
    /// `None` where the image has no interior.
    pub(crate) immerkaer: Option<f64>,
}

/// Sums in lanes: the compiler may then add several at once.
const LANES: usize = 8;

#[derive(Default, Clone, Copy)]
struct Sums {
    first: [f64; LANES],
    squares: [f64; LANES],
}

impl Sums {
    fn add(&mut self, values: &[f64]) {
        let (chunks, rest) = values.as_chunks::<LANES>();
        for chunk in chunks {
            for (lane, value) in chunk.iter().enumerate() {
                self.first[lane] += value;
                self.squares[lane] += value * value;
            }
        }
        for (lane, value) in rest.iter().enumerate() {
            self.first[lane] += value;
            self.squares[lane] += value * value;
        }
    }

    fn mean(&self, count: f64) -> f64 {
        self.first.iter().sum::<f64>() / count
    }

    fn variance(&self, count: f64) -> f64 {
        (self.squares.iter().sum::<f64>() / count - self.mean(count).powi(2)).max(0.0)
    }
}

/// Measures all neighbourhoods of 3 x 3. Beyond the border the image is mirrored without its outermost pixel (OpenCV's default).
pub(crate) fn neighbourhoods(image: &Image) -> Neighbourhoods {
    let (rows, columns) = (image.rows(), image.columns());
    let mirrored = |place: isize, size: usize| match place {
        -1 => 1.min(size - 1),
        place if place as usize == size => size.saturating_sub(2),
        place => place as usize,
    };
    let fill = |row: isize, padded: &mut Vec<f64>| {
        let values = image.row(mirrored(row, rows));
        padded.clear();
        padded.push(f64::from(values[mirrored(-1, columns)]));
        padded.extend(values.iter().map(|value| f64::from(*value)));
        padded.push(f64::from(values[mirrored(columns as isize, columns)]));
    };
    let (mut above, mut here, mut below) = (Vec::new(), Vec::new(), Vec::new());
    fill(-1, &mut above);
    fill(0, &mut here);
    let mut line = [vec![0.0; columns], vec![0.0; columns], vec![0.0; columns], vec![0.0; columns]];
    let (mut plain, mut three, mut gradient, mut diagonal) = (Sums::default(), Sums::default(), Sums::default(), Sums::default());
    for row in 0..rows {
        fill(row as isize + 1, &mut below);
        let [laplacian, laplacian_3, squared, crossed] = &mut line;
        let (a, b, c) = (&above[..columns + 2], &here[..columns + 2], &below[..columns + 2]);
        for x in 0..columns {
            let corners = a[x] + a[x + 2] + c[x] + c[x + 2];
            let sides = a[x + 1] + c[x + 1] + b[x] + b[x + 2];
            let middle = b[x + 1];
            laplacian[x] = sides - 4.0 * middle;
            laplacian_3[x] = 2.0 * corners - 8.0 * middle;
            let across = (a[x + 2] - a[x]) + 2.0 * (b[x + 2] - b[x]) + (c[x + 2] - c[x]);
            let down = (c[x] - a[x]) + 2.0 * (c[x + 1] - a[x + 1]) + (c[x + 2] - a[x + 2]);
            squared[x] = across * across + down * down;
            crossed[x] = (corners - 2.0 * sides + 4.0 * middle).abs();
        }
        plain.add(laplacian);
        three.add(laplacian_3);
        gradient.add(squared);
        if row > 0 && row + 1 < rows && columns > 2 {
            diagonal.add(&crossed[1..columns - 1]);
        }
        std::mem::swap(&mut above, &mut here);
        std::mem::swap(&mut here, &mut below);
    }
    let count = (rows * columns) as f64;
    let has_interior = rows > 2 && columns > 2;
    Neighbourhoods {
        laplacian_variance: plain.variance(count),
        laplacian_variance_3: three.variance(count),
        tenengrad: gradient.mean(count),
        immerkaer: has_interior.then(|| {
            let inner = ((rows - 2) * (columns - 2)) as f64;
            (std::f64::consts::PI / 2.0).sqrt() / 6.0 * diagonal.mean(inner)
        }),
    }
}

/// The high-pass filter of Daubechies' wavelet with two vanishing moments.
const DAUBECHIES_2: [f64; 4] = [-0.48296291314453416, 0.8365163037378079, -0.2241438680420134, -0.12940952255126037];
/// The third quartile of the normal distribution.
pub(super) const QUARTILE: f64 = 0.6744897501960817;

/// The noise that the diagonal details of a wavelet transform show: their median, without those of flat areas, as the deviation of a normal distribution.
/// `None` where all are flat.
pub(crate) fn wavelet_noise(image: &Image) -> Option<f64> {
    let (rows, columns) = (image.rows(), image.columns());
    let (half_rows, half_columns) = (usize::midpoint(rows, 3), usize::midpoint(columns, 3));
    let mut details = Vec::with_capacity(half_rows * half_columns);
    let mut line = vec![0.0; columns];
    for k in 0..half_rows {
        let [(f0, r0), (f1, r1), (f2, r2), (f3, r3)] = taps(2 * k + 1, rows).map(|(factor, row)| (factor, image.row(row)));
        for (x, cell) in line.iter_mut().enumerate() {
            *cell = f0 * f64::from(r0[x]) + f1 * f64::from(r1[x]) + f2 * f64::from(r2[x]) + f3 * f64::from(r3[x]);
        }
        for m in 0..half_columns {
            let at = 2 * m + 1;
            let detail = if (3..columns).contains(&at) {
                let [d, c, b, a] = [line[at - 3], line[at - 2], line[at - 1], line[at]];
                DAUBECHIES_2[0] * a + DAUBECHIES_2[1] * b + DAUBECHIES_2[2] * c + DAUBECHIES_2[3] * d
            } else {
                taps(at, columns).iter().fold(0.0, |sum, (factor, x)| sum + factor * line[*x])
            };
            if detail != 0.0 {
                details.push(detail.abs());
            }
        }
    }
    Some(median(&mut details)? / QUARTILE)
}

/// The factors of the filter whose first lies at a place, each with the pixel that it is for. Beyond the border the image is mirrored with its outermost pixel.
///
/// They are in the order in which the reference adds them: what is left of a flat area is rounding, and counts or does not.
fn taps(at: usize, size: usize) -> [(f64, usize); 4] {
    let mirrored = |place: isize| {
        let place = place.rem_euclid(2 * size as isize) as usize;
        if place < size { place } else { 2 * size - 1 - place }
    };
    let mut taps: [(f64, usize); 4] = std::array::from_fn(|tap| (DAUBECHIES_2[tap], mirrored(at as isize - tap as isize)));
    // Those beyond the end are taken from the border outwards.
    let beyond = (at + 1).saturating_sub(size).min(4);
    taps[..beyond].reverse();
    taps
}

/// The median of some numbers, which change their order.
pub(crate) fn median(values: &mut [f64]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let middle = values.len() / 2;
    let is_even = values.len().is_multiple_of(2);
    let (below, upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let upper = *upper;
    if !is_even {
        return Some(upper);
    }
    let lower = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    Some(f64::midpoint(lower, upper))
}
