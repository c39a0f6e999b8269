"""The configuration from S3: signed as AWS's own library signs, kept, never told."""

import json
from datetime import timedelta

from harness.case import FAILURE, Scene, case
from harness.errors import equal, expect
from harness.guard import Guard
from harness.world import REGION

BUCKET, KEY = "fleet-config", "web servers/é+1/ecs.config"
PATH = f"/{BUCKET}/{KEY}"
URL = f"s3:/{PATH}"
LAYER = "/var/lib/ecs/ecs.config.s3"
CONTENT = b"ECS_CLUSTER=from-s3\nECS_ENGINE_AUTH_DATA=geheim-content\n"
SECRETS = ("geheim-content", "geheim-key", "geheim-token")
ROLE = "iam/security-credentials/"


def lock(t: Scene, **how) -> Guard:
    """A bucket that only the instance's role may read, with a configuration in it."""
    t.bucket.put(PATH, CONTENT)
    guard = t.bucket.guards[BUCKET] = Guard(
        how.pop("region", REGION), "ASIAEXAMPLE", "geheim-key/+", "geheim-token/+==", **how)
    t.metadata.values[ROLE] = "ecsInstanceRole"
    t.metadata.values[f"{ROLE}ecsInstanceRole"] = json.dumps({
        "Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": guard.id,
        "SecretAccessKey": guard.secret, "Token": guard.token,
        "LastUpdated": "2026-11-22T12:00:00Z", "Expiration": "2099-01-01T00:00:00Z"})
    t.settings |= {"ECS_INIT_CONFIG_S3": URL, "ECS_LOGLEVEL": "debug"}
    return guard


def refused(t: Scene, *words: str, verb: str = "pre-start", **settings: str) -> None:
    """The verb fails, says all of this, and nothing of what is secret."""
    result = t.init(verb, code=FAILURE, **settings)
    for word in words:
        expect(word in result.stderr, f"'{word}' is not in\n{result}")
    kept_quiet(t)


def kept_quiet(t: Scene) -> None:
    for process in t.ran:
        said = process.stderr()
        for secret in SECRETS:
            expect(secret not in said, f"{secret} is in the log:\n{said}")


@case("full", "bare")
def config_from_s3(t: Scene) -> None:
    """By the role's credentials, before anything else; the agent has it, the log has not."""
    guard = lock(t)
    t.artifacts.publish(t.bucket)
    t.host.write("/etc/ecs/ecs.config", "ECS_INSTANCE_ATTRIBUTES={}\n")
    t.host.write("/var/lib/ecs/ecs.config", "ECS_CLUSTER=from-the-image\nECS_TAG=image\n")
    t.init("pre-start")
    equal(guard.admitted, [PATH], "what was read with a good signature")
    equal(t.bucket.journal[0].path, PATH, "what was asked for first")
    equal(t.host.stat(LAYER)["mode"] & 0o7777, 0o600, "the layer's mode")
    equal(t.host.read(LAYER), f"# {URL}\n".encode() + CONTENT, "the layer")
    process = t.start()
    lines = t.docker.inspect("ecs-agent")["Config"]["Env"]
    for line in ("ECS_CLUSTER=from-s3", "ECS_TAG=image", "ECS_INSTANCE_ATTRIBUTES={}"):
        expect(line in lines, f"{line} is not in the agent's environment")
    equal(guard.admitted, [PATH], "start fetches nothing")
    process.kill()
    equal(process.wait().code, 0, "start after SIGTERM")
    kept_quiet(t)


@case()
def config_from_s3_under_run(t: Scene) -> None:
    """run fetches it itself; start alone does not begin without it."""
    guard = lock(t)
    t.artifacts.publish(t.bucket)
    refused(t, URL, "not fetched yet", verb="start")
    process = t.start("run")
    expect("ECS_CLUSTER=from-s3" in t.docker.inspect("ecs-agent")["Config"]["Env"],
           "the agent does not have the configuration")
    equal(guard.admitted, [PATH], "what was read with a good signature")
    process.kill()
    equal(process.wait().code, 0, "run after SIGTERM")
    kept_quiet(t)


@case()
def config_in_another_region(t: Scene) -> None:
    """A bucket in another region is asked again, signed for that one."""
    guard = lock(t, region="eu-north-1")
    t.artifacts.publish(t.bucket)
    t.init("pre-start")
    equal(guard.admitted, [PATH], "what was read with a good signature")
    equal([r.status for r in t.bucket.requests(PATH)], [400, 200], "answers")


@case()
def config_refused(t: Scene) -> None:
    """Each refusal of S3's is an error that says what to check; nothing else is begun."""
    guard = lock(t)
    t.bucket.objects.pop(PATH)
    refused(t, URL, "404 NoSuchKey", "there is no such object")
    equal(len(guard.admitted), 1, "requests with a good signature for what is not there")
    guard.admitted.clear()
    t.bucket.put(PATH, CONTENT)
    guard.ahead = timedelta(minutes=20)
    refused(t, "RequestTimeTooSkewed", "the host's clock is wrong")
    guard.ahead, guard.expired = timedelta(), True
    refused(t, "ExpiredToken", "the credentials have expired")
    guard.expired, guard.secret = False, "another"
    refused(t, "SignatureDoesNotMatch", "the credentials are not valid there")
    guard.id = "AKIAANOTHER"
    refused(t, "InvalidAccessKeyId", "the credentials are not valid there")
    t.metadata.values.pop(ROLE)
    refused(t, "the instance has no role")
    equal(guard.admitted, [], "what was read with a good signature")
    expect(not t.host.exists(LAYER), "something was kept")
    t.nothing_loaded()


@case()
def config_from_s3_that_is_gone(t: Scene) -> None:
    """Without S3 the earlier fetch of the same URL serves, and no other; a broken one never does."""
    lock(t)
    t.artifacts.publish(t.bucket)
    nobody = {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9", "ECS_INIT_RETRY_TIME": "0"}
    refused(t, URL, "refused", **nobody)
    t.init("pre-start")
    result = t.init("pre-start", **nobody)
    expect("what was fetched earlier is used" in result.stderr, f"no warning in\n{result}")
    refused(t, "s3://other/one", **nobody, ECS_INIT_CONFIG_S3="s3://other/one")
    before = t.host.read(LAYER)
    for broken, why in ((b"A=1\ngeheim-content\n", "line 2: it has no '='"),
                        (b"A=1\nB=\xff\n", "line 2: it is no UTF-8"),
                        (b"A=1\n" * 20_000, "larger than 65536 bytes")):
        t.bucket.put(PATH, broken)
        refused(t, URL, why)
        equal(t.host.read(LAYER), before, "the layer")
