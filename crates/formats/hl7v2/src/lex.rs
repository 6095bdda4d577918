//! Delimiters, and finding them fast.
//!
//! The scans work on whole blocks with 32-byte vector compares where the processor has them and
//! only record positions; nothing is copied or decoded here. The `unsafe` code is vector loads within
//! bounds that are checked beside them.

use serde::{Deserialize, Serialize};

/// The delimiters a message states in MSH-1 and MSH-2 (HL7 v2.9 chapter 2.5.4).
///
/// A delimiter that the header does not state is `None`: that byte is then data. (Version 2.1 feeds
/// often state no sub-component separator; the truncation character exists from 2.7.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delimiters {
    /// Field separator, MSH-1.
    pub field: u8,
    /// Component separator.
    pub component: u8,
    /// Repetition separator.
    pub repetition: Option<u8>,
    /// Escape character.
    pub escape: Option<u8>,
    /// Sub-component separator.
    pub subcomponent: Option<u8>,
    /// Truncation character (from 2.7).
    pub truncation: Option<u8>,
}

impl Delimiters {
    /// `|^~\&`
    pub const STANDARD: Self =
        Self { field: b'|', component: b'^', repetition: Some(b'~'), escape: Some(b'\\'), subcomponent: Some(b'&'), truncation: None };

    /// Reads them from the beginning of an MSH, FHS or BHS segment. `None` when the segment is too
    /// short, its separator is a letter, digit or line end, or MSH-2 is empty.
    ///
    /// A character that is stated twice keeps its first role; the later role is unstated
    /// (see [`Delimiters::repeats_itself`]).
    pub fn from_header(segment: &[u8]) -> Option<Self> {
        if segment.len() < 5 || !matches!(&segment[..3], b"MSH" | b"FHS" | b"BHS") || !is_separator(segment[3]) {
            return None;
        }
        let field = segment[3];
        let stated = encoding_characters(segment);
        let component = *stated.first().filter(|byte| is_separator(**byte))?;
        let mut taken = vec![field, component];
        let mut role = |position: usize| {
            let byte = *stated.get(position)?;
            if !is_separator(byte) || taken.contains(&byte) {
                return None;
            }
            taken.push(byte);
            Some(byte)
        };
        let (repetition, escape, subcomponent, truncation) = (role(1), role(2), role(3), role(4));
        Some(Self { field, component, repetition, escape, subcomponent, truncation })
    }

    /// Whether the header states the same character for two roles, or more than five of them.
    pub fn repeats_itself(segment: &[u8]) -> bool {
        let stated = encoding_characters(segment);
        stated.len() > 5 || stated.iter().enumerate().any(|(at, byte)| stated[..at].contains(byte))
    }

    /// The text of MSH-2 that states these delimiters.
    pub fn encoding_characters(&self) -> String {
        let roles = [Some(self.component), self.repetition, self.escape, self.subcomponent, self.truncation];
        roles.into_iter().map_while(|byte| byte.map(char::from)).collect()
    }
}

impl Default for Delimiters {
    fn default() -> Self {
        Self::STANDARD
    }
}

/// The bytes of MSH-2 as they stand in a header segment.
fn encoding_characters(segment: &[u8]) -> &[u8] {
    let Some((&field, rest)) = segment.get(3..).and_then(<[u8]>::split_first) else {
        return &[];
    };
    let end = rest.iter().position(|&byte| byte == field || byte == b'\r' || byte == b'\n').unwrap_or(rest.len());
    &rest[..end]
}

/// Whether a byte can be a delimiter: printable ASCII punctuation or a control other than line ends, framing and ESC (with what
/// follows it, it would announce another character set of ISO 2022).
fn is_separator(byte: u8) -> bool {
    byte.is_ascii() && !byte.is_ascii_alphanumeric() && !matches!(byte, b'\r' | b'\n' | b' ' | 0 | 0x0B | 0x1B | 0x1C)
}

/// Appends to `out` the positions (plus `base`) of every CR, LF and VT in `bytes`.
pub fn line_ends(bytes: &[u8], base: u32, out: &mut Vec<u32>) {
    simd::positions3(bytes, [b'\r', b'\n', 0x0B], base, out);
}

/// Appends to `out` the positions (plus `base`) of `separator` in `bytes`.
#[inline]
pub fn separators(bytes: &[u8], separator: u8, base: u32, out: &mut Vec<u32>) {
    simd::positions1(bytes, separator, base, out);
}

