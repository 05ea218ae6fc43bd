"""What the tests of scripts/gpu-report share: where the repository is, and checks that are counted."""
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "bench"))  # for the report's own modules

failures = []


def check(right, words):
    if not right:
        failures.append(words)
        print("FAILED: " + words)


def finish(name):
    print(f"{name}: {len(failures)} failures")
    sys.exit(bool(failures))
