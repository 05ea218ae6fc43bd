"""Makes what the report runs: from a pack (pack.py), or by building it for this machine's GPU alone."""
import glob
import os
import shutil

from . import machine, pack
from .session import Incomplete, LeftOut

# In this order, so that a build which is cut off leaves the first: without them there is nothing to report.
NEEDED = ["tests_kernels", "bench_ops", "bench_steps"]


def python_package_folders(python):
    """Where PyTorch's own cuDNN and cuBLAS lie, so that both sides run the same library. (Without importing it: that takes long.)"""
    code = ("import importlib.util as u, os, sysconfig; print(sysconfig.get_paths()['purelib']); s = u.find_spec('torch');"
            "s and print(os.path.dirname(os.path.dirname(s.origin)))")
    return list(dict.fromkeys(machine.output_of([python, "-c", code]).splitlines()))


def first(patterns):
    for pattern in patterns:
        for found in sorted(glob.glob(pattern), reverse=True):
            return found
    return ""


def vendor_libraries(python):
    """Files of cuDNN, cuBLAS and CUPTI, and headers, among this Python's packages; empty words where there are none. CUPTI is
    the toolkit's where it has one."""
    folders = python_package_folders(python)
    toolkit = os.path.dirname(os.path.dirname(machine.find_nvcc()))
    places = [toolkit + part for part in ("/include", "/extras/CUPTI/include")]
    cupti = [] if first([place + "/cupti_activity.h" for place in places]) else folders
    return {
        "TESSERA_CUDNN": first([f + "/nvidia/cudnn/lib/libcudnn.so.9" for f in folders]),
        "TESSERA_CUBLAS": first([f + part for f in folders
                                 for part in ("/nvidia/cu*/lib/libcublas.so.1?", "/nvidia/cublas/lib/libcublas.so.1?")]),
        "TESSERA_CUPTI": first([f + part for f in cupti
                                for part in ("/nvidia/cu*/lib/libcupti.so.1?", "/nvidia/cuda_cupti/lib/libcupti.so.1?")]),
        "TESSERA_CUBLAS_INCLUDE_DIR": "" if os.path.exists(toolkit + "/include/cublas_v2.h") else os.path.dirname(
            first([f + part + "/include/cublas_v2.h" for f in folders for part in ("/nvidia/cu*", "/nvidia/cublas")])),
        "TESSERA_CUDNN_INCLUDE_DIR": os.path.dirname(first([f + "/nvidia/cudnn/include/cudnn_graph.h" for f in folders])),
        "TESSERA_CUPTI_INCLUDE_DIR": os.path.dirname(first([f + part + "/include/cupti_activity.h" for f in cupti
                                                            for part in ("/nvidia/cu*", "/nvidia/cuda_cupti")])),
    }


def configure_arguments(options, libraries):
    arguments = ["-DCMAKE_BUILD_TYPE=Release", "-DTESSERA_INSTALL=OFF", "-DCMAKE_POLICY_VERSION_MINIMUM=3.5"]
    if not os.path.exists(os.path.join(options.build, "CMakeCache.txt")):
        if shutil.which("ninja"):
            arguments += ["-G", "Ninja"]
        if shutil.which("ccache"):
            arguments += ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache", "-DCMAKE_CUDA_COMPILER_LAUNCHER=ccache"]
    headers = os.path.join(options.build, pack.DEPENDENCIES)
    if os.path.isdir(headers):
        arguments.append("-DCMAKE_PREFIX_PATH=" + headers)
    if options.dry_run:
        return arguments + ["-DTESSERA_CUDA=OFF"]
    arguments += ["-DTESSERA_CUDA=ON", "-DCMAKE_CUDA_COMPILER=" + machine.find_nvcc(),
                  f"-DCMAKE_CUDA_ARCHITECTURES={options.architecture}-real"]
    return arguments + [f"-D{name}={folder}" for name, folder in libraries.items() if folder and name.endswith("_INCLUDE_DIR")]


def programs_run(session):
    """Does a program that lies in the build folder find its libraries and the device here? None, or why not."""
    command = [os.path.join(session.options.build, "bin", "bench_ops"), "--peaks-only", "--peak-size", "64", "--json", "--backend",
               session.options.backends[0]]
    try:
        result = session.run(command, limit=60)
    except OSError as error:  # made for another machine
        return str(error)
    if result.code != 0 and "driver" in result.output:
        # The dynamic linker knows the driver's folder on most machines, not on all.
        folder = os.path.dirname(first(["/usr/local/nvidia/lib64/libcuda.so.1", "/usr/lib/x86_64-linux-gnu/libcuda.so.1",
                                        "/usr/local/cuda*/compat/libcuda.so.1"]))
        if folder:
            known = session.environment.get("LD_LIBRARY_PATH")
            session.environment["LD_LIBRARY_PATH"] = folder + (":" + known if known else "")
            result = session.run(command, limit=60)
    return None if result.code == 0 else "no answer in time" if result.timed_out else result.last_line()


def build(session):
    options, facts = session.options, session.document["machine"]
    libraries = {}
    if not options.dry_run:
        libraries = vendor_libraries(options.python)
        for name in ("TESSERA_CUDNN", "TESSERA_CUBLAS", "TESSERA_CUPTI"):
            if libraries[name]:
                session.environment.setdefault(name, libraries[name])
            facts[name] = session.environment.get(name, "where the dynamic linker looks")
    if options.pack:
        why = pack.unpack(options.pack, options.build) or programs_run(session)
        facts["Programs"] = "those of the pack" if why is None else f"built here, since the pack's do not run here: {why}"
        session.save()
        if why is None:
            return
    if options.no_build:
        raise LeftOut("--no-build: the programs that lie in the build folder")
    if not options.dry_run and not (machine.find_nvcc() and options.architecture):
        raise RuntimeError("no nvcc or no GPU here; --dry-run tries the report on the emulated device")
    configured = session.run(["cmake", "-S", options.root, "-B", options.build, *configure_arguments(options, libraries)])
    if configured.code != 0:
        raise RuntimeError("cmake failed: " + configured.last_line())
    for number, targets in enumerate((NEEDED, options.extra_targets)):
        built = session.run(["cmake", "--build", options.build, "--parallel", options.jobs, "--target", *targets])
        if built.code != 0 or built.timed_out:
            what = "the build" if number == 0 else "the build of " + " and ".join(targets)
            raise (RuntimeError if number == 0 else Incomplete)(what + " failed or was cut off; the log has the compiler's words")
