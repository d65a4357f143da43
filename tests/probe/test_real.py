"""Published networks at their own start: what the design promises of them."""

from __future__ import annotations

import torch

from flatfield.probe.profile import probe_module

from .peers import peer


def test_the_decoder_of_a_diffusion_auto_encoder_is_flat() -> None:
    with peer("diffusers") as diffusers:
        torch.manual_seed(0)
        model = diffusers.AutoencoderKL(
            block_out_channels=(32, 64, 64), layers_per_block=1, norm_num_groups=8, latent_channels=4,
            down_block_types=("DownEncoderBlock2D",) * 3, up_block_types=("UpDecoderBlock2D",) * 3,
        )  # fmt: skip
        report = probe_module(model.decoder, torch.randn(1, 4, 8, 8))
    assert report.unevenness is not None
    assert report.unevenness < 1e-6
    assert report.period == (1, 1)
    assert [x.operator for x in report.layers if x.alone is not None] == ["Resize", "Resize"]
    assert not report.unhonoured


def test_a_hifi_gan_hums_at_its_start() -> None:
    with peer("transformers") as transformers:
        torch.manual_seed(0)
        model = transformers.SpeechT5HifiGan(transformers.SpeechT5HifiGanConfig())
        report = probe_module(model, torch.randn(1, 16, 80), rate=16000.0)
    assert report.unevenness is not None
    assert report.unevenness > 0.9
    assert report.period == (256,)
    assert min(tone.frequency for tone in report.tones) == 16000 / 256
    assert not report.unhonoured


def test_a_u_net_with_instance_normalisation_hides_its_grid_unless_statistics_are_frozen() -> None:
    frozen, unfrozen = [], []
    with peer("monai") as monai:
        for seed in range(5):
            torch.manual_seed(seed)
            model = monai.networks.nets.UNet(3, 1, 2, (16, 32, 64), (2, 2))
            example = torch.randn(1, 1, 16, 16, 16)
            report = probe_module(model, example)
            assert report.start == "input"
            assert not report.unhonoured
            frozen.append(report.unevenness or 0.0)
            unfrozen.append(probe_module(model, example, freeze=False).unevenness or 0.0)
    # Not every draw of the weights lies above 0.9: these five give 0.867 to 0.976. So the median is held to it, and no
    # draw may come near what statistics that are not frozen report.
    assert sorted(frozen)[2] > 0.9
    assert min(frozen) > 0.85
    assert max(unfrozen) < 1e-3
