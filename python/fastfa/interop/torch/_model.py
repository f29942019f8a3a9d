"""Any model learns by any rule: `convert`, and `revert`."""

from __future__ import annotations

from typing import Any, TypeVar

from torch import nn

from ... import _check
from ...perturbation import NodePerturbation
from ...rules import resolve
from ._layer import Converted, become, restore
from ._plan import plan_from_output, plan_layerwise
from ._select import Choice, choose
from ._sources import unhook

Model = TypeVar("Model", bound=nn.Module)
_WHERE = "convert"


def convert(
    model: Model,
    feedback: Any = "fa",
    *,
    seed: int = 0,
    include: Choice = None,
    exclude: Choice = None,
    example: Any = None,
    output: str | None = None,
    shared: bool = False,
) -> Model:
    """Let a model learn by a rule of ours: its layers send the error down through B.

    Every ``Linear``, ``Conv1d/2d/3d``, ``ConvTranspose1d/2d/3d`` and :class:`LocallyConnected2d` in the
    tree is converted where it is; the model, its parameters, buffers, their names, devices and dtypes
    stay, and so does what it computes. What reaches the *input* of a converted layer is B times a
    source: with the route layerwise the gradient at this layer's output, with direct that at the model's
    output, with target −y* (:func:`targets`). Weights get the true gradient for the error that arrives,
    and everything between the layers keeps autograd's own derivative.

    Parameters
    ----------
    model : torch.nn.Module
        Changed in place.
    feedback : str, Feedback, NodePerturbation, or an object with ``propagate(delta)``
        The rule: a name such as ``"fa"``, ``"dfa"``, ``"usf"``, ``"kp"``, or any ``fa.Feedback``. B that
        learn (``"kolen_pollack"``) are parameters, so make the optimizer afterwards and let it have
        weight decay; with ``"weight_mirror"`` call :func:`mirror`, and with ``fa.NodePerturbation``
        learn by :func:`perturb`. ``"bp"`` is autograd's own backward pass, to the bit.
    seed : int
        Of a fastfa network that has the same B: in a chain of layers the one into its hidden layer l
        belongs to layer l + 1. (The B of the first, of use only where the input wants a gradient, has
        the stream after all others.)
    include, exclude : str, sequence of str, or callable, optional
        Which layers: names, also with ``*``; a name stands for all inside, too. Or a function of a name
        and a module. Default: all. What is left out keeps backprop.
    example : Tensor or tuple, optional
        An input of the model, or its arguments, one example being enough; only its shape matters. Needed
        for the routes direct and target, whose B have a row for each value that a layer is given. The
        model is run on it once, in evaluation mode.
    output : str, optional
        The module whose output the error is taken from, on these two routes. Default: the model. In a
        network that ends with an activation, name the layer before it.
    shared : bool
        On these two routes: whether one large B serves all layers, each using as many of its rows as it
        needs. It is the model's buffer ``feedback_shared``, of the shape (largest, n_out).

    Returns
    -------
    torch.nn.Module
        The model.

    Raises
    ------
    ValueError, TypeError
        If an argument is wrong, a layer can't have this feedback, or a module of the tree can't be
        converted (``MultiheadAttention``, recurrent and bilinear ones) and is not left out. The model is
        then as it was.

    Notes
    -----
    B is the buffer (or parameter) ``feedback_matrix`` of a layer, and so in ``state_dict()``: (in, out)
    for ``Linear``, laid out as the weights for convolutions, (values of an example, n_out) for the
    routes direct and target. ``"procedural"`` and custom objects keep none; those and redrawn
    magnitudes come from main memory, whatever the device. ``"equal_error"`` takes the slope of units
    as 1, the number of outputs that reach an input on average as n_source, and the last layer of the
    tree as the output.

    References
    ----------
    Lillicrap, Cownden, Tweed & Akerman, Nature Communications 7:13276 (2016), equation 2.
    Launay, Poli, Boniface & Krzakala, Advances in Neural Information Processing Systems 33 (2020), for
    the shared B.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"[{_WHERE}] model was {model!r}; it must be a torch.nn.Module")
    seed = _check.integer(_WHERE, "seed", seed, 0, 2**64 - 1)
    shared = _check.flag(_WHERE, "shared", shared)
    rules = resolve(
        (feedback,) if not isinstance(feedback, NodePerturbation) else feedback, 1, _WHERE
    )
    rule = rules if isinstance(rules, NodePerturbation) else rules[0]
    if isinstance(rule, NodePerturbation) and rule != NodePerturbation(rule.sigma):
        raise ValueError(
            f"[{_WHERE}] feedback was {rule!r}; it must have no more than a sigma: a model's noise is "
            "added to what the converted layers return, and `exclude` says which are not"
        )
    layers = choose(_WHERE, model, include, exclude)
    top = _output(model, output)
    if isinstance(rule, NodePerturbation) or rule.route == "layerwise":
        if output is not None or shared:
            raise ValueError(
                f"[{_WHERE}] {'shared' if shared else 'output'} was given for {rule!r}; it applies to "
                "the routes direct and target only"
            )
        plans = plan_layerwise(rule, layers, seed)
    else:
        plans = plan_from_output(rule, model, layers, seed, example, top, shared)
    for layer, how in plans:
        become(layer, how)
    return model


def revert(model: Model) -> Model:
    """Give converted layers their original class back, with the weights that they have now.

    Parameters
    ----------
    model : torch.nn.Module
        Changed in place. B are dropped, from ``state_dict()`` and ``parameters()`` too.

    Returns
    -------
    torch.nn.Module
        The model.

    Raises
    ------
    ValueError, TypeError
        If it isn't a module, or has no converted layer.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"[revert] model was {model!r}; it must be a torch.nn.Module")
    layers = [module for module in model.modules() if isinstance(module, Converted)]
    if not layers:
        raise ValueError(
            f"[revert] model was {type(model).__name__} without converted layers; it must have some"
        )
    for layer in layers:
        restore(layer)
    unhook(model)
    return model


def _output(model: nn.Module, output: str | None) -> nn.Module:
    if output is None:
        return model
    if not isinstance(output, str) or output not in dict(model.named_modules()):
        raise ValueError(
            f"[{_WHERE}] output was {output!r}; it must be the name of a module of the model"
        )
    return model.get_submodule(output)
