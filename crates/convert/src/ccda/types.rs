//! CDA data types as FHIR data types. Each reader notes in the account what it took.

use std::borrow::Cow;

use sutura_ccda::Element;
use sutura_core::Severity;

use super::{
    account::Why,
    context::Context,
    json::{Json, Obj},
    maps, oid,
    stamp::Stamp,
};

/// Root and extension of the element's first identifier that says something.
pub(super) fn primary_id(element: Element<'_>) -> Option<(&str, &str)> {
    element.children_named("id").find_map(identity)
}

/// Root and extension of an `II`, none if it says nothing.
pub(super) fn identity(id: Element<'_>) -> Option<(&str, &str)> {
    let root = id.attr("root").map_or("", str::trim);
    let extension = id.attr("extension").map_or("", str::trim);
    // A root without an extension names something only if it is no mere nullFlavor.
    (id.null_flavor().is_none() && !(root.is_empty() && extension.is_empty())).then_some((root, extension))
}

/// Text with its white space folded; CDA text is laid out for the file.
pub(super) fn folded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        if word.bytes().all(|byte| matches!(byte, b'!'..=b'~')) {
            out.push_str(word);
            continue;
        }
        // FHIR strings have no control characters.
        out.extend(word.chars().filter(|letter| !letter.is_control() && *letter != '\u{FFFE}' && *letter != '\u{FFFF}'));
    }
    out
}

/// An attribute without the white space around it, none if it is empty.
pub(super) fn attr<'d>(element: Element<'d>, name: &str) -> Option<&'d str> {
    element.attr(name).map(str::trim).filter(|value| !value.is_empty())
}

impl<'d> Context<'d> {
    /// `II`s as Identifiers.
    pub(super) fn identifiers(&mut self, element: Element<'d>) -> Vec<Json> {
        let mut found = Vec::new();
        for id in element.children_named("id") {
            if let Some(identifier) = self.identifier(id) {
                found.push(Json::from(identifier));
            }
        }
        found
    }

    /// One `II`.
    pub(super) fn identifier(&mut self, id: Element<'d>) -> Option<Obj> {
        let Some((root, extension)) = identity(id) else {
            self.left(id, Why::Void);
            return None;
        };
        let mut identifier = Obj::new();
        match (oid::uri_of_root(root), extension) {
            (Some(uri), "") => {
                identifier.put("system", "urn:ietf:rfc:3986");
                identifier.put("value", uri.into_owned());
            }
            (Some(uri), extension) => {
                identifier.put("system", uri.into_owned());
                identifier.put("value", folded(extension));
            }
            (None, "") => {
                self.left(id, Why::Invalid);
                return None;
            }
            (None, extension) => {
                if !root.is_empty() {
                    self.find(
                        "ccda-root-not-oid",
                        Severity::Warning,
                        id,
                        "the root is neither an OID nor a UUID; the identifier has no system",
                    );
                }
                identifier.put("value", folded(extension));
            }
        }
        if let Some(authority) = attr(id, "assigningAuthorityName") {
            identifier.put("assigner", Obj::of("display", folded(authority)));
        }
        self.took(id);
        Some(identifier)
    }

    /// The first of the named children that is a coded value, as a CodeableConcept.
    pub(super) fn concept_of(&mut self, element: Element<'d>, name: &'static str) -> Option<Obj> {
        let child = element.child(name)?;
        self.concept(child)
    }

