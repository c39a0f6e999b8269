//! `bake`: an image's root tree is filled.

use crate::bake::Order;
use crate::config::Config;
use crate::error::{Error, Result};

/// TODO
pub fn run(_config: &Config, _order: &Order) -> Result<()> {
    Err(Error::new("not yet"))
}
