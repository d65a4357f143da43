"""Peers: published packages with real architectures, fetched with pip into a folder that git ignores."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock

FOLDER = Path(__file__).parents[1] / ".cache" / "peers"
REQUIREMENTS = (
    "diffusers==0.42.1", "transformers==5.23.0", "monai==1.6.1",
    "huggingface_hub==2.4.0", "safetensors==0.8.0", "tokenizers==0.23.3", "regex==2026.11.15", "tqdm==4.70.1",
    "importlib_metadata==10.2.0", "zipp==4.1.2", "httpx2==2.16.2", "httpcore2==2.16.2", "truststore==0.10.5",
    "hf_xet==1.8.0", "anyio==4.16.0", "h11==0.16.0", "idna==3.20", "sniffio==1.3.1", "einops==0.8.2",
    "requests==2.34.2", "urllib3==2.8.0", "charset_normalizer==3.5.2", "certifi==2026.10.18", "pillow==13.0.0",
    "PyYAML==6.0.3", "packaging==26.3", "click==8.5.1", "filelock==4.2.12", "fsspec==2026.9.0",
)  # fmt: skip
_OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


class NotFetchedError(RuntimeError):
    """The packages could not be fetched; the message is pip's last line."""


def fetch() -> Path:
    """Fetch the packages once, without a second torch; raises `NotFetchedError` where that fails."""
    FOLDER.parent.mkdir(exist_ok=True)
    with FileLock(FOLDER.parent / "peers.lock"):
        return _fetch()


def _fetch() -> Path:
    stamp, wanted = FOLDER / ".fetched", "\n".join(REQUIREMENTS)
    if stamp.is_file() and stamp.read_text() == wanted:
        return FOLDER
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    options = ["--upgrade", "--target", str(FOLDER)]
    result = subprocess.run(
        [*command, *options, *REQUIREMENTS], capture_output=True, text=True, check=False, timeout=900
    )
    if result.returncode:
        raise NotFetchedError((result.stderr.strip().splitlines() or ["pip failed"])[-1])
    stamp.write_text(wanted)
    return FOLDER


@contextlib.contextmanager
def importable() -> Iterator[None]:
    """Put the packages behind everything that is installed, ask them to stay offline, and bear their warnings."""
    path, environment = str(fetch()), dict(os.environ)
    sys.path.append(path)
    os.environ.update(_OFFLINE)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        sys.path.remove(path)
        os.environ.clear()
        os.environ.update(environment)
