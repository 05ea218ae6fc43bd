"""The side of `bench_steps --serve` in the programs that others' libraries are timed by: says "ready" after the first steps, then answers
each line on standard input (a number: so many steps; else one group) with the seconds of one step. peer.py is the other side."""
import sys
import time


def add_serving_options(parser, batch_size=32):
    parser.add_argument("--batch-size", type=int, default=batch_size)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--group", type=int, default=1, help="steps that are timed at once")
    parser.add_argument("--warm-up", type=int, default=3, help="steps before it says that it is ready")


def serve(step, options, finish=lambda: None, answers=None):
    """step() does one, finish() waits for what it began; answers: what other words are answered by."""
    def seconds(steps):
        finish()
        start = time.perf_counter()
        for _ in range(steps):
            step()
        finish()
        return (time.perf_counter() - start) / steps

    seconds(max(1, options.warm_up))
    print("ready", flush=True)
    for line in sys.stdin:
        words = line.strip()
        if answers and words in answers:
            print(answers[words](), flush=True)
        else:
            print(f"{seconds(int(words) if words.isdigit() else options.group):.9f}", flush=True)
