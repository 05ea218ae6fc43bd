"""What a report's document looks like, and whether one does; read by the test of the dry run and by whoever reads reports."""
import math

NUMBER, TEXT, FLAG = "number", "text", "flag"


class Maybe:
    def __init__(self, inner):
        self.inner = inner


SPREAD = {"median": NUMBER, "lowest": NUMBER, "highest": NUMBER}
CHECK = {"name": TEXT, "backend": TEXT, "result": TEXT, "detail": TEXT, "seconds": NUMBER}
CONTESTANT = {"name": TEXT, "seconds": Maybe(SPREAD), "images_per_second": Maybe(NUMBER), "host_seconds": Maybe(NUMBER),
              "memory_bytes": Maybe(NUMBER), "error": TEXT, "samples": [NUMBER]}
BUSY = {"seconds": Maybe(NUMBER), "share": Maybe(NUMBER), "filled": Maybe(NUMBER), "launches": Maybe(NUMBER),
        "traced_seconds": Maybe(NUMBER), "why": TEXT}
STEPS = {"network": TEXT, "mode": TEXT, "batch": NUMBER, "precision": TEXT, "contestants": [CONTESTANT],
         "ratios": [{"of": TEXT, **SPREAD}], "busy": BUSY}
KERNEL = {"slot": TEXT, "shape": TEXT, "calls": NUMBER, "flops": NUMBER, "bytes": NUMBER, "floor": Maybe(NUMBER), "bound": TEXT,
          "own": Maybe(SPREAD), "vendor": Maybe(SPREAD), "ratio": Maybe(SPREAD), "share": Maybe(NUMBER), "error": Maybe(NUMBER), "vendor_error": Maybe(NUMBER)}
DOCUMENT = {
    "schema": NUMBER, "title": TEXT, "dry_run": FLAG, "date": TEXT, "command": TEXT, "machine": dict,
    "parts": [{"id": TEXT, "title": TEXT, "status": TEXT, "why": TEXT, "seconds": NUMBER}],
    "goals": [{"goal": TEXT, "what": TEXT, "a": TEXT, "b": TEXT, "c": TEXT, "measured": Maybe(NUMBER), "why": TEXT}],
    "tests": [CHECK], "sanitizers": [CHECK],
    "peaks": [{"what": TEXT, "by": TEXT, "value": NUMBER}],
    "steps": [STEPS], "small": [STEPS],
    "kernels": [{"precision": TEXT, "batch": NUMBER, "rows": [KERNEL], "complete": FLAG,
                 "totals": {"floor": NUMBER, "own": NUMBER, "kernels": NUMBER}}],
    "training": [{"network": TEXT, "seed": NUMBER, "epochs": NUMBER, "accuracy": Maybe(NUMBER), "process_seconds": NUMBER,
                  "training_seconds": NUMBER, "seconds_to_target": Maybe(NUMBER), "complete": FLAG}],
}


def problems(value, shape=None, where="document"):
    """Everything in which `value` is not of `shape`, in words."""
    shape = DOCUMENT if shape is None else shape
    if isinstance(shape, Maybe):
        return [] if value is None else problems(value, shape.inner, where)
    if shape is NUMBER:
        right = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        return [] if right else [f"{where} is no finite number: {value!r}"]
    if shape is TEXT:
        return [] if isinstance(value, str) else [f"{where} is no text: {value!r}"]
    if shape is FLAG:
        return [] if isinstance(value, bool) else [f"{where} is neither true nor false: {value!r}"]
    if shape is dict:
        return [] if isinstance(value, dict) and value else [f"{where} holds nothing"]
    if isinstance(shape, list):
        if not isinstance(value, list):
            return [f"{where} is no list"]
        return [text for i, item in enumerate(value) for text in problems(item, shape[0], f"{where}[{i}]")]
    if not isinstance(value, dict):
        return [f"{where} is no object"]
    missing = [f"{where} has no {name}" for name in shape if name not in value]
    return missing + [text for name in shape if name in value for text in problems(value[name], shape[name], f"{where}.{name}")]
