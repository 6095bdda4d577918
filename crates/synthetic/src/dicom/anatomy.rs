//! Bodies as formulas: the tissue at a place in the patient. Places are in millimetres, x to the left hand, y to the back, z to the head (PS3.3 C.7.6.2.1.1).

use crate::rng::{Rng, splitmix};

/// What differs from one body to the next.
#[derive(Debug, Clone, Copy)]
pub(super) struct Body {
    /// Size against the usual, about 1.
    size: f64,
    /// Share of fat.
    fat: f64,
    /// Size of the heart or of the ventricles.
    heart: f64,
    /// How dense glands are.
    density: f64,
    seed: u64,
}

impl Body {
    pub(super) fn draw(rng: &mut Rng, child: bool) -> Self {
        let share = |rng: &mut Rng, low: i64, high: i64| rng.between(low, high) as f64 / 1000.0;
        let size = if child { share(rng, 620, 800) } else { share(rng, 900, 1080) };
        Self { size, fat: share(rng, 60, 160), heart: share(rng, 850, 1250), density: share(rng, 150, 750), seed: rng.bits() }
    }
}

fn square(number: f64) -> f64 {
    number * number
}

/// 1 on the border of an ellipsoid, less inside.
fn ellipsoid(place: [f64; 3], centre: [f64; 3], radii: [f64; 3]) -> f64 {
    (0..3).map(|axis| square((place[axis] - centre[axis]) / radii[axis])).sum::<f64>().sqrt()
}

