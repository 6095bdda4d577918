//! The sutura command
fn main() {}