    /// A coded value (`CD`, `CE`, `CV`, `CO`) as a CodeableConcept; none if it says nothing.
    pub(super) fn concept(&mut self, coded: Element<'d>) -> Option<Obj> {
        let mut concept = Obj::new();
        if let Some(coding) = self.coding(coded) {
            concept.push("coding", coding);
        }
        let mut translations: Vec<Element<'d>> = coded.children_named("translation").collect();
        // Translations of translations are rare, and flat in FHIR.
        let mut at = 0;
        while let Some(translation) = translations.get(at).copied() {
            if let Some(coding) = self.coding(translation) {
                concept.push("coding", coding);
            }
            translations.extend(translation.children_named("translation"));
            at += 1;
        }
        let text = self.original_text(coded).or_else(|| translations.iter().find_map(|translation| self.original_text(*translation)));
        match text {
            Some(text) => concept.put("text", text),
            // Without text of its own the concept is called what its code is called, and without a code that is all there is.
            None => {
                let name = attr(coded, "displayName").map(folded);
                let name = if concept.has("coding") { name } else { name.or_else(|| plain_text(coded)) };
                if let Some(name) = name {
                    self.took(coded);
                    concept.put("text", name);
                }
            }
        }
        for qualifier in coded.children_named("qualifier") {
            self.account.dropped_all(qualifier, Why::NoTarget);
        }
        if concept.is_empty() { None } else { Some(concept) }
    }

    /// The code of a coded value; none if it has none.
    pub(super) fn coding(&mut self, coded: Element<'d>) -> Option<Obj> {
        let code = folded(attr(coded, "code")?);
        let mut coding = Obj::new();
        let system = attr(coded, "codeSystem").map_or_else(
            || attr(coded, "codeSystemName").and_then(oid::uri_of_name).map(Cow::Borrowed),
            |system| self.system_uri(system, coded),
        );
        coding.opt("system", system.map(Cow::into_owned));
        if coding.has("system") {
            coding.opt("version", attr(coded, "codeSystemVersion").map(folded));
        }
        coding.put("code", code);
        coding.opt("display", attr(coded, "displayName").map(folded));
        self.took(coded);
        Some(coding)
    }

