//! A tree, a signed tar, and the options to install it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

pub use crate::signing::{cert, sign};
use ecs_init::bake::options::{AgentLocation, EcsConfig, Options};
use ecs_init::bake::{self, Baked, Init};
use ecs_init::config::Config;
use ecs_init::error::Result;
use ecs_init::sys::signal::Stop;
use ecs_init::testing::TempDir;
use ecs_init::types::Architecture;
use sequoia_openpgp as openpgp;

use openpgp::Cert;
use openpgp::serialize::SerializeInto;

/// A docker-archive of an agent for this architecture; `salt` changes its content.
pub fn agent(architecture: Architecture, salt: u8) -> Vec<u8> {
    let config = format!(
        r#"{{"architecture":"{}","os":"linux"}}"#,
        architecture.name()
    );
    let manifest = r#"[{"Config":"config.json","RepoTags":["amazon/amazon-ecs-agent:latest"],
        "Layers":["a/layer.tar"]}]"#;
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in [
        ("a/layer.tar", &vec![salt; 90_000][..]),
        ("config.json", config.as_bytes()),
        ("manifest.json", manifest.as_bytes()),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, content).unwrap();
    }
    builder.into_inner().unwrap()
}

/// An ELF header for this architecture, followed by other bytes.
pub fn program(architecture: Architecture) -> Vec<u8> {
    let machine: u8 = match architecture {
        Architecture::Amd64 => 62,
        Architecture::Arm64 => 183,
    };
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    bytes.resize(18, 0);
    bytes.extend([machine, 0]);
    bytes.resize(5000, 7);
    bytes
}

/// One entry of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub mode: u32,
    pub modified: (i64, i64),
    pub content: Vec<u8>,
}

/// Every entry of a tree by its path; the content of a link is its target.
pub fn everything(tree: &Path) -> BTreeMap<PathBuf, Entry> {
    let mut all = BTreeMap::new();
    let mut to_go = vec![tree.to_owned()];
    while let Some(dir) = to_go.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let meta = fs::symlink_metadata(&path).unwrap();
            let mut modified = (meta.mtime(), meta.mtime_nsec());
            let content = if meta.is_dir() {
                to_go.push(path.clone());
                // Its time changes with its entries.
                modified = (0, 0);
                Vec::new()
            } else if meta.is_symlink() {
                let target = fs::read_link(&path).unwrap();
                target.into_os_string().into_encoded_bytes()
            } else {
                fs::read(&path).unwrap()
            };
            let entry = Entry {
                mode: meta.permissions().mode(),
                modified,
                content,
            };
            all.insert(path.strip_prefix(tree).unwrap().to_owned(), entry);
        }
    }
    all
}

/// The paths of every entry.
pub fn paths(tree: &Path) -> Vec<String> {
    let all = everything(tree).into_keys();
    all.map(|path| path.to_str().unwrap().to_owned()).collect()
}

/// The files of a build machine.
pub struct Fixture {
    pub dir: TempDir,
    pub cert: Cert,
    pub options: Options,
}

impl Fixture {
    /// An empty tree, and the options to install a signed tar from a file.
    pub fn new() -> Fixture {
        let dir = TempDir::new("bake");
        let cert = cert();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("tree")).unwrap();
        fs::write(at("keys"), cert.to_vec().unwrap()).unwrap();
        let architecture = Architecture::Arm64;
        fs::write(at("program"), program(architecture)).unwrap();
        let options = Options {
            root: at("tree"),
            architecture,
            version: Some("v1.99.0".parse().unwrap()),
            agent: AgentLocation::File {
                tar: at("agent.tar"),
                signature: None,
            },
            ecs_config: EcsConfig::Keep,
            init: Some(Init::None),
            binary: Some(at("program")),
            keyring: Some(at("keys")),
            force: false,
        };
        let fixture = Fixture { dir, cert, options };
        fixture.tar(1);
        fixture
    }

    /// Writes another tar and its signature.
    pub fn tar(&self, salt: u8) {
        let tar = agent(self.options.architecture, salt);
        fs::write(self.dir.path().join("agent.tar"), &tar).unwrap();
        let signature = sign(&self.cert, &tar);
        fs::write(self.dir.path().join("agent.tar.asc"), signature).unwrap();
    }

    pub fn tree(&self) -> &Path {
        &self.options.root
    }

    pub fn at(&self, path: &str) -> PathBuf {
        self.options.root.join(path)
    }

    /// Writes a file of the tree.
    pub fn write(&self, path: &str, content: &str) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub fn bake_with(&self, environment: &[(&str, &str)]) -> Result<Baked> {
        let all = environment.iter().map(|(k, v)| ((*k).into(), (*v).into()));
        let (config, warnings) = Config::from_environment(all);
        assert!(warnings.is_empty(), "{warnings:?}");
        bake::run(&self.options, &config, &Stop::never())
    }

    pub fn bake(&self) -> Result<Baked> {
        self.bake_with(&[])
    }

    /// Bakes, which must fail with this text and leave the tree unchanged.
    #[track_caller]
    pub fn expect_refused(&self, why: &str) {
        let before = everything(self.tree());
        let error = self.bake().map(|baked| baked.init).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
        assert_eq!(everything(self.tree()), before, "{error}");
    }
}
