//! Logs: off unless `SUTURA_LOG` says otherwise, to standard error.
//!
//! Only our own crates log, and they log counts and codes. What other crates would log (a query's text,
//! a plan with its literals) may hold PHI, so it is shut out whatever the variable says.

use tracing_subscriber::{EnvFilter, Layer, filter, layer::SubscriberExt, util::SubscriberInitExt};

/// The environment variable: a level (`info`, `debug`) or directives (`sutura_engine=debug`).
const VARIABLE: &str = "SUTURA_LOG";

/// Starts logging if asked for.
pub(crate) fn start() {
    let Some(directives) = std::env::var(VARIABLE).ok().filter(|text| !text.trim().is_empty()) else { return };
    let ours = filter::filter_fn(|metadata| metadata.target() == "sutura" || metadata.target().starts_with("sutura_"));
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_filter(EnvFilter::new(directives));
    // A second start (in tests) is no reason to fail.
    let _ = tracing_subscriber::registry().with(layer.with_filter(ours)).try_init();
}
