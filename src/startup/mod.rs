//! What verbs do before their own work: the final configuration, and whose state this is.

pub mod instance_check;
pub mod resolve_config;
