//! Steps as the messages of one batch, which the kernel obeys as a whole or not at all.

use super::super::netlink::attr::Writer;
use super::super::netlink::message::{APPEND, CREATE, EXCLUSIVE};
use super::super::netlink::talk::Request;
use super::super::rule::{Place, Rule};
use super::super::rules::Position;
use super::plan::Step;
use super::{abi, encode, mark};

/// The messages for `steps`, between begin and end: step `i` is message `i + 1`. The kernel
/// refuses them if its rules are no longer those of `generation`.
#[must_use]
pub fn messages(generation: u32, steps: &[Step]) -> Vec<Request> {
    let mut begin = Writer::new();
    begin.be32(abi::BATCH_GENERATION, generation);
    let limit = |kind, attributes: Writer| Request {
        kind,
        flags: 0,
        body: abi::body(0, abi::BATCH_RESOURCE, &attributes.finish()),
    };
    let mut messages = vec![limit(abi::message::BATCH_BEGIN, begin)];
    messages.extend(steps.iter().map(message));
    messages.push(limit(abi::message::BATCH_END, Writer::new()));
    messages
}

fn message(step: &Step) -> Request {
    let mut attributes = Writer::new();
    let (kind, flags, family) = match step {
        Step::MakeTable(family, table) => {
            attributes
                .text(abi::TABLE_NAME, table.name())
                .bytes(abi::TABLE_USERDATA, &mark::write());
            // Somebody else's is not to get our mark: what is there already is an error.
            (abi::message::NEW_TABLE, CREATE | EXCLUSIVE, *family)
        }
        Step::MakeChain(place) => {
            chain(&mut attributes, *place);
            (abi::message::NEW_CHAIN, CREATE | EXCLUSIVE, place.family)
        }
        Step::TakeOut(place, handle) => {
            attributes
                .text(abi::RULE_TABLE, place.table.name())
                .text(abi::RULE_CHAIN, place.chain.name())
                .be64(abi::RULE_HANDLE, *handle);
            (abi::message::DELETE_RULE, 0, place.family)
        }
        Step::Write(place, position, rule) => {
            write(&mut attributes, *place, rule);
            let flags = match position {
                Position::Head => CREATE,
                Position::Tail => CREATE | APPEND,
            };
            (abi::message::NEW_RULE, flags, place.family)
        }
        Step::RemoveChain(place) => {
            attributes
                .text(abi::CHAIN_TABLE, place.table.name())
                .text(abi::CHAIN_NAME, place.chain.name());
            (abi::message::DELETE_CHAIN, 0, place.family)
        }
        Step::RemoveTable(family, table) => {
            attributes.text(abi::TABLE_NAME, table.name());
            (abi::message::DELETE_TABLE, 0, *family)
        }
    };
    Request {
        kind,
        flags,
        body: abi::body(family.number(), 0, &attributes.finish()),
    }
}

fn chain(attributes: &mut Writer, place: Place) {
    let hook = place.hook();
    attributes
        .text(abi::CHAIN_TABLE, place.table.name())
        .text(abi::CHAIN_NAME, place.chain.name())
        .nest(abi::CHAIN_HOOK, |data| {
            data.be32(abi::HOOK_NUMBER, hook.number)
                .be32(abi::HOOK_PRIORITY, hook.priority.cast_unsigned());
        })
        .be32(abi::CHAIN_POLICY, abi::ACCEPT)
        // The types are called like the tables.
        .text(abi::CHAIN_TYPE, place.table.name())
        .bytes(abi::CHAIN_USERDATA, &mark::write());
}

fn write(attributes: &mut Writer, place: Place, rule: &Rule) {
    let encoded = encode::encode(rule);
    attributes
        .text(abi::RULE_TABLE, place.table.name())
        .text(abi::RULE_CHAIN, place.chain.name())
        .bytes(abi::RULE_EXPRESSIONS | NESTED, &encoded.expressions)
        .nest(abi::RULE_COMPAT, |data| {
            data.be32(abi::COMPAT_PROTOCOL, encoded.protocol.into())
                .be32(abi::COMPAT_FLAGS, 0);
        })
        .bytes(abi::RULE_USERDATA, &mark::write());
}

/// `NLA_F_NESTED`, for the list that is encoded elsewhere.
const NESTED: u16 = 1 << 15;
