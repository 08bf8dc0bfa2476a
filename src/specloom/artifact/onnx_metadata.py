"""Reading and writing the metadata of an ONNX file without the onnx package.

An ONNX file is one protobuf message, ``ModelProto``: fields one behind the other, each a tag (field number and wire
type), for texts and messages a length, and the content. Metadata is field 14, repeated, each a message of two texts
(1 = key, 2 = value). So reading it means walking over the fields of the outermost message, whatever is inside the
others; writing means appending a field, and stripping means leaving it out. The graph is never parsed here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import IO

from specloom.errors import ArtifactError

_VARINT, _BYTES = 0, 2
# onnx.proto3, message ModelProto: every field that it has, with its wire type.
_WIRE_TYPES = {
    1: _VARINT,  # ir_version
    2: _BYTES,  # producer_name
    3: _BYTES,  # producer_version
    4: _BYTES,  # domain
    5: _VARINT,  # model_version
    6: _BYTES,  # doc_string
    7: _BYTES,  # graph
    8: _BYTES,  # opset_import
    14: _BYTES,  # metadata_props
    20: _BYTES,  # training_info
    25: _BYTES,  # functions
    26: _BYTES,  # configuration
}
_IR_VERSION, _GRAPH, _OPSETS, _METADATA = 1, 7, 8, 14
# A field that may stand there once only, though protobuf would join or overwrite: two would be read in two ways.
_ONCE = (_IR_VERSION, _GRAPH)
_KEY, _VALUE = 1, 2
# Far more than any model has; a hostile file of millions of empty fields is not walked to its end.
_MOST_FIELDS = 4096
_MOST_METADATA_BYTES = 16 << 20
# Protobuf's own limit.
_MOST_BYTES = (1 << 31) - 1


@dataclass(frozen=True)
class Field:
    """One field of a message: where it begins, where its content begins, and where it ends, in bytes."""

    number: int
    begin: int
    content: int
    end: int


def read_metadata(stream: IO[bytes], *, where: str) -> dict[str, str]:
    """The metadata of an ONNX file, by walking over its outermost fields; content but metadata is skipped, not read.

    Raises
    ------
    ArtifactError
        When this is no ONNX file, it is cut short, or a key stands there twice.
    """
    pairs = [_pair(_content(stream, field, where), where) for field in _fields(stream, where) if _is_metadata(field)]
    metadata = dict(pairs)
    if len(metadata) != len(pairs):
        raise ArtifactError(f"{where} is damaged: a key of its metadata stands there twice")
    return metadata


def split_metadata(model: bytes, key: str, *, where: str) -> tuple[str | None, bytes]:
    """The value of one key, and the model without it. All other bytes stay as they are.

    Raises
    ------
    ArtifactError
        As `read_metadata`.
    """
    stream = BytesIO(model)
    value = read_metadata(stream, where=where).get(key)
    if value is None:
        return None, model
    kept = [
        model[field.begin : field.end]
        for field in _fields(stream, where)
        if not (_is_metadata(field) and _pair(model[field.content : field.end], where)[0] == key)
    ]
    return value, b"".join(kept)


def with_metadata(model: bytes, key: str, value: str, *, where: str = "the model") -> bytes:
    """The model with one more key in its metadata, replacing what stood there under this key."""
    rest = split_metadata(model, key, where=where)[1]
    pair = _text_field(_KEY, key) + _text_field(_VALUE, value)
    return rest + _tag(_METADATA) + _varint(len(pair)) + pair


def _is_metadata(field: Field) -> bool:
    return field.number == _METADATA


def _fields(stream: IO[bytes], where: str) -> list[Field]:
    """Every field of the outermost message, in order; the file is refused unless it can be an ONNX model."""
    size = stream.seek(0, os.SEEK_END)
    if size == 0:
        raise ArtifactError(f"{where} is an empty file (0 bytes)")
    if size > _MOST_BYTES:
        raise ArtifactError(f"{where} has {size} bytes: an ONNX file has {_MOST_BYTES} at most")
    fields = []
    for field in _walk(stream, size, _WIRE_TYPES, where):
        fields.append(field)
        if len(fields) > _MOST_FIELDS:
            raise ArtifactError(f"{where} is no ONNX model: it has more than {_MOST_FIELDS} fields")
    numbers = [field.number for field in fields]
    if any(numbers.count(number) != 1 for number in _ONCE) or _OPSETS not in numbers:
        raise ArtifactError(
            f"{where} is no ONNX model, or is cut short: a version, a graph and an operator set are needed"
        )
    return fields


def _walk(stream: IO[bytes], end: int, wire_types: dict[int, int], where: str) -> Iterator[Field]:
    """The fields of a message that ends where the stream does."""
    place = 0
    while place < end:
        stream.seek(place)
        tag = _read_varint(stream, where)
        number, wire_type = tag >> 3, tag & 7
        if wire_types.get(number) != wire_type:
            raise ArtifactError(f"{where} is no ONNX model, or is damaged: byte {place} begins no field of one")
        content = stream.tell()
        if wire_type == _VARINT:
            _read_varint(stream, where)
            after = stream.tell()
        else:
            length = _read_varint(stream, where)
            content = stream.tell()
            after = content + length
        if after > end:
            raise ArtifactError(f"{where} is cut short: {after - end} bytes are missing at least")
        yield Field(number, place, content, after)
        place = after


def _pair(entry: bytes, where: str) -> tuple[str, str]:
    """Key and value of one entry; protobuf leaves an empty text out."""
    texts = {_KEY: "", _VALUE: ""}
    seen = []
    for field in _walk(BytesIO(entry), len(entry), dict.fromkeys(texts, _BYTES), where):
        seen.append(field.number)
        try:
            texts[field.number] = entry[field.content : field.end].decode("utf-8")
        except UnicodeDecodeError as error:
            raise ArtifactError(f"{where} is damaged: its metadata is no text") from error
    if len(seen) != len(set(seen)):
        raise ArtifactError(f"{where} is damaged: its metadata has two keys or values in one entry")
    return texts[_KEY], texts[_VALUE]


def _content(stream: IO[bytes], field: Field, where: str) -> bytes:
    length = field.end - field.content
    if length > _MOST_METADATA_BYTES:
        raise ArtifactError(f"{where} has metadata of {length} bytes: {_MOST_METADATA_BYTES} at most are read")
    stream.seek(field.content)
    content = stream.read(length)
    if len(content) != length:
        raise ArtifactError(f"{where} was changed while it was read")
    return content


def _read_varint(stream: IO[bytes], where: str) -> int:
    """A number in groups of seven bits, the lowest first; the highest bit of a byte says that one more follows."""
    value = 0
    for shift in range(0, 70, 7):
        byte = stream.read(1)
        if not byte:
            raise ArtifactError(f"{where} is cut short in the middle of a number")
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise ArtifactError(f"{where} is no ONNX model, or is damaged: a number has more than ten bytes")


def _varint(value: int) -> bytes:
    groups = bytearray()
    while value >= 0x80:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)


def _tag(number: int) -> bytes:
    return _varint(number << 3 | _BYTES)


def _text_field(number: int, text: str) -> bytes:
    content = text.encode("utf-8")
    return _tag(number) + _varint(len(content)) + content
