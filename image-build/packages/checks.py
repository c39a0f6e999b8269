"""Named, counted checks, and the expected contents of a tree after each step of a package's
lifecycle."""

import os
import stat
from pathlib import Path

#: The user's configuration: with a secret, and with a mode that differs from the package's.
CONFIG = 'ECS_CLUSTER=mine\nECS_ENGINE_AUTH_DATA={"registry":{"password":"s3cret"}}\n'
UNIT = "usr/lib/systemd/system/ecs.service"
WANTED = "etc/systemd/system/multi-user.target.wants/ecs.service"
DIRECTORIES = [
    "etc/ecs", "var/cache/ecs", "var/lib/ecs", "var/lib/ecs/data", "var/log/ecs", "var/log/ecs/exec",
    "mnt/ecs/ebs",
]

passed = 0
failed = 0


def check(name: str, good: object, why: object = "") -> bool:
    global passed, failed
    if good:
        passed += 1
        print(f"ok   {name}", flush=True)
    else:
        failed += 1
        print(f"FAIL {name}: {why}" if why else f"FAIL {name}", flush=True)
    return bool(good)


def succeeded(name: str, done) -> bool:
    return check(name, done.returncode == 0, done.stdout)


class Tree:
    """A root tree with a user's configuration and an agent's state in it."""

    def __init__(self, name: str, path: Path):
        self.name, self.path = name, path

    def write(self, path: str, text: str, mode: int) -> None:
        file = self.path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def configure(self) -> None:
        self.write("etc/ecs/ecs.config", CONFIG, 0o640)
        self.write("etc/ecs/ecs.config.json", "{}", 0o600)
        self.write("var/lib/ecs/data/agent.db", "registered", 0o600)

    def kept(self, step: str) -> None:
        """The user's files are unchanged, and /etc/ecs has no other files."""
        config = self.path / "etc/ecs/ecs.config"
        wrong = []
        if not config.is_file() or config.read_text() != CONFIG:
            wrong.append("ecs.config is not the user's")
        elif stat.S_IMODE(config.stat().st_mode) != 0o640:
            wrong.append(f"ecs.config has mode {config.stat().st_mode:o}")
        names = sorted(os.listdir(self.path / "etc/ecs"))
        if names != ["ecs.config", "ecs.config.json"]:
            wrong.append(f"/etc/ecs has {names}")
        if not (self.path / "var/lib/ecs/data/agent.db").is_file():
            wrong.append("the agent's state is gone")
        check(f"{self.name}: {step}: configuration and state kept", not wrong, "; ".join(wrong))

    def installed(self, step: str, binary: Path) -> None:
        """The tree has the program, its link in PATH and its service, and no file of Amazon's."""
        program = self.path / "usr/libexec/amazon-ecs-init"
        wrong = []
        if not program.is_file() or program.read_bytes() != binary.read_bytes():
            wrong.append("the program is missing or another one")
        elif stat.S_IMODE(program.stat().st_mode) != 0o755:
            wrong.append("the program's mode is not 755")
        link = self.path / "usr/sbin/ecs-init"
        if not link.is_symlink() or os.readlink(link) != "../libexec/amazon-ecs-init":
            wrong.append("no link /usr/sbin/ecs-init")
        unit = self.path / UNIT
        here = Path(__file__).resolve().parents[1] / "init/systemd/ecs.service"
        if not unit.is_file() or unit.read_bytes() != here.read_bytes():
            wrong.append("the unit is missing or another one")
        if left := list((self.path / "var/cache/ecs").glob("*")):
            wrong.append(f"left in the cache: {left}")
        if (self.path / "usr/libexec/amazon-ecs-volume-plugin").exists():
            wrong.append("Amazon's volume plugin is still there")
        for directory in DIRECTORIES:
            found = self.path / directory
            if not found.is_dir() or stat.S_IMODE(found.stat().st_mode) != 0o755:
                wrong.append(f"/{directory} is not a directory of mode 755")
        check(f"{self.name}: {step}: the program and its service", not wrong, "; ".join(wrong))

    def enabled(self, step: str, expected: bool) -> None:
        found = (self.path / WANTED).is_symlink()
        words = "enabled" if expected else "not enabled"
        check(f"{self.name}: {step}: {words}", found == expected)

    def absent(self, step: str, *paths: str) -> None:
        there = [path for path in paths if os.path.lexists(self.path / path)]
        check(f"{self.name}: {step}: no {' '.join(paths)}", not there, there)

    def new_config(self, step: str) -> None:
        """A host without a configuration has got an empty one of mode 600."""
        file = self.path / "etc/ecs/ecs.config"
        good = file.is_file() and file.read_bytes() == b"" and stat.S_IMODE(file.stat().st_mode) == 0o600
        check(f"{self.name}: {step}: an empty ecs.config of mode 600", good)
