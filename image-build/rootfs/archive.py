"""Downloads Debian packages of another suite or architecture with a private apt configuration.

apt resolves dependencies, downloads, and checks the archive's signatures. It runs with its own
lists, cache and empty package state, so the machine's apt state does not change. The archive's
address comes from the machine's sources, so a configured local mirror is used.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

#: Tried in this order; the first suite that has every package wins. The later suites are
#: fallbacks for the time when the stable one has left the archive.
SUITES = ("trixie", "forky", "sid")

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


class ArchiveError(Exception):
    """A package, or the archive itself, is not available."""


def with_retries(fetch) -> None:
    """Calls `fetch` up to three times while it raises ArchiveError."""
    for pause in (5, 20):
        try:
            return fetch()
        except ArchiveError:
            time.sleep(pause)
    return fetch()


def cache_root() -> Path:
    """The directory that keeps downloads and built images between runs."""
    if path := os.environ.get("ECS_INIT_CACHE"):
        return Path(path)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "ecs-init"


def codename() -> str:
    """This machine's suite, for example `bookworm`."""
    for line in Path("/etc/os-release").read_text().splitlines():
        if line.startswith("VERSION_CODENAME="):
            return line.split("=", 1)[1].strip('"')
    raise ArchiveError("/etc/os-release has no VERSION_CODENAME: a Debian machine is required")


def machine_archive() -> str:
    """The URL of the main archive in the machine's apt sources."""
    suite = codename()
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)",
         "Created-By: Packages"],
        capture_output=True, text=True, check=True).stdout
    for line in listed.splitlines():
        fields = line.split()
        if len(fields) == 3 and fields[1:] == [suite, "main"]:
            return fields[0]
    raise ArchiveError(
        f"the machine's apt sources have no main archive of {suite}; "
        "the guests are built from Debian packages: add a Debian archive and its keyring")


