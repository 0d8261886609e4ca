"""Following `$ref`, within the document alone: no file and no address is ever opened."""

from __future__ import annotations

from urllib.parse import unquote

from tollway.web.openapi.tree import mapping

__all__ = ["References"]

_LONGEST_CHAIN = 16


class References:
    """The places of one document."""

    def __init__(self, document: dict[str, object]) -> None:
        self._document = document

    def resolve(self, node: object) -> dict[str, object]:
        """Return what a node stands for: itself, or the end of its chain of references.

        A reference that leads out of the document, nowhere, or round in circles is an empty mapping.
        """
        current = mapping(node)
        for _ in range(_LONGEST_CHAIN):
            pointer = current.get("$ref")
            if not isinstance(pointer, str):
                return current
            # OpenAPI 3.1 lets `summary` and `description` stand beside a reference and win.
            beside: dict[str, object] = {
                name: current[name] for name in ("summary", "description") if name in current
            }
            current = {**mapping(self._at(pointer)), **beside}
        return {}

    def _at(self, pointer: str) -> object:
        if not pointer.startswith("#/"):
            return None
        place: object = self._document
        for step in pointer[2:].split("/"):
            name = unquote(step).replace("~1", "/").replace("~0", "~")
            if isinstance(place, dict):
                place = place.get(name)
            elif isinstance(place, list) and name.isdecimal() and len(name) < 9 and int(name) < len(place):
                place = place[int(name)]
            else:
                return None
        return place

    @staticmethod
    def name(node: object) -> str:
        """Return the last step of a node's reference, which is what people call it: `City`."""
        pointer = mapping(node).get("$ref")
        if not isinstance(pointer, str) or not pointer.startswith("#/components/"):
            return ""
        return unquote(pointer.rpartition("/")[2])
