"""Makes packages with the names, versions, paths and scriptlets of Amazon's packages, and with
placeholder files.

They follow packaging/generic-deb-integrated, packaging/generic-rpm-integrated and
packaging/amazon-linux-ami-integrated of github.com/aws/amazon-ecs-agent.
"""

import shutil
import subprocess
from pathlib import Path

UNIT = "[Service]\nExecStart=/usr/libexec/amazon-ecs-init start\n[Install]\nWantedBy=multi-user.target\n"
#: The scripts that debhelper generates for `dh_installsystemd --no-start --no-enable --name=ecs`.
POSTINST = """#!/bin/sh
set -e
if [ "$1" = configure ] || [ "$1" = abort-upgrade ]; then
    if deb-systemd-helper debian-installed ecs.service; then
        deb-systemd-helper unmask ecs.service >/dev/null || true
        if deb-systemd-helper --quiet was-enabled ecs.service; then
            deb-systemd-helper enable ecs.service >/dev/null || true
        fi
    fi
    deb-systemd-helper update-state ecs.service >/dev/null || true
fi
"""
POSTRM = """#!/bin/sh
set -e
if [ "$1" = remove ]; then deb-systemd-helper mask ecs.service >/dev/null || true; fi
if [ "$1" = purge ]; then
    deb-systemd-helper purge ecs.service >/dev/null || true
    deb-systemd-helper unmask ecs.service >/dev/null || true
fi
"""


def write(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def deb(work: Path, arch: str, version: str) -> Path:
    root = work / f"amazon-{arch}-{version}"
    write(root / "usr/libexec/amazon-ecs-init", "Amazon's\n", 0o755)
    write(root / "usr/libexec/amazon-ecs-volume-plugin", "Amazon's\n", 0o755)
    # Below /lib, where debhelper put it until 13.11: with merged /usr, the path of the new unit.
    write(root / "lib/systemd/system/ecs.service", UNIT)
    write(root / "var/cache/ecs/state", "2\n")
    write(root / f"var/cache/ecs/ecs-agent-v{version}.tar", "the agent\n")
    (root / "var/cache/ecs/ecs-agent.tar").symlink_to(f"/var/cache/ecs/ecs-agent-v{version}.tar")
    for directory in ["etc/ecs", "var/lib/ecs/data", "var/log/ecs"]:
        (root / directory).mkdir(parents=True)
    write(root / "DEBIAN/control", f"""Package: amazon-ecs-init
Version: {version}
Architecture: {arch}
Maintainer: test <maintainer@test.example>
Depends: systemd
Description: Starts the Amazon ECS Agent
""".replace("Depends: systemd\n", "Depends: systemd\n" if arch == "amd64" else ""))
    write(root / "DEBIAN/postinst", POSTINST, 0o755)
    write(root / "DEBIAN/postrm", POSTRM, 0o755)
    file = work / f"amazon-{version}.{arch}.deb"
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "--build", root, file],
        check=True, stdout=subprocess.DEVNULL,
    )
    shutil.rmtree(root)
    return file


#: The name is `ecs-init` on Amazon Linux, and `amazon-ecs-init` on other rpm systems.
SPEC = """
%global debug_package %{{nil}}
%global _binary_payload w1.gzdio
Name: {name}
Version: {version}
Release: 1
License: Apache 2.0
Summary: Amazon Elastic Container Service initialization application
%description
A test package.
%install
install -D /dev/null %{{buildroot}}/usr/libexec/amazon-ecs-init
install -D /dev/null %{{buildroot}}/usr/libexec/amazon-ecs-volume-plugin
install -m 644 -D {unit} %{{buildroot}}/usr/lib/systemd/system/ecs.service
mkdir -p %{{buildroot}}/etc/ecs %{{buildroot}}/var/cache/ecs %{{buildroot}}/var/lib/ecs/data
touch %{{buildroot}}/etc/ecs/ecs.config %{{buildroot}}/etc/ecs/ecs.config.json
touch %{{buildroot}}/var/cache/ecs/ecs-agent-v{version}.tar
echo 2 > %{{buildroot}}/var/cache/ecs/state
%files
/usr/libexec/amazon-ecs-init
/usr/libexec/amazon-ecs-volume-plugin
%config(noreplace) %ghost /etc/ecs/ecs.config
%config(noreplace) %ghost /etc/ecs/ecs.config.json
%ghost /var/cache/ecs/ecs-agent.tar
/var/cache/ecs/ecs-agent-v{version}.tar
/var/cache/ecs/state
%dir /var/lib/ecs/data
/usr/lib/systemd/system/ecs.service
%post -p <lua>
os.remove("/var/cache/ecs/ecs-agent.tar")
posix.symlink("ecs-agent-v{version}.tar", "/var/cache/ecs/ecs-agent.tar")
"""


def rpm(work: Path, name: str, arch: str, version: str) -> Path:
    top = work / f"rpmbuild-{name}-{arch}-{version}"
    write(top / "ecs.service", UNIT)
    write(top / "spec", SPEC.format(name=name, version=version, unit=top / "ecs.service"))
    made = subprocess.run(
        ["rpmbuild", "-bb", "--quiet", "--target", f"{arch}-linux",
         "--define", f"_topdir {top}", "--define", "__os_install_post %{nil}", top / "spec"],
        text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )
    files = list(top.glob("RPMS/*/*.rpm"))
    if made.returncode or not files:
        raise OSError(f"rpmbuild: {made.stdout}")
    file = work / f"{name}-{version}.{arch}.rpm"
    shutil.move(files[0], file)
    shutil.rmtree(top)
    return file
