"""prefect.yaml, the Makefile, the environment and the processes: everything of the stack that needs no server."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from cronsim import CronSim
from prefect import Flow
from prefect.settings import Settings
from prefect.utilities.templating import apply_values
from pydantic import BaseModel, ValidationError

from deployments.apply import PREFECT_YAML, wanted_deployments
from deployments.checks import check_faiss, check_packages, check_ray
from deployments.environment import MARK, absolute, stack_environment
from deployments.ports import free_port, port_is_free
from deployments.processes import Processes, Service, ServiceFailed
from deployments.settings import FLOW_POOL, OPS_POOL, ROOT, StackSettings
from deployments.shop import check_catalog
from deployments.stack import AlreadyRunning, only_one

SETTINGS = StackSettings(timezone="Europe/London", catalog="s3://shop/abo", model="small")
LISTED = yaml.safe_load(PREFECT_YAML.read_text())
ENTRIES: list[dict[str, Any]] = LISTED["deployments"]
#: The form of these asks for something that has no sensible default.
ASKS = {"promote", "pin", "remove_items", "export_release"}


def by_name(entry: dict[str, Any]) -> str:
    return str(entry["name"])


def templated(value: Any) -> Any:
    with pytest.MonkeyPatch.context() as patch:  # Prefect reads {{ $NAME }} from its own environment
        for name, setting in stack_environment(SETTINGS, 4200, base={}).items():
            patch.setenv(name, setting)
        return apply_values(value, {}, remove_notset=False)


def load_flow(entry: dict[str, Any]) -> Flow[Any, Any]:
    module, _, name = entry["entrypoint"].rpartition(".")
    return getattr(import_module(module), name)


def config_of(entry: dict[str, Any]) -> type[BaseModel]:
    model = load_flow(entry).fn.__annotations__["config"]
    assert issubclass(model, BaseModel)
    return model


@pytest.mark.parametrize("entry", ENTRIES, ids=by_name)
class TestEveryDeployment:
    def test_entrypoint_is_a_module_with_that_flow(self, entry: dict[str, Any]) -> None:
        flow = load_flow(entry)
        assert isinstance(flow, Flow)
        # apply.py tells deployments apart by the function's name; a run is looked for as flow/deployment.
        assert flow.name == entry["entrypoint"].rpartition(".")[2] == entry["name"]

    def test_parameters_fill_the_form(self, entry: dict[str, Any]) -> None:
        parameters = templated(entry.get("parameters", {}))
        if entry["name"] in ASKS:
            assert parameters == {}
            return
        assert set(parameters) == {"config"}
        config_of(entry).model_validate(parameters["config"])
        assert "$" not in str(parameters)

    def test_every_field_explains_itself(self, entry: dict[str, Any]) -> None:
        assert [name for name, field in config_of(entry).model_fields.items() if not field.description] == []

    def test_what_every_deployment_has(self, entry: dict[str, Any]) -> None:
        assert entry["description"] and "product-search" in entry["tags"] and entry["enforce_parameter_schema"] is True
        pool = entry["work_pool"]
        assert pool["name"] in (FLOW_POOL, OPS_POOL)
        assert pool["job_variables"]["stream_output"] is False, "a run would die with its worker"

    def test_schedules_are_valid(self, entry: dict[str, Any]) -> None:
        for schedule in templated(entry["schedules"]):
            assert schedule["slug"], "a schedule without a slug is made anew at each deploy"
            next(CronSim(schedule["cron"], datetime.now(UTC)))


def test_no_absolute_path_is_deployed() -> None:
    assert LISTED["pull"] == []
    assert str(ROOT) not in PREFECT_YAML.read_text()


def test_every_flow_is_deployed() -> None:
    defined = set()
    for path in (ROOT / "flows").glob("*.py"):
        module = import_module(f"flows.{path.stem}")
        defined |= {
            f"flows.{path.stem}.{name}"
            for name, value in vars(module).items()
            if isinstance(value, Flow) and value.fn.__module__ == module.__name__
        }
    assert defined == {entry["entrypoint"] for entry in ENTRIES}


def test_flows_that_publish_run_one_at_a_time() -> None:
    limits = {entry["name"]: entry.get("concurrency_limit") for entry in ENTRIES}
    for name in ("pipeline", "reindex"):
        assert limits[name]["limit"] == 1 and limits[name]["collision_strategy"] == "CANCEL_NEW"
        assert 60 <= limits[name]["grace_period_seconds"] <= 86400


def test_the_nightly_schedule_follows_the_time_zone_setting() -> None:
    (schedule,) = next(templated(entry["schedules"]) for entry in ENTRIES if entry["name"] == "reindex")
    assert (schedule["cron"], schedule["timezone"]) == ("0 2 * * *", "Europe/London")
    with pytest.raises(ValidationError, match="no IANA time zone"):
        StackSettings(timezone="Mars/Olympus")


def test_names_of_deployments_are_flow_and_deployment() -> None:
    assert {"pipeline/pipeline", "reindex/reindex", "roll_back/roll_back"} <= wanted_deployments()


class TestEnvironment:
    def test_prefect_knows_every_setting(self) -> None:
        from prefect.settings.legacy import _get_settings_fields

        known = _get_settings_fields(Settings)
        environment = stack_environment(SETTINGS, 4242, base={})
        assert [name for name in environment if name.startswith("PREFECT_") and name not in known] == []

    def test_the_lease_storage_can_be_imported(self) -> None:
        name = stack_environment(SETTINGS, 4242, base={})["PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE"]
        assert import_module(name).ConcurrencyLeaseStorage

    def test_nothing_of_the_user_leaks_in(self, tmp_path: Path) -> None:
        settings = StackSettings(var=tmp_path)
        base = {"PREFECT_PROFILE": "cloud", "PREFECT_API_URL": "https://elsewhere/api", "HTTP_PROXY": "http://p:1"}
        environment = stack_environment(settings, 4242, base)
        assert "PREFECT_PROFILE" not in environment
        assert environment["PREFECT_API_URL"] == "http://127.0.0.1:4242/api"
        assert environment["PREFECT_HOME"].startswith(str(tmp_path))
        assert "127.0.0.1" in environment["NO_PROXY"].split(",")

    def test_a_relative_store_is_the_same_store_for_all(self) -> None:
        base = {"STORE_URI": "elsewhere/store"}
        assert stack_environment(SETTINGS, 4242, base)["STORE_URI"] == str(Path("elsewhere/store").absolute())
        assert absolute("s3://bucket/prefix") == "s3://bucket/prefix"


WAITS = "import time, sys; print('ready', flush=True); time.sleep(60)"
SERVES = "import http.server, sys; http.server.test(http.server.SimpleHTTPRequestHandler, port=int(sys.argv[1]))"
# A service whose child left its group and refuses SIGTERM, as a flow run of a worker that was killed may.
LEAVES_A_CHILD = """
import subprocess, sys, time
child = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('child', flush=True); time.sleep(60)"
subprocess.Popen([sys.executable, "-c", child], start_new_session=True)
time.sleep(60)
"""
REFUSES = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
)


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    folder = Processes(tmp_path, "test")
    yield folder
    folder.stop_all(seconds=0.5)


def service(name: str, code: str, *arguments: str, health: str = "") -> Service:
    return Service(name, [sys.executable, "-c", code, *arguments], dict(os.environ), health=health)


def wait_for_log(processes: Processes, name: str, words: str) -> None:
    end = time.monotonic() + 20
    while processes.tail(name).split()[-1] != words and time.monotonic() < end:
        time.sleep(0.05)
    assert processes.tail(name).split()[-1] == words


class TestProcesses:
    def test_start_answers_and_stop_leaves_nothing(self, processes: Processes) -> None:
        port = free_port(0)
        web = service("web", SERVES, str(port), health=f"http://127.0.0.1:{port}/")
        record = processes.start(web)
        assert processes.wait_until_ready(web, 20) < 20
        assert [found.pid for found in processes.running()] == [record.pid]
        assert processes.stop_all() == ["web"]
        assert processes.running() == [] and processes.leftovers() == [] and port_is_free(port)

    def test_another_object_finds_and_stops_them(self, processes: Processes) -> None:
        processes.start(service("one", WAITS))
        other = Processes(processes.folder, "stop")
        assert [found.owner for found in other.running()] == ["test"]
        assert other.stop_all() == ["one"]
        assert processes.running() == []

    def test_a_service_that_ends_says_why(self, processes: Processes) -> None:
        broken = service("broken", "raise SystemExit('no such table: flow_run')", health="http://127.0.0.1:9/")
        processes.start(broken)
        with pytest.raises(ServiceFailed, match=r"exit code 1[\s\S]*no such table: flow_run"):
            processes.wait_until_ready(broken, 20)

    def test_a_service_that_never_answers_is_given_up(self, processes: Processes) -> None:
        silent = service("silent", WAITS, health=f"http://127.0.0.1:{free_port(0)}/")
        processes.start(silent)
        with pytest.raises(ServiceFailed, match="did not answer"):
            processes.wait_until_ready(silent, 0.5)

    def test_a_service_that_refuses_to_end_is_killed(self, processes: Processes) -> None:
        processes.start(service("deaf", REFUSES))
        wait_for_log(processes, "deaf", "deaf")
        begin = time.monotonic()
        assert processes.stop("deaf", seconds=0.5)
        assert time.monotonic() - begin < 5 and processes.running() == []

    def test_a_child_in_another_session_is_found(self, processes: Processes) -> None:
        processes.start(service("parent", LEAVES_A_CHILD))
        wait_for_log(processes, "parent", "child")
        processes.stop("parent")
        assert len(processes.leftovers()) == 1
        processes.stop_all()
        assert processes.leftovers() == []

    def test_another_stack_is_left_alone(self, processes: Processes, tmp_path: Path) -> None:
        neighbour = subprocess.Popen([sys.executable, "-c", WAITS], env={**os.environ, MARK: f"{tmp_path}-other"})
        try:
            processes.start(service("one", WAITS))
            processes.stop_all()
            assert neighbour.poll() is None
        finally:
            neighbour.kill()
            neighbour.wait()

    def test_a_process_number_used_again_is_not_ours(self, processes: Processes) -> None:
        stranger = subprocess.Popen([sys.executable, "-c", WAITS])
        try:
            path = processes.folder / "run" / "old.json"
            path.parent.mkdir(parents=True)
            path.write_text(f'{{"name":"old","pid":{stranger.pid},"started":"1","url":"","owner":"demo"}}')
            assert processes.running() == [] and not path.exists()
            assert not processes.stop("old") and stranger.poll() is None
        finally:
            stranger.kill()
            stranger.wait()

    def test_services_take_interrupts_even_if_we_ignore_them(self, processes: Processes) -> None:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            record = processes.start(service("one", WAITS))
        finally:
            signal.signal(signal.SIGINT, before)
        wait_for_log(processes, "one", "ready")
        os.kill(record.pid, signal.SIGINT)
        end = time.monotonic() + 10
        while processes.exit_code("one") is None and time.monotonic() < end:
            time.sleep(0.05)
        assert processes.exit_code("one") not in (None, 0)

    def test_free_port_passes_over_a_taken_one(self, processes: Processes) -> None:
        port = free_port(0)
        web = service("web", SERVES, str(port), health=f"http://127.0.0.1:{port}/")
        processes.start(web)
        processes.wait_until_ready(web, 20)
        assert not port_is_free(port) and free_port(port) > port


class TestOnlyOneStack:
    def test_a_second_start_is_refused_with_what_is_on(self, tmp_path: Path) -> None:
        settings = StackSettings(var=tmp_path)
        refused = pytest.raises(AlreadyRunning, match="demo")
        with only_one(settings, "demo"), refused, only_one(settings, "pipeline"):
            pass
        assert not (tmp_path / "run" / "demo.json").exists()

    def test_what_a_killed_stack_left_is_cleared(self, tmp_path: Path) -> None:
        settings = StackSettings(var=tmp_path)
        record = Processes(tmp_path, "demo").start(service("app", WAITS))
        with only_one(settings, "demo"):
            assert not record.alive


def test_a_missing_catalogue_is_an_error_before_anything_starts(tmp_path: Path) -> None:
    spaced = tmp_path / "it's my shop.csv"
    spaced.write_text("id\n")
    assert check_catalog(str(spaced)) == str(spaced)
    assert check_catalog("s3://bucket/shop") == "s3://bucket/shop" and check_catalog("") == ""
    with pytest.raises(SystemExit, match="nothing is at"):
        check_catalog(str(tmp_path / "absent.csv"))


class TestMakefile:
    def test_help_lists_every_target(self) -> None:
        text = (ROOT / "Makefile").read_text()
        targets = set(re.findall(r"^\.PHONY: ([a-z-]+)$", text, re.MULTILINE))
        done = subprocess.run(["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True)
        listed = dict(re.findall(r"^  make ([a-z-]+) +(.+)$", done.stdout, re.MULTILINE))
        assert set(listed) == targets and all(listed.values())

    @pytest.mark.parametrize("catalog", ["/data/it's my shop/products.csv", "s3://bucket/a b"])
    def test_catalogue_reaches_the_program_as_given(self, catalog: str, tmp_path: Path) -> None:
        makefile = tmp_path / "Makefile"
        show = "\t@$(SYSTEM_PYTHON) -c 'import os; print(os.environ[\"CATALOG\"])'\n"
        makefile.write_text((ROOT / "Makefile").read_text() + f".PHONY: show\nshow:\n{show}")
        # `make test` hands its own MAKELEVEL down, and make then says which folder it enters
        command = ["make", "--no-print-directory", "-f", str(makefile), "show", f"CATALOG={catalog}"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == catalog


COMPOSE = yaml.safe_load((ROOT / "infra" / "compose.yaml").read_text())["services"]
OURS = {name: entry for name, entry in COMPOSE.items() if entry["image"] == "product-search"}


class TestContainers:
    @pytest.mark.parametrize("name", sorted(COMPOSE))
    def test_every_variable_is_read_by_something(self, name: str) -> None:
        from prefect.settings.legacy import _get_settings_fields

        known = {f"STACK_{field.upper()}" for field in StackSettings.model_fields} | set(_get_settings_fields(Settings))
        variables = [key for key in COMPOSE[name]["environment"] if key.startswith(("STACK_", "PREFECT_"))]
        assert [key for key in variables if key not in known] == []

    @pytest.mark.parametrize("name", sorted(OURS))
    def test_every_command_is_served(self, name: str) -> None:
        assert OURS[name]["command"] in ("prefect", "worker", f"worker --pool {OPS_POOL}", "app", "apply")
        assert OURS[name]["init"] is True

    def test_whatever_is_waited_for_exists(self) -> None:
        for entry in COMPOSE.values():
            for other, how in entry.get("depends_on", {}).items():
                assert "healthcheck" in COMPOSE[other] or how["condition"] == "service_completed_successfully"

    def test_the_image_is_made_of_what_is_there(self) -> None:
        text = (ROOT / "infra" / "Dockerfile").read_text()
        copied = [name for line in re.findall(r"^COPY (.+)$", text, re.MULTILINE) for name in line.split()[:-1]]
        assert {"tasks", "flows", "app", "deployments", "infra", "prefect.yaml"} <= set(copied)
        assert [name for name in copied if name != "README.md" and not (ROOT / name).exists()] == []
        let_in = (ROOT / "infra" / "Dockerfile.dockerignore").read_text().splitlines()
        assert [name for name in copied if f"!{name}" not in let_in] == []


class TestConstraints:
    def test_lines_are_names_and_versions_only(self) -> None:
        lines = (ROOT / "constraints.txt").read_text().splitlines()
        assert [line for line in lines if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*==[A-Za-z0-9.+!_-]+", line)] == []
        assert len({line.split("==")[0] for line in lines}) == len(lines)

    def test_both_kinds_of_faiss_are_pinned(self) -> None:
        text = (ROOT / "constraints.txt").read_text()
        assert "\nfaiss-cpu==" in text and "\nfaiss-gpu-cuvs==" in text

    def test_what_is_installed_is_what_is_pinned(self) -> None:
        assert check_packages().verdict == "OK", check_packages()
        assert check_faiss().verdict == "OK", check_faiss()


class TestRay:
    def test_it_is_looked_at_only_where_a_cluster_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("RAY_ADDRESS", raising=False)
        assert check_ray() == []
        monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
        (finding,) = check_ray()
        assert finding.verdict == "FAIL" and "nothing answers" in finding.found


@pytest.mark.parametrize("command", ["run_pipeline", "demo"])
@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (["--help"], 0, "flows.pipeline"),
        (["--index.kind", "flt"], 2, "--index.kind"),
        (["--nonsense", "3"], 2, "nonsense"),
        (["--training", "x"], 2, "--training.NAME"),
    ],
)
def test_flags_are_answered_before_a_shop_is_made_or_a_server_started(
    command: str, flags: list[str], code: int, words: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"deployments.{command}", *flags],
        env=os.environ | {"STACK_VAR": str(tmp_path / "var"), "CATALOG": ""},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == code and (words in done.stdout + done.stderr or "--index.kind" in done.stdout)
    assert "Traceback" not in done.stderr and not (tmp_path / "var").exists()
