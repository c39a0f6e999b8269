//! Values that several modules share: each is checked once, where it is made.

mod architecture;
mod interface;
mod root;
mod tar;
mod version;

pub use architecture::Architecture;
pub use interface::Interface;
pub use root::Root;
pub use tar::{FileTrust, TarSource, UnverifiedTar};
pub use version::AgentVersion;
