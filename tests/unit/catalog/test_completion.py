"""Whether broken-off exchanges count depends on the aggregation, unless the catalog says it."""

from __future__ import annotations

import pytest

from tollway.catalog.canonical import meter_data, meter_from_data
from tollway.catalog.models import CompletionRule

pytestmark = pytest.mark.one_database


@pytest.mark.parametrize("aggregation", [{}, {"aggregation": "sum", "sum": "units"}])
@pytest.mark.parametrize("completion", [None, *CompletionRule])
def test_what_is_left_unsaid_stays_unsaid(
    aggregation: dict[str, str], completion: CompletionRule | None
) -> None:
    said = {} if completion is None else {"completion": completion.value}
    meter = meter_from_data({"name": "bytes", **aggregation, **said})
    assert meter.completion is completion
    assert meter_data(meter).get("completion") == completion
    assert meter_from_data(meter_data(meter)) == meter
