"""Picture files to pixels and back. Nothing here knows what the pixels mean.

Pictures come from anywhere, so what a file claims is not believed: its format is told by its first bytes, its size is
read from the header and refused before a pixel is decoded, and whatever the decoder stumbles over becomes one sentence.
"""

from __future__ import annotations

import json
import os
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast

import numpy as np
import numpy.typing as npt

from specloom.errors import ImageFileError, ParameterError
from specloom.io.atomic import written_beside
from specloom.io.sources import reason

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage
    from PIL.ImageFile import ImageFile

StrPath = str | os.PathLike[str]
Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
PixelsT = TypeVar("PixelsT", bound=npt.NDArray[Any])

DEFAULT_MAX_MEGAPIXELS = 400.0

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
"""What `save_image` writes."""

READ_SUFFIXES = (*SUFFIXES, ".gif", ".webp", ".bmp")
"""Usual suffixes of what `open_image` reads; it goes by content."""

# First bytes -> (name, Pillow's module and class). Classes are used instead of `PIL.Image.open`, which would try every
# format that Pillow knows (some start other programs) and has one limit of pixels for the whole process.
_PNG = b"\x89PNG\r\n\x1a\n"
_READERS: dict[str, tuple[tuple[bytes, ...], str, str]] = {
    "png": ((_PNG,), "PngImagePlugin", "PngImageFile"),
    "jpeg": ((b"\xff\xd8\xff",), "JpegImagePlugin", "JpegImageFile"),
    "tiff": ((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), "TiffImagePlugin", "TiffImageFile"),
    "gif": ((b"GIF87a", b"GIF89a"), "GifImagePlugin", "GifImageFile"),
    "webp": ((b"RIFF",), "WebPImagePlugin", "WebPImageFile"),
    "bmp": ((b"BM",), "BmpImagePlugin", "BmpImageFile"),
}
_READ = "PNG, JPEG, TIFF, GIF, WebP and BMP"

# What Pillow raises on files that break their format's rules, found by damaging files
# (`tests/contracts/test_image_files.py`).
_DECODER_ERRORS = (
    *(OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, struct.error, zlib.error),
    *(ArithmeticError, AttributeError, RuntimeError, NotImplementedError),
)

# A text of a PNG may be compressed a thousandfold.
_LARGEST_TEXT = 1 << 20
_MOST_TEXT = 1 << 24
# A JPEG's comment has its length in 16 bits.
_LARGEST_COMMENT = 65_533
_LARGEST_JPEG_SIDE = 65_500
# Twice Pillow's warning limit; above it Pillow does not open a TIFF.
_LARGEST_TIFF = 178_956_970

_ORIENTATION, _DESCRIPTION = 274, 270


@dataclass(frozen=True, eq=False, kw_only=True)
class Image:
    """The pixels of a picture file, and what the file says beside them.

    Parameters
    ----------
    pixels : uint8 or uint16 array, read-only
        ``(height, width)`` of a gray picture, ``(height, width, 3)`` of a coloured one (8 bits only). The first row is
        the top one.
    format : {"png", "jpeg", "tiff", "gif", "webp", "bmp"}
        By content, whatever the suffix.
    texts : dict of str to str
        As of `read_texts`.
    exif : dict of int to value
        The tags of the first EXIF directory, as Pillow gives them.
    quantisation : uint16 array of shape (8, 8), or None
        Of a JPEG, the table of its brightness: how coarsely each coefficient of a block was rounded, vertical
        frequency by horizontal frequency.
    indices : uint8 array of shape (height, width), or None
        Of a picture with a palette, which entry each pixel shows; two entries may look the same.
    palette : uint8 array of shape (n, 3), or None
        Its entries.
    notes : tuple of str
        What was done to the picture on the way here, such as ``"transparency was laid over white"``.
    """

    pixels: Pixels
    format: str
    texts: dict[str, str] = field(default_factory=dict)
    exif: dict[int, Any] = field(default_factory=dict)
    quantisation: npt.NDArray[np.uint16] | None = None
    indices: npt.NDArray[np.uint8] | None = None
    palette: npt.NDArray[np.uint8] | None = None
    notes: tuple[str, ...] = ()


