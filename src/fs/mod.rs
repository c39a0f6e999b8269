//! Files and their formats: temporary files and atomic writes, directories, SHA-256, INI.

mod directory;
mod if_exists;
pub(crate) mod ini;
mod sha256;
mod temp_file;

pub(crate) use directory::create_directory;
pub(crate) use if_exists::if_exists;
pub(crate) use sha256::Sha256;
pub use sha256::{Digest, sha256};
pub use temp_file::TempFile;
pub(crate) use temp_file::{atomic_write, remove_stale, unique_path};
