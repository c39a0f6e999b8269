"""A tree of Debian packages as their maintainer scripts would have left it.

The scripts themselves cannot run: half of the trees are of another
architecture. What they do that a host needs is little, and stands here: the
users, the alternatives, the copied configuration, and dpkg's own records, by
which a package that is installed later finds what it depends on.
"""

import shlex
import shutil
import subprocess
from pathlib import Path

from archive import ArchiveError

#: Not worth their room in an image, as in Debian's own container images.
LEFT_OUT = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info",
            "usr/share/lintian", "usr/share/zsh", "usr/share/bash-completion",
            "usr/lib/*/gconv")

#: The groups that docker.io's and ifupdown's scripts make; below them numbers are free.
GROUPS = {"docker": 999, "netdev": 998}

#: update-alternatives(1): name in /etc/alternatives, link, and what it leads to.
ALTERNATIVES = (
    ("awk", "usr/bin/awk", "/usr/bin/mawk"),
    *((f"{family}{verb}", f"usr/sbin/{family}{verb}", f"/usr/sbin/{family}-nft{verb}")
      for family in ("iptables", "ip6tables") for verb in ("", "-save", "-restore")),
)


def unpack(debs: list[str], root: Path) -> dict[str, list[str]]:
    """Unpacks packages, merged-/usr, everything owned as the packages say.

    Returns the paths of each.
    """
    listed = {}
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / name).mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(f"usr/{name}")
    left_out = [f"--exclude=./{path}" for path in LEFT_OUT]
    for deb in debs:
        # dpkg-deb -x would put a directory in a symlink's place.
        data = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE)
        done = subprocess.run(["tar", "-xv", "--keep-directory-symlink", "--wildcards", *left_out,
                               "-C", root], stdin=data.stdout, stdout=subprocess.PIPE, text=True,
                              check=True)
        listed[deb] = [line.rstrip("/")[1:] or "/." for line in done.stdout.splitlines()]
        if data.wait():
            raise ArchiveError(f"{deb} cannot be unpacked")
    return listed


def configure(listed: dict[str, list[str]], root: Path) -> None:
    """What every tree needs after the unpacking."""
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
    # Empty: systemd gives every boot's host an ID, and takes it for no first boot.
    (root / "etc/machine-id").touch()
    users(root)
    _records(listed, root)


def users(root: Path) -> None:
    """passwd(5), group(5) and shadow(5): Debian's own, and what packages declare."""
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
    """The six fields of a line of sysusers.d(5), "-" for what is not said."""
    words = shlex.split(line)
    return (words + ["-"] * 6)[:6]


def _records(listed: dict[str, list[str]], root: Path) -> None:
    """dpkg's records: these packages are installed."""
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
