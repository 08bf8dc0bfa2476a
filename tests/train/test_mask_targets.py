"""What mask recipes learn: the arrays of `specloom.masks`, in bounds that the network's answer can reach."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from specloom import masks  # noqa: E402
from specloom.errors import ParameterError  # noqa: E402
from specloom.train.losses.masks import MASK_TARGETS, MaskTarget, mask_target  # noqa: E402
from specloom.train.nn.dense import DenseMask  # noqa: E402

NAMES = sorted(MASK_TARGETS)


def spectra(seed: int = 0, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    parts = rng.standard_normal((2, 2, 3, 33, 20)).astype(np.float32) * np.float32(scale)
    clean, noise = (parts[:, 0] + 1j * parts[:, 1]).astype(np.complex64)
    clean[:, :, :4] = 0.0  # a pause of the speaker
    noise[:, :, -4:] = 0.0  # no noise
    noise[:, :, 2:4] = 0.0  # nothing at all
    for each in (clean, noise):
        each.flags.writeable = False
    return clean, noise


def as_tensor(spec: np.ndarray) -> torch.Tensor:
    return torch.view_as_real(torch.from_numpy(np.ascontiguousarray(np.swapaxes(spec, -1, -2))))


def network_answering(target: MaskTarget, values: torch.Tensor) -> tuple[DenseMask, torch.Tensor]:
    """A network whose last layer gives, whatever it sees, the logits that stand for these values."""
    network = DenseMask(
        n_bins=33, left_frames=0, right_frames=0, width=4, n_layers=1, **target.network_settings()
    ).eval()
    if target.compress > 0:
        logits = torch.atanh((values / target.high).clamp(-1 + 1e-6, 1 - 1e-6))
    else:
        logits = torch.logit(((values - target.low) / (target.high - target.low)).clamp(1e-6, 1 - 1e-6))
    network.raw = lambda spec: logits.flatten(2) if target.complex_mask else logits  # type: ignore[method-assign]
    return network, logits


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e4])
def test_targets_are_finite_and_bounded(name: str, scale: float) -> None:
    target = mask_target(name)
    values = target.values(*spectra(scale=scale))
    assert values.dtype == np.float32
    assert values.shape == ((3, 20, 33, 2) if target.complex_mask else (3, 20, 33))
    assert np.isfinite(values).all()
    assert values.min() >= target.low
    assert values.max() <= target.high


@pytest.mark.parametrize("name", NAMES)
def test_a_network_that_answers_the_target_gives_the_mask_of_the_laboratory(name: str) -> None:
    """Target, bounds of the last layer and decompression belong together: what comes out is the oracle's sound."""
    target, (clean, noise) = mask_target(name), spectra()
    noisy = clean + noise
    network, _ = network_answering(target, torch.from_numpy(target.values(clean, noise)))
    enhanced = network(as_tensor(noisy))
    oracle = target.definition(clean, noise, noisy)
    if target.compress > 0:
        # What lies beyond the last number that the network can say.
        oracle = masks.decompress_mask(masks.compress_mask(oracle))
    else:
        oracle = masks.truncate_mask(oracle, low=target.low, high=target.high)
    wanted = as_tensor(masks.apply_mask(oracle, noisy))
    # In single precision a compressed mask of 60 is known to a few hundredths of itself.
    tolerance = 5e-2 if target.compress > 0 else 1e-4
    assert torch.allclose(enhanced, wanted, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", NAMES)
def test_the_loss_is_least_at_the_target(name: str) -> None:
    target, (clean, noise) = mask_target(name), spectra()
    values = torch.from_numpy(target.values(clean, noise))
    _, logits = network_answering(target, values)
    least = target.loss_of(logits, values)
    rng = torch.Generator().manual_seed(1)
    for size in (0.1, 1.0):
        astray = logits + size * torch.randn(logits.shape, generator=rng)
        assert target.loss_of(astray, values) > least
    if target.loss == "squared":
        assert least < 1e-6


@pytest.mark.parametrize("name", NAMES)
def test_caution_makes_too_small_a_mask_dearer_than_too_large_a_one(name: str) -> None:
    target = mask_target(name)
    middle = (target.low + target.high) / 2
    wanted = torch.full((1, 4, 5), middle)
    if target.loss == "cross_entropy":
        wanted = torch.tensor([[[0.0, 1.0]]])
        low, high = torch.full((1, 1, 2), -1.0), torch.full((1, 1, 2), 1.0)
    else:
        low, high = torch.full((1, 4, 5), -1.0), torch.full((1, 4, 5), 1.0)
    assert torch.isclose(target.loss_of(low, wanted), target.loss_of(high, wanted))
    assert target.loss_of(low, wanted, caution=1.0) > 1.2 * target.loss_of(high, wanted, caution=1.0)


def test_the_binary_mask_is_learned_by_cross_entropy_and_the_ratio_mask_by_squares() -> None:
    logits, wanted = torch.tensor([[[0.3, -2.0]]]), torch.tensor([[[1.0, 0.0]]])
    probability = torch.sigmoid(logits)
    entropy = -(wanted * probability.log() + (1 - wanted) * (1 - probability).log()).mean()
    assert torch.isclose(mask_target("ibm").loss_of(logits, wanted), entropy)
    assert torch.isclose(mask_target("irm").loss_of(logits, wanted), (probability - wanted).square().mean())


def test_the_names_are_listed_when_one_is_wrong() -> None:
    with pytest.raises(ParameterError, match=r"target='irn' is no mask .*irm.*wiener"):
        mask_target("irn")


@pytest.mark.parametrize(
    "changes",
    [{"low": 1.0}, {"compress": -1.0}, {"loss": "cross_entropy", "high": 2.0}],
    ids=["low", "compress", "loss"],
)
def test_bounds_that_bound_nothing_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ParameterError):
        replace(mask_target("irm"), **changes)
