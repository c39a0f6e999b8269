"""ECS_INIT_CONFIG_S3: request signatures, the stored copy, secrets that are never logged."""

import json
import re
from datetime import timedelta

from harness.case import ARCHITECTURE, FAILURE, Scene, case
from harness.errors import equal, expect
from harness.guard import Guard
from harness.world import REGION

BUCKET, KEY = "fleet-config", "web servers/é+1/ecs.config"
PATH = f"/{BUCKET}/{KEY}"
URL = f"s3:/{PATH}"
LAYER = "/var/lib/ecs/ecs.config.s3"
CONTENT = b"ECS_CLUSTER=from-s3\nECS_ENGINE_AUTH_DATA=s3cr3t-content\n"
SECRETS = ("s3cr3t-content", "s3cr3t-key", "s3cr3t-token")
ROLE = "iam/security-credentials/"


def protect(t: Scene, **how) -> Guard:
    """A bucket with a configuration that only the instance's role may read."""
    t.bucket.put(PATH, CONTENT)
    guard = t.bucket.guards[BUCKET] = Guard(
        how.pop("region", REGION), "ASIAEXAMPLE", "s3cr3t-key/+", "s3cr3t-token/+==", **how)
    t.metadata.values[ROLE] = "ecsInstanceRole"
    t.metadata.values[f"{ROLE}ecsInstanceRole"] = json.dumps({
        "Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": guard.id,
        "SecretAccessKey": guard.secret, "Token": guard.token,
        "LastUpdated": "2026-11-22T12:00:00Z", "Expiration": "2099-01-01T00:00:00Z"})
    t.settings |= {"ECS_INIT_CONFIG_S3": URL, "ECS_LOGLEVEL": "debug"}
    return guard


def refused(t: Scene, *words: str, command: str = "pre-start", **settings: str) -> None:
    """The command fails, its log has these words and no secret."""
    result = t.init(command, code=FAILURE, **settings)
    for word in words:
        expect(word in result.stderr, f"'{word}' is not in\n{result}")
    no_secret_logged(t)


def no_secret_logged(t: Scene) -> None:
    """No secret is in any log of ecs-init."""
    for process in t.ran:
        stderr = process.stderr()
        for secret in SECRETS:
            expect(secret not in stderr, f"{secret} is in the log:\n{stderr}")


@case("full", "bare", guests=ARCHITECTURE)
def config_from_s3(t: Scene) -> None:
    """pre-start fetches it first, with the role's credentials; the agent gets it; never logged."""
    guard = protect(t)
    t.artifacts.publish(t.bucket)
    t.host.write("/etc/ecs/ecs.config", "ECS_INSTANCE_ATTRIBUTES={}\n")
    t.host.write("/var/lib/ecs/ecs.config", "ECS_CLUSTER=from-the-image\nECS_TAG=image\n")
    t.init("pre-start")
    equal(guard.admitted, [PATH], "requests with a valid signature")
    equal(t.bucket.journal[0].path, PATH, "the first request")
    equal(t.host.stat(LAYER)["mode"] & 0o7777, 0o600, "the layer's mode")
    equal(t.host.read(LAYER), f"# {URL}\n".encode() + CONTENT, "the layer")
    process = t.start()
    lines = t.docker.inspect("ecs-agent")["Config"]["Env"]
    for line in ("ECS_CLUSTER=from-s3", "ECS_TAG=image", "ECS_INSTANCE_ATTRIBUTES={}"):
        expect(line in lines, f"{line} is not in the agent's environment")
    equal(guard.admitted, [PATH], "start fetches nothing")
    process.kill()
    equal(process.wait().code, 0, "start after SIGTERM")
    no_secret_logged(t)


@case()
def config_from_s3_under_run(t: Scene) -> None:
    """`run` fetches it; `start` without an earlier pre-start fails."""
    guard = protect(t)
    t.artifacts.publish(t.bucket)
    refused(t, URL, command="start")
    process = t.start("run")
    expect("ECS_CLUSTER=from-s3" in t.docker.inspect("ecs-agent")["Config"]["Env"],
           "the agent does not have the configuration")
    equal(guard.admitted, [PATH], "requests with a valid signature")
    process.kill()
    equal(process.wait().code, 0, "run after SIGTERM")
    no_secret_logged(t)


@case()
def config_from_s3_other_region(t: Scene) -> None:
    """For a bucket in another region the request is repeated, signed for that region."""
    guard = protect(t, region="eu-north-1")
    t.artifacts.publish(t.bucket)
    t.init("pre-start")
    equal(guard.admitted, [PATH], "requests with a valid signature")
    equal([r.status for r in t.bucket.requests(PATH)], [400, 200], "answers")


@case()
def config_from_s3_refused(t: Scene) -> None:
    """Each error of S3 is logged with its code and what to check; pre-start does nothing else."""
    guard = protect(t)
    t.bucket.objects.pop(PATH)
    refused(t, URL, "404", "NoSuchKey")
    equal(len(guard.admitted), 1, "requests with a valid signature for a missing object")
    guard.admitted.clear()
    t.bucket.put(PATH, CONTENT)
    guard.ahead = timedelta(minutes=20)
    refused(t, "RequestTimeTooSkewed", "clock")
    guard.ahead, guard.expired = timedelta(), True
    refused(t, "ExpiredToken", "expired")
    guard.expired, guard.secret = False, "another"
    refused(t, "SignatureDoesNotMatch", "credentials")
    guard.id = "AKIAANOTHER"
    refused(t, "InvalidAccessKeyId", "credentials")
    t.metadata.values.pop(ROLE)
    refused(t, "role")
    equal(guard.admitted, [], "requests with a valid signature")
    expect(not t.host.exists(LAYER), "a layer was stored")
    t.nothing_loaded()


@case()
def config_from_s3_unreachable(t: Scene) -> None:
    """Without S3 the earlier copy of the same URL is used; an invalid object never is."""
    protect(t)
    t.artifacts.publish(t.bucket)
    unreachable = {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9", "ECS_INIT_RETRY_TIME": "0"}
    refused(t, URL, "refused", **unreachable)
    t.init("pre-start")
    result = t.init("pre-start", **unreachable)
    expect(result.logged(re.escape(URL), "warn"), f"no warning in\n{result}")
    refused(t, "s3://other/one", **unreachable, ECS_INIT_CONFIG_S3="s3://other/one")
    before = t.host.read(LAYER)
    for invalid, why in ((b"A=1\ns3cr3t-content\n", "line 2"),
                        (b"A=1\nB=\xff\n", "line 2"),
                        (b"A=1\n" * 20_000, "65536")):
        t.bucket.put(PATH, invalid)
        refused(t, URL, why)
        equal(t.host.read(LAYER), before, "the layer")
