"""Recipes as JSON: what is written comes back, and every slip in a file is named in one sentence."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from specloom.errors import ArtifactError, ParameterError
from specloom.recipes import (
    RECIPES,
    SPOOF,
    SPOOF_AS_WRITTEN,
    TACOTRON,
    TACOTRON_AS_WRITTEN,
    Decibels,
    Frames,
    GriffinLim,
    Linear,
    MelBands,
    PeakPower,
    Recipe,
    Synthesis,
)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda recipe: recipe.name)
def test_recipe_comes_back_from_json(recipe: Recipe, tmp_path: Path) -> None:
    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(recipe.to_json()))
    assert Recipe.load(path) == recipe
    assert Recipe.load(recipe.name) == recipe


def test_recipe_with_a_window_parameter_comes_back_from_json() -> None:
    recipe = replace(SPOOF, frames=Frames(n_fft=512, hop_s=0.01, window=("kaiser", 8.0)))
    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe


def changed(**fields: Any) -> dict[str, Any]:
    """The JSON of SPOOF_AS_WRITTEN with fields changed; "a__b" is the field b within a, and ... removes."""
    plain = json.loads(json.dumps(SPOOF_AS_WRITTEN.to_json()))
    for name, value in fields.items():
        room = plain
        *outer, last = name.split("__")
        for part in outer:
            room = room[part]
        if value is ...:
            del room[last]
        else:
            room[last] = value
    return plain


BAD = [
    (changed(hop_lenght=3), r"recipe has the unknown field 'hop_lenght'"),
    (changed(frames__hop_lenght=3), r"recipe\.frames has the unknown field 'hop_lenght' \(meant: 'hop_length'\?\)"),
    (changed(trim_db=...), r"recipe lacks the field 'trim_db'"),
    (changed(synthesis__phase__n_iter=...), r"recipe\.synthesis\.phase lacks the field 'n_iter'"),
    (changed(name=7), r"recipe\.name is 7: text is needed"),
    (changed(sample_rate=22050.5), r"recipe\.sample_rate is 22050\.5: a whole number or null is needed"),
    (changed(mel_frame_step=True), r"recipe\.mel_frame_step is True: a whole number is needed"),
    (changed(preemphasis="0.97"), r"recipe\.preemphasis is '0\.97': a finite number or null is needed"),
    (changed(trim_db=float("nan")), r"recipe\.trim_db is nan: a finite number or null is needed"),
    (changed(channels="left"), r"recipe\.channels is 'left': allowed are mono, each"),
    (changed(quantise_bits=12), r"recipe\.quantise_bits is 12: allowed are 8, 16 or null is needed"),
    (changed(quantise_bits=8.0), r"recipe\.quantise_bits is 8\.0: allowed are 8, 16"),
    (changed(scale={"kind": "sone"}), r"recipe\.scale\.kind is 'sone': allowed are linear, peak-power, decibels"),
    (changed(scale={"exponent": 0.6}), r"recipe\.scale\.kind is null: allowed are"),
    (changed(scale=3), r"recipe\.scale is 3: "),
    (changed(scale__kind="linear"), r"recipe\.scale has the unknown field 'exponent'"),
    (changed(scale__exponent=-1.0), r"recipe\.scale holds a value that cannot be used: exponent=-1\.0"),
    (changed(synthesis__restore_level=1), r"recipe\.synthesis\.restore_level is 1: true or false is needed"),
    (changed(frames__window=["kaiser", None]), r"recipe\.frames\.window is \['kaiser', None\]"),
    (changed(frames=[1]), r"recipe\.frames is \[1\]: an object with the fields n_fft"),
    (changed(frames__hop_s=0.1), r"hop_length=256 and hop_s=0\.1: give one of the two"),
    (changed(mel__n_mels=0, sample_rate=16000), r"n_mels=0"),
    ([], r"recipe is \[\]: an object"),
    (None, r"recipe is null: an object"),
]


@pytest.mark.parametrize(("plain", "sentence"), BAD, ids=[sentence[:40] for _, sentence in BAD])
def test_recipe_json_with_a_slip_is_refused_in_a_sentence(plain: object, sentence: str) -> None:
    with pytest.raises(ArtifactError, match=sentence):
        Recipe.from_json(plain)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"{", r"mine\.json is not JSON \(Expecting"),
        (b"[" * 100_000, r"mine\.json is no recipe: it is nested too deeply"),
        (b"\xff\xfe", r"mine\.json is no recipe: it is not text in UTF-8"),
        (b"{}", r"mine\.json: recipe lacks the field 'name'"),
    ],
)
def test_recipe_file_that_is_no_recipe_is_refused_with_its_name(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "mine.json"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=sentence):
        Recipe.load(path)


def test_recipe_of_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        ParameterError, match=r"'tacotrn' is neither a known recipe \(librosa, speech16, spoof, tacotron.*'tacotron'"
    ):
        Recipe.load("tacotrn")


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Frames(n_fft=512), "hop_length=None and hop_s=None: give one"),
        (lambda: Frames(n_fft=512, hop_length=1, win_length=5, win_s=0.1), "give at most one"),
        (lambda: Frames(n_fft=512, hop_s=-0.1), r"hop_s=-0\.1: seconds between 0 and 60"),
        (lambda: Frames(n_fft=512, hop_length=0), "hop_length=0"),
        (lambda: MelBands(power=3.0), r"power=3\.0: allowed are 1"),
        (lambda: PeakPower(exponent=0.0), r"exponent=0\.0"),
        (lambda: Decibels(range_db=-1.0), r"range_db=-1\.0"),
        (lambda: Decibels(floor=0.0), r"floor=0\.0"),
        (lambda: Decibels(clip_least=1.0), r"clip_least=1\.0"),
        (lambda: Decibels(reference_db=float("nan")), "reference_db=nan"),
        (lambda: GriffinLim(n_iter=-1), "n_iter=-1"),
        (lambda: GriffinLim(n_iter=1, momentum=1.5), r"momentum=1\.5"),
        (lambda: Synthesis(power=0.0), r"power=0\.0"),
        (lambda: Synthesis(written_peak=-1.0), r"written_peak=-1\.0"),
        (lambda: Synthesis(mel_method="magic"), "mel_method='magic'"),
        (lambda: replace(SPOOF, name=""), "a recipe needs a name"),
        (lambda: replace(SPOOF, trim_db=0.0), r"trim_db=0\.0"),
        (lambda: replace(SPOOF, preemphasis=1.0), r"preemphasis=1\.0"),
        (lambda: replace(SPOOF, mel_frame_step=0), "mel_frame_step=0"),
        (lambda: replace(SPOOF, scale=Linear(), quantise_bits=8), "only values between 0 and 1 can be rounded"),
        (lambda: replace(TACOTRON, mel=MelBands(fmax_hz=20_000.0)), r"fmax_hz=20000\.0"),
        (lambda: replace(TACOTRON, frames=Frames(n_fft=512, hop_s=0.00001)), "hop_length=0"),
    ],
)
def test_recipe_setting_out_of_range_is_refused_where_it_is_built(make: Any, sentence: str) -> None:
    with pytest.raises(ParameterError, match=sentence):
        make()


def test_recipe_forms_as_written_differ_from_the_corrected_in_what_the_articles_got_wrong() -> None:
    def differences(one: Recipe, other: Recipe) -> set[str]:
        left, right = one.to_json(), other.to_json()
        return {name for name in left if left[name] != right[name]} - {"name", "description"}

    assert differences(SPOOF, SPOOF_AS_WRITTEN) == {"trim_db", "frame_count", "synthesis"}
    assert differences(TACOTRON, TACOTRON_AS_WRITTEN) == {"trim_db", "scale", "synthesis"}
    assert SPOOF_AS_WRITTEN.synthesis.written_sample_rate == 22_050
    assert SPOOF_AS_WRITTEN.synthesis.power == 1.3
    config = TACOTRON.stft_config(22_050)
    assert (config.hop_length, config.win_length, config.n_fft) == (275, 1_102, 2_048)
