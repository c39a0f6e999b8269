//! `nft_compat`: the part of the kernel that lets `nf_tables` use modules of xtables, as iptables'
//! encoding needs it. It tells which modules it can have (`linux/netfilter/nf_tables_compat.h`), and
//! loads them to find out.

use super::super::netlink::attr::Writer;
use super::super::netlink::talk::{Failure, Request};
use super::{abi, kernel};
use crate::error::{Error, Kind, Result};

/// A match or a target, and the revision that our encoding uses.
struct Module {
    name: &'static str,
    revision: u32,
    kind: u32,
    /// The kernel's module.
    file: &'static str,
}

const MATCH: u32 = 0;
const TARGET: u32 = 1;

const MODULES: [Module; 4] = [
    Module {
        name: "tcp",
        revision: 0,
        kind: MATCH,
        file: "xt_tcpudp",
    },
    Module {
        name: "conntrack",
        revision: 3,
        kind: MATCH,
        file: "xt_conntrack",
    },
    Module {
        name: "DNAT",
        revision: 2,
        kind: TARGET,
        file: "xt_nat",
    },
    Module {
        name: "REDIRECT",
        revision: 0,
        kind: TARGET,
        file: "xt_REDIRECT",
    },
];

/// The first module that iptables' encoding of our rules needs and that the kernel has not.
///
/// # Errors
/// The kernel could not be asked.
pub fn missing() -> Result<Option<&'static str>> {
    const DOING: &str = "ask the kernel for its nft_compat";
    let mut talk = kernel::open()?;
    for module in MODULES {
        let mut attributes = Writer::new();
        attributes
            .text(abi::COMPAT_NAME, module.name)
            .be32(abi::COMPAT_REVISION, module.revision)
            .be32(abi::COMPAT_TYPE, module.kind);
        let request = Request {
            kind: abi::message::GET_COMPAT,
            flags: 0,
            body: abi::body(abi::FAMILY_IP4, 0, &attributes.finish()),
        };
        match talk.ask(request, |_, _| Some(())) {
            Ok(()) => {}
            Err(Failure::Refused(_, refusal)) => match refusal.errno {
                // nfnetlink has no such part.
                libc::EINVAL | libc::EOPNOTSUPP => return Ok(Some("nft_compat")),
                libc::ENOENT | libc::EPROTONOSUPPORT => return Ok(Some(module.file)),
                libc::EPERM => {
                    let doing = format!("{DOING} (it takes CAP_NET_ADMIN: run as root)");
                    return Err(Error::with_source(Kind::InvalidInput, doing, refusal));
                }
                _ => return Err(Error::with_source(Kind::InvalidInput, DOING, refusal)),
            },
            Err(Failure::Socket(error)) => {
                return Err(Error::with_source(Kind::InvalidInput, DOING, error));
            }
            Err(Failure::Changed | Failure::Malformed) => {
                return Err(Error::new(
                    Kind::InvalidInput,
                    format!("{DOING}: the answer cannot be read"),
                ));
            }
        }
    }
    Ok(None)
}
