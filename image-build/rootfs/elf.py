"""Reads the interpreter and the needed libraries of a dynamic ELF file."""

import struct
from pathlib import Path

PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3
DT_NEEDED, DT_STRTAB = 1, 5


def needs(path: Path) -> tuple[str | None, list[str]]:
    """The interpreter's path, if any, and the sonames of DT_NEEDED. (None, []) if the file is not
    a 64-bit little-endian ELF file."""
    data = path.read_bytes()
    if data[:6] != b"\x7fELF\x02\x01":
        return None, []
    phoff, = struct.unpack_from("<Q", data, 32)
    phentsize, phnum = struct.unpack_from("<HH", data, 54)
    loads, dynamic, interpreter = [], None, None
    for i in range(phnum):
        kind, _, offset, address, _, size, _, _ = struct.unpack_from(
            "<IIQQQQQQ", data, phoff + i * phentsize)
        if kind == PT_LOAD:
            loads.append((address, offset, size))
        elif kind == PT_DYNAMIC:
            dynamic = (offset, size)
        elif kind == PT_INTERP:
            interpreter = data[offset:offset + size].rstrip(b"\0").decode()
    if dynamic is None:
        return interpreter, []
    offset, size = dynamic
    entries = [struct.unpack_from("<QQ", data, offset + at) for at in range(0, size, 16)]
    table = next((value for tag, value in entries if tag == DT_STRTAB), 0)
    names = next((table - address + where for address, where, length in loads
                  if address <= table < address + length), 0)
    needed = []
    for tag, value in entries:
        if tag == DT_NEEDED:
            start = names + value
            needed.append(data[start:data.index(b"\0", start)].decode())
    return interpreter, needed
