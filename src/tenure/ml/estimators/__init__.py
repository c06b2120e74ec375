"""Estimators as bytes and back, one file per format; `registry.py` has them all. No format can run code."""
