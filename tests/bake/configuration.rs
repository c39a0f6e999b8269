//! A configuration with which every start would fail is refused before anything is installed.

use std::fs;

use ecs_init::bake::options::EcsConfig;

use super::fixture::Fixture;

fn lines(text: &str) -> EcsConfig {
    EcsConfig::Lines(text.lines().map(str::to_owned).collect())
}

#[test]
fn config_that_every_start_rejects_is_refused() {
    for (line, why) in [
        ("ECS_INIT_WAIT_FOR=rel", "ECS_INIT_WAIT_FOR"),
        ("ECS_INIT_CONFIG_S3=s3//typo", "ECS_INIT_CONFIG_S3"),
    ] {
        let mut fixture = Fixture::new();
        fixture.options.ecs_config = lines(line);
        fixture.expect_refused(why);
        fixture.expect_refused("every start from the image would fail");
        // The same line in a file that is not changed.
        fixture.options.ecs_config = EcsConfig::Keep;
        fixture.bake().unwrap();
        fixture.write("var/lib/ecs/ecs.config", line);
        fixture.expect_refused(why);
    }
}

#[test]
fn registry_digest_may_come_from_later_config() {
    let mut fixture = Fixture::new();
    let later = "ECS_INIT_AGENT_SOURCE=registry\nECS_INIT_WAIT_FOR=/etc/ecs/ecs.config";
    fixture.options.ecs_config = lines(later);
    fixture.bake().unwrap();
}

#[test]
fn missing_keyring_of_the_image_is_refused() {
    let mut fixture = Fixture::new();
    fixture.options.keyring = None;
    fs::remove_file(fixture.dir.path().join("agent.tar.asc")).unwrap();
    fixture.options.ecs_config = lines("A=1\nECS_INIT_KEYRING=/etc/nope");
    let bake = |fixture: &Fixture| fixture.bake_with(&[("ECS_INIT_ALLOW_UNSIGNED", "true")]);
    let error = bake(&fixture).unwrap_err().to_string();
    let why = "/etc/ecs/ecs.config:2: the file of ECS_INIT_KEYRING is not in the image";
    assert!(error.contains(why), "{error}");
    fixture.write("etc/nope", "of the user");
    bake(&fixture).unwrap();
}

#[test]
fn same_keyring_at_another_path_is_accepted() {
    let mut fixture = Fixture::new();
    fixture.options.ecs_config = lines("ECS_INIT_KEYRING=/etc/ecs/mine.asc");
    fixture.expect_refused("/etc/ecs/ecs.config:1: ECS_INIT_KEYRING is set to another keyring");
    fs::create_dir_all(fixture.at("etc/ecs")).unwrap();
    let keys = fixture.options.keyring.as_ref().unwrap();
    fs::copy(keys, fixture.at("etc/ecs/mine.asc")).unwrap();
    fixture.bake().unwrap();
}

/// A user may have installed it, and the configuration may name it.
#[test]
fn keyring_of_an_earlier_bake_stays() {
    let mut fixture = Fixture::new();
    fixture.bake().unwrap();
    fixture.options.keyring = None;
    fs::remove_file(fixture.dir.path().join("agent.tar.asc")).unwrap();
    fixture
        .bake_with(&[("ECS_INIT_ALLOW_UNSIGNED", "true")])
        .unwrap();
    let text = fs::read_to_string(fixture.at("var/lib/ecs/ecs.config")).unwrap();
    assert!(text.contains("ECS_INIT_KEYRING="), "{text}");
    assert!(fixture.at("etc/ecs/ecs-init.keyring").exists());
}

#[test]
fn image_with_another_keyring_is_refused() {
    for line in ["ECS_INIT_KEYRING=/etc/other", "ECS_INIT_KEYRING="] {
        let mut fixture = Fixture::new();
        fixture.options.ecs_config = lines(&format!("A=1\n{line}"));
        fixture.expect_refused("/etc/ecs/ecs.config:2: ECS_INIT_KEYRING is set to another keyring");
        fixture.options.ecs_config = EcsConfig::Keep;
        fixture.write("etc/ecs/ecs.config", line);
        fixture.expect_refused("/etc/ecs/ecs.config:1: ECS_INIT_KEYRING is set to another keyring");
        let same = "ECS_INIT_KEYRING=/etc/ecs/ecs-init.keyring";
        fixture.write("etc/ecs/ecs.config", same);
        fixture.bake().unwrap();
    }
}

/// The added line must not continue the one before it.
#[test]
fn unterminated_line_before_the_keyring_is_refused() {
    for text in ["A=1\nB=2\\\n", "B=2\\"] {
        let fixture = Fixture::new();
        fixture.write("var/lib/ecs/ecs.config", text);
        fixture.expect_refused("/var/lib/ecs/ecs.config: the line ECS_INIT_KEYRING=");
        fs::write(fixture.at("var/lib/ecs/ecs.config"), "B=2\n").unwrap();
        fixture.bake().unwrap();
    }
}
