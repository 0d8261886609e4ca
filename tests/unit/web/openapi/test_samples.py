"""Samples are run: each must make exactly the call that it was written for, whatever the file holds."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tollway.web.openapi.api import read_api
from tollway.web.openapi.samples import samples

_NASTY = 'it\'s "$HOME" `id` $(id) \\n %s {x} </script> \u2028 \u202e é 🙂 @/etc/passwd'
_RUN = {"curl": ["sh"], "python": [sys.executable], "javascript": ["node", "--input-type=module", "-"]}


@dataclass
class _Stub:
    port: int = 0
    seen: list[tuple[str, str, dict[str, str], str]] = field(default_factory=list)


@pytest.fixture
def stub() -> Iterator[_Stub]:
    noted = _Stub()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_any(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            noted.seen.append((self.command, self.path, headers, self.rfile.read(length).decode()))
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        do_GET = do_POST = do_PUT = do_any  # noqa: N815  # the standard library's names

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    noted.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield noted
    server.shutdown()
    server.server_close()


def _samples(port: int, method: str = "get", **operation: Any) -> dict[str, str]:
    path = operation.pop("path", "/c")
    answer = {"200": {"description": "", "content": {"application/json": {}}}}
    document = {"openapi": "3.1.0", "info": {}, "paths": {path: {method: {"responses": answer, **operation}}}}
    api = read_api(json.dumps(document).encode(), "openapi.json")
    operation_ = api.operation(api.entries[0].slug)
    assert operation_ is not None
    written = samples(operation_, f"http://127.0.0.1:{port}", "", "KEY")
    return {sample.language.slug: sample.code for sample in written}


@pytest.mark.parametrize("language", _RUN)
def test_samples_make_the_call(language: str, stub: _Stub, tmp_path: Path) -> None:
    if shutil.which(_RUN[language][0]) is None:
        pytest.fail(f"{_RUN[language][0]} is needed for this test; install it")
    texts = {"type": "string", "example": _NASTY}
    parameters = [
        {"name": "id", "in": "path", "required": True, "schema": texts},
        {"name": "q'$(id)", "in": "query", "required": True, "schema": texts},
        {
            "name": "X-It",
            "in": "header",
            "required": True,
            "schema": {"type": "string", "example": "'\"$HOME\\"},
        },
    ]
    body = {_NASTY: [_NASTY, 1, 1.5, None, True, {}], "__proto__": {"a": 1}, "@": "@/etc/passwd"}
    code = _samples(
        stub.port,
        "put",
        path="/c/{id}",
        parameters=parameters,
        requestBody={"required": True, "content": {"application/json": {"example": body}}},
    )[language]
    _execute(language, code, tmp_path)
    method, target, headers, sent = stub.seen[0]
    assert method == "PUT"
    assert target.startswith("/c/it%27s%20%22%24HOME%22%20%60id%60")
    assert "?q%27%24%28id%29=it%27s%20" in target
    assert (headers["apikey"], headers["x-it"]) == ("KEY", "'\"$HOME\\")
    assert headers["content-type"] == "application/json"
    assert json.loads(sent) == body


@pytest.mark.parametrize("language", _RUN)
def test_samples_send_other_bodies_as_they_are(language: str, stub: _Stub, tmp_path: Path) -> None:
    content = {"text/csv": {"example": f"@a,b\n'{_NASTY}'\n"}}
    code = _samples(stub.port, "post", requestBody={"content": content})[language]
    _execute(language, code, tmp_path)
    method, _, headers, sent = stub.seen[0]
    assert (method, headers["content-type"], sent) == ("POST", "text/csv", content["text/csv"]["example"])


@pytest.mark.parametrize("language", _RUN)
def test_plain_samples_are_short(language: str, stub: _Stub, tmp_path: Path) -> None:
    code = _samples(stub.port)[language]
    expected = {
        "curl": f"curl http://127.0.0.1:{stub.port}/c \\\n  -H 'apikey: KEY'",
        "python": (
            "import requests\n\nresponse = requests.get(\n"
            f'    "http://127.0.0.1:{stub.port}/c",\n'
            '    headers={"apikey": "KEY"},\n    timeout=10,\n)\nprint(response.status_code, response.json())'
        ),
        "javascript": (
            f'const response = await fetch("http://127.0.0.1:{stub.port}/c", {{\n'
            '  headers: { "apikey": "KEY" },\n});\nconsole.log(response.status, await response.json());'
        ),
    }
    assert code == expected[language]
    _execute(language, code, tmp_path)
    assert stub.seen[0][:2] == ("GET", "/c")


def _execute(language: str, code: str, folder: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "NO_PROXY": "*"}
    done = subprocess.run(
        _RUN[language],
        input=code.encode(),
        capture_output=True,
        timeout=60,
        check=False,
        cwd=folder,
        env=environment,
    )
    assert done.returncode == 0, done.stderr.decode()
