#!/usr/bin/env python3
"""Estimates what the convolutions of a ResNet-18 step (32×32 images, batch 512, bf16) take on an H100, before and after the main
loops were rewritten, and prints the table of docs/kernels.md. Computed: nothing here was measured. What it knows:

  counts       instructions a round, by kernel and tile, from docs/results/gpu-main-loops.md (sm_90)
  RATES        of a multiprocessor, a clock: 4 instructions, of which 80 % are assumed to find a warp ready; a tensor-core
               instruction each 1.59 (mma.sync at the 62.9 % of the peak that papers report); 128 bytes of shared memory;
               24.6 bytes from L2 (5.7 TB/s for all). The largest of the four is a step's time.
  the launch   tiles, splits and blocks a multiprocessor as gemm.h chooses them; a block begins and ends in the time of 8 steps

Windows that overlap: `now` is a range, from L1 keeping nothing to L1 keeping two of three readings of a 3×3 window.

  docs/kernels/estimate.py
"""
import math
import os
import re

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


def splits_of(age, tiles, steps, elements, tile, blocks):
    if age == "before":
        return max(min(264 // max(tiles, 1), steps // 16, (64 << 20) // 4 // elements), 1)
    most, slots, best = max(min(steps, (64 << 20) // 4 // elements), 1), MULTIPROCESSORS * blocks, 1

    def cost(splits):
        join = 12 * 128 * 128 // (tile[0] * tile[1]) + splits * tiles // 8 if splits > 1 else 0
        return math.ceil(tiles * splits / slots) * blocks * (math.ceil(steps / splits) + 8) + join

    for half_waves in range(1, 13):
        splits = min(max(half_waves * slots // (2 * tiles), 1), most)
        splits = math.ceil(steps / math.ceil(steps / splits))
        best = splits if cost(splits) < cost(best) else best
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


def main():
    found, totals = counts(), {}
    print("| µs a call | calls | forward: before, now | data | weights | floor |\n|---|---|---|---|---|---|")
    for name, calls, c, k, r, stride, side in LAYERS:
        outputs, inputs = BATCH * side * side, BATCH * (side * stride) ** 2
        flops = 2 * outputs * k * r * r * c
        seen = outputs if r == 1 else inputs
        floor = max(flops / PEAK, 2 * (seen * c + outputs * k) / MEMORY)
        cells = []
        for kernel, *shape in (("conv2d_forward", outputs, k, r * r * c, c % 8 == 0),
                               ("conv2d_backward_data", inputs // stride ** 2, c, math.ceil(r / stride) ** 2 * k, True),
                               ("conv2d_backward_weights", k, r * r * c, outputs, c % 8 == 0)):
            if c == 3 and kernel == "conv2d_backward_data":
                cells.append("–")
                continue
            # Of stride² classes of backward data each has a share of the filter; on average r²/stride².
            least = max(flops / PEAK, 2 * (inputs * c + outputs * k) / MEMORY) if kernel == "conv2d_backward_data" else floor
            parts = stride ** 2 if kernel == "conv2d_backward_data" else 1
            if parts > 1:
                shape[2] = math.ceil(r * r * k / parts)
            overlap = 2 / 3 if r == 3 and stride == 1 and c != 3 else 0
            before = microseconds("before", found["before"], kernel, *shape, least, 0, parts)
            now = [microseconds("now", found["now"], kernel, *shape, least, l1, parts) for l1 in (overlap, 0)]
            for age, value in (("before", before), ("now, L1 keeps windows", now[0]), ("now, L1 keeps nothing", now[1])):
                totals[age] = totals.get(age, 0) + calls * value / 1e3
            cells.append(f"{before:.0f}, {now[0]:.0f}" + (f"–{now[1]:.0f}" if f"{now[0]:.0f}" != f"{now[1]:.0f}" else ""))
        print(f"| {name} | {calls} | {' | '.join(cells)} | {floor * 1e6:.0f} |")
    print("\nconvolutions, ms a step:", ", ".join(f"{age} {value:.1f}" for age, value in totals.items()))


if __name__ == "__main__":
    main()
