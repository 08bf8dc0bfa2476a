"""Picture files as pixels: what is written is read, what strangers wrote is understood, and bad files are refused."""

from __future__ import annotations

import io
import os
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageOps

from specloom.errors import ImageFileError, ParameterError
from specloom.io import image as image_io
from specloom.io.image import image_size, open_image, read_texts, save_image

TEXTS = {"specloom": '{"n_fft": 2048, "name": "für"}', "other": "text"}


def noise(shape, dtype=np.uint8, seed=0):
    pixels = np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, shape, dtype=dtype)
    pixels.flags.writeable = False
    return pixels


def smooth(shape):
    """Levels that JPEG hardly changes."""
    ramp = np.add.outer(np.linspace(0, 120, shape[0]), np.linspace(0, 120, shape[1])).astype(np.uint8)
    ramp.flags.writeable = False
    return ramp


def names_in(folder):
    return sorted(entry.name for entry in folder.iterdir())


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_bytes(width, height, *, depth=8, kind=0, rows=b"", extra=b"", after=b""):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + header + extra + pixels + after + chunk(b"IEND", b"")


def gray_png(path, pixels, **kwargs):
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    path.write_bytes(png_bytes(pixels.shape[1], pixels.shape[0], rows=rows, **kwargs))
    return path


# ---------------------------------------------------------------- what is written is read


@pytest.mark.parametrize("suffix", [".png", ".PNG", ".tif", ".tiff"])
@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((50, 70), np.uint8), ((50, 70), np.uint16), ((50, 70, 3), np.uint8), ((1, 1), np.uint8), ((1, 1), np.uint16)],
)
def test_png_and_tiff_keep_every_pixel_and_text(tmp_path, suffix, shape, dtype):
    pixels = noise(shape, dtype)
    path = save_image(tmp_path / f"picture{suffix}", pixels, texts=TEXTS)
    again = open_image(path)
    assert again.pixels.dtype == dtype
    np.testing.assert_array_equal(again.pixels, pixels)
    assert not again.pixels.flags.writeable
    assert again.format == ("png" if suffix.lower() == ".png" else "tiff")
    assert again.texts == TEXTS == read_texts(path)
    assert again.notes == ()
    assert image_size(path) == (shape[1], shape[0])


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_big_endian_and_strided_pixels_are_written_as_they_are(tmp_path, suffix):
    pixels = noise((40, 60), np.uint16).T[::-1]
    again = open_image(save_image(tmp_path / f"turned{suffix}", pixels))
    np.testing.assert_array_equal(again.pixels, pixels)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_palette_gives_colours_and_keeps_the_codes(tmp_path, suffix):
    codes, palette = noise((30, 40)), noise((256, 3), seed=1)
    path = save_image(tmp_path / f"coloured{suffix}", codes, palette=palette, texts=TEXTS)
    again = open_image(path)
    np.testing.assert_array_equal(again.pixels, palette[codes])
    np.testing.assert_array_equal(again.indices, codes)
    np.testing.assert_array_equal(again.palette, palette)
    assert again.texts == TEXTS


def test_jpeg_keeps_gray_gray_and_colours_whole(tmp_path):
    gray = smooth((64, 80))
    again = open_image(save_image(tmp_path / "gray.jpg", gray, texts=TEXTS))
    assert again.pixels.shape == gray.shape
    assert np.abs(again.pixels.astype(int) - gray).max() <= 2
    assert again.texts == TEXTS
    colours = np.zeros((64, 64, 3), dtype=np.uint8)
    colours[:, ::2, 0] = 255  # every second column red: with thinned colours all would be the same brown
    path = save_image(tmp_path / "colour.jpeg", colours)
    again = open_image(path)
    assert again.pixels[:, ::2, 0].min() > 200 > 60 > again.pixels[:, 1::2, 0].max()
    palette = np.stack([np.arange(256), np.zeros(256), np.zeros(256)], axis=1).astype(np.uint8)
    again = open_image(save_image(tmp_path / "palette.jpg", gray, palette=palette))
    assert np.abs(again.pixels[..., 0].astype(int) - gray).max() <= 4
    assert again.pixels[..., 1].max() <= 4


