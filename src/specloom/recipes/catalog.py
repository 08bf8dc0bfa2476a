"""The recipes by name: the articles' two, corrected and as written, and librosa's defaults.

The corrected forms are stated in full; the forms as written are made from them with `replace`, so what the articles
do wrong (or lose) is what stands in the two diffs below.
"""

from __future__ import annotations

from dataclasses import replace

from specloom.recipes.recipe import Frames, GriffinLim, MelBands, Recipe, Synthesis
from specloom.recipes.scales import Decibels, Linear, PeakPower

LIBROSA = Recipe(
    name="librosa",
    description="librosa's defaults at the recording's own rate: nothing trimmed, nothing scaled, 128 mel bands.",
    frames=Frames(n_fft=2048, hop_length=512),
    mel=MelBands(n_mels=128),
    scale=Linear(),
)

SPEECH16 = Recipe(
    name="speech16",
    description="Speech at 16 kHz in 80 mel bands: what most networks for speech are fed with.",
    sample_rate=16000,
    frames=Frames(n_fft=1024, hop_length=256),
    mel=MelBands(n_mels=80),
    scale=Decibels(reference_db=None, range_db=100.0, floor=1e-5, clip_least=1e-8),
)

SPOOF = Recipe(
    name="spoof",
    description="The first recipe of the voice conversion report (after arXiv 1910.13054), so that it can be undone.",
    trim_db=60.0,
    preemphasis=0.97,
    frames=Frames(n_fft=1024, hop_length=256),
    mel=MelBands(n_mels=80),
    scale=PeakPower(exponent=0.6),
    mel_frame_step=4,
)

SPOOF_AS_WRITTEN = replace(
    SPOOF,
    name="spoof-as-written",
    description="The first recipe of the voice conversion report as its code has it, errors included.",
    # Cuts the soft beginnings and ends of speech away with the silence.
    trim_db=22.0,
    frame_count="cut",
    synthesis=Synthesis(
        phase=GriffinLim(n_iter=64),
        mel_method="transpose",
        # The inverse of ^0.6 is ^(1/0.6); the article has ^(1.3/0.6), which sharpens the spectrum.
        power=1.3,
        restore_level=False,
        restore_edges=False,
        restore_rate=False,
        written_peak=0.75,
        # Whatever the rate of the recording is.
        written_sample_rate=22050,
    ),
)

TACOTRON = Recipe(
    name="tacotron",
    description="The second recipe of the voice conversion report (Tacotron's features), so that it can be undone.",
    sample_rate=22050,
    trim_db=60.0,
    preemphasis=0.97,
    frames=Frames(n_fft=2048, hop_s=0.0125, win_s=0.05),
    mel=MelBands(n_mels=80),
    # The loudest value instead of +20 dB: nothing is clipped, and a soft recording keeps its 100 dB.
    scale=Decibels(reference_db=None, range_db=100.0, floor=1e-5, clip_least=1e-8),
)

TACOTRON_AS_WRITTEN = replace(
    TACOTRON,
    name="tacotron-as-written",
    description="The second recipe of the voice conversion report as its code has it.",
    # Cuts much more than silence: soft sounds, decays, the ends of words.
    trim_db=15.0,
    scale=Decibels(reference_db=20.0, range_db=100.0, floor=1e-5, clip_least=1e-8, lowest_is_silence=False),
    synthesis=Synthesis(
        phase=GriffinLim(n_iter=100, momentum=0.0, start="zero"),
        mel_method="transpose",
        # The article declares power = 1.2 and never uses it.
        power=1.0,
        restore_level=False,
        restore_edges=False,
        restore_rate=False,
        trim_db=60.0,
    ),
)

_ALL = (LIBROSA, SPEECH16, SPOOF, TACOTRON, SPOOF_AS_WRITTEN, TACOTRON_AS_WRITTEN)
RECIPES = {recipe.name: recipe for recipe in _ALL}
