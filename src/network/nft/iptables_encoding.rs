//! Rules as expressions in an encoding that every iptables-nft reads. If iptables finds an
//! expression that it does not know, it reports the whole table as incompatible or prints the rule
//! without it, and dockerd's own iptables commands fail.
//!
//! The encoding is that of iptables-nft 1.8.9, except for the port. 1.8.9 compares two bytes of the
//! TCP header; 1.8.7 and older ignore that comparison: they would print the rule without `--dport`,
//! `-D` would not find it, and after save and restore the rule would drop all TCP. So the port is
//! encoded as in 1.8.7, with xtables' `match tcp`, which all later versions read. The result equals
//! 1.8.7's expression by expression; 1.8.7, 1.8.9 and 1.8.11 print, check and delete each rule with
//! amazon-ecs-init's commands.

use super::abi;
use super::expressions::Expressions;
use super::modules;
use super::step::EncodedRule;
use super::{userdata, xtables};
use crate::network::rule::{Match, Rule, Verdict};

/// Encodes a rule.
pub(super) fn encode(rule: &Rule) -> EncodedRule {
    let mut list = Expressions::default();
    if let Some(Match { negated, value }) = &rule.interface {
        list.meta(abi::META_IIFNAME);
        // With its NUL: without it, the name would match as a prefix.
        let mut name = value.as_str().as_bytes().to_vec();
        name.push(0);
        list.compare(*negated, &name);
    }
    if rule.tcp_port.is_some() {
        list.tcp();
    }
    list.addresses(rule);
    if let Some(port) = rule.tcp_port {
        modules::TCP.push_to(&mut list, &xtables::write_tcp(port));
    }
    if let Some(states) = &rule.states {
        modules::CONNTRACK.push_to(&mut list, &xtables::write_conntrack(states));
    }
    list.counter();
    match rule.verdict {
        Verdict::Accept => list.verdict(abi::ACCEPT),
        Verdict::Drop => list.verdict(abi::DROP),
        Verdict::Dnat(to) => modules::DNAT.push_to(&mut list, &xtables::write_dnat(to)),
        Verdict::Redirect(port) => {
            modules::REDIRECT.push_to(&mut list, &xtables::write_redirect(port));
        }
    }
    EncodedRule {
        text: rule.to_string().trim_start().to_owned(),
        expressions: list.finish(),
        compat_protocol: Some(rule.tcp_port.map_or(0, |_| abi::IPPROTO_TCP)),
        userdata: userdata::mark(),
    }
}
