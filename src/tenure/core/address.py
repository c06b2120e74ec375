"""Addresses: `model/stage/noun`, the same in YAML references, plan, state, logs and errors."""

from __future__ import annotations

import re

NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


class Address(str):
    """`churn/training/model`. A plain string with named parts, so that it is JSON as it stands."""

    __slots__ = ()

    @classmethod
    def of(cls, model: str, local: str) -> Address:
        """The address of the `stage/noun` of one model."""
        return cls(f"{model}/{local}")

    @property
    def model(self) -> str:
        return self.split("/", 1)[0]

    @property
    def local(self) -> str:
        """`stage/noun`: the address within its model."""
        return self.split("/", 1)[1]

    @property
    def stage(self) -> str:
        return self.split("/")[1]

    @property
    def noun(self) -> str:
        return self.split("/")[2]
