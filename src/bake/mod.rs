//! An image's root tree is filled: the verified tar, the binary, the service, the configuration,
//! and a manifest that says what was put there.
//!
//! What is to lie in the tree is decided first, as a list of [`Item`]s; then all of it is put
//! there, or nothing.

pub mod agent;
pub mod binary;
pub mod check;
mod fill;
pub mod image;
pub mod init;
pub mod item;
pub mod journal;
pub mod keyring;
mod lasting;
pub mod manifest;
pub mod options;
pub mod rivals;
pub mod settings;
pub mod superseded;
pub mod target;
pub mod tree;

pub use fill::{Baked, run};
pub use init::Init;
pub use item::{Content, Item};
pub use options::Options;
