//! Keyring files that are none, tars that are no files, and tars that change.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, PermissionsExt, chown};

use ecs_init::types::{FileTrust, TarSource, UnverifiedTar};
use ecs_init::verify::{Keyring, Reason, signature};
use sequoia_openpgp::serialize::MarshalInto;

use crate::make::{Bench, Sign, cert, now, public, public_armored, tar};

#[test]
fn a_bad_keyring_is_named_by_its_path() {
    let (bench, cert) = (Bench::new(), cert());
    let armored = public_armored(&cert);
    let public = public(&cert);
    let secret = cert.as_tsk().to_vec().unwrap();
    let cases: [(&str, &[u8], &str); 7] = [
        ("empty", b"", "it is empty"),
        ("text", b"hello", "neither binary OpenPGP nor holds"),
        (
            "noise",
            &[0xff; 100],
            "no usable certificate (unexpected EOF)",
        ),
        ("short", &armored[..armored.len() - 40], "cut short"),
        (
            "short-binary",
            &public[..public.len() - 1],
            "no usable certificate",
        ),
        ("secret", &secret, "holds the secret key"),
        ("large", &vec![b' '; (4 << 20) + 1], "larger than"),
    ];
    for (name, content, why) in cases {
        let path = bench.file(name, content);
        let error = Keyring::load(Some(&path)).expect_err(name).to_string();
        assert!(
            error.contains(path.to_str().unwrap()) && error.contains(why),
            "{error}"
        );
    }
    let missing = bench.dir.path().join("missing");
    let error = Keyring::load(Some(&missing)).unwrap_err().to_string();
    assert!(
        error.contains(missing.to_str().unwrap()) && error.contains("No such file"),
        "{error}"
    );
}

#[test]
fn what_is_no_regular_file_is_refused() {
    let (bench, cert, tar) = (Bench::new(), cert(), tar(1));
    let asc = Sign::by(&cert).armored(&tar);
    let keyring = bench.keyring(&[&cert]);
    for path in ["/dev/zero", "/"] {
        let file = File::open(path).unwrap();
        let acquired = UnverifiedTar::new(file, Some(asc.clone()), TarSource::File(path.into()));
        let refused = signature(acquired, &keyring, now()).unwrap_err();
        assert!(matches!(refused.reason(), Reason::Io(_)), "{refused}");
    }
}

#[test]
fn a_tar_that_others_may_write_to_is_refused() {
    let (bench, cert, tar) = (Bench::new(), cert(), tar(2));
    let asc = Sign::by(&cert).armored(&tar);
    let keyring = bench.keyring(&[&cert]);
    for mode in [0o666, 0o664, 0o602] {
        let acquired = bench.acquired(&tar, Some(&asc));
        let path = bench.dir.path().join("agent.tar");
        std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        let refused = signature(acquired, &keyring, now()).unwrap_err();
        assert!(
            matches!(refused.reason(), Reason::WritableByOthers { mode: m, .. } if *m == mode),
            "{refused}"
        );
    }
}

/// Needs root, to give files away.
#[test]
fn whose_a_tar_may_be() {
    let (bench, cert, tar) = (Bench::new(), cert(), tar(2));
    let asc = Sign::by(&cert).armored(&tar);
    let keyring = bench.keyring(&[&cert]);
    for (custody, owner, mode, good) in [
        (FileTrust::Root, 0, 0o644, true),
        (FileTrust::Root, 1234, 0o644, false),
        (FileTrust::Owner(1234), 0, 0o644, true),
        (FileTrust::Owner(1234), 1234, 0o644, true),
        (FileTrust::Owner(1234), 1235, 0o644, false),
        (FileTrust::Owner(1234), 1234, 0o664, false),
        (FileTrust::Copied, 1234, 0o666, true),
    ] {
        let acquired = bench.acquired(&tar, Some(&asc)).with_trust(custody);
        let path = bench.dir.path().join("agent.tar");
        chown(&path, Some(owner), None).expect("this test needs root");
        std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        let judged = signature(acquired, &keyring, now());
        assert_eq!(judged.is_ok(), good, "{custody:?} {owner} {mode:o}");
    }
}

#[test]
fn the_open_file_counts_not_its_name_nor_its_offset() {
    let (bench, cert, tar) = (Bench::new(), cert(), tar(3));
    let asc = Sign::by(&cert).armored(&tar);
    let path = bench.file("moving.tar", &tar);
    let mut file = File::open(&path).unwrap();
    let mut begun = [0; 100];
    file.read_exact(&mut begun).unwrap();
    std::fs::rename(bench.file("other", b"other"), &path).unwrap();
    let acquired = UnverifiedTar::new(file, Some(asc), TarSource::Cache(path));
    let verified = signature(acquired, &bench.keyring(&[&cert]), now()).expect("accepted");
    let mut read = Vec::new();
    verified.stream().unwrap().read_to_end(&mut read).unwrap();
    assert_eq!(read, tar);
}

/// Does something to a file of this length.
type Change = fn(&File, u64);

#[test]
fn a_tar_that_is_changed_after_the_check_never_arrives_whole() {
    let (cert, tar) = (cert(), tar(4));
    let asc = Sign::by(&cert).armored(&tar);
    let changes: [(&str, Change); 4] = [
        ("its first byte", |f, _| f.write_all_at(b"X", 0).unwrap()),
        ("its last byte", |f, n| f.write_all_at(b"X", n - 1).unwrap()),
        ("shorter by one", |f, n| f.set_len(n - 1).unwrap()),
        ("shorter by much", |f, n| f.set_len(n / 2).unwrap()),
    ];
    for (name, change) in changes {
        let bench = Bench::new();
        let verified = bench.judge(&[&cert], &tar, &asc).expect("accepted");
        let path = bench.dir.path().join("agent.tar");
        let writer = OpenOptions::new().write(true).open(path).unwrap();
        change(&writer, tar.len() as u64);
        let mut stream = verified.stream().unwrap();
        let mut read = Vec::new();
        let error = stream.read_to_end(&mut read).expect_err(name);
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{name}");
        assert!(read.len() <= tar.len() - 65_536, "{name}: {}", read.len());
        // The error is not an end.
        assert!(stream.read(&mut [0; 10]).is_err(), "{name}");
    }
}
