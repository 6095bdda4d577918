//! Why an image could not be made or measured.

use sutura_dicom::pixels::PixelError;
use thiserror::Error;

/// Why an image could not be made, drawn or written. What cannot be computed of an image that is there is a [`Reason`](crate::Reason), no error.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImagingError {
    /// The file's pixels could not be decoded.
    #[error("the pixels were not decoded: {0}")]
    Pixels(#[from] PixelError),
    /// Rows, columns and the number of values do not fit together.
    #[error("an image of {rows} rows and {columns} columns has {values} values; give rows x columns of them, at least one")]
    Shape {
        /// Rows.
        rows: usize,
        /// Columns.
        columns: usize,
        /// Values that were given.
        values: usize,
    },
    /// More pixels than [`Image::MOST_PIXELS`](crate::Image::MOST_PIXELS).
    #[error("the image has more than {} pixels; measure tiles of it", crate::Image::MOST_PIXELS)]
    TooLarge,
    /// A batch of rows could not be made.
    #[error("the rows do not fit the table; this is a fault of the program")]
    Table(#[source] arrow::error::ArrowError),
    /// A picture could not be encoded.
    #[error("the picture was not encoded; make it smaller")]
    Picture,
}
