//! Durations as people write them in a specification: a whole number and a unit.

/// Microseconds of `90s`, `15m`, `36h` or `7d`; `None` for anything else or when it does not fit.
pub(crate) fn parse_duration_micros(text: &str) -> Option<i64> {
    let unit = text.as_bytes().last()?;
    let seconds = match unit {
        b's' => 1,
        b'm' => 60,
        b'h' => 3_600,
        b'd' => 86_400,
        _ => return None,
    };
    let digits = &text[..text.len() - 1];
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse::<i64>().ok()?.checked_mul(seconds)?.checked_mul(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_and_refusals() {
        assert_eq!(parse_duration_micros("90s"), Some(90_000_000));
        assert_eq!(parse_duration_micros("15m"), Some(900_000_000));
        assert_eq!(parse_duration_micros("7d"), parse_duration_micros("168h"));
        for bad in ["", "d", "7", "-1d", "1.5h", "7 d", "7w", "99999999999999999999s", "9223372036854d", "é"] {
            assert_eq!(parse_duration_micros(bad), None, "{bad}");
        }
    }
}
