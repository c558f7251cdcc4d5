"""A YAML file knows where everything stands, and tells of everything that is wrong with it."""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.findings import Finding
from agents.problems import InvalidFileError
from agents.yaml_file import MAX_BYTES, display, find_file, parse_yaml, read_yaml

TEXT = """\
# a comment
name: x  # another

rows:
  - id: a
    tags: [one,
           two]
  - {id: b}
"""


def problems_of(text: str) -> list[str]:
    with pytest.raises(InvalidFileError) as caught:
        parse_yaml(text, "f.yaml")
    return [str(problem) for problem in caught.value.problems]


class TestLocate:
    @pytest.mark.parametrize(
        ("path", "line"),
        [
            (("name",), 2),
            (("rows",), 4),
            (("rows", 0), 5),
            (("rows", 0, "id"), 5),
            (("rows", 0, "tags", 1), 7),
            (("rows", 1, "id"), 8),
        ],
    )
    def test_locate_gives_the_line_of_a_key_or_entry(self, path: tuple[str | int, ...], line: int) -> None:
        assert parse_yaml(TEXT, "f").locate(path) == line

    @pytest.mark.parametrize(
        ("path", "line"), [(("rows", 0, "absent"), 5), (("rows", 9, "id"), 4), (("absent",), 2), ((), 2)]
    )
    def test_locate_falls_back_to_the_enclosing_key(self, path: tuple[str | int, ...], line: int) -> None:
        assert parse_yaml(TEXT, "f").locate(path) == line


class TestScalars:
    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("1", 1),
            ("-0x1f", -31),
            ("0o17", 15),
            ("1_000", 1000),
            ("1e3", 1000.0),
            (".inf", float("inf")),
            ("-.5", -0.5),
            ("true", True),
            ("~", None),
            ("", None),
            ("yes", "yes"),
            ("'1'", "1"),
            ("2024-01-02", "2024-01-02"),
            ("!!str 1", "1"),
            ("|\n  two\n  lines\n", "two\nlines\n"),
        ],
    )
    def test_scalars_are_read_by_yaml_1_2(self, text: str, value: object) -> None:
        found = parse_yaml(f"key: {text}\n", "f").data["key"]
        assert found == value
        assert type(found) is type(value)

    def test_merge_keys_add_missing_keys(self) -> None:
        file = parse_yaml("base: &b {x: 1, y: 2}\nrow:\n  <<: *b\n  y: 3\n", "f")
        assert file.data["row"] == {"x": 1, "y": 3}


class TestProblems:
    def test_a_syntax_error_has_its_line(self) -> None:
        assert problems_of("a: 1\nb: [1,\n") == [
            "f.yaml:3: is not valid YAML: expected the node content, but found '<stream end>'"
        ]

    def test_a_tab_in_the_indentation_has_a_hint(self) -> None:
        (problem,) = problems_of("a:\n\tb: 1\n")
        assert problem.startswith("f.yaml:2: ")
        assert problem.endswith("(indent with spaces)")

    @pytest.mark.parametrize("text", ["- a\n- b\n", "just text\n"])
    def test_anything_but_a_mapping_is_refused(self, text: str) -> None:
        assert problems_of(text) == ["f.yaml:1: is not a mapping of keys to values"]

    @pytest.mark.parametrize("text", ["", "# nothing\n"])
    def test_an_empty_file_is_reported_as_empty(self, text: str) -> None:
        assert problems_of(text) == ["f.yaml: is empty"]

    def test_every_duplicate_key_is_found_and_the_rest_stays_readable(self) -> None:
        file = parse_yaml("a: 1\nb:\n  c: 1\n  c: 2\na: 3\n", "f.yaml")
        assert file.data == {"a": 1, "b": {"c": 1}}
        assert [str(problem) for problem in file.problems] == [
            "f.yaml:4: b.c: the key 'c' is given twice (first in line 3)",
            "f.yaml:5: a: the key 'a' is given twice (first in line 1)",
        ]

    def test_yaml_tags_build_no_objects(self) -> None:
        file = parse_yaml("a: !!python/object/apply:os.getcwd []\nb: !mine x\nc: !!int x\n", "f.yaml")
        assert [(problem.line, problem.where) for problem in file.problems] == [(1, "a"), (2, "b"), (3, "c")]

    def test_a_key_that_is_no_text_is_a_problem(self) -> None:
        assert [problem.line for problem in parse_yaml("a: 1\n? [x]\n: 2\n", "f").problems] == [2]

    def test_an_alias_bomb_is_defused(self) -> None:
        letters = "abcdefghijkl"
        bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
            f"{letter}: &{letter} [{', '.join([f'*{before}'] * 10)}]\n"
            for before, letter in itertools.pairwise(letters)
        )
        (problem,) = problems_of(bomb)
        assert "more than 100,000 values" in problem

    @pytest.mark.parametrize(
        "text", ["a: &a [*a]", "a: &a {b: *a}", "a: " + "[" * 99 + "]" * 99, "a: " + "[" * 500 + "]" * 500]
    )
    def test_endless_nesting_is_a_problem(self, text: str) -> None:
        assert any("nested too deeply" in problem for problem in problems_of(text))

    @settings(deadline=None)
    @given(st.text(alphabet="ab01:-?!&*|>%@`'\"#,[]{}<~ \n\t\\.x\x00\ufeffé"))
    def test_any_text_is_read_or_a_problem(self, text: str) -> None:
        with contextlib.suppress(InvalidFileError):
            assert isinstance(parse_yaml(text, "f").data, dict)


