"""Embedding in shards as plain functions: no Prefect, one store in a folder."""

import numpy as np
import pytest

from tasks.clip.config import EmbedConfig
from tasks.schema.errors import ArtifactMissing, ConfigError
from tasks.schema.manifest import ArtifactRef
from tasks.stages import embedding
from tasks.stages.embedding import RemoteWork, ShardPlan
from tasks.stages.encoders import load_encoder
from tasks.store.artifacts import embeddings
from tests.conftest import TinyShop

CATALOG = ArtifactRef(kind="catalog", id="catalog-first")
CONFIG = EmbedConfig(shard_size=5, batch_size=4, precision="fp32")


@pytest.fixture
def shop(own_store: TinyShop, monkeypatch: pytest.MonkeyPatch) -> TinyShop:
    own_store.name_in(monkeypatch)
    embedding._read_plan.cache_clear()
    return own_store


def plan_of(shop: TinyShop) -> ShardPlan:
    return embedding.plan_shards(shop.store, shop.model(), CATALOG, (), CONFIG)


def test_only_what_lacks_a_vector_is_planned_and_made(shop: TinyShop) -> None:
    store, model = shop.store, shop.model()
    plan = plan_of(shop)
    assert (plan.wanted, plan.images, plan.shards) == (12, 12, 3)
    first = embedding.shard_hashes(model, plan, 0)
    embedding.make_shard(store, model.id, plan.shard_name(0), first, load_encoder(model), CONFIG)
    assert embeddings.shard_exists(store, model.id, plan.shard_name(0))
    rest = plan_of(shop)
    assert (rest.wanted, rest.images, rest.shards) == (12, 7, 2)
    assert not set(first) & set(embedding.shard_hashes(model, rest, 0))
    vectors = embeddings.load_vectors(store, model.id, first)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)
    assert embedding.plan_shards(store, model, CATALOG, ("train",), CONFIG).wanted == 0, "all are in the test split"


def test_a_worker_refuses_another_store_or_other_code(shop: TinyShop) -> None:
    plan = plan_of(shop)
    work = RemoteWork(model=shop.model(), plan=plan, config=CONFIG, store=shop.store.root, code=None)
    hashes = embedding.shard_hashes(shop.model(), plan, 1)
    assert embedding.embed_remotely(work.model_dump_json(), 1, hashes) == len(hashes)
    assert embedding.embed_remotely(work.model_dump_json(), 1, hashes) == 0, "it is there"
    for changes, what in (({"store": "s3://elsewhere"}, "STORE_URI"), ({"code": "another"}, "same version")):
        with pytest.raises(ConfigError, match=what):
            embedding.embed_remotely(work.model_copy(update=changes).model_dump_json(), 2, hashes)


def test_a_plan_that_is_gone_says_what_to_do(shop: TinyShop) -> None:
    with pytest.raises(ArtifactMissing, match="start the flow again"):
        embedding.shard_hashes(shop.model(), ShardPlan(id="gone", shards=1, images=1, wanted=1), 0)
