//! Databases and JSON files of the agent, intact and damaged.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::testing::TempDir;

/// Written by the agent's bbolt library, see `make.go` in that directory.
const AGENT: &[u8] = include_bytes!("../../../tests/check/state/agent.db");
const DEEP: &[u8] = include_bytes!("../../../tests/check/state/deep.db");
const FRESH: &[u8] = include_bytes!("../../../tests/check/state/fresh.db");

const ID: &str = "i-0123456789abcdef0";
const DEEP_ID: &str = "i-0fedcba9876543210";

struct StateDir(TempDir);

impl StateDir {
    fn new() -> StateDir {
        StateDir(TempDir::new("state"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn id(&self, name: &str, bytes: &[u8]) -> Result<Option<String>> {
        fs::write(self.path(name), bytes).unwrap();
        instance_id(self.0.path())
    }

    fn database(&self, bytes: &[u8]) -> Result<Option<String>> {
        self.id("agent.db", bytes)
    }

    fn value(&self, bytes: &[u8], bucket: &str, key: &str) -> Option<String> {
        fs::write(self.path("x.db"), bytes).unwrap();
        let file = File::open(self.path("x.db")).unwrap();
        let value = bbolt::get(&file, bucket.as_bytes(), key.as_bytes()).unwrap();
        value.map(|json| serde_json::from_slice(&json).unwrap())
    }
}

#[test]
fn databases_written_by_bbolt() {
    let state = StateDir::new();
    assert_eq!(instance_id(state.0.path()).unwrap(), None);
    assert_eq!(instance_id(Path::new("/nowhere")).unwrap(), None);
    for (bytes, id) in [(AGENT, Some(ID)), (DEEP, Some(DEEP_ID)), (FRESH, None)] {
        assert_eq!(state.database(bytes).unwrap().as_deref(), id);
    }
}

/// A tree with branches, and values of several pages.
#[test]
fn all_keys_of_deep_tree() {
    let state = StateDir::new();
    for n in 0..60 {
        for letter in ["a", "m", "z"] {
            let value = state.value(DEEP, "metadata", &format!("{letter}-{n:03}"));
            assert_eq!(value, Some(letter.repeat(30)));
        }
    }
    for n in 0..15 {
        let value = state.value(DEEP, "tasks", &format!("task-{n:03}"));
        assert_eq!(value, Some("t".repeat(200 * n)));
    }
    let long = state.value(DEEP, "metadata", "agent-version");
    assert_eq!(long, Some("v".repeat(3000)));
    for (bucket, key) in [
        ("metadata", ""),
        ("metadata", "a-0000"),
        ("metadata", "zz"),
        ("images", "a-000"),
        ("none", "a-000"),
    ] {
        assert_eq!(state.value(DEEP, bucket, key), None, "{bucket}/{key}");
    }
}

/// A crash during a write leaves one valid meta page.
#[test]
fn single_valid_meta_page_is_used() {
    let state = StateDir::new();
    for (bytes, size, id, earlier) in [
        (AGENT, 4096, ID, ID),
        (DEEP, 1024, DEEP_ID, "i-00000000000000old"),
    ] {
        let transaction = |page: usize| bytes[page * size + 16 + 48];
        let newer = usize::from(transaction(1) > transaction(0));
        let mut torn = bytes.to_vec();
        torn[(1 - newer) * size + 30] ^= 1;
        assert_eq!(state.database(&torn).unwrap().as_deref(), Some(id));
        // The older page has the state before the last transaction.
        let mut torn = bytes.to_vec();
        torn[newer * size + 30] ^= 1;
        assert_eq!(state.database(&torn).unwrap().as_deref(), Some(earlier));
        torn[(1 - newer) * size + 30] ^= 1;
        let error = state.database(&torn).unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidInput, "{error}");
        assert!(error.to_string().contains("agent.db"), "{error}");
    }
}

#[test]
fn json_of_old_agents_and_database_wins() {
    let state = StateDir::new();
    let old = br#"{"Data":{"Cluster":"c","EC2InstanceID":"i-old","TaskEngine":{}},"Version":30}"#;
    assert_eq!(
        state.id("ecs_agent_data.json", old).unwrap().as_deref(),
        Some("i-old")
    );
    // An empty database, as during an upgrade of the agent.
    assert_eq!(state.database(FRESH).unwrap().as_deref(), Some("i-old"));
    assert_eq!(state.database(AGENT).unwrap().as_deref(), Some(ID));
    fs::remove_file(state.path("agent.db")).unwrap();
    for (text, id) in [
        (r#"{"Data":{"EC2InstanceID":""}}"#, None),
        (r#"{"Data":{"EC2InstanceID":7}}"#, None),
        (r#"{"Data":{"EC2InstanceID":"i-1\n2"}}"#, None),
        (r#"{"Data":[]}"#, None),
    ] {
        let found = state.id("ecs_agent_data.json", text.as_bytes()).unwrap();
        assert_eq!(found.as_deref(), id, "{text}");
    }
    assert!(state.id("ecs_agent_data.json", b"{").is_err());
}

/// xorshift64* with a fixed seed, for reproducible failures.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() >> 1).unwrap() % end
    }
}

/// Corrects the checksums, so that the data after them is parsed.
fn fix_checksums(bytes: &mut [u8], size: usize) {
    for meta in [16, size + 16] {
        if bytes.len() < meta + 64 {
            continue;
        }
        let hash = bytes[meta..meta + 56]
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
            });
        bytes[meta + 56..meta + 64].copy_from_slice(&hash.to_le_bytes());
    }
}

/// No panic and no endless loop on damaged files.
#[test]
fn damaged_databases() {
    let state = StateDir::new();
    let mut random = Random(0x0123_4567_89AB_CDEF);
    let mut rejected = 0;
    for round in 0..1000 {
        let (original, size) = [(AGENT, 4096), (DEEP, 1024)][round % 2];
        let mut bytes = original.to_vec();
        for _ in 0..=random.below(12) {
            // Mostly in the headers of pages and elements.
            let page = random.below(bytes.len() / size) * size;
            let at = page + random.below(if round % 3 == 0 { size } else { 96 });
            let interesting = [0, 1, 2, 4, 0x7F, 0x80, 0xFF, random.next().to_le_bytes()[0]];
            bytes[at] = interesting[random.below(interesting.len())];
        }
        if round % 5 == 0 {
            bytes.truncate(random.below(bytes.len()));
        }
        fix_checksums(&mut bytes, size);
        rejected += usize::from(state.database(&bytes).is_err());
    }
    assert!(
        (100..900).contains(&rejected),
        "{rejected} of 1000 were rejected"
    );
    for round in 0..300 {
        let length = random.below(9000);
        let bytes: Vec<u8> = (0..length)
            .map(|_| random.next().to_le_bytes()[0])
            .collect();
        assert!(
            state.database(&bytes).is_err(),
            "random bytes, round {round}"
        );
    }
}

#[test]
fn cycle_of_pages_is_an_error() {
    let state = StateDir::new();
    // The root becomes a branch whose only child is itself.
    let meta = if DEEP[16 + 48] > DEEP[1024 + 16 + 48] {
        0
    } else {
        1024
    };
    let root = u64::from_le_bytes(DEEP[meta + 32..meta + 40].try_into().unwrap());
    let mut bytes = DEEP.to_vec();
    let at = usize::try_from(root).unwrap() * 1024;
    bytes[at + 8] = 1;
    bytes[at + 10..at + 12].copy_from_slice(&[1, 0]);
    bytes[at + 16..at + 24].fill(0);
    bytes[at + 24..at + 32].copy_from_slice(&root.to_le_bytes());
    let error = state.database(&bytes).unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidInput, "{error}");
    assert!(error.to_string().contains("cycle"), "{error}");
}
