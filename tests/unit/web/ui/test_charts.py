"""Charts: safe SVG that says what it shows, fluid, mirrored, and beside it a table."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.web.ui.charts import Arm, Post, bars, compact, meter, nice_step, ruler, swatch, twin
from tollway.web.ui.columns import Column, ColumnPost, Forecast, Goal, columns
from tollway.web.ui.svg import element, share

HOSTILE = """</svg><script>alert(1)</script>"'<b onload=x>&"""


def _week(**of_last: object) -> list[Column]:
    whole = [
        Column(label=f"{day} Nov", title=f"{day} Nov: {day * 100} calls", parts=(("s1", day * 100),))
        for day in range(1, 7)
    ]
    return [*whole, Column(label="today", title="today", parts=(("sf", 50), ("s1", 20)), **of_last)]  # type: ignore[arg-type]


def test_hostile_text_stays_text_everywhere() -> None:
    drawn = [
        meter(1, 2, title=HOSTILE),
        ruler(end=100, used=10, title=HOSTILE, posts=[Post(at=50, lines=(HOSTILE,))], now=HOSTILE),
        columns(
            [Column(label=HOSTILE, title=HOSTILE, parts=(("s1", 1),), href='/x"><script>')],
            title=HOSTILE,
            posts=[ColumnPost(at=0.5, text=HOSTILE)],
            goal=Goal(at=2, text=HOSTILE),
        ),
        twin([HOSTILE], [[HOSTILE]], foot=[HOSTILE], summary=HOSTILE),
        swatch('s1"><script>'),
    ]
    for markup in drawn:
        tree = ET.fromstring(markup)  # well-formed, so nothing broke out
        assert not list(tree.iter("script"))
        assert not list(tree.iter("b"))
        assert all(not name.startswith("on") for node in tree.iter() for name in node.attrib)


def test_no_chart_carries_a_style_or_a_view_box() -> None:
    drawn = meter(1, 2, title="m") + ruler(end=9, used=3, title="r") + columns(_week(), title="c")
    assert "style=" not in drawn
    assert "viewBox" not in drawn


def test_a_meter_lights_its_share_and_at_least_one_tick_once_something_was_used() -> None:
    def lit(used: int) -> int:
        return meter(used, 100, title="").count('class="p"')

    assert [lit(used) for used in (0, 1, 50, 100, 900)] == [0, 1, 12, 24, 24]
    assert 'aria-label="938 of 1,000 left"' in meter(62, 1000, title="938 of 1,000 left")


def test_ticks_of_a_ruler_say_included_charged_forecast_and_left() -> None:
    drawn = ruler(end=100, included=10, used=Decimal("41.28"), forecast=60, title="t")
    counts = {state: drawn.count(f'class="{state}"') for state in ("f", "p", "fc")}
    assert counts == {"f": 10, "p": 31, "fc": 19}
    assert drawn.count("<line") == 100


def test_posts_raise_or_lower_their_arm_and_turn_their_words_away_from_each_other() -> None:
    near = [Post(at=48, lines=("a",), arm=Arm.RAISED), Post(at=52, lines=("b",), arm=Arm.SOFT)]
    drawn = ruler(end=100, used=0, title="t", posts=near)
    assert re.search(r'text-anchor="end">a<', drawn)
    assert re.search(r'text-anchor="start">b<', drawn)
    assert drawn.count("stroke-dasharray") == 1


def test_right_to_left_mirrors_places_and_arms() -> None:
    post = Post(at=30, lines=("x",), arm=Arm.LOWERED)
    left, right = (ruler(end=100, used=0, title="t", posts=[post], rtl=rtl) for rtl in (False, True))
    assert 'x="30.000%"' in left
    assert 'x="70.000%"' in right
    assert 'x2="-20"' in left
    assert 'x2="20"' in right
    first = columns(_week(), title="t", rtl=True)
    assert re.search(r'<rect class="s1" x="88\.28', first)


def test_columns_are_zero_based_and_their_parts_stack() -> None:
    tree = ET.fromstring(columns(_week(), title="Calls per day", height=250))
    rects = [r.attrib for r in tree if r.tag == "rect"]
    heights = [float(r["height"]) for r in rects]
    assert heights[0] * 6 == pytest.approx(heights[5], abs=0.05)
    free, charged = rects[-2:]
    assert float(free["y"]) + float(free["height"]) == pytest.approx(250 - 32)
    assert float(charged["y"]) + float(charged["height"]) < float(free["y"])
    assert [t.text for t in tree.iter("text")][:2] == ["200", "400"]


def test_a_column_links_to_what_it_is_made_of_and_says_it_in_words() -> None:
    drawn = columns(
        [Column(label="1", title="1 Nov: 5 calls", parts=(("s1", 5),), href="/usage?day=1")], title="t"
    )
    assert (
        '<a class="hit" href="/usage?day=1" aria-label="1 Nov: 5 calls"><title>1 Nov: 5 calls</title>'
        in drawn
    )


def test_a_forecast_is_pale_above_what_was_and_has_its_range() -> None:
    drawn = columns(_week(forecast=Forecast(expected=400, low=350, high=500)), title="t")
    assert drawn.count('class="ss"') == 1
    assert drawn.count('class="range"') == 1


def test_today_is_always_named() -> None:
    many = [Column(label=f"d{i}", title="", strong=i == 17) for i in range(31)]
    drawn = columns(many, title="t")
    assert '<text class="b" ' in drawn
    assert ">d17</text>" in drawn
    assert drawn.count("<text") <= 8


def test_an_empty_period_draws_an_axis_and_no_columns() -> None:
    drawn = columns([], title="t")
    assert "<rect" not in drawn
    assert 'class="base"' in drawn
    assert ET.fromstring(bars([0, 0])) is not None


def test_a_twin_heads_rows_and_columns() -> None:
    drawn = twin(["Day", "Calls"], [["1 Nov", "12"]], foot=["Total", "12"])
    assert '<th scope="col">Day</th><th scope="col" class="n">Calls</th>' in drawn
    assert '<th scope="row">1 Nov</th><td class="n">12</td>' in drawn
    assert drawn.startswith('<details class="twin"><summary>Show as table</summary>')


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (2500, "2,500"),
        (99_999, "99,999"),
        (250_000, "250k"),
        (1_500_000, "1.5M"),
        (Fraction(1, 2), "0.5"),
    ],
)
def test_axis_figures_are_short(value: int, text: str) -> None:
    assert compact(value) == text


@given(st.integers(1, 10**15) | st.fractions(Fraction(1, 1000), 10**6))
def test_at_most_three_lines_at_round_places(top: int | Fraction) -> None:
    step = nice_step(top)
    assert 1 <= Fraction(top) // step <= 3
    digits = str(step.numerator if step >= 1 else Fraction(1) / step).strip("0")
    assert digits in {"1", "2", "25", "5", "4"}


@given(st.integers(-10, 10**9), st.integers(-10, 10**9))
def test_a_share_never_leaves_its_chart(part: int, whole: int) -> None:
    assert 0 <= share(part, whole) <= 100


def test_attributes_that_are_none_are_left_out() -> None:
    assert (
        element("line", class_=None, x1=1.5, stroke_dasharray="3 3")
        == '<line x1="1.5" stroke-dasharray="3 3"/>'
    )
