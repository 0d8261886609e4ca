"""The answer to a tried call, made fit to be looked at, with what to do where it was a refusal."""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote

from markupsafe import Markup

from tollway.web.openapi.call import Call
from tollway.web.openapi.operation import is_json
from tollway.web.portal.ports.trial import TrialAnswer
from tollway.web.ui.highlight import highlight

__all__ = ["Advice", "ShownAnswer", "shown_answer"]

_LONGEST_SHOWN = 64 * 1024
_LONGEST_HEADER = 500
_TEXT = re.compile(
    r"(?:text/|application/(?:xml|yaml|x-yaml|javascript|x-www-form-urlencoded)|[\w./-]+\+(?:xml|yaml))"
)
_TELLING = ("content-type", "etag", "location", "ratelimit", "retry-after", "x-kong-", "x-ratelimit-")
_NAMES = re.compile(r"[\w .-]{1,100}")


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do about a refusal; `action` and `path` are empty where there is nothing to open."""

    title: str
    text: str
    action: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class ShownAnswer:
    """An answer as the page shows it. `note` says what is not shown of the body, and why."""

    status: int
    reason: str
    good: bool
    milliseconds: int
    size: int
    headers: tuple[tuple[str, str], ...]
    others: tuple[tuple[str, str], ...]
    body: Markup
    note: str
    request_id: str
    sent: str
    advice: Advice | None


def shown_answer(answer: TrialAnswer, call: Call, key: str | None) -> ShownAnswer:
    """Make an answer fit to be looked at. The key is left out: it isn't the reader's to keep."""
    headers = [(name, value[:_LONGEST_HEADER]) for name, value in answer.headers]
    text, note = _text(answer)
    kind = "json" if is_json(answer.header("content-type")) else ""
    sent = f"{call.method} {call.target}"
    return ShownAnswer(
        status=answer.status,
        reason=_reason(answer.status),
        good=answer.status < 400,
        milliseconds=answer.milliseconds,
        size=len(answer.body),
        headers=tuple(pair for pair in headers if pair[0].startswith(_TELLING)),
        others=tuple(pair for pair in headers if not pair[0].startswith(_TELLING)),
        body=highlight(text, kind),
        note=note,
        request_id=answer.header("x-kong-request-id"),
        sent=sent if key is None else sent.replace(quote(key, safe=""), "YOUR_KEY"),
        advice=_advice(answer),
    )


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _text(answer: TrialAnswer) -> tuple[str, str]:
    media_type = answer.header("content-type")
    as_json = is_json(media_type)
    if not answer.body:
        return "", ""
    packed = answer.header("content-encoding") not in {"", "identity"}
    if packed or not (as_json or _TEXT.match(media_type.lower()) or not media_type):
        what = media_type.partition(";")[0][:80] or "no type"
        return "", f"{len(answer.body):,} bytes of {what}, which is not shown here."
    text = answer.body.decode(errors="replace")
    if as_json and not answer.cut:
        with contextlib.suppress(ValueError, RecursionError):  # then it is shown as it came
            text = json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    # Half of a surrogate pair can't be sent on.
    text = text.encode(errors="replace").decode()
    if answer.cut or len(text) > _LONGEST_SHOWN:
        return text[:_LONGEST_SHOWN], "Only its beginning is shown."
    return text, ""


_ADVICE = {
    401: Advice("The key was not taken.", "It may have ended a moment ago: send the call once more."),
    402: Advice("Unpaid, or your cap is reached.", "Billing says which.", "Open billing", "/billing"),
    403: Advice("Not allowed.", "This operation is not for your plan.", "See the plans", "/pricing"),
}
_FAILED = Advice(
    "It failed on the API's side.", "Nothing is charged for it. If it stays so, send us the request id."
)


def _advice(answer: TrialAnswer) -> Advice | None:
    said = _said(answer)
    if answer.status == 403 and said.get("feature"):
        return _offer(said)
    if answer.status == 429:
        wait = answer.header("retry-after")
        text = f"Wait {wait} seconds" if wait.isascii() and wait.isdigit() else "Wait a moment"
        return Advice(
            "Too many calls.",
            f"{text} and send it again. A larger plan allows more.",
            "Change the plan",
            "/billing/change",
        )
    return _FAILED if answer.status >= 500 else _ADVICE.get(answer.status)


def _said(answer: TrialAnswer) -> dict[str, object]:
    if answer.status not in {403, 429} or not is_json(answer.header("content-type")):
        return {}
    try:
        said = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _offer(said: dict[str, object]) -> Advice:
    """Say who has the feature. The names may be an upstream's own: only what looks like one is shown."""
    feature = _name(said.get("feature")) or "this feature"
    addons, plans = _names(said.get("addons")), _names(said.get("plans"))
    title = f"Your plan doesn't have {feature}."
    if addons:
        path = f"/billing/add-ons/{quote(addons[0], safe='')}"
        return Advice(
            title, f"The add-on {' or '.join(addons)} brings it, at once.", f"Add {addons[0]}", path
        )
    if plans:
        return Advice(title, f"It is in {' and '.join(plans)}.", "Change the plan", "/billing/change")
    return Advice(title, "No plan on sale has it; write to us.")


def _names(value: object) -> list[str]:
    return [name for name in map(_name, value[:5]) if name] if isinstance(value, list) else []


def _name(value: object) -> str:
    return value if isinstance(value, str) and _NAMES.fullmatch(value) else ""
