"""Architectures of `monai`, in small configurations."""

from __future__ import annotations

import importlib
from typing import Any

import torch

from benchmarks.architecture import Architecture

_PLANE, _VOLUME = (1, 1, 64, 64), (1, 1, 32, 32, 32)


def _make(name: str, shape: tuple[int, ...], *, argument: str = "x", label: str = "", **settings: Any) -> Architecture:
    def build() -> tuple[Any, dict[str, Any]]:
        nets = importlib.import_module("monai.networks.nets")
        return getattr(nets, name)(**settings), {argument: torch.randn(shape)}

    return Architecture("monai", label or name, build)


def _planes(**more: Any) -> dict[str, Any]:
    return {"spatial_dims": 2, "in_channels": 1, "out_channels": 2, **more}


def _volumes(**more: Any) -> dict[str, Any]:
    return {"spatial_dims": 3, "in_channels": 1, "out_channels": 2, **more}


ARCHITECTURES: tuple[Architecture, ...] = (
    _make("UNet", _VOLUME, **_volumes(channels=(16, 32, 64), strides=(2, 2))),
    _make("AttentionUnet", _VOLUME, **_volumes(channels=(8, 16, 32), strides=(2, 2))),
    _make("BasicUNet", _VOLUME, **_volumes(features=(8, 8, 16, 32, 32, 8))),
    _make("BasicUNet", _PLANE, label="BasicUNet, pixel shuffle", **_planes(features=(8,) * 6, upsample="pixelshuffle")),
    _make("BasicUNetPlusPlus", _PLANE, **_planes(features=(8,) * 6)),
    _make("DynUNet", _VOLUME, **_volumes(kernel_size=[3, 3, 3], strides=[1, 2, 2], upsample_kernel_size=[2, 2])),
    _make("SegResNet", _VOLUME, init_filters=8, in_channels=1),
    _make("SegResNetDS", _VOLUME, init_filters=8, in_channels=1),
    _make("VNet", (1, 1, 32, 32, 32), in_channels=1, out_channels=2),
    _make("UNETR", (1, 1, 32, 32, 32), argument="x_in", in_channels=1, out_channels=2, img_size=32, feature_size=8,
          hidden_size=48, mlp_dim=48, num_heads=2),
    _make("SwinUNETR", (1, 1, 64, 64, 64), argument="x_in", in_channels=1, out_channels=2, feature_size=12),
    _make("AHNet", (1, 1, 64, 64, 32), psp_block_num=0),
    _make("FlexibleUNet", _PLANE, argument="inputs", in_channels=1, out_channels=2, backbone="efficientnet-b0",
          spatial_dims=2),
    _make("VarAutoEncoder", (1, 1, 32, 32), spatial_dims=2, in_shape=(1, 32, 32), out_channels=1, latent_size=4,
          channels=(4, 8), strides=(2, 2)),
    _make("Generator", (1, 8), latent_shape=8, start_shape=(4, 8, 8), channels=(8, 4, 1), strides=(2, 2, 1)),
    _make("AutoencoderKL", (1, 1, 32, 32), channels=(8, 16), num_res_blocks=1, norm_num_groups=4,
          attention_levels=(False, False), **_planes()),
    _make("VQVAE", (1, 1, 32, 32), argument="images", channels=(16, 16), num_res_channels=(16, 16), num_res_layers=1,
          downsample_parameters=((2, 4, 1, 1),) * 2, upsample_parameters=((2, 4, 1, 1, 0),) * 2, num_embeddings=8,
          embedding_dim=4, **_planes()),
    _make("ViTAutoEnc", (1, 1, 32, 32), in_channels=1, img_size=(32, 32), patch_size=(4, 4), hidden_size=32, mlp_dim=32,
          num_heads=2, num_layers=2, spatial_dims=2),
    _make("HighResNet", (1, 1, 16, 16, 16), in_channels=1, out_channels=2),
    _make("HoVerNet", (1, 3, 256, 256)),
    _make("MedNeXt", _VOLUME, spatial_dims=3, init_filters=8, in_channels=1, out_channels=2),
    _make("MaskedAutoEncoderViT", (1, 1, 32, 32), in_channels=1, img_size=32, patch_size=8, hidden_size=32, mlp_dim=32,
          num_layers=2, num_heads=2, decoder_hidden_size=32, decoder_mlp_dim=32, decoder_num_layers=1,
          decoder_num_heads=2, spatial_dims=2),
    _make("DenseNet121", (1, 1, 64, 64), **_planes()),
)  # fmt: skip
