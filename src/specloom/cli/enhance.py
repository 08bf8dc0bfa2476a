"""``specloom enhance``: noisy recordings cleaned."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

if TYPE_CHECKING:
    from specloom.tasks.enhance.live import Device, LiveLatency

_OPTIONAL = "(optional)"


@dataclass(frozen=True, kw_only=True)
class Enhance:
    """Noisy speech to cleaned speech: the same rate, length and channels.

    Any rate, any number of channels, any length. What lies above the model's band (8 kHz, with the model that ships)
    is kept and follows what was done below it.

    Examples:

    specloom enhance noisy.wav -o cleaned

    specloom enhance recordings/ -o cleaned --limit-db 12 --jobs 2

    specloom enhance noisy.wav -o cleaned --model mine.onnx --strength 0.8

    specloom enhance --live

    Files that are finished are skipped, so an interrupted run goes on when it is started again. A sound that was made
    with another model, strength or limit is not replaced without --overwrite.
    """

    inputs: Annotated[
        tuple[Path, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="IN...", help_behavior_hint="(required, but for --live)"),
    ] = ()
    """Sound files (WAV, FLAC, OGG, MP3, Opus, AIFF; m4a, webm and video with ffmpeg) and folders of them."""

    out: Annotated[
        Path | None, tyro.conf.arg(aliases=["-o"], metavar="DIR", help_behavior_hint="(required, but for --live)")
    ] = None
    """The folder to write to; the tree below a given folder is mirrored in it."""

    model: Annotated[str, tyro.conf.arg(aliases=["-m"], metavar="NAME|FILE")] = "default"
    """A model that ships, by its name, or a model file of your own ('specloom train enhance')."""

    strength: Annotated[float, tyro.conf.arg(metavar="0..1")] = 1.0
    """How much of the cleaned sound is heard; the rest is the sound as it was."""

    limit_db: Annotated[float | None, tyro.conf.arg(metavar="DB", help_behavior_hint=_OPTIONAL)] = None
    """About the most that is taken away: the noisy sound stays under the cleaned one by this much."""

    format: Literal["wav", "flac"] = "wav"
    """WAV of 32-bit floats, or FLAC of 24 bits."""

    jobs: Annotated[int, tyro.conf.arg(aliases=["-j"])] = 1
    """Files to work on side by side."""

    overwrite: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Make anew what is there already."""

    live: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Clean what the microphone hears and play it, until Ctrl-C; wear headphones. Needs "specloom[live]"."""

    seconds: Annotated[float | None, tyro.conf.arg(metavar="SECONDS", help_behavior_hint=_OPTIONAL)] = None
    """Live: when to end."""

    input_device: Annotated[str | None, tyro.conf.arg(metavar="NAME|NUMBER", help_behavior_hint=_OPTIONAL)] = None
    """Live: the microphone; 'python -m sounddevice' lists the devices."""

    output_device: Annotated[str | None, tyro.conf.arg(metavar="NAME|NUMBER", help_behavior_hint=_OPTIONAL)] = None
    """Live: the speaker."""

    def run(self) -> int:
        """Clean the files, or what the microphone hears; the exit code."""
        return self._live() if self.live else self._files()

    def _files(self) -> int:
        from specloom.cli.batch_report import run_and_report
        from specloom.errors import ParameterError
        from specloom.tasks.enhance.files import enhance_files

        for name, value in [
            ("--seconds", self.seconds),
            ("--input-device", self.input_device),
            ("--output-device", self.output_device),
        ]:
            if value is not None:
                raise ParameterError(f"{name} belongs to --live; leave it away, or add --live")
        if self.out is None:
            raise ParameterError("no output folder was given: name it with -o DIR, or use --live")
        return run_and_report(
            enhance_files(
                self.inputs,
                self.out,
                model=self.model,
                strength=self.strength,
                limit_db=self.limit_db,
                sound_format=self.format,
                overwrite=self.overwrite,
                jobs=self.jobs,
            )
        )

    def _live(self) -> int:
        from specloom.cli.main import DONE
        from specloom.errors import ParameterError
        from specloom.tasks.enhance import Enhancer, enhance_live

        if self.inputs or self.out is not None:
            raise ParameterError("--live takes no files: name recordings and -o DIR, or --live")
        on_terminal = sys.stdout.isatty()
        if on_terminal:
            print("listening; Ctrl-C ends it")
        latency = enhance_live(
            Enhancer(self.model),
            strength=self.strength,
            limit_db=self.limit_db,
            input_device=_device(self.input_device),
            output_device=_device(self.output_device),
            seconds=self.seconds,
            report=_show if on_terminal else lambda latency: None,
        )
        if on_terminal:
            print()
        print(_told(latency))
        return DONE


def _device(given: str | None) -> Device:
    """The number of a device, or a part of its name."""
    return int(given) if given is not None and given.isdecimal() else given


def _show(latency: LiveLatency) -> None:
    print(f"\r{_told(latency)}", end="", flush=True)


def _told(latency: LiveLatency) -> str:
    missed = f", {latency.n_missed} of {latency.n_blocks} blocks came too late" if latency.n_missed else ""
    return (
        f"{1e3 * latency.total_s:.0f} ms from microphone to speaker at {latency.sample_rate} Hz: "
        f"devices {1e3 * latency.devices_s:.0f}, model {1e3 * latency.model_s:.0f}, work {1e3 * latency.work_s:.1f} ms "
        f"of {1e3 * latency.block_s:.0f}{missed}"
    )
