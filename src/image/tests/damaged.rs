//! Oversized, truncated and corrupted archives.

use tar::Builder;

use super::*;

#[test]
fn excessive_sizes_are_rejected_before_reading() {
    let huge = vec![b' '; (4 << 20) + 1];
    let text = std::str::from_utf8(&huge).unwrap();
    for tar in [agent_with(text, CONFIG), agent_with(&manifest(), text)] {
        assert!(message(&tar).contains("more than 4194304"));
    }

    // A name extension of 4 MiB.
    for kind in [EntryType::GNULongName, EntryType::XHeader] {
        let mut builder = Builder::new(Vec::new());
        let mut header = header(kind, huge.len() as u64);
        builder
            .append_data(&mut header, "x", huge.as_slice())
            .unwrap();
        let tar = builder.into_inner().unwrap();
        assert_rejected!(&tar, ImageError::TooLarge(_));
    }

    let mut builder = Builder::new(Vec::new());
    for _ in 0..10_001 {
        let mut header = header(EntryType::Regular, 0);
        builder.append_data(&mut header, "x", &b""[..]).unwrap();
    }
    assert_rejected!(&builder.into_inner().unwrap(), ImageError::TooLarge(_));
}

#[test]
fn pax_size_is_rejected() {
    let mut builder = Builder::new(Vec::new());
    builder
        .append_pax_extensions([("size", b"512".as_slice())])
        .unwrap();
    let mut header = header(EntryType::Regular, 0);
    builder
        .append_data(&mut header, "manifest.json", &b""[..])
        .unwrap();
    let tar = builder.into_inner().unwrap();
    assert!(message(&tar).contains("overrides the size"));
}

/// The agent's archive with the layer as the last entry: 5000 bytes and 120 of padding.
fn tar_of_layer_last(manifest: &str) -> Vec<u8> {
    tar(&[
        ("manifest.json", manifest.as_bytes()),
        ("config.json", CONFIG.as_bytes()),
        (LAYER, &[7; 5000]),
    ])
}

#[test]
fn truncated_archives() {
    let tar = agent();
    // Within a header, within the layer, after the layer, within the last entry.
    for length in [100, 2000, 5632, tar.len() - 1024 - 600] {
        let error = rejected(&tar[..length]);
        assert!(
            matches!(
                image_error(&error),
                ImageError::Truncated(_)
                    | ImageError::Unreadable(_)
                    | ImageError::MissingEntry { .. }
            ),
            "{length}: {error}"
        );
    }
    // All entries exist; the content of the last is truncated.
    let manifest = manifest();
    let layer_last = tar_of_layer_last(&manifest);
    for length in [
        layer_last.len() - 1025 - 120,
        layer_last.len() - 1024 - 5000,
    ] {
        let error = rejected(&layer_last[..length]);
        assert!(
            matches!(image_error(&error), ImageError::Truncated(entry) if entry == LAYER),
            "{length}: {error}"
        );
    }
    let zipped = gzip(&tar);
    for length in 3..zipped.len() {
        let error = rejected(&zipped[..length]);
        assert!(
            matches!(image_error(&error), ImageError::Unreadable(_)),
            "{length}: {error}"
        );
    }
}

#[test]
fn gzip_with_wrong_checksum() {
    let mut zipped = gzip(&agent());
    let at = zipped.len() - 8;
    zipped[at] ^= 1;
    let error = rejected(&zipped);
    assert!(
        matches!(image_error(&error), ImageError::Unreadable(_)),
        "{error}"
    );
}

#[test]
fn not_a_tar() {
    for bytes in [
        vec![],
        b"hello".to_vec(),
        vec![b'x'; 10_000],
        vec![0xff; 512],
        vec![0x1f, 0x8b],
        vec![0x1f, 0x8b, 9, 9, 9],
        gzip(b"hello"),
    ] {
        let error = rejected(&bytes);
        assert!(
            matches!(
                image_error(&error),
                ImageError::Unreadable(_) | ImageError::MissingEntry { .. }
            ),
            "{error}"
        );
    }
}
