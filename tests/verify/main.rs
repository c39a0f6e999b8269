//! Verification, with real keys and real files.

mod accepted;
mod amazon;
mod doors;
mod files;
mod flipped;
mod gnupg;
mod make;
mod refused;
