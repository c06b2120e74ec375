"""Calling a function of the project: its parameters checked, what it returns read batch by batch, errors with lines."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

import msgspec

from tenure.core.decoding import converted
from tenure.core.errors import StageError
from tenure.stages.data.function_code import Place, find, roots
from tenure.stages.data.lookup import Where, refuse_repeated_names

if TYPE_CHECKING:
    from tenure.stages.data.engine import Engine
    from tenure.stages.data.loading import Loaded

_BATCH = 20_000


def call(project: Path, function: str, parameters: Mapping[str, Any], where: Where, engine: Engine) -> Loaded:
    """The rows that `function` returns. Raises StageError pointing to its fields at `where`, with file and line."""
    place = find(project, function)
    if place is None:
        raise StageError(
            "the function is missing",
            f"the project has no file for {function!r}",
            "write it as path.py:name or package.module:name, looked up from the project folder and from src",
            path=(*where, "function"),
        )
    with _imports_from(project), _blamed(project, place, (*where, "function")):
        found = _function(place, (*where, "function"))
        arguments = _arguments(found, parameters, (*where, "parameters"))
        return _rows(found(**arguments), function, engine, (*where, "function"))


def _function(place: Place, where: Where) -> Callable[..., Any]:
    if place.module.replace(".", "").isidentifier():
        module = importlib.import_module(place.module)
    else:
        # A file whose name is no name of a module, such as daily-orders.py.
        spec = importlib.util.spec_from_file_location("tenure_source", place.file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    found = getattr(module, place.name, None)
    if not callable(found):
        raise StageError(
            "the function is missing",
            f"{place.file.name} has no function {place.name!r}",
            "check the name behind the colon",
            path=where,
        )
    called: Callable[..., Any] = found
    return called


def _arguments(function: Callable[..., Any], parameters: Mapping[str, Any], where: Where) -> dict[str, Any]:
    """The parameters as the types that the function asks for."""
    signature = inspect.signature(function)
    try:
        signature.bind(**parameters)
    except TypeError as error:
        raise StageError(
            "the parameters do not fit the function",
            f"{error}; it is {function.__name__}{signature}",
            "give a value to each parameter without a default, and to no others",
            path=where,
        ) from error
    hints = get_type_hints(function)
    arguments = {}
    for name, value in parameters.items():
        if name not in hints:
            raise StageError(
                "a parameter has no type",
                f"{function.__name__}{signature} does not say what {name!r} is",
                f"write its type, such as {name}: {type(value).__name__}",
                path=(*where, name),
            )
        try:
            arguments[name] = converted(value, hints[name])
        except (msgspec.ValidationError, TypeError) as error:
            raise StageError(
                "a parameter has another type",
                f"{name} is {value!r}: {error}",
                f"{function.__name__} asks for {inspect.formatannotation(hints[name])}",
                path=(*where, name),
            ) from error
    return arguments


def _rows(given: Any, function: str, engine: Engine, where: Where) -> Loaded:
    import pandas as pd
    import pyarrow as pa

    from tenure.stages.data.accumulating import Accumulated
    from tenure.stages.data.loading import load_arrow

    if isinstance(given, pd.DataFrame):
        given = pa.Table.from_pandas(given, preserve_index=False)
    if isinstance(given, pa.RecordBatch):
        given = pa.Table.from_batches([given])
    if isinstance(given, pa.Table | pa.RecordBatchReader):
        refuse_repeated_names(given.schema.names, function, "name them apart", where)
        return load_arrow(engine, given)
    if not isinstance(given, Iterable) or isinstance(given, str | bytes | Mapping):
        raise StageError(
            "the function returns no rows",
            f"{function} returns {type(given).__name__}",
            "return an iterable of dicts, a pandas DataFrame, or an Arrow table or reader",
            path=where,
        )
    rows, names = Accumulated(engine), dict[str, None]()
    each = iter(given)
    while batch := list(islice(each, _BATCH)):
        for row in batch:
            if not isinstance(row, Mapping) or not all(isinstance(name, str) for name in row):
                raise StageError(
                    "a row is not a dict",
                    f"{function} gives {row!r:.80}",
                    "give each row as a dict from the name of a column to its value",
                    path=where,
                )
            names |= dict.fromkeys(row)
        rows.add({name: [row.get(name) for row in batch] for name in names})
    return rows.done(list(names))


@contextmanager
def _imports_from(project: Path) -> Iterator[None]:
    """Modules of the project can be imported, and are read anew the next time."""
    before, path, writes = set(sys.modules), list(sys.path), sys.dont_write_bytecode
    sys.path[:0] = [str(root) for root in roots(project)]
    sys.dont_write_bytecode = True
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = path
        sys.dont_write_bytecode = writes
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None)
            if file and Path(file).resolve().is_relative_to(project.resolve()):
                del sys.modules[name]


@contextmanager
def _blamed(project: Path, place: Place, where: Where) -> Iterator[None]:
    """What the function's code raises as a StageError with its file and line."""
    try:
        yield
    except StageError:
        raise
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        if isinstance(error, SyntaxError) and error.filename:
            file, line = error.filename, error.lineno
        else:
            own = [
                frame for frame in frames if Path(frame.filename).resolve().is_relative_to(project.resolve())
            ]
            if not own:
                raise
            file, line = own[-1].filename, own[-1].lineno
        shown = Path(file).resolve()
        if shown.is_relative_to(project.resolve()):
            shown = shown.relative_to(project.resolve())
        raise StageError(
            "the function failed",
            f"{shown}:{line}: {type(error).__name__}: {error}",
            f"correct {place.name} or its parameters",
            path=where,
        ) from error
