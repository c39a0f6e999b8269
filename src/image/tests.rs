//! Handmade tars, valid and malicious.

use std::fs::File;
use std::io::{Read, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};

use super::{Archive, IMAGE, ImageError, check};
use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::testing::TempDir;
use crate::types::{Architecture, TarSource, UnverifiedTar};
use crate::verify::{AllowUnsigned, accept_unsigned};

/// The layer's name as `docker save` has written it since version 25.
const LAYER: &str = "blobs/sha256/6f0c1f0a9f4ab7dd8c9bd0e6c0e5b1fb0a3a5b0b6a1c7fd2b1a0a9b8c7d6e5f4";

/// Like the agent's: no `architecture`, two keys `config`.
const CONFIG: &str = r#"{"config":{"Cmd":["/a"]},"created":"2024-01-01T00:00:00Z","os":"linux",
    "config":{"Entrypoint":["/agent"]},"rootfs":{"type":"layers","diff_ids":[]}}"#;

fn manifest() -> String {
    format!(r#"[{{"Config":"config.json","RepoTags":["{IMAGE}"],"Layers":["{LAYER}"]}}]"#)
}

fn header(kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o644);
    header
}

/// A tar of these files.
fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = header(EntryType::Regular, content.len() as u64);
        builder.append_data(&mut header, name, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

/// The agent's archive with this manifest and configuration.
fn agent_with(manifest: &str, config: &str) -> Vec<u8> {
    tar(&[
        (LAYER, &[7; 5000]),
        ("config.json", config.as_bytes()),
        ("manifest.json", manifest.as_bytes()),
    ])
}

fn agent() -> Vec<u8> {
    agent_with(&manifest(), CONFIG)
}

fn gzip(tar: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(tar).unwrap();
    encoder.finish().unwrap()
}

fn checked(tar: &[u8]) -> Result<Archive> {
    let dir = TempDir::new("image");
    let variables = [("ECS_INIT_ALLOW_UNSIGNED".to_owned(), "true".to_owned())];
    let config = Config::load(variables).0;
    let permission = AllowUnsigned::from_config(&config.source).unwrap();
    let path = dir.path().join("agent.tar");
    std::fs::write(&path, tar).unwrap();
    let file = File::open(&path).unwrap();
    let unverified = UnverifiedTar::new(file, None, TarSource::Cache(path));
    let verified = accept_unsigned(unverified, permission).unwrap();
    check(verified, Architecture::Amd64)
}

/// The error of a tar.
fn rejected(tar: &[u8]) -> Error {
    let error = checked(tar).expect_err("must be rejected");
    assert_eq!(error.kind(), Kind::InvalidInput, "{error}");
    error
}

fn image_error(error: &Error) -> &ImageError {
    error.find().expect("an ImageError")
}

/// The message of the [`ImageError`] of a tar, the same uncompressed and as gzip.
fn message(tar: &[u8]) -> String {
    let [plain, zipped] = [tar.to_vec(), gzip(tar)].map(|bytes| rejected(&bytes));
    let message = image_error(&plain).to_string();
    assert_eq!(image_error(&zipped).to_string(), message);
    message
}

/// Asserts that a tar is rejected with this error, uncompressed and as gzip.
macro_rules! assert_rejected {
    ($tar:expr, $pattern:pat $(if $guard:expr)?) => {
        let tar: &[u8] = $tar;
        for bytes in [tar.to_vec(), gzip(tar)] {
            let error = rejected(&bytes);
            assert!(matches!(image_error(&error), $pattern $(if $guard)?), "{error}");
        }
    };
}

mod damaged;

#[test]
fn reader_returns_archive_plain_and_gzip() {
    let tar = agent();
    for bytes in [gzip(&tar), tar] {
        let archive = checked(&bytes).expect("accepted");
        let (mut reader, length) = archive.reader().unwrap();
        let mut read = Vec::new();
        reader.read_to_end(&mut read).unwrap();
        assert_eq!((read.len() as u64, read), (length, bytes));
    }
}

#[test]
fn entry_orders_and_names_that_docker_accepts() {
    let manifest = manifest();
    let (m, c) = (manifest.as_bytes(), CONFIG.as_bytes());
    let long = format!("{}/layer.tar", "d".repeat(180));
    let with_long = manifest.replace(LAYER, &long);
    let tars = [
        tar(&[("manifest.json", m), (LAYER, b"x"), ("config.json", c)]),
        tar(&[("./manifest.json", m), ("./config.json", c), (LAYER, b"x")]),
        // Both formats at once, as `docker save` writes since version 25.
        tar(&[
            ("index.json", b"{}"),
            ("oci-layout", b"{}"),
            ("manifest.json", m),
            ("config.json", c),
            (LAYER, b"x"),
        ]),
        // A name that needs an extension.
        tar(&[
            (&long, b"x"),
            ("manifest.json", with_long.as_bytes()),
            ("config.json", c),
        ]),
        // Of two entries with the same name, the last is used.
        tar(&[
            ("manifest.json", b"junk"),
            ("manifest.json", m),
            ("config.json", c),
            (LAYER, b"x"),
        ]),
        agent_with(&manifest.replace("amazon/", "docker.io/amazon/"), CONFIG),
    ];
    for (index, tar) in tars.iter().enumerate() {
        for bytes in [tar.clone(), gzip(tar)] {
            let checked = checked(&bytes);
            assert!(checked.is_ok(), "{index}: {checked:?}");
        }
    }
}

#[test]
fn pax_path_and_layer_link() {
    let manifest = manifest();
    let mut builder = Builder::new(Vec::new());
    let pax = [("mtime", b"1.5".as_slice()), ("path", LAYER.as_bytes())];
    builder.append_pax_extensions(pax).unwrap();
    builder
        .append_link(
            &mut header(EntryType::Symlink, 0),
            "short",
            "../x/layer.tar",
        )
        .unwrap();
    for (name, content) in [("config.json", CONFIG), ("manifest.json", &manifest)] {
        let mut header = header(EntryType::Regular, content.len() as u64);
        builder
            .append_data(&mut header, name, content.as_bytes())
            .unwrap();
    }
    let tar = builder.into_inner().unwrap();
    let checked = checked(&tar);
    assert!(checked.is_ok(), "{checked:?}");
}

#[test]
fn architecture_must_match_if_present() {
    let with = |value: &str| agent_with(&manifest(), &format!(r#"{{"architecture":{value}}}"#));
    for accepted in [r#""amd64""#, r#""x86_64""#, r#""""#, "null"] {
        assert!(checked(&with(accepted)).is_ok(), "{accepted}");
    }
    for (value, name) in [(r#""arm64""#, "arm64"), (r#""riscv64""#, "riscv64")] {
        assert_rejected!(
            &with(value),
            ImageError::WrongArchitecture { found, wanted: Architecture::Amd64 } if found == name
        );
    }
    assert_rejected!(&with("7"), ImageError::MalformedEntry { .. });
}

#[test]
fn missing_entries() {
    let manifest = manifest();
    let (m, c) = (manifest.as_bytes(), CONFIG.as_bytes());
    for (tar, name) in [
        (tar(&[("config.json", c), (LAYER, b"x")]), "manifest.json"),
        (tar(&[("manifest.json", m), (LAYER, b"x")]), "config.json"),
        (tar(&[("manifest.json", m), ("config.json", c)]), LAYER),
        (tar(&[]), "manifest.json"),
        // A name that leaves the directory is not normalized to another.
        (
            {
                let mut tar = agent();
                // In place of the entry's name, in its header.
                let at = tar
                    .windows(13)
                    .rposition(|w| w == b"manifest.json")
                    .unwrap();
                tar[at..at + 13].copy_from_slice(b"../nifest.jso");
                fix_checksum(&mut tar, at);
                tar
            },
            "manifest.json",
        ),
    ] {
        assert_rejected!(&tar, ImageError::MissingEntry { entry, .. } if entry == name);
    }
}

/// Corrects the checksum of the header at `at`.
fn fix_checksum(tar: &mut [u8], at: usize) {
    let mut header = Header::from_byte_slice(&tar[at..at + 512]).clone();
    header.set_cksum();
    tar[at..at + 512].copy_from_slice(header.as_bytes());
}

#[test]
fn wrong_tags() {
    let other = manifest().replace("ecs-agent:latest", "ecs-agent:v1");
    assert_rejected!(
        &agent_with(&other, CONFIG),
        ImageError::WrongTags(tags) if *tags == ["amazon/amazon-ecs-agent:v1"]
    );
    for tags in ["null", "[]"] {
        let json = format!(r#"[{{"Config":"config.json","RepoTags":{tags},"Layers":[]}}]"#);
        let tar = agent_with(&json, CONFIG);
        assert_rejected!(&tar, ImageError::WrongTags(tags) if tags.is_empty());
    }
    assert_rejected!(&agent_with("[]", CONFIG), ImageError::WrongTags(tags) if tags.is_empty());
}

#[test]
fn malformed_json_entries() {
    for bad in [
        "",
        "{",
        "{}",
        "7",
        r#"[{"RepoTags":[]}]"#,
        r#"[{"Config":7}]"#,
    ] {
        assert_rejected!(
            &agent_with(bad, CONFIG),
            ImageError::MalformedEntry { entry, .. } if entry == "manifest.json"
        );
    }
    for bad in ["", "[]", "7", "{\"a\":"] {
        assert_rejected!(
            &agent_with(&manifest(), bad),
            ImageError::MalformedEntry { entry, .. } if entry == "config.json"
        );
    }
    // serde_json limits the depth.
    let deep = "[".repeat(100_000);
    assert_rejected!(
        &agent_with(&deep, CONFIG),
        ImageError::MalformedEntry { .. }
    );
}
