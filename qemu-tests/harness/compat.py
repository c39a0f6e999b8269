"""Parses COMPAT.md: its rows, their count, and the proofs they name."""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

#: The header and the delimiter line of a table.
HEAD = re.compile(r"\| #|\|-")

#: A Rust test: its attribute, or the macro that runs it in a network namespace.
TEST = re.compile(r"(?:#\[test\]|in_namespace! \{)\s*(?:(?:#\[[^\n]*\]|//[^\n]*)\s*)*fn (\w+)")


@dataclass(frozen=True)
class Row:
    number: int
    same: bool
    proofs: list[str]


def rows(page: str) -> list[Row]:
    """The rows of all tables; ValueError for an invalid row."""
    return [_row(line) for line in page.splitlines()
            if line.startswith("|") and not HEAD.match(line)]


def _row(line: str) -> Row:
    cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
    if len(cells) != 6 or not all(cells):
        raise ValueError(f"not a row of six cells: {line}")
    number, _, _, _, verdict, proof = cells
    if not re.fullmatch(r"same\b.*|different: .+", verdict):
        raise ValueError(f"neither `same` nor `different: REASON`: {line}")
    return Row(int(number), verdict.startswith("same"), re.findall(r"`([^`]+)`", proof))


def count(found: list[Row]) -> str:
    """The sentence with the counts at the top of the page."""
    same = sum(row.same for row in found)
    return f"{len(found)} rows: {same} same, {len(found) - same} different."


def dangling(page: str, known: set[str]) -> list[str]:
    """The rows without a proof, and the proofs that do not exist: one message each, with the
    line in COMPAT.md and similar names."""
    problems = []
    for number, line in enumerate(page.splitlines(), 1):
        if not line.startswith("|") or HEAD.match(line):
            continue
        row = _row(line)
        where = f"COMPAT.md:{number}: row {row.number}"
        if not row.proofs:
            problems.append(f"{where}: no proof")
        for proof in row.proofs:
            if proof not in known:
                similar = difflib.get_close_matches(proof, known, 3)
                hint = f"; similar: {', '.join(similar)}" if similar else ""
                problems.append(f"{where}: no case or test `{proof}`{hint}")
    return problems


def tests_in(text: str) -> set[str]:
    """The names of the tests in a Rust source file."""
    return set(TEST.findall(text))


def cargo_tests(repository: Path) -> set[str]:
    """The names of all Rust tests of ecs-init."""
    return set().union(*map(tests_in, _sources(repository)))


def _sources(repository: Path) -> Iterable[str]:
    for directory in ("src", "tests"):
        for path in (repository / directory).rglob("*.rs"):
            yield path.read_text()
