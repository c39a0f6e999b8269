//! What a start from the image would refuse is refused before anything is put there.

use std::fs;

use ecs_init::bake::options::EcsConfig;

use super::bench::Bench;

fn lines(text: &str) -> EcsConfig {
    EcsConfig::Lines(text.lines().map(str::to_owned).collect())
}

#[test]
fn what_every_start_refuses_is_not_baked() {
    for (line, why) in [
        ("ECS_INIT_WAIT_FOR=rel", "ECS_INIT_WAIT_FOR"),
        ("ECS_INIT_CONFIG_S3=s3//typo", "ECS_INIT_CONFIG_S3"),
    ] {
        let mut bench = Bench::new();
        bench.options.ecs_config = lines(line);
        bench.refused(why);
        bench.refused("every start from the image would fail");
        // The same in a file that stays.
        bench.options.ecs_config = EcsConfig::Keep;
        bench.bake().unwrap();
        bench.write("var/lib/ecs/ecs.config", line);
        bench.refused(why);
    }
}

#[test]
fn what_comes_at_the_start_may_name_the_digest() {
    let mut bench = Bench::new();
    let later = "ECS_INIT_AGENT_SOURCE=registry\nECS_INIT_WAIT_FOR=/etc/ecs/ecs.config";
    bench.options.ecs_config = lines(later);
    bench.bake().unwrap();
}

#[test]
fn a_keyring_that_is_not_in_the_image_is_not_named() {
    let mut bench = Bench::new();
    bench.options.keyring = None;
    fs::remove_file(bench.dir.path().join("agent.tar.asc")).unwrap();
    bench.options.ecs_config = lines("A=1\nECS_INIT_KEYRING=/etc/nope");
    let bake = |bench: &Bench| bench.bake_with(&[("ECS_INIT_ALLOW_UNSIGNED", "true")]);
    let error = bake(&bench).unwrap_err().to_string();
    let why = "/etc/ecs/ecs.config:2: the file of ECS_INIT_KEYRING is not in the image";
    assert!(error.contains(why), "{error}");
    bench.write("etc/nope", "somebody's own");
    bake(&bench).unwrap();
}

#[test]
fn the_same_keyring_under_another_name_will_do() {
    let mut bench = Bench::new();
    bench.options.ecs_config = lines("ECS_INIT_KEYRING=/etc/ecs/mine.asc");
    bench.refused("/etc/ecs/ecs.config:1: ECS_INIT_KEYRING is set to another keyring");
    fs::create_dir_all(bench.at("etc/ecs")).unwrap();
    let keys = bench.options.keyring.as_ref().unwrap();
    fs::copy(keys, bench.at("etc/ecs/mine.asc")).unwrap();
    bench.bake().unwrap();
}

/// The earlier one may be somebody's own, and a line may name it.
#[test]
fn a_keyring_that_is_ordered_no_more_stays() {
    let mut bench = Bench::new();
    bench.bake().unwrap();
    bench.options.keyring = None;
    fs::remove_file(bench.dir.path().join("agent.tar.asc")).unwrap();
    bench
        .bake_with(&[("ECS_INIT_ALLOW_UNSIGNED", "true")])
        .unwrap();
    let text = fs::read_to_string(bench.at("var/lib/ecs/ecs.config")).unwrap();
    assert!(text.contains("ECS_INIT_KEYRING="), "{text}");
    assert!(bench.at("etc/ecs/ecs-init.keyring").exists());
}

#[test]
fn the_image_trusts_the_keyring_or_is_not_baked() {
    for line in ["ECS_INIT_KEYRING=/etc/other", "ECS_INIT_KEYRING="] {
        let mut bench = Bench::new();
        bench.options.ecs_config = lines(&format!("A=1\n{line}"));
        bench.refused("/etc/ecs/ecs.config:2: ECS_INIT_KEYRING is set to another keyring");
        bench.options.ecs_config = EcsConfig::Keep;
        bench.write("etc/ecs/ecs.config", line);
        bench.refused("/etc/ecs/ecs.config:1: ECS_INIT_KEYRING is set to another keyring");
        let same = "ECS_INIT_KEYRING=/etc/ecs/ecs-init.keyring";
        bench.write("etc/ecs/ecs.config", same);
        bench.bake().unwrap();
    }
}

/// The line that is added must be one.
#[test]
fn a_line_that_goes_on_does_not_swallow_the_keyring() {
    for text in ["A=1\nB=2\\\n", "B=2\\"] {
        let bench = Bench::new();
        bench.write("var/lib/ecs/ecs.config", text);
        bench.refused("/var/lib/ecs/ecs.config: the line ECS_INIT_KEYRING=");
        fs::write(bench.at("var/lib/ecs/ecs.config"), "B=2\n").unwrap();
        bench.bake().unwrap();
    }
}
