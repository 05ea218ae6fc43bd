"""The other side of `bench_steps --serve` and of torch_peer.py: a program that says "ready" after its first steps and then answers
each line that it is sent with the seconds of one step."""
import queue
import threading


class Peer:
    """Of a process with pipes at both ends, in text. Its lines are read by a thread, so that waiting can end."""

    def __init__(self, process):
        self.process = process
        self.lines = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line.strip())
        self.lines.put(None)

    def last_words(self):
        return "ended without a word"

    def expect(self, limit=None):
        """The next line; RuntimeError where the program ends or `limit` seconds pass."""
        try:
            line = self.lines.get(timeout=limit)
        except queue.Empty:
            raise RuntimeError("gave no answer in time") from None
        if line is None:
            raise RuntimeError(self.last_words())
        return line

    def ready(self, limit=None):
        while self.expect(limit) != "ready":
            pass

    def ask(self, words, limit=None):
        self.process.stdin.write(f"{words}\n")
        self.process.stdin.flush()
        return self.expect(limit)
