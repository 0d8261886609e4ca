"""What a subscription grants, as commerce would tell the gateway."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from tollway.contracts.entitlement import EntitlementView
from tollway.kernel.instants import to_micros

__all__ = ["granted"]


def granted(*features: str, quota: int | None = None, **changes: Any) -> EntitlementView:
    """Return what a subscriber to the plan `free` may use; `changes` are of its quota of good calls."""
    now = datetime.now(UTC)
    view: dict[str, Any] = {
        "subscription": str(uuid4()),
        "plan": "free",
        "addons": [],
        "features": sorted(features),
        "quotas": [],
    }
    if quota is not None:
        limits: Mapping[str, Any] = {
            "meter": "api_calls",
            "counted": "requests",
            "filter": {"status": ["2xx"], "method": [], "route": []},
            "any_completion": False,
            "limit": quota,
            "boundaries": [to_micros(now - timedelta(days=1)), to_micros(now + timedelta(days=1))],
        }
        view["quotas"] = [{**limits, **changes}]
    result: EntitlementView = json.loads(json.dumps(view))
    return result
