"""What the packages export: sorted, there, and explained by an example that runs."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from dataclasses import is_dataclass
from types import ModuleType
from typing import Any

import pytest

import flatfield


def packages() -> list[str]:
    found = [one.name for one in pkgutil.walk_packages(flatfield.__path__, "flatfield.") if one.ispkg]
    return ["flatfield", *found]


def exporting() -> list[str]:
    return [name for name in packages() if hasattr(importlib.import_module(name), "__all__")]


def sorted_like_ruff(names: list[str]) -> list[str]:
    """Constants, then classes, then functions, numbers counted as numbers (ruff's RUF022)."""

    def key(name: str) -> tuple[int, list[tuple[int, str]]]:
        kind = 0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2
        return kind, [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]

    return sorted(names, key=key)


def unexplained(module: ModuleType, names: list[str]) -> list[str]:
    """Functions and classes without a worked example, and records (frozen data) without a word about their fields."""
    things = {name: getattr(module, name) for name in names}
    told = {
        name: manual(thing) for name, thing in things.items() if inspect.isfunction(thing) or inspect.isclass(thing)
    }
    return [name for name, text in told.items() if not text or (">>>" not in text and not is_dataclass(things[name]))]


def manual(thing: Any) -> str:
    """The docstring; of a class also those of its methods, and of the class it is a one-line case of."""
    if not inspect.isclass(thing):
        return thing.__doc__ or ""
    methods = [value for name, value in vars(thing).items() if not name.startswith("_")]
    inherited = [base for base in thing.__mro__ if base.__module__.startswith("flatfield.")]
    return "\n".join(inspect.getdoc(part) or "" for part in (*inherited, *methods))


@pytest.mark.parametrize("package", exporting())
def test_exports_are_sorted_and_there(package: str) -> None:
    module = importlib.import_module(package)
    assert list(module.__all__) == sorted_like_ruff(module.__all__)
    assert len(set(module.__all__)) == len(module.__all__)
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


@pytest.mark.parametrize("package", exporting())
def test_what_is_exported_is_explained_by_an_example(package: str) -> None:
    module = importlib.import_module(package)
    assert unexplained(module, module.__all__) == []


def test_what_people_import_is_exported() -> None:
    assert {"flatfield", "flatfield.core", "flatfield.examples", "flatfield.render", "flatfield.rules"} <= set(
        exporting()
    )


def test_the_tests_above_can_fail() -> None:
    assert sorted_like_ruff(["b", "Layer1", "Layer10", "Layer2", "FLAT", "a", "__version__"]) == [
        "FLAT", "Layer1", "Layer2", "Layer10", "__version__", "a", "b",
    ]  # fmt: skip

    def bare() -> None:
        """Without an example."""

    module = ModuleType("planted")
    module.bare = bare  # type: ignore[attr-defined]
    assert unexplained(module, ["bare"]) == ["bare"]
