//! Burned-in text: areas of an image that look like writing. Where a device writes by its maker's custom is [`sutura_dicom::burned`]'s to say.
//!
//! The detector knows no letters. At several levels of brightness it takes connected strokes of the size of characters, strings them to lines with a common
//! height and base line, and keeps lines that stand out from what is around them and are the same on several levels. So it finds text of any script, also in
//! the speckle of ultrasound.

mod components;

use crate::image::Image8;
use components::{Blob, blobs};

/// A rectangle of pixels: from the first row and column up to, not including, the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct TextBox {
    /// First row.
    pub top: usize,
    /// First column.
    pub left: usize,
    /// The row behind the last.
    pub bottom: usize,
    /// The column behind the last.
    pub right: usize,
}

impl TextBox {
    /// Rows.
    pub fn height(&self) -> usize {
        self.bottom.saturating_sub(self.top)
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.right.saturating_sub(self.left)
    }

    /// Pixels.
    pub fn area(&self) -> usize {
        self.height() * self.width()
    }

    /// Whether both have a pixel in common.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.left < other.right && other.left < self.right && self.top < other.bottom && other.top < self.bottom
    }

    fn joined(&self, other: &Self) -> Self {
        Self {
            top: self.top.min(other.top),
            left: self.left.min(other.left),
            bottom: self.bottom.max(other.bottom),
            right: self.right.max(other.right),
        }
    }
}

/// Levels of brightness that strokes are looked for at, in parts of 255. Letters are of one brightness; which one is not known.
const LEVELS: [u8; 9] = [70, 90, 110, 130, 150, 170, 190, 210, 230];
/// Least and greatest height of a character in pixels.
const HEIGHTS: std::ops::RangeInclusive<usize> = 6..=64;
/// Least characters of a line.
const LEAST_CHARACTERS: usize = 4;
/// Most characters that are looked at on one level: more is texture.
const MOST_CHARACTERS: usize = 20_000;
/// Pixels that a box is wider than what was found: strokes fade out.
const MARGIN: usize = 1;

/// Finds areas that look like text, from top to bottom.
///
/// Bright text is looked for everywhere, dark text on images that are bright for the most part.
pub fn text_boxes(image: &Image8) -> Vec<TextBox> {
    let mut found = lines_of(image.rows(), image.columns(), image.values());
    let bright = image.values().iter().filter(|value| **value > 127).count();
    if 2 * bright > image.values().len() {
        let turned: Vec<u8> = image.values().iter().map(|value| 255 - value).collect();
        found.extend(lines_of(image.rows(), image.columns(), &turned));
    }
    let mut boxes = merged(found);
    for found in &mut boxes {
        found.top = found.top.saturating_sub(MARGIN);
        found.left = found.left.saturating_sub(MARGIN);
        found.bottom = (found.bottom + MARGIN).min(image.rows());
        found.right = (found.right + MARGIN).min(image.columns());
    }
    boxes.sort_unstable();
    boxes
}

fn lines_of(rows: usize, columns: usize, values: &[u8]) -> Vec<TextBox> {
    let mut found: Vec<(u8, TextBox)> = Vec::new();
    for level in LEVELS {
        let mut characters: Vec<Blob> = blobs(rows, columns, values, level).into_iter().filter(is_character).collect();
        if characters.len() < LEAST_CHARACTERS || characters.len() > MOST_CHARACTERS {
            continue;
        }
        characters.sort_unstable_by_key(|blob| (blob.bounds.left, blob.bounds.top));
        let lines = strung(&characters).into_iter().filter(|line| stands_out(rows, columns, values, level, line));
        found.extend(lines.map(|line| (level, with_short_words(line, &characters))));
    }
    // A line of letters is the same on several levels, because a letter is of one brightness. What texture strings together on one is gone on the next.
    let is_stable = |(level, line): &(u8, TextBox)| found.iter().any(|(other, same)| other != level && is_alike(line, same));
    found.iter().filter(|line| is_stable(line)).map(|(_, line)| *line).collect()
}

/// Whether two boxes have most of their pixels in common.
fn is_alike(first: &TextBox, second: &TextBox) -> bool {
    let height = first.bottom.min(second.bottom).saturating_sub(first.top.max(second.top));
    let width = first.right.min(second.right).saturating_sub(first.left.max(second.left));
    let common = height * width;
    10 * common > 6 * (first.area() + second.area() - common)
}

/// A line with the words of a few characters beside it: as high as the line, at most two and a half times its height away.
fn with_short_words(mut line: TextBox, characters: &[Blob]) -> TextBox {
    let height = line.height();
    let slack = 1.max(height / 8);
    let is_level = |bounds: &TextBox| bounds.top.abs_diff(line.top) <= slack && bounds.bottom.abs_diff(line.bottom) <= slack;
    let level: Vec<TextBox> = characters.iter().map(|blob| blob.bounds).filter(is_level).collect();
    // From left to right, and back.
    for bounds in level.iter().chain(level.iter().rev()) {
        let gap = bounds.left.max(line.left).saturating_sub(bounds.right.min(line.right));
        if 2 * gap <= 5 * height {
            line = line.joined(bounds);
        }
    }
    line
}

/// Whether a stroke can be a character: of its size, no solid block, no dust.
fn is_character(blob: &Blob) -> bool {
    let (height, width) = (blob.bounds.height(), blob.bounds.width());
    if !HEIGHTS.contains(&height) || width > 3 * height || blob.pixels < height {
        return false;
    }
    let is_block = width > 2 && 2 * width > height && 100 * blob.pixels > 85 * width * height;
    !is_block
}