def test_jpeg_quality_decides_how_coarsely_it_rounds(tmp_path):
    tables = {}
    for quality in (50, 95):
        path = save_image(tmp_path / f"q{quality}.jpg", smooth((32, 32)), jpeg_quality=quality)
        tables[quality] = open_image(path).quantisation
    assert tables[50].shape == (8, 8)
    assert tables[50].dtype == np.uint16
    # The standard's own table, which quality 50 is: its first row and column, vertical frequency down.
    assert tables[50][0].tolist() == [16, 11, 10, 16, 24, 40, 51, 61]
    assert tables[50][:, 0].tolist() == [16, 12, 14, 14, 18, 24, 49, 72]
    assert tables[95].max() < 15
    assert open_image(save_image(tmp_path / "a.png", smooth((8, 8)))).quantisation is None


def test_a_lone_comment_stays_readable_for_others(tmp_path):
    path = save_image(tmp_path / "a.jpg", smooth((8, 8)), texts={"comment": "seen at sea"})
    with Pillow.open(path) as image:
        assert image.info["comment"] == b"seen at sea"
    assert read_texts(path) == {"comment": "seen at sea"}


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tiff"])
def test_a_very_wide_picture_is_written_and_read(tmp_path, suffix):
    pixels = smooth((3, 30_000))
    path = save_image(tmp_path / f"wide{suffix}", pixels)
    assert image_size(path) == (30_000, 3)
    assert np.abs(open_image(path).pixels.astype(int) - pixels).max() <= (6 if suffix == ".jpg" else 0)


# ---------------------------------------------------------------- what strangers wrote


def stored(path, image, **kwargs):
    image.save(path, **kwargs)
    return path


@pytest.mark.parametrize("shift", [0, 1])
def test_one_bit_pictures_become_black_and_white(tmp_path, shift):
    bits = noise((20, 30 + shift)) > 127
    for name in ("a.png", "a.tif", "a.bmp"):
        again = open_image(stored(tmp_path / name, Pillow.fromarray(bits)))
        np.testing.assert_array_equal(again.pixels, bits * np.uint8(255))


def test_sixteen_bits_of_gray_are_kept_whatever_pillow_calls_them(tmp_path):
    values = noise((20, 30), np.uint16)
    little = Pillow.fromarray(values)
    big = Pillow.frombytes("I;16B", (30, 20), values.astype(">u2").tobytes())
    wide = Pillow.fromarray(values.astype(np.int32))
    assert wide.mode == "I"
    for name, image in (("l.png", little), ("l.tif", little), ("b.tif", big), ("i.tif", wide)):
        again = open_image(stored(tmp_path / name, image))
        assert again.pixels.dtype == np.uint16, name
        np.testing.assert_array_equal(again.pixels, values, err_msg=name)
        assert again.notes == (), name
    assert (tmp_path / "b.tif").read_bytes()[:2] == b"MM"


def test_numbers_beyond_sixteen_bits_are_stretched_and_that_is_said(tmp_path):
    floats = np.random.default_rng(0).random((20, 30), dtype=np.float32)
    again = open_image(stored(tmp_path / "unit.tif", Pillow.fromarray(floats)))
    np.testing.assert_array_equal(again.pixels, np.round(floats.astype(np.float64) * 65_535))
    assert again.notes == ("values from 0 to 1 were stretched over 16 bits",)
    decibels = floats * 80 - 80
    decibels[0, 0], decibels[0, 1] = np.nan, -80.0
    decibels[0, 2], decibels[0, 3] = 0.0, np.inf
    again = open_image(stored(tmp_path / "db.tif", Pillow.fromarray(decibels)))
    assert again.pixels[0, :4].tolist() == [0, 0, 65_535, 0]
    assert len(again.notes) == 2
    large = np.array([[0, 1_000_000], [500_000, 250_000]], dtype=np.int32)
    again = open_image(stored(tmp_path / "large.tif", Pillow.fromarray(large)))
    assert again.pixels.tolist() == [[0, 65_535], [32_768, 16_384]]
    flat = open_image(stored(tmp_path / "flat.tif", Pillow.fromarray(np.full((4, 4), 7e9, dtype=np.float32))))
    assert not flat.pixels.any()


def test_transparency_is_laid_over_white(tmp_path):
    colour = noise((10, 12, 3))
    for alpha, expected in ((0, np.full_like(colour, 255)), (255, colour), (128, None)):
        path = tmp_path / f"{alpha}.png"
        stored(path, Pillow.fromarray(np.dstack([colour, np.full((10, 12), alpha, np.uint8)])))
        again = open_image(path)
        if expected is None:
            expected = np.round(255 - (255.0 - colour) * alpha / 255)
        assert np.abs(again.pixels.astype(int) - expected).max() <= (0 if alpha != 128 else 1)
        assert again.notes == (() if alpha == 255 else ("transparency was laid over white",))


