"""Vocoding: sound again from its spectrum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from flatfield.lab.draw import Draw
from flatfield.lab.models.vocoder import Vocoder
from flatfield.lab.sounds import WINDOW, Pieces, spectrum
from flatfield.lab.task import Networks, Part


@dataclass(frozen=True)
class Vocoding:
    """Train a vocoder on the distance of log magnitudes; the phase of the sound is its own affair."""

    pieces: Pieces
    stages: Sequence[str]
    width: int = 64

    @property
    def parts(self) -> tuple[Part, ...]:
        """One loss, one network."""
        return (Part("spectrum", "painter"),)

    def networks(self) -> dict[str, nn.Module]:
        """Build the vocoder."""
        return {"painter": Vocoder(self.stages, WINDOW // 2 + 1, self.width)}

    def loss(self, part: str, networks: Networks, draw: Draw) -> Tensor:
        """Give the mean distance of log magnitudes on a batch."""
        painter = networks["painter"]
        heard = spectrum(self.pieces.sample(draw).to(next(painter.parameters()).device))
        return F.l1_loss(spectrum(painter(heard)), heard)