    fn system_uri(&mut self, system: &'d str, coded: Element<'d>) -> Option<Cow<'d, str>> {
        let uri = oid::system_uri(system).or_else(|| attr(coded, "codeSystemName").and_then(oid::uri_of_name).map(Cow::Borrowed));
        if uri.is_none() {
            self.find(
                "ccda-code-system-not-oid",
                Severity::Warning,
                coded,
                "the code system is neither an OID nor a URI; the code has no system",
            );
        }
        uri
    }

    /// `originalText`, with its reference into the narrative resolved.
    pub(super) fn original_text(&mut self, coded: Element<'d>) -> Option<String> {
        let original = coded.child("originalText")?;
        self.referred_text(original)
    }

    /// The text of an `ED`: its own, or that of the place in the narrative that it refers to.
    pub(super) fn referred_text(&mut self, text: Element<'d>) -> Option<String> {
        if let Some(reference) = text.child("reference") {
            let target = attr(reference, "value").and_then(|value| value.strip_prefix('#').or(Some(value)));
            match target.and_then(|id| self.doc.by_id(id)) {
                Some(target) if !self.may_repeat(target) => self.left(reference, Why::TooMuch),
                Some(target) => {
                    self.took(reference);
                    let found = folded(&super::narrative::plain(target));
                    if !found.is_empty() {
                        self.left(text, Why::Repeated);
                        return Some(found);
                    }
                }
                None => self.left(reference, Why::Invalid),
            }
        }
        let own = folded(&text.text());
        if own.is_empty() {
            return None;
        }
        self.took(text);
        Some(own)
    }

    /// `PQ` and `REAL` as a Quantity; none if it has no number.
    pub(super) fn quantity(&mut self, value: Element<'d>) -> Option<Obj> {
        if let Some(number) = attr(value, "value").and_then(decimal) {
            self.took(value);
            for translation in value.children_named("translation") {
                self.account.dropped_all(translation, Why::Repeated);
            }
            let mut quantity = Obj::of("value", Json::Raw(Cow::Owned(number)));
            put_unit(&mut quantity, attr(value, "unit"));
            return Some(quantity);
        }
        // A quantity in a unit that UCUM does not have comes as a translation.
        for translation in value.children_named("translation") {
            let Some(number) = attr(translation, "value").and_then(decimal) else { continue };
            self.took(translation);
            let text = self.original_text(translation);
            let mut quantity = Obj::of("value", Json::Raw(Cow::Owned(number)));
            let code = attr(translation, "code").map(folded);
            quantity.opt("unit", text.or_else(|| attr(translation, "displayName").map(folded)).or_else(|| code.clone()));
            if let (Some(code), Some(system)) = (code, attr(translation, "codeSystem").and_then(oid::system_uri)) {
                quantity.put("system", system.into_owned());
                quantity.put("code", code);
            }
            return Some(quantity);
        }
        if attr(value, "value").is_some() {
            self.left(value, Why::Invalid);
        }
        None
    }

    /// `IVL_PQ` as a Range; low above high is left out.
    pub(super) fn range(&mut self, interval: Element<'d>) -> Option<Obj> {
        let low = interval.child("low").and_then(|low| self.quantity(low));
        let high = interval.child("high").and_then(|high| self.quantity(high));
        let number = |end: &Option<Obj>| end.as_ref()?.get("value")?.as_str()?.parse::<f64>().ok();
        if let (Some(low), Some(high)) = (number(&low), number(&high))
            && low > high
        {
            self.find("ccda-range-order", Severity::Warning, interval, "the low end is above the high end; the range is left out");
            return None;
        }
        let mut range = Obj::new();
        range.opt("low", low);
        range.opt("high", high);
        if range.is_empty() { None } else { Some(range) }
    }

    /// `RTO` as a Ratio.
    pub(super) fn ratio(&mut self, ratio: Element<'d>) -> Option<Obj> {
        let numerator = ratio.child("numerator").and_then(|part| self.quantity(part));
        let denominator = ratio.child("denominator").and_then(|part| self.quantity(part));
        let (Some(numerator), Some(denominator)) = (numerator, denominator) else { return None };
        let mut out = Obj::of("numerator", numerator);
        out.put("denominator", denominator);
        Some(out)
    }

    /// The point in time of a `TS`.
    fn stamp(&mut self, time: Element<'d>) -> Option<Stamp<'d>> {
        let text = attr(time, "value")?;
        match Stamp::parse(text) {
            Some(stamp) => {
                self.took(time);
                Some(stamp)
            }
            None => {
                self.left(time, Why::Invalid);
                self.find("ccda-bad-time", Severity::Warning, time, "the value is no point in time; it is left out");
                None
            }
        }
    }

    /// `TS` as a `dateTime`.
    pub(super) fn date_time(&mut self, time: Element<'d>) -> Option<String> {
        let stamp = self.stamp(time)?;
        if stamp.loses_clock(self.zone) {
            self.find(
                "ccda-time-without-offset",
                Severity::Info,
                time,
                "FHIR has no time of day without an offset from UTC; the date is kept",
            );
        }
        Some(stamp.date_time(self.zone))
    }

    /// `TS` as a `date`.
    pub(super) fn date(&mut self, time: Element<'d>) -> Option<String> {
        Some(self.stamp(time)?.date())
    }

    /// `TS` as an `instant`, if it is precise enough.
    pub(super) fn instant(&mut self, time: Element<'d>) -> Option<String> {
        self.stamp(time)?.instant(self.zone)
    }

    /// The point in time of an `IVL_TS` that has only one: its value, centre, low or high.
    pub(super) fn one_time(&mut self, time: Element<'d>) -> Option<String> {
        if attr(time, "value").is_some() {
            return self.date_time(time);
        }
        let part = ["center", "low", "high"].iter().find_map(|name| time.child(name).filter(|part| attr(*part, "value").is_some()))?;
        self.date_time(part)
    }

    /// `IVL_TS` as a Period; an end before the start is left out.
    pub(super) fn period(&mut self, interval: Element<'d>) -> Option<Obj> {
        let mut period = Obj::new();
        if attr(interval, "value").is_some() {
            period.opt("start", self.date_time(interval));
            return if period.is_empty() { None } else { Some(period) };
        }
        let ends = (interval.child("low").or_else(|| interval.child("center")), interval.child("high"));
        let start = ends.0.and_then(|low| attr(low, "value")).and_then(Stamp::parse);
        let end = ends.1.and_then(|high| attr(high, "value")).and_then(Stamp::parse);
        period.opt("start", ends.0.and_then(|low| self.date_time(low)));
        match (start, end, ends.1) {
            (Some(start), Some(end), Some(high)) if start.is_after(&end, self.zone) => {
                self.left(high, Why::Invalid);
                self.find("ccda-period-order", Severity::Warning, interval, "the end is before the start; the end is left out");
            }
            (_, _, Some(high)) => period.opt("end", self.date_time(high)),
            _ => {}
        }
        // FHIR cannot compare a day with a time of that day (per-1): both get the precision of the shorter.
        if let (Some(start), Some(end)) = (period.get("start").and_then(Json::as_str), period.get("end").and_then(Json::as_str)) {
            let shorter = start.len().min(end.len()).min(10);
            if start.len() != end.len() && start.len().min(end.len()) <= 10 && start.get(..shorter) == end.get(..shorter) {
                let same = start.get(..shorter).unwrap_or("").to_owned();
                period.put("start", same.clone());
                period.put("end", same);
            }
        }
        if period.is_empty() { None } else { Some(period) }
    }

    /// A time that FHIR takes as a point or as a period: `{name}DateTime` or `{name}Period`.
    pub(super) fn time_or_period(&mut self, body: &mut Obj, time: Option<Element<'d>>, keys: (&'static str, &'static str)) {
        let Some(time) = time else { return };
        let has = |name: &str| time.child(name).is_some_and(|part| attr(part, "value").is_some());
        let same = || time.child("low").and_then(|low| attr(low, "value")) == time.child("high").and_then(|high| attr(high, "value"));
        if has("low") && has("high") && same() {
            if let Some(high) = time.child("high") {
                self.took(high);
            }
            body.opt(keys.0, self.one_time(time));
        } else if attr(time, "value").is_none() && (has("high") || has("low")) {
            // A start without an end is no point in time.
            body.opt(keys.1, self.period(time));
        } else {
            body.opt(keys.0, self.one_time(time));
        }
    }

    /// Puts the status that the code map has for the statement's. Where the document does not say, or says what FHIR has no code for,
    /// the status is absent for a reason, and there is a finding: a status is never made up.
    pub(super) fn put_status(&mut self, body: &mut Obj, statement: Element<'d>, map: &'static str, keys: (&'static str, &'static str)) {
        match self.status(statement, map) {
            Some(status) => body.put(keys.0, status),
            None => self.no_status(body, statement, keys.1),
        }
    }

    /// Says that the status is not known.
    pub(super) fn no_status(&mut self, body: &mut Obj, statement: Element<'d>, key: &'static str) {
        body.put(key, absent(absent_reason(statement.child("statusCode"))));
        self.find("ccda-status-unknown", Severity::Warning, statement, "the statement has no status that FHIR has; it is left open");
    }

    /// The statement's `statusCode` through a code map.
    pub(super) fn status(&mut self, statement: Element<'d>, map: &'static str) -> Option<&'static str> {
        let status = statement.child("statusCode")?;
        let code = attr(status, "code")?;
        match maps::map(map, &code.to_ascii_lowercase()) {
            Some(mapped) => {
                self.took(status);
                Some(mapped)
            }
            None => {
                self.left(status, Why::NoTarget);
                None
            }
        }
    }
}