/// A line that is being strung.
struct Line {
    bounds: TextBox,
    members: Vec<usize>,
}

/// Lines of characters: each follows the one before it at less than 1.2 times the height, and overlaps it in height for the most part.
fn strung(characters: &[Blob]) -> Vec<TextBox> {
    let mut lines: Vec<Line> = Vec::new();
    // Lines that a character further right can still follow.
    let mut open: Vec<usize> = Vec::new();
    for (number, blob) in characters.iter().enumerate() {
        let own = blob.bounds;
        open.retain(|line| own.left < lines[*line].bounds.right + 2 * HEIGHTS.end());
        let fits = |line: &Line| {
            let last = line.members.last().map_or(own, |member| characters[*member].bounds);
            let (higher, lower) = (last.height().max(own.height()), last.height().min(own.height()));
            let overlap = last.bottom.min(own.bottom).saturating_sub(last.top.max(own.top));
            let gap = own.left.saturating_sub(line.bounds.right);
            10 * gap <= 12 * higher && 10 * overlap >= 6 * lower && 2 * lower >= higher
        };
        match open.iter().copied().find(|line| fits(&lines[*line])) {
            Some(line) => {
                lines[line].bounds = lines[line].bounds.joined(&own);
                lines[line].members.push(number);
            }
            None => {
                open.push(lines.len());
                lines.push(Line { bounds: own, members: vec![number] });
            }
        }
    }
    let is_line = |line: &Line| {
        line.members.len() >= LEAST_CHARACTERS && line.bounds.width() >= 2 * line.bounds.height() && has_base_line(line, characters)
    };
    lines.into_iter().filter(is_line).map(|line| line.bounds).collect()
}

/// Whether most characters end on the same row, or begin on the same: texture does not.
fn has_base_line(line: &Line, characters: &[Blob]) -> bool {
    let aligned = |edge: fn(&TextBox) -> usize| {
        let mut edges: Vec<usize> = line.members.iter().map(|member| edge(&characters[*member].bounds)).collect();
        edges.sort_unstable();
        let middle = edges[edges.len() / 2];
        edges.iter().filter(|edge| edge.abs_diff(middle) <= 1).count()
    };
    let most = aligned(|bounds| bounds.top).max(aligned(|bounds| bounds.bottom));
    5 * most >= 3 * line.members.len()
}

/// Whether there is much less of that brightness above and below a line than in it.
fn stands_out(rows: usize, columns: usize, values: &[u8], level: u8, line: &TextBox) -> bool {
    let bright = |top: usize, bottom: usize| {
        let count: usize = (top..bottom)
            .map(|row| values[row * columns + line.left..row * columns + line.right].iter().filter(|value| **value >= level).count())
            .sum();
        (count, (bottom - top) * line.width())
    };
    let (inside, area) = bright(line.top, line.bottom);
    let reach = line.height();
    let (above, above_area) = bright(line.top.saturating_sub(reach), line.top);
    let (below, below_area) = bright(line.bottom, (line.bottom + reach).min(rows));
    let (around, around_area) = (above + below, above_area + below_area);
    // Another line of text may be next to it: so the emptier side counts.
    let share = |count: usize, area: usize| if area == 0 { 1.0 } else { count as f64 / area as f64 };
    let outside = share(around, around_area).min(share(above, above_area)).min(share(below, below_area));
    outside < 0.5 * share(inside, area)
}

/// Boxes with those of other levels that are of the same line.
fn merged(mut boxes: Vec<TextBox>) -> Vec<TextBox> {
    boxes.sort_unstable();
    let mut done: Vec<TextBox> = Vec::new();
    while let Some(mut current) = boxes.pop() {
        // What grows may touch what it did not touch before.
        while let Some(other) = boxes.iter().position(|other| is_same_line(&current, other)) {
            current = current.joined(&boxes.swap_remove(other));
        }
        while let Some(other) = done.iter().position(|other| is_same_line(&current, other)) {
            current = current.joined(&done.swap_remove(other));
        }
        done.push(current);
    }
    done
}

fn is_same_line(first: &TextBox, second: &TextBox) -> bool {
    let overlap = first.bottom.min(second.bottom).saturating_sub(first.top.max(second.top));
    let lower = first.height().min(second.height());
    let gap = first.left.max(second.left).saturating_sub(first.right.min(second.right));
    2 * overlap > lower && 2 * gap <= 5 * lower
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Five letters H of 9 x 7 pixels.
    fn letters(value: u8, ground: u8) -> Image8 {
        let (rows, columns) = (60, 120);
        let mut values = vec![ground; rows * columns];
        for letter in 0..5 {
            let left = 20 + letter * 10;
            for row in 0..9 {
                for column in 0..7 {
                    if matches!(column, 0 | 1 | 5 | 6) || row == 4 {
                        values[(30 + row) * columns + left + column] = value;
                    }
                }
            }
        }
        Image8::new(rows, columns, values).unwrap()
    }

    #[test]
    fn letters_are_found_and_nothing_else() {
        for (value, ground) in [(255, 0), (180, 30), (0, 255)] {
            let boxes = text_boxes(&letters(value, ground));
            assert_eq!(boxes, [TextBox { top: 29, left: 19, bottom: 40, right: 68 }], "{value} on {ground}");
        }
        assert!(text_boxes(&letters(60, 0)).is_empty());
    }

    #[test]
    fn blank_and_tiny_images_have_none() {
        for (rows, columns) in [(1, 1), (1, 500), (500, 1), (64, 64)] {
            for value in [0, 255] {
                assert!(text_boxes(&Image8::new(rows, columns, vec![value; rows * columns]).unwrap()).is_empty());
            }
        }
    }
}