/// What a segment holds beside field separators, as far as it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marks(u8);

impl Marks {
    const ESCAPES: u8 = 1;
    const REPEATS: u8 = 2;

    pub(crate) fn new(escapes: bool, repeats: bool) -> Self {
        Self(if escapes { Self::ESCAPES } else { 0 } | if repeats { Self::REPEATS } else { 0 })
    }

    /// As two bits.
    pub(crate) fn bits(self) -> u32 {
        self.0.into()
    }

    pub(crate) fn from_bits(bits: u32) -> Self {
        Self((bits & 3) as u8)
    }

    /// Whether there is an escape character.
    pub(crate) fn escapes(self) -> bool {
        self.0 & Self::ESCAPES != 0
    }

    /// Whether there is a repetition separator.
    pub(crate) fn repeats(self) -> bool {
        self.0 & Self::REPEATS != 0
    }
}

/// Where a byte first stands in `bytes[from..to]`; `to` when it does not. For the few bytes of a component.
#[inline]
pub(crate) fn find(bytes: &[u8], byte: u8, from: usize, to: usize) -> usize {
    simd::find(bytes, byte, from, to)
}

/// Appends to `out` the positions (plus `base`) of the first `most` field separators of a segment, and says whether anything in it up to
/// there needs a closer look.
#[inline]
pub(crate) fn segment_fields(bytes: &[u8], delimiters: &Delimiters, most: usize, base: u32, out: &mut Vec<u32>) -> Marks {
    const STEP: usize = 512;
    let wanted = [delimiters.field, delimiters.escape.unwrap_or(delimiters.field), delimiters.repetition.unwrap_or(delimiters.field)];
    let mut seen = [false; 2];
    let from = out.len();
    for (number, part) in bytes.chunks(STEP).enumerate() {
        let marks = simd::fields(part, wanted, base + (number * STEP) as u32, out);
        seen = [seen[0] | marks[0], seen[1] | marks[1]];
        if out.len() - from >= most {
            out.truncate(from + most);
            break;
        }
    }
    Marks::new(seen[0] && delimiters.escape.is_some(), seen[1] && delimiters.repetition.is_some())
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod simd {
    use std::arch::x86_64::{
        __m128i, __m256i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8, _mm_setzero_si128,
        _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8,
    };

    /// Positions of any of three bytes.
    pub(super) fn positions3(bytes: &[u8], wanted: [u8; 3], base: u32, out: &mut Vec<u32>) {
        if is_x86_feature_detected!("avx2") {
            // SAFETY: AVX2 is there; loads stay inside `bytes`.
            unsafe { positions3_avx2(bytes, wanted, base, out) }
        } else {
            positions_sse2(bytes, wanted, base, out);
        }
    }

    /// Positions of one byte; the inputs are segments of some hundred bytes.
    #[inline]
    pub(super) fn positions1(bytes: &[u8], wanted: u8, base: u32, out: &mut Vec<u32>) {
        positions_sse2(bytes, [wanted], base, out);
    }

    #[inline]
    pub(super) fn find(bytes: &[u8], byte: u8, from: usize, to: usize) -> usize {
        let mut at = from;
        while at < to {
            let Some(part) = bytes.get(at..at + 16) else {
                return bytes[at..to].iter().position(|&other| other == byte).map_or(to, |more| at + more);
            };
            // SAFETY: SSE2 is part of x86-64; `part` holds sixteen bytes.
            let mask = unsafe {
                #[allow(clippy::cast_ptr_alignment)]
                let v = _mm_loadu_si128(part.as_ptr().cast::<__m128i>());
                _mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8(byte as i8))) as u32
            };
            if mask != 0 {
                return (at + mask.trailing_zeros() as usize).min(to);
            }
            at += 16;
        }
        to
    }

    /// Positions of the first byte, and whether the second and the third are there.
    #[inline]
    pub(super) fn fields(bytes: &[u8], wanted: [u8; 3], base: u32, out: &mut Vec<u32>) -> [bool; 2] {
        if bytes.len() < 16 {
            tail(bytes, 0, [wanted[0]], base, out);
            return [bytes.contains(&wanted[1]), bytes.contains(&wanted[2])];
        }
        out.reserve(bytes.len());
        // SAFETY: SSE2 is part of x86-64; loads stay inside `bytes`, which holds sixteen of them. There is room in `out` for a
        // position a byte, and no byte gives two.
        unsafe {
            let mut end = out.as_mut_ptr().add(out.len());
            let mut keep = |mut mask: u32, at: u32| {
                while mask != 0 {
                    end.write(at + mask.trailing_zeros());
                    end = end.add(1);
                    mask &= mask - 1;
                }
            };
            let [field, second, third] = wanted.map(|byte| _mm_set1_epi8(byte as i8));
            let (mut seconds, mut thirds) = (_mm_setzero_si128(), _mm_setzero_si128());
            let mut matches = |part: *const u8| -> u32 {
                #[allow(clippy::cast_ptr_alignment)]
                let v = _mm_loadu_si128(part.cast::<__m128i>());
                seconds = _mm_or_si128(seconds, _mm_cmpeq_epi8(v, second));
                thirds = _mm_or_si128(thirds, _mm_cmpeq_epi8(v, third));
                _mm_movemask_epi8(_mm_cmpeq_epi8(v, field)) as u32
            };
            let mut at = 0;
            while at + 16 <= bytes.len() {
                keep(matches(bytes.as_ptr().add(at)), base + at as u32);
                at += 16;
            }
            let rest = bytes.len() - at;
            if rest > 0 {
                // The last 16 bytes overlap what is done: shift those bits away.
                keep(matches(bytes.as_ptr().add(bytes.len() - 16)) >> (16 - rest), base + at as u32);
            }
            let length = end.offset_from_unsigned(out.as_ptr());
            out.set_len(length);
            [_mm_movemask_epi8(seconds) != 0, _mm_movemask_epi8(thirds) != 0]
        }
    }

    #[inline]
    fn drain(mut mask: u64, at: u32, out: &mut Vec<u32>) {
        while mask != 0 {
            out.push(at + mask.trailing_zeros());
            mask &= mask - 1;
        }
    }

    fn tail<const N: usize>(bytes: &[u8], from: usize, wanted: [u8; N], base: u32, out: &mut Vec<u32>) {
        for (at, byte) in bytes.iter().enumerate().skip(from) {
            if wanted.contains(byte) {
                out.push(base + at as u32);
            }
        }
    }

    #[target_feature(enable = "avx2")]
    fn positions3_avx2(bytes: &[u8], wanted: [u8; 3], base: u32, out: &mut Vec<u32>) {
        let [a, b, c] = wanted.map(|byte| _mm256_set1_epi8(byte as i8));
        let matches = |half: &[u8]| -> u64 {
            debug_assert!(half.len() >= 32);
            // SAFETY: `half` holds 32 bytes; `loadu` asks for no alignment.
            #[allow(clippy::cast_ptr_alignment)]
            let v = unsafe { _mm256_loadu_si256(half.as_ptr().cast::<__m256i>()) };
            let hit = _mm256_or_si256(_mm256_or_si256(_mm256_cmpeq_epi8(v, a), _mm256_cmpeq_epi8(v, b)), _mm256_cmpeq_epi8(v, c));
            u64::from(_mm256_movemask_epi8(hit) as u32)
        };
        let mut at = 0;
        for block in bytes.chunks_exact(64) {
            let mask = matches(&block[..32]) | (matches(&block[32..]) << 32);
            drain(mask, base + at as u32, out);
            at += 64;
        }
        tail(bytes, at, wanted, base, out);
    }

    #[inline]
    fn positions_sse2<const N: usize>(bytes: &[u8], wanted: [u8; N], base: u32, out: &mut Vec<u32>) {
        // SAFETY: SSE2 is part of x86-64; loads stay inside `bytes`.
        unsafe {
            let needles = wanted.map(|byte| _mm_set1_epi8(byte as i8));
            let matches = |part: *const u8| -> u32 {
                #[allow(clippy::cast_ptr_alignment)]
                let v = _mm_loadu_si128(part.cast::<__m128i>());
                let mut hit = _mm_cmpeq_epi8(v, needles[0]);
                for needle in &needles[1..] {
                    hit = _mm_or_si128(hit, _mm_cmpeq_epi8(v, *needle));
                }
                _mm_movemask_epi8(hit) as u32
            };
            let mut at = 0;
            while at + 16 <= bytes.len() {
                drain(u64::from(matches(bytes.as_ptr().add(at))), base + at as u32, out);
                at += 16;
            }
            let rest = bytes.len() - at;
            if rest > 0 && bytes.len() >= 16 {
                // The last 16 bytes overlap what is done: shift those bits away.
                let mask = matches(bytes.as_ptr().add(bytes.len() - 16)) >> (16 - rest);
                drain(u64::from(mask), base + at as u32, out);
            } else {
                tail(bytes, at, wanted, base, out);
            }
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod simd {
    pub(super) fn positions3(bytes: &[u8], wanted: [u8; 3], base: u32, out: &mut Vec<u32>) {
        out.extend(memchr::memchr3_iter(wanted[0], wanted[1], wanted[2], bytes).map(|at| base + at as u32));
    }

    pub(super) fn positions1(bytes: &[u8], wanted: u8, base: u32, out: &mut Vec<u32>) {
        out.extend(memchr::memchr_iter(wanted, bytes).map(|at| base + at as u32));
    }

    pub(super) fn find(bytes: &[u8], byte: u8, from: usize, to: usize) -> usize {
        bytes[from..to].iter().position(|&other| other == byte).map_or(to, |at| from + at)
    }

    pub(super) fn fields(bytes: &[u8], wanted: [u8; 3], base: u32, out: &mut Vec<u32>) -> [bool; 2] {
        positions1(bytes, wanted[0], base, out);
        [bytes.contains(&wanted[1]), bytes.contains(&wanted[2])]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn delimiters_of_every_version() {
        assert_eq!(Delimiters::from_header(b"MSH|^~\\&|APP").unwrap(), Delimiters::STANDARD);
        assert_eq!(Delimiters::from_header(b"MSH|^~\\&#|APP").unwrap().truncation, Some(b'#'));
        let old = Delimiters::from_header(b"MSH|^~\\|APP").unwrap();
        assert_eq!((old.escape, old.subcomponent), (Some(b'\\'), None));
        let custom = Delimiters::from_header(b"MSH$%*?@$APP").unwrap();
        assert_eq!((custom.field, custom.component, custom.subcomponent), (b'$', b'%', Some(b'@')));
        assert_eq!(custom.encoding_characters(), "%*?@");
        for bad in [&b"MSH"[..], b"MSH|", b"MSH||APP", b"MSHA^~\\&", b"PID|^~\\&|", b"MSH\r^~\\&", b"MSH\x1b$)@\\\r"] {
            assert_eq!(Delimiters::from_header(bad), None);
        }
    }

    #[test]
    fn a_repeated_delimiter_keeps_its_first_role() {
        let header = b"MSH|^^^^|APP";
        assert!(Delimiters::repeats_itself(header));
        let delimiters = Delimiters::from_header(header).unwrap();
        assert_eq!((delimiters.component, delimiters.repetition, delimiters.subcomponent), (b'^', None, None));
        assert!(!Delimiters::repeats_itself(b"MSH|^~\\&#|APP"));
    }

    proptest! {
        #[test]
        fn scans_agree_with_a_plain_loop(bytes in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'|'), Just(0x0Bu8), any::<u8>()], 0..300)) {
            let mut fast = Vec::new();
            line_ends(&bytes, 7, &mut fast);
            let plain: Vec<u32> = bytes.iter().enumerate().filter(|(_, b)| matches!(b, b'\r' | b'\n' | 0x0B)).map(|(at, _)| at as u32 + 7).collect();
            prop_assert_eq!(fast, plain);
            let mut fast = Vec::new();
            separators(&bytes, b'|', 3, &mut fast);
            let mut fields = Vec::new();
            let marks = segment_fields(&bytes, &Delimiters::STANDARD, usize::MAX, 3, &mut fields);
            prop_assert_eq!(&fields, &fast);
            prop_assert_eq!(marks, Marks::new(bytes.contains(&b'\\'), bytes.contains(&b'~')));
            for (from, to) in [(0, bytes.len()), (bytes.len() / 3, bytes.len() / 2), (bytes.len(), bytes.len())] {
                prop_assert_eq!(find(&bytes, b'|', from, to), bytes[from..to].iter().position(|&byte| byte == b'|').map_or(to, |at| from + at));
            }
            let mut first = Vec::new();
            segment_fields(&bytes, &Delimiters::STANDARD, 3, 3, &mut first);
            prop_assert_eq!(&first[..], &fields[..fields.len().min(3)]);
            let plain: Vec<u32> = bytes.iter().enumerate().filter(|(_, b)| **b == b'|').map(|(at, _)| at as u32 + 3).collect();
            prop_assert_eq!(fast, plain);
        }
    }
}
