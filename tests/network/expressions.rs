//! The bytes of rules in the kernel: nft does not print the structs of matches and targets.

use ecs_init::network::netlink::attr::Attributes;
use ecs_init::network::netlink::connection::{Connection, Request};
use ecs_init::network::netlink::message::DUMP;
use ecs_init::sys::netlink::Protocol;

use crate::apply;
use crate::namespace::{in_namespace, sh};
use crate::oracle::REFERENCE;

/// `NFT_MSG_GETRULE` in nfnetlink's subsystem 10.
const GET_RULE: u16 = 10 << 8 | 7;

/// An expression: its name and the bytes of its attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Expression {
    name: String,
    data: Vec<u8>,
}

/// A rule's family, table and chain, and its expressions.
type RawRule = (u8, String, String, Vec<Expression>);

fn expressions(list: &[u8]) -> Option<Vec<Expression>> {
    let each = |(_, element)| {
        let element = Attributes::read(element)?;
        Some(Expression {
            name: element.text(1)?.to_owned(),
            data: element.get(2)?.to_vec(),
        })
    };
    Attributes::read(list)?.iter().map(each).collect()
}

/// All rules of IPv4 and IPv6 by chain; those of one chain in their order.
fn rules() -> Vec<RawRule> {
    let mut all = Vec::new();
    for family in [2, 10] {
        let request = Request {
            kind: GET_RULE,
            flags: DUMP,
            body: vec![family, 0, 0, 0],
        };
        let mut connection = Connection::open(Protocol::Netfilter).expect("netlink");
        let dump = connection.request(request, |_, body| {
            let rule = Attributes::read(body.get(4..)?)?;
            let list = expressions(rule.get(4)?)?;
            all.push((
                family,
                rule.text(1)?.to_owned(),
                rule.text(2)?.to_owned(),
                list,
            ));
            Some(())
        });
        dump.expect("a dump of the rules");
    }
    // The kernel lists tables in the order of their creation. The sort is stable.
    all.sort_by(|a, b| (a.0, &a.1, &a.2).cmp(&(b.0, &b.1, &b.2)));
    all
}

/// The port, if the two expressions are `--dport` of iptables 1.8.9: a load of the bytes 2 and 3 of
/// the transport header, and a comparison.
fn native_port(load: &Expression, compare: &Expression) -> Option<u16> {
    let load_data = Attributes::read(&load.data)?;
    let numbers = (load_data.be32(2)?, load_data.be32(3)?, load_data.be32(4)?);
    if load.name != "payload" || compare.name != "cmp" || numbers != (2, 2, 2) {
        return None;
    }
    let data = Attributes::read(&compare.data)?;
    let value = data.nested(3)?.get(1)?;
    (data.be32(2)? == 0).then_some(())?;
    Some(u16::from_be_bytes(value.try_into().ok()?))
}

/// The `match tcp` for a port, from iptables 1.8.9, which writes it for a rule with a TCP option.
/// The option is then set to 0.
fn match_by_iptables(port: u16) -> Expression {
    /// The offset of the option: after the attributes name and revision (8 bytes each), the header
    /// of the third attribute (4 bytes), and the four ports.
    const OPTION: usize = 8 + 8 + 4 + 8;
    sh(&format!(
        "nft flush ruleset
         iptables -A INPUT -p tcp --dport {port} --tcp-option 77 -j DROP"
    ));
    let (.., list) = rules().pop().expect("the rule");
    let found = list.into_iter().find(|e| e.name == "match");
    let mut found = found.expect("iptables 1.8.9 writes TCP options as a match");
    assert_eq!(found.data[OPTION], 77, "{found:?}");
    found.data[OPTION] = 0;
    found
}

in_namespace! {
    fn rules_equal_the_references_byte_for_byte_except_the_port_match() {
        let matches = [80, 51678].map(|port| (port, match_by_iptables(port)));
        sh("nft flush ruleset");
        sh(REFERENCE);
        let mut expected = rules();
        let mut replaced = 0;
        for (.., list) in &mut expected {
            let Some((at, port)) = (1..list.len())
                .find_map(|i| Some((i - 1, native_port(&list[i - 1], &list[i])?)))
            else {
                continue;
            };
            let (_, by_iptables) = matches.iter().find(|(p, _)| *p == port).expect("a known port");
            list.splice(at..at + 2, [by_iptables.clone()]);
            replaced += 1;
        }
        // All of the seven rules except the one for forged localhost addresses.
        assert_eq!((expected.len(), replaced), (7, 6), "is the system's iptables 1.8.9?");
        sh("nft flush ruleset");
        apply();
        assert_eq!(rules(), expected);
    }
}
