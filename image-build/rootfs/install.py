"""Installs Debian packages into a tree without running their maintainer scripts.

The scripts cannot run: half of the trees are of another architecture. This module does the part
of their work that a host needs: users, alternatives, copied configuration, and dpkg's database,
in which a package that is installed later looks up its dependencies.
"""

import shlex
import shutil
import subprocess
from pathlib import Path

from archive import ArchiveError

#: Left out to save space, as in Debian's container images.
EXCLUDED = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info",
            "usr/share/lintian", "usr/share/zsh", "usr/share/bash-completion",
            "usr/lib/*/gconv")

#: The groups that the scripts of docker.io and ifupdown make. Lower IDs are free for others.
GROUPS = {"docker": 999, "netdev": 998}

#: update-alternatives(1): name in /etc/alternatives, link, target.
ALTERNATIVES = (
    ("awk", "usr/bin/awk", "/usr/bin/mawk"),
    *((f"{family}{suffix}", f"usr/sbin/{family}{suffix}", f"/usr/sbin/{family}-nft{suffix}")
      for family in ("iptables", "ip6tables") for suffix in ("", "-save", "-restore")),
)


def unpack(debs: list[str], root: Path) -> dict[str, list[str]]:
    """Unpacks packages into a merged-/usr tree, with the packages' file owners.

    Returns the paths that each package contains.
    """
    listed = {}
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / name).mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(f"usr/{name}")
    excluded = [f"--exclude=./{path}" for path in EXCLUDED]
    for deb in debs:
        # dpkg-deb -x would replace a symlink by a directory.
        data = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE)
        done = subprocess.run(["tar", "-xv", "--keep-directory-symlink", "--wildcards", *excluded,
                               "-C", root], stdin=data.stdout, stdout=subprocess.PIPE, text=True,
                              check=True)
        listed[deb] = [line.rstrip("/")[1:] or "/." for line in done.stdout.splitlines()]
        if data.wait():
            raise ArchiveError(f"{deb} cannot be unpacked")
    return listed


def configure(listed: dict[str, list[str]], root: Path) -> None:
    """Does what the maintainer scripts of every tree's packages do."""
    for path in ("etc/alternatives", "root", "tmp", "opt", "srv", "mnt", "proc", "sys", "dev",
                 "run", "var/lib/docker", "var/log", "var/tmp",
                 "var/lib/dpkg/info", "var/lib/dpkg/updates"):
        (root / path).mkdir(parents=True, exist_ok=True)
    for link, target in (("var/run", "/run"), ("var/lock", "/run/lock"),
                         ("etc/mtab", "../proc/self/mounts")):
        if (root / link).is_dir() and not (root / link).is_symlink():
            shutil.rmtree(root / link)
        if not (root / link).is_symlink():
            (root / link).symlink_to(target)
    (root / "root").chmod(0o700)
    for path in ("tmp", "var/tmp"):
        (root / path).chmod(0o1777)
    for name, link, target in ALTERNATIVES:
        if not (root / target[1:]).exists():
            continue
        (root / "etc/alternatives" / name).symlink_to(target)
        (root / link).unlink(missing_ok=True)
        (root / link).symlink_to(f"/etc/alternatives/{name}")
    shutil.copyfile(root / "usr/share/libc-bin/nsswitch.conf", root / "etc/nsswitch.conf")
    shutil.copyfile(root / "usr/share/base-files/profile", root / "etc/profile")
    # Empty: systemd generates an ID at each boot and does not treat it as the first boot.
    (root / "etc/machine-id").touch()
    users(root)
    _records(listed, root)


def users(root: Path) -> None:
    """Writes passwd(5), group(5) and shadow(5): Debian's base users and those of sysusers.d(5)."""
    masters = root / "usr/share/base-passwd"
    groups = {name: int(gid) for name, _, gid, *_ in _table(masters / "group.master")}
    users = {name: rest for name, _, *rest in _table(masters / "passwd.master")}
    groups |= GROUPS
    free = iter(range(min(GROUPS.values()) - 1, 100, -1))
    declared = [_words(line) for path in sorted((root / "usr/lib/sysusers.d").glob("*.conf"))
                for line in path.read_text().splitlines() if line.split("#")[0].strip()]
    for kind, name, number, *_ in declared:
        if kind == "g" and name not in groups:
            groups[name] = next(free) if number == "-" else int(number)
    for kind, name, number, text, home, shell in declared:
        if kind[0] != "u" or name in users:
            continue
        own, _, group = number.partition(":")
        uid = next(free) if own == "-" else int(own)
        gid = groups.get(group, group) if group else groups.setdefault(name, uid)
        users[name] = [str(uid), str(gid), "" if text == "-" else text,
                       "/" if home == "-" else home,
                       "/usr/sbin/nologin" if shell == "-" else shell]
    etc = root / "etc"
    (etc / "passwd").write_text(
        "".join(f"{name}:x:{':'.join(rest)}\n" for name, rest in users.items()))
    (etc / "group").write_text("".join(f"{name}:x:{gid}:\n" for name, gid in groups.items()))
    (etc / "shadow").write_text("".join(f"{name}:*:20000::::::\n" for name in users))
    (etc / "gshadow").write_text("".join(f"{name}:*::\n" for name in groups))
    for name in ("shadow", "gshadow"):
        (etc / name).chmod(0o640)


def _table(path: Path) -> list[list[str]]:
    return [line.split(":") for line in path.read_text().splitlines()]


def _words(line: str) -> list[str]:
    """The six fields of a line of sysusers.d(5), with "-" for missing ones."""
    words = shlex.split(line)
    return (words + ["-"] * 6)[:6]


def _records(listed: dict[str, list[str]], root: Path) -> None:
    """Records in dpkg's database that these packages are installed."""
    status = []
    for deb, paths in listed.items():
        control = subprocess.run(["dpkg-deb", "-f", deb], check=True, capture_output=True,
                                 text=True).stdout.rstrip()
        fields = dict(line.split(": ", 1) for line in control.splitlines()
                      if ": " in line and not line.startswith(" "))
        first, rest = control.split("\n", 1)
        status.append(f"{first}\nStatus: install ok installed\n{rest}\n")
        name = fields["Package"]
        if fields.get("Multi-Arch") == "same":
            name += f":{fields['Architecture']}"
        (root / f"var/lib/dpkg/info/{name}.list").write_text("\n".join([*paths, ""]))
    (root / "var/lib/dpkg/status").write_text("\n".join(status))
    (root / "var/lib/dpkg/available").touch()
