"""A container registry: Debian's docker-registry over TLS, filled by its HTTP API.

The API is the OCI distribution-spec's ("Pushing Blobs", "Pushing Manifests").
"""

import base64
import gzip
import hashlib
import http.client
import io
import json
import platform
import socket
import ssl
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path

from . import rootfs
from .errors import HarnessError
from .host import TIMEOUT, Host
from .namespaces import HARNESS
from .tls import Authority

#: The user of a private registry. htpasswd needs a bcrypt hash.
USER, PASSWORD = "ann", "opensesame"
_HTPASSWD = f"{USER}:$2b$05$abcdefghijklmnopqrstuuQbLfdQZSxZ9gjhA5V9o8Tyc6aQRO0Qi\n"

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
_CONFIG = "application/vnd.docker.container.image.v1+json"
_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"

#: Architectures as images name them.
GO = {"x86_64": "amd64", "aarch64": "arm64"}


def program() -> Path:
    """The program for this machine from its Debian package, downloaded once."""
    taken = rootfs.archive.fetch(GO[platform.machine()], None, ("docker-registry",),
                                 ("bookworm", *rootfs.archive.SUITES))
    deb = next(p for p in taken["packages"] if Path(p).name.startswith("docker-registry_"))

    def unpack(to: Path) -> None:
        subprocess.run(["dpkg-deb", "--extract", deb, to], check=True)

    digest = taken["sha256"][Path(deb).name][:16]
    place = rootfs.archive.cache_root() / "tools"
    return rootfs.cached.directory(place, "docker-registry", digest, unpack) / "usr/bin/docker-registry"


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Registry:
    """Runs within its `with`; pushed images survive `stop` and `start`."""

    def __init__(self, authority: Authority, private: bool = False):
        self.authority, self.private = authority, private
        self.work = tempfile.TemporaryDirectory(prefix="registry-")
        with socket.socket() as probe:
            probe.bind(("0.0.0.0", 0))
            self.port = probe.getsockname()[1]
        self.host = f"{HARNESS}:{self.port}"
        self.process = None

    def __enter__(self) -> "Registry":
        self.start()
        return self

    def __exit__(self, *_exception) -> None:
        self.stop()
        self.work.cleanup()

    def start(self) -> None:
        at = Path(self.work.name)
        tls = Path(self.authority.home.name)
        config = {
            "version": 0.1, "log": {"level": "warn"},
            "storage": {"filesystem": {"rootdirectory": str(at / "data")}},
            "http": {"addr": f"0.0.0.0:{self.port}", "tls": {
                "certificate": str(tls / "server.pem"), "key": str(tls / "server.key")}}}
        if self.private:
            (at / "htpasswd").write_text(_HTPASSWD)
            config["auth"] = {"htpasswd": {"realm": "tests", "path": str(at / "htpasswd")}}
        # JSON is valid YAML.
        (at / "config.yml").write_text(json.dumps(config))
        with (at / "log").open("ab") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", program(), "serve", at / "config.yml"],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + TIMEOUT
        while not self._up():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise HarnessError(f"docker-registry does not start:\n{self.log()[-2000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def log(self) -> str:
        """Its log, with a line for each request."""
        return (Path(self.work.name) / "log").read_text(errors="replace")

    def requests(self, repository: str) -> int:
        """The number of requests for a repository, including the harness's. A line can be written
        after its answer, so this waits until the log is unchanged for a second."""
        count = -1
        while (now := self.log().count(f"/v2/{repository}/")) != count:
            count = now
            time.sleep(1)
        return count

    def trusted_by(self, host: Host) -> None:
        """Makes dockerd trust the authority, by the file that it reads at each pull."""
        host.write(f"/etc/docker/certs.d/{self.host}/ca.crt", self.authority.certificate)

    # Pushing

    def push(self, repository: str, archive: bytes, *archs: str, tag: str | None = None) -> str:
        """Pushes a docker-archive's image and an index with it for these architectures (amd64,
        arm64). Returns the digest of the index."""
        image = self._image(repository, archive)
        index = json.dumps({
            "schemaVersion": 2, "mediaType": _INDEX,
            "manifests": [image | {"platform": {"os": "linux", "architecture": arch}}
                          for arch in archs]}).encode()
        self._manifest(repository, index, _INDEX)
        if tag:
            self._manifest(repository, index, _INDEX, tag)
        return _digest(index)

    def push_alone(self, repository: str, archive: bytes, arch: str) -> str:
        """Pushes the image with `arch` in its configuration, without an index. Returns a digest."""
        return self._image(repository, archive, arch)["digest"]

    def _image(self, repository: str, archive: bytes, arch: str | None = None) -> dict:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            files = {m.name: tar.extractfile(m).read() for m in tar if m.isfile()}
        entry = json.loads(files["manifest.json"])[0]
        config = files[entry["Config"]]
        if arch:
            config = json.dumps(json.loads(config) | {"architecture": arch}).encode()
        layers = [gzip.compress(files[name], 1, mtime=0) for name in entry["Layers"]]
        for blob in [config, *layers]:
            self._blob(repository, blob)
        manifest = json.dumps({
            "schemaVersion": 2, "mediaType": _MANIFEST,
            "config": {"mediaType": _CONFIG, "size": len(config), "digest": _digest(config)},
            "layers": [{"mediaType": _LAYER, "size": len(layer), "digest": _digest(layer)}
                       for layer in layers]}).encode()
        self._manifest(repository, manifest, _MANIFEST)
        return {"mediaType": _MANIFEST, "size": len(manifest), "digest": _digest(manifest)}

    def _blob(self, repository: str, blob: bytes) -> None:
        location = self._expect("POST", f"/v2/{repository}/blobs/uploads/", 202)
        path = location.split(self.host, 1)[-1].split(f"127.0.0.1:{self.port}", 1)[-1]
        path += ("&" if "?" in path else "?") + "digest=" + _digest(blob)
        self._expect("PUT", path, 201, blob, "application/octet-stream")

    def _manifest(self, repository: str, data: bytes, kind: str, name: str | None = None) -> None:
        self._expect("PUT", f"/v2/{repository}/manifests/{name or _digest(data)}", 201, data, kind)

    def _expect(self, method: str, path: str, status: int, body: bytes = b"", kind: str = "") -> str:
        """Sends a request that must be answered with `status`. Returns the header Location."""
        answer, text = self._exchange(method, path, body, kind)
        if answer.status != status:
            raise HarnessError(f"docker-registry: {method} {path}: {answer.status} {text!r}")
        return answer.getheader("Location", "")

    def _exchange(self, method: str, path: str, body: bytes = b"", kind: str = ""):
        headers = {"Content-Type": kind} if kind else {}
        if self.private:
            word = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            headers["Authorization"] = f"Basic {word}"
        context = ssl.create_default_context(cadata=self.authority.certificate.decode())
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=60,
                                                 context=context)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer, answer.read()
        finally:
            connection.close()

    def _up(self) -> bool:
        try:
            return self._exchange("GET", "/v2/")[0].status == 200
        except (OSError, http.client.HTTPException):
            return False
