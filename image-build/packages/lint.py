"""What the distributions' own checkers say of the packages."""

from pathlib import Path

import installing
from checks import check


def deb(file: Path) -> None:
    said = installing.run("lintian", "--allow-root", "--tag-display-limit", "0", file).stdout
    errors = [line for line in said.splitlines() if line.startswith("E:")]
    check(f"{file.name}: lintian finds no error", not errors and "W:" in said, errors or said)


def rpm(file: Path) -> None:
    listed = set(installing.output("rpm", "-qlp", file).splitlines())
    wanted = {"/usr/libexec/amazon-ecs-init", "/usr/lib/systemd/system/ecs.service", "/etc/ecs/ecs.config"}
    check(f"{file.name}: rpm -qlp lists Amazon's paths", wanted <= listed, listed)
    interpreters = installing.output(
        "rpm", "-qp", "--qf", "%{PREINPROG} %{PREUNPROG} %{POSTUNPROG} %{POSTTRANSPROG}", file)
    check(f"{file.name}: its scriptlets need no shell", interpreters == " ".join(["<lua>"] * 4), interpreters)
    own = installing.output("rpm", "-qp", "--provides", file).splitlines()
    needs = [line for line in installing.output("rpm", "-qRp", file).splitlines()
             if line not in own and not line.startswith("rpmlib(")]
    check(f"{file.name}: it requires no other package", not needs, needs)
