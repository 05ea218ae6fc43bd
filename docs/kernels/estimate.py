#!/usr/bin/env python3
"""Estimates what the convolutions of a ResNet-18 step (32×32 images, batch 512, bf16) take on an H100, before and after the main
loops were rewritten, and prints the table of docs/kernels.md. Computed: nothing here was measured. What it knows:

  counts       instructions a round, by kernel and tile, from docs/results/gpu-main-loops.md (sm_90)
  RATES        of a multiprocessor, a clock: 4 instructions, of which 80 % are assumed to find a warp ready; a tensor-core
               instruction each 1.59 (mma.sync at the 62.9 % of the peak that papers report); 128 bytes of shared memory;
               24.6 bytes from L2 (5.7 TB/s for all). The largest of the four is a step's time.
  the launch   tiles, splits and blocks a multiprocessor as gemm.h chooses them; a block begins and ends in the time of 8 steps

Windows that overlap: `now` is a range, from L1 keeping nothing to L1 keeping two of three readings of a 3×3 window.

  docs/kernels/estimate.py            what the convolutions take
  docs/kernels/estimate.py --splits   how full splits keep the multiprocessors, and what stream-K would add
"""
import math
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
MULTIPROCESSORS, CLOCK, MEMORY, PEAK = 132, 1.755e9, 3.0e12, 798e12
ISSUE, HMMA, SHARED, L2 = 4 * 0.8, 1.59, 128, 5.7e12 / MULTIPROCESSORS / CLOCK
BATCH = 512
# name, calls, images' channels, filters, filter, stride, output side
LAYERS = [("first layer", 1, 3, 64, 3, 1, 32), ("64 at 32²", 4, 64, 64, 3, 1, 32), ("128 at 16²", 3, 128, 128, 3, 1, 16),
          ("256 at 8²", 3, 256, 256, 3, 1, 8), ("512 at 4²", 3, 512, 512, 3, 1, 4),
          ("3×3/2 to 128", 1, 64, 128, 3, 2, 16), ("3×3/2 to 256", 1, 128, 256, 3, 2, 8), ("3×3/2 to 512", 1, 256, 512, 3, 2, 4),
          ("1×1/2 to 128", 1, 64, 128, 1, 2, 16), ("1×1/2 to 256", 1, 128, 256, 1, 2, 8), ("1×1/2 to 512", 1, 256, 512, 1, 2, 4)]
WARPS = {(256, 128): (64, 64), (128, 128): (64, 64), (256, 64): (64, 64), (64, 192): (64, 48)}  # others: by age


def counts():
    """{age: {(kernel, tile, copies): (instructions, HMMA, blocks)}} of the two tables."""
    found = {}
    with open(os.path.join(HERE, "..", "results", "gpu-main-loops.md"), encoding="utf-8") as file:
        for line in file:
            if line.startswith("## "):
                table = found.setdefault("before" if "Before" in line else "now", {})
            cells = [c.strip() for c in line.strip("|\n").split("|")]
            if len(cells) == 15 and cells[1] == "Bf16" and cells[5] == "sm_90":
                table[cells[0], tuple(map(int, cells[2].split("×"))), cells[3]] = (
                    int(cells[6].rstrip("+")), int(cells[7].split()[0]), int(cells[14]))
    return found


