//! Signatures by GnuPG, with RSA-4096 as Amazon's key and other algorithms.

use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use ecs_init::verify::{Keyring, VerifyError, verify_signature};

use crate::fixtures::{Fixture, tar, verify_error};

/// A GnuPG home with its own agent, which is stopped on drop.
struct Gpg<'d> {
    home: &'d Path,
}

impl<'d> Gpg<'d> {
    /// Starts the agent: gpg itself waits only 5 s for it.
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
fn signatures_by_gnupg() {
    use std::os::unix::fs::PermissionsExt;
    let fixture = Fixture::new();
    let home = fixture.dir.path().join("gnupg");
    std::fs::create_dir(&home).unwrap();
    std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o700)).unwrap();
    let gpg = Gpg::at(&home);
    let tar = tar(1);
    let path = fixture.file("signed.tar", &tar);
    let path = path.to_str().unwrap();
    for algorithm in ["rsa2048", "rsa4096", "ed25519", "nistp256"] {
        let user = format!("{algorithm}@example.org");
        gpg.run(&["--quick-generate-key", &user, algorithm, "sign", "never"]);
        let ring = fixture.file("ring.asc", &gpg.run(&["--armor", "--export", &user]));
        let keyring = Keyring::load(Some(&ring)).unwrap();
        for encoding in ["--armor", "--no-armor"] {
            let out = ["--local-user", &user, encoding, "--output", "-"];
            let detached = gpg.run(&[&out[..], &["--detach-sign", path]].concat());
            let unverified = fixture.unverified(&tar, Some(&detached));
            let result = verify_signature(unverified, &keyring, SystemTime::now());
            assert!(result.is_ok(), "{algorithm} {encoding}: {result:?}");

            let unverified = fixture.unverified(&crate::fixtures::tar(2), Some(&detached));
            let error = verify_signature(unverified, &keyring, SystemTime::now()).unwrap_err();
            assert!(
                matches!(verify_error(&error), VerifyError::ContentMismatch),
                "{error}"
            );
        }
        // A text signature ignores line ends, and is rejected.
        let out = ["--local-user", &user, "--textmode", "--output", "-"];
        let lines = b"one line\nand another\n";
        let text = fixture.file("lines", lines);
        let detached = gpg.run(&[&out[..], &["--detach-sign", text.to_str().unwrap()]].concat());
        let unverified = fixture.unverified(lines, Some(&detached));
        let error = verify_signature(unverified, &keyring, SystemTime::now()).unwrap_err();
        assert!(
            matches!(verify_error(&error), VerifyError::MalformedSignature(_)),
            "{error}"
        );
    }
}
