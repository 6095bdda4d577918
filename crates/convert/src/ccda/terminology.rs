//! The user's terminology over the resources of a document.

use sutura_terminology::{Coverage, UserTerminology};

use super::{
    context::Resource,
    json::{Json, Obj},
};
use crate::codes::{Sent, treat};

/// Elements that are a Coding by themselves.
const ALONE: [&str; 2] = ["class", "valueCoding"];

/// Translates and counts the codes of the resources.
pub(super) fn apply(resources: &mut [Resource], user: &UserTerminology, coverage: &mut Coverage) {
    for resource in resources {
        resource.body.each_object_mut(&mut |name, object| {
            if object.get("coding").is_some_and(|codings| !codings.items().is_empty()) {
                concept(object, user, coverage);
            } else if ALONE.contains(&name) {
                alone(object, user, coverage);
            }
        });
    }
}

fn sent(coding: &Obj) -> Option<Sent<'_>> {
    let text = |name| coding.get(name).and_then(Json::as_str).unwrap_or_default();
    let sent = Sent { uri: text("system"), local: "", code: text("code"), has_display: coding.has("display") };
    (!sent.code.is_empty()).then_some(sent)
}

fn concept(concept: &mut Obj, user: &UserTerminology, coverage: &mut Coverage) {
    let Some(list) = concept.get("coding") else { return };
    let (mut places, mut codings) = (Vec::new(), Vec::new());
    for (place, coding) in list.items().iter().enumerate() {
        if let Some(coding) = coding.as_object().and_then(sent) {
            places.push(place);
            codings.push(coding);
        }
    }
    let treatment = treat(user, &codings, coverage);
    if treatment.is_empty() {
        return;
    }
    let mut codings = concept.take_list("coding");
    for (number, display) in &treatment.displays {
        if let Some(Json::Object(coding)) = places.get(*number).and_then(|place| codings.get_mut(*place)) {
            coding.put("display", (*display).to_owned());
        }
    }
    if !treatment.front.is_empty() {
        let selected = codings.iter().any(|coding| coding.as_object().is_some_and(|coding| coding.has("userSelected")));
        if let Some(Json::Object(coding)) = places.first().filter(|_| !selected).and_then(|place| codings.get_mut(*place)) {
            coding.put("userSelected", true);
        }
        let front = treatment.front.iter().map(|found| {
            let mut coding = Obj::of("system", found.system.to_owned());
            coding.put("code", found.code.clone().into_owned());
            coding.opt("display", found.display.map(str::to_owned));
            Json::from(coding)
        });
        codings.splice(0..0, front.collect::<Vec<_>>());
    }
    concept.put_first("coding", codings);
}

fn alone(coding: &mut Obj, user: &UserTerminology, coverage: &mut Coverage) {
    let Some(one) = sent(coding) else { return };
    if let Some((_, display)) = treat(user, &[one], coverage).displays.first() {
        coding.put("display", (*display).to_owned());
    }
}
