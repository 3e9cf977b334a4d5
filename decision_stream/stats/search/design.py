"""Latin hypercube: spread n points over a unit cube so that each axis is covered evenly.

A design for offline or shadow trials, and a source of well spread candidates. It knows no objective, so it is
no optimiser: on live traffic two thirds of such trials are clearly worse than the running configuration.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def latin_hypercube(orders: Floats, jitters: Floats) -> Floats:
    """Points of a Latin hypercube, shape (n, d), each coordinate in [0, 1).

    Both arguments are independent uniforms in [0, 1) of shape (n, d). Along each axis the ranks of `orders`
    say which of the n equal strata a point falls in (ties in row order), `jitters` where within it.
    McKay, Beckman & Conover (1979), section 2.2. Raises ValueError for other shapes or values.

    >>> latin_hypercube(np.array([[0.9], [0.1]]), np.array([[0.5], [0.5]])).tolist()
    [[0.75], [0.25]]
    """
    orders, jitters = np.asarray(orders, dtype=np.float64), np.asarray(jitters, dtype=np.float64)
    if orders.ndim != 2 or orders.shape != jitters.shape:
        raise ValueError(f"orders {orders.shape} and jitters {jitters.shape}, expected one shape (n, d) for both")
    for name, draws in (("orders", orders), ("jitters", jitters)):
        if not np.all((draws >= 0.0) & (draws < 1.0)):
            raise ValueError(f"{name} hold a value outside [0, 1), expected uniforms")
    count = len(orders)
    strata = np.argsort(np.argsort(orders, axis=0, kind="stable"), axis=0, kind="stable")
    # Rounding may lift the last jitter of a stratum onto the next one, and of the last stratum onto 1.
    return np.minimum((strata + jitters) / count, np.nextafter((strata + 1) / count, 0.0))
