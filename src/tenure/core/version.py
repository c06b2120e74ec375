"""The version of the tool: written into plans and records, and read by the build."""

from __future__ import annotations

VERSION = "0.1.0"
