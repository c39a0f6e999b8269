//! Links of the tree are followed inside it, as on the image's host.

use std::fs;
use std::os::unix::fs::symlink;

use ecs_init::testing::TempDir;

use super::Image;

const SECRET: &str = "AWS_SECRET_ACCESS_KEY=x\n";

/// Absolute links, such as those of a merged `/usr` or of a moved directory.
#[test]
fn absolute_links_are_followed_in_the_tree() {
    let image = Image::baked();
    for (from, to) in [("/etc/ecs", "/real-etc"), ("/var", "/usr/real-var")] {
        image.directory("/usr");
        fs::rename(image.at(from), image.at(to)).unwrap();
        symlink(to, image.at(from)).unwrap();
    }
    assert_eq!(image.lines(), [""; 0]);
    image.write("/real-etc/ecs.config", SECRET);
    image.write("/usr/real-var/lib/ecs/data/agent.db", super::AGENT_DB);
    image.write("/usr/real-var/cache/ecs/state", "1");
    let lines = image.lines();
    assert_eq!(lines.len(), 3, "{lines:?}");
}

#[test]
fn links_out_of_the_tree_are_not_followed() {
    let outside = TempDir::new("outside");
    let file = outside.path().join("ecs.config");
    fs::write(&file, SECRET).unwrap();
    let image = Image::empty();
    image.directory("/etc/ecs");
    image.directory("/var/lib");
    symlink(&file, image.at("/etc/ecs/ecs.config")).unwrap();
    symlink(outside.path(), image.at("/var/lib/ecs")).unwrap();
    fs::create_dir(outside.path().join("data")).unwrap();
    fs::write(outside.path().join("data/agent.db"), super::AGENT_DB).unwrap();
    assert_eq!(image.lines(), [""; 0]);
    // The link leads to the same path inside the tree.
    image.write(file.to_str().unwrap(), SECRET);
    let lines = image.lines();
    assert!(
        !lines.is_empty() && lines.iter().all(|l| l.contains("ecs.config")),
        "{lines:?}"
    );
}

/// Deleting the logs there would delete the agent.
#[test]
fn logs_in_another_directory_of_the_agent_are_ignored() {
    let image = Image::baked();
    image.remove("/var/log");
    symlink("cache", image.at("/var/log")).unwrap();
    assert_eq!(image.lines(), [""; 0]);
    // Logs behind any other link are found.
    image.remove("/var/log");
    image.write("/srv/ecs/ecs-agent.log", "");
    symlink("../srv", image.at("/var/log")).unwrap();
    let lines = image.lines();
    assert!(lines.len() == 1 && lines[0].contains("[logs]"), "{lines:?}");
}
