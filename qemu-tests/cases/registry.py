"""ECS_INIT_AGENT_SOURCE=registry: dockerd pulls the image by its digest."""

import base64
import json

from harness import messages
from harness.archives import AGENT
from harness.case import ALL, ARCHITECTURE, FAILURE, Scene, case
from harness.errors import equal, expect
from harness.registry import GO, PASSWORD, USER, Registry

from .acquire import STATE, loaded

REPOSITORY = "ecs/amazon-ecs-agent"


def registry(t: Scene, private: bool = False) -> Registry:
    """A registry that the host's dockerd trusts."""
    made = Registry(t.artifacts.world.authority, private)
    made.trusted_by(t.host)
    t.settings["ECS_INIT_AGENT_SOURCE"] = "registry"
    return made


def push_both(t: Scene, r: Registry, tar: bytes | None = None, tag: str | None = None) -> str:
    """Pushes an index of both architectures, like Amazon's. Returns the digest of the index."""
    return r.push(REPOSITORY, tar or t.artifacts.tar, "amd64", "arm64", tag=tag)


def choose(t: Scene, r: Registry, which: str) -> None:
    """Sets ECS_INIT_AGENT_IMAGE with `:tag` or `@sha256:…`."""
    t.settings["ECS_INIT_AGENT_IMAGE"] = f"{r.host}/{REPOSITORY}{which}"


def names(t: Scene) -> set[str]:
    """Docker's tags and digests of the registry's repository."""
    found = t.docker.ok("GET", "/images/json?all=1")
    every = {n for i in found for n in (i["RepoTags"] or []) + (i["RepoDigests"] or [])}
    return {name for name in every if REPOSITORY in name and name != AGENT
            and not name.startswith("amazon/")}


def is_gone(t: Scene, image: str) -> bool:
    """Whether Docker's list is without this ID. Docker 28 answers 404 during a removal."""
    answer = t.docker.call("GET", "/images/json?all=1")
    return answer.status == 200 and image not in {found["Id"] for found in answer.json()}


@case(engines=ALL)
def registry_by_digest(t: Scene) -> None:
    """The agent runs from an index pulled by digest; offline again; a new digest replaces the old."""
    with registry(t) as r:
        first, second = push_both(t, r), push_both(t, r, t.artifacts.next)
        choose(t, r, f":ignored@{first}")
        t.init("pre-start")
        expect(loaded(t), f"no {AGENT} in Docker")
        equal(t.bucket.journal, [], "requests for a tar")
        expect(not t.host.exists(STATE), "the tar's cache has a state")
        process = t.start()
        equal(t.agent_version(), "v1.99.0", "the agent's version")
        old = t.docker.images()[AGENT]
        process.kill()
        equal(process.wait().code, 0, "start after SIGTERM")
        r.stop()
        t.init("pre-start")
        t.docker.untag(AGENT)
        t.init("pre-start")
        expect(loaded(t), "the pulled image was not tagged again")
        r.start()
        choose(t, r, f"@{second}")
        t.init("pre-start")
        process = t.start()
        equal(t.agent_version(), "v1.99.1", "the agent's version")
        t.host.until("the old image is removed", lambda: is_gone(t, old), process=process)
        equal(names(t), {f"{r.host}/{REPOSITORY}@{second}"}, "names in the repository")
        process.kill()
        equal(process.wait().code, 0, "start after SIGTERM")


@case()
def registry_image_gone_before_start(t: Scene) -> None:
    """An image removed before `start` is pulled again by the same digest."""
    with registry(t) as r:
        digest = push_both(t, r)
        choose(t, r, f"@{digest}")
        t.init("pre-start")
        t.docker.untag(AGENT)
        t.docker.untag(f"{r.host}/{REPOSITORY}@{digest}")
        expect(not names(t), f"still in Docker: {names(t)}")
        process = t.start()
        equal(t.agent_version(), "v1.99.0", "the agent's version")
        process.kill()
        equal(process.wait().code, 0, "start after SIGTERM")


