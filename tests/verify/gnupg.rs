//! GnuPG as the oracle: what it signs is accepted, with a key of Amazon's kind among others.

use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use ecs_init::verify::{Keyring, Reason, signature};

use crate::make::{Bench, tar};

/// A GnuPG of its own. Dropping it ends the agent that it started, and no other.
struct Gpg<'d> {
    home: &'d Path,
}

impl<'d> Gpg<'d> {
    /// With its agent started: gpg itself waits for that no longer than 5 s.
    fn at(home: &'d Path) -> Self {
        let launched = || {
            Command::new("gpgconf")
                .env("GNUPGHOME", home)
                .args(["--launch", "gpg-agent"])
                .status()
                .is_ok_and(|status| status.success())
        };
        assert!((0..5).any(|_| launched()), "gpg-agent does not start");
        Gpg { home }
    }

    fn run(&self, arguments: &[&str]) -> Vec<u8> {
        let output = Command::new("gpg")
            .env("GNUPGHOME", self.home)
            .args(["--batch", "--yes", "--quiet", "--passphrase", ""])
            .args(["--pinentry-mode", "loopback"])
            .args(arguments)
            .output()
            .unwrap_or_else(|e| panic!("this test needs gpg (package gnupg): {e}"));
        assert!(output.status.success(), "gpg {arguments:?}: {output:?}");
        output.stdout
    }
}

impl Drop for Gpg<'_> {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf")
            .env("GNUPGHOME", self.home)
            .args(["--kill", "all"])
            .status();
    }
}

#[test]
fn what_gnupg_signs_is_accepted() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new();
    let home = bench.dir.path().join("gnupg");
    std::fs::create_dir(&home).unwrap();
    std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o700)).unwrap();
    let gpg = Gpg::at(&home);
    let tar = tar(1);
    let path = bench.file("signed.tar", &tar);
    let path = path.to_str().unwrap();
    for algorithm in ["rsa2048", "rsa4096", "ed25519", "nistp256"] {
        let user = format!("{algorithm}@example.org");
        gpg.run(&["--quick-generate-key", &user, algorithm, "sign", "never"]);
        let ring = bench.file("ring.asc", &gpg.run(&["--armor", "--export", &user]));
        let keyring = Keyring::load(Some(&ring)).unwrap();
        for spelling in ["--armor", "--no-armor"] {
            let out = ["--local-user", &user, spelling, "--output", "-"];
            let detached = gpg.run(&[&out[..], &["--detach-sign", path]].concat());
            let acquired = bench.acquired(&tar, Some(&detached));
            let verdict = signature(acquired, &keyring, SystemTime::now());
            assert!(verdict.is_ok(), "{algorithm} {spelling}: {verdict:?}");

            let acquired = bench.acquired(&crate::make::tar(2), Some(&detached));
            let refused = signature(acquired, &keyring, SystemTime::now()).unwrap_err();
            assert!(matches!(refused.reason(), Reason::Altered), "{refused}");
        }
        // What signs lines of text, whatever their ends, is another thing.
        let out = ["--local-user", &user, "--textmode", "--output", "-"];
        let lines = b"one line\nand another\n";
        let text = bench.file("lines", lines);
        let detached = gpg.run(&[&out[..], &["--detach-sign", text.to_str().unwrap()]].concat());
        let acquired = bench.acquired(lines, Some(&detached));
        let refused = signature(acquired, &keyring, SystemTime::now()).unwrap_err();
        assert!(
            matches!(refused.reason(), Reason::Malformed(_)),
            "{refused}"
        );
    }
}
