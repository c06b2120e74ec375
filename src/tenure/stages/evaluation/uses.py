"""How often a test part was used: the best of many candidates on the same rows looks better than it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenure.core.digest import digest_bytes, short

if TYPE_CHECKING:
    import pyarrow as pa

    from tenure.state.record import Record

_REMEMBERED = 500


def uses_of(test: pa.Table, model: Record, previous: Record | None) -> dict[str, Any]:
    """How many different models were judged on exactly these rows, this one included.

    `previous` is the last report of the model. {rows: digest, candidates, models: [short digests]}.
    """
    rows = digest_of_rows(test)
    before = (previous.value.get("test_part") or {}) if previous else {}
    same = before.get("rows") == rows
    models: list[str] = list(before["models"]) if same else []
    count: int = before["candidates"] if same else 0
    if short(model.digest) not in models:
        models, count = [*models, short(model.digest)], count + 1
    return {"rows": rows, "candidates": count, "models": models[-_REMEMBERED:]}


def note_of(uses: dict[str, Any]) -> str:
    """What the count means, for people."""
    count = uses["candidates"]
    if count == 1:
        return "No other model was judged on these rows before."
    said = f"{count} models were judged on these rows by now"
    return said + (
        ": the best of many looks better than it is. Fresh test rows would say more." if count >= 10 else "."
    )


def digest_of_rows(test: pa.Table) -> str:
    """Names the rows by their values, in their order."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    # Without the schema's metadata: where the rows were read from does not matter.
    plain = test.replace_schema_metadata(None).combine_chunks()
    with pa.ipc.new_stream(sink, plain.schema) as stream:
        stream.write_table(plain)
    return digest_bytes(sink.getvalue().to_pybytes())
