//! When something is taken: CDA's `IVL_TS`, `PIVL_TS`, `EIVL_TS` and their combinations as a Timing.

use sutura_ccda::Element;
use sutura_core::Severity;

use super::Context;
use crate::ccda::{
    account::Why,
    json::{Json, Obj},
    maps,
    types::{attr, decimal},
};

/// Times of a statement, each kind read once.
#[derive(Default)]
pub(super) struct Times {
    /// When it starts and ends.
    pub(super) bounds: Option<Obj>,
    /// Single points in time.
    pub(super) events: Vec<Json>,
    /// `repeat` without bounds and count.
    repeat: Obj,
}

impl<'d> Context<'d> {
    /// Every `effectiveTime` of a statement.
    pub(super) fn times(&mut self, statement: Element<'d>) -> Times {
        let mut times = Times::default();
        for time in statement.children_named("effectiveTime") {
            self.time(time, &mut times, 0);
        }
        times
    }

    fn time(&mut self, time: Element<'d>, times: &mut Times, depth: usize) {
        // Deeper than two levels of SXPR nothing is meant by people.
        if depth > 4 {
            self.account.dropped_all(time, Why::NoTarget);
            return;
        }
        let kind = time.xsi_type().unwrap_or("");
        if kind == "PIVL_TS" || time.child("period").is_some() || time.child("frequency").is_some() {
            self.periodic(time, times);
        } else if kind == "EIVL_TS" || time.child("event").is_some() {
            self.event(time, times);
        } else if kind.starts_with("SXPR") || time.child("comp").is_some() {
            for part in time.children_named("comp") {
                self.time(part, times, depth + 1);
            }
        } else if attr(time, "value").is_some() {
            if let Some(point) = self.date_time(time) {
                times.events.push(point.into());
            }
        } else if let Some(period) = self.period(time) {
            if times.bounds.is_none() {
                times.bounds = Some(period);
            }
        } else if let Some(width) = time.child("width").and_then(|width| self.quantity(width)) {
            // Only how long.
            if let Some(unit) =
                width.get("code").or_else(|| width.get("unit")).and_then(Json::as_str).and_then(|unit| maps::map("PeriodUnit", unit))
            {
                times.repeat.opt("boundsDuration", duration(width, unit));
            }
        }
    }

    /// `PIVL_TS`: every so often.
    fn periodic(&mut self, time: Element<'d>, times: &mut Times) {
        if let Some(frequency) = time.child("frequency") {
            self.frequency(frequency, times);
            return;
        }
        let Some(period) = time.child("period") else { return };
        let mut ends = Vec::new();
        match (attr(period, "value").and_then(decimal), period.child("low"), period.child("high")) {
            (Some(value), _, _) => ends.push((value, attr(period, "unit").unwrap_or("1"), period)),
            (None, low, high) => {
                for end in [low, high].into_iter().flatten() {
                    if let Some(value) = attr(end, "value").and_then(decimal) {
                        ends.push((value, attr(end, "unit").unwrap_or("1"), end));
                    }
                }
            }
        }
        let Some((value, unit, element)) = ends.first().cloned() else { return };
        let Some(unit) = maps::map("PeriodUnit", &unit.to_ascii_lowercase()) else {
            self.left(element, Why::Invalid);
            self.find("ccda-period-unit", Severity::Warning, time, "the period's unit is no unit of time; the period is left out");
            return;
        };
        if value.starts_with('-') || value.bytes().all(|byte| matches!(byte, b'0' | b'.')) {
            self.left(element, Why::Invalid);
            self.find("ccda-period-not-positive", Severity::Warning, time, "the period is not above zero; it is left out");
            return;
        }
        for (_, _, end) in &ends {
            self.took(*end);
        }
        if let Some(phase) = time.child("phase") {
            // Where in the period it falls: the start is in the bounds, the width is how long one takes.
            match phase.child("width").and_then(|width| self.quantity(width)) {
                Some(width) => {
                    let unit = width.get("unit").and_then(Json::as_str).and_then(|unit| maps::map("PeriodUnit", unit)).unwrap_or("h");
                    times.repeat.opt("duration", width.get("value").cloned());
                    times.repeat.put("durationUnit", unit);
                }
                None => self.account.dropped_all(phase, Why::NoTarget),
            }
        }
        if times.repeat.has("period") {
            // Twice a day and once a week at once: only the first fits.
            self.find("ccda-several-periods", Severity::Info, time, "FHIR has one period for a dosage; the first is kept");
            return;
        }
        times.repeat.put("frequency", Json::Raw("1".into()));
        times.repeat.put("period", Json::Raw(value.into()));
        // Every 4 to 6 hours.
        if let Some((most, other_unit, _)) = ends.get(1)
            && maps::map("PeriodUnit", &other_unit.to_ascii_lowercase()) == Some(unit)
        {
            times.repeat.put("periodMax", Json::Raw(most.clone().into()));
        }
        times.repeat.put("periodUnit", unit);
    }

