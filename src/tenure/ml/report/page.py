"""The page every report is written on: a template of the stage fills the blocks of `page.html.jinja`.

A page loads nothing and runs nothing; it follows the light, dark or printed form that its reader uses.
"""

from __future__ import annotations

from importlib import resources
from typing import Any

FRAME = "page.html.jinja"


def render(package: str, template: str, **values: Any) -> str:
    """The page of a template among the files of `package` (dotted); it begins with `{% extends "page.html.jinja" %}`.

    Every value is escaped, except plots passed through `markup`. Raises jinja2.UndefinedError for a value that the
    template asks for and nobody gave.
    """
    import jinja2

    from tenure.ml.report.axes import number

    def source(name: str) -> str:
        home = __package__ if name == FRAME else package
        return resources.files(home).joinpath(name).read_text(encoding="utf-8")

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(source),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.globals.update(number=number)
    return environment.get_template(template).render(**values)


def markup(svg: str) -> Any:
    """A plot as part of a page: every text inside was escaped when it was drawn."""
    from markupsafe import Markup

    return Markup(svg)
