"""A Transformer block by direct feedback alignment: the output's error reaches each Linear by its own B.

    python examples/torch_transformer.py [--steps 20] [--shared]

Learns to say a sequence backwards. As in Launay, Poli, Boniface & Krzakala (2020), B serves each
position by itself; with --shared one large B serves all layers, as in their TinyDFA.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import fastfa as fa
import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Attention(nn.Module):
    """Of ordinary Linear layers, so that each of them can be converted."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        n, length, width = x.shape
        q, k, v = (
            layer(x).reshape(n, length, self.heads, -1).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        heads = F.scaled_dot_product_attention(q, k, v)
        return self.out(heads.transpose(1, 2).reshape(n, length, width))


class Reverser(nn.Module):
    """(N, T) integers → (N, T, words)."""

    def __init__(self, words: int, length: int, width: int = 64) -> None:
        super().__init__()
        self.word = nn.Embedding(words, width)
        self.place = nn.Parameter(0.1 * torch.randn(length, width))
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, 4)
        self.inner = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.out = nn.Linear(width, words)

    def forward(self, words: Tensor) -> Tensor:
        h = self.word(words) + self.place
        h = h + self.attention(self.norm1(h))
        return self.out(h + self.inner(self.norm2(h)))


def main(arguments: Sequence[str] | None = None) -> list[float]:
    """The losses."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--shared", action="store_true")
    options = parser.parse_args(arguments)

    torch.manual_seed(0)
    words, length = 12, 6
    model = Reverser(words, length)
    example = torch.zeros(1, length, dtype=torch.long)
    fa.interop.torch.convert(model, "dfa", seed=1, example=example, shared=options.shared)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    losses = []
    for _ in range(options.steps):
        x = torch.randint(words, (64, length))
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x).flatten(0, 1), x.flip(1).flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print(f"loss {losses[0]:.3f} → {losses[-1]:.3f}")
    return losses


if __name__ == "__main__":
    main()
