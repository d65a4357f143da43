"""Sizes and known numbers of every operator that lays tensors out anew or leaves them where they are, against a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from onnx import NodeProto

from flatfield.readers.onnx.operators import LAYERS, NEUTRAL, VIEWS

from .onnx_models import ints, model, node, noise
from .onnx_peer import assert_sizes_agree


@dataclass(frozen=True)
class Case:
    """One model: its nodes, weights and opsets; the input x is (1, 4, 8, 8)."""

    nodes: Sequence[NodeProto]
    weights: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    opset: int = 20
    outputs: Sequence[str] = ("y",)
    reference: bool = False
    inputs: Mapping[str, Sequence[int]] | None = None

    def __str__(self) -> str:
        return f"{'-'.join(n.op_type for n in self.nodes)}-{self.opset}"


def one(operator: str, inputs: Sequence[str] = ("x",), opset: int = 20, **rest: Any) -> Case:
    """One node; what is no attribute is a weight in `weights`, or an option of the case."""
    options = {key: rest.pop(key) for key in ("weights", "reference", "outputs", "inputs_of") if key in rest}
    outputs = options.get("outputs", ("y",))
    return Case(
        [node(operator, list(inputs), list(outputs), **rest)],
        options.get("weights", {}),
        opset,
        outputs,
        options.get("reference", False),
        options.get("inputs_of"),
    )


F = {name: noise(*shape) for name, shape in {"w": (8, 5), "v": (4, 1, 1), "m": (1, 4, 8, 8), "c": (4,)}.items()}
RNN = {"w": noise(1, 18, 8), "r": noise(1, 18, 6)}
CASES = [
    one("Reshape", ["x", "s"], weights={"s": ints(0, -1, 16)}),
    one("Reshape", ["x", "s"], weights={"s": ints(1, 2, 2, 8, 8)}, opset=9),
    one("Reshape", ["x", "s"], weights={"s": ints(-1)}, allowzero=1),
    one("Squeeze", axes=[0], opset=11),
    one("Squeeze"),
    one("Squeeze", ["x", "s"], weights={"s": ints(-4)}),
    one("Unsqueeze", axes=[0, 3], opset=11),
    one("Unsqueeze", ["x", "s"], weights={"s": ints(-1, 1)}),
    one("Flatten"),
    one("Flatten", axis=-1),
    one("Flatten", axis=0, opset=9),
    one("Transpose"),
    one("Transpose", perm=[0, 2, 3, 1]),
    one("Expand", ["x", "s"], weights={"s": ints(3, 1, 1, 8)}),
    one("Tile", ["x", "s"], weights={"s": ints(1, 1, 2, 3)}),
    one("Slice", starts=[1, -3], ends=[9, 100], axes=[2, 3], opset=9),
    one("Slice", ["x", "a", "b", "c", "d"],
        weights={"a": ints(7, 0), "b": ints(-100, 8), "c": ints(2, 3), "d": ints(-2, 3)}),
    one("Slice", ["x", "a", "b"], weights={"a": ints(0, 1), "b": ints(1, 3)}),
    one("Concat", ["x", "m", "x"], weights=F, axis=1),
    one("Concat", ["x", "m"], weights=F, axis=-1),
    one("Split", outputs=["y", "z"], axis=2, opset=11),
    one("Split", outputs=["y", "z"], axis=2, split=[3, 5], opset=11),
    one("Split", ["x", "s"], outputs=["y", "z"], axis=-1, weights={"s": ints(1, 7)}),
    one("Split", outputs=["y", "z", "a"], axis=3, num_outputs=3),
    one("Gather", ["x", "i"], weights={"i": np.array(2)}, axis=2),
    one("Gather", ["x", "i"], weights={"i": ints(1, 3, 5)}, axis=3),
    one("Gather", ["x", "i"], weights={"i": ints(-1, 0)}, axis=1),
    one("Gather", ["x", "i"], weights={"i": np.add.outer(np.arange(3), np.arange(6))}, axis=3),
    one("Gather", ["x", "i"], weights={"i": np.add.outer(2 * np.arange(3), np.arange(4))}, axis=3),
    one("GatherElements", ["x", "i"], weights={"i": np.zeros((1, 2, 8, 8), np.int64)}, axis=1),
    one("GatherND", ["x", "i"], weights={"i": np.zeros((5, 2), np.int64)}),
    one("ScatterND", ["x", "i", "u"], weights={"i": np.array([[0, 1], [0, 2]]), "u": noise(2, 8, 8)}),
    one("ScatterElements", ["x", "i", "u"], axis=1,
        weights={"i": np.zeros((1, 1, 8, 8), np.int64), "u": noise(1, 1, 8, 8)}),
    one("CenterCropPad", ["x", "s"], weights={"s": ints(6, 11)}, axes=[2, 3], reference=True),
    one("TopK", ["x", "k"], weights={"k": ints(3)}, outputs=["y", "z"], axis=1),
    one("OneHot", ["i", "d", "o"],
        weights={"i": ints(0, 1, 2), "d": np.array(5), "o": np.array([0.0, 1.0], np.float32)}),
    one("NonZero", ["i"], weights={"i": ints(0, 1, 2)}),
    one("MatMul", ["x", "w"], weights=F),
    one("MatMul", ["m", "x"], weights=F),
    one("MatMul", ["x", "x"]),
    one("MatMul", ["x", "e"], weights={"e": noise(8)}),
    one("MatMul", ["e", "x"], weights={"e": noise(8)}),
    Case([node("Flatten", ["x"], ["f"], axis=3), node("Gemm", ["f", "w", "b"], ["y"], transB=1)],
         {"w": noise(5, 8), "b": noise(5)}),
    Case([node("Flatten", ["x"], ["f"], axis=3), node("Gemm", ["w", "f"], ["y"], transB=1)], {"w": noise(5, 8)}),
    one("Einsum", ["x", "w"], weights=F, equation="nchw,wk->nckh"),
    one("Einsum", ["x", "x"], equation="nchw,nchv->nhwv"),
    *[Case([node("Reshape", ["x", "s"], ["f"]), node(op, ["f", "w", "r"], ["y", "h"], hidden_size=6)],
           {"s": ints(8, 4, 8), "w": noise(1, gates * 6, 8), "r": noise(1, gates * 6, 6)}, outputs=["y", "h"])
      for op, gates in (("GRU", 3), ("LSTM", 4), ("RNN", 1))],
    one("GRU", ["x", "w", "r"], weights={"w": noise(2, 18, 8), "r": noise(2, 18, 6)}, hidden_size=6,
        direction="bidirectional", outputs=["y", "h"], inputs_of={"x": (5, 3, 8)}),
    one("Attention", ["x", "x", "x"], opset=23, reference=True),
    one("ReduceMean", axes=[2, -1], opset=13),
    one("ReduceMean", ["x", "a"], weights={"a": ints(1)}, keepdims=0),
    one("ReduceSum", ["x", "a"], weights={"a": ints(2)}, opset=13),
    one("ReduceMax"),
    one("ReduceMax", noop_with_empty_axes=1),
    one("ReduceL2", axes=[1], keepdims=0, opset=11),
    one("ArgMax", axis=1),
    one("ArgMin", axis=2, keepdims=0),
    one("Shape"),
    one("Shape", start=1, end=-1),
    one("Size"),
    one("Constant", [], value_ints=[1, 2]),
    one("Constant", [], value_float=1.5),
    one("ConstantOfShape", ["s"], weights={"s": ints(2, 3)}),
    one("Range", ["a", "b", "c"], weights={"a": np.array(1), "b": np.array(10), "c": np.array(3)}),
    one("Add", ["x", "v"], weights=F),
    one("Where", ["q", "x", "v"], weights={"q": np.ones((4, 8, 1), np.bool_), "v": F["v"]}),
    one("PRelu", ["x", "v"], weights=F),
    one("Clip", ["x", "lo", "hi"], weights={"lo": np.array(0.0, np.float32), "hi": np.array(1.0, np.float32)}),
    one("Clip", min=0.0, max=1.0, opset=9),
    one("Softmax", axis=1),
    one("BatchNormalization", ["x", "c", "c", "c", "o"], weights={**F, "o": np.ones(4, np.float32)}),
    one("InstanceNormalization", ["x", "c", "c"], weights=F),
    one("GroupNormalization", ["x", "c", "c"], weights=F, num_groups=2, opset=21),
    one("LayerNormalization", ["x", "l"], weights={"l": noise(8)}),
    one("LRN", size=3),
    one("CumSum", ["x", "a"], weights={"a": np.array(2)}),
    one("Trilu"),
    one("RandomNormalLike"),
    one("Identity"),
    one("Cast", to=1),
    one("Dropout", outputs=["y"]),
    Case([node("QuantizeLinear", ["x", "s", "z"], ["q"]), node("DequantizeLinear", ["q", "s", "z"], ["y"])],
         {"s": np.array(0.1, np.float32), "z": np.array(3, np.uint8)}),
    one("GridSample", ["x", "g"], weights={"g": noise(1, 5, 6, 2)}),
    one("RoiAlign", ["x", "r", "i"], weights={"r": noise(3, 4), "i": ints(0, 0, 0)}, output_height=5, output_width=6),
    # sequences
    Case([node("SplitToSequence", ["x", "two"], ["s"], axis=2), node("SequenceAt", ["s", "last"], ["y"])],
         {"two": np.array(3), "last": np.array(-1)}),
    Case([node("SplitToSequence", ["x"], ["s"], axis=1, keepdims=0), node("SequenceLength", ["s"], ["z"]),
          node("ConcatFromSequence", ["s"], ["y"], axis=1, new_axis=1)], outputs=["y", "z"]),
    Case([node("SequenceConstruct", ["x", "x"], ["s"]), node("SequenceInsert", ["s", "x"], ["t"]),
          node("ConcatFromSequence", ["t"], ["y"], axis=-1)]),
    Case([node("SplitToSequence", ["x", "p"], ["s"], axis=3), node("SequenceAt", ["s", "last"], ["y"])],
         {"p": ints(1, 5, 2), "last": np.array(1)}),
    # shapes that exporters compute
    Case([node("Shape", ["x"], ["s"]), node("Gather", ["s", "i"], ["a"]), node("Mul", ["a", "a"], ["b"]),
          node("Div", ["b", "t"], ["c"]), node("Unsqueeze", ["c", "z"], ["d"]),
          node("Concat", ["d", "n"], ["y"], axis=0)],
         {"i": np.array(3), "t": np.array(-3), "z": ints(0), "n": ints(-1)}),
    Case([node("ConstantOfShape", ["n"], ["o"]), node("Cast", ["o"], ["f"], to=7), node("Equal", ["f", "z"], ["q"]),
          node("Where", ["q", "a", "b"], ["y"])],
         {"n": ints(3), "z": np.array(0), "a": ints(1, 2, 3), "b": ints(4, 5, 6)}),
    Case([node("Split", ["a"], ["b", "y"]), node("ReduceProd", ["b"], ["z"], keepdims=0)], {"a": ints(2, 3, 4, 5)}, 11,
         ["y", "z"]),
    Case([node("Tile", ["a", "t"], ["b"]), node("Slice", ["b", "z", "n", "z", "t"], ["c"]), node("Neg", ["c"], ["y"])],
         {"a": ints(2, 3, 4), "t": ints(2), "z": ints(0), "n": ints(100)}),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_sizes_are_those_of_a_run(case: Case) -> None:
    used = {name for n in case.nodes for name in n.input}
    weights = {name: numbers for name, numbers in case.weights.items() if name in used}
    built = model(case.nodes, weights, opset=case.opset, outputs=case.outputs, inputs=case.inputs)
    assert_sizes_agree(built, reference=case.reference)


UNARY = [
    "Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Ceil", "Celu", "Cos", "Cosh", "Elu", "Erf",
    "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish", "IsInf", "IsNaN", "LeakyRelu", "Log", "Mish", "Neg",
    "Reciprocal", "Relu", "Round", "Selu", "Shrink", "Sigmoid", "Sign", "Sin", "Sinh", "Softplus", "Softsign",
    "Sqrt", "Tan", "Tanh", "ThresholdedRelu", "LogSoftmax", "Hardmax", "LpNormalization",
    "MeanVarianceNormalization",
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of the reference evaluator: logarithms of negative numbers
@pytest.mark.parametrize("operator", UNARY)
def test_unary_operators_keep_their_size(operator: str) -> None:
    assert operator in NEUTRAL
    assert_sizes_agree(model([node(operator, ["x"], ["y"])]), reference=operator in ("MeanVarianceNormalization",))


def test_every_operator_of_onnx_is_known_or_named_here() -> None:
    """What is not read stands here by name, so that a new opset is noticed."""
    from onnx.defs import get_all_schemas

    names = {schema.name for schema in get_all_schemas() if schema.domain == ""}
    unread = names - {*LAYERS, *VIEWS, *NEUTRAL, "If", "Loop", "Scan"}
    sequences = {"SequenceErase", "SequenceMap", "Optional", "OptionalGetElement", "OptionalHasElement"}
    texts = {"ImageDecoder", "RegexFullMatch", "StringConcat", "StringNormalizer", "StringSplit", "TfIdfVectorizer"}
    training = {"NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"}
    rest = {"AffineGrid", "CausalConvWithState", "Det", "LinearAttention", "MelWeightMatrix", "Multinomial", "SwiGLU"}
    assert unread <= sequences | texts | training | rest
