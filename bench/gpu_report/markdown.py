"""The report as a page that people read, made from the document alone."""

NOTHING = "–"


def table(header, rows):
    """A header that starts with `<` is of text; the others' cells are numbers, set to the right."""
    lines = ["| " + " | ".join(name.lstrip("<") for name in header) + " |",
             "|" + "|".join(":--" if name.startswith("<") else "--:" for name in header) + "|"]
    for row in rows:
        cells = [str(cell).replace("|", "\\|").replace("\n", " ").strip() or NOTHING for cell in row]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def number(value, digits=3):
    if value is None:
        return NOTHING
    text = f"{value:.{digits}g}"
    return f"{value:,.0f}" if "e" in text or abs(value) >= 1000 else text


def microseconds(seconds):
    return number(seconds * 1e6 if seconds is not None else None)


def milliseconds(values):
    return number(values["median"] * 1e3) if values else NOTHING


def ranged(values):
    return f"{values['median']:.2f} ({values['lowest']:.2f} … {values['highest']:.2f})" if values else NOTHING


def percent(value):
    return f"{100 * value:.0f} %" if value is not None else NOTHING


def share_of_largest(value):
    return f"{value:.1e}" if value is not None else NOTHING


def parts(document):
    rows = [[part["title"], part["status"], f"{part['seconds']:.0f}", part["why"]] for part in document["parts"]]
    return table(["<part", "<how it ended", "seconds", "<why"], rows)


def machine(document):
    return table(["<", "<"], [[name, value] for name, value in document["machine"].items()]).replace("|  |  |", "| what | value |", 1)


def goals(document):
    rows = [[g["goal"], g["what"], g["a"], g["b"], g["c"],
             f"not measured: {g['why']}" if g["measured"] is None and g["why"] else number(g["measured"])] for g in document["goals"]]
    return table(["<goal", "<what", "A", "B", "C", "measured"], rows)


def checks(rows):
    return table(["<what", "<backend", "<result", "<last line", "seconds"],
                 [[r["name"], r["backend"], r["result"], r["detail"], number(r["seconds"])] for r in rows])


def peaks(document):
    names = {"copy": "copy in memory, GB/s, read and written", "bf16": "product in bf16, TFLOP/s",
             "tf32": "product in TF32, TFLOP/s", "fp32": "product in float32, TFLOP/s"}
    rows = [[names[p["what"]], p["by"], number(p["value"] / (1e9 if p["what"] == "copy" else 1e12))] for p in document["peaks"]]
    return table(["<what", "<by", "value"], rows)


def steps(rows):
    pieces = []
    for row in rows:
        pieces.append(f"**`{row['network']}`, {'training' if row['mode'] == 'train' else 'inference'}, batch {row['batch']}, "
                      f"{row['precision']}**")
        of = {ratio["of"]: ratio for ratio in row["ratios"]}
        lines = []
        for entry in row["contestants"]:
            what = entry["name"] + (f": {entry['error']}" if entry["error"] else "")
            against = "1" if entry["name"] == "own" else ranged(of.get(entry["name"]))
            memory = entry["memory_bytes"]
            lines.append([what, milliseconds(entry["seconds"]), number(entry["images_per_second"], 4), against,
                          microseconds(entry["host_seconds"]), number(memory / 2**20) if memory else NOTHING])
        pieces.append(table(["<who", "ms a step", "images/s", "its time ÷ ours (lowest … highest)", "host µs a step", "MiB"], lines))
        pieces.append(busy(row["busy"]))
    return "\n\n".join(pieces)


def busy(traced):
    if traced["seconds"] is None:
        return f"Kernels busy ÷ wall time: not measured: {traced['why']}."
    share = percent(traced["share"]) if traced["share"] is not None else f"not measured: {traced['why']}"
    return (f"Kernels busy ÷ wall time, ours: {share}; {microseconds(traced['seconds'])} µs a step in {number(traced['launches'])} "
            f"kernels, copies and fills, whose blocks could fill {percent(traced['filled'])} of the multiprocessors "
            f"(a traced step takes {microseconds(traced['traced_seconds'])} µs).")


