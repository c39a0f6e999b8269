//! Programs for the hosts of the end-to-end tests.
//!
//! - `driver` is process 1 of a host: it mounts file systems, brings the network up, reaps
//!   processes and executes the harness's requests, JSON lines over one channel. It does not
//!   depend on Docker or ecs-init.
//! - `agent` is the test agent, in place of the Amazon ECS agent.
//! - `probe` fetches one URL from inside a task container.
//! - `pid1` is process 1 of a tree without an init system.
//!
//! All are static, because a host may have neither a shell nor a C library.

pub mod driver;
pub mod http;
pub mod pid1;
pub mod sys;