class Suite:
    """One suite for one architecture, with its own apt configuration."""

    def __init__(self, suite: str, arch: str, work: Path):
        self.suite, self.arch = suite, arch
        self.dir = work / "apt" / f"{suite}-{arch}"
        for sub in ("lists/partial", "archives/partial", "preferences.d"):
            (self.dir / sub).mkdir(parents=True, exist_ok=True)
        (self.dir / "status").touch()
        signed = f"[signed-by={KEYRING}] " if KEYRING.exists() else ""
        (self.dir / "sources.list").write_text(
            f"deb {signed}{machine_archive()} {suite} main\n")
        conf = {
            "APT::Architecture": arch,
            "APT::Install-Recommends": "false",
            "APT::Sandbox::User": "root",
            "Acquire::Languages": "none",
            "Dir::Etc::SourceList": self.dir / "sources.list",
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::Etc::Preferences": "/dev/null",
            "Dir::Etc::PreferencesParts": self.dir / "preferences.d",
            "Dir::State::Lists": self.dir / "lists",
            "Dir::State::status": self.dir / "status",
            "Dir::State::extended_states": self.dir / "extended_states",
            "Dir::Cache": self.dir,
            "Dir::Cache::archives": self.dir / "archives",
            "Debug::NoLocking": "true",
            "Acquire::Retries": "5",
            "APT::Update::Error-Mode": "any",
        }
        lines = [f'{key} "{value}";' for key, value in conf.items()]
        # The machine's hooks are for the machine's own packages.
        lines += [f'APT::Architectures {{ "{arch}"; }};',
                  "#clear DPkg::Post-Invoke;", "#clear APT::Update::Post-Invoke;",
                  "#clear APT::Update::Post-Invoke-Success;"]
        self.conf = self.dir / "apt.conf"
        self.conf.write_text("\n".join(lines) + "\n")

    def _apt(self, *args: str, cwd: Path | None = None) -> str:
        # -c is read last and overrides the machine's settings.
        done = subprocess.run([args[0], "-c", str(self.conf), *args[1:]], cwd=cwd,
                              capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise ArchiveError(f"{' '.join(args)} ({self.suite}, {self.arch}): "
                               f"{done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def update(self) -> None:
        # A transient failure must not select a later suite.
        with_retries(lambda: self._apt("apt-get", "update", "-q"))

    def depends(self, package: str) -> list[str]:
        """The direct dependencies of a metapackage."""
        out = self._apt("apt-cache", "depends", package)
        return [line.split(":", 1)[1].strip() for line in out.splitlines()
                if line.strip().startswith("Depends:")]

    def image(self, kernel: str) -> str:
        """The kernel image package that a metapackage depends on."""
        for package in self.depends(kernel):
            if package.startswith("linux-image-"):
                return package
        raise ArchiveError(f"{kernel} ({self.suite}, {self.arch}) depends on no kernel image")

    def closure(self, *packages: str) -> list[str]:
        """The names of the packages and of all their dependencies."""
        out = self._apt("apt-get", "install", "--simulate", "-q", *packages)
        return [line.split()[1] for line in out.splitlines() if line.startswith("Inst ")]

    def download(self, packages: list[str]) -> list[Path]:
        """The paths of the packages' files in the cache; apt checks their digests."""
        out = self._apt("apt-get", "download", "--print-uris", "-q", *packages)
        wanted = [line.split()[1] for line in out.splitlines() if line.startswith("'")]
        if any(not (self.dir / name).is_file() for name in wanted):
            partial = self.dir / "incoming"
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            self._apt("apt-get", "download", "-q", *packages, cwd=partial)
            for deb in partial.iterdir():
                deb.rename(self.dir / deb.name)
        return [self.dir / name for name in wanted]


def fetch(arch: str, kernel: str | None, packages: tuple[str, ...],
          suites: tuple[str, ...] = SUITES) -> dict:
    """The guest's packages: the ones that an earlier run chose, else the archive's current ones.

    `kernel` is a metapackage, of which only the kernel image is taken; None for a root that needs
    no kernel. Returns
    `{"suite", "arch", "kernel": path, "packages": [path …], "sha256": {name: digest}}`.
    `ECS_INIT_REFRESH=1` in the environment makes it choose again.
    """
    work = cache_root() / "debs"
    work.mkdir(parents=True, exist_ok=True)
    key = hashlib.sha256(repr((suites, kernel, packages)).encode()).hexdigest()[:12]
    manifest = work / f"manifest-{arch}-{key}.json"
    # Several stages and several runs may need the same packages at the same time.
    with (work / f"lock-{arch}").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if manifest.is_file() and not os.environ.get("ECS_INIT_REFRESH"):
            taken = json.loads(manifest.read_text())
            if all(Path(p).is_file() for p in [taken["kernel"], *taken["packages"]] if p):
                return taken
        taken = _take(arch, kernel, packages, suites, work)
        manifest.write_text(json.dumps(taken, indent=1) + "\n")
        return taken


def _take(arch: str, kernel: str | None, packages: tuple[str, ...], suites: tuple[str, ...],
          work: Path) -> dict:
    errors = []
    for name in suites:
        suite = Suite(name, arch, work)
        try:
            suite.update()
            image = suite.download([suite.image(kernel)])[0] if kernel else None
            debs = suite.download(suite.closure(*packages))
        except ArchiveError as error:
            errors.append(str(error))
            continue
        return {"suite": name, "arch": arch, "kernel": image and str(image),
                "packages": sorted(map(str, debs)),
                "sha256": {path.name: hashlib.sha256(path.read_bytes()).hexdigest()
                           for path in [image, *debs] if path}}
    raise ArchiveError("the guests' packages could not be fetched:\n  " + "\n  ".join(errors))


def install_on_machine(packages: list[str]) -> None:
    """Installs packages on this machine, from its suite or that suite's backports.

    Backports are added for this call only; the machine's apt sources do not change.
    """
    own = codename()
    work = cache_root() / "apt-machine"
    (work / "lists/partial").mkdir(parents=True, exist_ok=True)
    address = machine_archive()
    signed = f"[signed-by={KEYRING}] " if KEYRING.exists() else ""
    suites = (own, f"{own}-updates", f"{own}-backports")
    (work / "sources.list").write_text(
        "".join(f"deb {signed}{address} {suite} main\n" for suite in suites))
    options = ["-q", "-o", f"Dir::Etc::SourceList={work}/sources.list",
               "-o", "Dir::Etc::SourceParts=/dev/null", "-o", f"Dir::State::Lists={work}/lists",
               "-o", "DPkg::Lock::Timeout=600", "-o", "APT::Install-Recommends=false",
               "-o", "Acquire::Retries=5", "-o", "APT::Update::Error-Mode=any"]

    def apt(*words: str) -> None:
        done = subprocess.run(
            ["apt-get", *options, *words], capture_output=True, text=True,
            stdin=subprocess.DEVNULL, env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"})
        if done.returncode:
            raise ArchiveError(f"apt-get {words[0]}: {done.stderr.strip()}")

    with_retries(lambda: apt("update"))
    with_retries(lambda: apt("install", "-y", "-t", f"{own}-backports", *packages))
