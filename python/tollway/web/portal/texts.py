"""The reference as Markdown, for language models and for whoever prefers it."""

from __future__ import annotations

from collections.abc import Iterator

from tollway.kernel.errors import InvalidInput
from tollway.web.openapi.api import Api
from tollway.web.openapi.model import Operation, ParameterPlace, SchemaView
from tollway.web.openapi.samples import samples
from tollway.web.portal.content.model import Content
from tollway.web.portal.home import KEY_PLACEHOLDER

__all__ = ["llms_text", "operation_markdown", "reference_markdown"]

_DEEPEST = 4


def operation_markdown(api: Api, operation: Operation, origin: str) -> str:
    """Write an operation's page."""
    return "\n".join(_operation_lines(api, operation, origin)).strip() + "\n"


def reference_markdown(api: Api, origin: str) -> str:
    """Write the index of all operations."""
    lines = [
        f"# {_plain(api.title)}",
        "",
        api.description.strip(),
        "",
        f"Base address: {origin}{api.base_path}",
    ]
    for group in api.groups:
        lines += ["", f"## {_plain(group.name)}", ""]
        lines += [
            f"- [{_plain(entry.title)}](/reference/{entry.slug}.md): `{entry.method} {_code(entry.path)}`"
            for entry in group.entries
        ]
    return "\n".join(lines) + "\n"


def llms_text(content: Content, name: str, origin: str) -> str:
    """Write `/llms.txt`: what there is to read, each with its address (https://llmstxt.org)."""
    about = content.portal.brand.tagline or content.portal.hero.text
    lines = [f"# {_plain(name)}", ""]
    if about:
        lines += [f"> {_plain(about)}", ""]
    lines += [f"Calls go to {origin}. Plans and prices: /pricing.", ""]
    if content.guides:
        lines += ["## Guides", ""]
        lines += [f"- [{_plain(guide.title)}](/guides/{guide.slug}.md)" for guide in content.guides]
        lines.append("")
    if content.description is not None:
        lines += ["## Reference", "", "- [OpenAPI file](/openapi.json)", "- [All operations](/reference.md)"]
        lines += [
            f"- [{_plain(entry.title)}](/reference/{entry.slug}.md): `{entry.method} {_code(entry.path)}`"
            for entry in content.description.api.entries
        ]
    return "\n".join(lines).rstrip() + "\n"


def _operation_lines(api: Api, operation: Operation, origin: str) -> Iterator[str]:
    entry = operation.entry
    yield f"# {_plain(entry.title)}"
    yield f"\n`{entry.method} {_code(api.base_path + entry.path)}`\n"
    if entry.deprecated:
        yield "Deprecated.\n"
    yield operation.description.strip()
    yield from _parameter_lines(operation)
    if operation.body is not None:
        yield f"\n## Body: `{_code(operation.body.media_type)}`\n"
        if operation.body.schema is not None:
            yield from _schema_lines(operation.body.schema, 0)
    yield "\n## Answers\n"
    for answer in operation.answers:
        yield f"- {_plain(answer.status)}: {_plain(answer.description)}"
        if answer.content is not None and answer.content.schema is not None:
            yield from _schema_lines(answer.content.schema, 1)
    try:
        written = samples(operation, origin, api.base_path, KEY_PLACEHOLDER)
    except InvalidInput:
        return
    yield "\n## Samples"
    for sample in written:
        fence = "`" * (3 + sample.code.count("```"))
        yield f"\n{fence}{sample.language.slug}\n{sample.code}\n{fence}"


def _parameter_lines(operation: Operation) -> Iterator[str]:
    for place in ParameterPlace:
        found = operation.at(place)
        if found:
            yield f"\n## {place.capitalize()} parameters\n"
        for parameter in found:
            said = f": {_plain(parameter.description)}" if parameter.description else ""
            yield f"- {_named(parameter.name, parameter.schema, required=parameter.required)}{said}"


def _named(name: str, schema: SchemaView, *, required: bool) -> str:
    words = [schema.kind, *(["required"] if required else []), *schema.rules]
    return f"`{_code(name)}` ({'; '.join(words)})"


def _schema_lines(schema: SchemaView, depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        return
    for inner in schema.properties:
        said = f": {_plain(inner.schema.description)}" if inner.schema.description else ""
        yield f"{'  ' * depth}- {_named(inner.name, inner.schema, required=inner.required)}{said}"
        yield from _schema_lines(inner.schema, depth + 1)
    for variant in schema.variants:
        yield f"{'  ' * depth}- {schema.variants_title}: {variant.name or variant.kind}"
        yield from _schema_lines(variant, depth + 1)


def _plain(text: str) -> str:
    return " ".join(text.split()).replace("[", "\\[").replace("]", "\\]")


def _code(text: str) -> str:
    return " ".join(text.split()).replace("`", "'")
