"""What travels of a network: by copy and pickle, and so by joblib, Dask and multiprocessing."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from .._attributes import Whole
from ..feedback import Feedback
from ..layers import Activation, Weighted
from .parameters import Parameters

_TRIES = 20
# Attributes that are made again with the network; all others go along as they are.
_MADE_AGAIN = {*Parameters.__annotations__, "_stream"}

# A description, arrays by name as in a checkpoint, and Python objects: custom feedback, by its layer,
# what is code of the user's own in a layer, by its name there, and further attributes.
_State = tuple[
    dict[str, Any],
    dict[str, np.ndarray],
    tuple[dict[int, Feedback], dict[int, dict[str, Any]]],
    dict[str, Any],
]


def _code(layer: Weighted) -> dict[str, Any]:
    """What of the layer is code of the user's own."""
    activation, b_rec = layer.activation, getattr(layer, "recurrent_feedback", None)
    own: dict[str, Any] = {"activation": activation} if isinstance(activation, Activation) else {}
    if isinstance(b_rec, Feedback) and b_rec._kind == "custom":
        own["recurrent_feedback"] = b_rec
    return own


class Copies(Whole, Parameters):
    """How a :class:`Network` is copied and pickled: what `fastfa.save` writes, and Python objects."""

    def __getstate__(self) -> _State:
        """The state between two calls; if another thread trains, that after its call.

        Raises
        ------
        TypeError
            If a step in parts is going on.
        ValueError
            If a parameter isn't finite.
        RuntimeError
            If another thread begins one call after another, so that none of the states is whole.
        """
        from ..checkpoint.network import state_of  # not for who only steps a network

        step = self._net.step_state()
        if step is not None and not step[2]:
            raise TypeError(
                "[Network] a step in parts is going on, whose pass can't be copied or pickled: end it "
                "by update_step or apply_error first; forward, to look only, begins none"
            )
        rules, own = self._feedback, {}
        code = {i: _code(layer) for i, layer in enumerate(self.layers) if _code(layer)}
        if isinstance(rules, tuple):
            own = {i: rule for i, rule in enumerate(rules) if rule._kind == "custom"}
            rules = tuple(Feedback("zero") if i in own else rule for i, rule in enumerate(rules))
        more = {name: value for name, value in vars(self).items() if name not in _MADE_AGAIN}
        for _ in range(_TRIES):
            before = self._net.progress()  # waits for the call of another thread
            described, tensors = state_of(self, rules, "copy")
            arrays = {name: np.array(array, order="C") for name, array in tensors.items()}
            if self._net.progress() == before:
                return described, arrays, (own, code), more
        raise RuntimeError(
            "[Network] another thread trains it all the time; it must rest to be copied or pickled"
        )

    def __setstate__(self, state: _State) -> None:
        from ..checkpoint.network import NetworkPlan

        described, tensors, (own, code), more = state
        if code:
            layers = [dict(each) for each in described["is"]["layers"]]
            weighted = [each for each in layers if "activation" in each]
            for i, values in code.items():
                weighted[i].update(values)
            described = described | {"is": described["is"] | {"layers": layers}}

        def make(*given: Any, feedback: Any, **options: Any) -> Any:
            if own:
                feedback = [own.get(i, rule) for i, rule in enumerate(feedback)]
            self._make(*given, feedback=feedback, **options)
            return self

        NetworkPlan(described, make).build(tensors)
        vars(self).update(more)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        made = memo[id(self)] = type(self).__new__(type(self))
        described, arrays, own, more = self.__getstate__()  # these arrays are copies already
        made.__setstate__((described, arrays, *copy.deepcopy((own, more), memo)))
        return made

    def _make(self, *given: Any, **options: Any) -> None:
        """Make the network by the arguments of its class, whatever a subclass is made with."""
        raise NotImplementedError
