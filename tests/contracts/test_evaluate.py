"""The evaluation in memory: pairs, systems, peers, groups, what is taken over, and what is said."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from specloom.audio import Audio
from specloom.errors import ArtifactError, AudioFileError, MissingExtraError, ParameterError
from specloom.io.audio import load, save
from specloom.tasks.evaluate import (
    CLIPS,
    EvaluationReport,
    Progress,
    System,
    evaluate,
    model_systems,
    named_snr_db,
    verdict,
)
from specloom.tasks.evaluate.bench import pair_snr_db
from specloom.tasks.evaluate.clips import NAMES, Clip, ClipTable, read_clips
from specloom.tasks.evaluate.systems import find_peer
from specloom.tasks.pairs import find_pairs

RATE = 16000
TINY = Path(__file__).parent.parent / "golden" / "tiny_spectrum.onnx"
NOISE_DB = {"a_0dB": 0.0, "b_5dB": 5.0, "c_10dB": 10.0}


def sound(seed: int, n_samples: int = RATE, rate: int = RATE) -> np.ndarray:
    rng = np.random.default_rng(seed)
    slow = np.abs(np.sin(np.arange(n_samples) * 2 * np.pi * 3 / rate + seed))
    return (0.1 * slow * rng.standard_normal(n_samples)).astype(np.float32)


def write_pairs(root: Path, names: dict[str, float], rate: int = RATE) -> Path:
    for seed, (name, snr_db) in enumerate(names.items()):
        clean, noise = sound(seed, rate, rate), sound(100 + seed, rate, rate)
        gain = np.linalg.norm(clean) / np.linalg.norm(noise) * 10 ** (-snr_db / 20)
        save(root / "clean" / f"{name}.wav", Audio(clean, rate), subtype="FLOAT")
        save(root / "noisy" / f"{name}.wav", Audio(clean + np.float32(gain) * noise, rate), subtype="FLOAT")
    return root


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    return write_pairs(tmp_path / "pairs", NOISE_DB)


def measured(pairs: Path, *systems: System, **options: object) -> EvaluationReport:
    return evaluate(pairs, systems, with_perceptual=False, with_dnsmos=False, **options)  # type: ignore[arg-type]


def same(audio: Audio) -> Audio:
    return audio


def oracle(pairs: Path, share: float = 0.9) -> Callable[[Audio], Audio]:
    """Knows the clean speech, and takes away so much of the noise."""
    known = [(load(path).samples, load(pairs / "noisy" / path.name).samples) for path in (pairs / "clean").iterdir()]

    def process(audio: Audio) -> Audio:
        for clean, noisy in known:
            if np.array_equal(audio.samples, noisy):
                return Audio(noisy + np.float32(share) * (clean - noisy), audio.sample_rate)
        return audio

    return process


def test_figures_are_those_of_the_sounds(pairs: Path) -> None:
    report = measured(pairs, System(name="ours", process=oracle(pairs)), System(name="nothing", process=same))
    assert report.systems == ("noisy", "ours", "nothing")
    assert report.names == ("a_0dB", "b_5dB", "c_10dB")
    assert report.taken == ("si_sdr_db",)
    before, after = report.of("noisy"), report.of("ours")
    for name, snr_db in NOISE_DB.items():
        assert before[name].snr_db == pytest.approx(snr_db, abs=0.1)
        assert before[name].si_sdr_db == pytest.approx(snr_db, abs=0.5)
        # A tenth of the noise is 20 dB less.
        assert after[name].si_sdr_db == pytest.approx(snr_db + 20.0, abs=0.5)
        assert report.of("nothing")[name].si_sdr_db == before[name].si_sdr_db
        assert (before[name].cost, after[name].cost is None) == (None, False)
    means = report.means("si_sdr_db")
    assert means["ours"] == pytest.approx(np.mean([clip.si_sdr_db for clip in after.values()]))
    assert report.worse("ours", "si_sdr_db").count == 0
    assert report.of_clean("nothing", "si_sdr_db") > 100
    assert "No clip is worse than it was in SI-SDR" in verdict(report)
    assert "above nothing" in verdict(report)


def test_what_makes_clips_worse_is_counted_and_told(pairs: Path) -> None:
    def worse_at_one(audio: Audio) -> Audio:
        noisy = load(pairs / "noisy" / "b_5dB.wav").samples
        return Audio(sound(7), RATE) if np.array_equal(audio.samples, noisy) else audio

    report = measured(pairs, System(name="ours", process=worse_at_one))
    worse = report.worse("ours", "si_sdr_db")
    assert (worse.count, worse.of, worse.names) == (1, 3, ("b_5dB",))
    assert worse.percent == pytest.approx(100 / 3)
    assert "1 of 3 clips (33.3 %) are worse than they were in SI-SDR. That is much." in verdict(report)
    assert report.examples()[0] == "b_5dB"


def test_groups_are_what_the_names_say_if_that_is_true(pairs: Path, tmp_path: Path) -> None:
    report = measured(pairs)
    assert report.by_name
    assert report.groups == NOISE_DB
    assert report.means("si_sdr_db", group=5.0)["noisy"] == report.of("noisy")["b_5dB"].si_sdr_db
    lying = write_pairs(tmp_path / "lying", {"a_30dB": 1.0, "b_40dB": 9.0})
    report = measured(lying)
    assert not report.by_name
    assert report.groups == {"a_30dB": 0.0, "b_40dB": 10.0}
    assert any("the names of the files say something else" in remark for remark in report.remarks)
    unnamed = write_pairs(tmp_path / "unnamed", {"a": 1.0, "b_10dB": 11.0})
    assert measured(unnamed).groups == {"a": 0.0, "b_10dB": 10.0}


@pytest.mark.parametrize(
    ("name", "snr_db"),
    [
        ("mix00_cry_-5dB", -5.0),
        ("clnsp1_train_1_snr15_tl-21_fileid_158", 15.0),
        ("snr-5_x", -5.0),
        ("SNR_0", 0.0),
        ("deep/2.5 dB/take", 2.5),
        ("fan5dB", 5.0),
        ("p232_003", None),
        ("x10dBfs", None),
        ("unsnr15", None),
    ],
)
def test_names_say_signal_to_noise_ratios(name: str, snr_db: float | None) -> None:
    assert named_snr_db(name) == snr_db


def test_clean_without_noise_has_no_ratio(tmp_path: Path) -> None:
    for part in ("clean", "noisy"):
        save(tmp_path / part / "a.wav", Audio(sound(1), RATE))
    report = measured(tmp_path, System(name="ours", process=same))
    assert report.of("noisy")["a"].snr_db is None
    assert report.groups == {}
    json.dumps(report.to_json(), allow_nan=False)


# Peers


def test_a_constant_delay_of_a_peer_is_taken_out(pairs: Path, tmp_path: Path) -> None:
    for late in (320, -37):
        folder = tmp_path / f"late{late}"
        for path in (pairs / "clean").iterdir():
            clean = load(path).samples
            moved = np.pad(clean, (late, 0)) if late > 0 else clean[-late:]
            save(folder / f"{path.stem}.flac", Audio(0.5 * moved, RATE))
        report = measured(pairs, peers={"peer": folder})
        assert report.bench.lag_s("peer") == late / RATE
        assert min(clip.si_sdr_db for clip in report.of("peer").values()) > 20
        assert any("peer comes" in remark for remark in report.remarks)
        assert report.worse("peer", "si_sdr_db").count == 0
        assert "peer over the noisy sounds" in verdict(report)


def test_the_delay_is_one_for_all_clips(pairs: Path, tmp_path: Path) -> None:
    for index, path in enumerate(sorted((pairs / "clean").iterdir())):
        # The last is another sound, that seems to come earlier.
        samples = np.pad(load(path).samples, (100, 0)) if index < 2 else load(path).samples[400:]
        save(tmp_path / "peer" / path.name, Audio(samples, RATE))
    found = find_peer("peer", tmp_path / "peer", find_pairs(pairs / "clean", pairs / "noisy")[0], RATE)
    assert found.lag_s == 100 / RATE


def test_means_are_taken_over_what_all_have(pairs: Path, tmp_path: Path) -> None:
    save(tmp_path / "peer" / "b_5dB.wav", load(pairs / "clean" / "b_5dB.wav"))
    save(tmp_path / "peer" / "other.wav", load(pairs / "clean" / "b_5dB.wav"))
    report = measured(pairs, peers={"peer": tmp_path / "peer"})
    assert report.common("si_sdr_db") == ["b_5dB"]
    assert report.means("si_sdr_db")["noisy"] == report.of("noisy")["b_5dB"].si_sdr_db
    assert "peer has 1 of 3 clips." in report.remarks
    assert "Means are taken over the 1 of 3 clips that all systems have." in report.remarks


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda clean: Audio(clean[:3000], RATE), "0.19 s, the clip 1.00 s"),
        (lambda clean: Audio(np.stack([clean, clean]), RATE), "has 2 channels"),
    ],
)
def test_an_output_that_cannot_be_compared_is_a_failure_of_its_own(
    pairs: Path, tmp_path: Path, make: Callable[[np.ndarray], Audio], message: str
) -> None:
    for path in (pairs / "clean").iterdir():
        save(tmp_path / "peer" / path.name, load(path))
    save(tmp_path / "peer" / "a_0dB.wav", make(load(pairs / "clean" / "a_0dB.wav").samples))
    report = measured(pairs, peers={"peer": tmp_path / "peer"})
    (failure,) = report.failures
    assert failure.name == "a_0dB (peer)"
    assert message in failure.message
    assert len(report.of("noisy")) == 3
    assert len(report.of("peer")) == 2


# What goes wrong


def test_one_bad_pair_does_not_stop_the_others(pairs: Path) -> None:
    save(pairs / "noisy" / "b_5dB.wav", Audio(sound(1, RATE - 1), RATE))
    (pairs / "clean" / "c_10dB.wav").write_text("no sound")
    told: list[Progress] = []
    report = measured(pairs, System(name="ours", process=same), progress=told.append)
    assert report.names == ("a_0dB",)
    assert {failure.name for failure in report.failures} == {"b_5dB", "c_10dB"}
    assert [(state.done, state.total) for state in told] == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert [bool(state.failed) for state in told] == [False, False, True, True]


def test_a_system_that_fails_costs_its_own_clip_only(pairs: Path) -> None:
    def refuses(audio: Audio) -> Audio:
        if audio.samples[0] == load(pairs / "noisy" / "a_0dB.wav").samples[0]:
            raise ParameterError("not this one")
        return Audio(audio.samples[:-1], RATE) if audio.samples[0] == sound(1)[0] else audio

    report = measured(pairs, System(name="ours", process=refuses))
    assert [failure.name for failure in report.failures] == ["a_0dB (ours)", "b_5dB (ours, clean speech)"]
    assert "a system must keep the shape and the rate" in report.failures[1].message
    assert len(report.of("ours")) == 2


def test_bad_input_is_refused_with_a_sentence(pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = System(name="ours", process=same)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ParameterError, match="holds no folder clean and no folder noisy"):
        measured(pairs / "clean")
    with pytest.raises(ParameterError, match="is no folder"):
        measured(tmp_path / "nothing")
    with pytest.raises(ParameterError, match="2 systems are called 'ours'"):
        measured(pairs, ours, ours)
    with pytest.raises(ParameterError, match="'noisy' cannot be the name"):
        measured(pairs, System(name="noisy", process=same))
    with pytest.raises(ParameterError, match="holds none of the 3 clips"):
        measured(pairs, peers={"peer": empty})
    with pytest.raises(ParameterError, match="a folder is needed"):
        measured(pairs, peers={"peer": tmp_path / "nothing"})
    with pytest.raises(ParameterError, match="seconds=-1"):
        measured(pairs, seconds=-1)
    with pytest.raises(ParameterError, match="rate=44100: allowed are 16000 and 8000"):
        measured(pairs, rate=44100)
    with pytest.raises(ArtifactError):
        model_systems([tmp_path / "missing.onnx"])
    monkeypatch.setattr("specloom.tasks.evaluate.task.pesq_available", lambda: False)
    with pytest.raises(MissingExtraError, match=r"PESQ cannot be taken: pip install"):
        evaluate(pairs, with_perceptual=True)
    for path in (pairs / "noisy").iterdir():
        save(path, Audio(np.zeros(RATE, np.float32), RATE))
    with pytest.raises(ParameterError, match=r"is silent.*2 more failed"):
        measured(pairs)


def test_the_rate_of_the_figures(tmp_path: Path) -> None:
    for rate, wanted in ((8000, 8000), (22050, 16000)):
        pairs = write_pairs(tmp_path / str(rate), {"a": 5.0}, rate)
        heard = []

        def listening(audio: Audio, heard: list[int] = heard) -> Audio:
            heard.append(audio.sample_rate)
            return audio

        report = measured(pairs, System(name="ours", process=listening))
        assert report.sample_rate == wanted
        assert set(heard) == {wanted}
        assert measured(pairs, rate=8000).sample_rate == 8000


# What an earlier run has left


class Counting:
    """Counts what it is given, and may stop the whole run."""

    def __init__(self, stop_at: int = 1000) -> None:
        self.n_calls, self.stop_at = 0, stop_at

    def __call__(self, audio: Audio) -> Audio:
        self.n_calls += 1
        if self.n_calls == self.stop_at:
            raise KeyboardInterrupt
        return audio


def test_finished_clips_survive_an_interruption_and_are_taken_over(pairs: Path, tmp_path: Path) -> None:
    stopped = Counting(stop_at=5)
    with pytest.raises(KeyboardInterrupt):
        measured(pairs, System(name="ours", process=stopped, identity="1"), folder=tmp_path / "out")
    left = read_clips(tmp_path / "out" / CLIPS)
    assert {clip.name for clip in left} == {"a_0dB", "b_5dB"}
    assert len(left) == 6
    goes_on = Counting()
    report = measured(pairs, System(name="ours", process=goes_on, identity="1"), folder=tmp_path / "out")
    assert goes_on.n_calls == 2
    assert report.n_taken_over == 6
    fresh = measured(pairs, System(name="ours", process=Counting(), identity="1"))
    assert [(clip.key, clip.si_sdr_db) for clip in report.clips] == [(clip.key, clip.si_sdr_db) for clip in fresh.clips]
    again = Counting()
    report = measured(pairs, System(name="ours", process=again, identity="1"), folder=tmp_path / "out")
    assert (again.n_calls, report.n_taken_over) == (0, 9)


def test_only_what_has_changed_is_measured_anew(pairs: Path, tmp_path: Path) -> None:
    def calls(identity: str | None, **options: object) -> int:
        counting = Counting()
        measured(pairs, System(name="ours", process=counting, identity=identity), folder=tmp_path / "out", **options)
        return counting.n_calls

    assert calls("1") == 6
    assert calls("2") == 6  # another model of the same name
    assert calls("2") == 0
    assert calls("2", seconds=0.5) == 6
    assert calls("2", seconds=0.5, overwrite=True) == 6
    assert calls(None, seconds=0.5) == 6
    assert calls(None, seconds=0.5) == 6  # it is not known to be the same again
    assert calls("2") == 6
    path = pairs / "noisy" / "a_0dB.wav"
    os.utime(path, ns=(1, 1))
    assert calls("2") == 2


def test_a_row_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    table = ClipTable(tmp_path / CLIPS, [])
    clips = [
        Clip(
            system="ours", given="noisy", name=f'odd, "name" {index}', sample_rate=RATE, duration_s=1.5, snr_db=None,
            named_snr_db=-5.0, pesq=1.25, fingerprint="x",
        )
        for index in range(2)
    ]  # fmt: skip
    table.append(clips)
    assert read_clips(tmp_path / CLIPS) == clips
    text = (tmp_path / CLIPS).read_text()
    for cut in (text[:-3], text[:-20], text.replace("1.25", "nan"), text + "\x00", text + 'ours,"'):
        (tmp_path / CLIPS).write_text(cut)
        assert set(read_clips(tmp_path / CLIPS)) <= set(clips)
    (tmp_path / CLIPS).write_text(text[:-20])
    assert read_clips(tmp_path / CLIPS) == clips[:1]
    (tmp_path / CLIPS).write_text("system,name\n1,2\n")
    assert read_clips(tmp_path / CLIPS) == []
    assert read_clips(tmp_path / "none.csv") == []
    assert NAMES[0] == "system"


# Models


def test_models_go_through_the_enhancer_and_other_processes(pairs: Path, tmp_path: Path) -> None:
    from specloom.tasks.enhance import Enhancer

    (system,) = model_systems([TINY])
    assert system.name == "tiny_spectrum"
    report = measured(pairs, system, jobs=2, folder=tmp_path)
    noisy = load(pairs / "noisy" / "a_0dB.wav")
    pair = report.bench.pairs[0]
    output = report.bench.output("tiny_spectrum", pair, noisy)
    np.testing.assert_array_equal(output.samples, Enhancer(TINY).process(noisy).samples)
    alone = measured(pairs, system)
    assert [clip.si_sdr_db for clip in report.clips] == [clip.si_sdr_db for clip in alone.clips]
    assert measured(pairs, *model_systems([TINY]), folder=tmp_path).n_taken_over == len(alone.clips)
    copy = tmp_path / TINY.name
    copy.write_bytes(TINY.read_bytes())
    assert [system.name for system in model_systems([TINY, copy])] == [str(TINY), str(copy)]
    assert model_systems([copy])[0].identity == system.identity


def test_a_damaged_model_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    (tmp_path / "cut.onnx").write_bytes(TINY.read_bytes()[:-200])
    with pytest.raises(ArtifactError):
        model_systems([tmp_path / "cut.onnx"])


def test_the_perceptual_figures(tmp_path: Path) -> None:
    pytest.importorskip("pystoi")
    from specloom import sounds

    clean = load(sounds.path("speech")).samples[:80000]
    noisy = clean + 0.02 * np.random.default_rng(1).standard_normal(len(clean)).astype(np.float32)
    save(tmp_path / "clean" / "a.wav", Audio(clean, RATE))
    save(tmp_path / "noisy" / "a.wav", Audio(noisy, RATE))
    report = evaluate(tmp_path, (System(name="ours", process=same),))
    assert report.of_clean("ours", "stoi") == pytest.approx(1.0, abs=1e-6)
    assert 0.3 < report.means("stoi")["noisy"] < 0.99
    if "pesq" in report.taken:
        assert report.of_clean("ours", "pesq") == pytest.approx(4.64, abs=0.01)
        assert report.main == "pesq"
    if "dns_overall" in report.taken:
        assert report.of_clean("ours", "dns_background") > report.means("dns_background")["noisy"]
    assert "Clean speech is left alone" in verdict(report) or "pesq" not in report.taken


def test_a_path_that_is_missing_in_a_pair(pairs: Path) -> None:
    (pairs / "noisy" / "a_0dB.wav").unlink()
    report = measured(pairs)
    assert any("1 of" in remark and "without a partner" in remark for remark in report.remarks)
    with pytest.raises((ParameterError, AudioFileError)):
        find_pairs(pairs / "clean", pairs / "nothing")


@pytest.mark.parametrize("level", [1.0, 0.5, 30.0])
def test_the_signal_to_noise_ratio_does_not_depend_on_the_level_of_the_noisy_sound(level: float) -> None:
    rng = np.random.default_rng(0)
    clean, noise = rng.standard_normal((2, 50_000)).astype(np.float32)
    noisy = level * (clean + 10 ** (-15 / 20) * noise)
    assert pair_snr_db(Audio(clean, 16_000), Audio(noisy, 16_000)) == pytest.approx(15.0, abs=0.2)
    assert pair_snr_db(Audio(clean, 16_000), Audio(level * clean, 16_000)) is None
