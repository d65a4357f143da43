"""What the chapters say, against numbers worked out by hand and by `core`; the code they offer is run."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from flatfield.core import (
    Convolution,
    Interpolation,
    SubPixelConvolution,
    TransposedConvolution,
    Window,
    flat_weights,
    fold,
    overlap,
    phase_gains,
    unevenness,
)

Turn = Callable[..., None]
Said = Callable[[str, str], str]


def test_filter_by_hand(turn: Turn, said: Said) -> None:
    turn("gather", step=0)
    assert said("gather", "conv") == "1 to 7 come out as 14 20 26 32 38."
    assert said("gather", "spread") == "1 to 5 come out as 1 4 10 16 22 22 15."
    turn("gather", step=2)
    assert said("gather", "conv") == "Output 2 gathers 1·2 + 2·3 + 3·4 = 20."
    assert "1·2 = 2, 2·2 = 4, 3·2 = 6; outputs 2 to 4" in said("gather", "spread")


@pytest.mark.parametrize(
    ("stride", "kind", "output", "gains", "uneven"),
    [
        (1, "ones", "1 2 3 3 3 2 1", "3", "0.0000"),
        (1, "filter", "1 3 6 6 6 5 3", "6", "0.0000"),
        (2, "filter", "1 2 4 2 4 2 4 2 4 2 3", "4, 2", "0.3162"),
        (2, "ones", "1 1 2 1 2 1 2 1 2 1 1", "2, 1", "0.3162"),
        (2, "bilinear", "0.5 1 1 1 1 1 1 1 1 1 0.5", "1, 1", "0.0000"),
    ],
)
def test_uniform_by_hand(turn: Turn, said: Said, stride: int, kind: str, output: str, gains: str, uneven: str) -> None:
    turn("uniform", kernel=3, stride=stride, padding=0, dilation=1, weights=kind)
    assert said("uniform", "output") == output
    assert said("uniform", "gains") == gains
    assert said("uniform", "unevenness") == uneven
    assert ("flat" in said("uniform", "verdict")) == (uneven == "0.0000")


@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (5, 2), (4, 2), (5, 3), (2, 3)])
def test_patterns_multiply(turn: Turn, said: Said, kernel: int, stride: int) -> None:
    turn("overlap", kernel=kernel, stride=stride)
    assert said("overlap", "line") == ", ".join(map(str, overlap((kernel,), stride)))
    plane = overlap((kernel, kernel), stride)
    assert said("overlap", "plane") == ", ".join(map(str, plane.ravel()))
    u = unevenness(plane[..., None, None].astype(float))
    rule = said("overlap", "even")
    assert (": even." in rule) == (u == 0.0)
    assert u == 0.0 or f"{u:.3f} on the plane" in rule


def test_costs_of_the_design(turn: Turn, said: Said) -> None:
    turn("resize", channels=64, out=32, side=8, scale=2, kernel=3, mode="nearest")
    assert [said("resize", place) for place in ("image", "upsampled", "padded", "convolved")] == [
        "64 × 8 × 8", "64 × 16 × 16", "64 × 18 × 18", "32 × 16 × 16",  # noqa: RUF001 - as it is shown
    ]  # fmt: skip
    costs = [said("resize", f"{way}-each") for way in ("plain", "deconvolution", "phases", "mixing")]
    assert costs == ["36", "16", "16", "9"]
    assert said("resize", "plain-all") == f"{36 * 64 * 32 * 64:,}"


@pytest.mark.parametrize(
    ("channels", "out", "side", "scale", "kernel", "mode"),
    [(16, 128, 4, 3, 5, "nearest"), (128, 16, 64, 4, 7, "bilinear"), (48, 80, 20, 2, 3, "nearest")],
)
def test_shapes_and_costs(
    turn: Turn, said: Said, channels: int, out: int, side: int, scale: int, kernel: int, mode: str
) -> None:
    turn("resize", channels=channels, out=out, side=side, scale=scale, kernel=kernel, mode=mode)
    big = Interpolation((scale,), "nearest").as_matrix((side,)).shape[0]
    border = (kernel - 1) // 2
    padded = big + 2 * border
    behind = Convolution(np.ones((1, 1, kernel)), Window(1)).output_size((padded,))[0]
    assert behind == big
    for place, depth, size in (("image", channels, side), ("upsampled", channels, big), ("padded", channels, padded),
                               ("convolved", out, behind)):  # fmt: skip
        assert said("resize", place) == f"{depth} × {size} × {size}"  # noqa: RUF001 - as it is shown
    assert said("resize", "padding") == f"pad {border}"
    # plainly each of scale^2 outputs takes a whole kernel; folded, each weight of the folded kernel is used once
    folded = fold(Interpolation((scale, scale), "nearest"), np.ones((1, 1, kernel, kernel))).size
    each = {"plain": scale**2 * kernel**2, "deconvolution": (2 * scale) ** 2, "phases": folded, "mixing": kernel**2}
    for way, count in each.items():
        known = mode == "nearest" or way in ("plain", "deconvolution")
        assert said("resize", f"{way}-each") == (f"{count:,}" if known else "–")  # noqa: RUF001
        assert said("resize", f"{way}-all") == (f"{count * channels * out * side**2:,}" if known else "–")  # noqa: RUF001


def test_flat_weights_and_correction(page: Any, turn: Turn, said: Said) -> None:
    turn("flat", kernel=5, stride=2, draw=6)
    taps = np.array(page.evaluate("flatfield.weights.line('random', 5, 6)"))[None, None]
    change = np.linalg.norm(flat_weights(taps, 2) - taps) / np.linalg.norm(taps)
    assert said("flat", "before") == f"{unevenness(phase_gains(taps, 2)):.3f}"
    assert said("flat", "after") == "0.000"
    assert said("flat", "change") == f"{100 * change:.0f} %"
    assert said("flat", "free") == "4 of 5"
    assert float(said("flat", "corrected")) < 0.05 * float(said("flat", "seen"))


@pytest.mark.parametrize(("kernel", "stride", "draw"), [(4, 2, 9), (3, 2, 1), (8, 3, 17)])
def test_correction_as_in_a_camera(page: Any, turn: Turn, said: Said, kernel: int, stride: int, draw: int) -> None:
    turn("flat", kernel=kernel, stride=stride, draw=draw)
    weight = np.array(page.evaluate("a => flatfield.weights.plane('positive', ...a)", [kernel, draw]))
    y, x = np.mgrid[:28, :28]
    scene = np.where(y < 17 + 3 * np.sin(x / 3.6), 0.9 - 0.012 * y, 0.25 + 0.014 * y)
    layer = TransposedConvolution(weight[None, None], Window(2, stride=stride))
    seen = (layer.as_matrix(scene.shape, torus=True) @ scene.ravel()).reshape(28 * stride, -1)
    field = layer.gains()[..., 0, 0]
    corrected = seen * field.mean() / np.tile(field, (28, 28))
    inside = slice(2 * stride, -2 * stride)
    for name, picture in (("seen", seen), ("corrected", corrected)):
        cut = picture[inside, inside]
        phases = np.array([cut[a::stride, b::stride].mean() for a in range(stride) for b in range(stride)])
        assert said("flat", name) == f"{unevenness(phases[:, None, None]):.4f}"


def test_max_pooling(page: Any, turn: Turn, said: Said) -> None:
    turn("gradients", stride=2, jitter=1)
    field = np.array(page.evaluate("flatfield.gradients.scene(24)"))
    found = np.array(page.evaluate("([f]) => flatfield.gradients.jittered(f, 2, 1)", [field.tolist()]))
    truth = np.zeros_like(field)
    for y, x in itertools.product(range(0, 24, 2), repeat=2):
        a, b = np.unravel_index(field[y : y + 2, x : x + 2].argmax(), (2, 2))
        truth[y + a, x + b] = 1.0
    np.testing.assert_array_equal(found, truth)
    assert said("gradients", "pooled") == "144 of 576 inputs receive any gradient"


@pytest.mark.parametrize("kind", ["ones", "random", "positive", "bilinear"])
def test_stack_of_deconvolutions(page: Any, turn: Turn, said: Said, kind: str) -> None:
    turn("yours", type_a="deconvolution", kernel_a=3, scale_a=2, type_b="deconvolution", kernel_b=5, scale_b=3,
         type_c="none", type_d="none", weights=kind, draw=4)  # fmt: skip
    tile = np.ones((1, 1))
    for index, (kernel, scale) in enumerate([(3, 2), (5, 3)]):
        plane = np.array(page.evaluate("a => flatfield.weights.plane(...a)", [kind, kernel, 4 + 1000 * index]))
        layer = TransposedConvolution(plane[None, None], Window(2, stride=scale))
        tile = (layer.as_matrix(tile.shape, torus=True) @ tile.ravel()).reshape(len(tile) * scale, -1)
    rows = page.locator("#yours tbody tr")
    assert rows.count() == 2
    period = "6 × 6"  # noqa: RUF001 - as it is shown
    assert rows.nth(1).locator("td").all_inner_texts()[5:] == [period, f"{unevenness(tile.reshape(-1, 1, 1)):.3f}"]
    assert rows.nth(0).locator("td").all_inner_texts()[2] == "1..4"


@pytest.mark.parametrize("shifts", [1, 2, 9])
def test_max_pooling_with_jitter(page: Any, turn: Turn, said: Said, shifts: int) -> None:
    turn("gradients", stride=3, jitter=shifts)
    field = np.array(page.evaluate("flatfield.gradients.scene(24)"))
    total = np.zeros_like(field)
    for down, across in list(itertools.product(range(3), repeat=2))[:shifts]:
        moved, picked = np.roll(field, (down, across), (0, 1)), np.zeros_like(field)
        for y, x in itertools.product(range(0, 24, 3), repeat=2):
            a, b = np.unravel_index(moved[y : y + 3, x : x + 3].argmax(), (3, 3))
            picked[y + a, x + b] = 1.0
        total += np.roll(picked, (-down, -across), (0, 1))
    found = page.evaluate("([f, n]) => flatfield.gradients.jittered(f, 3, n)", [field.tolist(), shifts])
    np.testing.assert_allclose(found, total / shifts, atol=1e-12)
    assert said("gradients", "pooled") == f"{(total > 0).sum()} of 576 inputs receive any gradient"
    assert said("gradients", "shifts") == ("one pass, no jitter" if shifts == 1 else f"the mean of {shifts} shifts")


def layer_of(page: Any, step: tuple[str, int, int], kind: str, seed: int) -> TransposedConvolution | Convolution:
    """A layer of one's own stack, by `core`; resize-convolution is folded into one."""
    what, kernel, scale = step

    def plane(offset: int = 0) -> Any:
        return np.array(page.evaluate("a => flatfield.weights.plane(...a)", [kind, kernel, seed + offset]))

    if what == "deconvolution":
        return TransposedConvolution(plane()[None, None], Window(2, stride=scale))
    if what == "sub-pixel":
        phases = np.stack([plane(f) for f in range(scale * scale)])[:, None]
        return SubPixelConvolution(phases, (scale, scale), Window(2)).as_transposed()
    if what == "conv":
        return Convolution(plane()[None, None], Window(2))
    return TransposedConvolution(
        fold(Interpolation((scale, scale), "nearest" if what == "nearest" else "linear"), plane()[None, None]),
        Window(2, stride=scale),
    )


