"""The roles that `tollway serve` runs: each a process of its own, alone or under the supervisor."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any, BinaryIO

from tollway.app.data_dir import Node, RunFile, claim_node, prepare, secret, write_run_file
from tollway.app.default_certificate import default_certificate
from tollway.app.handover import ExecRenewal, HandOver, Sockets, is_rehearsal
from tollway.app.listeners import Opening, is_loopback, open_listener, public_address
from tollway.app.observing import observing_options
from tollway.app.payments import check_options
from tollway.app.processes import Adopted, Process
from tollway.app.proxy_listeners import OpenListener
from tollway.app.redis import gateway_environment
from tollway.app.settings import Role, Settings
from tollway.app.supervisor import Child, Supervisor
from tollway.app.traffic import traffic_options
from tollway.gateway.secrets import DerivedKeys, derive_keys
from tollway.kernel.errors import TollwayError

__all__ = ["serve"]

_LIFELINE_FD = "TOLLWAY_LIFELINE_FD"
_LENT_FDS = "TOLLWAY_LENT_FDS"
_TUNABLES = "GLIBC_TUNABLES"
_HUGE_PAGES = "glibc.malloc.hugetlb=1"
_DRAIN_SECONDS = 10
_READY_POLL_SECONDS = 0.05
_CONFIGURATION = "configuration"
_READY_FD = "TOLLWAY_READY_FD"


def serve(settings: Settings, role: Role) -> None:
    """Run a role until SIGTERM or SIGINT. Raises `TollwayError` where it can't start."""
    prepare(settings)
    if role is Role.GATEWAY and settings.control_socket.parent.absolute() != settings.data_dir.absolute():
        _check_secret(settings)
    secret(settings)
    if role is not Role.GATEWAY:
        check_options(settings)
    match role:
        case Role.ALL:
            _serve_all(settings)
        case Role.GATEWAY:
            _serve_gateway(settings)
        case Role.CONTROL:
            _serve_control(settings)
        case Role.WORKER:
            _serve_worker(settings)


@dataclass(frozen=True, slots=True)
class _GatewayLaunch:
    """What a gateway process needs: its options (with secrets), and the files it inherits."""

    options: dict[str, Any]
    files: tuple[int, ...]

    def document(self, ready: int | None = None) -> BinaryIO:
        """Return the options as a file in memory: others could read arguments and environment.

        `ready` is where it says that it can take over from the one that serves.
        """
        file = os.fdopen(os.memfd_create("tollway-gateway-options"), "w+b")
        file.write(json.dumps(self.options | {"ready_fd": ready}).encode())
        file.seek(0)
        return file


_GATEWAY_COMMAND = (sys.executable, "-m", "tollway.gateway.process")


def _prepare_gateway(
    settings: Settings,
    node: Node,
    proxies: Sequence[OpenListener],
    status: socket.socket,
    *,
    lifeline: int | None,
) -> _GatewayLaunch:
    keys = derive_keys(secret(settings))
    options = {
        "listeners": [proxy.option() for proxy in proxies],
        "status_fd": status.fileno(),
        "lifeline_fd": lifeline,
        "workers": settings.gateway_workers,
        "data_dir": str(settings.data_dir.absolute()),
        "usage_log_dir": str(settings.usage_log_dir.absolute()),
        "node": node.id,
        "usage_log_level": settings.usage_log_level.value,
        "usage_log_budget_bytes": settings.usage_log_budget_mib << 20,
        "control_socket": str(settings.control_socket.absolute()),
        "tls": _tls_options(settings, keys),
        "upstream_tls_verify": settings.upstream_tls_verify,
        "pepper": keys.pepper.hex(),
        "cache_key": keys.config_cache.hex(),
        "ready_needs_control": lifeline is not None,
        "drain_seconds": _DRAIN_SECONDS,
        "version": metadata.version("tollway"),
        **traffic_options(settings),
        **observing_options(settings),
    }
    lent = [*(proxy.socket.fileno() for proxy in proxies), status.fileno(), node.lock]
    files = [*lent, *([] if lifeline is None else [lifeline])]
    return _GatewayLaunch(options, tuple(files))


def _tls_options(settings: Settings, keys: DerivedKeys) -> dict[str, str] | None:
    if not any(listener.tls for listener in settings.proxy_listeners):
        return None
    certificate = default_certificate(settings.data_dir)
    return {
        "ticket_key": keys.tls_tickets.hex(),
        "default_cert": certificate.cert,
        "default_key": certificate.key,
    }


def _check_secret(settings: Settings) -> None:
    """Refuse a gateway that would make up a secret of its own: it would know nobody's key."""
    if settings.secret_key is None and not (settings.data_dir / "secret.key").exists():
        raise TollwayError(
            f"TOLLWAY_SECRET_KEY: the control at {settings.control_socket} has a secret, and this gateway "
            "needs the same; set it for both, or copy secret.key from control's data folder into this one"
        )


