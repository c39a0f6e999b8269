//! `bake --check`: a tree that may become an image, and each way in which it may not; and the line
//! at boot for an image that was made all the same.

mod boot;
mod findings;
#[path = "../verify/fixtures.rs"]
#[allow(dead_code)]
mod fixtures;
mod links;
mod process;
#[path = "../fetch/server.rs"]
#[allow(dead_code)]
mod server;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use ecs_init::bake::check::{self, Finding};
use ecs_init::testing::TempDir;
use ecs_init::types::Root;

/// The database of an agent that registered the instance [`THEIRS`].
const AGENT_DB: &[u8] = include_bytes!("state/agent.db");
const THEIRS: &str = "i-0123456789abcdef0";

const TAR: &str = "/var/cache/ecs/ecs-agent-v1.2.3.tar";

/// An image's tree.
struct Image {
    _dir: TempDir,
    root: Root,
}

impl Image {
    fn empty() -> Image {
        let dir = TempDir::new("check");
        let root = Root::new(dir.path());
        Image { _dir: dir, root }
    }

    /// As it should be: directories, configuration, a signed tar that is to be loaded.
    fn baked() -> Image {
        let image = Image::empty();
        for directory in ["/var/lib/ecs/data", "/var/log/ecs/exec", "/var/cache/ecs"] {
            image.directory(directory);
        }
        let cert = fixtures::cert();
        let tar = fixtures::tar(1);
        // Long ago: the program itself judges by the clock.
        let signature = fixtures::Sign {
            made: fixtures::days_ago(600),
            ..fixtures::Sign::by(&cert)
        };
        image.write("/etc/ecs/ecs-init.keyring", fixtures::public(&cert));
        image.write(
            "/etc/ecs/ecs.config",
            "ECS_CLUSTER=here\nNO_PROXY=10.0.0.0/8\n",
        );
        let var = "ECS_INIT_KEYRING=/etc/ecs/ecs-init.keyring\n";
        image.write("/var/lib/ecs/ecs.config", var);
        image.write(TAR, &tar);
        image.write(&format!("{TAR}.asc"), signature.armored(&tar));
        image.write("/var/cache/ecs/state", "2\n");
        let link = image.at("/var/cache/ecs/ecs-agent.tar");
        symlink("ecs-agent-v1.2.3.tar", link).unwrap();
        image
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.at(path)
    }

    fn directory(&self, path: &str) {
        fs::create_dir_all(self.at(path)).unwrap();
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let at = self.at(path);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        fs::write(&at, content).unwrap();
        self.mode(path, 0o644);
    }

    fn mode(&self, path: &str, mode: u32) {
        fs::set_permissions(self.at(path), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn remove(&self, path: &str) {
        let at = self.at(path);
        if at.is_symlink() || !at.is_dir() {
            fs::remove_file(at).unwrap();
        } else {
            fs::remove_dir_all(at).unwrap();
        }
    }

    fn findings(&self) -> Vec<Finding> {
        check::run(&self.root, fixtures::now()).unwrap()
    }

    /// The findings as they are printed.
    fn lines(&self) -> Vec<String> {
        self.findings().iter().map(ToString::to_string).collect()
    }
}
