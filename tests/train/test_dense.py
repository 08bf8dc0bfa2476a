"""The article's dense networks: row B4's numbers, context, statistics inside, the interface of a model file."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from specloom.errors import ParameterError  # noqa: E402
from specloom.train.nn.dense import DenseMapping, DenseMask, DenseNetwork  # noqa: E402

N_BINS = 17


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def made(kind: str, **settings: object) -> DenseMask | DenseMapping:
    torch.manual_seed(3)
    built = DenseMask if kind == "mask" else DenseMapping
    network = built(n_bins=N_BINS, **{"width": 24, "n_layers": 2, **settings})
    network.set_statistics(noise(50, N_BINS, 2, seed=9))
    for part in network.modules():  # numbers as after training, not 0 and 1
        if isinstance(part, nn.BatchNorm1d):
            part.running_mean.copy_(0.1 * noise(part.num_features, seed=4))
            part.running_var.copy_(1.0 + 0.5 * noise(part.num_features, seed=5).abs())
    if isinstance(network.layers[-1], nn.Linear):
        nn.init.normal_(network.layers[-1].weight, std=0.1)
    return network.eval()


KINDS = [
    ("mask", {}),
    ("mask", {"features": "log_power"}),
    ("mask", {"low": -10.0, "high": 10.0, "compress": 0.1}),
    ("mask", {"low": -10.0, "high": 10.0, "compress": 0.1, "complex_mask": True}),
    ("mask", {"low": -1.0, "high": 1.0, "complex_mask": True}),
    ("mapping", {}),
    ("mapping", {"features": "magnitude", "residual": False}),
]
each_kind = pytest.mark.parametrize(("kind", "settings"), KINDS)


def test_row_b4_to_the_number() -> None:
    network = DenseMask(n_bins=257)
    layers = [type(layer).__name__ for layer in network.layers]
    assert layers == ["Linear", "BatchNorm1d", "LeakyReLU", "Dropout"] * 3 + ["Linear", "BatchNorm1d"]
    sizes = [(layer.in_features, layer.out_features) for layer in network.layers if isinstance(layer, nn.Linear)]
    assert sizes == [(1285, 2048), (2048, 2048), (2048, 2048), (2048, 257)]
    assert {layer.negative_slope for layer in network.layers if isinstance(layer, nn.LeakyReLU)} == {0.1}
    assert {layer.p for layer in network.layers if isinstance(layer, nn.Dropout)} == {0.1}
    values = network.eval().learned(torch.tensor([-50.0, 0.0, 50.0]))
    assert torch.allclose(values, torch.tensor([0.0, 0.5, 1.0]))


@each_kind
def test_shapes_and_context(kind: str, settings: dict[str, object]) -> None:
    network = made(kind, **settings, left_frames=3, right_frames=1)
    spec = noise(2, 14, N_BINS, 2)
    assert network(spec).shape == (2, 10, N_BINS, 2)
    moved = spec.clone()
    moved[:, 7] += 1.0
    differ = (network(moved) - network(spec)).abs().amax(dim=(0, 2, 3)) > 0
    # Frame 7 is the right neighbour of the 4th answer (frame 6), and the leftmost one of the 8th.
    assert differ.tolist() == [False] * 3 + [True] * 5 + [False] * 2


@each_kind
def test_an_answer_is_of_its_own_frame_and_not_of_a_neighbour(kind: str, settings: dict[str, object]) -> None:
    network = made(kind, **settings, left_frames=3, right_frames=1)
    spec = torch.zeros(1, 14, N_BINS, 2)
    spec[:, 7] = 10.0 + noise(1, N_BINS, 2).abs()
    heard = network(spec).abs().amax(dim=(0, 2, 3)) > 0
    assert heard.nonzero().flatten().tolist() == [4]


@each_kind
def test_windows_one_by_one_are_the_frames_of_the_whole(kind: str, settings: dict[str, object]) -> None:
    network = made(kind, **settings)
    spec = noise(2, 12, N_BINS, 2)
    whole = network(spec)
    windows = spec.unfold(1, 5, 1).permute(0, 1, 4, 2, 3).flatten(0, 1)
    assert torch.allclose(network(windows)[:, 0].unflatten(0, (2, 8)), whole, atol=1e-5, rtol=1e-5)


@each_kind
def test_silence_stays_silence_and_numbers_stay_numbers(kind: str, settings: dict[str, object]) -> None:
    network = made(kind, **settings)
    assert network(torch.zeros(1, 9, N_BINS, 2)).abs().max() == 0.0
    for scale in (1e-12, 1e-6, 1e4):
        assert torch.isfinite(network(scale * noise(1, 9, N_BINS, 2))).all()


@each_kind
def test_statistics_travel_with_the_weights(kind: str, settings: dict[str, object]) -> None:
    network, other = made(kind, **settings), made(kind, **settings)
    other.set_statistics(7.0 * noise(50, N_BINS, 2, seed=1))
    spec = noise(1, 9, N_BINS, 2)
    assert not torch.allclose(other(spec), network(spec))
    other.load_state_dict(network.state_dict())
    assert torch.equal(other(spec), network(spec))


def test_statistics_are_mean_and_spread_of_each_bin() -> None:
    network = DenseNetwork(n_bins=3, n_outputs=1, width=4, n_layers=1)
    spec = torch.zeros(2, 2, 3, 2)
    spec[..., 0, 0] = torch.tensor([[1.0, 3.0], [1.0, 3.0]])
    spec[..., 1, 1] = -5.0
    network.set_statistics(spec)
    assert torch.allclose(network.input_mean, torch.tensor([2.0, 5.0, 0.0]))
    assert network.input_spread[0] == 1.0
    assert (network.input_spread > 0).all()  # also of a bin that never changes


def test_a_mapping_begins_with_the_noisy_sound() -> None:
    network = DenseMapping(n_bins=N_BINS, width=8).eval()
    spec = 10.0 * noise(1, 9, N_BINS, 2)
    assert torch.allclose(network(spec), network.centre(spec), rtol=1e-3, atol=1e-3)


def test_a_mapping_keeps_the_noisy_phase_and_says_the_magnitude() -> None:
    network = made("mapping", residual=False)
    spec = 10.0 * noise(1, 9, N_BINS, 2)
    ours, noisy = (torch.view_as_complex(each.contiguous()) for each in (network(spec), network.centre(spec)))
    assert (ours.abs() - noisy.abs()).abs().max() > 1.0
    turned = torch.angle(ours * noisy.conj())[ours.abs() > 1e-3]
    assert turned.abs().max() < 1e-3


def test_a_gain_bias_lets_sound_through() -> None:
    spec = noise(1, 9, N_BINS, 2)
    through = [made("mask", gain_bias=bias)(spec).abs().sum() for bias in (-3.0, 0.0, 3.0)]
    assert through[0] < through[1] < through[2]


@pytest.mark.parametrize(
    "settings",
    [{"n_bins": 0}, {"width": 0}, {"n_layers": 0}, {"left_frames": -1}, {"features": "power"}, {"low": 1.0}],
    ids=lambda settings: next(iter(settings)),
)
def test_numbers_that_make_no_network_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ParameterError):
        DenseMask(**{"n_bins": N_BINS, **settings})
