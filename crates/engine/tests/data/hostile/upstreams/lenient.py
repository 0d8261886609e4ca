"""An upstream on Python's http.server, which forgives bare LF, folded lines and blanks before colons."""

from __future__ import annotations

import http.server
import json
import sys
from collections.abc import Callable


class Handler(http.server.BaseHTTPRequestHandler):
    """Prints each whole request, and answers with its target."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __getattr__(self, name: str) -> Callable[[], None]:
        """Serve every method alike."""
        if name.startswith("do_"):
            return self.serve
        raise AttributeError(name)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def read_chunks(self) -> bytes:
        """Read chunks as carelessly as hand-written code does."""
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body

    def serve(self) -> None:
        """Serve one request."""
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            body = self.read_chunks()
        else:
            length = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(length)
            if len(body) < length:
                self.close_connection = True
                return
        seen = {"method": self.command, "target": self.path, "body": body.decode("latin-1")}
        sys.stdout.write(json.dumps(seen) + "\n")
        sys.stdout.flush()
        answer = self.path.encode("latin-1")
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)


server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
server.daemon_threads = True
server.serve_forever()
