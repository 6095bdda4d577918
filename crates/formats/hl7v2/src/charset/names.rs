//! The character sets and their names: HL7 table 0211, and what feeds really write in MSH-18.

use encoding_rs as rs;

use super::Codec;

/// A character set: those of HL7 table 0211, and the ones outside it that feeds really use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // The names say all there is to say; `Charset::name` is the code of table 0211.
pub enum Charset {
    Ascii,
    Iso8859_1,
    Iso8859_2,
    Iso8859_3,
    Iso8859_4,
    Iso8859_5,
    Iso8859_6,
    Iso8859_7,
    Iso8859_8,
    Iso8859_9,
    Iso8859_10,
    Iso8859_13,
    Iso8859_14,
    Iso8859_15,
    Iso8859_16,
    IsoIr14,
    IsoIr87,
    IsoIr159,
    Gb18030,
    Gb2312,
    KsX1001,
    Cns11643,
    Big5,
    Utf8,
    Utf16,
    Utf32,
    Tis620,
    ShiftJis,
    EucJp,
    Koi8R,
    Koi8U,
    Ibm866,
    Macintosh,
    Windows1250,
    Windows1251,
    Windows1252,
    Windows1253,
    Windows1254,
    Windows1255,
    Windows1256,
    Windows1257,
    Windows1258,
}

