"""Row: mel spectra of voices that no network has heard to sound, by librosa, by us classically, and with networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec

import librosa
import numpy as np

import specloom
from recordings import Clip, Recordings, inversion_sounds
from results import Line, Result, three_decimals
from settings import INVERSION_BARS, INVERSION_CUT_BAR, PEAK_BAR_DB, InversionBars
from specloom import MelInverter, MelStream
from specloom.dsp.level import de_emphasis, pre_emphasis
from specloom.inversion import MelSettings
from specloom.metrics import dnsmos_available, dnsmos_score, log_spectral_distance_db, pesq_score, stoi_score
from specloom.runtime import shipped_models
from specloom.tasks.scores import number_or_none
from timing import timed

RATE = 16_000
LIBROSA_ITERATIONS = 64
VISQOL_RATE = 48_000
# Of speech, a listener's opinion of what was made; of music, against the recording.
Rated = Callable[[np.ndarray], float]
Compared = Callable[[np.ndarray, np.ndarray, int], float]
FIGURES = ("PESQ", "STOI", "LSD dB", "ViSQOL", "DNSMOS", "DistillMOS")


@dataclass
class Way:
    """One way from mel to sound: what it gives of each piece (of each clip, before `_comparable`), and its cost."""

    figures: dict[str, list[float]] = field(default_factory=dict)
    shares: list[float] = field(default_factory=list)
    peaks_db: list[float] = field(default_factory=list)

    def mean(self, figure: str) -> float:
        known = self.figures.get(figure)
        return float(np.mean(known)) if known else float("nan")

    @property
    def cost(self) -> float:
        """Of real time, the median over clips."""
        return float(np.median(self.shares))


def measure(recordings: Recordings, rounds: int) -> list[Result]:
    quick = rounds == 1
    return [_measured(model, inversion_sounds(recordings.folder, model, quick=quick)) for model in _models()]


def _is_rated(name: str) -> bool:
    """Whether listeners' opinions are asked for, which takes longest."""
    return name in ("librosa mel_to_audio", "Specloom, best", "Specloom, neural")


def _models() -> list[str]:
    return [name for name in INVERSION_BARS if name in shipped_models("inversion")]


def _measured(model: str, recordings: Recordings) -> Result:
    inverter = MelInverter(model)
    is_music = model.startswith("music")
    mos, visqol = (None, _visqol()) if is_music else (_distill_mos(), None)
    ways: dict[str, Way] = {}
    for clip in recordings.clips:
        rate = inverter.settings.stft.sample_rate
        samples = _samples(clip, rate)
        mel = _mel(samples, inverter.settings)
        for name, call in _calls(inverter, mel, samples.size).items():
            seconds, made = timed(call)
            way = ways.setdefault(name, Way())
            way.shares.append(seconds / (samples.size / rate))
            way.peaks_db.append(20 * float(np.log10(np.abs(made).max() / np.abs(samples).max())))
            figures = _figures(samples, made, rate)
            if visqol is not None:
                figures["ViSQOL"] = visqol(samples, made, rate)
            if not is_music and _is_rated(name):
                figures |= _opinions(made, rate, mos)
            for figure, value in figures.items():
                way.figures.setdefault(figure, []).append(value)
    _comparable(ways, [clip.piece or str(index) for index, clip in enumerate(recordings.clips)])
    return _result(model, inverter, ways, recordings)


def _comparable(ways: dict[str, Way], pieces: list[str]) -> None:
    """Of each figure the clips of which every way has one; then one value, the mean, for the clips of a piece."""
    for figure in FIGURES:
        those = [way for way in ways.values() if figure in way.figures]
        if not those:
            continue
        measured = np.isfinite([way.figures[figure] for way in those]).all(axis=0)
        kept = np.array(pieces)[measured]
        for way in those:
            values = np.array(way.figures[figure])[measured]
            way.figures[figure] = [float(values[kept == piece].mean()) for piece in dict.fromkeys(kept.tolist())]


def _samples(clip: Clip, rate: int) -> np.ndarray:
    return np.asarray(specloom.resample(clip.samples, clip.sample_rate, rate), dtype=np.float32)


def _mel(samples: np.ndarray, settings: MelSettings) -> np.ndarray:
    if settings.preemphasis is not None:
        samples = np.asarray(pre_emphasis(samples, settings.preemphasis), dtype=np.float32)
    return specloom.mel_filterbank(settings.mel) @ np.abs(specloom.stft(samples, settings.stft)) ** settings.power


def _calls(inverter: MelInverter, mel: np.ndarray, length: int) -> dict[str, Callable[[], np.ndarray]]:
    settings = inverter.settings
    classical = {
        f"Specloom, {quality}": partial(specloom.reconstruct_mel, mel, settings, quality=quality, length=length)
        for quality in ("fast", "best")
    }
    return {
        "librosa mel_to_audio": partial(_librosa, mel, settings, length),
        **classical,
        "Specloom, neural": partial(inverter.process, mel, length=length),
        "Specloom, neural, streamed frame by frame": partial(_streamed, inverter, mel, length),
    }


