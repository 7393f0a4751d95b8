"""Pins: releases to be kept, whatever their age."""

import logging

from pydantic import ValidationError

from tasks.schema.errors import ArtifactCorrupt, ArtifactMissing, BeingCollected
from tasks.schema.release import Pin
from tasks.store.artifacts.claims import refuse_if_deleting
from tasks.store.objects.parallel import map_ordered
from tasks.store.objects.store import Store
from tasks.store.releases.releases import FOLDER as RELEASES
from tasks.store.releases.releases import read_release, release_path

FOLDER = "pins"
_log = logging.getLogger(__name__)


def pin_path(release_id: str) -> str:
    """Path of a release's pin. Raises ConfigError."""
    release_path(release_id)
    return f"{FOLDER}/{release_id}.json"


def write_pin(store: Store, pin: Pin) -> None:
    """Keep a release until `delete_pin`. An older pin is replaced. Raises ArtifactMissing, BeingCollected."""
    path = pin_path(pin.release)
    store.write_json(path, pin.model_dump(mode="json"))
    try:  # in this order: what exists and is not being deleted now is seen as pinned by the collector from now on
        refuse_if_deleting(store, [f"{RELEASES}/{pin.release}"], since=path)
        read_release(store, pin.release)
    except (ArtifactMissing, BeingCollected):
        store.delete(path)
        raise


def delete_pin(store: Store, release_id: str) -> None:
    """Stop keeping a release. Absent is fine."""
    store.delete(pin_path(release_id))


def list_pins(store: Store) -> list[Pin]:
    """Every pin, by release. One that cannot be read still pins: the reason is lost, the release is not."""
    releases = [info.path.removeprefix(f"{FOLDER}/").removesuffix(".json") for info in store.list(FOLDER)]

    def load(release_id: str) -> Pin | None:
        try:
            return Pin.model_validate(store.read_json(pin_path(release_id)))
        except ArtifactMissing:
            return None
        except (ArtifactCorrupt, ValidationError) as error:
            _log.warning("the pin of release %s cannot be read: %s", release_id, error)
            return Pin(release=release_id, reason="cannot be read")

    return [pin for pin in map_ordered(load, releases) if pin is not None]
