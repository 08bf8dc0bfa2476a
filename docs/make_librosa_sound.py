"""Make the sound that the demonstration compares with: ``.venv/bin/python docs/make_librosa_sound.py``.

The mel spectrogram of the sentence that ships, by the recipe speech16, turned into sound by librosa as its manual says.
"""

from __future__ import annotations

import librosa
import numpy as np
import soundfile

import specloom
from specloom import SPEECH16, sounds


def main() -> None:
    """Write src/specloom/sounds/speech-by-librosa.flac."""
    speech = specloom.load(sounds.path("speech")).mono()
    mel = SPEECH16.analyse(speech).mel_magnitude()
    np.random.seed(0)  # noqa: NPY002 (librosa draws its first phase from numpy's old generator)
    samples = librosa.feature.inverse.mel_to_audio(
        mel, sr=16_000, n_fft=1024, hop_length=256, power=1.0, length=speech.n_samples
    )
    # 16 bits, as the recording has.
    soundfile.write(sounds.by_librosa(), samples, 16_000, subtype="PCM_16")
    print(f"made with librosa {librosa.__version__}")


if __name__ == "__main__":
    main()
