//! Any raw text unescapes; any text escapes to something without delimiters that reads back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sutura_hl7v2::{
    Delimiters,
    escape::{escape, unescape, unescape_into},
};

fuzz_target!(|text: &str| {
    let delimiters = Delimiters::STANDARD;
    let (mut plain, mut issues) = (String::new(), Vec::new());
    unescape_into(text, &delimiters, &mut plain, Some(&mut issues));
    assert!(issues.iter().all(|issue| text.as_bytes()[issue.offset] == b'\\'));
    let wire = escape(text, &delimiters);
    assert!(!wire.bytes().any(|byte| b"|^~&\r\n\x0b\x1c\x1b".contains(&byte)));
    assert_eq!(unescape(&wire, &delimiters), text);
});
