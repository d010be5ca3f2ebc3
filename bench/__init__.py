"""Benchmarks: one module per promise, each measuring a peer or a limit in the same run.

A module of this package with a function `run() -> BenchResult` is a benchmark; its file name is its name.
"""
