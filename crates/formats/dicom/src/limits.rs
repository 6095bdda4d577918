//! Bounds on one file.

/// Bounds on one file. What goes beyond is an error, never more memory or time.
///
/// Memory is the bytes themselves and 20 bytes for each element, item and sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the file that are held. Pixel data does not count where only the header is wanted. Default 64 MiB.
    pub bytes: usize,
    /// Sequences inside one another. Default 128; real data sets stay below 20.
    pub depth: usize,
    /// Elements, items and sequences together. Default 2 million.
    pub elements: usize,
    /// Bytes of a deflated data set, unpacked: held ones. Default 32 MiB.
    pub inflated: usize,
}

impl Limits {
    /// Offsets are kept in 32 bits.
    pub const MOST_BYTES: usize = (u32::MAX - 1) as usize;
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 64 << 20, depth: 128, elements: 2_000_000, inflated: 32 << 20 }
    }
}