def test_transparent_gray_stays_gray(tmp_path):
    gray = noise((10, 12))
    alpha = np.zeros_like(gray)
    alpha[:5] = 255
    again = open_image(stored(tmp_path / "la.png", Pillow.merge("LA", [Pillow.fromarray(p) for p in (gray, alpha)])))
    np.testing.assert_array_equal(again.pixels, np.where(alpha > 0, gray, 255))
    deep = noise((10, 12), np.uint16)
    path = stored(tmp_path / "deep.png", Pillow.fromarray(deep), transparency=int(deep[0, 0]))
    assert open_image(path).pixels[0, 0] == 65_535


def test_palettes_become_colours_or_gray(tmp_path):
    codes = noise((10, 12)) // 64
    image = Pillow.fromarray(codes)
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 9, 9, 9])
    for name in ("p.png", "p.gif", "p.bmp", "p.tif"):
        again = open_image(stored(tmp_path / name, image))
        expected = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0], [9, 9, 9]], np.uint8)[codes]
        np.testing.assert_array_equal(again.pixels, expected, err_msg=name)
    again = open_image(stored(tmp_path / "clear.png", image, transparency=1))
    assert again.pixels[codes == 1].min() == 255
    assert again.indices is None
    assert again.notes == ("transparency was laid over white",)
    image.putpalette([200, 200, 200, 3, 3, 3, 7, 7, 7, 90, 90, 90])
    again = open_image(stored(tmp_path / "gray.png", image))
    np.testing.assert_array_equal(again.pixels, np.array([200, 3, 7, 90], np.uint8)[codes])


def test_cmyk_jpegs_come_out_in_their_colours(tmp_path):
    red = Pillow.new("CMYK", (16, 16), (0, 255, 255, 0))
    again = open_image(stored(tmp_path / "cmyk.jpg", red, quality=95))
    assert again.pixels.shape == (16, 16, 3)
    assert np.abs(again.pixels.astype(int) - [255, 0, 0]).max() <= 3


