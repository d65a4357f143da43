"""Report: JSON out and in again without loss, under the names that others rely on."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from flatfield.checking import report_on
from flatfield.network import Layer, Network, Unread, Weight
from flatfield.report import SCHEMA_VERSION, Finding, Report

from .render.reports import one, reports, told

LAYER_FIELDS = [
    *("name", "operator", "kernel", "stride", "padding", "dilation", "groups", "weight_shape", "overlap"),
    *("unevenness", "period", "multiply_adds"),
]
"""The names that others rely on (they are a contract: a change needs a new schema version)."""


def saved() -> dict[str, Any]:
    data = json.loads(one("up").to_json())
    assert isinstance(data, dict)
    return data


@given(reports)
@settings(max_examples=150, deadline=None)
def test_json_loses_nothing(report: Report) -> None:
    text = report.to_json()
    assert Report.from_json(text) == report
    assert Report.from_json(text).to_json() == text
    assert text.isascii()


def test_the_names_that_others_rely_on() -> None:
    data = saved()
    assert [name for name in data if name in ("schema_version", "target", "layers", "findings", "unread")] == list(
        data
    )[:5]
    assert data["schema_version"] == SCHEMA_VERSION == 1
    layer, finding, unread = data["layers"][0], data["findings"][0], data["unread"][0]
    assert list(layer)[: len(LAYER_FIELDS)] == LAYER_FIELDS
    assert layer["overlap"] == {"least": 1, "most": 4}
    assert [layer[name] for name in ("kernel", "stride", "period")] == [[3, 3], [2, 2], [8, 8]]
    assert list(finding) == ["code", "level", "layer", "message", "cure"]
    assert list(unread) == ["name", "operator", "reason"]


def test_the_words_of_the_operators_come_through() -> None:
    weight = Weight((1, 1, 3), lambda: np.ones((1, 1, 3)))
    up = Layer("up", "ConvTranspose", (3,), (2,), (4,), (9,), ((0, 0),), (1,), weight=weight, weight_shape=(1, 1, 3))
    network = Network("net", (up,), ("up",), (Unread("odd", "Gather", "moves positions"),), ((1, 1, 4),))
    data = json.loads(report_on(network, rate=8000.0).to_json())
    assert data["layers"][0] | {"phases": []} == {
        "name": "up", "operator": "ConvTranspose", "kernel": [3], "stride": [2], "padding": [[0, 0]],
        "dilation": [1], "groups": 1, "weight_shape": [1, 1, 3], "overlap": {"least": 1, "most": 2},
        "unevenness": pytest.approx(math.sqrt(0.1)), "period": [2], "multiply_adds": 0, "mode": "",
        "input_size": [4], "output_size": [9], "phases": [], "tones": [4000.0],
    }  # fmt: skip
    assert data["unread"] == [{"name": "odd", "operator": "Gather", "reason": "moves positions"}]
    assert (data["target"], data["inputs"], data["rate"]) == ("net", [[1, 1, 4]], 8000.0)


@pytest.mark.parametrize("level", ["error", "warning", "note"])
def test_at_or_above(level: Any) -> None:
    report = Report("net", findings=(told("a", "FF008", "note"), told("b"), told("c", "FF002", "warning")))
    expected = {"error": "b", "warning": "bc", "note": "abc"}[level]
    assert "".join(finding.layer for finding in report.at_or_above(level)) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("\x00", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("9" * 10_000, "not JSON"),
        ("[]", "no schema_version"),
        ("null", "no schema_version"),
        ('"schema_version"', "no schema_version"),
        ("{}", "no schema_version"),
        ('{"schema_version": 2}', "has schema_version 2, this flatfield reads 1"),
        ('{"schema_version": "1"}', "has schema_version '1'"),
        ('{"schema_version": null}', "has schema_version None"),
        ('{"schema_version": true, "target": ""}', "report.schema_version should be int, is True"),
        ('{"schema_version": 1}', "missing 1 required positional argument: 'target'"),
        ('{"schema_version": 1, "target": 5}', "report.target should be str, is 5"),
        ('{"schema_version": 1, "target": "", "extra": 0}', "report has an unknown field 'extra'"),
        ('{"schema_version": 1, "target": "", "rate": NaN}', "NaN is not a number"),
        ('{"schema_version": 1, "target": "", "rate": -Infinity}', "-Infinity is not a number"),
        ('{"schema_version": 1, "target": "", "rate": 1e999}', "report.rate is too large a number"),
        ('{"schema_version": 1, "target": "", "rate": 1' + "0" * 400 + "}", "report.rate is too large a number"),
        ('{"schema_version": 1, "target": "", "rate": true}', "report.rate should be float, is True"),
    ],
)
def test_what_is_no_report_is_refused_by_name(text: str, message: str) -> None:
    with pytest.raises(ValueError, match="report") as caught:
        Report.from_json(text)
    assert message in str(caught.value)


def broken(value: Any, path: str = "report") -> Iterator[tuple[str, Any]]:
    """Every way to put something of the wrong kind into one place of a saved report, with the place's name."""
    wrong: Any = {"a": 1} if not isinstance(value, dict) else [1]
    yield path, wrong
    if isinstance(value, dict):
        for key, inner in value.items():
            for place, instead in broken(inner, f"{path}.{key}"):
                yield place, {**value, key: instead}
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            for place, instead in broken(inner, f"{path}[{index}]"):
                yield place, [*value[:index], instead, *value[index + 1 :]]


def test_every_broken_place_is_named() -> None:
    places = [(place, data) for place, data in broken(saved()) if place not in ("report", "report.schema_version")]
    assert len(places) > 50
    for place, data in places:
        with pytest.raises(ValueError, match="not a flatfield report") as caught:
            Report.from_json(json.dumps(data))
        assert f"{place} " in str(caught.value), (place, str(caught.value))


def test_a_field_that_is_missing_is_named_with_its_place() -> None:
    for field in ("name", "overlap", "period"):
        data = copy.deepcopy(saved())
        del data["layers"][0][field]
        with pytest.raises(ValueError, match=rf"report\.layers\[0\].*'{field}'"):
            Report.from_json(json.dumps(data))


def test_a_level_that_does_not_exist_is_answered_with_those_that_do() -> None:
    data = saved()
    data["findings"][0]["level"] = "fatal"
    with pytest.raises(ValueError, match=r"findings\[0\]\.level is 'fatal', should be one of error, warning, note"):
        Report.from_json(json.dumps(data))


def test_what_json_can_not_say_is_never_written() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        Report("net", rate=math.nan).to_json()


@pytest.mark.parametrize("poison", [math.nan, math.inf, 1e308])
def test_weights_that_are_no_numbers_leave_no_nan_in_the_report(poison: float) -> None:
    weight = Weight((1, 1, 4), lambda: np.array([[[poison, 1.0, poison, -poison]]]))
    up = Layer("up", "ConvTranspose", (4,), (2,), (4,), (8,), ((0, 0),), (1,), weight=weight)
    report = report_on(Network("net", (up,), ("up",)))
    assert Report.from_json(report.to_json()) == report
    assert report.layers[0].unevenness is None or 0.0 <= report.layers[0].unevenness <= 1.0


def test_a_report_can_not_be_written_over() -> None:
    with pytest.raises(AttributeError):
        Finding("FF001", "error", "up", "", "").level = "note"  # type: ignore[misc]
