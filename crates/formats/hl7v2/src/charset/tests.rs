use proptest::prelude::*;

use super::*;

fn read(raw: &[u8], msh18: &str) -> (String, Vec<&'static str>) {
    let mut findings = Vec::new();
    let text = decode(raw, msh18, b'~', Charset::Windows1252, &mut findings).into_owned();
    (text, findings.into_iter().map(|finding| finding.code).collect())
}

fn clean(raw: &[u8], msh18: &str) -> String {
    let (text, findings) = read(raw, msh18);
    assert_eq!(findings, Vec::<&str>::new(), "{msh18}");
    text
}

#[test]
fn every_set_of_the_table_decodes() {
    for (name, raw, text) in [
        ("ASCII", &b"M"[..], "M"),
        ("", b"plain", "plain"),
        ("8859/1", b"M\xDCLLER", "MÜLLER"),
        ("8859/1", b"\x80", "€"),
        ("8859/2", b"DVO\xD8\xC1K", "DVOŘÁK"),
        ("8859/3", b"\xA1", "Ħ"),
        ("8859/4", b"\xA5", "Ĩ"),
        ("8859/5", b"\xB8\xB2", "ИВ"),
        ("8859/6", b"\xC7", "ا"),
        ("8859/7", b"\xD0\xC1", "ΠΑ"),
        ("8859/8", b"\xEB", "כ"),
        ("8859/9", b"\xDE", "Ş"),
        ("8859/15", b"\xA6\xBC\xA4", "ŠŒ€"),
        ("ISO IR14", b"\xD4\xCF\xC0\xDE", "ﾔﾏﾀﾞ"),
        ("GB 18030-2000", b"\xCD\xF5\x81\x30\x81\x30", "王\u{80}"),
        ("KS X 1001", b"\xB1\xE8", "김"),
        ("BIG-5", b"\xB3\xAF", "陳"),
        ("UNICODE", "山田".as_bytes(), "山田"),
        ("UNICODE UTF-8", "山田".as_bytes(), "山田"),
        ("UNICODE UTF-16", "山田".as_bytes(), "山田"),
        ("UNICODE UTF-32", "山田".as_bytes(), "山田"),
        ("~ISO IR87", b"A~\x1b$BK|8^5~P&\x1b(B^B", "A~万五京丶^B"),
        ("ISO IR87", b"\x1b$BB@O:\x1b(J\\~", "太郎\\~"),
        ("ISO IR159", b"\x1b$(D0!\x1b(B", "丂"),
        ("ISO IR14~ISO IR87", b"\xD4\x1b$B;3\x1b(J", "ﾔ山"),
        ("ISO IR14~ISO IR87", b"\x1b(ITO\x1b(B|", "ﾔﾏ|"),
        ("~KS X 1001", b"Hong^\x1b$)C\xB1\xE8^x\r", "Hong^김^x\r"),
        ("~GB 18030-2000", b"\x1b$)A\xCD\xF5^x\r", "王^x\r"),
        ("~GB 2312-1980", b"\x1b$AC5\x1b(B", "玫"),
        ("8859/1~8859/5", b"\xDC\x1b-L\xB8\x1b-A\xDC", "ÜИÜ"),
        ("8859/1~8859/7", b"\x1b-F\xD0\r\xD0", "Π\rÐ"),
    ] {
        assert_eq!(clean(raw, name), text, "{name}");
    }
}

#[test]
fn what_msh18_does_not_say_is_found_out() {
    assert_eq!(read("Jörg".as_bytes(), ""), ("Jörg".into(), vec!["charset-undeclared"]));
    assert_eq!(read(b"J\xF6rg", ""), ("Jörg".into(), vec!["charset-fallback"]));
    assert_eq!(read(b"J\xF6rg", "\"\""), ("Jörg".into(), vec!["charset-fallback"]));
    assert_eq!(read(b"J\xF6rg", "UNICODE UTF-8"), ("Jörg".into(), vec!["charset-mismatch"]));
    assert_eq!(read("Jörg".as_bytes(), "ASCII"), ("Jörg".into(), vec!["charset-mismatch"]));
    assert_eq!(read("Jörg".as_bytes(), "8859/1"), ("JÃ¶rg".into(), vec!["charset-suspect"]));
    assert_eq!(read(b"J\xF6rg", "KLINGON"), ("Jörg".into(), vec!["charset-unknown", "charset-fallback"]));
    assert_eq!(read(b"plain", "KLINGON"), ("plain".into(), vec!["charset-unknown"]));
    assert_eq!(read(b"\xA4\xA1", "CNS 11643-1992"), ("¤¡".into(), vec!["charset-unsupported", "charset-fallback"]));
    // 0xFF is no lead byte in Big5.
    assert_eq!(read(b"\xFFa", "BIG-5"), ("ÿa".into(), vec!["charset-mismatch"]));
    // A shift that nobody declared is followed.
    assert_eq!(read(b"\x1b$B;3\x1b(B|", "8859/1"), ("山|".into(), vec!["charset-undeclared"]));
    // In a declared UTF-8 text an escape sequence is data.
    assert_eq!(read(b"\x1b$B;3\x1b(B", "UNICODE UTF-8"), ("\x1b$B;3\x1b(B".into(), vec![]));
    assert_eq!(read(b"\xF6\x1b$B;3\x1b(B", "~ISO IR87"), ("ö山".into(), vec!["charset-fallback"]));
}

