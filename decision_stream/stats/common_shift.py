"""Did what is measured beside a mean move along with it? Asked of others that are told as running means.

A mean over n remembered values takes in a share w of new ones at every report, so that a shift d of the truth moves it
by only w d. Nobody tells w, but noise does: while the truth stands still, an exponentially weighted mean moves by a
variance of 2 w / (2 - w) times that of its n values' average (Roberts 1959, "Control chart tests based on geometric
moving averages"). The smaller w, the less the others move, but the less they move by chance too: little is lost.
"""

LEAST_SHARE = 1.0 / 3.0


def new_share(square: float, size: float, variance: float) -> float:
    """Share of a report that is new, from the mean square of its movements while nothing happens.

    `size` is the number of values that the mean remembers, `variance` that of one value; both are positive.

    >>> round(new_share(2.0 * 0.04 / 100.0, 100.0, 0.04), 6)  # means of values that are new every time
    1.0
    """
    ratio = square * size / variance
    return min(1.0, 2.0 * ratio / (2.0 + ratio))


def log_ratio(moved: float, reports: int, square: float, size: float, variance: float, shift: float) -> float:
    """Log likelihood ratio of a shift that the others share against one that they do not, after some reports.

    `moved` is how far the others' mean moved in all these reports, `square` the mean square of its movements while
    nothing happened; 0.0 without reports. The truth never stands quite still, which makes the share of what is new look
    larger than it is: of the shares between a third of it and all of it the likeliest is taken. ValueError for a
    square, size or variance that is not positive.

    >>> still, along = (log_ratio(moved, 4, 1e-6, 4_000.0, 0.04, -0.05) for moved in (0.0, -0.01))
    >>> round(still, 1), round(along, 1)
    (-4.4, 14.4)
    """
    if min(square, size, variance) <= 0.0:
        raise ValueError(f"square, size and variance must be positive, found {square}, {size} and {variance}")
    if reports == 0 or shift == 0.0:
        return 0.0
    share = new_share(square, size, variance)
    taken_in = 1.0 - (1.0 - share) ** reports
    low, high = sorted((LEAST_SHARE * shift * taken_in, shift * taken_in))
    expected = min(max(moved, low), high)
    # What moves a mean by chance is forgotten again, so that its variance grows as what is taken in does.
    return expected * (moved - expected / 2.0) / (square * taken_in / share)
