"""The causal network: nothing looks ahead, frame by frame is the whole, and a new network keeps the sound."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from specloom.train.nn.causal import CausalEnhancer, without_normalisation  # noqa: E402
from specloom.train.nn.spectrum import analysed, synthesised  # noqa: E402
from specloom.train.recipes.default import FEATURES, Default  # noqa: E402


@pytest.fixture(
    params=[{}, {"past_frames": 2}, {"band_memory": True}, {"past_frames": 1, "band_memory": True, "n_layers": 1}],
    ids=["plain", "past", "bands", "both"],
)
def network(request: pytest.FixtureRequest) -> CausalEnhancer:
    torch.manual_seed(0)
    enhancer = CausalEnhancer(**{"n_bins": 65, "channels": (4, 6, 8), "units": 12, "n_layers": 2} | request.param)
    # Statistics as after training, not the zeros and ones of a new network.
    for layer in enhancer.modules():
        if isinstance(layer, torch.nn.BatchNorm1d):
            layer.running_mean.normal_(0, 0.3)
            layer.running_var.uniform_(0.5, 2.0)
    return enhancer.eval().requires_grad_(False)


def spectra(n_frames: int = 9) -> torch.Tensor:
    return torch.randn(3, n_frames, 65, 2, generator=torch.Generator().manual_seed(1))


def test_a_frame_depends_on_no_later_one(network: CausalEnhancer) -> None:
    spec, other = spectra(), spectra()
    other[:, 5:] = 100.0
    states = network.initial_states(3)
    before, after = network(spec, *states)[0], network(other, *states)[0]
    torch.testing.assert_close(before[:, :5], after[:, :5], rtol=0, atol=0)
    assert (before[:, 5:] != after[:, 5:]).any()


def test_a_frame_remembers_earlier_ones(network: CausalEnhancer) -> None:
    spec, other = spectra(), spectra()
    other[:, 0] *= 10.0
    states = network.initial_states(3)
    assert (network(spec, *states)[0][:, -1] != network(other, *states)[0][:, -1]).any()


@pytest.mark.parametrize("piece", [1, 2, 5])
def test_piece_by_piece_is_the_whole(network: CausalEnhancer, piece: int) -> None:
    spec, states = spectra(), network.initial_states(3)
    whole, found = network(spec, *states)[0], []
    for first in range(0, spec.shape[1], piece):
        enhanced, *states = network(spec[:, first : first + piece], *states)
        found.append(enhanced)
    torch.testing.assert_close(torch.cat(found, 1), whole, rtol=0, atol=1e-5)


def test_the_items_of_a_batch_do_not_meet(network: CausalEnhancer) -> None:
    spec = spectra()
    alone = network(spec[1:2], *network.initial_states(1))[0]
    torch.testing.assert_close(network(spec, *network.initial_states(3))[0][1:2], alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("scale", [0.0, 1e-6, 1.0, 1e4])
def test_no_bin_grows_much_and_silence_stays(network: CausalEnhancer, scale: float) -> None:
    spec = scale * spectra()
    enhanced = network(spec, *network.initial_states(3))[0]
    size, before = enhanced.norm(dim=-1), spec.norm(dim=-1)
    reach = sum(
        torch.nn.functional.pad(before, (0, 0, lag, 0))[:, : before.shape[1]] for lag in range(network.past_frames + 1)
    )
    # Both parts of the mask lie within (-1.4, 1.4), and it has weights for so many frames.
    assert (size <= 1.4 * 1.4143 * reach + 1e-12).all()


def test_a_new_network_keeps_most_of_the_sound() -> None:
    torch.manual_seed(0)
    network = CausalEnhancer(n_bins=65, channels=(4, 6, 8), units=12, n_layers=2).eval()
    spec = spectra()
    gain = network(spec, *network.initial_states(3))[0][..., :-1, :].norm() / spec[..., :-1, :].norm()
    assert 0.7 < gain < 1.1


def test_folding_the_normalisation_changes_nothing(network: CausalEnhancer) -> None:
    spec, states = spectra(), network.initial_states(3)
    folded = without_normalisation(network)
    torch.testing.assert_close(folded(spec, *states)[0], network(spec, *states)[0], rtol=1e-4, atol=1e-5)
    assert not any(isinstance(layer, torch.nn.BatchNorm1d) for layer in folded.modules())
    assert any(isinstance(layer, torch.nn.BatchNorm1d) for layer in network.modules())


def test_sizes_of_what_ships() -> None:
    def size(**settings: object) -> int:
        return sum(one.numel() for one in CausalEnhancer(n_bins=257, **settings).parameters())

    default = {name: Default.__dataclass_fields__[name].default for name in ("channels", "units", "n_layers")}
    assert 4 * size(**default) <= 2_000_000
    assert size(channels=(8, 12, 16), units=64, n_layers=2) < 100_000


def test_the_transform_and_its_inverse() -> None:
    samples = torch.randn(2, 5000, generator=torch.Generator().manual_seed(2))
    back = synthesised(analysed(samples, FEATURES), FEATURES)
    assert back.shape[1] == 5000 // 256 * 256 - 256
    torch.testing.assert_close(back, samples[:, : back.shape[1]], rtol=0, atol=1e-6)
