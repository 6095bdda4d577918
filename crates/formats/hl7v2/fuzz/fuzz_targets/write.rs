//! Any message is written back byte for byte, edits read back, and any bytes get an acknowledgement.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sutura_hl7v2::{
    Message, MessageBuf,
    ack::{Ack, Outcome},
    charset::Charset,
};

fuzz_target!(|data: &[u8]| {
    let text = Ack::reply_to_bytes(data, Outcome::Rejected).control_id("1").to_text();
    assert!(Message::parse(&text).is_ok());
    let Ok(mut message) = MessageBuf::parse(data, Charset::Windows1252) else { return };
    assert_eq!(message.to_bytes(), data);
    let Ok(path) = "MSH-10[2].3".parse() else { return };
    if message.set(&path, "a|b^c\\\u{e9}").is_ok() {
        assert_eq!(message.get(&path).as_deref(), Some("a|b^c\\\u{e9}"));
    }
});
