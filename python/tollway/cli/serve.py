"""`tollway serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tollway.app.settings import Role, load_settings
from tollway.cli.main import app

__all__: list[str] = []


@app.command()
def serve(
    *,
    role: Annotated[Role, typer.Option(help="Which part to run; 'all' supervises the three.")] = Role.ALL,
    data_dir: Annotated[Path | None, typer.Option(help="Where everything is kept.")] = None,
    proxy_listen: Annotated[
        str | None, typer.Option(help="host:port for API clients, several with commas; Kong's syntax.")
    ] = None,
    proxy_tls_listen: Annotated[
        str | None, typer.Option(help="host:port for API clients over TLS, or off.")
    ] = None,
    admin_listen: Annotated[str | None, typer.Option(help="host:port of the Admin API.")] = None,
    console_listen: Annotated[str | None, typer.Option(help="host:port of the console, or off.")] = None,
    portal_listen: Annotated[str | None, typer.Option(help="host:port of the portal, or off.")] = None,
    status_listen: Annotated[str | None, typer.Option(help="host:port of /livez, /readyz, /metrics.")] = None,
) -> None:
    """Run the gateway, its Admin API and the worker until SIGTERM or Ctrl-C.

    Example: tollway serve --data-dir /var/lib/tollway
    """
    from tollway.app.logging import configure_logging  # other commands start faster
    from tollway.app.roles import serve as run

    settings = load_settings(
        data_dir=data_dir,
        proxy_listen=proxy_listen,
        proxy_tls_listen=proxy_tls_listen,
        admin_listen=admin_listen,
        console_listen=console_listen,
        portal_listen=portal_listen,
        status_listen=status_listen,
    )
    configure_logging("supervisor" if role is Role.ALL else role.value)
    run(settings, role)
