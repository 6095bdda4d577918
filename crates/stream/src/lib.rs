//! **Listeners and senders: what comes over the network is durable before it is answered.**
//!
//! - [`dicom::listener`]: a receiver of C-ECHO and C-STORE that files instances by a hash of their UID and keeps a journal of them,
//! - [`dicom::sender`]: sends files to another receiver, with retry and resume,
//! - [`StopToken`]: asks them to end; [`ServerTls`] and [`ClientTls`]: TLS with the same provider as everywhere here.
//!
//! Both run on blocking threads: an association is one thread, and there are few of them. What the messages mean is in [`sutura_dicom::dimse`].
//!
//! What it is not: no DataFusion, no job, and nothing that answers a query.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr))]

mod connection;
pub mod dicom;
mod error;
mod stop;
mod tls;

pub use error::StreamError;
pub use stop::StopToken;
pub use tls::{ClientTls, ServerTls};
