"""Writes docs/configuration.md: every parameter of every flow, and every environment variable, from their models.

    python -m docs.tools.configuration            # write the page
    python -m docs.tools.configuration --check    # fail where the page differs from the code

Flows are those that prefect.yaml deploys; settings are the subclasses of BaseSettings in app, deployments and tasks.
"""

import argparse
import html
import importlib
import json
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from tasks.schema.config import Config

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "configuration.md"
_SETTINGS_IN = ("app", "deployments", "tasks")

_INTRODUCTION = """\
# Configuration

<!-- Written by `python -m docs.tools.configuration` from the models in the code: change a field there, then run it. -->

**Parameters of a flow** are the same in Prefect's form, on the command line and in `prefect.yaml`. A nested one
has a dot:

```sh
python -m flows.pipeline --catalog.source shop.csv --index.kind flat --no-refresh
prefect deployment run pipeline/pipeline -p config='{"catalog": {"source": "shop.csv"}, "index": {"kind": "flat"}}'
```

`-p config=...` takes the place of the deployment's whole `config`: name again what it set (`prefect.yaml`).

**Settings** of the store, the stack, the app and Ray are environment variables, read when a process starts.
Unknown parameters are refused, and all faults of a start are printed at once.
"""


@dataclass(frozen=True)
class Deployment:
    """A deployment of prefect.yaml with its flow's parameters, by name."""

    name: str
    module: str
    description: str
    schedules: tuple[str, ...]
    parameters: Mapping[str, Any]


def deployments() -> list[Deployment]:
    """The deployments of prefect.yaml, in its order."""
    listed = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    found = []
    for entry in listed:
        module, _, name = entry["entrypoint"].rpartition(".")
        flow = getattr(importlib.import_module(module), name)
        hints = get_type_hints(flow.fn)
        hints.pop("return", None)
        schedules = tuple(_schedule(one) for one in entry["schedules"])
        found.append(Deployment(entry["name"], module, entry["description"], schedules, hints))
    return found


def _schedule(entry: Mapping[str, Any]) -> str:
    zone = entry["timezone"].strip("{}$ ")  # a setting of the stack stands in braces
    shown = f"`{entry['cron']}` ({f'`{zone}`' if zone != entry['timezone'] else zone})"
    return shown + (f" with `{json.dumps(entry['parameters'])}`" if "parameters" in entry else "")


def settings_models() -> list[type[BaseSettings]]:
    """Every class of settings in the product, by module."""
    for package in _SETTINGS_IN:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "(BaseSettings)" in path.read_text():
                importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    ours = [model for model in BaseSettings.__subclasses__() if model.__module__.split(".")[0] in _SETTINGS_IN]
    return sorted(ours, key=lambda model: model.__module__)


def nested_model(annotation: Any) -> type[Config] | None:
    """The parameters in an annotation such as ``EmbedConfig`` or ``EmbedConfig | None``."""
    for part in (annotation, *get_args(annotation)):
        if isinstance(part, type) and issubclass(part, Config):
            return part
    return None


def groups(flows: list[Deployment]) -> dict[type[Config], dict[str, list[str]]]:
    """Models inside the parameters: for each, the flags' prefix and the flows that take it there."""
    found: dict[type[Config], dict[str, list[str]]] = {}

    def walk(model: type[Config], prefix: str, flow: str) -> None:
        for name, field in model.model_fields.items():
            if inner := nested_model(field.annotation):
                found.setdefault(inner, {}).setdefault(f"{prefix}{name}.", []).append(flow)
                walk(inner, f"{prefix}{name}.", flow)

    for flow in flows:
        for annotation in flow.parameters.values():
            if model := nested_model(annotation):
                walk(model, "", flow.name)
    return found


