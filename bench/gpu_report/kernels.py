"""The kernels of ResNet-18's training step one by one: ours, the vendor's, and the floor."""
import os
import statistics

from .peaks import peak
from .session import LeftOut, TimeUp, json_lines

# How far a result may be from float32's, as a share of the largest value: some roundings of what is stored, and of operands.
LARGEST_ERROR = {"bf16": 0.02, "tf32": 0.01, "fp32": 1e-4}


def floor_of(row, flops_peak, bandwidth):
    """The least time this machine could take, and what sets it."""
    if not flops_peak or not bandwidth:
        return None, "no peak measured"
    compute, memory = row["flops"] / flops_peak, row["bytes"] / bandwidth
    return max(compute, memory), "arithmetic" if compute > memory else "memory"


def spread(samples):
    return {"median": statistics.median(samples), "lowest": min(samples), "highest": max(samples)} if samples else None


def kernel_row(line, flops_peak, bandwidth, own, vendor):
    floor, bound = floor_of(line, flops_peak, bandwidth)
    # bench_ops leaves the vendor out where its table holds our kernel.
    ours, theirs = line["seconds"].get(own, []), line["seconds"].get(vendor, [])
    ratios = [t / o for o, t in zip(ours, theirs)]  # of neighbours in time; above 1: ours is faster
    row = {"slot": line["slot"], "shape": line["variant"], "calls": line["calls"], "flops": line["flops"],
           "bytes": line["bytes"], "floor": floor, "bound": bound, "own": spread(ours), "vendor": spread(theirs),
           "ratio": spread(ratios), "share": None, "error": line["errors"].get(own), "vendor_error": line["errors"].get(vendor)}
    if floor and ours:
        row["share"] = floor / row["own"]["median"]
    return row


def totals(rows):
    """Of the kernels that the step calls, as often as it calls them."""
    called = [row for row in rows if row["calls"] and row["own"] and row["floor"]]
    return {"floor": sum(row["calls"] * row["floor"] for row in called),
            "own": sum(row["calls"] * row["own"]["median"] for row in called),
            "kernels": sum(row["calls"] for row in called)}


def passes(options, slots):
    """Backends and slots of one run of bench_ops after the other: ours alone, which takes seconds; then beside the vendor's where
    it has its own, which must first search for the fastest it has. `slots` is filled meanwhile."""
    yield options.backends[:1], ["matmul,global*,batch_norm_training/*4x4*add*"] if options.dry_run else []
    replaced = [slot for slot in options.replaced_slots if slot in slots]
    if len(options.backends) > 1 and replaced:
        yield options.backends, [",".join(replaced)]


def measure(session, precision, batch):
    """One table, written as it grows."""
    options, document = session.options, session.document
    table = {"precision": precision, "batch": batch, "rows": [], "totals": totals([]), "complete": False}
    lines, slots = {}, set()

    def take(text):
        found = {(line["slot"], line["variant"]): line for line in json_lines(text) if "slot" in line}
        if found.items() <= lines.items():
            return
        if not lines:
            document["kernels"].append(table)
        lines.update(found)
        slots.update(slot for slot, _ in found)
        table["rows"] = [kernel_row(line, peak(document, precision), peak(document, "copy"), options.backends[0], "vendor")
                         for line in lines.values()]
        table["totals"] = totals(table["rows"])
        session.save()

    for backends, pattern in passes(options, slots):
        result = session.run([os.path.join(options.build, "bin", "bench_ops"), *pattern, "--step", "resnet18", "--batch-size", batch, "--json", "--compare",
                              "--precision", precision, "--backend", ",".join(backends),
                              "--peak-size", "64" if options.dry_run else "1024", *(["--working-set", "0"] if options.dry_run else []),
                              "--seconds", options.kernel_seconds], watch=take)
        take(result.output)
        if result.timed_out:
            raise TimeUp()
        if result.code != 0:
            raise RuntimeError("bench_ops: " + result.last_line())
    table["complete"] = True
    session.save()


def kernels(session):
    for precision, batch in session.options.kernel_tables:
        measure(session, precision, batch)
    if not session.document["kernels"]:
        raise LeftOut("no time was left")
    wrong = [f"{row['slot']} {row['shape']}" for table in session.document["kernels"] for row in table["rows"]
             if (row["error"] or 0) > LARGEST_ERROR[table["precision"]]]
    if wrong:
        raise RuntimeError("far from float32's results: " + ", ".join(wrong))
