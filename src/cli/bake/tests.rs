use super::*;
use crate::bake::Init;
use crate::error::Kind;

fn parsed(line: &str) -> Result<Command> {
    let words = ["bake"].into_iter().chain(line.split_whitespace());
    let words: Vec<_> = words.map(OsString::from).collect();
    crate::cli::parse(&words).map(|(command, _)| command)
}

fn options(line: &str) -> Options {
    match parsed(line) {
        Ok(Command::Bake(options)) => *options,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn options_are_parsed() {
    let all = options(
        "--root /t --arch aarch64 --agent-version 1.99.0 --mirror http://m/x/ --config A=1 \
         --config=B='2' --init runit --binary b --keyring k --force",
    );
    assert_eq!(
        all,
        Options {
            root: "/t".into(),
            architecture: Architecture::Arm64,
            version: Some(AgentVersion::Release("v1.99.0".into())),
            agent: AgentLocation::Mirror("http://m/x".into()),
            ecs_config: EcsConfig::Lines(vec!["A=1".into(), "B='2'".into()]),
            init: Some(Init::Runit),
            binary: Some("b".into()),
            keyring: Some("k".into()),
            force: true,
        }
    );
    let tar = options("--root t --tar a.tar --sig s --config-file f");
    let file = AgentLocation::File {
        tar: "a.tar".into(),
        signature: Some("s".into()),
    };
    assert_eq!(
        (tar.agent, tar.version, tar.architecture),
        (file, None, Architecture::native())
    );
    assert_eq!(tar.ecs_config, EcsConfig::File("f".into()));
    let few = options("--root / --agent-version latest --region eu-west-1 --arch amd64");
    assert_eq!(few.agent, AgentLocation::Region("eu-west-1".into()));
    assert_eq!(few.ecs_config, EcsConfig::Keep);
    let none = options("--root / --no-agent");
    assert_eq!((none.agent, none.version), (AgentLocation::None, None));
    assert_eq!(
        parsed("--check /t").unwrap(),
        Command::BakeCheck("/t".into())
    );
}

#[test]
fn usage_error_names_the_option_and_no_secret() {
    for (line, word) in [
        ("", "--root"),
        ("--root t", "--agent-version"),
        ("--root t --agent-version one", "--agent-version one"),
        ("--root t --agent-version 1.2.3 --arch mips", "--arch mips"),
        ("--root t --agent-version 1.2.3 --sig s", "--tar"),
        ("--root t --agent-version 1.2.3 --no-agent", "--no-agent"),
        ("--root t --tar t --no-agent", "--no-agent"),
        ("--root t --tar t --mirror http://m", "--mirror"),
        ("--root t --tar t --region r", "--region"),
        ("--root t --tar t --config A=1 --config-file f", "exclude"),
        (
            "--root t --tar t --config A=1 --config SECRET",
            "occurrence 2",
        ),
        ("--root t --tar t --config #", "occurrence 1"),
        (
            "--root t --tar t --config A=SECRET\\ --config B=2",
            "occurrence 1",
        ),
        ("--root t --tar t --config A=1 SECRET", "quote"),
        ("--root t --root u --tar t", "--root"),
        ("--root t --tar t --init upstartd", "--init upstartd"),
        (
            "--root t --tar d/ecs-agent-arm64-v1.99.0.tar --agent-version 1.98.0",
            "says version v1.99.0, --agent-version says v1.98.0",
        ),
        ("--root", "--root"),
        ("--check t --force", "--check"),
        ("--check t --root t", "--check"),
    ] {
        let error = parsed(line).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage, "{line}");
        assert!(error.to_string().contains(word), "{line}: {error}");
        assert!(!error.to_string().contains("SECRET"), "{line}: {error}");
    }
}

#[test]
fn help_lists_every_init() {
    let option = OPTIONS
        .iter()
        .find(|option| option.name() == "init")
        .unwrap();
    for init in Init::all() {
        assert!(option.help.contains(init.name()), "{init}");
    }
}
