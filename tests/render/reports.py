"""Reports: any that the schema allows, and one that a person would get."""

from __future__ import annotations

from hypothesis import strategies as st

from flatfield.report import (
    LEVELS,
    Finding,
    GradientReport,
    LayerReport,
    OverlapRange,
    ProbeLayerReport,
    ProbeReport,
    Report,
    ToneReport,
    UnreadReport,
)

HOSTILE = (
    "</script><script>alert(1)</script>",
    "[red]x[/red]",
    "[/]",
    ":ok:",
    "a\"b'c\\d",
    "line\nbreak\ttab\r",
    "\x1b[2J\x1b[31m",
    "\x00\x07\x9b",
    "größe/卷积",
    "\u202eright to left",
    "\u2028",
    "",
    " ",
    "{0} {}",
    "%s",
    "[click](http://example.org)",
    "../../etc/passwd",
)
"""Names that mean something to JSON, HTML, rich, a terminal, SARIF or a path."""

names = st.sampled_from(HOSTILE) | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
counts = st.integers(0, 2**70)
numbers = st.floats(allow_nan=False, allow_infinity=False)
axes = st.lists(st.integers(0, 1000), max_size=4).map(tuple)
pairs = st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), max_size=3).map(tuple)

findings = st.builds(
    Finding, code=st.sampled_from(["FF001", "FF009", "FF999"]) | names, level=st.sampled_from(LEVELS),
    layer=names, message=names, cure=names,
)  # fmt: skip
layers = st.builds(
    LayerReport, name=names, operator=st.sampled_from(["ConvTranspose", "Resize", "Conv"]) | names, kernel=axes,
    stride=axes, padding=pairs, dilation=axes, groups=counts, weight_shape=axes,
    overlap=st.builds(OverlapRange, least=counts, most=counts), unevenness=st.none() | st.floats(0, 1), period=axes,
    multiply_adds=counts, mode=names, input_size=axes, output_size=axes,
    phases=st.lists(numbers, max_size=40).map(tuple), tones=st.lists(numbers, max_size=5).map(tuple),
)  # fmt: skip
unread = st.builds(UnreadReport, name=names, operator=names, reason=names)
levels = st.none() | st.floats(0, 1)
probed = st.builds(
    ProbeLayerReport, name=names, operator=names, before=st.floats(0, 1), after=st.floats(0, 1), alone=levels,
    share=levels, peak_to_peak=st.none() | numbers, period=axes,
)  # fmt: skip
gradients = st.builds(
    GradientReport, unevenness=st.floats(0, 1), period=axes, inputs=counts, variance_unevenness=levels,
    jittered=levels, shifts=counts, strength=levels, chance=levels,
)  # fmt: skip
probes = st.builds(
    ProbeReport, unevenness=levels, peak_to_peak=st.none() | numbers, period=axes,
    layers=st.lists(probed, max_size=3).map(tuple), start=names, tile=st.lists(numbers, max_size=4).map(tuple),
    tile_shape=axes, tones=st.lists(st.builds(ToneReport, frequency=numbers, level=numbers), max_size=10).map(tuple),
    ramp=levels, stripes=levels, gradient=st.none() | gradients, unhonoured=st.lists(unread, max_size=2).map(tuple),
    missing=st.lists(unread, max_size=2).map(tuple),
)  # fmt: skip
reports = st.builds(
    Report, target=names, layers=st.lists(layers, max_size=4).map(tuple),
    findings=st.lists(findings, max_size=9).map(tuple), unread=st.lists(unread, max_size=3).map(tuple),
    inputs=st.lists(axes, max_size=3).map(tuple), rate=st.none() | numbers, probe=st.none() | probes,
    version=names,
)  # fmt: skip


def row(name: str, unevenness: float | None = 0.316, **facts: object) -> LayerReport:
    usual = {
        "operator": "ConvTranspose", "kernel": (3, 3), "stride": (2, 2), "padding": ((1, 1), (1, 1)),
        "dilation": (1, 1), "groups": 1, "weight_shape": (64, 32, 3, 3), "overlap": OverlapRange(1, 4),
        "period": (8, 8), "multiply_adds": 1_234_567, "phases": (2.0, 1.0, 1.0, 0.5),
    }  # fmt: skip
    return LayerReport(name=name, unevenness=unevenness, **{**usual, **facts})  # type: ignore[arg-type]


def told(layer: str, code: str = "FF001", level: str = "error") -> Finding:
    assert level in LEVELS
    return Finding(code, level, layer, "1 to 4 inputs write to an output", "use something flat")  # type: ignore[arg-type]


def one(name: str, target: str = "model.onnx") -> Report:
    """A report on one layer of that name, found fault with."""
    strange = UnreadReport(name, "Gather", f"{name} is strange")
    share = ProbeLayerReport(name, "ConvTranspose", 0.0, 0.5, alone=0.5, share=1.0, peak_to_peak=0.1, period=(2, 2))
    probe = ProbeReport(0.5, 0.1, (2, 2), (share,), unhonoured=(strange,))
    return Report(target, (row(name),), (told(name),), (strange,), probe=probe)