@pytest.mark.parametrize(("name", "kind"), [("a.gif", "gif"), ("a.png", "png"), ("a.webp", "webp"), ("a.tif", "tiff")])
def test_of_several_pictures_the_first_is_taken_and_that_is_said(tmp_path, name, kind):
    frames = [Pillow.new("RGB", (8, 6), colour) for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255))]
    path = stored(tmp_path / name, frames[0], save_all=True, append_images=frames[1:], lossless=True)
    again = open_image(path)
    assert again.format == kind
    assert again.pixels[0, 0].tolist() == [255, 0, 0]
    what = "pages" if kind == "tiff" else "pictures of an animation"
    assert f"the first of 3 {what} was taken" in again.notes


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.jpg"])
def test_exif_rotation_is_obeyed(tmp_path, orientation, name):
    pixels = np.repeat(np.repeat(noise((2, 3)) // 2, 16, axis=0), 16, axis=1)
    exif = Pillow.Exif()
    exif[274] = orientation
    path = stored(tmp_path / name, Pillow.fromarray(pixels), exif=exif, **({"quality": 95} if ".jpg" in name else {}))
    lying = Pillow.open(path) if name == "a.jpg" else Pillow.fromarray(pixels)
    lying.getexif()[274] = orientation
    expected = np.asarray(ImageOps.exif_transpose(lying))
    again = open_image(path)
    np.testing.assert_array_equal(again.pixels, expected)
    assert image_size(path) == (again.pixels.shape[1], again.pixels.shape[0])
    assert expected.shape == ((48, 32) if orientation >= 5 else (32, 48))
    if orientation > 1 and name != "a.tif":
        assert again.notes == ("it was turned as its EXIF data ask for",)


def test_indices_are_turned_with_their_pixels(tmp_path):
    codes, palette = noise((4, 6)), noise((256, 3), seed=1)
    image = Pillow.fromarray(codes)
    image.putpalette(palette.tobytes())
    exif = Pillow.Exif()
    exif[274] = 6
    again = open_image(stored(tmp_path / "a.png", image, exif=exif))
    np.testing.assert_array_equal(again.indices, np.rot90(codes, -1))
    np.testing.assert_array_equal(again.palette[again.indices], again.pixels)


def test_exif_tags_of_others_are_handed_over(tmp_path):
    exif = Pillow.Exif()
    exif[11_000], exif[11_005] = 44_100, "text"
    path = stored(tmp_path / "a.jpg", Pillow.fromarray(smooth((16, 16))), exif=exif)
    assert open_image(path).exif[11_000] == 44_100
    damaged = path.read_bytes().replace(b"Exif\0\0MM", b"Exif\0\0XX")
    assert damaged != path.read_bytes()
    path.write_bytes(damaged)
    assert open_image(path).exif == {}
    path = gray_png(tmp_path / "a.png", smooth((16, 16)), extra=chunk(b"eXIf", b"XX\0*\0\0\0\x08"))
    with Pillow.open(path) as image, pytest.raises(SyntaxError):
        image.getexif()
    assert open_image(path).exif == {}
    assert image_size(path) == (16, 16)


def test_sixteen_bits_per_colour_are_reduced_and_that_is_said(tmp_path):
    colours = noise((4, 5, 3), np.uint16)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in colours)
    (tmp_path / "deep.png").write_bytes(png_bytes(5, 4, depth=16, kind=2, rows=rows))
    again = open_image(tmp_path / "deep.png")
    assert np.abs(again.pixels.astype(int) - colours // 257).max() <= 1
    assert again.notes == ("16 bits per colour were reduced to 8",)


def test_the_suffix_does_not_matter_for_reading(tmp_path):
    save_image(tmp_path / "a.png", smooth((8, 8)))
    (tmp_path / "a.png").rename(tmp_path / "a.jpg")
    assert open_image(tmp_path / "a.jpg").format == "png"


# ---------------------------------------------------------------- texts


def test_texts_of_every_kind_and_place_are_found(tmp_path):
    before = chunk(b"tEXt", b"Plain\0caf\xe9") + chunk(b"zTXt", b"Packed\0\0" + zlib.compress(b"long"))
    after = chunk(b"iTXt", b"Late\0\1\0de\0sp\xc3\xa4t\0" + zlib.compress("spät".encode()))
    path = gray_png(tmp_path / "a.png", smooth((4, 4)), extra=before, after=after)
    assert read_texts(path) == {"Plain": "café", "Packed": "long", "Late": "spät"} == open_image(path).texts


def test_damaged_texts_are_left_out(tmp_path):
    wrong_sum = bytearray(chunk(b"tEXt", b"Wrong\0sum"))
    wrong_sum[-1] ^= 1
    bad = [
        bytes(wrong_sum),
        chunk(b"tEXt", b"no null"),
        chunk(b"zTXt", b"Cut\0\0" + zlib.compress(b"x" * 999)[:-3]),
        chunk(b"zTXt", b"Not packed\0\0abcdef"),
        chunk(b"iTXt", b"Not UTF-8\0\0\0\0\0\xff\xfe"),
        chunk(b"tEXt", b"Long\0" + b"x" * (1 << 20)),
    ]
    path = gray_png(tmp_path / "a.png", smooth((4, 4)), extra=b"".join(bad) + chunk(b"tEXt", b"Good\0one"))
    assert read_texts(path) == {"Good": "one"}


def test_a_compressed_text_that_unpacks_hugely_is_neither_unpacked_nor_believed(tmp_path):
    bomb = chunk(b"zTXt", b"specloom\0\0" + zlib.compress(bytes(400_000_000 // 8), 9))
    path = gray_png(tmp_path / "a.png", smooth((4, 4)), extra=bomb + chunk(b"tEXt", b"Good\0one"))
    tracemalloc.start()
    assert read_texts(path) == {"Good": "one"}
    assert tracemalloc.get_traced_memory()[1] < 8_000_000
    tracemalloc.stop()
    with pytest.raises(ImageFileError, match=r"a\.png cannot be decoded.*too large"):
        open_image(path)


def test_texts_are_read_without_the_pixels(tmp_path):
    path = save_image(tmp_path / "a.png", noise((2_000, 2_000)), texts=TEXTS)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert read_texts(path) == TEXTS
    assert image_size(path) == (2_000, 2_000)


def test_what_is_no_picture_has_no_texts(tmp_path):
    (tmp_path / "a.txt").write_text("hello")
    for path in (tmp_path, tmp_path / "a.txt", tmp_path / "missing.png"):
        assert read_texts(path) == {}


# ---------------------------------------------------------------- bad files


def truncated(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".gif", ".webp", ".bmp"])
def test_pictures_that_are_cut_off_are_refused_by_name(tmp_path, suffix):
    path = stored(tmp_path / f"cut{suffix}", Pillow.fromarray(noise((60, 60))))
    truncated(path)
    with pytest.raises(ImageFileError, match=rf"cut\{suffix} cannot be decoded, so it is damaged or cut off"):
        open_image(path)


def test_what_is_no_picture_is_refused_in_one_sentence(tmp_path):
    (tmp_path / "sound.png").write_bytes(b"RIFF\x24\0\0\0WAVEfmt ")
    (tmp_path / "page.png").write_text("<html>not found</html>")
    (tmp_path / "empty.png").touch()
    expected = {
        tmp_path / "sound.png": "is no picture that can be read; PNG, JPEG, TIFF, GIF, WebP and BMP are",
        tmp_path / "page.png": "is no picture",
        tmp_path / "empty.png": r"is an empty file \(0 bytes\)",
        tmp_path / "missing.png": "does not exist",
        tmp_path: "is a folder where a picture is expected",
    }
    for path, sentence in expected.items():
        for function in (open_image, image_size):
            with pytest.raises(ImageFileError, match=sentence) as caught:
                function(path)
            assert str(path) in str(caught.value)
            assert "\n" not in str(caught.value)
    with pytest.raises(ImageFileError, match="no name that a file can have"):
        open_image("a\0b.png")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ImageFileError, match="not an ordinary file"):
        open_image(tmp_path / "pipe.png")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_named(tmp_path):
    path = save_image(tmp_path / "a.png", smooth((4, 4)))
    path.chmod(0)
    with pytest.raises(ImageFileError, match="permission is denied"):
        open_image(path)


def bomb(path, width, height):
    """A small file that says it is large, in each format."""
    if path.suffix == ".png":
        path.write_bytes(png_bytes(width, height, rows=b"\0"))
        return path
    Pillow.new("L", (7, 5)).save(path)
    content = bytearray(path.read_bytes())
    if path.suffix == ".jpg":
        place = content.index(b"\xff\xc0")
        content[place + 5 : place + 9] = struct.pack(">HH", height, width)
    elif path.suffix == ".bmp":
        content[18:26] = struct.pack("<ii", width, height)
    elif path.suffix == ".gif":
        content[6:10] = struct.pack("<HH", width, height)
    else:
        for tag, value in ((256, width), (257, height)):
            for kind in (3, 4):
                place = content.find(struct.pack("<HHI", tag, kind, 1))
                if place >= 0:
                    content[place : place + 12] = struct.pack("<HHII", tag, 4, 1, value)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".gif", ".bmp"])
def test_too_large_pictures_are_refused_from_their_header(tmp_path, suffix, monkeypatch):
    path = bomb(tmp_path / f"bomb{suffix}", 60_000, 50_000)
    assert path.stat().st_size < 4_096
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda self: pytest.fail("pixels were decoded"))
    with pytest.raises(ImageFileError, match=r"60000 x 50000 pixels, 3000 megapixels, and 400 are .*--max-megapixels"):
        open_image(path)
    assert image_size(path) == (60_000, 50_000)


