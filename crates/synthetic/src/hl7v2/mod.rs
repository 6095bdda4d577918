//! HL7 v2 feeds.

mod damage;
mod encounter;
pub(crate) mod facilities;
mod feed;
mod messages;
pub(crate) mod options;
mod orders;
mod results;
mod truth;
mod wire;

pub use damage::Expected;
pub use feed::Feed;
pub use options::{Compression, FeedOptions, LineEnd, Shape};
pub use truth::{AbnormalCounts, FileTruth, LabTruth, MalformedTruth, Truth};
