"""The three settings at which everything is measured, and the bars."""

from __future__ import annotations

from dataclasses import dataclass, field

from specloom.config import MelConfig, StftConfig

SAMPLE_RATE = 22_050
N_MELS = 80


@dataclass(frozen=True)
class InversionBars:
    """What networks for mel spectra are held to."""

    least: dict[str, float] = field(default_factory=dict)
    gain: dict[str, float] = field(default_factory=dict)
    """Over our classical best."""
    most_cost: float | None = None
    """Of real time."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A transform, the iterations that librosa is given at it, and the bars that differ between settings."""

    name: str
    config: StftConfig
    librosa_iterations: int
    fast_bar: float
    """Times librosa's speed that ``quality="fast"`` must reach."""
    best_bar_db: float
    """Spectral convergence that ``quality="best"`` must reach."""
    mel_pesq_bar: float
    """PESQ above librosa's that mel to magnitude must reach."""

    @property
    def mel(self) -> MelConfig:
        return MelConfig(sample_rate=SAMPLE_RATE, n_fft=self.config.n_fft, n_mels=N_MELS)

    @property
    def label(self) -> str:
        c = self.config
        return f"{self.name} ({c.n_fft}/{c.hop_length}/{c.win_length})"


def _transform(n_fft: int, hop_length: int, win_length: int) -> StftConfig:
    return StftConfig(sample_rate=SAMPLE_RATE, n_fft=n_fft, hop_length=hop_length, win_length=win_length)


SETTINGS = (
    Setting(
        name="A", config=_transform(2048, 276, 1102), librosa_iterations=100,
        fast_bar=80, best_bar_db=-45, mel_pesq_bar=0.3,
    ),
    Setting(
        name="B", config=_transform(1024, 256, 1024), librosa_iterations=64,
        fast_bar=45, best_bar_db=-36, mel_pesq_bar=0.0,
    ),
    Setting(
        name="C", config=_transform(2048, 512, 2048), librosa_iterations=32,
        fast_bar=30, best_bar_db=-38, mel_pesq_bar=0.0,
    ),
)  # fmt: skip

ITERATION_BAR = 20.0
ITERATION_BAR_WITHOUT_AVX512 = 10.0
SAME_BAR_DB = -100.0
LONG_FILE_BAR = 0.8
MEL_BAR = 400.0
MEL_SOUND_BAR = 100.0
TORCH_BAR = 2.0
LIBROSA_TRANSFORM_BAR = 3.0
THREADS_BAR = 1.7
LATENCY_BAR_S = 0.030
STREAMING_PESQ_BAR = 4.1
STREAMING_TIME_BAR = 0.01
IMPORT_BAR_S = 0.25
COMPILE_BAR_S = 5.0
SIZE_BAR_MB = 130.0
MASK_PESQ_BAR = 0.03
RESCUE_GIVEN_BAR = 0.05
RESCUE_AXES_BAR = 0.5
RESCUE_STOI_BAR = 0.8
PICTURE_LOSS_BARS = {
    "PNG, 16 bits": {"A": 0.02, "C": 0.02},
    "PNG, 8 bits": {"A": 0.03, "C": 0.03},
    "JPEG, quality 95": {"A": 0.12, "C": 0.25},
    "JPEG, quality 75": {"A": 0.45, "C": 0.70},
}
PICTURE_LEVEL_BAR_DB = 0.1
PICTURE_EXACT_BAR_DB = 80.0
PICTURE_DRAWING_BAR = 100.0
# (set, model): PESQ, STOI, SI-SDR in dB.
ENHANCE_BARS = {("mixed", "default"): (2.07, 0.902, 10.8), ("p232", "default"): (2.50, 0.932, 16.0)}
ENHANCE_CLEAN_BARS = (4.0, 0.99)
ENHANCE_WORSE_BAR = 3.0
ENHANCE_TIME_BAR = 0.006
ENHANCE_LATENCY_BAR_S = 0.032
ENHANCE_MODEL_BAR_MB = 2.0
ENHANCE_HOUR_BAR = 150.0
ENHANCE_HOUR_BAR_MB = 600.0
TRAINING_WAIT_BAR = 0.05

DENOISE_OF_DAMAGED_BAR, DENOISE_OF_MEDIAN_BAR = 0.25, 0.60
INVERSION_CUT_BAR, PEAK_BAR_DB = 1e-4, 1.0
INVERSION_BARS = {
    "speech16": InversionBars(least={"PESQ": 3.6, "STOI": 0.976, "DistillMOS": 3.65}, most_cost=0.015),
    "tacotron": InversionBars(gain={"PESQ": 0.3}),
    "music22": InversionBars(gain={"PESQ": 0.2, "LSD dB": 0.1}),
}
DENOISE_PESQ_BAR, DENOISE_STOI_BAR = 3.0, 0.93
