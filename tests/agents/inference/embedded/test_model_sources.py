"""Converting the packaged model prints no progress bars."""

from __future__ import annotations

import pytest

from agents.inference.embedded.model_sources import _without_progress_bars


@pytest.mark.slow
def test_conversion_hides_the_progress_bars_of_transformers(capsys: pytest.CaptureFixture[str]) -> None:
    from transformers import modeling_gguf_pytorch_utils as gguf_utils
    from transformers.utils import logging

    enabled = logging.is_progress_bar_enabled()
    with _without_progress_bars():
        assert list(gguf_utils.tqdm(range(3))) == [0, 1, 2]
        assert not logging.is_progress_bar_enabled()
    assert capsys.readouterr().err == ""
    assert list(gguf_utils.tqdm(range(3))) == [0, 1, 2]
    assert "3/3" in capsys.readouterr().err
    assert logging.is_progress_bar_enabled() is enabled
