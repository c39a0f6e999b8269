"""Checks of the packages' contents: Debian's and rpm's own tools, and the links of the documentation."""

import io
import posixpath
import re
import subprocess
import tarfile
from pathlib import Path

import installing
from checks import check

DOCUMENTATION = "usr/share/doc/amazon-ecs-init"
REPOSITORY = Path(__file__).resolve().parents[2]


def deb(file: Path) -> None:
    output = installing.run("lintian", "--allow-root", "--tag-display-limit", "0", file).stdout
    errors = [line for line in output.splitlines() if line.startswith("E:")]
    check(f"{file.name}: lintian finds no error", not errors and "W:" in output, errors or output)
    packed = subprocess.run(["dpkg-deb", "--fsys-tarfile", file], check=True, stdout=subprocess.PIPE)
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        text = archive.extractfile(f"./{DOCUMENTATION}/copyright").read().decode()
    # Not the file that cargo-deb generates.
    check(f"{file.name}: its copyright names the LGPL libraries", "sequoia-openpgp" in text, text)
    listed = installing.output("dpkg-deb", "--contents", file).splitlines()
    links(file.name, {line.split()[5].removeprefix("./") for line in listed}, DOCUMENTATION)


def rpm(file: Path) -> None:
    listed = set(installing.output("rpm", "-qlp", file).splitlines())
    wanted = {"/usr/libexec/amazon-ecs-init", "/usr/lib/systemd/system/ecs.service", "/etc/ecs/ecs.config"}
    check(f"{file.name}: rpm -qlp lists Amazon's paths", wanted <= listed, listed)
    links(file.name, {path.removeprefix("/") for path in listed}, DOCUMENTATION)
    interpreters = installing.output(
        "rpm", "-qp", "--qf", "%{PREINPROG} %{PREUNPROG} %{POSTUNPROG} %{POSTTRANSPROG}", file)
    check(f"{file.name}: its scriptlets need no shell", interpreters == " ".join(["<lua>"] * 4), interpreters)
    own = installing.output("rpm", "-qp", "--provides", file).splitlines()
    needs = [line for line in installing.output("rpm", "-qRp", file).splitlines()
             if line not in own and not line.startswith("rpmlib(")]
    check(f"{file.name}: it requires no other package", not needs, needs)


def tar(file: Path) -> None:
    with tarfile.open(file) as archive:
        names = archive.getnames()
    links(file.name, set(names), names[0].split("/")[0])


def source_paths() -> None:
    """Every path of the source tree that the documentation names exists."""
    pages = [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").glob("*.md")]
    named = {path for page in pages for path in re.findall(
        r"`((?:src|tests|docs|image-build|qemu-tests)/[\w./-]+)`", page.read_text())}
    missing = sorted(path for path in named if not (REPOSITORY / path).exists())
    check("the documentation names only existing paths", not missing, missing)


def links(name: str, listed: set[str], directory: str) -> None:
    """Every relative link of the packaged README and docs leads to a packaged file."""
    pages = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
    dangling = []
    for page in pages:
        place = f"{directory}/{page.relative_to(REPOSITORY)}"
        targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
        paths = [posixpath.normpath(f"{posixpath.dirname(place)}/{target}") for target in targets]
        dangling += [f"{place}: {path}" for path in [place, *paths] if path not in listed]
    check(f"{name}: no link in the documentation is dangling", not dangling, dangling)
