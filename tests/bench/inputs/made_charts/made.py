"""Random data, and where it is written."""

import csv
import random
from pathlib import Path
from typing import Any

NAMES = [
    "Laptops",
    "Phones",
    "Tablets",
    "Monitors",
    "Cables",
    "Printers",
    "Cameras",
    "Routers",
    "Speakers",
    "Very satisfied",
    "North East",
    "Other",
]
SERIES = ["Oslo", "Rome", "Lima", "Cairo", "Plan", "Actual", "men", "women", "2022", "2023", "New York", "rest of world"]
Rows = list[tuple[str, str, float]]


class Made:
    """Random data, the same for the same seed."""

    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed)
        self.traits: dict[str, Any] = {}
        """What meta.json says of the chart beside its producer and type: title, y, logy, panels, …"""

    def names(self, low: int = 3, high: int = 9) -> list[str]:
        return self.random.sample(NAMES, self.random.randint(low, high))

    def series(self, low: int = 1, high: int = 4) -> list[str]:
        return self.random.sample(SERIES, self.random.randint(low, high))

    def scale(self) -> float:
        return self.random.choice([1, 1, 1, 10, 100, 1000, 25000, 1e6, 0.01])

    def value(self, scale: float, low: float = 5, high: float = 95) -> float:
        return float(f"{self.random.uniform(low, high) * scale:.4g}")

    def walk(self, number: int, scale: float) -> list[float]:
        value, values = self.random.uniform(20, 80), []
        for _ in range(number):
            value += self.random.uniform(-12, 12)
            values.append(float(f"{value * scale:.5g}"))
        return values

    def chance(self, share: float = 0.5) -> bool:
        return self.random.random() < share


def save(out: Path, name: str, rows: Rows) -> None:
    with (out / f"{name}.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["series", "x", "y"])
        writer.writerows(rows)
