"""Lightning callback: the network's own grid, logged while it is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from flatfield.probe.watch import Watch

if TYPE_CHECKING:
    from lightning.pytorch import Callback, LightningModule, Trainer
else:
    try:
        from lightning.pytorch import Callback
    except ModuleNotFoundError:
        try:
            from pytorch_lightning import Callback  # the same, under its older name
        except ModuleNotFoundError:
            Callback = object  # so that the docs and tests of a machine without Lightning can import this file


class FlatFieldCallback(Callback):
    """Log the probe's unevenness (and the tile, to loggers that take images) every so many training steps.

    `network` names the submodule to probe ("" is the whole LightningModule); `inputs` is its example input, on the
    device of the network. A probe never takes more than `share` of the training time: one that would is put off.
    Logs `flatfield/unevenness` (0 to 1) and `flatfield/peak_to_peak` (output units).
    """

    def __init__(
        self,
        inputs: Sequence[Any] | Any,
        *,
        keywords: Mapping[str, Any] | None = None,
        network: str = "",
        every: int = 100,
        share: float = 0.01,
    ) -> None:
        self.watch = Watch(inputs, keywords=keywords, every=every, share=share)
        self.network = network

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Probe where it is due."""
        if not trainer.is_global_zero:
            return
        tile = self.watch.step(pl_module.get_submodule(self.network))
        if tile is None:
            return
        measured = {"flatfield/unevenness": tile.unevenness, "flatfield/peak_to_peak": tile.peak_to_peak}
        for logger in trainer.loggers:
            logger.log_metrics(measured, step=trainer.global_step)
            picture = getattr(getattr(logger, "experiment", None), "add_image", None)
            if callable(picture) and tile.dims == 2:
                picture("flatfield/tile", _stretched(tile.one_period()), trainer.global_step)


def _stretched(tile: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Up to three channels, magnified, the smallest number black and the largest white."""
    shown = tile[:3] if len(tile) >= 3 else tile[:1]
    times = max(1, 64 // max(shown.shape[1:]))
    low, high = float(shown.min()), float(shown.max())
    levels = (shown - low) / (high - low) if high > low else np.full_like(shown, 0.5)
    return np.asarray(levels.repeat(times, 1).repeat(times, 2))
