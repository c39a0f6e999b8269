//! HTTP/1.1 with `ureq`, over transports that end every wait on SIGTERM or SIGINT.
//!
//! | module | content |
//! |---|---|
//! | [`client`] | the client for all servers except dockerd |
//! | [`error`] | kinds of failures |
//! | [`proxy`] | which proxy a URL is requested through (pure) |
//! | [`resolve`] | host names to addresses |
//! | [`tls`] | TLS over the transports |
//! | [`transport`] | Unix and TCP streams |
//! | [`url`] | parsing, redirects and redaction of URLs (pure) |

mod client;
mod error;
mod proxy;
mod resolve;
mod tls;
pub mod transport;
pub mod url;

pub use client::{Client, Response, Timeouts};
pub use error::HttpError;
