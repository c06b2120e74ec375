"""What an object store or the way to it said, as an error a person can act on.

The library's own text is never passed on: it repeats the server's answer, and servers repeat keys, tokens and
signatures. From it only the server's error code, the HTTP status and the kind of failure are taken.
"""

from __future__ import annotations

import re

from tenure.core.errors import ArtifactError

PERMISSIONS = "s3:ListBucket, s3:GetObject, s3:PutObject and s3:AbortMultipartUpload"

_CODE = re.compile(r"<Code>\s*([A-Za-z][A-Za-z0-9.]{1,60})\s*</Code>")
_STATUS = re.compile(r"status code: (\d{3})")
_RETRIES = re.compile(r"after (\d+) retries")
_METADATA = ("/latest/api/token", "/latest/meta-data/iam")
_NO_CONNECTION = "kind: Connect,"
_STS = ("AssumeRoleWithWebIdentity", "169.254.170.")

_NOT_ACCEPTED = {
    "AuthFailure": "it cannot tell whose they are",
    "ExpiredToken": "the session token has expired",
    "ExpiredTokenException": "the session token has expired",
    "InvalidAccessKeyId": "it does not know the access key",
    "InvalidClientTokenId": "it does not know the access key",
    "InvalidSecurity": "it does not take them for valid",
    "InvalidToken": "the session token is not valid, or belongs to another access key",
    "InvalidTokenId": "the session token is not valid, or belongs to another access key",
    "SignatureDoesNotMatch": "the secret does not belong to the access key",
    "TokenRefreshRequired": "the session token has to be renewed",
}
_ELSEWHERE = {
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
    "PermanentRedirect",
    "TemporaryRedirect",
}
_FULL = {"QuotaExceeded", "QuotaExceededException", "StorageFull", "XMinioStorageFull"}


def code_in(text: str) -> str:
    """The error code of the server in a message of the library; empty when there is none."""
    found = _CODE.search(text)
    return found[1] if found else ""


def status_in(text: str) -> int:
    """The HTTP status in a message of the library; 0 when no answer came."""
    found = _STATUS.search(text)
    return int(found[1]) if found else 0


def may_have_arrived(text: str) -> bool:
    """Whether a request got no answer although the server may have carried it out."""
    return not status_in(text) and not code_in(text) and _NO_CONNECTION not in text


def explain(error: Exception, doing: str, place: str, server: str) -> ArtifactError:
    """The error for what went wrong while `doing` ("stored", "read", "listed") something at `place` on `server`."""
    text = str(error)
    code, status = code_in(text), status_in(text)
    if doing == "opened":
        authorities = "root_certificate" in text or "InvalidCertificate" in text
        return ArtifactError(
            "The object store cannot be opened.",
            f"{place} on {server}: "
            + ("AWS_CA_BUNDLE names no file of certificates." if authorities else "a setting is not valid."),
            "Check conf/artifacts and the environment variables whose names begin with AWS_.",
        )
    if any(path in text for path in _METADATA):
        return ArtifactError(
            "There are no credentials for the object store.",
            f"{place} cannot be {doing}: neither conf/artifacts, nor the environment, nor a profile has keys, and "
            "this machine has no role that gives some.",
            "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or refer to them in conf/artifacts as ${env:NAME}.",
        )
    if any(sign in text for sign in _STS):
        return ArtifactError(
            "The role gives no credentials for the object store.",
            f"{place} cannot be {doing}: the service that exchanges the identity of this process for keys "
            f"refused or did not answer{_with(code, status)}.",
            "Check AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE, or what the container is allowed.",
        )
    if "BareRedirect" in text:  # Amazon's way to say that, which the library does not pass on
        code = "PermanentRedirect"
    if status or code:
        return _refused(code, status, doing, place, server)
    return _unreached(text, doing, place, server)


