use proptest::prelude::*;

use super::*;
use crate::Message;

const TEXT: &[u8] = b"MSH|^~\\&|A|B|C|D|2026||ADT^A01|1|P|2.5\r\r\nPID|1||1~2^^^H&x||DOE^JANE||\"\"\rZZZ|\\bad\r\nPV1";

fn path(text: &str) -> Path {
    text.parse().unwrap()
}

fn edited(raw: &[u8], at: &str, text: &str) -> String {
    let mut message = MessageBuf::parse(raw, Charset::Windows1252).unwrap();
    message.set(&path(at), text).unwrap();
    assert_eq!(message.get(&path(at)).as_deref(), Some(text));
    String::from_utf8_lossy(&message.to_bytes()).into_owned()
}

#[test]
fn an_edit_touches_only_its_place() {
    let original = String::from_utf8_lossy(TEXT).into_owned();
    for (at, text, from, to) in [
        ("PID-5.1", "O|NEILL", "DOE^", "O\\F\\NEILL^"),
        ("PID-5.2", "", "DOE^JANE", "DOE^"),
        ("PID-5", "X", "DOE^JANE", "X"),
        ("PID-3[2].4.2", "1.2", "H&x", "H&1.2"),
        ("PID-3[4].2", "Z", "1~2^^^H&x", "1~2^^^H&x~~^Z"),
        ("PID-5.4.3", "Z", "DOE^JANE", "DOE^JANE^^&&Z"),
        ("PID-2", "new", "PID|1||", "PID|1|new|"),
        ("PID-9", "end", "||\"\"\r", "||\"\"||end\r"),
        ("PV1-3.2", "bed", "PV1", "PV1|||^bed"),
        ("PID-7.2", "x", "\"\"", "^x"),
        ("MSH-3", "REG", "|A|", "|REG|"),
        ("ZZZ-1", "\"\"", "\\bad", "\\X2222\\"),
    ] {
        assert_eq!(edited(TEXT, at, text), original.replacen(from, to, 1), "{at}");
    }
}

#[test]
fn states_are_told_apart() {
    let mut message = MessageBuf::parse(TEXT, Charset::Utf8).unwrap();
    message.set_null(&path("PID-5.2")).unwrap();
    message.clear(&path("PID-7")).unwrap();
    message.clear(&path("PID-30.2")).unwrap();
    message.clear(&path("PID-3[1].1")).unwrap();
    assert!(message.to_text().contains("PID|1||~2^^^H&x||DOE^\"\"||\rZZZ"));
    let mut message = MessageBuf::parse(TEXT, Charset::Utf8).unwrap();
    message.clear(&path("PID-7.2")).unwrap();
    assert_eq!(message.to_bytes(), TEXT, "clearing below a null says nothing new");
}

#[test]
fn what_cannot_be_written_is_refused() {
    let mut message = MessageBuf::parse(b"MSH|^~|A\rPID|1", Charset::Iso8859_1).unwrap();
    for (at, text, error) in [
        ("MSH-1", "x", WriteError::Delimiters),
        ("MSH-2", "x", WriteError::Delimiters),
        ("MSH-18", "x", WriteError::CharacterSet),
        ("PV1-1", "x", WriteError::NoSegment),
        ("PID[2]-1", "x", WriteError::NoSegment),
        ("PID-1.1.2", "x", WriteError::NoDelimiter { role: "sub-component" }),
        ("PID-1", "a|b", WriteError::NoEscape),
        ("PID-99999", "x", WriteError::OutOfRange),
        ("PID-1", "Ł", WriteError::Encode(EncodeError::Unmappable { charset: "8859/1", position: 0 })),
    ] {
        assert_eq!(message.set(&path(at), text), Err(error), "{at}");
    }
    assert_eq!(message.to_bytes(), b"MSH|^~|A\rPID|1");
    assert_eq!(message.get(&path("MSH-1")).as_deref(), Some("|"));
    assert_eq!(message.get(&path("MSH-2")).as_deref(), Some("^~"));
    assert_eq!(MessageBuf::parse(b"PID|", Charset::Utf8), Err(MessageError::NoHeader));
}

#[test]
fn segments_come_and_go() {
    let mut message = MessageBuf::parse(TEXT, Charset::Utf8).unwrap();
    let obx = SegmentName::new("OBX").unwrap();
    assert_eq!(message.append(obx), 1);
    assert_eq!(message.append(obx), 2);
    message.set(&path("OBX[2]-1"), "2").unwrap();
    assert_eq!(message.insert_segment(2, SegmentName::new("PD1").unwrap()), Ok(1));
    assert_eq!(message.remove_segment(3), Ok(()));
    assert_eq!(message.remove_segment(0), Err(WriteError::Header));
    assert_eq!(message.insert_segment(0, obx), Err(WriteError::Header));
    assert_eq!(message.remove_segment(9), Err(WriteError::NoSegment));
    assert_eq!(message.segment_names().collect::<Vec<_>>(), ["MSH", "PID", "PD1", "PV1", "OBX", "OBX"]);
    let bytes = message.to_bytes();
    assert!(bytes.ends_with(b"PD1\rPV1\rOBX\rOBX|2\r"));
    assert_eq!(Message::parse(&message.to_text()).unwrap().segment_count(), 6);
}

