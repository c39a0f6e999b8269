"""A table of measurements as plain text."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A measurement of ecs-init, the one it is compared with in the same run, and one recorded of
    the reference."""

    what: str
    value: float | None
    unit: str
    against: str = ""
    other: float | None = None
    recorded: float | None = None

    def cells(self) -> list[str]:
        ratio = ""
        if self.other and self.value is not None:
            ratio = f"{self.value / self.other:.2f}"
        return [self.what, number(self.value), self.unit, ratio, self.against, number(self.other),
                number(self.recorded)]


HEAD = ["", "ecs-init", "", "ratio", "to", "", "recorded"]

#: Columns of numbers.
RIGHT = {1, 3, 5, 6}


def number(value: float | None) -> str:
    """Three significant digits; whole numbers unchanged."""
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
