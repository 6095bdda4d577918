//! Artifacts: ghosting, motion, rings, wrapping, spikes, bias.

use super::kernels::median;
use crate::{image::Image, mask::Regions, metric::Reason, spectrum::Spectrum};

/// The two directions of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Axis {
    /// From row to row: down.
    Rows,
    /// From column to column: across.
    Columns,
}

/// Sum and number.
#[derive(Default, Clone, Copy)]
struct Mean {
    sum: f64,
    count: u64,
}

impl Mean {
    fn add(&mut self, value: f32) {
        self.sum += f64::from(value);
        self.count += 1;
    }

    fn value(self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
}

/// What lies in the air along one axis.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Air {
    /// The ghost of half the image: its mean above that of the other air, and its pixels.
    pub(crate) ghost: Result<f64, Reason>,
    pub(crate) ghost_pixels: u64,
    /// Air in line with the foreground, without that ghost: its mean above that of the air in other lines, and its pixels.
    pub(crate) in_line: Result<f64, Reason>,
    pub(crate) in_line_pixels: u64,
}

/// Air this near to the foreground is not counted as smear: edges are not sharp.
const EDGE: usize = 2;
/// Least pixels that a mean in the air is made of.
const LEAST_AIR: u64 = 16;

/// Measures the air along an axis, where ghosts and smears of that phase encoding direction lie.
pub(crate) fn air(image: &Image, regions: &Regions, axis: Axis) -> Air {
    let (rows, columns) = (regions.rows, regions.columns);
    let lines = if axis == Axis::Rows { columns } else { rows };
    let mut filled = vec![0usize; lines];
    for row in 0..rows {
        for column in 0..columns {
            if regions.foreground[row * columns + column] {
                filled[if axis == Axis::Rows { column } else { row }] += 1;
            }
        }
    }
    let along = if axis == Axis::Rows { rows } else { columns };
    // A line with less than this of foreground is free of it: single bright pixels are noise.
    let least = (along / 64).max(1);
    let near = near_filled(&filled, least);
    let spans = Spans::of(regions);
    let (mut ghost, mut beside, mut in_line, mut free) = (Mean::default(), Mean::default(), Mean::default(), Mean::default());
    for row in 0..rows {
        let values = image.row(row);
        let moved_row = if axis == Axis::Rows { (row + rows / 2) % rows } else { row };
        for (column, value) in values.iter().copied().enumerate() {
            if spans.hold(row, column) {
                continue;
            }
            let moved_column = if axis == Axis::Columns { (column + columns / 2) % columns } else { column };
            let is_ghost = regions.foreground[moved_row * columns + moved_column];
            if is_ghost {
                ghost.add(value);
                continue;
            }
            beside.add(value);
            let line = if axis == Axis::Rows { column } else { row };
            if filled[line] >= least {
                in_line.add(value);
            } else if !near[line] {
                free.add(value);
            }
        }
    }
    let difference = |first: Mean, second: Mean, missing: Reason| match (first.value(), second.value()) {
        (Some(here), Some(there)) if first.count >= LEAST_AIR && second.count >= LEAST_AIR => Ok(here - there),
        _ => Err(missing),
    };
    Air {
        ghost: difference(ghost, beside, Reason::NoAir),
        ghost_pixels: ghost.count,
        in_line: difference(in_line, free, Reason::FieldFilled),
        in_line_pixels: in_line.count,
    }
}

/// From the first to the last foreground pixel of every row and column. What is dark inside both is inside the body, no air.
struct Spans {
    rows: Vec<(usize, usize)>,
    columns: Vec<(usize, usize)>,
}

impl Spans {
    fn of(regions: &Regions) -> Self {
        let empty = (usize::MAX, 0);
        let mut spans = Self { rows: vec![empty; regions.rows], columns: vec![empty; regions.columns] };
        for row in 0..regions.rows {
            for column in 0..regions.columns {
                if regions.foreground[row * regions.columns + column] {
                    let across = &mut spans.rows[row];
                    *across = (across.0.min(column), across.1.max(column));
                    let down = &mut spans.columns[column];
                    *down = (down.0.min(row), down.1.max(row));
                }
            }
        }
        spans
    }

