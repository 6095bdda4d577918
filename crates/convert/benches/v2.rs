//! Placeholder until the converter is there.
fn main() {}
