//! Validation of resources against their definitions.
