//! Pictures of quality, drawn once and written as SVG or as PNG.
//!
//! They say modalities, names of metrics and numbers. Nothing in their text leads to a person; a thumbnail shows an image, and whoever publishes it has to be
//! allowed to.

mod charts;
mod font;
mod png;
mod svg;

use crate::{error::ImagingError, image::Image8};

pub use charts::{box_plot, image_beside_histogram, score_histogram, thumbnails};
pub use png::{png, png_rgb};

/// A colour: red, green, blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colour(pub u8, pub u8, pub u8);

/// White.
pub const WHITE: Colour = Colour(255, 255, 255);
/// Text and axes.
pub const INK: Colour = Colour(34, 40, 49);
/// Lines that only help the eye.
pub const PALE: Colour = Colour(214, 218, 224);
/// Bars and boxes.
pub const FILL: Colour = Colour(92, 134, 184);
/// What is beyond a limit, and the limit.
pub const ALARM: Colour = Colour(196, 74, 58);

/// Where a text begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// At its left.
    Start,
    /// In its middle.
    Middle,
    /// At its right.
    End,
}

/// One thing that is drawn. Coordinates are pixels from the upper left corner.
#[derive(Debug, Clone, PartialEq)]
enum Shape {
    Rectangle { x: f64, y: f64, width: f64, height: f64, colour: Colour },
    Text { x: f64, y: f64, anchor: Anchor, colour: Colour, text: String },
    Image { x: f64, y: f64, width: f64, height: f64, image: Image8 },
}

/// A picture: rectangles, lines, text and images, drawn in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    width: usize,
    height: usize,
    title: String,
    shapes: Vec<Shape>,
}

/// Most pixels along a side of a picture.
const MOST_SIDE: usize = 8192;

impl Picture {
    /// An empty white picture. The title is what a screen reader says.
    pub fn new(width: usize, height: usize, title: &str) -> Self {
        Self { width: width.clamp(1, MOST_SIDE), height: height.clamp(1, MOST_SIDE), title: plain(title), shapes: Vec::new() }
    }

    /// Width in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Draws a filled rectangle.
    pub fn rectangle(&mut self, x: f64, y: f64, width: f64, height: f64, colour: Colour) {
        self.shapes.push(Shape::Rectangle { x, y, width: width.max(0.0), height: height.max(0.0), colour });
    }

    /// Draws an upright or level line, one pixel wide.
    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: Colour) {
        let (x, y) = (from.0.min(to.0), from.1.min(to.1));
        self.rectangle(x, y, (from.0 - to.0).abs().max(1.0), (from.1 - to.1).abs().max(1.0), colour);
    }

    /// Writes a text on a base line. Characters that are not ASCII become `?`.
    pub fn text(&mut self, x: f64, y: f64, anchor: Anchor, colour: Colour, text: &str) {
        self.shapes.push(Shape::Text { x, y, anchor, colour, text: plain(text) });
    }

    /// Draws an image into a rectangle.
    pub fn image(&mut self, x: f64, y: f64, width: f64, height: f64, image: Image8) {
        self.shapes.push(Shape::Image { x, y, width, height, image });
    }

    /// The picture as SVG: no script, no font and nothing else from elsewhere.
    ///
    /// # Errors
    /// When an image in it cannot be encoded.
    pub fn to_svg(&self) -> Result<String, ImagingError> {
        svg::svg(self)
    }

    /// The picture as PNG, in colours of 8 bits.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub fn to_png(&self) -> Result<Vec<u8>, ImagingError> {
        png::draw(self)
    }
}

/// Text in printable ASCII.
fn plain(text: &str) -> String {
    text.chars().map(|character| if (' '..='~').contains(&character) { character } else { '?' }).take(200).collect()
}

/// A smaller copy of an image that fits into a square, each pixel the mean of those that it stands for.
pub fn thumbnail(image: &Image8, side: usize) -> Image8 {
    let side = side.max(1);
    let step = image.rows().max(image.columns()).div_ceil(side).max(1);
    let (rows, columns) = (image.rows().div_ceil(step), image.columns().div_ceil(step));
    let mut values = Vec::with_capacity(rows * columns);
    for row in 0..rows {
        for column in 0..columns {
            let (top, left) = (row * step, column * step);
            let (bottom, right) = ((top + step).min(image.rows()), (left + step).min(image.columns()));
            let line = |row: usize| &image.values()[row * image.columns() + left..row * image.columns() + right];
            let sum: u64 = (top..bottom).flat_map(line).map(|value| u64::from(*value)).sum();
            values.push((sum / ((bottom - top) * (right - left)) as u64) as u8);
        }
    }
    Image8::new(rows, columns, values).unwrap_or_else(|_| image.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thumbnail_is_the_mean_of_what_it_stands_for() {
        let image = Image8::new(4, 6, (0..24).map(|place| if place % 6 < 3 { 10 } else { 30 }).collect()).unwrap();
        let small = thumbnail(&image, 2);
        assert_eq!((small.rows(), small.columns(), small.values()), (2, 2, &[10, 30, 10, 30][..]));
        assert_eq!(thumbnail(&image, 100), image);
    }
}