def half_empty(lines, tile):
    return math.ceil(lines / (tile // 2)) % 2 == 1


def tile_of(age, kernel, rows, columns, whole):
    """(tile, copies)"""
    weights = kernel == "conv2d_backward_weights"
    if not whole:
        return ((64, 32), "chunks, elements") if weights and age == "now" else ((64, 128) if weights else (128, 64), "elements")
    if half_empty(rows if weights else columns, 128):
        return ((64, 192 if age == "now" else 128) if weights else (256, 64)), "chunks"
    if age == "now" and (not half_empty(rows, 256) or rows > 4096):
        return (256, 128), "chunks"
    return (128, 128), "chunks"


def join_cost(tile, shares):
    """Of adding so many tiles' shares by a launch of its own, in steps, as gemm.h counts it."""
    return 12 * 128 * 128 // (tile[0] * tile[1]) + shares // 8


def split_cost(tiles, steps, splits, tile, blocks):
    join = join_cost(tile, splits * tiles) if splits > 1 else 0
    return math.ceil(tiles * splits / (MULTIPROCESSORS * blocks)) * blocks * (math.ceil(steps / splits) + 8) + join


def stream_cost(tiles, steps, tile, blocks):
    """Of stream-K (Osama et al., 2023): as many blocks as run at once, each with as many steps, wherever tiles end. Of the 8 steps of a
    beginning and an end, the beginning is paid once a block, the end for each tile. Blocks that begin or end within a tile leave a
    share, which goes through memory and a join as those of splits do."""
    slots = MULTIPROCESSORS * blocks
    each = math.ceil(tiles * steps / slots)
    shares = slots + min(tiles, slots) if tiles % slots else 0
    return blocks * (each + 4 + 4 * math.ceil(tiles / slots)) + (join_cost(tile, shares) if shares else 0)


def splits_of(age, tiles, steps, elements, tile, blocks):
    if age == "before":
        return max(min(264 // max(tiles, 1), steps // 16, (64 << 20) // 4 // elements), 1)
    most, slots, best = max(min(steps, (64 << 20) // 4 // elements), 1), MULTIPROCESSORS * blocks, 1
    for half_waves in range(1, 13):
        splits = min(max(half_waves * slots // (2 * tiles), 1), most)
        splits = math.ceil(steps / math.ceil(steps / splits))
        if split_cost(tiles, steps, splits, tile, blocks) < split_cost(tiles, steps, best, tile, blocks):
            best = splits
    return best


def microseconds(age, table, kernel, rows, columns, inner, whole, floor, l1, parts=1):
    tile, copies = tile_of(age, kernel, rows, columns, whole)
    instructions, hmma, blocks = table[kernel, tile, copies]
    old = (64, 32) if tile[0] * tile[1] < 128 * 128 else (64, 64)
    warp = WARPS.get(tile) or (old if age == "before" else (32, 16) if tile == (64, 32) else (32, 32))
    warps = tile[0] // warp[0] * (tile[1] // warp[1])
    tiles = math.ceil(rows / tile[0]) * math.ceil(columns / tile[1]) * parts
    steps, elements = max(math.ceil(inner / 32), 1), rows * columns * parts
    splits = splits_of(age, tiles, steps, elements, tile, blocks)
    windows = tile[1] if kernel == "conv2d_backward_weights" else tile[0]
    copied = 64 * (sum(tile) - windows * l1)
    step = max(warps * instructions / ISSUE, warps * hmma * HMMA, (64 * sum(tile) + warps * 64 * sum(warp)) / SHARED, copied / L2)
    waves = math.ceil(tiles * splits / (MULTIPROCESSORS * blocks)) if splits > 1 else tiles / (MULTIPROCESSORS * blocks)
    work = max(waves, 1) * blocks * (math.ceil(steps / splits) + 8) * step / CLOCK
    return max(work, floor) * 1e6 + (8 * splits * elements / L2 / MULTIPROCESSORS / CLOCK * 1e6 + 3 if splits > 1 else 0)


def products(c, k, r, stride, side, batch):
    """(kernel, rows, columns, inner, operands in whole chunks, parts) of a layer's three products."""
    outputs, inputs, whole = batch * side * side, batch * (side * stride) ** 2, c % 8 == 0
    yield "conv2d_forward", outputs, k, r * r * c, whole, 1
    if c != 3:
        parts = stride ** 2  # each has a share of the filter; on average r²/stride²
        inner = math.ceil(r * r * k / parts) if parts > 1 else r * r * k
        yield "conv2d_backward_data", inputs // parts, c, inner, True, parts
    yield "conv2d_backward_weights", k, r * r * c, outputs, whole, 1


def print_splits():
    table = counts()["now"]
    for batch in (512, 128):
        print(f"\nBatch {batch}:\n\n| product | calls | tile | tiles | steps | splits | full | cost | stream-K | gain |\n|---|---|---|---|---|---|---|---|---|---|")
        all_now = all_stream = 0
        for name, calls, c, k, r, stride, side in LAYERS:
            for kernel, rows, columns, inner, whole, parts in products(c, k, r, stride, side, batch):
                tile, copies = tile_of("now", kernel, rows, columns, whole)
                blocks = table[kernel, tile, copies][2]
                tiles = math.ceil(rows / tile[0]) * math.ceil(columns / tile[1]) * parts
                steps, slots = max(math.ceil(inner / 32), 1), MULTIPROCESSORS * blocks
                splits = splits_of("now", tiles, steps, rows * columns * parts, tile, blocks)
                now, stream = split_cost(tiles, steps, splits, tile, blocks), stream_cost(tiles, steps, tile, blocks)
                work = calls * tile[0] * tile[1] / 128 ** 2  # a step of this tile in steps of 128×128
                all_now, all_stream = all_now + work * now, all_stream + work * min(now, stream)
                full = tiles * splits / (math.ceil(tiles * splits / slots) * slots)
                print(f"| {kernel.split('_', 1)[1].replace('_', ' ')}, {name} | {calls} | {tile[0]}×{tile[1]} | {tiles} | {steps} | {splits} | "
                      f"{100 * full:.0f} % | {now} | {stream} | {max(0, 100 * (1 - stream / now)):.0f} % |")
        print(f"\nAll products of the step: {100 * (1 - all_stream / all_now):.1f} % fewer steps with stream-K wherever it gains.")


def main():
    found, totals = counts(), {}
    print("| µs a call | calls | forward: before, now | data | weights | floor |\n|---|---|---|---|---|---|")
    for name, calls, c, k, r, stride, side in LAYERS:
        outputs, inputs = BATCH * side * side, BATCH * (side * stride) ** 2
        flops = 2 * outputs * k * r * r * c
        seen = outputs if r == 1 else inputs
        floor = max(flops / PEAK, 2 * (seen * c + outputs * k) / MEMORY)
        cells = []
        for kernel, *shape, parts in products(c, k, r, stride, side, BATCH):
            least = max(flops / PEAK, 2 * (inputs * c + outputs * k) / MEMORY) if kernel == "conv2d_backward_data" else floor
            overlap = 2 / 3 if r == 3 and stride == 1 and c != 3 else 0
            before = microseconds("before", found["before"], kernel, *shape, least, 0, parts)
            now = [microseconds("now", found["now"], kernel, *shape, least, l1, parts) for l1 in (overlap, 0)]
            for age, value in (("before", before), ("now, L1 keeps windows", now[0]), ("now, L1 keeps nothing", now[1])):
                totals[age] = totals.get(age, 0) + calls * value / 1e3
            cells.append(f"{before:.0f}, {now[0]:.0f}" + (f"–{now[1]:.0f}" if f"{now[0]:.0f}" != f"{now[1]:.0f}" else ""))
        if c == 3:
            cells.insert(1, "–")
        print(f"| {name} | {calls} | {' | '.join(cells)} | {floor * 1e6:.0f} |")
    print("\nconvolutions, ms a step:", ", ".join(f"{age} {value:.1f}" for age, value in totals.items()))


if __name__ == "__main__":
    print_splits() if "--splits" in sys.argv[1:] else main()
