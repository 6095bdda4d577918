//! Logs, to standard error: warnings of SQL functions, unless `SUTURA_LOG` says otherwise.
//!
//! Only our own crates log, and they log counts and codes. What other crates would log (a query's text,
//! a plan with its literals) may hold PHI, so it is shut out whatever the variable says.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, Layer, filter, layer::SubscriberExt, util::SubscriberInitExt};

/// The environment variable: a level (`info`, `debug`) or directives (`sutura_engine=debug`).
const VARIABLE: &str = "SUTURA_LOG";

/// Without the variable: a result in which values are missing is not to be taken for a whole one.
const DEFAULT: &str = "sutura_engine::functions=warn";

/// Starts logging. Quiet commands log only what the variable asks for.
pub(crate) fn start(quiet: bool) {
    let directives = std::env::var(VARIABLE).ok().filter(|text| !text.trim().is_empty());
    if quiet && directives.is_none() {
        return;
    }
    let directives = directives.as_deref().unwrap_or(DEFAULT);
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let ours = filter::filter_fn(|metadata| metadata.target() == "sutura" || metadata.target().starts_with("sutura_"));
    let layer = tracing_subscriber::fmt::layer().with_ansi(colours).with_writer(std::io::stderr).with_filter(EnvFilter::new(directives));
    // A second start (in tests) is no reason to fail.
    let _ = tracing_subscriber::registry().with(layer.with_filter(ours)).try_init();
}