def _refused(code: str, status: int, doing: str, place: str, server: str) -> ArtifactError:
    """The server has answered, and the answer is no."""
    if code == "NoSuchBucket":
        return ArtifactError(
            "The bucket does not exist.",
            f"{place} cannot be {doing}: {server} has no such bucket, or it belongs to another account.",
            "Create it, or correct `bucket` in conf/artifacts.",
        )
    if code in _NOT_ACCEPTED:
        return ArtifactError(
            "The object store does not accept the credentials.",
            f"{place} cannot be {doing}: {server} answers {code}; {_NOT_ACCEPTED[code]}.",
            "Renew or correct the keys where they come from, then repeat the command.",
        )
    if code == "RequestTimeTooSkewed":
        return ArtifactError(
            "The clock differs from that of the object store.",
            f"{place} cannot be {doing}: {server} refuses requests that are signed at another time than its own.",
            "Set the clock of this machine, then repeat the command.",
        )
    if code in _ELSEWHERE or status in (301, 307):
        return ArtifactError(
            "The bucket is in another region.",
            f"{place} cannot be {doing}: {server} answers{_with(code, status)}.",
            "Set `region` in conf/artifacts to that of the bucket, or `endpoint_url` to its server.",
        )
    if code in _FULL or status == 507:
        return ArtifactError(
            "No space left for an artifact",
            f"{place} cannot be {doing}: {server} answers{_with(code, status)}.",
            "Make room on the server or raise its quota, then repeat the command: finished steps are not repeated.",
        )
    if code == "AccessDenied" or status in (401, 403):
        return ArtifactError(
            "The object store denies access.",
            f"{place} cannot be {doing}: {server} answers{_with(code, status)}.",
            f"The credentials need {PERMISSIONS} for this bucket and prefix.",
        )
    if status >= 500 or status == 429 or code in ("SlowDown", "InternalError", "ServiceUnavailable"):
        return ArtifactError(
            "The object store fails.",
            f"{place} cannot be {doing}: {server} goes on answering{_with(code, status)}, however often it is asked.",
            "Repeat the command when it works again: finished steps are not repeated.",
        )
    return ArtifactError(
        "The object store refuses.",
        f"{place} cannot be {doing}: {server} answers{_with(code, status)}.",
        "Check `bucket`, `prefix` and `endpoint_url` in conf/artifacts.",
    )


def _unreached(text: str, doing: str, place: str, server: str) -> ArtifactError:
    """No answer, or no whole one."""
    found = _RETRIES.search(text)
    tries = f" It was tried {int(found[1]) + 1} times." if found and found[1] != "0" else ""
    way_out = "Check the network and `endpoint_url` in conf/artifacts, then repeat the command."
    if "dns error" in text or "failed to lookup address" in text:
        why = "its name leads to no address"
    elif "ConnectionRefused" in text:
        why = "nothing listens there"
    elif "NetworkUnreachable" in text or "HostUnreachable" in text:
        why = "there is no way to it in the network"
    elif "InvalidContentType" in text:
        why = "it does not speak TLS"
        way_out = "For a server of your own network without TLS, write `http://` in `endpoint_url`."
    elif "InvalidCertificate" in text or "UnknownIssuer" in text:
        why = "its certificate is not trusted"
        way_out = "Name the file with its issuer's certificate:\n  export AWS_CA_BUNDLE=/path/to/ca.pem"
    elif "kind: Timeout" in text or "TimedOut" in text or "operation timed out" in text:
        why = "it does not answer in time"
    elif _NO_CONNECTION in text:
        why = "no connection can be made"
    elif "RetryErrorImpl" in text or "Http" in text or "error decoding response body" in text:
        why = "the connection breaks off"
    else:
        return ArtifactError(
            "The object store cannot be used.",
            f"{place} cannot be {doing}: {server} gives an answer that is not understood.",
            "Check that the server speaks the S3 protocol, and `endpoint_url` in conf/artifacts.",
        )
    return ArtifactError(
        "The object store cannot be reached.",
        f"{place} cannot be {doing} from {server}: {why}.{tries}",
        way_out,
    )


def _with(code: str, status: int) -> str:
    words = [str(status)] if status else []
    return "".join(f" {word}" for word in (*words, code) if word)