#[test]
fn edits_stay_in_the_character_set() {
    let latin = b"MSH|^~\\&|A||||||||P|2.5||||||8859/1\rPID|||||M\xDCLLER|\xFF\r";
    let mut message = MessageBuf::parse(latin, Charset::Utf8).unwrap();
    message.set(&path("PID-5.2"), "JÖRG").unwrap();
    assert!(message.to_bytes().ends_with(b"PID|||||M\xDCLLER^J\xD6RG|\xFF\r"));
    message.set_charset(Charset::Utf8).unwrap();
    assert!(message.to_text().ends_with("|UNICODE UTF-8\rPID|||||MÜLLER^JÖRG|ÿ\r"));
    assert_eq!(message.to_bytes(), message.to_text().into_bytes());

    // A delimiter byte inside shifted text is not a delimiter, before and after an edit.
    let japanese = b"MSH|^~\\&|A||||||||P|2.5||||||~ISO IR87\rPID|||||YAMADA^TARO~\x1b$BK|8^5~P&\x1b(B^\x1b$BB@O:\x1b(B\rZ\x1b$BK|";
    let mut message = MessageBuf::parse(japanese, Charset::Utf8).unwrap();
    assert_eq!(message.to_bytes(), japanese);
    assert_eq!(message.get(&path("PID-5[2].1")).as_deref(), Some("万五京丶"));
    message.set(&path("PID-5[2].2"), "京").unwrap();
    assert_eq!(message.get(&path("PID-5[2].1")).as_deref(), Some("万五京丶"));
    assert!(message.to_bytes().starts_with(&japanese[..japanese.len() - 18]));
    assert!(message.to_bytes().ends_with(b"^\x1b$B5~\x1b(B\rZ\x1b$BK|"));

    let mut big5 = MessageBuf::parse(b"MSH|^~\\&|A||||||||P|2.5||||||BIG-5\rPID|||||\xA5\\^x", Charset::Utf8).unwrap();
    big5.set(&path("PID-5.2"), "功").unwrap();
    assert!(big5.to_bytes().ends_with(b"PID|||||\xA5\\^\xA5\\"));
}

#[test]
fn debug_shows_no_content() {
    assert_eq!(format!("{:?}", MessageBuf::parse(TEXT, Charset::Utf8).unwrap()), "MessageBuf(4 segments, UNICODE UTF-8)");
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"\r".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\rPID|".to_vec()),
        Just(b"\nPID|".to_vec()),
        Just(b"\x1b$B".to_vec()),
        "[|^~&\\\\\"a-z ]{1,5}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 1..5),
    ];
    prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

fn any_path() -> impl Strategy<Value = Path> {
    (1usize..9, prop::option::of(1usize..4), prop::option::of(1usize..4), prop::option::of(1usize..4)).prop_map(
        |(field, repetition, component, sub)| Path {
            segment: SegmentName::new("PID").unwrap(),
            segment_occurrence: None,
            field,
            repetition,
            component,
            subcomponent: sub.filter(|_| component.is_some()),
        },
    )
}

proptest! {
    #[test]
    fn any_message_is_written_back(rest in bytes()) {
        let raw = [&b"MSH|^~\\&|"[..], &rest].concat();
        prop_assert_eq!(MessageBuf::parse(&raw, Charset::Utf8).unwrap().to_bytes(), raw);
    }

    #[test]
    fn any_header_is_answered(rest in bytes()) {
        let raw = [&b"MSH"[..], &rest].concat();
        if let Ok(message) = MessageBuf::parse(&raw, Charset::Windows1252) {
            prop_assert_eq!(message.to_bytes(), raw);
        }
    }

    #[test]
    fn any_edit_reads_back_and_touches_nothing_else(
        before in bytes(), pid in "[|^~&\"a-zé]{0,30}", after in bytes(), path in any_path(), text in any::<String>(),
        charset in prop::sample::select(vec!["", "UNICODE UTF-8", "8859/1", "GB 18030-2000", "~ISO IR87"]),
    ) {
        let header = format!("MSH|^~\\&|||||||||||||||||{charset}\r");
        let raw = [header.as_bytes(), b"PID|", pid.as_bytes(), b"\rZ|", &before, b"\r", &after].concat();
        let mut message = MessageBuf::parse(&raw, Charset::Windows1252).unwrap();
        let untouched = message.clone();
        match message.set(&path, &text) {
            Ok(()) => {
                let expected = if path.repetition.is_none() && path.component.is_none() || !text.is_empty() { text } else { message.get(&path).unwrap() };
                prop_assert_eq!(message.get(&path), Some(expected));
                let (now, then) = (message.to_bytes(), untouched.to_bytes());
                let tail = raw.len() - header.len() - 4 - pid.len();
                prop_assert_eq!(&now[now.len() - tail..], &then[then.len() - tail..]);
            }
            Err(_) => prop_assert!(message == untouched),
        }
    }
}

/// Found by the fuzz target `write`: an edit put the bytes of an ISO 2022 shift together.
#[test]
fn an_escape_is_no_separator() {
    let raw = b"MSH\x1b$)@\\\r$\xfc\x1bMS";
    assert_eq!(MessageBuf::parse(raw, Charset::Windows1252).unwrap_err(), MessageError::BadDelimiters);
}

/// Found by the fuzz target `write`: an ESC that shifted nothing stood before a shift that the edit took away.
#[test]
fn an_edit_that_would_not_read_back_is_refused() {
    let raw = b"MSH|^(\\\x84\x81S\x1b\x1b(B$B\x01\"&\x1c\t";
    let mut message = MessageBuf::parse(raw, Charset::Windows1252).unwrap();
    assert_eq!(message.set(&path("MSH-10[2].3"), "a|b^c\\\u{e9}"), Err(WriteError::StrayShifts));
    assert_eq!(message.to_bytes(), raw);
}
