//! Any text is a path that prints and reads back, or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sutura_hl7v2::Path;

fuzz_target!(|text: &str| {
    if let Ok(path) = Path::parse(text) {
        assert_eq!(Path::parse(&path.to_string()), Ok(path));
    }
});
