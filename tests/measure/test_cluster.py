"""Ray: the same rows, and none lost when a node dies in the middle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ray = pytest.importorskip("ray", reason="the [ray] extra is not installed")
pytest.importorskip("ray.data", reason="the [ray] extra is not installed")

from flatfield.measure import plant  # noqa: E402
from flatfield.measure.cluster import measure_cluster  # noqa: E402
from flatfield.measure.row import Settings  # noqa: E402
from flatfield.measure.rows import measure_files  # noqa: E402


@pytest.mark.filterwarnings("ignore")  # Ray's own, about its future and its sockets
def test_a_node_that_dies_loses_nothing(tmp_path: Path) -> None:
    from ray.cluster_utils import Cluster

    for i in range(160):
        picture = np.random.default_rng(i).normal(128, 6, (3, 48, 48))
        pixels = (plant(picture, 2, 3.0) if i % 4 == 0 else picture).round().clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels.transpose(1, 2, 0)).save(tmp_path / f"{i:03d}.png")
    files = sorted(str(path) for path in tmp_path.glob("*.png"))
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    second = cluster.add_node(num_cpus=1)
    try:
        ray.init(address=cluster.address, log_to_driver=False)
        rows, killed = [], False
        for piece in measure_cluster(files, Settings(periods=(2, 4))):
            rows += piece
            if not killed:
                cluster.remove_node(second, allow_graceful=False)
                killed = True
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert killed
    assert sorted(row.file for row in rows) == files
    truth = {row.file: row.periods for row in measure_files(files, Settings(periods=(2, 4)))}
    assert {row.file: row.periods for row in rows} == truth
