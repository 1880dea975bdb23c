"""What is measured, against whom, and which figures count."""

import dataclasses

from servers import Floor, Mosquitto, Nats, NatsSynced, NatsUnsynced, Vigie, VigieOnBoth

EVERYBODY = (Floor, Vigie, Nats, Mosquitto)
DURABLE = (Floor, Vigie, NatsSynced, NatsUnsynced)


@dataclasses.dataclass(frozen=True)
class Case:
    """One run of the load generator against each server. `figures` names what is taken from its report."""

    name: str
    told: str
    servers: tuple
    arguments: tuple
    quick: tuple
    figures: tuple


def figure(name, unit, *path):
    return (name, unit, path)


PHASES = tuple(
    figure(f"{phase} {name}", unit, phase, *path)
    for phase in ("saturated", "paced")
    for name, unit, path in (
        ("CPU per delivery", "µs", ("cpu_us",)),
        ("writes per delivery", "", ("writes",)),
        ("deliveries", "/s", ("deliveries_per_second",)),
        ("load of its core", "", ("load",)),
        ("lost", "", ("lost",)),
        ("skipped", "", ("skipped",)),
        ("p50", "µs", ("latency", "p50")),
        ("p99", "µs", ("latency", "p99")),
        ("load generator late, p99", "µs", ("late", "p99")),
    )
    if phase == "paced" or path[0] not in ("latency", "late")
) + (
    figure("CPU per connection, all included", "µs", "connect_cpu_us"),
    figure("memory per idle reader", "KiB", "resident_kib_each_idle"),
    figure("memory per reader after the load", "KiB", "resident_kib_each_after"),
)

CONNECT = (
    figure("CPU per connection", "µs", "cpu_us"),
    figure("connections", "/s", "per_second"),
    figure("load of its core", "", "load"),
    figure("memory per idle connection", "KiB", "resident_kib_each"),
)

PUBLISH = (
    figure("receipts", "/s", "per_second"),
    figure("CPU per receipt", "µs", "cpu_us"),
    figure("load of its core", "", "load"),
    figure("p50", "µs", "latency", "p50"),
    figure("p99", "µs", "latency", "p99"),
)


def fan_out(readers, window):
    arguments = ("fanout", "--readers", str(readers), "--window", str(window))
    return Case(
        name=f"fan{readers}",
        told=f"one publisher, {readers:,} readers, {window} messages under way when saturated",
        servers=EVERYBODY,
        arguments=(*arguments, "--saturated-seconds", "3", "--paced-seconds", "5"),
        quick=(*arguments, "--saturated-seconds", "1", "--paced-seconds", "2"),
        figures=PHASES,
    )


CASES = (
    fan_out(100, 64),
    fan_out(1_000, 32),
    fan_out(5_000, 16),
    Case(
        name="channels",
        told="10,000 channels, 1,000 readers of ten each, 64 messages under way, each heard by one reader",
        servers=EVERYBODY,
        arguments=("fanout", "--readers", "1000", "--channels-each", "10", "--window", "64", "--paced-seconds", "0"),
        quick=("fanout", "--readers", "1000", "--channels-each", "10", "--window", "64", "--paced-seconds", "0",
               "--saturated-seconds", "1"),
        figures=tuple(entry for entry in PHASES if not entry[0].startswith("paced")),
    ),
    Case(
        name="connect",
        told="TCP, TLS, upgrade and log-in, 32 at a time, chains known to the relay",
        servers=EVERYBODY,
        arguments=("connect", "--connections", "2000"),
        quick=("connect", "--connections", "500"),
        figures=CONNECT,
    ),
    Case(
        name="publish64",
        told="64 authors, each sends its next message when the one before is acknowledged",
        servers=(*DURABLE, VigieOnBoth),
        arguments=("publish", "--authors", "64", "--messages", "30000"),
        quick=("publish", "--authors", "64", "--messages", "5000"),
        figures=PUBLISH,
    ),
    Case(
        name="publish1",
        told="the same with one author",
        servers=DURABLE,
        arguments=("publish", "--authors", "1", "--messages", "3000"),
        quick=("publish", "--authors", "1", "--messages", "500"),
        figures=PUBLISH,
    ),
)