def open_image(path: StrPath, *, max_megapixels: float = DEFAULT_MAX_MEGAPIXELS) -> Image:
    """Read a picture file.

    Parameters
    ----------
    path : path-like
        PNG, JPEG, TIFF, GIF, WebP or BMP, recognised by content.
    max_megapixels : float
        Pictures with more millions of pixels are refused before anything is decoded. A decoded picture takes one to
        four bytes per pixel. Pillow refuses a TIFF, GIF or WebP of more than 178 megapixels in any case.

    Returns
    -------
    Image
        Palettes become colours, or gray where all their entries are. Gray of 16 bits stays so. Transparency is laid
        over white, the turn that EXIF asks for is made, of an animation or of several pages the first is taken;
        numbers beyond 16 bits and floats are stretched to 16 bits. Notes tell of each of these.

    Raises
    ------
    ImageFileError
        When the file is missing, a folder, empty, no picture of these formats, cut off, damaged, without pixels, or too
        large.
    ParameterError
        When `max_megapixels` is not above 0.
    """
    path = Path(path)
    if not max_megapixels > 0:
        raise ParameterError(f"max_megapixels={max_megapixels}: a number above 0 is needed")
    with _opened(path, max_megapixels) as (name, image, file):
        notes = _notes(name, image, file)
        image.load()
        pixels = _pixels(image, notes)
        indices, palette = _indexed(image)
        exif = _exif(image)
        pixels = _upright(pixels, exif.get(_ORIENTATION))
        if exif.get(_ORIENTATION) in _TURNED:
            notes.append("it was turned as its EXIF data ask for")
        if indices is not None:
            indices = _upright(indices, exif.get(_ORIENTATION))
        quantisation = _quantisation(image) if name == "jpeg" else None
        texts = _texts(name, image, file)
    return Image(
        pixels=_read_only(pixels),
        format=name,
        texts=texts,
        exif=exif,
        quantisation=quantisation,
        indices=None if indices is None else _read_only(indices),
        palette=None if indices is None else palette,
        notes=tuple(notes),
    )


def read_texts(path: StrPath) -> dict[str, str]:
    """The texts of a picture file, without decoding the picture.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    dict of str to str
        Of a PNG its tEXt, zTXt and iTXt chunks with a right checksum and at most a mebibyte each. Of other formats the
        comment or the description: under ``"comment"``, or, when `save_image` wrote it, under the keys that this was
        given. Empty for what has none, or is no picture that can be read.
    """
    path = Path(path)
    try:
        _require_file(path)
        with path.open("rb") as file:
            if _format(path, file) == "png":
                return _png_texts(file)
        with _opened(path, np.inf) as (name, image, file):
            return _texts(name, image, file)
    except OSError:
        return {}


def image_size(path: StrPath) -> tuple[int, int]:
    """Width and height in pixels as `open_image` would give them, from the header alone.

    Raises
    ------
    ImageFileError
        When the file is missing, a folder, empty, or no picture that can be read.
    """
    with _opened(Path(path), np.inf) as (name, image, _):
        width, height = image.size
        if name == "tiff":
            # Some versions of Pillow give the size of a TIFF as turned already.
            tags: Any = getattr(image, "tag_v2", {})
            width, height = int(tags[256]), int(tags[257])
        on_its_side = _header_orientation(image) in (5, 6, 7, 8)
    return (height, width) if on_its_side else (width, height)


def read_quantisation(path: StrPath) -> npt.NDArray[np.uint16] | None:
    """How coarsely a JPEG was rounded, as `Image.quantisation`, from the header alone; None of other formats.

    Raises
    ------
    ImageFileError
        When the file is missing, a folder, empty, or no picture that can be read.
    """
    with _opened(Path(path), np.inf) as (name, image, _):
        return _quantisation(image) if name == "jpeg" else None


def quantisation_at(jpeg_quality: int) -> npt.NDArray[np.uint16]:
    """How coarsely `save_image` rounds with this quality and no other table."""
    from PIL import Image as Pillow
    from PIL.JpegImagePlugin import JpegImageFile

    with BytesIO() as file:
        options = _jpeg_options(Path("a.jpg"), np.zeros((8, 8), np.uint8), {}, jpeg_quality, None)
        Pillow.new("L", (8, 8)).save(file, **options)
        file.seek(0)
        table = _quantisation(JpegImageFile(file))
    assert table is not None
    return table


