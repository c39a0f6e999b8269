"""The Debian package in a real Debian tree: replaces Amazon's, is upgraded, removed and purged."""

import subprocess
from pathlib import Path

import installing
import fake_packages
from checks import UNIT, WANTED, Tree, check, succeeded


def dpkg(tree: Tree, *arguments):
    return installing.dpkg(tree.path, *arguments)


def in_tree(tree: Tree, *command: str) -> subprocess.CompletedProcess:
    return installing.run("chroot", tree.path, *command)


def version(tree: Tree, arch: str) -> str:
    form = "--showformat=${Version} ${db:Status-Status}"
    return installing.output(
        "dpkg-query", f"--admindir={tree.path}/var/lib/dpkg", form, "--show", f"amazon-ecs-init:{arch}",
    )


def lifecycle(tree: Tree, arch: str, binary: Path, work: Path, first: Path, second: Path) -> None:
    """Replaces Amazon's package, whose service is not enabled; then upgrade, removal and purge."""
    if arch != installing.output("dpkg", "--print-architecture"):
        # The package's scripts run in the tree's shell, which has this machine's architecture.
        succeeded(f"{tree.name}: the tree takes {arch}", dpkg(tree, "--add-architecture", arch))
    amazon = fake_packages.deb(work, arch, "1.105.1-1")
    succeeded(f"{tree.name}: Amazon's 1.105.1-1 installs", dpkg(tree, "-i", amazon))
    tree.configure()
    tree.enabled("Amazon's", False)

    succeeded(f"{tree.name}: installs over Amazon's without a question and without --force",
              dpkg(tree, "-i", first))
    tree.installed("over Amazon's", binary)
    tree.kept("over Amazon's")
    tree.enabled("over Amazon's, unchanged", False)
    audit = dpkg(tree, "--audit")
    check(f"{tree.name}: dpkg --audit reports nothing", audit.returncode == 0 and not audit.stdout, audit.stdout)
    verified = dpkg(tree, "--verify", f"amazon-ecs-init:{arch}")
    check(f"{tree.name}: dpkg --verify reports nothing", not verified.returncode, verified.stdout)
    not_replaced_by_amazons(tree, arch, work)

    succeeded(f"{tree.name}: systemctl enable in the tree", in_tree(tree, "systemctl", "enable", "ecs"))
    succeeded(f"{tree.name}: upgrades to the next version", dpkg(tree, "-i", second))
    expected = f"1:{second.name.split('-')[-1].rsplit('.', 2)[0]}-1 installed"
    check(f"{tree.name}: the next version is installed", version(tree, arch) == expected, version(tree, arch))
    tree.installed("upgraded", binary)
    tree.kept("upgraded")
    tree.enabled("upgraded", True)

    succeeded(f"{tree.name}: removes", dpkg(tree, "--remove", f"amazon-ecs-init:{arch}"))
    tree.absent("removed", "usr/libexec/amazon-ecs-init", "usr/sbin/ecs-init", UNIT)
    tree.kept("removed")
    succeeded(f"{tree.name}: is installed again", dpkg(tree, "-i", second))
    tree.installed("installed again", binary)
    tree.kept("installed again")
    tree.enabled("installed again", True)

    tree.write("var/cache/ecs/state", "1", 0o644)
    succeeded(f"{tree.name}: purges", dpkg(tree, "--purge", f"amazon-ecs-init:{arch}"))
    tree.absent("purged", "usr/libexec/amazon-ecs-init", UNIT, WANTED, "etc/ecs/ecs.config", "var/cache/ecs")
    state = tree.path / "var/lib/ecs/data/agent.db"
    check(f"{tree.name}: purged: the agent's state stays", state.is_file())


def not_replaced_by_amazons(tree: Tree, arch: str, work: Path) -> None:
    """apt does not upgrade to a newer package of Amazon's, because of the epoch."""
    archive = work / f"archive-{arch}"
    archive.mkdir()
    newer = fake_packages.deb(archive, arch, "9.9.9-1")
    fields = installing.output("dpkg-deb", "--field", newer)
    digest = installing.output("sha256sum", newer).split()[0]
    (archive / "Packages").write_text(
        f"{fields}\nFilename: ./{newer.name}\nSize: {newer.stat().st_size}\nSHA256: {digest}\n\n")
    (archive / "sources.list").write_text(f"deb [trusted=yes] file:{archive} ./\n")
    (archive / "lists/partial").mkdir(parents=True)
    status = f"{tree.path}/var/lib/dpkg/status"
    options = {
        "Dir::State": archive, "Dir::State::Lists": archive / "lists", "Dir::State::status": status,
        "Dir::Cache": archive, "Dir::Etc::SourceList": archive / "sources.list",
        "Dir::Etc::SourceParts": "-", "Dir::Etc::Preferences": "-", "Dir::Etc::PreferencesParts": "-",
        "APT::Sandbox::User": "", "APT::Architectures": arch, "APT::Architecture": arch,
    }
    flags = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    succeeded(f"{tree.name}: apt reads an archive with Amazon's 9.9.9-1",
              installing.run("apt-get", *flags, "update"))
    seen = installing.run("apt-cache", *flags, "policy", "amazon-ecs-init").stdout
    candidate = next((line.split()[-1] for line in seen.splitlines() if "Candidate:" in line), "")
    check(f"{tree.name}: apt sees Amazon's package and keeps this one",
          "9.9.9-1" in seen and candidate.startswith("1:"), seen)


def new_host(tree: Tree, binary: Path, file: Path) -> None:
    """A new installation."""
    succeeded(f"{tree.name}: installs", installing.deb(tree.path, file))
    tree.installed("new", binary)
    tree.enabled("new", True)
    tree.new_config("new")
    if installing.runs_here(tree.path):
        answer = in_tree(tree, "/usr/sbin/ecs-init", "version")
        check(f"{tree.name}: the program runs in the tree", answer.returncode == 0, answer.stdout)
        says = in_tree(tree, "systemctl", "is-enabled", "ecs").stdout.strip()
        check(f"{tree.name}: systemctl in the tree says enabled", says == "enabled", says)


def config_first(tree: Tree, file: Path) -> None:
    """User data wrote the configuration before the package was installed."""
    tree.configure()
    succeeded(f"{tree.name}: installs over an existing ecs.config without a question",
              installing.deb(tree.path, file))
    tree.kept("config first")


def disabled(tree: Tree, first: Path, second: Path) -> None:
    """A service that the administrator disabled stays disabled after an upgrade."""
    succeeded(f"{tree.name}: installs", dpkg(tree, "-i", first))
    tree.enabled("installed", True)
    succeeded(f"{tree.name}: systemctl disable", in_tree(tree, "systemctl", "disable", "ecs"))
    succeeded(f"{tree.name}: upgrades", dpkg(tree, "-i", second))
    tree.enabled("upgraded", False)
