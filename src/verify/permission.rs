//! The two permissions to do without a signature. Only a configuration makes one, so that what a
//! user did not allow cannot be called.

use crate::config::{Origin, SourceConfig};

/// `ECS_INIT_ALLOW_UNSIGNED=true`: a cached or local tar may come without a signature.
#[derive(Debug, Clone)]
pub struct AllowUnsigned {
    origin: Origin,
}

impl AllowUnsigned {
    /// The permission, if the configuration gives it.
    #[must_use]
    pub fn from_config(config: &SourceConfig) -> Option<Self> {
        (*config.allow_unsigned).then(|| AllowUnsigned {
            origin: config.allow_unsigned.origin.clone(),
        })
    }

    /// Where it was given.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }
}

/// `ECS_INIT_REQUIRE_SIGNED_UPDATES` is not set: what the verified agent fetched and checked for
/// itself may come without a signature.
#[derive(Debug, Clone)]
pub struct AllowUpdate(());

impl AllowUpdate {
    /// The permission, unless the configuration takes it away.
    #[must_use]
    pub fn from_config(config: &SourceConfig) -> Option<Self> {
        (!*config.require_signed_updates).then_some(AllowUpdate(()))
    }
}