@case()
def registry_invalid_references(t: Scene) -> None:
    """An unknown digest, no digest or an invalid one: an error that names it, nothing in Docker."""
    with registry(t) as r:
        push_both(t, r, tag="v1")
        for which, words in (
            # dockerd's message, then containerd's.
            ("@sha256:" + "0" * 64, ("manifest unknown", "not found")),
            (":v1", ("digest",)),
            ("", ("digest",)),
            ("@sha256:12", ("digest",)),
        ):
            choose(t, r, which)
            result = t.init("pre-start", code=FAILURE)
            expect(any(w in result.stderr.lower() for w in words), f"not named: {result}")
            expect(not result.logged(messages.RETRY), f"retried: {result}")
            t.nothing_loaded()
        expect("imagetools inspect" in t.init(
            "pre-start", code=FAILURE, ECS_INIT_AGENT_IMAGE="").stderr,
            "the error does not say how to get a digest")


@case()
def registry_by_tag(t: Scene) -> None:
    """A tag needs ECS_INIT_ALLOW_UNSIGNED and logs a warning; the image stays until reload-cache."""
    with registry(t) as r:
        push_both(t, r, tag="v1")
        choose(t, r, ":v1")
        t.settings["ECS_INIT_ALLOW_UNSIGNED"] = "true"
        result = t.init("pre-start")
        expect(result.logged("digest", "warn"), f"no warning: {result}")
        first = t.docker.images()[AGENT]
        push_both(t, r, t.artifacts.next, tag="v1")
        before = r.requests(REPOSITORY)
        t.init("pre-start")
        equal(t.docker.images()[AGENT], first, "the image after a second pre-start")
        equal(r.requests(REPOSITORY), before, "requests to the registry")
        t.init("reload-cache")
        expect(r.requests(REPOSITORY) > before, "reload-cache sent no request")
        expect(t.docker.images()[AGENT] != first, "reload-cache did not pull")
        expect(first not in t.docker.images().values(), "the old image is tagged")


@case()
def registry_unavailable_is_retried(t: Scene) -> None:
    """An unreachable registry is retried until ECS_INIT_RETRY_TIME, then an error."""
    with registry(t) as r:
        choose(t, r, f"@{push_both(t, r)}")
        r.stop()
        process = t.spawn("pre-start", ECS_INIT_RETRY_TIME="600")
        t.host.until("a retry", lambda: process.logged(messages.RETRY), process=process)
        r.start()
        equal(process.wait().code, 0, "pre-start with the registry up again")
        expect(loaded(t), f"no {AGENT} in Docker")
        r.stop()
        for name in [AGENT, *names(t)]:
            t.docker.untag(name)
        result = t.init("pre-start", code=FAILURE, ECS_INIT_RETRY_TIME="1")
        expect("connection refused" in result.stderr, f"the cause is not named: {result}")


@case(engines=ALL)
def registry_private(t: Scene) -> None:
    """A private registry needs the credentials of docker login; they are not logged."""
    with registry(t, private=True) as r:
        choose(t, r, f"@{push_both(t, r)}")
        refused = t.init("pre-start", code=FAILURE)
        expect(not refused.logged(messages.RETRY), f"retried: {refused}")
        config = "/root/.docker/config.json"
        t.host.write(config, json.dumps({"auths": {r.host: {}}, "credsStore": "pass"}))
        helped = t.init("pre-start", code=FAILURE)
        expect("docker-credential-pass" in helped.stderr, f"the helper is not named: {helped}")
        for password, code in (("wrong", FAILURE), (PASSWORD, 0)):
            word = base64.b64encode(f"{USER}:{password}".encode()).decode()
            t.host.write(config, json.dumps({"auths": {r.host: {"auth": word}}}))
            result = t.init("pre-start", code=code, ECS_LOGLEVEL="debug")
            for secret in (password, word):
                expect(secret not in result.stderr, f"{secret} is in the log: {result}")
        expect(loaded(t), f"no {AGENT} in Docker")


@case(engines=ALL, guests=ARCHITECTURE)
def registry_other_architecture(t: Scene) -> None:
    """An image or index for another architecture only is rejected; the error names it."""
    other = GO["aarch64" if t.host.arch == "x86_64" else "x86_64"]
    with registry(t) as r:
        alone = r.push_alone(REPOSITORY, t.artifacts.tar, other)
        index = r.push(REPOSITORY, t.artifacts.tar, other)
        # Engines pull an image without an index whatever its architecture; for an index without a
        # match they report an error, not all with the architecture.
        for digest, platform in ((alone, f"linux/{other}"),
                              (index, f"linux/{GO[t.host.arch]}")):
            choose(t, r, f"@{digest}")
            result = t.init("pre-start", code=FAILURE)
            expect(platform in result.stderr, f"the architecture is not named: {result}")
            expect(AGENT not in t.docker.images(), f"{AGENT} is in Docker")
