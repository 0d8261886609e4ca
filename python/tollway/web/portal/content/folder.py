"""The content folder: read at the start, and again when a file in it has changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Lock

import structlog

from tollway.catalog.errors import CatalogFaults
from tollway.kernel.errors import InvalidInput
from tollway.web.openapi.api import read_api
from tollway.web.openapi.tree import MAX_BYTES
from tollway.web.portal.content.guide import read_guide
from tollway.web.portal.content.model import Content, Description, Guide, PortalFile
from tollway.web.portal.content.portal_file import read_portal_file

__all__ = ["ContentFolder", "read_content"]

_OPENAPI = ("openapi.yaml", "openapi.yml", "openapi.json")
_MOST_GUIDES = 200
_LOOK_EVERY = 1.0

_log = structlog.get_logger(__name__)
_Signature = tuple[tuple[str, int, int], ...]


class ContentFolder:
    """The folder's content as it is now. Files are looked at (their times, not their content) once a second.

    A part that is wrong at the start is left out; one that becomes wrong later stays as it was. Either way
    the faults are in the log, and pages go on. Name, colours, logo and links are taken up at a restart.
    """

    def __init__(self, folder: Path | None, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._monotonic = monotonic
        self._lock = Lock()
        self._looked_at = monotonic()
        self._signature: _Signature = () if folder is None else _signature(folder)
        self._content = Content() if folder is None else read_content(folder)
        _report(self._content)

    def current(self) -> Content:
        """Return what the folder says."""
        due = self._monotonic() - self._looked_at >= _LOOK_EVERY
        # Whoever comes while another reads sees what was there before.
        if self._folder is not None and due and self._lock.acquire(blocking=False):
            try:
                self._look(self._folder)
            finally:
                self._lock.release()
        return self._content

    def _look(self, folder: Path) -> None:
        self._looked_at = self._monotonic()
        signature = _signature(folder)
        if signature != self._signature:
            self._signature = signature
            found = read_content(folder, self._content)
            _report(found)
            self._content = found


def read_content(folder: Path, before: Content | None = None) -> Content:
    """Read a folder and everything that is wrong with it; a part that is wrong is as it was `before`."""
    faults: list[InvalidInput] = []
    if not folder.is_dir():
        fault = InvalidInput(str(folder), "no such folder", "make it, or unset TOLLWAY_PORTAL_DIR")
        return Content(faults=(fault,))
    portal = PortalFile()
    if (folder / "portal.yaml").is_file():
        portal, found = read_portal_file(folder / "portal.yaml")
        if found and before is not None:
            portal = before.portal
        faults += found
    description = _description(folder, before, faults)
    guides = tuple(_guides(folder, before, faults))
    return Content(portal, description, guides, tuple(faults))


def _description(folder: Path, before: Content | None, faults: list[InvalidInput]) -> Description | None:
    paths = [folder / name for name in _OPENAPI if (folder / name).is_file()]
    if not paths:
        return None
    if len(paths) > 1:
        names = " and ".join(path.name for path in paths)
        faults.append(
            InvalidInput(paths[1].name, f"{names} are both there", f"{paths[0].name} is used: keep one")
        )
    path = paths[0]
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)  # one more than is taken tells that it is too large
        api = read_api(raw, path.name)
    except OSError as error:
        faults.append(InvalidInput(path.name, error.strerror or "can't be read", "check its rights"))
    except InvalidInput as fault:
        faults.append(fault)
    else:
        faults += api.faults
        return Description(api, raw, is_yaml=path.suffix != ".json")
    return before.description if before is not None else None


def _guides(folder: Path, before: Content | None, faults: list[InvalidInput]) -> Iterator[Guide]:
    found: dict[str, Guide] = {}
    paths = sorted((folder / "guides").glob("*.md")) if (folder / "guides").is_dir() else []
    if len(paths) > _MOST_GUIDES:
        faults.append(InvalidInput("guides", f"{len(paths)} of them", f"the first {_MOST_GUIDES} are shown"))
    for path in paths[:_MOST_GUIDES]:
        try:
            guide = read_guide(path)
        except CatalogFaults as several:
            faults += several.faults
        except InvalidInput as fault:
            faults.append(fault)
        else:
            if guide.slug in found:
                faults.append(InvalidInput(f"guides/{path.name}", "another guide has this name", "rename it"))
            found.setdefault(guide.slug, guide)
            continue
        earlier = before.guide(path.stem) if before is not None else None
        if earlier is not None:
            found.setdefault(earlier.slug, earlier)
    yield from sorted(found.values(), key=lambda guide: (guide.order, guide.title))


def _signature(folder: Path) -> _Signature:
    paths = [
        folder / "portal.yaml",
        *(folder / name for name in _OPENAPI),
        *sorted((folder / "guides").glob("*.md")),
    ]
    return tuple(_stamps(paths))


def _stamps(paths: list[Path]) -> Iterator[tuple[str, int, int]]:
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            continue
        yield path.name, status.st_mtime_ns, status.st_size


def _report(content: Content) -> None:
    for fault in content.faults:
        _log.warning("portal content", fault=str(fault))
