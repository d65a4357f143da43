"""Architectures of `diffusers`, in small configurations."""

from __future__ import annotations

import importlib
from typing import Any

import torch

from benchmarks.architecture import Architecture

Built = tuple[Any, dict[str, Any]]
_TWO = (32, 64)


def _make(name: str, inputs: dict[str, Any], **settings: Any) -> Architecture:
    def build() -> Built:
        diffusers = importlib.import_module("diffusers")
        return getattr(diffusers, name)(**settings), inputs

    return Architecture("diffusers", name, build)


def _image(*shape: int, name: str = "sample") -> dict[str, Any]:
    return {name: torch.randn(shape)}


def _step(**inputs: Any) -> dict[str, Any]:
    return {**inputs, "timestep": torch.tensor([10])}


def _labels(**inputs: Any) -> dict[str, Any]:
    return {**inputs, "class_labels": torch.zeros(1, dtype=torch.long)}


_TEXT = torch.randn(1, 7, 32)

ARCHITECTURES: tuple[Architecture, ...] = (
    _make("AutoencoderKL", _image(1, 3, 64, 64), block_out_channels=_TWO, layers_per_block=1, norm_num_groups=8,
          down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2),
    _make("AsymmetricAutoencoderKL", _image(1, 3, 64, 64), down_block_out_channels=_TWO, up_block_out_channels=_TWO,
          down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2, norm_num_groups=8,
          layers_per_down_block=1, layers_per_up_block=1),
    _make("AutoencoderTiny", _image(1, 3, 64, 64), encoder_block_out_channels=(16,) * 4,
          decoder_block_out_channels=(16,) * 4, num_encoder_blocks=(1, 1, 1, 1), num_decoder_blocks=(1, 1, 1, 1)),
    _make("AutoencoderDC", _image(1, 3, 64, 64), encoder_block_out_channels=_TWO, decoder_block_out_channels=_TWO,
          encoder_block_types="ResBlock", decoder_block_types="ResBlock", encoder_layers_per_block=(1, 1),
          decoder_layers_per_block=(1, 1), encoder_qkv_multiscales=((), ()), decoder_qkv_multiscales=((), ()),
          latent_channels=4),
    _make("VQModel", _image(1, 3, 64, 64), block_out_channels=_TWO, norm_num_groups=8,
          down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2),
    _make("AutoencoderKLTemporalDecoder", _image(1, 3, 32, 32), block_out_channels=_TWO, layers_per_block=1,
          down_block_types=("DownEncoderBlock2D",) * 2),
    _make("AutoencoderKLCogVideoX", _image(1, 3, 5, 32, 32), block_out_channels=(32,) * 4, norm_num_groups=8,
          layers_per_block=1),
    _make("AutoencoderKLMochi", _image(1, 3, 7, 32, 32),
          encoder_block_out_channels=(32,) * 4, decoder_block_out_channels=(32,) * 4, layers_per_block=(1,) * 5),
    _make("AutoencoderKLLTXVideo", _image(1, 3, 9, 64, 64), block_out_channels=(16, 16, 16, 16),
          decoder_block_out_channels=(16, 16, 16, 16), layers_per_block=(1,) * 5, decoder_layers_per_block=(1,) * 5,
          latent_channels=8),
    _make("AutoencoderKLWan", _image(1, 3, 5, 32, 32), base_dim=16, z_dim=4, num_res_blocks=1),
    _make("AutoencoderKLHunyuanVideo", _image(1, 3, 5, 32, 32), block_out_channels=(32,) * 4, norm_num_groups=8,
          layers_per_block=1),
    _make("AutoencoderOobleck", _image(1, 2, 8192), encoder_hidden_size=16, decoder_channels=16,
          decoder_input_channels=8),
    _make("AutoencoderKLMagvit", _image(1, 3, 5, 32, 32), block_out_channels=(32,) * 4, norm_num_groups=8,
          layers_per_block=1),
    _make("AutoencoderKLQwenImage", _image(1, 3, 1, 32, 32), base_dim=16, z_dim=4, num_res_blocks=1),
    _make("AutoencoderKLFlux2", _image(1, 3, 64, 64), block_out_channels=_TWO, layers_per_block=1, norm_num_groups=8,
          down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2),
    _make("UNet1DModel", _step(**_image(1, 14, 16)), in_channels=14, out_channels=14, block_out_channels=(8, 8, 16, 16),
          time_embedding_type="positional", use_timestep_embedding=True, flip_sin_to_cos=False, freq_shift=1.0,
          out_block_type="OutConv1DBlock", mid_block_type="MidResTemporalBlock1D", act_fn="swish",
          down_block_types=("DownResnetBlock1D",) * 4, up_block_types=("UpResnetBlock1D",) * 3),
    _make("UNet2DModel", _step(**_image(1, 3, 32, 32)), block_out_channels=_TWO, layers_per_block=1, norm_num_groups=8,
          down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D")),
    _make("UNet2DConditionModel", _step(**_image(1, 4, 32, 32), encoder_hidden_states=_TEXT), cross_attention_dim=32,
          block_out_channels=_TWO, layers_per_block=1, norm_num_groups=8,
          down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D")),
    _make("UNet3DConditionModel", _step(**_image(1, 4, 3, 16, 16), encoder_hidden_states=_TEXT),
          block_out_channels=_TWO, layers_per_block=1, norm_num_groups=8, cross_attention_dim=32, attention_head_dim=8,
          down_block_types=("CrossAttnDownBlock3D", "DownBlock3D"), up_block_types=("UpBlock3D", "CrossAttnUpBlock3D")),
    _make("UNetSpatioTemporalConditionModel",
          _step(**_image(1, 2, 8, 16, 16), encoder_hidden_states=_TEXT[:, :1], added_time_ids=torch.zeros(1, 3)),
          block_out_channels=_TWO, layers_per_block=1, cross_attention_dim=32, num_attention_heads=(2, 4),
          projection_class_embeddings_input_dim=96, addition_time_embed_dim=32,
          down_block_types=("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
          up_block_types=("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal")),
    _make("DiTTransformer2DModel", _labels(**_step(**_image(1, 4, 16, 16, name="hidden_states"))), sample_size=16,
          num_layers=2, num_attention_heads=2, attention_head_dim=16, in_channels=4, out_channels=8, patch_size=2),
    _make("PixArtTransformer2DModel",
          _step(**_image(1, 4, 16, 16, name="hidden_states"), encoder_hidden_states=_TEXT,
                added_cond_kwargs={"resolution": None, "aspect_ratio": None}),
          sample_size=16, num_layers=2, num_attention_heads=2, attention_head_dim=16, caption_channels=32,
          cross_attention_dim=32, use_additional_conditions=False),
    _make("SD3Transformer2DModel",
          _step(**_image(1, 16, 16, 16, name="hidden_states"), encoder_hidden_states=_TEXT,
                pooled_projections=torch.randn(1, 32)),
          sample_size=16, num_layers=2, num_attention_heads=2, attention_head_dim=16, joint_attention_dim=32,
          caption_projection_dim=32, pooled_projection_dim=32, pos_embed_max_size=16),
    _make("SanaTransformer2DModel",
          _step(**_image(1, 4, 16, 16, name="hidden_states"), encoder_hidden_states=_TEXT), in_channels=4,
          out_channels=4, num_layers=2, num_attention_heads=2, attention_head_dim=16, num_cross_attention_heads=2,
          cross_attention_head_dim=16, cross_attention_dim=32, caption_channels=32, sample_size=16),
    _make("WanTransformer3DModel",
          _step(**_image(1, 4, 3, 16, 16, name="hidden_states"), encoder_hidden_states=_TEXT), in_channels=4,
          out_channels=4, num_layers=2, num_attention_heads=2, attention_head_dim=16, text_dim=32, ffn_dim=32,
          freq_dim=32, cross_attn_norm=True),
    _make("T2IAdapter", _image(1, 3, 64, 64, name="x"), channels=[16, 32], num_res_blocks=1, downscale_factor=8),
)  # fmt: skip
