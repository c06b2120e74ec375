"""What a caller is told when there is no answer: problem documents (RFC 9457), one per reason."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from tenure.ml.signature import RowError

_SHOWN = 100
"""Errors listed in one response; the total is always given."""


class Problem(Exception):
    """A request that is refused: HTTP status, a fixed title, what is wrong, and members of its own."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        headers: Iterable[tuple[bytes, bytes]] = (),
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title
        self.detail = detail
        self.headers = list(headers)
        self.members = members

    def document(self) -> dict[str, Any]:
        """The problem document; `error` is where clients of the inference protocol look."""
        return {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "error": f"{self.title}: {self.detail}",
            **self.members,
        }


def unknown_model(name: str, known: Iterable[str]) -> Problem:
    """404, with the nearest name there is."""
    near = difflib.get_close_matches(name, sorted(known), n=1)
    detail = f"There is no model {name!r} here." + (f" Did you mean {near[0]!r}?" if near else "")
    return Problem(404, "Unknown model", detail, models="/models")


def unknown_version(model: str, version: str, live: Iterable[int]) -> Problem:
    """404: only versions that have a route can be asked for."""
    versions = sorted(live)
    detail = (
        f"Version {version!r} of {model} is not live; live now: {', '.join(map(str, versions)) or 'none'}."
    )
    return Problem(404, "Version is not live", detail, versions=versions)


def invalid_rows(errors: tuple[RowError, ...]) -> Problem:
    """422, with what is wrong in each field of each row."""
    detail = f"{errors[0].message} (row {errors[0].row})" + (
        f", and {len(errors) - 1} more" if len(errors) > 1 else ""
    )
    listed = [
        {"row": error.row, "field": error.field, "code": error.code, "message": error.message}
        for error in errors[:_SHOWN]
    ]
    return Problem(422, "Rows do not fit the model", detail, errors=listed, error_count=len(errors))


def too_large(limit: int) -> Problem:
    """413 for a body."""
    close = [(b"connection", b"close")]
    return Problem(
        413, "Body too large", f"A request to this model may have {limit} bytes.", close, max_body=limit
    )


def too_many_rows(rows: int, limit: int) -> Problem:
    """413 for a request with too many rows."""
    detail = f"The request has {rows} rows; this model takes {limit} at once."
    return Problem(413, "Too many rows", detail, max_rows_per_request=limit)


def overloaded(limit: int) -> Problem:
    """503 with the moment to come back."""
    detail = f"{limit} requests are in work already."
    return Problem(503, "Overloaded", detail, [(b"retry-after", b"1")])


def bad_request(detail: str, **members: Any) -> Problem:
    """400: not even the shape is right."""
    return Problem(400, "Request cannot be read", detail, **members)