fn plain_text(element: Element<'_>) -> Option<String> {
    if element.children().next().is_some() {
        return None;
    }
    let text = folded(&element.text());
    (!text.is_empty()).then_some(text)
}

/// A number of CDA as a number of JSON: `.5` and `+1.0` and `007` are allowed there.
pub(super) fn decimal(text: &str) -> Option<String> {
    let text = text.trim();
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    // 1,234.5 and 1e400 are no numbers here; FHIR keeps at most 18 digits.
    if rest.is_empty() || rest.len() > 40 || !rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    let (whole, fraction) = rest.split_once('.').map_or((rest, None), |(whole, fraction)| (whole, Some(fraction)));
    if fraction.is_some_and(|digits| digits.contains('.')) || (whole.is_empty() && fraction.is_none_or(str::is_empty)) {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let sign = if negative { "-" } else { "" };
    Some(match fraction {
        Some(fraction) if !fraction.is_empty() => format!("{sign}{whole}.{fraction}"),
        _ => format!("{sign}{whole}"),
    })
}

/// Unit, system and code of a quantity. What is not UCUM is a unit and no code.
pub(super) fn put_unit(quantity: &mut Obj, unit: Option<&str>) {
    let Some(unit) = unit else { return };
    let code = oid::ucum(unit);
    if unit != "1" {
        quantity.put("unit", folded(unit));
    }
    if let Some(code) = code {
        quantity.put("system", "http://unitsofmeasure.org");
        quantity.put("code", code.into_owned());
    }
}

/// Whether a text is a language tag of BCP 47.
pub(super) fn is_language(code: &str) -> bool {
    let mut parts = code.split('-');
    parts.next().is_some_and(|language| (2..=3).contains(&language.len()) && language.bytes().all(|byte| byte.is_ascii_alphabetic()))
        && parts.all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// The `mediaType` of an `ED`, if it is one.
pub(super) fn media_type(text: Element<'_>) -> Option<String> {
    let (kind, sub) = attr(text, "mediaType")?.split_once('/')?;
    let token = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte));
    (token(kind) && token(sub.split(';').next().unwrap_or("").trim_end())).then(|| format!("{kind}/{}", folded(sub)))
}

