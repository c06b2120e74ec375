"""`tenure serve`: the model server."""

from __future__ import annotations

import click

from tenure.cli.arguments import overrides
from tenure.cli.session import Session, Verb

SERVER_LIBRARIES = ("uvicorn", "httptools", "uvloop", "orjson", "prometheus_client")


@click.command("serve", cls=Verb)
@overrides
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="The address to listen on; 0.0.0.0 for all."
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="The port; 0 for a free one.",
)
@click.pass_obj
def command(session: Session, overrides: tuple[str, ...], host: str, port: int) -> int:
    """Serve the released models of the environment over HTTP until stopped; follow every release without a restart."""
    from tenure.core.errors import TenureError
    from tenure.core.units import parse_duration

    project = session.project(overrides)
    try:
        from tenure.server.main import serve
    except ModuleNotFoundError as error:
        if error.name not in SERVER_LIBRARIES:
            raise
        raise TenureError(
            "The model server is not installed.", f"It needs {error.name}.", 'pip install "tenure[serve]"'
        ) from error
    serve(
        project.reader,
        project.artifacts,
        project.workspace.home / "predictions",
        host=host,
        port=port,
        poll_seconds=parse_duration(project.config.server.poll).approximate_seconds,
        announce=lambda url: _announce(session, url),
    )
    return 0


def _announce(session: Session, url: str) -> None:
    if session.json:
        from tenure.render.answers import Serving

        session.answer(Serving(url), one_line=True)
    session.tell(f"Serving at {url}")
