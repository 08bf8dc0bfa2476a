"""Row C4: networks that help mel spectra to become sound, for the settings and recordings that one likes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from specloom.artifact import Header, ModelOrigin, NetworkHeader
from specloom.dsp.mel import mel_filterbank
from specloom.dsp.windows import padded_window
from specloom.errors import ParameterError
from specloom.inversion.chain import START, Networks, sound_blocks
from specloom.inversion.features import MelInversion, MelSettings
from specloom.inversion.inverter import TASK, de_emphasised
from specloom.metrics import pesq_available, pesq_score, stoi_available, stoi_score
from specloom.phase.reconstruct import reconstruct
from specloom.recipes.neural import mel_settings
from specloom.recipes.recipe import Recipe
from specloom.tasks.scores import number_or_none
from specloom.train.data.clips import Clips
from specloom.train.data.folders import find_sounds
from specloom.train.data.pieces import Piece, piece_of
from specloom.train.losses.adversarial import critics_loss, doubt_loss, seen_loss
from specloom.train.losses.perceptual import PerceptualLoss
from specloom.train.losses.spectral import ResolutionsLoss, log_and_loudness_error
from specloom.train.nn.as_session import AsSession
from specloom.train.nn.critic import Critics
from specloom.train.nn.inversion import MelToMagnitude, Refiner, zero_states
from specloom.train.recipes.recipe import NetworkExport
from specloom.train.recipes.recordings import held_back, named, rate_of
from specloom.train.state import State, descend, set_learning_rate
from specloom.version import __version__

if TYPE_CHECKING:
    from specloom.train.recipes.catalog import Request

FloatArray = npt.NDArray[np.float32]

_MAGNITUDE, _REFINE, _CRITICS = "magnitude", "refine", "critics"
# Frames at the beginning of a piece in which the networks do not know yet what was before.
_WARM_UP = 24
_N_VALIDATION, _VALIDATION_S, _LEAST_VALIDATION_S = 16, 5.0, 0.5
_LISTENED_HZ = 16_000
_CRITICS_WORTH = 0.1


class Batch(NamedTuple):
    """``samples (batch, n_samples)`` and ``inside (batch, n_frames)``, see `specloom.train.data.pieces`."""

    samples: FloatArray
    inside: FloatArray


@dataclass(frozen=True, kw_only=True)
class Inversion:
    """First the network for magnitudes is trained, then, for what it gives, the one that refines; at last with critics.

    See `specloom.train.recipes.recipe.Recipe` for the methods.

    Parameters
    ----------
    train, valid : Clips
        Of different recordings, at the rate of the settings.
    settings : MelSettings
    description : str
        What the recordings are, for the model's file.
    magnitude_share : float
        Of the training: until then only magnitudes are learned.
    kind : {"speech", "music"}
        For speech PESQ's model of hearing is a further loss, critics have a say, and PESQ and STOI choose the
        checkpoint; for music the spectral loss does.
    critics_share : float
        Of the training, at its end: then critics learn what recorded speech looks like, and the refining network to
        pass for it.
    seed, batch_size : int
    n_frames : int
        Frames of a piece that count, beyond those that networks look at; more where the losses need more samples.
    """

    train: Clips
    valid: Clips
    settings: MelSettings
    description: str = ""
    magnitude_share: float = 0.35
    critics_share: float = 0.3
    kind: str = "speech"
    seed: int = 0
    batch_size: int = 4
    n_frames: int = 96
    perceptual_weight: float = 0.2

    name = "inversion"
    task = TASK
    evaluate_every = 500

    magnitude_rate = 2e-3
    refine_rate = 1e-3
    critics_rate = 5e-4
    # Measured (docs/inversion.md): DistillMOS .2 higher, PESQ the same.
    doubt_weight, seen_weight = 0.05, 0.3

    @property
    def batch_audio_s(self) -> float:
        """Seconds of sound in a batch."""
        return self.batch_size * self._n_counted / self.settings.stft.frame_rate_hz

    @property
    def _n_counted(self) -> int:
        """Frames that count: enough samples for the longest transform of the losses, after the edges are left out."""
        config = self.settings.stft
        least = config.n_fft + max(config.n_fft, *_resolutions_of(config.sample_rate))
        return max(self.n_frames, -(-least // config.hop_length) + 2)

    @property
    def _magnitude_settings(self) -> dict[str, Any]:
        # A long transform has a large last layer; it would rule the whole model.
        return {"width": 192 if self.settings.stft.n_bins <= 600 else 176, "ahead": [1, 1, 1, 1, 0]}

    @property
    def _refine_settings(self) -> dict[str, Any]:
        return {"width": 168, "channels": 14, "ahead": [1, 1, 1, 0, 0]}

    def build(self, device: torch.device) -> State:
        """Two new networks."""
        settings = self.settings
        magnitude = MelToMagnitude(mel=settings.mel, power=settings.power, **self._magnitude_settings)
        refine = Refiner(n_bins=settings.stft.n_bins, hop_length=settings.stft.hop_length, **self._refine_settings)
        for one in (self._transform, self._resolutions, self._hearing):
            one.to(device)
        networks: dict[str, torch.nn.Module] = {_MAGNITUDE: magnitude.to(device), _REFINE: refine.to(device)}
        optimizers: dict[str, torch.optim.Optimizer] = {
            name: torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.01, betas=(0.9, 0.98))
            for name, network in networks.items()
        }
        average_decay = dict.fromkeys(networks, 0.998)
        if self._has_critics:
            critics = networks[_CRITICS] = Critics(_resolutions_of(settings.stft.sample_rate)).to(device)
            optimizers[_CRITICS] = torch.optim.AdamW(critics.parameters(), lr=self.critics_rate, betas=(0.8, 0.99))
        return State(networks=networks, optimizers=optimizers, average_decay=average_decay, device=device)

    @property
    def _has_critics(self) -> bool:
        return self.kind == "speech" and self.critics_share > 0.0

    def batches(self, *, first_item: int, every: int, device: torch.device) -> Iterator[Batch]:
        """Pieces without end."""
        n_frames = self._n_counted + 2 * _WARM_UP + sum(self._delays)
        while True:
            items = range(first_item, first_item + self.batch_size)
            yield _together(
                [piece_of(self.train, self.settings.stft, n_frames=n_frames, seed=self.seed, item=k) for k in items]
            )
            first_item += every

    def step(self, state: State, batch: Batch) -> Mapping[str, Tensor | float]:
        """One step of the network whose turn it is."""
        samples, inside = (torch.from_numpy(one).to(state.device) for one in batch)
        samples = self._transform.emphasised(samples)
        spec = self._transform.spectra(samples) * inside.unsqueeze(-1)
        magnitude = spec.abs()
        mel = self._transform.mel(magnitude)
        if state.progress < self.magnitude_share:
            return self._magnitude_step(state, mel, magnitude)
        return self._refine_step(state, mel, samples, inside)

    def _magnitude_step(self, state: State, mel: Tensor, magnitude: Tensor) -> Mapping[str, Tensor | float]:
        set_learning_rate(state, self.magnitude_rate, warm_up_steps=200, progress=state.progress / self.magnitude_share)
        network = state.networks[_MAGNITUDE]
        assert isinstance(network, MelToMagnitude)
        with state.autocast():
            made = network(mel, *zero_states(network, len(mel), state.device))[0].float()
        made = made[:, _WARM_UP + network.delay :]
        wanted = magnitude[:, _WARM_UP : _WARM_UP + made.shape[1]]
        tilt = self._transform.tilt
        loss = log_and_loudness_error(made * tilt, wanted * tilt).mean()
        norm = descend(state, _MAGNITUDE, loss, max_norm=1.0)
        return {"magnitude": loss.detach(), "gradient_norm": norm}

    def _refine_step(self, state: State, mel: Tensor, samples: Tensor, inside: Tensor) -> Mapping[str, Tensor | float]:
        share = (state.progress - self.magnitude_share) / (1.0 - self.magnitude_share)
        set_learning_rate(state, self.refine_rate, progress=share)
        network = state.networks[_REFINE]
        assert isinstance(network, Refiner)
        frames, inside = self._first_sound(state, mel, inside)
        with state.autocast():
            refined = network(frames, *zero_states(network, len(frames), state.device))[0].float()
        # Behind the frames in which one network or the other does not know yet what was before.
        begin, end = 2 * _WARM_UP, frames.shape[1] - network.delay
        refined, inside = refined[:, begin + network.delay :], inside[:, begin:end]
        hop, n_fft = self.settings.stft.hop_length, self.settings.stft.n_fft
        made = self._transform.samples(torch.view_as_complex(refined.contiguous()), inside)
        clean = samples[:, n_fft // 2 + begin * hop :][:, : made.shape[1]] * _per_sample(inside, hop)
        made, clean = (self._inner(one) for one in (made, clean))
        losses = self._losses(made, clean)
        say = self._say(state)
        if say > 0.0:
            losses |= self._judged(state, made, clean, say)
        norm = descend(state, _REFINE, torch.stack(list(losses.values())).sum(), max_norm=1.0)
        return {name: loss.detach() for name, loss in losses.items()} | {"gradient_norm": norm}

    def _first_sound(self, state: State, mel: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
        """What the refining network is given, ``(batch, n_frames, n_bins, 3)``, and which frames are of a recording."""
        network = state.evaluated(_MAGNITUDE)
        assert isinstance(network, MelToMagnitude)
        config = self.settings.stft
        with torch.no_grad():
            wanted = network(mel, *zero_states(network, len(mel), state.device))[0][:, network.delay :]
            inside = inside[:, : wanted.shape[1]]
            planes = wanted.transpose(1, 2).cpu().numpy()
            found = torch.from_numpy(reconstruct(np.ascontiguousarray(planes), config, quality=START))
            first = found.to(state.device) * _per_sample(inside, config.hop_length)
            edge = config.n_fft // 2
            spec = self._transform.spectra(F.pad(first, (edge, edge))) * inside.unsqueeze(-1)
            return torch.cat([torch.view_as_real(spec), wanted.unsqueeze(-1)], dim=-1), inside

    def _inner(self, samples: Tensor) -> Tensor:
        """As it is heard; without the first and last frames, which overlap with fewer than they do in a whole sound."""
        edge = self.settings.stft.n_fft // 2
        return self._transform.de_emphasised(samples)[:, edge : samples.shape[1] - edge]

    def _losses(self, made: Tensor, clean: Tensor) -> dict[str, Tensor]:
        losses = {"spectral": self._resolutions(made, clean).mean()}
        # What lies between harmonics is much of what logarithms see; the bands hold the level of what is heard.
        bands = [self._transform.mel(self._transform.spectra(one).abs()) for one in (made, clean)]
        losses["bands"] = log_and_loudness_error(*bands).mean()
        if self.kind == "speech":
            rate = self.settings.stft.sample_rate
            heard, meant = (_at_rate(one, rate, _LISTENED_HZ) for one in (made, clean))
            losses["perceptual"] = self.perceptual_weight * self._hearing(heard, meant).mean()
        return losses

    def _judged(self, state: State, made: Tensor, clean: Tensor, say: float) -> dict[str, Tensor]:
        """What critics say, who learn first; `say` is how much it counts."""
        critics = state.networks[_CRITICS]
        for group in state.optimizers[_CRITICS].param_groups:
            group["lr"] = self.critics_rate
        descend(state, _CRITICS, critics_loss(critics(clean), critics(made.detach())), max_norm=5.0)
        with torch.no_grad():
            recorded = critics(clean)
        seen = critics(made)
        return {
            "doubt": say * self.doubt_weight * doubt_loss(seen),
            "seen": say * self.seen_weight * seen_loss(recorded, seen),
        }

    def _say(self, state: State) -> float:
        """How much the critics' word counts: more and more in the first third of their time, for they learn first."""
        if not self._has_critics:
            return 0.0
        begun = (state.progress - 1.0 + self.critics_share) / self.critics_share
        return min(1.0, max(0.0, 3.0 * begun))

    @cached_property
    def _transform(self) -> _Transform:
        return _Transform(self.settings)

    @cached_property
    def _resolutions(self) -> ResolutionsLoss:
        return ResolutionsLoss(_resolutions_of(self.settings.stft.sample_rate))

    @cached_property
    def _hearing(self) -> PerceptualLoss:
        return PerceptualLoss()

    @property
    def _delays(self) -> tuple[int, int]:
        return sum(self._magnitude_settings["ahead"]), sum(self._refine_settings["ahead"]) + 1

    @property
    def features(self) -> MelInversion:
        """What the model file says about its inputs."""
        magnitude_delay, refine_delay = self._delays
        return MelInversion(settings=self.settings, magnitude_delay=magnitude_delay, refine_delay=refine_delay)

    @cached_property
    def _held_back(self) -> list[FloatArray]:
        n_samples = round(_VALIDATION_S * self.valid.sample_rate)
        chosen = np.linspace(0, len(self.valid) - 1, min(_N_VALIDATION, len(self.valid))).astype(int)
        found = (self.valid.read(index, 0, n_samples) for index in dict.fromkeys(chosen.tolist()))
        # Silence after what is shorter than the transforms that it is measured with.
        least = round(_LEAST_VALIDATION_S * self.valid.sample_rate)
        return [np.pad(each, (0, max(0, least - len(each)))) for each in found]

    def evaluate(self, state: State) -> Mapping[str, float]:
        """Scores of held-back recordings after the whole way, as users go it.

        ``spectral`` is the loss; ``pesq`` and ``stoi`` at 16 kHz, of speech where the extra ``eval`` is installed. The
        score is PESQ plus five times STOI minus the spectral loss; of what was not taken, nothing. None of them hears
        what critics bring (DistillMOS does, which is not at hand here), so their say is added, as a tenth.
        """
        networks = Networks(**{name: _as_session(state.evaluated(name), name) for name in (_MAGNITUDE, _REFINE)})
        rows = [self._scores(networks, samples, state.device) for samples in self._held_back]
        names = {name for row in rows for name in row}
        means = {name: float(np.mean([row[name] for row in rows if name in row])) for name in sorted(names)}
        means["score"] = means.get("pesq", 0.0) + 5.0 * means.get("stoi", 0.0) - means["spectral"]
        means["score"] += _CRITICS_WORTH * self._say(state)
        return means

    def _scores(self, networks: Networks, samples: FloatArray, device: torch.device) -> dict[str, float]:
        edge = self.settings.stft.n_fft // 2
        emphasised = self._transform.emphasised(torch.from_numpy(samples)[None].to(device))
        spec = self._transform.spectra(F.pad(emphasised, (edge, edge)))
        mel = self._transform.mel(spec.abs())[0].T.cpu().numpy()
        blocks = sound_blocks(self.features, networks, [mel], length=len(samples))
        made = np.concatenate(list(de_emphasised(blocks, self.settings.preemphasis)))
        both = torch.from_numpy(np.stack([made, samples])).to(device)
        scores = {"spectral": float(self._resolutions(both[:1], both[1:])[0])}
        if self.kind != "speech":
            return scores
        heard, meant = _at_rate(both, self.settings.stft.sample_rate, _LISTENED_HZ).cpu().numpy()
        found = {
            "pesq": number_or_none(lambda: pesq_score(meant, heard, _LISTENED_HZ)) if pesq_available() else None,
            "stoi": number_or_none(lambda: stoi_score(meant, heard, _LISTENED_HZ)) if stoi_available() else None,
        }
        return scores | {name: value for name, value in found.items() if value is not None}

    def header(self, state: State) -> Header:
        """What the model file says."""
        kinds = {_MAGNITUDE: self._magnitude_settings, _REFINE: self._refine_settings}
        origin = ModelOrigin(
            recipe=self.name,
            speech_hours=self.train.seconds / 3600.0,
            noise_hours=0.0,
            audio_hours_seen=state.audio_s / 3600.0,
            steps=state.step,
            seed=self.seed,
            data=self.description,
            scores={} if state.best_score is None else {"validation": state.best_score},
        )
        return Header(
            made_with=f"specloom {__version__}",
            task=self.task,
            name=self.name,
            features=self.features.to_json(),
            networks={
                name: NetworkHeader(
                    kind=type(state.networks[name]).__name__, settings=said, states=_state_shapes(state.networks[name])
                )
                for name, said in kinds.items()
            },
            statistics={},
            origin=origin,
        )

    def exports(self, state: State) -> Mapping[str, NetworkExport]:
        """Both networks."""
        n_mels, n_bins = self.settings.mel.n_mels, self.settings.stft.n_bins
        return {
            _MAGNITUDE: _export(state.evaluated(_MAGNITUDE), "mel", (n_mels,), _MAGNITUDE),
            _REFINE: _export(state.evaluated(_REFINE), "frames", (n_bins, 3), "refined"),
        }


