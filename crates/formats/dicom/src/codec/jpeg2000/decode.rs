//! Decoding of what most lossless files have: one tile, the reversible wavelet, no options of blocks. Everything else is left to the general decoder.

use std::borrow::Cow;

use super::{
    block::Band,
    unblock::{Decoded, MOST_SIZE},
    unpack::{Bits, TagTree},
};
use crate::codec::{Shape, marker::be16};

/// What the main header says.
#[derive(Debug, Clone, Default)]
struct Coding {
    order: u8,
    layers: u32,
    has_transform: bool,
    levels: usize,
    /// Bits of the size of a block across and down.
    block: (u32, u32),
    has_start_markers: bool,
    has_end_markers: bool,
    /// Bits of the size of precincts for each resolution.
    precincts: Vec<u8>,
    guard_bits: u32,
    exponents: Vec<u32>,
}

/// A code-block as its packets are read.
struct Block {
    x: usize,
    y: usize,
    width: usize,
    height: usize,
    is_included: bool,
    missing_planes: u32,
    length_bits: u32,
    passes: u32,
    /// Offset and length of its parts.
    parts: Vec<(usize, usize)>,
}

/// A subband of a resolution of a component.
struct Subband {
    band: Band,
    width: usize,
    height: usize,
    planes: u32,
    blocks: Vec<Block>,
    inclusion: TagTree,
    missing: TagTree,
}

/// Components of a code stream, each row after row, without level shift. `None` where it is not of this kind, or damaged.
pub(super) fn components(stream: &[u8], shape: Shape) -> Option<Vec<Vec<i32>>> {
    let (coding, at) = main_header(stream, shape)?;
    let body = tile_body(stream, at)?;
    let mut all: Vec<Vec<Vec<Subband>>> = (0..shape.samples).map(|_| resolutions(&coding, shape)).collect::<Option<_>>()?;
    let mut at = 0;
    for (layer, resolution, component) in packets(&coding, shape.samples) {
        let subbands = all.get_mut(component)?.get_mut(resolution)?;
        at = packet(&coding, &body, at, layer, subbands)?;
    }
    let mut room = Decoded::new();
    let mut done: Vec<Vec<i32>> = Vec::with_capacity(shape.samples);
    for resolutions in &all {
        let mut image: Vec<i32> = Vec::new();
        let mut size = (0, 0);
        for subbands in resolutions {
            let mut parts = subbands.iter().map(|subband| coefficients(subband, &body, &mut room)).collect::<Option<Vec<_>>>()?;
            if let [_] = subbands.as_slice() {
                size = (subbands[0].width, subbands[0].height);
                image = parts.pop()?;
                continue;
            }
            let [horizontal, vertical, diagonal] = <[Vec<i32>; 3]>::try_from(parts).ok()?;
            let high = (subbands[0].width, subbands[1].height);
            image = synthesised(&image, &horizontal, &vertical, &diagonal, size, high);
            size = (size.0 + high.0, size.1 + high.1);
        }
        if size != (shape.columns, shape.rows) {
            return None;
        }
        done.push(image);
    }
    if coding.has_transform {
        let [first, second, third] = done.as_mut_slice() else { return None };
        for ((y, u), v) in first.iter_mut().zip(second).zip(third) {
            let green = y.wrapping_sub(u.wrapping_add(*v) >> 2);
            (*y, *u, *v) = (v.wrapping_add(green), green, u.wrapping_add(green));
        }
    }
    Some(done)
}

/// Bytes that the packets of the tile take, of all its parts together. `None` where the code stream is not of this kind.
pub(in crate::codec) fn packets_length(stream: &[u8], shape: Shape) -> Option<usize> {
    let (coding, at) = main_header(stream, shape)?;
    let body = tile_body(stream, at)?;
    let mut all: Vec<Vec<Vec<Subband>>> = (0..shape.samples).map(|_| resolutions(&coding, shape)).collect::<Option<_>>()?;
    packets(&coding, shape.samples).try_fold(0, |at, (layer, resolution, component)| {
        let subbands = all.get_mut(component)?.get_mut(resolution)?;
        packet(&coding, &body, at, layer, subbands)
    })
}

