//! **Image quality measured: every number with its formula and its mask.**
//!
//! ```
//! use sutura_imaging::{Image, MeasureOptions, Measurer, Metric};
//!
//! // A bright square on a dark ground.
//! let values = (0..64 * 64).map(|place| if (16..48).contains(&(place / 64)) && (16..48).contains(&(place % 64)) { 900.0 } else { 10.0 });
//! let image = Image::new(64, 64, values.collect())?;
//! let report = Measurer::new(MeasureOptions::default()).measure(&image, "MR");
//! assert_eq!(report.value(Metric::ForegroundShare), Some(0.25));
//! assert_eq!(Metric::Efc.definition().name, "efc");
//! // What cannot be computed has a reason: the tissue of this image has no spread.
//! assert_eq!(report.get(Metric::SnrTissue).value.unwrap_err().code(), "no-spread");
//! # Ok::<(), sutura_imaging::ImagingError>(())
//! ```
//!
//! - [`Image`]: one plane of numbers after the modality rescale, from a decoded frame of `sutura_dicom`,
//! - [`Measurer`] and [`ImageReport`]: all metrics of an image; [`metric`]: what each is,
//! - [`tables`]: reports as Arrow tables; [`Catalogue`]: modalities summed up,
//! - [`Images`]: the format of the engine that has those tables,
//! - [`ImageGate`]: what becomes of an image whose quality is too low,
//! - [`picture`]: histograms, boxes and thumbnails as SVG and PNG, without a word that leads to a person,
//! - [`burned`]: areas that look like text.
//!
//! What it is not: it opens no file itself, draws no conclusion about a patient, and changes no pixel.
// Values that are counted and steps that are told apart are compared to the last bit on purpose.
#![allow(clippy::float_cmp)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr))]

pub mod burned;
mod catalogue;
mod distribution;
mod error;
mod format;
mod gate;
mod groups;
mod image;
mod key;
mod mask;
mod measure;
pub mod metric;
pub mod picture;
mod spectrum;
pub mod tables;

pub use catalogue::{Catalogue, Summary};
pub use distribution::{Distribution, Histogram, Moments, Part};
pub use error::ImagingError;
pub use format::Images;
pub use gate::{Breach, ImageGate, Limit, Outcome, Verdict};
pub use image::{Image, Image8, Rescale};
pub use key::{ImageKey, is_no_picture, modality};
pub use measure::{ImageReport, MeasureOptions, Measurer};
pub use metric::{Better, Definition, Mask, Measured, Metric, Reason, Unit};