    /// `frequency` of later releases: so many times in a period.
    fn frequency(&mut self, frequency: Element<'d>, times: &mut Times) {
        let (Some(count), Some(period)) = (frequency.child("numerator"), frequency.child("denominator")) else { return };
        let unit = attr(period, "unit").and_then(|unit| maps::map("PeriodUnit", &unit.to_ascii_lowercase()));
        let number = attr(count, "value").and_then(|value| value.parse::<u32>().ok()).filter(|number| *number > 0);
        let (Some(unit), Some(number), Some(value)) = (unit, number, attr(period, "value").and_then(decimal)) else { return };
        self.took(count);
        self.took(period);
        times.repeat.put("frequency", Json::Raw(number.to_string().into()));
        times.repeat.put("period", Json::Raw(value.into()));
        times.repeat.put("periodUnit", unit);
    }

    /// `EIVL_TS`: at meals and at bedtime.
    fn event(&mut self, time: Element<'d>, times: &mut Times) {
        let Some(event) = time.child("event") else { return };
        let Some(code) = attr(event, "code") else { return };
        let Some(mapped) = maps::map("EventTiming", code) else {
            self.left(event, Why::NoTarget);
            self.find("ccda-event-code", Severity::Warning, event, "the event is none that FHIR has; it is left out");
            return;
        };
        self.took(event);
        times.repeat.push("when", mapped);
        let Some(offset) = time.child("offset") else { return };
        let at = if attr(offset, "value").is_some() { Some(offset) } else { offset.child("low") };
        let Some(at) = at else { return };
        let minutes = attr(at, "value").and_then(|value| value.parse::<f64>().ok()).and_then(|value| {
            let factor = match maps::map("PeriodUnit", attr(at, "unit").unwrap_or("min"))? {
                "s" => 1.0 / 60.0,
                "min" => 1.0,
                "h" => 60.0,
                "d" => 1_440.0,
                _ => return None,
            };
            let minutes = (value * factor).abs().round();
            // tim-9: an offset is not said of meals themselves.
            (minutes <= 1_000_000.0 && !matches!(mapped, "C" | "CM" | "CD" | "CV")).then_some(minutes)
        });
        match minutes {
            Some(minutes) => {
                self.took(at);
                times.repeat.put("offset", Json::Raw(format!("{minutes:.0}").into()));
            }
            None => self.left(at, Why::NoTarget),
        }
    }
}

impl Times {
    /// As a Timing; `count` is how often in all.
    pub(super) fn timing(self, count: Option<u32>) -> Obj {
        let mut repeat = Obj::new();
        match self.bounds {
            Some(bounds) => {
                repeat.put("boundsPeriod", bounds);
                let mut rest = self.repeat;
                rest.remove("boundsDuration");
                repeat.absorb(rest);
            }
            None => repeat.absorb(self.repeat),
        }
        if let Some(count) = count.filter(|count| *count > 0) {
            repeat.put("count", Json::Raw(count.to_string().into()));
        }
        // FHIR puts `when` with a period only where the frequency is not said in another way (tim-4, tim-5); a meal needs no period.
        let mut timing = Obj::new();
        timing.extend("event", self.events);
        timing.put("repeat", repeat);
        timing
    }

    /// The start of the bounds, else the first event.
    pub(super) fn start(&self) -> Option<Json> {
        self.bounds.as_ref().and_then(|bounds| bounds.get("start").cloned()).or_else(|| self.events.first().cloned())
    }
}

/// A Duration in the unit.
fn duration(mut quantity: Obj, unit: &'static str) -> Option<Obj> {
    quantity.get("value")?;
    quantity.put("system", "http://unitsofmeasure.org");
    quantity.put("code", unit);
    Some(quantity)
}
