"""What portal and console share: keys for cookies, brand, templates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tollway.app.data_dir import secret
from tollway.app.settings import Settings
from tollway.web.ui.access import Identify
from tollway.web.ui.assets import Assets
from tollway.web.ui.brand import Brand
from tollway.web.ui.site import Site

__all__ = ["make_site", "site_key"]


def make_site(
    settings: Settings,
    name: str,
    *,
    brand: Brand,
    identify: Identify,
    public_url: str | None,
    folders: Sequence[Path],
) -> Site:
    """Make a site whose cookies are signed with a key of its own."""
    return Site(
        name=name,
        brand=brand,
        assets=Assets(brand),
        key=site_key(settings, name),
        identify=identify,
        public_url=public_url,
        folders=folders,
    )


def site_key(settings: Settings, name: str) -> bytes:
    """Return the 32 bytes that sign a site's cookies, derived from the installation's secret."""
    info = f"tollway/site-{name}/1".encode("ascii")
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(secret(settings).encode())
