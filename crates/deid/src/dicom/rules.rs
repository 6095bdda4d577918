//! What becomes of an attribute: the action of PS3.15 table E.1-1 under the options, made definite.

use sutura_core::PhiClass;
use sutura_dicom::{
    Tag, Vr,
    dictionary::{self, Attribute},
};

use super::{
    directory,
    options::{Dates, Options},
};

/// What becomes of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// `X`.
    Remove,
    /// `Z`: no value.
    Empty,
    /// `D`: a value that says nothing.
    Dummy,
    /// `U`: another UID, the same one for the same.
    Uid,
    /// `K`, and what the profile does not name. Sequences stay and their items are treated.
    Keep,
    /// `C`.
    Clean,
    /// The release of a program: stays where it looks like one.
    Release,
    /// A date or time: as [`Dates::Modified`] says, else the second.
    Date(Base),
    /// The patient's code.
    Patient,
    /// The policy's own code of another identifier, else no value.
    Code,
    /// A number that is an age: as the policy treats ages.
    Age,
    /// The name of a layer of graphics: the same one for the same.
    Layer,
}

/// What becomes of a date that cannot be modified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Base {
    Remove,
    Empty,
    Dummy,
}

impl From<Base> for Action {
    fn from(base: Base) -> Self {
        match base {
            Base::Remove => Action::Remove,
            Base::Empty => Action::Empty,
            Base::Dummy => Action::Dummy,
        }
    }
}

/// Which option decided; the basic profile where none did.
pub(crate) type By = &'static str;

/// Where nothing of the table decided: the attribute is not in it, and was looked at by its class of identifying information.
pub(crate) const BY_CLASS: By = "class";
/// The basic profile.
pub(crate) const BY_BASIC: By = "basic";
/// A sequence of references that stays for the UIDs in it.
pub(crate) const BY_REFERENCE: By = "reference";

/// SOP classes of the images that existed before the enhanced ones: what `X/..` and `Z/..` name is type 3 or 2 in them, so the first letter holds.
/// Of every other class it is not known here, and the last one does.
const CLASSIC: [&str; 17] = [
    "1.2.840.10008.5.1.4.1.1.1",
    "1.2.840.10008.5.1.4.1.1.1.1",
    "1.2.840.10008.5.1.4.1.1.1.1.1",
    "1.2.840.10008.5.1.4.1.1.1.2",
    "1.2.840.10008.5.1.4.1.1.1.2.1",
    "1.2.840.10008.5.1.4.1.1.1.3",
    "1.2.840.10008.5.1.4.1.1.1.3.1",
    "1.2.840.10008.5.1.4.1.1.2",
    "1.2.840.10008.5.1.4.1.1.3.1",
    "1.2.840.10008.5.1.4.1.1.4",
    "1.2.840.10008.5.1.4.1.1.6.1",
    "1.2.840.10008.5.1.4.1.1.7",
    "1.2.840.10008.5.1.4.1.1.12.1",
    "1.2.840.10008.5.1.4.1.1.12.2",
    "1.2.840.10008.5.1.4.1.1.20",
    "1.2.840.10008.5.1.4.1.1.128",
    "1.2.840.10008.5.1.4.1.1.129",
];

/// Patient's Species and Breed Description: typed in beside the codes.
const TYPED_IN: [u32; 2] = [0x0010_2201, 0x0010_2292];

/// Releases of the device's programs.
const RELEASES: [u32; 3] = [0x0018_1019, 0x0018_101A, 0x0018_1020];

/// The rules of one file: options and kind of object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules<'o> {
    options: &'o Options,
    is_classic: bool,
    is_directory: bool,
}

impl<'o> Rules<'o> {
    pub(crate) fn new(options: &'o Options, sop_class: &str) -> Self {
        Self { options, is_classic: CLASSIC.contains(&sop_class), is_directory: false }
    }

    /// Of a DICOMDIR.
    pub(crate) fn of_directory(self) -> Self {
        Self { is_directory: true, ..self }
    }

