//! Which voxels are the face.

use sutura_dicom::{DicomFile, Tag, pixels::PixelDescription};

use super::volume::{Coarse, Geometry, dot};
use crate::error::DeidError;

/// Millimetres behind the tip of the nose that go: nose, lips, chin and the front of the eyes, not the brain.
const DEPTH: f64 = 32.0;
/// Millimetres above the tip of the nose up to which they go: the brows.
const TO_BROWS: f64 = 50.0;
/// Millimetres of skin that go in front everywhere else.
const SKIN: f64 = 6.0;
/// Millimetres that a nose stands out before the forehead above it, at least.
const OUTSTANDS: f64 = 6.0;
/// Hounsfield units between air and skin.
const SKIN_CT: f32 = -400.0;
/// Millimetres that a head is wide, at most.
const WIDEST: f64 = 240.0;

/// The voxels of a series that show the face.
#[derive(Debug, Clone)]
pub struct FaceMask {
    geometry: Geometry,
    /// Slice positions along the normal, in order.
    levels: Vec<f64>,
    /// For each cell across and along the body: up to which y (millimetres, from the front) all goes. `f64::NEG_INFINITY` for nothing.
    cuts: Vec<f64>,
    /// The first x and z of the cells, their edge, and how many there are across.
    x: f64,
    z: f64,
    cell: f64,
    across: usize,
    /// What was found.
    pub found: Found,
}

/// What a series shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// A head with a nose.
    Face,
    /// A head, but no nose stands out: only skin goes.
    NoNose,
    /// Wider than a head: nothing goes.
    NoHead,
}

impl FaceMask {
    /// Whether a file is one of the slices that the mask was made of.
    pub fn covers(&self, file: &DicomFile) -> bool {
        let Ok(description) = PixelDescription::of(file) else { return false };
        Geometry::of(file, &description).is_some_and(|geometry| {
            let level = dot(geometry.origin, self.geometry.normal());
            geometry.is_parallel(&self.geometry) && self.levels.iter().any(|known| (known - level).abs() < 0.01)
        })
    }

    /// For each pixel of a slice, whether it goes; `None` if none does or the file is none of the series.
    pub(crate) fn of_slice(&self, file: &DicomFile, description: &PixelDescription) -> Option<Vec<bool>> {
        if self.found == Found::NoHead || !self.covers(file) {
            return None;
        }
        let geometry = Geometry::of(file, description)?;
        let mut goes = vec![false; geometry.rows * geometry.columns];
        let mut any = false;
        for (place, goes) in goes.iter_mut().enumerate() {
            let [x, y, z] = geometry.place((place / geometry.columns) as f64, (place % geometry.columns) as f64);
            *goes = y < self.cut(x, z);
            any |= *goes;
        }
        any.then_some(goes)
    }

    fn cut(&self, x: f64, z: f64) -> f64 {
        let (across, along) = (((x - self.x) / self.cell).floor(), ((z - self.z) / self.cell).floor());
        if across < 0.0 || along < 0.0 || across as usize >= self.across {
            return f64::NEG_INFINITY;
        }
        self.cuts.get(along as usize * self.across + across as usize).copied().unwrap_or(f64::NEG_INFINITY)
    }

    /// What a voxel becomes: air in CT, else the lowest number of the slice.
    pub(crate) fn fill(file: &DicomFile, lowest: i64) -> i64 {
        let data_set = file.data_set();
        if data_set.text(Tag(0x0008_0060)).as_deref() != Some("CT") {
            return lowest;
        }
        let slope = data_set.number(Tag(0x0028_1053)).filter(|slope| *slope != 0.0).unwrap_or(1.0);
        let air = ((-1000.0 - data_set.number(Tag(0x0028_1052)).unwrap_or(0.0)) / slope).round();
        // Never below what the slice has: the number of bits is not asked here.
        (air as i64).max(lowest)
    }
}

/// Points of the body's surface and what is around them, in cells of the plane across and along the body.
struct Cells {
    x: f64,
    z: f64,
    cell: f64,
    across: usize,
    along: usize,
    /// The foremost y of each cell; infinite where there is no body.
    front: Vec<f64>,
}

