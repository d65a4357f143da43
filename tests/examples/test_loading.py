"""The table and `load`: seeded, without side effects, small, and no framework until one is loaded."""

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import torch

import flatfield.examples
from flatfield.examples import EXAMPLES, Example, load, names

SHAPES = {
    "autoencoder": ((1, 3, 32, 32), (1, 3, 32, 32)),
    "classifier": ((1, 3, 64, 64), (1, 10)),
    "unet3d": ((1, 1, 16, 16, 16), (1, 2, 16, 16, 16)),
    "vocoder": ((1, 80, 16), (1, 1, 4096)),
}
GENERATOR = ((1, 64), (1, 3, 32, 32))


@cache
def loaded(name: str, seed: int) -> Example:
    return load(name, seed)


def output(example: Example) -> torch.Tensor:
    with torch.no_grad():
        result = example.module(*example.inputs)
    assert isinstance(result, torch.Tensor)
    return result


def loaded_modules(code: str) -> set[str]:
    run = subprocess.run(
        [sys.executable, "-c", f"{code}; import sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(run.stdout.split())


def test_the_names_are_those_promised() -> None:
    assert names() == (
        *("autoencoder", "deconv", "deconv-4", "deconv-5", "deconv-last", "deconv-last-two", "resize"),
        *("resize-bilinear", "subpixel", "subpixel-icnr", "vocoder", "unet3d", "classifier"),
    )
    assert all(entry.description and "\n" not in entry.description for entry in EXAMPLES.values())


@pytest.mark.parametrize("name", names())
def test_shapes_mode_and_size(name: str) -> None:
    example = loaded(name, 0)
    inputs, outputs = SHAPES.get(name, GENERATOR)
    assert example.name == name
    assert example.description == EXAMPLES[name].description
    assert [tuple(x.shape) for x in example.inputs] == [inputs]
    assert tuple(output(example).shape) == outputs
    assert not any(part.training for part in example.module.modules())
    assert sum(x.numel() * x.element_size() for x in example.module.state_dict().values()) < 1_000_000


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("seed", [0, 1])
def test_the_untrained_output_is_not_degenerate(name: str, seed: int) -> None:
    deviation = output(loaded(name, seed)).std().item()
    assert 0.05 < deviation < 0.5


@pytest.mark.parametrize("name", names())
def test_the_seed_decides_weights_statistics_and_input(name: str) -> None:
    first, again, other = loaded(name, 0), load(name, seed=0), loaded(name, 1)
    assert torch.equal(first.inputs[0], again.inputs[0])
    assert not torch.equal(first.inputs[0], other.inputs[0])
    for key, value in first.module.state_dict().items():
        torch.testing.assert_close(again.module.state_dict()[key], value)
    different = [
        not torch.equal(p, q) for p, q in zip(first.module.parameters(), other.module.parameters(), strict=True)
    ]
    assert different[0]


@pytest.mark.parametrize("name", names())
def test_the_random_state_is_left_alone(name: str) -> None:
    torch.manual_seed(11)
    expected = torch.rand(4)
    torch.manual_seed(11)
    load(name, seed=5)
    assert torch.equal(torch.rand(4), expected)


def test_the_number_of_threads_and_the_default_device_are_left_alone() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with torch.device("meta"):
            example = load("deconv-last")
            assert torch.empty(1).device.type == "meta"
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert {x.device.type for x in (*example.module.state_dict().values(), *example.inputs)} == {"cpu"}


def test_seeding_leaves_the_accelerators_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(seed: int) -> None:
        raise AssertionError(f"the accelerators were seeded with {seed}")

    monkeypatch.setattr(torch.cuda, "manual_seed_all", refuse)
    with pytest.raises(AssertionError, match="seeded with 0"):
        torch.manual_seed(0)  # what load must not call
    load("deconv")


def test_an_unknown_name_is_answered_with_the_names() -> None:
    with pytest.raises(ValueError, match=re.escape(f"no example 'decnov'; the examples are {', '.join(names())}")):
        load("decnov")


def test_listing_the_names_loads_no_framework() -> None:
    listed = loaded_modules("import flatfield.examples; flatfield.examples.names()")
    assert "flatfield.examples" in listed
    assert not {"torch", "numpy", "flatfield.examples.generator"} & listed


def test_the_test_above_can_fail() -> None:
    assert "torch" in loaded_modules("import flatfield.examples; flatfield.examples.load('vocoder')")


def test_every_file_is_reached_from_the_table_or_by_one_that_is() -> None:
    folder = Path(flatfield.examples.__file__).parent
    named = {entry.factory.split(":")[0] for entry in EXAMPLES.values()}
    parts = {"field", "seed", "statistics", "upsampling"}
    assert {path.stem for path in folder.glob("*.py")} == named | parts | {"__init__"}


def test_exports_are_sorted() -> None:
    assert flatfield.examples.__all__ == sorted(flatfield.examples.__all__)
