"""The nightly flow: what changed in the shop since the live release becomes the next release. Scheduled.

python -m flows.reindex
"""

from typing import Any

from prefect import flow
from pydantic import Field

from flows.build_index import BuildIndexConfig, build_index
from flows.publish import PromoteConfig, promote
from flows.run_names import of_channel, run_name
from tasks.build_index import build_lexical
from tasks.clip.config import EmbedConfig
from tasks.gate import gate_release, read_golden_queries
from tasks.lexical.config import LexicalConfig
from tasks.plan_changes import plan_changes
from tasks.prepare_catalog import prepare_catalog, read_live_shop
from tasks.publish import make_release, say_nothing_changed
from tasks.retrieval.config import GateConfig, IndexConfig
from tasks.schema.command import run_from_terminal
from tasks.schema.config import Config
from tasks.schema.release import CHANNEL, ReleaseParts
from tasks.stages.embedding import require_engine


class ReindexConfig(Config):
    """Which channel to keep fresh, and from where."""

    channel: str = Field("production", description="Channel whose live release is brought up to date", pattern=CHANNEL)
    source: str | None = Field(
        None, description="The shop's table or ABO folder; empty: where the live release's catalogue came from"
    )
    reread_pictures: bool = Field(
        False, description="Read every image of the shop again, also where size and time, or ETag, are as last night"
    )
    embed: EmbedConfig = Field(EmbedConfig(), description="How new images are embedded")
    index: IndexConfig = Field(IndexConfig(), description="Kind of index and recall target")
    index_words: bool = Field(True, description="Index the shop's words beside the vectors")
    lexical: LexicalConfig = Field(LexicalConfig(), description="Which words count, and how much")
    gates: GateConfig = Field(GateConfig(), description="What the release has to prove before it may go live")
    publish_anyway: bool = Field(False, description="Publish even if a gate refuses: the release records that it did")


@flow(name="reindex", flow_run_name=run_name(of_channel))
def reindex(config: ReindexConfig = ReindexConfig()) -> dict[str, Any]:  # noqa: B008
    """New items become searchable, gone ones vanish; the model and the classifier stay those of the live release."""
    require_engine(config.embed)
    golden = read_golden_queries(config.gates)
    shop = read_live_shop(config.channel, config.source, config.reread_pictures)
    live = shop.release
    catalog = prepare_catalog(shop.config, parent=live.catalog)
    plan = plan_changes(live.catalog, catalog)
    if plan.is_empty:
        return say_nothing_changed(live)
    index = build_index(config.part(BuildIndexConfig, model=live.model, catalog=catalog, gate=False))
    words = build_lexical(catalog, config.lexical) if config.index_words else None
    parts = ReleaseParts(
        catalog=catalog, model=live.model, index=index, lexical=words, classifier=live.classifier, plan=plan.ref
    )
    report = gate_release(parts, config.channel, config.gates, golden, always_compare=True)
    release = make_release(
        parts, report, config.channel, "nightly reindex", notes=live.notes, publish_anyway=config.publish_anyway
    )
    pointer = promote(PromoteConfig(release=release, channel=config.channel, reason="nightly reindex"))
    return {"release": release, "generation": pointer.generation, "changes": plan.counts}


if __name__ == "__main__":
    run_from_terminal(reindex, ReindexConfig)
