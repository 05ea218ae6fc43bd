#!/usr/bin/env python3
"""A network's inference in onnxruntime or OpenVINO, to compare with bench_steps --mode infer.

Speaks the protocol of `bench_steps --serve` (serving.py). MODEL is what `bench_steps NETWORK --write-onnx MODEL` writes.
"""
import argparse
import sys

sys.dont_write_bytecode = True

from serving import add_serving_options, serve  # noqa: E402

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("model")
parser.add_argument("--runtime", choices=["onnxruntime", "openvino"], default="onnxruntime")
add_serving_options(parser, batch_size=1)
options = parser.parse_args()


def onnxruntime_step():
    import numpy
    import onnxruntime
    session_options = onnxruntime.SessionOptions()
    session_options.intra_op_num_threads = options.threads
    session_options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(options.model, session_options, providers=["CPUExecutionProvider"])
    images = session.get_inputs()[0]
    x = numpy.random.default_rng(1).standard_normal((options.batch_size, *images.shape[1:]), numpy.float32)
    return lambda: session.run(None, {images.name: x})


def openvino_step():
    import numpy
    import openvino
    core = openvino.Core()
    model = core.read_model(options.model)
    shape = [options.batch_size, *(d.get_length() for d in list(model.input(0).get_partial_shape())[1:])]
    model.reshape(shape)
    compiled = core.compile_model(model, "CPU", {"INFERENCE_NUM_THREADS": options.threads, "PERFORMANCE_HINT": "LATENCY",
                                                 "INFERENCE_PRECISION_HINT": "f32"})
    request = compiled.create_infer_request()
    request.set_input_tensor(openvino.Tensor(numpy.random.default_rng(1).standard_normal(shape, numpy.float32)))
    return request.infer


serve(onnxruntime_step() if options.runtime == "onnxruntime" else openvino_step(), options)
