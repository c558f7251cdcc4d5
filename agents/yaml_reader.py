"""Read YAML text as plain data and the line of every key.

The text is read as a graph of nodes, not as objects. So every duplicate key and foreign tag is found at once, no tag
builds an object, and aliases are counted as they unfold: a file whose aliases multiply is a problem, not a hang.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from agents.findings import KeyPath, dotted, shown
from agents.problems import InvalidFileError, Problem

if TYPE_CHECKING:
    from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

MAX_VALUES = 100_000
MAX_DEPTH = 50

_TOO_MANY = f"has more than {MAX_VALUES:,} values, aliases unfolded"
SHORTER = "a large network has a file of its own, topology: links.csv; count: 1000 makes many players of one row"
_TAG = "tag:yaml.org,2002:"
_BASES = {"0x": 16, "0o": 8, "0b": 2}
_BOOLEANS = {"true": True, "false": False}
_NOT_NUMBERS = {".inf": "inf", "-.inf": "-inf", "+.inf": "inf", ".nan": "nan"}


def compose(text: str, name: str) -> Node | None:
    """Return the root node of `text`, None where it is empty; `name` is the file's name in problems.

    Raises:
        InvalidFileError: The text has a syntax error.
    """
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        return _root(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _broken(name, mark.line + 1 if mark else 0, f"{error.problem or error.context}") from None
    except RecursionError:
        raise _broken(name, 0, "nested too deeply") from None
    except (YAMLError, ValueError, LookupError, ArithmeticError) as error:  # the parser's own bugs included
        position = getattr(error, "position", None)
        line = text[:position].count("\n") + 1 if isinstance(position, int) else 0
        raise _broken(name, line, (str(error) or type(error).__name__).splitlines()[0]) from None


def _root(text: str) -> Node | None:
    from ruamel.yaml import YAML
    from ruamel.yaml.composer import Composer, ComposerError

    class BoundedComposer(Composer):
        """Stops where `NodeReader` would refuse the rest: a key and its value are two nodes and one value."""

        nodes = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            self.nodes += 1
            if self.nodes > 2 * MAX_VALUES + 1:
                raise ComposerError(None, None, _TOO_MANY, self.parser.peek_event().start_mark)
            return super().compose_node(parent, index)

    yaml = YAML(typ="safe", pure=True)
    yaml.Composer = BoundedComposer
    yaml.composer.warn_double_anchors = False  # YAML 1.2 lets an anchor be set again
    root: Node | None = yaml.compose(text)
    return root


def _broken(name: str, line: int, cause: str) -> InvalidFileError:
    hint = "indent with spaces" if "'\\t'" in cause else SHORTER if cause == _TOO_MANY else ""
    return InvalidFileError([Problem(name, line, "", f"is not valid YAML: {cause}", hint)])


class NodeReader:
    """Turns a graph of nodes into plain data; `lines` has the line of every key, `problems` every mistake."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: dict[KeyPath, int] = {}
        self.problems: list[Problem] = []

    def _note(self, node: Node, path: KeyPath, message: str, suggestion: str = "") -> None:
        self.problems.append(Problem(self.name, line_of(node), dotted(path), message, suggestion))

    def value(self, node: Node, path: KeyPath) -> object:
        """Return the plain value of a node at `path`.

        Raises:
            InvalidFileError: The file has too many values, or nests them too deeply.
        """
        from ruamel.yaml.nodes import MappingNode, ScalarNode

        self.lines.setdefault(path, line_of(node))
        if len(self.lines) > MAX_VALUES:
            raise InvalidFileError([Problem(self.name, line_of(node), "", _TOO_MANY, SHORTER)])
        if len(path) > MAX_DEPTH:
            raise InvalidFileError([Problem(self.name, line_of(node), "", "nested too deeply")])
        if isinstance(node, ScalarNode):
            return self._scalar(node, path)
        if node.tag not in (f"{_TAG}map", f"{_TAG}seq"):
            self._note(node, path, f"the tag {node.tag} is not used here")
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]

    def _mapping(self, node: MappingNode, path: KeyPath) -> dict[str, object]:
        data: dict[str, object] = {}
        first: dict[str, int] = {}
        for key_node, value_node in self._pairs(node, path):
            key = str(key_node.value)
            at = (*path, key)
            if key in first:
                earlier = f"first in line {first[key]}"
                self._note(key_node, at, f"the key {key!r} is given twice", earlier)
                continue
            first[key] = self.lines[at] = line_of(key_node)
            data[key] = self.value(value_node, at)
        for source in self._merged(node, path):
            data = {**source, **data}
        return data

    def _pairs(self, node: MappingNode, path: KeyPath) -> Iterator[tuple[ScalarNode, Node]]:
        from ruamel.yaml.nodes import ScalarNode

        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                self._note(key_node, path, "a key is plain text, not a list or a mapping")
            elif key_node.tag != f"{_TAG}merge":
                yield key_node, value_node

    def _merged(self, node: MappingNode, path: KeyPath) -> Iterator[dict[str, object]]:
        """Yield the mappings that `<<` keys merge, nearest first."""
        for key_node, value_node in node.value:
            if key_node.tag == f"{_TAG}merge":
                value = self.value(value_node, (*path, "<<"))
                for source in value if isinstance(value, list) else [value]:
                    if isinstance(source, dict):
                        yield source
                    else:
                        self._note(key_node, (*path, "<<"), f"{shown(source)} is not a mapping to merge")

    def _scalar(self, node: ScalarNode, path: KeyPath) -> object:
        tag = str(node.tag)
        kind = tag.removeprefix(_TAG)
        try:
            return _scalar(kind, node.value)
        except KeyError:
            self._note(node, path, f"the tag {tag} is not used here")
        except ValueError:
            self._note(node, path, f"{shown(node.value)} is not a {kind}")
        return str(node.value)


def line_of(node: Node) -> int:
    """Return the line that a node begins on, from 1."""
    return int(node.start_mark.line) + 1


def _scalar(kind: str, text: str) -> object:
    """Return a YAML 1.2 scalar; dates stay text. Raises ValueError for a wrong text, KeyError for another kind."""
    if kind in ("str", "timestamp", "merge", "value"):
        return text
    if kind == "null":
        return None
    if kind == "bool":
        if text.lower() not in _BOOLEANS:
            raise ValueError(text)
        return _BOOLEANS[text.lower()]
    plain = text.replace("_", "").lower()
    if kind == "int":
        return int(plain, _BASES.get(plain.lstrip("+-")[:2], 10))
    if kind == "float":
        return float(_NOT_NUMBERS.get(plain, plain))
    raise KeyError(kind)
