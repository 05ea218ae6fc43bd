"""One run of the report: its options, its deadline, its document, and the commands it runs.

The document is written after every part and every row, so that a run that is cut off leaves what it has measured.
"""
import concurrent.futures
import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time

STOP_SECONDS = 10  # a process that a GPU holds may outlive being killed: it is waited for no longer


class TimeUp(Exception):
    """The run's or the part's time is over."""


class LeftOut(Exception):
    """A part that this machine or this run has nothing for; the text says why."""


class Incomplete(Exception):
    """A part that failed, but left enough for the others to go on."""


class Result:
    def __init__(self, code, output, seconds, timed_out):
        self.code, self.output, self.seconds, self.timed_out = code, output, seconds, timed_out

    def last_line(self):
        lines = [line.strip() for line in self.output.splitlines() if line.strip(" =\n")]
        return lines[-1] if lines else "no output"


class Session:
    def __init__(self, options, document, write):
        self.options, self.document, self.write = options, document, write
        self.deadline = time.monotonic() + options.minutes * 60
        self.part_deadline = self.deadline
        self.environment = dict(os.environ)
        self.children = []
        self.torch = None  # the question what PyTorch there is, until it is answered (machine.TorchProbe)
        self.unpacking = None  # the process that writes out a pack's data set
        self.over = False

    def save(self):
        self.write(self.document)

    def deadline_left(self):
        return self.deadline - time.monotonic()

    def left(self):
        return min(self.deadline, self.part_deadline) - time.monotonic()

    def check_time(self, needed=0.2):
        if self.over or self.left() < needed:
            raise TimeUp()

    def log(self, text):
        with open(self.options.log, "a", encoding="utf-8") as log:
            log.write(text if text.endswith("\n") else text + "\n")

    def run(self, command, environment=None, limit=None, watch=None):
        """Runs to its end or to the deadline; output (both streams together) is kept either way, and goes to the log. `watch` is
        called with the output so far, once a second while there is more: what is measured is written before the end."""
        self.check_time()
        limit = min(self.left(), limit or 1e9)
        command = [str(word) for word in command]
        self.log("$ " + " ".join(command))
        start = time.monotonic()
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
            process = self.start(command, environment, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
            timed_out = not self.wait(process, start + limit, output, watch)
            self.stop(process)
            output.seek(0)
            text = output.read()
        result = Result(process.returncode, text, time.monotonic() - start, timed_out)
        ended = "stopped: time was up" if timed_out else f"exit {result.code}"
        self.log(f"{text}[{' '.join(command[:2])} …: {ended}, {result.seconds:.1f} s]\n")
        return result

    def run_all(self, commands, workers, limit, done):
        """Runs (key, command, environment) of a list, so many at a time, each for at most `limit` seconds; done(key, result) is
        called as each ends. TimeUp where there was no time for all of them."""
        with concurrent.futures.ThreadPoolExecutor(max_workers=workers) as pool:
            running = {pool.submit(self.run, command, environment, limit): key for key, command, environment in commands}
            missed = False
            for one in concurrent.futures.as_completed(running):
                try:
                    done(running[one], one.result())
                except TimeUp:
                    missed = True
        if missed:
            raise TimeUp()

    def wait(self, process, until, output, watch):
        """Until the process has ended or it is `until`; which of them."""
        seen = 0
        while True:
            left = until - time.monotonic()
            try:
                process.wait(min(left, 1.0) if watch else left)
                return True
            except subprocess.TimeoutExpired:
                if time.monotonic() >= until:
                    return False
            size = os.fstat(output.fileno()).st_size
            if size > seen:
                # Read by its place: the process writes where the file's own place is.
                watch(os.pread(output.fileno(), size, 0).decode("utf-8", "replace"))
                seen = size

    def start(self, command, environment=None, **streams):
        """A process of a group of its own, so that whatever it starts ends with it."""
        process = subprocess.Popen(command, env={**self.environment, **(environment or {})}, start_new_session=True, **streams)
        self.children.append(process)
        return process

    def stop(self, process):
        # The group may outlive its first process (a compiler's workers).
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.log(f"[process {process.pid} was killed and does not end]")
        if process in self.children:
            self.children.remove(process)

    def stop_all(self):
        """Kills whatever still runs, and waits for none of it; nothing is started from here on."""
        self.over = True
        for process in list(self.children):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)


def json_lines(text):
    """The JSON objects among the lines of a program's output; a last line that was cut is not one."""
    found = []
    for line in text.splitlines():
        if line.startswith("{"):
            with contextlib.suppress(json.JSONDecodeError):
                found.append(json.loads(line))
    return found
