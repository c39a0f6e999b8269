//! Whether the host has joined an Active Directory domain, for gMSA.
//!
//! The reference runs `realm list` and looks for a realm's name. realmd knows it from the files
//! that joining writes, and those are read here: the machine account's keys in `/etc/krb5.keytab`,
//! and the daemon that uses them, SSSD (`sssd.conf(5)`, a `[domain/…]` with `id_provider = ad`) or
//! Winbind (`smb.conf(5)`, `security = ads`).

use std::fs;
use std::path::PathBuf;

use crate::types::Root;

/// Looks at the files. Who has neither daemon but did join says so with
/// `ECS_DOMAIN_JOINED_LINUX_INSTANCE=true`.
pub fn joined(root: &Root) -> bool {
    let keys = fs::metadata(root.at("/etc/krb5.keytab")).is_ok_and(|m| m.len() > 0);
    let says = |path: PathBuf, test: fn(&str) -> bool| {
        fs::read_to_string(path).is_ok_and(|text| test(&text))
    };
    let snippets = fs::read_dir(root.at("/etc/sssd/conf.d"))
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()));
    keys && (std::iter::once(root.at("/etc/sssd/sssd.conf"))
        .chain(snippets)
        .any(|path| says(path, sssd))
        || says(root.at("/etc/samba/smb.conf"), winbind))
}

fn sssd(text: &str) -> bool {
    settings(text).any(|(section, key, value)| {
        section.starts_with("domain/") && key == "id_provider" && value == "ad"
    })
}

fn winbind(text: &str) -> bool {
    settings(text)
        .any(|(section, key, value)| section == "global" && key == "security" && value == "ads")
}

/// `section, key, value` of an INI file, all in lower case: both programs take either.
fn settings(text: &str) -> impl Iterator<Item = (String, String, String)> {
    let mut section = String::new();
    text.lines().filter_map(move |line| {
        let line = line.trim().to_ascii_lowercase();
        if line.starts_with(['#', ';']) {
            return None;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            name.trim().clone_into(&mut section);
            return None;
        }
        let (key, value) = line.split_once('=')?;
        Some((
            section.clone(),
            key.trim().to_owned(),
            value.trim().to_owned(),
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    #[test]
    fn keys_and_a_daemon_that_uses_them() {
        let dir = TempDir::new("domain");
        let root = Root::new(dir.path());
        let put = |path: &str, text: &str| {
            let path = root.at(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put(
            "/etc/sssd/sssd.conf",
            "[sssd]\n[domain/corp.example]\nid_provider = ad\n",
        );
        assert!(!joined(&root), "without keys");
        put("/etc/krb5.keytab", "\x05\x02");
        assert!(joined(&root));
        put(
            "/etc/sssd/sssd.conf",
            "[sssd]\nid_provider = ad\n[domain/x]\nid_provider = ldap\n",
        );
        assert!(!joined(&root), "LDAP is no domain");
        put(
            "/etc/sssd/conf.d/10-ad.conf",
            "[domain/corp]\n# by hand\nid_provider=AD\n",
        );
        assert!(joined(&root));
        fs::remove_dir_all(root.at("/etc/sssd")).unwrap();
        put("/etc/samba/smb.conf", "[global]\n  security = user\n");
        assert!(!joined(&root));
        put("/etc/samba/smb.conf", "[global]\n  Security = ADS\n");
        assert!(joined(&root));
    }
}
