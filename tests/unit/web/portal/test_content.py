"""The content folder: what is wrong is told with file, line and fix, and never stops the portal."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

import tollway.cli.portal  # noqa: F401  # registers its command
from tollway.cli.main import app
from tollway.web.portal.content.folder import ContentFolder, read_content
from tollway.web.portal.content.model import PortalFile

pytestmark = pytest.mark.one_database

_ROOT = Path(__file__).parents[4]


def _faults(folder: Path) -> list[str]:
    return [str(fault) for fault in read_content(folder).faults]


def _folder(tmp_path: Path, **files: str) -> Path:
    (tmp_path / "guides").mkdir(exist_ok=True)
    for name, text in files.items():
        (tmp_path / name.replace("__", "/").replace("_", ".")).write_text(text)
    return tmp_path


def test_demo_content_has_no_fault() -> None:
    content = read_content(_ROOT / "demo/portal")
    assert content.faults == ()
    assert content.portal.brand.name == "Atlas Places"
    assert [guide.slug for guide in content.guides] == ["quickstart", "keys-and-limits", "errors"]
    assert content.description is not None


def test_demo_sells_what_the_api_has() -> None:
    sold = read_content(_ROOT / "demo/portal").description
    assert sold is not None
    from tollway.web.openapi.api import read_api  # noqa: PLC0415

    whole = read_api((_ROOT / "demo/upstream/openapi.yaml").read_bytes(), "openapi.yaml")
    for entry in sold.api.entries:
        mine, its = sold.api.operation(entry.slug), whole.operation(entry.slug)
        assert mine is not None
        assert its is not None
        assert (mine.entry, [each.name for each in mine.parameters]) == (
            its.entry,
            [each.name for each in its.parameters],
        )


def test_nothing_there_is_a_default_portal(tmp_path: Path) -> None:
    content = ContentFolder(None).current()
    assert (content.portal, content.description, content.guides) == (PortalFile(), None, ())
    assert read_content(tmp_path).faults == ()
    assert _faults(tmp_path / "none") == [
        f"{tmp_path}/none: no such folder; make it, or unset TOLLWAY_PORTAL_DIR"
    ]


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ("nam: x", "portal.yaml:1: nam: unknown field; did you mean name?"),
        ("\nname: [1]", "portal.yaml:2: name: not a text"),
        (f"name: {'x' * 61}", "portal.yaml:1: name: empty or too long"),
        ("colour: {hue: 400}", "portal.yaml:1: colour: 400.0 is no hue; write 0 to 360"),
        ("colour: {chroma: 0.1}", 'colour.chroma: 0.1 is not in quotes; write "0.1"'),
        ("links: {forum: 'javascript:alert(1)'}", "links.forum: 'javascript:alert(1)' can't be linked"),
        ("links: {forum: //evil.example}", "can't be linked"),
        ("links: {blog: /x}", "links.blog: unknown field"),
        ("logo: ../../secret.key", "logo: '../../secret.key' can't be used"),
        ("logo: logo.svg", "logo: No such file or directory"),
        ("hero: {facts: [{label: a, valeu: b}]}", "hero.facts[0].valeu: unknown field"),
        ("hero: 1", "hero: 1, where fields are needed"),
        ("name: |\n  a\n  b", "several lines"),
        ("a: *b", "the alias *b"),
        ("name: [", "not YAML"),
    ],
)
def test_portal_file_faults_are_told(tmp_path: Path, written: str, fault: str) -> None:
    faults = _faults(_folder(tmp_path, portal_yaml=written))
    assert len(faults) >= 1
    assert fault in faults[0]


def test_a_good_part_stands_beside_a_bad_one(tmp_path: Path) -> None:
    _folder(
        tmp_path,
        portal_yaml="name: Good\nlinks: {forum: 'x:y', status: /s}",
        openapi_yaml="swagger: '2.0'",
        guides__a_md="---\ntitle: [1]\norder: x\n---\n",
        guides__b_md="# B *has* a heading\n\ntext",
        guides__c_md="---\ntitle: C",
    )
    (tmp_path / "guides/d.md").write_bytes(b"a\n\xff")
    (tmp_path / "guides/….md").write_text("x")
    content = read_content(tmp_path)
    assert content.portal.brand.name == "Good"
    assert [link.href for link in content.portal.brand.footer_links] == ["/s"]
    assert [(guide.slug, guide.title, guide.markdown) for guide in content.guides] == [
        ("b", "B has a heading", "text\n")
    ]
    told = "\n".join(map(str, content.faults))
    for fault in (
        "openapi.yaml: openapi: missing; only OpenAPI 3.0 to 3.2 is read; convert",
        "guides/a.md:2: title",
        "guides/a.md:3: order",
        "guides/c.md:1: the front matter has no end",
        "guides/d.md:2: not UTF-8",
        "guides/….md: no Latin letter",
    ):
        assert fault in told


def test_changes_are_taken_up_and_faults_keep_what_was(tmp_path: Path) -> None:
    folder = _folder(
        tmp_path,
        portal_yaml="name: A",
        guides__g_md="# One",
        openapi_yaml="openapi: 3.1.0\npaths: {/a: {get: {}}}",
    )
    now = 0.0
    content = ContentFolder(folder, lambda: now)
    assert content.current().guides[0].title == "One"
    _touch(folder / "guides/g.md", "# Two")
    assert content.current().guides[0].title == "One"  # looked at once a second
    now = 2.0
    assert content.current().guides[0].title == "Two"
    _touch(folder / "guides/g.md", "---\ntitle: 1\n---\n")
    _touch(folder / "openapi.yaml", "openapi: [")
    now = 4.0
    kept = content.current()
    assert kept.guides[0].title == "Two"
    assert kept.description is not None
    assert len(kept.faults) == 2
    (folder / "openapi.yaml").unlink()
    now = 6.0
    assert content.current().description is None


def _touch(path: Path, text: str) -> None:
    before = path.stat().st_mtime_ns
    path.write_text(text)
    os.utime(path, ns=(before + 1_000_000, before + 1_000_000))


def test_check_tells_what_is_wrong(tmp_path: Path) -> None:
    runner = CliRunner()
    assert runner.invoke(app, ["portal", "check", str(_ROOT / "demo/portal")]).exit_code == 0
    found = runner.invoke(
        app, ["portal", "check", "-o", "json", str(_folder(tmp_path, portal_yaml="nam: x"))]
    )
    assert found.exit_code == 1
    assert '"where": "portal.yaml:1: nam"' in found.stdout
