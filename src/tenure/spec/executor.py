"""Where work runs: the group `executor` of the project's configuration."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tenure.core.effect import Effect
from tenure.spec.base import FieldProblem, SpecModel, field


class LocalExecutorConfig(SpecModel):
    """Trials run on this machine."""

    type: Literal["local"] = field(Effect.OPERATE, "Work on this machine.")
    workers: int | None = field(
        Effect.OPERATE,
        "How many trials run at the same time, at most `training.limits.max_concurrent_trials` of one search. By "
        "default as many as there are cores. The result does not depend on it.",
        None,
        ge=1,
        le=1024,
        examples=[4],
    )


class Tls(SpecModel):
    """Certificates of a cluster whose connections are encrypted: PEM files on this machine."""

    ca: str = field(Effect.OPERATE, "The certificate of the authority.", examples=["/etc/dask/ca.pem"])
    cert: str = field(Effect.OPERATE, "The certificate to show.", examples=["/etc/dask/client.pem"])
    key: str = field(Effect.OPERATE, "The key of that certificate.", examples=["/etc/dask/client-key.pem"])


class DaskExecutorConfig(SpecModel):
    """Trials run on a Dask cluster: one that is there, or processes of this machine."""

    type: Literal["dask"] = field(Effect.OPERATE, "Work on a Dask cluster; needs `tenure[dask]`.")
    address: str | None = field(
        Effect.OPERATE,
        "Where the scheduler listens. Its workers need the same version of Tenure. Without it, processes of this "
        "machine are started and ended again.",
        None,
        pattern=r"^(tcp|tls|ws|wss)://.+$",
        examples=["tcp://scheduler.example.com:8786"],
    )
    workers: int | None = field(
        Effect.OPERATE,
        "How many processes of this machine; by default one for each core. A cluster with an address has its own "
        "number.",
        None,
        ge=1,
        le=1024,
        examples=[4],
    )
    tls: Tls | None = field(Effect.OPERATE, "For a scheduler at `tls://`: the certificates.", None)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.address and self.workers:
            raise FieldProblem(
                "the number of workers is that of the cluster",
                at=("workers",),
                hint="remove workers or address",
            )
        if self.address and self.address.startswith(("tls://", "wss://")) and not self.tls:
            raise FieldProblem("an encrypted connection needs certificates", at=("address",), hint="add tls")
        if self.tls and not (self.address and self.address.startswith(("tls://", "wss://"))):
            raise FieldProblem(
                "nothing is encrypted", at=("tls",), hint="give the address as tls://host:port"
            )
        return self


ExecutorConfig = Annotated[LocalExecutorConfig | DaskExecutorConfig, Field(discriminator="type")]
"""Every kind of executor."""
