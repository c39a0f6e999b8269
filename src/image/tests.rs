//! Handmade tars, good and hostile, through the real door.

use std::fs::File;
use std::io::{Read, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};

use super::{Archive, IMAGE, Reason, Unfit, check};
use crate::config::Config;
use crate::testing::TempDir;
use crate::types::Architecture;
use crate::types::{TarSource, UnverifiedTar};
use crate::verify::{AllowUnsigned, unsigned};

/// The layer's name as `docker save` has written it since version 25.
const LAYER: &str = "blobs/sha256/6f0c1f0a9f4ab7dd8c9bd0e6c0e5b1fb0a3a5b0b6a1c7fd2b1a0a9b8c7d6e5f4";

/// The agent's own: no `architecture`, the key `config` twice.
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

/// The agent's, with another manifest and another configuration.
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

fn checked(tar: &[u8]) -> Result<Archive, Unfit> {
    let dir = TempDir::new("image");
    let variables = [("ECS_INIT_ALLOW_UNSIGNED".to_owned(), "true".to_owned())];
    let config = Config::load(variables).0;
    let permission = AllowUnsigned::from_config(&config.source).unwrap();
    let path = dir.path().join("agent.tar");
    std::fs::write(&path, tar).unwrap();
    let file = File::open(&path).unwrap();
    let acquired = UnverifiedTar::new(file, None, TarSource::Cache(path));
    check(unsigned(acquired, permission).unwrap(), Architecture::Amd64)
}

/// Plain and gzip are to give the same reason.
fn refused(tar: &[u8]) -> String {
    let plain = checked(tar).expect_err("plain");
    let zipped = checked(&gzip(tar)).expect_err("gzip");
    let words = |unfit: &Unfit| {
        let line = unfit.to_string();
        assert!(line.starts_with("the tar from the cache (/"), "{line}");
        unfit.reason().to_string()
    };
    assert_eq!(words(&plain), words(&zipped));
    words(&plain)
}

#[test]
fn the_agents_archive_plain_and_gzip_arrives_byte_for_byte() {
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
fn every_order_and_spelling_that_docker_takes() {
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
        // The later of two entries counts.
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
            let verdict = checked(&bytes);
            assert!(verdict.is_ok(), "{index}: {verdict:?}");
        }
    }
}

#[test]
fn a_pax_path_and_a_layer_that_is_a_link() {
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
    let verdict = checked(&tar);
    assert!(verdict.is_ok(), "{verdict:?}");
}