def _librosa(mel: np.ndarray, settings: MelSettings, length: int) -> np.ndarray:
    config = settings.stft
    np.random.seed(0)  # noqa: NPY002 (librosa draws its first phase from numpy's old generator)
    made = librosa.feature.inverse.mel_to_audio(
        mel,
        sr=config.sample_rate,
        n_fft=config.n_fft,
        hop_length=config.hop_length,
        win_length=config.win_length,
        power=settings.power,
        n_iter=LIBROSA_ITERATIONS,
        length=length,
    )
    return made if settings.preemphasis is None else np.asarray(de_emphasis(made, settings.preemphasis), np.float32)


def _streamed(inverter: MelInverter, mel: np.ndarray, length: int) -> np.ndarray:
    stream = MelStream(inverter)
    pieces = [stream.push(mel[:, frame]) for frame in range(mel.shape[1])]
    return np.concatenate([*pieces, stream.finish(length)])


def _figures(clean: np.ndarray, made: np.ndarray, rate: int) -> dict[str, float]:
    meant, heard = (_heard(each, rate) for each in (clean, made))
    config = specloom.StftConfig(sample_rate=rate, n_fft=2048, hop_length=512)
    # PESQ refuses some music: it hears no utterance there.
    return {
        "PESQ": _number(lambda: pesq_score(meant, heard, RATE)),
        "STOI": _number(lambda: stoi_score(meant, heard, RATE)),
        "LSD dB": float(log_spectral_distance_db(*(np.abs(specloom.stft(each, config)) for each in (made, clean)))),
    }


def _opinions(made: np.ndarray, rate: int, mos: Rated | None) -> dict[str, float]:
    heard = _heard(made, rate)
    found = {"DNSMOS": dnsmos_score(heard, RATE).overall} if dnsmos_available() else {}
    return found if mos is None else found | {"DistillMOS": mos(heard)}


def _heard(samples: np.ndarray, rate: int) -> np.ndarray:
    return np.asarray(specloom.resample(samples, rate, RATE), dtype=np.float32)


def _number(measure: Callable[[], float]) -> float:
    value = number_or_none(measure)
    return float("nan") if value is None else value


def _distill_mos() -> Rated | None:
    """Microsoft's DistillMOS, where the package is installed."""
    if find_spec("distillmos") is None:
        return None
    import distillmos
    import torch

    model = distillmos.ConvTransformerSQAModel().eval()

    def rated(samples: np.ndarray) -> float:
        with torch.no_grad():
            return float(model(torch.from_numpy(samples)[None]))

    return rated


def _visqol() -> Compared | None:
    """ViSQOL's mode for audio, where the package is installed."""
    if find_spec("visqol") is None:
        return None
    from visqol.api import VisqolApi

    api = VisqolApi()
    api.create(mode="audio")

    def compared(clean: np.ndarray, made: np.ndarray, rate: int) -> float:
        both = (np.asarray(specloom.resample(each, rate, VISQOL_RATE), dtype=np.float64) for each in (clean, made))
        return float(api.measure_from_arrays(*both, VISQOL_RATE).moslqo)

    return compared


def _result(model: str, inverter: MelInverter, ways: dict[str, Way], recordings: Recordings) -> Result:
    bars = INVERSION_BARS[model]
    neural, best = ways["Specloom, neural"], ways["Specloom, best"]
    known = [figure for figure in FIGURES if neural.figures.get(figure)]
    lines = [
        Line(
            what=f"{name}: {', '.join(known)}; of real time",
            ours="" if name.startswith("librosa") else _said(way, known),
            peer=_said(way, known) if name.startswith("librosa") else "",
        )
        for name, way in ways.items()
    ]
    held, peaky = _held(bars, neural, best), _peaks(inverter, recordings)
    peaks = np.subtract(neural.peaks_db, best.peaks_db)
    lines += [
        *_margins(neural, best, known),
        Line(
            what="loudest sample over that of our 'best', by clip (of up to 10 s)",
            ours=f"{np.median(peaks):+.1f} dB (10th and 90th percentile {np.percentile(peaks, 10):+.1f}, "
            f"{np.percentile(peaks, 90):+.1f})",
        ),
        *peaky,
        *_cut(inverter, recordings.clips[0]),
        *held,
    ]
    latency = MelStream(inverter).latency_s
    return Result(
        name=f"inversion-{model}",
        title=f"mel spectra to sound with networks, model {model}: {inverter.settings}",
        measured=" / ".join(line.ours for line in (*held, *peaky)),
        bar=" / ".join(line.bar for line in (*held, *peaky)),
        lines=tuple(lines),
        audio=recordings.words,
        peer=f"librosa {librosa.__version__} feature.inverse.mel_to_audio, {LIBROSA_ITERATIONS} iterations",
        notes=(
            "Figures are means over pieces (of a piece the mean of its stretches, without those in which PESQ refuses "
            "one of the ways): PESQ and STOI at 16 kHz, LSD the log-spectral distance at 2048/512. The stream gives "
            f"samples out {1000 * latency:.0f} ms after they were analysed; frames come one by one. Cost is CPU time "
            "on one thread, everything included, the median over clips.",
        ),
    )


