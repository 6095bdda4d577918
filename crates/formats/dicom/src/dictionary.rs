//! The data dictionary (PS3.6) with the actions of the confidentiality profile (PS3.15 table E.1-1), and the storage SOP classes.
//!
//! The tables are text, made by `tools/derive-dicom`; they are read once, when first asked.

use std::{
    collections::{HashMap, HashSet},
    sync::LazyLock,
};

use sutura_core::PhiClass;

use crate::{tag::Tag, vr::Vr};

const ATTRIBUTES: &str = include_str!("../data/attributes.tsv");
const SOP_CLASSES: &str = include_str!("../data/sop_classes.tsv");
const REGISTERED_UIDS: &str = include_str!("../data/registered_uids.tsv");

/// What the dictionary knows of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// The tag; of a range, with zeros for what varies.
    pub tag: Tag,
    /// The value representation; of several, the one that implicit VR falls back to.
    pub vr: Vr,
    /// Whether the standard has `US or SS`, and Pixel Representation decides.
    pub signed_by_pixels: bool,
    /// The value multiplicity, as the standard writes it (`1`, `1-n`, `2-2n`).
    pub vm: &'static str,
    /// Whether it is retired.
    pub retired: bool,
    /// What identifying information it holds.
    pub phi: PhiClass,
    /// The same as a word.
    pub(crate) phi_word: &'static str,
    /// The action of the Basic Application Level Confidentiality Profile (`X`, `Z`, `D`, `U`, `X/Z`, ...); `None` where the profile does not name it.
    pub profile: Option<&'static str>,
    /// The actions of the profile's options: letter and `K` (keep) or `C` (clean). Letters: `r` safe private, `u` UIDs, `v` device, `i` institution,
    /// `p` patient characteristics, `d` full dates, `m` modified dates, `c` descriptors, `s` structured content, `g` graphics.
    pub options: &'static str,
    /// The keyword (`PatientID`); empty where the standard has none.
    pub keyword: &'static str,
    /// The name (`Patient ID`).
    pub name: &'static str,
}

impl Attribute {
    /// The action of one option, `K` or `C`; see [`Attribute::options`].
    pub fn option(&self, letter: char) -> Option<char> {
        let mut rest = self.options.chars();
        while let (Some(option), Some(action)) = (rest.next(), rest.next()) {
            if option == letter {
                return Some(action);
            }
        }
        None
    }
}

/// Slots of the hash table of exact tags: a power of two, more than twice the number of tags.
const SLOTS: usize = 1 << 14;

struct Dictionary {
    exact: Vec<Attribute>,
    /// Position in `exact` plus one, by hash of the tag.
    slots: Vec<u16>,
    /// Attributes of a range of tags, with the bits that count.
    ranges: Vec<(u32, Attribute)>,
    by_keyword: HashMap<&'static str, u16>,
}

static DICTIONARY: LazyLock<Dictionary> = LazyLock::new(|| {
    let mut dictionary =
        Dictionary { exact: Vec::with_capacity(5200), slots: vec![0; SLOTS], ranges: Vec::new(), by_keyword: HashMap::with_capacity(5200) };
    for line in ATTRIBUTES.lines().filter(|line| !line.starts_with('#')) {
        let Some((mask, attribute)) = parse(line) else { continue };
        if mask != u32::MAX {
            dictionary.ranges.push((mask, attribute));
            continue;
        }
        let place = dictionary.exact.len() as u16;
        if !attribute.keyword.is_empty() {
            dictionary.by_keyword.insert(attribute.keyword, place);
        }
        let mut slot = slot_of(attribute.tag);
        while dictionary.slots[slot] != 0 {
            slot = (slot + 1) % SLOTS;
        }
        dictionary.slots[slot] = place + 1;
        dictionary.exact.push(attribute);
    }
    dictionary
});

fn slot_of(tag: Tag) -> usize {
    (tag.0.wrapping_mul(0x9E37_79B1) >> 18) as usize
}

