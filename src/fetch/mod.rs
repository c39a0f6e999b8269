//! Which tar, from where. Everything that it finds is unverified: [`UnverifiedTar`] for the verifier,
//! [`Download`] for the cache once the verifier is content.
//!
//! The order: the cache by its state ([`cache::Cache::state`]; the caller decides), then a
//! [`Search`]: the tar that the configuration names, the mirror, the region's bucket, the
//! partition's bucket. The region is asked for only when a bucket's turn comes.

pub mod credentials;
pub mod download;
pub mod imds;
mod progress;
pub mod region;
mod resume;
pub mod retry;
pub mod s3_config;
pub mod search;
pub mod trouble;
pub mod urls;

pub use download::Download;
pub use progress::{Least, Reporter};
pub use search::{Found, LocalTar, Search};
