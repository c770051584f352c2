#!/usr/bin/env python3
"""Shows that the simulator bites: breaks one rule of the scheduler at a time and expects the simulator to notice.

  tests/sim/mutate.py [--steps N] [--only NAME]

Works on a copy of the sources in a scratch folder, without assertions, so that the comparison with the oracle has to
find each fault. Prints a table; the exit status is 1 when a mutant survives.
"""
import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCHEDULER = "server/sched/scheduler.cc"
JOB = "server/sched/job.cc"
TIMELINE = "server/sched/timeline.cc"
POINTS = "server/sched/point_results.cc"

# What is broken, where, and how. The text must be there exactly once.
MUTANTS = [
    ("drop a wake-up", SCHEDULER, "    Unblock(dependant);\n    Touch(dependant);\n", "    Unblock(dependant);\n"),
    ("fold to the earlier seqno", JOB, "later.seqno > earlier.seqno", "later.seqno < earlier.seqno"),
    ("fold away a failure that counts", JOB, " && earlier.on_error == WaitErrorPolicy::kRun", ""),
    ("fold to the milder policy", JOB, "Strictness(later.on_error) >= Strictness(earlier.on_error)",
     "Strictness(later.on_error) <= Strictness(earlier.on_error)"),
    ("signal before the device has ended the job", SCHEDULER, "    if (queue.oldest() != nullptr) return;\n", ""),
    ("lose a credit", SCHEDULER, "queue.credits_used() + job.credits() > timeline.spec.credits",
     "queue.credits_used() + job.credits() >= timeline.spec.credits + (timeline.spec.credits == 1)"),
    ("one credit too many", SCHEDULER, "queue.credits_used() + job.credits() > timeline.spec.credits",
     "queue.credits_used() > timeline.spec.credits"),
    ("forget the cause", SCHEDULER, "    if (!std::exchange(failed, true)) *cause = result;\n",
     "    if (!std::exchange(failed, true)) cause->outcome = result.outcome;\n"),
    ("the last failure of alternatives counts", SCHEDULER, "if (!std::exchange(failed, true)) *cause = result;",
     "if (failed || !std::exchange(failed, true)) *cause = result;"),
    ("any-of waits for all", SCHEDULER, "      case PointResults::State::kOk:\n        return Group::kMet;\n",
     "      case PointResults::State::kOk:\n        continue;\n"),
    ("skip counts as a failure", SCHEDULER, "if (!IsFailure(result.outcome)) return Group::kMet;", ""),
    ("skip taken for fail", SCHEDULER, "skip ? Outcome::kSkipped : Outcome::kDependencyFailed",
     "Outcome::kDependencyFailed"),
    ("run taken for fail", SCHEDULER,
     "state == Group::kFailed && group.front().on_error != WaitErrorPolicy::kRun", "state == Group::kFailed"),
    ("failures do not travel", SCHEDULER, "group.front().on_error != WaitErrorPolicy::kRun", "false"),
    ("no ban for a fault", SCHEDULER, "    banned_.PushBack(&timeline);\n  }\n  FinishOldest", "  }\n  FinishOldest"),
    ("no ban for a hang", SCHEDULER, "      banned_.PushBack(&timeline);\n      Touch(timeline);\n",
     "      Touch(timeline);\n"),
    ("a hung queue is fed", SCHEDULER, "    if (is_news) {", "    if (false && is_news) {"),
    ("a banned queue goes on", SCHEDULER, "    Doom(timeline, As(Outcome::kCancelled, result));\n", ""),
    ("ignore priority", SCHEDULER, "ready_[static_cast<size_t>(timeline.priority)].PushBack(&timeline);",
     "ready_[0].PushBack(&timeline);"),
    ("start while stopped", SCHEDULER, "timeline->doomed || timeline->stopped", "timeline->doomed"),
    ("no start after stop", SCHEDULER,
     "  if (!std::exchange(timeline.stopped, false)) return;\n  Touch(timeline);\n",
     "  if (!std::exchange(timeline.stopped, false)) return;\n"),
    ("start what is doomed", SCHEDULER, "queue == nullptr || timeline->doomed || timeline->stopped",
     "queue == nullptr || timeline->stopped"),
    ("synchronisation overtakes", SCHEDULER, "(job.is_sync() && queue.oldest() != nullptr)", "false"),
    ("synchronisation behind a job is forgotten", SCHEDULER,
     "while (!timeline.spec.is_host && queue.oldest() != nullptr", "while (false && queue.oldest() != nullptr"),
    ("points never expire", SCHEDULER, "queue.oldest()->expiry() <= now", "false && now == 0"),
    ("signal one point too many", SCHEDULER, "queue->oldest()->seqno() <= seqno",
     "queue->oldest()->seqno() <= seqno + 1"),
    ("host error is forgotten", SCHEDULER, "is_last && outcome != Outcome::kOk ? Own(outcome) : Result{}", "Result{}"),
    ("waiters are not sorted", TIMELINE, "a.seqno != b.seqno ? a.seqno < b.seqno",
     "a.seqno != b.seqno ? a.seqno > b.seqno"),
    ("those behind a waiter that leaves are lost", TIMELINE, "    waiters_ = Meld(waiters_, below);\n", ""),
    ("waiter stays on the list when its queue is doomed", SCHEDULER, "  if (timeline.blocked) Unblock(timeline);\n}",
     "  timeline.blocked = false;\n}"),
    ("close does not stop what runs", SCHEDULER, "    AskToCancel(timeline, hw::JobStatus::kCancelled);\n", "    ;\n"),
    ("cancel twice", SCHEDULER, "  if (timeline.in_cancel || timeline.live()->hardware() == nullptr) return;\n",
     "  if (timeline.live()->hardware() == nullptr) return;\n"),
    ("watchdog asks too early", SCHEDULER, "now - timeline.running_since >= limit",
     "now - timeline.running_since >= limit / 2"),
    ("an innocent job does not get its time again", SCHEDULER, "timeline.running_since = now - verdict.used_ns;", ";"),
    ("inactive while jobs are on the device", SCHEDULER, "destroyed != nullptr && destroyed->drained()",
     "destroyed != nullptr && destroyed->head() == nullptr"),
    ("a timeline of one job stays", SCHEDULER, "timeline.spec.one_job && timeline.results.ended() > 0",
     "false && timeline.results.ended() > 0"),
    ("a failed range grows by one", POINTS, "if (range.first > seqno) return State::kOk;",
     "if (range.first > seqno + 1) return State::kOk;"),
    ("points that share a range share their root", POINTS, "if (result->root.seqno == 0) result->root.seqno = seqno;",
     "if (result->root.seqno == 0) result->root.seqno = range.first;"),
    ("a point ends one too early", POINTS, "if (seqno > ended_) return State::kPending;",
     "if (seqno > ended_ + 1) return State::kPending;"),
]