def save_image(
    path: StrPath,
    pixels: Pixels,
    *,
    texts: Mapping[str, str] | None = None,
    palette: npt.NDArray[np.uint8] | None = None,
    jpeg_quality: int = 95,
    jpeg_table: npt.NDArray[np.uint8] | None = None,
) -> Path:
    """Write a picture file; it is whole or not there (see `specloom.io.atomic.written_beside`).

    Parameters
    ----------
    path : path-like
        The suffix chooses the format: png, jpg, jpeg, tif, tiff. Missing folders are made.
    pixels : uint8 or uint16 array
        ``(height, width)``, or uint8 ``(height, width, 3)``; uint16 goes into PNG and TIFF only.
    texts : mapping of str to str, optional
        Goes along in the file: PNG as one iTXt chunk each; JPEG as comment and TIFF as description, both as JSON of the
        mapping (a lone ``"comment"`` as it is). `read_texts` gives it back.
    palette : uint8 array of shape (256, 3), optional
        The colours of the codes, with gray pixels of 8 bits. PNG and TIFF keep codes and palette, JPEG the colours.
    jpeg_quality : int
        1 to 100. Gray stays gray, and colours are not thinned out (4:4:4).
    jpeg_table : uint8 array of shape (8, 8), optional
        The quantisation table, instead of the usual one of the quality.

    Returns
    -------
    pathlib.Path
        The path that was written.

    Raises
    ------
    ParameterError
        When the suffix is unknown, shapes, types or quality do not fit, or JPEG cannot hold the size or the texts.
    ImageFileError
        When the file cannot be written: no permission, a full disk, a folder of that name.
    """
    target = Path(path)
    texts = dict(texts or {})
    _require_pixels(target, pixels, palette)
    suffix = target.suffix.lower()
    if suffix == ".png":
        image, options = _pillow(pixels, palette), _png_options(texts)
    elif suffix in (".tif", ".tiff"):
        image, options = _pillow(pixels, palette), _tiff_options(pixels, palette, texts)
    else:
        options = _jpeg_options(target, pixels, texts, jpeg_quality, jpeg_table)
        image = _pillow(pixels if palette is None else palette[pixels], None)
    try:
        with written_beside(target) as temporary:
            image.save(temporary, **options)
    except OSError as error:
        if isinstance(error, IsADirectoryError):
            raise ImageFileError(f"{target} is a folder; choose another name for the picture") from error
        raise ImageFileError(f"{target} {reason(error, 'written')}") from error
    return target


# --- opening ---


@contextmanager
def _opened(path: Path, max_megapixels: float) -> Iterator[tuple[str, ImageFile, BinaryIO]]:
    """The format, Pillow's lazy picture with a size that is allowed, and the open file."""
    from PIL.Image import DecompressionBombError

    _require_file(path)
    try:
        # What is worth knowing becomes a note; Pillow's warnings are about details of the file.
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            name = _format(path, file)
            _, module, reader = _READERS[name]
            # Without the name: Pillow would map the file into memory, where a file that shrinks ends the program and
            # some TIFFs with an orientation come out skewed.
            image = getattr(import_module(f"PIL.{module}"), reader)(file)
            _require_size(path, image.size, max_megapixels)
            yield name, image, file
    except ImageFileError:
        raise
    except DecompressionBombError as error:
        raise ImageFileError(f"{path} is too large for Pillow ({_short(error)}); save it as PNG") from error
    except MemoryError as error:
        raise ImageFileError(f"{path} does not fit into memory; make it smaller or cut it into pieces") from error
    except _DECODER_ERRORS as error:
        raise ImageFileError(
            f"{path} cannot be decoded, so it is damaged or cut off ({_short(error)}); get or make the file again"
        ) from error


def _require_file(path: Path) -> None:
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise ImageFileError(f"{path} is not an ordinary file; write the picture to a file first")
        with path.open("rb") as file:
            first = file.read(1)
    except ImageFileError:
        raise
    except IsADirectoryError as error:
        raise ImageFileError(f"{path} is a folder where a picture is expected") from error
    except OSError as error:
        raise ImageFileError(f"{path} {reason(error)}") from error
    except ValueError as error:
        # A name with a null byte.
        raise ImageFileError(f"{str(path)!r} is no name that a file can have ({error})") from error
    if not first:
        raise ImageFileError(f"{path} is an empty file (0 bytes)")


def _format(path: Path, file: BinaryIO) -> str:
    head = file.read(16)
    file.seek(0)
    for name, (signatures, _, _) in _READERS.items():
        if head.startswith(signatures) and (name != "webp" or head[8:12] == b"WEBP"):
            return name
    raise ImageFileError(f"{path} is no picture that can be read; {_READ} are")


