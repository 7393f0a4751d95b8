"""Fixtures of all tests: a quiet, offline environment, and a tiny shop published through the real rooms."""

import os

# before any library reads them: nothing may reach for a network, and no terminal decoration
os.environ.update(
    HF_HUB_OFFLINE="1",
    GRADIO_ANALYTICS_ENABLED="False",
    DO_NOT_TRACK="1",
    PREFECT_SERVER_ANALYTICS_ENABLED="false",
    PREFECT_CLIENT_METRICS_ENABLED="false",
    PREFECT_CLI_COLORS="false",
    PREFECT_LOGGING_LEVEL="WARNING",
    PREFECT_LOGGING_SERVER_LEVEL="ERROR",
    TQDM_DISABLE="1",
)
os.environ.setdefault("OMP_NUM_THREADS", "1")  # files run side by side, and threads that wait for each other spin

import hashlib
import io
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageDraw

from tasks.schema.manifest import ArtifactRef
from tasks.schema.release import Release
from tasks.schema.tables import ITEMS
from tasks.store.objects.settings import StoreSettings
from tasks.store.objects.store import Store, open_store
from tasks.store.releases.reader_leases import FOLDER as LEASES

COLORS = {"red": "#c8312b", "blue": "#2b5fc8", "green": "#2f8f4e", "yellow": "#e3b02c"}
SHAPES = ("mug", "chair", "lamp")


def draw_product(color: str, shape: str, side: int = 160) -> bytes:
    """JPEG of one made-up product on white."""
    image = Image.new("RGB", (side, side), "white")
    pen, paint = ImageDraw.Draw(image), COLORS[color]
    if shape == "mug":
        pen.rounded_rectangle((40, 50, 105, 125), 10, fill=paint)
        pen.arc((90, 65, 130, 108), -90, 90, fill=paint, width=9)
    elif shape == "chair":
        pen.rectangle((45, 25, 57, 130), fill=paint)
        pen.rectangle((45, 80, 115, 92), fill=paint)
        pen.rectangle((103, 80, 115, 130), fill=paint)
    else:
        pen.polygon([(80, 25), (40, 80), (120, 80)], fill=paint)
        pen.rectangle((76, 80, 84, 130), fill="#555555")
        pen.ellipse((55, 122, 105, 136), fill="#555555")
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def item(color: str, shape: str, **changes: Any) -> dict[str, Any]:
    """One row of ITEMS for a drawn product; ``changes`` replace fields."""
    title = f"Acme {color} {shape}"
    row: dict[str, Any] = {name: "" for name in ITEMS.names if pa.types.is_string(ITEMS.field(name).type)}
    row |= {
        "item_id": f"{color}-{shape}",
        "group_id": shape,
        "split": "test",
        "title": title,
        "brand": "Acme",
        "category": f"Home/{shape}s",
        "category_l1": "Home",
        "product_type": shape,
        "color": color,
        "price": 9.5,
        "language": "en",
        "captions": {"title": title, "color_type": f"{color} {shape}", "type": shape},
        "attributes": {},
        "image_sha256": hashlib.sha256(draw_product(color, shape)).hexdigest(),
        "image_width": 160,
        "image_height": 160,
    }
    return row | changes


