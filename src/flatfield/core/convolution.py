"""Convolution and transposed convolution as matrices: the truth for everything linear."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flatfield.core.gain import phase_gains
from flatfield.core.taps import Ints, Pairs, per_axis, per_axis_pairs, tap_positions, tap_selection

Array = npt.NDArray[np.floating]


@dataclass(frozen=True, init=False)
class Window:
    """Kernel geometry of one layer, one number an axis; `padding` is (before, after).

    >>> Window(2, stride=2, padding=1).stride
    (2, 2)
    """

    stride: Ints
    padding: Pairs
    dilation: Ints

    def __init__(
        self,
        dims: int,
        *,
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int | Sequence[int]] = 0,
        dilation: int | Sequence[int] = 1,
    ) -> None:
        object.__setattr__(self, "stride", per_axis(stride, dims, "stride"))
        object.__setattr__(self, "padding", per_axis_pairs(padding, dims, "padding"))
        object.__setattr__(self, "dilation", per_axis(dilation, dims, "dilation"))

    def _kept(self, outputs: Ints, size: Ints, kernel: Ints) -> Ints:
        if min(outputs, default=1) < 1:
            raise ValueError(f"kernel {kernel} and {self} leave nothing of an input of size {size}")
        return outputs

    def spread(self, size: Ints, kernel: Ints, output_padding: Ints) -> Ints:
        """Output size of a transposed convolution: (n - 1)s + d(k - 1) + 1 + extra - padding."""
        outputs = tuple(
            (n - 1) * s + d * (k - 1) + 1 + extra - sum(p)
            for n, k, s, d, p, extra in zip(
                size, kernel, self.stride, self.dilation, self.padding, output_padding, strict=True
            )
        )
        return self._kept(outputs, size, kernel)

    def gather(self, size: Ints, kernel: Ints) -> Ints:
        """Output size of a convolution: (n + padding - d(k - 1) - 1) // s + 1."""
        outputs = tuple(
            (n + sum(p) - d * (k - 1) - 1) // s + 1
            for n, k, s, d, p in zip(size, kernel, self.stride, self.dilation, self.padding, strict=True)
        )
        return self._kept(outputs, size, kernel)


def ungroup(weight: Array, groups: int) -> npt.NDArray[np.float64]:
    """Write the weight of a grouped layer as the weight of an ungrouped one, zeros between the groups.

    `weight` is (a, b / groups, *kernel), grouped along a; the result is (a, b, *kernel). Raises `ValueError`
    for groups that do not divide a.

    >>> ungroup(np.ones((2, 1, 1)), groups=2)[..., 0]
    array([[1., 0.],
           [0., 1.]])
    """
    if groups < 1 or weight.shape[0] % groups:
        raise ValueError(f"groups={groups} can't part {weight.shape[0]} channels into equal groups")
    rows, columns = weight.shape[0] // groups, weight.shape[1]
    full = np.zeros((weight.shape[0], columns * groups, *weight.shape[2:]))
    for g in range(groups):
        full[g * rows : (g + 1) * rows, g * columns : (g + 1) * columns] = weight[g * rows : (g + 1) * rows]
    return full


def _scatter(weight: Array, window: Window, inputs: Ints, outputs: Ints, torus: bool) -> npt.NDArray[np.float64]:
    """The matrix that spreads `inputs` over `outputs`; `weight` is (in, out, *kernel)."""
    dims = len(inputs)
    matrix = np.asarray(weight, dtype=np.float64)
    for axis in range(dims):
        selection = tap_selection(
            tap_positions(weight.shape[2 + axis], window.dilation[axis]),
            inputs=inputs[axis],
            outputs=outputs[axis],
            stride=window.stride[axis],
            padding=window.padding[axis][0],
            torus=torus,
        )
        # axis 2 is always the next kernel axis; the pair (output, input) of this axis goes to the end
        matrix = np.tensordot(matrix, selection, axes=([2], [2]))
    rows = (1, *range(2, 2 + 2 * dims, 2))
    columns = (0, *range(3, 3 + 2 * dims, 2))
    return matrix.transpose(*rows, *columns).reshape(
        weight.shape[1] * int(np.prod(outputs)), weight.shape[0] * int(np.prod(inputs))
    )


