"""libfastfa's C interface by ctypes: the structs of description.h, and the library that is loaded."""

from __future__ import annotations

import ctypes as c
import re
from pathlib import Path

import fastfa as fa
import numpy as np

HEADERS = Path(fa.get_include()) / "fastfa"
LIBRARY = c.CDLL(str(next(Path(fa.get_library_dir()).glob("libfastfa.*"))))
FUNCTIONS = re.findall(
    r"^FASTFA_API [^;(]*?(fastfa_\w+)\(", (HEADERS / "fastfa.h").read_text("utf-8"), re.M
)
STATUS = {
    name: int(value)
    for name, value in re.findall(
        r"FASTFA_([A-Z_]+) = (\d+)", (HEADERS / "description.h").read_text("utf-8")
    )
}
PROPAGATE = c.CFUNCTYPE(
    c.c_int32,
    c.c_void_p,
    c.POINTER(c.c_double),
    c.c_int64,
    c.c_int64,
    c.POINTER(c.c_double),
    c.c_int64,
)
POLL = c.CFUNCTYPE(c.c_int32, c.c_void_p)


class Sized(c.Structure):
    """A struct that begins with its size and has defaults, as its _INIT."""

    defaults: tuple = ()

    def __init__(self, **fields):
        super().__init__(c.sizeof(self), *self.defaults)
        for name, value in fields.items():
            setattr(self, name, value)


def fields(text: str) -> list:
    kinds = {"i": c.c_int64, "n": c.c_int32, "d": c.c_double, "s": c.c_char_p, "u": c.c_uint64}
    found = [("struct_size", c.c_size_t)]
    for word in text.split():
        name, _, kind = word.partition(":")
        found.append((name, kinds[kind]))
    return found


ACTIVATE = c.CFUNCTYPE(
    c.c_int32,
    c.c_void_p,
    c.POINTER(c.c_double),
    c.c_int64,
    c.c_int64,
    c.POINTER(c.c_double),
    c.POINTER(c.c_double),
)


class Layer(Sized):
    _fields_ = [
        *fields(
            "units:i activation:s weight_scale:d density:d dropout:d bias:n trainable:n channels:i "
            "height:i width:i maps:i kernel_h:i kernel_w:i stride_h:i stride_w:i same_padding:n "
            "leaky_slope:d patches:s lr_scale:d decay_scale:d bias_lr_scale:d bias_decay_scale:d"
        ),
        ("activate", ACTIVATE),
        ("user", c.c_void_p),
        *fields("tau:d recurrent_scale:d recurrent_feedback:s")[1:],
        ("recurrent_matrix", c.c_void_p),
        ("input_delay", c.c_int64),
    ]
    defaults = (
        0,
        b"linear",
        -1.0,
        1.0,
        0.0,
        1,
        1,
        0,
        0,
        0,
        0,
        0,
        0,
        1,
        1,
        0,
        0.05,
        b"own",
        1.0,
        1.0,
        1.0,
        0.0,
        ACTIVATE(),
        None,
        0.0,
        1.0,
        b"zero",
    )


class Feedback(Sized):
    _fields_ = [
        *fields(
            "matrix:s route:s plasticity:s magnitude:s scale:d gain:d density:d rank:i refresh:i"
        ),
        ("array", c.POINTER(c.c_double)),
        ("rows", c.c_int64),
        ("cols", c.c_int64),
        ("mirror_lr", c.c_double),
        ("mirror_noise", c.c_double),
        ("mirror_every", c.c_int64),
        ("propagate", PROPAGATE),
        ("user", c.c_void_p),
        ("growth", c.c_double),
        ("before_slope", c.c_int32),
        ("mirror_growth", c.c_double),
        ("mirror_decay", c.c_double),
        ("mirror_centred", c.c_int32),
        ("in_bf16", c.c_int32),
    ]
    defaults = (b"uniform", b"layerwise", b"fixed", b"uniform", -1.0, 0.0, 0.5, 0, 1)

    def __init__(self, **given):
        super().__init__(
            **{"mirror_noise": 0.1 / 12**0.5, "mirror_every": 1, "mirror_growth": 0.01, **given}
        )


class Config(Sized):
    _fields_ = [
        ("struct_size", c.c_size_t),
        ("inputs", c.c_int64),
        ("layers", c.POINTER(Layer)),
        ("n_layers", c.c_int64),
        ("feedback", c.POINTER(Feedback)),
        ("n_feedback", c.c_int64),
        ("loss", c.c_char_p),
        ("dtype", c.c_int32),
        ("seed", c.c_uint64),
        ("input_dropout", c.c_double),
        ("perturbation", c.c_double),
        ("device", c.c_char_p),
        ("matmul_precision", c.c_char_p),
        ("noisy_layers", c.c_char_p),
        ("noise_on", c.c_char_p),
    ]
    defaults = (0, None, 0, None, 0, b"squared_error", 0, 0, 0.0, 0.0, b"cpu", b"float32")
    defaults += (b"all", b"pre_activation")


