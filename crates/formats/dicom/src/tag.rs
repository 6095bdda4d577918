//! Tags of data elements.

use std::{fmt, str::FromStr};

/// The tag of a data element: group and element number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(pub u32);

impl Tag {
    /// Item of a sequence.
    pub const ITEM: Tag = Tag(0xFFFE_E000);
    /// End of an item of undefined length.
    pub const ITEM_END: Tag = Tag(0xFFFE_E00D);
    /// End of a sequence of undefined length.
    pub const SEQUENCE_END: Tag = Tag(0xFFFE_E0DD);
    /// Pixel Data.
    pub const PIXEL_DATA: Tag = Tag(0x7FE0_0010);

    /// From group and element.
    pub const fn new(group: u16, element: u16) -> Self {
        Self((group as u32) << 16 | element as u32)
    }

    /// The group.
    pub const fn group(self) -> u16 {
        (self.0 >> 16) as u16
    }

    /// The number in the group.
    pub const fn element(self) -> u16 {
        self.0 as u16
    }

    /// Whether the group is odd: a vendor's own.
    pub const fn is_private(self) -> bool {
        self.group() & 1 == 1
    }

    /// Whether it reserves a block of private elements for the creator that it names (`(gggg,0010)` to `(gggg,00FF)`).
    pub const fn is_private_creator(self) -> bool {
        self.is_private() && matches!(self.element(), 0x10..=0xFF)
    }

    /// The tag of the private creator of this private element.
    pub const fn creator(self) -> Option<Tag> {
        if self.is_private() && self.element() >= 0x1000 { Some(Tag::new(self.group(), self.element() >> 8)) } else { None }
    }

    /// Whether it is Pixel Data or its floating point forms.
    pub const fn is_pixel_data(self) -> bool {
        matches!(self.0, 0x7FE0_0010 | 0x7FE0_0008 | 0x7FE0_0009)
    }

    /// Eight hexadecimal digits in upper case, as the DICOM JSON model writes a tag.
    #[inline]
    pub fn to_hex(self) -> [u8; 8] {
        let [first, second, third, fourth] = self.0.to_be_bytes().map(|byte| HEX[usize::from(byte)]);
        [first[0], first[1], second[0], second[1], third[0], third[1], fourth[0], fourth[1]]
    }
}

/// The two digits of each byte.
const HEX: [[u8; 2]; 256] = {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut hex = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        hex[byte] = [DIGITS[byte >> 4], DIGITS[byte & 15]];
        byte += 1;
    }
    hex
};

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({:04X},{:04X})", self.group(), self.element())
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a tag; write (0010,0020) or 00100020")]
pub struct NotATag;

impl FromStr for Tag {
    type Err = NotATag;

    /// Reads `(gggg,eeee)` and `ggggeeee`.
    fn from_str(text: &str) -> Result<Self, NotATag> {
        let inner = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
        let (group, element) = match inner {
            Some(inner) => inner.split_once(',').ok_or(NotATag)?,
            None => text.split_at_checked(4).ok_or(NotATag)?,
        };
        let number = |text: &str| {
            let is_hex = text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            is_hex.then(|| u16::from_str_radix(text, 16).ok()).flatten().ok_or(NotATag)
        };
        Ok(Self::new(number(group)?, number(element)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_written_and_read() {
        let tag = Tag(0x0010_002A);
        assert_eq!(tag.to_string(), "(0010,002A)");
        assert_eq!(&tag.to_hex(), b"0010002A");
        assert_eq!("(0010,002a)".parse(), Ok(tag));
        assert_eq!("0010002A".parse(), Ok(tag));
        for bad in ["", "0010", "(0010,002A", "0010002", "+0100020", "(001,0002A)", "00ä00020"] {
            assert_eq!(bad.parse::<Tag>(), Err(NotATag), "{bad}");
        }
        assert_eq!(Tag(0x0009_1002).creator(), Some(Tag(0x0009_0010)));
        assert!(Tag(0x0009_0010).is_private_creator() && Tag(0x0009_0010).creator().is_none());
    }
}
