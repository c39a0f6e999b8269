use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;

use super::*;
use crate::bake::options::EcsConfig;
use crate::testing::TempDir;
use crate::types::Architecture;

/// A docker-archive of the agent without layers.
fn archive() -> Vec<u8> {
    let manifest = br#"[{"Config":"config.json","RepoTags":["amazon/amazon-ecs-agent:latest"],
        "Layers":["a/layer.tar"]}]"#;
    let mut builder = ::tar::Builder::new(Vec::new());
    for (name, content) in [
        ("a/layer.tar", &vec![1; 90_000][..]),
        ("config.json", b"{}"),
        ("manifest.json", manifest),
    ] {
        let mut header = ::tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, content).unwrap();
    }
    builder.into_inner().unwrap()
}

#[test]
fn tar_changed_after_verification_is_not_copied() {
    let dir = TempDir::new("agent");
    let path = dir.path().join("agent.tar");
    let options = Options {
        root: dir.path().to_owned(),
        architecture: Architecture::native(),
        version: None,
        agent: AgentLocation::File {
            tar: path.clone(),
            signature: None,
        },
        ecs_config: EcsConfig::Keep,
        init: None,
        binary: None,
        keyring: None,
        force: false,
    };
    let unsigned = ("ECS_INIT_ALLOW_UNSIGNED".to_owned(), "true".to_owned());
    let (config, _) = Config::from_environment([unsigned]);
    let previous = Manifest::read(&dir.path().join("none"));
    let into = dir.path().join("into");
    fs::create_dir(&into).unwrap();
    for offset in [700, 90_000] {
        fs::write(&path, archive()).unwrap();
        let tar = acquire(&options, &config, &into, &previous, &Stop::never());
        let tar = tar.unwrap().unwrap();
        let writer = OpenOptions::new().write(true).open(&path).unwrap();
        writer.write_all_at(b"X", offset).unwrap();
        let error = tar.into_temp_file(&into).unwrap_err().to_string();
        assert!(error.contains("changed after"), "{error}");
        assert_eq!(fs::read_dir(&into).unwrap().count(), 0);
    }
}
