"""Builds what the report runs, for this machine's GPU alone, and packs the headers that a bare machine lacks."""
import glob
import os
import shutil
import subprocess

from . import machine, steps
from .session import Incomplete, LeftOut

# In this order, so that a build which is cut off leaves the first: without them there is nothing to report.
NEEDED = ["tests_kernels", "bench_ops", "bench_steps"]
PACKAGES = ["libeigen3-dev", "nlohmann-json3-dev", "libcli11-dev", "catch2", "zlib1g-dev"]


def pack_dependencies(folder):
    """Copies the headers and CMake files of Debian's packages into `folder`, a prefix for CMAKE_PREFIX_PATH."""
    count = 0
    for package in PACKAGES:
        listed = subprocess.run(["dpkg", "-L", package], stdout=subprocess.PIPE, text=True)
        if listed.returncode != 0:
            raise SystemExit(f"gpu-report: package {package} is not installed here: run scripts/install-dependencies --tests")
        for path in listed.stdout.split("\n"):
            wanted = path.startswith("/usr/include/") or "/cmake/" in path or path.endswith(".a")
            if not wanted or not os.path.isfile(path):
                continue
            # A library's folder of this architecture becomes lib, where every CMake looks.
            parts = os.path.relpath(path, "/usr").split("/")
            kept = [part for part in parts if "-linux-gnu" not in part]
            to = os.path.join(folder, *kept)
            os.makedirs(os.path.dirname(to), exist_ok=True)
            shutil.copyfile(path, to)
            count += 1
    print(f"{count} files in {folder}: give it to gpu-report as --dependencies")


def python_package_folders(python):
    """Where PyTorch's own cuDNN and cuBLAS lie, so that both sides run the same library."""
    code = "import sysconfig; print(sysconfig.get_paths()['purelib']); import torch, os; print(os.path.dirname(os.path.dirname(torch.__file__)))"
    return list(dict.fromkeys(machine.output_of([python, "-c", code]).split()))


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
    if options.dependencies:
        arguments.append("-DCMAKE_PREFIX_PATH=" + os.path.abspath(options.dependencies))
    if options.dry_run:
        return arguments + ["-DTESSERA_CUDA=OFF"]
    arguments += ["-DTESSERA_CUDA=ON", "-DCMAKE_CUDA_COMPILER=" + machine.find_nvcc(),
                  f"-DCMAKE_CUDA_ARCHITECTURES={options.architecture}-real"]
    return arguments + [f"-D{name}={folder}" for name, folder in libraries.items() if folder and name.endswith("_INCLUDE_DIR")]


def build(session):
    options, facts = session.options, session.document["machine"]
    libraries = {}
    if not options.dry_run:
        libraries = vendor_libraries(options.python)
        for name in ("TESSERA_CUDNN", "TESSERA_CUBLAS", "TESSERA_CUPTI"):
            if libraries[name]:
                session.environment.setdefault(name, libraries[name])
            facts[name] = session.environment.get(name, "where the dynamic linker looks")
    if options.no_build:
        raise LeftOut("--no-build: the programs that lie in the build folder")
    if not options.dry_run and not (machine.find_nvcc() and options.architecture):
        raise RuntimeError("no nvcc or no GPU here; --dry-run tries the report on the emulated device")
    configured = session.run(["cmake", "-S", options.root, "-B", options.build, *configure_arguments(options, libraries)])
    if configured.code != 0:
        raise RuntimeError("cmake failed: " + configured.last_line())
    compiling = steps.warm_caches(session)
    try:
        for number, targets in enumerate((NEEDED, options.extra_targets)):
            built = session.run(["cmake", "--build", options.build, "--parallel", options.jobs, "--target", *targets])
            if built.code != 0 or built.timed_out:
                what = "the build" if number == 0 else "the build of " + " and ".join(targets)
                raise (RuntimeError if number == 0 else Incomplete)(what + " failed or was cut off; the log has the compiler's words")
    finally:
        for peer in compiling:
            peer.close()
