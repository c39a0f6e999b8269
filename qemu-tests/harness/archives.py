"""Image archives of the test agent and of the tasks.

Not written by `docker save`: the bytes are reproducible, and the agent's image configuration
is unusual like the real one's: no `architecture`, and the key `config` twice.
"""

import hashlib
import io
import json
import tarfile
from pathlib import Path

AGENT = "amazon/amazon-ecs-agent:latest"
TASK = "task:test"


def _add(archive: tarfile.TarFile, name: str, data: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), mode
    archive.addfile(entry, io.BytesIO(data))


def _tar(files: list[tuple[str, bytes, int]]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data, mode in files:
            _add(archive, name, data, mode)
    return out.getvalue()


def _archive(tag: str, layer: bytes, config: str) -> bytes:
    """A docker-archive of one layer."""
    digest = hashlib.sha256(layer).hexdigest()
    name = hashlib.sha256(config.encode()).hexdigest() + ".json"
    manifest = [{"Config": name, "RepoTags": [tag], "Layers": [f"{digest}/layer.tar"]}]
    repository, version = tag.rsplit(":", 1)
    return _tar([
        (f"{digest}/VERSION", b"1.0", 0o644),
        (f"{digest}/layer.tar", layer, 0o644),
        (name, config.encode(), 0o644),
        ("manifest.json", json.dumps(manifest).encode(), 0o644),
        ("repositories", json.dumps({repository: {version: digest}}).encode(), 0o644),
    ])


def agent(program: Path, version: str = "v1.99.0", tag: str = AGENT,
          padding: int = 0) -> bytes:
    """The test agent's archive. `padding` bytes that do not compress make
    it as heavy as the real one, for measuring."""
    files = [("agent", program.read_bytes(), 0o755)]
    if padding:
        block = b"".join(hashlib.sha256(n.to_bytes(8, "big")).digest()
                         for n in range((padding + 31) // 32))
        files.append(("padding", block[:padding], 0o644))
    layer = _tar(files)
    run = {
        "Cmd": ["/agent"],
        "Env": ["PATH=/host/sbin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                f"TEST_AGENT_VERSION={version}"],
        "ExposedPorts": {"51678/tcp": {}, "51679/tcp": {}},
        "Healthcheck": {"Test": ["CMD", "/agent", "--healthcheck"]},
    }
    text = json.dumps(run)
    layers = json.dumps({"type": "layers",
                         "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]})
    config = (f'{{"config":{text},"created":"1970-01-01T00:00:00Z","config":{text},'
              f'"history":[{{"created":"1970-01-01T00:00:00Z"}}],"os":"linux","rootfs":{layers}}}')
    return _archive(tag, layer, config)


def task(probe: Path, arch: str) -> bytes:
    """The image of the tests' tasks: nothing but the probe."""
    layer = _tar([("probe", probe.read_bytes(), 0o755)])
    config = json.dumps({
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}[arch], "os": "linux",
        "created": "1970-01-01T00:00:00Z", "config": {"Entrypoint": ["/probe"]},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]}})
    return _archive(TASK, layer, config)