    fn hold(&self, row: usize, column: usize) -> bool {
        let ((left, right), (top, bottom)) = (self.rows[row], self.columns[column]);
        (left..=right).contains(&column) && (top..=bottom).contains(&row)
    }
}

/// Lines that have a line with foreground near.
fn near_filled(filled: &[usize], least: usize) -> Vec<bool> {
    (0..filled.len())
        .map(|line| (line.saturating_sub(EDGE)..(line + EDGE + 1).min(filled.len())).any(|other| filled[other] >= least))
        .collect()
}

/// How much brighter some borders are in foreground than others: the share on the side with the most less that with the least.
pub(crate) fn wrap(regions: &Regions) -> f64 {
    let (rows, columns) = (regions.rows, regions.columns);
    let share = |count: usize, of: usize| count as f64 / of as f64;
    let row = |row: usize| share(regions.foreground[row * columns..(row + 1) * columns].iter().filter(|is| **is).count(), columns);
    let column = |column: usize| share((0..rows).filter(|row| regions.foreground[row * columns + column]).count(), rows);
    let sides = [row(0), row(rows - 1), column(0), column(columns - 1)];
    let (least, most) = sides.iter().fold((f64::INFINITY, 0f64), |(least, most), side| (least.min(*side), most.max(*side)));
    most - least
}

/// Circles nearer to the centre than this have too few pixels.
const FIRST_CIRCLE: usize = 6;
/// Half the width of the window that smooths a profile.
const SMOOTH: usize = 4;
/// Least circles that the deviation is the mean of.
const LEAST_CIRCLES: u32 = 8;
/// Parts of a circle, and how many of them have to lie in the foreground.
const OCTANTS: usize = 8;
const LEAST_OCTANTS: usize = 5;

/// Rings about the centre of the image: how much circles deviate from those next to them, less what the noise makes of it.
///
/// Each eighth of the circles has a profile of its own, from which its smoothed course is taken; of the eighths the median counts. A ring is in all of them at
/// the same radius; the border of an organ is not.
pub(crate) fn ring(image: &Image, regions: &Regions, noise: f64) -> Result<(f64, u64), Reason> {
    let (rows, columns) = (regions.rows, regions.columns);
    let (middle_row, middle_column) = ((rows as f64 - 1.0) / 2.0, (columns as f64 - 1.0) / 2.0);
    let circles = rows.min(columns) / 2 + 1;
    if circles < FIRST_CIRCLE + 2 * SMOOTH + LEAST_CIRCLES as usize {
        return Err(Reason::TooSmall);
    }
    // Of each eighth of each circle: sum, pixels in the foreground, all pixels.
    let mut cells = vec![(0.0, 0u32, 0u32); OCTANTS * circles];
    for row in 0..rows {
        let down = row as f64 - middle_row;
        for column in 0..columns {
            let across = column as f64 - middle_column;
            let radius = (down * down + across * across).sqrt().round() as usize;
            if radius >= circles {
                continue;
            }
            let octant = usize::from(down > 0.0) + 2 * usize::from(across > 0.0) + 4 * usize::from(down.abs() > across.abs());
            let cell = &mut cells[octant * circles + radius];
            cell.2 += 1;
            let place = row * columns + column;
            if regions.is_inner(place) {
                cell.0 += f64::from(image.values()[place]);
                cell.1 += 1;
            }
        }
    }
    // The deviation of an eighth of a circle; none where it or one next to it is not in the foreground for the most part.
    let deviation = |octant: usize, circle: usize| {
        let window = &cells[octant * circles + circle - SMOOTH..=octant * circles + circle + SMOOTH];
        if window.iter().any(|(_, inside, all)| 4 * inside < 3 * all || *inside == 0) {
            return None;
        }
        let mean = |(sum, inside, _): &(f64, u32, u32)| sum / f64::from(*inside);
        Some(mean(&window[SMOOTH]) - window.iter().map(mean).sum::<f64>() / window.len() as f64)
    };
    let (mut squares, mut by_noise, mut count, mut pixels) = (0.0, 0.0, 0u32, 0);
    for circle in FIRST_CIRCLE + SMOOTH..circles - SMOOTH {
        let mut deviations: Vec<f64> = (0..OCTANTS).filter_map(|octant| deviation(octant, circle)).collect();
        if deviations.len() < LEAST_OCTANTS {
            continue;
        }
        let own: u32 = (0..OCTANTS).map(|octant| cells[octant * circles + circle].1).sum();
        squares += median(&mut deviations).unwrap_or(0.0).powi(2);
        by_noise += std::f64::consts::FRAC_PI_2 * noise * noise / f64::from(own);
        pixels += u64::from(own);
        count += 1;
    }
    if count < LEAST_CIRCLES {
        return Err(Reason::NoForeground);
    }
    Ok((((squares - by_noise).max(0.0) / f64::from(count)).sqrt(), pixels))
}