#[test]
fn a_broken_shift_loses_nothing_and_opens_nothing() {
    let (text, findings) = read(b"\x1b$B\x29\x21|\x1b(B^", "~ISO IR87");
    assert_eq!(findings, ["charset-mismatch"]);
    assert_eq!(text.chars().filter(|c| "|^".contains(*c)).count(), 1);
    assert!(text.ends_with('^') && !text.contains('\u{FFFD}') && text.chars().count() == 3);
    // The shift ends with the segment.
    assert_eq!(clean(b"\x1b$B;3\rPID|", "~ISO IR87"), "山\rPID|");
    // An unknown escape sequence is data.
    assert_eq!(clean(b"\x1b[1m\x1b$B;3\x1b(B", "~ISO IR87"), "\x1b[1m山");
}

#[test]
fn the_header_says_which() {
    let raw = b"MSH|^~\\&|A|B|C|D|2026||ADT^A01|1|P|2.5||||||8859/1~ISO IR87\rPID|\xDC";
    assert_eq!(msh18(raw), ("8859/1~ISO IR87".into(), Some(b'~')));
    let mut findings = Vec::new();
    let decoded = decode_message(raw, Charset::Utf8, &mut findings);
    assert_eq!((decoded.charset, decoded.shifted, decoded.text.ends_with("PID|Ü"), findings.len()), (Charset::Iso8859_1, false, true, 0));
    assert_eq!(msh18(b"MSH"), ("".into(), None));
    assert_eq!(msh18(b"MSH|"), ("".into(), None));
    assert_eq!(msh18(b"MSH|^~\\&|A\rPID|||||||||||||||||8859/1"), ("".into(), Some(b'~')));
}

#[test]
fn writing_says_what_it_cannot() {
    assert_eq!(encode("Ü", Charset::Iso8859_1).unwrap(), b"\xDC");
    assert_eq!(encode("aŁ", Charset::Iso8859_1), Err(EncodeError::Unmappable { charset: "8859/1", position: 1 }));
    assert_eq!(encode("aŁ", Charset::Iso8859_15), Err(EncodeError::Unmappable { charset: "8859/15", position: 1 }));
    assert!(matches!(encode("é", Charset::Cns11643), Err(EncodeError::Unsupported { .. })));
    assert_eq!(encode("a山^", Charset::IsoIr87).unwrap(), b"a\x1b$B;3\x1b(B^");
    // The Encoding Standard would write these as backslash, tilde and another dash.
    for text in ["¥", "‾", "−"] {
        assert!(encode(text, Charset::ShiftJis).is_err() && encode(text, Charset::EucJp).is_err(), "{text}");
    }
    assert_eq!(encode("\u{80}", Charset::Iso8859_1), Err(EncodeError::Unmappable { charset: "8859/1", position: 0 }));
    assert_eq!(encode("a", Charset::Utf16).unwrap(), b"\0a");
    let japanese = Declared::parse("~ISO IR87", b'~');
    assert_eq!(encode_within("A^山^ﾔ", &japanese, Charset::Utf8), Err(EncodeError::Unmappable { charset: "ASCII", position: 6 }));
}

#[test]
fn is_a_name_in_json() {
    assert_eq!(serde_json::to_string(&Charset::Iso8859_1).unwrap(), "\"8859/1\"");
    assert_eq!(serde_json::from_str::<Charset>("\"utf-8\"").unwrap(), Charset::Utf8);
    assert!(serde_json::from_str::<Charset>("\"klingon\"").is_err());
}

fn any_charset() -> impl Strategy<Value = Charset> {
    prop::sample::select(Charset::ALL)
}

