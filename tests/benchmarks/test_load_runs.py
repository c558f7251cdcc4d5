"""The benchmark of `load_runs` compares like with like, and a thousand runs load in the time that was promised."""

from __future__ import annotations

import time

import pandas as pd
import pytest

from benchmarks.load_runs import copies, naive, ours


@pytest.mark.slow
def test_a_thousand_runs_are_one_table_in_under_ten_seconds() -> None:
    with copies(1000) as folder:
        began = time.perf_counter()
        table = ours(folder, "outcomes")
        assert time.perf_counter() - began < 10
    assert table["run"].nunique() == 1000
    assert table.groupby("run", observed=True).size().nunique() == 1


@pytest.mark.slow
def test_both_contenders_come_to_the_same_rows() -> None:
    with copies(3) as folder:
        quick, plain = ours(folder, "messages"), naive(folder, "messages")
        for column in ("run", "seed", "sender", "audience", "text"):
            pd.testing.assert_series_equal(quick[column].astype(str), plain[column].astype(str))