/// Frequencies nearer to zero than this are the image's own.
const LOW: isize = 4;

/// The strongest single spatial frequency above its surroundings, as an amplitude.
pub(crate) fn spike(spectrum: &Spectrum) -> Result<f64, Reason> {
    let (rows, half) = (spectrum.rows as isize, spectrum.half());
    if rows < 16 || half < 9 {
        return Err(Reason::TooSmall);
    }
    let pixels = (spectrum.rows * spectrum.columns) as f64;
    let mut best = 0f64;
    for u in 2..half - 2 {
        for v in -rows / 2 + 2..rows / 2 - 2 {
            // On the axes lie the borders of the image.
            if v.abs() < 2 || (u as isize).pow(2) + v * v < LOW * LOW {
                continue;
            }
            let here = spectrum.at(u, v);
            let near = spectrum.at(u - 2, v) + spectrum.at(u + 2, v) + spectrum.at(u, v - 2) + spectrum.at(u, v + 2);
            if 2.0 * here < near || 2.0 * f64::from(here) / pixels <= best {
                continue;
            }
            let mut around = [0f64; 16];
            let places = (-2..=2isize).flat_map(|down| (-2..=2isize).map(move |across| (down, across)));
            for (cell, (down, across)) in around.iter_mut().zip(places.filter(|(down, across)| down.abs().max(across.abs()) == 2)) {
                *cell = f64::from(spectrum.at((u as isize + across) as usize, v + down));
            }
            let usual = median(&mut around).unwrap_or(0.0);
            best = best.max(2.0 * (f64::from(here) - 4.0 * usual) / pixels);
        }
    }
    Ok(best)
}

/// Most blocks along a side that the bias is fitted on.
const BLOCKS: usize = 64;
/// Least gradients that a fit is made of.
const LEAST_GRADIENTS: usize = 60;

