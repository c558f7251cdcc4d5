"""The benchmark of `load_runs` compares the same rows, and a thousand runs load in the documented time."""

from __future__ import annotations

import time

import pandas as pd
import pytest

from benchmarks.load_runs import copies, naive, ours


@pytest.mark.slow
def test_thousand_runs_load_in_under_ten_seconds() -> None:
    with copies(1000) as folder:
        began = time.perf_counter()
        table = ours(folder, "outcomes")
        assert time.perf_counter() - began < 10
    assert table["run"].nunique() == 1000
    assert table.groupby("run", observed=True).size().nunique() == 1


@pytest.mark.slow
def test_both_contenders_give_the_same_rows() -> None:
    with copies(3) as folder:
        quick, plain = ours(folder, "messages"), naive(folder, "messages")
        for column in ("run", "seed", "sender", "audience", "text"):
            pd.testing.assert_series_equal(quick[column].astype(str), plain[column].astype(str))