def run(command, **options):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)


def build(scratch):
    result = run(["cmake", "--build", str(scratch / "build"), "--target", "xeq_sim"])
    return result.returncode == 0, result.stdout


def try_mutant(scratch, name, file, old, new, steps):
    path = scratch / file
    source = path.read_text()
    if source.count(old) != 1:
        sys.exit(f"{name}: the text to break is there {source.count(old)} times, not once")
    path.write_text(source.replace(old, new))
    try:
        ok, output = build(scratch)
        if not ok:
            sys.exit(f"{name}: does not compile\n{output}")
        try:
            result = run([str(scratch / "build/tests/sim/xeq_sim"), "--steps", str(steps)], timeout=300)
        except subprocess.TimeoutExpired:
            return "caught: it does not end"
        if result.returncode == 0:
            return None
        if result.returncode < 0:
            return f"caught: signal {-result.returncode}"
        return "caught: " + re.sub(r"\s+a=\d+ b=\d+ c=\d+", "", result.stdout.splitlines()[0])
    finally:
        path.write_text(source)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="xeq_mutants."))
    try:
        shutil.copytree(ROOT, scratch, dirs_exist_ok=True, ignore=shutil.ignore_patterns("build", ".git"))
        # A mutant may leave something unused.
        flags = scratch / "cmake/XeqBuild.cmake"
        flags.write_text(flags.read_text().replace("-Werror", ""))
        configured = run(["cmake", "-S", str(scratch), "-B", str(scratch / "build"), "-G", "Ninja", "-DXEQ_SERVICE=OFF",
                          "-DCMAKE_BUILD_TYPE=None", "-DCMAKE_CXX_FLAGS=-O1 -DNDEBUG"])
        if configured.returncode != 0:
            sys.exit(configured.stdout)
        survived = 0
        for name, file, old, new in MUTANTS:
            if options.only not in name:
                continue
            verdict = try_mutant(scratch, name, file, old, new, options.steps)
            survived += verdict is None
            print(f"{name:50} {verdict or 'NOT CAUGHT'}", flush=True)
        print(f"{survived} survived" if survived else "all caught")
        return 1 if survived else 0
    finally:
        shutil.rmtree(scratch)


if __name__ == "__main__":
    sys.exit(main())
