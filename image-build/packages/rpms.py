"""The rpm's lifecycle in an empty tree: no shell, no systemd, only what rpm installs."""

from pathlib import Path

import installing
import fake_packages
from checks import CONFIG, UNIT, WANTED, Tree, check, succeeded


def rpm(tree: Tree, *arguments):
    # Allows a package of the other architecture.
    ignore = ["--ignorearch"] if "-U" in arguments else []
    return installing.rpm(tree.path, *ignore, *arguments)


def query(tree: Tree) -> list[str]:
    form = "%{NAME} %{EPOCHNUM}:%{VERSION}\n"
    return sorted(rpm(tree, "-q", "-a", "--qf", form).stdout.splitlines())


def lifecycle(tree: Tree, name: str, arch: str, binary: Path, work: Path, first: Path, second: Path) -> None:
    """Replaces Amazon's package `name`: `ecs-init` on Amazon Linux, `amazon-ecs-init` elsewhere."""
    versions = [f"amazon-ecs-init 1:{file.name.split('-')[-1].rsplit('.', 2)[0]}" for file in (first, second)]
    amazon = fake_packages.rpm(work, name, arch, "1.105.1")
    succeeded(f"{tree.name}: Amazon's 1.105.1 installs", rpm(tree, "-U", "--nodeps", amazon))
    tree.configure()

    succeeded(f"{tree.name}: rpm -U replaces Amazon's", rpm(tree, "-U", first))
    check(f"{tree.name}: only this package is installed", query(tree) == versions[:1], query(tree))
    tree.installed("over Amazon's", binary)
    tree.kept("over Amazon's")
    tree.enabled("over Amazon's, unchanged", False)
    verified = rpm(tree, "-V", "amazon-ecs-init")
    wrong = [line for line in verified.stdout.splitlines() if " c " not in line]
    check(f"{tree.name}: rpm -V reports only the configuration", not wrong, wrong)
    not_replaced_by_amazons(tree, arch, work)

    (tree.path / WANTED).parent.mkdir(parents=True, exist_ok=True)
    if not (tree.path / WANTED).is_symlink():
        (tree.path / WANTED).symlink_to(f"/{UNIT}")
    succeeded(f"{tree.name}: upgrades to the next version", rpm(tree, "-U", second))
    check(f"{tree.name}: the next version is installed", query(tree) == versions[1:], query(tree))
    tree.installed("upgraded", binary)
    tree.kept("upgraded")
    tree.enabled("upgraded", True)

    succeeded(f"{tree.name}: is erased", rpm(tree, "-e", "amazon-ecs-init"))
    tree.absent("erased", "usr/libexec/amazon-ecs-init", "usr/sbin/ecs-init", UNIT, WANTED)
    # rpm renames a changed configuration file on removal.
    saved = tree.path / "etc/ecs/ecs.config.rpmsave"
    check(f"{tree.name}: erased: the configuration is kept as .rpmsave",
          saved.is_file() and saved.read_text() == CONFIG)
    state = tree.path / "var/lib/ecs/data/agent.db"
    check(f"{tree.name}: erased: the agent's state stays", state.is_file())


def not_replaced_by_amazons(tree: Tree, arch: str, work: Path) -> None:
    """rpm refuses a newer package of Amazon's, of either name, without --force."""
    before = query(tree)
    for name in ["amazon-ecs-init", "ecs-init"]:
        newer = work / f"{name}-9.9.9.{arch}.rpm"
        if not newer.is_file():
            fake_packages.rpm(work, name, arch, "9.9.9")
        refused = rpm(tree, "-U", newer)
        check(f"{tree.name}: Amazon's {name} 9.9.9 is refused", refused.returncode, refused.stdout)
    check(f"{tree.name}: this package stays installed", query(tree) == before, query(tree))


def new_host(tree: Tree, binary: Path, first: Path, second: Path) -> None:
    """A new installation; then the service is disabled, and stays disabled after an upgrade."""
    done = installing.rpm_file(tree.path, first)
    succeeded(f"{tree.name}: installs", done)
    check(f"{tree.name}: prints nothing", not done.stdout.replace("warning: RPMDB", "").strip(), done.stdout)
    tree.installed("new", binary)
    tree.enabled("new", True)
    tree.new_config("new")
    (tree.path / WANTED).unlink(missing_ok=True)
    succeeded(f"{tree.name}: upgrades", installing.rpm_file(tree.path, second))
    tree.enabled("disabled and upgraded", False)
    succeeded(f"{tree.name}: is erased", rpm(tree, "-e", "amazon-ecs-init"))
    left = [path for path in tree.path.glob("**/*ecs*") if not path.is_dir()]
    check(f"{tree.name}: erased: no file is left", not left, left)


def beside_systemd(tree: Tree, first: Path, second: Path) -> None:
    """In a tree with systemctl the scriptlets call it: it reaches no bus, and no scriptlet fails."""
    (tree.path / "run/systemd/system").mkdir(parents=True)
    for step, file in [("installs", first), ("upgrades", second)]:
        done = rpm(tree, "-U", file)
        succeeded(f"{tree.name}: {step}", done)
        check(f"{tree.name}: {step}: no scriptlet fails", "scriptlet" not in done.stdout, done.stdout)
        says = installing.run("chroot", tree.path, "systemctl", "--root=/", "is-enabled", "ecs").stdout.strip()
        check(f"{tree.name}: {step}: systemctl says enabled", says == "enabled", says)
    done = rpm(tree, "-e", "amazon-ecs-init")
    succeeded(f"{tree.name}: is erased", done)
    check(f"{tree.name}: erased: no scriptlet fails", "scriptlet" not in done.stdout, done.stdout)
    tree.absent("erased", WANTED, UNIT)


def config_first(tree: Tree, first: Path, second: Path) -> None:
    """User data wrote the configuration before the package was installed."""
    tree.configure()
    succeeded(f"{tree.name}: installs over an existing ecs.config", installing.rpm_file(tree.path, first))
    config = tree.path / "etc/ecs/ecs.config"
    check(f"{tree.name}: config first: it is kept", config.read_text() == CONFIG)
    succeeded(f"{tree.name}: upgrades", installing.rpm_file(tree.path, second))
    check(f"{tree.name}: upgraded: it is kept", config.read_text() == CONFIG)
