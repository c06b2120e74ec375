"""Where a blob lies below its root, the same in every store: `ab/abcdef...` for `sha256:abcdef...`."""

from __future__ import annotations

import re

from tenure.core.digest import PREFIX
from tenure.core.errors import ArtifactError

_DIGEST = re.compile(PREFIX + r"[0-9a-f]{64}")
_PLACE = re.compile(r"(?P<first>[0-9a-f]{2})/(?P<digits>(?P=first)[0-9a-f]{62})")


def place_of(digest: str) -> str:
    """The place of a blob. Raises ArtifactError for what is no digest, so that no name such as `../x` gets further."""
    if _DIGEST.fullmatch(digest) is None:
        raise ArtifactError("Not the name of an artifact", f"{digest!r} is not a sha256 digest.")
    digits = digest.removeprefix(PREFIX)
    return f"{digits[:2]}/{digits}"


def digest_at(place: str) -> str | None:
    """The digest of the blob that lies at a place; None where no blob belongs."""
    found = _PLACE.fullmatch(place)
    return PREFIX + found["digits"] if found else None
