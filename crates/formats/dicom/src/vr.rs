//! Value representations (PS3.5 section 6.2).

use std::fmt;

/// A value representation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[allow(missing_docs)] // The names are the standard's codes; there is nothing to add.
pub enum Vr {
    AE,
    AS,
    AT,
    CS,
    DA,
    DS,
    DT,
    FD,
    FL,
    IS,
    LO,
    LT,
    OB,
    OD,
    OF,
    OL,
    OV,
    OW,
    PN,
    SH,
    SL,
    SQ,
    SS,
    ST,
    SV,
    TM,
    UC,
    UI,
    UL,
    UN,
    UR,
    US,
    UT,
    UV,
}

impl Vr {
    /// All of them, in order.
    pub const ALL: [Vr; 34] = {
        use Vr::*;
        [
            AE, AS, AT, CS, DA, DS, DT, FD, FL, IS, LO, LT, OB, OD, OF, OL, OV, OW, PN, SH, SL, SQ, SS, ST, SV, TM, UC, UI, UL, UN, UR, US,
            UT, UV,
        ]
    };

    /// The two letters.
    pub const fn code(self) -> &'static str {
        use Vr::*;
        match self {
            AE => "AE",
            AS => "AS",
            AT => "AT",
            CS => "CS",
            DA => "DA",
            DS => "DS",
            DT => "DT",
            FD => "FD",
            FL => "FL",
            IS => "IS",
            LO => "LO",
            LT => "LT",
            OB => "OB",
            OD => "OD",
            OF => "OF",
            OL => "OL",
            OV => "OV",
            OW => "OW",
            PN => "PN",
            SH => "SH",
            SL => "SL",
            SQ => "SQ",
            SS => "SS",
            ST => "ST",
            SV => "SV",
            TM => "TM",
            UC => "UC",
            UI => "UI",
            UL => "UL",
            UN => "UN",
            UR => "UR",
            US => "US",
            UT => "UT",
            UV => "UV",
        }
    }

    /// From the two bytes in a file.
    #[inline]
    pub fn from_bytes(bytes: [u8; 2]) -> Option<Self> {
        let place = |byte: u8| byte.wrapping_sub(b'A');
        let (first, second) = (place(bytes[0]), place(bytes[1]));
        if first > 25 || second > 25 {
            return None;
        }
        let found = BY_LETTERS[usize::from(first) * 26 + usize::from(second)];
        Self::ALL.get(usize::from(found)).copied()
    }

    /// Whether explicit VR writes its length in four bytes, after two reserved ones (PS3.5 section 7.1.2).
    #[inline]
    pub fn has_long_length(self) -> bool {
        use Vr::*;
        matches!(self, OB | OD | OF | OL | OV | OW | SQ | SV | UC | UN | UR | UT | UV)
    }

    /// Whether the value is text.
    #[inline]
    pub fn is_text(self) -> bool {
        use Vr::*;
        matches!(self, AE | AS | CS | DA | DS | DT | IS | LO | LT | PN | SH | ST | TM | UC | UI | UR | UT)
    }

    /// Whether Specific Character Set applies to the text.
    #[inline]
    pub fn has_character_set(self) -> bool {
        use Vr::*;
        matches!(self, LO | LT | PN | SH | ST | UC | UT)
    }

    /// Whether a backslash stands between several values of the text.
    #[inline]
    pub fn is_multi_valued_text(self) -> bool {
        use Vr::*;
        self.is_text() && !matches!(self, LT | ST | UT | UR)
    }

    /// Bytes of one binary number; `None` for text, sequences and opaque bytes. `OW` and the like are rows of such numbers.
    #[inline]
    pub fn number_bytes(self) -> Option<usize> {
        use Vr::*;
        match self {
            US | SS | OW => Some(2),
            AT | UL | SL | FL | OF | OL => Some(4),
            FD | SV | UV | OD | OV => Some(8),
            _ => None,
        }
    }

    /// Whether the value is opaque bytes, which the DICOM JSON model writes in base64.
    #[inline]
    pub fn is_bulk(self) -> bool {
        use Vr::*;
        matches!(self, OB | OD | OF | OL | OV | OW | UN)
    }
}

const BY_LETTERS: [u8; 676] = {
    let mut table = [u8::MAX; 676];
    let mut at = 0;
    while at < Vr::ALL.len() {
        let code = Vr::ALL[at].code().as_bytes();
        table[(code[0] - b'A') as usize * 26 + (code[1] - b'A') as usize] = at as u8;
        at += 1;
    }
    table
};

impl fmt::Display for Vr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_read_back() {
        for vr in Vr::ALL {
            let code = vr.code().as_bytes();
            assert_eq!(Vr::from_bytes([code[0], code[1]]), Some(vr));
        }
        for bad in [*b"ZZ", *b"us", *b"\0\0", *b"A[", *b"@A", [0xFF, 0xFF]] {
            assert_eq!(Vr::from_bytes(bad), None);
        }
    }
}
