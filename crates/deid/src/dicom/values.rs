//! Values that replace others: dummies, dates, ages.

use sutura_dicom::{
    Tag, Vr, value,
    write::{OwnedDataSet, OwnedValue},
};

use super::identity::Shift;

/// What stands where a value has to be and none may.
pub(crate) const REMOVED: &str = "REMOVED";

/// A value that says nothing, valid for its representation (PS3.15 E.1.1 D).
pub(crate) fn dummy(tag: Tag, vr: Vr) -> OwnedValue {
    use Vr::*;
    let text: &str = match vr {
        SQ => return OwnedValue::Items(dummy_items(tag)),
        AE | CS | LO | LT | PN | SH | ST | UC | UT => REMOVED,
        AS => "000Y",
        DA => "19000101",
        DT => "19000101000000",
        TM => "000000",
        DS | IS => "0",
        UI => "2.25.0",
        UR => "urn:removed",
        AT | FL | OF | OL | SL | UL => return OwnedValue::Bytes(bytes::Bytes::from_static(&[0; 4])),
        FD | OD | OV | SV | UV => return OwnedValue::Bytes(bytes::Bytes::from_static(&[0; 8])),
        OB | OW | SS | UN | US => return OwnedValue::Bytes(bytes::Bytes::from_static(&[0; 2])),
    };
    OwnedValue::Bytes(bytes::Bytes::from_static(text.as_bytes()))
}

/// One item that says nothing, for the sequences that the profile gives a dummy.
fn dummy_items(tag: Tag) -> Vec<OwnedDataSet> {
    let mut item = OwnedDataSet::new();
    let code = |value: &str, scheme: &str, meaning: &str| {
        let mut code = OwnedDataSet::new();
        code.set_text(Tag(0x0008_0100), Vr::SH, value);
        code.set_text(Tag(0x0008_0102), Vr::SH, scheme);
        code.set_text(Tag(0x0008_0104), Vr::LO, meaning);
        code
    };
    match tag.0 {
        // Content of a report: one text.
        0x0040_A730 => {
            item.set_text(Tag(0x0040_A010), Vr::CS, "CONTAINS");
            item.set_text(Tag(0x0040_A040), Vr::CS, "TEXT");
            item.set_items(Tag(0x0040_A043), vec![code("121071", "DCM", "Finding")]);
            item.set_text(Tag(0x0040_A160), Vr::UT, REMOVED);
        }
        // A verifying observer.
        0x0040_A073 => {
            item.set_text(Tag(0x0040_A027), Vr::LO, REMOVED);
            item.set_text(Tag(0x0040_A030), Vr::DT, "19000101000000");
            item.set_text(Tag(0x0040_A075), Vr::PN, REMOVED);
            item.set_empty(Tag(0x0040_A088), Vr::SQ);
        }
        // A person.
        0x0040_1101 => item = code(REMOVED, "99SUTURA", "Removed"),
        // Graphics: a layer without anything on it.
        0x0070_0001 => item.set_text(Tag(0x0070_0002), Vr::CS, REMOVED),
        // A flow of frames.
        0x0034_0001 => item.set_bytes(Tag(0x0034_0002), Vr::OB, vec![0, 0]),
        _ => {}
    }
    vec![item]
}

/// Whether every value is a date, time or both as its representation says.
pub(crate) fn is_temporal_value(vr: Vr, bytes: &[u8]) -> bool {
    parts(bytes).all(|part| {
        part.is_empty()
            || match vr {
                Vr::DA => value::date(part).is_some(),
                Vr::DT => value::date_time(part).is_some(),
                _ => value::time(part).is_some(),
            }
    })
}

fn parts(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == b'\\').map(<[u8]>::trim_ascii).map(|part| part.strip_suffix(b"\0").unwrap_or(part))
}

/// Dates and times, modified; `None` where one of them cannot be.
pub(crate) fn modified(vr: Vr, bytes: &[u8], shift: Shift) -> Option<String> {
    let mut out = String::with_capacity(bytes.len());
    for (place, part) in parts(bytes).enumerate() {
        if place > 0 {
            out.push('\\');
        }
        if part.is_empty() {
            continue;
        }
        match vr {
            Vr::DA => out.push_str(&shift.date(value::date(part)?)?.format("%Y%m%d").to_string()),
            Vr::TM => {
                value::time(part)?;
                // The time of day stays only beside a day.
                if !matches!(shift, Shift::Days(_)) {
                    return None;
                }
                out.push_str(std::str::from_utf8(part).ok()?);
            }
            _ => {
                value::date_time(part)?;
                let (day, rest) = part.split_at_checked(8)?;
                let moved = shift.date(value::date(day)?)?;
                match shift {
                    Shift::Year { .. } => out.push_str(&moved.format("%Y").to_string()),
                    _ => {
                        out.push_str(&moved.format("%Y%m%d").to_string());
                        out.push_str(std::str::from_utf8(rest).ok()?);
                    }
                }
            }
        }
    }
    Some(out)
}

