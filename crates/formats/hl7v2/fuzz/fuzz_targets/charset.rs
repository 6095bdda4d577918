//! Any bytes under any MSH-18 become text without replacement characters; what is written reads back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sutura_hl7v2::charset::{Charset, Declared, Utf16Transcoder, decode, decode_declared, decode_message, encode_within};

fuzz_target!(|data: &[u8]| {
    let Some((&[first, second], raw)) = data.split_first_chunk::<2>() else { return };
    let pick = |byte: u8| Charset::ALL[usize::from(byte) % Charset::ALL.len()];
    let (first, second) = (pick(first), pick(second));
    // Replacement characters that the sender wrote, in UTF-8, GB 18030 or its two-byte relatives.
    let has_own = raw.windows(3).any(|w| w == [0xEF, 0xBF, 0xBD]) || raw.windows(4).any(|w| w == [0x84, 0x31, 0xA4, 0x37]);
    for msh18 in [String::new(), first.name().to_owned(), format!("{}~{}", first.name(), second.name()), format!("~{}", second.name())] {
        let text = decode(raw, &msh18, b'~', second, &mut Vec::new());
        assert!(has_own || !text.contains('\u{FFFD}'));
        let declared = Declared { first: Some(first), others: vec![second], unknown: false };
        if !text.contains('\u{1b}')
            && let Ok(bytes) = encode_within(&text, &declared, Charset::Utf8)
        {
            let back = decode_declared(&bytes, &declared, Charset::Utf8, &mut Vec::new());
            assert_eq!(back.text, text);
        }
    }
    decode_message(data, second, &mut Vec::new());
    if let Some((endian, mark)) = Utf16Transcoder::detect(raw) {
        let (mut transcoder, mut out) = (Utf16Transcoder::new(endian), Vec::new());
        for portion in raw[mark..].chunks(3) {
            transcoder.push(portion, &mut out);
        }
        transcoder.finish(&mut out);
        assert!(std::str::from_utf8(&out).is_ok());
    }
});
