"""What a content folder says, once read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from tollway.kernel.errors import InvalidInput
from tollway.web.openapi.api import Api
from tollway.web.ui.brand import Brand, Link

__all__ = ["Content", "Description", "Fact", "Guide", "Hero", "PlanWords", "PortalFile"]


@dataclass(frozen=True, slots=True)
class Fact:
    """A figure under the hero: `Countries`, `252`."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Hero:
    """The landing page's first words. `operation` is the operationId of the sample call."""

    title: str = ""
    text: str = ""
    note: str = ""
    operation: str = ""
    facts: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True)
class PlanWords:
    """What a plan is called on pages."""

    title: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PortalFile:
    """`portal.yaml`. `shown` are the plans for sale, in order; empty shows all, cheapest first."""

    brand: Brand = field(default_factory=Brand)
    hero: Hero = field(default_factory=Hero)
    shown: tuple[str, ...] = ()
    highlight: str = ""
    plans: Mapping[str, PlanWords] = field(default_factory=lambda: MappingProxyType({}))
    features: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """What features and add-ons are called."""
    units: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """What the units of a meter are called, in the plural."""
    contact: Link | None = None
    forum: Link | None = None
    status: Link | None = None


@dataclass(frozen=True, slots=True)
class Guide:
    """A guide: Markdown, its title apart from it. Lower `order` comes first, then the title decides."""

    slug: str
    title: str
    order: int
    markdown: str


@dataclass(frozen=True, slots=True)
class Description:
    """The OpenAPI file: as the pages use it, and as it was written."""

    api: Api
    raw: bytes = field(repr=False)
    is_yaml: bool


@dataclass(frozen=True, slots=True)
class Content:
    """A whole folder. A part with `faults` is left out or as it is by default: pages work in any case."""

    portal: PortalFile = field(default_factory=PortalFile)
    description: Description | None = None
    guides: tuple[Guide, ...] = ()
    faults: tuple[InvalidInput, ...] = ()

    def guide(self, slug: str) -> Guide | None:
        """Return the guide at that slug."""
        return next((guide for guide in self.guides if guide.slug == slug), None)
