//! JPEG XL (ISO/IEC 18181) by `jxl-oxide`: Rust, with unsafe code for vector instructions and grids of samples. It keeps to a limit on memory.

use jxl_oxide::{AllocTracker, JxlImage, JxlThreadPool};

use super::{Decoded, Shape, Values, fenced};
use crate::pixels::PixelError;

/// Bytes for each sample that the decoder may hold, and for everything else.
const BYTES_FOR_A_SAMPLE: usize = 64;
const BYTES_BESIDE: usize = 16 << 20;

/// Decodes a frame: the first of the image.
///
/// # Errors
/// When its bytes are damaged, or are of another size than the data set says.
pub(crate) fn decode(bytes: &[u8], shape: Shape) -> Result<Decoded, PixelError> {
    shape.check(bytes.len())?;
    fenced(|| {
        let limit = AllocTracker::with_limit(shape.count().saturating_mul(BYTES_FOR_A_SAMPLE).saturating_add(BYTES_BESIDE));
        let builder = JxlImage::builder().pool(JxlThreadPool::none()).alloc_tracker(limit);
        let image = builder.read(bytes).map_err(|_| PixelError::Damaged)?;
        if (image.height() as usize, image.width() as usize, image.pixel_format().channels()) != (shape.rows, shape.columns, shape.samples)
        {
            return Err(PixelError::Mismatch);
        }
        let precision = image.image_header().metadata.bit_depth.bits_per_sample();
        if !(1..=16).contains(&precision) {
            return Err(PixelError::Unsupported);
        }
        let render = image.render_frame(0).map_err(|_| PixelError::Damaged)?;
        let mut stream = render.stream();
        let mut samples = vec![0f32; shape.count()];
        if stream.write_to_buffer(&mut samples) != shape.count() {
            return Err(PixelError::Damaged);
        }
        // One is the largest number of so many bits.
        let most = ((1u32 << precision) - 1) as f32;
        let number = |value: f32| (value * most).round_ties_even().clamp(-most, most) as i32;
        let values = if precision <= 8 {
            Values::Bytes(samples.into_iter().map(|value| number(value) as u8).collect())
        } else {
            Values::Words(samples.into_iter().map(|value| number(value) as u16).collect())
        };
        Ok(Decoded { precision, values })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
        #[test]
        fn any_bytes_end_well(bytes: Vec<u8>) {
            let shape = Shape { rows: 4, columns: 4, samples: 1 };
            let _ = decode(&bytes, shape);
            let _ = decode(&[&[0xFF, 0x0A], &bytes[..]].concat(), shape);
        }
    }
}