def values(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:  # noqa: C901 - a case for each kind
    """The values that a JSON schema allows, in words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        schema = definitions[name]
        if "properties" in schema:
            return _code(name)
    if "anyOf" in schema:
        return " or ".join(values(one, definitions) for one in schema["anyOf"])
    if "const" in schema or "enum" in schema:
        return ", ".join(f"`{one}`" for one in schema.get("enum", [schema.get("const")]))
    match schema.get("type"):
        case "boolean":
            return "true, false"
        case "integer" | "number" as kind:
            return kind + _bounds(schema)
        case "null":
            return "none"
        case "array":
            least = f", {schema['minItems']} or more" if schema.get("minItems") else ""
            return f"list of {_element(schema, definitions)}{least}"
        case "object":
            return f"names to {values(schema.get('additionalProperties') or {}, definitions)}"
        case "string":
            return _text(schema)
    return "any"


def _element(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    return values(schema.get("items") or schema.get("prefixItems", [{}])[0], definitions)


def _bounds(schema: Mapping[str, Any]) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    found = [f"{sign} {schema[name]:,.12g}" for name, sign in signs.items() if name in schema]
    return f" {', '.join(found)}" if found else ""


def _text(schema: Mapping[str, Any]) -> str:
    if schema.get("format") in ("path", "password"):
        return {"path": "path", "password": "secret"}[schema["format"]]
    if pattern := schema.get("pattern"):
        return f"text like {_code(pattern)}"
    return f"text of {schema['minLength']} or more" if schema.get("minLength", 0) > 1 else "text"


def default(field: FieldInfo) -> str:
    """The default of a field; paths below the checkout are written relative to it."""
    if field.is_required():
        return "**required**"
    given = field.get_default(call_default_factory=True)
    if isinstance(given, BaseModel):
        changed = given.model_dump(mode="json", exclude_defaults=True)
        return _code(json.dumps(changed)) if changed else "its own"
    if given is None or given is PydanticUndefined:
        return "none"
    if isinstance(given, bool):
        return _code(str(given).lower())
    if isinstance(given, int | float):
        return _code(f"{given:_}" if given >= 100_000 else f"{given:.12g}")
    if isinstance(given, tuple | list | dict):
        return _code(json.dumps(given)) if given else "empty"
    shown = str(getattr(given, "get_secret_value", lambda: given)())
    shown = shown.replace(str(ROOT) + "/", "").replace(str(ROOT), ".")
    return _code(shown) if shown else "empty"


def _code(text: str) -> str:
    # a bar inside a code span ends a table's cell in one renderer or the other; an entity never does
    if "|" in text:
        return f"<code>{html.escape(text).replace('|', '&#124;')}</code>"
    return f"`{text}`"


def table(model: type[BaseModel], head: str, name_of: Callable[[str, FieldInfo], str]) -> Iterator[str]:
    """One row for each field."""
    schema = model.model_json_schema()
    definitions = schema.get("$defs", {})
    yield f"| {head} | values | default | meaning |"
    yield "|---|---|---|---|"
    for name, field in model.model_fields.items():
        inner = nested_model(field.annotation)
        allowed = _link(inner) if inner else values(schema["properties"][name], definitions)
        meaning = (field.description or "").replace("|", "\\|").replace("*", "\\*")
        yield f"| {name_of(name, field)} | {allowed} | {default(field)} | {meaning} |"


def _link(model: type[BaseModel]) -> str:
    return f"[{model.__name__}](#{model.__name__.lower()})"


def _purpose(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").strip().split("\n\n")[0].split())


def page() -> str:
    """The whole page."""
    flows, settings = deployments(), settings_models()
    inner = groups(flows)
    models = {model for flow in flows for hint in flow.parameters.values() if (model := nested_model(hint))}
    count = sum(len(model.model_fields) for model in {*models, *inner, *settings})
    lines = [_INTRODUCTION, f"{count} fields in all.", "", "## Flows", ""]
    for flow in flows:
        lines += [*_flow(flow, inner), ""]
    lines += ["## Groups of parameters", ""]
    for model, places in inner.items():
        lines += [f"### {model.__name__}", "", _purpose(model), "", _places(places), ""]
        lines += [*table(model, "parameter", lambda name, _: f"`{name}`"), ""]
    lines += ["## Environment", ""]
    for settings_model in settings:
        lines += [*_environment(settings_model), ""]
    return "\n".join(lines).rstrip() + "\n"


def _flow(flow: Deployment, inner: Collection[type[Config]]) -> Iterator[str]:
    yield f"### {flow.name}"
    yield ""
    yield flow.description
    yield ""
    file = flow.module.rpartition(".")[2]
    command = f"python -m {flow.module}" + ("" if file == flow.name else f" {flow.name}")
    when = f" Scheduled: {', '.join(flow.schedules)}." if flow.schedules else ""
    yield f"`{command}`, or the deployment `{flow.name}/{flow.name}`.{when}"
    for annotation in flow.parameters.values():
        if model := nested_model(annotation):
            yield ""
            if model in inner:
                yield f"Parameters: those of {_link(model)}, as `--<parameter>`."
            else:
                yield from table(model, "parameter", lambda name, _: f"`--{name}`")


def _places(places: Mapping[str, list[str]]) -> str:
    flags = [f"`--{prefix}<parameter>` of {', '.join(flows)}" for prefix, flows in places.items()]
    return f"Flags {'; '.join(flags)}."


def _environment(model: type[BaseSettings]) -> Iterator[str]:
    prefix = model.model_config.get("env_prefix", "")
    program = model.model_config.get("cli_prog_name")
    yield f"### {model.__name__}"
    yield ""
    flags = f" Each is a flag of `{program}` too, without `{prefix}` and in small letters." if program else ""
    yield f"`{model.__module__.replace('.', '/')}.py`. {_purpose(model)}{flags}"
    yield ""
    yield from table(model, "variable", lambda name, field: f"`{field.validation_alias or (prefix + name).upper()}`")


def main() -> None:
    """Write the page, or compare it."""
    parser = argparse.ArgumentParser(prog="python -m docs.tools.configuration")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where the page is out of date")
    asked = parser.parse_args()
    text = page()
    if not asked.check:
        PAGE.write_text(text)
    elif not PAGE.is_file() or PAGE.read_text() != text:
        sys.exit("docs/configuration.md is out of date: make docs-config")


if __name__ == "__main__":
    main()
