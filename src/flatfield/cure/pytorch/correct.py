"""Correct: a flat-field correction behind a PyTorch module, calibrated on what the module makes of examples."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from flatfield.cure.calibration import CalibrationError, calibrate
from flatfield.cure.colours import Real
from flatfield.cure.correction import Correction
from flatfield.cure.correction_fit import fit_correction
from flatfield.cure.examples import Examples, Progress
from flatfield.cure.layout import Layout, layout_of, notes_on
from flatfield.cure.pytorch.corrected import Corrected, arranged
from flatfield.cure.pytorch.flat_fields import FLATS, FlatFields
from flatfield.cure_report import CurePlan
from flatfield.nn.flat_field_correction import FlatFieldCorrection
from flatfield.probe.passage import subject
from flatfield.readers.untouched import Untouched
from flatfield.readers.visit import tensors_in


def correct(
    plan: CurePlan, module: nn.Module, examples: Examples, progress: Progress
) -> tuple[nn.Module, tuple[str, ...]]:
    """Put a flat-field correction behind a copy of `module`; one without a grid is copied as it is.

    The notes say what was calibrated on, and what kind of grid was found. Raises `CalibrationError` for examples that
    tell nothing or outputs that can't be corrected, `NoGridError` for a module without an output that has positions.
    """
    outputs, tiles, layout = calibration_outputs(module, examples, progress)
    progress("fitting the correction", 0, 1)
    correction = fit_correction(calibrate(outputs, tiles, layout.period))
    progress("fitting the correction", 1, 1)
    twin, notes = copy.deepcopy(module), notes_on(correction, examples.source)
    if correction.degree < 0:
        return twin, notes
    return Corrected(twin, correction_layer(correction, twin), layout), notes


def correction_layer(correction: Correction, like: nn.Module) -> FlatFieldCorrection:
    """Make the layer that applies a correction, on a module's device and in single precision or its weights' own."""
    weight = next((p for p in like.parameters() if p.is_floating_point()), torch.zeros(()))
    kind = weight.dtype if weight.element_size() >= 4 else torch.float32
    seen = correction.colours
    parts = (seen.centre, seen.matrix, seen.low, seen.high, correction.coefficients)
    tensors = [torch.tensor(part, dtype=kind, device=weight.device) for part in parts]
    return FlatFieldCorrection(correction.period, *tensors)


def calibration_outputs(module: nn.Module, examples: Examples, progress: Progress) -> tuple[list[Real], Real, Layout]:
    """Run all examples as they are, and flat fields of their colours: outputs, tiles, and how outputs are laid out."""
    total = len(examples.batches)
    if not total:
        raise CalibrationError("no example was given: give two or more (--examples)")
    outputs: list[Real] = []
    tiles: list[Real] = []
    flats: FlatFields | None = None
    for done, batch in enumerate(examples.batches):
        progress("running the examples", done, total)
        whole = subject(module, batch, examples.keywords)
        seen = whole.first_pass()
        results = list(tensors_in(_run(module, batch, examples.keywords)))
        if flats is None:
            flats = FlatFields.of(whole, seen)
            layout = layout_of(flats.passage.periods, flats.passage.place)
        output = arranged(results[layout.place], layout)
        outputs.append(np.asarray(output.double().cpu().numpy()))
        tiles += flats.tiles(whole, seen, layout, -(-FLATS // (total * max(1, len(output)))))
    progress("running the examples", total, total)
    return outputs, np.concatenate(tiles), layout


def _run(module: nn.Module, batch: tuple[Any, ...], keywords: Mapping[str, Any]) -> Any:
    with Untouched(module, (batch, keywords)):
        return module(*batch, **keywords)