    /// What becomes of a public element, and what decided.
    pub(crate) fn decide(&self, tag: Tag, vr: Vr) -> (Action, By) {
        if self.is_directory && tag.group() == 0x0004 && tag.element() != 0 {
            return (directory::action(tag), BY_BASIC);
        }
        if let Some(decided) = by_group(tag, self.options) {
            return decided;
        }
        let Some(attribute) = dictionary::attribute(tag) else { return (Action::Remove, "unknown") };
        match tag.0 {
            0x0010_0020 => return (Action::Patient, BY_BASIC),
            0x0010_0010 => return (Action::Patient, BY_BASIC),
            0x0008_0050 => return (Action::Code, BY_BASIC),
            _ => {}
        }
        match attribute.profile {
            Some(profile) => self.listed(attribute, profile, vr),
            None => self.unlisted(attribute, vr),
        }
    }

    fn listed(&self, attribute: &Attribute, profile: &str, vr: Vr) -> (Action, By) {
        let base = self.base(profile, vr);
        if self.options.dates == Dates::Modified && is_temporal(vr) && attribute.option('m') == Some('C') {
            return (Action::Date(date_base(base)), "modified-dates");
        }
        if let Some(by) = self.option_says(attribute, 'K') {
            return (Action::Keep, by);
        }
        match self.option_says(attribute, 'C') {
            Some(by) => (Action::Clean, by),
            None if base == Action::Keep => (base, BY_REFERENCE),
            None => (base, BY_BASIC),
        }
    }

    /// What becomes of an element that was to be cleaned and cannot be: the action of the basic profile, or it goes.
    pub(crate) fn base_of(&self, tag: Tag, vr: Vr) -> Action {
        let attribute = dictionary::attribute(tag);
        match attribute.and_then(|attribute| attribute.profile).map(|profile| self.base(profile, vr)) {
            Some(Action::Keep | Action::Clean) => Action::Remove,
            Some(action) => action,
            // Of those not in the table it is not known whether they have to be there.
            None if vr.is_text() => Action::Empty,
            None => Action::Remove,
        }
    }

    /// The option that is on and says this letter of the attribute.
    fn option_says(&self, attribute: &Attribute, letter: char) -> Option<By> {
        let options = self.options;
        let all = [
            (options.retain_safe_private, 'r', "retain-safe-private"),
            // The UID of a device is the device's.
            (options.retain_uids && (options.retain_device || attribute.option('v').is_none()), 'u', "retain-uids"),
            (options.retain_device, 'v', "retain-device"),
            (options.retain_institution, 'i', "retain-institution"),
            (options.retain_patient_characteristics, 'p', "retain-patient-characteristics"),
            (options.dates == Dates::Full, 'd', "full-dates"),
            (options.dates == Dates::Modified, 'm', "modified-dates"),
            (options.clean_descriptors, 'c', "clean-descriptors"),
            (options.clean_structured_content, 's', "clean-structured-content"),
            (options.clean_graphics, 'g', "clean-graphics"),
        ];
        all.into_iter().find(|(on, option, _)| *on && attribute.option(*option) == Some(letter)).map(|(_, _, by)| by)
    }

    /// The action of the basic profile, definite.
    fn base(&self, profile: &str, vr: Vr) -> Action {
        let letters = match (profile, vr) {
            ("X/Z/U*", _) => return Action::Keep,
            // Items that name persons, places or codes have no dummy that says nothing.
            ("X/D" | "X/Z/D", Vr::SQ) => "X",
            ("X/Z", Vr::SQ) => "Z",
            (composite, _) if self.is_classic => composite.split('/').next().unwrap_or("X"),
            (composite, _) => composite.rsplit('/').next().unwrap_or("X"),
        };
        match letters {
            "Z" => Action::Empty,
            "D" if vr == Vr::UI => Action::Uid,
            "D" => Action::Dummy,
            "U" if vr == Vr::UI => Action::Uid,
            // What should be a UID and is not one.
            "U" => Action::Remove,
            _ => Action::Remove,
        }
    }