/// An extension that says why there is no value.
pub(super) fn absent(reason: &str) -> Obj {
    let mut extension = Obj::of("url", "http://hl7.org/fhir/StructureDefinition/data-absent-reason");
    extension.put("valueCode", reason.to_owned());
    let mut element = Obj::new();
    element.push("extension", extension);
    element
}

/// The reason for a nullFlavor, `unknown` where there is none.
pub(super) fn absent_reason(element: Option<Element<'_>>) -> &'static str {
    element
        .and_then(|element| element.null_flavor())
        .and_then(|flavor| maps::map("NullFlavorDataAbsentReason", flavor))
        .unwrap_or("unknown")
}

/// A CodeableConcept of one code.
pub(super) fn coded(system: &'static str, code: &'static str, display: &'static str) -> Obj {
    let mut coding = Obj::of("system", system);
    coding.put("code", code);
    coding.put("display", display);
    let mut concept = Obj::new();
    concept.push("coding", coding);
    concept
}

/// A CodeableConcept that is required and was not sent: the reason for it.
pub(super) fn absent_concept(element: Option<Element<'_>>) -> Obj {
    let reason = absent_reason(element);
    let mut coding = Obj::of("system", "http://terminology.hl7.org/CodeSystem/data-absent-reason");
    coding.put("code", reason.to_owned());
    let mut concept = Obj::new();
    concept.push("coding", coding);
    concept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for (sent, expected) in [("80", "80"), (".5", "0.5"), ("+1.050", "1.050"), ("-0.1", "-0.1"), ("007", "7"), ("5.", "5"), ("00", "0")]
        {
            assert_eq!(decimal(sent).as_deref(), Some(expected), "{sent}");
        }
        for sent in ["", ".", "-", "1,2", "1e3", "1.2.3", "<5", "five"] {
            assert_eq!(decimal(sent), None, "{sent}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_number_is_json(text in "[-+]?[0-9]{0,5}[.]?[0-9]{0,5}") {
            if let Some(number) = decimal(&text) {
                proptest::prop_assert!(serde_json::from_str::<serde_json::Value>(&number).is_ok(), "{}", number);
            }
        }
    }
}
