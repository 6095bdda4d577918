//! RLE Lossless (PS3.5 annex G): each byte of each sample is a segment of its own, most significant first.

use super::{PixelError, Shape};

/// Undoes the coding of one frame: `samples` samples of `sample_bytes` bytes for each of `pixels` pixels. The samples come out pixel after pixel, least
/// significant byte first.
pub(crate) fn decode(bytes: &[u8], pixels: usize, samples: usize, sample_bytes: usize) -> Result<Vec<u8>, PixelError> {
    let numbers = bytes.get(..64).ok_or(PixelError::Damaged)?.as_chunks::<4>().0;
    let number = |place: usize| numbers.get(place).map_or(0, |four| u32::from_le_bytes(*four)) as usize;
    let count = number(0);
    if count != samples * sample_bytes || count > 15 {
        return Err(PixelError::Damaged);
    }
    let stride = samples * sample_bytes;
    let total = pixels.checked_mul(stride).ok_or(PixelError::Damaged)?;
    // A run of 128 equal bytes takes two: no more can come out than that.
    if total / 64 > bytes.len() {
        return Err(PixelError::Damaged);
    }
    let mut out = vec![0; total];
    for segment in 0..count {
        let start = number(segment + 1);
        let end = if segment + 1 < count { number(segment + 2) } else { bytes.len() };
        let coded = bytes.get(start..end).filter(|_| start >= 64).ok_or(PixelError::Damaged)?;
        let (sample, byte) = (segment / sample_bytes, segment % sample_bytes);
        let first = sample * sample_bytes + (sample_bytes - 1 - byte);
        unpack(coded, out.get_mut(first..).unwrap_or_default(), stride, pixels)?;
    }
    Ok(out)
}

/// Whether every byte of a frame is used to decode it: segments one behind the other, at most a zero between them, and no run beyond the last pixel.
pub(super) fn is_exact(bytes: &[u8], pixels: usize, count: usize) -> bool {
    let Some(numbers) = bytes.get(..64).map(|header| header.as_chunks::<4>().0) else { return false };
    let number = |place: usize| numbers.get(place).map_or(0, |four| u32::from_le_bytes(*four)) as usize;
    if count > 15 || number(0) != count || (count + 1..16).any(|place| number(place) != 0) {
        return false;
    }
    let mut at = 64;
    for segment in 1..=count {
        let is_padded = bytes.get(at) == Some(&0) && number(segment) == at + 1;
        at += usize::from(is_padded);
        if number(segment) != at {
            return false;
        }
        let mut done = 0;
        while done < pixels {
            let Some(control) = bytes.get(at) else { return false };
            let length = match control {
                0..=127 => usize::from(*control) + 1,
                128 => return false,
                129.. => 257 - usize::from(*control),
            };
            at += 1 + if *control < 128 { length } else { 1 };
            done += length;
        }
        if done != pixels {
            return false;
        }
    }
    matches!(bytes.get(at..), Some([] | [0]))
}

/// Writes every byte of a segment, `stride` bytes apart.
fn unpack(coded: &[u8], out: &mut [u8], stride: usize, pixels: usize) -> Result<(), PixelError> {
    let mut places = out.iter_mut().step_by(stride).take(pixels);
    let (mut at, mut done) = (0, 0);
    while done < pixels {
        let control = *coded.get(at).ok_or(PixelError::Damaged)?;
        at += 1;
        let length = match control {
            0..=127 => usize::from(control) + 1,
            128 => continue,
            129.. => 257 - usize::from(control),
        };
        if control < 128 {
            let literal = coded.get(at..at + length).ok_or(PixelError::Damaged)?;
            at += length;
            literal.iter().zip(&mut places).for_each(|(byte, place)| *place = *byte);
        } else {
            let byte = *coded.get(at).ok_or(PixelError::Damaged)?;
            at += 1;
            places.by_ref().take(length).for_each(|place| *place = byte);
        }
        done += length;
    }
    Ok(())
}

