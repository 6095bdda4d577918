//! ZIP3 under 45 CFR 164.514(b)(2)(i)(B), against the 2020 population of all 1,000 prefixes.

use std::{fs, io::Error, path::Path};

use sutura_privacy::functions;

use crate::{Suite, json};

/// Every prefix is kept exactly when the computed allow-list keeps it.
pub(crate) fn zip3(data: &Path) -> Result<Suite, Error> {
    let rules = data.join("deid/rules");
    let list = json(&rules.join("zip3.json"))?;
    let of = |key: &str| -> Vec<String> {
        list[key].as_array().into_iter().flatten().filter_map(|v| v.as_str()).map(ToOwned::to_owned).collect()
    };
    let suppressed: Vec<String> = [of("computed_2020_census_with_zcta"), of("computed_2020_no_zcta_at_all")].concat();
    let mut suite = Suite::default();
    let mut kept = 0;
    for line in fs::read_to_string(rules.join("zip3-population-2020.csv"))?.lines().skip(1) {
        let Some(prefix) = line.split(',').next().filter(|prefix| prefix.len() == 3) else { continue };
        let expected = if suppressed.iter().any(|zip| zip == prefix) { "000" } else { prefix };
        kept += u64::from(expected != "000");
        let code = format!("{prefix}01");
        let ours = functions::zip3(&code);
        suite.case(prefix, &if ours == expected { Vec::new() } else { vec![format!("{ours} instead of {expected}")] });
    }
    let wanted = list["keep_allow_list_2020_count"].as_u64().unwrap_or(0);
    suite.case("count", &if kept == wanted { Vec::new() } else { vec![format!("{kept} kept instead of {wanted}")] });
    Ok(suite)
}
