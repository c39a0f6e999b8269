//! The driver: prepares a host and executes the harness's requests.

pub mod boot;
pub mod channel;
pub mod exchange;
pub mod files;
pub mod netif;
pub mod notify;
pub mod observe;
pub mod process;
pub mod server;
pub mod ustar;
