"""The names that flows and tasks take from Prefect, as plain Python: what is left are functions that call functions.

`install` puts them in the package's place before anything imports it. A process then has the product's own flows and no
Prefect: there is no second pipeline that could drift from the first. A name that is missing here fails at import.
"""

import functools
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import copy_context
from types import ModuleType
from typing import Any

#: As Prefect's own runner: what is submitted or mapped never waits for a thread.
_threads = ThreadPoolExecutor(sys.maxsize)


def install() -> None:
    """Make ``import prefect`` give this. Raises RuntimeError in a process that has Prefect already."""
    if "prefect" in sys.modules:
        raise RuntimeError("This process has imported Prefect: a flow without it needs a process of its own.")
    for name, content in MODULES.items():
        module = ModuleType(name)
        module.__dict__.update(content)
        sys.modules[name] = module
        package, _, last = name.rpartition(".")
        if package:
            setattr(sys.modules[package], last, module)


class _Task:
    def __class_getitem__(cls, _: Any) -> type["_Task"]:
        return cls

    def __init__(self, fn: Callable[..., Any]) -> None:
        self.fn = fn

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.fn(*args, **kwargs)

    def submit(self, *args: Any, **kwargs: Any) -> Future[Any]:
        return _threads.submit(copy_context().run, functools.partial(self.fn, *args, **kwargs))

    def map(self, *args: Any) -> list[Future[Any]]:
        count = next(len(values) for values in args if not isinstance(values, _Unmapped))
        columns = [[values.value] * count if isinstance(values, _Unmapped) else values for values in args]
        return [self.submit(*row) for row in zip(*columns, strict=True)]


class _Generic:
    def __class_getitem__(cls, _: Any) -> type["_Generic"]:
        return cls


class _Unmapped:
    def __init__(self, value: Any) -> None:
        self.value = value


def _task(fn: Callable[..., Any] | None = None, **_: Any) -> Any:
    return _Task if fn is None else _Task(fn)


def _flow(fn: Callable[..., Any] | None = None, **_: Any) -> Any:
    return (lambda fn: fn) if fn is None else fn


def _wait(futures: Sequence[Future[Any]]) -> None:
    wait(futures)


@contextmanager
def _concurrency(*_: Any, **__: Any) -> Iterator[None]:
    yield


def _nothing(*_: Any, **__: Any) -> None:
    return None


def _logger() -> logging.Logger:
    return logging.getLogger("flow")


class _NoRun:
    id = None


_ARTIFACTS = ("create_image", "create_markdown", "create_progress", "create_table", "update_progress")
#: What stands in for Prefect: its modules, and the names in each.
MODULES: dict[str, dict[str, Any]] = {
    "prefect": {"task": _task, "flow": _flow, "unmapped": _Unmapped, "__path__": []},
    "prefect.artifacts": {f"{name}_artifact": _nothing for name in _ARTIFACTS},
    "prefect.cache_policies": {"NO_CACHE": None},
    "prefect.client": {"__path__": []},
    "prefect.client.schemas": {"__path__": []},
    "prefect.client.schemas.objects": {"State": _Generic, "TaskRun": object},
    "prefect.concurrency": {"__path__": []},
    "prefect.concurrency.sync": {"concurrency": _concurrency},
    "prefect.futures": {"wait": _wait},
    "prefect.logging": {"get_run_logger": _logger},
    "prefect.runtime": {"flow_run": _NoRun},
    "prefect.tasks": {"Task": _Task, "exponential_backoff": _nothing},
}
