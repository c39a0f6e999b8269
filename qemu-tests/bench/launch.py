#!/usr/bin/env python3
"""Runs commands over and over and says what the kernel counted for each.

A process of its own, started by `commands.py`: it moves between the machine's
namespaces and a host's, which a process with threads cannot do. Takes a JSON
object on standard input, answers with one on standard output.

A command runs `here`, in the `host`, or in the host's `net` alone, with the
machine's own files: for a tool that the host's root does not have.
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

#: The last is entered last: with it the paths change.
PLACES = {"here": [], "net": ["net"], "host": ["uts", "ipc", "pid", "net", "mnt"]}

#: linux/ptrace.h
TRACEME, CONT, SETOPTIONS = 0, 7, 0x4200
OPTION_EXIT, EVENT_EXIT = 1 << 6, 6


def checked(result: int, what: str) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


class Places:
    """Where this process can go; it always comes back."""

    def __init__(self, pid: int | None):
        self.home = self._open("self")
        self.host = self._open(str(pid)) if pid else {}

    @staticmethod
    def _open(process: str) -> dict[str, int]:
        return {kind: os.open(f"/proc/{process}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
                for kind in KINDS}

    def run(self, place: str, start) -> int:
        """Calls `start` there; the number of the process that it started."""
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
        # Unnamed, so that it can be written wherever the command runs.
        self.said = tempfile.TemporaryFile()

    def timed(self, command: dict) -> dict:
        """One run, by the clock and by wait4(2)."""
        argv, env = command["argv"], command["env"]
        moves = [(os.POSIX_SPAWN_DUP2, self.null, 0),
                 (os.POSIX_SPAWN_DUP2, self.said.fileno(), 1),
                 (os.POSIX_SPAWN_DUP2, self.said.fileno(), 2)]
        began = []

        def start() -> int:
            began.append(time.perf_counter())
            return os.posix_spawn(argv[0], argv, env, file_actions=moves)
        self._quiet()
        pid = self.places.run(command["where"], start)
        _, status, usage = os.wait4(pid, 0)
        wall = time.perf_counter() - began[0]
        self._good(argv, status)
        return {"wall": wall * 1e3, "user": usage.ru_utime * 1e3, "sys": usage.ru_stime * 1e3,
                "switches": usage.ru_nvcsw, "preempted": usage.ru_nivcsw}

    def peak(self, command: dict) -> int:
        """One run, stopped on the verge of its end to read its peak RSS, in KiB.

        ru_maxrss will not do: it keeps what the process was before its exec,
        and that was Python.
        """
        argv, env = command["argv"], command["env"]

        def start() -> int:
            pid = os.fork()
            if pid == 0:
                try:
                    os.dup2(self.null, 0)
                    os.dup2(self.said.fileno(), 1)
                    os.dup2(self.said.fileno(), 2)
                    checked(LIBC.ptrace(TRACEME, 0, None, None), "ptrace")
                    os.execve(argv[0], argv, env)
                finally:
                    os._exit(127)
            return pid
        self._quiet()
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
        self._good(argv, status)
        return peak

    def _quiet(self) -> None:
        self.said.seek(0)
        self.said.truncate()

    def _good(self, argv: list[str], status: int) -> None:
        code = os.waitstatus_to_exitcode(status)
        if code != 0:
            self.said.seek(0)
            text = self.said.read().decode(errors="replace").strip()
            raise SystemExit(f"{' '.join(argv)}: ended with {code}\n{text}")


def high_water(pid: int) -> int:
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


def main() -> None:
    told = json.load(sys.stdin)
    runner = Runner(Places(told["pid"]))
    # The groups take turns, so that what disturbs one disturbs the others.
    runs = {name: [] for name in told["groups"]}
    for _ in range(told["rounds"]):
        for name, commands in told["groups"].items():
            measured = [runner.timed(command) for command in commands]
            runs[name].append({key: sum(one[key] for one in measured) for key in measured[0]})
    peaks = {name: max(runner.peak(command) for command in commands)
             for name, commands in told["groups"].items()} if told["peaks"] else {}
    json.dump({"runs": runs, "peaks": peaks}, sys.stdout)


if __name__ == "__main__":
    main()