/// What there is to know of a character set. Aliases are letters and digits only, upper case.
struct Entry(&'static str, Codec, &'static [&'static str]);

impl Charset {
    /// Every character set known here.
    pub const ALL: &'static [Charset] = &[
        Self::Ascii,
        Self::Iso8859_1,
        Self::Iso8859_2,
        Self::Iso8859_3,
        Self::Iso8859_4,
        Self::Iso8859_5,
        Self::Iso8859_6,
        Self::Iso8859_7,
        Self::Iso8859_8,
        Self::Iso8859_9,
        Self::Iso8859_10,
        Self::Iso8859_13,
        Self::Iso8859_14,
        Self::Iso8859_15,
        Self::Iso8859_16,
        Self::IsoIr14,
        Self::IsoIr87,
        Self::IsoIr159,
        Self::Gb18030,
        Self::Gb2312,
        Self::KsX1001,
        Self::Cns11643,
        Self::Big5,
        Self::Utf8,
        Self::Utf16,
        Self::Utf32,
        Self::Tis620,
        Self::ShiftJis,
        Self::EucJp,
        Self::Koi8R,
        Self::Koi8U,
        Self::Ibm866,
        Self::Macintosh,
        Self::Windows1250,
        Self::Windows1251,
        Self::Windows1252,
        Self::Windows1253,
        Self::Windows1254,
        Self::Windows1255,
        Self::Windows1256,
        Self::Windows1257,
        Self::Windows1258,
    ];

    /// The code of HL7 table 0211, or the usual name where the table has none.
    pub fn name(self) -> &'static str {
        self.entry().0
    }

    pub(crate) fn codec(self) -> Codec {
        self.entry().1
    }

    /// Finds a character set by its code or one of the names that feeds use. Case, spaces and
    /// punctuation do not count: `8859/1`, `ISO-8859-1` and `iso_8859-1` are one.
    pub fn from_name(name: &str) -> Option<Self> {
        // What nearly every feed says.
        match name {
            "UNICODE UTF-8" => return Some(Self::Utf8),
            "8859/1" => return Some(Self::Iso8859_1),
            "ASCII" => return Some(Self::Ascii),
            _ => {}
        }
        let key = Key::new(name)?;
        Self::ALL.iter().copied().find(|charset| {
            let Entry(name, _, aliases) = charset.entry();
            Key::new(name).is_some_and(|own| own.as_bytes() == key.as_bytes())
                || aliases.iter().any(|alias| alias.as_bytes() == key.as_bytes())
        })
    }

    fn entry(self) -> Entry {
        use Codec::Standard;
        match self {
            Self::Ascii => {
                Entry("ASCII", Codec::Ascii, &["USASCII", "ISOIR6", "ISO2022IR6", "ANSIX34", "ANSIX341968", "ISO646", "646", "7BIT"])
            }
            Self::Iso8859_1 => {
                Entry("8859/1", Codec::Latin1, &["ISO88591", "LATIN1", "ISOIR100", "ISO2022IR100", "ISOLATIN1", "ISO885911987"])
            }
            Self::Iso8859_2 => Entry("8859/2", Standard(rs::ISO_8859_2), &["ISO88592", "LATIN2", "ISOIR101", "ISO2022IR101"]),
            Self::Iso8859_3 => Entry("8859/3", Standard(rs::ISO_8859_3), &["ISO88593", "LATIN3", "ISOIR109", "ISO2022IR109"]),
            Self::Iso8859_4 => Entry("8859/4", Standard(rs::ISO_8859_4), &["ISO88594", "LATIN4", "ISOIR110", "ISO2022IR110"]),
            Self::Iso8859_5 => Entry("8859/5", Standard(rs::ISO_8859_5), &["ISO88595", "CYRILLIC", "ISOIR144", "ISO2022IR144"]),
            Self::Iso8859_6 => Entry("8859/6", Standard(rs::ISO_8859_6), &["ISO88596", "ARABIC", "ISOIR127", "ISO2022IR127"]),
            Self::Iso8859_7 => Entry("8859/7", Standard(rs::ISO_8859_7), &["ISO88597", "GREEK", "ISOIR126", "ISO2022IR126"]),
            Self::Iso8859_8 => Entry("8859/8", Standard(rs::ISO_8859_8), &["ISO88598", "HEBREW", "ISOIR138", "ISO2022IR138", "ISO88598I"]),
            Self::Iso8859_9 => Entry("8859/9", Standard(rs::WINDOWS_1254), &["ISO88599", "LATIN5", "ISOIR148", "ISO2022IR148"]),
            Self::Iso8859_10 => Entry("8859/10", Standard(rs::ISO_8859_10), &["ISO885910", "LATIN6"]),
            Self::Iso8859_13 => Entry("8859/13", Standard(rs::ISO_8859_13), &["ISO885913", "LATIN7"]),
            Self::Iso8859_14 => Entry("8859/14", Standard(rs::ISO_8859_14), &["ISO885914", "LATIN8"]),
            Self::Iso8859_15 => Entry("8859/15", Standard(rs::ISO_8859_15), &["ISO885915", "LATIN9", "ISOIR203", "ISO2022IR203"]),
            Self::Iso8859_16 => Entry("8859/16", Standard(rs::ISO_8859_16), &["ISO885916", "LATIN10"]),
            Self::IsoIr14 => {
                Entry("ISO IR14", Codec::Katakana, &["ISOIR13", "ISO2022IR13", "ISO2022IR14", "JISX0201", "JISX02011976", "IR14", "IR13"])
            }
            Self::IsoIr87 => Entry(
                "ISO IR87",
                Codec::Ascii,
                &["ISO2022IR87", "JISX0208", "JISX02081990", "IR87", "ISO2022JP", "JIS", "JISX0202", "JAS2020"],
            ),
            Self::IsoIr159 => Entry("ISO IR159", Codec::Ascii, &["ISO2022IR159", "JISX0212", "JISX02121990", "IR159"]),
            Self::Gb18030 => {
                Entry("GB 18030-2000", Standard(rs::GB18030), &["GB18030", "GB180302005", "GBK", "CP936", "936", "WINDOWS936"])
            }
            Self::Gb2312 => {
                Entry("GB 2312-1980", Standard(rs::GBK), &["GB2312", "GB231280", "ISOIR58", "ISO2022IR58", "IR58", "EUCCN", "HZGB2312"])
            }
            Self::KsX1001 => Entry(
                "KS X 1001",
                Standard(rs::EUC_KR),
                &[
                    "KSX10012004",
                    "KSX10011997",
                    "ISOIR149",
                    "ISO2022IR149",
                    "IR149",
                    "KSC5601",
                    "KSC56011987",
                    "EUCKR",
                    "CP949",
                    "949",
                    "UHC",
                ],
            ),
            Self::Cns11643 => Entry("CNS 11643-1992", Codec::Unsupported, &["CNS11643", "EUCTW"]),
            Self::Big5 => Entry("BIG-5", Standard(rs::BIG5), &["BIG5HKSCS", "CP950", "950"]),
            Self::Utf8 => Entry("UNICODE UTF-8", Codec::Utf8, &["UTF8", "UNICODE", "ISOIR192", "ISO10646", "65001", "CP65001", "UTF8BOM"]),
            Self::Utf16 => {
                Entry("UNICODE UTF-16", Codec::Utf8, &["UTF16", "UTF16LE", "UTF16BE", "UCS2", "UNICODEUTF16LE", "UNICODEUTF16BE"])
            }
            Self::Utf32 => Entry("UNICODE UTF-32", Codec::Utf8, &["UTF32", "UTF32LE", "UTF32BE", "UCS4"]),
            Self::Tis620 => Entry("TIS-620", Standard(rs::WINDOWS_874), &["ISOIR166", "ISO2022IR166", "WINDOWS874", "ISO885911"]),
            Self::ShiftJis => Entry("SHIFT_JIS", Standard(rs::SHIFT_JIS), &["SJIS", "WINDOWS31J", "MS932", "CP932", "932"]),
            Self::EucJp => Entry("EUC-JP", Standard(rs::EUC_JP), &["EUCJP", "UJIS"]),
            Self::Koi8R => Entry("KOI8-R", Standard(rs::KOI8_R), &["KOI8"]),
            Self::Koi8U => Entry("KOI8-U", Standard(rs::KOI8_U), &[]),
            Self::Ibm866 => Entry("IBM866", Standard(rs::IBM866), &["CP866", "866"]),
            Self::Macintosh => Entry("MACINTOSH", Standard(rs::MACINTOSH), &["MACROMAN"]),
            Self::Windows1250 => Entry("windows-1250", Standard(rs::WINDOWS_1250), &["CP1250", "1250", "ANSI1250"]),
            Self::Windows1251 => Entry("windows-1251", Standard(rs::WINDOWS_1251), &["CP1251", "1251", "ANSI1251"]),
            Self::Windows1252 => Entry("windows-1252", Standard(rs::WINDOWS_1252), &["CP1252", "1252", "ANSI", "ANSI1252", "WINDOWSANSI"]),
            Self::Windows1253 => Entry("windows-1253", Standard(rs::WINDOWS_1253), &["CP1253", "1253"]),
            Self::Windows1254 => Entry("windows-1254", Standard(rs::WINDOWS_1254), &["CP1254", "1254"]),
            Self::Windows1255 => Entry("windows-1255", Standard(rs::WINDOWS_1255), &["CP1255", "1255"]),
            Self::Windows1256 => Entry("windows-1256", Standard(rs::WINDOWS_1256), &["CP1256", "1256"]),
            Self::Windows1257 => Entry("windows-1257", Standard(rs::WINDOWS_1257), &["CP1257", "1257"]),
            Self::Windows1258 => Entry("windows-1258", Standard(rs::WINDOWS_1258), &["CP1258", "1258"]),
        }
    }
}

