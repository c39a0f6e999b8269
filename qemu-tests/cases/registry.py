"""ECS_INIT_AGENT_SOURCE=registry: dockerd pulls, and the digest vouches."""

import base64
import json

from harness.archives import AGENT
from harness.case import ALL, FAILURE, Scene, case
from harness.errors import equal, expect
from harness.registry import GO, PASSWORD, USER, Registry

from .acquire import STATE, loaded

REPOSITORY = "ecs/amazon-ecs-agent"


def registry(t: Scene, private: bool = False) -> Registry:
    """One that the host's dockerd trusts."""
    made = Registry(t.artifacts.world.authority, private)
    made.trusted_by(t.host)
    t.settings["ECS_INIT_AGENT_SOURCE"] = "registry"
    return made


def both(t: Scene, r: Registry, tar: bytes | None = None, tag: str | None = None) -> str:
    """An index of both architectures, as Amazon's; its digest."""
    return r.push(REPOSITORY, tar or t.artifacts.tar, "amd64", "arm64", tag=tag)


def ask_for(t: Scene, r: Registry, which: str) -> None:
    """`:tag` or `@sha256:…`"""
    t.settings["ECS_INIT_AGENT_IMAGE"] = f"{r.host}/{REPOSITORY}{which}"


def names(t: Scene) -> set[str]:
    """All names and digests that Docker has in the registry's repository."""
    found = t.docker.ok("GET", "/images/json?all=1")
    every = {n for i in found for n in (i["RepoTags"] or []) + (i["RepoDigests"] or [])}
    return {name for name in every if REPOSITORY in name and name != AGENT
            and not name.startswith("amazon/")}


def is_gone(t: Scene, image: str) -> bool:
    """Whether Docker's list is without this id. Docker 28 answers 404 while an image goes."""
    answer = t.docker.call("GET", "/images/json?all=1")
    return answer.status == 200 and image not in {found["Id"] for found in answer.json()}


@case(engines=ALL)
def registry_by_digest(t: Scene) -> None:
    """Pulled by the digest of an index, the agent runs; again, offline; then another digest, and nothing is left of the first."""
    with registry(t) as r:
        first, second = both(t, r), both(t, r, t.artifacts.next)
        ask_for(t, r, f":ignored@{first}")
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
        expect(loaded(t), "what was pulled did not get its name back")
        r.start()
        ask_for(t, r, f"@{second}")
        t.init("pre-start")
        process = t.start()
        equal(t.agent_version(), "v1.99.1", "the agent's version")
        t.host.until("the old image goes", lambda: is_gone(t, old), process=process)
        equal(names(t), {f"{r.host}/{REPOSITORY}@{second}"}, "names in the repository")
        process.kill()
        equal(process.wait().code, 0, "start after SIGTERM")


@case()
def registry_image_gone_under_start(t: Scene) -> None:
    """An image that is gone when start wants it is pulled again, by the same digest."""
    with registry(t) as r:
        digest = both(t, r)
        ask_for(t, r, f"@{digest}")
        t.init("pre-start")
        t.docker.untag(AGENT)
        t.docker.untag(f"{r.host}/{REPOSITORY}@{digest}")
        expect(not names(t), f"still in Docker: {names(t)}")
        process = t.start()
        equal(t.agent_version(), "v1.99.0", "the agent's version")
        process.kill()
        equal(process.wait().code, 0, "start after SIGTERM")


@case()
def registry_refusals(t: Scene) -> None:
    """An unknown digest, none at all, no reference: an error that says so, and nothing in Docker."""
    with registry(t) as r:
        both(t, r, tag="v1")
        for which, words in (
            # In dockerd's words, then in containerd's.
            ("@sha256:" + "0" * 64, ("manifest unknown", "not found")),
            (":v1", ("has no digest",)),
            ("", ("has no digest",)),
            ("@sha256:12", ("has a digest that is not",)),
        ):
            ask_for(t, r, which)
            result = t.init("pre-start", code=FAILURE)
            expect(any(w in result.stderr.lower() for w in words), f"no word of it: {result}")
            expect("again in" not in result.stderr, f"tried again: {result}")
            t.nothing_loaded()
        expect("imagetools inspect" in t.init(
            "pre-start", code=FAILURE, ECS_INIT_AGENT_IMAGE="").stderr, "no way out is told")


