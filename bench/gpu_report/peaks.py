"""What this GPU can do at most, measured in the same run: the yardstick of every floor."""
import os

from .session import LeftOut, json_lines


def add(session, what, by, value):
    session.document["peaks"].append({"what": what, "by": by, "value": value})
    session.save()


def size_of(options):
    return "64" if options.dry_run else "8192"


def peaks(session):
    """Our own product first: it shows that the device works at all, and nothing else does what it does."""
    options = session.options
    for backend in options.backends:
        for number, precision in enumerate(options.precisions):
            result = session.run([os.path.join(options.build, "bin", "bench_ops"), "--peaks-only", "--json", "--peak-size", size_of(options),
                                  "--backend", backend, "--precision", precision], limit=60)
            for line in json_lines(result.output):
                name = {"cuda": "own kernels", "vendor": "cuBLAS", "emulated": "emulated device"}[line["peak_by"]]
                add(session, precision, name, line["peak_flops"])
                if number == 0 and backend == options.backends[0]:
                    add(session, "copy", "the driver", line["peak_bandwidth"])
    if not session.document["peaks"]:
        raise RuntimeError("nothing could be measured; the log says why")


def torch_peaks(session):
    options = session.options
    if not options.torch:
        raise LeftOut("no PyTorch here")
    script = os.path.join(options.root, "bench", "gpu_report", "torch_peaks.py")
    small = ["--bytes", "1000000"] if options.dry_run else []
    result = session.run([options.python, script, "--device", options.torch_device, "--size", size_of(options), *small], limit=120)
    for line in json_lines(result.output):
        add(session, line["what"], "PyTorch", line["value"])


def peak(document, what):
    """The largest value that anyone reached; None where nobody tried."""
    return max((row["value"] for row in document["peaks"] if row["what"] == what), default=None)
