//! Steps as the messages of one batch, which the kernel obeys as a whole or not at all.

use super::super::netlink::attr::Writer;
use super::super::netlink::message::{APPEND, CREATE, EXCLUSIVE};
use super::super::netlink::talk::Request;
use super::super::rule::{Family, Place, Rule};
use super::super::rules::Position;
use super::abi::Hook;
use super::plan::Step;
use super::{abi, encode, mark, own};

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
            let (table, name) = (place.table.name(), place.chain.name());
            chain(&mut attributes, table, name, place.hook(), *place);
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
        Step::MakeOwnTable(family) => {
            attributes
                .text(abi::TABLE_NAME, own::TABLE)
                .bytes(abi::TABLE_USERDATA, &mark::write());
            (abi::message::NEW_TABLE, CREATE | EXCLUSIVE, *family)
        }
        Step::MakeOwnChain(place) => {
            let name = own::name(*place);
            chain(
                &mut attributes,
                own::TABLE,
                &name,
                own::hook(*place),
                *place,
            );
            (abi::message::NEW_CHAIN, CREATE | EXCLUSIVE, place.family)
        }
        Step::WriteOwn(place, rule) => {
            attributes
                .text(abi::RULE_TABLE, own::TABLE)
                .text(abi::RULE_CHAIN, &own::name(*place))
                .bytes(abi::RULE_EXPRESSIONS | NESTED, &rule.expressions)
                .bytes(abi::RULE_USERDATA, &mark::write_with(&rule.text));
            (abi::message::NEW_RULE, CREATE | APPEND, place.family)
        }
        Step::RemoveOwnTable(family) => {
            attributes.text(abi::TABLE_NAME, own::TABLE);
            (abi::message::DELETE_TABLE, 0, *family)
        }
        Step::MakeFarewell => {
            attributes.text(abi::TABLE_NAME, own::FAREWELL);
            (abi::message::NEW_TABLE, CREATE, Family::Ip4)
        }
        Step::RemoveFarewell => {
            attributes.text(abi::TABLE_NAME, own::FAREWELL);
            (abi::message::DELETE_TABLE, 0, Family::Ip4)
        }
    };
    Request {
        kind,
        flags,
        body: abi::body(family.number(), 0, &attributes.finish()),
    }
}

fn chain(attributes: &mut Writer, table: &str, name: &str, hook: Hook, place: Place) {
    attributes
        .text(abi::CHAIN_TABLE, table)
        .text(abi::CHAIN_NAME, name)
        .nest(abi::CHAIN_HOOK, |data| {
            data.be32(abi::HOOK_NUMBER, hook.number)
                .be32(abi::HOOK_PRIORITY, hook.priority.cast_unsigned());
        })
        .be32(abi::CHAIN_POLICY, abi::ACCEPT)
        .text(abi::CHAIN_TYPE, place.kind())
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
