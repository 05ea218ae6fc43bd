#!/usr/bin/env python3
"""Files that mean harm, through the programs: hostile_weights.py BUILD SAMPLES [--verbose] (tests/files/samples)

Weights made by Python's own pickle, zipfile and struct, and damaged ones of Keras', are given to every program that reads
weights. Each must end with exit code 4 and one or two lines that give the reason, soon and with little memory; what a pickle
asks for must not happen, and no file may appear or change. Where strace is, nothing may be executed and no file opened to be
written. An undamaged file of each format comes first; Keras' are left out, and that is said, where the build has no HDF5
library. Python's standard library alone.
"""
import hashlib
import io
import os
import pathlib
import pickle
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib

build, samples = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
verbose = "--verbose" in sys.argv
most_seconds, most_bytes = 60, 400 << 20
strace_of_nothing = ["strace", "-qq", "-e", "trace=execve", "true"]  # it may be there and not be allowed
can_trace = shutil.which("strace") and subprocess.run(strace_of_nothing, capture_output=True).returncode == 0
nameless = "a network named as a path"  # tried without --network


class Calls:
    """Pickles as a call of `function`, which unpickling would make."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


class Builds(Calls):
    """… with a state that __setstate__ would be given."""

    def __reduce__(self):
        return (*self.call, {"x": 1})


def archive(*members, method=zipfile.ZIP_STORED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as file:
        for name, data in members:
            file.writestr(zipfile.ZipInfo(name), data, method)
    return out.getvalue()


def torch_of(thing, protocol=2):
    return archive(("a/data.pkl", pickle.dumps(thing, protocol)), ("a/byteorder", "little"), ("a/data/0", bytes(64)))


def with_bytes(data, at, new):
    return data[:at] + new + data[at + len(new) :]


def npy(header, data=b""):
    header = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def safetensors(header, data=b"", length=None):
    header = header.encode()
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def hdf5_files():
    good = (samples / "three.weights.h5").read_bytes()
    yield "an end of file of 2^60", "HDF5 cannot read it", with_bytes(good, 40, struct.pack("<Q", 1 << 60))  # superblock 0
    yield "a root group beyond the file", "HDF5 cannot read it", with_bytes(good, 64, struct.pack("<Q", 1 << 40))
    yield "offsets of 200 bytes", "HDF5 cannot read it", with_bytes(good, 13, b"\xc8")
    yield "a superblock of version 99", "HDF5 cannot read it", with_bytes(good, 8, b"\x63")
    tree, heap, node = (good.index(mark) for mark in (b"TREE", b"HEAP", b"SNOD"))
    yield "a tree of 65535 entries", "a group that cannot be read", with_bytes(good, tree + 6, b"\xff\xff")
    yield "a tree that is its own child", "a group that cannot be read", with_bytes(good, tree + 32, struct.pack("<Q", tree))
    yield "a heap of 2^56 bytes", "a name that cannot be read", with_bytes(good, heap + 8, struct.pack("<Q", 1 << 56))
    yield "a heap whose data are elsewhere", "a name that cannot be read", with_bytes(good, heap + 24, struct.pack("<Q", 1 << 50))
    yield "a node of 65535 names", "a group that cannot be read", with_bytes(good, node + 6, b"\xff\xff")
    yield "a name at 2^48", "a name that cannot be read", with_bytes(good, node + 8, struct.pack("<Q", 1 << 48))
    extents = struct.pack("<QQQQ", 3, 3, 1, 2)
    yield "an extent of 2^62", "an extent of 4611686018427387904", good.replace(extents, struct.pack("<QQQQ", 1 << 62, 3, 1, 2))
    wrapping = struct.pack("<QQQQ", 1 << 32, 1 << 32, 1 << 32, 2)
    yield "extents whose product is 0 in 64 bits", "an extent of 4294967296", good.replace(extents, wrapping)
    yield "cut after its first half", "HDF5 cannot read it", good[: len(good) // 2]


def files(canary):
    shell = f"touch {canary}"
    yield "os.system", "pth", "asks for 'posix.system'", torch_of({"w": Calls(os.system, shell)})
    yield "os.system, protocol 4", "pth", "asks for 'posix.system'", torch_of({"w": Calls(os.system, shell)}, 4)
    yield "subprocess.Popen", "pth", "Popen', which is no part of weights", torch_of({"w": Calls(subprocess.Popen, shell, -1, None)})
    yield "eval", "pth", "eval', which is no part of weights", torch_of({"w": Calls(eval, f"open({str(canary)!r}, 'w')")})
    yield "exec with a state", "pth", "exec', which is no part of weights", torch_of({"w": Builds(exec, f"open({str(canary)!r}, 'w')")})
    yield "open to write", "pth", "asks for 'io.open'", torch_of({"w": Calls(open, str(canary), "w")})
    yield "getattr", "pth", "getattr', which is no part of weights", torch_of({"w": Calls(getattr, "x", "upper")})
    yield "import", "pth", "__import__', which is no part of weights", torch_of({"w": Calls(__import__, "os")})
    yield "a call as a key", "pth", "asks for 'posix.mkdir'", torch_of({Calls(os.mkdir, str(canary)): 1})
    yield "a call behind the state dict", "pth", "asks for 'posix.mkdir'", torch_of([{"w": 1.0}, Calls(os.mkdir, str(canary))])
    yield "rmtree", "pdparams", "asks for 'shutil.rmtree'", pickle.dumps({"w": Calls(shutil.rmtree, str(canary.parent))}, 2)
    yield "os.system in Paddle's, protocol 4", "pdparams", "asks for 'posix.system'", pickle.dumps({"w": Calls(os.system, shell)}, 4)
    yield "a pickle of protocol 5 with a buffer", "pdparams", "holds no arrays", pickle.dumps({"w": pickle.PickleBuffer(b"x" * 100)}, 5)
    yield "lists 100,000 deep", "pdparams", "holds a list", b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b"."
    yield "doubled 60 times", "pdparams", "holds a list", b"\x80\x02]q\x00" + b"(h\x00h\x00e" * 60 + b"."
    yield "a memo of 2^32", "pdparams", "memo number 4294967295", b"\x80\x02]r\xff\xff\xff\xff."
    yield "a persistent load of a path", "pth", "no storage of torch", torch_of_raw(b"\x80\x02X\x0b\x00\x00\x00/etc/passwdQ.")
    one = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", bytes(4))
    yield "../", "npz", "leads out of the archive", archive(("../../escaped.npy", one))
    yield "an absolute path", "npz", "is not relative", archive((f"{canary}.npy", one))
    yield "a bomb of a gigabyte", "npz", "would come out of this file", bomb(1 << 30)
    nulls = archive(("a/data.pkl", bytes(100 << 20)), method=zipfile.ZIP_DEFLATED)
    yield "a bomb in a pickle's place", "pth", "would come out of this file", nulls
    yield "a link", "npz", "no NumPy array", link("/etc/passwd")
    yield "a header that calls", "npz", "without '{'", archive(("a.npy", npy(f"__import__('os').system({shell!r})", bytes(4))))
    objects = npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", pickle.dumps(Calls(os.system, shell)))
    yield "an array of objects", "npz", "elements of type '|O'", archive(("a.npy", objects))
    large = npy(f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({1 << 63},), }}", bytes(4))
    yield "a shape of 2^63", "npz", "a shape that is not of numbers", archive(("a.npy", large))
    code = '{"module":"os","class_name":"system","config":"' + shell + '"}'
    yield "a .keras with code", "keras", "HDF5 cannot read it", archive(("config.json", code), ("model.weights.h5", b"not HDF5"))
    outside = archive(("../model.weights.h5", b"x"), ("metadata.json", "{}"))
    yield "a .keras whose weights are ../", "keras", "leads out of the archive", outside

    def f32(shape, begin, end):
        return f'{{"dtype":"F32","shape":{shape},"data_offsets":[{begin},{end}]}}'

    yield "a header of 2^63 bytes", "safetensors", "header length 9223372036854775808", safetensors("{}", length=1 << 63)
    overlapping = f'{{"a":{f32([2], 0, 8)},"b":{f32([2], 4, 12)}}}'
    yield "offsets that overlap", "safetensors", "overlap the tensor before", safetensors(overlapping, bytes(12))
    nothing = f'{{"a":{f32([1 << 32, 1 << 32], 0, 0)}}}'
    yield "a shape whose product is 0 in 64 bits", "safetensors", "more than 2^64 bytes", safetensors(nothing)
    yield nameless, "safetensors", "weights of '../../etc/passwd'", safetensors('{"__metadata__":{"network":"../../etc/passwd"}}')
    odd = f'{{"__metadata__":{{"network":"lenet5_relu"}},"\\u001b]0;x\\u0007":{f32([1], 0, 4)}}}'
    yield "escape sequences in a name", "safetensors", "unknown: \\x1b]0;x\\x07", safetensors(odd, bytes(4))
    for name, reason, data in hdf5_files():
        yield name, "h5", reason, data


def controls():
    """An undamaged file of each format, which must be read: what a program says of the others is then said of the harm in them."""
    whole = safetensors('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', bytes(4))
    yield "safetensors", whole
    for name in ("state.pth", "protocol2.pdparams", "stored.npz", "three.keras", "three.weights.h5"):
        yield name.rsplit(".", 1)[1], (samples / name).read_bytes()


def torch_of_raw(data):
    return archive(("a/data.pkl", data), ("a/byteorder", "little"))


def bomb(size):
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    plain = bytes(1 << 20)
    packed = b"".join(squeeze.compress(plain) for _ in range(size >> 20)) + squeeze.flush()
    name, crc = b"a.npy", 0
    for _ in range(size >> 20):
        crc = zlib.crc32(plain, crc)
    local = struct.pack("<IHHHHH", 0x04034B50, 20, 0, 8, 0, 33) + struct.pack("<IIIHH", crc, len(packed), size, len(name), 0)
    local += name + packed
    sizes = struct.pack("<IIIH", crc, len(packed), size, len(name))
    entry = struct.pack("<IHHHHHH", 0x02014B50, 20, 20, 0, 8, 0, 33) + sizes + bytes(16) + name
    return local + entry + struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 1, 1, len(entry), len(local), 0)


def link(target):
    out = io.BytesIO()
    info = zipfile.ZipInfo("a.npy")
    info.create_system, info.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(out, "w") as file:
        file.writestr(info, target)
    return out.getvalue()


def tree(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in sorted(folder.rglob("*"))
    }


def outside_calls(trace):
    """What strace saw of programs started and files opened to be written: nothing gets as far as that."""
    lines = trace.read_text(errors="replace").splitlines()
    started = [line for line in lines if "execve" in line]
    written = [line for line in lines if any(word in line for word in ("O_WRONLY", "O_RDWR", "O_CREAT", "creat("))]
    return started[1:] + [line for line in written if "/dev/null" not in line]


def check(program, file, folder, label, reason):
    """Faults, and what was said."""
    out, trace = folder / "out.safetensors", folder.parent / "trace"
    words = {
        "convert": ["convert", file, out, "--network", "lenet5_relu"],
        "evaluate": ["evaluate", file, "synthetic", "--network", "lenet5_relu"],
        "predict": ["predict", file, "synthetic", "--index", "0", "--network", "lenet5_relu"],
        "summary": ["summary", file, "--network", "lenet5_relu"],
    }[program]
    command = [str(build / "bin" / "tessera"), *map(str, words[:-2] if label == nameless else words)]
    traced = program == "convert" and can_trace
    if traced:
        command = ["strace", "-f", "-qq", "-o", str(trace), "-e", "trace=execve,execveat,open,openat,creat", *command]
    before = tree(folder)
    try:
        done = subprocess.run(command, capture_output=True, timeout=most_seconds, cwd=folder)
    except subprocess.TimeoutExpired:
        return [f"{label}: {program} took more than {most_seconds} s"], ""
    faults = []
    lines = done.stderr.decode(errors="replace").splitlines()
    if done.returncode != 4:
        faults.append(f"exit code {done.returncode}")
    if not 1 <= len(lines) <= 2:
        faults.append(f"{len(lines)} lines on standard error")
    if any(byte < 32 and byte != 10 for byte in done.stderr):
        faults.append("control characters on standard error")
    if tree(folder) != before:
        faults.append("files have changed")
    if traced:
        faults += outside_calls(trace)
    said = " | ".join(lines)
    if reason not in said:  # else it may be refused for what was not to be tried
        faults.append(f"was not refused for: {reason}")
    return [f"{label}: {program}: {fault}\n    {said[:300]}" for fault in faults], said


def main():
    faults, count, left_out = [], 0, set()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name) / "work"
        folder.mkdir()

        def give(label, ending, reason, data):
            file = folder / f"w.{ending}"
            file.write_bytes(data)
            found = [check(program, file, folder, label, reason) for program in ("convert", "evaluate", "predict", "summary")]
            file.unlink()
            return [fault for more, _ in found for fault in more], found[-1][1].replace(str(folder), "")

        for ending, data in controls():
            more, said = give(f"an undamaged .{ending}", ending, "these are not the weights of this network", data)
            if "no HDF5 library" in said:
                left_out.add(ending)
            else:
                faults += more
        for label, ending, reason, data in files(folder / "canary"):
            if ending in left_out:
                continue
            more, said = give(label, ending, reason, data)
            faults += more
            if verbose:
                print(f"{label}: {said}")
            count += 1
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    if peak > most_bytes:
        faults.append(f"a program took {peak >> 20} MiB")
    if faults:
        sys.exit("\n".join(faults))
    seen = "" if can_trace else " (not watched by strace)"
    if left_out:
        seen += f" (left out, since this build has no HDF5 library: {', '.join(sorted(left_out))})"
    print(f"{count} files through 4 programs: each refused, nothing executed or changed{seen}; at most {peak >> 20} MiB")


main()
