//! Names, addresses and telephone numbers.

use sutura_ccda::Element;

use super::{
    account::Why,
    context::Context,
    json::{Json, Obj},
    maps,
    types::{attr, folded},
};

impl<'d> Context<'d> {
    /// `PN` as HumanNames: the name, and others for the nickname and the name at birth among its parts.
    pub(super) fn names(&mut self, element: Element<'d>, one: bool) -> Vec<Json> {
        let mut found = Vec::new();
        for name in element.children_named("name") {
            self.name(name, one, &mut found);
            if one && !found.is_empty() {
                break;
            }
        }
        found
    }

    fn name(&mut self, source: Element<'d>, one: bool, found: &mut Vec<Json>) {
        let mut name = Obj::new();
        let mut others = Vec::new();
        name.opt("use", attr(source, "use").and_then(|uses| uses.split_whitespace().find_map(|code| maps::map("NameUse", code))));
        for part in source.children() {
            let text = folded(&part.text());
            if text.is_empty() {
                continue;
            }
            let qualifier = attr(part, "qualifier").unwrap_or("");
            self.took(part);
            let has = |word: &str| qualifier.split_whitespace().any(|code| code == word);
            match part.name() {
                "family" if has("BR") && !one => {
                    let mut birth = Obj::of("use", "maiden");
                    birth.put("family", text);
                    others.push(birth);
                }
                "family" => match name.get("family").and_then(Json::as_str) {
                    Some(known) => {
                        let joined = format!("{known} {text}");
                        name.put("family", joined);
                    }
                    None => name.put("family", text),
                },
                "given" if has("CL") && !one => {
                    let mut nickname = Obj::of("use", "nickname");
                    nickname.push("given", text);
                    others.push(nickname);
                }
                "given" => name.push("given", text),
                "prefix" => name.push("prefix", text),
                "suffix" => name.push("suffix", text),
                "validTime" | "delimiter" => {}
                _ => self.left(part, Why::NoTarget),
            }
        }
        if source.children().next().is_none() {
            let text = folded(&source.text());
            if !text.is_empty() {
                self.took(source);
                name.put("text", text);
            }
        }
        if let Some(period) = source.child("validTime").and_then(|time| self.period(time)) {
            name.put("period", period);
        }
        // A name at birth is the name itself where there is no other family name.
        if !name.has("family")
            && let Some(at) = others.iter().position(|other| other.has("family"))
        {
            let birth = others.remove(at);
            let given = !name.has("use");
            if let Some(family) = birth.get("family") {
                name.put("family", family.clone());
            }
            if given {
                name.put("use", "maiden");
            }
        }
        if name.has("family") || name.has("given") || name.has("text") {
            found.push(name.into());
        }
        found.extend(others.into_iter().map(Json::from));
    }

    /// `AD`s as Addresses.
    pub(super) fn addresses(&mut self, element: Element<'d>) -> Vec<Json> {
        element.children_named("addr").filter_map(|addr| self.address(addr)).map(Json::from).collect()
    }

    pub(super) fn address(&mut self, addr: Element<'d>) -> Option<Obj> {
        let mut address = Obj::new();
        let mut content = false;
        for code in attr(addr, "use").unwrap_or("").split_whitespace() {
            match maps::map("AddressUse", code) {
                Some(mapped) if !address.has("use") => address.put("use", mapped),
                Some(_) => {}
                None if code == "PST" => address.put("type", "postal"),
                None if code == "PHYS" => address.put("type", "physical"),
                None => {}
            }
        }
        let mut street = String::new();
        for part in addr.children() {
            let text = folded(&part.text());
            if text.is_empty() {
                continue;
            }
            content |= !matches!(part.name(), "delimiter" | "useablePeriod");
            self.took(part);
            match part.name() {
                "streetAddressLine" | "additionalLocator" | "unitID" | "postBox" | "careOf" | "deliveryAddressLine" => {
                    address.push("line", text);
                }
                "houseNumber" | "houseNumberNumeric" | "direction" | "streetName" | "streetNameBase" | "streetNameType" => {
                    if !street.is_empty() {
                        street.push(' ');
                    }
                    street.push_str(&text);
                }
                "city" => address.put("city", text),
                "county" => address.put("district", text),
                "state" => address.put("state", text),
                "postalCode" => address.put("postalCode", text),
                "country" => address.put("country", text),
                "delimiter" => {}
                _ => {
                    self.left(part, Why::NoTarget);
                }
            }
        }
        address.push("line", street);
        if addr.children().next().is_none() {
            let text = folded(&addr.text());
            if !text.is_empty() {
                content = true;
                self.took(addr);
                address.put("text", text);
            }
        }
        if let Some(period) = addr.child("useablePeriod").and_then(|time| self.period(time)) {
            address.put("period", period);
        }
        content.then_some(address)
    }

    /// `TEL`s as ContactPoints.
    pub(super) fn telecoms(&mut self, element: Element<'d>) -> Vec<Json> {
        element.children_named("telecom").filter_map(|telecom| self.telecom(telecom)).map(Json::from).collect()
    }

    fn telecom(&mut self, telecom: Element<'d>) -> Option<Obj> {
        let value = attr(telecom, "value")?;
        let (scheme, rest) = match value.split_once(':') {
            Some((scheme, rest))
                if !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.')) =>
            {
                (scheme.to_ascii_lowercase(), rest)
            }
            _ => (String::new(), value),
        };
        let uses = attr(telecom, "use").unwrap_or("");
        let mut point = Obj::new();
        let system = match maps::map("TelecomType", &scheme) {
            Some("phone") if uses.split_whitespace().any(|code| code == "PG") => "pager",
            Some(system) => system,
            None if scheme == "https" || scheme == "ftp" => "url",
            None if rest.contains('@') => "email",
            None if scheme.is_empty() => "phone",
            None => "other",
        };
        let rest = if matches!(system, "url" | "other") && !scheme.is_empty() { value } else { rest };
        let rest = folded(rest.trim_start_matches("//"));
        if rest.is_empty() {
            // `tel:` and nothing after it.
            self.left(telecom, Why::Void);
            return None;
        }
        point.put("system", system);
        point.put("value", if system == "url" { value.to_owned() } else { rest });
        point.opt("use", uses.split_whitespace().find_map(|code| maps::map("TelecomUse", code)));
        if let Some(period) = telecom.child("useablePeriod").and_then(|time| self.period(time)) {
            point.put("period", period);
        }
        self.took(telecom);
        Some(point)
    }
}
