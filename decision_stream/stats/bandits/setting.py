"""The one bandit setting that is judged by all benchmarks of decision quality at once, and that the product ships.

The defaults of `LinearModel`, `ThompsonSampling`, `BetaThompson` and `Resetting` are these numbers, and so are those of
the policy, so that what is measured (steady, switching and contextual streams; late, lost and doubled rewards; a
budget; the reports of a route) is what runs. Change one, and `docs/quality.md` must be measured anew. Rewards lie in
[0, `CEILING`].
"""

FORGETTING = 0.9999
"""Share of the evidence kept for each reward learnt: half of it is gone after 6,931 rewards."""
RIDGE = 1.0
"""Prior precision of each coefficient, in units of one reward's information."""
CEILING = 1.0
"""The largest reward. An arm without evidence is believed to earn it, so that each is tried."""
NOISE = 0.1
"""First guess of a reward's standard deviation around its expectation."""
NOISE_WEIGHT = 10.0
"""How many rewards that guess is worth; the estimate takes over."""
NOISE_FORGETTING = 0.999
"""Share of the estimate of the noise kept for each reward."""
SCALE = 0.6
"""Width of the posterior that is sampled from, in its own standard deviations: below 1 explores less."""
FLOOR = 0.001
"""The least chance with which any arm is taken, so that each stays observable."""
BALANCE = 1.0
"""Propensities below it count as it when a reward is weighted by the inverse; 1 weighs all rewards alike."""
PATIENCE = 4_000.0
"""Rewards of an arm between two false alarms that it has changed, on average and at least."""
KNOWN = 10.0
"""Rewards that an arm must have brought before it is watched for a change: until then the optimistic start shows."""
TRUST = 0.7
"""What the estimated precision of a reward counts for in that watch. It is one for all arms, and some are noisier."""
