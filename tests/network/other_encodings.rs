//! Rules in the encodings of iptables versions other than 1.8.9. They are written here as those
//! versions do; the system's iptables confirms their meaning.

use crate::namespace::{in_namespace, sh};
use crate::oracle::saved;
use crate::{apply, undo};
use ecs_init::network::netlink::attr::Writer;
use ecs_init::network::netlink::connection::{Connection, Request};
use ecs_init::network::netlink::message::CREATE;
use ecs_init::sys::netlink::Protocol;

fn expression(list: &mut Writer, name: &str, fill: impl FnOnce(&mut Writer)) {
    list.nest(1, |e| {
        e.text(1, name).nest(2, fill);
    });
}

fn compare(list: &mut Writer, operation: u32, value: &[u8]) {
    expression(list, "cmp", |d| {
        d.be32(1, 1).be32(2, operation).nest(3, |d| {
            d.bytes(1, value);
        });
    });
}

/// `-p tcp` as 1.8.11 writes it: a comparison of a byte of the IP header.
fn protocol_tcp(list: &mut Writer) {
    payload(list, 9, 1);
    compare(list, 0, &[6]);
}

fn payload(list: &mut Writer, offset: u32, length: u32) {
    expression(list, "payload", |d| {
        d.be32(1, 1).be32(2, 1).be32(3, offset).be32(4, length);
    });
}

/// A /8 as versions before 1.8.7 write it: four bytes with a mask.
fn loopback(list: &mut Writer, offset: u32, operation: u32) {
    payload(list, offset, 4);
    expression(list, "bitwise", |d| {
        d.be32(1, 1).be32(2, 1).be32(3, 4);
        d.nest(4, |d| {
            d.bytes(1, &[255, 0, 0, 0]);
        });
        d.nest(5, |d| {
            d.bytes(1, &[0; 4]);
        });
    });
    compare(list, operation, &[127, 0, 0, 0]);
}

fn xtables(list: &mut Writer, kind: &str, name: &str, revision: u32, info: &[u8]) {
    expression(list, kind, |d| {
        d.text(1, name).be32(2, revision).bytes(3, info);
    });
}

/// `match tcp`, revision 0, as 1.8.7 and this program write `--dport`.
fn tcp_port(list: &mut Writer, port: u16) {
    let mut info = Vec::new();
    for n in [0, u16::MAX, port, port] {
        info.extend(n.to_ne_bytes());
    }
    info.resize(16, 0);
    xtables(list, "match", "tcp", 0, &info);
}

fn drop_packet(list: &mut Writer) {
    expression(list, "immediate", |d| {
        d.be32(1, 0).nest(2, |d| {
            d.nest(2, |d| {
                d.be32(1, 0);
            });
        });
    });
}

/// Inserts a rule at the head of an existing IPv4 chain.
fn write(table: &str, chain: &str, protocol: u32, fill: impl FnOnce(&mut Writer)) {
    let mut rule = Writer::default();
    rule.text(1, table).text(2, chain).nest(4, fill);
    rule.nest(5, |d| {
        d.be32(1, protocol).be32(2, 0);
    });
    let message = |kind, flags, family, attributes: Vec<u8>| {
        let resource = if family == 0 { [0, 10] } else { [0, 0] };
        let body = [&[family, 0][..], &resource, &attributes].concat();
        Request { kind, flags, body }
    };
    let batch = vec![
        message(0x10, 0, 0, Vec::new()),
        message(0xa06, CREATE, 2, rule.finish()),
        message(0x11, 0, 0, Vec::new()),
    ];
    let mut connection = Connection::open(Protocol::Netfilter).expect("netlink");
    connection.batch(batch).expect("written");
}

/// `struct nf_nat_ipv4_multi_range_compat` to 127.0.0.1:51679.
fn old_nat_range() -> Vec<u8> {
    let mut info = 1_u32.to_ne_bytes().to_vec();
    info.extend(3_u32.to_ne_bytes());
    info.extend([127, 0, 0, 1, 127, 0, 0, 1]);
    info.extend(51679_u16.to_be_bytes());
    info.extend(51679_u16.to_be_bytes());
    info.resize(24, 0);
    info
}

in_namespace! {
    fn rules_in_other_encodings_are_recognised_as_duplicates() {
        apply();
        let written = saved();
        write("filter", "INPUT", 6, |list| {
            expression(list, "meta", |d| {
                d.be32(2, 6).be32(1, 1);
            });
            compare(list, 1, b"lo\0");
            protocol_tcp(list);
            tcp_port(list, 51678);
            expression(list, "counter", |_| {});
            drop_packet(list);
        });
        write("filter", "INPUT", 0, |list| {
            loopback(list, 12, 1);
            loopback(list, 16, 0);
            // Revision 2, 160 bytes: only the states, inverted.
            let mut info = vec![0; 146];
            for n in [1_u16, 1, 0x86] {
                info.extend(n.to_ne_bytes());
            }
            info.resize(160, 0);
            xtables(list, "match", "conntrack", 2, &info);
            drop_packet(list);
        });
        write("nat", "PREROUTING", 6, |list| {
            // 1.8.11 writes addresses first.
            payload(list, 16, 4);
            compare(list, 0, &[169, 254, 170, 2]);
            protocol_tcp(list);
            tcp_port(list, 80);
            xtables(list, "target", "DNAT", 0, &old_nat_range());
        });
        // iptables prints each like the rule of the reference.
        let twice = |rule: &str, chain: &str| {
            let all = sh(&format!("iptables -S INPUT; iptables -t nat -S {chain}"));
            assert_eq!(all.matches(rule).count(), 2, "{all}");
        };
        twice("! -i lo -p tcp -m tcp --dport 51678 -j DROP", "OUTPUT");
        twice("! -s 127.0.0.0/8 -d 127.0.0.0/8 -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP", "OUTPUT");
        // iptables 1.8.9 reads revision 0 of DNAT as its own revision and prints a wrong address;
        // the rest of the line is right.
        twice("-d 169.254.170.2/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination", "PREROUTING");
        apply();
        assert_eq!(saved(), written);
        write("filter", "INPUT", 6, |list| {
            expression(list, "meta", |d| {
                d.be32(2, 6).be32(1, 1);
            });
            compare(list, 1, b"lo\0");
            protocol_tcp(list);
            tcp_port(list, 51678);
            drop_packet(list);
        });
        undo();
        assert_eq!(saved(), "");
    }
}