@pytest.mark.parametrize("kind", ["ones", "random", "positive", "bilinear"])
@pytest.mark.parametrize("steps", [
    [("sub-pixel", 3, 2), ("deconvolution", 4, 2), ("conv", 3, 1)],
    [("deconvolution", 2, 3), ("nearest", 3, 2), ("conv", 5, 1)],
    [("bilinear", 4, 2), ("sub-pixel", 2, 3), ("conv", 1, 1)],
])  # fmt: skip
def test_any_stack(page: Any, turn: Turn, kind: str, steps: list[tuple[str, int, int]]) -> None:
    (a, b, last) = steps
    turn("yours", type_a=a[0], kernel_a=a[1], scale_a=a[2], type_b=b[0], kernel_b=b[1], scale_b=b[2],
         type_c="none", type_d="conv", kernel_d=last[1], weights=kind, draw=3)  # fmt: skip
    told = [row.locator("td").all_inner_texts() for row in page.locator("#yours tbody tr").all()]
    tile = np.ones((1, 1))
    for index, (step, row) in enumerate(zip(steps, told, strict=True)):
        layer = layer_of(page, step, kind, 3 + 1000 * index)
        alone = layer.as_matrix((1, 1), torus=True).reshape(step[2], step[2])
        tile = (layer.as_matrix(tile.shape, torus=True) @ tile.ravel()).reshape(len(tile) * step[2], -1)
        gains = [float(gain) for gain in row[3].replace("/", " ").split()]
        np.testing.assert_allclose(gains, alone.ravel(), atol=0.0051)
        assert row[4] == f"{unevenness(alone.reshape(-1, 1, 1)):.3f}"
        assert row[5] == f"{len(tile)} × {len(tile)}"  # noqa: RUF001 - as it is shown
        assert row[6] == f"{unevenness(tile.reshape(-1, 1, 1)):.3f}"


