"""Simulate the autoscaling rule over an ordinary day, a day with a promotion, and the busiest day.

    python -m benchmarks.scale.autoscaling
    python -m benchmarks.scale.autoscaling --service "sales, torchserve" --peak 10000 --day baskets --plot FILE.svg

A pod answers as docs/scale/measured.json says (benchmarks/scale/busy_workers.py). The rule is that of the ScaledObject
in deploy/kubernetes/components/scaling. On day two, a message to all customers doubles the requests within a minute,
for a quarter of an hour; that is an assumption. The factors of the days are measured (benchmarks/scale/demand.py).
"""

import argparse
import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmarks.markdown import table_row
from benchmarks.scale.busy_workers import FILE
from benchmarks.scale.demand import BUSIEST, DAY_S, DAYS, HOUR_S, PROMOTION, burst, rates
from benchmarks.scale.rules import Rule, Trigger
from benchmarks.scale.simulation import Delays, Pod, Result, simulate

SCALED_OBJECT = Path(__file__).resolve().parents[2] / "deploy/kubernetes/components/scaling/scaled-object.yaml"
LIMITS = {"pets": 4, "sales": 64}  # requests in progress for each worker (serving/archives/settings)
FACTORS = (1.0, PROMOTION, BUSIEST)
PLOTTED = ("shipped rule", "busy workers and rejections", "time in the queue")
PLOTTED_S = 900  # of each point of the plot
MESSAGE_AT_S, MESSAGE_FACTOR, MESSAGE_RISE_S, MESSAGE_S = DAY_S + 10 * HOUR_S, 2.0, 60, 900


class Case(NamedTuple):
    """A way to choose the number of pods: a rule, or a fixed number."""

    name: str
    rule: Rule | None
    pods: int


def pod_of(service: str, kept: Path = FILE) -> Pod:
    """Return a pod as it was measured, with a core for each worker.

    Other programs took a part of the machine's cores. So the figures are scaled to a pod that has all of its cores
    for itself, and whose workers are busy while they use a core.
    """
    content = json.loads(kept.read_text(encoding="utf-8"))[service]
    points = content["points"]
    cores = content["workers"]
    most = max(points, key=lambda point: point["answered"])
    scale = cores / most["cores"]
    points = sorted(
        (point for point in points if point["answered"] <= most["answered"]), key=lambda point: point["answered"]
    )
    answered = [scale * point["answered"] for point in points]
    used = [[min(scale * point[name], cores) for point in points] for name in ("worker_cores", "cores")]
    return Pod(LIMITS[service.partition(",")[0]] * cores, answered, *used)


def demand(day: str, peak: float) -> NDArray[np.float64]:
    """Return the expected requests of each second.

    Args:
        day: name of the shape of a day.
        peak: requests a second at the peak of the day with a promotion, without the message.
    """
    mean = peak / (PROMOTION * max(DAYS[day]))
    return burst(rates(day, mean, FACTORS), MESSAGE_AT_S, MESSAGE_FACTOR, MESSAGE_RISE_S, MESSAGE_S)


def cases(rate: NDArray[np.float64], pod: Pod, shipped: Rule, target: float) -> list[Case]:
    """Return the shipped rule, and others to compare it with, which may have any number of pods.

    Args:
        rate: expected requests of each second.
        pod: a pod.
        shipped: rule of the ScaledObject.
        target: share of a pod's capacity that fixed numbers of pods use at their peak.
    """
    peaks = [rate[DAY_S * day : DAY_S * (day + 1)].max() for day in range(len(FACTORS))]
    fixed = [math.ceil(peak / (target * pod.capacity)) for peak in peaks]
    unlimited = dataclasses.replace(shipped, most=max(shipped.most, 4 * max(fixed)))
    by_metric = {trigger.metric: trigger for trigger in shipped.triggers}
    service_s = pod.used(pod.answered[0])[0] / pod.answered[0]
    rules = {
        f"shipped rule, without its limit of {shipped.most} pods": shipped.triggers,
        "busy workers and rejections": [by_metric["busy"], by_metric["rejections"]],
        "busy workers": [by_metric["busy"]],
        "time in the queue": [Trigger("wait", service_s)],
    }
    return [
        Case("shipped rule", shipped, fixed[0]),
        *(Case(name, dataclasses.replace(unlimited, triggers=triggers), fixed[0]) for name, triggers in rules.items()),
        Case(f"{fixed[2]} pods, for the busiest day", None, fixed[2]),
        Case(f"{fixed[0]} pods, for the ordinary day", None, fixed[0]),
    ]