class _Transform(torch.nn.Module):
    """The transform that the settings describe, on tensors: frames first."""

    _window: Tensor
    _filters: Tensor
    tilt: Tensor

    def __init__(self, settings: MelSettings) -> None:
        super().__init__()
        self._settings, self._config = settings, settings.stft
        self.register_buffer("_window", torch.from_numpy(padded_window(settings.stft).astype(np.float32)))
        self.register_buffer("_filters", torch.from_numpy(mel_filterbank(settings.mel).copy()))
        coefficient = settings.preemphasis or 0.0
        turns = torch.exp(-1j * torch.pi * torch.arange(settings.stft.n_bins) / (settings.stft.n_bins - 1))
        # What de-emphasis does to each bin.
        self.register_buffer("tilt", 1.0 / (1.0 - coefficient * turns).abs())

    def spectra(self, samples: Tensor) -> Tensor:
        """``(batch, n_samples)`` -> complex ``(batch, n_frames, n_bins)``; frames begin with the first sample."""
        config = self._config
        spec: Tensor = torch.stft(
            samples, config.n_fft, config.hop_length, window=self._window, center=False, return_complex=True
        )
        return spec.transpose(1, 2)

    def mel(self, magnitude: Tensor) -> Tensor:
        """``(batch, n_frames, n_bins)`` -> ``(batch, n_frames, n_mels)``."""
        return magnitude**self._settings.power @ self._filters.T

    def samples(self, spec: Tensor, inside: Tensor) -> Tensor:
        """The inverse: from the centre of the first frame to that of the last; frames that are not inside are none."""
        hop, n_fft, n_frames = self._config.hop_length, self._config.n_fft, spec.shape[1]
        frames = torch.fft.irfft(spec, n_fft) * self._window * inside.unsqueeze(-1)
        n_samples = (n_frames - 1) * hop + n_fft

        def added(each: Tensor) -> Tensor:
            rows = each.transpose(1, 2)
            return F.fold(rows, (1, n_samples), kernel_size=(1, n_fft), stride=(1, hop))[:, 0, 0]

        total = added(frames)
        weight = added((self._window.square() * inside.unsqueeze(-1)).expand_as(frames))
        whole = slice(n_fft // 2, n_fft // 2 + (n_frames - 1) * hop)
        made: Tensor = (total / weight.clamp_min(1e-3))[:, whole] * _per_sample(inside, hop)
        return made

    def emphasised(self, samples: Tensor) -> Tensor:
        """With the high frequencies lifted."""
        if self._settings.preemphasis is None:
            return samples
        return samples - self._settings.preemphasis * F.pad(samples, (1, 0))[:, :-1]

    def de_emphasised(self, samples: Tensor) -> Tensor:
        """With the high frequencies let down again, as if the piece went round."""
        if self._settings.preemphasis is None:
            return samples
        n_samples = samples.shape[-1]
        turns = torch.exp(-2j * torch.pi * torch.fft.rfftfreq(n_samples, device=samples.device))
        spec = torch.fft.rfft(samples) / (1.0 - self._settings.preemphasis * turns)
        made: Tensor = torch.fft.irfft(spec, n_samples)
        return made


def inversion(request: Request) -> Inversion:
    """The recipe for the recordings and settings of a request."""
    from specloom.train.recipes.catalog import InversionRequest

    assert isinstance(request, InversionRequest)
    recipe = Recipe.load(request.spectrogram)
    _require_learnable(recipe, request.spectrogram)
    found = find_sounds(request.recordings)
    rate = rate_of(recipe, request.sample_rate, found)
    settings = mel_settings(recipe, rate)
    train, valid = held_back(found, sample_rate=rate, folder=request.folder, seed=request.seed)
    return Inversion(
        train=train.speech,
        valid=valid.speech,
        settings=settings,
        kind=request.kind,
        description=f"{named(request.recordings)} ({len(train.speech)} recordings)",
        seed=request.seed,
    )


def _require_learnable(recipe: Recipe, said: str) -> None:
    """Refuse what would end training in the middle, or never be asked for."""
    step, frames = recipe.mel_frame_step, recipe.frames
    for has, learnable in (
        (f"mel_frame_step={step}", step == 1),
        (f"center={frames.center}", frames.center),
        (f"n_fft={frames.n_fft}", frames.n_fft % 2 == 0),
    ):
        if not learnable:
            raise ParameterError(
                f"recipe={said!r} has {has}: networks for inversion learn every frame (mel_frame_step=1), centred "
                "(center=true), of an even n_fft"
            )


def _resolutions_of(sample_rate: int) -> list[int]:
    """Transform lengths of the losses: the powers of two nearest to 25, 50 and 100 ms."""
    return [2 ** round(np.log2(seconds * sample_rate)) for seconds in (0.025, 0.05, 0.1)]


def _together(pieces: list[Piece]) -> Batch:
    return Batch(
        samples=np.stack([piece.samples for piece in pieces]), inside=np.stack([piece.inside for piece in pieces])
    )


def _per_sample(inside: Tensor, hop_length: int) -> Tensor:
    """From frames to samples: from the centre of one frame to that of the next, ``(batch, (n_frames - 1) * hop)``."""
    return inside[:, :-1].repeat_interleave(hop_length, dim=1)


def _at_rate(samples: Tensor, from_rate: int, to_rate: int) -> Tensor:
    """Resampled as if the piece went round; the same for both sides of a comparison."""
    if from_rate == to_rate:
        return samples
    n_samples = samples.shape[-1]
    n_made = round(n_samples * to_rate / from_rate)
    spec = torch.fft.rfft(samples)[..., : n_made // 2 + 1]
    made: Tensor = torch.fft.irfft(spec, n_made) * (n_made / n_samples)
    return made


def _state_shapes(network: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    """As a model file has them: -1 for the batch."""
    assert isinstance(network, MelToMagnitude | Refiner)
    return {name: (-1, *shape) for name, shape in network.states().items()}


def _as_session(network: torch.nn.Module, name: str) -> AsSession:
    return AsSession(network, name, _state_shapes(network))


def _export(network: torch.nn.Module, given: str, shape: tuple[int, ...], made: str) -> NetworkExport:
    assert isinstance(network, MelToMagnitude | Refiner)
    device = next(network.parameters()).device
    states = dict(zip(network.states(), zero_states(network, 2, device), strict=True))
    return NetworkExport(
        module=network,
        inputs={given: torch.zeros(2, 8, *shape, device=device)} | states,
        outputs=(made, *(f"{name}_next" for name in states)),
        dynamic={given: {0: "batch", 1: "n_frames"}} | {name: {0: "batch"} for name in states},
        narrow=True,
    )
