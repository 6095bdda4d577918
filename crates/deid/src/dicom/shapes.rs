//! How values look: whether one is what its representation says, and whether it is written as the standard has it.

use sutura_dicom::{Tag, Vr, dictionary::Attribute};

/// The representation that a value is treated as; `None` where the file has another kind of value than the attribute can have.
///
/// A text in the place of another text is looked at as what it should be: a sentence is no number, however it is written.
pub(crate) fn effective(attribute: &Attribute, vr: Vr) -> Option<Vr> {
    use Vr::{FD, FL, OB, OW, SL, SS, SV, UL, US, UV};
    let known = attribute.vr;
    if known == vr {
        return Some(vr);
    }
    if known.is_text() && vr.is_text() {
        return Some(known);
    }
    let is_number = |vr| matches!(vr, US | SS | UL | SL | FL | FD | UV | SV);
    let is_table = |vr| matches!(vr, US | SS | OW);
    let is_bytes = |vr| matches!(vr, OB | OW);
    ((is_number(known) && is_number(vr)) || (is_table(known) && is_table(vr)) || (is_bytes(known) && is_bytes(vr))).then_some(vr)
}

/// Whether there are no more numbers than the attribute has (PS3.6, value multiplicity).
pub(crate) fn is_as_many(attribute: &Attribute, vr: Vr, bytes: &[u8]) -> bool {
    let Some(size) =
        vr.number_bytes().filter(|_| matches!(vr, Vr::US | Vr::SS | Vr::UL | Vr::SL | Vr::FL | Vr::FD | Vr::UV | Vr::SV | Vr::AT))
    else {
        return true;
    };
    let most = attribute.vm.rsplit('-').next().and_then(|most| most.parse::<usize>().ok());
    most.is_none_or(|most| bytes.len() <= most.saturating_mul(size))
}

/// Whether bytes are a text: all of them characters that are printed, half of them letters, and not the same ones again and again: 101.6 is `ffffffY@` in eight bytes.
pub(crate) fn is_printed(bytes: &[u8]) -> bool {
    let bytes = bytes.trim_ascii_end();
    let bytes = &bytes[..bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)];
    if bytes.len() < 5 || !bytes.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ') {
        return false;
    }
    let letters = bytes.iter().filter(|byte| byte.is_ascii_alphabetic());
    let kinds = letters.clone().fold(0u32, |kinds, letter| kinds | 1 << (letter.to_ascii_lowercase() - b'a')).count_ones();
    letters.count() * 2 >= bytes.len() && kinds >= 4
}

/// Whether numbers and UIDs are written with the characters that these have: no text in their place.
pub(crate) fn is_what_it_says(vr: Vr, bytes: &[u8]) -> bool {
    let more: &[u8] = match vr {
        Vr::DS => b"+-.eE \\\0",
        Vr::IS => b"+-. \\\0",
        Vr::UI => b". \\\0",
        _ => return true,
    };
    bytes.iter().all(|byte| byte.is_ascii_digit() || more.contains(byte))
        && (vr == Vr::UI || bytes.split(|byte| *byte == b'\\').all(is_a_number))
}

/// One number: digits with at most one sign, point and exponent. An address or a date has more of them.
fn is_a_number(part: &[u8]) -> bool {
    let part = part.trim_ascii();
    let part = part.strip_suffix(b"\0").unwrap_or(part);
    let text = std::str::from_utf8(part).unwrap_or("x").trim_matches([' ', '\0']);
    text.is_empty() || (text.len() <= 32 && text.parse::<f64>().is_ok())
}

/// Whether a text has an address of any kind in it: of mail, of a page or a machine, a telephone number, a UID; or a date.
pub(crate) fn is_an_address(text: &str) -> bool {
    if text.contains('@') || text.contains("://") || text.to_ascii_lowercase().contains("www.") {
        return true;
    }
    // Rows of numbers with nothing but signs between them.
    let is_of_row = |letter: char| letter.is_ascii_digit() || " ./-:()+".contains(letter);
    text.split(|letter| !is_of_row(letter)).any(|row| {
        let digits = row.bytes().filter(u8::is_ascii_digit).count();
        let numbers: Vec<&str> = row.split(|letter: char| !letter.is_ascii_digit()).filter(|number| !number.is_empty()).collect();
        let longest = numbers.iter().map(|number| number.len()).max().unwrap_or(0);
        let is_day = |place: usize| {
            numbers.get(place).is_some_and(|number| number.len() <= 2 && number.parse::<u8>().is_ok_and(|day| (1..=31).contains(&day)))
        };
        let is_year = |place: usize| {
            numbers.get(place).is_some_and(|number| number.len() == 4 && (number.starts_with("19") || number.starts_with("20")))
        };
        let is_date = numbers.len() == 3 && ((is_day(0) && is_day(1) && is_year(2)) || (is_year(0) && is_day(1) && is_day(2)));
        longest >= 6 || (digits >= 7 && numbers.len() <= 6) || numbers.len() >= 7 || is_date
    })
}

/// Whether every word of a text is what programs are called by: a word of imaging, or a short release.
pub(crate) fn is_a_release(text: &str) -> bool {
    let is_part = |part: &str| {
        let digits = part.bytes().filter(u8::is_ascii_digit).count();
        let letters = part.bytes().filter(u8::is_ascii_alphabetic).count();
        part.is_ascii() && part.len() <= 16 && (1..=6).contains(&digits) && letters <= 5
    };
    !is_an_address(text)
        && !is_short_date(text)
        && text.split([' ', '\\', '\0']).filter(|part| !part.is_empty()).all(|part| is_part(part) || crate::text::is_a_term(part))
}