/// The main header, and where it ends.
fn main_header(stream: &[u8], shape: Shape) -> Option<(Coding, usize)> {
    let mut coding = Coding::default();
    let mut at = 2;
    let (mut has_coding, mut has_steps) = (false, false);
    loop {
        let marker = *stream.get(at..at + 2)?.last()?;
        if marker == 0x90 {
            return (has_coding && has_steps).then_some((coding, at));
        }
        let length = usize::from(be16(stream, at + 2)?);
        let content = stream.get(at + 4..at + 2 + length)?;
        match (marker, content) {
            // SIZ: one tile, from the origin.
            (0x51, _) => {
                let number = |place: usize| content.get(2 + 4 * place..6 + 4 * place).and_then(|four| <[u8; 4]>::try_from(four).ok());
                let numbers = (0..8).map(|place| number(place).map(u32::from_be_bytes)).collect::<Option<Vec<_>>>()?;
                let is_simple = numbers[2..4] == [0, 0] && numbers[6..8] == [0, 0] && numbers[4] >= numbers[0] && numbers[5] >= numbers[1];
                if !is_simple {
                    return None;
                }
            }
            // COD: no options of blocks, the reversible wavelet.
            (0x52, &[style, order @ 0..=4, l0, l1, transform @ 0..=1, levels @ 0..=32, across, down, 0, 1, ref precincts @ ..]) => {
                coding.layers = u32::from(u16::from_be_bytes([l0, l1]));
                coding.order = order;
                coding.has_transform = transform == 1;
                coding.levels = usize::from(levels);
                coding.block = (u32::from(across) + 2, u32::from(down) + 2);
                (coding.has_start_markers, coding.has_end_markers) = (style & 2 != 0, style & 4 != 0);
                coding.precincts = if style & 1 == 0 { vec![0xFF; coding.levels + 1] } else { precincts.to_vec() };
                has_coding = coding.precincts.len() == coding.levels + 1 && coding.block.0 <= 6 && coding.block.1 <= 6;
            }
            // QCD: no quantization.
            (0x5C, [style, exponents @ ..]) if style % 32 == 0 => {
                coding.guard_bits = u32::from(style >> 5);
                coding.exponents = exponents.iter().map(|exponent| u32::from(exponent >> 3)).collect();
                has_steps = true;
            }
            // Lengths, comments, registration.
            (0x55 | 0x57 | 0x63 | 0x64, _) => {}
            _ => return None,
        }
        if coding.has_transform && shape.samples != 3 {
            return None;
        }
        at += 2 + length;
    }
}

/// The packets of the tile, of all its parts.
fn tile_body(stream: &[u8], mut at: usize) -> Option<Cow<'_, [u8]>> {
    let mut parts: Vec<&[u8]> = Vec::new();
    while let Some(&[0xFF, 0x90]) = stream.get(at..at + 2) {
        if be16(stream, at + 4)? != 0 {
            return None;
        }
        let length = u32::from_be_bytes(<[u8; 4]>::try_from(stream.get(at + 6..at + 10)?).ok()?) as usize;
        let end = if length == 0 { stream.len() } else { at.checked_add(length)? };
        let mut start = at + 12;
        loop {
            match stream.get(start..start + 2)? {
                [0xFF, 0x93] => break,
                // Lengths of packets, comments.
                [0xFF, 0x58 | 0x64] => start += 2 + usize::from(be16(stream, start + 2)?),
                _ => return None,
            }
        }
        parts.push(stream.get(start + 2..end)?);
        at = end;
    }
    match parts.as_slice() {
        [] => None,
        [only] => Some(Cow::Borrowed(only)),
        several => Some(Cow::Owned(several.concat())),
    }
}