def _serve_all(settings: Settings) -> None:
    before = HandOver.taken()
    taken = before or HandOver()
    opening = Sockets(taken.listeners)
    folders = tuple(str(folder.absolute()) for folder in (settings.data_dir, settings.usage_log_dir))
    if before is not None and folders != before.folders:
        raise TollwayError(
            f"TOLLWAY_DATA_DIR, TOLLWAY_USAGE_LOG_DIR: are {' and '.join(folders)} now; folders can't be "
            "changed by a reload. Set them back, or stop Tollway and start it again"
        )
    proxies = [listener.open(opening) for listener in settings.proxy_listeners]
    lent = _open_control(settings, opening)
    status = opening("TOLLWAY_STATUS_LISTEN", settings.status_listen)
    socket_path = settings.control_socket.absolute()
    socket_is_new = not opening.knows(socket_path)
    configuration = opening.unix(socket_path)
    opening.close_others()
    # Port 0 is a real one by now: control and worker write links to these.
    settings = settings.model_copy(
        update={
            f"{name}_listen": _with_port(getattr(settings, f"{name}_listen"), listener)
            for name, listener in lent.items()
        }
        | {
            "proxy_listen": ", ".join(str(proxy.listener) for proxy in proxies),
            "proxy_tls_listen": "off",
        }
    )
    # Only this process holds the pipe's other end: when it is gone, however it went, children read its end.
    # A trial has a pipe of its own: with this one's other end it would keep children from seeing that end.
    lifeline, held = os.pipe() if is_rehearsal() or taken.lifeline is None else taken.lifeline
    node = claim_node(settings, taken.node_lock)
    for file in (lifeline, held, node.lock):
        os.set_inheritable(file, False)
    gateway = _prepare_gateway(settings, node, proxies, status, lifeline=lifeline)
    environment = os.environ | settings.environment() | {_LIFELINE_FD: str(lifeline)}

    def start_gateway(ready: int | None) -> Process:
        with gateway.document(ready) as options:
            return subprocess.Popen(
                _GATEWAY_COMMAND,
                stdin=options,
                pass_fds=[*gateway.files, *([] if ready is None else [ready])],
                env=environment | _gateway_environment(settings),
            )

    def start_role(role: Role, lent: Mapping[str, socket.socket], ready: int | None) -> Process:
        files = {name: listener.fileno() for name, listener in lent.items()}
        told = {} if ready is None else {_READY_FD: str(ready)}
        return subprocess.Popen(
            (sys.executable, "-m", "tollway", "serve", "--role", role.value),
            stdin=subprocess.DEVNULL,
            pass_fds=[lifeline, *files.values(), *([] if ready is None else [ready])],
            env=environment | {_LENT_FDS: json.dumps(files)} | told,
        )

    others = {name: public_address(listener) for name, listener in {**lent, "status": status}.items()}
    addresses = _proxy_addresses(proxies) | others
    if before is None:
        threading.Thread(target=_announce, args=(addresses,), name="announce", daemon=True).start()
    left = HandOver(opening.files, (lifeline, held), node.lock, folders, {}, taken.reloads)
    run_file = RunFile(settings, addresses, taken.reloads)
    children = [
        Child("gateway", start_gateway, grace=_DRAIN_SECONDS + 5, leaves_by=signal.SIGQUIT),
        # Never two: what it does, it does for all.
        Child("worker", lambda ready: start_role(Role.WORKER, {}, ready), grace=10),
        Child(
            "control",
            lambda ready: start_role(Role.CONTROL, {**lent, _CONFIGURATION: configuration}, ready),
            grace=10,
            leaves_by=signal.SIGTERM,
        ),
    ]
    for child in children:
        if child.name in taken.processes:
            child.process = Adopted(taken.processes[child.name])
    supervisor = Supervisor(
        children,
        changed=run_file.changed,
        reloaded=run_file.reloaded,
        renewal=ExecRenewal(left, run_file.count),
    )
    if is_rehearsal():
        # Only here: what fails before this line would, without a trial of it, end the service.
        if socket_is_new:
            socket_path.unlink()
        return
    try:
        supervisor.run(renewed=before is not None)
    finally:
        settings.control_socket.unlink(missing_ok=True)


