"""Time to a gap: how long each solver takes to bring the same F to within a gap of its minimum.

    python benchmarks/run.py --data DIR --sets iris wine --C 1 --threads 1 --repeats 5 --out results
    python benchmarks/run.py --data DIR --groups "two classes" small --threads 1

A gap is F / F_ref - 1, with F evaluated here, from the coefficients, and F_ref from ``reference.py`` or published with
the data. A peer's tol is the loosest in a grid that reaches the gap; that fit is then timed, the peers in turn.
"""

import argparse
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import geometric_mean, median

from peers import DEFAULT, DEFAULT_MAX_ITER, installed_peers, quietly
from plot import save_plot
from problems import GROUPS, data_module, problems_of_set, set_names, synthetic_problems
from reference import optimum
from report import duration, table, written
from timing import limited_threads, results_in_turn, thread_counts, timed

TOLS = [float(f"1e-{digits}") for digits in range(1, 11)]
MAX_ITER = 3000


@dataclass(frozen=True)
class Point:
    """A fit: its settings, how long it took, and where it ended."""

    tol: float
    max_iter: int
    seconds: float
    gap: float
    n_iter: float
    n_passes: float


class Contest:
    """The peers on one problem, which are to reach ``gap``, each in a search of at most ``budget`` seconds."""

    def __init__(self, problem, *, gap, budget, threads):
        self.problem = problem
        self.gap = gap
        self.budget = budget
        self.threads = threads
        self.reference = optimum(problem)

    def result(self, peers, repeats, against_default):
        """All that there is to tell about the problem and the peers on it."""
        searches = {peer.name: self.search(peer) for peer in peers}
        latest = {peer: searches[peer.name][0][-1] for peer in peers if self.is_reached(searches[peer.name][0])}
        finalists = {peer: (point.tol, point.max_iter) for peer, point in latest.items()}
        if against_default:
            finalists[DEFAULT] = None, DEFAULT_MAX_ITER
        tasks = {peer.name: lambda peer=peer, how=how: self.point(peer, *how) for peer, how in finalists.items()}
        timings = results_in_turn(tasks, repeats)
        contestants = [*peers, DEFAULT] if against_default else peers
        n, d, n_classes = self.problem.shape
        return {
            "problem": str(self.problem),
            "name": self.problem.name,
            "n": n,
            "d": d,
            "K": n_classes,
            "C": self.problem.C,
            "reference": self.reference,
            "is_reference_published": self.problem.published_optimum is not None,
            "peers": {
                peer.name: self.summary(peer, *searches.get(peer.name, ([], None)), timings.get(peer.name, []))
                for peer in contestants
            },
        }

    def point(self, peer, tol, max_iter):
        """The Point of a fit."""
        seconds, fit = timed(quietly, peer.fit, self.problem, tol, max_iter, self.threads)
        gap = self.problem.objective(fit.coef, fit.intercept) / self.reference - 1
        return Point(tol, max_iter, seconds, gap, fit.n_iter, fit.n_passes)

    def search(self, peer):
        """Points from the loosest tol to the first that reaches the gap, if one does; why the search ended, if not."""
        if reason := peer.reason_to_skip(self.problem):
            return [], reason
        points = []
        try:
            # A fit cannot be interrupted: what one iteration takes, warm, says how many the budget has room for.
            self.point(peer, TOLS[0], 1)
            latest = self.point(peer, TOLS[0], 1)
            spent = latest.seconds
            for tol in TOLS:
                max_iter = min(MAX_ITER, int((self.budget - spent) / latest.seconds * max(latest.n_iter, 1)))
                if max_iter < 1:
                    return points or [latest], "budget spent"
                latest = self.point(peer, tol, max_iter)
                points.append(latest)
                spent += latest.seconds
                if self.is_reached(points):
                    return points, None
                if latest.n_iter >= MAX_ITER:
                    return points, f"max_iter={MAX_ITER}"
        except Exception as error:  # What a peer cannot solve is a result too.
            return points, f"{type(error).__name__}: {error}"
        return points, "end of the grid"

    def is_reached(self, points):
        """Whether the last of the points, if there are any, is within the gap."""
        return bool(points) and points[-1].gap <= self.gap

    def summary(self, peer, points, reason, timings):
        """What a peer came to: the fits that were timed, or else the best that the search has seen."""
        fits = timings or sorted(points, key=lambda point: point.gap)[:1]
        return {
            "is_reached": bool(timings) and all(point.gap <= self.gap for point in timings),
            "reason": reason,
            "tol": fits[0].tol if fits else None,
            "seconds": median(point.seconds for point in fits) if fits else None,
            "all_seconds": [point.seconds for point in timings],
            "gap": max(point.gap for point in fits) if fits else None,
            "n_iter": fits[0].n_iter if fits else None,
            "n_passes": fits[0].n_passes if fits else None,
            "counts": peer.counts,
            "is_scikit_learn": peer.is_scikit_learn,
            "points": [asdict(point) for point in points],
        }


def section(result):
    """Markdown of a problem: its table."""
    rows = []
    for name, peer in result["peers"].items():
        seconds = peer["all_seconds"]
        rows.append(
            {
                "peer": name,
                "gap reached": "yes" if peer["is_reached"] else f"not reached ({peer['reason'] or 'when timed'})",
                "gap": "" if peer["gap"] is None else f"{peer['gap']:.1e}",
                "tol": "" if peer["tol"] is None else f"{peer['tol']:.0e}",
                "median": duration(peer["seconds"]) if seconds else "",
                "least to most": f"{duration(min(seconds))} to {duration(max(seconds))}" if seconds else "",
                "passes": "" if peer["n_passes"] is None else f"{peer['n_passes']:.4g} {peer['counts']}",
            }
        )
    source = "published" if result["is_reference_published"] else "Newton's method"
    head = f"n={result['n']}, d={result['d']}, K={result['K']}; F_ref={result['reference']:.14g} ({source})"
    return f"## {result['problem']}\n\n{head}\n\n{table(rows)}"


