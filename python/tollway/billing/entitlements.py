"""What a subscription grants at an instant: its plan's features and quotas, and its add-ons'."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from tollway.billing.models import Phase, Subscription
from tollway.billing.timeline import period_at
from tollway.catalog.models import Aggregation, CompletionRule, Meter
from tollway.catalog.versions import AddOnVersion, MeterInForce, PlanVersion
from tollway.contracts.entitlement import Counted, EntitlementView, Offer, QuotaView, UsageFilter
from tollway.kernel.instants import to_micros

__all__ = ["boundaries", "entitlement", "offers", "quotas", "told_until"]

_AHEAD = 4
"""How many ends of periods the gateway is told of, so that it goes on for as long without control."""
_FEWEST = 2
"""How many of them still lie ahead when it is told of more."""


def entitlement(
    subscription: Subscription, at: datetime, meters: Mapping[str, MeterInForce]
) -> EntitlementView | None:
    """Return what the subscription grants at `at`, None before its start and from its end on.

    A quota of a meter that `meters` lacks, or that counts no route there is, limits nothing.
    """
    phase = subscription.phase_at(at)
    if phase is None:
        return None
    addons = [item.addon.addon for item in subscription.items_at(at)]
    features = phase.plan.plan.features.union(*(addon.features for addon in addons))
    edges = [to_micros(edge) for edge in boundaries(phase, at)]
    return EntitlementView(
        subscription=str(subscription.id),
        plan=phase.plan.plan.name,
        addons=sorted(addon.name for addon in addons),
        features=sorted(features),
        quotas=[
            _quota_view(meters[name], limit, edges)
            for name, limit in sorted(quotas(subscription, at).items())
            if name in meters and not _counts_nothing(meters[name])
        ],
    )


def quotas(subscription: Subscription, at: datetime) -> Mapping[str, int]:
    """Return the most of each limited meter in a period: the plan's, and what add-ons in force add to it."""
    phase = subscription.phase_at(at)
    if phase is None:
        return {}
    total = dict(phase.plan.plan.quota)
    for item in subscription.items_at(at):
        for meter, more in item.addon.addon.quota.items():
            if meter in total:
                total[meter] += more
    return total


def boundaries(phase: Phase, at: datetime) -> Sequence[datetime]:
    """Return the start of the period that `at` lies in, its end, and the ends of some that follow."""
    period = period_at(phase, at)
    edges = [period.start, period.end]
    while len(edges) <= _AHEAD:
        edges.append(period_at(phase, edges[-1]).end)
    return edges


def told_until(subscription: Subscription, at: datetime) -> datetime | None:
    """Return when what `entitlement` returned at `at` has to be told anew, None if never.

    That is when a phase or an add-on begins or ends, and before the period boundaries run out.
    """
    phase = subscription.phase_at(at)
    if phase is None:
        return subscription.starts_at if at < subscription.starts_at else None
    edges = [phase.ends_at, *(item.ends_at for item in subscription.items_at(at))]
    edges += [item.starts_at for item in subscription.items]
    known = [edge for edge in edges if edge is not None and edge > at]
    return min([boundaries(phase, at)[-1 - _FEWEST], *known])


def offers(plans: Sequence[PlanVersion], addons: Sequence[AddOnVersion]) -> list[Offer]:
    """Return for each feature who has it, of what is on sale."""
    features = {feature for version in plans for feature in version.plan.features}
    features |= {feature for version in addons for feature in version.addon.features}
    return [
        Offer(
            feature=feature,
            plans=sorted(version.plan.name for version in plans if feature in version.plan.features),
            addons=sorted(version.addon.name for version in addons if feature in version.addon.features),
        )
        for feature in sorted(features)
    ]


def _counts_nothing(found: MeterInForce) -> bool:
    # To the gateway no route at all means every route; a meter of routes that aren't there limits nothing.
    return bool(found.meter.filter.route) and not found.routes


def _quota_view(found: MeterInForce, limit: int, edges: list[int]) -> QuotaView:
    meter = found.meter
    return QuotaView(
        meter=meter.name,
        counted=_counted(meter),
        filter=UsageFilter(
            status=sorted(meter.filter.status),
            method=sorted(meter.filter.method),
            route=sorted(str(route) for route in found.routes) if meter.filter.route else [],
        ),
        any_completion=_any_completion(meter),
        limit=limit,
        boundaries=edges,
    )


def _counted(meter: Meter) -> Counted:
    if meter.summed is None:
        return "requests"
    counted: dict[str, Counted] = {"units": "units", "bytes_in": "bytes_in", "bytes_out": "bytes_out"}
    return counted[meter.summed.value]


def _any_completion(meter: Meter) -> bool:
    if meter.completion is None:
        return meter.aggregation is Aggregation.SUM
    return meter.completion is CompletionRule.ANY
