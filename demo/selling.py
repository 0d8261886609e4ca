"""The seller's side: the API behind the gateway, its plans, its customers and their keys."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping

import httpx2

from demo.stack import Stack, StackError
from tollway.app.gateway import open_gateway
from tollway.gateway.service import ImportRow
from tollway.kernel.mode import Mode

__all__ = ["configure_api", "import_consumers", "mint_keys", "subscribe"]

_AT_ONCE = 8


async def configure_api(admin_url: str, upstream_url: str) -> None:
    """Put the Atlas API behind the gateway: a service, its routes, and key-auth on all of it."""
    async with httpx2.AsyncClient(base_url=admin_url, timeout=30) as admin:
        await _post(admin, "/services", {"name": "atlas", "url": upstream_url})
        for name, path in (("atlas-v1", "/v1"), ("atlas-v0", "/v0")):
            route = {"name": name, "paths": [path], "strip_path": False}
            await _post(admin, "/services/atlas/routes", route)
        plugin = {"name": "key-auth", "config": {"hide_credentials": True}}
        await _post(admin, "/services/atlas/plugins", plugin)


def import_consumers(stack: Stack, names: Iterable[str]) -> int:
    """Load a consumer per name, in test mode: the month will be closed before it is over."""
    rows = (ImportRow(username=name, tags=("demo",), mode=Mode.TEST) for name in names)
    with open_gateway(stack.settings) as store:
        return store.import_consumers(rows)


def subscribe(stack: Stack, plans: Mapping[str, str]) -> None:
    """Subscribe each consumer to its plan by `tollway subscription import`."""
    rows = ({"consumer": name, "plan": plan} for name, plan in plans.items())
    file = stack.folder / "subscriptions.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    stack.tollway("subscription", "import", str(file), "--mode", "test")


async def mint_keys(admin_url: str, names: Iterable[str], on_each: Callable[[], None]) -> dict[str, str]:
    """Have Tollway mint an API key per consumer, and return them: they are shown this once."""
    keys: dict[str, str] = {}
    left = iter(names)

    async def work(admin: httpx2.AsyncClient) -> None:
        for name in left:
            keys[name] = (await _post(admin, f"/consumers/{name}/key-auth", {}))["key"]
            on_each()

    async with httpx2.AsyncClient(base_url=admin_url, timeout=30) as admin:
        await asyncio.gather(*(work(admin) for _ in range(_AT_ONCE)))
    return keys


async def _post(admin: httpx2.AsyncClient, path: str, body: Mapping[str, object]) -> dict[str, str]:
    answer = await admin.post(path, json=body)
    if answer.is_error:
        raise StackError(f"POST {path}: {answer.status_code} {answer.text}")
    created: dict[str, str] = answer.json()
    return created
