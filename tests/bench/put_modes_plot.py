#!/usr/bin/env python3
"""Draws what bench_put_modes measured, and prints it as tables.

  build/release/tests/bench/bench_put_modes --csv put_modes.csv
  tests/bench/put_modes_plot.py put_modes.csv tests/bench/plots

Writes one SVG a metric, without any library but Python's own, and the tables of put-modes.md to the standard output.
"""
import csv
import math
import pathlib
import sys

MODES = [("inline", "on"), ("inline", "off"), ("deferred", "on"), ("deferred", "off")]
COLOURS = ["#1b6ca8", "#7fb3d5", "#b03a2e", "#e6a49c"]
PLOTS = ["N1 cpu per job", "N2 context switches per job", "N3 signal to waiter p50", "N4 completion to release p99"]
WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 560, 320, 70, 50, 50


def read(path):
    values, units = {}, {}
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            name = f"{row['metric']} ({row['unit']})" if row["metric"].startswith("N5") else row["metric"]
            values.setdefault(name, {})[(row["put_mode"], row["bypass"], int(row["queues"]))] = float(row["value"])
            units[name] = row["unit"]
    return values, units


def draw(name, unit, values):
    queues = sorted({key[2] for key in values})
    top = max(values.values()) * 1.1 or 1
    x = lambda q: LEFT + (WIDTH - LEFT - 20) * math.log(q, 2) / max(math.log(queues[-1], 2), 1)
    y = lambda v: HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * v / top
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" '
           'font-size="11">', f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
           f'<text x="{LEFT}" y="16" font-size="13">{name}, {unit}</text>']
    for i in range(5):
        value = top * i / 4
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - 20}" y1="{y(value):.1f}" y2="{y(value):.1f}" stroke="#ddd"/>')
        out.append(f'<text x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.3g}</text>')
    for q in queues:
        out.append(f'<text x="{x(q):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{q}</text>')
    out.append(f'<text x="{(LEFT + WIDTH) / 2}" y="{HEIGHT - 14}" text-anchor="middle">queues</text>')
    for i, (mode, colour) in enumerate(zip(MODES, COLOURS)):
        points = [(x(q), y(values[mode + (q,)])) for q in queues if mode + (q,) in values]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in points]
        at = LEFT + i * 120
        out.append(f'<rect x="{at}" y="26" width="10" height="10" fill="{colour}"/>')
        out.append(f'<text x="{at + 14}" y="35">{mode[0]}, bypass {mode[1]}</text>')
    return "\n".join(out + ["</svg>", ""])


def table(name, unit, values):
    queues = sorted({key[2] for key in values})
    print(f"\n**{name}**, {unit}\n")
    print("| put mode | bypass | " + " | ".join(f"{q} queues" if q != 1 else "1 queue" for q in queues) + " |")
    print("|---|---|" + "---|" * len(queues))
    for mode in MODES:
        cells = [f"{values[mode + (q,)]:,.3g}".replace("e+03", "e3") if mode + (q,) in values else "" for q in queues]
        if any(cells):
            print(f"| {mode[0]} | {mode[1]} | " + " | ".join(cells) + " |")


def main():
    values, units = read(sys.argv[1])
    folder = pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    for name in PLOTS:
        file = name.split(" ")[0].lower() + ".svg"
        (folder / file).write_text(draw(name, units[name], values[name]))
    for name in sorted(values):
        table(name, units[name].replace("1/s", "per s"), values[name])


if __name__ == "__main__":
    main()
