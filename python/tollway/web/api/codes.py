"""Every code that a problem may have. `docs/seller/errors.md` lists the same, which a test checks."""

from __future__ import annotations

from types import MappingProxyType
from typing import NamedTuple

__all__ = ["CODES", "Code"]


class Code(NamedTuple):
    """What a code means: HTTP status, a title that never changes, and what to do about it."""

    status: int
    title: str
    fix: str


CODES = MappingProxyType(
    {
        "invalid_request": Code(
            400, "A value is wrong", "Mend what `errors` names: where, what is wrong, and what to write."
        ),
        "unauthorized": Code(
            401,
            "No valid credential",
            "Send the admin token as `Authorization: Bearer` or `Kong-Admin-Token`.",
        ),
        "forbidden": Code(403, "Not allowed from here", "`detail` says why, and what to set."),
        "not_found": Code(404, "No such thing", "Look at the list that the thing would be in."),
        "method_not_allowed": Code(405, "The path has no such method", "Use one that `Allow` names."),
        "conflict": Code(
            409, "The present state forbids it", "Read the thing anew; `detail` says what is in the way."
        ),
        "idempotency_in_flight": Code(
            409,
            "The first request with this key is still going on",
            "Send the same request again in a moment: it answers what the first one came to.",
        ),
        "idempotency_answer_lost": Code(
            409,
            "Carried out, but the answer is lost",
            "A process ended between the two. Nothing is done twice: read what the request made.",
        ),
        "payload_too_large": Code(413, "The body is too large", "Send less at a time."),
        "unsupported_media_type": Code(415, "The body's type is not taken", "Send `application/json`."),
        "idempotency_key_reused": Code(
            422, "The key was used for another request", "Take a new `Idempotency-Key` for each thing to do."
        ),
        # What the gateway answers (`phases/refusal.rs`); its problems lead to the portal's page of the code.
        "no_subscription": Code(
            403,
            "No subscription is in force",
            "Choose a plan on the portal: the key works from the moment on at which the subscription begins.",
        ),
        "feature_not_in_plan": Code(
            403,
            "The plan does not include this feature",
            "Buy one of `addons`, or change to one of `plans`, at `upgrade_url`: all are in the answer.",
        ),
        "rate_limited": Code(
            429,
            "API rate limit exceeded",
            "Send the same request again after what `Retry-After` says; a larger plan may allow more.",
        ),
        "quota_exceeded": Code(
            429,
            "The quota of this billing period is used up",
            "Wait until `resets_at`, or change to a plan with a larger quota at `upgrade_url`.",
        ),
        "internal_error": Code(
            500,
            "An unexpected error",
            "Send the same request again; if it persists, report the `request_id`.",
        ),
        "unavailable": Code(
            503, "Not available now", "Send the same request again after what `Retry-After` says."
        ),
    }
)