def kernels(document):
    pieces = []
    for t in document["kernels"]:
        pieces.append(f"**{t['precision']}, batch {t['batch']}**" + ("" if t["complete"] else " (cut off)"))
        rows = [[f"`{k['slot']}`", k["shape"], k["calls"], microseconds(k["floor"]), k["bound"],
                 microseconds(k["own"]["median"]) if k["own"] else NOTHING, percent(k["share"]),
                 microseconds(k["vendor"]["median"]) if k["vendor"] else NOTHING, ranged(k["ratio"]), share_of_largest(k["error"]),
                 share_of_largest(k["vendor_error"])] for k in t["rows"]]
        pieces.append(table(["<slot", "<shape", "calls a step", "floor µs", "<bound by", "own µs", "share of floor", "vendor µs",
                             "vendor ÷ own", "own error", "vendor's error"], rows))
        total = t["totals"]
        if total["own"]:
            pieces.append(f"All {total['kernels']} calls of one step, one by one: {number(total['own'] * 1e3)} ms, "
                          f"floor {number(total['floor'] * 1e3)} ms ({percent(total['floor'] / total['own'])}).")
    return "\n\n".join(pieces)


def training(document):
    rows = [[f"`{t['network']}`", t["seed"], t["epochs"], percent_exact(t["accuracy"]), number(t["process_seconds"]),
             number(t["training_seconds"]), number(t["seconds_to_target"])] for t in document["training"]]
    return table(["<network", "seed", "epochs", "test accuracy", "s, whole process", "s, training steps",
                  "s, training steps until validation reached 94 %"], rows)


def percent_exact(value):
    return f"{100 * value:.2f} %" if value is not None else NOTHING


HOW = """The floor of a kernel is the larger of its operations over the largest product measured in its precision and the bytes it must
move over the copy's bandwidth; its share is floor ÷ time. Kernels are timed in recordings of many calls, going round operands
that together are larger than the caches. A vendor's figure stands where its table holds another function than ours; for a shape
that its library does not take, that function calls our kernel. Batch norm "from x alone" makes its statistics itself, as
libraries do; in our step the convolution hands them over. The errors are the largest distance from what our kernels give in
float32 without tensor cores from the same numbers, as a share of the largest value. Whole steps are timed on images in the GPU's memory, warmed up, in
groups with one wait at the end. Who is compared takes turns, group by group; the figures are medians, ratios are made round by
round. PyTorch runs channels_last with a fused Adam and cuDNN's search; its images are ready as floats, while ours are gathered
from bytes and its metrics are counted in every step. "Host µs" is what the host needs to issue one step to an idle GPU. Kernels
busy is the time in which at least one kernel, copy or fill ran, from CUPTI's records of traced steps; since tracing slows steps
down, the wall time is that of the steps above, which are not traced. How much of the multiprocessors blocks could fill is the
mean of min(1, blocks ÷ multiprocessors) over the kernels, by duration."""


def render(document):
    def section(title, part, text, there):
        state = next((p for p in document["parts"] if p["id"] == part), None)
        why = f"{state['status']}{': ' + state['why'] if state['why'] else ''}" if state else "not reached"
        return f"## {title}\n\n" + (text(document) if there else f"Nothing measured ({why}).")

    d = document
    dry = ("> **Dry run.** On no GPU, with shapes made small: it shows that the report is whole. "
           "No figure here says anything about a GPU.\n\n") if d["dry_run"] else ""
    pieces = [
        f"# {d['title']}\n\n{dry}{d['date']}, by `{d['command']}`.",
        "## Parts\n\n" + parts(d),
        "## Machine\n\n" + machine(d),
        section("Goals", "steps", goals, d["goals"]),
        section("Tests", "tests", lambda _: checks(d["tests"]), d["tests"]),
        section("What the machine can do at most", "peaks", peaks, d["peaks"]),
        section("Whole steps of ResNet-18", "steps", lambda _: steps(d["steps"]), d["steps"]),
        section("Small networks", "small", lambda _: steps(d["small"]), d["small"]),
        section("Kernels one by one", "kernels", kernels, d["kernels"]),
        section("Time to 94 %", "training", training, d["training"]),
        section("compute-sanitizer", "sanitizers", lambda _: checks(d["sanitizers"]), d["sanitizers"]),
        "## How it was measured\n\n" + HOW,
    ]
    return "\n\n".join(pieces) + "\n"