pub(super) fn find(mut slices: Vec<Coarse>) -> Result<FaceMask, DeidError> {
    const NO_VOLUME: DeidError = DeidError::Face("the files are not slices of one volume");
    // The orientation that most slices have; localizers have others.
    let most = slices.iter().map(|slice| slices.iter().filter(|other| other.geometry.is_parallel(&slice.geometry)).count());
    let Some((reference, _)) = most.enumerate().max_by_key(|(place, count)| (*count, usize::MAX - place)) else { return Err(NO_VOLUME) };
    let geometry = slices[reference].geometry;
    slices.retain(|slice| slice.geometry.is_parallel(&geometry));
    let normal = geometry.normal();
    slices.sort_by(|one, other| dot(one.geometry.origin, normal).total_cmp(&dot(other.geometry.origin, normal)));
    slices.dedup_by(|one, other| (dot(one.geometry.origin, normal) - dot(other.geometry.origin, normal)).abs() < 0.01);
    if slices.len() < 8 {
        return Err(DeidError::Face("the series has too few slices for a volume"));
    }
    let levels: Vec<f64> = slices.iter().map(|slice| dot(slice.geometry.origin, normal)).collect();
    let body = body(&slices);
    let cells = cells(&slices, &body, &levels)?;
    let (cuts, found) = cuts(&cells);
    Ok(FaceMask { geometry, levels, cuts, x: cells.x, z: cells.z, cell: cells.cell, across: cells.across, found })
}

/// The largest connected part that is not air.
fn body(slices: &[Coarse]) -> Vec<bool> {
    let (rows, columns) = (slices[0].rows, slices[0].columns);
    let threshold = if slices[0].is_ct { SKIN_CT } else { between_air_and_skin(slices) };
    let dense: Vec<bool> = slices.iter().flat_map(|slice| slice.values.iter().map(|value| *value > threshold)).collect();
    let (plane, total) = (rows * columns, dense.len());
    let mut part = vec![0u32; total];
    let (mut best, mut best_size, mut number) = (0, 0usize, 0);
    let mut stack = Vec::new();
    for start in 0..total {
        if !dense[start] || part[start] != 0 {
            continue;
        }
        number += 1;
        part[start] = number;
        stack.push(start);
        let mut size = 0;
        while let Some(at) = stack.pop() {
            size += 1;
            let (column, row) = (at % columns, at % plane / columns);
            let neighbours = [
                (column > 0).then(|| at - 1),
                (column + 1 < columns).then_some(at + 1),
                (row > 0).then(|| at - columns),
                (row + 1 < rows).then_some(at + columns),
                at.checked_sub(plane),
                Some(at + plane).filter(|next| *next < total),
            ];
            for next in neighbours.into_iter().flatten().filter(|next| dense[*next] && part[*next] == 0).collect::<Vec<_>>() {
                part[next] = number;
                stack.push(next);
            }
        }
        if size > best_size {
            (best, best_size) = (number, size);
        }
    }
    part.into_iter().map(|number| number == best && best != 0).collect()
}

/// A threshold for MR: Otsu's method parts dark from bright; a fifth of the way from the one mean to the other, so that faint skin is on the bright side.
fn between_air_and_skin(slices: &[Coarse]) -> f32 {
    let values = || slices.iter().flat_map(|slice| slice.values.iter().copied());
    let (low, high) = values().fold((f32::MAX, f32::MIN), |(low, high), value| (low.min(value), high.max(value)));
    if high <= low {
        return high;
    }
    let mut counts = [0u64; 256];
    values().for_each(|value| counts[((value - low) / (high - low) * 255.0) as usize] += 1);
    let total: u64 = counts.iter().sum();
    let sum: f64 = counts.iter().enumerate().map(|(level, count)| level as f64 * *count as f64).sum();
    let (mut best, mut best_spread, mut below, mut sum_below) = (0.0, -1.0, 0u64, 0.0);
    for (level, count) in counts.iter().enumerate() {
        below += count;
        sum_below += level as f64 * *count as f64;
        let above = total - below;
        if below == 0 || above == 0 {
            continue;
        }
        let (dark, bright) = (sum_below / below as f64, (sum - sum_below) / above as f64);
        let difference = bright - dark;
        let spread = below as f64 * above as f64 * difference * difference;
        if spread > best_spread {
            (best, best_spread) = (dark + 0.2 * difference, spread);
        }
    }
    low + (high - low) * best as f32 / 255.0
}

