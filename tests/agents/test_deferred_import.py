"""Deferred imports: what OASIS takes from large packages comes when it is used, and is then the real thing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from agents import oasis_import
from agents.deferred_import import deferred_names

NUMBERS = "def double(n): return 2 * n\nclass Box:\n    def __init__(self, n): self.n = n\nother = 5\n"


@pytest.fixture
def big(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """A module that nobody has imported."""
    name = f"big_{request.node.name}"
    (tmp_path / f"{name}.py").write_text(NUMBERS)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


def _taken(name: str, what: str) -> object:
    return getattr(__import__(name), what)


def test_deferred_name_imports_its_module_when_called(big: str) -> None:
    with deferred_names({big: ("double",)}):
        double = _taken(big, "double")
    assert big not in sys.modules
    assert double(4) == 8  # type: ignore[operator]
    assert big in sys.modules


def test_deferred_call_is_made_when_its_result_is_used(big: str) -> None:
    with deferred_names({big: ("Box",)}):
        box = _taken(big, "Box")(3)  # type: ignore[operator]
    assert big not in sys.modules
    assert box.n == 3


def test_other_name_of_a_deferred_module_loads_it(big: str) -> None:
    with deferred_names({big: ("double",)}):
        assert _taken(big, "other") == 5
        assert _taken(big, "double")(1) == 2  # type: ignore[operator]


def test_imported_module_is_not_deferred() -> None:
    with deferred_names({"json": ("dumps",)}):
        import json

        assert type(json.dumps).__name__ == "function"


def test_known_value_is_given_without_the_module(big: str) -> None:
    with deferred_names({big: ("double",)}, {big: {"other": 6}}):
        assert _taken(big, "other") == 6
    assert big not in sys.modules


def test_call_of_a_deferred_call_waits_too(big: str, tmp_path: Path) -> None:
    (tmp_path / f"{big}.py").write_text("def adder(n):\n    return lambda m: n + m\n")
    with deferred_names({big: ("adder",)}):
        five = _taken(big, "adder")(2)(3)  # type: ignore[operator]
    assert big not in sys.modules
    assert five.__index__() == 5


def test_missing_module_is_missing_as_before() -> None:
    with deferred_names({"no_such_module_at_all": ("name",)}), pytest.raises(ModuleNotFoundError):
        __import__("no_such_module_at_all")


OASIS = """
import sys
from agents.oasis_import import contained_import
with contained_import():
    import oasis.social_platform.recsys as recsys
large = ("sentence_transformers", "transformers", "sklearn", "neo4j")
assert not [name for name in large if name in sys.modules], "imported at once"
import sklearn.metrics.pairwise, sklearn.feature_extraction.text, sentence_transformers
assert type(recsys.tfidf_vectorizer.fit_transform(["a bb", "bb cc"])).__name__ == "csr_matrix"
assert isinstance(recsys.tfidf_vectorizer._real(), sklearn.feature_extraction.text.TfidfVectorizer)
own = sklearn.metrics.pairwise.cosine_similarity([[1, 0]], [[1, 1]])
assert (recsys.cosine_similarity([[1, 0]], [[1, 1]]) == own).all()
assert recsys.SentenceTransformer._real() is sentence_transformers.SentenceTransformer
from oasis.social_agent import agent_graph
import neo4j
assert agent_graph.GraphDatabase._real() is neo4j.GraphDatabase
print("real")
"""

TORCH = """
import sys
from types import SimpleNamespace
from agents.oasis_import import contained_import
with contained_import():
    from oasis.social_platform import process_recsys_posts, recsys
early = "torch" in sys.modules
import torch
assert early == (torch.version.cuda is not None or torch.version.hip is not None), "imported at once"
assert recsys.device == ("cuda" if torch.cuda.is_available() else "cpu")
assert recsys.torch.topk is process_recsys_posts.torch.topk is torch.topk
weight = torch.ones(2, requires_grad=True)
model = lambda x: SimpleNamespace(pooler_output=x * weight)
tokenizer = lambda texts, **named: {"x": torch.ones(len(texts), 2)}
vectors = process_recsys_posts.generate_post_vector(model, tokenizer, ["a", "b", "c"], 2)
assert vectors.shape == (3, 2) and not vectors.requires_grad
print("real")
"""


def test_oasis_reckons_with_the_real_torch(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", TORCH], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "real", done.stderr


@pytest.mark.parametrize(
    ("version", "cpu"),
    [("cuda = None", True), ("cuda = '12.8'", False), ("cuda = None\nhip = '6.1'", False), ("", False), ("(", False)],
)
def test_torch_built_for_a_gpu_is_imported_at_once(
    version: str, cpu: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"torch_{tmp_path.name}"
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").touch()
    (tmp_path / name / "version.py").write_text(version)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert oasis_import._built_for_cpu(name) is cpu
    assert not oasis_import._built_for_cpu("no_such_module_at_all")


def test_oasis_gets_the_real_packages_when_it_uses_them(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", OASIS], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "real", done.stderr


IGRAPH = """
from agents.oasis_import import contained_import
with contained_import():
    import oasis
import sys
assert "matplotlib.pyplot" not in sys.modules and "cairocffi" not in sys.modules
import igraph
import matplotlib
matplotlib.use("agg")
import matplotlib.pyplot as plt
figure, axes = plt.subplots()
drawn = igraph.plot(igraph.Graph.Ring(4), target=axes)
assert len(axes.get_children()) > 8
figure.savefig(sys.argv[1])
"""


def test_igraph_draws_with_the_real_packages(tmp_path: Path) -> None:
    picture = tmp_path / "ring.png"
    subprocess.run([sys.executable, "-c", IGRAPH, str(picture)], check=True, timeout=120)
    assert picture.read_bytes().startswith(b"\x89PNG")
