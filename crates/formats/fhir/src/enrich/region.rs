//! Geographic regions: US Census regions and divisions by state, UN M49 sub-regions by country.

use std::{collections::HashMap, sync::LazyLock};

use super::{
    limits::lines,
    system_url,
    write::{Coding, Writer},
};
use crate::json::Value;

const TABLE: &str = include_str!("../../data/enrich/regions.tsv");
/// The code system of M49, as FHIR's own value sets name it.
const M49: &str = "http://unstats.un.org/unsd/methods/m49/m49.htm";

/// Code and name.
type Area = (&'static str, &'static str);

struct Table {
    /// Postal code and name in upper case of each state: division and region.
    states: HashMap<String, (Area, Area)>,
    /// ISO 3166-1 alpha-2 and alpha-3 code: sub-region.
    countries: HashMap<&'static str, Area>,
    rows: usize,
}

static LOADED: LazyLock<Table> = LazyLock::new(|| {
    let mut table = Table { states: HashMap::new(), countries: HashMap::new(), rows: 0 };
    let mut regions: Vec<(Area, &'static str)> = Vec::new();
    for line in lines(TABLE) {
        let [kind, code, name, members] = line.split('\t').collect::<Vec<_>>()[..] else { continue };
        table.rows += 1;
        match kind {
            "census-region" => regions.push(((code, name), members)),
            "census-division" => {
                let Some((region, _)) = regions.iter().find(|(_, divisions)| divisions.split(' ').any(|one| one == code)) else { continue };
                for (postal, state) in members.split(' ').filter_map(|member| member.split_once('=')) {
                    for key in [postal.to_owned(), state.replace('_', " ").to_ascii_uppercase()] {
                        table.states.insert(key, ((code, name), *region));
                    }
                }
            }
            _ => {
                for (two, three) in members.split(' ').filter_map(|member| member.split_once('=')) {
                    table.countries.insert(two, (code, name));
                    table.countries.insert(three, (code, name));
                }
            }
        }
    }
    table
});

/// Longest text that is looked up: no state or code is longer.
const MOST_BYTES: usize = 32;

/// Text in upper case in a buffer of its own, if it may be a name.
fn upper<'b>(text: &str, buffer: &'b mut [u8; MOST_BYTES]) -> Option<&'b str> {
    let text = text.trim();
    let part = buffer.get_mut(..text.len())?;
    part.copy_from_slice(text.as_bytes());
    part.make_ascii_uppercase();
    std::str::from_utf8(part).ok()
}

/// The address that says where somebody lives: the first that is at home and not of the past, else the first not of the past.
fn residence(addresses: Value<'_>) -> Option<Value<'_>> {
    let home = addresses.items().find(|address| usage(*address) == Some("home"));
    home.or_else(|| addresses.items().find(|address| !matches!(usage(*address), Some("old" | "billing" | "temp"))))
}

fn usage(address: Value<'_>) -> Option<&str> {
    address.get("use")?.as_str()
}

/// Writes the region of a Patient, Organization or Location.
pub(super) fn write(kind: &str, resource: Value<'_>, default_country: Option<&str>, writer: &mut Writer<'_>) {
    let address = match kind {
        "Location" => resource.get("address"),
        _ => resource.get("address").and_then(residence),
    };
    let Some(address) = address else { return };
    let text = |name: &str| address.get(name).and_then(|text| text.as_str());
    let mut buffer = [0; MOST_BYTES];
    // No country is no country, whatever the state looks like: CA is a state and a country.
    let Some(country) = text("country").or(default_country).and_then(|country| upper(country, &mut buffer)) else { return };
    let Some(&(code, name)) = LOADED.countries.get(country) else { return };
    let united_states = matches!(country, "US" | "USA");
    writer.begin("geographic-region");
    writer.coding_part("region", Coding { system: M49, code, display: name });
    let mut buffer = [0; MOST_BYTES];
    if united_states
        && let Some(state) = text("state").and_then(|state| upper(state, &mut buffer))
        && let Some(((division, division_name), (region, region_name))) = LOADED.states.get(state)
    {
        writer.coding_part("censusRegion", Coding { system: system_url!("us-census-region"), code: region, display: region_name });
        writer.coding_part("censusDivision", Coding { system: system_url!("us-census-division"), code: division, display: division_name });
    }
    writer.end();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_read() {
        assert_eq!(LOADED.rows, lines(TABLE).count());
        // 50 states and the District of Columbia, by code and by name.
        assert_eq!(LOADED.states.len(), 102);
        assert_eq!(LOADED.countries.len(), 2 * 248);
        assert_eq!(LOADED.countries["DE"], ("155", "Western Europe"));
        assert_eq!(LOADED.countries["KEN"], ("014", "Eastern Africa"));
        assert_eq!(LOADED.states["NORTH DAKOTA"], (("4", "West North Central"), ("2", "Midwest")));
        assert_eq!(LOADED.states["MA"], (("1", "New England"), ("1", "Northeast")));
    }
}
