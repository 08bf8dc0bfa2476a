"""Kernels are kept on disk where that can be, and work where it cannot."""

from __future__ import annotations

import numpy as np

from specloom.dsp.lanes import compiled


def double(values):
    return values * 2.0


def test_without_a_folder_to_keep_it_a_kernel_still_works(monkeypatch):
    def refuse(*_):
        raise RuntimeError("cannot cache function 'double': no locator available")

    monkeypatch.setattr(compiled, "_SourceAwareCache", refuse)
    np.testing.assert_array_equal(compiled.kernel(double)(np.ones(3)), np.full(3, 2.0))


def test_a_kernel_is_kept_on_disk():
    assert isinstance(compiled.kernel(double)._cache, compiled._SourceAwareCache)
