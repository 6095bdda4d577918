//! When something is to happen, again and again: `PIVL_TS`, `EIVL_TS` and the sets they are in.

use super::{Interval, Quantity, QuantityRange};
use crate::element::Element;

/// One `effectiveTime` of a medication: how it joins the others, and what it says.
#[derive(Debug, Clone)]
pub struct Timing<'d> {
    /// How it joins the ones before: `I` (and, the default), `A` (intersection), `E` (without) and so on.
    pub operator: Option<&'d str>,
    /// What it says.
    pub kind: TimingKind<'d>,
    /// The element it was read from.
    pub element: Element<'d>,
}

/// What an `effectiveTime` says.
#[allow(clippy::large_enum_variant, reason = "a medication has one or two, each read and used at once: boxing costs more than it saves")]
#[derive(Debug, Clone)]
pub enum TimingKind<'d> {
    /// `TS`, `IVL_TS`: a point or an interval; for medication, from when to when.
    Interval(Interval<'d>),
    /// `PIVL_TS`: again after each period.
    Periodic {
        /// The time from one to the next.
        period: Option<QuantityRange<'d>>,
        /// When the first one is.
        phase: Option<Interval<'d>>,
        /// `institutionSpecified`: the hours are those of the institution, so that every eight hours is three times a day.
        institution_specified: bool,
        /// `alignment`: `DW`, the day of the week, and so on.
        alignment: Option<&'d str>,
    },
    /// `EIVL_TS`: with an event of the day.
    Event {
        /// The event of HL7's TimingEvent: `AC`, before meals; `HS`, before sleep.
        event: Option<&'d str>,
        /// How long after it; before, if negative.
        offset: Option<QuantityRange<'d>>,
    },
    /// `SXPR_TS`: a set of timings.
    Set(Vec<Timing<'d>>),
    /// A type that is not among these.
    Other,
}

/// Sets within sets that are followed.
const MOST_NESTING: u8 = 4;

impl<'d> Timing<'d> {
    /// Reads an `effectiveTime`.
    pub fn read(element: Element<'d>) -> Self {
        Self::read_within(element, 0)
    }

    fn read_within(element: Element<'d>, nesting: u8) -> Self {
        let has = |name: &str| element.child(name).is_some();
        let guessed = || {
            if has("period") {
                "PIVL_TS"
            } else if has("event") {
                "EIVL_TS"
            } else if has("comp") {
                "SXPR_TS"
            } else {
                "IVL_TS"
            }
        };
        let range = |name: &str| element.child(name).map(QuantityRange::read);
        let kind = match element.xsi_type().unwrap_or_else(guessed) {
            "PIVL_TS" | "PIVL_PPD_TS" => TimingKind::Periodic {
                period: range("period"),
                phase: element.child("phase").map(Interval::read),
                institution_specified: element.attr("institutionSpecified").is_some_and(|value| matches!(value.trim(), "true" | "1")),
                alignment: element.attr("alignment").map(str::trim),
            },
            "EIVL_TS" | "EIVL" | "EIVL_PPD_TS" => TimingKind::Event {
                event: element.child("event").and_then(|event| event.attr("code")).map(str::trim),
                offset: range("offset"),
            },
            "SXPR_TS" | "SXPR" if nesting < MOST_NESTING => {
                TimingKind::Set(element.children_named("comp").map(|part| Self::read_within(part, nesting + 1)).collect())
            }
            "TS" | "IVL_TS" | "SXCM_TS" | "IVXB_TS" => TimingKind::Interval(Interval::read(element)),
            _ => TimingKind::Other,
        };
        Self { operator: element.attr("operator").map(str::trim), kind, element }
    }

    /// The timings directly below an element.
    pub fn all(of: Element<'d>) -> impl Iterator<Item = Timing<'d>> + use<'d> {
        of.children_named("effectiveTime").map(Self::read)
    }

    /// The one length of a period that is no range.
    pub fn period(&self) -> Option<Quantity<'d>> {
        match &self.kind {
            TimingKind::Periodic { period, .. } => period.and_then(|period| period.value),
            _ => None,
        }
    }
}