#[test]
fn the_architecture_is_ours_where_it_is_told() {
    let with = |value: &str| agent_with(&manifest(), &format!(r#"{{"architecture":{value}}}"#));
    for good in [r#""amd64""#, r#""x86_64""#, r#""""#, "null"] {
        assert!(checked(&with(good)).is_ok(), "{good}");
    }
    let words = refused(&with(r#""arm64""#));
    assert!(
        words.contains(r#"for "arm64""#) && words.contains("amd64"),
        "{words}"
    );
    refused(&with(r#""riscv64""#));
    assert!(refused(&with("7")).contains("no string"));
}

#[test]
fn what_is_missing_is_named() {
    let manifest = manifest();
    let (m, c) = (manifest.as_bytes(), CONFIG.as_bytes());
    for (tar, name) in [
        (tar(&[("config.json", c), (LAYER, b"x")]), "manifest.json"),
        (tar(&[("manifest.json", m), (LAYER, b"x")]), "config.json"),
        (tar(&[("manifest.json", m), ("config.json", c)]), LAYER),
        (tar(&[]), "manifest.json"),
        // Names that would leave the directory are never unpacked, and are no other's name.
        (
            {
                let mut tar = agent();
                // In place of the entry's name, in its header.
                let at = tar
                    .windows(13)
                    .rposition(|w| w == b"manifest.json")
                    .unwrap();
                tar[at..at + 13].copy_from_slice(b"../nifest.jso");
                sign_headers(&mut tar, at);
                tar
            },
            "manifest.json",
        ),
    ] {
        let words = refused(&tar);
        assert!(words.contains(&format!("no entry {name:?}")), "{words}");
    }
}

/// Makes the checksum of the header at `at` right again.
fn sign_headers(tar: &mut [u8], at: usize) {
    let mut header = Header::from_byte_slice(&tar[at..at + 512]).clone();
    header.set_cksum();
    tar[at..at + 512].copy_from_slice(header.as_bytes());
}

#[test]
fn other_tags_are_named() {
    let words = refused(&agent_with(
        &manifest().replace("ecs-agent:latest", "ecs-agent:v1"),
        CONFIG,
    ));
    assert!(
        words.contains("tagged amazon/amazon-ecs-agent:v1, not"),
        "{words}"
    );
    for tags in ["null", "[]"] {
        let json = format!(r#"[{{"Config":"config.json","RepoTags":{tags},"Layers":[]}}]"#);
        assert!(refused(&agent_with(&json, CONFIG)).contains("no tag"));
    }
    assert!(refused(&agent_with("[]", CONFIG)).contains("no tag"));
}

#[test]
fn json_that_is_none_is_named_by_its_entry() {
    for bad in [
        "",
        "{",
        "{}",
        "7",
        r#"[{"RepoTags":[]}]"#,
        r#"[{"Config":7}]"#,
    ] {
        let words = refused(&agent_with(bad, CONFIG));
        assert!(
            words.contains(r#"entry "manifest.json" is not"#),
            "{bad}: {words}"
        );
    }
    for bad in ["", "[]", "7", "{\"a\":"] {
        let words = refused(&agent_with(&manifest(), bad));
        assert!(
            words.contains(r#"entry "config.json" is not"#),
            "{bad}: {words}"
        );
    }
    // Deeper than any parser should follow.
    let deep = "[".repeat(100_000);
    assert!(refused(&agent_with(&deep, CONFIG)).contains("manifest.json"));
}

#[test]
fn hostile_sizes_are_refused_before_they_are_read() {
    let huge = vec![b' '; (4 << 20) + 1];
    let text = std::str::from_utf8(&huge).unwrap();
    assert!(refused(&agent_with(text, CONFIG)).contains("more than 4194304"));
    assert!(refused(&agent_with(&manifest(), text)).contains("more than 4194304"));

    // A name extension without end.
    for kind in [EntryType::GNULongName, EntryType::XHeader] {
        let mut builder = Builder::new(Vec::new());
        let mut header = header(kind, huge.len() as u64);
        builder
            .append_data(&mut header, "x", huge.as_slice())
            .unwrap();
        let tar = builder.into_inner().unwrap();
        assert!(refused(&tar).contains("name extension"));
    }

    let mut builder = Builder::new(Vec::new());
    for _ in 0..10_001 {
        let mut header = header(EntryType::Regular, 0);
        builder.append_data(&mut header, "x", &b""[..]).unwrap();
    }
    assert!(refused(&builder.into_inner().unwrap()).contains("10000 entries"));
}

#[test]
fn an_entry_whose_pax_header_moves_the_others() {
    let mut builder = Builder::new(Vec::new());
    builder
        .append_pax_extensions([("size", b"512".as_slice())])
        .unwrap();
    let mut header = header(EntryType::Regular, 0);
    builder
        .append_data(&mut header, "manifest.json", &b""[..])
        .unwrap();
    assert!(refused(&builder.into_inner().unwrap()).contains("size anew"));
}

/// The agent's with its layer as the last entry: 5000 bytes and 120 of padding before the end.
fn tar_of_layer_last(manifest: &str) -> Vec<u8> {
    tar(&[
        ("manifest.json", manifest.as_bytes()),
        ("config.json", CONFIG.as_bytes()),
        (LAYER, &[7; 5000]),
    ])
}

#[test]
fn cut_short_anywhere() {
    let tar = agent();
    // Within a header, within a layer's content, behind the layer, within the last entry.
    for length in [100, 2000, 5632, tar.len() - 1024 - 600] {
        let verdict = checked(&tar[..length]).expect_err("cut");
        assert!(
            matches!(
                verdict.reason(),
                Reason::CutShort(_) | Reason::Unreadable(_) | Reason::Missing { .. }
            ),
            "{length}: {verdict}"
        );
    }
    // Everything that is asked for is there by name; only the last one's content is not whole.
    let manifest = manifest();
    let layer_last = tar_of_layer_last(&manifest);
    for length in [
        layer_last.len() - 1025 - 120,
        layer_last.len() - 1024 - 5000,
    ] {
        let verdict = checked(&layer_last[..length]).expect_err("cut");
        assert!(
            matches!(verdict.reason(), Reason::CutShort(entry) if entry == LAYER),
            "{length}: {verdict}"
        );
    }
    let zipped = gzip(&tar);
    for length in 3..zipped.len() {
        let verdict = checked(&zipped[..length]).expect_err("cut");
        assert!(
            matches!(verdict.reason(), Reason::Unreadable(_)),
            "{length}: {verdict}"
        );
    }
}

#[test]
fn a_gzip_with_a_wrong_checksum() {
    let mut zipped = gzip(&agent());
    let at = zipped.len() - 8;
    zipped[at] ^= 1;
    let verdict = checked(&zipped).expect_err("corrupt");
    assert!(
        matches!(verdict.reason(), Reason::Unreadable(_)),
        "{verdict}"
    );
}

#[test]
fn what_is_no_tar_at_all() {
    for bytes in [
        vec![],
        b"hello".to_vec(),
        vec![b'x'; 10_000],
        vec![0xff; 512],
        vec![0x1f, 0x8b],
        vec![0x1f, 0x8b, 9, 9, 9],
        gzip(b"hello"),
    ] {
        let verdict = checked(&bytes).expect_err("no tar");
        assert!(
            matches!(
                verdict.reason(),
                Reason::Unreadable(_) | Reason::Missing { .. }
            ),
            "{verdict}"
        );
    }
}