def _require_size(path: Path, size: tuple[int, int], max_megapixels: float) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise ImageFileError(f"{path} is a picture without pixels ({width} x {height})")
    megapixels = width * height / 1e6
    if megapixels > max_megapixels:
        raise ImageFileError(
            f"{path} has {width} x {height} pixels, {megapixels:.6g} megapixels, and {max_megapixels:g} are allowed; "
            "if that is what it should have, raise the limit with --max-megapixels"
        )


def _short(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 120 else f"{text[:117]}..."


# --- from Pillow to pixels ---


def _notes(name: str, image: ImageFile, file: BinaryIO) -> list[str]:
    """What the header tells about what will be lost."""
    notes = []
    if getattr(image, "is_animated", False):
        count = getattr(image, "n_frames", 2)
        notes.append(f"the first of {count} {'pages' if name == 'tiff' else 'pictures of an animation'} was taken")
    if name == "png":
        file_position = file.tell()
        file.seek(24)
        depth, kind = file.read(2)
        file.seek(file_position)
        if depth == 16 and kind != 0:
            notes.append("16 bits per colour were reduced to 8")
    return notes


def _pixels(image: ImageFile, notes: list[str]) -> Pixels:
    """The pixels of a loaded picture, gray or red, green and blue."""
    if image.mode.startswith("I") or image.mode == "F":
        return _deep(image, notes)
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        return _over_white(image, notes)
    if image.mode == "P":
        entries, pixels = _entries(image), np.asarray(image.convert("RGB"))
        return pixels[..., 0] if (entries == entries[:, :1]).all() else pixels
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"))
    return np.asarray(image.convert("RGB"))


def _entries(image: ImageFile) -> npt.NDArray[np.uint8]:
    return np.asarray(image.getpalette("RGB"), dtype=np.uint8).reshape(-1, 3)


def _indexed(image: ImageFile) -> tuple[npt.NDArray[np.uint8] | None, npt.NDArray[np.uint8] | None]:
    """The palette's entry of each pixel, and the palette; None and None where there is none, or some of it is clear."""
    if image.mode != "P" or "transparency" in image.info:
        return None, None
    return np.asarray(image), _entries(image)


def _deep(image: ImageFile, notes: list[str]) -> Pixels:
    """Gray of 16 bits as it is; other numbers stretched to 16 bits."""
    values = np.asarray(image)
    if values.dtype.kind in "iu" and values.min() >= 0 and values.max() <= 65_535:
        whole = values.astype(np.uint16)
        hidden = image.info.get("transparency")
        if isinstance(hidden, int) and bool((whole == hidden).any()):
            notes.append("transparency was laid over white")
            whole[whole == hidden] = 65_535
        return whole
    numbers = values.astype(np.float64)
    finite = np.isfinite(numbers)
    if not finite.all():
        notes.append("what was not a number was taken for the lowest value")
    least, most = (float(numbers[finite].min()), float(numbers[finite].max())) if finite.any() else (0.0, 0.0)
    numbers[~finite] = least
    if least >= 0.0 and most <= 1.0:
        least, most = 0.0, 1.0
    notes.append(f"values from {least:g} to {most:g} were stretched over 16 bits")
    span = (most - least) or 1.0
    return np.asarray(np.round((numbers - least) / span * 65_535.0), dtype=np.uint16)


def _over_white(image: ImageFile, notes: list[str]) -> Pixels:
    was_gray = image.mode in ("1", "L", "LA", "La")
    with_alpha = np.asarray(image.convert("LA" if was_gray else "RGBA"))
    colours, alpha = with_alpha[..., :-1], with_alpha[..., -1:]
    if int(alpha.min()) < 255:
        notes.append("transparency was laid over white")
        covered = (255 - colours).astype(np.uint16) * alpha
        colours = (255 - (covered + 127) // 255).astype(np.uint8)
    return colours[..., 0] if was_gray else colours


def _exif(image: PillowImage) -> dict[int, Any]:
    """The tags of the first directory; nothing when they are damaged, for the pixels do not need them."""
    try:
        return dict(image.getexif())
    except _DECODER_ERRORS:
        return {}


def _header_orientation(image: PillowImage) -> Any:
    """The turn that EXIF asks for, as far as the header tells."""
    from PIL.Image import Image as PillowImage

    try:
        # PNG's own version of this would decode the picture to find what stands behind it.
        return PillowImage.getexif(image).get(_ORIENTATION)
    except _DECODER_ERRORS:
        return None


def _upright(pixels: PixelsT, orientation: Any) -> PixelsT:
    """Turn and mirror as EXIF asks for, values 2 to 8."""
    return _TURNED[orientation](pixels) if orientation in _TURNED else pixels


_TURNED: dict[int, Callable[[Any], Any]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: np.rot90(pixels, 1),
}


def _read_only(pixels: PixelsT) -> PixelsT:
    whole = np.ascontiguousarray(pixels)
    whole.setflags(write=False)
    return cast("PixelsT", whole)


def _quantisation(image: ImageFile) -> npt.NDArray[np.uint16] | None:
    """The table of the first component; Pillow gives tables in natural order."""
    tables: dict[int, list[int]] = getattr(image, "quantization", {})
    layers: list[tuple[int, int, int, int]] = getattr(image, "layer", [])
    table = tables.get(layers[0][3] if layers else 0)
    return np.array(table, dtype=np.uint16).reshape(8, 8) if table is not None and len(table) == 64 else None


# --- texts ---


def _texts(name: str, image: ImageFile, file: BinaryIO) -> dict[str, str]:
    if name == "png":
        return _png_texts(file)
    comment: Any = image.info.get("comment")
    if name == "tiff":
        comment = getattr(image, "tag_v2", {}).get(_DESCRIPTION)
    if isinstance(comment, bytes):
        comment = comment.decode("utf-8", errors="replace")
    if not isinstance(comment, str) or not comment or len(comment) > _MOST_TEXT:
        return {}
    return _unpacked(comment) or {"comment": comment}


def _packed(texts: dict[str, str]) -> str:
    """Several texts as one, in plain ASCII."""
    return texts["comment"] if texts.keys() == {"comment"} else json.dumps(texts)


def _unpacked(comment: str) -> dict[str, str] | None:
    if not comment.startswith("{"):
        return None
    try:
        held = json.loads(comment)
    except (ValueError, RecursionError):
        return None
    whole = isinstance(held, dict) and all(isinstance(text, str) for text in held.values())
    return held if whole else None


def _png_texts(file: BinaryIO) -> dict[str, str]:
    """The text chunks of a PNG, wherever they stand; the compressed pixels between them are stepped over."""
    texts: dict[str, str] = {}
    left = _MOST_TEXT
    file.seek(0, os.SEEK_END)
    end = file.tell()
    file.seek(len(_PNG))
    while len(head := file.read(8)) == 8:
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        following = file.tell() + length + 4
        if following > end or kind == b"IEND":
            break
        if kind in (b"tEXt", b"zTXt", b"iTXt") and length <= _LARGEST_TEXT:
            data = file.read(length)
            text = _chunk_text(kind, data) if zlib.crc32(kind + data).to_bytes(4, "big") == file.read(4) else None
            if text is not None and len(text[1]) <= left:
                texts[text[0]] = text[1]
                left -= len(text[1])
        file.seek(following)
    return texts


def _chunk_text(kind: bytes, data: bytes) -> tuple[str, str] | None:
    """Keyword and text of one chunk; None when it is damaged or too long."""
    keyword, found, rest = data.partition(b"\0")
    if not found:
        return None
    compressed, encoding = kind == b"zTXt", "latin-1"
    if kind == b"iTXt":
        # A flag and a method; then a language and the translated keyword, each with a null behind it.
        compressed, encoding = rest[:1] == b"\1", "utf-8"
        rest = rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    elif compressed:
        rest = rest[1:]
    try:
        if compressed:
            stream = zlib.decompressobj()
            rest = stream.decompress(rest, _LARGEST_TEXT)
            if not stream.eof:
                return None
        return keyword.decode("latin-1"), rest.decode(encoding)
    except (zlib.error, UnicodeDecodeError):
        return None


# --- writing ---


def require_size_fits(path: Path, width: int, height: int) -> None:
    """Refuse a size that a picture of this suffix cannot have, or could not be read with.

    Raises
    ------
    ParameterError
        With the limit.
    """
    suffix = path.suffix.lower()
    if suffix in (".jpg", ".jpeg") and max(width, height) > _LARGEST_JPEG_SIDE:
        raise ParameterError(
            f"{path.name}: JPEG takes at most {_LARGEST_JPEG_SIDE} pixels per side, here are {width} x "
            f"{height}; write .png or .tiff, or shorter pieces"
        )
    if suffix in (".tif", ".tiff") and width * height > _LARGEST_TIFF:
        raise ParameterError(
            f"{path.name}: a TIFF of more than {_LARGEST_TIFF // 10**6} megapixels is not opened again, here are "
            f"{width} x {height} pixels; write .png, or shorter pieces"
        )


def _require_pixels(path: Path, pixels: Pixels, palette: npt.NDArray[np.uint8] | None) -> None:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ParameterError(
            f"path={str(path)!r}: the suffix {suffix!r} is none that can be written; use one of {', '.join(SUFFIXES)}"
        )
    gray = pixels.ndim == 2 and pixels.dtype in (np.uint8, np.uint16)
    coloured = pixels.ndim == 3 and pixels.shape[-1] == 3 and pixels.dtype == np.uint8
    if not (gray or coloured) or not pixels.size:
        raise ParameterError(
            f"pixels of shape {pixels.shape} and type {pixels.dtype}: uint8 or uint16 (height, width) or "
            "uint8 (height, width, 3) is needed, with at least one pixel"
        )
    require_size_fits(path, pixels.shape[1], pixels.shape[0])
    if pixels.dtype == np.uint16 and suffix in (".jpg", ".jpeg"):
        raise ParameterError(f"{path.name}: JPEG holds 8 bits per pixel; write 16 bits as .png or .tiff")
    if palette is not None and (palette.shape != (256, 3) or palette.dtype != np.uint8):
        raise ParameterError(f"palette of shape {palette.shape} and type {palette.dtype}: uint8 (256, 3) is needed")
    if palette is not None and (coloured or pixels.dtype != np.uint8):
        raise ParameterError("palette: only gray pixels of 8 bits can be given colours by one")


def _pillow(pixels: Pixels, palette: npt.NDArray[np.uint8] | None) -> PillowImage:
    from PIL import Image as Pillow

    image = Pillow.fromarray(np.ascontiguousarray(pixels))
    if palette is not None:
        image.putpalette(palette.tobytes())
    return image


def _png_options(texts: dict[str, str]) -> dict[str, Any]:
    from PIL.PngImagePlugin import PngInfo

    chunks = PngInfo()
    for key, text in texts.items():
        if not 0 < len(key) < 80 or not key.isascii() or not key.isprintable():
            raise ParameterError(f"texts: the key {key!r} does not go into a PNG; 1 to 79 plain letters are needed")
        chunks.add_itxt(key, text)
    # Looking for runs only: spectrograms hardly repeat themselves, and it is faster than any level of the full search
    # (8 bits: half the time of level 3 and a smaller file; 16 bits: three quarters of it, the file 7 % larger).
    return {"format": "PNG", "pnginfo": chunks, "compress_level": 3, "compress_type": zlib.Z_RLE}


def _tiff_options(pixels: Pixels, palette: npt.NDArray[np.uint8] | None, texts: dict[str, str]) -> dict[str, Any]:
    # The faster one of each, measured; differences between neighbours (tag 317) are shorter, except of palette codes.
    compression = "tiff_adobe_deflate" if pixels.dtype == np.uint16 else "tiff_lzw"
    tags: dict[int, Any] = {317: 2} if palette is None else {}
    if texts:
        tags[_DESCRIPTION] = _packed(texts)
    return {"format": "TIFF", "compression": compression, "tiffinfo": tags}


def _jpeg_options(
    path: Path, pixels: Pixels, texts: dict[str, str], quality: int, table: npt.NDArray[np.uint8] | None
) -> dict[str, Any]:
    if not 1 <= quality <= 100:
        raise ParameterError(f"jpeg_quality={quality!r}: 1 to 100 are allowed; from 90 on little is lost")
    options: dict[str, Any] = {"format": "JPEG", "subsampling": 0}
    if table is None:
        options["quality"] = int(quality)
    else:
        # The usual codes for the coefficients are made for the usual tables.
        options.update(qtables=[table.reshape(-1).tolist()], optimize=True)
    if texts:
        comment = _packed(texts).encode("utf-8")
        if len(comment) > _LARGEST_COMMENT:
            raise ParameterError(
                f"{path.name}: the texts take {len(comment)} bytes, and a JPEG's comment holds {_LARGEST_COMMENT}"
            )
        options["comment"] = comment
    return options
