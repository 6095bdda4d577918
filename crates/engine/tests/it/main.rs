//! Engine tests that go through its public face, in one binary (linking DataFusion once).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr)]

mod ccda;
mod dicom;
mod fhir;
mod hl7v2;
mod packed;
mod pass;
mod read;
mod s3;
mod toy;
mod views;
