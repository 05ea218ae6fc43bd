"""Whole steps: ours in its variants and PyTorch in its own, as processes that take turns on the GPU."""
import contextlib
import json
import os
import statistics
import subprocess
import tempfile
import time

from peer import Peer

from . import machine
from .kernels import spread
from .session import TimeUp, json_lines


READY_SHARE = 0.5  # of the time left, at most, until all contestants of a row have warmed up
BUSY_SECONDS = 30  # to start, warm up and trace
COMPILED = "PyTorch, compiled"
# Ours are ready in two seconds; then the vendor's library, which compiles and searches, so that it has the most time.
READY_ORDER = {"own": 0, "vendor": 1, COMPILED: 3}
NOT_TRACED = {"seconds": None, "share": None, "filled": None, "launches": None, "traced_seconds": None, "why": "no time was left"}


class SessionPeer(Peer):
    """One that the session starts and stops, within the time that the session has left."""

    def __init__(self, session, name, command):
        self.session, self.name, self.command = session, name, command
        self.errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        session.log("$ " + " ".join(command) + "   (peer)")
        super().__init__(session.start(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True))

    def expect(self, limit=120):
        return super().expect(max(0.1, min(limit, self.session.left())))

    def last_words(self):
        self.errors.seek(0)
        words = [text.strip() for text in self.errors.read().splitlines() if text.strip()]
        self.session.log("\n".join(words[-20:]) or "no words")
        return words[-1][:160] if words else super().last_words()

    def ask(self, words, limit=120):
        return super().ask(words, limit)

    def close(self):
        self.session.stop(self.process)
        self.errors.close()
        with contextlib.suppress(OSError):
            self.process.stdin.close()


def ours_of(options, row, kernels):
    command = [os.path.join(options.build, "bin", "bench_steps"), row["network"], "--mode", row["mode"], "--batch-size",
               str(row["batch"]), "--device", options.device, "--precision", row["precision"]]
    # Without the kernels' name both compute the same: --kernels is for cuda.
    return command + (["--kernels", kernels] if options.device == "cuda" else [])


def torch_of(options, row):
    return [options.python, os.path.join(options.root, "bench", "torch_peer.py"), row["network"], "--mode", row["mode"],
            "--batch-size", str(row["batch"]), "--device", options.torch_device, "--precision", row["precision"],
            "--format", "channels_last", "--threads", "1" if options.dry_run else str(options.jobs)]


def contestants(options, row):
    """Name and command of everyone who runs this row."""
    own = ours_of(options, row, "own") + ["--serve"]
    found = {"own": own, "own, not recorded": own + ["--no-recording"]}
    if options.long:
        found["own, deterministic"] = own + ["--deterministic"]
    torch = torch_of(options, row)
    if options.torch:
        found["PyTorch"] = torch
    if "vendor" in options.backends and row["vendor"]:
        found["vendor"] = ours_of(options, row, "vendor") + ["--serve"]
    if options.torch and row["compile"] and options.torch["compile"]:
        found[COMPILED] = torch + ["--compile", row["compile"]]
    return found


def warm_caches(session):
    """Lets PyTorch compile what the steps will ask for while the tests run, since its compiler keeps what it has made on disk.
    Returns the processes; nobody times anything before they are stopped."""
    options, peers = session.options, []
    if options.long or options.dry_run:
        return peers
    for row in options.step_rows + options.small_rows:
        if row["compile"]:
            # Whether this Python has a PyTorch that compiles is being asked meanwhile: else it ends at once.
            peers.append(SessionPeer(session, COMPILED, torch_of(options, row) + ["--compile", row["compile"]]))
    return peers


def settle_torch(session):
    """Waits for the answer what PyTorch there is. One for CPUs is none, beside a GPU."""
    options = session.options
    if not session.torch:
        return
    python, facts = session.torch.answer(max(1.0, min(90.0, session.left() / 2)))
    session.torch = None
    if facts and (facts["gpu"] or options.torch_device == "cpu"):
        options.python, options.torch = python, facts
    session.document["machine"]["PyTorch"] = machine.words_of_torch(facts) + (
        "" if options.torch or not facts else ", which sees no GPU: left out")


