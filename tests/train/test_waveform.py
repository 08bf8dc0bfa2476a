"""The network from samples to samples: begins as an echo, reaches as far as it says, blocks make no difference."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from specloom.errors import ParameterError  # noqa: E402
from specloom.train.nn.waveform import WaveformEnhancer  # noqa: E402


def made(*, trained: bool = True, **settings: object) -> WaveformEnhancer:
    torch.manual_seed(5)
    network = WaveformEnhancer(**{"hop_samples": 16, "channels": 8, "dilations": (1, 2), "ahead_frames": 1, **settings})
    if trained:
        with torch.no_grad():
            nn.init.normal_(network.leave.weight, std=0.5)
            for part in network.modules():
                if isinstance(part, nn.BatchNorm1d):
                    part.running_mean.normal_(std=0.2)
                    part.running_var.uniform_(0.5, 2.0)
    return network.eval()


def sound(n_samples: int, batch: int = 2) -> torch.Tensor:
    return torch.randn(batch, n_samples, generator=torch.Generator().manual_seed(6))


def test_it_begins_as_an_echo() -> None:
    network = made(trained=False, gain_bias=1.5)
    heard = sound(network.left_samples + 64 + network.right_samples)
    echo = torch.sigmoid(torch.tensor(1.5)) * heard[:, network.left_samples : -network.right_samples]
    assert torch.allclose(network(heard), echo, atol=1e-5)


@pytest.mark.parametrize("ahead_frames", [0, 1, 6])
@pytest.mark.parametrize("n_hops", [1, 2, 9])
def test_as_many_samples_come_back_as_lie_between_the_context(ahead_frames: int, n_hops: int) -> None:
    network = made(ahead_frames=ahead_frames)
    n_samples = n_hops * network.hop_samples
    assert network(sound(network.left_samples + n_samples + network.right_samples)).shape == (2, n_samples)


def test_it_reaches_as_far_as_it_says_and_no_farther() -> None:
    network = made()
    left, right, hop = network.left_samples, network.right_samples, network.hop_samples
    heard = sound(left + 40 * hop + right, batch=1).requires_grad_()
    network(heard)[0, 20 * hop : 21 * hop].square().sum().backward()
    touched = heard.grad[0].abs().nonzero().flatten()
    first, last = int(touched[0]), int(touched[-1])
    assert first >= 20 * hop
    assert first <= 20 * hop + 1  # the first tap of a window is zero
    assert last == left + 21 * hop + right - 1


def test_blocks_are_the_whole() -> None:
    network = made()
    left, right, hop = network.left_samples, network.right_samples, network.hop_samples
    heard = sound(left + 12 * hop + right)
    whole = network(heard)
    for n_hops in (1, 3, 4):
        size = n_hops * hop
        blocks = [network(heard[:, at : at + left + size + right]) for at in range(0, 12 * hop, size)]
        assert torch.allclose(torch.cat(blocks, dim=1), whole, atol=1e-5)


def test_silence_stays_silence() -> None:
    network = made()
    assert network(torch.zeros(1, network.left_samples + 64 + network.right_samples)).abs().max() == 0.0


@pytest.mark.parametrize(
    "settings",
    [
        {"hop_samples": 0},
        {"channels": 0},
        {"dilations": ()},
        {"dilations": (0,)},
        {"ahead_frames": 7},
        {"ahead_frames": -1},
    ],
    ids=str,
)
def test_numbers_that_make_no_network_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ParameterError):
        made(**settings)
