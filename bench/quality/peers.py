"""Bandits of other libraries on the same streams, with their defaults where nothing else is said.

Vowpal Wabbit 9.11.9 (`--squarecb`, or `--softmax` where rewards are not in [0, 1]), MABWiser 2.7.4 (Thompson sampling
without contexts, `LinUCB` with alpha .3 with them) and ParetoBandit 0.1.1 (its `DisjointLinUCBPolicy`). They are
installed from `requirements-oracles.lock`; what is not installed is named as such and not compared.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from .bandit_streams import Played, Stream


class Made(NamedTuple):
    """A choice: the arm's number, and what the library needs to learn from it, however late its reward comes."""

    arm: int
    context: object
    chance: float = 1.0


class Peer(Protocol):
    """Chooses an arm by its number, and hears the reward of that choice some time later."""

    def choose(self, context: np.ndarray) -> Made: ...

    def learn(self, made: Made, reward: float) -> None: ...


class VowpalWabbit:
    """Contextual bandit with action features; the arm's name and the context interact."""

    def __init__(self, arms: int, seed: int, explore: str) -> None:
        import vowpalwabbit

        command = f"--cb_explore_adf {explore} -q sa --quiet --random_seed {seed}"
        self._workspace = vowpalwabbit.Workspace(command)
        self._draw, self._arms = np.random.default_rng(seed), arms

    def choose(self, context: np.ndarray) -> Made:
        shared = "shared |s " + " ".join(f"{i}:{value:.6g}" for i, value in enumerate(context))
        chances = self._workspace.predict([shared, *(f"|a arm{arm}" for arm in range(self._arms))])
        taken = int(np.searchsorted(np.cumsum(chances), self._draw.random() * sum(chances)))
        return Made(taken, shared, chances[taken])

    def learn(self, made: Made, reward: float) -> None:
        lines = [f"|a arm{arm}" for arm in range(self._arms)]
        lines[made.arm] = f"0:{-reward:.6g}:{made.chance:.6g} {lines[made.arm]}"
        self._workspace.learn([made.context, *lines])


class MabWiser:
    """One library call for a choice, one for a reward; the first rewards of all arms are given, for it needs a fit."""

    def __init__(self, arms: int, seed: int, first: np.ndarray | None) -> None:
        from mabwiser.mab import MAB, LearningPolicy

        policy = LearningPolicy.ThompsonSampling() if first is None else LearningPolicy.LinUCB(alpha=0.3)
        self._bandit = MAB(list(range(arms)), policy, seed=seed)
        self._has_contexts = first is not None
        contexts = None if first is None else np.tile(first, (arms, 1))
        self._bandit.fit(list(range(arms)), [1] * arms, contexts)

    def choose(self, context: np.ndarray) -> Made:
        known = context[None] if self._has_contexts else None
        return Made(self._bandit.predict(known), known)

    def learn(self, made: Made, reward: float) -> None:
        self._bandit.partial_fit([made.arm], [reward], made.context)


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


def play(stream: Stream, peer: Peer, seed: int, delay: int = 0, lost: float = 0.0) -> Played:
    """The peer on a stream, with the draws of rewards that its seed gives; late or lost as in `bandit_streams.play`."""
    rng = np.random.default_rng(seed)
    waiting: deque[tuple[int, Made, float]] = deque()
    reward = regret = 0.0
    for event, (context, expected) in enumerate(zip(stream.contexts, stream.expected, strict=True)):
        made = peer.choose(context)
        mean = float(expected[made.arm])
        reward, regret = reward + mean, regret + float(expected.max()) - mean
        noisy = float(rng.random() < mean) if stream.noise is None else mean + stream.noise * rng.standard_normal()
        if not lost or rng.random() >= lost:
            waiting.append((event + delay, made, noisy))
        while waiting and waiting[0][0] <= event:
            _, then, value = waiting.popleft()
            peer.learn(then, value)
    return Played(reward / len(stream.contexts), regret, float("nan"))


def means(
    streams: Callable[[int], Stream], seeds: Sequence[int], measure: str, delay: int = 0, lost: float = 0.0
) -> dict[str, float]:
    """`reward` or `regret` of every installed peer, mean over the seeds."""
    found = {}
    for name, make in makers(streams(seeds[0])).items():
        found[name] = float(
            np.mean([getattr(play(streams(seed), make(seed), seed, delay, lost), measure) for seed in seeds])
        )
    return found


def compared(streams: Callable[[int], Stream], seeds: Sequence[int], measure: str) -> str:
    """The same in words, to print beside the own figure."""
    return told({name: f"{value:.4g}" for name, value in means(streams, seeds, measure).items()}, seeds)


def told(values: dict[str, str], seeds: Sequence[int]) -> str:
    """What each peer reached, and on how many of the seeds."""
    if not values:
        return "no peer installed: see Makefile, quality"
    return f"{', '.join(f'{name} {value}' for name, value in values.items())} ({len(seeds)} of the seeds)"


def microseconds(contexts: np.ndarray, arms: int) -> str:
    """CPU time of a choice and its reward of every installed peer, best of ten."""
    stream, found = Stream(contexts, np.full((len(contexts), arms), 0.5), 0.0), []
    for name, make in makers(stream).items():
        best = float("inf")
        for _ in range(10):
            peer, started = make(0), time.process_time_ns()
            for context in contexts:
                peer.learn(peer.choose(context), 0.5)
            best = min(best, (time.process_time_ns() - started) / len(contexts) / 1_000)
        found.append(f"{name} {best:.0f} us")
    return ", ".join(found) or "no peer installed: see Makefile, quality"
