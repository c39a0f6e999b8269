"""A test certificate authority and a server certificate, by openssl."""

import ssl
import subprocess
import tempfile
from pathlib import Path

from .errors import HarnessError


class Authority:
    """One CA and one server certificate for the given addresses."""

    def __init__(self, addresses: list[str]):
        self.home = tempfile.TemporaryDirectory(prefix="tls-")
        at = Path(self.home.name)
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        self._openssl("req", "-x509", *key, "-keyout", at / "ca.key", "-out", at / "ca.pem",
                      "-days", "30", "-subj", "/CN=ecs-init test authority",
                      "-addext", "basicConstraints=critical,CA:TRUE",
                      "-addext", "keyUsage=critical,keyCertSign")
        self._openssl("req", "-new", *key, "-keyout", at / "server.key", "-out", at / "server.csr",
                      "-subj", "/CN=ecs-init test server")
        (at / "extensions").write_text(
            "subjectAltName=" + ",".join(f"IP:{a}" for a in addresses) + ",DNS:localhost\n"
            "extendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n")
        self._openssl("x509", "-req", "-in", at / "server.csr", "-CA", at / "ca.pem",
                      "-CAkey", at / "ca.key", "-CAcreateserial", "-days", "30",
                      "-extfile", at / "extensions", "-out", at / "server.pem")
        self.certificate = (at / "ca.pem").read_bytes()
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server.load_cert_chain(at / "server.pem", at / "server.key")

    @staticmethod
    def _openssl(*args) -> None:
        done = subprocess.run(["openssl", *map(str, args)], capture_output=True, text=True)
        if done.returncode:
            raise HarnessError(f"openssl {args[0]}: {done.stderr.strip()}")

    def close(self) -> None:
        self.home.cleanup()