fn parse(line: &'static str) -> Option<(u32, Attribute)> {
    let mut fields = line.split('\t');
    let digits = fields.next()?;
    let (mut tag, mut mask) = (0u32, 0u32);
    for digit in digits.chars() {
        let value = digit.to_digit(16);
        tag = tag << 4 | value.unwrap_or(0);
        mask = mask << 4 | if value.is_some() { 15 } else { 0 };
    }
    let vr = fields.next()?;
    let signed_by_pixels = vr == "XS";
    let vr = if signed_by_pixels { Vr::US } else { <[u8; 2]>::try_from(vr.as_bytes()).ok().and_then(Vr::from_bytes)? };
    let vm = fields.next()?;
    let retired = fields.next()? == "R";
    let phi_word = fields.next()?;
    let phi = phi_word.parse().ok()?;
    let mut text = || fields.next().map(|text| if text == "-" { "" } else { text });
    let (profile, options, keyword, name) = (text()?, text()?, text()?, text()?);
    let profile = (!profile.is_empty()).then_some(profile);
    Some((mask, Attribute { tag: Tag(tag), vr, signed_by_pixels, vm, retired, phi, phi_word, profile, options, keyword, name }))
}

/// What the dictionary knows of a tag; `None` for private and unknown ones.
pub fn attribute(tag: Tag) -> Option<&'static Attribute> {
    let dictionary = &*DICTIONARY;
    let mut slot = slot_of(tag);
    loop {
        let place = dictionary.slots[slot];
        if place == 0 {
            break;
        }
        let found = &dictionary.exact[usize::from(place) - 1];
        if found.tag == tag {
            return Some(found);
        }
        slot = (slot + 1) % SLOTS;
    }
    if tag.is_private() {
        return None;
    }
    dictionary.ranges.iter().find(|(mask, range)| tag.0 & mask == range.tag.0).map(|(_, range)| range)
}

/// The attribute of that keyword (`PatientID`).
pub fn by_keyword(keyword: &str) -> Option<&'static Attribute> {
    let dictionary = &*DICTIONARY;
    dictionary.by_keyword.get(keyword).map(|place| &dictionary.exact[usize::from(*place)])
}

/// Every attribute with one tag, in order of the tags.
pub fn attributes() -> &'static [Attribute] {
    &DICTIONARY.exact
}

/// The VR of a tag, as implicit VR needs it: private creators are `LO`, group lengths `UL`, the rest of what is not known `UN`.
pub fn vr(tag: Tag) -> Vr {
    if let Some(known) = attribute(tag) {
        return known.vr;
    }
    if tag.element() == 0 {
        Vr::UL
    } else if tag.is_private_creator() {
        Vr::LO
    } else {
        Vr::UN
    }
}

/// The class of identifying information of a tag. What nobody has looked at (private, unknown) is free text.
pub fn phi(tag: Tag) -> PhiClass {
    match attribute(tag) {
        Some(known) => known.phi.clone(),
        None if tag.element() == 0 => PhiClass::Operational,
        None => PhiClass::FreeText,
    }
}

/// The storage SOP classes of the standard: UID and name.
pub fn sop_classes() -> impl Iterator<Item = (&'static str, &'static str)> {
    SOP_CLASSES.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('\t'))
}

/// The name of a storage SOP class.
pub fn sop_class_name(uid: &str) -> Option<&'static str> {
    static NAMES: LazyLock<HashMap<&'static str, &'static str>> = LazyLock::new(|| sop_classes().collect());
    if uid == "1.2.840.10008.1.3.10" {
        return Some("Media Storage Directory Storage");
    }
    NAMES.get(uid).copied()
}

