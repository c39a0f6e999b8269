//! Notifications of changes, which the kernel sends to the multicast group [`GROUP`].

use super::abi;
use super::step::TEARDOWN_MARKER;
use crate::network::netlink::message::{self, Message};

pub use super::abi::GROUP;

/// A notification that the guard uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A batch was applied; the ruleset has this generation ID now.
    Generation(u32),
    /// Rules are removed on purpose: the teardown marker was created.
    Teardown,
}

impl Event {
    /// Decodes a message's type and body; `None` for other notifications.
    pub fn read(kind: u16, body: &[u8]) -> Option<Event> {
        let (_, attributes) = abi::split(body)?;
        match kind {
            abi::message::NEW_GENERATION => {
                attributes.be32(abi::GENERATION_ID).map(Event::Generation)
            }
            abi::message::NEW_TABLE => {
                let marker = attributes.text(abi::TABLE_NAME) == Some(TEARDOWN_MARKER);
                marker.then_some(Event::Teardown)
            }
            _ => None,
        }
    }
}

/// Distinguishes changes by other programs from those by this program. Pure.
#[derive(Debug, Default)]
pub(crate) struct EventFilter {
    /// The generation ID that was last read or written.
    pub known_generation: Option<u32>,
    /// Whether rules were removed on purpose and must not be restored.
    pub torn_down: bool,
}

impl EventFilter {
    /// Processes one datagram of notifications; returns whether another program changed the
    /// ruleset.
    pub fn process(&mut self, datagram: &[u8]) -> bool {
        let Some(messages) = message::read(datagram) else {
            return true;
        };
        let mut changed = false;
        for received in messages {
            let Message::Object { kind, body } = received.message else {
                continue;
            };
            match Event::read(kind, body) {
                Some(Event::Generation(id)) => changed |= self.known_generation != Some(id),
                Some(Event::Teardown) => self.torn_down = true,
                None => {}
            }
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::netlink::attr::Writer;

    fn message(kind: u16, fill: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut attributes = Writer::default();
        fill(&mut attributes);
        let body = abi::body(abi::FAMILY_IP4, 0, &attributes.finish());
        let mut bytes = Vec::new();
        message::write(&mut bytes, kind, 0, 0, &body);
        bytes
    }

    fn generation(id: u32) -> Vec<u8> {
        message(abi::message::NEW_GENERATION, |w| {
            w.be32(abi::GENERATION_ID, id);
        })
    }

    fn new_table(name: &str) -> Vec<u8> {
        message(abi::message::NEW_TABLE, |w| {
            w.text(abi::TABLE_NAME, name);
        })
    }

    #[test]
    fn only_an_unknown_generation_is_a_change() {
        let mut filter = EventFilter::default();
        assert!(filter.process(&generation(7)));
        filter.known_generation = Some(7);
        assert!(!filter.process(&generation(7)));
        assert!(!filter.process(&new_table("filter")));
        assert!(filter.process(&[generation(7), generation(8)].concat()));
        // A malformed datagram may have been a change.
        assert!(filter.process(&[1, 2, 3]));
        assert!(!filter.torn_down);
    }

    #[test]
    fn teardown_marker_stops_restoring() {
        let mut filter = EventFilter::default();
        let marker = new_table(TEARDOWN_MARKER);
        assert!(filter.process(&[marker, generation(9)].concat()));
        assert!(filter.torn_down);
    }
}
