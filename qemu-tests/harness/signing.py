"""OpenPGP keys and signatures by GnuPG, in a home of their own."""

import os
import subprocess
import tempfile
from pathlib import Path

from .errors import HarnessError


class Keys:
    """A signing key, shaped as the real one: the primary certifies, a subkey signs."""

    def __init__(self, name: str):
        # Short: the agent's socket lives below, and such paths are limited.
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
        """Starts GnuPG's agent, for which gpg itself waits no longer than 5 s."""
        for _ in range(5):
            done = subprocess.run(["gpgconf", "--homedir", self.home.name, "--launch", "gpg-agent"],
                                  capture_output=True)
            if not done.returncode:
                return
        raise HarnessError(f"gpg-agent does not start: {done.stderr.decode().strip()}")

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
        """Ends GnuPG's own agent, which would outlive us, and removes the keys."""
        subprocess.run(["gpgconf", "--homedir", self.home.name, "--kill", "all"],
                       capture_output=True)
        self.home.cleanup()
