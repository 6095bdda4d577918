//! Transfer syntaxes (PS3.5 section 10, annex A).

/// How data elements are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Without value representations, little endian.
    ImplicitLittle,
    /// With value representations, little endian.
    ExplicitLittle,
    /// With value representations, big endian (retired).
    ExplicitBig,
}

impl Encoding {
    /// Whether the most significant byte comes first.
    #[inline]
    pub fn is_big(self) -> bool {
        self == Self::ExplicitBig
    }

    /// Whether value representations are left out.
    #[inline]
    pub fn is_implicit(self) -> bool {
        self == Self::ImplicitLittle
    }
}

/// How pixel data is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[allow(missing_docs)] // Names of the standards that they stand for.
pub enum PixelCoding {
    /// In one value, frame after frame, pixel after pixel.
    Native,
    /// In fragments, each frame as it would be natively.
    EncapsulatedUncompressed,
    /// In fragments, each frame deflated.
    DeflatedFrame,
    Rle,
    JpegBaseline,
    JpegExtended,
    JpegLossless,
    JpegLs,
    Jpeg2000,
    HtJpeg2000,
    JpegXl,
    /// MPEG-2, H.264 or H.265: a video, not frames.
    Video,
    /// By reference to a server (JPIP).
    Referenced,
    /// SMPTE ST 2110 and what is not known here.
    Unknown,
}

/// A transfer syntax.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferSyntax {
    /// Its UID as the file says; empty where it says none.
    pub uid: String,
    /// How elements are written: as found, where the file says otherwise.
    pub encoding: Encoding,
    /// Whether the data set is deflated as a whole.
    pub deflated: bool,
    /// How pixel data is written.
    pub pixels: PixelCoding,
}

impl TransferSyntax {
    /// By UID. What is not known is little endian with VRs, as every syntax with fragments is; then the pixels are unknown.
    pub fn of(uid: &str) -> Self {
        use PixelCoding::*;
        let suffix = uid.strip_prefix("1.2.840.10008.1.2");
        let (encoding, deflated, pixels) = match suffix {
            Some("") => (Encoding::ImplicitLittle, false, Native),
            Some(".2") => (Encoding::ExplicitBig, false, Native),
            Some(".1.99") => (Encoding::ExplicitLittle, true, Native),
            Some(suffix) => (Encoding::ExplicitLittle, false, coding(suffix)),
            None => (Encoding::ExplicitLittle, false, Unknown),
        };
        Self { uid: uid.to_owned(), encoding, deflated, pixels }
    }

    /// Every one of the standard that is known here, those of videos and of servers too.
    pub fn standard() -> impl Iterator<Item = Self> {
        SUFFIXES.iter().map(|suffix| Self::of(&format!("1.2.840.10008.1.2{suffix}")))
    }

    /// Whether it is one that the standard has.
    pub fn is_known(&self) -> bool {
        self.pixels != PixelCoding::Unknown
    }

    /// Whether pixel data comes in fragments.
    pub fn is_encapsulated(&self) -> bool {
        !matches!(self.pixels, PixelCoding::Native | PixelCoding::Unknown | PixelCoding::Referenced)
    }
}

/// What follows 1.2.840.10008.1.2 in the UIDs of the standard's transfer syntaxes.
const SUFFIXES: [&str; 51] = [
    "", ".1", ".1.98", ".1.99", ".2", ".5", ".8.1", ".4.50", ".4.51", ".4.52", ".4.53", ".4.54", ".4.55", ".4.56", ".4.57", ".4.58",
    ".4.65", ".4.66", ".4.70", ".4.80", ".4.81", ".4.90", ".4.91", ".4.92", ".4.93", ".4.94", ".4.95", ".4.204", ".4.205", ".4.201",
    ".4.202", ".4.203", ".4.110", ".4.111", ".4.112", ".4.100", ".4.100.1", ".4.101", ".4.101.1", ".4.102", ".4.102.1", ".4.103",
    ".4.103.1", ".4.104", ".4.104.1", ".4.105", ".4.105.1", ".4.106", ".4.106.1", ".4.107", ".4.108",
];

fn coding(suffix: &str) -> PixelCoding {
    use PixelCoding::*;
    match suffix {
        ".1" => Native,
        ".1.98" => EncapsulatedUncompressed,
        ".8.1" => DeflatedFrame,
        ".5" => Rle,
        ".4.50" => JpegBaseline,
        ".4.51" | ".4.52" | ".4.53" | ".4.54" | ".4.55" | ".4.56" => JpegExtended,
        ".4.57" | ".4.58" | ".4.65" | ".4.66" | ".4.70" => JpegLossless,
        ".4.80" | ".4.81" => JpegLs,
        ".4.90" | ".4.91" | ".4.92" | ".4.93" => Jpeg2000,
        ".4.94" | ".4.95" | ".4.204" | ".4.205" => Referenced,
        ".4.201" | ".4.202" | ".4.203" => HtJpeg2000,
        ".4.110" | ".4.111" | ".4.112" => JpegXl,
        ".4.100" | ".4.100.1" | ".4.101" | ".4.101.1" | ".4.102" | ".4.102.1" | ".4.103" | ".4.103.1" | ".4.104" | ".4.104.1"
        | ".4.105" | ".4.105.1" | ".4.106" | ".4.106.1" | ".4.107" | ".4.108" => Video,
        _ => Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syntaxes_are_known_by_uid() {
        assert_eq!(TransferSyntax::of("1.2.840.10008.1.2").encoding, Encoding::ImplicitLittle);
        assert_eq!(TransferSyntax::of("1.2.840.10008.1.2.2").encoding, Encoding::ExplicitBig);
        assert!(TransferSyntax::of("1.2.840.10008.1.2.1.99").deflated);
        let rle = TransferSyntax::of("1.2.840.10008.1.2.5");
        assert!(rle.is_encapsulated() && rle.pixels == PixelCoding::Rle);
        assert!(TransferSyntax::standard().all(|syntax| syntax.is_known()));
        assert!(!TransferSyntax::of("1.2.3").is_known() && !TransferSyntax::of("").is_known());
    }
}
