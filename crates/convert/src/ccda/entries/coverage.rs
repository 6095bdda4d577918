//! Coverage by payers, and advance directives.

use sutura_ccda::Element;

use super::{Context, EntryFate, Mapped, Ref, fault, related};
use crate::ccda::{
    account::Why,
    json::{Json, Obj},
    types::{absent_concept, attr, coded, folded, identity},
};

impl<'d> Context<'d> {
    /// A coverage activity with its policies: a Coverage for each.
    pub(super) fn coverage(&mut self, activity: Element<'d>) -> Mapped<EntryFate> {
        let mut found = Vec::new();
        for policy in related(activity, "COMP").filter(|inner| inner.name() == "act").collect::<Vec<_>>() {
            found.push(self.policy(policy, activity)?);
        }
        if found.is_empty() {
            return Ok(EntryFate::Unmapped);
        }
        self.left_frame(activity);
        if let Some(time) = activity.child("effectiveTime") {
            self.account.dropped_all(time, Why::Wrapper);
        }
        Ok(EntryFate::Mapped(found))
    }

    fn policy(&mut self, policy: Element<'d>, activity: Element<'d>) -> Mapped<Ref> {
        let mut body = Obj::new();
        self.narrative(policy, &mut body);
        body.extend("identifier", self.identifiers(policy));
        self.put_status(&mut body, activity, "CoverageStatus", ("status", "_status"));
        if let Some(status) = policy.child("statusCode") {
            self.left(status, Why::Repeated);
        }
        body.opt("type", policy.child("code").and_then(|code| self.concept(code)));
        let mut number = None;
        for participant in policy.children_named("participant") {
            let Some(role) = participant.child("participantRole") else { continue };
            match attr(participant, "typeCode") {
                Some("COV") => {
                    for id in role.children_named("id") {
                        if let Some((_, extension)) = identity(id).filter(|(_, extension)| !extension.is_empty()) {
                            number.get_or_insert_with(|| folded(extension));
                            self.took(id);
                        }
                    }
                    body.opt("relationship", role.child("code").and_then(|code| self.concept(code)));
                    body.opt("period", participant.child("time").and_then(|time| self.period(time)));
                    // Whom it covers is the patient, whose name and address are in the header.
                    for part in role.children() {
                        self.account.dropped_all(part, Why::Repeated);
                    }
                }
                Some("HLD") => {
                    let holder = self.related(role);
                    if let Some(holder) = holder.person {
                        body.put("policyHolder", holder);
                    }
                    for id in role.children_named("id") {
                        self.left(id, Why::NoTarget);
                    }
                }
                _ => {}
            }
        }
        body.opt("subscriberId", number);
        body.put("beneficiary", self.patient.clone());
        let mut payors = Vec::new();
        for performer in policy.children_named("performer") {
            let actor = self.participation(performer);
            if let Some(organization) = actor.organization {
                payors.push(organization.json());
            } else if let Some(entity) = performer.child("assignedEntity") {
                // The payer's identifier and name stand on the role.
                for id in self.identifiers(entity) {
                    payors.push(Obj::of("identifier", id));
                }
            }
        }
        if payors.is_empty() {
            payors.push(crate::ccda::types::absent("unknown"));
        }
        // US Core has one payer for a coverage.
        body.extend("payor", payors.into_iter().take(1));
        for plan in related(policy, "REFR").collect::<Vec<_>>() {
            let name = plan.child("text").and_then(|text| self.referred_text(text));
            let ids = self.identifiers(plan);
            let value = ids.first().and_then(Json::as_object).and_then(|id| id.get("value")).and_then(Json::as_str).map(str::to_owned);
            if plan.name() == "act"
                && attr(plan, "moodCode") == Some("DEF")
                && let Some(value) = value
            {
                let mut class = Obj::new();
                class.put("type", coded("http://terminology.hl7.org/CodeSystem/coverage-class", "plan", "Plan"));
                class.put("value", value);
                class.opt("name", name);
                body.push("class", class);
            } else {
                self.account.dropped_all(plan, Why::NoTarget);
            }
        }
        Ok(self.add("Coverage", policy, body))
    }

    /// An advance directive: a Consent of that scope.
    pub(super) fn directive(&mut self, directive: Element<'d>) -> Mapped<Ref> {
        let code = directive.child("code");
        let concept = code.and_then(|code| self.concept(code));
        let value = directive.child("value").and_then(|value| self.value_concept(value));
        if concept.is_none() && value.is_none() {
            return Err(fault("ccda-directive-empty", "code", "the directive says neither what it is about nor what is wanted"));
        }
        let mut body = Obj::new();
        self.narrative(directive, &mut body);
        body.extend("identifier", self.identifiers(directive));
        self.put_status(&mut body, directive, "ConsentStatus", ("status", "_status"));
        body.put("scope", coded("http://terminology.hl7.org/CodeSystem/consentscope", "adr", "Advanced Care Directive"));
        body.push("category", concept.unwrap_or_else(|| absent_concept(code)));
        body.put("patient", self.patient.clone());
        let period = directive.child("effectiveTime").and_then(|time| self.period(time));
        body.opt("dateTime", period.as_ref().and_then(|period| period.get("start").cloned()));
        for participant in directive.children_named("participant") {
            let time = participant.child("time").and_then(|time| self.one_time(time));
            let Some(role) = participant.child("participantRole") else { continue };
            match attr(participant, "typeCode") {
                Some("VRF") => {
                    let mut verification = Obj::new();
                    verification.put("verified", true);
                    verification.opt("verificationDate", time);
                    body.push("verification", verification);
                    self.account.dropped_all(role, Why::NoTarget);
                }
                Some("CST") => self.account.dropped_all(role, Why::NoTarget),
                _ => {}
            }
        }
        self.author(directive);
        // ppc-1: a consent has a policy or a rule.
        body.put("policyRule", Obj::of("text", "Advance directive"));
        let mut provision = Obj::new();
        provision.opt("period", period);
        if let Some(value) = value {
            provision.push("code", value);
        }
        body.put("provision", provision);
        for reference in directive.children_named("reference") {
            self.account.dropped_all(reference, Why::NoTarget);
        }
        Ok(self.add("Consent", directive, body))
    }
}
