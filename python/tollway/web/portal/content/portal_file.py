"""Reading `portal.yaml`: every fault with its line, field and fix."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from tollway.catalog.document import read_document
from tollway.catalog.errors import CatalogFaults
from tollway.catalog.fields import Faults, Fields
from tollway.kernel.errors import InvalidInput
from tollway.web.portal.content.model import Fact, Hero, PlanWords, PortalFile
from tollway.web.ui.brand import LOGO_TYPES, Brand, Link, Logo

__all__ = ["read_portal_file"]

_LONGEST = 2_000
_LONGEST_LINE = 200
_Made = TypeVar("_Made")


def read_portal_file(path: Path) -> tuple[PortalFile, list[InvalidInput]]:
    """Read the file, and everything that is wrong with it; what is wrong is as if it were not there."""
    try:
        document = read_document(path.read_bytes(), path.name)
    except OSError as error:
        return PortalFile(), [InvalidInput(str(path), error.strerror or "can't be read", "check its rights")]
    except CatalogFaults as several:
        return PortalFile(), list(several.faults)
    if document.content is None:
        return PortalFile(), list(document.faults)
    faults = Faults(document.location, document.faults)
    portal = _Reader(Fields(document.content, (), faults), path.parent).read()
    return portal, list(faults.found)


class _Reader:
    def __init__(self, fields: Fields, folder: Path) -> None:
        self._fields = fields
        self._folder = folder

    def read(self) -> PortalFile:
        fields = self._fields
        links = self._links()
        plans = fields.inner("plans")
        portal = PortalFile(
            brand=self._brand(links),
            hero=self._hero(),
            shown=tuple(plans.names("shown")) if plans else (),
            highlight=_line(plans, "highlight") if plans else "",
            plans=MappingProxyType(self._plan_words(plans)),
            features=MappingProxyType(self._words("features")),
            units=MappingProxyType(self._words("units")),
            contact=links.get("contact"),
            forum=links.get("forum"),
            status=links.get("status"),
        )
        if plans:
            plans.close()
        fields.close()
        return portal

    def _brand(self, links: dict[str, Link]) -> Brand:
        fields = self._fields
        brand = Brand(
            company=_line(fields, "company") or None,
            tagline=_line(fields, "tagline") or None,
            language=_line(fields, "language") or "en",
            logo=self._logo(),
            footer_links=tuple(
                links[name] for name in ("contact", "forum", "status", "imprint") if name in links
            ),
            terms=links.get("terms"),
            privacy=links.get("privacy"),
            texts=MappingProxyType(self._words("texts")),
        )
        name = _line(fields, "name")
        if name:
            brand = self._tried("name", lambda: replace(brand, name=name)) or brand
        colour = fields.inner("colour")
        if colour is None:
            return brand
        hue, chroma = colour.decimal("hue"), colour.decimal("chroma")
        colour.close()
        hue = Decimal(str(brand.hue)) if hue is None else hue
        chroma = Decimal(str(brand.chroma)) if chroma is None else chroma
        return self._tried("colour", lambda: replace(brand, hue=float(hue), chroma=float(chroma))) or brand

    def _logo(self) -> Logo | None:
        name = _line(self._fields, "logo")
        if not name:
            return None
        types = {f".{ending}": media_type for media_type, ending in LOGO_TYPES.items()}
        path = self._folder / name
        # Only what lies beside portal.yaml: a name like ../../secret.key must not be published.
        if Path(name).name != name or path.suffix not in types:
            fix = f"put a file beside portal.yaml that ends in {', '.join(types)}"
            self._fields.fault("logo", f"{name!r:.60} can't be used", fix)
            return None
        try:
            return self._tried("logo", lambda: Logo(path.read_bytes(), types[path.suffix]))
        except OSError as error:
            self._fields.fault("logo", error.strerror or "can't be read", "put the file beside portal.yaml")
            return None

    def _hero(self) -> Hero:
        hero = self._fields.inner("hero")
        if hero is None:
            return Hero()
        facts: list[Fact] = []
        for path, item in hero.items("facts"):
            fact = Fields(item, path, hero.faults)
            facts.append(Fact(_line(fact, "label"), _line(fact, "value")))
            fact.close()
        if len(facts) > 4:
            hero.fault("facts", f"{len(facts)} of them", "keep four")
        read = Hero(
            title=_text(hero, "title", _LONGEST_LINE),
            text=_text(hero, "text", _LONGEST),
            note=_line(hero, "note"),
            operation=_line(hero, "operation"),
            facts=tuple(facts[:4]),
        )
        hero.close()
        return read

    def _links(self) -> dict[str, Link]:
        links = self._fields.inner("links")
        if links is None:
            return {}
        found: dict[str, Link] = {}
        labels = {
            "contact": "Contact", "forum": "Forum", "status": "Status", "imprint": "Imprint",
            "terms": "Terms", "privacy": "Privacy",
        }  # fmt: skip
        for name, label in labels.items():
            target = _line(links, name)
            if target:
                try:
                    found[name] = Link(label, target)
                except InvalidInput as error:
                    links.fault(name, error.problem, error.fix)
        links.close()
        return found

    @staticmethod
    def _plan_words(plans: Fields | None) -> dict[str, PlanWords]:
        about = plans.inner("about") if plans else None
        words: dict[str, PlanWords] = {}
        for name in about.keys() if about else ():
            plan = about.inner(name) if about else None
            if plan:
                words[name] = PlanWords(_line(plan, "title"), _line(plan, "note"))
                plan.close()
        return words

    def _words(self, name: str) -> dict[str, str]:
        inner = self._fields.inner(name)
        return {key: _text(inner, key, _LONGEST) for key in inner.keys()} if inner else {}  # noqa: SIM118

    def _tried(self, name: str, make: Callable[[], _Made]) -> _Made | None:
        try:
            return make()
        except InvalidInput as error:
            self._fields.fault(name, error.problem, error.fix)
            return None


def _line(fields: Fields, name: str) -> str:
    """Return one line of text, empty if absent."""
    written = _text(fields, name, _LONGEST_LINE)
    if "\n" in written:
        fields.fault(name, "several lines", "write one")
        return written.partition("\n")[0]
    return written


def _text(fields: Fields, name: str, longest: int) -> str:
    value = fields.value(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        fields.fault(name, "not a text", f'write {name}: "…"')
        return ""
    written = value.strip()
    if len(written) > longest:
        fields.fault(name, f"longer than {longest} characters", "shorten it")
    elif not all(character.isprintable() or character == "\n" for character in written):
        fields.fault(name, "a character that can't be seen", "remove it")
    else:
        return written
    return ""
