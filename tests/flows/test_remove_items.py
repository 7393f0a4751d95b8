"""The fast lane through a real Prefect server: a recall is live at once and outlives every later release."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from flows.publish import PromoteConfig, RollBackConfig, promote, roll_back
from flows.remove_items import RemoveItemsConfig, remove_items
from tasks.schema.errors import ArtifactMissing, ConfigError
from tasks.schema.release import Release
from tasks.store.releases.live import read_live
from tasks.store.releases.releases import read_release
from tasks.store.releases.removals import read_removals
from tasks.store.releases.swap import swap_live

if TYPE_CHECKING:
    from tests.conftest import TinyShop

pytestmark = pytest.mark.server


@pytest.fixture
def shop(own_store: TinyShop, prefect_server: str, monkeypatch: pytest.MonkeyPatch) -> TinyShop:
    own_store.name_in(monkeypatch)
    return own_store


def live(shop: TinyShop) -> tuple[Release, int]:
    state = read_live(shop.store, "production")
    assert state is not None
    return read_release(shop.store, state.pointer.release), state.pointer.generation


def down(shop: TinyShop) -> set[str]:
    return set(read_removals(shop.store, live(shop)[0].removals)["item_id"].to_pylist())


def take_down(*items: str, **more: object) -> dict:
    return remove_items(RemoveItemsConfig(**{"items": items, "reason": "recall 17", **more}))


def test_a_recall_changes_nothing_but_the_list(shop: TinyShop) -> None:
    before, generation = live(shop)
    told = take_down("red-mug", "blue-chair")
    now, risen = live(shop)
    assert told["release"] == now.id and told["removed"] == ["red-mug", "blue-chair"] and risen == generation + 1
    assert now.parts.without_removals() == before.parts.without_removals() and now.parent == before.id
    assert now.items == before.items - 2 == told["items"] and "recall 17" in now.why
    row = next(row for row in read_removals(shop.store, now.removals).to_pylist() if row["item_id"] == "red-mug")
    assert row["reason"] == "recall 17" and row["run"] == now.run

    assert take_down("red-mug")["generation"] == risen, "nothing to do: nothing moves"
    told = remove_items(RemoveItemsConfig(restore=("red-mug",), reason="lifted"))
    assert told["restored"] == ["red-mug"] and down(shop) == {"blue-chair"} and live(shop)[0].items == 11


def test_unknown_ids_change_nothing(shop: TinyShop) -> None:
    before = live(shop)
    with pytest.raises(ConfigError, match="nearest: red-mug"):
        take_down("red-mgu", "blue-chair")
    assert live(shop) == before
    assert take_down("not-listed-yet", unknown_ok=True)["items"] == 12 and down(shop) == {"not-listed-yet"}


def test_promoting_and_rolling_back_keep_what_was_taken_down(
    shop: TinyShop, publish_next: Callable[..., Release]
) -> None:
    publish_next("second", shop.rows()[:9])
    take_down("red-mug")
    assert live(shop)[0].items == 8
    pointer = roll_back(RollBackConfig())  # past the one that differs by the removal alone
    now, _ = live(shop)
    assert pointer.release == now.id != "first" and now.index == read_release(shop.store, "first").index
    assert down(shop) == {"red-mug"} and now.items == 11
    assert "first" in now.why

    back = promote(PromoteConfig(release="second"))
    assert down(shop) == {"red-mug"} and read_release(shop.store, back.release).items == 8
    assert promote(PromoteConfig(release="second")) == back, "live already"
    remove_items(RemoveItemsConfig(restore=("red-mug",), reason="lifted"))
    promote(PromoteConfig(release=now.id))  # made while the mug was down: it is not any more
    assert down(shop) == set() and live(shop)[0].items == 12
    promote(PromoteConfig(release="first"))
    assert down(shop) == set()


def test_there_is_no_way_back_to_before_a_recall(shop: TinyShop) -> None:
    take_down("red-mug")
    with pytest.raises(ArtifactMissing, match="--restore"):
        roll_back(RollBackConfig())
    assert down(shop) == {"red-mug"}


def test_a_recall_survives_a_publish_in_between(
    shop: TinyShop, publish_next: Callable[..., Release], monkeypatch: pytest.MonkeyPatch
) -> None:
    between = iter(["night", "another-night"])

    def swap_late(*args: object, **kwargs: object) -> object:
        if name := next(between, None):
            publish_next(name, shop.rows(f"{name}|"))
        return swap_live(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr("tasks.stages.takedown.swap_live", swap_late)
    take_down("red-mug")
    now, generation = live(shop)
    assert now.index.id == "index-another-night" and down(shop) == {"red-mug"} and generation == 4


def test_a_night_survives_a_recall_in_between(
    shop: TinyShop, publish_next: Callable[..., Release], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_next("second")
    promote(PromoteConfig(release="first"))
    between = iter(["recall"])

    def swap_late(*args: object, **kwargs: object) -> object:
        if next(between, None):
            take_down("red-mug")
        return swap_live(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr("tasks.stages.releasing.swap_live", swap_late)
    promote(PromoteConfig(release="second"))
    assert live(shop)[0].index.id == "index-second" and down(shop) == {"red-mug"}


@pytest.mark.slow
def test_it_runs_from_a_terminal(shop: TinyShop) -> None:
    command = [sys.executable, "-m", "flows.remove_items", "--items", "red-mug", "--items", "blue-mug"]
    done = subprocess.run([*command, "--reason", "recall"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert down(shop) == {"red-mug", "blue-mug"}
    wrong = subprocess.run([*command, "--restore", "red-mug"], capture_output=True, text=True, timeout=120)
    assert wrong.returncode == 2 and "--reason" in wrong.stderr and "Traceback" not in wrong.stderr
