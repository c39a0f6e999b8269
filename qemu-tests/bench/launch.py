#!/usr/bin/env python3
"""Runs commands repeatedly and reports what the kernel counted for each.

A separate process, started by `commands.py`: it moves between the machine's namespaces and a
host's, which a process with threads cannot do. Reads a JSON object from standard input, writes
one to standard output.

A command runs `here`, in the `host`, or only in the host's `net` with the machine's files, for a
tool that the host does not have.
"""

import ctypes
import json
import os
import signal
import sys
import tempfile
import time

LIBC = ctypes.CDLL(None, use_errno=True)

#: linux/sched.h
NEWNS, NEWUTS, NEWIPC, NEWPID, NEWNET = (
    0x00020000, 0x04000000, 0x08000000, 0x20000000, 0x40000000)
KINDS = {"mnt": NEWNS, "uts": NEWUTS, "ipc": NEWIPC, "pid": NEWPID, "net": NEWNET}

#: In the order of entering. `mnt` is last, because paths are different afterwards.
PLACES = {"here": [], "net": ["net"], "host": ["uts", "ipc", "pid", "net", "mnt"]}

#: linux/ptrace.h
TRACEME, CONT, SETOPTIONS = 0, 7, 0x4200
OPTION_EXIT, EVENT_EXIT = 1 << 6, 6


def checked(result: int, what: str) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


class Places:
    """The namespaces that this process can enter; it returns after each command."""

    def __init__(self, pid: int | None):
        self.home = self._open("self")
        self.host = self._open(str(pid)) if pid else {}

    @staticmethod
    def _open(process: str) -> dict[str, int]:
        return {kind: os.open(f"/proc/{process}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
                for kind in KINDS}

    def run(self, place: str, start) -> int:
        """Calls `start` in that place. Returns the PID of the process that it started."""
        names = PLACES[place]
        try:
            for name in names:
                checked(LIBC.setns(self.host[name], KINDS[name]), f"setns {name}")
            return start()
        finally:
            for name in reversed(names):
                checked(LIBC.setns(self.home[name], KINDS[name]), f"setns {name}, back")


class Runner:
    def __init__(self, places: Places):
        self.places = places
        self.null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        # Unnamed, so that it can be written in every namespace.
        self.output = tempfile.TemporaryFile()

    def timed(self, command: dict) -> dict:
        """One run: wall time, and wait4(2)'s resource usage."""
        argv, env = command["argv"], command["env"]
        moves = [(os.POSIX_SPAWN_DUP2, self.null, 0),
                 (os.POSIX_SPAWN_DUP2, self.output.fileno(), 1),
                 (os.POSIX_SPAWN_DUP2, self.output.fileno(), 2)]
        began = []

        def start() -> int:
            began.append(time.perf_counter())
            return os.posix_spawn(argv[0], argv, env, file_actions=moves)
        self._clear()
        pid = self.places.run(command["where"], start)
        _, status, usage = os.wait4(pid, 0)
        wall = time.perf_counter() - began[0]
        self._check(argv, status)
        return {"wall": wall * 1e3, "user": usage.ru_utime * 1e3, "sys": usage.ru_stime * 1e3,
                "switches": usage.ru_nvcsw, "preempted": usage.ru_nivcsw}

    def peak(self, command: dict) -> int:
        """One run, stopped before its exit to read its peak RSS in KiB.

        ru_maxrss is of no use: it includes the memory of the process before its exec, a Python.
        """
        argv, env = command["argv"], command["env"]

        def start() -> int:
            pid = os.fork()
            if pid == 0:
                try:
                    os.dup2(self.null, 0)
                    os.dup2(self.output.fileno(), 1)
                    os.dup2(self.output.fileno(), 2)
                    checked(LIBC.ptrace(TRACEME, 0, None, None), "ptrace")
                    os.execve(argv[0], argv, env)
                finally:
                    os._exit(127)
            return pid
        self._clear()
        pid = self.places.run(command["where"], start)
        peak, first = 0, True
        while True:
            _, status = os.waitpid(pid, 0)
            if not os.WIFSTOPPED(status):
                break
            pending = os.WSTOPSIG(status)
            if first:
                # Stopped by its exec.
                checked(LIBC.ptrace(SETOPTIONS, pid, None, ctypes.c_void_p(OPTION_EXIT)), "ptrace")
                first, pending = False, 0
            elif status >> 8 == signal.SIGTRAP | EVENT_EXIT << 8:
                peak, pending = high_water(pid), 0
            checked(LIBC.ptrace(CONT, pid, None, ctypes.c_void_p(pending)), "ptrace")
        self._check(argv, status)
        return peak

    def _clear(self) -> None:
        self.output.seek(0)
        self.output.truncate()

    def _check(self, argv: list[str], status: int) -> None:
        code = os.waitstatus_to_exitcode(status)
        if code != 0:
            self.output.seek(0)
            text = self.output.read().decode(errors="replace").strip()
            raise SystemExit(f"{' '.join(argv)}: exit {code}\n{text}")


def high_water(pid: int) -> int:
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


def main() -> None:
    given = json.load(sys.stdin)
    runner = Runner(Places(given["pid"]))
    # The groups alternate, so that other load affects all of them.
    runs = {name: [] for name in given["groups"]}
    for _ in range(given["rounds"]):
        for name, commands in given["groups"].items():
            measured = [runner.timed(command) for command in commands]
            runs[name].append({key: sum(one[key] for one in measured) for key in measured[0]})
    peaks = {name: max(runner.peak(command) for command in commands)
             for name, commands in given["groups"].items()} if given["peaks"] else {}
    json.dump({"runs": runs, "peaks": peaks}, sys.stdout)


if __name__ == "__main__":
    main()
