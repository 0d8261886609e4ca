"""A site behind https; what is signed; what is written on pages."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from tests.support.gateway import SECRET
from tollway.app.settings import Settings
from tollway.app.sites import make_site, site_key
from tollway.web import mail as no_pages
from tollway.web.portal.app import TEMPLATES
from tollway.web.ui.access import local_path
from tollway.web.ui.application import create_site_app
from tollway.web.ui.brand import Brand
from tollway.web.ui.flash import Flash, pack, unpack
from tollway.web.ui.formats import initials

_KEY = b"k" * 32


def _settings(folder: Path) -> Settings:
    return Settings(data_dir=folder, secret_key=SECRET, portal_url="https://Shop.example/")


def test_behind_https_cookies_are_secure_and_browsers_stay_with_it(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    assert settings.portal_url == "https://shop.example"
    site = make_site(
        settings,
        "portal",
        brand=Brand(),
        identify=lambda _token: None,
        public_url=settings.portal_url,
        folders=[TEMPLATES],
    )
    app = create_site_app(site, no_pages, None)
    # TLS ends in a proxy: to us it is http, and the host may be an inner name.
    answer = TestClient(app, base_url="http://inner:8003").get("/nowhere")
    assert answer.status_code == 404
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-tollway_portal_visit=")
    assert "; Secure" in cookie
    assert "Domain" not in cookie


def test_sites_sign_with_keys_of_their_own(tmp_path: Path) -> None:
    keys = {site_key(_settings(tmp_path), name) for name in ("portal", "console")}
    assert len(keys) == 2
    assert all(len(key) == 32 for key in keys)


@pytest.mark.parametrize("value", ["", "x", "é", "eA==", pack(b"x" * 32, Flash("forged"))])
def test_a_flash_of_somebody_elses_is_not_shown(value: str) -> None:
    assert unpack(_KEY, value) is None


@given(st.text(max_size=100), st.booleans())
def test_a_flash_arrives_as_it_was(text: str, bad: bool) -> None:  # noqa: FBT001
    assert unpack(_KEY, pack(_KEY, Flash(text, bad))) == Flash(text, bad)


@given(st.text(max_size=60))
def test_a_path_leads_nowhere_else(text: str) -> None:
    path = local_path(text, "/default")
    assert path.startswith("/")
    assert not path.startswith("//")
    assert "\\" not in path
    assert path.isprintable()


@given(st.text(max_size=60))
def test_every_name_has_initials(name: str) -> None:
    assert 1 <= len(initials(name)) <= 6
