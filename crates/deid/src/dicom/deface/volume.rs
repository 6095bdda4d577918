//! Slices in space, and their coarse copies.

use sutura_dicom::{
    DicomFile, Tag,
    pixels::{PixelDescription, decode::Frame},
};

use super::COARSE;

/// Where a slice is in the patient: millimetres, x to the left, y to the back, z to the head (PS3.3 C.7.6.2).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Geometry {
    pub(super) origin: [f64; 3],
    /// Direction of a row: from column to column.
    pub(super) along_row: [f64; 3],
    /// Direction of a column: from row to row.
    pub(super) along_column: [f64; 3],
    /// Millimetres from row to row, and from column to column.
    pub(super) spacing: [f64; 2],
    pub(super) rows: usize,
    pub(super) columns: usize,
}

impl Geometry {
    pub(super) fn of(file: &DicomFile, description: &PixelDescription) -> Option<Self> {
        let data_set = file.data_set();
        let origin: [f64; 3] = data_set.numbers(Tag(0x0020_0032)).try_into().ok()?;
        let direction: [f64; 6] = data_set.numbers(Tag(0x0020_0037)).try_into().ok()?;
        let spacing: [f64; 2] = data_set.numbers(Tag(0x0028_0030)).try_into().ok()?;
        let (along_row, along_column) = (std::array::from_fn(|axis| direction[axis]), std::array::from_fn(|axis| direction[axis + 3]));
        let is_unit = |vector: [f64; 3]| (dot(vector, vector) - 1.0).abs() < 0.05;
        let is_sound = spacing.iter().all(|step| (0.01..100.0).contains(step)) && origin.iter().all(|place| place.abs() < 1e5);
        let fits = is_sound && is_unit(along_row) && is_unit(along_column) && dot(along_row, along_column).abs() < 0.05;
        fits.then_some(Self { origin, along_row, along_column, spacing, rows: description.rows, columns: description.columns })
    }

    pub(super) fn normal(&self) -> [f64; 3] {
        let (row, column) = (self.along_row, self.along_column);
        std::array::from_fn(|axis| {
            let (next, last) = ((axis + 1) % 3, (axis + 2) % 3);
            row[next] * column[last] - row[last] * column[next]
        })
    }

    /// Whether another slice lies in the same directions and has the same size.
    pub(super) fn is_parallel(&self, other: &Self) -> bool {
        let close = |one: [f64; 3], other: [f64; 3]| dot(one, other) > 0.999;
        close(self.along_row, other.along_row)
            && close(self.along_column, other.along_column)
            && (self.rows, self.columns) == (other.rows, other.columns)
            && self.spacing.iter().zip(other.spacing).all(|(one, other)| (one - other).abs() < 1e-3)
    }

    /// The place of a pixel.
    pub(super) fn place(&self, row: f64, column: f64) -> [f64; 3] {
        let [down, across] = [row * self.spacing[0], column * self.spacing[1]];
        std::array::from_fn(|axis| self.origin[axis] + down * self.along_column[axis] + across * self.along_row[axis])
    }
}

pub(super) fn dot(one: [f64; 3], other: [f64; 3]) -> f64 {
    one.iter().zip(other).map(|(one, other)| one * other).sum()
}

/// A slice at a lower resolution: the mean of each block.
pub(super) struct Coarse {
    pub(super) geometry: Geometry,
    /// Pixels of a block's edge.
    pub(super) step: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Row after row. CT in Hounsfield units.
    pub(super) values: Vec<f32>,
    pub(super) is_ct: bool,
}

impl Coarse {
    pub(super) fn of(file: &DicomFile, geometry: Geometry, frame: &Frame) -> Self {
        let data_set = file.data_set();
        let slope = data_set.number(Tag(0x0028_1053)).filter(|slope| *slope != 0.0).unwrap_or(1.0);
        let intercept = data_set.number(Tag(0x0028_1052)).unwrap_or(0.0);
        let step = geometry.rows.max(geometry.columns).div_ceil(COARSE).max(1);
        let (rows, columns) = (geometry.rows.div_ceil(step), geometry.columns.div_ceil(step));
        let mut sums = vec![(0f64, 0u32); rows * columns];
        let mut place = 0;
        frame.data.for_each(|value| {
            let (row, column) = (place / geometry.columns, place % geometry.columns);
            if let Some((sum, count)) = sums.get_mut(row / step * columns + column / step) {
                *sum += value * slope + intercept;
                *count += 1;
            }
            place += 1;
        });
        let values = sums.into_iter().map(|(sum, count)| (sum / f64::from(count.max(1))) as f32).collect();
        let is_ct = data_set.text(Tag(0x0008_0060)).as_deref() == Some("CT");
        Self { geometry, step, rows, columns, values, is_ct }
    }
}
