//! Chooses the firewall for which rules are written.

use std::fs;

use crate::config::Firewall;
use crate::error::Result;
use crate::types::Root;

/// The firewall, and why it was chosen. `setting` is `ECS_INIT_FIREWALL`; with `None` (auto), the
/// firewall is iptables unless `missing_module` returns a kernel module that the kernel lacks and
/// iptables' rules need.
///
/// # Errors
/// Those of `missing_module`.
pub(crate) fn choose(
    setting: Option<Firewall>,
    missing_module: impl FnOnce() -> Result<Option<&'static str>>,
) -> Result<(Firewall, String)> {
    if let Some(firewall) = setting {
        return Ok((firewall, "set by ECS_INIT_FIREWALL".to_owned()));
    }
    Ok(match missing_module()? {
        None => (
            Firewall::Iptables,
            "auto: the kernel has nft_compat".to_owned(),
        ),
        Some(module) => (
            Firewall::Nftables,
            format!("auto: the kernel has no {module}, which iptables rules need"),
        ),
    })
}

/// The tables of iptables-legacy that are in use, each with its family, for example `ip filter`.
/// iptables-legacy uses the kernel's interface that preceded `nf_tables`.
pub(crate) fn legacy_tables(root: &Root) -> Vec<String> {
    ["ip", "ip6"]
        .into_iter()
        .flat_map(|family| {
            let file = root.at(format!("/proc/net/{family}_tables_names"));
            // A kernel without iptables-legacy does not have the file.
            let tables = fs::read_to_string(file).unwrap_or_default();
            let with_family = |table: &str| format!("{family} {table}");
            tables.lines().map(with_family).collect::<Vec<_>>()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, Kind};
    use crate::testing::TempDir;

    #[test]
    fn auto_is_iptables_unless_a_kernel_module_is_missing() {
        let auto = |missing| choose(None, || Ok(missing)).unwrap();
        assert_eq!(auto(None).0, Firewall::Iptables);
        let (firewall, reason) = auto(Some("xt_nat"));
        assert_eq!(firewall, Firewall::Nftables);
        assert!(reason.contains("xt_nat"), "{reason}");
        // `missing_module` is called for auto only.
        let fails = || Err(Error::new(Kind::Io, "asked"));
        for firewall in [Firewall::Iptables, Firewall::Nftables] {
            assert_eq!(choose(Some(firewall), fails).unwrap().0, firewall);
        }
        assert!(choose(None, fails).is_err());
    }

    #[test]
    fn legacy_tables_are_listed_with_their_family() {
        let dir = TempDir::new("legacy");
        let root = Root::new(dir.path());
        assert_eq!(legacy_tables(&root), [""; 0]);
        fs::create_dir_all(root.at("/proc/net")).unwrap();
        fs::write(root.at("/proc/net/ip6_tables_names"), "filter\n").unwrap();
        assert_eq!(legacy_tables(&root), ["ip6 filter"]);
        fs::write(root.at("/proc/net/ip_tables_names"), "nat\nfilter\n").unwrap();
        assert_eq!(legacy_tables(&root), ["ip nat", "ip filter", "ip6 filter"]);
    }
}
