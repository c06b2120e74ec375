"""`python -m tenure`: the same as the `tenure` command."""

from __future__ import annotations

from tenure.cli.main import main

main()
