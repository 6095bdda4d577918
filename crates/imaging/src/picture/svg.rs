//! A picture as SVG.

use std::fmt::Write;

use super::{Anchor, Colour, Picture, Shape, png::png};
use crate::error::ImagingError;

pub(super) fn svg(picture: &Picture) -> Result<String, ImagingError> {
    let mut out = String::with_capacity(4096);
    let (width, height) = (picture.width, picture.height);
    let title = escaped(&picture.title);
    // Writing to a string does not fail.
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" aria-label=\"{title}\" \
         font-family=\"ui-monospace,monospace\" font-size=\"11\"><title>{title}</title><rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>"
    );
    for shape in &picture.shapes {
        let _ = match shape {
            Shape::Rectangle { x, y, width, height, colour } => write!(
                out,
                "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\"/>",
                short(*x),
                short(*y),
                short(*width),
                short(*height),
                hex(*colour)
            ),
            Shape::Text { x, y, anchor, colour, text } => {
                let anchor = match anchor {
                    Anchor::Start => "start",
                    Anchor::Middle => "middle",
                    Anchor::End => "end",
                };
                let (x, y, colour, text) = (short(*x), short(*y), hex(*colour), escaped(text));
                write!(out, "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\" fill=\"{colour}\">{text}</text>")
            }
            Shape::Image { x, y, width, height, image } => {
                let data = base64(&png(image)?);
                let (x, y, width, height) = (short(*x), short(*y), short(*width), short(*height));
                write!(out, "<image x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" href=\"data:image/png;base64,{data}\"/>")
            }
        };
    }
    out.push_str("</svg>");
    Ok(out)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn hex(colour: Colour) -> String {
    format!("#{:02x}{:02x}{:02x}", colour.0, colour.1, colour.2)
}

/// A number without needless digits.
fn short(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let number = chunk.iter().chain([&0, &0]).take(3).fold(0u32, |number, byte| number << 8 | u32::from(*byte));
        for place in 0..4 {
            let digit = DIGITS[(number >> (18 - 6 * place) & 63) as usize];
            out.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn text_is_escaped() {
        let mut picture = Picture::new(10, 10, "a<b");
        picture.text(0.0, 0.0, Anchor::Start, super::super::INK, "\"<&>\u{e9}");
        let svg = picture.to_svg().unwrap();
        assert!(svg.contains("&quot;&lt;&amp;&gt;?</text>") && svg.contains("<title>a&lt;b</title>"));
    }
}
