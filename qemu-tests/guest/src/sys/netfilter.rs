//! A dump of the kernel's nftables rules, for hosts without a tool to print them.
//!
//! It is only compared, so that it is not decoded. Handles, which change when a rule is restored,
//! and counters are left out.

use super::checked;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

// linux/netlink.h, linux/netfilter/nfnetlink.h, linux/netfilter/nf_tables.h
const NETLINK_NETFILTER: libc::c_int = 12;
const NFNL_SUBSYS_NFTABLES: u16 = 10;
const NFT_MSG_GETTABLE: u16 = 1;
const NFT_MSG_GETCHAIN: u16 = 4;
const NFT_MSG_GETRULE: u16 = 7;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_DUMP: u16 = 0x300;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const HEADER: usize = 16;
const GENMSG: usize = 4;
/// An attribute's type without the nested flag and the byte-order bit.
const TYPE_MASK: u16 = 0x3fff;
const NFTA_RULE_EXPRESSIONS: u16 = 4;

/// One line for every table, chain and rule, in the kernel's order.
///
/// # Errors
/// The kernel's error.
pub fn ruleset() -> io::Result<Vec<u8>> {
    let mut lines = Vec::new();
    for (what, message) in [
        ("table", NFT_MSG_GETTABLE),
        ("chain", NFT_MSG_GETCHAIN),
        ("rule", NFT_MSG_GETRULE),
    ] {
        for object in dump(message)? {
            lines.extend_from_slice(format!("{what} family {}", object[0]).as_bytes());
            attributes(&object[GENMSG..], message, &mut lines);
            lines.push(b'\n');
        }
    }
    Ok(lines)
}

/// The top-level attributes without an effect on packets.
fn ignored(message: u16) -> &'static [u16] {
    match message {
        NFT_MSG_GETTABLE => &[3, 4],    // NFTA_TABLE_USE, NFTA_TABLE_HANDLE
        NFT_MSG_GETCHAIN => &[2, 6, 8], // NFTA_CHAIN_HANDLE, _USE, _COUNTERS
        _ => &[3, 6],                   // NFTA_RULE_HANDLE, _POSITION
    }
}

/// Writes attributes as `type=bytes`, a rule's expressions one by one.
fn attributes(data: &[u8], message: u16, out: &mut Vec<u8>) {
    for (kind, value) in Attributes(data) {
        if ignored(message).contains(&kind) {
            continue;
        }
        out.extend_from_slice(format!(" {kind}=").as_bytes());
        // The kernel does not mark this attribute as nested.
        if message == NFT_MSG_GETRULE && kind == NFTA_RULE_EXPRESSIONS {
            for (_, expression) in Attributes(value) {
                if !is_counter(expression) {
                    out.extend_from_slice(format!("[{}]", printable(expression)).as_bytes());
                }
            }
        } else {
            out.extend_from_slice(printable(value).as_bytes());
        }
    }
}

/// Types and values of a sequence of attributes, linux/netlink.h `struct nlattr`.
struct Attributes<'a>(&'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let head = self.0.get(..4)?;
        let length = usize::from(u16::from_ne_bytes([head[0], head[1]]));
        let kind = u16::from_ne_bytes([head[2], head[3]]) & TYPE_MASK;
        let value = self.0.get(4..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some((kind, value))
    }
}

/// An expression whose name, its first attribute, is `counter`.
fn is_counter(value: &[u8]) -> bool {
    value.get(4..12) == Some(b"counter\0")
}

fn printable(value: &[u8]) -> String {
    match value.split_last() {
        Some((0, text)) if !text.is_empty() && text.iter().all(u8::is_ascii_graphic) => {
            String::from_utf8_lossy(text).into_owned()
        }
        _ => value.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

/// The bodies (from `nfgenmsg` on) of all objects of one kind.
fn dump(message: u16) -> io::Result<Vec<Vec<u8>>> {
    // SAFETY: no pointers are passed.
    let fd = checked(unsafe {
        libc::socket(
            libc::AF_NETLINK,
            libc::SOCK_RAW | libc::SOCK_CLOEXEC,
            NETLINK_NETFILTER,
        )
    })?;
    // SAFETY: the descriptor is new and owned here.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };

    let length = HEADER + GENMSG;
    let mut request = Vec::with_capacity(length);
    request.extend_from_slice(
        &u32::try_from(length)
            .map_err(io::Error::other)?
            .to_ne_bytes(),
    );
    request.extend_from_slice(&(NFNL_SUBSYS_NFTABLES << 8 | message).to_ne_bytes());
    request.extend_from_slice(&(NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    request.resize(length, 0);
    // SAFETY: the buffer is valid for its length.
    let sent = unsafe {
        libc::send(
            socket.as_raw_fd(),
            request.as_ptr().cast(),
            request.len(),
            0,
        )
    };
    if sent < 0 {
        return Err(io::Error::last_os_error());
    }

    let mut objects = Vec::new();
    let mut buffer = vec![0_u8; 256 << 10];
    loop {
        // SAFETY: the buffer is valid for writes for its length.
        let count = unsafe {
            libc::recv(
                socket.as_raw_fd(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                0,
            )
        };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        let mut rest = &buffer[..count];
        while rest.len() >= HEADER {
            let length = u32::from_ne_bytes([rest[0], rest[1], rest[2], rest[3]]) as usize;
            let kind = u16::from_ne_bytes([rest[4], rest[5]]);
            let Some(body) = rest.get(HEADER..length) else {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "truncated netlink message",
                ));
            };
            match kind {
                NLMSG_DONE => return Ok(objects),
                NLMSG_ERROR => {
                    let code = body.get(..4).map_or(0, |code| {
                        i32::from_ne_bytes([code[0], code[1], code[2], code[3]])
                    });
                    return Err(io::Error::from_raw_os_error(-code));
                }
                _ if body.len() >= GENMSG => objects.push(body.to_vec()),
                _ => {}
            }
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        }
    }
}
