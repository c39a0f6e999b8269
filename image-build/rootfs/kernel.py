"""Extracts the kernel and its modules from a kernel package, without depmod's files."""

import lzma
import re
import subprocess
from pathlib import Path

from archive import ArchiveError

#: The modules that dockerd, iptables-nft, iptables-legacy and ecs-init's rules need.
MODULES = """
    virtio_blk virtio_net virtio_mmio virtio_rng virtio_console overlay
    bridge br_netfilter veth dummy
    nf_tables nft_compat nft_chain_nat nft_nat nft_masq nft_redir nft_ct nft_limit
    nft_log nft_reject_inet nft_fib_inet nf_conntrack nf_conntrack_netlink
    xt_addrtype xt_conntrack xt_MASQUERADE xt_nat xt_REDIRECT xt_tcpudp xt_comment
    xt_multiport xt_mark xt_owner xt_LOG xt_limit xt_state
    ipt_REJECT ip6t_REJECT ip_tables iptable_filter iptable_nat iptable_mangle iptable_raw
    ip6_tables ip6table_filter ip6table_nat ip6table_mangle ip6table_raw
""".split()

#: Trailer of a signed module, linux/module_signature.h: a 12-byte structure
#: whose last four bytes are the signature's length, then this text.
SIGNED = b"~Module signature appended~\n"


def unpack(deb: str, to: Path) -> Path:
    """Unpacks a kernel package and returns the kernel."""
    subprocess.run(["dpkg-deb", "-x", deb, to], check=True)
    images = sorted((to / "boot").glob("vmlinu[xz]-*"))
    if not images:
        raise ArchiveError(f"{deb} contains no kernel")
    return images[0]


def modules(tree: Path) -> list[tuple[str, bytes]]:
    """The names and contents of MODULES and of their dependencies, in load order."""
    base = next(iter([*tree.glob("usr/lib/modules/*"), *tree.glob("lib/modules/*")]), None)
    if base is None:
        raise ArchiveError("the kernel package contains no modules")
    found = {}
    for path in base.rglob("*.ko*"):
        found[_name(path.name.split(".")[0])] = path
    builtin = {_name(Path(line).stem) for line in (base / "modules.builtin").read_text().split()}
    order: dict[str, bytes] = {}

    def load(name: str, wanted_by: str) -> None:
        name = _name(name)
        if name in order or name in builtin:
            return
        if name not in found:
            raise ArchiveError(f"kernel module {name}, needed by {wanted_by}, is not in the package")
        data = _read(found[name])
        for soft in _words(data, rb"softdep=pre:"):
            # A soft dependency may be an alias, such as a cipher, that a built-in module provides.
            if _name(soft) in found:
                load(soft, name)
        for needed in _words(data, rb"depends="):
            load(needed, name)
        order[name] = data

    for name in MODULES:
        load(name, "the guest")
    return list(order.items())


def _name(name: str) -> str:
    return name.replace("-", "_")


def _read(path: Path) -> bytes:
    data = path.read_bytes()
    if path.suffix == ".xz":
        data = lzma.decompress(data)
    elif path.suffix == ".zst":
        data = subprocess.run(["zstd", "-dcq", path], check=True, capture_output=True).stdout
    if data.endswith(SIGNED):
        end = len(data) - len(SIGNED)
        length = int.from_bytes(data[end - 4:end], "big")
        data = data[:end - 12 - length]
    return data


def _words(data: bytes, key: bytes) -> list[str]:
    """The words in the value of one .modinfo key."""
    words = []
    for match in re.finditer(rb"\0" + re.escape(key) + rb"([^\0]+)\0", data):
        for word in re.split(r"[ ,]+", match[1].decode().strip()):
            if word.endswith(":"):
                break
            words.append(word)
    return words
