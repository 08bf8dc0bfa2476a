"""Batch normalisation measured anew: the numbers of the inputs given, for the weights there are, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from specloom.train.nn.causal import CausalEnhancer, compressed  # noqa: E402
from specloom.train.nn.statistics import remember_statistics, with_own_statistics  # noqa: E402


def rows(seed: int) -> torch.Tensor:
    return 3.0 + 2.0 * torch.randn(40, 5, generator=torch.Generator().manual_seed(seed))


def network() -> nn.Sequential:
    """Dropout before the normalisation, and wrong numbers in it."""
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Dropout(0.5), nn.Linear(5, 4), nn.BatchNorm1d(4, momentum=0.3))
    layers[2].running_mean.fill_(100.0)
    layers[2].running_var.fill_(1e-6)
    return layers.train()


def test_means_and_variances_are_those_of_the_inputs() -> None:
    layers = network()
    remember_statistics(layers, ((rows(seed),) for seed in range(3)))
    with torch.no_grad():
        seen = [layers[1](rows(seed)) for seed in range(3)]
    mean = torch.stack([each.mean(dim=0) for each in seen]).mean(dim=0)
    variance = torch.stack([each.var(dim=0) for each in seen]).mean(dim=0)
    torch.testing.assert_close(layers[2].running_mean, mean)
    torch.testing.assert_close(layers[2].running_var, variance)
    assert layers[2].momentum == 0.3
    assert not any(layer.training for layer in layers.modules())


def test_the_copy_is_measured_and_the_network_stays() -> None:
    layers = network()
    before = {name: value.clone() for name, value in layers.state_dict().items()}
    settled = with_own_statistics(layers, [(rows(0),)])
    assert all(torch.equal(before[name], value) for name, value in layers.state_dict().items())
    assert layers.training
    assert layers[2].training
    assert float(settled[2].running_mean.abs().max()) < 50.0
    with torch.no_grad():
        answer = settled(rows(0))
    torch.testing.assert_close(answer.mean(dim=0), torch.zeros(4), rtol=0, atol=1e-5)
    torch.testing.assert_close(answer.var(dim=0), torch.ones(4), rtol=0, atol=1e-3)


def test_without_normalisation_nothing_is_asked_for() -> None:
    def inputs() -> Iterator[tuple[torch.Tensor]]:
        raise AssertionError("asked for")
        yield (rows(0),)

    layers = nn.Sequential(nn.Linear(5, 4), nn.ReLU())
    remember_statistics(layers, inputs())
    assert not layers.training


def one_frame_each(spec):
    return spec.permute(1, 0, 3, 2).flatten(0, 1)


def test_networks_with_several_inputs_and_states() -> None:
    torch.manual_seed(0)
    one, other = (CausalEnhancer(n_bins=65, channels=(4, 6, 8), units=12, n_layers=2) for _ in range(2))
    other.load_state_dict(one.state_dict())
    spectra = [torch.randn(2, 7, 65, 2, generator=torch.Generator().manual_seed(seed)) for seed in range(2)]
    remember_statistics(one, ((spec, *one.initial_states(2)) for spec in spectra))
    other = with_own_statistics(other, [(spec, *other.initial_states(2)) for spec in spectra])
    ours, theirs = one.state_dict(), other.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    # The first layer's means, by hand.
    outputs = torch.stack([one.narrow(compressed(one_frame_each(spec))).mean((0, 2)) for spec in spectra])
    torch.testing.assert_close(one.settle.running_mean, outputs.mean(0), rtol=1e-4, atol=1e-5)
    assert float(one.settle.running_mean.abs().max()) > 0.0