fn cells(slices: &[Coarse], body: &[bool], levels: &[f64]) -> Result<Cells, DeidError> {
    let first = &slices[0];
    let gap = levels.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
    let edge = first.step as f64 * first.geometry.spacing[0].max(first.geometry.spacing[1]);
    // A voxel lies in every cell that it reaches into, so no cell between two slices is left out.
    let cell = edge.max(gap).max(1.5);
    if cell > 12.0 {
        return Err(DeidError::Face("the slices are too far apart to find a face"));
    }
    let mut points = Vec::new();
    for (number, is_body) in body.iter().enumerate() {
        if !is_body {
            continue;
        }
        let plane = first.rows * first.columns;
        let slice = &slices[number / plane];
        let (row, column) = (number % plane / first.columns, number % first.columns);
        let middle = |place: usize| (place * first.step) as f64 + (first.step as f64 - 1.0) / 2.0;
        points.push(slice.geometry.place(middle(row), middle(column)));
    }
    if points.len() < 500 {
        return Err(DeidError::Face("there is nothing in the images that could be a head"));
    }
    let bound = |axis: usize, start: f64, pick: fn(f64, f64) -> f64| points.iter().map(|point| point[axis]).fold(start, pick);
    let margin = 2.0 * cell;
    let (x, z) = (bound(0, f64::MAX, f64::min) - margin, bound(2, f64::MAX, f64::min) - margin);
    let across = ((bound(0, f64::MIN, f64::max) + margin - x) / cell).ceil() as usize + 1;
    let along = ((bound(2, f64::MIN, f64::max) + margin - z) / cell).ceil() as usize + 1;
    if across.saturating_mul(along) > 4_000_000 {
        return Err(DeidError::Face("the slices are too far apart to find a face"));
    }
    let mut front = vec![f64::INFINITY; across * along];
    for point in &points {
        let (column, row) = (((point[0] - x) / cell) as usize, ((point[2] - z) / cell) as usize);
        if let Some(front) = front.get_mut(row * across + column) {
            *front = front.min(point[1]);
        }
    }
    Ok(Cells { x, z, cell, across, along, front })
}

/// Up to which y all goes, for each cell.
fn cuts(cells: &Cells) -> (Vec<f64>, Found) {
    let row = |along: usize| &cells.front[along * cells.across..(along + 1) * cells.across];
    let width = |along: usize| row(along).iter().filter(|front| front.is_finite()).count() as f64 * cells.cell;
    let nothing = vec![f64::NEG_INFINITY; cells.front.len()];
    // The head is at the upper end; a body below it may be as wide as it is.
    let Some(top) = (0..cells.along).rev().find(|along| width(*along) > 40.0) else { return (nothing, Found::NoHead) };
    let steps = |millimetres: f64| (millimetres / cells.cell).round() as usize;
    let upper: Vec<f64> = (top.saturating_sub(steps(90.0))..=top).map(width).collect();
    if upper.iter().copied().fold(0.0, f64::max) > WIDEST {
        return (nothing, Found::NoHead);
    }
    // The middle of the head, from its upper part.
    let (mut sum, mut count) = (0.0, 0.0);
    for along in top.saturating_sub(steps(90.0))..=top {
        for (across, _) in row(along).iter().enumerate().filter(|(_, front)| front.is_finite()) {
            sum += across as f64;
            count += 1.0;
        }
    }
    let middle = (sum / f64::max(count, 1.0)) as usize;
    let band = middle.saturating_sub(steps(25.0))..(middle + steps(25.0) + 1).min(cells.across);
    let foremost = |along: usize| row(along)[band.clone()].iter().copied().fold(f64::INFINITY, f64::min);
    // A nose is 6 to 18 cm below the crown; of a scan that does not reach it, there is none.
    let range = top.saturating_sub(steps(180.0))..top.saturating_sub(steps(50.0));
    let nose = range.min_by(|one, other| foremost(*one).total_cmp(&foremost(*other))).filter(|along| foremost(*along).is_finite());
    let nose = nose.filter(|along| {
        let forehead = (along + steps(55.0)).min(top);
        foremost(forehead) - foremost(*along) >= OUTSTANDS
    });
    let mut cuts = nothing;
    for along in 0..cells.along {
        let z = along as f64 * cells.cell;
        let plane = nose.map_or(f64::NEG_INFINITY, |nose| {
            let above = z - nose as f64 * cells.cell;
            // Chin and throat are a hand below the nose; the plane slopes back to the skin above the brows.
            let is_of_face = (-130.0..=TO_BROWS).contains(&above);
            if is_of_face { foremost(nose) + DEPTH - (above - TO_BROWS + 12.0).max(0.0) * 1.5 } else { f64::NEG_INFINITY }
        });
        for across in 0..cells.across {
            let place = along * cells.across + across;
            // The skin of the cells around: a cell has only a few points of its own.
            let near = |offset: isize, limit: usize, at: usize| at.checked_add_signed(offset).filter(|at| *at < limit);
            let skin = [-1isize, 0, 1]
                .into_iter()
                .flat_map(|up| [-1isize, 0, 1].map(|side| (up, side)))
                .filter_map(|(up, side)| {
                    Some(cells.front[near(up, cells.along, along)? * cells.across + near(side, cells.across, across)?])
                })
                .fold(f64::INFINITY, f64::min);
            let own = cells.front[place];
            let of_skin = if own.is_finite() { own.min(skin + cells.cell) + SKIN } else { f64::NEG_INFINITY };
            let is_of_head = top.saturating_sub(along) <= steps(260.0);
            cuts[place] = if is_of_head { plane.max(of_skin) } else { f64::NEG_INFINITY };
        }
    }
    (cuts, if nose.is_some() { Found::Face } else { Found::NoNose })
}