def plot(rate: NDArray[np.float64], pod: Pod, results: Mapping[str, Result], file: Path) -> None:
    """Plot the requests, and the answers and rejections of the pods of each rule, as means of some minutes."""
    mpl.rcParams["svg.fonttype"] = "none"  # text stays text, so that the file stays small

    def smooth(values: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
        means: NDArray[np.float64] = np.asarray(values, np.float64).reshape(-1, PLOTTED_S).mean(1)
        return means

    figure = Figure(figsize=(9, 2.2 * len(results)), layout="constrained")
    hours = np.arange(0, len(rate), PLOTTED_S) / HOUR_S
    rows = figure.subplots(len(results), 1, sharex=True, squeeze=False).flat
    for axes, (name, result) in zip(rows, results.items(), strict=True):
        axes.fill_between(hours, smooth(rate), color="0.85", label="requests/s")
        axes.plot(hours, smooth(result.pods) * pod.capacity, color="tab:blue", label="the pods can answer")
        axes.fill_between(hours, smooth(result.refused_each_second), color="tab:red", linewidth=0, label="rejected/s")
        share = f"{100 * result.refused_share:.2f} % rejected, {result.pod_seconds / HOUR_S:,.0f} pod-hours"
        axes.set_title(f"{name}: {share}", fontsize=9)
        axes.set_xticks(range(0, len(rate) // HOUR_S + 1, 12))
        axes.tick_params(labelsize=8)
    figure.axes[0].legend(fontsize=8, loc="upper left")
    label = "hours: an ordinary day, a promotion with a message at 10:00 (hour 34), the busiest day"
    figure.axes[-1].set_xlabel(label, fontsize=8)
    figure.savefig(file, metadata={"Date": None})


def main() -> None:
    """Simulate and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--service", default="pets, torchserve", help="key of docs/scale/measured.json")
    parser.add_argument("--peak", type=float, default=400, help="requests a second at the promotion's peak")
    parser.add_argument("--day", choices=DAYS, default="rides")
    parser.add_argument("--rule", type=Path, default=SCALED_OBJECT, help="file of the ScaledObject")
    parser.add_argument("--plot", type=Path, help="file of the plot to write")
    for field in dataclasses.fields(Delays):
        parser.add_argument(f"--{field.name}", type=float, default=field.default, metavar="SECONDS")
    args = parser.parse_args()
    pod, rate = pod_of(args.service), demand(args.day, args.peak)
    delays = Delays(*(getattr(args, field.name) for field in dataclasses.fields(Delays)))
    print(f"{args.service}: a pod answers {pod.capacity:,.0f}/s, with {pod.busy[-1]:.2f} busy workers")
    print("| pods | rejected | rejected, of the worst minute | pod-hours | most pods |")
    print("|---|---:|---:|---:|---:|")
    results = {}
    for case in cases(rate, pod, Rule.of_scaled_object(args.rule), 0.6):
        result = results[case.name] = simulate(rate, pod, case.rule, delays, pods=case.pods)
        worst = (np.reshape(result.refused_each_second, (-1, 60)).mean(1) / rate.reshape(-1, 60).mean(1)).max()
        cells = [f"{100 * result.refused_share:.3f} %", f"{100 * worst:.0f} %"]
        print(table_row(case.name, [*cells, f"{result.pod_seconds / HOUR_S:,.0f}", str(max(result.pods))]), flush=True)
    if args.plot:
        plot(rate, pod, {name: result for name, result in results.items() if name in PLOTTED}, args.plot)


if __name__ == "__main__":
    main()
