"""Recordings to training mixtures. Needs numpy, scipy, soxr and soundfile; no torch."""

from specloom.train.data.cache import Prepared, prepare_clips, prepare_sources
from specloom.train.data.clips import Clips
from specloom.train.data.folders import Recording, Split, find_noise, find_speech, split_recordings
from specloom.train.data.mixing import Mixture, Sources, mix_batch, mix_item, plain
from specloom.train.data.pairs import Pair, validation_pairs
from specloom.train.data.settings import MixingSettings, RoomSettings
from specloom.train.data.workers import MixtureStream, WorkerError

__all__ = [
    "Clips",
    "MixingSettings",
    "Mixture",
    "MixtureStream",
    "Pair",
    "Prepared",
    "Recording",
    "RoomSettings",
    "Sources",
    "Split",
    "WorkerError",
    "find_noise",
    "find_speech",
    "mix_batch",
    "mix_item",
    "plain",
    "prepare_clips",
    "prepare_sources",
    "split_recordings",
    "validation_pairs",
]
