"""Importing Specloom costs next to nothing, and every name that it promises is there."""

from __future__ import annotations

import json
import subprocess
import sys
import types

import pytest

import specloom

HEAVY = [
    "numba",
    "llvmlite",
    "scipy",
    "matplotlib",
    "soundfile",
    "soxr",
    "rich",
    "tyro",
    "PIL",
    "numpy",
    "librosa",
    "onnxruntime",
    "onnx",
    "safetensors",
    "sounddevice",
    "torch",
]


def modules_after(code):
    """What a fresh interpreter has loaded after it has run the code."""
    tail = "; import json, sys; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    ran = subprocess.run([sys.executable, "-c", code + tail], capture_output=True, text=True, check=True, timeout=60)
    return set(json.loads(ran.stdout))


def test_import_loads_nothing_heavy():
    loaded = modules_after("import specloom; specloom.__version__; dir(specloom)")
    assert "specloom" in loaded
    assert not loaded & set(HEAVY)


def test_settings_and_values_load_nothing_but_numpy():
    code = (
        "from specloom import *; from specloom import Audio, StftConfig, MelConfig, mel_filterbank, full_spectrum; "
        "import numpy; StftConfig(sample_rate=8000, n_fft=256, hop_length=64); "
        "mel_filterbank(MelConfig(sample_rate=8000, n_fft=256, n_mels=20)); Audio(numpy.zeros(3, 'f4'), 8000)"
    )
    loaded = modules_after(code.replace("from specloom import *; ", ""))
    assert not loaded & (set(HEAVY) - {"numpy"})


@pytest.mark.parametrize("name", specloom.__all__)
def test_every_promised_name_is_there_and_documented(name):
    value = getattr(specloom, name)
    if isinstance(value, type | types.FunctionType) or callable(value):
        assert value.__doc__
        assert value.__module__.startswith("specloom.")
    assert name in dir(specloom)
    assert specloom.__dict__[name] is value  # fetched once


def test_all_is_sorted_and_without_doubles_and_agrees_with_the_lazy_table():
    assert len(set(specloom.__all__)) == len(specloom.__all__)
    assert sorted(specloom.__all__) == sorted(specloom._HOME_OF)


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'specloom' has no attribute 'istf'"):
        _ = specloom.istf
    with pytest.raises(ImportError, match="istf"):
        from specloom import istf  # noqa: F401
    assert not hasattr(specloom, "__wrapped__")


def test_the_version_is_that_of_the_package():
    assert specloom.__version__.count(".") == 2
