"""SARIF: valid by the schema of the standard, with URIs that are URIs."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft7Validator, FormatChecker

from flatfield.render import render_sarif
from flatfield.render.sarif import target_uri
from flatfield.report import Report
from flatfield.rules import RULES

from .reports import HOSTILE, one, reports, told

# RFC 3986: a relative reference or a URI holds these characters, and % only before two hexadecimal digits
REFERENCE = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*")
TARGETS = {
    "model.onnx": "model.onnx",
    "models/up sampler.onnx": "models/up%20sampler.onnx",
    "package.module:factory": "package.module%3Afactory",
    "example:deconv": "example%3Adeconv",
    r"C:\models\my net.onnx": "file:///C:/models/my%20net.onnx",
    r"\\server\share\net.onnx": "file://server/share/net.onnx",
    "/srv/net.onnx": "/srv/net.onnx",
    "größe.onnx": "gr%C3%B6%C3%9Fe.onnx",
    "100%.onnx": "100%25.onnx",
    "a#b?c.onnx": "a%23b%3Fc.onnx",
}


def faults(log: str, schema: dict[str, Any]) -> list[str]:
    """What the schema finds wrong with a log."""
    checker = FormatChecker()
    checker.checks("uri-reference")(lambda text: bool(REFERENCE.fullmatch(text)))
    checker.checks("uri")(lambda text: bool(REFERENCE.fullmatch(text)) and ":" in text)
    validator = Draft7Validator(schema, format_checker=checker)
    return [f"{error.json_path}: {error.message:.100}" for error in validator.iter_errors(json.loads(log))]


@pytest.mark.parametrize("name", [*HOSTILE, *TARGETS])
def test_logs_are_valid(name: str, sarif_schema: dict[str, Any]) -> None:
    assert faults(render_sarif(one(name, target=name)), sarif_schema) == []


@given(report=reports)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_report_makes_a_valid_log(sarif_schema: dict[str, Any], report: Report) -> None:
    assert faults(render_sarif(report), sarif_schema) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda log: log.replace('"level": "error"', '"level": "fatal"'), "'fatal' is not one of"),
        (lambda log: log.replace('"uri": "model.onnx"', '"uri": "a b"'), "is not a 'uri-reference'"),
        (lambda log: log.replace('"ruleId": "FF001"', '"ruleId": 1'), "is not of type 'string'"),
    ],
)
def test_the_tests_above_can_fail(change: Any, fault: str, sarif_schema: dict[str, Any]) -> None:
    wrong = faults(change(render_sarif(one("up"))), sarif_schema)
    assert any(fault in line for line in wrong), wrong


@pytest.mark.parametrize(("target", "uri"), TARGETS.items())
def test_targets_as_uris(target: str, uri: str) -> None:
    assert target_uri(target) == uri
    assert REFERENCE.fullmatch(uri)
    parts = urlsplit(uri)
    assert parts.scheme in ("", "file")  # neither a module nor an example nor a drive is taken for a scheme
    assert unquote(uri).replace("/", "\\").endswith(target.replace("/", "\\").lstrip("\\"))


def test_a_result_points_at_its_rule_and_layer() -> None:
    run = json.loads(render_sarif(one("decoder.up")))["runs"][0]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == [rule.code for rule in RULES]
    assert all(
        rule["help"]["markdown"].startswith(rule["shortDescription"]["text"]) for rule in run["tool"]["driver"]["rules"]
    )
    (result,) = run["results"]
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == "FF001"
    assert result["message"]["text"] == "decoder.up: 1 to 4 inputs write to an output. Use something flat."
    location = result["locations"][0]
    assert location["logicalLocations"][0]["fullyQualifiedName"] == "decoder.up"
    assert location["physicalLocation"]["artifactLocation"] == {"uri": "model.onnx", "index": 0}


def test_a_rule_that_this_version_does_not_know_has_no_index() -> None:
    (result,) = json.loads(render_sarif(Report("m", findings=(told("up", "FF777"),))))["runs"][0]["results"]
    assert result["ruleId"] == "FF777"
    assert "ruleIndex" not in result
