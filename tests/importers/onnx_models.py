# SPDX-License-Identifier: Apache-2.0
"""ONNX models for tests: a float network to quantize, and integer networks made by hand."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

SIZE = 12


def model(nodes, constants, inputs, outputs, opset=13):
    graph = helper.make_graph(
        nodes, "graph",
        [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in inputs],
        [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    domains = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=domains, ir_version=8)


def network(seed=0, pool="avg", rectified=True, extras=False):
    """Float: convolutions (dense, depthwise, 1x1), residual, concatenation, pools, Gemm, MatMul.

    ``extras`` adds Sigmoid, LeakyRelu and Mul.
    """
    rng = np.random.default_rng(seed)

    def random(*shape):
        return (rng.normal(size=shape) * 0.3).astype(np.float32)

    constants = {
        "w1": random(8, 3, 3, 3), "b1": random(8), "w2": random(8, 1, 3, 3), "b2": random(8),
        "w3": random(16, 8, 1, 1), "b3": random(16), "w4": random(16, 16, 3, 3), "b4": random(16),
        "b5": random(20), "w6": random(20, 10),
    }
    nodes = []

    def add(kind, inputs, name, **attributes):
        nodes.append(helper.make_node(kind, inputs, [name], name=f"n_{name}", **attributes))
        return name

    def relu(x, name):
        return add("Relu", [x], name) if rectified else x

    x = relu(add("Conv", ["x", "w1", "b1"], "c1", pads=[1, 1, 1, 1]), "r1")
    x = add("Conv", [x, "w2", "b2"], "c2", group=8, pads=[1, 1, 1, 1], strides=[2, 2])
    x = relu(x, "r2")
    y = relu(add("Conv", [x, "w3", "b3"], "c3"), "r3")
    z = add("Conv", [y, "w4", "b4"], "c4", pads=[1, 1, 1, 1])
    x = relu(add("Add", [y, z], "a1"), "r4")
    if extras:
        x = add("LeakyRelu", [add("Sigmoid", [x], "s")], "lr", alpha=0.1)
        x = add("Mul", [x, y], "mu")
    x = add("Concat", [x, y], "cc", axis=1)
    x = add("MaxPool", [x], "p1", kernel_shape=[2, 2], strides=[2, 2])
    count = 288
    if pool == "avg":
        x = add("AveragePool", [x], "p2", kernel_shape=[2, 2], strides=[1, 1], pads=[1, 1, 0, 0])
    elif pool == "global":
        x, count = add("GlobalAveragePool", [x], "p2"), 32
    constants["w5"] = random(count, 20)
    x = add("Flatten", [x], "fl")
    x = add("Relu", [add("Gemm", [x, "w5", "b5"], "g1")], "r5")
    add("MatMul", [x, "w6"], "y")
    return model(
        nodes, constants, [("x", TensorProto.FLOAT, [1, 3, SIZE, SIZE])],
        [("y", TensorProto.FLOAT, [1, 10])],
    )


def integer_network(seed=0, convolution=True, unsigned=True, groups=1, per_channel=True):
    """QOperator: QLinearConv, QLinearAdd, MaxPool, Transpose, Reshape and QLinearMatMul."""
    rng = np.random.default_rng(seed)
    dtype = np.uint8 if unsigned else np.int8
    kind = TensorProto.UINT8 if unsigned else TensorProto.INT8
    limits = np.iinfo(dtype)

    def integers(*shape):
        return rng.integers(limits.min, limits.max + 1, shape).astype(dtype)

    constants = {
        "xs": np.float32(0.031), "xz": dtype(limits.min + 117), "ys": np.float32(0.11),
        "yz": dtype(limits.min + 60), "ms": np.float32(0.2), "mz": dtype(limits.min + 128),
        "ws": np.float32(0.004), "wz": dtype(limits.min + 131),
    }
    nodes, shape, x = [], [1, 4, 6, 5], "x"
    if convolution:
        channels = 8
        count = channels if per_channel else 1
        constants.update(
            w=rng.integers(-128, 128, (channels, 4 // groups, 3, 2)).astype(np.int8),
            cs=rng.uniform(0.002, 0.02, count).astype(np.float32), cz=np.zeros(count, np.int8),
            b=rng.integers(-3000, 3000, channels).astype(np.int32),
        )
        nodes += [
            helper.make_node(
                "QLinearConv", ["x", "xs", "xz", "w", "cs", "cz", "ys", "yz", "b"], ["c"],
                group=groups, pads=[1, 0, 1, 1], strides=[1, 2],
            ),
            helper.make_node(
                "QLinearAdd", ["c", "ys", "yz", "c", "ys", "yz", "ms", "mz"], ["a"],
                domain="com.microsoft",
            ),
            helper.make_node("MaxPool", ["a"], ["p"], kernel_shape=[2, 2]),
        ]
        x, width = "p", 8 * 5 * 2
        parameters = ["ms", "mz"]
    else:
        width, parameters = 4 * 6 * 5, ["xs", "xz"]
    constants.update(shape=np.array([1, -1]), v=integers(width, 6))
    nodes += [
        helper.make_node("Transpose", [x], ["t"], perm=[0, 2, 3, 1]),
        helper.make_node("Reshape", ["t", "shape"], ["f"]),
        helper.make_node("QLinearMatMul", ["f", *parameters, "v", "ws", "wz", "ys", "yz"], ["y"]),
    ]
    return model(nodes, constants, [("x", kind, shape)], [("y", kind, [1, 6])])
