"""Tables of a comparison: medians with their spread, and ratios against the goals.

A ratio is made of figures of one run; its median and its quartiles are over the runs. A goal is met when the quartile on
the wrong side meets it.
"""

import statistics

WHAT_FOR = """What each does for the price:

| | signature checked | on disk and synced before delivery | one order for all readers | who may hear is judged | TLS |
|---|---|---|---|---|---|
| floor | no | no | no | no | 1.3, AES-128-GCM |
| vigie | each message | each message | yes | each delivery | the same |
| nats | no | no (JetStream: where asked for) | for one publisher | by subject | the same |
| mosquitto | no | no | for one publisher | no | the same |
"""


def render(figures, chosen, machine):
    table = Table(figures)
    parts = ["# Comparison", "", *(f"- {line}" for line in machine), "", WHAT_FOR]
    parts += costs(table)
    for case in chosen:
        parts += [f"## {case.name}: {case.told}", ""]
        parts += case_table(table, case)
        parts += ratios(table, case)
    return "\n".join(parts) + "\n"


class Table:
    def __init__(self, figures):
        self.values = {}
        for entry in figures:
            key = (entry["case"], entry["server"], entry["figure"])
            self.values.setdefault(key, {})[entry["run"]] = entry["value"]

    def runs(self, case, server, name):
        return self.values.get((case, server, name), {})

    def cost(self, name):
        return self.runs("costs", "", name)


def number(value):
    if abs(value) >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 1 or value == 0 else f"{value:.3f}"


def spread(runs):
    values = sorted(runs.values())
    if not values:
        return "-"
    middle = number(statistics.median(values))
    return middle if len(values) == 1 else f"{middle} ({number(values[0])} to {number(values[-1])})"


def costs(table):
    told = [
        ("V: one Ed25519 check, CPU", "check_cpu_us"),
        ("the whole of `verify`, CPU", "verify_cpu_us"),
        ("D: one durable append, CPU", "append_cpu_us"),
        ("the same for one of 32 that share a sync, CPU", "append_shared_cpu_us"),
        ("one durable append, p50", "append_p50_us"),
        ("F: one write and `fdatasync`, p50", "sync_p50_us"),
        ("the same, p99", "sync_p99_us"),
    ]
    lines = ["| alone, in the same run | µs |", "|---|---|"]
    return [*lines, *(f"| {name} | {spread(table.cost(key))} |" for name, key in told), ""]


def case_table(table, case):
    names = [server.name for server in case.servers]
    lines = ["| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for name, unit, _ in case.figures:
        cells = [spread(table.runs(case.name, server, name)) for server in names]
        lines.append(f"| {name}{', ' + unit if unit else ''} | " + " | ".join(cells) + " |")
    return [*lines, ""]


def ratios(table, case):
    """Of the goals that concern this case."""
    lines = []
    for told, goal, is_most, values in goals(table, case):
        if not values:
            continue
        values = sorted(values)
        quartiles = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
        judged = quartiles[2] if is_most else quartiles[0]
        met = judged <= goal if is_most else judged >= goal
        sign = "at most" if is_most else "at least"
        shown = f"{quartiles[1]:.3g} ({quartiles[0]:.3g} to {quartiles[2]:.3g})"
        lines.append(f"| {told} | {shown} | {sign} {goal:g} | {'met' if met else 'missed'} |")
    if not lines:
        return []
    head = ["| vigie | median (quartiles) | goal | |", "|---|---|---|---|"]
    return [*head, *lines, ""]


# CPU per delivery against the floor with (V + D)/N, and against NATS; saturated, then paced.
FAN_OUT_GOALS = {
    "fan100": (100, (1.25, 0.45), (1.15, None)),
    "fan1000": (1_000, (1.2, 0.4), (1.1, 0.35)),
    "fan5000": (5_000, (1.2, None), (1.2, None)),
}
# Microseconds of CPU that the floor of a connection may be passed by.
CONNECT_GOAL = 1.1


def goals(table, case):
    """Told, goal, whether it is an upper bound, the ratio of each run."""

    def each(what, *sources):
        runs = set.intersection(*(set(source) for source in sources))
        return [what(*(source[run] for source in sources)) for run in sorted(runs)]

    def of(server, name):
        return table.runs(case.name, server, name)

    check, alone, shared, sync = (
        table.cost(key) for key in ("check_cpu_us", "append_cpu_us", "append_shared_cpu_us", "sync_p50_us")
    )
    if case.name in FAN_OUT_GOALS:
        readers, saturated, paced = FAN_OUT_GOALS[case.name]
        # Saturated, messages share their syncs, so D is that of a shared one: the stricter reading.
        for phase, append, (floor_goal, nats_goal) in (("saturated", shared, saturated), ("paced", alone, paced)):
            name = f"{phase} CPU per delivery"
            vigie, floor = of("vigie", name), of("floor", name)
            yield (f"{phase} CPU / (floor + (V + D)/{readers})", floor_goal, True,
                   each(lambda a, b, v, d: a / (b + (v + d) / readers), vigie, floor, check, append))
            if nats_goal:
                yield (f"{phase} CPU / NATS", nats_goal, True, each(lambda a, b: a / b, vigie, of("nats", name)))
        yield ("paced p50 / (floor + V + F)", 1.2, True,
               each(lambda a, b, v, f: a / (b + v + f), of("vigie", "paced p50"), of("floor", "paced p50"), check, sync))
        yield ("paced writes per delivery", 1.02, True, each(lambda a: a, of("vigie", "paced writes per delivery")))
        yield ("saturated writes per delivery", 0.1, True,
               each(lambda a: a, of("vigie", "saturated writes per delivery")))
        yield ("memory per idle reader, KiB", 16, True, each(lambda a: a, of("vigie", "memory per idle reader")))
        yield ("memory after the load / before", 1.2, True,
               each(lambda a, b: a / b, of("vigie", "memory per reader after the load"),
                    of("vigie", "memory per idle reader")))
        yield ("lost, saturated and paced", 0, True,
               each(lambda a, b: a + b, of("vigie", "saturated lost"), of("vigie", "paced lost")))
    elif case.name == "channels":
        name = "saturated CPU per delivery"
        yield ("(CPU − V − D) / floor", 1.25, True,
               each(lambda a, b, v, d: (a - v - d) / b, of("vigie", name), of("floor", name), check, shared))
    elif case.name == "connect":
        name = "CPU per connection"
        yield ("CPU / (floor + V)", CONNECT_GOAL, True,
               each(lambda a, b, v: a / (b + v), of("vigie", name), of("floor", name), check))
    elif case.name == "publish64":
        rate, synced = of("vigie", "receipts"), of("nats, sync always", "receipts")
        yield ("receipts / ceiling of 1 s/(CPU of the floor + V)", 0.85, False,
               each(lambda a, c, v: a * (c + v) / 1e6, rate, of("floor", "CPU per receipt"), check))
        yield ("receipts / NATS, sync always", 4, False, each(lambda a, b: a / b, rate, synced))
    elif case.name == "publish1":
        yield ("p50 / (floor + V)", 1.1, True,
               each(lambda a, b, v: a / (b + v), of("vigie", "p50"), of("floor", "p50"), check))
