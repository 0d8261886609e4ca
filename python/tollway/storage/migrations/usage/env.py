"""Alembic runs this file; everything is in `tollway.storage.migrate`."""

from alembic import context

from tollway.storage.migrate import run_environment

run_environment(context)  # type: ignore[arg-type]  # the module stands for the object it proxies
