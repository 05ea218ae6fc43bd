"""What this GPU can do at most, measured in the same run: the yardstick of every floor."""
import os

from .session import json_lines


def add(session, what, by, value):
    session.document["peaks"].append({"what": what, "by": by, "value": value})
    session.save()


def peaks(session):
    options = session.options
    size = "64" if options.dry_run else "8192"
    if options.torch:
        script = os.path.join(options.root, "bench", "gpu_report", "torch_peaks.py")
        small = ["--bytes", "1000000"] if options.dry_run else []
        result = session.run([options.python, script, "--device", options.torch_device, "--size", size, *small], limit=120)
        for line in json_lines(result.output):
            add(session, line["what"], "PyTorch", line["value"])
    for backend in options.backends[::-1]:
        for number, precision in enumerate(options.precisions):
            result = session.run([os.path.join(options.build, "bin", "bench_ops"), "--peaks-only", "--json", "--peak-size", size,
                                  "--backend", backend, "--precision", precision], limit=120)
            for line in json_lines(result.output):
                name = {"cuda": "own kernels", "vendor": "cuBLAS", "emulated": "emulated device"}[line["peak_by"]]
                add(session, precision, name, line["peak_flops"])
                if number == 0 and backend == options.backends[0]:
                    add(session, "copy", "the driver", line["peak_bandwidth"])
    if not session.document["peaks"]:
        raise RuntimeError("nothing could be measured; the log says why")


def peak(document, what):
    """The largest value that anyone reached; None where nobody tried."""
    return max((row["value"] for row in document["peaks"] if row["what"] == what), default=None)
