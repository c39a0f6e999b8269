//! What the kernel tells of changes, to those who joined its group.

use super::super::netlink::attr::Attributes;
use super::{abi, own};

pub use super::abi::GROUP;

/// What there is to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// A batch was obeyed; the rules are of this generation now.
    Generation(u32),
    /// Somebody takes our rules out, and means it.
    Farewell,
}

impl News {
    /// Reads a message's type and body; `None` for what tells us nothing.
    #[must_use]
    pub fn read(kind: u16, body: &[u8]) -> Option<News> {
        let (_, attributes) = abi::split(body)?;
        let attributes = Attributes::read(attributes)?;
        match kind {
            abi::message::NEW_GENERATION => {
                attributes.be32(abi::GENERATION_ID).map(News::Generation)
            }
            abi::message::NEW_TABLE => {
                let farewell = attributes.text(abi::TABLE_NAME) == Some(own::FAREWELL);
                farewell.then_some(News::Farewell)
            }
            _ => None,
        }
    }
}
