"""Files of every kind, whole and broken: a row each, and the run goes on."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from flatfield.measure import plant, rows
from flatfield.measure.bands import strips_of_bands
from flatfield.measure.heatmap import map_path
from flatfield.measure.media import LIMIT, kind_of, read_picture
from flatfield.measure.row import Settings
from flatfield.measure.rows import measure_files
from flatfield.measure.strips import cut

BOARD = plant(np.random.default_rng(0).normal(128, 5, (3, 64, 64)), 2, 3.0).round().clip(0, 255).astype(np.uint8)
RGB = Image.fromarray(BOARD.transpose(1, 2, 0))
GREY = Image.fromarray(BOARD[0])


def row(path: Path, **options: object) -> object:
    return measure_files([str(path)], Settings(**options))[0]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.png", {}),
        ("a.jpg", {"quality": 98, "subsampling": 0}),
        ("a.webp", {"lossless": True}),
        ("a.tiff", {"compression": "tiff_lzw"}),
        ("a.avif", {"quality": 100, "subsampling": "4:4:4"}),
    ],
)
def test_every_format_is_read(tmp_path: Path, name: str, options: dict[str, object]) -> None:
    try:
        RGB.save(tmp_path / name, **options)
    except (KeyError, OSError) as error:
        pytest.skip(f"this Pillow can't write {name}: {error}")
    told = row(tmp_path / name)
    assert (told.error, told.periods, told.width, told.channels) == (None, (2,), 64, 3)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGBA", "P", "CMYK", "YCbCr", "I;16"])
def test_every_mode_is_read(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("a.tiff" if mode in ("CMYK", "YCbCr") else "a.png")
    if mode == "I;16":
        Image.fromarray(np.asarray(GREY).astype(np.uint16) * 257).save(path)
    elif mode == "P":
        GREY.quantize(256).save(path)
    else:
        RGB.convert(mode).save(path)
    told = row(path)
    assert told.error is None
    assert 2 in told.periods or mode == "1"
    if mode == "I;16":
        assert told.strength == pytest.approx(row(save(GREY, tmp_path / "b.png")).strength, rel=1e-3)


def save(image: Image.Image, path: Path) -> Path:
    image.save(path)
    return path


def bomb(path: Path, width: int, height: int) -> Path:
    """A PNG whose header promises more pixels than anybody wants."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path


