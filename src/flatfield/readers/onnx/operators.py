"""The operators of ONNX, and of ONNX Runtime, that flatfield knows: literal tables, operator -> handler."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from flatfield.readers.onnx import layers, lookups, neutral, products, resizing, sequences, views
from flatfield.readers.onnx.call import Call, Result

Handler = Callable[[Call], Result]


def _each(handler: Handler, *names: str) -> dict[str, Handler]:
    return dict.fromkeys(names, handler)


_SPECTRAL = partial(neutral.blind, reason="a Fourier transform: positions become frequencies")
_CHOSEN = partial(neutral.blind, reason="positions are chosen by value, so nobody knows how many come out")

# change how many positions there are, or look at several
LAYERS: dict[str, Handler] = {
    "Conv": layers.convolution,
    "ConvTranspose": layers.transposed_convolution,
    "QLinearConv": layers.quantised_convolution,
    "ConvInteger": layers.integer_convolution,
    "DeformConv": layers.deformed_convolution,
    "MaxPool": layers.max_pool,
    "AveragePool": layers.average_pool,
    "LpPool": layers.lp_pool,
    **_each(layers.global_pool, "GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"),
    "MaxUnpool": layers.unpool,
    "Resize": resizing.resize,
    "Upsample": resizing.upsample,
    "DepthToSpace": resizing.depth_to_space,
    "SpaceToDepth": resizing.space_to_depth,
    "Col2Im": resizing.fold,
    "GridSample": neutral.sampled,
    **_each(neutral.region, "RoiAlign", "MaxRoiPool"),
    **_each(_SPECTRAL, "DFT", "STFT"),
    **_each(_CHOSEN, "NonMaxSuppression", "Compress", "Unique"),
}

# lay a tensor out anew
VIEWS: dict[str, Handler] = {
    "Reshape": views.reshape,
    "Squeeze": views.squeeze,
    "Unsqueeze": views.unsqueeze,
    "Flatten": views.flatten,
    "Transpose": views.transpose,
    "Expand": views.expand,
    "Tile": views.tile,
    "Slice": views.sliced,
    "Concat": views.concat,
    "Split": views.split,
    "Gather": lookups.gather,
    "GatherElements": lookups.gather_elements,
    "GatherND": lookups.gather_nd,
    "ScatterND": lookups.scatter_nd,
    **_each(lookups.scatter_elements, "ScatterElements", "Scatter"),
    "Pad": resizing.pad,
    "CenterCropPad": resizing.center_crop_pad,
    "TopK": neutral.top,
    "OneHot": neutral.one_hot,
    "NonZero": neutral.nonzero,
    **_each(sequences.constructed, "SequenceConstruct", "SequenceEmpty"),
    "SplitToSequence": sequences.split_to_sequence,
    "SequenceAt": sequences.at,
    "SequenceInsert": sequences.inserted,
    "SequenceLength": sequences.length,
    "ConcatFromSequence": sequences.concatenated,
}

# leave every position where it is
NEUTRAL: dict[str, Handler] = {
    **_each(neutral.elementwise,
            "Abs", "Acos", "Acosh", "Add", "And", "Asin", "Asinh", "Atan", "Atanh", "Bernoulli", "BitCast", "BitShift",
            "BitwiseAnd", "BitwiseNot", "BitwiseOr", "BitwiseXor", "Ceil", "Celu", "Cos", "Cosh", "Div", "Elu", "Equal",
            "Erf", "Exp", "Floor", "Gelu", "Greater", "GreaterOrEqual", "HardSigmoid", "HardSwish", "IsInf", "IsNaN",
            "LeakyRelu", "Less", "LessOrEqual", "Log", "Max", "Mean", "Min", "Mish", "Mod", "Mul", "Neg", "Not", "Or",
            "PRelu", "Pow", "Reciprocal", "Relu", "Round", "Selu", "Shrink", "Sigmoid", "Sign", "Sin", "Sinh",
            "Softplus", "Softsign", "Sqrt", "Sub", "Sum", "Swish", "Tan", "Tanh", "ThresholdedRelu", "Where", "Xor"),
    **_each(neutral.same, "Identity", "Cast", "CastLike", "Dropout", "QuantizeLinear", "DequantizeLinear",
            "DynamicQuantizeLinear"),
    **_each(neutral.first, "Clip", "CumSum", "CumProd", "Trilu", "ReverseSequence", "RotaryEmbedding",
            "TensorScatter"),
    **_each(neutral.normalised, "BatchNormalization", "InstanceNormalization", "GroupNormalization",
            "LayerNormalization", "RMSNormalization", "LRN", "LpNormalization", "MeanVarianceNormalization", "Softmax",
            "LogSoftmax", "Hardmax"),
    **_each(neutral.reduced, "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean",
            "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare"),
    **_each(neutral.place_of_extreme, "ArgMax", "ArgMin"),
    **_each(neutral.shape_of, "Shape", "Size"),
    **_each(neutral.source, "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "EyeLike",
            "BlackmanWindow", "HammingWindow", "HannWindow"),
    "Constant": neutral.constant,
    "ConstantOfShape": neutral.filled,
    "Range": neutral.counted_up,
    "MatMul": products.matmul,
    "MatMulInteger": products.matmul,
    "QLinearMatMul": partial(products.matmul, places=(0, 3)),
    "Gemm": products.gemm,
    "Einsum": products.einsum,
    **_each(products.recurrent, "GRU", "LSTM", "RNN"),
    "Attention": products.attention,
}  # fmt: skip

# what ONNX Runtime makes of a model when it optimises or quantises it
_MICROSOFT: dict[str, Handler] = {
    "FusedConv": layers.convolution,
    "QLinearConv": layers.quantised_convolution,
    "QLinearAveragePool": layers.average_pool,
    "QLinearGlobalAveragePool": layers.global_pool,
    "FusedGemm": products.gemm,
    "FusedMatMul": products.matmul,
    "MatMulNBits": products.packed_product,
    "MatMulIntegerToFloat": products.matmul,
    "DynamicQuantizeMatMul": products.matmul,
    "QGemm": partial(products.matmul, places=(0, 3)),
    **_each(products.fused_attention, "Attention", "MultiHeadAttention"),
    **_each(partial(neutral.first, count=2, step=3), "QLinearAdd", "QLinearMul"),
    **_each(partial(neutral.first, count=2), "BiasGelu", "BiasAdd", "SkipLayerNormalization",
            "SkipSimplifiedLayerNormalization", "SkipGroupNorm", "BiasSplitGelu"),
    **_each(neutral.first, "QLinearLeakyRelu", "QLinearSigmoid", "QLinearSoftmax", "Gelu", "FastGelu", "QuickGelu",
            "SimplifiedLayerNormalization", "LayerNormalization", "GroupNorm", "RotaryEmbedding"),
    **_each(neutral.same, "QuantizeLinear", "DequantizeLinear"),
    "QLinearConcat": partial(neutral.joined_triples, start=2),
}  # fmt: skip
OPERATORS: dict[tuple[str, str], Handler] = {
    **{("", name): handler for table in (LAYERS, VIEWS, NEUTRAL) for name, handler in table.items()},
    **{("com.microsoft", name): handler for name, handler in _MICROSOFT.items()},
    **{("ai.onnx.ml", "Scaler"): neutral.first},
}
POSITIONAL = frozenset({*LAYERS, *VIEWS})
"""Operators of ONNX that may move positions, so that a loop round them is not harmless."""
