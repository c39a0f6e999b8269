//! Whether the host has joined an Active Directory domain, for gMSA.
//!
//! Amazon's ecs-init runs `realm list`. realmd reads the files that joining writes, and this module
//! does too: the machine account's keys in `/etc/krb5.keytab`, and the daemon that uses them, SSSD
//! (`sssd.conf(5)`, a `[domain/…]` with `id_provider = ad`) or Winbind (`smb.conf(5)`,
//! `security = ads`). `ECS_DOMAIN_JOINED_LINUX_INSTANCE=true` overrides it.

use std::fs;
use std::path::PathBuf;

use crate::fs::ini;
use crate::types::Root;

/// Whether the host has joined a domain, by its files.
pub(super) fn is_joined(root: &Root) -> bool {
    let has_keys = fs::metadata(root.at("/etc/krb5.keytab")).is_ok_and(|m| m.len() > 0);
    let matches = |path: PathBuf, test: fn(&str) -> bool| {
        // Both programs ignore case.
        fs::read_to_string(path).is_ok_and(|text| test(&text.to_ascii_lowercase()))
    };
    let snippets = fs::read_dir(root.at("/etc/sssd/conf.d"))
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()));
    let mut sssd_files = std::iter::once(root.at("/etc/sssd/sssd.conf")).chain(snippets);
    has_keys
        && (sssd_files.any(|path| matches(path, sssd_uses_ad))
            || matches(root.at("/etc/samba/smb.conf"), winbind_uses_ad))
}

fn sssd_uses_ad(text: &str) -> bool {
    ini::entries(text).any(|entry| {
        entry.section.starts_with("domain/") && entry.key == "id_provider" && entry.value == "ad"
    })
}

fn winbind_uses_ad(text: &str) -> bool {
    ini::entries(text)
        .any(|entry| entry.section == "global" && entry.key == "security" && entry.value == "ads")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    #[test]
    fn joined_with_keys_and_sssd_or_winbind() {
        let dir = TempDir::new("domain");
        let root = Root::new(dir.path());
        let write = |path: &str, text: &str| {
            let path = root.at(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(
            "/etc/sssd/sssd.conf",
            "[sssd]\n[domain/corp.example]\nid_provider = ad\n",
        );
        assert!(!is_joined(&root), "without keys");
        write("/etc/krb5.keytab", "\x05\x02");
        assert!(is_joined(&root));
        write(
            "/etc/sssd/sssd.conf",
            "[sssd]\nid_provider = ad\n[domain/x]\nid_provider = ldap\n",
        );
        assert!(!is_joined(&root), "LDAP is not a domain");
        write(
            "/etc/sssd/conf.d/10-ad.conf",
            "[domain/corp]\n# comment\nid_provider=AD\n",
        );
        assert!(is_joined(&root));
        fs::remove_dir_all(root.at("/etc/sssd")).unwrap();
        write("/etc/samba/smb.conf", "[global]\n  security = user\n");
        assert!(!is_joined(&root));
        write("/etc/samba/smb.conf", "[global]\n  Security = ADS\n");
        assert!(is_joined(&root));
    }
}