def measure(session, row, measured):
    """Times one row, which is written as it grows."""
    options, entries, peers = session.options, measured["contestants"], {}
    commands = contestants(options, row)
    for name in commands:
        entries.append({"name": name, "seconds": None, "images_per_second": None, "host_seconds": None, "memory_bytes": None,
                        "error": "", "samples": []})
    # Who is late is left out: time must be left to measure those who are ready.
    ready_by = time.monotonic() + min(options.ready_seconds, READY_SHARE * session.left())
    order = sorted(entries, key=lambda entry: READY_ORDER.get(entry["name"], 2))
    try:
        for entry in order:
            name = entry["name"]
            # Whoever is not the last leaves half of the time to those who follow.
            seconds = (ready_by - time.monotonic()) * (1 if entry is order[-1] else 0.5)
            with failing(entry):
                peers[name] = peers.get(name) or SessionPeer(session, name, commands[name])
                peers[name].ready(seconds)
                # Long enough a group to be timed, and never one step alone on a GPU.
                first = float(peers[name].ask(options.first_group))
                entry["group"] = max(1, min(2000, int(options.group_seconds / first)))
                if name == "own":  # kept, whatever becomes of the others
                    entry["samples"].append(float(peers[name].ask(entry["group"])))
                    evaluate(row, measured)
                    session.save()
                    entry["samples"].clear()
            if name == "own" and not options.long:
                # One after the other, since each looks for its fastest kernels as it warms up. Only compiling takes nothing from
                # the GPU for long, and in a short run it must begin at once.
                if COMPILED in commands:
                    peers[COMPILED] = SessionPeer(session, COMPILED, commands[COMPILED])
        for _ in range(options.rounds):
            for entry in entries:
                if not entry["error"]:
                    with failing(entry):
                        entry["samples"].append(float(peers[entry["name"]].ask(entry["group"])))
            evaluate(row, measured)
            session.save()
            if session.left() < 2:
                break
        for entry in entries:
            if not entry["error"]:
                with failing(entry):
                    facts = json.loads(peers[entry["name"]].ask("describe"))
                    entry["host_seconds"], entry["memory_bytes"] = facts["host_seconds"], facts["memory_bytes"]
    finally:
        for peer in peers.values():
            peer.close()


def evaluate(row, measured):
    for entry in measured["contestants"]:
        entry["seconds"] = spread(entry["samples"])
        if entry["seconds"]:
            entry["images_per_second"] = row["batch"] / entry["seconds"]["median"]
    measured["ratios"] = ratios(measured["contestants"])


def busy(session, row, entries):
    """How much of a step anything runs on the GPU: traced in a process of its own, over the wall time of the row's steps, which
    are not traced. Where it cannot be had, `why` says so, and nothing else fails."""
    found = {**NOT_TRACED, "why": ""}
    try:
        result = session.run(ours_of(session.options, row, "own") + ["--busy"], limit=BUSY_SECONDS)
        measured = next((line for line in json_lines(result.output) if "busy_seconds" in line), None)
        wall = next((entry["seconds"] for entry in entries if entry["name"] == "own"), None)
        if measured:
            found.update(seconds=measured["busy_seconds"], filled=measured["filled"], launches=measured["launches"],
                         traced_seconds=measured["traced_seconds"])
            if wall:
                found["share"] = measured["busy_seconds"] / wall["median"]
            else:
                found["why"] = "the steps themselves were not measured"
        else:
            found["why"] = "no time was left" if result.timed_out else result.last_line()[:300].removeprefix("error: ")
    except TimeUp:
        return NOT_TRACED
    return found


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
    settle_torch(session)
    for row in rows:
        session.check_time(session.options.row_seconds)
        measured = {**{key: value for key, value in row.items() if key != "vendor"}, "contestants": [], "ratios": [], "busy": NOT_TRACED}
        session.document[section].append(measured)
        measure(session, row, measured)
        session.save()
        measured["busy"] = busy(session, row, measured["contestants"])
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
