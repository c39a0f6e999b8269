//! Files and their formats: temporary files and atomic writes, directories, SHA-256, INI.

mod directory;
pub mod ini;
mod sha256;
mod temp_file;

pub use directory::create_directory;
pub use sha256::{Digest, Sha256, sha256};
pub use temp_file::{TempFile, atomic_write, remove_stale, unique_path};
