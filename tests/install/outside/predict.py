"""libtessera_c through ctypes, beside the program: predict.py LIBRARY TESSERA WEIGHTS

A random picture must get the probabilities that `tessera predict` gives its PNG; wrong calls are refused with words; two threads
with a handle each get the answers of one.
"""
import ctypes
import json
import random
import struct
import subprocess
import sys
import tempfile
import threading
import zlib

library, program, weights = sys.argv[1:]
c = ctypes.CDLL(library)
c.tessera_load.restype = ctypes.c_void_p
c.tessera_load.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
c.tessera_free.argtypes = [ctypes.c_void_p]
c.tessera_predict.argtypes = [ctypes.c_void_p, ctypes.c_char_p] + 3 * [ctypes.c_int64] + [ctypes.POINTER(ctypes.c_float)]
c.tessera_classes.restype = ctypes.c_int64
c.tessera_classes.argtypes = [ctypes.c_void_p]
c.tessera_class_name.restype = c.tessera_last_error.restype = ctypes.c_char_p
c.tessera_class_name.argtypes = [ctypes.c_void_p, ctypes.c_int64]

HEIGHT, WIDTH = 50, 70
random.seed(1)
pixels = bytes(random.randrange(256) for _ in range(HEIGHT * WIDTH * 3))


def png():
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + pixels[i:i + 3 * WIDTH] for i in range(0, len(pixels), 3 * WIDTH))
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def load():
    net = c.tessera_load(weights.encode(), None)
    assert net, c.tessera_last_error()
    return net


def predict(net, images, count):
    p = (ctypes.c_float * (count * c.tessera_classes(net)))()
    assert c.tessera_predict(net, images, count, HEIGHT, WIDTH, p) == 0, c.tessera_last_error()
    return list(p)


net = load()
classes = c.tessera_classes(net)
ours = predict(net, pixels, 1)
assert abs(sum(ours) - 1) < 1e-5
with tempfile.NamedTemporaryFile(suffix=".png") as file:
    file.write(png())
    file.flush()
    said = subprocess.run([program, "predict", weights, file.name, "--json", "--top", "1000"], capture_output=True, text=True,
                          check=True).stdout
for answer in json.loads(said.splitlines()[-1])["top"]:
    assert abs(ours[answer["label"]] - answer["probability"]) < 1e-6, (ours, answer)
    assert c.tessera_class_name(net, answer["label"]).decode() == answer["class"]
assert predict(net, 150 * pixels, 150)[-classes:] == ours  # more than one batch
assert c.tessera_class_name(net, classes) is None and c.tessera_class_name(net, -1) is None

p = (ctypes.c_float * classes)()
assert c.tessera_predict(net, pixels, 1, 0, WIDTH, p) == 2 and b"no size" in c.tessera_last_error()
assert c.tessera_predict(net, None, 1, HEIGHT, WIDTH, p) == 2 and b"null" in c.tessera_last_error()
assert c.tessera_predict(net, pixels, 0, HEIGHT, WIDTH, p) == 0 and c.tessera_last_error() == b""
assert not c.tessera_load(b"/no/such/file", None) and b"/no/such/file" in c.tessera_last_error()

answers = {}


def in_a_thread(name):
    mine = load()
    answers[name] = [predict(mine, pixels, 1) for _ in range(20)]
    c.tessera_free(mine)


threads = [threading.Thread(target=in_a_thread, args=(i,)) for i in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert all(answer == ours for i in range(2) for answer in answers[i])
c.tessera_free(net)
c.tessera_free(None)
print(f"libtessera_c through Python: {classes} classes, the probabilities of the program")
