//! What commands do before their own work: wait for the final configuration, check whose state the
//! agent has.

pub mod instance_check;
pub mod resolve_config;
