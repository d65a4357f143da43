"""A PyTorch module as verification sees it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import nn

from flatfield.cure.subject import Array
from flatfield.network import Network
from flatfield.probe.gradient import probe_gradient
from flatfield.probe.profile import probe_module
from flatfield.probe.unhonoured import NoGridError
from flatfield.readers.pytorch import read_module
from flatfield.readers.untouched import Untouched
from flatfield.readers.visit import tensors_in
from flatfield.report import ProbeReport, UnreadReport


@dataclass(frozen=True)
class ModuleSubject:
    """A module with its example input; every run leaves it as it was."""

    module: nn.Module
    inputs: tuple[Any, ...]
    keywords: Mapping[str, Any] = field(default_factory=dict)
    target: str = ""

    @cached_property
    def network(self) -> Network:
        """The layers it runs through on its example input."""
        return read_module(self.module, self.inputs, keywords=self.keywords, target=self.target)

    def outputs(self, batch: tuple[Any, ...], keywords: Mapping[str, Any]) -> list[Array]:
        """Run on one batch; every output of real numbers, in order."""
        with Untouched(self.module, (batch, keywords)):
            result = self.module(*batch, **keywords)
        return [numbers(tensor) for tensor in tensors_in(result) if tensor.is_floating_point()]

    def probe(self) -> ProbeReport | None:
        """What it makes of a flat field; a run that fails is listed with the reason."""
        try:
            return probe_module(self.module, self.inputs, keywords=self.keywords)
        except NoGridError:
            return None
        except Exception as error:  # somebody's module, in a run it was not made for
            return ProbeReport(unhonoured=(failed(error),))

    def gradient(self) -> ProbeReport | None:
        """What it makes of a flat gradient."""
        try:
            return ProbeReport(gradient=probe_gradient(self.module, self.inputs, keywords=self.keywords))
        except NoGridError:
            return None
        except Exception as error:  # somebody's module, in a run it was not made for
            return ProbeReport(unhonoured=(failed(error),))

    def state(self) -> Mapping[str, Array]:
        """Its state dict; of a module that is one layer, under that layer's name."""
        alone = [layer.name for layer in self.network.layers][:1] if not list(self.module.children()) else []
        state = {name: value for name, value in self.module.state_dict().items() if torch.is_tensor(value)}
        return {".".join((*alone, name)): numbers(value) for name, value in state.items()}

    def call(self, batch: tuple[Any, ...], keywords: Mapping[str, Any]) -> None:
        """Run on one batch and forget the outputs."""
        with Untouched(self.module, (batch, keywords)):
            self.module(*batch, **keywords)

    @contextlib.contextmanager
    def single_threaded(self) -> Iterator[None]:
        """Hold PyTorch to one thread."""
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)


def failed(error: Exception) -> UnreadReport:
    """Say in one line why a run on a flat field failed."""
    reason = " ".join(str(error).split())[:300] or "no message"
    return UnreadReport("probe", type(error).__name__, f"the run on a flat field failed: {reason}")


def numbers(tensor: torch.Tensor) -> Array:
    """Give a tensor as an array; formats that numpy lacks become single precision."""
    kept = tensor.detach()
    if kept.dtype in (torch.bfloat16, torch.float16) or (kept.is_floating_point() and kept.element_size() < 2):
        kept = kept.float()
    return np.asarray(kept.cpu().numpy())
