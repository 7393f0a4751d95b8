"""Runs a flow in a process of its own, forked from one that has imported everything: a start costs no seconds."""

import multiprocessing
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, Literal

from benchmarks.faults.watched_store import Journal, Point, read_journal, watch_stores

#: Whoever starts processes here finds everything imported.
context = multiprocessing.get_context("forkserver")
_IMPORTED = [
    "benchmarks.harness.flow_process",
    "flows.pipeline",
    "flows.reindex",
    *("tasks.catalog.prepare", "tasks.clip.encoder", "tasks.clip.pretrained"),
    *("tasks.retrieval.index", "tasks.retrieval.search"),
    *("tasks.report.figures", "tasks.report.evaluation_report", "tasks.store.objects.bucket", "tasks.sources.shop"),
    # what a run imports by and by
    *("prefect.flow_engine", "prefect.task_engine", "prefect.task_runners", "prefect.telemetry.run_telemetry"),
    *("prefect.concurrency.sync", "prefect.utilities.visualization", "fastapi", "pandas", "pyarrow.dataset"),
]


def import_first(*modules: str) -> None:
    """Before the first process: let every one find these modules imported too."""
    context.set_forkserver_preload([*_IMPORTED, *modules])


import_first()


@dataclass(frozen=True)
class FlowProcess:
    """One run of a flow over the store that ``environment`` names; ``point`` is where it dies, None nowhere."""

    name: Literal["pipeline", "reindex"]
    config: Any
    environment: Mapping[str, str]
    folder: Path
    point: Point | None = None
    _started: list[ForkServerProcess] = field(default_factory=list)

    @property
    def log(self) -> Path:
        """What the process printed."""
        return self.folder / "log.txt"

    def start(self) -> "FlowProcess":
        """Start it; does not wait."""
        self.folder.mkdir(parents=True, exist_ok=True)
        given = (self.name, self.config, dict(self.environment), self.folder, self.point)
        process = context.Process(target=_run, args=given)
        process.start()
        self._started.append(process)
        return self

    def wait(self, seconds: float = 180.0) -> int:
        """Exit code: 0, 1 for an error of the flow, -9 if it was killed. Raises TimeoutError."""
        process = self._started[-1]
        process.join(seconds)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise TimeoutError(f"{self.name} did not end in {seconds:.0f} s; it printed:\n{self.tail()}")
        return process.exitcode

    def run(self, seconds: float = 180.0) -> int:
        """Start it and wait."""
        return self.start().wait(seconds)

    def journal(self) -> list[dict[str, Any]]:
        """What it did to the store, and which images it embedded."""
        return read_journal(self.folder / "journal.jsonl")

    def tail(self, characters: int = 3000) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-characters:] if self.log.exists() else ""


def _run(name: str, config: Any, environment: dict[str, str], folder: Path, point: Point | None) -> None:
    os.setsid()  # the group that a Point kills
    with (folder / "log.txt").open("ab", buffering=0) as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    os.environ.update(environment)
    journal = Journal(folder / "journal.jsonl")
    watch_stores(journal, point)
    _note_embedded(journal)
    try:
        with prefect_settings(environment["PREFECT_API_URL"]):
            _call(name, config)
    except Exception:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(3)


def _call(name: str, config: Any) -> None:
    from flows.pipeline import pipeline
    from flows.reindex import reindex
    from tasks.schema.command import _run as run_as_from_terminal

    flows: dict[str, Callable[[Any], Any]] = {"pipeline": pipeline, "reindex": reindex}
    try:
        run_as_from_terminal(flows[name], config)
    except SystemExit as exit:
        sys.stderr.flush()
        os._exit(int(exit.code or 0))


def prefect_settings(api: str) -> Any:
    """Settings of a process forked from one that read its own before there was a server."""
    from prefect.settings import (
        PREFECT_API_URL,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        PREFECT_LOGGING_TO_API_ENABLED,
        temporary_settings,
    )

    # A flow waits a second for its heartbeat thread at its end; a run of seconds needs none.
    quick = {PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None, PREFECT_LOGGING_TO_API_ENABLED: False}
    return temporary_settings({PREFECT_API_URL: api, **quick})


def _note_embedded(journal: Journal) -> None:
    """Write down every batch of images that went through the model."""
    from tasks.clip.encoder import Encoder

    embed = Encoder.embed

    def embed_and_note(self: Any, images: Any, *options: int) -> Any:
        for names, vectors in embed(self, images, *options):
            journal.note("embedded", images=names)
            yield names, vectors

    Encoder.embed = embed_and_note  # type: ignore[assignment,method-assign]
