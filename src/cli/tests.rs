use super::*;
use crate::error::Kind;

fn parsed(line: &str) -> Result<Command> {
    let words: Vec<_> = line.split_whitespace().map(OsString::from).collect();
    parse(&words).map(|(command, _)| command)
}

#[test]
fn commands_aliases_and_operands() {
    assert_eq!(parsed("pre-stop").unwrap(), Command::Stop);
    assert_eq!(parsed("version").unwrap(), Command::Version);
    assert_eq!(parsed("run --help").unwrap(), Command::Help(Some("run")));
    assert_eq!(parsed("help run").unwrap(), Command::Help(Some("run")));
    assert_eq!(parsed("--help").unwrap(), Command::Help(None));
    assert_eq!(
        parsed("verify a b").unwrap(),
        Command::Verify {
            tar: "a".into(),
            signature: Some("b".into())
        }
    );
}

#[test]
fn argv0_run_is_run_respawned() {
    let called = |line: &str| {
        let words = arguments(line.split(' ').map(OsString::from));
        parse(&words).unwrap().0
    };
    let run = |respawned| Command::Run { respawned };
    assert_eq!(called("./run"), run(true));
    // s6-supervise adds the service's name.
    assert_eq!(called("run ecs"), run(true));
    assert_eq!(called("ecs-init run --respawned"), run(true));
    assert_eq!(called("/usr/libexec/amazon-ecs-init run"), run(false));
    assert!(parsed("start --respawned").is_err());
}

#[test]
fn usage_error_names_the_word_and_prints_the_commands_help() {
    let general = "usage: ecs-init COMMAND";
    for (line, word, usage_line) in [
        ("", "missing command", general),
        ("strat", "unknown command 'strat'", general),
        ("--fast", "'--fast'", general),
        (
            "help strat",
            "unknown command 'strat'",
            "usage: ecs-init help",
        ),
        (
            "start now",
            "unexpected argument 'now'",
            "usage: ecs-init start\n",
        ),
        ("pre-stop now", "'now'", "usage: ecs-init stop\n"),
        (
            "verify",
            "missing operand TAR",
            "usage: ecs-init verify TAR [SIG]",
        ),
        ("verify a b c", "'c'", "usage: ecs-init verify"),
        ("start --fast", "--fast", "usage: ecs-init start"),
        ("run --respawned=1", "--respawned", "usage: ecs-init run"),
        ("bake --fast", "--fast", "usage: ecs-init bake --root"),
    ] {
        let error = parsed(line).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage, "{line}");
        assert!(error.to_string().contains(word), "{line}: {error}");
        let words: Vec<_> = line.split_whitespace().map(OsString::from).collect();
        assert!(
            usage(&words).contains(usage_line),
            "{line}: {}",
            usage(&words)
        );
    }
}

#[test]
fn every_command_has_help() {
    for spec in &COMMANDS {
        for line in [
            format!("{} --help", spec.name),
            format!("help {}", spec.name),
        ] {
            assert_eq!(parsed(&line).unwrap(), Command::Help(Some(spec.name)));
        }
        let text = help(Some(spec.name));
        assert!(
            text.contains(spec.details) && text.contains(spec.summary),
            "{text}"
        );
        for option in spec.options {
            assert!(text.contains(&format!("  --{}", option.usage)), "{text}");
        }
        assert!(help(None).contains(spec.summary), "{}", spec.name);
        let long = text.lines().find(|line| line.chars().count() > 100);
        assert_eq!(long, None, "{}", spec.name);
    }
}

/// The names in the first column of the table of commands.
#[test]
fn documentation_lists_every_command() {
    let page = include_str!("../../docs/operations.md");
    let section = page
        .split("\n## ")
        .find(|section| section.starts_with("Commands\n"));
    let rows = section
        .expect("the section")
        .lines()
        .filter_map(|line| line.strip_prefix("| `"));
    let cells = rows.filter_map(|row| row.split(" |").next());
    let names = cells.flat_map(|cell| cell.split(", "));
    let names = names.filter_map(|name| name.trim_matches('`').split(' ').next());
    let mut documented: Vec<_> = names.collect();
    documented.dedup();
    let commands = COMMANDS.iter();
    let all = commands.flat_map(|spec| std::iter::once(&spec.name).chain(spec.aliases));
    assert_eq!(documented, all.copied().collect::<Vec<_>>());
}