@dataclass
class TinyShop:
    """A store with published releases of a dozen drawn products and a small random model."""

    store: Store
    settings: StoreSettings
    channel: str = "production"
    _model: dict[int, ArtifactRef] = field(default_factory=dict)
    _encoders: dict[int, Any] = field(default_factory=dict)

    @staticmethod
    def image(color: str, shape: str) -> bytes:
        """JPEG of the product in that colour and shape; its id is ``color-shape``."""
        return draw_product(color, shape)

    @staticmethod
    def rows(prefix: str = "", **changes: Any) -> list[dict[str, Any]]:
        """Rows of every colour in every shape; ``prefix`` goes before each title, ``changes`` replace fields."""
        rows = [item(color, shape, **changes) for color in COLORS for shape in SHAPES]
        return [row | {"title": prefix + row["title"]} for row in rows]

    def model(self, seed: int = 0) -> ArtifactRef:
        """The demo model with random weights of ``seed``, stored once."""
        from tasks.clip.pretrained import materialise
        from tasks.store.artifacts.commit import commit

        ref = ArtifactRef(kind="model", id=f"tiny-{seed}")
        if seed not in self._model:
            folder = Path(self.settings.store_cache) / f"made-{seed}"
            card = materialise("small", folder, seed=seed)
            commit(self.store, "model", ref.id, folder, recipe=1, parameters={"pretrained": "small"}, summary=card)
            self._model[seed] = ref
        return ref

    def classifier(self) -> ArtifactRef:
        """A classifier of the three shapes, trained on the shop's own images and stored."""
        from tasks.classifier.config import ClassifierConfig
        from tasks.classifier.train import train_head
        from tasks.clip.encoder import Encoder
        from tasks.store.artifacts.cache import fetch
        from tasks.store.artifacts.commit import commit

        encoder = self._encoder(Encoder, fetch(self.store, self.model()), 0)
        vectors = encoder.encode_images([self.image(color, shape) for color in COLORS for shape in SHAPES])
        labels = [shape for _ in COLORS for shape in SHAPES]
        config = ClassifierConfig(text_init=False, min_items_per_class=1, epochs=200, learning_rate=0.05)
        splits = ["train"] * len(labels) + ["val"] * len(labels)
        trained = train_head(np.concatenate([vectors, vectors]), [*labels, *labels], splits, None, config)
        folder = Path(self.settings.store_cache) / "head"
        trained.head.save(folder)
        return commit(self.store, "classifier", "head", folder, recipe=1).ref

    def name_in(self, environment: pytest.MonkeyPatch) -> None:
        """Make its store the one that the environment names."""
        environment.setenv("STORE_URI", self.settings.store_uri)
        environment.setenv("STORE_CACHE", str(self.settings.store_cache))

    def publish(
        self,
        name: str,
        rows: list[dict[str, Any]] | None = None,
        *,
        seed: int = 0,
        classifier: ArtifactRef | None = None,
        words: bool = False,
    ) -> Release:
        """Build, store and make live a release called ``name`` of ``rows`` (default: every colour in every shape).

        words: with a word index, which releases of older versions lack.
        """
        from tasks.clip.encoder import Encoder
        from tasks.retrieval.config import IndexConfig
        from tasks.retrieval.index import build_index, save_index
        from tasks.store.artifacts.cache import fetch
        from tasks.store.artifacts.commit import commit
        from tasks.store.artifacts.images import read_image, write_image
        from tasks.store.releases.live import read_live
        from tasks.store.releases.releases import write_release
        from tasks.store.releases.swap import swap_live

        rows = self.rows() if rows is None else rows
        for color in COLORS:
            for shape in SHAPES:
                image = draw_product(color, shape)
                write_image(self.store, hashlib.sha256(image).hexdigest(), image)
        model = self.model(seed)
        encoder = self._encoder(Encoder, fetch(self.store, model), seed)
        vectors = encoder.encode_images([read_image(self.store, row["image_sha256"]) for row in rows])
        queries = encoder.encode_texts([row["title"] for row in rows])
        built = build_index(vectors, queries, IndexConfig(kind="flat"))
        folder = Path(self.settings.store_cache) / f"index-{name}"
        folder.mkdir(parents=True)
        save_index(built, folder / "index.faiss")
        table = pa.Table.from_pylist(rows, schema=ITEMS)
        pq.write_table(table, folder / "items.parquet")
        listed = Path(self.settings.store_cache) / f"catalog-{name}"
        listed.mkdir()
        shutil.copy(folder / "items.parquet", listed)
        catalog = commit(self.store, "catalog", f"catalog-{name}", listed, recipe=1)
        summary = {"search_params": built.search_params, "items": len(rows), "dim": int(vectors.shape[1])}
        index = commit(
            self.store, "index", f"index-{name}", folder, recipe=1, parents={"model": model}, summary=summary
        )
        release = Release(
            id=name,
            created_at=datetime.now(UTC),
            catalog=catalog.ref,
            model=model,
            index=index.ref,
            lexical=self.word_index(name, table) if words else None,
            classifier=classifier,
            items=len(rows),
            why="test",
        )
        write_release(self.store, release)
        swap_live(self.store, self.channel, name, reason="test", run=None, expected=read_live(self.store, self.channel))
        return release

    def word_index(self, name: str, table: pa.Table) -> ArtifactRef:
        """The word index of a table of items, stored."""
        from tasks.lexical.config import LexicalConfig
        from tasks.lexical.index import index_words, save_words
        from tasks.store.artifacts.commit import commit

        with tempfile.TemporaryDirectory() as folder:
            save_words(index_words(table, LexicalConfig()), Path(folder))
            return commit(self.store, "lexical", f"words-{name}", Path(folder), recipe=1).ref

    def read_shop(self) -> None:
        """Store the catalogue that every release names, as if the shop was read just now."""
        from tasks.store.artifacts.commit import commit

        with tempfile.TemporaryDirectory() as scratch:
            pq.write_table(pa.Table.from_pylist(self.rows(), schema=ITEMS), Path(scratch) / "items.parquet")
            commit(self.store, "catalog", "tiny", Path(scratch), recipe=1)

    def take_down(self, *items: str) -> Release:
        """Publish the live release with exactly these products taken down: none brings all back."""
        from tasks.schema.tables import REMOVALS
        from tasks.store.releases.live import read_live
        from tasks.store.releases.releases import read_release
        from tasks.store.releases.removals import store_removals, with_removals
        from tasks.store.releases.swap import swap_live

        state = read_live(self.store, self.channel)
        assert state is not None
        live = read_release(self.store, state.pointer.release)
        rows = [{"item_id": one, "reason": "test", "removed_at": datetime.now(UTC), "run": ""} for one in items]
        removals = store_removals(self.store, pa.Table.from_pylist(rows, schema=REMOVALS))
        release = with_removals(self.store, live, removals, parent=live.id, why="test", run=None)
        swap_live(self.store, self.channel, release.id, reason="test", run=None, expected=state, keep_previous=True)
        return release

    def _encoder(self, kind: Any, folder: Path, seed: int) -> Any:
        if seed not in self._encoders:
            self._encoders[seed] = kind.load(folder, device="cpu")
        return self._encoders[seed]