def broken(folder: Path) -> dict[Path, str]:
    """Files that can't be measured, and what must be said of each."""
    whole = save(RGB, folder / "whole.png").read_bytes()
    RGB.save(folder / "moving.webp", save_all=True, append_images=[RGB.rotate(90)])
    RGB.save(folder / "pages.tiff", save_all=True, append_images=[RGB])
    RGB.resize((15, 40)).save(folder / "small.png")
    Image.fromarray(np.zeros((32, 32), np.float32)).save(folder / "float.tiff")
    np.save(folder / "object.npy", np.array([{}, "a"], dtype=object), allow_pickle=True)
    np.savez(folder / "object.npz", a=np.array([{}], dtype=object))
    np.save(folder / "line.npy", np.zeros(50))
    np.save(folder / "none.npy", np.zeros((0, 3, 32, 32)))
    np.savez_compressed(folder / "flipped.npz", x=np.asarray(RGB))
    flipped = bytearray((folder / "flipped.npz").read_bytes())
    flipped[134] ^= 0x55  # in the deflated stream: zlib has an error of its own
    (folder / "flipped.npz").write_bytes(flipped)
    header = bytearray((folder / "line.npy").read_bytes())
    header[10] = 0
    (folder / "header.npy").write_bytes(header)
    np.save(folder / "nan.npy", np.full((2, 3, 32, 32), np.nan))
    texts = {
        "empty.png": b"",
        "empty.wav": b"",
        "empty.npy": b"",
        "text.jpg": b"hello",
        "torn.png": whole[: len(whole) // 2],
        "noise.wav": b"RIFF" + bytes(100),
        "torn.npz": b"PK\x03\x04" + bytes(50),
        "wrong.gif": whole,
    }
    for name, data in texts.items():
        (folder / name).write_bytes(data)
    (folder / "whole.png").unlink()
    sound = np.random.default_rng(0).normal(0, 0.05, 32000)
    for name, length in (("torn.wav", 44 + 32000), ("torn.ogg", 9000)):
        soundfile.write(folder / name, sound, 16000)
        (folder / name).write_bytes((folder / name).read_bytes()[:length])
    bomb(folder / "giga.png", 40_000, 40_000)
    bomb(folder / "large.png", 12_000, 12_000)
    told = {
        "empty.png": "the file is empty",
        "empty.wav": "the file is empty",
        "empty.npy": "the file is empty",
        "text.jpg": "no picture format",
        "torn.png": "truncated",
        "noise.wav": "can't be decoded",
        "torn.npz": "",
        "wrong.gif": "ending '.gif' is not measured",
        "moving.webp": "2 frames or pages",
        "pages.tiff": "2 frames or pages",
        "small.png": "15 x 40 is too small",
        "float.tiff": "32-bit floats",
        "object.npy": "Python objects are never loaded",
        "object.npz": "Python objects are never loaded",
        "line.npy": "no batch of pictures",
        "none.npy": "it holds no picture",
        "flipped.npz": "it can't be decoded",
        "header.npy": "",
        "nan.npy": "NaN or infinite",
        "large.png": "12000 x 12000 pixels are more than the limit",
        "missing.png": "No such file",
        "torn.wav": "it is truncated: 32000 bytes of samples, not 64000",
        "torn.ogg": "it is truncated: its last page is missing",
    }
    told["giga.png"] = "40000 x 40000 pixels are more|larger than 100000000 pixels"
    return {folder / name: text for name, text in told.items()}


def test_what_is_broken_gets_a_row_and_the_rest_is_measured(tmp_path: Path) -> None:
    wrong = broken(tmp_path)
    good = save(RGB, tmp_path / "good.png")
    measured = measure_files([*map(str, wrong), str(good)])
    assert [r.file for r in measured] == [*map(str, wrong), str(good)]
    for told, (path, text) in zip(measured, wrong.items(), strict=False):
        assert told.error is not None, path.name
        assert "\n" not in told.error
        assert any(part in told.error for part in text.split("|")), (path.name, told.error)
    assert measured[-1].periods == (2,)


def test_whole_numbers_are_grey_levels_up_to_255_and_of_16_bits_beyond(tmp_path: Path) -> None:
    grid = plant(np.random.default_rng(0).normal(128, 6, (8, 1, 64, 64)), 4, 2.0).round()
    np.save(tmp_path / "wide.npy", grid.astype(np.int64))
    np.save(tmp_path / "sixteen.npy", (grid * 257).astype(np.uint16))
    for told in measure_files([str(tmp_path / "wide.npy"), str(tmp_path / "sixteen.npy")]):
        assert told.strength == pytest.approx(2.0, rel=0.15)


def test_a_map_that_cannot_be_written_costs_its_own_row_only(tmp_path: Path) -> None:
    files = [str(save(RGB, tmp_path / name)) for name in ("a.png", "b.png")]
    (tmp_path / "maps").mkdir()
    settings = Settings(maps=str(tmp_path / "maps"))
    first = map_path(settings.maps, files[0])
    first.parent.mkdir(parents=True, exist_ok=True)
    first.mkdir()  # in its way
    told = measure_files(files, settings)
    assert told[0].error is not None
    assert "its map can't be written" in told[0].error
    assert told[1].error is None
    assert [row.periods for row in told] == [(2,), (2,)]


def test_the_limit_can_be_moved(tmp_path: Path) -> None:
    assert "limit of 4000" in str(row(save(RGB, tmp_path / "a.png"), limit=4000).error)
    assert LIMIT == 100_000_000


def test_the_limit_may_be_above_pillows_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(RGB, tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert row(path, limit=5000).error is None
    assert Image.MAX_IMAGE_PIXELS == 1000


def test_a_phones_jpeg_with_its_preview_is_one_picture(tmp_path: Path) -> None:
    RGB.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[RGB.resize((32, 32))], quality=98)
    told = row(tmp_path / "a.jpg")
    assert (told.error, told.periods, told.width, told.jpeg_grid) == (None, (2,), 64, True)


def test_labels_beside_pictures_are_passed_over(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", pictures=np.stack([BOARD] * 4), labels=np.arange(4), latent=np.zeros((4, 100)))
    assert (row(tmp_path / "a.npz").error, row(tmp_path / "a.npz").pictures) == (None, 4)
    np.savez(tmp_path / "b.npz", labels=np.arange(4))
    assert "no batch of pictures" in row(tmp_path / "b.npz").error


def test_a_map_does_not_change_the_row(tmp_path: Path) -> None:
    large = np.random.default_rng(0).normal(128, 20, (300, 260, 3)).round().clip(0, 255).astype(np.uint8)
    path = save(Image.fromarray(large), tmp_path / "a.png")
    assert row(path, maps=str(tmp_path / "maps")) == row(path)
    assert row(path, every_pixel=True).p_value != row(path).p_value


def test_many_large_pictures_are_measured_a_few_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [str(save(RGB, tmp_path / f"{i}.png")) for i in range(7)]
    together, held = measure_files(files), []
    monkeypatch.setattr("flatfield.measure.rows.HELD", 3 * BOARD.size)
    real = rows.picture_rows
    monkeypatch.setattr(rows, "picture_rows", lambda names, *rest: held.append(len(names)) or real(names, *rest))
    assert [r.periods for r in measure_files(files)] == [r.periods for r in together]
    assert held == [4, 3]


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_large_pictures_are_read_as_the_same_strips(tmp_path: Path, mode: str) -> None:
    large = np.random.default_rng(0).integers(0, 255, (2, 200, 260, 3), dtype=np.uint8)
    large = large if mode == "RGB" else large[..., :1]
    files = [save(Image.fromarray(p.squeeze()), tmp_path / f"{i}.png") for i, p in enumerate(large)]
    bands = [read_picture(file, strips=3).bands for file in files]
    for at, axis in enumerate((-1, -2)):
        whole = cut(large.transpose(0, 3, 1, 2), axis, 3)
        strips = strips_of_bands([b[at] for b in bands], (len(mode), 200, 260), axis, 3)
        assert np.array_equal(strips.values, whole.values)
        assert np.array_equal(strips.rows, whole.rows)


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("scale", ["uint8", "0..1", "-1..1"])
def test_batches_are_pooled_in_grey_levels(tmp_path: Path, layout: str, scale: str) -> None:
    batch = plant(np.random.default_rng(0).normal(128, 8, (20, 3, 32, 32)), 2, 1.0).round().clip(0, 255)
    numbers = {"uint8": batch.astype(np.uint8), "0..1": batch / 255, "-1..1": batch / 127.5 - 1}[scale]
    numbers = numbers if layout == "nchw" else numbers.transpose(0, 2, 3, 1)
    np.save(tmp_path / "a.npy", numbers)
    np.savez_compressed(tmp_path / "b.npz", numbers)
    for name in ("a.npy", "b.npz"):
        told = row(tmp_path / name)
        assert (told.error, told.periods, told.pictures, told.channels) == (None, (2,), 20, 3)
        assert told.strength == pytest.approx(1.0, rel=0.15)


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg"])
def test_sound_files(tmp_path: Path, ending: str) -> None:
    hum = 0.05 * np.cos(np.pi / 2 * np.arange(32000)) + np.random.default_rng(0).normal(0, 0.05, 32000)
    soundfile.write(tmp_path / f"a.{ending}", np.stack([hum, hum], axis=1), 16000)
    told = row(tmp_path / f"a.{ending}", periods=(2, 4, 8))
    assert (told.error, told.kind, told.periods, told.channels) == (None, "sound", (4,), 2)
    assert told.tones == (4000.0,)


def test_maps_are_written_beside_each_other(tmp_path: Path) -> None:
    told = row(save(RGB, tmp_path / "a.png"), maps=str(tmp_path / "maps"))
    assert told.error is None
    (written,) = (tmp_path / "maps").rglob("*.png")
    assert np.asarray(Image.open(written)).mean() == pytest.approx(30, rel=0.2)


def test_endings_are_told() -> None:
    with pytest.raises(ValueError, match=r"ending '\.exe' is not measured: give \.png"):
        kind_of("a.exe")
