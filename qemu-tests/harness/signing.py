"""OpenPGP keys and signatures by GnuPG in a temporary home directory."""

import os
import subprocess
import tempfile
from pathlib import Path

from .errors import HarnessError


class Keys:
    """A signing key like the real one: the primary key certifies, a subkey signs."""

    def __init__(self, name: str):
        # A short path: gpg-agent's socket is in it, and socket paths are limited.
        self.home = tempfile.TemporaryDirectory(prefix="gpg-", dir="/tmp")
        self.user = f"{name} <{name}@example.invalid>"
        self._launch()
        self._gpg("--quick-generate-key", self.user, "rsa2048", "cert", "never")
        listed = self._gpg("--list-keys", "--with-colons").decode()
        self.fingerprint = next(line.split(":")[9] for line in listed.splitlines()
                                if line.startswith("fpr:"))
        self._gpg("--quick-add-key", self.fingerprint, "rsa2048", "sign", "never")
        self.certificate = self._gpg("--armor", "--export", self.fingerprint)

    def sign(self, data: bytes) -> bytes:
        """An armored detached signature."""
        return self._gpg("--armor", "--digest-algo", "SHA256", "--detach-sign", data=data)

    def _launch(self) -> None:
        """Starts gpg-agent; gpg itself waits at most 5 s for it."""
        for _ in range(5):
            done = subprocess.run(["gpgconf", "--homedir", self.home.name, "--launch", "gpg-agent"],
                                  capture_output=True)
            if not done.returncode:
                return
        raise HarnessError(f"gpg-agent did not start: {done.stderr.decode().strip()}")

    def _gpg(self, *args: str, data: bytes = b"") -> bytes:
        home = Path(self.home.name)
        done = subprocess.run(
            ["gpg", "--batch", "--quiet", "--no-tty", "--pinentry-mode", "loopback",
             "--passphrase", "", "--homedir", home, *args],
            input=data, capture_output=True, env=os.environ | {"GNUPGHOME": str(home)})
        if done.returncode:
            raise HarnessError(f"gpg {' '.join(args)}: {done.stderr.decode().strip()}")
        return done.stdout

    def close(self) -> None:
        """Ends gpg-agent, which would outlive this process, and removes the keys."""
        subprocess.run(["gpgconf", "--homedir", self.home.name, "--kill", "all"],
                       capture_output=True)
        self.home.cleanup()
