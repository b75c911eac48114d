# SPDX-License-Identifier: Apache-2.0
"""Single layers: each kind on the accelerator, against the reference kernels."""

import numpy as np
import pytest
from graphs import GraphBuilder

import weft
from weft.compiler.checker import check
from weft.compiler.network import compile_network
from weft.operators.checks import check_graph
from weft.operators.interpreter import run


def on_accelerator(build, output, config=None, host=()):
    """Compile, check, run and compare; returns the compiled model."""
    config = config or weft.Config()
    graph, values = build.graph(output), build.values()
    check_graph(graph)
    model = compile_network(graph, config)
    assert [entry["kind"] for entry in model.host_operators] == list(host)
    for program in model.programs:
        assert check(config, program) == []
    with weft.open("simulator", config, track=True) as device:
        result = device.run(model, values)
    assert np.array_equal(result.outputs[0], run(graph, values)[output])
    return model


@pytest.mark.parametrize(
    "shape,channels,kernel,stride,dilation,padding",
    [
        ((1, 8, 8, 16), 16, (3, 3), (1, 1), (1, 1), "SAME"),
        ((2, 9, 7, 5), 21, (3, 5), (2, 1), (1, 1), "SAME"),
        ((1, 33, 20, 3), 8, (7, 7), (2, 2), (1, 1), "SAME"),
        ((1, 20, 20, 20), 12, (17, 2), (1, 3), (1, 1), "VALID"),
        ((1, 14, 15, 18), 9, (3, 3), (1, 2), (3, 2), "SAME"),
        ((1, 49, 10, 1), 16, (10, 4), (2, 2), (1, 1), "SAME"),
        ((3, 1, 1, 70), 33, (1, 1), (1, 1), (1, 1), "VALID"),
    ],
)
def test_convolution(shape, channels, kernel, stride, dilation, padding):
    build = GraphBuilder(1)
    x = build.input(shape)
    on_accelerator(build, build.convolution(x, channels, kernel, stride, dilation, padding))


def test_groups():
    build = GraphBuilder(2)
    x = build.input((1, 6, 6, 24))
    on_accelerator(build, build.convolution(x, 36, (3, 3), groups=4))


@pytest.mark.parametrize("times", [1, 2, 3])
def test_depthwise(times):
    build = GraphBuilder(3)
    x = build.input((1, 11, 10, 21))
    on_accelerator(build, build.depthwise(x, (3, 3), (2, 1), times=times))


@pytest.mark.parametrize("kind", ["AVERAGE_POOL_2D", "MAX_POOL_2D"])
@pytest.mark.parametrize("extent,stride", [((2, 2), (2, 2)), ((3, 5), (1, 2)), ((70, 3), (9, 1))])
def test_pooling(kind, extent, stride):
    build = GraphBuilder(4)
    x = build.input((1, 75, 9, 10))
    on_accelerator(build, build.pool(x, kind, extent, stride))


@pytest.mark.parametrize("kind", ["ADD", "SUB"])
def test_sums(kind):
    build = GraphBuilder(6)
    a, b = build.input((2, 5, 7, 19)), build.input((2, 5, 7, 19))
    on_accelerator(build, build.sum(a, b, kind))


def test_a_negated_rescaling_that_rounds_differently_stays_on_the_host():
    build = GraphBuilder(5)
    a, b = build.input((1, 2, 2, 4)), build.input((1, 2, 2, 4))
    model = on_accelerator(build, build.sum(a, b, "SUB"), host=["SUB"])
    assert "rounds some values differently" in model.host_operators[0]["reason"]


@pytest.mark.parametrize("kind", ["LOGISTIC", "RELU", "ELU", "GELU"])
def test_functions_of_one_element(kind):
    build = GraphBuilder(6)
    on_accelerator(build, build.unary(build.input((3, 50)), kind))


def test_functions_behind_a_convolution_are_fused():
    build = GraphBuilder(7)
    x = build.convolution(build.input((1, 6, 6, 4)), 10, (3, 3))
    x = build.unary(build.unary(x, "ELU"), "LOGISTIC")
    model = on_accelerator(build, x)
    assert len(model.manifest) == 1 and len(model.manifest[0]["operators"]) == 3


def test_padding_is_fused():
    build = GraphBuilder(8)
    x = build.pad(build.input((1, 6, 5, 17)), (2, 1), (0, 3))
    model = on_accelerator(build, build.convolution(x, 6, (3, 3), (2, 2), padding="VALID"))
    assert len(model.manifest) == 1


def test_a_feature_map_is_flattened_without_moving_it():
    build = GraphBuilder(9)
    x = build.convolution(build.input((2, 5, 6, 8)), 12, (3, 3))
    x = build.reshape(x, (2, 5 * 6 * 12))
    model = on_accelerator(build, build.dense(x, 30))
    stores = [i for i in model.programs[0].instructions if i.opcode.name == "STORE"]
    assert sum(i["bytes"] * i["count_x"] * i["count_y"] for i in stores) == 60


def test_fully_connected_in_batches_and_without_accelerator_before():
    build = GraphBuilder(10)
    on_accelerator(build, build.dense(build.input((37, 130)), 45))


def test_mean():
    build = GraphBuilder(12)
    on_accelerator(build, build.mean(build.input((2, 7, 9, 20))))


def test_a_long_reduction_goes_to_the_host():
    build = GraphBuilder(13)
    config = weft.Config(max_reduction_depth=100)
    y = build.dense(build.input((1, 130)), 5)
    model = on_accelerator(build, y, config, host=["FULLY_CONNECTED"])
    assert "max_reduction_depth" in model.host_operators[0]["reason"]


def test_without_vector_unit_all_operators_run_on_the_host():
    build = GraphBuilder(14)
    y = build.dense(build.input((1, 13)), 5)
    model = on_accelerator(build, y, weft.Config(vector_lanes=0), host=["FULLY_CONNECTED"])
    assert not model.programs


@pytest.mark.parametrize("depth", [16, 32, 64, 256])
def test_tensors_larger_than_the_scratchpad_go_through_dram(depth):
    build = GraphBuilder(15)
    config = weft.Config(rows=4, cols=4, activation_depth=depth, weight_depth=32,
                         accumulator_depth=32, parameter_depth=16, axi_width=32)
    x = build.convolution(build.input((1, 12, 13, 9)), 14, (3, 3))
    y = build.convolution(x, 14, (3, 3))
    y = build.sum(x, y)
    y = build.pool(y, "MAX_POOL_2D", (2, 2), (2, 2))
    on_accelerator(build, build.depthwise(y, (3, 3)), config)
