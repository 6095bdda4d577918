//! Age groups.

use crate::{dates::OLDEST_SHOWN_AGE, method::AgeScheme};

/// No person has been older; greater numbers are mistakes and are suppressed.
pub(crate) const OLDEST_AGE: u32 = 130;

/// The group of an age in whole years; `None` for ages that nobody has.
pub fn age_band(age: u32, scheme: AgeScheme) -> Option<&'static str> {
    const DECADES: [&str; 9] = ["0-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "70-79", "80-89"];
    if age > OLDEST_AGE {
        return None;
    }
    Some(match scheme {
        AgeScheme::LifeStage => match age {
            0..18 => "paediatric",
            18..65 => "adult",
            _ => "geriatric",
        },
        AgeScheme::TenYear => DECADES.get(age as usize / 10).copied().unwrap_or("90+"),
        AgeScheme::TopCode => EXACT.get(age as usize).copied().unwrap_or("90+"),
    })
}

/// An age with everything over 89 as 90, for number columns; `None` for ages that nobody has.
pub fn top_coded(age: i64) -> Option<i64> {
    (0..=i64::from(OLDEST_AGE)).contains(&age).then(|| age.min(i64::from(OLDEST_SHOWN_AGE) + 1))
}

/// The age that a text states: whole or decimal years (`47`, `47.5`), `90+`, or as DICOM writes it (`047Y`, `011M`, `003W`, `010D`).
pub fn parse_age(text: &str) -> Option<u32> {
    let text = text.trim();
    let text = text.strip_suffix('+').unwrap_or(text);
    if let (4, Some((number, unit))) = (text.len(), text.split_at_checked(3)) {
        let in_a_year = [("Y", 1), ("M", 12), ("W", 52), ("D", 365)].into_iter().find(|(known, _)| *known == unit);
        if let (Some((_, count)), true) = (in_a_year, number.bytes().all(|byte| byte.is_ascii_digit())) {
            return number.parse::<u32>().ok().map(|number| number / count);
        }
    }
    let (years, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    (digits(years) && digits(fraction)).then(|| years.parse().ok()).flatten()
}

/// 0 to 89 as text.
const EXACT: [&str; 90] = [
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16", "17", "18", "19", "20", "21", "22", "23",
    "24", "25", "26", "27", "28", "29", "30", "31", "32", "33", "34", "35", "36", "37", "38", "39", "40", "41", "42", "43", "44", "45",
    "46", "47", "48", "49", "50", "51", "52", "53", "54", "55", "56", "57", "58", "59", "60", "61", "62", "63", "64", "65", "66", "67",
    "68", "69", "70", "71", "72", "73", "74", "75", "76", "77", "78", "79", "80", "81", "82", "83", "84", "85", "86", "87", "88", "89",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_have_the_right_edges() {
        for (age, stage, ten, top) in [
            (0, "paediatric", "0-9", "0"),
            (17, "paediatric", "10-19", "17"),
            (18, "adult", "10-19", "18"),
            (64, "adult", "60-69", "64"),
            (65, "geriatric", "60-69", "65"),
            (89, "geriatric", "80-89", "89"),
            (90, "geriatric", "90+", "90+"),
            (130, "geriatric", "90+", "90+"),
        ] {
            let all = AgeScheme::ALL.map(|scheme| age_band(age, scheme).unwrap());
            assert_eq!(all, [stage, ten, top]);
        }
        assert_eq!(age_band(131, AgeScheme::TenYear), None);
        assert_eq!(
            (top_coded(89), top_coded(90), top_coded(104), top_coded(-1), top_coded(999)),
            (Some(89), Some(90), Some(90), None, None)
        );
    }

    #[test]
    fn ages_in_text() {
        assert_eq!((parse_age(" 47 "), parse_age("47.9"), parse_age("90+"), parse_age("0")), (Some(47), Some(47), Some(90), Some(0)));
        assert_eq!((parse_age("047Y"), parse_age("026M"), parse_age("060W"), parse_age("010D")), (Some(47), Some(2), Some(1), Some(0)));
        for bad in ["", "-1", "4 7", "47.", "forty", "+", "47Y", "047X", "0477Y", "99999999999"] {
            assert_eq!(parse_age(bad), None, "{bad}");
        }
    }
}
