#!/usr/bin/env python3
"""Draws the pictures of docs/kernels.md and prints its table of ResNet-18's kernels. Computed from shapes alone: nothing here
was measured. Writes the .svg files beside itself; the same ones every time.

  docs/kernels/draw.py            the pictures
  docs/kernels/draw.py --table    the table, in Markdown
"""
import math
import os
import sys

import estimate

HERE = os.path.dirname(os.path.abspath(__file__))
INK, GREY, PALE, LINE = "#1f2933", "#6b7785", "#eef1f4", "#c3cad2"
BLUE, GREEN, ORANGE, RED, VIOLET, TEAL = "#2f6fb5", "#3f9156", "#d9822b", "#c0392b", "#7d5ba6", "#2a9d8f"
LIGHT = {BLUE: "#cfe0f3", GREEN: "#d0e9d6", ORANGE: "#fae3c8", RED: "#f5d0cb", VIOLET: "#e2d7ef", TEAL: "#cdeae6"}


class Picture:
    def __init__(self, name, width, height, title):
        self.name, self.width, self.height = name, width, height
        self.parts = [f"<title>{title}</title>", f'<rect width="{width}" height="{height}" fill="#ffffff"/>']

    def rect(self, x, y, w, h, fill=PALE, stroke=LINE, width=1.0, radius=0.0, opacity=1.0):
        self.parts.append(f'<rect x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" rx="{radius:g}" fill="{fill}" '
                          f'stroke="{stroke}" stroke-width="{width:g}" fill-opacity="{opacity:g}"/>')

    def text(self, x, y, words, size=13, fill=INK, anchor="start", bold=False, italic=False, turn=0):
        style = (' font-weight="600"' if bold else "") + (' font-style="italic"' if italic else "")
        style += f' transform="rotate({turn} {x:g} {y:g})"' if turn else ""
        words = words.replace("&", "&amp;").replace("<", "&lt;")
        self.parts.append(f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" fill="{fill}" text-anchor="{anchor}"{style}>{words}</text>')

    def line(self, x1, y1, x2, y2, stroke=INK, width=1.2, dash="", arrow=False):
        extra = (f' stroke-dasharray="{dash}"' if dash else "") + (' marker-end="url(#arrow)"' if arrow else "")
        self.parts.append(f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" stroke="{stroke}" stroke-width="{width:g}"{extra}/>')

    def circle(self, x, y, r, fill, stroke="#ffffff"):
        self.parts.append(f'<circle cx="{x:g}" cy="{y:g}" r="{r:g}" fill="{fill}" stroke="{stroke}"/>')

    def save(self):
        arrow = ('<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
                 f'<path d="M0 0 L8 4 L0 8 z" fill="{INK}"/></marker></defs>')
        with open(os.path.join(HERE, self.name + ".svg"), "w", encoding="utf-8") as file:
            file.write(f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width}" height="{self.height}" '
                       f'viewBox="0 0 {self.width} {self.height}" font-family="Helvetica, Arial, sans-serif">\n{arrow}\n'
                       + "\n".join(self.parts) + "\n</svg>\n")


# ---- ResNet-18 for 32×32 images, batch 512, bf16: operations and bytes ----------------------------------------------------

BATCH, T, P = 512, 2, 4  # bytes of bf16 and float32
# name, c, k, filter, stride, output side, how often
CONVOLUTIONS = [
    ("3→64, 32²", 3, 64, 3, 1, 32, 1), ("64→64, 32²", 64, 64, 3, 1, 32, 4),
    ("64→128, 3×3/2", 64, 128, 3, 2, 16, 1), ("64→128, 1×1/2", 64, 128, 1, 2, 16, 1), ("128→128, 16²", 128, 128, 3, 1, 16, 3),
    ("128→256, 3×3/2", 128, 256, 3, 2, 8, 1), ("128→256, 1×1/2", 128, 256, 1, 2, 8, 1), ("256→256, 8²", 256, 256, 3, 1, 8, 3),
    ("256→512, 3×3/2", 256, 512, 3, 2, 4, 1), ("256→512, 1×1/2", 256, 512, 1, 2, 4, 1), ("512→512, 4²", 512, 512, 3, 1, 4, 3),
]
PARAMETERS = 11173962
DEVICES = {"H100": (798e12, 3.0e12), "H200": (790e12, 4.3e12)}  # bf16 FLOP/s, bytes/s


def split_count(kernel, rows, columns, inner, whole=True, parts=1):
    """As gemm.h does it; a step is 32 bf16 of depth."""
    tile, _ = estimate.tile_of("now", kernel, rows, columns, whole)
    tiles, steps = math.ceil(rows / tile[0]) * math.ceil(columns / tile[1]) * parts, max(math.ceil(inner / 32), 1)
    blocks = {(256, 128): 1, (64, 32): 4}.get(tile, 2)
    return estimate.splits_of("now", tiles, steps, rows * columns * parts, tile, blocks)


def work():
    """(family, name, times a step, FLOP, bytes) of one call; each operand is counted once, shares of split sums as well."""
    rows = []
    for name, c, k, r, stride, side, times in CONVOLUTIONS:
        pixels, inputs, filters = BATCH * side * side, BATCH * (side * stride) ** 2, k * r * r * c
        flops = 2 * pixels * filters
        seen = (pixels if r == 1 else inputs) * c  # a 1×1 filter of stride 2 skips three pixels of four
        images = (seen + pixels * k) * T
        splits = split_count("conv2d_forward", pixels, k, r * r * c, c != 3)
        shares = 2 * splits * pixels * k * P if splits > 1 else 0
        rows.append(("forward", name, times, flops, images + filters * T + shares))
        if c != 3:  # nobody wants the gradient of the photographs
            splits = split_count("conv2d_backward_data", BATCH * side * side, c, math.ceil(r / stride) ** 2 * k, True, stride * stride)
            shares = 2 * splits * inputs * c * P if splits > 1 else 0
            rows.append(("data", name, times, flops, (inputs * c + pixels * k + filters) * T + shares))
        splits = split_count("conv2d_backward_weights", k, r * r * c, pixels, c != 3)
        shares = 2 * splits * filters * P if splits > 1 else 0
        rows.append(("weights", name, times, flops, images + filters * P + shares))
    for side, c, plain, added in ((32, 64, 3, 2), (16, 128, 3, 2), (8, 256, 3, 2), (4, 512, 3, 2)):
        n = BATCH * side * side * c
        rows.append(("other", f"batch norm apply, {side}²×{c}", plain, 8 * n, 2 * n * T))
        rows.append(("other", f"batch norm apply + residual, {side}²×{c}", added, 9 * n, 3 * n * T))
        unactivated = 0 if side == 32 else 1  # the shortcut's has no ReLU
        rows.append(("other", f"batch norm backward, {side}²×{c}", plain - unactivated, 12 * n, 6 * n * T + n // 4))
        rows.append(("other", f"batch norm backward + residual, {side}²×{c}", added, 12 * n, 7 * n * T))
        if unactivated:
            rows.append(("other", f"batch norm backward, no ReLU, {side}²×{c}", 1, 11 * n, 5 * n * T))
    n = BATCH * 4 * 4 * 512
    rows.append(("other", "global average pool", 1, n, n * T))
    rows.append(("other", "SGD with momentum", 1, 6 * PARAMETERS, 22 * PARAMETERS))
    rows.append(("other", "check finite", 1, PARAMETERS, 4 * PARAMETERS))
    rows.append(("other", "gather batch", 1, 8 * BATCH * 3072, 3 * BATCH * 3072))
    return rows


def table():
    print("| pass | shape | calls | GFLOP | MB | FLOP/byte | floor H100 µs | floor H200 µs |")
    print("|---|---|---|---|---|---|---|---|")
    totals = {d: 0.0 for d in DEVICES}
    for family, name, times, flops, size in work():
        floors = {d: max(flops / peak, size / rate) for d, (peak, rate) in DEVICES.items()}
        for d in DEVICES:
            totals[d] += floors[d] * times
        intensity = f"{flops / size:.3g}" if flops < 1000 * size else f"{flops / size:.0f}"
        print(f"| {family} | {name} | {times} | {flops / 1e9:.3g} | {size / 1e6:.3g} | {intensity} | "
              + " | ".join(f"{floors[d] * 1e6:.3g}" for d in DEVICES) + " |")
    print("sum of floors, ms a step:", {d: round(t * 1e3, 2) for d, t in totals.items()})


# ---- pictures ----------------------------------------------------------------------------------------------------------------


def roofline():
    p = Picture("roofline", 860, 560, "Roofline of an H100 and an H200 with the kernels of ResNet-18")
    left, right, top, bottom = 80, 830, 58, 490
    x0, x1, y0, y1 = math.log10(0.18), math.log10(4000), math.log10(0.4), math.log10(1500)
    X = lambda v: left + (math.log10(v) - x0) / (x1 - x0) * (right - left)
    Y = lambda v: bottom - (math.log10(v) - y0) / (y1 - y0) * (bottom - top)
    p.text(left, 26, "Where the kernels of a ResNet-18 step stand: batch 512, bf16", 16, bold=True)
    p.text(left, 43, "computed from shapes: each point lies on the H100 roof, the most its intensity allows; nothing was measured", 12, GREY)
    for v in (1, 10, 100, 1000):
        p.line(X(v), top, X(v), bottom, LINE, 1), p.text(X(v), bottom + 18, f"{v}", 12, GREY, "middle")
        p.line(left, Y(v), right, Y(v), LINE, 1), p.text(left - 8, Y(v) + 4, f"{v}", 12, GREY, "end")
    p.rect(left, top, right - left, bottom - top, "none", GREY)
    p.text((left + right) / 2, bottom + 40, "arithmetic intensity, FLOP per byte of device memory", 13, INK, "middle")
    p.text(28, (top + bottom) / 2, "TFLOP/s", 13, INK, "middle", turn=-90)
    for name, colour, dash in (("H200", TEAL, "7 4"), ("H100", INK, "")):
        peak, rate = DEVICES[name][0] / 1e12, DEVICES[name][1] / 1e12
        ridge = peak / rate
        p.line(left, Y(0.18 * rate), X(ridge), Y(peak), colour, 2, dash)
        p.line(X(ridge), Y(peak), right, Y(peak), colour, 2, dash)
    p.text(X(1.05), Y(1.05 * 4.3) - 46, "H200: 4.3 TB/s", 12, TEAL, "end")
    p.text(X(12), Y(12 * 3.0) + 30, "H100: 3.0 TB/s", 12, INK)
    p.text(right - 8, Y(798) - 8, "798 TFLOP/s (H100), 790 (H200)", 12, INK, "end")
    p.line(X(47 / 3.0), Y(47), right, Y(47), GREY, 1.4, "3 3")
    p.text(right - 8, Y(47) - 6, "47 TFLOP/s: float32 without tensor cores", 12, GREY, "end")
    colours = {"forward": BLUE, "data": GREEN, "weights": ORANGE, "other": VIOLET}
    peak, rate = DEVICES["H100"][0] / 1e12, DEVICES["H100"][1] / 1e12
    shift = {"forward": 0, "data": 9, "weights": 18, "other": 0}
    for family, name, _, flops, size in work():
        i = flops / size
        p.circle(X(i), Y(min(peak, i * rate)) + (shift[family] if i * rate > peak * 0.97 else 0), 5, colours[family])
    for x, y, words, anchor in ((26, 78, "stem", "end"), (43, 129, "1×1/2 convolutions", "end"), (270, 810, "64→64 at 32²", "end")):
        p.text(X(x) - 12, Y(y) - 2, words, 12, INK, anchor)
    p.text(X(1900), Y(798) + 42, "deeper 3×3", 12, INK, "middle")
    p.text(X(1.5) + 12, Y(4.5) + 12, "batch norm", 12, INK), p.text(X(2.67) + 12, Y(8) + 6, "gather", 12, INK)
    p.text(X(0.27) + 12, Y(0.8) + 8, "SGD, check finite", 12, INK), p.text(X(0.5) + 12, Y(1.5) + 8, "average pool", 12, INK)
    for i, (family, words) in enumerate((("forward", "convolution forward"), ("data", "… backward, data"),
                                         ("weights", "… backward, weights"), ("other", "everything else"))):
        p.circle(X(60) + 60, Y(22) + 26 * i, 6, colours[family]), p.text(X(60) + 76, Y(22) + 26 * i + 5, words, 13)
    p.text(left, 548, "Points at the ridge and beyond are drawn below one another where they would cover each other.", 11, GREY)
    p.save()


def tiles():
    p = Picture("gemm-tiles", 900, 400, "Block tile, warp tile and mma of the matrix product")
    p.text(24, 28, "Who computes what: bf16, tile of 128 × 128", 16, bold=True)
    # C and its tiles
    x, y = 112, 92
    p.text(x, 60, "C = A·B", 14, bold=True), p.text(x, 78, "one block per tile", 12, GREY)
    for i in range(4):
        for j in range(3):
            p.rect(x + 44 * j, y + 44 * i, 44, 44, LIGHT[BLUE] if (i, j) == (1, 1) else PALE, LINE)
    p.rect(x + 44, y + 44, 44, 44, "none", BLUE, 2.5)
    p.rect(x - 84, y + 44, 70, 44, LIGHT[GREEN], GREEN), p.text(x - 49, y + 70, "A", 14, GREEN, "middle", True)
    p.rect(x + 44, y + 190, 44, 70, LIGHT[ORANGE], ORANGE), p.text(x + 66, y + 230, "B", 14, ORANGE, "middle", True)
    p.text(x - 49, y + 106, "128 rows", 11, GREY, "middle"), p.text(x + 96, y + 222, "128 columns,", 11, GREY), p.text(x + 96, y + 237, "steps of 32", 11, GREY)
    # block tile
    x, y, s = 320, 92, 176
    p.text(x, 60, "block: 128 × 128", 14, bold=True), p.text(x, 78, "128 threads = 4 warps of 64 × 64", 12, GREY)
    for w in range(4):
        fill = LIGHT[BLUE] if w == 2 else PALE
        p.rect(x + s / 2 * (w // 2), y + s / 2 * (w % 2), s / 2, s / 2, fill, BLUE if w == 2 else LINE)
        p.rect(x + s / 2, y, s / 2, s / 2, "none", BLUE, 2)
        p.text(x + s / 2 * (w // 2) + s / 4, y + s / 2 * (w % 2) + s / 4 + 5, f"warp {w}", 13, INK, "middle")
    p.text(x, y + s + 20, "warps count down the rows first", 11, GREY)
    # warp tile
    x = 570
    p.text(x, 60, "warp: 64 × 64", 14, bold=True), p.text(x, 78, "4 × 8 mma, 128 sums a lane", 12, GREY)
    for i in range(4):
        for j in range(8):
            p.rect(x + 22 * j, y + 44 * i, 22, 44, LIGHT[BLUE] if (i, j) == (1, 2) else "#ffffff", BLUE if (i, j) == (1, 2) else LINE)
    p.rect(x + 44, y + 44, 22, 44, "none", BLUE, 2), p.text(x + 55, y + 70, "16×8", 8, BLUE, "middle")
    for i in range(4):
        p.rect(x - 22, y + 44 * i, 16, 44, LIGHT[GREEN], GREEN)
    for j in range(4):
        p.rect(x + 44 * j, y + 184, 44, 16, LIGHT[ORANGE], ORANGE)
    p.text(x, y + 220, "A: one ldmatrix per 16 rows", 11, GREEN), p.text(x, y + 236, "B: one per 16 columns, two mma", 11, ORANGE)
    # in numbers
    x = 780
    p.text(x, 60, "one step", 14, bold=True)
    for i, words in enumerate(("depth 32", "= 2 mma deep", "8 + 8 ldmatrix", "64 mma a warp", "", "16 KiB come in", "2²⁰ operations", "64 per byte")):
        p.text(x, 84 + 20 * i, words, 12, GREY)
    p.text(24, 384, "Other tiles: 256 × 64 where the last 128 columns would be half empty, 64 × 128 for gradients of filters, 64 × 64 for matmul and its warps of 32 × 32.", 11.5, GREY)
    p.save()


def fragment():
    p = Picture("mma-fragment", 900, 520, "Which lane holds which element in mma.m16n8k16")
    cell = 24
    p.text(24, 28, "mma.m16n8k16: which lane of the warp holds which element", 16, bold=True)
    p.text(24, 47, "the number is the lane; a register holds two neighbouring bf16 (A, B), an accumulator is one float (C)", 12, GREY)
    colours = [BLUE, GREEN, ORANGE, VIOLET]

    def grid(x, y, rows, columns, lane, register, title, foot):
        p.text(x, y - 10, title, 14, bold=True)
        for i in range(rows):
            for j in range(columns):
                c = colours[register(i, j)]
                own = lane(i, j) == 5
                p.rect(x + cell * j, y + cell * i, cell, cell, c if own else LIGHT[c], "#ffffff", 1)
                p.text(x + cell * j + cell / 2, y + cell * i + 16, str(lane(i, j)), 10, "#ffffff" if own else INK, "middle", own)
        p.text(x, y + cell * rows + 18, foot, 11.5, GREY)

    grid(24, 84, 16, 16, lambda i, j: i % 8 * 4 + j % 8 // 2, lambda i, j: i // 8 + 2 * (j // 8), "A: 16 rows × 16 deep", "four 8×8 matrices = one ldmatrix.x4: r0 r2 / r1 r3")
    grid(444, 84, 16, 8, lambda i, j: j * 4 + i % 8 // 2, lambda i, j: 2 * (i // 8), "B: 16 deep × 8 columns", "r0, r2 (r1, r3: the next 8 columns)")
    grid(670, 84, 16, 8, lambda i, j: i % 8 * 4 + j // 2, lambda i, j: i // 8, "C: 16 rows × 8 columns", "c0 c1 above, c2 c3 eight rows below")
    for i, words in enumerate(("r0", "r1", "r2", "r3")):
        p.rect(24 + 70 * i, 494, 16, 14, LIGHT[colours[i]], "#ffffff"), p.text(46 + 70 * i, 506, words, 12)
    p.rect(320, 494, 16, 14, INK), p.text(342, 506, "dark: what lane 5 holds", 12)
    p.save()


def pipeline():
    p = Picture("pipeline", 900, 446, "The ring of stages over time")
    p.text(24, 28, "The ring of four stages over time", 16, bold=True)
    p.text(24, 47, "pale: a cp.async group is under way; strong: the tensor cores multiply what has landed", 12, GREY)
    left, top, unit, height = 96, 100, 90, 44
    colours = [BLUE, GREEN, ORANGE, VIOLET]
    for s in range(4):
        p.text(left - 14, top + s * 56 + 27, f"stage {s}", 12, INK, "end")
        p.rect(left, top + s * 56, 8.6 * unit, height, "#ffffff", LINE)
    start = lambda i: left + 1.15 * unit + (i + 0.0) * unit  # iteration i
    right = left + 8.6 * unit
    for step in range(10):
        s, c = step % 4, colours[step % 4]
        issued = left + step * 0.3 * unit + 4 if step < 3 else start(step - 3) + 16
        begins = start(step) + 10
        if issued < right:
            end = min(begins, right)
            p.rect(issued, top + s * 56 + 6, end - issued, height - 12, LIGHT[c], c)
            p.text(issued + 6, top + s * 56 + 27, f"load {step}", 11, INK)
        if begins + unit - 14 <= right:
            p.rect(begins, top + s * 56 + 2, unit - 4, height - 4, c, c)
            p.text(begins + (unit - 4) / 2, top + s * 56 + 27, f"multiply {step}", 11, "#ffffff", "middle")
    for i in range(8):
        x = start(i) + 8
        if x < right:
            p.line(x, top - 12, x, top + 4 * 56 - 4, RED, 1.4, "4 3")
            p.text(x, top - 18, f"barrier {i}", 11, RED, "middle")
    y = top + 4 * 56 + 22
    p.line(left, y - 8, right, y - 8, INK, 1.2, arrow=True), p.text(right, y + 8, "time", 12, INK, "end")
    for i, words in enumerate(("cp_async_wait<2>(): my copies for this step have landed (at most the two newest groups are under way)",
                               "__syncthreads(): everybody's have; and everybody is done with the stage that was multiplied last",
                               "load(step + 3), into just that stage; commit, and go on without waiting",
                               "multiply(step)")):
        p.text(left, y + 22 + 18 * i, f"{i + 1}", 12, GREY), p.text(left + 20, y + 22 + 18 * i, words, 12, RED if i < 2 else INK)
    p.save()


def windows():
    p = Picture("implicit-gemm", 900, 470, "How the windows of an image become rows of a matrix")
    p.text(24, 28, "Convolution as a matrix product that is never written out", 16, bold=True)
    p.text(24, 47, "3×3 filter, padding 1; a row of A is what one output pixel sees, gathered on its way into shared memory", 12, GREY)
    x, y, s = 40, 96, 26
    p.text(x, y - 14, "x: one image, C channels deep", 13, bold=True)
    for i in range(-1, 6):
        for j in range(-1, 6):
            outside = not (0 <= i < 5 and 0 <= j < 5)
            p.rect(x + s * (j + 1), y + s * (i + 1), s, s, "#ffffff" if outside else PALE, LINE)
            if outside:
                p.text(x + s * (j + 1) + s / 2, y + s * (i + 1) + 17, "0", 10, LINE, "middle")
    for (i, j), c in (((0, 0), BLUE), ((2, 3), ORANGE)):
        p.rect(x + s * j, y + s * i, 3 * s, 3 * s, c, c, 2.5, opacity=0.22)
        p.circle(x + s * (j + 1) + s / 2, y + s * (i + 1) + s / 2, 5, c)
    p.text(x, y + 7 * s + 20, "window of output pixel (0,0)", 12, BLUE), p.text(x, y + 7 * s + 38, "window of output pixel (2,3)", 12, ORANGE)
    # the matrix
    x, w, rows, high = 300, 33, 15, 14
    p.text(x, y - 14, "A: N·P·Q rows × 9·C", 13, bold=True)
    names = [f"{r},{t}" for r in range(3) for t in range(3)]
    for j, name in enumerate(names):
        p.text(x + w * j + w / 2, y + 12, name, 10, GREY, "middle")
    p.text(x + 9 * w + 6, y + 12, "r,s", 10, GREY)
    for i in range(rows):
        c = {0: BLUE, 13: ORANGE}.get(i)
        for j in range(9):
            r, t = divmod(j, 3)
            zero = i == 0 and (r == 0 or t == 0)
            p.rect(x + w * j, y + 20 + high * i, w, high, "#ffffff" if zero else LIGHT[c] if c else PALE, c or LINE)
            if zero:
                p.text(x + w * j + w / 2, y + 31 + high * i, "0…0", 8.5, GREY, "middle")
            elif c:
                p.text(x + w * j + w / 2, y + 31 + high * i, "C", 9, c, "middle")
    p.text(x, y + 252, "each cell: the C channels of one pixel, contiguous in x,", 11.5, GREY), p.text(x, y + 268, "copied in chunks of 16 bytes; padding: filled with zeros", 11.5, GREY)
    p.text(x + 9 * w + 18, y + 125, "×", 22, INK, "middle")
    # filters
    x = 650
    p.text(x, y - 14, "B: 9·C × K", 13, bold=True)
    for j in range(9):
        p.rect(x, y + 20 + 22 * j, 70, 22, LIGHT[GREEN], GREEN), p.text(x + 35, y + 35 + 22 * j, names[j], 10, GREEN, "middle")
    p.text(x, y + 252, "a column: one filter,", 11.5, GREY), p.text(x, y + 268, "contiguous in w", 11.5, GREY)
    p.text(x + 92, y + 125, "=", 22, INK, "middle")
    x = 768
    p.text(x, y - 14, "y: N·P·Q × K", 13, bold=True)
    for i in range(rows):
        c = {0: BLUE, 13: ORANGE}.get(i)
        p.rect(x, y + 20 + high * i, 70, high, LIGHT[c] if c else PALE, c or LINE)
    p.text(x, y + 252, "N,P,Q,K: rows are", 11.5, GREY), p.text(x, y + 268, "pixels as they lie", 11.5, GREY)
    for i, words in enumerate((("backward, data", "rows: pixels of dx", "columns: C", "inner: (r, s, K)", "the windows of dy, walked backwards"),
                               ("backward, weights", "rows: K", "columns: (r, s, C)", "inner: N·P·Q", "the same windows, turned; a very long sum, split among blocks"))):
        for at, word in zip((24, 150, 280, 410, 520), words):
            p.text(at, 404 + 22 * i, word, 12.5, INK, bold=at == 24)
    p.text(24, 452, "Written out, A would be nine times x: for 64 channels at 32² and batch 512, 604 MB instead of 67.", 12, GREY)
    p.save()


def stride_classes():
    p = Picture("stride-classes", 900, 300, "Stride 2 backwards: four classes of pixels")
    p.text(24, 28, "Backward data at stride 2: four products without a wasted multiplication", 16, bold=True)
    p.text(24, 47, "filter 3×3, padding 1: which filter cells reach a pixel of dx depends on whether its row and column are even or odd", 12, GREY)
    classes = {(0, 0): (BLUE, [(1, 1)]), (0, 1): (GREEN, [(1, 0), (1, 2)]), (1, 0): (ORANGE, [(0, 1), (2, 1)]),
               (1, 1): (VIOLET, [(0, 0), (0, 2), (2, 0), (2, 2)])}
    x, y, s = 40, 92, 24
    p.text(x, y - 12, "pixels of dx", 13, bold=True)
    for i in range(7):
        for j in range(8):
            c = classes[i % 2, j % 2][0]
            p.rect(x + s * j, y + s * i, s, s, LIGHT[c], "#ffffff")
    for n, ((i, j), (c, cells)) in enumerate(classes.items()):
        bx = 290 + 152 * n
        p.text(bx, y - 12, ("even" if i == 0 else "odd") + " row, " + ("even" if j == 0 else "odd"), 12, c, bold=True)
        for r in range(3):
            for t in range(3):
                used = (r, t) in cells
                p.rect(bx + 34 * t, y + 34 * r, 34, 34, LIGHT[c] if used else "#ffffff", c if used else LINE)
                p.text(bx + 34 * t + 17, y + 34 * r + 21, f"{r},{t}" if used else "·", 11, c if used else LINE, "middle")
        p.text(bx, y + 124, f"inner: {len(cells)}·K", 12, INK)
        p.text(bx, y + 141, f"blockIdx.z part {[(1, 1), (1, 0), (0, 1), (0, 0)].index((i, j))}", 11, GREY)
    p.text(290, y + 176, "1 + 2 + 2 + 4 = 9 cells over four pixels: each weight meets each dy once, as in the forward pass", 12.5, INK)
    p.save()


def swizzle():
    p = Picture("swizzle", 900, 330, "Chunks permuted by their line")
    p.text(24, 28, "Why chunks are permuted: eight lanes, eight different groups of banks", 16, bold=True)
    p.text(24, 47, "8 lines × 64 bytes of a depth-major tile; number: group of 4 banks (16 bytes) in which the chunk lies; strong: chunk 1 of every line, one ldmatrix", 12, GREY)
    for n, (title, place) in enumerate((("as they come: four lanes in one group", lambda i, j: j), ("chunk j at j ^ (line / 2 % 4): no conflict", lambda i, j: j ^ (i // 2 & 3)))):
        x, y = 90 + 420 * n, 100
        p.text(x, y - 14, title, 13, bold=True)
        for i in range(8):
            p.text(x - 10, y + 24 * i + 16, f"line {i}", 11, GREY, "end")
            for j in range(4):
                at = place(i, j)
                c = RED if n == 0 else GREEN
                own = j == 1
                p.rect(x + 64 * at, y + 24 * i, 64, 24, LIGHT[c] if own else PALE, "#ffffff")
                p.text(x + 64 * at + 32, y + 24 * i + 16, f"chunk {j} · {i % 2 * 4 + at}", 10.5, c if own else GREY, "middle", own)
    p.text(90, 316, "2 groups for 8 lanes: four turns", 12, RED), p.text(510, 316, "8 groups for 8 lanes: one turn", 12, GREEN)
    p.save()


def sums():
    p = Picture("fixed-order-sums", 900, 440, "How partial sums of batch norm join in a fixed order")
    p.text(24, 28, "Statistics of batch norm: partial results that join in a fixed order", 16, bold=True)
    p.text(24, 47, "no atomics: who adds what, and when, depends on the shape alone, so every run gives the same bits", 12, GREY)
    x, y = 60, 100
    p.text(x - 20, y - 30, "1  slices", 14, bold=True), p.text(x - 20, y - 12, "y: M rows × C channels, 128 rows a slice", 12, GREY)
    colours = [BLUE, GREEN, ORANGE, VIOLET]
    for i in range(8):
        p.rect(x, y + 32 * i, 150, 30, LIGHT[colours[i % 4]], "#ffffff")
        p.text(x + 75, y + 32 * i + 20, f"slice {i}" if i < 7 else "…", 12, INK, "middle")
        p.line(x + 156, y + 32 * i + 15, x + 206, y + 32 * i + 15, GREY, 1.2, arrow=True)
        p.rect(x + 214, y + 32 * i + 3, 74, 24, PALE, LINE), p.text(x + 251, y + 32 * i + 19, "mean, Σ(·)²", 10.5, INK, "middle")
    p.text(x - 20, y + 278, "by the convolution that makes y, from the tile", 12), p.text(x - 20, y + 295, "it has in shared memory, or by a kernel", 12), p.text(x - 20, y + 312, "that reads y once", 12)
    x = 410
    p.text(x, y - 30, "2  join", 14, bold=True), p.text(x, y - 12, "a block has 8 channels × 32 threads", 12, GREY)
    for t in range(4):
        p.rect(x, y + 32 * t, 170, 30, LIGHT[colours[t]], "#ffffff")
        p.text(x + 85, y + 32 * t + 20, f"thread {t}: slices {t}, {t + 32}, …", 11.5, INK, "middle")
    p.text(x + 85, y + 146, "⋮", 16, GREY, "middle")
    p.text(x, y + 176, "then a tree: thread t adds t + 16,", 12), p.text(x, y + 193, "then t + 8, 4, 2, 1", 12)
    p.text(x, y + 226, "n = Σ rows,   d = mean of slice − of slice 0", 12), p.text(x, y + 246, "mean = mean of slice 0 + Σ rows·d / n", 12)
    p.text(x, y + 266, "var = (Σ squares + Σ rows·d²)/n − (Σ rows·d / n)²", 12), p.text(x, y + 290, "and the running statistics", 12, GREY)
    p.line(590, y + 60, 636, y + 60, GREY, 1.4, arrow=True)
    x = 650
    p.text(x, y - 30, "3  apply", 14, bold=True), p.text(x, y - 12, "a thread keeps its channels", 12, GREY)
    for i in range(6):
        for j in range(8):
            p.rect(x + 26 * j, y + 26 * i, 26, 26, LIGHT[TEAL] if j == 2 else PALE, "#ffffff")
    p.line(x + 65, y + 8, x + 65, y + 150, TEAL, 2, arrow=True)
    p.text(x, y + 182, "γ, β, mean, 1/σ stay in registers;", 12), p.text(x, y + 199, "8 bf16 = 16 bytes a load:", 12), p.text(x, y + 222, "f(γ·(y − mean)/σ + β + residual)", 12, TEAL, bold=True)
    p.save()


def walks():
    p = Picture("walks", 900, 300, "Two ways of walking over memory")
    p.text(24, 28, "Two walks for everything that is bound by memory", 16, bold=True)
    x, y = 40, 92
    p.text(x, y - 26, "each_element (elements.h)", 13, bold=True), p.text(x, y - 9, "neighbouring threads, neighbouring packs of 16 bytes", 12, GREY)
    colours = [BLUE, GREEN, ORANGE, VIOLET]
    for row in range(3):
        for t in range(8):
            c = colours[t % 4]
            p.rect(x + 48 * t, y + 46 * row, 46, 30, LIGHT[c], c), p.text(x + 48 * t + 23, y + 46 * row + 20, f"t{t}", 11, INK, "middle")
        p.text(x, y + 46 * row + 42, ("packs 0 … 7", "then + number of threads", "and so on to the end")[row], 10, GREY)
    p.text(x, y + 160, "tail: the first threads take one element each", 12, INK), p.text(x, y + 178, "grid: at most 8 blocks for each of 132 SMs", 12, INK)
    x = 480
    p.text(x, y - 26, "column walk (columns.h)", 13, bold=True), p.text(x, y - 9, "32 packs side by side, 8 rows below one another; one block, 256 threads", 12, GREY)
    for slice_ in range(2):
        for i in range(3):
            for j in range(8):
                c = colours[j % 4]
                p.rect(x + 46 * j, y + 62 * slice_ + 18 * i, 44, 16, LIGHT[c] if slice_ == 0 else PALE, c if slice_ == 0 else LINE)
        p.text(x + 376, y + 62 * slice_ + 30, f"slice {slice_}", 11, GREY)
    p.line(x + 22, y + 4, x + 22, y + 50, BLUE, 2, arrow=True)
    p.text(x, y + 146, "a thread goes down its columns: sums stay in registers,", 12), p.text(x, y + 163, "at the end a tree over the threads below one another", 12)
    p.text(x, y + 180, "block (slice, tile); a second kernel joins the slices in order", 12)
    p.save()


if __name__ == "__main__":
    if "--table" in sys.argv:
        table()
    else:
        for draw in (roofline, tiles, fragment, pipeline, windows, stride_classes, swizzle, sums, walks):
            draw()
