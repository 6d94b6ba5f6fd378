"""X where it is: fits of PyTorch tensors, on a GPU or on the CPU, next to those of peers and of skce on the CPU.

    SCIPY_ARRAY_API=1 python benchmarks/device.py --mnist FOLDER

FOLDER has MNIST's four files. Sets are MNIST (60,000 x 784, float32); raw columns of scales from 0.01 to 100
(20 million x 100, 10 classes); and a probe of 1,000 classes (1,281,167 x 768). Each fit is warm: the second of two.
Gaps are over the least value that any fit came to, all evaluated in float64. An evaluation is F and its gradient; its
bandwidth counts two reads of X, next to that of a copy of X on the device. ``--shrink`` divides all n: with
``--device cpu --shrink 2000`` it takes minutes on a CPU, to try it.
"""

import argparse
import gzip
import time
import warnings
from pathlib import Path

import numpy as np
import sklearn
import torch
from report import duration, table, written
from sklearn.linear_model import LogisticRegression

from skce import SoftmaxRegressor
from skce._solver.objective import LinearObjective
from skce.estimators.training_set import TrainingSet

# Rows of the raw columns, and of the many classes, whose logits are drawn at once.
ROWS_AT_ONCE = 2**17


def main():
    """Measure what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mnist", metavar="FOLDER", help="the folder of MNIST's four files")
    parser.add_argument("--sets", nargs="+", default=["mnist", "raw", "classes"], choices=["mnist", "raw", "classes"])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--shrink", type=int, default=1)
    parser.add_argument("--peers", nargs="+", default=["skce", "skce on the CPU", "scikit-learn", "torch.optim.LBFGS"])
    parser.add_argument("--out", default="results")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    sklearn.set_config(array_api_dispatch=True)
    of_fits, of_evaluations = [], []
    for name in args.sets:
        if name == "mnist" and args.mnist is None:
            continue
        X, y = DATA[name](args)
        _, y = torch.unique(y, return_inverse=True)  # of few rows classes may be missing
        of_fits += fits(name, X, y, args)
        of_evaluations.append(evaluation(name, X, y, args.device))
        del X, y
    settings = {"device": args.device, "shrink": args.shrink}
    if args.device.startswith("cuda"):
        settings["GPU"] = torch.cuda.get_device_name()
    sections = ["## Fits", table(of_fits), "## One evaluation", table(of_evaluations)]
    print("\n\n".join(sections))
    written(args.out, "device", "X where it is", settings, {"fits": of_fits, "evaluations": of_evaluations}, sections)


def mnist(args):
    """MNIST's training set, pixels over 255."""
    folder = Path(args.mnist)
    with (
        gzip.open(folder / "train-images-idx3-ubyte.gz") as images,
        gzip.open(folder / "train-labels-idx1-ubyte.gz") as labels,
    ):
        X = np.frombuffer(images.read(), np.uint8, offset=16).reshape(-1, 784) / np.float32(255)
        y = np.frombuffer(labels.read(), np.uint8, offset=8)
    rows = slice(len(X) // args.shrink)
    return torch.tensor(X[rows], device=args.device), torch.tensor(y[rows], device=args.device, dtype=torch.int64)


def raw_columns(args):
    """Columns whose scales go from 0.01 to 100, none of mean 0, and labels that a linear model drew."""
    n, d, n_classes = 20_000_000 // args.shrink, 100, 10
    generator = torch.Generator(device=args.device).manual_seed(1)
    X = torch.randn(n, d, device=args.device, generator=generator)
    y = drawn_labels(X, 2 / d**0.5 * torch.randn(d, n_classes, device=args.device, generator=generator), generator)
    scale = 10 ** torch.linspace(-2, 2, d, device=args.device)
    X *= scale
    X += 3 * scale
    return X, y


def many_classes(args):
    """Correlated columns of unlike units, and labels of 1,000 classes that a linear model drew."""
    n, d, n_classes = 1_281_167 // args.shrink, 768, 1000
    generator = torch.Generator(device=args.device).manual_seed(1)
    X = torch.randn(n, d, device=args.device, generator=generator)
    mixed = torch.eye(d, device=args.device) + torch.randn(d, d, device=args.device, generator=generator) / d**0.5
    for start in range(0, n, ROWS_AT_ONCE):
        X[start : start + ROWS_AT_ONCE] = X[start : start + ROWS_AT_ONCE] @ mixed
    y = drawn_labels(X, 3 / d**0.5 * torch.randn(d, n_classes, device=args.device, generator=generator), generator)
    X *= torch.exp(torch.randn(d, device=args.device, generator=generator))
    return X, y


DATA = {"mnist": mnist, "raw": raw_columns, "classes": many_classes}


def drawn_labels(X, coef, generator):
    """Labels (n,) of rows X (n, d), each drawn by the softmax of its logits."""
    y = torch.empty(len(X), dtype=torch.int64, device=X.device)
    for start in range(0, len(X), ROWS_AT_ONCE):
        logits = X[start : start + ROWS_AT_ONCE] @ coef
        uniform = torch.rand(logits.shape, device=X.device, generator=generator).clamp(1e-20, 1 - 1e-7)
        y[start : start + ROWS_AT_ONCE] = (logits - torch.log(-torch.log(uniform))).argmax(dim=1)
    return y


def fits(name, X, y, args):
    """Rows of the table: what each peer's fit takes, the second of two, and where it ends."""
    peers = {
        "skce": lambda: by_skce(X, y),
        "skce on the CPU": lambda: by_skce(X.cpu().numpy(), y.cpu().numpy()),
        "scikit-learn": lambda: by_scikit_learn(X.double(), y),
        "torch.optim.LBFGS": lambda: by_torch(X, y),
    }
    rows = []
    for peer in args.peers:
        peers[peer]()
        on_cuda = X.device.type == "cuda"
        if on_cuda:
            torch.cuda.reset_peak_memory_stats()
        seconds, (coef, intercept, passes) = timed(peers[peer], X.device)
        peak = torch.cuda.max_memory_allocated() / X.nbytes if on_cuda else float("nan")
        value = evaluated(X, y, coef, intercept)
        rows.append(
            {"set": name, "peer": peer, "seconds": seconds, "passes": passes, "F": value, "memory over X": peak}
        )
    least = min(row["F"] for row in rows)
    for row in rows:
        row |= {"seconds": duration(row["seconds"]), "gap": f"{row['F'] / least - 1:.1e}", "F": f"{row['F']:.12g}"}
    return rows


def by_skce(X, y):
    """Coef, intercept and passes of skce's default fit."""
    model = SoftmaxRegressor().fit(X, y)
    return model.coef_, model.intercept_, model.n_passes_


def by_scikit_learn(X, y):
    """Those of scikit-learn's L-BFGS on the device, at its tightest useful tol."""
    model = LogisticRegression(tol=1e-6, max_iter=2000).fit(X, y)
    return model.coef_, model.intercept_, int(model.n_iter_[0])


def by_torch(X, y):
    """Those of one linear layer, as it is written by hand."""
    n, n_classes = len(X), int(y.max()) + 1
    layer = torch.nn.Linear(X.shape[1], n_classes).to(X.device)
    torch.nn.init.zeros_(layer.weight)
    optimiser = torch.optim.LBFGS(
        layer.parameters(), max_iter=400, history_size=10, line_search_fn="strong_wolfe", tolerance_change=0
    )
    n_evaluations = 0

    def loss():
        nonlocal n_evaluations
        n_evaluations += 1
        optimiser.zero_grad()
        value = torch.nn.functional.cross_entropy(layer(X), y) + (layer.weight**2).sum() / (2 * n)
        value.backward()
        return value

    optimiser.step(loss)
    return layer.weight.detach(), layer.bias.detach(), n_evaluations


def evaluated(X, y, coef, intercept):
    """F at C = 1, in float64."""
    coef, intercept = (torch.as_tensor(part).to(X.device).double() for part in (coef, intercept))
    total = torch.zeros((), dtype=torch.float64, device=X.device)
    for start in range(0, len(X), ROWS_AT_ONCE):
        logits = X[start : start + ROWS_AT_ONCE].double() @ coef.T + intercept
        total += torch.nn.functional.cross_entropy(logits, y[start : start + ROWS_AT_ONCE], reduction="sum")
    return float((total + (coef**2).sum() / 2) / len(X))


def evaluation(name, X, y, device):
    """A row of the table: what an evaluation takes, and the bandwidth of two reads of X, next to that of a copy."""
    with TrainingSet.read(SoftmaxRegressor(), X, y, None).problem() as problem:
        objective, params = LinearObjective(problem), np.zeros(problem.shape).ravel()
        objective(params)
        seconds = min(timed(lambda: objective(params), X.device)[0] for _ in range(5))
    part = X[: max(len(X) // 4, 1)]
    part.clone()
    of_copy = min(timed(part.clone, X.device)[0] for _ in range(5))
    read, copied = 2 * X.nbytes / seconds, 2 * part.nbytes / of_copy
    return {
        "set": name,
        "device": device,
        "bytes moved": 2 * X.nbytes,
        "seconds": duration(seconds),
        "two reads of X, GB/s": f"{read / 1e9:.3g}",
        "share of a copy's": f"{read / copied:.2f}",
    }


def timed(function, device):
    """Seconds that a function takes, to the end of what it has begun on a device, and what it returns."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    result = function()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start, result


if __name__ == "__main__":
    main()
