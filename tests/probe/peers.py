"""Published models at their own start, fetched by pip into a folder that git ignores."""

from __future__ import annotations

import importlib
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

CACHE = Path(__file__).parents[2] / ".cache" / "peers"
# without their dependencies: torch and numpy are those of this environment, never others
ALONE = {
    "diffusers": ("diffusers", "huggingface_hub", "safetensors", "regex", "importlib_metadata", "zipp", "tqdm",
                  "httpx", "httpcore", "anyio", "h11", "sniffio", "hf-xet"),
    "transformers": ("transformers", "huggingface_hub", "tokenizers", "safetensors", "regex", "tqdm", "httpx",
                     "httpcore", "anyio", "h11", "sniffio", "hf-xet"),
    "monai": ("monai",),
}  # fmt: skip


@contextmanager
def peer(name: str) -> Iterator[ModuleType]:
    """Import a package, fetched if it is not there; skips where it can't be had. Its warnings are its own."""
    if not (CACHE / name).exists():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(CACHE), *ALONE[name]]
        result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        if result.returncode or not (CACHE / name).exists():
            pytest.skip(f"{name} could not be fetched: {result.stderr.strip().splitlines()[-1:]}")
    sys.path.insert(0, str(CACHE))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                yield importlib.import_module(name)
            except ImportError as error:
                pytest.skip(f"{name} can't be imported here: {error}")
    finally:
        sys.path.remove(str(CACHE))
