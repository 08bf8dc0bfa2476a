"""The transform that a model's features describe, on tensors: what a network for spectra is trained with."""

from __future__ import annotations

import torch
from torch import Tensor

from specloom.tasks.enhance.features import SpectrumFeatures


def analysed(samples: Tensor, features: SpectrumFeatures) -> Tensor:
    """Spectra of samples, as `specloom.tasks.enhance` will hand them to the network.

    Parameters
    ----------
    samples : Tensor, shape ``(batch, n_samples)``
    features : SpectrumFeatures
        Its context frames are not added here; see `with_context`.

    Returns
    -------
    Tensor, shape ``(batch, n_frames, n_bins, 2)``
        Last axis real and imaginary. One frame for every hop that is there whole.
    """
    window = torch.tensor(features.analysis_window, device=samples.device)
    padded = torch.nn.functional.pad(samples, (features.win_length - features.hop_length, 0))
    frames = padded.unfold(-1, features.win_length, features.hop_length) * window
    # The window stands in the middle of the transform; where it stands turns phases and changes no magnitude.
    before = (features.n_fft - features.win_length) // 2
    frames = torch.nn.functional.pad(frames, (before, features.n_fft - features.win_length - before))
    return torch.view_as_real(torch.fft.rfft(frames))


def windowed_magnitude(samples: Tensor, window: Tensor) -> Tensor:
    """Magnitudes with a hop of a quarter of the window, ``(batch, n_samples)`` -> ``(batch, n_bins, n_frames)``.

    A little above nothing everywhere, so that they have a slope; no frame reaches beyond the samples.
    """
    n_fft = len(window)
    spec = torch.stft(samples, n_fft, n_fft // 4, window=window, center=False, return_complex=True)
    return (spec.real.square() + spec.imag.square() + 1e-12).sqrt()


def with_context(spec: Tensor, features: SpectrumFeatures) -> Tensor:
    """The same spectra with frames of zeros on both sides: ``(batch, left + n_frames + right, n_bins, 2)``."""
    return torch.nn.functional.pad(spec, (0, 0, 0, 0, features.left_frames, features.right_frames))


def context_windows(spec: Tensor, features: SpectrumFeatures) -> Tensor:
    """Every frame by itself with its context: ``(batch * n_frames, left + 1 + right, n_bins, 2)``."""
    padded = with_context(spec, features)
    reach = features.left_frames + 1 + features.right_frames
    return padded.unfold(1, reach, 1).permute(0, 1, 4, 2, 3).flatten(0, 1)


def synthesised(spec: Tensor, features: SpectrumFeatures) -> Tensor:
    """The way back from `analysed`: ``(batch, n_frames, n_bins, 2)`` -> ``(batch, n_samples)``.

    The last ``win_length - hop_length`` samples that the frames touch, which later frames would complete, are left out;
    the first sample is the first that was analysed. Law: with nothing changed in between the samples come back
    (``tests/train/test_causal.py``).
    """
    window = torch.tensor(features.synthesis_window, device=spec.device)
    n_fft, win_length, hop_length = features.n_fft, features.win_length, features.hop_length
    before = (n_fft - win_length) // 2
    frames = (
        torch.fft.irfft(torch.view_as_complex(spec.contiguous()), n_fft)[..., before : before + win_length] * window
    )
    n_frames = frames.shape[1]
    n_samples = (n_frames - 1) * hop_length + win_length
    added = torch.nn.functional.fold(
        frames.transpose(1, 2), (1, n_samples), kernel_size=(1, win_length), stride=(1, hop_length)
    )[:, 0, 0]
    return added[:, win_length - hop_length : n_samples - (win_length - hop_length)]
