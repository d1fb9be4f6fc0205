"""The table and the plot."""
import datetime
import html
import math
import os
import platform
import subprocess


def number(value):
    return f"{value:.4g}" if value < 1000 else f"{value:.0f}"


class Report:
    def __init__(self, folder, root, arguments):
        self.folder, self.root, self.arguments = folder, root, arguments
        self.rows, self.notes, self.failures, self.wrong, self.curves = [], [], [], [], {}
        self.machine = []

    def row(self, case, ours, peer, theirs, ratio, spread):
        print(case, number(ours), peer, number(theirs), f"{ratio:.3f}", sep="\t", flush=True)
        self.rows.append((case, number(ours), peer, number(theirs), f"{ratio:.3f}", spread))

    def write(self, name):
        self.folder.mkdir(exist_ok=True)
        with open(self.folder / f"{name}.md", "w") as file:
            file.write("\n".join(self.lines(name)) + "\n")
        for title, curves in self.curves.items():
            with open(self.folder / f"{name}.svg", "w") as file:
                file.write(plot(title, *curves))

    def lines(self, name):
        def git(*arguments):
            return subprocess.run(("git", *arguments), cwd=self.root, capture_output=True, text=True).stdout.strip()

        # This report is none of the changes.
        changes = git("status", "--porcelain", "-uno", "--", ":/", f":(exclude){self.folder}")
        changed = ", with changes" if changes else ""
        yield "# Comparison with other engines"
        yield ""
        commit = git("rev-parse", "--short", "HEAD")
        yield f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC, commit {commit}{changed}"
        yield ""
        yield f"`Benchmarks/compare {' '.join(self.arguments)}`"
        yield ""
        for line in [processor(), f"{os.cpu_count()} cores; {platform.system()} {platform.machine()}", *self.machine]:
            yield f"- {line}"
        yield ""
        if self.wrong or self.failures:
            yield "## What failed"
            yield ""
            for failure in self.wrong + self.failures:
                yield f"- {failure}"
            yield ""
        yield "## Figures"
        yield ""
        yield "Ratio: how many times better this library is. In brackets its lowest and highest over the rounds."
        yield ""
        yield "| case | ours | peer | theirs | ratio |"
        yield "|---|---:|---|---:|---:|"
        for case, ours, peer, theirs, ratio, spread in self.rows:
            yield f"| {case} | {ours} | {peer} | {theirs} | {ratio} ({spread[0]:.3f} to {spread[1]:.3f}) |"
        yield ""
        if self.curves:
            yield f"![Speed against recall]({name}.svg)"
            yield ""
        if self.notes:
            yield "## Notes"
            yield ""
            for note in self.notes:
                yield f"- {note}"


def processor():
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown processor"


LOWEST_RECALL = 0.8
COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf")


def plot(title, ours, curves):
    """Queries a second (logarithmic) over recall. `ours` is one point's speed at recall 1; `curves` are
    {peer: [(recall, queries a second)]}. Points of low recall are in the table only."""
    width, height, left, right, top, bottom = 860, 520, 80, 230, 50, 60
    low = LOWEST_RECALL
    curves = {name: [point for point in curve if point[0] >= low] for name, curve in curves.items()}
    points = [point for curve in curves.values() for point in curve] + [(1, ours)]
    slow = 10 ** math.floor(math.log10(min(speed for _, speed in points)))
    fast = 10 ** math.ceil(math.log10(max(speed for _, speed in points)))

    def x(recall):
        return left + (recall - low) / (1 - low) * (width - left - right)

    def y(speed):
        share = math.log(speed / slow) / math.log(fast / slow)
        return height - bottom - share * (height - top - bottom)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<text x="{left}" y="26" font-size="15">{html.escape(title)}</text>',
    ]
    steps = round((1 - low) * 20)
    for step in range(steps + 1):
        recall = low + step / 20
        out.append(f'<path d="M{x(recall):.1f} {top}V{height - bottom}" stroke="#e5e5e5"/>')
        out.append(f'<text x="{x(recall):.1f}" y="{height - bottom + 18}" text-anchor="middle">{recall:.2f}</text>')
    power = slow
    while power <= fast:
        for factor in range(1, 10):
            if power * factor <= fast:
                out.append(
                    f'<path d="M{left} {y(power * factor):.1f}H{width - right}" stroke="{"#ddd" if factor == 1 else "#f4f4f4"}"/>'
                )
        out.append(f'<text x="{left - 8}" y="{y(power) + 4:.1f}" text-anchor="end">{power:,.0f}</text>')
        power *= 10
    out.append(f'<text x="{(left + width - right) / 2}" y="{height - 16}" text-anchor="middle">recall at 10</text>')
    middle = (top + height - bottom) / 2
    out.append(
        f'<text x="20" y="{middle}" text-anchor="middle" transform="rotate(-90 20 {middle})">queries a second, one thread</text>'
    )
    legend = top + 8

    def entry(colour, name, mark):
        nonlocal legend
        out.append(mark(width - right + 22, legend - 4, colour))
        out.append(f'<text x="{width - right + 36}" y="{legend}">{html.escape(name)}</text>')
        legend += 20

    def dot(cx, cy, colour):
        return f'<circle cx="{cx:.1f}" cy="{cy:.1f}" r="4" fill="{colour}"/>'

    def diamond(cx, cy, colour):
        return f'<path d="M{cx - 8:.1f} {cy:.1f}l8 -8l8 8l-8 8z" fill="{colour}"/>'

    for colour, (name, curve) in zip(COLOURS * 3, curves.items()):
        curve = sorted(curve)
        if curve:
            path = "L".join(f"{x(recall):.1f} {y(speed):.1f}" for recall, speed in curve)
            out.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        out += [dot(x(recall), y(speed), colour) for recall, speed in curve]
        entry(colour, name, dot)
    out.append(f'<path d="M{left} {y(ours):.1f}H{width - right}" stroke="#d62728" stroke-dasharray="5 4"/>')
    out.append(diamond(x(1), y(ours), "#d62728"))
    entry("#d62728", "MiniORM, exact", diamond)
    return "\n".join(out) + "\n</svg>\n"