/// Subbands of each resolution of a component, the smallest first.
fn resolutions(coding: &Coding, shape: Shape) -> Option<Vec<Vec<Subband>>> {
    (0..=coding.levels)
        .map(|resolution| {
            // So often it is halved.
            let halved = |size: usize, times: usize| if times >= 32 { 1 } else { size.div_ceil(1 << times) };
            let times = coding.levels - resolution;
            let (width, height) = (halved(shape.columns, times), halved(shape.rows, times));
            let precinct = coding.precincts.get(resolution)?;
            let (across, down) = (u32::from(precinct & 15), u32::from(precinct >> 4));
            if width > 1 << across || height > 1 << down {
                return None;
            }
            let exponent = |place: usize| (coding.guard_bits + coding.exponents.get(place)?).checked_sub(1);
            // Blocks are no larger than the precincts of their subbands.
            let size = |most: u32| (coding.block.0.min(across - most.min(across)), coding.block.1.min(down - most.min(down)));
            if resolution == 0 {
                return Some(vec![subband(Band::LowOrVertical, width, height, exponent(0)?, size(0))]);
            }
            let (low_width, low_height) = (width.div_ceil(2), height.div_ceil(2));
            let first = 3 * (resolution - 1) + 1;
            Some(vec![
                subband(Band::Horizontal, width - low_width, low_height, exponent(first)?, size(1)),
                subband(Band::LowOrVertical, low_width, height - low_height, exponent(first + 1)?, size(1)),
                subband(Band::Diagonal, width - low_width, height - low_height, exponent(first + 2)?, size(1)),
            ])
        })
        .collect()
}

fn subband(band: Band, width: usize, height: usize, planes: u32, (across, down): (u32, u32)) -> Subband {
    let (block_width, block_height) = (1usize << across, 1usize << down);
    let mut blocks = Vec::new();
    for y in (0..height).step_by(block_height) {
        for x in (0..width).step_by(block_width) {
            let (width, height) = (block_width.min(width - x), block_height.min(height - y));
            blocks.push(Block { x, y, width, height, is_included: false, missing_planes: 0, length_bits: 3, passes: 0, parts: Vec::new() });
        }
    }
    let size = if blocks.is_empty() { (0, 0) } else { (width.div_ceil(block_width), height.div_ceil(block_height)) };
    Subband { band, width, height, planes, blocks, inclusion: TagTree::new(size.0, size.1), missing: TagTree::new(size.0, size.1) }
}

/// Layer, resolution and component of each packet, in order; there is one precinct only.
fn packets(coding: &Coding, components: usize) -> impl Iterator<Item = (u32, usize, usize)> {
    let (order, layers, resolutions) = (coding.order, coding.layers as usize, coding.levels + 1);
    let lengths = match order {
        0 => [layers, resolutions, components],
        1 => [resolutions, layers, components],
        2 => [resolutions, components, layers],
        _ => [components, resolutions, layers],
    };
    let all = lengths.iter().product::<usize>();
    (0..all).map(move |number| {
        let [outer, middle, inner] = [number / lengths[2] / lengths[1], number / lengths[2] % lengths[1], number % lengths[2]];
        match order {
            0 => (outer as u32, middle, inner),
            1 => (middle as u32, outer, inner),
            2 => (inner as u32, outer, middle),
            _ => (inner as u32, middle, outer),
        }
    })
}

/// Reads a packet; where the next begins.
fn packet(coding: &Coding, body: &[u8], mut at: usize, layer: u32, subbands: &mut [Subband]) -> Option<usize> {
    if coding.has_start_markers && body.get(at..at + 2) == Some(&[0xFF, 0x91]) {
        at += 6;
    }
    let mut bits = Bits::new(body, at);
    let mut contents: Vec<(usize, usize, usize)> = Vec::new();
    if bits.bit()? {
        for (number, subband) in subbands.iter_mut().enumerate() {
            for place in 0..subband.blocks.len() {
                let block = &mut subband.blocks[place];
                if block.is_included {
                    if !bits.bit()? {
                        continue;
                    }
                } else {
                    if !subband.inclusion.take(place, layer + 1, &mut bits)? {
                        continue;
                    }
                    block.is_included = true;
                    while !subband.missing.take(place, block.missing_planes + 1, &mut bits)? {
                        block.missing_planes += 1;
                        if block.missing_planes > 64 {
                            return None;
                        }
                    }
                }
                let passes = bits.passes()?;
                while bits.bit()? {
                    block.length_bits += 1;
                }
                let count = block.length_bits + passes.ilog2();
                let length = if count > 31 { return None } else { bits.number(count)? };
                block.passes += passes;
                contents.push((number, place, length as usize));
            }
        }
    }
    let mut at = bits.end();
    if coding.has_end_markers && body.get(at..at + 2) == Some(&[0xFF, 0x92]) {
        at += 2;
    }
    for (number, place, length) in contents {
        body.get(at..at + length)?;
        subbands.get_mut(number)?.blocks.get_mut(place)?.parts.push((at, length));
        at += length;
    }
    Some(at)
}

