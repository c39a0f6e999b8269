//! What the whole-system tests put into the hosts they make.
//!
//! - `driver` is process 1 of every such host: it mounts, brings the network
//!   up, reaps, and does what the harness asks for over one channel of JSON
//!   lines. It knows nothing of Docker or ecs-init.
//! - `agent` stands in for the Amazon ECS agent.
//! - `probe` fetches one URL, from inside a task container.
//! - `pid1` is process 1 of a tree that boots without an init system.
//!
//! All are static, so that they run in a host that has neither shell nor
//! C library.

pub mod driver;
pub mod http;
pub mod pid1;
pub mod sys;