    /// An attribute that the table does not name: it stays where its class of identifying information says that it is technical.
    fn unlisted(&self, attribute: &Attribute, vr: Vr) -> (Action, By) {
        let action = match (&attribute.phi, vr) {
            (_, Vr::SQ) => Action::Keep,
            (_, Vr::UR) => Action::Remove,
            (_, Vr::UI) if self.options.retain_uids => Action::Keep,
            (_, Vr::UI) => Action::Uid,
            _ if TYPED_IN.contains(&attribute.tag.0) => Action::Clean,
            (PhiClass::Device, _) if self.options.retain_device => Action::Keep,
            _ if RELEASES.contains(&attribute.tag.0) => Action::Release,
            (PhiClass::Photo, _) => Action::Keep,
            (PhiClass::Clinical | PhiClass::Operational | PhiClass::Quasi, _) => Action::Keep,
            (PhiClass::FreeText, vr) if vr.is_text() => Action::Clean,
            (PhiClass::Date, vr) if is_temporal(vr) => match self.options.dates {
                Dates::Full => Action::Keep,
                Dates::Modified => Action::Date(Base::Remove),
                Dates::Remove => Action::Remove,
            },
            (PhiClass::Name, Vr::PN) => Action::Dummy,
            _ => Action::Remove,
        };
        (action, BY_CLASS)
    }
}

/// Groups whose elements are treated alike, whatever the dictionary has of each.
fn by_group(tag: Tag, options: &Options) -> Option<(Action, By)> {
    match tag.group() {
        // Group lengths.
        _ if tag.element() == 0 => Some((Action::Remove, BY_BASIC)),
        // Curves, retired.
        group if group & 0xFF00 == 0x5000 => Some((Action::Remove, BY_BASIC)),
        // Overlays: without their bits the rest of the group means nothing.
        group if group & 0xFF00 == 0x6000 && options.clean_graphics => match tag.element() {
            // Description, subtype, label, comments.
            0x0022 | 0x0045 | 0x1500 | 0x4000 => Some((Action::Clean, "clean-graphics")),
            // Size, frames, type, place, bits, and what was measured in it.
            0x0010 | 0x0011 | 0x0015 | 0x0040 | 0x0050 | 0x0051 | 0x0100 | 0x0102 | 0x1301..=0x1303 | 0x3000 => {
                Some((Action::Keep, "clean-graphics"))
            }
            _ => Some((Action::Remove, BY_BASIC)),
        },
        group if group & 0xFF00 == 0x6000 => Some((Action::Remove, BY_BASIC)),
        // Directories of files, and what only they have.
        0x0004 => Some((Action::Remove, BY_BASIC)),
        // Pixels of a retired kind, which nobody looks at.
        group if group & 0xFF00 == 0x7F00 && group != 0x7FE0 => Some((Action::Remove, BY_BASIC)),
        // Padding behind the data set, and signatures of what is no longer the same.
        0xFFFC | 0xFFFA => Some((Action::Remove, BY_BASIC)),
        _ if tag.0 == 0x0400_0500 || tag.0 == 0x4FFE_0001 => Some((Action::Remove, BY_BASIC)),
        _ => None,
    }
}

pub(crate) fn is_temporal(vr: Vr) -> bool {
    matches!(vr, Vr::DA | Vr::DT | Vr::TM)
}

