//! DICOM over TCP: a receiver and a sender of instances (C-STORE), and C-ECHO.

pub mod listener;
pub mod sender;

/// Seconds as settings have them.
fn seconds(seconds: u64) -> std::time::Duration {
    std::time::Duration::from_secs(seconds)
}