class Optimizer(Sized):
    _fields_ = fields(
        "rule:s lr:d momentum:d weight_decay:d sum:n beta1:d beta2:d epsilon:d nesterov:n rho:d "
        "clip_norm:d clip_value:d"
    )
    defaults = (b"sgd", 0.1, 0.0, 0.0, 0, 0.9, 0.999, 1e-8, 0, 0.99, 0.0, 0.0)


class Sequences(Sized):
    _fields_ = [*fields("times:i update:s batch_size:i"), ("order", c.POINTER(c.c_int64))]
    _fields_ += fields("n:i carry:n window:i")[1:]
    defaults = (0, b"sequence", 1)


class Matrix(c.Structure):
    _fields_ = [("data", c.c_void_p), ("dtype", c.c_int32)]
    _fields_ += [(n, c.c_int64) for n in ("rows", "cols", "row_stride", "col_stride")]


class Tensor(c.Structure):
    _fields_ = [("data", c.c_void_p), ("dtype", c.c_int32), ("ndim", c.c_int32)]
    _fields_ += [("shape", c.c_int64 * 6), ("stride", c.c_int64 * 6)]


class Result(c.Structure):
    _fields_ = [("loss", c.c_double), ("wrong", c.c_int64), ("examples", c.c_int64)]


class WeightedResult(Sized):
    _fields_ = fields("loss:d missed:d weight:d examples:i")


for name in ("layers", "inputs", "units", "steps", "last_divergence_time"):
    getattr(LIBRARY, f"fastfa_{name}").restype = c.c_int64
for name in ("version", "last_error"):
    getattr(LIBRARY, f"fastfa_{name}").restype = c.c_char_p
LIBRARY.fastfa_network_destroy.restype = None
LIBRARY.fastfa_set_feedback.argtypes = [c.c_void_p, c.POINTER(Feedback), c.c_int64, c.c_double]


def view(a: np.ndarray) -> Matrix:
    """A matrix of the library's on this array's memory, whatever its strides."""
    size = a.itemsize
    return Matrix(
        a.ctypes.data, int(size == 8), *a.shape, a.strides[0] // size, a.strides[1] // size
    )


def last_error() -> str:
    return LIBRARY.fastfa_last_error().decode()


class Network:
    """A handle; each call returns its status."""

    def __init__(self, inputs: int, layers, feedback=(), **options) -> None:
        self.layers = (Layer * len(layers))(*layers)
        self.feedback = (Feedback * len(feedback))(*feedback)
        self.config = Config(
            inputs=inputs,
            layers=self.layers,
            n_layers=len(layers),
            feedback=self.feedback,
            n_feedback=len(feedback),
            **options,
        )
        self.handle = c.c_void_p()
        self.status = LIBRARY.fastfa_network_create(c.byref(self.config), c.byref(self.handle))
        self.dtype = np.float64 if self.config.dtype else np.float32

    def __del__(self) -> None:
        LIBRARY.fastfa_network_destroy(self.handle)

    def call(self, name: str, *arguments) -> int:
        return getattr(LIBRARY, f"fastfa_{name}")(self.handle, *arguments)

    def count(self, name: str, *arguments) -> int:
        return self.call(name, *arguments)

    def array(self, name: str, index: int) -> np.ndarray | None:
        """A view of the weights, biases or stored feedback."""
        tensor = Tensor()
        assert self.call(name, c.c_int64(index), c.byref(tensor)) == 0, last_error()
        if not tensor.data:
            return None
        kind = np.ctypeslib.as_ctypes_type(self.dtype)
        shape = tuple(tensor.shape[: tensor.ndim])
        strides = tuple(s * np.dtype(self.dtype).itemsize for s in tensor.stride[: tensor.ndim])
        span = 1 + sum((n - 1) * s for n, s in zip(shape, tensor.stride, strict=False))
        flat = np.ctypeslib.as_array(c.cast(tensor.data, c.POINTER(kind)), (span,))
        return np.lib.stride_tricks.as_strided(flat, shape, strides)

    def state(self) -> dict[str, np.ndarray]:
        """As Python's state_dict(), of dense networks."""
        n = self.count("layers")
        found = {f"weights.{i}": self.array("weights", i) for i in range(n)}
        found |= {f"biases.{i}": self.array("biases", i) for i in range(n)}
        found |= {f"feedback.{i}": self.array("feedback_stored", i) for i in range(n - 1)}
        return {name: np.array(a, order="C") for name, a in found.items() if a is not None}