class TestReading:
    def test_a_missing_file_is_a_problem(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidFileError, match="cannot be read: No such file"):
            read_yaml(tmp_path / "absent.yaml")

    def test_a_folder_is_a_problem(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidFileError, match="cannot be read: Is a directory"):
            read_yaml(tmp_path)

    def test_a_file_beyond_the_limit_is_not_parsed(self, tmp_path: Path) -> None:
        path = tmp_path / "large.yaml"
        path.write_bytes(b"#" * (MAX_BYTES + 1))
        with pytest.raises(InvalidFileError, match="larger than 1,000,000 bytes"):
            read_yaml(path)

    def test_bytes_that_are_not_utf8_have_their_line(self, tmp_path: Path) -> None:
        path = tmp_path / "latin.yaml"
        path.write_bytes("a: 1\nb: Gächter\n".encode("latin-1"))
        with pytest.raises(InvalidFileError) as caught:
            read_yaml(path)
        assert [problem.line for problem in caught.value.problems] == [2]

    def test_a_byte_order_mark_is_no_part_of_the_text(self, tmp_path: Path) -> None:
        path = tmp_path / "bom.yaml"
        path.write_bytes(b"\xef\xbb\xbfa: 1\n")
        assert read_yaml(path).data == {"a": 1}

    def test_display_shows_paths_from_the_working_directory(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert display(tmp_path / "sub" / "f.yaml") == str(Path("sub/f.yaml"))
        assert display(Path("/elsewhere/f.yaml")) == "/elsewhere/f.yaml"


SHIPPED = {"alpha": Path("/shipped/alpha.yaml"), "beta": Path("/shipped/beta.yaml")}


class TestFindFile:
    def test_find_file_finds_a_shipped_name(self) -> None:
        assert find_file("alpha", "roster", SHIPPED) == Path("/shipped/alpha.yaml")

    def test_find_file_takes_an_existing_file_first(self, tmp_path: Path) -> None:
        (tmp_path / "alpha").write_text("name: mine")
        assert find_file("alpha", "roster", SHIPPED, tmp_path) == tmp_path / "alpha"

    def test_find_file_gives_the_nearest_name_and_all(self) -> None:
        with pytest.raises(InvalidFileError, match=r"did you mean alpha\? shipped: alpha, beta"):
            find_file("alhpa", "roster", SHIPPED)

    @pytest.mark.parametrize("path", ["absent.yaml", "sub/absent", "\0", "x" * 5000])
    def test_find_file_of_any_path_finds_it_or_reports_it(self, path: str) -> None:
        with pytest.raises(InvalidFileError, match="there is no"):
            find_file(path, "roster", SHIPPED)


class TestOverrides:
    def test_override_replaces_a_value_and_leaves_the_file(self) -> None:
        file = parse_yaml(TEXT, "f")
        changed = file.override("rows.1.id", "c").override("rows.0.tags", "[x]").override("name", "3")
        assert changed.data == {"name": 3, "rows": [{"id": "a", "tags": ["x"]}, {"id": "c"}]}
        assert file.data["rows"][1] == {"id": "b"}

    def test_override_makes_missing_mappings(self) -> None:
        assert parse_yaml("a: 1\nempty:\n", "f").override("b.c.d", "1").override("empty.x", "2").data == {
            "a": 1,
            "b": {"c": {"d": 1}},
            "empty": {"x": 2},
        }

    def test_a_mistake_of_an_override_names_the_override(self) -> None:
        file = parse_yaml(TEXT, "f.yaml").override("rows.0.id", "bad").override("new.key", "1")
        blamed = [Finding(("rows", 0, "id"), "m"), Finding(("new",), "m"), Finding(("rows", 0, "tags"), "m")]
        assert [str(file.problem(finding)) for finding in blamed] == [
            "--set rows.0.id=bad: rows.0.id: m",
            "--set new.key=1: new: m",
            "f.yaml:6: rows.0.tags: m",
        ]

    @pytest.mark.parametrize(
        ("key", "text", "cause"),
        [
            ("rows.7.id", "x", "there is no entry '7'"),
            ("rows.-1.id", "x", "there is no entry '-1'"),
            ("name.x", "1", "'x' has no keys below it"),
            ("name", "[", "is not valid YAML"),
            ("name", "{a: 1, a: 2}", "is given twice"),
        ],
    )
    def test_an_override_that_cannot_be_set_names_its_key(self, key: str, text: str, cause: str) -> None:
        with pytest.raises(InvalidFileError) as caught:
            parse_yaml(TEXT, "f").override(key, text)
        (problem,) = caught.value.problems
        assert str(problem).startswith(f"--set {key}={text}: {key}: ")
        assert cause in problem.message