@pytest.mark.parametrize("kind", ["nearest", "bilinear"])
def test_stack_of_resizes_is_flat(turn: Turn, said: Said, kind: str) -> None:
    turn("yours", type_a=kind, type_b=kind, type_c=kind, kernel_b=4, scale_c=3, type_d="conv", weights="random")
    assert said("yours", "verdict") == "The flat field comes out flat."


@pytest.mark.parametrize("kind", ["deconvolution", "sub-pixel", "nearest", "bilinear"])
@pytest.mark.parametrize(("kernel", "scale"), [(1, 2), (2, 3), (3, 2), (4, 2), (7, 3)])
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")  # PyTorch says it copies
def test_code_runs(turn: Turn, said: Said, kind: str, kernel: int, scale: int) -> None:
    torch = pytest.importorskip("torch")
    turn("yours", type_a=kind, kernel_a=kernel, scale_a=scale, type_b=kind, kernel_b=kernel, scale_b=2,
         type_c="none", type_d="conv", kernel_d=3)  # fmt: skip
    names: dict[str, Any] = {}
    exec(said("yours", "code"), names)
    with torch.no_grad():
        assert names["model"](torch.zeros(1, 64, 4, 4)).shape == (1, 3, 8 * scale, 8 * scale)


def test_nothing_chosen(turn: Turn, said: Said) -> None:
    turn("yours", type_a="none", type_b="none", type_c="none", type_d="none")
    assert said("yours", "verdict").startswith("No layer")
