"""The registry of misuse: each wrong call is told the argument, its value, and what it must be.

A row is a call and the text of its error, of a long one how it begins ("…"). ``{tmp}`` is a folder. A
public name without a row fails below: whoever adds one says here what its misuse is told.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import fastfa as fa
import numpy as np
import pytest
from fastfa import data, metrics

X = np.arange(15.0).reshape(5, 3) / 15
Y = np.eye(2)[[0, 1, 0, 1, 1]]
labels = np.array([0, 1, 0, 1, 1])
sgd = fa.SGD(0.1)

# fmt: off
ROWS = [
    # layers
    ('fa.Dense(3).output_shape("ab")',
     "ValueError: [output_shape] input_shape was 'ab'; it must be a tuple of sizes, such as (784,)"),
    ("fa.Dense(3).weight_shape(4)",
     "ValueError: [weight_shape] input_shape was 4; it must be a tuple of sizes, such as (784,)"),
    ("fa.Dense(3).fan_in((2, 0))",
     "ValueError: [fan_in] input_shape[1] was 0; it must be an integer of at least 1"),
    ("fa.Dropout(0.5).output_shape(())",
     "ValueError: [output_shape] input_shape was (); it must be a tuple of sizes, such as (784,)"),
    ("fa.LocallyConnected2D(2, 3).output_shape((9,))",
     "ValueError: [output_shape] input_shape was (9,); it must be (H, W) or (C, H, W)"),
    ("fa.LocallyConnected2D(2, 3).weight_shape((1, 1, 9, 9))",
     "ValueError: [weight_shape] input_shape was (1, 1, 9, 9); it must be (H, W) or (C, H, W)"),
    ("fa.LocallyConnected2D(2, 3).fan_in((2.5, 9))",
     "TypeError: [fan_in] input_shape[0] was 2.5; it must be an integer of at least 1"),
    # Network
    ("fa.Network(0, [fa.Dense(1)])",
     "ValueError: [Network] input was 0; it must be an integer in [1, 2147483647]"),
    ('fa.Network("3", [fa.Dense(1)])',
     "ValueError: [Network] input was '3'; it must be n, (H, W) or (C, H, W)"),
    ("fa.Network(2.5, [fa.Dense(1)])",
     "TypeError: [Network] input was 2.5; it must be an integer in [1, 2147483647]"),
    ("fa.Network((28, -28), [fa.Dense(1)])",
     "ValueError: [Network] input[1] was -28; it must be an integer …"),
    ("fa.Network((1, 2, 3, 4), [fa.Dense(1)])",
     "ValueError: [Network] input was (1, 2, 3, 4); it must be n, (H, W) or (C, H, W)"),
    ("fa.Network(3, [])",
     "ValueError: [Network] layers was empty; it must have at least one layer"),
    ("fa.Network(3, fa.Dense(1))",
     "TypeError: [Network] layers was Dense(units=1, activation='linear', bias=True, …"),
    ("fa.Network(3, [5])",
     "TypeError: [Network] layers[0] was 5; it must be a Dense, LocallyConnected2D, Conv2D, …"),
    ('fa.Network(3, [fa.Dense(2, "softmax"), fa.Dense(1)])',
     "ValueError: [Network] layers[0].activation was 'softmax'; softmax is for the output layer only"),
    ("fa.Network(3, [fa.Dense(1), fa.Dropout(0.5)])",
     "ValueError: [Network] layers[1] is a Dropout above the output; the last must be a layer …"),
    ("fa.Network(3, [fa.LocallyConnected2D(2, 3), fa.Dense(1)])",
     "ValueError: [Network] layers[0] is LocallyConnected2D above something of shape (3,); it …"),
    ("fa.Network((2, 2), [fa.LocallyConnected2D(2, 3), fa.Dense(1)])",
     "ValueError: [Network] layers[0].kernel_size was (3, 3); the image is (2, 2), so with …"),
    ('fa.Network(3, [fa.Dense(4), fa.Dense(1)], feedback="fab")',
     "ValueError: [Network] feedback was 'fab'; it must be one of bp, fa, dfa, drtp, shallow, …"),
    ("fa.Network(3, [fa.Dense(4), fa.Dense(1)], feedback=5)",
     "TypeError: [Network] feedback was 5; it must be a Feedback, an object with propagate(delta) …"),
    ('fa.Network(3, [fa.Dense(4), fa.Dense(1)], feedback=["fa", "fa"])',
     "ValueError: [Network] feedback has 2 entries; the network has 1 hidden layers and needs one …"),
    ('fa.Network(3, [fa.Dense(1)], loss="hinge")',
     "ValueError: [Network] loss was 'hinge'; it must be one of squared_error, cross_entropy"),
    ('fa.Network(3, [fa.Dense(1, "gelu")])',
     "ValueError: [Network] layers[0].activation was 'gelu'; gelu is for hidden layers only"),
    ('fa.Network(3, [fa.Dense(1)], loss="cross_entropy")',
     "ValueError: [Network] loss was 'cross_entropy' with output activation 'linear'; it must be …"),
    ('fa.Network(3, [fa.Dense(1, "softmax")])',
     "ValueError: [Network] loss was 'squared_error' with a softmax output; it must be 'cross_entropy'"),
    ("fa.Network(3, [fa.Dense(1)], seed=-1)",
     "ValueError: [Network] seed was -1; it must be an integer in [0, 18446744073709551615]"),
    ("fa.Network(3, [fa.Dense(1)], seed=True)",
     "TypeError: [Network] seed was True; it must be an integer in [0, 18446744073709551615]"),
    ('fa.Network(3, [fa.Dense(1)], dtype="float16")',
     "ValueError: [Network] dtype was 'float16'; it must be float32 or float64"),
    ('fa.Network(3, [fa.Dense(1)], device="gpu")',
     "ValueError: [Network] device was 'gpu'; it must be 'cpu', 'cuda' or 'cuda:<number>'"),
    ('fa.Network(3, [fa.Dense(1)], matmul_precision="tf16")',
     "ValueError: [Network] matmul_precision was 'tf16'; it must be one of float32, tf32"),
    ('fa.Network(3, [fa.Dense(1)], matmul_library="mkl")',
     "ValueError: [Network] matmul_library was 'mkl'; it must be one of fastfa, cublas, fastest"),
    # Network.forward
    ("net.forward(np.ones((5, 4)))",
     "ValueError: [forward] X has shape (5, 4); it must be (N, 3), with N at least 1"),
    ('net.forward("x")',
     "TypeError: [forward] X has dtype <U1 …"),
    ("net.forward(np.ones((0, 3)))",
     "ValueError: [forward] X has shape (0, 3); it must be (N, 3), with N at least 1"),
    ("net.forward(np.full((1, 3), np.nan))",
     "ValueError: [forward] X has nan at [0, 0]; every value must be finite"),
    ("net.forward([[1, 2, 3], [1, 2]])",
     "ValueError: [forward] X must be an array of numbers: setting an array element with a …"),
    ("net.forward(np.ones((1, 3)) * 1j)",
     "TypeError: [forward] X has dtype complex128; it must hold real numbers (float32)"),
    # Network.activations
    ("net.activations(np.ones((5, 4)))",
     "ValueError: [activations] X has shape (5, 4); it must be (N, 3), with N at least 1"),
    # Network.predict
    ("net.predict(np.ones((5, 4)))",
     "ValueError: [predict] X has shape (5, 4); it must be (N, 3), with N at least 1"),
    # Network.deltas
    ("net.deltas(X, np.ones((5, 3)))",
     "ValueError: [deltas] Y has shape (5, 3); for 5 examples and 2 outputs it must be (5, 2)"),
    ('net.deltas(X, Y, feedback="nope")',
     "ValueError: [deltas] feedback was 'nope'; it must be one of bp, fa, dfa, drtp, shallow, …"),
    # Network.evaluate
    ("net.evaluate(X, np.ones((4, 2)))",
     "ValueError: [evaluate] Y has shape (4, 2); for 5 examples and 2 outputs it must be (5, 2)"),
    ("net.evaluate(X, Y * np.inf)",
     "ValueError: [evaluate] Y has inf at [0, 0]; every value must be finite"),
    # Network.calibrate_feedback
    ("net.calibrate_feedback(X, Y, gain=0)",
     "ValueError: [calibrate_feedback] gain was 0; it must be a finite number in (0, inf)"),
    ("net.calibrate_feedback(X, Y, gain=1, growth=-1)",
     "ValueError: [calibrate_feedback] growth was -1; it must be a finite number in (0, inf)"),
    # Network.step
    ("net.step(X, Y, 0.1)",
     "TypeError: [step] optimizer was 0.1; it must be an SGD or an Adam"),
    ("net.step(X, np.ones((4, 2)), sgd)",
     "ValueError: [step] Y has shape (4, 2); for 5 examples and 2 outputs it must be (5, 2)"),
    ("net.step(X, Y, fa.SGD(2e9))",
     "ValueError: [SGD] lr was 2e+09; with this momentum, reduction and batch it must be in [0, 1e+09]"),
    # Network.train_epoch
    ("net.train_epoch(X, Y, sgd, batch_size=0)",
     "ValueError: [train_epoch] batch_size was 0; it must be an integer in [1, 2147483647]"),
    ("net.train_epoch(X, Y, sgd, batch_size=2.0)",
     "TypeError: [train_epoch] batch_size was 2.0; it must be an integer in [1, 2147483647]"),
    ("net.train_epoch(X, Y, sgd, batch_size=1, order=[0, 5])",
     "ValueError: [train_epoch] order has 5; every index must be in [0, 4]"),
    ("net.train_epoch(X, Y, sgd, batch_size=1, order=[0.5])",
     "ValueError: [train_epoch] order was an array of float64 and shape (1,); it must be …"),
    ("net.train_epoch(X, Y, sgd, batch_size=1, order=[])",
     "ValueError: [train_epoch] order was an array of float64 and shape (0,); it must be …"),
    # Network.set_feedback
    ('net.set_feedback("nope")',
     "ValueError: [set_feedback] feedback was 'nope'; it must be one of bp, fa, dfa, drtp, …"),
    # Network.load_state_dict
    ("net.load_state_dict({})",
     "ValueError: [load_state_dict] state lacks biases.0, biases.1, feedback.0, weights.0, weights.1"),
    ("net.load_state_dict([1])",
     "TypeError: [load_state_dict] state was [1]; it must be a dict as of state_dict()"),
    ('net.load_state_dict(net.state_dict() | {"weights.0": np.ones((3, 3))})',
     "ValueError: [load_state_dict] weights.0 has shape (3, 3); it must be (4, 3)"),
    ('net.load_state_dict(net.state_dict() | {"weights.0": np.full((4, 3), np.nan)})',
     "ValueError: [load_state_dict] weights.0 has nan at [0, 0]; every value must be finite"),
    ('net.load_state_dict(net.state_dict() | {"more": np.ones(3)})',
     "ValueError: [load_state_dict] state has more, which the network has not"),
    # Network.forward_step
    ("net.forward_step(np.ones((5, 4)))",
     "ValueError: [forward_step] x has shape (5, 4); it must be (N, 3), with N at least 1"),
    # Network.feedback_step
    ("fresh().feedback_step(Y)",
     "RuntimeError: [feedback_step] no forward pass is kept; call forward_step() first. Calls …"),
    ("stepped().feedback_step(np.ones((4, 2)))",
     "ValueError: [feedback_step] e has shape (4, 2); for 5 examples and 2 outputs it must be (5, 2)"),
    # Network.update_step
    ("fresh().update_step(sgd)",
     "RuntimeError: [update_step] no forward pass is kept; call forward_step() first. Calls that …"),
    ("fresh().update_step()",
     "TypeError: [update_step] optimizer was None; it must be an SGD or an Adam, the first time"),
    # Network.apply_error
    ("fresh().apply_error(Y, sgd)",
     "RuntimeError: [apply_error] no forward pass is kept; call forward_step() first. Calls that …"),
    ('fresh().apply_error(Y, "sgd")',
     "TypeError: [apply_error] optimizer was 'sgd'; it must be an SGD or an Adam"),
    ("fresh().forward(X.astype('uint8'))",
     "TypeError: [forward] X was of dtype uint8, in which images are kept; it must be of another: …"),
    ("fa.Trainer(fresh(), fa.SGD(0.1), epochs=1).fit((X.astype('uint8'), Y))",
     "TypeError: [fit] train X was of dtype uint8, in which images are kept; it must be of another: …"),
    # Dense
    ("fa.Dense(0)",
     "ValueError: [Dense] units was 0; it must be an integer in [1, 2147483647]"),
    ("fa.Dense(2.0)",
     "TypeError: [Dense] units was 2.0; it must be an integer in [1, 2147483647]"),
    ("fa.Dense(True)",
     "TypeError: [Dense] units was True; it must be an integer in [1, 2147483647]"),
    ("fa.Dense(2**63)",
     "ValueError: [Dense] units was 9223372036854775808; it must be an integer in [1, 2147483647]"),
    ('fa.Dense(2, "relu6")',
     "ValueError: [Dense] activation was 'relu6'; it must be one of linear, logistic, tanh, relu, …"),
    ("fa.Dense(2, activation=None)",
     "TypeError: [Dense] activation was None; it must be one of linear, logistic, tanh, relu, …"),
    ('fa.Dense(2, "leaky_relu", leaky_slope=-0.1)',
     "ValueError: [Dense] leaky_slope was -0.1; it must be a finite number in [0, 1]"),
    ('fa.Dense(2, "relu", leaky_slope=0.1)',
     "ValueError: [Dense] leaky_slope was 0.1 with activation 'relu'; it must be None but for …"),
    ("fa.Dense(2, bias=1)",
     "TypeError: [Dense] bias was 1; it must be True or False"),
    ("fa.Dense(2, weight_scale=-1)",
     "ValueError: [Dense] weight_scale was -1; it must be a finite number in [0, inf)"),
    ("fa.Dense(2, density=0)",
     "ValueError: [Dense] density was 0; it must be a finite number in (0, 1]"),
    ('fa.Dense(2, trainable="no")',
     "TypeError: [Dense] trainable was 'no'; it must be True or False"),
    # LocallyConnected2D
    ("fa.LocallyConnected2D(0, 3)",
     "ValueError: [LocallyConnected2D] maps was 0; it must be an integer in [1, 2147483647]"),
    ("fa.LocallyConnected2D(2, 0)",
     "ValueError: [LocallyConnected2D] kernel_size was 0; it must be an integer in [1, 2147483647]"),
    ("fa.LocallyConnected2D(2, (1, 2, 3))",
     "ValueError: [LocallyConnected2D] kernel_size was (1, 2, 3); it must be an integer or a pair …"),
    ('fa.LocallyConnected2D(2, "3")',
     "ValueError: [LocallyConnected2D] kernel_size was '3'; it must be an integer or a pair of them"),
    ("fa.LocallyConnected2D(2, 3, stride=0)",
     "ValueError: [LocallyConnected2D] stride was 0; it must be an integer in [1, 2147483647]"),
    ('fa.LocallyConnected2D(2, 3, padding="full")',
     "ValueError: [LocallyConnected2D] padding was 'full'; it must be one of valid, same"),
    ('fa.LocallyConnected2D(2, 3, activation="x")',
     "ValueError: [LocallyConnected2D] activation was 'x'; it must be one of linear, logistic, …"),
    ("fa.LocallyConnected2D(2, 3, weight_scale=np.nan)",
     "ValueError: [LocallyConnected2D] weight_scale was nan; it must be a finite number in [0, inf)"),
    ("fa.LocallyConnected2D(2, 3).output_shape((5,))",
     "ValueError: [output_shape] input_shape was (5,); it must be (H, W) or (C, H, W)"),
    # Conv2D, AvgPool2D, MaxPool2D
    ("fa.Conv2D(0, 3)",
     "ValueError: [Conv2D] maps was 0; it must be an integer in [1, 2147483647]"),
    ('fa.Conv2D(2, "3")',
     "ValueError: [Conv2D] kernel_size was '3'; it must be an integer or a pair of them"),
    ('fa.Conv2D(2, 3, padding="full")',
     "ValueError: [Conv2D] padding was 'full'; it must be one of valid, same"),
    ("fa.Conv2D(2, 3, stride=(1, 0))",
     "ValueError: [Conv2D] stride[1] was 0; it must be an integer in [1, 2147483647]"),
    ("fa.Conv2D(2, 3).output_shape((5,))",
     "ValueError: [output_shape] input_shape was (5,); it must be (H, W) or (C, H, W)"),
    ("fa.Conv2D(2, 3).weight_shape((1, 1, 9, 9))",
     "ValueError: [weight_shape] input_shape was (1, 1, 9, 9); it must be (H, W) or (C, H, W)"),
    ("fa.Conv2D(2, 3).fan_in((2.5, 9))",
     "TypeError: [fan_in] input_shape[0] was 2.5; it must be an integer of at least 1"),
    ("fa.Network((4, 4), [fa.Conv2D(2, 5), fa.Dense(1)])",
     "ValueError: [Network] layers[0].kernel_size was (5, 5); the image is (4, 4), so with …"),
    ("fa.Network((28, 28, 3), [fa.Conv2D(2, 3), fa.Dense(1)])",
     "ValueError: [Network] input was (28, 28, 3), which looks like (H, W, C) below the first …"),
    ("fa.AvgPool2D(0)",
     "ValueError: [AvgPool2D] size was 0; it must be an integer in [1, 2147483647]"),
    ("fa.AvgPool2D(2, 1.5)",
     "TypeError: [AvgPool2D] stride was 1.5; it must be an integer in [1, 2147483647]"),
    ("fa.AvgPool2D(2).output_shape((5,))",
     "ValueError: [output_shape] input_shape was (5,); it must be (H, W) or (C, H, W)"),
    ("fa.MaxPool2D((2, 2, 2))",
     "ValueError: [MaxPool2D] size was (2, 2, 2); it must be an integer or a pair of them"),
    ("fa.MaxPool2D(2).output_shape((5,))",
     "ValueError: [output_shape] input_shape was (5,); it must be (H, W) or (C, H, W)"),
    ("fa.Network((4, 4), [fa.Conv2D(2, 2), fa.MaxPool2D(4), fa.Dense(1)])",
     "ValueError: [Network] MaxPool2D.size was (4, 4) above layers[0], which has shape (2, 3, 3); …"),
    # Dropout
    ("fa.Dropout(1.0)",
     "ValueError: [Dropout] rate was 1.0; it must be a finite number in [0, 1)"),
    ('fa.Dropout("0.5")',
     "TypeError: [Dropout] rate was '0.5'; it must be a number in [0, 1)"),
    # Feedback
    ('fa.Feedback("unifrom")',
     "ValueError: [Feedback] matrix was 'unifrom'; it must be one of transpose, pseudoinverse, …"),
    ("fa.Feedback(None)",
     "TypeError: [Feedback] matrix was None; it must be one of transpose, pseudoinverse, sign, …"),
    ('fa.Feedback("uniform", scale=-1)',
     "ValueError: [Feedback] scale was -1; it must be a finite number in [0, inf)"),
    ('fa.Feedback("uniform", scale="big")',
     "ValueError: [Feedback] scale was 'big'; it must be one of equal_error, equal_before_slope"),
    ('fa.Feedback("uniform", gain=0)',
     "ValueError: [Feedback] gain was 0; it must be a finite number in (0, inf)"),
    ('fa.Feedback("uniform", scale=1.0, gain=1.0)',
     "ValueError: [Feedback] gain was 1.0 beside scale=1.0; it applies to "
     "scale='equal_error' (or 'equal_before_slope') only"),
    ('fa.Feedback("uniform", route="around")',
     "ValueError: [Feedback] route was 'around'; it must be one of layerwise, direct, target"),
    ('fa.Feedback("uniform", plasticity="hebb")',
     "ValueError: [Feedback] plasticity was 'hebb'; it must be one of fixed, kolen_pollack, …"),
    ('fa.Feedback("sparse", density=2)',
     "ValueError: [Feedback] density was 2; it must be a finite number in (0, 1]"),
    ('fa.Feedback("uniform", density=0.5)',
     "ValueError: [Feedback] density was 0.5 for matrix='uniform'; it must not be given: it …"),
    ('fa.Feedback("low_rank")',
     "ValueError: [Feedback] rank was None for matrix='low_rank'; it must be an integer of at least 1"),
    ('fa.Feedback("low_rank", rank=0)',
     "ValueError: [Feedback] rank was 0; it must be an integer in [1, 2147483647]"),
    ('fa.Feedback("array")',
     "ValueError: [Feedback] array was missing for matrix='array'; it must be given for …"),
    ('fa.Feedback("array", array=[1, 2])',
     "ValueError: [Feedback] array has shape (2,); it must be (n_l, n_source)"),
    ('fa.Feedback("array", array=[[np.nan]])',
     "ValueError: [Feedback] array has nan at [0, 0]; every value must be finite"),
    ('fa.Feedback("uniform", array=[[1]])',
     "ValueError: [Feedback] array was given for matrix='uniform'; it must be given for …"),
    ('fa.Feedback("sign", magnitude="large")',
     "ValueError: [Feedback] magnitude was 'large'; it must be one of uniform, fixed, redrawn"),
    ('fa.Feedback("uniform", magnitude="fixed")',
     "ValueError: [Feedback] magnitude was 'fixed' for matrix='uniform'; it must not be given: it …"),
    ('fa.Feedback("pseudoinverse", refresh=0)',
     "ValueError: [Feedback] refresh was 0; it must be an integer in [1, 2147483647]"),
    ('fa.Feedback("uniform", refresh=2)',
     "ValueError: [Feedback] refresh was 2 for matrix='uniform'; it must not be given: it applies …"),
    ('fa.Feedback("uniform").toarray(0, 2)',
     "ValueError: [toarray] units was 0; it must be an integer in [1, 2147483647]"),
    ('fa.Feedback("uniform").toarray(2, "3")',
     "TypeError: [toarray] source was '3'; it must be an integer in [1, 2147483647]"),
    ('fa.Feedback("transpose").toarray(2, 2)',
     "ValueError: [toarray] matrix was 'transpose'; it must be one that doesn't follow the …"),
    # NodePerturbation
    ("fa.NodePerturbation(0)",
     "ValueError: [NodePerturbation] sigma was 0; it must be a finite number in [1e-09, 1e+06]"),
    ('fa.NodePerturbation("0.1")',
     "TypeError: [NodePerturbation] sigma was '0.1'; it must be a number in [1e-09, 1e+06]"),
    # WeightMirror
    ("fa.WeightMirror(growth=0)",
     "ValueError: [WeightMirror] growth was 0; it must be a finite number in (0, 1]"),
    ("fa.WeightMirror(noise=0)",
     "ValueError: [WeightMirror] noise was 0; it must be a finite number in [1e-09, 1e+06]"),
    ("fa.WeightMirror(every=0)",
     "ValueError: [WeightMirror] every was 0; it must be an integer in [1, 2147483647]"),
    # SGD
    ("fa.SGD(-0.1)",
     "ValueError: [SGD] lr was -0.1; it must be a finite number in [0, inf)"),
    ('fa.SGD("0.1")',
     "TypeError: [SGD] lr was '0.1'; it must be a number in [0, inf)"),
    ("fa.SGD(np.nan)",
     "ValueError: [SGD] lr was nan; it must be a finite number in [0, inf)"),
    ("fa.SGD(0.1, momentum=1)",
     "ValueError: [SGD] momentum was 1; it must be a finite number in [0, 1)"),
    ("fa.SGD(0.1, weight_decay=-1)",
     "ValueError: [SGD] weight_decay was -1; it must be a finite number in [0, inf)"),
    ('fa.SGD(0.1, reduction="max")',
     "ValueError: [SGD] reduction was 'max'; it must be one of mean, sum"),
    # Adam
    ("fa.Adam(np.inf)",
     "ValueError: [Adam] lr was inf; it must be a finite number in [0, inf)"),
    ("fa.Adam(0.1, beta1=1.0)",
     "ValueError: [Adam] beta1 was 1.0; it must be a finite number in [0, 1)"),
    ("fa.Adam(0.1, beta2=-0.5)",
     "ValueError: [Adam] beta2 was -0.5; it must be a finite number in [0, 1)"),
    ("fa.Adam(0.1, epsilon=0)",
     "ValueError: [Adam] epsilon was 0; it must be a finite number in (0, inf)"),
    ('fa.Adam(0.1, weight_decay="0")',
     "TypeError: [Adam] weight_decay was '0'; it must be a number in [0, inf)"),
    # compare
    ('fa.compare("fa", (X, labels))',
     "TypeError: [compare] contestants was 'fa'; it must be a dict of names and rules, such as …"),
    ('fa.compare({"a": "ffa"}, (X, labels))',
     "ValueError: [Network] feedback was 'ffa'; it must be one of bp, fa, …"),
    ('fa.compare(["fa"], X)', "TypeError: [compare] data was an array of shape (5, 3); it must be …"),
    ('fa.compare(["fa"], (X, labels), seeds=0)',
     "ValueError: [compare] seeds was 0; it must be an integer in [1, 1000000]"),
    ('fa.compare(["fa"], (X, labels), base="bp")',
     "ValueError: [compare] base was 'bp'; it must be one of fa"),
    # Trainer
    ("fa.Trainer(5, sgd, epochs=1)",
     "TypeError: [Trainer] net was 5; it must be a fastfa.Network"),
    ("fa.Trainer(net, 0.1, epochs=1)",
     "TypeError: [Trainer] optimizer was 0.1; it must be an optimizer such as fastfa.SGD(0.1)"),
    ("fa.Trainer(net, sgd, epochs=0)",
     "ValueError: [Trainer] epochs was 0; it must be an integer of at least 1"),
    ("fa.Trainer(net, sgd, epochs=1, batch_size=0)",
     "ValueError: [Trainer] batch_size was 0; it must be an integer in [1, 2147483647]"),
    ("fa.Trainer(net, sgd, epochs=1, shuffle=1)",
     "TypeError: [Trainer] shuffle was 1; it must be True or False"),
    ("fa.Trainer(net, sgd, epochs=1, seed=-1)",
     "ValueError: [Trainer] seed was -1; it must be an integer in [0, 18446744073709551615]"),
    ("fa.Trainer(net, sgd, epochs=1, schedule=5)",
     "TypeError: [Trainer] schedule was 5; it must be None, a Schedule, a mapping {epoch: lr} or …"),
    ("fa.Trainer(net, sgd, epochs=1, schedule={0: 0.1})",
     "ValueError: [Steps] an epoch of rates was 0; it must be an integer of at least 1"),
    ("fa.Trainer(net, sgd, epochs=1, callbacks=fa.Callback())",
     "TypeError: [Trainer] callbacks was <fastfa.callbacks.base.Callback"),
    ("fa.Trainer(net, sgd, epochs=1, callbacks=[print])",
     "TypeError: [Trainer] callbacks[0] was <built-in function print>; it must be a fastfa.Callback"),
    ('fa.Trainer(net, sgd, epochs=1, progress="no")',
     "TypeError: [Trainer] progress was 'no'; it must be True or False"),
    ("fa.Trainer(net, sgd, epochs=1, augment=5)",
     "TypeError: [Trainer] augment was 5; it must be a fastfa.data.Distortion or a callable"),
    ("fa.Trainer(net, sgd, epochs=1, augment=fa.data.Distortion())",
     "ValueError: [Trainer] augment was Distortion(alpha=34.0, sigma=4.0, translate=0.0, …"),
    ("fa.Trainer(net, sgd, epochs=1, targets=(1, 0))",
     "ValueError: [Trainer] targets was (1, 0); low must be below high"),
    ("fa.Trainer(net, sgd, epochs=1, targets=0.5)",
     "TypeError: [Trainer] targets was 0.5; it must be a pair (low, high)"),
    # Trainer.fit
    ("trainer().fit(X)",
     "TypeError: [fit] train was an array of shape (5, 3); it must be a Split, a pair (X, labels) …"),
    ("trainer().fit((X, np.array([0, 1, 2, 0, 1])))",
     "ValueError: [fit] train labels lies in [0, 2]; the network has 2 outputs, so it must lie in …"),
    ("trainer().fit((X, labels + 1))",
     "ValueError: [fit] train labels lies in [1, 2]; the network has 2 outputs, so it must lie in "
     "[0, 1] (where labels count from 1, give labels - 1)"),
    ("trainer().fit((X, np.array([0.5] * 5)))",
     "ValueError: [fit] train labels has shape (5,) and dtype float64; it must be (5,) and of an …"),
    ("trainer().fit((X, Y[:4]))",
     "ValueError: [fit] train Y has shape (4, 2); for 5 examples and 2 outputs it must be (5, 2)"),
    ("trainer().fit((X * np.nan, Y))",
     "ValueError: [fit] train X has nan at [0, 0]; every value must be finite"),
    ("trainer().fit((X, Y), validation=1.5)",
     "ValueError: [fit] validation was 1.5; it must be a finite number in (0, 1)"),
    ('trainer().fit((X, Y), validation="x")',
     "TypeError: [fit] validation was str; it must be a Split, a pair (X, labels) or a pair (X, Y), "
     "or such a pair with the examples' weights as a third"),
    ("trainer().fit((X, Y), test=(X, Y[:, :1]))",
     "ValueError: [fit] test Y has shape (5, 1); for 5 examples and 2 outputs it must be (5, 2)"),
    ("trainer(schedule=lambda epoch: -1).fit((X, Y))",
     "ValueError: [fit] the schedule's lr for epoch 1 was -1; it must be a finite number in [0, inf)"),
    # Trainer.resume
    ('fa.Trainer.resume(tmp / "none", (X, Y))',
     "FileNotFoundError: [Errno 2] No such file or directory: '{tmp}/none'"),
    ("fa.Trainer.resume(saved(net), (X, Y))",
     "CheckpointError: [checkpoint] {tmp}/saved.safetensors holds a network; it must be a trainer"),
    ("fa.Trainer.resume(saved(trainer()), (X, Y), into=net)",
     "TypeError: [resume] into was <Network 3-4-2, squared_error, Feedback('uniform'), float32, …"),
    # Constant
    ("fa.Constant(-1)",
     "ValueError: [Constant] initial was -1; it must be a finite number in [0, inf)"),
    # Exponential
    ("fa.Exponential(0)",
     "ValueError: [Exponential] decay was 0; it must be a finite number in (0, 1]"),
    ('fa.Exponential("0.9")',
     "TypeError: [Exponential] decay was '0.9'; it must be a number in (0, 1]"),
    # Steps
    ("fa.Steps({})",
     "ValueError: [Steps] rates was empty; it must have at least one step"),
    ("fa.Steps([0.1])",
     "TypeError: [Steps] rates was [0.1]; it must be a mapping {epoch: η}"),
    ("fa.Steps({0: 0.1})",
     "ValueError: [Steps] an epoch of rates was 0; it must be an integer of at least 1"),
    ('fa.Steps({2: "fast"})',
     "TypeError: [Steps] rates[2] was 'fast'; it must be a number in [0, inf)"),
    # Plateau
    ("fa.Cosine(0)",
     "ValueError: [Cosine] epochs was 0; it must be an integer of at least 1"),
    ("fa.Warmup()",
     "ValueError: [Warmup] updates was None and epochs None; one of them must be given"),
    ("fa.Warmup(updates=5, start=1)",
     "ValueError: [Warmup] start was 1; it must be a finite number in [0, 1)"),
    ("fa.Plateau(factor=1.5)",
     "ValueError: [Plateau] factor was 1.5; it must be a finite number in (0, 1)"),
    ("fa.Plateau(patience=0)",
     "ValueError: [Plateau] patience was 0; it must be an integer of at least 1"),
    ("fa.Plateau(min_delta=-1)",
     "ValueError: [Plateau] min_delta was -1; it must be a finite number in [0, 1)"),
    ("fa.Plateau(min_lr=-1)",
     "ValueError: [Plateau] min_lr was -1; it must be a finite number in [0, inf)"),
    ("fa.Plateau(monitor=5)",
     "ValueError: [Plateau] monitor was 5; it must be a measure of the training or validation set …"),
    # Callback
    ("trainer(callbacks=[bad_every()])",
     "ValueError: [Trainer] callbacks[0].every was 0; it must be an integer of at least 1"),
    # EarlyStopping
    ("fa.EarlyStopping(monitor=1)",
     "ValueError: [EarlyStopping] monitor was 1; it must be a measure of the training or …"),
    ("fa.EarlyStopping(patience=0)",
     "ValueError: [EarlyStopping] patience was 0; it must be an integer of at least 1"),
    ("fa.EarlyStopping(min_delta=-0.1)",
     "ValueError: [EarlyStopping] min_delta was -0.1; it must be a finite number in [0, inf)"),
    ('trainer(callbacks=[fa.BestWeights("nonsense")]).fit((X, Y))',
     "ValueError: [BestWeights] monitor was 'nonsense'; it must be a key of the record: epoch, …"),
    # BestWeights
    ("fa.BestWeights(monitor=1)",
     "ValueError: [BestWeights] monitor was 1; it must be a measure of the training or validation …"),
    ('fa.BestWeights(min_delta="x")',
     "TypeError: [BestWeights] min_delta was 'x'; it must be a number in [0, inf)"),
    ('fa.BestWeights("train_loss").restore(net)',
     "RuntimeError: [restore] no weights are kept; an epoch must have ended whose train_loss is below "
     "infinity"),
    ("trainer(callbacks=[fa.BestWeights()]).fit((X, Y))",
     "ValueError: [BestWeights] monitor was 'validation_error', but fit() was given no validation …"),
    # AveragedWeights
    ("fa.AveragedWeights(0)",
     "ValueError: [AveragedWeights] begin was 0; it must be an integer of at least 1"),
    # Alignment
    ("fa.Alignment(X, Y, every=0)",
     "ValueError: [Alignment] every was 0; it must be an integer of at least 1"),
    ('fa.Alignment(X, Y, measures=["angel"])',
     "ValueError: [Alignment] measures[0] was 'angel'; it must be one of angle_bp, angle_bp_sd, …"),
    ("trainer(callbacks=[fa.Alignment(X[:, :2], Y)]).fit((X, Y))",
     "ValueError: [alignment] X has shape (5, 2); it must be (N, 3), with N at least 1"),
    # CSVLogger
    ('trainer(callbacks=[fa.CSVLogger(tmp / "none" / "x.csv")]).fit((X, Y))',
     "FileNotFoundError: [Errno 2] No such file or directory: '{tmp}/none'"),
    # JSONLLogger
    ('trainer(callbacks=[fa.JSONLLogger(tmp / "none" / "x.jsonl")]).fit((X, Y))',
     "FileNotFoundError: [Errno 2] No such file or directory: '{tmp}/none'"),
    # Checkpoint
    ('fa.Checkpoint("x", every=0)',
     "ValueError: [Checkpoint] every was 0; it must be an integer of at least 1"),
    ('fa.Checkpoint("{batch}")',
     "ValueError: [Checkpoint] path was '{batch}'; braces in it must be {epoch} …"),
    ('trainer(callbacks=[fa.Checkpoint(tmp / "none" / "x")]).fit((X, Y))',
     "CheckpointError: [checkpoint] {tmp}/none/x can't be written: there is no folder {tmp}/none"),
    # MLflowLogger
    ("fa.MLflowLogger(5)",
     "ValueError: [MLflowLogger] uri was 5; it must be a text"),
    # History
    ('fa.History([{"epoch": 1}])["loss"]',
     "KeyError: [History] no record has 'loss'; there are: epoch"),
    ('fa.History([{"epoch": 1}]).best("epoch", "least")',
     "ValueError: [best] mode was 'least'; it must be 'min' or 'max'"),
    ('fa.History([{"epoch": None}]).best("epoch")',
     "ValueError: [best] key was 'epoch'; none of its values is a number"),
    ('fa.History.from_jsonl(file("{"))',
     "ValueError: [from_jsonl] {tmp}/file.txt, line 1: Expecting property name enclosed in double …"),
    ('fa.History.from_jsonl(file("[1]"))',
     "ValueError: [from_jsonl] {tmp}/file.txt, line 1 holds list; each line must be a JSON object"),
    ("fa.History.from_jsonl(0)",
     "TypeError: [from_jsonl] path was 0; it must be a path"),
    ("fa.History(5)",
     "TypeError: [History] records was 5; it must be a list of dicts"),
    ("fa.History('x')",
     "TypeError: [History] records was 'x'; it must be a list of dicts"),
    ("fa.History({})",
     "TypeError: [History] records was {}; it must be a list of dicts"),
    ("fa.History().to_csv(5)",
     "TypeError: [to_csv] path was 5; it must be a path"),
    ("fa.History().to_jsonl(None)",
     "TypeError: [to_jsonl] path was None; it must be a path"),
    ("fa.CSVLogger(5)",
     "TypeError: [CSVLogger] path was 5; it must be a path"),
    ("fa.JSONLLogger([])",
     "TypeError: [JSONLLogger] path was []; it must be a path"),
    ("fa.Checkpoint(None)",
     "TypeError: [Checkpoint] path was None; it must be a path"),
    ('fa.History().to_csv(tmp / "none" / "x")',
     "FileNotFoundError: [Errno 2] No such file or directory: '{tmp}/none'"),
    # Ensemble
    ("fa.Ensemble([])",
     "ValueError: [Ensemble] networks was empty; it must have at least one Network"),
    ("fa.Ensemble(5)",
     "TypeError: [Ensemble] networks was 5; it must be a list of Network"),
    ("fa.Ensemble([5])",
     "TypeError: [Ensemble] networks[0] was 5; it must be a Network"),
    ("fa.Ensemble([net, net])",
     "ValueError: [Ensemble] networks[1] was the same object as networks[0]; each must be a …"),
    # Ensemble.train_epoch
    ("fa.Ensemble([net]).train_epoch(X, Y, [sgd, sgd], batch_size=1)",
     "ValueError: [train_epoch] optimizer was [SGD(lr=0.1, momentum=0.0, weight_decay=0.0, …"),
    ("fa.Ensemble([net]).train_epoch(X, Y, sgd, batch_size=0)",
     "ValueError: [train_epoch] batch_size was 0; it must be an integer in [1, 2147483647]"),
    ("fa.Ensemble([net]).train_epoch(X, Y[:2], sgd, batch_size=1)",
     "ValueError: [train_epoch] Y has shape (2, 2); for 5 examples and 2 outputs it must be (5, 2)"),
    # Ensemble.step
    ('fa.Ensemble([net]).step(X, Y, "sgd")',
     "ValueError: [step] optimizer was 'sgd'; it must be one, or one for each of the 1 networks"),
    ("fa.Ensemble([net]).step(X, Y[:2], sgd)",
     "ValueError: [step] Y has shape (2, 2); for 5 examples and 2 outputs it must be (5, 2)"),
    ("fa.Ensemble([net]).step(5, Y, sgd)",
     "ValueError: [step] X has shape (); it must be (N, 3), with N at least 1"),
    ("fa.Ensemble([net]).step(X, Y, sgd, sample_weight=[1])",
     "ValueError: [step] sample_weight has shape (1,); …"),
    ("fa.Ensemble([net]).train_epoch(X, Y, sgd, batch_size=None)",
     "TypeError: [train_epoch] batch_size was None; it must be an integer in [1, 2147483647]"),
    # Ensemble.evaluate
    ("fa.Ensemble([net]).evaluate(X[:, :1], Y)",
     "ValueError: [evaluate] X has shape (5, 1); it must be (N, 3), with N at least 1"),
    # save
    ('fa.save(tmp / "x", 5)',
     "CheckpointError: [checkpoint] {tmp}/x can't be written: what was 5; it must be a Network, …"),
    ('fa.save(tmp / "none" / "x", net)',
     "FileNotFoundError: [Errno 2] No such file or directory: '{tmp}/none'"),
    ("fa.save(5, net)",
     "TypeError: [save] path was 5; it must be a path"),
    ('fa.save(tmp / "x", custom())',
     "CheckpointError: [checkpoint] {tmp}/x can't be written: feedback[0] was <test_misuse.Custom"),
    # load
    ("fa.load(5)",
     "TypeError: [load] path was 5; it must be a path"),
    ('fa.load(tmp / "none")',
     "FileNotFoundError: [Errno 2] No such file or directory: '{tmp}/none'"),
    ("fa.load(tmp)",
     "CheckpointError: [checkpoint] {tmp} is not a regular file"),
    ('fa.load(file("x"))',
     "CheckpointError: [checkpoint] {tmp}/file.txt is not a whole safetensors file: Error while …"),
    ("fa.load(saved(net), into=5)",
     "TypeError: [load] into was 5; it must be a Network, an Ensemble or a Trainer"),
    ("fa.load(saved(net), into=fa.Network(3, [fa.Dense(2)]))",
     "CheckpointError: [checkpoint] {tmp}/saved.safetensors is of another network: feedback was …"),
    # citation
    ("fa.citation(5)",
     "TypeError: [citation] net was 5; it must be a fastfa.Network"),
    # set_num_threads
    ("fa.set_num_threads(0)",
     "ValueError: [set_num_threads] n was 0; it must be an integer in [1, 1024]"),
    ('fa.set_num_threads("2")',
     "TypeError: [set_num_threads] n was '2'; it must be an integer in [1, 1024]"),
    # metrics.alignment
    ("fa.metrics.alignment(5, X, Y)",
     "TypeError: [alignment] net was 5; it must be a fastfa.Network"),
    ("fa.metrics.alignment(net, X[:, :1], Y)",
     "ValueError: [alignment] X has shape (5, 1); it must be (N, 3), with N at least 1"),
    ('fa.metrics.alignment(net, X, Y, measures=["nope"])',
     "ValueError: [alignment] measures[0] was 'nope'; it must be one of angle_bp, angle_bp_sd, …"),
    ("fa.metrics.alignment(net, X, Y, measures=[])",
     "TypeError: [alignment] measures was []; it must be a list of names from angle_bp, …"),
    # plots
    ("fa.plots.plot_angles([])",
     "ValueError: [plot_angles] rows was empty; it must hold at least one measurement"),
    ('fa.plots.plot_angles([{"layer": 0, "batch": 0, "descent": 1.0}])',
     "KeyError: [plot_angles] rows have no 'angle_bp'; they have: layer, batch, descent"),
    ("fa.plots.plot_history(fa.History())",
     "ValueError: [plot] history has no records with error or loss; train at least one epoch"),
    ('fa.plots.plot_history(fa.History([{"epoch": 1, "train_loss": 1.0}]), measure="error")',
     "ValueError: [plot] history has no records with 'error'; train at least one epoch (they have: …"),
    ("fa.plots.plot_learning_curves({})",
     "ValueError: [plot_learning_curves] histories was {}; it must name at least one history"),
    ('fa.plots.plot_learning_curves({"mine": fa.History()})',
     "ValueError: [plot_learning_curves] histories have no error or loss in common; name a key …"),
    ('fa.plots.plot_learning_curves({"mine": fa.History([{"epoch": 1, "note": "a"}])}, key="note")',
     "ValueError: [plot] key was 'note'; each record must have one number of that name"),
    # metrics.angle
    ("fa.metrics.angle([1, 2, 3], [1, 2])",
     "ValueError: [angle] u has shape (3,) and v (2,); they must be the same, or …"),
    # metrics.nse
    ("fa.metrics.nse(np.ones((2, 1)), np.ones((3, 1)))",
     "ValueError: [nse] output has shape (3, 1); it must be the target's, (2, 1)"),
    ("fa.metrics.nse(np.ones((2, 1)), np.ones((2, 1)))",
     "ValueError: [nse] target has no variance; it must hold different rows"),
    # metrics.error_rate
    ("fa.metrics.error_rate(net, X, labels[:3])",
     "ValueError: [error_rate] labels has 3 entries; X has 5 rows"),
    ("fa.metrics.error_rate(net, X, [0.5] * 5)",
     "ValueError: [error_rate] labels was an array of float64 and shape (5,); it must be …"),
    ("fa.metrics.error_rate(net, X, labels + 1)",
     "ValueError: [error_rate] labels lies in [1, 2]; the network has 2 outputs, so it must lie in "
     "[0, 1] (where labels count from 1, give labels - 1)"),
    ("fa.metrics.error_rate(net, X, labels - 1)",
     "ValueError: [error_rate] labels lies in [-1, 0]; the network has 2 outputs, so it must lie in "
     "[0, 1]"),
    # data.Split
    ("fa.data.Split(np.ones((2, 3)), np.zeros(3, int))",
     "ValueError: [Split] labels has shape (3,) and dtype int64; it must be (2,) and int64"),
    ("fa.data.Split(np.ones((2, 784)), np.zeros(2, int)).take([5])",
     "IndexError: [take] indices go from 5 to 5; they must be from 0 to 1"),
    ("fa.data.Split(np.ones((2, 784)), np.zeros(2, int)).split(1.5)",
     "ValueError: [split] fraction was 1.5; it must leave at least one of the 2 examples in each part"),
    ("fa.data.Split(np.ones((2, 784)), np.zeros(2, int)).split(0.5, seed=-1)",
     "ValueError: [split] seed was -1; it must not be negative"),
    # data.Distortion
    ("fa.data.Distortion(alpha=-1)",
     "ValueError: [Distortion] alpha was -1; it must be a finite number in [0, 10000]"),
    ("fa.data.Distortion(sigma=0)",
     "ValueError: [Distortion] sigma was 0; it must be a finite number in [0.001, 10000]"),
    ('fa.data.Distortion(translate="1")',
     "TypeError: [Distortion] translate was '1'; it must be a number in [0, 10000]"),
    ("fa.data.Distortion(rotate=np.nan)",
     "ValueError: [Distortion] rotate was nan; it must be a finite number in [0, 180]"),
    ("fa.data.Distortion(scale=2)",
     "ValueError: [Distortion] scale was 2; it must be a finite number in [0, 0.99]"),
    ("fa.data.Distortion(fill=None)",
     "TypeError: [Distortion] fill was None; it must be a number in [-1e+09, 1e+09]"),
    # data.dataset_info
    ('fa.data.dataset_info("mnits")',
     "ValueError: [data] name was 'mnits' (did you mean mnist?); it must be one of fashion-mnist, …"),
    # data.fetch_dataset
    ('fa.data.fetch_dataset("mnits")',
     "ValueError: [data] name was 'mnits' (did you mean mnist?); it must be one of fashion-mnist, …"),
    ('fa.data.fetch_dataset("mnist", timeout=0)',
     "ValueError: [fetch] timeout was 0; it must be a finite number in (0, inf)"),
    # data.from_arrays
    ("fa.data.from_arrays(np.ones((2, 3)), [0])",
     "ValueError: [from_arrays] labels has shape (1,); it must be (2,)"),
    ("fa.data.from_arrays(np.ones((2, 3)), [0, -1])",
     "ValueError: [from_arrays] labels[1] was -1; it must be from 0 to 1000000"),
    ("fa.data.from_arrays(np.ones((2, 3)), [0, 1], image_shape=(1, 2, 2))",
     "ValueError: [from_arrays] image_shape was (1, 2, 2); it must be three numbers above 0, "
     "(channels, height, width), of product 3"),
    ('fa.data.from_arrays("x", [0])',
     "TypeError: [from_arrays] x has dtype <U1; it must be of real numbers"),
    # data.load
    ('fa.data.load("mnits")',
     "ValueError: [data] name was 'mnits' (did you mean mnist?); it must be one of fashion-mnist, …"),
    ("fa.data.load(5)",
     "TypeError: [data] name was 5; it must be a string"),
    # data.locate
    ('fa.data.locate("mnits")',
     "ValueError: [data] name was 'mnits' (did you mean mnist?); it must be one of fashion-mnist, …"),
    # data.mfcc
    ("fa.data.mfcc([])",
     "ValueError: [mfcc] signal has shape (0,); it must be (160 or more,) and finite"),
    ("fa.data.mfcc(np.full(1000, np.nan))",
     "ValueError: [mfcc] signal has shape (1000,); it must be (160 or more,) and finite"),
    # data.normalise
    ("fa.data.normalise(np.ones((2, 3)), mean=0.0)",
     "TypeError: [normalise] mean and sd must be given both or not at all"),
    ('fa.data.normalise("x")',
     "TypeError: [normalise] x was str; it must be an array of float32 or float64"),
    # data.one_hot
    ("fa.data.one_hot([0, 3], 3)",
     "ValueError: [one_hot] labels[1] was 3; it must be from 0 to 2"),
    ("fa.data.one_hot([0.5], 3)",
     "TypeError: [one_hot] labels has dtype float64; it must be an integer one"),
    ("fa.data.one_hot([0], 2, low=None)",
     "TypeError: [one_hot] low was None; it must be a number"),
    ("fa.data.one_hot([0], 2, high='1')",
     "TypeError: [one_hot] high was '1'; it must be a number"),
    ("fa.data.one_hot([0], 2, dtype='x')",
     "TypeError: [one_hot] dtype was 'x'; it must be float32 or float64"),
    ("fa.data.one_hot([0], 0)",
     "ValueError: [one_hot] classes was 0; it must be a positive integer"),
    ("fa.data.one_hot([0], 2, low=np.nan)",
     "ValueError: [one_hot] low was nan and high 1.0; they must be finite, and low below high"),
    # data.permutation
    ("fa.data.permutation(-1, 0, 1)",
     "ValueError: [permutation] n was -1; it must be an integer of at least 0"),
    ("fa.data.permutation(3, -1, 1)",
     "ValueError: [permutation] seed was -1; it must be an integer in [0, 18446744073709551615]"),
    ('fa.data.permutation(3, 0, "1")',
     "TypeError: [permutation] epoch was '1'; it must be an integer in [0, 4294967295]"),
    # data.photo_background
    ("fa.data.photo_background(5)",
     "TypeError: [photo_background] base was 5; it must be a Dataset"),
    # data.read
    ('fa.data.read(file("x"))',
     "ValueError: [read] source was '{tmp}/file.txt'; it must end in .npz, .csv, .amat, .libsvm …"),
    ('fa.data.read(tmp / "none.csv")',
     "FileNotFoundError: [Errno 2] No such file or directory: '{tmp}/none.csv'"),
    ('fa.data.read(file("1,2\\n3,x\\n", "a.csv"))',
     "ValueError: [read] {tmp}/a.csv: row 2, field 2 is 'x'; it must be a finite number"),
    ('fa.data.read(file("1,2\\n3,4\\n", "a.csv"), label_column=7)',
     "ValueError: [read] label_column was 7; it must be from -2 to 1"),
    # data.read_amat
    ('fa.data.read_amat(file("x"))',
     "ValueError: [read_amat] {tmp}/file.txt: row 1 has 1 fields; it must have 785"),
    # data.read_idx
    ('fa.data.read_idx(file("x"))',
     "IdxError: [read_idx] {tmp}/file.txt: byte 1: the file ends within its header"),
    # data.read_libsvm
    ('fa.data.read_libsvm(file("0 a:1"))',
     "ValueError: [read_libsvm] {tmp}/file.txt: line 1 has 'a:1'; it must be index:value"),
    # data.write_idx
    ('fa.data.write_idx(tmp / "x", ["a"])',
     "TypeError: [write_idx] array has dtype <U1; it must be one of uint8, int8, int16, int32, …"),
    ("fa.data.write_idx(5, [1])",
     "TypeError: [write_idx] path was 5; it must be a path"),
    ("fa.data.Split([[1.0]], labels, (1, 1, 1))",
     "TypeError: [Split] x was [[1.0]]; it must be an ndarray"),
    ("fa.data.Split(X, None, (1, 1, 3))",
     "TypeError: [Split] labels was None; it must be an ndarray"),
    ("fa.data.Dataset('n', 5, 5, 2, (1, 1, 3))",
     "TypeError: [Dataset] train was 5; it must be a Split"),
    ("fa.data.fetch_dataset('mnist', mirror=5)",
     "TypeError: [fetch] mirror was 5; it must be an address"),
    ("fa.data.fetch_dataset('mnist', report='x')",
     "TypeError: [fetch] report was 'x'; it must be callable"),
    ("fa.metrics.error_rate(None, X, labels)",
     "TypeError: [error_rate] net was None; it must be a Network"),
    ("fa.metrics.angle(1, 2)",
     "ValueError: [angle] u and v are numbers; they must have at least one dimension"),
    ("fa.metrics.angle(X, X, axis=2)",
     "ValueError: [angle] axis was 2; it must be an integer in [-2, 1]"),
    ("fresh().feedback_step(None)",
     "TypeError: [feedback_step] e has dtype object …"),
    # sklearn.FeedbackAlignmentClassifier
    ("sk.FeedbackAlignmentClassifier(hidden_layer_sizes=(0,)).fit(X, labels)",
     "ValueError: [fit] hidden_layer_sizes was 0; it must be an integer in [1, 2147483647]"),
    ('sk.FeedbackAlignmentClassifier(hidden_layer_sizes="x").fit(X, labels)',
     "TypeError: [fit] hidden_layer_sizes was 'x'; it must be an integer in [1, 2147483647]"),
    ('sk.FeedbackAlignmentClassifier(activation="x").fit(X, labels)',
     "ValueError: [fit] activation was 'x'; it must be one of linear, logistic, tanh, relu, …"),
    ('sk.FeedbackAlignmentClassifier(feedback="x").fit(X, labels)',
     "ValueError: [Network] feedback was 'x'; it must be one of bp, fa, dfa, drtp, shallow, …"),
    ('sk.FeedbackAlignmentClassifier(optimizer="x").fit(X, labels)',
     "ValueError: [fit] optimizer was 'x'; it must be one of adam, sgd"),
    ("sk.FeedbackAlignmentClassifier(learning_rate=-1).fit(X, labels)",
     "ValueError: [fit] learning_rate was -1; it must be a finite number in [0, inf)"),
    ("sk.FeedbackAlignmentClassifier(batch_size=0).fit(X, labels)",
     "ValueError: [fit] batch_size was 0; it must be an integer in [1, 2147483647]"),
    ("sk.FeedbackAlignmentClassifier(max_epochs=0).fit(X, labels)",
     "ValueError: [fit] max_epochs was 0; it must be an integer of at least 1"),
    ('sk.FeedbackAlignmentClassifier(dtype="int8").fit(X, labels)',
     "ValueError: [fit] dtype was 'int8'; it must be one of float32, float64"),
    ("sk.FeedbackAlignmentClassifier(image_shape=(2, 2)).fit(X, labels)",
     "ValueError: [fit] image_shape was (2, 2); X has 3 features, and its sizes must multiply to that"),
    ('sk.FeedbackAlignmentClassifier(loss="x").fit(X, labels)',
     "ValueError: [Network] loss was 'x'; it must be one of squared_error, cross_entropy"),
    ("sk.FeedbackAlignmentClassifier().fit(X, labels, sample_weight=[-1] * 5)",
     "ValueError: [fit] sample_weight, times class_weight, lies in [-1, -1]; no weight may be …"),
    ("sk.FeedbackAlignmentClassifier().partial_fit(X, labels)",
     "ValueError: [partial_fit] classes was None; the first call must be given them"),
    ("sk.FeedbackAlignmentClassifier(early_stopping=True, validation_fraction=2).fit(X, labels)",
     "TypeError: [fit] validation_fraction was 2; it must be a float in (0, 1)"),
    ("sk.FeedbackAlignmentClassifier(early_stopping=True, validation_fraction=True).fit(X, labels)",
     "TypeError: [fit] validation_fraction was True; it must be a float in (0, 1)"),
    ("sk.FeedbackAlignmentClassifier(early_stopping=True, validation_fraction=None).fit(X, labels)",
     "TypeError: [fit] validation_fraction was None; it must be a number in (0, 1)"),
    ("sk.FeedbackAlignmentClassifier(early_stopping=True, validation_fraction=1.0).fit(X, labels)",
     "ValueError: [fit] validation_fraction was 1.0; it must be a finite number in (0, 1)"),
    # sklearn.FeedbackAlignmentRegressor
    ('sk.FeedbackAlignmentRegressor(activation="x").fit(X, labels)',
     "ValueError: [fit] activation was 'x'; it must be one of linear, logistic, tanh, relu, …"),
    ("sk.FeedbackAlignmentRegressor(n_iter_no_change=0, early_stopping=True).fit(X, labels)",
     "ValueError: [fit] n_iter_no_change was 0; it must be an integer of at least 1"),
    # data.load_svhn
    ('fa.data.load_svhn(tmp / "none")',
     "FileNotFoundError: [load_svhn] {tmp}/none/train_32x32.mat is not there"),
    # data.load_timit
    ('fa.data.load_timit(tmp / "none")',
     "FileNotFoundError: [load_timit] {tmp}/none has no folder train or TRAIN"),
]
# fmt: on

WITHOUT = {
    "Comparison": "compare makes it",
    "CheckpointError": "an error",
    "DeviceArray": "made by networks on devices alone",
    "DeviceError": "an error",
    "DivergenceError": "an error",
    "Evaluation": "made by evaluate",
    "Schedule": "abstract; what subclasses give is checked by Trainer.fit (a row of it)",
    "StepState": "made by forward_step",
    "TensorBoardLogger": "needs TensorBoard: tests/test_loggers.py",
    "build_info": "takes nothing",
    "get_cmake_dir": "takes nothing",
    "get_include": "takes nothing",
    "get_library_dir": "takes nothing",
    "get_num_threads": "takes nothing",
    "data.DataFile": "of the registry",
    "data.DatasetInfo": "of the registry",
    "data.DatasetNotFound": "an error",
    "data.FetchError": "an error",
    "data.IdxError": "an error",
    "data.Normalised": "made by normalise",
    "metrics.LayerAlignment": "made by alignment",
    "metrics.check_measures": "called by alignment and Alignment",
}


class Custom:
    """Feedback that is code."""

    def propagate(self, delta):
        return delta


class Names(dict):
    """What the calls speak of, made when they do."""

    def __init__(self, tmp: Path) -> None:
        super().__init__(fa=fa, np=np, X=X, Y=Y, labels=labels, sgd=sgd, tmp=tmp)
        self["net"] = self.fresh()

    def __missing__(self, name):
        if name == "sk":
            return pytest.importorskip("fastfa.sklearn", exc_type=ImportError)
        try:
            return getattr(self, name)
        except AttributeError:
            raise KeyError(name) from None

    @staticmethod
    def fresh():
        return fa.Network(3, [fa.Dense(4, "tanh"), fa.Dense(2)])

    def stepped(self):
        net = self.fresh()
        net.forward_step(X)
        return net

    def trainer(self, **more):
        return fa.Trainer(self.fresh(), sgd, **({"epochs": 1, "progress": False} | more))

    def saved(self, what):
        fa.save(self["tmp"] / "saved.safetensors", what)
        return self["tmp"] / "saved.safetensors"

    def file(self, text, name="file.txt"):
        (self["tmp"] / name).write_text(text, encoding="utf-8")
        return self["tmp"] / name

    @staticmethod
    def custom():
        rule = fa.Feedback(Custom())
        return fa.Network(3, [fa.Dense(3), fa.Dense(2)], feedback=rule)

    @staticmethod
    def bad_every():
        callback = fa.Callback()
        callback.every = 0
        return callback


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("call", "text"), ROWS, ids=[call for call, _ in ROWS])
def test_it_is_told(call, text, tmp_path):
    with pytest.raises(Exception) as raised:  # noqa: PT011
        eval(call, {}, Names(tmp_path))
    message = raised.value.args[0] if isinstance(raised.value, KeyError) else str(raised.value)
    said = f"{type(raised.value).__name__}: {message}".replace(str(tmp_path), "{tmp}")
    if text.endswith(" …"):
        assert said.startswith(text[:-2])
    else:
        assert said.split(" object at 0x")[0] == text


def test_every_public_name_has_a_row():
    calls = "\n".join(call for call, _ in ROWS)
    public = {name: getattr(fa, name) for name in fa.__all__}
    public |= {f"data.{name}": getattr(data, name) for name in data.__all__}
    public |= {
        f"metrics.{name}": value
        for name, value in vars(metrics).items()
        if getattr(value, "__module__", "") == metrics.__name__ and not name.startswith("_")
    }
    names = {
        name for name, value in public.items() if callable(value) and not inspect.ismodule(value)
    }
    missing = {name for name in names if not re.search(rf"\bfa\.{re.escape(name)}\b", calls)}
    assert missing == WITHOUT.keys(), "without a row, or said to be and not so"
    methods = {
        name for name, value in vars(fa.Network).items() if callable(value) and name[0] != "_"
    }
    assert not {name for name in methods if not re.search(rf"\.{name}\(", calls)}
