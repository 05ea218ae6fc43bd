"""Whole steps: ours in its variants and PyTorch in its own, as processes that take turns on the GPU."""
import contextlib
import json
import os
import queue
import statistics
import subprocess
import tempfile
import threading

from .kernels import spread
from .session import TimeUp


class Peer:
    """A program that times steps when it is told to. Its lines are read by a thread, so that waiting can end."""

    def __init__(self, session, name, command):
        self.session, self.name, self.command = session, name, command
        self.errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        session.log("$ " + " ".join(command) + "   (peer)")
        self.process = session.start(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True)
        self.lines = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line.strip())
        self.lines.put(None)

    def expect(self, limit):
        """The next line; RuntimeError where the peer ends or `limit` seconds pass."""
        try:
            line = self.lines.get(timeout=max(0.1, min(limit, self.session.left())))
        except queue.Empty:
            raise RuntimeError("gave no answer in time") from None
        if line is None:
            self.errors.seek(0)
            words = [text.strip() for text in self.errors.read().splitlines() if text.strip()]
            self.session.log("\n".join(words[-20:]) or "no words")
            raise RuntimeError(words[-1][:160] if words else "ended without a word")
        return line

    def ready(self, limit):
        while self.expect(limit) != "ready":
            pass

    def ask(self, words, limit=120):
        self.process.stdin.write(f"{words}\n")
        self.process.stdin.flush()
        return self.expect(limit)

    def close(self):
        self.session.stop(self.process)
        self.errors.close()
        with contextlib.suppress(OSError):
            self.process.stdin.close()


def contestants(options, row):
    """Name and command of everyone who runs this row."""
    ours = [os.path.join(options.build, "bin", "bench_steps"), row["network"], "--mode", row["mode"], "--batch-size",
            str(row["batch"]), "--device", options.device, "--precision", row["precision"], "--serve"]
    # Without the kernels' name both compute the same: --kernels is for cuda.
    own = ours + (["--kernels", "own"] if not options.dry_run else [])
    found = {"own": own, "own, not recorded": own + ["--no-recording"]}
    if options.long:
        found["own, deterministic"] = own + ["--deterministic"]
    if "vendor" in options.backends:
        found["vendor"] = ours + ["--kernels", "vendor"]
    if options.torch:
        torch = [options.python, os.path.join(options.root, "bench", "torch_peer.py"), row["network"], "--mode", row["mode"],
                 "--batch-size", str(row["batch"]), "--device", options.torch_device, "--precision", row["precision"],
                 "--format", "channels_last", "--threads", "1" if options.dry_run else str(options.jobs)]
        found["PyTorch"] = torch
        if row["compile"] and options.torch["compile"]:
            found["PyTorch, compiled"] = torch + ["--compile", row["compile"]]
    return found


def measure(session, row):
    options, entries, peers = session.options, [], []
    for name, command in contestants(options, row).items():
        entry = {"name": name, "seconds": None, "images_per_second": None, "host_seconds": None, "memory_bytes": None,
                 "error": "", "samples": []}
        entries.append(entry)
        peers.append((entry, Peer(session, name, command)))
    try:
        for entry, peer in peers:
            with failing(entry):
                peer.ready(options.ready_seconds)
                # Long enough a group to be timed, and never one step alone on a GPU.
                entry["group"] = max(1, min(2000, int(options.group_seconds / float(peer.ask(options.first_group)))))
        for _ in range(options.rounds):
            for entry, peer in peers:
                if not entry["error"]:
                    with failing(entry):
                        entry["samples"].append(float(peer.ask(entry["group"])))
            if session.left() < 2:
                break
        for entry, peer in peers:
            if not entry["error"]:
                with failing(entry):
                    facts = json.loads(peer.ask("describe"))
                    entry["host_seconds"], entry["memory_bytes"] = facts["host_seconds"], facts["memory_bytes"]
    finally:
        for _, peer in peers:
            peer.close()
    for entry in entries:
        entry["seconds"] = spread(entry["samples"])
        if entry["seconds"]:
            entry["images_per_second"] = row["batch"] / entry["seconds"]["median"]
    return entries


@contextlib.contextmanager
def failing(entry):
    """One contestant's failure is its own: the others go on."""
    try:
        yield
    except (RuntimeError, OSError, ValueError) as error:
        entry["error"] = str(error) or type(error).__name__


def ratios(entries):
    """How many times as fast as each other contestant ours is, round by round."""
    samples = {entry["name"]: entry["samples"] for entry in entries}
    found = []
    for name, theirs in samples.items():
        values = [t / o for o, t in zip(samples["own"], theirs)]
        if name != "own" and values:
            found.append({"of": name, **spread(values)})
    return found


def rows_of(session, rows, section):
    for row in rows:
        session.check_time(5 if session.options.dry_run else 20)
        entries = measure(session, row)
        session.document[section].append({**row, "contestants": entries, "ratios": ratios(entries)})
        session.save()
        if session.left() < 1:
            raise TimeUp()
    broken = [entry["error"] for row in session.document[section] for entry in row["contestants"]
              if entry["error"] and entry["name"].startswith("own")]
    if broken:
        raise RuntimeError("ours: " + broken[0])


def steps(session):
    rows_of(session, session.options.step_rows, "steps")


def small(session):
    rows_of(session, session.options.small_rows, "small")


def median_of(document, network, batch, precision, name, mode="train"):
    """Of a contestant's seconds per step; None where it was not measured."""
    for row in document["steps"] + document["small"]:
        if (row["network"], row["batch"], row["precision"], row["mode"]) == (network, batch, precision, mode):
            for entry in row["contestants"]:
                if entry["name"] == name and entry["samples"]:
                    return statistics.median(entry["samples"])
    return None