fn date_base(base: Action) -> Base {
    match base {
        Action::Remove => Base::Remove,
        Action::Empty => Base::Empty,
        _ => Base::Dummy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
    const ENHANCED_CT: &str = "1.2.840.10008.5.1.4.1.1.2.1";

    fn decide(options: Options, sop_class: &str, keyword: &str) -> Action {
        let attribute = dictionary::by_keyword(keyword).unwrap();
        Rules::new(&options, sop_class).decide(attribute.tag, attribute.vr).0
    }

    #[test]
    fn composite_actions_depend_on_the_object() {
        let none = Options::default();
        assert_eq!(decide(none, CT, "AcquisitionDateTime"), Action::Remove);
        assert_eq!(decide(none, ENHANCED_CT, "AcquisitionDateTime"), Action::Dummy);
        assert_eq!(decide(none, CT, "ContentDate"), Action::Empty);
        assert_eq!(decide(none, CT, "StudyDate"), Action::Empty);
        assert_eq!(decide(none, CT, "SOPInstanceUID"), Action::Uid);
        assert_eq!(decide(none, CT, "ReferencedImageSequence"), Action::Keep);
        assert_eq!(decide(none, CT, "OperatorIdentificationSequence"), Action::Remove);
    }

    #[test]
    fn what_the_table_does_not_name_stays_where_it_is_technical() {
        let none = Options::default();
        for (keyword, action) in [
            ("SliceThickness", Action::Keep),
            ("SeriesNumber", Action::Keep),
            ("Manufacturer", Action::Keep),
            ("ConvolutionKernel", Action::Keep),
            ("BodyPartExamined", Action::Keep),
            ("SoftwareVersions", Action::Release),
            ("SegmentLabel", Action::Clean),
            ("BeamName", Action::Clean),
            ("ContentLabel", Action::Clean),
            ("SOPClassUID", Action::Uid),
            ("MultiFrameSourceSOPInstanceUID", Action::Uid),
            ("RetrieveLocationUID", Action::Uid),
            ("PatientBirthDateInAlternativeCalendar", Action::Remove),
            ("PlacerOrderNumberProcedure", Action::Remove),
            ("ContactDisplayName", Action::Remove),
            ("NTPSourceAddress", Action::Remove),
            ("OwnerID", Action::Remove),
            ("RadiationMachineName", Action::Remove),
            ("SecondaryCaptureDeviceID", Action::Remove),
        ] {
            assert_eq!(decide(none, CT, keyword), action, "{keyword}");
        }
    }

    #[test]
    fn options_change_what_the_table_says_they_change() {
        let on = |change: fn(&mut Options)| {
            let mut options = Options::default();
            change(&mut options);
            options
        };
        for (options, keyword, action) in [
            (on(|o| o.dates = Dates::Full), "StudyDate", Action::Keep),
            (on(|o| o.dates = Dates::Modified), "StudyDate", Action::Date(Base::Empty)),
            (on(|o| o.dates = Dates::Modified), "SeriesDate", Action::Date(Base::Remove)),
            (on(|o| o.dates = Dates::Modified), "PatientBirthDate", Action::Empty),
            (on(|o| o.retain_uids = true), "SOPInstanceUID", Action::Keep),
            (on(|o| o.retain_uids = true), "VolumeFrameOfReferenceUID", Action::Keep),
            (on(|o| o.retain_uids = true), "DeviceUID", Action::Uid),
            (on(|o| o.retain_device = true), "DeviceUID", Action::Keep),
            (on(|o| o.retain_device = true), "SoftwareVersions", Action::Keep),
            (on(|o| o.retain_device = true), "StationName", Action::Keep),
            (on(|o| o.retain_institution = true), "InstitutionName", Action::Keep),
            (on(|o| o.retain_patient_characteristics = true), "PatientAge", Action::Keep),
            (on(|o| o.retain_patient_characteristics = true), "Allergies", Action::Clean),
            (on(|o| o.clean_descriptors = true), "StudyDescription", Action::Clean),
            (on(|o| o.clean_structured_content = true), "ContentSequence", Action::Clean),
            (on(|o| o.clean_graphics = true), "GraphicAnnotationSequence", Action::Clean),
            (on(|o| o.clean_graphics = true), "StudyDescription", Action::Remove),
        ] {
            assert_eq!(decide(options, CT, keyword), action, "{keyword}");
        }
    }
}
