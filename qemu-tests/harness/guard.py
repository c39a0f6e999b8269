"""Access control of the fake S3: checks Signature Version 4 with AWS's library, botocore.

The signature is computed again from the received request and the secret; it must equal the
request's.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from email.message import Message
from urllib.parse import unquote

#: Largest difference of the clocks ("RequestTimeTooSkewed" in the S3 API Reference).
SKEW = timedelta(minutes=15)


@dataclass
class Guard:
    """A bucket's region and the credentials that may read it. `ahead` moves the server's
    clock forward."""

    region: str
    id: str
    secret: str
    token: str
    ahead: timedelta = timedelta()
    expired: bool = False
    #: Paths of requests with a valid signature.
    admitted: list[str] = field(default_factory=list)

    def check(self, method: str, path: str, headers: Message) -> tuple[int, str, str] | None:
        """None for a valid request, else the status, code and region of S3's answer."""
        authorization = headers.get("Authorization", "")
        algorithm, _, rest = authorization.partition(" ")
        fields = dict(part.strip().split("=", 1) for part in rest.split(",") if "=" in part)
        if algorithm != "AWS4-HMAC-SHA256" or not {"Credential", "SignedHeaders",
                                                   "Signature"} <= fields.keys():
            return 403, "AccessDenied", ""
        key, date, region, service, end = fields["Credential"].split("/")
        if (service, end) != ("s3", "aws4_request"):
            return 400, "AuthorizationHeaderMalformed", ""
        if region != self.region:
            return 400, "AuthorizationHeaderMalformed", self.region
        if key != self.id:
            return 403, "InvalidAccessKeyId", ""
        stamp = headers.get("X-Amz-Date", "")
        made = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
        if not stamp.startswith(date) or abs(datetime.now(timezone.utc) + self.ahead - made) > SKEW:
            return 403, "RequestTimeTooSkewed", ""
        signed = fields["SignedHeaders"].split(";")
        must = [name.lower() for name in headers if name.lower().startswith("x-amz-")] + ["host"]
        if not set(must) <= set(signed):
            return 403, "AccessDenied", ""
        if fields["Signature"] != self._sign(method, path, headers, signed, stamp):
            return 403, "SignatureDoesNotMatch", ""
        if headers.get("X-Amz-Security-Token", "") != self.token:
            return 403, "InvalidToken", ""
        if self.expired:
            return 400, "ExpiredToken", ""
        self.admitted.append(unquote(path))
        return None

    def _sign(self, method: str, path: str, headers: Message, signed: list[str],
              stamp: str) -> str:
        # Not at the top: --help, --list and selftest run without botocore, which the
        # requirements' check finds before a case gets here.
        from botocore.auth import S3SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials
        auth = S3SigV4Auth(Credentials(self.id, self.secret), "s3", self.region)
        request = AWSRequest(method, f"https://{headers['Host']}{path}",
                             headers={name: headers[name] for name in signed})
        request.context["timestamp"] = stamp
        return auth.signature(auth.string_to_sign(request, auth.canonical_request(request)),
                              request)
