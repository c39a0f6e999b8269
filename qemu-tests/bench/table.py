"""Figures side by side, as plain text."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A figure of ours, what it is held against in the same run, and what was
    recorded of the reference on another day."""

    what: str
    ours: float | None
    unit: str
    against: str = ""
    other: float | None = None
    recorded: float | None = None

    def cells(self) -> list[str]:
        ratio = ""
        if self.other and self.ours is not None:
            ratio = f"{self.ours / self.other:.2f}"
        return [self.what, number(self.ours), self.unit, ratio, self.against, number(self.other),
                number(self.recorded)]


HEAD = ["", "ecs-init", "", "ratio", "to", "", "recorded"]

#: Columns of numbers.
RIGHT = {1, 3, 5, 6}


def number(value: float | None) -> str:
    """Three digits that mean something, whole numbers as they are."""
    if value is None:
        return ""
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def table(rows: list[Row]) -> str:
    lines = [HEAD, *(row.cells() for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
    return "\n".join("  ".join(
        cell.rjust(width) if i in RIGHT else cell.ljust(width)
        for i, (cell, width) in enumerate(zip(line, widths))).rstrip() for line in lines)
