//! Bounds on one document.

/// Bounds on one document. What goes beyond is an error, never more memory or time.
///
/// Memory is the text itself, at most once more for decoded entities, 32 bytes for each element or text and 16 for each attribute:
/// of a usual document less than twice its size, of the worst (`<a/><a/>...`) about ten times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the document. Default 64 MiB.
    pub bytes: usize,
    /// Elements inside one another. Default 256; real documents stay below 30.
    pub depth: usize,
    /// Elements, attributes and texts together. Default 4 million.
    pub nodes: usize,
    /// Attributes of one element. Default 128.
    pub attributes: usize,
    /// Bytes of one text or attribute value. Default 64 MiB: embedded documents are one text.
    pub text: usize,
}

impl Limits {
    /// Offsets are kept in 32 bits.
    pub const MOST_BYTES: usize = 1 << 30;
    /// The longest name of an element or attribute; CDA's have about thirty letters.
    pub(crate) const MOST_NAME: usize = 256;
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 64 << 20, depth: 256, nodes: 4_000_000, attributes: 128, text: 64 << 20 }
    }
}
