"""The kernels of ResNet-18's training step one by one: ours, the vendor's, and the floor."""
import os
import statistics

from .peaks import peak
from .session import LeftOut, TimeUp, json_lines


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
           "ratio": spread(ratios), "share": None}
    if floor and ours:
        row["share"] = floor / row["own"]["median"]
    return row


def totals(rows):
    """Of the kernels that the step calls, as often as it calls them."""
    called = [row for row in rows if row["calls"] and row["own"] and row["floor"]]
    return {"floor": sum(row["calls"] * row["floor"] for row in called),
            "own": sum(row["calls"] * row["own"]["median"] for row in called),
            "kernels": sum(row["calls"] for row in called)}


def measure(session, precision, batch):
    """One table, written as it grows."""
    options, document = session.options, session.document
    width = ["--width", "4"] if options.dry_run else []
    pattern = ["matmul,global*,batch_norm_training/*4x4*add*"] if options.dry_run else []
    table = {"precision": precision, "batch": batch, "rows": [], "totals": totals([]), "complete": False}

    def take(text):
        lines = [line for line in json_lines(text) if "slot" in line]
        if len(lines) == len(table["rows"]):
            return
        if not table["rows"]:
            document["kernels"].append(table)
        table["rows"] = [kernel_row(line, peak(document, precision), peak(document, "copy"), options.backends[0], "vendor")
                         for line in lines]
        table["totals"] = totals(table["rows"])
        session.save()

    result = session.run([os.path.join(options.build, "bin", "bench_ops"), *pattern, "--step", batch, *width, "--json",
                          "--precision", precision, "--backend", ",".join(options.backends),
                          "--peak-size", "1024" if not options.dry_run else "64", "--seconds", options.kernel_seconds], watch=take)
    take(result.output)
    table["complete"] = result.code == 0 and not result.timed_out
    session.save()
    if result.timed_out:
        raise TimeUp()
    if result.code != 0:
        raise RuntimeError("bench_ops: " + result.last_line())


def kernels(session):
    for precision, batch in session.options.kernel_tables:
        measure(session, precision, batch)
    if not session.document["kernels"]:
        raise LeftOut("no time was left")