def test_the_limit_can_be_set(tmp_path):
    path = save_image(tmp_path / "a.png", smooth((100, 200)))
    assert open_image(path, max_megapixels=0.02).pixels.shape == (100, 200)
    with pytest.raises(ImageFileError, match=r"0\.02 megapixels, and 0\.019 are allowed"):
        open_image(path, max_megapixels=0.019)
    with pytest.raises(ParameterError, match="max_megapixels=0: "):
        open_image(path, max_megapixels=0)


def test_pillows_own_limit_never_warns_and_refuses_only_tiffs(tmp_path, monkeypatch):
    monkeypatch.setattr(Pillow, "MAX_IMAGE_PIXELS", 100)
    for name in ("a.png", "a.jpg"):
        assert open_image(save_image(tmp_path / name, smooth((40, 50)))).pixels.shape == (40, 50)
    with pytest.raises(ImageFileError, match=r"a\.tif is too large for Pillow .*; save it as PNG"):
        open_image(save_image(tmp_path / "a.tif", smooth((40, 50))))


def test_a_picture_without_pixels_is_refused(tmp_path):
    (tmp_path / "none.png").write_bytes(png_bytes(0, 5))
    with pytest.raises(ImageFileError, match=r"none\.png"):
        open_image(tmp_path / "none.png")


