"""Bandits of other libraries on the same streams, with their defaults where nothing else is said.

Vowpal Wabbit 9.11.9 (`--squarecb`, or `--softmax` where rewards are not in [0, 1]), MABWiser 2.7.4 (Thompson sampling
without contexts, `LinUCB` with alpha .3 with them) and ParetoBandit 0.1.1 (its `DisjointLinUCBPolicy`). They are
installed from `requirements-oracles.lock`; what is not installed is named as such and not compared.
"""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from .bandit_streams import Played, Stream


class Peer(Protocol):
    """Chooses an arm by its number, then hears the reward of that choice."""

    def choose(self, context: np.ndarray) -> int: ...

    def learn(self, reward: float) -> None: ...


class VowpalWabbit:
    """Contextual bandit with action features; the arm's name and the context interact."""

    def __init__(self, arms: int, seed: int, explore: str) -> None:
        import vowpalwabbit

        command = f"--cb_explore_adf {explore} -q sa --quiet --random_seed {seed}"
        self._workspace = vowpalwabbit.Workspace(command)
        self._draw, self._arms = np.random.default_rng(seed), arms
        self._shared, self._taken, self._chance = "", 0, 1.0

    def choose(self, context: np.ndarray) -> int:
        self._shared = "shared |s " + " ".join(f"{i}:{value:.6g}" for i, value in enumerate(context))
        chances = self._workspace.predict([self._shared, *(f"|a arm{arm}" for arm in range(self._arms))])
        self._taken = int(np.searchsorted(np.cumsum(chances), self._draw.random() * sum(chances)))
        self._chance = chances[self._taken]
        return self._taken

    def learn(self, reward: float) -> None:
        lines = [f"|a arm{arm}" for arm in range(self._arms)]
        lines[self._taken] = f"0:{-reward:.6g}:{self._chance:.6g} {lines[self._taken]}"
        self._workspace.learn([self._shared, *lines])


class MabWiser:
    """One library call for a choice, one for a reward; the first rewards of all arms are given, for it needs a fit."""

    def __init__(self, arms: int, seed: int, first: np.ndarray | None) -> None:
        from mabwiser.mab import MAB, LearningPolicy

        policy = LearningPolicy.ThompsonSampling() if first is None else LearningPolicy.LinUCB(alpha=0.3)
        self._bandit = MAB(list(range(arms)), policy, seed=seed)
        self._context, self._taken = first, 0
        contexts = None if first is None else np.tile(first, (arms, 1))
        self._bandit.fit(list(range(arms)), [1] * arms, contexts)

    def choose(self, context: np.ndarray) -> int:
        self._context = None if self._context is None else context[None]
        self._taken = self._bandit.predict(self._context)
        return self._taken

    def learn(self, reward: float) -> None:
        self._bandit.partial_fit([self._taken], [reward], self._context)


def versions() -> dict[str, str | None]:
    """Version of each library by name; None for one that is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    found: dict[str, str | None] = {}
    for name in ("vowpalwabbit", "mabwiser"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def makers(stream: Stream) -> dict[str, Callable[[int], Peer]]:
    """What is installed, by the name to print: a bandit for a stream, made from a seed."""
    installed, arms = versions(), stream.expected.shape[1]
    has_contexts = stream.contexts.shape[1] > 1
    bounded = stream.noise is None or stream.noise == 0.0
    made: dict[str, Callable[[int], Peer]] = {}
    if installed["vowpalwabbit"]:
        explore = "--squarecb" if bounded else "--softmax --lambda 10"
        made[f"VW {installed['vowpalwabbit']}"] = lambda seed: VowpalWabbit(arms, seed + 1, explore)
    if installed["mabwiser"]:
        first = stream.contexts[0] if has_contexts else None
        made[f"MABWiser {installed['mabwiser']}"] = lambda seed: MabWiser(arms, seed, first)
    return made


def play(stream: Stream, peer: Peer, seed: int) -> Played:
    """The peer on a stream, with the draws of rewards that its seed gives."""
    rng = np.random.default_rng(seed)
    reward = regret = 0.0
    for context, expected in zip(stream.contexts, stream.expected, strict=True):
        mean = float(expected[peer.choose(context)])
        reward, regret = reward + mean, regret + float(expected.max()) - mean
        noisy = float(rng.random() < mean) if stream.noise is None else mean + stream.noise * rng.standard_normal()
        peer.learn(noisy)
    return Played(reward / len(stream.contexts), regret, float("nan"))


def compared(streams: Callable[[int], Stream], seeds: Sequence[int], measure: str) -> str:
    """`reward` or `regret` of every installed peer, mean over the seeds, to print beside the own figure."""
    told = []
    for name, make in makers(streams(seeds[0])).items():
        values = [getattr(play(streams(seed), make(seed), seed), measure) for seed in seeds]
        told.append(f"{name} {np.mean(values):.4g}")
    return f"{', '.join(told)} ({len(seeds)} of the seeds)" if told else "no peer installed: see Makefile, quality"


def microseconds(contexts: np.ndarray, arms: int) -> str:
    """CPU time of a choice and its reward of every installed peer, best of three."""
    stream, told = Stream(contexts, np.full((len(contexts), arms), 0.5), 0.0), []
    for name, make in makers(stream).items():
        best = float("inf")
        for _ in range(3):
            peer, started = make(0), time.process_time_ns()
            for context in contexts:
                peer.choose(context)
                peer.learn(0.5)
            best = min(best, (time.process_time_ns() - started) / len(contexts) / 1_000)
        told.append(f"{name} {best:.0f} us")
    return ", ".join(told) or "no peer installed: see Makefile, quality"
