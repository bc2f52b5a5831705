"""speedup.svg: speed-up against workers, drawn by hand so that nothing but Python is needed."""

WIDTH, HEIGHT = 700, 420
LEFT, RIGHT, TOP, BOTTOM = 60, 225, 50, 55      # margins; the names of the curves stand on the right
COLOURS = ["#1f5fa8", "#6a9fd8", "#b3541e", "#d98b5a"]


class Axes:
    def __init__(self, most_workers, most_speedup):
        self.workers, self.speedup = most_workers, most_speedup

    def x(self, workers):
        return LEFT + (workers - 1) / max(1, self.workers - 1) * (WIDTH - LEFT - RIGHT)

    def y(self, speedup):
        return HEIGHT - BOTTOM - speedup / self.speedup * (HEIGHT - TOP - BOTTOM)


def text(x, y, words, anchor="middle", size=13, colour="#222", more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{colour}"{more}>{words}</text>'


def line(points, colour, width=2, dash=""):
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dash = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="{width}"{dash}/>'


def grid(axes):
    for s in range(0, axes.speedup + 1):
        yield line([(axes.x(1), axes.y(s)), (axes.x(axes.workers), axes.y(s))], "#ddd", 1)
        yield text(LEFT - 12, axes.y(s) + 4, s, "end")
    step = max(1, axes.workers // 8)
    for w in range(1, axes.workers + 1, step):
        yield text(axes.x(w), HEIGHT - BOTTOM + 22, w)
    yield text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, "workers")
    middle = (TOP + HEIGHT - BOTTOM) / 2
    yield text(20, middle, "speed-up", more=f' transform="rotate(-90 20 {middle:.1f})"')


def spread_out(heights, gap=17):
    """Moves the names of curves that end at nearly the same height apart."""
    order = sorted(range(len(heights)), key=lambda i: heights[i])
    placed = list(heights)
    for before, after in zip(order, order[1:]):
        placed[after] = max(placed[after], placed[before] + gap)
    return placed


def draw(curves, cores):
    """The picture as text. curves: {name: {workers: speed-up}}; ideal is min(workers, cores)."""
    most = max(w for curve in curves.values() for w in curve)
    axes = Axes(most, max(cores, int(max(s for c in curves.values() for s in c.values()) + 0.999)))
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
           text((LEFT + WIDTH - RIGHT) / 2, 26, f"pi with 10⁹ points on {cores} cores", size=16)]
    out += grid(axes)
    ideal = {w: min(w, cores) for w in range(1, most + 1)}
    named = [("ideal", ideal, "#888")] + [(n, c, COLOURS[i % len(COLOURS)]) for i, (n, c) in enumerate(curves.items())]
    heights = spread_out([axes.y(curve[max(curve)]) for _, curve, _ in named])
    for (name, curve, colour), height in zip(named, heights):
        points = [(axes.x(w), axes.y(s)) for w, s in sorted(curve.items())]
        out.append(line(points, colour, dash="5 4" if name == "ideal" else ""))
        if name != "ideal":
            out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in points]
        out.append(text(WIDTH - RIGHT + 10, height + 4, name, "start", colour=colour))
    return "\n".join(out + ["</svg>", ""])