def comparison(results, title, rival_of):
    """Markdown of how many times as long as skce a rival takes on each problem, and the geometric mean."""
    rows, ratios = [], []
    for result in results:
        skce, rival = result["peers"]["skce"], rival_of(result)
        row = {"problem": result["problem"], "rival": "none", "its time": "", "its gap": "", "skce": "", "ratio": ""}
        if skce["is_reached"]:
            row["skce"] = duration(skce["seconds"])
        if rival:
            peer = result["peers"][rival]
            row |= {"rival": rival, "its time": duration(peer["seconds"]), "its gap": f"{peer['gap']:.1e}"}
        if skce["is_reached"] and rival:
            ratios.append(peer["seconds"] / skce["seconds"])
            row["ratio"] = f"{ratios[-1]:.2f}"
        rows.append(row)
    mean = f"Geometric mean of {len(ratios)} ratios: {geometric_mean(ratios):.2f}." if ratios else "No ratio."
    return f"## {title}\n\n{table(rows)}\n\n{mean}"


def ratio_by_group(results):
    """Markdown of the groups that have problems here, those with the least ratio first."""
    rows = []
    for group, names in GROUPS.items():
        ratios = {}
        for result in results:
            rival, skce = fastest_of_scikit_learn(result), result["peers"]["skce"]
            if result["name"] in names and rival and skce["is_reached"]:
                ratios[result["problem"]] = result["peers"][rival]["seconds"] / skce["seconds"]
        if ratios:
            least = min(ratios, key=ratios.get)
            rows.append(
                {
                    "group": group,
                    "problems": len(ratios),
                    "geometric mean": f"{geometric_mean(ratios.values()):.2f}",
                    "smallest": f"{ratios[least]:.2f}",
                    "on": least,
                }
            )
    if not rows:
        return "No problem of a group."
    return f"## Ratios by group\n\n{table(sorted(rows, key=lambda row: float(row['smallest'])))}"


def fastest_of_scikit_learn(result):
    """Name of LogisticRegression's solver that reaches the gap first; None if none does."""
    times = {
        name: peer["seconds"]
        for name, peer in result["peers"].items()
        if peer["is_scikit_learn"] and peer["is_reached"] and name != DEFAULT.name
    }
    return min(times, key=times.get, default=None)


def comparisons(results):
    """Sections of Markdown that compare skce, where it takes part, with scikit-learn."""
    names = results[0]["peers"]
    if "skce" not in names:
        return []
    sections = [
        ratio_by_group(results),
        comparison(results, "Fastest solver of LogisticRegression / skce", fastest_of_scikit_learn),
    ]
    if DEFAULT.name in names:
        sections.append(comparison(results, f"{DEFAULT.name} / skce", lambda result: DEFAULT.name))
    return sections


def parsed_args(installed):
    """The command line's arguments, given the names of the peers."""
    parser = argparse.ArgumentParser(description="Time to a gap, for skce and its peers.")
    parser.add_argument("--data", metavar="DIR", help="folder with load.py and reference.json")
    parser.add_argument("--sets", nargs="*", help="default: scikit-learn's and the tables of --data")
    parser.add_argument("--groups", nargs="+", choices=GROUPS, default=[], help="sets of a kind")
    parser.add_argument("--synthetic", nargs="+", default=[], metavar="SPEC", help="n=10000,d=32,K=4,spread=1e3")
    parser.add_argument("--C", nargs="+", type=float, default=[1.0])
    parser.add_argument("--peers", nargs="+", choices=installed, default=installed, help="default: all")
    parser.add_argument("--against-default", action="store_true", help=f"time {DEFAULT.name} as well")
    parser.add_argument("--gap", type=float, default=1e-5)
    parser.add_argument("--threads", type=int, help="of BLAS and OpenMP; default: as they are")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--budget", type=float, default=120.0, help="seconds of a peer's search on a problem")
    parser.add_argument("--out", default="results", metavar="DIR")
    return parser.parse_args()


def chosen_problems(args):
    """The Problems that the arguments ask for, loaded one by one."""
    load = data_module(args.data) if args.data else None
    names = args.sets
    if names is None:
        names = [] if args.synthetic or args.groups else set_names(load)
    # A set of two groups is solved once.
    names = list(dict.fromkeys([*names, *(name for group in args.groups for name in GROUPS[group])]))
    for name in names:
        yield from problems_of_set(name, args.C, load)
    for spec in args.synthetic:
        yield from synthetic_problems(spec, args.C)


def main():
    """Run the contests, and write what is known after each."""
    installed = installed_peers()
    args = parsed_args(list(installed))
    peers = [installed[name] for name in args.peers]
    out = Path(args.out)
    results = []
    with limited_threads(args.threads):
        settings = {"threads": thread_counts(), "repeats": args.repeats, "budget": f"{args.budget:g} s"}
        for problem in chosen_problems(args):
            contest = Contest(problem, gap=args.gap, budget=args.budget, threads=args.threads)
            results.append(contest.result(peers, args.repeats, args.against_default))
            sections = [*comparisons(results), *map(section, results)]
            written(out, "run", f"Time to a gap of {args.gap:g}", settings, results, sections)
            save_plot(results[-1], args.gap, out / f"{problem.name}-C{problem.C:g}.png")
            print(f"\n{section(results[-1])}", flush=True)
    print("\n" + "\n\n".join(comparisons(results)))


if __name__ == "__main__":
    main()
