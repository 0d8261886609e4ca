"""The running account of a set of grants: what is left of each, and what was used beyond all of them."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from tollway.billing.grants.models import BurnDown, Grant

__all__ = ["Account"]

_NOTHING = Fraction(0)


class Account:
    """Balances that steps change; whoever takes the steps sees to their order in time.

    While overage is owed nothing is left: every balance that comes in pays it off first.
    """

    def __init__(self, grants: Iterable[Grant]) -> None:
        self._in_order = sorted(grants, key=lambda grant: grant.burn_order)
        self._balances = {grant.id: _NOTHING for grant in self._in_order}
        self._granted, self._consumed, self._lapsed = (dict(self._balances) for _ in range(3))
        self._in_force: set[str] = set()
        self._overage = self._forgiven = _NOTHING

    def activate(self, grant: Grant, balance: Fraction) -> None:
        """Let a grant come into force with a balance."""
        self._in_force.add(grant.id)
        self._fill(grant, balance)
        self._pay_off(grant)

    def recur(self, grant: Grant) -> None:
        """Fill a grant up again: what was left of it lapses."""
        self._fill(grant, Fraction(grant.amount))
        self._pay_off(grant)

    def lapse(self, grant: Grant) -> None:
        """End a grant: what is left of it is lost. Nothing happens to one that isn't in force."""
        self._in_force.discard(grant.id)
        self._fill(grant, _NOTHING)

    def reset(self, *, preserve_overage: bool) -> None:
        """Begin anew: roll the balances over, and forgive overage or take it from them."""
        if not preserve_overage:
            self._forgiven += self._overage
            self._overage = _NOTHING
        rolled = [grant for grant in self._in_order if grant.id in self._in_force]
        for grant in rolled:
            balance = self._balances[grant.id]
            left = grant.rolled_over(balance)
            self._balances[grant.id] = left
            self._granted[grant.id] += max(left - balance, _NOTHING)
            self._lapsed[grant.id] += max(balance - left, _NOTHING)
        for grant in rolled:
            self._pay_off(grant)

    def use(self, quantity: Fraction) -> None:
        """Take a quantity from the grants in their order; the rest is overage."""
        self._overage += quantity
        for grant in self._in_order:
            if not self._overage:
                return
            self._pay_off(grant)

    def burn_down(self) -> BurnDown:
        """Return what became of the grants so far."""
        return BurnDown(
            balances=dict(self._balances),
            granted=dict(self._granted),
            consumed=dict(self._consumed),
            lapsed=dict(self._lapsed),
            overage=self._overage,
            forgiven=self._forgiven,
        )

    def _fill(self, grant: Grant, balance: Fraction) -> None:
        self._lapsed[grant.id] += self._balances[grant.id]
        self._granted[grant.id] += balance
        self._balances[grant.id] = balance

    def _pay_off(self, grant: Grant) -> None:
        paid = min(self._balances[grant.id], self._overage)
        self._balances[grant.id] -= paid
        self._consumed[grant.id] += paid
        self._overage -= paid