/// Whether a text is of the kind that its attribute has, of the few attributes whose kind is known: names of algorithms of segmentation, types of documents.
pub(crate) fn is_its_text(tag: Tag, text: &str) -> bool {
    match tag.0 {
        0x0062_0009 => text.split('\\').all(is_an_algorithm),
        0x0042_0012 | 0x0042_0014 => {
            text.split('\\').all(|part| part.trim().is_empty() || MIME_TYPES.contains(&part.trim().to_ascii_lowercase().as_str()))
        }
        _ => true,
    }
}

/// Types of documents that images are kept with.
const MIME_TYPES: [&str; 27] = [
    "application/dicom",
    "application/json",
    "application/mtl",
    "application/msword",
    "application/octet-stream",
    "application/pdf",
    "application/rtf",
    "application/sla",
    "application/xml",
    "application/zip",
    "audio/mpeg",
    "audio/wav",
    "image/bmp",
    "image/gif",
    "image/jp2",
    "image/jpeg",
    "image/png",
    "image/tiff",
    "model/mtl",
    "model/obj",
    "model/stl",
    "text/html",
    "text/plain",
    "text/rtf",
    "text/xml",
    "video/mp4",
    "video/mpeg",
];

/// Whether a text is what algorithms of segmentation are called: words of imaging and of computing, and releases.
fn is_an_algorithm(text: &str) -> bool {
    const WORDS: [&str; 41] = [
        "ACTIVE",
        "ADAPTIVE",
        "BASED",
        "CLUSTERING",
        "CNN",
        "CONTOUR",
        "CUT",
        "CUTS",
        "DEEP",
        "DEEPLAB",
        "FCM",
        "FUZZY",
        "GRAPH",
        "GROWING",
        "KMEANS",
        "LEARNING",
        "LEVELSET",
        "MEANS",
        "MONAI",
        "MORPHOLOGICAL",
        "NET",
        "NETWORK",
        "NEURAL",
        "NNU",
        "NNUNET",
        "OTSU",
        "RANDOM",
        "RESNET",
        "SAM",
        "SEGMENTER",
        "SEGRESNET",
        "SET",
        "SNAKE",
        "SWIN",
        "THRESHOLDING",
        "TOTALSEGMENTATOR",
        "TRANSFORMER",
        "UNET",
        "VNET",
        "WALKER",
        "WATERSHED",
    ];
    let is_word = |word: &str| {
        let upper = word.to_uppercase();
        word.len() < 3 || crate::text::is_a_term(word) || WORDS.contains(&upper.trim_end_matches(|letter: char| letter.is_ascii_digit()))
    };
    !is_an_address(text)
        && !is_short_date(text)
        && text
            .split(|letter: char| !letter.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .all(|word| is_word(word) && word.bytes().filter(u8::is_ascii_digit).count() <= 4)
}

/// `24.12.61`: a day, a month and two digits of a year.
fn is_short_date(text: &str) -> bool {
    text.split([' ', '\\']).any(|part| {
        let numbers: Vec<&str> = part.split(['.', '-', '/']).collect();
        numbers.len() == 3 && numbers.iter().all(|number| number.len() == 2 && number.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sutura_dicom::dictionary;

    #[test]
    fn another_representation_is_looked_at_as_the_known_one() {
        let of = |keyword: &str, vr| effective(dictionary::by_keyword(keyword).unwrap(), vr);
        assert_eq!(of("SliceThickness", Vr::UT), Some(Vr::DS));
        assert_eq!(of("BodyPartExamined", Vr::ST), Some(Vr::CS));
        assert_eq!(of("PatientName", Vr::OB), None);
        assert_eq!(of("Rows", Vr::OB), None);
        assert_eq!(of("Rows", Vr::UL), Some(Vr::UL));
        assert_eq!(of("LUTData", Vr::US), Some(Vr::US));
        assert_eq!(of("PixelData", Vr::OB), Some(Vr::OB));
        assert_eq!(of("SliceThickness", Vr::SQ), None);
    }

    #[test]
    fn text_and_addresses_are_told_from_numbers() {
        assert!(is_printed(b"born in Ulm ") && !is_printed(&[0, 2, 16, 0, 1, 0]) && !is_printed(b"\x01orn in Ulm") && !is_printed(b"%&/("));
        assert!(!is_printed(&38.4f64.to_le_bytes()) && !is_printed(&101.6f64.to_le_bytes()));
        assert!(
            is_what_it_says(Vr::DS, b"-1.5e3\\2 ") && !is_what_it_says(Vr::DS, b"24.12.1961") && !is_what_it_says(Vr::IS, b"0711-4711")
        );
        for text in
            ["a@b.org", "http://x", "call 0711 471 1299", "1.3.6.1.4.1.9999.1", "24.12.1961", "1961-12-24", "id 4711299", "10.2.33.141 17"]
        {
            assert!(is_an_address(text), "{text}");
        }
        for text in ["syngo CT 2012B", "5.3.1.4", "B31f", "Brilliance 64", "Discovery MR750w", "T1 5.0 mm", "3.0"] {
            assert!(!is_an_address(text), "{text}");
        }
        for text in ["5.3.1", "VB17A", "2.6.3.2\\2.6.3.4", "07MW.11.10", "CT 2012B", "E11.0"] {
            assert!(is_a_release(text), "{text}");
        }
        for text in ["24.12.1961", "24.12.61", "of Doe", "Doe 5", "a@b.org", "0711471129"] {
            assert!(!is_a_release(text), "{text}");
        }
    }
}