def sources():
    """One small file of each kind."""
    colours = Pillow.fromarray(noise((23, 31, 3)))
    kinds = {
        "png": (colours, "PNG", {}),
        "png16": (Pillow.fromarray(noise((9, 9), np.uint16)), "PNG", {}),
        "palette": (colours.quantize(16), "PNG", {"transparency": 3}),
        "jpeg": (colours, "JPEG", {"comment": b"hello"}),
        "progressive": (colours.convert("CMYK"), "JPEG", {"progressive": True}),
        "tiff": (colours, "TIFF", {}),
        "floats": (Pillow.fromarray(np.ones((9, 9), np.float32)), "TIFF", {}),
        "gif": (colours.quantize(8), "GIF", {"save_all": True, "append_images": [colours.quantize(4)]}),
        "webp": (colours, "WEBP", {}),
        "bmp": (colours.convert("1"), "BMP", {}),
        "apng": (colours, "PNG", {"save_all": True, "append_images": [colours.rotate(90)]}),
    }
    for name, (image, kind, options) in kinds.items():
        content = io.BytesIO()
        image.save(content, kind, **options)
        yield name, content.getvalue()


@pytest.mark.parametrize(
    ("name", "content"), list(sources()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_damaged_files_are_read_or_refused_and_nothing_else(tmp_path, name, content):
    rng = np.random.default_rng(len(content))
    path = tmp_path / name
    refused = []
    for trial in range(80):
        damaged = bytearray(content)
        if trial % 4 == 0:
            damaged = damaged[: rng.integers(1, len(damaged))]
        for place in rng.integers(0, min(len(damaged), 120 if trial % 2 else 10_000), size=trial % 5):
            damaged[place] = rng.integers(0, 256)
        path.write_bytes(damaged)
        read_texts(path)
        try:
            open_image(path, max_megapixels=5)
        except ImageFileError as error:
            refused.append(str(error))
    assert refused
    assert all(str(path) in sentence and "\n" not in sentence for sentence in refused)


# ---------------------------------------------------------------- writing


def test_a_failed_save_leaves_nothing_and_keeps_what_was_there(tmp_path, monkeypatch):
    path = save_image(tmp_path / "a.png", smooth((8, 8)))
    before = path.read_bytes()

    def fail(self, target, **kwargs):
        Path(target).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Pillow.Image, "save", fail)
    with pytest.raises(ImageFileError, match=r"a\.png cannot be written: the disk is full"):
        save_image(path, smooth((9, 9)))
    assert path.read_bytes() == before
    assert names_in(tmp_path) == ["a.png"]


def test_folders_are_made_and_never_replaced(tmp_path):
    assert save_image(tmp_path / "new" / "a.png", smooth((4, 4))).is_file()
    (tmp_path / "b.png").mkdir()
    with pytest.raises(ImageFileError, match=r"b\.png is a folder"):
        save_image(tmp_path / "b.png", smooth((4, 4)))


@pytest.mark.parametrize(
    ("name", "pixels", "options", "sentence"),
    [
        ("a.gif", smooth((4, 4)), {}, r"the suffix '\.gif' is none that can be written"),
        ("a", smooth((4, 4)), {}, "the suffix '' is none"),
        ("a.jpg", noise((4, 4), np.uint16), {}, "JPEG holds 8 bits"),
        ("a.png", noise((4, 4, 3), np.uint16), {}, "uint8 or uint16"),
        ("a.png", np.zeros((4, 4), np.float32), {}, "type float32"),
        ("a.png", np.zeros((0, 4), np.uint8), {}, "at least one pixel"),
        ("a.png", noise((4, 4, 4)), {}, r"shape \(4, 4, 4\)"),
        ("a.png", smooth((4, 4)), {"palette": noise((255, 3))}, r"palette of shape \(255, 3\)"),
        ("a.png", noise((4, 4), np.uint16), {"palette": noise((256, 3))}, "only gray pixels of 8 bits"),
        ("a.jpg", smooth((4, 4)), {"jpeg_quality": 0}, "jpeg_quality=0: 1 to 100"),
        ("a.jpg", smooth((1, 65_501)), {}, "at most 65500 pixels per side"),
        ("a.jpg", smooth((4, 4)), {"texts": {"a": "x" * 70_000}}, "comment holds 65533"),
        ("a.png", smooth((4, 4)), {"texts": {"": "x"}}, "the key '' does not go into a PNG"),
    ],
)
def test_what_cannot_be_written_is_refused_before_it_is(tmp_path, name, pixels, options, sentence):
    with pytest.raises(ParameterError, match=sentence):
        save_image(tmp_path / name, pixels, **options)
    assert names_in(tmp_path) == []


def test_pillow_is_not_needed_to_import_the_module():
    assert "PIL" not in vars(image_io)
