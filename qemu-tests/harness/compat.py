"""COMPAT.md as data: its rows, their count, and which proofs there are to name."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

#: What stands before the first row of a table.
HEAD = re.compile(r"\| #|\|-")

#: A test: its attribute, or the macro that runs it in a namespace of its own.
TEST = re.compile(r"(?:#\[test\]|in_namespace! \{)\s*(?:(?:#\[[^\n]*\]|//[^\n]*)\s*)*fn (\w+)")


@dataclass(frozen=True)
class Row:
    number: int
    same: bool
    proofs: list[str]


def rows(page: str) -> list[Row]:
    """The rows of all tables. A line of a table that is none is a ValueError."""
    return [_row(line) for line in page.splitlines()
            if line.startswith("|") and not HEAD.match(line)]


def _row(line: str) -> Row:
    cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
    if len(cells) != 6 or not all(cells):
        raise ValueError(f"no row of six cells: {line}")
    number, _, _, _, verdict, proof = cells
    if not re.fullmatch(r"same\b.*|different: .+", verdict):
        raise ValueError(f"neither `same` nor `different: why`: {line}")
    return Row(int(number), verdict.startswith("same"), re.findall(r"`([^`]+)`", proof))


def count(found: list[Row]) -> str:
    """The sentence at the page's top."""
    same = sum(row.same for row in found)
    return f"{len(found)} rows: {same} same, {len(found) - same} different."


def tests_in(text: str) -> set[str]:
    """The names of the tests in a Rust source."""
    return set(TEST.findall(text))


def cargo_tests(repository: Path) -> set[str]:
    """The names of all of ecs-init's tests."""
    return set().union(*map(tests_in, _sources(repository)))


def _sources(repository: Path) -> Iterable[str]:
    for directory in ("src", "tests"):
        for path in (repository / directory).rglob("*.rs"):
            yield path.read_text()
