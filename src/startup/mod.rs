//! What commands do before their own work: wait for the final configuration, check whose state the
//! agent has.

mod instance_check;
mod resolve_config;

pub use instance_check::report_foreign_state;
pub use resolve_config::resolve_config;
