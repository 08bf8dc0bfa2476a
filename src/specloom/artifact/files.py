"""Model files: an ``.onnx`` with one network, or a ``.zip`` with several; the header is in both.

A model of one network is an ONNX file that any program opens; the header stands in its metadata under ``specloom``. A
model of several is a zip archive, stored and not compressed, of ``header.json`` and one ``<network>.onnx`` each.
"""

from __future__ import annotations

import errno
import hashlib
import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from specloom.artifact.header import KEY, Header
from specloom.artifact.onnx_metadata import read_metadata, split_metadata, with_metadata
from specloom.errors import ArtifactError, ParameterError
from specloom.io.atomic import written_beside
from specloom.io.sources import reason

ONE, SEVERAL = ".onnx", ".zip"
_HEADER = "header.json"
_ZIP_MAGIC = b"PK"
_MOST_HEADER_BYTES = 16 << 20
# How a tensor whose values lie in another file begins to say which: a text field 1, "location", in onnx.proto3.
_ELSEWHERE = b"\x0a\x08location"


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A whole model: its header, and its networks as serialised ONNX graphs (without the header inside).

    Parameters
    ----------
    header : Header
        Where a network's ``sha256`` is None it is filled in.
    networks : mapping of name to bytes
        The same names as in the header.

    Raises
    ------
    ArtifactError
        When names or hashes of header and networks do not agree, or a network has its weights in another file.
    """

    header: Header
    networks: Mapping[str, bytes] = field(repr=False)

    def __post_init__(self) -> None:
        header, networks = self.header, {}
        if set(header.networks) != set(self.networks):
            raise ArtifactError(
                f"the header names the networks {sorted(header.networks)}, and there are {sorted(self.networks)}"
            )
        for name, model in self.networks.items():
            networks[name] = split_metadata(model, KEY, where=f"the network {name!r}")[1]
            if _ELSEWHERE in networks[name]:
                raise ArtifactError(
                    f"the network {name!r} has its weights in another file: "
                    "export it with the weights inside (torch.onnx.export: external_data=False)"
                )
            digest = hashlib.sha256(networks[name]).hexdigest()
            if header.networks[name].sha256 not in (None, digest):
                raise ArtifactError(
                    f"the network {name!r} does not agree with its hash in the header: "
                    "the file was damaged or changed; fetch it again"
                )
            named = {**header.networks, name: replace(header.networks[name], sha256=digest)}
            header = replace(header, networks=named)
        object.__setattr__(self, "header", header)
        object.__setattr__(self, "networks", networks)


def read_artifact(path: str | os.PathLike[str]) -> Artifact:
    """Read a model file whole, strictly.

    Raises
    ------
    ArtifactError
        When there is no such file, or it is no model, damaged, cut short, altered, incomplete or of a newer format.
    """
    path = Path(path)
    with _opened(path) as (file, is_zip):
        header, networks = _read_zip(file, path) if is_zip else _read_onnx(file, path)
    for name, network in header.networks.items():
        if network.sha256 is None:
            raise ArtifactError(f"{path} is incomplete: its header has no hash of the network {name!r}")
    try:
        return Artifact(header=header, networks=networks)
    except ArtifactError as error:
        raise ArtifactError(f"{path}: {error}") from error


def read_header(path: str | os.PathLike[str]) -> Header:
    """Read the header of a model file only: quick, whatever the size of the networks, which are not looked at.

    Raises
    ------
    ArtifactError
        As `read_artifact`, but for what only the networks show.
    """
    path = Path(path)
    with _opened(path) as (file, is_zip):
        if is_zip:
            with _archive(file, path) as archive:
                return _header_of(archive, path)
        return _parsed(read_metadata(file, where=str(path)).get(KEY), path)


def write_artifact(path: str | os.PathLike[str], artifact: Artifact) -> Path:
    """Write a model file, whole or not at all. Missing folders are made; the same model gives the same bytes.

    Raises
    ------
    ParameterError
        When the suffix does not fit: ``.onnx`` for one network, ``.zip`` for several.
    ArtifactError
        When it cannot be written: no permission, a full disk, a folder of that name.
    """
    path = Path(path)
    suffix = ONE if len(artifact.networks) == 1 else SEVERAL
    if path.suffix.lower() != suffix:
        count = len(artifact.networks)
        raise ParameterError(
            f"path={str(path)!r}: a model of {count} network{'s' * (count > 1)} is written as {suffix}"
        )
    try:
        with written_beside(path) as temporary, temporary.open("xb") as file:
            if suffix == ONE:
                (network,) = artifact.networks.values()
                file.write(with_metadata(network, KEY, artifact.header.to_text()))
            else:
                _write_zip(file, artifact)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise ArtifactError(f"{path} {_reason(error, 'written')}") from error
    return path


@contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], bool]]:
    """The file, and whether it is a zip archive; what the system complains about becomes a sentence."""
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise OSError(errno.EINVAL, "it is no ordinary file")
        with path.open("rb") as file:
            is_zip = file.read(2) == _ZIP_MAGIC
            file.seek(0)
            yield file, is_zip
    except OSError as error:
        raise ArtifactError(f"{path} {_reason(error, 'opened')}") from error


def _read_onnx(file: IO[bytes], path: Path) -> tuple[Header, dict[str, bytes]]:
    # The header first: a large file that is no model of ours is not read into memory.
    header = _parsed(read_metadata(file, where=str(path)).get(KEY), path)
    if len(header.networks) != 1:
        raise ArtifactError(f"{path} is one network, and its header names {len(header.networks)}")
    file.seek(0)
    (name,) = header.networks
    return header, {name: file.read()}


def _read_zip(file: IO[bytes], path: Path) -> tuple[Header, dict[str, bytes]]:
    with _archive(file, path) as archive:
        header = _header_of(archive, path)
        wanted = [_HEADER, *(name + ONE for name in header.networks)]
        members = archive.namelist()
        if sorted(members) != sorted(wanted):
            raise ArtifactError(f"{path} holds {members}: its header asks for {wanted}")
        return header, {name: archive.read(name + ONE) for name in header.networks}


@contextmanager
def _archive(file: IO[bytes], path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(file) as archive:
            size = path.stat().st_size
            for member in archive.infolist():
                if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1 or member.file_size > size:
                    raise ArtifactError(
                        f"{path}: {member.filename} is packed or locked; a model's parts are stored plain"
                    )
            yield archive
    except (zipfile.BadZipFile, EOFError, NotImplementedError, UnicodeDecodeError) as error:
        raise ArtifactError(f"{path} is cut short or damaged: {error}") from error


def _header_of(archive: zipfile.ZipFile, path: Path) -> Header:
    if archive.namelist().count(_HEADER) != 1:
        raise ArtifactError(f"{path} is no model of Specloom: the archive has no {_HEADER}, or two")
    if archive.getinfo(_HEADER).file_size > _MOST_HEADER_BYTES:
        raise ArtifactError(f"{path}: its {_HEADER} has more than {_MOST_HEADER_BYTES} bytes")
    try:
        return _parsed(archive.read(_HEADER).decode("utf-8"), path)
    except UnicodeDecodeError as error:
        raise ArtifactError(f"{path} is damaged: its {_HEADER} is no text") from error


def _parsed(text: str | None, path: Path) -> Header:
    if text is None:
        raise ArtifactError(f"{path} is an ONNX file without a header of Specloom: train or export it with Specloom")
    return Header.from_text(text, where=f"the header of {path}")


def _write_zip(file: IO[bytes], artifact: Artifact) -> None:
    # A bare ZipInfo has no clock in it: the same model gives the same bytes whenever it is written.
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(_HEADER), artifact.header.to_text())
        for name, network in artifact.networks.items():
            archive.writestr(zipfile.ZipInfo(name + ONE), network)


def _reason(error: OSError, verb: str) -> str:
    if isinstance(error, IsADirectoryError):
        return "is a folder where a model file is expected"
    return reason(error, verb)
