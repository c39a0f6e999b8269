//! Verification, with real keys and files.

mod accepted;
mod amazon;
mod bit_flips;
mod files;
mod fixtures;
mod gnupg;
mod rejected;
mod rejected_keys;
mod trust_policy;
