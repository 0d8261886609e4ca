"""Samples: one file a language. Whatever an OpenAPI file holds, each is a program that does this one call."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tollway.web.openapi.call import Call, build_call, example_values
from tollway.web.openapi.model import Operation
from tollway.web.openapi.samples.curl import curl_sample
from tollway.web.openapi.samples.javascript import javascript_sample
from tollway.web.openapi.samples.python import python_sample
from tollway.web.openapi.samples.request import SampleRequest

__all__ = ["LANGUAGES", "Language", "Sample", "samples"]


class Language(NamedTuple):
    """A language: its name in addresses, its name for people, and its writer."""

    slug: str
    name: str
    write: Callable[[SampleRequest], str]


LANGUAGES = (
    Language("curl", "curl", curl_sample),
    Language("python", "Python", python_sample),
    Language("javascript", "JavaScript", javascript_sample),
)


class Sample(NamedTuple):
    """The same call in one language."""

    language: Language
    code: str


def samples(operation: Operation, origin: str, base_path: str, key: str) -> list[Sample]:
    """Write an operation's sample call in every language.

    `origin` is where the gateway is reached (`https://api.example.com`, perhaps with a path), `key` what
    stands for the reader's key.
    """
    body = operation.body.example if operation.body is not None else None
    if operation.body is not None and operation.body.required and not body:
        body = "{}" if operation.body.is_json else "text"
    call: Call = build_call(operation, example_values(operation), body, key, base_path)
    request = SampleRequest.of(call, origin, answers_json=_answers_json(operation))
    return [Sample(language, language.write(request)) for language in LANGUAGES]


def _answers_json(operation: Operation) -> bool:
    good = next((answer for answer in operation.answers if answer.status.startswith("2")), None)
    return good is not None and good.content is not None and good.content.is_json