/// The smooth course of brightness over the foreground: the range of a quadratic, from the 5th to the 95th percentile of the foreground, in parts of its median.
///
/// The gradients of the quadratic are fitted to those of the logarithm; steps between tissues are outliers and are left out.
pub(crate) fn bias(image: &Image, regions: &Regions, least: f64) -> Result<(f64, u64), Reason> {
    let (rows, columns) = (regions.rows, regions.columns);
    let size = (rows.min(columns) / BLOCKS).max(1);
    let (down, across) = (rows / size, columns / size);
    if down < 8 || across < 8 {
        return Err(Reason::TooSmall);
    }
    let mut blocks = vec![f64::NAN; down * across];
    let mut pixels = 0;
    for (place, block) in blocks.iter_mut().enumerate() {
        let (top, left) = (place / across * size, place % across * size);
        let mut sum = 0.0;
        let mut is_inside = true;
        for row in top..top + size {
            for column in left..left + size {
                let at = row * columns + column;
                is_inside &= regions.is_inner(at);
                sum += f64::from(image.values()[at]) - least;
            }
        }
        let mean = sum / (size * size) as f64;
        if is_inside && mean > 0.0 {
            *block = mean.ln();
            pixels += (size * size) as u64;
        }
    }
    // Each gradient is a row of the equations: what it depends on, and its value. Coordinates from -1 to 1.
    let (half_down, half_across) = (down as f64 / 2.0, across as f64 / 2.0);
    let mut equations: Vec<([f64; 5], f64)> = Vec::new();
    for row in 1..down - 1 {
        for column in 1..across - 1 {
            let at = row * across + column;
            let (x, y) = ((column as f64 - half_across) / half_across, (row as f64 - half_down) / half_down);
            let over_x = (blocks[at + 1] - blocks[at - 1]) * half_across / 2.0;
            let over_y = (blocks[at + across] - blocks[at - across]) * half_down / 2.0;
            if over_x.is_finite() {
                equations.push(([1.0, 0.0, 2.0 * x, y, 0.0], over_x));
            }
            if over_y.is_finite() {
                equations.push(([0.0, 1.0, 0.0, x, 2.0 * y], over_y));
            }
        }
    }
    if equations.len() < LEAST_GRADIENTS {
        return Err(Reason::NoForeground);
    }
    let mut solution = [0.0; 5];
    let mut limit = f64::INFINITY;
    for round in 0..5 {
        let deviation = |equation: &([f64; 5], f64), solution: &[f64; 5]| {
            equation.1 - equation.0.iter().zip(solution).map(|(factor, unknown)| factor * unknown).sum::<f64>()
        };
        let mut deviations: Vec<f64> = equations.iter().map(|equation| deviation(equation, &solution).abs()).collect();
        let spread = 1.4826 * median(&mut deviations).unwrap_or(0.0);
        if round > 0 {
            limit = 3.0 * spread;
        }
        let kept = equations.iter().filter(|equation| deviation(equation, &solution).abs() <= limit);
        let Some(found) = least_squares(kept) else { break };
        solution = found;
    }
    let mut field: Vec<f64> = blocks
        .iter()
        .enumerate()
        .filter(|(_, block)| block.is_finite())
        .map(|(place, _)| {
            let (x, y) = (((place % across) as f64 - half_across) / half_across, ((place / across) as f64 - half_down) / half_down);
            [x, y, x * x, x * y, y * y].iter().zip(solution).map(|(term, factor)| term * factor).sum::<f64>().exp()
        })
        .collect();
    field.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| field[((field.len() - 1) as f64 * share).round() as usize];
    let middle = at(0.5);
    if middle > 0.0 { Ok(((at(0.95) - at(0.05)) / middle, pixels)) } else { Err(Reason::Overflow) }
}

/// The solution of five unknowns by least squares: normal equations, eliminated with pivots.
fn least_squares<'e>(equations: impl Iterator<Item = &'e ([f64; 5], f64)>) -> Option<[f64; 5]> {
    let mut table = [[0.0; 6]; 5];
    for (factors, value) in equations {
        for row in 0..5 {
            for column in 0..5 {
                table[row][column] += factors[row] * factors[column];
            }
            table[row][5] += factors[row] * value;
        }
    }
    for step in 0..5 {
        let pivot = (step..5).max_by(|first, second| table[*first][step].abs().total_cmp(&table[*second][step].abs()))?;
        table.swap(step, pivot);
        if table[step][step].abs() < 1e-9 {
            return None;
        }
        let own = table[step];
        for (row, line) in table.iter_mut().enumerate().filter(|(row, _)| *row != step) {
            let _ = row;
            let factor = line[step] / own[step];
            line.iter_mut().zip(own).for_each(|(cell, pivot)| *cell -= factor * pivot);
        }
    }
    let solution: [f64; 5] = std::array::from_fn(|row| table[row][5] / table[row][row]);
    solution.iter().all(|unknown| unknown.is_finite()).then_some(solution)
}
