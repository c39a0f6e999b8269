//! Files: written atomically, under a temporary name until they are complete.

mod temp_file;

pub use temp_file::{TempFile, atomic_write, remove_stale, unique_path};
