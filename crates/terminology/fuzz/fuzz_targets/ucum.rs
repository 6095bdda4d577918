//! Any text is a unit or an error; conversions come back. The input is a value, a unit and another unit, split by NULs.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sutura_terminology::{lab, ucum};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut parts = text.split('\0');
    let (value, one, other) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let _ = lab::normalise("2345-7", value, one);
    if let Some(code) = ucum::from_common(one) {
        assert!(ucum::is_valid(&code));
    }
    let (Ok(from), Ok(to)) = (ucum::Unit::parse(one), ucum::Unit::parse(other)) else { return };
    if let Ok(found) = from.convert_decimal(value, &to) {
        assert!(found.parse::<f64>().is_ok());
    }
    if let Ok(there) = from.convert(1.0, &to)
        && !from.is_special()
        && !to.is_special()
        && there.is_normal()
    {
        if let Ok(back) = to.convert(there, &from) {
            assert!((back - 1.0).abs() < 1e-6);
        }
    }
});
