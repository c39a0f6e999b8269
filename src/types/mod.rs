//! Values that several modules share. Each is validated when it is created.

mod architecture;
mod bytes;
mod interface;
mod root;
mod signature;
mod tar;
mod version;

pub use architecture::Architecture;
pub(crate) use bytes::array_at;
pub use interface::Interface;
pub use root::Root;
pub(crate) use signature::{SIGNATURE_LIMIT, read_signature, signature_path};
pub use tar::{FileTrust, TarSource, UnverifiedTar};
pub use version::AgentVersion;
