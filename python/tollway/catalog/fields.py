"""Reading fields strictly, and collecting every fault on the way instead of stopping at the first.

A reader that finds a fault notes it and returns a stand-in of the right type, so that the rest is read too;
nothing built that way leaves this package, because whoever asked raises what was noted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from difflib import get_close_matches
from enum import StrEnum
from typing import TypeVar

from tollway.catalog.document import Path, UnquotedDecimal, path_text
from tollway.catalog.errors import CatalogFaults
from tollway.kernel.errors import InvalidInput
from tollway.kernel.exact import parse_decimal

__all__ = ["Faults", "Fields"]

_Choice = TypeVar("_Choice", bound=StrEnum)
_STAND_IN = Decimal(1)
_LONGEST_NAME = 100
_LONGEST_SHOWN = 60


class Faults:
    """The faults noted so far, after those `found` before. `locate` names a place, by default its path."""

    def __init__(self, locate: Callable[[Path], str] = path_text, found: Iterable[InvalidInput] = ()) -> None:
        self._locate = locate
        self._found = list(found)

    def add(self, path: Path, problem: str, fix: str = "") -> None:
        """Note a fault."""
        self._found.append(InvalidInput(self._locate(path), problem, fix))

    def __len__(self) -> int:
        return len(self._found)

    @property
    def found(self) -> tuple[InvalidInput, ...]:
        """What was noted."""
        return tuple(self._found)

    def raise_any(self) -> None:
        """Raise what was noted, if anything."""
        if self._found:
            raise CatalogFaults(self._found)


class Fields:
    """The fields of one mapping. Each is asked for once; `close` finds those that nobody asked for.

    A field that is null counts as absent.
    """

    def __init__(self, content: object, path: Path, faults: Faults) -> None:
        self.path = path
        self.faults = faults
        self._known: list[str] = []
        self._content: Mapping[str, object] = {}
        self._readable = isinstance(content, Mapping)
        if isinstance(content, Mapping):
            self._content = content
        else:
            self.fault(None, f"{_kind(content)}, where fields are needed", "write NAME: VALUE pairs")

    def fault(self, name: str | None, problem: str, fix: str = "") -> None:
        """Note a fault of a field, or of the mapping itself."""
        self.faults.add(self.path if name is None else (*self.path, name), problem, fix)

    def has(self, name: str) -> bool:
        """Tell whether a field is there and not null."""
        self._known.append(name)
        return self._content.get(name) is not None

    def value(self, name: str) -> object:
        """Return a field as it is, None if absent."""
        self._known.append(name)
        return self._content.get(name)

    def need(self, name: str, fix: str) -> object:
        """Return a field as it is; its absence is a fault."""
        value = self.value(name)
        if value is None and self._readable:
            self.fault(name, "missing", fix)
        return value

    def decimal(self, name: str, *, above_zero: bool = False, signed: bool = False) -> Decimal | None:
        """Return a number, None if absent; of zero or more unless `signed`."""
        value = self.value(name)
        if value is None:
            return None
        number = self._a_decimal(value, (*self.path, name), signed=signed)
        if number is None:
            return _STAND_IN
        if above_zero and not number:
            self.fault(name, "zero", "write a number above zero")
            return _STAND_IN
        return number

    def decimals(self, name: str) -> list[Decimal]:
        """Return a list of numbers of zero or more."""
        numbers = (self._a_decimal(value, path, signed=False) for path, value in self.items(name))
        return [number for number in numbers if number is not None]

    def decimal_at(self, value: object, path: Path) -> Decimal:
        """Return a number of zero or more that stands deeper than the fields, in a list of lists, say."""
        number = self._a_decimal(value, path, signed=False)
        return _STAND_IN if number is None else number

    def needed_decimal(self, name: str, *, above_zero: bool = False) -> Decimal:
        """Return a number of zero or more; its absence is a fault."""
        number = self.decimal(name, above_zero=above_zero)
        if number is None:
            self.need(name, f'write {name}: "0.002", say')
            return _STAND_IN
        return number

    def truth(self, name: str, *, default: bool) -> bool:
        """Return true or false."""
        value = self.value(name)
        if value is None or isinstance(value, bool):
            return default if value is None else value
        self.fault(name, f"{_kind(value)}, where true or false is needed", "write true or false")
        return default

    def whole(self, name: str, *, least: int, most: int = (1 << 53) - 1) -> int:
        """Return a whole number from `least` to `most`."""
        value = self.value(name)
        if isinstance(value, bool) or not isinstance(value, int):
            self.fault(
                name, f"{_kind(value)}, where a whole number is needed", f"write {max(least, 100)}, say"
            )
            return least
        if not least <= value <= most:
            self.fault(name, f"{value} is out of range", f"write {least} to {most}")
            return least
        return value

    def name(self, name: str) -> str:
        """Return a name: one line of text without spaces around it; its absence is a fault."""
        return self._a_name(self.need(name, f"write {name}: my_{name}, say"), (*self.path, name)) or ""

    def names(self, name: str) -> list[str]:
        """Return a list of names, none twice."""
        found: list[str] = []
        for path, value in self.items(name):
            text = self._a_name(value, path)
            if text is not None and text in found:
                self.faults.add(path, f"{text!r} is listed twice", "keep one")
            elif text is not None:
                found.append(text)
        return found

    def choice(self, name: str, choices: type[_Choice], default: _Choice) -> _Choice:
        """Return one of some words."""
        value = self.value(name)
        if value is None:
            return default
        if isinstance(value, str) and value in choices.__members__.values():
            return choices(value)
        self.fault(name, f"{_shown(value)} is none of its values", f"write one of {', '.join(choices)}")
        return default

    def items(self, name: str) -> Iterator[tuple[Path, object]]:
        """Yield the items of a list, each with its path; nothing if absent."""
        value = self.value(name)
        if value is None:
            return
        if not isinstance(value, list):
            self.fault(name, f"{_kind(value)}, where a list is needed", "write a list")
            return
        for index, item in enumerate(value):
            yield (*self.path, name, index), item

    def inner(self, name: str) -> Fields | None:
        """Return the fields of a field, None if absent."""
        value = self.value(name)
        return None if value is None else Fields(value, (*self.path, name), self.faults)

    def keys(self) -> list[str]:
        """Return the names of all fields, for mappings whose keys are data."""
        return list(self._content)

    def close(self) -> None:
        """Note every field that nobody asked for."""
        known = list(dict.fromkeys(self._known))
        for name in self._content:
            if name not in known:
                near = get_close_matches(name, known, 1)
                fix = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
                self.fault(name, "unknown field", fix)

    def _a_decimal(self, value: object, path: Path, *, signed: bool) -> Decimal | None:
        if isinstance(value, UnquotedDecimal):
            shown = _shown(value)
            self.faults.add(path, f"{shown} is not in quotes", f'write "{shown}"')
            return None
        try:
            return parse_decimal(value, "", signed=signed)
        except InvalidInput as error:
            self.faults.add(path, error.problem, error.fix)
            return None

    def _a_name(self, value: object, path: Path) -> str | None:
        if value is None:
            return None
        if not isinstance(value, str):
            fix = f'write "{value}"' if isinstance(value, int) else "write a text"
            self.faults.add(path, f"{_kind(value)}, where a name is needed", fix)
            return None
        if not value.strip() or value != value.strip() or not value.isprintable():
            self.faults.add(path, f"{_shown(value)} is no name", "write one line without spaces around it")
            return None
        if len(value) > _LONGEST_NAME:
            self.faults.add(path, f"longer than {_LONGEST_NAME} characters", "shorten it")
            return None
        return value


def _kind(value: object) -> str:
    """Say what a value is that is not what was needed."""
    if value is None:
        return "nothing"
    if isinstance(value, bool | int | str | UnquotedDecimal):
        return _shown(value)
    return "a list" if isinstance(value, list) else "fields" if isinstance(value, Mapping) else "a number"


def _shown(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    if isinstance(value, UnquotedDecimal):
        text = value.text
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 3]}..."
