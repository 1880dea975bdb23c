"""Lines in a drawing (SVG), of figures that lie over powers of ten."""

import math

WIDTH, HEIGHT = 720, 420
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 60, 56
COLOURS = ("#1b6ca8", "#c0392b", "#2e8b57", "#8e44ad")


def write(path, title, x_label, y_label, lines):
    """`lines`: name to points (x, y), all positive. Both axes are logarithmic: what doubles is as far up everywhere."""
    points = [point for line in lines.values() for point in line]
    across = Axis([x for x, _ in points], LEFT, WIDTH - RIGHT)
    up = Axis([y for _, y in points], HEIGHT - BOTTOM, TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        text(WIDTH / 2, 22, title, "middle", ' font-size="15"'),
        text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, x_label, "middle"),
        text(0, 0, y_label, "middle", f' transform="translate(16 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)"'),
    ]
    for value in across.ticks():
        x = across.place(value)
        parts += [stroke(x, TOP, x, HEIGHT - BOTTOM, "#dddddd"), text(x, HEIGHT - BOTTOM + 18, number(value), "middle")]
    for value in up.ticks():
        y = up.place(value)
        parts += [stroke(LEFT, y, WIDTH - RIGHT, y, "#dddddd"), text(LEFT - 8, y + 4, number(value), "end")]
    for place, ((name, line), colour) in enumerate(zip(lines.items(), COLOURS)):
        places = [(across.place(x), up.place(y)) for x, y in line]
        drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        middle = LEFT + (place + 0.5) * (WIDTH - RIGHT - LEFT) / len(lines)
        parts.append(text(middle, TOP - 14, name, "middle", f' fill="{colour}" font-weight="bold"'))
    path.write_text("\n".join([*parts, "</svg>"]) + "\n")


class Axis:
    """From values to places, by the logarithm."""

    def __init__(self, values, first, last):
        self.low, self.high = min(values), max(values)
        if self.high < self.low * 4:
            # So that what hardly changes looks like it.
            middle = math.sqrt(self.low * self.high)
            self.low, self.high = middle / 4, middle * 4
        self.first, self.last = first, last

    def place(self, value):
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return self.first + share * (self.last - self.first)

    def ticks(self):
        """1, 2 and 5 of each power of ten; only 1 where there are many."""
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        digits = (1,) if len(powers) > 4 else (1, 2, 5)
        found = [digit * 10.0**power for power in powers for digit in digits]
        return [value for value in found if self.low * 0.999 <= value <= self.high * 1.001]


def number(value):
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def stroke(x1, y1, x2, y2, colour):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def text(x, y, words, anchor, more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{words}</text>'
