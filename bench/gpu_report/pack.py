"""A pack: the report's programs, built for a GPU that is elsewhere, and the headers that building them anew would take, in one
archive. So a machine with a GPU loses no minute on compiling, and one without headers or registries can still compile.

  DIR/pack.tar.xz   bin/…, lib/… (libraries of our own, where there are any), dependencies/…
  DIR/pack.json     commit and architecture they were made from and for
  DIR/data/…        the data set, where one was given: with a program `unpack` in it, what `unpack FOLDER` writes is the data set
"""
import glob
import json
import os
import shutil
import subprocess
import tarfile
import tempfile

ARCHIVE, FACTS, DATA, DEPENDENCIES = "pack.tar.xz", "pack.json", "data", "dependencies"
PROGRAMS = ["tests_kernels", "tests_cuda", "tests_engine", "bench_ops", "bench_steps", "tessera"]
LINKS = {"train_resnet18": "tessera", "train_lenet5_relu": "tessera"}
PACKAGES = ["libeigen3-dev", "nlohmann-json3-dev", "libcli11-dev", "catch2", "zlib1g-dev"]  # Debian's, of headers


def add_dependencies(archive):
    """Headers and CMake files, as a prefix for CMAKE_PREFIX_PATH."""
    for package in PACKAGES:
        listed = subprocess.run(["dpkg", "-L", package], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        if listed.returncode != 0:
            raise SystemExit(f"gpu-pack: package {package} is not installed here: run scripts/install-dependencies --tests")
        for path in listed.stdout.split("\n"):
            wanted = path.startswith("/usr/include/") or "/cmake/" in path or path.endswith(".a")
            if wanted and os.path.isfile(path):
                # A library's folder of this architecture becomes lib, where every CMake looks.
                kept = [part for part in os.path.relpath(path, "/usr").split("/") if "-linux-gnu" not in part]
                archive.add(os.path.realpath(path), os.path.join(DEPENDENCIES, *kept))


def add_stripped(archive, path, name):
    with tempfile.TemporaryDirectory() as folder:
        stripped = os.path.join(folder, "stripped")
        subprocess.run(["strip", "-o", stripped, path], check=True)
        archive.add(stripped, name)


def make(folder, build, facts, dependencies):
    """Packs what lies in `build`."""
    import lzma  # a machine that unpacks may have a Python without it
    os.makedirs(folder, exist_ok=True)
    part = os.path.join(folder, ARCHIVE + ".part")
    # The programs hold the same libraries: a dictionary larger than one of them finds that.
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 1 << 26}]
    with lzma.open(part, "w", filters=filters) as stream, tarfile.open(fileobj=stream, mode="w|") as archive:
        for name in PROGRAMS:
            add_stripped(archive, os.path.join(build, "bin", name), "bin/" + name)
        for name, to in LINKS.items():
            link = tarfile.TarInfo("bin/" + name)
            link.type, link.linkname = tarfile.SYMTYPE, to
            archive.addfile(link)
        for path in glob.glob(os.path.join(build, "lib", "*.so*")):
            archive.add(path, "lib/" + os.path.basename(path)) if os.path.islink(path) else add_stripped(
                archive, path, "lib/" + os.path.basename(path))
        if dependencies:
            add_dependencies(archive)
    os.replace(part, os.path.join(folder, ARCHIVE))
    with open(os.path.join(folder, FACTS), "w", encoding="utf-8") as file:
        json.dump(facts, file)


def add_data(folder, data):
    to = os.path.join(folder, DATA)
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(data, to, copy_function=shutil.copyfile)
    for place, _, _ in os.walk(to):  # what was read-only there can be packed again here
        os.chmod(place, 0o755)


def facts_of(folder):
    with open(os.path.join(folder, FACTS), encoding="utf-8") as file:
        return json.load(file)


def unpack(folder, build):
    """The programs into build/bin, as a build would leave them; headers into build/dependencies. None, or why it cannot be."""
    for name in ("bin", "lib", DEPENDENCIES):
        shutil.rmtree(os.path.join(build, name), ignore_errors=True)
    os.makedirs(build, exist_ok=True)
    path = os.path.join(folder, ARCHIVE)
    try:
        with tarfile.open(path, "r:xz") as archive:
            archive.extractall(build)
    except tarfile.CompressionError:  # a Python without lzma
        if subprocess.run(["tar", "-xJf", path, "-C", build]).returncode != 0:
            return f"{ARCHIVE}: neither Python nor tar can unpack it"
    except Exception as error:  # among them lzma's own, which cannot be named without it
        return f"{ARCHIVE}: {error}"
    return None


def start_data(session):
    """Begins to write out the data set of a pack; nobody waits for it before a training needs it."""
    program = os.path.join(session.options.pack, DATA, "unpack")
    if os.path.exists(program):
        to = os.path.join(session.options.build, DATA)
        os.makedirs(to, exist_ok=True)
        session.unpacking = session.start([session.options.python, program, to], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                          stdin=subprocess.DEVNULL)


def data_of(session):
    """The data set of a pack, complete; None where there is none."""
    if not session.unpacking:
        data = os.path.join(session.options.pack, DATA)
        return data if os.path.isdir(data) else None
    try:
        if session.unpacking.wait(max(0.1, min(60, session.left()))) != 0:
            raise RuntimeError(f"the pack's data: its program ends with {session.unpacking.returncode}")
    except subprocess.TimeoutExpired:
        raise RuntimeError("the pack's data is not written out in time") from None
    to = os.path.join(session.options.build, DATA)
    inside = os.listdir(to)
    return os.path.join(to, inside[0]) if len(inside) == 1 else to
