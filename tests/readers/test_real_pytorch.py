"""Published architectures with random weights, built from their configuration classes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from benchmarks import peers
from torch import nn

from flatfield.checking import report_on
from flatfield.network import Layer, Network
from flatfield.report import Report

from .torch_reading import noise, read


@pytest.fixture(scope="module", autouse=True)
def _peers() -> None:
    try:
        peers.fetch()
    except peers.NotFetchedError as error:
        pytest.skip(f"the packages could not be fetched: {error}")


def built(package: str, names: str, *settings: Any, **keywords: Any) -> nn.Module:
    """Import a class, and build it; what the package itself warns of stays in here."""
    with peers.importable():
        module = __import__(package, fromlist=[names])
        torch.manual_seed(0)
        made: nn.Module = getattr(module, names)(*settings, **keywords)
        return made.eval()


def codes(report: Report) -> set[str]:
    return {finding.code for finding in report.findings}


def of(network: Network, operator: str) -> list[Layer]:
    return [layer for layer in network.layers if layer.operator == operator]


def test_a_diffusion_autoencoder_is_all_resize_convolution() -> None:
    module = built(
        "diffusers",
        "AutoencoderKL",
        block_out_channels=(16, 32, 32),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1,
        norm_num_groups=8,
    )
    network = read(module, noise(1, 3, 32, 32))
    resizes, strided = of(network, "Resize"), [layer for layer in network.layers if max(layer.stride) > 1][:2]
    assert [layer.name for layer in resizes] == [
        f"decoder.up_blocks.{i}.upsamplers.0.upsample_nearest2d" for i in range(2)
    ]
    assert {(layer.stride, layer.kernel, layer.mode) for layer in resizes} == {((2, 2), (2, 2), "nearest")}
    assert [(layer.operator, layer.stride, layer.padding) for layer in strided] == [
        ("Conv", (2, 2), ((0, 1), (0, 1)))
    ] * 2
    assert network.outputs == ("decoder.conv_out",)
    assert network.output_period(resizes[0]) == (4, 4)
    assert not {"FF001", "FF002", "FF003"} & codes(report_on(network))


def test_a_vocoder_has_four_layers_of_eight_taps_and_stride_four() -> None:
    with peers.importable():
        from transformers import SpeechT5HifiGanConfig

        config = SpeechT5HifiGanConfig(upsample_initial_channel=32)
    assert (config.upsample_rates, config.upsample_kernel_sizes) == ((4,) * 4, (8,) * 4)
    network = read(built("transformers", "SpeechT5HifiGan", config), noise(1, 8, 80))
    ups = of(network, "ConvTranspose")
    assert [layer.name for layer in ups] == [f"upsampler.{i}" for i in range(4)]
    assert {(layer.kernel, layer.stride, layer.padding) for layer in ups} == {((8,), (4,), ((2, 2),))}
    assert {(int(layer.overlap.min()), int(layer.overlap.max())) for layer in ups} == {(2, 2)}
    assert [network.output_period(layer) for layer in ups] == [(256,), (64,), (16,), (4,)]
    assert all(layer.unevenness is not None and 0.8 < layer.unevenness < 1.0 for layer in ups)
    assert network.outputs == ("conv_post",)
    report = report_on(network, rate=16000.0)
    assert "FF001" not in codes(report)
    assert {finding.layer for finding in report.findings if finding.code == "FF002"} == {layer.name for layer in ups}
    assert next(layer for layer in report.layers if layer.name == "upsampler.3").tones == (4000.0, 8000.0)


def test_a_segmentation_network_in_three_dimensions_overlaps_one_to_eight() -> None:
    network = read(built("monai.networks.nets", "UNet", 3, 1, 2, (16, 32, 64), (2, 2)), noise(1, 1, 16, 16, 16))
    ups = of(network, "ConvTranspose")
    assert [layer.name for layer in ups] == ["model.1.submodule.2.conv", "model.2.conv"]
    assert {(layer.kernel, layer.stride) for layer in ups} == {((3, 3, 3), (2, 2, 2))}
    assert {(int(layer.overlap.min()), int(layer.overlap.max())) for layer in ups} == {(1, 8)}
    assert [network.output_period(layer) for layer in ups] == [(4, 4, 4), (2, 2, 2)]
    assert [layer.weight_shape for layer in ups] == [(96, 16, 3, 3, 3), (32, 2, 3, 3, 3)]
    errors = {finding.layer for finding in report_on(network).findings if finding.code == "FF001"}
    assert errors == {layer.name for layer in ups}


@pytest.mark.parametrize("fake", [False, True])
def test_the_attention_and_embeddings_of_a_diffusion_transformer(fake: bool) -> None:
    module = built(
        "diffusers",
        "DiTTransformer2DModel",
        sample_size=16,
        num_layers=1,
        num_attention_heads=2,
        attention_head_dim=8,
        patch_size=2,
    )
    step, label = torch.tensor([10]), torch.tensor([1])
    network = read(module, noise(1, 4, 16, 16), fake=fake, keywords={"timestep": step, "class_labels": label})
    patch, back = network.layers
    assert (patch.operator, patch.stride, patch.kernel) == ("Conv", (2, 2), (2, 2))
    assert (back.name, back.operator, back.stride) == ("proj_out_2", "SubPixelConv", (2, 2))
    assert back.weight_shape == (16, 16)
    assert back.inputs == (patch.name,)