def _shop(root: Path) -> TinyShop:
    settings = StoreSettings(store_uri=str(root / "store"), store_cache=root / "cache")
    return TinyShop(open_store(settings), settings)


@pytest.fixture(scope="session")
def tiny_store(tmp_path_factory: pytest.TempPathFactory) -> TinyShop:
    """A shop with one live release, ``first``. Shared by all tests: read it, do not publish into it."""
    shop = _shop(tmp_path_factory.mktemp("tiny"))
    shop.publish("first")
    return shop


@pytest.fixture
def own_store(tiny_store: TinyShop, tmp_path: Path) -> TinyShop:
    """A copy of ``tiny_store`` that the test may publish into, break or delete; nobody reads it yet.

    Apps of other tests may still read ``tiny_store``, and write and delete their leases during the copy.
    """
    others = shutil.ignore_patterns(LEASES)
    shutil.copytree(Path(tiny_store.settings.store_uri), tmp_path / "store", ignore=others)
    shop = _shop(tmp_path)
    shop._model.update(tiny_store._model)
    shop._encoders.update(tiny_store._encoders)
    return shop


@pytest.fixture
def empty_store(tmp_path: Path) -> TinyShop:
    """A shop in which nothing was published yet."""
    return _shop(tmp_path)


@pytest.fixture
def publish_next(own_store: TinyShop) -> Callable[..., Release]:
    """Publish a further release into ``own_store``: ``publish_next("second", rows=..., seed=...)``."""
    return own_store.publish