/// Bytes that make shifts, multi-byte characters and delimiters likely.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"\x1b$B".to_vec()),
        Just(b"\x1b(B".to_vec()),
        Just(b"\x1b(I".to_vec()),
        Just(b"\x1b$)C".to_vec()),
        Just(b"\x1b$(D".to_vec()),
        Just(b"\x1b-F".to_vec()),
        Just(b"|".to_vec()),
        Just(b"\r".to_vec()),
        prop::collection::vec(any::<u8>(), 1..4),
        prop::collection::vec(0xA1..=0xFEu8, 1..4),
        prop::collection::vec(0x21..=0x7Eu8, 1..4),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_bytes_become_text_without_replacement(raw in bytes(), first in any_charset(), second in any_charset(), default in any_charset()) {
        // 84 31 A4 37 is U+FFFD in GB 18030, EF BF BD in UTF-8: replacement characters of the sender.
        prop_assume!(!raw.windows(3).any(|w| w == [0xEF, 0xBF, 0xBD]) && !raw.windows(4).any(|w| w == [0x84, 0x31, 0xA4, 0x37]));
        for msh18 in [String::new(), first.name().to_owned(), format!("{}~{}", first.name(), second.name()), format!("~{}", second.name())] {
            let mut findings = Vec::new();
            let text = decode(&raw, &msh18, b'~', default, &mut findings);
            prop_assert!(!text.contains('\u{FFFD}'), "{msh18}");
            prop_assert_eq!(text.matches('\r').count(), memchr::memchr_iter(b'\r', &raw).count());
            if raw.is_ascii() && !raw.contains(&0x1B) {
                prop_assert_eq!(text.as_bytes(), &raw[..]);
            }
        }
    }

    #[test]
    fn what_is_written_reads_back(text in any::<String>(), first in any_charset(), others in prop::collection::vec(any_charset(), 0..3)) {
        prop_assume!(!text.contains('\x1b'));
        let declared = Declared { first: Some(first), others, unknown: false };
        if let Ok(raw) = encode_within(&text, &declared, Charset::Ascii) {
            let decoded = decode_declared(&raw, &declared, Charset::Utf8, &mut Vec::new());
            prop_assert_eq!(decoded.text.into_owned(), text);
        }
    }

    #[test]
    fn shifted_text_reads_back(text in "[a|^é山太郎김철ЖΠÜヤﾔ\r]{0,12}") {
        let all = [Charset::IsoIr87, Charset::KsX1001, Charset::Iso8859_5, Charset::IsoIr14, Charset::Iso8859_7, Charset::Iso8859_1];
        for first in [Charset::Ascii, Charset::Iso8859_1, Charset::IsoIr14, Charset::Gb18030] {
            let declared = Declared { first: Some(first), others: all.to_vec(), unknown: false };
            let raw = encode_within(&text, &declared, Charset::Ascii).unwrap();
            let mut findings = Vec::new();
            let decoded = decode_declared(&raw, &declared, Charset::Utf8, &mut findings);
            prop_assert_eq!(decoded.text.as_ref(), text.as_str());
            // No shifted code is taken for a delimiter by a reader that knows the shifts; the text has as many as were written.
            prop_assert!(findings.iter().all(|finding| finding.code == "charset-suspect"), "{findings:?}");
        }
    }
}

#[test]
fn every_character_of_every_set_reads_back() {
    let all: Vec<char> = ('\u{20}'..='\u{33FF}')
        .chain('\u{4E00}'..='\u{57FF}')
        .chain('\u{AC00}'..='\u{AFFF}')
        .chain('\u{E000}'..='\u{FFFF}')
        .chain('\u{1F300}'..='\u{1F3FF}')
        .chain('\u{20000}'..='\u{20FFF}')
        .collect();
    for &charset in Charset::ALL.iter().filter(|charset| !matches!(charset, Charset::Utf16 | Charset::Utf32 | Charset::Cns11643)) {
        let declared = Declared { first: Some(charset), ..Declared::default() };
        let writable: String = all.iter().filter(|c| encode_within(c.encode_utf8(&mut [0; 4]), &declared, charset).is_ok()).collect();
        let raw = encode_within(&writable, &declared, charset).unwrap();
        let mut findings = Vec::new();
        let decoded = decode_declared(&raw, &declared, charset, &mut findings);
        assert!(decoded.text == writable, "{charset}");
        assert!(findings.is_empty() && writable.len() > 90, "{charset} {findings:?}");
    }
}
