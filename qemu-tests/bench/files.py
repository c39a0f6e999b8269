"""Measurements without a host: the binary's size and its verification of a tar."""

from pathlib import Path

from harness import builds
from harness.world import World

from . import recorded
from .commands import Command, ecs_init, measure, tool
from .table import Row


def sizes(directory: Path | None) -> list[Row]:
    """Both architectures compared with the reference's x86_64 binary."""
    return [Row(f"size, {arch}", builds.under_test(arch, directory, False).stat().st_size, "bytes",
                "reference, x86_64", recorded.SIZE, recorded.SIZE) for arch in ("x86_64", "aarch64")]


def verifying(binary: Path, tar: Path, keyring: Path, world: World, rounds: int) -> list[Row]:
    """`verify` compared with GnuPG and with hashing only; the page cache is warm."""
    tar.read_bytes()
    signature = Path(f"{tar}.asc")
    found = measure({
        "verify": [ecs_init(str(binary), "verify", {"ECS_INIT_KEYRING": str(keyring)}, "here",
                        str(tar))],
        "gpg": [Command([tool("gpg"), "--batch", "--no-tty", "--no-auto-check-trustdb",
                         "--homedir", world.trusted.home.name, "--verify", signature, tar])],
        "openssl": [Command([tool("openssl"), "dgst", "-sha256", tar])],
    }, rounds)
    mine, gpg, plain = found["verify"], found["gpg"], found["openssl"]
    return [
        Row("verify, wall", mine.median("wall"), "ms", "gpg --verify", gpg.median("wall")),
        Row("", mine.median("wall"), "ms", "openssl dgst -sha256", plain.median("wall")),
        Row("verify, user+sys", mine.cpu, "ms", "gpg --verify", gpg.cpu),
        Row("", mine.cpu, "ms", "openssl dgst -sha256", plain.cpu),
        Row("verify, peak RSS", mine.peak, "KiB", "gpg --verify", gpg.peak),
        Row("", mine.peak, "KiB", "openssl dgst -sha256", plain.peak),
    ]
