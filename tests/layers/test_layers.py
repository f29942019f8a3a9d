"""What layers say of their shapes is what networks made of them have."""

from __future__ import annotations

import math

import fastfa as fa
import numpy as np
import pytest

LAYERS = [
    fa.Dense(1),
    fa.Dense(7, bias=False),
    fa.Dense(5, density=0.5),
    fa.LocallyConnected2D(2, 3),
    fa.LocallyConnected2D(3, (2, 4), stride=(1, 2), padding="same"),
    fa.LocallyConnected2D(1, 1, stride=3),
    fa.Dropout(0.5),
]


@pytest.mark.parametrize("shape", [(5, 7), (1, 4, 4), (3, 6, 5)], ids=str)
@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_shapes_are_those_of_a_network(layer, shape):
    net = fa.Network(shape, [layer, fa.Dense(2)], seed=3)
    above = layer.output_shape(shape)
    assert net.shapes == ((shape, (2,)) if isinstance(layer, fa.Dropout) else (shape, above, (2,)))
    if isinstance(layer, fa.Dropout):
        assert above == shape
        return
    assert net.weights[0].shape == layer.weight_shape(shape)
    assert math.prod(above) * layer.fan_in(shape) == net.weights[0].size
    # W ~ U(−1/√fan_in, 1/√fan_in)
    largest, bound = np.abs(net.weights[0]).max(), 1 / math.sqrt(layer.fan_in(shape))
    assert largest <= bound * (1 + 1e-6)
    if net.weights[0].size > 30:
        assert largest > 0.7 * bound


def test_a_list_of_layers_is_put_together_in_order():
    layers = [
        fa.Dropout(0.1),
        fa.LocallyConnected2D(2, 3),
        fa.MaxPool2D(2, 1),
        fa.Conv2D(3, 2, padding="same"),
        fa.AvgPool2D(2),
        fa.Dense(4),
        fa.Dropout(0.2),
        fa.Dense(2),
    ]
    net = fa.Network((5, 5), layers)
    assert net.layers == (layers[1], layers[3], layers[5], layers[7])
    assert net.dropout == (0.1, 0.0, 0.0, 0.2, 0.0)
    assert net.pooling == ((), (layers[2],), (layers[4],), (), ())
    assert {*map(type, layers), fa.Recurrent} == set(fa.layers.KINDS)


def test_a_layer_of_ones_own_must_be_whole():
    with pytest.raises(TypeError, match="abstract"):
        fa.layers.Layer()

    class Half(fa.layers.Layer):
        def output_shape(self, input_shape):
            return input_shape

    with pytest.raises(TypeError, match="abstract"):
        Half()
