"""The driver of a job: cut the input, let a runner answer what is not there yet, write the manifest."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from typing import Final, NamedTuple

from bulk import output
from bulk.cuts import cut
from bulk.inputs import check_unchanged
from bulk.job import Done, Job, Part
from bulk.merging import OrderedMerge
from bulk.output import Output, OutputError
from bulk.runners.runner import Runner
from bulk.sales.plan import PLAN, STYLES, merged, read_survey
from bulk.work import Step, again, read_footer
from runtime.words import counted

_READERS: Final = 8  # threads that read the footers of earlier parts; why: an object store needs 50 ms for each


class Progress(NamedTuple):
    """Progress of a job.

    Attributes:
        step: what is done now.
        parts: number of parts that are done.
        all_parts: number of all parts.
        rows: number of rows that this run has done.
    """

    step: str
    parts: int
    all_parts: int
    rows: int


class Summary(NamedTuple):
    """Output of a job.

    Attributes:
        rows: number of rows.
        bad: number of rows that could not be answered.
        parts: number of parts.
        earlier: number of parts that were there before.
        notes: number of rows with each kind of warning and each assumed fact.
    """

    rows: int
    bad: int
    parts: int
    earlier: int
    notes: Counter[str]


def run_job(job: Job, runner: Runner, say: Callable[[Progress], object]) -> Summary:
    """Run a job to its end, or continue it: only parts that are not published are computed.

    Two drivers of one job do no harm, but waste work.

    Args:
        job: the job.
        runner: what runs the parts.
        say: function that is called with the progress.

    Raises:
        UserError: if the job can't be run; another try can't help.
        UnavailableError: if a store fails again and again; another try continues the job.
        LostWorkerError: if workers die again and again; another try continues the job.
    """
    out = Output(job)
    out.claim()
    parts = cut(job.kind, job.files)
    there = out.published()
    missing = [part for part in parts if part.number not in there]
    if missing:
        _survey(job, out, parts, runner, say)
    results = {number: Done(number, 0) for number in there}
    rows = 0
    with closing(runner.run(job.task, "answer", missing)) as answered:
        for done in answered:
            results[done.part] = done
            rows += done.rows
            say(Progress("answering", len(results), len(parts), rows))
    with ThreadPoolExecutor(_READERS) as pool:
        earlier = pool.map(lambda number: again(partial(read_footer, job.out, job.id, number)), there)
        results |= {done.part: done for done in earlier}
    return _finish(job, out, parts, results, len(there))


def _survey(job: Job, out: Output, parts: list[Part], runner: Runner, say: Callable[[Progress], object]) -> None:
    """Publish the plan that all rows make, unless it is there; it is empty if they state none. Photos make none.

    A second survey follows if rows state facts of days, but only all rows together show how these are written.
    """
    if job.kind != "sales" or out.has(PLAN):
        return

    def surveyed(step: Step) -> bytes:
        words = "reading the plan" if step == "survey" else "reading the plan again"
        plan, rows = OrderedMerge(len(parts), merged), 0
        with closing(runner.run(job.task, step, parts)) as results:
            for ended, done in enumerate(results, 1):
                plan.add(done.part, done.content)
                rows += done.rows
                say(Progress(words, ended, len(parts), rows))
        return plan.result()

    plan = surveyed("survey")
    if not read_survey(plan).is_complete:
        out.create(STYLES, plan)
        plan = surveyed("survey again")
    out.create(PLAN, plan)


def _finish(job: Job, out: Output, parts: list[Part], results: dict[int, Done], earlier: int) -> Summary:
    """Write the manifest and the mark of success.

    Raises:
        InputError: if the input was changed while it was read.
        OutputError: if a part is missing, since the workers wrote to another place of the same name.
    """
    check_unchanged(job)
    missing = {part.number for part in parts} - out.published()
    if missing:
        raise OutputError(
            f"{job.out} lacks {counted(len(missing), 'part')} that workers have written: it is another folder on their "
            "machines; name a folder that all machines share, or an address"
        )
    notes: Counter[str] = Counter()
    for done in results.values():
        notes.update(done.notes)
    rows, bad = (sum(values) for values in zip(*((done.rows, done.bad) for done in results.values()), strict=True))
    files = [{"file": out.part(part.number), "rows": results[part.number].rows, **_input(part)} for part in parts]
    manifest = {
        **job.describe(),
        "ended": datetime.now(UTC).isoformat(timespec="seconds"),
        "rows": rows,
        "rows_with_a_problem": bad,
        "notes": dict(sorted(notes.items())),
        "parts": files,
    }
    if not out.has(output.SUCCESS):
        out.finish(manifest)
    return Summary(rows, bad, len(parts), earlier, notes)


def _input(part: Part) -> dict[str, str]:
    """Return the file that a part is read from, or its first and last photo."""
    return {"first": part.photos[0], "last": part.photos[-1]} if part.photos else {"input": part.file}