/// The code of a frame whose samples are given pixel after pixel, least significant byte first. `None` where it has more than 15 bytes a pixel.
pub(super) fn encode(bytes: &[u8], shape: Shape, sample_bytes: usize) -> Option<Vec<u8>> {
    let stride = shape.samples * sample_bytes;
    if stride > 15 || bytes.len() != shape.count() * sample_bytes {
        return None;
    }
    let mut out = vec![0; 64];
    out[..4].copy_from_slice(&(stride as u32).to_le_bytes());
    let mut line = Vec::with_capacity(shape.columns);
    for segment in 0..stride {
        let offset = u32::try_from(out.len()).ok()?;
        out[4 + 4 * segment..8 + 4 * segment].copy_from_slice(&offset.to_le_bytes());
        let (sample, byte) = (segment / sample_bytes, segment % sample_bytes);
        let first = sample * sample_bytes + (sample_bytes - 1 - byte);
        for row in bytes.chunks_exact(shape.columns * stride) {
            line.clear();
            line.extend(row.iter().skip(first).step_by(stride));
            pack(&line, &mut out);
        }
        // Segments are of even length.
        if !out.len().is_multiple_of(2) {
            out.push(0);
        }
    }
    Some(out)
}

/// Packs a line: three equal bytes and more are a run.
fn pack(mut line: &[u8], out: &mut Vec<u8>) {
    while let Some(first) = line.first() {
        let run = line.iter().take(128).take_while(|byte| *byte == first).count();
        if run > 2 || run == line.len() && run > 1 {
            out.extend([(257 - run) as u8, *first]);
            line = &line[run..];
            continue;
        }
        let literal = line.windows(3).take(128).position(|three| three[0] == three[1] && three[1] == three[2]);
        let length = literal.unwrap_or(line.len()).min(128);
        out.push((length - 1) as u8);
        out.extend_from_slice(&line[..length]);
        line = &line[length..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(segments: &[&[u8]]) -> Vec<u8> {
        let mut bytes = (segments.len() as u32).to_le_bytes().to_vec();
        let mut offset = 64u32;
        for segment in segments {
            bytes.extend(offset.to_le_bytes());
            offset += segment.len() as u32;
        }
        bytes.resize(64, 0);
        for segment in segments {
            bytes.extend_from_slice(segment);
        }
        bytes
    }

    #[test]
    fn runs_and_literals_are_unpacked() {
        let bytes = frame(&[&[2, 1, 2, 3], &[254, 9]]);
        assert_eq!(decode(&bytes, 3, 1, 2).unwrap(), [9, 1, 9, 2, 9, 3]);
        let bytes = frame(&[&[254, 1], &[128, 254, 2], &[1, 3, 4, 0, 5]]);
        assert_eq!(decode(&bytes, 3, 3, 1).unwrap(), [1, 2, 3, 1, 2, 4, 1, 2, 5]);
    }

    #[test]
    fn what_is_damaged_is_said() {
        let good = frame(&[&[2, 1, 2, 3]]);
        assert!(decode(&good, 3, 1, 1).is_ok());
        assert_eq!(decode(&good, 4, 1, 1), Err(PixelError::Damaged), "too short");
        assert_eq!(decode(&good, 3, 2, 1), Err(PixelError::Damaged), "too few segments");
        assert_eq!(decode(&good[..60], 3, 1, 1), Err(PixelError::Damaged), "no header");
        assert_eq!(decode(&good, usize::MAX / 2, 1, 1), Err(PixelError::Damaged), "no such allocation");
    }

    proptest::proptest! {
        #[test]
        fn what_is_encoded_is_decoded(
            values in proptest::collection::vec(proptest::prelude::prop_oneof![0u8..2, proptest::num::u8::ANY], 0..900),
            columns in 1usize..300,
            samples in 1usize..4,
            sample_bytes in 1usize..5,
        ) {
            let rows = values.len() / (columns * samples * sample_bytes);
            let bytes = &values[..rows * columns * samples * sample_bytes];
            let coded = encode(bytes, Shape { rows, columns, samples }, sample_bytes).unwrap();
            proptest::prop_assert_eq!(decode(&coded, rows * columns, samples, sample_bytes).unwrap(), bytes);
        }

        #[test]
        fn any_bytes_end_well(bytes: Vec<u8>, pixels in 0usize..5000, samples in 1usize..4, sample_bytes in 1usize..5) {
            let _ = decode(&bytes, pixels, samples, sample_bytes);
        }
    }
}
