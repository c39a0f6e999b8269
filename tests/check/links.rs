//! Links of the tree mean what they will mean on its host. What lies on this machine is nobody's
//! business.

use std::fs;
use std::os::unix::fs::symlink;

use ecs_init::testing::TempDir;

use super::Image;

const SECRET: &str = "AWS_SECRET_ACCESS_KEY=x\n";

/// Absolute links, as a merged `/usr` or a moved directory has them.
#[test]
fn a_tree_of_absolute_links_is_checked_inside() {
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
fn what_a_link_would_reach_on_this_machine_is_not_read() {
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
    // The same path inside the tree is what the link means.
    image.write(file.to_str().unwrap(), SECRET);
    let lines = image.lines();
    assert!(
        !lines.is_empty() && lines.iter().all(|l| l.contains("ecs.config")),
        "{lines:?}"
    );
}

/// To delete the logs would be to delete the agent.
#[test]
fn logs_that_lie_where_the_agent_does_are_not_looked_for() {
    let image = Image::baked();
    image.remove("/var/log");
    symlink("cache", image.at("/var/log")).unwrap();
    assert_eq!(image.lines(), [""; 0]);
    // Links to elsewhere hide none.
    image.remove("/var/log");
    image.write("/srv/ecs/ecs-agent.log", "");
    symlink("../srv", image.at("/var/log")).unwrap();
    let lines = image.lines();
    assert!(lines.len() == 1 && lines[0].contains("[logs]"), "{lines:?}");
}