def _margins(neural: Way, best: Way, known: list[str]) -> list[Line]:
    """By how much the networks are better, piece by piece."""
    lines = []
    for figure in known:
        margins = np.subtract(neural.figures[figure], best.figures[figure])
        low, high = np.percentile(margins, [10, 90])
        better = np.count_nonzero(margins < 0 if figure.startswith("LSD") else margins > 0)
        lines.append(
            Line(
                what=f"{figure} over our 'best', by piece",
                ours=f"{margins.mean():+.3f} (10th and 90th percentile {low:+.2f}, {high:+.2f}; "
                f"better in {better} of {margins.size})",
            )
        )
    return lines


def _peaks(inverter: MelInverter, recordings: Recordings) -> list[Line]:
    """Where a network could blow up: single frames, and both edges of what is cut out of a recording."""
    frames, edges = [], []
    n, edge = inverter.settings.stft.sample_rate, inverter.settings.stft.n_fft // 2
    for clip in recordings.clips:
        samples = _samples(clip, n)
        mel = _mel(samples, inverter.settings)
        for at in np.linspace(0, mel.shape[1] - 1, 7)[1:-1].astype(int):
            frames += _over_classical(inverter, mel[:, at : at + 1], inverter.settings.stft.hop_length, [slice(None)])
        cut = samples[samples.size // 3 :][:n]
        edges += _over_classical(inverter, _mel(cut, inverter.settings), cut.size, [slice(0, edge), slice(-edge, None)])
    return [
        Line(
            what=f"{what}: peak over that of the loudest of our classical ways",
            ours=f"{100 * np.mean(np.array(over) <= PEAK_BAR_DB):.0f} % within {PEAK_BAR_DB:g} dB, median "
            f"{np.median(over):+.1f} dB, at most {max(over):+.1f} dB",
            bar=f"all within {PEAK_BAR_DB:g} dB",
            met=bool(max(over) <= PEAK_BAR_DB),
        )
        for what, over in ((f"{len(frames)} single frames", frames), (f"{len(edges)} edges of cuts of 1 s", edges))
    ]


def _over_classical(inverter: MelInverter, mel: np.ndarray, length: int, places: list[slice]) -> list[float]:
    ways = [
        specloom.reconstruct_mel(mel, inverter.settings, quality=quality, length=length)
        for quality in ("fast", "balanced", "best")
    ]
    made = inverter.process(mel, length=length)
    loudest = [max(float(np.abs(way[place]).max()) for way in ways) for place in places]
    # Of silence nothing is said.
    return [20 * float(np.log10(np.abs(made[place]).max() / top)) for place, top in zip(places, loudest) if top > 1e-3]


def _cut(inverter: MelInverter, clip: Clip) -> list[Line]:
    """Frame by frame against all at once, of the largest sample; that the stream is not the whole is no bar."""
    rate = inverter.settings.stft.sample_rate
    samples = _samples(clip, rate)
    mel = _mel(samples, inverter.settings)
    frames = np.split(mel, mel.shape[1], axis=1)
    whole, blocks = inverter.process(mel), np.concatenate(list(inverter.blocks(frames)))
    stream = MelStream(inverter)
    at_once = np.concatenate([stream.push(mel), stream.finish(samples.size)])
    streamed = _streamed(inverter, mel, samples.size)
    lines = []
    for what, one, other in (
        ("MelInverter.blocks, a frame at a time, against MelInverter.process", blocks, whole),
        ("MelStream, a frame at a time, against MelStream, all frames at once", streamed, at_once),
    ):
        apart = float(np.abs(one - other).max() / np.abs(other).max())
        lines.append(
            Line(what=what, ours=f"{apart:.1e}", bar=f"≤ {INVERSION_CUT_BAR:g}", met=apart <= INVERSION_CUT_BAR)
        )
    return lines


def _said(way: Way, known: list[str]) -> str:
    return " / ".join([*(three_decimals(way.mean(figure)) for figure in known), f"{way.cost:.4f}"])


def _held(bars: InversionBars, neural: Way, best: Way) -> list[Line]:
    lines = []
    for figure, bar in bars.least.items():
        value = neural.mean(figure)
        # What could not be measured hinders nothing.
        met = None if np.isnan(value) else value >= bar
        lines.append(Line(what=f"neural: {figure}", ours=three_decimals(value), bar=f"≥ {bar:g}", met=met))
    for figure, bar in bars.gain.items():
        sign = -1.0 if figure.startswith("LSD") else 1.0
        value = sign * (neural.mean(figure) - best.mean(figure))
        what = f"neural: {figure} {'below' if sign < 0 else 'over'} our 'best'"
        met = None if np.isnan(value) else value >= bar
        lines.append(Line(what=what, ours=f"{value:+.3f}", bar=f"≥ {bar:g}", met=met))
    if bars.most_cost is not None:
        met = neural.cost <= bars.most_cost
        lines.append(
            Line(what="neural: share of real time", ours=f"{neural.cost:.4f}", bar=f"≤ {bars.most_cost:g}", met=met)
        )
    return lines
