"""Run parameters of the index, the retrieval evaluation and a release's gates. Imports pydantic only."""

from typing import Literal, Self

from pydantic import Field, model_validator

from tasks.schema.config import Config

IndexKind = Literal["auto", "flat", "ivf_flat", "ivf_fp16", "ivf_sq8", "ivf_pq", "ivf_refine"]


class IndexConfig(Config):
    """Which FAISS index to build, and the recall it has to reach on text queries."""

    kind: IndexKind = Field(
        "auto",
        description="'auto' takes flat below flat_below items, ivf_fp16 from there on and ivf_refine from refine_from. "
        "Bytes for each number of a vector: flat, ivf_flat 4, ivf_fp16 2, ivf_sq8 1 (no faster, and may miss the "
        "target), ivf_refine 2.5 (half a byte is scanned, the best rows are reranked by the other 2). "
        "ivf_pq: pq_bytes in all",
    )
    flat_below: int = Field(5_000, ge=1, le=10_000_000, description="Items below which 'auto' searches exactly")
    refine_from: int = Field(
        250_000, ge=1_024, le=100_000_000, description="Items from which 'auto' takes ivf_refine, if no longer flat"
    )
    nlist: int | None = Field(
        None, ge=1, le=262_144, description="Cells of an IVF index; None: 4 sqrt(n), ivf_refine half"
    )
    training_points_per_list: int = Field(
        40, ge=1, le=256, description="Vectors per cell that k-means trains on, at random (FAISS wants 39 or more)"
    )
    pq_bytes: int = Field(64, ge=1, le=512, description="Bytes per vector of ivf_pq, lowered to a divisor of dim")
    recall_target: float = Field(
        0.98, gt=0, le=1, description="Recall against exact search, on text queries, that the search is tuned to reach"
    )
    recall_at: int = Field(10, ge=1, le=1000, description="Cut-off k of that recall")
    tuning_queries: int | None = Field(
        None,
        ge=10,
        le=10_000,
        description="Queries, drawn at random, that the search is tuned on; None: 500, ivf_refine 2,000",
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Seed of the training sample and of k-means")
    use_gpu: Literal["auto", "never", "require"] = Field(
        "auto",
        description="Train and fill (ivf_refine: train) IVF cells on GPUs: if FAISS sees one, never, or fail without",
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        faults = []
        if self.kind == "flat" and self.nlist is not None:
            faults.append(f"nlist={self.nlist} means nothing to kind='flat': drop nlist or take an ivf kind")
        if self.kind == "flat" and self.use_gpu == "require":
            faults.append("use_gpu='require' means nothing to kind='flat', which is not trained: take 'auto'")
        if self.kind == "auto" and self.nlist is not None and self.nlist > self.flat_below:
            faults.append(f"nlist={self.nlist} is more cells than flat_below={self.flat_below} items: lower nlist")
        if faults:
            raise ValueError("; ".join(faults))
        return self


class EvaluationConfig(Config):
    """Cut-offs, intervals and memory of a retrieval evaluation."""

    ks: tuple[int, ...] = Field((1, 5, 10), min_length=1, description="Cut-offs k of recall@k, rising")
    ndcg_at: int = Field(10, ge=1, le=1000, description="Cut-off of nDCG, and of precision for many-answer queries")
    bootstrap_samples: int = Field(1000, ge=100, le=100_000, description="Resamples of the queries behind an interval")
    confidence: float = Field(0.95, gt=0.5, lt=1, description="Share of the interval, e.g. 0.95")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Seed of the resampling")
    chunk_rows: int = Field(1024, ge=1, le=65_536, description="Queries scored at once; bounds memory, not the result")

    @model_validator(mode="after")
    def _agree(self) -> Self:
        faults = []
        if list(self.ks) != sorted(set(self.ks)):
            faults.append(f"ks={self.ks} must rise without repeats, e.g. {tuple(sorted(set(self.ks)))}")
        if any(not 1 <= k <= 1000 for k in self.ks):
            faults.append(f"ks={self.ks} must lie between 1 and 1000")
        if faults:
            raise ValueError("; ".join(faults))
        return self


class GateConfig(Config):
    """Quality gates of a new release. It is compared with the live release of the same shop."""

    item_band: float = Field(
        0.05, ge=0, le=10, description="Share by which the number of products may rise or fall at once"
    )
    deletes: float = Field(
        0.05, ge=0, le=1, description="Largest share of products gone at once; those taken down by hand do not count"
    )
    small_change: int = Field(
        5,
        ge=0,
        le=1000,
        description="Products that may always come or go: small shops change in large steps",
    )
    compare_recall: bool = Field(
        True, description="Refuse where recall@10 on the test split fell below the live release's by more than chance"
    )
    test_queries: int = Field(500, ge=20, le=10_000, description="Titles of the test split searched in both releases")
    golden_queries: str | None = Field(
        None,
        min_length=1,
        description="Your queries: a text file (path or s3://), one a line, # comments; after a tab, ids of products "
        "that must come among the first 10. Empty: short captions of the live catalogue",
    )
    golden_overlap: float = Field(
        0.85, ge=0, le=1, description="Least share of the first 10 answers to golden queries that stay; same model only"
    )
    self_test_seconds: float = Field(
        120, gt=0, le=3600, description="Time for the self-test of the written files in a process of its own"
    )
