//! Downloads: the agent's tar and its signature, and the configuration from S3.
//!
//! [`Search`] tries the sources of the tar in this order: the file that the configuration names,
//! the mirror, the region's bucket, the partition's bucket. It asks IMDS for the region only when
//! it comes to the buckets. What it finds is not verified: [`crate::types::UnverifiedTar`].

mod credentials;
mod download;
pub mod imds;
mod options;
mod partition;
mod progress;
mod resume;
pub mod s3_config;
mod search;
mod urls;

pub use download::Download;
pub use options::{FetchOptions, MinThroughput};
pub(crate) use progress::ProgressLog;
pub use search::{Found, LocalTar, Search};
