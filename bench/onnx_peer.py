#!/usr/bin/env python3
"""A network's inference in onnxruntime or OpenVINO, to compare with bench_steps --mode infer.

Speaks the protocol of `bench_steps --serve`, as torch_peer.py does. MODEL is what `bench_steps NETWORK --write-onnx MODEL` writes.
"""
import argparse
import sys
import time

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("model")
parser.add_argument("--runtime", choices=["onnxruntime", "openvino"], default="onnxruntime")
parser.add_argument("--batch-size", type=int, default=1)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--group", type=int, default=1)
parser.add_argument("--warm-up", type=int, default=3, help="steps before it says that it is ready")
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


step = onnxruntime_step() if options.runtime == "onnxruntime" else openvino_step()


def seconds(steps):
    start = time.perf_counter()
    for _ in range(steps):
        step()
    return (time.perf_counter() - start) / steps


seconds(max(1, options.warm_up))
print("ready", flush=True)
for line in sys.stdin:
    print(f"{seconds(int(line) if line.strip().isdigit() else options.group):.9f}", flush=True)
