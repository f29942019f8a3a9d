"""Updates of recurrent networks against gradients through time of PyTorch and JAX, in float64."""

from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest

CASES = range(4)
RATE = 0.1
# What PyTorch and JAX call them.
SIGMAS = {"tanh": "tanh", "logistic": "sigmoid", "softplus": "softplus", "silu": "silu"}


class Case:
    """A random network, sequences, and the update of one call of `train_sequences`.

    Every other one has a dense layer below the recurrent one, taught through a B of its own.
    """

    def __init__(self, number: int, rule: str) -> None:
        rng = np.random.default_rng([number, len(rule)])
        self.rule = rule
        between = ((1, 5), (2, 12), (1, 4), (1, 5), (3, 9))
        m, n, k, many, steps = (int(rng.integers(*ends)) for ends in between)
        self.tau = float(rng.uniform(1, 6)) if number % 3 else 1.0
        self.sigma = list(SIGMAS)[number % len(SIGMAS)]
        back = {"bptt": "transpose", "random_bptt": "random", "rflo": "zero"}[rule]
        layer = fa.Recurrent(
            n,
            self.sigma,
            tau=self.tau,
            bias=number % 2 == 0,
            recurrent_scale=1.5,
            recurrent_feedback=back,
        )
        layers, teaching = [layer, fa.Dense(k)], rule
        self.at = number % 2  # the place of the recurrent layer
        if self.at:
            layers.insert(0, fa.Dense(int(rng.integers(1, 18)), "tanh"))
            teaching = rule if rule == "bptt" else fa.Feedback("normal")
        self.net = fa.Network(m, layers, teaching, seed=number, dtype="float64")
        for bias in self.net.biases:
            if bias is not None:
                bias[...] = rng.normal(size=bias.shape) / 5
        self.x, self.y = rng.normal(size=(many, steps, m)), rng.normal(size=(many, steps, k))
        self.mask = rng.uniform(0, 2, size=(many, steps))
        self.b = np.array(self.net.feedback_matrices[self.at]) if rule != "bptt" else None
        self.b_rec = np.array(self.net.recurrent_feedback_matrix)
        self.before = self.arrays()
        self.net.train_sequences(self.x, self.y, fa.SGD(RATE), batch_size=many, mask=self.mask)
        self.change = {name: array - self.before[name] for name, array in self.arrays().items()}

    def arrays(self) -> dict[str, np.ndarray]:
        return {
            name: array.copy()
            for name, array in self.net.state_dict().items()
            if "feed" not in name
        }

    def routes(self, sent):
        """How h goes to the next step and to the readout, and how what is below comes in; ``sent``
        makes one by its way back."""
        if self.rule == "bptt":
            return plain, plain, plain
        below = sent(np.array(self.net.feedback_matrices[0])) if self.at else plain
        return sent(self.b_rec), sent(self.b), below

    def loss(self, api, p, through, into, enter):
        """½ Σ mask e², divided as the update is, by the other library."""
        weights, n = p[f"weights.{self.at}"], self.net.shapes[self.at + 1][0]
        h = api.zeros(len(self.x), n)
        total = 0.0
        for t in range(self.x.shape[1]):
            x = api.array(self.x[:, t])
            if self.at:
                x = api.sigma("tanh")(x @ p["weights.0"].T + p["biases.0"])
            u = enter(x, weights[:, :-n]) + through(h, weights[:, -n:])
            bias = f"biases.{self.at}"
            u = u + p[bias] if bias in p else u
            h = h + (api.sigma(SIGMAS[self.sigma])(u) - h) / self.tau
            readout = into(h, p[f"weights.{self.at + 1}"]) + p[f"biases.{self.at + 1}"]
            error = api.array(self.y[:, t]) - readout
            total = total + 0.5 * (api.array(self.mask[:, t])[:, None] * error**2).sum()
        return total / self.mask.size

    def check(self, gradients: dict[str, np.ndarray]) -> None:
        assert gradients.keys() == self.change.keys()
        for name, gradient in gradients.items():
            wanted = -RATE * np.asarray(gradient)
            assert abs(wanted - self.change[name]).max() <= 1e-10 * max(1.0, abs(wanted).max()), (
                name
            )


@pytest.fixture(params=CASES)
def number(request) -> int:
    return request.param


@pytest.fixture(params=["bptt", "random_bptt", "rflo"])
def case(request, number) -> Case:
    return Case(number, request.param)


def plain(h, w):
    return h @ w.T


def test_autograd_of_pytorch(case):
    """Forward as it is; backward B and B_rec, or nothing, take the place of the transposes."""
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    torch.set_num_threads(1)

    class Sent(torch.autograd.Function):
        """h Wᵀ, whose error goes back through another matrix than W."""

        @staticmethod
        def forward(ctx, h, w, back):
            ctx.save_for_backward(h, back)
            return h @ w.T

        @staticmethod
        def backward(ctx, error):
            h, back = ctx.saved_tensors
            return error @ back.T, error.T @ h, None

    def sent(back):
        return lambda h, w: Sent.apply(h, w, torch.from_numpy(back))

    class Api:
        array = staticmethod(torch.from_numpy)

        @staticmethod
        def zeros(*shape):
            return torch.zeros(*shape, dtype=torch.float64)

        @staticmethod
        def sigma(name):
            return getattr(torch, name, None) or getattr(torch.nn.functional, name)

    p = {name: torch.from_numpy(a.copy()).requires_grad_() for name, a in case.before.items()}
    case.loss(Api, p, *case.routes(sent)).backward()
    case.check({name: value.grad.numpy() for name, value in p.items()})


def test_gradients_of_jax(case):
    """The same by `jax.grad`, with custom rules of differentiation."""
    jax = pytest.importorskip("jax", reason="needs JAX")
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    try:
        case.check(_of_jax(jax, case))
    finally:
        jax.config.update("jax_enable_x64", before)


def _of_jax(jax, case: Case) -> dict[str, np.ndarray]:
    import jax.numpy as jnp

    def sent(back):
        send = jax.custom_vjp(plain)
        send.defvjp(
            lambda h, w: (h @ w.T, h), lambda h, error: (error @ jnp.asarray(back).T, error.T @ h)
        )
        return send

    class Api:
        array = staticmethod(jnp.asarray)

        @staticmethod
        def zeros(*shape):
            return jnp.zeros(shape)

        @staticmethod
        def sigma(name):
            return getattr(jnp, name, None) or getattr(jax.nn, name)

    p = {name: jnp.asarray(array) for name, array in case.before.items()}
    found = jax.jit(jax.grad(lambda p: case.loss(Api, p, *case.routes(sent))))(p)
    return {name: np.asarray(value) for name, value in found.items()}
