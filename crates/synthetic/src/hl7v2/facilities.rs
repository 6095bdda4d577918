//! The five facilities of the feed and the systems that send for them.

use crate::{calendar::Precision, lists::ORIGINS, rng::splitmix};

use super::{encounter::Event, wire::Wire};

/// A facility. Its position is the region whose people mostly come to it.
pub(crate) struct Facility {
    /// MSH-4.
    pub(crate) code: &'static str,
    pub(crate) name: &'static str,
    /// Standard offset from UTC in hours.
    pub(crate) zone: i32,
    pub(crate) version: Version,
    pub(crate) prefix: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Version {
    V231,
    V251,
    V27,
}

impl Version {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Version::V231 => "2.3.1",
            Version::V251 => "2.5.1",
            Version::V27 => "2.7",
        }
    }
}

pub(crate) const FACILITIES: [Facility; 5] = [
    Facility { code: "NORTHGATE", name: "Northgate General Hospital", zone: -6, version: Version::V251, prefix: "NG" },
    Facility { code: "STBRIGID", name: "St. Brigid Medical Center", zone: -5, version: Version::V231, prefix: "SB" },
    Facility { code: "LAKEVIEW", name: "Lakeview Women's & Family Hospital", zone: -7, version: Version::V251, prefix: "LV" },
    Facility { code: "RIVERBEND", name: "Riverbend Regional", zone: -6, version: Version::V27, prefix: "RB" },
    Facility { code: "HARBORHLTH", name: "Harbor Health Clinics", zone: -8, version: Version::V231, prefix: "HH" },
];

/// A sending system: MSH-3 and the way it writes time.
pub(crate) struct Application {
    pub(crate) code: &'static str,
    pub(crate) precision: Precision,
    /// The oldest version it speaks.
    pub(crate) at_least: Version,
}

pub(crate) fn application(event: Event) -> Application {
    let (code, precision, at_least) = match event {
        Event::Result => ("CORELAB", Precision::SecondOffset, Version::V231),
        Event::Order | Event::Dispense => ("RXFLOW", Precision::Second, Version::V251),
        Event::Vaccination => ("IMMTRAK", Precision::MilliOffset, Version::V251),
        Event::Document => ("DOCSYS", Precision::Second, Version::V231),
        Event::Appointment => ("SCHEDPLUS", Precision::Minute, Version::V231),
        _ => ("ADTHUB", Precision::Second, Version::V231),
    };
    Application { code, precision, at_least }
}

/// The wards: PV1-3.1. The last is for children.
pub(crate) const WARDS: [&str; 6] = ["2WEST", "3EAST", "ICU", "ED", "4NORTH", "PEDS"];

/// How many clinicians a facility has.
pub(crate) const CLINICIANS: u64 = 40;

/// A clinician.
pub(crate) struct Clinician {
    pub(crate) given: &'static str,
    pub(crate) family: &'static str,
    /// Ten digits that begin with 9, which the national registry never issues.
    pub(crate) identifier: u64,
}

/// One of the [`CLINICIANS`] of a facility.
pub(crate) fn clinician(facility: usize, number: u64) -> Clinician {
    let mut state = facility as u64 * 1000 + number;
    let mixed = splitmix(&mut state);
    let names = &ORIGINS[[0, 2, 4, 5][(mixed % 4) as usize]];
    let given = if mixed & 256 == 0 { names.women } else { names.men };
    Clinician {
        given: given[(mixed >> 16) as usize % given.len()],
        family: names.families[(mixed >> 32) as usize % names.families.len()],
        identifier: 9_000_000_000 + facility as u64 * 1000 + number,
    }
}

/// Appends a clinician as an extended composite name.
pub(crate) fn push_clinician(wire: &mut Wire, facility: usize, number: u64, version: Version) {
    let who = clinician(facility, number);
    wire.number(who.identifier).raw("^").raw(who.family).raw("^").raw(who.given);
    match version {
        Version::V231 => wire.raw("^^^DR^MD"),
        _ => wire.raw("^^^DR^^^NPI^L^^^NPI"),
    };
}
