"""install.sh of the tar.gz in a tree of each init system, compared with the result of `bake`."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import installing
from harness import archives, signing
from checks import Tree, check, succeeded

#: The target of `/sbin/init` and further files by which the init is detected.
TREES = {
    "systemd": ("../lib/systemd/systemd", ["usr/lib/systemd/systemd"]),
    "openrc": ("openrc-init", ["usr/sbin/openrc-init", "usr/sbin/openrc-run"]),
    "runit": ("runit-init", ["usr/sbin/runit-init"]),
    "s6": ("../bin/s6-svscan", ["usr/bin/s6-svscan", "etc/s6/service/.s6-svscan/finish"]),
    "s6-linux-init": ("/etc/s6-linux-init/current/bin/init", [
        "etc/s6-linux-init/current/bin/init",
        "etc/s6-linux-init/current/run-image/service/.s6-svscan/finish"]),
    "sysvinit": (None, ["etc/init.d/rc", "etc/inittab"]),
    "upstart": (None, ["usr/sbin/initctl"]),
    "busybox": ("../bin/busybox", ["usr/bin/busybox", "etc/inittab"]),
}
#: What only `bake` installs: the agent, the manifest, the keyring.
BAKED = ("var/cache/ecs/", "var/lib/ecs/ecs-init.manifest.json", "etc/ecs/ecs-init.keyring",
         "var/lib/ecs/ecs.config")


def make_tree(tree: Path, init: str) -> None:
    link, signs = TREES[init]
    for directory in ["usr/sbin", "usr/lib", "usr/bin", "etc"]:
        (tree / directory).mkdir(parents=True)
    for merged in ["sbin", "lib", "bin"]:
        (tree / merged).symlink_to(f"usr/{merged}")
    for sign in signs:
        (tree / sign).parent.mkdir(parents=True, exist_ok=True)
        (tree / sign).write_text("si::sysinit:/etc/rc\n")
    if link:
        (tree / "usr/sbin/init").symlink_to(link)
    else:
        (tree / "usr/sbin/init").write_text("another program\n")


def listing(tree: Path) -> dict[str, object]:
    """The kind, mode and contents of every entry of a tree."""
    found: dict[str, object] = {}
    for path in sorted(tree.rglob("*")):
        name, status = str(path.relative_to(tree)), path.lstat()
        if path.is_symlink():
            found[name] = os.readlink(path)
        elif path.is_dir():
            found[name] = stat.S_IMODE(status.st_mode)
        else:
            found[name] = (stat.S_IMODE(status.st_mode), path.read_bytes())
    return found


def install(script: Path, tree: Path, *arguments: str) -> subprocess.CompletedProcess:
    return installing.run(script, "--root", tree, *arguments)


def everything(archive: Path, arch: str, binary: Path, work: Path) -> None:
    place = work / f"unpacked-{arch}"
    place.mkdir()
    subprocess.run(["tar", "-xf", archive, "-C", place], check=True)
    script = next(place.iterdir()) / "install.sh"
    baker = Baker(work / f"agent-{arch}", script.parent, arch)
    for init in TREES:
        tree = Tree(f"tar {arch} {init}", work / f"tar-{arch}-{init}")
        make_tree(tree.path, init)
        baked = work / f"baked-{arch}-{init}"
        shutil.copytree(tree.path, baked, symlinks=True)
        done = install(script, tree.path, "--arch", arch)
        succeeded(f"{tree.name}: installs and detects the init", done)
        check(f"{tree.name}: names the init", f"init: {init}" in done.stdout, done.stdout)
        once = listing(tree.path)
        program = once.get("usr/libexec/amazon-ecs-init")
        check(f"{tree.name}: the program", program == (0o755, binary.read_bytes()))
        tree.new_config("installed")
        succeeded(f"{tree.name}: installs again", install(script, tree.path, "--arch", arch))
        check(f"{tree.name}: is idempotent", listing(tree.path) == once)
        baker.compare(tree.name, once, baked)
    baker.keys.close()
    refusals(script, arch, work)


def refusals(script: Path, arch: str, work: Path) -> None:
    """Errors that leave the tree unchanged."""
    outside = work / f"outside-{arch}"
    outside.mkdir()
    for name, target in [("absolute", str(outside)), ("climbing", f"../../{outside.name}")]:
        tree = work / f"hostile-{arch}-{name}"
        make_tree(tree, "systemd")
        (tree / "usr/libexec").symlink_to(target)
        done = install(script, tree, "--arch", arch)
        succeeded(f"tar {arch}: installs into a tree with a link out of it ({name})", done)
        check(f"tar {arch}: nothing is written outside the tree ({name})", not list(outside.iterdir()))
    inittabs(script, arch, work)
    linked = work / f"linked-{arch}"
    make_tree(linked, "sysvinit")
    (linked / "sbin").unlink()
    (outside / "init").symlink_to("../lib/systemd/systemd")
    (linked / "sbin").symlink_to(outside)
    done = install(script, linked, "--arch", arch)
    check(f"tar {arch}: the init is not detected outside the tree",
          not done.returncode and "init: sysvinit" in done.stdout, done.stdout)
    empty = work / f"empty-{arch}"
    empty.mkdir()
    done = install(script, empty, "--arch", arch)
    check(f"tar {arch}: an unknown init is refused with a hint to --init",
          done.returncode and "--init" in done.stdout and not list(empty.iterdir()), done.stdout)
    done = install(script, empty, "--arch", "m68k")
    check(f"tar {arch}: an unknown architecture is refused", done.returncode and "--arch" in done.stdout)
    tree = Tree(f"tar {arch}", empty)
    tree.configure()
    done = install(script, empty, "--arch", arch, "--init", "none")
    succeeded(f"tar {arch}: --init none installs into an empty tree", done)
    tree.kept("installed")


def inittabs(script: Path, arch: str, work: Path) -> None:
    """/etc/inittab is not created, not followed as a link, and keeps foreign entries."""
    foreign = work / f"inittab-{arch}"
    for number, (init, text, words) in enumerate([
        ("busybox", None, "reads /etc/inittab, which does not exist"),
        ("sysvinit", foreign, "reads /etc/inittab, which does not exist"),
        ("sysvinit", "id:3:initdefault:\necs:3:respawn:/bin/other\n", "inittab:2: the identifier ecs"),
        ("s6", None, "reads /etc/s6/service, which does not exist"),
    ]):
        tree = work / f"inittab-{arch}-{number}"
        make_tree(tree, "systemd")
        foreign.write_text("foreign\n")
        if text == foreign:
            (tree / "etc/inittab").symlink_to(foreign)
        elif text:
            (tree / "etc/inittab").write_text(text)
        before = listing(tree)
        done = install(script, tree, "--arch", arch, "--init", init)
        check(f"tar {arch}: --init {init} is refused: {words}; the tree is unchanged",
              done.returncode and words in done.stdout and listing(tree) == before
              and foreign.read_text() == "foreign\n", done.stdout)
    tree = work / f"inittab-{arch}-old"
    make_tree(tree, "sysvinit")
    inittab = tree / "etc/inittab"
    older = "ecs:3:respawn:/usr/libexec/amazon-ecs-init start"
    inittab.write_text(f"id:3:initdefault:\n{older}\n")
    succeeded(f"tar {arch}: installs over an older entry", install(script, tree, "--arch", arch))
    # The older entry, indented, in addition to the new one.
    now = inittab.read_text()
    inittab.write_text(f" {older}\n{now}")
    succeeded(f"tar {arch}: installs over both entries", install(script, tree, "--arch", arch))
    entries = [line for line in inittab.read_text().splitlines() if "ecs:" in line]
    check(f"tar {arch}: an older entry is replaced",
          len(entries) == 1 and entries[0].endswith("run --respawned"), entries)


class Baker:
    """Runs `bake` of the native binary with a test agent, signed by a generated key."""

    def __init__(self, place: Path, programs: Path, arch: str):
        place.mkdir()
        self.arch, self.place = arch, place
        self.program = programs / f"ecs-init-{os.uname().machine}"
        self.binary = programs / f"ecs-init-{arch}"
        self.keys = signing.Keys("packages")
        agent = archives.agent(self.binary)
        (place / "agent.tar").write_bytes(agent)
        (place / "agent.tar.asc").write_bytes(self.keys.sign(agent))
        (place / "keyring").write_bytes(self.keys.certificate)

    def compare(self, name: str, installed: dict[str, object], tree: Path) -> None:
        """Both trees are the same, except for the files of the agent."""
        done = installing.run(
            self.program, "bake", "--root", tree, "--arch", self.arch, "--binary", self.binary,
            "--tar", self.place / "agent.tar", "--keyring", self.place / "keyring")
        if not succeeded(f"{name}: bake of the same tree", done):
            return
        baked = listing(tree)
        differs = [path for path in sorted(installed.keys() | baked.keys())
                   if installed.get(path) != baked.get(path) and not path.startswith(BAKED)]
        check(f"{name}: install.sh installs the same as bake", not differs, differs)