/// A number from 0 to 1 that belongs to a cell of space.
fn cell(seed: u64, place: [f64; 3]) -> f64 {
    let mut state = seed;
    for number in place {
        state ^= (number as i64 as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        state = splitmix(&mut state);
    }
    (state >> 40) as f64 / (1u64 << 24) as f64
}

/// A number from 0 to 1 that changes smoothly over a plane, from cell to cell.
fn smooth(seed: u64, x: f64, y: f64, layer: f64) -> f64 {
    let (left, top) = (x.floor(), y.floor());
    let ease = |part: f64| part * part * (3.0 - 2.0 * part);
    let (across, down) = (ease(x - left), ease(y - top));
    let row = |y: f64| cell(seed, [left, y, layer]) * (1.0 - across) + cell(seed, [left + 1.0, y, layer]) * across;
    row(top) * (1.0 - down) + row(top + 1.0) * down
}

/// From 0 to 1 and back, once in a period.
pub(super) fn triangle(number: f64, period: f64) -> f64 {
    let part = (number / period).rem_euclid(1.0);
    if part < 0.5 { 2.0 * part } else { 2.0 - 2.0 * part }
}

/// The chest in Hounsfield units.
pub(super) fn chest(body: &Body, place: [f64; 3]) -> f64 {
    let [x, y, z] = place.map(|number| number / body.size);
    let (wide, deep) = (165.0, 112.0);
    let skin = (square(x / wide) + square(y / deep)).sqrt();
    if skin > 1.0 {
        let is_table = (deep + 6.0..deep + 14.0).contains(&y) && x.abs() < 210.0;
        return if is_table { -180.0 } else { -1000.0 };
    }
    if skin > 1.0 - body.fat {
        return -95.0;
    }
    let vertebra = (square(x) + square(y - 0.58 * deep)).sqrt();
    if vertebra < 19.0 {
        return if vertebra > 16.0 { 520.0 } else { 190.0 + 60.0 * triangle(z, 28.0) };
    }
    if (square(x) + square(y - 0.58 * deep - 26.0)).sqrt() < 9.0 {
        return 25.0;
    }
    let heart = ellipsoid([x, y, z], [22.0, -0.28 * deep, -18.0], [58.0 * body.heart, 46.0 * body.heart, 62.0]);
    if heart < 1.0 {
        return if heart < 0.7 { 48.0 } else { 40.0 };
    }
    for side in [-1.0, 1.0] {
        let lung = ellipsoid([x, y, z], [side * 0.44 * wide, 0.02 * deep, 0.0], [0.36 * wide, 0.66 * deep, 150.0]);
        if lung < 1.0 {
            return lung_tissue(body, [x, y, z]);
        }
    }
    let is_shell = skin > 0.80 - body.fat / 2.0;
    if is_shell && triangle(z - 0.45 * y, 26.0) < 0.36 && z.abs() < 150.0 {
        return 430.0;
    }
    42.0
}

/// Air with vessels.
fn lung_tissue(body: &Body, place: [f64; 3]) -> f64 {
    let corner = place.map(|number| (number / 13.0).floor());
    let drawn = cell(body.seed, corner);
    let middle = [0.3 + 0.4 * drawn, 0.7 - 0.4 * drawn, 0.5];
    let centre = [0, 1, 2].map(|axis| (corner[axis] + middle[axis]) * 13.0);
    if drawn < 0.45 && ellipsoid(place, centre, [1.5 + 4.0 * drawn; 3]) < 1.0 { 30.0 } else { -845.0 }
}

/// The contrast of an MR series: the brightness of fat, bone, fluid, grey and white matter.
pub(super) type Contrast = [f64; 5];
/// T1-weighted.
pub(super) const T1: Contrast = [900.0, 90.0, 220.0, 520.0, 720.0];
/// T2-weighted.
pub(super) const T2: Contrast = [560.0, 70.0, 1000.0, 610.0, 430.0];

/// The head, with a face, in the brightness of a contrast.
pub(super) fn head(body: &Body, contrast: Contrast, place: [f64; 3]) -> f64 {
    let [fat, bone, fluid, grey, white] = contrast;
    let place = place.map(|number| number / body.size);
    let [x, y, z] = place;
    let shell = ellipsoid(place, [0.0; 3], [76.0, 96.0, 112.0]);
    let nose = ellipsoid(place, [0.0, -94.0, -30.0], [13.0, 22.0, 20.0]);
    if shell > 1.0 {
        return if nose < 1.0 { 0.7 * fat } else { 0.0 };
    }
    if [-1.0, 1.0].into_iter().any(|side| ellipsoid(place, [side * 31.0, -74.0, -24.0], [12.0; 3]) < 1.0) {
        return fluid;
    }
    if shell > 0.94 {
        return fat;
    }
    if shell > 0.87 {
        return bone;
    }
    if shell > 0.83 {
        return fluid;
    }
    for side in [-1.0, 1.0] {
        if ellipsoid(place, [side * 12.0, -4.0, 12.0], [7.0 * body.heart, 27.0, 13.0 * body.heart]) < 1.0 {
            return fluid;
        }
    }
    let fold = triangle(x + 0.4 * z, 21.0) + triangle(y - 0.3 * x, 25.0) + triangle(z + 0.2 * y, 23.0);
    if shell + 0.1 * fold > 0.86 { grey } else { white }
}

/// A chest from the front, or from the side: what a detector of 12 bits sees. `across` and `down` run from -1 to 1.
pub(super) fn radiograph(body: &Body, across: f64, down: f64, lateral: bool) -> f64 {
    let width = if lateral { 0.62 } else { 0.86 } * body.size.min(1.05);
    let outline = across.abs() / width + 0.06 * square(down);
    if outline > 1.0 {
        return 180.0;
    }
    // The body is thickest in its middle.
    let mut value = 900.0 + 1300.0 * (1.0 - square(outline)).max(0.0).sqrt();
    let lungs: &[f64] = if lateral { &[0.0] } else { &[-0.42, 0.42] };
    for middle in lungs {
        let lung = square((across - middle) / 0.34) + square((down + 0.18) / 0.62);
        if lung < 1.0 {
            value -= 950.0 * (1.0 - lung).sqrt();
            let rib = triangle(down - 0.35 * square(across - middle), 0.17);
            if rib < 0.28 {
                value += 210.0;
            }
            value += 160.0 * square(smooth(body.seed, across * 34.0, down * 22.0, 0.0));
        }
    }
    if (across / 0.09).abs() < 1.0 && !lateral {
        value += 480.0 + 160.0 * triangle(down, 0.11);
    }
    let heart = square((across - 0.12) / (0.30 * body.heart)) + square((down - 0.12) / 0.30);
    if heart < 1.0 {
        value += 300.0 + 420.0 * (1.0 - heart).sqrt();
    }
    if down > 0.48 + 0.2 * square(across) {
        value = value.max(2500.0);
    }
    value
}

/// A breast that lies at one border of the detector. `inward` is 0 at that border and 1 at the other, `down` runs from -1 to 1.
pub(super) fn mammogram(body: &Body, inward: f64, down: f64, oblique: bool) -> f64 {
    let outline = square(inward / 0.72) + square(down / 0.80);
    if oblique && inward + 0.55 * (down + 1.0) < 0.42 {
        // The muscle of the chest.
        return 3000.0;
    }
    if outline > 1.0 {
        return 60.0;
    }
    let thick = (1.0 - outline).sqrt();
    let mut value = 700.0 + 900.0 * thick.sqrt();
    let coarse = smooth(body.seed, inward * 7.0, down * 6.0, 1.0);
    let fine = smooth(body.seed, inward * 29.0, down * 25.0, 3.0);
    let gland = body.density + 0.25 - 0.7 * coarse - 0.3 * fine;
    if outline < 0.8 {
        value += 1500.0 * gland.clamp(0.0, 0.6) * (0.8 - outline).min(0.2) * 5.0 + 150.0 * fine;
    }
    let speck = cell(body.seed, [(inward * 240.0).floor(), (down * 240.0).floor(), 2.0]);
    if speck > 0.9993 && outline < 0.4 {
        value += 900.0;
    }
    value
}

/// The brightness of tissue under an ultrasound probe, from 0 to 1; `None` outside the sector. `across` runs from -1 to 1, `depth` from 0 to 1.
pub(super) fn sector(body: &Body, across: f64, depth: f64) -> Option<f64> {
    let (x, y) = (across * 0.72, depth + 0.18);
    let radius = (x * x + y * y).sqrt();
    if !(0.24..1.10).contains(&radius) || x.abs() > 0.66 * y {
        return None;
    }
    let layer = 0.28 + 0.20 * triangle(radius, 0.21);
    let cyst = square((across - 0.15) / (0.16 * body.heart)) + square((depth - 0.45) / (0.13 * body.heart));
    let stone = square((across + 0.2) / 0.05) + square((depth - 0.62) / 0.03);
    Some(if cyst < 1.0 {
        0.03
    } else if stone < 1.0 {
        0.75
    } else {
        layer * (1.15 - 0.55 * radius)
    })
}