def _announce(addresses: dict[str, str]) -> None:
    """Say once where to go, when the proxy serves the newest configuration."""
    host, _, port = addresses["status"].rpartition(":")
    while True:
        connection = http.client.HTTPConnection(host, int(port), timeout=5)
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/readyz")
            if connection.getresponse().status == http.HTTPStatus.OK:
                break
        connection.close()
        time.sleep(_READY_POLL_SECONDS)
    schemes = {"proxy-tls": "https"}
    lines = (f"  {name:<9} {schemes.get(name, 'http')}://{address}\n" for name, address in addresses.items())
    sys.stdout.write("Tollway is ready\n" + "".join(lines))
    sys.stdout.flush()


def _proxy_addresses(proxies: Sequence[OpenListener]) -> dict[str, str]:
    """Return the first plain listener and the first with TLS, by name."""
    addresses = {
        "proxy-tls" if proxy.listener.tls else "proxy": proxy.public_address for proxy in reversed(proxies)
    }
    return dict(sorted(addresses.items()))


def _serve_gateway(settings: Settings) -> None:
    proxies = [listener.open() for listener in settings.proxy_listeners]
    status = open_listener("TOLLWAY_STATUS_LISTEN", settings.status_listen)
    launch = _prepare_gateway(settings, claim_node(settings), proxies, status, lifeline=None)
    write_run_file(
        settings,
        {
            "listen": _proxy_addresses(proxies) | {"status": public_address(status)},
            "processes": {"gateway": os.getpid()},
        },
    )
    for file in launch.files:
        os.set_inheritable(file, True)
    with launch.document() as options:
        os.dup2(options.fileno(), 0)
    # The same process goes on as the bare gateway, without what this module has imported.
    environment = os.environ | _gateway_environment(settings)
    os.execve(_GATEWAY_COMMAND[0], _GATEWAY_COMMAND, environment)  # noqa: S606


def _gateway_environment(settings: Settings) -> dict[str, str]:
    """Return what a gateway's process needs beside its options, and how glibc is to serve it."""
    # Consumers and keys are met at random: with pages of 4 KiB look-ups miss the cache of addresses too.
    tunables = [_HUGE_PAGES, *filter(None, [os.environ.get(_TUNABLES)])]
    return gateway_environment(settings) | {_TUNABLES: ":".join(tunables)}


def _serve_control(settings: Settings) -> None:
    from tollway.app.control import run_control  # noqa: PLC0415  # only this role needs a web framework

    _end_with_supervisor()
    lent = json.loads(os.environ.get(_LENT_FDS, "{}"))
    listeners = {name: socket.socket(fileno=file) for name, file in lent.items()}
    configuration = listeners.pop(_CONFIGURATION, None)
    run_control(
        settings, listeners or _open_control(settings), configuration=configuration, ready=_tell_ready
    )


def _serve_worker(settings: Settings) -> None:
    from tollway.app.worker import run_worker  # noqa: PLC0415  # only this role needs it

    _end_with_supervisor()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    run_worker(settings, stop)


def _tell_ready() -> None:
    """Tell the supervisor, where it waits for that, that this process can take over from the one before."""
    file = os.environ.pop(_READY_FD, None)
    if file is not None:
        # It may have stopped waiting, and will then end this process.
        with contextlib.suppress(OSError), os.fdopen(int(file), "wb") as ready:
            ready.write(b"ready\n")


def _open_control(settings: Settings, opening: Opening = open_listener) -> dict[str, socket.socket]:
    """Open what control serves: the Admin API, and the sites that are not switched off."""
    listeners = {"admin": _open_admin(settings, opening)}
    for name in ("console", "portal"):
        address = getattr(settings, f"{name}_listen")
        if address != "off":
            listeners[name] = opening(f"TOLLWAY_{name.upper()}_LISTEN", address)
    return listeners


def _with_port(address: str, listener: socket.socket) -> str:
    return f"{address.rpartition(':')[0]}:{listener.getsockname()[1]}"


def _open_admin(settings: Settings, opening: Opening) -> socket.socket:
    admin = opening("TOLLWAY_ADMIN_LISTEN", settings.admin_listen)
    if settings.admin_token is None and not is_loopback(admin):
        admin.close()
        raise TollwayError(
            f"TOLLWAY_ADMIN_LISTEN: {settings.admin_listen} is reachable from other machines and no "
            "TOLLWAY_ADMIN_TOKEN is set; set one, or listen on 127.0.0.1:8001"
        )
    return admin


def _end_with_supervisor() -> None:
    """Where a supervisor started this process, end it like SIGTERM does once the supervisor is gone."""
    lifeline = os.environ.get(_LIFELINE_FD)
    if lifeline is None:
        return

    def wait() -> None:
        # Not a read: the pipe is the gateway's too, which has made it non-blocking for all.
        select.select([int(lifeline)], [], [])
        os.kill(os.getpid(), signal.SIGTERM)

    # A terminal that goes away tells all of its processes; the supervisor says what that means.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    threading.Thread(target=wait, name="lifeline", daemon=True).start()
