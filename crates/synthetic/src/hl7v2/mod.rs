//! HL7 v2 feeds.

mod damage;
mod encounter;
mod facilities;
mod feed;
mod messages;
mod options;
mod orders;
mod results;
mod truth;
mod wire;

pub use damage::Expected;
pub use feed::Feed;
pub use options::{Compression, FeedOptions, LineEnd, Shape};
pub use truth::{AbnormalCounts, FileTruth, LabTruth, MalformedTruth, Truth};
