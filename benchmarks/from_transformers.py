"""Architectures of `transformers`, in small configurations."""

from __future__ import annotations

import importlib
from typing import Any

import torch

from benchmarks.architecture import Architecture


def _make(name: str, config: str, inputs: dict[str, Any], **settings: Any) -> Architecture:
    def build() -> tuple[Any, dict[str, Any]]:
        transformers = importlib.import_module("transformers")
        return getattr(transformers, name)(getattr(transformers, config)(**settings)), inputs

    return Architecture("transformers", name, build)


def _pixels(size: int = 64) -> dict[str, Any]:
    return {"pixel_values": torch.randn(1, 3, size, size)}


_VIT = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
_PATCHES = {"image_size": 64, "patch_size": 16}

ARCHITECTURES: tuple[Architecture, ...] = (
    _make("SpeechT5HifiGan", "SpeechT5HifiGanConfig", {"spectrogram": torch.randn(1, 20, 80)},
          upsample_initial_channel=64),
    _make("FastSpeech2ConformerHifiGan", "FastSpeech2ConformerHifiGanConfig", {"spectrogram": torch.randn(1, 20, 80)},
          upsample_initial_channel=64),
    _make("UnivNetModel", "UnivNetConfig", {"input_features": torch.randn(1, 10, 100)}, model_in_channels=8,
          model_hidden_channels=8, kernel_predictor_hidden_channels=8),
    _make("EncodecModel", "EncodecConfig", {"input_values": torch.randn(1, 1, 3200)}, num_filters=4, hidden_size=16,
          codebook_dim=16),
    _make("DacModel", "DacConfig", {"input_values": torch.randn(1, 1, 5120)}, encoder_hidden_size=8,
          decoder_hidden_size=64),
    _make("MimiModel", "MimiConfig", {"input_values": torch.randn(1, 1, 7680)}, num_filters=4, hidden_size=32,
          num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2, intermediate_size=32, codebook_dim=16,
          vector_quantization_hidden_dimension=16, head_dim=16, upsample_groups=32),
    _make("VitsModel", "VitsConfig", {"input_ids": torch.arange(1, 9)[None]}, vocab_size=38, hidden_size=32,
          num_hidden_layers=1, ffn_dim=32, flow_size=32, spectrogram_bins=33, upsample_initial_channel=32,
          wavenet_dilation_rate=1, prior_encoder_num_flows=1, posterior_encoder_num_wavenet_layers=1),
    _make("SegformerForSemanticSegmentation", "SegformerConfig", _pixels(), hidden_sizes=[8, 16, 24, 32],
          depths=[1] * 4, decoder_hidden_size=16, num_attention_heads=[1, 1, 2, 2]),
    _make("UperNetForSemanticSegmentation", "UperNetConfig", _pixels(), hidden_size=16, auxiliary_channels=8),
    _make("DPTForDepthEstimation", "DPTConfig", _pixels(), **{**_VIT, **_PATCHES, "num_hidden_layers": 4},
          is_hybrid=False,
          neck_hidden_sizes=[8, 16, 24, 32], fusion_hidden_size=16, backbone_out_indices=[0, 1, 2, 3]),
    _make("GLPNForDepthEstimation", "GLPNConfig", _pixels(), hidden_sizes=[8, 16, 24, 32], depths=[1] * 4,
          decoder_hidden_size=16, num_attention_heads=[1, 1, 2, 2]),
    _make("BeitForSemanticSegmentation", "BeitConfig", _pixels(), **{**_VIT, **_PATCHES, "num_hidden_layers": 4},
          out_indices=[1, 2, 3, 4],
          use_relative_position_bias=True),
    _make("MobileViTForSemanticSegmentation", "MobileViTConfig", _pixels(), hidden_sizes=[16, 24, 32],
          neck_hidden_sizes=[8, 8, 16, 24, 32, 32, 32], aspp_out_channels=16),
    _make("MobileNetV2ForSemanticSegmentation", "MobileNetV2Config", _pixels(), depth_multiplier=0.35),
    _make("Swin2SRForImageSuperResolution", "Swin2SRConfig", _pixels(), embed_dim=24, depths=[2, 2], num_heads=[2, 2],
          window_size=8, image_size=64, upscale=2, upsampler="pixelshuffle"),
    _make("ViTForMaskedImageModeling", "ViTConfig", _pixels(), **_VIT, **_PATCHES, encoder_stride=16),
    _make("SwinForMaskedImageModeling", "SwinConfig", _pixels(), image_size=64, embed_dim=12, depths=[2, 2],
          num_heads=[1, 2], window_size=4, encoder_stride=8),
    _make("ViTMAEForPreTraining", "ViTMAEConfig", _pixels(), **_VIT, **_PATCHES, decoder_hidden_size=32,
          decoder_num_hidden_layers=1, decoder_num_attention_heads=2, decoder_intermediate_size=32),
    _make("CLIPSegForImageSegmentation", "CLIPSegConfig",
          {**_pixels(), "input_ids": torch.ones(1, 4, dtype=torch.long)},
          text_config={**_VIT, "vocab_size": 99, "eos_token_id": 1}, vision_config={**_VIT, **_PATCHES},
          projection_dim=32, reduce_dim=16, extract_layers=[0, 1], decoder_num_attention_heads=2,
          decoder_intermediate_size=32),
    _make("VitPoseForPoseEstimation", "VitPoseConfig", {"pixel_values": torch.randn(1, 3, 64, 48)},
          backbone_config={"model_type": "vitpose_backbone", "image_size": [64, 48], "patch_size": [16, 16], **_VIT,
                           "out_features": ["stage2"], "num_experts": 1}, use_simple_decoder=False),
    _make("SuperPointForKeypointDetection", "SuperPointConfig", _pixels()),
    _make("SamModel", "SamConfig", {"pixel_values": torch.randn(1, 3, 64, 64),
                                    "input_points": torch.ones(1, 1, 1, 2)},
          vision_config={**_VIT, **_PATCHES, "output_channels": 32, "mlp_dim": 32, "global_attn_indexes": [1],
                         "window_size": 2, "num_pos_feats": 16},
          prompt_encoder_config={"hidden_size": 32, "image_size": 64, "patch_size": 16, "mask_input_channels": 16},
          mask_decoder_config={"hidden_size": 32, "mlp_dim": 32, "num_attention_heads": 2, "iou_head_hidden_dim": 32}),
    _make("Mask2FormerForUniversalSegmentation", "Mask2FormerConfig", _pixels(), hidden_dim=32, feature_size=32,
          mask_feature_size=32, encoder_layers=1, decoder_layers=2, num_attention_heads=2, dim_feedforward=32,
          encoder_feedforward_dim=32, num_queries=5),
    _make("DepthAnythingForDepthEstimation", "DepthAnythingConfig", _pixels(56),
          backbone_config={"model_type": "dinov2", "image_size": 56, "patch_size": 14, "hidden_size": 32,
                           "num_hidden_layers": 4, "num_attention_heads": 2, "reshape_hidden_states": False,
                           "out_features": ["stage1", "stage2", "stage3", "stage4"]},
          reassemble_hidden_size=32, neck_hidden_sizes=[8, 8, 16, 16], fusion_hidden_size=16, patch_size=14),
    _make("Wav2Vec2Model", "Wav2Vec2Config", {"input_values": torch.randn(1, 3200)}, **_VIT),
    _make("WhisperModel", "WhisperConfig",
          {"input_features": torch.randn(1, 80, 3000), "decoder_input_ids": torch.ones(1, 2, dtype=torch.long)},
          d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2,
          vocab_size=60, pad_token_id=0, decoder_start_token_id=1, bos_token_id=1, eos_token_id=2,
          encoder_ffn_dim=32, decoder_ffn_dim=32),
    _make("ConvNextModel", "ConvNextConfig", _pixels(), hidden_sizes=[8, 16, 24, 32], depths=[1] * 4),
    _make("ResNetModel", "ResNetConfig", _pixels(), embedding_size=8, hidden_sizes=[8, 16, 24, 32], depths=[1] * 4),
)  # fmt: skip
