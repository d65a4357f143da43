"""The article's captions, on flat input: which periods each example's output has, and that there are no others."""

from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

from flatfield.core import FLAT, overlap, phase_gains, shuffle_gains, unevenness
from flatfield.examples import load, names
from flatfield.examples.autoencoder import Autoencoder
from flatfield.examples.generator import DcganGenerator
from flatfield.examples.upsampling import UPSAMPLING, icnr_convolution
from flatfield.examples.vocoder import Vocoder

# measured in float32: flat outputs depart from their mean by less than this
ROUNDING = 1e-5

PERIODS = {
    "deconv": 8,
    "deconv-4": 8,
    "deconv-5": 8,
    "deconv-last": 2,
    "deconv-last-two": 4,
    "resize": 1,
    "resize-bilinear": 1,
    "subpixel": 8,
    "subpixel-icnr": 1,
}


@cache
def generator(name: str, seed: int = 0) -> DcganGenerator:
    module = load(name, seed).module
    assert isinstance(module, DcganGenerator)
    return module


def painted_flat(module: DcganGenerator, seed: int = 0) -> Tensor:
    """What the stages make of 12 x 12 equal feature vectors, 32 pixels away from every border of 96 x 96."""
    channels = next(m for m in module.modules() if isinstance(m, nn.BatchNorm2d)).num_features
    vector = torch.rand(1, channels, 1, 1, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        picture = module.stages(vector.expand(1, channels, 12, 12))
    assert isinstance(picture, Tensor)
    return picture[..., 32:64, 32:64]


def least_period(signal: Tensor, candidates: tuple[int, ...]) -> int:
    """The least candidate whose shift leaves the signal unchanged along every spatial axis."""
    axes = range(2, signal.ndim)
    for period in candidates:
        shifts = [(signal.narrow(a, period, signal.shape[a] - period), a) for a in axes]
        if all((late - signal.narrow(a, 0, late.shape[a])).abs().max() < ROUNDING for late, a in shifts):
            return period
    raise AssertionError(f"no period among {candidates}")


def gains(module: nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d) -> npt.NDArray[np.float64]:
    return phase_gains(module.weight.detach().numpy(), module.stride)


def test_every_generator_has_its_caption() -> None:
    others = {"autoencoder", "vocoder", "unet3d", "classifier"}
    assert set(PERIODS) == set(names()) - others


@pytest.mark.parametrize(("name", "period"), PERIODS.items())
@pytest.mark.parametrize("seed", [0, 1])
def test_a_flat_field_comes_out_with_the_period_of_the_caption(name: str, period: int, seed: int) -> None:
    assert least_period(painted_flat(generator(name, seed), seed), (1, 2, 4, 8, 16)) == period


@pytest.mark.parametrize(("name", "period"), PERIODS.items())
def test_the_grid_of_the_captioned_is_plain_to_see_and_the_others_have_none(name: str, period: int) -> None:
    picture = painted_flat(generator(name)).numpy()[0, :, :8, :8]
    grid = unevenness(picture.transpose(1, 2, 0)[..., None])
    assert grid > 0.1 if period > 1 else grid < FLAT


@pytest.mark.parametrize(
    ("name", "kernel", "counts"),
    [
        ("deconv", 3, [4, 2, 2, 1]),
        ("deconv-4", 4, [4, 4, 4, 4]),
        ("deconv-5", 5, [9, 6, 6, 4]),
    ],
)
def test_deconvolutions_have_their_kernel_and_overlap(name: str, kernel: int, counts: list[int]) -> None:
    layers = [m for m in generator(name).modules() if isinstance(m, nn.ConvTranspose2d)]
    assert [layer.kernel_size for layer in layers] == [(kernel, kernel)] * 3
    assert overlap((kernel, kernel), 2).ravel().tolist() == counts
    assert all(unevenness(gains(layer)) > 0.1 for layer in layers)


@pytest.mark.parametrize("name", ["resize", "resize-bilinear"])
def test_resize_convolutions_keep_a_flat_field_flat_up_to_the_borders(name: str) -> None:
    module = generator(name)
    with torch.no_grad():
        picture = module.stages(torch.ones(1, 64, 4, 4))
    assert picture.flatten(2).std(dim=2).max() < ROUNDING


def test_icnr_starts_with_equal_phases_and_the_default_does_not() -> None:
    for name, flat in (("subpixel-icnr", True), ("subpixel", False)):
        layers = [m for m in generator(name).modules() if isinstance(m, nn.Conv2d)]
        assert len(layers) == 3
        for layer in layers:
            assert layer.bias is not None
            uneven = unevenness(shuffle_gains(layer.weight.detach().numpy(), (2, 2)))
            biases = layer.bias.detach().reshape(-1, 4).std(dim=1)
            assert (uneven == 0.0) is flat
            assert bool((biases == 0.0).all()) is flat


def test_icnr_is_a_convolution_then_nearest() -> None:
    torch.manual_seed(0)
    layer = icnr_convolution(4, 5, kernel=3)
    small = nn.Conv2d(4, 5, 3, padding=1)
    convolution = layer[0]
    assert isinstance(convolution, nn.Conv2d)
    assert convolution.bias is not None
    small.load_state_dict({"weight": convolution.weight[::4], "bias": convolution.bias[::4]})
    signal = torch.randn(1, 4, 6, 6)
    torch.testing.assert_close(layer(signal), nn.functional.interpolate(small(signal), scale_factor=2))


@pytest.mark.parametrize("name", UPSAMPLING)
@pytest.mark.parametrize("kernel", [3, 5])
def test_every_stage_doubles(name: str, kernel: int) -> None:
    assert tuple(UPSAMPLING[name](4, 5, kernel)(torch.zeros(1, 4, 6, 7)).shape) == (1, 5, 12, 14)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: DcganGenerator(("resize", "magic")), r"no upsampling 'magic'; a stage is one of deconv, resize"),
        (lambda: DcganGenerator(("resize",), kernel=4), r"kernel=4 can't keep the size"),
        (lambda: DcganGenerator(("deconv",), kernel=1), r"kernel=1 leaves holes"),
    ],
)
def test_what_can_not_be_built_is_refused_by_name(build: Callable[[], nn.Module], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


def test_the_auto_encoder_draws_a_grid_on_a_flat_picture() -> None:
    module = load("autoencoder").module
    assert isinstance(module, Autoencoder)
    with torch.no_grad():
        code = module.bottleneck(module.encoder(torch.full((1, 3, 192, 192), 0.3)))
        picture = module(torch.full((1, 3, 192, 192), 0.3))[..., 80:112, 80:112]
    assert code[..., 8:16, 8:16].flatten(2).std(dim=2).max() < ROUNDING
    assert least_period(picture, (1, 2, 4, 8)) == 8
    layers = [m for m in module.modules() if isinstance(m, nn.ConvTranspose2d)]
    assert [(m.kernel_size, m.stride) for m in layers] == [((4, 4), (2, 2))] * 3


def test_the_vocoder_hums_with_its_periods() -> None:
    module = load("vocoder").module
    assert isinstance(module, Vocoder)
    layers = [m for m in module.modules() if isinstance(m, nn.ConvTranspose1d)]
    assert [(m.kernel_size[0], m.stride[0]) for m in layers] == [(16, 8), (16, 8), (8, 4)]
    assert all(unevenness(gains(m)) > 0.1 for m in layers)
    with torch.no_grad():
        sound = module(torch.full((1, 80, 24), 0.3))[..., 8 * 256 : 16 * 256]
    assert least_period(sound, (1, 4, 32, 256)) == 256


def test_the_u_net_overlaps_eight_to_one() -> None:
    layers = [m for m in load("unet3d").module.modules() if isinstance(m, nn.ConvTranspose3d)]
    assert len(layers) == 2
    for layer in layers:
        assert sorted(overlap(layer.kernel_size, layer.stride).ravel().tolist()) == [1, 2, 2, 2, 4, 4, 4, 8]
        assert unevenness(gains(layer)) > 0.1


def test_the_classifier_only_shrinks() -> None:
    modules = list(load("classifier").module.modules())
    assert [(m.kernel_size, m.stride) for m in modules if isinstance(m, nn.Conv2d)] == [((3, 3), (2, 2))] * 3
    assert [(m.kernel_size, m.stride) for m in modules if isinstance(m, nn.MaxPool2d)] == [(3, 2)]
    assert not any(isinstance(m, nn.ConvTranspose2d | nn.Upsample | nn.PixelShuffle) for m in modules)
