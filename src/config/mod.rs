//! Reads files and environment into one immutable [`Config`]. No other code reads the environment.
//!
//! | module | contents |
//! |---|---|
//! | [`variables`] | the table: name, type, default, flags |
//! | [`model`] | `Config` and its parts |
//! | [`mod@file`] | the syntax of `ecs.config` |
//! | [`layers`] | environment and files as text, by precedence |
//! | [`value`], [`choice`] | parse text into a typed value |
//! | [`read`] | reads layers into a `Config` |
//! | [`origin`], [`warning`] | where a value was set; what is ignored and why |
//! | [`s3`] | the URL of a configuration in S3 |

mod choice;
pub(crate) mod file;
mod layers;
mod model;
mod origin;
mod read;
pub(crate) mod s3;
#[cfg(test)]
mod tests;
pub(crate) mod value;
mod variables;
mod warning;

pub use choice::{AgentSource, Firewall, Selinux};
pub(crate) use layers::{FILES, Layers};
pub use model::{
    AgentConfig, AwsCredentials, Config, NetworkConfig, S3Layer, SourceConfig, WebConfig,
};
pub use origin::{Origin, Setting};
pub(crate) use s3::S3Url;
pub(crate) use variables::secret_variables;
pub use warning::{Warning, log_once};

/// The process's environment. Bytes that are not UTF-8 are replaced.
pub fn environment() -> Vec<(String, String)> {
    let text = |s: std::ffi::OsString| s.to_string_lossy().into_owned();
    let all = std::env::vars_os();
    all.map(|(name, value)| (text(name), text(value))).collect()
}