/// A name without case, spaces and punctuation, on the stack.
struct Key {
    bytes: [u8; 24],
    length: usize,
}

impl Key {
    fn new(name: &str) -> Option<Self> {
        let mut key = Self { bytes: [0; 24], length: 0 };
        for byte in name.bytes().filter(u8::is_ascii_alphanumeric) {
            *key.bytes.get_mut(key.length)? = byte.to_ascii_uppercase();
            key.length += 1;
        }
        (key.length > 0 && name.is_ascii()).then_some(key)
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_found_however_they_are_written() {
        for (name, charset) in [
            ("UNICODE UTF-8", Charset::Utf8),
            ("utf8", Charset::Utf8),
            ("Utf-8", Charset::Utf8),
            ("8859/1", Charset::Iso8859_1),
            ("8859-1", Charset::Iso8859_1),
            ("ISO-8859-1", Charset::Iso8859_1),
            ("ISO_8859-15", Charset::Iso8859_15),
            ("8859/15", Charset::Iso8859_15),
            ("windows-1252", Charset::Windows1252),
            ("ISO IR 87", Charset::IsoIr87),
            ("ISO 2022 IR 149", Charset::KsX1001),
            ("GB 18030-2000", Charset::Gb18030),
            ("CNS 11643-1992", Charset::Cns11643),
        ] {
            assert_eq!(Charset::from_name(name), Some(charset), "{name}");
        }
        for name in ["", "/", "KLINGON", "8859/12", "UTF-8é", "a name that is far too long for any character set"] {
            assert_eq!(Charset::from_name(name), None, "{name}");
        }
    }

    #[test]
    fn every_name_means_one_thing() {
        let mut seen = BTreeSet::new();
        for &charset in Charset::ALL {
            assert_eq!(Charset::from_name(charset.name()), Some(charset));
            for alias in charset.entry().2 {
                assert_eq!(Charset::from_name(alias), Some(charset), "{alias}");
                assert!(seen.insert(*alias), "{alias} twice");
            }
        }
    }
}
