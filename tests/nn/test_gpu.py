"""The Triton kernel, interpreted: no GPU is needed to hold it to the definition."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

SCRIPT = """
import torch, torch.nn.functional as F
from flatfield.nn.resampling import resampling
from flatfield.nn.ways.borders import borders, extend
from flatfield.nn.ways.gpu import mix_on_gpu
from flatfield.nn.functional import resize_conv

torch.manual_seed(0)
for size, kernel, bias, options in [
    ((7,), (3,), torch.randn(3), {}),
    ((5, 4), (2, 5), None, {"scale_factor": (3, 2), "padding": "valid"}),
    ((3, 4), (4, 3), torch.randn(3), {"padding_mode": "replicate"}),
    ((2, 1, 3), (3, 2, 1), None, {"scale_factor": (2, 1, 4), "padding_mode": "circular"}),
]:
    x, weight = torch.randn(1, 2, *size), torch.randn(3, 2, *kernel)
    b = borders(size, kernel, resampling(kernel, **options))
    found = mix_on_gpu(extend(x, b), weight, bias, b.axes)
    expected = resize_conv(x, weight, bias, way="plain", **options)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
print("checked")
"""


def test_the_kernel_in_the_interpreter():
    pytest.importorskip("triton")
    # the interpreter is chosen when the kernel is defined: a process of its own
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip() == "checked"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_kernel_on_a_gpu(composition, dtype):
    from flatfield.nn.functional import resize_conv

    x, weight, bias = (torch.randn(s, device="cuda", dtype=dtype) for s in ((2, 16, 9, 8), (8, 16, 3, 3), (8,)))
    expected = composition(x, weight, bias)
    found = resize_conv(x, weight, bias, way="mixed")
    torch.testing.assert_close(found, expected, rtol=0.02 if dtype == torch.bfloat16 else 1e-4, atol=0.1)
