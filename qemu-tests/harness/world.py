"""What is outside the hosts: keys and authority for a run, servers for each case."""

import hashlib
import json
from pathlib import Path

from . import archives, bucket, imds
from .builds import Programs
from .bucket import Bucket
from .imds import Metadata
from .job import AUTHORITY, KEYRING, Job
from .signing import Keys
from .tls import Authority

#: The harness's address for every host.
ADDRESS = "10.0.2.2"

REGION = "us-west-2"
REGIONAL = f"/amazon-ecs-agent-{REGION}/"
PARTITION = "/amazon-ecs-agent/"

VERSION, NEXT = "v1.99.0", "v1.99.1"


class World:
    """Created once per run; the keys take a second."""

    def __init__(self):
        self.trusted = Keys("trusted")
        self.stranger = Keys("stranger")
        self.authority = Authority([ADDRESS, "127.0.0.1"])

    def close(self) -> None:
        for part in (self.trusted, self.stranger, self.authority):
            part.close()

    def __enter__(self) -> "World":
        return self

    def __exit__(self, *_exception) -> None:
        self.close()


class Artifacts:
    """The agent's signed tar for one architecture, with its object names in S3."""

    def __init__(self, world: World, programs: Programs, arch: str):
        self.world, self.arch = world, arch
        self.prefix = "ecs-agent-arm64" if arch == "aarch64" else "ecs-agent"
        self.tar = archives.agent(programs.agent, VERSION)
        self.next = archives.agent(programs.agent, NEXT)
        self.signature = world.trusted.sign(self.tar)
        self.task = archives.task(programs.probe, arch)

    def name(self, version: str = "latest") -> str:
        return f"{self.prefix}-{version}.tar"

    def publish(self, to: Bucket, base: str = REGIONAL, version: str = "latest",
                tar: bytes | None = None, signature: bytes | None = None) -> str:
        """Stores tar, signature, MD5 and description. Returns the tar's path."""
        tar = self.tar if tar is None else tar
        path = base + self.name(version)
        to.put(path, tar)
        to.put(f"{path}.asc", self.signature if signature is None else signature)
        to.put(f"{path}.md5", hashlib.md5(tar).hexdigest().encode())
        to.put(f"{base}{self.prefix}-{version}.json",
               json.dumps({"agentVersion": VERSION}).encode())
        return path

    def job(self, binary: Path) -> Job:
        return Job(binary.read_bytes(), self.world.trusted.certificate,
                   self.world.authority.certificate, self.task)


class Surroundings:
    """One case's fake S3 and IMDS, and the environment that points ecs-init to them."""

    def __init__(self, world: World):
        self.bucket, self.metadata = Bucket(), Metadata()
        self._bucket = bucket.serve(self.bucket, world.authority.server)
        self._metadata = imds.serve(self.metadata)

    @property
    def s3(self) -> str:
        return f"https://{ADDRESS}:{self._bucket.port}"

    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL_S3": self.s3,
            "AWS_CA_BUNDLE": AUTHORITY,
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://{ADDRESS}:{self._metadata.port}",
            "ECS_INIT_KEYRING": KEYRING,
        }

    def __enter__(self) -> "Surroundings":
        return self

    def __exit__(self, *_exception) -> None:
        self._bucket.close()
        self._metadata.close()