@case()
def registry_by_tag(t: Scene) -> None:
    """By a tag only where that is allowed, with a warning; it stays until reload-cache."""
    with registry(t) as r:
        both(t, r, tag="v1")
        ask_for(t, r, ":v1")
        t.settings["ECS_INIT_ALLOW_UNSIGNED"] = "true"
        result = t.init("pre-start")
        expect("level=warn" in result.stderr and "has no digest" in result.stderr,
               f"no warning: {result}")
        first = t.docker.images()[AGENT]
        both(t, r, t.artifacts.next, tag="v1")
        before = r.requests(REPOSITORY)
        t.init("pre-start")
        equal(t.docker.images()[AGENT], first, "the image after a second pre-start")
        equal(r.requests(REPOSITORY), before, "requests to the registry")
        t.init("reload-cache")
        expect(r.requests(REPOSITORY) > before, "reload-cache asked nobody")
        expect(t.docker.images()[AGENT] != first, "reload-cache did not pull")
        expect(first not in t.docker.images().values(), "the old image has a name")


@case()
def registry_down_and_back(t: Scene) -> None:
    """A registry that is away is tried again; pulled once it is there."""
    with registry(t) as r:
        ask_for(t, r, f"@{both(t, r)}")
        r.stop()
        process = t.spawn("pre-start", ECS_INIT_RETRY_TIME="600")
        t.host.until("a second try", lambda: "again in" in process.stderr(), process=process)
        r.start()
        equal(process.wait().code, 0, "pre-start once the registry was there")
        expect(loaded(t), f"no {AGENT} in Docker")
        r.stop()
        for name in [AGENT, *names(t)]:
            t.docker.untag(name)
        result = t.init("pre-start", code=FAILURE, ECS_INIT_RETRY_TIME="1")
        expect("connection refused" in result.stderr, f"not the cause: {result}")


@case(engines=ALL)
def registry_private(t: Scene) -> None:
    """With the credentials that docker login stored it is pulled; without them it is refused."""
    with registry(t, private=True) as r:
        ask_for(t, r, f"@{both(t, r)}")
        refused = t.init("pre-start", code=FAILURE)
        expect("again in" not in refused.stderr, f"tried again: {refused}")
        config = "/root/.docker/config.json"
        t.host.write(config, json.dumps({"auths": {r.host: {}}, "credsStore": "pass"}))
        helped = t.init("pre-start", code=FAILURE)
        expect("docker-credential-pass" in helped.stderr, f"no word of the helper: {helped}")
        for password, code in (("wrong", FAILURE), (PASSWORD, 0)):
            word = base64.b64encode(f"{USER}:{password}".encode()).decode()
            t.host.write(config, json.dumps({"auths": {r.host: {"auth": word}}}))
            result = t.init("pre-start", code=code, ECS_LOGLEVEL="debug")
            for secret in (password, word):
                expect(secret not in result.stderr, f"the log tells {secret}: {result}")
        expect(loaded(t), f"no {AGENT} in Docker")


@case(engines=ALL)
def registry_other_architecture(t: Scene) -> None:
    """An image or an index for another architecture only is refused, and by a clear word."""
    other = GO["aarch64" if t.host.arch == "x86_64" else "x86_64"]
    with registry(t) as r:
        alone = r.push_alone(REPOSITORY, t.artifacts.tar, other)
        index = r.push(REPOSITORY, t.artifacts.tar, other)
        # The Engines pull an image that stands alone, whatever it is for; of an index they say
        # that it has none, and only some of them for what.
        for digest, words in ((alone, f"it is for linux/{other}"),
                              (index, f"for linux/{GO[t.host.arch]}: ")):
            ask_for(t, r, f"@{digest}")
            result = t.init("pre-start", code=FAILURE)
            expect(words in result.stderr, f"no word of the architecture: {result}")
            expect(AGENT not in t.docker.images(), f"{AGENT} is in Docker")
