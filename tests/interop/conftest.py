"""What the tests of converted PyTorch models share."""

from __future__ import annotations

import pytest


@pytest.fixture
def batch():
    """Five images and their labels."""
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(5, 1, 8, 8, generator=generator)
    return x, torch.randint(3, (5,), generator=generator)
