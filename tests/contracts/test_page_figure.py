"""Pictures of spectrograms: every pixel where it belongs, levels comparable, bounded in size."""

from __future__ import annotations

import tracemalloc
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from specloom.audio import Audio
from specloom.config import MelConfig, StftConfig
from specloom.dsp.mel import mel_filterbank
from specloom.dsp.stft import stft
from specloom.errors import ParameterError
from specloom.page import Panel, audio_panel, figure_png, linear_panel, mel_panel, plain_picture, plain_png
from specloom.page.figure import frequency_ticks

RATE = 16000
STFT = StftConfig(sample_rate=RATE, n_fft=512, hop_length=128)
MEL = MelConfig(sample_rate=RATE, n_fft=512, n_mels=40)


def tone(hz: float, seconds: float = 1.0, rate: int = RATE) -> Audio:
    samples = np.sin(2 * np.pi * hz * np.arange(int(seconds * rate)) / rate).astype(np.float32)
    return Audio(samples, rate)


def shades(png: bytes) -> np.ndarray:
    """The index into the colour map of every pixel, row 0 the lowest frequency."""
    image = Image.open(BytesIO(png))
    assert image.mode == "P"
    return np.asarray(image)[::-1]


def test_one_pixel_per_frame_and_bin() -> None:
    magnitude = np.abs(stft(tone(1000).samples, STFT))
    magnitude.flags.writeable = False
    pixels = shades(plain_png(linear_panel(magnitude, STFT)))
    assert pixels.shape == magnitude.shape
    assert set(pixels.argmax(axis=0)[2:-2]) == {1000 * 512 // RATE}
    expected = np.clip(20 * np.log10(np.maximum(magnitude, 1e-12) / magnitude.max()), -80, 0) / 80 * 255 + 255
    assert np.abs(pixels - expected).max() <= 0.51


def test_levels_can_be_compared_over_a_common_reference() -> None:
    magnitude = np.full((257, 3), 1.0, dtype=np.float32)
    loud = shades(plain_png(linear_panel(magnitude, STFT), reference=1.0))
    soft = shades(plain_png(linear_panel(magnitude * 0.01, STFT), reference=1.0))
    assert (loud == 255).all()
    assert (soft == round(255 * 0.5)).all()


@settings(max_examples=20)
@given(st.floats(1e-6, 1e4))
def test_the_level_of_a_sound_does_not_change_its_own_picture(amplitude: float) -> None:
    magnitude = np.abs(stft(tone(1000, 0.2).samples, STFT)) + 1e-3
    first = shades(plain_png(linear_panel(magnitude, STFT)))
    second = shades(plain_png(linear_panel(magnitude * amplitude, STFT)))
    assert np.abs(first.astype(int) - second).max() <= 1


def test_silence_is_dark() -> None:
    assert (shades(plain_png(linear_panel(np.zeros((257, 4), np.float32), STFT))) == 0).all()
    assert audio_panel(Audio(np.zeros(500, np.float32), RATE)).peak == 0.0


def test_long_sounds_keep_their_peaks_and_stay_narrow() -> None:
    magnitude = np.zeros((257, 7001), np.float32)
    magnitude[100, 3503] = 1.0
    pixels = shades(plain_png(linear_panel(magnitude, STFT), max_columns=1000))
    assert pixels.shape == (257, 1000)
    assert np.argwhere(pixels == 255).tolist() == [[100, 500]]


@pytest.mark.parametrize("scale", ["linear", "mel"])
@pytest.mark.parametrize("hz", [150.0, 1000.0, 3000.0, 7000.0])
@pytest.mark.parametrize("rate", [16000, 44100])
def test_a_tone_lies_at_its_frequency_whatever_the_rate(scale: str, hz: float, rate: int) -> None:
    panel = audio_panel(tone(hz, rate=rate), scale=scale, top_hz=8000.0)  # type: ignore[arg-type]
    row = panel.magnitude[:, panel.magnitude.shape[1] // 2].argmax()
    assert abs(panel.row_hz[row] - hz) < 30


def test_a_click_lies_at_its_time() -> None:
    samples = np.zeros(3 * RATE, np.float32)
    samples[RATE] = 1.0
    panel = audio_panel(Audio(samples, RATE), max_columns=300)
    column = panel.magnitude.sum(axis=0).argmax() / panel.magnitude.shape[1]
    assert column * panel.span_s == pytest.approx(1.0, abs=0.02)


def test_blocks_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = Audio(np.random.default_rng(0).standard_normal(RATE * 2).astype(np.float32), RATE)
    panels = []
    for columns_at_once in (7, 10**6):
        monkeypatch.setattr("specloom.page.figure._COLUMNS_AT_ONCE", columns_at_once)
        panels.append(audio_panel(noise, max_columns=2000).magnitude)
    np.testing.assert_allclose(panels[0], panels[1], rtol=1e-4, atol=1e-4)


def test_memory_does_not_grow_with_the_length() -> None:
    minutes = Audio(np.random.default_rng(0).standard_normal(RATE * 180).astype(np.float32), RATE)
    tracemalloc.start()
    panel = audio_panel(minutes)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert panel.magnitude.shape[0] == 224
    assert 500 < panel.magnitude.shape[1] <= 1000
    # The complex transform of these three minutes takes 180 MB.
    assert most < 60e6


def test_frequency_marks_lie_at_their_rows() -> None:
    mel = mel_panel(mel_filterbank(MEL) @ np.abs(stft(tone(1000).samples, STFT)), MEL, STFT.frame_rate_hz)
    for panel in (mel, linear_panel(np.ones((257, 3)), STFT)):
        for row, label in frequency_ticks(panel):
            number, unit = label.split()
            hz = float(number) * (1000 if unit == "kHz" else 1)
            if hz > panel.row_hz[0]:
                assert np.interp(row, np.arange(len(panel.row_hz)), panel.row_hz) == pytest.approx(hz)
    assert "1 kHz" in [label for _, label in frequency_ticks(mel)]


def test_picture_for_a_page_says_where_its_marks_and_times_are() -> None:
    picture = plain_picture(audio_panel(tone(1000, 2.0), top_hz=8000.0), alt="A tone")
    assert picture.span_s == 2.0
    assert (picture.width, picture.height) == Image.open(BytesIO(picture.data)).size
    shares = [share for share, _ in picture.levels]
    assert shares == sorted(shares)
    assert min(np.diff(shares)) > 0.1


def test_figure_has_axes_and_a_bar_on_request() -> None:
    magnitude = np.abs(stft(tone(1000).samples, STFT))
    linear, mel = (
        linear_panel(magnitude, STFT, heading="Linear"),
        mel_panel(mel_filterbank(MEL) @ magnitude, MEL, 125.0),
    )
    sizes = [Image.open(BytesIO(figure_png(panels, dpi=50))).size for panels in ([linear], [linear, mel])]
    assert sizes[0][0] == sizes[1][0] == 500
    assert sizes[1][1] == 2 * sizes[0][1]
    assert figure_png([linear], dpi=50, colour_bar=False) != figure_png([linear], dpi=50)


def test_pyplot_is_never_touched() -> None:
    import subprocess
    import sys

    code = (
        "import sys, numpy as np\n"
        "from specloom.config import StftConfig\n"
        "from specloom.page import figure_png, linear_panel, plain_png\n"
        "panel = linear_panel(np.ones((9, 4)), StftConfig(sample_rate=8000, n_fft=16, hop_length=4))\n"
        "figure_png([panel]); plain_png(panel)\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: figure_png([]), "panels is empty"),
        (lambda: plain_png(linear_panel(np.ones((257, 2)), STFT), colormap="nope"), "colormap='nope'"),
        (lambda: plain_png(linear_panel(np.ones((257, 2)), STFT), range_db=0), "range_db=0"),
        (lambda: plain_png(linear_panel(np.ones((257, 2)), STFT), max_columns=0), "max_columns=0"),
        (lambda: linear_panel(np.ones((256, 2)), STFT), "256, 2"),
        (lambda: linear_panel(np.ones((257, 0)), STFT), "at least one frame"),
        (lambda: audio_panel(Audio(np.zeros(0, np.float32), RATE)), "samples are empty"),
        (lambda: Panel(magnitude=np.ones((2, 2)), row_hz=np.arange(2.0), span_s=1, scale="bark"), "scale='bark'"),
    ],
)
def test_what_cannot_be_drawn_is_refused(call, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ParameterError, match=message):
        call()
