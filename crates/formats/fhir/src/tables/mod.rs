//! The default flat tables, one for each resource type that people use.