@dataclass(frozen=True)
class TransposedConvolution:
    """A transposed convolution ("deconvolution"): `y[m] = sum of w[t] x[n] over t d = m + p - s n`.

    `weight` is (in, out / groups, *kernel) as in PyTorch and ONNX; any number of dimensions.

    >>> by_hand = TransposedConvolution(np.array([[[1.0, 2.0, 3.0]]]), Window(1))
    >>> (by_hand.as_matrix((5,)) @ [1, 2, 3, 4, 5]).astype(int).tolist()
    [1, 4, 10, 16, 22, 22, 15]
    """

    weight: Array
    window: Window
    output_padding: Ints = ()
    groups: int = 1

    @property
    def dims(self) -> int:
        """Number of spatial dimensions."""
        return self.weight.ndim - 2

    def output_size(self, size: Ints) -> Ints:
        """Spatial size of the output for an input of spatial size `size`."""
        extra = per_axis(self.output_padding or 0, self.dims, "output_padding", least=0)
        return self.window.spread(size, self.weight.shape[2:], extra)

    def as_matrix(self, size: Ints, *, torus: bool = False) -> npt.NDArray[np.float64]:
        """Give the dense matrix, (out * prod(output size), in * prod(size)), channels slowest.

        On a torus the output has exactly `stride` times the input's size and wraps round.
        """
        outputs = (
            tuple(n * s for n, s in zip(size, self.window.stride, strict=True)) if torus else self.output_size(size)
        )
        return _scatter(ungroup(self.weight, self.groups), self.window, size, outputs, torus)

    def gains(self) -> npt.NDArray[np.float64]:
        """Give the phase gains as (*stride, out, in)."""
        full = ungroup(self.weight, self.groups)
        return np.swapaxes(phase_gains(full, self.window.stride, self.window.dilation), -2, -1)


@dataclass(frozen=True)
class Convolution:
    """A convolution as neural networks say it (no flip): `y[m] = sum of w[t] x[s m + t d - p]`.

    `weight` is (out, in / groups, *kernel). Its matrix is the transpose of a transposed convolution's with
    the same weight, which is why the gradient of a strided convolution shows the same grids.

    >>> by_hand = Convolution(np.array([[[1.0, 2.0, 3.0]]]), Window(1))
    >>> (by_hand.as_matrix((7,)) @ [1, 2, 3, 4, 5, 6, 7]).astype(int).tolist()
    [14, 20, 26, 32, 38]
    """

    weight: Array
    window: Window
    groups: int = 1

    @property
    def dims(self) -> int:
        """Number of spatial dimensions."""
        return self.weight.ndim - 2

    def output_size(self, size: Ints) -> Ints:
        """Spatial size of the output for an input of spatial size `size`."""
        return self.window.gather(size, self.weight.shape[2:])

    def as_matrix(self, size: Ints, *, torus: bool = False) -> npt.NDArray[np.float64]:
        """Give the dense matrix, (out * prod(output size), in * prod(size)).

        Raises `ValueError` for a torus that the stride does not divide.
        """
        if torus and any(n % s for n, s in zip(size, self.window.stride, strict=True)):
            raise ValueError(f"a torus of {size} can't be walked in steps of {self.window.stride}: not a multiple")
        outputs = (
            tuple(n // s for n, s in zip(size, self.window.stride, strict=True)) if torus else self.output_size(size)
        )
        return _scatter(ungroup(self.weight, self.groups), self.window, outputs, size, torus).T

    def adjoint(self) -> TransposedConvolution:
        """Give the layer that carries the gradient back: the same weight, written instead of read."""
        return TransposedConvolution(self.weight, self.window, groups=self.groups)
