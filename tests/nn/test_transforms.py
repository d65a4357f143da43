"""PyTorch's transforms and exporters take the layers as they take its own."""

from __future__ import annotations

import copy

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from flatfield import nn as flat
from flatfield.nn.functional import resize_conv

# PyTorch's own compilers and exporters warn of themselves: nothing that these layers could do about
OWN_WARNINGS = (
    "ignore:.*treespec.*:FutureWarning",
    "ignore:.*torch.jit.script_method.*:DeprecationWarning",
    "ignore:.*isinstance.*LeafSpec.*:FutureWarning",
)
quiet = [pytest.mark.filterwarnings(text) for text in OWN_WARNINGS]

LAYERS = {
    "resize": (lambda: flat.ResizeConv2d(4, 6, 3), (2, 4, 6, 5)),
    "resize 1-d": (lambda: flat.ResizeConv1d(4, 6, 4, scale_factor=3), (2, 4, 9)),
    "resize bilinear": (lambda: flat.ResizeConv2d(4, 6, 3, mode="bilinear", padding_mode="reflect"), (2, 4, 6, 5)),
    "sub-pixel": (lambda: flat.SubPixelConv2d(4, 6, 3, blur=True), (2, 4, 6, 5)),
    "flat": (lambda: flat.FlatConvTranspose2d(4, 6, 4, 2, 1), (2, 4, 6, 5)),
    "flat sub-pixel": (lambda: flat.flatten_weights(flat.SubPixelConv2d(4, 6, 3)), (2, 4, 6, 5)),
    "blur pool": (flat.BlurPool2d, (2, 4, 6, 5)),
    "max blur pool": (flat.MaxBlurPool2d, (2, 4, 6, 5)),
    "blur conv": (lambda: flat.BlurConv2d(4, 6, 3, stride=2, padding=1), (2, 4, 6, 5)),
}


def made(name):
    layer, size = LAYERS[name]
    return layer().eval(), torch.randn(*size)


def apply(marks):
    def wrap(test):
        for mark in marks:
            test = mark(test)
        return test

    return wrap


@apply(quiet)
@pytest.mark.parametrize(
    ("name", "backend"), [("resize", "inductor"), ("resize bilinear", "aot_eager"), ("flat", "aot_eager")]
)
def test_compile_in_one_graph(name, backend):
    layer, x = made(name)
    torch._dynamo.reset()
    compiled = torch.compile(layer, fullgraph=True, backend=backend)
    torch.testing.assert_close(compiled(x), layer(x), rtol=1e-5, atol=1e-5)
    compiled(x).square().sum().backward()
    found = [p.grad.clone() for p in layer.parameters()]
    layer.zero_grad()
    layer(x).square().sum().backward()
    torch.testing.assert_close(found, [p.grad for p in layer.parameters()], rtol=1e-4, atol=1e-4)


@apply(quiet)
@pytest.mark.parametrize("name", LAYERS)
def test_compile_traces_every_layer_whole(name):
    """Without inductor, which takes seconds a layer: one graph, the same numbers."""
    layer, x = made(name)
    torch._dynamo.reset()
    compiled = torch.compile(layer, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x), layer(x), rtol=1e-5, atol=1e-5)


@apply(quiet)
@pytest.mark.parametrize("name", LAYERS)
def test_export(name):
    layer, x = made(name)
    program = torch.export.export(layer, (x,))
    torch.testing.assert_close(program.module()(x), layer(x), rtol=1e-5, atol=1e-5)


@apply(quiet)
@pytest.mark.parametrize("name", LAYERS)
def test_onnx_runtime_gives_the_same_values(name):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    layer, x = made(name)
    program = torch.onnx.export(layer, (x,), dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
    (found,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    torch.testing.assert_close(torch.from_numpy(found), layer(x).detach(), rtol=1e-5, atol=1e-5)
    if name == "resize":  # the fused form, and a graph that stays small
        assert [node.op_type for node in program.model_proto.graph.node][:2] == ["Conv", "DepthToSpace"]


@pytest.mark.parametrize("name", ["resize", "resize bilinear", "sub-pixel", "flat", "max blur pool"])
def test_channels_last_is_kept(name):
    layer, x = made(name)
    expected = layer(x)
    assert expected.is_contiguous()
    found = layer(x.to(memory_format=torch.channels_last))
    assert found.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", LAYERS)
def test_deepcopy_and_empty_batches(name):
    layer, x = made(name)
    expected = layer(x)
    twin = copy.deepcopy(layer)
    torch.testing.assert_close(twin(x), expected)
    assert layer(x[:0]).shape == (0, *expected.shape[1:])


@pytest.mark.parametrize("name", ["resize", "resize bilinear", "sub-pixel", "flat", "blur conv"])
def test_autocast(name):
    layer, x = made(name)
    layer.train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = layer(x)
    assert y.dtype == torch.bfloat16
    # inputs and weights rounded to 8 bits each, summed over at most 4 * 9 products of size about 1
    torch.testing.assert_close(y.float(), layer(x), rtol=0.05, atol=0.1)
    y.float().sum().backward()
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in layer.parameters())


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")  # forward mode's own
@pytest.mark.parametrize("way", [None, "phases", "transposed"])
def test_vmap_and_forward_mode(way, composition):
    x, weight = torch.randn(3, 2, 4, 5, 4, dtype=torch.float64), torch.randn(6, 4, 3, 3, dtype=torch.float64)

    def call(image):
        return resize_conv(image, weight, way=way)

    found = torch.func.vmap(call)(x)
    torch.testing.assert_close(found, torch.stack([composition(image, weight) for image in x]))
    tangent = torch.randn_like(x[0])
    _, moved = torch.func.jvp(call, (x[0],), (tangent,))
    torch.testing.assert_close(moved, composition(tangent, weight))


def test_who_watches_operators_sees_the_definition():
    seen = []

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
            seen.append(operator.overloadpacket.__name__)
            return operator(*args, **(kwargs or {}))

    with Watch(), torch.no_grad():
        flat.ResizeConv2d(64, 64, 3)(torch.zeros(1, 64, 16, 16))
    assert "upsample_nearest2d" in seen
    assert "convolution" in seen
