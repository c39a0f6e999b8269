"""dockerd in a host and its Engine API, for cases to prepare and inspect."""

import json
import urllib.parse

from .errors import Failed, HarnessError, expect
from .host import TIMEOUT, SIGTERM, TOOLS, Host, Process, Result
from .http import Answer

SOCKET = "unix:/run/docker.sock"
LOG = "/run/dockerd.log"

#: By variant of host; a bare one has no iptables for dockerd to run.
FLAGS = {
    "full": ["--log-level=info"],
    "bare": ["--log-level=info", "--iptables=false", "--ip6tables=false", "--ip-masq=false"],
}


class Docker:
    """dockerd and its Engine API."""

    def __init__(self, host: Host, daemon: Process | None = None, settings: dict | None = None):
        """`settings` are written to daemon.json."""
        self.host, self.daemon, self.settings = host, daemon, settings

    def start(self) -> None:
        """Starts dockerd and waits until it answers."""
        # A socket left by a killed dockerd would look like a running one.
        self.host.remove("/run/docker.sock")
        if self.settings:
            self.host.write("/etc/docker/daemon.json", json.dumps(self.settings))
        self.daemon = self.host.spawn(
            ["/usr/sbin/dockerd", "--host=unix:///run/docker.sock", *FLAGS[self.host.variant]],
            env=TOOLS | {"HOME": "/root"}, log=LOG)
        try:
            self.host.until("dockerd answers", self.answers, self.daemon)
        except Failed as failed:
            raise HarnessError(f"dockerd did not start: {failed}") from failed

    def stop(self, signal: int = SIGTERM) -> None:
        self.daemon.kill(signal)
        if self.daemon.poll(TIMEOUT) is None:
            raise HarnessError("dockerd did not exit")

    def answers(self) -> bool:
        answer = self.host.get(SOCKET, "/_ping")
        return answer is not None and answer.status == 200

    def call(self, method: str, path: str, body: dict | None = None, timeout: float = 90) -> Answer:
        data = b"" if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} if body is not None else {}
        return self.host.exchange(SOCKET, method, f"/v1.41{path}", data, headers, timeout=timeout)

    def ok(self, method: str, path: str, body: dict | None = None, timeout: float = 90):
        """The answer's JSON (None if empty); a status of 400 or more fails the case."""
        answer = self.call(method, path, body, timeout)
        if answer.status >= 400:
            raise Failed(f"{method} {path}: {answer.status} {answer.body.decode(errors='replace')}")
        return answer.json() if answer.body else None

    def load(self, file: str) -> None:
        """Loads an image archive from a file in the host."""
        answer = self.host.exchange(SOCKET, "POST", "/v1.41/images/load?quiet=1", file=file,
                                    headers={"Content-Type": "application/x-tar"}, timeout=120)
        if answer.status != 200 or b'"error' in answer.body:
            raise Failed(f"docker load {file}: {answer.status} {answer.body!r}")

    def images(self) -> dict[str, str]:
        """Tags and their image IDs."""
        found = self.ok("GET", "/images/json?all=1")
        return {tag: image["Id"] for image in found for tag in image["RepoTags"] or []}

    def untag(self, name: str) -> None:
        self.ok("DELETE", f"/images/{urllib.parse.quote(name, safe='')}?force=1")

    def inspect(self, name: str) -> dict | None:
        answer = self.call("GET", f"/containers/{name}/json")
        if answer.status == 404:
            return None
        expect(answer.status == 200, f"inspect {name}: {answer.status} {answer.body!r}")
        return answer.json()

    def containers(self) -> list[str]:
        """Names of all containers, exited ones too."""
        found = self.ok("GET", "/containers/json?all=1")
        return sorted(name.lstrip("/") for item in found for name in item["Names"] or [])

    def run(self, image: str, argv: list[str], network: str, timeout: float = 120) -> Result:
        """Runs a container to its end and removes it."""
        created = self.ok("POST", "/containers/create", {
            "Image": image, "Cmd": argv, "Tty": True,
            "HostConfig": {"NetworkMode": network}})["Id"]
        try:
            self.ok("POST", f"/containers/{created}/start")
            code = self.ok("POST", f"/containers/{created}/wait", timeout=timeout)["StatusCode"]
            logs = self.call("GET", f"/containers/{created}/logs?stdout=1&stderr=1").body
        finally:
            self.call("DELETE", f"/containers/{created}?force=1")
        return Result(["docker", "run", f"--network={network}", image, *argv], code, None,
                      logs.decode(errors="replace"), "")
