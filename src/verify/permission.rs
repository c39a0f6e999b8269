//! The two permissions to accept a tar without a signature. Only a configuration creates one, so
//! that code cannot accept what the configuration does not allow.

use crate::config::{Origin, SourceConfig};

/// `ECS_INIT_ALLOW_UNSIGNED=true`: cached and local tars need no signature.
#[derive(Debug, Clone)]
pub struct AllowUnsigned {
    origin: Origin,
}

impl AllowUnsigned {
    /// The permission, if the configuration grants it.
    pub fn from_config(config: &SourceConfig) -> Option<Self> {
        (*config.allow_unsigned).then(|| AllowUnsigned {
            origin: config.allow_unsigned.origin.clone(),
        })
    }

    /// Where the variable is set.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }
}

/// `ECS_INIT_REQUIRE_SIGNED_UPDATES` is not set: an update that the verified agent downloaded and
/// checked itself needs no signature.
#[derive(Debug, Clone)]
pub struct AllowUnsignedUpdate(());

impl AllowUnsignedUpdate {
    /// The permission, unless the configuration denies it.
    pub fn from_config(config: &SourceConfig) -> Option<Self> {
        (!*config.require_signed_updates).then_some(AllowUnsignedUpdate(()))
    }
}
