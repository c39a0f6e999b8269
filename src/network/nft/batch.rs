//! Steps as the messages of one batch, which the kernel applies as a whole or not at all.

use super::step::Step;
use super::{abi, userdata};
use crate::network::netlink::attr::{NESTED, Writer};
use crate::network::netlink::connection::Request;
use crate::network::netlink::message::{APPEND, CREATE, EXCLUSIVE};
use crate::network::rules::Position;

/// The messages for `steps`, between begin and end: step `i` is message `i + 1`. The kernel rejects
/// the batch if its ruleset is not of this generation.
pub(crate) fn messages(generation: u32, steps: &[Step]) -> Vec<Request> {
    let mut begin = Writer::default();
    begin.be32(abi::BATCH_GENERATION, generation);
    let boundary = |kind, attributes: Writer| Request {
        kind,
        flags: 0,
        body: abi::body(0, abi::BATCH_RESOURCE, &attributes.finish()),
    };
    let mut messages = vec![boundary(abi::message::BATCH_BEGIN, begin)];
    messages.extend(steps.iter().map(message));
    messages.push(boundary(abi::message::BATCH_END, Writer::default()));
    messages
}

fn message(step: &Step) -> Request {
    let mut attributes = Writer::default();
    let (kind, flags, family) = match step {
        Step::AddTable(family, name) => {
            // EXCLUSIVE: a table that another program created must not get the mark.
            attributes
                .text(abi::TABLE_NAME, name)
                .bytes(abi::TABLE_USERDATA, &userdata::mark());
            (abi::message::NEW_TABLE, CREATE | EXCLUSIVE, *family)
        }
        Step::AddChain(chain) => {
            let hook = chain.hook();
            attributes
                .text(abi::CHAIN_TABLE, chain.table.name())
                .text(abi::CHAIN_NAME, chain.name())
                .nest(abi::CHAIN_HOOK, |data| {
                    data.be32(abi::HOOK_NUMBER, hook.number)
                        .be32(abi::HOOK_PRIORITY, hook.priority.cast_unsigned());
                })
                .be32(abi::CHAIN_POLICY, abi::ACCEPT)
                .text(abi::CHAIN_TYPE, chain.chain_type())
                .bytes(abi::CHAIN_USERDATA, &userdata::mark());
            (abi::message::NEW_CHAIN, CREATE | EXCLUSIVE, chain.family)
        }
        Step::AddRule(chain, position, rule) => {
            attributes
                .text(abi::RULE_TABLE, chain.table.name())
                .text(abi::RULE_CHAIN, chain.name())
                .bytes(abi::RULE_EXPRESSIONS | NESTED, &rule.expressions);
            if let Some(protocol) = rule.compat_protocol {
                attributes.nest(abi::RULE_COMPAT, |data| {
                    data.be32(abi::COMPAT_PROTOCOL, protocol.into())
                        .be32(abi::COMPAT_FLAGS, 0);
                });
            }
            attributes.bytes(abi::RULE_USERDATA, &rule.userdata);
            let flags = match position {
                Position::Head => CREATE,
                Position::Tail => CREATE | APPEND,
            };
            (abi::message::NEW_RULE, flags, chain.family)
        }
        Step::DeleteRule(chain, handle) => {
            attributes
                .text(abi::RULE_TABLE, chain.table.name())
                .text(abi::RULE_CHAIN, chain.name())
                .be64(abi::RULE_HANDLE, *handle);
            (abi::message::DELETE_RULE, 0, chain.family)
        }
        Step::DeleteChain(chain) => {
            attributes
                .text(abi::CHAIN_TABLE, chain.table.name())
                .text(abi::CHAIN_NAME, chain.name());
            (abi::message::DELETE_CHAIN, 0, chain.family)
        }
        Step::DeleteTable(family, name) => {
            attributes.text(abi::TABLE_NAME, name);
            (abi::message::DELETE_TABLE, 0, *family)
        }
    };
    Request {
        kind,
        flags,
        body: abi::body(abi::family_number(family), 0, &attributes.finish()),
    }
}