/// Whether a text has the shape of a code string: up to 16 capital letters, digits, spaces and underscores.
pub(crate) fn is_code_string(text: &str) -> bool {
    text.split('\\').all(|part| {
        let part = part.trim();
        part.len() <= 16 && part.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b' ' | b'_'))
    })
}

/// Whether an attribute that has few values (PS3.3 C.2.3, C.7.1.1, C.7.2.2, 10.7.1.3) has one of them. Every other attribute has.
pub(crate) fn is_one_of_its_values(tag: Tag, bytes: &[u8]) -> bool {
    let values: &[&[u8]] = match tag.0 {
        // Patient's Sex
        0x0010_0040 => &[b"M", b"F", b"O"],
        // Smoking Status
        0x0010_21A0 => &[b"YES", b"NO", b"UNKNOWN"],
        // Patient's Sex Neutered
        0x0010_2203 => &[b"ALTERED", b"UNALTERED"],
        // Pixel Spacing Calibration Type
        0x0028_0A02 => &[b"GEOMETRY", b"FIDUCIAL"],
        // Ethnic Group is typed in: the groups that statistics know stay.
        0x0010_2160 => return parts(bytes).all(|part| is_ethnic_group(part.trim_ascii())),
        _ => return true,
    };
    parts(bytes).all(|part| part.trim_ascii().is_empty() || values.contains(&part.trim_ascii()))
}

fn is_ethnic_group(group: &[u8]) -> bool {
    const GROUPS: [&str; 24] = [
        "",
        "AFRICAN",
        "AFRICAN AMERICAN",
        "AMERICAN INDIAN",
        "ALASKA NATIVE",
        "ARAB",
        "ASIAN",
        "BLACK",
        "CAUCASIAN",
        "CHINESE",
        "EUROPEAN",
        "HISPANIC",
        "INDIAN",
        "JAPANESE",
        "KOREAN",
        "LATINO",
        "MIXED",
        "NATIVE HAWAIIAN",
        "NOT HISPANIC",
        "OTHER",
        "PACIFIC ISLAND",
        "PACIFIC ISLANDER",
        "UNKNOWN",
        "WHITE",
    ];
    // As some systems number them.
    group.len() <= 16 && (GROUPS.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(group)) || group.len() == 1)
}

/// Whether a value is an offset from UTC: a sign, hours and minutes.
pub(crate) fn is_time_zone(bytes: &[u8]) -> bool {
    parts(bytes).all(|part| {
        let part = part.trim_ascii();
        part.is_empty() || matches!(part, [b'+' | b'-', rest @ ..] if rest.len() == 4 && rest.iter().all(u8::is_ascii_digit) && rest[0] < b'2' && rest[2] < b'6')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_of_few_values_have_one_of_them() {
        let sex = |bytes: &[u8]| is_one_of_its_values(Tag(0x0010_0040), bytes);
        assert!(sex(b"F ") && sex(b"") && sex(b"M\\O") && !sex(b"DOE JANE") && !sex(b"F\\DOE"));
        let group = |bytes: &[u8]| is_one_of_its_values(Tag(0x0010_2160), bytes);
        assert!(group(b"Asian ") && group(b"WHITE") && group(b"") && !group(b"of Ulm") && !group(b"ZZ1"));
        assert!(is_one_of_its_values(Tag(0x0010_2161), b"anything"));
        assert!(is_time_zone(b"+0530 ") && is_time_zone(b"-0800") && !is_time_zone(b"ZZPHI1") && !is_time_zone(b"+9999"));
    }

    #[test]
    fn dates_move_and_times_stay() {
        let days = Shift::Days(-1);
        let of = |vr, text: &str, shift| modified(vr, text.as_bytes(), shift);
        assert_eq!(of(Vr::DA, "20240301", days).unwrap(), "20240229");
        assert_eq!(of(Vr::DA, "20240301\\20240102", days).unwrap(), "20240229\\20240101");
        assert_eq!(of(Vr::DT, "20240301101500.25+0100", days).unwrap(), "20240229101500.25+0100");
        assert_eq!(of(Vr::TM, "101500.25", days).unwrap(), "101500.25");
        let year = Shift::Year { first: 1937 };
        assert_eq!(of(Vr::DA, "20240301", year).unwrap(), "20240101");
        assert_eq!(of(Vr::DT, "20240301101500", year).unwrap(), "2024");
        for (vr, text, shift) in [
            (Vr::TM, "101500", year),
            (Vr::DT, "2024", days),
            (Vr::DT, "202403", days),
            (Vr::DA, "Doe", days),
            (Vr::DA, "20240301", Shift::None),
        ] {
            assert_eq!(of(vr, text, shift), None, "{text}");
        }
    }

    #[test]
    fn every_dummy_is_valid() {
        for vr in Vr::ALL.into_iter().filter(|vr| *vr != Vr::SQ) {
            let value = dummy(Tag(0x0008_0000), vr);
            assert!(!value.is_empty() && vr.number_bytes().is_none_or(|size| value.bytes().len().is_multiple_of(size)), "{vr}");
        }
        assert!(is_code_string("AXIAL\\HEAD FIRST") && !is_code_string("Doe") && !is_code_string("A VERY LONG CODE STRING"));
    }
}
