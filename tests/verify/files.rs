//! Invalid keyring files, special files, and tars that change.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, PermissionsExt, chown};

use ecs_init::error::Kind;
use ecs_init::types::{FileTrust, TarSource, UnverifiedTar};
use ecs_init::verify::{Keyring, VerifyError, verify_signature};
use sequoia_openpgp::serialize::MarshalInto;

use crate::fixtures::{Fixture, Sign, cert, now, public, public_armored, tar, verify_error};

#[test]
fn invalid_keyring_files() {
    let (fixture, cert) = (Fixture::new(), cert());
    let armored = public_armored(&cert);
    let public = public(&cert);
    let secret = cert.as_tsk().to_vec().unwrap();
    let cases: [(&str, &[u8], &str); 7] = [
        ("empty", b"", "empty"),
        ("text", b"hello", "neither binary OpenPGP nor"),
        ("noise", &[0xff; 100], "unusable certificate"),
        ("short", &armored[..armored.len() - 40], "truncated"),
        (
            "short-binary",
            &public[..public.len() - 1],
            "unusable certificate",
        ),
        ("secret", &secret, "secret key"),
        ("large", &vec![b' '; (4 << 20) + 1], "longer than"),
    ];
    for (name, content, why) in cases {
        let path = fixture.file(name, content);
        let error = Keyring::load(Some(&path)).expect_err(name);
        assert_eq!(error.kind(), Kind::InvalidInput, "{error}");
        let message = error.to_string();
        assert!(
            message.contains(path.to_str().unwrap()) && message.contains(why),
            "{message}"
        );
    }
    let missing = fixture.dir.path().join("missing");
    let error = Keyring::load(Some(&missing)).unwrap_err();
    assert_eq!(error.kind(), Kind::Io, "{error}");
    assert!(
        error.to_string().contains(missing.to_str().unwrap()),
        "{error}"
    );
}

#[test]
fn tar_is_not_a_regular_file() {
    let (fixture, cert, tar) = (Fixture::new(), cert(), tar(1));
    let asc = Sign::by(&cert).armored(&tar);
    let keyring = fixture.keyring(&[&cert]);
    for path in ["/dev/zero", "/"] {
        let file = File::open(path).unwrap();
        let unverified = UnverifiedTar::new(file, Some(asc.clone()), TarSource::File(path.into()));
        let error = verify_signature(unverified, &keyring, now()).unwrap_err();
        assert!(
            matches!(verify_error(&error), VerifyError::NotAFile),
            "{error}"
        );
    }
}

#[test]
fn tar_writable_by_others() {
    let (fixture, cert, tar) = (Fixture::new(), cert(), tar(2));
    let asc = Sign::by(&cert).armored(&tar);
    let keyring = fixture.keyring(&[&cert]);
    for mode in [0o666, 0o664, 0o602] {
        let unverified = fixture.unverified(&tar, Some(&asc));
        let path = fixture.dir.path().join("agent.tar");
        std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        let error = verify_signature(unverified, &keyring, now()).unwrap_err();
        assert!(
            matches!(verify_error(&error), VerifyError::WritableByOthers { mode: m, .. }
                if *m == mode),
            "{error}"
        );
    }
}

/// Needs root for chown(2).
#[test]
fn trusted_owners_of_a_tar() {
    let (fixture, cert, tar) = (Fixture::new(), cert(), tar(2));
    let asc = Sign::by(&cert).armored(&tar);
    let keyring = fixture.keyring(&[&cert]);
    for (trust, owner, mode, accepted) in [
        (FileTrust::Root, 0, 0o644, true),
        (FileTrust::Root, 1234, 0o644, false),
        (FileTrust::Owner(1234), 0, 0o644, true),
        (FileTrust::Owner(1234), 1234, 0o644, true),
        (FileTrust::Owner(1234), 1235, 0o644, false),
        (FileTrust::Owner(1234), 1234, 0o664, false),
        (FileTrust::Copied, 1234, 0o666, true),
    ] {
        let unverified = fixture.unverified(&tar, Some(&asc)).with_trust(trust);
        let path = fixture.dir.path().join("agent.tar");
        chown(&path, Some(owner), None).expect("this test needs root");
        std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        let result = verify_signature(unverified, &keyring, now());
        assert_eq!(result.is_ok(), accepted, "{trust:?} {owner} {mode:o}");
    }
}

#[test]
fn open_file_is_read_regardless_of_path_and_offset() {
    let (fixture, cert, tar) = (Fixture::new(), cert(), tar(3));
    let asc = Sign::by(&cert).armored(&tar);
    let path = fixture.file("moving.tar", &tar);
    let mut file = File::open(&path).unwrap();
    let mut start = [0; 100];
    file.read_exact(&mut start).unwrap();
    std::fs::rename(fixture.file("other", b"other"), &path).unwrap();
    let unverified = UnverifiedTar::new(file, Some(asc), TarSource::Cache(path));
    let verified =
        verify_signature(unverified, &fixture.keyring(&[&cert]), now()).expect("accepted");
    let mut read = Vec::new();
    verified.stream().unwrap().read_to_end(&mut read).unwrap();
    assert_eq!(read, tar);
}

/// Changes a file of this length.
type Change = fn(&File, u64);

#[test]
fn tar_changed_after_verification_is_never_read_completely() {
    let (cert, tar) = (cert(), tar(4));
    let asc = Sign::by(&cert).armored(&tar);
    let changes: [(&str, Change); 4] = [
        ("its first byte", |f, _| f.write_all_at(b"X", 0).unwrap()),
        ("its last byte", |f, n| f.write_all_at(b"X", n - 1).unwrap()),
        ("shorter by one", |f, n| f.set_len(n - 1).unwrap()),
        ("shorter by much", |f, n| f.set_len(n / 2).unwrap()),
    ];
    for (name, change) in changes {
        let fixture = Fixture::new();
        let verified = fixture.verify(&[&cert], &tar, &asc).expect("accepted");
        let path = fixture.dir.path().join("agent.tar");
        let writer = OpenOptions::new().write(true).open(path).unwrap();
        change(&writer, tar.len() as u64);
        let mut stream = verified.stream().unwrap();
        let mut read = Vec::new();
        let error = stream.read_to_end(&mut read).expect_err(name);
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{name}");
        assert!(read.len() <= tar.len() - 65_536, "{name}: {}", read.len());
        // Every further read fails, too.
        assert!(stream.read(&mut [0; 10]).is_err(), "{name}");
    }
}
