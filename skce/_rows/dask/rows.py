"""Rows on Dask: the sums of RowBlocks where X is a Dask array or DataFrame, whose chunks or partitions are its parts.

One sum is one graph: the function goes out once, each part is summed where it lies, the terms are added in a tree,
first those of a worker and then those of the workers, and what comes back is one term. L-BFGS runs here.
"""

import uuid
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import numpy as np
import scipy.sparse
from dask.delayed import Delayed
from distributed import futures_of

from skce._labels.kinds_of_y import joined_labels
from skce._rows import parts as _parts
from skce._rows.blocks import RowBlocks, points_between
from skce._rows.dask import graphs
from skce._rows.threads import workers_for

# Terms that are added at once.
TERMS_OF_SUM = 16

# Numbers that a program of all rows at once may return, which come here.
NUMBERS_TO_STACK = 2**21


@dataclass(frozen=True)
class DaskRows:
    """The rows of X (n, d) on Dask, minus ``shift`` (d,) unless that is None; to the objective what RowBlocks are.

    ``targets`` know the totals. ``parts`` are pairs of the keys that a block of X and its targets have in ``graph``;
    ``client`` has persisted these, None on threads. ``weights`` are those before each part, and of all, and ``ends``
    the rows. ``by_worker`` has the numbers of the parts that lie on each worker.
    """

    targets: Any
    parts: list
    graph: dict
    client: object
    weights: np.ndarray
    ends: np.ndarray
    by_worker: list
    shape: tuple
    numbers_per_row: float
    is_sparse: bool
    dtype_of_X: type
    shift: np.ndarray | None = None
    dtype: type = np.float64

    numbers_to_stack = NUMBERS_TO_STACK

    @classmethod
    def of_parts(cls, blocks, parts, summaries, n_features, targets):
        """The rows of ``parts``, none of them empty, for the ``targets`` of all."""
        targets_sent = graphs.sent(targets)
        targets_of_part = graphs.delayed(_parts.targets_of_part)
        part_targets = graphs.persisted([targets_of_part(part, targets_sent) for part in parts])
        weights = graphs.of_each(_parts.weight_of_part, part_targets)
        n_rows = sum(summary.n_rows for summary in summaries)
        is_single = all(summary.dtype == np.float32 for summary in summaries)
        futures = futures_of(part_targets)
        return cls(
            targets,
            [(block.key, some.key) for block, some in zip(blocks, part_targets, strict=True)],
            _graph_of([*blocks, *part_targets]),
            futures[0].client if futures else None,
            np.cumsum([0.0, *weights]),
            np.cumsum([0, *(summary.n_rows for summary in summaries)]),
            _by_worker(part_targets, futures),
            shape=(n_rows, n_features),
            numbers_per_row=sum(summary.n_numbers for summary in summaries) / n_rows,
            is_sparse=any(summary.is_sparse for summary in summaries),
            dtype_of_X=np.float32 if is_single else np.float64,
        )

    @contextmanager
    def at_work(self):
        """These rows, while BLAS runs on one thread: parts are threads enough where Dask runs them in this process."""
        with workers_for(work=0):
            yield self

    def multiplied_in(self, dtype, shift=None):
        """The same rows, with products in ``dtype`` and minus ``shift``."""
        return replace(self, dtype=dtype, shift=shift)

    def where_large(self, matrix):
        """A matrix where large ones are factorised: here."""
        return matrix

    def where_iterations_are(self, *values):
        """Vectors, and curvatures that multiply them, where iterations are: here."""
        return values

    def merged(self):
        """None: which columns a single row has would take a look at all parts together."""
        return None

    def stacked(self, program):
        """The arrays (..., n) that ``program`` returns for the parts, joined."""
        return self._joined(_parts.Stack(program, self.shift, self.dtype))

    def gathered(self, program):
        """The arrays (..., m) that ``program`` returns of some of the rows of each Block, joined."""
        return self._joined(_parts.Gathered(program, self.shift, self.dtype))

    def targets_in_memory(self):
        """The targets with the labels and weights of all rows, which come here."""
        keys = {number: (_parts.labels_of_part, of_part) for number, (_, of_part) in enumerate(self.parts)}
        labels, weights = zip(*self._of_each(keys), strict=True)
        return self.targets.of_rows(joined_labels(labels), np.concatenate(weights))

    def in_memory(self):
        """RowBlocks of all rows, which come here."""
        return self._fetched(np.arange(self.shape[0]))

    def block(self, at):
        """The Block of the rows of a slice, or of an array of indices in order, which come here."""
        fetched = self._fetched(np.arange(self.shape[0])[at])
        return fetched.block(slice(0, fetched.shape[0]))

    def features(self, at):
        """X (m, d) of such a Block."""
        return self.block(at).X

    def without(self, row):
        """The same rows, of which one weighs nothing."""
        number = int(np.searchsorted(self.ends, row, side="right")) - 1
        of_X, of_targets = self.parts[number]
        key = f"without-{uuid.uuid4().hex}"
        graph = self.graph | {key: (_parts.targets_without_row, of_targets, int(row - self.ends[number]))}
        parts = [*self.parts[:number], (of_X, key), *self.parts[number + 1 :]]
        return replace(self, graph=graph, parts=parts)

    def without_rows(self):
        """What is known of all rows, without these: what a program may know, which is sent to where they are."""
        return replace(self, parts=[], graph={}, client=None, by_worker=[])

    def lowest(self, program):
        """The lowest of the numbers (m,) that ``program`` returns for a Block."""
        return float(self._over_parts(_parts.Lowest(program), _parts.least)[0])

    def summed(self, program, width=None):
        """Sums, one for each entry of the tuple that ``program`` returns for a Block."""
        return self._over_parts(_parts.Sum(program, width, self.shift, self.dtype), _parts.added)

    def summed_where(self, params, program):
        """Sums as above where the parameters are that ``program`` is about: here."""
        return self.summed(program)

    def summed_of_drawn(self, program, n_draws, width=None):
        """The weight of all rows, and sums over ``n_draws`` of them, drawn in proportion to their weight."""
        total = self.weights[-1]
        weight_before = {
            number: (before,)
            for number, (before, end) in enumerate(zip(self.weights[:-1], self.weights[1:], strict=True))
            if len(points_between(before, end, total, n_draws))
        }
        draw = _parts.Sum(program, width, self.shift, self.dtype, n_draws, total)
        return total, self._over_parts(draw, _parts.added, weight_before)

    def _fetched(self, at):
        """RowBlocks of the rows of an array of indices in order."""
        numbers = np.searchsorted(self.ends, at, side="right") - 1
        tasks = {}
        for number in np.unique(numbers).tolist():
            task = _parts.Chosen(at[numbers == number] - self.ends[number])
            tasks[number] = graphs.over_part, task, *self.parts[number]
        features, labels, weights = zip(*self._of_each(tasks), strict=True)
        join: Any = scipy.sparse.vstack if self.is_sparse else np.concatenate
        X = join([block.astype(self.dtype_of_X, copy=False) for block in features])
        targets = self.targets.of_rows(joined_labels(labels), np.concatenate(weights))
        return RowBlocks(X, targets, self.shift, self.dtype)

    def _of_each(self, tasks):
        """What tasks, by number of their parts, compute to, as a list."""
        name = f"of-each-{uuid.uuid4().hex}"
        keys = [(name, number) for number in tasks]
        graph = self.graph | dict(zip(keys, tasks.values(), strict=True)) | {name: (graphs.as_list, *keys)}
        return graphs.computed(Delayed(name, graph), self.client)

    def _joined(self, task):
        """The arrays that ``task`` returns for the parts, joined in the order of the rows."""
        return replace(self, by_worker=[list(range(len(self.parts)))])._over_parts(task, _parts.joined)

    def _over_parts(self, task, combine, arguments=None):
        """What ``task`` returns for the parts, or for those that ``arguments`` number, combined."""
        if arguments is None:
            arguments = dict.fromkeys(range(len(self.parts)), ())
        name = f"{type(task).__name__.lower()}-{uuid.uuid4().hex}"
        # Written out, as Delayed calls take as long to make as to schedule.
        graph = self.graph | {name: (graphs.same, task)}
        further_numbers = count(len(self.parts))

        def combined_in_graph(keys):
            while len(keys) > 1:
                groups = [keys[start : start + TERMS_OF_SUM] for start in range(0, len(keys), TERMS_OF_SUM)]
                keys = [(name, next(further_numbers)) for _ in groups]
                graph.update((key, (combine, *group)) for key, group in zip(keys, groups, strict=True))
            return keys

        terms = []
        for numbers in self.by_worker:
            keys = [(name, number) for number in numbers if number in arguments]
            graph.update((key, (graphs.over_part, name, *self.parts[key[1]], *arguments[key[1]])) for key in keys)
            terms += combined_in_graph(keys)
        (key,) = combined_in_graph(terms)
        # What comes from elsewhere may be read-only.
        return [np.array(term, dtype=np.float64) for term in graphs.computed(Delayed(key, graph), self.client)]


def _graph_of(values):
    """The tasks of all of several Delayed values, which may share layers of tasks."""
    layers = {}
    for value in values:
        graph = value.__dask_graph__()
        layers.update((id(layer), layer) for layer in getattr(graph, "layers", {"": graph}).values())
    tasks = {}
    for layer in layers.values():
        tasks.update(layer)
    return tasks


def _by_worker(parts, futures):
    """Lists of the numbers of the ``parts``, one for each worker that holds some of their ``futures``."""
    if not futures:
        return [list(range(len(parts)))]
    holders = futures[0].client.who_has(futures)
    numbers = {}
    for number, part in enumerate(parts):
        holder = next(iter(holders.get(part.key, ())), None)
        numbers.setdefault(holder, []).append(number)
    return list(numbers.values())
