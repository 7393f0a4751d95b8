"""What a person may set about where the shards of a stage are computed."""

from typing import Literal

from pydantic import Field, model_validator

from tasks.schema.config import Config


class ComputeConfig(Config):
    """Who computes shards, and what each worker process is given. What is computed does not depend on it."""

    engine: Literal["here", "ray"] = Field(
        default="here",
        description=(
            "here: the flow's own process, one shard after another. ray: worker processes on the Ray cluster that the "
            "environment's RAY_ADDRESS names, where it is unset on all of this machine; needs product-search[ray]"
        ),
    )
    workers: int | None = Field(
        default=None, ge=1, le=4096, description="Worker processes on Ray (blank: as many as the cluster has room for)"
    )
    gpus_per_worker: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="GPUs of one worker; below 1, workers share one (blank: 1 where the cluster has GPUs, else 0)",
    )
    cpus_per_worker: int | None = Field(
        default=None,
        ge=1,
        le=256,
        description="Cores of one worker, and its threads of computation (blank: a GPU's share of its node; else 1)",
    )

    @model_validator(mode="after")
    def _only_ray_has_workers(self) -> "ComputeConfig":
        given = [name for name in ("workers", "gpus_per_worker", "cpus_per_worker") if getattr(self, name) is not None]
        if self.engine == "here" and given:
            raise ValueError(f"{' and '.join(given)} set, but engine is 'here': leave blank, or set engine to 'ray'")
        return self
