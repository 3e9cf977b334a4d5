"""What may give occasion to optimise: the analyzer's hints where it gives any, and what the engine sees for itself.

A hint adds an occasion or restrains exploration; it never hides what the engine has measured (spec, 157).
"""

from .protocol import View


def cost_pressure(view: View) -> bool:
    """Said by the analyzer, or spending is projected beyond the budget."""
    purse = view.state.hot.purse
    return bool(view.insight.hints.cost_pressure) or (purse is not None and purse.is_over)


def performance_degradation(view: View) -> bool:
    """Said by the analyzer, or a hard limit or alarm is firing."""
    return bool(view.insight.hints.performance_degradation) or view.is_ill


def performance_suboptimal(view: View) -> bool:
    """Said by the analyzer: parameters are worth tuning now, without waiting for the usual interval."""
    return bool(view.insight.hints.performance_suboptimal)


def may_explore(view: View) -> bool:
    """Not when the analyzer says that there is nothing to gain."""
    return view.insight.hints.optimization_opportunity is not False
