//! Asks the kernel which xtables extensions `nft_compat` supports; the kernel loads their modules
//! for the reply. Source: `linux/netfilter/nf_tables_compat.h`.

use super::modules::EXTENSIONS;
use super::{abi, kernel};
use crate::error::Result;
use crate::network::netlink::attr::Writer;
use crate::network::netlink::connection::{NEEDS_CAP_NET_ADMIN, Request};

/// The first kernel module that the iptables encoding of the rules needs and that is missing.
///
/// # Errors
/// The kernel's answer cannot be read.
pub(crate) fn missing_module() -> Result<Option<&'static str>> {
    let mut connection = kernel::open()?;
    for extension in EXTENSIONS {
        let mut attributes = Writer::default();
        attributes
            .text(abi::COMPAT_NAME, extension.name)
            .be32(abi::COMPAT_REVISION, extension.revision)
            // 0 is a match, 1 a target.
            .be32(abi::COMPAT_TYPE, (extension.expression == "target").into());
        let request = Request {
            kind: abi::message::GET_COMPAT,
            flags: 0,
            body: abi::body(abi::FAMILY_IP4, 0, &attributes.finish()),
        };
        let Err(error) = connection.request(request, |_, _| Some(())) else {
            continue;
        };
        let hint = match error.errno() {
            // nfnetlink has no such subsystem.
            Some(libc::EINVAL | libc::EOPNOTSUPP) => return Ok(Some("nft_compat")),
            Some(libc::ENOENT | libc::EPROTONOSUPPORT) => return Ok(Some(extension.module)),
            Some(libc::EPERM) => NEEDS_CAP_NET_ADMIN,
            _ => "",
        };
        return Err(error.into_error(format!("query nft_compat{hint}")));
    }
    Ok(None)
}
