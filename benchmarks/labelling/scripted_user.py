"""Measure labelling by a scripted user: accuracy by clicks, clicks until all is labelled, honesty of estimates.

    python -m benchmarks.labelling.scripted_user BUNDLE DATA [--first-pool 0 --judge left]

BUNDLE is a pets bundle with a features graph, whose backbone was not trained on DATA. DATA is a folder in the layout of
the Oxford-IIIT Pet Dataset. Each pool has 564 random training photos, of which the audit holds 56 back; the official
test photos judge. Policies were chosen with `--first-pool 0 --judge left`, where other training photos judge. Prints
Markdown tables, in six minutes on one core.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from benchmarks.labelling import policies
from benchmarks.labelling.honesty import honesty
from benchmarks.labelling.pools import Pool, draw_pool, read_album
from benchmarks.labelling.session import Accuracy, Policy, Session
from benchmarks.markdown import table_row

CLICKS = (25, 50, 100)
POLICIES: Mapping[str, Policy] = {
    "ours": policies.ours,
    "random": policies.at_random,
    "margin": policies.margin,
    "margin, scikit-learn": policies.margin_of_scikit_learn,
    "k-centre": policies.k_centre,
    "groups of 12 by similarity": policies.groups,
}
SHARES = (0.5, 0.8, 0.95, 1.0)
OVERLOOKED = (0.0, 0.1)


def curve(pool: Pool, policy: Policy, seed: int) -> list[Accuracy]:
    """Return the accuracy on other photos after each of CLICKS; a step that would exceed them does not count."""
    session = Session(pool, seed)
    steps = [(0, session.labels.copy())]
    for _ in policy(session):
        steps.append((session.clicks, session.labels.copy()))
        if session.clicks >= max(CLICKS):
            break
    found = []
    for clicks in CLICKS:
        _, session.labels = max((step for step in steps if step[0] <= clicks), key=lambda step: step[0])
        found.append(session.accuracy())
    return found


def accuracy_by_clicks(pools: Mapping[int, Pool]) -> str:
    """Return a table of accuracy and mean over breeds after each of CLICKS, by policy."""
    found = {name: [curve(pool, policy, n) for n, pool in pools.items()] for name, policy in POLICIES.items()}
    lines = [table_row("policy", [f"{clicks} clicks" for clicks in CLICKS]), "|---|---|---|---|"]
    for name, curves in found.items():
        values = np.array(curves)  # [pool, clicks, photos or breeds]
        cells = [
            f"{photos:.3f} / {breeds:.3f} ± {spread:.3f}"
            for (photos, breeds), spread in zip(values.mean(axis=0), values[:, :, 1].std(axis=0, ddof=1), strict=True)
        ]
        lines.append(table_row(name, cells))
    return "\n".join(lines)


def clicks_until_labelled(pools: Mapping[int, Pool]) -> str:
    """Return a table of clicks until shares of the photos have a label, and of right labels."""
    lines = [
        table_row(
            "overlooked",
            [f"{share:.0%}" for share in SHARES] + ["a photo", "a photo, each group", "a photo, with audit", "right"],
        ),
        "|---|" + "---|" * (len(SHARES) + 4),
    ]
    for overlooked in OVERLOOKED:
        rows = []
        for number, pool in pools.items():
            session = Session(pool, number, overlooked)
            n_photos = int((~pool.audit).sum())
            left = [(session.clicks, session.open.size) for _ in policies.ours(session)]
            when = [next(clicks for clicks, n_open in left if n_open <= (1 - share) * n_photos) for share in SHARES]
            right = (session.labels == pool.truth)[~pool.audit].mean()
            with_audit = (session.clicks + len(pool.asked)) / len(pool.truth)
            rows.append([*when, when[-1] / n_photos, session.clicks_by_group / n_photos, with_audit, right])
        means, spreads = np.mean(rows, axis=0), np.std(rows, axis=0, ddof=1)
        cells = [f"{mean:.0f} ± {spread:.0f}" for mean, spread in zip(means[:4], spreads[:4], strict=True)]
        lines.append(table_row(f"{overlooked:.0%}", cells + [f"{mean:.3f}" for mean in means[4:]]))
    return "\n".join(lines)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("data", type=Path, help="folder with images/ and annotations/")
    parser.add_argument("--cache", type=Path, default=Path("build/features"), help="folder to keep features in")
    parser.add_argument("--pools", type=int, default=12, help="number of pools; 0 leaves their tables out")
    parser.add_argument("--first-pool", type=int, default=100, help="number of the first pool")
    parser.add_argument("--judge", choices=("test", "left"), default="test", help="photos that judge")
    parser.add_argument("--people", type=int, default=200, help="people of each kind; 0 leaves their table out")
    args = parser.parse_args()
    album = read_album(args.bundle, args.data, args.cache)
    if args.pools:
        pools = {n: draw_pool(album, n, args.judge) for n in range(args.first_pool, args.first_pool + args.pools)}
        print(accuracy_by_clicks(pools), "\n")
        print(clicks_until_labelled(pools), "\n")
    if args.people:
        print(honesty(album, range(args.first_pool, args.first_pool + args.people)))


if __name__ == "__main__":
    main()