/// Whether a UID is registered for a kind or a well-known thing: a SOP class, transfer syntax, palette, well-known frame of reference, coding scheme or
/// context group (PS3.6 annex A), or the object identifier of a common terminology. Such a UID identifies no instance. That a UID begins as those of the standard
/// do says nothing: anybody can write one.
pub fn is_registered_uid(uid: &str) -> bool {
    static KNOWN: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
        let lines = REGISTERED_UIDS.lines().filter(|line| !line.starts_with('#'));
        lines.filter_map(|line| line.split_once('\t').map(|(uid, _)| uid)).collect()
    });
    // Context groups are numbered (table A-3); the list of numbers goes on with each edition.
    let is_context_group = || {
        uid.strip_prefix("1.2.840.10008.6.1.")
            .is_some_and(|number| !number.starts_with('0') && number.len() <= 4 && number.parse::<u16>().is_ok_and(|number| number < 1700))
    };
    KNOWN.contains(uid) || is_context_group()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_read() {
        let lines = ATTRIBUTES.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(DICTIONARY.exact.len() + DICTIONARY.ranges.len(), lines);
        assert!(DICTIONARY.exact.len() * 2 < SLOTS && lines > 5000);
        assert!(attributes().iter().all(|known| attribute(known.tag) == Some(known) && known.phi.as_str() == known.phi_word));
    }

    #[test]
    fn tags_and_keywords_are_found() {
        let id = attribute(Tag(0x0010_0020)).unwrap();
        assert_eq!((id.keyword, id.vr, &id.phi, id.profile), ("PatientID", Vr::LO, &PhiClass::Mrn, Some("Z/D")));
        assert_eq!(by_keyword("StudyDate").unwrap().option('d'), Some('K'));
        assert_eq!(by_keyword("StudyDate").unwrap().option('m'), Some('C'));
        assert_eq!(attribute(Tag(0x6002_3000)).unwrap().keyword, "OverlayData");
        assert_eq!(attribute(Tag(0x0009_1001)), None);
        assert_eq!((vr(Tag(0x0009_0010)), vr(Tag(0x0009_1001)), vr(Tag(0x0008_0000))), (Vr::LO, Vr::UN, Vr::UL));
        assert_eq!(phi(Tag(0x0009_1001)), PhiClass::FreeText);
        assert_eq!(sop_class_name("1.2.840.10008.5.1.4.1.1.2"), Some("CT Image Storage"));
        assert_eq!(sop_class_name("1.2.3"), None);
    }

    #[test]
    fn uids_of_kinds_are_told_from_those_of_things() {
        for known in
            ["1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.4.1.1", "1.2.840.10008.1.5.1", "1.2.840.10008.6.1.19"]
        {
            assert!(is_registered_uid(known), "{known}");
        }
        for thing in [
            "1.2.840.10008.1961.1224.7741.903.55",
            "1.2.840.10008.5.1.4.1.1.2.903",
            "1.2.840.10008.6.1.1224.1961",
            "1.2.840.10008.6.1.9031",
            "1.2.3",
        ] {
            assert!(!is_registered_uid(thing), "{thing}");
        }
    }

    /// What may be typed in, and UIDs of things, identify also where the profile does not name them.
    #[test]
    fn what_the_profile_does_not_name_is_technical_or_treated() {
        for (keyword, phi) in [
            ("PatientBirthDateInAlternativeCalendar", PhiClass::Date),
            ("PlacerOrderNumberProcedure", PhiClass::OtherId),
            ("ContactDisplayName", PhiClass::Name),
            ("NTPSourceAddress", PhiClass::Ip),
            ("SecondaryCaptureDeviceID", PhiClass::Device),
            ("RadiationMachineName", PhiClass::Device),
            ("SegmentLabel", PhiClass::FreeText),
            ("BeamName", PhiClass::FreeText),
            ("ContentLabel", PhiClass::FreeText),
            ("SOPInstanceUIDOfConcatenationSource", PhiClass::OtherId),
            ("RetrieveLocationUID", PhiClass::OtherId),
            ("SOPClassUID", PhiClass::Operational),
            ("Manufacturer", PhiClass::Operational),
            ("ConvolutionKernel", PhiClass::Clinical),
            ("Modality", PhiClass::Clinical),
            ("SeriesNumber", PhiClass::Clinical),
        ] {
            assert_eq!(by_keyword(keyword).unwrap().phi, phi, "{keyword}");
        }
    }

    #[test]
    fn what_the_profile_treats_is_never_plain() {
        for known in attributes().iter().filter(|known| known.profile.is_some()) {
            assert!(!matches!(known.phi, PhiClass::Clinical | PhiClass::Operational), "{}", known.tag);
        }
    }
}
