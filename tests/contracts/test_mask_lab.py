"""The mask laboratory in memory: pairs, noise told from noisy, values, sentences, and the report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from specloom.audio import Audio
from specloom.errors import MissingExtraError, ParameterError
from specloom.io.audio import save
from specloom.masks import phase_sensitive_mask
from specloom.tasks.mask_lab import (
    ORACLES,
    Coherence,
    MaskReport,
    Pair,
    PairResult,
    Scores,
    Spectra,
    ValueCounts,
    find_pairs,
    mask_lab,
    sounds_of,
)
from specloom.tasks.mask_lab.oracles import TRANSFORMS, oracle
from specloom.tasks.mask_lab.pairs import speech_share, tell_second
from specloom.tasks.mask_lab.values import EDGES, RANGES, coherence_of, count_values
from specloom.tasks.mask_lab.verdict import ARTICLE, ranking_verdict, truncation_choice

RATE = 16000


def sound(seed: int, n_samples: int = RATE, rate: int = RATE, level: float = 0.1) -> Audio:
    rng = np.random.default_rng(seed)
    slow = np.abs(np.sin(np.arange(n_samples) * 2 * np.pi * 3 / rate + seed))
    return Audio((level * slow * rng.standard_normal(n_samples)).astype(np.float32), rate)


def plus(one: Audio, other: Audio) -> Audio:
    return Audio(one.samples + other.samples, one.sample_rate)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    root = tmp_path_factory.mktemp("pairs")
    for index, level in enumerate((0.01, 0.1, 0.03)):
        clean, noise = sound(index), sound(10 + index, level=level)
        save(root / "clean" / f"{index}.wav", clean)
        save(root / "noise" / f"{index}.flac", noise)
        save(root / "noisy" / "deep" / f"{index}.wav", plus(clean, noise))
        (root / "noisy" / f"{index}.wav").write_bytes((root / "noisy" / "deep" / f"{index}.wav").read_bytes())
    return root / "clean", root / "noise", root / "noisy"


@pytest.fixture(scope="module")
def report(folders: tuple[Path, Path, Path]) -> MaskReport:
    return mask_lab(folders[0], folders[2], with_perceptual=False)


# Pairs


def test_pairs_have_one_name_at_one_place(folders: tuple[Path, Path, Path]) -> None:
    clean, noise, noisy = folders
    pairs, lonely = find_pairs(clean, noise)
    assert [(pair.name, pair.clean.name, pair.second.name) for pair in pairs] == [
        (f"{i}", f"{i}.wav", f"{i}.flac") for i in range(3)
    ]
    assert lonely == []
    _, lonely = find_pairs(clean, noisy)
    assert lonely == [f"3 of {noisy} without a partner left out: deep/0, deep/1 and 1 more."]
    (alone,), _ = find_pairs(clean / "0.wav", noise / "1.flac")
    assert (alone.name, alone.second.name) == ("0", "1.flac")


def test_noise_is_told_from_noisy_by_the_speech_in_it() -> None:
    speech, noise = sound(1), sound(2, level=1.0)
    assert speech_share(speech, plus(speech, noise)) == pytest.approx(1.0, abs=0.3)
    assert speech_share(speech, noise) == pytest.approx(0.0, abs=0.3)
    assert tell_second([1.0, 0.9, 1.1])[0] == "noisy"
    assert tell_second([0.0, -0.1, 0.9])[0] == "noise"
    assert "doubtful" not in tell_second([1.0])[1] + tell_second([0.0])[1]
    assert "doubtful" in tell_second([0.6])[1]


def test_either_second_gives_the_same_sounds() -> None:
    speech, noise = sound(1), sound(2)
    pair = Pair(name="x", clean=Path("a"), second=Path("b"))
    from_noise = sounds_of(pair, speech, noise, "noise")
    from_noisy = sounds_of(pair, speech, plus(speech, noise), "noisy")
    np.testing.assert_array_equal(from_noise.noisy.samples, from_noisy.noisy.samples)
    np.testing.assert_allclose(from_noise.noise, noise.samples, atol=1e-7)
    wanted = 20 * np.log10(np.linalg.norm(speech.samples) / np.linalg.norm(noise.samples))
    assert from_noise.snr_db == pytest.approx(wanted, abs=1e-3)
    with pytest.raises(ParameterError, match="a and b are the same sound"):
        sounds_of(pair, speech, speech, "noisy")
    with pytest.raises(ParameterError, match="cancels a exactly"):
        sounds_of(pair, speech, Audio(-speech.samples, RATE), "noise")


# Values


def test_every_value_is_counted_once() -> None:
    counts = ValueCounts()
    mask = np.array([[-9.0, -1.0, 0.0, 0.5, 1.0, 2.0, 7.0, 0.5]])
    power = np.array([[1.0, 1.0, 1.0, 2.0, 1.0, 1.0, 4.0, 0.0]])
    counts.add(mask, power)
    assert (counts.n_bins, counts.below, counts.above, int(counts.counts.sum())) == (7, 1, 1, 5)
    assert counts.share_inside(0.0, 1.0) == pytest.approx(3 / 7)
    assert counts.share_inside(-1.0, 2.0) == pytest.approx(5 / 7)
    assert counts.share_inside(-10.0, 10.0) == 1.0
    assert counts.share_inside(0.0, 1.0, by_energy=True) == pytest.approx(4 / 11)
    assert ValueCounts().share_inside(0.0, 1.0) == 0.0


def test_counts_of_two_sounds_are_the_counts_of_both() -> None:
    together: dict[str, ValueCounts] = {}
    alone = []
    for seed in (1, 5):
        speech = sound(seed)
        spectra = Spectra.of(speech.samples, plus(speech, sound(seed + 1)).samples, TRANSFORMS[RATE])
        count_values(spectra, together)
        one: dict[str, ValueCounts] = {}
        count_values(spectra, one)
        alone.append(one)
        psm = phase_sensitive_mask(spectra.clean, spectra.noisy)
        assert one["psm"].share_inside(0.0, 1.0) == pytest.approx(np.mean((psm >= 0) & (psm <= 1)))
    for key, counts in together.items():
        np.testing.assert_array_equal(counts.counts, alone[0][key].counts + alone[1][key].counts)
        assert counts.n_bins == alone[0][key].n_bins + alone[1][key].n_bins


def test_coherence_shows_more_than_chance_only_where_it_is() -> None:
    speech, config = sound(1, 4 * RATE), TRANSFORMS[RATE]
    stranger = coherence_of(Spectra.of(speech.samples, plus(speech, sound(2, 4 * RATE)).samples, config))
    assert stranger.found == pytest.approx(stranger.by_chance, rel=0.1)
    echo = Audio(np.float32(0.5) * np.roll(speech.samples, 3), RATE)
    related = coherence_of(Spectra.of(speech.samples, plus(speech, echo).samples, config))
    assert related.found > 2 * related.by_chance


# Sentences


def table(**pesq: float) -> dict[str, Scores]:
    return {
        row.key: Scores(pesq=pesq.get(row.key, 1.0), stoi=None, estoi=None, si_sdr_db=10.0 * pesq.get(row.key, 1.0))
        for row in ORACLES
    }


def test_the_verdict_names_every_step_that_does_not_hold() -> None:
    said = ranking_verdict(table(cirm=4.6, psm=4.0, orm=4.0, iam=3.75, irm=3.6, ibm=2.7), 16000)
    assert "the order is cIRM 4.60 > " in said
    assert "ORM and PSM are one and the same number" in said
    assert "the cIRM lies 0.60 above the PSM" in said
    assert "IAM lies 0.15 above IRM" in said
    assert "IBM lies" not in said
    level = ranking_verdict(table(cirm=4.6, psm=4.0, orm=4.0, iam=3.61, irm=3.6, ibm=2.7), 16000)
    assert "IRM and IAM are level" in level
    upheld = ranking_verdict(table(orm=5.0, psm=4.0, cirm=3.5, irm=3.0, iam=2.5, ibm=2.0), 8000)
    assert upheld.endswith("That is the article's order, ORM > PSM > cIRM > IRM > IAM > IBM.")


def test_without_pesq_the_verdict_speaks_of_si_sdr_and_without_both_it_says_so() -> None:
    silent = {key: Scores(pesq=None, stoi=None, estoi=None, si_sdr_db=None) for key in table()}
    assert "says nothing" in ranking_verdict(silent, 16000)
    decibels = {
        key: Scores(pesq=None, stoi=None, estoi=None, si_sdr_db=s.si_sdr_db) for key, s in table(cirm=4).items()
    }
    assert "(SI-SDR in dB)" in ranking_verdict(decibels, 16000)


def test_the_choice_is_the_narrowest_range_that_is_cheap(report: MaskReport) -> None:
    counts = report.counts[RATE]
    dear = truncation_choice(
        table(**{"iam": 4.0, "iam-0-1": 3.5, "iam-0-2": 3.98, "psm": 4.0, "psm-0-1": 3.97, "psm-1-2": 3.99}), counts
    )
    assert "costs next to nothing is [0, 2]. PSM" in dear
    assert dear.endswith("is [0, 1].")


# The whole


def test_the_table_obeys_the_laws_of_the_masks(report: MaskReport) -> None:
    assert report.second == "noisy"
    assert report.rates == (16000, 8000)
    for rate in report.rates:
        ratio = {key: scores.si_sdr_db for key, scores in report.means(rate).items()}
        assert all(value is not None for value in ratio.values())
        assert ratio["cirm"] > 100.0
        assert ratio["orm"] == pytest.approx(ratio["psm"], abs=0.01)
        assert ratio["orm-0-1"] == pytest.approx(ratio["psm-0-1"], abs=0.01)
        assert ratio["ibm"] == ratio["ibm-snr"]
        assert ratio["ibm"] != ratio["ibm-majority"]
        assert ratio["psm"] > ratio["psm-1-2"] > ratio["psm-0-1"] > ratio["noisy"]
        # Of the real masks the PSM is the one with the least error.
        real = [row.key for row in ORACLES if row.kind == "mask" and row.family != "cIRM"]
        assert max(ratio[key] for key in real) == pytest.approx(ratio["psm"], abs=0.01)


def test_noise_alone_gives_the_table_of_the_noisy_sound(folders: tuple[Path, Path, Path], report: MaskReport) -> None:
    again = mask_lab(folders[0], folders[1], with_perceptual=False)
    assert again.second == "noise"
    assert "noise alone" in again.remarks[0]
    for key, scores in again.means(RATE).items():
        if key.startswith("cirm"):
            continue  # what is left of it is rounding
        assert scores.si_sdr_db == pytest.approx(report.means(RATE)[key].si_sdr_db, abs=0.01)


def test_the_report_is_json_without_paths(report: MaskReport, folders: tuple[Path, Path, Path]) -> None:
    plain = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert plain["format"] == "specloom-masks"
    assert [entry["sample_rate"] for entry in plain["tables"]] == [16000, 8000]
    assert [row["key"] for row in plain["tables"][0]["masks"]] == [row.key for row in ORACLES]
    values = plain["tables"][0]["values"]["psm"]
    assert len(values["edges"]) == len(values["counts"]) + 1 == len(EDGES)
    assert len(values["inside"]) == len(RANGES)
    assert {pair["name"] for pair in plain["pairs"]} == {"0", "1", "2"}
    assert str(folders[0].parent) not in json.dumps(plain["pairs"])


def test_the_example_is_the_pair_in_the_middle(report: MaskReport) -> None:
    assert report.example.pair.name == "2"
    assert isinstance(report.coherence, Coherence)


def test_one_bad_pair_does_not_stop_the_others(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    for index, samples in enumerate((RATE, RATE + 1)):
        save(tmp_path / "clean" / f"{index}.wav", sound(index))
        save(tmp_path / "noise" / f"{index}.wav", sound(index + 7, samples))
    report = mask_lab(tmp_path / "clean", tmp_path / "noise", with_perceptual=False)
    assert [result.pair.name for result in report.results] == ["0"]
    (failure,) = report.failures
    assert failure.name == "1"
    assert "16000 samples" in failure.message
    assert "16001: both must be equally long" in failure.message


def test_the_rates_decide_the_tables(tmp_path: Path) -> None:
    for rate, tables in ((8000, (8000,)), (22050, (16000, 8000))):
        save(tmp_path / f"{rate}.wav", sound(1, rate, rate))
        save(tmp_path / f"{rate}n.wav", sound(2, rate, rate))
        report = mask_lab(tmp_path / f"{rate}.wav", tmp_path / f"{rate}n.wav", with_perceptual=False)
        assert report.rates == tables
        assert any("8 kHz table only" in remark for remark in report.remarks) == (rate == 8000)


def test_no_more_than_the_beginning_is_measured(tmp_path: Path) -> None:
    save(tmp_path / "a.wav", sound(1, 3 * RATE))
    save(tmp_path / "b.wav", sound(2, 3 * RATE))
    report = mask_lab(tmp_path / "a.wav", tmp_path / "b.wav", with_perceptual=False, seconds=1.0)
    assert report.results[0].duration_s == 1.0


def test_perceptual_figures_where_they_can_be_taken() -> None:
    pytest.importorskip("pystoi")
    from specloom.tasks.scores import Judge

    clean = sound(1, 2 * RATE).samples
    scores = Judge(pesq=False, stoi=True).scores(clean, clean, RATE)
    assert scores.pesq is None
    assert scores.stoi == pytest.approx(1.0, abs=1e-6)
    assert scores.estoi == pytest.approx(1.0, abs=1e-6)
    # Too short for STOI is no failure of the pair.
    assert Judge(pesq=False, stoi=True).scores(clean[:1000], clean[:1000], RATE).stoi is None


def test_a_missing_package_is_no_failure_of_a_pair(
    folders: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*arguments: object, **options: object) -> float:
        raise MissingExtraError("PESQ needs the package pesq")

    monkeypatch.setattr("specloom.tasks.scores.pesq_score", missing)
    with pytest.raises(MissingExtraError, match="needs the package pesq"):
        mask_lab(folders[0], folders[2], with_perceptual=True)


def test_the_ranking_has_a_row_for_every_mask_of_the_article() -> None:
    assert [oracle(key).family for key in ARTICLE] == ["ORM", "PSM", "cIRM", "IRM", "IAM", "IBM"]
    assert len({row.key for row in ORACLES}) == len(ORACLES)


def test_means_are_taken_over_the_pairs_that_every_mask_can_be_measured_on() -> None:
    from dataclasses import replace

    from specloom.tasks.mask_lab.report import mean_scores

    def result(pesq: float, **lacking: None) -> PairResult:
        scores = table(**{row.key: pesq for row in ORACLES})
        scores |= {key: replace(scores[key], pesq=None) for key in lacking}
        pair = Pair(name="x", clean=Path("a"), second=Path("b"))
        coherence = Coherence(found=0.1, by_chance=0.1)
        return PairResult(
            pair=pair, sample_rate=RATE, duration_s=1.0, snr_db=0.0, scores={RATE: scores}, coherence=coherence
        )

    means = mean_scores((result(3.0), result(1.0, ibm=None)), RATE)
    assert means["ibm"].pesq == means["cirm"].pesq == 3.0
    assert means["cirm"].si_sdr_db == 20.0
    assert mean_scores((result(1.0, ibm=None),), RATE)["cirm"].pesq is None


def test_a_mask_that_leaves_silence_is_said(tmp_path: Path) -> None:
    speech = sound(1)
    save(tmp_path / "a.wav", speech)
    # In every bin the noise is larger, so the binary mask leaves nothing.
    save(tmp_path / "b.wav", Audio(-50 * speech.samples, RATE), subtype="FLOAT")
    report = mask_lab(tmp_path / "a.wav", tmp_path / "b.wav", with_perceptual=False, second_is="noise")
    assert report.results[0].scores[RATE]["ibm"].si_sdr_db is None
    assert any(remark.startswith("SI-SDR has no meaning under some mask for 1 of 1 pairs") for remark in report.remarks)
    assert "says nothing" in report.verdict
    json.dumps(report.to_json(), allow_nan=False)