/// The coefficients of a subband. `None` where planes are left out: that is not without loss.
fn coefficients(subband: &Subband, body: &[u8], room: &mut Decoded) -> Option<Vec<i32>> {
    let mut out = vec![0; subband.width * subband.height];
    let mut joined = Vec::new();
    for block in subband.blocks.iter().filter(|block| block.passes > 0) {
        let planes = subband.planes.checked_sub(block.missing_planes).filter(|planes| (1..=30).contains(planes))?;
        if block.passes != 3 * planes - 2 {
            return None;
        }
        let bytes = match block.parts.as_slice() {
            [(at, length)] => body.get(*at..at + length)?,
            parts => {
                joined.clear();
                for (at, length) in parts {
                    joined.extend_from_slice(body.get(*at..at + length)?);
                }
                &joined
            }
        };
        room.decode(bytes, block.width, block.height, planes, subband.band);
        let lines = out.chunks_exact_mut(subband.width).skip(block.y).take(block.height);
        for (line, values) in lines.zip(room.values.chunks_exact(MOST_SIZE)) {
            line[block.x..block.x + block.width].copy_from_slice(&values[..block.width]);
        }
    }
    Some(out)
}

/// One level of the wavelet 5/3 undone (annex F.3): lines first, then columns, these a whole line at a time.
fn synthesised(
    low: &[i32],
    horizontal: &[i32],
    vertical: &[i32],
    diagonal: &[i32],
    (low_width, low_height): (usize, usize),
    (high_width, high_height): (usize, usize),
) -> Vec<i32> {
    let (width, height) = (low_width + high_width, low_height + high_height);
    let mut out = vec![0; width * height];
    // Low lines go to even places, high ones to odd ones.
    let line_of = |values: &[i32], width: usize, line: usize| values.get(line * width..(line + 1) * width).unwrap_or_default().to_vec();
    for (row, line) in out.chunks_exact_mut(width).enumerate() {
        let half = row / 2;
        let (l, h) = if row.is_multiple_of(2) { (low, horizontal) } else { (vertical, diagonal) };
        merge(&line_of(l, low_width, half), &line_of(h, high_width, half), line);
    }
    if height < 2 {
        return out;
    }
    // Even lines lose what their neighbours gave them; odd ones get the mean of theirs.
    let mut line = vec![0; width];
    for row in (0..height).step_by(2) {
        let above = if row == 0 { 1 } else { row - 1 };
        let below = if row + 1 < height { row + 1 } else { row - 1 };
        line.copy_from_slice(&out[row * width..][..width]);
        let neighbours = out[above * width..][..width].iter().zip(&out[below * width..][..width]);
        for (value, (above, below)) in line.iter_mut().zip(neighbours) {
            *value = value.wrapping_sub(above.wrapping_add(*below).wrapping_add(2) >> 2);
        }
        out[row * width..][..width].copy_from_slice(&line);
    }
    for row in (1..height).step_by(2) {
        let below = if row + 1 < height { row + 1 } else { row - 1 };
        line.copy_from_slice(&out[row * width..][..width]);
        let neighbours = out[(row - 1) * width..][..width].iter().zip(&out[below * width..][..width]);
        for (value, (above, below)) in line.iter_mut().zip(neighbours) {
            *value = value.wrapping_add(above.wrapping_add(*below) >> 1);
        }
        out[row * width..][..width].copy_from_slice(&line);
    }
    out
}

/// A line from its low and high values.
fn merge(low: &[i32], high: &[i32], line: &mut [i32]) {
    if line.len() < 2 {
        line.copy_from_slice(low);
        return;
    }
    let last = high.len() - 1;
    let even = |place: usize| {
        let (before, after) = (high[place.saturating_sub(1).min(last)], high[place.min(last)]);
        low[place].wrapping_sub(before.wrapping_add(after).wrapping_add(2) >> 2)
    };
    let mut current = even(0);
    for place in 0..high.len() {
        let next = if place + 1 < low.len() { even(place + 1) } else { current };
        line[2 * place] = current;
        line[2 * place + 1] = high[place].wrapping_add(current.wrapping_add(next) >> 1);
        current = next;
    }
    if low.len() > high.len() {
        line[2 * high.len()] = current;
    }
}
