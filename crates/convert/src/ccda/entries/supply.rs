//! Supplies and devices.

use sutura_ccda::Element;

use super::{Context, EntryFate, Mapped, Ref, parts};
use crate::ccda::{
    account::Why,
    json::Obj,
    statement,
    types::{absent, absent_concept},
};

const FDA: &str = "2.16.840.1.113883.3.3719";
const UDI_PARTS: &[&str] = &["2.16.840.1.113883.10.20.22.4.311"];

impl<'d> Context<'d> {
    /// `participantRole` with a device: what it is, and its unique device identifier.
    pub(super) fn device(&mut self, role: Element<'d>) -> Option<Ref> {
        let mut body = Obj::new();
        body.extend("identifier", self.identifiers(role));
        let device = role.child("playingDevice");
        let udi = role
            .children_named("id")
            .filter_map(crate::ccda::types::identity)
            .find(|(root, extension)| *root == FDA && !extension.is_empty());
        if let Some((_, carrier)) = udi {
            let mut out = Obj::new();
            // The device identifier stands after (01), fourteen digits of GS1.
            out.opt(
                "deviceIdentifier",
                carrier.split_once("(01)").map(|(_, rest)| rest.chars().take(14).filter(char::is_ascii_digit).collect::<String>()),
            );
            out.put("carrierHRF", crate::ccda::types::folded(carrier));
            body.push("udiCarrier", out);
        }
        if let Some(scoping) = role.child("scopingEntity") {
            let name = scoping.child("desc").and_then(|name| self.text_of(name));
            body.opt("manufacturer", name);
            for id in scoping.children_named("id") {
                self.left(id, Why::NoTarget);
            }
        }
        if let Some(model) = device.and_then(|device| device.child("manufacturerModelName")).and_then(|name| self.text_of(name)) {
            body.put("modelNumber", model);
        }
        body.opt("type", device.and_then(|device| device.child("code")).and_then(|code| self.concept(code)));
        if body.is_empty() {
            return None;
        }
        body.put("patient", self.patient.clone());
        Some(self.add("Device", role, body))
    }

    /// A supply that the patient has: its Device, and that it is in use.
    pub(super) fn supply(&mut self, supply: Element<'d>) -> Mapped<EntryFate> {
        let role = supply.children_named("participant").find_map(|participant| participant.child("participantRole"));
        let device = match role.and_then(|role| self.device(role)) {
            Some(device) => Some(device),
            None => {
                let material = supply.path(&["product", "manufacturedProduct"]).and_then(|product| product.child("manufacturedMaterial"));
                let concept = material.and_then(|material| material.child("code")).and_then(|code| self.concept(code));
                let concept = concept.or_else(|| supply.child("code").and_then(|code| self.concept(code)));
                let concept =
                    concept.or_else(|| supply.child("text").and_then(|text| self.referred_text(text)).map(|text| Obj::of("text", text)));
                concept.map(|concept| {
                    let mut body = Obj::of("type", concept);
                    body.put("patient", self.patient.clone());
                    self.add_at("Device", supply, body)
                })
            }
        };
        let Some(device) = device else { return Ok(EntryFate::Unmapped) };
        let mut body = Obj::new();
        self.narrative(supply, &mut body);
        body.extend("identifier", self.identifiers(supply));
        self.put_status(&mut body, supply, "DeviceUseStatus", ("status", "_status"));
        body.put("subject", self.patient.clone());
        let time = supply.children_named("effectiveTime").next();
        if let Some(time) = time {
            match self.period(time) {
                Some(period) if period.has("end") => body.put("timingPeriod", period),
                Some(period) => body.opt("timingDateTime", period.get("start").cloned()),
                None => {}
            }
        }
        let author = self.author(supply);
        body.opt("recordedOn", author.time);
        body.put("device", device.clone());
        self.notes(supply, &mut body);
        if let Some(quantity) = supply.child("quantity") {
            self.left(quantity, Why::NoTarget);
        }
        for organizer in parts(supply, UDI_PARTS).collect::<Vec<_>>() {
            self.account.dropped_all(organizer, Why::NoTarget);
        }
        let statement = self.add("DeviceUseStatement", supply, body);
        Ok(EntryFate::Mapped(vec![statement, device]))
    }

    /// A supply that is ordered or planned.
    pub(super) fn supply_request(&mut self, supply: Element<'d>) -> Mapped<Ref> {
        let mut body = Obj::new();
        self.narrative(supply, &mut body);
        body.extend("identifier", self.identifiers(supply));
        let status = self.status(supply, "RequestStatus").map(|status| match status {
            "revoked" => "cancelled",
            "on-hold" => "suspended",
            other => other,
        });
        body.put("status", status.unwrap_or("unknown"));
        let product = supply.path(&["product", "manufacturedProduct"]);
        let material =
            product.and_then(|product| product.child("manufacturedMaterial").or_else(|| product.child("manufacturedLabeledDrug")));
        let code = material.and_then(|material| material.child("code")).or_else(|| supply.child("code"));
        let item = code
            .and_then(|code| self.concept(code))
            .or_else(|| supply.child("text").and_then(|text| self.referred_text(text)).map(|text| Obj::of("text", text)));
        body.put("itemCodeableConcept", item.unwrap_or_else(|| absent_concept(code)));
        let quantity = supply.child("quantity").and_then(|quantity| self.quantity(quantity));
        body.put("quantity", quantity.unwrap_or_else(|| absent("unknown")));
        let time = supply.children_named("effectiveTime").next();
        if let Some(time) = time {
            self.time_or_period(&mut body, Some(time), ("occurrenceDateTime", "occurrencePeriod"));
        }
        let author = self.author(supply);
        body.opt("authoredOn", author.time.clone());
        if let Some(person) = author.person_of(&["Practitioner", "Patient", "RelatedPerson", "Device"]) {
            body.put("requester", person.with_display(author.display));
        }
        body.put("deliverTo", self.patient.clone());
        for inner in supply
            .children_named("entryRelationship")
            .flat_map(|relation| relation.children())
            .filter(|inner| statement::is_statement(*inner))
            .collect::<Vec<_>>()
        {
            self.nested(inner);
        }
        if let Some(number) = supply.child("repeatNumber") {
            self.left(number, Why::NoTarget);
        }
        Ok(self.add("SupplyRequest", supply, body))
    }
}
