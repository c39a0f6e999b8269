//! Host names to addresses, with getaddrinfo(3). std hides whether a lookup failed permanently; a
//! name that does not exist must not be retried for minutes.

use std::ffi::{CStr, CString};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::{fmt, io, ptr};

/// Why a lookup failed.
#[derive(Debug)]
pub struct LookupError {
    /// Whether a retry may succeed, for example after a name server timeout.
    pub transient: bool,
    /// The resolver's message.
    pub why: String,
}

impl LookupError {
    /// A retry will not succeed.
    pub fn permanent(why: &str) -> Self {
        LookupError {
            transient: false,
            why: why.to_owned(),
        }
    }
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for LookupError {}

/// The list that getaddrinfo(3) allocates, freed on drop.
struct List(*mut libc::addrinfo);

impl Drop for List {
    fn drop(&mut self) {
        // SAFETY: the pointer is from a successful getaddrinfo call and is freed only here.
        unsafe { libc::freeaddrinfo(self.0) }
    }
}

/// The addresses of `host`, in the order in which they should be tried. Blocks until the C library
/// returns.
///
/// # Errors
/// See [`LookupError`].
pub fn lookup(host: &str) -> Result<Vec<IpAddr>, LookupError> {
    let name =
        CString::new(host).map_err(|_| LookupError::permanent("the name contains a NUL byte"))?;
    // SAFETY: all-zero is a valid addrinfo: no flags, no pointers.
    let mut hints: libc::addrinfo = unsafe { std::mem::zeroed() };
    hints.ai_family = libc::AF_UNSPEC;
    hints.ai_socktype = libc::SOCK_STREAM;
    let mut found = ptr::null_mut();
    // SAFETY: the name is NUL-terminated; name, hints and result outlive the call.
    let code =
        unsafe { libc::getaddrinfo(name.as_ptr(), ptr::null(), &raw const hints, &raw mut found) };
    match code {
        0 => Ok(addresses(&List(found))),
        libc::EAI_SYSTEM => Err(LookupError {
            transient: true,
            why: io::Error::last_os_error().to_string(),
        }),
        code => {
            // SAFETY: gai_strerror returns a static, NUL-terminated string for every code.
            let why = unsafe { CStr::from_ptr(libc::gai_strerror(code)) };
            Err(LookupError {
                transient: matches!(code, libc::EAI_AGAIN | libc::EAI_MEMORY),
                why: why.to_string_lossy().into_owned(),
            })
        }
    }
}

fn addresses(list: &List) -> Vec<IpAddr> {
    let mut all = Vec::new();
    let mut next = list.0;
    // SAFETY: `next` is null or points to an entry of the list, which lives as long as `list`.
    while let Some(entry) = unsafe { next.as_ref() } {
        match entry.ai_family {
            libc::AF_INET => {
                // SAFETY: for AF_INET the address is a sockaddr_in (getaddrinfo(3)). Its alignment
                // is not specified, so the read is unaligned.
                let v4 = unsafe { ptr::read_unaligned(entry.ai_addr.cast::<libc::sockaddr_in>()) };
                all.push(Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr)).into());
            }
            libc::AF_INET6 => {
                // SAFETY: for AF_INET6 the address is a sockaddr_in6; unaligned as above.
                let v6 = unsafe { ptr::read_unaligned(entry.ai_addr.cast::<libc::sockaddr_in6>()) };
                all.push(Ipv6Addr::from(v6.sin6_addr.s6_addr).into());
            }
            _ => {}
        }
        next = entry.ai_next;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lookup_of_address_literals() {
        assert_eq!(lookup("127.0.0.1").unwrap(), [Ipv4Addr::LOCALHOST]);
        assert_eq!(lookup("::1").unwrap(), [Ipv6Addr::LOCALHOST]);
    }

    #[test]
    fn lookup_of_empty_name_or_nul_fails() {
        assert!(!lookup("a\0b").unwrap_err().transient);
        assert!(lookup("").is_err());
    }
}
