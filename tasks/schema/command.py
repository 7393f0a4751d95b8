"""Starts a flow from a terminal, with flags generated from the same pydantic model as the Prefect form."""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings, CliApp, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

from tasks.schema.config import Config
from tasks.schema.errors import ProductSearchError

C = TypeVar("C", bound=Config)
_FAILED, _MISUSED = 1, 2


def read_flags(model: type[C], program: str, arguments: Sequence[str]) -> C:
    """Parse ``arguments`` as ``model``. ``--help`` prints every field; a fault prints every fault and exits with 2."""

    class Flags(BaseSettings, model):  # type: ignore[misc, valid-type]
        __doc__ = model.__doc__
        model_config = SettingsConfigDict(
            cli_prog_name=program,
            cli_avoid_json=True,
            cli_implicit_flags=True,
            cli_enforce_required=False,
            nested_model_default_partial_update=True,
            frozen=True,
            extra="forbid",
        )

        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            # Flags only: an exported CATALOG=... of make must never fill a field of the same name.
            return (init_settings,)

    try:
        flags = CliApp.run(Flags, cli_args=list(arguments))
        return model(**{name: getattr(flags, name) for name in model.model_fields})
    except ValidationError as error:
        print(f"{program}: {explain(error)}", file=sys.stderr)  # noqa: T201
        raise SystemExit(_MISUSED) from None
    except SettingsError as error:  # a whole section that is no JSON
        found = re.search(r'field "(\w+)"', str(error))
        section = f"--{found[1] if found else 'section'}"
        print(f"{program}: {section} is a section: give its fields, as {section}.NAME (see --help)", file=sys.stderr)  # noqa: T201
        raise SystemExit(_MISUSED) from None


def explain(error: ValidationError) -> str:
    """Every fault of a validation error, one line each: which flag, what is wrong, what was given."""
    lines = []
    for fault in error.errors():
        flag = "--" + ".".join(str(part) for part in fault["loc"]) if fault["loc"] else "parameters"
        given = "" if fault["type"] == "missing" or not fault["loc"] else f" (given: {fault['input']!r:.80})"
        lines.append(f"  {flag}: {fault['msg']}{given}")
    return f"{len(lines)} fault(s) in the parameters\n" + "\n".join(lines)


def as_columns(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows as text in columns, for a terminal. The first row names the columns."""
    if not rows:
        return "nothing yet"
    lines = [list(rows[0]), *(list(row.values()) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def run_from_terminal(flow: Callable[[C], Any], model: type[C], arguments: Sequence[str] | None = None) -> None:
    """Run ``flow`` with the parameters on the command line. A known error ends in one message and exit code 1."""
    program = f"python -m flows.{Path(sys.argv[0]).stem}"
    config = read_flags(model, program, sys.argv[1:] if arguments is None else arguments)
    _run(flow, config)


def run_one_of_from_terminal(flows: Mapping[str, tuple[Callable[[Any], Any], type[Any]]]) -> None:
    """Run the flow named by the first argument: for a file that holds more than one."""
    chosen = sys.argv[1] if len(sys.argv) > 1 else ""
    if chosen not in flows:
        print(f"Say which flow: {' or '.join(flows)}, then its flags (or --help).", file=sys.stderr)  # noqa: T201
        raise SystemExit(_MISUSED if chosen not in ("-h", "--help") else 0)
    flow, model = flows[chosen]
    _run(flow, read_flags(model, f"python -m flows.{Path(sys.argv[0]).stem} {chosen}", sys.argv[2:]))


def _run(flow: Callable[[C], Any], config: C) -> None:
    try:
        print(flow(config))  # noqa: T201
    except ProductSearchError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201
        raise SystemExit(_FAILED) from None
