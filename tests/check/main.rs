//! `bake --check`: a tree without findings, each finding, and the error at boot from an image that has
//! the state of another instance.

mod boot;
mod cached_tar;
mod configuration;
#[path = "../verify/fixtures.rs"]
#[allow(dead_code)]
mod fixtures;
mod leftovers;
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

/// The database of an agent that registered the instance [`OTHER_INSTANCE`].
const AGENT_DB: &[u8] = include_bytes!("state/agent.db");
const OTHER_INSTANCE: &str = "i-0123456789abcdef0";

const TAR: &str = "/var/cache/ecs/ecs-agent-v1.2.3.tar";

const NOTHING: [&str; 0] = [];

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

    /// Without findings: directories, configuration, a signed tar that will be loaded.
    fn baked() -> Image {
        let image = Image::empty();
        for directory in ["/var/lib/ecs/data", "/var/log/ecs/exec", "/var/cache/ecs"] {
            image.directory(directory);
        }
        let cert = fixtures::cert();
        let tar = fixtures::tar(1);
        // In the past: the program itself verifies as of the current time.
        let signature = fixtures::Sign {
            created: fixtures::days_ago(600),
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

    /// The names of the violated rules.
    fn rules(&self) -> Vec<&'static str> {
        let findings = self.findings();
        findings.iter().map(|finding| finding.rule.name()).collect()
    }
}

/// Spoils a baked image, which then has one finding, of `rule` at `path`. Fixes it: no finding.
#[track_caller]
fn expect_one_finding(
    path: &str,
    rule: &str,
    spoil: impl FnOnce(&Image),
    fix: impl FnOnce(&Image),
) {
    let image = Image::baked();
    assert_eq!(image.lines(), NOTHING);
    spoil(&image);
    let findings = image.findings();
    assert_eq!(findings.len(), 1, "{path}: {findings:?}");
    assert_eq!(findings[0].path, image.at(path));
    assert_eq!(findings[0].rule.name(), rule, "{path}");
    let documented = include_str!("../../docs/bake.md").contains(&format!("`{rule}`"));
    assert!(documented, "docs/bake.md does not list {rule}");
    let line = findings[0].to_string();
    assert!(
        !line.contains('\n') && line.ends_with(&format!("[{rule}]")),
        "{line}"
    );
    fix(&image);
    assert_eq!(image.lines(), NOTHING, "{path}, fixed");
}

/// Expects one finding, at `reported`, if there is a file at `path`.
#[track_caller]
fn expect_finding_for_file(path: &str, reported: &str, content: impl AsRef<[u8]>, rule: &str) {
    expect_one_finding(
        reported,
        rule,
        |image| image.write(path, content),
        |image| image.remove(path),
    );
}

#[test]
fn baked_image_and_empty_tree_have_no_findings() {
    assert_eq!(Image::baked().lines(), NOTHING);
    assert_eq!(Image::empty().lines(), NOTHING);
    let nowhere = Root::new("/nowhere/at/all");
    let error = check::run(&nowhere, fixtures::now())
        .unwrap_err()
        .to_string();
    assert!(error.contains("/nowhere/at/all"), "{error}");
    let image = Image::empty();
    image.write("/file", "");
    assert!(check::run(&Root::new(image.at("/file")), fixtures::now()).is_err());
}
