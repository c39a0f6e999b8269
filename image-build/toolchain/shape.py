#!/usr/bin/env python3
"""Checks the ELF headers and the sizes of the binaries that `make` builds.

usage: shape.py [DIST]        (default: target/dist, with ecs-init-x86_64 and ecs-init-aarch64)

Parses the ELF files without binutils (System V gABI, chapters 4 and 5). One line per check; the
last line is `N passed, N failed`.
"""

import os
import platform
import shutil
import struct
import subprocess
import sys

#: EM_* of the gABI, and the largest size in bytes.
BINARIES = {"x86_64": (62, 3_000_000), "aarch64": (183, 2_600_000)}

ET_DYN = 3
PT_DYNAMIC, PT_INTERP = 2, 3
PT_GNU_STACK, PT_GNU_RELRO = 0x6474E551, 0x6474E552
PF_X, PF_W = 1, 2
DT_NEEDED, DT_TEXTREL, DT_BIND_NOW, DT_FLAGS, DT_FLAGS_1 = 1, 22, 24, 30, 0x6FFFFFFB
DF_TEXTREL, DF_BIND_NOW = 4, 8
DF_1_NOW, DF_1_PIE = 1, 0x08000000
SHT_SYMTAB = 2


class Elf:
    """The headers of a 64-bit little-endian ELF file, and its dynamic section."""

    def __init__(self, data):
        if data[:6] != b"\x7fELF\x02\x01":
            raise ValueError("not a 64-bit little-endian ELF file")
        (self.type, self.machine, _, _, phoff, shoff, _, _, phsize, phnum, shsize, shnum, _) = (
            struct.unpack_from("<HHIQQQIHHHHHH", data, 16)
        )
        # p_type, p_flags, p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_align
        self.segments = [struct.unpack_from("<IIQQQQQQ", data, phoff + i * phsize) for i in range(phnum)]
        # sh_name, sh_type
        self.sections = [struct.unpack_from("<II", data, shoff + i * shsize)[1] for i in range(shnum)]
        self.dynamic = []
        for _, _, offset, _, _, size, _, _ in self.of_type(PT_DYNAMIC):
            for at in range(offset, offset + size, 16):
                tag, value = struct.unpack_from("<QQ", data, at)
                if tag == 0:
                    break
                self.dynamic.append((tag, value))

    def of_type(self, kind):
        return [s for s in self.segments if s[0] == kind]

    def tags(self, tag):
        return [value for t, value in self.dynamic if t == tag]

    def flag(self, tag, bit):
        return any(value & bit for value in self.tags(tag))


def shape(elf, size, arch):
    """Yields (requirement, whether it is met, what was found)."""
    machine, limit = BINARIES[arch]
    stacks = elf.of_type(PT_GNU_STACK)
    yield f"machine is {arch}", elf.machine == machine, f"e_machine {elf.machine}"
    yield "is position-independent (ET_DYN)", elf.type == ET_DYN, f"e_type {elf.type}"
    yield "is a PIE, not a library (DF_1_PIE)", elf.flag(DT_FLAGS_1, DF_1_PIE), f"{elf.dynamic}"
    yield "has no interpreter (static)", not elf.of_type(PT_INTERP), "PT_INTERP found"
    yield "needs no library", not elf.tags(DT_NEEDED), f"{len(elf.tags(DT_NEEDED))} DT_NEEDED"
    yield "has a RELRO segment", len(elf.of_type(PT_GNU_RELRO)) == 1, "no PT_GNU_RELRO"
    now = elf.flag(DT_FLAGS, DF_BIND_NOW) or elf.flag(DT_FLAGS_1, DF_1_NOW) or bool(elf.tags(DT_BIND_NOW))
    yield "binds at start (full RELRO)", now, "neither DF_BIND_NOW nor DF_1_NOW"
    # Without PT_GNU_STACK the stack is executable.
    executable = len(stacks) != 1 or stacks[0][1] & PF_X
    yield "stack is not executable", not executable, "PT_GNU_STACK missing or with PF_X"
    text = bool(elf.tags(DT_TEXTREL)) or elf.flag(DT_FLAGS, DF_TEXTREL)
    yield "has no text relocations", not text, "DT_TEXTREL or DF_TEXTREL"
    both = [s for s in elf.segments if s[0] == 1 and s[1] & PF_X and s[1] & PF_W]
    yield "no segment is writable and executable", not both, f"{len(both)} PT_LOAD with PF_W and PF_X"
    yield "is stripped", SHT_SYMTAB not in elf.sections, ".symtab found"
    yield f"is at most {limit} bytes", size <= limit, f"{size} bytes"


def leaks(data):
    """Paths of the build machine in the file, which make the build irreproducible."""
    # Not all of the home directory: the program contains /root/.aws.
    home = [os.path.expanduser(f"~/{name}/").encode() for name in (".cargo", ".rustup", ".cache")]
    tree = os.path.realpath(os.path.join(os.path.dirname(__file__), "../..")).encode() + b"/"
    found = [p.decode() for p in (*home, tree) if p in data]
    return "contains no path of this machine", not found, ", ".join(found)


def runs(path, arch):
    """The check that `version` runs; None if this machine cannot run that architecture."""
    command = [path, "version"]
    if platform.machine() != arch:
        emulator = shutil.which(f"qemu-{arch}-static") or shutil.which(f"qemu-{arch}")
        if not emulator:
            return None
        command.insert(0, emulator)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as e:
        return "runs (version)", False, str(e)
    said = done.stdout.strip()
    return "runs (version)", done.returncode == 0 and said != "", f"rc {done.returncode}, {done.stdout}{done.stderr}"


def main():
    dist = sys.argv[1] if len(sys.argv) > 1 else "target/dist"
    passed = failed = skipped = 0
    for arch in BINARIES:
        path = os.path.join(dist, f"ecs-init-{arch}")
        try:
            with open(path, "rb") as f:
                data = f.read()
            checks = [*shape(Elf(data), len(data), arch), leaks(data)]
            ran = runs(path, arch)
        except (OSError, ValueError, struct.error) as e:
            checks, ran = [("can be read", False, f"{e}; run: make")], ()
        if ran is None:
            print(f"skip {arch}: runs (version): no qemu-{arch} (package qemu-user-static); the guests run it")
            skipped += 1
        elif ran:
            checks.append(ran)
        for what, holds, found in checks:
            print(f"ok   {arch}: {what}" if holds else f"FAIL {arch}: {what}: {found}")
            passed, failed = passed + bool(holds), failed + (not holds)
    tail = f", {skipped} skipped" if skipped else ""
    print(f"{passed} passed, {failed} failed{tail}")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
