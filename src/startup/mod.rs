//! What several commands do first: wait for the final configuration, and check whether the agent's
//! state is that of another instance.

mod instance_check;
mod resolve_config;

pub use instance_check::report_foreign_state;
pub use resolve_config::resolve_config;
